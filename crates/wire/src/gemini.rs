//! Google's Gemini API: `generateContent` and its neighbours, as a provider.
//!
//! What differs from the chat dialect, and where it is dealt with:
//! - The model stands in the path, and its series decides what a request may say (`thinking`).
//! - An answer is made of parts. A seal on the model's thoughts may stand on any of them and has to come back on the
//!   next turn, on the part where it stood: `contents` and `read` carry it.
//! - Every event of a stream is a whole response and there is no terminator: what makes an ending truthful is that
//!   each candidate that began has said why it ended (`stream`).
//! - Wrong keys come as 400, and used up days as the same 429 as busy minutes (`failure`).
//!
//! Sources: the API reference (<https://ai.google.dev/api>) and the types of Google's own SDK, `google-genai` 3.4.

mod contents;
mod embedding;
mod encode;
mod failure;
mod read;
mod stream;
mod thinking;
mod usage;

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use serde::Deserialize;

use crate::call::Call;
use crate::embedding::{Embedding, Embeddings};
use crate::event::{Answer, Malformed, UpstreamError};
use crate::json::write_json;
use crate::provider::{Codec, Credential, Operation, Place, StreamReader, Uncarried, in_path};

pub static CODEC: Gemini = Gemini;

/// The Gemini API of Google AI, and of whoever speaks it.
#[derive(Debug)]
pub struct Gemini;

impl Codec for Gemini {
    fn credential(&self) -> Credential {
        Credential::Header("x-goog-api-key")
    }

    fn path(&self, to: &Place<'_>) -> Option<Cow<'static, str>> {
        let version = in_path(to.api_version.unwrap_or("v1beta"));
        let method = match to.operation {
            Operation::Chat if to.stream => "streamGenerateContent?alt=sse",
            Operation::Chat => "generateContent",
            Operation::Embed => "batchEmbedContents",
            Operation::Count => "countTokens",
            // 1000 is the most that a page holds.
            Operation::Models => return Some(format!("/{version}/models?pageSize=1000").into()),
        };
        let (collection, id) = resource(to.model);
        let id = in_path(id);
        Some(format!("/{version}/{collection}/{id}:{method}").into())
    }

    fn chat(&self, call: &Call, model: &str) -> Result<Bytes, Uncarried> {
        Ok(written(&encode::request(call, model)?))
    }

    fn reader(&self) -> Box<dyn StreamReader> {
        Box::new(stream::Reader::default())
    }

    fn read_answer<'a>(&self, body: &'a [u8]) -> Result<Answer<'a>, Malformed> {
        read::answer(body)
    }

    fn read_error(&self, status: u16, body: &[u8]) -> UpstreamError {
        failure::read_error(status, body)
    }

    fn embed(&self, request: &Embedding, model: &str) -> Result<Bytes, Uncarried> {
        embedding::encode(request, &name(model))
    }

    fn read_embeddings(&self, body: &[u8]) -> Result<Embeddings, Malformed> {
        embedding::read(body)
    }

    fn count(&self, call: &Call, model: &str) -> Result<Bytes, Uncarried> {
        Ok(written(&encode::count(call, model)?))
    }

    fn read_count(&self, body: &[u8]) -> Result<u64, Malformed> {
        let Count { total_tokens } = serde_json::from_slice(body).map_err(|_| Malformed::new("no count"))?;
        Ok(total_tokens)
    }

    fn read_models(&self, body: &[u8]) -> Result<Vec<String>, Malformed> {
        let list: List = serde_json::from_slice(body).map_err(|_| Malformed::new("no list of models"))?;
        let short =
            |model: Model| model.name.strip_prefix("models/").map(str::to_owned).unwrap_or(model.name);
        Ok(list.models.into_iter().map(short).collect())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Count {
    total_tokens: u64,
}

#[derive(Deserialize)]
struct List {
    models: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    name: String,
}

/// The name of a model as the API has it in bodies: `models/x`.
fn name(model: &str) -> String {
    let (collection, id) = resource(model);
    format!("{collection}/{id}")
}

/// The collection that a model belongs to, and its id there.
fn resource(model: &str) -> (&'static str, &str) {
    match model.split_once('/') {
        Some(("models", id)) => ("models", id),
        Some(("tunedModels", id)) => ("tunedModels", id),
        _ => ("models", model),
    }
}

fn written(body: &impl serde::Serialize) -> Bytes {
    let mut out = BytesMut::with_capacity(1024);
    write_json(&mut out, body);
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(operation: Operation, model: &str, stream: bool, api_version: Option<&str>) -> String {
        let place = Place { operation, model, stream, api_version };
        CODEC.path(&place).unwrap().into_owned()
    }

    #[test]
    fn the_model_and_the_method_stand_in_the_path() {
        let chat = |model, stream, version| path(Operation::Chat, model, stream, version);
        assert_eq!(chat("gemini-3-pro", false, None), "/v1beta/models/gemini-3-pro:generateContent");
        assert_eq!(
            chat("gemini-3-pro", true, None),
            "/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse"
        );
        assert_eq!(chat("models/x", false, Some("v1")), "/v1/models/x:generateContent");
        assert_eq!(chat("tunedModels/x-1", false, None), "/v1beta/tunedModels/x-1:generateContent");
        assert_eq!(path(Operation::Count, "x", true, None), "/v1beta/models/x:countTokens");
        assert_eq!(path(Operation::Embed, "x", false, None), "/v1beta/models/x:batchEmbedContents");
        assert_eq!(path(Operation::Models, "x", false, Some("v1")), "/v1/models?pageSize=1000");
    }

    #[test]
    fn a_model_cannot_leave_its_segment_of_the_path() {
        let chat = |model| path(Operation::Chat, model, false, None);
        assert_eq!(chat("../x?y#z:é"), "/v1beta/models/..%2Fx%3Fy%23z%3A%C3%A9:generateContent");
        assert_eq!(chat("models/a/b"), "/v1beta/models/a%2Fb:generateContent");
        assert_eq!(chat("%2e%2e"), "/v1beta/models/%252e%252e:generateContent");
    }

    #[test]
    fn models_are_listed_by_the_names_that_callers_use() {
        let body = br#"{"models":[{"name":"models/gemini-3-pro","version":"3"},{"name":"tunedModels/x"}],"nextPageToken":"p"}"#;
        assert_eq!(CODEC.read_models(body).unwrap(), ["gemini-3-pro", "tunedModels/x"]);
        assert!(CODEC.read_models(b"{}").is_err());
    }

    #[test]
    fn a_count_is_its_total() {
        assert_eq!(CODEC.read_count(br#"{"totalTokens":31,"promptTokensDetails":[]}"#), Ok(31));
        assert!(CODEC.read_count(br#"{"totalTokens":-1}"#).is_err());
        assert!(CODEC.read_count(b"{}").is_err());
    }
}
