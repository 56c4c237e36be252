//! `POST /v1/agents/{agent}/query`: a message to an agent, in a conversation that is kept here.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::answer::Answer;
use super::input;
use super::openapi::{Doc, Schema};
use super::routes::Request;
use crate::agents::{Ask, Query};
use crate::pipeline;
use crate::refusal::Refusal;

pub(crate) const QUERY: Doc = Doc {
    summary: "Ask an agent",
    detail: "Without `conversation_id` a conversation is begun. With `stream: true` the answer is a stream of the \
             events `answer.started`, `answer.delta`, `answer.completed` and `error`.",
    tag: "Agents",
    request: Some(Schema::AgentQuery),
    answer: Some(Schema::AgentAnswer),
    ..Doc::EMPTY
};

/// A message to an agent.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentQuery {
    /// What the user says.
    message: String,
    /// The conversation to go on with. None begins one.
    conversation_id: Option<String>,
    /// Where the message came in: web, mobile, api, slack, teams, email, sms, whatsapp or voice.
    channel: Option<String>,
    /// Kept on the ledger row.
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// Answer as server-sent events.
    #[serde(default)]
    stream: bool,
    /// Neither read nor write a cached answer. This version caches none.
    #[serde(default)]
    #[expect(dead_code, reason = "nothing is cached, so that either value is honoured")]
    skip_cache: bool,
    /// Not enforced by this version: must be empty.
    #[serde(default)]
    variables: BTreeMap<String, serde_json::Value>,
    /// Not enforced by this version: must be false.
    #[serde(default)]
    background: bool,
}

/// The channels that are told apart in the metrics.
const CHANNELS: [&str; 9] = ["api", "web", "mobile", "slack", "teams", "email", "sms", "whatsapp", "voice"];
const MAX_TAGS: usize = 16;

pub(crate) async fn query(request: Request) -> Result<Answer, Refusal> {
    let Request { app, caller, parameters, http } = request;
    let limit = caller.settings.config().server.body_limit;
    let query: AgentQuery = input::json(http, limit).await?;
    let query = checked(parameters.only(), query)?;
    pipeline::answer(&app, caller, Ask::Query(query)).await
}

fn checked(agent: &str, query: AgentQuery) -> Result<Query, Refusal> {
    if query.message.trim().is_empty() {
        return Err(Refusal::invalid("message", "the message is empty"));
    }
    if !query.variables.is_empty() {
        let refusal = Refusal::invalid("variables", "`variables` is not enforced by this version");
        return Err(refusal.hint("leave it out: prompts written in the config have no variables"));
    }
    if query.background {
        return Err(Refusal::invalid("background", "`background` is not enforced by this version"));
    }
    let conversation = match &query.conversation_id {
        None => None,
        // An id that cannot exist answers exactly like one that does not.
        Some(id) => Some(id.parse().map_err(|_| Refusal::not_found("conversation"))?),
    };
    let channel = query.channel.as_deref().unwrap_or("api");
    Ok(Query {
        agent: agent.to_owned(),
        message: query.message,
        conversation,
        channel: CHANNELS.into_iter().find(|known| *known == channel).unwrap_or("other"),
        tags: tags(&query.tags)?,
        stream: query.stream,
    })
}

fn tags(tags: &BTreeMap<String, String>) -> Result<Option<Arc<str>>, Refusal> {
    if tags.is_empty() {
        return Ok(None);
    }
    let fits = |(name, value): (&String, &String)| (1..=64).contains(&name.len()) && value.len() <= 256;
    if tags.len() > MAX_TAGS || !tags.iter().all(fits) {
        let message = "at most 16 tags, with names of 1 to 64 and values of at most 256 bytes";
        return Err(Refusal::invalid("tags", message));
    }
    let text = serde_json::to_string(tags).map_err(|error| Refusal::internal(error.to_string()))?;
    Ok(Some(Arc::from(text)))
}
