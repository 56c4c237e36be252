//! Malformed, slow, oversized and unusual clients: refused with the right status or served, and nobody else notices.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::http::{Connection, Request};
use testkit::process::{Plan, Server};
use testkit::upstream::{Answer, Upstream};
use testkit::{openai, within_patience};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::{access, chat, config, ended_well, get, metric, plan, started, status, streamed, until};

/// A chat request that would be served, for what is smuggled behind it or in front of it.
const CHAT: &str = r#"{"model":"first/small","messages":[{"role":"user","content":"hi"}]}"#;

/// What is wrong, the head's first line and fields after `Host`, the body, and the status told. `{chat}` is [`CHAT`],
/// `{length}` its length, `{smuggled}` a whole request of its own.
const MALFORMED: &[(&str, &str, &str, u16)] = &[
    ("length and coding", "Content-Length: 6\r\nTransfer-Encoding: chunked", "0\r\n\r\n{smuggled}", 400),
    (
        "coding and length",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "5c\r\n{smuggled}\r\n0\r\n\r\n",
        400,
    ),
    ("two lengths", "Content-Length: 0\r\nContent-Length: {length}", "{chat}", 400),
    ("two equal lengths", "Content-Length: {length}\r\nContent-Length: {length}", "{chat}", 400),
    ("a list of lengths", "Content-Length: {length}, {length}", "{chat}", 400),
    ("a signed length", "Content-Length: +{length}", "{chat}", 400),
    ("a length over 64 bits", "Content-Length: 18446744073709551621", "{chat}", 400),
    ("a disguised coding", "Transfer_Encoding: chunked\r\nContent-Length: {length}", "{chat}", 400),
    ("a coding before chunked", "Transfer-Encoding: gzip, chunked", "0\r\n\r\n{smuggled}", 501),
    ("an unknown coding", "Transfer-Encoding: xchunked", "0\r\n\r\n{smuggled}", 501),
    ("identity coding", "Transfer-Encoding: identity", "{chat}", 501),
    ("two codings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow", "0\r\n\r\n{smuggled}", 400),
    ("a vertical tab before the coding", "Transfer-Encoding: \u{b}chunked", "0\r\n\r\n", 400),
    ("two hosts", "Host: evil.example\r\nContent-Length: {length}", "{chat}", 400),
    ("a folded line", "X: a\r\n Content-Length: 5\r\nContent-Length: {length}", "{chat}", 400),
    ("a space before the colon", "Content-Length : {length}", "{chat}", 400),
    ("a bare line feed", "X: a\nTransfer-Encoding: chunked\r\nContent-Length: {length}", "{chat}", 400),
    ("a bare carriage return", "X: a\rContent-Length: 0\r\nContent-Length: {length}", "{chat}", 400),
    ("a NUL in a value", "X: a\0b\r\nContent-Length: {length}", "{chat}", 400),
    ("no colon", "X\r\nContent-Length: {length}", "{chat}", 400),
    ("a non-ASCII name", "X\u{e9}: a\r\nContent-Length: {length}", "{chat}", 400),
    (
        "a length taken away hop by hop",
        "Connection: content-length\r\nContent-Length: {length}",
        "{chat}",
        400,
    ),
    ("an unknown expectation", "Expect: 200-ok\r\nContent-Length: {length}", "{chat}", 417),
    ("a chunk size with a sign", "Transfer-Encoding: chunked", "+5\r\nhello\r\n0\r\n\r\n", 400),
    ("a chunk size in C's notation", "Transfer-Encoding: chunked", "0x5\r\nhello\r\n0\r\n\r\n", 400),
    (
        "a chunk size over 64 bits",
        "Transfer-Encoding: chunked",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        400,
    ),
    ("a chunk extension", "Transfer-Encoding: chunked", "0;\n{smuggled}", 400),
    ("a chunk longer than its size", "Transfer-Encoding: chunked", "4\r\nhello\r\n0\r\n\r\n{smuggled}", 400),
    ("a bare line feed in chunks", "Transfer-Encoding: chunked", "5\nhello\r\n0\r\n\r\n", 400),
    ("a trailer", "Transfer-Encoding: chunked", "0\r\nContent-Length: 5\r\n\r\n{smuggled}", 400),
];

/// Whole requests; `{host}` is the server's address.
const MALFORMED_HEADS: &[(&str, &str, u16)] = &[
    ("no host", "GET /health HTTP/1.1\r\n\r\n", 400),
    ("an empty line first", "\r\nGET /health HTTP/1.1\r\nHost: {host}\r\n\r\n", 400),
    ("two spaces", "GET  /health HTTP/1.1\r\nHost: {host}\r\n\r\n", 400),
    ("a tab", "GET\t/health HTTP/1.1\r\nHost: {host}\r\n\r\n", 400),
    ("another host in the target", "GET http://evil.example/health HTTP/1.1\r\nHost: {host}\r\n\r\n", 400),
    ("a fragment", "GET /health#x HTTP/1.1\r\nHost: {host}\r\n\r\n", 400),
    ("HTTP/0.9", "GET /health\r\n\r\n", 505),
    ("HTTP/1.2", "GET /health HTTP/1.2\r\nHost: {host}\r\n\r\n", 505),
    ("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("TRACE", "TRACE /health HTTP/1.1\r\nHost: {host}\r\n\r\n", 405),
    ("CONNECT", "CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n", 405),
    (
        "a coding in HTTP/1.0",
        "POST /health HTTP/1.0\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
];

#[tokio::test]
async fn every_malformed_form_is_refused_closed_and_counted_and_reaches_nobody() {
    let (server, upstream) = started().await;
    let host = server.public().to_string();
    let smuggled = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{CHAT}",
        CHAT.len()
    );
    let filled = |text: &str| {
        text.replace("{smuggled}", &smuggled)
            .replace("{chat}", CHAT)
            .replace("{length}", &CHAT.len().to_string())
            .replace("{host}", &host)
    };
    let with_body = MALFORMED.iter().map(|(name, fields, body, status)| {
        let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n";
        (*name, filled(&format!("{head}{fields}\r\n\r\n{body}")), *status)
    });
    let heads = MALFORMED_HEADS.iter().map(|(name, bytes, status)| (*name, filled(bytes), *status));
    let cases: Vec<_> = with_body.chain(heads).collect();
    assert!(cases.len() >= 24);
    for (name, bytes, status) in &cases {
        let mut connection = Connection::open(server.public()).await;
        connection.send_bytes(bytes).await.unwrap();
        let told = connection.until_close().await.unwrap();
        let told = String::from_utf8_lossy(&told).into_owned();
        assert!(told.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {told}");
        assert_eq!(told.matches("x-request-id: ").count(), 1, "{name}: {told}");
        assert!(told.to_ascii_lowercase().contains("connection: close"), "{name}: {told}");
        let body: Value = serde_json::from_str(told.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!(body["error"]["type"], "invalid_request_error", "{name}: {body}");
        assert!(body["error"]["request_id"].as_str().unwrap().starts_with("req_"), "{name}: {body}");
    }
    assert_eq!(upstream.count(), 0);
    let of = |status: u16| cases.iter().filter(|case| case.2 == status).count();
    for status in [400, 405, 417, 501, 505] {
        let line = format!(
            "parapet_http_requests_total{{method=\"other\",route=\"malformed\",status=\"{status}\"}}"
        );
        assert_eq!(metric(&server, &line).await, of(status) as f64, "{status}");
    }
    let lines = ended_well(server).await;
    let told: Vec<_> = access(&lines).into_iter().filter(|line| line["route"] == "malformed").collect();
    assert_eq!(told.len(), cases.len());
    assert!(told.iter().all(|line| line["detail"].is_string() && line["outcome"] == "client_error"));
}

/// Half of a head, and then silence. The short form opens them once; `PARAPET_HALF_OPEN_WAVES=3` opens each again when
/// it was closed, which keeps a thousand open for 30 s.
#[tokio::test]
async fn a_thousand_half_open_connections_leave_the_service_answering_and_are_closed_in_time() {
    let (server, upstream) = started().await;
    upstream.otherwise(Answer::json(&openai::completion("hello")));
    let count = 1_000.min(open_files() / 2 - 64);
    let waves = waves();
    let mut half_open = JoinSet::new();
    for _ in 0..count {
        let public = server.public();
        half_open.spawn(async move {
            let mut longest = Duration::ZERO;
            for _ in 0..waves {
                let mut connection = Connection::open(public).await;
                connection
                    .send_bytes("POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
                    .await
                    .unwrap();
                let began = Instant::now();
                let told = connection.until_close().await.unwrap();
                assert!(told.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&told));
                longest = longest.max(began.elapsed());
            }
            longest
        });
    }
    let open = async || metric(&server, "parapet_active_connections").await;
    until("all of them to be open", async || open().await >= count as f64).await;
    let mut probes = Vec::new();
    let mut closed = Vec::new();
    while closed.len() < count {
        let began = Instant::now();
        let told = Request::post("/v1/chat/completions")
            .json(&chat("first/small", "hi"))
            .send(server.public())
            .await;
        assert_eq!(told.status, 200);
        probes.push(began.elapsed());
        // The pace of the probes, and until which of the connections was closed.
        let pace = tokio::time::sleep(Duration::from_millis(50));
        tokio::select! {
            () = pace => {}
            Some(longest) = half_open.join_next() => closed.push(longest.unwrap()),
        }
        while let Some(longest) = half_open.try_join_next() {
            closed.push(longest.unwrap());
        }
    }
    probes.sort_unstable();
    closed.sort_unstable();
    let (median, p99, longest) =
        (probes[probes.len() / 2], probes[probes.len() * 99 / 100], closed[count - 1]);
    println!(
        "{count} half open, {waves} waves: {} probes, median {median:?}, p99 {p99:?}; closed after {longest:?}",
        probes.len()
    );
    assert!(median < Duration::from_millis(100), "median {median:?}");
    assert!(p99 < Duration::from_secs(1), "p99 {p99:?}");
    assert!(closed[0] >= Duration::from_secs(9), "closed after {:?}", closed[0]);
    assert!(longest < Duration::from_secs(13), "closed after {longest:?}");
    until("their places to be free again", async || open().await < 4.0).await;
    let line = "parapet_http_requests_total{method=\"other\",route=\"malformed\",status=\"408\"}";
    assert_eq!(metric(&server, line).await, (count * waves) as f64);
    ended_well(server).await;
}

/// With more clients than file descriptors the rest waits in the backlog: nobody is cut, nothing spins, and the
/// operations listeners answer.
#[tokio::test]
async fn a_small_file_limit_makes_clients_wait_and_nothing_spin() {
    let upstream = Upstream::start().await;
    upstream.otherwise(Answer::json(&openai::completion("hello")));
    let dir = tempfile::tempdir().unwrap();
    let limited = dir.path().join("parapet");
    let script = format!("#!/bin/sh\nulimit -n 192\nexec {} \"$@\"\n", env!("CARGO_BIN_EXE_parapet"));
    std::fs::write(&limited, script).unwrap();
    std::fs::set_permissions(&limited, std::fs::Permissions::from_mode(0o755)).unwrap();
    let server = Plan::new(limited)
        .config(config(&upstream, &upstream))
        .env("KEY_ONE", "sk-upstream-one")
        .env("KEY_TWO", "sk-upstream-two")
        .env("TEAM", "blue")
        .start()
        .await;
    let mut clients = Vec::new();
    for _ in 0..200 {
        clients.push(Connection::open(server.public()).await);
    }
    // Each of them asks, and stays.
    for client in &mut clients {
        client.send(&Request::post("/v1/chat/completions").json(&chat("second/x", "hi"))).await.unwrap();
    }
    until("half of the descriptors to be clients", async || {
        metric(&server, "parapet_active_connections").await >= 64.0
    })
    .await;
    for client in &mut clients[..64] {
        assert_eq!(client.response().await.unwrap().status, 200);
    }
    let before = processor_time(&server);
    // How much it does in half a second is what is measured.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let spent = processor_time(&server) - before;
    assert!(spent < Duration::from_millis(150), "{spent:?} in half a second");
    assert!(metric(&server, "parapet_active_connections").await <= 66.0);
    assert_eq!(Request::get("/ready").send(server.metrics()).await.status, 200);
    let waiting = clients.split_off(64);
    drop(clients);
    for mut client in waiting {
        assert_eq!(client.response().await.unwrap().status, 200);
    }
    ended_well(server).await;
}

#[tokio::test]
async fn a_body_that_drips_is_refused_after_its_grace() {
    let (server, upstream) = started().await;
    let mut connection = Connection::open(server.public()).await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n";
    connection.send_bytes(head).await.unwrap();
    let began = Instant::now();
    let mut drips = tokio::time::interval(Duration::from_millis(100));
    let told = within_patience("the body to be given up", async {
        loop {
            tokio::select! {
                told = connection.until_close() => break told.unwrap(),
                _ = drips.tick() => {}
            }
            connection.send_bytes(" ").await.unwrap();
        }
    });
    let told = told.await;
    assert!(told.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&told));
    let took = began.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(13)).contains(&took), "{took:?}");
    assert_eq!(upstream.count(), 0);
    ended_well(server).await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_told_so_announced_or_not() {
    let upstream = Upstream::start().await;
    let small = config(&upstream, &upstream) + "server: { body_limit: 64KiB }\n";
    let server = plan(small).start().await;
    let body = chat("first/small", &"x".repeat(8 * 1024 * 1024)).to_string();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n";
    let announced = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for (name, bytes) in [("announced", announced), ("chunked", chunked)] {
        // As most clients do: all of the body is written before an answer is looked for.
        let mut connection = Connection::open(server.public()).await;
        connection.send_bytes(&bytes).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let told = connection.response().await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(told.status, 413, "{name}: {}", told.text());
        assert_eq!(told.json()["error"]["type"], "request_too_large", "{name}");
    }
    let announced = format!("{head}Content-Length: 70000\r\n\r\n");
    let mut connection = Connection::open(server.public()).await;
    connection.send_bytes(&announced).await.unwrap();
    assert_eq!(connection.response().await.unwrap().status, 413, "before the body is sent");
    assert_eq!(upstream.count(), 0);
    ended_well(server).await;
}

#[tokio::test]
async fn json_is_refused_at_depth_65_and_served_at_64() {
    let (server, upstream) = started().await;
    upstream.otherwise(Answer::json(&openai::completion("hello")));
    let nested = |depth: usize| {
        // The object around it is the first level.
        let value = format!("{}{}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        format!(r#"{{"model":"first/small","messages":[{{"role":"user","content":"hi"}}],"x_deep":{value}}}"#)
    };
    for (depth, status) in [(64, 200), (65, 400), (100_000, 400)] {
        let request = Request::post("/v1/chat/completions")
            .header("content-type", "application/json")
            .body(nested(depth));
        let told = request.send(server.public()).await;
        assert_eq!(told.status, status, "{depth}: {}", told.text());
    }
    let body = format!(r#"{{"message":"hi","variables":{{"x":{}{}}}}}"#, "[".repeat(64), "]".repeat(64));
    let request =
        Request::post("/v1/agents/support/query").header("content-type", "application/json").body(body);
    let told = request.send(server.public()).await;
    assert_eq!((told.status, told.json()["error"]["code"].as_str()), (400, Some("invalid_json")));
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn a_flood_of_headers_is_431() {
    let (server, _upstream) = started().await;
    let many: String = (0..101).map(|n| format!("x-{n}: 1\r\n")).collect();
    let long = format!("x-long: {}\r\n", "x".repeat(40 * 1024));
    for (name, fields) in [("101 headers", many), ("40 KiB", long)] {
        let mut connection = Connection::open(server.public()).await;
        connection
            .send_bytes(format!("GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n"))
            .await
            .unwrap();
        let told = connection.response().await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(told.status, 431, "{name}: {}", told.text());
        assert_eq!(told.json()["error"]["code"], "headers_too_large", "{name}");
    }
    let fits = Request::get("/health").header("x-long", &"x".repeat(16 * 1024));
    assert_eq!(fits.send(server.public()).await.status, 200);
}

#[tokio::test]
async fn a_connection_is_used_again_after_every_kind_of_answer() {
    let (server, upstream) = started().await;
    upstream.expect(Answer::json(&openai::completion("one")));
    upstream.expect(Answer::sse(openai::chunks(["t", "wo"])));
    upstream.expect(Answer::json(&openai::completion("three")));
    let mut connection = Connection::open(server.public()).await;
    let mut ask = async |request: Request| {
        connection.send(&request).await.unwrap();
        connection.response().await.unwrap()
    };
    let post = |body: &Value| Request::post("/v1/chat/completions").json(body);
    assert_eq!(ask(post(&chat("first/small", "hi"))).await.status, 200);
    assert!(ask(post(&streamed(chat("first/small", "hi")))).await.text().ends_with("[DONE]\n\n"));
    assert_eq!(ask(post(&chat("none", "hi"))).await.status, 404);
    assert_eq!(ask(post(&json!({ "model": "both" }))).await.status, 400);
    assert_eq!(ask(Request::get("/nothing")).await.status, 404);
    assert_eq!(ask(Request::get("/v1/models")).await.status, 200);
    assert_eq!(
        ask(post(&chat("first/small", "hi"))).await.json()["choices"][0]["message"]["content"],
        "three"
    );
    upstream.finish();
    ended_well(server).await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let (server, upstream) = started().await;
    upstream.expect(Answer::json(&openai::completion("slow")).after(Duration::from_millis(100)));
    upstream.expect(Answer::sse(openai::chunks(["str", "eam"])));
    let host = server.public().to_string();
    let requests = [
        Request::post("/v1/chat/completions").json(&chat("first/small", "hi")),
        Request::get("/health"),
        Request::post("/v1/chat/completions").json(&streamed(chat("first/small", "hi"))),
        Request::get("/nothing"),
        Request::get("/v1/models/both"),
    ];
    let bytes: Vec<u8> = requests.iter().flat_map(|request| request.to_bytes(&host)).collect();
    let mut connection = Connection::open(server.public()).await;
    connection.send_bytes(bytes).await.unwrap();
    let mut told = Vec::new();
    for _ in &requests {
        told.push(connection.response().await.unwrap());
    }
    let statuses: Vec<u16> = told.iter().map(|response| response.status).collect();
    assert_eq!(statuses, [200, 200, 200, 404, 200]);
    assert!(told[0].text().contains("slow"));
    assert!(told[1].text().contains("healthy"));
    assert!(told[2].text().ends_with("[DONE]\n\n"));
    assert_eq!(told[4].json()["id"], "both");
    ended_well(server).await;
}

#[tokio::test]
async fn methods_a_path_does_not_take_are_405_with_those_it_does() {
    let (server, _upstream) = started().await;
    for (method, path, allow) in [
        ("GET", "/v1/chat/completions", "POST"),
        ("DELETE", "/v1/models", "GET, HEAD"),
        ("OPTIONS", "/health", "GET, HEAD"),
        ("FROB", "/health", "GET, HEAD"),
        ("PUT", "/v1/conversations", "POST, GET, HEAD"),
    ] {
        let told = Request::new(method, path).send(server.public()).await;
        assert_eq!((told.status, told.header("allow")), (405, Some(allow)), "{method} {path}");
        assert_eq!(told.json()["error"]["code"], "method_not_allowed", "{method} {path}");
    }
    let line = "parapet_http_requests_total{method=\"other\",route=\"unmatched\",status=\"405\"}";
    assert_eq!(metric(&server, line).await, 1.0);
}

/// RFC 9110, 9.1: every general-purpose server takes GET and HEAD; load balancers probe with it.
#[tokio::test]
async fn head_is_get_without_the_body() {
    let (server, _upstream) = started().await;
    for (path, status) in [("/health", 200), ("/v1/models", 200), ("/", 200), ("/nothing", 404)] {
        let mut connection = Connection::open(server.public()).await;
        let head = Request::new("HEAD", path).header("connection", "close");
        connection.send(&head).await.unwrap();
        let told = String::from_utf8_lossy(&connection.until_close().await.unwrap()).into_owned();
        assert!(told.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {told}");
        assert!(told.ends_with("\r\n\r\n"), "{path}: {told}");
        let length = get(&server, path).await.body.len();
        assert!(told.contains(&format!("content-length: {length}\r\n")), "{path}: {length}: {told}");
    }
}

/// Without `TCP_NODELAY` a small write waits for the peer's delayed ACK, 40 ms on Linux. A peer delays it only on a
/// connection that has just gone back and forth, and once: so each stream comes after whole answers on the same
/// connection, and its longest gap counts.
#[tokio::test]
async fn nothing_passes_in_steps_of_40_ms() {
    let (server, upstream) = started().await;
    let words: Vec<String> = (0..12).map(|n| format!("word {n} ")).collect();
    let chunks = openai::chunks(words.iter().map(String::as_str));
    // Longer than what is sent at once: its end is a segment of its own.
    let long = "x".repeat(100_000);
    let mut connection = Connection::open(server.public()).await;
    let (mut answers, mut gaps) = (Vec::new(), Vec::new());
    for _ in 0..15 {
        for text in ["hi", &long, "hi", "hi"] {
            upstream.expect(Answer::json(&openai::completion("hello")));
            let began = Instant::now();
            connection
                .send(&Request::post("/v1/chat/completions").json(&chat("second/x", text)))
                .await
                .unwrap();
            assert_eq!(connection.response().await.unwrap().status, 200);
            answers.push(began.elapsed());
        }
        upstream.expect(Answer::sse(&chunks).every(Duration::from_millis(5)));
        connection
            .send(&Request::post("/v1/chat/completions").json(&streamed(chat("second/x", "hi"))))
            .await
            .unwrap();
        assert_eq!(status(&connection.head().await.unwrap()), 200);
        let events = connection.events().await.unwrap();
        assert_eq!(events.len(), chunks.len());
        gaps.push(events.windows(2).map(|pair| pair[1].at - pair[0].at).max().unwrap());
    }
    // One that was not free again in time is not waited for.
    assert!(upstream.connections() <= 4, "{} connections", upstream.connections());
    for (what, mut times) in [("whole answers", answers), ("longest gaps of streams", gaps)] {
        times.sort_unstable();
        let (median, p90) = (times[times.len() / 2], times[times.len() * 9 / 10]);
        println!("{what}: median {median:?}, p90 {p90:?}");
        assert!(median < Duration::from_millis(30), "{what}: median {median:?}, p90 {p90:?}");
    }
}

/// What the server has used of the processors, from `/proc/PID/stat` in hundredths of a second.
fn processor_time(server: &Server) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.pid().unwrap())).unwrap();
    let fields = stat.rsplit_once(") ").unwrap().1.split(' ');
    let ticks: u64 = fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// The soft limit of this process, which the server inherits.
fn open_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap_or(usize::MAX)
}

#[expect(clippy::disallowed_methods, reason = "how a person asks for the long form")]
fn waves() -> usize {
    std::env::var("PARAPET_HALF_OPEN_WAVES").ok().and_then(|waves| waves.parse().ok()).unwrap_or(1)
}
