use super::*;
use crate::anthropic::foreign::{UNSIGNED, seal};
use crate::call::Origin;

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
