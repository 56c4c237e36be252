//! The configuration: texts and environment in, a [`Config`] with every value checked, or every fault at once.
//!
//! [`load`] is pure. It reads files only through the closure it is given, knows no clock, and touches no
//! network, so that `check`, a reload and a test are the same call. The way of a value:
//!
//! 1. `node`: YAML becomes a tree in which each key and value knows its line and column;
//! 2. `interpolate` fills in `${env:…}` and `${file:…}`;
//! 3. `layer` lays the environment and the flags over it, `defaults.yaml` and what `kinds` knows go underneath;
//! 4. `de` decodes the tree into the structs of `raw`, recording faults instead of stopping at one;
//! 5. `resolve` follows references, checks bounds, and builds the [`Config`].
//!
//! Secrets stay references ([`SecretRef`]) and never reach a [`Finding`], nor what [`Loaded`] shows.

mod config;
mod de;
mod explain;
mod finding;
mod interpolate;
mod kinds;
mod layer;
mod load;
mod node;
mod raw;
mod resolve;
mod schema;
mod secret;
mod unenforced;

pub use config::{
    Agent, App, Auth, AuthKey, AuthMode, BaseUrl, Config, Durability, FaultKind, Faults, History, KeySecret,
    LogFormat, LogLevel, Logs, Model, Mood, Parameters, Provider, ProviderKind, Scheme, Server, Shutdown,
    SimulatedSettings, Storage, Target, Telemetry, Timeouts, Tool, ToolChoice, ToolPattern, ToolPolicy,
    Upstream, UrlError,
};
pub use explain::{Explanation, UnknownKey};
pub use finding::{Code, Fault, Finding, Notice, Place, Position, Severity, Style, render};
pub use load::{BUILTIN, Change, Input, Loaded, Text, load};
pub use schema::{Draft, schema};
pub use secret::{Secret, SecretError, SecretRef};
