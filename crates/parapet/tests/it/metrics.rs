//! Every metric that this version has is exposed under its published name and labels, and no caller makes a label.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use testkit::http::Request;
use testkit::openai;
use testkit::upstream::Answer;

use crate::support::{chat, get, metric, metrics, plan, post, started, streamed};

/// Name and labels of what is exposed after every kind of request, in the order of INTERFACES.md; `le` is a histogram's.
const PUBLISHED: &[(&str, &[&str])] = &[
    ("parapet_http_requests_total", &["method", "route", "status"]),
    ("parapet_errors_total", &["type"]),
    ("parapet_db_query_duration_seconds_count", &["query"]),
    ("parapet_active_conversations", &[]),
    ("parapet_requests_total", &["agent", "code", "outcome"]),
    ("parapet_request_duration_seconds_count", &["agent", "endpoint"]),
    ("parapet_time_to_first_token_seconds_count", &["model", "provider"]),
    ("parapet_overhead_seconds_count", &[]),
    ("parapet_attempts_total", &["model", "outcome", "provider"]),
    ("parapet_attempt_duration_seconds_count", &["model", "provider"]),
    ("parapet_tokens_total", &["kind", "model", "provider"]),
    ("parapet_unpriced_requests_total", &[]),
    ("parapet_query_duration_seconds_count", &["agent", "channel", "success"]),
    ("parapet_messages_processed_total", &["type"]),
    ("parapet_active_streams", &[]),
    ("parapet_active_connections", &[]),
    ("parapet_failovers_total", &["from", "reason", "to"]),
    ("parapet_queue_depth", &[]),
    ("parapet_config_last_reload_successful", &[]),
    ("parapet_build_info", &["release", "version"]),
];

/// One sample: its name, its labels, its value.
type Sample<'a> = (&'a str, BTreeMap<&'a str, &'a str>, f64);

/// The samples of an exposition. Label values here hold no quotes, commas or braces.
fn samples(text: &str) -> Vec<Sample<'_>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels.strip_suffix('}').unwrap();
            let pairs =
                labels.split(',').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap());
            (
                name,
                pairs.map(|(name, value)| (name, value.trim_matches('"'))).collect(),
                value.parse().unwrap(),
            )
        })
        .collect()
}

#[tokio::test]
async fn every_published_name_is_exposed_with_its_labels() {
    let (server, upstream) = started().await;
    upstream.expect(Answer::json(&openai::completion("one")));
    assert_eq!(post(&server, "/v1/chat/completions", &chat("first/small", "hi")).await.status, 200);
    upstream.expect(Answer::sse(openai::chunks_with_usage(["two"], 7, 2)));
    let stream = streamed(chat("support", "hi"));
    assert!(post(&server, "/v1/chat/completions", &stream).await.text().ends_with("[DONE]\n\n"));
    upstream.expect(Answer::status(500)).expect(Answer::json(&openai::completion("three")));
    let query = json!({ "message": "hi", "channel": "web" });
    assert_eq!(post(&server, "/v1/agents/support/query", &query).await.status, 200);
    assert_eq!(post(&server, "/v1/chat/completions", &chat("none", "hi")).await.status, 404);

    let text = metrics(&server).await;
    assert!(text.ends_with("# EOF\n"), "OpenMetrics ends so");
    let found = samples(&text);
    for (name, labels) in PUBLISHED {
        let with: Vec<_> = found.iter().filter(|(found, ..)| found == name).collect();
        assert!(!with.is_empty(), "{name} is not exposed:\n{text}");
        for (_, has, _) in with {
            assert_eq!(has.keys().copied().collect::<Vec<_>>(), *labels, "{name}");
        }
    }
    for (line, value) in [
        (
            "parapet_http_requests_total{method=\"POST\",route=\"/v1/agents/{agent}/query\",status=\"200\"}",
            1.0,
        ),
        ("parapet_http_requests_total{method=\"POST\",route=\"/v1/chat/completions\",status=\"404\"}", 1.0),
        ("parapet_requests_total{agent=\"support\",outcome=\"ok\",code=\"-\"}", 2.0),
        ("parapet_requests_total{agent=\"-\",outcome=\"ok\",code=\"-\"}", 1.0),
        ("parapet_attempts_total{provider=\"first\",model=\"small\",outcome=\"ok\"}", 2.0),
        ("parapet_attempts_total{provider=\"first\",model=\"small\",outcome=\"upstream_error\"}", 1.0),
        ("parapet_attempts_total{provider=\"second\",model=\"other\",outcome=\"ok\"}", 1.0),
        ("parapet_failovers_total{from=\"first/small\",to=\"second/other\",reason=\"server\"}", 1.0),
        ("parapet_tokens_total{provider=\"first\",model=\"small\",kind=\"input\"}", 17.0),
        ("parapet_tokens_total{provider=\"first\",model=\"small\",kind=\"output\"}", 7.0),
        ("parapet_messages_processed_total{type=\"user\"}", 1.0),
        ("parapet_messages_processed_total{type=\"assistant\"}", 1.0),
        ("parapet_errors_total{type=\"not_found_error\"}", 1.0),
        ("parapet_query_duration_seconds_count{agent=\"support\",success=\"true\",channel=\"web\"}", 1.0),
        ("parapet_active_streams", 0.0),
        ("parapet_active_conversations", 0.0),
        ("parapet_unpriced_requests_total", 3.0),
    ] {
        assert_eq!(metric(&server, line).await, value, "{line}");
    }
    upstream.finish();
}

#[tokio::test]
async fn names_that_callers_make_up_are_one_label() {
    let (server, upstream) = started().await;
    upstream.otherwise(Answer::json(&openai::completion("hello")));
    for n in 0..200 {
        // The provider lists no models: any name is passed on to it.
        let told = post(&server, "/v1/chat/completions", &chat(&format!("second/made-up-{n}"), "hi")).await;
        assert_eq!(told.status, 200);
    }
    for n in 0..20 {
        post(&server, "/v1/chat/completions", &chat(&format!("made-up-{n}"), "hi")).await;
        post(
            &server,
            &format!("/v1/agents/made-up-{n}/query"),
            &json!({ "message": "hi", "channel": "made-up" }),
        )
        .await;
        post(
            &server,
            "/v1/agents/support/query",
            &json!({ "message": "hi", "channel": format!("made-up-{n}") }),
        )
        .await;
        get(&server, &format!("/made-up-{n}")).await;
        get(&server, &format!("/v1/models/made-up-{n}")).await;
        get(&server, &format!("/v1/conversations/made-up-{n}")).await;
        Request::new(&format!("MADEUP{n}"), "/health").send(server.public()).await;
    }
    let text = metrics(&server).await;
    assert!(!text.to_lowercase().contains("made-up") && !text.contains("MADEUP"), "{text}");
    let mut values: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for (name, labels, _) in samples(&text) {
        for (label, value) in labels.into_iter().filter(|(label, _)| *label != "le") {
            values.entry((name, label)).or_default().insert(value);
        }
    }
    let many: Vec<_> = values.iter().filter(|(_, values)| values.len() > 16).collect();
    assert!(many.is_empty(), "{many:?}");
    let line = "parapet_attempts_total{provider=\"second\",model=\"other\",outcome=\"ok\"}";
    assert_eq!(metric(&server, line).await, 200.0);
    assert_eq!(
        metric(&server, "parapet_http_requests_total{method=\"other\",route=\"unmatched\",status=\"405\"}")
            .await,
        20.0
    );
    let query = "parapet_query_duration_seconds_count{agent=\"support\",success=\"true\",channel=\"other\"}";
    assert_eq!(metric(&server, query).await, 20.0);
}

#[tokio::test]
async fn what_is_going_on_is_counted_while_it_does() {
    let (server, upstream) = started().await;
    upstream.expect(Answer::sse(openai::chunks(["one", "two"])).stall_after(600));
    let query = Request::post("/v1/agents/support/query").json(&streamed(json!({ "message": "hi" })));
    let (_, connection) = query.open(server.public()).await;
    assert_eq!(metric(&server, "parapet_active_streams").await, 1.0);
    assert_eq!(metric(&server, "parapet_active_conversations").await, 1.0);
    assert!(metric(&server, "parapet_active_connections").await >= 1.0);
    drop(connection);
    crate::support::until("the stream to be over", async || {
        metric(&server, "parapet_active_streams").await == 0.0
            && metric(&server, "parapet_active_conversations").await == 0.0
    })
    .await;
    assert_eq!(
        metric(&server, "parapet_requests_total{agent=\"support\",outcome=\"cancelled\",code=\"-\"}").await,
        1.0
    );
}

#[tokio::test]
async fn the_path_of_the_metrics_can_be_chosen() {
    let config = "version: 1\ntelemetry: { metrics: { path: /internal/metrics } }\n";
    let server = plan(config.to_owned()).start().await;
    assert_eq!(Request::get("/internal/metrics").send(server.metrics()).await.status, 200);
    assert_eq!(Request::get("/metrics").send(server.metrics()).await.status, 404);
    for path in ["/metrics", "/internal/metrics"] {
        assert_eq!(get(&server, path).await.status, 404, "metrics are on their own listener only");
    }
}
