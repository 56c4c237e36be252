//! `parapet healthcheck`: the container's health check, without a shell or curl in the image.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::client::Client;
use super::{Done, Global, block_on, load};

#[derive(Args)]
pub(super) struct Healthcheck {
    /// The server to ask. Without it: the metrics listener of the config.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

impl Healthcheck {
    pub(super) fn run(self, global: &Global) -> Done {
        let url = match self.url {
            Some(url) => url,
            None => format!("http://{}", load::reachable(load::config(global)?.config.server.metrics)),
        };
        let answer = block_on(async {
            let client = Client::new(&url, None)?;
            tokio::time::timeout(Duration::from_secs(3), client.get("/ready")).await?
        })?;
        match answer {
            Ok((status, body)) => {
                outln!("{}", String::from_utf8_lossy(&body).trim());
                Ok(if status.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
            }
            Err(error) => {
                eprintln!("not ready: {error:#}");
                Ok(ExitCode::FAILURE)
            }
        }
    }
}
