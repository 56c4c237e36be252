use domain::{Clock, SystemClock, Ticks};

use super::*;
use crate::call::Origin;

const HEAD: Head<'_> = Head { id: "msg_7", created: 1_700_000_000, model: "sup\"port" };

/// What `choices`, an event each, are written as: a line per event, without what all have.
fn lines(choices: Vec<Choice<'_>>) -> Vec<String> {
    let mut writer = AnswerWriter::new(&HEAD);
    let mut out = BytesMut::new();
    for choice in choices {
        writer.event(&mut out, &Event { choices: vec![choice], ..Event::default() }).unwrap();
    }
    writer.close(&mut out, &Usage { input: 5, cached_input: 3, output: 2, ..Usage::default() });
    let text = std::str::from_utf8(&out).unwrap();
    let events = text.strip_suffix("\n\n").unwrap().split("\n\n").map(|event| {
        let (name, data) = event.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
        let json: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(json["type"], name);
        data.strip_prefix(&format!(r#"{{"type":"{name}","#)).unwrap_or(data).to_owned()
    });
    events.collect()
}

/// Whether `choices`, an event each, can be told.
fn can_be_told(choices: &[Choice<'_>]) -> bool {
    let mut writer = AnswerWriter::new(&HEAD);
    choices.iter().all(|choice| {
        let event = Event { choices: vec![choice.clone()], ..Event::default() };
        writer.event(&mut BytesMut::new(), &event).is_ok()
    })
}

/// The same between the first event and the last two, with blocks and deltas in short.
fn content(choices: Vec<Choice<'_>>) -> Vec<String> {
    let lines = lines(choices);
    let inner = &lines[1..lines.len() - 2];
    inner.iter().map(|line| line.replace(r#""content_block":"#, "").replace(r#""delta":"#, "")).collect()
}

fn text(text: &str) -> Choice<'_> {
    Choice { text: Text::plain(text), ..Choice::default() }
}

fn think(text: &str) -> Choice<'_> {
    Choice { reasoning: Text::plain(text), ..Choice::default() }
}

fn sign(origin: Origin, data: &str, encrypted: bool, tool: Option<u32>) -> Choice<'_> {
    let signature = Signature { origin, data: Text::plain(data), encrypted, tool };
    Choice { signature: Some(signature), ..Choice::default() }
}

fn call<'a>(index: u32, id: &'a str, name: &'a str, arguments: &'a str) -> Choice<'a> {
    let fragment = ToolFragment {
        index,
        id: Text::plain(id),
        name: Text::plain(name),
        arguments: Text::plain(arguments),
    };
    Choice { tools: vec![fragment], ..Choice::default() }
}

#[test]
fn a_text_is_one_block_between_the_messages_start_and_end() {
    let finish = Choice { finish: Some(FinishReason::Length), ..Choice::default() };
    let refusal = Choice { refusal: Text::plain("no"), ..Choice::default() };
    let other = Choice { index: 1, ..text("not this one") };
    let expected = [
        r#""message":{"id":"msg_7","type":"message","role":"assistant","model":"sup\"port","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0,"output_tokens_details":{"thinking_tokens":0}}}}"#,
        r#""index":0,"content_block":{"type":"text","text":""}}"#,
        r#""index":0,"delta":{"type":"text_delta","text":"a\n\""}}"#,
        r#""index":0,"delta":{"type":"text_delta","text":"no"}}"#,
        r#""index":0}"#,
        r#""delta":{"stop_reason":"max_tokens","stop_sequence":null},"usage":{"input_tokens":5,"cache_creation_input_tokens":0,"cache_read_input_tokens":3,"output_tokens":2,"output_tokens_details":{"thinking_tokens":0}}}"#,
        r#"{"type":"message_stop"}"#,
    ];
    assert_eq!(lines(vec![text("a\n\""), other, refusal, finish]), expected);
}

/// How long many pieces of a call take that waits behind `row` blocks.
fn time_behind(row: u32) -> Ticks {
    let mut writer = AnswerWriter::new(&HEAD);
    let mut out = BytesMut::new();
    let mut tell =
        |choice| writer.event(&mut out, &Event { choices: vec![choice], ..Event::default() }).unwrap();
    tell(call(0, "a", "f", "{"));
    for number in 0..row {
        tell(if number % 2 == 0 { text("a") } else { think("b") });
    }
    tell(call(1, "b", "f", "{"));
    let clock = SystemClock::default();
    (0..20_000).for_each(|_| tell(call(1, "", "", "x")));
    clock.ticks()
}

#[test]
fn a_piece_of_a_call_that_waits_finds_its_place_however_long_the_row_is() {
    assert!((0..3).any(|_| time_behind(12_000).0 < 10 * time_behind(0).0));
}

#[test]
fn a_call_that_waited_grows_in_its_place_when_others_have_left_the_row() {
    let choices = vec![
        call(7, "a", "f", "{"),
        text("x"),
        call(9, "b", "g", "{"),
        call(8, "c", "h", "{"),
        call(7, "", "", "}"),
        call(8, "", "", "\"k\":1}"),
        text("y"),
        call(9, "", "", "}"),
    ];
    let told = content(choices);
    let arguments: Vec<_> = told.iter().filter(|line| line.contains("input_json_delta")).collect();
    assert_eq!(arguments.len(), 5, "{told:?}");
    assert!(arguments[4].starts_with(r#""index":3,"#) && arguments[4].contains(r#"{\"k\":1}"#), "{told:?}");
    assert!(told[told.len() - 2].contains(r#""text":"y""#), "{told:?}");
}

#[test]
fn usage_that_is_known_at_the_start_is_told_there() {
    let mut out = BytesMut::new();
    let usage = Some(Usage { input: 9, output: 1, ..Usage::default() });
    AnswerWriter::new(&HEAD).event(&mut out, &Event { usage, ..Event::default() }).unwrap();
    let out = std::str::from_utf8(&out).unwrap();
    assert!(out.contains(r#""usage":{"input_tokens":9,"#) && out.contains(r#""output_tokens":0,"#), "{out}");
}

#[test]
fn an_answer_that_says_nothing_is_still_a_message() {
    assert!(content(vec![]).is_empty());
    assert_eq!(lines(vec![]).len(), 3);
}

#[test]
fn thoughts_words_and_calls_are_blocks_of_their_own() {
    let said = vec![
        think("Hm"),
        sign(Origin::Anthropic, "c2ln", false, None),
        text("Let me look."),
        call(0, "call_a", "f", ""),
        call(0, "", "", "{\"x\":"),
        call(0, "", "", "1}"),
        call(1, "", "g", "{}"),
        think("Well."),
        text("Done."),
    ];
    let expected = [
        r#""index":0,{"type":"thinking","thinking":"","signature":""}}"#,
        r#""index":0,{"type":"thinking_delta","thinking":"Hm"}}"#,
        r#""index":0,{"type":"signature_delta","signature":"c2ln"}}"#,
        r#""index":0}"#,
        r#""index":1,{"type":"text","text":""}}"#,
        r#""index":1,{"type":"text_delta","text":"Let me look."}}"#,
        r#""index":1}"#,
        r#""index":2,{"type":"tool_use","id":"call_a","name":"f","input":{}}}"#,
        r#""index":2,{"type":"input_json_delta","partial_json":"{\"x\":"}}"#,
        r#""index":2,{"type":"input_json_delta","partial_json":"1}"}}"#,
        r#""index":2}"#,
        r#""index":3,{"type":"tool_use","id":"call_7_1","name":"g","input":{}}}"#,
        r#""index":3,{"type":"input_json_delta","partial_json":"{}"}}"#,
        r#""index":3}"#,
        r#""index":4,{"type":"thinking","thinking":"","signature":""}}"#,
        r#""index":4,{"type":"thinking_delta","thinking":"Well."}}"#,
        r#""index":4,{"type":"signature_delta","signature":"parapet.unsigned"}}"#,
        r#""index":4}"#,
        r#""index":5,{"type":"text","text":""}}"#,
        r#""index":5,{"type":"text_delta","text":"Done."}}"#,
        r#""index":5}"#,
    ];
    assert_eq!(content(said), expected);
}

#[test]
fn a_signature_is_sealed_and_stands_with_the_call_that_it_belongs_to() {
    let before =
        Choice { tools: call(0, "a.b", "f", "").tools, ..sign(Origin::Gemini, "Z2Vt", true, Some(0)) };
    let said = vec![
        think("Hm"),
        before,
        call(1, "", "g", "{}"),
        sign(Origin::Gemini, "QQ==", false, Some(0)),
        sign(Origin::Gemini, "Qg==", false, Some(1)),
        call(0, "", "", "{}"),
        sign(Origin::Gemini, "Qw==", false, None),
    ];
    let expected = [
        r#""index":0,{"type":"thinking","thinking":"","signature":""}}"#,
        r#""index":0,{"type":"thinking_delta","thinking":"Hm"}}"#,
        r#""index":0,{"type":"signature_delta","signature":"parapet.unsigned"}}"#,
        r#""index":0}"#,
        r#""index":1,{"type":"redacted_thinking","data":"parapet.google-gemini-v1.encrypted.3.a.bZ2Vt"}}"#,
        r#""index":1}"#,
        r#""index":2,{"type":"tool_use","id":"a.b","name":"f","input":{}}}"#,
        r#""index":2,{"type":"input_json_delta","partial_json":"{}"}}"#,
        r#""index":2}"#,
        r#""index":3,{"type":"tool_use","id":"call_7_1","name":"g","input":{}}}"#,
        r#""index":3,{"type":"input_json_delta","partial_json":"{}"}}"#,
        r#""index":3}"#,
        r#""index":4,{"type":"thinking","thinking":"","signature":""}}"#,
        r#""index":4,{"type":"signature_delta","signature":"parapet.google-gemini-v1.signed.3.a.bQQ=="}}"#,
        r#""index":4}"#,
        r#""index":5,{"type":"thinking","thinking":"","signature":""}}"#,
        r#""index":5,{"type":"signature_delta","signature":"parapet.google-gemini-v1.signed.8.call_7_1Qg=="}}"#,
        r#""index":5}"#,
        r#""index":6,{"type":"thinking","thinking":"","signature":""}}"#,
        r#""index":6,{"type":"signature_delta","signature":"parapet.google-gemini-v1.signed..Qw=="}}"#,
        r#""index":6}"#,
    ];
    assert_eq!(content(said), expected);
}

#[test]
fn calls_whose_pieces_alternate_are_written_one_after_the_other() {
    let said = vec![
        call(0, "a", "f", "{"),
        call(1, "b", "g", "{\"x\":\""),
        call(2, "c", "h", ""),
        call(0, "", "", "}"),
        call(1, "", "", "\\n\"}"),
        call(2, "", "", "{}"),
    ];
    let expected = [
        r#""index":0,{"type":"tool_use","id":"a","name":"f","input":{}}}"#,
        r#""index":0,{"type":"input_json_delta","partial_json":"{"}}"#,
        r#""index":0,{"type":"input_json_delta","partial_json":"}"}}"#,
        r#""index":0}"#,
        r#""index":1,{"type":"tool_use","id":"b","name":"g","input":{}}}"#,
        r#""index":1,{"type":"input_json_delta","partial_json":"{\"x\":\""}}"#,
        r#""index":1,{"type":"input_json_delta","partial_json":"\\n\"}"}}"#,
        r#""index":1}"#,
        r#""index":2,{"type":"tool_use","id":"c","name":"h","input":{}}}"#,
        r#""index":2,{"type":"input_json_delta","partial_json":"{}"}}"#,
        r#""index":2}"#,
    ];
    assert_eq!(content(said), expected);
}

#[test]
fn whatever_is_said_before_a_call_is_whole_stands_behind_it() {
    let said = vec![
        call(0, "a", "f", "{"),
        text("so"),
        text("on"),
        think("Hm"),
        sign(Origin::Anthropic, "c2ln", false, None),
        sign(Origin::Anthropic, "eHh4", true, None),
        think("."),
        call(0, "", "", "}"),
        think("."),
    ];
    let expected = [
        r#""index":0,{"type":"tool_use","id":"a","name":"f","input":{}}}"#,
        r#""index":0,{"type":"input_json_delta","partial_json":"{"}}"#,
        r#""index":0,{"type":"input_json_delta","partial_json":"}"}}"#,
        r#""index":0}"#,
        r#""index":1,{"type":"text","text":""}}"#,
        r#""index":1,{"type":"text_delta","text":"soon"}}"#,
        r#""index":1}"#,
        r#""index":2,{"type":"thinking","thinking":"","signature":""}}"#,
        r#""index":2,{"type":"thinking_delta","thinking":"Hm"}}"#,
        r#""index":2,{"type":"signature_delta","signature":"c2ln"}}"#,
        r#""index":2}"#,
        r#""index":3,{"type":"redacted_thinking","data":"eHh4"}}"#,
        r#""index":3}"#,
        r#""index":4,{"type":"thinking","thinking":"","signature":""}}"#,
        r#""index":4,{"type":"thinking_delta","thinking":"."}}"#,
        r#""index":4,{"type":"thinking_delta","thinking":"."}}"#,
        r#""index":4,{"type":"signature_delta","signature":"parapet.unsigned"}}"#,
        r#""index":4}"#,
    ];
    assert_eq!(content(said), expected);
}

#[test]
fn what_waits_is_written_when_the_answer_ends() {
    let finish = Choice { finish: Some(FinishReason::ToolCalls), ..Choice::default() };
    for end in [vec![finish], vec![]] {
        let calls = vec![call(0, "a", "f", ""), call(1, "b", "g", "{}"), call(2, "c", "h", "{"), text("x")];
        let lines = content([calls, end].concat());
        let of = |kind: &str| lines.iter().filter(|line| line.contains(kind)).count();
        assert_eq!((of("tool_use"), of("input_json_delta"), of("text_delta")), (3, 2, 1), "{lines:#?}");
    }
}

#[test]
fn a_piece_for_a_call_that_is_over_is_an_error_unless_it_is_blank() {
    let over = || vec![call(0, "a", "f", "{}"), call(1, "b", "g", "{}")];
    let blank = content([over(), vec![call(0, "", "", " \n")]].concat());
    assert_eq!(blank.len(), 6);
    assert!(can_be_told(&over()));
    assert!(!can_be_told(&[over(), vec![call(0, "", "", "{")]].concat()));
}

#[test]
fn what_waits_is_bounded() {
    let piece = "x".repeat(1 << 16);
    for waiting in [call(1, "b", "g", &piece), text(&piece), think(&piece)] {
        let mut said = vec![call(0, "a", "f", "{")];
        said.extend(vec![waiting.clone(); 15]);
        assert!(can_be_told(&said));
        said.extend([waiting.clone(), waiting]);
        assert!(!can_be_told(&said));
    }
    let small = vec![sign(Origin::Anthropic, "x", true, None); 1 << 15];
    let said = [vec![call(0, "a", "f", "{")], small].concat();
    assert!(!can_be_told(&said));
    let many: Vec<_> = (0..1025).map(|index| call(index, "", "f", "{}")).collect();
    assert!(can_be_told(&many[..1024]));
    assert!(!can_be_told(&many));
}

#[test]
fn a_call_has_a_name_from_its_beginning() {
    assert!(!can_be_told(&[call(0, "a", "", "{}")]));
}

#[test]
fn a_character_that_is_cut_in_two_while_it_waits_is_whole_again() {
    let half = |json: &'static str| crate::json::Scanner::new(json.as_bytes()).unwrap().string().unwrap();
    let says = |text| Choice { text, ..Choice::default() };
    let said = content(vec![
        call(0, "a", "f", "{"),
        says(half(r#""\ud83c""#)),
        says(half(r#""\udf89""#)),
        call(0, "", "", "}"),
    ]);
    assert!(said.iter().any(|line| line.contains(r#""text":"\ud83c\udf89""#)), "{said:#?}");
}
