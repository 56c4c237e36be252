//! Anthropic's messages dialect, as callers speak it to us and as the provider speaks it back.

mod answer;
mod codec;
mod encode;
mod failure;
pub mod foreign;
mod ids;
mod model;
mod read;
mod request;
mod schema;
mod source;
mod stream;
mod thinking;
mod tools;
mod turns;
mod usage;

pub use answer::{AnswerWriter, answer, member, write_error, write_error_event};
pub use codec::CODEC;
pub use request::MessagesRequest;
