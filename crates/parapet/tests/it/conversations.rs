//! Agents keep conversations: stored in order, the caller's own, and never interleaved.

use serde_json::{Value, json};
use testkit::http::Request;
use testkit::openai;
use testkit::process::Server;
use testkit::upstream::{Answer, Upstream};

use crate::support::{ended_well, get, post, started};

async fn ask(server: &Server, message: &str, conversation: Option<&str>) -> Value {
    let mut body = json!({ "message": message });
    if let Some(id) = conversation {
        body["conversation_id"] = id.into();
    }
    let told = post(server, "/v1/agents/support/query", &body).await;
    assert_eq!(told.status, 200, "{}", told.text());
    told.json()
}

async fn items(server: &Server, conversation: &str) -> Vec<(String, String, String)> {
    let list = get(server, &format!("/v1/conversations/{conversation}/items?limit=100")).await.json();
    let text = |item: &Value| {
        let of = |pointer: &str| item.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        (of("/role"), of("/content/0/text"), of("/status"))
    };
    list["data"].as_array().unwrap().iter().map(text).collect()
}

fn line(role: &str, text: &str, status: &str) -> (String, String, String) {
    (role.to_owned(), text.to_owned(), status.to_owned())
}

#[tokio::test]
async fn an_answer_has_its_shape_and_the_next_message_its_history() {
    let (server, upstream) = started().await;
    upstream.expect(Answer::json(&openai::completion("Hello, I am support.")));
    let first = ask(&server, "hello", None).await;
    assert_eq!(first["object"], "agent.answer");
    assert_eq!(first["response"], "Hello, I am support.");
    assert_eq!(first["finish_reason"], "stop");
    assert_eq!(first["metadata"]["source"], "model");
    assert_eq!(first["cost_usd"], Value::Null);
    let id = first["conversation_id"].as_str().unwrap();
    upstream.expect(Answer::json(&openai::completion("As I said.")));
    ask(&server, "who are you?", Some(id)).await;
    let sent = upstream.call(1).await.json();
    let roles: Vec<&str> =
        sent["messages"].as_array().unwrap().iter().map(|m| m["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "user"]);
    assert_eq!(sent["messages"][2]["content"], "Hello, I am support.");
    assert_eq!(
        items(&server, id).await,
        [
            line("user", "hello", "completed"),
            line("assistant", "Hello, I am support.", "completed"),
            line("user", "who are you?", "completed"),
            line("assistant", "As I said.", "completed"),
        ]
    );
    upstream.finish();
    ended_well(server).await;
}

#[tokio::test]
async fn an_agent_streams_typed_events_and_keeps_what_it_said() {
    let (server, upstream) = started().await;
    upstream.expect(Answer::sse(openai::chunks_with_usage(["Hel", "lo"], 9, 3)));
    let body = json!({ "message": "hi", "stream": true, "tags": { "team": "blue" } });
    let (_, mut connection) =
        Request::post("/v1/agents/support/query").json(&body).open(server.public()).await;
    let events = connection.events().await.unwrap();
    let names: Vec<&str> = events.iter().filter_map(|event| event.name.as_deref()).collect();
    assert_eq!(names, ["answer.started", "answer.delta", "answer.delta", "answer.completed"]);
    let done = events.last().unwrap().json();
    assert_eq!(done["response"], "Hello");
    assert_eq!(done["usage"], json!({ "input_tokens": 9, "output_tokens": 3, "total_tokens": 12 }));
    assert_eq!(events[0].json()["conversation_id"], done["conversation_id"]);
    let id = done["conversation_id"].as_str().unwrap();
    assert_eq!(items(&server, id).await[1], line("assistant", "Hello", "completed"));
}

#[tokio::test]
async fn a_cut_answer_is_kept_as_partial_and_a_failed_turn_is_not_shown_to_the_model() {
    let (server, upstream) = started().await;
    upstream.expect(Answer::sse(openai::chunks(["Half an ans", "wer that never ends"])).cut_after(700));
    let body = json!({ "message": "hi", "stream": true });
    let (_, mut connection) =
        Request::post("/v1/agents/support/query").json(&body).open(server.public()).await;
    let mut events = Vec::new();
    while let Ok(Some(event)) = connection.event().await {
        events.push(event);
    }
    assert_eq!(events.last().unwrap().name.as_deref(), Some("error"));
    let id = events[0].json()["conversation_id"].as_str().unwrap().to_owned();
    let kept = items(&server, &id).await;
    assert_eq!((kept.len(), kept[1].2.as_str()), (2, "partial"));
    for _ in 0..2 {
        upstream.expect(Answer::status(500));
    }
    let body = json!({ "message": "this one fails", "conversation_id": id });
    assert_eq!(post(&server, "/v1/agents/support/query", &body).await.status, 503);
    upstream.expect(Answer::json(&openai::completion("fine")));
    ask(&server, "again", Some(&id)).await;
    let sent = upstream.calls().last().unwrap().json().to_string();
    assert!(!sent.contains("this one fails") && sent.contains("Half an ans"), "{sent}");
}

#[tokio::test]
async fn two_messages_at_once_are_answered_one_after_the_other() {
    let (server, upstream) = started().await;
    upstream.expect(Answer::json(&openai::completion("first")));
    let id = ask(&server, "start", None).await["conversation_id"].as_str().unwrap().to_owned();
    upstream.otherwise(
        Answer::json(&openai::completion("answer")).first_byte_after(std::time::Duration::from_millis(20)),
    );
    let asked = (0..10).map(|n| {
        let (server, id) = (&server, id.as_str());
        async move { ask(server, &format!("m{n}"), Some(id)).await }
    });
    futures_util::future::join_all(asked).await;
    let kept = items(&server, &id).await;
    assert_eq!(kept.len(), 22);
    for pair in kept.chunks(2) {
        assert_eq!((pair[0].0.as_str(), pair[1].0.as_str()), ("user", "assistant"));
    }
}

#[tokio::test]
async fn a_conversation_that_stays_busy_is_a_conflict() {
    let (server, upstream) = started().await;
    upstream.expect(Answer::json(&openai::completion("first")));
    let id = ask(&server, "start", None).await["conversation_id"].as_str().unwrap().to_owned();
    upstream.otherwise(Answer::never_answer());
    let body = json!({ "message": "slow", "conversation_id": id });
    let mut slow = testkit::http::Connection::open(server.public()).await;
    slow.send(&Request::post("/v1/agents/support/query").json(&body)).await.unwrap();
    upstream.call(1).await;
    let told = Request::post("/v1/agents/support/query").json(&body).header("x-request-timeout", "100ms");
    let told = told.send(server.public()).await;
    assert_eq!(told.status, 409, "{}", told.text());
    assert_eq!(told.json()["error"]["code"], "conversation_busy");
}

#[tokio::test]
async fn conversations_are_created_listed_renamed_and_deleted() {
    let (server, _upstream) = started().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        let body = json!({ "agent": "support", "title": format!("t{n}"), "metadata": { "n": n } });
        let made = post(&server, "/v1/conversations", &body).await.json();
        assert_eq!((&made["object"], &made["metadata"]["n"]), (&json!("conversation"), &json!(n)));
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    let page = get(&server, "/v1/conversations?limit=2&order=asc").await.json();
    assert_eq!(
        (&page["first_id"], &page["last_id"], &page["has_more"]),
        (&json!(ids[0]), &json!(ids[1]), &json!(true))
    );
    let next = get(&server, &format!("/v1/conversations?limit=10&order=asc&after={}", ids[1])).await.json();
    assert_eq!((next["data"].as_array().unwrap().len(), &next["has_more"]), (3, &json!(false)));
    let path = format!("/v1/conversations/{}", ids[0]);
    assert_eq!(post(&server, &path, &json!({ "title": "new" })).await.json()["title"], "new");
    let keyed = Request::new("DELETE", &path).header("idempotency-key", "k1").send(server.public()).await;
    assert_eq!((keyed.status, keyed.json()["error"]["param"].as_str()), (400, Some("idempotency-key")));
    let deleted = Request::new("DELETE", &path).send(server.public()).await;
    assert_eq!(deleted.json()["deleted"], true);
    assert_eq!(get(&server, &path).await.status, 404);
    assert_eq!(get(&server, "/v1/conversations/conv_nonsense").await.status, 404);
    for query in ["limit=0", "limit=101", "order=up", "after=x", "unknown=1"] {
        assert_eq!(get(&server, &format!("/v1/conversations?{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn another_tenants_conversation_does_not_exist() {
    let upstream = Upstream::start().await;
    let auth = "auth:\n  mode: required\n  keys:\n    - { name: a, key: { env: KA }, tenant: one }\n    - { name: b, key: { env: KB }, tenant: two }\n    - { name: c, key: { env: KC }, tenant: one }\n";
    let plan = crate::support::plan(crate::support::config(&upstream, &upstream) + auth);
    let server = plan
        .env("KA", "pk-aaaaaaaaaaaaaaaa")
        .env("KB", "pk-bbbbbbbbbbbbbbbb")
        .env("KC", "pk-cccccccccccccccc")
        .start()
        .await;
    let made = Request::post("/v1/conversations")
        .json(&json!({}))
        .bearer("pk-aaaaaaaaaaaaaaaa")
        .send(server.public())
        .await;
    assert_eq!(made.status, 200, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    for key in ["pk-bbbbbbbbbbbbbbbb", "pk-cccccccccccccccc"] {
        for (method, path) in [("GET", ""), ("POST", ""), ("DELETE", ""), ("GET", "/items")] {
            let at = |id: &str| {
                let request = Request::new(method, &format!("/v1/conversations/{id}{path}")).bearer(key);
                if method == "POST" { request.json(&json!({ "title": "mine" })) } else { request }
            };
            let theirs = at(&id).send(server.public()).await;
            let unknown = at("conv_00000000000070008000000000000000").send(server.public()).await;
            assert_eq!((theirs.status, unknown.status), (404, 404), "{method} {path}");
            let plain = |response: &testkit::http::Response| {
                let mut error = response.json()["error"].clone();
                error["request_id"] = Value::Null;
                error
            };
            assert_eq!(plain(&theirs), plain(&unknown));
        }
        let list = Request::get("/v1/conversations").bearer(key).send(server.public()).await.json();
        assert_eq!(list["data"], json!([]));
    }
}
