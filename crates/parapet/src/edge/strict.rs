//! The byte-level guard between a socket and hyper's HTTP/1 server.
//!
//! hyper reads through [`Guarded`], which follows the framing of every request in the bytes as they pass
//! (`scan`), in place and without keeping them. Bytes with a violation never reach hyper: their read and all
//! later ones look like the end of the stream, and the reason is left in the [`Verdict`]. When hyper's future
//! has ended, the driver of the connection takes the stream back and lets [`refuse`] write the one answer, if
//! the verdict says that one is due.
//!
//! The guard also holds the clocks of slow clients (`timing`), because it is the only place that knows both
//! what is being waited for and that hyper is waiting at all. hyper needs no timer of its own.
//!
//! Two things hyper does make this sound: it flushes the stream only when its write buffer is empty, so a flush
//! with no request open means that every answer has gone out whole (`http1::Builder::pipeline_flush` would
//! break that: leave it off); and it drops an answer's body only after taking its end.

mod refusal;
mod scan;
mod timing;
mod verdict;
mod violation;

#[cfg(test)]
mod tests;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

pub(crate) use refusal::{linger, refuse};
pub(crate) use timing::Limits;
pub(crate) use verdict::Verdict;
pub(crate) use violation::Violation;

use scan::{Phase, Scanner};
use timing::{Alarm, Wait};

/// What hyper writes by itself to a client that waits before it sends its body: not yet an answer.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What a client has to take within a write stall's time for it to count as reading: half a KiB a second.
const PROGRESS: usize = 16 * 1024;

/// A stream that yields well-formed, timely HTTP/1 requests or nothing.
#[derive(Debug)]
pub(crate) struct Guarded<S> {
    stream: S,
    verdict: Verdict,
    limits: Limits,
    scanner: Scanner,
    wait: Wait,
    /// When a write that makes no progress is given up.
    stall: Option<Instant>,
    /// Bytes taken since the stall began.
    taken: usize,
    alarm: Alarm,
    /// Answers that had gone out whole at the last flush without an open request.
    flushed: u64,
    /// Whether bytes were written since.
    dirty: bool,
    /// Set once a violation has ended the reading.
    ended: Option<Due>,
}

/// Whether a refusal may be written after a violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Never,
    /// Once the answers before it have gone out.
    AfterFlush,
    /// Now, and hyper may write nothing more.
    Now,
}

impl<S> Guarded<S> {
    /// Guards `stream` from its accept on.
    pub(crate) fn new(stream: S, limits: Limits) -> (Self, Verdict) {
        let verdict = Verdict::default();
        let guarded = Self {
            stream,
            verdict: verdict.clone(),
            limits,
            scanner: Scanner::default(),
            wait: Wait::default(),
            stall: None,
            alarm: Alarm::default(),
            flushed: 0,
            taken: 0,
            dirty: false,
            ended: None,
        };
        (guarded, verdict)
    }

    /// Whether the rest of a request's body is still to come.
    pub(crate) fn is_in_body(&self) -> bool {
        self.scanner.phase() == Phase::Body
    }

    /// The stream, for [`refuse`] and [`linger`].
    pub(crate) fn into_inner(self) -> S {
        self.stream
    }

    /// Looks at bytes that were just read; on a violation they must not be passed on.
    fn inspect(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        let heads = self.scanner.heads();
        let phase = self.scanner.phase();
        self.wait.received(bytes.len(), &self.limits);
        if let Err(violation) = self.scanner.scan(bytes) {
            self.end(violation, heads, phase);
            return Err(violation);
        }
        if self.scanner.heads() != heads {
            self.wait = Wait::Nothing;
        }
        Ok(())
    }

    /// A read found nothing. Ready once the client has had its time.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let phase = self.scanner.phase();
        if phase == Phase::Between && !(self.all_answered() && self.all_sent()) {
            return Poll::Pending;
        }
        let deadline = self.wait.pending(phase, &self.limits);
        if !self.alarm.passed(cx, deadline) {
            return Poll::Pending;
        }
        let violation = match phase {
            Phase::Fresh | Phase::Between => Violation::IdleTimeout,
            Phase::Head => Violation::HeadTimeout,
            Phase::Body => Violation::BodyTimeout,
        };
        self.end(violation, self.scanner.heads(), phase);
        Poll::Ready(())
    }

    /// Ends the reading. `heads` and `phase` are those hyper knows of: it has not seen the bytes at fault.
    fn end(&mut self, violation: Violation, heads: u64, phase: Phase) {
        // An answer written now is taken for the answer to the oldest open request, so the only one that may
        // be open is the one at fault, of which hyper knows if it was reading its body.
        let in_body = phase == Phase::Body;
        let alone = self.verdict.answered() + u64::from(in_body) == heads;
        let due = match violation.status() {
            Some(_) if alone && self.all_sent() => Due::Now,
            // Bytes still going out are those of earlier answers, unless hyper has the request at fault too.
            Some(_) if alone && !in_body => Due::AfterFlush,
            _ => Due::Never,
        };
        self.verdict.record(violation);
        self.set_due(due);
    }

    fn set_due(&mut self, due: Due) {
        self.ended = Some(due);
        if due == Due::Now {
            self.verdict.allow_answer();
        }
    }

    /// Whether the server leaves and nobody waits for an answer: half a head is not worth waiting for.
    fn is_done(&self) -> bool {
        self.verdict.is_leaving()
            && self.scanner.phase() != Phase::Body
            && self.all_answered()
            && self.all_sent()
    }

    /// Whether hyper has taken the whole answer to every request it was handed.
    fn all_answered(&self) -> bool {
        self.verdict.answered() >= self.scanner.heads()
    }

    /// Whether every byte of the answers that hyper has taken has left it, and none of a further one.
    fn all_sent(&self) -> bool {
        !self.dirty && self.flushed == self.verdict.answered()
    }

    /// Bytes of an answer went out. A client that takes a few at a time has not had its time prolonged by that.
    fn wrote(&mut self, bytes: usize, is_continue: bool) {
        self.taken = self.taken.saturating_add(bytes);
        if self.taken >= PROGRESS {
            self.stall = None;
            self.taken = 0;
        }
        self.dirty |= !is_continue;
    }

    /// A write made no progress. Ready with an error once the client has had its time.
    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let deadline = *self.stall.get_or_insert_with(|| Instant::now() + self.limits.write_stall);
        if !self.alarm.passed(cx, deadline) {
            return Poll::Pending;
        }
        self.verdict.record(Violation::WriteStall);
        self.set_due(Due::Never);
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, Violation::WriteStall.reason()))
    }

    /// hyper's write buffer is empty and the stream has taken all of it.
    fn flushed(&mut self, cx: &mut Context<'_>) {
        self.stall = None;
        self.taken = 0;
        self.verdict.flushed();
        if !self.all_answered() {
            return;
        }
        self.flushed = self.verdict.answered();
        self.dirty = false;
        match self.ended {
            Some(Due::AfterFlush) => self.set_due(Due::Now),
            Some(_) => {}
            // hyper does not read again after the end of an answer, so the idle clock starts here.
            None if self.scanner.phase() == Phase::Between && !matches!(self.wait, Wait::Idle(_)) => {
                let deadline = self.wait.pending(Phase::Between, &self.limits);
                self.alarm.passed(cx, deadline);
            }
            None => {}
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ended.is_some() {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buf) {
            Poll::Ready(result) => {
                if this.inspect(buf.filled().get(before..).unwrap_or_default()).is_err() {
                    buf.set_filled(before);
                }
                Poll::Ready(result)
            }
            Poll::Pending if this.is_done() => Poll::Ready(Ok(())),
            Poll::Pending => this.poll_patience(cx).map(Ok),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, buf == CONTINUE, |stream, cx| stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let is_continue = matches!(bufs, [only] if **only == *CONTINUE);
        self.poll_write_with(cx, is_continue, |stream, cx| stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_flush(cx) {
            Poll::Ready(result) => {
                this.flushed(cx);
                Poll::Ready(result)
            }
            Poll::Pending => this.poll_stall(cx).map(Err),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ended == Some(Due::Now) {
            // The refusal still has to go out.
            return Poll::Ready(Ok(()));
        }
        match Pin::new(&mut this.stream).poll_shutdown(cx) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => this.poll_stall(cx).map(Err),
        }
    }
}

impl<S: AsyncWrite + Unpin> Guarded<S> {
    fn poll_write_with(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        is_continue: bool,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.ended == Some(Due::Now) {
            // Whatever the service says about the cut request, the refusal says it better.
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        match write(Pin::new(&mut this.stream), cx) {
            Poll::Ready(result) => {
                this.wrote(result.as_ref().copied().unwrap_or_default(), is_continue);
                Poll::Ready(result)
            }
            Poll::Pending => this.poll_stall(cx).map(Err),
        }
    }
}
