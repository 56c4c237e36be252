//! A place in the bytes of one read, and the character classes of RFC 9110 and RFC 3986.

use super::super::violation::Violation;

/// The bytes of one read that are still to be looked at.
#[derive(Debug)]
pub(super) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    pub(super) fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// Takes the longest run of bytes of a class.
    pub(super) fn run(&mut self, class: &Class) -> &'a [u8] {
        self.split(self.0.iter().position(|&byte| !class.has(byte)).unwrap_or(self.0.len()))
    }

    /// Takes everything up to the next control character, the tab included, eight bytes at a time: header values
    /// are most of a head.
    pub(super) fn text(&mut self) -> &'a [u8] {
        let (blocks, _) = self.0.as_chunks::<8>();
        let mut at = 0;
        for block in blocks {
            match first_control(*block) {
                8 => at += 8,
                within => return self.split(at + within),
            }
        }
        let rest = self.0.get(at..).unwrap_or_default();
        self.split(at + rest.iter().position(u8::is_ascii_control).unwrap_or(rest.len()))
    }

    /// Passes over at most `count` bytes, and says how many.
    pub(super) fn skip(&mut self, count: u64) -> u64 {
        let skipped = self.split(usize::try_from(count).unwrap_or(usize::MAX));
        u64::try_from(skipped.len()).unwrap_or(u64::MAX)
    }

    /// Lets `take` see at most `room` bytes; its answer, and how many of them it took.
    pub(super) fn within<T>(
        &mut self,
        room: usize,
        take: impl FnOnce(&mut Self) -> Result<T, Violation>,
    ) -> Result<(T, usize), Violation> {
        let mut window = Self(self.0.get(..room).unwrap_or(self.0));
        let before = window.0.len();
        let answer = take(&mut window)?;
        let taken = before - window.0.len();
        self.split(taken);
        Ok((answer, taken))
    }

    fn split(&mut self, at: usize) -> &'a [u8] {
        let (run, rest) = self.0.split_at_checked(at).unwrap_or((self.0, &[]));
        self.0 = rest;
        run
    }
}

/// A set of bytes.
#[derive(Debug)]
pub(super) struct Class([bool; 256]);

impl Class {
    /// Letters, digits and the bytes of `more`.
    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses a bad index")]
    const fn alphanumeric_and(more: &[u8]) -> Self {
        let mut set = [false; 256];
        let mut byte = 0;
        while byte < 128_u8 {
            set[byte as usize] = byte.is_ascii_alphanumeric();
            byte += 1;
        }
        let mut rest = more;
        while let [byte, tail @ ..] = rest {
            set[*byte as usize] = true;
            rest = tail;
        }
        Self(set)
    }

    pub(super) fn has(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte)).copied().unwrap_or(false)
    }
}

/// `tchar` of RFC 9110 §5.6.2.
pub(super) static TOKEN: Class = Class::alphanumeric_and(b"!#$%&'*+-.^_`|~");

/// What may stand raw in a request target: RFC 3986 without the fragment's `#`.
pub(super) static TARGET: Class = Class::alphanumeric_and(b"-._~:/?[]@!$&'()*+,;=%");

/// Names of hosts as they are used; the sub-delimiters and escapes of RFC 3986 are not.
pub(super) static HOST: Class = Class::alphanumeric_and(b"-._");

/// Optional white space, RFC 9110 §5.6.3.
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The place of the first ASCII control character among eight bytes, or 8.
///
/// Both terms set a byte's high bit where it is below 0x20 or equal to 0x7f; a borrow may set bits above the first
/// one that is right, never below ("Bit Twiddling Hacks", determine if a word has a byte less than n).
const fn first_control(block: [u8; 8]) -> usize {
    const ONES: u64 = u64::MAX / 0xff;
    let word = u64::from_le_bytes(block);
    let below = word.wrapping_sub(ONES * 0x20) & !word;
    let delete = word ^ (ONES * 0x7f);
    let delete = delete.wrapping_sub(ONES) & !delete;
    ((below | delete) & (ONES * 0x80)).trailing_zeros() as usize / 8
}

/// A short text that may arrive in pieces: long ones keep their length and lose their end, so that they equal
/// none of the short ones we compare with.
#[derive(Debug, Default)]
pub(super) struct Word {
    bytes: [u8; Word::KEPT],
    len: usize,
}

impl Word {
    /// As long as `transfer-encoding`, the longest word looked for.
    const KEPT: usize = 17;

    pub(super) fn push(&mut self, byte: u8) {
        self.extend(&[byte]);
    }

    pub(super) fn extend(&mut self, more: &[u8]) {
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        for (kept, byte) in room.iter_mut().zip(more) {
            *kept = *byte;
        }
        self.len = self.len.saturating_add(more.len());
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The whole text with its last piece, which is copied only if there were others.
    pub(super) fn ending<'a>(&'a mut self, last: &'a [u8]) -> Option<&'a [u8]> {
        if self.len == 0 {
            return Some(last);
        }
        self.extend(last);
        self.text()
    }

    /// The whole text, or nothing where it was too long to keep.
    pub(super) fn text(&self) -> Option<&[u8]> {
        self.bytes.get(..self.len)
    }

    pub(super) fn is(&self, text: &[u8]) -> bool {
        self.text() == Some(text)
    }

    pub(super) fn is_ignoring_case(&self, text: &[u8]) -> bool {
        self.text().is_some_and(|own| own.eq_ignore_ascii_case(text))
    }
}
