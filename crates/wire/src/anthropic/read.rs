//! Messages as they are answered: one pass over the bytes, checked to the last, and texts left where they are.
//!
//! A message is a list of content blocks, in the order they were said. Text, thoughts and tool calls mean something
//! in any dialect; what the provider's own tools did and found is content that has no text here.

use domain::FinishReason;

use crate::anthropic::failure::read_failure;
use crate::anthropic::usage::Report;
use crate::call::Origin;
use crate::event::{Answer, Choice, Malformed, Signature, ToolFragment};
use crate::json::{Fault, FaultKind, Kind, Scanner, Text};

/// What is read is bounded, so that a small hostile text cannot become a large structure. A cited answer has a block
/// for every few words.
pub(super) const MAX_BLOCKS: u32 = 8192;
pub(super) const MAX_TOOL_CALLS: u32 = 1024;

/// Reads the body of a successful unary call.
///
/// # Errors
/// If the body is neither a whole message nor an error.
pub(super) fn answer(body: &[u8]) -> Result<Answer<'_>, Malformed> {
    let mut scanner = Scanner::new(body)?;
    let message = Message::read(&mut scanner)?;
    scanner.end()?;
    if message.failed {
        return Ok(Answer { error: Some(read_failure(body)), ..Answer::default() });
    }
    let mut said = Said::default();
    let mut choices = Vec::new();
    for block in message.content.ok_or(Malformed::new("a message without content"))? {
        choices.extend(said.whole(&block)?);
    }
    let finish = message.end.finish().ok_or(Malformed::new("a message without a stop reason"))?;
    choices.push(finish);
    Ok(Answer { choices, usage: message.usage.usage(), error: None })
}

/// A message, or the beginning of one.
#[derive(Default)]
pub(super) struct Message<'a> {
    pub(super) content: Option<Vec<Block<'a>>>,
    pub(super) end: End<'a>,
    pub(super) usage: Report,
    /// It is an error instead.
    failed: bool,
}

impl<'a> Message<'a> {
    pub(super) fn read(scanner: &mut Scanner<'a>) -> Result<Self, Fault> {
        let mut message = Self::default();
        let mut object = scanner.object()?;
        while let Some(name) = scanner.member(&mut object)? {
            match &*name.decode() {
                "type" if scanner.peek()? == Kind::String => message.failed |= scanner.string()?.is("error"),
                "error" if !scanner.null()? => {
                    scanner.skip()?;
                    message.failed = true;
                }
                "content" if !scanner.null()? => message.content = Some(blocks(scanner)?),
                "usage" if scanner.peek()? == Kind::Object => message.usage = Report::read(scanner)?,
                "error" | "content" => {}
                name => message.end.read_member(name, scanner)?,
            }
        }
        Ok(message)
    }
}

fn blocks<'a>(scanner: &mut Scanner<'a>) -> Result<Vec<Block<'a>>, Fault> {
    let mut blocks = Vec::new();
    let mut array = scanner.array()?;
    while scanner.element(&mut array)? {
        if blocks.len() >= MAX_BLOCKS as usize {
            return Err(scanner.fault(FaultKind::Kind("at most 8192 content blocks")));
        }
        blocks.push(Block::read(scanner)?);
    }
    Ok(blocks)
}

/// A content block, or the difference that a delta makes to one. A text that is not there is empty.
#[derive(Default)]
pub(super) struct Block<'a> {
    pub(super) kind: Text<'a>,
    pub(super) text: Text<'a>,
    pub(super) thinking: Text<'a>,
    pub(super) signature: Text<'a>,
    pub(super) partial_json: Text<'a>,
    data: Text<'a>,
    id: Text<'a>,
    name: Text<'a>,
    /// The object as it is written.
    input: Option<&'a str>,
    /// A member that should be a text, or an object, is something else.
    odd: bool,
    /// Why the message ends: deltas of a message say it.
    pub(super) end: End<'a>,
}

impl<'a> Block<'a> {
    pub(super) fn read(scanner: &mut Scanner<'a>) -> Result<Self, Fault> {
        let mut block = Self::default();
        let mut object = scanner.object()?;
        while let Some(name) = scanner.member(&mut object)? {
            let text = match &*name.decode() {
                "type" => &mut block.kind,
                "text" => &mut block.text,
                "thinking" => &mut block.thinking,
                "signature" => &mut block.signature,
                "partial_json" => &mut block.partial_json,
                "data" => &mut block.data,
                "id" => &mut block.id,
                "name" => &mut block.name,
                "input" => {
                    match scanner.peek()? {
                        Kind::Object => block.input = Some(scanner.value()?),
                        kind => {
                            block.odd |= kind != Kind::Null;
                            scanner.skip()?;
                        }
                    }
                    continue;
                }
                name => {
                    block.end.read_member(name, scanner)?;
                    continue;
                }
            };
            match scanner.peek()? {
                Kind::String => *text = scanner.string()?,
                kind => {
                    block.odd |= kind != Kind::Null;
                    scanner.skip()?;
                }
            }
        }
        Ok(block)
    }

    /// Its kind, if it is a known one and its members are what that kind has.
    pub(super) fn known(&self) -> Result<Known, Malformed> {
        let known = match &*self.kind.decode() {
            "text" => Known::Text,
            "thinking" => Known::Thinking,
            "redacted_thinking" => Known::RedactedThinking,
            "tool_use" => Known::ToolUse,
            "text_delta" => Known::TextDelta,
            "thinking_delta" => Known::ThinkingDelta,
            "signature_delta" => Known::SignatureDelta,
            "input_json_delta" => Known::InputJsonDelta,
            "" => return Err(Malformed::new("content without a type")),
            // What the provider's own tools say, and what is newer than this.
            _ => return Ok(Known::Opaque),
        };
        if self.odd { Err(Malformed::new("content that is not what its type says")) } else { Ok(known) }
    }
}

/// The kinds of content and of deltas that mean something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Text,
    Thinking,
    RedactedThinking,
    ToolUse,
    TextDelta,
    ThinkingDelta,
    SignatureDelta,
    InputJsonDelta,
    Opaque,
}

/// What was said so far, as far as the next block depends on it.
#[derive(Debug, Default)]
pub(super) struct Said {
    tools: u32,
}

impl Said {
    /// A block with all its content.
    pub(super) fn whole<'a>(&mut self, block: &Block<'a>) -> Result<Option<Choice<'a>>, Malformed> {
        let mut choice = self.begun(block)?;
        for tool in choice.iter_mut().flat_map(|choice| &mut choice.tools) {
            tool.arguments = Text::plain(block.input.unwrap_or("{}"));
        }
        Ok(choice)
    }

    /// A block that has just begun; none if it says nothing yet. The input of a tool may already be there, and is an
    /// empty object if it is still to come.
    pub(super) fn begun<'a>(&mut self, block: &Block<'a>) -> Result<Option<Choice<'a>>, Malformed> {
        let mut choice = Choice::default();
        match block.known()? {
            Known::Text => choice.text = block.text,
            Known::Thinking => {
                choice.reasoning = block.thinking;
                choice.signature = signature(block.signature, false);
            }
            Known::RedactedThinking => choice.signature = signature(block.data, true),
            Known::ToolUse => choice.tools.push(self.tool(block)?),
            _ => choice.aside = true,
        }
        Ok(choice.has_content().then_some(choice))
    }

    fn tool<'a>(&mut self, block: &Block<'a>) -> Result<ToolFragment<'a>, Malformed> {
        if block.name.is_empty() {
            return Err(Malformed::new("a tool call without a name"));
        }
        if self.tools == MAX_TOOL_CALLS {
            return Err(Malformed::new("more than 1024 tool calls"));
        }
        let index = self.tools;
        self.tools += 1;
        let input = block.input.filter(|input| !is_empty_object(input)).unwrap_or_default();
        Ok(ToolFragment { index, id: block.id, name: block.name, arguments: Text::plain(input) })
    }
}

pub(super) fn signature(data: Text<'_>, encrypted: bool) -> Option<Signature<'_>> {
    let signature = Signature { origin: Origin::Anthropic, data, encrypted, tool: None };
    (!data.is_empty()).then_some(signature)
}

fn is_empty_object(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'{' | b'}') || b.is_ascii_whitespace())
}

/// Why a message ends.
#[derive(Default)]
pub(super) struct End<'a> {
    reason: Text<'a>,
    /// Of a refusal, in the provider's words.
    explanation: Text<'a>,
}

impl<'a> End<'a> {
    /// Reads the value of the member `name`, whatever it is.
    fn read_member(&mut self, name: &str, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        match name {
            "stop_reason" if scanner.peek()? == Kind::String => self.reason = scanner.string()?,
            "stop_details" if scanner.peek()? == Kind::Object => {
                let mut object = scanner.object()?;
                while let Some(name) = scanner.member(&mut object)? {
                    if name.is("explanation") && scanner.peek()? == Kind::String {
                        self.explanation = scanner.string()?;
                    } else {
                        scanner.skip()?;
                    }
                }
            }
            _ => drop(scanner.skip()?),
        }
        Ok(())
    }

    pub(super) fn finish(&self) -> Option<Choice<'a>> {
        let finish = match &*self.reason.decode() {
            "" => return None,
            "end_turn" | "stop_sequence" => FinishReason::Stop,
            "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
            "tool_use" => FinishReason::ToolCalls,
            "refusal" => FinishReason::ContentFilter,
            // `pause_turn`: a tool of the provider's takes long, and wants to be asked to go on.
            _ => FinishReason::Other,
        };
        Some(Choice { refusal: self.explanation, finish: Some(finish), ..Choice::default() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with_content(content: &str) -> String {
        format!(r#"{{"type":"message","content":[{content}],"stop_reason":"end_turn"}}"#)
    }

    #[test]
    fn blocks_keep_their_order_and_tool_calls_are_counted() {
        let body = with_content(
            r#"{"type":"text","text":"a"},{"name":"x","id":"1","input":{"n":1.0},"type":"tool_use"},
               {"type":"text","text":"b"},{"type":"tool_use","id":"2","name":"y","input":{ }}"#,
        );
        let answer = answer(body.as_bytes()).unwrap();
        let tool = |index, id, name, arguments| ToolFragment {
            index,
            id: Text::plain(id),
            name: Text::plain(name),
            arguments: Text::plain(arguments),
        };
        let text = |text| Choice { text: Text::plain(text), ..Choice::default() };
        let calls = |tool| Choice { tools: vec![tool], ..Choice::default() };
        let expected = [
            text("a"),
            calls(tool(0, "1", "x", r#"{"n":1.0}"#)),
            text("b"),
            calls(tool(1, "2", "y", "{ }")),
            Choice { finish: Some(FinishReason::Stop), ..Choice::default() },
        ];
        assert_eq!(answer.choices, expected);
        assert_eq!(answer.said(0), "ab");
    }

    #[test]
    fn every_stop_reason_has_its_meaning() {
        for (reason, finish) in [
            ("end_turn", FinishReason::Stop),
            ("stop_sequence", FinishReason::Stop),
            ("max_tokens", FinishReason::Length),
            ("model_context_window_exceeded", FinishReason::Length),
            ("tool_use", FinishReason::ToolCalls),
            ("refusal", FinishReason::ContentFilter),
            ("pause_turn", FinishReason::Other),
            ("something_new", FinishReason::Other),
        ] {
            let body = format!(r#"{{"content":[],"stop_reason":"{reason}"}}"#);
            assert_eq!(answer(body.as_bytes()).unwrap().finish(0), Some(finish), "{reason}");
        }
    }

    #[test]
    fn an_answer_is_a_whole_message() {
        for body in [
            "{}",
            r#"{"type":"message","stop_reason":"end_turn"}"#,
            r#"{"type":"message","content":null,"stop_reason":"end_turn"}"#,
            r#"{"type":"message","content":[]}"#,
            r#"{"type":"message","content":[],"stop_reason":null}"#,
            r#"{"type":"message","content":[],"stop_reason":7}"#,
            r#"{"type":"message","content":"a","stop_reason":"end_turn"}"#,
            &with_content("7"),
            &with_content(r#"{"text":"a"}"#),
            &with_content(r#"{"type":"text","text":7}"#),
            &with_content(r#"{"type":"thinking","thinking":["a"]}"#),
            &with_content(r#"{"type":"tool_use","id":"1","input":{}}"#),
            &with_content(r#"{"type":"tool_use","id":"1","name":"x","input":"{}"}"#),
        ] {
            assert!(answer(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn what_is_null_or_unknown_is_in_nobodys_way() {
        let body = with_content(
            r#"{"type":"text","text":"a","citations":null},{"type":"thinking","thinking":"b","signature":null},
               {"type":"web_search_tool_result","content":[],"name":7},{"type":"text","text":null}"#,
        );
        let answer = answer(body.as_bytes()).unwrap();
        assert_eq!(answer.choices.len(), 4);
        assert!(answer.choices[2].aside);
    }

    #[test]
    fn a_small_text_cannot_become_a_large_structure() {
        let of = |block: &str, count| with_content(&[block].repeat(count).join(","));
        let text = r#"{"type":"text"}"#;
        assert!(answer(of(text, 8192).as_bytes()).is_ok());
        assert!(answer(of(text, 8193).as_bytes()).is_err());
        let tool = r#"{"type":"tool_use","name":"x"}"#;
        assert!(answer(of(tool, 1024).as_bytes()).is_ok());
        assert!(answer(of(tool, 1025).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body: Vec<u8>, at: prop::sample::Index, byte: u8) {
            let _ = answer(&body);
            let mut damaged = with_content(r#"{"type":"tool_use","id":"1","name":"x","input":{"a":[]}}"#).into_bytes();
            let at = at.index(damaged.len());
            damaged[at] = byte;
            if answer(&damaged).is_ok() {
                prop_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&damaged).is_ok());
            }
        }
    }
}
