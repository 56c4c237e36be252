//! Damaged and arbitrary bytes from upstream: never a panic, never a different reading of the same bytes.

use std::fs;

use bytes::Bytes;
use parapet_wire::event::Malformed;
use parapet_wire::openai::{self, StreamReader};
use parapet_wire::sse::Parser;
use proptest::prelude::*;

fn golden(folder: &str) -> impl Strategy<Value = Vec<u8>> {
    let mut paths: Vec<_> =
        fs::read_dir(crate::support::golden(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    prop::sample::select(paths).prop_map(|path| fs::read(path).unwrap())
}

/// A few bytes exchanged, removed or doubled.
fn damaged(folder: &str) -> impl Strategy<Value = Vec<u8>> {
    let damage = (any::<prop::sample::Index>(), any::<u8>(), 0..3_u8);
    (golden(folder), prop::collection::vec(damage, 0..4)).prop_map(|(mut body, damages)| {
        for (at, byte, how) in damages {
            if body.is_empty() {
                break;
            }
            let at = at.index(body.len());
            match how {
                0 => drop(body.splice(at..=at, [byte])),
                1 => drop(body.remove(at)),
                _ => body.insert(at, byte),
            }
        }
        body
    })
}

/// The texts of a stream's choices and how it ended.
fn read(stream: &[u8], piece: usize) -> (String, Result<(), String>) {
    let mut text = String::new();
    let mut parser = Parser::new(1 << 16);
    let mut reader = StreamReader::default();
    let mut read = || {
        for piece in stream.chunks(piece) {
            parser.push(Bytes::copy_from_slice(piece));
            while let Some(frame) = parser.next().map_err(|fault| fault.to_string())? {
                let event = reader.read(&frame).map_err(|malformed: Malformed| malformed.to_string())?;
                for choice in event.iter().flat_map(|event| &event.choices) {
                    choice.text.append_to(&mut text);
                }
            }
        }
        parser.finish().map_err(|fault| fault.to_string())?;
        reader.end().map_err(|malformed| malformed.to_string())
    };
    let end = read();
    (text, end)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_damaged_stream_reads_the_same_in_any_pieces(stream in damaged("openai/streams"), piece in 1_usize..64) {
        prop_assert_eq!(read(&stream, piece), read(&stream, usize::MAX));
    }

    #[test]
    fn a_damaged_answer_reads_as_a_full_parser_reads_it_or_not_at_all(body in damaged("openai/answers")) {
        let body = Bytes::from(body);
        let Ok(answer) = openai::read_answer(&body) else { return Ok(()) };
        prop_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok());
        // A full parser also refuses unpaired surrogates and numbers beyond a float.
        let Ok(json) = serde_json::from_slice::<serde_json::Value>(&body) else { return Ok(()) };
        let choices = json["choices"].as_array().map_or(&[][..], Vec::as_slice);
        prop_assert_eq!(answer.choices.len(), choices.len());
        for (choice, theirs) in answer.choices.iter().zip(choices) {
            prop_assert_eq!(choice.text.decode(), theirs["message"]["content"].as_str().unwrap_or_default());
            let refusal = theirs["message"]["refusal"].as_str().unwrap_or_default();
            prop_assert_eq!(choice.refusal.decode(), refusal);
            prop_assert_eq!(choice.finish.is_some(), theirs["finish_reason"].is_string());
            if theirs["message"].is_object() {
                let rewritten = openai::rewrite(&body, choice.index, "new", None).unwrap();
                let again = openai::read_answer(&rewritten).unwrap();
                let new = again.choices.iter().rfind(|other| other.index == choice.index).unwrap();
                prop_assert_eq!(new.text.decode(), "new");
            }
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes: Vec<u8>, status: u16) {
        let _ = openai::read_chunk(&bytes);
        let _ = openai::read_answer(&bytes);
        let _ = openai::read_error(status, &bytes);
        let _ = openai::rewrite(&Bytes::copy_from_slice(&bytes), 0, "x", None);
        let _ = read(&bytes, 7);
    }
}
