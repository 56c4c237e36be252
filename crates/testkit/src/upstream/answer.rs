//! What the scripted upstream answers: a head, pieces of body with pauses between them, and perhaps a fault.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::sleep;

/// One scripted answer. Build it from [`json`](Self::json), [`sse`](Self::sse), [`status`](Self::status) or a
/// fault, then shape it. Positions given to faults count bytes of the body, without head and chunk framing.
#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    before_head: Duration,
    before_body: Duration,
    between: Duration,
    pieces: Vec<Bytes>,
    endless: bool,
    chunked: bool,
    drip: bool,
    raw: Option<Bytes>,
    stop: Option<Stop>,
}

#[derive(Clone, Copy, Debug)]
struct Stop {
    at: Position,
    how: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    Head,
    Body(usize),
    Terminator,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Close,
    Reset,
    Stall,
}

/// What is to become of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The answer is whole; the next request may come.
    Whole,
    /// Close in order (FIN).
    Close,
    /// Close with a reset (RST).
    Reset,
}

impl Answer {
    /// 200 with a JSON body of known length.
    #[must_use]
    pub fn json(body: &Value) -> Self {
        Self::status(200).json_body(body)
    }

    /// 200 with an event stream: one `data:` event per payload, each in a chunk and a write of its own.
    #[must_use]
    pub fn sse<P: AsRef<str>>(payloads: impl IntoIterator<Item = P>) -> Self {
        Self::stream(payloads.into_iter().map(|payload| format!("data: {}\n\n", payload.as_ref())))
    }

    /// 200 with an event stream of exactly these bytes, each piece in a chunk and a write of its own.
    #[must_use]
    pub fn stream<P: Into<Bytes>>(pieces: impl IntoIterator<Item = P>) -> Self {
        Self::pieces("text/event-stream; charset=utf-8", pieces)
    }

    /// 200 with a stream of lines of JSON, each piece in a chunk and a write of its own.
    #[must_use]
    pub fn lines<P: Into<Bytes>>(pieces: impl IntoIterator<Item = P>) -> Self {
        Self::pieces("application/x-ndjson", pieces)
    }

    fn pieces<P: Into<Bytes>>(content_type: &str, pieces: impl IntoIterator<Item = P>) -> Self {
        let mut answer = Self::status(200).header("content-type", content_type);
        answer.pieces = pieces.into_iter().map(Into::into).collect();
        answer.chunked = true;
        answer
    }

    /// A status with an empty body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            before_head: Duration::ZERO,
            before_body: Duration::ZERO,
            between: Duration::ZERO,
            pieces: Vec::new(),
            endless: false,
            chunked: false,
            drip: false,
            raw: None,
            stop: None,
        }
    }

    /// Exactly these bytes instead of a response, then close.
    #[must_use]
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self { raw: Some(bytes.into()), ..Self::status(200) }
    }

    /// Bytes that are not HTTP, then close.
    #[must_use]
    pub fn garbage() -> Self {
        Self::raw(&b"\x16\x03\x01\x00\xff\x00 no protocol of yours\r\n\r\n"[..])
    }

    /// Reads the request and resets the connection.
    #[must_use]
    pub fn reset() -> Self {
        Self::status(200).stop(Position::Head, Fault::Reset)
    }

    /// Reads the request and says nothing until the client goes away.
    #[must_use]
    pub fn never_answer() -> Self {
        Self::status(200).stop(Position::Head, Fault::Stall)
    }

    /// Adds a header. A `content-length` or `transfer-encoding` given here replaces the true one.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header("retry-after", &seconds.to_string())
    }

    /// A body of known length. Says nothing about its type.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.pieces = vec![body.into()];
        self
    }

    #[must_use]
    pub fn json_body(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// Waits before the first byte of the head.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.before_head = wait;
        self
    }

    /// Sends the head at once and waits before the first byte of the body.
    #[must_use]
    pub fn first_byte_after(mut self, wait: Duration) -> Self {
        self.before_body = wait;
        self
    }

    /// Waits between the pieces of a stream, or between the bytes of a [`drip`](Self::drip).
    #[must_use]
    pub fn every(mut self, wait: Duration) -> Self {
        self.between = wait;
        self
    }

    /// One byte of body at a time, each in a chunk and a write of its own.
    #[must_use]
    pub fn drip(mut self) -> Self {
        self.drip = true;
        self
    }

    /// Repeats the last piece of a stream until the client goes away.
    #[must_use]
    pub fn endless(mut self) -> Self {
        self.endless = true;
        self
    }

    /// Closes in order after so many bytes of body, at the latest before the terminator.
    #[must_use]
    pub fn cut_after(self, bytes: usize) -> Self {
        self.stop(Position::Body(bytes), Fault::Close)
    }

    /// Resets after so many bytes of body. The client may lose bytes that were sent before.
    #[must_use]
    pub fn reset_after(self, bytes: usize) -> Self {
        self.stop(Position::Body(bytes), Fault::Reset)
    }

    /// Sends so many bytes of body, then nothing until the client goes away.
    #[must_use]
    pub fn stall_after(self, bytes: usize) -> Self {
        self.stop(Position::Body(bytes), Fault::Stall)
    }

    /// Sends the whole body but not its end, then nothing until the client goes away.
    #[must_use]
    pub fn stall(self) -> Self {
        self.stop(Position::Terminator, Fault::Stall)
    }

    /// Sends the whole body and closes without the last chunk. A stream that lacks only its `[DONE]` is one
    /// scripted without that payload.
    #[must_use]
    pub fn close_without_terminator(self) -> Self {
        self.stop(Position::Terminator, Fault::Close)
    }

    fn stop(mut self, at: Position, how: Fault) -> Self {
        self.stop = Some(Stop { at, how });
        self
    }

    /// Puts the answer on the wire.
    pub(super) async fn play<W: AsyncWrite + Unpin>(&self, to: &mut W) -> io::Result<Ending> {
        pause(self.before_head).await;
        if let Some(raw) = &self.raw {
            to.write_all(raw).await?;
            return Ok(Ending::Close);
        }
        let limit = match self.stop {
            Some(Stop { at: Position::Head, how }) => return Ok(how.happen().await),
            Some(Stop { at: Position::Body(bytes), .. }) => bytes,
            _ => usize::MAX,
        };
        to.write_all(self.head().as_bytes()).await?;
        pause(self.before_body).await;
        self.play_body(to, limit).await?;
        if let Some(Stop { how, .. }) = self.stop {
            return Ok(how.happen().await);
        }
        if self.chunked {
            to.write_all(b"0\r\n\r\n").await?;
        }
        Ok(Ending::Whole)
    }

    async fn play_body<W: AsyncWrite + Unpin>(&self, to: &mut W, limit: usize) -> io::Result<()> {
        let mut left = limit;
        let again = self.pieces.last().filter(|_| self.endless);
        let pieces = self.pieces.iter().chain(std::iter::repeat_with(|| again).map_while(|piece| piece));
        let writes = pieces.flat_map(|piece| piece.chunks(if self.drip { 1 } else { piece.len().max(1) }));
        for (index, bytes) in writes.enumerate() {
            if left == 0 {
                break;
            }
            if index > 0 {
                pause(self.between).await;
            }
            let bytes = bytes.get(..left.min(bytes.len())).unwrap_or(bytes);
            left -= bytes.len();
            if self.chunked {
                let framed = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
                to.write_all(&framed).await?;
            } else {
                to.write_all(bytes).await?;
            }
        }
        Ok(())
    }

    fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let framed = |(name, _): &(String, String)| {
            name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding")
        };
        if !self.headers.iter().any(framed) {
            if self.chunked {
                head.push_str("transfer-encoding: chunked\r\n");
            } else {
                let length: usize = self.pieces.iter().map(Bytes::len).sum();
                head.push_str(&format!("content-length: {length}\r\n"));
            }
        }
        head.push_str("\r\n");
        head
    }
}

impl Fault {
    async fn happen(self) -> Ending {
        match self {
            Self::Close => Ending::Close,
            Self::Reset => Ending::Reset,
            Self::Stall => std::future::pending().await,
        }
    }
}

/// A timer even for no time at all would take a millisecond and let others run in between.
async fn pause(wait: Duration) {
    if !wait.is_zero() {
        sleep(wait).await;
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        529 => "Overloaded",
        _ => "Scripted",
    }
}
