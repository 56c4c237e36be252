//! The OpenAI chat completions dialect, as callers speak it to us and as providers speak it back.
//!
//! Towards the provider a caller's body is passed on as bytes: [`ChatRequest`] reads what the server decides by
//! and splices what it changes. On the way back [`StreamReader`] and [`read_answer`] look at the bytes that are
//! passed on, and only look. What a provider of another dialect says is written by [`AnswerWriter`] and [`answer()`],
//! and what goes wrong by [`write_error`].
//!
//! Source: the public API reference and OpenAPI document of the dialect. Compatible servers differ from it in
//! ways that are read leniently where money, truth and safety do not depend on it, and named where they are.

mod answer;
mod codec;
mod embedding;
mod encode;
mod error;
mod failure;
mod models;
mod neutral;
mod read;
mod reasoning;
mod request;
mod rewrite;
mod stream;
mod usage;

pub use answer::{AnswerWriter, DONE, answer, write_usage_chunk};
pub use codec::{COMPATIBLE, OPENAI, OPENROUTER, WITH_THOUGHTS, WITHOUT_THOUGHTS};
pub use embedding::{EmbeddingRequest, embeddings};
pub use encode::{carries, encode};
pub use error::{write_error, write_error_event};
pub(crate) use failure::kind_of;
pub use failure::read_error;
pub(crate) use failure::read_failure;
pub use read::{read_answer, read_chunk};
pub use reasoning::{read_reasoning_details, reasoning_details};
pub use request::{ChatRequest, MessageFacts};
pub use rewrite::rewrite;
pub use stream::StreamReader;
pub(crate) use usage::count;

/// Bytes of the longest id of a tool call that OpenAI takes, in requests.
pub(crate) const MAX_CALL_ID: usize = 40;

/// How a provider's version of the dialect differs where it matters to what we send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavor {
    /// OpenAI itself: the limit of an answer is `max_completion_tokens`; its reasoning models refuse `max_tokens`.
    /// It takes no thoughts.
    OpenAi,
    /// Everybody else: many know only `max_tokens`.
    Compatible(Thoughts),
}

/// Which thoughts of earlier messages a provider takes, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Thoughts {
    /// None: it refuses such members, or has no use for them.
    None,
    /// Their text, as `reasoning_content`. DeepSeek insists on it in a turn that calls tools.
    Text,
    /// OpenRouter's `reasoning_details`, which is its own convention; it hands them to whom they belong.
    Details,
    /// A host that we know nothing of gets what the caller says, but for what another provider sealed.
    Unknown,
}

impl Flavor {
    const fn max_tokens(self) -> &'static str {
        match self {
            Self::OpenAi => "max_completion_tokens",
            Self::Compatible(_) => "max_tokens",
        }
    }

    const fn thoughts(self) -> Thoughts {
        match self {
            Self::OpenAi => Thoughts::None,
            Self::Compatible(thoughts) => thoughts,
        }
    }
}
