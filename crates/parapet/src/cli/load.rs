//! Finding and loading the config, the same way for every command.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ::config::{Finding, Input, Loaded, Style, Text};

use super::{Global, WrongUsage, paint};

/// Everything a config is loaded from: what is read again on a reload.
pub(super) struct Sources {
    file: Option<PathBuf>,
    pub(super) env: BTreeMap<String, String>,
    flags: Vec<(String, String)>,
}

/// What came of loading.
pub(super) type Outcome = Result<Loaded, Vec<Finding>>;

impl Sources {
    /// `-c`, `$CONFIG_PATH`, `./parapet.yaml`, or none for the built-in default.
    pub(super) fn find(global: &Global) -> anyhow::Result<Self> {
        let env = environment();
        let named = global
            .config
            .clone()
            .or_else(|| env.get("CONFIG_PATH").filter(|p| !p.is_empty()).map(PathBuf::from));
        let here = PathBuf::from("parapet.yaml");
        let file = named.or_else(|| here.is_file().then_some(here));
        let flag = |flag: &String| {
            let (key, value) = flag.split_once('=').ok_or_else(|| {
                WrongUsage(format!(
                    "`--set {flag}`: expected KEY=VALUE, such as server.listen=127.0.0.1:9000"
                ))
            })?;
            Ok((key.trim().to_owned(), value.to_owned()))
        };
        let flags = global.set.iter().map(flag).collect::<anyhow::Result<_>>()?;
        Ok(Self { file, env, flags })
    }

    pub(super) fn name(&self) -> String {
        self.file.as_ref().map_or_else(|| "built-in default".to_owned(), |file| file.display().to_string())
    }

    pub(super) fn load(&self) -> anyhow::Result<Outcome> {
        let text = match &self.file {
            None => None,
            Some(path) => {
                let read = std::fs::read_to_string(path);
                Some(read.map_err(|error| {
                    WrongUsage(format!("cannot read the config {}: {error}", path.display()))
                })?)
            }
        };
        let name = self.name();
        let file = text.as_deref().map(|text| Text { name: &name, text });
        Ok(::config::load(&Input { file, env: &self.env, flags: &self.flags, read: &read }))
    }
}

/// The config, or its faults on stderr and exit code 2.
pub(super) fn config(global: &Global) -> anyhow::Result<Loaded> {
    Sources::find(global)?.load()?.map_err(|faults| Faulty(faults).into())
}

/// A config that cannot be used.
#[derive(Debug)]
pub(super) struct Faulty(pub(super) Vec<Finding>);

impl std::fmt::Display for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let faults = if self.0.len() == 1 { "one fault" } else { "several faults" };
        write!(f, "the config has {faults}\n{}", ::config::render(&self.0, Style::Plain))
    }
}

impl std::error::Error for Faulty {}

impl Faulty {
    pub(super) const EXIT: u8 = 2;

    pub(super) fn report(&self) -> ExitCode {
        let style = if paint::on_stderr() { Style::Colour } else { Style::Plain };
        eprint!("{}", ::config::render(&self.0, style));
        let count = self.0.len();
        eprintln!(
            "{}: {count} {} in the config",
            paint::error("error"),
            if count == 1 { "fault" } else { "faults" }
        );
        ExitCode::from(Self::EXIT)
    }
}

pub(super) fn read(path: &Path) -> std::io::Result<String> {
    std::fs::read_to_string(path)
}

/// An address to reach a listener at: one that listens everywhere is reached on loopback.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The environment as text. A variable that is not UTF-8 cannot be meant for us.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
