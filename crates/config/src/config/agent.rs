//! Agents: a prompt, the models it is put to, and what comes with every call.
//!
//! What is sent becomes part of a neutral [`call::Call`] by the conversions here, and nowhere else.

use wire::call::{self, Json};

use super::Target;

#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    pub description: Option<String>,
    pub prompt: String,
    /// In order of priority, at least one; names under `models:` replaced by their targets.
    pub models: Vec<Target>,
    pub parameters: Parameters,
    /// Functions that the model may ask for and the caller carries out, in the order of the config.
    pub tools: Vec<Tool>,
    pub tool_policy: ToolPolicy,
    pub history: History,
    /// Characters of a user's message.
    pub max_message_chars: usize,
    /// Characters of an answer.
    pub max_answer_chars: usize,
}

/// What is sent with every call of an agent. Unset ones are not sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters {
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub top_k: Option<u32>,
    pub max_tokens: Option<u32>,
    pub frequency_penalty: Option<f64>,
    pub presence_penalty: Option<f64>,
    pub seed: Option<i64>,
    /// Empty if unset.
    pub stop: Vec<String>,
    /// `[a-z]{1,32}`.
    pub reasoning_effort: Option<String>,
}

impl From<&Parameters> for call::Parameters {
    fn from(parameters: &Parameters) -> Self {
        Self {
            temperature: parameters.temperature,
            top_p: parameters.top_p,
            top_k: parameters.top_k.map(u64::from),
            max_tokens: parameters.max_tokens.map(u64::from),
            frequency_penalty: parameters.frequency_penalty,
            presence_penalty: parameters.presence_penalty,
            seed: parameters.seed,
            stop: parameters.stop.clone(),
            reasoning_effort: parameters.reasoning_effort.clone(),
            ..Self::default()
        }
    }
}

/// A function that the model may ask for.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// `[a-zA-Z0-9_-]{1,64}`, which every provider takes.
    pub name: String,
    pub description: Option<String>,
    /// JSON Schema of the arguments: an object with at least `type` and `properties`. Numbers and texts are spelled
    /// as in the config.
    pub parameters: Json,
}

impl From<&Tool> for call::Tool {
    fn from(tool: &Tool) -> Self {
        Self {
            name: tool.name.clone(),
            description: tool.description.clone(),
            schema: Some(tool.parameters.clone()),
            strict: None,
        }
    }
}

/// Whether, how often and which tools are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolPolicy {
    /// Unless the caller says otherwise; none: the provider's default.
    pub tool_choice: Option<ToolChoice>,
    /// Rounds of calls and results for one message of the user, 0 to 100.
    pub max_rounds: u32,
    /// Calls in one answer, 1 to 128.
    pub max_tool_calls_per_turn: u32,
    /// Tools that are never offered.
    pub blocklist: Vec<ToolPattern>,
}

/// The name of a tool, in which `*` stands for any letters or none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ToolPattern(String);

impl ToolPattern {
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The pieces between the stars stand in the name one after another, the first at its beginning and the last at
    /// its end. Taking each at its first place leaves the most room for those that follow.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return self.0 == name };
        let Some(mut left) = name.strip_prefix(first) else { return false };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        for piece in middle.split('*') {
            let Some((_, after)) = left.split_once(piece) else { return false };
            left = after;
        }
        left.ends_with(last)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// It calls at least one.
    Required,
    /// It calls none.
    None,
}

impl From<ToolChoice> for call::ToolChoice {
    fn from(choice: ToolChoice) -> Self {
        match choice {
            ToolChoice::Auto => Self::Auto,
            ToolChoice::Required => Self::Required,
            ToolChoice::None => Self::None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// The latest messages that a model sees.
    pub max_messages: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_letters_or_none() {
        for (pattern, name, matches) in [
            ("delete_order", "delete_order", true),
            ("delete_order", "delete_orders", false),
            ("delete_*", "delete_order", true),
            ("delete_*", "delete_", true),
            ("delete_*", "undelete_order", false),
            ("*_order", "delete_order", true),
            ("*_order", "_order", true),
            ("*_order", "delete_orders", false),
            ("*order*", "delete_orders", true),
            ("a*b*c", "axxbxxc", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("ab*bc", "abc", false),
            ("a*a*a", "aa", false),
            ("a*a*a", "aaa", true),
            ("a**b", "ab", true),
            ("*", "anything", true),
            ("", "anything", false),
        ] {
            assert_eq!(ToolPattern::new(pattern).matches(name), matches, "{pattern} {name}");
        }
    }
}
