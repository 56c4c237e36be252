//! What a caller of the simulated provider relies on, on the bytes that it sends.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Faults, Mood, Script, Settings, answer};

mod faults;
mod moods;

const CREATED: i64 = 1_790_000_000;

fn settings() -> Settings {
    Settings {
        latency: Duration::from_millis(300),
        tokens_per_second: 60.0,
        length: 40..=120,
        seed: 0,
        mood: Mood::Friendly,
        faults: Faults::default(),
    }
}

fn post(settings: &Settings, body: &[u8]) -> Script {
    answer(settings, CREATED, 0, body).expect("a connection")
}

fn play(body: &Value) -> Script {
    post(&settings(), body.to_string().as_bytes())
}

fn unary(body: &Value) -> Value {
    let mut script = play(body);
    assert_eq!(script.content_type, "application/json");
    let (_, bytes) = script.next().expect("a body");
    assert!(script.next().is_none(), "one body only");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// The chunks of a stream, checked for their framing and for `[DONE]`.
fn stream(body: &Value) -> Vec<Value> {
    let mut body = body.clone();
    body["stream"] = true.into();
    chunks(play(&body))
}

fn chunks(script: Script) -> Vec<Value> {
    let events = events(script);
    let (done, chunks) = events.split_last().expect("events");
    assert_eq!(done, "[DONE]");
    chunks.iter().map(|data| serde_json::from_str(data).expect("JSON")).collect()
}

/// The payloads of the events of a stream.
fn events(script: Script) -> Vec<String> {
    assert_eq!((script.status, script.content_type), (200, "text/event-stream"));
    let data = |bytes: Vec<u8>| {
        let event = String::from_utf8(bytes).expect("UTF-8");
        let data = event.strip_prefix("data: ").and_then(|event| event.strip_suffix("\n\n"));
        data.expect("one event").to_owned()
    };
    script.map(|(_, bytes)| data(bytes.to_vec())).collect()
}

fn chat(text: &str) -> Value {
    json!({"model": "support", "messages": [{"role": "user", "content": text}]})
}

fn with(mut body: Value, members: Value) -> Value {
    let Value::Object(members) = members else { panic!("members") };
    body.as_object_mut().expect("a body").extend(members);
    body
}

fn text(completion: &Value) -> &str {
    completion["choices"][0]["message"]["content"].as_str().expect("text")
}

/// The text of one choice, put together from its deltas.
fn streamed_text(chunks: &[Value], index: usize) -> String {
    let of_choice =
        chunks.iter().filter_map(|chunk| chunk["choices"].get(0)).filter(|it| it["index"] == index);
    of_choice.filter_map(|choice| choice["delta"]["content"].as_str()).collect()
}

fn weather() -> Value {
    json!({"type": "function", "function": {
        "name": "get_weather",
        "description": "Current weather of a city",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}
            },
            "required": ["city", "unit"]
        }
    }})
}

fn time_tool() -> Value {
    json!({"type": "function", "function": {"name": "get_time", "description": "The local time in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}})
}

fn called(completion: &Value) -> Vec<(String, Value)> {
    let calls = completion["choices"][0]["message"]["tool_calls"].as_array().cloned().unwrap_or_default();
    let call = |call: &Value| {
        let arguments = call["function"]["arguments"].as_str().expect("arguments");
        (
            call["function"]["name"].as_str().expect("a name").to_owned(),
            serde_json::from_str(arguments).expect("JSON"),
        )
    };
    calls.iter().map(call).collect()
}

#[test]
fn a_unary_answer_has_the_shape_of_openai() {
    let (_, body) = play(&chat("Say this is a test")).next().expect("a body");
    assert_eq!(
        String::from_utf8_lossy(&body),
        concat!(
            r#"{"id":"chatcmpl-sim845ckhyy3zns60zfbfw7ewhv","object":"chat.completion","created":1790000000,"model":"support","#,
            r#""choices":[{"index":0,"message":{"role":"assistant","content":"this is a test","refusal":null,"annotations":[]},"#,
            r#""logprobs":null,"finish_reason":"stop"}],"#,
            r#""usage":{"prompt_tokens":11,"completion_tokens":4,"total_tokens":15,"#,
            r#""prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"#,
            r#""completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"#,
            r#""rejected_prediction_tokens":0}},"service_tier":"default","system_fingerprint":"fp_simulated"}"#,
        )
    );
}

#[test]
fn a_stream_has_the_shape_of_openai() {
    let options = json!({"stream": true, "stream_options": {"include_usage": true}});
    let body = with(chat("Say: \"Hi there\""), options);
    let sent: Vec<u8> = play(&body).flat_map(|(_, bytes)| bytes).collect();
    let head = concat!(
        r#"data: {"id":"chatcmpl-simt8sayy85mkg5yknf83z792vw","object":"chat.completion.chunk","created":1790000000,"model":"support","#,
        r#""service_tier":"default","system_fingerprint":"fp_simulated","choices":["#,
    );
    let expected = [
        r#"{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}"#,
        r#"{"index":0,"delta":{"content":"Hi"},"logprobs":null,"finish_reason":null}],"usage":null}"#,
        r#"{"index":0,"delta":{"content":" there"},"logprobs":null,"finish_reason":null}],"usage":null}"#,
        r#"{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}"#,
        concat!(
            r#"],"usage":{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12,"#,
            r#""prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"#,
            r#""completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"#,
            r#""rejected_prediction_tokens":0}}}"#,
        ),
    ];
    let expected: String = expected.iter().map(|chunk| format!("{head}{chunk}\n\n")).collect();
    assert_eq!(String::from_utf8_lossy(&sent), format!("{expected}data: [DONE]\n\n"));
}

#[test]
fn a_streamed_tool_call_has_the_shape_of_openai() {
    let body = with(chat("Weather in Oslo, in celsius?"), json!({"tools": [weather()]}));
    let chunks = stream(&body);
    let deltas: Vec<&Value> = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]).collect();
    assert_eq!(*deltas[0], json!({"role": "assistant", "content": null, "refusal": null}));
    let id = deltas[1]["tool_calls"][0]["id"].as_str().expect("an id");
    assert!(id.starts_with("call_sim"));
    let opening = json!({"index": 0, "id": id, "type": "function", "function": {"name": "get_weather", "arguments": ""}});
    assert_eq!(*deltas[1], json!({"tool_calls": [opening]}));
    assert_eq!(*deltas[2], json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\""}}]}));
    let arguments: String =
        deltas.iter().filter_map(|delta| delta["tool_calls"][0]["function"]["arguments"].as_str()).collect();
    assert_eq!(arguments, r#"{"city":"Oslo","unit":"celsius"}"#);
    let last = chunks.last().expect("chunks");
    assert_eq!(
        last["choices"][0],
        json!({"index": 0, "delta": {}, "logprobs": null, "finish_reason": "tool_calls"})
    );
    assert!(last.get("usage").is_none(), "usage was not asked for");
}

#[test]
fn a_bad_request_gets_the_error_of_openai() {
    let mut script = post(&settings(), br#"{"model":"support"}"#);
    assert_eq!((script.status, script.content_type), (400, "application/json"));
    let (_, body) = script.next().expect("a body");
    assert_eq!(
        String::from_utf8_lossy(&body),
        concat!(
            r#"{"error":{"message":"Missing required parameter: 'messages'.","type":"invalid_request_error","#,
            r#""param":"messages","code":"missing_required_parameter"}}"#,
        )
    );
}

#[test]
fn the_same_request_gets_the_same_bytes_and_another_seed_others() {
    let bytes = |seed: u64, body: &Value| -> Vec<u8> {
        let settings = Settings { seed, ..settings() };
        post(&settings, body.to_string().as_bytes()).flat_map(|(_, bytes)| bytes).collect()
    };
    let body =
        with(chat("How do I bake bread?"), json!({"stream": true, "logprobs": true, "top_logprobs": 3}));
    assert_eq!(bytes(7, &body), bytes(7, &body));
    assert_ne!(bytes(7, &body), bytes(8, &body));
    assert_ne!(bytes(7, &body), bytes(7, &with(body.clone(), json!({"seed": 1}))));
}

#[test]
fn streamed_and_unary_answers_say_the_same() {
    for prompt in [
        "hello",
        "How do I bake bread?",
        "Give me 5 ideas for dinner",
        "Write a bash script",
        "日本語 \u{1f600}?",
    ] {
        let body = with(chat(prompt), json!({"n": 3, "logprobs": true, "top_logprobs": 2}));
        let whole = unary(&body);
        let chunks = stream(&with(body, json!({"stream_options": {"include_usage": true}})));
        for index in 0..3 {
            let choice = &whole["choices"][index];
            assert_eq!(streamed_text(&chunks, index), choice["message"]["content"].as_str().expect("text"));
            let of_choice = chunks
                .iter()
                .filter_map(|chunk| chunk["choices"].get(0))
                .filter(|choice| choice["index"] == index);
            let logprobs: Vec<&Value> =
                of_choice.filter_map(|choice| choice["logprobs"]["content"].as_array()).flatten().collect();
            assert_eq!(
                logprobs,
                choice["logprobs"]["content"].as_array().expect("logprobs").iter().collect::<Vec<_>>()
            );
        }
        assert_eq!(chunks.last().expect("chunks")["usage"], whole["usage"]);
        assert_eq!(chunks[0]["id"], whole["id"]);
    }
}

#[test]
fn a_stream_takes_as_long_as_the_unary_answer() {
    let settings = Settings { latency: Duration::from_millis(250), tokens_per_second: 10.0, ..settings() };
    let time = |body: &Value| {
        let script = post(&settings, body.to_string().as_bytes());
        script.first_after + script.map(|(wait, _)| wait).sum::<Duration>()
    };
    let body = with(chat("Tell me about tides"), json!({"n": 2}));
    let (whole, streamed) = (time(&body), time(&with(body.clone(), json!({"stream": true}))));
    assert_eq!(whole, streamed);
    // 4 bytes a token, 10 tokens a second, and the latency before them.
    let completion = unary(&body);
    let bytes = completion["choices"]
        .as_array()
        .expect("choices")
        .iter()
        .map(|choice| choice["message"]["content"].as_str().expect("text").len());
    let longest = u32::try_from(bytes.max().expect("two")).expect("few");
    let expected = Duration::from_millis(250) + Duration::from_millis(25) * longest;
    assert!(whole.abs_diff(expected) < Duration::from_millis(1), "{whole:?} {expected:?}");
}

#[test]
fn without_a_rate_nothing_waits_but_the_latency() {
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let settings = Settings { tokens_per_second: rate, ..settings() };
        let body = with(chat("Tell me about tides"), json!({"stream": true, "n": 2}));
        let script = post(&settings, body.to_string().as_bytes());
        assert_eq!(script.first_after, Duration::from_millis(300));
        assert!(script.into_iter().all(|(wait, _)| wait.is_zero()));
    }
}

#[test]
fn the_length_in_words_is_kept() {
    for (low, high) in [(1, 1), (5, 5), (40, 60), (100, 120), (500, 600)] {
        for seed in 0..20 {
            let settings = Settings { length: low..=high, seed, ..settings() };
            let body = chat("Tell me about the tides of the sea").to_string();
            let (_, bytes) = post(&settings, body.as_bytes()).next().expect("a body");
            let completion: Value = serde_json::from_slice(&bytes).expect("JSON");
            let words = u32::try_from(text(&completion).split_whitespace().count()).expect("few");
            assert!(
                (low..=high).contains(&words),
                "{words} words, wanted {low} to {high}: {}",
                text(&completion)
            );
        }
    }
}

#[test]
fn max_tokens_ends_the_answer_with_length() {
    for name in ["max_tokens", "max_completion_tokens"] {
        let completion = unary(&with(chat("Tell me about tides"), json!({name: 7})));
        assert_eq!(completion["choices"][0]["finish_reason"], "length");
        assert_eq!(completion["usage"]["completion_tokens"], 7);
        let completion = unary(&with(chat("Say yes"), json!({name: 7})));
        assert_eq!(completion["choices"][0]["finish_reason"], "stop");
    }
    let tools = json!({"tools": [weather()], "max_tokens": 4});
    let completion = unary(&with(chat("Weather in Oslo?"), tools));
    assert_eq!(completion["choices"][0]["finish_reason"], "length");
    assert_eq!(completion["usage"]["completion_tokens"], 4);
}

#[test]
fn a_stop_sequence_ends_the_answer_before_it() {
    let body = chat("Say one, two, three");
    let completion = unary(&with(body.clone(), json!({"stop": ", t"})));
    assert_eq!((text(&completion), &completion["choices"][0]["finish_reason"]), ("one", &json!("stop")));
    let chunks = stream(&with(body, json!({"stop": ["three", "two"]})));
    assert_eq!(streamed_text(&chunks, 0), "one, ");
}

#[test]
fn several_choices_differ_and_are_streamed_side_by_side() {
    let body = with(chat("Tell me about tides"), json!({"n": 3}));
    let completion = unary(&body);
    let choices = completion["choices"].as_array().expect("choices");
    assert_eq!(choices.len(), 3);
    assert_ne!(choices[0]["message"], choices[1]["message"]);
    let order: Vec<u64> =
        stream(&body).iter().filter_map(|chunk| chunk["choices"][0]["index"].as_u64()).take(9).collect();
    assert_eq!(order[..3], [0, 1, 2], "every choice opens first");
    assert!((0..3).all(|index| order[3..].contains(&index)), "{order:?}");
}

#[test]
fn log_probabilities_cover_the_text() {
    let completion = unary(&with(chat("Say hello world"), json!({"logprobs": true, "top_logprobs": 20})));
    let tokens = completion["choices"][0]["logprobs"]["content"].as_array().expect("logprobs");
    let said: String = tokens.iter().filter_map(|token| token["token"].as_str()).collect();
    assert_eq!(said, "hello world");
    for token in tokens {
        let top = token["top_logprobs"].as_array().expect("alternatives");
        assert_eq!(top.len(), 20);
        assert_eq!((&top[0]["token"], &top[0]["logprob"]), (&token["token"], &token["logprob"]));
        let values: Vec<f64> = top.iter().filter_map(|it| it["logprob"].as_f64()).collect();
        assert!(values.is_sorted_by(|a, b| a > b) && values[0] <= 0.0, "{values:?}");
        let total: f64 = values.iter().map(|value| value.exp()).sum();
        assert!(total <= 1.0 + 1e-9, "the probabilities of one place are at most 1: {total}");
    }
    let none = unary(&with(chat("Say hello world"), json!({"logprobs": true})));
    assert_eq!(none["choices"][0]["logprobs"]["content"][0]["top_logprobs"], json!([]));
}

#[test]
fn the_first_answer_of_a_conversation_says_that_it_is_simulated() {
    let first = unary(&chat("What is a tide?"));
    assert!(text(&first).contains("simulated"));
    let later = json!({"model": "support", "messages": [
        {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": "What is a tide?"}]});
    assert!(!text(&unary(&later)).contains("simulated"));
    assert_eq!(text(&unary(&chat("Say this is a test"))), "this is a test");
}

#[test]
fn the_answer_speaks_of_the_prompt_and_in_the_persona() {
    let system = json!({"role": "system", "content": "You are Ada, a support agent for Acme. Answer in at most two sentences."});
    let asked = |prompt: &str| {
        let messages = json!([system, {"role": "user", "content": prompt}]);
        let body = json!({"model": "support", "messages": messages});
        text(&unary(&body)).split("\n\n(").next().expect("text").to_owned()
    };
    let greeting = asked("Hello");
    assert!(greeting.contains("Ada") && greeting.contains("Acme"), "{greeting}");
    let answer = asked("What is a circuit breaker?");
    assert!(answer.contains("circuit breaker"), "{answer}");
    assert!(answer.matches(['.', '?', '!']).count() <= 2, "{answer}");
}

#[test]
fn an_earlier_turn_is_remembered() {
    let body = json!({"model": "support", "messages": [
        {"role": "user", "content": "Hi, my name is Sam."}, {"role": "assistant", "content": "Hello Sam!"},
        {"role": "user", "content": [{"type": "text", "text": "What is my name?"}]}]});
    assert_eq!(text(&unary(&body)), "Your name is Sam.");
}

#[test]
fn images_are_counted_and_not_described() {
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}});
    let prompt = |completion: &Value| completion["usage"]["prompt_tokens"].as_u64().expect("tokens");
    let without = unary(&chat("What is this?"));
    for (count, said) in [(1, "1 image "), (3, "3 images ")] {
        let mut content = vec![json!({"type": "text", "text": "What is this?"})];
        content.extend(vec![image.clone(); count]);
        let body = json!({"model": "support", "messages": [{"role": "user", "content": content}]});
        for seed in 0..8 {
            let completion = unary(&with(body.clone(), json!({"seed": seed})));
            let text = text(&completion);
            assert!(
                text.contains(said) && (text.contains("do not look") || text.contains("only a real")),
                "{text}"
            );
            assert_eq!(prompt(&completion), prompt(&without) + 85 * count as u64);
        }
    }
}

#[test]
fn a_tool_is_called_when_the_message_is_about_it() {
    let tools = json!({"tools": [weather(), time_tool()]});
    let call = |prompt: &str| called(&unary(&with(chat(prompt), tools.clone())));
    assert_eq!(
        call("What's the weather in New York in fahrenheit?"),
        [("get_weather".to_owned(), json!({"city": "New York", "unit": "fahrenheit"}))]
    );
    assert_eq!(call("What time is it in Oslo?"), [("get_time".to_owned(), json!({"city": "Oslo"}))]);
    assert_eq!(call("Tell me a joke"), []);
}

#[test]
fn tool_choice_is_obeyed() {
    let tools = json!({"tools": [weather(), time_tool()]});
    let call = |prompt: &str, choice: Value| {
        let body = with(with(chat(prompt), tools.clone()), json!({"tool_choice": choice}));
        called(&unary(&body)).into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert!(call("Weather in Oslo?", json!("none")).is_empty());
    assert_eq!(call("Tell me a joke", json!("required")), ["get_weather"]);
    assert_eq!(call("What time is it?", json!("required")), ["get_time"]);
    let named = json!({"type": "function", "function": {"name": "get_time"}});
    assert_eq!(call("Weather in Oslo?", named), ["get_time"]);
}

#[test]
fn tools_are_called_in_parallel_unless_forbidden() {
    let tools = json!({"tools": [weather(), time_tool()]});
    let call = |prompt: &str, parallel: bool| {
        let body = with(with(chat(prompt), tools.clone()), json!({"parallel_tool_calls": parallel}));
        called(&unary(&body))
    };
    let cities: Vec<Value> = call("What is the weather in Paris, London and Rome?", true)
        .into_iter()
        .map(|(_, it)| it["city"].clone())
        .collect();
    assert_eq!(cities, ["Paris", "London", "Rome"]);
    let names: Vec<String> =
        call("Weather and local time in Oslo?", true).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["get_weather", "get_time"]);
    assert_eq!(call("Weather in Paris and London?", false).len(), 1);
}

#[test]
fn the_answer_after_a_tool_uses_its_result() {
    let body = json!({"model": "support", "tools": [weather()], "messages": [
        {"role": "user", "content": "Weather in Oslo?"},
        {"role": "assistant", "content": null, "tool_calls": [{"id": "call_1", "type": "function",
            "function": {"name": "get_weather", "arguments": "{\"city\":\"Oslo\"}"}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "{\"temperature\": 7, \"sky\": \"grey\"}"}]});
    let completion = unary(&body);
    let text = text(&completion);
    assert!(text.contains("the temperature is 7 and the sky is grey") && text.contains("Oslo"), "{text}");
    assert_eq!(completion["choices"][0]["finish_reason"], "stop");
    // A client may add words of the user's to the results.
    let mut body = body;
    body["messages"].as_array_mut().expect("messages").push(json!({"role": "user", "content": "Go on."}));
    let completion = unary(&body);
    assert!(
        completion["choices"][0]["message"]["content"].as_str().expect("text").contains("temperature is 7")
    );
}

#[test]
fn json_mode_gives_an_object_with_the_members_asked_for() {
    let object = |prompt: &str| -> Value {
        let completion = unary(&with(chat(prompt), json!({"response_format": {"type": "json_object"}})));
        serde_json::from_str(text(&completion)).expect("JSON")
    };
    assert_eq!(
        object("Jane is 34. Reply in JSON with the keys name and age."),
        json!({"name": "Jane", "age": 34})
    );
    assert_eq!(
        object(r#"Where does Jo live? Answer as {"city": "..."}. Jo lives in Rome."#),
        json!({"city": "Rome"})
    );
    assert!(object("Tell me about tides, as JSON")["summary"].is_string());
}

#[test]
fn structured_output_takes_its_values_from_the_prompt_in_the_order_of_the_schema() {
    let schema = json!({"name": "person", "strict": true, "schema": {"type": "object", "additionalProperties": false,
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "city": {"type": "string"}},
        "required": ["name", "age", "city"]}});
    let body = with(
        chat("Extract the person: Jane is 34 and lives in Lyon."),
        json!({"response_format": {"type": "json_schema", "json_schema": schema}}),
    );
    // The macro that wrote the request sorts members; a caller's schema keeps its order.
    let body = body.to_string().replace(
        r#""properties":{"age":{"type":"integer"},"city":{"type":"string"},"name":{"type":"string"}}"#,
        r#""properties":{"name":{"type":"string"},"age":{"type":"integer"},"city":{"type":"string"}}"#,
    );
    let (_, bytes) = post(&settings(), body.as_bytes()).next().expect("a body");
    let completion: Value = serde_json::from_slice(&bytes).expect("JSON");
    assert_eq!(text(&completion), r#"{"name":"Jane","age":34,"city":"Lyon"}"#);
}

/// Any JSON, with the members of a request more often than by chance.
fn any_json() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        proptest::sample::select(vec![
            "messages",
            "role",
            "content",
            "model",
            "tools",
            "function",
            "name",
            "parameters",
            "properties",
            "type",
            "items",
            "enum",
            "required",
            "$ref",
            "anyOf",
            "allOf",
            "text",
            "tool_calls",
            "response_format",
            "json_schema",
            "schema",
            "minItems",
            "maxItems",
            "minimum",
            "maximum",
            "multipleOf",
            "pattern",
            "minLength",
            "uniqueItems",
            "prefixItems",
            "additionalProperties",
            "format",
            "stop",
            "n",
            "stream",
            "logprobs",
            "max_tokens",
            "tool_choice",
            "$defs",
            "const",
            "reasoning_effort",
            "functions",
        ])
        .prop_map(str::to_owned),
        ".{0,6}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-3i64..300).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,24}".prop_map(Value::from),
        proptest::sample::select(vec![
            "user",
            "tool",
            "assistant",
            "system",
            "object",
            "array",
            "string",
            "integer",
            "number",
            "#",
            "#/$defs/a",
            "json_schema",
            "json_object",
            "^[a-z]{2,}(x|y)*$",
            "date",
            "Weather in Oslo and Rome?",
            "my name is",
            "2 +",
            "say",
            "required",
            "auto",
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_answered(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let script = post(&settings(), &body);
        prop_assert_eq!(script.status, 400);
        prop_assert_eq!(script.count(), 1);
    }

    #[test]
    fn any_json_is_answered(extra in any_json(), content in any_json(), schema in any_json(), text in "\\PC{0,60}", streams: bool) {
        let base = json!({
            "model": "m", "stream": streams, "logprobs": true, "top_logprobs": 1,
            "messages": [{"role": "system", "content": text.clone()}, {"role": "user", "content": text}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
        });
        let mut bodies = vec![extra.clone(), base.clone()];
        let mut with_content = base.clone();
        with_content["messages"][1]["content"] = content;
        bodies.push(with_content);
        if let Value::Object(members) = extra {
            let mut merged = base;
            merged.as_object_mut().expect("an object").extend(members);
            bodies.push(merged);
        }
        for body in bodies {
            let script = play(&body);
            prop_assert!(matches!(script.status, 200 | 400));
            let streamed = script.content_type == "text/event-stream";
            let sent: Vec<_> = script.map(|(_, bytes)| bytes).collect();
            prop_assert!(!streamed || sent.last().is_some_and(|last| last.as_ref() == b"data: [DONE]\n\n"));
            for bytes in sent.iter().filter(|_| !streamed) {
                prop_assert!(serde_json::from_slice::<Value>(bytes).is_ok());
            }
        }
    }

    #[test]
    fn any_text_is_streamed_whole(text in "\\PC{0,80}", n in 1usize..4, limit in 1u64..60) {
        let body = with(chat(&text), json!({"n": n, "max_tokens": limit}));
        let (whole, chunks) = (unary(&body), stream(&body));
        for index in 0..n {
            let content = whole["choices"][index]["message"]["content"].as_str().expect("text");
            prop_assert_eq!(streamed_text(&chunks, index), content);
            prop_assert!(content.len().div_ceil(4) as u64 <= limit);
        }
    }
}
