//! Never drop a wish: whatever a caller sets changes what a provider is asked, or the call is refused.
//!
//! Not wishes, and left out where there is no place for them: who the end user or a participant is (`user`, `name`),
//! how closely to look at an image (`detail`), what a file is called, that a tool failed where its content says so
//! too, and other providers' thoughts.

use parapet_wire::call::{
    Call, Json, Message, Parameters, Part, Raw, ResponseFormat, Role, Tool, ToolCall, ToolChoice,
};
use parapet_wire::dialect::Dialect;
use parapet_wire::embedding::Embedding;
use parapet_wire::provider::{KINDS, Operation, Place};

/// Models that their codecs treat in their own ways, and one that nobody knows.
const MODELS: [&str; 7] = [
    "some-model",
    "gpt-5",
    "claude-haiku-4-5",
    "claude-sonnet-4-6",
    "claude-opus-4-8",
    "gemini-2.5-flash",
    "gemini-3-pro",
];

/// Asserts that every codec carries what tells `wished` from `plain`, or refuses it. One that refuses `plain` already,
/// since its API has no tools, has nothing to drop.
#[track_caller]
fn carried_or_refused(wish: &str, wished: &Call, plain: &Call) {
    for kind in KINDS {
        for model in MODELS {
            let Ok(plain) = kind.codec.chat(plain, model) else { continue };
            if let Ok(wished) = kind.codec.chat(wished, model) {
                assert_ne!(wished, plain, "{}, {model}: {wish} was dropped", kind.name);
            }
        }
    }
}

fn question() -> Call {
    Call { messages: vec![Message::text(Role::User, "What is this?")], ..Call::default() }
}

fn json(text: &str) -> Json {
    Json::new(text.into()).unwrap()
}

#[test]
fn a_question_is_refused_by_nobody() {
    for kind in KINDS {
        for model in MODELS {
            for call in [question(), talk()] {
                assert_eq!(kind.codec.chat(&call, model).err(), None, "{}, {model}", kind.name);
            }
        }
    }
}

#[test]
fn no_parameter_is_dropped() {
    for (wish, parameters) in parameters() {
        carried_or_refused(wish, &Call { parameters, ..question() }, &question());
    }
    let schema = r#"{"name":"n","strict":true,"schema":{"type":"object","properties":{}}}"#;
    let format = Some(ResponseFormat::JsonSchema(json(schema)));
    let parameters = Parameters { response_format: format, ..Parameters::default() };
    carried_or_refused("json_schema", &Call { parameters, ..question() }, &question());
    for effort in ["low", "medium", "high", "xhigh", "a new word"] {
        let parameters = Parameters { reasoning_effort: Some(effort.into()), ..Parameters::default() };
        carried_or_refused(effort, &Call { parameters, ..question() }, &question());
    }
}

#[test]
fn nothing_that_is_asked_beside_the_parameters_is_dropped() {
    // Not one may be left out here: a new one fails to compile until it is a wish below, or of another test.
    let Call {
        messages: _,
        tools,
        tool_choice: _,
        parallel_tool_calls: _,
        parameters: _,
        user: _,
        stream,
        // The same call is carried by a codec that goes on from there anyway; the codecs' own tests have the others.
        continues: _,
        uncarried,
    } = Call { tools: vec![tool()], stream: true, uncarried: vec!["modalities".into()], ..question() };
    carried_or_refused("tools", &Call { tools, ..question() }, &question());
    carried_or_refused("uncarried", &Call { uncarried, ..question() }, &question());
    for kind in KINDS {
        let place = |stream| {
            let call = Call { stream, ..question() };
            let place = Place { operation: Operation::Chat, model: "m", stream, api_version: None };
            (kind.codec.chat(&call, "m").unwrap(), kind.codec.path(&place))
        };
        assert_ne!(place(stream), place(false), "{}: a stream", kind.name);
    }
}

fn tool() -> Tool {
    Tool { name: "look".into(), description: None, schema: None, strict: None }
}

#[test]
fn nothing_about_tools_is_dropped() {
    let Tool { name, description, schema, strict } = Tool {
        name: "listen".into(),
        description: Some("Hears.".into()),
        schema: Some(json(r#"{"type":"object","properties":{"at":{"type":"string"}}}"#)),
        strict: Some(true),
    };
    let with = |tool| Call { tools: vec![tool], ..question() };
    let plain = with(tool());
    for (wish, tool) in [
        ("name", Tool { name, ..tool() }),
        ("description", Tool { description, ..tool() }),
        ("parameters", Tool { schema, ..tool() }),
        ("strict", Tool { strict, ..tool() }),
    ] {
        carried_or_refused(wish, &with(tool), &plain);
    }
    let one_at_a_time = Call { parallel_tool_calls: Some(false), ..plain.clone() };
    carried_or_refused("parallel_tool_calls", &one_at_a_time, &plain);
    for choice in [ToolChoice::None, ToolChoice::Required, ToolChoice::Named("look".into())] {
        match choice {
            // What every API does anyway.
            ToolChoice::Auto => continue,
            ToolChoice::None | ToolChoice::Required | ToolChoice::Named(_) => {}
        }
        let wish = format!("tool_choice {choice:?}");
        carried_or_refused(&wish, &Call { tool_choice: Some(choice), ..plain.clone() }, &plain);
    }
}

/// One of each part, and of each form it can have.
fn parts() -> Vec<(&'static str, Part)> {
    let image = |url: &str| Part::Image { url: url.into(), detail: None };
    let file = |url: &str| Part::File { url: url.into(), name: None };
    let other = |dialect| Part::Other(Raw { dialect, json: json(r#"{"type":"novel","novel":{"of":1}}"#) });
    let parts = vec![
        ("text", Part::Text("Look at this.".into())),
        ("refusal", Part::Refusal("I will not.".into())),
        ("image at an address", image("https://x.example/y.png")),
        ("image", image("data:image/png;base64,AAAA")),
        ("file at an address", file("https://x.example/y.pdf")),
        ("file", file("data:application/pdf;base64,AAAA")),
        ("text file", file("data:text/plain;base64,aGk=")),
        ("audio", Part::Audio { data: "AAAA".into(), format: "wav".into() }),
        ("part of the chat dialect", other(Dialect::Chat)),
        ("part of the messages dialect", other(Dialect::Messages)),
    ];
    for (_, part) in &parts {
        match part {
            // Not one may be left out: a new one fails to compile until it stands above.
            Part::Text(_) | Part::Refusal(_) | Part::Image { .. } | Part::File { .. } => {}
            Part::Audio { .. } | Part::Other(_) | Part::Reasoning(_) => {}
        }
    }
    parts
}

/// What every API can be told.
fn talk() -> Call {
    let messages = vec![
        Message::text(Role::System, "Be brief."),
        Message::text(Role::Developer, "Be kind."),
        Message::text(Role::User, "What is this?"),
        Message::text(Role::Assistant, "A cat."),
        Message::text(Role::User, "Are you sure?"),
    ];
    Call { messages, ..Call::default() }
}

/// A conversation in which a tool is called.
fn round() -> Call {
    let call = ToolCall { id: "call_1".into(), name: "look".into(), arguments: r#"{"at":"it"}"#.into() };
    let messages = vec![
        Message::text(Role::User, "What is this?"),
        Message { tool_calls: vec![call], ..Message::text(Role::Assistant, "Let me see.") },
        Message { tool_call_id: Some("call_1".into()), ..Message::text(Role::Tool, "A cat.") },
    ];
    Call { messages, tools: vec![tool()], ..Call::default() }
}

#[test]
fn no_part_of_any_message_is_dropped() {
    for plain in [talk(), round()] {
        for (at, message) in plain.messages.iter().enumerate() {
            for (wish, part) in parts() {
                if matches!(part, Part::Refusal(_)) && message.role != Role::Assistant {
                    continue; // Only a model declines.
                }
                let mut wished = plain.clone();
                wished.messages[at].content.push(part);
                carried_or_refused(&format!("{wish} of {:?}", message.role), &wished, &plain);
            }
        }
    }
}

#[test]
fn no_message_and_no_call_of_a_tool_is_dropped() {
    let whole = talk();
    for at in 0..whole.messages.len() {
        let mut less = whole.clone();
        let gone = less.messages.remove(at);
        carried_or_refused(&format!("message of {:?}", gone.role), &whole, &less);
    }
    let until = |count| {
        let mut call = round();
        call.messages.truncate(count);
        call
    };
    carried_or_refused("call of a tool", &until(2), &until(1));
    carried_or_refused("result of a tool", &until(3), &until(2));
    let called = |name: &str, arguments: &str| {
        let mut call = round();
        call.messages[1].tool_calls[0].name = name.into();
        call.messages[1].tool_calls[0].arguments = arguments.into();
        call
    };
    carried_or_refused("another name", &called("listen", "{}"), &called("look", "{}"));
    for arguments in [r#"{"at":"it"}"#, "[]", "it", "{"] {
        carried_or_refused(arguments, &called("look", arguments), &called("look", "{}"));
    }
}

#[test]
fn nothing_about_embeddings_is_dropped() {
    let Embedding { inputs, dimensions, uncarried } = Embedding {
        inputs: vec!["one".into(), "two".into()],
        dimensions: Some(256),
        uncarried: vec!["novel".into()],
    };
    let plain = || Embedding { inputs: vec!["one".into()], ..Embedding::default() };
    for (wish, wished) in [
        ("input", Embedding { inputs, ..plain() }),
        ("dimensions", Embedding { dimensions, ..plain() }),
        ("uncarried", Embedding { uncarried, ..plain() }),
    ] {
        for kind in KINDS {
            if let (Ok(wished), Ok(plain)) = (kind.codec.embed(&wished, "m"), kind.codec.embed(&plain(), "m"))
            {
                assert_ne!(wished, plain, "{}: {wish} was dropped", kind.name);
            }
        }
    }
}

/// One wish for each parameter there is.
pub(crate) fn parameters() -> Vec<(&'static str, Parameters)> {
    // Not one may be left out here: a new one fails to compile until it is a wish below.
    let Parameters {
        max_tokens,
        temperature,
        top_p,
        frequency_penalty,
        presence_penalty,
        stop,
        seed,
        n,
        response_format,
        logprobs,
        top_logprobs,
        reasoning_effort,
        reasoning_budget,
        top_k,
    } = Parameters {
        max_tokens: Some(77),
        temperature: Some(0.5),
        top_p: Some(0.25),
        frequency_penalty: Some(0.125),
        presence_penalty: Some(0.75),
        stop: vec!["END".into()],
        seed: Some(7),
        n: Some(2),
        response_format: Some(ResponseFormat::JsonObject),
        logprobs: Some(true),
        top_logprobs: Some(3),
        reasoning_effort: Some("low".into()),
        reasoning_budget: Some(2048),
        top_k: Some(40),
    };
    let none = Parameters::default;
    vec![
        ("max_tokens", Parameters { max_tokens, ..none() }),
        ("temperature", Parameters { temperature, ..none() }),
        ("top_p", Parameters { top_p, ..none() }),
        ("frequency_penalty", Parameters { frequency_penalty, ..none() }),
        ("presence_penalty", Parameters { presence_penalty, ..none() }),
        ("stop", Parameters { stop, ..none() }),
        ("seed", Parameters { seed, ..none() }),
        ("n", Parameters { n, ..none() }),
        ("response_format", Parameters { response_format, ..none() }),
        ("logprobs", Parameters { logprobs, ..none() }),
        ("top_logprobs", Parameters { top_logprobs, ..none() }),
        ("reasoning_effort", Parameters { reasoning_effort, ..none() }),
        ("reasoning_budget", Parameters { reasoning_budget, ..none() }),
        ("top_k", Parameters { top_k, ..none() }),
    ]
}
