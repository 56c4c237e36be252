//! `parapet export`: files for other programs, generated from what this binary serves.
//!
//! With `--check` nothing is written, and files that are missing or different are a finding: what a repository or a
//! deployment keeps can be compared with what the binary would write today.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;

use super::{Done, Global};
use crate::edge::openapi;
use crate::edge::routes::Listener;

#[derive(Args)]
pub(super) struct Export {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The OpenAPI documents, one for each listener.
    Openapi(To),
}

#[derive(Args)]
struct To {
    /// The folder to write into. Created if it is missing.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Writes nothing, and fails if a file is missing or different.
    #[arg(long)]
    check: bool,
    /// Only says what would be written.
    #[arg(long, conflicts_with = "check")]
    dry_run: bool,
}

impl Export {
    pub(super) fn run(self, global: &Global) -> Done {
        match self.what {
            What::Openapi(to) => to.bring(&documents(), global.json),
        }
    }
}

/// A file's name and its text.
type File = (&'static str, String);

fn documents() -> Vec<File> {
    let document = |listener| format!("{:#}\n", openapi::generate(listener));
    vec![
        ("openapi.json", document(Listener::Public)),
        ("openapi.metrics.json", document(Listener::Metrics)),
        ("openapi.admin.json", document(Listener::Admin)),
    ]
}

impl To {
    fn bring(&self, files: &[File], json: bool) -> Done {
        let mut stale = false;
        for (name, text) in files {
            let path = self.output.join(name);
            let fresh = std::fs::read_to_string(&path).is_ok_and(|found| found == *text);
            stale |= !fresh;
            let state = match (fresh, self.check, self.dry_run) {
                (true, _, _) => "unchanged",
                (false, true, _) => "stale",
                (false, false, true) => "would be written",
                (false, false, false) => {
                    write(&path, text)?;
                    "written"
                }
            };
            if json {
                println!("{}", json!({ "file": path, "state": state }));
            } else {
                println!("{}\t{state}", path.display());
            }
        }
        Ok(if self.check && stale { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    folder
        .and_then(|()| std::fs::write(path, text))
        .with_context(|| format!("cannot write {}", path.display()))
}
