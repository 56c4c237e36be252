//! Providers as codecs: what a provider's API looks like, without a connection to it.
//!
//! A [`Codec`] writes the requests of one API and reads its answers; it is a constant without state. [`KINDS`] is
//! the table of everything that can stand as `kind` of a provider in the config: a codec, where the service is, and
//! whether it wants a key. Hosts that speak a known dialect are one line there.
//!
//! A codec never leaves out what a caller asked for: what has no place in its API is an [`Uncarried`] member, and
//! the target is passed over for this request.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

use crate::call::Call;
use crate::dialect::{Dialect, Request};
use crate::embedding::{Embedding, Embeddings};
use crate::event::{Answer, Event, Malformed, UpstreamError};
use crate::sse::Frame;
use crate::{anthropic, azure, gemini, ollama, openai};

/// A kind of provider, as the config names it.
#[derive(Debug)]
pub struct Kind {
    pub name: &'static str,
    pub codec: &'static dyn Codec,
    /// Where the service is; none if everybody runs their own.
    pub base_url: Option<&'static str>,
    pub key: KeyUse,
}

/// Whether a provider wants a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// At its usual address it does.
    Required,
    Optional,
}

/// Every kind, by name.
pub static KINDS: &[Kind] = &[
    Kind::service("anthropic", &anthropic::CODEC, "https://api.anthropic.com"),
    Kind::own("azure", &azure::CODEC, KeyUse::Required),
    Kind::service("cerebras", &openai::WITHOUT_THOUGHTS, "https://api.cerebras.ai/v1"),
    Kind::service("deepseek", &openai::WITH_THOUGHTS, "https://api.deepseek.com/v1"),
    Kind::service("fireworks", &openai::WITH_THOUGHTS, "https://api.fireworks.ai/inference/v1"),
    Kind::service("gemini", &gemini::CODEC, "https://generativelanguage.googleapis.com"),
    Kind::service("groq", &openai::WITHOUT_THOUGHTS, "https://api.groq.com/openai/v1"),
    Kind::local("llama-cpp", &openai::WITH_THOUGHTS, "http://127.0.0.1:8080/v1"),
    Kind::local("lm-studio", &openai::WITH_THOUGHTS, "http://127.0.0.1:1234/v1"),
    Kind::service("mistral", &openai::WITHOUT_THOUGHTS, "https://api.mistral.ai/v1"),
    Kind::service("nvidia", &openai::WITHOUT_THOUGHTS, "https://integrate.api.nvidia.com/v1"),
    Kind::local("ollama", &ollama::CODEC, "http://127.0.0.1:11434"),
    Kind::service("openai", &openai::OPENAI, "https://api.openai.com/v1"),
    Kind::own("openai-compatible", &openai::COMPATIBLE, KeyUse::Optional),
    Kind::service("openrouter", &openai::OPENROUTER, "https://openrouter.ai/api/v1"),
    Kind::service("perplexity", &openai::WITHOUT_THOUGHTS, "https://api.perplexity.ai"),
    Kind::service("together", &openai::WITHOUT_THOUGHTS, "https://api.together.xyz/v1"),
    Kind::local("vllm", &openai::WITH_THOUGHTS, "http://127.0.0.1:8000/v1"),
    Kind::service("xai", &openai::WITHOUT_THOUGHTS, "https://api.x.ai/v1"),
];

impl Kind {
    /// A service on the internet.
    const fn service(name: &'static str, codec: &'static dyn Codec, base_url: &'static str) -> Self {
        Self { name, codec, base_url: Some(base_url), key: KeyUse::Required }
    }

    /// A server that people run on their own machine.
    const fn local(name: &'static str, codec: &'static dyn Codec, base_url: &'static str) -> Self {
        Self { name, codec, base_url: Some(base_url), key: KeyUse::Optional }
    }

    /// Something with an address of its own everywhere.
    const fn own(name: &'static str, codec: &'static dyn Codec, key: KeyUse) -> Self {
        Self { name, codec, base_url: None, key }
    }
}

/// The kind of that name.
#[must_use]
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// One provider's API.
pub trait Codec: fmt::Debug + Sync {
    /// The callers' dialect that it is; none if callers do not speak it to us.
    fn dialect(&self) -> Option<Dialect> {
        None
    }

    /// How a key is sent.
    fn credential(&self) -> Credential {
        Credential::Bearer
    }

    /// Headers of every request, names in lower case.
    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Path and query behind the base URL; none if the API has no such operation. A borrowed one is the same for
    /// every model.
    fn path(&self, to: &Place<'_>) -> Option<Cow<'static, str>>;

    /// How the answers of a stream are told apart.
    fn framing(&self) -> Framing {
        Framing::Events
    }

    /// The caller's own bytes, if it speaks this API: only members that have to change do.
    fn pass(&self, request: &Request, model: &str) -> Option<Bytes> {
        let _ = (request, model);
        None
    }

    /// As [`Codec::pass`], for a request for embeddings.
    fn pass_embedding(&self, request: &openai::EmbeddingRequest, model: &str) -> Option<Bytes> {
        let _ = (request, model);
        None
    }

    /// A request for an answer. A stream is asked to report its usage.
    ///
    /// # Errors
    /// The first member that has no place here.
    fn chat(&self, call: &Call, model: &str) -> Result<Bytes, Uncarried>;

    /// Reads the frames of one stream.
    fn reader(&self) -> Box<dyn StreamReader>;

    /// Reads the body of a successful unary call.
    ///
    /// # Errors
    /// If it is no answer of this API.
    fn read_answer<'a>(&self, body: &'a [u8]) -> Result<Answer<'a>, Malformed>;

    /// What an unsuccessful answer means; any body will do, also none.
    fn read_error(&self, status: u16, body: &[u8]) -> UpstreamError;

    /// A request for embeddings.
    ///
    /// # Errors
    /// The first member that has no place here.
    fn embed(&self, request: &Embedding, model: &str) -> Result<Bytes, Uncarried> {
        let _ = (request, model);
        Err(Uncarried::new("input"))
    }

    /// # Errors
    /// If the body is no answer to [`Codec::embed`].
    fn read_embeddings(&self, body: &[u8]) -> Result<Embeddings, Malformed> {
        let _ = body;
        Err(Malformed::new("embeddings where there are none"))
    }

    /// A request that counts the input tokens of a call and costs nothing; asked for only if there is a path for
    /// [`Operation::Count`].
    ///
    /// # Errors
    /// The first member that has no place here.
    fn count(&self, call: &Call, model: &str) -> Result<Bytes, Uncarried> {
        self.chat(call, model)
    }

    /// # Errors
    /// If the body is no answer to [`Codec::count`].
    fn read_count(&self, body: &[u8]) -> Result<u64, Malformed> {
        let _ = body;
        Err(Malformed::new("a count where there is none"))
    }

    /// The names of the models, from the answer to [`Operation::Models`].
    ///
    /// # Errors
    /// If the body is no list of models of this API.
    fn read_models(&self, body: &[u8]) -> Result<Vec<String>, Malformed>;
}

/// Reads the frames of one stream and remembers what is still owed: a stream that is cut looks like one that ended
/// unless somebody insists on the ending.
pub trait StreamReader: Send {
    /// The meaning of the next frame; none if it has none, or comes after the end.
    ///
    /// # Errors
    /// If the payload is malformed, or claims an end that cannot be.
    fn read<'a>(&mut self, frame: &'a Frame) -> Result<Option<Event<'a>>, Malformed>;

    /// To be asked at the end of the body: was that the truthful end?
    ///
    /// # Errors
    /// If the answer was cut.
    fn end(&self) -> Result<(), Malformed>;
}

/// What is asked of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    Chat,
    Embed,
    /// Count the tokens of a chat call.
    Count,
    /// List the models: free, and shows that address and key are right.
    Models,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub operation: Operation,
    pub model: &'a str,
    pub stream: bool,
    /// The provider's `api_version` in the config.
    pub api_version: Option<&'a str>,
}

/// A name as it may stand in a path or a query: all but the unreserved characters encoded (RFC 3986, 2.3).
pub(crate) fn in_path(name: &str) -> PercentEncode<'_> {
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(name, RESERVED)
}

/// How a key is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// `authorization: Bearer KEY`
    Bearer,
    /// The key alone, in the header of this name.
    Header(&'static str),
}

/// How the answers of a stream are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events, `text/event-stream`.
    Events,
    /// A JSON value per line, `application/x-ndjson`.
    Lines,
}

impl Framing {
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Events => "text/event-stream",
            Self::Lines => "application/x-ndjson",
        }
    }
}

/// What a caller asked for and a provider's API has no place for. The name is the chat dialect's;
/// [`Dialect::member`] has the others'.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` has no counterpart here")]
pub struct Uncarried(Cow<'static, str>);

impl Uncarried {
    #[must_use]
    pub fn new(member: impl Into<Cow<'static, str>>) -> Self {
        Self(member.into())
    }

    #[must_use]
    pub fn member(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_address_is_one() {
        assert!(KINDS.is_sorted_by(|a, b| a.name < b.name));
        for Kind { name, base_url, .. } in KINDS {
            let Some(url) = base_url else { continue };
            assert!(url.starts_with("https://") || url.starts_with("http://127.0.0.1:"), "{name}");
            assert!(!url.ends_with('/'), "{name}");
        }
    }

    #[test]
    fn every_codec_has_a_place_for_chats_and_models() {
        for Kind { name, codec, .. } in KINDS {
            for operation in [Operation::Chat, Operation::Models] {
                let place = Place { operation, model: "m", stream: false, api_version: None };
                let path = codec.path(&place);
                assert!(path.is_some_and(|path| path.starts_with('/')), "{name}: {operation:?}");
            }
        }
    }
}
