//! A serde `Deserializer` over [`Node`] that does not stop at the first fault.
//!
//! Each section of the config is a plain `derive(Deserialize)` struct, and each of its fields is a [`Field`],
//! which takes the failure of its value as "invalid" instead of passing it on. The fault itself, with its
//! place, has been recorded by then. So one pass over a file finds every fault of type or spelling in it.
//!
//! Serde has no way to carry a position, or to choose a variant by the shape of the input, so some names have a
//! meaning between the types and this deserializer: the newtype [`PLACED`] asks for a place and a value, the newtype
//! [`JSON`] for a section as JSON text, and enums called [`SHAPE`] or [`SECRET`] are chosen by what stands there
//! rather than by a tag.

mod access;
mod field;

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;

use serde::de::{self, IntoDeserializer as _, Visitor};

use crate::finding::{
    Code, Origin, Remark, Span, did_you_mean, is_secret_key, looks_secret, nearest, printable,
};
use crate::node::{Kind, Map, Node, Scalar, Sole, Typed};
use crate::unenforced;
use access::{Chosen, Content, Entries, Items, Placed};

pub(crate) use field::{At, Field, Key, Table};

/// A value with its place: a sequence of the place's number and the value.
const PLACED: &str = "$placed";
/// A section whose keys are not ours, as JSON text.
const JSON: &str = "$json";
/// An enum whose variants are `scalar`, `list`, `map`: whichever the value is.
const SHAPE: &str = "$shape";
/// An enum whose variants are the sources of a secret: `literal`, `composed`, `env`, `file`, or a `source` section.
const SECRET: &str = "$secret";

/// What decoding finds out beside the value itself.
#[derive(Default)]
pub(crate) struct Decoding {
    findings: RefCell<Vec<Remark>>,
    /// What an [`At`] is the number of.
    places: RefCell<Vec<Placing>>,
    secrets: RefCell<Vec<Vec<String>>>,
    extensions: RefCell<Vec<Vec<String>>>,
    masks: RefCell<Vec<Span>>,
    /// By section, the keys that a reported one was likely meant to be.
    misspelt: RefCell<Vec<(Origin, &'static str)>>,
}

/// What is remembered of a place.
struct Placing {
    origin: Origin,
    /// What stands there, if the value was made by interpolation.
    written: Option<String>,
}

impl Decoding {
    /// Decodes the whole tree. None if not even its root has the right shape.
    pub(crate) fn decode<T: de::DeserializeOwned>(&self, root: &Node) -> Option<T> {
        T::deserialize(NodeDeserializer { node: root, at: &root.origin, path: Vec::new(), decoding: self })
            .ok()
    }

    pub(crate) fn record(&self, remark: Remark) {
        self.findings.borrow_mut().push(remark);
    }

    pub(crate) fn origin(&self, at: At) -> Origin {
        let places = self.places.borrow();
        at.index().and_then(|index| places.get(index)).map_or(Origin::Default, |place| place.origin.clone())
    }

    /// The text of the value at a place as a message may quote it: a variable may hold a secret.
    pub(crate) fn quoted(&self, at: At, text: &str) -> String {
        let places = self.places.borrow();
        let written = at.index().and_then(|index| places.get(index)?.written.as_deref());
        printable(written.unwrap_or(text))
    }

    /// True if a key of the section has been reported that was likely meant to be this one.
    pub(crate) fn is_misspelt(&self, key: &str, section: At) -> bool {
        let section = self.origin(section);
        self.misspelt.borrow().iter().any(|(place, meant)| *place == section && *meant == key)
    }

    pub(crate) fn into_findings(self) -> Vec<Remark> {
        self.findings.into_inner()
    }

    /// Paths of the scalars that were read as secrets.
    pub(crate) fn secrets(&self) -> Vec<Vec<String>> {
        self.secrets.borrow().clone()
    }

    /// Paths of the `x-*` keys that were passed over.
    pub(crate) fn extensions(&self) -> Vec<Vec<String>> {
        self.extensions.borrow().clone()
    }

    /// Notes that what stands there may be a secret.
    pub(crate) fn mask(&self, at: At) {
        self.masks.borrow_mut().extend(self.origin(at).span());
    }

    /// Stretches of the file that may be secrets in places where none belong.
    pub(crate) fn masks(&self) -> Vec<Span> {
        self.masks.borrow().clone()
    }

    fn number_of(&self, origin: &Origin, node: Option<&Node>) -> u32 {
        let written = match node.map(|node| &node.kind) {
            Some(Kind::Scalar(scalar)) => scalar.template.as_ref().map(|template| template.written.clone()),
            _ => None,
        };
        let mut places = self.places.borrow_mut();
        places.push(Placing { origin: origin.clone(), written });
        u32::try_from(places.len() - 1).unwrap_or(u32::MAX)
    }
}

/// Why a value could not be decoded.
#[derive(Debug)]
pub(crate) enum Error {
    /// Recorded with its place.
    Recorded,
    /// Not yet: only the deserializer knows the place and what was found there.
    Fresh { code: Code, expected: String },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recorded => f.write_str("recorded"),
            Self::Fresh { expected, .. } => f.write_str(expected),
        }
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    /// The message says what is expected; what was found is added.
    fn custom<T: fmt::Display>(expected: T) -> Self {
        Self::Fresh { code: Code::InvalidValue, expected: expected.to_string() }
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::Fresh { code: Code::WrongType, expected: format!("expected {expected}") }
    }
}

struct NodeDeserializer<'a> {
    node: &'a Node,
    /// Where a fault of this value is shown: at the key, if the value is a section.
    at: &'a Origin,
    path: Vec<Cow<'a, str>>,
    decoding: &'a Decoding,
}

impl<'a> NodeDeserializer<'a> {
    fn child(&self, key: Cow<'a, str>, at: &'a Origin, node: &'a Node) -> Self {
        let mut path = self.path.clone();
        path.push(key);
        Self { node, at, path, decoding: self.decoding }
    }

    fn record(&self, remark: Remark) -> Error {
        self.decoding.record(remark);
        Error::Recorded
    }

    fn expected(&self, what: &str) -> Error {
        if self.path.iter().any(|key| is_secret_key(key) || key == "headers") {
            self.decoding.masks.borrow_mut().extend(spans(self.node, &|_| true));
        }
        let message = format!("expected {what}, found {}", self.found());
        self.record(Remark::fault(self.at, Code::WrongType, message))
    }

    /// The value as messages may quote it.
    fn found(&self) -> String {
        match self.node.kind {
            Kind::Scalar(_) if self.is_secret() => "something else".to_owned(),
            _ => self.node.shown(),
        }
    }

    /// Records what a visitor complained about.
    fn recorded<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        result.map_err(|error| match error {
            Error::Recorded => Error::Recorded,
            Error::Fresh { code, expected } => {
                self.record(Remark::fault(self.at, code, format!("{expected}, found {}", self.found())))
            }
        })
    }

    fn scalar(&self, what: &str) -> Result<&'a Scalar, Error> {
        match &self.node.kind {
            Kind::Scalar(scalar) => {
                match scalar.template.as_ref().and_then(|template| template.failed.as_ref()) {
                    Some(failed) => Err(self.record((**failed).clone())),
                    None => Ok(scalar),
                }
            }
            _ => Err(self.expected(what)),
        }
    }

    fn section(&self) -> Result<&'a Map, Error> {
        match &self.node.kind {
            Kind::Map(map) => Ok(map),
            Kind::Scalar(_) => self.scalar("a section").and_then(|_| Err(self.expected("a section"))),
            _ => Err(self.expected("a section")),
        }
    }

    fn json(&self) -> Result<String, Error> {
        self.section()?;
        let failed = failures(self.node);
        if failed.is_empty() {
            return Ok(self.node.to_json_text());
        }
        self.decoding.findings.borrow_mut().extend(failed.into_iter().cloned());
        Err(Error::Recorded)
    }

    /// Refuses a key that is not one of `known`: by name if the product has it, with the nearest name if not.
    fn unknown(&self, key: &str, at: &Origin, value: &Node, known: &[&'static str]) {
        let mut path: Vec<&str> = self.path.iter().map(AsRef::as_ref).collect();
        path.push(key);
        if unenforced::is_key(&path) {
            let message = format!("`{}` is not enforced by this version of parapet yet", path.join("."));
            self.record(Remark::fault(at, Code::NotEnforced, message).help("remove it"));
            return;
        }
        let near = nearest(key, known.iter().copied());
        // `api_key: { sk-… }` is a key; `api_kye: sk-…` has a value that no rule about keys would mask.
        let is_secret = near.is_none() && self.is_secret();
        let mut masks = self.decoding.masks.borrow_mut();
        masks.extend(at.span().filter(|_| is_secret));
        if is_secret || near.is_some_and(is_secret_key) {
            masks.extend(spans(value, &|_| true));
        } else {
            masks.extend(spans(value, &looks_secret));
        }
        let message =
            if is_secret { "unknown key".to_owned() } else { format!("unknown key `{}`", printable(key)) };
        self.decoding.misspelt.borrow_mut().extend(near.map(|near| (self.at.clone(), near)));
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", list(known, "and")),
        };
        self.record(Remark::fault(at, Code::UnknownKey, message).help(help));
    }

    /// True if the key above, through lists, is one that holds secrets.
    fn is_secret(&self) -> bool {
        self.path.iter().rev().find(|key| key.parse::<usize>().is_err()).is_some_and(|key| is_secret_key(key))
    }
}

/// Where the scalars below a node stand whose text is as wanted.
fn spans(node: &Node, wanted: &dyn Fn(&str) -> bool) -> Vec<Span> {
    match &node.kind {
        Kind::Scalar(scalar) => node.origin.span().filter(|_| wanted(&scalar.text)).into_iter().collect(),
        Kind::List(items) => items.iter().flat_map(|item| spans(item, wanted)).collect(),
        Kind::Map(map) => map.values().flat_map(|entry| spans(&entry.value, wanted)).collect(),
        Kind::Redacted => Vec::new(),
    }
}

/// Why scalars below a node have no value.
fn failures(node: &Node) -> Vec<&Remark> {
    match &node.kind {
        Kind::Scalar(scalar) => {
            scalar.template.iter().filter_map(|template| template.failed.as_deref()).collect()
        }
        Kind::List(items) => items.iter().flat_map(failures).collect(),
        Kind::Map(map) => map.values().flat_map(|entry| failures(&entry.value)).collect(),
        Kind::Redacted => Vec::new(),
    }
}

/// `a`, `b` and `c`.
pub(crate) fn list(names: &[&str], and: &str) -> String {
    let mut names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match names.pop() {
        Some(last) if names.is_empty() => last,
        Some(last) => format!("{} {and} {last}", names.join(", ")),
        None => "nothing".to_owned(),
    }
}

impl<'de> de::Deserializer<'de> for NodeDeserializer<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.kind {
            Kind::List(_) => self.deserialize_seq(visitor),
            Kind::Map(_) => self.deserialize_map(visitor),
            Kind::Scalar(_) | Kind::Redacted => self.deserialize_str(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.scalar("`true` or `false`")?.typed() {
            Typed::Bool(value) => self.recorded(visitor.visit_bool(value)),
            _ => Err(self.expected("`true` or `false`")),
        }
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.scalar("a whole number")?.typed() {
            Typed::Signed(value) => self.recorded(visitor.visit_i64(value)),
            Typed::Unsigned(value) => match i64::try_from(value) {
                Ok(value) => self.recorded(visitor.visit_i64(value)),
                Err(_) => Err(self.expected("a smaller number")),
            },
            _ => Err(self.expected("a whole number")),
        }
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.scalar("a whole number")?.typed() {
            Typed::Unsigned(value) => self.recorded(visitor.visit_u64(value)),
            Typed::Signed(_) => Err(self.expected("a whole number of zero or more")),
            _ => Err(self.expected("a whole number")),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let value = match self.scalar("a number")?.typed() {
            Typed::Float(value) => value,
            #[expect(clippy::cast_precision_loss, reason = "settings are far below 2^53")]
            Typed::Unsigned(value) => value as f64,
            #[expect(clippy::cast_precision_loss, reason = "settings are far below 2^53")]
            Typed::Signed(value) => value as f64,
            _ => return Err(self.expected("a number")),
        };
        self.recorded(visitor.visit_f64(value))
    }

    /// Any scalar is a text where a text is wanted: `release: 1.10` means what it says.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let scalar = self.scalar("a text")?;
        self.recorded(visitor.visit_borrowed_str(&scalar.text))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.node.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == PLACED {
            let at = self.decoding.number_of(self.at, Some(self.node));
            return visitor.visit_seq(Placed { at: Some(at), value: Some(self) });
        }
        if name == JSON {
            return visitor.visit_newtype_struct(self.json()?.into_deserializer());
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.kind {
            Kind::List(items) => visitor.visit_seq(Items { list: &self, items: items.iter().enumerate() }),
            Kind::Scalar(_) => self.scalar("a list").and_then(|_| Err(self.expected("a list"))),
            _ => Err(self.expected("a list")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let entries = self.section()?.iter().collect();
        visitor.visit_map(Entries::new(&self, entries))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let mut known = Vec::new();
        for (key, entry) in self.section()? {
            if fields.contains(&key.as_str()) {
                known.push((key, entry));
            } else if key.starts_with("x-") {
                let path = self.path.iter().map(AsRef::as_ref).chain([key.as_str()]).map(str::to_owned);
                self.decoding.extensions.borrow_mut().push(path.collect());
            } else {
                self.unknown(key, &entry.key, &entry.value, fields);
            }
        }
        visitor.visit_map(Entries::new(&self, known))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match name {
            SHAPE => self.by_shape(variants, visitor),
            SECRET => self.by_source(visitor),
            _ => self.by_name(variants, visitor),
        }
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u32 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
        ignored_any
    }
}

impl<'de> NodeDeserializer<'de> {
    fn by_shape<V: Visitor<'de>>(self, variants: &[&str], visitor: V) -> Result<V::Value, Error> {
        let (shape, name) = match &self.node.kind {
            Kind::Scalar(_) | Kind::Redacted => ("scalar", "a text"),
            Kind::List(_) => ("list", "a list"),
            Kind::Map(_) => ("map", "a section"),
        };
        if !variants.contains(&shape) {
            let other = if variants.contains(&"list") { "a value or a list" } else { "a text or a section" };
            return Err(self.expected(if name == other { "something else" } else { other }));
        }
        visitor.visit_enum(Chosen { variant: shape, content: Content::Node(self) })
    }

    fn by_source<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.node.as_map().is_some() {
            return visitor.visit_enum(Chosen { variant: "source", content: Content::Node(self) });
        }
        let scalar = self.scalar("a text or a section such as `{ env: NAME }`")?;
        self.decoding.secrets.borrow_mut().push(self.path.iter().map(ToString::to_string).collect());
        let sole = scalar.template.as_ref().and_then(|template| template.sole.as_ref());
        let chosen = match (sole, self.at) {
            (Some(Sole::Env(name)), _) => Chosen { variant: "env", content: Content::Text(name) },
            (Some(Sole::File(path)), _) => Chosen { variant: "file", content: Content::Text(path) },
            (None, Origin::Env(name)) => Chosen { variant: "env", content: Content::Text(name) },
            (None, _) if scalar.template.as_ref().is_some_and(|template| template.sourced) => {
                Chosen { variant: "composed", content: Content::Text(&scalar.text) }
            }
            (None, _) => Chosen { variant: "literal", content: Content::Text(&scalar.text) },
        };
        visitor.visit_enum(chosen)
    }

    fn by_name<V: Visitor<'de>>(
        self,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let what = format!("one of {}", list(variants, "or"));
        let what = if variants.len() == 1 { list(variants, "or") } else { what };
        let text = self.scalar(&what)?.text.as_str();
        if let Some(variant) = variants.iter().find(|variant| **variant == text) {
            return visitor.visit_enum(Chosen { variant, content: Content::Node(self) });
        }
        let path: Vec<&str> = self.path.iter().map(AsRef::as_ref).collect();
        if unenforced::is_value(&path, text) {
            let key = path.last().copied().unwrap_or_default();
            let message = format!("`{key}: {text}` is not supported by this version of parapet yet");
            let help = format!("this version has {}", list(variants, "and"));
            return Err(self.record(Remark::fault(self.at, Code::NotEnforced, message).help(help)));
        }
        let message = format!("expected {what}, found {}", self.found());
        let help = did_you_mean(text, variants.iter().copied());
        Err(self.record(Remark::fault(self.at, Code::InvalidValue, message).maybe_help(help)))
    }
}
