use std::borrow::Cow;
use std::fmt;

use bytes::BytesMut;

use crate::json::scan::plain_prefix;

/// A text of a JSON body, usually a string as it stands between its quotes. Decoding is left to whoever needs the
/// characters: most strings that pass through are never looked into, and are written again as they stood.
#[derive(Clone, Copy, Default)]
pub struct Text<'a> {
    raw: &'a str,
    form: Form,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Form {
    /// The characters themselves, whatever they are.
    #[default]
    Plain,
    /// The inside of a JSON string that has no escapes.
    Literal,
    /// The inside of a JSON string; every backslash starts a whole escape sequence.
    Escaped,
}

impl<'a> Text<'a> {
    /// Text that is not a JSON string's inside: a tool call's arguments that came as an object, say.
    #[must_use]
    pub const fn plain(text: &'a str) -> Self {
        Self { raw: text, form: Form::Plain }
    }

    /// `raw` is the checked inside of a JSON string.
    pub(crate) const fn new(raw: &'a str, escaped: bool) -> Self {
        Self { raw, form: if escaped { Form::Escaped } else { Form::Literal } }
    }

    const fn escaped(self) -> bool {
        matches!(self.form, Form::Escaped)
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.raw.is_empty()
    }

    /// Bytes between the quotes, escapes as they stand: what an estimate needs.
    #[must_use]
    pub const fn len(self) -> usize {
        self.raw.len()
    }

    /// The characters. Allocates only if there are escapes.
    #[must_use]
    pub fn decode(self) -> Cow<'a, str> {
        if !self.escaped() {
            return Cow::Borrowed(self.raw);
        }
        let mut text = String::with_capacity(self.raw.len());
        self.append_to(&mut text);
        Cow::Owned(text)
    }

    /// Appends the characters to `out`.
    pub fn append_to(self, out: &mut String) {
        self.each_piece(|piece| out.push_str(piece));
    }

    /// Calls `see` with the characters, in order, piece by piece. Allocates nothing.
    pub(crate) fn each_piece(self, mut see: impl FnMut(&str)) {
        let mut rest = self.raw;
        while self.escaped()
            && let Some((plain, escape)) = rest.split_once('\\')
        {
            see(plain);
            let (character, after) = unescape(escape);
            see(character.encode_utf8(&mut [0; 4]));
            rest = after;
        }
        see(rest);
    }

    /// The high surrogate that its last escape is.
    fn high_at_the_end(self) -> Option<u32> {
        let (before, escape) = self.raw.split_at_checked(self.raw.len().checked_sub(6)?)?;
        let slashes = before.bytes().rev().take_while(|byte| *byte == b'\\').count();
        let (unit, _) = hex4(escape.strip_prefix("\\u")?);
        unit.filter(|unit| self.escaped() && slashes % 2 == 0 && (0xd800..=0xdbff).contains(unit))
    }

    /// Appends a quoted JSON string. What was one is copied as it stood.
    pub(crate) fn write_to(self, out: &mut BytesMut) {
        out.reserve(self.raw.len() + 2);
        out.extend_from_slice(b"\"");
        self.write_inside(out);
        out.extend_from_slice(b"\"");
    }

    /// Appends what stands between the quotes of a JSON string.
    pub(crate) fn write_inside(self, out: &mut BytesMut) {
        match self.form {
            Form::Plain => escape(out, self.raw.as_bytes()),
            Form::Literal | Form::Escaped => out.extend_from_slice(self.raw.as_bytes()),
        }
    }

    /// The number of characters (Unicode scalar values) after decoding.
    #[must_use]
    pub fn characters(self) -> usize {
        if self.escaped() { self.decode().chars().count() } else { self.raw.chars().count() }
    }

    /// Equal to `name` after decoding. An escaped spelling of a member's name is that member.
    #[must_use]
    pub fn is(self, name: &str) -> bool {
        if self.escaped() { self.decode() == name } else { self.raw == name }
    }
}

/// Puts the pieces of one text together where they are decoded. Providers cut texts anywhere, also between the two escapes
/// of a surrogate pair; it remembers the half at the end of the last piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seam {
    high: Option<u32>,
}

impl Seam {
    /// Appends the next piece to `out`, which is what the pieces so far became.
    pub(crate) fn append(&mut self, piece: Text<'_>, out: &mut String) {
        if piece.is_empty() {
            return;
        }
        let mut rest = piece;
        if let Some(high) = self.high.take()
            && piece.escaped()
            && let Some(escape) = piece.raw.strip_prefix("\\u")
            && let (Some(low), after) = hex4(escape)
            && let Some(character) = paired(high, low)
            && out.ends_with(char::REPLACEMENT_CHARACTER)
        {
            out.pop();
            out.push(character);
            rest = Text { raw: after, form: Form::Escaped };
        }
        rest.append_to(out);
        self.high = rest.high_at_the_end();
    }
}

/// Pieces of one text that wait to be written, as they are spelled inside a JSON string.
#[derive(Debug, Default)]
pub(crate) struct Spelled(BytesMut);

impl Spelled {
    pub(crate) fn push(&mut self, piece: Text<'_>) {
        piece.write_inside(&mut self.0);
    }

    pub(crate) fn text(&self) -> Text<'_> {
        // Every piece was UTF-8.
        Text::new(std::str::from_utf8(&self.0).unwrap_or_default(), true)
    }
}

impl From<Text<'_>> for Spelled {
    fn from(text: Text<'_>) -> Self {
        let mut spelled = Self::default();
        spelled.push(text);
        spelled
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.decode(), f)
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.decode() == other.decode()
    }
}

impl Eq for Text<'_> {}

/// Appends `text` with everything escaped that may not stand in a JSON string (RFC 8259, section 7).
fn escape(out: &mut BytesMut, text: &[u8]) {
    const HEX: [u8; 16] = *b"0123456789abcdef";
    let mut rest = text;
    while let (plain, [special, after @ ..]) = rest.split_at(plain_prefix(rest)) {
        out.extend_from_slice(plain);
        match special {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[digit(control >> 4), digit(control & 15)]);
            }
        }
        rest = after;
    }
    out.extend_from_slice(rest);
}

/// The character of the escape sequence whose text after the backslash starts `escape`, and what follows it.
fn unescape(escape: &str) -> (char, &str) {
    let mut characters = escape.chars();
    let character = match characters.next() {
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => return unescape_unicode(characters.as_str()),
        Some(other) => other,
        None => char::REPLACEMENT_CHARACTER,
    };
    (character, characters.as_str())
}

/// `rest` starts with four hexadecimal digits; a low surrogate's escape may have to follow (RFC 8259, section 7).
fn unescape_unicode(rest: &str) -> (char, &str) {
    let (Some(unit), after) = hex4(rest) else { return (char::REPLACEMENT_CHARACTER, rest) };
    if let Some(character) = char::from_u32(unit) {
        return (character, after);
    }
    if let Some(second) = after.strip_prefix("\\u")
        && let (Some(low), after) = hex4(second)
        && let Some(character) = paired(unit, low)
    {
        return (character, after);
    }
    (char::REPLACEMENT_CHARACTER, after)
}

/// The character that two surrogates are.
fn paired(high: u32, low: u32) -> Option<char> {
    match (high, low) {
        (0xd800..=0xdbff, 0xdc00..=0xdfff) => {
            char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))
        }
        _ => None,
    }
}

fn hex4(text: &str) -> (Option<u32>, &str) {
    match text.split_at_checked(4) {
        Some((digits, after)) => (u32::from_str_radix(digits, 16).ok(), after),
        None => (None, text),
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use crate::json::{Scanner, Seam, Text};

    fn decoded(json: &str) -> String {
        Scanner::new(json.as_bytes()).unwrap().string().unwrap().decode().into_owned()
    }

    #[test]
    fn every_escape_decodes() {
        assert_eq!(decoded(r#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#), "\"\\/\u{8}\u{c}\n\r\té😀");
    }

    #[test]
    fn unpaired_surrogates_become_replacement_characters_and_lose_nothing_else() {
        assert_eq!(decoded(r#""\ud83dx\ude00y\ud83d\u0041\ud83d""#), "\u{fffd}x\u{fffd}y\u{fffd}A\u{fffd}");
    }

    #[test]
    fn a_pair_that_is_cut_in_two_is_still_one_character() {
        let joined = |pieces: &[&str]| {
            let (mut seam, mut out) = (Seam::default(), String::new());
            for piece in pieces {
                seam.append(Scanner::new(piece.as_bytes()).unwrap().string().unwrap(), &mut out);
            }
            out
        };
        assert_eq!(joined(&[r#""a\ud83c""#, r#""""#, r#""\udf89b""#]), "a🎉b");
        assert_eq!(joined(&[r#""\ud83c\ud83c""#, r#""\udf89\ud83c""#, r#""\udf89""#]), "\u{fffd}🎉🎉");
        assert_eq!(joined(&[r#""\ud83c""#, r#""x\udf89""#]), "\u{fffd}x\u{fffd}");
        assert_eq!(joined(&[r#""\ud83c""#, r#""\ud83c""#]), "\u{fffd}\u{fffd}");
        assert_eq!(joined(&[r#""\\ud83c""#, r#""\udf89""#]), "\\ud83c\u{fffd}");
        assert_eq!(joined(&[r#""\\\ud83c""#, r#""\udf89""#]), "\\🎉");
        assert_eq!(joined(&["\"\u{fffd}\"", r#""\udf89""#]), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_name_is_recognised_in_any_spelling() {
        let mut scanner = Scanner::new(br#""\u006dodel""#).unwrap();
        assert!(scanner.string().unwrap().is("model"));
    }

    fn written(text: Text<'_>) -> BytesMut {
        let mut out = BytesMut::new();
        text.write_to(&mut out);
        out
    }

    #[test]
    fn what_was_a_json_string_is_written_as_it_stood() {
        for json in [r#""plain""#, r#""\u0041\/\n""#, r#""\ud83d""#, r#""""#] {
            let text = Scanner::new(json.as_bytes()).unwrap().string().unwrap();
            assert_eq!(written(text), json);
        }
    }

    #[test]
    fn other_text_is_escaped() {
        assert_eq!(written(Text::plain("{\"a\":\"\\n\"}\n\u{1}é")), r#""{\"a\":\"\\n\"}\n\u0001é""#);
        assert_eq!(written(Text::default()), r#""""#);
    }

    proptest! {
        #[test]
        fn written_text_reads_back(text: String) {
            let json = written(Text::plain(&text));
            prop_assert_eq!(serde_json::from_slice::<String>(&json).unwrap(), text.clone());
            prop_assert_eq!(decoded(std::str::from_utf8(&json).unwrap()), text);
        }

        #[test]
        fn decoding_undoes_encoding(text: String) {
            let json = serde_json::to_string(&text).unwrap();
            let mut scanner = Scanner::new(json.as_bytes()).unwrap();
            let read = scanner.string().unwrap();
            prop_assert_eq!(&*read.decode(), &text);
            prop_assert_eq!(read.characters(), text.chars().count());
        }
    }
}
