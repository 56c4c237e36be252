//! The config as it is written: one struct per section, one documented field per key.
//!
//! Everything that describes the format comes from here: decoding, the keys that are known, the JSON Schema,
//! the texts of `config explain`. What a value means, and whether values fit together, is `resolve`'s business.
//! Defaults are in `defaults.yaml`.

mod value;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::de::{Field, Table};

pub(crate) use value::{DurationText, Length, RawSecret, SecretSource, SizeText, Stop, TargetText};

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

/// An upstream account.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Provider {
    /// Which API it speaks. Not set: the provider's name, if that is a kind.
    pub(crate) kind: Field<ProviderKind>,
    /// The URL that paths like `/chat/completions` are added to.
    pub(crate) base_url: Field<String>,
    /// The key. With an empty one the provider is skipped.
    pub(crate) api_key: Field<RawSecret>,
    /// Several keys, used in turn.
    pub(crate) api_keys: Field<Vec<Field<RawSecret>>>,
    /// Headers to send along. Their values are treated as secrets.
    pub(crate) headers: Field<Table<RawSecret>>,
    /// How long to wait for what.
    pub(crate) timeouts: Field<Timeouts>,
    /// The models to offer. Not set: whatever the provider has, not listed.
    pub(crate) models: Field<Vec<Field<String>>>,
    /// Simulated: the time to the first word.
    pub(crate) latency: Field<DurationText>,
    /// Simulated: the speed of a stream.
    pub(crate) tokens_per_second: Field<f64>,
    /// Simulated: the length of an answer in words, or the shortest and the longest.
    pub(crate) length: Field<Length>,
    /// Simulated: another seed, other answers.
    pub(crate) seed: Field<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ProviderKind {
    Openai,
    OpenaiCompatible,
    Simulated,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Timeouts {
    /// To connect, TLS included.
    pub(crate) connect: Field<DurationText>,
    /// Streams: from the request to the first event.
    pub(crate) first_event: Field<DurationText>,
    /// Streams: between two events.
    pub(crate) between_events: Field<DurationText>,
    /// Streams: the whole call.
    pub(crate) total: Field<DurationText>,
    /// Calls without a stream: the whole call.
    pub(crate) unary: Field<DurationText>,
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

/// A prompt, and the models that it is put to.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["prompt", "models"]))]
pub(crate) struct Agent {
    /// What it does, for people.
    pub(crate) description: Field<String>,
    /// The system prompt.
    pub(crate) prompt: Field<String>,
    /// Names under `models:` or `provider/model` names, tried in order.
    #[schemars(length(min = 1))]
    pub(crate) models: Field<Vec<Field<String>>>,
    /// What is sent to the model with every call.
    pub(crate) parameters: Field<Parameters>,
    /// What the model sees of the conversation.
    pub(crate) history: Field<History>,
    /// The longest message of a user, in characters. A longer one is refused.
    pub(crate) max_message_chars: Field<u64>,
    /// The longest answer, in characters. A longer one is cut.
    pub(crate) max_answer_chars: Field<u64>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Parameters {
    /// 0 to 2. Higher is more varied.
    #[schemars(range(min = 0, max = 2))]
    pub(crate) temperature: Field<f64>,
    /// 0 to 1. Only the likeliest tokens that together have this probability.
    #[schemars(range(min = 0, max = 1))]
    pub(crate) top_p: Field<f64>,
    /// The most tokens of an answer.
    #[schemars(range(min = 1))]
    pub(crate) max_tokens: Field<u64>,
    /// -2 to 2. Higher repeats less.
    #[schemars(range(min = -2, max = 2))]
    pub(crate) frequency_penalty: Field<f64>,
    /// -2 to 2. Higher changes the subject more.
    #[schemars(range(min = -2, max = 2))]
    pub(crate) presence_penalty: Field<f64>,
    /// For answers that repeat as far as the provider can.
    pub(crate) seed: Field<i64>,
    /// A text, or up to four, that end an answer.
    pub(crate) stop: Field<Stop>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct History {
    /// Where it is kept.
    pub(crate) store: Field<HistoryStore>,
    /// The most messages of a conversation that a model sees.
    pub(crate) max_messages: Field<u64>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HistoryStore {
    Database,
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
