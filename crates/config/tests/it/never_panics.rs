//! Whatever is in the file, the environment and the flags: faults or a config, never a panic.

use std::fmt::Write;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::support::Case;

fn outcome(case: &Case) {
    match case.load() {
        Ok(loaded) => {
            let _ = (loaded.show(), loaded.hash(), loaded.explain("agents"), loaded.changes(&loaded));
        }
        Err(faults) => {
            assert!(!faults.is_empty());
            let _ = case.rendered();
        }
    }
}

/// Words that mean something to a config, and some that do not.
fn word() -> impl Strategy<Value = String> {
    let known = [
        "version",
        "1",
        "server",
        "listen",
        "127.0.0.1:0",
        "metrics",
        "admin",
        "providers",
        "openai",
        "simulated",
        "kind",
        "api_key",
        "api_keys",
        "env",
        "file",
        "A",
        "models",
        "targets",
        "simulated/x",
        "agents",
        "prompt",
        "history",
        "store",
        "redis",
        "auth",
        "mode",
        "open",
        "keys",
        "name",
        "key",
        "hash",
        "headers",
        "x-y",
        "limits",
        "30s",
        "10MiB",
        "-1",
        "0.5",
        "true",
        "~",
        "",
        "*",
        "${env:A}",
        "${env:A:-}",
        "${",
        "$$",
        "include",
        "length",
        "stop",
        "parameters",
        "timeouts",
        "groq",
        "azure",
        "azure-openai",
        "api_version",
        "mood",
        "faults",
        "rate",
        "20%",
        "kinds",
        "cut",
        "tools",
        "description",
        "type",
        "object",
        "properties",
        "required",
        "tool_policy",
        "blocklist",
        "http://h/v1",
        "total",
        "storage",
        "database",
        "durability",
        "base_url",
        "http://h",
        "telemetry",
        "logs",
        "level",
        "é\u{202e}\t\"'",
    ];
    prop_oneof![9 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => ".{0,6}"]
}

#[derive(Clone, Debug)]
enum Tree {
    Word(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

fn tree() -> impl Strategy<Value = Tree> {
    word().prop_map(Tree::Word).prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            1 => vec(inner.clone(), 0..4).prop_map(Tree::List),
            4 => vec((word(), inner), 0..6).prop_map(Tree::Map),
        ]
    })
}

impl Tree {
    /// As flow YAML, words quoted or not as the word happens to be.
    fn write(&self, out: &mut String) {
        match self {
            Self::Word(word) if word.starts_with('$') || word.parse::<f64>().is_ok() => out.push_str(word),
            Self::Word(word) => write!(out, "{}", serde_json::Value::from(word.as_str())).unwrap(),
            Self::List(items) => {
                out.push('[');
                for item in items {
                    item.write(out);
                    out.push_str(", ");
                }
                out.push(']');
            }
            Self::Map(entries) => {
                out.push('{');
                for (key, value) in entries {
                    write!(out, "{}: ", serde_json::Value::from(key.as_str())).unwrap();
                    value.write(out);
                    out.push_str(", ");
                }
                out.push('}');
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn on_any_text(text in any::<String>(), yaml in "[ \\n\\-:{}\\[\\]&*!|>'\"#%@a-c$0-9\u{e9}]{0,80}") {
        outcome(&Case::new(text));
        outcome(&Case::new(yaml));
    }

    #[test]
    fn on_any_bytes_that_are_text(bytes in vec(any::<u8>(), 0..200)) {
        outcome(&Case::new(String::from_utf8_lossy(&bytes)));
    }

    #[test]
    fn on_any_tree(tree in tree(), a in ".{0,8}") {
        let mut text = String::new();
        tree.write(&mut text);
        outcome(&Case::new(text).env("A", &a));
    }

    #[test]
    fn on_any_environment_and_flags(
        env in btree_map(vec(word(), 1..5), word(), 0..6),
        flags in vec((vec(word(), 1..5), word()), 0..6),
    ) {
        let mut case = crate::examples::large();
        for (path, value) in &env {
            case = case.env(&format!("PARAPET__{}", path.join("__").to_uppercase()), value);
        }
        for (path, value) in &flags {
            case = case.flag(&path.join("."), value);
        }
        outcome(&case);
    }
}

#[test]
fn on_every_prefix_of_a_config() {
    let text = crate::examples::LARGE;
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        outcome(&Case::new(text.get(..end).unwrap()));
    }
}
