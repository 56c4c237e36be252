//! The resolved configuration: every value present, typed and checked, every reference known to lead somewhere.
//!
//! Nothing here needs checking again. Secrets are references ([`SecretRef`]); the server reads them.

mod agent;
mod provider;
mod url;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use domain::{AgentName, KeyId, ModelName, ProviderName, Role, TenantId};
use indexmap::IndexMap;

use crate::secret::SecretRef;

pub use agent::{Agent, History, Parameters, Tool, ToolChoice, ToolPattern, ToolPolicy};
pub use provider::{FaultKind, Faults, Mood, Provider, ProviderKind, SimulatedSettings, Timeouts, Upstream};
pub use url::{BaseUrl, Scheme, UrlError};

#[derive(Clone, Debug)]
pub struct Config {
    pub app: App,
    pub server: Server,
    pub storage: Storage,
    pub auth: Auth,
    /// Those that can be called: providers skipped for want of a key are not here.
    pub providers: IndexMap<ProviderName, Provider>,
    pub models: IndexMap<ModelName, Model>,
    pub agents: IndexMap<AgentName, Agent>,
    pub telemetry: Telemetry,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    pub name: String,
    /// The release of the operator's application, for the ledger.
    pub release: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The public API.
    pub listen: SocketAddr,
    pub metrics: SocketAddr,
    pub admin: SocketAddr,
    /// Without a trailing slash.
    pub public_url: Option<String>,
    /// Bytes.
    pub body_limit: u64,
    pub max_connections: Option<u32>,
    pub shutdown: Shutdown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// New connections are still taken for this long after the signal.
    pub accept_for: Duration,
    /// Then running requests have this long to end.
    pub drain: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    pub data_dir: PathBuf,
    pub durability: Durability,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Every group commit is on the disk before it is acknowledged.
    Full,
    /// Survives a crash of the process, not of the machine.
    Relaxed,
}

#[derive(Clone, Debug)]
pub struct Auth {
    pub mode: AuthMode,
    /// True if the mode is written in the config, false if it follows from the listeners.
    pub explicit: bool,
    pub keys: Vec<AuthKey>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMode {
    /// Every request is the local tenant's administrator.
    Open,
    /// Every request needs a key.
    Required,
}

#[derive(Clone, Debug)]
pub struct AuthKey {
    pub name: KeyId,
    pub secret: KeySecret,
    pub role: Role,
    pub tenant: TenantId,
}

#[derive(Clone, Debug)]
pub enum KeySecret {
    /// The SHA-256 of the key.
    Sha256([u8; 32]),
    Plain(SecretRef),
}

/// A name that callers use, and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// In order of priority, at least one.
    pub targets: Vec<Target>,
}

/// A model at a provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    pub provider: ProviderName,
    /// What the provider calls it.
    pub model: String,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telemetry {
    pub logs: Logs,
    /// Begins with `/`.
    pub metrics_path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logs {
    pub level: LogLevel,
    pub format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl LogLevel {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    Text,
}
