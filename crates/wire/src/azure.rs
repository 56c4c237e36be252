//! Azure OpenAI: the chat dialect at other places, under another header.
//!
//! What a resource serves are its deployments, named by whoever made them; `model` is such a name. With an
//! `api_version` the deployment stands in the path, as in the dated versions of the API; without one it stands in
//! the body alone, as in the v1 API. The base URL is the resource's, `https://RESOURCE.openai.azure.com`.
//!
//! Answers carry annotations of the content filter: a chunk of no choices in front (`prompt_filter_results`), members
//! of choices, chunks of a choice that say nothing. The dialect's reader passes over what it does not know.
//!
//! Source: the public REST reference of Azure OpenAI, and its "API version lifecycle" for the v1 API.

use std::borrow::Cow;

use bytes::Bytes;

use crate::call::Call;
use crate::dialect::{Dialect, Request};
use crate::embedding::{Embedding, Embeddings};
use crate::event::{Answer, Malformed, UpstreamError};
use crate::openai::{EmbeddingRequest, OPENAI};
use crate::provider::{Codec, Credential, Operation, Place, StreamReader, Uncarried, in_path};

pub static CODEC: Azure = Azure;

/// An Azure OpenAI resource.
#[derive(Debug)]
pub struct Azure;

impl Codec for Azure {
    fn dialect(&self) -> Option<Dialect> {
        Some(Dialect::Chat)
    }

    fn credential(&self) -> Credential {
        Credential::Header("api-key")
    }

    fn path(&self, to: &Place<'_>) -> Option<Cow<'static, str>> {
        let Some(version) = to.api_version else {
            return Some(match to.operation {
                Operation::Chat => "/openai/v1/chat/completions".into(),
                Operation::Embed => "/openai/v1/embeddings".into(),
                Operation::Models => "/openai/v1/models".into(),
                Operation::Count => return None,
            });
        };
        let deployment = in_path(to.model);
        let version = in_path(version);
        Some(Cow::Owned(match to.operation {
            Operation::Chat => {
                format!("/openai/deployments/{deployment}/chat/completions?api-version={version}")
            }
            Operation::Embed => format!("/openai/deployments/{deployment}/embeddings?api-version={version}"),
            Operation::Models => format!("/openai/models?api-version={version}"),
            Operation::Count => return None,
        }))
    }

    fn pass(&self, request: &Request, model: &str) -> Option<Bytes> {
        OPENAI.pass(request, model)
    }

    fn chat(&self, call: &Call, model: &str) -> Result<Bytes, Uncarried> {
        OPENAI.chat(call, model)
    }

    fn reader(&self) -> Box<dyn StreamReader> {
        OPENAI.reader()
    }

    fn read_answer<'a>(&self, body: &'a [u8]) -> Result<Answer<'a>, Malformed> {
        OPENAI.read_answer(body)
    }

    fn read_error(&self, status: u16, body: &[u8]) -> UpstreamError {
        OPENAI.read_error(status, body)
    }

    fn pass_embedding(&self, request: &EmbeddingRequest, model: &str) -> Option<Bytes> {
        OPENAI.pass_embedding(request, model)
    }

    fn embed(&self, request: &Embedding, model: &str) -> Result<Bytes, Uncarried> {
        OPENAI.embed(request, model)
    }

    fn read_embeddings(&self, body: &[u8]) -> Result<Embeddings, Malformed> {
        OPENAI.read_embeddings(body)
    }

    fn read_models(&self, body: &[u8]) -> Result<Vec<String>, Malformed> {
        OPENAI.read_models(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(operation: Operation, model: &str, api_version: Option<&str>) -> Option<String> {
        let place = Place { operation, model, stream: false, api_version };
        CODEC.path(&place).map(Cow::into_owned)
    }

    #[test]
    fn a_dated_version_names_the_deployment_in_the_path() {
        let path = |operation| path(operation, "gpt-4o", Some("2024-10-21")).unwrap();
        assert_eq!(
            path(Operation::Chat),
            "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"
        );
        assert_eq!(path(Operation::Embed), "/openai/deployments/gpt-4o/embeddings?api-version=2024-10-21");
        assert_eq!(path(Operation::Models), "/openai/models?api-version=2024-10-21");
    }

    #[test]
    fn without_a_version_the_place_is_the_same_for_every_deployment() {
        for operation in [Operation::Chat, Operation::Embed, Operation::Models] {
            let place = Place { operation, model: "a/b", stream: true, api_version: None };
            assert!(
                matches!(CODEC.path(&place), Some(Cow::Borrowed(path)) if path.starts_with("/openai/v1/"))
            );
        }
    }

    #[test]
    fn a_callers_name_of_a_model_stays_inside_its_segment() {
        for (model, segment) in [
            ("../../x?y#z", "..%2F..%2Fx%3Fy%23z"),
            ("naïve model", "na%C3%AFve%20model"),
            ("a%2Fb&c=d", "a%252Fb%26c%3Dd"),
        ] {
            let expected = format!("/openai/deployments/{segment}/embeddings?api-version=v%26x");
            assert_eq!(path(Operation::Embed, model, Some("v&x")), Some(expected));
        }
    }

    #[test]
    fn tokens_are_not_counted_here() {
        assert_eq!(path(Operation::Count, "gpt-4o", None), None);
        assert_eq!(path(Operation::Count, "gpt-4o", Some("2024-10-21")), None);
    }
}
