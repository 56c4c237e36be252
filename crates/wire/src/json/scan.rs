use std::fmt;

use crate::json::Text;

/// Nesting that is read; deeper text is refused before anything recurses into it.
pub const MAX_DEPTH: u32 = 64;

/// A half-open range of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    /// The bytes of `body` in this span; empty if the span is not inside it.
    #[must_use]
    pub fn of(self, body: &[u8]) -> &[u8] {
        body.get(self.start..self.end).unwrap_or_default()
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start >= self.end
    }
}

/// What is wrong with a text that should be JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Not UTF-8.
    Encoding,
    /// A byte the grammar does not allow here.
    Syntax,
    /// The text ends inside a value.
    End,
    /// Nested deeper than the limit.
    Depth,
    /// Something follows the value.
    Trailing,
    /// Valid, but not the kind of value that was asked for.
    Kind(&'static str),
}

/// A fault and the byte where it was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    pub offset: usize,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            FaultKind::Encoding => write!(f, "not valid UTF-8 at byte {}", self.offset),
            FaultKind::Syntax => write!(f, "not valid JSON at byte {}", self.offset),
            FaultKind::End => write!(f, "the JSON text ends too early, at byte {}", self.offset),
            FaultKind::Depth => write!(f, "nested deeper than {MAX_DEPTH} levels at byte {}", self.offset),
            FaultKind::Trailing => write!(f, "something follows the JSON value at byte {}", self.offset),
            FaultKind::Kind(wanted) => write!(f, "expected {wanted} at byte {}", self.offset),
        }
    }
}

impl std::error::Error for Fault {}

/// Checks that `body` is one JSON value nested at most `max_depth` levels (itself at most [`MAX_DEPTH`]).
///
/// # Errors
/// The first fault, with its offset.
pub fn check(body: &[u8], max_depth: u32) -> Result<(), Fault> {
    let mut scanner = Scanner::new(body)?;
    scanner.max_depth = max_depth.min(MAX_DEPTH);
    scanner.skip()?;
    scanner.end()
}

/// Calls `each` with the name and the value's span of every member of a top-level object, in order, duplicates
/// included.
///
/// # Errors
/// If `body` is not one JSON object, and whatever `each` returns.
pub fn members<'a, E: From<Fault>>(
    body: &'a [u8],
    mut each: impl FnMut(Text<'a>, Span) -> Result<(), E>,
) -> Result<(), E> {
    let mut scanner = Scanner::new(body)?;
    let mut object = scanner.object()?;
    while let Some(name) = scanner.member(&mut object)? {
        each(name, scanner.skip()?)?;
    }
    Ok(scanner.end()?)
}

/// The kind of the value that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

impl Kind {
    /// With its article, for messages.
    pub(crate) const fn a(self) -> &'static str {
        match self {
            Self::Object => "an object",
            Self::Array => "an array",
            Self::String => "a string",
            Self::Number => "a number",
            Self::Bool => "a boolean",
            Self::Null => "null",
        }
    }
}

/// Whether a comma is due before the next item of an object or array.
pub(crate) struct Commas(bool);

/// A checking cursor over JSON text. Every value is either read or skipped, so reaching [`Scanner::end`]
/// means that the whole text was valid.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
    max_depth: u32,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Result<Self, Fault> {
        match std::str::from_utf8(body) {
            Ok(text) => Ok(Self { text, at: 0, depth: 0, max_depth: MAX_DEPTH }),
            Err(error) => Err(Fault { kind: FaultKind::Encoding, offset: error.valid_up_to() }),
        }
    }

    /// The kind of the next value, which stays unread.
    pub(crate) fn peek(&mut self) -> Result<Kind, Fault> {
        self.space();
        match self.byte() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'n') => Ok(Kind::Null),
            _ => Err(self.unexpected()),
        }
    }

    /// Enters an object; then call [`Scanner::member`] until it is `None`.
    pub(crate) fn object(&mut self) -> Result<Commas, Fault> {
        self.enter(b'{', "an object")
    }

    /// The next member's name; its value must be read or skipped before the next call.
    pub(crate) fn member(&mut self, commas: &mut Commas) -> Result<Option<Text<'a>>, Fault> {
        if !self.item(commas, b'}')? {
            return Ok(None);
        }
        self.space();
        if self.byte() != Some(b'"') {
            return Err(self.unexpected());
        }
        let name = self.quoted()?;
        self.space();
        if self.byte() != Some(b':') {
            return Err(self.unexpected());
        }
        self.at += 1;
        Ok(Some(name))
    }

    /// Enters an array; then call [`Scanner::element`] until it is false.
    pub(crate) fn array(&mut self) -> Result<Commas, Fault> {
        self.enter(b'[', "an array")
    }

    /// Whether there is a further element; it must be read or skipped before the next call.
    pub(crate) fn element(&mut self, commas: &mut Commas) -> Result<bool, Fault> {
        self.item(commas, b']')
    }

    pub(crate) fn string(&mut self) -> Result<Text<'a>, Fault> {
        self.space();
        if self.byte() != Some(b'"') {
            return Err(self.wanted("a string"));
        }
        self.quoted()
    }

    /// A number as it is spelled.
    pub(crate) fn number(&mut self) -> Result<&'a str, Fault> {
        self.space();
        let start = self.at;
        if !matches!(self.byte(), Some(b'-' | b'0'..=b'9')) {
            return Err(self.wanted("a number"));
        }
        self.digits_and_signs()?;
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }

    pub(crate) fn boolean(&mut self) -> Result<bool, Fault> {
        self.space();
        match self.byte() {
            Some(b't') => self.literal("true").map(|()| true),
            Some(b'f') => self.literal("false").map(|()| false),
            _ => Err(self.wanted("a boolean")),
        }
    }

    /// Reads a `null` if it is next.
    pub(crate) fn null(&mut self) -> Result<bool, Fault> {
        self.space();
        if self.byte() != Some(b'n') {
            return Ok(false);
        }
        self.literal("null").map(|()| true)
    }

    /// Checks the next value and passes over it. Recursion is bounded by the depth limit.
    pub(crate) fn skip(&mut self) -> Result<Span, Fault> {
        self.space();
        let start = self.at;
        match self.byte() {
            Some(b'"') => drop(self.quoted()?),
            Some(b'{') => {
                let mut object = self.object()?;
                while self.member(&mut object)?.is_some() {
                    self.skip()?;
                }
            }
            Some(b'[') => {
                let mut array = self.array()?;
                while self.element(&mut array)? {
                    self.skip()?;
                }
            }
            Some(b'-' | b'0'..=b'9') => self.digits_and_signs()?,
            Some(b't') => self.literal("true")?,
            Some(b'f') => self.literal("false")?,
            Some(b'n') => self.literal("null")?,
            _ => return Err(self.unexpected()),
        }
        Ok(Span { start, end: self.at })
    }

    /// The next value, whatever it is, as it is written.
    pub(crate) fn value(&mut self) -> Result<&'a str, Fault> {
        let Span { start, end } = self.skip()?;
        Ok(self.text.get(start..end).unwrap_or_default())
    }

    /// Nothing but white space may follow.
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err(self.fault(FaultKind::Trailing)) }
    }

    /// Bytes read so far. After white space was passed, the start of the next value.
    pub(crate) const fn offset(&self) -> usize {
        self.at
    }

    pub(crate) const fn fault(&self, kind: FaultKind) -> Fault {
        Fault { kind, offset: self.at }
    }

    fn enter(&mut self, open: u8, what: &'static str) -> Result<Commas, Fault> {
        self.space();
        if self.byte() != Some(open) {
            return Err(self.wanted(what));
        }
        if self.depth == self.max_depth {
            return Err(self.fault(FaultKind::Depth));
        }
        self.depth += 1;
        self.at += 1;
        Ok(Commas(false))
    }

    fn item(&mut self, commas: &mut Commas, close: u8) -> Result<bool, Fault> {
        self.space();
        let due = std::mem::replace(&mut commas.0, true);
        match self.byte() {
            Some(byte) if byte == close => {
                self.at += 1;
                self.depth -= 1;
                return Ok(false);
            }
            Some(b',') if due => self.at += 1,
            Some(_) if !due => {}
            _ => return Err(self.unexpected()),
        }
        Ok(true)
    }

    fn quoted(&mut self) -> Result<Text<'a>, Fault> {
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += plain_prefix(self.text.as_bytes().get(self.at..).unwrap_or_default());
            match self.byte() {
                Some(b'"') => {
                    let raw = self.text.get(start..self.at).unwrap_or_default();
                    self.at += 1;
                    return Ok(Text::new(raw, escaped));
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return Err(self.unexpected()),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        self.at += 1;
        match self.byte() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.byte().is_some_and(|b| b.is_ascii_hexdigit()) {
                        return Err(self.unexpected());
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.unexpected()),
        }
        Ok(())
    }

    fn digits_and_signs(&mut self) -> Result<(), Fault> {
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        if self.byte() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while self.byte().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(self.unexpected()) } else { Ok(()) }
    }

    fn literal(&mut self, word: &'static str) -> Result<(), Fault> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            return Err(self.unexpected());
        }
        self.at += word.len();
        Ok(())
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// A well-formed value of another kind than wanted, or no value at all.
    fn wanted(&mut self, what: &'static str) -> Fault {
        match self.peek() {
            Ok(_) => self.fault(FaultKind::Kind(what)),
            Err(fault) => fault,
        }
    }

    const fn unexpected(&self) -> Fault {
        let kind = if self.at >= self.text.len() { FaultKind::End } else { FaultKind::Syntax };
        self.fault(kind)
    }
}

/// How many leading bytes are neither a quote, a backslash nor a control character: eight at a time, by the
/// "find a zero byte" arithmetic of Hacker's Delight, section 6-1, in which the lowest marked byte is exact.
pub(super) fn plain_prefix(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    const QUOTES: u64 = 0x2222_2222_2222_2222;
    const BACKSLASHES: u64 = 0x5c5c_5c5c_5c5c_5c5c;
    const SPACES: u64 = 0x2020_2020_2020_2020;

    let (words, tail) = bytes.as_chunks::<8>();
    let mut passed = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let (quote, backslash) = (word ^ QUOTES, word ^ BACKSLASHES);
        let special = (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(SPACES) & !word);
        let special = special & HIGHS;
        if special != 0 {
            return passed + (special.trailing_zeros() / 8) as usize;
        }
        passed += 8;
    }
    passed + tail.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20).unwrap_or(tail.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn depth_is_counted_in_brackets_of_either_kind() {
        let nested = |n: usize| [r#"[{"a":"#.repeat(n / 2), "1".into(), "}]".repeat(n / 2)].concat();
        assert_eq!(check(nested(64).as_bytes(), 64), Ok(()));
        let fault = check(nested(66).as_bytes(), 64).unwrap_err();
        assert_eq!((fault.kind, fault.offset), (FaultKind::Depth, 32 * 6));
        assert_eq!(check(b"[[1]]", 1).unwrap_err().kind, FaultKind::Depth);
    }

    #[test]
    fn a_million_open_brackets_are_refused_without_recursion() {
        assert_eq!(check(&vec![b'['; 1_000_000], u32::MAX).unwrap_err().kind, FaultKind::Depth);
    }

    #[test]
    fn faults_say_what_and_where() {
        let fault = |text: &[u8]| {
            let fault = check(text, 64).unwrap_err();
            (fault.kind, fault.offset)
        };
        assert_eq!(fault(b""), (FaultKind::End, 0));
        assert_eq!(fault(br#"{"a":1"#), (FaultKind::End, 6));
        assert_eq!(fault(br#"{"a" 1}"#), (FaultKind::Syntax, 5));
        assert_eq!(fault(b"{} x"), (FaultKind::Trailing, 3));
        assert_eq!(fault(b"\"\xff\""), (FaultKind::Encoding, 1));
        assert_eq!(fault(b"\"a\nb\""), (FaultKind::Syntax, 2));
        assert_eq!(fault(b"[1,]"), (FaultKind::Syntax, 3));
        assert_eq!(fault(b"{,}"), (FaultKind::Syntax, 1));
        assert_eq!(fault(b"01"), (FaultKind::Trailing, 1));
    }

    #[test]
    fn members_are_found_with_their_spans_and_real_names() {
        let body = br#" { "a" : [1, 2] , "\u0062":"x","a":null } "#;
        let mut shown = Vec::new();
        let each = |name: Text<'static>, span: Span| -> Result<(), Fault> {
            shown.push((name.decode(), span.of(body)));
            Ok(())
        };
        members(body, each).unwrap();
        assert_eq!(shown, [("a".into(), &b"[1, 2]"[..]), ("b".into(), b"\"x\""), ("a".into(), b"null")]);
    }

    fn json_like() -> impl Strategy<Value = String> {
        let token = prop_oneof![
            Just("{".to_owned()),
            Just("}".into()),
            Just("[".into()),
            Just("]".into()),
            Just(",".into()),
            Just(":".into()),
            Just("\"a\"".into()),
            Just("null".into()),
            Just("true".into()),
            Just(" ".into()),
            "-?[0-9]{1,3}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?",
            "\"(\\\\[\"\\\\/bfnrtux]|\\\\u00[0-9a-f]{2}|[a-zé\u{1}]){0,12}\"",
        ];
        proptest::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat())
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 64, 8, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                proptest::collection::hash_map(any::<String>(), inner, 0..8)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn verdicts_agree_with_a_full_parser(text in json_like()) {
            let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(check(text.as_bytes(), 64).is_ok(), theirs, "{}", text);
        }

        #[test]
        fn every_value_is_accepted_and_every_proper_prefix_of_a_container_refused(value in json_value(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let text = text.unwrap();
            prop_assert_eq!(check(text.as_bytes(), 64), Ok(()));
            if matches!(value, Value::Object(_) | Value::Array(_)) {
                for cut in 0..text.len() {
                    prop_assert!(check(&text.as_bytes()[..cut], 64).is_err());
                }
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = check(&bytes, 64);
            let _ = members(&bytes, |_, _| Ok::<_, Fault>(()));
        }

        #[test]
        fn the_plain_prefix_is_exact(bytes in proptest::collection::vec(prop_oneof![
            6 => any::<u8>(), 1 => Just(b'"'), 1 => Just(b'\\'), 1 => 0_u8..0x22], 0..40)) {
            let slow = bytes.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20).unwrap_or(bytes.len());
            prop_assert_eq!(plain_prefix(&bytes), slow);
        }
    }
}
