//! What a model's series decides, above all how it is told how hard to think.
//!
//! Series 2.5 takes a budget of tokens. Later ones take a level and, for compatibility, still a budget, but never both.
//! Efforts become budgets and levels as in the table with which Google serves the chat dialect itself
//! (<https://ai.google.dev/gemini-api/docs/openai#thinking>). Summaries of the thoughts are asked for where the caller
//! asks for reasoning, and only there.

use serde::Serialize;

use crate::call::Parameters;
use crate::provider::Uncarried;

/// Generations of models, by their names. An alias such as `gemini-flash-latest`, and a name that is not known, is
/// taken for the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Series {
    /// 2.0 and before: they do not think.
    Plain,
    /// 2.5: they think within a budget.
    Budgets,
    /// 3 and later: they think at a level, insist on the signatures of their function calls, may be shown pictures by
    /// functions, and give structured answers beside functions.
    Levels,
}

impl Series {
    pub(super) fn of(model: &str) -> Self {
        let name = model.strip_prefix("models/").unwrap_or(model);
        if name.starts_with("gemini-1.") || name.starts_with("gemini-2.0") {
            Self::Plain
        } else if name.starts_with("gemini-2.5") {
            Self::Budgets
        } else {
            Self::Levels
        }
    }
}

/// The largest budgets (<https://ai.google.dev/gemini-api/docs/thinking#set-budget>).
const MAX_TOKENS: u64 = 24_576;
const MAX_TOKENS_PRO: u64 = 32_768;

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Thinking {
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_budget: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_level: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    include_thoughts: bool,
}

impl Thinking {
    /// None if the caller leaves it to the model.
    ///
    /// # Errors
    /// If the model cannot think like that, which includes not to think at all.
    pub(super) fn of(asked: &Parameters, model: &str) -> Result<Option<Self>, Uncarried> {
        let (effort, budget) = (asked.reasoning_effort.as_deref(), asked.reasoning_budget);
        if effort.is_none() && budget.is_none() {
            return Ok(None);
        }
        let pro = model.contains("-pro");
        // A budget is a limit, so the most that a model takes is within any larger one.
        let budget = budget.map(|tokens| tokens.min(if pro { MAX_TOKENS_PRO } else { MAX_TOKENS }));
        let thinking = match Series::of(model) {
            Series::Plain => {
                return if effort.is_none_or(|e| e == "none") && budget.is_none_or(|b| b == 0) {
                    Ok(None)
                } else {
                    Err(Uncarried::new("reasoning_effort"))
                };
            }
            Series::Budgets => {
                budget.or_else(|| tokens(effort?)).filter(|tokens| *tokens > 0 || !pro).map(Self::budget)
            }
            Series::Levels => match effort {
                Some(effort) => level(effort, pro).map(Self::level),
                None => budget.filter(|tokens| *tokens > 0).map(Self::budget),
            },
        };
        thinking.map(Some).ok_or(Uncarried::new("reasoning_effort"))
    }

    fn budget(tokens: u64) -> Self {
        Self { thinking_budget: Some(tokens), include_thoughts: tokens > 0, ..Self::default() }
    }

    fn level(level: &'static str) -> Self {
        Self { thinking_level: Some(level), include_thoughts: true, ..Self::default() }
    }
}

fn tokens(effort: &str) -> Option<u64> {
    match effort {
        "none" => Some(0),
        "minimal" | "low" => Some(1024),
        "medium" => Some(8192),
        "high" => Some(MAX_TOKENS),
        _ => None,
    }
}

fn level(effort: &str, pro: bool) -> Option<&'static str> {
    match effort {
        "minimal" if pro => Some("LOW"),
        "minimal" => Some("MINIMAL"),
        "low" => Some("LOW"),
        "medium" => Some("MEDIUM"),
        "high" => Some("HIGH"),
        "xhigh" => Some("XHIGH"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thinking(model: &str, effort: Option<&str>, budget: Option<u64>) -> Result<Option<Thinking>, String> {
        let asked = Parameters {
            reasoning_effort: effort.map(str::to_owned),
            reasoning_budget: budget,
            ..Parameters::default()
        };
        Thinking::of(&asked, model).map_err(|uncarried| uncarried.member().to_owned())
    }

    fn refused() -> Result<Option<Thinking>, String> {
        Err("reasoning_effort".into())
    }

    #[test]
    fn the_series_is_in_the_name() {
        assert_eq!(Series::of("gemini-1.5-flash"), Series::Plain);
        assert_eq!(Series::of("models/gemini-2.0-flash-lite"), Series::Plain);
        assert_eq!(Series::of("gemini-2.5-pro"), Series::Budgets);
        for model in
            ["gemini-3-flash-preview", "models/gemini-3.8-pro", "gemini-flash-latest", "gemini-10", "x"]
        {
            assert_eq!(Series::of(model), Series::Levels, "{model}");
        }
    }

    #[test]
    fn nothing_asked_is_nothing_said() {
        for model in ["gemini-2.0-flash", "gemini-2.5-pro", "gemini-3-pro"] {
            assert_eq!(thinking(model, None, None), Ok(None));
        }
    }

    #[test]
    fn an_effort_is_a_budget_for_one_series_and_a_level_for_the_next() {
        let high = thinking("gemini-2.5-flash", Some("high"), None);
        assert_eq!(high, Ok(Some(Thinking::budget(24_576))));
        assert_eq!(thinking("gemini-3-flash", Some("high"), None), Ok(Some(Thinking::level("HIGH"))));
        assert_eq!(thinking("gemini-3-flash", Some("minimal"), None), Ok(Some(Thinking::level("MINIMAL"))));
        assert_eq!(thinking("gemini-3.1-pro", Some("minimal"), None), Ok(Some(Thinking::level("LOW"))));
    }

    #[test]
    fn a_budget_is_a_budget_wherever_there_are_any_and_never_beside_a_level() {
        assert_eq!(thinking("gemini-2.5-pro", Some("low"), Some(500)), Ok(Some(Thinking::budget(500))));
        assert_eq!(thinking("gemini-3-pro", None, Some(500)), Ok(Some(Thinking::budget(500))));
        assert_eq!(thinking("gemini-3-pro", Some("low"), Some(500)), Ok(Some(Thinking::level("LOW"))));
        assert_eq!(thinking("gemini-2.0-flash", None, Some(500)), refused());
    }

    #[test]
    fn a_budget_beyond_the_largest_is_the_largest() {
        assert_eq!(thinking("gemini-2.5-flash", None, Some(64_000)), Ok(Some(Thinking::budget(24_576))));
        assert_eq!(thinking("gemini-2.5-pro", None, Some(64_000)), Ok(Some(Thinking::budget(32_768))));
    }

    #[test]
    fn not_to_think_is_asked_only_of_models_that_can() {
        assert_eq!(thinking("gemini-2.0-flash", Some("none"), None), Ok(None));
        let none = thinking("gemini-2.5-flash", Some("none"), None).unwrap().unwrap();
        assert_eq!((none.thinking_budget, none.include_thoughts), (Some(0), false));
        assert_eq!(thinking("gemini-2.5-pro", Some("none"), None), refused());
        assert_eq!(thinking("gemini-2.5-pro", None, Some(0)), refused());
        assert_eq!(thinking("gemini-3-flash", Some("none"), None), refused());
        assert_eq!(thinking("gemini-3-flash", None, Some(0)), refused());
    }

    #[test]
    fn a_word_that_is_not_known_is_not_guessed_at() {
        for model in ["gemini-2.0-flash", "gemini-2.5-flash", "gemini-3-flash"] {
            assert_eq!(thinking(model, Some("utmost"), None), refused(), "{model}");
        }
    }
}
