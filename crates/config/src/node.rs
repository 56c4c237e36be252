//! The config as a tree in which every key and value knows which layer set it, and where.
//!
//! All layers become one tree before anything is interpreted: what the environment and the flags set replaces
//! what the file says, and defaults fill what is left (see [`Node::underlay`]). That is what lets `config
//! explain` name the line that set a value, and a fault point at an environment variable.

mod emit;
mod parse;

use indexmap::IndexMap;

use crate::finding::{Origin, Remark, printable};

pub(crate) use parse::{parse, parse_scalar};

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) origin: Origin,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Map),
    /// A secret that has been read and taken out of the tree.
    Redacted,
}

pub(crate) type Map = IndexMap<String, Entry>;

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Where the key is written.
    pub(crate) key: Origin,
    pub(crate) value: Node,
}

#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Without quotes, so that `8080` is a number and `true` a truth value.
    pub(crate) plain: bool,
    /// Set if the text was made by interpolation.
    pub(crate) template: Option<Box<Template>>,
}

/// What an interpolated scalar was made of.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    /// As written: what messages quote, since a variable may hold a secret.
    pub(crate) written: String,
    /// True if any of it came from a variable or a file, and not from defaults in the config.
    pub(crate) sourced: bool,
    /// The one variable or file that is the whole value.
    pub(crate) sole: Option<Sole>,
    /// Why it has no value. Reported when the value is asked for, so that `x-*` may say what it likes.
    pub(crate) failed: Option<Box<Remark>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sole {
    Env(String),
    File(String),
}

/// A scalar by the YAML 1.2 core schema (YAML 1.2.2, 10.3.2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Typed<'a> {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'a str),
}

impl Scalar {
    pub(crate) const fn new(text: String, plain: bool) -> Self {
        Self { text, plain, template: None }
    }

    pub(crate) fn typed(&self) -> Typed<'_> {
        if !self.plain {
            return Typed::Text(&self.text);
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Typed::Null,
            "true" | "True" | "TRUE" => Typed::Bool(true),
            "false" | "False" | "FALSE" => Typed::Bool(false),
            text => number(text).unwrap_or(Typed::Text(text)),
        }
    }
}

fn number(text: &str) -> Option<Typed<'_>> {
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok().map(Typed::Unsigned);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return u64::from_str_radix(digits, 8).ok().map(Typed::Unsigned);
    }
    // Rust's float syntax also knows `inf`, `nan` and `infinity`, which here are words.
    if !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) {
        return None;
    }
    let unsigned = || text.parse().ok().map(Typed::Unsigned);
    let signed = || text.parse().ok().map(Typed::Signed);
    let float = || text.parse().ok().map(Typed::Float);
    unsigned().or_else(signed).or_else(float)
}

impl Node {
    pub(crate) fn scalar(text: impl Into<String>, plain: bool, origin: Origin) -> Self {
        Self { kind: Kind::Scalar(Scalar::new(text.into(), plain)), origin }
    }

    pub(crate) fn map(origin: Origin) -> Self {
        Self { kind: Kind::Map(Map::new()), origin }
    }

    pub(crate) fn as_map(&self) -> Option<&Map> {
        match &self.kind {
            Kind::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(crate) fn as_map_mut(&mut self) -> Option<&mut Map> {
        match &mut self.kind {
            Kind::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.as_map()?.get(key).map(|entry| &entry.value)
    }

    /// The scalar's text, whatever type it would have.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        match &self.kind {
            Kind::Scalar(scalar) => {
                scalar.template.as_ref().is_none_or(|t| t.failed.is_none()) && scalar.typed() == Typed::Null
            }
            _ => false,
        }
    }

    /// Fills what is missing or null from `defaults`. There, `"*"` stands for every name that the map has.
    pub(crate) fn underlay(&mut self, defaults: &Self) {
        if self.is_null() {
            // The place stays: an empty section is where its missing keys belong.
            self.kind = match &defaults.kind {
                Kind::Map(_) => Kind::Map(Map::new()),
                _ => {
                    *self = defaults.clone();
                    return;
                }
            };
        }
        let (Kind::Map(map), Kind::Map(defaults)) = (&mut self.kind, &defaults.kind) else {
            return;
        };
        for (name, default) in defaults.iter().filter(|(name, _)| *name != "*") {
            map.entry(name.clone())
                .or_insert_with(|| Entry { key: Origin::Default, value: Self::null() })
                .value
                .underlay(&default.value);
        }
        if let Some(every) = defaults.get("*") {
            for entry in map.values_mut() {
                entry.value.underlay(&every.value);
            }
        }
    }

    const fn null() -> Self {
        Self { kind: Kind::Scalar(Scalar::new(String::new(), true)), origin: Origin::Default }
    }

    /// A copy that comes from somewhere else.
    pub(crate) fn with_origin(&self, origin: &Origin) -> Self {
        let kind = match &self.kind {
            Kind::List(items) => Kind::List(items.iter().map(|item| item.with_origin(origin)).collect()),
            Kind::Map(map) => {
                let entry =
                    |entry: &Entry| Entry { key: origin.clone(), value: entry.value.with_origin(origin) };
                Kind::Map(map.iter().map(|(name, value)| (name.clone(), entry(value))).collect())
            }
            leaf => leaf.clone(),
        };
        Self { kind, origin: origin.clone() }
    }

    /// The node under a path of keys; in lists, of numbers.
    pub(crate) fn at_mut(&mut self, path: &[String]) -> Option<&mut Self> {
        let Some((first, rest)) = path.split_first() else {
            return Some(self);
        };
        match &mut self.kind {
            Kind::Map(map) => map.get_mut(first)?.value.at_mut(rest),
            Kind::List(items) => items.get_mut(first.parse::<usize>().ok()?)?.at_mut(rest),
            Kind::Scalar(_) | Kind::Redacted => None,
        }
    }

    /// What a message may quote of this value.
    pub(crate) fn shown(&self) -> String {
        match &self.kind {
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a section".to_owned(),
            Kind::Redacted => "a secret".to_owned(),
            Kind::Scalar(Scalar { template: Some(template), .. }) => {
                format!("`{}`", printable(&template.written))
            }
            Kind::Scalar(scalar) => match scalar.typed() {
                Typed::Null => "nothing".to_owned(),
                Typed::Text(text) if !scalar.plain => format!("the text \"{}\"", printable(text)),
                _ => format!("`{}`", printable(&scalar.text)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Typed<'_> {
        // Leaked on purpose: a test's borrow of a temporary.
        Box::leak(Box::new(Scalar::new(text.to_owned(), true))).typed()
    }

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        assert_eq!(typed("8080"), Typed::Unsigned(8080));
        assert_eq!(typed("-3"), Typed::Signed(-3));
        assert_eq!(typed("0x1f"), Typed::Unsigned(31));
        assert_eq!(typed("0.5"), Typed::Float(0.5));
        assert_eq!(typed("1e3"), Typed::Float(1000.0));
        assert_eq!(typed("true"), Typed::Bool(true));
        assert_eq!(typed("~"), Typed::Null);
        for word in ["yes", "nan", "inf", "0xzz", "1.2.3", "-", "30s"] {
            assert_eq!(typed(word), Typed::Text(word), "{word}");
        }
        assert_eq!(Scalar::new("8080".into(), false).typed(), Typed::Text("8080"));
    }

    fn tree(text: &str) -> Node {
        parse(text, &|_| Origin::Default).root.unwrap()
    }

    #[test]
    fn defaults_fill_gaps_of_every_name_and_override_nothing() {
        let mut node = tree("names: { one: { x: 9 }, two: }\nkept: 1\nreset: null");
        node.underlay(&tree("names: { '*': { x: 1, y: 2 } }\nkept: 0\nreset: 5\nnew: 7"));
        let want = tree("names: { one: { x: 9, y: 2 }, two: { x: 1, y: 2 } }\nkept: 1\nreset: 5\nnew: 7");
        assert_eq!(node.to_yaml(), want.to_yaml());
    }
}
