//! Providers: which can be called, which are left out for want of a key, and which are wrong.

use std::time::Duration;

use domain::ProviderName;
use indexmap::IndexMap;

use super::Resolver;
use super::credentials::Keys;
use crate::config::{BaseUrl, Provider, ProviderKind, SimulatedSettings, Timeouts, Upstream};
use crate::de::{Field, Key, Table};
use crate::finding::{Code, Origin, printable};
use crate::raw::{self, DurationText, Length};
use crate::unenforced;

const DAY: Duration = Duration::from_secs(86_400);

/// All providers that the config names.
pub(super) struct Providers {
    pub(super) ready: IndexMap<ProviderName, Provider>,
    pub(super) skipped: Vec<String>,
    /// Reported; references to them are not wrong as well.
    pub(super) faulty: Vec<String>,
}

impl Providers {
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let ready = self.ready.keys().map(ProviderName::as_str);
        ready.chain(self.skipped.iter().map(String::as_str)).chain(self.faulty.iter().map(String::as_str))
    }
}

impl Resolver<'_> {
    pub(super) fn providers(&self, table: Table<raw::Provider>) -> Providers {
        let mut providers = Providers { ready: IndexMap::new(), skipped: Vec::new(), faulty: Vec::new() };
        for (key, field) in table.into_entries() {
            let name = self.name(&key, ProviderName::new);
            let provider = field.get().and_then(|raw| self.provider(raw, &key));
            match (name, provider) {
                (Some(name), Some(Some(provider))) => {
                    providers.ready.insert(name, provider);
                }
                (Some(_), Some(None)) => providers.skipped.push(key.text),
                _ => providers.faulty.push(key.text),
            }
        }
        providers
    }

    /// None if it is wrong, `Some(None)` if it is skipped.
    fn provider(&self, raw: raw::Provider, key: &Key) -> Option<Option<Provider>> {
        let kind = self.kind(&raw.kind, key)?;
        let raw::Provider { base_url, api_key, api_keys, headers, timeouts, models, .. } = raw;
        let models = self.optional(models, |models, _| self.listed(models));
        if kind == raw::ProviderKind::Simulated {
            let name = "a simulated provider";
            self.no_effect(&base_url, "base_url", name);
            self.no_effect(&api_key, "api_key", name);
            self.no_effect(&api_keys, "api_keys", name);
            self.no_effect(&headers, "headers", name);
            self.no_effect(&timeouts, "timeouts", name);
            let settings = self.simulated(raw.latency, raw.tokens_per_second, raw.length, raw.seed);
            return Some(Some(Provider { kind: ProviderKind::Simulated(settings?), models: models? }));
        }
        let name = "a provider that is not simulated";
        self.no_effect(&raw.latency, "latency", name);
        self.no_effect(&raw.tokens_per_second, "tokens_per_second", name);
        self.no_effect(&raw.length, "length", name);
        self.no_effect(&raw.seed, "seed", name);

        let own_url = self.decoding.origin(base_url.at) != Origin::Default;
        let url = self.base_url(base_url, key);
        let keys = self.keys(api_key, api_keys, key);
        let authorized = matches!(keys, Some(Keys::Some(_)));
        let headers = self.headers(headers.get().unwrap_or_default(), authorized);
        let timeouts = timeouts.get().and_then(|raw| self.timeouts(raw));
        let keys = match keys? {
            Keys::Some(keys) => keys,
            Keys::Empty => return Some(None),
            Keys::None if self.decoding.is_misspelt("api_key", key.at) => return None,
            Keys::None if kind == raw::ProviderKind::Openai && !own_url => {
                let help = "set it to `{ env: OPENAI_API_KEY }`, for example";
                self.record(self.fault(key.at, Code::MissingKey, "`api_key` is not set").help(help));
                return None;
            }
            Keys::None => Vec::new(),
        };
        let upstream = Upstream { base_url: url?, keys, headers: headers?, timeouts: timeouts? };
        let kind = match kind {
            raw::ProviderKind::Openai => ProviderKind::OpenAi(upstream),
            _ => ProviderKind::OpenAiCompatible(upstream),
        };
        Some(Some(Provider { kind, models: models? }))
    }

    fn kind(&self, kind: &Field<raw::ProviderKind>, key: &Key) -> Option<raw::ProviderKind> {
        if kind.is_invalid() {
            return None;
        }
        if let Some(kind) = kind.as_ref() {
            return Some(*kind);
        }
        match key.text.as_str() {
            "openai" => Some(raw::ProviderKind::Openai),
            "openai-compatible" => Some(raw::ProviderKind::OpenaiCompatible),
            "simulated" => Some(raw::ProviderKind::Simulated),
            name if unenforced::is_value(&["providers", name, "kind"], name) => {
                let message = format!(
                    "providers of the kind `{name}` are not supported by this version of parapet yet"
                );
                let help = "if it speaks OpenAI's API, set `kind: openai-compatible` and `base_url`";
                self.record(self.fault(key.at, Code::NotEnforced, message).help(help));
                None
            }
            name => {
                let message = format!("`kind` is not set, and `{}` is not a kind", printable(name));
                let help = "set `kind` to `openai`, `openai-compatible` or `simulated`";
                self.record(self.fault(key.at, Code::MissingKey, message).help(help));
                None
            }
        }
    }

    fn no_effect<T>(&self, field: &Field<T>, key: &str, name: &str) {
        if !field.is_absent() && self.decoding.origin(field.at) != Origin::Default {
            self.record(self.fault(field.at, Code::NoEffect, format!("`{key}` has no effect on {name}")));
        }
    }

    fn base_url(&self, field: Field<String>, key: &Key) -> Option<BaseUrl> {
        let at = field.at;
        match self.required(field, "base_url", key.at)?.parse() {
            Ok(url) => Some(url),
            Err(error) => self.refuse(at, Code::InvalidValue, format!("{error}")),
        }
    }

    fn timeouts(&self, raw: raw::Timeouts) -> Option<Timeouts> {
        let total_at = raw.total.at;
        let inner = [
            (raw.first_event.as_ref().copied(), raw.first_event.at),
            (raw.between_events.as_ref().copied(), raw.between_events.at),
        ];
        let bounds = Duration::from_millis(1)..=DAY;
        let connect = self.duration(raw.connect, bounds.clone());
        let first_event = self.duration(raw.first_event, bounds.clone());
        let between_events = self.duration(raw.between_events, bounds.clone());
        let total = self.duration(raw.total, bounds.clone());
        let unary = self.duration(raw.unary, bounds);
        for (value, at) in inner {
            // A default above a short `total` is harmless; what somebody wrote is meant.
            let meant = self.decoding.origin(at) != Origin::Default
                && self.decoding.origin(total_at) != Origin::Default;
            if let (Some(DurationText(value)), Some(total)) = (value, total)
                && value > total
                && meant
            {
                let message =
                    format!("{} is longer than the `total` of {}", DurationText(value), DurationText(total));
                self.record(self.fault(at, Code::NoEffect, message));
            }
        }
        Some(Timeouts {
            connect: connect?,
            first_event: first_event?,
            between_events: between_events?,
            total: total?,
            unary: unary?,
        })
    }

    fn simulated(
        &self,
        latency: Field<DurationText>,
        tokens_per_second: Field<f64>,
        length: Field<Length>,
        seed: Field<u64>,
    ) -> Option<SimulatedSettings> {
        const MOST_WORDS: u64 = 10_000;
        let latency = self.duration(latency, Duration::ZERO..=Duration::from_secs(600));
        let at = tokens_per_second.at;
        let tokens_per_second =
            tokens_per_second.get().and_then(|rate| self.within(rate, at, 0.1..=1_000_000.0));
        let at = length.at;
        let length = length.get().and_then(|length| {
            let (least, most) = match length {
                Length::Scalar(words) => (words, words),
                Length::List(bounds) => {
                    let bounds: Option<Vec<u64>> = bounds.into_iter().map(Field::get).collect();
                    let Ok([least, most]) = <[u64; 2]>::try_from(bounds?) else {
                        return self.refuse(
                            at,
                            Code::InvalidValue,
                            "expected the least and the most words, such as `[20, 60]`",
                        );
                    };
                    (least, most)
                }
            };
            if least > most {
                return self.refuse(at, Code::InvalidValue, "expected the least words before the most");
            }
            let least = self.within(least, at, 1..=MOST_WORDS)?;
            let most = self.within(most, at, 1..=MOST_WORDS)?;
            Some(u32::try_from(least).ok()?..=u32::try_from(most).ok()?)
        });
        Some(SimulatedSettings {
            latency: latency?,
            tokens_per_second: tokens_per_second?,
            length: length?,
            seed: seed.get()?,
        })
    }

    fn listed(&self, models: Vec<Field<String>>) -> Option<Vec<String>> {
        let mut listed: Vec<String> = Vec::new();
        let mut right = true;
        for field in models {
            let at = field.at;
            let empty = field.is_absent() || field.as_ref().is_some_and(|model| !is_model(model));
            if empty {
                self.record(self.fault(at, Code::InvalidValue, "expected the name of a model"));
            }
            match field.get() {
                Some(model) if !empty => listed.push(model),
                _ => right = false,
            }
        }
        right.then_some(listed)
    }
}

/// The name of a model as providers give them: no white space, no control characters, not endless.
pub(super) fn is_model(name: &str) -> bool {
    !name.is_empty() && name.len() <= 256 && !name.contains(|c: char| c.is_whitespace() || c.is_control())
}
