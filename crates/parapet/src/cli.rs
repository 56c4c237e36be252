//! The command line: one file per command.
//!
//! Manners: results on stdout, messages on stderr, `--json` for programs, exit code 0 for fine, 1 for findings or a
//! failed call, 2 for wrong usage or a wrong config. This is the only place that reads the environment.
#![expect(clippy::print_stderr, reason = "this is the command line")]

/// Prints to stdout. A reader that has left, as `head` does, ends the command in peace; other failures end it with 1.
macro_rules! out {
    ($($text:tt)*) => { $crate::cli::written(std::io::Write::write_fmt(&mut std::io::stdout(), format_args!($($text)*))) };
}

/// As `out!`, and ends the line.
macro_rules! outln {
    ($($text:tt)*) => { out!("{}\n", format_args!($($text)*)) };
}

mod agent;
mod chat;
mod check;
mod client;
mod config;
mod export;
mod healthcheck;
mod load;
mod migrate;
mod provider;
mod serve;
mod version;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// The production server for AI chat applications.
#[derive(Parser)]
#[command(name = "parapet", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes, before or after its name.
#[derive(Args)]
struct Global {
    /// The config file. Without it: $CONFIG_PATH, ./parapet.yaml, or the built-in default.
    #[arg(short, long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sets a value of the config, such as `server.listen=127.0.0.1:9000`. May be repeated.
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Answers as JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the server.
    Serve(serve::Serve),
    /// Checks the config and reports every fault at once.
    Check(check::Check),
    /// Shows the config in force, explains a value, or prints the schema.
    Config(config::Config),
    /// Talks to an agent in the terminal.
    Chat(chat::Chat),
    /// Lists providers, or tests that they answer.
    Provider(provider::Provider),
    /// Lists agents.
    Agent(agent::Agent),
    /// Shows or applies database migrations.
    Migrate(migrate::Migrate),
    /// Writes files for other programs: the OpenAPI documents.
    Export(export::Export),
    /// Asks a running server whether it is ready. For containers.
    Healthcheck(healthcheck::Healthcheck),
    /// Prints the version.
    Version,
}

impl Cli {
    /// Runs the command.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let global = &self.global;
        let done = match self.command {
            Command::Serve(command) => command.run(global),
            Command::Check(command) => command.run(global),
            Command::Config(command) => command.run(global),
            Command::Chat(command) => command.run(global),
            Command::Provider(command) => command.run(global),
            Command::Agent(command) => command.run(global),
            Command::Migrate(command) => command.run(global),
            Command::Export(command) => command.run(global),
            Command::Healthcheck(command) => command.run(global),
            Command::Version => version::run(global),
        };
        done.unwrap_or_else(|error| {
            eprintln!("{}: {error:#}", paint::error("error"));
            let wrong = error.is::<WrongUsage>() || error.is::<load::Faulty>();
            if wrong { ExitCode::from(2) } else { ExitCode::FAILURE }
        })
    }
}

/// What became of output.
fn written(result: std::io::Result<()>) {
    if let Err(error) = result {
        let gone = error.kind() == std::io::ErrorKind::BrokenPipe;
        std::process::exit(i32::from(!gone));
    }
}

/// An error of whoever typed the command: exit code 2, as for a config that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct WrongUsage(String);

type Done = anyhow::Result<ExitCode>;

/// One thread is enough for every command but `serve`.
fn block_on<T>(future: impl Future<Output = T>) -> anyhow::Result<T> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future))
}

/// Colour, only where a person looks: a terminal, and `NO_COLOR` not set.
mod paint {
    use std::fmt::Display;
    use std::io::IsTerminal as _;

    use anstyle::{AnsiColor, Style};

    #[expect(clippy::disallowed_methods, reason = "the command line reads the environment")]
    pub(super) fn on_stderr() -> bool {
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
    }

    fn painted(text: impl Display, style: Style) -> String {
        if on_stderr() { format!("{style}{text}{style:#}") } else { text.to_string() }
    }

    pub(super) fn error(text: impl Display) -> String {
        painted(text, AnsiColor::Red.on_default().bold())
    }

    pub(super) fn strong(text: impl Display) -> String {
        painted(text, Style::new().bold())
    }

    pub(super) fn dim(text: impl Display) -> String {
        painted(text, Style::new().dimmed())
    }
}
