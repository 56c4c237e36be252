//! `POST /v1/messages` and `/v1/messages/count_tokens`, Anthropic's dialect.

use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Serialize;
use wire::anthropic::MessagesRequest;
use wire::dialect;

use super::answer::{self, Answer};
use super::input;
use super::openapi::{Doc, Schema};
use super::routes::Request;
use crate::agents::Ask;
use crate::pipeline;
use crate::refusal::Refusal;

pub(crate) const DOC: Doc = Doc {
    summary: "Create a message",
    detail: "Anthropic's dialect. `model` is an agent, a configured model, or `provider/model`. Members not listed \
             here are passed to a provider of the same dialect as they are; with `stream: true` the answer is a \
             stream of server-sent events that ends with `message_stop`.",
    tag: "Messages",
    request: Some(Schema::MessagesRequest),
    answer: Some(Schema::Message),
    ..Doc::EMPTY
};

pub(crate) const COUNT_TOKENS: Doc = Doc {
    summary: "Count the input tokens of a message",
    detail: "Asks the provider, free of charge, where it can count. Where it cannot, the answer is an estimate, and \
             the header `x-parapet-estimated: true` says so.",
    tag: "Messages",
    request: Some(Schema::CountRequest),
    answer: Some(Schema::TokenCount),
    ..Doc::EMPTY
};

const ESTIMATED: HeaderName = HeaderName::from_static("x-parapet-estimated");

/// How many tokens a request is.
#[derive(Serialize, JsonSchema)]
pub(crate) struct TokenCount {
    input_tokens: u64,
}

pub(crate) async fn create(request: Request) -> Result<Answer, Refusal> {
    let Request { app, caller, http, .. } = request;
    input::require_json(http.headers())?;
    input::refuse_unenforced(http.headers())?;
    let body = input::body(http, caller.settings.config().server.body_limit).await?;
    let message = MessagesRequest::parse(body)?;
    pipeline::answer(&app, caller, Ask::Request(dialect::Request::Messages(message))).await
}

pub(crate) async fn count_tokens(request: Request) -> Result<Answer, Refusal> {
    let Request { app, caller, http, .. } = request;
    input::require_json(http.headers())?;
    let body = input::body(http, caller.settings.config().server.body_limit).await?;
    let message = MessagesRequest::parse_count(body)?;
    let counted = pipeline::count(&app, caller, dialect::Request::Messages(message)).await?;
    let mut answer = answer::json(StatusCode::OK, &TokenCount { input_tokens: counted.tokens })?;
    if counted.estimated {
        answer.headers_mut().insert(ESTIMATED, HeaderValue::from_static("true"));
    }
    Ok(answer)
}
