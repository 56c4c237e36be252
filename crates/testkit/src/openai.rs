//! Answers in the shape OpenAI gives them: whole completions, stream payloads and errors.
//!
//! Stream functions return the payloads of `data:` lines, `[DONE]` included as the last, so that a test can
//! drop, change or add any of them before it scripts the rest.

use serde_json::{Value, json};

const ID: &str = "chatcmpl-scripted";
const MODEL: &str = "scripted-1";
const CREATED: u64 = 1_735_689_600;

/// The payload that ends a chat stream.
pub const DONE: &str = "[DONE]";

/// A whole chat completion with one choice. Usage: 10 tokens in, 5 out.
#[must_use]
pub fn completion(text: &str) -> Value {
    completion_of(&json!({ "role": "assistant", "content": text, "refusal": null }), "stop")
}

/// A whole chat completion that asks for one tool call, `call_1`. `arguments` is the JSON text of the arguments.
#[must_use]
pub fn tool_call(name: &str, arguments: &str) -> Value {
    let call =
        json!({ "id": "call_1", "type": "function", "function": { "name": name, "arguments": arguments } });
    completion_of(&json!({ "role": "assistant", "content": null, "tool_calls": [call] }), "tool_calls")
}

/// A whole chat completion around a message.
#[must_use]
pub fn completion_of(message: &Value, finish_reason: &str) -> Value {
    json!({
        "id": ID, "object": "chat.completion", "created": CREATED, "model": MODEL,
        "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason }],
        "usage": usage(10, 5),
        "system_fingerprint": "fp_scripted",
    })
}

/// The `usage` member.
#[must_use]
pub fn usage(prompt: u64, completion: u64) -> Value {
    json!({
        "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
        "prompt_tokens_details": { "cached_tokens": 0, "audio_tokens": 0 },
        "completion_tokens_details": { "reasoning_tokens": 0, "audio_tokens": 0 },
    })
}

/// The payloads of a stream: a role, one content delta per text, `finish_reason: stop`, [`DONE`].
#[must_use]
pub fn chunks<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut payloads = vec![chunk(&json!({ "role": "assistant", "content": "" }), None)];
    payloads.extend(texts.into_iter().map(|text| chunk(&json!({ "content": text }), None)));
    payloads.push(chunk(&json!({}), Some("stop")));
    payloads.push(DONE.to_owned());
    payloads
}

/// As [`chunks`], with a usage chunk before the end as `stream_options.include_usage` asks for.
#[must_use]
pub fn chunks_with_usage<'a>(
    texts: impl IntoIterator<Item = &'a str>,
    prompt: u64,
    completion: u64,
) -> Vec<String> {
    let mut payloads = chunks(texts);
    payloads.insert(payloads.len() - 1, usage_chunk(prompt, completion));
    payloads
}

/// The payloads of a stream that asks for one tool call, its arguments in the given fragments.
#[must_use]
pub fn tool_call_chunks<'a>(name: &str, fragments: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let begin = json!({ "role": "assistant", "content": null, "tool_calls": [
        { "index": 0, "id": "call_1", "type": "function", "function": { "name": name, "arguments": "" } }] });
    let mut payloads = vec![chunk(&begin, None)];
    payloads.extend(fragments.into_iter().map(|fragment| {
        chunk(&json!({ "tool_calls": [{ "index": 0, "function": { "arguments": fragment } }] }), None)
    }));
    payloads.push(chunk(&json!({}), Some("tool_calls")));
    payloads.push(DONE.to_owned());
    payloads
}

/// One stream payload with one choice.
#[must_use]
pub fn chunk(delta: &Value, finish_reason: Option<&str>) -> String {
    json!({
        "id": ID, "object": "chat.completion.chunk", "created": CREATED, "model": MODEL,
        "system_fingerprint": "fp_scripted",
        "choices": [{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason }],
    })
    .to_string()
}

/// The stream payload that carries only usage: `choices` is empty.
#[must_use]
pub fn usage_chunk(prompt: u64, completion: u64) -> String {
    json!({
        "id": ID, "object": "chat.completion.chunk", "created": CREATED, "model": MODEL,
        "system_fingerprint": "fp_scripted", "choices": [], "usage": usage(prompt, completion),
    })
    .to_string()
}

/// An error body: `{"error":{…}}`. As a stream payload it is an error event.
#[must_use]
pub fn error(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Value {
    json!({ "error": { "message": message, "type": kind, "param": param, "code": code } })
}

/// A model list.
#[must_use]
pub fn models<'a>(names: impl IntoIterator<Item = &'a str>) -> Value {
    let data: Vec<Value> = names
        .into_iter()
        .map(|name| json!({ "id": name, "object": "model", "created": CREATED, "owned_by": "scripted" }))
        .collect();
    json!({ "object": "list", "data": data })
}
