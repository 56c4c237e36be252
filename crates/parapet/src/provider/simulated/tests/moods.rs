//! Each mood does what it is called for, by the model's name and by the settings.

use super::*;

/// The two ways to get a mood: the name of the model, and the settings for any other name.
fn both_ways(name: &str, mood: Mood) -> [(Settings, String); 2] {
    [(settings(), name.to_owned()), (Settings { mood, ..settings() }, "support".to_owned())]
}

fn ask(settings: &Settings, model: &str, body: &Value) -> Script {
    post(settings, with(body.clone(), json!({"model": model})).to_string().as_bytes())
}

fn whole(settings: &Settings, model: &str, body: &Value) -> Value {
    let (_, bytes) = ask(settings, model, body).next().expect("a body");
    serde_json::from_slice(&bytes).expect("JSON")
}

fn streamed(settings: &Settings, model: &str, body: &Value) -> Vec<Value> {
    chunks(ask(settings, model, &with(body.clone(), json!({"stream": true}))))
}

/// One kind of text of a stream's first choice, put together.
fn joined(chunks: &[Value], member: &str) -> String {
    chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"][member].as_str()).collect()
}

#[test]
fn a_slow_model_takes_3_seconds_and_writes_8_tokens_a_second() {
    for (settings, model) in both_ways("slow", Mood::Slow) {
        let body = with(chat("Tell me about tides"), json!({"stream": true}));
        let script = ask(&settings, &model, &body);
        assert_eq!(script.first_after, Duration::from_secs(3));
        let mut took = Duration::ZERO;
        let mut bytes = 0;
        for (wait, event) in script {
            took += wait;
            let data: Value =
                serde_json::from_slice(event.strip_prefix(b"data: ").expect("an event")).unwrap_or_default();
            bytes += data["choices"][0]["delta"]["content"].as_str().map_or(0, str::len);
        }
        let rate = f64::from(u32::try_from(bytes).expect("few")) / 4.0 / took.as_secs_f64();
        assert!((7.5..=8.5).contains(&rate), "{rate} tokens per second");
    }
    let slower = Settings { latency: Duration::from_secs(5), tokens_per_second: 2.0, ..settings() };
    let script = ask(&slower, "slow", &chat("Say this is a test"));
    assert_eq!(script.first_after, Duration::from_secs(5) + Duration::from_millis(1750), "14 bytes");
    let at_once = Settings { tokens_per_second: 0.0, ..settings() };
    assert!(ask(&at_once, "slow", &chat("Say this is a test")).first_after > Duration::from_secs(3));
}

#[test]
fn a_long_model_says_600_to_900_words_even_to_a_greeting() {
    for (settings, model) in both_ways("long", Mood::Long) {
        for prompt in ["Tell me about tides", "Hello!", "Tell me a joke", "Who are you?"] {
            for seed in 0..10 {
                let settings = Settings { seed, ..settings.clone() };
                let completion = whole(&settings, &model, &chat(prompt));
                let words = text(&completion).split_whitespace().count();
                assert!((600..=900).contains(&words), "{words} words: {}", text(&completion));
            }
        }
        assert_eq!(text(&whole(&settings, &model, &chat("Say this is a test"))), "this is a test");
    }
}

#[test]
fn a_reasoning_model_thinks_before_it_answers_and_counts_it() {
    let body = with(chat("What is a circuit breaker?"), json!({"stream_options": {"include_usage": true}}));
    for (settings, model) in both_ways("reasoning", Mood::Reasoning) {
        let completion = whole(&settings, &model, &body);
        let message = &completion["choices"][0]["message"];
        let thought = message["reasoning_content"].as_str().expect("a thought");
        assert!(thought.contains("What is a circuit breaker?"), "{thought}");
        assert!(
            thought.contains("a circuit breaker? Enough") || thought.matches("circuit breaker").count() > 1
        );

        let usage = &completion["usage"];
        let reasoning = usage["completion_tokens_details"]["reasoning_tokens"].as_u64().expect("tokens");
        assert_eq!(reasoning, thought.len().div_ceil(4) as u64);
        let said = text(&completion).len().div_ceil(4) as u64;
        assert_eq!(usage["completion_tokens"].as_u64(), Some(reasoning + said));

        let chunks = streamed(&settings, &model, &body);
        assert_eq!(joined(&chunks, "reasoning_content"), thought);
        assert_eq!(joined(&chunks, "content"), text(&completion));
        assert_eq!(chunks.last().expect("chunks")["usage"], *usage);
        let place = |member| {
            let said = |chunk: &Value| {
                chunk["choices"][0]["delta"][member].as_str().is_some_and(|it| !it.is_empty())
            };
            (chunks.iter().position(said).expect("some"), chunks.iter().rposition(said).expect("some"))
        };
        assert!(place("reasoning_content").1 < place("content").0, "the thought comes first");
    }
}

#[test]
fn reasoning_effort_makes_any_model_think_and_none_stops_it() {
    let thought = |model: &str, effort: Value| {
        let completion = whole(
            &settings(),
            model,
            &with(chat("Tell me about tides"), json!({"reasoning_effort": effort})),
        );
        let message = &completion["choices"][0]["message"];
        (message["reasoning_content"].as_str().map(str::len), text(&completion).to_owned())
    };
    let (without, answer) = thought("support", Value::Null);
    assert_eq!(without, None);
    assert_eq!(thought("support", json!("none")), (None, answer.clone()));
    assert_eq!(thought("reasoning", json!("none")).0, None);
    let efforts = ["minimal", "low", "medium", "high", "xhigh", "max"];
    let lengths: Vec<usize> = efforts
        .iter()
        .map(|effort| {
            let (length, same) = thought("support", json!(effort));
            assert_eq!(same, answer, "thinking does not change the answer");
            length.expect("a thought")
        })
        .collect();
    assert!(lengths.is_sorted_by(|a, b| a < b), "{lengths:?}");
}

#[test]
fn a_thought_counts_towards_the_limit() {
    let body = with(
        chat("Tell me about tides"),
        json!({"max_completion_tokens": 9, "stream_options": {"include_usage": true}}),
    );
    let completion = whole(&settings(), "reasoning", &body);
    let choice = &completion["choices"][0];
    assert_eq!((text(&completion), &choice["finish_reason"]), ("", &json!("length")));
    assert_eq!(completion["usage"]["completion_tokens"], 9);
    assert_eq!(completion["usage"]["completion_tokens_details"]["reasoning_tokens"], 9);
    let chunks = streamed(&settings(), "reasoning", &body);
    assert_eq!(
        joined(&chunks, "reasoning_content"),
        choice["message"]["reasoning_content"].as_str().expect("a thought")
    );
}

#[test]
fn a_thought_knows_what_is_going_to_be_said() {
    let thought = |model: &str, body: &Value| {
        let completion = whole(&settings(), model, &with(body.clone(), json!({"reasoning_effort": "low"})));
        completion["choices"][0]["message"]["reasoning_content"].as_str().expect("a thought").to_owned()
    };
    let tools = with(chat("Weather and local time in Oslo?"), json!({"tools": [weather(), time_tool()]}));
    assert!(thought("support", &tools).ends_with("I will call get_weather and get_time."));
    assert!(thought("refusal", &chat("Hi")).contains("decline"));
    assert!(
        thought("support", &with(chat("Hi"), json!({"response_format": {"type": "json_object"}})))
            .contains("JSON")
    );
    assert!(thought("support", &chat("   ")).starts_with("The user has not written anything"));
}

fn names(completion: &Value) -> Vec<String> {
    called(completion).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn a_model_for_tools_calls_several_whatever_is_said() {
    let body = with(chat("Hello!"), json!({"tools": [weather(), time_tool()]}));
    assert!(names(&whole(&settings(), "support", &body)).is_empty());
    for (settings, model) in both_ways("tools", Mood::Tools) {
        let completion = whole(&settings, &model, &body);
        assert_eq!(names(&completion), ["get_weather", "get_time"]);
        assert_eq!(completion["choices"][0]["finish_reason"], "tool_calls");
        let alone = with(body.clone(), json!({"parallel_tool_calls": false}));
        assert_eq!(names(&whole(&settings, &model, &alone)), ["get_weather"]);
        let about_time = with(chat("What time is it?"), json!({"tools": [weather(), time_tool()]}));
        assert_eq!(names(&whole(&settings, &model, &about_time)), ["get_time", "get_weather"]);
        let forbidden = with(body.clone(), json!({"tool_choice": "none"}));
        assert!(names(&whole(&settings, &model, &forbidden)).is_empty());
        let named = json!({"tool_choice": {"type": "function", "function": {"name": "get_time"}}});
        assert_eq!(names(&whole(&settings, &model, &with(body.clone(), named))), ["get_time"]);
        assert!(text(&whole(&settings, &model, &chat("Hello!"))).len() > 5, "without tools it talks");
    }
}

#[test]
fn parallel_calls_are_streamed_one_after_the_other() {
    let body = with(chat("Hello!"), json!({"tools": [weather(), time_tool()]}));
    let completion = whole(&settings(), "tools", &body);
    let mut arguments = [String::new(), String::new()];
    let mut opened = Vec::new();
    for chunk in streamed(&settings(), "tools", &body) {
        for call in chunk["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let index = usize::try_from(call["index"].as_u64().expect("an index")).expect("small");
            if let Some(name) = call["function"]["name"].as_str() {
                opened.push((index, name.to_owned()));
            }
            arguments[index].push_str(call["function"]["arguments"].as_str().expect("arguments"));
        }
    }
    assert_eq!(opened, [(0, "get_weather".to_owned()), (1, "get_time".to_owned())]);
    let whole: Vec<Value> = called(&completion).into_iter().map(|(_, arguments)| arguments).collect();
    assert_eq!(arguments.map(|it| serde_json::from_str::<Value>(&it).expect("JSON")), *whole);
}

#[test]
fn a_model_for_tools_answers_from_the_results_and_calls_again_in_the_next_turn() {
    let call = |id: &str, name: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": "{\"city\":\"Oslo\"}"}});
    let mut body = json!({"model": "tools", "tools": [weather(), time_tool()], "messages": [
        {"role": "user", "content": "Hello!"},
        {"role": "assistant", "content": null, "tool_calls": [call("a", "get_weather"), call("b", "get_time")]},
        {"role": "tool", "tool_call_id": "a", "content": "{\"temperature\": 7}"},
        {"role": "tool", "tool_call_id": "b", "content": "{\"time\": \"noon\"}"}]});
    let completion = whole(&settings(), "tools", &body);
    let said = text(&completion);
    assert!(said.contains("temperature is 7") && said.contains("time is noon"), "{said}");
    let messages = body["messages"].as_array_mut().expect("messages");
    messages.push(json!({"role": "assistant", "content": "It is 7 degrees at noon."}));
    messages.push(json!({"role": "user", "content": "Thanks!"}));
    assert_eq!(names(&whole(&settings(), "tools", &body)).len(), 2);
}

#[test]
fn a_refusal_is_not_content() {
    let body = with(
        chat("What is a tide?"),
        json!({"tools": [weather()], "response_format": {"type": "json_object"}, "logprobs": true}),
    );
    for (settings, model) in both_ways("refusal", Mood::Refusal) {
        let completion = whole(&settings, &model, &body);
        let choice = &completion["choices"][0];
        let refusal = choice["message"]["refusal"].as_str().expect("a refusal");
        assert!(!refusal.is_empty());
        assert_eq!((&choice["message"]["content"], &choice["finish_reason"]), (&Value::Null, &json!("stop")));
        assert!(choice["message"].get("tool_calls").is_none());
        assert_eq!(completion["usage"]["completion_tokens"].as_u64(), Some(refusal.len().div_ceil(4) as u64));
        assert_eq!(choice["logprobs"]["content"], Value::Null);
        let tokens = choice["logprobs"]["refusal"].as_array().expect("log probabilities");
        assert_eq!(tokens.iter().filter_map(|token| token["token"].as_str()).collect::<String>(), refusal);

        let chunks = streamed(&settings, &model, &body);
        assert_eq!(
            chunks[0]["choices"][0]["delta"],
            json!({"role": "assistant", "content": null, "refusal": ""})
        );
        assert_eq!(
            (joined(&chunks, "refusal"), joined(&chunks, "content")),
            (refusal.to_owned(), String::new())
        );
        assert_eq!(chunks.last().expect("chunks")["choices"][0]["finish_reason"], "stop");
    }
}

#[test]
fn a_name_that_is_a_mood_comes_before_the_settings() {
    let refusing = Settings { mood: Mood::Refusal, ..settings() };
    let refuses =
        |model: &str| !whole(&refusing, model, &chat("Hi"))["choices"][0]["message"]["refusal"].is_null();
    assert!(refuses("support"));
    assert!(!refuses("friendly"));
    assert!(!refuses("long"));
}

#[test]
fn a_filtered_answer_says_so_and_lacks_its_end() {
    for prompt in ["Tell me about tides", "Say one two three four"] {
        let completion = whole(&settings(), "filtered", &chat(prompt));
        assert_eq!(completion["choices"][0]["finish_reason"], "content_filter");
        let chunks = streamed(&settings(), "filtered", &chat(prompt));
        assert_eq!(joined(&chunks, "content"), text(&completion));
        assert_eq!(chunks.last().expect("chunks")["choices"][0]["finish_reason"], "content_filter");
    }
    assert_eq!(text(&whole(&settings(), "filtered", &chat("Say one two three four"))), "one two ");
    let tools = with(chat("Weather in Oslo?"), json!({"tools": [weather()], "tool_choice": "required"}));
    let completion = whole(&settings(), "filtered", &tools);
    assert_eq!((names(&completion).len(), text(&completion)), (0, ""));
}
