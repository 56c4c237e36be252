//! How hard the model is to think, in the words its generation understands.
//!
//! Since 4.6 a model is told `{"type":"adaptive"}` and an effort in `output_config`, decides by itself how many
//! tokens to spend, and since 4.7 refuses anything else. Models until 4.5 know only
//! `{"type":"enabled","budget_tokens":n}`. No form works for both, so the model's name decides. An effort then becomes
//! a budget, and a budget the effort that comes nearest: `max_tokens` stays the limit that holds.
//!
//! Thinking goes with neither a forced tool nor other sampling than the model's own, and cannot be begun inside a
//! round of tools whose calls were made without it. The first two are the caller's wishes and name the one that is
//! in the way; the third is nobody's, and the round ends without thinking as it began.

use serde::Serialize;

use crate::anthropic::model::Model;
use crate::call::{Call, Message, Origin, Parameters, Part, Reasoning, Role, ToolChoice};
use crate::provider::Uncarried;

/// The `max_tokens` of an answer, which the API insists on, if the caller sets no limit: an answer as long as a
/// chat has any use for. Thoughts count as well, and so get room of their own beside it.
const DEFAULT_MAX_TOKENS: u64 = 8192;

/// The least `budget_tokens`.
const MIN_BUDGET: u64 = 1024;

/// The members of the body that thinking decides.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) max_tokens: u64,
    pub(super) thinking: Option<Thinking>,
    pub(super) effort: Option<Effort>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Thinking {
    Enabled { budget_tokens: u64 },
    Adaptive,
    BetweenTools,
    Disabled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Effort {
    Low,
    Medium,
    High,
    Xhigh,
    Max,
}

impl Plan {
    /// # Errors
    /// The wish that the model, or another wish, does not allow.
    pub(super) fn of(call: &Call, model: Model) -> Result<Self, Uncarried> {
        let p = &call.parameters;
        let effort = p.reasoning_effort.as_deref().map(Effort::named).transpose()?;
        if effort == Some(None) || p.reasoning_budget == Some(0) {
            return Self::without(p, effort.flatten(), model);
        }
        let effort = effort.flatten();
        if effort.is_none() && p.reasoning_budget.is_none() {
            let room = if model.thinks_unasked() { Effort::High.budget() } else { 0 };
            return Ok(Self { max_tokens: max_tokens(p, room), thinking: None, effort: None });
        }
        if !model.thinks_by_budget() {
            goes_with_thinking(call)?;
            let effort = effort.or(p.reasoning_budget.map(Effort::nearest));
            let room = effort.map_or(0, Effort::budget);
            return Ok(Self { max_tokens: max_tokens(p, room), thinking: Some(Thinking::Adaptive), effort });
        }
        if begun_without_thinking(&call.messages) {
            return Ok(Self { max_tokens: max_tokens(p, 0), thinking: None, effort: None });
        }
        goes_with_thinking(call)?;
        let budget_tokens = budget(p, effort)?;
        Ok(Self {
            max_tokens: max_tokens(p, budget_tokens),
            thinking: Some(Thinking::Enabled { budget_tokens }),
            effort: None,
        })
    }

    fn without(p: &Parameters, effort: Option<Effort>, model: Model) -> Result<Self, Uncarried> {
        if model.always_thinks() {
            return Err(Uncarried::new("reasoning_effort"));
        }
        let thinking = if model.rests_between_tools() { Thinking::BetweenTools } else { Thinking::Disabled };
        let effort = effort.filter(|_| !model.thinks_by_budget());
        Ok(Self { max_tokens: max_tokens(p, 0), thinking: Some(thinking), effort })
    }
}

fn max_tokens(p: &Parameters, room: u64) -> u64 {
    p.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS.saturating_add(room))
}

/// The budget asked for, or that of the effort; less if the caller's limit of the whole answer is tight, of which an
/// effort may take one half.
fn budget(p: &Parameters, effort: Option<Effort>) -> Result<u64, Uncarried> {
    let limit = p.max_tokens.unwrap_or(u64::MAX);
    let budget = match (p.reasoning_budget, effort) {
        (Some(budget), _) => budget.min(limit.saturating_sub(1)),
        (None, effort) => effort.map_or(0, Effort::budget).min(limit / 2),
    };
    if budget < MIN_BUDGET { Err(Uncarried::new("reasoning_effort")) } else { Ok(budget) }
}

/// <https://platform.claude.com/docs/en/build-with-claude/extended-thinking>: no forced tool, no `temperature`, no
/// `top_k`, `top_p` between 0.95 and 1.
fn goes_with_thinking(call: &Call) -> Result<(), Uncarried> {
    let p = &call.parameters;
    let in_the_way = [
        ("tool_choice", matches!(call.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)))),
        ("temperature", p.temperature.is_some_and(|temperature| temperature != 1.0)),
        ("top_p", p.top_p.is_some_and(|top_p| top_p < 0.95)),
        ("top_k", p.top_k.is_some()),
    ];
    match in_the_way.iter().find(|(_, is)| *is) {
        Some((member, _)) => Err(Uncarried::new(*member)),
        None => Ok(()),
    }
}

/// The last answer calls tools, and no answer since the user asked shows a thought of ours: the API then takes no
/// `budget_tokens`. One thought is enough for a whole round of tools, which words beside a result do not end.
fn begun_without_thinking(messages: &[Message]) -> bool {
    let from_last = messages.iter().rev().skip_while(|message| message.role != Role::Assistant);
    let mut round = from_last.peekable();
    if round.peek().is_none_or(|last| last.tool_calls.is_empty()) {
        return false;
    }
    while let Some(message) = round.next() {
        let beside_result =
            round.peek().is_some_and(|before| matches!(before.role, Role::Tool | Role::Function));
        if message.role == Role::User && !beside_result {
            break;
        }
        if message.content.iter().any(is_signed_thought) {
            return false;
        }
    }
    true
}

fn is_signed_thought(part: &Part) -> bool {
    matches!(part, Part::Reasoning(Reasoning { signature: Some(signature), .. }) if signature.origin == Origin::Anthropic)
}

impl Effort {
    /// None for `none`. What others call `minimal` is the least there is here.
    fn named(word: &str) -> Result<Option<Self>, Uncarried> {
        match word {
            "none" => Ok(None),
            "minimal" | "low" => Ok(Some(Self::Low)),
            "medium" => Ok(Some(Self::Medium)),
            "high" => Ok(Some(Self::High)),
            "xhigh" => Ok(Some(Self::Xhigh)),
            "max" => Ok(Some(Self::Max)),
            _ => Err(Uncarried::new("reasoning_effort")),
        }
    }

    /// Tokens to think with, for models that are told tokens. With the default limit of an answer beside it, the
    /// largest stays below the 64,000 tokens of the smallest such model on offer.
    const fn budget(self) -> u64 {
        match self {
            Self::Low => 2048,
            Self::Medium => 8192,
            Self::High => 16384,
            Self::Xhigh => 32768,
            Self::Max => 49152,
        }
    }

    /// The least effort that may use the budget up.
    fn nearest(budget: u64) -> Self {
        let all = [Self::Low, Self::Medium, Self::High, Self::Xhigh];
        all.into_iter().find(|effort| budget <= effort.budget()).unwrap_or(Self::Max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{Signature, ToolCall};

    const BY_BUDGET: &str = "claude-haiku-4-5";
    const ADAPTIVE: &str = "claude-opus-4-8";

    fn effort(word: &str) -> Parameters {
        Parameters { reasoning_effort: Some(word.into()), ..Parameters::default() }
    }

    fn budget_of(tokens: u64) -> Parameters {
        Parameters { reasoning_budget: Some(tokens), ..Parameters::default() }
    }

    fn plan(parameters: Parameters, model: &str) -> Result<Plan, Uncarried> {
        Plan::of(&Call { parameters, ..Call::default() }, Model::named(model))
    }

    fn enabled(max_tokens: u64, budget_tokens: u64) -> Result<Plan, Uncarried> {
        Ok(Plan { max_tokens, thinking: Some(Thinking::Enabled { budget_tokens }), effort: None })
    }

    fn in_the_way(member: &'static str) -> Result<Plan, Uncarried> {
        Err(Uncarried::new(member))
    }

    #[test]
    fn an_effort_is_one_where_models_know_it_and_a_budget_where_they_do_not() {
        let adaptive =
            Plan { max_tokens: 8192 + 16384, thinking: Some(Thinking::Adaptive), effort: Some(Effort::High) };
        assert_eq!(plan(effort("high"), ADAPTIVE), Ok(adaptive));
        assert_eq!(plan(effort("high"), BY_BUDGET), enabled(8192 + 16384, 16384));
        assert_eq!(plan(effort("minimal"), "some-server"), enabled(8192 + 2048, 2048));
        assert_eq!(plan(effort("herculean"), ADAPTIVE), in_the_way("reasoning_effort"));
    }

    #[test]
    fn a_budget_is_one_where_models_know_it_and_the_nearest_effort_where_they_do_not() {
        assert_eq!(plan(budget_of(3000), BY_BUDGET), enabled(8192 + 3000, 3000));
        for (budget, nearest) in
            [(1, Effort::Low), (2048, Effort::Low), (2049, Effort::Medium), (1 << 40, Effort::Max)]
        {
            assert_eq!(plan(budget_of(budget), ADAPTIVE).unwrap().effort, Some(nearest), "{budget}");
        }
    }

    #[test]
    fn the_callers_limit_of_the_whole_answer_is_never_raised() {
        let limited = |p: Parameters, limit| Parameters { max_tokens: Some(limit), ..p };
        assert_eq!(plan(limited(effort("high"), 4000), BY_BUDGET), enabled(4000, 2000));
        assert_eq!(plan(limited(effort("high"), 2000), BY_BUDGET), in_the_way("reasoning_effort"));
        assert_eq!(plan(limited(budget_of(5000), 4000), BY_BUDGET), enabled(4000, 3999));
        assert_eq!(plan(limited(budget_of(1023), 4000), BY_BUDGET), in_the_way("reasoning_effort"));
        assert_eq!(plan(limited(effort("max"), 10), ADAPTIVE).unwrap().max_tokens, 10);
    }

    #[test]
    fn thoughts_that_nobody_asked_for_get_their_room_too() {
        assert_eq!(plan(Parameters::default(), ADAPTIVE).unwrap().max_tokens, 8192);
        assert_eq!(plan(Parameters::default(), "claude-sonnet-5").unwrap().max_tokens, 8192 + 16384);
    }

    #[test]
    fn not_thinking_has_a_word_of_its_own_or_cannot_be_had() {
        for off in [effort("none"), budget_of(0)] {
            let thinking = |model| plan(off.clone(), model).map(|plan| plan.thinking);
            assert_eq!(thinking(ADAPTIVE), Ok(Some(Thinking::Disabled)));
            assert_eq!(thinking("claude-sonnet-5-5"), Ok(Some(Thinking::BetweenTools)));
            assert_eq!(thinking("claude-opus-5-5"), Err(Uncarried::new("reasoning_effort")));
        }
    }

    #[test]
    fn a_wish_that_does_not_go_with_thinking_is_named() {
        for model in [BY_BUDGET, ADAPTIVE] {
            let with = |p: Parameters| plan(Parameters { reasoning_effort: Some("low".into()), ..p }, model);
            let default = Parameters::default;
            assert_eq!(with(Parameters { temperature: Some(0.5), ..default() }), in_the_way("temperature"));
            assert_eq!(with(Parameters { top_p: Some(0.9), ..default() }), in_the_way("top_p"));
            assert_eq!(with(Parameters { top_k: Some(5), ..default() }), in_the_way("top_k"));
            assert!(with(Parameters { temperature: Some(1.0), top_p: Some(0.97), ..default() }).is_ok());
            let parameters = effort("low");
            let forced = Call { tool_choice: Some(ToolChoice::Required), parameters, ..Call::default() };
            assert_eq!(Plan::of(&forced, Model::named(model)), in_the_way("tool_choice"));
        }
    }

    #[test]
    fn a_round_of_tools_that_began_without_a_thought_goes_on_without() {
        let mut answer = Message::text(Role::Assistant, "Let me look.");
        answer.tool_calls = vec![ToolCall { id: "1".into(), name: "look".into(), arguments: "{}".into() }];
        let mut call = Call {
            messages: vec![Message::text(Role::User, "x"), answer, Message::text(Role::Tool, "3")],
            parameters: effort("low"),
            ..Call::default()
        };
        let thinking = |call: &Call, model| Plan::of(call, Model::named(model)).unwrap().thinking;
        assert_eq!(thinking(&call, BY_BUDGET), None);
        assert_eq!(thinking(&call, ADAPTIVE), Some(Thinking::Adaptive), "does not insist");

        let signature =
            |origin| Some(Signature { origin, data: "c2ln".into(), encrypted: false, tool_call: None });
        for (origin, expected) in
            [(Origin::Gemini, None), (Origin::Anthropic, Some(Thinking::Enabled { budget_tokens: 2048 }))]
        {
            let thought = Reasoning { text: "Hm.".into(), signature: signature(origin) };
            call.messages[1].content.insert(0, Part::Reasoning(thought));
            assert_eq!(thinking(&call, BY_BUDGET), expected, "{origin:?}");
        }
    }
}
