//! The record of one request: filled in as it goes through the stages, told once when it is over.
//!
//! Telling means the access line, the metrics and the event, here and nowhere else. A record that is dropped untold
//! belongs to a caller who went away.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{NanoUsd, Outcome, Principal, ProviderName, RequestId, Ticks, Usage};

use super::access::{Call, Line};
use super::metrics::{
    EndpointLabels, ErrorLabels, HttpLabels, ObserveDuration as _, QueryLabels, RequestLabels, TargetLabels,
    success,
};
use super::trace::Trace;
use crate::app::App;
use crate::refusal::Refusal;

/// Shared between the edge and the body that may outlive it.
pub(crate) type Shared = Arc<Record>;

pub(crate) struct Record {
    app: Arc<App>,
    pub(crate) id: RequestId,
    pub(crate) client_id: Option<Box<str>>,
    pub(crate) trace: Trace,
    pub(crate) began: Ticks,
    pub(crate) method: &'static str,
    pub(crate) route: &'static str,
    settling: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    told: bool,
    principal: Option<(Arc<str>, Arc<str>)>,
    call: Option<ModelCall>,
    code: Option<&'static str>,
    detail: Option<String>,
}

/// What is known of a request's model call. `provider` and `model` name the last target asked.
#[derive(Clone, Default)]
pub(crate) struct ModelCall {
    /// A name from the config, or none for a raw model.
    pub(crate) agent: Option<Arc<str>>,
    /// Agent queries only: the channel, from a closed list.
    pub(crate) channel: Option<&'static str>,
    pub(crate) provider: Option<ProviderName>,
    pub(crate) model: Option<Arc<str>>,
    pub(crate) stream: bool,
    pub(crate) attempts: u32,
    pub(crate) usage: Usage,
    pub(crate) cost: Option<NanoUsd>,
    pub(crate) first_token: Option<Duration>,
    /// Time the provider took, of the attempt that answered.
    pub(crate) upstream: Option<Duration>,
}

impl Record {
    pub(crate) fn begin(
        app: &Arc<App>,
        id: RequestId,
        client_id: Option<Box<str>>,
        trace: Trace,
        method: &'static str,
        route: &'static str,
    ) -> Shared {
        Arc::new(Self {
            id,
            client_id,
            trace,
            began: app.clock.ticks(),
            method,
            route,
            app: Arc::clone(app),
            settling: AtomicBool::new(false),
            state: Mutex::default(),
        })
    }

    pub(crate) fn identified(&self, principal: &Principal, pseudonym: &Arc<str>) {
        self.state().principal = Some((Arc::from(principal.tenant.as_str()), Arc::clone(pseudonym)));
    }

    /// The answer is there and only waits to be durable.
    pub(crate) fn settling(&self) {
        self.settling.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_settling(&self) -> bool {
        self.settling.load(Ordering::Relaxed)
    }

    /// Notes something about the model call.
    pub(crate) fn note(&self, change: impl FnOnce(&mut ModelCall)) {
        change(self.state().call.get_or_insert_default());
    }

    pub(crate) fn call(&self) -> ModelCall {
        self.state().call.clone().unwrap_or_default()
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.app.clock.ticks().since(self.began)
    }

    /// Notes why the request is refused; the status follows with [`Record::tell`].
    pub(crate) fn refused(&self, refusal: &Refusal) {
        let mut state = self.state();
        state.code = Some(refusal.code);
        state.detail.clone_from(&refusal.private);
        drop(state);
        self.app.metrics.errors.get_or_create(&ErrorLabels { r#type: refusal.kind.as_str() }).inc();
    }

    /// The request is over. Later calls do nothing.
    pub(crate) fn tell(&self, status: u16, outcome: Outcome) {
        let mut state = self.state();
        if std::mem::replace(&mut state.told, true) {
            return;
        }
        let elapsed = self.elapsed();
        self.write_line(&state, status, outcome, elapsed);
        self.count(&state, status, outcome, elapsed);
    }

    fn write_line(&self, state: &State, status: u16, outcome: Outcome, elapsed: Duration) {
        let call = state.call.as_ref().map(|call| {
            let (input_tokens, output_tokens) = Call::tokens(&call.usage);
            Call {
                agent: call.agent.as_deref(),
                provider: call.provider.as_ref().map(ProviderName::as_str),
                model: call.model.as_deref(),
                stream: call.stream,
                attempts: call.attempts,
                input_tokens,
                output_tokens,
                cost_usd: Call::usd(call.cost),
                first_token_ms: call.first_token.map(millis),
                upstream_ms: call.upstream.map(millis),
            }
        });
        let line = Line {
            timestamp: self.app.clock.now(),
            level: "INFO",
            message: "request",
            request_id: self.id,
            client_request_id: self.client_id.as_deref(),
            trace_id: self.trace.id(),
            method: self.method,
            route: self.route,
            status,
            outcome,
            duration_ms: millis(elapsed),
            code: state.code,
            detail: state.detail.as_deref(),
            tenant: state.principal.as_ref().map(|(tenant, _)| &**tenant),
            user: state.principal.as_ref().map(|(_, user)| &**user),
            call,
        };
        line.write_to(&self.app.log);
    }

    fn count(&self, state: &State, status: u16, outcome: Outcome, elapsed: Duration) {
        let metrics = &self.app.metrics;
        let http = HttpLabels { method: self.method, route: self.route, status };
        metrics.http_requests.get_or_create(&http).inc();
        let Some(call) = &state.call else { return };
        let agent = call.agent.clone().unwrap_or_else(|| Arc::clone(&self.app.no_agent));
        let labels = RequestLabels {
            agent: Arc::clone(&agent),
            outcome: outcome.as_str(),
            code: state.code.unwrap_or("-"),
        };
        metrics.requests.get_or_create(&labels).inc();
        let endpoint = EndpointLabels { endpoint: self.route, agent: Arc::clone(&agent) };
        metrics.request_duration.get_or_create(&endpoint).observe_duration(elapsed);
        if let (Some(provider), Some(model), Some(first)) = (&call.provider, &call.model, call.first_token) {
            let target = TargetLabels { provider: Arc::from(provider.as_str()), model: Arc::clone(model) };
            metrics.time_to_first_token.get_or_create(&target).observe_duration(first);
        }
        if let Some(upstream) = call.upstream {
            metrics.overhead.observe_duration(elapsed.saturating_sub(upstream));
        }
        if let Some(channel) = call.channel {
            let labels = QueryLabels { agent, success: success(outcome == Outcome::Ok), channel };
            metrics.query_duration.get_or_create(&labels).observe_duration(elapsed);
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        /// nginx's word for "client closed request": no status was sent.
        const CLIENT_CLOSED: u16 = 499;
        self.tell(CLIENT_CLOSED, Outcome::Cancelled);
    }
}

fn millis(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e6).round() / 1e3
}
