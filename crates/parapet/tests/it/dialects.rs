//! Several dialects on one path: what has a counterpart is translated, what has none is refused by name, and every
//! guarantee of a stream holds in all of them.

use serde_json::{Value, json};
use testkit::http::{Event, Request, Response};
use testkit::openai;
use testkit::process::Server;
use testkit::upstream::{Answer, Upstream};

use crate::support::{access, chat, ended_well, plan, post, status, streamed};

/// A server with one provider of each dialect, all on one scripted upstream.
async fn started() -> (Server, Upstream) {
    let upstream = Upstream::start().await;
    let address = upstream.address();
    let timeouts = "timeouts: { connect: 1s, first_event: 2s, between_events: 2s, unary: 2s }";
    let config = format!(
        r#"
version: 1
providers:
  chat: {{ kind: openai-compatible, base_url: "http://{address}/v1", api_key: {{ env: KEY_ONE }}, {timeouts} }}
  claude: {{ kind: anthropic, base_url: "http://{address}", api_key: {{ env: KEY_ONE }}, {timeouts} }}
  google: {{ kind: gemini, base_url: "http://{address}", api_key: {{ env: KEY_ONE }}, {timeouts} }}
  azure: {{ base_url: "http://{address}", api_key: {{ env: KEY_ONE }}, api_version: "2024-10-21", {timeouts} }}
  llama: {{ kind: ollama, base_url: "http://{address}", {timeouts} }}
models:
  either: {{ targets: [claude/sonnet, chat/gpt] }}
agents:
  support:
    models: [claude/sonnet]
    prompt: You are a friendly support agent for Acme.
    max_answer_chars: 10
"#
    );
    (plan(config).start().await, upstream)
}

fn message(model: &str, text: &str) -> Value {
    json!({ "model": model, "max_tokens": 100, "messages": [{ "role": "user", "content": text }] })
}

/// A message as Anthropic answers.
fn claude(text: &str) -> Value {
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "sonnet",
        "content": [{ "type": "text", "text": text }], "stop_reason": "end_turn", "stop_sequence": null,
        "usage": { "input_tokens": 3, "output_tokens": 2, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 0 }
    })
}

/// The same as a stream.
fn claude_stream(texts: &[&str]) -> Vec<String> {
    let event = |value: Value| format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap());
    let mut start = claude("");
    start["content"] = json!([]);
    start["stop_reason"] = Value::Null;
    let mut events = vec![
        event(json!({ "type": "message_start", "message": start })),
        event(
            json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
        ),
        event(json!({ "type": "ping" })),
    ];
    for text in texts {
        let delta = json!({ "type": "text_delta", "text": text });
        events.push(event(json!({ "type": "content_block_delta", "index": 0, "delta": delta })));
    }
    events.push(event(json!({ "type": "content_block_stop", "index": 0 })));
    events.push(event(json!({
        "type": "message_delta", "delta": { "stop_reason": "end_turn", "stop_sequence": null },
        "usage": { "output_tokens": 2 }
    })));
    events.push(event(json!({ "type": "message_stop" })));
    events
}

async fn events(server: &Server, path: &str, body: &Value) -> (u16, std::io::Result<Vec<Event>>) {
    let (head, mut connection) = Request::post(path).json(body).open(server.public()).await;
    (status(&head), connection.events().await)
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().filter_map(|event| event.name.as_deref()).collect()
}

fn error_type(response: &Response) -> (u16, String) {
    (response.status, response.json()["error"]["type"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_message_to_a_provider_of_its_dialect_keeps_its_bytes_both_ways() {
    let (server, upstream) = started().await;
    let answer = r#"{ "id":"msg_1","type":"message","role":"assistant","model":"sonnet", "content":[{"type":"text","text":"Hi \u00e9"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":2},"new_member":[1.50] }"#;
    upstream.expect(Answer::status(200).header("content-type", "application/json").body(answer));
    let asked = r#"{"model":"claude/sonnet", "max_tokens":100,"wishes":{"a":1.0},"messages":[{"role":"user","content":"hi"}]}"#;
    let response = Request::post("/v1/messages")
        .header("content-type", "application/json")
        .header("anthropic-beta", "new-thing-2026")
        .body(asked)
        .send(server.public())
        .await;
    assert_eq!((response.status, response.text().as_str()), (200, answer));
    assert_eq!(response.header("x-parapet-model"), Some("claude/sonnet"));
    let call = upstream.call(0).await;
    assert_eq!(call.body, asked.replace("claude/sonnet", "sonnet"));
    assert_eq!(call.head.header("x-api-key"), Some("sk-upstream-one"));
    assert_eq!(call.head.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(call.head.header("anthropic-beta"), Some("new-thing-2026"));
    assert!(call.head.header("authorization").is_none());
    assert!(call.head.first_line().starts_with("POST /v1/messages "));
    ended_well(server).await;
}

#[tokio::test]
async fn a_message_stream_passes_as_it_came() {
    let (server, upstream) = started().await;
    let stream = claude_stream(&["Good ", "day"]);
    upstream.expect(Answer::stream(stream.clone()));
    let (head, mut connection) = Request::post("/v1/messages")
        .json(&streamed(message("claude/sonnet", "hi")))
        .open(server.public())
        .await;
    assert_eq!(status(&head), 200);
    let events = connection.events().await.unwrap();
    let wanted: Vec<String> =
        stream.iter().map(|event| event.lines().nth(1).unwrap().replacen("data: ", "", 1)).collect();
    assert_eq!(events.iter().filter_map(|event| event.data.clone()).collect::<Vec<_>>(), wanted);
    let lines = ended_well(server).await;
    let line = access(&lines)[0].clone();
    assert_eq!((&line["input_tokens"], &line["output_tokens"]), (&json!(7), &json!(2)));
}

#[tokio::test]
async fn a_chat_request_is_answered_by_anthropic_in_the_chat_dialect() {
    let (server, upstream) = started().await;
    upstream.expect(Answer::json(&claude("Hello!")));
    let response = post(&server, "/v1/chat/completions", &chat("claude/sonnet", "hi")).await;
    let answer = response.json();
    assert_eq!(response.status, 200, "{answer}");
    assert_eq!(answer["choices"][0]["message"]["content"], "Hello!");
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["usage"]["prompt_tokens"], 7);
    assert_eq!(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 4);
    let sent = upstream.call(0).await.json();
    assert_eq!(sent["messages"][0]["role"], "user");
    assert!(sent["max_tokens"].is_u64(), "{sent}");
    ended_well(server).await;
}

#[tokio::test]
async fn a_message_is_answered_by_a_chat_provider_in_the_messages_dialect() {
    let (server, upstream) = started().await;
    upstream.expect(Answer::json(&openai::completion("Hello!")));
    let response = post(&server, "/v1/messages", &message("chat/gpt", "hi")).await;
    let answer = response.json();
    assert_eq!(response.status, 200, "{answer}");
    assert_eq!((&answer["type"], &answer["role"]), (&json!("message"), &json!("assistant")));
    assert_eq!(answer["content"], json!([{ "type": "text", "text": "Hello!" }]));
    assert_eq!(answer["stop_reason"], "end_turn");
    upstream.expect(Answer::sse(openai::chunks_with_usage(["Good ", "day"], 7, 2)));
    let (code, events) = events(&server, "/v1/messages", &streamed(message("chat/gpt", "hi"))).await;
    let events = events.unwrap();
    assert_eq!(code, 200);
    assert_eq!(names(&events).first(), Some(&"message_start"));
    assert_eq!(names(&events).last(), Some(&"message_stop"));
    let text: String =
        events.iter().filter_map(|event| event.json()["delta"]["text"].as_str().map(str::to_owned)).collect();
    assert_eq!(text, "Good day");
    let delta = events.iter().find(|event| event.name.as_deref() == Some("message_delta")).unwrap().json();
    assert_eq!((&delta["usage"]["input_tokens"], &delta["usage"]["output_tokens"]), (&json!(7), &json!(2)));
    ended_well(server).await;
}

#[tokio::test]
async fn a_stream_without_a_terminator_of_its_own_ends_when_its_answer_is_finished() {
    let (server, upstream) = started().await;
    let gemini = |text: &str, finish: Option<&str>| {
        let mut candidate =
            json!({ "index": 0, "content": { "role": "model", "parts": [{ "text": text }] } });
        if let Some(finish) = finish {
            candidate["finishReason"] = finish.into();
        }
        json!({ "candidates": [candidate], "usageMetadata": { "promptTokenCount": 5, "candidatesTokenCount": 2, "totalTokenCount": 7 } })
            .to_string()
    };
    let finished = [gemini("Good ", None), gemini("day", Some("STOP"))];
    upstream.expect(Answer::sse(&finished));
    let body = streamed(chat("google/gemini-2.5-flash", "hi"));
    let (_, whole) = events(&server, "/v1/chat/completions", &body).await;
    let whole = whole.unwrap();
    assert_eq!(whole.last().unwrap().data.as_deref(), Some("[DONE]"));
    assert!(
        upstream
            .call(0)
            .await
            .head
            .first_line()
            .contains("/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse")
    );
    // The same without its end is a cut, whatever the connection says.
    upstream.expect(Answer::sse(&finished[..1]));
    let (_, cut) = events(&server, "/v1/chat/completions", &body).await;
    assert!(cut.is_err(), "{cut:?}");
    ended_well(server).await;
}

#[tokio::test]
async fn lines_of_json_are_a_stream_like_any_other() {
    let (server, upstream) = started().await;
    let line = |text: &str, done: bool| {
        let mut line = json!({ "model": "llama3.2", "created_at": "2026-01-01T00:00:00Z",
            "message": { "role": "assistant", "content": text }, "done": done });
        if done {
            line["done_reason"] = "stop".into();
            line["prompt_eval_count"] = 5.into();
            line["eval_count"] = 2.into();
        }
        format!("{line}\n")
    };
    let lines = [line("Good ", false), line("day", false), line("", true)];
    upstream.expect(Answer::lines(lines.clone()).drip());
    let (_, whole) = events(&server, "/v1/messages", &streamed(message("llama/llama3.2", "hi"))).await;
    let whole = whole.unwrap();
    assert_eq!(names(&whole).last(), Some(&"message_stop"));
    upstream.expect(Answer::lines(lines[..2].to_vec()));
    let (_, cut) = events(&server, "/v1/messages", &streamed(message("llama/llama3.2", "hi"))).await;
    assert!(cut.is_err(), "{cut:?}");
    ended_well(server).await;
}

#[tokio::test]
async fn a_cut_stream_is_told_as_such_in_every_dialect() {
    let (server, upstream) = started().await;
    let chunks = openai::chunks(["one ", "two ", "three"]);
    let claude = claude_stream(&["one ", "two ", "three"]);
    for (path, body, passes) in [
        ("/v1/messages", message("chat/gpt", "hi"), Answer::sse(&chunks[..3])),
        ("/v1/messages", message("claude/sonnet", "hi"), Answer::stream(claude[..5].to_vec())),
        ("/v1/chat/completions", chat("claude/sonnet", "hi"), Answer::stream(claude[..5].to_vec())),
    ] {
        upstream.expect(passes);
        let (head, mut connection) = Request::post(path).json(&streamed(body)).open(server.public()).await;
        assert_eq!(status(&head), 200);
        let mut seen = Vec::new();
        while let Ok(Some(event)) = connection.event().await {
            seen.push(event);
        }
        let last = seen.last().unwrap().json();
        assert!(last["error"]["partial"].as_bool().unwrap_or(true), "{last}");
        assert!(last["error"]["message"].is_string(), "{path}: {last}");
        if path == "/v1/messages" {
            assert_eq!((names(&seen).last(), &last["type"]), (Some(&"error"), &json!("error")));
            assert!(!names(&seen).contains(&"message_stop"));
        }
    }
}

#[tokio::test]
async fn an_error_before_any_content_is_a_typed_refusal_in_the_callers_dialect() {
    let (server, upstream) = started().await;
    let overloaded = json!({ "type": "error", "error": { "type": "overloaded_error", "message": "secret" } });
    upstream.otherwise(Answer::status(529).json_body(&overloaded));
    let response = post(&server, "/v1/messages", &message("claude/sonnet", "hi")).await;
    let answer = response.json();
    assert_eq!(response.status, 502, "{answer}");
    assert_eq!((&answer["type"], &answer["error"]["type"]), (&json!("error"), &json!("api_error")));
    assert!(answer["request_id"].as_str().unwrap().starts_with("req_"));
    assert!(!response.text().contains("secret"));
    let response = post(&server, "/v1/messages", &message("nobody/knows", "hi")).await;
    assert_eq!(error_type(&response), (404, "not_found_error".to_owned()));
    let response = post(&server, "/v1/messages", &json!({ "model": "claude/sonnet" })).await;
    assert_eq!(error_type(&response), (400, "invalid_request_error".to_owned()));
    let response = Request::get("/v1/messages").send(server.public()).await;
    assert_eq!(error_type(&response), (405, "invalid_request_error".to_owned()));
    ended_well(server).await;
}

#[tokio::test]
async fn a_target_that_cannot_carry_a_member_is_passed_over_and_named_only_if_none_remains() {
    let (server, upstream) = started().await;
    let mut body = chat("either", "hi");
    body["seed"] = 7.into();
    upstream.expect(Answer::json(&openai::completion("Hello!")));
    let response = post(&server, "/v1/chat/completions", &body).await;
    assert_eq!((response.status, response.header("x-parapet-model")), (200, Some("chat/gpt")));
    assert_eq!(
        (response.header("x-parapet-attempts"), response.header("x-parapet-fallbacks")),
        (Some("1"), Some("0"))
    );
    assert_eq!(upstream.call(0).await.json()["seed"], 7);
    body["model"] = "claude/sonnet".into();
    let refused = post(&server, "/v1/chat/completions", &body).await;
    let error = refused.json()["error"].clone();
    assert_eq!((refused.status, &error["param"]), (400, &json!("seed")), "{error}");
    assert_eq!(error["code"], "unsupported_parameter");
    let mut body = message("chat/gpt", "hi");
    body["top_k"] = 3.into();
    let refused = post(&server, "/v1/messages", &body).await;
    assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!("top_k")));
    assert_eq!(upstream.count(), 1);
    ended_well(server).await;
}

#[tokio::test]
async fn tokens_are_counted_by_the_provider_or_estimated_and_said_to_be() {
    let (server, upstream) = started().await;
    let mut body = message("claude/sonnet", "hi");
    body.as_object_mut().unwrap().remove("max_tokens");
    upstream.expect(Answer::json(&json!({ "input_tokens": 42 })));
    let counted = post(&server, "/v1/messages/count_tokens", &body).await;
    assert_eq!((counted.status, counted.json()), (200, json!({ "input_tokens": 42 })));
    assert!(counted.header("x-parapet-estimated").is_none());
    assert!(upstream.call(0).await.head.first_line().starts_with("POST /v1/messages/count_tokens "));
    body["model"] = "chat/gpt".into();
    body["messages"][0]["content"] = "x".repeat(400).into();
    let estimated = post(&server, "/v1/messages/count_tokens", &body).await;
    assert_eq!((estimated.status, estimated.json()), (200, json!({ "input_tokens": 100 })));
    assert_eq!(estimated.header("x-parapet-estimated"), Some("true"));
    assert_eq!(upstream.count(), 1);
    ended_well(server).await;
}

#[tokio::test]
async fn embeddings_pass_or_are_translated() {
    let (server, upstream) = started().await;
    let asked = json!({ "model": "chat/embed", "input": ["a", "b"], "dimensions": 2, "new_member": 1 });
    let answer = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,1.0e0]},{"object":"embedding","index":1,"embedding":[1,0]}],"model":"embed","usage":{"prompt_tokens":2,"total_tokens":2}}"#;
    upstream.expect(Answer::status(200).header("content-type", "application/json").body(answer));
    let response = post(&server, "/v1/embeddings", &asked).await;
    assert_eq!((response.status, response.text().as_str()), (200, answer));
    assert_eq!(upstream.call(0).await.json()["new_member"], 1);

    upstream.expect(Answer::json(
        &json!({ "model": "nomic", "embeddings": [[0.5, -1.0], [0.25, 0.0]], "prompt_eval_count": 4 }),
    ));
    let asked = json!({ "model": "llama/nomic", "input": ["a", "b"], "encoding_format": "base64" });
    let response = post(&server, "/v1/embeddings", &asked).await;
    let answer = response.json();
    assert_eq!(response.status, 200, "{answer}");
    // 0.5 and -1.0 as little-endian IEEE 754 singles.
    assert_eq!(answer["data"][0]["embedding"], "AAAAPwAAgL8=");
    assert_eq!((&answer["data"][1]["index"], &answer["usage"]["prompt_tokens"]), (&json!(1), &json!(4)));

    let refused = post(&server, "/v1/embeddings", &json!({ "model": "claude/x", "input": "a" })).await;
    assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!("model")));
    let refused = post(&server, "/v1/embeddings", &json!({ "model": "support", "input": "a" })).await;
    assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!("model")));
    ended_well(server).await;
}

#[tokio::test]
async fn an_agent_is_called_in_the_messages_dialect_with_its_prompt_and_its_limit() {
    let (server, upstream) = started().await;
    upstream.expect(Answer::json(&claude("Hello and welcome!")));
    let mut body = message("support", "hi");
    body["system"] = "Be brief.".into();
    let response = post(&server, "/v1/messages", &body).await;
    let answer = response.json();
    assert_eq!(response.status, 200, "{answer}");
    assert_eq!(answer["content"][0]["text"], "Hello and ");
    assert_eq!(answer["stop_reason"], "max_tokens");
    let sent = upstream.call(0).await.json()["system"].to_string();
    let (prompt, own) = (sent.find("friendly support agent"), sent.find("Be brief."));
    assert!(prompt.unwrap() < own.unwrap(), "{sent}");

    upstream.expect(Answer::stream(claude_stream(&["Hello ", "and ", "welcome!"])));
    let (_, events) = events(&server, "/v1/messages", &streamed(body)).await;
    let events = events.unwrap();
    let text: String =
        events.iter().filter_map(|event| event.json()["delta"]["text"].as_str().map(str::to_owned)).collect();
    assert_eq!(text, "Hello and ");
    assert_eq!(names(&events).last(), Some(&"message_stop"));
    ended_well(server).await;
}

#[tokio::test]
async fn azure_is_asked_by_deployment_and_key() {
    let (server, upstream) = started().await;
    upstream.expect(Answer::json(&openai::completion("Hello!")));
    let response = post(&server, "/v1/chat/completions", &chat("azure/my-gpt", "hi")).await;
    assert_eq!(response.status, 200);
    let call = upstream.call(0).await;
    assert!(
        call.head.first_line().contains("/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21")
    );
    assert_eq!(call.head.header("api-key"), Some("sk-upstream-one"));
    ended_well(server).await;
}

#[tokio::test]
async fn a_refusal_of_an_agent_is_cut_like_any_answer_of_it() {
    let upstream = Upstream::start().await;
    let config = format!(
        r#"
version: 1
providers:
  chat: {{ kind: openai-compatible, base_url: {} }}
agents:
  brief: {{ models: [chat/gpt], prompt: Be brief., max_answer_chars: 10 }}
"#,
        upstream.base_url()
    );
    let server = plan(config).start().await;
    let refusing = json!({ "role": "assistant", "content": null, "refusal": "I cannot help you with that." });
    let refused = Answer::json(&openai::completion_of(&refusing, "stop"));
    let chunks = [
        openai::chunk(&json!({ "role": "assistant", "content": "", "refusal": null }), None),
        openai::chunk(&json!({ "refusal": "I cannot " }), None),
        openai::chunk(&json!({ "refusal": "help you." }), None),
        openai::chunk(&json!({}), Some("stop")),
        "[DONE]".to_owned(),
    ];

    upstream.expect(refused.clone());
    let whole = post(&server, "/v1/chat/completions", &chat("brief", "hi")).await.json();
    let choice = &whole["choices"][0];
    assert_eq!(
        (&choice["message"]["refusal"], &choice["finish_reason"]),
        (&json!("I cannot h"), &json!("length"))
    );
    upstream.expect(refused);
    let whole = post(&server, "/v1/messages", &message("brief", "hi")).await.json();
    assert_eq!(
        (&whole["content"][0]["text"], &whole["stop_reason"]),
        (&json!("I cannot h"), &json!("max_tokens"))
    );

    upstream.expect(Answer::sse(&chunks));
    let (_, told) = events(&server, "/v1/chat/completions", &streamed(chat("brief", "hi"))).await;
    let told = told.unwrap();
    let refusal: String = told
        .iter()
        .filter(|event| event.data.as_deref() != Some("[DONE]"))
        .filter_map(|event| event.json()["choices"][0]["delta"]["refusal"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(refusal, "I cannot h");
    assert_eq!(told.last().unwrap().data.as_deref(), Some("[DONE]"));
    upstream.expect(Answer::sse(&chunks));
    let (_, told) = events(&server, "/v1/messages", &streamed(message("brief", "hi"))).await;
    let text: String = told
        .unwrap()
        .iter()
        .filter_map(|event| event.json()["delta"]["text"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(text, "I cannot h");
    ended_well(server).await;
}

#[tokio::test]
async fn embeddings_are_one_for_each_input_or_none() {
    let (server, upstream) = started().await;
    upstream
        .otherwise(Answer::json(&json!({ "model": "nomic", "embeddings": [[0.5]], "prompt_eval_count": 4 })));
    let asked = json!({ "model": "llama/nomic", "input": ["a", "b"] });
    assert_eq!(post(&server, "/v1/embeddings", &asked).await.status, 502);
    let asked = json!({ "model": "llama/nomic", "input": "a" });
    assert_eq!(post(&server, "/v1/embeddings", &asked).await.status, 200);
    ended_well(server).await;
}

#[tokio::test]
async fn a_count_that_fails_is_told_to_the_operator() {
    let (server, upstream) = started().await;
    upstream.expect(Answer::status(500));
    let body = json!({ "model": "claude/sonnet", "messages": [{ "role": "user", "content": "hi" }] });
    let counted = post(&server, "/v1/messages/count_tokens", &body).await;
    assert_eq!((counted.status, counted.header("x-parapet-estimated")), (200, Some("true")));
    let lines = ended_well(server).await;
    let failed = lines.iter().find(|line| line["message"] == "attempt failed").unwrap();
    assert_eq!((&failed["provider"], &failed["fault"]), (&json!("claude"), &json!("server")));
    assert_eq!(access(&lines)[0]["provider"], "claude");
}

#[tokio::test]
async fn previews_that_the_caller_asks_for_go_with_its_own_bytes_only() {
    let (server, upstream) = started().await;
    upstream.otherwise(Answer::json(&claude("Hello!")));
    let ask = async |model: &str| {
        let asked = Request::post("/v1/messages")
            .header("anthropic-beta", "one-2026")
            .header("anthropic-beta", "two-2026")
            .header("anthropic-version", "2026-10-21")
            .json(&message(model, "hi"));
        assert_eq!(asked.send(server.public()).await.status, 200);
    };
    ask("claude/sonnet").await;
    let passed = upstream.call(0).await;
    assert_eq!(passed.head.values("anthropic-beta").collect::<Vec<_>>(), ["one-2026", "two-2026"]);
    assert_eq!(passed.head.values("anthropic-version").collect::<Vec<_>>(), ["2026-10-21"]);
    ended_well(server).await;
}
