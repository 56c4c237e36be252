//! `POST /v1/agents/{agent}/query`: a message to an agent, in a conversation that is kept here.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;
use wire::call::{Json, Tool};

use super::answer::Answer;
use super::input;
use super::openapi::{Doc, Schema};
use super::routes::Request;
use crate::agents::tools::ToolResult;
use crate::agents::{Ask, Query, Says};
use crate::pipeline;
use crate::refusal::Refusal;

pub(crate) const QUERY: Doc = Doc {
    summary: "Ask an agent",
    detail: "Without `conversation_id` a conversation is begun. An answer with `tool_calls` wants them run by the \
             caller: send `tool_results` for all of them, and no `message`, to go on. With `stream: true` the answer is a stream of the \
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
    /// What the user says. Either this or `tool_results`.
    message: Option<String>,
    /// What the tools said that the last answer called: one result for every call.
    #[serde(default)]
    tool_results: Vec<AgentToolResult>,
    /// The caller's own tools, beside the agent's.
    #[serde(default)]
    tools: Vec<AgentTool>,
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

/// A tool that the caller will run.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentTool {
    /// Letters, digits, `_` and `-`, at most 64.
    #[schemars(regex(pattern = "^[a-zA-Z0-9_-]{1,64}$"))]
    name: String,
    description: Option<String>,
    /// JSON Schema of the arguments, an object.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    parameters: Option<Box<RawValue>>,
}

/// What a tool said.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentToolResult {
    /// The `id` of the call.
    tool_call_id: String,
    content: String,
    /// The tool failed, and `content` says how.
    #[serde(default)]
    is_error: bool,
}

/// The channels that are told apart in the metrics.
const CHANNELS: [&str; 9] = ["api", "web", "mobile", "slack", "teams", "email", "sms", "whatsapp", "voice"];
const MAX_TAGS: usize = 16;
const MAX_TOOLS: usize = 128;

pub(crate) async fn query(request: Request) -> Result<Answer, Refusal> {
    let Request { app, caller, parameters, http } = request;
    let limit = caller.settings.config().server.body_limit;
    let query: AgentQuery = input::json(http, limit).await?;
    let query = checked(parameters.only(), query)?;
    pipeline::answer(&app, caller, Ask::Query(query)).await
}

fn checked(agent: &str, query: AgentQuery) -> Result<Query, Refusal> {
    let says = says(query.message, query.tool_results)?;
    if matches!(says, Says::Results(_)) && query.conversation_id.is_none() {
        let message = "tool results belong to a conversation";
        return Err(Refusal::invalid("conversation_id", message).hint("send the id that came with the calls"));
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
        says,
        tools: tools(query.tools)?,
        conversation,
        channel: CHANNELS.into_iter().find(|known| *known == channel).unwrap_or("other"),
        tags: tags(&query.tags)?,
        stream: query.stream,
    })
}

fn says(message: Option<String>, results: Vec<AgentToolResult>) -> Result<Says, Refusal> {
    match (message, results.is_empty()) {
        (Some(message), true) if message.trim().is_empty() => {
            Err(Refusal::invalid("message", "the message is empty"))
        }
        (Some(message), true) => Ok(Says::Message(message)),
        (None, true) => Err(Refusal::invalid("message", "`message` is missing")),
        (Some(_), false) => {
            let refusal = Refusal::invalid("message", "a message and tool results do not go together");
            Err(refusal.hint("send the results first, and the message when the answer to them has arrived"))
        }
        (None, false) if results.len() > MAX_TOOLS => {
            Err(Refusal::invalid("tool_results", format!("at most {MAX_TOOLS} tool results")))
        }
        (None, false) => Ok(Says::Results(
            results
                .into_iter()
                .map(|AgentToolResult { tool_call_id: call, content, is_error: failed }| ToolResult {
                    call,
                    content,
                    failed,
                })
                .collect(),
        )),
    }
}

fn tools(tools: Vec<AgentTool>) -> Result<Vec<Tool>, Refusal> {
    if tools.len() > MAX_TOOLS {
        return Err(Refusal::invalid("tools", format!("at most {MAX_TOOLS} tools")));
    }
    let mut checked: Vec<Tool> = Vec::with_capacity(tools.len());
    for (index, AgentTool { name, description, parameters }) in tools.into_iter().enumerate() {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        let invalid = |member: &str, message: &'static str| {
            Err(Refusal::invalid(format!("tools[{index}].{member}"), message))
        };
        if !(1..=64).contains(&name.len()) || !name.bytes().all(plain) {
            return invalid("name", "a tool's name is 1 to 64 letters, digits, `_` and `-`");
        }
        if checked.iter().any(|other| other.name == name) {
            return invalid("name", "two tools have this name");
        }
        if parameters.as_ref().is_some_and(|schema| !schema.get().starts_with('{')) {
            return invalid("parameters", "expected a JSON Schema object");
        }
        let schema = parameters.map(|schema| Json::from(&*schema));
        checked.push(Tool { name, description, schema, strict: None });
    }
    Ok(checked)
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
