//! `parapet agent list`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Done, Global, load};

#[derive(Args)]
pub(super) struct Agent {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Lists the agents of the config.
    List,
}

impl Agent {
    pub(super) fn run(self, global: &Global) -> Done {
        let What::List = self.what;
        let config = load::config(global)?.config;
        if global.json {
            let agents = config.agents.iter().map(|(name, agent)| {
                let models: Vec<String> = agent.models.iter().map(ToString::to_string).collect();
                json!({ "name": name.as_str(), "description": agent.description, "models": models })
            });
            outln!("{}", json!({ "agents": agents.collect::<Vec<_>>() }));
            return Ok(ExitCode::SUCCESS);
        }
        for (name, agent) in &config.agents {
            let models: Vec<String> = agent.models.iter().map(ToString::to_string).collect();
            let description = agent.description.as_deref().unwrap_or_default();
            outln!("{name}\t{}\t{description}", models.join(", "));
        }
        Ok(ExitCode::SUCCESS)
    }
}
