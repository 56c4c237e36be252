//! Answers and refusals as HTTP responses. Every error body is written here, in one
//! shape, but for those of requests that never became one (`strict/refusal.rs`).

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use domain::RequestId;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde::Serialize;
use wire::dialect::Dialect;
use wire::error::ErrorBody;

use super::body::Body;
use crate::refusal::Refusal;

pub(crate) type Answer = Response<Body>;

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Bytes with a status and a content type.
pub(crate) fn bytes(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Body::Whole(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, content_type);
    answer
}

/// A value as JSON.
pub(crate) fn json<T: Serialize>(status: StatusCode, value: &T) -> Result<Answer, Refusal> {
    let body = serde_json::to_vec(value)
        .map_err(|error| Refusal::internal(format!("an answer could not be written: {error}")))?;
    Ok(bytes(status, JSON, body))
}

/// The error body of INTERFACES.md, with every key present; on the paths of another dialect, that dialect's.
pub(crate) fn refusal(refusal: &Refusal, request: RequestId, dialect: Dialect) -> Answer {
    let mut body = BytesMut::with_capacity(384);
    dialect.write_error(&mut body, &error_body(refusal, request, false));
    let mut answer = bytes(refusal.kind.status(), JSON, body.freeze());
    let headers = answer.headers_mut();
    if let Some(after) = refusal.retry_after {
        // Rounded up: an early retry would be refused again.
        headers.insert(header::RETRY_AFTER, HeaderValue::from(millis(after).div_ceil(1000)));
        headers.insert(RETRY_AFTER_MS, HeaderValue::from(millis(after)));
    }
    headers.insert(SHOULD_RETRY, HeaderValue::from_static(if refusal.retryable { "true" } else { "false" }));
    if let Some(allow) = &refusal.allow {
        headers.insert(header::ALLOW, allow.clone());
    }
    if refusal.kind.status() == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    answer
}

/// A refusal in the words of the wire. `partial`: something of the answer was sent before it.
pub(crate) fn error_body(refusal: &Refusal, request: RequestId, partial: bool) -> ErrorBody<'_> {
    ErrorBody {
        message: &refusal.message,
        kind: refusal.kind.as_str(),
        param: refusal.param.as_deref(),
        code: Some(refusal.code()),
        request_id: request,
        hint: refusal.hint.as_deref(),
        retryable: refusal.retryable,
        partial,
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
