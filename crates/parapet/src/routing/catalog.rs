//! The names callers use, and the targets behind them.
//!
//! A name is looked up as an agent, then among `models:`, then as `provider/model` (INTERFACES.md, Model names).

use std::collections::HashMap;
use std::sync::Arc;

use config::{Config, ProviderKind};
use domain::{Clock, ProviderName};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use indexmap::IndexMap;
use tokio_rustls::TlsConnector;
use wire::call::{Parameters, Tool, ToolChoice};

use crate::agents::Agent;
use crate::agents::tools::{Policy, Toolbox};
use crate::app::settings::Secrets;
use crate::provider::endpoint::{Endpoint, NetworkParts};
use crate::provider::origin::Origin;
use crate::provider::simulated;

/// One provider and upstream model.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) endpoint: Arc<Endpoint>,
    /// The upstream's name of the model.
    pub(crate) model: Arc<str>,
    /// `provider/model`.
    pub(crate) name: Arc<str>,
    /// The model as a metric label: its name if the config knows it, else `other`.
    pub(crate) label: Arc<str>,
}

/// Something a caller can name.
pub(crate) struct Callable {
    pub(crate) name: Arc<str>,
    pub(crate) agent: Option<Arc<Agent>>,
    pub(crate) targets: Vec<Target>,
}

pub(crate) struct Catalog {
    agents: IndexMap<Box<str>, Arc<Callable>>,
    models: IndexMap<Box<str>, Arc<Callable>>,
    providers: HashMap<ProviderName, Provider>,
}

struct Provider {
    endpoint: Arc<Endpoint>,
    /// None: any model of the provider may be called.
    listed: Option<Vec<Arc<str>>>,
}

impl Catalog {
    pub(crate) fn build(
        config: &Config,
        secrets: &Secrets<'_>,
        tls: &TlsConnector,
        clock: &Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let mut providers = HashMap::new();
        for (name, provider) in &config.providers {
            let endpoint = Arc::new(endpoint(name, provider, secrets, tls, clock)?);
            let listed =
                provider.models.as_ref().map(|models| models.iter().map(|m| Arc::from(m.as_str())).collect());
            providers.insert(name.clone(), Provider { endpoint, listed });
        }
        let mut catalog = Self { agents: IndexMap::new(), models: IndexMap::new(), providers };
        for (name, model) in &config.models {
            let targets = catalog.targets(&model.targets)?;
            let callable = Callable { name: Arc::from(name.as_str()), agent: None, targets };
            catalog.models.insert(name.as_str().into(), Arc::new(callable));
        }
        for (name, agent) in &config.agents {
            let targets = catalog.targets(&agent.models)?;
            let agent = Arc::new(Agent {
                name: name.clone(),
                prompt: agent.prompt.clone(),
                parameters: Parameters::from(&agent.parameters),
                tools: toolbox(agent),
                history: agent.history.max_messages,
                max_message_chars: agent.max_message_chars,
                max_answer_chars: agent.max_answer_chars,
            });
            let callable = Callable { name: Arc::from(name.as_str()), agent: Some(agent), targets };
            catalog.agents.insert(name.as_str().into(), Arc::new(callable));
        }
        Ok(catalog)
    }

    /// What a chat request's `model` names.
    pub(crate) fn callable(&self, name: &str) -> Option<Arc<Callable>> {
        self.agents
            .get(name)
            .or_else(|| self.models.get(name))
            .cloned()
            .or_else(|| self.raw(name).map(Arc::new))
    }

    pub(crate) fn agent(&self, name: &str) -> Option<Arc<Callable>> {
        self.agents.get(name).cloned()
    }

    /// Agents, models and the listed upstream models, with who owns them.
    pub(crate) fn listed(&self) -> impl Iterator<Item = (String, &str)> {
        let agents = self.agents.keys().map(|name| (name.to_string(), "agent"));
        let models = self.models.keys().map(|name| (name.to_string(), "parapet"));
        let mut upstream: Vec<(String, &str)> = self
            .providers
            .iter()
            .flat_map(|(provider, Provider { listed, .. })| {
                listed.iter().flatten().map(move |model| (format!("{provider}/{model}"), provider.as_str()))
            })
            .collect();
        upstream.sort_unstable();
        agents.chain(models).chain(upstream)
    }

    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.providers.values().map(|provider| &provider.endpoint)
    }

    fn raw(&self, name: &str) -> Option<Callable> {
        let (provider, model) = name.split_once('/')?;
        let Provider { endpoint, listed } = self.providers.get(provider)?;
        let known = listed.as_ref().map(|models| models.iter().find(|listed| &***listed == model));
        let label = match known {
            Some(found) => Arc::clone(found?),
            None if model.is_empty() => return None,
            None => Arc::from("other"),
        };
        let name: Arc<str> = Arc::from(name);
        let target = Target {
            endpoint: Arc::clone(endpoint),
            model: Arc::from(model),
            name: Arc::clone(&name),
            label,
        };
        Some(Callable { name, agent: None, targets: vec![target] })
    }

    fn targets(&self, targets: &[config::Target]) -> anyhow::Result<Vec<Target>> {
        let target = |target: &config::Target| {
            let provider = self.providers.get(&target.provider);
            let provider = provider.ok_or_else(|| anyhow::anyhow!("no provider `{}`", target.provider))?;
            let model: Arc<str> = Arc::from(target.model.as_str());
            Ok(Target {
                endpoint: Arc::clone(&provider.endpoint),
                name: Arc::from(format!("{}/{}", target.provider, target.model)),
                label: Arc::clone(&model),
                model,
            })
        };
        targets.iter().map(target).collect()
    }
}

fn endpoint(
    name: &ProviderName,
    provider: &config::Provider,
    secrets: &Secrets<'_>,
    tls: &TlsConnector,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Endpoint> {
    let (kind, upstream) = match &provider.kind {
        ProviderKind::Simulated(settings) => {
            let settings = simulated::Settings {
                latency: settings.latency,
                tokens_per_second: settings.tokens_per_second,
                length: settings.length.clone(),
                seed: settings.seed,
                mood: mood(settings.mood),
                faults: simulated::Faults {
                    rate: settings.faults.rate,
                    kinds: settings.faults.kinds.iter().copied().map(fault).collect(),
                },
            };
            return Ok(Endpoint::simulated(name.clone(), settings, Arc::clone(clock)));
        }
        ProviderKind::Upstream { kind, upstream } => (*kind, upstream),
    };
    let whose = format!("providers.{name}");
    let keys =
        upstream.keys.iter().map(|key| secrets.resolve(key, &whose)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut headers = HeaderMap::new();
    for (header, value) in &upstream.headers {
        let mut value = HeaderValue::try_from(secrets.resolve(value, &whose)?.expose())?;
        value.set_sensitive(true);
        headers.insert(HeaderName::try_from(header)?, value);
    }
    let base = &upstream.base_url;
    let tls = (base.scheme() == config::Scheme::Https).then_some(tls);
    let parts = NetworkParts {
        origin: Origin::new(base.host(), base.port(), tls)?,
        authority: base.authority(),
        base_path: base.path().to_owned(),
        headers,
        api_version: upstream.api_version.clone(),
    };
    Ok(Endpoint::network(name.clone(), kind, upstream.timeouts, &keys, parts, Arc::clone(clock))?)
}

const fn mood(mood: config::Mood) -> simulated::Mood {
    match mood {
        config::Mood::Friendly => simulated::Mood::Friendly,
        config::Mood::Slow => simulated::Mood::Slow,
        config::Mood::Flaky => simulated::Mood::Flaky,
        config::Mood::Long => simulated::Mood::Long,
        config::Mood::Reasoning => simulated::Mood::Reasoning,
        config::Mood::Tools => simulated::Mood::Tools,
        config::Mood::Refusal => simulated::Mood::Refusal,
    }
}

const fn fault(kind: config::FaultKind) -> simulated::Fault {
    match kind {
        config::FaultKind::Error => simulated::Fault::Error,
        config::FaultKind::Overloaded => simulated::Fault::Overloaded,
        config::FaultKind::RateLimited => simulated::Fault::RateLimited,
        config::FaultKind::Refused => simulated::Fault::Refused,
        config::FaultKind::Stall => simulated::Fault::Stall,
        config::FaultKind::Cut => simulated::Fault::Cut,
        config::FaultKind::Malformed => simulated::Fault::Malformed,
        config::FaultKind::ErrorEvent => simulated::Fault::ErrorEvent,
    }
}

fn toolbox(agent: &config::Agent) -> Toolbox {
    let config::ToolPolicy { tool_choice, max_rounds, max_tool_calls_per_turn, blocklist } =
        &agent.tool_policy;
    let policy = Policy {
        choice: tool_choice.map(ToolChoice::from),
        max_rounds: *max_rounds,
        max_calls: *max_tool_calls_per_turn,
        blocklist: blocklist.clone(),
    };
    Toolbox { tools: agent.tools.iter().map(Tool::from).collect(), policy }
}
