//! Secrets do not come out: not in faults, not in notices, not in anything that a loaded config shows.

use parapet_config::{Finding, Style, render};

use crate::support::Case;

const CANARY: &str = "sk-canary0123456789abcdefghij";

fn assert_clean(findings: &[Finding]) {
    assert!(!findings.is_empty());
    let plain = render(findings, Style::Plain);
    let json = serde_json::to_string(findings).unwrap();
    for text in [&plain, &json, &format!("{findings:?}")] {
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn a_loaded_config_shows_none_of_its_secrets() {
    let text = format!(
        r#"version: 1
providers:
  openai: {{ api_key: "{CANARY}1" }}
  two: {{ kind: openai-compatible, base_url: http://h/v1, api_keys: ["${{env:SECRET}}", {{ env: SECRET }}, {{ file: /s }}, "${{file:/s}}", "x-${{env:SECRET}}", "${{env:NONE:-{CANARY}}}"] }}
  three: {{ kind: openai-compatible, base_url: http://h/v1, headers: {{ Authorization: "Bearer {CANARY}", X-Org: "{CANARY}" }} }}
auth: {{ keys: [{{ name: k, key: "{CANARY}2" }}] }}
"#
    );
    let case = Case::new(text)
        .env("SECRET", CANARY)
        .env("PARAPET__PROVIDERS__FOUR__API_KEY", CANARY)
        .flag("providers.four.kind", "openai")
        .flag("providers.five.kind", "openai")
        .flag("providers.five.api_key", CANARY)
        .file("/s", CANARY);
    let loaded = case.loaded();
    assert_clean(&loaded.notices);
    let shown = [
        loaded.show(),
        format!("{:?}", loaded.config),
        loaded.explain("providers").unwrap().to_string(),
        loaded.explain("providers.openai.api_key").unwrap().to_string(),
        loaded.explain("providers.two.api_keys").unwrap().to_string(),
        loaded.explain("auth.keys").unwrap().to_string(),
    ];
    for text in shown {
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn faults_beside_secrets_do_not_show_them() {
    for text in [
        // On the same line as something wrong.
        "providers: { openai: { api_key: CANARY, nonsense: 1 } }",
        "providers: { openai: { api_keys: [CANARY, { env: 1a }], nonsense: 1 } }",
        "providers: { three: { kind: nonsense, headers: { X-Org: CANARY } } }",
        "auth: { keys: [{ name: k, key: CANARY, rol: admin }] }",
        // In the wrong place or shape.
        "providers: { openai: { api_keys: CANARY } }",
        "providers: { openai: { api_key: [CANARY] } }",
        "providers: { openai: { api_key: { CANARY } } }",
        "providers: { openai: { api_key: { CANARY: 1 } } }",
        "providers: { openai: { api_key: { env: CANARY } } }",
        "providers: { openai: { api_key: { value: CANARY } } }",
        "providers: { openai: { api_key: { env: [CANARY] } } }",
        "providers: { openai: { api_keys: [{ CANARY }] } }",
        "providers: { openai: { headers: { X-Org: [CANARY] } } }",
        "providers: { openai: { headers: [\"X-Org: CANARY\"] } }",
        "providers: { openai: { headers: { X-Org: { enw: CANARY } } } }",
        "auth: { keys: [{ name: k, hash: CANARY }] }",
        "auth: { keys: CANARY }",
        "auth: { keys: [CANARY] }",
        "auth: CANARY",
        // Under a key that does not exist.
        "providers: { openai: { api_kye: CANARY } }",
        "providers: { openai: { bearer: CANARY } }",
        "providers: { openai: { nonsense: CANARY } }",
        "storage: { redis: { password: CANARY } }",
        // Written twice.
        "providers: { openai: { api_key: a, api_key: CANARY } }",
        // Through a variable, where a value would be quoted.
        "server: { listen: \"${env:SECRET}\" }",
        "server: { max_connections: ${env:SECRET} }",
        "server: { shutdown: { drain: \"${env:SECRET}\" } }",
        "telemetry: { logs: { level: \"${env:SECRET}\" }, metrics: { path: \"${env:SECRET}\" } }",
        "agents: { a: { prompt: p, models: [\"${env:SECRET}\", \"${env:SECRET}/x\", \"simulated/${env:SECRET}\"] } }",
        "models: { a: { targets: [\"${env:SECRET}\"], strategy: \"${env:SECRET}\" } }",
        "providers: { far: { kind: openai-compatible, base_url: \"${env:SECRET}\" } }",
        "auth: { keys: [{ name: \"${env:SECRET} x\", key: \"${env:SECRET}\" }] }",
        "providers: { far: { kind: \"${env:SECRET}\" } }",
        "providers: { far: { kind: simulated, mood: \"${env:SECRET}\", faults: { rate: \"${env:SECRET}\" } } }",
        "providers: { far: { kind: gemini, api_key: { env: SECRET }, api_version: \"${env:SECRET}_\" } }",
        "providers: { far: { kind: anthropic, base_url: \"https://h/${env:SECRET}/v1\" } }",
        "agents: { a: { prompt: p, models: [simulated/x], parameters: { reasoning_effort: \"${env:SECRET}\" } } }",
        "agents: { a: { prompt: p, models: [simulated/x], tools: { t: { parameters: { type: \"${env:SECRET}\" } } } } }",
        "agents: { a: { prompt: p, models: [simulated/x], tools: { t: { parameters: { required: \"${env:SECRET}\" } } } } }",
        "agents: { a: { prompt: p, models: [simulated/x], tools: { t: { parameters: { properties: { x: \"${env:SECRET}\" } } } } } }",
        "agents: { a: { prompt: p, models: [simulated/x], tool_policy: { blocklist: [\"${env:SECRET} \"] } } }",
        "providers: { far: { kind: anthropic, base_url: http://h } }\nagents: { a: { prompt: p, models: [\"far/${env:SECRET}\"], parameters: { seed: 1 } } }",
        // In a URL.
        "providers: { far: { kind: openai-compatible, base_url: \"https://me:CANARY@host/v1\" } }",
        "server: { public_url: \"https://me:CANARY@host/v1\" }",
        // In a text that is not YAML.
        "providers: { openai: { api_key: CANARY",
        "providers:\n  openai:\n    api_key: \"CANARY\n  x: 1",
        "key: CANARY: x",
        "password: @CANARY",
        "[CANARY",
        "{ a: 1, \"api_key\": \"hunter2canary",
        "a:\n  password:hunter2canary\n  b: 1",
        "{ a: 1, token: 'hunter2canary\n",
    ] {
        let case = Case::new(format!("version: 1\n{}", text.replace("CANARY", CANARY))).env("SECRET", CANARY);
        assert_clean(&case.faults());
    }
}

#[test]
fn faults_of_the_environment_and_of_flags_show_no_values() {
    let case = Case::builtin()
        .env("PARAPET__PROVIDERS__OPENAI__API_KEYS", CANARY)
        .env("PARAPET__SERVER__TLS", CANARY)
        .env("PARAPET__NONSENSE", CANARY)
        .flag("auth.keys", CANARY)
        .flag("nonsense", CANARY);
    assert_clean(&case.faults());
}

#[test]
fn secret_files_with_white_space_are_told_apart_from_absent_ones() {
    let text = "version: 1\nproviders: { openai: { api_key: { file: /s } } }";
    let loaded = Case::new(text).file("/s", "\n").loaded();
    assert_eq!(loaded.notices[0].message, "provider `openai` is skipped: file `/s` is empty");
    let loaded = Case::new(text).loaded();
    assert_eq!(loaded.notices[0].message, "provider `openai` is skipped: file `/s` does not exist");
}
