//! The dialect of our own agent API: one answer object, and the events `answer.started`, `answer.delta`,
//! `answer.completed` and `error` when it is streamed. Errors have the chat dialect's shape.

use bytes::{Bytes, BytesMut};
use domain::{ConversationId, FinishReason, MessageId, NanoUsd, RequestId, Usage};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::call::ToolCall;
use crate::error::ErrorBody;
use crate::json::write_json;
use crate::openai;
use crate::sse;

const OBJECT: &str = "agent.answer";

/// A whole answer of an agent.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    pub id: RequestId,
    pub agent: &'a str,
    pub response: &'a str,
    /// What the caller is to do before the conversation can go on.
    pub tool_calls: &'a [ToolCall],
    pub conversation: ConversationId,
    pub message: MessageId,
    pub finish: FinishReason,
    pub usage: Usage,
    /// None: the model has no price.
    pub cost: Option<NanoUsd>,
    /// 0 to 1; none if unknown.
    pub confidence: Option<f64>,
    pub metadata: Metadata<'a>,
}

/// Where an answer came from.
#[derive(Clone, Debug, Serialize)]
pub struct Metadata<'a> {
    /// `model`, `cache`, `cache_fallback` or `default_fallback`.
    pub source: &'a str,
    pub provider: Option<&'a str>,
    pub model: Option<&'a str>,
    pub attempts: u32,
    /// The answer was cut at the agent's limit. Left out when false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// Calls that the agent's policy did not let through. Left out when none.
    #[serde(skip_serializing_if = "is_zero")]
    pub tool_calls_withheld: u32,
    /// What had to be done without, such as `history`. Left out when empty.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub degraded: &'a [&'a str],
}

/// What is known when an answer begins.
#[derive(Clone, Copy, Debug)]
pub struct Started<'a> {
    pub id: RequestId,
    pub agent: &'a str,
    pub conversation: ConversationId,
    pub message: MessageId,
}

impl Answer<'_> {
    #[must_use]
    pub fn to_json(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.response.len() + 512);
        write_json(&mut out, &Body::from(self));
        out.freeze()
    }
}

/// Appends `answer.started`, the first event.
pub fn write_started(out: &mut BytesMut, started: &Started<'_>) {
    #[derive(Serialize)]
    struct Body<'a> {
        #[serde(serialize_with = "shown")]
        id: RequestId,
        object: &'static str,
        agent: &'a str,
        #[serde(serialize_with = "shown")]
        conversation_id: ConversationId,
        #[serde(serialize_with = "shown")]
        message_id: MessageId,
    }
    let Started { id, agent, conversation, message } = *started;
    let body = Body { id, object: OBJECT, agent, conversation_id: conversation, message_id: message };
    write_event(out, "answer.started", &body);
}

/// Appends `answer.delta`: the next piece of the response.
pub fn write_delta(out: &mut BytesMut, text: &str) {
    out.reserve(text.len() + 48);
    out.extend_from_slice(b"event: answer.delta\ndata: {\"text\":");
    write_json(out, text);
    out.extend_from_slice(b"}\n\n");
}

/// Appends `answer.completed`, the last event, with the whole answer.
pub fn write_completed(out: &mut BytesMut, answer: &Answer<'_>) {
    write_event(out, "answer.completed", &Body::from(answer));
}

/// Appends `error`, the last event of an answer that could not be finished.
pub fn write_error_event(out: &mut BytesMut, error: &ErrorBody<'_>) {
    out.extend_from_slice(b"event: error\n");
    openai::write_error_event(out, error);
}

fn write_event(out: &mut BytesMut, name: &str, body: &impl Serialize) {
    let mut payload = BytesMut::with_capacity(512);
    write_json(&mut payload, body);
    sse::write_event(out, name, &payload);
}

/// The answer object in the order of INTERFACES.md.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(serialize_with = "shown")]
    id: RequestId,
    object: &'static str,
    agent: &'a str,
    response: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Called<'a>>,
    #[serde(serialize_with = "shown")]
    conversation_id: ConversationId,
    #[serde(serialize_with = "shown")]
    message_id: MessageId,
    finish_reason: &'static str,
    usage: Tokens,
    #[serde(serialize_with = "dollars")]
    cost_usd: Option<NanoUsd>,
    confidence: Option<f64>,
    metadata: &'a Metadata<'a>,
}

/// A tool call; `arguments` is the model's text.
#[derive(Serialize)]
struct Called<'a> {
    id: &'a str,
    name: &'a str,
    arguments: &'a str,
}

#[derive(Serialize)]
struct Tokens {
    input_tokens: u64,
    output_tokens: u64,
    total_tokens: u64,
}

impl<'a> From<&'a Answer<'a>> for Body<'a> {
    fn from(answer: &'a Answer<'a>) -> Self {
        Self {
            id: answer.id,
            object: OBJECT,
            agent: answer.agent,
            response: answer.response,
            tool_calls: answer
                .tool_calls
                .iter()
                .map(|ToolCall { id, name, arguments }| Called { id, name, arguments })
                .collect(),
            conversation_id: answer.conversation,
            message_id: answer.message,
            finish_reason: answer.finish.as_str(),
            usage: Tokens {
                input_tokens: answer.usage.total_input(),
                output_tokens: answer.usage.total_output(),
                total_tokens: answer.usage.total(),
            },
            cost_usd: answer.cost,
            confidence: answer.confidence,
            metadata: &answer.metadata,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn shown<T: std::fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Exact decimals, never an exponent: `0.000021`.
fn dollars<S: Serializer>(cost: &Option<NanoUsd>, serializer: S) -> Result<S::Ok, S::Error> {
    let number = cost.and_then(|cost| RawValue::from_string(cost.to_string()).ok());
    number.serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{IdSource, SystemClock, TimeOrderedIds};

    fn ids() -> (RequestId, ConversationId, MessageId) {
        let ids = TimeOrderedIds::new(SystemClock::default());
        (ids.request(), ids.conversation(), ids.message())
    }

    fn answer((id, conversation, message): (RequestId, ConversationId, MessageId)) -> Answer<'static> {
        Answer {
            id,
            agent: "support",
            response: "Hi \"there\"\n",
            tool_calls: &[],
            conversation,
            message,
            finish: FinishReason::Stop,
            usage: Usage { input: 10, cached_input: 2, output: 30, reasoning: 4, ..Usage::default() },
            cost: Some(NanoUsd(21_000)),
            confidence: None,
            metadata: Metadata {
                source: "model",
                provider: Some("openai"),
                model: Some("gpt-4o-mini"),
                attempts: 1,
                truncated: false,
                tool_calls_withheld: 0,
                degraded: &[],
            },
        }
    }

    #[test]
    fn the_answer_has_the_published_shape_to_the_byte() {
        let ids = ids();
        let expected = format!(
            r#"{{"id":"{}","object":"agent.answer","agent":"support","response":"Hi \"there\"\n","conversation_id":"{}","message_id":"{}","finish_reason":"stop","usage":{{"input_tokens":12,"output_tokens":34,"total_tokens":46}},"cost_usd":0.000021,"confidence":null,"metadata":{{"source":"model","provider":"openai","model":"gpt-4o-mini","attempts":1}}}}"#,
            ids.0, ids.1, ids.2
        );
        assert_eq!(answer(ids).to_json(), expected);
    }

    #[test]
    fn truncation_and_degradation_are_told_only_when_true() {
        let mut answer = answer(ids());
        answer.metadata.truncated = true;
        answer.metadata.degraded = &["history"];
        answer.cost = None;
        let json: serde_json::Value = serde_json::from_slice(&answer.to_json()).unwrap();
        assert_eq!(json["metadata"]["truncated"], true);
        assert_eq!(json["metadata"]["degraded"][0], "history");
        assert!(json["cost_usd"].is_null());
    }

    #[test]
    fn a_streamed_answer_is_typed_events() {
        let ids = ids();
        let mut out = BytesMut::new();
        write_started(
            &mut out,
            &Started { id: ids.0, agent: "support", conversation: ids.1, message: ids.2 },
        );
        write_delta(&mut out, "a\nb");
        write_completed(&mut out, &answer(ids));
        let mut parser = sse::Parser::default();
        parser.push(out.freeze());
        let mut events = Vec::new();
        while let Some(frame) = parser.next().unwrap() {
            let data: serde_json::Value = serde_json::from_slice(&frame.data).unwrap();
            events.push((frame.name.unwrap(), data));
        }
        assert_eq!(events.len(), 3);
        assert_eq!(events[0].0, "answer.started");
        assert_eq!(events[0].1["conversation_id"], ids.1.to_string());
        assert_eq!(events[1].0, "answer.delta");
        assert_eq!(events[1].1, serde_json::json!({"text": "a\nb"}));
        assert_eq!(events[2].0, "answer.completed");
        assert_eq!(events[2].1["message_id"], ids.2.to_string());
    }
}
