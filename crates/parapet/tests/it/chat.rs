//! Chat completions, unary: the provider gets the caller's bytes, the caller gets the provider's.

use serde_json::json;
use testkit::http::Request;
use testkit::openai;
use testkit::upstream::Answer;

use crate::support::{access, chat, ended_well, get, metric, post, started};

#[tokio::test]
async fn unknown_members_reach_the_provider_and_the_caller_byte_for_byte() {
    let (server, upstream) = started().await;
    let answered = "{\"id\":\"x\",  \"object\":\"chat.completion\",\"novel\": {\"a\":[1.50,\"\\u00e9\"]},\"model\":\"small-2026\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"hi\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1,\"total_tokens\":4}}";
    upstream.expect(Answer::status(200).header("content-type", "application/json").body(answered));
    let asked = "{ \"messages\" : [{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AAAA\"}},{\"type\":\"text\",\"text\":\"caf\\u00e9\"}]}],\n \"model\":\"first/small\", \"temperature\":1.0, \"x_vendor\":{\"k\":1e2} }";
    let request =
        Request::post("/v1/chat/completions").header("content-type", "application/json").body(asked);
    let answer = request.send(server.public()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.text(), answered);
    let call = upstream.call(0).await;
    assert_eq!(String::from_utf8_lossy(&call.body), asked.replace("first/small", "small"));
    assert_eq!(call.target(), "/v1/chat/completions");
    assert_eq!(call.header("x-team"), Some("blue"));
    assert!(call.header("authorization").unwrap().starts_with("Bearer sk-upstream-"));
    upstream.finish();
    ended_well(server).await;
}

#[tokio::test]
async fn an_answer_says_who_gave_it_and_is_told_once() {
    let (server, upstream) = started().await;
    upstream.expect(Answer::json(&openai::completion("hello")));
    let request =
        Request::post("/v1/chat/completions").json(&chat("both", "hi")).header("x-request-id", "abc-1");
    let answer = request.send(server.public()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-parapet-provider"), Some("first"));
    assert_eq!(answer.header("x-parapet-model"), Some("first/small"));
    assert_eq!(answer.header("x-parapet-attempts"), Some("1"));
    assert_eq!(answer.header("x-parapet-fallbacks"), Some("0"));
    assert_eq!(answer.header("x-parapet-agent"), None);
    assert_eq!(answer.header("x-request-id"), Some("abc-1"));
    assert!(answer.header("traceresponse").is_some_and(|trace| trace.starts_with("00-")));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let label = "parapet_requests_total{agent=\"-\",outcome=\"ok\",code=\"-\"}";
    assert_eq!(metric(&server, label).await, 1.0);
    let lines = ended_well(server).await;
    let told: Vec<_> =
        access(&lines).into_iter().filter(|line| line["route"] == "/v1/chat/completions").collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["client_request_id"], "abc-1");
    assert_eq!(told[0]["status"], 200);
    assert_eq!(told[0]["provider"], "first");
    assert!(told[0]["input_tokens"].as_u64().unwrap() > 0);
    assert!(!lines.iter().any(|line| line.to_string().contains("hello")), "content in the log");
    upstream.finish();
}

#[tokio::test]
async fn connections_to_the_provider_are_used_again() {
    let (server, upstream) = started().await;
    upstream.otherwise(Answer::json(&openai::completion("hello")));
    for _ in 0..5 {
        assert_eq!(post(&server, "/v1/chat/completions", &chat("first/small", "hi")).await.status, 200);
    }
    assert_eq!(upstream.count(), 5);
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn an_agent_is_a_model_with_its_prompt_and_parameters_in_front() {
    let (server, upstream) = started().await;
    upstream.expect(Answer::json(&openai::completion("hello")));
    let body =
        json!({ "model": "support", "temperature": 0.9, "messages": [{ "role": "user", "content": "hi" }] });
    let answer = post(&server, "/v1/chat/completions", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-parapet-agent"), Some("support"));
    let sent = upstream.call(0).await.json();
    assert_eq!(sent["model"], "small");
    assert_eq!(
        sent["messages"][0],
        json!({ "role": "system", "content": "You are a friendly support agent for Acme." })
    );
    assert_eq!(sent["messages"][1]["content"], "hi");
    assert_eq!(sent["temperature"], 0.9);
    assert_eq!(sent["max_tokens"], 300);
}

#[tokio::test]
async fn an_agents_limits_hold_on_chat_too() {
    let (server, upstream) = started().await;
    let long = "ä".repeat(2001);
    let refused = post(&server, "/v1/chat/completions", &chat("support", &long)).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["error"]["param"], "message");
    upstream.expect(Answer::json(&openai::completion(&long)));
    let answer = post(&server, "/v1/chat/completions", &chat("support", "hi")).await.json();
    assert_eq!(answer["choices"][0]["message"]["content"], "ä".repeat(2000));
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    upstream.expect(Answer::json(&openai::completion(&long)));
    let raw = post(&server, "/v1/chat/completions", &chat("first/small", &long)).await.json();
    assert_eq!(raw["choices"][0]["message"]["content"], long);
}

#[tokio::test]
async fn what_can_be_called_is_listed() {
    let (server, _upstream) = started().await;
    let list = get(&server, "/v1/models").await.json();
    let ids: Vec<&str> = list["data"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["support", "both", "first/large", "first/small"]);
    assert_eq!(list["has_more"], false);
    assert_eq!(get(&server, "/v1/models/first/small").await.json()["owned_by"], "first");
    assert_eq!(get(&server, "/v1/models/none").await.status, 404);
}

#[tokio::test]
async fn wrong_requests_are_refused_with_the_member_named() {
    let (server, upstream) = started().await;
    for (body, status, param) in [
        ("{", 400, None),
        ("[]", 400, None),
        ("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", 400, Some("model")),
        ("{\"model\":\"both\"}", 400, Some("messages")),
        ("{\"model\":\"both\",\"messages\":[]}", 400, Some("messages")),
        ("{\"model\":\"none\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", 404, Some("model")),
        (
            "{\"model\":\"first/unlisted\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
            404,
            Some("model"),
        ),
        (
            "{\"model\":\"both\",\"model\":\"x\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
            400,
            Some("model"),
        ),
    ] {
        let request =
            Request::post("/v1/chat/completions").header("content-type", "application/json").body(body);
        let answer = request.send(server.public()).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        let error = &answer.json()["error"];
        assert_eq!(error["param"].as_str(), param, "{body}: {error}");
        for key in ["message", "type", "param", "code", "request_id", "hint"] {
            assert!(error.get(key).is_some(), "{key} in {error}");
        }
    }
    let form = Request::post("/v1/chat/completions").header("content-type", "text/plain").body("{}");
    assert_eq!(form.send(server.public()).await.status, 415);
    assert_eq!(get(&server, "/v1/chat/completions").await.header("allow"), Some("POST"));
    assert_eq!(get(&server, "/nothing").await.json()["error"]["code"], "route_not_found");
    assert_eq!(upstream.count(), 0);
}
