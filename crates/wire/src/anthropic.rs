//! Anthropic's messages dialect, as callers speak it to us and as the provider speaks it back.

mod answer;
mod codec;
mod encode;
mod error;
mod failure;
pub mod foreign;
mod model;
mod read;
mod request;
mod rewrite;
mod schema;
mod source;
mod stream;
mod thinking;
mod tools;
mod turns;
mod usage;

pub use answer::{AnswerWriter, answer};
pub use codec::CODEC;
pub use error::{member, write_error, write_error_event};
pub use request::MessagesRequest;
pub use rewrite::{close_truncated, rewrite, truncate};
