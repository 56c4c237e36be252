//! The one way to a config, and what can be asked of one that has been loaded.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::io;
use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use crate::config::Config;
use crate::de::Decoding;
use crate::explain::{self, Explanation, UnknownKey};
use crate::finding::{Fault, Finding, Notice, Origin, Remark, Severity, Source};
use crate::interpolate::Interpolation;
use crate::kinds;
use crate::layer;
use crate::node::{Kind, Node, parse};
use crate::raw::Root;
use crate::resolve::Resolver;

/// What serves when there is no config file: the simulated provider, and an agent on it.
pub const BUILTIN: Text<'static> = Text { name: "built-in config", text: include_str!("builtin.yaml") };

const DEFAULTS: &str = include_str!("defaults.yaml");

/// Everything a config is made of.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// None: the built-in config.
    pub file: Option<Text<'a>>,
    /// The whole environment: for interpolation, for secrets, and for the layer of `PARAPET__A__B`.
    pub env: &'a BTreeMap<String, String>,
    /// Dotted keys and their values, later ones over earlier ones.
    pub flags: &'a [(String, String)],
    /// Reads the files that the config names, by their paths as written.
    pub read: &'a dyn Fn(&Path) -> io::Result<String>,
}

/// A config file.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// Its path, for messages.
    pub name: &'a str,
    pub text: &'a str,
}

/// A config that can be used, and where everything in it came from.
pub struct Loaded {
    pub config: Config,
    /// In the order of the file.
    pub notices: Vec<Notice>,
    name: String,
    /// The effective tree, with secrets taken out.
    tree: Node,
    /// Only the defaults, for the same names and kinds.
    defaults: Node,
}

/// Loads a config.
///
/// # Errors
/// All faults there are, in the order of the file; then those of the environment and the flags. One mistake is
/// one fault. Only a text that is not YAML hides what else is wrong with it.
pub fn load(input: &Input<'_>) -> Result<Loaded, Vec<Fault>> {
    let file = input.file.unwrap_or(BUILTIN);
    let mut source = Source::new(file.name, file.text);
    let parsed = parse(file.text, &Origin::File);
    for span in parsed.secrets {
        source.mask(span);
    }
    let mut findings = parsed.faults;
    let Some(mut tree) = parsed.root else {
        source.mask_whatever_looks_secret();
        return Err(published(findings, &source));
    };

    Interpolation { env: input.env, read: input.read }.apply(&mut tree);
    layer::environment(&mut tree, input.env, &mut findings);
    layer::flags(&mut tree, input.flags, &mut findings);
    layer::aliases(&mut tree, &mut findings);
    let defaults = underlay(&mut tree);

    let decoding = Decoding::default();
    let root = decoding.decode::<Root>(&tree);
    let resolver = Resolver { decoding: &decoding, env: input.env, read: input.read };
    let config = root.and_then(|root| resolver.config(root));

    for span in decoding.masks() {
        source.mask(span);
    }
    redact(&mut tree, &decoding);
    findings.extend(decoding.into_findings());
    let mut findings = published(findings, &source);
    let faulty = findings.iter().any(|finding| finding.severity == Severity::Error);
    match config {
        Some(config) if !faulty => {
            Ok(Loaded { config, notices: findings, name: file.name.to_owned(), tree, defaults })
        }
        _ => {
            findings.retain(|finding| finding.severity == Severity::Error);
            Err(findings)
        }
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("config", &self.config)
            .field("notices", &self.notices)
            .finish_non_exhaustive()
    }
}

impl Loaded {
    /// The effective value of a key, the layer that set it, its default and its meaning.
    ///
    /// # Errors
    /// If the format has no such key.
    pub fn explain(&self, key: &str) -> Result<Explanation, UnknownKey> {
        explain::explain(key, &self.tree, &self.defaults, &self.name)
    }

    /// The effective config as YAML, defaults included, secrets redacted.
    #[must_use]
    pub fn show(&self) -> String {
        self.tree.to_yaml()
    }

    /// What [`show`](Self::show) shows, as JSON.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        self.tree.to_json()
    }

    /// Twelve hexadecimal digits of a SHA-256 over the effective config without its secrets. The same for the
    /// same settings, however and in whatever layers they are written.
    #[must_use]
    pub fn hash(&self) -> String {
        let digest = Sha256::digest(self.tree.canonical());
        digest.iter().take(6).fold(String::new(), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// What is different in `new`, key by key; lists as a whole. Secrets are not compared.
    #[must_use]
    pub fn changes(&self, new: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        compare(Some(&self.tree), Some(&new.tree), &mut Vec::new(), &mut changes);
        changes
    }
}

/// A key that two configs have different values for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    pub key: String,
    /// As YAML; none if not set.
    pub before: Option<String>,
    pub after: Option<String>,
    /// True if a running server keeps the old value.
    pub needs_restart: bool,
}

/// What is decided once, at start: sockets, the database, and who writes the logs.
const RESTART: [&str; 7] = [
    "server.listen",
    "server.metrics.listen",
    "server.admin.listen",
    "server.max_connections",
    "storage.data_dir",
    "storage.database.durability",
    "telemetry.logs.format",
];

fn compare(old: Option<&Node>, new: Option<&Node>, path: &mut Vec<String>, changes: &mut Vec<Change>) {
    let maps = (old.and_then(Node::as_map), new.and_then(Node::as_map));
    if let (Some(old), Some(new)) = maps {
        let added = new.keys().filter(|key| !old.contains_key(*key));
        for key in old.keys().chain(added) {
            path.push(key.clone());
            let value = |map: &crate::node::Map| map.get(key).map(|entry| entry.value.clone());
            compare(value(old).as_ref(), value(new).as_ref(), path, changes);
            path.pop();
        }
        return;
    }
    let text = |node: Option<&Node>| {
        node.filter(|node| !node.is_null()).map(|node| node.to_yaml().trim_end().to_owned())
    };
    let same = old.map(Node::canonical) == new.map(Node::canonical);
    let (before, after) = (text(old), text(new));
    if !same && before != after {
        let key = path.join(".");
        let needs_restart = RESTART.contains(&key.as_str());
        changes.push(Change { key, before, after, needs_restart });
    }
}

/// Lays the defaults under the tree, and returns what they alone come to.
fn underlay(tree: &mut Node) -> Node {
    let mut defaults =
        parse(DEFAULTS, &|_| Origin::Default).root.unwrap_or_else(|| Node::map(Origin::Default));
    tree.underlay(&defaults);
    kinds::underlay(tree, &mut defaults);
    defaults
}

/// Takes out what must not be shown, and what has no effect.
fn redact(tree: &mut Node, decoding: &Decoding) {
    for path in decoding.secrets() {
        let Some(node) = tree.at_mut(&path) else { continue };
        if let Kind::Scalar(scalar) = &mut node.kind {
            scalar.text.zeroize();
        }
        node.kind = Kind::Redacted;
    }
    for path in decoding.extensions() {
        let Some((key, section)) = path.split_last() else { continue };
        if let Some(map) = tree.at_mut(section).and_then(Node::as_map_mut) {
            map.shift_remove(key);
        }
    }
}

fn published(findings: Vec<Remark>, source: &Source<'_>) -> Vec<Finding> {
    let mut findings = findings;
    findings.sort_by_key(|remark| match &remark.origin {
        Origin::File(span) => (0, span.start),
        Origin::Env(_) => (1, 0),
        Origin::Flag(_) => (2, 0),
        Origin::Default | Origin::Kind(_) => (3, 0),
    });
    let mut findings: Vec<_> = findings.into_iter().map(|remark| remark.publish(source)).collect();
    // An alias is decoded at each of its places, and its fault is in one.
    findings.dedup();
    findings
}
