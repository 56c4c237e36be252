use super::*;
use crate::anthropic::CODEC;
use crate::anthropic::foreign::{UNSIGNED, seal};
use crate::call::Origin;
use crate::provider::Codec;

const TEXT: &str = r#"{"type":"text","text":"t"}"#;
const OWN: &str = r#"{"type":"thinking","thinking":"h","signature":"EqQB"}"#;

fn thought() -> String {
    format!(r#"{{"signature":"{UNSIGNED}","type":"thinking","thinking":"h"}}"#)
}

fn redacted() -> String {
    let seal = seal(Origin::Gemini, true, Some("call_1"), "Zz");
    format!(r#"{{"type":"redacted_thinking","data":"{seal}"}}"#)
}

fn upstream(messages: &str) -> String {
    let upstream = parse(&of(messages)).unwrap().for_upstream("m");
    String::from_utf8(upstream.to_vec()).unwrap()
}

#[test]
fn thoughts_of_others_are_cut_out_with_their_commas() {
    let (f, r) = (thought(), redacted());
    for (before, after) in [
        (format!("{f},{TEXT}"), TEXT.to_owned()),
        (format!("{TEXT} , {f}"), TEXT.to_owned()),
        (format!(" {f} ,\n{r} , {TEXT} "), format!(" {TEXT} ")),
        (format!("{TEXT}, {f} ,{TEXT}"), format!("{TEXT} ,{TEXT}")),
        (format!("{TEXT},{f},{r}"), TEXT.to_owned()),
        (format!("{OWN},{f},{TEXT},{r},{TEXT}"), format!("{OWN},{TEXT},{TEXT}")),
    ] {
        let message = |blocks: &str| format!(r#"[{USER},{{"role":"assistant","content":[{blocks}]}}]"#);
        assert_eq!(upstream(&message(&before)), of(&message(&after)), "{before}");
    }
}

#[test]
fn a_message_of_nothing_else_goes_as_a_whole() {
    let gone = format!(r#"{{"content":[{},{}],"role":"assistant"}}"#, thought(), redacted());
    for (before, after) in [
        (format!("[{USER}, {gone} ,{USER}]"), format!("[{USER} ,{USER}]")),
        (format!("[{gone}, {USER}]"), format!("[{USER}]")),
        (format!("[{USER},{gone}]"), format!("[{USER}]")),
        (format!("[{gone},{gone},{USER},{gone}]"), format!("[{USER}]")),
        (format!("[ {gone} ]"), "[  ]".to_owned()),
        // What was empty before is the caller's.
        (
            format!(r#"[{USER},{{"role":"user","content":[]}}]"#),
            format!(r#"[{USER},{{"role":"user","content":[]}}]"#),
        ),
    ] {
        assert_eq!(upstream(&before), of(&after), "{before}");
    }
}

#[test]
fn other_places_are_left_alone() {
    let bodies = [
        of_blocks(&format!(r#"{{"type":"text","text":"{UNSIGNED}"}}"#)),
        of_blocks(&format!(r#"{{"type":"thinking","thinking":"{UNSIGNED}","signature":"EqQB"}}"#)),
        of_blocks(&format!(r#"{{"type":"later","signature":"{UNSIGNED}","data":"{UNSIGNED}"}}"#)),
        of_blocks(&format!(r#"{{"type":"tool_result","content":[{}]}}"#, thought())),
        of_blocks(r#"{"type":"thinking","thinking":"","signature":7}"#),
        with(&format!(r#""system":[{}]"#, thought())),
    ];
    for body in bodies {
        assert_eq!(parse(&body).unwrap().for_upstream("m"), body);
    }
}

#[test]
fn an_escaped_mark_is_one() {
    let thought = r#"{"type":"think\u0069ng","thinking":"h","sign\u0061ture":"p\u0061rapet.x"}"#;
    assert_eq!(
        upstream(&format!("[{USER},{{\"role\":\"assistant\",\"content\":[{thought}]}}]")),
        of(&format!("[{USER}]"))
    );
}

#[test]
fn calls_that_lost_their_thought_cannot_go_on_where_one_is_insisted_on() {
    let call = r#"{"type":"tool_use","id":"1","name":"f","input":{}}"#;
    let result = r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"1"}]}"#;
    let request = |blocks: &str, after: &str, thinking: &str| {
        parse(&format!(
            r#"{{"model":"m","max_tokens":9,"thinking":{{"type":"{thinking}","budget_tokens":1024}},"messages":[{USER},{{"role":"assistant","content":[{blocks}]}},{result}{after}]}}"#
        ))
        .unwrap()
    };
    let lost = format!("{},{call}", thought());
    let refused = request(&lost, "", "enabled").carries().unwrap_err();
    assert_eq!(refused.member(), "reasoning_effort");
    assert!(request(&lost, "", "adaptive").carries().is_ok());
    assert!(request(&lost, "", "disabled").carries().is_ok());
    assert!(request(&format!("{OWN},{call}"), "", "enabled").carries().is_ok());
    let over = r#",{"role":"assistant","content":"done"},{"role":"user","content":"thanks"}"#;
    assert!(request(&lost, over, "enabled").carries().is_ok());
    // A provider that does not think leaves nothing to cut out, and no thought either.
    assert!(request(call, "", "enabled").carries().is_err());
    assert!(request(call, "", "adaptive").carries().is_ok());
    assert!(request(call, over, "enabled").carries().is_ok());
}

#[test]
fn one_thought_is_enough_for_a_round_of_tools() {
    let call = |id: &str, thought: &str| {
        let call = format!(r#"{{"type":"tool_use","id":"{id}","name":"f","input":{{}}}}"#);
        let blocks = if thought.is_empty() { call } else { format!("{thought},{call}") };
        format!(r#"{{"role":"assistant","content":[{blocks}]}}"#)
    };
    let result = |id: &str, beside: &str| {
        format!(r#"{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"{id}"}}{beside}]}}"#)
    };
    let redacted = r#"{"type":"redacted_thinking","data":"EqQB"}"#;
    let goes_on = |rounds: &[String]| {
        let messages = rounds.join(",");
        let request = parse(&format!(
            r#"{{"model":"m","max_tokens":4096,"thinking":{{"type":"enabled","budget_tokens":1024}},"messages":[{USER},{messages}]}}"#
        ))
        .unwrap();
        let body = CODEC.chat(&request.to_call().unwrap(), "claude-sonnet-4-5").unwrap();
        let thinks = value(&body).get("thinking").is_some();
        assert_eq!(request.carries().is_ok(), thinks, "both ways agree: {messages}");
        thinks
    };
    for thought in [OWN, redacted] {
        assert!(goes_on(&[call("1", thought), result("1", ""), call("2", ""), result("2", "")]));
    }
    let words = format!(",{TEXT}");
    assert!(goes_on(&[call("1", OWN), result("1", &words), call("2", ""), result("2", "")]));
    assert!(!goes_on(&[call("1", &thought()), result("1", ""), call("2", ""), result("2", "")]));
    let (user, done) = (USER.to_owned(), r#"{"role":"assistant","content":"done"}"#.to_owned());
    assert!(goes_on(&[call("1", OWN), result("1", ""), user.clone(), call("2", ""), result("2", "")]));
    assert!(!goes_on(&[call("1", OWN), result("1", ""), done, user, call("2", ""), result("2", "")]));
}

#[test]
fn ids_of_others_are_exchanged_and_so_cannot_go_as_they_are() {
    let round = |id: &str, answered: &str| {
        format!(
            r#"{USER},{{"role":"assistant","content":[{{"input":{{}},"name":"f","id":"{id}","type":"tool_use"}}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"{answered}"}}]}}"#
        )
    };
    let longest = "x".repeat(64);
    let long = "x".repeat(65);
    for (messages, goes) in [
        (round("toolu_01A", "toolu_01A"), true),
        (round(&longest, &longest), true),
        (format!("{},{}", round("call_0", "call_0"), round("call_1", "call_1")), true),
        (round("functions.get_weather:0", "functions.get_weather:0"), false),
        (round("toolu_01A", "a.b"), false),
        (round(&long, &long), false),
        (round("", ""), false),
        (format!("{},{}", round("call_0", "call_0"), round("call_0", "call_0")), false),
        (format!("{},{}", round("call_0", "call_0"), round(r"call\u005f0", "call_0")), false),
    ] {
        let request = parse(&of(&format!("[{messages}]"))).unwrap();
        assert_eq!(request.carries().is_ok(), goes, "{messages}");
        let body = format!(r#"{{"model":"m","messages":[{messages}]}}"#);
        let count = MessagesRequest::parse_count(Bytes::from(body)).unwrap();
        assert_eq!(count.carries().is_ok(), goes, "{messages}");

        let sent = CODEC.chat(&request.to_call().unwrap(), "claude-sonnet-4-5").unwrap();
        let again = MessagesRequest::parse(sent).unwrap();
        assert_eq!(again.carries(), Ok(()), "{messages}");
    }
    // Who leaves them out altogether is told so by the provider.
    let none = r#"[{"role":"assistant","content":[{"type":"tool_use","name":"f","input":{}}]}]"#;
    assert_eq!(parse(&of(none)).unwrap().carries(), Ok(()));
}

/// The same done slowly: on a tree.
fn without_foreign(mut body: Value) -> Value {
    let marked = |block: &Value| {
        let ours = |member: &str| block[member].as_str().is_some_and(|text| text.starts_with("parapet."));
        (block["type"] == "thinking" && ours("signature"))
            || (block["type"] == "redacted_thinking" && ours("data"))
    };
    body["messages"].as_array_mut().unwrap().retain_mut(|message| {
        let Some(blocks) = message["content"].as_array_mut() else { return true };
        let was_empty = blocks.is_empty();
        blocks.retain(|block| !marked(block));
        was_empty || !blocks.is_empty()
    });
    body
}

proptest! {
    #[test]
    fn cutting_the_text_is_cutting_the_tree(
        messages in prop::collection::vec(prop::collection::vec((0..5_u8, super::space()), 0..6), 1..6),
        space in super::space(),
    ) {
        let block = |(kind, space): (u8, &str)| {
            let block = match kind {
                0 => TEXT.to_owned(),
                1 => OWN.to_owned(),
                2 => redacted(),
                _ => thought(),
            };
            format!("{space}{block}{space}")
        };
        let message = |blocks: Vec<(u8, &str)>| {
            let blocks: Vec<_> = blocks.into_iter().map(block).collect();
            format!(r#"{space}{{"role":"assistant","content":[{}]}}{space}"#, blocks.join(","))
        };
        let messages: Vec<_> = messages.into_iter().map(message).collect();
        let body = of(&format!("[{},{USER}]", messages.join(",")));
        let request = parse(&body).unwrap();
        prop_assert_eq!(value(&request.for_upstream("m")), without_foreign(value(body.as_bytes())));
        let call = request.to_call().unwrap();
        prop_assert!(call.uncarried.is_empty());
    }
}

#[test]
fn a_golden_conversation_with_two_providers_goes_to_each_with_its_own_thoughts() {
    let (_, body) = golden().into_iter().find(|(name, _)| name == "thoughts-of-other-providers").unwrap();
    let request = MessagesRequest::parse(body.clone()).unwrap();
    assert_eq!(value(&request.for_upstream("claude-sonnet-4-5")), without_foreign(value(&body)));
    let text = String::from_utf8(request.for_upstream("claude-sonnet-4-5").to_vec()).unwrap();
    assert!(!text.contains("parapet.") && !text.contains("Done."), "{text}");
}
