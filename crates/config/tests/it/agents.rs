//! Agents: their parameters, their tools and the policy for them.

use parapet_config::{Agent, ToolChoice, ToolPattern};

use crate::support::Case;

fn agent(keys: &str) -> Case {
    Case::new(format!("version: 1\nagents:\n  a:\n    prompt: p\n    models: [simulated/x]\n    {keys}\n"))
}

#[track_caller]
fn loaded(keys: &str) -> Agent {
    agent(keys).loaded().config.agents["a"].clone()
}

#[track_caller]
fn parameters(schema: &str) -> String {
    loaded(&format!("tools: {{ t: {{ parameters: {schema} }} }}")).tools[0].parameters.get().to_owned()
}

#[test]
fn a_tool_has_a_name_a_description_and_a_schema_as_json() {
    let agent = loaded(
        "tools:
      find_order:
        description: Finds an order.
        parameters:
          type: object
          properties:
            number: { type: string, description: \"Its number: two letters, then digits\" }
          required: [number]
      now:",
    );
    let [find_order, now] = &agent.tools[..] else { panic!("{:?}", agent.tools) };
    assert_eq!(find_order.name, "find_order");
    assert_eq!(find_order.description.as_deref(), Some("Finds an order."));
    assert_eq!(
        find_order.parameters.get(),
        r#"{"type":"object","properties":{"number":{"type":"string","description":"Its number: two letters, then digits"}},"required":["number"]}"#
    );
    assert_eq!((now.name.as_str(), now.description.as_deref()), ("now", None));
}

#[test]
fn a_schema_says_at_least_that_it_is_an_object() {
    let nothing = r#"{"type":"object","properties":{}}"#;
    assert_eq!(loaded("tools: { t: {} }").tools[0].parameters.get(), nothing);
    assert_eq!(parameters("{}"), nothing);
    assert_eq!(parameters("{ properties: {} }"), nothing);
    assert_eq!(parameters("{ type: object }"), r#"{"properties":{},"type":"object"}"#);
    assert_eq!(
        parameters("{ properties: { a: true }, x-note: 1 }"),
        r#"{"type":"object","properties":{"a":true},"x-note":1}"#
    );
}

#[test]
fn numbers_and_texts_of_a_schema_keep_their_spelling() {
    assert_eq!(
        parameters(
            r#"{ properties: { n: { multipleOf: 0.10, maximum: 123456789012345678901234567890, minimum: -1e3, default: +5 }, s: { enum: ["1", 'true', on, 2024-10-21], pattern: "^\\d+$", const: "null" } } }"#
        ),
        r#"{"type":"object","properties":{"n":{"multipleOf":0.10,"maximum":123456789012345678901234567890,"minimum":-1e3,"default":5},"s":{"enum":["1","true","on","2024-10-21"],"pattern":"^\\d+$","const":"null"}}}"#
    );
}

#[test]
fn variables_in_a_schema_are_filled_in_or_reported() {
    let case = agent("tools: { t: { parameters: { properties: { a: { const: \"${env:A}\" } } } } }");
    assert_eq!(case.codes(), ["missing-value"]);
    let agent = case.env("A", "\"x\"").loaded().config.agents["a"].clone();
    assert!(agent.tools[0].parameters.get().contains(r#"{"const":"\"x\""}"#), "{:?}", agent.tools);
}

#[test]
fn a_schema_that_is_none_of_an_object_is_refused() {
    for schema in [
        "{ type: string }",
        "{ type: [object, 'null'] }",
        "{ properties: [city] }",
        "{ properties: { city: string } }",
        "{ properties: { city: } }",
        "{ required: city }",
        "{ required: [1] }",
    ] {
        let case = agent(&format!("tools: {{ t: {{ parameters: {schema} }} }}"));
        assert_eq!(case.codes(), ["invalid-value"], "{schema}");
        assert!(case.faults()[0].help.is_some(), "{schema}");
    }
    assert_eq!(agent("tools: { t: { parameters: [a] } }").codes(), ["wrong-type"]);
    assert_eq!(agent("tools: { t: { parameters: object } }").codes(), ["wrong-type"]);
}

#[test]
fn names_of_tools_are_those_that_every_provider_takes() {
    let longest = "t".repeat(64);
    for name in ["t", "find_order", "find-order", "2", longest.as_str()] {
        assert_eq!(loaded(&format!("tools: {{ '{name}': {{}} }}")).tools[0].name, name);
    }
    let longer = "t".repeat(65);
    for name in ["", "find order", "find.order", "ordnung_für", longer.as_str()] {
        assert_eq!(agent(&format!("tools: {{ '{name}': {{}} }}")).codes(), ["invalid-value"], "{name}");
    }
}

#[test]
fn an_agent_has_at_most_128_tools() {
    let tools = |count| (0..count).map(|n| format!("t{n}: {{}}")).collect::<Vec<_>>().join(", ");
    assert_eq!(loaded(&format!("tools: {{ {} }}", tools(128))).tools.len(), 128);
    assert_eq!(agent(&format!("tools: {{ {} }}", tools(129))).codes(), ["out-of-range"]);
}

#[test]
fn the_policy_has_defaults_and_bounds() {
    let policy = loaded("").tool_policy;
    assert_eq!(policy.tool_choice, None);
    assert_eq!((policy.max_rounds, policy.max_tool_calls_per_turn), (5, 10));
    assert_eq!(policy.blocklist, []);
    let policy =
        loaded("tool_policy: { tool_choice: required, max_rounds: 0, max_tool_calls_per_turn: 128 }")
            .tool_policy;
    assert_eq!(policy.tool_choice, Some(ToolChoice::Required));
    assert_eq!((policy.max_rounds, policy.max_tool_calls_per_turn), (0, 128));
    for (word, choice) in [("auto", ToolChoice::Auto), ("none", ToolChoice::None)] {
        let policy = loaded(&format!("tool_policy: {{ tool_choice: {word} }}")).tool_policy;
        assert_eq!(policy.tool_choice, Some(choice));
    }
    assert_eq!(agent("tool_policy: { tool_choice: any }").codes(), ["invalid-value"]);
    assert_eq!(agent("tool_policy: { max_rounds: 101 }").codes(), ["out-of-range"]);
    assert_eq!(agent("tool_policy: { max_tool_calls_per_turn: 0 }").codes(), ["out-of-range"]);
    assert_eq!(agent("tool_policy: { max_tool_calls_per_turn: 129 }").codes(), ["out-of-range"]);
}

#[test]
fn a_tool_that_the_blocklist_forbids_has_no_effect() {
    let tools = "tools: { find_order: {}, delete_order: {} }";
    for (blocklist, codes) in [
        ("delete_*", &["no-effect"][..]),
        ("*_order", &["no-effect", "no-effect"]),
        ("find_order", &["no-effect"]),
    ] {
        let case = agent(&format!("{tools}\n    tool_policy: {{ blocklist: ['{blocklist}'] }}"));
        assert_eq!(case.codes(), codes, "{blocklist}");
    }
    let policy = loaded(&format!("{tools}\n    tool_policy: {{ blocklist: ['drop_*', order] }}")).tool_policy;
    assert_eq!(policy.blocklist, ["drop_*", "order"].map(ToolPattern::new));
}

#[test]
fn the_blocklist_has_names_and_stars_and_nothing_else() {
    for pattern in ["''", "'a b'", "'a?'", "'[ab]'"] {
        let case = agent(&format!("tool_policy: {{ blocklist: [x, {pattern}] }}"));
        assert_eq!(case.codes(), ["invalid-value"], "{pattern}");
    }
    assert_eq!(agent("tool_policy: { blocklist: [~] }").codes(), ["wrong-type"]);
    assert_eq!(agent("tool_policy: { blocklist: [[a]] }").codes(), ["wrong-type"]);
}

#[test]
fn parameters_are_sent_along_within_their_bounds() {
    let parameters = loaded("parameters: { top_k: 40, reasoning_effort: minimal }").parameters;
    assert_eq!((parameters.top_k, parameters.reasoning_effort.as_deref()), (Some(40), Some("minimal")));
    assert_eq!(agent("parameters: { top_k: 0 }").codes(), ["out-of-range"]);
    assert_eq!(agent("parameters: { reasoning_effort: Very High }").codes(), ["invalid-value"]);
    assert_eq!(agent("parameters: { reasoning_effort: '' }").codes(), ["invalid-value"]);
}
