//! Recorded requests, answers, streams and errors, and what they mean to us.
//!
//! The files under `golden/` follow the public API documentation and the habits of compatible servers; beside
//! each folder stands one snapshot with everything read from its files. A change there is a change of meaning.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use domain::Usage;
use parapet_wire::call::{Parameters, ResponseFormat};
use parapet_wire::event::{Choice, Event, UpstreamError};
use parapet_wire::openai::{self, ChatRequest, Flavor, StreamReader};
use parapet_wire::sse::{self, Frame, Parser};

#[test]
fn streams_mean_what_they_always_meant() {
    for folder in ["streams", "broken-streams"] {
        snapshot(folder, |_, body| story(&body));
    }
}

#[test]
fn answers_mean_what_they_always_meant() {
    snapshot("answers", |_, body| {
        let mut out = String::new();
        match openai::read_answer(&body) {
            Ok(answer) => {
                write_choices(&mut out, &answer.choices);
                write_usage(&mut out, answer.usage);
                write_error(&mut out, answer.error.as_ref());
            }
            Err(malformed) => writeln!(out, "{malformed}").unwrap(),
        }
        out
    });
}

#[test]
fn errors_mean_what_they_always_meant() {
    snapshot("errors", |name, body| {
        let status = name.split(['-', '.']).next().unwrap().parse().unwrap();
        let mut out = String::new();
        write_error(&mut out, Some(&openai::read_error(status, &body)));
        out
    });
}

#[test]
fn requests_mean_what_they_always_meant() {
    snapshot("requests", |_, body| {
        let request = ChatRequest::parse(body).unwrap();
        let mut out = String::new();
        let facts = [
            ("model", format!("{:?}", request.model())),
            ("stream", request.stream().to_string()),
            ("wants usage", request.wants_usage().to_string()),
            ("choices", request.choices().to_string()),
            ("max tokens", format!("{:?}", request.max_tokens())),
            ("user", format!("{:?}", request.user())),
            ("tools", request.tool_count().to_string()),
            ("images", request.image_count().to_string()),
            ("characters", request.characters().to_string()),
            ("last user text", format!("{:?}", request.last_user_text())),
        ];
        for (name, value) in facts {
            writeln!(out, "{name}: {value}").unwrap();
        }
        for message in request.messages() {
            let span = message.span.of(request.body());
            serde_json::from_slice::<serde_json::Value>(span).unwrap();
            writeln!(
                out,
                "message: {:?}, {} characters, {} bytes",
                message.role,
                message.characters,
                span.len()
            )
            .unwrap();
        }
        let upstream = request.for_upstream("gpt-4o-mini", Flavor::OpenAi, true);
        writeln!(out, "upstream: {}", text(&upstream)).unwrap();
        let call = request.to_call().unwrap();
        writeln!(out, "uncarried: {:?}", call.uncarried).unwrap();
        writeln!(out, "encoded: {}", text(&openai::encode(&call, Flavor::Compatible, true))).unwrap();
        out
    });
}

#[test]
fn a_call_survives_encoding_and_parsing() {
    for (name, body) in files("requests") {
        let call = ChatRequest::parse(body).unwrap().to_call().unwrap();
        for flavor in [Flavor::OpenAi, Flavor::Compatible] {
            let encoded = openai::encode(&call, flavor, false);
            let mut again = ChatRequest::parse(encoded).unwrap().to_call().unwrap();
            again.uncarried.clone_from(&call.uncarried);
            assert_eq!(again, call, "{name}");
        }
    }
}

#[test]
fn what_goes_upstream_differs_from_what_came_in_by_the_spliced_members_alone() {
    for (name, body) in files("requests") {
        let before: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let request = ChatRequest::parse(body.clone()).unwrap();
        assert_eq!(request.for_upstream(request.model(), Flavor::OpenAi, false), body, "{name}");

        let upstream = request.for_upstream("other/model \"x\"", Flavor::OpenAi, true);
        let mut after: serde_json::Value = serde_json::from_slice(&upstream).unwrap();
        assert_eq!(after["model"], "other/model \"x\"", "{name}");
        after["model"] = before["model"].clone();
        if request.stream() {
            assert_eq!(after["stream_options"]["include_usage"], true, "{name}");
            match before.get("stream_options") {
                Some(options) => after["stream_options"] = options.clone(),
                None => drop(after.as_object_mut().unwrap().remove("stream_options")),
            }
        }
        assert_eq!(after, before, "{name}");
    }
}

#[test]
fn an_agent_adds_its_prompt_and_what_the_caller_left_open() {
    let defaults = Parameters {
        max_tokens: Some(500),
        temperature: Some(0.7),
        stop: vec!["\n\nUser:".into()],
        response_format: Some(ResponseFormat::JsonObject),
        ..Parameters::default()
    };
    let prompt = "You are \"Acme\"'s agent.\nBe kind.";
    for (name, body) in files("requests") {
        let before: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let request = ChatRequest::parse(body).unwrap().with_agent(prompt, &defaults);
        for (flavor, limit) in [(Flavor::OpenAi, "max_completion_tokens"), (Flavor::Compatible, "max_tokens")]
        {
            let upstream = request.for_upstream(request.model(), flavor, false);
            let mut after: serde_json::Value = serde_json::from_slice(&upstream).unwrap();
            let messages = after["messages"].as_array_mut().unwrap();
            assert_eq!(
                messages.remove(0),
                serde_json::json!({"role": "system", "content": prompt}),
                "{name}"
            );
            let limited =
                ["max_tokens", "max_completion_tokens"].iter().any(|limit| !before[*limit].is_null());
            let additions = [
                (limit, serde_json::json!(500), limited),
                ("temperature", serde_json::json!(0.7), !before["temperature"].is_null()),
                ("stop", serde_json::json!(["\n\nUser:"]), !before["stop"].is_null()),
                (
                    "response_format",
                    serde_json::json!({"type": "json_object"}),
                    !before["response_format"].is_null(),
                ),
            ];
            for (member, value, said) in additions {
                if said {
                    continue;
                }
                assert_eq!(after[member], value, "{name}: {member}");
                match before.get(member) {
                    Some(null) => after[member] = null.clone(),
                    None => drop(after.as_object_mut().unwrap().remove(member)),
                }
            }
            assert_eq!(after, before, "{name}");
        }
        let call = request.to_call().unwrap();
        assert_eq!(call.messages[0].plain_text(), prompt, "{name}");
        assert_eq!(call.parameters.max_tokens, request.max_tokens(), "{name}");
        assert!(request.max_tokens().is_some(), "{name}");
    }
}

#[test]
fn every_split_of_every_stream_gives_the_same_frames() {
    for folder in ["streams", "broken-streams"] {
        for (name, body) in files(folder) {
            let whole = frames([body.clone()]);
            for at in 0..=body.len() {
                assert_eq!(frames([body.slice(..at), body.slice(at..)]), whole, "{name} cut at {at}");
            }
            let bytes = (0..body.len()).map(|at| body.slice(at..=at));
            assert_eq!(frames(bytes), whole, "{name} byte by byte");
        }
    }
}

#[test]
fn frames_that_are_forwarded_as_they_came_are_the_bytes_that_came() {
    for (name, body) in files("streams") {
        let (frames, _) = frames([body.clone()]);
        let canonical: usize =
            frames.iter().filter(|frame| frame.canonical).map(|frame| frame.raw.len()).sum();
        if frames.iter().all(|frame| frame.canonical) && !name.contains("details") {
            assert_eq!(canonical, body.len(), "{name}");
        }
        for frame in frames.iter().filter(|frame| frame.canonical) {
            let inside = body.as_ptr_range();
            assert!(inside.contains(&frame.data.as_ptr()), "{name}: a whole event was copied");
        }
        for frame in &frames {
            let (again, _) = self::frames([frame.wire()]);
            assert_eq!(again.len(), 1, "{name}");
            assert_eq!(
                (again[0].canonical, &again[0].data),
                (!frame.data.contains(&b'\n'), &frame.data),
                "{name}"
            );
        }
    }
}

/// All frames of a stream cut into `pieces`, and how it ended.
fn frames(pieces: impl IntoIterator<Item = Bytes>) -> (Vec<Frame>, Result<(), sse::Fault>) {
    let mut parser = Parser::default();
    let mut frames = Vec::new();
    for piece in pieces {
        parser.push(piece);
        while let Some(frame) = parser.next().unwrap() {
            frames.push(frame);
        }
    }
    let end = parser.finish();
    (frames, end)
}

/// What a stream says, event by event, until it ends or breaks.
fn story(body: &Bytes) -> String {
    let mut out = String::new();
    let (frames, end) = frames([body.clone()]);
    let mut reader = StreamReader::default();
    for frame in &frames {
        match reader.read(frame) {
            Ok(Some(event)) => write_event(&mut out, frame, &event),
            Ok(None) => writeln!(out, "ignored").unwrap(),
            Err(malformed) => {
                writeln!(out, "{malformed}").unwrap();
                return out;
            }
        }
    }
    match (end, reader.end()) {
        (Err(fault), _) => writeln!(out, "{fault}").unwrap(),
        (_, Err(malformed)) => writeln!(out, "{malformed}").unwrap(),
        _ => {}
    }
    out
}

fn write_event(out: &mut String, frame: &Frame, event: &Event<'_>) {
    let marks = [
        (!frame.canonical, "rewritten"),
        (event.commits(), "commits"),
        (event.usage_only(), "only usage"),
        (event.done, "done"),
    ];
    let marks: Vec<_> = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
    writeln!(out, "event {}", marks.join(", ")).unwrap();
    if let Some(name) = &frame.name {
        writeln!(out, "  name {}", text(name)).unwrap();
    }
    write_choices(out, &event.choices);
    write_usage(out, event.usage);
    write_error(out, event.error.as_ref());
}

fn write_choices(out: &mut String, choices: &[Choice<'_>]) {
    for choice in choices {
        write!(out, "  choice {}", choice.index).unwrap();
        for (name, text) in
            [("text", choice.text), ("refusal", choice.refusal), ("reasoning", choice.reasoning)]
        {
            if !text.is_empty() {
                write!(out, " {name} {text:?}").unwrap();
            }
        }
        for tool in &choice.tools {
            write!(out, " tool {} {:?} {:?} {:?}", tool.index, tool.id, tool.name, tool.arguments).unwrap();
        }
        if choice.opaque {
            write!(out, " opaque").unwrap();
        }
        if let Some(finish) = choice.finish {
            write!(out, " finish {finish:?}").unwrap();
        }
        writeln!(out).unwrap();
    }
}

fn write_usage(out: &mut String, usage: Option<Usage>) {
    let Some(Usage { input, cached_input, cache_write, output, reasoning, audio, image, estimated }) = usage
    else {
        return;
    };
    let buckets = [
        ("input", input),
        ("cached", cached_input),
        ("cache write", cache_write),
        ("output", output),
        ("reasoning", reasoning),
        ("audio", audio),
        ("image", image),
    ];
    let used: Vec<_> = buckets.iter().filter(|b| b.1 > 0).map(|(name, n)| format!("{name} {n}")).collect();
    writeln!(out, "  usage {}{}", used.join(", "), if estimated { " estimated" } else { "" }).unwrap();
}

fn write_error(out: &mut String, error: Option<&UpstreamError>) {
    if let Some(UpstreamError { kind, message, param, code }) = error {
        writeln!(out, "  error {kind:?}, message {message:?}, param {param:?}, code {code:?}").unwrap();
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// One snapshot of what `describe` says about each file of a folder.
#[track_caller]
fn snapshot(folder: &str, describe: impl Fn(&str, Bytes) -> String) {
    let mut all = String::new();
    for (name, body) in files(folder) {
        write!(all, "# {name}\n{}\n", describe(&name, body)).unwrap();
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(golden());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(folder, all));
}

fn files(folder: &str) -> Vec<(String, Bytes)> {
    let mut paths: Vec<_> =
        fs::read_dir(golden().join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    let read = |path: &PathBuf| {
        (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap().into())
    };
    paths.iter().map(read).collect()
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}
