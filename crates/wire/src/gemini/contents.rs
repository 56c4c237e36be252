//! The messages of a call as contents of parts.
//!
//! There are two speakers, `user` and `model`; consecutive messages of one become one content. Results of functions
//! are the user's too, but stay in a content of their own: the API wants as many as there were calls, right behind the
//! calls. Instructions stand apart, wherever in the conversation they were given.
//!
//! A call is sealed: the model's signature of what it thought has to come back on the call it came on. Since series
//! 3 a step whose first call has none is refused (<https://ai.google.dev/gemini-api/docs/thought-signatures>), also
//! if the step is another provider's or the caller lost the signature. For those the same page has a text that stands
//! in for a signature.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::call::{Message, Origin, Part, Reasoning, Role, Signature, data_url};
use crate::gemini::thinking::Series;
use crate::json::{self, Fault, MAX_DEPTH};
use crate::provider::Uncarried;

/// Nesting of objects that were texts or stood less deep, so that the whole body is within [`MAX_DEPTH`].
pub(super) const MAX_NESTING: u32 = MAX_DEPTH - 8;

/// The documented stand-in for the signature of a call that Gemini did not make.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

#[derive(Debug, Default)]
pub(super) struct Conversation<'a> {
    pub(super) instructions: Vec<PartOut<'a>>,
    pub(super) contents: Vec<Content<'a>>,
}

impl<'a> Conversation<'a> {
    pub(super) fn of(messages: &'a [Message], series: Series) -> Result<Self, Uncarried> {
        let mut conversation = Self::default();
        let mut functions = HashMap::new();
        for message in messages {
            match message.role {
                Role::System | Role::Developer => conversation.instructions.extend(instructions(message)?),
                Role::User => conversation.push(Speaker::User, parts(message)?),
                Role::Assistant => {
                    functions.extend(message.tool_calls.iter().map(|call| (&*call.id, &*call.name)));
                    conversation.push(Speaker::Model, said(message)?);
                }
                Role::Tool | Role::Function => {
                    conversation.push(Speaker::Functions, vec![result(message, &functions, series)?]);
                }
            }
        }
        // There have to be contents: instructions alone are what the user says.
        if conversation.contents.is_empty() && !conversation.instructions.is_empty() {
            let instructions = std::mem::take(&mut conversation.instructions);
            conversation.push(Speaker::User, instructions);
        }
        if conversation.contents.is_empty() {
            return Err(Uncarried::new("messages"));
        }
        if series == Series::Levels {
            conversation.contents.iter_mut().for_each(Content::stand_in);
        }
        Ok(conversation)
    }

    fn push(&mut self, speaker: Speaker, parts: Vec<PartOut<'a>>) {
        if parts.is_empty() {
            return;
        }
        match self.contents.last_mut() {
            Some(last) if last.role == speaker => last.parts.extend(parts),
            _ => self.contents.push(Content { role: speaker, parts }),
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Content<'a> {
    role: Speaker,
    parts: Vec<PartOut<'a>>,
}

impl Content<'_> {
    /// Only the first call of a step has a signature.
    fn stand_in(&mut self) {
        if let Some(first) = self.parts.iter_mut().find(|part| part.function_call.is_some()) {
            first.thought_signature.get_or_insert(NO_SIGNATURE);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Speaker {
    #[serde(rename = "user")]
    User,
    #[serde(rename = "model")]
    Model,
    #[serde(rename = "user")]
    Functions,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PartOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    thought: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    inline_data: Option<InlineData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_data: Option<FileData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<FunctionCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_response: Option<FunctionResponse<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<&'a str>,
}

impl<'a> PartOut<'a> {
    fn text(text: &'a str) -> Self {
        Self { text: Some(text), ..Self::default() }
    }

    fn data(mime_type: impl Into<Cow<'a, str>>, data: &'a str) -> Self {
        Self { inline_data: Some(InlineData { mime_type: mime_type.into(), data }), ..Self::default() }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct InlineData<'a> {
    mime_type: Cow<'a, str>,
    data: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FileData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<&'static str>,
    file_uri: &'a str,
}

#[derive(Debug, Serialize)]
struct FunctionCall<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
    name: &'a str,
    args: &'a RawValue,
}

#[derive(Debug, Serialize)]
struct FunctionResponse<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
    name: &'a str,
    response: Response<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<PartOut<'a>>,
}

/// A function's result, which has to be an object. One with neither `output` nor `error` in it is all output.
#[derive(Debug)]
enum Response<'a> {
    Object(Cow<'a, str>),
    OutputObject(Cow<'a, str>),
    Output(Cow<'a, str>),
    Error(Cow<'a, str>),
}

/// Instructions are texts.
fn instructions(message: &Message) -> Result<Vec<PartOut<'_>>, Uncarried> {
    let parts = parts(message)?;
    if let Some(other) = message.content.iter().find(|part| !matches!(part, Part::Text(_))) {
        return Err(Uncarried::new(member(other)));
    }
    Ok(parts)
}

fn said(message: &Message) -> Result<Vec<PartOut<'_>>, Uncarried> {
    let mut parts = parts(message)?;
    let mut seals = message.content.iter().filter_map(seal_of_text);
    let text = parts.iter_mut().rfind(|part| part.text.is_some() && !part.thought);
    if let Some(text) = text {
        text.thought_signature = seals.next();
    }
    parts.extend(seals.map(|seal| PartOut { thought_signature: Some(seal), ..PartOut::text("") }));
    let seals = seals_of_calls(message);
    for call in &message.tool_calls {
        parts.push(PartOut {
            function_call: Some(FunctionCall {
                id: &call.id,
                name: &call.name,
                args: call.object(MAX_NESTING).ok_or(Uncarried::new("tool_calls"))?,
            }),
            thought_signature: seals.get(&*call.id).copied(),
            ..PartOut::default()
        });
    }
    Ok(parts)
}

fn parts(message: &Message) -> Result<Vec<PartOut<'_>>, Uncarried> {
    message.content.iter().filter_map(|part| part_out(part).transpose()).collect()
}

/// None for what says nothing here: an empty text, the thoughts of others, and a signature without a text, which
/// [`said`] puts where it stood.
fn part_out(part: &Part) -> Result<Option<PartOut<'_>>, Uncarried> {
    Ok(match part {
        Part::Text(text) | Part::Refusal(text) => Some(PartOut::text(text)).filter(|_| !text.is_empty()),
        // How closely to look, `detail`, is a hint about cost and has no counterpart that all models take.
        Part::Image { url, .. } | Part::File { url, .. } => Some(media(url, part)?),
        Part::Audio { data, format } => Some(PartOut::data(format!("audio/{format}"), data)),
        Part::Reasoning(reasoning) => thought(reasoning),
        Part::Other(_) => return Err(Uncarried::new(member(part))),
    })
}

/// A thought of Gemini's own.
fn thought(reasoning: &Reasoning) -> Option<PartOut<'_>> {
    let signature = own(reasoning).filter(|signature| signature.tool_call.is_none())?;
    (!reasoning.text.is_empty()).then(|| PartOut {
        thought: true,
        thought_signature: Some(&signature.data),
        ..PartOut::text(&reasoning.text)
    })
}

/// The signature of an answer without calls: it stood on the last of the text, or behind it.
fn seal_of_text(part: &Part) -> Option<&str> {
    let Part::Reasoning(reasoning) = part else { return None };
    let signature = own(reasoning).filter(|signature| signature.tool_call.is_none())?;
    reasoning.text.is_empty().then_some(&*signature.data)
}

/// The signatures of a message's calls, by the call's id; the first counts.
fn seals_of_calls(message: &Message) -> HashMap<&str, &str> {
    let mut seals = HashMap::new();
    for part in &message.content {
        let Part::Reasoning(reasoning) = part else { continue };
        let Some(signature) = own(reasoning) else { continue };
        if let Some(call) = signature.tool_call.as_deref() {
            seals.entry(call).or_insert(&*signature.data);
        }
    }
    seals
}

fn own(reasoning: &Reasoning) -> Option<&Signature> {
    reasoning.signature.as_ref().filter(|signature| signature.origin == Origin::Gemini)
}

/// Data goes along, and what has a public or signed address is fetched by Google
/// (<https://ai.google.dev/gemini-api/docs/file-input-methods>). Objects in Cloud Storage and files of the API itself
/// are read with our account's rights, which are not the caller's to use.
fn media<'a>(url: &'a str, part: &Part) -> Result<PartOut<'a>, Uncarried> {
    if let Some((mime_type, data)) = data_url(url) {
        return Ok(PartOut::data(mime_type, data));
    }
    if url.strip_prefix("https://").is_some_and(|rest| !is_the_apis_own(rest)) {
        let file = FileData { mime_type: mime_type(url), file_uri: url };
        return Ok(PartOut { file_data: Some(file), ..PartOut::default() });
    }
    Err(Uncarried::new(member(part)))
}

/// Whether an address, behind its scheme, is one of the API: nothing there is public.
fn is_the_apis_own(address: &str) -> bool {
    let authority = address.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    host.starts_with("generativelanguage.") && host.ends_with(".googleapis.com")
}

/// What the ending of an address says about its file, for the types that the API takes.
fn mime_type(url: &str) -> Option<&'static str> {
    const TYPES: [(&str, &str); 14] = [
        ("bmp", "image/bmp"),
        ("csv", "text/csv"),
        ("gif", "image/gif"),
        ("heic", "image/heic"),
        ("heif", "image/heif"),
        ("html", "text/html"),
        ("jpeg", "image/jpeg"),
        ("jpg", "image/jpeg"),
        ("json", "application/json"),
        ("pdf", "application/pdf"),
        ("png", "image/png"),
        ("txt", "text/plain"),
        ("webp", "image/webp"),
        ("xml", "text/xml"),
    ];
    let path = url.split(['?', '#']).next()?;
    let (_, ending) = path.rsplit('/').next()?.rsplit_once('.')?;
    TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(ending)).map(|(_, mime_type)| *mime_type)
}

fn is_object(text: &str) -> bool {
    text.trim_ascii_start().starts_with('{') && json::check(text.as_bytes(), MAX_NESTING).is_ok()
}

fn result<'a>(
    message: &'a Message,
    functions: &HashMap<&'a str, &'a str>,
    series: Series,
) -> Result<PartOut<'a>, Uncarried> {
    let id = message.tool_call_id.as_deref().unwrap_or_default();
    let name = functions.get(id).copied().or(message.name.as_deref());
    let name = name.ok_or(Uncarried::new("tool_call_id"))?;
    let mut parts = Vec::new();
    for part in &message.content {
        match part {
            Part::Text(_) | Part::Reasoning(_) => {}
            // https://ai.google.dev/gemini-api/docs/function-calling#multimodal
            Part::Image { url, .. } | Part::File { url, .. } if series == Series::Levels => {
                parts.push(media(url, part)?);
            }
            other => return Err(Uncarried::new(member(other))),
        }
    }
    let response = response(message.plain_text(), message.tool_failed);
    let response = FunctionResponse { id, name, response, parts };
    Ok(PartOut { function_response: Some(response), ..PartOut::default() })
}

fn response(text: Cow<'_, str>, failed: bool) -> Response<'_> {
    if failed {
        return Response::Error(text);
    }
    if !is_object(&text) {
        return Response::Output(text);
    }
    let mut reserved = false;
    let members: Result<(), Fault> = json::members(text.as_bytes(), |name, _| {
        reserved |= name.is("output") || name.is("error");
        Ok(())
    });
    if reserved || members.is_err() { Response::OutputObject(text) } else { Response::Object(text) }
}

/// What the chat dialect calls a part.
fn member(part: &Part) -> Cow<'static, str> {
    match part {
        Part::Text(_) => "content".into(),
        Part::Refusal(_) => "refusal".into(),
        Part::Image { .. } => "image_url".into(),
        Part::File { .. } => "file".into(),
        Part::Audio { .. } => "input_audio".into(),
        Part::Reasoning(_) => "reasoning_details".into(),
        Part::Other(raw) => raw.kind().into(),
    }
}

impl Serialize for Response<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let object = |text| serde_json::from_str::<&RawValue>(text).map_err(serde::ser::Error::custom);
        if let Self::Object(text) = self {
            return object(text)?.serialize(serializer);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Object(text) | Self::OutputObject(text) => map.serialize_entry("output", object(text)?)?,
            Self::Output(text) => map.serialize_entry("output", text)?,
            Self::Error(text) => map.serialize_entry("error", text)?,
        }
        map.end()
    }
}
