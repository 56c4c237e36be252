//! Callers' requests: what is known of them, what goes upstream, and what they mean.

use std::fmt::Write;

use bytes::Bytes;
use parapet_wire::anthropic::{self, MessagesRequest};
use parapet_wire::azure;
use parapet_wire::call::{Call, Parameters, ResponseFormat};
use parapet_wire::dialect::Request;
use parapet_wire::openai::{self, ChatRequest, Flavor, Thoughts};
use parapet_wire::provider::Codec;

use crate::support::{files, snapshot, text};
use crate::wishes;

#[test]
fn requests_mean_what_they_always_meant() {
    snapshot("openai/requests", |_, body| {
        let request = ChatRequest::parse(body).unwrap();
        let mut out = String::new();
        let facts = [
            ("model", format!("{:?}", request.model())),
            ("stream", request.stream().to_string()),
            ("wants usage", request.wants_usage().to_string()),
            ("choices", request.choices().to_string()),
            ("max tokens", format!("{:?}", request.max_tokens())),
            ("user", format!("{:?}", request.user())),
            ("has tools", request.has_tools().to_string()),
            ("images", request.image_count().to_string()),
            ("characters", request.characters().to_string()),
            ("last user text", format!("{:?}", request.last_user_text())),
        ];
        for (name, value) in facts {
            writeln!(out, "{name}: {value}").unwrap();
        }
        for message in request.messages() {
            let span = message.span.of(request.body());
            serde_json::from_slice::<serde_json::Value>(span).unwrap();
            writeln!(
                out,
                "message: {:?}, {} characters, {} bytes",
                message.role,
                message.characters,
                span.len()
            )
            .unwrap();
        }
        let upstream = request.for_upstream("gpt-4o-mini", Flavor::OpenAi, true);
        writeln!(out, "upstream: {}", text(&upstream)).unwrap();
        let call = request.to_call().unwrap();
        writeln!(out, "uncarried: {:?}", call.uncarried).unwrap();
        writeln!(
            out,
            "encoded: {}",
            text(&openai::encode(&call, "m", Flavor::Compatible(Thoughts::Unknown), true))
        )
        .unwrap();
        out
    });
}

#[test]
fn messages_requests_mean_what_they_always_meant() {
    snapshot("anthropic/requests", |_, body| {
        let request = MessagesRequest::parse_count(body).unwrap();
        let mut out = String::new();
        let facts = [
            ("model", format!("{:?}", request.model())),
            ("stream", request.stream().to_string()),
            ("max tokens", format!("{:?}", request.max_tokens())),
            ("user", format!("{:?}", request.user())),
            ("has tools", request.has_tools().to_string()),
            ("images", request.image_count().to_string()),
            ("characters", request.characters().to_string()),
            ("last user text", format!("{:?}", request.last_user_text())),
        ];
        for (name, value) in facts {
            writeln!(out, "{name}: {value}").unwrap();
        }
        for message in request.messages() {
            writeln!(out, "message: {:?}, {} characters", message.role, message.characters).unwrap();
        }
        writeln!(out, "upstream: {}", text(&request.for_upstream("claude-sonnet-4-5"))).unwrap();
        match request.to_call() {
            Ok(call) => {
                writeln!(out, "uncarried: {:?}", call.uncarried).unwrap();
                let encoded = openai::encode(&call, "m", Flavor::Compatible(Thoughts::Unknown), true);
                writeln!(out, "as a chat: {}", text(&encoded)).unwrap();
            }
            Err(refused) => writeln!(out, "{refused}").unwrap(),
        }
        out
    });
}

#[test]
fn a_call_survives_encoding_and_parsing() {
    for (name, body) in files("openai/requests") {
        let call = ChatRequest::parse(body).unwrap().to_call().unwrap();
        for flavor in [Flavor::OpenAi, Flavor::Compatible(Thoughts::Unknown)] {
            let encoded = openai::encode(&call, "m", flavor, false);
            let mut again = ChatRequest::parse(encoded).unwrap().to_call().unwrap();
            again.uncarried.clone_from(&call.uncarried);
            assert_eq!(again, call, "{name}");
        }
    }
}

#[test]
fn what_goes_upstream_differs_from_what_came_in_by_the_spliced_members_alone() {
    for (name, body) in files("openai/requests") {
        let before: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let request = ChatRequest::parse(body.clone()).unwrap();
        assert_eq!(request.for_upstream(request.model(), Flavor::OpenAi, false), body, "{name}");

        let upstream = request.for_upstream("other/model \"x\"", Flavor::OpenAi, true);
        let mut after: serde_json::Value = serde_json::from_slice(&upstream).unwrap();
        assert_eq!(after["model"], "other/model \"x\"", "{name}");
        after["model"] = before["model"].clone();
        if request.stream() {
            assert_eq!(after["stream_options"]["include_usage"], true, "{name}");
            match before.get("stream_options") {
                Some(options) => after["stream_options"] = options.clone(),
                None => drop(after.as_object_mut().unwrap().remove("stream_options")),
            }
        }
        assert_eq!(after, before, "{name}");
    }
}

#[test]
fn an_agent_adds_its_prompt_and_what_the_caller_left_open() {
    let defaults = Parameters {
        max_tokens: Some(500),
        temperature: Some(0.7),
        stop: vec!["\n\nUser:".into()],
        response_format: Some(ResponseFormat::JsonObject),
        ..Parameters::default()
    };
    let prompt = "You are \"Acme\"'s agent.\nBe kind.";
    for (name, body) in files("openai/requests") {
        let before: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let request = ChatRequest::parse(body).unwrap().with_agent(prompt, &defaults);
        for (flavor, limit) in
            [(Flavor::OpenAi, "max_completion_tokens"), (Flavor::Compatible(Thoughts::Unknown), "max_tokens")]
        {
            let upstream = request.for_upstream(request.model(), flavor, false);
            let mut after: serde_json::Value = serde_json::from_slice(&upstream).unwrap();
            let messages = after["messages"].as_array_mut().unwrap();
            assert_eq!(
                messages.remove(0),
                serde_json::json!({"role": "system", "content": prompt}),
                "{name}"
            );
            let limited =
                ["max_tokens", "max_completion_tokens"].iter().any(|limit| !before[*limit].is_null());
            let additions = [
                (limit, serde_json::json!(500), limited),
                ("temperature", serde_json::json!(0.7), !before["temperature"].is_null()),
                ("stop", serde_json::json!(["\n\nUser:"]), !before["stop"].is_null()),
                (
                    "response_format",
                    serde_json::json!({"type": "json_object"}),
                    !before["response_format"].is_null(),
                ),
            ];
            for (member, value, said) in additions {
                if said {
                    continue;
                }
                assert_eq!(after[member], value, "{name}: {member}");
                match before.get(member) {
                    Some(null) => after[member] = null.clone(),
                    None => drop(after.as_object_mut().unwrap().remove(member)),
                }
            }
            assert_eq!(after, before, "{name}");
        }
        let call = request.to_call().unwrap();
        assert_eq!(call.messages[0].plain_text(), prompt, "{name}");
        assert_eq!(call.parameters.max_tokens, request.max_tokens(), "{name}");
        assert!(request.max_tokens().is_some(), "{name}");
    }
}

/// Whether an agent's wish goes with the caller's bytes, else in the codec's own, else nowhere.
fn way(codec: &dyn Codec, request: &Request, wish: &Parameters) -> &'static str {
    const MODEL: &str = "claude-sonnet-4-6";
    let with = |defaults: &Parameters| request.clone().with_agent("p", defaults);
    let (asked, plain) = (with(wish), with(&Parameters::default()));
    if let Some(body) = codec.pass(&asked, MODEL) {
        let reached = body != codec.pass(&plain, MODEL).unwrap();
        return if reached { "passed" } else { "dropped" };
    }
    let Ok(body) = codec.chat(&asked.to_call().unwrap(), MODEL) else { return "refused" };
    if body == codec.chat(&plain.to_call().unwrap(), MODEL).unwrap() { "dropped" } else { "encoded" }
}

#[test]
fn every_default_of_an_agent_reaches_the_provider_or_is_refused() {
    let chat = r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#;
    let chat = Request::Chat(ChatRequest::parse(Bytes::from_static(chat.as_bytes())).unwrap());
    let messages = r#"{"model":"m","max_tokens":9000,"messages":[{"role":"user","content":"x"}]}"#;
    let messages =
        Request::Messages(MessagesRequest::parse(Bytes::from_static(messages.as_bytes())).unwrap());
    let all: [&dyn Codec; 3] = [&openai::OPENAI, &openai::COMPATIBLE, &azure::CODEC];
    for (name, wish) in wishes::parameters() {
        for codec in all {
            let expected = if name == "top_k" { "refused" } else { "passed" };
            assert_eq!(way(codec, &chat, &wish), expected, "{name} {codec:?}");
        }
        let expected = match name {
            // The caller has to say it, and the caller's counts.
            "max_tokens" => "dropped",
            "temperature" | "top_p" | "top_k" | "stop" => "passed",
            "reasoning_effort" | "reasoning_budget" => "encoded",
            _ => "refused",
        };
        assert_eq!(way(&anthropic::CODEC, &messages, &wish), expected, "{name}");
    }
}

#[test]
fn what_lets_a_model_act_is_a_tool_whatever_its_name() {
    let chat = |members: &str| {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],{members}}}"#);
        Request::Chat(ChatRequest::parse(Bytes::from(body)).unwrap())
    };
    let messages = |members: &str| {
        let body = format!(
            r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"x"}}],{members}}}"#
        );
        Request::Messages(MessagesRequest::parse(Bytes::from(body)).unwrap())
    };
    // Uncarried by that name, or told to every provider by the codec.
    let told = |call: &Call| !call.tools.is_empty() || call.tool_choice.is_some();
    for (request, uncarried) in [
        (chat(r#""tools":[{"type":"function","function":{"name":"f"}}]"#), None),
        (chat(r#""tool\u0073":[{"type":"custom","custom":{"name":"c"}}]"#), Some("tools[0]")),
        (chat(r#""tool_choice":"required""#), None),
        (chat(r#""functions":[{"name":"f"}]"#), Some("functions")),
        (chat(r#""functions":null,"\u0066unctions":[{"name":"f"}]"#), Some("functions")),
        (chat(r#""function_call":"auto""#), Some("function_call")),
        (chat(r#""function_call":{"name":"f"}"#), Some("function_call")),
        (chat(r#""web_search_options":{}"#), Some("web_search_options")),
        (chat(r#""plugins":[{"id":"web"}]"#), Some("plugins")),
        (chat(r#""search_parameters":{"mode":"on"}"#), Some("search_parameters")),
        (messages(r#""tools":[{"name":"f","input_schema":{}}]"#), None),
        (messages(r#""tools":[{"type":"web_search_20250305","name":"web_search"}]"#), Some("tools[0]")),
        (messages(r#""tool_choice":{"type":"any"}"#), None),
        (messages(r#""mcp_servers":[{"type":"url","url":"https://x","name":"x"}]"#), Some("mcp_servers")),
        (messages(r#""container":{"skills":[{"type":"anthropic","skill_id":"xlsx"}]}"#), Some("container")),
        (messages(r#""container":"container_1""#), Some("container")),
    ] {
        let body = text(request.body());
        assert!(request.has_tools(), "{body}");
        let call = request.to_call().unwrap();
        assert_eq!(call.uncarried.first().map(String::as_str), uncarried, "{body}");
        assert!(uncarried.is_some() || told(&call), "{body}");
    }
    for request in [
        chat(r#""tools":[],"functions":[ ],"tool_choice":null,"function_call":null"#),
        chat(r#""web_search_options":null,"plugins":[],"parallel_tool_calls":true"#),
        messages(r#""tools":[ ],"tool_choice":null,"mcp_servers":[],"container":null"#),
    ] {
        assert!(!request.has_tools(), "{}", text(request.body()));
    }
}

#[test]
fn tools_and_their_calls_count_towards_an_estimate_and_towards_no_message() {
    let tool =
        format!(r#"{{"type":"function","function":{{"name":"f","description":"{}"}}}}"#, "d".repeat(1000));
    let call = r#"[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]"#;
    let body = format!(
        r#"{{"model":"m","tools":[{tool}],"functions":[ {{}} ],"messages":[{{"role":"user","content":"four"}},{{"role":"assistant","tool_calls":{call}}}]}}"#
    );
    let chat = Request::Chat(ChatRequest::parse(Bytes::from(body)).unwrap());
    assert_eq!(chat.characters(), 4 + (tool.len() + 2) + 6 + call.len());
    assert_eq!(chat.messages().map(|(_, characters)| characters).collect::<Vec<_>>(), [4, 0]);
    assert_eq!(
        chat.with_agent("größe", &Parameters::default()).characters(),
        4 + tool.len() + 8 + call.len() + 5
    );

    let tool = format!(r#"{{"name":"f","input_schema":{{"description":"{}"}}}}"#, "d".repeat(1000));
    let input = r#"{"x":"yyy"}"#;
    let body = format!(
        r#"{{"model":"m","max_tokens":1,"system":"six","tools":[{tool}],"messages":[{{"role":"user","content":"four"}},{{"role":"assistant","content":[{{"type":"tool_use","id":"1","name":"f","input":{input}}}]}}]}}"#
    );
    let messages = Request::Messages(MessagesRequest::parse(Bytes::from(body)).unwrap());
    assert_eq!(messages.characters(), 3 + 4 + (tool.len() + 2) + input.len());
    assert_eq!(messages.messages().map(|(_, characters)| characters).collect::<Vec<_>>(), [3, 4, 0]);
    assert_eq!(
        messages.with_agent("größe", &Parameters::default()).characters(),
        3 + 4 + tool.len() + 2 + input.len() + 5
    );
}
