use crate::json::Text;

/// Whether the arguments of a tool call, which come in pieces, are whole: one JSON object, from its first brace to
/// the one that closes it. Whatever is no object is never whole.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Arguments {
    #[default]
    Absent,
    Object {
        depth: u64,
        string: Option<Within>,
    },
    Whole,
    Other,
}

/// Where in a string.
#[derive(Clone, Copy, Debug)]
pub(super) enum Within {
    Text,
    /// Behind a backslash.
    Escape,
}

impl Arguments {
    pub(super) fn push(&mut self, piece: Text<'_>) {
        piece.each_piece(|characters| {
            for byte in characters.bytes() {
                *self = self.after(byte);
            }
        });
    }

    pub(super) const fn whole(self) -> bool {
        matches!(self, Self::Whole)
    }

    const fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Absent | Self::Whole, b' ' | b'\t' | b'\n' | b'\r') => self,
            (Self::Absent, b'{') => Self::Object { depth: 1, string: None },
            (Self::Absent | Self::Whole | Self::Other, _) => Self::Other,
            (Self::Object { depth, string: Some(within) }, byte) => {
                let string = match (within, byte) {
                    (Within::Escape, _) => Some(Within::Text),
                    (Within::Text, b'\\') => Some(Within::Escape),
                    (Within::Text, b'"') => None,
                    (Within::Text, _) => Some(Within::Text),
                };
                Self::Object { depth, string }
            }
            (Self::Object { depth, string: None }, byte) => match byte {
                b'"' => Self::Object { depth, string: Some(Within::Text) },
                b'{' | b'[' => Self::Object { depth: depth.saturating_add(1), string: None },
                b'}' | b']' if depth == 1 => Self::Whole,
                b'}' | b']' => Self::Object { depth: depth - 1, string: None },
                _ => self,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_whole_at_their_last_brace_and_not_before() {
        for text in ["{}", r#" {"a":"}\"}","b":[{"c":{}}]} "#, "{\"é\":1}\n"] {
            let mut arguments = Arguments::default();
            let end = text.trim_end().len();
            for (at, character) in text.char_indices() {
                arguments.push(Text::plain(character.encode_utf8(&mut [0; 4])));
                assert_eq!(arguments.whole(), at + character.len_utf8() >= end, "{text} at {at}");
            }
        }
    }

    #[test]
    fn escaped_pieces_count_as_what_they_mean() {
        let mut arguments = Arguments::default();
        for piece in [r#"{\"a\":\"\\\"}"#, r#"\u007d\""#, r#"}"#] {
            assert!(!arguments.whole());
            arguments.push(Text::new(piece, true));
        }
        assert!(arguments.whole());
    }

    #[test]
    fn what_is_no_object_is_never_whole() {
        for text in ["", " ", "null", "[]", "\"x\"", "{}{", "x{}"] {
            let mut arguments = Arguments::default();
            arguments.push(Text::plain(text));
            assert!(!arguments.whole(), "{text}");
        }
    }
}
