//! The config as it is written: one struct per section, one documented field per key.
//!
//! Everything that describes the format comes from here: decoding, the keys that are known, the JSON Schema,
//! the texts of `config explain`. What a value means, and whether values fit together, is `resolve`'s business.
//! Defaults are in `defaults.yaml`.

mod agent;
mod provider;
mod value;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::de::{Field, Table};

pub(crate) use agent::{Agent, HistoryStore, Parameters, Tool, ToolChoice, ToolPolicy};
pub(crate) use provider::{FaultKind, Faults, Mood, Provider, ProviderKind, Timeouts};
pub(crate) use value::{
    DurationText, Length, Percentage, RawSecret, SchemaText, SecretSource, SizeText, Stop, TargetText,
};

/// The configuration of Parapet.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Parapet", extend("required" = ["version"]))]
pub(crate) struct Root {
    /// The version of this format: 1.
    #[schemars(extend("const" = 1))]
    pub(crate) version: Field<u64>,
    /// What this installation calls itself.
    pub(crate) app: Field<App>,
    /// Listeners and how connections are treated.
    pub(crate) server: Field<Server>,
    /// Where conversations and the ledger are kept.
    pub(crate) storage: Field<Storage>,
    /// Who may call.
    pub(crate) auth: Field<Auth>,
    /// Upstream accounts by name. `simulated` always exists.
    pub(crate) providers: Field<Table<Provider>>,
    /// Names that callers use for a list of targets.
    pub(crate) models: Field<Table<Model>>,
    /// Agents by name. Callers use an agent like a model.
    pub(crate) agents: Field<Table<Agent>>,
    /// Logs and metrics.
    pub(crate) telemetry: Field<Telemetry>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct App {
    /// The name of this installation, in logs.
    pub(crate) name: Field<String>,
    /// The release of your application, kept in every ledger row.
    pub(crate) release: Field<String>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Server {
    /// The address of the public API, as `IP:port`. Port 0 takes a free one.
    pub(crate) listen: Field<String>,
    /// The listener for metrics and health.
    pub(crate) metrics: Field<Listener>,
    /// The listener for administration.
    pub(crate) admin: Field<Listener>,
    /// The URL under which callers reach the public API. Setting it means that others can.
    pub(crate) public_url: Field<String>,
    /// The largest request body.
    pub(crate) body_limit: Field<SizeText>,
    /// The most connections at one time to the public API. Not set, or more than that: nearly half
    /// of the process's limit of open files.
    pub(crate) max_connections: Field<u64>,
    /// How the server stops.
    pub(crate) shutdown: Field<Shutdown>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Listener {
    /// The address as `IP:port`. Port 0 takes a free one.
    pub(crate) listen: Field<String>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Shutdown {
    /// How long new connections are still taken after the signal, while load balancers notice.
    pub(crate) accept_for: Field<DurationText>,
    /// How long running requests and streams may take to end.
    pub(crate) drain: Field<DurationText>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Storage {
    /// The folder of the database. Also set by `PARAPET_DATA_DIR`.
    pub(crate) data_dir: Field<String>,
    /// The database.
    pub(crate) database: Field<Database>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Database {
    /// What survives: `full` a loss of power, `relaxed` a crash of the process.
    pub(crate) durability: Field<Durability>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Durability {
    Full,
    Relaxed,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Auth {
    /// `required`: every request needs a key. `open`: everyone is the administrator. Not set: `open` as long as
    /// the public and the admin listener are loopback, and there are neither keys nor a public URL.
    pub(crate) mode: Field<AuthMode>,
    /// Keys that callers may come with.
    pub(crate) keys: Field<Vec<Field<AuthKey>>>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AuthMode {
    Open,
    Required,
}

/// A key that callers may come with.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["name"]))]
pub(crate) struct AuthKey {
    /// What the key is called in the ledger and in the audit log.
    pub(crate) name: Field<String>,
    /// `sha256:` and the SHA-256 of the key in hexadecimal. Either this or `key`.
    #[schemars(regex(pattern = "^sha256:[0-9a-fA-F]{64}$"))]
    pub(crate) hash: Field<String>,
    /// The key itself. Either this or `hash`.
    pub(crate) key: Field<RawSecret>,
    /// What callers with this key may do.
    pub(crate) role: Field<Role>,
    /// Whose data they work on.
    pub(crate) tenant: Field<String>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    Viewer,
    User,
    Operator,
    Admin,
}

/// A name that callers use, and what it stands for.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["targets"]))]
pub(crate) struct Model {
    /// `provider/model` names, in order.
    #[schemars(length(min = 1))]
    pub(crate) targets: Field<Vec<Field<TargetText>>>,
    /// How a target is chosen. `priority`: the first that can answer.
    pub(crate) strategy: Field<Strategy>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Strategy {
    Priority,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Telemetry {
    /// Logs, on standard output.
    pub(crate) logs: Field<Logs>,
    /// Metrics, on their own listener.
    pub(crate) metrics: Field<Metrics>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Logs {
    /// The least important line to write.
    pub(crate) level: Field<LogLevel>,
    /// `json`: an object per line. `text`: for people.
    pub(crate) format: Field<LogFormat>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Json,
    Text,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Metrics {
    /// The path of the metrics.
    pub(crate) path: Field<String>,
}
