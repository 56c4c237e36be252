//! Messages and their content blocks in neutral form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::anthropic::foreign;
use crate::anthropic::request::neutral::{Reader, read_raw, wrong};
use crate::call::{Json, Message, Origin, Part, Raw, Reasoning, Role, Signature, ToolCall};
use crate::dialect::check::Place;
use crate::dialect::{Dialect, Refused};

/// What a content block becomes.
enum Block {
    Part(Part),
    Call(ToolCall),
    /// The message of a tool.
    Result(Message),
    /// Another provider's thought of which only our seal is left.
    Nothing,
}

impl Reader {
    /// One message; before it, one of each tool whose result it holds. Nothing of a message is none.
    pub(super) fn message(&mut self, place: &Place<'_>, raw: &RawValue) -> Result<(), Refused> {
        let MessageIn { role, content } = read_raw(raw, place)?;
        self.beyond(place, raw, &["role", "content"])?;
        let role = Role::parse(&role).ok_or_else(|| wrong(place))?;
        let mut message = said_by(role, Vec::new());
        let place = place.member("content");
        for block in self.content(&place, role, content)? {
            match block {
                Block::Part(part) => message.content.push(part),
                Block::Call(call) => message.tool_calls.push(call),
                Block::Result(result) => self.call.messages.push(result),
                Block::Nothing => {}
            }
        }
        if !message.content.is_empty() || !message.tool_calls.is_empty() {
            self.call.messages.push(message);
        }
        Ok(())
    }

    /// The content of one who neither calls tools nor hands in results.
    pub(super) fn parts(
        &mut self,
        place: &Place<'_>,
        role: Role,
        content: Option<&RawValue>,
    ) -> Result<Vec<Part>, Refused> {
        let blocks = self.content(place, role, content)?.into_iter();
        let part = |block| if let Block::Part(part) = block { Some(part) } else { None };
        Ok(blocks.filter_map(part).collect())
    }

    fn content(
        &mut self,
        place: &Place<'_>,
        role: Role,
        content: Option<&RawValue>,
    ) -> Result<Vec<Block>, Refused> {
        let Some(content) = content else { return Ok(Vec::new()) };
        if content.get().starts_with('"') {
            return Ok(vec![Block::Part(Part::Text(read_raw(content, place)?))]);
        }
        let blocks: Vec<&RawValue> = read_raw(content, place)?;
        let blocks = blocks.into_iter().enumerate();
        blocks.map(|(number, block)| self.block(&place.item(number), role, block)).collect()
    }

    fn block(&mut self, place: &Place<'_>, role: Role, raw: &RawValue) -> Result<Block, Refused> {
        let Typed { kind } = read_raw(raw, place)?;
        let known: &[&str] = match (&*kind, role) {
            // What an earlier answer cited stands beside its text.
            ("text", _) => &["type", "text", "citations"],
            ("image", _) => &["type", "source"],
            ("document", _) => &["type", "source", "title", "citations"],
            ("tool_use", Role::Assistant) => &["type", "id", "name", "input", "caller"],
            ("tool_result", Role::User) => &["type", "tool_use_id", "content", "is_error"],
            ("thinking", _) => &["type", "thinking", "signature"],
            ("redacted_thinking", _) => &["type", "data"],
            ("tool_use" | "tool_result", _) => return Err(wrong(place)),
            _ => return Ok(Block::Part(other(raw))),
        };
        self.beyond(place, raw, known)?;
        Ok(match &*kind {
            "text" => {
                let TextIn { text } = read_raw(raw, place)?;
                Block::Part(Part::Text(text))
            }
            "image" => {
                let ImageIn { source } = read_raw(raw, place)?;
                let url = source.url(place)?;
                Block::Part(url.map_or_else(|| other(raw), |url| Part::Image { url, detail: None }))
            }
            "document" => {
                let DocumentIn { source, title: name, citations } = read_raw(raw, place)?;
                if citations.is_some_and(|citations| citations.enabled == Some(true)) {
                    self.call.cannot_carry(place.member("citations"));
                }
                let url = source.url(place)?;
                Block::Part(url.map_or_else(|| other(raw), |url| Part::File { url, name }))
            }
            "tool_use" => Block::Call(self.tool_use(place, read_raw(raw, place)?)),
            "tool_result" => Block::Result(self.tool_result(place, read_raw(raw, place)?)?),
            "thinking" => {
                let ThoughtIn { thinking, signature } = read_raw(raw, place)?;
                thought(thinking, signature.unwrap_or_default(), false)
            }
            _ => {
                let RedactedIn { data } = read_raw(raw, place)?;
                thought(String::new(), data, true)
            }
        })
    }

    fn tool_use(&mut self, place: &Place<'_>, tool: ToolUseIn<'_>) -> ToolCall {
        let ToolUseIn { id, name, input, caller } = tool;
        if caller.is_some_and(|Typed { kind }| kind != "direct") {
            self.call.cannot_carry(place.member("caller"));
        }
        ToolCall { id, name, arguments: input.get().to_owned() }
    }

    fn tool_result(&mut self, place: &Place<'_>, result: ToolResultIn<'_>) -> Result<Message, Refused> {
        let content = self.parts(&place.member("content"), Role::Tool, result.content)?;
        let mut message = said_by(Role::Tool, content);
        message.tool_call_id = Some(result.tool_use_id);
        message.tool_failed = result.is_error.unwrap_or(false);
        Ok(message)
    }
}

pub(super) fn said_by(role: Role, content: Vec<Part>) -> Message {
    let tool_calls = Vec::new();
    Message { role, content, tool_calls, tool_call_id: None, tool_failed: false, name: None }
}

fn other(raw: &RawValue) -> Part {
    Part::Other(Raw { dialect: Dialect::Messages, json: Json::from(raw) })
}

/// A thought, Anthropic's own or one that we sealed.
fn thought(text: String, seal: String, encrypted: bool) -> Block {
    let signature = match seal {
        seal if seal.is_empty() => None,
        seal if seal.starts_with(foreign::MARK) => foreign::unseal(&seal),
        data => Some(Signature { origin: Origin::Anthropic, data, encrypted, tool_call: None }),
    };
    if text.is_empty() && signature.is_none() {
        return Block::Nothing;
    }
    Block::Part(Part::Reasoning(Reasoning { text, signature }))
}

#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct MessageIn<'a> {
    role: String,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct TextIn {
    text: String,
}

#[derive(Deserialize)]
struct ImageIn {
    source: SourceIn,
}

#[derive(Deserialize)]
struct DocumentIn {
    source: SourceIn,
    title: Option<String>,
    citations: Option<CitationsIn>,
}

#[derive(Deserialize)]
struct CitationsIn {
    enabled: Option<bool>,
}

#[derive(Deserialize)]
struct SourceIn {
    #[serde(rename = "type")]
    kind: String,
    media_type: Option<String>,
    data: Option<String>,
    url: Option<String>,
}

#[derive(Deserialize)]
struct ToolUseIn<'a> {
    id: String,
    name: String,
    #[serde(borrow)]
    input: &'a RawValue,
    caller: Option<Typed>,
}

#[derive(Deserialize)]
struct ToolResultIn<'a> {
    tool_use_id: String,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    is_error: Option<bool>,
}

#[derive(Deserialize)]
struct ThoughtIn {
    thinking: String,
    signature: Option<String>,
}

#[derive(Deserialize)]
struct RedactedIn {
    data: String,
}

impl SourceIn {
    /// None for what only the provider can look into: a file by its id, a document of blocks.
    fn url(self, place: &Place<'_>) -> Result<Option<String>, Refused> {
        let Self { kind, media_type, data, url } = self;
        let media_type = media_type.as_deref().unwrap_or("text/plain");
        let name = |b: u8| b.is_ascii_alphanumeric() || b"/+-._".contains(&b);
        if !media_type.bytes().all(name) {
            return Err(wrong(place));
        }
        match (&*kind, data, url) {
            ("base64", Some(data), _) => Ok(Some(format!("data:{media_type};base64,{data}"))),
            ("text", Some(text), _) => {
                Ok(Some(format!("data:{media_type};base64,{}", STANDARD.encode(text))))
            }
            ("url", _, Some(url)) => Ok(Some(url)),
            ("base64" | "text" | "url", ..) => Err(wrong(place)),
            _ => Ok(None),
        }
    }
}
