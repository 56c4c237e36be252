//! Any bytes as any provider's stream, translated into any dialect: never a panic, and what was written is read back
//! as what was heard.

#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use parapet_fuzz::{answer_id, codec, dialect, reading_codec};
use wire::dialect::Head;
use wire::frames::Parser;
use wire::gather::Gathered;
use wire::provider::Codec;

fuzz_target!(|input: &[u8]| {
    let [kind, form, body @ ..] = input else { return };
    let dialect = dialect(*form);
    let head = Head { id: answer_id(dialect), created: 1, model: "m" };
    let mut writer = dialect.writer(&head, true);
    let mut written = BytesMut::new();
    let Some(heard) = listen(codec(*kind), Bytes::copy_from_slice(body), |event| writer.event(&mut written, event))
    else {
        return;
    };
    writer.close(&mut written, &domain::Usage::default());
    let again = listen(reading_codec(dialect), written.freeze(), |_| {}).expect("what we write is complete");
    assert_eq!(again.text, heard.text);
    assert_eq!(again.tool_calls, heard.tool_calls);
});

/// What the first choice says; none if the stream is broken, was cut, or reports an error.
fn listen(
    codec: &dyn Codec,
    body: Bytes,
    mut each: impl FnMut(&wire::event::Event<'_>),
) -> Option<Gathered> {
    let mut parser = Parser::new(codec.framing());
    let mut reader = codec.reader();
    let mut gathered = Gathered::new("x".to_owned());
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
        event.choices.iter().filter(|choice| choice.index == 0).for_each(|choice| gathered.add(choice));
        each(&event);
    }
    reader.end().ok()?;
    gathered.finish?;
    for (index, call) in gathered.tool_calls.iter_mut().enumerate() {
        call.id = index.to_string();
    }
    Some(gathered)
}
