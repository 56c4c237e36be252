//! A message in pieces: whether its stream told the whole story, and what each piece means.
//!
//! A message begins, its content blocks begin, grow and end, the message says why it stops, and stops. Each of these
//! is an event of its own, and each is held to its place: content only in a block that is open, and the end only
//! after a stop reason and with every block closed. The end of the body is no evidence of anything.
//!
//! The numbers that a message begins with are an input that is known and an output that is not; they are kept until
//! the totals come. A stream that is cut before has no usage, rather than one that leaves the output out.

use domain::FinishReason;

use crate::anthropic::failure::read_failure;
use crate::anthropic::read::{Block, Known, MAX_BLOCKS, Message, Said, signature};
use crate::anthropic::usage::Report;
use crate::event::{Choice, Event, Malformed, ToolFragment};
use crate::json::{Fault, FaultKind, Kind, Scanner, Text};
use crate::provider::StreamReader;
use crate::sse::Frame;

/// Blocks that are open at once. The API opens the next when the last is closed, but numbers them all the same.
const MAX_OPEN: usize = 64;

/// Reads the events of one stream and remembers what is still owed.
#[derive(Debug, Default)]
pub(super) struct Reader {
    begun: bool,
    open: Vec<Open>,
    /// Every block so far has a lower index.
    next: u32,
    said: Said,
    usage: Report,
    stop: Option<FinishReason>,
    done: bool,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    index: u32,
    content: Content,
}

/// What an open block holds.
#[derive(Clone, Copy, Debug)]
enum Content {
    Text,
    Thinking,
    Tool { index: u32, arguments: Arguments },
    Opaque,
}

/// How the arguments of a tool call arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arguments {
    /// They have not begun to.
    None,
    InPieces,
    /// They came with the beginning of the block.
    Whole,
}

impl StreamReader for Reader {
    fn read<'a>(&mut self, frame: &'a Frame) -> Result<Option<Event<'a>>, Malformed> {
        if self.done {
            return Ok(None);
        }
        let payload = Payload::read(&frame.data)?;
        let kind = payload.kind.decode();
        if kind == "error" || frame.name.as_deref() == Some(b"error") {
            return Ok(Some(Event { error: Some(read_failure(&frame.data)), ..Event::default() }));
        }
        let event = match &*kind {
            "message_start" => self.begin(payload)?,
            "content_block_start" => self.begin_block(&payload)?.into(),
            "content_block_delta" => self.grow_block(&payload)?.into(),
            "content_block_stop" => self.end_block(&payload)?.into(),
            "message_delta" => self.stop(&payload)?,
            "message_stop" => self.end_message()?,
            "" => return Err(Malformed::new("an event without a type")),
            // `ping`, and what is newer than this.
            _ => Event::default(),
        };
        Ok(Some(event))
    }

    fn end(&self) -> Result<(), Malformed> {
        if self.done { Ok(()) } else { Err(Malformed::new("the stream ends without message_stop")) }
    }
}

impl Reader {
    fn begin<'a>(&mut self, payload: Payload<'a>) -> Result<Event<'a>, Malformed> {
        if self.begun {
            return Err(Malformed::new("a second message_start"));
        }
        let message = payload.message.ok_or(Malformed::new("a message_start without a message"))?;
        self.begun = true;
        self.usage = message.usage.of_input();
        let mut event = Event::default();
        for block in message.content.unwrap_or_default() {
            event.choices.extend(self.said.whole(&block)?);
            self.next += 1;
        }
        Ok(event)
    }

    fn begin_block<'a>(&mut self, payload: &Payload<'a>) -> Result<Option<Choice<'a>>, Malformed> {
        let index = self.index(payload)?;
        if index < self.next {
            return Err(Malformed::new("a content block that begins twice"));
        }
        if index >= MAX_BLOCKS || self.open.len() == MAX_OPEN {
            return Err(Malformed::new("too many content blocks"));
        }
        let block = payload.block.as_ref();
        let block = block.ok_or(Malformed::new("a content_block_start without a content block"))?;
        let choice = self.said.begun(block)?;
        let content = match (block.known()?, choice.as_ref().and_then(|choice| choice.tools.first())) {
            (Known::Text, _) => Content::Text,
            (Known::Thinking, _) => Content::Thinking,
            (_, Some(tool)) if tool.arguments.is_empty() => {
                Content::Tool { index: tool.index, arguments: Arguments::None }
            }
            (_, Some(tool)) => Content::Tool { index: tool.index, arguments: Arguments::Whole },
            (_, None) => Content::Opaque,
        };
        self.next = index + 1;
        self.open.push(Open { index, content });
        Ok(choice)
    }

    fn grow_block<'a>(&mut self, payload: &Payload<'a>) -> Result<Option<Choice<'a>>, Malformed> {
        let index = self.index(payload)?;
        let open = self.open.iter_mut().find(|open| open.index == index);
        let open = open.ok_or(Malformed::new("a delta of a content block that is not open"))?;
        let delta = payload.delta.as_ref();
        let delta = delta.ok_or(Malformed::new("a content_block_delta without a delta"))?;
        let mut choice = Choice::default();
        match (&mut open.content, delta.known()?) {
            (Content::Text, Known::TextDelta) => choice.text = delta.text,
            (Content::Thinking, Known::ThinkingDelta) => choice.reasoning = delta.thinking,
            (Content::Thinking, Known::SignatureDelta) => {
                choice.signature = signature(delta.signature, false);
            }
            (Content::Tool { index, arguments }, Known::InputJsonDelta) => {
                if delta.partial_json.is_empty() {
                    return Ok(None);
                }
                if *arguments == Arguments::Whole {
                    return Err(Malformed::new("a tool call with arguments after its arguments"));
                }
                *arguments = Arguments::InPieces;
                choice.tools.push(fragment(*index, delta.partial_json));
            }
            // `citations_delta` says where the text is from; what the provider's own tools say was announced.
            (_, Known::Opaque) | (Content::Opaque, _) => {}
            _ => return Err(Malformed::new("a delta of another kind than its content block")),
        }
        Ok(choice.has_content().then_some(choice))
    }

    /// A tool call whose arguments never came has none, which is an empty object.
    fn end_block<'a>(&mut self, payload: &Payload<'a>) -> Result<Option<Choice<'a>>, Malformed> {
        let index = self.index(payload)?;
        let place = self.open.iter().position(|open| open.index == index);
        let place = place.ok_or(Malformed::new("the end of a content block that is not open"))?;
        let content = self.open.remove(place).content;
        let Content::Tool { index, arguments: Arguments::None } = content else { return Ok(None) };
        Ok(Some(Choice { tools: vec![fragment(index, Text::plain("{}"))], ..Choice::default() }))
    }

    fn stop<'a>(&mut self, payload: &Payload<'a>) -> Result<Event<'a>, Malformed> {
        if !self.begun {
            return Err(Malformed::new("an event before message_start"));
        }
        let mut event = Event::default();
        if let Some(report) = payload.usage {
            self.usage.update(report);
            event.usage = self.usage.usage();
        }
        let finish = payload.delta.as_ref().and_then(|delta| delta.end.finish());
        match (self.stop, finish) {
            (_, None) => {}
            (None, Some(finish)) => {
                self.stop = finish.finish;
                event.choices.push(finish);
            }
            (stop, Some(again)) if stop == again.finish => {}
            _ => return Err(Malformed::new("a second stop reason")),
        }
        Ok(event)
    }

    fn end_message<'a>(&mut self) -> Result<Event<'a>, Malformed> {
        if self.stop.is_none() {
            return Err(Malformed::new("message_stop before a stop reason"));
        }
        if !self.open.is_empty() {
            return Err(Malformed::new("message_stop before the end of every content block"));
        }
        self.done = true;
        Ok(Event { done: true, ..Event::default() })
    }

    /// The index of the block that an event is about, where content may be.
    fn index(&self, payload: &Payload<'_>) -> Result<u32, Malformed> {
        if !self.begun {
            return Err(Malformed::new("content before message_start"));
        }
        if self.stop.is_some() && (payload.delta.is_some() || payload.block.is_some()) {
            return Err(Malformed::new("content after the stop reason"));
        }
        payload.index.ok_or(Malformed::new("an event of a content block without its index"))
    }
}

impl<'a> From<Option<Choice<'a>>> for Event<'a> {
    fn from(choice: Option<Choice<'a>>) -> Self {
        Self { choices: choice.into_iter().collect(), ..Self::default() }
    }
}

fn fragment(index: u32, arguments: Text<'_>) -> ToolFragment<'_> {
    ToolFragment { index, arguments, ..ToolFragment::default() }
}

/// The members of all events. Which of them have to be there depends on the type, which may come last.
#[derive(Default)]
struct Payload<'a> {
    kind: Text<'a>,
    index: Option<u32>,
    message: Option<Message<'a>>,
    block: Option<Block<'a>>,
    delta: Option<Block<'a>>,
    usage: Option<Report>,
}

impl<'a> Payload<'a> {
    fn read(data: &'a [u8]) -> Result<Self, Fault> {
        let mut scanner = Scanner::new(data)?;
        let mut payload = Self::default();
        let mut object = scanner.object()?;
        while let Some(name) = scanner.member(&mut object)? {
            match (&*name.decode(), scanner.peek()?) {
                ("type", Kind::String) => payload.kind = scanner.string()?,
                ("index", Kind::Number) => {
                    let index = scanner.number()?.parse();
                    payload.index = Some(index.map_err(|_| scanner.fault(FaultKind::Kind("an index")))?);
                }
                ("message", Kind::Object) => payload.message = Some(Message::read(&mut scanner)?),
                ("content_block", Kind::Object) => payload.block = Some(Block::read(&mut scanner)?),
                ("delta", Kind::Object) => payload.delta = Some(Block::read(&mut scanner)?),
                ("usage", Kind::Object) => payload.usage = Some(Report::read(&mut scanner)?),
                _ => drop(scanner.skip()?),
            }
        }
        scanner.end()?;
        Ok(payload)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::event::UpstreamKind;
    use crate::sse;

    const START: &str =
        r#"{"type":"message_start","message":{"content":[],"usage":{"input_tokens":9,"output_tokens":1}}}"#;
    const TEXT: &str =
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
    const TOOL: &str = r#"{"type":"content_block_start","index":0,
        "content_block":{"type":"tool_use","id":"t","name":"x","input":{}}}"#;
    const A: &str = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#;
    const INPUT: &str = r#"{"type":"content_block_delta","index":0,
        "delta":{"type":"input_json_delta","partial_json":"{}"}}"#;
    const CLOSE: &str = r#"{"type":"content_block_stop","index":0}"#;
    const STOP: &str =
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":7}}"#;
    const END: &str = r#"{"type":"message_stop"}"#;

    fn frame(data: &str) -> Frame {
        let data = Bytes::copy_from_slice(data.as_bytes());
        Frame { raw: Bytes::new(), canonical: false, name: None, data }
    }

    fn read_all(payloads: &[&str]) -> Result<Reader, Malformed> {
        let mut reader = Reader::default();
        for payload in payloads {
            reader.read(&frame(payload))?;
        }
        Ok(reader)
    }

    /// Reads all but the last payload, and has a look at what that one means.
    #[track_caller]
    fn last_of<T>(payloads: &[&str], look: impl FnOnce(Event<'_>) -> T) -> T {
        let (last, before) = payloads.split_last().unwrap();
        let mut reader = read_all(before).unwrap();
        look(reader.read(&frame(last)).unwrap().unwrap())
    }

    #[test]
    fn a_finished_message_ends_truthfully() {
        assert!(read_all(&[START, TEXT, A, CLOSE, STOP, END]).unwrap().end().is_ok());
        assert!(read_all(&[START, STOP, END]).unwrap().end().is_ok(), "it has nothing to say");
    }

    #[test]
    fn the_end_of_the_body_is_no_end_of_the_message() {
        let whole = [START, TEXT, A, CLOSE, STOP];
        for count in 0..=whole.len() {
            assert!(read_all(&whole[..count]).unwrap().end().is_err(), "{count}");
        }
    }

    #[test]
    fn whatever_has_no_place_is_malformed() {
        for (why, payloads) in [
            ("no beginning", &[TEXT][..]),
            ("no beginning", &[STOP]),
            ("two beginnings", &[START, START]),
            ("a block that is not open", &[START, A]),
            ("a block that was closed", &[START, TEXT, CLOSE, A]),
            ("a block that was closed", &[START, TEXT, CLOSE, CLOSE]),
            ("a block that began", &[START, TEXT, TEXT]),
            ("a block that was closed", &[START, TEXT, CLOSE, TEXT]),
            ("another kind", &[START, TEXT, INPUT]),
            ("another kind", &[START, TOOL, A]),
            ("after the reason", &[START, STOP, TEXT]),
            ("after the reason", &[START, TEXT, STOP, A]),
            ("no reason", &[START, TEXT, A, CLOSE, END]),
            ("an open block", &[START, TEXT, STOP, END]),
            ("no type", &[START, "{}"]),
            ("no message", &[r#"{"type":"message_start"}"#]),
            ("no index", &[START, r#"{"type":"content_block_start","content_block":{"type":"text"}}"#]),
            ("no block", &[START, r#"{"type":"content_block_start","index":0}"#]),
            ("no delta", &[START, TEXT, r#"{"type":"content_block_delta","index":0}"#]),
        ] {
            assert!(read_all(payloads).is_err(), "{why}: {payloads:?}");
        }
    }

    #[test]
    fn a_stop_reason_may_be_repeated_and_not_changed() {
        let other = r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens"}}"#;
        assert!(read_all(&[START, STOP, other]).is_err());
        last_of(&[START, STOP, STOP], |event| assert!(event.choices.is_empty()));
    }

    #[test]
    fn usage_is_told_when_the_output_is_known() {
        last_of(&[START], |event| assert_eq!(event.usage, None));
        let none = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{}}"#;
        last_of(&[START, none], |event| assert_eq!(event.usage, None));
        let usage = last_of(&[START, STOP], |event| event.usage).unwrap();
        assert_eq!((usage.input, usage.output), (9, 7));
    }

    #[test]
    fn arguments_come_in_pieces_or_at_once_or_are_none() {
        let arguments = |payloads: &[&str]| {
            last_of(payloads, |event| event.choices[0].tools[0].arguments.decode().into_owned())
        };
        let whole = r#"{"type":"content_block_start","index":0,
            "content_block":{"type":"tool_use","id":"t","name":"x","input":{"n":1}}}"#;
        let empty = r#"{"type":"content_block_delta","index":0,
            "delta":{"type":"input_json_delta","partial_json":""}}"#;
        assert_eq!(arguments(&[START, TOOL]), "");
        assert_eq!(arguments(&[START, TOOL, INPUT]), "{}");
        assert_eq!(arguments(&[START, TOOL, empty, CLOSE]), "{}");
        assert_eq!(arguments(&[START, whole]), r#"{"n":1}"#);
        for ended in [&[START, TOOL, INPUT, CLOSE][..], &[START, whole, CLOSE]] {
            last_of(ended, |event| assert!(event.choices.is_empty()));
        }
        assert!(read_all(&[START, whole, empty]).is_ok());
        assert!(read_all(&[START, whole, INPUT]).is_err());
    }

    #[test]
    fn tool_calls_are_counted_whatever_the_numbers_of_their_blocks() {
        let begin = |index, kind| {
            format!(
                r#"{{"type":"content_block_start","index":{index},"content_block":{{"type":"{kind}","name":"x"}}}}"#
            )
        };
        let (second, third) = (begin(3, "server_tool_use"), begin(7, "tool_use"));
        last_of(&[START, TOOL, &second, &third], |event| assert_eq!(event.choices[0].tools[0].index, 1));
    }

    #[test]
    fn what_is_newer_than_this_is_passed_over() {
        for unknown in [
            r#"{"type":"ping"}"#,
            r#"{"type":"something_new","message":"x","delta":7,"index":"a"}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"something_new","text":7}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{}}}"#,
        ] {
            last_of(&[START, TEXT, unknown], |event| assert_eq!(event, Event::default(), "{unknown}"));
        }
    }

    #[test]
    fn whatever_follows_the_end_is_ignored() {
        let mut reader = read_all(&[START, STOP, END]).unwrap();
        assert_eq!(reader.read(&frame("{garbage")), Ok(None));
        assert!(reader.end().is_ok());
    }

    #[test]
    fn an_event_named_error_is_one_whatever_its_payload_says() {
        let mut named = frame(r#"{"type":"ping"}"#);
        named.name = Some(Bytes::from_static(b"error"));
        let kind = Reader::default().read(&named).unwrap().unwrap().error.map(|error| error.kind);
        assert_eq!(kind, Some(UpstreamKind::Server));
    }

    #[test]
    fn a_small_stream_cannot_become_a_large_structure() {
        let mut reader = read_all(&[START]).unwrap();
        let begin = |index: u32| {
            let block = r#"{"type":"text"}"#;
            frame(&format!(r#"{{"type":"content_block_start","index":{index},"content_block":{block}}}"#))
        };
        for index in 0..64 {
            assert!(reader.read(&begin(index)).is_ok(), "{index}");
        }
        assert!(reader.read(&begin(64)).is_err());
        assert!(read_all(&[START]).unwrap().read(&begin(u32::MAX)).is_err());
    }

    /// Events in any order, sound ones and others.
    fn events() -> impl Strategy<Value = Vec<u8>> {
        let event = prop::sample::select(vec![
            START,
            TEXT,
            TOOL,
            A,
            INPUT,
            CLOSE,
            STOP,
            END,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"thinking","thinking":"a"}}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"signature_delta","signature":"s"}}"#,
            r#"{"type":"content_block_stop","index":1}"#,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"x"}}"#,
            r#"{"type":"ping"}"#,
            r#"{"type":"content_block_start","index":4294967295,"content_block":{}}"#,
        ]);
        let event =
            (event, prop::option::of(any::<(prop::sample::Index, u8)>())).prop_map(|(text, damage)| {
                let mut event = format!("data: {}\n\n", text.replace('\n', "")).into_bytes();
                if let Some((at, byte)) = damage {
                    let at = at.index(event.len());
                    event[at] = byte;
                }
                event
            });
        prop::collection::vec(event, 0..20).prop_map(|events| events.concat())
    }

    /// What every frame of a stream cut into pieces means, until one means nothing.
    fn story(stream: &[u8], piece: usize) -> Vec<String> {
        let mut parser = sse::Parser::default();
        let mut reader = Reader::default();
        let mut story = Vec::new();
        for piece in stream.chunks(piece) {
            parser.push(Bytes::copy_from_slice(piece));
            while let Some(frame) = parser.next().unwrap() {
                let event = reader.read(&frame);
                story.push(format!("{event:?}"));
                if event.is_err() {
                    return story;
                }
            }
        }
        story.push(format!("{:?} {:?}", parser.finish(), reader.end()));
        story
    }

    proptest! {
        #[test]
        fn any_stream_means_the_same_in_any_pieces(stream in events(), piece in 1_usize..64) {
            prop_assert_eq!(story(&stream, piece), story(&stream, usize::MAX));
        }

        #[test]
        fn no_bytes_make_it_panic(data: Vec<u8>) {
            let frame = Frame { data: data.into(), ..frame("") };
            let _ = Reader::default().read(&frame);
        }
    }
}
