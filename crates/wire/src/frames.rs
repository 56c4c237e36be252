//! One parser for either framing of an answer stream.

use bytes::{Bytes, BytesMut};

use crate::provider::Framing;
use crate::sse::{Fault, Frame};
use crate::{lines, sse};

/// Cuts a byte stream into frames: push a piece of the body, then call [`Parser::next`] until it is `None`.
#[derive(Debug)]
pub enum Parser {
    Events(sse::Parser),
    Lines(lines::Parser),
}

impl Parser {
    /// Frames of at most 1 MiB.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        match framing {
            Framing::Events => Self::Events(sse::Parser::default()),
            Framing::Lines => Self::Lines(lines::Parser::default()),
        }
    }

    /// Takes the next piece of the body. What earlier pieces left unread comes first.
    pub fn push(&mut self, piece: Bytes) {
        match self {
            Self::Events(parser) => parser.push(piece),
            Self::Lines(parser) => parser.push(piece),
        }
    }

    /// The next whole frame, or `None` until more is pushed.
    ///
    /// # Errors
    /// [`Fault::TooLarge`], and then again on every call.
    #[expect(clippy::should_implement_trait, reason = "an iterator that ends, and then goes on, misleads")]
    pub fn next(&mut self) -> Result<Option<Frame>, Fault> {
        match self {
            Self::Events(parser) => parser.next(),
            Self::Lines(parser) => parser.next(),
        }
    }

    /// To be called at the end of the body: a last line may lack its line feed.
    ///
    /// # Errors
    /// [`Fault::Incomplete`] if bytes of an event remain.
    pub fn finish(&mut self) -> Result<Option<Frame>, Fault> {
        match self {
            Self::Events(parser) => parser.finish().map(|()| None),
            Self::Lines(parser) => Ok(parser.finish()),
        }
    }
}

/// Puts `more` behind what is unread of a body; copies only if there is something.
pub(crate) fn append(unread: &mut Bytes, more: Bytes) {
    if unread.is_empty() {
        *unread = more;
        return;
    }
    let mut joined = BytesMut::with_capacity(unread.len() + more.len());
    joined.extend_from_slice(unread);
    joined.extend_from_slice(&more);
    *unread = joined.freeze();
}
