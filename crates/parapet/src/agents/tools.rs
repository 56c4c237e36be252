//! Which tools a model may use on behalf of an agent, and how often.
//!
//! The tools are the client's: a call goes back to whoever called the agent, and its result comes with the next
//! request. The policy holds on every way to the agent: tools that are blocked are not offered, and when a question
//! has had its rounds, the model has to answer in words. A model that calls what it was not offered, or more than it
//! may at once, is not obeyed: those calls do not reach the caller.

use std::collections::{HashMap, HashSet};

use config::ToolPattern;
use domain::FinishReason;
use wire::call::{Call, Message, Role, Tool, ToolChoice};
use wire::event::{Choice, Event, ToolFragment};

use crate::refusal::Refusal;

/// The tools of an agent, and their policy.
pub(crate) struct Toolbox {
    pub(crate) tools: Vec<Tool>,
    pub(crate) policy: Policy,
}

/// How tools may be used (PRODUCT.md, V10).
pub(crate) struct Policy {
    /// Unless the caller says otherwise.
    pub(crate) choice: Option<ToolChoice>,
    /// Rounds of calls and results for one message of the user.
    pub(crate) max_rounds: u32,
    /// Calls in one answer.
    pub(crate) max_calls: u32,
    pub(crate) blocklist: Vec<ToolPattern>,
}

/// What a tool said.
pub(crate) struct ToolResult {
    pub(crate) call: String,
    pub(crate) content: String,
    pub(crate) failed: bool,
}

impl Toolbox {
    pub(crate) const fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    /// The most messages between a message of the user and the answer in words, itself included.
    pub(crate) const fn longest_round(&self) -> u32 {
        self.policy.max_rounds.saturating_mul(2).saturating_add(1)
    }

    /// Whether a caller may bring these tools.
    pub(crate) fn check(&self, tools: &[Tool]) -> Result<(), Refusal> {
        for (index, tool) in tools.iter().enumerate() {
            let refused = |why: &str| {
                let message = format!("the tool `{}` {why}", tool.name);
                Err(Refusal::invalid(format!("tools[{index}]"), message).hint("leave it out"))
            };
            if self.policy.blocks(&tool.name) {
                return refused("is on the agent's blocklist");
            }
            if self.tools.iter().any(|own| own.name == tool.name) {
                return refused("is one of the agent's own");
            }
        }
        Ok(())
    }

    /// Offers the agent's tools beside the caller's, as far as the policy goes.
    pub(crate) fn offer(&self, call: &mut Call) -> Result<(), Refusal> {
        self.check(&call.tools)?;
        call.tools.extend(self.tools.iter().filter(|tool| !self.policy.blocks(&tool.name)).cloned());
        if call.tools.is_empty() {
            call.tool_choice = None;
            return Ok(());
        }
        if rounds(&call.messages) >= self.policy.max_rounds {
            call.tool_choice = Some(ToolChoice::None);
        } else if call.tool_choice.is_none() {
            call.tool_choice.clone_from(&self.policy.choice);
        }
        Ok(())
    }

    /// Watches over one answer to `call`.
    pub(crate) fn watch(&self, call: &Call) -> Watch {
        let offered = match call.tool_choice {
            Some(ToolChoice::None) => HashSet::new(),
            _ => call.tools.iter().map(|tool| tool.name.clone()).collect(),
        };
        Watch { offered, max_calls: self.policy.max_calls, calls: HashMap::new(), passed: 0, withheld: 0 }
    }
}

impl Policy {
    fn blocks(&self, name: &str) -> bool {
        self.blocklist.iter().any(|pattern| pattern.matches(name))
    }
}

/// How often the model has called tools since the user last spoke.
fn rounds(messages: &[Message]) -> u32 {
    let since = messages.iter().rev().take_while(|message| message.role != Role::User);
    let calls = since.filter(|message| message.role == Role::Assistant && !message.tool_calls.is_empty());
    u32::try_from(calls.count()).unwrap_or(u32::MAX)
}

/// Lets the calls of one answer through that the policy allows.
pub(crate) struct Watch {
    offered: HashSet<String>,
    max_calls: u32,
    /// By their index at the provider: which of the caller's calls it is, if the caller gets it.
    calls: HashMap<u32, Option<u32>>,
    passed: u32,
    withheld: u32,
}

/// Calls of one answer that are told apart; any more are withheld all the same.
const MAX_KNOWN: usize = 1024;

impl Watch {
    /// Takes out of `event` what the caller does not get, and renumbers what is left.
    pub(crate) fn event(&mut self, event: &mut Event<'_>) {
        self.choices(&mut event.choices);
    }

    pub(crate) fn choices(&mut self, choices: &mut [Choice<'_>]) {
        for choice in choices {
            choice.tools.retain_mut(|fragment| {
                let place = self.place_of(fragment);
                fragment.index = place.unwrap_or_default();
                place.is_some()
            });
            if let Some(signature) = &mut choice.signature
                && let Some(tool) = signature.tool
            {
                signature.tool = self.calls.get(&tool).copied().flatten();
                if signature.tool.is_none() {
                    choice.signature = None;
                }
            }
            if choice.finish == Some(FinishReason::ToolCalls) && self.passed == 0 {
                choice.finish = Some(FinishReason::Stop);
            }
        }
    }

    /// Which of the caller's calls this is a part of; none if the caller does not get it.
    fn place_of(&mut self, fragment: &ToolFragment<'_>) -> Option<u32> {
        if let Some(known) = self.calls.get(&fragment.index) {
            return *known;
        }
        let allowed = self.passed < self.max_calls && self.offered.contains(&*fragment.name.decode());
        let place = allowed.then_some(self.passed);
        if self.calls.len() < MAX_KNOWN {
            self.calls.insert(fragment.index, place);
        }
        match place {
            Some(_) => self.passed = self.passed.saturating_add(1),
            None => self.withheld = self.withheld.saturating_add(1),
        }
        place
    }

    /// Calls that the caller does not get.
    pub(crate) const fn withheld(&self) -> u32 {
        self.withheld
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::json::Text;

    fn tool(name: &str) -> Tool {
        Tool { name: name.to_owned(), description: None, schema: None, strict: None }
    }

    fn toolbox(blocklist: &[&str]) -> Toolbox {
        let blocklist = blocklist.iter().map(|pattern| ToolPattern::new(*pattern)).collect();
        let policy = Policy { choice: None, max_rounds: 2, max_calls: 2, blocklist };
        Toolbox { tools: vec![tool("look_up"), tool("delete_all")], policy }
    }

    fn round() -> [Message; 2] {
        let call = wire::call::ToolCall { id: "c".into(), name: "look_up".into(), arguments: "{}".into() };
        let asked = Message { tool_calls: vec![call], ..Message::text(Role::Assistant, "") };
        [asked, Message { tool_call_id: Some("c".into()), ..Message::text(Role::Tool, "3") }]
    }

    #[test]
    fn what_is_blocked_is_neither_offered_nor_taken_from_a_caller() {
        let tools = toolbox(&["delete_*"]);
        let mut call = Call { tools: vec![tool("mine")], ..Call::default() };
        tools.offer(&mut call).unwrap();
        let names: Vec<_> = call.tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(names, ["mine", "look_up"]);
        for own in ["delete_users", "look_up"] {
            let mut call = Call { tools: vec![tool("mine"), tool(own)], ..Call::default() };
            let refusal = tools.offer(&mut call).unwrap_err();
            assert_eq!(refusal.param.as_deref(), Some("tools[1]"), "{own}");
        }
    }

    #[test]
    fn after_its_rounds_the_model_has_to_answer_in_words() {
        let tools = toolbox(&[]);
        let mut messages = vec![Message::text(Role::User, "x")];
        for asked in [None, None, Some(ToolChoice::None)] {
            let mut call = Call { messages: messages.clone(), ..Call::default() };
            tools.offer(&mut call).unwrap();
            assert_eq!(call.tool_choice, asked);
            messages.extend(round());
        }
        messages.push(Message::text(Role::User, "and now?"));
        let mut call = Call { messages, ..Call::default() };
        tools.offer(&mut call).unwrap();
        assert_eq!(call.tool_choice, None, "a new message has rounds of its own");
    }

    #[test]
    fn calls_beyond_the_policy_are_withheld_and_the_others_renumbered() {
        let tools = toolbox(&[]);
        let mut call = Call::default();
        tools.offer(&mut call).unwrap();
        let mut watch = tools.watch(&call);
        let fragment = |index, name: &'static str, arguments: &'static str| ToolFragment {
            index,
            id: Text::default(),
            name: Text::plain(name),
            arguments: Text::plain(arguments),
        };
        let mut seen = Vec::new();
        for tools in [
            vec![fragment(0, "made_up", "{"), fragment(1, "look_up", "{")],
            vec![fragment(0, "", "}"), fragment(1, "", "}")],
            vec![fragment(2, "look_up", "{}"), fragment(3, "look_up", "{}")],
        ] {
            let mut event =
                Event { choices: vec![Choice { tools, ..Choice::default() }], ..Event::default() };
            watch.event(&mut event);
            seen.extend(
                event.choices[0].tools.iter().map(|tool| (tool.index, tool.arguments.decode().into_owned())),
            );
        }
        assert_eq!(seen, [(0, "{".to_owned()), (0, "}".to_owned()), (1, "{}".to_owned())]);
        assert_eq!(watch.withheld(), 2);
    }

    #[test]
    fn a_signature_goes_where_its_call_goes() {
        let tools = toolbox(&[]);
        let mut call = Call::default();
        tools.offer(&mut call).unwrap();
        let mut watch = tools.watch(&call);
        let fragment =
            |index, name| ToolFragment { index, name: Text::plain(name), ..ToolFragment::default() };
        let sealed = |tool| {
            let data = Text::plain("seal");
            let origin = wire::call::Origin::Gemini;
            wire::event::Signature { origin, data, encrypted: true, tool: Some(tool) }
        };
        let mut choices = [
            Choice { tools: vec![fragment(0, "made_up"), fragment(1, "look_up")], ..Choice::default() },
            Choice { signature: Some(sealed(0)), ..Choice::default() },
            Choice { signature: Some(sealed(1)), ..Choice::default() },
        ];
        watch.choices(&mut choices);
        let tools: Vec<_> = choices.iter().map(|choice| choice.signature.map(|seal| seal.tool)).collect();
        assert_eq!(tools, [None, None, Some(Some(0))]);
    }

    #[test]
    fn an_answer_left_without_calls_has_simply_stopped() {
        let tools = toolbox(&[]);
        let mut watch = tools.watch(&Call::default());
        let finish = Some(FinishReason::ToolCalls);
        let made_up = ToolFragment { name: Text::plain("x"), ..ToolFragment::default() };
        let choice = Choice { tools: vec![made_up], finish, ..Choice::default() };
        let mut event = Event { choices: vec![choice], ..Event::default() };
        watch.event(&mut event);
        assert_eq!(event.choices[0].finish, Some(FinishReason::Stop));
    }
}
