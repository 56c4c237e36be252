use std::fmt::Write;

use bytes::{BufMut, BytesMut};
use serde::Serialize;

/// Appends `text` as a quoted JSON string.
pub fn write_str(out: &mut BytesMut, text: &str) {
    out.reserve(text.len() + 2);
    write_json(out, text);
}

/// The content of a quoted JSON string, if it differs from the text.
pub(crate) fn escaped(text: &str) -> Option<Vec<u8>> {
    if text.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') {
        return None;
    }
    let mut quoted = BytesMut::with_capacity(text.len() + 8);
    write_str(&mut quoted, text);
    quoted.get(1..quoted.len().saturating_sub(1)).map(<[u8]>::to_vec)
}

/// Appends what `serde` makes of `value`: for strings and for plain data without maps of odd keys.
pub(crate) fn write_json<T: Serialize + ?Sized>(out: &mut BytesMut, value: &T) {
    let written = serde_json::to_writer(out.writer(), value);
    debug_assert!(written.is_ok(), "plain data always serialises into memory");
}

/// Appends a number or another value whose text is the same in JSON.
pub(crate) fn write_display(out: &mut BytesMut, value: impl std::fmt::Display) {
    let written = write!(out, "{value}");
    debug_assert!(written.is_ok(), "writing into memory does not fail");
}
