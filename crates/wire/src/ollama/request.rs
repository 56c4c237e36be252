//! The neutral request as a body of this API.
//!
//! Not sent: `user`, a participant's `name` and an image's `detail`, which are words to a provider about the call and
//! not wishes about the answer; and thoughts with a seal, which are another provider's. A thought without one goes back:
//! a model that is in the middle of its tool calls wants to know what it was up to.
//!
//! Results of one round go in the order of their calls: servers that do not know ids have nothing else to tell two
//! calls of one function apart by.

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::call::{
    Call, Message, Parameters, Part, Reasoning, ResponseFormat, Role, Tool, ToolCall, ToolChoice, data_url,
};
use crate::json::{MAX_DEPTH, write_json};
use crate::provider::Uncarried;

pub(super) fn encode(call: &Call, model: &str) -> Result<Bytes, Uncarried> {
    if let Some(member) = call.uncarried.first() {
        return Err(Uncarried::new(member.clone()));
    }
    if call.begins_answer() {
        return Err(Uncarried::new("messages"));
    }
    let body = Body {
        model,
        messages: messages(&call.messages)?,
        tools: tools(call)?,
        format: call.parameters.response_format.as_ref().map(format).transpose()?.flatten(),
        think: think(&call.parameters)?,
        options: options(&call.parameters)?,
        stream: call.stream,
    };
    let texts = body.messages.iter().map(MessageOut::len);
    let mut out = BytesMut::with_capacity(texts.sum::<usize>() + 64 * body.messages.len() + 512);
    write_json(&mut out, &body);
    Ok(out.freeze())
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<MessageOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    think: Option<Think>,
    #[serde(skip_serializing_if = "Options::are_default")]
    options: Options<'a>,
    /// The server's default is true.
    stream: bool,
}

#[derive(Serialize)]
struct MessageOut<'a> {
    role: &'static str,
    content: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    thinking: Cow<'a, str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCallOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

impl MessageOut<'_> {
    /// Bytes of its texts and images.
    fn len(&self) -> usize {
        self.content.len() + self.thinking.len() + self.images.iter().map(|image| image.len()).sum::<usize>()
    }
}

/// The id is for servers that know it, since 0.12.10; older ones tell results apart by name and order.
#[derive(Serialize)]
struct ToolCallOut<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
    function: Called<'a>,
}

#[derive(Serialize)]
struct Called<'a> {
    name: &'a str,
    arguments: &'a RawValue,
}

#[derive(Serialize)]
struct ToolOut<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    parameters: Schema<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Schema<'a> {
    Given(&'a RawValue),
    /// Of a function without parameters: the member is required.
    Empty {
        #[serde(rename = "type")]
        kind: &'static str,
        properties: Nothing,
    },
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
#[serde(untagged)]
enum Format<'a> {
    Word(&'static str),
    Schema(&'a RawValue),
}

#[derive(Serialize)]
#[serde(untagged)]
enum Think {
    Flag(bool),
    Level(&'static str),
}

#[derive(Default, PartialEq, Serialize)]
struct Options<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    num_predict: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
}

impl Options<'_> {
    fn are_default(&self) -> bool {
        *self == Self::default()
    }
}

fn messages(messages: &[Message]) -> Result<Vec<MessageOut<'_>>, Uncarried> {
    let mut calls = Calls::default();
    let mut out = Vec::with_capacity(messages.len());
    for round in messages.chunk_by(|a, b| a.role == Role::Tool && b.role == Role::Tool) {
        calls.note(round);
        let mut round: Vec<_> = round.iter().collect();
        round.sort_by_key(|message| calls.answered_by(message).map_or(usize::MAX, |called| called.number));
        for message in round {
            out.push(message_out(message, &calls)?);
        }
    }
    Ok(out)
}

/// The calls so far, by their ids: an id stands for the last that had it.
#[derive(Default)]
struct Calls<'a> {
    by_id: HashMap<&'a str, Noted<'a>>,
    count: usize,
}

#[derive(Clone, Copy)]
struct Noted<'a> {
    name: &'a str,
    /// Its place among all calls.
    number: usize,
}

impl<'a> Calls<'a> {
    fn note(&mut self, messages: &'a [Message]) {
        for call in messages.iter().flat_map(|message| &message.tool_calls) {
            self.by_id.insert(&call.id, Noted { name: &call.name, number: self.count });
            self.count += 1;
        }
    }

    fn answered_by(&self, message: &Message) -> Option<Noted<'a>> {
        self.by_id.get(message.tool_call_id.as_deref()?).copied()
    }
}

/// That a tool failed is said by its content alone.
fn message_out<'a>(message: &'a Message, calls: &Calls<'a>) -> Result<MessageOut<'a>, Uncarried> {
    let role = match message.role {
        Role::System | Role::Developer => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool | Role::Function => "tool",
    };
    let mut out = MessageOut {
        role,
        content: Cow::default(),
        thinking: Cow::default(),
        images: Vec::new(),
        tool_calls: message.tool_calls.iter().map(tool_call).collect::<Result<_, _>>()?,
        tool_name: None,
        tool_call_id: message.tool_call_id.as_deref(),
    };
    if role == "tool" {
        out.tool_name = calls.answered_by(message).map(|called| called.name).or(message.name.as_deref());
    }
    if message.fails_silently() {
        out.content = Message::TOOL_FAILED.into();
        return Ok(out);
    }
    for part in &message.content {
        match part {
            Part::Text(text) | Part::Refusal(text) => out.content += text.as_str(),
            Part::Image { url, .. } => out.images.push(image(url)?),
            Part::Reasoning(Reasoning { text, signature: None }) => out.thinking += text.as_str(),
            Part::Reasoning(_) => {}
            Part::File { .. } => return Err(Uncarried::new("file")),
            Part::Audio { .. } => return Err(Uncarried::new("input_audio")),
            Part::Other(raw) => return Err(Uncarried::new(raw.kind())),
        }
    }
    Ok(out)
}

/// The data of an image; the server fetches none.
fn image(url: &str) -> Result<&str, Uncarried> {
    let (media, data) = data_url(url).ok_or(Uncarried::new("image_url"))?;
    if media.starts_with("image/") { Ok(data) } else { Err(Uncarried::new("image_url")) }
}

/// Nesting of arguments, which were a text, so that the whole body is within [`MAX_DEPTH`].
const MAX_ARGUMENTS_DEPTH: u32 = MAX_DEPTH - 6;

fn tool_call(call: &ToolCall) -> Result<ToolCallOut<'_>, Uncarried> {
    let arguments = call.object(MAX_ARGUMENTS_DEPTH).ok_or(Uncarried::new("tool_calls"))?;
    Ok(ToolCallOut { id: &call.id, function: Called { name: &call.name, arguments } })
}

/// What the model may call. Where it must not call, it is not told of any tool: calls and results of earlier turns
/// are understood without, as the reference shows.
fn tools(call: &Call) -> Result<Vec<ToolOut<'_>>, Uncarried> {
    match call.tool_choice {
        Some(ToolChoice::None) => return Ok(Vec::new()),
        Some(ToolChoice::Required | ToolChoice::Named(_)) => return Err(Uncarried::new("tool_choice")),
        None | Some(ToolChoice::Auto) => {}
    }
    if !call.tools.is_empty() && call.parallel_tool_calls == Some(false) {
        return Err(Uncarried::new("parallel_tool_calls"));
    }
    call.tools.iter().map(tool).collect()
}

fn tool(tool: &Tool) -> Result<ToolOut<'_>, Uncarried> {
    if tool.strict == Some(true) {
        return Err(Uncarried::new("tools"));
    }
    let parameters = match &tool.schema {
        Some(schema) => Schema::Given(schema.raw()),
        None => Schema::Empty { kind: "object", properties: Nothing {} },
    };
    let function = Function { name: &tool.name, description: tool.description.as_deref(), parameters };
    Ok(ToolOut { kind: "function", function })
}

/// The schema alone, which the server holds the model to by grammar: always strictly.
fn format(format: &ResponseFormat) -> Result<Option<Format<'_>>, Uncarried> {
    #[derive(Deserialize)]
    struct Wrapped<'a> {
        #[serde(borrow)]
        schema: Option<&'a RawValue>,
    }
    Ok(match format {
        ResponseFormat::Text => None,
        ResponseFormat::JsonObject => Some(Format::Word("json")),
        ResponseFormat::JsonSchema(json) => {
            let Wrapped { schema } =
                serde_json::from_str(json.get()).map_err(|_| Uncarried::new("response_format"))?;
            Some(schema.map_or(Format::Word("json"), Format::Schema))
        }
    })
}

/// A level that a model does not have is its default to the server, so a model that can only think or not takes any
/// level for a yes. `minimal` has no counterpart nearer than `low`; a budget is a yes, or a no if it is nothing.
fn think(p: &Parameters) -> Result<Option<Think>, Uncarried> {
    Ok(match (p.reasoning_effort.as_deref(), p.reasoning_budget) {
        (_, Some(0)) | (Some("none"), _) => Some(Think::Flag(false)),
        (Some("minimal" | "low"), _) => Some(Think::Level("low")),
        (Some("medium"), _) => Some(Think::Level("medium")),
        (Some("high"), _) => Some(Think::Level("high")),
        (Some(_), _) => return Err(Uncarried::new("reasoning_effort")),
        (None, Some(_)) => Some(Think::Flag(true)),
        (None, None) => None,
    })
}

/// The API does have `logprobs`; neutral answers do not.
fn options(p: &Parameters) -> Result<Options<'_>, Uncarried> {
    let wishes = [
        ("n", p.n.is_some_and(|n| n != 1)),
        ("logprobs", p.logprobs == Some(true)),
        ("top_logprobs", p.top_logprobs.is_some_and(|n| n > 0)),
    ];
    if let Some((member, _)) = wishes.iter().find(|(_, wished)| *wished) {
        return Err(Uncarried::new(*member));
    }
    Ok(Options {
        num_predict: p.max_tokens,
        temperature: p.temperature,
        top_p: p.top_p,
        top_k: p.top_k,
        frequency_penalty: p.frequency_penalty,
        presence_penalty: p.presence_penalty,
        stop: &p.stop,
        seed: p.seed,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::call::{Json, Origin, Raw, Signature};
    use crate::dialect::Dialect;
    use crate::json::check;

    fn call(messages: Vec<Message>) -> Call {
        Call { messages, ..Call::default() }
    }

    fn user(part: Part) -> Message {
        Message { content: vec![part], ..Message::text(Role::User, "") }
    }

    #[track_caller]
    fn body(call: &Call) -> Value {
        serde_json::from_slice(&encode(call, "m").unwrap()).unwrap()
    }

    #[track_caller]
    fn refused(call: &Call) -> String {
        encode(call, "m").unwrap_err().member().to_owned()
    }

    #[test]
    fn whether_to_stream_is_always_said() {
        assert_eq!(body(&call(Vec::new())), json!({"model": "m", "messages": [], "stream": false}));
        assert_eq!(body(&Call { stream: true, ..Call::default() })["stream"], true);
    }

    #[test]
    fn parts_of_a_message_are_one_text_and_its_images() {
        let data = |data: &str| Part::Image { url: format!("data:image/png;base64,{data}"), detail: None };
        let parts = vec![Part::Text("a".into()), data("AAAA"), Part::Text("b".into()), data("BBBB")];
        let message = Message { content: parts, ..Message::text(Role::User, "") };
        assert_eq!(
            body(&call(vec![message]))["messages"],
            json!([{"role": "user", "content": "ab", "images": ["AAAA", "BBBB"]}])
        );
    }

    #[test]
    fn what_is_no_data_of_an_image_is_not_carried() {
        for url in ["https://x/y.png", "data:image/png,raw", "data:application/pdf;base64,AAAA", ""] {
            let image = Part::Image { url: url.into(), detail: None };
            assert_eq!(refused(&call(vec![user(image)])), "image_url", "{url}");
        }
        assert_eq!(refused(&call(vec![user(Part::File { url: "data:,".into(), name: None })])), "file");
        let audio = Part::Audio { data: String::new(), format: "wav".into() };
        assert_eq!(refused(&call(vec![user(audio)])), "input_audio");
        let other = |json: &str| {
            user(Part::Other(Raw { dialect: Dialect::Chat, json: Json::new(json.into()).unwrap() }))
        };
        assert_eq!(refused(&call(vec![other(r#"{"type":"video_url","video_url":{}}"#)])), "video_url");
        assert_eq!(refused(&call(vec![other("7")])), "content");
    }

    #[test]
    fn who_of_several_speaks_is_left_out() {
        let plain = Message::text(Role::User, "x");
        let named = Message { name: Some("ann".into()), ..plain.clone() };
        assert_eq!(body(&call(vec![named])), body(&call(vec![plain])));
    }

    #[test]
    fn an_answer_is_not_begun_for_the_model() {
        let history = call(vec![Message::text(Role::User, "x"), Message::text(Role::Assistant, "{")]);
        assert_eq!(body(&history)["messages"][1]["content"], "{");
        assert_eq!(refused(&Call { continues: true, ..history }), "messages");
    }

    #[test]
    fn a_thought_goes_back_unless_it_is_sealed_by_somebody_else() {
        let seal = |origin| Signature { origin, data: "x".into(), encrypted: false, tool_call: None };
        let thought = |text: &str, signature| Part::Reasoning(Reasoning { text: text.into(), signature });
        let parts = vec![
            thought("own", None),
            thought("foreign", Some(seal(Origin::Anthropic))),
            thought("foreign", Some(seal(Origin::Gemini))),
            Part::Text("said".into()),
        ];
        let message = Message { content: parts, ..Message::text(Role::Assistant, "") };
        assert_eq!(
            body(&call(vec![message]))["messages"],
            json!([{"role": "assistant", "content": "said", "thinking": "own"}])
        );
    }

    fn called(id: &str, name: &str, arguments: &str) -> Message {
        let tool_calls = vec![ToolCall { id: id.into(), name: name.into(), arguments: arguments.into() }];
        Message { content: Vec::new(), tool_calls, ..Message::text(Role::Assistant, "") }
    }

    fn result(id: &str, text: &str) -> Message {
        Message { tool_call_id: Some(id.into()), ..Message::text(Role::Tool, text) }
    }

    #[test]
    fn a_tool_that_failed_without_a_word_is_said_to_have_failed() {
        let content = |text, tool_failed| {
            let messages = vec![Message { tool_failed, ..result("1", text) }];
            body(&call(messages))["messages"][0]["content"].clone()
        };
        assert_eq!(content("", true), "The tool failed.");
        assert_eq!(content("no such city", true), "no such city");
        assert_eq!(content("", false), "");
    }

    #[test]
    fn a_result_names_the_function_of_the_last_call_of_its_id() {
        let messages = vec![
            called("1", "old", "{}"),
            result("1", "a"),
            called("1", "new", " "),
            result("1", "b"),
            result("2", "c"),
        ];
        let body = body(&call(messages));
        assert_eq!(
            body["messages"][0]["tool_calls"],
            json!([{"id": "1", "function": {"name": "old", "arguments": {}}}])
        );
        assert_eq!(body["messages"][2]["tool_calls"][0]["function"]["arguments"], json!({}));
        let names: Vec<_> = [1, 3, 4].iter().map(|at| &body["messages"][at]["tool_name"]).collect();
        assert_eq!(names, [&json!("old"), &json!("new"), &Value::Null]);
    }

    #[test]
    fn results_of_a_round_are_in_the_order_of_its_calls() {
        let round = |ids: [&str; 2]| {
            let mut calls = called(ids[0], "f", "{}");
            calls.tool_calls.extend(called(ids[1], "f", "{}").tool_calls);
            calls
        };
        let messages = vec![
            round(["1", "2"]),
            result("?", "unasked"),
            result("2", "second"),
            result("1", "first"),
            round(["2", "1"]),
            result("1", "second"),
            result("2", "first"),
            Message::text(Role::User, "and?"),
            result("2", "again"),
        ];
        let body = body(&call(messages));
        let said =
            body["messages"].as_array().unwrap().iter().map(|message| message["content"].as_str().unwrap());
        let said: Vec<_> = said.collect();
        assert_eq!(said, ["", "first", "second", "unasked", "", "first", "second", "and?", "again"]);
    }

    #[test]
    fn arguments_are_carried_to_the_letter_or_not_at_all() {
        let encoded =
            encode(&call(vec![called("1", "f", r#"{"n": 1.0, "n": 12345678901234567890123}"#)]), "m");
        let encoded = String::from_utf8(encoded.unwrap().to_vec()).unwrap();
        assert!(encoded.contains(r#""arguments":{"n": 1.0, "n": 12345678901234567890123}"#), "{encoded}");
        let nested = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
        let deepest = encode(&call(vec![called("1", "f", &nested(58))]), "m").unwrap();
        assert_eq!(check(&deepest, MAX_DEPTH), Ok(()));
        for arguments in ["Oslo", "[1]", "null", r#"{"a":"#, r#"{} {}"#, &nested(59)] {
            assert_eq!(refused(&call(vec![called("1", "f", arguments)])), "tool_calls", "{arguments}");
        }
    }

    fn with_tool(strict: Option<bool>) -> Call {
        let tool = Tool { name: "f".into(), description: None, schema: None, strict };
        Call { tools: vec![tool], ..Call::default() }
    }

    #[test]
    fn a_function_without_parameters_has_an_empty_schema() {
        assert_eq!(
            body(&with_tool(Some(false)))["tools"],
            json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}])
        );
    }

    #[test]
    fn what_the_choice_of_a_tool_cannot_express_is_not_carried() {
        let choose = |choice| Call { tool_choice: Some(choice), ..with_tool(Some(true)) };
        assert_eq!(refused(&choose(ToolChoice::Auto)), "tools");
        assert_eq!(refused(&choose(ToolChoice::Required)), "tool_choice");
        assert_eq!(refused(&choose(ToolChoice::Named("f".into()))), "tool_choice");
        assert_eq!(body(&choose(ToolChoice::None)).get("tools"), None);
        let single = Call { parallel_tool_calls: Some(false), ..with_tool(None) };
        assert_eq!(refused(&single), "parallel_tool_calls");
        let nothing_to_call = Call { tools: Vec::new(), ..single };
        assert_eq!(body(&nothing_to_call).get("tools"), None);
    }

    #[test]
    fn thinking_is_asked_for_in_words_that_the_server_has() {
        let think = |effort: Option<&str>, reasoning_budget| {
            let reasoning_effort = effort.map(str::to_owned);
            let parameters = Parameters { reasoning_effort, reasoning_budget, ..Parameters::default() };
            encode(&Call { parameters, ..Call::default() }, "m")
                .map(|body| serde_json::from_slice::<Value>(&body).unwrap()["think"].clone())
                .map_err(|uncarried| uncarried.member().to_owned())
        };
        assert_eq!(think(None, None), Ok(Value::Null));
        assert_eq!(think(Some("none"), Some(1024)), Ok(json!(false)));
        assert_eq!(think(Some("high"), Some(0)), Ok(json!(false)));
        assert_eq!(think(None, Some(1024)), Ok(json!(true)));
        assert_eq!(think(Some("minimal"), None), Ok(json!("low")));
        assert_eq!(think(Some("medium"), Some(1024)), Ok(json!("medium")));
        assert_eq!(think(Some("xhigh"), None), Err("reasoning_effort".to_owned()));
    }

    #[test]
    fn the_format_is_the_schema_itself() {
        let format = |format| {
            let parameters = Parameters { response_format: Some(format), ..Parameters::default() };
            Call { parameters, ..Call::default() }
        };
        let schema = |json: &str| format(ResponseFormat::JsonSchema(Json::new(json.into()).unwrap()));
        assert_eq!(
            body(&schema(r#"{"name":"n","schema":{"type":"array"}}"#))["format"],
            json!({"type": "array"})
        );
        assert_eq!(body(&schema(r#"{"name":"n"}"#))["format"], "json");
        assert_eq!(refused(&schema("7")), "response_format");
        assert_eq!(body(&format(ResponseFormat::JsonObject))["format"], "json");
        assert_eq!(body(&format(ResponseFormat::Text)).get("format"), None);
    }

    #[test]
    fn options_are_those_that_are_set() {
        let parameters = Parameters {
            max_tokens: Some(10),
            top_k: Some(40),
            seed: Some(-1),
            stop: vec!["END".into()],
            n: Some(1),
            logprobs: Some(false),
            top_logprobs: Some(0),
            ..Parameters::default()
        };
        assert_eq!(
            body(&Call { parameters, ..Call::default() })["options"],
            json!({"num_predict": 10, "top_k": 40, "stop": ["END"], "seed": -1})
        );
        let refused = |parameters| refused(&Call { parameters, ..Call::default() });
        assert_eq!(refused(Parameters { n: Some(2), ..Parameters::default() }), "n");
        assert_eq!(refused(Parameters { logprobs: Some(true), ..Parameters::default() }), "logprobs");
        assert_eq!(refused(Parameters { top_logprobs: Some(2), ..Parameters::default() }), "top_logprobs");
    }
}
