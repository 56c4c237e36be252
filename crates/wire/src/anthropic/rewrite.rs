//! Cutting an answer short while leaving everything else as the provider wrote it.

use bytes::{Bytes, BytesMut};
use domain::{FinishReason, Usage};

use crate::anthropic::answer::{stop_reason, write_block_stop, write_end};
use crate::event::Malformed;
use crate::json::{Edit, Fault, Kind, Scanner, Span, Text, splice, write_str};
use crate::sse;

/// `body`, a message, with `text` as all that it says and `finish`, if given, as the reason why it ended. The first
/// text block has the whole text, without citations, which are places in the old one; further text blocks are gone.
/// All other blocks stay.
///
/// # Errors
/// If the body is malformed, or a message without text.
pub fn rewrite(body: &Bytes, text: &str, finish: Option<FinishReason>) -> Result<Bytes, Malformed> {
    let Message { start, content, stop_reason: reason, stop_sequence } = Message::find(body)?;
    let mut quoted = BytesMut::with_capacity(text.len() + 16);
    write_str(&mut quoted, text);
    let mut edits = Vec::with_capacity(4);
    let mut texts = content.iter().filter_map(|block| block.text.map(|text| (block, text)));
    let (first, span) = texts.next().ok_or(Malformed::new("a message without text"))?;
    edits.push(Edit { span, with: &quoted });
    edits.extend(first.citations.map(|span| Edit { span, with: b"null" }));
    edits.extend(texts.map(|(block, _)| Edit { span: block.with_comma, with: b"" }));
    let mut word = BytesMut::new();
    if let Some(finish) = finish {
        let calls_tools = content.iter().any(|block| block.tool_use);
        match reason {
            Some(span) => {
                write_str(&mut word, stop_reason(Some(finish), calls_tools));
                edits.push(Edit { span, with: &word });
            }
            None => {
                word.extend_from_slice(b"\"stop_reason\":");
                write_str(&mut word, stop_reason(Some(finish), calls_tools));
                word.extend_from_slice(b",");
                edits.push(Edit::insert(start, &word));
            }
        }
        edits.extend(stop_sequence.map(|span| Edit { span, with: b"null" }));
    }
    Ok(splice(body, &mut edits))
}

/// Appends the event of a stream that has the payload `data`, with `text` in the place of what it says. Returns the
/// index of the block that it belongs to, for [`close_truncated`].
///
/// # Errors
/// If the payload is malformed, or is not of an event that says something.
pub fn truncate(out: &mut BytesMut, data: &Bytes, text: &str) -> Result<u32, Malformed> {
    let Piece { name, block, text: span } =
        Piece::find(data)?.ok_or(Malformed::new("an event without text"))?;
    let mut quoted = BytesMut::with_capacity(text.len() + 16);
    write_str(&mut quoted, text);
    sse::write_event(out, name, &splice(data, &mut [Edit { span, with: &quoted }]));
    Ok(block)
}

/// Appends the end of a stream that was cut in the block of that index.
pub fn close_truncated(out: &mut BytesMut, block: u32, usage: &Usage) {
    write_block_stop(out, block);
    write_end(out, stop_reason(Some(FinishReason::Length), false), usage);
}

/// Where a message keeps what is to be changed.
#[derive(Default)]
struct Message {
    /// Behind the opening brace of the message, which is not empty.
    start: usize,
    content: Vec<Block>,
    stop_reason: Option<Span>,
    stop_sequence: Option<Span>,
}

struct Block {
    /// From the end of the block in front.
    with_comma: Span,
    /// The value, of a text block.
    text: Option<Span>,
    citations: Option<Span>,
    tool_use: bool,
}

impl Message {
    fn find(body: &[u8]) -> Result<Self, Fault> {
        let mut scanner = Scanner::new(body)?;
        let mut message = Self::default();
        let mut object = scanner.object()?;
        message.start = scanner.offset();
        while let Some(name) = scanner.member(&mut object)? {
            match &*name.decode() {
                "content" if scanner.peek()? == Kind::Array => message.content = blocks(&mut scanner)?,
                "stop_reason" => message.stop_reason = Some(scanner.skip()?),
                "stop_sequence" => message.stop_sequence = Some(scanner.skip()?),
                _ => drop(scanner.skip()?),
            }
        }
        scanner.end()?;
        Ok(message)
    }
}

fn blocks(scanner: &mut Scanner<'_>) -> Result<Vec<Block>, Fault> {
    let mut blocks = Vec::new();
    let mut array = scanner.array()?;
    let mut end = scanner.offset();
    while scanner.element(&mut array)? {
        blocks.push(block(scanner, end)?);
        end = scanner.offset();
    }
    Ok(blocks)
}

/// A block, or what is added to one. `start` is the end of the block in front.
fn block(scanner: &mut Scanner<'_>, start: usize) -> Result<Block, Fault> {
    let (mut kind, mut text, mut citations) = (None, None, None);
    let mut object = scanner.object()?;
    while let Some(name) = scanner.member(&mut object)? {
        match &*name.decode() {
            "type" if scanner.peek()? == Kind::String => kind = Some(scanner.string()?),
            "text" if scanner.peek()? == Kind::String => text = Some(scanner.skip()?),
            "citations" => citations = Some(scanner.skip()?),
            _ => drop(scanner.skip()?),
        }
    }
    let is = |name: &str| kind.is_some_and(|kind: Text<'_>| kind.is(name));
    let text = text.filter(|_| is("text") || is("text_delta"));
    let with_comma = Span { start, end: scanner.offset() };
    Ok(Block { with_comma, text, citations, tool_use: is("tool_use") })
}

/// An event that says something: where, and in which block.
struct Piece {
    name: &'static str,
    block: u32,
    text: Span,
}

impl Piece {
    fn find(data: &[u8]) -> Result<Option<Self>, Fault> {
        let mut scanner = Scanner::new(data)?;
        let (mut index, mut found) = (None, None);
        let mut object = scanner.object()?;
        while let Some(member) = scanner.member(&mut object)? {
            match &*member.decode() {
                "index" if scanner.peek()? == Kind::Number => index = scanner.number()?.parse().ok(),
                "delta" if scanner.peek()? == Kind::Object => {
                    found = block(&mut scanner, 0)?.text.map(|text| ("content_block_delta", text));
                }
                "content_block" if scanner.peek()? == Kind::Object => {
                    found = block(&mut scanner, 0)?.text.map(|text| ("content_block_start", text));
                }
                _ => drop(scanner.skip()?),
            }
        }
        scanner.end()?;
        Ok(index.zip(found).map(|(block, (name, text))| Self { name, block, text }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &'static str, finish: Option<FinishReason>, expected: &str) {
        let body = Bytes::from_static(body.as_bytes());
        let rewritten = rewrite(&body, "a\"b", finish).unwrap();
        assert_eq!(rewritten, expected);
        serde_json::from_slice::<serde_json::Value>(&rewritten).unwrap();
    }

    #[test]
    fn only_what_is_said_changes() {
        check(
            r#"{ "x":1e0, "content":[{"type":"text","text":"old","y":[ ]}],"stop_reason":"end_turn" }"#,
            None,
            r#"{ "x":1e0, "content":[{"type":"text","text":"a\"b","y":[ ]}],"stop_reason":"end_turn" }"#,
        );
    }

    #[test]
    fn a_cut_message_has_one_text_all_its_other_blocks_and_says_why_it_ended() {
        check(
            r#"{"content":[{"type":"thinking","thinking":"t","signature":"s"}, {"text":"old","type":"text","citations":[{}]} , {"type":"text","text":"gone"}, {"type":"tool_use","id":"1","name":"f","input":{}} ,{"type":"text","text":"gone"} ],"stop_reason":"stop_sequence","stop_sequence":"END"}"#,
            Some(FinishReason::Length),
            r#"{"content":[{"type":"thinking","thinking":"t","signature":"s"}, {"text":"a\"b","type":"text","citations":null}, {"type":"tool_use","id":"1","name":"f","input":{}} ],"stop_reason":"max_tokens","stop_sequence":null}"#,
        );
        check(
            r#"{"content":[{"type":"text","text":"old"}]}"#,
            Some(FinishReason::Length),
            r#"{"stop_reason":"max_tokens","content":[{"type":"text","text":"a\"b"}]}"#,
        );
    }

    #[test]
    fn a_message_without_text_cannot_be_cut() {
        for body in [
            "{}",
            "[]",
            r#"{"content":[]}"#,
            r#"{"content":[{"type":"thinking","text":"x"}]}"#,
            r#"{"content":[{"type":"text","text":7}]}"#,
        ] {
            assert!(rewrite(&Bytes::from_static(body.as_bytes()), "x", None).is_err(), "{body}");
        }
    }

    #[test]
    fn a_stream_is_cut_inside_a_block_and_closed() {
        let mut out = BytesMut::new();
        let data =
            br#"{"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"Hello there"},"x":1e0}"#;
        let block = truncate(&mut out, &Bytes::from_static(data), "Hello").unwrap();
        close_truncated(&mut out, block, &Usage { input: 3, output: 1, ..Usage::default() });
        let expected = concat!(
            "event: content_block_delta\n",
            r#"data: {"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"Hello"},"x":1e0}"#,
            "\n\nevent: content_block_stop\n",
            r#"data: {"type":"content_block_stop","index":2}"#,
            "\n\nevent: message_delta\n",
            r#"data: {"type":"message_delta","delta":{"stop_reason":"max_tokens","stop_sequence":null},"usage":{"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1,"output_tokens_details":{"thinking_tokens":0}}}"#,
            "\n\nevent: message_stop\n",
            r#"data: {"type":"message_stop"}"#,
            "\n\n",
        );
        assert_eq!(out, expected);
    }

    #[test]
    fn a_block_may_begin_with_a_text() {
        let mut out = BytesMut::new();
        let data =
            br#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"Hello there"}}"#;
        assert_eq!(truncate(&mut out, &Bytes::from_static(data), "H"), Ok(0));
        let expected = concat!(
            "event: content_block_start\n",
            r#"data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":"H"}}"#,
            "\n\n",
        );
        assert_eq!(out, expected);
    }

    #[test]
    fn an_event_that_says_nothing_cannot_be_cut() {
        for data in [
            r#"{"type":"message_stop"}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"x"}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"x"}}"#,
            r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"x"}}"#,
            r#"{"type":"content_block_delta","index":-1,"delta":{"type":"text_delta","text":"x"}}"#,
            "[",
        ] {
            assert!(
                truncate(&mut BytesMut::new(), &Bytes::from_static(data.as_bytes()), "").is_err(),
                "{data}"
            );
        }
    }
}
