//! Embeddings: texts as unit vectors that are near each other where they share words.
//!
//! By feature hashing (Weinberger, Dasgupta, Langford, Smola, Attenberg: "Feature Hashing for Large Scale Multitask
//! Learning", 2009): a text is a bag of features, and each of them adds its weight to dimensions, with signs, that
//! its hash chooses. The features are the stems of the words, telling words weighing more than the others, and the
//! groups of three letters in them, which bring typos, compounds and languages without spaces together. Nothing is
//! understood: synonyms are strangers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::dice::Fingerprint;
use super::fault::{Unreachable, befall};
use super::json::Json;
use super::mood::Conduct;
use super::request::{Invalid, missing, model, object, whole, wrong_type, wrong_value};
use super::script::Script;
use super::shape::Error;
use super::words::{is_filler, stem, words};
use super::{Settings, tokens};

/// Length of a vector where the request does not say, and the greatest one that OpenAI offers.
const USUAL_DIMENSIONS: usize = 256;
const MOST_DIMENSIONS: u64 = 3072;
/// Texts in one request, as OpenAI takes them.
const MOST_INPUTS: usize = 2048;
/// Numbers in one answer: at about 12 bytes each as much as a provider's answer may hold.
const MOST_NUMBERS: usize = MOST_INPUTS * USUAL_DIMENSIONS;
/// Dimensions per feature: two features that share one of them by accident still differ in the others.
const SPREAD: usize = 4;
/// What a word adds that says little about the topic, and what three letters of a word add beside it.
const FILLER: f32 = 0.2;
const LETTERS: f32 = 0.5;

/// The answer to the body of a `POST /v1/embeddings`; `nonce` as in [`answer`](super::answer).
///
/// # Errors
/// If the attempt is to fail before it reaches anybody.
pub(crate) fn embeddings(
    settings: &Settings,
    nonce: u64,
    request_body: &[u8],
) -> Result<Script, Unreachable> {
    let request = match Request::read(request_body) {
        Ok(request) => request,
        Err(invalid) => return Ok(Script::error(400, &Error::from(&invalid))),
    };
    let conduct = Conduct::of(settings, &request.model, nonce);
    befall(conduct.fault, || {
        let seed = Fingerprint::new(settings.seed);
        Script::json(&request.answer(seed), conduct.pace(settings).latency)
    })
}

struct Request {
    model: String,
    inputs: Vec<Input>,
    dimensions: usize,
    base64: bool,
}

enum Input {
    Text(String),
    /// A text that the caller took apart.
    Tokens(Vec<u64>),
}

impl Request {
    fn read(body: &[u8]) -> Result<Self, Invalid> {
        let body = object(body)?;
        let model = model(&body)?;
        let inputs = inputs(body.get("input").ok_or_else(|| missing("input"))?)?;
        let dimensions = whole(&body, "dimensions", 1, MOST_DIMENSIONS)?;
        let dimensions = dimensions.and_then(|n| usize::try_from(n).ok()).unwrap_or(USUAL_DIMENSIONS);
        if inputs.len().saturating_mul(dimensions) > MOST_NUMBERS {
            let most = MOST_NUMBERS / dimensions;
            return Err(wrong_value("input", &format!("at most {most} texts of {dimensions} dimensions")));
        }
        let base64 = match body.get("encoding_format").map(Json::as_str) {
            None | Some(Some("float")) => false,
            Some(Some("base64")) => true,
            Some(_) => return Err(wrong_value("encoding_format", "'float' or 'base64'")),
        };
        Ok(Self { model, inputs, dimensions, base64 })
    }

    fn answer(&self, seed: Fingerprint) -> Answer<'_> {
        let used = self.inputs.iter().map(Input::tokens).sum();
        let data = self.inputs.iter().enumerate().map(|(index, input)| {
            let numbers = input.vector(self.dimensions, seed);
            let embedding = if self.base64 { Vector::packed(&numbers) } else { Vector::Numbers(numbers) };
            Embedding { object: "embedding", index, embedding }
        });
        Answer {
            object: "list",
            data: data.collect(),
            model: &self.model,
            usage: Usage { prompt_tokens: used, total_tokens: used },
        }
    }
}

/// A text, tokens, or a list of either.
fn inputs(json: &Json) -> Result<Vec<Input>, Invalid> {
    let fault =
        || wrong_type("input", "a string, an array of tokens, or an array of strings or of such arrays");
    let tokens = |list: &[Json]| list.iter().map(Json::as_u64).collect::<Option<Vec<u64>>>();
    let inputs = match json {
        Json::Text(text) => vec![Input::Text(text.clone())],
        Json::List(list) if matches!(list.first(), Some(Json::Number(_))) => {
            vec![Input::Tokens(tokens(list).ok_or_else(fault)?)]
        }
        Json::List(list) => {
            let each = list.iter().map(|item| match item {
                Json::Text(text) => Some(Input::Text(text.clone())),
                Json::List(list) => tokens(list).map(Input::Tokens),
                _ => None,
            });
            each.collect::<Option<_>>().ok_or_else(fault)?
        }
        _ => return Err(fault()),
    };
    if inputs.is_empty() || inputs.iter().any(Input::is_empty) {
        return Err(wrong_value("input", "texts that are not empty"));
    }
    if inputs.len() > MOST_INPUTS {
        return Err(wrong_value("input", &format!("at most {MOST_INPUTS} texts")));
    }
    Ok(inputs)
}

impl Input {
    const fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Tokens(tokens) => tokens.is_empty(),
        }
    }

    fn tokens(&self) -> u64 {
        match self {
            Self::Text(text) => tokens::of_text(text.len()),
            Self::Tokens(tokens) => tokens.len() as u64,
        }
    }

    /// A vector of length 1.
    fn vector(&self, dimensions: usize, seed: Fingerprint) -> Vec<f32> {
        let mut bag = Bag { sums: vec![0.0; dimensions] };
        match self {
            Self::Text(text) => bag.add_text(text, seed),
            Self::Tokens(tokens) => tokens.iter().for_each(|token| bag.add(seed.number(*token), 1.0)),
        }
        bag.into_unit()
    }
}

struct Bag {
    sums: Vec<f32>,
}

impl Bag {
    fn add_text(&mut self, text: &str, seed: Fingerprint) {
        let (of_word, of_letters) = (seed.text("word"), seed.text("letters"));
        let mut any = false;
        for word in words(text) {
            any = true;
            let weight = if is_filler(word) { FILLER } else { 1.0 };
            let stem = stem(word);
            self.add(of_word.text(&stem), weight);
            let letters: Vec<char> = stem.chars().collect();
            for three in letters.windows(3) {
                self.add(of_letters.text(&three.iter().collect::<String>()), weight * LETTERS);
            }
        }
        if !any {
            self.add(of_word.text(text), 1.0);
        }
    }

    fn add(&mut self, feature: Fingerprint, weight: f32) {
        let mut dice = feature.dice();
        for _ in 0..SPREAD {
            let sign = if dice.below(2) == 0 { weight } else { -weight };
            let at = dice.below(self.sums.len());
            if let Some(sum) = self.sums.get_mut(at) {
                *sum += sign;
            }
        }
    }

    fn into_unit(mut self) -> Vec<f32> {
        let length = self.sums.iter().map(|sum| sum * sum).sum::<f32>().sqrt();
        if length > 0.0 {
            self.sums.iter_mut().for_each(|sum| *sum /= length);
        } else if let Some(first) = self.sums.first_mut() {
            // In few dimensions features can cancel each other out.
            *first = 1.0;
        }
        self.sums
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    object: &'static str,
    data: Vec<Embedding>,
    model: &'a str,
    usage: Usage,
}

#[derive(Serialize)]
struct Embedding {
    object: &'static str,
    index: usize,
    embedding: Vector,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector {
    Numbers(Vec<f32>),
    Packed(String),
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: u64,
    total_tokens: u64,
}

impl Vector {
    /// In base64, each number as four bytes, the lowest first.
    fn packed(numbers: &[f32]) -> Self {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Self::Packed(STANDARD.encode(bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::provider::simulated::{Faults, Mood};

    fn settings() -> Settings {
        Settings {
            latency: Duration::from_millis(300),
            tokens_per_second: 60.0,
            length: 20..=60,
            seed: 0,
            mood: Mood::Friendly,
            faults: Faults::default(),
        }
    }

    fn post(body: &Value) -> (u16, Value) {
        let mut script = embeddings(&settings(), 0, body.to_string().as_bytes()).expect("a connection");
        let (_, bytes) = script.next().expect("a body");
        assert!(script.next().is_none(), "one body only");
        (script.status, serde_json::from_slice(&bytes).expect("JSON"))
    }

    fn numbers(json: &Value) -> Vec<f32> {
        serde_json::from_value(json.clone()).expect("numbers")
    }

    fn embedded(text: &str) -> Vec<f32> {
        numbers(&post(&json!({"model": "m", "input": text})).1["data"][0]["embedding"])
    }

    fn dot(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn an_answer_has_the_shape_of_openai() {
        let body = json!({"model": "small", "input": "tides", "dimensions": 2});
        let mut script = embeddings(&settings(), 0, body.to_string().as_bytes()).expect("a connection");
        assert_eq!(script.first_after, Duration::from_millis(300));
        let (_, bytes) = script.next().expect("a body");
        let vector = numbers(&serde_json::from_slice::<Value>(&bytes).expect("JSON")["data"][0]["embedding"]);
        let written = serde_json::to_string(&vector).expect("JSON");
        let expected = concat!(
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":VECTOR}],"#,
            r#""model":"small","usage":{"prompt_tokens":2,"total_tokens":2}}"#,
        );
        assert_eq!(String::from_utf8_lossy(&bytes), expected.replace("VECTOR", &written));
    }

    #[test]
    fn a_paraphrase_is_nearer_than_another_subject() {
        let cases = [
            (
                "How do I reset my password?",
                "I forgot my password and need it reset, please",
                "What is the weather in Oslo?",
            ),
            ("Where is my parcel?", "My parcels have not arrived", "How do I bake bread?"),
            ("Refunds for broken lamps", "the lamp broke, refund it", "opening hours of the shop"),
            ("Passwort zurücksetzen", "Das Zurücksetzen des Passworts", "Öffnungszeiten am Sonntag"),
            ("パスワードをリセットしたい", "パスワードのリセット方法", "今日の天気は晴れです"),
            ("accomodation in Lisbon", "Accommodation near Lisbon", "train tickets to Porto"),
        ];
        for (text, paraphrase, other) in cases {
            let [text, paraphrase, other] = [text, paraphrase, other].map(embedded);
            let (near, far) = (dot(&text, &paraphrase), dot(&text, &other));
            assert!(near > far + 0.2, "{near} {far}");
        }
    }

    #[test]
    fn vectors_have_length_1_whatever_the_text_and_the_dimensions() {
        for text in ["tides", "a", "!!!", " ", "one two three four five six seven", "日本語"] {
            for dimensions in [1, 2, 3, 256, 3072] {
                let body = json!({"model": "m", "input": text, "dimensions": dimensions});
                let vector = numbers(&post(&body).1["data"][0]["embedding"]);
                assert_eq!(vector.len(), dimensions);
                assert!((dot(&vector, &vector) - 1.0).abs() < 1e-5, "{text:?} {dimensions}");
            }
        }
        assert_eq!(embedded("tides").len(), 256);
    }

    #[test]
    fn the_same_text_has_the_same_vector_wherever_it_stands() {
        let (_, many) = post(&json!({"model": "m", "input": ["high tide", "low tide", "high tide"]}));
        let vectors: Vec<Vec<f32>> = (0..3).map(|at| numbers(&many["data"][at]["embedding"])).collect();
        assert_eq!(vectors[0], vectors[2]);
        assert_ne!(vectors[0], vectors[1]);
        assert_eq!(vectors[0], embedded("high tide"));
        assert_eq!(many["data"][2]["index"], 2);
        assert_eq!(many["usage"]["prompt_tokens"], 3 + 2 + 3);
    }

    #[test]
    fn base64_holds_the_same_numbers() {
        let (_, body) = post(&json!({"model": "m", "input": "tides", "encoding_format": "base64"}));
        let packed = body["data"][0]["embedding"].as_str().expect("a text");
        let bytes = STANDARD.decode(packed).expect("base64");
        let unpacked: Vec<f32> =
            bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().expect("four"))).collect();
        assert_eq!(unpacked, embedded("tides"));
    }

    #[test]
    fn tokens_are_taken_for_texts() {
        let (_, one) = post(&json!({"model": "m", "input": [11, 22, 33]}));
        let (_, two) = post(&json!({"model": "m", "input": [[11, 22, 33], [44]]}));
        assert_eq!(one["data"][0], two["data"][0]);
        assert_eq!((&one["usage"]["total_tokens"], &two["usage"]["total_tokens"]), (&json!(3), &json!(4)));
    }

    #[test]
    fn a_bad_request_gets_the_error_of_openai() {
        let cases = [
            (json!({"input": "x"}), "model"),
            (json!({"model": "m"}), "input"),
            (json!({"model": "m", "input": ""}), "input"),
            (json!({"model": "m", "input": []}), "input"),
            (json!({"model": "m", "input": ["x", ""]}), "input"),
            (json!({"model": "m", "input": ["x", 1]}), "input"),
            (json!({"model": "m", "input": [1, "x"]}), "input"),
            (json!({"model": "m", "input": [[]]}), "input"),
            (json!({"model": "m", "input": {"text": "x"}}), "input"),
            (json!({"model": "m", "input": vec!["x"; 2049]}), "input"),
            (json!({"model": "m", "input": vec!["x"; 171], "dimensions": 3072}), "input"),
            (json!({"model": "m", "input": "x", "dimensions": 0}), "dimensions"),
            (json!({"model": "m", "input": "x", "dimensions": 3073}), "dimensions"),
            (json!({"model": "m", "input": "x", "encoding_format": "hex"}), "encoding_format"),
        ];
        for (body, param) in cases {
            let (status, told) = post(&body);
            assert_eq!((status, &told["error"]["param"]), (400, &json!(param)), "{body}");
            assert_eq!(told["error"]["type"], "invalid_request_error");
        }
    }

    #[test]
    fn the_largest_answer_is_below_8_mib() {
        let body = json!({"model": "m", "input": vec!["one two three four five ".repeat(40); 2048]});
        let mut script = embeddings(&settings(), 0, body.to_string().as_bytes()).expect("a connection");
        let (_, bytes) = script.next().expect("a body");
        assert!(bytes.len() < 8 * 1024 * 1024, "{}", bytes.len());
    }
}
