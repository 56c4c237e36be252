//! `agents:` as it is written.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{SchemaText, Stop};
use crate::de::{Field, Table};

/// A prompt, and the models that it is put to.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["prompt", "models"]))]
pub(crate) struct Agent {
    /// What it does, for people.
    pub(crate) description: Field<String>,
    /// The system prompt.
    pub(crate) prompt: Field<String>,
    /// Names under `models:` or `provider/model` names, tried in order.
    #[schemars(length(min = 1))]
    pub(crate) models: Field<Vec<Field<String>>>,
    /// What is sent to the model with every call.
    pub(crate) parameters: Field<Parameters>,
    /// Functions that the model may ask for, by name. The call comes back to the caller, whose result continues the
    /// conversation.
    #[schemars(extend("propertyNames" = json!({ "pattern": "^[a-zA-Z0-9_-]{1,64}$" })))]
    pub(crate) tools: Field<Table<Tool>>,
    /// Whether, how often and which tools the model may call, the caller's included.
    pub(crate) tool_policy: Field<ToolPolicy>,
    /// What the model sees of the conversation.
    pub(crate) history: Field<History>,
    /// The longest message of a user, in characters. A longer one is refused.
    pub(crate) max_message_chars: Field<u64>,
    /// The longest answer, in characters. A longer one is cut.
    pub(crate) max_answer_chars: Field<u64>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Parameters {
    /// 0 to 2. Higher is more varied.
    #[schemars(range(min = 0, max = 2))]
    pub(crate) temperature: Field<f64>,
    /// 0 to 1. Only the likeliest tokens that together have this probability.
    #[schemars(range(min = 0, max = 1))]
    pub(crate) top_p: Field<f64>,
    /// Only the likeliest tokens, this many.
    #[schemars(range(min = 1))]
    pub(crate) top_k: Field<u64>,
    /// The most tokens of an answer.
    #[schemars(range(min = 1))]
    pub(crate) max_tokens: Field<u64>,
    /// -2 to 2. Higher repeats less.
    #[schemars(range(min = -2, max = 2))]
    pub(crate) frequency_penalty: Field<f64>,
    /// -2 to 2. Higher changes the subject more.
    #[schemars(range(min = -2, max = 2))]
    pub(crate) presence_penalty: Field<f64>,
    /// For answers that repeat as far as the provider can.
    pub(crate) seed: Field<i64>,
    /// A text, or up to four, that end an answer.
    pub(crate) stop: Field<Stop>,
    /// How hard to think, in the provider's words: `none`, `minimal`, `low`, `medium`, `high`, ….
    #[schemars(regex(pattern = r"^([a-z]{1,32}|\$\{.*\})$"))]
    pub(crate) reasoning_effort: Field<String>,
}

/// A function that the model may ask for.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tool {
    /// What it does and when to use it, for the model.
    pub(crate) description: Field<String>,
    /// What it is called with. Not set: with nothing.
    pub(crate) parameters: Field<SchemaText>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ToolPolicy {
    /// Unless the caller says otherwise. `auto`: the model decides. `required`: it calls at least one. `none`: it calls
    /// none. Not set: as the provider does by default.
    pub(crate) tool_choice: Field<ToolChoice>,
    /// The most rounds of calls and results for one message of the user. Then the model answers in words.
    #[schemars(range(min = 0, max = 100))]
    pub(crate) max_rounds: Field<u64>,
    /// The most calls in one answer.
    #[schemars(range(min = 1, max = 128))]
    pub(crate) max_tool_calls_per_turn: Field<u64>,
    /// Names of tools that are never offered; `*` stands for any letters.
    pub(crate) blocklist: Field<Vec<Field<String>>>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ToolChoice {
    Auto,
    Required,
    None,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct History {
    /// Where it is kept.
    pub(crate) store: Field<HistoryStore>,
    /// The most messages of a conversation that a model sees.
    pub(crate) max_messages: Field<u64>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HistoryStore {
    Database,
}
