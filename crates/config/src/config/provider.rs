//! Providers: how each of them is reached, or how it is simulated.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use wire::provider::Kind;

use super::BaseUrl;
use crate::kinds::SIMULATED;
use crate::secret::SecretRef;

#[derive(Clone, Debug)]
pub struct Provider {
    pub kind: ProviderKind,
    /// The models it offers by name; none: any, unlisted.
    pub models: Option<Vec<String>>,
}

#[derive(Clone)]
pub enum ProviderKind {
    /// Reached over the network.
    Upstream {
        /// From [`wire::provider::KINDS`].
        kind: &'static Kind,
        upstream: Upstream,
    },
    Simulated(SimulatedSettings),
}

impl ProviderKind {
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Upstream { kind, .. } => kind.name,
            Self::Simulated(_) => SIMULATED,
        }
    }

    /// How to reach it, if it is reached over the network.
    #[must_use]
    pub const fn upstream(&self) -> Option<&Upstream> {
        match self {
            Self::Upstream { upstream, .. } => Some(upstream),
            Self::Simulated(_) => None,
        }
    }
}

/// By the kind's name: the rest of the table's row is the same in every config.
impl fmt::Debug for ProviderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upstream { kind, upstream } => {
                f.debug_struct("Upstream").field("kind", &kind.name).field("upstream", upstream).finish()
            }
            Self::Simulated(settings) => f.debug_tuple("Simulated").field(settings).finish(),
        }
    }
}

/// An account at an HTTP service.
#[derive(Clone, Debug)]
pub struct Upstream {
    pub base_url: BaseUrl,
    /// The version of the API that is asked for, where the API has versions: `[0-9a-z-]{1,32}`.
    pub api_version: Option<String>,
    /// Those that were there and not empty when the config was loaded. None: the service wants no key.
    pub keys: Vec<SecretRef>,
    /// Checked to be sendable when the config was loaded; names in lower case.
    pub headers: Vec<(String, SecretRef)>,
    pub timeouts: Timeouts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    pub connect: Duration,
    /// Streams: from the request to the first event.
    pub first_event: Duration,
    /// Streams: between two events.
    pub between_events: Duration,
    /// Streams: the whole call.
    pub total: Duration,
    /// Calls without a stream: the whole call.
    pub unary: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SimulatedSettings {
    pub mood: Mood,
    pub faults: Faults,
    /// To the first word.
    pub latency: Duration,
    pub tokens_per_second: f64,
    /// Words of an answer.
    pub length: RangeInclusive<u32>,
    pub seed: u64,
}

/// How a simulated provider answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mood {
    /// As a helpful model would.
    Friendly,
    /// Like an overloaded model: late, and word by word.
    Slow,
    /// With faults now and then.
    Flaky,
    /// At length.
    Long,
    /// After some thought, which is part of the answer.
    Reasoning,
    /// With calls of the tools that it is offered.
    Tools,
    /// It declines.
    Refusal,
}

/// Faults on purpose.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    /// The share of calls that go wrong, 0 to 1.
    pub rate: f64,
    /// Empty: all.
    pub kinds: Vec<FaultKind>,
}

/// A way in which a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// Status 500.
    Error,
    /// Status 503.
    Overloaded,
    /// Status 429 with `retry-after`.
    RateLimited,
    /// The connection is refused.
    Refused,
    /// No answer, ever.
    Stall,
    /// The stream breaks off after some content.
    Cut,
    /// An answer that is none.
    Malformed,
    /// An error event within the stream.
    ErrorEvent,
}
