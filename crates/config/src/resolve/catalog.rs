//! Models and agents: names for lists of targets, and what an agent adds to one.

use domain::{AgentName, ModelName, ProviderName};
use indexmap::IndexMap;

use super::Resolver;
use super::carried::Wishes;
use super::provider::{Providers, is_model};
use crate::config::{Agent, History, Model, Parameters, Target};
use crate::de::{At, Field, Key, Table};
use crate::finding::{Code, did_you_mean, printable};
use crate::raw::{self, Stop, TargetText};

/// A target, and where it is written.
#[derive(Clone)]
pub(super) struct Reached {
    pub(super) target: Target,
    pub(super) at: At,
}

/// A list of targets after references have been followed.
enum Targets {
    /// Possibly empty, if all providers are skipped.
    Right(Vec<Reached>),
    /// Reported.
    Wrong,
}

type Catalog = (IndexMap<ModelName, Model>, IndexMap<AgentName, Agent>);

impl Resolver<'_> {
    pub(super) fn catalog(
        &self,
        providers: &Providers,
        models: Table<raw::Model>,
        agents: Table<raw::Agent>,
    ) -> Option<Catalog> {
        self.names_apart(&models, &agents);
        let agent_names: Vec<String> = agents.names().map(str::to_owned).collect();

        let mut targets: IndexMap<String, Targets> = IndexMap::new();
        let mut resolved = IndexMap::new();
        let mut right = true;
        for (key, field) in models.into_entries() {
            let name = self.name(&key, ModelName::new);
            let list = self.model(field, &key, providers);
            match (name, &list) {
                (Some(name), Targets::Right(list)) if !list.is_empty() => {
                    resolved.insert(name, Model { targets: bare(list) });
                }
                _ => right = false,
            }
            targets.insert(key.text, list);
        }

        let mut resolved_agents = IndexMap::new();
        for (key, field) in agents.into_entries() {
            let name = self.name(&key, AgentName::new);
            let agent = field.get().and_then(|raw| self.agent(raw, &key, providers, &targets, &agent_names));
            match (name, agent) {
                (Some(name), Some(agent)) => {
                    resolved_agents.insert(name, agent);
                }
                _ => right = false,
            }
        }
        right.then_some((resolved, resolved_agents))
    }

    /// Callers give one name: it cannot mean an agent and a model.
    fn names_apart(&self, models: &Table<raw::Model>, agents: &Table<raw::Agent>) {
        for (key, _) in agents.iter() {
            if models.names().any(|model| model == key.text) {
                let message = format!(
                    "`{}` is a model already, and callers could not tell them apart",
                    printable(&key.text)
                );
                self.record(self.fault(key.at, Code::Clash, message).help("rename the agent or the model"));
            }
        }
    }

    fn model(&self, field: Field<raw::Model>, key: &Key, providers: &Providers) -> Targets {
        let Some(raw) = field.get() else { return Targets::Wrong };
        let wrong = raw.strategy.is_invalid();
        let Some(list) = self.required(raw.targets, "targets", key.at) else { return Targets::Wrong };
        let mut targets = Vec::new();
        let mut right = !wrong;
        for field in list {
            let at = field.at;
            let text = match self.item(field) {
                Some(TargetText::Scalar(text)) => Some((text, at)),
                Some(TargetText::Map(section)) => {
                    let target_at = section.target.at;
                    self.required(section.target, "target", at).map(|text| (text, target_at))
                }
                None => None,
            };
            match text.map(|(text, at)| self.target(&text, at, providers)) {
                Some(Targets::Right(list)) => extend(&mut targets, list),
                Some(Targets::Wrong) | None => right = false,
            }
        }
        self.something_left(right, targets, "model", key)
    }

    fn agent(
        &self,
        raw: raw::Agent,
        key: &Key,
        providers: &Providers,
        models: &IndexMap<String, Targets>,
        agents: &[String],
    ) -> Option<Agent> {
        let wishes = Wishes::of(&raw, key.at);
        let prompt_at = raw.prompt.at;
        let prompt = self.required(raw.prompt, "prompt", key.at);
        let prompt = prompt.and_then(|prompt| {
            if prompt.trim().is_empty() {
                return self.refuse(prompt_at, Code::InvalidValue, "the prompt is empty");
            }
            Some(prompt)
        });

        let mut targets = Vec::new();
        let list = self.required(raw.models, "models", key.at);
        let mut right = list.is_some();
        for field in list.unwrap_or_default() {
            let at = field.at;
            let Some(name) = self.item(field) else {
                right = false;
                continue;
            };
            let found = match models.get(&name) {
                Some(Targets::Right(list)) => Targets::Right(list.clone()),
                Some(Targets::Wrong) => Targets::Wrong,
                None if name.contains('/') => self.target(&name, at, providers),
                None => self.no_such_model(&name, at, models, agents),
            };
            match found {
                Targets::Right(list) => extend(&mut targets, list),
                Targets::Wrong => right = false,
            }
        }
        let targets = match self.something_left(right, targets, "agent", key) {
            Targets::Right(targets) => Some(targets),
            Targets::Wrong => None,
        };

        let parameters = match raw.parameters {
            field if field.is_invalid() => None,
            field => self.parameters(field.get().unwrap_or_default()),
        };
        let unsound = raw.tools.is_invalid();
        let tools = raw.tools.get().unwrap_or_default();
        let tool_policy = raw.tool_policy.get().and_then(|raw| self.tool_policy(raw, &tools));
        let tools = self.tools(tools).filter(|_| !unsound);
        let history = raw.history.get().and_then(|raw| {
            // Its only value; another one has been reported.
            let raw::HistoryStore::Database = raw.store.get()?;
            Some(History { max_messages: self.whole(raw.max_messages, 1..=1000)? })
        });
        let max_message_chars = self.whole(raw.max_message_chars, 1..=1_000_000);
        let max_answer_chars = self.whole(raw.max_answer_chars, 1..=1_000_000);
        let description = self.optional(raw.description, |text, _| Some(text));
        let targets = targets?;
        let agent = Agent {
            description: description?,
            prompt: prompt?,
            models: bare(&targets),
            parameters: parameters?,
            tools: tools?,
            tool_policy: tool_policy?,
            history: history?,
            max_message_chars: usize::try_from(max_message_chars?).ok()?,
            max_answer_chars: usize::try_from(max_answer_chars?).ok()?,
        };
        self.carried(&agent, &targets, &wishes, providers);
        Some(agent)
    }

    /// `provider/model`, split at the first `/`: models of some providers have slashes in their names.
    fn target(&self, text: &str, at: At, providers: &Providers) -> Targets {
        let wrong = |fault| {
            self.record(fault);
            Targets::Wrong
        };
        let Some((name, model)) = text.split_once('/') else {
            let message = format!("expected `provider/model`, found `{}`", self.quoted(at, text));
            return wrong(self.fault(at, Code::InvalidValue, message));
        };
        if !is_model(model) {
            let message = format!("`{}` names no model", self.quoted(at, text));
            return wrong(self.fault(at, Code::InvalidValue, message));
        }
        if providers.skipped.iter().any(|skipped| skipped == name) {
            return Targets::Right(Vec::new());
        }
        if providers.faulty.iter().any(|faulty| faulty == name) {
            return Targets::Wrong;
        }
        let known = ProviderName::new(name).ok().and_then(|name| providers.ready.get_key_value(&name));
        let Some((provider, settings)) = known else {
            let message = format!("there is no provider `{}`", self.quoted(at, name));
            let fault = self.fault(at, Code::UnknownName, message);
            return wrong(fault.maybe_help(did_you_mean(name, providers.names())));
        };
        if let Some(listed) = settings.models.as_ref().filter(|listed| !listed.iter().any(|m| m == model)) {
            let message = format!("`providers.{provider}.models` does not list `{}`", self.quoted(at, model));
            let fault = self.fault(at, Code::UnknownName, message);
            return wrong(fault.maybe_help(did_you_mean(model, listed.iter().map(String::as_str))));
        }
        let target = Target { provider: provider.clone(), model: model.to_owned() };
        Targets::Right(vec![Reached { target, at }])
    }

    fn no_such_model(
        &self,
        name: &str,
        at: At,
        models: &IndexMap<String, Targets>,
        agents: &[String],
    ) -> Targets {
        let fault = if agents.iter().any(|agent| agent == name) {
            let message = format!("`{}` is an agent, and agents cannot ask agents", self.quoted(at, name));
            self.fault(at, Code::UnknownName, message)
        } else {
            let message = format!("there is no model `{}`", self.quoted(at, name));
            let help = did_you_mean(name, models.keys().map(String::as_str));
            let help =
                help.unwrap_or_else(|| "define it under `models:`, or write `provider/model`".to_owned());
            self.fault(at, Code::UnknownName, message).help(help)
        };
        self.record(fault);
        Targets::Wrong
    }

    fn something_left(&self, right: bool, targets: Vec<Reached>, what: &str, key: &Key) -> Targets {
        if right && targets.is_empty() {
            let message = format!("{what} `{}` has no target left", printable(&key.text));
            let help = "its list is empty, or all its providers are skipped for want of a key: `simulated` needs none";
            self.record(self.fault(key.at, Code::NoTarget, message).help(help));
            return Targets::Wrong;
        }
        if right { Targets::Right(targets) } else { Targets::Wrong }
    }

    fn parameters(&self, raw: raw::Parameters) -> Option<Parameters> {
        let temperature = self.optional(raw.temperature, |value, at| self.within(value, at, 0.0..=2.0));
        let top_p = self.optional(raw.top_p, |value, at| self.within(value, at, 0.0..=1.0));
        let count =
            |value, at| self.within(value, at, 1..=10_000_000).and_then(|value| u32::try_from(value).ok());
        let top_k = self.optional(raw.top_k, count);
        let max_tokens = self.optional(raw.max_tokens, count);
        let frequency_penalty =
            self.optional(raw.frequency_penalty, |value, at| self.within(value, at, -2.0..=2.0));
        let presence_penalty =
            self.optional(raw.presence_penalty, |value, at| self.within(value, at, -2.0..=2.0));
        let seed = self.optional(raw.seed, |value, _| Some(value));
        let stop = self.optional(raw.stop, |stop, at| self.stop(stop, at));
        let reasoning_effort = self.optional(raw.reasoning_effort, |word, at| self.effort(word, at));
        Some(Parameters {
            temperature: temperature?,
            top_p: top_p?,
            top_k: top_k?,
            max_tokens: max_tokens?,
            frequency_penalty: frequency_penalty?,
            presence_penalty: presence_penalty?,
            seed: seed?,
            stop: stop?.unwrap_or_default(),
            reasoning_effort: reasoning_effort?,
        })
    }

    /// A word: which ones a model knows is its provider's business, and they become more.
    fn effort(&self, word: String, at: At) -> Option<String> {
        if (1..=32).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase()) {
            return Some(word);
        }
        let message = format!("expected a word such as `low` or `high`, found `{}`", self.quoted(at, &word));
        self.refuse(at, Code::InvalidValue, message)
    }

    fn stop(&self, stop: Stop, at: At) -> Option<Vec<String>> {
        /// OpenAI's limit.
        const MOST: usize = 4;
        let stop: Vec<String> = match stop {
            Stop::Scalar(text) => vec![text],
            Stop::List(list) => self.items(list)?,
        };
        if stop.len() > MOST || stop.iter().any(String::is_empty) {
            return self.refuse(
                at,
                Code::InvalidValue,
                format!("expected at most {MOST} texts, none of them empty"),
            );
        }
        Some(stop)
    }
}

/// A target that is reached by two ways is asked once, at its first place.
fn extend(targets: &mut Vec<Reached>, more: Vec<Reached>) {
    for reached in more {
        if !targets.iter().any(|known| known.target == reached.target) {
            targets.push(reached);
        }
    }
}

fn bare(targets: &[Reached]) -> Vec<Target> {
    targets.iter().map(|reached| reached.target.clone()).collect()
}
