//! Providers: which can be called, which are left out for want of a key, and which are wrong.

use std::mem;
use std::time::Duration;

use domain::ProviderName;
use indexmap::IndexMap;
use wire::provider::{KeyUse, Kind};

use super::Resolver;
use super::credentials::{Keys, carry_a_key};
use crate::config::{Provider, ProviderKind, Timeouts, Upstream};
use crate::de::{Field, Key, Table, list};
use crate::finding::{Code, did_you_mean, printable};
use crate::kinds::NAMES;
use crate::raw::{self, DurationText};
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
    fn provider(&self, mut raw: raw::Provider, key: &Key) -> Option<Option<Provider>> {
        let kind = self.kind(&raw.kind, key)?;
        let models = self.optional(mem::take(&mut raw.models), |models, _| self.listed(models));
        let kind = match kind {
            raw::ProviderKind::Simulated => ProviderKind::Simulated(self.simulated(raw)?),
            raw::ProviderKind::Upstream(kind) => match self.upstream(kind, raw, key)? {
                Some(upstream) => ProviderKind::Upstream { kind, upstream },
                None => return Some(None),
            },
        };
        Some(Some(Provider { kind, models: models? }))
    }

    /// As written; a name that is a kind has been filled in.
    fn kind(&self, written: &Field<raw::ProviderKind>, key: &Key) -> Option<raw::ProviderKind> {
        if !written.is_absent() {
            return written.as_ref().copied();
        }
        if self.decoding.is_misspelt("kind", key.at) {
            return None;
        }
        let name = key.text.as_str();
        if unenforced::is_value(&["providers", name, "kind"], name) {
            let message =
                format!("providers of the kind `{name}` are not supported by this version of parapet yet");
            let help = "if it speaks OpenAI's API, set `kind: openai-compatible` and `base_url`";
            self.record(self.fault(key.at, Code::NotEnforced, message).help(help));
            return None;
        }
        let message = format!("`kind` is not set, and `{}` is not a kind", printable(name));
        let help = did_you_mean(name, NAMES)
            .unwrap_or_else(|| format!("set `kind` to one of {}", list(&NAMES, "or")));
        self.record(self.fault(key.at, Code::MissingKey, message).help(help));
        None
    }

    pub(super) fn no_effect<T>(&self, field: &Field<T>, key: &str, name: &str) {
        if !field.is_absent() && !self.decoding.origin(field.at).is_default() {
            self.record(self.fault(field.at, Code::NoEffect, format!("`{key}` has no effect on {name}")));
        }
    }

    /// An account at a service; `Some(None)` if it is skipped.
    fn upstream(&self, kind: &'static Kind, raw: raw::Provider, key: &Key) -> Option<Option<Upstream>> {
        let name = "a provider that is not simulated";
        self.no_effect(&raw.mood, "mood", name);
        self.no_effect(&raw.faults, "faults", name);
        self.no_effect(&raw.latency, "latency", name);
        self.no_effect(&raw.tokens_per_second, "tokens_per_second", name);
        self.no_effect(&raw.length, "length", name);
        self.no_effect(&raw.seed, "seed", name);

        let usual_url = self.decoding.origin(raw.base_url.at).is_default();
        let api_version = self.api_version(raw.api_version, kind);
        let version = api_version.as_ref().and_then(Option::as_deref);
        let url = self.base_url(raw.base_url, version, kind, key);
        let keys = self.keys(raw.api_key, raw.api_keys, key);
        let authorized = matches!(keys, Some(Keys::Some(_)));
        let headers = self.headers(raw.headers.get().unwrap_or_default(), kind.codec, authorized);
        let timeouts = raw.timeouts.get().and_then(|raw| self.timeouts(raw));
        let keys = match keys? {
            Keys::Some(keys) => keys,
            Keys::Empty => return Some(None),
            Keys::None if self.decoding.is_misspelt("api_key", key.at) => return None,
            Keys::None => {
                // Somebody else's address may want none, and a token may be sent as a header.
                let wanted = kind.key == KeyUse::Required && (usual_url || kind.base_url.is_none());
                if wanted && headers.as_deref().is_some_and(|headers| !carry_a_key(headers, kind.codec)) {
                    let help = format!("set it to `{{ env: {} }}`, for example", variable(kind));
                    self.record(self.fault(key.at, Code::MissingKey, "`api_key` is not set").help(help));
                    return None;
                }
                Vec::new()
            }
        };
        let (base_url, api_version) = (url?, api_version?);
        Some(Some(Upstream { base_url, api_version, keys, headers: headers?, timeouts: timeouts? }))
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
            let meant =
                !self.decoding.origin(at).is_default() && !self.decoding.origin(total_at).is_default();
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

/// The variable that holds the key by convention: that of the provider's own SDK where it has one.
fn variable(kind: &Kind) -> String {
    match kind.name {
        "azure" => "AZURE_OPENAI_API_KEY".to_owned(),
        name => format!("{}_API_KEY", name.replace('-', "_").to_uppercase()),
    }
}

/// The name of a model as providers give them: no white space, no control characters, not endless.
pub(super) fn is_model(name: &str) -> bool {
    !name.is_empty() && name.len() <= 256 && !name.contains(|c: char| c.is_whitespace() || c.is_control())
}
