//! A caller's chat request: the bytes it came as, and the few facts the server decides by.
//!
//! One pass checks the whole body and the types of the members that are read; the rest is the provider's business
//! and reaches it unread. A member that is read may not occur twice: parsers differ on which of the two counts, and
//! limits would be checked on one and the provider obey the other. What is changed on the way is spliced, so a
//! request costs one copy of its body, and none if its model already has the provider's name for it.

mod parse;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

use crate::call::{Message, Parameters, Role};
use crate::dialect::Refused;
use crate::dialect::check::{Seen, each_text};
use crate::json::{Edit, Fault, Scanner, Span, escaped, members, splice, write_str};
use crate::openai::encode::{parameter_members, without_member};
use crate::openai::reasoning::without_foreign;
use crate::openai::{Flavor, Thoughts};
use crate::provider::Uncarried;
use parse::Member;

/// What is known of one message without parsing it fully.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageFacts {
    pub role: Role,
    /// The whole object in the body.
    pub span: Span,
    /// Characters of its text parts.
    pub characters: usize,
}

/// A checked chat request.
#[derive(Clone, Debug)]
pub struct ChatRequest {
    body: Bytes,
    facts: Facts,
    agent: Option<Agent>,
}

/// What [`parse`] finds.
#[derive(Clone, Debug, Default)]
struct Facts {
    model: String,
    /// The model's name without its quotes.
    model_span: Span,
    messages: Vec<MessageFacts>,
    /// Messages with a thought ([`parse::THOUGHTS`]).
    thoughtful: Vec<Span>,
    /// Behind the opening bracket of `messages`, which is not empty.
    messages_start: usize,
    /// The content of the last message of role `user`.
    last_user: Option<Span>,
    images: usize,
    stream: bool,
    stream_options: StreamOptions,
    choices: Option<u32>,
    max_tokens: Option<u64>,
    /// There is something that the model may call or run.
    tools: bool,
    /// Bytes of what the model reads beside texts: definitions of tools, and calls of them.
    tool_bytes: usize,
    user: Option<String>,
    seen: Seen,
    /// Members we read that are explicitly null, which is the same as absent.
    nulls: Vec<(Member, Span)>,
    /// Behind the last member's value.
    end: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum StreamOptions {
    #[default]
    Absent,
    Null(Span),
    /// `at` is behind the opening brace; `comma` if a member follows.
    WithoutUsage {
        at: usize,
        comma: bool,
    },
    Usage {
        value: bool,
        span: Span,
    },
}

/// What an agent adds to a request that names it as the model.
#[derive(Clone, Debug)]
struct Agent {
    prompt: String,
    defaults: Parameters,
}

impl ChatRequest {
    /// # Errors
    /// If the body is not valid JSON nested at most 64 levels, or a member that is read has the wrong type or
    /// occurs twice.
    pub fn parse(body: Bytes) -> Result<Self, Refused> {
        let facts = parse::facts(&body)?;
        Ok(Self { body, facts, agent: None })
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

    /// The caller asked for the usage chunk of a stream.
    #[must_use]
    pub const fn wants_usage(&self) -> bool {
        matches!(self.facts.stream_options, StreamOptions::Usage { value: true, .. })
    }

    /// `n`: 1 to 128.
    #[must_use]
    pub fn choices(&self) -> u32 {
        let default = self.agent.as_ref().and_then(|agent| agent.defaults.n);
        self.facts.choices.or(default).unwrap_or(1)
    }

    /// The most tokens of one answer: the caller's limit, else the agent's.
    #[must_use]
    pub fn max_tokens(&self) -> Option<u64> {
        let default = self.agent.as_ref().and_then(|agent| agent.defaults.max_tokens);
        self.facts.max_tokens.or(default)
    }

    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.facts.user.as_deref()
    }

    /// Whether the model may call or run something, whatever member says so: tools, functions, a choice among
    /// them, a search of the web.
    #[must_use]
    pub const fn has_tools(&self) -> bool {
        self.facts.tools
    }

    #[must_use]
    pub const fn image_count(&self) -> usize {
        self.facts.images
    }

    /// The caller's messages; at least one.
    #[must_use]
    pub fn messages(&self) -> &[MessageFacts] {
        &self.facts.messages
    }

    /// Characters of everything that the model is given to read, for an estimate: all texts of all messages, the
    /// agent's prompt, and definitions and calls of tools, which count as the bytes of their JSON.
    #[must_use]
    pub fn characters(&self) -> usize {
        let messages: usize = self.facts.messages.iter().map(|message| message.characters).sum();
        let prompt = self.agent.as_ref().map_or(0, |agent| agent.prompt.chars().count());
        messages.saturating_add(prompt).saturating_add(self.facts.tool_bytes)
    }

    /// The text of the last message of role `user`.
    #[must_use]
    pub fn last_user_text(&self) -> Option<String> {
        let mut scanner = Scanner::new(self.facts.last_user?.of(&self.body)).ok()?;
        let mut text = String::new();
        each_text(&mut scanner, &mut |part| part.append_to(&mut text)).ok()?;
        Some(text)
    }

    /// Puts the agent's prompt in front of the messages, and `defaults` where the caller says nothing. The agent's
    /// stop texts, seed and so on yield to the caller's.
    #[must_use]
    pub fn with_agent(mut self, prompt: &str, defaults: &Parameters) -> Self {
        self.agent = Some(Agent { prompt: prompt.to_owned(), defaults: defaults.clone() });
        self
    }

    /// Whether [`ChatRequest::for_upstream`] says everything. What the caller's bytes say they say; an agent's defaults
    /// may have no member here, and then the request has to go by [`ChatRequest::to_call`].
    ///
    /// # Errors
    /// The name of the default that is in the way.
    pub fn carries(&self) -> Result<(), Uncarried> {
        let said = |name| Member::of(name).is_some_and(|member| self.facts.said(member));
        match self.agent.as_ref().and_then(|agent| without_member(&agent.defaults)) {
            Some(name) if !said(name) => Err(Uncarried::new(name)),
            _ => Ok(()),
        }
    }

    /// The body for a provider that knows the model as `model`. With `want_usage` a stream is asked to report its
    /// usage; if the caller did not ask ([`ChatRequest::wants_usage`]), the chunk that does has to be swallowed.
    #[must_use]
    pub fn for_upstream(&self, model: &str, flavor: Flavor, want_usage: bool) -> Bytes {
        let facts = &self.facts;
        let mut edits = Vec::with_capacity(8);
        let escaped = escaped(model);
        if model != facts.model {
            edits.push(Edit { span: facts.model_span, with: escaped.as_deref().unwrap_or(model.as_bytes()) });
        }
        if want_usage && facts.stream {
            edits.extend(self.ask_for_usage());
        }
        let additions =
            self.agent.as_ref().map(|agent| self.agent_additions(agent, flavor)).unwrap_or_default();
        edits.extend(additions.iter().map(|(span, with)| Edit { span: *span, with }));
        let thoughts = flavor.thoughts();
        let thoughtful: &[Span] = if thoughts == Thoughts::Details { &[] } else { &facts.thoughtful };
        let message = |span: &Span| Some((*span, with_thoughts(span.of(&self.body), thoughts)?));
        let messages: Vec<_> = thoughtful.iter().filter_map(message).collect();
        edits.extend(messages.iter().map(|(span, with)| Edit { span: *span, with }));
        splice(&self.body, &mut edits)
    }

    fn ask_for_usage(&self) -> Option<Edit<'static>> {
        match self.facts.stream_options {
            StreamOptions::Usage { value: true, .. } => None,
            StreamOptions::Usage { span, .. } => Some(Edit { span, with: b"true" }),
            StreamOptions::Null(span) => Some(Edit { span, with: br#"{"include_usage":true}"# }),
            StreamOptions::WithoutUsage { at, comma: true } => {
                Some(Edit::insert(at, br#""include_usage":true,"#))
            }
            StreamOptions::WithoutUsage { at, .. } => Some(Edit::insert(at, br#""include_usage":true"#)),
            StreamOptions::Absent => {
                Some(Edit::insert(self.facts.end, br#","stream_options":{"include_usage":true}"#))
            }
        }
    }

    fn agent_additions(&self, agent: &Agent, flavor: Flavor) -> Vec<(Span, BytesMut)> {
        let mut system = BytesMut::with_capacity(agent.prompt.len() + 64);
        system.extend_from_slice(br#"{"role":"system","content":"#);
        write_str(&mut system, &agent.prompt);
        system.extend_from_slice(b"},");
        let start = self.facts.messages_start;
        let mut additions = vec![(Span { start, end: start }, system)];
        for (name, value) in parameter_members(&agent.defaults, flavor) {
            additions.extend(self.default(name, value));
        }
        additions
    }

    /// The member `name` where the caller has none, or null.
    fn default(&self, name: &str, value: BytesMut) -> Option<(Span, BytesMut)> {
        let facts = &self.facts;
        let known = Member::of(name);
        if known.is_some_and(|member| facts.said(member)) {
            return None;
        }
        if let Some((_, span)) = facts.nulls.iter().find(|(member, _)| Some(*member) == known) {
            return Some((*span, value));
        }
        let mut member = BytesMut::with_capacity(name.len() + value.len() + 4);
        member.extend_from_slice(b",");
        write_str(&mut member, name);
        member.extend_from_slice(b":");
        member.extend_from_slice(&value);
        Some((Span { start: facts.end, end: facts.end }, member))
    }

    /// The agent's part of [`ChatRequest::to_call`].
    pub(super) fn agent(&self) -> Option<(Message, &Parameters)> {
        let agent = self.agent.as_ref()?;
        Some((Message::text(Role::System, agent.prompt.as_str()), &agent.defaults))
    }
}

/// A message with those of its thoughts that the provider takes; none if it takes them all. A conversation may come to
/// it from another one, and some refuse what they do not know.
fn with_thoughts(message: &[u8], taken: Thoughts) -> Option<BytesMut> {
    let mut out = BytesMut::with_capacity(message.len());
    let mut whole = true;
    // The message has been checked, so nothing is left out here but thoughts.
    let _ = members::<Fault>(message, |name, value| {
        let name = name.decode();
        let value = value.of(message);
        let kept: Option<Cow<'_, [u8]>> = match (&*name, taken) {
            (name, _) if !parse::THOUGHTS.contains(&name) => Some(Cow::Borrowed(value)),
            (_, Thoughts::None) | ("reasoning_details", Thoughts::Text) => None,
            ("reasoning_details", Thoughts::Unknown) => without_foreign(value),
            _ => Some(Cow::Borrowed(value)),
        };
        whole &= kept.as_deref() == Some(value);
        if let Some(value) = kept {
            out.extend_from_slice(if out.is_empty() { b"{" } else { b"," });
            write_str(&mut out, &name);
            out.extend_from_slice(b":");
            out.extend_from_slice(&value);
        }
        Ok(())
    });
    out.extend_from_slice(if out.is_empty() { b"{}" } else { b"}" });
    (!whole).then_some(out)
}
