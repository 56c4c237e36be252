//! Newline-delimited JSON, read incrementally: one payload per line, in the frames of [`crate::sse`].
//!
//! As there, a line that arrives whole inside one piece of the body is a slice of that piece, a line cut by a packet
//! border is copied once, and a line larger than the limit is a fault as soon as the limit is passed.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

use crate::frames::append;
use crate::sse::{Fault, Frame};

/// Cuts a byte stream into lines: push a piece of the body, then call [`Parser::next`] until it is `None`.
#[derive(Debug)]
pub struct Parser {
    piece: Bytes,
    /// The start of a line whose end has not arrived.
    carry: BytesMut,
    max_line: usize,
}

impl Default for Parser {
    fn default() -> Self {
        Self::new(1 << 20)
    }
}

impl Parser {
    /// `max_line` bounds the bytes of one line.
    #[must_use]
    pub fn new(max_line: usize) -> Self {
        Self { piece: Bytes::new(), carry: BytesMut::new(), max_line }
    }

    /// Takes the next piece of the body. What earlier pieces left unread comes first.
    pub fn push(&mut self, piece: Bytes) {
        append(&mut self.piece, piece);
    }

    /// The next line that is not blank, or `None` until more is pushed.
    ///
    /// # Errors
    /// [`Fault::TooLarge`], and then again on every call.
    #[expect(clippy::should_implement_trait, reason = "an iterator that ends, and then goes on, misleads")]
    pub fn next(&mut self) -> Result<Option<Frame>, Fault> {
        while !self.piece.is_empty() {
            let end = memchr(b'\n', &self.piece);
            let taken = end.unwrap_or(self.piece.len());
            if self.carry.len().saturating_add(taken) > self.max_line {
                return Err(Fault::TooLarge { limit: self.max_line });
            }
            if end.is_none() {
                self.carry.extend_from_slice(&self.piece);
                self.piece.clear();
                return Ok(None);
            }
            let mut line = self.piece.split_to(taken);
            self.piece.advance(1);
            if !self.carry.is_empty() {
                self.carry.extend_from_slice(&line);
                line = self.carry.split().freeze();
            }
            let data = line.slice_ref(line.trim_ascii());
            if !data.is_empty() {
                return Ok(Some(Frame { raw: line, canonical: false, name: None, data }));
            }
        }
        Ok(None)
    }

    /// To be called at the end of the body: a last line may lack its line feed, and is returned here.
    pub fn finish(&mut self) -> Option<Frame> {
        let line = self.carry.split().freeze();
        let data = line.slice_ref(line.trim_ascii());
        (!data.is_empty()).then_some(Frame { raw: line, canonical: false, name: None, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: impl IntoIterator<Item = Bytes>) -> Vec<Bytes> {
        let mut parser = Parser::default();
        let mut lines = Vec::new();
        for piece in pieces {
            parser.push(piece);
            while let Some(frame) = parser.next().unwrap() {
                lines.push(frame.data);
            }
        }
        lines.extend(parser.finish().map(|frame| frame.data));
        lines
    }

    #[test]
    fn lines_are_the_same_however_they_are_cut() {
        let body = Bytes::from_static(b"{\"a\":1}\n\r\n{\"b\":\"\xc3\xa9\"}\r\n\n{\"c\":3}");
        let whole = lines([body.clone()]);
        assert_eq!(whole, [&b"{\"a\":1}"[..], b"{\"b\":\"\xc3\xa9\"}", b"{\"c\":3}"]);
        for at in 0..=body.len() {
            assert_eq!(lines([body.slice(..at), body.slice(at..)]), whole, "cut at {at}");
        }
        assert_eq!(lines((0..body.len()).map(|at| body.slice(at..=at))), whole);
    }

    #[test]
    fn an_endless_line_is_a_fault_before_it_ends() {
        let mut parser = Parser::new(8);
        parser.push(Bytes::from_static(b"12345678\n1234"));
        assert_eq!(parser.next().unwrap().unwrap().data, "12345678");
        assert_eq!(parser.next(), Ok(None));
        parser.push(Bytes::from_static(b"56789"));
        assert_eq!(parser.next(), Err(Fault::TooLarge { limit: 8 }));
        assert_eq!(parser.next(), Err(Fault::TooLarge { limit: 8 }));
    }
}
