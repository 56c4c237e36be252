//! Follows the framing of HTTP/1 requests through a byte stream, and refuses what two servers could read
//! differently.
//!
//! Request smuggling needs two parsers that disagree on where a message ends or whom it is for. hyper is
//! lenient in places (it takes bare line feeds, drops a content-length beside a transfer-encoding, keeps the
//! last of two hosts), so this parser comes first and accepts only messages that have one reading under RFC
//! 9112; hyper then sees nothing else. Where the RFC leaves a choice, the answer is no: chunk extensions,
//! trailers, folding, empty lines before a request and requests without a host are refused, HTTP/1.0 included.
//!
//! It keeps no bytes but a short word at a time, works at any split of the stream, and reports the same
//! violation for every split: always the first offending byte.

mod authority;
mod chunked;
mod cursor;
mod fields;
mod request_line;
mod value;

use chunked::Chunked;
use cursor::Cursor;
use fields::Fields;
use request_line::RequestLine;

use super::violation::Violation;

/// The largest request head: request line, headers and the empty line.
pub(super) const MAX_HEAD: usize = 32 * 1024;

/// The most header lines of one head; also what hyper takes by default.
pub(super) const MAX_FIELDS: usize = 100;

/// One connection's place in its stream of requests.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    state: State,
    head: Head,
    heads: u64,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The first request.
    Fresh,
    /// A further request.
    Between,
    Head,
    Body,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Between,
    RequestLine(RequestLine),
    Fields(Fields),
    /// Bytes left of a body with a content-length.
    Sized(u64),
    Chunked(Chunked),
}

/// What the head at hand has said so far, as far as framing depends on it.
#[derive(Debug, Default)]
struct Head {
    size: usize,
    fields: usize,
    http10: bool,
    /// The authority of a target in absolute form, which the host header must repeat.
    authority: Option<Vec<u8>>,
    host: bool,
    length: Option<u64>,
    chunked: bool,
}

impl Scanner {
    /// Takes the next bytes of the stream. After an error the stream has no meaning any more.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        let mut input = Cursor::new(bytes);
        while let Some(first) = input.peek() {
            match &mut self.state {
                State::Between => {
                    if matches!(first, b'\r' | b'\n') {
                        return Err(Violation::LeadingEmptyLine);
                    }
                    self.head = Head::default();
                    self.state = State::RequestLine(RequestLine::default());
                }
                State::RequestLine(line) => {
                    let room = MAX_HEAD - self.head.size;
                    let (done, taken) = input.within(room, |window| line.take(window, &mut self.head))?;
                    self.head.size += taken;
                    if done {
                        self.state = State::Fields(Fields::default());
                    } else if taken == room {
                        return Err(Violation::TargetTooLong);
                    }
                }
                State::Fields(fields) => {
                    let room = MAX_HEAD - self.head.size;
                    let (done, taken) = input.within(room, |window| fields.take(window, &mut self.head))?;
                    self.head.size += taken;
                    if done {
                        self.state = self.head.body()?;
                        self.heads += 1;
                    } else if taken == room {
                        return Err(Violation::HeadTooLarge);
                    }
                }
                State::Sized(left) => {
                    *left -= input.skip(*left);
                    if *left == 0 {
                        self.state = State::Between;
                    }
                }
                State::Chunked(chunked) => {
                    if chunked.take(&mut input)? {
                        self.state = State::Between;
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn phase(&self) -> Phase {
        match self.state {
            State::Between if self.heads == 0 => Phase::Fresh,
            State::Between => Phase::Between,
            State::RequestLine(_) | State::Fields(_) => Phase::Head,
            State::Sized(_) | State::Chunked(_) => Phase::Body,
        }
    }

    /// Complete request heads so far.
    pub(super) fn heads(&self) -> u64 {
        self.heads
    }
}

impl Head {
    /// Where the body of a complete head ends (RFC 9112 §6.3).
    fn body(&self) -> Result<State, Violation> {
        if !self.host {
            return Err(Violation::HostMissing);
        }
        Ok(match self.length {
            _ if self.chunked => State::Chunked(Chunked::default()),
            None | Some(0) => State::Between,
            Some(length) => State::Sized(length),
        })
    }
}
