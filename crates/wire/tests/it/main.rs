//! Recorded requests, answers, streams and errors, and what they mean to us.
//!
//! The files under `golden/` follow the public API documentation and the habits of compatible servers; beside each
//! folder stands one snapshot with everything read from its files. A change there is a change of meaning.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod codecs;
mod hostile;
mod requests;
mod support;
mod wishes;
mod writers;
