//! `parapet chat`: talks to an agent in the terminal. The server keeps the conversation, so that it goes on after
//! either end was restarted.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};

use super::client::{Client, next, whole, words};
use super::{Done, Global, WrongUsage, block_on, load, paint};

#[derive(Args)]
pub(super) struct Chat {
    /// The agent to talk to. Without it: the only one there is.
    agent: Option<String>,
    /// Sends this message, prints the answer, and ends.
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Goes on with this conversation.
    #[arg(long, value_name = "ID", conflicts_with = "last")]
    conversation: Option<String>,
    /// Goes on with the conversation that was begun last.
    #[arg(long)]
    last: bool,
    /// The server. Without it: the public listener of the config.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The API key, for a server that requires one.
    #[arg(long, env = "PARAPET_API_KEY", hide_env_values = true, value_name = "KEY")]
    key: Option<String>,
}

impl Chat {
    pub(super) fn run(self, global: &Global) -> Done {
        let url = match &self.url {
            Some(url) => url.clone(),
            None => format!("http://{}", load::reachable(load::config(global)?.config.server.listen)),
        };
        let client = Client::new(&url, self.key.clone())?;
        block_on(async {
            let mut talk = Talk::open(client, &self).await?;
            match &self.message {
                Some(message) => talk.say(message, global.json).await,
                None => talk.go_on(global.json).await,
            }
        })?
    }
}

struct Talk {
    client: Client,
    agent: String,
    conversation: Option<String>,
}

impl Talk {
    async fn open(client: Client, chat: &Chat) -> anyhow::Result<Self> {
        let mut conversation = chat.conversation.clone();
        let mut agent = chat.agent.clone();
        if chat.last {
            let list = read(&client, "/v1/conversations?limit=1").await?;
            let last = list.pointer("/data/0").context("there is no conversation yet")?;
            conversation = last.get("id").and_then(Value::as_str).map(str::to_owned);
        }
        if let (Some(id), None) = (&conversation, &agent) {
            let found = read(&client, &format!("/v1/conversations/{id}")).await?;
            agent = found.get("agent").and_then(Value::as_str).map(str::to_owned);
        }
        let agent = match agent {
            Some(agent) => agent,
            None => only_agent(&client).await?,
        };
        Ok(Self { client, agent, conversation })
    }

    /// Reads lines until the end of input.
    async fn go_on(&mut self, json: bool) -> Done {
        let person = std::io::stdin().is_terminal();
        if person {
            let end = if cfg!(windows) { "Ctrl-Z" } else { "Ctrl-D" };
            eprintln!("{}", paint::dim(format!("talking to `{}`; {end} ends", self.agent)));
        }
        let mut failed = false;
        for line in std::io::stdin().lock().lines() {
            let line = line?;
            if line.trim().is_empty() {
                continue;
            }
            let said = self.say(&line, json).await;
            match said {
                Ok(code) => failed |= code != ExitCode::SUCCESS,
                // The server may come back: the conversation is kept there.
                Err(error) => {
                    eprintln!("{}: {error:#}", paint::error("error"));
                    failed = true;
                }
            }
        }
        if let Some(id) = self.conversation.as_ref().filter(|_| person) {
            eprintln!("{}", paint::dim(format!("go on with: parapet chat --conversation {id}")));
        }
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    /// Sends a message and prints the answer as it comes.
    async fn say(&mut self, message: &str, json: bool) -> Done {
        let body = json!({ "message": message, "stream": true, "conversation_id": self.conversation });
        let response = self.client.post(&format!("/v1/agents/{}/query", self.agent), &body).await?;
        if !response.status().is_success() {
            let body = whole(response.into_body()).await?;
            anyhow::bail!("{}", words(&body));
        }
        let mut answer = response.into_body();
        let mut parser = wire::sse::Parser::default();
        let mut out = std::io::stdout();
        while let Some(data) = next(&mut answer).await? {
            parser.push(data);
            while let Some(frame) = parser.next()? {
                let event: Value = serde_json::from_slice(&frame.data)?;
                match frame.name.as_deref() {
                    Some(b"answer.started") => self.remember(&event),
                    Some(b"answer.delta") if !json => {
                        write!(
                            out,
                            "{}",
                            plain(event.get("text").and_then(Value::as_str).unwrap_or_default())
                        )?;
                        out.flush()?;
                    }
                    Some(b"answer.completed") => {
                        self.remember(&event);
                        writeln!(out, "{}", if json { event.to_string() } else { String::new() })?;
                        return Ok(ExitCode::SUCCESS);
                    }
                    Some(b"error") => {
                        if !json {
                            writeln!(out)?;
                        }
                        anyhow::bail!("{}", words(&frame.data));
                    }
                    _ => {}
                }
            }
        }
        anyhow::bail!("the answer was cut")
    }

    fn remember(&mut self, event: &Value) {
        if let Some(id) = event.get("conversation_id").and_then(Value::as_str) {
            self.conversation = Some(id.to_owned());
        }
    }
}

/// What a model says, without what a terminal would obey.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

async fn only_agent(client: &Client) -> anyhow::Result<String> {
    let models = read(client, "/v1/models").await?;
    let entries = models.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
    let is_agent = |entry: &&Value| entry.get("owned_by").and_then(Value::as_str) == Some("agent");
    let agents: Vec<&str> =
        entries.iter().filter(is_agent).filter_map(|entry| entry.get("id").and_then(Value::as_str)).collect();
    match agents.as_slice() {
        [only] => Ok((*only).to_owned()),
        [] => Err(WrongUsage("the server has no agent".to_owned()).into()),
        several => Err(WrongUsage(format!("name one of the agents: {}", several.join(", "))).into()),
    }
}

async fn read(client: &Client, path: &str) -> anyhow::Result<Value> {
    let (status, body) = client.get(path).await?;
    anyhow::ensure!(status.is_success(), "{}", words(&body));
    Ok(serde_json::from_slice(&body)?)
}
