//! Whether the targets of an agent can be asked what the agent asks.
//!
//! The server never drops a wish: a target whose API has no counterpart for one is passed over. What an agent sends
//! with every call is known from the config, so a target that would be passed over every time is told of here, and an
//! agent for which that is every target is refused: at run time it would tell callers to leave out what they never
//! wrote. The codecs themselves are asked, so that nothing about providers is said twice.

use wire::call::{Call, Message, Parameters, Role, Tool, ToolChoice};
use wire::provider::Codec;

use super::Resolver;
use super::catalog::Reached;
use super::provider::Providers;
use crate::config::{Agent, ProviderKind};
use crate::de::{At, list};
use crate::finding::Code;
use crate::raw;

/// Where the wishes of an agent are written, by the names that the codecs have for them.
pub(super) struct Wishes {
    agent: At,
    keys: Vec<(&'static str, At)>,
}

impl Wishes {
    pub(super) fn of(raw: &raw::Agent, agent: At) -> Self {
        let parameters = raw.parameters.as_ref().map(|parameters| {
            [
                ("temperature", parameters.temperature.at),
                ("top_p", parameters.top_p.at),
                ("top_k", parameters.top_k.at),
                ("max_tokens", parameters.max_tokens.at),
                ("frequency_penalty", parameters.frequency_penalty.at),
                ("presence_penalty", parameters.presence_penalty.at),
                ("seed", parameters.seed.at),
                ("stop", parameters.stop.at),
                ("reasoning_effort", parameters.reasoning_effort.at),
            ]
        });
        let choice = raw.tool_policy.as_ref().map(|policy| ("tool_choice", policy.tool_choice.at));
        let keys = parameters.into_iter().flatten().chain(choice).chain([("tools", raw.tools.at)]);
        Self { agent, keys: keys.filter(|(_, at)| *at != At::default()).collect() }
    }

    /// The key of that name, or else the agent.
    fn at(&self, member: &str) -> At {
        self.keys.iter().find(|(key, _)| *key == member).map_or(self.agent, |(_, at)| *at)
    }
}

/// A target, as messages show it, and the wishes that have no counterpart there.
struct Refusal {
    target: String,
    members: Vec<String>,
}

impl Resolver<'_> {
    /// `targets` are the agent's.
    pub(super) fn carried(&self, agent: &Agent, targets: &[Reached], wishes: &Wishes, providers: &Providers) {
        let call = first_call(agent);
        let refusal = |Reached { target, at }: &Reached| {
            let members = match &providers.ready.get(&target.provider)?.kind {
                ProviderKind::Upstream { kind, .. } => uncarried(kind.codec, &target.model, &call),
                ProviderKind::Simulated(_) => Vec::new(),
            };
            let target = self.quoted(*at, &target.to_string());
            (!members.is_empty()).then_some(Refusal { target, members })
        };
        let refusals: Vec<_> = targets.iter().filter_map(refusal).collect();
        if refusals.len() < targets.len() {
            self.passed_over(&refusals, wishes);
        } else {
            self.nobody_left(&refusals, wishes);
        }
    }

    fn passed_over(&self, refusals: &[Refusal], wishes: &Wishes) {
        for member in members(refusals) {
            let targets = list(&targets_without(member, refusals), "and");
            let message = format!("`{member}` has no counterpart at {targets}, which this agent never asks");
            let help = format!("remove or change `{member}`, or leave out what is never asked");
            self.record(self.notice(wishes.at(member), Code::TargetSkipped, message).help(help));
        }
    }

    fn nobody_left(&self, refusals: &[Refusal], wishes: &Wishes) {
        let mut found = false;
        for member in members(refusals) {
            let targets = targets_without(member, refusals);
            if targets.len() < refusals.len() {
                continue;
            }
            found = true;
            let have = if targets.len() == 1 { "has" } else { "have" };
            let message = format!("`{member}` has no counterpart at any target of this agent");
            let help =
                format!("remove or change it, or add another target: {} {have} none", list(&targets, "and"));
            self.record(self.fault(wishes.at(member), Code::NoTarget, message).help(help));
        }
        if !found {
            let each = refusals.iter().map(|Refusal { target, members }| {
                let members: Vec<_> = members.iter().map(String::as_str).collect();
                format!("{} at `{target}`", list(&members, "and"))
            });
            let help = format!("without counterpart: {}", each.collect::<Vec<_>>().join(", "));
            let message = "no target of this agent has a counterpart for all that it asks";
            self.record(self.fault(wishes.agent, Code::NoTarget, message).help(help));
        }
    }
}

/// What the server asks when a conversation begins.
fn first_call(agent: &Agent) -> Call {
    let policy = &agent.tool_policy;
    let blocked = |name: &str| policy.blocklist.iter().any(|pattern| pattern.matches(name));
    let tools: Vec<_> = agent.tools.iter().filter(|tool| !blocked(&tool.name)).map(Tool::from).collect();
    let tool_choice = match policy.max_rounds {
        _ if tools.is_empty() => None,
        0 => Some(ToolChoice::None),
        _ => policy.tool_choice.map(ToolChoice::from),
    };
    let messages =
        vec![Message::text(Role::System, agent.prompt.clone()), Message::text(Role::User, "hello")];
    Call { messages, tools, tool_choice, parameters: Parameters::from(&agent.parameters), ..Call::default() }
}

/// The wishes that have no counterpart: a codec names one at a time, so it is asked again without it.
fn uncarried(codec: &dyn Codec, model: &str, call: &Call) -> Vec<String> {
    let mut members = Vec::new();
    for stream in [false, true] {
        let mut call = Call { stream, ..call.clone() };
        while let Err(uncarried) = codec.chat(&call, model) {
            let member = uncarried.member();
            if !members.iter().any(|known| known == member) {
                members.push(member.to_owned());
            }
            if !withdraw(&mut call, member) {
                break;
            }
        }
    }
    members
}

/// Takes a wish out of a call; false if there is none of that name.
fn withdraw(call: &mut Call, member: &str) -> bool {
    let p = &mut call.parameters;
    match member {
        "temperature" => p.temperature.take().is_some(),
        "top_p" => p.top_p.take().is_some(),
        "top_k" => p.top_k.take().is_some(),
        "max_tokens" => p.max_tokens.take().is_some(),
        "frequency_penalty" => p.frequency_penalty.take().is_some(),
        "presence_penalty" => p.presence_penalty.take().is_some(),
        "seed" => p.seed.take().is_some(),
        "stop" => !std::mem::take(&mut p.stop).is_empty(),
        "reasoning_effort" => p.reasoning_effort.take().is_some(),
        "tool_choice" => call.tool_choice.take().is_some(),
        "tools" => {
            call.tool_choice = None;
            !std::mem::take(&mut call.tools).is_empty()
        }
        _ => false,
    }
}

/// Every wish that some target refuses, once.
fn members(refusals: &[Refusal]) -> Vec<&str> {
    let mut members = Vec::new();
    for member in refusals.iter().flat_map(|refusal| &refusal.members) {
        if !members.contains(&member.as_str()) {
            members.push(member.as_str());
        }
    }
    members
}

fn targets_without<'r>(member: &str, refusals: &'r [Refusal]) -> Vec<&'r str> {
    let without = refusals.iter().filter(|refusal| refusal.members.iter().any(|without| without == member));
    without.map(|refusal| refusal.target.as_str()).collect()
}
