//! However the bytes of a stream are cut into pieces, the frames are the same.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use wire::frames::Parser;
use wire::provider::Framing;

fuzz_target!(|input: &[u8]| {
    let [cut, lines, body @ ..] = input else { return };
    let (cut, lines) = (*cut, *lines % 2 == 1);
    let framing = if lines { Framing::Lines } else { Framing::Events };
    let whole = frames(framing, [Bytes::copy_from_slice(body)]);
    let piece = usize::from(cut % 16) + 1;
    let pieces = body.chunks(piece).map(Bytes::copy_from_slice);
    assert_eq!(frames(framing, pieces), whole);
});

/// The payloads, and whether the end was clean.
fn frames(framing: Framing, pieces: impl IntoIterator<Item = Bytes>) -> (Vec<(Option<Bytes>, Bytes)>, bool) {
    let mut parser = Parser::new(framing);
    let mut frames = Vec::new();
    for piece in pieces {
        parser.push(piece);
        while let Ok(Some(frame)) = parser.next() {
            frames.push((frame.name, frame.data));
        }
    }
    let end = parser.finish();
    if let Ok(Some(frame)) = &end {
        frames.push((frame.name.clone(), frame.data.clone()));
    }
    (frames, end.is_ok())
}
