//! The neutral request as a body of this dialect.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::call::{
    Call, Json, Message, Parameters, Part, Reasoning, ResponseFormat, Role, Tool, ToolCall, ToolChoice,
};
use crate::dialect::Dialect;
use crate::ids::Ids;
use crate::json::{write_json, write_str};
use crate::openai::{Flavor, MAX_CALL_ID, Thoughts, reasoning_details};
use crate::provider::Uncarried;

/// Whether everything that `call` asks has a place in this dialect. Other providers' thoughts are no wish.
///
/// # Errors
/// The first member that has none.
pub fn carries(call: &Call, flavor: Flavor) -> Result<(), Uncarried> {
    if let Some(member) = call.uncarried.first() {
        return Err(Uncarried::new(member.clone()));
    }
    if let Some(member) = without_member(&call.parameters) {
        return Err(Uncarried::new(member));
    }
    if call.begins_answer() {
        return Err(Uncarried::new("messages"));
    }
    if flavor == Flavor::OpenAi && call.parameters.stop.len() > MAX_STOPS {
        return Err(Uncarried::new("stop"));
    }
    let parts =
        call.messages.iter().flat_map(|message| message.content.iter().map(|part| (message.role, part)));
    match parts.filter_map(|(role, part)| without_place(role, part)).next() {
        Some(member) => Err(Uncarried::new(member)),
        None => Ok(()),
    }
}

/// Texts that end an answer: OpenAI takes no more.
const MAX_STOPS: usize = 4;

/// A parameter that is set, and that this dialect has no member for.
pub(super) const fn without_member(parameters: &Parameters) -> Option<&'static str> {
    if parameters.top_k.is_some() { Some("top_k") } else { None }
}

/// Anything but words has a place in a user's message only: tools, for one, answer with text here.
fn without_place(role: Role, part: &Part) -> Option<Cow<'static, str>> {
    match part {
        Part::Image { .. } if role != Role::User => Some("image_url".into()),
        Part::Audio { .. } if role != Role::User => Some("input_audio".into()),
        Part::File { url, .. } if role != Role::User || !url.starts_with("data:") => Some("file".into()),
        Part::Other(raw) if raw.dialect != Dialect::Chat => Some(raw.kind().into()),
        _ => None,
    }
}

/// A chat request. With `want_usage` a stream is asked to report its usage.
#[must_use]
pub fn encode(call: &Call, model: &str, flavor: Flavor, want_usage: bool) -> Bytes {
    let texts = call.messages.iter().flat_map(|message| &message.content).map(|part| match part {
        Part::Text(text) => text.len(),
        _ => 128,
    });
    let mut out = BytesMut::with_capacity(texts.sum::<usize>() + 64 * call.messages.len() + 512);
    out.extend_from_slice(b"{\"model\":");
    write_str(&mut out, model);
    out.extend_from_slice(b",\"messages\":");
    let mut ids = match flavor {
        Flavor::OpenAi => Some(Ids::new(MAX_CALL_ID)),
        // What ids they take is unknown, so they get their own back.
        Flavor::Compatible(_) => None,
    };
    let messages: Vec<_> = call
        .messages
        .iter()
        .map(|message| MessageOut::of(message, ids.as_mut(), flavor.thoughts()))
        .collect();
    write_json(&mut out, &messages);
    if !call.tools.is_empty() {
        write_member(&mut out, "tools", &call.tools.iter().map(ToolOut::from).collect::<Vec<_>>());
    }
    if let Some(choice) = &call.tool_choice {
        write_member(&mut out, "tool_choice", &ToolChoiceOut::from(choice));
    }
    if let Some(parallel) = call.parallel_tool_calls {
        write_member(&mut out, "parallel_tool_calls", &parallel);
    }
    for (name, value) in parameter_members(&call.parameters, flavor) {
        out.extend_from_slice(b",");
        write_str(&mut out, name);
        out.extend_from_slice(b":");
        out.extend_from_slice(&value);
    }
    if let Some(user) = &call.user {
        write_member(&mut out, "user", user);
    }
    if call.stream {
        write_member(&mut out, "stream", &true);
    }
    if call.stream && want_usage {
        write_member(&mut out, "stream_options", &StreamOptions { include_usage: true });
    }
    out.extend_from_slice(b"}");
    out.freeze()
}

/// The parameters that are set: names and values of members.
pub(super) fn parameter_members(parameters: &Parameters, flavor: Flavor) -> Vec<(&'static str, BytesMut)> {
    let p = parameters;
    let stop = Some(&p.stop).filter(|stop| !stop.is_empty());
    let format = p.response_format.as_ref().map(FormatOut::from);
    let effort = p.reasoning_effort.as_deref().or_else(|| p.reasoning_budget.and_then(effort));
    let members = [
        value(flavor.max_tokens(), p.max_tokens),
        value("temperature", p.temperature),
        value("top_p", p.top_p),
        value("frequency_penalty", p.frequency_penalty),
        value("presence_penalty", p.presence_penalty),
        value("stop", stop),
        value("seed", p.seed),
        value("n", p.n),
        value("response_format", format),
        value("logprobs", p.logprobs),
        value("top_logprobs", p.top_logprobs),
        value("reasoning_effort", effort),
    ];
    members.into_iter().flatten().collect()
}

/// The word for a budget of tokens, by the table with which Google serves this dialect
/// (<https://ai.google.dev/gemini-api/docs/openai>, thinking): 1,024 tokens are low, 8,192 medium. No budget is the default
/// of the dialect it comes from, and here a word that models without thoughts refuse: it is left unsaid.
const fn effort(budget: u64) -> Option<&'static str> {
    match budget {
        0 => None,
        1..=1024 => Some("low"),
        1025..=8192 => Some("medium"),
        _ => Some("high"),
    }
}

fn value(name: &'static str, value: Option<impl Serialize>) -> Option<(&'static str, BytesMut)> {
    let mut text = BytesMut::new();
    write_json(&mut text, &value?);
    Some((name, text))
}

fn write_member(out: &mut BytesMut, name: &str, value: &(impl Serialize + ?Sized)) {
    out.extend_from_slice(b",");
    write_str(out, name);
    out.extend_from_slice(b":");
    write_json(out, value);
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct MessageOut<'a> {
    role: &'static str,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCallOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_details: Option<Json>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    /// What a message with nothing but tool calls has.
    Null,
    Text(&'a str),
    Parts(Vec<PartOut<'a>>),
}

#[derive(Serialize)]
#[serde(untagged)]
enum PartOut<'a> {
    Text {
        #[serde(rename = "type")]
        kind: &'static str,
        text: &'a str,
    },
    Refusal {
        #[serde(rename = "type")]
        kind: &'static str,
        refusal: &'a str,
    },
    Image {
        #[serde(rename = "type")]
        kind: &'static str,
        image_url: ImageUrl<'a>,
    },
    File {
        #[serde(rename = "type")]
        kind: &'static str,
        file: File<'a>,
    },
    Audio {
        #[serde(rename = "type")]
        kind: &'static str,
        input_audio: Audio<'a>,
    },
    Other(&'a RawValue),
}

#[derive(Serialize)]
struct File<'a> {
    file_data: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<&'a str>,
}

#[derive(Serialize)]
struct Audio<'a> {
    data: &'a str,
    format: &'a str,
}

#[derive(Serialize)]
struct ImageUrl<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

#[derive(Serialize)]
struct ToolCallOut<'a> {
    id: Cow<'a, str>,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Called<'a>,
}

#[derive(Serialize)]
struct Called<'a> {
    name: &'a str,
    arguments: &'a str,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ToolChoiceOut<'a> {
    Word(&'static str),
    Named {
        #[serde(rename = "type")]
        kind: &'static str,
        function: Named<'a>,
    },
}

#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct FormatOut<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    json_schema: Option<&'a RawValue>,
}

impl<'a> MessageOut<'a> {
    fn of(message: &'a Message, mut ids: Option<&mut Ids<'a>>, thoughts: Thoughts) -> Self {
        let parts: Vec<_> = message.content.iter().filter_map(PartOut::of).collect();
        let content = match parts.as_slice() {
            _ if message.fails_silently() => Content::Text(Message::TOOL_FAILED),
            [] if message.tool_calls.is_empty() => Content::Text(""),
            [] => Content::Null,
            [PartOut::Text { text, .. }] => Content::Text(text),
            _ => Content::Parts(parts),
        };
        let result = |id: &'a str| ids.as_mut().map_or(Cow::Borrowed(id), |ids| ids.of_result(id));
        let tool_call_id = message.tool_call_id.as_deref().map(result);
        let call = |call: &'a ToolCall| ToolCallOut {
            id: ids.as_mut().map_or(Cow::Borrowed(&*call.id), |ids| ids.of_call(&call.id)),
            kind: "function",
            function: Called { name: &call.name, arguments: &call.arguments },
        };
        let tool_calls = message.tool_calls.iter().map(call).collect();
        let reasoning = || {
            message.content.iter().filter_map(|part| match part {
                Part::Reasoning(thought) => Some(thought),
                _ => None,
            })
        };
        let (reasoning_content, reasoning_details) = match thoughts {
            Thoughts::None | Thoughts::Unknown => (None, None),
            Thoughts::Text => (text_of(reasoning()), None),
            Thoughts::Details => (None, reasoning_details(reasoning())),
        };
        Self {
            role: message.role.as_str(),
            content,
            name: message.name.as_deref(),
            tool_call_id,
            tool_calls,
            reasoning_content,
            reasoning_details,
        }
    }
}

/// What people were shown of the thoughts; none if that is nothing.
fn text_of<'a>(thoughts: impl Iterator<Item = &'a Reasoning>) -> Option<String> {
    let text: String = thoughts.map(|thought| thought.text.as_str()).collect();
    (!text.is_empty()).then_some(text)
}

impl<'a> PartOut<'a> {
    /// None for a thought, which is no content here.
    fn of(part: &'a Part) -> Option<Self> {
        Some(match part {
            Part::Text(text) => Self::Text { kind: "text", text },
            Part::Refusal(refusal) => Self::Refusal { kind: "refusal", refusal },
            Part::Image { url, detail } => {
                Self::Image { kind: "image_url", image_url: ImageUrl { url, detail: detail.as_deref() } }
            }
            Part::File { url, name } => {
                Self::File { kind: "file", file: File { file_data: url, filename: name.as_deref() } }
            }
            Part::Audio { data, format } => {
                Self::Audio { kind: "input_audio", input_audio: Audio { data, format } }
            }
            Part::Reasoning(_) => return None,
            Part::Other(raw) => Self::Other(raw.json.raw()),
        })
    }
}

impl<'a> From<&'a Tool> for ToolOut<'a> {
    fn from(tool: &'a Tool) -> Self {
        let function = Function {
            name: &tool.name,
            description: tool.description.as_deref(),
            parameters: tool.schema.as_ref().map(crate::call::Json::raw),
            strict: tool.strict,
        };
        Self { kind: "function", function }
    }
}

impl<'a> From<&'a ToolChoice> for ToolChoiceOut<'a> {
    fn from(choice: &'a ToolChoice) -> Self {
        match choice {
            ToolChoice::Auto => Self::Word("auto"),
            ToolChoice::None => Self::Word("none"),
            ToolChoice::Required => Self::Word("required"),
            ToolChoice::Named(name) => Self::Named { kind: "function", function: Named { name } },
        }
    }
}

impl<'a> From<&'a ResponseFormat> for FormatOut<'a> {
    fn from(format: &'a ResponseFormat) -> Self {
        let (kind, json_schema) = match format {
            ResponseFormat::Text => ("text", None),
            ResponseFormat::JsonObject => ("json_object", None),
            ResponseFormat::JsonSchema(schema) => ("json_schema", Some(schema.raw())),
        };
        Self { kind, json_schema }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Reasoning;

    fn encoded(call: &Call) -> serde_json::Value {
        serde_json::from_slice(&encode(call, "m", Flavor::OpenAi, false)).unwrap()
    }

    #[test]
    fn a_budget_is_told_as_the_effort_that_needs_it() {
        let effort = |effort: Option<&str>, reasoning_budget| {
            let reasoning_effort = effort.map(str::to_owned);
            let parameters = Parameters { reasoning_effort, reasoning_budget, ..Parameters::default() };
            encoded(&Call { parameters, ..Call::default() })["reasoning_effort"].clone()
        };
        for (budget, word) in [(1, "low"), (1024, "low"), (1025, "medium"), (8192, "medium"), (8193, "high")]
        {
            assert_eq!(effort(None, Some(budget)), word);
        }
        assert_eq!(effort(Some("minimal"), Some(9000)), "minimal");
        assert!(effort(None, None).is_null());
        assert!(effort(None, Some(0)).is_null());
        assert_eq!(effort(Some("none"), None), "none");
    }

    #[test]
    fn openai_takes_four_stop_texts() {
        let stop = |texts| Call {
            parameters: Parameters { stop: vec!["x".to_owned(); texts], ..Parameters::default() },
            ..Call::default()
        };
        let compatible = Flavor::Compatible(Thoughts::None);
        assert_eq!(carries(&stop(4), Flavor::OpenAi), Ok(()));
        assert_eq!(carries(&stop(5), Flavor::OpenAi), Err(Uncarried::new("stop")));
        assert_eq!(carries(&stop(5), compatible), Ok(()));
    }

    #[test]
    fn a_tool_that_failed_without_a_word_is_said_to_have_failed() {
        let content = |content: &str, tool_failed| {
            let answer = Message { tool_failed, ..Message::text(Role::Tool, content) };
            let call = Call { messages: vec![answer.clone()], ..Call::default() };
            let mut empty = answer;
            empty.content.retain(|part| *part != Part::Text(String::new()));
            let without = encoded(&Call { messages: vec![empty], ..Call::default() });
            let with = encoded(&call)["messages"][0]["content"].clone();
            assert_eq!(without["messages"][0]["content"], with);
            with
        };
        assert_eq!(content("", true), "The tool failed.");
        assert_eq!(content("no such city", true), "no such city");
        assert_eq!(content("", false), "");
    }

    #[test]
    fn openai_is_sent_ids_that_it_takes_and_everybody_else_their_own() {
        let long = "x".repeat(41);
        let ids = ["call_1", &*long, "functions.look:0", "call_1"];
        let mut messages = Vec::new();
        for id in ids {
            let call = ToolCall { id: id.into(), name: "look".into(), arguments: "{}".into() };
            let asks = Message { content: Vec::new(), ..Message::text(Role::Assistant, "") };
            messages.push(Message { tool_calls: vec![call], ..asks });
            messages.push(Message { tool_call_id: Some(id.into()), ..Message::text(Role::Tool, "seen") });
        }
        let call = Call { messages, ..Call::default() };
        let sent = |flavor| -> Vec<String> {
            let body: serde_json::Value = serde_json::from_slice(&encode(&call, "m", flavor, false)).unwrap();
            let messages = body["messages"].as_array().unwrap();
            let pairs = messages.chunks(2).map(|pair| {
                assert_eq!(pair[0]["tool_calls"][0]["id"], pair[1]["tool_call_id"]);
                pair[1]["tool_call_id"].as_str().unwrap().to_owned()
            });
            pairs.collect()
        };
        assert_eq!(sent(Flavor::Compatible(Thoughts::Unknown)), ids);
        let mut sent = sent(Flavor::OpenAi);
        assert_eq!(sent[0], "call_1");
        assert!(sent.iter().all(|id| crate::ids::is_word(id, MAX_CALL_ID)), "{sent:?}");
        sent.sort_unstable();
        assert!(sent.is_sorted_by(|a, b| a < b), "{sent:?}");
    }

    #[test]
    fn a_thought_goes_where_a_host_has_a_place_for_it() {
        let signature = crate::call::Signature {
            origin: crate::call::Origin::Anthropic,
            data: "S".into(),
            encrypted: false,
            tool_call: None,
        };
        let mut asks = Message::text(Role::Assistant, "");
        asks.content = [("Hm", None), (".", Some(signature))]
            .map(|(text, signature)| Part::Reasoning(Reasoning { text: text.into(), signature }))
            .into();
        asks.tool_calls.push(ToolCall { id: "c".into(), name: "f".into(), arguments: "{}".into() });
        let call = Call { messages: vec![asks], ..Call::default() };
        let sent = |kind| {
            let body = crate::provider::kind(kind).unwrap().codec.chat(&call, "m").unwrap();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let message = &body["messages"][0];
            (message["reasoning_content"].clone(), message["reasoning_details"].clone())
        };
        let none = serde_json::Value::Null;
        for kind in ["openai", "groq", "mistral", "openai-compatible"] {
            assert_eq!(sent(kind), (none.clone(), none.clone()), "{kind}");
        }
        for kind in ["deepseek", "vllm"] {
            assert_eq!(sent(kind), ("Hm.".into(), none.clone()), "{kind}");
        }
        let details = serde_json::json!([
            {"type": "reasoning.text", "text": "Hm", "index": 0},
            {"type": "reasoning.text", "text": ".", "signature": "S", "format": "anthropic-claude-v1", "index": 1},
        ]);
        assert_eq!(sent("openrouter"), (none, details));
    }

    #[test]
    fn thoughts_are_left_out_and_change_nothing_else() {
        let mut message = Message::text(Role::Assistant, "Hi");
        message.content.insert(0, Part::Reasoning(Reasoning { text: "Hm".into(), signature: None }));
        let call = Call { messages: vec![message.clone()], ..Call::default() };
        assert_eq!(carries(&call, Flavor::OpenAi), Ok(()));
        assert_eq!(encoded(&call)["messages"][0], serde_json::json!({"role": "assistant", "content": "Hi"}));
        message.content.truncate(1);
        assert_eq!(
            encoded(&Call { messages: vec![message], ..Call::default() })["messages"][0]["content"],
            ""
        );
    }

    #[test]
    fn what_only_a_user_may_show_is_named_elsewhere() {
        let named = |role, part| {
            let message = Message { content: vec![part], ..Message::text(role, "") };
            let call = Call { messages: vec![message], ..Call::default() };
            carries(&call, Flavor::OpenAi).err().map(|uncarried| uncarried.member().to_owned())
        };
        let image = || Part::Image { url: "https://x/y.png".into(), detail: None };
        let file = |url: &str| Part::File { url: url.into(), name: None };
        let audio = || Part::Audio { data: "eA==".into(), format: "wav".into() };
        assert_eq!(named(Role::User, image()), None);
        assert_eq!(named(Role::User, file("data:text/plain;base64,eA==")), None);
        assert_eq!(named(Role::User, audio()), None);
        assert_eq!(named(Role::User, file("https://x/y.pdf")).as_deref(), Some("file"));
        assert_eq!(named(Role::Tool, image()).as_deref(), Some("image_url"));
        assert_eq!(named(Role::Tool, file("data:text/plain;base64,eA==")).as_deref(), Some("file"));
        assert_eq!(named(Role::Assistant, audio()).as_deref(), Some("input_audio"));
    }
}
