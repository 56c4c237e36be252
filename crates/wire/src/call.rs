//! The neutral request: what any dialect asks of a model, in our own words.
//!
//! Used where bytes cannot pass through: an agent's conversation, a provider of another dialect. It holds what
//! the dialects have in common; what a request asks beyond that is named in [`Call::uncarried`], so that a target
//! can be refused instead of a wish silently dropped.

use std::borrow::Cow;
use std::fmt::Display;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::dialect::Dialect;
use crate::json::{Fault, FaultKind, MAX_DEPTH, check};

/// Wishes that are named: enough to refuse a target by, and no more memory than that.
const MAX_UNCARRIED: usize = 64;

/// One request to a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    pub messages: Vec<Message>,
    pub tools: Vec<Tool>,
    pub tool_choice: Option<ToolChoice>,
    pub parallel_tool_calls: Option<bool>,
    pub parameters: Parameters,
    /// The caller's own word for its end user.
    pub user: Option<String>,
    pub stream: bool,
    /// An assistant's message at the end is the beginning of the answer, which is to go on from there. Where it is
    /// not, such a message is one like any other.
    pub continues: bool,
    /// What the original asks beyond this, as paths into it, in order; the first 64.
    pub uncarried: Vec<String>,
}

/// How the model is to answer. `None` leaves it to the provider.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters {
    /// The most tokens of an answer, reasoning included.
    pub max_tokens: Option<u64>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub frequency_penalty: Option<f64>,
    pub presence_penalty: Option<f64>,
    /// Texts that end the answer; none if empty.
    pub stop: Vec<String>,
    pub seed: Option<i64>,
    /// How many answers.
    pub n: Option<u32>,
    pub response_format: Option<ResponseFormat>,
    pub logprobs: Option<bool>,
    pub top_logprobs: Option<u32>,
    /// How hard to think: `none`, `minimal`, `low`, `medium`, `high`, or a newer word.
    pub reasoning_effort: Option<String>,
    /// The most tokens to think with; 0: not at all.
    pub reasoning_budget: Option<u64>,
    /// Only the likeliest tokens, this many.
    pub top_k: Option<u64>,
}

impl Parameters {
    /// `self`, and `defaults` where it has nothing.
    #[must_use]
    pub fn or(self, defaults: &Self) -> Self {
        Self {
            max_tokens: self.max_tokens.or(defaults.max_tokens),
            temperature: self.temperature.or(defaults.temperature),
            top_p: self.top_p.or(defaults.top_p),
            frequency_penalty: self.frequency_penalty.or(defaults.frequency_penalty),
            presence_penalty: self.presence_penalty.or(defaults.presence_penalty),
            stop: if self.stop.is_empty() { defaults.stop.clone() } else { self.stop },
            seed: self.seed.or(defaults.seed),
            n: self.n.or(defaults.n),
            response_format: self.response_format.or_else(|| defaults.response_format.clone()),
            logprobs: self.logprobs.or(defaults.logprobs),
            top_logprobs: self.top_logprobs.or(defaults.top_logprobs),
            reasoning_effort: self.reasoning_effort.or_else(|| defaults.reasoning_effort.clone()),
            reasoning_budget: self.reasoning_budget.or(defaults.reasoning_budget),
            top_k: self.top_k.or(defaults.top_k),
        }
    }
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub role: Role,
    pub content: Vec<Part>,
    /// Of an assistant's message: what it wants done.
    pub tool_calls: Vec<ToolCall>,
    /// Of a tool's message: the call it answers.
    pub tool_call_id: Option<String>,
    /// Of a tool's message: the tool failed, and the content says how.
    pub tool_failed: bool,
    pub name: Option<String>,
}

impl Call {
    /// Characters of everything that the model is given to read, for an estimate: texts of messages, and definitions and
    /// calls of tools.
    #[must_use]
    pub fn characters(&self) -> usize {
        let texts = self.messages.iter().flat_map(|message| &message.content).map(|part| match part {
            Part::Text(text) | Part::Refusal(text) => text.chars().count(),
            _ => 0,
        });
        let calls = self.messages.iter().flat_map(|message| &message.tool_calls);
        let calls = calls.map(|call| call.name.len() + call.arguments.len());
        let tools = self.tools.iter().map(|tool| {
            let schema = tool.schema.as_ref().map_or(0, |schema| schema.get().len());
            tool.name.len() + tool.description.as_ref().map_or(0, |text| text.chars().count()) + schema
        });
        texts.chain(calls).chain(tools).sum()
    }

    /// Whether the beginning of the answer is given, which most APIs cannot be.
    pub(crate) fn begins_answer(&self) -> bool {
        let is_said = |part: &Part| !matches!(part, Part::Reasoning(_));
        self.continues
            && self.messages.last().is_some_and(|last| {
                last.role == Role::Assistant && last.tool_calls.is_empty() && last.content.iter().any(is_said)
            })
    }

    /// Notes a wish that has no place here.
    pub(crate) fn cannot_carry(&mut self, path: impl Display) {
        if self.uncarried.len() < MAX_UNCARRIED {
            self.uncarried.push(path.to_string());
        }
    }
}

impl Message {
    /// What stands for the content of a message that [fails silently](Self::fails_silently).
    pub(crate) const TOOL_FAILED: &'static str = "The tool failed.";

    #[must_use]
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        let content = vec![Part::Text(text.into())];
        Self { role, content, tool_calls: Vec::new(), tool_call_id: None, tool_failed: false, name: None }
    }

    /// A tool failed and does not say how: where only the content can say that it did, nothing does.
    #[must_use]
    pub(crate) fn fails_silently(&self) -> bool {
        let silent = |part: &Part| matches!(part, Part::Text(text) if text.trim().is_empty());
        self.tool_failed && self.content.iter().all(silent)
    }

    /// Its text parts, joined.
    #[must_use]
    pub fn plain_text(&self) -> Cow<'_, str> {
        let mut texts = self.content.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            _ => None,
        });
        let first = texts.next().unwrap_or_default();
        texts.fold(Cow::Borrowed(first), |all, text| all + text)
    }
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    System,
    Developer,
    User,
    Assistant,
    Tool,
    Function,
}

impl Role {
    pub const ALL: [Self; 6] =
        [Self::System, Self::Developer, Self::User, Self::Assistant, Self::Tool, Self::Function];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Developer => "developer",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
            Self::Function => "function",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// A piece of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    Text(String),
    /// The model declined, in these words.
    Refusal(String),
    /// `url` is `https:` or `data:`.
    Image {
        url: String,
        detail: Option<String>,
    },
    /// A document. `url` is `https:` or `data:`.
    File {
        url: String,
        name: Option<String>,
    },
    /// Sound in base64; `format` is `wav`, `mp3`, ….
    Audio {
        data: String,
        format: String,
    },
    /// What the model thought before it spoke.
    Reasoning(Reasoning),
    /// Anything else.
    Other(Raw),
}

/// A part that only its own dialect knows, as it is written there.
#[derive(Clone, Debug, PartialEq)]
pub struct Raw {
    pub dialect: Dialect,
    pub json: Json,
}

impl Raw {
    /// What to name it by: its `type`, if that is a word of at most 64 bytes.
    #[must_use]
    pub fn kind(&self) -> String {
        #[derive(Deserialize)]
        struct Typed {
            #[serde(rename = "type")]
            kind: String,
        }
        let word = |kind: &String| {
            (1..=64).contains(&kind.len()) && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        let kind = serde_json::from_str(self.json.get()).ok().map(|Typed { kind }| kind);
        kind.filter(word).unwrap_or_else(|| "content".to_owned())
    }
}

/// A model's thought. Its text is for people; its signature is for the provider it came from, which wants it back
/// unchanged on later turns and is the only one to be given it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasoning {
    pub text: String,
    pub signature: Option<Signature>,
}

/// A provider's seal on a thought, or the thought itself encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    pub origin: Origin,
    pub data: String,
    /// `data` is the thought itself, which nobody else can read.
    pub encrypted: bool,
    /// The id of the tool call that it belongs to.
    pub tool_call: Option<String>,
}

/// Whose signature it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    Anthropic,
    Gemini,
}

impl Origin {
    pub const ALL: [Self; 2] = [Self::Anthropic, Self::Gemini];

    /// The `format` of a `reasoning_details` entry, as OpenRouter names them.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic-claude-v1",
            Self::Gemini => "google-gemini-v1",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|origin| origin.as_str() == text)
    }
}

/// Media type and base64 data of a `data:` URL (RFC 2397); none if it is another URL, or not in base64.
#[must_use]
pub fn data_url(url: &str) -> Option<(&str, &str)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let media = head.strip_suffix(";base64")?;
    Some((media.split(';').next().filter(|media| !media.is_empty()).unwrap_or("text/plain"), data))
}

/// A call the model asks for. `arguments` is the model's text: usually, not surely, a JSON object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    pub arguments: String,
}

impl ToolCall {
    /// The arguments as one object, nested at most `max_depth` deep, to the letter. No arguments are an empty one;
    /// what else is no object, which a model may have written, is not made one.
    pub(crate) fn object(&self, max_depth: u32) -> Option<&RawValue> {
        let text = match self.arguments.trim_ascii() {
            "" => "{}",
            text => text,
        };
        let is_object = text.starts_with('{') && check(text.as_bytes(), max_depth).is_ok();
        if is_object { serde_json::from_str(text).ok() } else { None }
    }
}

/// A function the model may ask for.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    pub name: String,
    pub description: Option<String>,
    /// JSON Schema of the arguments.
    pub schema: Option<Json>,
    pub strict: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    Auto,
    None,
    Required,
    Named(String),
}

/// The form of the answer's text.
#[derive(Clone, Debug, PartialEq)]
pub enum ResponseFormat {
    Text,
    JsonObject,
    /// The `json_schema` object: name, schema, strict.
    JsonSchema(Json),
}

/// JSON text that is carried and not looked into. Equal if spelled equally.
#[derive(Clone, Debug, Serialize)]
pub struct Json(Box<RawValue>);

impl Json {
    /// # Errors
    /// If `text` is not one JSON value.
    pub fn new(text: String) -> Result<Self, Fault> {
        check(text.as_bytes(), MAX_DEPTH)?;
        RawValue::from_string(text).map(Self).map_err(|_| Fault { kind: FaultKind::Syntax, offset: 0 })
    }

    #[must_use]
    pub fn get(&self) -> &str {
        self.0.get()
    }

    pub(crate) const fn raw(&self) -> &RawValue {
        &self.0
    }
}

impl From<&RawValue> for Json {
    fn from(raw: &RawValue) -> Self {
        Self(raw.to_owned())
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_joins_text_parts_only() {
        let mut message = Message::text(Role::User, "a ");
        message.content.push(Part::Image { url: "https://x/y.png".into(), detail: None });
        message.content.push(Part::Text("cat".into()));
        assert_eq!(message.plain_text(), "a cat");
        message.content.clear();
        assert_eq!(message.plain_text(), "");
    }

    #[test]
    fn a_part_of_one_dialect_is_named_by_a_word_or_not_at_all() {
        let kind = |json: &str| Raw { dialect: Dialect::Chat, json: Json::new(json.into()).unwrap() }.kind();
        assert_eq!(kind(r#"{"x":1,"type":"search_result"}"#), "search_result");
        let long = format!(r#"{{"type":"{}"}}"#, "x".repeat(65));
        for json in [r#"{"type":"two words"}"#, r#"{"type":""}"#, r#"{"type":1}"#, "{}", "7", &long] {
            assert_eq!(kind(json), "content", "{json}");
        }
    }

    #[test]
    fn tools_and_their_calls_are_read_by_the_model_too() {
        let tool = Tool {
            name: "look".into(),
            description: Some("grü".into()),
            schema: Some(Json::new("{}".into()).unwrap()),
            strict: None,
        };
        let called = ToolCall { id: "call_1".into(), name: "look".into(), arguments: "{\"x\":1}".into() };
        let mut asks = Message::text(Role::Assistant, "日本");
        asks.tool_calls.push(called);
        let call = Call { messages: vec![asks], tools: vec![tool], ..Call::default() };
        assert_eq!(call.characters(), 2 + (4 + 7) + (4 + 3 + 2));
    }

    #[test]
    fn arguments_are_an_object_to_the_letter_or_none_at_all() {
        let object = |arguments: &str| {
            let call = ToolCall { id: String::new(), name: String::new(), arguments: arguments.into() };
            call.object(2).map(|object| object.get().to_owned())
        };
        for nothing in ["", " \n", "{}"] {
            assert_eq!(object(nothing).as_deref(), Some("{}"), "{nothing:?}");
        }
        let odd = r#"{ "n": 1.0, "n": {"big": 12345678901234567890123} }"#;
        assert_eq!(object(&format!("\n{odd} ")).as_deref(), Some(odd));
        for other in ["Oslo", "[1]", "null", "{} {}", r#"{"a":"#, r#"{"a":{"b":{}}}"#] {
            assert_eq!(object(other), None, "{other}");
        }
    }

    #[test]
    fn defaults_fill_gaps_and_nothing_else() {
        let asked = Parameters { temperature: Some(0.0), stop: vec!["x".into()], ..Parameters::default() };
        let defaults = Parameters {
            temperature: Some(1.0),
            max_tokens: Some(500),
            stop: vec!["y".into()],
            ..Parameters::default()
        };
        let filled = asked.or(&defaults);
        assert_eq!((filled.temperature, filled.max_tokens), (Some(0.0), Some(500)));
        assert_eq!(filled.stop, ["x"]);
    }
}
