//! `GET /v1/models`: what can be called, in OpenAI's shape.

use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::answer::{self, Answer};
use super::openapi::{Doc, Schema};
use super::routes::Request;
use crate::refusal::{Kind, Refusal};

pub(crate) const LIST: Doc = Doc {
    summary: "List what can be called",
    detail: "Agents, configured models, and the upstream models that a provider lists in the config.",
    tag: "Models",
    answer: Some(Schema::ModelList),
    ..Doc::EMPTY
};
pub(crate) const RETRIEVE: Doc =
    Doc { summary: "Retrieve a model", tag: "Models", answer: Some(Schema::Model), ..Doc::EMPTY };

/// Something that can be named as `model`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Model {
    id: String,
    /// Always `model`.
    object: &'static str,
    /// Unix seconds; configured things have no time of their own, so 0.
    created: i64,
    /// `agent`, `parapet` for a configured model, or the provider.
    owned_by: String,
}

/// Everything that can be named as `model`.
#[derive(Serialize, JsonSchema)]
#[schemars(extend("required" = ["object", "data", "first_id", "last_id", "has_more"]))]
pub(crate) struct ModelList {
    /// Always `list`.
    object: &'static str,
    data: Vec<Model>,
    first_id: Option<String>,
    last_id: Option<String>,
    has_more: bool,
}

pub(crate) async fn list(request: Request) -> Result<Answer, Refusal> {
    let data: Vec<Model> = models(&request).collect();
    let first_id = data.first().map(|model| model.id.clone());
    let last_id = data.last().map(|model| model.id.clone());
    answer::json(StatusCode::OK, &ModelList { object: "list", data, first_id, last_id, has_more: false })
}

pub(crate) async fn retrieve(request: Request) -> Result<Answer, Refusal> {
    let wanted = request.parameters.only();
    let found = models(&request).find(|model| model.id == wanted);
    let unknown = || Refusal::new(Kind::NotFound, "model_not_found", "no such model").param("model");
    answer::json(StatusCode::OK, &found.ok_or_else(unknown)?)
}

fn models(request: &Request) -> impl Iterator<Item = Model> {
    let catalog = &request.caller.settings.catalog;
    catalog.listed().map(|(id, owner)| Model { id, object: "model", created: 0, owned_by: owner.to_owned() })
}
