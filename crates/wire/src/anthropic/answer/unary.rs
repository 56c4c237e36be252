use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use domain::Usage;

use crate::anthropic::answer::{sealed, stop_reason, write_head, write_usage};
use crate::anthropic::foreign::UNSIGNED;
use crate::dialect::{Head, tool_call_id};
use crate::event::{Answer, Choice, Malformed};
use crate::json::{Kind, Scanner, Text, write_str};

/// A unary answer: the first choice, for the dialect has only one.
///
/// # Errors
/// If there is content that has no place here.
pub fn answer(head: &Head<'_>, answer: &Answer<'_>, usage: &Usage) -> Result<Bytes, Malformed> {
    let choices = || answer.choices.iter().filter(|choice| choice.index == 0);
    if choices().any(|choice| choice.opaque) {
        return Err(Malformed::NO_PLACE);
    }
    let mut out = BytesMut::with_capacity(choices().map(Choice::written).sum::<usize>() + 512);
    write_head(&mut out, head.id, head.model);
    let calls = calls(choices(), head.id);
    let calls_tools = !calls.is_empty();
    let mut content = Content { out: &mut out, calls, answer_id: head.id, open: None, blocks: 0 };
    choices().for_each(|choice| content.write(choice));
    content.end();
    out.extend_from_slice(b"],\"stop_reason\":");
    write_str(&mut out, stop_reason(answer.finish(0), calls_tools));
    out.extend_from_slice(b",\"stop_sequence\":null,\"usage\":");
    write_usage(&mut out, usage);
    out.extend_from_slice(b"}");
    Ok(out.freeze())
}

/// A tool call, put together.
struct Call<'a> {
    id: String,
    name: Text<'a>,
    arguments: Vec<Text<'a>>,
    written: bool,
}

/// By their indexes.
fn calls<'a, 'b: 'a>(
    choices: impl Iterator<Item = &'a Choice<'b>>,
    answer_id: &str,
) -> BTreeMap<u32, Call<'b>> {
    let mut calls = BTreeMap::new();
    for fragment in choices.flat_map(|choice| &choice.tools) {
        let call = calls.entry(fragment.index).or_insert_with(|| Call {
            id: match &*fragment.id.decode() {
                "" => tool_call_id(answer_id, fragment.index),
                id => id.to_owned(),
            },
            name: fragment.name,
            arguments: Vec::new(),
            written: false,
        });
        call.arguments.push(fragment.arguments);
    }
    calls
}

/// The content of a message that is being written.
struct Content<'a, 'b> {
    out: &'a mut BytesMut,
    calls: BTreeMap<u32, Call<'b>>,
    answer_id: &'a str,
    /// A block whose text may go on: its quote is open.
    open: Option<Open>,
    blocks: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Text,
    Thinking,
}

impl Content<'_, '_> {
    fn write(&mut self, choice: &Choice<'_>) {
        self.text(Open::Thinking, choice.reasoning);
        self.signature(choice);
        self.text(Open::Text, choice.text);
        self.text(Open::Text, choice.refusal);
        for fragment in &choice.tools {
            self.tool_use(fragment.index);
        }
    }

    fn text(&mut self, kind: Open, text: Text<'_>) {
        if text.is_empty() {
            return;
        }
        if self.open != Some(kind) {
            self.begin();
            self.out.extend_from_slice(match kind {
                Open::Text => b"{\"type\":\"text\",\"text\":\"",
                Open::Thinking => b"{\"type\":\"thinking\",\"thinking\":\"",
            });
            self.open = Some(kind);
        }
        text.write_inside(self.out);
    }

    fn signature(&mut self, choice: &Choice<'_>) {
        let Some(signature) = &choice.signature else { return };
        let id = signature.tool.map(|index| match self.calls.get(&index) {
            Some(call) => call.id.clone(),
            None => tool_call_id(self.answer_id, index),
        });
        let sealed = sealed(signature, id.as_deref());
        if signature.encrypted {
            self.begin();
            self.out.extend_from_slice(b"{\"type\":\"redacted_thinking\",\"data\":");
        } else if self.open == Some(Open::Thinking) && signature.tool.is_none() {
            self.open = None;
            self.out.extend_from_slice(b"\",\"signature\":");
        } else {
            self.begin();
            self.out.extend_from_slice(b"{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":");
        }
        write_str(self.out, &sealed);
        self.out.extend_from_slice(b"}");
    }

    /// The whole call stands where its first fragment does.
    fn tool_use(&mut self, index: u32) {
        if self.calls.get(&index).is_none_or(|call| call.written) {
            return;
        }
        self.begin();
        let Some(call) = self.calls.get_mut(&index) else { return };
        call.written = true;
        self.out.extend_from_slice(b"{\"type\":\"tool_use\",\"id\":");
        write_str(self.out, &call.id);
        self.out.extend_from_slice(b",\"name\":");
        call.name.write_to(self.out);
        self.out.extend_from_slice(b",\"input\":");
        write_input(self.out, &joined(&call.arguments));
        self.out.extend_from_slice(b"}");
    }

    /// Ends the block that is open, if any, and puts a comma behind what there is.
    fn begin(&mut self) {
        self.end();
        if self.blocks > 0 {
            self.out.extend_from_slice(b",");
        }
        self.blocks += 1;
    }

    fn end(&mut self) {
        match self.open.take() {
            Some(Open::Text) => self.out.extend_from_slice(b"\"}"),
            Some(Open::Thinking) => {
                self.out.extend_from_slice(b"\",\"signature\":");
                write_str(self.out, UNSIGNED);
                self.out.extend_from_slice(b"}");
            }
            None => {}
        }
    }
}

fn joined<'a>(pieces: &[Text<'a>]) -> Cow<'a, str> {
    let mut pieces = pieces.iter().filter(|piece| !piece.is_empty());
    let first = pieces.next().copied().unwrap_or_default().decode();
    pieces.fold(first, |all, piece| all + piece.decode())
}

/// A tool's input is an object here, while elsewhere it is the model's text, which may be none. Then it is wrapped as
/// Anthropic advises for such a case (<https://platform.claude.com/docs/en/agents-and-tools/tool-use/fine-grained-tool-streaming>).
fn write_input(out: &mut BytesMut, arguments: &str) {
    if arguments.trim_ascii().is_empty() {
        out.extend_from_slice(b"{}");
    } else if is_object(arguments) {
        out.extend_from_slice(arguments.as_bytes());
    } else {
        out.extend_from_slice(b"{\"INVALID_JSON\":");
        write_str(out, arguments);
        out.extend_from_slice(b"}");
    }
}

fn is_object(text: &str) -> bool {
    let Ok(mut scanner) = Scanner::new(text.as_bytes()) else { return false };
    scanner.peek() == Ok(Kind::Object) && scanner.skip().and_then(|_| scanner.end()).is_ok()
}

#[cfg(test)]
mod tests {
    use domain::FinishReason;

    use super::*;
    use crate::call::Origin;
    use crate::event::{Signature, ToolFragment};

    const HEAD: Head<'_> = Head { id: "msg_7", created: 1_700_000_000, model: "sup\"port" };

    /// The content of a message, and why it ended.
    fn written<const N: usize>(choices: [Choice<'_>; N]) -> (String, String) {
        let usage = Usage {
            input: 5,
            cached_input: 3,
            cache_write: 2,
            output: 6,
            reasoning: 4,
            image: 1,
            ..Usage::default()
        };
        let body = answer(&HEAD, &Answer { choices: choices.into(), ..Answer::default() }, &usage).unwrap();
        serde_json::from_slice::<serde_json::Value>(&body).unwrap();
        let body = std::str::from_utf8(&body).unwrap();
        let head = r#"{"id":"msg_7","type":"message","role":"assistant","model":"sup\"port","content":["#;
        let tail = r#","stop_sequence":null,"usage":{"input_tokens":6,"cache_creation_input_tokens":2,"cache_read_input_tokens":3,"output_tokens":10,"output_tokens_details":{"thinking_tokens":4}}}"#;
        let body = body.strip_prefix(head).unwrap().strip_suffix(tail).unwrap();
        let (content, stop) = body.split_once(r#"],"stop_reason":"#).unwrap();
        (content.to_owned(), stop.to_owned())
    }

    fn text(text: &str) -> Choice<'_> {
        Choice { text: Text::plain(text), ..Choice::default() }
    }

    fn call<'a>(index: u32, id: &'a str, name: &'a str, arguments: &'a str) -> ToolFragment<'a> {
        ToolFragment {
            index,
            id: Text::plain(id),
            name: Text::plain(name),
            arguments: Text::plain(arguments),
        }
    }

    #[test]
    fn neighbouring_words_are_one_block() {
        let end = Choice { finish: Some(FinishReason::Stop), ..Choice::default() };
        let other = Choice { index: 1, ..text("not this one") };
        let refusal = Choice { refusal: Text::plain("c"), ..Choice::default() };
        let (content, stop) = written([text("a\""), other, text("\nb"), refusal, end]);
        assert_eq!(content, r#"{"type":"text","text":"a\"\nbc"}"#);
        assert_eq!(stop, r#""end_turn""#);
    }

    #[test]
    fn calls_stand_where_they_begin_and_have_an_object_as_input() {
        let tools = |tools: Vec<_>| Choice { tools, ..Choice::default() };
        let (content, stop) = written([
            text("a"),
            tools(vec![call(0, "call_a", "f", "{\"x\":"), call(1, "", "g", "")]),
            text("b"),
            tools(vec![call(0, "", "", " 1 }"), call(2, "", "h", "oops\n")]),
        ]);
        let expected = concat!(
            r#"{"type":"text","text":"a"},"#,
            r#"{"type":"tool_use","id":"call_a","name":"f","input":{"x": 1 }},"#,
            r#"{"type":"tool_use","id":"call_7_1","name":"g","input":{}},"#,
            r#"{"type":"text","text":"b"},"#,
            r#"{"type":"tool_use","id":"call_7_2","name":"h","input":{"INVALID_JSON":"oops\n"}}"#,
        );
        assert_eq!(content, expected);
        assert_eq!(stop, r#""tool_use""#);
    }

    #[test]
    fn thoughts_are_signed_by_their_provider_or_sealed_by_us() {
        let think = |text, signature| Choice { reasoning: Text::plain(text), signature, ..Choice::default() };
        let sign = |origin, data, encrypted, tool| {
            Some(Signature { origin, data: Text::plain(data), encrypted, tool })
        };
        let (content, _) = written([
            think("A", None),
            think("", sign(Origin::Anthropic, "c2ln", false, None)),
            think("B", sign(Origin::Anthropic, "eHh4", true, None)),
            think("C", sign(Origin::Gemini, "Z2Vt", false, None)),
            think("", sign(Origin::Gemini, "Z2Vt", true, Some(0))),
            Choice { tools: vec![call(0, "a.b", "f", "{}")], ..Choice::default() },
            think("", sign(Origin::Gemini, "Z2Vt", false, Some(1))),
            text("done"),
        ]);
        let expected = concat!(
            r#"{"type":"thinking","thinking":"A","signature":"c2ln"},"#,
            r#"{"type":"thinking","thinking":"B","signature":"parapet.unsigned"},"#,
            r#"{"type":"redacted_thinking","data":"eHh4"},"#,
            r#"{"type":"thinking","thinking":"C","signature":"parapet.google-gemini-v1.signed..Z2Vt"},"#,
            r#"{"type":"redacted_thinking","data":"parapet.google-gemini-v1.encrypted.3.a.bZ2Vt"},"#,
            r#"{"type":"tool_use","id":"a.b","name":"f","input":{}},"#,
            r#"{"type":"thinking","thinking":"","signature":"parapet.google-gemini-v1.signed.8.call_7_1Z2Vt"},"#,
            r#"{"type":"text","text":"done"}"#,
        );
        assert_eq!(content, expected);
    }

    #[test]
    fn an_answer_that_says_nothing_is_still_a_message() {
        assert_eq!(written([]), (String::new(), r#""end_turn""#.to_owned()));
        let filtered = Choice { finish: Some(FinishReason::ContentFilter), ..Choice::default() };
        assert_eq!(written([filtered]).1, r#""refusal""#);
        let cut = Choice { finish: Some(FinishReason::Length), ..Choice::default() };
        assert_eq!(written([cut]).1, r#""max_tokens""#);
        let other = Choice { finish: Some(FinishReason::Other), ..Choice::default() };
        assert_eq!(written([other]).1, r#""end_turn""#);
    }
}
