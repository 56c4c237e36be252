//! The messages API as a provider's: <https://platform.claude.com/docs/en/api/messages>.
//!
//! Asked in the version `2023-06-01`. The next one, `2026-10-21`, answers in the same shapes and asks for the same
//! ones, but refuses `temperature`, `top_p` and `top_k` for every model; the older version lets each model decide,
//! and so carries more of what callers ask.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;

use crate::anthropic::stream::Reader;
use crate::anthropic::{encode, failure, read};
use crate::call::Call;
use crate::dialect::{Dialect, Request};
use crate::event::{Answer, Malformed, UpstreamError};
use crate::openai;
use crate::provider::{Codec, Credential, Operation, Place, StreamReader, Uncarried};

pub static CODEC: Messages = Messages;

/// A provider that speaks the messages dialect.
#[derive(Debug)]
pub struct Messages;

impl Codec for Messages {
    fn dialect(&self) -> Option<Dialect> {
        Some(Dialect::Messages)
    }

    fn credential(&self) -> Credential {
        Credential::Header("x-api-key")
    }

    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[("anthropic-version", "2023-06-01")]
    }

    fn path(&self, to: &Place<'_>) -> Option<Cow<'static, str>> {
        match to.operation {
            Operation::Chat => Some("/v1/messages".into()),
            Operation::Count => Some("/v1/messages/count_tokens".into()),
            // The largest page there is: nobody has more models than that.
            Operation::Models => Some("/v1/models?limit=1000".into()),
            Operation::Embed => None,
        }
    }

    fn pass(&self, request: &Request, model: &str) -> Option<Bytes> {
        match request {
            Request::Messages(request) => request.carries().ok().map(|()| request.for_upstream(model)),
            Request::Chat(_) => None,
        }
    }

    fn chat(&self, call: &Call, model: &str) -> Result<Bytes, Uncarried> {
        encode::chat(call, model)
    }

    fn reader(&self) -> Box<dyn StreamReader> {
        Box::new(Reader::default())
    }

    fn read_answer<'a>(&self, body: &'a [u8]) -> Result<Answer<'a>, Malformed> {
        read::answer(body)
    }

    fn read_error(&self, status: u16, body: &[u8]) -> UpstreamError {
        failure::read_error(status, body)
    }

    fn count(&self, call: &Call, model: &str) -> Result<Bytes, Uncarried> {
        encode::count(call, model)
    }

    fn read_count(&self, body: &[u8]) -> Result<u64, Malformed> {
        let count: Count = serde_json::from_slice(body).map_err(|_| Malformed::new("no count of tokens"))?;
        Ok(count.input_tokens)
    }

    fn read_models(&self, body: &[u8]) -> Result<Vec<String>, Malformed> {
        // The list has the same shape.
        openai::OPENAI.read_models(body)
    }
}

#[derive(Deserialize)]
struct Count {
    input_tokens: u64,
}
