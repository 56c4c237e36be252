//! The layers above the file: `PARAPET__A__B` variables and dotted flags, each turned into a tree and merged.
//!
//! A variable's segments are matched against the keys of the tree without regard to case and are lower case
//! where they match nothing. A flag's key may go through names with dots in them: the longest key that exists
//! wins.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::finding::{Code, Origin, Remark, printable};
use crate::node::{Entry, Kind, Node, parse_scalar};

const PREFIX: &str = "PARAPET__";
const DATA_DIR: &str = "PARAPET_DATA_DIR";
const PROFILE: &str = "PARAPET_PROFILE";

/// Merges the environment into `tree`. Variables that are not ours are none of our business.
pub(crate) fn environment(tree: &mut Node, env: &BTreeMap<String, String>, faults: &mut Vec<Remark>) {
    // First, so that the variable that names the key in full wins.
    if let Some(value) = env.get(DATA_DIR) {
        let path = ["storage".to_owned(), "data_dir".to_owned()];
        faults.extend(set(tree, &path, value, &Origin::Env(DATA_DIR.into())));
    }
    if env.get(PROFILE).is_some_and(|profile| !profile.is_empty()) {
        let origin = Origin::Env(PROFILE.into());
        let message = "`profiles` is not enforced by this version of parapet yet";
        faults.push(Remark::fault(&origin, Code::NotEnforced, message).help(format!("unset {PROFILE}")));
    }
    for (name, value) in env {
        let Some(segments) = name.strip_prefix(PREFIX) else { continue };
        let mut path = Vec::new();
        let mut place = Some(&*tree);
        for segment in segments.split("__") {
            let map = place.and_then(Node::as_map);
            let known =
                map.and_then(|map| map.keys().find(|key| key.to_lowercase() == segment.to_lowercase()));
            let key = known.cloned().unwrap_or_else(|| segment.to_lowercase());
            place = place.and_then(|node| node.get(&key));
            path.push(key);
        }
        faults.extend(set(tree, &path, value, &Origin::Env(Arc::from(name.as_str()))));
    }
}

/// Merges the flags into `tree`, later ones over earlier ones.
pub(crate) fn flags(tree: &mut Node, flags: &[(String, String)], faults: &mut Vec<Remark>) {
    for (key, value) in flags {
        let path = split(tree, key);
        faults.extend(set(tree, &path, value, &Origin::Flag(Arc::from(key.as_str()))));
    }
}

/// The keys of a dotted path, by the keys that there are: names may contain dots.
pub(crate) fn split(tree: &Node, dotted: &str) -> Vec<String> {
    let mut path = Vec::new();
    let mut place = Some(tree);
    let mut rest = dotted;
    loop {
        let map = place.and_then(Node::as_map);
        let whole = |key: &&String| {
            rest.strip_prefix(key.as_str()).is_some_and(|tail| tail.is_empty() || tail.starts_with('.'))
        };
        let known = map.and_then(|map| map.keys().filter(whole).max_by_key(|key| key.len()));
        let key = match known {
            Some(key) => key.clone(),
            None => rest.split('.').next().unwrap_or_default().to_owned(),
        };
        let tail = rest.get(key.len()..).and_then(|tail| tail.strip_prefix('.'));
        place = match place.map(|node| &node.kind) {
            Some(Kind::List(items)) => key.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => place.and_then(|node| node.get(&key)),
        };
        path.push(key);
        match tail {
            Some(tail) => rest = tail,
            None => return path,
        }
    }
}

fn set(tree: &mut Node, path: &[String], value: &str, origin: &Origin) -> Option<Remark> {
    let mut place = tree;
    for (depth, key) in path.iter().enumerate() {
        match &place.kind {
            Kind::Map(_) => {}
            Kind::List(_) => {
                let list = path.get(..depth).unwrap_or_default().join(".");
                let message = format!("`{}` is a list, which cannot be changed in parts", printable(&list));
                let fault = Remark::fault(origin, Code::InvalidValue, message);
                return Some(fault.help("change it in the config file"));
            }
            Kind::Scalar(_) | Kind::Redacted => *place = Node::map(origin.clone()),
        }
        place = match &mut place.kind {
            Kind::Map(map) => {
                let fresh = || Entry { key: origin.clone(), value: Node::scalar("", true, origin.clone()) };
                &mut map.entry(key.clone()).or_insert_with(fresh).value
            }
            _ => return None,
        };
    }
    *place = Node { kind: Kind::Scalar(parse_scalar(value)), origin: origin.clone() };
    None
}

/// The spellings of neighbouring tools: `api_key_env: NAME` for `api_key: { env: NAME }`.
const KEY_ALIASES: &[(&str, &str, &str)] =
    &[("providers", "api_key_env", "api_key"), ("auth.keys", "key_env", "key")];

/// Kinds of provider under another name.
const KIND_ALIASES: &[(&str, &str)] = &[("azure-openai", "azure")];

/// Rewrites aliases to what they stand for, with a notice each.
pub(crate) fn aliases(tree: &mut Node, findings: &mut Vec<Remark>) {
    key_aliases(tree, findings);
    kind_aliases(tree, findings);
}

fn key_aliases(tree: &mut Node, findings: &mut Vec<Remark>) {
    for (section, alias, key) in KEY_ALIASES {
        let path: Vec<_> = section.split('.').map(str::to_owned).collect();
        let Some(section) = tree.at_mut(&path) else { continue };
        let each: Vec<&mut Node> = match &mut section.kind {
            Kind::Map(map) => map.values_mut().map(|entry| &mut entry.value).collect(),
            Kind::List(items) => items.iter_mut().collect(),
            Kind::Scalar(_) | Kind::Redacted => Vec::new(),
        };
        for map in each.into_iter().filter_map(Node::as_map_mut) {
            let Some(at) = map.get_index_of(*alias) else { continue };
            if let Some(other) = map.get(*key) {
                let message = format!("`{alias}` and `{key}` are the same setting");
                findings.push(Remark::fault(&other.key, Code::Conflict, message).help("keep one of them"));
                map.shift_remove(*alias);
                continue;
            }
            let Some((_, Entry { key: origin, value })) = map.shift_remove_index(at) else { continue };
            let message = format!("`{alias}` is understood as `{key}: {{ env: … }}`");
            findings.push(Remark::notice(&origin, Code::Alias, message));
            let mut source = Node::map(value.origin.clone());
            if let Some(source) = source.as_map_mut() {
                source.insert("env".to_owned(), Entry { key: origin.clone(), value });
            }
            map.insert((*key).to_owned(), Entry { key: origin, value: source });
        }
    }
}

/// A kind may be written, or be the name of a provider.
fn kind_aliases(tree: &mut Node, findings: &mut Vec<Remark>) {
    let providers = tree.as_map_mut().and_then(|root| root.get_mut("providers"));
    for (name, Entry { key, value }) in
        providers.and_then(|entry| entry.value.as_map_mut()).into_iter().flatten()
    {
        let written = value.get("kind").filter(|kind| !kind.is_null());
        let Some((alias, kind)) = KIND_ALIASES.iter().find(|(alias, _)| match written {
            Some(kind) => kind.text() == Some(alias),
            None => name == alias,
        }) else {
            continue;
        };
        let origin = written.map_or_else(|| key.clone(), |kind| kind.origin.clone());
        if value.is_null() {
            value.kind = Kind::Map(crate::node::Map::new());
        }
        let Some(provider) = value.as_map_mut() else { continue };
        let message = format!("`{alias}` is understood as `kind: {kind}`");
        findings.push(Remark::notice(&origin, Code::Alias, message));
        let key = provider.get("kind").map_or_else(|| origin.clone(), |entry| entry.key.clone());
        let kind = Node::scalar(*kind, true, origin);
        provider.insert("kind".to_owned(), Entry { key, value: kind });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::parse;

    fn tree(text: &str) -> Node {
        parse(text, &|_| Origin::Default).root.unwrap()
    }

    fn with_env(text: &str, env: &[(&str, &str)]) -> (String, Vec<Code>) {
        let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let (mut tree, mut faults) = (tree(text), Vec::new());
        environment(&mut tree, &env, &mut faults);
        (tree.to_yaml(), faults.iter().map(|fault| fault.code).collect())
    }

    #[test]
    fn a_variable_sets_the_key_it_spells() {
        let (yaml, faults) = with_env(
            "agents: { Support: { prompt: x } }\nserver: { listen: a }",
            &[
                ("PARAPET__AGENTS__SUPPORT__PROMPT", "y"),
                ("PARAPET__SERVER__METRICS__LISTEN", "127.0.0.1:1"),
                ("PARAPET__SERVER__MAX_CONNECTIONS", "5"),
                ("PARAPET_OTHER", "ignored"),
                ("HOME", "ignored"),
            ],
        );
        let want = "agents: { Support: { prompt: y } }\nserver: { listen: a, max_connections: 5, metrics: { listen: '127.0.0.1:1' } }";
        assert_eq!(tree(&yaml).canonical(), tree(want).canonical());
        assert_eq!(faults, []);
    }

    #[test]
    fn the_data_directory_has_a_short_name_that_the_full_one_overrides() {
        let short = ("PARAPET_DATA_DIR", "/short");
        assert!(with_env("", &[short]).0.contains("/short"));
        assert!(with_env("", &[short, ("PARAPET__STORAGE__DATA_DIR", "/long")]).0.contains("/long"));
    }

    #[test]
    fn parts_of_lists_and_profiles_are_refused() {
        assert_eq!(with_env("a: [1]", &[("PARAPET__A__0", "x")]).1, [Code::InvalidValue]);
        assert_eq!(with_env("", &[("PARAPET_PROFILE", "production")]).1, [Code::NotEnforced]);
        assert_eq!(with_env("", &[("PARAPET_PROFILE", "")]).1, []);
    }

    #[test]
    fn flags_go_through_names_with_dots_and_override_the_rest() {
        let (mut tree, mut faults) = (tree("models: { gpt-4.1: { targets: [a] } }\nx: 1"), Vec::new());
        let pairs = [("models.gpt-4.1.strategy", "priority"), ("x", "2"), ("new.key", "true"), ("x", "3")];
        let pairs = pairs.map(|(k, v)| (k.to_owned(), v.to_owned()));
        flags(&mut tree, &pairs, &mut faults);
        let want = "models: { gpt-4.1: { targets: [a], strategy: priority } }\nx: 3\nnew: { key: true }";
        assert_eq!(tree.canonical(), self::tree(want).canonical());
        assert!(faults.is_empty());
    }

    #[test]
    fn the_alias_of_a_kind_may_be_written_or_be_the_name() {
        let text =
            "providers: { azure-openai: { base_url: x }, a: { kind: azure-openai }, b: { kind: openai } }";
        let (mut node, mut findings) = (tree(text), Vec::new());
        aliases(&mut node, &mut findings);
        let want = "providers: { azure-openai: { base_url: x, kind: azure }, a: { kind: azure }, b: { kind: openai } }";
        assert_eq!(node.canonical(), tree(want).canonical());
        assert_eq!(
            findings.iter().map(|finding| finding.code).collect::<Vec<_>>(),
            [Code::Alias, Code::Alias]
        );
    }

    #[test]
    fn an_alias_becomes_what_it_stands_for() {
        let mut node = tree("providers: { a: { api_key_env: KEY }, b: { api_key_env: K, api_key: x } }");
        let mut findings = Vec::new();
        aliases(&mut node, &mut findings);
        let want = "providers: { a: { api_key: { env: KEY } }, b: { api_key: x } }";
        assert_eq!(node.canonical(), tree(want).canonical());
        let codes: Vec<_> = findings.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, [Code::Alias, Code::Conflict]);
    }
}
