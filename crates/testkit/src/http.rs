//! A client that sends any bytes and keeps what comes back as it came.
//!
//! For malformed requests, slow readers, half-written bodies and everything else a well-behaved client cannot
//! do. Answers are read leniently; a body that ends early is an error, never an end.

use std::io;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use crate::message::{Framing, Head, Incoming, find};
use crate::within_patience;

/// A request that is well formed unless its parts say otherwise.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Request {
    #[must_use]
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: Bytes::new() }
    }

    #[must_use]
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    #[must_use]
    pub fn post(target: &str) -> Self {
        Self::new("POST", target)
    }

    /// Adds a header. One named `host`, `content-length` or `transfer-encoding` replaces the one that would be sent.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The bytes on the wire.
    #[must_use]
    pub fn to_bytes(&self, host: &str) -> Bytes {
        let given = |name: &str| self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !given("host") {
            head.push_str(&format!("host: {host}\r\n"));
        }
        if !given("content-length") && !given("transfer-encoding") && self.method != "GET" {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut bytes = BytesMut::from(head.as_bytes());
        bytes.extend_from_slice(&self.body);
        bytes.freeze()
    }

    /// Sends it on a connection of its own and reads the whole answer.
    ///
    /// # Panics
    /// If no whole answer comes.
    pub async fn send(&self, to: SocketAddr) -> Response {
        let mut connection = Connection::open(to).await;
        connection.send(self).await.expect("a server that reads the request");
        connection.response().await.expect("a whole response")
    }

    /// Sends it on a connection of its own and reads the answer's head; events come from the connection.
    ///
    /// # Panics
    /// If no head comes.
    pub async fn open(&self, to: SocketAddr) -> (Head, Connection) {
        let mut connection = Connection::open(to).await;
        connection.send(self).await.expect("a server that reads the request");
        let head = connection.head().await.expect("a response head");
        (head, connection)
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub head: Head,
    /// Without chunk framing.
    pub body: Bytes,
}

impl Response {
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// # Panics
    /// If the body is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e} in the body {:?}", self.text()))
    }
}

/// One event of a stream, or a comment between events.
#[derive(Clone, Debug)]
pub struct Event {
    /// Every byte of it, the empty line included.
    pub raw: Bytes,
    /// When its last byte had been read.
    pub at: Instant,
    /// The `event:` field.
    pub name: Option<String>,
    /// The `id:` field.
    pub id: Option<String>,
    /// The `data:` lines joined by a line feed; `None` for a comment.
    pub data: Option<String>,
}

impl Event {
    fn parse(raw: Bytes) -> Self {
        let text = String::from_utf8_lossy(&raw).into_owned();
        let mut event = Self { raw, at: Instant::now(), name: None, id: None, data: None };
        for line in text.lines() {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => event.name = Some(value.to_owned()),
                "id" => event.id = Some(value.to_owned()),
                "data" => match &mut event.data {
                    Some(data) => data.extend(["\n", value]),
                    none => *none = Some(value.to_owned()),
                },
                _ => {}
            }
        }
        event
    }

    /// # Panics
    /// If the event's data is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let data = self.data.as_deref().unwrap_or_default();
        serde_json::from_str(data).unwrap_or_else(|e| panic!("{e} in the event {data:?}"))
    }
}

/// One connection to a server. Requests on it go out one after another; so do answers.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    host: String,
    incoming: Incoming,
    unparsed: BytesMut,
}

impl Connection {
    /// # Panics
    /// If nobody listens.
    pub async fn open(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).await.expect("a server that accepts");
        Self::on(stream, to)
    }

    /// With a small receive buffer, so that a reader that stops is felt by the sender at once. `bytes` is what
    /// is asked of the kernel, which doubles it and has a minimum of its own.
    ///
    /// # Panics
    /// If nobody listens.
    pub async fn open_with_receive_buffer(to: SocketAddr, bytes: u32) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(bytes).expect("a receive buffer of that size");
        Self::on(socket.connect(to).await.expect("a server that accepts"), to)
    }

    fn on(stream: TcpStream, to: SocketAddr) -> Self {
        stream.set_nodelay(true).expect("a socket that takes options");
        Self { stream, host: to.to_string(), incoming: Incoming::default(), unparsed: BytesMut::new() }
    }

    /// Sends a request.
    ///
    /// # Errors
    /// If the server has closed.
    pub async fn send(&mut self, request: &Request) -> io::Result<()> {
        let bytes = request.to_bytes(&self.host);
        self.send_bytes(bytes).await
    }

    /// Sends exactly these bytes in one write.
    ///
    /// # Errors
    /// If the server has closed.
    pub async fn send_bytes(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await
    }

    /// The next head that is not an interim one (1xx). Its body is what [`data`](Self::data) and
    /// [`event`](Self::event) read.
    ///
    /// # Errors
    /// If the server closes before the head is whole.
    pub async fn head(&mut self) -> io::Result<Head> {
        loop {
            let next = self.incoming.head(&mut self.stream);
            let head = within_patience("a response head", next)
                .await?
                .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "closed without a response"))?;
            let status = head.word(1);
            if !status.starts_with('1') {
                let bodiless = matches!(status, "204" | "304");
                self.incoming.framing =
                    if bodiless { Framing::Done } else { head.framing(Framing::UntilClose) };
                return Ok(head);
            }
        }
    }

    /// The next whole response.
    ///
    /// # Errors
    /// If the server closes before it is whole.
    pub async fn response(&mut self) -> io::Result<Response> {
        let head = self.head().await?;
        let body = self.incoming.body(&mut self.stream);
        let body = within_patience("a response body", body).await?;
        let status = head.word(1).parse().unwrap_or(0);
        Ok(Response { status, head, body })
    }

    /// The next bytes of the body, as they come; `None` at its proper end.
    ///
    /// # Errors
    /// If the server closes before the end of the body.
    pub async fn data(&mut self) -> io::Result<Option<Bytes>> {
        within_patience("bytes of a response body", self.incoming.data(&mut self.stream)).await
    }

    /// The next event or comment of a stream; `None` at its proper end.
    ///
    /// # Errors
    /// If the server closes before the end of the body, or ends it within an event.
    pub async fn event(&mut self) -> io::Result<Option<Event>> {
        loop {
            if let Some(at) = find(&self.unparsed, b"\n\n") {
                return Ok(Some(Event::parse(self.unparsed.split_to(at + 2).freeze())));
            }
            match self.data().await? {
                Some(bytes) => self.unparsed.extend_from_slice(&bytes),
                None if self.unparsed.is_empty() => return Ok(None),
                None => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "ended within an event")),
            }
        }
    }

    /// All events and comments up to the proper end of the stream.
    ///
    /// # Errors
    /// As [`event`](Self::event).
    pub async fn events(&mut self) -> io::Result<Vec<Event>> {
        let mut events = Vec::new();
        while let Some(event) = self.event().await? {
            events.push(event);
        }
        Ok(events)
    }

    /// Reads until the server closes; every byte, framing included.
    ///
    /// # Errors
    /// If the server resets the connection.
    pub async fn until_close(&mut self) -> io::Result<Bytes> {
        within_patience("the server to close", self.incoming.until_close(&mut self.stream)).await
    }

    /// Says that nothing more will be sent (FIN), and can still read.
    ///
    /// # Errors
    /// If the connection is gone already.
    pub async fn half_close(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// Goes away with a reset (RST).
    ///
    /// # Panics
    /// If the socket takes no options.
    pub fn reset(self) {
        self.stream.set_zero_linger().expect("a socket that takes options");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::{Answer, Upstream};

    #[test]
    fn headers_that_frame_a_message_can_be_wrong_on_purpose() {
        let request = Request::post("/x").header("Host", "evil").header("Content-Length", "9").body("abc");
        let bytes = request.to_bytes("here");
        assert_eq!(bytes, "POST /x HTTP/1.1\r\nHost: evil\r\nContent-Length: 9\r\n\r\nabc");
        assert_eq!(Request::get("/x").to_bytes("here"), "GET /x HTTP/1.1\r\nhost: here\r\n\r\n");
    }

    #[tokio::test]
    async fn interim_responses_are_passed_over() {
        let upstream = Upstream::start().await;
        upstream.expect(Answer::raw(
            "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        ));
        let response = Request::get("/").send(upstream.address()).await;
        assert_eq!((response.status, response.text().as_str()), (200, "ok"));
    }

    #[tokio::test]
    async fn events_and_comments_keep_their_fields_and_bytes() {
        let upstream = Upstream::start().await;
        upstream.expect(Answer::stream([": ping\n\nevent: e\nid:7\nda", "ta: a\ndata: b\n\n"]));
        let (head, mut connection) = Request::get("/").open(upstream.address()).await;
        assert_eq!(head.header("Content-Type"), Some("text/event-stream; charset=utf-8"));
        let events = connection.events().await.unwrap();
        assert_eq!((events[0].raw.as_ref(), &events[0].data), (&b": ping\n\n"[..], &None));
        assert_eq!((events[1].name.as_deref(), events[1].id.as_deref()), (Some("e"), Some("7")));
        assert_eq!(events[1].data.as_deref(), Some("a\nb"));
    }

    #[tokio::test]
    async fn a_stream_that_ends_within_an_event_is_an_error() {
        let upstream = Upstream::start().await;
        upstream.expect(Answer::stream(["data: half\n"]));
        let (_, mut connection) = Request::get("/").open(upstream.address()).await;
        assert_eq!(connection.event().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn requests_may_be_sent_in_pieces_and_half_closed() {
        let upstream = Upstream::start().await;
        upstream.expect(Answer::status(200).body("x"));
        let mut connection = Connection::open_with_receive_buffer(upstream.address(), 4096).await;
        for piece in ["GET / HT", "TP/1.1\r\nho", "st: x\r\n", "\r\n"] {
            connection.send_bytes(piece).await.unwrap();
        }
        assert_eq!(connection.response().await.unwrap().text(), "x");
        connection.half_close().await.unwrap();
        assert_eq!(connection.until_close().await.unwrap(), "");
    }
}
