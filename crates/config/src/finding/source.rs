//! The text of the config file as far as findings may show it.
//!
//! Two rules keep secrets out. Stretches known to hold a secret, by the key above them, are marked before any
//! finding is published. A line is printed with marked stretches replaced, with the password of a URL replaced,
//! and with control characters made visible, so that a config cannot write to the reader's terminal.

use std::ops::Range;

use super::{Origin, Place, Position, Span};

const MASK: &str = "[redacted]";
/// Line breaks of YAML (YAML 1.2.2, 5.4).
const BREAKS: [char; 2] = ['\n', '\r'];
/// What stands between words of YAML, beside white space.
const SEPARATORS: &str = "\"'{}[],";
/// A longer line is cut around the finding.
const WIDTH: usize = 120;

pub(crate) struct Source<'a> {
    name: &'a str,
    text: &'a str,
    secret: Vec<Range<usize>>,
}

impl<'a> Source<'a> {
    pub(crate) const fn new(name: &'a str, text: &'a str) -> Self {
        Self { name, text, secret: Vec::new() }
    }

    pub(crate) fn mask(&mut self, span: Span) {
        self.secret.push(span.start..span.end);
    }

    /// Marks every word that could be a credential, for a text that does not parse: what follows a key that
    /// holds secrets, to the end of its line or the next key, and what looks like one.
    pub(crate) fn mask_whatever_looks_secret(&mut self) {
        let mut start = 0;
        for line in self.text.split_inclusive(BREAKS) {
            let mut secret = false;
            let mut last = "";
            for piece in line.split_inclusive(|c: char| c.is_whitespace() || SEPARATORS.contains(c)) {
                let word = piece.trim_end_matches(|c: char| c.is_whitespace() || SEPARATORS.contains(c));
                if let Some(key) = word.strip_suffix(':') {
                    // `"key":` is two words.
                    secret = is_secret_key(if key.is_empty() { last } else { key });
                } else if secret
                    || looks_secret(word)
                    || word.split_once(':').is_some_and(|(key, _)| is_secret_key(key))
                {
                    self.secret.push(start..start + word.len());
                }
                if !word.is_empty() {
                    last = word;
                }
                start += piece.len();
            }
        }
    }

    pub(crate) fn place(&self, origin: &Origin) -> Option<Place> {
        match origin {
            Origin::Default | Origin::Kind(_) => None,
            Origin::Env(name) => Some(Place::Env { name: name.to_string() }),
            Origin::Flag(key) => Some(Place::Flag { key: key.to_string() }),
            Origin::File(span) => Some(Place::File(self.position(*span))),
        }
    }

    fn position(&self, span: Span) -> Position {
        let at = span.start.min(self.text.len());
        let line_start = self.text.get(..at).and_then(|t| t.rfind(BREAKS)).map_or(0, |i| i + 1);
        let line = self.text.get(line_start..).unwrap_or_default();
        let line = line.split(BREAKS).next().unwrap_or_default();
        let stretch = at..span.end.min(line_start + line.len()).max(at);
        let len = self.text.get(stretch.clone()).map_or(0, |t| t.chars().count()).max(1);

        let (shown, caret) = self.masked(line, line_start, stretch);
        let (source, caret) = cut(shown, caret);
        Position { file: self.name.to_owned(), line: span.line, col: span.col, len, source, caret }
    }

    /// The line without secrets, and where `stretch` (bytes of the text) comes to lie in it.
    fn masked(&self, line: &str, line_start: usize, stretch: Range<usize>) -> (String, (usize, usize)) {
        let password = url_password(line).map(|r| r.start + line_start..r.end + line_start);
        let hidden = |at: usize| self.secret.iter().chain(&password).find(|range| range.contains(&at));
        let mut shown = String::new();
        let mut width = 0;
        let mut from = None;
        let mut to = 0;
        let mut masking = None;
        for (offset, c) in line.char_indices() {
            let at = line_start + offset;
            let before = width;
            match hidden(at) {
                Some(range) if masking == Some(range) => {}
                Some(range) => {
                    masking = Some(range);
                    shown.push_str(MASK);
                    width += MASK.len();
                }
                None => {
                    masking = None;
                    shown.push(visible(c));
                    width += 1;
                }
            }
            if stretch.contains(&at) || at == stretch.start {
                from.get_or_insert(before.min(width.saturating_sub(1)));
                to = width;
            }
        }
        // At or after the end of the line, as a file that stops too early is.
        let from = from.unwrap_or(width);
        (shown, (from, to.saturating_sub(from).max(1)))
    }
}

/// Text from a config within a message: bounded, one line, no control characters.
pub(crate) fn printable(text: &str) -> String {
    const MOST: usize = 80;
    let mut shown: String = text.chars().take(MOST).map(visible).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}

/// True if what stands under this key is a secret, whatever section it is in: `api_key`, `password`, `token`.
pub(crate) fn is_secret_key(key: &str) -> bool {
    let key = key.to_lowercase();
    key.split(|c: char| !c.is_alphanumeric()).any(|word| match word {
        // Limits and rates count tokens; they are not one.
        "tokens" => false,
        "key" | "keys" | "pass" | "auth" | "bearer" | "hash" => true,
        _ => ["apikey", "secret", "passw", "token", "authorization", "credential"]
            .iter()
            .any(|part| word.contains(part)),
    })
}

fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        // Line and paragraph separators and the bidirectional controls reorder what a terminal shows.
        '\u{2028}'
        | '\u{2029}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// A well-known prefix, or a long run of letters mixed with digits. Names of models have separators.
pub(crate) fn looks_secret(text: &str) -> bool {
    let random = |run: &str| {
        run.len() >= 16
            && run.bytes().any(|b| b.is_ascii_digit())
            && run.bytes().any(|b| b.is_ascii_alphabetic())
    };
    text.trim_start_matches(['"', '\'']).starts_with("sk-")
        || text.split(|c: char| !c.is_ascii_alphanumeric()).any(random)
}

/// Bytes of the password in `scheme://user:password@host`, if the line has one.
fn url_password(line: &str) -> Option<Range<usize>> {
    let authority = line.find("://")? + 3;
    let rest = line.get(authority..)?;
    let end = rest.find(|c: char| c.is_whitespace() || "/\"'".contains(c)).unwrap_or(rest.len());
    let userinfo = rest.get(..end)?.rfind('@')?;
    let colon = rest.get(..userinfo)?.find(':').map_or(0, |colon| colon + 1);
    Some(authority + colon..authority + userinfo)
}

fn cut(line: String, (from, len): (usize, usize)) -> (String, (usize, usize)) {
    let count = line.chars().count();
    if count <= WIDTH {
        return (line, (from, len));
    }
    let start = from.saturating_sub(WIDTH / 3).min(count);
    let mut window: String = line.chars().skip(start).take(WIDTH).collect();
    let lead = if start > 0 { "… " } else { "" };
    window.insert_str(0, lead);
    if start + WIDTH < count {
        window.push_str(" …");
    }
    let from = from - start + lead.chars().count();
    (window, (from, len.min(WIDTH.saturating_sub(from)).max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(text: &str, start: usize, end: usize, secret: &[Range<usize>]) -> Position {
        let source = Source { name: "f", text, secret: secret.to_vec() };
        source.position(Span { start, end, line: 1, col: start + 1 })
    }

    #[test]
    fn a_masked_stretch_moves_the_caret_with_it() {
        let text = "a: verysecretvalue, bad: x";
        let shown = position(text, 20, 23, std::slice::from_ref(&(3..18)));
        assert_eq!(shown.source, "a: [redacted], bad: x");
        assert_eq!(shown.caret, (15, 3));
        assert_eq!((shown.col, shown.len), (21, 3));
    }

    #[test]
    fn a_finding_about_the_secret_itself_underlines_the_mask() {
        let shown = position("a: s3cret", 3, 9, std::slice::from_ref(&(3..9)));
        assert_eq!(shown.source, "a: [redacted]");
        assert_eq!(shown.caret.0, 3 + MASK.len() - MASK.len());
    }

    #[test]
    fn lines_end_as_yaml_lines_do() {
        for text in ["a: 1\nb: 2\nc: 3", "a: 1\r\nb: 2\r\nc: 3", "a: 1\rb: 2\rc: 3"] {
            let start = text.find('b').unwrap();
            let shown = position(text, start, start + 1, &[]);
            assert_eq!((shown.source.as_str(), shown.caret), ("b: 2", (0, 1)), "{text:?}");
        }
    }

    #[test]
    fn passwords_in_urls_are_masked() {
        let shown = position("base_url: https://me:hunter2@host/v1", 0, 8, &[]);
        assert_eq!(shown.source, "base_url: https://me:[redacted]@host/v1");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert!(!position("a: \u{1b}[31m\u{202e}x", 0, 1, &[]).source.contains(['\u{1b}', '\u{202e}']));
        assert!(!printable("\u{1b}[31m").contains('\u{1b}'));
    }

    #[test]
    fn a_long_line_is_cut_around_the_finding() {
        let text = format!("{}BAD{}", "x".repeat(500), "y".repeat(500));
        let shown = position(&text, 500, 503, &[]);
        let (from, len) = shown.caret;
        let marked: String = shown.source.chars().skip(from).take(len).collect();
        assert_eq!(marked, "BAD");
        assert!(shown.source.chars().count() < 130);
    }

    #[test]
    fn keys_that_hold_secrets_are_known_by_their_words() {
        for key in ["api_key", "apikey", "API_KEYS", "password", "client-secret", "token", "Authorization"] {
            assert!(is_secret_key(key), "{key}");
        }
        for key in ["max_tokens", "tokens_per_second", "name", "keyboard", "models"] {
            assert!(!is_secret_key(key), "{key}");
        }
    }
}
