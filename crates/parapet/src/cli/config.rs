//! `parapet config`: the config in force, one value explained, the schema for editors.

use std::process::ExitCode;

use ::config::Draft;
use clap::{Args, Subcommand, ValueEnum};

use super::{Done, Global, WrongUsage, load};

#[derive(Args)]
pub(super) struct Config {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Prints the config in force: all layers merged, secrets redacted.
    Show,
    /// Says what a key is set to, which layer set it, and what it is for.
    Explain {
        /// A dotted key, such as `server.listen`.
        key: String,
    },
    /// Prints the JSON Schema of config files, for editors.
    Schema {
        #[arg(long, value_enum, default_value = "2020-12")]
        draft: DraftName,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum DraftName {
    #[value(name = "2020-12")]
    Latest,
    #[value(name = "draft-07")]
    Seven,
}

impl Config {
    pub(super) fn run(self, global: &Global) -> Done {
        match self.what {
            What::Show if global.json => outln!("{}", load::config(global)?.to_json()),
            What::Show => out!("{}", load::config(global)?.show()),
            What::Explain { key } => explain(global, &key)?,
            What::Schema { draft } => {
                let draft = match draft {
                    DraftName::Latest => Draft::Latest,
                    DraftName::Seven => Draft::Draft07,
                };
                outln!("{:#}", ::config::schema(draft));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn explain(global: &Global, key: &str) -> anyhow::Result<()> {
    let explained = load::config(global)?.explain(key).map_err(|unknown| {
        let help = unknown.nearest.as_ref().map(|near| format!("\n  = help: did you mean `{near}`?"));
        WrongUsage(format!("{unknown}{}", help.unwrap_or_default()))
    })?;
    if global.json {
        outln!("{}", serde_json::to_string(&explained)?);
        return Ok(());
    }
    outln!("{}", explained.key);
    for (name, value) in [
        ("value", &explained.value),
        ("set by", &explained.set_by),
        ("default", &explained.default),
        ("what", &explained.text),
    ] {
        let value = value.as_deref().unwrap_or("-");
        if value.contains('\n') {
            outln!("  {name}:");
            value.lines().for_each(|line| outln!("    {line}"));
        } else {
            outln!("  {name}: {value}");
        }
    }
    Ok(())
}
