use std::fmt::Write;

use bytes::{BufMut, BytesMut};
use serde::Serialize;

/// Appends `text` as a quoted JSON string.
pub fn write_str(out: &mut BytesMut, text: &str) {
    out.reserve(text.len() + 2);
    write_json(out, text);
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
