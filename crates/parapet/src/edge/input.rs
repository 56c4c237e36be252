//! Reading what callers send: bodies, paths and queries, bounded and with errors that name the fix.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use serde::de::DeserializeOwned;

use crate::refusal::{Kind, Refusal};

/// The whole body, at most `limit` bytes.
pub(crate) async fn body(http: http::Request<Incoming>, limit: u64) -> Result<Bytes, Refusal> {
    let mut body = http.into_body();
    let too_large = || {
        Refusal::new(Kind::TooLarge, "request_too_large", format!("the body is larger than {limit} bytes"))
            .hint("send less, or raise server.body_limit")
    };
    let announced = body.size_hint().exact();
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let broken = |error: hyper::Error| {
            Refusal::new(Kind::InvalidRequest, "incomplete_body", "the body ended early")
                .because(error.to_string())
        };
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        if first.len().saturating_add(rest.len()).saturating_add(data.len()) > limit {
            return Err(too_large());
        }
        // A body in one piece, the usual case, is not copied.
        if first.is_empty() && rest.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.reserve(
                    announced.and_then(|length| usize::try_from(length).ok()).unwrap_or(first.len() * 2),
                );
                rest.extend_from_slice(&first);
                first = Bytes::new();
            }
            rest.extend_from_slice(&data);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// A body must say that it is JSON: what a browser's form can send must not reach an API.
pub(crate) fn require_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let refusal = Refusal::new(Kind::UnsupportedMedia, "unsupported_media_type", "the body must be JSON");
    Err(refusal.hint("send `content-type: application/json`"))
}

/// A header that asks for something this version does not do is refused, not ignored.
pub(crate) fn refuse_unenforced(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.contains_key("idempotency-key") {
        let message = "`Idempotency-Key` is not enforced by this version";
        return Err(Refusal::invalid("idempotency-key", message).hint("leave the header out"));
    }
    Ok(())
}

/// A JSON body of one of our own APIs: known members only.
pub(crate) async fn json<T: DeserializeOwned>(
    http: http::Request<Incoming>,
    limit: u64,
) -> Result<T, Refusal> {
    require_json(http.headers())?;
    refuse_unenforced(http.headers())?;
    let body = body(http, limit).await?;
    wire::json::check(&body, wire::json::MAX_DEPTH).map_err(|fault| {
        Refusal::new(Kind::InvalidRequest, "invalid_json", format!("the body is not valid JSON: {fault}"))
    })?;
    let mut reader = serde_json::Deserializer::from_slice(&body);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| wrong_shape(&error))
}

/// serde's words about a shape, with the member named, and without any value of the caller's.
fn wrong_shape(error: &serde_path_to_error::Error<serde_json::Error>) -> Refusal {
    let text = error.inner().to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    let quoted = || text.split('`').nth(1).unwrap_or_default().to_owned();
    let path = error.path().to_string();
    let invalid = |message: String| Refusal::new(Kind::InvalidRequest, "invalid_request", message);
    if text.starts_with("missing field") {
        return invalid(format!("`{}` is missing", quoted())).param(quoted());
    }
    if text.starts_with("unknown field") {
        return invalid(format!("there is no member `{}`", bounded(&quoted()))).param(bounded(&quoted()));
    }
    if path == "." {
        return invalid("the body must be a JSON object".to_owned());
    }
    let expected = text.rsplit("expected ").next().filter(|_| text.starts_with("invalid type"));
    let message = match expected {
        Some(expected) => format!("`{path}` has the wrong type: expected {expected}"),
        None => format!("`{path}` has a wrong value"),
    };
    invalid(bounded(&message)).param(bounded(&path))
}

fn bounded(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Query parameters: known names only, each at most once.
pub(crate) fn query<T: DeserializeOwned>(http: &http::Request<Incoming>) -> Result<T, Refusal> {
    let query = http.uri().query().unwrap_or_default();
    serde_urlencoded::from_str(query)
        .map_err(|error| Refusal::new(Kind::InvalidRequest, "invalid_query", bounded(&error.to_string())))
}
