//! Vectors as they are answered: arrays of numbers, or base64 of little-endian `f32`, whichever was asked for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use domain::Usage;
use serde::Serialize;

use crate::embedding::{Embeddings, MAX_INPUTS, read_vector};
use crate::event::Malformed;
use crate::json::{Fault, FaultKind, Kind, Scanner, Text, write_json};
use crate::openai::read::index;
use crate::openai::usage::read_embedding_usage;

/// Reads an answer. The vectors come in any order; each says which input it is of.
pub(in crate::openai) fn read(body: &[u8]) -> Result<Embeddings, Malformed> {
    let mut scanner = Scanner::new(body)?;
    let (mut data, mut usage) = (None, None);
    let mut object = scanner.object()?;
    while let Some(name) = scanner.member(&mut object)? {
        match &*name.decode() {
            "data" => data = Some(vectors(&mut scanner)?),
            "usage" if !scanner.null()? => usage = read_embedding_usage(&mut scanner)?,
            "usage" => {}
            _ => drop(scanner.skip()?),
        }
    }
    scanner.end()?;
    let mut vectors = data.ok_or(Malformed::new("an answer without embeddings"))?;
    vectors.sort_by_key(|(index, _)| *index);
    if !vectors.iter().map(|(index, _)| *index).eq((0..).take(vectors.len())) {
        return Err(Malformed::new("embeddings that are not numbered from 0"));
    }
    Ok(Embeddings { vectors: vectors.into_iter().map(|(_, vector)| vector).collect(), usage })
}

fn vectors(scanner: &mut Scanner<'_>) -> Result<Vec<(u32, Vec<f32>)>, Fault> {
    let mut vectors = Vec::new();
    let mut array = scanner.array()?;
    while scanner.element(&mut array)? {
        if vectors.len() == MAX_INPUTS {
            return Err(scanner.fault(FaultKind::Kind("at most 2048 embeddings")));
        }
        let position = u32::try_from(vectors.len()).unwrap_or(u32::MAX);
        vectors.push(vector(scanner, position)?);
    }
    Ok(vectors)
}

/// `position` stands in for a missing index.
fn vector(scanner: &mut Scanner<'_>, position: u32) -> Result<(u32, Vec<f32>), Fault> {
    let (mut number, mut vector) = (position, None);
    let mut object = scanner.object()?;
    while let Some(name) = scanner.member(&mut object)? {
        match &*name.decode() {
            "index" if !scanner.null()? => number = index(scanner)?,
            "index" => {}
            "embedding" if scanner.peek()? == Kind::String => {
                let text = scanner.string()?;
                vector = decoded(text);
            }
            "embedding" => vector = Some(read_vector(scanner)?),
            _ => drop(scanner.skip()?),
        }
    }
    let vector = vector.ok_or_else(|| scanner.fault(FaultKind::Kind("an embedding")))?;
    Ok((number, vector))
}

fn decoded(text: Text<'_>) -> Option<Vec<f32>> {
    let bytes = STANDARD.decode(&*text.decode()).ok()?;
    let (numbers, []) = bytes.as_chunks::<4>() else { return None };
    let numbers = numbers.iter().map(|bytes| Some(f32::from_le_bytes(*bytes)).filter(|n| n.is_finite()));
    numbers.collect()
}

#[derive(Serialize)]
struct AnswerOut<'a> {
    object: &'static str,
    data: Vec<VectorOut<'a>>,
    model: &'a str,
    usage: UsageOut,
}

#[derive(Serialize)]
struct VectorOut<'a> {
    object: &'static str,
    index: usize,
    embedding: Numbers<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Numbers<'a> {
    Plain(&'a [f32]),
    Base64(String),
}

#[derive(Serialize)]
struct UsageOut {
    prompt_tokens: u64,
    total_tokens: u64,
}

/// An answer, as [`EmbeddingRequest::base64`](super::EmbeddingRequest::base64) wants it.
#[must_use]
pub fn embeddings(model: &str, embeddings: &Embeddings, usage: &Usage, base64: bool) -> Bytes {
    let numbers = |vector| if base64 { Numbers::Base64(encoded(vector)) } else { Numbers::Plain(vector) };
    let vectors = embeddings.vectors.iter().enumerate();
    let data =
        vectors.map(|(index, vector)| VectorOut { object: "embedding", index, embedding: numbers(vector) });
    let usage = UsageOut { prompt_tokens: usage.total_input(), total_tokens: usage.total() };
    let answer = AnswerOut { object: "list", data: data.collect(), model, usage };
    let numbers: usize = embeddings.vectors.iter().map(Vec::len).sum();
    let mut out = BytesMut::with_capacity(numbers * 12 + 256);
    write_json(&mut out, &answer);
    out.freeze()
}

fn encoded(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn vectors_are_put_in_the_order_of_the_inputs() {
        let read = read(
            br#"{"object":"list","data":[{"object":"embedding","index":1,"embedding":[1,-0.5]},
                {"index":0,"embedding":"AAAAPwAAgL8="}],"model":"m","usage":{"prompt_tokens":8,"total_tokens":8}}"#,
        )
        .unwrap();
        assert_eq!(read.vectors, [[0.5, -1.0], [1.0, -0.5]]);
        assert_eq!(read.usage, Some(Usage { input: 8, ..Usage::default() }));
    }

    #[test]
    fn an_answer_without_indices_is_in_order() {
        let read =
            read(br#"{"data":[{"embedding":[1]},{"embedding":[2]}],"usage":{"total_tokens":3}}"#).unwrap();
        assert_eq!(read.vectors, [[1.0], [2.0]]);
        assert_eq!(read.usage.unwrap().total(), 3);
    }

    #[test]
    fn what_is_no_list_of_vectors_is_malformed() {
        for data in [
            "null",
            "{}",
            "[[1]]",
            r#"[{"index":0}]"#,
            r#"[{"index":1,"embedding":[1]}]"#,
            r#"[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]"#,
            r#"[{"index":-1,"embedding":[1]}]"#,
            r#"[{"embedding":null}]"#,
            r#"[{"embedding":[1e39]}]"#,
            r#"[{"embedding":["1"]}]"#,
            r#"[{"embedding":"AAA="}]"#,
            r#"[{"embedding":"AAAAP"}]"#,
            r#"[{"embedding":"AACAfw=="}]"#,
            r#"[{"embedding":"#,
        ] {
            assert!(read(format!(r#"{{"data":{data}}}"#).as_bytes()).is_err(), "{data}");
        }
        assert!(read(br#"{"error":{"message":"x"}}"#).is_err());
        let many = |n: usize| {
            read(format!(r#"{{"data":[{}]}}"#, vec![r#"{"embedding":[]}"#; n].join(",")).as_bytes())
        };
        assert!(many(2048).is_ok());
        assert!(many(2049).is_err());
    }

    #[test]
    fn an_answer_has_the_form_of_the_dialect() {
        let usage = Usage { input: 7, cached_input: 1, ..Usage::default() };
        let answer = Embeddings { vectors: vec![vec![0.1, -2.0], vec![]], usage: None };
        assert_eq!(
            embeddings("m\"", &answer, &usage, false),
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,-2.0]},{"object":"embedding","index":1,"embedding":[]}],"model":"m\"","usage":{"prompt_tokens":8,"total_tokens":8}}"#
        );
        let answer = Embeddings { vectors: vec![vec![0.5, -1.0]], usage: None };
        assert_eq!(
            embeddings("m", &answer, &Usage::default(), true),
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AAAAPwAAgL8="}],"model":"m","usage":{"prompt_tokens":0,"total_tokens":0}}"#
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_to_the_bit(
            vectors in prop::collection::vec(prop::collection::vec(any::<f32>().prop_filter("finite", |n| n.is_finite()), 0..8), 0..8),
            base64: bool,
        ) {
            let usage = Usage { input: 3, ..Usage::default() };
            let answer = Embeddings { vectors, usage: Some(usage) };
            prop_assert_eq!(read(&embeddings("m", &answer, &usage, base64)), Ok(answer));
        }

        #[test]
        fn no_body_makes_it_panic(body: Vec<u8>) {
            let _ = read(&body);
        }
    }
}
