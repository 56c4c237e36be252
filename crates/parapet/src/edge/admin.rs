//! The admin listener. This version shows the config in force, with its secrets redacted.

use http::StatusCode;
use http::header::HeaderValue;

use super::answer::{self, Answer};
use super::openapi::Doc;
use super::routes::Request;
use crate::refusal::Refusal;

pub(crate) const CONFIG: Doc = Doc {
    summary: "The config in force",
    detail: "YAML, with secrets redacted.",
    tag: "Admin",
    media: "application/yaml",
    ..Doc::EMPTY
};

pub(crate) async fn config(request: Request) -> Result<Answer, Refusal> {
    let yaml = HeaderValue::from_static("application/yaml");
    Ok(answer::bytes(StatusCode::OK, yaml, request.caller.settings.shown.clone()))
}
