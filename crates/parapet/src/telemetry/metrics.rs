//! Every metric of the product, declared in one place (INTERFACES.md, Telemetry names).
//!
//! Labels are bounded: routes come from the route table, agents, providers and models from the config, outcomes and
//! codes from closed lists. What a caller writes never becomes a label.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct HttpLabels {
    pub(crate) method: &'static str,
    pub(crate) route: &'static str,
    pub(crate) status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ErrorLabels {
    pub(crate) r#type: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RequestLabels {
    pub(crate) agent: Arc<str>,
    pub(crate) outcome: &'static str,
    pub(crate) code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct EndpointLabels {
    pub(crate) endpoint: &'static str,
    pub(crate) agent: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct AttemptLabels {
    pub(crate) provider: Arc<str>,
    pub(crate) model: Arc<str>,
    pub(crate) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct TargetLabels {
    pub(crate) provider: Arc<str>,
    pub(crate) model: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct TokenLabels {
    pub(crate) provider: Arc<str>,
    pub(crate) model: Arc<str>,
    pub(crate) kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct CostLabels {
    pub(crate) agent: Arc<str>,
    pub(crate) provider: Arc<str>,
    pub(crate) model: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct FailoverLabels {
    pub(crate) from: Arc<str>,
    pub(crate) to: Arc<str>,
    pub(crate) reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct QueryLabels {
    pub(crate) agent: Arc<str>,
    pub(crate) success: &'static str,
    pub(crate) channel: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct TypeLabels {
    pub(crate) r#type: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct DbLabels {
    pub(crate) query: &'static str,
}

/// From a millisecond to ten minutes: a unary call and a long stream both fit.
const SECONDS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0];
/// What we add ourselves: from 50 µs to a second.
const OVERHEAD: [f64; 12] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0];

type Seconds<L> = Family<L, Histogram, fn() -> Histogram>;

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

fn overhead() -> Histogram {
    Histogram::new(OVERHEAD)
}

pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) http_requests: Family<HttpLabels, Counter>,
    pub(crate) errors: Family<ErrorLabels, Counter>,
    pub(crate) requests: Family<RequestLabels, Counter>,
    pub(crate) request_duration: Seconds<EndpointLabels>,
    pub(crate) time_to_first_token: Seconds<TargetLabels>,
    pub(crate) overhead: Histogram,
    pub(crate) attempts: Family<AttemptLabels, Counter>,
    pub(crate) attempt_duration: Seconds<TargetLabels>,
    pub(crate) failovers: Family<FailoverLabels, Counter>,
    pub(crate) tokens: Family<TokenLabels, Counter>,
    pub(crate) cost_usd: Family<CostLabels, Counter<f64, AtomicU64>>,
    pub(crate) unpriced: Counter,
    pub(crate) query_duration: Seconds<QueryLabels>,
    pub(crate) messages: Family<TypeLabels, Counter>,
    pub(crate) active_streams: Gauge,
    pub(crate) active_connections: Gauge,
    pub(crate) active_conversations: Gauge,
    pub(crate) db_query_duration: Seconds<DbLabels>,
    pub(crate) queue_depth: Gauge,
    pub(crate) log_lines_dropped: Gauge,
    pub(crate) config_last_reload_successful: Gauge,
}

impl Metrics {
    pub(crate) fn new(version: &'static str, release: &str) -> Self {
        let mut registry = Registry::with_prefix("parapet");
        let metrics = Self {
            http_requests: Family::default(),
            errors: Family::default(),
            requests: Family::default(),
            request_duration: Family::new_with_constructor(seconds),
            time_to_first_token: Family::new_with_constructor(seconds),
            overhead: overhead(),
            attempts: Family::default(),
            attempt_duration: Family::new_with_constructor(seconds),
            failovers: Family::default(),
            tokens: Family::default(),
            cost_usd: Family::default(),
            unpriced: Counter::default(),
            query_duration: Family::new_with_constructor(seconds),
            messages: Family::default(),
            active_streams: Gauge::default(),
            active_connections: Gauge::default(),
            active_conversations: Gauge::default(),
            db_query_duration: Family::new_with_constructor(overhead),
            queue_depth: Gauge::default(),
            log_lines_dropped: Gauge::default(),
            config_last_reload_successful: Gauge::default(),
            registry: Registry::default(),
        };
        let m = &metrics;
        registry.register("http_requests", "HTTP requests by route and status", m.http_requests.clone());
        registry.register("errors", "Errors told to callers, by type", m.errors.clone());
        registry.register("requests", "Model requests by outcome and code", m.requests.clone());
        let s = Unit::Seconds;
        let text = "Time from the request's head to the last byte";
        registry.register_with_unit("request_duration", text, s.clone(), m.request_duration.clone());
        let text = "Time from the request's head to the first content";
        registry.register_with_unit("time_to_first_token", text, s.clone(), m.time_to_first_token.clone());
        let text = "Time spent in this server before and after the provider";
        registry.register_with_unit("overhead", text, s.clone(), m.overhead.clone());
        registry.register("attempts", "Calls to providers by outcome", m.attempts.clone());
        let text = "Time of one call to a provider";
        registry.register_with_unit("attempt_duration", text, s.clone(), m.attempt_duration.clone());
        registry.register("failovers", "Targets left for the next one", m.failovers.clone());
        registry.register("tokens", "Tokens by kind", m.tokens.clone());
        registry.register("cost_usd", "Cost in US dollars", m.cost_usd.clone());
        registry.register("unpriced_requests", "Attempts whose model has no price", m.unpriced.clone());
        let text = "Time of an agent query";
        registry.register_with_unit("query_duration", text, s.clone(), m.query_duration.clone());
        registry.register("messages_processed", "Conversation messages stored", m.messages.clone());
        registry.register("active_streams", "Answers being streamed", m.active_streams.clone());
        registry.register("active_connections", "Open client connections", m.active_connections.clone());
        let text = "Conversations with a turn in progress";
        registry.register("active_conversations", text, m.active_conversations.clone());
        let text = "Time of a store call, queueing and commit included";
        registry.register_with_unit("db_query_duration", text, s, m.db_query_duration.clone());
        registry.register("queue_depth", "Writes waiting for the store", m.queue_depth.clone());
        let text = "Log lines dropped because stdout was too slow";
        registry.register("log_lines_dropped", text, m.log_lines_dropped.clone());
        let text = "1 if the last reading of the config was accepted";
        registry.register("config_last_reload_successful", text, m.config_last_reload_successful.clone());
        let build = vec![("version", version.to_owned()), ("release", release.to_owned())];
        registry.register("build", "What is running", Info::new(build));
        m.config_last_reload_successful.set(1);
        Self { registry, ..metrics }
    }

    /// The OpenMetrics text of everything.
    pub(crate) fn render(&self) -> String {
        let mut out = String::with_capacity(16 * 1024);
        if text::encode(&mut out, &self.registry).is_err() {
            // Writing to a string does not fail; a broken collector would, and must be seen.
            out.clear();
            let _ = writeln!(out, "# a collector failed");
        }
        out
    }
}

/// One more on a gauge for as long as this lives.
pub(crate) struct Counted(Gauge);

impl Counted {
    pub(crate) fn on(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A pair of words for a success label.
pub(crate) const fn success(ok: bool) -> &'static str {
    if ok { "true" } else { "false" }
}

pub(crate) trait ObserveDuration {
    fn observe_duration(&self, span: Duration);
}

impl ObserveDuration for Histogram {
    fn observe_duration(&self, span: Duration) {
        self.observe(span.as_secs_f64());
    }
}
