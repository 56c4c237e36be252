//! What a caller is told when a request is not answered.
//!
//! Every stage has a small error of its own with no HTTP in it. It becomes a [`Refusal`] once, at the stage's edge:
//! whose fault it is, which words the caller may read, which words only the log may, and whether trying again makes
//! sense. One renderer per dialect turns it into bytes (`edge/answer.rs`, and `reply.rs` inside a stream).

use std::borrow::Cow;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use domain::Outcome;
use http::StatusCode;
use http::header::HeaderValue;

/// The closed list of error types: status and OpenAI `type` (INTERFACES.md, Errors).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    InvalidRequest,
    Authentication,
    Permission,
    NotFound,
    MethodNotAllowed,
    Timeout,
    Conflict,
    TooLarge,
    UnsupportedMedia,
    RateLimited,
    Internal,
    Upstream,
    Overloaded,
    /// None of several targets could answer.
    Unanswered,
    UpstreamTimeout,
}

impl Kind {
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest => StatusCode::BAD_REQUEST,
            Self::Authentication => StatusCode::UNAUTHORIZED,
            Self::Permission => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Upstream => StatusCode::BAD_GATEWAY,
            Self::Overloaded | Self::Unanswered => StatusCode::SERVICE_UNAVAILABLE,
            Self::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest | Self::MethodNotAllowed | Self::Timeout | Self::UnsupportedMedia => {
                "invalid_request_error"
            }
            Self::Authentication => "authentication_error",
            Self::Permission => "permission_error",
            Self::NotFound => "not_found_error",
            Self::Conflict => "conflict_error",
            Self::TooLarge => "request_too_large",
            Self::RateLimited => "rate_limit_exceeded",
            Self::Internal => "internal_error",
            Self::Upstream => "upstream_error",
            Self::Overloaded | Self::Unanswered => "overloaded_error",
            Self::UpstreamTimeout => "upstream_timeout",
        }
    }

    const fn outcome(self) -> Outcome {
        match self {
            Self::RateLimited => Outcome::Limited,
            Self::Internal | Self::Overloaded => Outcome::InternalError,
            Self::Upstream | Self::Unanswered | Self::UpstreamTimeout => Outcome::UpstreamError,
            _ => Outcome::ClientError,
        }
    }
}

/// A request that is not answered, and why. On the heap: the way of every answer that is given stays small.
#[derive(Debug)]
pub(crate) struct Refusal(Box<Facts>);

/// What there is to say about a refusal.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) kind: Kind,
    /// A bounded label, finer than the kind: what programs match on.
    pub(crate) code: &'static str,
    /// What the caller reads.
    pub(crate) message: Cow<'static, str>,
    pub(crate) hint: Option<Cow<'static, str>>,
    pub(crate) param: Option<Cow<'static, str>>,
    /// What only the log reads.
    pub(crate) private: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    /// Whether the same request may succeed later: `x-should-retry`.
    pub(crate) retryable: bool,
    /// The methods that would be allowed, for 405.
    pub(crate) allow: Option<HeaderValue>,
    /// A code the upstream gave for the caller's fault, passed on in place of ours.
    pub(crate) upstream_code: Option<String>,
}

impl Refusal {
    pub(crate) fn new(kind: Kind, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        let retryable = matches!(
            kind,
            Kind::Timeout
                | Kind::RateLimited
                | Kind::Upstream
                | Kind::Overloaded
                | Kind::Unanswered
                | Kind::UpstreamTimeout
        );
        Self(Box::new(Facts {
            kind,
            code,
            message: message.into(),
            hint: None,
            param: None,
            private: None,
            retry_after: None,
            retryable,
            allow: None,
            upstream_code: None,
        }))
    }

    pub(crate) fn invalid(
        param: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(Kind::InvalidRequest, "invalid_request", message).param(param)
    }

    pub(crate) fn not_found(what: &'static str) -> Self {
        Self::new(Kind::NotFound, "not_found", format!("no such {what}"))
    }

    pub(crate) fn shutting_down() -> Self {
        Self::new(Kind::Overloaded, "shutting_down", "the server is shutting down")
            .retry_after(Duration::from_secs(1))
    }

    /// Our own fault. The caller learns nothing but that; the log learns `private`.
    pub(crate) fn internal(private: impl Into<String>) -> Self {
        Self::new(Kind::Internal, "internal_error", "An unexpected error occurred").because(private)
    }

    pub(crate) fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    pub(crate) fn param(mut self, param: impl Into<Cow<'static, str>>) -> Self {
        self.0.param = Some(param.into());
        self
    }

    pub(crate) fn because(mut self, private: impl Into<String>) -> Self {
        self.0.private = Some(private.into());
        self
    }

    pub(crate) fn retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    pub(crate) fn retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }
}

impl Deref for Refusal {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.0
    }
}

impl DerefMut for Refusal {
    fn deref_mut(&mut self) -> &mut Facts {
        &mut self.0
    }
}

impl Facts {
    pub(crate) const fn outcome(&self) -> Outcome {
        self.kind.outcome()
    }

    /// What programs match on: the upstream's own code where it told the caller's fault, else ours.
    pub(crate) fn code(&self) -> &str {
        self.upstream_code.as_deref().unwrap_or(self.code)
    }
}
