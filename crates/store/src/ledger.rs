//! The ledger: what each attempt used and cost, one row for ever.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use domain::{AgentName, AttemptId, ConversationId, NanoUsd, Outcome, ProviderName, UnixMillis, Usage};

use crate::conversation::Owner;

/// One attempt, settled. The key is the tenant and the attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    pub attempt: AttemptId,
    pub owner: Owner,
    /// None: a raw model was called.
    pub agent: Option<AgentName>,
    /// The name the caller used.
    pub model: Arc<str>,
    /// None: no target was reached.
    pub provider: Option<ProviderName>,
    pub upstream_model: Option<Arc<str>>,
    /// The caller's tags, a JSON object; none is `{}`.
    pub tags: Option<Arc<str>>,
    pub usage: Usage,
    /// None: no price is known.
    pub cost: Option<NanoUsd>,
    pub price_version: Option<Arc<str>>,
    pub config_hash: Arc<str>,
    pub release: Arc<str>,
    /// The caller's own id of the request.
    pub client_request_id: Option<Arc<str>>,
    pub outcome: Outcome,
    /// The error code of the answer, from a closed set.
    pub code: Option<Cow<'static, str>>,
    /// When the attempt began: each call to a provider is an attempt, and failover begins another.
    pub started_at: UnixMillis,
    /// From the start of the attempt until it was settled: the whole answer was there, or the stream had ended or
    /// was left. A stream's time includes the waits for a slow reader.
    pub duration: Duration,
    /// From the start of the attempt to the first content of a stream, or to the whole answer of a unary call,
    /// which comes at once. None: the attempt ended before.
    pub time_to_first_token: Option<Duration>,
    pub conversation: Option<ConversationId>,
}
