//! `POST /v1/chat/completions`, OpenAI's dialect.

use wire::dialect;

use super::answer::Answer;
use super::input;
use super::openapi::{Doc, Schema};
use super::routes::Request;
use crate::agents::Ask;
use crate::pipeline;
use crate::refusal::Refusal;

pub(crate) const DOC: Doc = Doc {
    summary: "Create a chat completion",
    detail: "OpenAI's dialect. `model` is an agent, a configured model, or `provider/model`. Members not listed \
             here are passed to a provider of the same dialect as they are; with `stream: true` the answer is a stream of \
             server-sent events that ends with `[DONE]`.",
    tag: "Chat",
    request: Some(Schema::ChatRequest),
    answer: Some(Schema::ChatCompletion),
    ..Doc::EMPTY
};

pub(crate) async fn completions(request: Request) -> Result<Answer, Refusal> {
    let Request { app, caller, http, .. } = request;
    input::require_json(http.headers())?;
    input::refuse_unenforced(http.headers())?;
    let body = input::body(http, caller.settings.config().server.body_limit).await?;
    let chat = wire::openai::ChatRequest::parse(body)?;
    pipeline::answer(&app, caller, Ask::Request(dialect::Request::Chat(chat))).await
}
