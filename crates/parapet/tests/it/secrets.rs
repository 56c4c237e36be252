//! What must not be written down is not, anywhere: keys, prompts, answers, what a provider says about itself. And what a
//! caller writes cannot forge a line of the log.

use serde_json::{Value, json};
use testkit::http::{Connection, Request, Response};
use testkit::openai;
use testkit::process::Server;
use testkit::upstream::{Answer, Upstream};

use crate::support::{chat, metrics, plan, streamed};

/// In every secret and every content, each with its place: `canary-prompt`, `canary-upstream-key`, …
const CANARY: &str = "canary";

async fn guarded(upstream: &Upstream) -> Server {
    let text = format!(
        r#"
version: 1
providers:
  first:
    kind: openai-compatible
    base_url: {}
    api_keys: [{{ env: KEY }}, "sk-canary-literal-0123456789"]
    headers: {{ x-secret: {{ env: HEADER }} }}
    timeouts: {{ connect: 1s, first_event: 1s, between_events: 1s, unary: 1s }}
agents:
  support: {{ models: [first/small], prompt: You are a friendly support agent for Acme. }}
auth:
  mode: required
  keys:
    - {{ name: app, key: {{ env: APP }}, role: admin }}
telemetry: {{ logs: {{ level: trace }} }}
"#,
        upstream.base_url()
    );
    plan(text)
        .env("KEY", "sk-canary-upstream-key-0123456789")
        .env("HEADER", "canary-upstream-header")
        .env("APP", "pk-canary-app-0123456789")
        .start()
        .await
}

fn authorised(request: Request) -> Request {
    request.bearer("pk-canary-app-0123456789")
}

#[tokio::test]
async fn no_secret_and_no_content_is_in_a_log_a_metric_an_error_or_the_shown_config() {
    let upstream = Upstream::start().await;
    let mut server = guarded(&upstream).await;
    let talkative = |status: u16| {
        let message = "stack canary-trace; your key sk-canary-upstream-key-0123456789 is canary-bad";
        Answer::status(status)
            .header("x-internal", "canary-upstream-answer-header")
            .json_body(&json!({ "error": { "message": message, "type": "canary-type", "code": "canary-code" }, "debug": "canary-body" }))
    };
    let prompt = "canary-prompt";
    let post = |path: &str, body: &Value| authorised(Request::post(path).json(body));
    let mut errors: Vec<Response> = Vec::new();
    for stream in [false, true] {
        let mut body = chat("first/small", prompt);
        body["stream"] = stream.into();
        for status in [401, 403, 429, 500, 503] {
            upstream.otherwise(talkative(status));
            errors.push(post("/v1/chat/completions", &body).send(server.public()).await);
        }
        upstream.otherwise(Answer::garbage());
        errors.push(post("/v1/chat/completions", &body).send(server.public()).await);
        upstream.otherwise(
            Answer::status(200).header("content-type", "text/html").body("<html>canary-page</html>"),
        );
        errors.push(post("/v1/chat/completions", &body).send(server.public()).await);
        upstream.otherwise(Answer::raw("HTTP/1.1 200 canary-reason\r\ncanary-header\r\n\r\n"));
        errors.push(post("/v1/chat/completions", &body).send(server.public()).await);
    }
    // Answers that are cut in the middle.
    upstream.otherwise(Answer::sse(openai::chunks(["canary-answer ", "canary-more"])).cut_after(700));
    for path in ["/v1/chat/completions", "/v1/agents/support/query"] {
        let body = if path.starts_with("/v1/chat") {
            chat("first/small", prompt)
        } else {
            json!({ "message": prompt })
        };
        let (_, mut connection) = post(path, &streamed(body)).open(server.public()).await;
        while let Ok(Some(_)) = connection.event().await {}
    }
    upstream.otherwise(Answer::sse(["{canary-broken json", "[DONE]"]));
    errors.push(
        post("/v1/chat/completions", &streamed(chat("first/small", prompt))).send(server.public()).await,
    );
    // Answers that are given, and kept.
    upstream.otherwise(Answer::json(&openai::completion("canary-answer")));
    let told =
        post("/v1/agents/support/query", &json!({ "message": prompt, "tags": { "team": "canary-tag" } }));
    let told = told.send(server.public()).await;
    assert!(told.text().contains("canary-answer"), "{}", told.text());
    let id = told.json()["conversation_id"].as_str().unwrap().to_owned();
    for request in [
        Request::new("DELETE", &format!("/v1/conversations/{id}")),
        Request::get("/v1/models?api_key=canary-query"),
        Request::get("/v1/models")
            .header("cookie", "session=canary-cookie")
            .header("x-custom", "canary-request-header"),
        Request::post("/v1/chat/completions")
            .header("content-type", "application/json")
            .body("{\"canary-json\": "),
        Request::post("/v1/chat/completions")
            .json(&json!({ "model": "first/small", "messages": "canary-messages" })),
        Request::post("/v1/agents/support/query").json(&json!({ "message": ["canary-type"] })),
        Request::post("/v1/agents/support/query").json(&json!({ "message": "x", "tags": { "x": 1 } })),
        Request::post("/v1/conversations").json(&json!({ "title": "canary-title\n" })),
    ] {
        errors.push(authorised(request).send(server.public()).await);
    }
    // Callers without a key, or with a wrong one.
    for request in [
        Request::get("/v1/models").bearer("pk-canary-wrong"),
        Request::get("/v1/models").header("authorization", "Basic canary-basic"),
        Request::get("/v1/models").header("x-api-key", "canary-wrong"),
        Request::get("/v1/models?key=canary-query"),
    ] {
        let told = request.send(server.public()).await;
        assert_eq!(told.status, 401, "{}", told.text());
        errors.push(told);
    }
    let mut malformed = Connection::open(server.public()).await;
    malformed.send_bytes("GET /canary-path HTTP/1.1\r\ncanary header\r\n\r\n").await.unwrap();
    errors.push(malformed.response().await.unwrap());

    let refused = errors.iter().filter(|told| told.status >= 400).count();
    assert!(refused >= 24, "{refused} refusals");
    for told in &errors {
        let (head, text) = (String::from_utf8_lossy(told.head.raw()).into_owned(), told.text());
        assert!(!head.contains(CANARY) && !text.contains(CANARY), "{head}{text}");
    }
    let exposed = metrics(&server).await;
    assert!(!exposed.contains(CANARY), "{exposed}");
    let shown = authorised(Request::get("/admin/v1/config")).send(server.admin()).await;
    assert_eq!(shown.status, 200);
    assert!(shown.text().contains("first/small") && !shown.text().contains(CANARY), "{}", shown.text());
    server.terminate().await;
    let (out, err) = (server.stdout(), server.stderr());
    assert!(out.lines().count() > errors.len(), "the log was kept");
    for line in out.lines().chain(err.lines()) {
        assert!(!line.contains(CANARY), "{line}");
    }
}

#[tokio::test]
async fn what_the_caller_did_wrong_is_told_in_the_providers_words_without_its_secrets() {
    let upstream = Upstream::start().await;
    let server = guarded(&upstream).await;
    let message = "temperature is too hot for key sk-canary-upstream-key-0123456789";
    upstream.expect(Answer::status(400).json_body(&openai::error(
        message,
        "x",
        Some("temperature"),
        Some("too_hot"),
    )));
    let told = authorised(Request::post("/v1/chat/completions").json(&chat("first/small", "hi")))
        .send(server.public())
        .await;
    assert_eq!(told.status, 400);
    let error = told.json()["error"].clone();
    assert!(error["message"].as_str().unwrap().starts_with("temperature is too hot"), "{error}");
    assert!(!error.to_string().contains(CANARY), "{error}");
}

/// Control characters, ANSI, and what some viewers take for the end of a line (S21).
const FORGERIES: [&str; 9] = [
    "a\nb",
    "a\r\n{\"level\":\"ERROR\",\"message\":\"forged\"}",
    "a\u{1b}[31mred",
    "a\u{2028}b",
    "a\u{2029}b",
    "a\u{85}b",
    "a\u{0}b",
    "a\u{7f}b",
    "a\u{202e}b",
];

#[tokio::test]
async fn nothing_a_caller_writes_begins_a_line_or_colours_one() {
    let upstream = Upstream::start().await;
    let text = format!(
        "version: 1\nproviders: {{ first: {{ kind: openai-compatible, base_url: {} }} }}\n\
         agents: {{ support: {{ models: [first/small], prompt: hi }} }}\ntelemetry: {{ logs: {{ level: debug }} }}\n",
        upstream.base_url()
    );
    for format in ["json", "text"] {
        let mut server = plan(text.clone()).env("PARAPET__TELEMETRY__LOGS__FORMAT", format).start().await;
        upstream.otherwise(Answer::status(500));
        let mut asked = 0;
        for forgery in FORGERIES {
            let encoded: String = forgery.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let mut requests = vec![
                Request::post("/v1/chat/completions").json(&chat(&format!("first/{forgery}"), "hi")),
                Request::post("/v1/chat/completions").json(&chat(forgery, "hi")),
                Request::post("/v1/chat/completions")
                    .json(&json!({ "model": "first/x", "messages": [], forgery: 1 })),
                Request::post(&format!("/v1/agents/{encoded}/query")).json(&json!({ "message": "hi" })),
                Request::post("/v1/agents/support/query").json(&json!({ "message": "hi", forgery: 1 })),
                Request::post("/v1/agents/support/query")
                    .json(&json!({ "message": forgery, "channel": forgery })),
                Request::get(&format!("/{encoded}?{encoded}={encoded}")),
                Request::get(&format!("/v1/conversations?{encoded}=1")),
            ];
            // What a header may hold reaches the server; the rest of the corpus is refused by the guard.
            if !forgery.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
                requests.push(Request::get("/health").header("x-request-id", forgery));
                requests.push(
                    Request::get("/health").header("traceparent", forgery).header("user-agent", forgery),
                );
            }
            for request in requests {
                request.send(server.public()).await;
                asked += 1;
            }
            let mut connection = Connection::open(server.public()).await;
            let raw = format!(
                "GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\nx-request-id: {forgery}\r\nconnection: close\r\n\r\n"
            );
            connection.send_bytes(raw).await.unwrap();
            connection.until_close().await.unwrap();
            asked += 1;
        }
        server.terminate().await;
        let out = server.stdout();
        let mut requests = 0;
        for line in out.lines() {
            let strange =
                |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}');
            assert!(!line.contains(strange), "{format}: {line:?}");
            assert!(!line.starts_with("{\"level\":\"ERROR\""), "{format}: {line}");
            if format == "json" {
                assert_eq!(
                    line.matches("\"target\":").count() + line.matches("\"route\":").count(),
                    1,
                    "{line}"
                );
                let line: Value =
                    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
                requests += usize::from(line["message"] == "request" && line["route"] != "/ready");
            }
        }
        assert!(format == "text" || requests == asked, "{requests} lines of {asked} requests");
    }
}

#[tokio::test]
async fn a_provider_that_repeats_its_key_or_headers_does_not_tell_them_to_callers() {
    let upstream = Upstream::start().await;
    let text = format!(
        r#"
version: 1
providers:
  first:
    kind: openai-compatible
    base_url: {}
    api_key: {{ env: KEY }}
    headers: {{ x-team: {{ env: HEADER }} }}
"#,
        upstream.base_url()
    );
    // Neither looks like a secret.
    let server = plan(text).env("KEY", "local-pass").env("HEADER", "blue team").start().await;
    let told = openai::error(
        "token local-pass of blue team is odd",
        "invalid",
        Some("local-pass"),
        Some("blue team"),
    );
    upstream.otherwise(Answer::status(400).json_body(&told));
    for body in [chat("first/small", "hi"), streamed(chat("first/small", "hi"))] {
        let answer = Request::post("/v1/chat/completions").json(&body).send(server.public()).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json()["error"]["message"], "token [redacted] of [redacted] is odd");
        assert!(
            !answer.text().contains("local-pass") && !answer.text().contains("blue team"),
            "{}",
            answer.text()
        );
    }
}
