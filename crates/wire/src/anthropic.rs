//! Anthropic's messages dialect, as callers speak it to us and as the provider speaks it back.

mod answer;
mod codec;
pub mod foreign;
mod request;

pub use answer::{AnswerWriter, answer, member, write_error, write_error_event};
pub use codec::CODEC;
pub use request::MessagesRequest;
