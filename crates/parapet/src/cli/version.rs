//! `parapet version`

use std::process::ExitCode;

use super::{Done, Global};

pub(super) fn run(global: &Global) -> Done {
    let version = env!("CARGO_PKG_VERSION");
    if global.json {
        outln!("{}", serde_json::json!({ "version": version }));
    } else {
        outln!("parapet {version}");
    }
    Ok(ExitCode::SUCCESS)
}
