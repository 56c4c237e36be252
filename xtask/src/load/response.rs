//! Finds the body in the bytes of a response, whichever way they were split (RFC 9112).

use anyhow::{Context, bail, ensure};
use memchr::{memchr, memmem};

/// Reads one response after another on a connection.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    state: State,
    /// A head or a chunk-size line whose end has not come.
    pending: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Head,
    Length(usize),
    ChunkSize,
    ChunkData(usize),
    ChunkEnd,
    Trailers,
}

impl Decoder {
    /// Takes the next bytes and passes what is body to `data`. True when the response is whole.
    ///
    /// # Errors
    /// On any status but 200, on broken framing, and on bytes after the end.
    pub(super) fn feed(&mut self, mut bytes: &[u8], mut data: impl FnMut(&[u8])) -> anyhow::Result<bool> {
        while !bytes.is_empty() {
            let whole = match self.state {
                State::Head => self.head(&mut bytes)?,
                State::Length(left) => {
                    let left = left - take(&mut bytes, left, &mut data);
                    self.state = State::Length(left);
                    left == 0
                }
                State::ChunkData(left) => {
                    let left = left - take(&mut bytes, left, &mut data);
                    self.state = if left == 0 { State::ChunkEnd } else { State::ChunkData(left) };
                    false
                }
                State::ChunkSize | State::ChunkEnd | State::Trailers => self.line(&mut bytes)?,
            };
            if whole {
                self.state = State::Head;
                ensure!(bytes.is_empty(), "there are bytes after the end of the response");
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn head(&mut self, bytes: &mut &[u8]) -> anyhow::Result<bool> {
        let before = self.pending.len();
        self.pending.extend_from_slice(bytes);
        let Some(end) = memmem::find(&self.pending, b"\r\n\r\n").map(|at| at + 4) else {
            *bytes = &[];
            return Ok(false);
        };
        *bytes = bytes.get(end - before..).unwrap_or_default();
        self.pending.truncate(end);
        let head = String::from_utf8_lossy(&self.pending).to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap_or_default();
        ensure!(status == "200", "a request was answered with status {status}:\n{head}");
        let header = |name: &str| {
            let found = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            found.map(str::trim)
        };
        self.state = if header("transfer-encoding") == Some("chunked") {
            State::ChunkSize
        } else {
            State::Length(header("content-length").context("a response has no length")?.parse()?)
        };
        self.pending.clear();
        Ok(matches!(self.state, State::Length(0)))
    }

    fn line(&mut self, bytes: &mut &[u8]) -> anyhow::Result<bool> {
        let end = memchr(b'\n', bytes).map(|at| at + 1);
        let (line, rest) = bytes.split_at_checked(end.unwrap_or(bytes.len())).unwrap_or((bytes, &[]));
        self.pending.extend_from_slice(line);
        *bytes = rest;
        if end.is_none() {
            return Ok(false);
        }
        let line = self.pending.trim_ascii_end();
        let (next, whole) = match self.state {
            State::ChunkSize => {
                let digits = line.split(|b| *b == b';').next().unwrap_or_default();
                match usize::from_str_radix(std::str::from_utf8(digits)?, 16)? {
                    0 => (State::Trailers, false),
                    size => (State::ChunkData(size), false),
                }
            }
            State::ChunkEnd if line.is_empty() => (State::ChunkSize, false),
            State::Trailers => (State::Trailers, line.is_empty()),
            _ => bail!("a chunk is longer than it says"),
        };
        self.state = next;
        self.pending.clear();
        Ok(whole)
    }
}

fn take(bytes: &mut &[u8], most: usize, data: &mut impl FnMut(&[u8])) -> usize {
    let (now, rest) = bytes.split_at_checked(most).unwrap_or((bytes, &[]));
    data(now);
    *bytes = rest;
    now.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_found_at_every_split() {
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n";
        let length = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde";
        for response in [&chunked[..], &length[..]] {
            for at in 1..response.len() {
                let (mut decoder, mut body) = (Decoder::default(), Vec::new());
                let (one, other) = response.split_at(at);
                assert!(!decoder.feed(one, |b| body.extend_from_slice(b)).unwrap());
                assert!(decoder.feed(other, |b| body.extend_from_slice(b)).unwrap());
                assert_eq!(body, b"abcde");
                assert!(decoder.feed(response, |_| ()).unwrap(), "the connection is used again");
            }
        }
    }

    #[test]
    fn what_is_not_a_good_response_is_an_error() {
        for response in [
            &b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
            b"HTTP/1.1 200 OK\r\n\r\nab",
        ] {
            assert!(Decoder::default().feed(response, |_| ()).is_err());
        }
    }
}
