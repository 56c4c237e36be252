//! Anthropic's messages dialect, as callers speak it to us and as the provider speaks it back.

mod answer;
mod codec;
mod error;
pub mod foreign;
mod request;
mod rewrite;

pub use answer::{AnswerWriter, answer};
pub use codec::CODEC;
pub use error::{member, write_error, write_error_event};
pub use request::MessagesRequest;
pub use rewrite::{close_truncated, rewrite, truncate};
