//! How the caller wants the events of a stream: as the bytes that came, in another dialect than the provider's, or as
//! an agent's typed events.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use domain::{ConversationId, FinishReason, MessageId, NanoUsd, ProviderName, Usage};
use store::{AnswerStatus, Lease};
use wire::agent::Metadata;
use wire::call::ToolCall;
use wire::dialect::{Dialect, Writer};
use wire::error::ErrorBody;
use wire::event::{Choice, Event, Malformed};
use wire::gather::Gathered;
use wire::json::Text;
use wire::{openai, sse};

use crate::agents::tools::Watch;
use crate::agents::{Agent, conversation};
use crate::deliver::AnswerHead;
use crate::provider::failure::{Failure, Fault};
use crate::screening::{OutputLength, pass_choices};
use crate::telemetry::record::Record;

pub(super) enum Shape {
    /// Chunks of the chat dialect, as they came.
    Chat(Chat),
    /// Events of the messages dialect, as they came; the last one is kept here until the answer is settled.
    Messages(Bytes),
    /// Events of the caller's dialect, written anew.
    Written(Box<Written>),
    Agent(Box<AgentReply>),
}

/// An answer in another dialect than its provider's, or within an agent's policy.
pub(super) struct Written {
    pub(super) dialect: Dialect,
    pub(super) writer: Writer,
    /// An agent's answers have a longest length.
    pub(super) length: Option<OutputLength>,
    pub(super) watch: Option<Watch>,
}

/// Chunks of the chat dialect, passed on as they came.
pub(super) struct Chat {
    /// The caller asked for the usage chunk.
    pub(super) wants_usage: bool,
    /// An agent's answers have a longest length.
    pub(super) length: Option<OutputLength>,
    /// The head of the provider's chunks, once the answer was cut short: its usage chunk will not come.
    pub(super) cut: Option<AnswerHead>,
}

/// An agent's answer: collected, because the conversation keeps it.
pub(super) struct AgentReply {
    pub(super) agent: Arc<Agent>,
    pub(super) conversation: ConversationId,
    pub(super) message: MessageId,
    pub(super) lease: Option<Lease>,
    pub(super) length: OutputLength,
    /// Everything the model said.
    pub(super) gathered: Gathered,
    /// What the caller was sent of it.
    pub(super) text: String,
    pub(super) truncated: bool,
    pub(super) watch: Option<Watch>,
    pub(super) started: bool,
}

/// What one frame leads to.
pub(super) enum Step {
    Send(Bytes),
    Swallow,
    /// The answer has reached its longest length: these bytes, and the provider is not needed any more.
    Truncate(Bytes),
}

/// Who answered, for the closing event.
pub(super) struct Facts {
    pub(super) provider: ProviderName,
    pub(super) model: Arc<str>,
    pub(super) attempts: u32,
}

impl Shape {
    /// What the caller gets before anything from the provider.
    pub(super) fn opening(&mut self, record: &Record) -> Option<Bytes> {
        let Self::Agent(reply) = self else { return None };
        if std::mem::replace(&mut reply.started, true) {
            return None;
        }
        let mut out = BytesMut::with_capacity(256);
        let started = wire::agent::Started {
            id: record.id,
            agent: reply.agent.name.as_str(),
            conversation: reply.conversation,
            message: reply.message,
        };
        wire::agent::write_started(&mut out, &started);
        Some(out.freeze())
    }

    /// What the caller gets of one event.
    pub(super) fn step(&mut self, event: &mut Event<'_>, frame: &sse::Frame) -> Result<Step, Failure> {
        match self {
            Self::Chat(chat) => chat.step(event, frame),
            Self::Messages(last) if event.done => {
                *last = frame.named();
                Ok(Step::Swallow)
            }
            Self::Messages(_) => Ok(Step::Send(frame.named())),
            Self::Written(written) => written.step(event).map_err(|malformed| {
                Failure::new(Fault::Malformed, "an answer that cannot be told").because(malformed)
            }),
            Self::Agent(reply) => reply.step(event).map_err(|malformed| {
                Failure::new(Fault::Malformed, "an answer that cannot be kept").because(malformed)
            }),
        }
    }

    /// The end of a complete answer.
    pub(super) fn closing(
        &mut self,
        record: &Record,
        facts: &Facts,
        usage: Usage,
        cost: Option<NanoUsd>,
    ) -> Bytes {
        match self {
            Self::Chat(chat) => chat.closing(&usage),
            Self::Messages(last) => std::mem::take(last),
            Self::Written(written) => {
                let mut out = BytesMut::with_capacity(512);
                written.writer.close(&mut out, &usage);
                out.freeze()
            }
            Self::Agent(reply) => {
                let mut out = BytesMut::with_capacity(768);
                let answer = wire::agent::Answer {
                    id: record.id,
                    agent: reply.agent.name.as_str(),
                    response: &reply.text,
                    tool_calls: &reply.gathered.tool_calls,
                    conversation: reply.conversation,
                    message: reply.message,
                    finish: reply.finish(),
                    usage,
                    cost,
                    confidence: None,
                    metadata: Metadata {
                        source: "model",
                        provider: Some(facts.provider.as_str()),
                        model: Some(&facts.model),
                        attempts: facts.attempts,
                        truncated: reply.truncated,
                        tool_calls_withheld: reply.watch.as_ref().map_or(0, Watch::withheld),
                        degraded: &[],
                    },
                };
                wire::agent::write_completed(&mut out, &answer);
                out.freeze()
            }
        }
    }

    /// The end of an answer that was cut.
    pub(super) fn error(&self, error: &ErrorBody<'_>) -> Bytes {
        let mut out = BytesMut::with_capacity(512);
        match self {
            Self::Chat(_) => Dialect::Chat.write_error_event(&mut out, error),
            Self::Messages(_) => Dialect::Messages.write_error_event(&mut out, error),
            Self::Written(written) => written.dialect.write_error_event(&mut out, error),
            Self::Agent(_) => wire::agent::write_error_event(&mut out, error),
        }
        out.freeze()
    }
}

impl Chat {
    fn step(&mut self, event: &Event<'_>, frame: &sse::Frame) -> Result<Step, Failure> {
        // The terminator is ours to send, when the answer is settled.
        if event.done || event.usage_only() && !self.wants_usage {
            return Ok(Step::Swallow);
        }
        let Some(length) = &mut self.length else { return Ok(Step::Send(frame.wire())) };
        // An agent has one choice, so its text is one text.
        let said = |choice: &&Choice<'_>| !choice.text.is_empty() || !choice.refusal.is_empty();
        let Some(choice) = event.choices.first().filter(said) else {
            return Ok(Step::Send(frame.wire()));
        };
        let text = choice.text.decode();
        let refusal = choice.refusal.decode();
        let (passed, cut) = length.pass(&text);
        let (declined, refusal_cut) = if cut { ("", true) } else { length.pass(&refusal) };
        if !cut && !refusal_cut {
            return Ok(Step::Send(frame.wire()));
        }
        let head: AnswerHead = serde_json::from_slice(&frame.data).unwrap_or_default();
        let mut out = BytesMut::with_capacity(frame.data.len() + 8);
        let untold = |malformed| Failure::new(Fault::Malformed, "malformed chunk").because(malformed);
        if cut {
            let payload = openai::rewrite(&frame.data, choice.index, passed, Some(FinishReason::Length));
            sse::write_data(&mut out, &payload.map_err(untold)?);
        } else {
            let (refusal, finish) = (Text::plain(declined), Some(FinishReason::Length));
            let choices = vec![Choice { index: choice.index, refusal, finish, ..Choice::default() }];
            let mut writer = openai::AnswerWriter::new(&head.head(), self.wants_usage);
            writer.event(&mut out, &Event { choices, ..Event::default() }).map_err(untold)?;
        }
        self.cut = Some(head);
        Ok(Step::Truncate(out.freeze()))
    }
}

impl Chat {
    fn closing(&self, usage: &Usage) -> Bytes {
        let Some(head) = self.cut.as_ref().filter(|_| self.wants_usage) else {
            return Bytes::from_static(openai::DONE);
        };
        let mut out = BytesMut::with_capacity(512);
        openai::write_usage_chunk(&mut out, &head.head(), usage);
        out.extend_from_slice(openai::DONE);
        out.freeze()
    }
}

impl Written {
    fn step(&mut self, event: &mut Event<'_>) -> Result<Step, Malformed> {
        if let Some(watch) = &mut self.watch {
            watch.event(event);
        }
        let mut out = BytesMut::with_capacity(256);
        let Some(length) = &mut self.length else {
            self.writer.event(&mut out, event)?;
            return Ok(Step::of(out));
        };
        // An agent has one choice, so its text is one text.
        let choices = std::mem::take(&mut event.choices);
        let writer = &mut self.writer;
        let (written, cut) = pass_choices(length, choices, |choices, cut| {
            (writer.event(&mut out, &Event { choices, ..Event::default() }), cut)
        });
        written?;
        Ok(if cut { Step::Truncate(out.freeze()) } else { Step::of(out) })
    }
}

impl Step {
    fn of(out: BytesMut) -> Self {
        if out.is_empty() { Self::Swallow } else { Self::Send(out.freeze()) }
    }
}

impl AgentReply {
    fn step(&mut self, event: &mut Event<'_>) -> Result<Step, Malformed> {
        if let Some(watch) = &mut self.watch {
            watch.event(event);
        }
        let mut out = BytesMut::new();
        // An agent has one answer: the first choice.
        for choice in event.choices.iter().filter(|choice| choice.index == 0) {
            self.gathered.add(choice)?;
            // A refusal is what the model says, too.
            let said = if choice.text.is_empty() { choice.refusal } else { choice.text };
            if said.is_empty() {
                continue;
            }
            let text = said.decode();
            let (passed, cut) = self.length.pass(&text);
            self.text.push_str(passed);
            if !passed.is_empty() {
                wire::agent::write_delta(&mut out, passed);
            }
            if cut {
                self.truncated = true;
                return Ok(Step::Truncate(out.freeze()));
            }
        }
        Ok(Step::of(out))
    }

    /// The provider's last word is heard: what was said only by half is not told.
    pub(super) fn complete(&mut self) {
        if self.finish() == FinishReason::Length {
            conversation::drop_half_said(&mut self.gathered);
        }
    }

    fn finish(&self) -> FinishReason {
        if self.truncated {
            FinishReason::Length
        } else {
            self.gathered.finish.unwrap_or(FinishReason::Other)
        }
    }

    /// A call that was cut is none.
    fn tool_calls(&self, status: AnswerStatus) -> &[ToolCall] {
        if status == AnswerStatus::Completed { &self.gathered.tool_calls } else { &[] }
    }

    /// What the conversation keeps.
    pub(super) fn kept(&self, status: AnswerStatus, facts: &Facts) -> store::Answer {
        store::Answer {
            status,
            // The caller was told the id of a completed answer, so that one is kept even if it says nothing.
            content: (status == AnswerStatus::Completed || !self.text.is_empty())
                .then(|| conversation::answered(&self.text, self.tool_calls(status)).ok())
                .flatten(),
            raw: conversation::thoughts(&self.gathered),
            finish_reason: (status == AnswerStatus::Completed).then(|| self.finish()),
            provider: Some(facts.provider.clone()),
            model: Some(Arc::clone(&facts.model)),
        }
    }
}
