//! What clients and providers say on the wire, and nothing about how it travels.
//!
//! A provider is a codec, not a client: bytes of a request go out, bytes of an answer come in, and what they
//! mean is one neutral [`call::Call`] and one neutral [`event::Event`], whichever dialect wrote them. Where both
//! sides speak the same dialect the bytes themselves pass through; only members that change are spliced by span,
//! so fields this crate has never heard of survive, to the byte.
//!
//! No I/O, no clock, no task. Everything that is read is bounded by its caller (body size, event size) and by
//! [`json::MAX_DEPTH`].
//!
//! Two sides, and a neutral middle between them:
//! - callers speak a [`dialect::Dialect`] to us: requests are parsed, answers and errors are written;
//! - providers are [`provider::Codec`]s: requests are written, answers and errors are read. A further provider is
//!   one module with a codec, one line in [`provider::KINDS`], and its golden files.

pub mod agent;
pub mod anthropic;
pub mod azure;
pub mod call;
pub mod dialect;
pub mod embedding;
pub mod error;
pub mod event;
pub mod frames;
pub mod gather;
pub mod gemini;
pub mod json;
pub mod lines;
pub mod ollama;
pub mod openai;
pub mod provider;
pub mod sse;

mod ids;
mod scrub;
