//! The JSON Schema of the format, for editors, and the walk through it that `config explain` needs.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, transform_subschemas};
use serde_json::{Value, json};

use crate::raw::Root;

/// Which edition of JSON Schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draft {
    /// 2020-12.
    Latest,
    /// Draft 7, which most editors understand.
    Draft07,
}

/// The schema of a config file, before interpolation: a number may be a number or `${env:…}`.
#[must_use]
pub fn schema(draft: Draft) -> Value {
    let settings = match draft {
        Draft::Latest => SchemaSettings::draft2020_12(),
        Draft::Draft07 => SchemaSettings::draft07(),
    };
    let settings =
        settings.with_transform(RecursiveTransform(allow_extensions)).with_transform(allow_interpolation);
    settings.into_generator().into_root_schema_for::<Root>().to_value()
}

/// `x-*` keys are anyone's, wherever the keys are fixed.
fn allow_extensions(schema: &mut Schema) {
    if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
        schema.insert("patternProperties".to_owned(), json!({ "^x-": true }));
    }
}

/// Bounds of numbers say nothing about texts, and patterns nothing about numbers, so both can stand side by side.
fn allow_interpolation(schema: &mut Schema) {
    const PATTERN: &str = r"\$\{.*\}";
    // Parts first: what is added here must not be visited again.
    transform_subschemas(&mut allow_interpolation, schema);
    schema.remove("format");
    let number = matches!(schema.get("type").and_then(Value::as_str), Some("integer" | "number"));
    if number && schema.get("const").is_none() {
        let number = schema.remove("type");
        schema.insert("type".to_owned(), json!([number, "string"]));
        schema.insert("pattern".to_owned(), PATTERN.into());
    }
    if let Some(values) = schema.remove("enum") {
        schema.remove("type");
        schema.insert(
            "anyOf".to_owned(),
            json!([{ "enum": values }, { "type": "string", "pattern": PATTERN }]),
        );
    }
}

/// Walks the schema along the keys of a config.
pub(crate) struct Walk<'s> {
    root: &'s Value,
    place: &'s Value,
    /// The text at the reference, which says more than the one at the definition.
    text: Option<&'s str>,
}

impl<'s> Walk<'s> {
    pub(crate) fn new(root: &'s Value) -> Self {
        Self { root, place: root, text: None }
    }

    /// One key deeper; none if the format has no such key here.
    pub(crate) fn step(&self, key: &str) -> Option<Self> {
        let place = self.shapes().into_iter().find_map(|shape| {
            let named = shape.get("properties").and_then(|properties| properties.get(key));
            let any = || shape.get("additionalProperties").filter(|any| any.is_object());
            let item = || shape.get("items").filter(|_| key.parse::<usize>().is_ok());
            named.or_else(any).or_else(item)
        })?;
        Some(Self { root: self.root, place, text: place.get("description").and_then(Value::as_str) })
    }

    /// The keys that are fixed here.
    pub(crate) fn keys(&self) -> Vec<&'s str> {
        let properties = self.shapes().into_iter().filter_map(|shape| shape.get("properties")?.as_object());
        properties.flatten().map(|(key, _)| key.as_str()).collect()
    }

    /// What the key is for.
    pub(crate) fn text(&self) -> Option<&'s str> {
        let definition = || self.shapes().into_iter().find_map(|shape| shape.get("description")?.as_str());
        self.text.or_else(definition)
    }

    /// The schema here with references followed; several if a value may have several shapes.
    fn shapes(&self) -> Vec<&'s Value> {
        let place = match self.place.get("$ref").and_then(Value::as_str) {
            Some(reference) => reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)),
            None => Some(self.place),
        };
        let Some(place) = place else { return Vec::new() };
        let mut shapes = vec![place];
        for shape in place.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
            shapes.extend(Walk { root: self.root, place: shape, text: None }.shapes());
        }
        shapes
    }
}
