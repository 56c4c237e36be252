use bytes::{Bytes, BytesMut};

use crate::json::Span;

/// Put `with` in the place of `span`. An empty span inserts.
#[derive(Clone, Copy, Debug)]
pub struct Edit<'a> {
    pub span: Span,
    pub with: &'a [u8],
}

impl<'a> Edit<'a> {
    #[must_use]
    pub const fn insert(at: usize, with: &'a [u8]) -> Self {
        Self { span: Span { start: at, end: at }, with }
    }
}

/// `body` with the edits made and every other byte as it was. Insertions at one place keep their order. One
/// allocation; none if there is nothing to do.
///
/// The spans must lie inside `body` and not overlap: an edit that starts before the end of the one in front of
/// it is left out.
#[must_use]
pub fn splice(body: &Bytes, edits: &mut [Edit<'_>]) -> Bytes {
    if edits.is_empty() {
        return body.clone();
    }
    edits.sort_by_key(|edit| edit.span.start);
    let added: usize = edits.iter().map(|edit| edit.with.len()).sum();
    let mut out = BytesMut::with_capacity(body.len() + added);
    let mut copied = 0;
    for edit in edits.iter() {
        debug_assert!(edit.span.start >= copied && edit.span.end >= edit.span.start, "edits overlap");
        if edit.span.start < copied {
            continue;
        }
        out.extend_from_slice(Span { start: copied, end: edit.span.start }.of(body));
        out.extend_from_slice(edit.with);
        copied = edit.span.end;
    }
    out.extend_from_slice(body.get(copied..).unwrap_or_default());
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_outside_the_spans_stays() {
        let body = Bytes::from_static(b"0123456789");
        let mut edits = [
            Edit { span: Span { start: 8, end: 9 }, with: b"" },
            Edit { span: Span { start: 2, end: 4 }, with: b"xyz" },
            Edit::insert(4, b"A"),
            Edit::insert(4, b"B"),
            Edit::insert(10, b"!"),
            Edit::insert(0, b"^"),
        ];
        assert_eq!(splice(&body, &mut edits), "^01xyzAB45679!");
    }

    #[test]
    fn nothing_to_do_copies_nothing() {
        let body = Bytes::from(vec![b'x'; 100]);
        assert_eq!(splice(&body, &mut []).as_ptr(), body.as_ptr());
    }
}
