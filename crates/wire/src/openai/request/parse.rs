//! The one pass over a request body.

use std::fmt::Arguments;

use crate::call::Role;
use crate::dialect::Refused;
use crate::dialect::check::{self, members, missing, refused, twice, wrong_type};
use crate::json::{Kind, Scanner, Span};
use crate::openai::request::{Facts, MessageFacts, StreamOptions};

const MAX_CHOICES: u64 = 128;

/// Members beside [`Member`]'s that let the model call or run something; one occurrence is enough. `plugins` is OpenRouter's word,
/// `search_parameters` xAI's.
const OTHER_TOOLS: [&str; 5] =
    ["functions", "function_call", "web_search_options", "plugins", "search_parameters"];

/// Members of a message that hold what a model thought, by conventions that are not OpenAI's.
pub(super) const THOUGHTS: [&str; 3] = ["reasoning_content", "reasoning", "reasoning_details"];

members! {
    /// A top-level member that is read.
    Member:
    Model = "model",
    Messages = "messages",
    Stream = "stream",
    StreamOptions = "stream_options",
    MaxTokens = "max_tokens",
    MaxCompletionTokens = "max_completion_tokens",
    N = "n",
    Tools = "tools",
    ToolChoice = "tool_choice",
    ParallelToolCalls = "parallel_tool_calls",
    ResponseFormat = "response_format",
    Temperature = "temperature",
    TopP = "top_p",
    TopK = "top_k",
    FrequencyPenalty = "frequency_penalty",
    PresencePenalty = "presence_penalty",
    Stop = "stop",
    Seed = "seed",
    Logprobs = "logprobs",
    TopLogprobs = "top_logprobs",
    ReasoningEffort = "reasoning_effort",
    User = "user",
}

impl Facts {
    /// The caller gave the member a value, under either name where it has two.
    pub(super) fn said(&self, member: Member) -> bool {
        let has = |member: Member| {
            self.seen.has(member.bit()) && !self.nulls.iter().any(|(null, _)| *null == member)
        };
        match member {
            Member::MaxTokens | Member::MaxCompletionTokens => self.max_tokens.is_some(),
            member => has(member),
        }
    }
}

pub(super) fn facts(body: &[u8]) -> Result<Facts, Refused> {
    let mut parse = Parse { scanner: Scanner::new(body)?, facts: Facts::default() };
    parse.request()?;
    if !parse.facts.said(Member::Model) {
        return Err(missing("model"));
    }
    if !parse.facts.said(Member::Messages) {
        return Err(missing("messages"));
    }
    Ok(parse.facts)
}

struct Parse<'a> {
    scanner: Scanner<'a>,
    facts: Facts,
}

impl Parse<'_> {
    fn request(&mut self) -> Result<(), Refused> {
        if self.scanner.peek()? != Kind::Object {
            return Err(wrong_type(None::<&str>, "an object", self.scanner.peek()?));
        }
        let mut object = self.scanner.object()?;
        while let Some(name) = self.scanner.member(&mut object)? {
            let name = name.decode();
            match Member::of(&name) {
                Some(member) => self.member(member)?,
                None => self.other(&name)?,
            }
            self.facts.end = self.scanner.offset();
        }
        Ok(self.scanner.end()?)
    }

    fn member(&mut self, member: Member) -> Result<(), Refused> {
        let name = member.name();
        if !self.facts.seen.add(member.bit()) {
            return Err(twice(format_args!("{name}")));
        }
        if self.scanner.peek()? == Kind::Null {
            let span = self.scanner.skip()?;
            self.facts.nulls.push((member, span));
            if member == Member::StreamOptions {
                self.facts.stream_options = StreamOptions::Null(span);
            }
            return Ok(());
        }
        let param = format_args!("{name}");
        match member {
            Member::Model => self.model(),
            Member::Messages => self.messages(),
            Member::Stream => {
                self.expect(&[Kind::Bool], "a boolean", param)?;
                self.facts.stream = self.scanner.boolean()?;
                Ok(())
            }
            Member::StreamOptions => self.stream_options(),
            Member::MaxTokens | Member::MaxCompletionTokens => {
                let limit = check::integer(&mut self.scanner, param, 1, u64::MAX)?;
                self.facts.max_tokens = self.facts.max_tokens.max(Some(limit));
                Ok(())
            }
            Member::N => {
                let choices = check::integer(&mut self.scanner, param, 1, MAX_CHOICES)?;
                self.facts.choices = u32::try_from(choices).ok();
                Ok(())
            }
            Member::Tools => self.tools(),
            Member::User => {
                self.expect(&[Kind::String], "a string", param)?;
                self.facts.user = Some(self.scanner.string()?.decode().into_owned());
                Ok(())
            }
            Member::ToolChoice => {
                self.facts.tools = true;
                self.pass(&[Kind::String, Kind::Object], "a string or an object", param)
            }
            Member::Stop => self.pass(&[Kind::String, Kind::Array], "a string or an array of strings", param),
            Member::ParallelToolCalls | Member::Logprobs => self.pass(&[Kind::Bool], "a boolean", param),
            Member::ResponseFormat => self.pass(&[Kind::Object], "an object", param),
            Member::ReasoningEffort => self.pass(&[Kind::String], "a string", param),
            Member::Temperature
            | Member::TopP
            | Member::TopK
            | Member::FrequencyPenalty
            | Member::PresencePenalty
            | Member::Seed
            | Member::TopLogprobs => self.pass(&[Kind::Number], "a number", param),
        }
    }

    /// A member that is the provider's business.
    fn other(&mut self, name: &str) -> Result<(), Refused> {
        let value = self.scanner.value()?;
        self.facts.tools |= OTHER_TOOLS.contains(&name) && !check::is_nothing(value);
        if name == "functions" {
            self.facts.tool_bytes += value.len();
        }
        Ok(())
    }

    fn model(&mut self) -> Result<(), Refused> {
        (self.facts.model, self.facts.model_span) = check::model(&mut self.scanner)?;
        Ok(())
    }

    fn stream_options(&mut self) -> Result<(), Refused> {
        self.expect(&[Kind::Object], "an object", format_args!("stream_options"))?;
        let mut object = self.scanner.object()?;
        let at = self.scanner.offset();
        let mut comma = false;
        let mut usage = None;
        while let Some(name) = self.scanner.member(&mut object)? {
            comma = true;
            if !name.is("include_usage") {
                self.scanner.skip()?;
                continue;
            }
            let param = format_args!("stream_options.include_usage");
            if usage.is_some() {
                return Err(twice(param));
            }
            self.expect(&[Kind::Bool, Kind::Null], "a boolean", param)?;
            let start = self.scanner.offset();
            let value = !self.scanner.null()? && self.scanner.boolean()?;
            usage = Some((value, Span { start, end: self.scanner.offset() }));
        }
        self.facts.stream_options = match usage {
            Some((value, span)) => StreamOptions::Usage { value, span },
            None => StreamOptions::WithoutUsage { at, comma },
        };
        Ok(())
    }

    fn tools(&mut self) -> Result<(), Refused> {
        self.expect(&[Kind::Array], "an array of objects", format_args!("tools"))?;
        let start = self.scanner.offset();
        let mut number = 0;
        let mut array = self.scanner.array()?;
        while self.scanner.element(&mut array)? {
            self.pass(&[Kind::Object], "an object", format_args!("tools[{number}]"))?;
            number += 1;
        }
        self.facts.tools |= number > 0;
        self.facts.tool_bytes += self.scanner.offset() - start;
        Ok(())
    }

    fn messages(&mut self) -> Result<(), Refused> {
        self.expect(&[Kind::Array], "an array of objects", format_args!("messages"))?;
        let mut array = self.scanner.array()?;
        self.facts.messages_start = self.scanner.offset();
        self.facts.messages.reserve(8);
        while self.scanner.element(&mut array)? {
            let message = self.message()?;
            self.facts.messages.push(message);
        }
        if self.facts.messages.is_empty() {
            return Err(refused("messages", "`messages` must have at least one message", "invalid_value"));
        }
        Ok(())
    }

    fn message(&mut self) -> Result<MessageFacts, Refused> {
        let number = self.facts.messages.len();
        self.expect(&[Kind::Object], "an object", format_args!("messages[{number}]"))?;
        let start = self.scanner.offset();
        let (mut role, mut content, mut characters, mut thoughts) = (None, None, 0, false);
        let mut object = self.scanner.object()?;
        while let Some(name) = self.scanner.member(&mut object)? {
            match &*name.decode() {
                "role" if role.is_some() => return Err(twice(format_args!("messages[{number}].role"))),
                "role" => role = Some(self.role(number)?),
                "content" if content.is_some() => {
                    return Err(twice(format_args!("messages[{number}].content")));
                }
                "content" => {
                    self.scanner.peek()?;
                    let start = self.scanner.offset();
                    characters = self.content(number)?;
                    content = Some(Span { start, end: self.scanner.offset() });
                }
                "tool_calls" | "function_call" => {
                    let calls = self.scanner.value()?;
                    self.facts.tool_bytes += if check::is_nothing(calls) { 0 } else { calls.len() };
                }
                name => {
                    thoughts |= THOUGHTS.contains(&name);
                    self.scanner.skip()?;
                }
            }
        }
        let Some(role) = role else {
            return Err(missing(format_args!("messages[{number}].role")));
        };
        if role == Role::User {
            self.facts.last_user = content;
        }
        let span = Span { start, end: self.scanner.offset() };
        if thoughts {
            self.facts.thoughtful.push(span);
        }
        Ok(MessageFacts { role, span, characters })
    }

    fn role(&mut self, message: usize) -> Result<Role, Refused> {
        let param = format_args!("messages[{message}].role");
        self.expect(&[Kind::String], "a string", param)?;
        let role = self.scanner.string()?;
        Role::ALL.into_iter().find(|known| role.is(known.as_str())).ok_or_else(|| {
            let known = Role::ALL.map(Role::as_str).join("`, `");
            refused(param, &format!("`{param}` must be one of `{known}`"), "invalid_value")
        })
    }

    /// The characters of a message's content.
    fn content(&mut self, message: usize) -> Result<usize, Refused> {
        let param = format_args!("messages[{message}].content");
        self.expect(&[Kind::String, Kind::Array, Kind::Null], "a string or an array of parts", param)?;
        match self.scanner.peek()? {
            Kind::String => Ok(self.scanner.string()?.characters()),
            Kind::Array => {
                let (mut characters, mut number) = (0, 0);
                let mut array = self.scanner.array()?;
                while self.scanner.element(&mut array)? {
                    characters += self.part(message, number)?;
                    number += 1;
                }
                Ok(characters)
            }
            _ => {
                self.scanner.skip()?;
                Ok(0)
            }
        }
    }

    /// The characters of a part.
    fn part(&mut self, message: usize, number: usize) -> Result<usize, Refused> {
        self.expect(&[Kind::Object], "an object", format_args!("messages[{message}].content[{number}]"))?;
        let (mut kind, mut characters) = (None, None);
        let mut object = self.scanner.object()?;
        while let Some(name) = self.scanner.member(&mut object)? {
            let name = name.decode();
            let param = format_args!("messages[{message}].content[{number}].{name}");
            match &*name {
                "type" if kind.is_some() => return Err(twice(param)),
                "text" if characters.is_some() => return Err(twice(param)),
                "type" => {
                    self.expect(&[Kind::String], "a string", param)?;
                    kind = Some(self.scanner.string()?);
                }
                "text" => {
                    self.expect(&[Kind::String], "a string", param)?;
                    characters = Some(self.scanner.string()?.characters());
                }
                _ => drop(self.scanner.skip()?),
            }
        }
        let Some(kind) = kind else {
            return Err(missing(format_args!("messages[{message}].content[{number}].type")));
        };
        if kind.is("image_url") {
            self.facts.images += 1;
        }
        Ok(characters.unwrap_or(0))
    }

    /// Checks the kind of a value that is otherwise the provider's business.
    fn pass(&mut self, kinds: &[Kind], what: &str, param: Arguments<'_>) -> Result<(), Refused> {
        check::pass(&mut self.scanner, kinds, what, param)
    }

    fn expect(&mut self, kinds: &[Kind], what: &str, param: Arguments<'_>) -> Result<(), Refused> {
        check::expect(&mut self.scanner, kinds, what, param)
    }
}
