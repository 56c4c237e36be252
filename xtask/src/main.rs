//! Work on the repository that is a program of its own: `cargo run --release -p xtask -- COMMAND`.

mod bench;
mod chat;
mod deps;
mod generate;
mod load;
mod monotonic;
mod upstream;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "benchmarks and repository checks")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures direct, nginx and parapet side by side under the same load
    Bench(bench::Arguments),
    /// Checks that the crates depend on each other as ARCHITECTURE.md says
    Deps,
    /// Writes the generated pages of docs/reference
    Generate(generate::Arguments),
    /// Generates load for the benchmark (a process of its own, so that CPU time can be told apart)
    #[command(hide = true)]
    Load(load::Arguments),
    /// Answers as a fast provider for the benchmark
    #[command(hide = true)]
    Upstream,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Deps => deps::check(),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Load(arguments) => load::run(&arguments),
        Command::Upstream => upstream::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // With standard error closed, the exit code still tells.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
