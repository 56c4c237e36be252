//! The event bus: a closed list of things that happened, for whoever listens.
//!
//! Bounded; a listener that falls behind loses the oldest events and is told how many. Nothing that must not be lost
//! goes this way: the ledger and the audit log have their own.

use std::sync::Arc;

use domain::{ProviderName, RequestId};
use tokio::sync::broadcast;

/// Something that happened. What happens with every request is not here: the access line and the metrics have it.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A target failed and the next one is asked.
    Failover { request: RequestId, from: Arc<str>, to: Arc<str>, reason: &'static str },
    /// A provider refused a key of ours.
    /// `key` counts from 0.
    KeyRefused { provider: ProviderName, key: usize },
    /// The config was read again.
    Config { hash: Arc<str>, accepted: bool },
}

#[derive(Clone)]
pub(crate) struct Bus(broadcast::Sender<Event>);

impl Default for Bus {
    fn default() -> Self {
        Self(broadcast::Sender::new(1024))
    }
}

impl Bus {
    /// Tells the listeners, if there are any.
    pub(crate) fn publish(&self, event: Event) {
        if self.0.receiver_count() > 0 {
            // The only error is that the last listener has just left.
            drop(self.0.send(event));
        }
    }

    /// Everything that happens from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }
}

/// Writes events to the log, one line each, until the bus ends.
pub(crate) async fn write_to_log(mut events: broadcast::Receiver<Event>) {
    loop {
        match events.recv().await {
            Ok(event) => event.log(),
            Err(broadcast::error::RecvError::Lagged(lost)) => tracing::warn!(lost, "events were lost"),
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

impl Event {
    fn log(&self) {
        match self {
            Self::Failover { request, from, to, reason } => {
                tracing::warn!(event = "failover", request_id = %request, %from, %to, reason);
            }
            Self::KeyRefused { provider, key } => {
                tracing::error!(event = "key_refused", %provider, key = key.saturating_add(1), "replace the provider's key");
            }
            Self::Config { hash, accepted } => {
                tracing::info!(event = "config", config_hash = %hash, accepted)
            }
        }
    }
}
