//! What the store promises, told through its public API, so that every database it gets answers to the same suite.
//! What is peculiar to SQLite's files is in `files`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests, outside `#[test]`"
)]

/// As every other crate of the workspace calls it.
extern crate parapet_store as store;

mod audit;
mod conversations;
mod crash;
mod files;
mod ledger;
mod migrations;
mod support;
mod turns;
