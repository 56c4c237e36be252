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
#[derive(Deserialize, Serialize)]
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

/// Appends what was said before. The window of history may begin between a call and its result: what has lost its
/// beginning is left out.
pub(crate) fn recall(history: &[store::Message], messages: &mut Vec<Message>) {
    let mut begun = false;
    for past in history {
        let parts: Vec<Stored> = serde_json::from_str(past.content.get()).unwrap_or_default();
        match past.role {
            store::Role::User => {
                let results = parts.iter().any(|part| matches!(part, Stored::ToolResult { .. }));
                if begun || !results {
                    begun = true;
                    recall_user(parts, messages);
                }
            }
            store::Role::Assistant if begun => {
                messages.extend(recall_answer(parts, past.raw.as_deref()));
            }
            store::Role::Assistant => {}
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
                message.tool_calls.push(ToolCall { id, name, arguments });
            }
            Stored::Text { .. } | Stored::ToolResult { .. } | Stored::Unknown => {}
        }
    }
    (message.content.len() > before || !message.tool_calls.is_empty()).then_some(message)
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
