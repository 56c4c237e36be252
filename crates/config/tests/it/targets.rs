//! Agents and what their targets can be asked: what has no counterpart anywhere is a fault, what has none at some is
//! a notice.

use std::fmt::Write;

use wire::provider::KINDS;

use crate::support::{Case, notices};

/// An agent on `models`, each of which is `kind/model`.
fn agent(models: &[&str], keys: &str) -> Case {
    let mut text = String::from("version: 1\nproviders:\n");
    for kind in KINDS {
        let url = if kind.base_url.is_some() { "" } else { ", base_url: https://llm.example.com" };
        writeln!(text, "  {}: {{ api_key: {{ env: KEY }}{url} }}", kind.name).unwrap();
    }
    let models = models.join(", ");
    write!(text, "agents:\n  a:\n    prompt: p\n    models: [{models}]\n    {keys}\n").unwrap();
    Case::new(text).env("KEY", "k-1")
}

/// What of the agent has no counterpart at its only target.
fn refused(model: &str, keys: &str) -> Vec<String> {
    let faults = match agent(&[model], keys).load() {
        Ok(loaded) => {
            assert_eq!(loaded.notices, [], "{model}: {keys}");
            return Vec::new();
        }
        Err(faults) => faults,
    };
    let member = |fault: &parapet_config::Fault| {
        assert_eq!(fault.code.as_str(), "no-target", "{model}: {keys}: {fault:?}");
        let rest = "` has no counterpart at any target of this agent";
        fault.message.strip_prefix('`').and_then(|text| text.strip_suffix(rest)).unwrap().to_owned()
    };
    faults.iter().map(member).collect()
}

const TOOL: &str = "tools: { t: {} }";

#[test]
fn every_kind_can_be_asked_what_a_plain_agent_asks() {
    let plain = format!("parameters: {{ max_tokens: 4000, stop: END }}\n    {TOOL}");
    for kind in KINDS {
        assert_eq!(refused(&format!("{}/m", kind.name), &plain), [""; 0], "{}", kind.name);
    }
}

#[test]
fn what_has_no_counterpart_at_the_only_target_is_a_fault() {
    let required = "tools: { t: {} }\n    tool_policy: { tool_choice: required }";
    let never = "tools: { t: {} }\n    tool_policy: { tool_choice: required, max_rounds: 0 }";
    let nothing_to_call = "tool_policy: { tool_choice: required }";
    let table: &[(&str, &str, &[&str])] = &[
        ("anthropic/claude-sonnet-4-6", "parameters: { seed: 7 }", &["seed"]),
        ("anthropic/claude-sonnet-4-6", "parameters: { presence_penalty: 1 }", &["presence_penalty"]),
        (
            "anthropic/claude-sonnet-4-6",
            "parameters: { frequency_penalty: 0.5, seed: 7 }",
            &["frequency_penalty", "seed"],
        ),
        ("anthropic/claude-sonnet-4-6", "parameters: { frequency_penalty: 0, presence_penalty: 0 }", &[]),
        ("anthropic/claude-sonnet-4-6", "parameters: { stop: ' ' }", &["stop"]),
        ("anthropic/claude-sonnet-4-6", "parameters: { stop: END }", &[]),
        ("anthropic/claude-sonnet-4-6", "parameters: { temperature: 0.2, top_k: 3 }", &[]),
        (
            "anthropic/claude-opus-4-8",
            "parameters: { temperature: 0.2, top_p: 0.5, top_k: 3 }",
            &["temperature", "top_p", "top_k"],
        ),
        ("anthropic/claude-opus-4-8", "parameters: { temperature: 1, top_p: 1 }", &[]),
        ("anthropic/claude-sonnet-4-6", "parameters: { temperature: 1.5 }", &["temperature"]),
        ("anthropic/claude-opus-4-8", "parameters: { reasoning_effort: immense }", &["reasoning_effort"]),
        ("anthropic/claude-opus-5-5", "parameters: { reasoning_effort: none }", &["reasoning_effort"]),
        ("anthropic/claude-opus-5-5", required, &["tool_choice"]),
        ("anthropic/claude-opus-5-5", never, &[]),
        ("anthropic/claude-opus-5-5", nothing_to_call, &[]),
        ("anthropic/claude-opus-4-8", required, &[]),
        ("openai/gpt-4o", "parameters: { top_k: 40 }", &["top_k"]),
        ("azure/gpt-4o", "parameters: { top_k: 40 }", &["top_k"]),
        ("vllm/qwen3", "parameters: { top_k: 40 }", &["top_k"]),
        ("openai/gpt-4o", "parameters: { seed: 7, frequency_penalty: 1, reasoning_effort: new }", &[]),
        ("openai/gpt-4o", required, &[]),
        ("gemini/gemini-3-flash", "parameters: { top_k: 40, seed: 7, reasoning_effort: low }", &[]),
        ("gemini/gemini-3-flash", "parameters: { seed: 3000000000 }", &["seed"]),
        ("gemini/gemini-2.0-flash", "parameters: { reasoning_effort: low }", &["reasoning_effort"]),
        ("gemini/gemini-3-flash", required, &[]),
        ("ollama/qwen3", "parameters: { top_k: 40, seed: 7, presence_penalty: 1 }", &[]),
        ("ollama/qwen3", "parameters: { reasoning_effort: max }", &["reasoning_effort"]),
        ("ollama/qwen3", required, &["tool_choice"]),
        ("ollama/qwen3", never, &[]),
        ("simulated/any", "parameters: { seed: 7, top_k: 40, reasoning_effort: immense }", &[]),
        ("simulated/any", required, &[]),
    ];
    for (model, keys, want) in table {
        assert_eq!(refused(model, keys), *want, "{model}: {keys}");
    }
}

#[test]
fn a_schema_that_is_too_deep_for_a_target_is_a_fault_of_the_tools_and_one_that_is_too_deep_for_all_its_own() {
    let nested = |inner: &str, levels: usize| format!("{}{inner}{}", "[".repeat(levels), "]".repeat(levels));
    // As YAML nests no deeper than 32 levels, by way of aliases.
    let tools = |levels: usize| {
        let (deep, deeper) = (nested("1", 20), nested("*deep", 20));
        let schema = format!("{{ x: {} }}", nested("*deeper", levels - 41));
        format!(
            "x-deep: &deep {deep}\n    x-deeper: &deeper {deeper}\n    tools: {{ t: {{ parameters: {schema} }} }}"
        )
    };
    assert_eq!(refused("gemini/gemini-3-flash", &tools(56)), [""; 0]);
    assert_eq!(refused("gemini/gemini-3-flash", &tools(57)), ["tools"]);
    assert_eq!(refused("openai/gpt-4o", &tools(64)), [""; 0]);
    assert_eq!(agent(&["openai/gpt-4o"], &tools(65)).codes(), ["too-large"]);
}

#[test]
fn it_is_reported_where_it_is_written_with_the_targets() {
    let case = agent(
        &["anthropic/claude-sonnet-4-6", "anthropic/claude-opus-4-6"],
        "parameters: { seed: 7, frequency_penalty: 1 }\n    tools: { t: {} }",
    );
    insta::assert_snapshot!(case.rendered());
    let case = Case::new(
        "version: 1\nproviders: { ollama: {} }\nagents: { a: { prompt: p, models: [ollama/m], tools: { t: {} } } }",
    );
    let case = case.env("PARAPET__AGENTS__A__TOOL_POLICY__TOOL_CHOICE", "required");
    insta::assert_snapshot!(case.rendered());
}

#[test]
fn targets_that_are_always_passed_over_are_a_notice() {
    let keys = "parameters: { seed: 7, frequency_penalty: 1, top_k: 40 }";
    let models = ["anthropic/claude-sonnet-4-6", "openai/gpt-4o", "groq/m", "ollama/qwen3"];
    let loaded = agent(&models, keys).loaded();
    assert_eq!(notices(&loaded), ["target-skipped"; 3]);
    let messages: Vec<_> = loaded.notices.iter().map(|notice| notice.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "`seed` has no counterpart at `anthropic/claude-sonnet-4-6`, which this agent never asks",
            "`frequency_penalty` has no counterpart at `anthropic/claude-sonnet-4-6`, which this agent never asks",
            "`top_k` has no counterpart at `openai/gpt-4o` and `groq/m`, which this agent never asks",
        ]
    );
    assert_eq!(loaded.config.agents["a"].models.len(), models.len());
    let simulated = agent(&["anthropic/claude-sonnet-4-6", "simulated/any"], keys).loaded();
    assert_eq!(notices(&simulated), ["target-skipped"; 2]);
}

#[test]
fn wishes_that_only_together_leave_no_target_are_a_fault_of_the_agent() {
    let case = agent(&["anthropic/claude-sonnet-4-6", "openai/gpt-4o"], "parameters: { seed: 7, top_k: 40 }");
    insta::assert_snapshot!(case.rendered());
    // What is refused everywhere comes first: without it there may be a target.
    let keys = "parameters: { reasoning_effort: immense, seed: 7 }";
    let case = agent(&["anthropic/claude-sonnet-4-6", "ollama/qwen3"], keys);
    assert_eq!(case.codes(), ["no-target"]);
    assert!(case.faults()[0].message.starts_with("`reasoning_effort` "), "{}", case.rendered());
}

#[test]
fn targets_behind_a_name_are_asked_and_skipped_ones_are_not() {
    let text = "version: 1
providers: { openai: { api_key: '${env:NONE:-}' }, anthropic: { api_key: { env: KEY } } }
models: { smart: { targets: [openai/gpt-4o, anthropic/claude-sonnet-4-6] } }
agents: { a: { prompt: p, models: [smart], parameters: { seed: 7 } } }";
    let case = Case::new(text).env("KEY", "k-1");
    assert_eq!(case.codes(), ["no-target"]);
    let with_openai = Case::new(text.replace("NONE", "KEY")).env("KEY", "k-1").loaded();
    assert_eq!(notices(&with_openai), ["target-skipped"]);
}

#[test]
fn one_mistake_is_one_fault() {
    let keys = "parameters: { seed: 7, temperature: hot }";
    assert_eq!(agent(&["anthropic/claude-sonnet-4-6"], keys).codes(), ["wrong-type"]);
    let keys = "parameters: { seed: 7 }";
    assert_eq!(agent(&["anthropic/claude-sonnet-4-6", "nobody/m"], keys).codes(), ["unknown-name"]);
}
