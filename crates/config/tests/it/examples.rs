//! The configs that the documentation shows, and what they come to.

use parapet_config::{AuthMode, Durability, KeySecret, SecretRef};

use crate::support::{Case, notices};

const SMALLEST: &str = r#"
version: 1
providers:
  openai: { api_key: "${env:OPENAI_API_KEY:-}" }    # empty: skipped with a notice
agents:
  support:
    models: [openai/gpt-4o-mini, simulated/support]
    prompt: You are a friendly support agent for Acme. Answer in at most three sentences.
"#;

/// What of the production example this version enforces.
pub(crate) const LARGE: &str = r#"
version: 1
x-owner: the platform team
app: { name: support-bot, release: "${env:RELEASE:-1.0.0}" }
server:
  listen: 0.0.0.0:8080
  metrics: { listen: 0.0.0.0:9090 }
  admin: { listen: 127.0.0.1:9091 }
  public_url: https://chat.example.com/
  body_limit: 2MiB
  max_connections: 5000
  shutdown: { accept_for: 5s, drain: 120s }
providers:
  openai:
    kind: openai
    api_keys: [{ file: /run/secrets/openai_1 }, { env: OPENAI_API_KEY_2 }]
    headers: { OpenAI-Organization: org-1, X-Trace: "${env:TRACE}" }
    timeouts: { connect: 3s, first_event: 10s, between_events: 60s, total: 600s, unary: 30s }
  claude: { kind: anthropic, api_key: { env: ANTHROPIC_API_KEY } }
  work:
    kind: azure
    base_url: https://acme.openai.azure.com
    api_version: 2024-10-21
    api_key: { env: AZURE_OPENAI_API_KEY }
  groq: { api_key: { env: GROQ_API_KEY } }
  ollama: {}
  local: { kind: openai-compatible, base_url: "http://inference.models.svc/v1", models: [llama-3.1-8b] }
  slow:
    kind: simulated
    mood: slow
    faults: { rate: 2.5%, kinds: [overloaded, cut] }
    latency: 2s
    tokens_per_second: 5
    length: 80
    seed: 7
models:
  smart: { targets: [openai/gpt-4o, { target: slow/any }], strategy: priority }
  cheap: { targets: [openai/gpt-4o-mini, local/llama-3.1-8b] }
agents:
  support:
    prompt: You help.
    models: [smart, claude/claude-sonnet-4-5, cheap, openai/gpt-4o, simulated/last/resort]
    parameters: { max_tokens: 500, temperature: 0.7, stop: END }
    tools:
      find_order:
        description: Finds an order by its number.
        parameters:
          type: object
          properties: { number: { type: string, pattern: "^[A-Z]{2}[0-9]+$" }, limit: { type: integer, maximum: 1.50 } }
          required: [number]
      time: {}
    tool_policy: { tool_choice: auto, max_rounds: 3, max_tool_calls_per_turn: 4, blocklist: ["delete_*"] }
    history: { store: database, max_messages: 12 }
  thinker:
    prompt: You think.
    models: [ollama/qwen3]
    parameters: { top_k: 40, seed: 7, reasoning_effort: low }
storage:
  data_dir: /var/lib/parapet
  database: { durability: relaxed }
auth:
  keys:
    - { name: ci, hash: "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", role: admin, tenant: acme }
    - { name: app, key: { env: APP_KEY } }
telemetry: { logs: { level: debug, format: text }, metrics: { path: /prometheus } }
"#;

pub(crate) fn large() -> Case {
    Case::new(LARGE)
        .env("OPENAI_API_KEY_2", "sk-two")
        .env("ANTHROPIC_API_KEY", "sk-three")
        .env("AZURE_OPENAI_API_KEY", "four")
        .env("GROQ_API_KEY", "gsk_five")
        .env("TRACE", "t1")
        .env("APP_KEY", "0123456789abcdef0123")
        .file("/run/secrets/openai_1", "sk-one\n")
}

#[test]
fn with_no_config_at_all_there_is_a_simulated_agent_on_loopback() {
    let loaded = Case::builtin().loaded();
    let config = &loaded.config;
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.metrics.to_string(), "127.0.0.1:9090");
    assert_eq!(config.server.admin.to_string(), "127.0.0.1:9091");
    assert_eq!(config.storage.data_dir.to_str(), Some("./parapet-data"));
    assert_eq!(config.auth.mode, AuthMode::Open);
    assert!(!config.auth.explicit);
    assert_eq!(config.agents.keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["support"]);
    assert_eq!(config.agents["support"].models[0].to_string(), "simulated/support");
    assert_eq!(notices(&loaded), <[&str; 0]>::default());
}

#[test]
fn the_smallest_file_works_with_and_without_a_key() {
    let without = Case::new(SMALLEST).loaded();
    assert_eq!(notices(&without), ["provider-skipped"]);
    let targets = |loaded: &parapet_config::Loaded| {
        loaded.config.agents["support"].models.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(targets(&without), ["simulated/support"]);
    assert!(!without.config.providers.contains_key("openai"));

    let with = Case::new(SMALLEST).env("OPENAI_API_KEY", "sk-x").loaded();
    assert_eq!(notices(&with), <[&str; 0]>::default());
    assert_eq!(targets(&with), ["openai/gpt-4o-mini", "simulated/support"]);
    let kind = &with.config.providers["openai"].kind;
    assert_eq!(kind.as_str(), "openai");
    let openai = kind.upstream().unwrap();
    assert_eq!(openai.base_url.to_string(), "https://api.openai.com/v1");
    assert!(matches!(&openai.keys[..], [SecretRef::Env { name }] if name == "OPENAI_API_KEY"));
}

#[test]
fn the_large_file_comes_to_what_it_says() {
    let loaded = large().loaded();
    insta::assert_debug_snapshot!(loaded.config);
    assert_eq!(loaded.config.storage.durability, Durability::Relaxed);
    assert!(matches!(loaded.config.auth.keys[0].secret, KeySecret::Sha256([0xba, 0x78, ..])));
    assert_eq!(notices(&loaded), <[&str; 0]>::default());
}

#[test]
fn show_is_the_whole_effective_config_and_loads_again() {
    let loaded = Case::new(SMALLEST).env("OPENAI_API_KEY", "sk-x").flag("auth.mode", "open").loaded();
    insta::assert_snapshot!(loaded.show());
    let again = Case::new(loaded.show()).loaded();
    assert_eq!(again.config.agents, loaded.config.agents);
}

#[test]
fn a_loaded_config_can_be_shared_between_threads() {
    const fn shared<T: Send + Sync + 'static>(_: &T) {}
    shared(&Case::builtin().loaded());
}

#[test]
fn with_a_config_file_no_agent_is_implied() {
    assert!(Case::new("version: 1").loaded().config.agents.is_empty());
}

#[test]
fn the_hash_follows_the_settings_and_neither_layout_nor_secrets() {
    let hash = |text: &str| Case::new(text).loaded().hash();
    let one = hash("version: 1\nserver: { body_limit: 1MiB }\napp: { name: a }");
    assert_eq!(one.len(), 12);
    assert_eq!(
        one,
        hash("# a comment\napp:\n  name: \"a\"\nx-note: 1\nserver: { body_limit: 1MiB }\nversion: 1")
    );
    assert_ne!(one, hash("version: 1\nserver: { body_limit: 2MiB }\napp: { name: a }"));
    assert_eq!(
        one,
        Case::new("version: 1\napp: { name: a }").env("PARAPET__SERVER__BODY_LIMIT", "1MiB").loaded().hash()
    );
    let key = |key: &str| hash(&format!("version: 1\nproviders: {{ openai: {{ api_key: {key} }} }}"));
    assert_eq!(key("sk-one"), key("sk-two"));
}

#[test]
fn the_schema_knows_every_key_in_both_drafts() {
    let latest = parapet_config::schema(parapet_config::Draft::Latest);
    insta::assert_snapshot!(serde_json::to_string_pretty(&latest).unwrap());
    let old = parapet_config::schema(parapet_config::Draft::Draft07);
    assert_eq!(old["$schema"], "http://json-schema.org/draft-07/schema#");
    assert!(old["definitions"]["Provider"]["properties"]["api_key"].is_object());
}
