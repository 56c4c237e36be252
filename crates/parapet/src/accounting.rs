//! What did it cost? One reservation per attempt, settled exactly once, on every path.
//!
//! A [`Reservation`] holds a place in the store's write queue from before the provider is called, so that it can be
//! settled without waiting: settling waits for durability where an answer depends on it, posting does not, and a
//! reservation that is dropped (client gone, panic, shutdown) posts itself as cancelled, with what was used by then.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use domain::{AttemptId, NanoUsd, Outcome, Ticks, Usage};
use store::{LedgerRow, Owner, Slot};

use crate::agents::Prepared;
use crate::app::App;
use crate::refusal::Refusal;
use crate::routing::catalog::Target;
use crate::telemetry::metrics::{AttemptLabels, CostLabels, ObserveDuration as _, TargetLabels, TokenLabels};

/// An attempt that is to be paid for.
#[must_use]
pub(crate) struct Reservation(Option<Open>);

struct Open {
    app: Arc<App>,
    slot: Slot,
    row: LedgerRow,
    label: Arc<str>,
    began: Ticks,
    free: bool,
}

/// The code of an attempt whose end nobody waited for: the caller left, or the server had to go.
pub(crate) const ABANDONED: &str = "abandoned";

/// How an attempt ended.
pub(crate) struct Settlement {
    pub(crate) outcome: Outcome,
    /// Bounded: a fault or an error code.
    pub(crate) code: Option<&'static str>,
    pub(crate) usage: Usage,
    pub(crate) first_token: Option<Duration>,
}

/// Reserves a place in the ledger for one attempt.
pub(crate) fn reserve(
    app: &Arc<App>,
    call: &Prepared,
    target: &Target,
    number: u32,
) -> Result<Reservation, Refusal> {
    let slot = app.store.slot()?;
    let caller = &call.caller;
    let record = &caller.record;
    let row = LedgerRow {
        attempt: AttemptId { request: record.id, number },
        owner: Owner::from(&caller.principal),
        agent: call.callable.agent.as_ref().map(|agent| agent.name.clone()),
        model: Arc::clone(&call.callable.name),
        provider: Some(target.endpoint.name.clone()),
        upstream_model: Some(Arc::clone(&target.model)),
        tags: call.tags.clone(),
        usage: Usage { input: call.estimated_input(), estimated: true, ..Usage::default() },
        cost: None,
        price_version: None,
        config_hash: Arc::clone(&caller.settings.hash),
        release: Arc::clone(&caller.settings.release),
        client_request_id: record.client_id.as_deref().map(Arc::from),
        outcome: Outcome::Cancelled,
        code: None,
        started_at: app.clock.now(),
        duration: Duration::ZERO,
        time_to_first_token: None,
        conversation: call.turn.as_ref().map(|turn| turn.conversation),
    };
    Ok(Reservation(Some(Open {
        app: Arc::clone(app),
        slot,
        row,
        label: Arc::clone(&target.label),
        began: app.clock.ticks(),
        free: target.endpoint.is_simulated(),
    })))
}

impl Reservation {
    /// What this usage costs; none if the model has no price.
    pub(crate) fn cost(&self, usage: &Usage) -> Option<NanoUsd> {
        self.0.as_ref().and_then(|open| open.cost(usage))
    }

    /// Settles; when this returns, the row is durable.
    pub(crate) async fn settle(mut self, settlement: Settlement) -> Result<(), store::Error> {
        match self.0.take() {
            None => Ok(()),
            Some(open) => {
                let (slot, row) = open.close(settlement);
                slot.settle(vec![row]).await
            }
        }
    }

    /// Settles without waiting: for an attempt that failed, or whose end nobody waits for.
    pub(crate) fn post(mut self, settlement: Settlement) {
        if let Some(open) = self.0.take() {
            let (slot, row) = open.close(settlement);
            slot.post(vec![row]);
        }
    }

    /// Settles into a row that somebody else makes durable, together with the turn it belongs to.
    pub(crate) fn into_row(mut self, settlement: Settlement) -> Option<LedgerRow> {
        self.0.take().map(|open| open.close(settlement).1)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(open) = self.0.take() {
            let (slot, row) = open.abandon();
            slot.post(vec![row]);
        }
    }
}

impl Open {
    fn abandon(self) -> (Slot, LedgerRow) {
        let usage = self.row.usage;
        let settlement =
            Settlement { outcome: Outcome::Cancelled, code: Some(ABANDONED), usage, first_token: None };
        self.close(settlement)
    }

    /// The simulated provider is free. No other model has a price in this version, which is said, not hidden.
    fn cost(&self, _usage: &Usage) -> Option<NanoUsd> {
        self.free.then_some(NanoUsd::ZERO)
    }

    fn close(mut self, settlement: Settlement) -> (Slot, LedgerRow) {
        let Settlement { outcome, code, usage, first_token } = settlement;
        self.row.outcome = outcome;
        self.row.code = code.map(Cow::Borrowed);
        self.row.usage = usage;
        self.row.cost = self.cost(&usage);
        self.row.duration = self.app.clock.ticks().since(self.began);
        self.row.time_to_first_token = first_token;
        self.count();
        (self.slot, self.row)
    }

    fn count(&self) {
        let metrics = &self.app.metrics;
        let row = &self.row;
        let provider: Arc<str> = Arc::from(row.provider.as_ref().map_or("-", |name| name.as_str()));
        let model = Arc::clone(&self.label);
        let target = TargetLabels { provider: Arc::clone(&provider), model: Arc::clone(&model) };
        metrics.attempt_duration.get_or_create(&target).observe_duration(row.duration);
        let outcome = row.outcome.as_str();
        let attempt = AttemptLabels { provider: Arc::clone(&provider), model: Arc::clone(&model), outcome };
        metrics.attempts.get_or_create(&attempt).inc();
        for (kind, tokens) in buckets(&row.usage) {
            if tokens > 0 {
                let labels = TokenLabels { provider: Arc::clone(&provider), model: Arc::clone(&model), kind };
                metrics.tokens.get_or_create(&labels).inc_by(tokens);
            }
        }
        match row.cost {
            None if row.usage.total() == 0 => {}
            None => {
                metrics.unpriced.inc();
            }
            Some(NanoUsd::ZERO) => {}
            Some(cost) => {
                let agent = row
                    .agent
                    .as_ref()
                    .map_or_else(|| Arc::clone(&self.app.no_agent), |a| Arc::from(a.as_str()));
                let labels = CostLabels { agent, provider, model };
                metrics.cost_usd.get_or_create(&labels).inc_by(cost.as_usd());
            }
        }
    }
}

fn buckets(usage: &Usage) -> [(&'static str, u64); 7] {
    [
        ("input", usage.input),
        ("cached_input", usage.cached_input),
        ("cache_write", usage.cache_write),
        ("output", usage.output),
        ("reasoning", usage.reasoning),
        ("audio", usage.audio),
        ("image", usage.image),
    ]
}

/// Tokens of a text nobody counted: four characters each, rounded up, flagged wherever it is used.
pub(crate) const fn estimate(characters: usize) -> u64 {
    (characters as u64).div_ceil(4)
}

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Self {
        use crate::refusal::Kind;
        use store::Error as E;
        let label = error.label();
        let refusal = match error {
            E::NotFound => Self::not_found("conversation"),
            E::UnknownCursor => Self::invalid("after", "no such entry to continue the list from"),
            E::Busy => Self::new(Kind::Conflict, "conversation_busy", error.to_string())
                .hint("send the message again when the answer before it has arrived")
                .retryable(true),
            E::WrongAgent => Self::invalid("conversation_id", error.to_string()),
            E::Full => Self::new(Kind::Overloaded, "storage_full", error.to_string()),
            E::Overloaded | E::Unavailable => {
                Self::new(Kind::Overloaded, "storage_unavailable", error.to_string())
            }
            E::Inconsistent => Self::internal(label),
        };
        if error.retryable() { refusal.retry_after(Duration::from_secs(1)) } else { refusal }
    }
}
