//! The syntax of `host[:port]`, byte by byte, as the host header and a target in absolute form carry it.
//!
//! Narrower than RFC 3986: no user information, no escapes, no empty port, and an IPv6 literal is checked by its
//! characters only.

use super::cursor::HOST;

/// Bytes in a host: a DNS name has at most 253.
const MAX_HOST: usize = 255;

/// A host and port that may still be arriving.
#[derive(Debug, Default)]
pub(super) struct Authority {
    part: Part,
    len: usize,
}

#[derive(Debug, Default)]
enum Part {
    #[default]
    Start,
    Name,
    /// Inside the brackets of an IP literal.
    Literal,
    LiteralEnd,
    /// After the colon: digits so far and their value.
    Port(u8, u32),
}

impl Authority {
    /// Whether the text is still well formed with `byte` added.
    pub(super) fn push(&mut self, byte: u8) -> bool {
        let next = match self.part {
            Part::Start if byte == b'[' => Part::Literal,
            Part::Start | Part::Name if HOST.has(byte) => Part::Name,
            Part::Literal if byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.') => Part::Literal,
            Part::Literal if byte == b']' && self.len > 1 => Part::LiteralEnd,
            Part::Name | Part::LiteralEnd if byte == b':' => Part::Port(0, 0),
            Part::Port(digits, port) if byte.is_ascii_digit() && digits < 5 => {
                Part::Port(digits + 1, port * 10 + u32::from(byte - b'0'))
            }
            _ => return false,
        };
        if matches!(next, Part::Name | Part::Literal) {
            self.len += 1;
        }
        self.part = next;
        self.len <= MAX_HOST
    }

    /// Whether the text may end here.
    pub(super) fn is_complete(&self) -> bool {
        match self.part {
            Part::Name | Part::LiteralEnd => true,
            Part::Port(digits, port) => digits > 0 && port <= u32::from(u16::MAX),
            Part::Start | Part::Literal => false,
        }
    }
}
