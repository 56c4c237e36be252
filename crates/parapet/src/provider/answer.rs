//! The bytes of an upstream's answer, and a stream of events read from them.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};
use wire::frames::Parser;
use wire::provider::{Codec, StreamReader};
use wire::sse::Frame;

use super::connection::Answer;
use super::failure::{Failure, Fault};
use super::player::Player;
use super::pool::{Lent, Pool};

/// Where the bytes come from.
pub(crate) enum AnswerBody {
    Http { answer: Box<Answer>, pool: Arc<Pool>, born: Instant },
    Simulated(Box<Player>),
}

impl AnswerBody {
    /// The next bytes; `None` when the answer ended as its framing promised.
    pub(crate) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        match self {
            Self::Http { answer, .. } => {
                answer.poll_data(cx).map(|next| next.map(|r| r.map_err(Failure::from)))
            }
            Self::Simulated(player) => player.poll_data(cx),
        }
    }

    /// Nothing more is wanted: the connection goes back to the pool if the answer was read to its end.
    pub(crate) fn done(self) {
        if let Self::Http { answer, pool, born } = self
            && let Some(connection) = answer.into_connection()
        {
            pool.put(Lent { connection, born });
        }
    }
}

/// What [`Streamed::hold_next`] found.
pub(crate) enum Held {
    /// An event without content, held back.
    Lifecycle,
    /// The first content: from here on nothing is restarted.
    Content,
    /// The stream ended truthfully without any content.
    Complete,
}

/// A stream of events with its deadlines.
pub(crate) struct Streamed {
    body: AnswerBody,
    parser: Parser,
    reader: Box<dyn StreamReader>,
    /// Reads ahead up to the first content; the reply reads every frame again from the start.
    ahead: Box<dyn StreamReader>,
    held: VecDeque<Frame>,
    held_bytes: usize,
    between_events: Duration,
    /// When silence becomes a stall: the first event has a time of its own.
    quiet_until: Instant,
    ends: Instant,
    /// Armed lazily: it fires at or before the earliest deadline and is then set again.
    timer: Pin<Box<Sleep>>,
    ended: bool,
}

impl Streamed {
    pub(super) fn new(
        codec: &dyn Codec,
        body: AnswerBody,
        first_event_by: Instant,
        between_events: Duration,
        ends: Instant,
    ) -> Self {
        Self {
            body,
            parser: Parser::new(codec.framing()),
            reader: codec.reader(),
            ahead: codec.reader(),
            held: VecDeque::new(),
            held_bytes: 0,
            between_events,
            quiet_until: first_event_by,
            ends,
            timer: Box::pin(sleep_until(first_event_by.min(ends))),
            ended: false,
        }
    }

    pub(super) fn has_events(&self) -> bool {
        !self.held.is_empty()
    }

    pub(super) const fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Reads one frame ahead and keeps it.
    pub(super) async fn hold_next(&mut self) -> Result<Held, Failure> {
        let Some(frame) = std::future::poll_fn(|cx| self.poll_fresh(cx)).await.transpose()? else {
            // A dialect without a terminator ends with its body.
            return match self.ahead.end() {
                Ok(()) => Ok(Held::Complete),
                Err(cut) => Err(Failure::new(Fault::Reset, "the stream ended before it began").because(cut)),
            };
        };
        let (commits, done) = match self.ahead.read(&frame) {
            Err(malformed) => {
                return Err(Failure::new(Fault::Malformed, "malformed event").because(malformed));
            }
            Ok(None) => (false, false),
            Ok(Some(event)) => {
                let (commits, done) = (event.commits(), event.done);
                if let Some(error) = event.error {
                    return Err(Failure::told(http::StatusCode::OK, error));
                }
                (commits, done)
            }
        };
        self.held_bytes = self.held_bytes.saturating_add(frame.raw.len());
        self.held.push_back(frame);
        Ok(match (commits, done) {
            (true, _) => Held::Content,
            (false, true) => Held::Complete,
            (false, false) => Held::Lifecycle,
        })
    }

    /// The next frame: those held back first. `None` at the end of the bytes.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Failure>>> {
        if let Some(frame) = self.held.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        self.poll_fresh(cx)
    }

    /// Reads a frame's event; keeps what must be known at the end.
    pub(crate) fn reader(&mut self) -> &mut dyn StreamReader {
        &mut *self.reader
    }

    /// After the last event: reads on to the end of the body, so that the connection can serve again.
    pub(crate) fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.ended {
            match ready!(self.body.poll_data(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => self.ended = true,
            }
        }
        Poll::Ready(())
    }

    pub(crate) fn done(self) {
        self.body.done();
    }

    fn poll_fresh(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Failure>>> {
        loop {
            match self.parser.next() {
                Ok(Some(frame)) => {
                    let now = Instant::now();
                    if now >= self.ends {
                        return Poll::Ready(Some(Err(Failure::new(
                            Fault::Timeout,
                            "the stream took too long",
                        ))));
                    }
                    self.quiet_until = now + self.between_events;
                    return Poll::Ready(Some(Ok(frame)));
                }
                Ok(None) => {}
                Err(fault) => {
                    let failure = Failure::new(Fault::Malformed, "malformed event stream").because(fault);
                    return Poll::Ready(Some(Err(failure)));
                }
            }
            if self.ended {
                return Poll::Ready(None);
            }
            match self.body.poll_data(cx) {
                Poll::Ready(Some(Ok(data))) => self.parser.push(data),
                Poll::Ready(Some(Err(failure))) => return Poll::Ready(Some(Err(failure))),
                Poll::Ready(None) => {
                    self.ended = true;
                    match self.parser.finish() {
                        Ok(None) => {}
                        Ok(Some(last)) => return Poll::Ready(Some(Ok(last))),
                        Err(fault) => {
                            let failure = Failure::new(Fault::Reset, "the stream was cut").because(fault);
                            return Poll::Ready(Some(Err(failure)));
                        }
                    }
                }
                Poll::Pending => {
                    ready!(self.poll_deadline(cx));
                    let late = Instant::now() >= self.ends;
                    let detail = if late { "the stream took too long" } else { "the stream stalled" };
                    return Poll::Ready(Some(Err(Failure::new(Fault::Timeout, detail))));
                }
            }
        }
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let due = self.quiet_until.min(self.ends);
            // Set for the first event, it may be later than the next one is due.
            if self.timer.deadline() > due {
                self.timer.as_mut().reset(due);
            }
            ready!(self.timer.as_mut().poll(cx));
            if Instant::now() >= due {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(due);
        }
    }
}
