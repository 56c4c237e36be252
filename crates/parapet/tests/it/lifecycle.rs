//! Start, reload and end: what a supervisor, an operator with `kill`, and a person with a wrong config see.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use testkit::http::{Connection, Event, Request};
use testkit::openai;
use testkit::process::{Plan, Server};
use testkit::upstream::{Answer, Upstream};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::{
    chat, config, ended_well, get, log, metric, plan, post, started, status, streamed, until,
};

/// A config whose drain ends after `drain`.
fn draining(upstream: &Upstream, drain: &str) -> Plan {
    plan(config(upstream, upstream) + &format!("server: {{ shutdown: {{ drain: {drain} }} }}\n"))
}

/// A stream that has begun: its first content is here.
async fn stream(server: &Server) -> Connection {
    let request = Request::post("/v1/chat/completions").json(&streamed(chat("second/slow", "hi")));
    let (head, mut connection) = request.open(server.public()).await;
    assert_eq!(status(&head), 200);
    connection.event().await.unwrap().unwrap();
    connection
}

/// What comes until the body ends, and whether it ends as it should.
async fn rest(connection: &mut Connection) -> (Vec<Event>, bool) {
    let mut events = Vec::new();
    loop {
        match connection.event().await {
            Ok(Some(event)) => events.push(event),
            Ok(None) => return (events, true),
            Err(_) => return (events, false),
        }
    }
}

fn stuck() -> Answer {
    // A role and two words, and no end.
    Answer::sse(openai::chunks(["one", "two"]).into_iter().take(3)).every(Duration::from_millis(1)).stall()
}

/// One stream of a second and a half.
fn slow() -> Answer {
    let words = ["and so on "; 30];
    Answer::sse(openai::chunks(words)).every(Duration::from_millis(50))
}

#[tokio::test]
async fn sigterm_says_not_ready_while_a_stream_goes_on_to_its_end() {
    let upstream = Upstream::start().await;
    let mut server = draining(&upstream, "30s").start().await;
    upstream.expect(slow());
    let mut connection = stream(&server).await;
    let ready = async || Request::get("/ready").send(server.metrics()).await;
    assert_eq!(ready().await.status, 200);
    server.signal(Signal::TERM);
    until("the server to say that it is not ready", async || ready().await.status == 503).await;
    assert_eq!(ready().await.json()["reason"], "draining");
    let health = Request::get("/health").send(server.metrics()).await;
    assert_eq!(health.status, 200, "the process is alive, and must not be killed for it");
    assert!(metric(&server, "parapet_active_streams").await >= 1.0);
    let (events, whole) = rest(&mut connection).await;
    assert!(whole);
    assert_eq!(events.last().unwrap().data.as_deref(), Some(openai::DONE));
    assert_eq!(server.ended().await.code(), Some(0));
    let outcomes: Vec<Value> = log(&server)
        .iter()
        .filter(|line| line["stream"] == true)
        .map(|line| line["outcome"].clone())
        .collect();
    assert_eq!(outcomes, ["ok"]);
}

#[tokio::test]
async fn sigterm_fails_none_of_a_hundred_streams_and_whole_answers() {
    let upstream = Upstream::start().await;
    let mut server = draining(&upstream, "30s").start().await;
    upstream.otherwise(slow());
    let mut streams = JoinSet::new();
    for _ in 0..100 {
        let mut connection = stream(&server).await;
        streams.spawn(async move { rest(&mut connection).await });
    }
    upstream.otherwise(Answer::json(&openai::completion("hello")).after(Duration::from_millis(500)));
    let mut answers = Vec::new();
    for number in 100..110 {
        let mut connection = Connection::open(server.public()).await;
        connection
            .send(&Request::post("/v1/chat/completions").json(&chat("second/slow", "hi")))
            .await
            .unwrap();
        upstream.call(number).await;
        answers.push(connection);
    }
    server.signal(Signal::TERM);
    for mut connection in answers {
        let told = connection.response().await.unwrap();
        assert_eq!((told.status, told.header("connection")), (200, Some("close")));
    }
    for (events, whole) in streams.join_all().await {
        assert!(whole);
        assert_eq!(events.last().unwrap().data.as_deref(), Some(openai::DONE));
    }
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn accept_for_keeps_taking_connections_after_sigterm() {
    let upstream = Upstream::start().await;
    let shutdown = "server: { shutdown: { accept_for: 1s, drain: 30s } }\n";
    let mut server = plan(config(&upstream, &upstream) + shutdown).start().await;
    let began = Instant::now();
    server.signal(Signal::TERM);
    until("the server to say that it is not ready", async || get(&server, "/ready").await.status == 503)
        .await;
    // A load balancer that has not noticed yet.
    assert_eq!(get(&server, "/v1/models").await.status, 200);
    assert_eq!(server.ended().await.code(), Some(0));
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_is_stuck_after_the_drain_is_told_and_cut() {
    let upstream = Upstream::start().await;
    let patient = config(&upstream, &upstream).replace("2s", "60s");
    let mut server = plan(patient + "server: { shutdown: { drain: 1s } }\n").start().await;
    upstream.expect(stuck());
    let mut cut = stream(&server).await;
    upstream.expect(Answer::never_answer());
    let mut waiting = Connection::open(server.public()).await;
    waiting.send(&Request::post("/v1/chat/completions").json(&chat("second/slow", "hi"))).await.unwrap();
    upstream.call(1).await;
    let began = Instant::now();
    server.signal(Signal::TERM);
    let (events, whole) = rest(&mut cut).await;
    assert!(!whole, "a cut stream ended as if complete");
    let error = events.last().unwrap().json()["error"].clone();
    assert_eq!(
        (error["code"].as_str(), error["type"].as_str()),
        (Some("shutting_down"), Some("overloaded_error"))
    );
    assert_eq!(
        (error["partial"].as_bool(), error["retryable"].as_bool()),
        (Some(true), Some(true)),
        "{error}"
    );
    let told = waiting.response().await.unwrap();
    assert_eq!((told.status, told.json()["error"]["code"].as_str()), (503, Some("shutting_down")));
    assert_eq!(server.ended().await.code(), Some(0));
    let took = began.elapsed();
    assert!((Duration::from_millis(1000)..Duration::from_millis(2500)).contains(&took), "{took:?}");
    for call in upstream.calls() {
        call.client_gone().await;
    }
}

#[tokio::test]
async fn a_second_sigterm_hurries() {
    let upstream = Upstream::start().await;
    let patient = config(&upstream, &upstream).replace("2s", "60s");
    let mut server = plan(patient + "server: { shutdown: { drain: 60s } }\n").start().await;
    upstream.expect(stuck());
    let mut connection = stream(&server).await;
    server.signal(Signal::TERM);
    let ready = async || Request::get("/ready").send(server.metrics()).await;
    until("the server to drain", async || ready().await.status == 503).await;
    let began = Instant::now();
    server.signal(Signal::TERM);
    let (events, whole) = rest(&mut connection).await;
    assert!(!whole);
    assert_eq!(events.last().unwrap().json()["error"]["code"], "shutting_down");
    assert_eq!(server.ended().await.code(), Some(0));
    assert!(began.elapsed() < Duration::from_millis(5500), "{:?}", began.elapsed());
}

#[tokio::test]
async fn with_nothing_running_it_ends_at_once_whoever_is_connected() {
    let upstream = Upstream::start().await;
    let mut server = draining(&upstream, "30s").start().await;
    let silent = Connection::open(server.public()).await;
    let mut half_open = Connection::open(server.public()).await;
    half_open.send_bytes("GET /health HTTP/1.1\r\nHost: ").await.unwrap();
    let mut idle = Connection::open(server.public()).await;
    idle.send(&Request::get("/health")).await.unwrap();
    assert_eq!(idle.response().await.unwrap().status, 200);
    let mut scraper = Connection::open(server.metrics()).await;
    scraper.send(&Request::get("/metrics")).await.unwrap();
    assert_eq!(scraper.response().await.unwrap().status, 200);
    for signal in [Signal::TERM, Signal::INT] {
        let began = Instant::now();
        server.signal(signal);
        assert_eq!(server.ended().await.code(), Some(0));
        assert!(began.elapsed() < Duration::from_millis(500), "{signal:?}: {:?}", began.elapsed());
        server.restart().await;
    }
    drop((silent, half_open, idle, scraper));
    let lines = ended_well(server).await;
    assert_eq!(lines.iter().filter(|line| line["message"] == "ended").count(), 3);
}

#[tokio::test]
async fn sighup_puts_a_new_config_in_force_and_a_wrong_one_changes_nothing() {
    let (mut server, upstream) = started().await;
    upstream.otherwise(Answer::json(&openai::completion("hello")));
    let good = config(&upstream, &upstream);
    assert_eq!(post(&server, "/v1/chat/completions", &chat("added", "hi")).await.status, 404);

    server
        .reconfigure(good.replace("models:\n  both", "models:\n  added: { targets: [second/new] }\n  both"));
    server.signal(Signal::HUP);
    until("the new model", async || get(&server, "/v1/models/added").await.status == 200).await;
    assert_eq!(post(&server, "/v1/chat/completions", &chat("added", "hi")).await.status, 200);
    assert_eq!(metric(&server, "parapet_config_last_reload_successful").await, 1.0);

    for wrong in [
        "version: 1\nmodles: {}\n",
        "not yaml: [",
        "version: 1\nagents: { a: { prompt: p, models: [nobody/x] } }\n",
    ] {
        server.reconfigure(wrong);
        server.signal(Signal::HUP);
        until("the reload to be refused", async || {
            metric(&server, "parapet_config_last_reload_successful").await == 0.0
        })
        .await;
        assert_eq!(post(&server, "/v1/chat/completions", &chat("added", "hi")).await.status, 200, "{wrong}");
        assert_eq!(get(&server, "/ready").await.status, 200, "{wrong}");
        server.reconfigure(good.replace("both: {", "added: { targets: [second/new] }\n  both: {"));
        server.signal(Signal::HUP);
        until("the config to be good again", async || {
            metric(&server, "parapet_config_last_reload_successful").await == 1.0
        })
        .await;
    }
    fs::remove_file(server.dir().join("parapet.yaml")).unwrap();
    server.signal(Signal::HUP);
    until("the reload to be refused", async || {
        metric(&server, "parapet_config_last_reload_successful").await == 0.0
    })
    .await;
    assert_eq!(
        post(&server, "/v1/chat/completions", &chat("added", "hi")).await.status,
        200,
        "without a file"
    );
    assert!(server.terminate().await.success());
    let lines = log(&server);
    let refused: Vec<&Value> = lines.iter().filter(|line| line["level"] == "ERROR").collect();
    assert_eq!(refused.len(), 4, "{refused:?}");
    assert!(refused[0]["faults"].as_str().unwrap().contains("modles"), "{}", refused[0]);
}

#[tokio::test]
async fn keys_that_need_a_restart_are_named_when_they_change() {
    let (mut server, upstream) = started().await;
    let changed = "server: { max_connections: 100, body_limit: 1MiB }\nstorage: { database: { durability: relaxed } }\n";
    server.reconfigure(config(&upstream, &upstream) + changed);
    server.signal(Signal::HUP);
    let reloaded = || log(&server).into_iter().find(|line| line["message"] == "config reloaded");
    until("the reload", async || reloaded().is_some()).await;
    let named = reloaded().unwrap()["needs_restart"].as_str().unwrap().to_owned();
    assert!(
        named.contains("server.max_connections") && named.contains("storage.database.durability"),
        "{named}"
    );
    assert!(!named.contains("body_limit"), "{named}");
    ended_well(server).await;
}

#[tokio::test]
async fn a_stream_in_flight_ends_on_the_config_it_began_with() {
    let (mut server, upstream) = started().await;
    upstream.expect(slow());
    let mut connection = stream(&server).await;
    // The provider it came from is not even there any more.
    let without =
        config(&upstream, &upstream).replace("  second:", "  third:").replace("second/other", "third/other");
    server.reconfigure(without);
    server.signal(Signal::HUP);
    upstream.otherwise(Answer::json(&openai::completion("hello")));
    until("the new config", async || {
        post(&server, "/v1/chat/completions", &chat("second/slow", "hi")).await.status == 404
    })
    .await;
    assert_eq!(post(&server, "/v1/chat/completions", &chat("third/x", "hi")).await.status, 200);
    let (events, whole) = rest(&mut connection).await;
    assert!(whole);
    assert_eq!(events.last().unwrap().data.as_deref(), Some(openai::DONE));
    ended_well(server).await;
}

#[tokio::test]
async fn secrets_in_files_are_read_again_by_sighup() {
    let upstream = Upstream::start().await;
    upstream.otherwise(Answer::json(&openai::completion("hello")));
    let dir = tempfile::tempdir().unwrap();
    let (upstream_key, app_key) = (dir.path().join("upstream"), dir.path().join("app"));
    fs::write(&upstream_key, "sk-old-0123456789\n").unwrap();
    fs::write(&app_key, "pk-old-0123456789\n").unwrap();
    let text = format!(
        "version: 1\nproviders:\n  first: {{ kind: openai-compatible, base_url: {}, api_key: {{ file: {} }} }}\n\
         auth: {{ mode: required, keys: [{{ name: app, key: {{ file: {} }}, role: user }}] }}\n",
        upstream.base_url(),
        upstream_key.display(),
        app_key.display(),
    );
    let server = plan(text).start().await;
    let ask = async |key: &str| {
        Request::post("/v1/chat/completions")
            .json(&chat("first/x", "hi"))
            .bearer(key)
            .send(server.public())
            .await
            .status
    };
    assert_eq!(ask("pk-old-0123456789").await, 200);
    fs::write(&upstream_key, "sk-new-0123456789\n").unwrap();
    fs::write(&app_key, "pk-new-0123456789\n").unwrap();
    assert_eq!(ask("pk-new-0123456789").await, 401);
    server.signal(Signal::HUP);
    until("the new key", async || ask("pk-new-0123456789").await == 200).await;
    assert_eq!(ask("pk-old-0123456789").await, 401);
    let keys: Vec<_> =
        upstream.calls().iter().map(|call| call.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(keys, ["Bearer sk-old-0123456789", "Bearer sk-new-0123456789"]);
    // A file that is gone is a config that cannot be used: the keys stay as they are.
    fs::remove_file(&app_key).unwrap();
    server.signal(Signal::HUP);
    until("the reload to be refused", async || {
        metric(&server, "parapet_config_last_reload_successful").await == 0.0
    })
    .await;
    assert_eq!(ask("pk-new-0123456789").await, 200);
    let said = server.stdout() + &server.stderr();
    assert!(!said.contains("-0123456789"), "{said}");
}

#[tokio::test]
async fn the_start_says_where_everything_is_and_what_to_do_next() {
    let (server, _upstream) = started().await;
    let told = server.stderr();
    for part in [
        format!("http://{}", server.public()),
        format!("http://{}/metrics", server.metrics()),
        format!("http://{}/admin", server.admin()),
        server.dir().join("data").display().to_string(),
        "open: every request from this machine is the admin".to_owned(),
        format!("curl http://{}/v1/agents/support/query", server.public()),
        "parapet chat support".to_owned(),
    ] {
        assert!(told.contains(&part), "{part}: {told}");
    }
}

#[tokio::test]
async fn a_second_server_on_the_same_data_is_told_the_way_out() {
    let (server, _upstream) = started().await;
    let data = server.dir().join("data");
    let ended = plan("version: 1\n".to_owned()).env("PARAPET_DATA_DIR", data.to_str().unwrap()).run().await;
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("another process is using the data directory"), "{}", ended.stderr);
    assert!(ended.stderr.contains("storage.data_dir"), "{}", ended.stderr);
    assert_eq!(get(&server, "/ready").await.status, 200);
}

#[tokio::test]
async fn a_port_in_use_is_told_with_the_way_out() {
    let (server, _upstream) = started().await;
    for (key, address) in [("server.listen", server.public()), ("server.metrics.listen", server.metrics())] {
        let ended = plan("version: 1\n".to_owned()).arg("--set").arg(&format!("{key}={address}")).run().await;
        assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
        for part in [address.to_string().as_str(), "another process listens there", &format!("--set {key}=")]
        {
            assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
        }
    }
}

#[tokio::test]
async fn a_wrong_config_is_told_before_anything_is_touched() {
    let ended = plan("version: 1\nagents: { a: { modles: [x] } }\n".to_owned()).run().await;
    assert_eq!(ended.status.code(), Some(2), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("parapet.yaml:2:") && ended.stderr.contains("`models`"),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.stdout, "");
}
