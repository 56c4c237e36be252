//! Tools that the model may ask for, and whether it may, or has to.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::anthropic::model::Model;
use crate::anthropic::schema;
use crate::call::{Call, Tool, ToolChoice};
use crate::ids::is_word;
use crate::provider::Uncarried;

/// Longest name of a tool.
const MAX_NAME: usize = 128;

#[derive(Serialize)]
pub(super) struct Declared<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    input_schema: Box<RawValue>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
}

#[derive(Serialize)]
pub(super) struct Choice<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disable_parallel_tool_use: bool,
}

/// # Errors
/// If the tool cannot be told here.
pub(super) fn tool(tool: &Tool) -> Result<Declared<'_>, Uncarried> {
    let no_place = || Uncarried::new("tools");
    if !is_name(&tool.name) {
        return Err(no_place());
    }
    Ok(Declared {
        name: &tool.name,
        description: tool.description.as_deref(),
        input_schema: schema::of_input(tool.schema.as_ref()).ok_or_else(no_place)?,
        strict: tool.strict == Some(true),
    })
}

/// None if there is nothing to say.
///
/// # Errors
/// If the model does not let a tool be forced, or there is none to force.
pub(super) fn choice(call: &Call, model: Model) -> Result<Option<Choice<'_>>, Uncarried> {
    let one_at_a_time = call.parallel_tool_calls == Some(false) && !call.tools.is_empty();
    let (kind, name) = match &call.tool_choice {
        None | Some(ToolChoice::Auto) if !one_at_a_time => return Ok(None),
        // The API takes no choice where there is nothing to choose from.
        Some(ToolChoice::None) if call.tools.is_empty() => return Ok(None),
        None | Some(ToolChoice::Auto) => ("auto", None),
        Some(ToolChoice::None) => ("none", None),
        Some(_) if call.tools.is_empty() || model.chooses_tools_itself() => {
            return Err(Uncarried::new("tool_choice"));
        }
        Some(ToolChoice::Required) => ("any", None),
        Some(ToolChoice::Named(name)) => ("tool", Some(name.as_str())),
    };
    Ok(Some(Choice { kind, name, disable_parallel_tool_use: one_at_a_time && kind != "none" }))
}

/// The model's answer repeats a tool's name, which therefore cannot be exchanged for another.
pub(super) fn is_name(name: &str) -> bool {
    is_word(name, MAX_NAME)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const MODEL: &str = "claude-sonnet-4-6";

    fn weather() -> Tool {
        Tool { name: "weather".into(), description: None, schema: None, strict: None }
    }

    #[test]
    fn a_tool_has_its_members_here() {
        let tool = |strict| {
            let description = Some("The sky.".into());
            serde_json::to_value(super::tool(&Tool { description, strict, ..weather() }).unwrap()).unwrap()
        };
        let schema = json!({"type": "object"});
        let plain = json!({"name": "weather", "description": "The sky.", "input_schema": schema});
        assert_eq!(tool(Some(false)), plain);
        assert_eq!(tool(Some(true))["strict"], true);
    }

    #[test]
    fn a_name_that_the_answer_could_not_repeat_is_not_carried() {
        for name in ["", "get weather", "wetter.köln", &"x".repeat(129)] {
            let refused = tool(&Tool { name: name.into(), ..weather() }).err();
            assert_eq!(refused, Some(Uncarried::new("tools")), "{name}");
        }
    }

    #[test]
    fn the_choice_has_its_words_here() {
        let choice = |tool_choice, parallel_tool_calls, tools| {
            let asked = Call { tool_choice, parallel_tool_calls, tools, ..Call::default() };
            serde_json::to_value(super::choice(&asked, Model::named(MODEL)).unwrap()).unwrap()
        };
        let tools = || vec![weather()];
        let named = || Some(ToolChoice::Named("weather".into()));
        assert_eq!(choice(None, None, tools()), Value::Null);
        assert_eq!(choice(Some(ToolChoice::Auto), Some(true), tools()), Value::Null);
        assert_eq!(choice(Some(ToolChoice::Auto), Some(false), Vec::new()), Value::Null);
        assert_eq!(choice(Some(ToolChoice::None), Some(false), tools()), json!({"type": "none"}));
        assert_eq!(choice(Some(ToolChoice::None), None, Vec::new()), Value::Null);
        assert_eq!(choice(Some(ToolChoice::Required), None, tools()), json!({"type": "any"}));
        assert_eq!(
            choice(None, Some(false), tools()),
            json!({"type": "auto", "disable_parallel_tool_use": true})
        );
        assert_eq!(
            choice(named(), Some(false), tools()),
            json!({"type": "tool", "name": "weather", "disable_parallel_tool_use": true})
        );
    }

    #[test]
    fn a_tool_is_forced_only_where_there_is_one_and_the_model_obeys() {
        let refused = |tools, model| {
            let asked = Call { tool_choice: Some(ToolChoice::Required), tools, ..Call::default() };
            super::choice(&asked, Model::named(model)).err()
        };
        assert_eq!(refused(vec![weather()], MODEL), None);
        assert_eq!(refused(Vec::new(), MODEL), Some(Uncarried::new("tool_choice")));
        assert_eq!(refused(vec![weather()], "claude-sonnet-5-5"), Some(Uncarried::new("tool_choice")));
    }
}
