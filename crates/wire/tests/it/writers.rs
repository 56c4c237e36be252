//! What any provider says, written for callers of any dialect and read again: the same story.

#![expect(clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use domain::{FinishReason, Usage};
use parapet_wire::dialect::{Dialect, Head, tool_call_id};
use parapet_wire::event::{Choice, Event};
use parapet_wire::provider::{Codec, Framing};
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

/// A stream, written again in `dialect`, and what it said.
fn rewritten(codec: &dyn Codec, body: Bytes, dialect: Dialect, wants_usage: bool) -> (Bytes, Story) {
    let (mut out, mut story) = (BytesMut::new(), Story::default());
    let mut writer = dialect.writer(&HEAD, wants_usage);
    events(codec, body, |event| {
        writer.event(&mut out, event);
        story.add(&event.choices, event.usage);
    });
    writer.close(&mut out, &story.usage);
    (out.freeze(), story.completed())
}

#[test]
fn every_stream_tells_the_same_story_as_chunks() {
    for (name, codec) in codecs() {
        for (file, body) in files(&format!("{name}/streams")) {
            for wants_usage in [true, false] {
                let (written, mut told) = rewritten(codec, body.clone(), Dialect::Chat, wants_usage);
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
            let (written, story) = rewritten(codec, body, Dialect::Messages, true);
            let message = assembled(written);
            check(&message, &story, &format!("{name}/{file}"));
        }
    }
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
            let story = story.completed();

            let again = self::codec("openai").read_answer(&chat).unwrap();
            let mut told = Story::default();
            told.add(&again.choices, again.usage);
            assert_eq!(told, story, "{name}/{file}");
            check(&serde_json::from_slice(&message).unwrap(), &story, &format!("{name}/{file}"));
        }
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
    let meant = told.calls.values().map(|call| {
        let arguments = if call.arguments.is_empty() { "{}" } else { &call.arguments };
        (call.id.as_str().into(), call.name.as_str().into(), serde_json::from_str(arguments).unwrap())
    });
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
                if !json.is_empty() {
                    block["input"] = serde_json::from_str(&json).unwrap();
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

/// Unpaired surrogates are legal JSON, are passed on as they are spelled, and are refused by this parser alone.
fn json(data: &[u8]) -> Value {
    serde_json::from_str(&text(data).replace(r"\ud83c lone", r"\ufffd lone")).unwrap()
}
