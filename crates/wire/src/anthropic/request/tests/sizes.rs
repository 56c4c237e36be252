//! A body of many small pieces takes as long as its length says, whatever the pieces are and wherever they stand.

use std::fmt::Write;

use domain::{Clock, SystemClock};

use super::*;
use crate::anthropic::codec::CODEC;
use crate::dialect::Request;
use crate::provider::Codec;

const FEW: usize = 2000;

/// Eight times the pieces take eight times as long, where a step that looks at all pieces for each takes sixty-four.
const MORE: usize = 8;
const MUCH_LONGER: u64 = 3 * 8;

/// `count` pieces with commas between them.
fn pieces(count: usize, piece: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for number in 0..count {
        let comma = if number == 0 { "" } else { "," };
        write!(text, "{comma}{}", piece(number)).unwrap();
    }
    text
}

/// Nanoseconds from the caller's bytes to the provider's, both ways.
fn time(body: String) -> u64 {
    let clock = SystemClock::default();
    let request = MessagesRequest::parse(Bytes::from(body)).unwrap();
    let _ = CODEC.chat(&request.to_call().unwrap(), "claude-sonnet-4-5").unwrap();
    let _ = request.for_upstream("claude-sonnet-4-5");
    let _ = CODEC.pass(&Request::Messages(request), "claude-sonnet-4-5");
    clock.ticks().0
}

#[test]
fn many_pieces_take_as_long_as_they_are() {
    let word = |_| r#"{"type":"text","text":"a"}"#.to_owned();
    let result = |n: usize| format!(r#"{{"type":"tool_result","tool_use_id":"c{n}"}}"#);
    let call = |n: usize| format!(r#"{{"type":"tool_use","id":"c{n}","name":"f","input":{{}}}}"#);
    let user = |blocks: String| format!(r#"{{"role":"user","content":[{blocks}]}}"#);
    let assistant = |blocks: String| format!(r#"{{"role":"assistant","content":[{blocks}]}}"#);
    let shapes: [(&str, &dyn Fn(usize) -> String); 8] = [
        ("words, then results", &|n| {
            format!("{},{}", pieces(n, |n| user(word(n))), pieces(n, |n| user(result(n))))
        }),
        ("words and results in turns", &|n| pieces(n, |n| format!("{},{}", user(word(n)), user(result(n))))),
        ("turns", &|n| pieces(n, |n| format!("{USER},{}", assistant(word(n))))),
        ("rounds", &|n| pieces(n, |n| format!("{USER},{},{}", assistant(call(n)), user(result(n))))),
        ("one round", &|n| format!("{USER},{},{}", assistant(pieces(n, call)), user(pieces(n, result)))),
        ("one id for all", &|n| {
            format!("{USER},{},{}", assistant(pieces(n, |_| call(0))), user(pieces(n, |_| result(0))))
        }),
        ("thoughts of others", &|n| {
            let thought = r#"{"type":"thinking","thinking":"","signature":"parapet.unsigned"}"#;
            format!("{USER},{}", assistant(pieces(n, |n| format!("{thought},{}", word(n)))))
        }),
        ("messages of nothing else", &|n| {
            let thought = r#"{"type":"redacted_thinking","data":"parapet.google-gemini-v1.encrypted.1.cx"}"#;
            pieces(n, |_| format!("{USER},{}", assistant(thought.to_owned())))
        }),
    ];
    for (name, shape) in shapes {
        let linear = |_| {
            time(of(&format!("[{}]", shape(MORE * FEW))))
                < MUCH_LONGER * time(of(&format!("[{}]", shape(FEW))))
        };
        assert!((0..3).any(linear), "{name}");
    }
}
