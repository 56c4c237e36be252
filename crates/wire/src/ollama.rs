//! Ollama's own API, which says more than its imitation of the chat dialect: thoughts apart from the answer,
//! tool arguments as objects, `options` of the sampler, an error where a line of the answer should be.
//!
//! A stream is a JSON object per line; the one with `"done":true` is the last and carries the reason and the counts.
//! Two defaults are never left to the server: it streams, and it cuts texts that are too long to embed.
//!
//! Source: the API reference at docs.ollama.com and its OpenAPI document, and the types of the official clients.

mod embedding;
mod read;
mod request;

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;

use crate::call::Call;
use crate::embedding::{Embedding, Embeddings};
use crate::event::{Answer, Malformed, UpstreamError};
use crate::openai;
use crate::provider::{Codec, Framing, Operation, Place, StreamReader, Uncarried};

pub static CODEC: Ollama = Ollama;

/// An Ollama server.
#[derive(Debug)]
pub struct Ollama;

impl Codec for Ollama {
    fn path(&self, to: &Place<'_>) -> Option<Cow<'static, str>> {
        match to.operation {
            Operation::Chat => Some("/api/chat".into()),
            Operation::Embed => Some("/api/embed".into()),
            Operation::Models => Some("/api/tags".into()),
            Operation::Count => None,
        }
    }

    fn framing(&self) -> Framing {
        Framing::Lines
    }

    fn chat(&self, call: &Call, model: &str) -> Result<Bytes, Uncarried> {
        request::encode(call, model)
    }

    fn reader(&self) -> Box<dyn StreamReader> {
        Box::new(read::Reader::default())
    }

    fn read_answer<'a>(&self, body: &'a [u8]) -> Result<Answer<'a>, Malformed> {
        read::read_answer(body)
    }

    /// The body is `{"error":"…"}`, one of the shapes of the chat dialect's relatives.
    fn read_error(&self, status: u16, body: &[u8]) -> UpstreamError {
        openai::read_error(status, body)
    }

    fn embed(&self, request: &Embedding, model: &str) -> Result<Bytes, Uncarried> {
        embedding::encode(request, model)
    }

    fn read_embeddings(&self, body: &[u8]) -> Result<Embeddings, Malformed> {
        embedding::read(body)
    }

    fn read_models(&self, body: &[u8]) -> Result<Vec<String>, Malformed> {
        let list: List = serde_json::from_slice(body).map_err(|_| Malformed::new("no list of models"))?;
        Ok(list.models.into_iter().map(|model| model.model).collect())
    }
}

#[derive(Deserialize)]
struct List {
    models: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    model: String,
}
