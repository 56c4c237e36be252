//! Who is measured: the provider asked directly, nginx in front of it, and parapet in front of it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::ValueEnum;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::process::Process;
use crate::chat::Scenario;
use crate::monotonic::{self, SECOND};

/// The key the load comes with. Only parapet looks at it.
pub(super) const KEY: &str = "sk-bench-0123456789abcdefghijklmnopqrstuv";

const NGINX: &str = include_str!("../../../bench/nginx.conf");
const PARAPET: &str = include_str!("../../../bench/parapet.yaml");

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Kind {
    /// The provider without anything in front of it
    Direct,
    /// nginx as a plain reverse proxy
    Nginx,
    /// Parapet, every group of commits fsynced
    Parapet,
    /// Parapet, commits survive a crash of the process but not of the machine
    ParapetRelaxed,
    /// Parapet as durable as `parapet`, asked in OpenAI's dialect in front of a provider that speaks Anthropic's
    ParapetTranslating,
}

impl Kind {
    pub(super) const ALL: [Self; 5] =
        [Self::Direct, Self::Nginx, Self::Parapet, Self::ParapetRelaxed, Self::ParapetTranslating];

    pub(super) const fn is_parapet(self) -> bool {
        matches!(self, Self::Parapet | Self::ParapetRelaxed | Self::ParapetTranslating)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::Parapet => "parapet",
            Self::ParapetRelaxed => "parapet, relaxed",
            Self::ParapetTranslating => "parapet, translating",
        }
    }
}

/// The programs that are measured.
#[derive(Debug, Default)]
pub(super) struct Programs {
    pub(super) nginx: PathBuf,
    pub(super) parapet: PathBuf,
}

/// Where a subject's program and files are, and what it stands in front of.
#[derive(Clone, Debug)]
pub(super) struct Setting<'a> {
    pub(super) kind: Kind,
    pub(super) upstream: SocketAddr,
    pub(super) programs: &'a Programs,
    pub(super) dir: PathBuf,
}

/// A subject that answers.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) kind: Kind,
    pub(super) address: SocketAddr,
    pub(super) process: Option<Process>,
    /// From just before the start of the program to its first answer with status 200, in nanoseconds.
    pub(super) started_in: u64,
    /// Requests it answered since it started.
    pub(super) requests: u64,
    log: PathBuf,
    logged_before: u64,
}

impl Subject {
    pub(super) async fn start(setting: &Setting<'_>) -> anyhow::Result<Self> {
        let Setting { kind, upstream, programs, ref dir } = *setting;
        fs::create_dir_all(dir)?;
        let address = if kind == Kind::Direct { upstream } else { free_port()? };
        let log = dir.join(if kind == Kind::Nginx { "access.log" } else { "stdout" });
        let logged_before = lines(&log)?;
        let provider = if kind == Kind::ParapetTranslating {
            format!("kind: anthropic, base_url: \"http://{upstream}\"")
        } else {
            format!("kind: openai-compatible, base_url: \"http://{upstream}/v1\"")
        };
        let fill = |template: &str| {
            template
                .replace("{{dir}}", &dir.display().to_string())
                .replace("{{listen}}", &address.to_string())
                .replace("{{upstream}}", &upstream.to_string())
                .replace("{{workers}}", &thread::available_parallelism().map_or(1, usize::from).to_string())
                .replace("{{durability}}", if kind == Kind::ParapetRelaxed { "relaxed" } else { "full" })
                .replace("{{provider}}", &provider)
        };
        let config = dir.join("config");
        let begun = monotonic::now();
        let mut process = match kind {
            Kind::Direct => None,
            Kind::Nginx => {
                fs::write(&config, fill(NGINX))?;
                let args = ["-p".as_ref(), dir.as_os_str(), "-c".as_ref(), config.as_os_str()];
                Some(Process::spawn(&programs.nginx, args, &[], dir)?)
            }
            Kind::Parapet | Kind::ParapetRelaxed | Kind::ParapetTranslating => {
                fs::write(&config, fill(PARAPET))?;
                let args = ["-c".as_ref(), config.as_os_str(), "serve".as_ref()];
                let env = [("BENCH_KEY", KEY), ("BENCH_UPSTREAM_KEY", "sk-upstream")];
                Some(Process::spawn(&programs.parapet, args, &env, dir)?)
            }
        };
        while !answers(address).await {
            if let Some(process) = &mut process {
                process.running()?;
            }
            if monotonic::now() - begun > 20 * SECOND {
                let last_words = process.as_ref().map(Process::last_words).unwrap_or_default();
                bail!("no answer with status 200 within 20 s; its last words: {last_words}");
            }
            // A timer of the runtime would be a millisecond late.
            thread::sleep(Duration::from_micros(200));
            tokio::task::yield_now().await;
        }
        let started_in = monotonic::now() - begun;
        Ok(Self { kind, address, process, started_in, requests: 1, log, logged_before })
    }

    /// Ends it in order, and checks that it logged a line for each request: one that saved itself that work
    /// would not be comparable.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        let Some(process) = self.process else { return Ok(()) };
        process.terminate().await?;
        let logged = lines(&self.log)? - self.logged_before;
        if logged < self.requests {
            bail!("{} answered {} requests and logged {logged} lines", self.kind.name(), self.requests);
        }
        Ok(())
    }
}

async fn answers(address: SocketAddr) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(&Scenario::Unary.request(&address.to_string(), KEY)).await?;
        let mut received = [0; 12];
        stream.read_exact(&mut received).await?;
        anyhow::Ok(&received == b"HTTP/1.1 200")
    };
    ask.await.unwrap_or(false)
}

fn free_port() -> anyhow::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr().context("a bound listener has an address")
}

fn lines(path: &Path) -> anyhow::Result<u64> {
    match fs::File::open(path) {
        Ok(file) => Ok(u64::try_from(BufReader::new(file).split(b'\n').count())?),
        Err(_) => Ok(0),
    }
}
