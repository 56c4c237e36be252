//! What the outside sees of the inside: metrics, log lines, events.
//!
//! All three are declared, not sprinkled: a metric is a field of [`metrics::Metrics`], an event a variant of
//! [`events::Event`], the access line a struct. None of them carries content, keys or unbounded labels.

pub(crate) mod access;
pub(crate) mod events;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod record;
pub(crate) mod trace;
