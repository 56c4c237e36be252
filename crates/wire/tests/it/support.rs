//! Golden files, and what a codec reads from them as text.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use domain::Usage;
use parapet_wire::event::{Choice, Event, UpstreamError};
use parapet_wire::frames::Parser;
use parapet_wire::provider::{Codec, Framing, KINDS, Kind, Operation, Place, kind};
use parapet_wire::sse::{Fault, Frame};

/// The codecs, by the name of their folder of golden files: every kind but the presets.
pub(crate) fn codecs() -> impl Iterator<Item = (&'static str, &'static dyn Codec)> {
    KINDS.iter().filter(|kind| !is_preset(kind)).map(|kind| (kind.name, kind.codec))
}

/// Another host of what `openai` is: a codec of the same type, with everything in the same place. Types are told
/// apart by what `Debug` calls them: addresses of statics without a size may be one and the same.
fn is_preset(kind: &Kind) -> bool {
    fn of(codec: &dyn Codec) -> impl PartialEq {
        let described = format!("{codec:?}");
        let name = described.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned();
        let paths = [Operation::Chat, Operation::Embed, Operation::Count, Operation::Models]
            .map(|operation| codec.path(&Place { operation, model: "m", stream: false, api_version: None }));
        (name, paths, codec.dialect(), codec.credential(), codec.framing())
    }
    kind.name != "openai" && of(kind.codec) == of(codec("openai"))
}

/// A codec that is known to be in the table.
pub(crate) fn codec(name: &str) -> &'static dyn Codec {
    kind(name).unwrap().codec
}

/// All frames of a stream cut into `pieces`, and how it ended.
pub(crate) fn frames(
    framing: Framing,
    pieces: impl IntoIterator<Item = Bytes>,
) -> (Vec<Frame>, Result<(), Fault>) {
    let mut parser = Parser::new(framing);
    let mut frames = Vec::new();
    for piece in pieces {
        parser.push(piece);
        loop {
            match parser.next() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(fault) => return (frames, Err(fault)),
            }
        }
    }
    let end = parser.finish().map(|last| frames.extend(last));
    (frames, end)
}

/// What a stream says, event by event, until it ends or breaks.
pub(crate) fn story(codec: &dyn Codec, body: &Bytes) -> String {
    let (frames, end) = frames(codec.framing(), [body.clone()]);
    story_of(codec, &frames, end)
}

pub(crate) fn story_of(codec: &dyn Codec, frames: &[Frame], end: Result<(), Fault>) -> String {
    let mut out = String::new();
    let mut reader = codec.reader();
    for frame in frames {
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
        writeln!(out, "  name {}", name.escape_ascii()).unwrap();
    }
    write_choices(out, &event.choices);
    write_usage(out, event.usage);
    write_error(out, event.error.as_ref());
}

pub(crate) fn write_choices(out: &mut String, choices: &[Choice<'_>]) {
    for choice in choices {
        write!(out, "  choice {}", choice.index).unwrap();
        for (name, text) in
            [("text", choice.text), ("refusal", choice.refusal), ("reasoning", choice.reasoning)]
        {
            if !text.is_empty() {
                write!(out, " {name} {text:?}").unwrap();
            }
        }
        if let Some(signature) = choice.signature {
            let kind = if signature.encrypted { "encrypted" } else { "signature" };
            write!(out, " {kind} {:?} {:?}", signature.origin, signature.data).unwrap();
            if let Some(tool) = signature.tool {
                write!(out, " of tool {tool}").unwrap();
            }
        }
        for tool in &choice.tools {
            write!(out, " tool {} {:?} {:?} {:?}", tool.index, tool.id, tool.name, tool.arguments).unwrap();
        }
        if choice.opaque {
            write!(out, " opaque").unwrap();
        }
        if choice.aside {
            write!(out, " aside").unwrap();
        }
        if choice.failed {
            write!(out, " failed").unwrap();
        }
        if let Some(finish) = choice.finish {
            write!(out, " finish {finish:?}").unwrap();
        }
        writeln!(out).unwrap();
    }
}

pub(crate) fn write_usage(out: &mut String, usage: Option<Usage>) {
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

pub(crate) fn write_error(out: &mut String, error: Option<&UpstreamError>) {
    if let Some(UpstreamError { kind, message, param, code, retry_after }) = error {
        write!(out, "  error {kind:?}, message {message:?}, param {param:?}, code {code:?}").unwrap();
        writeln!(out, "{}", retry_after.map(|wait| format!(", again in {wait:?}")).unwrap_or_default())
            .unwrap();
    }
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// One snapshot of what `describe` says about each file of a folder, beside that folder.
#[track_caller]
pub(crate) fn snapshot(folder: &str, describe: impl Fn(&str, Bytes) -> String) {
    snapshot_of(folder, folder, describe);
}

/// One snapshot, `name`, of what `describe` says about each file of a folder.
#[track_caller]
pub(crate) fn snapshot_of(name: &str, folder: &str, describe: impl Fn(&str, Bytes) -> String) {
    let mut all = String::new();
    for (name, body) in files(folder) {
        write!(all, "# {name}\n{}\n", describe(&name, body)).unwrap();
    }
    let (parent, name) = name.rsplit_once('/').unwrap_or(("", name));
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(golden(parent));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, all));
}

/// The files of a folder of golden files, in order; none if there is no such folder.
pub(crate) fn files(folder: &str) -> Vec<(String, Bytes)> {
    let Ok(entries) = fs::read_dir(golden(folder)) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: &PathBuf| {
        (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap().into())
    };
    paths.iter().filter(|path| path.is_file()).map(read).collect()
}

pub(crate) fn golden(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder)
}
