//! What a call used and how it ended.

/// Tokens in disjoint buckets: no token is in two of them, whatever the provider's own report does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Input that was neither read from nor written to a prompt cache.
    pub input: u64,
    pub cached_input: u64,
    pub cache_write: u64,
    /// Output that is neither reasoning nor audio.
    pub output: u64,
    pub reasoning: u64,
    pub audio: u64,
    pub image: u64,
    /// The provider did not say: counted by us.
    pub estimated: bool,
}

impl Usage {
    #[must_use]
    pub const fn total_input(&self) -> u64 {
        self.input
            .saturating_add(self.cached_input)
            .saturating_add(self.cache_write)
            .saturating_add(self.image)
    }

    #[must_use]
    pub const fn total_output(&self) -> u64 {
        self.output.saturating_add(self.reasoning).saturating_add(self.audio)
    }

    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total_input().saturating_add(self.total_output())
    }
}

/// Why the model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    Stop,
    Length,
    ToolCalls,
    ContentFilter,
    Other,
}

impl FinishReason {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Other => "other",
        }
    }
}

/// How a request or an attempt ended: the metric label, the ledger's column, the log's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Ok,
    ClientError,
    Limited,
    UpstreamError,
    InternalError,
    /// The caller went away.
    Cancelled,
    /// An answer was begun and could not be finished.
    Partial,
}

impl Outcome {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ClientError => "client_error",
            Self::Limited => "limited",
            Self::UpstreamError => "upstream_error",
            Self::InternalError => "internal_error",
            Self::Cancelled => "cancelled",
            Self::Partial => "partial",
        }
    }
}
