#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

use bytes::BytesMut;
use domain::{FinishReason, Usage};

use crate::anthropic::answer::arguments::Arguments;
use crate::anthropic::answer::blocks::{Blocks, Delta};
use crate::anthropic::answer::{sealed, stop_reason, write_end, write_head, write_usage};
use crate::anthropic::foreign::UNSIGNED;
use crate::dialect::{Head, tool_call_id};
use crate::event::{Choice, Event, Malformed, Signature, ToolFragment};
use crate::json::{Spelled, Text};

/// Bytes that may wait for their turn.
const MAX_WAITING: usize = 1 << 20;

/// What a waiting block costs beside its text.
const BLOCK: usize = 64;

/// Tool calls of one answer.
const MAX_CALLS: usize = 1024;

/// Writes the events of one answer: the first choice, for the dialect has only one.
///
/// A block begins when something of another kind is said than before. While the arguments of a tool call are no
/// whole object yet, more of them may come, and whatever else is said meanwhile waits: providers of other dialects
/// may send the pieces of several calls in turns. What waits is bounded. If that is not enough, or if a call goes on
/// whose block has ended, the answer cannot be told truthfully, and that is an error.
#[derive(Debug)]
pub struct AnswerWriter {
    id: Box<str>,
    model: Box<str>,
    begun: bool,
    blocks: Blocks,
    /// The block that was begun last, if it has not ended.
    open: Option<Open>,
    calls: Vec<Call>,
    /// The place among the calls, by the index of a call's pieces.
    places: HashMap<u32, usize>,
    /// The blocks behind a tool call that is open and not whole.
    row: VecDeque<Waiting>,
    /// How many blocks have left the row.
    released: usize,
    /// Bytes of what waits.
    waiting: usize,
    finish: Option<FinishReason>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Text,
    Thinking,
    /// The place among the calls.
    Call(usize),
}

#[derive(Debug)]
struct Call {
    id: Box<str>,
    arguments: Arguments,
    /// How many blocks had come to the row before its own, if that one had to wait.
    waits_behind: usize,
    /// Its block has ended.
    over: bool,
}

/// A block that is not begun yet.
#[derive(Debug)]
enum Waiting {
    Text(Spelled),
    Thinking {
        text: Spelled,
        seal: Option<Box<str>>,
    },
    Redacted(Box<str>),
    Call {
        /// The place among the calls.
        at: usize,
        name: Box<str>,
        arguments: Spelled,
    },
}

impl AnswerWriter {
    #[must_use]
    pub fn new(head: &Head<'_>) -> Self {
        Self {
            id: head.id.into(),
            model: head.model.into(),
            begun: false,
            blocks: Blocks::default(),
            open: None,
            calls: Vec::new(),
            places: HashMap::new(),
            row: VecDeque::new(),
            released: 0,
            waiting: 0,
            finish: None,
        }
    }

    /// Appends what `event` says, its usage and its end apart.
    ///
    /// # Errors
    /// If the pieces of tool calls come in an order that cannot be told, a call begins without a name, or there is
    /// content that has no place here. Nothing can be written after that but an error.
    pub fn event(&mut self, out: &mut BytesMut, event: &Event<'_>) -> Result<(), Malformed> {
        self.begin(out, &event.usage.unwrap_or_default());
        event
            .choices
            .iter()
            .filter(|choice| choice.index == 0)
            .try_for_each(|choice| self.choice(out, choice))
    }

    /// Appends the end of a complete answer.
    pub fn close(&mut self, out: &mut BytesMut, usage: &Usage) {
        self.begin(out, usage);
        self.end_all(out);
        write_end(out, stop_reason(self.finish, !self.calls.is_empty()), usage);
    }

    /// `message_start`. `usage` is what is known of it already.
    fn begin(&mut self, out: &mut BytesMut, usage: &Usage) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        out.extend_from_slice(b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":");
        write_head(out, &self.id, &self.model);
        out.extend_from_slice(b"],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":");
        write_usage(out, &Usage { output: 0, reasoning: 0, audio: 0, ..*usage });
        out.extend_from_slice(b"}}\n\n");
    }

    fn choice(&mut self, out: &mut BytesMut, choice: &Choice<'_>) -> Result<(), Malformed> {
        if choice.opaque {
            return Err(Malformed::NO_PLACE);
        }
        if !choice.reasoning.is_empty() {
            self.say(out, Open::Thinking, choice.reasoning)?;
        }
        if let Some(signature) = &choice.signature {
            self.sign(out, signature, &choice.tools)?;
        }
        for words in [choice.text, choice.refusal] {
            if !words.is_empty() {
                self.say(out, Open::Text, words)?;
            }
        }
        for fragment in &choice.tools {
            self.call(out, fragment)?;
        }
        if choice.finish.is_some() {
            self.finish = self.finish.or(choice.finish);
            self.end_all(out);
        }
        Ok(())
    }

    /// A piece of words or of a thought.
    fn say(&mut self, out: &mut BytesMut, kind: Open, text: Text<'_>) -> Result<(), Malformed> {
        if !self.must_wait() {
            if self.open != Some(kind) {
                self.end(out);
                self.start_said(out, kind);
            }
            let delta = if kind == Open::Thinking { Delta::Thinking } else { Delta::Text };
            self.blocks.delta(out, delta, text);
            return Ok(());
        }
        match (kind, self.row.back_mut()) {
            (Open::Text, Some(Waiting::Text(waiting))) => waiting.push(text),
            (Open::Thinking, Some(Waiting::Thinking { text: waiting, seal: None })) => {
                waiting.push(text);
            }
            (Open::Thinking, _) => {
                self.row.push_back(Waiting::Thinking { text: text.into(), seal: None });
            }
            _ => self.row.push_back(Waiting::Text(text.into())),
        }
        self.wait(text.len())
    }

    /// A signature ends the thought that it seals. One that belongs to a tool call, or to nothing, stands where it
    /// came, in a block of its own. `beside` is said in the same breath.
    fn sign(
        &mut self,
        out: &mut BytesMut,
        signature: &Signature<'_>,
        beside: &[ToolFragment<'_>],
    ) -> Result<(), Malformed> {
        let id = signature.tool.map(|index| match self.call_of(index) {
            Some(call) => call.id.clone(),
            None => {
                let fragment = beside.iter().find(|fragment| fragment.index == index);
                call_id(fragment.map_or(Text::default(), |fragment| fragment.id), &self.id, index)
            }
        });
        let seal = sealed(signature, id.as_deref());
        let seals_thought = !signature.encrypted && signature.tool.is_none();
        if self.must_wait() {
            match self.row.back_mut() {
                Some(Waiting::Thinking { seal: open @ None, .. }) if seals_thought => {
                    *open = Some((&*seal).into());
                }
                _ if signature.encrypted => self.row.push_back(Waiting::Redacted((&*seal).into())),
                _ => {
                    let seal = Some((&*seal).into());
                    self.row.push_back(Waiting::Thinking { text: Spelled::default(), seal });
                }
            }
            return self.wait(seal.len());
        }
        if signature.encrypted {
            self.end(out);
            self.blocks.redacted(out, &seal);
            return Ok(());
        }
        if self.open != Some(Open::Thinking) || !seals_thought {
            self.end(out);
            self.start_said(out, Open::Thinking);
        }
        self.end_signed(out, &seal);
        Ok(())
    }

    /// A piece of a tool call.
    fn call(&mut self, out: &mut BytesMut, fragment: &ToolFragment<'_>) -> Result<(), Malformed> {
        let Some(&at) = self.places.get(&fragment.index) else {
            return self.new_call(out, fragment);
        };
        let Some(call) = self.calls.get_mut(at) else { return Err(UNTELLABLE) };
        if call.over {
            return if is_blank(fragment.arguments) { Ok(()) } else { Err(UNTELLABLE) };
        }
        call.arguments.push(fragment.arguments);
        if self.open == Some(Open::Call(at)) {
            self.pass_on(out, fragment.arguments);
            return Ok(());
        }
        let place = call.waits_behind.checked_sub(self.released);
        match place.and_then(|place| self.row.get_mut(place)) {
            Some(Waiting::Call { arguments, .. }) => arguments.push(fragment.arguments),
            _ => return Err(UNTELLABLE),
        }
        self.wait(fragment.arguments.len())
    }

    fn call_of(&self, index: u32) -> Option<&Call> {
        self.places.get(&index).and_then(|at| self.calls.get(*at))
    }

    fn new_call(&mut self, out: &mut BytesMut, fragment: &ToolFragment<'_>) -> Result<(), Malformed> {
        if self.calls.len() == MAX_CALLS {
            return Err(Malformed::new("more than 1024 tool calls"));
        }
        if fragment.name.is_empty() {
            return Err(Malformed::new("a tool call without a name"));
        }
        let must_wait = self.must_wait();
        let at = self.calls.len();
        let id = call_id(fragment.id, &self.id, fragment.index);
        let mut arguments = Arguments::default();
        arguments.push(fragment.arguments);
        let waits_behind = self.released + self.row.len();
        self.calls.push(Call { id, arguments, waits_behind, over: false });
        self.places.insert(fragment.index, at);
        let name = fragment.name.decode();
        if must_wait {
            let cost = name.len() + fragment.arguments.len();
            let arguments = fragment.arguments.into();
            self.row.push_back(Waiting::Call { at, name: name.into(), arguments });
            return self.wait(cost);
        }
        self.end(out);
        self.start_call(out, at, &name);
        self.pass_on(out, fragment.arguments);
        Ok(())
    }

    /// A piece of the arguments of the call that is open: what waits for the last one may be next.
    fn pass_on(&mut self, out: &mut BytesMut, arguments: Text<'_>) {
        if !arguments.is_empty() {
            self.blocks.delta(out, Delta::Json, arguments);
        }
        self.release(out);
    }

    /// More may come of the tool call that is open.
    fn must_wait(&self) -> bool {
        let Some(Open::Call(at)) = self.open else { return false };
        self.calls.get(at).is_some_and(|call| !call.arguments.whole())
    }

    /// So many bytes wait beside those that did.
    fn wait(&mut self, bytes: usize) -> Result<(), Malformed> {
        self.waiting += bytes;
        let blocks = self.row.len() * BLOCK;
        if self.waiting + blocks > MAX_WAITING { Err(UNTELLABLE) } else { Ok(()) }
    }

    /// Writes what waits, up to a call of which more may come.
    fn release(&mut self, out: &mut BytesMut) {
        while !self.must_wait()
            && let Some(block) = self.leave_row()
        {
            self.write_waiting(out, block);
        }
        if self.row.is_empty() {
            self.waiting = 0;
        }
    }

    /// Ends the block that is open and all that wait.
    fn end_all(&mut self, out: &mut BytesMut) {
        while let Some(block) = self.leave_row() {
            self.write_waiting(out, block);
        }
        self.waiting = 0;
        self.end(out);
    }

    fn leave_row(&mut self) -> Option<Waiting> {
        let block = self.row.pop_front()?;
        self.released += 1;
        Some(block)
    }

    /// The block stays open, if there can be more of it.
    fn write_waiting(&mut self, out: &mut BytesMut, block: Waiting) {
        self.end(out);
        match block {
            Waiting::Text(text) => {
                self.start_said(out, Open::Text);
                self.blocks.delta(out, Delta::Text, text.text());
            }
            Waiting::Thinking { text, seal } => {
                self.start_said(out, Open::Thinking);
                if !text.text().is_empty() {
                    self.blocks.delta(out, Delta::Thinking, text.text());
                }
                if let Some(seal) = seal {
                    self.end_signed(out, &seal);
                }
            }
            Waiting::Redacted(seal) => self.blocks.redacted(out, &seal),
            Waiting::Call { at, name, arguments } => {
                self.start_call(out, at, &name);
                if !arguments.text().is_empty() {
                    self.blocks.delta(out, Delta::Json, arguments.text());
                }
            }
        }
    }

    fn start_said(&mut self, out: &mut BytesMut, kind: Open) {
        match kind {
            Open::Thinking => self.blocks.thinking(out),
            _ => self.blocks.text(out),
        }
        self.open = Some(kind);
    }

    fn start_call(&mut self, out: &mut BytesMut, at: usize, name: &str) {
        let id = self.calls.get(at).map(|call| &*call.id).unwrap_or_default();
        self.blocks.tool_use(out, id, name);
        self.open = Some(Open::Call(at));
    }

    /// Ends a thought.
    fn end_signed(&mut self, out: &mut BytesMut, seal: &str) {
        self.blocks.delta(out, Delta::Signature, Text::plain(seal));
        self.blocks.stop(out);
        self.open = None;
    }

    /// Ends the block that is open, if any.
    fn end(&mut self, out: &mut BytesMut) {
        match self.open.take() {
            None => {}
            Some(Open::Text) => self.blocks.stop(out),
            Some(Open::Thinking) => self.end_signed(out, UNSIGNED),
            Some(Open::Call(at)) => {
                if let Some(call) = self.calls.get_mut(at) {
                    call.over = true;
                }
                self.blocks.stop(out);
            }
        }
    }
}

/// More waits than may, or a call goes on that is over.
const UNTELLABLE: Malformed =
    Malformed::new("the pieces of the tool calls came in an order that cannot be told");

fn is_blank(text: Text<'_>) -> bool {
    let mut blank = true;
    text.each_piece(|piece| blank &= piece.trim_ascii().is_empty());
    blank
}

fn call_id(id: Text<'_>, answer_id: &str, index: u32) -> Box<str> {
    if id.is_empty() { tool_call_id(answer_id, index).into() } else { id.decode().into() }
}
