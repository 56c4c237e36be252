//! Every key of the config: its type and meaning from the JSON Schema, its default from `config explain`.
//!
//! Keys below a name of the user's choice are asked for under a name that a config in a temporary folder has: one
//! model and one agent with a tool. A provider's are asked for by the name of every kind, which needs no entry.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;
use serde_json::Value;

use super::{Parapet, cell, head};

/// With something under every name, called after its section.
const PROBE: &str = "\
version: 1
models:
  models: { targets: [simulated/any] }
agents:
  agents: { models: [models], prompt: any, tools: { agents: {} } }
";

pub(super) fn page(parapet: &Parapet, schema: &Value) -> anyhow::Result<String> {
    let folder = tempfile::tempdir()?;
    let probe = folder.path().join("probe.yaml");
    std::fs::write(&probe, PROBE)?;
    let mut page = head("Config keys", "the config schema");
    page.push_str(INTRODUCTION);
    let explain = Explain { parapet, probe: &probe, kinds: kinds(schema)? };
    Writer { schema, explain: &explain }.section("", schema, &mut page)?;
    page.push_str("\n## Kinds of provider\n\n| kind | `base_url` |\n|---|---|\n");
    for kind in &explain.kinds {
        let url = explain.ask(&format!("providers.{kind}.base_url"))?.map(|url| format!("`{url}`"));
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| `{kind}` | {} |", url.unwrap_or_default());
    }
    Ok(page)
}

fn kinds(schema: &Value) -> anyhow::Result<Vec<&str>> {
    let shapes = schema.pointer("/$defs/ProviderKind/anyOf").and_then(Value::as_array);
    let kinds = shapes.into_iter().flatten().find_map(|shape| shape.get("enum")?.as_array());
    Ok(kinds.context("no kinds of provider")?.iter().filter_map(Value::as_str).collect())
}

const INTRODUCTION: &str = "\
One YAML file. It is found as `-c FILE`, else `$CONFIG_PATH`, else `./parapet.yaml`; without any the built-in config
serves one agent, `support`, on the simulated provider. Values are laid over each other in this order: defaults,
the file, environment variables (`PARAPET__SERVER__LISTEN=…`: upper case, `__` between levels), `--set KEY=VALUE`.
`parapet config explain KEY` says which layer set a value, `parapet config schema` prints the
[JSON Schema](config.schema.json) for editors.

A text may contain `${env:NAME}`, `${env:NAME:-default}`, `${env:NAME:?message}` and `${file:path}`; `$$` is a
dollar sign. Durations are written `250ms`, `30s`, `5m`, `1h`, `2d`; sizes `512KiB`, `10MiB`; percentages `20%`, `0.5%`. A secret
is a source, `{ env: NAME }` or `{ file: PATH }`, or the text itself, which is noticed. Keys beginning with `x-` are
yours. NAME stands for a name that you choose.
";

struct Writer<'a> {
    schema: &'a Value,
    explain: &'a Explain<'a>,
}

impl Writer<'_> {
    /// A section with its own keys, then the sections in it.
    fn section(&self, path: &str, section: &Value, page: &mut String) -> anyhow::Result<()> {
        let properties =
            section.get("properties").and_then(Value::as_object).context("a section without keys")?;
        let mut deeper = Vec::new();
        let mut rows = String::new();
        for (key, place) in properties {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match self.below(&path, place) {
                Some((path, section)) => deeper.push((path, section, text(place))),
                None => rows.push_str(&self.row(&path, place, is_required(section, key))?),
            }
        }
        if !rows.is_empty() {
            page.push_str("\n| key | type | default | meaning |\n|---|---|---|---|\n");
            page.push_str(&rows);
        }
        for (path, section, meaning) in deeper {
            // Writing to a String cannot fail.
            let _ = write!(page, "\n## `{path}`\n\n{meaning}\n");
            self.section(&path, section, page)?;
        }
        Ok(())
    }

    /// The section that a key holds, by itself, under names, or in a list.
    fn below<'s>(&'s self, path: &str, place: &'s Value) -> Option<(String, &'s Value)> {
        let place = self.resolve(place);
        let has_keys = |place: &&Value| place.get("properties").is_some();
        if has_keys(&place) {
            return Some((path.to_owned(), place));
        }
        let named = place.get("additionalProperties").map(|any| self.resolve(any)).filter(has_keys);
        let listed = || place.get("items").map(|item| self.resolve(item)).filter(has_keys);
        named
            .map(|section| (format!("{path}.NAME"), section))
            .or_else(|| Some((format!("{path}[]"), listed()?)))
    }

    fn row(&self, path: &str, place: &Value, required: bool) -> anyhow::Result<String> {
        let default = if required { Some("*required*".to_owned()) } else { self.explain.default(path)? };
        let default = default.unwrap_or_default();
        let (kind, meaning) = (self.kind(place), cell(text(place)));
        Ok(format!("| `{path}` | {kind} | {default} | {meaning} |\n"))
    }

    /// What a value is, in words.
    fn kind(&self, place: &Value) -> String {
        if let Some(name) = place.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next())
        {
            match name {
                "Duration" => return "duration".to_owned(),
                "Size" => return "size".to_owned(),
                "Secret" => return "secret".to_owned(),
                "Percentage" => return "percentage".to_owned(),
                "JsonSchema" => return "JSON Schema".to_owned(),
                _ => {}
            }
        }
        let place = self.resolve(place);
        let list = |member: &str| place.get(member).and_then(Value::as_array);
        if let Some(value) = place.get("const") {
            return format!("`{value}`");
        }
        if let Some(values) = list("enum") {
            let words: Vec<String> =
                values.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect();
            return words.join(", ");
        }
        if let Some(shapes) = list("anyOf") {
            let shapes = shapes.iter().filter(|shape| !is_interpolation(shape));
            return shapes.map(|shape| self.kind(shape)).collect::<Vec<_>>().join(" or ");
        }
        let word = match place.get("type") {
            Some(Value::String(word)) => word,
            // A number, which may also be interpolated.
            Some(Value::Array(words)) => words.first().and_then(Value::as_str).unwrap_or_default(),
            _ => "",
        };
        let of = |member: &str| place.get(member).map(|inner| self.kind(inner)).unwrap_or_default();
        match word {
            "array" => format!("list of {}", of("items")),
            "object" if place.get("properties").is_some() => "section".to_owned(),
            "object" => format!("map of {}", of("additionalProperties")),
            "integer" => "whole number".to_owned(),
            "string" => "text".to_owned(),
            other => other.to_owned(),
        }
    }

    /// Follows a reference.
    fn resolve<'s>(&'s self, place: &'s Value) -> &'s Value {
        let pointer = place.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
        pointer.and_then(|pointer| self.schema.pointer(pointer)).unwrap_or(place)
    }
}

fn is_required(section: &Value, key: &str) -> bool {
    let required = section.get("required").and_then(Value::as_array);
    required.into_iter().flatten().any(|name| name == key)
}

fn text(place: &Value) -> &str {
    place.get("description").and_then(Value::as_str).unwrap_or_default()
}

fn is_interpolation(shape: &Value) -> bool {
    shape.get("pattern").and_then(Value::as_str).is_some_and(|pattern| pattern.starts_with(r"\$"))
        && shape.get("type").and_then(Value::as_str) == Some("string")
}

/// `config explain`, asked about the probe.
struct Explain<'a> {
    parapet: &'a Parapet,
    probe: &'a Path,
    kinds: Vec<&'a str>,
}

impl Explain<'_> {
    /// The default as a cell; several where it depends on the provider's kind.
    fn default(&self, path: &str) -> anyhow::Result<Option<String>> {
        if path.contains("[]") {
            // An element of a list has no layer below it.
            return Ok(None);
        }
        let Some(rest) = path.strip_prefix("providers.NAME.") else {
            let section = path.split('.').next().unwrap_or_default();
            return Ok(self.ask(&path.replace("NAME", section))?.map(|value| format!("`{value}`")));
        };
        let mut by_value: Vec<(String, Vec<&str>)> = Vec::new();
        for kind in &self.kinds {
            let Some(value) = self.ask(&format!("providers.{kind}.{rest}"))? else { continue };
            match by_value.iter_mut().find(|(known, _)| *known == value) {
                Some((_, kinds)) => kinds.push(kind),
                None => by_value.push((value, vec![kind])),
            }
        }
        Ok(by_kind(&by_value))
    }

    fn ask(&self, key: &str) -> anyhow::Result<Option<String>> {
        let mut command = self.parapet.command(["--json", "config", "explain", key, "-c"]);
        let said = command.arg(self.probe).output()?;
        anyhow::ensure!(said.status.success(), "{command:?}: {}", String::from_utf8_lossy(&said.stderr));
        let said: Value = serde_json::from_slice(&said.stdout)?;
        Ok(said.get("default").and_then(Value::as_str).map(|value| in_one_line(value.trim())))
    }
}

/// Values and the kinds that have them, as a cell. What most have is said first and without their names; what nearly
/// each has another of is in the table of kinds, or is the kind itself.
fn by_kind(values: &[(String, Vec<&str>)]) -> Option<String> {
    const FEW: usize = 5;
    if values.len() > FEW {
        return None;
    }
    let mut values: Vec<_> = values.iter().collect();
    values.sort_by_key(|(_, kinds)| kinds.len() <= FEW);
    let cell = |(value, kinds): &&(String, Vec<&str>)| match kinds.len() {
        ..=FEW => format!("`{value}` ({})", kinds.join(", ")),
        _ => format!("`{value}`"),
    };
    (!values.is_empty()).then(|| values.iter().map(cell).collect::<Vec<_>>().join("; "))
}

/// A list of several lines of YAML as one line of it.
fn in_one_line(value: &str) -> String {
    match value.strip_prefix("- ") {
        Some(list) => format!("[{}]", list.split("\n- ").collect::<Vec<_>>().join(", ")),
        None => cell(value),
    }
}

#[cfg(test)]
mod tests {
    use super::{by_kind, in_one_line};

    #[test]
    fn what_most_kinds_have_needs_no_names() {
        let value = |value: &str, kinds: &[&'static str]| (value.to_owned(), kinds.to_vec());
        let values = [value("2m", &["x", "y"]), value("60s", &["a", "b", "c", "d", "e", "f"])];
        assert_eq!(by_kind(&values).as_deref(), Some("`60s`; `2m` (x, y)"));
        assert_eq!(by_kind(&[]), None);
        assert_eq!(by_kind(&["a", "b", "c", "d", "e", "f"].map(|kind| value(kind, &[kind]))), None);
    }

    #[test]
    fn a_list_is_written_in_one_line() {
        assert_eq!(in_one_line("- 20\n- 60"), "[20, 60]");
        assert_eq!(in_one_line("30s"), "30s");
    }
}
