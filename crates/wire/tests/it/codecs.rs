//! Every codec over its golden files. A provider of its own has the folders `answers`, `streams`, `broken-streams`
//! and `errors` (named by their status) under its name in `golden/`; `calls` is shared: what callers ask, as it goes
//! to each provider.

use std::fmt::Write;
use std::fs;

use parapet_wire::openai::ChatRequest;
use parapet_wire::provider::{Operation, Place};

use crate::support::{
    codec, codecs, files, frames, golden, snapshot, snapshot_of, story, text, write_choices, write_error,
    write_usage,
};

#[test]
fn every_provider_has_its_golden_files() {
    let own: Vec<_> = codecs().map(|(name, _)| name).collect();
    for name in &own {
        for folder in ["answers", "streams", "broken-streams", "errors"] {
            assert!(!files(&format!("{name}/{folder}")).is_empty(), "{name}/{folder}");
        }
    }
    let folders = fs::read_dir(golden("")).unwrap().map(|entry| entry.unwrap().path());
    for folder in folders.filter(|path| path.is_dir()) {
        let name = folder.file_name().unwrap().to_str().unwrap();
        assert!(name == "calls" || own.contains(&name), "{name} is no provider with a codec of its own");
    }
}

#[test]
fn streams_mean_what_they_always_meant() {
    for (name, codec) in codecs() {
        for folder in ["streams", "broken-streams"] {
            snapshot(&format!("{name}/{folder}"), |_, body| story(codec, &body));
        }
    }
}

#[test]
fn a_stream_is_complete_in_one_folder_and_broken_in_the_other() {
    for (name, codec) in codecs() {
        for (folder, complete) in [("streams", true), ("broken-streams", false)] {
            for (file, body) in files(&format!("{name}/{folder}")) {
                let (frames, end) = frames(codec.framing(), [body]);
                let mut reader = codec.reader();
                let read = frames.iter().try_for_each(|frame| match reader.read(frame) {
                    Ok(Some(event)) if event.error.is_some() => Err(()),
                    Ok(_) => Ok(()),
                    Err(_) => Err(()),
                });
                let truthful = end.is_ok() && read.is_ok() && reader.end().is_ok();
                assert_eq!(truthful, complete, "{name}/{folder}/{file}");
            }
        }
    }
}

#[test]
fn answers_mean_what_they_always_meant() {
    for (name, codec) in codecs() {
        snapshot(&format!("{name}/answers"), |_, body| {
            let mut out = String::new();
            match codec.read_answer(&body) {
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
}

#[test]
fn errors_mean_what_they_always_meant() {
    for (name, codec) in codecs() {
        snapshot(&format!("{name}/errors"), |file, body| {
            let status = file.split(['-', '.']).next().unwrap().parse().unwrap();
            let mut out = String::new();
            write_error(&mut out, Some(&codec.read_error(status, &body)));
            out
        });
    }
}

#[test]
fn every_provider_is_asked_what_the_caller_asks_or_not_at_all() {
    for (name, codec) in codecs() {
        snapshot_of(&format!("{name}/calls"), "calls", |_, body| {
            let call = match ChatRequest::parse(body).unwrap().to_call() {
                Ok(call) => call,
                Err(refused) => return format!("{refused}\n"),
            };
            match codec.chat(&call, "some-model") {
                Ok(body) => {
                    let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
                    format!("{json:#}\n")
                }
                Err(uncarried) => format!("{uncarried}\n"),
            }
        });
    }
}

#[test]
fn every_provider_is_asked_in_its_own_place() {
    let mut out = String::new();
    for (name, codec) in codecs() {
        writeln!(out, "# {name}").unwrap();
        for operation in [Operation::Chat, Operation::Embed, Operation::Count, Operation::Models] {
            for stream in [false, true] {
                for api_version in [None, Some("v9")] {
                    let place = Place { operation, model: "a/b c", stream, api_version };
                    let path = codec.path(&place).unwrap_or_else(|| "-".into());
                    writeln!(out, "{operation:?} stream {stream} version {api_version:?}: {path}").unwrap();
                }
            }
        }
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(golden(""));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("places", out));
}

#[test]
fn embeddings_counts_and_models_mean_what_they_always_meant() {
    for (name, codec) in codecs() {
        let folder = |folder: &str| format!("{name}/{folder}");
        let or_fault = |read: Result<String, _>| {
            read.unwrap_or_else(|fault: parapet_wire::event::Malformed| fault.to_string())
        };
        if golden(&folder("embeddings")).is_dir() {
            snapshot(&folder("embeddings"), |_, body| {
                or_fault(codec.read_embeddings(&body).map(|embeddings| format!("{embeddings:?}")))
            });
        }
        if golden(&folder("counts")).is_dir() {
            snapshot(&folder("counts"), |_, body| or_fault(codec.read_count(&body).map(|n| n.to_string())));
        }
        if golden(&folder("models")).is_dir() {
            snapshot(&folder("models"), |_, body| or_fault(codec.read_models(&body).map(|m| m.join("\n"))));
        }
    }
}

#[test]
fn every_split_of_every_stream_gives_the_same_frames() {
    for (name, codec) in codecs() {
        let framing = codec.framing();
        for folder in ["streams", "broken-streams"] {
            for (file, body) in files(&format!("{name}/{folder}")) {
                let whole = frames(framing, [body.clone()]);
                for at in 0..=body.len() {
                    let cut = frames(framing, [body.slice(..at), body.slice(at..)]);
                    assert_eq!(cut, whole, "{name}/{file} cut at {at}");
                }
                let bytes = (0..body.len()).map(|at| body.slice(at..=at));
                assert_eq!(frames(framing, bytes), whole, "{name}/{file} byte by byte");
            }
        }
    }
}

#[test]
fn frames_that_are_forwarded_as_they_came_are_the_bytes_that_came() {
    let framing = codec("openai").framing();
    for (name, body) in files("openai/streams") {
        let (frames, _) = frames(framing, [body.clone()]);
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
            let (again, _) = self::frames(framing, [frame.wire()]);
            assert_eq!(again.len(), 1, "{name}");
            assert_eq!(
                (again[0].canonical, text(&again[0].data)),
                (!frame.data.contains(&b'\n'), text(&frame.data)),
                "{name}"
            );
        }
    }
}

#[test]
fn no_stream_is_longer_than_a_test_can_split_in_every_place() {
    for (name, _) in codecs() {
        for (file, body) in files(&format!("{name}/streams")) {
            assert!(body.len() <= 64 * 1024, "{name}/{file} has {} bytes", body.len());
        }
    }
}
