//! Embeddings in this dialect: a caller's request and a provider's answer, and the other way round.
//!
//! As with chats, one pass checks the whole body and the members that are read, none of which may occur twice, and
//! only the model's name is spliced. Inputs may be texts or, in the numbers of one model's tokenizer, tokens; those
//! mean nothing to another model, so they go where the bytes go and nowhere else.
//!
//! Source: the public API reference and OpenAPI document of the dialect.

mod answer;

use bytes::{Bytes, BytesMut};
use serde::Serialize;

use crate::dialect::Refused;
use crate::dialect::check::{expect, integer, missing, model, refused, twice, wrong_type};
use crate::embedding::{Embedding, MAX_INPUTS};
use crate::json::{Edit, Kind, Scanner, Span, escaped, members, splice, write_json};
use crate::provider::Uncarried;

pub use answer::embeddings;
pub(super) use answer::read;

/// Unknown members that are named: enough to refuse a request by, and no more memory than that.
const MAX_UNCARRIED: usize = 64;

/// The members that are read.
const MEMBERS: [&str; 5] = ["model", "input", "encoding_format", "dimensions", "user"];

/// A checked request for embeddings, in the caller's own bytes.
#[derive(Clone, Debug)]
pub struct EmbeddingRequest {
    body: Bytes,
    facts: Facts,
}

#[derive(Clone, Debug, Default)]
struct Facts {
    model: String,
    /// The model's name without its quotes.
    model_span: Span,
    inputs: usize,
    characters: usize,
    tokens: usize,
    base64: bool,
    dimensions: Option<u32>,
    user: Option<String>,
}

impl EmbeddingRequest {
    /// # Errors
    /// If the body is not valid JSON nested at most 64 levels, or a member that is read is missing, has the wrong
    /// type or occurs twice, or if there are no inputs or more than 2048.
    pub fn parse(body: Bytes) -> Result<Self, Refused> {
        let facts = Facts::read(&body)?;
        Ok(Self { body, facts })
    }

    /// As it came.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    #[must_use]
    pub fn model(&self) -> &str {
        &self.facts.model
    }

    /// How many vectors are asked for: 1 to 2048.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        self.facts.inputs
    }

    /// Characters of all inputs, for an estimate: a token counts as the four that it has on average.
    #[must_use]
    pub const fn characters(&self) -> usize {
        self.facts.characters.saturating_add(self.facts.tokens.saturating_mul(4))
    }

    /// The caller wants its vectors in base64 (little-endian `f32`).
    #[must_use]
    pub const fn base64(&self) -> bool {
        self.facts.base64
    }

    /// The caller's own word for its end user.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.facts.user.as_deref()
    }

    /// The body for a provider that knows the model as `model`.
    #[must_use]
    pub fn for_upstream(&self, model: &str) -> Bytes {
        if model == self.facts.model {
            return self.body.clone();
        }
        let escaped = escaped(model);
        let with = escaped.as_deref().unwrap_or(model.as_bytes());
        splice(&self.body, &mut [Edit { span: self.facts.model_span, with }])
    }

    /// The request in neutral form. How its vectors are spelled, and who its user is, are matters of this dialect.
    ///
    /// # Errors
    /// None that [`EmbeddingRequest::parse`] has not found.
    pub fn to_embedding(&self) -> Result<Embedding, Refused> {
        let mut embedding = Embedding { dimensions: self.facts.dimensions, ..Embedding::default() };
        members(&self.body, |name, span| {
            match &*name.decode() {
                "input" if self.facts.tokens > 0 => embedding.uncarried.push("input".to_owned()),
                "input" => embedding.inputs = texts(span.of(&self.body))?,
                known if MEMBERS.contains(&known) => {}
                _ if span.of(&self.body) == b"null" => {}
                unknown if embedding.uncarried.len() < MAX_UNCARRIED => {
                    embedding.uncarried.push(unknown.to_owned());
                }
                _ => {}
            }
            Ok::<_, Refused>(())
        })?;
        Ok(embedding)
    }
}

impl Facts {
    fn read(body: &[u8]) -> Result<Self, Refused> {
        let mut scanner = Scanner::new(body)?;
        let mut facts = Self::default();
        let mut seen = [false; MEMBERS.len()];
        if scanner.peek()? != Kind::Object {
            return Err(wrong_type(None::<&str>, "an object", scanner.peek()?));
        }
        let mut object = scanner.object()?;
        while let Some(name) = scanner.member(&mut object)? {
            let name = name.decode();
            let Some((_, seen)) = MEMBERS.iter().zip(&mut seen).find(|(member, _)| **member == name) else {
                scanner.skip()?;
                continue;
            };
            if std::mem::replace(seen, true) {
                return Err(twice(format_args!("{name}")));
            }
            if !scanner.null()? {
                facts.member(&name, &mut scanner)?;
            }
        }
        scanner.end()?;
        if facts.model.is_empty() {
            return Err(missing("model"));
        }
        if facts.inputs == 0 {
            return Err(missing("input"));
        }
        Ok(facts)
    }

    fn member(&mut self, name: &str, scanner: &mut Scanner<'_>) -> Result<(), Refused> {
        let param = format_args!("{name}");
        match name {
            "model" => (self.model, self.model_span) = model(scanner)?,
            "input" => self.input(scanner)?,
            "encoding_format" => {
                expect(scanner, &[Kind::String], "a string", param)?;
                let format = scanner.string()?;
                self.base64 = format.is("base64");
                if !self.base64 && !format.is("float") {
                    let message = "`encoding_format` must be one of `float`, `base64`";
                    return Err(refused(name, message, "invalid_value"));
                }
            }
            "dimensions" => {
                self.dimensions = u32::try_from(integer(scanner, param, 1, u32::MAX.into())?).ok();
            }
            _ => {
                expect(scanner, &[Kind::String], "a string", param)?;
                self.user = Some(scanner.string()?.decode().into_owned());
            }
        }
        Ok(())
    }

    /// A text, texts, the tokens of one input, or those of several.
    fn input(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Refused> {
        expect(scanner, &[Kind::String, Kind::Array], "a string or an array", format_args!("input"))?;
        if scanner.peek()? == Kind::String {
            self.characters = scanner.string()?.characters();
            self.inputs = 1;
            return Ok(());
        }
        let mut first = None;
        let mut array = scanner.array()?;
        let mut length = 0;
        while scanner.element(&mut array)? {
            let param = format_args!("input[{length}]");
            match first {
                None => {
                    let kinds = [Kind::String, Kind::Number, Kind::Array];
                    expect(scanner, &kinds, "a string, a number or an array of numbers", param)?;
                    first = Some(scanner.peek()?);
                }
                Some(first) => expect(scanner, &[first], first.a(), param)?,
            }
            match scanner.peek()? {
                Kind::String => self.characters += scanner.string()?.characters(),
                Kind::Array => self.tokens(scanner, length)?,
                _ => self.token(scanner, param)?,
            }
            length += 1;
        }
        if length == 0 {
            return Err(refused("input", "`input` must have at least one element", "invalid_value"));
        }
        self.inputs = if first == Some(Kind::Number) { 1 } else { length };
        if self.inputs > MAX_INPUTS {
            let message = format!("`input` must have at most {MAX_INPUTS} elements");
            return Err(refused("input", &message, "array_above_max_length"));
        }
        Ok(())
    }

    fn tokens(&mut self, scanner: &mut Scanner<'_>, input: usize) -> Result<(), Refused> {
        let mut array = scanner.array()?;
        let mut number = 0;
        while scanner.element(&mut array)? {
            self.token(scanner, format_args!("input[{input}][{number}]"))?;
            number += 1;
        }
        if number == 0 {
            let param = format!("input[{input}]");
            return Err(refused(&param, &format!("`{param}` must have at least one token"), "invalid_value"));
        }
        Ok(())
    }

    fn token(&mut self, scanner: &mut Scanner<'_>, param: std::fmt::Arguments<'_>) -> Result<(), Refused> {
        integer(scanner, param, 0, u32::MAX.into())?;
        self.tokens += 1;
        Ok(())
    }
}

fn texts(input: &[u8]) -> Result<Vec<String>, Refused> {
    let mut scanner = Scanner::new(input)?;
    if scanner.peek()? == Kind::String {
        return Ok(vec![scanner.string()?.decode().into_owned()]);
    }
    let mut texts = Vec::new();
    let mut array = scanner.array()?;
    while scanner.element(&mut array)? {
        texts.push(scanner.string()?.decode().into_owned());
    }
    Ok(texts)
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: &'a [String],
    encoding_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
}

/// A neutral request in this dialect.
pub(super) fn encode(request: &Embedding, model: &str) -> Result<Bytes, Uncarried> {
    if let Some(member) = request.uncarried.first() {
        return Err(Uncarried::new(member.clone()));
    }
    let Embedding { inputs: input, dimensions, .. } = request;
    let mut out = BytesMut::with_capacity(input.iter().map(String::len).sum::<usize>() + 128);
    write_json(&mut out, &Body { model, input, encoding_format: "float", dimensions: *dimensions });
    Ok(out.freeze())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(body: &str) -> Result<EmbeddingRequest, Refused> {
        EmbeddingRequest::parse(Bytes::copy_from_slice(body.as_bytes()))
    }

    #[track_caller]
    fn refusal(body: &str) -> (Option<String>, &'static str) {
        let Refused { param, code, .. } = parse(body).unwrap_err();
        (param, code)
    }

    #[test]
    fn the_facts_of_a_request() {
        let request = parse(
            r#" {"input": ["a\u00e9", "b"], "model":"m", "encoding_format":"base64", "dimensions":256, "user":"u-1"} "#,
        )
        .unwrap();
        assert_eq!((request.model(), request.user(), request.base64()), ("m", Some("u-1"), true));
        assert_eq!((request.inputs(), request.characters()), (2, 3));
        let expected =
            Embedding {
                inputs: vec!["aé".into(), "b".into()], dimensions: Some(256), uncarried: Vec::new()
            };
        assert_eq!(request.to_embedding(), Ok(expected));
    }

    #[test]
    fn what_goes_upstream_differs_by_the_models_name_alone() {
        let body = r#"{ "x":1e0, "model": "\u006d", "input" :"a","encoding_format":"base64","x":null}"#;
        let request = parse(body).unwrap();
        assert_eq!(request.model(), "m");
        assert_eq!(request.for_upstream("m").as_ptr(), request.body().as_ptr());
        assert_eq!(request.for_upstream("a\"b"), body.replace(r"\u006d", "a\\\"b"));
    }

    #[test]
    fn tokens_go_where_the_bytes_go_and_nowhere_else() {
        for (input, inputs, characters) in [("[1,2,3]", 1, 12), ("[[1,2],[3]]", 2, 12), ("[0]", 1, 4)] {
            let request = parse(&format!(r#"{{"model":"m","input":{input}}}"#)).unwrap();
            assert_eq!((request.inputs(), request.characters()), (inputs, characters));
            assert!(request.for_upstream("n").ends_with(format!("{input}}}").as_bytes()));
            let neutral = request.to_embedding().unwrap();
            assert_eq!(encode(&neutral, "m").unwrap_err().member(), "input");
        }
    }

    #[test]
    fn wishes_without_a_neutral_form_are_named() {
        let request = parse(r#"{"input_type":"query","model":"m","input":"a","truncate":null,"user":"u"}"#);
        let neutral = request.unwrap().to_embedding().unwrap();
        assert_eq!(neutral.uncarried, ["input_type"]);
        assert_eq!(encode(&neutral, "m").unwrap_err().member(), "input_type");
    }

    #[test]
    fn null_is_as_good_as_absent() {
        let request =
            parse(r#"{"model":"m","input":"a","encoding_format":null,"dimensions":null,"user":null}"#)
                .unwrap();
        assert_eq!((request.base64(), request.user()), (false, None));
        assert_eq!(request.to_embedding().unwrap().dimensions, None);
        assert_eq!(
            refusal(r#"{"model":null,"input":"a"}"#),
            (Some("model".into()), "missing_required_parameter")
        );
        assert_eq!(
            refusal(r#"{"model":"m","input":null}"#),
            (Some("input".into()), "missing_required_parameter")
        );
    }

    #[test]
    fn a_member_that_is_read_occurs_once() {
        let values = [r#""m""#, r#""a""#, r#""float""#, "1", r#""u""#];
        for (member, value) in MEMBERS.into_iter().zip(values) {
            for first in [value, "null"] {
                let body = format!(r#"{{"{member}":{first},"{member}":{value}}}"#);
                assert_eq!(refusal(&body), (Some(member.into()), "duplicate_parameter"), "{body}");
            }
        }
    }

    #[test]
    fn faults_are_told_with_their_place() {
        let of = |members: &str| refusal(&format!(r#"{{"model":"m",{members}}}"#));
        let at = |param: &str, code| (Some(param.to_owned()), code);
        assert_eq!(of(r#""input":7"#), at("input", "invalid_type"));
        assert_eq!(of(r#""input":[]"#), at("input", "invalid_value"));
        assert_eq!(of(r#""input":[{}]"#), at("input[0]", "invalid_type"));
        assert_eq!(of(r#""input":["a",1]"#), at("input[1]", "invalid_type"));
        assert_eq!(of(r#""input":[1,"a"]"#), at("input[1]", "invalid_type"));
        assert_eq!(of(r#""input":[1.5]"#), at("input[0]", "invalid_type"));
        assert_eq!(of(r#""input":[[1],[]]"#), at("input[1]", "invalid_value"));
        assert_eq!(of(r#""input":[[1,-1]]"#), at("input[0][1]", "integer_below_min_value"));
        assert_eq!(of(r#""input":"a","encoding_format":"hex""#), at("encoding_format", "invalid_value"));
        assert_eq!(of(r#""input":"a","dimensions":0"#), at("dimensions", "integer_below_min_value"));
        assert_eq!(of(r#""input":"a","dimensions":4294967296"#), at("dimensions", "integer_above_max_value"));
        assert_eq!(of(r#""input":"a","user":1"#), at("user", "invalid_type"));
        assert_eq!(refusal("[]"), (None, "invalid_type"));
        assert_eq!(refusal("{"), (None, "invalid_json"));
        assert_eq!(refusal(r#"{"model":"","input":"a"}"#), at("model", "invalid_value"));
    }

    #[test]
    fn inputs_are_at_most_2048_and_tokens_as_many_as_fit() {
        let of = |element: &str, n: usize| {
            parse(&format!(r#"{{"model":"m","input":[{}]}}"#, vec![element; n].join(",")))
        };
        for element in [r#""a""#, "[1]"] {
            assert_eq!(of(element, 2048).unwrap().inputs(), 2048);
            assert_eq!(of(element, 2049).unwrap_err().code, "array_above_max_length");
        }
        assert_eq!(of("1", 8192).unwrap().inputs(), 1);
    }

    #[test]
    fn a_neutral_request_asks_for_plain_numbers() {
        let request = Embedding { inputs: vec!["a\n".into()], ..Embedding::default() };
        assert_eq!(
            encode(&request, "m").unwrap(),
            r#"{"model":"m","input":["a\n"],"encoding_format":"float"}"#
        );
        let shorter = Embedding { dimensions: Some(8), ..request };
        let body = encode(&shorter, "m").unwrap();
        assert_eq!(EmbeddingRequest::parse(body).unwrap().to_embedding(), Ok(shorter));
    }

    proptest! {
        #[test]
        fn any_texts_survive_parsing(texts in prop::collection::vec(any::<String>(), 1..8)) {
            let body = serde_json::json!({"model": "m", "input": texts}).to_string();
            let request = parse(&body).unwrap();
            prop_assert_eq!(request.characters(), texts.iter().map(|text| text.chars().count()).sum::<usize>());
            prop_assert_eq!(request.to_embedding().unwrap().inputs, texts);
        }

        #[test]
        fn no_body_makes_it_panic(body: Vec<u8>) {
            let _ = EmbeddingRequest::parse(Bytes::from(body));
        }
    }
}
