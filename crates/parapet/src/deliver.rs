//! A completed call becomes the caller's answer: in the provider's own bytes where the dialects are the same, in our
//! words for agents, whole or as a stream.
//!
//! Nothing of a whole answer leaves before its ledger row, and for an agent its turn, is durable.

use std::sync::Arc;

use bytes::Bytes;
use domain::{FinishReason, NanoUsd, Outcome, Usage};
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode, header};
use store::{AnswerStatus, Turn};
use wire::agent::Metadata;
use wire::dialect::{Dialect, Head};
use wire::event::{self, Choice, Malformed};
use wire::gather::Gathered;

use crate::accounting::Settlement;
use crate::agents::tools::Watch;
use crate::agents::{Agent, Prepared, ReplyIn, conversation};
use crate::app::App;
use crate::edge::answer::{self, Answer, JSON};
use crate::edge::body::Body;
use crate::pipeline::Completed;
use crate::provider::answer::Streamed;
use crate::provider::failure::Fault;
use crate::provider::{Attempted, Whole};
use crate::refusal::{Kind, Refusal};
use crate::reply::Reply;
use crate::screening::{OutputLength, pass_choices};
use crate::telemetry::metrics::TypeLabels;

const AGENT: HeaderName = HeaderName::from_static("x-parapet-agent");
const PROVIDER: HeaderName = HeaderName::from_static("x-parapet-provider");
const MODEL: HeaderName = HeaderName::from_static("x-parapet-model");
const CACHE: HeaderName = HeaderName::from_static("x-parapet-cache");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-parapet-attempts");
const FALLBACKS: HeaderName = HeaderName::from_static("x-parapet-fallbacks");
const COST_USD: HeaderName = HeaderName::from_static("x-parapet-cost-usd");
const OVERHEAD_MS: HeaderName = HeaderName::from_static("x-parapet-overhead-ms");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

pub(crate) async fn deliver(
    app: &Arc<App>,
    call: Prepared,
    completed: Completed,
    attempted: Attempted,
) -> Result<Answer, Refusal> {
    let mut headers = HeaderMap::with_capacity(12);
    describe(&mut headers, &call, &completed);
    match attempted {
        Attempted::Whole(answered) => whole(app, call, completed, headers, answered).await,
        Attempted::Begun(streamed) => Ok(begun(app, call, completed, headers, *streamed)),
    }
}

/// The facts that a stream's head can carry too.
fn describe(headers: &mut HeaderMap, call: &Prepared, completed: &Completed) {
    if call.callable.agent.is_some() {
        insert(headers, AGENT, &call.callable.name);
    }
    insert(headers, PROVIDER, completed.target.endpoint.name.as_str());
    insert(headers, MODEL, &completed.target.name);
    headers.insert(CACHE, HeaderValue::from_static(completed.cache));
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // A model name may hold anything a caller wrote; what is no header value is left out.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

async fn whole(
    app: &Arc<App>,
    mut call: Prepared,
    completed: Completed,
    mut headers: HeaderMap,
    answered: Whole,
) -> Result<Answer, Refusal> {
    let record = Arc::clone(&call.caller.record);
    let usage = answered.usage.unwrap_or_else(|| call.estimated_usage(answered.output_bytes));
    let cost = completed.reservation.cost(&usage);
    record.note(|noted| {
        noted.usage = usage;
        noted.cost = cost;
        noted.upstream = Some(completed.upstream);
        noted.first_token = Some(record.elapsed());
    });
    // From here on the answer is only waiting to be durable: a drain lets it.
    record.settling();
    let settlement =
        Settlement { outcome: Outcome::Ok, code: None, usage, first_token: Some(completed.upstream) };
    let body = match (call.turn.take(), &call.callable.agent) {
        (Some(turn), Some(agent)) => {
            let written = agent_answer(agent, &call, &turn, &completed, &answered, usage, cost)?;
            let rows = completed.reservation.into_row(settlement).into_iter().collect();
            app.timed("finish_turn", app.store.finish_turn(turn.lease, written.kept, rows)).await?;
            app.metrics.messages.get_or_create(&TypeLabels { r#type: "assistant" }).inc();
            written.body
        }
        _ => {
            let body = match in_callers_words(app, &call, &completed, answered.body, &usage) {
                Ok(body) => body,
                Err(refusal) => {
                    // The provider was paid for it all the same.
                    let failed = Settlement {
                        outcome: Outcome::UpstreamError,
                        code: Some(Fault::Malformed.as_str()),
                        ..settlement
                    };
                    app.timed("settle", completed.reservation.settle(failed)).await?;
                    return Err(refusal);
                }
            };
            app.timed("settle", completed.reservation.settle(settlement)).await?;
            body
        }
    };
    headers.insert(ATTEMPTS, HeaderValue::from(completed.attempts));
    headers.insert(FALLBACKS, HeaderValue::from(completed.fallbacks));
    if let Some(cost) = cost {
        insert(&mut headers, COST_USD, &cost.to_string());
    }
    let overhead = record.elapsed().saturating_sub(completed.upstream);
    insert(&mut headers, OVERHEAD_MS, &format!("{:.3}", overhead.as_secs_f64() * 1e3));
    let mut answer = answer::bytes(StatusCode::OK, JSON, body);
    answer.headers_mut().extend(headers);
    Ok(answer)
}

/// An agent's answer: what the caller gets, and what the conversation keeps.
struct Written {
    body: Bytes,
    kept: store::Answer,
}

fn agent_answer(
    agent: &Agent,
    call: &Prepared,
    turn: &Turn,
    completed: &Completed,
    answered: &Whole,
    usage: Usage,
    cost: Option<NanoUsd>,
) -> Result<Written, Refusal> {
    let record = &call.caller.record;
    let target = &completed.target;
    let mut read = target.endpoint.codec.read_answer(&answered.body).map_err(misread)?;
    let mut watch = call.watch();
    if let Some(watch) = &mut watch {
        watch.choices(&mut read.choices);
    }
    let mut gathered = Gathered::new(record.id.to_string());
    let mut pieces = read.choices.iter().filter(|choice| choice.index == 0);
    pieces.try_for_each(|choice| gathered.add(choice)).map_err(misread)?;
    let said = gathered.said().to_owned();
    let (text, truncated) = OutputLength::new(agent.max_answer_chars).pass(&said);
    let finish =
        if truncated { FinishReason::Length } else { gathered.finish.unwrap_or(FinishReason::Other) };
    if truncated {
        // What comes behind the cut is not told, as in a stream.
        gathered.tool_calls.clear();
    } else if finish == FinishReason::Length {
        conversation::drop_half_said(&mut gathered);
    }
    let answer = wire::agent::Answer {
        id: record.id,
        agent: agent.name.as_str(),
        response: text,
        tool_calls: &gathered.tool_calls,
        conversation: turn.conversation,
        message: turn.answer_message,
        finish,
        usage,
        cost,
        confidence: None,
        metadata: Metadata {
            source: "model",
            provider: Some(target.endpoint.name.as_str()),
            model: Some(&target.model),
            attempts: completed.attempts,
            truncated,
            tool_calls_withheld: watch.as_ref().map_or(0, Watch::withheld),
            degraded: &[],
        },
    };
    let kept = store::Answer {
        status: AnswerStatus::Completed,
        content: Some(conversation::answered(text, &gathered.tool_calls)?),
        raw: conversation::thoughts(&gathered),
        finish_reason: Some(finish),
        provider: Some(target.endpoint.name.clone()),
        model: Some(Arc::clone(&target.model)),
    };
    Ok(Written { body: answer.to_json(), kept })
}

/// The answer in the dialect it was asked for in: the provider's own bytes where they are of that dialect.
fn in_callers_words(
    app: &App,
    call: &Prepared,
    completed: &Completed,
    body: Bytes,
    usage: &Usage,
) -> Result<Bytes, Refusal> {
    let target = &completed.target;
    let codec = target.endpoint.codec;
    let dialect = match call.reply {
        ReplyIn::Embeddings { base64 } => {
            if codec.dialect() == Some(Dialect::Chat) {
                return Ok(body);
            }
            let embeddings = codec.read_embeddings(&body).map_err(misread)?;
            return Ok(wire::openai::embeddings(&target.model, &embeddings, usage, base64));
        }
        ReplyIn::Dialect { dialect, .. } => dialect,
        ReplyIn::Agent => return Err(Refusal::internal("an agent's answer without a turn")),
    };
    let limit = call.callable.agent.as_ref().map(|agent| agent.max_answer_chars);
    match (call.passes(target), limit) {
        (true, None) => return Ok(body),
        (true, Some(limit)) => return shortened(body, limit, usage),
        (false, _) => {}
    }
    let mut read = codec.read_answer(&body).map_err(misread)?;
    if let Some(mut watch) = call.watch() {
        watch.choices(&mut read.choices);
    }
    let id = dialect.answer_id(call.caller.record.id);
    let head = Head { id: &id, created: app.clock.now().seconds(), model: &target.model };
    let told = |choices: Vec<Choice<'_>>, _cut: bool| {
        dialect.answer(&head, &event::Answer { choices, usage: None, error: None }, usage)
    };
    let written = match limit {
        None => told(read.choices, false),
        Some(limit) => pass_choices(&mut OutputLength::new(limit), read.choices, told),
    };
    written.map_err(untold)
}

fn misread(malformed: Malformed) -> Refusal {
    Refusal::internal(malformed.to_string())
}

/// The provider said something that the caller's dialect has no place for.
fn untold(malformed: Malformed) -> Refusal {
    Refusal::new(Kind::Upstream, "upstream_error", "the provider's answer was malformed")
        .because(malformed.to_string())
}

/// An agent's answer in the chat dialect of its provider: too long a text is cut, everything else stays as it came. A
/// refusal that is too long is a new answer.
fn shortened(body: Bytes, limit: usize, usage: &Usage) -> Result<Bytes, Refusal> {
    let read = wire::openai::read_answer(&body).map_err(misread)?;
    let Some(choice) = read.choices.first() else { return Ok(body) };
    let (index, text, refusal) = (choice.index, choice.text.decode(), choice.refusal.decode());
    let mut length = OutputLength::new(limit);
    let (passed, cut) = length.pass(&text);
    if cut {
        return wire::openai::rewrite(&body, index, passed, Some(FinishReason::Length)).map_err(misread);
    }
    if !length.pass(&refusal).1 {
        drop(read);
        return Ok(body);
    }
    let head: AnswerHead = serde_json::from_slice(&body).unwrap_or_default();
    let told = |choices: Vec<Choice<'_>>, _cut: bool| {
        wire::openai::answer(&head.head(), &event::Answer { choices, usage: None, error: None }, usage)
    };
    pass_choices(&mut OutputLength::new(limit), read.choices, told).map_err(untold)
}

/// What an answer of the chat dialect, or each chunk of one, says about itself.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct AnswerHead {
    id: String,
    created: i64,
    model: String,
}

impl AnswerHead {
    pub(crate) fn head(&self) -> Head<'_> {
        Head { id: &self.id, created: self.created, model: &self.model }
    }
}

fn begun(
    app: &Arc<App>,
    call: Prepared,
    completed: Completed,
    headers: HeaderMap,
    streamed: Streamed,
) -> Answer {
    let reply = Reply::new(app, call, completed, streamed);
    let mut answer = Response::new(Body::Stream(Box::pin(reply)));
    let out = answer.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    out.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    out.extend(headers);
    answer
}
