//! Damaged and arbitrary bytes from upstream: never a panic, never a different reading of the same bytes.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking, its helpers too")]

use bytes::Bytes;
use parapet_wire::openai;
use parapet_wire::provider::Codec;
use proptest::prelude::*;

use crate::support::{codec, codecs, files, frames, story_of};

/// Any codec with one of the files in that folder of its own.
fn golden(folder: &'static str) -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let of =
        |name| files(&format!("{name}/{folder}")).into_iter().map(move |(_, body)| (name, body.to_vec()));
    let all: Vec<_> = codecs().flat_map(|(name, _)| of(name)).collect();
    prop::sample::select(all)
}

/// As [`golden`], with a few bytes exchanged, removed or doubled.
fn damaged(folder: &'static str) -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let damage = (any::<prop::sample::Index>(), any::<u8>(), 0..3_u8);
    (golden(folder), prop::collection::vec(damage, 0..4)).prop_map(|((name, mut body), damages)| {
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
        (name, body)
    })
}

/// What a stream says and how it ends, if it comes in pieces of that size.
fn read(codec: &dyn Codec, stream: &[u8], piece: usize) -> String {
    let (frames, end) = frames(codec.framing(), stream.chunks(piece).map(Bytes::copy_from_slice));
    story_of(codec, &frames, end)
}

/// What a damaged answer of the chat dialect says is what a full parser finds in it.
fn check_chat(body: &Bytes) -> Result<(), TestCaseError> {
    let Ok(answer) = openai::read_answer(body) else { return Ok(()) };
    // A full parser also refuses unpaired surrogates and numbers beyond a float.
    let Ok(json) = serde_json::from_slice::<serde_json::Value>(body) else { return Ok(()) };
    let choices = json["choices"].as_array().map_or(&[][..], Vec::as_slice);
    prop_assert_eq!(answer.choices.len(), choices.len());
    for (choice, theirs) in answer.choices.iter().zip(choices) {
        prop_assert_eq!(choice.text.decode(), theirs["message"]["content"].as_str().unwrap_or_default());
        let refusal = theirs["message"]["refusal"].as_str().unwrap_or_default();
        prop_assert_eq!(choice.refusal.decode(), refusal);
        prop_assert_eq!(choice.finish.is_some(), theirs["finish_reason"].is_string());
        if theirs["message"].is_object() {
            let rewritten = openai::rewrite(body, choice.index, "new", None).unwrap();
            let again = openai::read_answer(&rewritten).unwrap();
            let new = again.choices.iter().rfind(|other| other.index == choice.index).unwrap();
            prop_assert_eq!(new.text.decode(), "new");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_damaged_stream_reads_the_same_in_any_pieces(
        (name, stream) in prop_oneof![damaged("streams"), damaged("broken-streams")],
        piece in 1_usize..64,
    ) {
        let codec = codec(name);
        prop_assert_eq!(read(codec, &stream, piece), read(codec, &stream, usize::MAX), "{}", name);
    }

    #[test]
    fn a_damaged_answer_reads_as_a_full_parser_reads_it_or_not_at_all((name, body) in damaged("answers")) {
        let body = Bytes::from(body);
        if codec(name).read_answer(&body).is_ok() {
            let valid = serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok();
            prop_assert!(valid, "{}: {:?}", name, body);
        }
        if matches!(name, "openai" | "azure") {
            check_chat(&body)?;
        }
    }

    #[test]
    fn a_damaged_error_is_one_still((name, body) in damaged("errors"), status in 400_u16..600) {
        let error = codec(name).read_error(status, &body);
        prop_assert!(error.message.is_none_or(|message| message.len() <= 1024), "{}", name);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes: Vec<u8>, status: u16) {
        for (_, codec) in codecs() {
            let _ = codec.read_answer(&bytes);
            let _ = codec.read_error(status, &bytes);
            let _ = codec.read_embeddings(&bytes);
            let _ = codec.read_count(&bytes);
            let _ = codec.read_models(&bytes);
            let _ = read(codec, &bytes, 7);
        }
        let _ = openai::read_chunk(&bytes);
        let _ = openai::rewrite(&Bytes::copy_from_slice(&bytes), 0, "x", None);
    }
}
