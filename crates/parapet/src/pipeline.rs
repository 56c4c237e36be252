//! One request through every stage, as plain calls.
//!
//! ```text
//! answer   = identify -> resolve -> screen -> prepare -> complete -> deliver
//!            Received -> Identified -> Resolved -> Screened -> Prepared -> Completed -> Answer
//! complete = admit -> cache -> plan -> loop { reserve -> attempt -> settle }
//! ```
//!
//! Each stage takes the type the one before it makes, so that a forgotten stage does not compile. The edge identifies
//! the caller before it reads a body; [`answer`] does the rest. What an agent's tools will need, more rounds of
//! [`complete`] for one answer, goes between `prepare` and `deliver`.
//!
//! An attempt's reservation is settled where the attempt's end is known: here for failures, in [`deliver`] for whole
//! answers, in [`crate::reply`] for streams, and by its own drop when the caller leaves.

use std::sync::Arc;
use std::time::Duration;

use domain::{Outcome, Ticks};
use tokio::time::Instant;
use wire::dialect::Request;
use wire::event::{UpstreamError, UpstreamKind};
use wire::provider::Operation;

use crate::accounting::{self, Reservation, Settlement};
use crate::agents::{self, Ask, Prepared};
use crate::app::App;
use crate::cache;
use crate::deliver::deliver;
use crate::edge::answer::Answer;
use crate::identity::Identified;
use crate::limits::{self, Permit};
use crate::provider::failure::{Failure, Fault};
use crate::provider::{self, Attempted};
use crate::refusal::{Kind, Refusal};
use crate::routing::catalog::Target;
use crate::routing::plan::Plan;
use crate::screening;
use crate::telemetry::events::Event;
use crate::telemetry::metrics::FailoverLabels;
use crate::telemetry::record::Record;

/// Answers an identified caller.
pub(crate) async fn answer(app: &Arc<App>, caller: Identified, ask: Ask) -> Result<Answer, Refusal> {
    let resolved = agents::resolve(caller, ask)?;
    let screened = screening::input(resolved)?;
    let prepared = agents::prepare(app, screened).await?;
    // A refusal drops the turn's lease, which marks the turn as failed.
    let (completed, attempted) = complete(app, &prepared).await?;
    deliver(app, prepared, completed, attempted).await
}

/// Counts the input tokens of a request as the first target that can count would; when none can, or none answers, as
/// we estimate them. Free, so nothing is reserved.
pub(crate) async fn count(app: &Arc<App>, caller: Identified, request: Request) -> Result<Counted, Refusal> {
    let screened = screening::input(agents::resolve(caller, Ask::Request(request))?)?;
    let prepared = agents::prepare_count(screened)?;
    let mut passed_over = None;
    let mut can_count = false;
    for target in Plan::of(&prepared.callable) {
        if !target.endpoint.offers(Operation::Count) {
            // We estimate what it cannot count, whatever is in it.
            can_count = true;
            continue;
        }
        let question = match prepared.count_question_for(target) {
            Ok(question) => question,
            Err(refusal) => {
                passed_over.get_or_insert(refusal);
                continue;
            }
        };
        can_count = true;
        let record = &prepared.caller.record;
        for (index, key) in target.endpoint.keys() {
            record.note(|call| {
                call.provider = Some(target.endpoint.name.clone());
                call.model = Some(Arc::clone(&target.label));
            });
            match provider::attempt(&target.endpoint, key, &question, prepared.caller.deadline).await {
                Ok(Attempted::Whole(whole)) => {
                    let tokens = target.endpoint.codec.read_count(&whole.body);
                    let tokens = tokens.map_err(|error| Refusal::internal(error.to_string()))?;
                    return Ok(Counted { tokens, estimated: false });
                }
                Ok(Attempted::Begun(_)) => return Err(Refusal::internal("a count that is streamed")),
                Err(failure) => {
                    tell(app, record, &failure, target, index);
                    if !failure.fault.may_fail_over() {
                        return Err(one_failure(failure));
                    }
                    if !failure.fault.is_the_keys() {
                        break;
                    }
                }
            }
        }
    }
    match passed_over {
        Some(refusal) if !can_count => Err(refusal),
        _ => Ok(Counted { tokens: prepared.estimated_input(), estimated: true }),
    }
}

/// The input tokens of a request.
pub(crate) struct Counted {
    pub(crate) tokens: u64,
    /// By us, because no provider could be asked.
    pub(crate) estimated: bool,
}

/// Who answered, and what is still to be settled when the answer has been delivered.
pub(crate) struct Completed {
    pub(crate) reservation: Reservation,
    pub(crate) permit: Permit,
    pub(crate) target: Target,
    pub(crate) cache: &'static str,
    pub(crate) attempts: u32,
    pub(crate) fallbacks: u32,
    /// When the attempt that answered began.
    pub(crate) began: Ticks,
    /// Its time to the whole answer, or to the first content of a stream.
    pub(crate) upstream: Duration,
}

/// Asks target after target until one begins to answer.
async fn complete(app: &Arc<App>, call: &Prepared) -> Result<(Completed, Attempted), Refusal> {
    let permit = limits::admit(call)?;
    let cached = cache::lookup(call);
    let mut walk = Walk { app, call, attempts: 0, fallbacks: 0, failed: None, passed_over: None };
    for target in Plan::of(&call.callable) {
        let question = match call.question_for(target) {
            Ok(question) => question,
            Err(refusal) => {
                walk.passed_over.get_or_insert(refusal);
                continue;
            }
        };
        walk.turn_to(target);
        for (index, key) in target.endpoint.keys() {
            let reservation = walk.reserve(target)?;
            let began = app.clock.ticks();
            match provider::attempt(&target.endpoint, key, &question, call.caller.deadline).await {
                Ok(attempted) => {
                    let completed = Completed {
                        reservation,
                        permit,
                        target: target.clone(),
                        cache: cached.as_str(),
                        attempts: walk.attempts,
                        fallbacks: walk.fallbacks,
                        began,
                        upstream: app.clock.ticks().since(began),
                    };
                    return Ok((completed, attempted));
                }
                Err(failure) => {
                    let fault = failure.fault;
                    walk.settle_failure(reservation, failure, target, index);
                    if !fault.may_fail_over() {
                        return Err(walk.refuse());
                    }
                    if call.caller.deadline.is_some_and(|by| Instant::now() >= by) {
                        let message = "no provider answered before the caller's deadline";
                        return Err(Refusal::new(Kind::UpstreamTimeout, "upstream_timeout", message));
                    }
                    if !fault.is_the_keys() {
                        break;
                    }
                }
            }
        }
    }
    Err(walk.refuse())
}

/// The walk over the plan: what was tried, and the last failure.
struct Walk<'a> {
    app: &'a Arc<App>,
    call: &'a Prepared,
    attempts: u32,
    fallbacks: u32,
    failed: Option<(Failure, &'a Target)>,
    /// Why the first target that could not be asked this could not.
    passed_over: Option<Refusal>,
}

impl<'a> Walk<'a> {
    fn turn_to(&mut self, target: &Target) {
        let Some((failure, from)) = &self.failed else { return };
        self.fallbacks = self.fallbacks.saturating_add(1);
        let label =
            |target: &Target| -> Arc<str> { format!("{}/{}", target.endpoint.name, target.label).into() };
        let (from, to, reason) = (label(from), label(target), failure.fault.as_str());
        let labels = FailoverLabels { from: Arc::clone(&from), to: Arc::clone(&to), reason };
        self.app.metrics.failovers.get_or_create(&labels).inc();
        let request = self.call.caller.record.id;
        self.app.events.publish(Event::Failover { request, from, to, reason });
    }

    fn reserve(&mut self, target: &Target) -> Result<Reservation, Refusal> {
        self.attempts = self.attempts.saturating_add(1);
        let attempts = self.attempts;
        self.call.caller.record.note(|call| {
            call.provider = Some(target.endpoint.name.clone());
            call.model = Some(Arc::clone(&target.label));
            call.attempts = attempts;
        });
        accounting::reserve(self.app, self.call, target, attempts)
    }

    fn settle_failure(&mut self, reservation: Reservation, failure: Failure, target: &'a Target, key: usize) {
        let fault = failure.fault;
        tell(self.app, &self.call.caller.record, &failure, target, key);
        let outcome = if fault == Fault::Caller { Outcome::ClientError } else { Outcome::UpstreamError };
        let usage = failure.usage(self.call.estimated_input());
        reservation.post(Settlement { outcome, code: Some(fault.as_str()), usage, first_token: None });
        self.failed = Some((failure, target));
    }

    /// What the caller is told when nobody answered.
    fn refuse(self) -> Refusal {
        let Some((failure, _)) = self.failed else {
            return self.passed_over.unwrap_or_else(|| Refusal::internal("a callable without a target"));
        };
        let detail = failure.detail.clone();
        let refusal = if self.fallbacks > 0 && failure.fault.may_fail_over() {
            Refusal::new(Kind::Unanswered, "all_targets_down", "none of the model's targets could answer")
                .retry_after(failure.retry_after.unwrap_or(Duration::from_secs(1)))
        } else {
            one_failure(failure)
        };
        refusal.because(detail)
    }
}

/// A failed attempt is told in the log, and a refused key also to whoever listens.
fn tell(app: &App, record: &Record, failure: &Failure, target: &Target, key: usize) {
    tracing::warn!(
        request_id = %record.id,
        provider = %target.endpoint.name,
        model = %target.label,
        // Counted from one, as `provider test` shows them.
        key = key.saturating_add(1),
        fault = failure.fault.as_str(),
        detail = %failure.detail,
        "attempt failed"
    );
    if failure.fault == Fault::Credentials {
        app.events.publish(Event::KeyRefused { provider: target.endpoint.name.clone(), key });
    }
}

/// What the caller is told of a single failure.
pub(crate) fn one_failure(failure: Failure) -> Refusal {
    let told = failure.told.map_or_else(|| UpstreamError::silent(UpstreamKind::Server), |told| *told);
    match failure.fault {
        Fault::Caller => {
            let too_large = failure.status == Some(http::StatusCode::PAYLOAD_TOO_LARGE);
            let kind = if too_large { Kind::TooLarge } else { Kind::InvalidRequest };
            let message = told.message.unwrap_or_else(|| "the provider refused the request".to_owned());
            let mut refusal = Refusal::new(kind, "invalid_request", message);
            refusal.param = told.param.map(Into::into);
            refusal.upstream_code = told.code;
            refusal
        }
        Fault::Unsuited if told.kind == UpstreamKind::NotFound => {
            let message = told.message.unwrap_or_else(|| "the provider does not know this model".to_owned());
            Refusal::new(Kind::NotFound, "model_not_found", message).param("model")
        }
        Fault::RateLimited => {
            let refusal = Refusal::new(
                Kind::RateLimited,
                "rate_limit_exceeded",
                "the provider's rate limit is reached",
            );
            match failure.retry_after {
                Some(after) => refusal.retry_after(after),
                None => refusal,
            }
        }
        Fault::Timeout => {
            Refusal::new(Kind::UpstreamTimeout, "upstream_timeout", "the provider did not answer in time")
        }
        Fault::Connect => Refusal::new(Kind::Upstream, "upstream_error", "the provider could not be reached"),
        Fault::Malformed => {
            Refusal::new(Kind::Upstream, "upstream_error", "the provider's answer was malformed")
        }
        Fault::Credentials | Fault::Quota => {
            // The caller can do nothing about it, and must not learn more.
            Refusal::new(Kind::Upstream, "upstream_error", "the provider refused our account")
                .retryable(false)
        }
        Fault::Reset | Fault::Server | Fault::Unsuited => {
            Refusal::new(Kind::Upstream, "upstream_error", "the provider failed")
        }
    }
}
