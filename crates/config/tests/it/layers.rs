//! Which layer wins, and what `explain` says about it.

use crate::support::Case;

fn listen(case: &Case) -> String {
    case.loaded().config.server.listen.to_string()
}

#[test]
fn each_layer_overrides_the_one_below() {
    let case = Case::new("version: 1");
    assert_eq!(listen(&case), "127.0.0.1:8080");
    let case = Case::new("version: 1\nserver: { listen: 127.0.0.1:1001 }");
    assert_eq!(listen(&case), "127.0.0.1:1001");
    let case = case.env("PARAPET__SERVER__LISTEN", "127.0.0.1:1002");
    assert_eq!(listen(&case), "127.0.0.1:1002");
    let case = case.flag("server.listen", "127.0.0.1:1003");
    assert_eq!(listen(&case), "127.0.0.1:1003");
    let case = case.flag("server.listen", "127.0.0.1:1004");
    assert_eq!(listen(&case), "127.0.0.1:1004");
}

#[test]
fn the_data_directory_has_its_own_variable() {
    let case = Case::new("version: 1\nstorage: { data_dir: /file }").env("PARAPET_DATA_DIR", "/env");
    assert_eq!(case.loaded().config.storage.data_dir.to_str(), Some("/env"));
}

#[test]
fn a_secret_from_the_environment_layer_is_a_reference_to_its_variable() {
    let loaded = Case::new("version: 1").env("PARAPET__PROVIDERS__OPENAI__API_KEY", "sk-x").loaded();
    let keys = &loaded.config.providers["openai"].kind.upstream().unwrap().keys;
    assert_eq!(format!("{keys:?}"), "[environment variable `PARAPET__PROVIDERS__OPENAI__API_KEY`]");
    assert!(loaded.notices.is_empty());
}

#[test]
fn a_fault_points_at_the_layer_that_caused_it() {
    let case = Case::new("version: 1")
        .env("PARAPET__SERVER__MAX_CONNECTIONS", "many")
        .env("PARAPET__SERVR__LISTEN", "127.0.0.1:1")
        .flag("telemetry.logs.level", "loud");
    insta::assert_snapshot!(case.rendered());
}

#[test]
fn explain_names_value_layer_default_and_meaning() {
    let loaded = crate::examples::large().flag("agents.support.history.max_messages", "9").loaded();
    let explained = [
        "server.listen",
        "server.shutdown",
        "agents.support.history.max_messages",
        "agents.support.max_answer_chars",
        "agents.support.parameters.top_p",
        "providers.openai.api_keys",
        "providers.openai.timeouts.first_event",
        "providers.groq.kind",
        "providers.groq.base_url",
        "providers.groq.timeouts.unary",
        "providers.ollama.timeouts.unary",
        "providers.slow.latency",
        "providers.slow.faults.rate",
        "providers.xai.base_url",
        "providers.simulated.tokens_per_second",
        "providers.nobody.timeouts.unary",
        "agents.support.tools.find_order.parameters",
        "agents.support.tool_policy.max_rounds",
        "models.cheap.targets.0",
        "providers.openai.headers.X-Trace",
    ]
    .map(|key| loaded.explain(key).unwrap().to_string());
    insta::assert_snapshot!(explained.join("\n"));
}

#[test]
fn explain_finds_the_key_that_was_meant() {
    let loaded = Case::builtin().loaded();
    let unknown = loaded.explain("server.metrics.liste").unwrap_err();
    assert_eq!(unknown.nearest.as_deref(), Some("server.metrics.listen"));
    assert_eq!(loaded.explain("nonsense").unwrap_err().nearest, None);
}

#[test]
fn every_key_of_the_format_has_a_text() {
    let loaded = crate::examples::large().loaded();
    for key in parapet_keys(&loaded.show()) {
        let explained = loaded.explain(&key).unwrap();
        assert!(explained.text.is_some(), "{key}");
        assert!(explained.value.is_some(), "{key}");
    }
}

/// The dotted keys of a block-style YAML text, without what is in lists and in the schemas of tools.
fn parapet_keys(yaml: &str) -> Vec<String> {
    let mut path: Vec<&str> = Vec::new();
    let mut keys = Vec::new();
    for line in yaml.lines().filter(|line| !line.trim_start().starts_with('-')) {
        let depth = (line.len() - line.trim_start().len()) / 2;
        let Some((key, _)) = line.trim_start().split_once(':') else { continue };
        path.truncate(depth);
        path.push(key);
        let list = ["headers", "keys", "api_keys", "targets"].iter().any(|list| path.contains(list));
        let schema = path.get(2) == Some(&"tools") && path.len() > 5;
        if !list && !schema {
            keys.push(path.join("."));
        }
    }
    assert!(keys.len() > 50, "{keys:?}");
    keys
}

#[test]
fn changes_name_the_keys_and_whether_they_need_a_restart() {
    let old = Case::new("version: 1\napp: { name: a }\nserver: { public_url: https://a.example }\nauth: { keys: [{ name: k, key: aaaaaaaaaaaaaaaa }] }").loaded();
    let new = Case::new("version: 1\napp: { name: b }\nserver: { listen: 127.0.0.1:1 }\nauth: { keys: [{ name: k, key: aaaaaaaaaaaaaaaa }] }").loaded();
    let changes: Vec<_> = old
        .changes(&new)
        .into_iter()
        .map(|c| (c.key, c.before.unwrap_or_default(), c.after.unwrap_or_default(), c.needs_restart))
        .collect();
    let change = |key: &str, before: &str, after: &str, restart| {
        (key.to_owned(), before.to_owned(), after.to_owned(), restart)
    };
    assert_eq!(
        changes,
        [
            change("app.name", "a", "b", false),
            change("server.public_url", "https://a.example", "", false),
            change("server.listen", "127.0.0.1:8080", "127.0.0.1:1", true),
        ]
    );
    assert!(old.changes(&old).is_empty());
}
