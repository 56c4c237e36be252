//! A caller's request in neutral form, for what cannot take its bytes.
//!
//! The body has been checked by [`ChatRequest::parse`]; what can still be wrong is the inside of a message, a tool
//! or a parameter. Such a fault is told with its place and never with the text found there. What is right and has
//! no neutral place is named in [`Call::uncarried`] ([`places`]).

mod message;
mod places;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::call::{Call, Json, ResponseFormat, Tool, ToolChoice};
use crate::dialect::Refused;
use crate::json;
use crate::openai::ChatRequest;
use crate::openai::neutral::message::read_message;
use crate::openai::neutral::places::{note_others, says_nothing};

impl ChatRequest {
    /// The whole request, an agent's additions included.
    ///
    /// # Errors
    /// If a member that has a neutral form does not have the dialect's.
    pub fn to_call(&self) -> Result<Call, Refused> {
        let mut call = Call { stream: self.stream(), ..Call::default() };
        json::members(self.body(), |name, span| match span.of(self.body()) {
            b"null" => Ok(()),
            value => read_member(&mut call, &name.decode(), value),
        })?;
        call.parameters.max_tokens = self.max_tokens();
        if let Some((system, defaults)) = self.agent() {
            call.messages.insert(0, system);
            call.parameters = call.parameters.or(defaults);
        }
        Ok(call)
    }
}

fn read_member(call: &mut Call, name: &str, value: &[u8]) -> Result<(), Refused> {
    let p = &mut call.parameters;
    let path = || name.to_owned();
    match name {
        // Known from the request itself.
        "model" | "stream" | "max_tokens" | "max_completion_tokens" => {}
        "stream_options" => note_others(call, read(value, path)?, places::STREAM_OPTIONS, name)?,
        "messages" => {
            let messages: Vec<&RawValue> = read(value, path)?;
            for (number, message) in messages.into_iter().enumerate() {
                let message = read_message(call, message, &format!("messages[{number}]"))?;
                call.messages.push(message);
            }
        }
        "tools" => {
            let tools: Vec<&RawValue> = read(value, path)?;
            for (number, tool) in tools.into_iter().enumerate() {
                read_tool(call, tool, &format!("tools[{number}]"))?;
            }
        }
        "tool_choice" => match read(value, path)? {
            ToolChoiceIn::Word(word) => match &*word {
                "auto" => call.tool_choice = Some(ToolChoice::Auto),
                "none" => call.tool_choice = Some(ToolChoice::None),
                "required" => call.tool_choice = Some(ToolChoice::Required),
                _ => call.cannot_carry(name),
            },
            ToolChoiceIn::Named { function } => call.tool_choice = Some(ToolChoice::Named(function.name)),
            ToolChoiceIn::Typed { kind } if kind == "function" => return Err(wrong(path())),
            // One of custom tools, or of several.
            ToolChoiceIn::Typed { .. } => call.cannot_carry(name),
        },
        "response_format" => {
            let format: FormatIn<'_> = read(value, path)?;
            match (&*format.kind, format.json_schema) {
                ("text", _) => p.response_format = Some(ResponseFormat::Text),
                ("json_object", _) => p.response_format = Some(ResponseFormat::JsonObject),
                ("json_schema", Some(schema)) => {
                    p.response_format = Some(ResponseFormat::JsonSchema(Json::from(schema)));
                }
                ("json_schema", None) => return Err(wrong(path())),
                _ => call.cannot_carry(name),
            }
        }
        "stop" => {
            p.stop = match read(value, path)? {
                OneOrMany::One(text) => vec![text],
                OneOrMany::Many(texts) => texts,
            }
        }
        "temperature" => p.temperature = Some(read(value, path)?),
        "top_p" => p.top_p = Some(read(value, path)?),
        // Not OpenAI's, but common among its followers.
        "top_k" => p.top_k = Some(read(value, path)?),
        "frequency_penalty" => p.frequency_penalty = Some(read(value, path)?),
        "presence_penalty" => p.presence_penalty = Some(read(value, path)?),
        "seed" => p.seed = Some(read(value, path)?),
        "n" => p.n = Some(read(value, path)?),
        "logprobs" => p.logprobs = Some(read(value, path)?),
        "top_logprobs" => p.top_logprobs = Some(read(value, path)?),
        "reasoning_effort" => p.reasoning_effort = Some(read(value, path)?),
        "parallel_tool_calls" => call.parallel_tool_calls = Some(read(value, path)?),
        "user" => call.user = Some(read(value, path)?),
        other if says_nothing(other, value) => {}
        other => call.cannot_carry(other),
    }
    Ok(())
}

fn read_tool(call: &mut Call, tool: &RawValue, place: &str) -> Result<(), Refused> {
    let ToolIn { kind, function } = read(tool.get().as_bytes(), || place.to_owned())?;
    if kind.is_some_and(|kind| kind != "function") {
        call.cannot_carry(place);
        return Ok(());
    }
    let function = function.ok_or_else(|| wrong(place.to_owned()))?;
    note_others(call, tool, places::TOOL, place)?;
    let place = format!("{place}.function");
    note_others(call, function, places::FUNCTION, &place)?;
    let FunctionIn { name, description, parameters, strict } =
        read(function.get().as_bytes(), || place.clone())?;
    call.tools.push(Tool { name, description, schema: parameters.map(Json::from), strict });
    Ok(())
}

fn read<'a, T: Deserialize<'a>>(value: &'a [u8], path: impl Fn() -> String) -> Result<T, Refused> {
    serde_json::from_slice(value).map_err(|_| wrong(path()))
}

fn wrong(path: String) -> Refused {
    let message = format!("`{path}` does not have the form of a chat completion request");
    Refused { param: Some(path), message, code: "invalid_value" }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct ToolIn<'a> {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(borrow)]
    function: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct FunctionIn<'a> {
    name: String,
    description: Option<String>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
    strict: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ToolChoiceIn {
    Word(String),
    Named {
        function: NamedIn,
    },
    Typed {
        #[serde(rename = "type")]
        kind: String,
    },
}

#[derive(Deserialize)]
struct NamedIn {
    name: String,
}

#[derive(Deserialize)]
struct FormatIn<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    json_schema: Option<&'a RawValue>,
}
