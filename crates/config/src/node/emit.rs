//! A tree back into YAML, for `config show`, and into one canonical text, for the hash.

use std::fmt::Write;

use serde_json::Value;

use super::{Kind, Node, Scalar, Typed};

const REDACTED: &str = "\"[redacted]\"";

impl Node {
    /// Block style, keys in their order, secrets redacted.
    pub(crate) fn to_yaml(&self) -> String {
        let mut out = String::new();
        self.block(&mut out, 0);
        out
    }

    /// Keys sorted, every text quoted: equal for equal configs, however they are written.
    pub(crate) fn canonical(&self) -> String {
        match &self.kind {
            Kind::Redacted => REDACTED.to_owned(),
            Kind::Scalar(scalar) => inline(scalar),
            Kind::List(items) => {
                let items: Vec<_> = items.iter().map(Self::canonical).collect();
                format!("[{}]", items.join(","))
            }
            Kind::Map(map) => {
                let entries = map.iter().filter(|(_, entry)| !entry.value.is_null());
                let mut entries: Vec<_> = entries
                    .map(|(name, entry)| format!("{}:{}", quoted(name), entry.value.canonical()))
                    .collect();
                entries.sort();
                format!("{{{}}}", entries.join(","))
            }
        }
    }

    /// The same as JSON, for programs.
    pub(crate) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Redacted => REDACTED.trim_matches('"').into(),
            Kind::Scalar(scalar) => match scalar.typed() {
                Typed::Null => Value::Null,
                Typed::Bool(value) => value.into(),
                Typed::Unsigned(value) => value.into(),
                Typed::Signed(value) => value.into(),
                Typed::Float(value) => value.into(),
                Typed::Text(text) => text.into(),
            },
            Kind::List(items) => items.iter().map(Self::to_json).collect(),
            Kind::Map(map) => {
                let members = map.iter().map(|(name, entry)| (name.clone(), entry.value.to_json()));
                Value::Object(members.collect())
            }
        }
    }

    /// The same as JSON text, with numbers and texts as they are spelled.
    pub(crate) fn to_json_text(&self) -> String {
        match &self.kind {
            Kind::Redacted => REDACTED.to_owned(),
            Kind::Scalar(scalar) => match scalar.typed() {
                Typed::Null => "null".to_owned(),
                Typed::Bool(value) => value.to_string(),
                Typed::Unsigned(value) if scalar.text.starts_with("0x") || scalar.text.starts_with("0o") => {
                    value.to_string()
                }
                Typed::Unsigned(_) | Typed::Signed(_) | Typed::Float(_) => json_number(&scalar.text),
                Typed::Text(text) => quoted(text),
            },
            Kind::List(items) => {
                let items: Vec<_> = items.iter().map(Self::to_json_text).collect();
                format!("[{}]", items.join(","))
            }
            Kind::Map(map) => {
                let member = |(name, entry): (&String, &super::Entry)| {
                    format!("{}:{}", quoted(name), entry.value.to_json_text())
                };
                format!("{{{}}}", map.iter().map(member).collect::<Vec<_>>().join(","))
            }
        }
    }

    fn block(&self, out: &mut String, depth: usize) {
        let pad = "  ".repeat(depth);
        // Writing to a String cannot fail.
        match &self.kind {
            Kind::Map(map) if !map.is_empty() => {
                for (name, entry) in map {
                    let _ = write!(out, "{pad}{}:", key(name));
                    entry.value.after_key(out, depth);
                }
            }
            Kind::List(items) if !items.is_empty() => {
                for item in items {
                    let mut text = String::new();
                    item.block(&mut text, depth + 1);
                    let _ = write!(out, "{pad}- {}", text.trim_start());
                }
            }
            _ => {
                let _ = writeln!(out, "{pad}{}", self.leaf());
            }
        }
    }

    /// What follows `key:`, on the same line if it is a leaf, deeper if not.
    fn after_key(&self, out: &mut String, depth: usize) {
        match &self.kind {
            Kind::Map(map) if !map.is_empty() => {
                out.push('\n');
                self.block(out, depth + 1);
            }
            Kind::List(items) if !items.is_empty() => {
                out.push('\n');
                self.block(out, depth + 1);
            }
            _ => {
                let _ = writeln!(out, " {}", self.leaf());
            }
        }
    }

    fn leaf(&self) -> String {
        match &self.kind {
            Kind::Redacted => REDACTED.to_owned(),
            Kind::Scalar(scalar) => inline(scalar),
            Kind::List(_) => "[]".to_owned(),
            Kind::Map(_) => "{}".to_owned(),
        }
    }
}

/// A number of YAML's core schema in JSON's spelling: no `+`, no leading zeros, digits around the point (RFC 8259, 6).
fn json_number(text: &str) -> String {
    let unsigned = text.trim_start_matches(['+', '-']);
    let sign = if text.starts_with('-') { "-" } else { "" };
    let (mantissa, exponent) = unsigned.split_at(unsigned.find(['e', 'E']).unwrap_or(unsigned.len()));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}{exponent}")
}

fn inline(scalar: &Scalar) -> String {
    match scalar.typed() {
        Typed::Null => "null".to_owned(),
        Typed::Text(text) if !is_plain(text) => quoted(text),
        _ => scalar.text.clone(),
    }
}

fn key(name: &str) -> String {
    if is_plain(name) { name.to_owned() } else { quoted(name) }
}

/// True if the text needs no quotes to be read back as the same text. Quotes too often rather than too seldom.
fn is_plain(text: &str) -> bool {
    let typed = Scalar::new(text.to_owned(), true);
    let word = |c: char| c.is_ascii_alphanumeric() || "_-./+% ".contains(c);
    matches!(typed.typed(), Typed::Text(_))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/' || c == '_')
        && !text.ends_with(' ')
        && text.chars().all(|c| word(c) || c == ':')
        && !text.contains(": ")
        && !text.ends_with(':')
}

/// A JSON string is a YAML double-quoted scalar (YAML 1.2.2, 1.2: "every JSON file is also a valid YAML file").
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use crate::finding::Origin;
    use crate::node::{Node, parse};

    fn tree(text: &str) -> Node {
        parse(text, &|_| Origin::Default).root.unwrap()
    }

    #[test]
    fn what_is_written_reads_back_as_the_same() {
        let text = "a: { b: [1, '1', x y, {c: d, e: [[], {}]}], 'k: 1': \"two\\nlines\" }\nn: ~\nt: 'true'\nu: http://h/\nv: 127.0.0.1:80\nw: '*'\nx: 20%\ny: '%'\n";
        let once = tree(text).to_yaml();
        assert_eq!(tree(&once).to_yaml(), once);
        assert_eq!(tree(&once).canonical(), tree(text).canonical());
        assert!(once.contains("t: \"true\""));
        assert!(once.contains("v: 127.0.0.1:80"));
        assert!(once.contains("x: 20%\ny: \"%\""));
    }

    #[test]
    fn json_text_keeps_the_spelling_of_numbers_and_texts() {
        let text = "{ z: 1.10, a: ['1', 1e3, True, ~, x: y], big: 123456789012345678901234567890, \"q\\\"\": \"é\\n\" }";
        let want = r#"{"z":1.10,"a":["1",1e3,true,null,{"x":"y"}],"big":123456789012345678901234567890,"q\"":"é\n"}"#;
        assert_eq!(tree(text).to_json_text(), want);
    }

    #[test]
    fn numbers_that_json_spells_otherwise_are_spelled_as_json_does() {
        for (yaml, json) in [
            ("0", "0"),
            ("-0", "-0"),
            ("-0.0", "-0.0"),
            ("007", "7"),
            ("+1", "1"),
            (".5", "0.5"),
            ("-.5E+3", "-0.5E+3"),
            ("5.", "5"),
            ("5.e2", "5e2"),
            ("1e05", "1e05"),
            ("1e999", "1e999"),
            ("0x1f", "31"),
            ("0o17", "15"),
        ] {
            assert_eq!(tree(&format!("[{yaml}]")).to_json_text(), format!("[{json}]"), "{yaml}");
            serde_json::from_str::<&serde_json::value::RawValue>(json).unwrap();
        }
    }

    #[test]
    fn the_canonical_form_ignores_order_of_keys_but_not_of_lists() {
        assert_eq!(tree("a: 1\nb: 2").canonical(), tree("b: 2\na: 1").canonical());
        assert_ne!(tree("a: [1, 2]").canonical(), tree("a: [2, 1]").canonical());
        assert_ne!(tree("a: 1").canonical(), tree("a: '1'").canonical());
    }
}
