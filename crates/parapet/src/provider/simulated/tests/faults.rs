//! Each fault breaks what it says, and chance is fair and repeatable.

use super::super::fault::Fault;
use super::super::{End, Unreachable, embeddings};
use super::*;

const KINDS: [Fault; 8] = [
    Fault::Error,
    Fault::Overloaded,
    Fault::RateLimited,
    Fault::Refused,
    Fault::Stall,
    Fault::Cut,
    Fault::Malformed,
    Fault::ErrorEvent,
];

fn ask(model: &str, stream: bool) -> Result<Script, Unreachable> {
    let body = with(chat("Tell me about tides"), json!({"model": model, "stream": stream}));
    answer(&settings(), CREATED, 0, body.to_string().as_bytes())
}

fn told(mut script: Script) -> Value {
    assert_eq!(script.content_type, "application/json");
    let (_, bytes) = script.next().expect("a body");
    assert!(script.next().is_none(), "one body only");
    serde_json::from_slice(&bytes).expect("JSON")
}

#[test]
fn an_error_is_a_status_with_openais_body() {
    let cases = [
        ("error", 500, None, "server_error"),
        ("overloaded", 503, None, "server_error"),
        ("rate-limited", 429, Some(Duration::from_secs(2)), "requests"),
        ("rate_limited", 429, Some(Duration::from_secs(2)), "requests"),
    ];
    for (model, status, retry_after, kind) in cases {
        for stream in [true, false] {
            let script = ask(model, stream).expect("a connection");
            assert_eq!((script.status, script.retry_after, script.end), (status, retry_after, End::Complete));
            assert_eq!(script.first_after, Duration::ZERO);
            let body = told(script);
            assert_eq!(body["error"]["type"], kind, "{body}");
            assert!(body["error"]["message"].as_str().is_some_and(|message| !message.is_empty()));
        }
    }
}

#[test]
fn a_refused_connection_brings_no_answer_at_all() {
    for stream in [true, false] {
        assert_eq!(ask("refused", stream).err(), Some(Unreachable));
    }
}

/// The stream of `model` has as its beginning that of the healthy answer, with some content and without its end.
fn assert_begins_well(events: &[String]) {
    let chunks: Vec<Value> = events.iter().map(|data| serde_json::from_str(data).expect("JSON")).collect();
    assert!(!streamed_text(&chunks, 0).is_empty());
    let finished = |chunk: &&Value| !chunk["choices"][0]["finish_reason"].is_null();
    assert_eq!(chunks.iter().find(finished), None);
}

#[test]
fn a_stall_and_a_cut_come_after_some_content_of_a_stream() {
    for (model, end) in [("stall", End::Silent), ("cut", End::Cut)] {
        let script = ask(model, true).expect("a connection");
        assert_eq!(script.end, end);
        assert_begins_well(&events(script));
    }
}

#[test]
fn an_error_event_ends_a_stream_after_some_content() {
    let script = ask("error-event", true).expect("a connection");
    assert_eq!(script.end, End::Complete);
    let events = events(script);
    let (last, begin) = events.split_last().expect("events");
    assert_begins_well(begin);
    let last: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(last["error"]["type"], "server_error");
}

#[test]
fn a_malformed_stream_is_so_from_its_first_event_and_framed_well() {
    let script = ask("malformed", true).expect("a connection");
    assert_eq!(script.end, End::Complete);
    let events = events(script);
    assert_eq!(events.len(), 1);
    assert!(serde_json::from_str::<Value>(&events[0]).is_err(), "{}", events[0]);
}

#[test]
fn a_whole_answer_stalls_before_its_first_byte_and_is_cut_in_the_middle() {
    let mut silent = ask("stall", false).expect("a connection");
    assert_eq!((silent.status, silent.end), (200, End::Silent));
    assert_eq!(silent.next(), None);
    for (model, end) in [("cut", End::Cut), ("malformed", End::Complete)] {
        let mut script = ask(model, false).expect("a connection");
        assert_eq!((script.status, script.end), (200, end));
        let (_, half) = script.next().expect("some bytes");
        assert!(half.starts_with(b"{\"id\""));
        assert!(serde_json::from_slice::<Value>(&half).is_err());
    }
    let script = ask("error-event", false).expect("a connection");
    assert_eq!(script.status, 200);
    assert_eq!(told(script)["error"]["type"], "server_error");
}

#[test]
fn an_answer_breaks_off_unfinished_whatever_it_consists_of() {
    let tools = json!({"tools": [weather(), time_tool()], "tool_choice": "required"});
    let nothing_left = json!({"stop": "hi"});
    let cases = [
        with(chat("Say hi"), json!({})),
        with(chat("Say hi"), nothing_left),
        with(chat("Weather and local time in Oslo?"), tools),
        with(chat("Tell me about tides"), json!({"n": 4})),
        with(chat("Tell me about tides"), json!({"reasoning_effort": "high", "n": 2})),
    ];
    for body in cases {
        let choices = usize::try_from(body["n"].as_u64().unwrap_or(1)).expect("few");
        let body = with(body, json!({"model": "cut", "stream": true}));
        let events = events(play(&body));
        assert!(events.len() >= choices, "every choice has opened");
        let finished = events.iter().filter(|data| data.contains(r#""finish_reason":""#)).count();
        assert!(finished < choices, "{finished} of {choices} are finished: {body}");
    }
}

#[test]
fn a_bad_request_is_told_so_by_a_failing_model_too() {
    let body = json!({"model": "error"});
    assert_eq!(play(&body).status, 400);
}

#[test]
fn embeddings_fail_in_the_same_ways() {
    let ask = |model: &str| {
        let body = json!({"model": model, "input": "tides"});
        embeddings(&settings(), 0, body.to_string().as_bytes())
    };
    assert_eq!(ask("refused").err(), Some(Unreachable));
    assert_eq!(ask("overloaded").expect("a connection").status, 503);
    assert_eq!(ask("stall").expect("a connection").end, End::Silent);
    assert_eq!(ask("slow").expect("a connection").first_after, Duration::from_secs(3));
    assert!(told(ask("error-event").expect("a connection"))["error"].is_object());
}

/// What each of so many attempts comes to.
fn attempts(settings: &Settings, model: &str, count: u64) -> Vec<&'static str> {
    let body = with(chat("Say hi"), json!({"model": model, "stream": true})).to_string();
    (0..count)
        .map(|nonce| match answer(settings, CREATED, nonce, body.as_bytes()) {
            Err(Unreachable) => "refused",
            Ok(script) => match (script.status, script.end) {
                (500, _) => "error",
                (503, _) => "overloaded",
                (429, _) => "rate-limited",
                (_, End::Silent) => "stall",
                (_, End::Cut) => "cut",
                (..) => match events(script).last().map(String::as_str) {
                    Some("[DONE]") => "fine",
                    Some(last) if last.contains("error") => "error-event",
                    _ => "malformed",
                },
            },
        })
        .collect()
}

fn assert_rate(outcomes: &[&str], which: impl Fn(&str) -> bool, wanted: f64) {
    let count = |n: usize| f64::from(u32::try_from(n).expect("few"));
    let rate = count(outcomes.iter().filter(|it| which(it)).count()) / count(outcomes.len());
    // Four standard deviations of a binomial distribution.
    let off = 4.0 * (wanted * (1.0 - wanted) / count(outcomes.len())).sqrt();
    assert!((rate - wanted).abs() <= off, "{rate} instead of {wanted}");
}

#[test]
fn a_flaky_model_fails_3_of_10_attempts_in_every_way() {
    let flaky = Settings { mood: Mood::Flaky, ..settings() };
    for (settings, model) in [(settings(), "flaky"), (flaky, "support")] {
        let outcomes = attempts(&settings, model, 4000);
        assert_rate(&outcomes, |it| it != "fine", 0.3);
        for kind in
            ["refused", "error", "overloaded", "rate-limited", "stall", "cut", "error-event", "malformed"]
        {
            assert_rate(&outcomes, |it| it == kind, 0.3 / 8.0);
        }
    }
}

#[test]
fn faults_by_chance_have_their_rate_and_their_kinds() {
    let with_faults =
        |rate, kinds: &[Fault]| Settings { faults: Faults { rate, kinds: kinds.to_vec() }, ..settings() };
    let outcomes = attempts(&with_faults(0.2, &[Fault::Overloaded, Fault::Cut]), "support", 4000);
    assert_rate(&outcomes, |it| it == "overloaded", 0.1);
    assert_rate(&outcomes, |it| it == "cut", 0.1);
    assert!(outcomes.iter().all(|it| ["fine", "overloaded", "cut"].contains(it)));

    let outcomes = attempts(&with_faults(0.5, &[]), "support", 4000);
    assert_rate(&outcomes, |it| it != "fine", 0.5);
    assert!(outcomes.contains(&"refused") && outcomes.contains(&"malformed"), "none listed means any");

    assert!(attempts(&with_faults(1.0, &KINDS), "support", 500).iter().all(|it| *it != "fine"));
    assert!(attempts(&with_faults(0.0, &KINDS), "support", 500).iter().all(|it| *it == "fine"));
    assert!(attempts(&with_faults(f64::NAN, &KINDS), "support", 50).iter().all(|it| *it == "fine"));
}

#[test]
fn the_faults_of_the_settings_come_on_top_of_a_flaky_mood() {
    let faults = Faults { rate: 0.5, kinds: vec![Fault::Overloaded] };
    let outcomes = attempts(&Settings { faults, ..settings() }, "flaky", 4000);
    assert_rate(&outcomes, |it| it == "fine", 0.5 * 0.7);
}

#[test]
fn chance_falls_by_seed_and_nonce_and_not_by_the_request() {
    let other_seed = Settings { seed: 1, ..settings() };
    assert_eq!(attempts(&settings(), "flaky", 200), attempts(&settings(), "flaky", 200));
    assert_ne!(attempts(&settings(), "flaky", 200), attempts(&other_seed, "flaky", 200));
    let fails = |prompt: &str| -> Vec<bool> {
        let body = with(chat(prompt), json!({"model": "flaky"})).to_string();
        let status =
            |nonce| answer(&settings(), CREATED, nonce, body.as_bytes()).map_or(0, |script| script.status);
        (0..200).map(|nonce| status(nonce) != 200).collect()
    };
    assert_eq!(fails("Say hi"), fails("Tell me about tides"));
}

#[test]
fn the_answer_that_comes_is_the_same_for_every_nonce() {
    let body = with(chat("Tell me about tides"), json!({"model": "flaky"})).to_string();
    let texts: Vec<Value> = (0..100)
        .filter_map(|nonce| answer(&settings(), CREATED, nonce, body.as_bytes()).ok()?.next())
        .filter_map(|(_, bytes)| serde_json::from_slice::<Value>(&bytes).ok())
        .filter(|body| body.get("choices").is_some())
        .collect();
    assert!(texts.len() > 50);
    assert!(texts.iter().all(|text| *text == texts[0]));
}
