//! Tools of agents, and the policy for them.
//!
//! Names and schemas are held to what every provider takes, so that an agent's tools work with each of its models.

use indexmap::IndexMap;
use serde_json::value::RawValue;
use wire::call::Json;

use super::Resolver;
use crate::config::{Tool, ToolChoice, ToolPattern, ToolPolicy};
use crate::de::{At, Field, Key, Table};
use crate::finding::{Code, printable};
use crate::raw::{self, SchemaText};

/// Letters of a name.
const LONGEST: usize = 64;

/// The members of an object of JSON, as they are spelled.
type Members = IndexMap<String, Box<RawValue>>;

impl Resolver<'_> {
    pub(super) fn tools(&self, table: Table<raw::Tool>) -> Option<Vec<Tool>> {
        /// OpenAI's limit.
        const MOST: usize = 128;
        let entries = table.into_entries();
        if let Some((key, _)) = entries.get(MOST) {
            let message = format!("an agent has at most {MOST} tools, here are {}", entries.len());
            return self.refuse(key.at, Code::OutOfRange, message);
        }
        let tools: Vec<_> = entries.into_iter().map(|(key, field)| self.tool(&key, field)).collect();
        tools.into_iter().collect()
    }

    fn tool(&self, key: &Key, field: Field<raw::Tool>) -> Option<Tool> {
        let name = self.tool_name(key);
        if field.is_invalid() {
            return None;
        }
        let raw = field.get().unwrap_or_default();
        let description = self.optional(raw.description, |text, _| Some(text));
        let parameters = match raw.parameters {
            field if field.is_invalid() => None,
            field => {
                let at = field.at;
                let SchemaText(text) = field.get().unwrap_or_else(|| SchemaText("{}".to_owned()));
                self.schema(&text, at)
            }
        };
        Some(Tool { name: name?.to_owned(), description: description?, parameters: parameters? })
    }

    fn tool_name<'k>(&self, key: &'k Key) -> Option<&'k str> {
        let name = key.text.as_str();
        if (1..=LONGEST).contains(&name.len()) && name.bytes().all(is_name) {
            return Some(name);
        }
        let message = format!("`{}` is not the name of a tool", printable(name));
        let help = format!("a name has letters, digits, `_` and `-`, at most {LONGEST}");
        self.record(self.fault(key.at, Code::InvalidValue, message).help(help));
        None
    }

    /// The schema with `type` and `properties`: some providers insist on them even where they say nothing.
    fn schema(&self, text: &str, at: At) -> Option<Json> {
        let members = match members(text) {
            Ok(members) => members,
            Err((message, help)) => {
                self.record(self.fault(at, Code::InvalidValue, message).help(help));
                return None;
            }
        };
        let absent = |(name, _): &&(&str, &str)| !members.contains_key(*name);
        let filled = [("type", r#""object""#), ("properties", "{}")];
        let filled = filled.iter().filter(absent).map(|(name, value)| format!(r#""{name}":{value}"#));
        let written = text.get(1..text.len() - 1).filter(|written| !written.is_empty());
        let schema =
            format!("{{{}}}", filled.chain(written.map(str::to_owned)).collect::<Vec<_>>().join(","));
        match Json::new(schema) {
            Ok(schema) => Some(schema),
            Err(_) => self.refuse(at, Code::TooLarge, "`parameters` are nested too deeply"),
        }
    }

    pub(super) fn tool_policy(&self, raw: raw::ToolPolicy, tools: &Table<raw::Tool>) -> Option<ToolPolicy> {
        let tool_choice = self.optional(raw.tool_choice, |choice, _| {
            Some(match choice {
                raw::ToolChoice::Auto => ToolChoice::Auto,
                raw::ToolChoice::Required => ToolChoice::Required,
                raw::ToolChoice::None => ToolChoice::None,
            })
        });
        let max_rounds = self.whole(raw.max_rounds, 0..=100);
        let max_tool_calls_per_turn = self.whole(raw.max_tool_calls_per_turn, 1..=128);
        let blocklist = raw.blocklist.get().and_then(|list| self.blocklist(list, tools));
        Some(ToolPolicy {
            tool_choice: tool_choice?,
            max_rounds: max_rounds?,
            max_tool_calls_per_turn: max_tool_calls_per_turn?,
            blocklist: blocklist?,
        })
    }

    fn blocklist(&self, list: Vec<Field<String>>, tools: &Table<raw::Tool>) -> Option<Vec<ToolPattern>> {
        let is_pattern =
            |text: &str| (1..=LONGEST).contains(&text.len()) && text.bytes().all(|b| is_name(b) || b == b'*');
        let pattern = |field: Field<String>| {
            let at = field.at;
            let pattern = self.item(field)?;
            if !is_pattern(&pattern) {
                let message = "expected the name of a tool, in which `*` stands for any letters";
                return self.refuse(at, Code::InvalidValue, message);
            }
            let pattern = ToolPattern::new(pattern);
            for (key, _) in tools.iter().filter(|(key, _)| pattern.matches(&key.text)) {
                let name = printable(&key.text);
                let message = format!("tool `{name}` is never offered: it is on the `blocklist`");
                let help = "remove the tool, or what blocks it";
                self.record(self.fault(key.at, Code::NoEffect, message).help(help));
            }
            Some(pattern)
        };
        let patterns: Vec<_> = list.into_iter().map(pattern).collect();
        patterns.into_iter().collect()
    }
}

/// OpenAI and Anthropic take `[a-zA-Z0-9_-]`.
const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// The members of the schema of an object, or what is wrong with it and what to do.
fn members(text: &str) -> Result<Members, (String, &'static str)> {
    let schema: Members = serde_json::from_str(text)
        .map_err(|_| ("`parameters` are not JSON".to_owned(), "write the schema of an object"))?;
    if schema.get("type").is_some_and(|kind| kind.get() != r#""object""#) {
        return Err(("`parameters` are the schema of an object".to_owned(), "write `type: object`"));
    }
    let properties =
        schema.get("properties").map(|properties| serde_json::from_str::<Members>(properties.get()));
    let properties = properties.transpose().map_err(|_| {
        let message = "`properties` is a section with a schema for each parameter".to_owned();
        (message, "write `properties: { city: { type: string } }`, for example")
    })?;
    // `true` and `false` are schemas, too (JSON Schema 2020-12, core, 4.3.2).
    let is_schema = |json: &RawValue| json.get().starts_with('{') || matches!(json.get(), "true" | "false");
    if let Some((name, _)) = properties.iter().flatten().find(|(_, schema)| !is_schema(schema)) {
        let message = format!("parameter `{}` has no schema", printable(name));
        return Err((message, "write one, such as `{ type: string }`"));
    }
    let required = schema.get("required").map(|names| serde_json::from_str::<Vec<String>>(names.get()));
    if required.is_some_and(|names| names.is_err()) {
        let message = "`required` is a list of names of parameters".to_owned();
        return Err((message, "write `required: [city]`, for example"));
    }
    Ok(schema)
}
