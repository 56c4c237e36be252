//! The promises of the product, shown on the built binary: a file per promise.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod support;

mod auth;
mod chat;
mod cli;
mod conversations;
mod crash;
mod dialects;
mod edge;
mod failures;
mod lifecycle;
mod metrics;
mod secrets;
mod storage;
mod stream;
mod tools;
