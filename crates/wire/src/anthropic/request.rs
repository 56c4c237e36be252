//! A caller's messages request: the bytes it came as, and the few facts the server decides by.
//!
//! Read and spliced like a chat request: one pass, no member that is read twice, everything else the provider's
//! business. Two things differ. The system prompt is a member of its own, so an agent's goes in front of that; and a
//! conversation may hold thoughts that another provider gave to the same caller ([`crate::anthropic::foreign`]), which
//! are cut out on the way to Anthropic.
//!
//! The body of a request to count tokens is the same without the members that only matter for an answer.

mod content;
mod cuts;
mod neutral;
mod parse;
#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};
use serde::Serialize;

use crate::call::{Parameters, ResponseFormat};
use crate::dialect::Refused;
use crate::dialect::check::{Seen, each_text};
use crate::json::{Edit, Scanner, Span, escaped, splice, write_json, write_str};
use crate::openai::MessageFacts;
use crate::provider::Uncarried;
use parse::Member;

/// The highest temperature there is here; the chat dialect's is 2.
const MAX_TEMPERATURE: f64 = 1.0;

/// A checked messages request.
#[derive(Clone, Debug)]
pub struct MessagesRequest {
    body: Bytes,
    facts: Facts,
    agent: Option<Agent>,
    purpose: Purpose,
}

/// What the request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Answer,
    Count,
}

/// What [`parse::facts`] finds.
#[derive(Clone, Debug, Default)]
struct Facts {
    model: String,
    /// The model's name without its quotes.
    model_span: Span,
    system: System,
    /// `system` first, if there is one; then the messages.
    messages: Vec<MessageFacts>,
    /// Of what the model reads beside the texts of messages: tools' results that stand beside a user's own words,
    /// definitions of tools, and calls of them.
    other_characters: usize,
    /// The content of the last message that a user wrote in.
    last_user: Option<Span>,
    /// Thoughts of other providers, with the commas they leave behind.
    foreign: Vec<Span>,
    /// The last answer calls tools, and has such a thought.
    thoughtless_calls: bool,
    thinking: Thinking,
    images: usize,
    stream: bool,
    max_tokens: Option<u64>,
    /// There is something that the model may call or run.
    tools: bool,
    user: Option<String>,
    seen: Seen,
    /// Members we read that are explicitly null, which is the same as absent.
    nulls: Vec<(Member, Span)>,
    /// Behind the last member's value.
    end: usize,
}

/// How the caller wants the model to think.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Thinking {
    #[default]
    Off,
    Adaptive,
    Enabled,
}

/// Where an agent's prompt goes.
#[derive(Clone, Copy, Debug, Default)]
enum System {
    #[default]
    Absent,
    /// `at` is behind the opening quote.
    Text { at: usize, empty: bool },
    /// `at` is behind the opening bracket; `comma` if a block follows.
    Blocks { at: usize, comma: bool },
}

/// What an agent adds to a request that names it as the model.
#[derive(Clone, Debug)]
struct Agent {
    prompt: String,
    defaults: Parameters,
}

impl MessagesRequest {
    /// A request for an answer.
    ///
    /// # Errors
    /// If the body is not valid JSON nested at most 64 levels, or a member that is read is missing, has the wrong type
    /// or occurs twice.
    pub fn parse(body: Bytes) -> Result<Self, Refused> {
        Self::parse_for(Purpose::Answer, body)
    }

    /// A request to count tokens, which needs no `max_tokens`.
    ///
    /// # Errors
    /// As [`MessagesRequest::parse`].
    pub fn parse_count(body: Bytes) -> Result<Self, Refused> {
        Self::parse_for(Purpose::Count, body)
    }

    fn parse_for(purpose: Purpose, body: Bytes) -> Result<Self, Refused> {
        let facts = parse::facts(&body, purpose)?;
        Ok(Self { body, facts, agent: None, purpose })
    }

    /// As it came.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    #[must_use]
    pub fn model(&self) -> &str {
        &self.facts.model
    }

    #[must_use]
    pub const fn stream(&self) -> bool {
        self.facts.stream
    }

    /// The most tokens of the answer: the caller's limit, else the agent's. 0 fills the provider's prompt cache.
    #[must_use]
    pub fn max_tokens(&self) -> Option<u64> {
        let default = self.agent.as_ref().and_then(|agent| agent.defaults.max_tokens);
        self.facts.max_tokens.or(default)
    }

    /// `metadata.user_id`
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.facts.user.as_deref()
    }

    /// Whether the model may call or run something, whatever member says so: tools, its own or the provider's, a choice
    /// among them, servers of tools, a container with skills.
    #[must_use]
    pub const fn has_tools(&self) -> bool {
        self.facts.tools
    }

    /// Images, those in tools' results included.
    #[must_use]
    pub const fn image_count(&self) -> usize {
        self.facts.images
    }

    /// The caller's `system`, if there is one, and its messages; at least one. A user's message that holds nothing
    /// but results of tools is a tool's; beside the user's own words such results are not counted.
    #[must_use]
    pub fn messages(&self) -> &[MessageFacts] {
        &self.facts.messages
    }

    /// Characters of everything that the model is given to read, for an estimate: the agent's and the caller's system
    /// prompt, texts of messages, documents and tools' results, and definitions and calls of tools, which count as
    /// the bytes of their JSON.
    #[must_use]
    pub fn characters(&self) -> usize {
        let messages: usize = self.facts.messages.iter().map(|message| message.characters).sum();
        let prompt = self.agent.as_ref().map_or(0, |agent| agent.prompt.chars().count());
        messages.saturating_add(prompt).saturating_add(self.facts.other_characters)
    }

    /// The text of the last message that a user wrote in; results of tools are none.
    #[must_use]
    pub fn last_user_text(&self) -> Option<String> {
        let mut scanner = Scanner::new(self.facts.last_user?.of(&self.body)).ok()?;
        let mut text = String::new();
        each_text(&mut scanner, &mut |part| part.append_to(&mut text)).ok()?;
        Some(text)
    }

    /// Puts the agent's prompt in front of the system prompt, and `defaults` where the caller says nothing.
    #[must_use]
    pub fn with_agent(mut self, prompt: &str, defaults: &Parameters) -> Self {
        self.agent = Some(Agent { prompt: prompt.to_owned(), defaults: defaults.clone() });
        self
    }

    /// Whether [`MessagesRequest::for_upstream`] says everything, in a way that Anthropic takes. If not, the request has
    /// to go by [`MessagesRequest::to_call`], which leaves it to the codec what can be said. It is never the caller's
    /// bytes alone that are in the way, but an agent's defaults, or the thoughts that have to be cut out.
    ///
    /// # Errors
    /// The chat dialect's name of what is in the way.
    pub fn carries(&self) -> Result<(), Uncarried> {
        // A count needs no defaults, and nobody thinks.
        if self.purpose == Purpose::Count {
            return Ok(());
        }
        // Calls of tools have to begin with a thought then, and theirs was another provider's.
        if self.facts.thinking == Thinking::Enabled && self.facts.thoughtless_calls {
            return Err(Uncarried::new("reasoning_effort"));
        }
        match &self.agent {
            Some(Agent { defaults, .. }) => self.carries_defaults(defaults),
            None => Ok(()),
        }
    }

    fn carries_defaults(&self, p: &Parameters) -> Result<(), Uncarried> {
        let unsaid = |member| !self.facts.said(member);
        let thinks = self.facts.thinking != Thinking::Off;
        // Models that think do so at their own temperature:
        // <https://platform.claude.com/docs/en/build-with-claude/extended-thinking>
        let temperature = p.temperature.is_some_and(|t| t > MAX_TEMPERATURE || (thinks && t != 1.0));
        let effort = p.reasoning_effort.is_some() || p.reasoning_budget.is_some();
        let format = !matches!(p.response_format, None | Some(ResponseFormat::Text));
        let in_the_way = [
            ("temperature", temperature && unsaid(Member::Temperature)),
            ("top_p", thinks && p.top_p.is_some_and(|top_p| top_p < 0.95) && unsaid(Member::TopP)),
            ("top_k", thinks && p.top_k.is_some() && unsaid(Member::TopK)),
            ("frequency_penalty", p.frequency_penalty.is_some_and(|penalty| penalty != 0.0)),
            ("presence_penalty", p.presence_penalty.is_some_and(|penalty| penalty != 0.0)),
            ("seed", p.seed.is_some()),
            ("n", p.n.is_some_and(|n| n != 1)),
            ("response_format", format),
            ("logprobs", p.logprobs == Some(true) || p.top_logprobs.is_some()),
            ("reasoning_effort", effort && unsaid(Member::Thinking)),
        ];
        match in_the_way.into_iter().find(|(_, is)| *is) {
            Some((member, _)) => Err(Uncarried::new(member)),
            None => Ok(()),
        }
    }

    /// The body for Anthropic, which knows the model as `model`. A message of which nothing is left without other
    /// providers' thoughts goes with them: Anthropic takes turns of one role after another, but no empty ones.
    #[must_use]
    pub fn for_upstream(&self, model: &str) -> Bytes {
        let facts = &self.facts;
        let mut edits = Vec::with_capacity(8);
        let escaped = escaped(model);
        if model != facts.model {
            edits.push(Edit { span: facts.model_span, with: escaped.as_deref().unwrap_or(model.as_bytes()) });
        }
        edits.extend(facts.foreign.iter().map(|span| Edit { span: *span, with: b"" }));
        let additions = self.agent.as_ref().map(|agent| self.agent_additions(agent)).unwrap_or_default();
        edits.extend(additions.iter().map(|(span, with)| Edit { span: *span, with }));
        splice(&self.body, &mut edits)
    }

    fn agent_additions(&self, agent: &Agent) -> Vec<(Span, BytesMut)> {
        let mut additions = Vec::with_capacity(8);
        additions.extend(self.prompt(&agent.prompt));
        if self.purpose == Purpose::Answer {
            let p = &agent.defaults;
            let stop = Some(&p.stop).filter(|stop| !stop.is_empty());
            additions.extend(self.default(Member::MaxTokens, p.max_tokens));
            additions.extend(self.default(Member::Temperature, p.temperature));
            additions.extend(self.default(Member::TopP, p.top_p));
            additions.extend(self.default(Member::TopK, p.top_k));
            additions.extend(self.default(Member::StopSequences, stop));
        }
        additions
    }

    /// The prompt in front of the caller's. An empty one is none: the API takes no empty texts.
    fn prompt(&self, prompt: &str) -> Option<(Span, BytesMut)> {
        if prompt.is_empty() {
            return None;
        }
        let mut text = BytesMut::with_capacity(prompt.len() + 64);
        let at = match self.facts.system {
            System::Absent => return self.default(Member::System, Some(prompt)),
            System::Text { at, empty } => {
                text.extend_from_slice(escaped(prompt).as_deref().unwrap_or(prompt.as_bytes()));
                if !empty {
                    text.extend_from_slice(br"\n\n");
                }
                at
            }
            System::Blocks { at, comma } => {
                text.extend_from_slice(br#"{"type":"text","text":"#);
                write_str(&mut text, prompt);
                text.extend_from_slice(if comma { b"}," } else { b"}" });
                at
            }
        };
        Some((Span { start: at, end: at }, text))
    }

    /// The member where the caller has none, or null.
    fn default(&self, member: Member, value: Option<impl Serialize>) -> Option<(Span, BytesMut)> {
        let facts = &self.facts;
        let value = value.filter(|_| !facts.said(member))?;
        let mut text = BytesMut::new();
        if let Some((_, span)) = facts.nulls.iter().find(|(null, _)| *null == member) {
            write_json(&mut text, &value);
            return Some((*span, text));
        }
        text.extend_from_slice(b",");
        write_str(&mut text, member.name());
        text.extend_from_slice(b":");
        write_json(&mut text, &value);
        Some((Span { start: facts.end, end: facts.end }, text))
    }
}
