//! Any bytes as any provider's stream, translated into any dialect: never a panic, and what was written is read back
//! as what was heard.

#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use parapet_fuzz::{Story, answer_id, codec, dialect, reading_codec};
use wire::dialect::Head;
use wire::frames::Parser;
use wire::provider::Codec;

fuzz_target!(|input: &[u8]| {
    let [kind, form, body @ ..] = input else { return };
    let Some(codec) = codec(*kind) else { return };
    let dialect = dialect(*form);
    let head = Head { id: answer_id(dialect), created: 1, model: "m" };
    let mut writer = dialect.writer(&head, true);
    let mut written = BytesMut::new();
    let body = Bytes::copy_from_slice(body);
    let Some(heard) = listen(codec, body, |event| writer.event(&mut written, event).ok()) else {
        return;
    };
    writer.close(&mut written, &domain::Usage::default());
    let again = listen(reading_codec(dialect), written.freeze(), |_| Some(()));
    let again = again.expect("what we write is complete");
    heard.is_told_by(&again);
});

/// What the first choice says; none if the stream is broken, was cut, reports an error, or cannot be told.
fn listen(
    codec: &dyn Codec,
    body: Bytes,
    mut each: impl FnMut(&wire::event::Event<'_>) -> Option<()>,
) -> Option<Story> {
    let mut parser = Parser::new(codec.framing());
    let mut reader = codec.reader();
    let mut story = Story::default();
    parser.push(body);
    let mut frames = Vec::new();
    while let Some(frame) = parser.next().ok()? {
        frames.push(frame);
    }
    frames.extend(parser.finish().ok()?);
    for frame in &frames {
        let Some(event) = reader.read(frame).ok()? else { continue };
        if event.error.is_some() {
            return None;
        }
        event.choices.iter().for_each(|choice| story.add(choice));
        each(&event)?;
    }
    reader.end().ok()?;
    story.is_whole().then_some(story)
}
