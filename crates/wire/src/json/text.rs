use std::borrow::Cow;
use std::fmt;

/// A text of a JSON body, usually a string as it stands between its quotes. Decoding is left to whoever needs the characters: most
/// strings that pass through are never looked into.
#[derive(Clone, Copy, Default)]
pub struct Text<'a> {
    raw: &'a str,
    escaped: bool,
}

impl<'a> Text<'a> {
    /// Text that is not a JSON string's inside: a tool call's arguments that came as an object, say.
    #[must_use]
    pub const fn plain(text: &'a str) -> Self {
        Self { raw: text, escaped: false }
    }

    /// `raw` has been checked: every backslash in it starts a whole escape sequence.
    pub(crate) const fn new(raw: &'a str, escaped: bool) -> Self {
        Self { raw, escaped }
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
        if !self.escaped {
            return Cow::Borrowed(self.raw);
        }
        let mut text = String::with_capacity(self.raw.len());
        self.append_to(&mut text);
        Cow::Owned(text)
    }

    /// Appends the characters to `out`.
    pub fn append_to(self, out: &mut String) {
        if !self.escaped {
            out.push_str(self.raw);
            return;
        }
        let mut rest = self.raw;
        while let Some((plain, escape)) = rest.split_once('\\') {
            out.push_str(plain);
            let (character, after) = unescape(escape);
            out.push(character);
            rest = after;
        }
        out.push_str(rest);
    }

    /// The number of characters (Unicode scalar values) after decoding.
    #[must_use]
    pub fn characters(self) -> usize {
        if self.escaped { self.decode().chars().count() } else { self.raw.chars().count() }
    }

    /// Equal to `name` after decoding. An escaped spelling of a member's name is that member.
    #[must_use]
    pub fn is(self, name: &str) -> bool {
        if self.escaped { self.decode() == name } else { self.raw == name }
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
    if let (0xd800..=0xdbff, Some(second)) = (unit, after.strip_prefix("\\u"))
        && let (Some(low @ 0xdc00..=0xdfff), after) = hex4(second)
        && let Some(character) = char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00))
    {
        return (character, after);
    }
    (char::REPLACEMENT_CHARACTER, after)
}

fn hex4(text: &str) -> (Option<u32>, &str) {
    match text.split_at_checked(4) {
        Some((digits, after)) => (u32::from_str_radix(digits, 16).ok(), after),
        None => (None, text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::json::Scanner;

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
    fn a_name_is_recognised_in_any_spelling() {
        let mut scanner = Scanner::new(br#""\u006dodel""#).unwrap();
        assert!(scanner.string().unwrap().is("model"));
    }

    proptest! {
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
