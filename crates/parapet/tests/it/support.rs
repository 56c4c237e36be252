//! A server on a scripted upstream, and what the tests ask of it.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::http::{Request, Response};
use testkit::process::{Plan, Server};
use testkit::upstream::Upstream;

/// A config with two providers on one scripted upstream each, a model on both, and an agent.
pub(crate) fn config(first: &Upstream, second: &Upstream) -> String {
    format!(
        r#"
version: 1
providers:
  first:
    kind: openai-compatible
    base_url: {}
    api_keys: [{{ env: KEY_ONE }}, {{ env: KEY_TWO }}]
    headers: {{ x-team: {{ env: TEAM }} }}
    models: [small, large]
    timeouts: {{ connect: 1s, first_event: 2s, between_events: 2s, unary: 2s }}
  second:
    kind: openai-compatible
    base_url: {}
    timeouts: {{ connect: 1s, first_event: 2s, between_events: 2s, unary: 2s }}
models:
  both: {{ targets: [first/small, second/other] }}
agents:
  support:
    models: [both]
    prompt: You are a friendly support agent for Acme.
    parameters: {{ temperature: 0.5, max_tokens: 300 }}
    history: {{ max_messages: 4 }}
"#,
        first.base_url(),
        second.base_url()
    )
}

/// A plan for the built binary with the environment that [`config`] needs.
pub(crate) fn plan(config: String) -> Plan {
    Plan::new(env!("CARGO_BIN_EXE_parapet"))
        .config(config)
        .env("KEY_ONE", "sk-upstream-one")
        .env("KEY_TWO", "sk-upstream-two")
        .env("TEAM", "blue")
}

/// A server in open mode between the two upstreams.
pub(crate) async fn server(first: &Upstream, second: &Upstream) -> Server {
    plan(config(first, second)).start().await
}

/// A server, and one upstream that both providers use.
pub(crate) async fn started() -> (Server, Upstream) {
    let upstream = Upstream::start().await;
    let server = server(&upstream, &upstream).await;
    (server, upstream)
}

pub(crate) fn chat(model: &str, text: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": text }] })
}

pub(crate) fn streamed(mut body: Value) -> Value {
    body["stream"] = true.into();
    body
}

pub(crate) async fn post(server: &Server, path: &str, body: &Value) -> Response {
    Request::post(path).json(body).send(server.public()).await
}

pub(crate) async fn get(server: &Server, path: &str) -> Response {
    Request::get(path).send(server.public()).await
}

/// The value of one metric line, which has to be there.
pub(crate) async fn metric(server: &Server, line: &str) -> f64 {
    let text = Request::get("/metrics").send(server.metrics()).await.text();
    let found = text.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(' ')?.parse().ok());
    found.unwrap_or_else(|| {
        let name = line.split('{').next().unwrap_or_default();
        let family: Vec<&str> = text.lines().filter(|line| line.starts_with(name)).collect();
        panic!("no metric `{line}` among {family:#?}")
    })
}

/// Ends the server in order and looks through what it wrote: it drained, and nothing was logged as an error.
pub(crate) async fn ended_well(mut server: Server) -> Vec<Value> {
    let status = server.terminate().await;
    let lines: Vec<Value> =
        server.stdout().lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert!(status.success(), "{status}: {}", server.stderr());
    for line in &lines {
        assert_ne!(line["level"], "ERROR", "{line}");
        assert_ne!(line["message"], "tasks did not end", "{line}");
    }
    lines
}

/// The access lines among log lines, without those of health checks.
pub(crate) fn access(lines: &[Value]) -> Vec<&Value> {
    lines.iter().filter(|line| line["message"] == "request" && line["route"] != "/ready").collect()
}

/// The status of a head that was read by itself.
pub(crate) fn status(head: &testkit::Head) -> u16 {
    head.first_line().split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line")
}

/// Everything the metrics listener exposes.
pub(crate) async fn metrics(server: &Server) -> String {
    Request::get("/metrics").send(server.metrics()).await.text()
}

/// The log so far, a value per line. A line that is still being written is left out.
pub(crate) fn log(server: &Server) -> Vec<Value> {
    let text = server.stdout();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?}"))).collect()
}

/// Waits until `holds`, for what only the outside of a process shows and nothing tells.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    testkit::within_patience(what, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}
