//! Makes a JSON value that a JSON schema (2020-12 and its older dialects) accepts.
//!
//! Honoured: types, `enum`, `const`, `properties`, `required`, `additionalProperties`, `items`,
//! `prefixItems`, lengths and counts, `uniqueItems`, bounds and `multipleOf`, `format`, `pattern`, `$ref`
//! within the document, `allOf`; of `anyOf` and `oneOf` the first branch. Not looked at: `not`, `if`,
//! `dependent*`, `contains`, `propertyNames`.
//!
//! A schema is seen as layers: the object itself and everything it refers to, laid over each other. Nothing
//! is copied, and depth, layers and size of what is made are bounded, so that no schema is too recursive or
//! too greedy.

use super::dice::Dice;
use super::json::{Json, whole};
use super::pattern;
use super::values::{Values, number_for};

/// Layers of one schema that are looked at, and branches of one choice.
const LAYERS: usize = 64;
/// Members of one object, and options of one `enum` that are looked for in the prompt.
const MEMBERS: usize = 1024;
const OPTIONS: usize = 256;
/// From this depth on, everything that can be left out is.
const DEEP: usize = 5;
/// Where a schema that cannot end is given up.
const DEEPEST: usize = 48;
/// The size of a value, about one per scalar and per 16 characters.
const SIZE: usize = 4096;

/// What to do with properties that are not required.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Optional {
    Include,
    Omit,
}

/// A value for `schema`, with words of the prompt where they fit.
pub(super) fn value(schema: &Json, values: &mut Values, optional: Optional, dice: &mut Dice) -> Json {
    Maker { root: schema, values, optional, dice, left: SIZE }.make(schema, "", 0, 0)
}

struct Maker<'a> {
    root: &'a Json,
    values: &'a mut Values,
    optional: Optional,
    dice: &'a mut Dice,
    left: usize,
}

impl<'a> Maker<'a> {
    /// The value for a field called `name`, the `nth` of its list.
    fn make(&mut self, schema: &'a Json, name: &str, nth: usize, depth: usize) -> Json {
        if depth > DEEPEST || self.left == 0 {
            return Json::Null;
        }
        self.left -= 1;
        let layers = Layers::of(schema, self.root, depth >= DEEP);
        if let Some(value) = layers.constant() {
            return value.clone();
        }
        if let Some(options) =
            layers.get("enum").and_then(Json::as_list).filter(|options| !options.is_empty())
        {
            return self.option(options, nth);
        }
        match layers.kind(depth >= DEEP) {
            "object" => self.object(&layers, depth),
            "array" => self.list(&layers, name, depth),
            "integer" => self.integer(&layers, name, nth),
            "number" => self.number(&layers, name, nth),
            "boolean" => Json::Bool(nth.is_multiple_of(2)),
            "null" => Json::Null,
            _ => Json::Text(self.text(&layers, name, nth)),
        }
    }

    /// The option that the prompt names, else one by chance; each once in a list.
    fn option(&mut self, options: &[Json], nth: usize) -> Json {
        let asked = options.iter().take(OPTIONS);
        self.left = self.left.saturating_sub(asked.len() / 32);
        let named = asked
            .into_iter()
            .position(|option| option.as_str().is_some_and(|text| self.values.mentions(text)));
        let start = named.unwrap_or_else(|| self.dice.below(options.len()));
        options.iter().cycle().skip(start).nth(nth % options.len()).cloned().unwrap_or(Json::Null)
    }

    fn object(&mut self, layers: &Layers<'a>, depth: usize) -> Json {
        let required: Vec<&str> = layers
            .all("required")
            .filter_map(Json::as_list)
            .flatten()
            .filter_map(Json::as_str)
            .take(MEMBERS)
            .collect();
        let mut members: Vec<(String, Json)> = Vec::new();
        for properties in layers.all("properties") {
            for (name, schema) in properties.members().iter().take(MEMBERS) {
                let wanted = required.contains(&name.as_str())
                    || (self.optional == Optional::Include && depth < DEEP && *schema != Json::Bool(false));
                if wanted && !members.iter().any(|(other, _)| other == name) {
                    let value = self.make(schema, name, 0, depth + 1);
                    members.push((name.clone(), value));
                }
            }
        }
        let other = layers.get("additionalProperties").filter(|other| !matches!(other, Json::Bool(_)));
        for name in required {
            if self.left > 0 && !members.iter().any(|(other, _)| other == name) {
                self.left -= 1;
                let value = other.map_or(Json::Null, |schema| self.make(schema, name, 0, depth + 1));
                let value =
                    if other.is_none() { self.values.text_for(name, 0, self.dice).into() } else { value };
                members.push((name.to_owned(), value));
            }
        }
        let is_dictionary = other.is_some() && layers.get("properties").is_none() && depth < DEEP;
        let least = layers.count("minProperties").unwrap_or(usize::from(is_dictionary)).min(64);
        let mut nth = 0;
        while members.len() < least && nth < 128 {
            let name = self.values.text_for("tag", nth, self.dice).replace(' ', "_");
            if !members.iter().any(|(other, _)| *other == name) {
                let value = match other {
                    Some(schema) => self.make(schema, &name, nth, depth + 1),
                    None => name.as_str().into(),
                };
                members.push((name, value));
            }
            nth += 1;
        }
        Json::Map(members)
    }

    fn list(&mut self, layers: &Layers<'a>, name: &str, depth: usize) -> Json {
        let first = layers
            .get("prefixItems")
            .or_else(|| layers.get("items"))
            .and_then(Json::as_list)
            .unwrap_or_default();
        let rest = if layers.get("prefixItems").is_some() { layers.get("items") } else { None };
        let rest = rest.or_else(|| layers.get("items")).or_else(|| layers.get("additionalItems"));
        let rest = rest.filter(|schema| schema.as_list().is_none());
        let closed = rest == Some(&Json::Bool(false));
        let least = layers.count("minItems").unwrap_or(0);
        let most = layers.count("maxItems").unwrap_or(usize::MAX);
        let usual = if depth >= DEEP || closed || self.optional == Optional::Omit {
            1
        } else {
            2 + self.dice.below(2)
        };
        let usual = if depth >= DEEP { 0 } else { usual };
        let count = usual.max(first.len()).max(least).min(most).min(256);
        let unique = layers.get("uniqueItems").and_then(Json::as_bool).unwrap_or(false);
        let any = &Json::Bool(true);
        let mut items: Vec<Json> = Vec::new();
        let mut nth = 0;
        while items.len() < count && nth < count + 64 && self.left > 0 {
            let schema = match first.get(items.len()) {
                Some(schema) => schema,
                None if closed => break,
                None => rest.unwrap_or(any),
            };
            let item = self.make(schema, name, nth, depth + 1);
            nth += 1;
            if !unique || !items.contains(&item) {
                items.push(item);
            }
        }
        Json::List(items)
    }

    fn integer(&mut self, layers: &Layers<'a>, name: &str, nth: usize) -> Json {
        let bounds = layers.bounds();
        let (low, high) = (bounds.least_whole(), bounds.most_whole());
        let found = self.values.number_within(bounds.low, bounds.high, true).and_then(whole);
        let found = found.or_else(|| whole(number_for(name, nth).round())).unwrap_or(0);
        let found = if low <= high { found.clamp(low, high) } else { low };
        // Another one in the same list, where the bounds forced both to the same end.
        let shift = i64::try_from(nth).unwrap_or(0);
        let mut found = if found == high {
            found.saturating_sub(shift)
        } else if found == low {
            found.saturating_add(shift)
        } else {
            found
        };
        if let Some(step) =
            layers.get("multipleOf").and_then(Json::as_f64).and_then(whole).filter(|step| *step > 0)
        {
            found = found.div_euclid(step).saturating_mul(step);
            if found < low {
                found = found.saturating_add(step);
            }
        }
        found.into()
    }

    fn number(&mut self, layers: &Layers<'a>, name: &str, nth: usize) -> Json {
        let bounds = layers.bounds();
        let found = self.values.number_within(bounds.low, bounds.high, false);
        let mut found = bounds.clamp(found.unwrap_or_else(|| number_for(name, nth)));
        if let Some(step) = layers.get("multipleOf").and_then(Json::as_f64).filter(|step| *step > 0.0) {
            found = (found / step).floor() * step;
            if !bounds.allow(found) {
                found += step;
            }
        }
        Json::number(found)
    }

    fn text(&mut self, layers: &Layers<'a>, name: &str, nth: usize) -> String {
        let least = layers.count("minLength").unwrap_or(0).min(16 * self.left);
        let most = layers.count("maxLength").unwrap_or(usize::MAX).max(least);
        if let Some(pattern) = layers.get("pattern").and_then(Json::as_str)
            && let Some(text) = pattern::text(pattern, least, most, self.dice)
        {
            return text;
        }
        if let Some(text) =
            layers.get("format").and_then(Json::as_str).and_then(|format| self.formatted(format, name, nth))
        {
            return text;
        }
        let mut text = self.values.text_for(name, nth, self.dice);
        let mut length = text.chars().count();
        while length < least {
            text.push_str(if text.is_empty() { "text" } else { " and more" });
            length = text.chars().count();
        }
        if length > most {
            text = text.chars().take(most).collect();
        }
        self.left = self.left.saturating_sub(length / 16);
        text
    }

    fn formatted(&mut self, format: &str, name: &str, nth: usize) -> Option<String> {
        let day = 1 + (nth + self.dice.below(20)) % 28;
        let found = |values: &mut Values, dice: &mut Dice, as_name: &str| values.text_for(as_name, 0, dice);
        Some(match format {
            "date" => {
                let date = found(self.values, self.dice, "date");
                if nth == 0 { date } else { format!("2026-03-{day:02}") }
            }
            "date-time" => format!("2026-03-{day:02}T14:30:00Z"),
            "time" => "14:30:00Z".to_owned(),
            "duration" => "PT30M".to_owned(),
            "email" | "idn-email" if nth == 0 => found(self.values, self.dice, "email"),
            "email" | "idn-email" => format!("alex{nth}@example.com"),
            "uri" | "url" | "iri" | "uri-reference" | "iri-reference" if nth == 0 => {
                found(self.values, self.dice, "url")
            }
            "uri" | "url" | "iri" | "uri-reference" | "iri-reference" => format!("https://example.com/{nth}"),
            "hostname" | "idn-hostname" => format!("host{nth}.example.com"),
            "ipv4" => format!("192.0.2.{}", 1 + nth % 250),
            "ipv6" => format!("2001:db8::{:x}", 1 + nth % 65_000),
            "uuid" => {
                let (high, low) = (self.dice.roll(), self.dice.roll());
                // Version 4, variant 10 (RFC 9562).
                let hex =
                    format!("{:016x}{:016x}", high & !0xf000 | 0x4000, low & !(0b11 << 62) | (0b10 << 62));
                let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
                [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
            }
            "byte" => "c2ltdWxhdGVk".to_owned(),
            "json-pointer" => format!("/{name}"),
            "regex" => "^[a-z]+$".to_owned(),
            _ => return None,
        })
    }
}

/// A schema and what it refers to, nearest first.
struct Layers<'a>(Vec<&'a Json>);

impl<'a> Layers<'a> {
    fn of(schema: &'a Json, root: &'a Json, deep: bool) -> Self {
        let mut layers = Self(Vec::new());
        layers.add(schema, root, deep);
        layers
    }

    fn add(&mut self, schema: &'a Json, root: &'a Json, deep: bool) {
        if self.0.len() >= LAYERS || self.0.iter().any(|layer| std::ptr::eq(*layer, schema)) {
            return;
        }
        self.0.push(schema);
        if let Some(target) = schema.get("$ref").and_then(Json::as_str).and_then(|to| referred(to, root)) {
            self.add(target, root, deep);
        }
        for part in schema.get("allOf").and_then(Json::as_list).unwrap_or_default().iter().take(LAYERS) {
            self.add(part, root, deep);
        }
        for choice in ["anyOf", "oneOf"] {
            let branches = schema.get(choice).and_then(Json::as_list).unwrap_or_default();
            let ends = |branch: &&Json| {
                let target = branch
                    .get("$ref")
                    .and_then(Json::as_str)
                    .and_then(|to| referred(to, root))
                    .unwrap_or(branch);
                let container = ["properties", "items", "allOf", "anyOf", "oneOf", "$ref"]
                    .iter()
                    .any(|key| target.get(key).is_some());
                !container && !matches!(target.get("type").and_then(Json::as_str), Some("object" | "array"))
            };
            let end = branches.iter().take(LAYERS).find(ends).filter(|_| deep);
            if let Some(branch) = end.or_else(|| branches.first()) {
                self.add(branch, root, deep);
            }
        }
    }

    fn get(&self, key: &str) -> Option<&'a Json> {
        self.0.iter().find_map(|layer| layer.get(key))
    }

    /// The `const`, which may be null.
    fn constant(&self) -> Option<&'a Json> {
        let members = self.0.iter().flat_map(|layer| layer.members());
        members.into_iter().find(|(name, _)| name == "const").map(|(_, value)| value)
    }

    fn all(&self, key: &str) -> impl Iterator<Item = &'a Json> {
        self.0.iter().filter_map(move |layer| layer.get(key))
    }

    fn count(&self, key: &str) -> Option<usize> {
        self.get(key).and_then(Json::as_f64).and_then(whole).and_then(|count| usize::try_from(count).ok())
    }

    /// The type, stated or guessed from the other words.
    fn kind(&self, deep: bool) -> &'a str {
        match self.get("type") {
            Some(Json::Text(kind)) => return kind,
            Some(Json::List(kinds)) => {
                let mut kinds = kinds.iter().filter_map(Json::as_str);
                let first = kinds.clone().find(|kind| *kind != "null");
                let null = kinds.find(|kind| *kind == "null").filter(|_| deep);
                return null.or(first).unwrap_or("null");
            }
            _ => {}
        }
        if self.0.first() == Some(&&Json::Bool(false)) {
            return "null";
        }
        let has = |keys: &[&str]| keys.iter().any(|key| self.get(key).is_some());
        if has(&["properties", "required", "additionalProperties", "minProperties"]) {
            "object"
        } else if has(&["items", "prefixItems", "minItems"]) {
            "array"
        } else if has(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]) {
            "number"
        } else {
            "string"
        }
    }

    fn bounds(&self) -> Bounds {
        let all = |key: &str| self.all(key).filter_map(Json::as_f64).collect::<Vec<_>>();
        // Draft 4 has `exclusiveMinimum: true` beside `minimum`.
        let strict = |key: &str| self.get(key).and_then(Json::as_bool).unwrap_or(false);
        let mut bounds = Bounds { low: f64::NEG_INFINITY, high: f64::INFINITY, above: false, below: false };
        for low in all("minimum") {
            bounds.raise(low, strict("exclusiveMinimum"));
        }
        for low in all("exclusiveMinimum") {
            bounds.raise(low, true);
        }
        for high in all("maximum") {
            bounds.lower(high, strict("exclusiveMaximum"));
        }
        for high in all("exclusiveMaximum") {
            bounds.lower(high, true);
        }
        bounds
    }
}

/// What a reference within the document points to.
fn referred<'a>(reference: &str, root: &'a Json) -> Option<&'a Json> {
    match reference.strip_prefix('#')? {
        "" => Some(root),
        pointer => root.at(pointer.strip_prefix('/')?),
    }
}

struct Bounds {
    low: f64,
    high: f64,
    /// The bounds themselves are excluded.
    above: bool,
    below: bool,
}

impl Bounds {
    fn raise(&mut self, low: f64, strict: bool) {
        if low > self.low || (low == self.low && strict) {
            (self.low, self.above) = (low, strict);
        }
    }

    fn lower(&mut self, high: f64, strict: bool) {
        if high < self.high || (high == self.high && strict) {
            (self.high, self.below) = (high, strict);
        }
    }

    fn allow(&self, number: f64) -> bool {
        let low = number > self.low || (number == self.low && !self.above);
        low && (number < self.high || (number == self.high && !self.below))
    }

    /// The number, or one within the bounds near it.
    fn clamp(&self, number: f64) -> f64 {
        if self.allow(number) {
            number
        } else if self.low.is_finite() && self.high.is_finite() {
            // Not rounded: the middle of a narrow interval has to stay inside.
            self.low + (self.high - self.low) / 2.0
        } else if number <= self.low {
            self.low + f64::from(u8::from(self.above))
        } else {
            self.high - f64::from(u8::from(self.below))
        }
    }

    fn least_whole(&self) -> i64 {
        let low = whole(self.low.ceil()).unwrap_or(i64::MIN);
        if self.above && self.low.fract() == 0.0 { low.saturating_add(1) } else { low }
    }

    fn most_whole(&self) -> i64 {
        let high = whole(self.high.floor()).unwrap_or(i64::MAX);
        if self.below && self.high.fract() == 0.0 { high.saturating_sub(1) } else { high }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::simulated::dice::Fingerprint;
    use crate::provider::simulated::prompt::Prompt;
    use crate::provider::simulated::request::Request;
    use crate::provider::simulated::words::number;

    /// A value for the schema by chance `seed`, the prompt being `text`.
    fn made(schema: &Json, text: &str, optional: Optional, seed: u64) -> Json {
        let text = Json::from(text);
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":{text}}}]}}"#);
        let request = Request::read(body.as_bytes()).expect("a request");
        let mut values = Values::of(&Prompt::read(&request));
        value(schema, &mut values, optional, &mut Fingerprint::new(seed).dice())
    }

    /// Why `value` does not satisfy `schema`: a checker for the words that the schemas below use.
    fn fault(schema: &Json, value: &Json, root: &Json) -> Option<String> {
        let get = |key: &str| schema.get(key);
        let no = |why: &str| Some(format!("{why}: {value} against {schema}"));
        if *schema == Json::Bool(false) {
            return no("nothing is allowed");
        }
        if let Some(target) = get("$ref").and_then(Json::as_str)
            && let Some(fault) = fault(referred(target, root).expect("a target"), value, root)
        {
            return Some(fault);
        }
        let all = get("allOf").and_then(Json::as_list).unwrap_or_default();
        if let Some(fault) = all.iter().find_map(|part| fault(part, value, root)) {
            return Some(fault);
        }
        for choice in ["anyOf", "oneOf"] {
            let branches = get(choice).and_then(Json::as_list).unwrap_or_default();
            if !branches.is_empty() && branches.iter().all(|branch| fault(branch, value, root).is_some()) {
                return no(choice);
            }
        }
        if schema.members().iter().any(|(name, it)| name == "const" && it != value) {
            return no("const");
        }
        if get("enum").and_then(Json::as_list).is_some_and(|options| !options.contains(value)) {
            return no("enum");
        }
        let is = |kind: &str| match (kind, value) {
            ("integer", Json::Number(number)) => number.is_i64() || number.is_u64(),
            ("number", Json::Number(_))
            | ("string", Json::Text(_))
            | ("boolean", Json::Bool(_))
            | ("null", Json::Null)
            | ("array", Json::List(_))
            | ("object", Json::Map(_)) => true,
            _ => false,
        };
        let fits = match get("type") {
            Some(Json::Text(kind)) => is(kind),
            Some(Json::List(kinds)) => kinds.iter().filter_map(Json::as_str).any(is),
            _ => true,
        };
        if !fits {
            return no("type");
        }
        let bound = |key: &str| get(key).and_then(Json::as_f64);
        let within = |size: usize, least: &str, most: &str| {
            let size = f64::from(u32::try_from(size).expect("small"));
            bound(least).is_none_or(|least| size >= least) && bound(most).is_none_or(|most| size <= most)
        };
        match value {
            Json::Number(number) => {
                let number = number.as_f64().expect("a float");
                let step = bound("multipleOf")
                    .is_none_or(|step| (number / step - (number / step).round()).abs() < 1e-9);
                let low = bound("minimum").is_none_or(|low| number >= low)
                    && bound("exclusiveMinimum").is_none_or(|low| number > low);
                let high = bound("maximum").is_none_or(|high| number <= high)
                    && bound("exclusiveMaximum").is_none_or(|high| number < high);
                if !(step && low && high) {
                    return no("bounds");
                }
            }
            Json::Text(text) if !within(text.chars().count(), "minLength", "maxLength") => {
                return no("length");
            }
            Json::List(items) => {
                let unique = get("uniqueItems") == Some(&Json::Bool(true));
                let repeated = items.iter().enumerate().any(|(at, item)| items[..at].contains(item));
                if !within(items.len(), "minItems", "maxItems") || (unique && repeated) {
                    return no("items");
                }
                let first = get("prefixItems").and_then(Json::as_list).unwrap_or_default();
                for (at, item) in items.iter().enumerate() {
                    let schema = first.get(at).or_else(|| get("items")).unwrap_or(&Json::Bool(true));
                    if let Some(fault) = fault(schema, item, root) {
                        return Some(fault);
                    }
                }
            }
            Json::Map(members) => {
                let required = get("required").and_then(Json::as_list).unwrap_or_default();
                let missing = required
                    .iter()
                    .filter_map(Json::as_str)
                    .any(|name| members.iter().all(|it| it.0 != name));
                if missing || !within(members.len(), "minProperties", "maxProperties") {
                    return no("members");
                }
                for (name, value) in members {
                    let known = get("properties").and_then(|properties| properties.get(name));
                    let schema = known.or_else(|| get("additionalProperties")).unwrap_or(&Json::Bool(true));
                    if let Some(fault) = fault(schema, value, root) {
                        return Some(fault);
                    }
                }
            }
            _ => {}
        }
        None
    }

    const SCHEMAS: &[&str] = &[
        r#"{"type":"object","properties":{"name":{"type":"string"},"date":{"type":"string","format":"date"},
            "participants":{"type":"array","items":{"type":"string"}}},"required":["name","date","participants"],"additionalProperties":false}"#,
        r#"{"type":"object","properties":{"steps":{"type":"array","items":{"type":"object","properties":{"explanation":{"type":"string"},
            "output":{"type":"string"}},"required":["explanation","output"],"additionalProperties":false}},"final_answer":{"type":"string"}},
            "required":["steps","final_answer"],"additionalProperties":false}"#,
        r##"{"$defs":{"node":{"type":"object","properties":{"value":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},
            "required":["value","next"],"additionalProperties":false}},"$ref":"#/$defs/node"}"##,
        r##"{"type":"object","properties":{"type":{"type":"string","enum":["div","button"]},"children":{"type":"array","items":{"$ref":"#"}}},
            "required":["type","children"],"additionalProperties":false}"##,
        r#"{"type":"array","items":{"type":"integer","minimum":3,"maximum":9},"minItems":4,"maxItems":6,"uniqueItems":true}"#,
        r#"{"type":"array","items":{"enum":["a","b","c","d","e"]},"minItems":5,"uniqueItems":true}"#,
        r#"{"type":"array","items":{"type":"string","maxLength":9},"minItems":8,"uniqueItems":true}"#,
        r#"{"type":"array","prefixItems":[{"type":"string"},{"type":"integer"}],"items":false,"minItems":2}"#,
        r#"{"type":"object","properties":{"a":{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":1},
            "b":{"type":"integer","multipleOf":7,"minimum":50,"maximum":60},"c":{"type":"integer","exclusiveMinimum":5,"maximum":6},
            "d":{"type":"number","multipleOf":0.5,"minimum":1.2},"e":{"type":"integer","maximum":-4},"f":{"type":["integer","null"]}},
            "required":["a","b","c","d","e","f"]}"#,
        r#"{"type":"object","properties":{"kind":{"const":null},"pick":{"oneOf":[{"type":"boolean"},{"type":"string"}]}},"required":["kind","pick"]}"#,
        r##"{"definitions":{"base":{"type":"object","properties":{"id":{"type":"string"}},"required":["id"]}},
            "allOf":[{"$ref":"#/definitions/base"},{"type":"object","properties":{"size":{"type":"integer","minimum":1}},"required":["size"]}]}"##,
        r#"{"type":"object","additionalProperties":{"type":"number"},"minProperties":3}"#,
        r#"{"type":"object","required":["free","bound"],"additionalProperties":{"type":"string","minLength":40,"maxLength":50}}"#,
        r#"{"type":"object","properties":{"deep":{"type":"object","properties":{"deep":{"type":"object","properties":{"deep":{"type":"object",
            "properties":{"deep":{"type":"object","properties":{"deep":{"type":"object","properties":{"list":{"type":"array","minItems":2,
            "items":{"type":"boolean"}}},"required":["list"]}},"required":["deep"]}},"required":["deep"]}},"required":["deep"]}},
            "required":["deep"]}},"required":["deep"]}"#,
        r#"{"properties":{"guessed":{"minimum":10}},"required":["guessed"]}"#,
        r#"true"#,
        r#"{}"#,
    ];

    #[test]
    fn what_is_made_satisfies_its_schema() {
        let prompts = [
            "",
            "Jane, 34, buys 7 lamps for 19.50 in \"Paris\" and London on 2026-05-04",
            "-12 1e300 99999999999 0.5",
        ];
        for schema in SCHEMAS {
            let schema = Json::of(schema).expect("a schema");
            for (seed, prompt) in (0..60).zip(prompts.iter().cycle()) {
                for optional in [Optional::Include, Optional::Omit] {
                    let made = made(&schema, prompt, optional, seed);
                    assert_eq!(fault(&schema, &made, &schema), None, "made for {prompt:?}");
                }
            }
        }
    }

    #[test]
    fn properties_keep_the_order_of_the_schema() {
        let schema =
            r#"{"properties":{"zeta":{"type":"null"},"alpha":{"type":"null"},"mid":{"type":"null"}}}"#;
        let schema = Json::of(schema).expect("a schema");
        assert_eq!(
            made(&schema, "", Optional::Include, 1).to_string(),
            r#"{"zeta":null,"alpha":null,"mid":null}"#
        );
    }

    #[test]
    fn only_arguments_that_are_needed_are_given() {
        let schema = r#"{"properties":{"a":{"type":"null"},"b":{"type":"null"}},"required":["b"]}"#;
        let schema = Json::of(schema).expect("a schema");
        assert_eq!(made(&schema, "", Optional::Omit, 1).to_string(), r#"{"b":null}"#);
    }

    #[test]
    fn formats_and_patterns_are_kept() {
        let text = |schema: &str| {
            let made = made(&Json::of(schema).expect("a schema"), "", Optional::Include, 3);
            made.as_str().expect("a text").to_owned()
        };
        assert_eq!(text(r#"{"type":"string","pattern":"^[A-Z]{2}$"}"#).len(), 2);
        assert_eq!(text(r#"{"type":"string","format":"email"}"#), "alex@example.com");
        let uuid = text(r#"{"type":"string","format":"uuid"}"#);
        let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert!(uuid.split('-').nth(2).is_some_and(|part| part.starts_with('4')), "version 4: {uuid}");
        let date = text(r#"{"type":"string","format":"date-time"}"#);
        assert!(date.len() == 20 && date.split('-').next().and_then(number) == Some(2026), "{date}");
    }

    #[test]
    fn greedy_and_endless_schemas_are_cut_short() {
        let schemas = [
            r##"{"type":"object","properties":{"a":{"$ref":"#"},"b":{"$ref":"#"}},"required":["a","b"]}"##,
            r##"{"$ref":"#"}"##,
            r##"{"allOf":[{"$ref":"#"},{"$ref":"#"}],"anyOf":[{"$ref":"#"}]}"##,
            r#"{"type":"array","minItems":1000000000,"items":{"type":"array","minItems":1000000000,"items":{"type":"string","minLength":1000000000}}}"#,
            r#"{"type":"string","minLength":1e18}"#,
            r#"{"type":"object","minProperties":1e15}"#,
        ];
        for schema in schemas {
            let made = made(&Json::of(schema).expect("a schema"), "", Optional::Include, 1).to_string();
            assert!(made.len() < 1024 * 1024, "{} bytes for {schema}", made.len());
        }
    }
}
