//! YAML into a [`Node`] tree, straight from the parser's events, so that keys keep their order and position.
//!
//! Aliases are expanded within a budget (a few hundred bytes of YAML can otherwise ask for gigabytes). Tags,
//! keys that are not text, and more than one document are faults: configs have no use for them.

use std::collections::HashMap;

use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, StrInput};

use super::{Entry, Kind, Map, Node, Scalar};
use crate::finding::{Code, Origin, Remark, Span, is_secret_key, printable};

const MAX_BYTES: usize = 4 << 20;
/// Nodes after expansion of aliases. A large config has a few thousand.
const MAX_NODES: usize = 200_000;
/// Levels of flow and, apart from them, of block collections. The deepest config needs ten.
const MAX_DEPTH: usize = 32;

/// What came of a text.
#[derive(Default)]
pub(crate) struct Parsed {
    /// None if the text has no usable structure.
    pub(crate) root: Option<Node>,
    pub(crate) faults: Vec<Remark>,
    /// Where secrets stand, by the keys above them; known even if the parse fails further on.
    pub(crate) secrets: Vec<Span>,
}

/// The document in `text`; an empty one is an empty map. `origin` turns stretches of the text into places.
///
/// Faults that leave the structure intact (a key written twice, a tag) do not stop the parse and come together.
pub(crate) fn parse(text: &str, origin: &dyn Fn(Span) -> Origin) -> Parsed {
    if text.len() > MAX_BYTES {
        let fault = Remark::fault(&origin(BEGINNING), Code::TooLarge, "a config file has at most 4 MiB");
        return Parsed { faults: vec![fault], ..Parsed::default() };
    }
    let mut builder = Builder {
        text,
        events: parser(text),
        origin,
        faults: Vec::new(),
        secrets: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
    };
    let root = builder.document().ok();
    Parsed { root, faults: builder.faults, secrets: builder.secrets }
}

const BEGINNING: Span = Span { start: 0, end: 0, line: 1, col: 1 };

/// A value from the environment or a flag. Quotes make it a text; everything else stands as it is, so that
/// neither `#` nor `:` in a password means anything.
pub(crate) fn parse_scalar(text: &str) -> Scalar {
    if text.starts_with(['"', '\'']) {
        let mut scalars = parser(text).filter_map(Result::ok).filter_map(|(event, _)| match event {
            Event::Scalar(value, style, ..) => Some((value.into_owned(), style)),
            Event::MappingStart(..) | Event::SequenceStart(..) => Some((String::new(), ScalarStyle::Plain)),
            _ => None,
        });
        if let (Some((value, ScalarStyle::DoubleQuoted | ScalarStyle::SingleQuoted)), None) =
            (scalars.next(), scalars.next())
        {
            return Scalar::new(value, false);
        }
    }
    Scalar::new(text.to_owned(), true)
}

fn parser(text: &str) -> Parser<'_, StrInput<'_>> {
    let mut options = Options::default();
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    Parser::new_from_str_with_options(text, options)
}

/// The parse cannot go on; the reason has been recorded.
struct Stop;

struct Builder<'t> {
    text: &'t str,
    events: Parser<'t, StrInput<'t>>,
    origin: &'t dyn Fn(Span) -> Origin,
    faults: Vec<Remark>,
    secrets: Vec<Span>,
    /// Anchored nodes, with the number of nodes in each.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
}

impl<'t> Builder<'t> {
    fn document(&mut self) -> Result<Node, Stop> {
        let mut root = None;
        while let Some((event, span)) = self.next()? {
            match event {
                Event::StreamStart | Event::DocumentStart(..) if root.is_none() => {}
                Event::DocumentStart(..) => {
                    self.fault(span, Code::Syntax, "a config file is one document, here begins a second one");
                    return Err(Stop);
                }
                Event::DocumentEnd | Event::StreamEnd => {}
                event => root = Some(self.node(event, span)?),
            }
        }
        let root = root.filter(|root| !root.is_null());
        Ok(root.unwrap_or_else(|| Node::map((self.origin)(BEGINNING))))
    }

    fn node(&mut self, event: Event<'t>, span: Span) -> Result<Node, Stop> {
        let before = self.nodes;
        self.count(1, span)?;
        let (anchor, kind) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), span);
                let scalar = Scalar::new(text.into_owned(), style == ScalarStyle::Plain);
                (anchor, Kind::Scalar(scalar))
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), span);
                (anchor, Kind::List(self.list()?))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), span);
                (anchor, Kind::Map(self.entries()?))
            }
            Event::Alias(anchor) => return self.alias(anchor, span),
            _ => {
                self.fault(span, Code::Syntax, "expected a value");
                return Err(Stop);
            }
        };
        let node = Node { kind, origin: (self.origin)(span) };
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - before));
        }
        Ok(node)
    }

    fn list(&mut self) -> Result<Vec<Node>, Stop> {
        let mut items = Vec::new();
        while let Some((event, span)) = self.next()? {
            if event == Event::SequenceEnd {
                break;
            }
            items.push(self.node(event, span)?);
        }
        Ok(items)
    }

    fn entries(&mut self) -> Result<Map, Stop> {
        let mut map = Map::new();
        while let Some((event, span)) = self.next()? {
            if event == Event::MappingEnd {
                break;
            }
            let key = self.node(event, span)?;
            let Some((event, value_span)) = self.next()? else { break };
            let value = self.node(event, value_span)?;
            let Some(name) = key.text() else {
                self.fault(span, Code::Syntax, "a key is a text, not a list or a map");
                continue;
            };
            // Before anything is dropped: a line shown for a duplicate key has its value, too.
            self.mark(name, &value);
            if let Some(Entry { key: Origin::File(first), .. }) = map.get(name) {
                let help = format!("it is first set in line {}", first.line);
                let message = format!("key `{}` is set twice", printable(name));
                self.faults.push(Remark::fault(&key.origin, Code::DuplicateKey, message).help(help));
                continue;
            }
            let name = name.to_owned();
            map.insert(name, Entry { key: key.origin, value });
        }
        Ok(map)
    }

    /// Remembers the secrets directly under a key. What is deeper has a key of its own.
    fn mark(&mut self, name: &str, value: &Node) {
        if is_secret_key(name) {
            self.mark_texts(value);
        } else if name == "headers" {
            match value.as_map() {
                Some(headers) => headers.values().for_each(|entry| self.mark_texts(&entry.value)),
                None => self.mark_texts(value),
            }
        }
    }

    fn mark_texts(&mut self, node: &Node) {
        match &node.kind {
            Kind::Scalar(_) => self.secrets.extend(node.origin.span()),
            Kind::List(items) => items.iter().for_each(|item| self.mark_texts(item)),
            // `{ sk-… }` is a map with a key and no value.
            Kind::Map(map) => {
                let lone = map.values().filter(|entry| entry.value.is_null());
                self.secrets.extend(lone.filter_map(|entry| entry.key.span()));
            }
            Kind::Redacted => {}
        }
    }

    /// A copy of the anchored node. It keeps its places: that is where the text is.
    fn alias(&mut self, anchor: usize, span: Span) -> Result<Node, Stop> {
        let Some((node, size)) = self.anchors.get(&anchor).map(|(node, size)| (node.clone(), *size)) else {
            self.fault(span, Code::Syntax, "this alias is part of what it stands for");
            return Err(Stop);
        };
        self.count(size, span)?;
        Ok(node)
    }

    fn count(&mut self, more: usize, span: Span) -> Result<(), Stop> {
        self.nodes += more;
        if self.nodes > MAX_NODES {
            self.fault(span, Code::TooLarge, "the aliases of this file expand to more than 200,000 values");
            return Err(Stop);
        }
        Ok(())
    }

    fn refuse_tag(&mut self, tagged: bool, span: Span) {
        if tagged {
            self.fault(span, Code::Syntax, "tags have no meaning in a config");
        }
    }

    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, Stop> {
        match self.events.next() {
            None => Ok(None),
            Some(Ok((event, span))) => {
                let (start, end) = (span.start, span.end);
                let bytes = span.byte_range().unwrap_or_default();
                // The tail of a block scalar's span is the indentation of what follows.
                let end = if end.line() > start.line() {
                    let text = self.text.get(bytes.clone()).unwrap_or_default();
                    bytes.start + text.trim_end().len()
                } else {
                    bytes.end
                };
                let span = Span { start: bytes.start, end, line: start.line(), col: start.col() + 1 };
                Ok(Some((event, span)))
            }
            Some(Err(error)) => {
                self.syntax(&error);
                Err(Stop)
            }
        }
    }

    fn syntax(&mut self, error: &ScanError) {
        let marker = error.marker();
        let at = marker.byte_offset().unwrap_or_default().min(self.text.len());
        let span = Span { start: at, end: at, line: marker.line(), col: marker.col() + 1 };
        let mut fault = Remark::fault(&(self.origin)(span), Code::Syntax, error.info());
        if self.text.get(..at).is_some_and(|before| before.ends_with('$')) {
            fault = fault.help("inside `{ }` and `[ ]`, put quotes around `${…}`");
        }
        self.faults.push(fault);
    }

    fn fault(&mut self, span: Span, code: Code, message: impl Into<String>) {
        self.faults.push(Remark::fault(&(self.origin)(span), code, message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Node {
        parse(text, &Origin::File).root.unwrap()
    }

    fn faults(text: &str) -> Vec<(Code, usize, usize)> {
        let place = |fault: &Remark| fault.origin.span().map(|span| (fault.code, span.line, span.col));
        parse(text, &Origin::File).faults.iter().filter_map(place).collect()
    }

    #[test]
    fn every_key_and_value_knows_its_place() {
        let node = file("a:\n  bé: [x, { c: 'd' }]\n");
        let entry = node.get("a").and_then(Node::as_map).and_then(|a| a.get("bé")).unwrap();
        assert_eq!(entry.key, Origin::File(Span { start: 5, end: 8, line: 2, col: 3 }));
        let Kind::List(items) = &entry.value.kind else { panic!("a list") };
        let quoted = items[1].get("c").unwrap();
        assert_eq!(quoted.origin, Origin::File(Span { start: 19, end: 22, line: 2, col: 16 }));
    }

    #[test]
    fn duplicate_keys_and_tags_are_reported_together() {
        let found = faults("a: 1\nb: !int 2\na: 3\n");
        assert_eq!(found, [(Code::Syntax, 2, 9), (Code::DuplicateKey, 3, 1)]);
    }

    #[test]
    fn aliases_expand_within_a_budget() {
        let node = file("x: &x { k: 1 }\ny: *x\n");
        assert_eq!(node.get("y").and_then(|y| y.get("k")).and_then(Node::text), Some("1"));

        let mut bomb = String::from("l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let many = vec![format!("*l{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("l{level}: &l{level} [{many}]\n"));
        }
        assert!(faults(&bomb).iter().any(|(code, ..)| *code == Code::TooLarge));
        assert_eq!(faults("a: &a [*a]"), [(Code::Syntax, 1, 8)]);
    }

    #[test]
    fn second_documents_and_odd_keys_are_refused() {
        assert_eq!(faults("a: 1\n---\nb: 2\n"), [(Code::Syntax, 2, 1)]);
        assert_eq!(faults("? [a]\n: 1\n"), [(Code::Syntax, 1, 3)]);
        assert!(!faults(&"[".repeat(1000)).is_empty());
    }

    #[test]
    fn an_empty_file_is_an_empty_map() {
        for text in ["", "# nothing\n", "---\n", "\u{feff}"] {
            assert!(file(text).as_map().is_some_and(Map::is_empty), "{text:?}");
        }
    }

    #[test]
    fn secrets_are_known_by_their_keys_even_where_they_are_dropped() {
        let text = "api_key: one\napi_key: two\nkeys: [three, { env: X }]\nheaders: { X-A: four }\nkey: { five }\nb: {";
        let secrets = parse(text, &Origin::File).secrets;
        let found: Vec<_> = secrets.iter().map(|span| text.get(span.start..span.end).unwrap()).collect();
        assert_eq!(found, ["one", "two", "three", "four", "five"]);
    }

    #[test]
    fn a_value_from_the_environment_is_one_scalar_whatever_it_looks_like() {
        for text in ["a: b", "p#ss #1", "{x: 1}", "@", "- a", "*x", ""] {
            let scalar = parse_scalar(text);
            assert_eq!((scalar.text.as_str(), scalar.plain), (text, true));
        }
        let quoted = parse_scalar("\"80\"");
        assert_eq!((quoted.text.as_str(), quoted.plain), ("80", false));
        assert_eq!(parse_scalar("'a' b").text, "'a' b");
    }
}
