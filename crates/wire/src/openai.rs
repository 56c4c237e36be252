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
pub use codec::{COMPATIBLE, OPENAI};
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

/// How a provider's version of the dialect differs where we write members of our own accord.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavor {
    /// OpenAI itself: the limit of an answer is `max_completion_tokens`; its reasoning models refuse `max_tokens`.
    OpenAi,
    /// Everybody else: many know only `max_tokens`.
    Compatible,
}

impl Flavor {
    const fn max_tokens(self) -> &'static str {
        match self {
            Self::OpenAi => "max_completion_tokens",
            Self::Compatible => "max_tokens",
        }
    }
}
