//! `parapet provider list`, `models` and `test`. The last two ask for the list of models, which costs nothing.

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use domain::{Clock, SystemClock};
use serde_json::json;

use super::load::{self, Sources};
use super::{Done, Global, WrongUsage, block_on};
use crate::app::settings::{Secrets, Settings};
use crate::provider::origin::tls_connector;
use crate::provider::{self, endpoint::Endpoint};

#[derive(Args)]
pub(super) struct Provider {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Lists the providers that can be called.
    List,
    /// Lists the models that a provider has, as callers name them.
    Models {
        /// Only of this one.
        name: Option<String>,
    },
    /// Asks each provider, with each of its keys, for its list of models.
    Test {
        /// Only this one.
        name: Option<String>,
    },
}

impl Provider {
    pub(super) fn run(self, global: &Global) -> Done {
        match self.what {
            What::List => list(global),
            What::Models { name } => models(global, name.as_deref()),
            What::Test { name } => test(global, name.as_deref()),
        }
    }
}

fn list(global: &Global) -> Done {
    let config = load::config(global)?.config;
    let described = config.providers.iter().map(|(name, provider)| {
        let upstream = provider.kind.upstream();
        let url = upstream.map(|upstream| upstream.base_url.to_string());
        (name.to_string(), provider.kind.as_str(), url, upstream.map_or(0, |upstream| upstream.keys.len()))
    });
    if global.json {
        let providers: Vec<_> = described
            .map(|(name, kind, url, keys)| json!({ "name": name, "kind": kind, "base_url": url, "keys": keys }))
            .collect();
        outln!("{}", json!({ "providers": providers }));
    } else {
        for (name, kind, url, keys) in described {
            outln!("{name}\t{kind}\t{}\t{keys} keys", url.as_deref().unwrap_or("-"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn models(global: &Global, only: Option<&str>) -> Done {
    let endpoints = endpoints(global, only)?;
    block_on(async {
        let mut all_well = true;
        for endpoint in endpoints {
            let Some((_, key)) = endpoint.keys().next() else { continue };
            match provider::models(&endpoint, key).await {
                Ok(models) if global.json => {
                    outln!("{}", json!({ "provider": endpoint.name.as_str(), "models": models }));
                }
                Ok(models) => models.iter().for_each(|model| outln!("{}/{model}", endpoint.name)),
                Err(failure) => {
                    all_well = false;
                    eprintln!("{} could not be asked: {}", endpoint.name, failure.detail);
                }
            }
        }
        if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    })
}

fn test(global: &Global, only: Option<&str>) -> Done {
    let endpoints = endpoints(global, only)?;
    block_on(async {
        let mut all_well = true;
        for endpoint in endpoints {
            all_well &= test_one(&endpoint, global.json).await;
        }
        if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    })
}

/// The endpoints of the config, by name.
fn endpoints(global: &Global, only: Option<&str>) -> anyhow::Result<Vec<Arc<Endpoint>>> {
    let sources = Sources::find(global)?;
    let loaded = sources.load()?.map_err(load::Faulty)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let env = |name: &str| sources.env.get(name).cloned();
    let secrets = Secrets { env: &env, read: &load::read };
    let settings = Settings::build(loaded, &secrets, &tls_connector()?, &clock)?;
    let mut endpoints: Vec<Arc<Endpoint>> = settings.catalog.endpoints().cloned().collect();
    endpoints.sort_by(|a, b| a.name.cmp(&b.name));
    endpoints.retain(|endpoint| only.is_none_or(|only| endpoint.name.as_str() == only));
    if endpoints.is_empty() {
        return Err(WrongUsage(format!("no provider `{}`", only.unwrap_or_default())).into());
    }
    Ok(endpoints)
}

async fn test_one(endpoint: &Endpoint, json: bool) -> bool {
    let mut all_well = true;
    for (index, key) in endpoint.keys() {
        let (well, word) = match provider::models(endpoint, key).await {
            Ok(models) if models.len() == 1 => (true, "1 model".to_owned()),
            Ok(models) => (true, format!("{} models", models.len())),
            Err(failure) => (false, failure.detail),
        };
        all_well &= well;
        if json {
            outln!(
                "{}",
                json!({ "provider": endpoint.name.as_str(), "key": index + 1, "ok": well, "detail": word })
            );
        } else {
            outln!("{}\tkey {}\t{}\t{word}", endpoint.name, index + 1, if well { "ok" } else { "failed" });
        }
    }
    all_well
}
