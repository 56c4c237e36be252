use super::*;
use crate::anthropic::foreign::{UNSIGNED, seal};
use crate::call::{Call, Json, Message, Origin, Part, Reasoning, Signature, Tool, ToolCall, ToolChoice};
use crate::dialect::Dialect;

fn call(body: &str) -> Call {
    parse(body).unwrap().to_call().unwrap()
}

fn of_golden(name: &str) -> Call {
    let (_, body) = golden().into_iter().find(|(file, _)| file == name).unwrap();
    MessagesRequest::parse(body).unwrap().to_call().unwrap()
}

fn text(text: &str) -> Part {
    Part::Text(text.into())
}

fn image(url: &str) -> Part {
    Part::Image { url: url.into(), detail: None }
}

fn file(url: &str, name: Option<&str>) -> Part {
    Part::File { url: url.into(), name: name.map(str::to_owned) }
}

fn thought(text: &str, signature: Option<Signature>) -> Part {
    Part::Reasoning(Reasoning { text: text.into(), signature })
}

fn said(role: Role, content: Vec<Part>) -> Message {
    Message { content, ..Message::text(role, "") }
}

fn tool_said(id: &str, failed: bool, content: Vec<Part>) -> Message {
    Message { tool_call_id: Some(id.into()), tool_failed: failed, ..said(Role::Tool, content) }
}

fn calls(id: &str, name: &str, arguments: &str) -> ToolCall {
    ToolCall { id: id.into(), name: name.into(), arguments: arguments.into() }
}

#[test]
fn texts_are_texts_however_they_are_written() {
    let expected = [
        said(Role::System, vec![text("You are a librarian.\nAnswer briefly.")]),
        said(Role::User, vec![text("Who wrote \"Hunger\"?")]),
        said(Role::Assistant, vec![text("Knut Hamsun.")]),
        said(Role::User, vec![text("When? "), text("And where?")]),
    ];
    assert_eq!(of_golden("system-text").messages, expected);

    let between = of_golden("system-between-the-turns");
    let roles: Vec<_> = between.messages.iter().map(|message| message.role).collect();
    let (system, user, assistant) = (Role::System, Role::User, Role::Assistant);
    assert_eq!(roles, [system, user, system, assistant, user, system]);
    assert_eq!(between.uncarried, ["messages[4].clear_at"]);
}

#[test]
fn a_system_prompt_behind_the_messages_is_in_front_of_them() {
    for system in [r#""S""#, r#"[{"type":"text","text":"S"}]"#] {
        let call = call(&with(&format!(r#""system":{system}"#)));
        assert_eq!(call.messages, [Message::text(Role::System, "S"), Message::text(Role::User, "x")]);
    }
    assert_eq!(call(&with(r#""system":[]"#)).messages.len(), 1);
}

#[test]
fn images_and_documents_are_addresses() {
    assert_eq!(
        of_golden("images").messages[0].content,
        [
            image("data:image/png;base64,iVBORw0KGgo="),
            image("https://example.com/cat.jpg"),
            text("Which is the cat?")
        ]
    );
    assert_eq!(
        of_golden("documents").messages[0].content,
        [
            file("data:application/pdf;base64,JVBERi0xLjQ=", Some("contract.pdf")),
            file("data:text/plain;base64,R3LDvMOfZQ==", None),
            file("https://example.com/terms.pdf", None),
            text("Do they agree?"),
        ]
    );
}

#[test]
fn what_only_the_provider_knows_stays_as_it_is_and_goes_nowhere_else() {
    let call = of_golden("documents-of-the-provider");
    let kinds: Vec<_> = call.messages[0]
        .content
        .iter()
        .map(|part| match part {
            Part::Other(raw) => {
                assert_eq!(raw.dialect, Dialect::Messages);
                raw.kind()
            }
            _ => "-".to_owned(),
        })
        .collect();
    assert_eq!(kinds, ["image", "document", "document", "search_result", "-"]);
    assert_eq!(call.uncarried, ["messages[0].content[2].context"]);
    let alone = of_blocks(r#"{"type":"search_result","content":[]}"#);
    let refused = openai::carries(&self::call(&alone), openai::Flavor::OpenAi).unwrap_err();
    assert_eq!(refused.member(), "search_result");
}

#[test]
fn each_result_of_a_tool_is_a_message_in_front_of_what_the_user_says() {
    let call = of_golden("tool-results");
    let mut asked = said(Role::Assistant, vec![text("I look.")]);
    asked.tool_calls = vec![
        calls("toolu_01", "look", r#"{"room": 1}"#),
        calls("toolu_02", "look", r#"{"room": 2}"#),
        calls("toolu_03", "look", "{}"),
    ];
    let mut again = said(Role::Assistant, vec![]);
    again.tool_calls = vec![calls("toolu_04", "look", r#"{"room": 3}"#)];
    let picture = vec![text("a picture:"), image("data:image/webp;base64,UklGRg==")];
    assert_eq!(
        call.messages,
        [
            Message::text(Role::User, "What is in the rooms?"),
            asked,
            tool_said("toolu_01", false, vec![text("a chair")]),
            tool_said("toolu_02", false, picture),
            tool_said("toolu_03", true, vec![]),
            again,
            tool_said("toolu_04", true, vec![text("the door is locked")]),
            Message::text(Role::User, "Leave that one."),
        ]
    );
    assert_eq!(call.tool_choice, Some(ToolChoice::Named("look".into())));
    assert_eq!((call.parallel_tool_calls, call.uncarried.len()), (None, 0));
}

#[test]
fn tools_are_the_callers_own() {
    let call = of_golden("tools");
    let [weather, time] = call.tools.as_slice() else { panic!("{:?}", call.tools) };
    assert_eq!(weather.description.as_deref(), Some("The weather of a city today."));
    assert_eq!(
        weather.schema.as_ref().map(|schema| value(schema.get().as_bytes())["required"].clone()),
        Some(json!(["city"]))
    );
    let schema = Json::new(r#"{"type": "object", "properties": {}, "additionalProperties": false}"#.into());
    let expected =
        Tool { name: "get_time".into(), description: None, schema: schema.ok(), strict: Some(true) };
    assert_eq!(*time, expected);
    assert_eq!((&call.tool_choice, call.parallel_tool_calls), (&Some(ToolChoice::Required), Some(false)));
    assert!(call.uncarried.is_empty(), "{:?}", call.uncarried);
}

#[test]
fn a_choice_of_tools_is_one_of_four() {
    for (choice, expected, parallel) in [
        (r#"{"type":"auto"}"#, ToolChoice::Auto, None),
        (r#"{"type":"auto","disable_parallel_tool_use":true}"#, ToolChoice::Auto, Some(false)),
        (r#"{"type":"any","disable_parallel_tool_use":false}"#, ToolChoice::Required, None),
        (r#"{"type":"none"}"#, ToolChoice::None, None),
        (r#"{"type":"tool","name":"f"}"#, ToolChoice::Named("f".into()), None),
    ] {
        let call = call(&with(&format!(r#""tool_choice":{choice}"#)));
        assert_eq!((call.tool_choice, call.parallel_tool_calls), (Some(expected), parallel), "{choice}");
    }
}

#[test]
fn thoughts_go_back_to_the_provider_they_came_from() {
    let content = of_golden("thinking").messages[1].content.clone();
    let ours = |data: &str, encrypted| {
        Some(Signature { origin: Origin::Anthropic, data: data.into(), encrypted, tool_call: None })
    };
    let expected =
        [thought("I should look.", ours("EqQBCkYIBRgCIkAx", false)), thought("", ours("EmwKAhgBEgyp", true))];
    assert_eq!(content, expected);

    let call = of_golden("thoughts-of-other-providers");
    let theirs = |data: &str, encrypted, tool_call: Option<&str>| {
        let tool_call = tool_call.map(str::to_owned);
        Some(Signature { origin: Origin::Gemini, data: data.into(), encrypted, tool_call })
    };
    assert_eq!(
        call.messages[1].content,
        [
            thought("I should look.", None),
            text("Let me look."),
            thought("", theirs("Zz+/=", true, Some("call_1"))),
            thought("", theirs("c2ln", false, None)),
        ]
    );
    assert_eq!(call.messages[1].tool_calls.len(), 1);
}

#[test]
fn of_a_seal_on_nothing_nothing_is_left() {
    let blocks = format!(
        r#"{{"type":"redacted_thinking","data":"{UNSIGNED}"}},{{"type":"thinking","thinking":"","signature":"{}"}}"#,
        seal(Origin::Gemini, false, None, "")
    );
    let call = call(&of(&format!(r#"[{USER},{{"role":"assistant","content":[{blocks}]}}]"#)));
    assert_eq!(call.messages, [Message::text(Role::User, "x")]);
}

#[test]
fn a_conversation_of_nothing_is_refused() {
    for messages in [
        r#"[{"role":"user","content":[]}]"#.to_owned(),
        format!(r#"[{{"role":"assistant","content":[{{"type":"redacted_thinking","data":"{UNSIGNED}"}}]}}]"#),
    ] {
        let body = of(&messages).replacen('{', r#"{"system":"s","#, 1);
        let refused = parse(&body).unwrap().to_call().unwrap_err();
        assert_eq!(refused.param.as_deref(), Some("messages"), "{body}");
    }
}

#[test]
fn a_schema_is_as_deep_as_it_may_be_in_any_dialect() {
    let tool = |levels: usize| {
        let schema = format!("{}{}", r#"{"a":"#.repeat(levels - 1) + "{}", "}".repeat(levels - 1));
        with(&format!(r#""tools":[{{"name":"f","input_schema":{schema}}}]"#))
    };
    let chat = openai::encode(&call(&tool(60)), "m", Flavor::OpenAi, false);
    assert!(openai::ChatRequest::parse(chat).is_ok());
    let refused = parse(&tool(61)).unwrap().to_call().unwrap_err();
    assert_eq!(refused.param.as_deref(), Some("tools[0].input_schema"));
}

#[test]
fn an_answer_of_thoughts_and_calls_has_no_content_in_the_chat_dialect() {
    let blocks = r#"{"type":"thinking","thinking":"h","signature":"c"},{"type":"tool_use","id":"1","name":"f","input":{}}"#;
    let call = call(&of(&format!(r#"[{USER},{{"role":"assistant","content":[{blocks}]}}]"#)));
    let chat = openai::encode(&call, "m", openai::Flavor::OpenAi, false);
    assert_eq!(value(&chat)["messages"][1]["content"], Value::Null);
}

#[test]
fn thinking_is_a_budget_or_an_effort() {
    let table = [
        (r#""thinking":{"type":"enabled","budget_tokens":2048}"#, Some(2048), None),
        (r#""thinking":{"type":"enabled","budget_tokens":2048,"display":"summarized"}"#, Some(2048), None),
        (r#""thinking":{"type":"disabled"}"#, Some(0), None),
        (r#""thinking":{"type":"between_tools"}"#, Some(0), None),
        (r#""thinking":{"type":"adaptive"}"#, None, Some("high")),
        (r#""thinking":{"type":"adaptive"},"output_config":{"effort":"low"}"#, None, Some("low")),
        (r#""output_config":{"effort":"max"}"#, None, Some("max")),
        (r#""output_config":{"effort":null}"#, None, None),
    ];
    let defaults = Parameters {
        reasoning_effort: Some("minimal".into()),
        reasoning_budget: Some(7),
        ..Parameters::default()
    };
    for (members, budget, effort) in table {
        let said = members != r#""output_config":{"effort":null}"#;
        let request = parse(&with(members)).unwrap();
        for request in
            [Some(request.clone()), said.then(|| request.with_agent("p", &defaults))].into_iter().flatten()
        {
            let call = request.to_call().unwrap();
            let p = &call.parameters;
            assert_eq!((p.reasoning_budget, p.reasoning_effort.as_deref()), (budget, effort), "{members}");
            assert!(call.uncarried.is_empty(), "{:?}", call.uncarried);
        }
    }
    let request = parse(&with(r#""x":null"#)).unwrap().with_agent("p", &defaults);
    assert_eq!(request.to_call().unwrap().parameters.reasoning_effort.as_deref(), Some("minimal"));
}

#[test]
fn a_schema_is_the_form_of_the_answer() {
    for name in ["structured", "structured-in-the-older-place"] {
        let call = of_golden(name);
        let Some(ResponseFormat::JsonSchema(format)) = call.parameters.response_format else {
            panic!("{name}")
        };
        let format = value(format.get().as_bytes());
        assert_eq!((&format["name"], &format["strict"]), (&json!("answer"), &json!(true)), "{name}");
        assert_eq!(format["schema"]["additionalProperties"], false, "{name}");
        assert!(call.uncarried.is_empty(), "{:?}", call.uncarried);
    }
}

#[test]
fn parameters_have_their_names() {
    let call = of_golden("parameters");
    let expected = Parameters {
        max_tokens: Some(64),
        temperature: Some(0.5),
        top_p: Some(0.9),
        top_k: Some(40),
        stop: vec!["\n\nHuman:".into(), "END".into()],
        ..Parameters::default()
    };
    assert_eq!(call.parameters, expected);
    assert_eq!((call.user, call.stream), (None, false));
    let cached = of_golden("system-blocks-cached");
    assert_eq!(cached.user.as_deref(), Some("13803d75-b4b5-4c3e-b2a2-6f21399b021b"));
    assert!(cached.uncarried.is_empty(), "{:?}", cached.uncarried);
    assert!(of_golden("stream").stream);
    assert_eq!(of_golden("nulls").parameters, Parameters { max_tokens: Some(64), ..Parameters::default() });
}

#[test]
fn a_limit_of_nothing_fills_a_cache_and_is_carried_nowhere_else() {
    let body = of(&format!("[{USER}]")).replace("9", "0");
    let request = parse(&body).unwrap();
    assert_eq!((request.max_tokens(), request.for_upstream("m")), (Some(0), Bytes::from(body)));
    let call = request.to_call().unwrap();
    assert_eq!((call.uncarried, call.parameters.max_tokens), (vec!["max_tokens".to_owned()], None));
}

#[test]
fn wishes_without_a_neutral_form_are_named_where_they_stand() {
    for (members, path) in [
        (r#""container":"c""#, Some("container")),
        (r#""mcp_servers":[{}]"#, Some("mcp_servers")),
        (r#""inference_geo":"eu""#, Some("inference_geo")),
        (r#""diagnostics":{"previous_message_id":null}"#, Some("diagnostics")),
        (r#""service_tier":"priority""#, Some("service_tier")),
        (r#""speed":"fast""#, Some("speed")),
        (r#""metadata":{"user_id":"u","team":"t"}"#, Some("metadata.team")),
        (r#""thinking":{"type":"dreaming"}"#, Some("thinking")),
        (r#""thinking":{"type":"adaptive","display":"omitted"}"#, Some("thinking.display")),
        (r#""output_config":{"task_budget":{"type":"tokens"}}"#, Some("output_config.task_budget")),
        (r#""tools":[{"name":"f","input_schema":{},"defer_loading":true}]"#, Some("tools[0].defer_loading")),
        (
            r#""tools":[{"name":"f","input_schema":{},"allowed_callers":["code_execution_20260120"]}]"#,
            Some("tools[0].allowed_callers"),
        ),
        (r#""tools":[{"name":"f","input_schema":{}},{"type":"bash_20250124","name":"b"}]"#, Some("tools[1]")),
        (r#""mcp_servers":[],"container":null,"context_management":{},"later":false"#, None),
        (r#""speed":"standard","service_tier":"auto","cache_control":{"type":"ephemeral"}"#, None),
    ] {
        let call = call(&with(members));
        assert_eq!(call.uncarried.first().map(String::as_str), path, "{members}");
        assert_eq!(call.uncarried.len(), usize::from(path.is_some()), "{members}");
    }
    for (block, path) in [
        (
            r#"{"type":"image","source":{"type":"url","url":"https://x"},"transformations":{"oversized_image":"error"}}"#,
            "transformations",
        ),
        (r#"{"type":"document","source":{"type":"url","url":"https://x"},"context":"c"}"#, "context"),
        (r#"{"type":"tool_result","tool_use_id":"1","toolset_name":"browser"}"#, "toolset_name"),
    ] {
        assert_eq!(call(&of_blocks(block)).uncarried, [format!("messages[0].content[0].{path}")]);
    }
    let called = r#"{"type":"tool_use","id":"1","name":"f","input":{},"caller":{"type":"code_execution_20260120","tool_id":"s"}}"#;
    let called = call(&of(&format!(r#"[{{"role":"assistant","content":[{called}]}}]"#)));
    assert_eq!(called.uncarried, ["messages[0].content[0].caller"]);

    let many: Vec<_> = (0..100).map(|n| format!(r#""x{n}":1"#)).collect();
    assert_eq!(call(&with(&many.join(","))).uncarried.len(), 64);
}

#[test]
fn golden_requests_mean_something_or_say_what_they_lose() {
    for (name, body) in golden() {
        let call = MessagesRequest::parse(body).unwrap().to_call().unwrap();
        let lost = [
            "documents-of-the-provider",
            "server-tools",
            "system-between-the-turns",
            "unknown-members-and-odd-spellings",
        ];
        assert_eq!(!call.uncarried.is_empty(), lost.contains(&name.as_str()), "{name}: {:?}", call.uncarried);
        assert!(!call.messages.is_empty(), "{name}");
    }
    let odd = of_golden("unknown-members-and-odd-spellings");
    assert_eq!(odd.messages[0].plain_text(), "Grüße 😀/");
    assert_eq!(odd.uncarried, ["betas", "messages[0].x", "context_management", "x", "speed", "service_tier"]);
    assert_eq!(
        of_golden("server-tools").uncarried,
        ["tools[0].input_examples", "tools[1]", "tools[2]", "container"]
    );
}

#[test]
fn faults_inside_a_message_are_found_when_it_is_parsed_and_are_told_without_their_text() {
    let long = format!(r#"[{USER},{{"role":"assistant","content":[{{"type":"tool_use","id":"SECRET"}}]}}]"#);
    let refused = parse(&of(&long)).unwrap().to_call().unwrap_err();
    assert_eq!(refused.param.as_deref(), Some("messages[1].content[0]"));
    assert!(!refused.message.contains("SECRET"));
    for (members, param) in [
        (r#""tools":[{"name":"f"}]"#, "tools[0]"),
        (r#""tools":[{"type":7}]"#, "tools[0]"),
        (r#""tool_choice":{"type":"maybe"}"#, "tool_choice"),
        (r#""tool_choice":{"type":"tool"}"#, "tool_choice"),
        (r#""thinking":{"type":"enabled"}"#, "thinking.budget_tokens"),
        (r#""thinking":{}"#, "thinking"),
        (r#""output_config":{"effort":1}"#, "output_config"),
        (r#""output_config":{"format":{"type":"yaml"}}"#, "output_config.format"),
        (r#""output_config":{"format":7}"#, "output_config.format"),
        (r#""output_format":{"type":"yaml","schema":{}}"#, "output_format"),
        (r#""stop_sequences":[1]"#, "stop_sequences"),
        (r#""top_k":1.5"#, "top_k"),
    ] {
        let refused = parse(&with(members)).unwrap().to_call().unwrap_err();
        assert_eq!(refused.param.as_deref(), Some(param), "{members}");
    }
    let schema = r#"{"type":"json_schema","schema":{}}"#;
    let both = with(&format!(r#""output_format":{schema},"output_config":{{"format":{schema}}}"#));
    let refused = parse(&both).unwrap().to_call().unwrap_err();
    assert_eq!(
        (refused.param.as_deref(), refused.code),
        (Some("output_config.format"), "duplicate_parameter")
    );
    for block in [
        r#"{"type":"tool_use","id":"1","name":"f","input":{}}"#,
        r#"{"type":"image","source":{"type":"url"}}"#,
        r#"{"type":"image","source":{"type":"base64","media_type":"image/png;x,","data":"AA"}}"#,
        r#"{"type":"document","source":"x"}"#,
        r#"{"type":"thinking"}"#,
        r#"{"type":"redacted_thinking","data":1}"#,
    ] {
        let refused = parse(&of_blocks(block)).unwrap().to_call().unwrap_err();
        assert_eq!(refused.param.as_deref(), Some("messages[0].content[0]"), "{block}");
    }
    let nested =
        r#"{"type":"tool_result","tool_use_id":"1","content":[{"type":"tool_result","tool_use_id":"2"}]}"#;
    let refused = parse(&of_blocks(nested)).unwrap().to_call().unwrap_err();
    assert_eq!(refused.param.as_deref(), Some("messages[0].content[0].content[0]"));
}

#[test]
fn what_all_providers_have_goes_to_all_of_them() {
    let common = ["nulls", "stream", "structured", "system-blocks-cached", "system-text", "text"];
    for (name, body) in golden() {
        let call = MessagesRequest::parse(body).unwrap().to_call().unwrap();
        for kind in crate::provider::KINDS {
            match kind.codec.chat(&call, "claude-sonnet-4-5") {
                Ok(body) => assert!(json::check(&body, 64).is_ok(), "{name} to {}", kind.name),
                Err(uncarried) => {
                    assert!(!common.contains(&name.as_str()), "{name} to {}: {uncarried}", kind.name);
                }
            }
        }
    }
}

#[test]
fn an_answer_that_is_begun_goes_on_only_with_those_who_can() {
    let prefill = of_golden("prefill");
    for kind in crate::provider::KINDS {
        let sent = kind.codec.chat(&prefill, "claude-sonnet-4-5");
        let refused = sent.err().map(|uncarried| uncarried.member().to_owned());
        let expected = (kind.codec.dialect() != Some(Dialect::Messages)).then(|| "messages".to_owned());
        assert_eq!(refused, expected, "{}", kind.name);
    }
    let codec = crate::provider::kind("anthropic").unwrap().codec;
    for model in ["claude-sonnet-4-6", "claude-opus-5", "claude-latest"] {
        assert_eq!(codec.chat(&prefill, model).unwrap_err().member(), "messages", "{model}");
    }
    // To count its tokens, it need not go on.
    let (_, body) = golden().into_iter().find(|(name, _)| name == "prefill").unwrap();
    let count = MessagesRequest::parse_count(body).unwrap().to_call().unwrap();
    assert!(crate::provider::kind("gemini").unwrap().codec.count(&count, "gemini-3-flash").is_ok());
}

#[test]
fn a_conversation_that_goes_on_behind_it_begins_no_answer() {
    let mut prefill = of_golden("prefill");
    prefill.messages.push(Message::text(Role::User, "Go on."));
    assert!(!prefill.begins_answer());
    let thought = of(&format!(
        r#"[{USER},{{"role":"assistant","content":[{{"type":"thinking","thinking":"h","signature":"EqQB"}}]}}]"#
    ));
    assert!(!call(&thought).begins_answer());
}

#[test]
fn documents_to_cite_ask_for_another_answer() {
    let document = |citations: &str| {
        let source = r#"{"type":"base64","media_type":"application/pdf","data":"JVBERi0="}"#;
        format!(r#"{{"type":"document","source":{source},"citations":{citations}}}"#)
    };
    let uncarried = |blocks: &str| call(&of_blocks(blocks)).uncarried;
    assert_eq!(uncarried(&document(r#"{"enabled":true}"#)), ["messages[0].content[0].citations"]);
    let result = format!(
        r#"{{"type":"tool_result","tool_use_id":"1","content":[{}]}}"#,
        document(r#"{"enabled":true}"#)
    );
    assert_eq!(uncarried(&result), ["messages[0].content[0].content[0].citations"]);
    for none in [r#"{"enabled":false}"#, "{}", "null"] {
        assert!(uncarried(&document(none)).is_empty(), "{none}");
    }
    // What was cited is no wish.
    let cited = r#"{"type":"text","text":"a","citations":[{"type":"char_location","cited_text":"a"}]}"#;
    assert!(uncarried(cited).is_empty());
}

#[test]
fn a_thought_of_one_provider_goes_to_that_one_alone() {
    let call = of_golden("thoughts-of-other-providers");
    for (kind, model, told) in [
        ("gemini", "gemini-3-pro", true),
        ("anthropic", "claude-sonnet-4-5", false),
        ("openai", "gpt-5", false),
    ] {
        let body = crate::provider::kind(kind).unwrap().codec.chat(&call, model).unwrap();
        let text = std::str::from_utf8(&body).unwrap();
        assert_eq!(text.contains("Zz+/="), told, "{kind}: {text}");
        assert!(!text.contains("parapet."), "{kind}: {text}");
    }
}
