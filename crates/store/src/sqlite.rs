//! The store on SQLite.
//!
//! One connection writes, in the hands of one task; reads have connections of their own, which the write-ahead
//! log lets run beside it. The file is the process's alone (see `lock`), so nothing here waits for locks.
//!
//! Several statements in one string are one trip to SQLite's thread. Their parameters are written `$1` and not `?1`:
//! SQLite gives a statement that leaves a number out a nameless parameter in its place, which SQLx would count.

mod audit;
mod connection;
mod conversations;
mod failure;
mod ledger;
pub(crate) mod migrations;
#[cfg(test)]
mod plans;
mod reader;
mod row;
mod turns;
mod writer;

pub(crate) use connection::Database;
pub(crate) use reader::Reader;
pub use writer::Writer;
