use bytes::BytesMut;
use domain::{FinishReason, Usage};

use crate::anthropic::answer::arguments::Arguments;
use crate::anthropic::answer::{sealed, stop_reason, write_block_stop, write_end, write_head, write_usage};
use crate::anthropic::foreign::UNSIGNED;
use crate::dialect::{Head, tool_call_id};
use crate::event::{Choice, Event, Signature, ToolFragment};
use crate::json::{Text, write_display, write_str};

/// Bytes of tool calls that may wait for their turn.
const MAX_WAITING: usize = 1 << 20;

/// Tool calls of one answer.
const MAX_CALLS: usize = 1024;

/// Writes the events of one answer: the first choice, for the dialect has only one.
///
/// A block begins when something of another kind is said than before. Tool calls have a block each, and providers
/// of other dialects may send the pieces of several in turns: the first that is not complete has the floor, and what
/// comes of later ones waits until its arguments are a whole object or something else is said. What waits is
/// bounded. If that is not enough, or a piece comes for a call whose block has ended, the answer cannot be told
/// truthfully any more: it ends with an error, and nothing is written after that.
#[derive(Debug)]
pub struct AnswerWriter {
    id: Box<str>,
    model: Box<str>,
    begun: bool,
    /// How many blocks were begun: the index of the next one.
    blocks: u32,
    open: Option<Open>,
    /// In the order of their blocks. Those before `turn` are over.
    calls: Vec<Call>,
    turn: usize,
    /// Bytes of all calls that wait.
    waiting: usize,
    finish: Option<FinishReason>,
    /// An error was written in the place of an end.
    failed: bool,
}

/// The block that was begun last, and has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Text,
    Thinking,
    /// Of the call whose turn it is.
    Call,
}

#[derive(Debug)]
struct Call {
    index: u32,
    id: Box<str>,
    name: Box<str>,
    arguments: Arguments,
    /// Pieces of arguments that came before the call's turn, as the inside of a JSON string.
    early: BytesMut,
    /// Thoughts that belong to it and came while it had the floor, or waited: blocks that follow it.
    thoughts: Vec<Thought>,
}

#[derive(Debug)]
struct Thought {
    seal: Box<str>,
    encrypted: bool,
}

impl AnswerWriter {
    #[must_use]
    pub fn new(head: &Head<'_>) -> Self {
        Self {
            id: head.id.into(),
            model: head.model.into(),
            begun: false,
            blocks: 0,
            open: None,
            calls: Vec::new(),
            turn: 0,
            waiting: 0,
            finish: None,
            failed: false,
        }
    }

    /// Appends what `event` says, its usage and its end apart.
    pub fn event(&mut self, out: &mut BytesMut, event: &Event<'_>) {
        self.begin(out, &event.usage.unwrap_or_default());
        for choice in event.choices.iter().filter(|choice| choice.index == 0) {
            if self.failed {
                return;
            }
            if self.choice(out, choice).is_err() {
                self.failed = true;
                out.extend_from_slice(OUT_OF_ORDER);
            }
        }
    }

    /// Appends the end of a complete answer.
    pub fn close(&mut self, out: &mut BytesMut, usage: &Usage) {
        self.begin(out, usage);
        if self.failed {
            return;
        }
        self.end_all(out);
        write_end(out, stop_reason(self.finish, !self.calls.is_empty()), usage);
    }

    /// `usage` is what is known of it already.
    fn begin(&mut self, out: &mut BytesMut, usage: &Usage) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        out.extend_from_slice(b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":");
        write_head(out, &Head { id: &self.id, created: 0, model: &self.model });
        out.extend_from_slice(b"],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":");
        write_usage(out, &Usage { output: 0, reasoning: 0, audio: 0, ..*usage });
        out.extend_from_slice(b"}}\n\n");
    }

    fn choice(&mut self, out: &mut BytesMut, choice: &Choice<'_>) -> Result<(), OutOfOrder> {
        if !choice.reasoning.is_empty() {
            self.turn_to(out, Open::Thinking);
            self.delta(out, Delta::Thinking, choice.reasoning);
        }
        if let Some(signature) = &choice.signature {
            self.signature(out, signature, &choice.tools)?;
        }
        for words in [choice.text, choice.refusal] {
            if !words.is_empty() {
                self.turn_to(out, Open::Text);
                self.delta(out, Delta::Text, words);
            }
        }
        for fragment in &choice.tools {
            self.fragment(out, fragment)?;
        }
        self.finish = self.finish.or(choice.finish);
        Ok(())
    }

    /// Sees to it that a block of words or of thoughts is open.
    fn turn_to(&mut self, out: &mut BytesMut, kind: Open) {
        if self.open == Some(kind) {
            return;
        }
        self.end_all(out);
        self.start_said(out, kind);
    }

    /// Begins a block of words or of thoughts.
    fn start_said(&mut self, out: &mut BytesMut, kind: Open) {
        self.start(out, |out| {
            out.extend_from_slice(match kind {
                Open::Thinking => b"{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}",
                _ => b"{\"type\":\"text\",\"citations\":null,\"text\":\"\"}",
            });
        });
        self.open = Some(kind);
    }

    /// A signature ends the thought that it seals. One that belongs to a call stands behind that call, unless it came
    /// first. `beside` is said in the same breath.
    fn signature(
        &mut self,
        out: &mut BytesMut,
        signature: &Signature<'_>,
        beside: &[ToolFragment<'_>],
    ) -> Result<(), OutOfOrder> {
        let call = signature.tool.and_then(|index| self.calls.iter().position(|call| call.index == index));
        let id = signature.tool.map(|index| match call.and_then(|at| self.calls.get(at)) {
            Some(call) => call.id.clone(),
            None => {
                let fragment = beside.iter().find(|fragment| fragment.index == index);
                call_id(fragment.map_or(Text::default(), |fragment| fragment.id), &self.id, index)
            }
        });
        let (seal, encrypted) = (sealed(signature, id.as_deref()), signature.encrypted);
        if let Some(call) = call.filter(|at| *at >= self.turn).and_then(|at| self.calls.get_mut(at)) {
            self.waiting += seal.len();
            call.thoughts.push(Thought { seal: seal.into(), encrypted });
            return if self.waiting > MAX_WAITING { Err(OutOfOrder) } else { Ok(()) };
        }
        if self.open == Some(Open::Thinking) && !encrypted {
            self.delta(out, Delta::Signature, Text::plain(&seal));
            self.stop(out);
        } else {
            self.end_all(out);
            self.thought(out, &seal, encrypted);
        }
        Ok(())
    }

    /// A block of nothing but a signature, or of a thought that cannot be read.
    fn thought(&mut self, out: &mut BytesMut, seal: &str, encrypted: bool) {
        if encrypted {
            self.start(out, |out| {
                out.extend_from_slice(b"{\"type\":\"redacted_thinking\",\"data\":");
                write_str(out, seal);
                out.extend_from_slice(b"}");
            });
        } else {
            self.start_said(out, Open::Thinking);
            self.delta(out, Delta::Signature, Text::plain(seal));
        }
        self.stop(out);
    }

    fn fragment(&mut self, out: &mut BytesMut, fragment: &ToolFragment<'_>) -> Result<(), OutOfOrder> {
        let known = self.calls.iter().position(|call| call.index == fragment.index);
        let at = known.unwrap_or(self.calls.len());
        if at < self.turn {
            return if is_blank(fragment.arguments) { Ok(()) } else { Err(OutOfOrder) };
        }
        if known.is_none() {
            self.add(fragment)?;
        }
        self.pass_on(out);
        let Some(call) = self.calls.get_mut(at) else { return Err(OutOfOrder) };
        call.arguments.push(fragment.arguments);
        if at > self.turn {
            let before = call.early.len();
            fragment.arguments.write_inside(&mut call.early);
            self.waiting += call.early.len() - before;
            return if self.waiting > MAX_WAITING { Err(OutOfOrder) } else { Ok(()) };
        }
        if !fragment.arguments.is_empty() {
            self.delta(out, Delta::Json, fragment.arguments);
        }
        self.pass_on(out);
        Ok(())
    }

    /// Puts a call at the end of the row.
    fn add(&mut self, fragment: &ToolFragment<'_>) -> Result<(), OutOfOrder> {
        if self.calls.len() == MAX_CALLS {
            return Err(OutOfOrder);
        }
        self.calls.push(Call {
            index: fragment.index,
            id: call_id(fragment.id, &self.id, fragment.index),
            name: fragment.name.decode().into(),
            arguments: Arguments::default(),
            early: BytesMut::new(),
            thoughts: Vec::new(),
        });
        Ok(())
    }

    /// Gives the floor to the next call, as long as there is one and whoever has the floor is done.
    fn pass_on(&mut self, out: &mut BytesMut) {
        loop {
            let next = if self.open == Some(Open::Call) { self.turn + 1 } else { self.turn };
            let speaking = self.calls.get(self.turn).filter(|_| next > self.turn);
            if next >= self.calls.len() || speaking.is_some_and(|call| !call.arguments.whole()) {
                return;
            }
            self.end(out);
            self.start_call(out);
        }
    }

    /// Begins the block of the call whose turn it is, with what came of it before.
    fn start_call(&mut self, out: &mut BytesMut) {
        let Some(call) = self.calls.get_mut(self.turn) else { return };
        let (id, name, early) = (call.id.clone(), std::mem::take(&mut call.name), call.early.split());
        self.waiting -= early.len();
        self.start(out, |out| {
            out.extend_from_slice(b"{\"type\":\"tool_use\",\"id\":");
            write_str(out, &id);
            out.extend_from_slice(b",\"name\":");
            write_str(out, &name);
            out.extend_from_slice(b",\"input\":{}}");
        });
        self.open = Some(Open::Call);
        if let Ok(early) = std::str::from_utf8(&early)
            && !early.is_empty()
        {
            self.delta(out, Delta::Json, Text::new(early, true));
        }
    }

    /// Ends the block that is open, and those of all calls that wait.
    fn end_all(&mut self, out: &mut BytesMut) {
        self.end(out);
        while self.turn < self.calls.len() {
            self.start_call(out);
            self.end(out);
        }
    }

    /// Ends the block that is open, if any.
    fn end(&mut self, out: &mut BytesMut) {
        match self.open {
            None => {}
            Some(Open::Text) => self.stop(out),
            Some(Open::Thinking) => {
                self.delta(out, Delta::Signature, Text::plain(UNSIGNED));
                self.stop(out);
            }
            Some(Open::Call) => {
                self.stop(out);
                let call = self.calls.get_mut(self.turn);
                let thoughts = call.map(|call| std::mem::take(&mut call.thoughts)).unwrap_or_default();
                self.turn += 1;
                for Thought { seal, encrypted } in thoughts {
                    self.waiting -= seal.len();
                    self.thought(out, &seal, encrypted);
                }
            }
        }
    }

    /// `content_block_start`.
    fn start(&mut self, out: &mut BytesMut, block: impl FnOnce(&mut BytesMut)) {
        out.extend_from_slice(
            b"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":",
        );
        write_display(out, self.blocks);
        out.extend_from_slice(b",\"content_block\":");
        block(out);
        out.extend_from_slice(b"}\n\n");
        self.blocks += 1;
    }

    /// `content_block_delta` of the last block.
    fn delta(&self, out: &mut BytesMut, kind: Delta, text: Text<'_>) {
        out.extend_from_slice(
            b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":",
        );
        write_display(out, self.blocks.saturating_sub(1));
        out.extend_from_slice(match kind {
            Delta::Text => b",\"delta\":{\"type\":\"text_delta\",\"text\":",
            Delta::Thinking => b",\"delta\":{\"type\":\"thinking_delta\",\"thinking\":",
            Delta::Signature => b",\"delta\":{\"type\":\"signature_delta\",\"signature\":",
            Delta::Json => b",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":",
        });
        text.write_to(out);
        out.extend_from_slice(b"}}\n\n");
    }

    /// `content_block_stop` of the last block.
    fn stop(&mut self, out: &mut BytesMut) {
        write_block_stop(out, self.blocks.saturating_sub(1));
        self.open = None;
    }
}

/// What a piece adds to the open block.
#[derive(Clone, Copy)]
enum Delta {
    Text,
    Thinking,
    Signature,
    Json,
}

/// A piece of a call came too late, or more than can wait too early.
struct OutOfOrder;

const OUT_OF_ORDER: &[u8] =
    b"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\
    \"the pieces of the tool calls came in an order that cannot be told\"}}\n\n";

fn is_blank(text: Text<'_>) -> bool {
    let mut blank = true;
    text.each_piece(|piece| blank &= piece.trim_ascii().is_empty());
    blank
}

fn call_id(id: Text<'_>, answer_id: &str, index: u32) -> Box<str> {
    if id.is_empty() { tool_call_id(answer_id, index).into() } else { id.decode().into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Origin;

    const HEAD: Head<'_> = Head { id: "msg_7", created: 1_700_000_000, model: "sup\"port" };

    /// What `choices`, an event each, are written as: a line per event, without what all have.
    fn lines(choices: Vec<Choice<'_>>) -> Vec<String> {
        let mut writer = AnswerWriter::new(&HEAD);
        let mut out = BytesMut::new();
        for choice in choices {
            writer.event(&mut out, &Event { choices: vec![choice], ..Event::default() });
        }
        writer.close(&mut out, &Usage { input: 5, cached_input: 3, output: 2, ..Usage::default() });
        let text = std::str::from_utf8(&out).unwrap();
        let events = text.strip_suffix("\n\n").unwrap().split("\n\n").map(|event| {
            let (name, data) = event.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
            let json: serde_json::Value = serde_json::from_str(data).unwrap();
            assert_eq!(json["type"], name);
            data.strip_prefix(&format!(r#"{{"type":"{name}","#)).unwrap_or(data).to_owned()
        });
        events.collect()
    }

    /// The same between the first event and the last two, with blocks and deltas in short.
    fn content(choices: Vec<Choice<'_>>) -> Vec<String> {
        let lines = lines(choices);
        let inner = &lines[1..lines.len() - 2];
        inner.iter().map(|line| line.replace(r#""content_block":"#, "").replace(r#""delta":"#, "")).collect()
    }

    fn text(text: &str) -> Choice<'_> {
        Choice { text: Text::plain(text), ..Choice::default() }
    }

    fn think(text: &str) -> Choice<'_> {
        Choice { reasoning: Text::plain(text), ..Choice::default() }
    }

    fn sign(origin: Origin, data: &str, encrypted: bool, tool: Option<u32>) -> Choice<'_> {
        let signature = Signature { origin, data: Text::plain(data), encrypted, tool };
        Choice { signature: Some(signature), ..Choice::default() }
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

    #[test]
    fn a_text_is_one_block_between_the_messages_start_and_end() {
        let finish = Choice { finish: Some(FinishReason::Length), ..Choice::default() };
        let refusal = Choice { refusal: Text::plain("no"), ..Choice::default() };
        let other = Choice { index: 1, ..text("not this one") };
        let expected = [
            r#""message":{"id":"msg_7","type":"message","role":"assistant","model":"sup\"port","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0,"output_tokens_details":{"thinking_tokens":0}}}}"#,
            r#""index":0,"content_block":{"type":"text","citations":null,"text":""}}"#,
            r#""index":0,"delta":{"type":"text_delta","text":"a\n\""}}"#,
            r#""index":0,"delta":{"type":"text_delta","text":"no"}}"#,
            r#""index":0}"#,
            r#""delta":{"stop_reason":"max_tokens","stop_sequence":null},"usage":{"input_tokens":5,"cache_creation_input_tokens":0,"cache_read_input_tokens":3,"output_tokens":2,"output_tokens_details":{"thinking_tokens":0}}}"#,
            r#"{"type":"message_stop"}"#,
        ];
        assert_eq!(lines(vec![text("a\n\""), other, refusal, finish]), expected);
    }

    #[test]
    fn usage_that_is_known_at_the_start_is_told_there() {
        let mut out = BytesMut::new();
        let usage = Some(Usage { input: 9, output: 1, ..Usage::default() });
        AnswerWriter::new(&HEAD).event(&mut out, &Event { usage, ..Event::default() });
        let out = std::str::from_utf8(&out).unwrap();
        assert!(
            out.contains(r#""usage":{"input_tokens":9,"#) && out.contains(r#""output_tokens":0,"#),
            "{out}"
        );
    }

    #[test]
    fn an_answer_that_says_nothing_is_still_a_message() {
        assert!(content(vec![]).is_empty());
        assert_eq!(lines(vec![]).len(), 3);
    }

    #[test]
    fn thoughts_words_and_calls_are_blocks_of_their_own() {
        let said = vec![
            think("Hm"),
            sign(Origin::Anthropic, "c2ln", false, None),
            text("Let me look."),
            call(0, "call_a", "f", ""),
            call(0, "", "", "{\"x\":"),
            call(0, "", "", "1}"),
            call(1, "", "g", "{}"),
            think("Well."),
            text("Done."),
        ];
        let expected = [
            r#""index":0,{"type":"thinking","thinking":"","signature":""}}"#,
            r#""index":0,{"type":"thinking_delta","thinking":"Hm"}}"#,
            r#""index":0,{"type":"signature_delta","signature":"c2ln"}}"#,
            r#""index":0}"#,
            r#""index":1,{"type":"text","citations":null,"text":""}}"#,
            r#""index":1,{"type":"text_delta","text":"Let me look."}}"#,
            r#""index":1}"#,
            r#""index":2,{"type":"tool_use","id":"call_a","name":"f","input":{}}}"#,
            r#""index":2,{"type":"input_json_delta","partial_json":"{\"x\":"}}"#,
            r#""index":2,{"type":"input_json_delta","partial_json":"1}"}}"#,
            r#""index":2}"#,
            r#""index":3,{"type":"tool_use","id":"call_7_1","name":"g","input":{}}}"#,
            r#""index":3,{"type":"input_json_delta","partial_json":"{}"}}"#,
            r#""index":3}"#,
            r#""index":4,{"type":"thinking","thinking":"","signature":""}}"#,
            r#""index":4,{"type":"thinking_delta","thinking":"Well."}}"#,
            r#""index":4,{"type":"signature_delta","signature":"parapet.unsigned"}}"#,
            r#""index":4}"#,
            r#""index":5,{"type":"text","citations":null,"text":""}}"#,
            r#""index":5,{"type":"text_delta","text":"Done."}}"#,
            r#""index":5}"#,
        ];
        assert_eq!(content(said), expected);
    }

    #[test]
    fn a_signature_is_sealed_and_stands_with_the_call_that_it_belongs_to() {
        let before =
            Choice { tools: call(0, "a.b", "f", "").tools, ..sign(Origin::Gemini, "Z2Vt", true, Some(0)) };
        let said = vec![
            think("Hm"),
            before,
            call(1, "", "g", "{}"),
            sign(Origin::Gemini, "QQ==", false, Some(0)),
            sign(Origin::Gemini, "Qg==", false, Some(1)),
            call(0, "", "", "{}"),
            sign(Origin::Gemini, "Qw==", false, None),
        ];
        let expected = [
            r#""index":0,{"type":"thinking","thinking":"","signature":""}}"#,
            r#""index":0,{"type":"thinking_delta","thinking":"Hm"}}"#,
            r#""index":0,{"type":"signature_delta","signature":"parapet.unsigned"}}"#,
            r#""index":0}"#,
            r#""index":1,{"type":"redacted_thinking","data":"parapet.google-gemini-v1.encrypted.3.a.bZ2Vt"}}"#,
            r#""index":1}"#,
            r#""index":2,{"type":"tool_use","id":"a.b","name":"f","input":{}}}"#,
            r#""index":2,{"type":"input_json_delta","partial_json":"{}"}}"#,
            r#""index":2}"#,
            r#""index":3,{"type":"thinking","thinking":"","signature":""}}"#,
            r#""index":3,{"type":"signature_delta","signature":"parapet.google-gemini-v1.signed.3.a.bQQ=="}}"#,
            r#""index":3}"#,
            r#""index":4,{"type":"tool_use","id":"call_7_1","name":"g","input":{}}}"#,
            r#""index":4,{"type":"input_json_delta","partial_json":"{}"}}"#,
            r#""index":4}"#,
            r#""index":5,{"type":"thinking","thinking":"","signature":""}}"#,
            r#""index":5,{"type":"signature_delta","signature":"parapet.google-gemini-v1.signed.8.call_7_1Qg=="}}"#,
            r#""index":5}"#,
            r#""index":6,{"type":"thinking","thinking":"","signature":""}}"#,
            r#""index":6,{"type":"signature_delta","signature":"parapet.google-gemini-v1.signed..Qw=="}}"#,
            r#""index":6}"#,
        ];
        assert_eq!(content(said), expected);
    }

    #[test]
    fn calls_whose_pieces_alternate_are_written_one_after_the_other() {
        let said = vec![
            call(0, "a", "f", "{"),
            call(1, "b", "g", "{\"x\":\""),
            call(2, "c", "h", ""),
            call(0, "", "", "}"),
            call(1, "", "", "\\n\"}"),
            call(2, "", "", "{}"),
        ];
        let expected = [
            r#""index":0,{"type":"tool_use","id":"a","name":"f","input":{}}}"#,
            r#""index":0,{"type":"input_json_delta","partial_json":"{"}}"#,
            r#""index":0,{"type":"input_json_delta","partial_json":"}"}}"#,
            r#""index":0}"#,
            r#""index":1,{"type":"tool_use","id":"b","name":"g","input":{}}}"#,
            r#""index":1,{"type":"input_json_delta","partial_json":"{\"x\":\""}}"#,
            r#""index":1,{"type":"input_json_delta","partial_json":"\\n\"}"}}"#,
            r#""index":1}"#,
            r#""index":2,{"type":"tool_use","id":"c","name":"h","input":{}}}"#,
            r#""index":2,{"type":"input_json_delta","partial_json":"{}"}}"#,
            r#""index":2}"#,
        ];
        assert_eq!(content(said), expected);
    }

    #[test]
    fn what_waits_is_written_when_something_else_is_said_or_the_answer_ends() {
        for end in [vec![text("so")], vec![]] {
            let calls = vec![call(0, "a", "f", ""), call(1, "b", "g", "{}"), call(2, "c", "h", "{")];
            let lines = content([calls, end].concat());
            let of = |kind: &str| lines.iter().filter(|line| line.contains(kind)).count();
            assert_eq!((of("tool_use"), of("input_json_delta")), (3, 2), "{lines:#?}");
        }
    }

    #[test]
    fn a_piece_for_a_call_that_is_over_is_an_error_unless_it_is_blank() {
        let over = || vec![call(0, "a", "f", "{}"), call(1, "b", "g", "{}")];
        let blank = content([over(), vec![call(0, "", "", " \n")]].concat());
        assert_eq!(blank.len(), 6);
        let lines = lines([over(), vec![call(0, "", "", "{"), text("never written")]].concat());
        let error = r#""error":{"type":"api_error","message":"the pieces of the tool calls came in an order that cannot be told"}}"#;
        assert_eq!(lines.last().unwrap(), error);
    }

    #[test]
    fn what_waits_is_bounded() {
        let piece = "x".repeat(1 << 16);
        let mut said = vec![call(0, "a", "f", "{")];
        said.extend((0..15).map(|_| call(1, "b", "g", &piece)));
        assert!(!lines(said.clone()).last().unwrap().contains("api_error"));
        said.extend((0..2).map(|_| call(1, "b", "g", &piece)));
        assert!(lines(said).last().unwrap().contains("api_error"));
        let many = (0..1025).map(|index| call(index, "", "f", "{}")).collect();
        assert!(lines(many).last().unwrap().contains("api_error"));
    }
}
