//! What callers are told when a provider fails, and that the next target is asked before it comes to that.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::process::Server;
use testkit::upstream::{Answer, Upstream};
use testkit::{http::Request, openai};

use crate::support::{chat, config, ended_well, metric, plan, post, server, started, streamed};

fn error(status: u16, message: &str) -> Answer {
    Answer::status(status).json_body(&openai::error(
        message,
        "some_type",
        Some("temperature"),
        Some("bad_value"),
    ))
}

/// To nowhere: nothing may follow it.
fn redirect() -> Answer {
    Answer::status(302).header("location", "http://127.0.0.1:9/v1/chat/completions")
}

/// Announces more than any answer may have, and stalls.
fn too_large() -> Answer {
    Answer::status(200)
        .header("content-type", "application/json")
        .header("content-length", &(16 * 1024 * 1024 + 1).to_string())
        .body("{")
        .stall()
}

/// A fine answer, if it were not said to be compressed.
fn compressed() -> Answer {
    Answer::json(&openai::completion("fine")).header("content-encoding", "gzip")
}

#[tokio::test]
async fn a_single_targets_failure_has_its_status_type_and_code() {
    let cases: Vec<(&str, Answer, u16, &str, &str)> = vec![
        ("caller's fault", error(400, "too hot"), 400, "invalid_request_error", "bad_value"),
        ("too large", error(413, "too big"), 413, "request_too_large", "bad_value"),
        ("unprocessable", error(422, "no"), 400, "invalid_request_error", "bad_value"),
        ("no such model", error(404, "no model"), 404, "not_found_error", "model_not_found"),
        ("our key", error(401, "sk-upstream-one is bad"), 502, "upstream_error", "upstream_error"),
        ("server", error(500, "stack trace"), 502, "upstream_error", "upstream_error"),
        ("overloaded", error(529, "busy"), 502, "upstream_error", "upstream_error"),
        (
            "rate limit",
            error(429, "slow down").retry_after(2),
            429,
            "rate_limit_exceeded",
            "rate_limit_exceeded",
        ),
        ("garbage", Answer::garbage(), 502, "upstream_error", "upstream_error"),
        ("reset", Answer::reset(), 502, "upstream_error", "upstream_error"),
        ("not json", Answer::status(200).body("<html>"), 502, "upstream_error", "upstream_error"),
        ("redirect", redirect(), 502, "upstream_error", "upstream_error"),
        ("announced too large", too_large(), 502, "upstream_error", "upstream_error"),
        ("compressed", compressed(), 502, "upstream_error", "upstream_error"),
        (
            "rate limit in a 200",
            Answer::json(&openai::error("slow down", "rate_limit_error", None, None)),
            429,
            "rate_limit_exceeded",
            "rate_limit_exceeded",
        ),
        ("silence", Answer::never_answer(), 504, "upstream_timeout", "upstream_timeout"),
    ];
    for stream in [false, true] {
        for (name, answer, status, kind, code) in cases.clone() {
            let (server, upstream) = started().await;
            // A key's fault is tried with the other key too.
            upstream.otherwise(answer);
            let mut body = chat("first/small", "hi");
            body["stream"] = stream.into();
            let told = post(&server, "/v1/chat/completions", &body).await;
            let error = told.json()["error"].clone();
            assert_eq!(told.status, status, "{name}, stream {stream}: {error}");
            assert_eq!((error["type"].as_str(), error["code"].as_str()), (Some(kind), Some(code)), "{name}");
            let text = told.text();
            assert!(!text.contains("sk-upstream") && !text.contains("stack trace"), "{name}: {text}");
            if status == 400 {
                assert_eq!(error["param"], "temperature", "{name}");
            }
            if name == "rate limit" {
                assert_eq!(told.header("retry-after"), Some("2"));
                assert_eq!(told.header("x-should-retry"), Some("true"));
            }
        }
    }
}

#[tokio::test]
async fn the_next_target_answers_when_the_first_cannot() {
    for (name, answer) in [
        ("server", error(500, "x")),
        ("reset", Answer::reset()),
        ("garbage", Answer::garbage()),
        ("key", error(401, "x")),
        ("rate limit", error(429, "x")),
        ("redirect", redirect()),
        ("compressed", compressed()),
        ("error as first event", Answer::sse([json!({ "error": { "message": "overloaded" } }).to_string()])),
    ] {
        for stream in [false, true] {
            if name.starts_with("error as") && !stream {
                continue;
            }
            let (first, second) = (Upstream::start().await, Upstream::start().await);
            let server = server(&first, &second).await;
            first.otherwise(answer.clone());
            second.expect(if stream {
                Answer::sse(openai::chunks(["fine"]))
            } else {
                Answer::json(&openai::completion("fine"))
            });
            let mut body = chat("both", "hi");
            body["stream"] = stream.into();
            let told = post(&server, "/v1/chat/completions", &body).await;
            assert_eq!(told.status, 200, "{name}: {}", told.text());
            assert!(told.text().contains("fine"), "{name}");
            assert_eq!(told.header("x-parapet-provider"), Some("second"), "{name}");
            assert_eq!(second.call(0).await.json()["model"], "other");
            let failed =
                "parapet_attempts_total{provider=\"first\",model=\"small\",outcome=\"upstream_error\"}";
            assert!(metric(&server, failed).await >= 1.0, "{name}");
            second.finish();
        }
    }
}

#[tokio::test]
async fn another_key_is_tried_when_one_is_refused() {
    let (server, upstream) = started().await;
    upstream.expect(error(401, "x"));
    upstream.expect(Answer::json(&openai::completion("fine")));
    let told = post(&server, "/v1/chat/completions", &chat("first/small", "hi")).await;
    assert_eq!(told.status, 200, "{}", told.text());
    assert_eq!(told.header("x-parapet-attempts"), Some("2"));
    let keys: Vec<_> =
        upstream.calls().iter().map(|c| c.header("authorization").unwrap().to_owned()).collect();
    assert_ne!(keys[0], keys[1]);
    upstream.finish();
}

#[tokio::test]
async fn with_every_target_down_the_caller_is_told_when_to_come_back() {
    let (server, upstream) = started().await;
    upstream.otherwise(error(500, "x"));
    let told = post(&server, "/v1/chat/completions", &streamed(chat("both", "hi"))).await;
    assert_eq!(told.status, 503);
    assert_eq!(told.json()["error"]["code"], "all_targets_down");
    assert!(told.header("retry-after").is_some());
    ended_well(server).await;
}

#[tokio::test]
async fn a_callers_deadline_clamps_the_providers_time() {
    let (server, upstream) = started().await;
    upstream.otherwise(Answer::never_answer());
    let request = Request::post("/v1/chat/completions")
        .json(&chat("first/small", "hi"))
        .header("x-request-timeout", "300ms");
    let began = tokio::time::Instant::now();
    let told = request.send(server.public()).await;
    assert_eq!(told.status, 504);
    assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
    let wrong = Request::post("/v1/chat/completions")
        .json(&chat("first/small", "hi"))
        .header("x-request-timeout", "soon");
    let told: Value = wrong.send(server.public()).await.json();
    assert_eq!(told["error"]["param"], "x-request-timeout");
}

/// One answer, so that its connection is kept, then `second` on that connection.
async fn reused(second: Answer) -> (Server, Upstream) {
    let (server, upstream) = started().await;
    upstream.expect(Answer::json(&openai::completion("one")));
    upstream.expect(second);
    assert_eq!(post(&server, "/v1/chat/completions", &chat("second/x", "hi")).await.status, 200);
    (server, upstream)
}

#[tokio::test]
async fn an_idle_connection_that_the_provider_closed_costs_nothing() {
    for (name, closed) in [("reset", Answer::reset()), ("closed", Answer::raw(""))] {
        let (server, upstream) = reused(closed).await;
        upstream.expect(Answer::json(&openai::completion("two")));
        let told = post(&server, "/v1/chat/completions", &chat("second/x", "hi")).await;
        assert_eq!(told.status, 200, "{name}: {}", told.text());
        assert_eq!(told.header("x-parapet-attempts"), Some("1"), "{name}");
        let connections: Vec<_> = upstream.calls().iter().map(|call| call.connection).collect();
        assert_eq!(connections, [0, 0, 1], "{name}");
        upstream.finish();
    }
}

#[tokio::test]
async fn a_request_that_the_provider_may_have_worked_on_is_not_repeated_for_free() {
    let late = Duration::from_millis(1500);
    for (name, closed) in [
        ("closed late", Answer::raw("").after(late)),
        ("reset late", Answer::reset().after(late)),
        ("closed inside the head", Answer::raw("HTTP/1.1 200 OK\r\ncontent-le")),
    ] {
        let (server, upstream) = reused(closed).await;
        let told = post(&server, "/v1/chat/completions", &chat("second/x", "hi")).await;
        assert_eq!(told.status, 502, "{name}: {}", told.text());
        let connections: Vec<_> = upstream.calls().iter().map(|call| call.connection).collect();
        assert_eq!(connections, [0, 0], "{name}");
        upstream.finish();
    }
}

#[tokio::test]
async fn the_first_event_may_take_longer_than_later_ones() {
    let upstream = Upstream::start().await;
    let times = "first_event: 3s, between_events: 500ms";
    let config = config(&upstream, &upstream).replace("first_event: 2s, between_events: 2s", times);
    assert!(config.contains(times));
    let server = plan(config).start().await;
    let slow = Duration::from_secs(1);
    upstream.expect(Answer::sse(openai::chunks(["fine"])).first_byte_after(slow));
    let told = post(&server, "/v1/chat/completions", &streamed(chat("second/x", "hi"))).await;
    assert_eq!(told.status, 200, "{}", told.text());
    assert!(told.text().contains("fine") && told.text().contains("[DONE]"), "{}", told.text());

    upstream.expect(Answer::sse(openai::chunks(["fi", "ne"])).every(slow));
    let told = post(&server, "/v1/chat/completions", &streamed(chat("second/x", "hi"))).await;
    assert!(!told.text().contains("[DONE]") && told.text().contains("upstream_timeout"), "{}", told.text());
    upstream.finish();
}

#[tokio::test]
async fn no_compressed_answer_is_asked_for() {
    let (server, upstream) = started().await;
    upstream.expect(Answer::json(&openai::completion("one")));
    assert_eq!(post(&server, "/v1/chat/completions", &chat("second/x", "hi")).await.status, 200);
    assert_eq!(upstream.call(0).await.header("accept-encoding"), Some("identity"));
    upstream.finish();
}

#[tokio::test]
async fn a_caller_is_told_to_wait_for_an_hour_at_most() {
    let (server, upstream) = started().await;
    upstream.expect(error(429, "next year").retry_after(31_536_000));
    let told = post(&server, "/v1/chat/completions", &chat("second/x", "hi")).await;
    assert_eq!((told.status, told.header("retry-after")), (429, Some("3600")));
    upstream.finish();
}

#[tokio::test]
async fn an_answer_of_any_framing_and_size_below_the_limit_is_whole() {
    let (server, upstream) = started().await;
    let text = "word ".repeat(400_000);
    let body = openai::completion(&text).to_string();
    let pieces: Vec<_> = body.as_bytes().chunks(50_000).map(<[u8]>::to_vec).collect();
    upstream.expect(Answer::status(200).body(body));
    upstream.expect(Answer::stream(pieces).header("content-type", "application/json"));
    for framing in ["a length", "chunks"] {
        let told = post(&server, "/v1/chat/completions", &chat("second/x", "hi")).await;
        assert_eq!(told.status, 200, "{framing}");
        assert_eq!(told.json()["choices"][0]["message"]["content"], text.as_str(), "{framing}");
    }
    upstream.finish();
}
