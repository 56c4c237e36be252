//! What the guard, the code that answers and the driver of the connection know about one another.
//!
//! hyper owns the guard while the connection lives, and the guard cannot see from bytes when an answer is
//! complete. So both share one small record: the guard writes why it stopped, and each answer holds an
//! [`Answering`] whose drop says that hyper has taken the last of it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::violation::Violation;

/// The shared record of one connection. Clones are handles to the same record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict(Arc<Record>);

#[derive(Debug, Default)]
struct Record {
    violation: OnceLock<Violation>,
    answerable: AtomicBool,
    leaving: AtomicBool,
    answered: AtomicU64,
    flushes: AtomicU64,
    /// A body that waits for a flush before it breaks off.
    breaking_off: AtomicWaker,
}

impl Verdict {
    /// Why the guard gave the connection up, if it did.
    pub(crate) fn violation(&self) -> Option<Violation> {
        self.0.violation.get().copied()
    }

    /// The violation to answer with `refuse` once hyper is done: only where the client still waits for an
    /// answer to the request at fault and not a byte of one was written.
    pub(crate) fn refusal(&self) -> Option<Violation> {
        self.violation().filter(|v| self.is_answerable() && v.status().is_some())
    }

    /// Call once for every request hyper hands over, before any await.
    ///
    /// Without it the guard believes that the request is still being worked on and never closes the
    /// connection as idle.
    pub(crate) fn answering(&self) -> Answering {
        Answering(self.clone())
    }

    /// The server is leaving: the guard ends the stream of requests where none is open, also within a head. Poll the
    /// connection afterwards.
    pub(crate) fn leave(&self) {
        self.0.leaving.store(true, Ordering::Release);
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.0.leaving.load(Ordering::Acquire)
    }

    pub(super) fn record(&self, violation: Violation) {
        // The first one ended the connection; there is no second.
        let _ = self.0.violation.set(violation);
    }

    pub(super) fn allow_answer(&self) {
        self.0.answerable.store(true, Ordering::Release);
    }

    pub(super) fn is_answerable(&self) -> bool {
        self.0.answerable.load(Ordering::Acquire)
    }

    /// Everything that hyper has taken so far has left the process.
    pub(super) fn flushed(&self) {
        self.0.flushes.fetch_add(1, Ordering::Release);
        self.0.breaking_off.wake();
    }

    fn flushes(&self) -> u64 {
        self.0.flushes.load(Ordering::Acquire)
    }

    /// Requests whose answers hyper has taken whole, or dropped.
    pub(super) fn answered(&self) -> u64 {
        self.0.answered.load(Ordering::Acquire)
    }
}

/// One request being answered; dropped when hyper has taken the last byte of the answer or given it up.
#[derive(Debug)]
pub(crate) struct Answering(Verdict);

impl Answering {
    /// Ties the request to its answer's body, so that it counts as answered when hyper drops the body.
    pub(crate) fn until_sent<B: Body>(self, body: B) -> Answer<B> {
        Answer { body, answering: self, broken: None }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.answered.fetch_add(1, Ordering::Release);
    }
}

pin_project! {
    /// A response body that keeps its connection from being idle, and that breaks off only when what came before has
    /// gone out: hyper drops what it has not written when a body fails.
    #[derive(Debug)]
    pub(crate) struct Answer<B: Body> {
        #[pin]
        body: B,
        answering: Answering,
        broken: Option<(B::Error, u64)>,
    }
}

impl<B: Body> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let verdict = &this.answering.0;
        if this.broken.is_none() {
            let flushes = verdict.flushes();
            match std::task::ready!(this.body.poll_frame(cx)) {
                Some(Err(error)) => *this.broken = Some((error, flushes)),
                other => return Poll::Ready(other),
            }
        }
        verdict.0.breaking_off.register(cx.waker());
        // hyper flushes when a body has nothing for it, so that a flush follows, or the client does not read.
        match this.broken.take_if(|(_, before)| verdict.flushes() > *before) {
            Some((error, _)) => Poll::Ready(Some(Err(error))),
            None => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
