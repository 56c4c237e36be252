//! One HTTP/1.1 connection to an upstream, driven by the task that uses it.
//!
//! hyper's client splits a connection into a handle and a driver that is usually spawned. Here the driver lives
//! beside the handle and is polled by whoever waits for the answer: no task, no channel wake-up and no change of
//! thread per chunk, and dropping the answer drops the socket, so that a caller who leaves aborts the upstream
//! call at once. An idle connection is polled by nobody; [`Connection::is_usable`] looks before it is used again.

use std::error::Error as _;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as _;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use super::origin::Socket;

type Driver = http1::Connection<TokioIo<Socket>, Full<Bytes>>;

/// Bytes that hyper may hold of one answer: the back-pressure bound of a stream.
const READ_BUFFER: usize = 64 * 1024;

pub(crate) struct Connection {
    handle: http1::SendRequest<Full<Bytes>>,
    driver: Box<Driver>,
    driver_ended: bool,
}

impl Connection {
    pub(crate) async fn open(io: TokioIo<Socket>) -> hyper::Result<Self> {
        let (handle, driver) =
            http1::Builder::new().max_buf_size(READ_BUFFER).max_headers(128).handshake(io).await?;
        Ok(Self { handle, driver: Box::new(driver), driver_ended: false })
    }

    /// Sends one request and waits for the head of its answer.
    pub(crate) async fn send(
        mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Answer>, Unanswered> {
        let mut answer = std::pin::pin!(self.handle.send_request(request));
        let driver = &mut self.driver;
        let ended = &mut self.driver_ended;
        let answered = std::future::poll_fn(|cx| {
            drive(driver, ended, cx);
            answer.as_mut().poll(cx)
        })
        .await;
        match answered {
            Ok(response) => Ok(response.map(|body| Answer { body, connection: Some(self), complete: false })),
            Err(error) => {
                let silent = self.driver.into_parts().read_buf.is_empty();
                Err(Unanswered { error, silent })
            }
        }
    }

    /// Whether an idle connection can take a request: the peer has not closed it and owes nothing.
    pub(crate) fn is_usable(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        drive(&mut self.driver, &mut self.driver_ended, &mut cx);
        !self.driver_ended && matches!(self.handle.poll_ready(&mut cx), Poll::Ready(Ok(())))
    }
}

/// Lets the connection read and write what it can. Its errors reach the caller through the handle and the body.
fn drive(driver: &mut Driver, ended: &mut bool, cx: &mut Context<'_>) {
    if !*ended && Pin::new(driver).poll(cx).is_ready() {
        *ended = true;
    }
}

/// Why no head of an answer came.
#[derive(Debug, thiserror::Error)]
#[error("no answer came")]
pub(crate) struct Unanswered {
    #[source]
    pub(crate) error: hyper::Error,
    /// Not even a part of a head was read.
    silent: bool,
}

impl Unanswered {
    /// The request did not leave this process: the connection was found dead first.
    pub(crate) fn was_never_sent(&self) -> bool {
        self.error.is_canceled()
    }

    /// The peer closed or reset the connection without a byte of an answer. What it did with the request before is
    /// unknown.
    pub(crate) fn was_closed_silently(&self) -> bool {
        use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        // An end without TLS's close_notify is an `UnexpectedEof`.
        let closes = [BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof];
        let io = self.error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
        self.silent
            && (self.error.is_incomplete_message() || io.is_some_and(|io| closes.contains(&io.kind())))
    }
}

/// The body of an answer, together with the connection it arrives on.
pub(crate) struct Answer {
    body: Incoming,
    connection: Option<Connection>,
    complete: bool,
}

impl Answer {
    /// How many bytes are still to come, where the head told.
    pub(crate) fn length(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// The next bytes; `None` when the body ended as its framing promised.
    pub(crate) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Bytes>>> {
        loop {
            if let Some(connection) = &mut self.connection {
                // The body announces that it wants more before the driver looks, so that one round suffices. It
                // needs no waker of its own: whatever reaches it comes through the driver, polled right here.
                if let Some(ready) = poll_body(&mut self.body, &mut self.complete) {
                    return Poll::Ready(ready);
                }
                drive(&mut connection.driver, &mut connection.driver_ended, cx);
            }
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => {
                    self.complete = true;
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }

    /// The connection, if the answer was read to its end and another request may follow on it.
    pub(crate) fn into_connection(mut self) -> Option<Connection> {
        let connection = self.connection.take().filter(|_| self.complete);
        connection.and_then(|mut connection| connection.is_usable().then_some(connection))
    }
}

/// What the body has right now, data or end; `None` when it has to wait (or had a trailer, which is dropped).
fn poll_body(body: &mut Incoming, complete: &mut bool) -> Option<Option<hyper::Result<Bytes>>> {
    let mut cx = Context::from_waker(Waker::noop());
    match Pin::new(body).poll_frame(&mut cx) {
        Poll::Pending => None,
        Poll::Ready(None) => {
            *complete = true;
            Some(None)
        }
        Poll::Ready(Some(Err(error))) => Some(Some(Err(error))),
        Poll::Ready(Some(Ok(frame))) => frame.into_data().ok().map(|data| Some(Ok(data))),
    }
}
