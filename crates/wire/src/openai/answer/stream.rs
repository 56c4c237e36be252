use bytes::{Bytes, BytesMut};
use domain::Usage;

use crate::dialect::{Head, tool_call_id};
use crate::event::{Choice, Event, Malformed, Signature, ToolFragment};
use crate::json::{write_display, write_str};
use crate::openai::answer::usage::write_usage;
use crate::openai::answer::{DONE, finish_word, write_head};
use crate::openai::read::{MAX_CHOICES, MAX_TOOL_CALLS};
use crate::openai::reasoning::{Details, Seal};

/// Writes the chunks of one answer.
///
/// A choice begins with its role, in the chunk of the first thing it says, and ends with a chunk that has nothing
/// but its finish reason. Texts are copied from the provider's bytes to the caller's as they are spelled; only what
/// a later piece refers to is kept: which choices and tool calls were begun.
#[derive(Debug)]
pub struct AnswerWriter {
    /// An event up to the content of `choices`.
    prefix: Bytes,
    answer_id: Box<str>,
    wants_usage: bool,
    begun: Vec<Progress>,
}

/// How far a choice is.
#[derive(Debug)]
struct Progress {
    choice: u32,
    details: Details,
    calls: Vec<Call>,
}

#[derive(Debug)]
struct Call {
    index: u32,
    id: Box<str>,
}

/// Appends the chunk that reports the usage of an answer, for callers who asked for it.
pub fn write_usage_chunk(out: &mut BytesMut, head: &Head<'_>, usage: &Usage) {
    AnswerWriter::new(head, true).usage(out, usage);
}

impl AnswerWriter {
    /// `wants_usage`: the caller asked for the chunk that reports it.
    #[must_use]
    pub fn new(head: &Head<'_>, wants_usage: bool) -> Self {
        let mut prefix = BytesMut::with_capacity(160);
        prefix.extend_from_slice(b"data: ");
        write_head(&mut prefix, head, "chat.completion.chunk");
        prefix.extend_from_slice(b",\"choices\":[");
        Self { prefix: prefix.freeze(), answer_id: head.id.into(), wants_usage, begun: Vec::new() }
    }

    /// Appends what `event` says, its usage and its end apart.
    ///
    /// # Errors
    /// If there are more than 128 choices or 1024 tool calls of one, a call begins without a name, or there is content
    /// that has no place here.
    pub fn event(&mut self, out: &mut BytesMut, event: &Event<'_>) -> Result<(), Malformed> {
        event.choices.iter().try_for_each(|choice| self.choice(out, choice))
    }

    /// Appends the end of a complete answer.
    pub fn close(&mut self, out: &mut BytesMut, usage: &Usage) {
        if self.wants_usage {
            self.usage(out, usage);
        }
        out.extend_from_slice(DONE);
    }

    fn choice(&mut self, out: &mut BytesMut, choice: &Choice<'_>) -> Result<(), Malformed> {
        if choice.opaque {
            return Err(Malformed::NO_PLACE);
        }
        let speaks = speaks(choice);
        if !speaks && choice.finish.is_none() {
            return Ok(());
        }
        let known = self.begun.iter().position(|progress| progress.choice == choice.index);
        let first = known.is_none();
        if first && self.begun.len() == MAX_CHOICES {
            return Err(Malformed::new("more than 128 choices"));
        }
        if first {
            let choice = choice.index;
            self.begun.push(Progress { choice, details: Details::default(), calls: Vec::new() });
        }
        let at = known.unwrap_or(self.begun.len() - 1);
        if let Some(progress) = self.begun.get(at) {
            progress.check(choice)?;
        }
        if speaks || first {
            self.open(out, choice.index);
            if let Some(progress) = self.begun.get_mut(at) {
                let opening = first.then_some(speaks);
                progress.write_delta(out, choice, opening, &self.answer_id);
            }
            self.end(out, None);
        }
        if let Some(reason) = choice.finish {
            self.open(out, choice.index);
            out.extend_from_slice(b"{}");
            self.end(out, Some(finish_word(reason)));
        }
        Ok(())
    }

    /// A chunk up to the value of its only choice's `delta`.
    fn open(&self, out: &mut BytesMut, choice: u32) {
        out.extend_from_slice(&self.prefix);
        out.extend_from_slice(b"{\"index\":");
        write_display(out, choice);
        out.extend_from_slice(b",\"delta\":");
    }

    /// The rest of the chunk. Every chunk of a stream that reports usage says that this one does not.
    fn end(&self, out: &mut BytesMut, finish: Option<&str>) {
        out.extend_from_slice(b",\"logprobs\":null,\"finish_reason\":");
        match finish {
            Some(word) => write_str(out, word),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(if self.wants_usage { b"}],\"usage\":null}\n\n" } else { b"}]}\n\n" });
    }

    fn usage(&self, out: &mut BytesMut, usage: &Usage) {
        out.extend_from_slice(&self.prefix);
        out.extend_from_slice(b"],\"usage\":");
        write_usage(out, usage);
        out.extend_from_slice(b"}\n\n");
    }
}

/// There is something in it that has a place in a delta.
const fn speaks(choice: &Choice<'_>) -> bool {
    !choice.text.is_empty()
        || !choice.refusal.is_empty()
        || !choice.reasoning.is_empty()
        || !choice.tools.is_empty()
        || choice.signature.is_some()
}

impl Progress {
    /// Calls that begin now have names, and there are not too many of them.
    fn check(&self, choice: &Choice<'_>) -> Result<(), Malformed> {
        let mut calls = self.calls.len();
        for fragment in &choice.tools {
            if !self.calls.iter().any(|call| call.index == fragment.index) {
                calls += 1;
                if fragment.name.is_empty() {
                    return Err(Malformed::new("a tool call without a name"));
                }
            }
        }
        if calls > MAX_TOOL_CALLS { Err(Malformed::new("more than 1024 tool calls")) } else { Ok(()) }
    }

    /// Appends a `delta`. `opening` is there for the first one of a choice: whether it says anything.
    fn write_delta(
        &mut self,
        out: &mut BytesMut,
        choice: &Choice<'_>,
        opening: Option<bool>,
        answer_id: &str,
    ) {
        let mut members = Members::begin(out);
        if opening.is_some() {
            members.name("role").extend_from_slice(b"\"assistant\"");
        }
        match opening {
            _ if !choice.text.is_empty() => choice.text.write_to(members.name("content")),
            Some(true) => members.name("content").extend_from_slice(b"null"),
            Some(false) => members.name("content").extend_from_slice(b"\"\""),
            None => {}
        }
        if !choice.reasoning.is_empty() {
            choice.reasoning.write_to(members.name("reasoning_content"));
        }
        if !choice.refusal.is_empty() {
            choice.refusal.write_to(members.name("refusal"));
        }
        if !choice.tools.is_empty() {
            let out = members.name("tool_calls");
            out.extend_from_slice(b"[");
            let mut comma: &[u8] = b"";
            for fragment in &choice.tools {
                let begun = self.calls.iter().any(|call| call.index == fragment.index);
                out.extend_from_slice(comma);
                comma = b",";
                if begun { write_arguments(out, fragment) } else { self.begin_call(out, fragment, answer_id) }
            }
            out.extend_from_slice(b"]");
        }
        if !choice.reasoning.is_empty() || choice.signature.is_some() {
            let seal = choice.signature.map(|signature| (signature, self.call_id(&signature, answer_id)));
            let seal = seal.as_ref().map(|(signature, id)| Seal {
                origin: signature.origin,
                data: signature.data,
                encrypted: signature.encrypted,
                tool_call: id.as_deref(),
            });
            let out = members.name("reasoning_details");
            out.extend_from_slice(b"[");
            self.details.write(out, choice.reasoning, seal);
            out.extend_from_slice(b"]");
        }
        members.end();
        if !choice.text.is_empty() || !choice.refusal.is_empty() || !choice.tools.is_empty() {
            self.details.interrupt();
        }
    }

    /// Appends the first fragment of a tool call.
    fn begin_call(&mut self, out: &mut BytesMut, fragment: &ToolFragment<'_>, answer_id: &str) {
        let id = if fragment.id.is_empty() {
            tool_call_id(answer_id, fragment.index)
        } else {
            fragment.id.decode().into_owned()
        };
        out.extend_from_slice(b"{\"index\":");
        write_display(out, fragment.index);
        out.extend_from_slice(b",\"id\":");
        write_str(out, &id);
        out.extend_from_slice(b",\"type\":\"function\",\"function\":{\"name\":");
        fragment.name.write_to(out);
        out.extend_from_slice(b",\"arguments\":");
        fragment.arguments.write_to(out);
        out.extend_from_slice(b"}}");
        self.calls.push(Call { index: fragment.index, id: id.into() });
    }

    /// The id of the call that a signature belongs to.
    fn call_id(&self, signature: &Signature<'_>, answer_id: &str) -> Option<Box<str>> {
        let index = signature.tool?;
        let call = self.calls.iter().find(|call| call.index == index);
        Some(call.map_or_else(|| tool_call_id(answer_id, index).into(), |call| call.id.clone()))
    }
}

/// Appends a further fragment of a tool call.
fn write_arguments(out: &mut BytesMut, fragment: &ToolFragment<'_>) {
    out.extend_from_slice(b"{\"index\":");
    write_display(out, fragment.index);
    out.extend_from_slice(b",\"function\":{\"arguments\":");
    fragment.arguments.write_to(out);
    out.extend_from_slice(b"}}");
}

/// An object that is being written.
struct Members<'a> {
    out: &'a mut BytesMut,
    /// What stands in front of the next member.
    before: &'static [u8],
}

impl<'a> Members<'a> {
    const fn begin(out: &'a mut BytesMut) -> Self {
        Self { out, before: b"{\"" }
    }

    /// Appends a member up to its value, which is to be appended to what is returned.
    fn name(&mut self, name: &str) -> &mut BytesMut {
        self.out.extend_from_slice(self.before);
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.before = b",\"";
        self.out
    }

    fn end(self) {
        self.out.extend_from_slice(if self.before == b",\"" { b"}" } else { b"{}" });
    }
}

#[cfg(test)]
mod tests {
    use domain::FinishReason;

    use super::*;
    use crate::call::Origin;
    use crate::json::Text;

    const HEAD: Head<'_> = Head { id: "chatcmpl-7", created: 1_700_000_000, model: "sup\"port" };

    /// The payloads of the chunks that `choices`, an event each, are written as, without what all chunks share.
    fn chunks<const N: usize>(wants_usage: bool, choices: [Choice<'_>; N]) -> Vec<String> {
        let mut writer = AnswerWriter::new(&HEAD, wants_usage);
        let mut out = BytesMut::new();
        for choice in choices {
            writer.event(&mut out, &Event { choices: vec![choice], ..Event::default() }).unwrap();
        }
        writer.close(&mut out, &Usage { input: 7, output: 2, ..Usage::default() });
        let shared = r#"data: {"id":"chatcmpl-7","object":"chat.completion.chunk","created":1700000000,"model":"sup\"port","choices":["#;
        let text = std::str::from_utf8(&out).unwrap();
        let chunks = text.strip_suffix("\n\n").unwrap().split("\n\n");
        chunks.map(|chunk| chunk.strip_prefix(shared).unwrap_or(chunk).to_owned()).collect()
    }

    fn text(text: &str) -> Choice<'_> {
        Choice { text: Text::plain(text), ..Choice::default() }
    }

    fn call<'a>(index: u32, id: &'a str, name: &'a str, arguments: &'a str) -> Choice<'a> {
        let fragment = ToolFragment {
            index,
            id: Text::plain(id),
            name: Text::plain(name),
            arguments: Text::plain(arguments),
        };
        Choice { tools: vec![fragment], ..Choice::default() }
    }

    fn finish(reason: FinishReason) -> Choice<'static> {
        Choice { finish: Some(reason), ..Choice::default() }
    }

    #[test]
    fn a_text_is_a_role_deltas_a_finish_and_the_terminator() {
        let said = [text("line\n"), text("\u{1}\"q\""), finish(FinishReason::Length)];
        let expected = [
            r#"{"index":0,"delta":{"role":"assistant","content":"line\n"},"logprobs":null,"finish_reason":null}]}"#,
            r#"{"index":0,"delta":{"content":"\u0001\"q\""},"logprobs":null,"finish_reason":null}]}"#,
            r#"{"index":0,"delta":{},"logprobs":null,"finish_reason":"length"}]}"#,
            "data: [DONE]",
        ];
        assert_eq!(chunks(false, said), expected);
    }

    #[test]
    fn usage_is_told_in_a_chunk_of_its_own_to_those_who_ask() {
        let chunks = chunks(true, [finish(FinishReason::Other)]);
        let expected = [
            r#"{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"usage":null}"#,
            r#"{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}"#,
            r#"],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9,"prompt_tokens_details":{"cached_tokens":0,"cache_write_tokens":0,"image_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}}}"#,
            "data: [DONE]",
        ];
        assert_eq!(chunks, expected);
        let mut out = BytesMut::new();
        write_usage_chunk(&mut out, &HEAD, &Usage { input: 7, output: 2, ..Usage::default() });
        assert!(std::str::from_utf8(&out).unwrap().ends_with(&format!("\"choices\":[{}\n\n", expected[2])));
    }

    #[test]
    fn a_tool_call_is_named_once_and_given_an_id_if_it_has_none() {
        let said = [
            call(0, "a\"1", "f", ""),
            call(0, "", "", "{\"x\":"),
            call(1, "", "g", "{}"),
            call(0, "a\"1", "f", "1}"),
        ];
        let chunks = chunks(false, said);
        let expected = [
            r#"{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"a\"1","type":"function","function":{"name":"f","arguments":""}}]},"logprobs":null,"finish_reason":null}]}"#,
            r#"{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":"}}]},"logprobs":null,"finish_reason":null}]}"#,
            r#"{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_7_1","type":"function","function":{"name":"g","arguments":"{}"}}]},"logprobs":null,"finish_reason":null}]}"#,
            r#"{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]},"logprobs":null,"finish_reason":null}]}"#,
        ];
        assert_eq!(chunks[..4], expected);
    }

    #[test]
    fn a_thought_is_told_to_people_and_in_details_that_can_be_sent_back() {
        let sign = |origin, data, encrypted, tool| Choice {
            signature: Some(Signature { origin, data: Text::plain(data), encrypted, tool }),
            ..Choice::default()
        };
        let think = |text| Choice { reasoning: Text::plain(text), ..Choice::default() };
        let said = [
            think("Hm"),
            think("."),
            sign(Origin::Anthropic, "c2ln", false, None),
            sign(Origin::Anthropic, "eHh4", true, None),
            call(0, "call_a", "f", "{}"),
            sign(Origin::Gemini, "Z2Vt", true, Some(0)),
        ];
        let deltas = [
            r#"{"role":"assistant","content":null,"reasoning_content":"Hm","reasoning_details":[{"type":"reasoning.text","text":"Hm","index":0}]}"#,
            r#"{"reasoning_content":".","reasoning_details":[{"type":"reasoning.text","text":".","index":0}]}"#,
            r#"{"reasoning_details":[{"type":"reasoning.text","signature":"c2ln","format":"anthropic-claude-v1","index":0}]}"#,
            r#"{"reasoning_details":[{"type":"reasoning.encrypted","data":"eHh4","format":"anthropic-claude-v1","index":1}]}"#,
            r#"{"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"f","arguments":"{}"}}]}"#,
            r#"{"reasoning_details":[{"type":"reasoning.encrypted","data":"Z2Vt","format":"google-gemini-v1","id":"call_a","index":2}]}"#,
        ];
        let expected = deltas
            .map(|delta| format!(r#"{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":null}}]}}"#));
        assert_eq!(chunks(false, said)[..6], expected);
    }

    #[test]
    fn what_says_nothing_is_not_written() {
        let said = [Choice { aside: true, ..Choice::default() }, call(0, "a", "f", "{}"), Choice::default()];
        let chunks = chunks(false, said);
        assert_eq!(chunks.len(), 2);
        assert!(
            chunks[0].contains(r#""delta":{"role":"assistant","content":null,"tool_calls":["#),
            "{}",
            chunks[0]
        );
    }

    #[test]
    fn entries_of_one_event_are_written_in_the_order_in_which_they_were_said() {
        let event = Event {
            choices: vec![
                Choice { index: 1, ..text("b") },
                text("a"),
                Choice { refusal: Text::plain("no"), finish: Some(FinishReason::Stop), ..Choice::default() },
            ],
            ..Event::default()
        };
        let mut out = BytesMut::new();
        AnswerWriter::new(&HEAD, false).event(&mut out, &event).unwrap();
        let out = std::str::from_utf8(&out).unwrap();
        let order = [
            r#""index":1,"delta":{"role""#,
            r#""index":0,"delta":{"role""#,
            r#"{"refusal":"no"}"#,
            r#""stop""#,
        ];
        let places = order.map(|piece| out.find(piece).unwrap());
        assert!(places.is_sorted(), "{out}");
    }

    #[test]
    fn what_is_begun_is_bounded_and_has_a_name() {
        let write = |writer: &mut AnswerWriter, choice| {
            writer.event(&mut BytesMut::new(), &Event { choices: vec![choice], ..Event::default() }).is_ok()
        };
        let mut choices = AnswerWriter::new(&HEAD, false);
        let mut calls = AnswerWriter::new(&HEAD, false);
        for index in 0..1100 {
            assert_eq!(write(&mut choices, Choice { index, ..text("x") }), index < 128, "choice {index}");
            assert_eq!(write(&mut calls, call(index, "", "f", "")), index < 1024, "call {index}");
        }
        assert!(!write(&mut AnswerWriter::new(&HEAD, false), call(0, "a", "", "{}")));
    }
}
