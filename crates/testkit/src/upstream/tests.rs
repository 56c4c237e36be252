use std::panic::AssertUnwindSafe;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::http::{Connection, Request};
use crate::openai;

fn ask() -> Request {
    Request::post("/v1/chat/completions").bearer("k").json(&json!({ "model": "m" }))
}

async fn asked(answer: Answer) -> (Upstream, Connection) {
    let upstream = Upstream::start().await;
    upstream.expect(answer);
    let mut connection = Connection::open(upstream.address()).await;
    connection.send(&ask()).await.unwrap();
    (upstream, connection)
}

#[tokio::test]
async fn answers_follow_the_script_and_calls_are_kept() {
    let upstream = Upstream::start().await;
    upstream
        .expect(Answer::json(&openai::completion("hello")))
        .expect(Answer::status(429).retry_after(2).json_body(&openai::error("slow down", "x", None, None)));
    let mut connection = Connection::open(upstream.address()).await;

    connection.send(&ask()).await.unwrap();
    let first = connection.response().await.unwrap();
    assert_eq!((first.status, first.json()), (200, openai::completion("hello")));
    connection.send(&ask()).await.unwrap();
    let second = connection.response().await.unwrap();
    assert_eq!((second.status, second.header("Retry-After")), (429, Some("2")));

    let call = upstream.call(1).await;
    assert_eq!((call.method(), call.target()), ("POST", "/v1/chat/completions"));
    assert_eq!(call.header("authorization"), Some("Bearer k"));
    assert_eq!(call.json(), json!({ "model": "m" }));
    assert_eq!(call.ended().await, Fate::Answered);
    assert_eq!((upstream.count(), upstream.connections()), (2, 1));
    upstream.finish();
}

#[tokio::test]
async fn a_stream_arrives_event_by_event() {
    let payloads = openai::chunks_with_usage(["Hel", "lo"], 3, 2);
    let (_upstream, mut connection) = asked(Answer::sse(&payloads)).await;
    connection.head().await.unwrap();
    let data: Vec<_> = connection.events().await.unwrap().into_iter().filter_map(|e| e.data).collect();
    assert_eq!(data, payloads);
}

#[tokio::test]
async fn a_dripped_stream_has_the_same_bytes() {
    let (_upstream, mut connection) = asked(Answer::sse(["grüße 🦀"]).drip()).await;
    connection.head().await.unwrap();
    let mut sizes = Vec::new();
    let mut whole = Vec::new();
    while let Some(bytes) = connection.data().await.unwrap() {
        sizes.push(bytes.len());
        whole.extend_from_slice(&bytes);
    }
    assert_eq!(whole, "data: grüße 🦀\n\n".as_bytes());
    assert!(sizes.iter().all(|size| *size == 1));
}

#[tokio::test]
async fn a_cut_comes_after_the_scripted_bytes_and_looks_like_one() {
    let (upstream, mut connection) = asked(Answer::json(&json!({ "long": "enough" })).cut_after(5)).await;
    connection.head().await.unwrap();
    assert_eq!(connection.data().await.unwrap().unwrap(), r#"{"lon"#);
    assert_eq!(connection.data().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(upstream.call(0).await.ended().await, Fate::Faulted);
}

#[tokio::test]
async fn a_stream_can_lack_its_terminator() {
    let (_upstream, mut connection) = asked(Answer::sse(["a"]).close_without_terminator()).await;
    connection.head().await.unwrap();
    assert_eq!(connection.event().await.unwrap().unwrap().data.as_deref(), Some("a"));
    assert_eq!(connection.event().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_reset_is_a_reset_and_not_a_close() {
    let (_upstream, mut connection) = asked(Answer::reset()).await;
    assert_eq!(connection.head().await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);

    let (_upstream, mut connection) = asked(Answer::sse(["abc"]).reset_after(3)).await;
    let end = loop {
        match connection.until_close().await {
            Ok(_) => {}
            Err(e) => break e,
        }
    };
    assert_eq!(end.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn garbage_is_not_http() {
    let (_upstream, mut connection) = asked(Answer::garbage()).await;
    let bytes = connection.until_close().await.unwrap();
    assert!(!bytes.is_empty() && !bytes.starts_with(b"HTTP/"));
}

#[tokio::test]
async fn a_client_that_leaves_a_stalled_answer_is_noticed() {
    for answer in [Answer::never_answer(), Answer::sse(["a"]).stall(), Answer::sse(["abc"]).stall_after(2)] {
        let (upstream, connection) = asked(answer).await;
        let call = upstream.call(0).await;
        assert_eq!(call.fate(), Fate::Open);
        let left = Instant::now();
        drop(connection);
        assert!(call.client_gone().await >= left);
    }
}

#[tokio::test]
async fn a_client_that_leaves_a_running_stream_is_noticed() {
    let (upstream, mut connection) = asked(Answer::sse(["again"]).endless()).await;
    connection.head().await.unwrap();
    connection.event().await.unwrap();
    connection.event().await.unwrap();
    connection.reset();
    upstream.call(0).await.client_gone().await;
}

#[tokio::test]
async fn waits_are_kept() {
    let begun = Instant::now();
    let wait = Duration::from_millis(30);
    let (_upstream, mut connection) =
        asked(Answer::sse(["a", "b"]).after(wait).first_byte_after(wait).every(wait)).await;
    connection.head().await.unwrap();
    assert!(begun.elapsed() >= wait);
    let first = connection.event().await.unwrap().unwrap();
    assert!(first.at.duration_since(begun) >= 2 * wait);
    let second = connection.event().await.unwrap().unwrap();
    assert!(second.at.duration_since(begun) >= 3 * wait);
}

#[tokio::test]
async fn any_number_of_other_calls_may_be_expected() {
    let upstream = Upstream::start().await;
    upstream.expect(Answer::status(503)).otherwise(Answer::json(&json!(1)));
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(ask().send(upstream.address()).await.status);
    }
    assert_eq!(statuses, [503, 200, 200, 200, 200]);
}

#[tokio::test]
async fn an_answer_nobody_asked_for_fails_the_test() {
    let upstream = Upstream::start().await;
    upstream.expect(Answer::status(200));
    let failure = std::panic::catch_unwind(AssertUnwindSafe(|| upstream.finish())).unwrap_err();
    let text = failure.downcast_ref::<String>().unwrap();
    assert!(text.contains("1 scripted answers were never asked for"), "{text}");
}

#[tokio::test]
async fn a_call_nobody_expected_fails_the_test() {
    let upstream = Upstream::start().await;
    assert_eq!(ask().send(upstream.address()).await.status, 500);
    let failure = std::panic::catch_unwind(AssertUnwindSafe(|| drop(upstream))).unwrap_err();
    let text = failure.downcast_ref::<String>().unwrap();
    assert!(text.contains("POST /v1/chat/completions"), "{text}");
}
