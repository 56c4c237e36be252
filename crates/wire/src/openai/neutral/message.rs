//! A message of the dialect, and what it means.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::call::{Call, Json, Message, Part, Raw, Reasoning, Role, ToolCall};
use crate::dialect::{Dialect, Refused};
use crate::openai::neutral::places::{self, note_others};
use crate::openai::neutral::{read, wrong};
use crate::openai::reasoning::{merge, read_reasoning_details};

/// The message at `place`. Its members without a neutral place are noted in `call`.
pub(super) fn read_message(call: &mut Call, raw: &RawValue, place: &str) -> Result<Message, Refused> {
    let message: MessageIn<'_> = read_raw(raw, place)?;
    let role = Role::parse(&message.role).ok_or_else(|| wrong(place.to_owned()))?;
    let assistant = role == Role::Assistant;
    let known = if assistant { places::ASSISTANT_MESSAGE } else { places::MESSAGE };
    note_others(call, raw, known, place)?;
    let thoughts = if assistant { message.thoughts() } else { Vec::new() };
    let mut content: Vec<Part> = thoughts.into_iter().map(Part::Reasoning).collect();
    match message.content.map(RawValue::get) {
        None | Some("null") => {}
        Some(text) if text.starts_with('"') => {
            content.push(Part::Text(read(text.as_bytes(), || format!("{place}.content"))?));
        }
        Some(parts) => {
            let parts: Vec<&RawValue> = read(parts.as_bytes(), || format!("{place}.content"))?;
            for (number, part) in parts.into_iter().enumerate() {
                content.push(read_part(call, part, &format!("{place}.content[{number}]"))?);
            }
        }
    }
    content.extend(message.refusal.map(Part::Refusal));
    let mut tool_calls = Vec::new();
    for (number, tool_call) in message.tool_calls.unwrap_or_default().into_iter().enumerate() {
        tool_calls.extend(read_tool_call(call, tool_call, &format!("{place}.tool_calls[{number}]"))?);
    }
    let MessageIn { name, tool_call_id, .. } = message;
    Ok(Message { role, content, tool_calls, tool_call_id, tool_failed: false, name })
}

fn read_part(call: &mut Call, raw: &RawValue, place: &str) -> Result<Part, Refused> {
    let part: PartIn<'_> = read_raw(raw, place)?;
    let missing = || wrong(place.to_owned());
    let read = match &*part.kind {
        "text" => Part::Text(part.text.ok_or_else(missing)?),
        "refusal" => Part::Refusal(part.refusal.ok_or_else(missing)?),
        "image_url" => {
            let image = part.image_url.ok_or_else(missing)?;
            let ImageUrlIn { url, detail } =
                read_all(call, image, places::IMAGE_URL, &format!("{place}.image_url"))?;
            Part::Image { url, detail }
        }
        "file" => {
            let file = part.file.ok_or_else(missing)?;
            match read_all(call, file, places::FILE, &format!("{place}.file"))? {
                FileIn { file_data: Some(url), filename: name } => Part::File { url, name },
                // A file by its id is one of the provider's own.
                FileIn { file_data: None, .. } => return Ok(other(raw)),
            }
        }
        "input_audio" => {
            let audio = part.input_audio.ok_or_else(missing)?;
            let AudioIn { data, format } =
                read_all(call, audio, places::INPUT_AUDIO, &format!("{place}.input_audio"))?;
            Part::Audio { data, format }
        }
        _ => return Ok(other(raw)),
    };
    note_others(call, raw, &["type", &part.kind], place)?;
    Ok(read)
}

fn other(raw: &RawValue) -> Part {
    Part::Other(Raw { dialect: Dialect::Chat, json: Json::from(raw) })
}

/// None for a call of a custom tool, which has no arguments but a text.
fn read_tool_call(call: &mut Call, raw: &RawValue, place: &str) -> Result<Option<ToolCall>, Refused> {
    let ToolCallIn { kind, id, function } = read_raw(raw, place)?;
    if kind.is_some_and(|kind| kind != "function") {
        call.cannot_carry(place);
        return Ok(None);
    }
    note_others(call, raw, places::TOOL_CALL, place)?;
    let missing = || wrong(place.to_owned());
    let function = function.ok_or_else(missing)?;
    let CalledIn { name, arguments } =
        read_all(call, function, places::CALLED, &format!("{place}.function"))?;
    Ok(Some(ToolCall { id: id.ok_or_else(missing)?, name, arguments }))
}

/// The object `raw`, whose members that are not `known` are noted.
fn read_all<'a, T: Deserialize<'a>>(
    call: &mut Call,
    raw: &'a RawValue,
    known: &[&str],
    place: &str,
) -> Result<T, Refused> {
    note_others(call, raw, known, place)?;
    read_raw(raw, place)
}

fn read_raw<'a, T: Deserialize<'a>>(raw: &'a RawValue, place: &str) -> Result<T, Refused> {
    read(raw.get().as_bytes(), || place.to_owned())
}

#[derive(Deserialize)]
struct MessageIn<'a> {
    role: String,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    name: Option<String>,
    tool_call_id: Option<String>,
    #[serde(borrow)]
    tool_calls: Option<Vec<&'a RawValue>>,
    refusal: Option<String>,
    #[serde(borrow)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_details: Option<&'a RawValue>,
}

impl MessageIn<'_> {
    /// What an assistant thought. Whatever else stands in these members is left out: a thought is no wish.
    fn thoughts(&self) -> Vec<Reasoning> {
        let texts = [self.reasoning_content, self.reasoning].into_iter().flatten();
        let text = texts
            .filter_map(|text| serde_json::from_str(text.get()).ok())
            .find(|text: &String| !text.is_empty());
        let details = self.reasoning_details.map_or_else(Vec::new, |raw| read_reasoning_details(raw.get()));
        merge(details, text)
    }
}

#[derive(Deserialize)]
struct ToolCallIn<'a> {
    #[serde(rename = "type")]
    kind: Option<String>,
    id: Option<String>,
    #[serde(borrow)]
    function: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct CalledIn {
    name: String,
    arguments: String,
}

#[derive(Deserialize)]
struct PartIn<'a> {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    refusal: Option<String>,
    #[serde(borrow)]
    image_url: Option<&'a RawValue>,
    #[serde(borrow)]
    file: Option<&'a RawValue>,
    #[serde(borrow)]
    input_audio: Option<&'a RawValue>,
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
