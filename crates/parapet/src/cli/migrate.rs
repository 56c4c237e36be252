//! `parapet migrate`: the database's schema. The server migrates itself up when it starts.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Done, Global, WrongUsage, block_on, load};

#[derive(Args)]
pub(super) struct Migrate {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Lists migrations and whether they are applied.
    Status,
    /// Applies what is not applied yet.
    Up {
        /// Only says what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Reverts the latest migrations. The server must be stopped.
    Down {
        /// How many.
        #[arg(long, default_value_t = 1)]
        steps: u32,
        /// Only says what would be done.
        #[arg(long)]
        dry_run: bool,
        /// Does not ask. Reverting loses the data of the tables that go.
        #[arg(long)]
        yes: bool,
    },
}

impl Migrate {
    pub(super) fn run(self, global: &Global) -> Done {
        let data_dir = load::config(global)?.config.storage.data_dir;
        block_on(async {
            match self.what {
                What::Status => show(&store::migrate::status(&data_dir).await?, global.json),
                What::Up { dry_run: true } => {
                    let missing =
                        store::migrate::status(&data_dir).await?.into_iter().filter(|step| !step.applied);
                    plan(missing.map(|step| (step.version, step.name, step.up)), global.json);
                }
                What::Up { dry_run: false } => {
                    done("applied", &store::migrate::up(&data_dir).await?, global.json)
                }
                What::Down { steps, dry_run: true, .. } => {
                    let applied = store::migrate::status(&data_dir)
                        .await?
                        .into_iter()
                        .rev()
                        .filter(|step| step.applied);
                    let latest = applied.take(steps as usize);
                    plan(latest.map(|step| (step.version, step.name, step.down)), global.json);
                }
                What::Down { steps, yes, .. } => {
                    if !yes && !agreed("reverting loses the data of the tables that go; go on?")? {
                        return Ok(ExitCode::FAILURE);
                    }
                    done("reverted", &store::migrate::down(&data_dir, steps as usize).await?, global.json);
                }
            }
            Ok(ExitCode::SUCCESS)
        })?
    }
}

fn show(steps: &[store::migrate::Step], json: bool) {
    for step in steps {
        if json {
            outln!("{}", json!({ "version": step.version, "name": step.name, "applied": step.applied }));
        } else {
            outln!("{:04} {}\t{}", step.version, step.name, if step.applied { "applied" } else { "missing" });
        }
    }
}

fn plan(steps: impl Iterator<Item = (i64, &'static str, &'static str)>, json: bool) {
    for (version, name, statements) in steps {
        if json {
            outln!("{}", json!({ "version": version, "name": name, "statements": statements }));
        } else {
            outln!("-- {version:04} {name}\n{}", statements.trim_end());
        }
    }
}

fn done(word: &str, versions: &[i64], json: bool) {
    if json {
        outln!("{}", json!({ word: versions }));
    } else if versions.is_empty() {
        outln!("nothing to do");
    } else {
        versions.iter().for_each(|version| outln!("{word} {version:04}"));
    }
}

/// Asks a person; without one the answer is no.
fn agreed(question: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(WrongUsage("nobody to ask: answer with --yes".to_owned()).into());
    }
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}
