//! Answers that we write in this dialect: what a provider of another one said, event by event or whole.
//!
//! Thoughts have no place in OpenAI's own dialect. Two conventions of its followers carry them: `reasoning_content`
//! (DeepSeek) is the text that people are shown, and `reasoning_details` (OpenRouter) is what a client sends back
//! on a later turn, signatures included ([`super::reasoning`]).

mod stream;
mod unary;
mod usage;

use bytes::BytesMut;
use domain::FinishReason;

pub use stream::{AnswerWriter, write_usage_chunk};
pub use unary::answer;

use crate::dialect::Head;
use crate::json::{write_display, write_str};

/// The terminator of a stream.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// The dialect's word; it has none for [`FinishReason::Other`].
pub(super) const fn finish_word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Other => "stop",
        known => known.as_str(),
    }
}

/// An unclosed object that begins an answer.
fn write_head(out: &mut BytesMut, head: &Head<'_>, object: &str) {
    out.extend_from_slice(b"{\"id\":");
    write_str(out, head.id);
    out.extend_from_slice(b",\"object\":");
    write_str(out, object);
    out.extend_from_slice(b",\"created\":");
    write_display(out, head.created);
    out.extend_from_slice(b",\"model\":");
    write_str(out, head.model);
}
