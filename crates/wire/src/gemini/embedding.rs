//! Embeddings: one request per text in a batch, whose answers come in their order.

use bytes::Bytes;
use domain::Usage;
use serde::{Deserialize, Serialize};

use crate::embedding::{Embedding, Embeddings};
use crate::event::Malformed;
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
    let Answer { embeddings, usage_metadata } =
        serde_json::from_slice(body).map_err(|_| Malformed::new("no embeddings"))?;
    let usage = usage_metadata.and_then(|usage| usage.prompt_token_count);
    Ok(Embeddings {
        vectors: embeddings.into_iter().map(|embedding| embedding.values).collect(),
        usage: usage.map(|input| Usage { input, ..Usage::default() }),
    })
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    embeddings: Vec<Vector>,
    /// Newer models report it, older ones do not.
    usage_metadata: Option<Report>,
}

#[derive(Deserialize)]
struct Vector {
    values: Vec<f32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    prompt_token_count: Option<u64>,
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
        for body in ["{}", r#"{"embeddings":[{}]}"#, r#"{"embeddings":[{"values":["1"]}]}"#, "<html>"] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
    }
}
