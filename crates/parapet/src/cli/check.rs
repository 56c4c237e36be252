//! `parapet check`: every fault of the config at once.

use std::process::ExitCode;

use ::config::Style;
use clap::Args;

use super::load::{Faulty, Sources};
use super::{Done, Global, paint};

#[derive(Args)]
pub(super) struct Check {
    /// Notices are findings too.
    #[arg(long)]
    strict: bool,
}

impl Check {
    pub(super) fn run(self, global: &Global) -> Done {
        let sources = Sources::find(global)?;
        let (findings, usable) = match sources.load()? {
            Ok(loaded) => (loaded.notices, true),
            Err(faults) => (faults, false),
        };
        if global.json {
            outln!("{}", serde_json::json!({ "usable": usable, "findings": findings }));
        } else if usable {
            let style = if paint::on_stderr() { Style::Colour } else { Style::Plain };
            eprint!("{}", ::config::render(&findings, style));
            let notices = findings.len();
            outln!(
                "{}: no faults, {notices} {}",
                sources.name(),
                if notices == 1 { "notice" } else { "notices" }
            );
        } else {
            return Ok(Faulty(findings).report());
        }
        Ok(match (usable, self.strict && !findings.is_empty()) {
            (false, _) => ExitCode::from(Faulty::EXIT),
            (true, true) => ExitCode::FAILURE,
            (true, false) => ExitCode::SUCCESS,
        })
    }
}
