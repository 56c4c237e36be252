//! What any provider says, written for callers of any dialect and read again: the same story.

#![expect(clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};
use domain::{FinishReason, Usage};
use parapet_wire::dialect::{Dialect, Head, tool_call_id};
use parapet_wire::event::{Choice, Event, ToolFragment};
use parapet_wire::json::Text;
use parapet_wire::provider::{Codec, Framing};
use proptest::prelude::*;
use serde_json::Value;

use crate::support::{codec, codecs, files, frames, text};

const HEAD: Head<'_> = Head { id: "chatcmpl-0123", created: 1_700_000_000, model: "some \"model\"" };

/// What one choice says in all.
#[derive(Clone, Debug, Default, PartialEq)]
struct Told {
    words: String,
    refusal: String,
    thoughts: String,
    calls: BTreeMap<u32, Call>,
    finish: Option<FinishReason>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Call {
    id: String,
    name: String,
    arguments: String,
}

#[derive(Debug, Default, PartialEq)]
struct Story {
    told: BTreeMap<u32, Told>,
    usage: Usage,
}

impl Story {
    fn add(&mut self, choices: &[Choice<'_>], usage: Option<Usage>) {
        for choice in choices {
            let told = self.told.entry(choice.index).or_default();
            choice.text.append_to(&mut told.words);
            choice.refusal.append_to(&mut told.refusal);
            choice.reasoning.append_to(&mut told.thoughts);
            for fragment in &choice.tools {
                let call = told.calls.entry(fragment.index).or_default();
                fragment.id.append_to(&mut call.id);
                fragment.name.append_to(&mut call.name);
                fragment.arguments.append_to(&mut call.arguments);
            }
            told.finish = told.finish.or(choice.finish);
        }
        self.usage = usage.unwrap_or(self.usage);
    }

    /// With what a writer adds where the provider has nothing to say.
    fn completed(mut self) -> Self {
        for told in self.told.values_mut() {
            for (index, call) in &mut told.calls {
                if call.id.is_empty() {
                    call.id = tool_call_id(HEAD.id, *index);
                }
            }
            if told.finish == Some(FinishReason::Other) {
                told.finish = Some(FinishReason::Stop);
            }
        }
        self
    }
}

impl Story {
    /// As much as a message can tell of it, in the words it has.
    fn as_message(&self) -> Self {
        let mut told = self.told.get(&0).cloned().unwrap_or_default();
        told.words += &std::mem::take(&mut told.refusal);
        for call in told.calls.values_mut().filter(|call| call.arguments.is_empty()) {
            call.arguments = "{}".to_owned();
        }
        if told.finish == Some(FinishReason::Stop) && !told.calls.is_empty() {
            told.finish = Some(FinishReason::ToolCalls);
        }
        let Usage { input, cached_input, cache_write, output, reasoning, audio, image, .. } = self.usage;
        let (input, output) = (input + image, output + audio);
        let usage = Usage { input, cached_input, cache_write, output, reasoning, ..Usage::default() };
        Self { told: [(0, told)].into(), usage }
    }
}

/// Calls `each` with the events of a complete stream.
fn events(codec: &dyn Codec, body: Bytes, mut each: impl FnMut(&Event<'_>)) {
    let (frames, end) = frames(codec.framing(), [body]);
    let mut reader = codec.reader();
    for frame in &frames {
        if let Some(event) = reader.read(frame).unwrap() {
            each(&event);
        }
    }
    end.unwrap();
    reader.end().unwrap();
}

/// A stream, written again in `dialect`, and what it said; none if it has content that cannot be.
fn rewritten(codec: &dyn Codec, body: Bytes, dialect: Dialect, wants_usage: bool) -> Option<(Bytes, Story)> {
    let (mut out, mut story) = (BytesMut::new(), Story::default());
    let mut writer = dialect.writer(&HEAD, wants_usage);
    let mut told = true;
    events(codec, body, |event| {
        let written = writer.event(&mut out, event);
        assert_eq!(written.is_ok(), !event.choices.iter().any(|choice| choice.opaque), "{written:?}");
        told &= written.is_ok();
        story.add(&event.choices, event.usage);
    });
    writer.close(&mut out, &story.usage);
    told.then(|| (out.freeze(), story.completed()))
}

#[test]
fn every_stream_tells_the_same_story_as_chunks() {
    for (name, codec) in codecs() {
        for (file, body) in files(&format!("{name}/streams")) {
            for wants_usage in [true, false] {
                let Some((written, mut told)) = rewritten(codec, body.clone(), Dialect::Chat, wants_usage)
                else {
                    continue;
                };
                let mut again = Story::default();
                events(self::codec("openai"), written, |event| again.add(&event.choices, event.usage));
                if !wants_usage {
                    told.usage = Usage::default();
                }
                assert_eq!(again, told, "{name}/{file}");
            }
        }
    }
}

#[test]
fn every_stream_tells_the_same_story_as_a_messages_blocks() {
    for (name, codec) in codecs() {
        for (file, body) in files(&format!("{name}/streams")) {
            let Some((written, story)) = rewritten(codec, body, Dialect::Messages, true) else { continue };
            check(&assembled(written.clone()), &story, &format!("{name}/{file}"));
            let mut again = Story::default();
            events(self::codec("anthropic"), written, |event| again.add(&event.choices, event.usage));
            assert_eq!(again, story.as_message(), "{name}/{file}");
        }
    }
}

#[test]
fn a_picture_is_no_empty_answer_and_a_search_on_the_way_is_no_failure() {
    let answered = |name: &str, body: &[u8]| {
        let answer = codec(name).read_answer(body).unwrap();
        [Dialect::Chat, Dialect::Messages].map(|dialect| {
            let written = dialect.answer(&HEAD, &answer, &Usage::default());
            written.map(|body| text(&body).contains("It rains.")).map_err(|malformed| malformed.to_string())
        })
    };
    let untold = "malformed answer: content that this dialect has no place for".to_owned();
    let painted = br#"{"candidates":[{"content":{"parts":[{"text":"It rains."},{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}}]},"finishReason":"STOP"}]}"#;
    assert_eq!(answered("gemini", painted), [Err(untold.clone()), Err(untold)]);
    let searched = br#"{"type":"message","content":[{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}},
        {"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[]},{"type":"text","text":"It rains."}],"stop_reason":"end_turn"}"#;
    assert_eq!(answered("anthropic", searched), [Ok(true), Ok(true)]);
}

#[test]
fn every_answer_tells_the_same_story_in_any_dialect() {
    for (name, codec) in codecs() {
        for (file, body) in files(&format!("{name}/answers")) {
            let Ok(answer) = codec.read_answer(&body) else { continue };
            if answer.error.is_some() {
                continue;
            }
            let mut story = Story::default();
            story.add(&answer.choices, answer.usage);
            let chat = Dialect::Chat.answer(&HEAD, &answer, &story.usage);
            let message = Dialect::Messages.answer(&HEAD, &answer, &story.usage);
            if answer.choices.iter().any(|choice| choice.opaque) {
                assert!(chat.is_err() && message.is_err(), "{name}/{file}");
                continue;
            }
            let (chat, message) = (chat.unwrap(), message.unwrap());
            let story = story.completed();

            let again = self::codec("openai").read_answer(&chat).unwrap();
            let mut told = Story::default();
            told.add(&again.choices, again.usage);
            assert_eq!(told, story, "{name}/{file}");
            check(&serde_json::from_slice(&message).unwrap(), &story, &format!("{name}/{file}"));
            let again = self::codec("anthropic").read_answer(&message).unwrap();
            let mut told = Story::default();
            told.add(&again.choices, again.usage);
            assert_eq!(told, story.as_message(), "{name}/{file}");
        }
    }
}

/// One choice as its provider may tell it: the pieces of calls in any turns, with words and thoughts between them.
fn pieces() -> impl Strategy<Value = Vec<(Option<usize>, String)>> {
    let object = prop_oneof![
        Just("{}".to_owned()),
        Just(r#"{"a":{"b":["}",1]}}"#.to_owned()),
        Just(r#"{"say":"\"{\\","then":[]}"#.to_owned()),
        Just(" { \"ü\" : 0 }\n".to_owned()),
    ];
    let call = (object, 1..6_usize);
    (prop::collection::vec(call, 0..4), prop::collection::vec("[a-z\"{}]{1,4}", 0..6), any::<u64>()).prop_map(
        |(calls, words, seed)| {
            let cut = |text: &str, size: usize| -> VecDeque<String> {
                text.chars().collect::<Vec<_>>().chunks(size).map(|piece| piece.iter().collect()).collect()
            };
            let mut sources: Vec<_> = calls
                .iter()
                .enumerate()
                .map(|(number, (arguments, size))| (Some(number), cut(arguments, *size)))
                .collect();
            sources.push((None, words.into()));
            let (mut told, mut seed) = (Vec::new(), seed);
            while !sources.is_empty() {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = usize::try_from(seed >> 33).unwrap() % sources.len();
                match sources[at].1.pop_front() {
                    Some(piece) => told.push((sources[at].0, piece)),
                    None => drop(sources.remove(at)),
                }
            }
            told
        },
    )
}

proptest! {
    #[test]
    fn whatever_turns_the_pieces_take_a_message_says_them_all(pieces in pieces()) {
        let mut calls: Vec<usize> = Vec::new();
        let mut choices: Vec<Choice<'_>> = Vec::new();
        for (number, (call, piece)) in pieces.iter().enumerate() {
            choices.push(match call {
                None if number % 3 == 0 => Choice { reasoning: Text::plain(piece), ..Choice::default() },
                None => Choice { text: Text::plain(piece), ..Choice::default() },
                Some(call) => {
                    let known = calls.iter().position(|known| known == call);
                    let index = known.unwrap_or(calls.len());
                    let name = if known.is_none() { "f" } else { "" };
                    if known.is_none() {
                        calls.push(*call);
                    }
                    let index = u32::try_from(index).unwrap();
                    let arguments = Text::plain(piece);
                    let fragment = ToolFragment { index, name: Text::plain(name), arguments, ..ToolFragment::default() };
                    Choice { tools: vec![fragment], ..Choice::default() }
                }
            });
        }
        choices.push(Choice { finish: Some(FinishReason::Stop), ..Choice::default() });
        let mut story = Story::default();
        let (mut chunks, mut events) = (BytesMut::new(), BytesMut::new());
        let (mut chat, mut messages) =
            (Dialect::Chat.writer(&HEAD, true), Dialect::Messages.writer(&HEAD, true));
        for choice in choices {
            story.add(std::slice::from_ref(&choice), None);
            let event = Event { choices: vec![choice], ..Event::default() };
            chat.event(&mut chunks, &event).unwrap();
            messages.event(&mut events, &event).unwrap();
        }
        chat.close(&mut chunks, &story.usage);
        messages.close(&mut events, &story.usage);
        let story = story.completed();
        check(&assembled(events.freeze()), &story, "messages");
        let mut again = Story::default();
        self::events(codec("openai"), chunks.freeze(), |event| again.add(&event.choices, event.usage));
        prop_assert_eq!(again, story);
    }
}

/// A message says what the first choice does.
#[track_caller]
fn check(message: &Value, story: &Story, file: &str) {
    let told = story.told.get(&0).cloned().unwrap_or_default();
    let blocks = message["content"].as_array().unwrap();
    let texts = |kind: &str, member: &str| -> String {
        let blocks = blocks.iter().filter(|block| block["type"] == kind);
        blocks.map(|block| block[member].as_str().unwrap()).collect()
    };
    assert_eq!(texts("text", "text"), told.words + &told.refusal, "{file}");
    assert_eq!(texts("thinking", "thinking"), told.thoughts, "{file}");
    for thought in blocks.iter().filter(|block| block["type"] == "thinking") {
        assert_ne!(thought["signature"], "", "{file}");
    }
    let calls = blocks.iter().filter(|block| block["type"] == "tool_use");
    let calls = calls.map(|block| (&block["id"], &block["name"], block["input"].clone()));
    let meant = told
        .calls
        .values()
        .map(|call| (call.id.as_str().into(), call.name.as_str().into(), input(&call.arguments)));
    let meant: Vec<(Value, Value, Value)> = meant.collect();
    assert!(calls.eq(meant.iter().map(|(id, name, input)| (id, name, input.clone()))), "{file}");

    let stop_reason = match told.finish {
        Some(FinishReason::Length) => "max_tokens",
        Some(FinishReason::ContentFilter) => "refusal",
        _ if !told.calls.is_empty() => "tool_use",
        _ => "end_turn",
    };
    assert_eq!(message["stop_reason"], stop_reason, "{file}");
    let usage = &message["usage"];
    let input = ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"];
    let input: u64 = input.map(|member| usage[member].as_u64().unwrap()).iter().sum();
    assert_eq!(input, story.usage.total_input(), "{file}");
    assert_eq!(usage["output_tokens"], story.usage.total_output(), "{file}");
}

/// The message that a client puts together from the events of a stream, by the rules of the public reference: blocks
/// come one after the other, and nothing is said outside of one.
fn assembled(stream: Bytes) -> Value {
    let (frames, end) = frames(Framing::Events, [stream]);
    end.unwrap();
    let mut message = Value::Null;
    let mut open: Option<(Value, String)> = None;
    let mut ended = false;
    for frame in frames {
        let data = json(&frame.data);
        let name = frame.name.unwrap();
        assert_eq!(data["type"], *std::str::from_utf8(&name).unwrap());
        assert!(!ended, "{data}");
        assert_eq!(message.is_null(), &name[..] == b"message_start", "{data}");
        match &name[..] {
            b"message_start" => message = data["message"].clone(),
            b"content_block_start" => {
                assert!(open.is_none() && message["stop_reason"].is_null(), "{data}");
                assert_eq!(data["index"], message["content"].as_array().unwrap().len());
                open = Some((data["content_block"].clone(), String::new()));
            }
            b"content_block_delta" => {
                assert_eq!(data["index"], message["content"].as_array().unwrap().len());
                let (block, json) = open.as_mut().unwrap();
                let (kind, delta) = (block["type"].as_str().unwrap().to_owned(), &data["delta"]);
                let member = match (&*kind, delta["type"].as_str().unwrap()) {
                    ("text", "text_delta") => "text",
                    ("thinking", "thinking_delta") => {
                        assert_eq!(block["signature"], "");
                        "thinking"
                    }
                    ("thinking", "signature_delta") => "signature",
                    ("tool_use", "input_json_delta") => {
                        json.push_str(delta["partial_json"].as_str().unwrap());
                        continue;
                    }
                    other => panic!("{other:?}"),
                };
                let text = block[member].as_str().unwrap().to_owned() + delta[member].as_str().unwrap();
                block[member] = text.into();
            }
            b"content_block_stop" => {
                assert_eq!(data["index"], message["content"].as_array().unwrap().len());
                let (mut block, json) = open.take().unwrap();
                if block["type"] == "tool_use" {
                    block["input"] = input(&json);
                }
                message["content"].as_array_mut().unwrap().push(block);
            }
            b"message_delta" => {
                assert!(open.is_none(), "{data}");
                message["stop_reason"] = data["delta"]["stop_reason"].clone();
                message["usage"] = data["usage"].clone();
            }
            b"message_stop" => ended = true,
            other => panic!("{other:?}"),
        }
    }
    assert!(ended && !message["stop_reason"].is_null());
    message
}

/// The input of a call with these arguments. A call that the limit of tokens cut has no whole one.
fn input(arguments: &str) -> Value {
    let arguments = if arguments.is_empty() { "{}" } else { arguments };
    serde_json::from_str(arguments).unwrap_or_else(|_| serde_json::json!({ "INVALID_JSON": arguments }))
}

/// Unpaired surrogates are legal JSON, are passed on as they are spelled, and are refused by this parser alone.
fn json(data: &[u8]) -> Value {
    serde_json::from_str(&text(data).replace(r"\ud83c lone", r"\ufffd lone")).unwrap()
}
