//! Embeddings: one request per text in a batch, whose answers come in their order.

use bytes::Bytes;
use domain::Usage;
use serde::Serialize;

use crate::embedding::{Embedding, Embeddings, MAX_INPUTS, read_vector};
use crate::event::Malformed;
use crate::json::{Fault, FaultKind, Scanner};
use crate::openai::count;
use crate::provider::Uncarried;

/// `model` is the full name, `models/x`: each request of the batch has to repeat it.
pub(super) fn encode(request: &Embedding, model: &str) -> Result<Bytes, Uncarried> {
    if let Some(member) = request.uncarried.first() {
        return Err(Uncarried::new(member.clone()));
    }
    let one = |text| Request {
        model,
        content: Content { parts: [Part { text }] },
        output_dimensionality: request.dimensions,
    };
    Ok(super::written(&Batch { requests: request.inputs.iter().map(String::as_str).map(one).collect() }))
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
                    read.push(values(&mut scanner)?);
                }
            }
            // Newer models report it, older ones do not.
            "usageMetadata" if !scanner.null()? => prompt = prompt_tokens(&mut scanner)?,
            "usageMetadata" => {}
            _ => drop(scanner.skip()?),
        }
    }
    scanner.end()?;
    let vectors = vectors.ok_or(Malformed::new("an answer without embeddings"))?;
    Ok(Embeddings { vectors, usage: prompt.map(|input| Usage { input, ..Usage::default() }) })
}

/// The vector in `{"values":[…]}`.
fn values(scanner: &mut Scanner<'_>) -> Result<Vec<f32>, Fault> {
    let mut values = None;
    let mut object = scanner.object()?;
    while let Some(name) = scanner.member(&mut object)? {
        if name.is("values") {
            values = Some(read_vector(scanner)?);
        } else {
            scanner.skip()?;
        }
    }
    values.ok_or_else(|| scanner.fault(FaultKind::Kind("an embedding with values")))
}

fn prompt_tokens(scanner: &mut Scanner<'_>) -> Result<Option<u64>, Fault> {
    let mut tokens = None;
    let mut object = scanner.object()?;
    while let Some(name) = scanner.member(&mut object)? {
        if name.is("promptTokenCount") {
            tokens = count(scanner)?;
        } else {
            scanner.skip()?;
        }
    }
    Ok(tokens)
}

#[derive(Serialize)]
struct Batch<'a> {
    requests: Vec<Request<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    model: &'a str,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u32>,
}

#[derive(Serialize)]
struct Content<'a> {
    parts: [Part<'a>; 1],
}

#[derive(Serialize)]
struct Part<'a> {
    text: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_a_request_of_its_own() {
        let request = Embedding {
            inputs: vec!["a \"b\"".into(), "c".into()],
            dimensions: Some(256),
            uncarried: Vec::new(),
        };
        let body: serde_json::Value =
            serde_json::from_slice(&encode(&request, "models/gemini-embedding-001").unwrap()).unwrap();
        let one = |text| {
            serde_json::json!({
                "model": "models/gemini-embedding-001",
                "content": {"parts": [{"text": text}]},
                "outputDimensionality": 256,
            })
        };
        assert_eq!(body, serde_json::json!({"requests": [one("a \"b\""), one("c")]}));
        let wish = Embedding { uncarried: vec!["encoding".into()], ..request };
        assert_eq!(encode(&wish, "models/x").unwrap_err().member(), "encoding");
    }

    #[test]
    fn vectors_keep_their_order_and_usage_is_told_where_it_is_known() {
        let read_ok = |body: &str| read(body.as_bytes()).unwrap();
        let embeddings = read_ok(r#"{"embeddings":[{"values":[0.5,-1]},{"values":[2e-1]}]}"#);
        assert_eq!(embeddings, Embeddings { vectors: vec![vec![0.5, -1.0], vec![0.2]], usage: None });
        let usage = read_ok(r#"{"embeddings":[],"usageMetadata":{"promptTokenCount":7}}"#).usage;
        assert_eq!(usage, Some(Usage { input: 7, ..Usage::default() }));
        assert_eq!(read_ok(r#"{"embeddings":[],"usageMetadata":null}"#).usage, None);
        for body in ["{}", r#"{"embeddings":[{}]}"#, r#"{"embeddings":[{"values":["1"]}]}"#, "<html>"] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_number_beyond_the_range_of_a_vector_is_none() {
        for number in ["1e39", "-1e39", "1e999", "null"] {
            let body = format!(r#"{{"embeddings":[{{"values":[1,{number}]}}]}}"#);
            assert!(read(body.as_bytes()).is_err(), "{number}");
        }
    }

    #[test]
    fn there_are_no_more_vectors_than_a_request_can_ask_for() {
        let many = |count| format!(r#"{{"embeddings":[{}]}}"#, [r#"{"values":[1]}"#].repeat(count).join(","));
        assert_eq!(read(many(MAX_INPUTS).as_bytes()).unwrap().vectors.len(), MAX_INPUTS);
        assert!(read(many(MAX_INPUTS + 1).as_bytes()).is_err());
    }
}
