//! Errors, as this dialect tells them: `{"type":"error","error":{"type","message"},"request_id"}`. The facts that it has
//! no place for stand beside the message, under the names that they have elsewhere.

use std::borrow::Cow;

use bytes::BytesMut;
use domain::RequestId;
use serde::{Serialize, Serializer};

use crate::error::ErrorBody;
use crate::json::write_json;
use crate::sse;

/// Appends an error answer's body. Every key is present.
pub fn write_error(out: &mut BytesMut, error: &ErrorBody<'_>) {
    write_json(out, &Failure::new(error, None));
}

/// Appends an error as the last event of a stream.
pub fn write_error_event(out: &mut BytesMut, error: &ErrorBody<'_>) {
    let mut payload = BytesMut::with_capacity(512);
    write_json(&mut payload, &Failure::new(error, Some((error.retryable, error.partial))));
    sse::write_event(out, "error", &payload);
}

/// What this dialect calls a member that the chat dialect calls `name`.
#[must_use]
pub fn member(name: &str) -> Cow<'_, str> {
    Cow::Borrowed(match name {
        "max_completion_tokens" => "max_tokens",
        "stop" => "stop_sequences",
        "response_format" => "output_config.format",
        "reasoning_effort" => "output_config.effort",
        "reasoning_budget" => "thinking.budget_tokens",
        "parallel_tool_calls" => "tool_choice.disable_parallel_tool_use",
        "user" => "metadata.user_id",
        // The kinds of content blocks.
        "image_url" => "image",
        "file" => "document",
        name => name,
    })
}

/// The word for one of our own kinds (INTERFACES.md, Errors). The dialect's list is shorter, and clients choose what
/// they throw by the status.
fn error_type(kind: &str) -> &'static str {
    match kind {
        "authentication_error" => "authentication_error",
        "permission_error" => "permission_error",
        "not_found_error" => "not_found_error",
        "request_too_large" => "request_too_large",
        "rate_limit_exceeded" | "budget_exceeded" => "rate_limit_error",
        "overloaded_error" => "overloaded_error",
        "upstream_timeout" => "timeout_error",
        "upstream_error" | "internal_error" => "api_error",
        _ => "invalid_request_error",
    }
}

#[derive(Serialize)]
struct Failure<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: Told<'a>,
    #[serde(serialize_with = "shown")]
    request_id: RequestId,
}

#[derive(Serialize)]
struct Told<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: &'a str,
    param: Option<&'a str>,
    code: Option<&'a str>,
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retryable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partial: Option<bool>,
}

impl<'a> Failure<'a> {
    fn new(error: &ErrorBody<'a>, streamed: Option<(bool, bool)>) -> Self {
        let ErrorBody { message, kind, param, code, request_id, hint, .. } = *error;
        let (retryable, partial) = streamed.unzip();
        let error = Told { kind: error_type(kind), message, param, code, hint, retryable, partial };
        Self { kind: "error", error, request_id }
    }
}

fn shown<S: Serializer>(id: &RequestId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

#[cfg(test)]
mod tests {
    use domain::{IdSource, SystemClock, TimeOrderedIds};

    use super::*;

    fn error(kind: &str) -> ErrorBody<'_> {
        ErrorBody {
            message: "slow \"down\"",
            kind,
            param: Some("messages[0].content"),
            code: None,
            request_id: TimeOrderedIds::new(SystemClock::default()).request(),
            hint: Some("wait"),
            retryable: true,
            partial: false,
        }
    }

    #[test]
    fn error_bodies_have_every_key_and_streamed_ones_two_more() {
        let error = error("rate_limit_exceeded");
        let request_id = error.request_id;
        let told = r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow \"down\"","param":"messages[0].content","code":null,"hint":"wait""#;
        let mut out = BytesMut::new();
        write_error(&mut out, &error);
        assert_eq!(out, format!(r#"{told}}},"request_id":"{request_id}"}}"#));
        out.clear();
        write_error_event(&mut out, &error);
        let expected = format!(
            "event: error\ndata: {told},\"retryable\":true,\"partial\":false}},\"request_id\":\"{request_id}\"}}\n\n"
        );
        assert_eq!(out, expected);
    }

    #[test]
    fn every_kind_has_a_word_of_the_dialect() {
        for (kind, word) in [
            ("invalid_request_error", "invalid_request_error"),
            ("authentication_error", "authentication_error"),
            ("permission_error", "permission_error"),
            ("not_found_error", "not_found_error"),
            ("conflict_error", "invalid_request_error"),
            ("request_too_large", "request_too_large"),
            ("idempotency_key_reused", "invalid_request_error"),
            ("rate_limit_exceeded", "rate_limit_error"),
            ("budget_exceeded", "rate_limit_error"),
            ("content_policy_violation", "invalid_request_error"),
            ("upstream_error", "api_error"),
            ("overloaded_error", "overloaded_error"),
            ("upstream_timeout", "timeout_error"),
            ("internal_error", "api_error"),
        ] {
            assert_eq!(error_type(kind), word);
        }
    }

    #[test]
    fn members_have_the_names_that_the_caller_used() {
        assert_eq!(member("stop"), "stop_sequences");
        assert_eq!(member("response_format"), "output_config.format");
        for same in ["top_k", "tools", "messages[0].content[1]", "thinking.display"] {
            assert_eq!(member(same), same);
        }
    }
}
