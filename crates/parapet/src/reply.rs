//! The body of a streamed answer: one struct that owns everything the stream needs, for every dialect.
//!
//! ```text
//! Streaming --[DONE]--> Settling --durable--> Last --> Over
//!     \--failure------> Settling --durable--> Cutting (error event) --> Over (connection closed)
//! ```
//!
//! Driven by the connection that writes it: no task and no channel per chunk, and a slow reader holds the provider
//! back. It runs on frames: a stream of the caller's own dialect is passed on as the bytes that came; any other, and an
//! agent's, is written anew. Either way the same event is read from each frame, for the commit point, usage and faults.
//!
//! The last byte of an answer is sent only when its ledger row, and an agent's turn, is durable. A stream that was cut
//! ends with a typed error and a broken connection, never as if it were complete. Dropped on the way (the caller left)
//! it posts what was used, without waiting, through the place in the store's queue that it holds.

mod shape;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use domain::{Outcome, Ticks, Usage};
use store::AnswerStatus;
use tokio::time::{Instant, Sleep, sleep};
use wire::dialect::{Dialect, Head};
use wire::gather::Gathered;
use wire::sse;

use self::shape::{AgentReply, Chat, Facts, Shape, Step, Written};
use crate::accounting::{ABANDONED, Reservation, Settlement, estimate};
use crate::agents::{Prepared, ReplyIn};
use crate::app::App;
use crate::edge::answer::error_body;
use crate::edge::body::Cut;
use crate::limits::Permit;
use crate::pipeline::{Completed, one_failure};
use crate::provider::answer::Streamed;
use crate::provider::failure::{Failure, Fault};
use crate::refusal::Refusal;
use crate::screening::OutputLength;
use crate::telemetry::metrics::{Counted, TypeLabels};
use crate::telemetry::record;

/// A comment is sent when nothing else was for this long (FAILOVER.md, Timeouts).
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);

pub(crate) struct Reply {
    app: Arc<App>,
    record: record::Shared,
    state: State,
    upstream: Option<Streamed>,
    shape: Shape,
    tally: Tally,
    reservation: Option<Reservation>,
    facts: Facts,
    /// When the attempt began.
    began: Ticks,
    /// The provider has said its last word.
    heard: bool,
    last_sent: Instant,
    /// Armed lazily, as the stall timer is.
    keep_alive: Pin<Box<Sleep>>,
    _permit: Permit,
    _open: Counted,
    _talking: Option<Counted>,
}

enum State {
    Streaming,
    Settling(Pin<Box<dyn Future<Output = Result<(), store::Error>> + Send>>, Ending),
    /// The last bytes of a complete answer.
    Last(Bytes),
    /// The error event of a cut one.
    Cutting(Option<Bytes>),
    Over,
}

/// How the stream ends once everything is durable.
enum Ending {
    Complete,
    Failed(Box<Refusal>),
}

/// What has passed so far.
#[derive(Default)]
struct Tally {
    input_estimate: u64,
    output_bytes: usize,
    reported: Option<Usage>,
    first_token: Option<Duration>,
}

impl Reply {
    pub(crate) fn new(app: &Arc<App>, call: Prepared, completed: Completed, streamed: Streamed) -> Self {
        let tally = Tally { input_estimate: call.estimated_input(), ..Tally::default() };
        let target = &completed.target;
        let (passes, watch) = (call.passes(target), call.watch());
        let Prepared { caller, callable, turn, talking, reply, .. } = call;
        let length =
            |agent: &Arc<_>| OutputLength::new(Arc::<crate::agents::Agent>::as_ref(agent).max_answer_chars);
        let shape = match (turn, &callable.agent, reply) {
            (Some(turn), Some(agent), _) => Shape::Agent(Box::new(AgentReply {
                length: length(agent),
                agent: Arc::clone(agent),
                conversation: turn.conversation,
                message: turn.answer_message,
                lease: Some(turn.lease),
                gathered: Gathered::new(caller.record.id.to_string()),
                text: String::new(),
                truncated: false,
                watch,
                started: false,
            })),
            (_, agent, ReplyIn::Dialect { dialect: Dialect::Chat, wants_usage }) if passes => {
                Shape::Chat(Chat { wants_usage, length: agent.as_ref().map(length), cut: None })
            }
            (_, _, ReplyIn::Dialect { dialect: Dialect::Messages, .. }) if passes => {
                Shape::Messages(Bytes::new())
            }
            (_, agent, reply) => {
                let (dialect, wants_usage) = match reply {
                    ReplyIn::Dialect { dialect, wants_usage } => (dialect, wants_usage),
                    // Neither is streamed without a turn.
                    ReplyIn::Agent | ReplyIn::Embeddings { .. } => (Dialect::Chat, false),
                };
                let id = dialect.answer_id(caller.record.id);
                let head = Head { id: &id, created: app.clock.now().seconds(), model: &target.model };
                Shape::Written(Box::new(Written {
                    dialect,
                    writer: dialect.writer(&head, wants_usage),
                    length: agent.as_ref().map(length),
                    watch,
                }))
            }
        };
        Self {
            app: Arc::clone(app),
            record: caller.record,
            state: State::Streaming,
            upstream: Some(streamed),
            shape,
            tally,
            reservation: Some(completed.reservation),
            facts: Facts {
                provider: completed.target.endpoint.name.clone(),
                model: Arc::clone(&completed.target.model),
                attempts: completed.attempts,
            },
            began: completed.began,
            heard: false,
            last_sent: Instant::now(),
            keep_alive: Box::pin(sleep(KEEP_ALIVE_EVERY)),
            _permit: completed.permit,
            _open: Counted::on(&app.metrics.active_streams),
            _talking: talking,
        }
    }

    /// The next bytes for the caller.
    pub(crate) fn poll_bytes(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Cut>>> {
        loop {
            match &mut self.state {
                State::Streaming => {
                    if let Some(bytes) = ready!(self.poll_streaming(cx)) {
                        self.last_sent = Instant::now();
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                State::Settling(durable, _) => {
                    let settled = durable.as_mut().poll(cx);
                    if let Some(upstream) = &mut self.upstream {
                        // Meanwhile the rest of the body is read, so that the connection can serve again.
                        let _ = upstream.poll_rest(cx);
                    }
                    self.settled(ready!(settled));
                }
                State::Last(bytes) => {
                    let bytes = std::mem::take(bytes);
                    self.state = State::Over;
                    if let Some(mut upstream) = self.upstream.take()
                        && upstream.poll_rest(cx).is_ready()
                    {
                        upstream.done();
                    }
                    self.record.tell(200, Outcome::Ok);
                    return Poll::Ready(Some(Ok(bytes)));
                }
                State::Cutting(event) => {
                    if let Some(event) = event.take() {
                        return Poll::Ready(Some(Ok(event)));
                    }
                    // The connection flushes the event before it takes the error (`edge/strict/verdict.rs`).
                    self.state = State::Over;
                    return Poll::Ready(Some(Err(Cut)));
                }
                State::Over => return Poll::Ready(None),
            }
        }
    }

    /// Bytes for the caller, or `None` when a frame was swallowed or the state has changed.
    fn poll_streaming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(opening) = self.shape.opening(&self.record) {
            return Poll::Ready(Some(opening));
        }
        let upstream = match &mut self.upstream {
            Some(upstream) if !self.heard => upstream,
            _ => return Poll::Ready(self.end(Ending::Complete)),
        };
        if self.app.drain.is_cut() {
            return Poll::Ready(self.end(Ending::Failed(Box::new(Refusal::shutting_down()))));
        }
        let frame = match upstream.poll_frame(cx) {
            Poll::Pending => return self.poll_keep_alive(cx).map(Some),
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(failure))) => return Poll::Ready(self.fail(failure)),
            Poll::Ready(None) => {
                return Poll::Ready(match upstream.reader().end() {
                    Ok(()) => {
                        self.heard = true;
                        self.end(Ending::Complete)
                    }
                    Err(cut) => self.fail(Failure::new(Fault::Reset, "the stream was cut").because(cut)),
                });
            }
        };
        Poll::Ready(self.pass(&frame))
    }

    /// Takes one frame: what is to be known of it, and what the caller gets of it.
    fn pass(&mut self, frame: &sse::Frame) -> Option<Bytes> {
        let upstream = self.upstream.as_mut()?;
        let mut event = match upstream.reader().read(frame) {
            Ok(Some(event)) => event,
            Ok(None) => return None,
            Err(malformed) => {
                return self.fail(Failure::new(Fault::Malformed, "malformed event").because(malformed));
            }
        };
        // What comes with the last word is still said.
        self.heard = event.done;
        if let Some(error) = event.error {
            return self.fail(Failure::told(http::StatusCode::OK, error));
        }
        if self.tally.first_token.is_none() && event.commits() {
            self.tally.first_token = Some(self.app.clock.ticks().since(self.began));
            let elapsed = self.record.elapsed();
            self.record.note(|call| call.first_token = Some(elapsed));
        }
        for choice in &event.choices {
            self.tally.output_bytes = self.tally.output_bytes.saturating_add(choice.written());
        }
        self.tally.reported = event.usage.or(self.tally.reported);
        match self.shape.step(&mut event, frame) {
            Ok(Step::Send(bytes)) => Some(bytes),
            Ok(Step::Swallow) => None,
            Ok(Step::Truncate(bytes)) => {
                // Dropping the provider's stream stops what nobody will read.
                self.upstream = None;
                Some(bytes)
            }
            Err(failure) => self.fail(failure),
        }
    }

    fn poll_keep_alive(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        loop {
            ready!(self.keep_alive.as_mut().poll(cx));
            let due = self.last_sent + KEEP_ALIVE_EVERY;
            let now = Instant::now();
            self.keep_alive.as_mut().reset(if now >= due { now + KEEP_ALIVE_EVERY } else { due });
            if now >= due {
                return Poll::Ready(Bytes::from_static(sse::KEEP_ALIVE));
            }
        }
    }

    /// The provider failed after the head was sent: nothing is restarted, and the caller is told.
    fn fail(&mut self, failure: Failure) -> Option<Bytes> {
        self.upstream = None;
        tracing::warn!(
            request_id = %self.record.id,
            fault = failure.fault.as_str(),
            detail = %failure.detail,
            "stream cut"
        );
        let detail = failure.detail.clone();
        self.end(Ending::Failed(Box::new(one_failure(failure).because(detail))))
    }

    /// Settles, and keeps an agent's answer; the ending follows when both are durable.
    fn end(&mut self, ending: Ending) -> Option<Bytes> {
        let (outcome, code, status) = match &ending {
            Ending::Complete => (Outcome::Ok, None, AnswerStatus::Completed),
            Ending::Failed(refusal) => {
                self.record.refused(refusal);
                let outcome = if self.said_something() { Outcome::Partial } else { refusal.outcome() };
                (outcome, Some(refusal.code), self.cut_status())
            }
        };
        let settlement = self.settlement(outcome, code);
        let cost = self.reservation.as_ref().and_then(|reservation| reservation.cost(&settlement.usage));
        self.record.note(|call| {
            call.usage = settlement.usage;
            call.cost = cost;
        });
        let app = Arc::clone(&self.app);
        let reservation = self.reservation.take();
        let durable: Pin<Box<dyn Future<Output = _> + Send>> = match &mut self.shape {
            Shape::Agent(reply) => {
                if status == AnswerStatus::Completed {
                    reply.complete();
                }
                let kept = reply.kept(status, &self.facts);
                let rows = reservation.and_then(|r| r.into_row(settlement)).into_iter().collect();
                let lease = reply.lease.take();
                Box::pin(async move {
                    let Some(lease) = lease else { return Ok(()) };
                    app.timed("finish_turn", app.store.finish_turn(lease, kept, rows)).await?;
                    app.metrics.messages.get_or_create(&TypeLabels { r#type: "assistant" }).inc();
                    Ok(())
                })
            }
            Shape::Chat(_) | Shape::Messages(_) | Shape::Written(_) => Box::pin(async move {
                let Some(reservation) = reservation else { return Ok(()) };
                app.timed("settle", reservation.settle(settlement)).await
            }),
        };
        self.state = State::Settling(durable, ending);
        None
    }

    fn settled(&mut self, settled: Result<(), store::Error>) {
        let State::Settling(_, ending) = std::mem::replace(&mut self.state, State::Over) else { return };
        let ending = match (settled, ending) {
            (Err(error), Ending::Complete) => {
                let refusal = Refusal::from(error);
                self.record.refused(&refusal);
                Ending::Failed(Box::new(refusal))
            }
            (_, ending) => ending,
        };
        self.state = match ending {
            Ending::Complete => {
                let call = self.record.call();
                State::Last(self.shape.closing(&self.record, &self.facts, call.usage, call.cost))
            }
            Ending::Failed(refusal) => {
                let partial = self.said_something();
                self.record.tell(200, if partial { Outcome::Partial } else { refusal.outcome() });
                State::Cutting(Some(self.shape.error(&error_body(&refusal, self.record.id, partial))))
            }
        };
    }

    /// Whether the caller has something of the answer. What an agent thinks, or which tools it is about to call, is not
    /// told before it is whole.
    fn said_something(&self) -> bool {
        match &self.shape {
            Shape::Agent(reply) => !reply.text.is_empty(),
            Shape::Chat(_) | Shape::Messages(_) | Shape::Written(_) => self.tally.first_token.is_some(),
        }
    }

    /// What an answer that did not come to its end is.
    fn cut_status(&self) -> AnswerStatus {
        if self.said_something() { AnswerStatus::Partial } else { AnswerStatus::Failed }
    }

    fn settlement(&self, outcome: Outcome, code: Option<&'static str>) -> Settlement {
        let usage = self.tally.usage(self.heard);
        Settlement { outcome, code, usage, first_token: self.tally.first_token }
    }
}

/// The caller left: what was used is booked, what was said is kept, and nobody waits for either.
impl Drop for Reply {
    fn drop(&mut self) {
        let Some(reservation) = self.reservation.take() else { return };
        let settlement = self.settlement(Outcome::Cancelled, Some(ABANDONED));
        let usage = settlement.usage;
        self.record.note(|call| call.usage = usage);
        let status = self.cut_status();
        match &mut self.shape {
            Shape::Chat(_) | Shape::Messages(_) | Shape::Written(_) => reservation.post(settlement),
            Shape::Agent(reply) => {
                let kept = reply.kept(status, &self.facts);
                let rows = reservation.into_row(settlement).into_iter().collect();
                if let Some(lease) = reply.lease.take() {
                    lease.post(kept, rows);
                }
            }
        }
    }
}

impl Tally {
    /// What was used. A report from the middle of a stream that did not come to its end says too little.
    fn usage(&self, ended: bool) -> Usage {
        let estimate = estimate(self.output_bytes);
        match self.reported {
            Some(reported) if ended => reported,
            Some(reported) => {
                let output = reported.output.max(estimate.saturating_sub(reported.reasoning));
                Usage { output, estimated: true, ..reported }
            }
            None => {
                Usage { input: self.input_estimate, output: estimate, estimated: true, ..Usage::default() }
            }
        }
    }
}
