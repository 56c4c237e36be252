//! The kinds of provider, and what a provider has by its kind.
//!
//! The kinds themselves and their addresses are the table of `wire`, whose codecs they name: a further one needs no
//! line here. `kinds.yaml` adds timeouts, the same for all unless a kind has its own, and the settings of the
//! simulated provider, which is the one kind without a codec.

use wire::provider::{self, KINDS};

use crate::finding::Origin;
use crate::node::{Entry, Kind, Map, Node, parse};

/// The kind that answers within this process.
pub(crate) const SIMULATED: &str = "simulated";

/// Every kind, `simulated` at the end.
pub(crate) static NAMES: [&str; KINDS.len() + 1] = names();

const DEFAULTS: &str = include_str!("kinds.yaml");
/// There: every kind that is reached over the network.
const EVERY: &str = "*";

/// Fills in what the providers of the tree have by their kinds, and notes that in `defaults`.
pub(crate) fn underlay(tree: &mut Node, defaults: &mut Node) {
    let layer = layer();
    let mut known = Map::new();
    let providers = tree.as_map_mut().and_then(|root| root.get_mut("providers"));
    for (name, provider) in providers.and_then(|providers| providers.value.as_map_mut()).into_iter().flatten()
    {
        let kind = provider.value.get("kind").filter(|kind| !kind.is_null()).and_then(Node::text);
        let by_kind = kind.map_or_else(|| implied(name, &layer), |kind| of(kind, &layer));
        let Some(by_kind) = by_kind else { continue };
        provider.value.underlay(&by_kind);
        known.extend([entry(name, by_kind)]);
    }
    if let Some(root) = defaults.as_map_mut() {
        root.extend([entry("providers", Node { kind: Kind::Map(known), origin: Origin::Default })]);
    }
}

/// What a provider of that name would have, if there were one.
pub(crate) fn would_have(name: &str) -> Option<Node> {
    let layer = layer();
    implied(name, &layer).or_else(|| layer.get(EVERY).cloned())
}

fn layer() -> Node {
    parse(DEFAULTS, &|_| Origin::Default).root.unwrap_or_else(|| Node::map(Origin::Default))
}

/// What a provider has that is called like a kind and says nothing else.
fn implied(name: &str, layer: &Node) -> Option<Node> {
    let mut node = Node::map(Origin::Default);
    let kind = Node::scalar(name, true, Origin::Default);
    node.as_map_mut()?.extend([entry("kind", kind)]);
    node.underlay(&of(name, layer)?);
    Some(node)
}

/// What a provider of that kind has; none if there is no such kind.
fn of(kind: &str, layer: &Node) -> Option<Node> {
    let kind = NAMES.into_iter().find(|name| *name == kind)?;
    let origin = Origin::Kind(kind);
    let mut node = Node::map(Origin::Default);
    if let Some(url) = provider::kind(kind).and_then(|kind| kind.base_url) {
        node.as_map_mut()?.extend([entry("base_url", Node::scalar(url, true, origin.clone()))]);
    }
    if let Some(own) = layer.get(kind) {
        node.underlay(&own.with_origin(&origin));
    }
    if kind != SIMULATED {
        node.underlay(layer.get(EVERY)?);
    }
    Some(node)
}

fn entry(name: &str, value: Node) -> (String, Entry) {
    (name.to_owned(), Entry { key: Origin::Default, value })
}

const fn names() -> [&'static str; KINDS.len() + 1] {
    let mut names = [SIMULATED; KINDS.len() + 1];
    let (mut kinds, mut free) = (KINDS, names.as_mut_slice());
    while let ([kind, other_kinds @ ..], [name, others @ ..]) = (kinds, free) {
        *name = kind.name;
        (kinds, free) = (other_kinds, others);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Node {
        parse(text, &|_| Origin::Default).root.unwrap()
    }

    fn underlaid(text: &str) -> (Node, Node) {
        let (mut tree, mut defaults) = (tree(text), Node::map(Origin::Default));
        underlay(&mut tree, &mut defaults);
        (tree, defaults)
    }

    #[test]
    fn the_defaults_name_kinds_that_there_are() {
        let layer = layer();
        for name in layer.as_map().unwrap().keys() {
            assert!(name == EVERY || NAMES.contains(&name.as_str()), "{name}");
        }
        assert!(layer.get(SIMULATED).is_some() && layer.get(EVERY).is_some());
    }

    #[test]
    fn a_kind_without_an_entry_has_what_every_kind_has() {
        let (tree, _) = underlaid("providers: { groq: , ollama: , mine: { kind: xai, base_url: x } }");
        let at = |path: [&str; 3]| {
            let node = path.iter().try_fold(tree.get("providers")?, |node, key| node.get(key))?;
            Some((node.text()?.to_owned(), node.origin.clone()))
        };
        let unary = |name| at([name, "timeouts", "unary"]).unwrap();
        assert_eq!(unary("groq"), ("60s".to_owned(), Origin::Default));
        assert_eq!(unary("mine"), ("60s".to_owned(), Origin::Default));
        assert_eq!(unary("ollama"), ("120s".to_owned(), Origin::Kind("ollama")));
        assert_eq!(at(["ollama", "timeouts", "total"]).unwrap().0, "600s");
        let url = |name: &str| tree.get("providers")?.get(name)?.get("base_url")?.text();
        assert_eq!(url("groq"), provider::kind("groq").unwrap().base_url);
        assert_eq!(url("mine"), Some("x"));
        assert!(tree.get("providers").unwrap().get("groq").unwrap().get("latency").is_none());
    }

    #[test]
    fn a_kind_is_implied_by_the_name_and_by_nothing_else() {
        let (tree, _) = underlaid("providers: { groq: { kind: openai }, xai: { kind: }, mine: }");
        let kind = |name: &str| tree.get("providers")?.get(name)?.get("kind").and_then(Node::text);
        assert_eq!(kind("groq"), Some("openai"));
        assert_eq!(kind("xai"), Some("xai"));
        assert_eq!(kind("mine"), None);
    }

    #[test]
    fn what_a_provider_has_by_its_kind_is_its_default() {
        let (_, defaults) = underlaid("providers: { groq: { kind: openai } }");
        let url = defaults.get("providers").unwrap().get("groq").unwrap().get("base_url").unwrap();
        assert_eq!((url.text(), &url.origin), (Some("https://api.openai.com/v1"), &Origin::Kind("openai")));
    }
}
