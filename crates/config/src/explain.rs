//! `config explain`: what a key is set to, who set it, what it would be otherwise, and what it is for.

use std::fmt;

use serde::Serialize;

use crate::finding::{Origin, nearest};
use crate::kinds;
use crate::layer;
use crate::node::{Kind, Node};
use crate::schema::{Draft, Walk, schema};

/// Everything there is to say about a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    pub key: String,
    /// As YAML, secrets redacted; none if the key is not set.
    pub value: Option<String>,
    /// The layer that set it and where; none if the key is not set.
    pub set_by: Option<String>,
    /// As YAML.
    pub default: Option<String>,
    /// What the key is for.
    pub text: Option<String>,
}

/// A key that the format does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no key `{key}`")]
pub struct UnknownKey {
    pub key: String,
    /// The key that was likely meant.
    pub nearest: Option<String>,
}

pub(crate) fn explain(
    key: &str,
    tree: &Node,
    defaults: &Node,
    file: &str,
) -> Result<Explanation, UnknownKey> {
    let schema = schema(Draft::Latest);
    let path = layer::split(tree, key);
    let mut walk = Walk::new(&schema);
    for (depth, part) in path.iter().enumerate() {
        walk = walk.step(part).ok_or_else(|| UnknownKey {
            key: key.to_owned(),
            nearest: nearest(part, walk.keys()).map(|near| {
                let above = path.get(..depth).unwrap_or_default();
                above.iter().map(String::as_str).chain([near]).collect::<Vec<_>>().join(".")
            }),
        })?;
    }
    let set = descend(tree, &path, &Origin::Default).filter(|(node, _)| !node.is_null());
    let unused = match path.as_slice() {
        [section, name, rest @ ..]
            if section == "providers"
                && defaults.get(section).is_none_or(|known| known.get(name).is_none()) =>
        {
            kinds::would_have(name).map(|node| (node, rest))
        }
        _ => None,
    };
    let default = match &unused {
        Some((node, rest)) => descend(node, rest, &Origin::Default),
        None => descend(defaults, &path, &Origin::Default),
    };
    let default = default.map(|(node, _)| node);
    let yaml = |node: &Node| node.to_yaml().trim_end().to_owned();
    Ok(Explanation {
        key: path.join("."),
        value: set.map(|(node, _)| yaml(node)),
        set_by: set.map(|(node, key)| layer_of(node, key, file)),
        default: default.filter(|node| !node.is_null()).map(yaml),
        text: walk.text().map(|text| text.replace('\n', " ")),
    })
}

/// The node under the path, with the place of its key. Defaults have `*` for the names of a config.
fn descend<'n>(node: &'n Node, path: &[String], key: &'n Origin) -> Option<(&'n Node, &'n Origin)> {
    let Some((first, rest)) = path.split_first() else {
        return Some((node, key));
    };
    match &node.kind {
        Kind::Map(map) => {
            let entry = map.get(first).or_else(|| map.get("*"))?;
            descend(&entry.value, rest, &entry.key)
        }
        Kind::List(items) => {
            let item = items.get(first.parse::<usize>().ok()?)?;
            descend(item, rest, &item.origin)
        }
        Kind::Scalar(_) | Kind::Redacted => None,
    }
}

fn layer_of(node: &Node, key: &Origin, file: &str) -> String {
    let origin = if node.as_map().is_some() { key } else { &node.origin };
    match origin {
        Origin::Default => "default".to_owned(),
        Origin::Kind(kind) => format!("default of kind {kind}"),
        Origin::File(span) => format!("{file}:{}:{}", span.line, span.col),
        Origin::Env(name) => format!("environment variable {name}"),
        Origin::Flag(key) => format!("flag {key}"),
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.key)?;
        if let Some(text) = &self.text {
            writeln!(f, "  {text}")?;
        }
        let lines = [("value", &self.value), ("set by", &self.set_by), ("default", &self.default)];
        for (name, value) in lines {
            let value = value.as_deref().unwrap_or("not set");
            if value.contains('\n') {
                writeln!(f, "  {name}:")?;
                for line in value.lines() {
                    writeln!(f, "    {line}")?;
                }
            } else {
                writeln!(f, "  {name}: {value}")?;
            }
        }
        Ok(())
    }
}
