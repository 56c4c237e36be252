use proptest::prelude::*;

use super::*;
use crate::dialect::Request;
use crate::json;

fn parse(body: &str) -> Result<ChatRequest, Refused> {
    ChatRequest::parse(Bytes::copy_from_slice(body.as_bytes()))
}

const USER: &str = r#"{"role":"user","content":"x"}"#;

/// A request of the given members beside a model and one message.
fn with(members: &str) -> String {
    format!(r#"{{"model":"m","messages":[{USER}],{members}}}"#)
}

/// A request of the given messages.
fn of(messages: &str) -> String {
    format!(r#"{{"model":"m","messages":{messages}}}"#)
}

#[test]
fn thoughts_of_other_providers_do_not_go_to_openai() {
    let said =
        |thoughts: &str, rest: &str| of(&format!(r#"[{{{thoughts}"role":"assistant"{rest}}},{USER}]"#));
    let thinking = parse(&said(
        r#""reasoning_details":[{"text":"hm"}], "reasoning":"hm","#,
        r#", "x": 1.0 ,"reasoning_content":"hm""#,
    ))
    .unwrap();
    let bytes = |flavor| thinking.for_upstream("m", flavor, false);
    assert_eq!(bytes(Flavor::OpenAi), said("", r#","x":1.0"#));
    assert_eq!(bytes(Flavor::Compatible(Thoughts::Unknown)), *thinking.body());
    let agent = thinking.with_agent("Be brief.", &Parameters::default());
    let with_prompt = agent.for_upstream("m", Flavor::OpenAi, false);
    assert_eq!(
        with_prompt,
        of(&format!(r#"[{{"role":"system","content":"Be brief."}},{{"role":"assistant","x":1.0}},{USER}]"#))
    );
}

#[test]
fn every_host_is_sent_the_thoughts_that_it_takes_and_nobody_elses_seals() {
    let seals = r#"{"type":"reasoning.encrypted","data":"S","format":"google-gemini-v1","id":"c"},{"type":"reasoning.text","text":"hm","signature":"S","\u0066ormat":"anthropic-claude-v1"}"#;
    let own = r#"{"type":"reasoning.encrypted","data":"O","format":"its-own-v1"},{"type":"reasoning.text","text":"x"}"#;
    let with = |thoughts: &str| of(&format!(r#"[{{"role":"assistant","content":"y"{thoughts}}},{USER}]"#));
    let texts = r#","reasoning_content":"hm","reasoning":"hm""#;
    let all = with(&format!(r#"{texts},"reasoning_details":[{seals},{own}]"#));
    let sealed = with(&format!(r#"{texts},"reasoning_details":[{seals}]"#));
    let upstream = |body: &str, kind: &str| {
        let request = Request::Chat(parse(body).unwrap());
        let body = crate::provider::kind(kind).unwrap().codec.pass(&request, "m").unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    };
    for kind in ["openai", "azure", "groq", "mistral", "cerebras", "nvidia", "perplexity", "together", "xai"]
    {
        assert_eq!(upstream(&all, kind), with(""), "{kind}");
    }
    for kind in ["deepseek", "fireworks", "vllm", "llama-cpp", "lm-studio"] {
        assert_eq!(upstream(&all, kind), with(texts), "{kind}");
    }
    assert_eq!(upstream(&all, "openrouter"), all);
    let left = with(&format!(r#"{texts},"reasoning_details":[{own}]"#));
    assert_eq!(upstream(&all, "openai-compatible"), left);
    assert_eq!(upstream(&sealed, "openai-compatible"), with(texts));
    assert_eq!(upstream(&left, "openai-compatible"), left);
}

#[test]
fn what_is_refused_is_named() {
    let deep = with(&format!(r#""x":{}{}"#, "[".repeat(64), "]".repeat(64)));
    let table: [(&str, Option<&str>, &str); 43] = [
        ("hello", None, "invalid_json"),
        ("", None, "invalid_json"),
        (r#"{"model":"m","messages":["#, None, "invalid_json"),
        (&format!("{}{{}}", of(&format!("[{USER}]"))), None, "invalid_json"),
        ("[]", None, "invalid_type"),
        (&deep, None, "json_too_deep"),
        (&format!(r#"{{"messages":[{USER}]}}"#), Some("model"), "missing_required_parameter"),
        (&format!(r#"{{"model":null,"messages":[{USER}]}}"#), Some("model"), "missing_required_parameter"),
        (&format!(r#"{{"model":"","messages":[{USER}]}}"#), Some("model"), "invalid_value"),
        (&format!(r#"{{"model":4,"messages":[{USER}]}}"#), Some("model"), "invalid_type"),
        (&with(r#""model":"dear""#), Some("model"), "duplicate_parameter"),
        (&with(r#""\u006dodel":"dear""#), Some("model"), "duplicate_parameter"),
        (r#"{"model":"m"}"#, Some("messages"), "missing_required_parameter"),
        (&of("null"), Some("messages"), "missing_required_parameter"),
        (&of("[]"), Some("messages"), "invalid_value"),
        (&of("{}"), Some("messages"), "invalid_type"),
        (&of(r#"["x"]"#), Some("messages[0]"), "invalid_type"),
        (&of(r#"[{"content":"x"}]"#), Some("messages[0].role"), "missing_required_parameter"),
        (&of(&format!(r#"[{USER},{{"role":"robot"}}]"#)), Some("messages[1].role"), "invalid_value"),
        (&of(r#"[{"role":1}]"#), Some("messages[0].role"), "invalid_type"),
        (&of(r#"[{"role":"user","role":"system"}]"#), Some("messages[0].role"), "duplicate_parameter"),
        (&of(r#"[{"role":"user","content":7}]"#), Some("messages[0].content"), "invalid_type"),
        (
            &of(r#"[{"role":"user","content":"x","content":"y"}]"#),
            Some("messages[0].content"),
            "duplicate_parameter",
        ),
        (&of(r#"[{"role":"user","content":["x"]}]"#), Some("messages[0].content[0]"), "invalid_type"),
        (
            &of(r#"[{"role":"user","content":[{"text":"x"}]}]"#),
            Some("messages[0].content[0].type"),
            "missing_required_parameter",
        ),
        (
            &of(r#"[{"role":"user","content":[{"type":"text","text":"x"},{"type":"text","text":1}]}]"#),
            Some("messages[0].content[1].text"),
            "invalid_type",
        ),
        (
            &of(r#"[{"role":"user","content":[{"type":"text","text":"x","text":"y"}]}]"#),
            Some("messages[0].content[0].text"),
            "duplicate_parameter",
        ),
        (&with(r#""stream":"true""#), Some("stream"), "invalid_type"),
        (&with(r#""stream":true,"stream":false"#), Some("stream"), "duplicate_parameter"),
        (&with(r#""stream_options":[]"#), Some("stream_options"), "invalid_type"),
        (
            &with(r#""stream_options":{"include_usage":1}"#),
            Some("stream_options.include_usage"),
            "invalid_type",
        ),
        (
            &with(r#""stream_options":{"include_usage":true,"include_usage":false}"#),
            Some("stream_options.include_usage"),
            "duplicate_parameter",
        ),
        (&with(r#""n":0"#), Some("n"), "integer_below_min_value"),
        (&with(r#""n":-1"#), Some("n"), "integer_below_min_value"),
        (&with(r#""n":129"#), Some("n"), "integer_above_max_value"),
        (&with(r#""n":1.0"#), Some("n"), "invalid_type"),
        (&with(r#""n":1e2"#), Some("n"), "invalid_type"),
        (&with(r#""max_tokens":0"#), Some("max_tokens"), "integer_below_min_value"),
        (&with(r#""max_completion_tokens":"9""#), Some("max_completion_tokens"), "invalid_type"),
        (&with(r#""temperature":"hot""#), Some("temperature"), "invalid_type"),
        (&with(r#""stop":1"#), Some("stop"), "invalid_type"),
        (&with(r#""tools":[{},"f"]"#), Some("tools[1]"), "invalid_type"),
        (&with(r#""user":{}"#), Some("user"), "invalid_type"),
    ];
    for (body, param, code) in table {
        let refused = parse(body).expect_err(body);
        assert_eq!((refused.param.as_deref(), refused.code), (param, code), "{body}");
        assert!(
            !refused.message.contains("hello") && refused.message.starts_with(|c: char| !c.is_uppercase())
        );
    }
    let refused = ChatRequest::parse(Bytes::from_static(b"{\"model\":\"\xff\"}")).unwrap_err();
    assert_eq!((refused.param, refused.code), (None, "invalid_json"));
}

#[test]
fn messages_say_what_to_do_instead() {
    let message = |body: &str| parse(body).unwrap_err().message;
    assert_eq!(message(&with(r#""n":129"#)), "`n` must be at most 128");
    assert_eq!(message(&with(r#""stream":"yes""#)), "`stream` must be a boolean, not a string");
    assert_eq!(message("[]"), "the body must be an object, not an array");
    assert_eq!(message("{"), "the body cannot be read: the JSON text ends too early, at byte 1");
    assert_eq!(
        message(&of(r#"[{"role":"robot"}]"#)),
        "`messages[0].role` must be one of `system`, `developer`, `user`, `assistant`, `tool`, `function`"
    );
}

#[test]
fn members_nobody_reads_may_be_anything() {
    assert!(parse(&with(r#""x":1,"x":2,"logit_bias":{"1":-100},"metadata":{"n":"many"}"#)).is_ok());
}

#[test]
fn the_larger_of_two_limits_is_what_may_be_spent() {
    let request = parse(&with(r#""max_tokens":10,"max_completion_tokens":20"#)).unwrap();
    assert_eq!(request.max_tokens(), Some(20));
}

#[test]
fn an_unchanged_request_is_not_copied() {
    let request = parse(&with(r#""stream":true"#)).unwrap();
    assert_eq!(request.for_upstream("m", Flavor::OpenAi, false).as_ptr(), request.body().as_ptr());
}

#[test]
fn characters_are_counted_as_people_do_not_as_bytes() {
    let request = parse(&of(
        r#"[{"role":"system","content":"gr\u00fc\ud83d\ude00\n"},{"role":"user","content":[{"type":"text","text":"日本"},{"type":"image_url","image_url":{"url":"data:"}},{"text":"語","type":"text"}]}]"#,
    ))
    .unwrap();
    let counts: Vec<_> = request.messages().iter().map(|message| message.characters).collect();
    assert_eq!((counts, request.characters(), request.image_count()), (vec![5, 3], 8, 1));
    assert_eq!(request.last_user_text().as_deref(), Some("日本語"));
}

#[test]
fn a_request_without_a_user_has_no_user_text() {
    assert_eq!(parse(&of(r#"[{"role":"system","content":"x"}]"#)).unwrap().last_user_text(), None);
}

#[test]
fn an_agents_limit_is_no_addition_to_a_callers() {
    let defaults = Parameters { max_tokens: Some(500), n: Some(3), ..Parameters::default() };
    let request = parse(&with(r#""max_tokens":10,"max_completion_tokens":null"#)).unwrap();
    let request = request.with_agent("p", &defaults);
    assert_eq!((request.max_tokens(), request.choices()), (Some(10), 3));
    let upstream = request.for_upstream("m", Flavor::OpenAi, false);
    assert!(upstream.ends_with(br#""max_tokens":10,"max_completion_tokens":null,"n":3}"#), "{upstream:?}");
}

#[test]
fn faults_inside_a_message_are_found_when_it_is_parsed_and_are_told_without_their_text() {
    let refused = parse(&of(&format!(r#"[{USER},{{"role":"assistant","tool_calls":[{{"id":"SECRET"}}]}}]"#)));
    let refused = refused.unwrap().to_call().unwrap_err();
    assert_eq!(refused.param.as_deref(), Some("messages[1].tool_calls[0]"));
    assert!(!refused.message.contains("SECRET"));
    for (members, param) in [
        (r#""tools":[{"type":"function"}]"#, "tools[0]"),
        (r#""tools":[{"type":"function","function":{"name":7}}]"#, "tools[0].function"),
        (r#""tool_choice":{"type":"function"}"#, "tool_choice"),
        (r#""response_format":{"type":"json_schema"}"#, "response_format"),
        (r#""stop":[1]"#, "stop"),
        (r#""seed":1.5"#, "seed"),
    ] {
        let refused = parse(&with(members)).unwrap().to_call().unwrap_err();
        assert_eq!(refused.param.as_deref(), Some(param));
    }
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
            r#""max_tokens":3"#,
            r#""stop":null"#,
            r#""user":"\u0075""#,
            r#""tools":[{"type":"function","function":{"name":"f"}}]"#,
        ],
        0..=6,
    );
    let model = prop::sample::select(vec![r#""model":"smart""#, r#""mod\u0065l" : "sm\u0061rt""#]);
    let messages = prop::sample::select(vec![
        r#""messages":[{"role":"user","content":"a b"}]"#,
        r#""messages" : [ {"content":[{"type":"text","text":"a b"}],"role":"user"} , {"role":"assistant"} ]"#,
    ]);
    (prop::collection::vec(unknown, 0..4), known, model, messages, prop::collection::vec(space(), 32))
        .prop_flat_map(|(unknown, known, model, messages, spaces)| {
            let mut members: Vec<String> = known.into_iter().map(str::to_owned).collect();
            members.extend([model.to_owned(), messages.to_owned()]);
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
    fn what_is_taken_out_again_leaves_the_callers_bytes(body in spelling(), flavor in prop::sample::select(vec![
        Flavor::OpenAi, Flavor::Compatible(Thoughts::Unknown)])) {
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
        let usage = [r#","stream_options":{"include_usage":true}"#];
        let usage = if request.stream() { &usage[..] } else { &[] };
        take_out(request.for_upstream("other/model", flavor, true), usage)?;
        take_out(request.for_upstream("other/model", flavor, false), &[])?;

        let defaults = Parameters { max_tokens: Some(77), top_p: Some(0.25), ..Parameters::default() };
        let request = request.with_agent("be\nkind", &defaults);
        let limit = format!(r#","{}":77"#, flavor.max_tokens());
        let mut added = vec![r#"{"role":"system","content":"be\nkind"},"#, r#","top_p":0.25"#];
        if !body.contains(r#""max_tokens":3"#) {
            added.push(&limit);
        }
        added.extend(usage);
        take_out(request.for_upstream("other/model", flavor, true), &added)?;
    }

    #[test]
    fn no_bytes_make_it_panic(body: Vec<u8>) {
        let _ = ChatRequest::parse(Bytes::from(body));
    }

    #[test]
    fn a_damaged_request_is_refused_or_stays_valid(body in spelling(), at: prop::sample::Index, byte: u8) {
        let mut damaged = body.into_bytes();
        let at = at.index(damaged.len());
        damaged[at] = byte;
        let text = std::str::from_utf8(&damaged);
        let valid = text.is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
        match ChatRequest::parse(Bytes::from(damaged)) {
            Ok(request) => {
                prop_assert!(valid);
                let _ = request.to_call();
                let upstream = request.for_upstream("other\"", Flavor::OpenAi, true);
                prop_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&upstream).is_ok());
                prop_assert!(ChatRequest::parse(upstream).is_ok_and(|again| again.model() == "other\""));
            }
            Err(refused) => prop_assert!(refused.code != "invalid_json" || !valid),
        }
    }
}
