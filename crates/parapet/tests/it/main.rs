//! The promises of the product, shown on the built binary: a file per promise.

mod support;

mod auth;
mod chat;
mod conversations;
mod crash;
mod failures;
mod stream;
