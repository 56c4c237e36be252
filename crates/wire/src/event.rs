//! The neutral answer: what a provider says, whichever dialect it says it in.
//!
//! One piece of a stream is an [`Event`], a whole unary answer an [`Answer`]; both are made of [`Choice`]s, which
//! borrow their texts from the bytes they were read from. An event may say several things at once, as a chunk
//! of the chat dialect does: text and a finish reason, or usage beside choices. The pieces of one choice stand in
//! the order in which they were said.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use domain::{FinishReason, Usage};

use crate::call::Origin;
use crate::json::{Fault, FaultKind, Text};

/// One piece of an answer stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event<'a> {
    pub choices: Vec<Choice<'a>>,
    /// A running total: the last one of a stream counts.
    pub usage: Option<Usage>,
    /// The provider gives up.
    pub error: Option<UpstreamError>,
    /// The dialect's terminator.
    pub done: bool,
}

impl Event<'_> {
    /// It carries content: once its bytes are on their way to the caller, the answer cannot be begun anew elsewhere.
    #[must_use]
    pub fn commits(&self) -> bool {
        self.choices.iter().any(Choice::has_content)
    }

    /// It says nothing but what the call used. A caller who did not ask for that is not sent it.
    #[must_use]
    pub const fn usage_only(&self) -> bool {
        self.usage.is_some() && self.choices.is_empty() && self.error.is_none()
    }
}

/// A whole answer. What one choice says may come in several entries of the same index, in the order it was said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer<'a> {
    pub choices: Vec<Choice<'a>>,
    pub usage: Option<Usage>,
    /// The provider reports a failure in the body of a success.
    pub error: Option<UpstreamError>,
}

impl<'a> Answer<'a> {
    /// What the model says in the choice `index`, or in which words it declines.
    #[must_use]
    pub fn said(&self, index: u32) -> Cow<'a, str> {
        let pieces = || self.choices.iter().filter(move |choice| choice.index == index);
        let texts = join(pieces().map(|choice| choice.text));
        if texts.is_empty() { join(pieces().map(|choice| choice.refusal)) } else { texts }
    }

    /// Why the choice `index` ended.
    #[must_use]
    pub fn finish(&self, index: u32) -> Option<FinishReason> {
        self.choices.iter().filter(|choice| choice.index == index).find_map(|choice| choice.finish)
    }
}

fn join<'a>(texts: impl Iterator<Item = Text<'a>>) -> Cow<'a, str> {
    let mut texts = texts.filter(|text| !text.is_empty());
    let first = texts.next().unwrap_or_default().decode();
    texts.fold(first, |all, text| all + text.decode())
}

/// What one of the parallel answers gains. A text that is not there is empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice<'a> {
    pub index: u32,
    pub text: Text<'a>,
    pub refusal: Text<'a>,
    pub reasoning: Text<'a>,
    /// Seals the reasoning so far, or is a thought that cannot be read.
    pub signature: Option<Signature<'a>>,
    pub tools: Vec<ToolFragment<'a>>,
    /// There is content of the answer that has no text here: a picture, audio. Whoever writes the answer anew has to fail.
    pub opaque: bool,
    /// There is something beside the answer that has no text here: what the provider did itself, with tools of its own,
    /// or a thought that is no text. The answer is whole without.
    pub aside: bool,
    /// The provider says that the model failed here.
    pub failed: bool,
    pub finish: Option<FinishReason>,
}

impl Choice<'_> {
    #[must_use]
    pub const fn has_content(&self) -> bool {
        !self.text.is_empty()
            || !self.reasoning.is_empty()
            || !self.refusal.is_empty()
            || !self.tools.is_empty()
            || self.signature.is_some()
            || self.opaque
            || self.aside
    }

    /// Bytes of everything the model wrote here, for an estimate where no usage is reported.
    #[must_use]
    pub fn written(&self) -> usize {
        let tools: usize = self.tools.iter().map(|tool| tool.name.len() + tool.arguments.len()).sum();
        self.text.len() + self.reasoning.len() + self.refusal.len() + tools
    }
}

/// What the provider wants back on a later turn ([`crate::call::Signature`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature<'a> {
    pub origin: Origin,
    pub data: Text<'a>,
    pub encrypted: bool,
    /// The index of the tool call that it belongs to.
    pub tool: Option<u32>,
}

/// A part of a tool call: `id` and `name` come with its first fragment, `arguments` in pieces. A provider that gives
/// its calls no ids leaves `id` empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ToolFragment<'a> {
    /// Which of the choice's tool calls.
    pub index: u32,
    pub id: Text<'a>,
    pub name: Text<'a>,
    pub arguments: Text<'a>,
}

/// A failure as the provider reports it. The texts are there only if the caller may see them, and are scrubbed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamError {
    pub kind: UpstreamKind,
    /// At most 1 KiB.
    pub message: Option<String>,
    pub param: Option<String>,
    pub code: Option<String>,
    /// How long the provider wants to be left alone, if it says so in the body and not in a header.
    pub retry_after: Option<Duration>,
}

impl UpstreamError {
    /// A failure of which the caller is told nothing but its kind.
    #[must_use]
    pub const fn silent(kind: UpstreamKind) -> Self {
        Self { kind, message: None, param: None, code: None, retry_after: None }
    }
}

/// Whose fault a provider says it is; FAILOVER.md decides by it what happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamKind {
    /// The request is wrong wherever it is sent.
    Caller,
    /// No such model here.
    NotFound,
    /// Our key is refused.
    Credentials,
    RateLimited,
    /// The account behind our key has no money left.
    Quota,
    /// A conflict or a lost race; elsewhere it may work.
    Transient,
    Overloaded,
    Server,
}

/// Bytes of a provider that do not mean anything in its dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    pub what: &'static str,
    /// Where in the payload, if it is one place.
    pub offset: Option<usize>,
}

impl Malformed {
    /// Of an answer that is to be told in another dialect.
    pub(crate) const NO_PLACE: Self = Self::new("content that this dialect has no place for");

    pub(crate) const fn new(what: &'static str) -> Self {
        Self { what, offset: None }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed answer: {}", self.what)?;
        self.offset.map_or(Ok(()), |offset| write!(f, ", at byte {offset}"))
    }
}

impl std::error::Error for Malformed {}

impl From<Fault> for Malformed {
    fn from(fault: Fault) -> Self {
        let what = match fault.kind {
            FaultKind::Encoding => "not UTF-8",
            FaultKind::Syntax => "not JSON",
            FaultKind::End => "JSON that ends too early",
            FaultKind::Depth => "JSON nested too deep",
            FaultKind::Trailing => "something after the JSON value",
            FaultKind::Kind(_) => "a member that is not what it should be",
        };
        Self { what, offset: Some(fault.offset) }
    }
}

#[cfg(test)]
mod tests {
    use crate::openai::read_chunk;

    #[test]
    fn everything_the_model_wrote_counts_towards_an_estimate() {
        let chunk = br#"{"choices":[{"delta":{"content":"ab","reasoning":"cde","refusal":"f",
            "tool_calls":[{"id":"not written by it","function":{"name":"gh","arguments":"{}"}}]}}]}"#;
        let event = read_chunk(chunk).unwrap();
        assert_eq!(event.choices[0].written(), 10);
        assert!(event.commits());
    }

    #[test]
    fn arguments_that_come_as_an_object_are_not_lost() {
        let chunk =
            br#"{"choices":[{"delta":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":{"x": 1}}}]}}]}"#;
        let event = read_chunk(chunk).unwrap();
        assert_eq!(event.choices[0].tools[0].arguments.decode(), r#"{"x": 1}"#);
    }
}
