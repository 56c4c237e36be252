//! Tools of agents: the call comes back to the caller, its result goes on with the conversation, and the agent's
//! policy holds on every way to it.

use serde_json::{Value, json};
use testkit::http::Request;
use testkit::openai;
use testkit::process::Server;
use testkit::upstream::{Answer, Upstream};

use crate::support::{ended_well, get, plan, post, streamed};

async fn started() -> (Server, Upstream) {
    started_with("").await
}

/// With more keys of the agent.
async fn started_with(more: &str) -> (Server, Upstream) {
    let upstream = Upstream::start().await;
    let config = format!(
        r#"
version: 1
providers:
  first: {{ kind: openai-compatible, base_url: {} }}
agents:
  clerk:
    models: [first/small]
    prompt: You are the clerk of Acme.
    tools:
      find_order:
        description: Finds an order by its number.
        parameters: {{ type: object, properties: {{ number: {{ type: string }} }}, required: [number] }}
    tool_policy: {{ max_rounds: 2, max_tool_calls_per_turn: 2, blocklist: ["delete_*"] }}
{more}
"#,
        upstream.base_url()
    );
    (plan(config).start().await, upstream)
}

fn calls(calls: &[(&str, &str, &str)]) -> Value {
    let calls: Vec<Value> = calls
        .iter()
        .map(|(id, name, arguments)| {
            json!({ "id": id, "type": "function", "function": { "name": name, "arguments": arguments } })
        })
        .collect();
    json!({ "role": "assistant", "content": null, "tool_calls": calls })
}

fn called(wanted: &[(&str, &str, &str)]) -> Answer {
    Answer::json(&openai::completion_of(&calls(wanted), "tool_calls"))
}

const QUERY: &str = "/v1/agents/clerk/query";

#[tokio::test]
async fn a_call_comes_back_and_its_result_goes_on_with_the_conversation() {
    let (server, upstream) = started().await;
    upstream.expect(called(&[("call_1", "find_order", r#"{"number":"7"}"#)]));
    let asked = post(&server, QUERY, &json!({ "message": "Where is order 7?" })).await.json();
    assert_eq!((&asked["finish_reason"], &asked["response"]), (&json!("tool_calls"), &json!("")), "{asked}");
    assert_eq!(
        asked["tool_calls"],
        json!([{ "id": "call_1", "name": "find_order", "arguments": "{\"number\":\"7\"}" }])
    );
    let sent = upstream.call(0).await.json();
    assert_eq!(sent["tools"][0]["function"]["name"], "find_order");
    assert_eq!(sent["tools"][0]["function"]["parameters"]["required"], json!(["number"]));

    upstream.expect(Answer::json(&openai::completion("It is on its way.")));
    let conversation = asked["conversation_id"].clone();
    let results = json!([{ "tool_call_id": "call_1", "content": "{\"status\":\"shipped\"}" }]);
    let answer = post(&server, QUERY, &json!({ "conversation_id": conversation, "tool_results": results }))
        .await
        .json();
    assert_eq!(answer["response"], "It is on its way.", "{answer}");
    let sent = upstream.call(1).await.json()["messages"].clone();
    let roles: Vec<&str> =
        sent.as_array().unwrap().iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool"]);
    assert_eq!(sent[2]["tool_calls"][0]["id"], "call_1");
    assert_eq!(
        (&sent[3]["tool_call_id"], &sent[3]["content"]),
        (&json!("call_1"), &json!("{\"status\":\"shipped\"}"))
    );

    let path = format!("/v1/conversations/{}/items?order=asc", conversation.as_str().unwrap());
    let items = get(&server, &path).await.json()["data"].clone();
    assert_eq!(items[1]["content"][0]["type"], "tool_call");
    assert_eq!(items[2]["content"][0]["type"], "tool_result");
    assert_eq!(items.as_array().unwrap().len(), 4);
    ended_well(server).await;
}

#[tokio::test]
async fn a_streamed_call_is_part_of_the_whole_answer_at_the_end() {
    let (server, upstream) = started().await;
    upstream.expect(Answer::sse(openai::tool_call_chunks("find_order", ["{\"num", "ber\":\"7\"}"])));
    let body = streamed(json!({ "message": "Where is order 7?" }));
    let (_, mut connection) = Request::post(QUERY).json(&body).open(server.public()).await;
    let events = connection.events().await.unwrap();
    let last = events.last().unwrap();
    assert_eq!(last.name.as_deref(), Some("answer.completed"));
    let answer = last.json();
    assert_eq!(answer["finish_reason"], "tool_calls");
    assert_eq!(answer["tool_calls"][0]["arguments"], "{\"number\":\"7\"}");
    ended_well(server).await;
}

#[tokio::test]
async fn results_that_do_not_fit_the_calls_are_refused_and_the_conversation_goes_on() {
    let (server, upstream) = started().await;
    upstream.expect(called(&[("call_1", "find_order", "{}"), ("call_2", "find_order", "{}")]));
    let asked = post(&server, QUERY, &json!({ "message": "Orders 7 and 8?" })).await.json();
    let conversation = &asked["conversation_id"];
    let result = |id: &str| json!({ "tool_call_id": id, "content": "shipped" });
    for (results, param) in [
        (json!([result("call_1")]), "tool_results"),
        (json!([result("call_1"), result("call_9")]), "tool_results[1].tool_call_id"),
        (json!([result("call_1"), result("call_1")]), "tool_results[1].tool_call_id"),
    ] {
        let body = json!({ "conversation_id": conversation, "tool_results": results });
        let refused = post(&server, QUERY, &body).await;
        assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!(param)));
    }
    let refused = post(&server, QUERY, &json!({ "tool_results": [result("call_1")] })).await;
    assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!("conversation_id")));
    assert_eq!(upstream.count(), 1);

    upstream.expect(Answer::json(&openai::completion("Both shipped.")));
    let body =
        json!({ "conversation_id": conversation, "tool_results": [result("call_2"), result("call_1")] });
    let answer = post(&server, QUERY, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    ended_well(server).await;
}

#[tokio::test]
async fn a_message_instead_of_results_tells_the_model_that_the_tools_were_not_run() {
    let (server, upstream) = started().await;
    upstream.expect(called(&[("call_1", "find_order", "{}")]));
    let asked = post(&server, QUERY, &json!({ "message": "Order 7?" })).await.json();
    upstream.expect(Answer::json(&openai::completion("Fine.")));
    let body = json!({ "conversation_id": asked["conversation_id"], "message": "Never mind." });
    assert_eq!(post(&server, QUERY, &body).await.status, 200);
    let sent = upstream.call(1).await.json()["messages"].clone();
    assert_eq!((&sent[3]["role"], &sent[3]["tool_call_id"]), (&json!("tool"), &json!("call_1")));
    assert_eq!(sent[4]["content"], "Never mind.");
    ended_well(server).await;
}

#[tokio::test]
async fn the_callers_own_tools_are_offered_beside_the_agents_unless_the_policy_forbids_them() {
    let (server, upstream) = started().await;
    upstream.expect(Answer::json(&openai::completion("Hm.")));
    let tool = |name: &str| json!({ "name": name, "parameters": { "type": "object" } });
    let body = json!({ "message": "x", "tools": [tool("open_page")] });
    assert_eq!(post(&server, QUERY, &body).await.status, 200);
    let tools = upstream.call(0).await.json()["tools"].clone();
    let names: Vec<&str> =
        tools.as_array().unwrap().iter().map(|tool| tool["function"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["open_page", "find_order"]);
    for name in ["delete_order", "find_order", "two words"] {
        let refused = post(&server, QUERY, &json!({ "message": "x", "tools": [tool(name)] })).await;
        assert_eq!(refused.status, 400, "{name}");
    }
    let chat = json!({ "model": "clerk", "messages": [{ "role": "user", "content": "x" }],
        "tools": [{ "type": "function", "function": tool("delete_order") }] });
    let refused = post(&server, "/v1/chat/completions", &chat).await;
    assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!("tools[0]")));
    let messages = json!({ "model": "clerk", "max_tokens": 9, "messages": [{ "role": "user", "content": "x" }],
        "tools": [{ "name": "delete_order", "input_schema": { "type": "object" } }] });
    let refused = post(&server, "/v1/messages", &messages).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert_eq!(upstream.count(), 1);
    ended_well(server).await;
}

#[tokio::test]
async fn calls_beyond_the_policy_do_not_reach_the_caller_in_any_shape() {
    let (server, upstream) = started().await;
    let too_many = [
        ("call_0", "delete_all", "{}"),
        ("call_1", "find_order", "{}"),
        ("call_2", "find_order", "{}"),
        ("call_3", "find_order", "{}"),
    ];
    upstream.expect(called(&too_many));
    let answer = post(&server, QUERY, &json!({ "message": "x" })).await.json();
    let ids = |calls: &Value| -> Vec<String> {
        calls.as_array().unwrap().iter().map(|call| call["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&answer["tool_calls"]), ["call_1", "call_2"]);
    assert_eq!(answer["metadata"]["tool_calls_withheld"], 2);

    upstream.expect(called(&too_many));
    let chat = json!({ "model": "clerk", "messages": [{ "role": "user", "content": "x" }] });
    let answer = post(&server, "/v1/chat/completions", &chat).await.json();
    assert_eq!(ids(&answer["choices"][0]["message"]["tool_calls"]), ["call_1", "call_2"]);

    upstream.expect(called(&too_many));
    let message =
        json!({ "model": "clerk", "max_tokens": 9, "messages": [{ "role": "user", "content": "x" }] });
    let answer = post(&server, "/v1/messages", &message).await.json();
    assert_eq!(ids(&answer["content"]), ["call_1", "call_2"]);
    assert_eq!(answer["stop_reason"], "tool_use");

    upstream.expect(called(&[("call_0", "delete_all", "{}")]));
    let answer = post(&server, QUERY, &json!({ "message": "x" })).await.json();
    assert_eq!((&answer["finish_reason"], &answer["tool_calls"]), (&json!("stop"), &Value::Null));
    ended_well(server).await;
}

#[tokio::test]
async fn after_its_rounds_the_model_is_asked_for_words() {
    let (server, upstream) = started().await;
    let mut conversation = Value::Null;
    for round in 0..2 {
        upstream.expect(called(&[("call_1", "find_order", "{}")]));
        let body = match round {
            0 => json!({ "message": "x" }),
            _ => {
                json!({ "conversation_id": conversation, "tool_results": [{ "tool_call_id": "call_1", "content": "?" }] })
            }
        };
        conversation = post(&server, QUERY, &body).await.json()["conversation_id"].clone();
        assert!(upstream.call(round).await.json()["tool_choice"].is_null());
    }
    upstream.expect(called(&[("call_1", "find_order", "{}")]));
    let body = json!({ "conversation_id": conversation, "tool_results": [{ "tool_call_id": "call_1", "content": "?" }] });
    let answer = post(&server, QUERY, &body).await.json();
    assert_eq!(upstream.call(2).await.json()["tool_choice"], "none");
    // A model that calls all the same is not obeyed.
    assert_eq!((&answer["finish_reason"], &answer["tool_calls"]), (&json!("stop"), &Value::Null));
    ended_well(server).await;
}

#[tokio::test]
async fn a_round_of_tools_is_remembered_whole_however_short_the_history() {
    let (server, upstream) = started_with("    history: { max_messages: 1 }").await;
    upstream.expect(Answer::json(&openai::completion("Hello.")));
    let conversation =
        post(&server, QUERY, &json!({ "message": "hi" })).await.json()["conversation_id"].clone();
    upstream.expect(called(&[("call_1", "find_order", "{}")]));
    post(&server, QUERY, &json!({ "conversation_id": conversation, "message": "Order 7?" })).await;
    upstream.expect(called(&[("call_2", "find_order", "{}")]));
    let results = |id: &str| json!({ "conversation_id": conversation, "tool_results": [{ "tool_call_id": id, "content": "?" }] });
    assert_eq!(post(&server, QUERY, &results("call_1")).await.status, 200);
    upstream.expect(Answer::json(&openai::completion("Shipped.")));
    assert_eq!(post(&server, QUERY, &results("call_2")).await.status, 200);
    let sent = upstream.call(3).await.json()["messages"].clone();
    let roles: Vec<&str> =
        sent.as_array().unwrap().iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool", "assistant", "tool"]);
    assert_eq!(sent[1]["content"], "Order 7?");
    ended_well(server).await;
}

#[tokio::test]
async fn a_call_that_was_cut_is_none_and_the_conversation_goes_on() {
    let (server, upstream) = started().await;
    let half = calls(&[("call_1", "find_order", r#"{"number":"4"#)]);
    upstream.expect(Answer::json(&openai::completion_of(&half, "length")));
    let asked = post(&server, QUERY, &json!({ "message": "Order 47?" })).await.json();
    assert_eq!((&asked["finish_reason"], &asked["tool_calls"]), (&json!("length"), &Value::Null), "{asked}");
    let mut chunks = openai::tool_call_chunks("find_order", ["{\"num"]);
    for chunk in &mut chunks {
        *chunk = chunk.replace("\"tool_calls\"}", "\"length\"}").replace(":\"tool_calls\"", ":\"length\"");
    }
    upstream.expect(Answer::sse(&chunks));
    let body = streamed(json!({ "conversation_id": asked["conversation_id"], "message": "Well?" }));
    let (_, mut connection) = Request::post(QUERY).json(&body).open(server.public()).await;
    let last = connection.events().await.unwrap().last().unwrap().json();
    assert_eq!((&last["finish_reason"], &last["tool_calls"]), (&json!("length"), &Value::Null), "{last}");
    upstream.expect(Answer::json(&openai::completion("Fine.")));
    let body = json!({ "conversation_id": asked["conversation_id"], "message": "Go on." });
    assert_eq!(post(&server, QUERY, &body).await.status, 200);
    assert!(!upstream.call(2).await.json().to_string().contains("call_1"));
    ended_well(server).await;
}

#[tokio::test]
async fn arguments_that_are_no_object_go_back_as_one() {
    let (server, upstream) = started().await;
    upstream.expect(called(&[("call_1", "find_order", "order 7")]));
    let asked = post(&server, QUERY, &json!({ "message": "Order 7?" })).await.json();
    assert_eq!(asked["tool_calls"][0]["arguments"], "order 7");
    upstream.expect(Answer::json(&openai::completion("Sorry.")));
    let result = json!([{ "tool_call_id": "call_1", "content": "no JSON", "is_error": true }]);
    let body = json!({ "conversation_id": asked["conversation_id"], "tool_results": result });
    assert_eq!(post(&server, QUERY, &body).await.status, 200);
    let sent = upstream.call(1).await.json()["messages"][2]["tool_calls"][0]["function"]["arguments"].clone();
    assert_eq!(sent, "{\"INVALID_JSON\":\"order 7\"}");
    ended_well(server).await;
}

#[tokio::test]
async fn results_can_be_sent_again_when_nothing_of_the_answer_to_them_was_told() {
    let (server, upstream) = started().await;
    upstream.expect(called(&[("call_1", "find_order", "{}")]));
    let asked = post(&server, QUERY, &json!({ "message": "Order 7?" })).await.json();
    let results = json!([{ "tool_call_id": "call_1", "content": "shipped" }]);
    let body = json!({ "conversation_id": asked["conversation_id"], "tool_results": results });
    let chunks = openai::tool_call_chunks("find_order", ["{\"num", "ber\""]);
    upstream.expect(Answer::sse(&chunks[..chunks.len() - 2]));
    let (_, mut connection) = Request::post(QUERY).json(&streamed(body.clone())).open(server.public()).await;
    let mut last = Value::Null;
    while let Ok(Some(event)) = connection.event().await {
        last = event.json();
    }
    assert_eq!(
        (&last["error"]["partial"], &last["error"]["retryable"]),
        (&json!(false), &json!(true)),
        "{last}"
    );
    upstream.expect(Answer::json(&openai::completion("It has shipped.")));
    let answer = post(&server, QUERY, &body).await;
    assert_eq!((answer.status, &answer.json()["response"]), (200, &json!("It has shipped.")));
    ended_well(server).await;
}

#[tokio::test]
async fn a_query_refused_for_its_tools_begins_no_conversation() {
    let (server, upstream) = started().await;
    let body = json!({ "message": "x", "tools": [{ "name": "delete_order" }] });
    assert_eq!(post(&server, QUERY, &body).await.status, 400);
    assert_eq!(get(&server, "/v1/conversations").await.json()["data"], json!([]));
    assert_eq!(upstream.count(), 0);
    ended_well(server).await;
}

#[tokio::test]
async fn what_an_agent_cannot_hold_is_cut_and_not_collected() {
    let (server, upstream) = started().await;
    let piece = "x".repeat(1 << 16);
    let thought = openai::chunk(&json!({ "reasoning_content": piece }), None);
    let call =
        json!([{ "index": 0, "id": "call_1", "function": { "name": "find_order", "arguments": piece } }]);
    let call = openai::chunk(&json!({ "tool_calls": call }), None);
    for endless in [thought, call] {
        upstream.expect(Answer::sse([endless]).endless());
        let body = streamed(json!({ "message": "Think hard." }));
        let (_, mut connection) = Request::post(QUERY).json(&body).open(server.public()).await;
        let mut last = Value::Null;
        while let Ok(Some(event)) = connection.event().await {
            last = event.json();
        }
        assert_eq!(last["error"]["type"], "upstream_error", "{last}");
    }
    ended_well(server).await;
}
