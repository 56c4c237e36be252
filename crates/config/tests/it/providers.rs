//! Providers: their kinds, addresses, keys and versions.

use wire::provider::{KINDS, KeyUse, Operation, Place};

use parapet_config::{Loaded, Upstream};

use crate::support::{Case, notices};

/// A config with one provider.
fn provider(name: &str, keys: &str) -> Case {
    Case::new(format!("version: 1\nproviders:\n  {name}: {{ {keys} }}")).env("KEY", "k-1")
}

fn upstream<'l>(loaded: &'l Loaded, name: &str) -> &'l Upstream {
    loaded.config.providers[name].kind.upstream().unwrap()
}

#[track_caller]
fn help(case: &Case, code: &str) -> String {
    let faults = case.faults();
    assert_eq!(case.codes(), [code], "{}", case.rendered());
    faults[0].help.clone().unwrap_or_default()
}

#[test]
fn every_kind_is_implied_by_its_name_and_can_be_written() {
    for kind in KINDS {
        let url = if kind.base_url.is_some() { "" } else { ", base_url: https://llm.example.com" };
        let name = kind.name;
        let implied = provider(name, &format!("api_key: {{ env: KEY }}{url}")).loaded();
        let written = provider("mine", &format!("kind: {name}, api_key: {{ env: KEY }}{url}")).loaded();
        for (loaded, provider) in [(&implied, name), (&written, "mine")] {
            assert_eq!(loaded.config.providers[provider].kind.as_str(), name);
            let want = kind.base_url.unwrap_or("https://llm.example.com");
            assert_eq!(upstream(loaded, provider).base_url.to_string(), want);
            assert_eq!(notices(loaded), <[&str; 0]>::default(), "{name}");
        }
    }
}

#[test]
fn a_kind_that_is_none_is_reported_with_all_that_are_and_the_nearest() {
    let case = provider("mine", "kind: grok, base_url: http://h/v1");
    assert_eq!(help(&case, "invalid-value"), "did you mean `groq`?");
    let message = &case.faults()[0].message;
    assert!(KINDS.iter().all(|kind| message.contains(&format!("`{}`", kind.name))), "{message}");
    assert!(message.contains("or `simulated`"), "{message}");
    assert_eq!(
        help(&provider("opnrouter", "api_key: { env: KEY }"), "missing-key"),
        "did you mean `openrouter`?"
    );
    let unlike = help(&provider("company", "api_key: { env: KEY }"), "missing-key");
    assert!(KINDS.iter().all(|kind| unlike.contains(&format!("`{}`", kind.name))), "{unlike}");
}

#[test]
fn azure_openai_is_another_name_of_azure() {
    let url = "base_url: https://acme.openai.azure.com, api_key: { env: KEY }";
    for case in [provider("azure-openai", url), provider("mine", &format!("kind: azure-openai, {url}"))] {
        let loaded = case.loaded();
        assert_eq!(notices(&loaded), ["alias"]);
        assert_eq!(loaded.config.providers[0].kind.as_str(), "azure");
    }
}

#[test]
fn a_service_wants_a_key_at_its_own_address_and_names_the_usual_variable() {
    for kind in KINDS.iter().filter(|kind| kind.base_url.is_some()) {
        match kind.key {
            KeyUse::Required => {
                let help = help(&provider(kind.name, ""), "missing-key");
                assert!(help.contains("_API_KEY"), "{help}");
            }
            KeyUse::Optional => {
                assert!(upstream(&provider(kind.name, "").loaded(), kind.name).keys.is_empty());
            }
        }
        let elsewhere = provider(kind.name, "base_url: http://127.0.0.1:9/here").loaded();
        assert!(upstream(&elsewhere, kind.name).keys.is_empty());
    }
    assert!(help(&provider("groq", ""), "missing-key").contains("{ env: GROQ_API_KEY }"));
    let azure = provider("azure", "base_url: https://acme.openai.azure.com");
    assert!(help(&azure, "missing-key").contains("{ env: AZURE_OPENAI_API_KEY }"));
}

#[test]
fn a_token_may_come_as_a_header_instead() {
    let token = "base_url: https://acme.openai.azure.com, headers: { Authorization: { env: KEY } }";
    assert!(upstream(&provider("azure", token).loaded(), "azure").keys.is_empty());
    let both = "api_key: { env: KEY }, headers: { Authorization: { env: KEY } }";
    assert_eq!(provider("groq", both).codes(), ["conflict"]);
    // Of two headers that can carry a key, each may.
    let header = "base_url: https://acme.openai.azure.com, headers: { api-key: { env: KEY } }";
    assert!(upstream(&provider("azure", header).loaded(), "azure").keys.is_empty());
    assert_eq!(provider("azure", &format!("api_key: {{ env: KEY }}, {header}")).codes(), ["conflict"]);
}

#[test]
fn headers_that_an_api_wants_are_not_set_twice() {
    for kind in KINDS {
        for (header, _) in kind.codec.headers() {
            let case = provider(kind.name, &format!("base_url: http://h, headers: {{ {header}: x }}"));
            assert_eq!(case.codes(), ["conflict"], "{}: {header}", kind.name);
        }
    }
}

#[test]
fn a_kind_without_an_address_needs_one() {
    let azure = help(&provider("azure", "api_key: { env: KEY }"), "missing-key");
    assert!(azure.contains("https://RESOURCE.openai.azure.com"), "{azure}");
    let compatible = help(&provider("openai-compatible", ""), "missing-key");
    assert!(compatible.contains("/v1"), "{compatible}");
}

#[test]
fn a_base_url_with_the_path_that_is_added_is_refused_with_the_right_one() {
    for (kind, url, right) in [
        ("anthropic", "https://api.anthropic.com/v1", "https://api.anthropic.com"),
        ("azure", "https://acme.openai.azure.com/openai/v1/", "https://acme.openai.azure.com"),
        ("azure", "https://acme.openai.azure.com/openai", "https://acme.openai.azure.com"),
        ("gemini", "https://gateway.example.com/google/v1", "https://gateway.example.com/google"),
        ("ollama", "http://host:11434/v1", "http://host:11434"),
        ("ollama", "http://host:11434/api", "http://host:11434"),
        ("openai", "https://api.openai.com/v1/chat/completions", "https://api.openai.com/v1"),
        ("groq", "https://api.groq.com/openai/v1/chat/completions", "https://api.groq.com/openai/v1"),
    ] {
        let help =
            help(&provider(kind, &format!("api_key: {{ env: KEY }}, base_url: {url}")), "invalid-value");
        assert!(help.contains(&format!("`{right}`")), "{kind}: {help}");
    }
    // Whatever the codecs add.
    for kind in KINDS {
        let place = Place { operation: Operation::Chat, model: "MODEL", stream: false, api_version: None };
        let path = kind.codec.path(&place).unwrap();
        let Some(path) = path.split('?').next().filter(|path| path.len() > 1) else { continue };
        let help = help(
            &provider(kind.name, &format!("api_key: {{ env: KEY }}, base_url: 'https://h/x{path}'")),
            "invalid-value",
        );
        assert!(help.contains("`https://h/x`"), "{}: {help}", kind.name);
    }
}

#[test]
fn a_base_url_of_somebodys_own_is_taken_as_it_is() {
    for (kind, url) in [
        ("anthropic", "https://gateway.example.com/v1/acme/anthropic"),
        ("openai", "https://gateway.example.com/openai/v1"),
        ("openai-compatible", "https://models.example.com/models"),
        ("ollama", "http://gpu.example.com/ollama"),
    ] {
        let loaded = provider(kind, &format!("base_url: '{url}'")).loaded();
        assert_eq!(upstream(&loaded, kind).base_url.to_string(), url);
    }
}

#[test]
fn a_version_is_for_apis_that_have_versions() {
    for kind in KINDS {
        let place =
            |api_version| Place { operation: Operation::Chat, model: "m", stream: false, api_version };
        let version = if kind.name == "gemini" { "v1" } else { "2024-10-21" };
        let versioned = kind.codec.path(&place(Some(version))) != kind.codec.path(&place(None));
        let case = provider(
            kind.name,
            &format!("base_url: https://h, api_key: {{ env: KEY }}, api_version: {version}"),
        );
        if versioned {
            assert_eq!(upstream(&case.loaded(), kind.name).api_version.as_deref(), Some(version));
        } else {
            assert_eq!(case.codes(), ["no-effect"], "{}", kind.name);
        }
    }
    let azure = "base_url: https://acme.openai.azure.com, api_key: { env: KEY }";
    assert_eq!(upstream(&provider("azure", azure).loaded(), "azure").api_version, None);
    let dated = provider("azure", &format!("{azure}, api_version: 2025-04-01-preview")).loaded();
    assert_eq!(upstream(&dated, "azure").api_version.as_deref(), Some("2025-04-01-preview"));
    for version in ["2024/10/21", "V1", "", "v1?x=y", "a23456789012345678901234567890123"] {
        let case = provider("azure", &format!("{azure}, api_version: '{version}'"));
        assert_eq!(case.codes(), ["invalid-value"], "{version}");
    }
    assert_eq!(provider("simulated", "api_version: v1").codes(), ["no-effect"]);
}

#[test]
fn models_on_ones_own_machine_have_time_to_be_loaded() {
    let loaded = Case::new(
        "version: 1\nproviders: { ollama: , groq: { api_key: { env: KEY } }, mine: { kind: ollama, timeouts: { unary: 10s } } }",
    )
    .env("KEY", "k-1")
    .loaded();
    let seconds = |name: &str| {
        let timeouts = upstream(&loaded, name).timeouts;
        (timeouts.first_event.as_secs(), timeouts.unary.as_secs(), timeouts.total.as_secs())
    };
    assert_eq!(seconds("groq"), (30, 60, 600));
    assert_eq!(seconds("ollama"), (120, 120, 600));
    assert_eq!(seconds("mine"), (120, 10, 600));
}
