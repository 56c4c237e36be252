//! What went wrong with an attempt, in FAILOVER.md's words.

use std::fmt::Display;
use std::time::Duration;

use domain::Usage;
use http::StatusCode;
use wire::event::{UpstreamError, UpstreamKind};

use super::MAX_RETRY_AFTER;

/// The kinds of failure that are treated differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No connection, so nothing was sent.
    Connect,
    /// The connection broke before the answer was whole.
    Reset,
    Timeout,
    /// Not an answer by the dialect's rules.
    Malformed,
    /// 5xx, 529, or an error event of that kind.
    Server,
    /// 429: this key has to wait.
    RateLimited,
    /// 402 or an exhausted quota: this key has to wait long.
    Quota,
    /// 401 or 403: this key is no good.
    Credentials,
    /// 404 for the model, 408, 409, 425: another target may do.
    Unsuited,
    /// The request itself was refused: nobody else is asked.
    Caller,
}

impl Fault {
    /// The bounded label for metrics, logs and the ledger.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Malformed => "malformed",
            Self::Server => "server",
            Self::RateLimited => "rate_limited",
            Self::Quota => "quota",
            Self::Credentials => "credentials",
            Self::Unsuited => "unsuited",
            Self::Caller => "caller",
        }
    }

    /// Whether the fault belongs to the key, so that another key of the same provider may do.
    pub(crate) const fn is_the_keys(self) -> bool {
        matches!(self, Self::RateLimited | Self::Quota | Self::Credentials)
    }

    /// Whether the next target may be asked.
    pub(crate) const fn may_fail_over(self) -> bool {
        !matches!(self, Self::Caller)
    }
}

/// A failed attempt.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) fault: Fault,
    pub(crate) status: Option<StatusCode>,
    pub(crate) told: Option<Box<UpstreamError>>,
    pub(crate) retry_after: Option<Duration>,
    /// For the log only.
    pub(crate) detail: String,
}

impl Failure {
    pub(crate) fn new(fault: Fault, detail: impl Into<String>) -> Self {
        Self { fault, status: None, told: None, retry_after: None, detail: detail.into() }
    }

    /// The provider answered with an error, in an error response or inside a 200.
    pub(crate) fn told(status: StatusCode, error: UpstreamError) -> Self {
        let fault = match error.kind {
            UpstreamKind::Caller => Fault::Caller,
            UpstreamKind::NotFound | UpstreamKind::Transient => Fault::Unsuited,
            UpstreamKind::Credentials => Fault::Credentials,
            UpstreamKind::RateLimited => Fault::RateLimited,
            UpstreamKind::Quota => Fault::Quota,
            UpstreamKind::Overloaded | UpstreamKind::Server => Fault::Server,
        };
        let detail = format!("the provider answered {status} ({})", fault.as_str());
        let retry_after = error.retry_after.map(|asked| asked.min(MAX_RETRY_AFTER));
        Self { fault, status: Some(status), told: Some(Box::new(error)), retry_after, detail }
    }

    /// Takes a secret out of the provider's words, which [`wire`] can only guess by its looks.
    pub(super) fn without(mut self, secret: &str) -> Self {
        let told = self.told.as_deref_mut().filter(|_| !secret.is_empty());
        let texts = told.into_iter().flat_map(|told| [&mut told.message, &mut told.param, &mut told.code]);
        for text in texts.flatten() {
            if text.contains(secret) {
                *text = text.replace(secret, "[redacted]");
            }
        }
        self
    }

    pub(crate) fn because(mut self, cause: impl Display) -> Self {
        use std::fmt::Write as _;
        let _ = write!(self.detail, ": {cause}");
        self
    }

    /// What the failed call may have used: nothing if it was refused, its input if its end is unknown.
    pub(crate) fn usage(&self, estimated_input: u64) -> Usage {
        match self.fault {
            Fault::Reset | Fault::Timeout | Fault::Malformed => {
                Usage { input: estimated_input, estimated: true, ..Usage::default() }
            }
            _ => Usage::default(),
        }
    }

    /// A header's word comes before the body's.
    pub(crate) fn retry_after(self, retry_after: Option<Duration>) -> Self {
        Self { retry_after: retry_after.or(self.retry_after), ..self }
    }
}

impl From<hyper::Error> for Failure {
    fn from(error: hyper::Error) -> Self {
        let fault = if error.is_parse() { Fault::Malformed } else { Fault::Reset };
        Self::new(fault, "the connection failed").because(error)
    }
}
