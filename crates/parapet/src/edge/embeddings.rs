//! `POST /v1/embeddings`, OpenAI's dialect.

use wire::openai::EmbeddingRequest;

use super::answer::Answer;
use super::input;
use super::openapi::{Doc, Schema};
use super::routes::Request;
use crate::agents::Ask;
use crate::pipeline;
use crate::refusal::Refusal;

pub(crate) const DOC: Doc = Doc {
    summary: "Create embeddings",
    detail: "OpenAI's dialect. `model` is a configured model or `provider/model`; agents have no embeddings.",
    tag: "Embeddings",
    request: Some(Schema::EmbeddingRequest),
    answer: Some(Schema::EmbeddingList),
    ..Doc::EMPTY
};

pub(crate) async fn create(request: Request) -> Result<Answer, Refusal> {
    let Request { app, caller, http, .. } = request;
    input::require_json(http.headers())?;
    input::refuse_unenforced(http.headers())?;
    let body = input::body(http, caller.settings.config().server.body_limit).await?;
    pipeline::answer(&app, caller, Ask::Embedding(EmbeddingRequest::parse(body)?)).await
}
