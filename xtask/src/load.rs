//! The benchmark's load. Each way of loading is one file; all of them check every answer and fail on the first
//! wrong one, so that a figure is never a figure about errors.

mod closed;
mod hold;
mod open;
mod response;
mod streams;

use std::io::{self, Write};
use std::net::SocketAddr;

use clap::{Args, Subcommand};
use rustix::process::{Signal, set_parent_process_death_signal};
use serde_json::Value;
use tokio::task::LocalSet;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Who is asked
    #[arg(long)]
    target: SocketAddr,
    /// The key to come with
    #[arg(long)]
    key: String,
    #[command(subcommand)]
    shape: Shape,
}

#[derive(Subcommand)]
enum Shape {
    /// Whole answers, each connection asking again as soon as it is answered
    Closed {
        #[arg(long)]
        connections: u32,
        #[arg(long)]
        milliseconds: u64,
    },
    /// Whole answers at a constant rate of arrivals
    Open {
        /// Requests per second
        #[arg(long)]
        rate: u64,
        #[arg(long)]
        milliseconds: u64,
    },
    /// Streams side by side, each asked for so many times
    Streams {
        #[arg(long)]
        streams: u64,
        #[arg(long)]
        times: u32,
        #[arg(long)]
        chunks: u32,
        /// Milliseconds between chunks
        #[arg(long)]
        every: u64,
    },
    /// Opens as many streams as each line of standard input says in all, and holds them
    Hold,
}

/// Runs one load; the result is one line of JSON on standard output.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let Arguments { target, ref key, ref shape } = *arguments;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    let result = match *shape {
        Shape::Closed { connections, milliseconds } => {
            local.block_on(&runtime, closed::run(target, key, connections, milliseconds))?
        }
        Shape::Open { rate, milliseconds } => open::run(target, key, rate, milliseconds)?,
        Shape::Streams { streams, times, chunks, every } => {
            local.block_on(&runtime, streams::run(target, key, streams, times, chunks, every))?
        }
        Shape::Hold => return local.block_on(&runtime, hold::run(target, key)),
    };
    say(&result)
}

fn say(result: &Value) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{result}")?;
    Ok(out.flush()?)
}
