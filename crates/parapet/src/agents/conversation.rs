//! What a conversation keeps of each message, and what a model is told of it later.
//!
//! A message is an array of typed parts: `text`, the assistant's `tool_call`, the caller's `tool_result`. Thoughts that
//! a provider wants back are not content: they are kept beside it, as the message's raw blocks.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use wire::call::{Message, Part, Role, ToolCall};
use wire::gather::Gathered;

use super::Says;
use super::tools::ToolResult;
use crate::refusal::Refusal;

/// A part of a stored message.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Stored {
    Text {
        text: String,
    },
    ToolCall {
        id: String,
        name: String,
        arguments: String,
    },
    ToolResult {
        tool_call_id: String,
        content: String,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
    },
    /// Of a later version.
    #[serde(other)]
    Unknown,
}

/// What a turn begins with, as it is stored.
pub(crate) fn said(says: &Says) -> Result<Box<RawValue>, Refusal> {
    match says {
        Says::Message(message) => stored(&[Stored::Text { text: message.clone() }]),
        Says::Results(results) => {
            let part = |result: &ToolResult| Stored::ToolResult {
                tool_call_id: result.call.clone(),
                content: result.content.clone(),
                is_error: result.failed,
            };
            stored(&results.iter().map(part).collect::<Vec<_>>())
        }
    }
}

/// What a turn ends with, as it is stored: `text` may be shorter than what was gathered.
pub(crate) fn answered(text: &str, tool_calls: &[ToolCall]) -> Result<Box<RawValue>, Refusal> {
    let mut parts = Vec::with_capacity(1 + tool_calls.len());
    if !text.is_empty() || tool_calls.is_empty() {
        parts.push(Stored::Text { text: text.to_owned() });
    }
    parts.extend(tool_calls.iter().cloned().map(|ToolCall { id, name, arguments }| Stored::ToolCall {
        id,
        name,
        arguments,
    }));
    stored(&parts)
}

/// The thoughts that a later turn needs.
pub(crate) fn thoughts(gathered: &Gathered) -> Option<Box<RawValue>> {
    let signed = gathered.reasoning.iter().filter(|reasoning| reasoning.signature.is_some());
    let details = wire::openai::reasoning_details(signed)?;
    RawValue::from_string(details.get().to_owned()).ok()
}

fn stored(parts: &[Stored]) -> Result<Box<RawValue>, Refusal> {
    serde_json::value::to_raw_value(parts).map_err(|error| Refusal::internal(error.to_string()))
}

/// Appends what was said before: the latest `limit` messages, and of a round of tools that is still going on all of it.
/// What has lost its beginning by that, an answer without its question or results without their calls, is left out.
pub(crate) fn recall(history: &[store::Message], limit: u32, messages: &mut Vec<Message>) {
    let parts: Vec<Vec<Stored>> =
        history.iter().map(|past| serde_json::from_str(past.content.get()).unwrap_or_default()).collect();
    let begins = |(past, parts): (&store::Message, &Vec<Stored>)| {
        past.role == store::Role::User && !parts.iter().any(|part| matches!(part, Stored::ToolResult { .. }))
    };
    let calls = |parts: &Vec<Stored>| parts.iter().any(|part| matches!(part, Stored::ToolCall { .. }));
    let mut from = history.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
    if parts.last().is_some_and(calls) {
        from = from.min(history.iter().zip(&parts).rposition(begins).unwrap_or(from));
    }
    let recent = history.iter().zip(parts).skip(from);
    for (past, parts) in recent.skip_while(|(past, parts)| !begins((past, parts))) {
        match past.role {
            store::Role::User => recall_user(parts, messages),
            store::Role::Assistant => messages.extend(recall_answer(parts, past.raw.as_deref())),
        }
    }
}

fn recall_user(parts: Vec<Stored>, messages: &mut Vec<Message>) {
    let mut text = String::new();
    for part in parts {
        match part {
            Stored::Text { text: piece } => text.push_str(&piece),
            Stored::ToolResult { tool_call_id, content, is_error } => {
                messages.push(result_message(ToolResult { call: tool_call_id, content, failed: is_error }));
            }
            Stored::ToolCall { .. } | Stored::Unknown => {}
        }
    }
    // An answer that said nothing is kept, but some providers refuse an empty message.
    if !text.is_empty() {
        close_open_calls(messages);
        messages.push(Message::text(Role::User, text));
    }
}

fn recall_answer(parts: Vec<Stored>, raw: Option<&RawValue>) -> Option<Message> {
    let mut message = Message { content: Vec::new(), ..Message::text(Role::Assistant, "") };
    let thoughts = raw.map(|raw| wire::openai::read_reasoning_details(raw.get())).unwrap_or_default();
    message.content.extend(thoughts.into_iter().map(Part::Reasoning));
    let before = message.content.len();
    for part in parts {
        match part {
            Stored::Text { text } if !text.is_empty() => message.content.push(Part::Text(text)),
            Stored::ToolCall { id, name, arguments } => {
                let arguments = as_object(arguments);
                message.tool_calls.push(ToolCall { id, name, arguments });
            }
            Stored::Text { .. } | Stored::ToolResult { .. } | Stored::Unknown => {}
        }
    }
    (message.content.len() > before || !message.tool_calls.is_empty()).then_some(message)
}

/// Several providers take only an object as a call's arguments; what is none is wrapped as Anthropic's documentation
/// has it.
fn as_object(arguments: String) -> String {
    if is_whole(&arguments) {
        arguments
    } else {
        serde_json::json!({ "INVALID_JSON": arguments }).to_string()
    }
}

/// Whether the arguments of a call were said to their end.
fn is_whole(arguments: &str) -> bool {
    let arguments = arguments.trim();
    arguments.is_empty()
        || arguments.starts_with('{')
            && wire::json::check(arguments.as_bytes(), wire::json::MAX_DEPTH).is_ok()
}

/// Takes out the calls that were cut with the answer: nobody can run them.
pub(crate) fn drop_half_said(gathered: &mut Gathered) {
    gathered.tool_calls.retain(|call| is_whole(&call.arguments));
}

/// The calls of the last answer that have no result yet.
fn open_calls(messages: &[Message]) -> Vec<String> {
    let answered: HashSet<&str> = messages
        .iter()
        .rev()
        .take_while(|message| message.role == Role::Tool)
        .filter_map(|message| message.tool_call_id.as_deref())
        .collect();
    let asked = messages.iter().rev().find(|message| message.role != Role::Tool);
    let calls = asked.into_iter().flat_map(|message| &message.tool_calls);
    calls.filter(|call| !answered.contains(call.id.as_str())).map(|call| call.id.clone()).collect()
}

/// The caller went on without answering the last calls: the model is told so, because no provider takes a call
/// without a result.
pub(crate) fn close_open_calls(messages: &mut Vec<Message>) {
    for call in open_calls(messages) {
        let content = "The tool was not run.".to_owned();
        messages.push(result_message(ToolResult { call, content, failed: true }));
    }
}

/// Appends the results of the last answer's calls: all of them, and no others.
pub(crate) fn answer_open_calls(
    messages: &mut Vec<Message>,
    results: Vec<ToolResult>,
) -> Result<(), Refusal> {
    let mut open = open_calls(messages);
    for (index, result) in results.into_iter().enumerate() {
        let Some(place) = open.iter().position(|call| *call == result.call) else {
            let message = "no tool call of the last answer waits for this result";
            let param = format!("tool_results[{index}].tool_call_id");
            return Err(Refusal::invalid(param, message));
        };
        open.swap_remove(place);
        messages.push(result_message(result));
    }
    match open.first() {
        None => Ok(()),
        Some(call) => {
            let message = format!("the result of the tool call `{call}` is missing");
            Err(Refusal::invalid("tool_results", message).hint("send the results of all calls together"))
        }
    }
}

fn result_message(result: ToolResult) -> Message {
    Message {
        tool_call_id: Some(result.call),
        tool_failed: result.failed,
        ..Message::text(Role::Tool, result.content)
    }
}
