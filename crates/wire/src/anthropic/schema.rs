//! JSON Schemas as the API wants them. What is in them is carried and not looked into: which words of the standard a
//! model understands is between its provider and the caller.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::call::Json;
use crate::json::{Fault, MAX_DEPTH, check, members};

/// Nesting of a schema, so that the whole body is within [`MAX_DEPTH`].
const MAX_SCHEMA_DEPTH: u32 = MAX_DEPTH - 3;

/// The schema of a tool's input, which has to say that it is one of an object: arguments are, whether it says so or not.
pub(super) fn of_input(schema: Option<&Json>) -> Option<Box<RawValue>> {
    with_member(schema.map_or("{}", Json::get), "type", "\"object\"")
}

/// The schema in a `json_schema` object of the chat dialect. Its name is a label and has no place here; its
/// description is for the model, and becomes the schema's own if that has none.
pub(super) fn of_answer(format: &Json) -> Option<Box<RawValue>> {
    let Named { schema, description } = serde_json::from_str(format.get()).ok()?;
    let schema = schema?.get();
    let description = description.map(RawValue::get).filter(|description| description.starts_with('"'));
    match description {
        Some(description) => with_member(schema, "description", description),
        None => RawValue::from_string(schema.to_owned()).ok().filter(|_| is_object(schema)),
    }
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
    #[serde(borrow)]
    description: Option<&'a RawValue>,
}

/// A JSON object, with a further member `name` if it has none of that name; none if it is no object.
fn with_member(object: &str, name: &str, value: &str) -> Option<Box<RawValue>> {
    if !is_object(object) {
        return None;
    }
    let mut has_it = false;
    let read = members::<Fault>(object.as_bytes(), |member, _| {
        has_it |= member.is(name);
        Ok(())
    });
    read.ok()?;
    if has_it {
        return RawValue::from_string(object.to_owned()).ok();
    }
    let rest = object.trim_start().strip_prefix('{')?;
    let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
    RawValue::from_string(format!(r#"{{"{name}":{value}{comma}{rest}"#)).ok()
}

fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{') && check(text.as_bytes(), MAX_SCHEMA_DEPTH).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::new(text.into()).unwrap()
    }

    #[track_caller]
    fn expect(schema: Option<Box<RawValue>>, expected: Option<&str>) {
        assert_eq!(schema.as_deref().map(RawValue::get), expected);
    }

    #[test]
    fn the_schema_of_an_input_is_one_of_an_object() {
        expect(of_input(None), Some(r#"{"type":"object"}"#));
        expect(of_input(Some(&json(" { } "))), Some(r#"{"type":"object" }"#));
        let properties = json(r#"{"properties":{"type":{}}}"#);
        expect(of_input(Some(&properties)), Some(r#"{"type":"object","properties":{"type":{}}}"#));
        for typed in [r#"{ "type": "object", "minimum": 1.50 }"#, r#"{"\u0074ype":"object"}"#] {
            expect(of_input(Some(&json(typed))), Some(typed));
        }
        expect(of_input(Some(&json("true"))), None);
    }

    #[test]
    fn a_schema_leaves_room_for_the_body_around_it() {
        let nested = |levels| json(&(r#"{"a":"#.repeat(levels) + "1" + &"}".repeat(levels)));
        assert!(of_input(Some(&nested(61))).is_some());
        assert!(of_input(Some(&nested(62))).is_none());
    }

    #[test]
    fn the_schema_of_an_answer_keeps_its_description() {
        let of = |text: &str| of_answer(&json(text));
        expect(of(r#"{"name":"n","schema":{"a":1.50},"strict":true}"#), Some(r#"{"a":1.50}"#));
        expect(of(r#"{"description":"d","schema":{"a":1}}"#), Some(r#"{"description":"d","a":1}"#));
        expect(of(r#"{"description":[["d"]],"schema":{"a":1}}"#), Some(r#"{"a":1}"#));
        let own = r#"{"description":"own"}"#;
        expect(of(&format!(r#"{{"description":"d","schema":{own}}}"#)), Some(own));
        for none in [r#"{"name":"n"}"#, r#"{"schema":null}"#, r#"{"schema":[]}"#, "[]"] {
            expect(of(none), None);
        }
    }
}
