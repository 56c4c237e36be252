//! Streams: what passes is what came, and the end is the truth.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::http::{Event, Request};
use testkit::upstream::{Answer, Fate};
use testkit::{openai, within_patience};

use crate::support::{access, chat, ended_well, metric, started, status, streamed};

async fn events(server: &testkit::process::Server, body: &Value) -> (u16, std::io::Result<Vec<Event>>) {
    let (head, mut connection) = Request::post("/v1/chat/completions").json(body).open(server.public()).await;
    (status(&head), connection.events().await)
}

fn data(events: &[Event]) -> Vec<&str> {
    events.iter().filter_map(|event| event.data.as_deref()).collect()
}

#[tokio::test]
async fn a_stream_passes_as_it_came_without_the_usage_nobody_asked_for() {
    let (server, upstream) = started().await;
    let chunks = openai::chunks_with_usage(["Hel", "lo"], 7, 2);
    upstream.expect(Answer::sse(&chunks));
    let (status, events) = events(&server, &streamed(chat("first/small", "hi"))).await;
    let events = events.unwrap();
    assert_eq!(status, 200);
    let passed: Vec<&str> =
        chunks.iter().map(String::as_str).filter(|c| !c.contains("\"choices\":[]")).collect();
    assert_eq!(data(&events), passed);
    assert_eq!(data(&events).last(), Some(&"[DONE]"));
    assert_eq!(upstream.call(0).await.json()["stream_options"], json!({ "include_usage": true }));
    let lines = ended_well(server).await;
    let line = access(&lines)[0].clone();
    assert_eq!(
        (&line["input_tokens"], &line["output_tokens"], &line["stream"]),
        (&json!(7), &json!(2), &json!(true))
    );
}

#[tokio::test]
async fn whoever_asks_for_usage_gets_it() {
    let (server, upstream) = started().await;
    let chunks = openai::chunks_with_usage(["Hello"], 7, 2);
    upstream.expect(Answer::sse(&chunks));
    let mut body = streamed(chat("first/small", "hi"));
    body["stream_options"] = json!({ "include_usage": true });
    let (_, events) = events(&server, &body).await;
    assert_eq!(data(&events.unwrap()), chunks.iter().map(String::as_str).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_byte_slices_and_split_characters_arrive_identical() {
    let (server, upstream) = started().await;
    let chunks = openai::chunks(["grüße ", "世界 ", "🦀"]);
    upstream.expect(Answer::sse(&chunks).drip());
    let (_, events) = events(&server, &streamed(chat("first/small", "hi"))).await;
    assert_eq!(data(&events.unwrap()), chunks.iter().map(String::as_str).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_cut_stream_ends_with_a_typed_error_and_never_as_if_complete() {
    let whole: usize = openai::chunks(["one ", "two ", "three"]).iter().map(|c| c.len() + 8).sum();
    type Script = fn(Answer, usize) -> Answer;
    let faults: [(&str, Script); 4] = [
        ("cut", |answer, at| answer.cut_after(at)),
        ("reset", |answer, at| answer.reset_after(at)),
        ("stalled", |answer, at| answer.stall_after(at)),
        ("closed without terminator", |answer, _| answer.close_without_terminator()),
    ];
    for (name, fault) in faults {
        let (server, upstream) = started().await;
        let mut chunks = openai::chunks(["one ", "two ", "three"]);
        if name == "closed without terminator" {
            chunks.pop();
            chunks.pop();
        }
        upstream.expect(fault(Answer::sse(&chunks), whole * 2 / 3));
        let (head, mut connection) = Request::post("/v1/chat/completions")
            .json(&streamed(chat("first/small", "hi")))
            .open(server.public())
            .await;
        assert_eq!(status(&head), 200, "{name}");
        let mut seen = Vec::new();
        let ended = loop {
            match connection.event().await {
                Ok(Some(event)) => seen.push(event),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        assert!(ended.is_err(), "{name}: the body ended as if complete");
        let last = seen.last().unwrap().json();
        let error = &last["error"];
        assert_eq!(error["partial"], true, "{name}: {last}");
        assert!(error["request_id"].as_str().unwrap().starts_with("req_"), "{name}");
        assert!(!seen.iter().any(|event| event.data.as_deref() == Some("[DONE]")), "{name}");
        let lines = ended_well(server).await;
        assert_eq!(access(&lines)[0]["outcome"], "partial", "{name}");
    }
}

#[tokio::test]
async fn a_caller_who_leaves_aborts_the_call_at_once() {
    for stream in [true, false] {
        let (server, upstream) = started().await;
        upstream.expect(if stream {
            Answer::sse(openai::chunks(["one", "two", "three"])).stall_after(700)
        } else {
            Answer::never_answer()
        });
        let mut body = chat("first/small", "hi");
        body["stream"] = stream.into();
        let mut connection = testkit::http::Connection::open(server.public()).await;
        connection.send(&Request::post("/v1/chat/completions").json(&body)).await.unwrap();
        let call = upstream.call(0).await;
        if stream {
            connection.head().await.unwrap();
            connection.event().await.unwrap();
        }
        let left = tokio::time::Instant::now();
        drop(connection);
        let gone = within_patience("the upstream to see the caller leave", call.client_gone()).await;
        assert!(gone.duration_since(left) < Duration::from_millis(250), "stream: {stream}");
        assert!(matches!(call.fate(), Fate::ClientGone(_)));
        let lines = ended_well(server).await;
        let line = access(&lines)[0];
        assert_eq!(
            (&line["outcome"], &line["status"].as_u64().is_some()),
            (&json!("cancelled"), &true),
            "{line}"
        );
    }
}

#[tokio::test]
async fn an_agents_stream_is_cut_at_its_longest_length() {
    let (server, upstream) = started().await;
    let pieces: Vec<String> = (0..50).map(|_| "x".repeat(99)).collect();
    upstream.expect(Answer::sse(openai::chunks(pieces.iter().map(String::as_str))));
    let mut body = streamed(chat("support", "hi"));
    body["stream_options"] = json!({ "include_usage": true });
    let (_, events) = events(&server, &body).await;
    let events = events.unwrap();
    let text: String = events
        .iter()
        .filter(|event| event.data.as_deref() != Some("[DONE]"))
        .filter_map(|event| event.json().pointer("/choices/0/delta/content")?.as_str().map(str::to_owned))
        .collect();
    assert_eq!(text, "x".repeat(2000));
    let all = data(&events);
    assert!(all.iter().any(|data| data.contains("\"finish_reason\":\"length\"")));
    assert!(all[all.len() - 2].contains("\"usage\":{"), "{}", all[all.len() - 2]);
    assert_eq!(all.last(), Some(&"[DONE]"));
    let label = "parapet_attempts_total{provider=\"first\",model=\"small\",outcome=\"ok\"}";
    assert_eq!(metric(&server, label).await, 1.0);
}
