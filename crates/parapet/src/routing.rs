//! Where a call should go: names become targets, targets become an order to try them in.

pub(crate) mod catalog;
pub(crate) mod plan;
