//! W3C trace context: the caller's trace is continued, or one is begun, and named in `traceresponse`.

use std::fmt;

use uuid::Uuid;

/// The trace a request belongs to and the span that is ours in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trace {
    id: u128,
    span: u64,
    sampled: bool,
}

impl Trace {
    /// Continues `traceparent` when it is valid (`00-<32 hex>-<16 hex>-<2 hex>`, not all zero), else begins a trace.
    pub(crate) fn from_header(traceparent: Option<&str>, fresh: Uuid) -> Self {
        let (high, low) = fresh.as_u64_pair();
        let span = (high.rotate_left(17) ^ low) | 1;
        match traceparent.and_then(parse) {
            Some((id, sampled)) => Self { id, span, sampled },
            None => Self { id: fresh.as_u128(), span, sampled: false },
        }
    }

    pub(crate) const fn id(&self) -> u128 {
        self.id
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.id, self.span, u8::from(self.sampled))
    }
}

fn parse(text: &str) -> Option<(u128, bool)> {
    let lower_hex = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let mut parts = text.split('-');
    let (version, id, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let shaped = version == "00"
        && parts.next().is_none()
        && (id.len(), parent.len(), flags.len()) == (32, 16, 2)
        && [id, parent, flags].into_iter().all(lower_hex);
    if !shaped {
        return None;
    }
    let id = u128::from_str_radix(id, 16).ok().filter(|id| *id != 0)?;
    u64::from_str_radix(parent, 16).ok().filter(|parent| *parent != 0)?;
    Some((id, u8::from_str_radix(flags, 16).ok()? & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_parent_is_continued_with_a_span_of_our_own() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let text = Trace::from_header(Some(parent), Uuid::from_u128(7)).to_string();
        assert!(text.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
        assert!(text.ends_with("-01"));
        assert!(!text.contains("00f067aa0ba902b7"));
    }

    #[test]
    fn anything_else_begins_a_new_trace() {
        for bad in [
            "",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert_eq!(Trace::from_header(Some(bad), Uuid::from_u128(7)).id(), 7, "{bad}");
        }
    }
}
