//! JSON Schemas as the API wants them. What is in them is carried and not looked into: which words of the standard a
//! model understands is between its provider and the caller.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::call::Json;
use crate::json::{Fault, members};

/// The schema of a tool's input, which has to say that it is one of an object: arguments are, whether it says so or not.
pub(super) fn of_input(schema: Option<&Json>) -> Option<Box<RawValue>> {
    with_member(schema.map_or("{}", Json::get), "type", "\"object\"")
}

/// The schema in a `json_schema` object of the chat dialect. Its name is a label and has no place here; its
/// description is for the model, and becomes the schema's own if that has none.
pub(super) fn of_answer(format: &Json) -> Option<Box<RawValue>> {
    let Named { schema, description } = serde_json::from_str(format.get()).ok()?;
    let schema = schema?.get();
    match description {
        Some(description) => with_member(schema, "description", description.get()),
        None => RawValue::from_string(schema.to_owned()).ok().filter(|_| schema.starts_with('{')),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::new(text.into()).unwrap()
    }

    #[track_caller]
    fn check(schema: Option<Box<RawValue>>, expected: Option<&str>) {
        assert_eq!(schema.as_deref().map(RawValue::get), expected);
    }

    #[test]
    fn the_schema_of_an_input_is_one_of_an_object() {
        check(of_input(None), Some(r#"{"type":"object"}"#));
        check(of_input(Some(&json(" { } "))), Some(r#"{"type":"object" }"#));
        let properties = json(r#"{"properties":{"type":{}}}"#);
        check(of_input(Some(&properties)), Some(r#"{"type":"object","properties":{"type":{}}}"#));
        for typed in [r#"{ "type": "object", "minimum": 1.50 }"#, r#"{"\u0074ype":"object"}"#] {
            check(of_input(Some(&json(typed))), Some(typed));
        }
        check(of_input(Some(&json("true"))), None);
    }

    #[test]
    fn the_schema_of_an_answer_keeps_its_description() {
        let of = |text: &str| of_answer(&json(text));
        check(of(r#"{"name":"n","schema":{"a":1.50},"strict":true}"#), Some(r#"{"a":1.50}"#));
        check(of(r#"{"description":"d","schema":{"a":1}}"#), Some(r#"{"description":"d","a":1}"#));
        let own = r#"{"description":"own"}"#;
        check(of(&format!(r#"{{"description":"d","schema":{own}}}"#)), Some(own));
        for none in [r#"{"name":"n"}"#, r#"{"schema":null}"#, r#"{"schema":[]}"#, "[]"] {
            check(of(none), None);
        }
    }
}
