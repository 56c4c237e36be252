//! What we say ourselves in this dialect: an agent's own text, its usage, and errors.

use bytes::{Bytes, BytesMut};
use domain::{FinishReason, Usage};
use serde::Serialize;

use crate::dialect::Head;
use crate::error::ErrorBody;
use crate::json::{write_display, write_json, write_str};

/// The terminator of a stream.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// Writes the chunks of one answer. Each call appends one whole event.
#[derive(Clone, Debug)]
pub struct ChunkWriter {
    /// An event up to the content of `choices`.
    prefix: Bytes,
}

impl ChunkWriter {
    #[must_use]
    pub fn new(head: &Head<'_>) -> Self {
        let mut prefix = BytesMut::with_capacity(160);
        prefix.extend_from_slice(b"data: ");
        write_head(&mut prefix, head, "chat.completion.chunk");
        prefix.extend_from_slice(b",\"choices\":[");
        Self { prefix: prefix.freeze() }
    }

    /// The first chunk of a choice.
    pub fn role(&self, out: &mut BytesMut, choice: u32) {
        self.open(out, choice);
        out.extend_from_slice(
            b"{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n",
        );
    }

    pub fn text(&self, out: &mut BytesMut, choice: u32, text: &str) {
        self.open(out, choice);
        out.extend_from_slice(b"{\"content\":");
        write_str(out, text);
        out.extend_from_slice(b"},\"logprobs\":null,\"finish_reason\":null}]}\n\n");
    }

    /// The last chunk of a choice.
    pub fn finish(&self, out: &mut BytesMut, choice: u32, reason: FinishReason) {
        self.open(out, choice);
        out.extend_from_slice(b"{},\"logprobs\":null,\"finish_reason\":");
        write_str(out, finish_word(reason));
        out.extend_from_slice(b"}]}\n\n");
    }

    /// The chunk after the last choice, for callers who asked for it.
    pub fn usage(&self, out: &mut BytesMut, usage: &Usage) {
        out.extend_from_slice(&self.prefix);
        out.extend_from_slice(b"],\"usage\":");
        write_json(out, &Report::from(usage));
        out.extend_from_slice(b"}\n\n");
    }

    /// An event up to the value of its only choice's `delta`.
    fn open(&self, out: &mut BytesMut, choice: u32) {
        out.extend_from_slice(&self.prefix);
        out.extend_from_slice(b"{\"index\":");
        write_display(out, choice);
        out.extend_from_slice(b",\"delta\":");
    }
}

/// A unary answer of one choice.
#[must_use]
pub fn completion(head: &Head<'_>, text: &str, finish: FinishReason, usage: &Usage) -> Bytes {
    let mut out = BytesMut::with_capacity(text.len() + 512);
    write_head(&mut out, head, "chat.completion");
    out.extend_from_slice(b",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
    write_str(&mut out, text);
    out.extend_from_slice(b",\"refusal\":null},\"logprobs\":null,\"finish_reason\":");
    write_str(&mut out, finish_word(finish));
    out.extend_from_slice(b"}],\"usage\":");
    write_json(&mut out, &Report::from(usage));
    out.extend_from_slice(b"}");
    out.freeze()
}

/// Appends an error answer's body. Every key is present.
pub fn write_error(out: &mut BytesMut, error: &ErrorBody<'_>) {
    write_json(out, &Failure { error: Told::new(error, None) });
}

/// Appends an error as the last event of a stream: unnamed, since clients of the dialect look at payloads only.
pub fn write_error_event(out: &mut BytesMut, error: &ErrorBody<'_>) {
    out.extend_from_slice(b"data: ");
    write_json(out, &Failure { error: Told::new(error, Some((error.retryable, error.partial))) });
    out.extend_from_slice(b"\n\n");
}

/// The dialect's word; it has none for [`FinishReason::Other`].
pub(super) const fn finish_word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Other => "stop",
        known => known.as_str(),
    }
}

/// An unclosed object that begins an answer.
fn write_head(out: &mut BytesMut, head: &Head<'_>, object: &str) {
    out.extend_from_slice(b"{\"id\":");
    write_str(out, head.id);
    out.extend_from_slice(b",\"object\":");
    write_str(out, object);
    out.extend_from_slice(b",\"created\":");
    write_display(out, head.created);
    out.extend_from_slice(b",\"model\":");
    write_str(out, head.model);
}

#[derive(Serialize)]
struct Report {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: InputDetails,
    completion_tokens_details: OutputDetails,
}

#[derive(Serialize)]
struct InputDetails {
    cached_tokens: u64,
}

#[derive(Serialize)]
struct OutputDetails {
    reasoning_tokens: u64,
    audio_tokens: u64,
}

impl From<&Usage> for Report {
    fn from(usage: &Usage) -> Self {
        Self {
            prompt_tokens: usage.total_input(),
            completion_tokens: usage.total_output(),
            total_tokens: usage.total(),
            prompt_tokens_details: InputDetails { cached_tokens: usage.cached_input },
            completion_tokens_details: OutputDetails {
                reasoning_tokens: usage.reasoning,
                audio_tokens: usage.audio,
            },
        }
    }
}

#[derive(Serialize)]
struct Failure<'a> {
    error: Told<'a>,
}

#[derive(Serialize)]
struct Told<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    param: Option<&'a str>,
    code: Option<&'a str>,
    request_id: Shown<domain::RequestId>,
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retryable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partial: Option<bool>,
}

impl<'a> Told<'a> {
    fn new(error: &ErrorBody<'a>, streamed: Option<(bool, bool)>) -> Self {
        let ErrorBody { message, kind, param, code, request_id, hint, .. } = *error;
        let (retryable, partial) = streamed.unzip();
        Self { message, kind, param, code, request_id: Shown(request_id), hint, retryable, partial }
    }
}

struct Shown<T>(T);

impl<T: std::fmt::Display> Serialize for Shown<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use domain::{IdSource, SystemClock, TimeOrderedIds};

    use super::*;
    use crate::openai::{StreamReader, read_answer};
    use crate::sse::Parser;

    const HEAD: Head<'_> = Head { id: "chatcmpl-1", created: 1_700_000_000, model: "sup\"port" };

    #[test]
    fn a_written_stream_reads_back_as_what_was_meant() {
        let usage = Usage { input: 7, cached_input: 3, output: 2, reasoning: 1, ..Usage::default() };
        let writer = ChunkWriter::new(&HEAD);
        let mut out = BytesMut::new();
        writer.role(&mut out, 0);
        writer.text(&mut out, 0, "line\n\u{1}\"q\"");
        writer.finish(&mut out, 0, FinishReason::Length);
        writer.usage(&mut out, &usage);
        out.extend_from_slice(DONE);

        let mut parser = Parser::default();
        parser.push(out.freeze());
        let mut reader = StreamReader::default();
        let (mut text, mut finish, mut told, mut commits) = (String::new(), None, None, Vec::new());
        while let Some(frame) = parser.next().unwrap() {
            assert!(frame.canonical);
            let event = reader.read(&frame).unwrap().unwrap();
            commits.push(event.commits());
            for choice in &event.choices {
                choice.text.append_to(&mut text);
                finish = finish.or(choice.finish);
            }
            told = told.or(event.usage);
        }
        assert!(reader.end().is_ok() && parser.finish().is_ok());
        assert_eq!(text, "line\n\u{1}\"q\"");
        assert_eq!((finish, told), (Some(FinishReason::Length), Some(usage)));
        assert_eq!(commits, [false, true, false, false, false]);
    }

    #[test]
    fn a_written_answer_reads_back_as_what_was_meant() {
        let usage = Usage { input: 7, output: 2, ..Usage::default() };
        let body = completion(&HEAD, "hello", FinishReason::Other, &usage);
        let answer = read_answer(&body).unwrap();
        assert_eq!(answer.choices[0].text.decode(), "hello");
        assert_eq!((answer.choices[0].finish, answer.usage), (Some(FinishReason::Stop), Some(usage)));
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&json["object"], &json["model"]), (&"chat.completion".into(), &"sup\"port".into()));
    }

    #[test]
    fn error_bodies_have_every_key_and_streamed_ones_two_more() {
        let request_id = TimeOrderedIds::new(SystemClock::default()).request();
        let error = ErrorBody {
            message: "slow \"down\"",
            kind: "rate_limit_exceeded",
            param: None,
            code: None,
            request_id,
            hint: None,
            retryable: true,
            partial: false,
        };
        let mut out = BytesMut::new();
        write_error(&mut out, &error);
        let body = format!(
            r#"{{"error":{{"message":"slow \"down\"","type":"rate_limit_exceeded","param":null,"code":null,"request_id":"{request_id}","hint":null"#
        );
        assert_eq!(out, format!("{body}}}}}"));
        out.clear();
        write_error_event(&mut out, &error);
        assert_eq!(out, format!("data: {body},\"retryable\":true,\"partial\":false}}}}\n\n"));
    }
}

/// Appends the chunk with the usage of an answer.
pub fn write_usage_chunk(out: &mut BytesMut, head: &Head<'_>, usage: &Usage) {
    ChunkWriter::new(head).usage(out, usage);
}
