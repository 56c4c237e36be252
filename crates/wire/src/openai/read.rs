//! Chunks and unary answers: one pass over the bytes, checked to the last, and texts left where they are.

use domain::{FinishReason, Usage};

use crate::event::{Answer, Choice, Event, Malformed, ToolFragment, UpstreamError, UpstreamKind};
use crate::json::{Fault, FaultKind, Kind, Scanner, Text};
use crate::openai::failure::{read_failure, read_flat_failure};
use crate::openai::usage::read_usage;

/// What is read is bounded, so that a small hostile text cannot become a large structure.
pub(super) const MAX_CHOICES: usize = 128;
pub(super) const MAX_TOOL_CALLS: usize = 1024;

/// Reads the payload of one stream event.
///
/// Usage beside choices, which some servers send unasked, is read and left in place: it would have come without
/// us as well. Only a chunk that is nothing but usage ([`Event::usage_only`]) is ours to swallow.
///
/// # Errors
/// If the payload is neither `[DONE]` nor an object with `choices`, `usage` or `error` of the right types.
pub fn read_chunk(data: &[u8]) -> Result<Event<'_>, Malformed> {
    if data.trim_ascii() == b"[DONE]" {
        return Ok(Event { done: true, ..Event::default() });
    }
    let Body { choices, usage, error } = Body::read(data, "delta")?;
    if choices.is_none() && usage.is_none() && error.is_none() {
        return Err(Malformed::new("a chunk without choices"));
    }
    Ok(Event { choices: choices.unwrap_or_default(), usage, error, done: false })
}

/// Reads the body of a successful unary call.
///
/// # Errors
/// If the body is not an object with at least one choice or an `error`.
pub fn read_answer(body: &[u8]) -> Result<Answer<'_>, Malformed> {
    let Body { choices, usage, error } = Body::read(body, "message")?;
    let choices = choices.unwrap_or_default();
    if choices.is_empty() && error.is_none() {
        return Err(Malformed::new("an answer without choices"));
    }
    Ok(Answer { choices, usage, error })
}

struct Body<'a> {
    choices: Option<Vec<Choice<'a>>>,
    usage: Option<Usage>,
    error: Option<UpstreamError>,
}

impl<'a> Body<'a> {
    /// `content` is the member of a choice that holds what it says.
    fn read(data: &'a [u8], content: &str) -> Result<Self, Malformed> {
        let mut scanner = Scanner::new(data)?;
        let mut body = Self { choices: None, usage: None, error: None };
        let mut object = scanner.object()?;
        while let Some(name) = scanner.member(&mut object)? {
            match &*name.decode() {
                "choices" if !scanner.null()? => body.choices = Some(choices(&mut scanner, content)?),
                "usage" if !scanner.null()? => body.usage = read_usage(&mut scanner)?,
                "error" if !scanner.null()? => body.error = Some(read_failure(&mut scanner)?),
                "choices" | "usage" | "error" => {}
                _ => drop(scanner.skip()?),
            }
        }
        scanner.end()?;
        if body.error.is_none() && body.choices.iter().flatten().any(|choice| choice.failed) {
            let kind = UpstreamKind::Server;
            body.error = Some(UpstreamError::silent(kind));
        }
        if body.choices.is_none() && body.error.is_none() {
            body.error = read_flat_failure(data);
        }
        Ok(body)
    }
}

fn choices<'a>(scanner: &mut Scanner<'a>, content: &str) -> Result<Vec<Choice<'a>>, Fault> {
    let mut choices = Vec::new();
    let mut array = scanner.array()?;
    while scanner.element(&mut array)? {
        if choices.len() == MAX_CHOICES {
            return Err(scanner.fault(FaultKind::Kind("at most 128 choices")));
        }
        choices.push(choice(scanner, content)?);
    }
    Ok(choices)
}

fn choice<'a>(scanner: &mut Scanner<'a>, content: &str) -> Result<Choice<'a>, Fault> {
    let mut choice = Choice::default();
    let mut object = scanner.object()?;
    while let Some(name) = scanner.member(&mut object)? {
        match &*name.decode() {
            "index" if !scanner.null()? => choice.index = index(scanner)?,
            "finish_reason" if !scanner.null()? => {
                let reason = scanner.string()?;
                choice.failed |= reason.is("error");
                choice.finish = finish_reason(reason);
            }
            // Not OpenAI's: OpenRouter and others report a failure of the model inside the choice.
            "error" if !scanner.null()? => {
                scanner.skip()?;
                choice.failed = true;
            }
            name if name == content && !scanner.null()? => said(scanner, &mut choice)?,
            "index" | "finish_reason" | "error" => {}
            name if name == content => {}
            _ => drop(scanner.skip()?),
        }
    }
    Ok(choice)
}

/// The `delta` or `message` of a choice.
fn said<'a>(scanner: &mut Scanner<'a>, choice: &mut Choice<'a>) -> Result<(), Fault> {
    let mut object = scanner.object()?;
    while let Some(name) = scanner.member(&mut object)? {
        match &*name.decode() {
            "content" if scanner.peek()? == Kind::Array => parts(scanner, choice)?,
            "content" => words(scanner, &mut choice.text, &mut choice.opaque)?,
            "refusal" => words(scanner, &mut choice.refusal, &mut choice.opaque)?,
            // Not OpenAI's: `reasoning_content` is DeepSeek's and its followers', `reasoning` OpenRouter's, Groq's
            // and vLLM's. Some send the same text under both names.
            "reasoning_content" | "reasoning" => words(scanner, &mut choice.reasoning, &mut choice.aside)?,
            "audio" if !scanner.null()? => {
                scanner.skip()?;
                choice.opaque = true;
            }
            "tool_calls" if !scanner.null()? => {
                let mut array = scanner.array()?;
                while scanner.element(&mut array)? {
                    if choice.tools.len() == MAX_TOOL_CALLS {
                        return Err(scanner.fault(FaultKind::Kind("at most 1024 tool calls")));
                    }
                    let position = u32::try_from(choice.tools.len()).unwrap_or(u32::MAX);
                    choice.tools.push(tool_fragment(scanner, position)?);
                }
            }
            // The predecessor of `tool_calls`: at most one, without id or index.
            "function_call" if !scanner.null()? => {
                let mut fragment = ToolFragment::default();
                function(scanner, &mut fragment)?;
                choice.tools.push(fragment);
            }
            "audio" | "tool_calls" | "function_call" => {}
            _ => drop(scanner.skip()?),
        }
    }
    Ok(())
}

/// Content in parts, as Mistral's reasoning models send it: their thoughts, and what is not looked into.
fn parts(scanner: &mut Scanner<'_>, choice: &mut Choice<'_>) -> Result<(), Fault> {
    let mut array = scanner.array()?;
    while scanner.element(&mut array)? {
        let mut thought = false;
        if scanner.peek()? == Kind::Object {
            let mut object = scanner.object()?;
            while let Some(name) = scanner.member(&mut object)? {
                if name.is("type") && scanner.peek()? == Kind::String {
                    thought = scanner.string()?.is("thinking");
                } else {
                    scanner.skip()?;
                }
            }
        } else {
            scanner.skip()?;
        }
        choice.aside |= thought;
        choice.opaque |= !thought;
    }
    Ok(())
}

/// A string, or nothing, or something that is no text.
fn words<'a>(scanner: &mut Scanner<'a>, text: &mut Text<'a>, opaque: &mut bool) -> Result<(), Fault> {
    match scanner.peek()? {
        Kind::String => {
            let read = scanner.string()?;
            if !read.is_empty() {
                *text = read;
            }
        }
        Kind::Null => drop(scanner.null()?),
        Kind::Array | Kind::Object => {
            scanner.skip()?;
            *opaque = true;
        }
        Kind::Number | Kind::Bool => return Err(scanner.fault(FaultKind::Kind("a text"))),
    }
    Ok(())
}

/// `position` stands in for a missing index: unary answers have none, and some servers leave it out.
fn tool_fragment<'a>(scanner: &mut Scanner<'a>, position: u32) -> Result<ToolFragment<'a>, Fault> {
    let mut fragment = ToolFragment { index: position, ..ToolFragment::default() };
    let mut object = scanner.object()?;
    while let Some(name) = scanner.member(&mut object)? {
        match &*name.decode() {
            "index" if !scanner.null()? => fragment.index = index(scanner)?,
            "id" if !scanner.null()? => fragment.id = scanner.string()?,
            "function" if !scanner.null()? => function(scanner, &mut fragment)?,
            "index" | "id" | "function" => {}
            _ => drop(scanner.skip()?),
        }
    }
    Ok(fragment)
}

fn function<'a>(scanner: &mut Scanner<'a>, fragment: &mut ToolFragment<'a>) -> Result<(), Fault> {
    let mut object = scanner.object()?;
    while let Some(name) = scanner.member(&mut object)? {
        match &*name.decode() {
            "name" if scanner.peek()? == Kind::String => fragment.name = scanner.string()?,
            "arguments" if scanner.peek()? == Kind::String => fragment.arguments = scanner.string()?,
            // Not OpenAI's: some servers send the object itself.
            "arguments" if scanner.peek()? == Kind::Object => {
                fragment.arguments = Text::plain(scanner.value()?)
            }
            _ => drop(scanner.skip()?),
        }
    }
    Ok(())
}

pub(super) fn index(scanner: &mut Scanner<'_>) -> Result<u32, Fault> {
    let number = scanner.number()?;
    number.parse().map_err(|_| scanner.fault(FaultKind::Kind("an index")))
}

/// Some servers say "" where others say null.
fn finish_reason(text: Text<'_>) -> Option<FinishReason> {
    match &*text.decode() {
        "" => None,
        "stop" => Some(FinishReason::Stop),
        "length" => Some(FinishReason::Length),
        "tool_calls" | "function_call" => Some(FinishReason::ToolCalls),
        "content_filter" => Some(FinishReason::ContentFilter),
        _ => Some(FinishReason::Other),
    }
}
