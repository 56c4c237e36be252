//! From what is written to what it means: references followed, bounds checked, secrets looked for.
//!
//! Every function records what is wrong and returns None, so that the rest is still checked. A value that
//! failed to decode has been reported already and is skipped in silence: one mistake, one fault.

mod address;
mod auth;
mod carried;
mod catalog;
mod credentials;
mod provider;
mod secrets;
mod server;
mod simulated;
mod tools;

use std::collections::BTreeMap;
use std::io;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use domain::NameError;

use crate::config::{App, Config, LogFormat, LogLevel, Logs, Telemetry};
use crate::de::{At, Decoding, Field, Key};
use crate::finding::{Code, Remark};
use crate::raw::{self, DurationText};

pub(crate) struct Resolver<'a> {
    pub(crate) decoding: &'a Decoding,
    pub(crate) env: &'a BTreeMap<String, String>,
    pub(crate) read: &'a dyn Fn(&Path) -> io::Result<String>,
}

impl Resolver<'_> {
    /// The config, unless something is wrong; then that has been recorded.
    pub(crate) fn config(&self, root: raw::Root) -> Option<Config> {
        self.version(&root.version);
        let app = root.app.get().and_then(Self::app);
        let server = root.server.get().and_then(|raw| self.server(raw));
        let storage = root.storage.get().and_then(|raw| self.storage(raw));
        let auth = match root.auth {
            field if field.is_invalid() => None,
            field => self.auth(field.get().unwrap_or_default(), server.as_ref()),
        };
        // Without its providers a catalog would be nothing but faults.
        let unsound = root.providers.is_invalid() || root.models.is_invalid();
        let providers = self.providers(root.providers.get().unwrap_or_default());
        let (models, agents) = (root.models.get().unwrap_or_default(), root.agents.get().unwrap_or_default());
        let catalog = if unsound { None } else { self.catalog(&providers, models, agents) };
        let telemetry = root.telemetry.get().and_then(|raw| self.telemetry(raw));
        let (models, agents) = catalog?;
        Some(Config {
            app: app?,
            server: server?,
            storage: storage?,
            auth: auth?,
            providers: providers.ready,
            models,
            agents,
            telemetry: telemetry?,
        })
    }

    fn version(&self, version: &Field<u64>) {
        let help = "this program reads `version: 1`";
        match version.as_ref() {
            Some(1) => {}
            Some(other) => {
                let message = format!("version {other} of the config format is unknown");
                self.record(self.fault(version.at, Code::Version, message).help(help));
            }
            None if version.is_absent() => {
                self.record(
                    self.fault(version.at, Code::MissingKey, "`version` is not set")
                        .help("begin with `version: 1`"),
                );
            }
            None => {}
        }
    }

    fn app(raw: raw::App) -> Option<App> {
        Some(App { name: raw.name.get()?, release: raw.release.get() })
    }

    fn telemetry(&self, raw: raw::Telemetry) -> Option<Telemetry> {
        let logs = raw.logs.get().and_then(|raw| {
            let level = match raw.level.get()? {
                raw::LogLevel::Trace => LogLevel::Trace,
                raw::LogLevel::Debug => LogLevel::Debug,
                raw::LogLevel::Info => LogLevel::Info,
                raw::LogLevel::Warn => LogLevel::Warn,
                raw::LogLevel::Error => LogLevel::Error,
            };
            let format = match raw.format.get()? {
                raw::LogFormat::Json => LogFormat::Json,
                raw::LogFormat::Text => LogFormat::Text,
            };
            Some(Logs { level, format })
        });
        let metrics_path = raw.metrics.get().and_then(|raw| self.metrics_path(raw.path));
        Some(Telemetry { logs: logs?, metrics_path: metrics_path? })
    }

    fn metrics_path(&self, path: Field<String>) -> Option<String> {
        /// What else the metrics listener serves.
        const TAKEN: [&str; 7] =
            ["/api/metrics", "/livez", "/readyz", "/startupz", "/health", "/ready", "/health/detail"];
        let at = path.at;
        let path = path.get()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
        if !path.starts_with('/') || !path.chars().all(plain) {
            return self.refuse(
                at,
                Code::InvalidValue,
                format!("expected a path such as `/metrics`, found `{}`", self.quoted(at, &path)),
            );
        }
        if TAKEN.contains(&path.as_str()) {
            return self.refuse(
                at,
                Code::Clash,
                format!("`{path}` is served by the metrics listener already"),
            );
        }
        Some(path)
    }

    // What the sections share.

    fn record(&self, remark: Remark) {
        self.decoding.record(remark);
    }

    fn fault(&self, at: At, code: Code, message: impl Into<String>) -> Remark {
        Remark::fault(&self.decoding.origin(at), code, message)
    }

    fn notice(&self, at: At, code: Code, message: impl Into<String>) -> Remark {
        Remark::notice(&self.decoding.origin(at), code, message)
    }

    /// The text of the value at a place, as a message may show it.
    fn quoted(&self, at: At, text: &str) -> String {
        self.decoding.quoted(at, text)
    }

    fn refuse<T>(&self, at: At, code: Code, message: impl Into<String>) -> Option<T> {
        self.record(self.fault(at, code, message));
        None
    }

    /// The value of a key that has no default.
    fn required<T>(&self, field: Field<T>, key: &str, section: At) -> Option<T> {
        if field.is_absent() && self.decoding.is_misspelt(key, section) {
            return None;
        }
        if field.is_absent() {
            return self.refuse(section, Code::MissingKey, format!("`{key}` is not set"));
        }
        field.get()
    }

    /// An item of a list, where nothing is not a value.
    fn item<T>(&self, field: Field<T>) -> Option<T> {
        if field.is_absent() {
            return self.refuse(field.at, Code::WrongType, "expected a value, found nothing");
        }
        field.get()
    }

    /// All items of a list, unless one is wrong.
    fn items<T>(&self, list: Vec<Field<T>>) -> Option<Vec<T>> {
        let items: Vec<_> = list.into_iter().map(|field| self.item(field)).collect();
        items.into_iter().collect()
    }

    fn name<T>(&self, key: &Key, new: fn(&str) -> Result<T, NameError>) -> Option<T> {
        match new(&key.text) {
            Ok(name) => Some(name),
            Err(error) => self.refuse(key.at, Code::InvalidValue, error.to_string()),
        }
    }

    fn duration(&self, field: Field<DurationText>, bounds: RangeInclusive<Duration>) -> Option<Duration> {
        let at = field.at;
        let DurationText(value) = field.get()?;
        if bounds.contains(&value) {
            return Some(value);
        }
        let (least, most) = (DurationText(*bounds.start()), DurationText(*bounds.end()));
        self.refuse(
            at,
            Code::OutOfRange,
            format!("expected {least} to {most}, found {}", DurationText(value)),
        )
    }

    fn within<T>(&self, value: T, at: At, bounds: RangeInclusive<T>) -> Option<T>
    where
        T: PartialOrd + std::fmt::Display,
    {
        if bounds.contains(&value) {
            return Some(value);
        }
        let (least, most) = (bounds.start(), bounds.end());
        self.refuse(at, Code::OutOfRange, format!("expected {least} to {most}, found {value}"))
    }

    /// A number that fits 32 bits by its bounds.
    fn whole(&self, field: Field<u64>, bounds: RangeInclusive<u32>) -> Option<u32> {
        let at = field.at;
        let bounds = u64::from(*bounds.start())..=u64::from(*bounds.end());
        self.within(field.get()?, at, bounds).and_then(|value| u32::try_from(value).ok())
    }

    /// An optional value that may be wrong: the outer None says so.
    fn optional<T, U>(&self, field: Field<T>, check: impl FnOnce(T, At) -> Option<U>) -> Option<Option<U>> {
        let at = field.at;
        if field.is_invalid() {
            return None;
        }
        match field.get() {
            None => Some(None),
            Some(value) => check(value, at).map(Some),
        }
    }
}
