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
                outln!("{}", json!({ "file": path, "state": state }));
            } else {
                outln!("{}\t{state}", path.display());
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

#[cfg(test)]
mod tests {
    use super::*;

    fn to(output: &Path) -> To {
        To { output: output.to_owned(), check: false, dry_run: false }
    }

    #[test]
    fn what_was_written_is_unchanged_until_somebody_changes_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("new/folder");
        let files = documents();
        let checked = || To { check: true, ..to(&at) }.bring(&files, true).unwrap();
        assert_eq!(To { dry_run: true, ..to(&at) }.bring(&files, true).unwrap(), ExitCode::SUCCESS);
        assert_eq!(checked(), ExitCode::FAILURE, "a dry run writes nothing");
        to(&at).bring(&files, true).unwrap();
        assert_eq!(checked(), ExitCode::SUCCESS);
        std::fs::write(at.join("openapi.json"), "{}").unwrap();
        assert_eq!(checked(), ExitCode::FAILURE);
        assert_eq!(std::fs::read_to_string(at.join("openapi.json")).unwrap(), "{}", "a check writes nothing");
    }

    #[test]
    fn each_listener_has_its_own_document() {
        let paths = |name: &str| {
            let (_, text) = documents().into_iter().find(|(file, _)| *file == name).unwrap();
            let document: serde_json::Value = serde_json::from_str(&text).unwrap();
            document["paths"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
        };
        assert!(paths("openapi.json").contains(&"/v1/chat/completions".to_owned()));
        assert!(!paths("openapi.json").iter().any(|path| path.starts_with("/admin") || path == "/metrics"));
        assert!(paths("openapi.metrics.json").contains(&"/metrics".to_owned()));
        assert!(paths("openapi.admin.json").contains(&"/admin/v1/config".to_owned()));
    }
}
