//! A caller's request in neutral form, for what cannot take its bytes.
//!
//! The body has been checked by [`ChatRequest::parse`]; what can still be wrong is the inside of a message, a tool
//! or a parameter. Such a fault is told with its place and never with the text found there.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::call::{Call, Json, Message, Part, Raw, ResponseFormat, Role, Tool, ToolCall, ToolChoice};
use crate::dialect::{Dialect, Refused};
use crate::json;
use crate::openai::ChatRequest;

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
        "model" | "stream" | "stream_options" | "max_tokens" | "max_completion_tokens" => {}
        "messages" => {
            let messages: Vec<&RawValue> = read(value, path)?;
            for (number, message) in messages.into_iter().enumerate() {
                let place = || format!("messages[{number}]");
                let message: MessageIn<'_> = read(message.get().as_bytes(), place)?;
                call.messages.push(message.neutral().ok_or_else(|| wrong(place()))?);
            }
        }
        "tools" => {
            let tools: Vec<&RawValue> = read(value, path)?;
            for (number, tool) in tools.into_iter().enumerate() {
                let tool: ToolIn<'_> = read(tool.get().as_bytes(), || format!("tools[{number}]"))?;
                call.tools.push(tool.function.neutral());
            }
        }
        "tool_choice" => {
            let choice: ToolChoiceIn = read(value, path)?;
            call.tool_choice = Some(choice.neutral().ok_or_else(|| wrong(path()))?);
        }
        "response_format" => {
            let format: FormatIn<'_> = read(value, path)?;
            p.response_format = Some(format.neutral().ok_or_else(|| wrong(path()))?);
        }
        "stop" => {
            p.stop = match read(value, path)? {
                OneOrMany::One(text) => vec![text],
                OneOrMany::Many(texts) => texts,
            }
        }
        "temperature" => p.temperature = Some(read(value, path)?),
        "top_p" => p.top_p = Some(read(value, path)?),
        "frequency_penalty" => p.frequency_penalty = Some(read(value, path)?),
        "presence_penalty" => p.presence_penalty = Some(read(value, path)?),
        "seed" => p.seed = Some(read(value, path)?),
        "n" => p.n = Some(read(value, path)?),
        "logprobs" => p.logprobs = Some(read(value, path)?),
        "top_logprobs" => p.top_logprobs = Some(read(value, path)?),
        "reasoning_effort" => p.reasoning_effort = Some(read(value, path)?),
        "parallel_tool_calls" => call.parallel_tool_calls = Some(read(value, path)?),
        "user" => call.user = Some(read(value, path)?),
        unknown => call.cannot_carry(unknown),
    }
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
struct MessageIn<'a> {
    role: String,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    name: Option<String>,
    tool_call_id: Option<String>,
    tool_calls: Option<Vec<ToolCallIn>>,
    refusal: Option<String>,
}

#[derive(Deserialize)]
struct ToolCallIn {
    id: String,
    function: CalledIn,
}

#[derive(Deserialize)]
struct CalledIn {
    name: String,
    arguments: String,
}

#[derive(Deserialize)]
struct PartIn {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    refusal: Option<String>,
    image_url: Option<ImageUrlIn>,
    file: Option<FileIn>,
    input_audio: Option<AudioIn>,
}

#[derive(Deserialize)]
struct FileIn {
    file_data: Option<String>,
    filename: Option<String>,
}

#[derive(Deserialize)]
struct AudioIn {
    data: String,
    format: String,
}

#[derive(Deserialize)]
struct ImageUrlIn {
    url: String,
    detail: Option<String>,
}

#[derive(Deserialize)]
struct ToolIn<'a> {
    #[serde(borrow)]
    function: FunctionIn<'a>,
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
    Named { function: NamedIn },
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

impl MessageIn<'_> {
    fn neutral(self) -> Option<Message> {
        let mut content = match self.content.map(RawValue::get) {
            None | Some("null") => Vec::new(),
            Some(text) if text.starts_with('"') => vec![Part::Text(serde_json::from_str(text).ok()?)],
            Some(parts) => {
                let parts: Vec<&RawValue> = serde_json::from_str(parts).ok()?;
                parts.into_iter().map(part).collect::<Option<_>>()?
            }
        };
        content.extend(self.refusal.map(Part::Refusal));
        let calls = self.tool_calls.unwrap_or_default().into_iter();
        let tool_calls = calls.map(|ToolCallIn { id, function: CalledIn { name, arguments } }| ToolCall {
            id,
            name,
            arguments,
        });
        Some(Message {
            role: Role::parse(&self.role)?,
            content,
            tool_calls: tool_calls.collect(),
            tool_call_id: self.tool_call_id,
            tool_failed: false,
            name: self.name,
        })
    }
}

fn part(raw: &RawValue) -> Option<Part> {
    let PartIn { kind, text, refusal, image_url, file, input_audio } =
        serde_json::from_str(raw.get()).ok()?;
    match &*kind {
        "text" => text.map(Part::Text),
        "refusal" => refusal.map(Part::Refusal),
        "image_url" => image_url.map(|ImageUrlIn { url, detail }| Part::Image { url, detail }),
        // A file by its id is one of the provider's own.
        "file" => Some(match file? {
            FileIn { file_data: Some(url), filename: name } => Part::File { url, name },
            FileIn { file_data: None, .. } => other(raw),
        }),
        "input_audio" => input_audio.map(|AudioIn { data, format }| Part::Audio { data, format }),
        _ => Some(other(raw)),
    }
}

fn other(raw: &RawValue) -> Part {
    Part::Other(Raw { dialect: Dialect::Chat, json: Json::from(raw) })
}

impl FunctionIn<'_> {
    fn neutral(self) -> Tool {
        Tool {
            name: self.name,
            description: self.description,
            schema: self.parameters.map(Json::from),
            strict: self.strict,
        }
    }
}

impl ToolChoiceIn {
    fn neutral(self) -> Option<ToolChoice> {
        match self {
            Self::Named { function } => Some(ToolChoice::Named(function.name)),
            Self::Word(word) => match &*word {
                "auto" => Some(ToolChoice::Auto),
                "none" => Some(ToolChoice::None),
                "required" => Some(ToolChoice::Required),
                _ => None,
            },
        }
    }
}

impl FormatIn<'_> {
    fn neutral(self) -> Option<ResponseFormat> {
        match &*self.kind {
            "text" => Some(ResponseFormat::Text),
            "json_object" => Some(ResponseFormat::JsonObject),
            "json_schema" => self.json_schema.map(Json::from).map(ResponseFormat::JsonSchema),
            _ => None,
        }
    }
}
