//! The direction of dependencies, as ARCHITECTURE.md draws it, checked against `cargo metadata`.
//!
//! A crate that is not in the table, or an edge that is not in it, is a fault: the wall between two crates is
//! only as good as somebody having to say that it moves.

use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;

/// Who may depend on whom within the workspace.
const ALLOWED: &[(&str, &[&str])] = &[
    ("parapet-domain", &[]),
    // The kinds of provider that a config can name are the codecs.
    ("parapet-config", &["parapet-domain", "parapet-wire"]),
    ("parapet-wire", &["parapet-domain"]),
    ("parapet-traffic", &["parapet-domain"]),
    ("parapet-guard", &["parapet-domain"]),
    ("parapet-pack", &["parapet-domain"]),
    ("parapet-store", &["parapet-domain", "parapet-traffic"]),
    ("parapet-artefacts", &["parapet-config", "parapet-domain"]),
    (
        "parapet",
        &[
            "parapet-artefacts",
            "parapet-config",
            "parapet-domain",
            "parapet-guard",
            "parapet-pack",
            "parapet-store",
            "parapet-traffic",
            "parapet-wire",
        ],
    ),
    ("parapet-testkit", &["parapet-domain"]),
    ("xtask", &["parapet", "parapet-artefacts", "parapet-config"]),
];

/// What any crate's tests may use besides.
const TEST_ONLY: &[&str] = &["parapet-testkit"];

/// Crates that do no I/O, and the crates that would let them.
const PURE: &[&str] = &[
    "parapet-domain",
    "parapet-config",
    "parapet-wire",
    "parapet-traffic",
    "parapet-guard",
    "parapet-pack",
    "parapet-artefacts",
];
const IO: &[&str] = &["axum", "hyper", "hyper-util", "mio", "redis", "reqwest", "sqlx", "tokio"];

/// Only the store speaks to a database.
const DATABASES: &[&str] = &["redis", "rusqlite", "sqlx"];

pub(crate) fn check() -> anyhow::Result<()> {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .context("cannot run cargo metadata")?;
    ensure!(metadata.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&metadata.stderr));
    let faults = faults(&serde_json::from_slice(&metadata.stdout)?);
    ensure!(
        faults.is_empty(),
        "the crates do not depend on each other as they should:\n{}",
        faults.join("\n")
    );
    Ok(())
}

fn faults(metadata: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for package in list(metadata, "packages") {
        let name = text(package, "name");
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
            faults.push(format!("{name} has no place in the table of xtask/src/deps.rs"));
            continue;
        };
        for dependency in list(package, "dependencies") {
            let on = text(dependency, "name");
            let for_tests = text(dependency, "kind") == "dev";
            let ours = dependency.get("path").is_some_and(Value::is_string);
            if ours && !allowed.contains(&on) && !(for_tests && TEST_ONLY.contains(&on)) {
                faults.push(format!("{name} may not depend on {on}"));
            }
            if !for_tests && PURE.contains(&name) && IO.contains(&on) {
                faults.push(format!("{name} does no I/O and may not depend on {on}"));
            }
            if name != "parapet-store" && DATABASES.contains(&on) {
                faults.push(format!("only the store may depend on {on}, not {name}"));
            }
        }
    }
    faults
}

fn list<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value.get(member).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_workspace_depends_one_way() {
        check().unwrap();
    }

    #[test]
    fn a_wrong_edge_is_found() {
        let package = |name: &str, dependencies: Value| json!({ "packages": [{ "name": name, "dependencies": dependencies }] });
        let ours = |name: &str, kind: Value| json!([{ "name": name, "kind": kind, "path": "/x" }]);
        let theirs = |name: &str, kind: Value| json!([{ "name": name, "kind": kind, "path": null }]);
        for (metadata, fault) in [
            (
                package("parapet-wire", ours("parapet-config", Value::Null)),
                "may not depend on parapet-config",
            ),
            (package("parapet-testkit", ours("parapet", json!("dev"))), "may not depend on parapet"),
            (package("parapet", ours("parapet-testkit", Value::Null)), "may not depend on parapet-testkit"),
            (package("parapet-wire", theirs("tokio", Value::Null)), "does no I/O"),
            (package("parapet", theirs("sqlx", json!("dev"))), "only the store"),
            (package("parapet-misc", json!([])), "has no place"),
        ] {
            let faults = faults(&metadata);
            assert!(faults.len() == 1 && faults[0].contains(fault), "{faults:?}");
        }
    }

    #[test]
    fn tests_may_use_the_kit() {
        let dependency = json!([{ "name": "parapet-testkit", "kind": "dev", "path": "/x" }]);
        assert!(
            faults(&json!({ "packages": [{ "name": "parapet", "dependencies": dependency }] })).is_empty()
        );
    }
}
