//! `parapet version`

use std::process::ExitCode;

use super::{Done, Global};

pub(super) fn run(global: &Global) -> Done {
    let version = env!("CARGO_PKG_VERSION");
    if global.json {
        println!("{}", serde_json::json!({ "version": version }));
    } else {
        println!("parapet {version}");
    }
    Ok(ExitCode::SUCCESS)
}
