//! The reference pages that nobody writes: what the binary says of itself, as files under `docs/reference`.
//!
//! Everything comes from the built binary as its users have it: its OpenAPI documents, its config schema and what
//! `config explain` knows of each key, its help texts, and the metrics of a server that has been used. So a page
//! can only be wrong if the binary is. With `--check` nothing is written, and a page that would change fails.

mod cli;
mod config;
mod errors;
mod metrics;
mod routes;

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use clap::Args;
use serde_json::Value;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The parapet binary to ask; built first when not given
    parapet: Option<PathBuf>,
    /// Writes nothing, and fails if a page would change
    #[arg(long)]
    check: bool,
}

/// A file of `docs/reference` and its text.
type Page = (&'static str, String);

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let parapet = match &arguments.parapet {
        Some(path) => {
            Parapet(fs::canonicalize(path).with_context(|| format!("no binary at {}", path.display()))?)
        }
        None => Parapet::build()?,
    };
    let folder = root().join("docs/reference");
    let mut stale = Vec::new();
    for (name, text) in pages(&parapet)? {
        let path = folder.join(name);
        let found = fs::read_to_string(&path).unwrap_or_default();
        if found == text {
            continue;
        }
        if arguments.check {
            stale.push(difference(name, &found, &text));
        } else {
            fs::create_dir_all(&folder)?;
            fs::write(&path, &text)?;
            writeln!(io::stdout(), "written: docs/reference/{name}")?;
        }
    }
    let faults = errors::faults(&root())?;
    ensure!(faults.is_empty(), "docs/reference/errors.md and the code differ:\n  {}", faults.join("\n  "));
    ensure!(
        stale.is_empty(),
        "generated pages are not what the binary says; run `cargo run -p xtask -- generate`\n{}",
        stale.concat()
    );
    Ok(())
}

fn pages(parapet: &Parapet) -> anyhow::Result<Vec<Page>> {
    let documents = routes::Documents::export(parapet)?;
    let schema: Value = serde_json::from_str(&parapet.says(["config", "schema"])?)?;
    Ok(vec![
        ("openapi.json", documents.public.clone()),
        ("routes.md", documents.page()?),
        ("config.schema.json", format!("{schema:#}\n")),
        ("config.md", config::page(parapet, &schema)?),
        ("cli.md", cli::page(parapet)?),
        ("metrics.md", metrics::page(parapet, &root())?),
    ])
}

/// The built binary.
struct Parapet(PathBuf);

impl Parapet {
    fn build() -> anyhow::Result<Self> {
        let cargo = || {
            let mut cargo = Command::new(env!("CARGO"));
            cargo.current_dir(root());
            cargo
        };
        let built = cargo().args(["build", "--quiet", "--package", "parapet"]).status()?;
        ensure!(built.success(), "parapet does not build");
        let metadata =
            cargo().args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).output()?;
        let metadata: Value = serde_json::from_slice(&metadata.stdout)?;
        let target =
            metadata.get("target_directory").and_then(Value::as_str).context("no target directory")?;
        Ok(Self(Path::new(target).join("debug/parapet")))
    }

    /// A command, away from whatever config and environment there is here.
    fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(&self.0);
        command.env_clear().current_dir("/").args(arguments);
        command
    }

    /// What a command that must succeed writes to standard output.
    fn says<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> anyhow::Result<String> {
        let mut command = self.command(arguments);
        let said = command.output().with_context(|| format!("cannot run {}", self.0.display()))?;
        if !said.status.success() {
            bail!("{command:?}: {}", String::from_utf8_lossy(&said.stderr));
        }
        Ok(String::from_utf8(said.stdout)?)
    }
}

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The lines that only one of two texts has, as many as help to see what happened.
fn difference(name: &str, found: &str, wanted: &str) -> String {
    const SHOWN: usize = 12;
    let only = |a: &str, b: &str, sign: char| -> Vec<String> {
        let others: Vec<&str> = b.lines().collect();
        a.lines().filter(|line| !others.contains(line)).map(|line| format!("    {sign} {line}\n")).collect()
    };
    let mut lines = only(found, wanted, '-');
    lines.extend(only(wanted, found, '+'));
    let mut text = format!("  docs/reference/{name}: {} lines differ\n", lines.len());
    for line in lines.iter().take(SHOWN) {
        text.push_str(line);
    }
    if lines.len() > SHOWN {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "    … and {} more", lines.len() - SHOWN);
    }
    text
}

/// The head of a generated page of Markdown.
fn head(title: &str, source: &str) -> String {
    format!(
        "# {title}\n\n<!-- Generated by `cargo run -p xtask -- generate` from {source}. Do not edit. -->\n\n"
    )
}

/// A text as a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_both_sides_and_is_bounded() {
        let text = difference("x.md", "same\nold\n", "same\nnew\n");
        assert_eq!(text, "  docs/reference/x.md: 2 lines differ\n    - old\n    + new\n");
        let many: String = (0..100).map(|n| format!("{n}\n")).collect();
        let text = difference("x.md", "", &many);
        assert!(text.ends_with("… and 88 more\n") && text.lines().count() == 14, "{text}");
    }

    #[test]
    fn a_cell_stays_in_its_row() {
        assert_eq!(cell("a | b\n  c"), "a \\| b c");
    }
}
