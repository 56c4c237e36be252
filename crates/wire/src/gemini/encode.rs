//! A call as a request of this API.
//!
//! What a caller wishes for and the API cannot give is refused; so is what a model's series is known to refuse. What
//! stays out without a word: the caller's name for its end user and those of participants, which ask for nothing, and
//! the name and description of a response format, which label its schema.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::call::{Call, Json, Parameters, ResponseFormat, Tool, ToolChoice};
use crate::gemini::contents::{Content, Conversation, MAX_NESTING, PartOut};
use crate::gemini::thinking::{Series, Thinking};
use crate::json;
use crate::provider::Uncarried;

/// <https://ai.google.dev/api/generate-content#generationconfig>
const MAX_STOPS: usize = 5;
const MAX_CANDIDATES: u32 = 8;

/// The body of `generateContent`.
pub(super) fn request<'a>(call: &'a Call, model: &str) -> Result<Request<'a>, Uncarried> {
    carries(call)?;
    let series = Series::of(model);
    let Conversation { instructions, contents } = Conversation::of(&call.messages, series)?;
    let answers_json = !matches!(call.parameters.response_format, None | Some(ResponseFormat::Text));
    if answers_json && may_call(call) && series != Series::Levels {
        return Err(Uncarried::new("response_format"));
    }
    Ok(Request {
        model: None,
        system_instruction: (!instructions.is_empty()).then_some(Instruction { parts: instructions }),
        contents,
        tools: Some(Declarations::from(&*call.tools)).filter(|_| !call.tools.is_empty()),
        tool_config: tool_config(call),
        generation_config: GenerationConfig::of(&call.parameters, model)?,
    })
}

/// The body of `countTokens`, in the form that counts instructions and tools as well.
pub(super) fn count<'a>(call: &'a Call, model: &str) -> Result<Count<'a>, Uncarried> {
    let request = Request { model: Some(super::name(model)), ..request(call, model)? };
    Ok(Count { generate_content_request: request })
}

fn carries(call: &Call) -> Result<(), Uncarried> {
    if let Some(member) = call.uncarried.first() {
        return Err(Uncarried::new(member.clone()));
    }
    let p = &call.parameters;
    let mut schemas = call.tools.iter().filter_map(|tool| tool.schema.as_ref());
    let deep = |schema: &Json| json::check(schema.get().as_bytes(), MAX_NESTING).is_err();
    let wishes = [
        ("messages", call.begins_answer()),
        ("tools", schemas.any(deep)),
        ("parallel_tool_calls", call.parallel_tool_calls == Some(false) && may_call(call)),
        // The API has log probabilities, but the neutral answer has no place for them.
        ("logprobs", p.logprobs == Some(true)),
        ("top_logprobs", p.top_logprobs.is_some_and(|top| top > 0)),
        ("stop", p.stop.len() > MAX_STOPS),
        ("n", p.n.is_some_and(|n| n > MAX_CANDIDATES)),
    ];
    match wishes.into_iter().find(|(_, wished)| *wished) {
        Some((member, _)) => Err(Uncarried::new(member)),
        None => Ok(()),
    }
}

fn may_call(call: &Call) -> bool {
    !call.tools.is_empty() && call.tool_choice != Some(ToolChoice::None)
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a> {
    /// Only inside [`Count`]: elsewhere the path says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Instruction<'a>>,
    contents: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<Declarations<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'a>>,
    #[serde(skip_serializing_if = "GenerationConfig::is_empty")]
    generation_config: GenerationConfig<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Count<'a> {
    generate_content_request: Request<'a>,
}

#[derive(Debug, Serialize)]
struct Instruction<'a> {
    parts: Vec<PartOut<'a>>,
}

/// A list of one tool, which is all the functions.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Declarations<'a>([Functions<'a>; 1]);

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Functions<'a> {
    function_declarations: Vec<Declaration<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Declaration<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<&'a RawValue>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig<'a> {
    function_calling_config: Calling<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Calling<'a> {
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_function_names: Option<[&'a str; 1]>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct GenerationConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_json_schema: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<Thinking>,
}

impl<'a> From<&'a [Tool]> for Declarations<'a> {
    fn from(tools: &'a [Tool]) -> Self {
        let declaration = |tool: &'a Tool| Declaration {
            name: &tool.name,
            description: tool.description.as_deref(),
            parameters_json_schema: tool.schema.as_ref().map(Json::raw),
        };
        Self([Functions { function_declarations: tools.iter().map(declaration).collect() }])
    }
}

/// None without tools, where the API refuses any. `VALIDATED` is `AUTO` with arguments that keep to their schema; in
/// `ANY` they do so anyway.
fn tool_config(call: &Call) -> Option<ToolConfig<'_>> {
    let strict = call.tools.iter().any(|tool| tool.strict == Some(true));
    let (mode, name) = match call.tool_choice.as_ref() {
        _ if call.tools.is_empty() => return None,
        None | Some(ToolChoice::Auto) if strict => ("VALIDATED", None),
        None => return None,
        Some(ToolChoice::Auto) => ("AUTO", None),
        Some(ToolChoice::None) => ("NONE", None),
        Some(ToolChoice::Required) => ("ANY", None),
        Some(ToolChoice::Named(name)) => ("ANY", Some(&**name)),
    };
    let allowed_function_names = name.map(|name| [name]);
    Some(ToolConfig { function_calling_config: Calling { mode, allowed_function_names } })
}

impl<'a> GenerationConfig<'a> {
    /// Wishes for the default are left out: many models refuse parameters that others know, at any value.
    fn of(p: &'a Parameters, model: &str) -> Result<Self, Uncarried> {
        let (response_mime_type, response_json_schema) = match &p.response_format {
            None | Some(ResponseFormat::Text) => (None, None),
            Some(ResponseFormat::JsonObject) => (Some("application/json"), None),
            Some(ResponseFormat::JsonSchema(format)) => (Some("application/json"), schema(format)?),
        };
        let seed = p.seed.map(i32::try_from).transpose().map_err(|_| Uncarried::new("seed"))?;
        Ok(Self {
            max_output_tokens: p.max_tokens,
            temperature: p.temperature,
            top_p: p.top_p,
            top_k: p.top_k,
            stop_sequences: &p.stop,
            seed,
            candidate_count: p.n.filter(|n| *n != 1),
            frequency_penalty: p.frequency_penalty.filter(|penalty| *penalty != 0.0),
            presence_penalty: p.presence_penalty.filter(|penalty| *penalty != 0.0),
            response_mime_type,
            response_json_schema,
            thinking_config: Thinking::of(p, model)?,
        })
    }

    const fn is_empty(&self) -> bool {
        matches!(
            self,
            Self {
                max_output_tokens: None,
                temperature: None,
                top_p: None,
                top_k: None,
                stop_sequences: [],
                seed: None,
                candidate_count: None,
                frequency_penalty: None,
                presence_penalty: None,
                response_mime_type: None,
                response_json_schema: None,
                thinking_config: None,
            }
        )
    }
}

/// The schema in a `json_schema` object; without one any JSON will do.
fn schema(format: &Json) -> Result<Option<&RawValue>, Uncarried> {
    #[derive(Deserialize)]
    struct Format<'a> {
        #[serde(borrow)]
        schema: Option<&'a RawValue>,
    }
    let format: Result<Format<'_>, _> = serde_json::from_str(format.get());
    format.map(|format| format.schema).map_err(|_| Uncarried::new("response_format"))
}

#[cfg(test)]
mod tests;
