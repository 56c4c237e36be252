//! Embeddings: a list of texts, a list of vectors.

use bytes::{Bytes, BytesMut};
use serde::Serialize;

use crate::embedding::{Embedding, Embeddings, MAX_INPUTS, read_vector};
use crate::event::Malformed;
use crate::json::{FaultKind, Scanner, write_json};
use crate::openai::count;
use crate::provider::Uncarried;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
    /// The server's default cuts what is too long and says nothing.
    truncate: bool,
}

pub(super) fn encode(request: &Embedding, model: &str) -> Result<Bytes, Uncarried> {
    if let Some(member) = request.uncarried.first() {
        return Err(Uncarried::new(member.clone()));
    }
    let mut out = BytesMut::with_capacity(request.inputs.iter().map(String::len).sum::<usize>() + 128);
    let dimensions = request.dimensions;
    write_json(&mut out, &Body { model, input: &request.inputs, dimensions, truncate: false });
    Ok(out.freeze())
}

pub(super) fn read(body: &[u8]) -> Result<Embeddings, Malformed> {
    let mut scanner = Scanner::new(body)?;
    let (mut vectors, mut prompt) = (None, None);
    let mut object = scanner.object()?;
    while let Some(name) = scanner.member(&mut object)? {
        match &*name.decode() {
            "embeddings" => {
                let read = vectors.insert(Vec::new());
                let mut array = scanner.array()?;
                while scanner.element(&mut array)? {
                    if read.len() == MAX_INPUTS {
                        return Err(scanner.fault(FaultKind::Kind("at most 2048 vectors")).into());
                    }
                    read.push(read_vector(&mut scanner)?);
                }
            }
            "prompt_eval_count" => prompt = count(&mut scanner)?,
            _ => drop(scanner.skip()?),
        }
    }
    scanner.end()?;
    let vectors = vectors.ok_or(Malformed::new("an answer without embeddings"))?;
    let usage = prompt.map(|input| domain::Usage { input, ..domain::Usage::default() });
    Ok(Embeddings { vectors, usage })
}

#[cfg(test)]
mod tests {
    use domain::Usage;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn long_texts_are_not_cut_behind_the_callers_back() {
        let request = Embedding { inputs: vec!["a\"".into(), "b".into()], ..Embedding::default() };
        assert_eq!(encode(&request, "m").unwrap(), r#"{"model":"m","input":["a\"","b"],"truncate":false}"#);
        let shorter = Embedding { dimensions: Some(8), ..request.clone() };
        assert_eq!(
            encode(&shorter, "m").unwrap(),
            r#"{"model":"m","input":["a\"","b"],"dimensions":8,"truncate":false}"#
        );
        let more = Embedding { uncarried: vec!["input_type".into()], ..request };
        assert_eq!(encode(&more, "m").unwrap_err().member(), "input_type");
    }

    #[test]
    fn vectors_come_in_the_order_of_the_texts() {
        let read = read(br#"{"model":"m","embeddings":[[0.5,-1],[1e-3,0]],"prompt_eval_count":7}"#).unwrap();
        assert_eq!(read.vectors, [[0.5, -1.0], [0.001, 0.0]]);
        assert_eq!(read.usage, Some(Usage { input: 7, ..Usage::default() }));
    }

    #[test]
    fn what_is_no_list_of_vectors_is_malformed() {
        for body in [
            r#"{"error":"x"}"#,
            r#"{"embedding":[1]}"#,
            r#"{"embeddings":null}"#,
            r#"{"embeddings":[1]}"#,
            r#"{"embeddings":[["1"]]}"#,
            r#"{"embeddings":[[null]]}"#,
            r#"{"embeddings":[[1e39]]}"#,
            r#"{"embeddings":[[1]]"#,
        ] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
        let many = |n: usize| read(format!(r#"{{"embeddings":[{}]}}"#, vec!["[]"; n].join(",")).as_bytes());
        assert!(many(2048).is_ok());
        assert!(many(2049).is_err());
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body: Vec<u8>) {
            let _ = read(&body);
        }
    }
}
