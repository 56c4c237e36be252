mod foreign;
mod neutral;
mod sizes;

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::call::Role;
use crate::json;
use crate::openai::{self, Flavor};

fn parse(body: &str) -> Result<MessagesRequest, Refused> {
    MessagesRequest::parse(Bytes::copy_from_slice(body.as_bytes()))
}

const USER: &str = r#"{"role":"user","content":"x"}"#;

/// A request of the given members beside a model, a limit and one message.
fn with(members: &str) -> String {
    format!(r#"{{"model":"m","max_tokens":9,"messages":[{USER}],{members}}}"#)
}

/// A request of the given messages.
fn of(messages: &str) -> String {
    format!(r#"{{"model":"m","max_tokens":9,"messages":{messages}}}"#)
}

/// A request of one user message with the given blocks.
fn of_blocks(blocks: &str) -> String {
    of(&format!(r#"[{{"role":"user","content":[{blocks}]}}]"#))
}

fn value(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

fn golden() -> Vec<(String, Bytes)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/anthropic/requests");
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        (path.file_stem().unwrap().to_string_lossy().into_owned(), Bytes::from(fs::read(path).unwrap()))
    };
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(read).collect();
    files.sort();
    assert!(files.len() > 15);
    files
}

#[test]
fn what_is_refused_is_named() {
    let deep = with(&format!(r#""x":{}{}"#, "[".repeat(64), "]".repeat(64)));
    let message = |message: &str| of(&format!("[{message}]"));
    let table: &[(&str, Option<&str>, &str)] = &[
        ("hello", None, "invalid_json"),
        ("", None, "invalid_json"),
        (r#"{"model":"m","messages":["#, None, "invalid_json"),
        (&format!("{}{{}}", message(USER)), None, "invalid_json"),
        ("[]", None, "invalid_type"),
        (&deep, None, "json_too_deep"),
        (&format!(r#"{{"max_tokens":1,"messages":[{USER}]}}"#), Some("model"), "missing_required_parameter"),
        (&with(r#""model":"dear""#), Some("model"), "duplicate_parameter"),
        (&with(r#""\u006dodel":"dear""#), Some("model"), "duplicate_parameter"),
        (&format!(r#"{{"model":"","messages":[{USER}]}}"#), Some("model"), "invalid_value"),
        (
            &format!(r#"{{"model":"m","messages":[{USER}]}}"#),
            Some("max_tokens"),
            "missing_required_parameter",
        ),
        (
            &format!(r#"{{"model":"m","max_tokens":null,"messages":[{USER}]}}"#),
            Some("max_tokens"),
            "missing_required_parameter",
        ),
        (&with(r#""max_tokens":1"#), Some("max_tokens"), "duplicate_parameter"),
        (r#"{"model":"m","max_tokens":-1,"messages":[]}"#, Some("max_tokens"), "integer_below_min_value"),
        (r#"{"model":"m","max_tokens":1.5}"#, Some("max_tokens"), "invalid_type"),
        (r#"{"model":"m","max_tokens":1}"#, Some("messages"), "missing_required_parameter"),
        (&of("null"), Some("messages"), "missing_required_parameter"),
        (&of("[]"), Some("messages"), "invalid_value"),
        (&of("{}"), Some("messages"), "invalid_type"),
        (&message(r#""x""#), Some("messages[0]"), "invalid_type"),
        (&message(r#"{"content":"x"}"#), Some("messages[0].role"), "missing_required_parameter"),
        (
            &message(&format!(r#"{USER},{{"role":"tool","content":"x"}}"#)),
            Some("messages[1].role"),
            "invalid_value",
        ),
        (&message(r#"{"role":1}"#), Some("messages[0].role"), "invalid_type"),
        (&message(r#"{"role":"user","role":"system"}"#), Some("messages[0].role"), "duplicate_parameter"),
        (&message(r#"{"role":"user"}"#), Some("messages[0].content"), "missing_required_parameter"),
        (&message(r#"{"role":"user","content":null}"#), Some("messages[0].content"), "invalid_type"),
        (
            &message(r#"{"role":"user","content":"x","content":"y"}"#),
            Some("messages[0].content"),
            "duplicate_parameter",
        ),
        (&of_blocks(r#""x""#), Some("messages[0].content[0]"), "invalid_type"),
        (&of_blocks(r#"{"text":"x"}"#), Some("messages[0].content[0].type"), "missing_required_parameter"),
        (&of_blocks(r#"{"type":7}"#), Some("messages[0].content[0].type"), "invalid_type"),
        (
            &of_blocks(r#"{"type":"text","text":"x"},{"text":1,"type":"text"}"#),
            Some("messages[0].content[1].text"),
            "invalid_type",
        ),
        (&of_blocks(r#"{"type":"text"}"#), Some("messages[0].content[0].text"), "missing_required_parameter"),
        (
            &of_blocks(r#"{"type":"text","text":"x","text":"y"}"#),
            Some("messages[0].content[0].text"),
            "duplicate_parameter",
        ),
        (
            &of_blocks(r#"{"type":"tool_result","content":[{"type":"text","text":"a","text":"b"}]}"#),
            Some("messages[0].content[0].content[0].text"),
            "duplicate_parameter",
        ),
        (
            &of_blocks(r#"{"type":"document","source":{"type":"text","data":"a","data":"b"}}"#),
            Some("messages[0].content[0].source.data"),
            "duplicate_parameter",
        ),
        (
            &of_blocks(r#"{"type":"thinking","thinking":"","signature":"a","signature":"b"}"#),
            Some("messages[0].content[0].signature"),
            "duplicate_parameter",
        ),
        (&with(r#""system":7"#), Some("system"), "invalid_type"),
        (&with(r#""system":["x"]"#), Some("system[0]"), "invalid_type"),
        (&with(r#""system":"a","system":"b""#), Some("system"), "duplicate_parameter"),
        (&with(r#""stream":"true""#), Some("stream"), "invalid_type"),
        (&with(r#""stream":true,"stream":false"#), Some("stream"), "duplicate_parameter"),
        (&with(r#""temperature":"hot""#), Some("temperature"), "invalid_type"),
        (&with(r#""top_k":[]"#), Some("top_k"), "invalid_type"),
        (&with(r#""stop_sequences":"x""#), Some("stop_sequences"), "invalid_type"),
        (&with(r#""tools":[{},"f"]"#), Some("tools[1]"), "invalid_type"),
        (&with(r#""tool_choice":"auto""#), Some("tool_choice"), "invalid_type"),
        (&with(r#""thinking":true"#), Some("thinking"), "invalid_type"),
        (&with(r#""thinking":{"type":1}"#), Some("thinking.type"), "invalid_type"),
        (&with(r#""output_config":[]"#), Some("output_config"), "invalid_type"),
        (&with(r#""output_format":"json""#), Some("output_format"), "invalid_type"),
        (&with(r#""service_tier":1"#), Some("service_tier"), "invalid_type"),
        (&with(r#""metadata":"u""#), Some("metadata"), "invalid_type"),
        (&with(r#""metadata":{"user_id":7}"#), Some("metadata.user_id"), "invalid_type"),
        (
            &with(r#""metadata":{"user_id":null,"user_id":"u"}"#),
            Some("metadata.user_id"),
            "duplicate_parameter",
        ),
    ];
    for (body, param, code) in table {
        let refused = parse(body).expect_err(body);
        assert_eq!((refused.param.as_deref(), refused.code), (*param, *code), "{body}");
        assert!(
            !refused.message.contains("hello") && refused.message.starts_with(|c: char| !c.is_uppercase())
        );
    }
    let refused = MessagesRequest::parse(Bytes::from_static(b"{\"model\":\"\xff\"}")).unwrap_err();
    assert_eq!((refused.param, refused.code), (None, "invalid_json"));
}

#[test]
fn messages_say_what_to_do_instead() {
    let message = |body: &str| parse(body).unwrap_err().message;
    assert_eq!(
        message(&of(r#"[{"role":"tool","content":""}]"#)),
        "`messages[0].role` must be one of `user`, `assistant`, `system`"
    );
    assert_eq!(
        message(&with(r#""system":7"#)),
        "`system` must be a string or an array of content blocks, not a number"
    );
    assert_eq!(message(r#"{"model":"m","max_tokens":-1}"#), "`max_tokens` must be at least 0");
}

#[test]
fn members_nobody_reads_may_be_anything() {
    let blocks = [
        r#"{"type":"later","text":{"a":1},"content":{"b":[]},"source":[1],"data":2,"signature":null}"#,
        r#"{"type":"web_search_tool_result","content":{"type":"web_search_tool_result_error"}}"#,
        r#"{"type":"later","content":[1,[2],{"text":3},{}]}"#,
        r#"{"type":"image","source":{"type":3,"data":[]}}"#,
    ];
    for block in blocks {
        assert!(parse(&of_blocks(block)).is_ok(), "{block}");
    }
    assert!(parse(&with(r#""x":1,"x":2,"mcp_servers":7"#)).is_ok());
}

#[test]
fn a_count_needs_no_limit() {
    let body = format!(r#"{{"model":"m","messages":[{USER}]}}"#);
    let request = MessagesRequest::parse_count(Bytes::from(body.clone())).unwrap();
    assert_eq!((request.max_tokens(), request.for_upstream("m")), (None, Bytes::from(body)));
    assert!(MessagesRequest::parse_count(Bytes::from_static(b"{\"model\":\"m\"}")).is_err());
}

/// Who wrote, and how much.
fn written(body: &str) -> Vec<(Role, usize)> {
    let request = parse(body).unwrap();
    request.messages().iter().map(|message| (message.role, message.characters)).collect()
}

#[test]
fn the_system_prompt_is_the_first_message_wherever_it_stands() {
    let expected = [(Role::System, 3), (Role::User, 1)];
    assert_eq!(written(&with(r#""system":"gr\u00fc""#)), expected);
    let first = format!(
        r#"{{"system":[{{"type":"text","text":"日本"}},{{"type":"text","text":"語"}}],"model":"m","max_tokens":1,"messages":[{USER}]}}"#
    );
    assert_eq!(written(&first), expected);
    assert_eq!(written(&of(&format!(r#"[{USER},{{"role":"system"}}]"#)))[1], (Role::System, 0));
}

#[test]
fn what_a_tool_wrote_is_not_the_users() {
    let result = r#"{"type":"tool_result","tool_use_id":"1","content":"four"}"#;
    let blocks = r#"{"content":[{"text":"six","type":"text"},{"type":"image"},{"text":"ty","type":"text"}],"type":"tool_result"}"#;
    let text = r#"{"type":"text","text":"my own"}"#;
    assert_eq!(written(&of_blocks(result)), [(Role::Tool, 4)]);
    assert_eq!(written(&of_blocks(&format!("{result},{blocks}"))), [(Role::Tool, 9)]);
    assert_eq!(written(&of_blocks(&format!("{result},{text}"))), [(Role::User, 6)]);
    assert_eq!(written(&of_blocks("")), [(Role::User, 0)]);
    let request = parse(&of_blocks(&format!("{result},{text},{blocks}"))).unwrap();
    assert_eq!((request.characters(), request.image_count()), (4 + 6 + 5, 1));
    // An assistant has no results of tools, whatever its blocks are called.
    let assistant = of(&format!(r#"[{{"role":"assistant","content":[{result}]}}]"#));
    assert_eq!(written(&assistant), [(Role::Assistant, 0)]);
}

#[test]
fn a_document_in_plain_text_is_text() {
    for (block, characters) in [
        (r#"{"type":"document","source":{"type":"text","data":"four"},"title":"tt","context":"c"}"#, 7),
        (r#"{"type":"document","source":{"data":"four","media_type":"text/plain","type":"text"}}"#, 4),
        (r#"{"type":"document","source":{"type":"content","content":"four"}}"#, 4),
        (r#"{"type":"document","source":{"content":[{"type":"text","text":"four"}],"type":"content"}}"#, 4),
        (r#"{"type":"document","source":{"type":"base64","data":"AAAA"}}"#, 0),
        (r#"{"type":"search_result","source":"s","title":"t","content":[{"type":"text","text":"x"}]}"#, 3),
    ] {
        assert_eq!(written(&of_blocks(block)), [(Role::User, characters)], "{block}");
    }
}

#[test]
fn the_last_user_text_is_what_a_user_wrote() {
    let last = |body: &str| parse(body).unwrap().last_user_text();
    let result = r#"{"type":"tool_result","tool_use_id":"1","content":"four"}"#;
    let asked = r#"{"role":"user","content":[{"type":"text","text":"gr\u00fc"},{"type":"image"},{"text":"ße","type":"text"}]}"#;
    let body = of(&format!(
        r#"[{USER},{asked},{{"role":"assistant","content":"y"}},{{"role":"user","content":[{result}]}}]"#
    ));
    assert_eq!(last(&body).as_deref(), Some("grüße"));
    let mixed = of_blocks(&format!(r#"{result},{{"type":"text","text":"mine"}}"#));
    assert_eq!(last(&mixed).as_deref(), Some("mine"));
    assert_eq!(last(&of(r#"[{"role":"assistant","content":"x"}]"#)), None);
}

#[test]
fn an_unchanged_request_is_not_copied() {
    let request = parse(&with(r#""stream":true"#)).unwrap();
    assert_eq!(request.for_upstream("m").as_ptr(), request.body().as_ptr());
}

#[test]
fn an_agents_prompt_stands_in_front_of_the_callers() {
    let prompt = "Be \"kind\".\n";
    for (before, after) in [
        (r#""x":1"#, r#""x":1,"system":"Be \"kind\".\n""#),
        (r#""system":null,"x":1"#, r#""system":"Be \"kind\".\n","x":1"#),
        (r#""system":"Hi\u0021""#, r#""system":"Be \"kind\".\n\n\nHi\u0021""#),
        (r#""system" : "" "#, r#""system" : "Be \"kind\".\n" "#),
        (r#""system":[ ]"#, r#""system":[{"type":"text","text":"Be \"kind\".\n"} ]"#),
        (
            r#""system":[ {"type":"text","text":"Hi"}]"#,
            r#""system":[{"type":"text","text":"Be \"kind\".\n"}, {"type":"text","text":"Hi"}]"#,
        ),
    ] {
        let request = parse(&with(before)).unwrap().with_agent(prompt, &Parameters::default());
        assert_eq!(request.for_upstream("m"), with(after));
        let call = request.to_call().unwrap();
        assert_eq!(call.messages[0], crate::call::Message::text(Role::System, prompt));
        assert_eq!(call.messages.len(), if before.contains("Hi") { 3 } else { 2 });

        let silent = parse(&with(before)).unwrap().with_agent("", &Parameters::default());
        assert_eq!(silent.for_upstream("m"), with(before));
    }
}

#[test]
fn an_agents_defaults_fill_what_the_caller_left_open() {
    let defaults = Parameters {
        max_tokens: Some(500),
        temperature: Some(0.7),
        top_p: Some(0.5),
        top_k: Some(7),
        stop: vec!["a\n".into(), "b".into()],
        // Wishes for what is so anyway.
        n: Some(1),
        seed: None,
        frequency_penalty: Some(0.0),
        presence_penalty: Some(0.0),
        logprobs: Some(false),
        response_format: Some(ResponseFormat::Text),
        ..Parameters::default()
    };
    for (before, after) in [
        (r#""x":1"#, r#""x":1,"temperature":0.7,"top_p":0.5,"top_k":7,"stop_sequences":["a\n","b"]"#),
        (
            r#""stop_sequences":null,"top_p":null,"top_k":1,"temperature":1"#,
            r#""stop_sequences":["a\n","b"],"top_p":0.5,"top_k":1,"temperature":1"#,
        ),
    ] {
        let request = parse(&with(before)).unwrap().with_agent("", &defaults);
        assert_eq!(request.carries(), Ok(()));
        assert_eq!(request.max_tokens(), Some(9));
        assert_eq!(request.for_upstream("m"), with(after));
        let parameters = request.to_call().unwrap().parameters;
        assert_eq!((parameters.max_tokens, parameters.top_p), (Some(9), Some(0.5)));
    }
    let body = Bytes::from(format!(r#"{{"model":"m","messages":[{USER}]}}"#));
    let count = MessagesRequest::parse_count(body.clone()).unwrap().with_agent("", &defaults);
    assert_eq!(count.for_upstream("m"), body, "a count takes no parameters");
}

#[test]
fn defaults_without_a_member_here_are_told() {
    let default = Parameters::default;
    let schema = ResponseFormat::JsonSchema(crate::call::Json::new("{}".into()).unwrap());
    let table = [
        ("", Parameters { seed: Some(1), ..default() }, Some("seed")),
        ("", Parameters { n: Some(2), ..default() }, Some("n")),
        ("", Parameters { frequency_penalty: Some(0.1), ..default() }, Some("frequency_penalty")),
        ("", Parameters { presence_penalty: Some(-1.0), ..default() }, Some("presence_penalty")),
        ("", Parameters { logprobs: Some(true), ..default() }, Some("logprobs")),
        (
            "",
            Parameters { response_format: Some(ResponseFormat::JsonObject), ..default() },
            Some("response_format"),
        ),
        ("", Parameters { response_format: Some(schema), ..default() }, Some("response_format")),
        ("", Parameters { reasoning_effort: Some("low".into()), ..default() }, Some("reasoning_effort")),
        ("", Parameters { reasoning_budget: Some(5), ..default() }, Some("reasoning_effort")),
        ("", Parameters { temperature: Some(1.5), ..default() }, Some("temperature")),
        ("", Parameters { temperature: Some(0.5), top_p: Some(0.1), top_k: Some(1), ..default() }, None),
        (r#","temperature":0"#, Parameters { temperature: Some(1.5), ..default() }, None),
    ];
    let thinking = [
        (Parameters { temperature: Some(0.5), ..default() }, Some("temperature")),
        (Parameters { temperature: Some(1.0), top_p: Some(0.95), ..default() }, None),
        (Parameters { top_p: Some(0.5), ..default() }, Some("top_p")),
        (Parameters { top_k: Some(5), ..default() }, Some("top_k")),
        (Parameters { reasoning_effort: Some("low".into()), ..default() }, None),
    ];
    let thinking = thinking.into_iter().flat_map(|(defaults, expected)| {
        [
            (r#","thinking":{"type":"adaptive"}"#, defaults.clone(), expected),
            (r#","thinking":{"budget_tokens":1024,"type":"enabled"}"#, defaults.clone(), expected),
            (r#","thinking":{"type":"disabled"}"#, defaults, None),
        ]
    });
    for (members, defaults, expected) in table.into_iter().chain(thinking) {
        let body = with(&format!(r#""x":1{members}"#));
        let request = parse(&body).unwrap().with_agent("p", &defaults);
        let uncarried = request.carries().err();
        assert_eq!(uncarried.as_ref().map(Uncarried::member), expected, "{members} {defaults:?}");
        let count = MessagesRequest::parse_count(Bytes::from(body)).unwrap().with_agent("p", &defaults);
        assert_eq!(count.carries(), Ok(()));
    }
}

#[test]
fn golden_requests_pass_through_unchanged_but_for_what_is_spliced() {
    for (name, body) in golden() {
        let before = value_without_numbers_beyond_a_float(&body);
        let request = MessagesRequest::parse(body.clone()).unwrap();
        let foreign = name.contains("thoughts-of-other-providers");
        assert_eq!(request.for_upstream(request.model()) == body, !foreign, "{name}");
        if foreign {
            continue;
        }
        let mut after = value_without_numbers_beyond_a_float(&request.for_upstream("other/model \"x\""));
        assert_eq!(after["model"], "other/model \"x\"", "{name}");
        after["model"] = before["model"].clone();
        assert_eq!(after, before, "{name}");
    }
}

fn value_without_numbers_beyond_a_float(body: &[u8]) -> Value {
    value(std::str::from_utf8(body).unwrap().replace("1e400", "1").as_bytes())
}

fn space() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "", "", " ", "\n", "\t ", "\r\n"])
}

/// A request in a random spelling: member order, white space, escapes, numbers, unknown members.
fn spelling() -> impl Strategy<Value = String> {
    let value = prop::sample::select(vec![
        "1",
        "-0.0",
        "1E+2",
        "null",
        "true",
        "\"\\u0061\\/\"",
        "[]",
        "{ }",
        "[1,[2,{\"a\":[]}]]",
        "\"é\\ud83d\"",
    ]);
    let unknown = ("x[a-z]{1,3}", value).prop_map(|(name, value)| format!("\"{name}\":{value}"));
    let known = prop::sample::subsequence(
        vec![
            r#""stream":true"#,
            r#""temperature":0.50"#,
            r#""top_k":3"#,
            r#""stop_sequences":null"#,
            r#""metadata":{"user_id":"\u0075"}"#,
            r#""tools":[{"name":"f","input_schema":{}}]"#,
            r#""thinking" : {"type":"disabled"}"#,
        ],
        0..=7,
    );
    let system =
        prop::sample::select(vec!["", r#""system":"s""#, r#""system" : [ {"text":"s","type":"text"}]"#]);
    let model = prop::sample::select(vec![r#""model":"smart""#, r#""mod\u0065l" : "sm\u0061rt""#]);
    let messages = prop::sample::select(vec![
        r#""messages":[{"role":"user","content":"a b"}]"#,
        r#""messages" : [ {"content":[{"type":"text","text":"a b"}],"role":"user"} , {"role":"assistant","content":[]} ]"#,
        r#""messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"1"},{"type":"text","text":"a b"}]}]"#,
    ]);
    let spaces = prop::collection::vec(space(), 32);
    (prop::collection::vec(unknown, 0..4), known, system, model, messages, spaces)
        .prop_flat_map(|(unknown, known, system, model, messages, spaces)| {
            let mut members: Vec<String> = known.into_iter().map(str::to_owned).collect();
            members.extend([model, messages, r#""max_tokens":7"#].map(str::to_owned));
            members.extend(Some(system.to_owned()).filter(|system| !system.is_empty()));
            members.extend(unknown);
            (Just(members).prop_shuffle(), Just(spaces))
        })
        .prop_map(|(members, spaces)| {
            let mut spaces = spaces.into_iter().cycle();
            let mut space = || spaces.next().unwrap_or_default();
            let members: Vec<String> =
                members.iter().map(|member| format!("{}{member}{}", space(), space())).collect();
            format!("{}{{{}}}{}", space(), members.join(","), space())
        })
}

proptest! {
    #[test]
    fn what_is_taken_out_again_leaves_the_callers_bytes(body in spelling()) {
        let request = parse(&body).unwrap();
        prop_assert_eq!(request.model(), "smart");
        prop_assert_eq!(request.last_user_text(), Some("a b".to_owned()));
        let spelled = if body.contains("sm\\u0061rt") { "sm\\u0061rt" } else { "smart" };
        let take_out = |upstream: Bytes, added: &[&str]| {
            prop_assert!(json::check(&upstream, 64).is_ok());
            let mut text = String::from_utf8(upstream.to_vec()).unwrap();
            for part in added {
                prop_assert!(text.contains(part), "{} lacks {}", text, part);
                text = text.replacen(part, "", 1);
            }
            prop_assert_eq!(text.replace("other/model", spelled), body.as_str());
            Ok(())
        };
        take_out(request.for_upstream("other/model"), &[])?;

        let defaults = Parameters { max_tokens: Some(77), top_p: Some(0.25), ..Parameters::default() };
        let request = request.with_agent("be\nkind", &defaults);
        let prompt = match body {
            _ if body.contains(r#""system":"s""#) => r"be\nkind\n\n",
            _ if body.contains(r#""system" : ["#) => r#"{"type":"text","text":"be\nkind"},"#,
            _ => r#","system":"be\nkind""#,
        };
        take_out(request.for_upstream("other/model"), &[prompt, r#","top_p":0.25"#])?;
    }

    #[test]
    fn no_bytes_make_it_panic(body: Vec<u8>) {
        let _ = MessagesRequest::parse(Bytes::from(body.clone()));
        let _ = MessagesRequest::parse_count(Bytes::from(body));
    }

    #[test]
    fn a_damaged_request_is_refused_or_stays_valid(
        body in prop_oneof![
            spelling().prop_map(Bytes::from),
            prop::sample::select(golden()).prop_map(|(_, body)| body),
        ],
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4),
    ) {
        let mut damaged = body.to_vec();
        for (at, byte, how) in damages {
            let at = at.index(damaged.len());
            match how {
                0 => damaged[at] = byte,
                1 => drop(damaged.remove(at)),
                _ => damaged.insert(at, byte),
            }
        }
        let text = std::str::from_utf8(&damaged);
        let valid = text.is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
        let defaults = Parameters { max_tokens: Some(77), top_p: Some(0.25), ..Parameters::default() };
        match MessagesRequest::parse_count(Bytes::from(damaged)) {
            Ok(request) => {
                prop_assert!(valid);
                for request in [request.clone(), request.with_agent("p", &defaults)] {
                    let _ = (request.carries(), request.characters(), request.last_user_text());
                    if let Ok(call) = request.to_call() {
                        let chat = openai::encode(&call, "m", Flavor::OpenAi, true);
                        prop_assert!(openai::ChatRequest::parse(chat.clone()).is_ok(), "{:?}", chat);
                    }
                    let upstream = request.for_upstream("other\"");
                    prop_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&upstream).is_ok());
                    match MessagesRequest::parse_count(upstream.clone()) {
                        Ok(again) => prop_assert_eq!(again.model(), "other\""),
                        // Nothing was said but thoughts of others.
                        Err(refused) => prop_assert_eq!(refused.param.as_deref(), Some("messages")),
                    }
                }
            }
            Err(refused) => prop_assert!(refused.code != "invalid_json" || !valid),
        }
    }
}
