//! The OpenAPI documents, one for each listener, generated from the route table and the request and answer types.
//!
//! A route cannot be served without being described, nor described without being served. OpenAPI 3.1, whose schemas are
//! JSON Schema 2020-12, which is what the types' derive makes.

use std::sync::LazyLock;

use bytes::Bytes;
use http::StatusCode;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};
use wire::dialect::Dialect;

use super::agents;
use super::answer::{self, Answer, JSON};
use super::conversations::{Conversation, Deleted, Item, Listed, New, Update};
use super::health::Health;
use super::messages::TokenCount;
use super::models::{Model, ModelList};
use super::routes::{self, Access, Listener, ROUTES, Request, Route};
use crate::refusal::{Kind, Refusal};

/// How a route is described.
pub(crate) struct Doc {
    pub(crate) summary: &'static str,
    pub(crate) detail: &'static str,
    pub(crate) tag: &'static str,
    /// Takes `limit`, `after`, `before` and `order`.
    pub(crate) paged: bool,
    pub(crate) request: Option<Schema>,
    pub(crate) answer: Option<Schema>,
    /// What an answer without a schema is.
    pub(crate) media: &'static str,
}

impl Doc {
    pub(crate) const EMPTY: Self = Self {
        summary: "",
        detail: "",
        tag: "",
        paged: false,
        request: None,
        answer: None,
        media: "application/json",
    };
}

/// The types that routes take and give.
#[derive(Clone, Copy)]
pub(crate) enum Schema {
    ChatRequest,
    ChatCompletion,
    MessagesRequest,
    Message,
    CountRequest,
    TokenCount,
    EmbeddingRequest,
    EmbeddingList,
    ModelList,
    Model,
    AgentQuery,
    AgentAnswer,
    NewConversation,
    ConversationChange,
    Conversation,
    ConversationList,
    ItemList,
    Deleted,
    Health,
}

impl Schema {
    fn of(self, generator: &mut SchemaGenerator) -> schemars::Schema {
        fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> schemars::Schema {
            generator.subschema_for::<T>()
        }
        match self {
            Self::ChatRequest => of::<shapes::ChatRequest>(generator),
            Self::ChatCompletion => of::<shapes::ChatCompletion>(generator),
            Self::MessagesRequest => of::<shapes::MessagesRequest>(generator),
            Self::Message => of::<shapes::Message>(generator),
            Self::CountRequest => of::<shapes::CountRequest>(generator),
            Self::TokenCount => of::<TokenCount>(generator),
            Self::EmbeddingRequest => of::<shapes::EmbeddingRequest>(generator),
            Self::EmbeddingList => of::<shapes::EmbeddingList>(generator),
            Self::ModelList => of::<ModelList>(generator),
            Self::Model => of::<Model>(generator),
            Self::AgentQuery => of::<agents::AgentQuery>(generator),
            Self::AgentAnswer => of::<shapes::AgentAnswer>(generator),
            Self::NewConversation => of::<New>(generator),
            Self::ConversationChange => of::<Update>(generator),
            Self::Conversation => of::<Conversation>(generator),
            Self::ConversationList => of::<Listed<Conversation>>(generator),
            Self::ItemList => of::<Listed<Item>>(generator),
            Self::Deleted => of::<Deleted>(generator),
            Self::Health => of::<Health>(generator),
        }
    }
}

pub(crate) const DOC: Doc = Doc { summary: "This document", tag: "Documents", ..Doc::EMPTY };

static DOCUMENT: LazyLock<Bytes> =
    LazyLock::new(|| Bytes::from(format!("{:#}\n", generate(Listener::Public))));

pub(crate) async fn document(_request: Request) -> Result<Answer, Refusal> {
    Ok(answer::bytes(StatusCode::OK, JSON, DOCUMENT.clone()))
}

/// The document of a listener. Only that of the public one is served.
pub(crate) fn generate(listener: Listener) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for route in ROUTES.iter().filter(|route| route.listeners.contains(&listener)) {
        let path = route.path.replace("{*", "{");
        let operations = paths.entry(path).or_insert_with(|| json!({}));
        if let Some(operations) = operations.as_object_mut() {
            let method = route.method.as_str().to_ascii_lowercase();
            operations.insert(method, operation(route, &mut generator));
        }
    }
    // Referred to by name wherever a route may refuse.
    generator.subschema_for::<shapes::ErrorBody>();
    generator.subschema_for::<shapes::MessagesError>();
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Parapet",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The production server for AI chat applications.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" }
        },
        "servers": [{ "url": "/" }],
        "security": [{ "key": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "key": { "type": "http", "scheme": "bearer" } }
        }
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let doc = &route.doc;
    let mut operation = Map::new();
    let mut say = |name: &str, value: Value| drop(operation.insert(name.to_owned(), value));
    say("operationId", operation_id(route).into());
    say("summary", doc.summary.into());
    say("tags", json!([doc.tag]));
    say("responses", responses(route, generator));
    if !doc.detail.is_empty() {
        say("description", doc.detail.into());
    }
    let parameters = parameters(route);
    if !parameters.is_empty() {
        say("parameters", parameters.into());
    }
    if let Some(request) = doc.request {
        let schema = request.of(generator);
        say(
            "requestBody",
            json!({ "required": true, "content": { "application/json": { "schema": schema } } }),
        );
    }
    match route.access {
        Access::Anyone => say("security", json!([])),
        Access::Needs(permission) => say("x-permission", permission.as_str().into()),
    }
    operation.into()
}

fn operation_id(route: &Route) -> String {
    let words = route.path.split('/').filter(|part| !part.is_empty() && *part != "v1");
    let words =
        words.map(|part| part.trim_matches(|c| matches!(c, '{' | '}' | '*')).replace(['.', '-'], "_"));
    let path: Vec<String> = words.collect();
    format!("{}_{}", route.method.as_str().to_ascii_lowercase(), path.join("_"))
}

fn parameters(route: &Route) -> Vec<Value> {
    let in_path = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = in_path
        .map(|name| {
            let name = name.trim_start_matches('*');
            json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
        })
        .collect();
    if route.doc.paged {
        let id = json!({ "type": "string" });
        let limit = json!({ "type": "integer", "minimum": 1, "maximum": store::MAX_PAGE, "default": 20 });
        let order = json!({ "type": "string", "enum": ["asc", "desc"] });
        for (name, schema) in [("limit", limit), ("after", id.clone()), ("before", id), ("order", order)] {
            parameters.push(json!({ "name": name, "in": "query", "schema": schema }));
        }
    }
    parameters
}

fn responses(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    let doc = &route.doc;
    let content = match doc.answer {
        Some(answer) => {
            let schema = answer.of(generator);
            if matches!(answer, Schema::ChatCompletion | Schema::Message | Schema::AgentAnswer) {
                // OpenAPI 3.1 has no word for a sequence; its readers take this for the schema of each event.
                let events = json!({ "schema": {
                    "description": "Each server-sent event",
                    "type": "object",
                    "properties": { "event": { "type": "string" }, "data": { "type": "string" } },
                    "required": ["data"]
                } });
                json!({ "application/json": { "schema": schema }, "text/event-stream": events })
            } else {
                json!({ "application/json": { "schema": schema } })
            }
        }
        None if doc.media == Doc::EMPTY.media => json!({ (doc.media): { "schema": {} } }),
        None => json!({ (doc.media): { "schema": { "type": "string" } } }),
    };
    responses.insert("200".into(), json!({ "description": "The answer", "content": content }));
    if matches!(route.path, "/ready" | "/readyz" | "/startupz") {
        responses.insert("503".into(), json!({ "description": "Not ready", "content": content }));
    }
    let error = match routes::dialect(route.path) {
        Dialect::Chat => "#/components/schemas/ErrorBody",
        Dialect::Messages => "#/components/schemas/MessagesError",
    };
    let error = json!({ "application/json": { "schema": { "$ref": error } } });
    for (status, meaning) in errors(route) {
        responses
            .entry(status.as_str())
            .or_insert_with(|| json!({ "description": meaning, "content": error }));
    }
    responses.into()
}

/// The refusals a route may answer with, beside those that any request may get.
fn errors(route: &Route) -> Vec<(StatusCode, &'static str)> {
    let mut kinds = vec![Kind::InvalidRequest, Kind::Internal];
    if route.access != Access::Anyone {
        kinds.extend([Kind::Authentication, Kind::Permission, Kind::Overloaded]);
    } else {
        kinds.push(Kind::Permission);
    }
    if route.path.contains('{') || route.doc.request.is_some() {
        kinds.push(Kind::NotFound);
    }
    if route.doc.request.is_some() {
        kinds.extend([Kind::TooLarge, Kind::UnsupportedMedia, Kind::Timeout]);
    }
    let asks_a_model = matches!(
        route.doc.answer,
        Some(
            Schema::ChatCompletion
                | Schema::Message
                | Schema::TokenCount
                | Schema::EmbeddingList
                | Schema::AgentAnswer
        )
    );
    if asks_a_model {
        kinds.extend([Kind::Conflict, Kind::RateLimited, Kind::Upstream, Kind::UpstreamTimeout]);
    }
    kinds.into_iter().map(|kind| (kind.status(), meaning(kind))).collect()
}

const fn meaning(kind: Kind) -> &'static str {
    match kind {
        Kind::InvalidRequest => "The request is wrong; `param` says where",
        Kind::Authentication => "No valid key",
        Kind::Permission => "The caller's role does not allow it",
        Kind::NotFound => "No such thing, or not the caller's",
        Kind::MethodNotAllowed => "The path does not take this method",
        Kind::Timeout => "The request took too long to arrive",
        Kind::Conflict => "The conversation is still answering another message",
        Kind::TooLarge => "The request is too large",
        Kind::UnsupportedMedia => "The body is not JSON",
        Kind::RateLimited => "Too many requests",
        Kind::Internal => "Our fault",
        Kind::Upstream => "The provider failed",
        Kind::Overloaded | Kind::Unanswered => "Try again later",
        Kind::UpstreamTimeout => "The provider did not answer in time",
    }
}

/// Shapes that are written by hand elsewhere, for the hot path's sake, described here.
#[expect(dead_code, reason = "these types are only described, never built")]
mod shapes {
    use schemars::JsonSchema;
    use serde_json::{Map, Value};

    /// OpenAI's chat completion request. Members that are not listed are passed to the provider.
    #[derive(JsonSchema)]
    pub(super) struct ChatRequest {
        /// An agent, a configured model, or `provider/model`.
        model: String,
        /// The conversation so far, in OpenAI's shapes.
        #[schemars(length(min = 1))]
        messages: Vec<ChatMessage>,
        #[schemars(with = "Option<bool>")]
        stream: Option<bool>,
        stream_options: Option<StreamOptions>,
        max_tokens: Option<u64>,
        max_completion_tokens: Option<u64>,
        #[schemars(range(min = 1, max = 128))]
        n: Option<u32>,
        temperature: Option<f64>,
        top_p: Option<f64>,
        tools: Option<Vec<Map<String, Value>>>,
        response_format: Option<Map<String, Value>>,
        user: Option<String>,
    }

    /// A message in OpenAI's shape.
    #[derive(JsonSchema)]
    pub(super) struct ChatMessage {
        role: ChatRole,
        /// Text, or an array of content parts.
        content: Option<Value>,
    }

    #[derive(JsonSchema)]
    #[schemars(rename_all = "lowercase")]
    pub(super) enum ChatRole {
        System,
        Developer,
        User,
        Assistant,
        Tool,
        Function,
    }

    #[derive(JsonSchema)]
    pub(super) struct StreamOptions {
        /// End the stream with a chunk that has the usage.
        include_usage: Option<bool>,
    }

    /// OpenAI's chat completion, as the provider wrote it.
    #[derive(JsonSchema)]
    pub(super) struct ChatCompletion {
        choices: Vec<Map<String, Value>>,
    }

    /// Anthropic's message request. Members that are not listed are passed to a provider of the same dialect.
    #[derive(JsonSchema)]
    pub(super) struct MessagesRequest {
        /// An agent, a configured model, or `provider/model`.
        model: String,
        #[schemars(range(min = 1))]
        max_tokens: u64,
        /// The conversation so far, in Anthropic's shapes.
        #[schemars(length(min = 1))]
        messages: Vec<MessageParam>,
        /// Text, or an array of text blocks.
        system: Option<Value>,
        stream: Option<bool>,
        #[schemars(range(min = 0, max = 1))]
        temperature: Option<f64>,
        top_p: Option<f64>,
        top_k: Option<u64>,
        stop_sequences: Option<Vec<String>>,
        tools: Option<Vec<Map<String, Value>>>,
        tool_choice: Option<Map<String, Value>>,
        thinking: Option<Map<String, Value>>,
        metadata: Option<Map<String, Value>>,
    }

    /// A message request without what only an answer needs.
    #[derive(JsonSchema)]
    pub(super) struct CountRequest {
        model: String,
        #[schemars(length(min = 1))]
        messages: Vec<MessageParam>,
        system: Option<Value>,
        tools: Option<Vec<Map<String, Value>>>,
        tool_choice: Option<Map<String, Value>>,
        thinking: Option<Map<String, Value>>,
    }

    /// A message in Anthropic's shape.
    #[derive(JsonSchema)]
    pub(super) struct MessageParam {
        role: MessageRole,
        /// Text, or an array of content blocks.
        content: Value,
    }

    #[derive(JsonSchema)]
    #[schemars(rename_all = "lowercase")]
    pub(super) enum MessageRole {
        User,
        Assistant,
    }

    /// Anthropic's message, as the provider wrote it or as we did.
    #[derive(JsonSchema)]
    pub(super) struct Message {
        content: Vec<Map<String, Value>>,
    }

    /// Why a request was not answered, in Anthropic's shape.
    #[derive(JsonSchema)]
    #[schemars(extend("required" = ["type", "error", "request_id"]))]
    pub(super) struct MessagesError {
        /// Always `error`.
        r#type: String,
        error: MessagesErrorDetail,
        request_id: String,
    }

    #[derive(JsonSchema)]
    pub(super) struct MessagesErrorDetail {
        r#type: String,
        message: String,
        param: Option<String>,
        code: Option<String>,
        hint: Option<String>,
    }

    /// OpenAI's embedding request. Members that are not listed are passed to a provider of the same dialect.
    #[derive(JsonSchema)]
    pub(super) struct EmbeddingRequest {
        /// A configured model or `provider/model`.
        model: String,
        /// A text, or an array of texts or tokens.
        input: Value,
        encoding_format: Option<EncodingFormat>,
        #[schemars(range(min = 1))]
        dimensions: Option<u32>,
        user: Option<String>,
    }

    #[derive(JsonSchema)]
    #[schemars(rename_all = "lowercase")]
    pub(super) enum EncodingFormat {
        Float,
        Base64,
    }

    /// OpenAI's list of embeddings.
    #[derive(JsonSchema)]
    pub(super) struct EmbeddingList {
        data: Vec<Map<String, Value>>,
    }

    /// An agent's answer.
    #[derive(JsonSchema)]
    #[schemars(extend("required" = ["id", "object", "agent", "response", "conversation_id", "message_id",
        "finish_reason", "usage", "cost_usd", "confidence", "metadata"]))]
    pub(super) struct AgentAnswer {
        id: String,
        /// Always `agent.answer`.
        object: String,
        agent: String,
        response: String,
        /// What the caller is to do before the conversation can go on. Left out when there is nothing.
        #[schemars(with = "Option<Vec<AgentToolCall>>")]
        tool_calls: Option<Vec<AgentToolCall>>,
        conversation_id: String,
        message_id: String,
        finish_reason: String,
        usage: AgentUsage,
        /// None: the model has no price.
        cost_usd: Option<f64>,
        confidence: Option<f64>,
        metadata: Map<String, Value>,
    }

    #[derive(JsonSchema)]
    pub(super) struct AgentToolCall {
        id: String,
        name: String,
        /// The model's text: usually, not surely, a JSON object.
        arguments: String,
    }

    #[derive(JsonSchema)]
    pub(super) struct AgentUsage {
        input_tokens: u64,
        output_tokens: u64,
        total_tokens: u64,
    }

    /// Why a request was not answered.
    #[derive(JsonSchema)]
    pub(super) struct ErrorBody {
        error: ErrorDetail,
    }

    #[derive(JsonSchema)]
    #[schemars(extend("required" = ["message", "type", "param", "code", "request_id", "hint"]))]
    pub(super) struct ErrorDetail {
        message: String,
        r#type: String,
        param: Option<String>,
        code: Option<String>,
        request_id: String,
        hint: Option<String>,
    }
}
