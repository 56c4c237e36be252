use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::call::{Message, Origin, Part, Raw, Reasoning, Role, Signature, ToolCall};
use crate::dialect::Dialect;

const MODEL: &str = "gemini-3-flash";

fn body(call: &Call, model: &str) -> Result<Value, String> {
    let request = request(call, model).map_err(|uncarried| uncarried.member().to_owned())?;
    Ok(serde_json::to_value(request).unwrap())
}

#[track_caller]
fn contents(messages: impl Into<Vec<Message>>) -> Value {
    body(&Call { messages: messages.into(), ..Call::default() }, MODEL).unwrap()["contents"].take()
}

#[track_caller]
fn refused(call: &Call, model: &str, member: &str) {
    assert_eq!(body(call, model).unwrap_err(), member);
}

fn user(text: &str) -> Message {
    Message::text(Role::User, text)
}

fn with(role: Role, part: Part) -> Message {
    Message { content: vec![part], ..Message::text(role, "") }
}

fn calling(calls: &[(&str, &str)], content: Vec<Part>) -> Message {
    let call = |(id, arguments): &(&str, &str)| ToolCall {
        id: (*id).into(),
        name: format!("f_{id}"),
        arguments: (*arguments).into(),
    };
    Message { content, tool_calls: calls.iter().map(call).collect(), ..Message::text(Role::Assistant, "") }
}

fn result(id: &str, text: &str) -> Message {
    Message { tool_call_id: Some(id.into()), ..Message::text(Role::Tool, text) }
}

fn sealed(text: &str, data: &str, origin: Origin, tool_call: Option<&str>) -> Part {
    let signature = Signature {
        origin,
        data: data.into(),
        encrypted: text.is_empty(),
        tool_call: tool_call.map(Into::into),
    };
    Part::Reasoning(Reasoning { text: text.into(), signature: Some(signature) })
}

fn tool(strict: Option<bool>) -> Tool {
    let schema = Json::new(r#"{"type":"object","properties":{"a":{"type":"integer"}}}"#.into()).unwrap();
    Tool { name: "f".into(), description: Some("d".into()), schema: Some(schema), strict }
}

fn with_tools(strict: Option<bool>, choice: Option<ToolChoice>) -> Call {
    Call { messages: vec![user("x")], tools: vec![tool(strict)], tool_choice: choice, ..Call::default() }
}

fn parametrised(parameters: Parameters) -> Call {
    Call { messages: vec![user("x")], parameters, ..Call::default() }
}

#[test]
fn instructions_stand_apart_and_speakers_take_turns() {
    let call = Call {
        messages: vec![
            Message::text(Role::System, "s"),
            user("a"),
            user("b"),
            Message::text(Role::Developer, "d"),
            Message::text(Role::Assistant, "c"),
        ],
        ..Call::default()
    };
    let expected = json!({
        "systemInstruction": {"parts": [{"text": "s"}, {"text": "d"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]},
            {"role": "model", "parts": [{"text": "c"}]},
        ],
    });
    assert_eq!(body(&call, MODEL), Ok(expected));
}

#[test]
fn instructions_alone_are_what_the_user_says() {
    let contents = contents([Message::text(Role::System, "s")]);
    assert_eq!(contents, json!([{"role": "user", "parts": [{"text": "s"}]}]));
}

#[test]
fn texts_that_are_empty_are_left_out() {
    let contents = contents([user("a"), Message::text(Role::Assistant, ""), user("b")]);
    assert_eq!(contents, json!([{"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}]));
}

#[test]
fn a_conversation_in_which_nothing_is_said_is_no_request() {
    for messages in [vec![], vec![user("")], vec![user(""), Message::text(Role::Assistant, "")]] {
        refused(&Call { messages, ..Call::default() }, MODEL, "messages");
    }
}

#[test]
fn data_goes_along_and_addresses_are_fetched() {
    let image = |url: &str| with(Role::User, Part::Image { url: url.into(), detail: Some("low".into()) });
    let part = |message: Message| contents([message])[0]["parts"][0].take();
    let inline = json!({"inlineData": {"mimeType": "image/png", "data": "iVBO"}});
    assert_eq!(part(image("data:image/png;base64,iVBO")), inline);
    let file = json!({"fileData": {"mimeType": "image/jpeg", "fileUri": "https://x.org/a.b/c.JPG?w=1#f"}});
    assert_eq!(part(image("https://x.org/a.b/c.JPG?w=1#f")), file);
    assert_eq!(part(image("https://x.org/a.b/c")), json!({"fileData": {"fileUri": "https://x.org/a.b/c"}}));
    let audio = with(Role::User, Part::Audio { data: "UklG".into(), format: "wav".into() });
    assert_eq!(part(audio), json!({"inlineData": {"mimeType": "audio/wav", "data": "UklG"}}));
    let pdf = with(Role::User, Part::File { url: "https://x.org/a.pdf".into(), name: Some("a.pdf".into()) });
    let file = json!({"fileData": {"mimeType": "application/pdf", "fileUri": "https://x.org/a.pdf"}});
    assert_eq!(part(pdf), file);
}

#[test]
fn what_only_our_account_may_read_is_not_read_for_a_caller() {
    for url in [
        "gs://bucket/a.pdf",
        "https://generativelanguage.googleapis.com/v1beta/files/abc-123",
        "https://generativelanguage.googleapis.com:443/files/abc-123",
        "https://x@GenerativeLanguage.googleapis.com./v1/files/abc-123?alt=media",
        "https://generativelanguage.mtls.googleapis.com/v1beta/files/abc-123",
        "files/abc-123",
    ] {
        let image = with(Role::User, Part::Image { url: url.into(), detail: None });
        refused(&Call { messages: vec![image], ..Call::default() }, MODEL, "image_url");
        let shown = Message { content: vec![Part::File { url: url.into(), name: None }], ..result("1", "") };
        let messages = vec![calling(&[("1", "{}")], vec![]), shown];
        refused(&Call { messages, ..Call::default() }, MODEL, "file");
    }
    let public = "https://storage.googleapis.com/bucket/generativelanguage.googleapis.com/files/a.png";
    let image = with(Role::User, Part::Image { url: public.into(), detail: None });
    assert_eq!(contents([image])[0]["parts"][0]["fileData"]["fileUri"], public);
}

#[test]
fn parts_without_a_counterpart_are_named() {
    let refused = |message| refused(&Call { messages: vec![message], ..Call::default() }, MODEL, "file");
    refused(with(Role::User, Part::File { url: "data:text/plain,plain".into(), name: None }));
    refused(with(Role::System, Part::File { url: "https://x.org/a.pdf".into(), name: None }));
    let other = Json::new(r#"{"type":"file","file":{"file_id":"file-1"}}"#.into()).unwrap();
    refused(with(Role::User, Part::Other(Raw { dialect: Dialect::Chat, json: other })));
}

#[test]
fn a_round_of_calls_and_results_is_two_contents() {
    let contents = contents([
        user("x"),
        calling(&[("1", r#"{"a":1.0}"#), ("2", " ")], vec![Part::Text("t".into())]),
        result("1", r#" {"celsius":3} "#),
        result("2", "12:00"),
        user("y"),
    ]);
    let expected = json!([
        {"role": "user", "parts": [{"text": "x"}]},
        {"role": "model", "parts": [
            {"text": "t"},
            {"functionCall": {"id": "1", "name": "f_1", "args": {"a": 1.0}},
             "thoughtSignature": "skip_thought_signature_validator"},
            {"functionCall": {"id": "2", "name": "f_2", "args": {}}},
        ]},
        {"role": "user", "parts": [
            {"functionResponse": {"id": "1", "name": "f_1", "response": {"celsius": 3}}},
            {"functionResponse": {"id": "2", "name": "f_2", "response": {"output": "12:00"}}},
        ]},
        {"role": "user", "parts": [{"text": "y"}]},
    ]);
    assert_eq!(contents, expected);
}

#[test]
fn a_result_is_told_as_what_it_is() {
    let response = |message: Message| {
        let contents = contents([calling(&[("1", "{}")], vec![]), message]);
        contents[1]["parts"][0]["functionResponse"]["response"].clone()
    };
    assert_eq!(response(result("1", "[1]")), json!({"output": "[1]"}));
    assert_eq!(response(result("1", r#"{"a":"#)), json!({"output": "{\"a\":"}));
    assert_eq!(
        response(result("1", r#"{"error":null,"rows":3}"#)),
        json!({"output": {"error": null, "rows": 3}})
    );
    let failed = Message { tool_failed: true, ..result("1", "no such city") };
    assert_eq!(response(failed), json!({"error": "no such city"}));
}

#[test]
fn a_result_without_a_call_goes_by_its_own_name_or_not_at_all() {
    let named = Message { name: Some("f".into()), ..Message::text(Role::Function, "3") };
    let response = contents([named])[0]["parts"][0]["functionResponse"].take();
    assert_eq!(response, json!({"name": "f", "response": {"output": "3"}}));
    refused(&Call { messages: vec![result("9", "3")], ..Call::default() }, MODEL, "tool_call_id");
}

#[test]
fn pictures_in_results_go_to_models_that_look_at_them() {
    let image = Part::Image { url: "data:image/png;base64,iVBO".into(), detail: None };
    let mut shown = result("1", "chart");
    shown.content.push(image);
    let call = Call { messages: vec![calling(&[("1", "{}")], vec![]), shown], ..Call::default() };
    let response = body(&call, MODEL).unwrap()["contents"][1]["parts"][0]["functionResponse"].take();
    let expected = json!({
        "id": "1", "name": "f_1", "response": {"output": "chart"},
        "parts": [{"inlineData": {"mimeType": "image/png", "data": "iVBO"}}],
    });
    assert_eq!(response, expected);
    refused(&call, "gemini-2.5-flash", "image_url");
}

#[test]
fn signatures_return_to_the_part_they_stood_on() {
    let contents = contents([calling(
        &[("1", "{}"), ("2", "{}")],
        vec![
            sealed("hm", "QQ==", Origin::Gemini, None),
            sealed("", "Qg==", Origin::Gemini, None),
            Part::Text("t".into()),
            sealed("", "Qw==", Origin::Gemini, Some("1")),
        ],
    )]);
    let expected = json!([
        {"text": "hm", "thought": true, "thoughtSignature": "QQ=="},
        {"text": "t", "thoughtSignature": "Qg=="},
        {"functionCall": {"id": "1", "name": "f_1", "args": {}}, "thoughtSignature": "Qw=="},
        {"functionCall": {"id": "2", "name": "f_2", "args": {}}},
    ]);
    assert_eq!(contents[0]["parts"], expected);
}

#[test]
fn as_many_signatures_as_calls_are_no_more_work_than_they_are_long() {
    // Quadratic work on these would take minutes.
    const COUNT: usize = 200_000;
    let id = |call: usize| format!("call-{call:06}");
    let seals = (0..COUNT).map(|call| sealed("", &call.to_string(), Origin::Gemini, Some(&id(COUNT - call))));
    let call = |call| ToolCall { id: id(call), name: "f".into(), arguments: "{}".into() };
    let tool_calls = (1..=COUNT).map(call).collect();
    let message = Message { content: seals.collect(), tool_calls, ..Message::text(Role::Assistant, "") };
    let parts = contents([message])[0]["parts"].take();
    assert_eq!(parts[0]["thoughtSignature"], (COUNT - 1).to_string());
    assert_eq!(parts[COUNT - 1]["thoughtSignature"], "0");
}

#[test]
fn of_two_signatures_of_one_call_the_first_returns() {
    let seal = |data| sealed("", data, Origin::Gemini, Some("1"));
    let contents = contents([calling(&[("1", "{}")], vec![seal("QQ=="), seal("Qg==")])]);
    assert_eq!(contents[0]["parts"][0]["thoughtSignature"], "QQ==");
}

#[test]
fn a_signature_without_a_text_stands_on_an_empty_one() {
    let contents = contents([calling(&[], vec![sealed("", "Qg==", Origin::Gemini, None)])]);
    assert_eq!(contents[0]["parts"], json!([{"text": "", "thoughtSignature": "Qg=="}]));
}

#[test]
fn thoughts_of_others_are_left_out_and_their_calls_have_a_stand_in_where_one_is_wanted() {
    let unsigned = Part::Reasoning(Reasoning { text: "hm".into(), signature: None });
    let theirs = sealed("hm", "QQ==", Origin::Anthropic, None);
    let messages = vec![calling(&[("1", "{}"), ("2", "{}")], vec![theirs, unsigned])];
    let call = Call { messages, ..Call::default() };
    let parts = |model| body(&call, model).unwrap()["contents"][0]["parts"].take();
    let new = parts(MODEL);
    assert_eq!(new.as_array().unwrap().len(), 2);
    assert_eq!(new[0]["thoughtSignature"], "skip_thought_signature_validator");
    assert_eq!(new[1]["thoughtSignature"], Value::Null);
    assert_eq!(parts("gemini-2.5-pro")[0]["thoughtSignature"], Value::Null);
}

#[test]
fn arguments_that_are_no_object_have_no_place() {
    for arguments in ["Oslo", "[1]", r#"{"a":1"#, "{} {}"] {
        let call = Call { messages: vec![calling(&[("1", arguments)], vec![])], ..Call::default() };
        refused(&call, MODEL, "tool_calls");
    }
}

#[test]
fn who_of_several_speaks_is_left_out() {
    let named = Message { name: Some("Ada".into()), ..user("x") };
    let sent = |message| body(&Call { messages: vec![message], ..Call::default() }, MODEL).unwrap();
    assert_eq!(sent(named), sent(user("x")));
}

#[test]
fn an_answer_is_not_begun_for_the_model() {
    let begun = |continues| Call {
        messages: vec![user("x"), Message::text(Role::Assistant, "{")],
        continues,
        ..Call::default()
    };
    refused(&begun(true), MODEL, "messages");
    assert!(body(&begun(false), MODEL).is_ok());
}

#[test]
fn tools_keep_their_schema_and_choices_have_their_modes() {
    let tools = body(&with_tools(None, None), MODEL).unwrap()["tools"].take();
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
    let declaration = json!({"name": "f", "description": "d", "parametersJsonSchema": schema});
    assert_eq!(tools, json!([{"functionDeclarations": [declaration]}]));

    let config = |strict, choice| {
        body(&with_tools(strict, choice), MODEL).unwrap()["toolConfig"]["functionCallingConfig"].take()
    };
    assert_eq!(config(None, None), Value::Null);
    assert_eq!(config(None, Some(ToolChoice::Auto)), json!({"mode": "AUTO"}));
    assert_eq!(config(Some(true), None), json!({"mode": "VALIDATED"}));
    assert_eq!(config(Some(true), Some(ToolChoice::Auto)), json!({"mode": "VALIDATED"}));
    assert_eq!(config(Some(true), Some(ToolChoice::None)), json!({"mode": "NONE"}));
    assert_eq!(config(Some(true), Some(ToolChoice::Required)), json!({"mode": "ANY"}));
    let named = config(None, Some(ToolChoice::Named("f".into())));
    assert_eq!(named, json!({"mode": "ANY", "allowedFunctionNames": ["f"]}));
    let none = Call { tool_choice: Some(ToolChoice::Auto), ..parametrised(Parameters::default()) };
    assert_eq!(body(&none, MODEL).unwrap()["toolConfig"], Value::Null);
}

#[test]
fn one_call_at_a_time_cannot_be_promised() {
    let call = Call { parallel_tool_calls: Some(false), ..with_tools(None, None) };
    refused(&call, MODEL, "parallel_tool_calls");
    assert!(body(&Call { parallel_tool_calls: Some(true), ..with_tools(None, None) }, MODEL).is_ok());
    let moot = Call { parallel_tool_calls: Some(false), ..with_tools(None, Some(ToolChoice::None)) };
    assert!(body(&moot, MODEL).is_ok());
}

#[test]
fn parameters_have_their_names() {
    let schema = Json::new(r#"{"name":"n","strict":true,"schema":{"type":"object"}}"#.into()).unwrap();
    let call = parametrised(Parameters {
        max_tokens: Some(300),
        temperature: Some(0.5),
        top_p: Some(0.25),
        top_k: Some(40),
        frequency_penalty: Some(0.5),
        presence_penalty: Some(-0.5),
        stop: vec!["END".into()],
        seed: Some(-7),
        n: Some(2),
        response_format: Some(ResponseFormat::JsonSchema(schema)),
        reasoning_effort: Some("low".into()),
        ..Parameters::default()
    });
    let expected = json!({
        "maxOutputTokens": 300,
        "temperature": 0.5,
        "topP": 0.25,
        "topK": 40,
        "frequencyPenalty": 0.5,
        "presencePenalty": -0.5,
        "stopSequences": ["END"],
        "seed": -7,
        "candidateCount": 2,
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object"},
        "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": true},
    });
    assert_eq!(body(&call, MODEL).unwrap()["generationConfig"], expected);
}

#[test]
fn a_wish_for_the_default_is_none_and_the_callers_user_is_nobodys_business() {
    let parameters = Parameters {
        n: Some(1),
        frequency_penalty: Some(0.0),
        presence_penalty: Some(-0.0),
        logprobs: Some(false),
        top_logprobs: Some(0),
        response_format: Some(ResponseFormat::Text),
        ..Parameters::default()
    };
    let call = Call { user: Some("u-1".into()), ..parametrised(parameters) };
    let contents = json!([{"role": "user", "parts": [{"text": "x"}]}]);
    assert_eq!(body(&call, MODEL), Ok(json!({"contents": contents})));
}

#[test]
fn wishes_without_a_counterpart_are_named() {
    let refused = |parameters, member| refused(&parametrised(parameters), MODEL, member);
    let default = Parameters::default;
    refused(Parameters { logprobs: Some(true), ..default() }, "logprobs");
    refused(Parameters { top_logprobs: Some(2), ..default() }, "top_logprobs");
    refused(Parameters { stop: vec!["x".into(); 6], ..default() }, "stop");
    refused(Parameters { seed: Some(1 << 31), ..default() }, "seed");
    refused(Parameters { n: Some(9), ..default() }, "n");
    refused(Parameters { reasoning_effort: Some("none".into()), ..default() }, "reasoning_effort");
    let call = Call { uncarried: vec!["wishes".into()], ..parametrised(default()) };
    super::tests::refused(&call, MODEL, "wishes");
}

#[test]
fn structured_answers_beside_tools_are_for_models_that_give_them() {
    let parameters =
        Parameters { response_format: Some(ResponseFormat::JsonObject), ..Parameters::default() };
    let call = Call { parameters: parameters.clone(), ..with_tools(None, None) };
    assert!(body(&call, MODEL).is_ok());
    refused(&call, "gemini-2.5-pro", "response_format");
    let not_called = Call { parameters, ..with_tools(None, Some(ToolChoice::None)) };
    assert!(body(&not_called, "gemini-2.5-pro").is_ok());
}

#[test]
fn a_count_holds_the_whole_request_and_the_models_full_name() {
    let call = with_tools(None, None);
    let count = serde_json::to_value(count(&call, MODEL).unwrap()).unwrap();
    let mut expected = body(&call, MODEL).unwrap();
    expected["model"] = "models/gemini-3-flash".into();
    assert_eq!(count, json!({"generateContentRequest": expected}));
}

#[test]
fn what_is_nested_too_deep_for_the_body_is_a_text_or_refused() {
    let nested = |depth| [r#"{"a":"#.repeat(depth), "1".into(), "}".repeat(depth)].concat();
    let written = |call: &Call| {
        let count = count(call, MODEL).map_err(|uncarried| uncarried.member().to_owned())?;
        Ok(crate::gemini::written(&count))
    };
    let asked = |arguments: &str, answer: &str| {
        let messages = vec![calling(&[("1", arguments)], vec![]), result("1", answer)];
        written(&Call { messages, ..Call::default() })
    };
    for depth in [56, 57, 64] {
        let body = asked("{}", &nested(depth)).unwrap();
        assert_eq!(json::check(&body, json::MAX_DEPTH), Ok(()), "{depth}");
    }
    assert_eq!(json::check(&asked(&nested(56), "").unwrap(), json::MAX_DEPTH), Ok(()));
    assert_eq!(asked(&nested(57), ""), Err("tool_calls".to_owned()));
    let with_schema = |depth| {
        let tools = vec![Tool { schema: Some(Json::new(nested(depth)).unwrap()), ..tool(None) }];
        written(&Call { tools, ..with_tools(None, None) })
    };
    assert_eq!(json::check(&with_schema(56).unwrap(), json::MAX_DEPTH), Ok(()));
    assert_eq!(with_schema(57), Err("tools".to_owned()));
}

proptest! {
    #[test]
    fn whatever_models_and_tools_say_the_request_is_json(
        said in prop_oneof![any::<String>(), r#" ?\{"(output|a|\\ud83d)" ?: ?[-0-9a-z\[\]{}"\\.]{0,8}\} ?"#],
        failed: bool,
    ) {
        let answered = Message { tool_failed: failed, ..result("1", &said) };
        let messages = vec![user(&said), calling(&[("1", "{}")], vec![]), answered];
        let written = crate::gemini::written(&request(&Call { messages, ..Call::default() }, MODEL).unwrap());
        prop_assert_eq!(json::check(&written, 64), Ok(()));

        let messages = vec![calling(&[("1", &said)], vec![])];
        if let Ok(request) = request(&Call { messages, ..Call::default() }, MODEL) {
            prop_assert_eq!(json::check(&crate::gemini::written(&request), 64), Ok(()));
        }
    }
}
