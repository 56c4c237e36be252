//! Answers that we write in this dialect: what a provider of another one said, event by event or whole.
//!
//! A message is a row of content blocks, each of one kind, none inside another, and none taken up again. Other
//! dialects have no such row: words, thoughts and tool calls stand side by side there, and pieces of several calls may
//! alternate. What alternates is put in a row here ([`AnswerWriter`]).
//!
//! A thought that its provider did not sign, or that is not Anthropic's, gets a seal of ours as its signature
//! ([`super::foreign`]): clients insist on one, and what the other provider wants back comes back in it.

mod arguments;
mod blocks;
mod stream;
mod unary;

use std::borrow::Cow;

use bytes::BytesMut;
use domain::{FinishReason, Usage};
use serde::Serialize;

pub use stream::AnswerWriter;
pub use unary::answer;

use crate::anthropic::foreign::seal;
use crate::call::Origin;
use crate::event::Signature;
use crate::json::{write_display, write_json, write_str};

/// The dialect's word. An answer that calls tools ends with `tool_use`, also where the provider has another word for
/// calls that the caller insisted on, as OpenAI has `stop`.
pub(super) const fn stop_reason(finish: Option<FinishReason>, calls_tools: bool) -> &'static str {
    match finish {
        Some(FinishReason::Length) => "max_tokens",
        Some(FinishReason::ContentFilter) => "refusal",
        Some(FinishReason::ToolCalls) => "tool_use",
        _ if calls_tools => "tool_use",
        Some(FinishReason::Stop | FinishReason::Other) | None => "end_turn",
    }
}

/// Appends the report of a call's usage.
pub(super) fn write_usage(out: &mut BytesMut, usage: &Usage) {
    let report = Report {
        input_tokens: usage.input.saturating_add(usage.image),
        cache_creation_input_tokens: usage.cache_write,
        cache_read_input_tokens: usage.cached_input,
        output_tokens: usage.total_output(),
        output_tokens_details: OutputDetails { thinking_tokens: usage.reasoning },
    };
    write_json(out, &report);
}

#[derive(Serialize)]
struct Report {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    output_tokens: u64,
    output_tokens_details: OutputDetails,
}

#[derive(Serialize)]
struct OutputDetails {
    thinking_tokens: u64,
}

/// A message up to its content.
fn write_head(out: &mut BytesMut, id: &str, model: &str) {
    out.extend_from_slice(b"{\"id\":");
    write_str(out, id);
    out.extend_from_slice(b",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
    write_str(out, model);
    out.extend_from_slice(b",\"content\":[");
}

/// What a client is given as the signature of a thought, or as the thought itself. `tool_call` is the id of the call
/// that it belongs to.
fn sealed<'a>(signature: &Signature<'a>, tool_call: Option<&str>) -> Cow<'a, str> {
    let data = signature.data.decode();
    match signature.origin {
        Origin::Anthropic => data,
        origin => seal(origin, signature.encrypted, tool_call, &data).into(),
    }
}

/// Appends `content_block_stop`.
pub(super) fn write_block_stop(out: &mut BytesMut, block: u32) {
    out.extend_from_slice(b"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":");
    write_display(out, block);
    out.extend_from_slice(b"}\n\n");
}

/// Appends the end of a stream: `message_delta` and `message_stop`.
pub(super) fn write_end(out: &mut BytesMut, stop_reason: &str, usage: &Usage) {
    out.extend_from_slice(
        b"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":",
    );
    write_str(out, stop_reason);
    out.extend_from_slice(b",\"stop_sequence\":null},\"usage\":");
    write_usage(out, usage);
    out.extend_from_slice(b"}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
}
