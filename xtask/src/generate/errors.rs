//! `docs/reference/errors.md` is written by hand, because what to do about an error is not in the code; that it
//! has every code, and no other, is checked here against the places where codes are made.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

const PAGE: &str = "docs/reference/errors.md";
/// Refusals are made anywhere in the server.
const SERVER: &str = "crates/parapet/src";
/// Files in which every short literal after a comma, an arrow or `code:` is a code.
const TABLES: [&str; 2] = ["crates/parapet/src/edge/strict/violation.rs", "crates/wire/src/dialect/check.rs"];

/// Codes that only the page or only the code has.
pub(super) fn faults(root: &Path) -> anyhow::Result<Vec<String>> {
    let page = fs::read_to_string(root.join(PAGE)).context(PAGE)?;
    let documented: BTreeSet<String> = documented(&page).collect();
    let mut made = BTreeSet::new();
    for file in sources(&root.join(SERVER))? {
        made.extend(refusals(&fs::read_to_string(file)?));
    }
    for file in TABLES {
        made.extend(table(&fs::read_to_string(root.join(file)).context(file)?));
    }
    let missing = made.difference(&documented).map(|code| format!("`{code}` is not on the page"));
    let stale = documented.difference(&made).map(|code| format!("`{code}` is made nowhere"));
    Ok(missing.chain(stale).collect())
}

/// The first cell of each row of the page's tables.
fn documented(page: &str) -> impl Iterator<Item = String> {
    page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(code, _)| code.to_owned()))
}

/// `Refusal::new(Kind::…, "code", …)`, with any white space.
fn refusals(source: &str) -> impl Iterator<Item = String> {
    source.split("::new(").skip(1).filter_map(|call| {
        let (kind, rest) = call.split_once(',')?;
        let kind = kind.trim();
        (kind.starts_with("Kind::") || kind == "kind").then(|| literal(rest.trim_start()))?
    })
}

/// Literals at the end of a call, of an arm or of a member.
fn table(source: &str) -> impl Iterator<Item = String> {
    let pieces = [", \"", "=> \"", "code: \""].into_iter().flat_map(|before| source.split(before).skip(1));
    pieces.filter_map(|piece| {
        let (word, after) = piece.split_once('"')?;
        let ends = after.starts_with([')', ',', '\n']) || after.starts_with(" }");
        (ends && is_code(word) && word.contains('_')).then(|| word.to_owned())
    })
}

fn literal(text: &str) -> Option<String> {
    let (word, _) = text.strip_prefix('"')?.split_once('"')?;
    is_code(word).then(|| word.to_owned())
}

fn is_code(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn sources(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_code_and_no_other() {
        assert_eq!(faults(&super::super::root()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn codes_are_found_where_they_are_made() {
        let source = "Refusal::new(Kind::NotFound,\n  \"no_such\", \"text\") Other::new(\"not_this\", 1) Self::new(kind, \"that\", x)";
        assert_eq!(refusals(source).collect::<Vec<_>>(), ["no_such", "that"]);
        let source =
            "refused(p, &text, \"one_code\")) FaultKind::Depth => \"two_code\",\n code: \"three_code\" }";
        assert_eq!(table(source).collect::<Vec<_>>(), ["one_code", "two_code", "three_code"]);
    }
}
