//! Faults: all at once, each at its place, one for each mistake.

use crate::support::{Case, notices};

#[test]
fn all_faults_of_a_file_are_reported_at_once() {
    let case = Case::new(
        r#"version: 1
limits: { user: { requests_per_minute: 60 } }
app: { nmae: x }
server:
  listen: localhost:8080
  body_limit: 10
  max_connections: "20"
  admin: { listen: 127.0.0.1:9090 }
  metrics: { listen: 127.0.0.1:9090 }
  shutdown: { drain: soon }
  tls: { cert_file: a, key_file: b }
providers:
  openai:
    api_key: { env: OPENAI_API_KEY, vault: { path: x } }
    timeouts: { first_event: 10s, total: 5s }
    retry: { max_attempts: 3 }
  cloud: { kind: bedrock }
  claud: { kind: antropic }
  groq: {}
  work: { kind: azure }
  local: { kind: openai-compatible }
  far: { kind: openai-compatible, base_url: "ftp://host", headers: { Host: x, "a b": y } }
  sim: { kind: simulated, latency: 1s, base_url: http://x, length: [60, 20], mood: sad, faults: { rate: 20 } }
models:
  smart: { targets: [opena/gpt-4o, simulated/x, nothing], strategy: cheapest }
  support: { targets: [simulated/x] }
  empty: { targets: [] }
agents:
  support:
    modles: [smart]
    prompt: hi
  helper:
    prompt: "${env:PROMPT}"
    models: [smrt, smart, support, other/model]
    parameters: { temperature: hot, top_p: 7, max_tokens: 0 }
    history: { store: redis, max_messages: 12 }
    max_answer_chars: -1
    tools:
      "find order": {}
      delete_order: { parameters: { type: string } }
      search: { http: { url: https://x }, parameters: { properties: { query: string } } }
    tool_policy: { max_rounds: 101, blocklist: ["delete_*"] }
auth:
  mode: requird
  keys:
    - { name: a, hash: "md5:1" }
    - { key: { env: NONE } }
    - { name: "b c", key: { env: X, file: y }, role: root }
telemetry: { logs: { level: verbose }, metrics: { path: health } }
agents: {}
"#,
    )
    .env("OPENAI_API_KEY", "sk-x");
    assert!(case.faults().len() >= 30, "{}", case.faults().len());
    insta::assert_snapshot!(case.rendered());
}

#[test]
fn faults_have_a_form_for_machines() {
    let faults = Case::new("version: 1\nservr: { listen: x }").faults();
    insta::assert_snapshot!(serde_json::to_string_pretty(&faults).unwrap());
}

#[test]
fn a_text_that_is_not_yaml_is_one_fault_with_its_place() {
    insta::assert_snapshot!(Case::new("version: 1\nserver:\n  listen: [a\nagents: {}\n").rendered());
    let flow = Case::new("version: 1\nserver: { max_connections: ${env:MOST} }").faults();
    assert!(flow[0].help.as_ref().is_some_and(|help| help.contains("quotes")), "{flow:?}");
    assert_eq!(Case::new("version: 1\n---\nversion: 1").codes(), ["syntax"]);
    assert_eq!(Case::new("just a text").codes(), ["wrong-type"]);
    assert_eq!(Case::new("[1, 2]").codes(), ["wrong-type"]);
}

#[test]
fn one_mistake_is_one_fault() {
    for text in [
        "providers: { openai: { api_kye: x } }",
        "providers: { openai: { api_key: x, timeouts: { total: 1 } } }\nagents: { a: { prompt: p, models: [openai/m] } }",
        "models: { m: { targets: [simulted/x] } }\nagents: { a: { prompt: p, models: [m, m] } }",
        "agents: { a: { promt: p, models: [simulated/x] } }",
        "server: { listen: everywhere }",
        "server: []",
        "providers: 1\nagents: { a: { prompt: p, models: [openai/m] } }",
        "auth: { keys: { name: x } }",
        "providers: { mine: { knd: openai, base_url: http://h/v1 } }",
        "providers: { mine: { kind: opnai, base_url: http://h/v1 } }",
        "providers: { groq: { api_kye: x } }",
        "providers: { groq: { headers: { Authorization: { env: NONE } } } }",
        "providers: { azure: { base_ulr: https://a.openai.azure.com, api_key: { env: KEY } } }",
        "agents: { a: { prompt: p, models: [simulated/x], tools: [t] } }",
        "agents: { a: { prompt: p, models: [simulated/x], tools: { t: { parameters: [x] } } } }",
        "agents: { a: { prompt: p, models: [simulated/x], tool_policy: { max_round: 1 } } }",
    ] {
        let case = Case::new(format!("version: 1\n{text}")).env("KEY", "k");
        assert_eq!(case.codes().len(), 1, "{text}: {}", case.rendered());
    }
}

#[test]
fn nothing_is_not_an_item_of_a_list() {
    for text in [
        "agents: { a: { prompt: p, models: [~] } }",
        "models: { a: { targets: [~, simulated/x] } }",
        "agents: { a: { prompt: p, models: [simulated/x], parameters: { stop: [~] } } }",
        "providers: { simulated: { length: [~, 3] } }",
        "providers: { simulated: { faults: { rate: 1%, kinds: [cut, ~] } } }",
        "auth: { keys: [~] }",
    ] {
        assert_eq!(Case::new(format!("version: 1\n{text}")).codes(), ["wrong-type"], "{text}");
    }
}

#[test]
fn the_version_must_be_there_and_known() {
    assert_eq!(Case::new("").codes(), ["missing-key"]);
    assert_eq!(Case::new("version: 2").codes(), ["version"]);
    assert_eq!(Case::new("version: one").codes(), ["wrong-type"]);
}

#[test]
fn what_is_not_enforced_is_refused_by_name() {
    for (key, rest) in [
        ("include", "include: [a]"),
        ("profiles", "profiles: {}"),
        ("app.environment", "app: { environment: production }"),
        ("server.tls", "server: { tls: {} }"),
        ("server.trusted_proxies", "server: { trusted_proxies: [] }"),
        ("server.cors", "server: { cors: {} }"),
        ("server.admin.public", "server: { admin: { public: true } }"),
        ("providers.simulated.circuit_breaker", "providers: { simulated: { circuit_breaker: {} } }"),
        ("models.a.sticky", "models: { a: { targets: [simulated/a], sticky: conversation } }"),
        ("models.a.targets.0.weight", "models: { a: { targets: [{ target: simulated/a, weight: 2 }] } }"),
        ("agents.a.pack", "agents: { a: { pack: p, prompt: p, models: [simulated/a] } }"),
        (
            "agents.a.history.ttl",
            "agents: { a: { history: { ttl: 24h }, prompt: p, models: [simulated/a] } }",
        ),
        (
            "agents.a.tools.t.http",
            "agents: { a: { tools: { t: { http: { url: x } } }, prompt: p, models: [simulated/a] } }",
        ),
        (
            "agents.a.tools.t.mcp",
            "agents: { a: { tools: { t: { mcp: x } }, prompt: p, models: [simulated/a] } }",
        ),
        ("storage.redis", "storage: { redis: { url: x } }"),
        ("storage.database.url", "storage: { database: { url: x } }"),
        ("budgets", "budgets: []"),
        ("auth.oidc", "auth: { oidc: {} }"),
        ("telemetry.traces", "telemetry: { traces: {} }"),
        ("flags", "flags: {}"),
    ] {
        let faults = Case::new(format!("version: 1\n{rest}")).faults();
        assert_eq!(faults.len(), 1, "{key}");
        assert_eq!(faults[0].code.as_str(), "not-enforced", "{key}");
        assert_eq!(faults[0].message, format!("`{key}` is not enforced by this version of parapet yet"));
    }
    assert_eq!(Case::new("version: 1\nproviders: { bedrock: { api_key: x } }").codes(), ["not-enforced"]);
    assert_eq!(
        Case::new("version: 1\nproviders: { a: { kind: vertex, api_key: x } }").codes(),
        ["not-enforced"]
    );
    assert_eq!(Case::builtin().env("PARAPET_PROFILE", "production").codes(), ["not-enforced"]);
}

#[test]
fn extensions_are_ignored_where_keys_are_fixed_and_names_are_names() {
    let text = "version: 1\nx-top: ${nonsense}\nserver: { x-any: [1] }\nagents: { x-ray: { prompt: p, models: [simulated/m], x-note: 1 } }";
    assert!(Case::new(text).loaded().config.agents.contains_key("x-ray"));
}

#[test]
fn interpolation_faults_are_at_the_value() {
    insta::assert_snapshot!(
        Case::new("version: 1\napp:\n  name: ${env:NAME:?set NAME to the bot's name}\n  release: ${NAME}\nserver:\n  listen: ${env:LISTEN}\n  max_connections: ${env:MOST:-many}\n  public_url: ${file:/none}\n")
            .rendered()
    );
}

#[test]
fn an_interpolated_number_is_a_number_and_an_empty_one_is_unset() {
    let text = "version: 1\nserver:\n  max_connections: ${env:MOST:-}";
    assert_eq!(Case::new(text).loaded().config.server.max_connections, None);
    assert_eq!(Case::new(text).env("MOST", "12").loaded().config.server.max_connections, Some(12));
}

#[test]
fn names_of_one_space_must_differ_and_references_must_lead_somewhere() {
    let text =
        "version: 1\nmodels: { a: { targets: [simulated/x] } }\nagents: { a: { prompt: p, models: [a] } }";
    assert_eq!(Case::new(text).codes(), ["clash"]);
    let text =
        "version: 1\nagents: { a: { prompt: p, models: [b] }, b: { prompt: p, models: [simulated/x] } }";
    assert_eq!(Case::new(text).codes(), ["unknown-name"]);
    let text = "version: 1\nproviders: { simulated: { models: [small] } }\nagents: { a: { prompt: p, models: [simulated/smal] } }";
    let faults = Case::new(text).faults();
    assert_eq!(faults[0].help.as_deref(), Some("did you mean `small`?"));
}

#[test]
fn a_model_or_agent_whose_providers_are_all_skipped_is_a_fault() {
    let text = "version: 1\nproviders: { openai: { api_key: '' } }\nmodels: { m: { targets: [openai/a] } }\nagents: { a: { prompt: p, models: [openai/a] } }";
    assert_eq!(Case::new(text).codes(), ["no-target", "no-target"]);
}

#[test]
fn a_provider_is_skipped_when_its_keys_are_absent_and_only_then() {
    let provider = |keys: &str| Case::new(format!("version: 1\nproviders: {{ openai: {{ {keys} }} }}"));
    for keys in [
        "api_key: { env: NONE }",
        "api_key: { file: /none }",
        "api_key:",
        "api_keys: []",
        "api_key: ''",
        "api_key: \"${env:NONE:-}\"",
    ] {
        assert_eq!(notices(&provider(keys).loaded()), ["provider-skipped"], "{keys}");
    }
    let one_of_two = provider("api_keys: [{ env: NONE }, { env: KEY }]").env("KEY", "sk-x").loaded();
    assert_eq!(notices(&one_of_two), ["key-skipped"]);
    assert_eq!(one_of_two.config.providers["openai"].kind.upstream().unwrap().keys.len(), 1);
    assert_eq!(provider("").codes(), ["missing-key"]);
    assert_eq!(provider("api_key: { env: NONE }, api_keys: []").codes(), ["conflict"]);
    assert_eq!(provider("api_key: { env: KEY }").env("KEY", "a\nb").codes(), ["invalid-value"]);
    let keyless =
        Case::new("version: 1\nproviders: { l: { kind: openai-compatible, base_url: http://l/v1 } }")
            .loaded();
    assert!(keyless.config.providers["l"].kind.upstream().unwrap().keys.is_empty());
}

#[test]
fn aliases_and_literal_secrets_are_noticed() {
    let loaded =
        Case::new("version: 1\nproviders: { openai: { api_key_env: KEY } }").env("KEY", "sk-x").loaded();
    assert_eq!(notices(&loaded), ["alias"]);
    let loaded = Case::new("version: 1\nproviders: { openai: { api_key: sk-x } }").loaded();
    assert_eq!(notices(&loaded), ["literal-secret"]);
    let loaded = Case::new("version: 1\nproviders: { openai: { api_key: '${env:NONE:-sk-x}' } }").loaded();
    assert_eq!(notices(&loaded), ["literal-secret"]);
    let loaded = Case::new("version: 1\nauth: { keys: [{ name: a, key: short }] }").loaded();
    assert_eq!(notices(&loaded), ["literal-secret", "weak-secret"]);
}

mod who_may_call {
    use parapet_config::AuthMode;

    use super::*;

    const KEY: &str = "auth: { keys: [{ name: a, key: { env: KEY } }] }";

    fn case(text: &str) -> Case {
        Case::new(format!("version: 1\n{text}"))
            .env("KEY", "0123456789abcdef")
            .env("OTHER", "fedcba9876543210")
    }

    fn mode(text: &str) -> (AuthMode, bool) {
        let auth = case(text).loaded().config.auth;
        (auth.mode, auth.explicit)
    }

    #[test]
    fn unset_means_open_only_while_nobody_else_can_reach_it() {
        assert_eq!(mode(""), (AuthMode::Open, false));
        assert_eq!(mode("server: { listen: '[::1]:8080' }"), (AuthMode::Open, false));
        assert_eq!(mode("server: { metrics: { listen: 0.0.0.0:9090 } }"), (AuthMode::Open, false));
        assert_eq!(mode(KEY), (AuthMode::Required, false));
        assert_eq!(mode(&format!("server: {{ listen: 0.0.0.0:80 }}\n{KEY}")), (AuthMode::Required, false));
        assert_eq!(mode(&format!("server: {{ public_url: https://a }}\n{KEY}")), (AuthMode::Required, false));
    }

    #[test]
    fn required_needs_somebody_who_can_log_in() {
        for text in [
            "server: { listen: 0.0.0.0:80 }",
            "server: { admin: { listen: 0.0.0.0:80 } }",
            "server: { public_url: https://a }",
            "auth: { mode: required }",
        ] {
            assert_eq!(case(text).codes(), ["no-access"], "{text}");
        }
    }

    #[test]
    fn open_must_be_written_to_be_reachable_and_cannot_be_published() {
        let open = "auth: { mode: open }";
        assert_eq!(mode(open), (AuthMode::Open, true));
        let reachable = case(&format!("server: {{ listen: 0.0.0.0:80 }}\n{open}")).loaded();
        assert_eq!(notices(&reachable), ["open-access"]);
        assert_eq!(case(&format!("server: {{ public_url: https://a }}\n{open}")).codes(), ["conflict"]);
        assert_eq!(
            case("auth: { mode: open, keys: [{ name: a, key: { env: KEY } }] }").codes(),
            ["no-effect"]
        );
    }

    #[test]
    fn keys_are_checked() {
        let keys = |keys: &str| case(&format!("auth: {{ keys: [{keys}] }}")).codes();
        assert_eq!(keys("{ name: a }"), ["missing-key"]);
        assert_eq!(keys("{ key: { env: KEY } }"), ["missing-key"]);
        assert_eq!(keys("{ name: a, key: { env: NONE } }"), ["missing-value"]);
        assert_eq!(keys("{ name: a, key: '' }"), ["missing-value"]);
        assert_eq!(keys("{ name: a, key: { env: KEY } }, { name: a, key: { env: OTHER } }"), ["clash"]);
        assert_eq!(keys("{ name: a, key: { env: KEY } }, { name: b, key: { env: KEY } }"), ["clash"]);
        assert_eq!(keys("{ name: a, hash: 'sha256:12' }"), ["invalid-value"]);
        assert_eq!(keys("{ name: a, key: { env: KEY }, tenant: '' }"), ["invalid-value"]);
    }
}
