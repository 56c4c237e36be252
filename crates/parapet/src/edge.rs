//! HTTP in and out: listeners, the strict guard on the socket, the route table, and the shapes of our own API.
//!
//! A connection is accepted in [`listen`], its bytes are checked in [`strict`], and every request goes through
//! [`serve::serve`], the one place that says what holds for all of them. [`routes`] is the table it dispatches on.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod input;
pub(crate) mod listen;
pub(crate) mod openapi;
pub(crate) mod routes;
pub(crate) mod serve;
pub(crate) mod strict;

pub(crate) mod admin;
pub(crate) mod agents;
pub(crate) mod chat;
pub(crate) mod conversations;
mod embeddings;
pub(crate) mod health;
pub(crate) mod messages;
pub(crate) mod models;
pub(crate) mod page;
