//! Reads the body of an OpenAI chat request as far as it matters here, and finds fault with it as the real
//! API would: a type, the parameter and a code.
//!
//! Null stands for absent, as in the original. Members not named here are ignored.

use std::collections::HashSet;

use super::json::Json;

pub(super) struct Request {
    pub(super) model: String,
    pub(super) messages: Vec<Message>,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    pub(super) max_tokens: Option<u64>,
    pub(super) stop: Vec<String>,
    /// How many answers, from 1.
    pub(super) choices: usize,
    pub(super) seed: Option<i64>,
    pub(super) format: Format,
    pub(super) tools: Vec<Tool>,
    pub(super) tool_choice: ToolChoice,
    pub(super) parallel_tool_calls: bool,
    /// The number of alternatives wanted beside each token, if log probabilities are.
    pub(super) logprobs: Option<usize>,
    pub(super) reasoning_effort: Option<Effort>,
}

/// How much the model is to think before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    ExtraHigh,
    Max,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// `system` and `developer` alike.
    System,
    User,
    Assistant,
    Tool,
}

pub(super) struct Message {
    pub(super) role: Role,
    /// The text parts, joined by line breaks.
    pub(super) text: String,
    pub(super) images: usize,
    /// The calls an assistant's message made.
    pub(super) calls: Vec<PastCall>,
    /// The call whose result this is.
    pub(super) answers: Option<String>,
}

pub(super) struct PastCall {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

pub(super) enum Format {
    Text,
    Object,
    Schema(Json),
}

pub(super) struct Tool {
    pub(super) name: String,
    pub(super) description: String,
    /// The JSON schema of the arguments.
    pub(super) parameters: Json,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum ToolChoice {
    None,
    Auto,
    Required,
    Named(String),
}

/// What is wrong with a request, in the members of OpenAI's error object.
#[derive(Debug)]
pub(super) struct Invalid {
    pub(super) message: String,
    pub(super) param: Option<String>,
    pub(super) code: Option<&'static str>,
}

impl Request {
    pub(super) fn read(body: &[u8]) -> Result<Self, Invalid> {
        let body = object(body)?;
        let model = model(&body)?;
        outdated(&body)?;
        let tools = tools(&body)?;
        let tool_choice = tool_choice(&body, &tools)?;
        let limit = match whole(&body, "max_completion_tokens", 1, u64::MAX)? {
            Some(limit) => Some(limit),
            None => whole(&body, "max_tokens", 1, u64::MAX)?,
        };
        let choices = whole(&body, "n", 1, 128)?.unwrap_or(1);
        Ok(Self {
            model,
            messages: messages(&body)?,
            stream: flag(&body, "stream")?.unwrap_or(false),
            include_usage: body
                .get("stream_options")
                .and_then(|options| options.get("include_usage"))
                .and_then(Json::as_bool)
                .unwrap_or(false),
            max_tokens: limit,
            stop: stop(&body)?,
            choices: usize::try_from(choices).unwrap_or(1),
            seed: body.get("seed").and_then(Json::as_i64),
            format: format(&body)?,
            tools,
            tool_choice,
            parallel_tool_calls: flag(&body, "parallel_tool_calls")?.unwrap_or(true),
            logprobs: logprobs(&body)?,
            reasoning_effort: reasoning_effort(&body)?,
        })
    }
}

/// The body of a request, which is a JSON object.
pub(super) fn object(body: &[u8]) -> Result<Json, Invalid> {
    let body: Json = serde_json::from_slice(body).map_err(|error| Invalid {
        message: format!("could not read the body of the request as JSON: {error}"),
        param: None,
        code: None,
    })?;
    if !matches!(body, Json::Map(_)) {
        return Err(Invalid {
            message: "expected the body of the request to be an object".to_owned(),
            param: None,
            code: None,
        });
    }
    Ok(body)
}

pub(super) fn model(body: &Json) -> Result<String, Invalid> {
    let model = body.get("model").ok_or_else(|| missing("model"))?;
    Ok(model.as_str().ok_or_else(|| wrong_type("model", "a string"))?.to_owned())
}

/// The forerunners of `tools` are refused, not ignored: their caller would wait in vain for a call.
fn outdated(body: &Json) -> Result<(), Invalid> {
    let forerunners =
        [("functions", "use 'tools' instead"), ("function_call", "use 'tools' and 'tool_choice' instead")];
    for (param, instead) in forerunners {
        if body.get(param).is_some() {
            return Err(Invalid {
                message: format!("Unsupported parameter: '{param}' is deprecated; {instead}."),
                param: Some(param.to_owned()),
                code: Some("unsupported_parameter"),
            });
        }
    }
    Ok(())
}

fn messages(body: &Json) -> Result<Vec<Message>, Invalid> {
    let list = body.get("messages").ok_or_else(|| missing("messages"))?;
    let list = list.as_list().ok_or_else(|| wrong_type("messages", "an array of objects"))?;
    if list.is_empty() {
        return Err(Invalid {
            message: "Invalid 'messages': expected at least one message.".to_owned(),
            param: Some("messages".to_owned()),
            code: Some("empty_array"),
        });
    }
    let mut messages: Vec<Message> = Vec::with_capacity(list.len());
    let mut asked: HashSet<String> = HashSet::new();
    for (at, json) in list.iter().enumerate() {
        let message = message(json, at)?;
        if message.role != Role::Tool {
            asked = message.calls.iter().map(|call| call.id.clone()).collect();
        }
        let orphan =
            message.role == Role::Tool && !message.answers.as_ref().is_some_and(|call| asked.contains(call));
        if orphan {
            return Err(Invalid {
                message:
                    "Invalid parameter: a message with role 'tool' must answer one of the 'tool_calls' of \
                          the assistant's message before it."
                        .to_owned(),
                param: Some(format!("messages[{at}].tool_call_id")),
                code: Some("invalid_value"),
            });
        }
        messages.push(message);
    }
    Ok(messages)
}

fn message(json: &Json, at: usize) -> Result<Message, Invalid> {
    let param = || format!("messages[{at}].role");
    let role = json.get("role").ok_or_else(|| missing(&param()))?;
    let role = match role.as_str() {
        Some("system" | "developer") => Role::System,
        Some("user") => Role::User,
        // `function` is the deprecated forerunner of `tool`: allowed, but nothing is made of it.
        Some("assistant" | "function") => Role::Assistant,
        Some("tool") => Role::Tool,
        _ => return Err(wrong_value(&param(), "'system', 'developer', 'user', 'assistant' or 'tool'")),
    };
    let mut message = Message { role, text: String::new(), images: 0, calls: Vec::new(), answers: None };
    match json.get("content") {
        Some(Json::Text(text)) => message.text.clone_from(text),
        Some(Json::List(parts)) => parts.iter().for_each(|part| read_part(part, &mut message)),
        None if role == Role::Assistant => {}
        None => return Err(missing(&format!("messages[{at}].content"))),
        Some(_) => {
            return Err(wrong_type(&format!("messages[{at}].content"), "a string or an array of parts"));
        }
    }
    for call in json.get("tool_calls").and_then(Json::as_list).unwrap_or_default() {
        let of =
            |key: &str| call.get("function").and_then(|function| function.get(key)).and_then(Json::as_str);
        message.calls.push(PastCall {
            id: call.get("id").and_then(Json::as_str).unwrap_or_default().to_owned(),
            name: of("name").unwrap_or_default().to_owned(),
            arguments: of("arguments").unwrap_or_default().to_owned(),
        });
    }
    message.answers = json.get("tool_call_id").and_then(Json::as_str).map(str::to_owned);
    Ok(message)
}

fn read_part(part: &Json, message: &mut Message) {
    match part.get("type").and_then(Json::as_str) {
        Some("image_url") => message.images += 1,
        Some("text" | "refusal") => {
            let text = part.get("text").or_else(|| part.get("refusal")).and_then(Json::as_str);
            if !message.text.is_empty() {
                message.text.push('\n');
            }
            message.text.push_str(text.unwrap_or_default());
        }
        _ => {}
    }
}

fn stop(body: &Json) -> Result<Vec<String>, Invalid> {
    let fault = || wrong_type("stop", "a string or an array of at most 4 strings");
    let stop = match body.get("stop") {
        None => Vec::new(),
        Some(Json::Text(text)) => vec![text.clone()],
        Some(Json::List(items)) if items.len() <= 4 => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(fault))
            .collect::<Result<_, Invalid>>()?,
        Some(_) => return Err(fault()),
    };
    Ok(stop.into_iter().filter(|text| !text.is_empty()).collect())
}

fn format(body: &Json) -> Result<Format, Invalid> {
    let Some(format) = body.get("response_format") else { return Ok(Format::Text) };
    match format.get("type").and_then(Json::as_str) {
        Some("text") => Ok(Format::Text),
        Some("json_object") => Ok(Format::Object),
        Some("json_schema") => {
            let schema = format.get("json_schema").and_then(|wrapper| wrapper.get("schema"));
            schema.cloned().map(Format::Schema).ok_or_else(|| missing("response_format.json_schema.schema"))
        }
        Some(_) => Err(wrong_value("response_format.type", "'text', 'json_object' or 'json_schema'")),
        None => Err(missing("response_format.type")),
    }
}

fn tools(body: &Json) -> Result<Vec<Tool>, Invalid> {
    let Some(list) = body.get("tools") else { return Ok(Vec::new()) };
    let list = list.as_list().ok_or_else(|| wrong_type("tools", "an array of objects"))?;
    let functions = list.iter().enumerate().map(|(at, tool)| {
        let function = tool.get("function").ok_or_else(|| missing(&format!("tools[{at}].function")))?;
        let name = function.get("name").and_then(Json::as_str);
        Ok(Tool {
            name: name.ok_or_else(|| missing(&format!("tools[{at}].function.name")))?.to_owned(),
            description: function.get("description").and_then(Json::as_str).unwrap_or_default().to_owned(),
            parameters: function.get("parameters").cloned().unwrap_or(Json::Map(Vec::new())),
        })
    });
    functions.collect()
}

fn tool_choice(body: &Json, tools: &[Tool]) -> Result<ToolChoice, Invalid> {
    let Some(choice) = body.get("tool_choice") else {
        return Ok(if tools.is_empty() { ToolChoice::None } else { ToolChoice::Auto });
    };
    let named = choice.get("function").and_then(|function| function.get("name")).and_then(Json::as_str);
    let choice = match (choice.as_str(), named) {
        (Some("none"), _) => return Ok(ToolChoice::None),
        (Some("auto"), _) => ToolChoice::Auto,
        (Some("required"), _) => ToolChoice::Required,
        (_, Some(name)) => ToolChoice::Named(name.to_owned()),
        _ => return Err(wrong_value("tool_choice", "'none', 'auto', 'required' or a function's name")),
    };
    if tools.is_empty() {
        return Err(Invalid {
            message: "Invalid value for 'tool_choice': it is only allowed together with 'tools'.".to_owned(),
            param: Some("tool_choice".to_owned()),
            code: None,
        });
    }
    if let ToolChoice::Named(name) = &choice
        && !tools.iter().any(|tool| &tool.name == name)
    {
        return Err(wrong_value("tool_choice.function.name", "the name of one of the 'tools'"));
    }
    Ok(choice)
}

fn logprobs(body: &Json) -> Result<Option<usize>, Invalid> {
    let top = whole(body, "top_logprobs", 0, 20)?;
    if flag(body, "logprobs")?.unwrap_or(false) {
        return Ok(Some(top.and_then(|top| usize::try_from(top).ok()).unwrap_or(0)));
    }
    match top {
        None | Some(0) => Ok(None),
        Some(_) => Err(wrong_value("top_logprobs", "'logprobs' to be true as well")),
    }
}

fn reasoning_effort(body: &Json) -> Result<Option<Effort>, Invalid> {
    let Some(effort) = body.get("reasoning_effort") else { return Ok(None) };
    Ok(Some(match effort.as_str() {
        Some("none") => Effort::None,
        Some("minimal") => Effort::Minimal,
        Some("low") => Effort::Low,
        Some("medium") => Effort::Medium,
        Some("high") => Effort::High,
        Some("xhigh") => Effort::ExtraHigh,
        Some("max") => Effort::Max,
        _ => {
            let wanted = "'none', 'minimal', 'low', 'medium', 'high', 'xhigh' or 'max'";
            return Err(wrong_value("reasoning_effort", wanted));
        }
    }))
}

fn flag(body: &Json, name: &str) -> Result<Option<bool>, Invalid> {
    let Some(value) = body.get(name) else { return Ok(None) };
    value.as_bool().map(Some).ok_or_else(|| wrong_type(name, "a boolean"))
}

pub(super) fn whole(body: &Json, name: &str, low: u64, high: u64) -> Result<Option<u64>, Invalid> {
    let Some(value) = body.get(name) else { return Ok(None) };
    let number = value.as_i64().map(|n| u64::try_from(n).unwrap_or(0)).or_else(|| value.as_u64());
    let number = number.ok_or_else(|| wrong_type(name, "an integer"))?;
    let (code, bound) = if number < low {
        ("integer_below_min_value", format!(">= {low}"))
    } else if number > high {
        ("integer_above_max_value", format!("<= {high}"))
    } else {
        return Ok(Some(number));
    };
    Err(Invalid {
        message: format!("Invalid '{name}': expected a value {bound}."),
        param: Some(name.to_owned()),
        code: Some(code),
    })
}

pub(super) fn missing(param: &str) -> Invalid {
    Invalid {
        message: format!("Missing required parameter: '{param}'."),
        param: Some(param.to_owned()),
        code: Some("missing_required_parameter"),
    }
}

pub(super) fn wrong_type(param: &str, wanted: &str) -> Invalid {
    Invalid {
        message: format!("Invalid type for '{param}': expected {wanted}."),
        param: Some(param.to_owned()),
        code: Some("invalid_type"),
    }
}

pub(super) fn wrong_value(param: &str, wanted: &str) -> Invalid {
    Invalid {
        message: format!("Invalid value for '{param}': expected {wanted}."),
        param: Some(param.to_owned()),
        code: Some("invalid_value"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(body: &str) -> (Option<String>, Option<&'static str>) {
        Request::read(body.as_bytes()).err().map(|invalid| (invalid.param, invalid.code)).expect("a fault")
    }

    #[test]
    fn a_fault_names_the_parameter() {
        let cases = [
            ("{", None, None),
            ("[]", None, None),
            (r#"{"messages":[]}"#, Some("model"), Some("missing_required_parameter")),
            (r#"{"model":"m"}"#, Some("messages"), Some("missing_required_parameter")),
            (r#"{"model":"m","messages":null}"#, Some("messages"), Some("missing_required_parameter")),
            (r#"{"model":"m","messages":"hi"}"#, Some("messages"), Some("invalid_type")),
            (r#"{"model":"m","messages":[]}"#, Some("messages"), Some("empty_array")),
            (
                r#"{"model":"m","messages":[{"role":"user"}]}"#,
                Some("messages[0].content"),
                Some("missing_required_parameter"),
            ),
            (
                r#"{"model":"m","messages":[{"role":"boss","content":""}]}"#,
                Some("messages[0].role"),
                Some("invalid_value"),
            ),
            (
                r#"{"model":"m","messages":[{"role":"user","content":""},{"role":"tool","tool_call_id":"x","content":""}]}"#,
                Some("messages[1].tool_call_id"),
                Some("invalid_value"),
            ),
        ];
        for (body, param, code) in cases {
            assert_eq!(fault(body), (param.map(str::to_owned), code), "{body}");
        }
    }

    #[test]
    fn a_parameter_out_of_range_is_a_fault() {
        let cases = [
            (r#""n":0"#, "n"),
            (r#""n":129"#, "n"),
            (r#""n":"2""#, "n"),
            (r#""max_tokens":0"#, "max_tokens"),
            (r#""max_completion_tokens":-1"#, "max_completion_tokens"),
            (r#""stop":["a","b","c","d","e"]"#, "stop"),
            (r#""stream":"yes""#, "stream"),
            (r#""top_logprobs":3"#, "top_logprobs"),
            (r#""logprobs":true,"top_logprobs":21"#, "top_logprobs"),
            (r#""tool_choice":"auto""#, "tool_choice"),
            (
                r#""tools":[{"type":"function","function":{"name":"a"}}],"tool_choice":{"type":"function","function":{"name":"b"}}"#,
                "tool_choice.function.name",
            ),
            (r#""tools":[{"type":"function","function":{}}]"#, "tools[0].function.name"),
            (r#""response_format":{"type":"xml"}"#, "response_format.type"),
            (r#""reasoning_effort":"some""#, "reasoning_effort"),
            (r#""reasoning_effort":3"#, "reasoning_effort"),
            (
                r#""response_format":{"type":"json_schema","json_schema":{"name":"x"}}"#,
                "response_format.json_schema.schema",
            ),
        ];
        for (members, param) in cases {
            let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],{members}}}"#);
            assert_eq!(fault(&body).0.as_deref(), Some(param), "{body}");
        }
    }

    #[test]
    fn the_forerunners_of_tools_are_refused_with_the_name_of_their_heir() {
        for members in [r#""functions":[{"name":"f"}]"#, r#""function_call":"auto""#] {
            let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],{members}}}"#);
            let invalid = Request::read(body.as_bytes()).err().expect("a fault");
            assert!(invalid.message.contains("use 'tools'"), "{}", invalid.message);
            assert_eq!(invalid.code, Some("unsupported_parameter"));
        }
    }

    #[test]
    fn null_stands_for_absent() {
        let body = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"n":null,"stop":null,"tools":null,
            "stream":null,"max_tokens":null,"response_format":null,"tool_choice":null,"logprobs":null,
            "functions":null,"function_call":null,"reasoning_effort":null}"#;
        let request = Request::read(body.as_bytes()).expect("a request");
        assert_eq!(request.choices, 1);
        assert_eq!(request.tool_choice, ToolChoice::None);
        assert!(!request.stream && request.max_tokens.is_none() && request.logprobs.is_none());
    }
}
