//! Health, readiness and metrics. None of them ever makes a call that costs money.

use http::StatusCode;
use http::header::HeaderValue;
use schemars::JsonSchema;
use serde::Serialize;

use super::answer::{self, Answer};
use super::openapi::{Doc, Schema};
use super::routes::Request;
use crate::refusal::Refusal;

pub(crate) const HEALTH: Doc =
    Doc { summary: "Whether the process runs", tag: "Health", answer: Some(Schema::Health), ..Doc::EMPTY };
pub(crate) const READY: Doc = Doc {
    summary: "Whether the process can serve",
    detail: "503 with a reason while the state store is unavailable or the server drains. The loss of a provider \
             never makes it unready.",
    tag: "Health",
    answer: Some(Schema::Health),
    ..Doc::EMPTY
};
pub(crate) const METRICS: Doc =
    Doc { summary: "The metrics", tag: "Health", media: "application/openmetrics-text", ..Doc::EMPTY };

/// The state of the process.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Health {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

pub(crate) async fn health(_request: Request) -> Result<Answer, Refusal> {
    answer::json(StatusCode::OK, &Health { status: "healthy", reason: None })
}

pub(crate) async fn ready(request: Request) -> Result<Answer, Refusal> {
    let reason = if !request.app.drain.is_ready() {
        Some("draining")
    } else if request.app.timed("ping", request.app.store.ping()).await.is_err() {
        Some("state store unavailable")
    } else {
        None
    };
    match reason {
        None => answer::json(StatusCode::OK, &Health { status: "ready", reason }),
        Some(_) => answer::json(StatusCode::SERVICE_UNAVAILABLE, &Health { status: "not ready", reason }),
    }
}

pub(crate) async fn metrics(request: Request) -> Result<Answer, Refusal> {
    let app = &request.app;
    app.observe();
    let text = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    Ok(answer::bytes(StatusCode::OK, text, app.metrics.render()))
}
