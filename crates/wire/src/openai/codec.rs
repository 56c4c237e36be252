//! The dialect as a provider's API.

use std::borrow::Cow;

use bytes::Bytes;

use crate::call::Call;
use crate::dialect::{Dialect, Request};
use crate::embedding::{Embedding, Embeddings};
use crate::event::{Answer, Event, Malformed, UpstreamError};
use crate::openai::{self, EmbeddingRequest, Flavor, Thoughts, embedding, models};
use crate::provider::{Codec, Operation, Place, Uncarried};
use crate::sse::Frame;

/// OpenAI itself.
pub static OPENAI: Chat = Chat(Flavor::OpenAi);
/// A host of its dialect that is not known by name.
pub static COMPATIBLE: Chat = Chat(Flavor::Compatible(Thoughts::Unknown));
/// A host that takes no thoughts of earlier messages.
pub static WITHOUT_THOUGHTS: Chat = Chat(Flavor::Compatible(Thoughts::None));
/// A host that takes their texts.
pub static WITH_THOUGHTS: Chat = Chat(Flavor::Compatible(Thoughts::Text));
pub static OPENROUTER: Chat = Chat(Flavor::Compatible(Thoughts::Details));

/// A provider that speaks the chat completions dialect.
#[derive(Debug)]
pub struct Chat(Flavor);

impl Codec for Chat {
    fn dialect(&self) -> Option<Dialect> {
        Some(Dialect::Chat)
    }

    fn path(&self, to: &Place<'_>) -> Option<Cow<'static, str>> {
        match to.operation {
            Operation::Chat => Some("/chat/completions".into()),
            Operation::Embed => Some("/embeddings".into()),
            Operation::Models => Some("/models".into()),
            Operation::Count => None,
        }
    }

    fn pass(&self, request: &Request, model: &str) -> Option<Bytes> {
        match request {
            Request::Chat(request) => {
                request.carries().ok().map(|()| request.for_upstream(model, self.0, true))
            }
            Request::Messages(_) => None,
        }
    }

    fn chat(&self, call: &Call, model: &str) -> Result<Bytes, Uncarried> {
        openai::carries(call, self.0)?;
        Ok(openai::encode(call, model, self.0, true))
    }

    fn reader(&self) -> Box<dyn crate::provider::StreamReader> {
        Box::new(openai::StreamReader::default())
    }

    fn read_answer<'a>(&self, body: &'a [u8]) -> Result<Answer<'a>, Malformed> {
        openai::read_answer(body)
    }

    fn read_error(&self, status: u16, body: &[u8]) -> UpstreamError {
        openai::read_error(status, body)
    }

    fn pass_embedding(&self, request: &EmbeddingRequest, model: &str) -> Option<Bytes> {
        Some(request.for_upstream(model))
    }

    fn embed(&self, request: &Embedding, model: &str) -> Result<Bytes, Uncarried> {
        embedding::encode(request, model)
    }

    fn read_embeddings(&self, body: &[u8]) -> Result<Embeddings, Malformed> {
        embedding::read(body)
    }

    fn read_models(&self, body: &[u8]) -> Result<Vec<String>, Malformed> {
        models::read(body)
    }
}

impl crate::provider::StreamReader for openai::StreamReader {
    fn read<'a>(&mut self, frame: &'a Frame) -> Result<Option<Event<'a>>, Malformed> {
        Self::read(self, frame)
    }

    fn end(&self) -> Result<(), Malformed> {
        Self::end(self)
    }
}
