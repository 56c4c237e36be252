//! A caller's request in neutral form, for what cannot take its bytes.
//!
//! The body has been checked by [`MessagesRequest::parse`]; what can still be wrong is the inside of a message, a tool
//! or a parameter. Such a fault is told with its place and never with the text found there.
//!
//! A wish is a member with a value other than null, false, `{}` or `[]`. One that has no neutral form is named in
//! [`Call::uncarried`], wherever it stands, unless it is one of the [`HINTS`].

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::anthropic::request::content::said_by;
use crate::anthropic::request::parse::Member;
use crate::anthropic::request::{MessagesRequest, Purpose, Thinking};
use crate::call::{Call, Json, Message, Part, ResponseFormat, Role, Tool, ToolChoice};
use crate::dialect::Refused;
use crate::dialect::check::{Place, refused, twice};
use crate::json::{self, Fault, MAX_DEPTH};

/// Members that say how an answer is to be made, kept or delivered, and not what it is to be; with the values that say
/// no more than that, none for any. They are left out where the caller's bytes do not go, wherever they stand.
///
/// - `cache_control`: what the provider may keep for the next request.
/// - `eager_input_streaming`: in which pieces the arguments of a tool arrive.
/// - `service_tier`: which of the account's capacity is used.
/// - `speed`: as usual.
const HINTS: [(&str, &[&str]); 4] = [
    ("cache_control", &[]),
    ("eager_input_streaming", &[]),
    ("service_tier", &[r#""auto""#, r#""standard_only""#]),
    ("speed", &[r#""standard""#]),
];

/// Nesting of a tool's schema, so that a body of any dialect is within [`MAX_DEPTH`] with it: there are four levels
/// around it in the chat dialect, three here.
const MAX_SCHEMA_DEPTH: u32 = MAX_DEPTH - 4;

/// What callers without an `effort` get of a model that decides itself how much to think.
const DEFAULT_EFFORT: &str = "high";

impl MessagesRequest {
    /// The whole request, an agent's additions included.
    ///
    /// # Errors
    /// If a member that has a neutral form does not have the dialect's.
    pub fn to_call(&self) -> Result<Call, Refused> {
        let user = self.user().map(str::to_owned);
        let mut reader = Reader {
            call: Call {
                stream: self.stream(),
                user,
                continues: self.purpose == Purpose::Answer,
                ..Call::default()
            },
        };
        json::members(self.body(), |name, span| {
            let value = span.of(self.body());
            if value == b"null" { Ok(()) } else { reader.member(&name.decode(), value) }
        })?;
        let mut call = reader.call;
        call.parameters.max_tokens = self.facts.max_tokens.filter(|limit| *limit > 0);
        // It is to fill a cache and to say nothing, which no other provider can be asked.
        if self.facts.max_tokens == Some(0) && self.purpose == Purpose::Answer {
            call.cannot_carry("max_tokens");
        }
        if let Some(agent) = &self.agent {
            if !agent.prompt.is_empty() {
                call.messages.insert(0, Message::text(Role::System, agent.prompt.as_str()));
            }
            let mut defaults = agent.defaults.clone();
            // Budget and effort are two forms of one wish, and the caller has it.
            if self.facts.said(Member::Thinking) || call.parameters.reasoning_effort.is_some() {
                defaults.reasoning_budget = None;
                defaults.reasoning_effort = None;
            }
            call.parameters = call.parameters.or(&defaults);
        }
        if self.facts.thinking == Thinking::Adaptive {
            call.parameters.reasoning_effort.get_or_insert_with(|| DEFAULT_EFFORT.to_owned());
        }
        Ok(call)
    }
}

/// Puts the request together, member by member.
pub(super) struct Reader {
    pub(super) call: Call,
}

impl Reader {
    fn member(&mut self, name: &str, value: &[u8]) -> Result<(), Refused> {
        let place = Place::Top(name);
        let p = &mut self.call.parameters;
        match name {
            // Known from the request itself.
            "model" | "stream" | "max_tokens" => {}
            "system" => return self.system(&place, read(value, &place)?),
            "messages" => {
                let messages: Vec<&RawValue> = read(value, &place)?;
                let before = self.call.messages.len();
                for (number, message) in messages.into_iter().enumerate() {
                    self.message(&place.item(number), message)?;
                }
                if self.call.messages.len() == before {
                    let message = "`messages` must have a message that says something";
                    return Err(refused(place, message, "invalid_value"));
                }
            }
            "tools" => {
                let tools: Vec<&RawValue> = read(value, &place)?;
                for (number, tool) in tools.into_iter().enumerate() {
                    self.tool(&place.item(number), tool)?;
                }
            }
            "tool_choice" => return self.tool_choice(&place, read(value, &place)?),
            "thinking" => return self.thinking(&place, read(value, &place)?),
            "output_config" => return self.output_config(&place, read(value, &place)?),
            "output_format" => return self.format(&place, read(value, &place)?),
            "metadata" => self.beyond(&place, read(value, &place)?, &["user_id"])?,
            "stop_sequences" => p.stop = read(value, &place)?,
            "temperature" => p.temperature = Some(read(value, &place)?),
            "top_p" => p.top_p = Some(read(value, &place)?),
            "top_k" => p.top_k = Some(read(value, &place)?),
            unknown => self.unknown(place, unknown, value),
        }
        Ok(())
    }

    fn system(&mut self, place: &Place<'_>, content: &RawValue) -> Result<(), Refused> {
        let content = self.parts(place, Role::System, Some(content))?;
        let empty = |part: &Part| matches!(part, Part::Text(text) if text.is_empty());
        if !content.iter().all(empty) {
            self.call.messages.insert(0, said_by(Role::System, content));
        }
        Ok(())
    }

    /// A tool of the caller's. Those that the provider runs itself have a `type`.
    fn tool(&mut self, place: &Place<'_>, raw: &RawValue) -> Result<(), Refused> {
        let ToolTypeIn { kind } = read_raw(raw, place)?;
        if kind.is_some_and(|kind| kind != "custom") {
            self.call.cannot_carry(place);
            return Ok(());
        }
        let known = ["type", "name", "description", "input_schema", "strict", "allowed_callers"];
        self.beyond(place, raw, &known)?;
        let ToolIn { name, description, input_schema, strict, allowed_callers } = read_raw(raw, place)?;
        if allowed_callers.is_some_and(|callers| callers != ["direct"]) {
            self.call.cannot_carry(place.member("allowed_callers"));
        }
        json::check(input_schema.get().as_bytes(), MAX_SCHEMA_DEPTH)
            .map_err(|_| wrong(&place.member("input_schema")))?;
        let schema = Some(Json::from(input_schema));
        self.call.tools.push(Tool { name, description, schema, strict });
        Ok(())
    }

    fn tool_choice(&mut self, place: &Place<'_>, raw: &RawValue) -> Result<(), Refused> {
        self.beyond(place, raw, &["type", "name", "disable_parallel_tool_use"])?;
        let ToolChoiceIn { kind, name, disable_parallel_tool_use } = read_raw(raw, place)?;
        self.call.tool_choice = Some(match (&*kind, name) {
            ("auto", _) => ToolChoice::Auto,
            ("any", _) => ToolChoice::Required,
            ("none", _) => ToolChoice::None,
            ("tool", Some(name)) => ToolChoice::Named(name),
            _ => return Err(wrong(place)),
        });
        if disable_parallel_tool_use == Some(true) {
            self.call.parallel_tool_calls = Some(false);
        }
        Ok(())
    }

    /// Adaptive thinking is the effort of `output_config`, or the usual one.
    fn thinking(&mut self, place: &Place<'_>, raw: &RawValue) -> Result<(), Refused> {
        self.beyond(place, raw, &["type", "budget_tokens", "display"])?;
        let ThinkingIn { kind, budget_tokens, display } = read_raw(raw, place)?;
        match &*kind {
            "adaptive" => {}
            "enabled" => {
                let budget = budget_tokens.ok_or_else(|| wrong(&place.member("budget_tokens")))?;
                self.call.parameters.reasoning_budget = Some(budget);
            }
            // Thinking is off, and what a model says of its progress between calls of tools is its own business.
            "disabled" | "between_tools" => self.call.parameters.reasoning_budget = Some(0),
            _ => self.call.cannot_carry(place),
        }
        if display.is_some_and(|display| display != "summarized") {
            self.call.cannot_carry(place.member("display"));
        }
        Ok(())
    }

    fn output_config(&mut self, place: &Place<'_>, raw: &RawValue) -> Result<(), Refused> {
        self.beyond(place, raw, &["effort", "format"])?;
        let OutputConfigIn { effort, format } = read_raw(raw, place)?;
        self.call.parameters.reasoning_effort = effort;
        match format {
            Some(format) => self.format(&place.member("format"), format),
            None => Ok(()),
        }
    }

    /// The form of the answer. It has no name here, and is always kept to.
    fn format(&mut self, place: &Place<'_>, raw: &RawValue) -> Result<(), Refused> {
        if self.call.parameters.response_format.is_some() {
            return Err(twice(place));
        }
        self.beyond(place, raw, &["type", "schema"])?;
        let FormatIn { kind, schema } = read_raw(raw, place)?;
        if kind != "json_schema" {
            return Err(wrong(place));
        }
        let json = format!(r#"{{"name":"answer","schema":{schema},"strict":true}}"#);
        let json = Json::new(json).map_err(|_| wrong(place))?;
        self.call.parameters.response_format = Some(ResponseFormat::JsonSchema(json));
        Ok(())
    }

    /// Notes the wishes in an object beyond its known members.
    pub(super) fn beyond(
        &mut self,
        place: &Place<'_>,
        raw: &RawValue,
        known: &[&str],
    ) -> Result<(), Refused> {
        let object = raw.get().as_bytes();
        json::members(object, |name, span| {
            let name = name.decode();
            if !known.contains(&&*name) {
                self.unknown(place.member(&name), &name, span.of(object));
            }
            Ok::<_, Fault>(())
        })
        .map_err(|_| wrong(place))
    }

    fn unknown(&mut self, place: Place<'_>, name: &str, value: &[u8]) {
        let hint = HINTS.iter().any(|(hint, values)| {
            *hint == name && (values.is_empty() || values.iter().any(|known| known.as_bytes() == value))
        });
        if !hint && !matches!(value, b"null" | b"false" | b"{}" | b"[]") {
            self.call.cannot_carry(place);
        }
    }
}

fn read<'a, T: Deserialize<'a>>(value: &'a [u8], place: &Place<'_>) -> Result<T, Refused> {
    serde_json::from_slice(value).map_err(|_| wrong(place))
}

pub(super) fn read_raw<'a, T: Deserialize<'a>>(value: &'a RawValue, place: &Place<'_>) -> Result<T, Refused> {
    read(value.get().as_bytes(), place)
}

pub(super) fn wrong(place: &Place<'_>) -> Refused {
    refused(place, &format!("`{place}` does not have the form of a messages request"), "invalid_value")
}

#[derive(Deserialize)]
struct ToolTypeIn {
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct ToolIn<'a> {
    name: String,
    description: Option<String>,
    #[serde(borrow)]
    input_schema: &'a RawValue,
    strict: Option<bool>,
    allowed_callers: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct ToolChoiceIn {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    disable_parallel_tool_use: Option<bool>,
}

#[derive(Deserialize)]
struct ThinkingIn {
    #[serde(rename = "type")]
    kind: String,
    budget_tokens: Option<u64>,
    display: Option<String>,
}

#[derive(Deserialize)]
struct OutputConfigIn<'a> {
    effort: Option<String>,
    #[serde(borrow)]
    format: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct FormatIn<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    schema: &'a RawValue,
}
