//! HTTP/1.1 messages as they come off a socket, read leniently and kept byte for byte (RFC 9112).
//!
//! Strictness is the business of what is being tested. This reader only has to find where a message ends.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The largest head or chunk-size line that is taken for one.
const MAX_HEAD: usize = 1 << 20;

/// The first line and the headers of a message.
#[derive(Clone, Debug)]
pub struct Head {
    raw: Bytes,
    first_line: String,
    headers: Vec<(String, String)>,
}

impl Head {
    fn parse(raw: Bytes) -> Self {
        let text = String::from_utf8_lossy(&raw).into_owned();
        let mut lines = text.split("\r\n");
        let first_line = lines.next().unwrap_or_default().to_owned();
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        Self { raw, first_line, headers }
    }

    /// Every byte up to and including the empty line.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The request line or the status line.
    #[must_use]
    pub fn first_line(&self) -> &str {
        &self.first_line
    }

    /// All headers in their order, names as they were written.
    #[must_use]
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The first value of a header, its name in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Every value of a header.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// A word of the first line, from 0.
    pub(crate) fn word(&self, index: usize) -> &str {
        self.first_line.split(' ').nth(index).unwrap_or_default()
    }

    /// The body framing these headers announce; `otherwise` where they announce none.
    pub(crate) fn framing(&self, otherwise: Framing) -> Framing {
        if self.values("transfer-encoding").any(|v| v.to_ascii_lowercase().contains("chunked")) {
            return Framing::ChunkSize;
        }
        self.header("content-length").and_then(|v| v.parse().ok()).map_or(otherwise, Framing::Length)
    }
}

/// What is left to read of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Framing {
    #[default]
    Done,
    Length(usize),
    UntilClose,
    ChunkSize,
    ChunkData(usize),
    Trailers,
}

/// The reading side of a connection: bytes that were read and not yet used, and where in a body we are.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    buffer: BytesMut,
    pub(crate) framing: Framing,
}

impl Incoming {
    /// The next head, or `None` when the peer closed before its first byte.
    pub(crate) async fn head<R: AsyncRead + Unpin>(&mut self, from: &mut R) -> io::Result<Option<Head>> {
        loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                return Ok(Some(Head::parse(self.buffer.split_to(at + 4).freeze())));
            }
            if self.fill(from).await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(cut("a head")) };
            }
        }
    }

    /// The next bytes of the body, without their chunk framing; `None` at its end.
    pub(crate) async fn data<R: AsyncRead + Unpin>(&mut self, from: &mut R) -> io::Result<Option<Bytes>> {
        loop {
            match self.framing {
                Framing::Done => return Ok(None),
                Framing::Length(0) => self.framing = Framing::Done,
                Framing::Length(left) => {
                    let bytes = self.some(from, left).await?;
                    self.framing = Framing::Length(left - bytes.len());
                    return Ok(Some(bytes));
                }
                Framing::UntilClose => {
                    if self.buffer.is_empty() && self.fill(from).await? == 0 {
                        self.framing = Framing::Done;
                    } else {
                        return Ok(Some(self.buffer.split().freeze()));
                    }
                }
                Framing::ChunkSize => {
                    let line = self.line(from).await?;
                    let digits = line.split(';').next().unwrap_or_default().trim();
                    let size = usize::from_str_radix(digits, 16)
                        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a chunk has no size"))?;
                    self.framing = if size == 0 { Framing::Trailers } else { Framing::ChunkData(size) };
                }
                Framing::ChunkData(0) => {
                    self.line(from).await?;
                    self.framing = Framing::ChunkSize;
                }
                Framing::ChunkData(left) => {
                    let bytes = self.some(from, left).await?;
                    self.framing = Framing::ChunkData(left - bytes.len());
                    return Ok(Some(bytes));
                }
                Framing::Trailers => {
                    if self.line(from).await?.is_empty() {
                        self.framing = Framing::Done;
                    }
                }
            }
        }
    }

    /// The rest of the body as one.
    pub(crate) async fn body<R: AsyncRead + Unpin>(&mut self, from: &mut R) -> io::Result<Bytes> {
        let mut whole = BytesMut::new();
        while let Some(bytes) = self.data(from).await? {
            whole.extend_from_slice(&bytes);
        }
        Ok(whole.freeze())
    }

    /// Everything the peer sends until it closes, framing included.
    pub(crate) async fn until_close<R: AsyncRead + Unpin>(&mut self, from: &mut R) -> io::Result<Bytes> {
        while self.fill(from).await? > 0 {}
        Ok(self.buffer.split().freeze())
    }

    /// Reads ahead; returns when the peer closed or reset the connection.
    pub(crate) async fn gone<R: AsyncRead + Unpin>(&mut self, from: &mut R) {
        while self.fill(from).await.is_ok_and(|read| read > 0) {}
    }

    async fn some<R: AsyncRead + Unpin>(&mut self, from: &mut R, most: usize) -> io::Result<Bytes> {
        if self.buffer.is_empty() && self.fill(from).await? == 0 {
            return Err(cut("a body"));
        }
        let size = most.min(self.buffer.len());
        Ok(self.buffer.split_to(size).freeze())
    }

    async fn line<R: AsyncRead + Unpin>(&mut self, from: &mut R) -> io::Result<String> {
        loop {
            if let Some(at) = find(&self.buffer, b"\n") {
                let line = self.buffer.split_to(at + 1);
                return Ok(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
            }
            if self.fill(from).await? == 0 {
                return Err(cut("a chunk"));
            }
        }
    }

    async fn fill<R: AsyncRead + Unpin>(&mut self, from: &mut R) -> io::Result<usize> {
        if self.framing == Framing::Done && self.buffer.len() > MAX_HEAD {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a head without an end"));
        }
        self.buffer.reserve(8192);
        from.read_buf(&mut self.buffer).await
    }
}

fn cut(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("closed in the middle of {what}"))
}

pub(crate) fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_chunked_body_is_read_to_its_terminator_and_no_further() {
        let mut wire: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
            3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
        let mut incoming = Incoming::default();
        let head = incoming.head(&mut wire).await.unwrap().unwrap();
        incoming.framing = head.framing(Framing::UntilClose);
        assert_eq!(incoming.body(&mut wire).await.unwrap(), "abcde");
        assert_eq!(incoming.head(&mut wire).await.unwrap().unwrap().word(1), "204");
        assert!(incoming.head(&mut wire).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_body_cut_short_is_an_error_and_not_an_end() {
        for wire in ["Content-Length: 5\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"] {
            let wire = format!("HTTP/1.1 200 OK\r\n{wire}");
            let mut wire = wire.as_bytes();
            let mut incoming = Incoming::default();
            let head = incoming.head(&mut wire).await.unwrap().unwrap();
            incoming.framing = head.framing(Framing::UntilClose);
            assert_eq!(incoming.body(&mut wire).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
