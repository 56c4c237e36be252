//! Callers' requests: what is known of them, what goes upstream, and what they mean.

use std::fmt::Write;

use parapet_wire::anthropic::MessagesRequest;
use parapet_wire::call::{Parameters, ResponseFormat};
use parapet_wire::openai::{self, ChatRequest, Flavor};

use crate::support::{files, snapshot, text};

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
            ("tools", request.tool_count().to_string()),
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
        writeln!(out, "encoded: {}", text(&openai::encode(&call, "m", Flavor::Compatible, true))).unwrap();
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
            ("tools", request.tool_count().to_string()),
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
                let encoded = openai::encode(&call, "m", Flavor::Compatible, true);
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
        for flavor in [Flavor::OpenAi, Flavor::Compatible] {
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
        for (flavor, limit) in [(Flavor::OpenAi, "max_completion_tokens"), (Flavor::Compatible, "max_tokens")]
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
