//! Server-sent events, read incrementally (WHATWG HTML, section 9.2) and written.
//!
//! The common case costs nothing but the search for line ends: an event that arrives whole inside one piece of
//! the body is handed out as slices of that piece. Only an event cut by a packet border is copied, once, and
//! however it was cut the frames are the same. What is held back is bounded: an event larger than the limit is a
//! fault as soon as the limit is passed, not when the event ends.
//!
//! `id` and `retry` are understood and dropped: nothing upstream is resumed by event id. Comments are dropped too;
//! keep-alive towards our own callers is ours to write.

use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr, memchr2};

use crate::frames::append;

/// A comment that keeps a connection warm while there is nothing to say.
pub const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

const BOM: &[u8] = b"\xef\xbb\xbf";

/// One dispatched event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The event's lines as received, up to its blank line's end (of a CR LF there, the CR).
    pub raw: Bytes,
    /// `raw` is exactly `data: X\n\n`, which a chat stream may forward as it is.
    pub canonical: bool,
    /// The last `event` field, if it is not empty.
    pub name: Option<Bytes>,
    /// The `data` fields, joined by line feeds.
    pub data: Bytes,
}

impl Frame {
    /// What to forward on a stream of unnamed events: `raw` if that is its canonical form, else that form made anew.
    #[must_use]
    pub fn wire(&self) -> Bytes {
        if self.canonical {
            return self.raw.clone();
        }
        let mut out = BytesMut::with_capacity(self.data.len() + 8);
        write_data(&mut out, &self.data);
        out.freeze()
    }
}

impl Frame {
    /// What to forward on a stream of named events: `raw` if it is one name and one payload as they are usually
    /// written, else that form made anew.
    #[must_use]
    pub fn named(&self) -> Bytes {
        let Some(name) = &self.name else { return self.wire() };
        let usual = self.raw.len() == name.len() + self.data.len() + b"event: \ndata: \n\n".len()
            && self.raw.starts_with(b"event: ")
            && self.raw.ends_with(b"\n\n")
            && !self.data.contains(&b'\n');
        if usual {
            return self.raw.clone();
        }
        let mut out = BytesMut::with_capacity(name.len() + self.data.len() + 24);
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name);
        out.extend_from_slice(b"\n");
        write_data(&mut out, &self.data);
        out.freeze()
    }
}

/// Why a stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("an event is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the stream ends inside an event")]
    Incomplete,
}

/// Cuts a byte stream into events: push a piece of the body, then call [`Parser::next`] until it is `None`.
#[derive(Debug)]
pub struct Parser {
    /// What was pushed and not yet read.
    piece: Bytes,
    /// The start of an event whose end has not arrived.
    carry: BytesMut,
    scan: Scan,
    /// The last event ended in CR: if LF comes next, it belongs to that line end.
    skip_line_feed: bool,
    at_start: bool,
    max_event: usize,
}

impl Default for Parser {
    fn default() -> Self {
        Self::new(1 << 20)
    }
}

impl Parser {
    /// `max_event` bounds the bytes of one event, field names, comments and line ends included.
    #[must_use]
    pub fn new(max_event: usize) -> Self {
        Self {
            piece: Bytes::new(),
            carry: BytesMut::new(),
            scan: Scan::default(),
            skip_line_feed: false,
            at_start: true,
            max_event,
        }
    }

    /// Takes the next piece of the body. What earlier pieces left unread comes first.
    pub fn push(&mut self, piece: Bytes) {
        append(&mut self.piece, piece);
    }

    /// The next whole event, or `None` until more is pushed.
    ///
    /// # Errors
    /// [`Fault::TooLarge`], and then again on every call.
    #[expect(clippy::should_implement_trait, reason = "an iterator that ends, and then goes on, misleads")]
    pub fn next(&mut self) -> Result<Option<Frame>, Fault> {
        while !self.piece.is_empty() {
            if std::mem::take(&mut self.skip_line_feed) && self.piece.first() == Some(&b'\n') {
                self.piece.advance(1);
                continue;
            }
            let event = if self.carry.is_empty() { self.begin_event()? } else { self.resume_event()? };
            let Some(event) = event else { return Ok(None) };
            self.skip_line_feed = event.ends_with(b"\r");
            let event = self.without_bom(event);
            if let Some(frame) = dispatch(event) {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    /// To be called at the end of the body.
    ///
    /// # Errors
    /// [`Fault::Incomplete`] if bytes of an event remain. By the standard such an event is dropped; here it is
    /// evidence of a cut.
    pub fn finish(&self) -> Result<(), Fault> {
        if self.piece.is_empty() && self.carry.is_empty() { Ok(()) } else { Err(Fault::Incomplete) }
    }

    /// An event that starts with the piece. If it does not end there, what there is of it is carried.
    fn begin_event(&mut self) -> Result<Option<Bytes>, Fault> {
        let end = self.scan.event_end(&self.piece, self.at_start);
        self.check_size(end.unwrap_or(self.piece.len()))?;
        match end {
            Some(end) => {
                self.scan = Scan::default();
                Ok(Some(self.piece.split_to(end)))
            }
            None => {
                self.carry.extend_from_slice(&self.piece);
                self.piece.clear();
                Ok(None)
            }
        }
    }

    /// An event that started in an earlier piece. It is completed line by line, so that only its own bytes are
    /// copied, and the search goes on from where it stopped: one-byte pieces do not make it quadratic.
    fn resume_event(&mut self) -> Result<Option<Bytes>, Fault> {
        while !self.piece.is_empty() {
            let line = memchr2(b'\n', b'\r', &self.piece).map_or(self.piece.len(), |end| end + 1);
            self.check_size(self.carry.len().saturating_add(line))?;
            self.carry.extend_from_slice(&self.piece.split_to(line));
            if self.scan.event_end(&self.carry, self.at_start).is_some() {
                self.scan = Scan::default();
                return Ok(Some(self.carry.split().freeze()));
            }
        }
        Ok(None)
    }

    const fn check_size(&self, size: usize) -> Result<(), Fault> {
        if size > self.max_event { Err(Fault::TooLarge { limit: self.max_event }) } else { Ok(()) }
    }

    fn without_bom(&mut self, mut event: Bytes) -> Bytes {
        if std::mem::take(&mut self.at_start) && event.starts_with(BOM) {
            event.advance(BOM.len());
        }
        event
    }
}

/// The search for a blank line, which can be interrupted anywhere.
#[derive(Clone, Copy, Debug, Default)]
struct Scan {
    /// Where the current line starts.
    line: usize,
    /// Up to where the current line is known to have no end.
    seen: usize,
}

impl Scan {
    /// The length of the event that `bytes` starts with, its blank line included. A line that ends in CR as the
    /// last byte ends there; its LF, if one follows, is swallowed by the parser.
    fn event_end(&mut self, bytes: &[u8], at_start: bool) -> Option<usize> {
        loop {
            let rest = bytes.get(self.seen..).unwrap_or_default();
            let Some(found) = memchr2(b'\n', b'\r', rest) else {
                self.seen = bytes.len();
                return None;
            };
            let end = self.seen + found;
            let blank = end == self.line || at_start && bytes.get(..end) == Some(BOM);
            let carriage_return = bytes.get(end) == Some(&b'\r');
            if blank {
                return Some(end + 1);
            }
            let next = end + 1;
            if carriage_return {
                match bytes.get(next) {
                    Some(b'\n') => self.line = next + 1,
                    Some(_) => self.line = next,
                    None => {
                        self.seen = end;
                        return None;
                    }
                }
            } else {
                self.line = next;
            }
            self.seen = self.line;
        }
    }
}

/// The frame of an event's lines; none if they have no `data` field.
fn dispatch(raw: Bytes) -> Option<Frame> {
    if let Some(data) = canonical_data(&raw) {
        let data = raw.slice(data);
        return Some(Frame { raw, canonical: true, name: None, data });
    }
    let mut name = None;
    let mut first: Option<Bytes> = None;
    let mut joined: Option<BytesMut> = None;
    for line in lines(&raw) {
        let (field, value) = split_field(line);
        match field {
            b"data" => match (&mut joined, &first) {
                (Some(joined), _) => {
                    joined.extend_from_slice(b"\n");
                    joined.extend_from_slice(value);
                }
                (None, Some(first)) => {
                    let mut both = BytesMut::with_capacity(raw.len());
                    both.extend_from_slice(first);
                    both.extend_from_slice(b"\n");
                    both.extend_from_slice(value);
                    joined = Some(both);
                }
                (None, None) => first = Some(raw.slice_ref(value)),
            },
            b"event" => name = Some(raw.slice_ref(value)).filter(|name| !name.is_empty()),
            _ => {}
        }
    }
    let data = joined.map(BytesMut::freeze).or(first)?;
    Some(Frame { raw, canonical: false, name, data })
}

/// Where the payload is if the event is `data: X\n\n` and nothing else.
fn canonical_data(raw: &[u8]) -> Option<std::ops::Range<usize>> {
    let payload = raw.strip_prefix(b"data: ")?.strip_suffix(b"\n\n")?;
    let one_line = memchr2(b'\n', b'\r', payload).is_none();
    one_line.then_some(6..raw.len() - 2)
}

fn lines(raw: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = raw;
    std::iter::from_fn(move || {
        let end = memchr2(b'\n', b'\r', rest)?;
        let (line, after) = rest.split_at_checked(end)?;
        rest = match after {
            [b'\r', b'\n', after @ ..] | [_, after @ ..] => after,
            [] => after,
        };
        Some(line)
    })
}

/// Name and value of a field line; a comment has an empty name.
fn split_field(line: &[u8]) -> (&[u8], &[u8]) {
    let Some((field, value)) = memchr(b':', line).and_then(|colon| line.split_at_checked(colon)) else {
        return (line, b"");
    };
    let value = value.strip_prefix(b":").unwrap_or(value);
    (field, value.strip_prefix(b" ").unwrap_or(value))
}

/// Appends an unnamed event. A payload of several lines becomes several `data` fields.
pub fn write_data(out: &mut BytesMut, payload: &[u8]) {
    out.reserve(payload.len() + 8);
    let mut rest = payload;
    while let Some((line, after)) = memchr2(b'\n', b'\r', rest).and_then(|end| rest.split_at_checked(end)) {
        write_line(out, line);
        rest = match after {
            [b'\r', b'\n', after @ ..] | [_, after @ ..] => after,
            [] => after,
        };
    }
    write_line(out, rest);
    out.extend_from_slice(b"\n");
}

/// Appends an event with a name, which must not contain line ends.
pub fn write_event(out: &mut BytesMut, name: &str, payload: &[u8]) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\n");
    write_data(out, payload);
}

fn write_line(out: &mut BytesMut, line: &[u8]) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(line);
    out.extend_from_slice(b"\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<(Option<String>, String)> {
        let mut parser = Parser::default();
        let mut events = Vec::new();
        for piece in pieces {
            parser.push(Bytes::copy_from_slice(piece));
            while let Some(frame) = parser.next().unwrap() {
                let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
                events.push((frame.name.as_ref().map(text), text(&frame.data)));
            }
        }
        events
    }

    fn unnamed(data: &[&str]) -> Vec<(Option<String>, String)> {
        data.iter().map(|data| (None, (*data).to_owned())).collect()
    }

    #[test]
    fn the_examples_of_the_standard() {
        assert_eq!(read(&[b"data: YHOO\ndata: +2\ndata: 10\n\n"]), unnamed(&["YHOO\n+2\n10"]));
        let stream =
            b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n";
        assert_eq!(read(&[stream]), unnamed(&["first event", "second event", " third event"]));
        assert_eq!(read(&[b"data\n\ndata\ndata\n\ndata:"]), unnamed(&["", "\n"]));
        assert_eq!(read(&[b"data:test\n\ndata: test\n\n"]), unnamed(&["test", "test"]));
        let named = read(&[b"event: add\ndata: 1\n\nevent: remove\nevent:\ndata: 2\n\n"]);
        assert_eq!(named, [(Some("add".into()), "1".into()), (None, "2".into())]);
    }

    #[test]
    fn an_event_of_exactly_the_limit_passes_however_it_is_cut() {
        let event: &[u8] = b"data: 0123456789\n\n";
        for at in 0..event.len() {
            let mut parser = Parser::new(event.len());
            parser.push(Bytes::copy_from_slice(&event[..at]));
            assert_eq!(parser.next(), Ok(None));
            parser.push(Bytes::copy_from_slice(&event[at..]));
            assert_eq!(parser.next().unwrap().unwrap().data, "0123456789");
        }
    }

    #[test]
    fn a_larger_event_is_a_fault_however_it_is_cut_and_stays_one() {
        let event: &[u8] = b"data: 0123456789\n\ndata: x\n\n";
        for at in 0..16 {
            let mut parser = Parser::new(17);
            parser.push(Bytes::copy_from_slice(&event[..at]));
            assert_eq!(parser.next(), Ok(None));
            parser.push(Bytes::copy_from_slice(&event[at..]));
            assert_eq!(parser.next(), Err(Fault::TooLarge { limit: 17 }), "{at}");
            assert_eq!(parser.next(), Err(Fault::TooLarge { limit: 17 }), "{at}");
        }
    }

    #[test]
    fn an_endless_line_and_endless_comments_are_cut_at_the_limit() {
        for piece in [&b"data: endless "[..], b": comment\n"] {
            let mut parser = Parser::new(1 << 16);
            let mut pushed = 0;
            while parser.next().is_ok() {
                parser.push(Bytes::from_static(piece));
                pushed += piece.len();
                assert!(pushed <= (1 << 16) + 2 * piece.len());
            }
        }
    }

    #[test]
    fn one_byte_pieces_and_many_lines_take_linear_time() {
        // Quadratic work on these would take minutes.
        let long: Vec<u8> = [&b"data: "[..], &[b'x'; 500_000], b"\n\n"].concat();
        let lines: Vec<u8> = [b"data\n".repeat(100_000), b"\n".to_vec()].concat();
        for event in [long, lines] {
            let event = Bytes::from(event);
            let mut parser = Parser::default();
            for at in 0..event.len() {
                assert_eq!(parser.next(), Ok(None));
                parser.push(event.slice(at..=at));
            }
            assert!(parser.next().unwrap().is_some());
        }
    }

    #[test]
    fn only_the_event_that_was_cut_is_copied() {
        let mut parser = Parser::default();
        parser.push(Bytes::from_static(b"data: on"));
        assert_eq!(parser.next(), Ok(None));
        let piece = Bytes::from_static(b"e\n\ndata: two\n\n");
        parser.push(piece.clone());
        assert_eq!(parser.next().unwrap().unwrap().data, "one");
        let second = parser.next().unwrap().unwrap();
        assert!(piece.as_ptr_range().contains(&second.raw.as_ptr()));
        assert_eq!((second.canonical, second.wire().as_ptr()), (true, second.raw.as_ptr()));
    }

    #[test]
    fn a_named_event_is_not_forwarded_under_its_name() {
        let mut parser = Parser::default();
        parser.push(Bytes::from_static(b"event: x\ndata: 1\ndata: 2\n\n"));
        assert_eq!(parser.next().unwrap().unwrap().wire(), "data: 1\ndata: 2\n\n");
    }

    #[test]
    fn the_end_is_clean_only_between_events() {
        for (stream, clean) in [
            (&b""[..], true),
            (b"data: x\n\n", true),
            (b"data: x\r\n\r\n", true),
            (b"data: x\n", false),
            (b"data: x", false),
            (b"data: x\n\n:", false),
        ] {
            let mut parser = Parser::default();
            parser.push(Bytes::from_static(stream));
            while parser.next().unwrap().is_some() {}
            assert_eq!(parser.finish().is_ok(), clean, "{}", stream.escape_ascii());
        }
    }

    /// The standard's algorithm, word for word, on a whole stream.
    fn by_the_book(stream: &[u8]) -> Vec<(Option<Vec<u8>>, Vec<u8>)> {
        let stream = stream.strip_prefix(BOM).unwrap_or(stream);
        let (mut events, mut data, mut name) = (Vec::new(), Vec::new(), Vec::new());
        let mut line = Vec::new();
        let mut bytes = stream.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            if byte == b'\r' && bytes.peek() == Some(&b'\n') {
                bytes.next();
            }
            if byte != b'\r' && byte != b'\n' {
                line.push(byte);
                continue;
            }
            let line = std::mem::take(&mut line);
            if line.is_empty() {
                let (data, name) = (std::mem::take(&mut data), std::mem::take(&mut name));
                if let [data @ .., b'\n'] = data.as_slice() {
                    events.push((Some(name).filter(|name| !name.is_empty()), data.to_vec()));
                }
                continue;
            }
            let (field, value) = match line.iter().position(|b| *b == b':') {
                Some(colon) => (&line[..colon], &line[colon + 1..]),
                None => (&line[..], &b""[..]),
            };
            let value = value.strip_prefix(b" ").unwrap_or(value);
            match field {
                b"data" => data.extend_from_slice(&[value, b"\n"].concat()),
                b"event" => name = value.to_vec(),
                _ => {}
            }
        }
        events
    }

    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let token = prop::sample::select(vec![
            &b"\n"[..],
            b"\n",
            b"\n\n",
            b"\r",
            b"\r\n",
            b"\r\n\r\n",
            b"data",
            b"data:",
            b"data: ",
            b"event: ",
            b"id: 7",
            b"retry",
            b":",
            b" ",
            b"x",
            b"{\"a\":1}",
            b"\xc3\xa9",
            b"\xef\xbb\xbf",
            b"\xff",
        ]);
        prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat())
    }

    proptest! {
        #[test]
        fn any_stream_in_any_pieces_is_read_by_the_book(stream in stream(), cuts: Vec<prop::sample::Index>) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let stream = Bytes::from(stream);
            let mut parser = Parser::default();
            let mut events = Vec::new();
            for cut in cuts.windows(2) {
                parser.push(stream.slice(cut[0]..cut[1]));
                while let Some(frame) = parser.next().unwrap() {
                    if frame.canonical {
                        prop_assert_eq!(&frame.raw, &[b"data: ", &frame.data[..], b"\n\n"].concat());
                    }
                    events.push((frame.name.map(|name| name.to_vec()), frame.data.to_vec()));
                }
            }
            prop_assert_eq!(events, by_the_book(&stream));
        }

        #[test]
        fn what_is_written_is_read_back(lines in prop::collection::vec("[^\r\n]{0,20}", 1..5), name in "[a-z.]{1,10}") {
            let payload = lines.join("\n");
            let mut out = BytesMut::new();
            write_data(&mut out, payload.as_bytes());
            write_event(&mut out, &name, payload.as_bytes());
            out.extend_from_slice(KEEP_ALIVE);
            let expected = [(None, payload.clone()), (Some(name), payload)];
            prop_assert_eq!(read(&[&out]), expected);
        }
    }
}
