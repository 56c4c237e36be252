//! The production server for AI chat applications: the life of a request, from top to bottom.
//!
//! A connection is accepted and its bytes are checked (`edge`); the matched route says who may use it, and the caller is
//! identified (`identity`). The `pipeline` then takes the request through the rooms in the order of the `mod` lines
//! below: which agent or model (`agents`), is the text allowed (`screening`), may they now (`limits`), have we answered
//! it (`cache`), where should it go (`routing`), ask (`provider`), what did it cost (`accounting`), and how the caller
//! gets it (`deliver`, and `reply` for streams).

// The blank lines keep the order.
mod edge;

mod pipeline;

mod identity;

mod agents;

mod screening;

mod limits;

mod cache;

mod routing;

mod provider;

mod accounting;

mod deliver;

mod reply;

// Beside the path.
mod app;
pub mod cli;
mod refusal;
mod telemetry;
