//! What clients and providers say on the wire, and nothing about how it travels.
//!
//! A provider is a codec, not a client: bytes of a request go out, bytes of an answer come in, and what they
//! mean is one neutral [`call::Call`] and one neutral [`event::Event`], whichever dialect wrote them. Where both
//! sides speak the same dialect the bytes themselves pass through; only members that change are spliced by span,
//! so fields this crate has never heard of survive, to the byte.
//!
//! No I/O, no clock, no task. Everything that is read is bounded by its caller (body size, event size) and by
//! [`json::MAX_DEPTH`]. A further dialect is a further module beside [`openai`] with the same verbs: `encode`,
//! `StreamReader`, `read_answer`, `read_error`, and, where callers may speak it, `ChatRequest` and the writers.

pub mod agent;
pub mod call;
pub mod error;
pub mod event;
pub mod json;
pub mod openai;
pub mod sse;

mod scrub;
