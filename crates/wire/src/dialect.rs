//! The dialects that callers speak to us, side by side.
//!
//! Each has a request that is parsed where it stands, and a writer for answers that a provider gave in another
//! dialect. This module is the only one that knows that there are several.

pub(crate) mod check;

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use domain::{RequestId, Usage};

use crate::call::{Call, Parameters, Role};
use crate::error::ErrorBody;
use crate::event::{Answer, Event, Malformed};
use crate::{anthropic, ids, openai};

/// A dialect of callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI's chat completions.
    Chat,
    /// Anthropic's messages.
    Messages,
}

/// A request in the caller's own bytes.
#[derive(Clone, Debug)]
pub enum Request {
    Chat(openai::ChatRequest),
    Messages(anthropic::MessagesRequest),
}

/// Why a request is not passed on: the caller's fault, HTTP 400, `invalid_request_error`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// The member at fault, as a path: `messages[3].role`.
    pub param: Option<String>,
    pub message: String,
    pub code: &'static str,
}

/// What every piece of an answer, or the whole answer, says about itself.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// As the dialect has it: [`Dialect::answer_id`].
    pub id: &'a str,
    /// Unix seconds.
    pub created: i64,
    pub model: &'a str,
}

/// Writes the answer of a provider of another dialect, event by event.
#[derive(Debug)]
pub enum Writer {
    Chat(openai::AnswerWriter),
    Messages(anthropic::AnswerWriter),
}

impl Dialect {
    /// The id of an answer that we write.
    #[must_use]
    pub fn answer_id(self, request: RequestId) -> String {
        let request = request.to_string();
        let number = request.trim_start_matches(RequestId::PREFIX);
        match self {
            Self::Chat => format!("chatcmpl-{number}"),
            Self::Messages => format!("msg_{number}"),
        }
    }

    /// A writer for one answer. `wants_usage`: a chat stream's caller asked for the usage chunk.
    #[must_use]
    pub fn writer(self, head: &Head<'_>, wants_usage: bool) -> Writer {
        match self {
            Self::Chat => Writer::Chat(openai::AnswerWriter::new(head, wants_usage)),
            Self::Messages => Writer::Messages(anthropic::AnswerWriter::new(head)),
        }
    }

    /// A unary answer.
    ///
    /// # Errors
    /// If the dialect cannot tell it.
    pub fn answer(self, head: &Head<'_>, answer: &Answer<'_>, usage: &Usage) -> Result<Bytes, Malformed> {
        match self {
            Self::Chat => openai::answer(head, answer, usage),
            Self::Messages => anthropic::answer(head, answer, usage),
        }
    }

    /// Appends an error answer's body.
    pub fn write_error(self, out: &mut BytesMut, error: &ErrorBody<'_>) {
        match self {
            Self::Chat => openai::write_error(out, error),
            Self::Messages => anthropic::write_error(out, error),
        }
    }

    /// Appends an error as the last event of a stream.
    pub fn write_error_event(self, out: &mut BytesMut, error: &ErrorBody<'_>) {
        match self {
            Self::Chat => openai::write_error_event(out, error),
            Self::Messages => anthropic::write_error_event(out, error),
        }
    }

    /// What this dialect calls a member that the chat dialect calls `name`.
    #[must_use]
    pub fn member(self, name: &str) -> Cow<'_, str> {
        match self {
            Self::Chat => Cow::Borrowed(name),
            Self::Messages => anthropic::member(name),
        }
    }
}

/// The id of a tool call whose provider gives none: unique, since the answer's is, and short enough for every provider
/// whose limit is known. `answer_id` is a [`Dialect::answer_id`] or the request's own.
#[must_use]
pub fn tool_call_id(answer_id: &str, index: u32) -> String {
    let prefixes = ["chatcmpl-", "msg_", RequestId::PREFIX];
    let number = prefixes.iter().find_map(|prefix| answer_id.strip_prefix(prefix)).unwrap_or(answer_id);
    ids::fitting(&format!("call_{number}_{index}"), openai::MAX_CALL_ID).into_owned()
}

impl Writer {
    /// Appends what `event` says, its usage and its end apart.
    ///
    /// # Errors
    /// If the dialect cannot tell it; the answer is then broken off.
    pub fn event(&mut self, out: &mut BytesMut, event: &Event<'_>) -> Result<(), Malformed> {
        match self {
            Self::Chat(writer) => writer.event(out, event),
            Self::Messages(writer) => writer.event(out, event),
        }
    }

    /// Appends the end of a complete answer.
    pub fn close(&mut self, out: &mut BytesMut, usage: &Usage) {
        match self {
            Self::Chat(writer) => writer.close(out, usage),
            Self::Messages(writer) => writer.close(out, usage),
        }
    }
}

impl Request {
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        match self {
            Self::Chat(_) => Dialect::Chat,
            Self::Messages(_) => Dialect::Messages,
        }
    }

    /// As it came.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        match self {
            Self::Chat(request) => request.body(),
            Self::Messages(request) => request.body(),
        }
    }

    #[must_use]
    pub fn model(&self) -> &str {
        match self {
            Self::Chat(request) => request.model(),
            Self::Messages(request) => request.model(),
        }
    }

    #[must_use]
    pub const fn stream(&self) -> bool {
        match self {
            Self::Chat(request) => request.stream(),
            Self::Messages(request) => request.stream(),
        }
    }

    /// A chat stream's caller asked for the usage chunk; other dialects always report.
    #[must_use]
    pub const fn wants_usage(&self) -> bool {
        match self {
            Self::Chat(request) => request.wants_usage(),
            Self::Messages(_) => true,
        }
    }

    /// How many answers are asked for.
    #[must_use]
    pub fn choices(&self) -> u32 {
        match self {
            Self::Chat(request) => request.choices(),
            Self::Messages(_) => 1,
        }
    }

    /// Whether the model may call or run something, whatever member of the dialect says so.
    #[must_use]
    pub const fn has_tools(&self) -> bool {
        match self {
            Self::Chat(request) => request.has_tools(),
            Self::Messages(request) => request.has_tools(),
        }
    }

    /// Characters of everything that the model is given to read, for an estimate: texts, an agent's prompt, and
    /// definitions and calls of tools.
    #[must_use]
    pub fn characters(&self) -> usize {
        match self {
            Self::Chat(request) => request.characters(),
            Self::Messages(request) => request.characters(),
        }
    }

    /// Who wrote each message, and how many characters of text it has.
    pub fn messages(&self) -> impl Iterator<Item = (Role, usize)> {
        let facts = match self {
            Self::Chat(request) => request.messages(),
            Self::Messages(request) => request.messages(),
        };
        facts.iter().map(|message| (message.role, message.characters))
    }

    /// Puts the agent's prompt in front, and `defaults` where the caller says nothing.
    #[must_use]
    pub fn with_agent(self, prompt: &str, defaults: &Parameters) -> Self {
        match self {
            Self::Chat(request) => Self::Chat(request.with_agent(prompt, defaults)),
            Self::Messages(request) => Self::Messages(request.with_agent(prompt, defaults)),
        }
    }

    /// The whole request in neutral form, an agent's additions included.
    ///
    /// # Errors
    /// If a member that has a neutral form does not have the dialect's.
    pub fn to_call(&self) -> Result<Call, Refused> {
        match self {
            Self::Chat(request) => request.to_call(),
            Self::Messages(request) => request.to_call(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn an_id_that_we_give_to_a_call_is_taken_by_every_provider_and_given_once() {
        let number = "f".repeat(32);
        let request: RequestId = format!("req_{number}").parse().unwrap();
        for answer in
            [request.to_string(), Dialect::Chat.answer_id(request), Dialect::Messages.answer_id(request)]
        {
            assert_eq!(tool_call_id(&answer, 0), format!("call_{number}_0"));
            assert_eq!(tool_call_id(&answer, 99), format!("call_{number}_99"));
            let indexes = (0..1024).chain([u32::MAX]);
            let ids: HashSet<String> = indexes.map(|index| tool_call_id(&answer, index)).collect();
            assert_eq!(ids.len(), 1025);
            assert!(ids.iter().all(|id| ids::is_word(id, 40)));
        }
        assert!(ids::is_word(&tool_call_id(&"ö".repeat(100), 7), 40));
    }
}
