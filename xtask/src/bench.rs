//! `make bench`: parapet beside nginx and beside nothing at all, on one machine, in one run, under one load.
//!
//! The provider and the load are processes of their own, so that the CPU time of the one in between is known.
//! Each round loads every subject in turn, and the order turns with the rounds, so that whatever else the
//! machine does falls on all alike; medians over the rounds are reported, ratios are what goals are set in.
//! A request that fails or is answered wrong ends the run without a report. However the run ends, so do the
//! processes it started: children are killed when their handles are dropped, load and provider also when this
//! process dies.

mod figures;
mod process;
mod report;
mod rounds;
mod subject;

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, bail, ensure};
use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use self::figures::{Figures, Measure};
use self::report::Machine;
use self::rounds::Plan;
use self::subject::{Kind, Programs, Setting, Subject};
use crate::monotonic::MILLISECOND;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Fewer and shorter rounds: under 90 s instead of under 6 minutes
    #[arg(long)]
    quick: bool,
    /// Who is measured
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Kind::ALL)]
    only: Vec<Kind>,
    /// The parapet binary; built first when not given
    #[arg(long)]
    parapet: Option<PathBuf>,
    /// Where `bench.json` and `bench.md` are written. Data is kept beside them meanwhile: a disk, not a tmpfs
    #[arg(long, default_value = "bench-out")]
    out: PathBuf,
}

const TABLE: &str = "bench.md";
const JSON: &str = "bench.json";

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    ensure!(!cfg!(debug_assertions), "the load must be fast: run `cargo run --release -p xtask -- bench`");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        tokio::select! {
            result = bench(arguments) => result,
            _ = interrupt.recv() => bail!("interrupted"),
            _ = terminate.recv() => bail!("terminated"),
            _ = hangup.recv() => bail!("hung up"),
        }
    })
}

async fn bench(arguments: &Arguments) -> anyhow::Result<()> {
    let plan = if arguments.quick { Plan::QUICK } else { Plan::FULL };
    let mut subjects = arguments.only.clone();
    subjects.sort_unstable();
    subjects.dedup();
    let mut programs = Programs::default();
    if subjects.contains(&Kind::Nginx) {
        programs.nginx =
            nginx().context("there is no nginx to compare with: `scripts/setup.sh nginx` installs it")?;
    }
    if subjects.iter().any(|kind| kind.is_parapet()) {
        programs.parapet = match &arguments.parapet {
            Some(path) => path.clone(),
            None => build().await?,
        };
    }
    allow_many_files()?;
    fs::create_dir_all(&arguments.out)?;
    let out = arguments.out.canonicalize()?;
    for earlier in [TABLE, JSON] {
        // A run that fails leaves no result, not even one of an earlier run.
        let _ = fs::remove_file(out.join(earlier));
    }
    let dir = tempfile::Builder::new().prefix("run-").tempdir_in(&out)?;
    let machine = Machine::look(dir.path())?;

    let figures = measure(&plan, &subjects, &programs, dir.path()).await?;

    let table = report::table(&figures, &subjects, &machine, &plan);
    fs::write(out.join(TABLE), &table)?;
    let json = report::json(&figures, &subjects, &machine, &plan);
    fs::write(out.join(JSON), format!("{json:#}\n"))?;
    write!(std::io::stdout(), "{table}")?;
    Ok(())
}

async fn measure(plan: &Plan, subjects: &[Kind], programs: &Programs, dir: &Path) -> anyhow::Result<Figures> {
    let (_provider, upstream) = provider().await?;
    let mut figures = Figures::default();
    let mut running = Vec::new();
    for kind in subjects {
        progress(&format!("starting {}", kind.name()))?;
        let dir = dir.join(kind.name().replace(", ", "-"));
        let setting = Setting { kind: *kind, upstream, programs, dir };
        let mut subject = started(&setting, plan, &mut figures)
            .await
            .with_context(|| format!("cannot measure {}", kind.name()))?;
        rounds::memory(&mut subject, &mut figures).await?;
        running.push(subject);
    }
    for round in 1..=plan.rounds {
        for subject in &mut running {
            progress(&format!("round {round} of {}: {}", plan.rounds, subject.kind.name()))?;
            rounds::round(subject, plan, &mut figures).await?;
        }
        figures.add_differences(subjects);
        running.rotate_left(1);
    }
    for subject in running {
        subject.stop().await?;
    }
    Ok(figures)
}

/// Starts a subject several times and keeps the last one running.
async fn started(setting: &Setting<'_>, plan: &Plan, figures: &mut Figures) -> anyhow::Result<Subject> {
    let mut subject = Subject::start(setting).await?;
    let milliseconds = |subject: &Subject| subject.started_in as f64 / MILLISECOND as f64;
    if setting.kind == Kind::Direct {
        return Ok(subject);
    }
    figures.add(setting.kind, Measure::FirstStart, milliseconds(&subject));
    for _ in 1..plan.starts {
        subject.stop().await?;
        subject = Subject::start(setting).await?;
        figures.add(setting.kind, Measure::Start, milliseconds(&subject));
    }
    Ok(subject)
}

async fn provider() -> anyhow::Result<(Child, std::net::SocketAddr)> {
    let mut child = Command::new(env::current_exe()?)
        .arg("upstream")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let out = child.stdout.take().context("standard output is a pipe")?;
    let line = BufReader::new(out).lines().next_line().await?;
    let address = line.context("the provider did not start")?.parse()?;
    Ok((child, address))
}

/// Builds the release binary beside this one.
async fn build() -> anyhow::Result<PathBuf> {
    progress("building parapet")?;
    let status =
        Command::new("cargo").args(["build", "--release", "--locked", "-p", "parapet"]).status().await?;
    ensure!(status.success(), "parapet does not build");
    let this = env::current_exe()?;
    let parapet = this.with_file_name("parapet");
    ensure!(
        parapet.is_file(),
        "parapet was not built beside {}: give its path with --parapet",
        this.display()
    );
    Ok(parapet)
}

/// Debian puts it where only root's path leads.
fn nginx() -> Option<PathBuf> {
    let path = env::vars_os().find(|(name, _)| name == "PATH").map(|(_, path)| path).unwrap_or_default();
    let dirs = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    dirs.map(|dir| dir.join("nginx")).find(|path| path.is_file())
}

/// A thousand streams take two descriptors each in what stands between.
fn allow_many_files() -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?)
}

fn progress(what: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stderr(), "bench: {what}")?)
}
