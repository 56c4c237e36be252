//! Who may call.

use testkit::http::Request;
use testkit::openai;
use testkit::process::Plan;
use testkit::upstream::{Answer, Upstream};

use crate::support::{chat, config, get, plan, started};

fn guarded(upstream: &Upstream) -> Plan {
    let auth = r#"
auth:
  mode: required
  keys:
    - { name: app, key: { env: APP_KEY }, role: user }
    - { name: watcher, key: { env: WATCHER_KEY }, role: viewer }
    - { name: other, key: { env: OTHER_KEY }, role: admin, tenant: other }
"#;
    plan(config(upstream, upstream) + auth)
        .env("APP_KEY", "pk-app-0123456789")
        .env("WATCHER_KEY", "pk-watcher-0123456789")
        .env("OTHER_KEY", "pk-other-0123456789")
}

#[tokio::test]
async fn a_key_is_needed_and_its_role_decides() {
    let upstream = Upstream::start().await;
    upstream.otherwise(Answer::json(&openai::completion("hi")));
    let server = guarded(&upstream).start().await;
    let ask = || Request::post("/v1/chat/completions").json(&chat("first/small", "hi"));
    for (name, request, status) in [
        ("none", ask(), 401),
        ("wrong", ask().bearer("pk-app-0123456788"), 401),
        ("prefix", ask().bearer("pk-app-012345678"), 401),
        ("viewer", ask().bearer("pk-watcher-0123456789"), 403),
        ("user", ask().bearer("pk-app-0123456789"), 200),
        ("x-api-key", ask().header("x-api-key", "pk-app-0123456789"), 200),
        ("viewer lists", Request::get("/v1/models").bearer("pk-watcher-0123456789"), 200),
        ("health", Request::get("/health"), 200),
        ("unknown path", Request::get("/v1/nothing"), 404),
    ] {
        let told = request.send(server.public()).await;
        assert_eq!(told.status, status, "{name}: {}", told.text());
        if status == 401 {
            assert_eq!(told.header("www-authenticate"), Some("Bearer"));
            assert_eq!(told.json()["error"]["type"], "authentication_error");
        }
    }
    let admin = Request::get("/admin/v1/config");
    assert_eq!(admin.send(server.admin()).await.status, 401);
    assert_eq!(admin.clone().bearer("pk-app-0123456789").send(server.admin()).await.status, 403);
    let shown = admin.bearer("pk-other-0123456789").send(server.admin()).await;
    assert_eq!(shown.status, 200);
    assert!(!shown.text().contains("pk-") && !shown.text().contains("sk-"), "{}", shown.text());
}

#[tokio::test]
async fn open_mode_is_for_this_machine_only() {
    let (server, _upstream) = started().await;
    assert_eq!(get(&server, "/v1/models").await.status, 200);
    for (name, value) in [
        ("x-forwarded-for", "10.0.0.1"),
        ("forwarded", "for=10.0.0.1"),
        ("via", "1.1 proxy"),
        ("origin", "http://evil.example"),
    ] {
        let told = Request::get("/v1/models").header(name, value).send(server.public()).await;
        assert_eq!(told.status, 403, "{name}");
        assert_eq!(told.json()["error"]["code"], "open_mode_is_local");
    }
    let mut connection = testkit::http::Connection::open(server.public()).await;
    connection.send_bytes("GET /v1/models HTTP/1.1\r\nhost: evil.example\r\n\r\n").await.unwrap();
    assert_eq!(connection.response().await.unwrap().status, 403);
}

#[tokio::test]
async fn nobody_could_log_in_is_a_fault_that_names_the_fix() {
    let upstream = Upstream::start().await;
    let ended = plan(config(&upstream, &upstream) + "auth: { mode: required }\n").run().await;
    assert_eq!(ended.status.code(), Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("auth: { keys:"), "{}", ended.stderr);
}
