//! The simulated provider: how it answers, and how often it does not.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::Resolver;
use crate::config::{FaultKind, Faults, Mood, SimulatedSettings};
use crate::de::At;
use crate::finding::Code;
use crate::raw::{self, Length, Percentage};

impl Resolver<'_> {
    pub(super) fn simulated(&self, raw: raw::Provider) -> Option<SimulatedSettings> {
        let name = "a simulated provider";
        self.no_effect(&raw.base_url, "base_url", name);
        self.no_effect(&raw.api_version, "api_version", name);
        self.no_effect(&raw.api_key, "api_key", name);
        self.no_effect(&raw.api_keys, "api_keys", name);
        self.no_effect(&raw.headers, "headers", name);
        self.no_effect(&raw.timeouts, "timeouts", name);

        let faults = raw.faults.get().and_then(|raw| self.simulated_faults(raw));
        let latency = self.duration(raw.latency, Duration::ZERO..=Duration::from_secs(600));
        let at = raw.tokens_per_second.at;
        let tokens_per_second =
            raw.tokens_per_second.get().and_then(|rate| self.within(rate, at, 0.1..=1_000_000.0));
        let at = raw.length.at;
        let length = raw.length.get().and_then(|length| self.length(length, at));
        Some(SimulatedSettings {
            mood: mood(raw.mood.get()?),
            faults: faults?,
            latency: latency?,
            tokens_per_second: tokens_per_second?,
            length: length?,
            seed: raw.seed.get()?,
        })
    }

    fn simulated_faults(&self, raw: raw::Faults) -> Option<Faults> {
        let at = raw.rate.at;
        let rate = raw.rate.get().and_then(|Percentage(rate)| {
            if rate <= 1.0 {
                return Some(rate);
            }
            self.refuse(at, Code::OutOfRange, "expected 0% to 100%")
        });
        let kinds = raw.kinds.get().and_then(|kinds| self.items(kinds));
        Some(Faults { rate: rate?, kinds: kinds?.into_iter().map(fault_kind).collect() })
    }

    fn length(&self, length: Length, at: At) -> Option<RangeInclusive<u32>> {
        const MOST_WORDS: u64 = 10_000;
        let (least, most) = match length {
            Length::Scalar(words) => (words, words),
            Length::List(bounds) => {
                let Ok([least, most]) = <[u64; 2]>::try_from(self.items(bounds)?) else {
                    let message = "expected the least and the most words, such as `[20, 60]`";
                    return self.refuse(at, Code::InvalidValue, message);
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
    }
}

const fn mood(raw: raw::Mood) -> Mood {
    match raw {
        raw::Mood::Friendly => Mood::Friendly,
        raw::Mood::Slow => Mood::Slow,
        raw::Mood::Flaky => Mood::Flaky,
        raw::Mood::Long => Mood::Long,
        raw::Mood::Reasoning => Mood::Reasoning,
        raw::Mood::Tools => Mood::Tools,
        raw::Mood::Refusal => Mood::Refusal,
    }
}

const fn fault_kind(raw: raw::FaultKind) -> FaultKind {
    match raw {
        raw::FaultKind::Error => FaultKind::Error,
        raw::FaultKind::Overloaded => FaultKind::Overloaded,
        raw::FaultKind::RateLimited => FaultKind::RateLimited,
        raw::FaultKind::Refused => FaultKind::Refused,
        raw::FaultKind::Stall => FaultKind::Stall,
        raw::FaultKind::Cut => FaultKind::Cut,
        raw::FaultKind::Malformed => FaultKind::Malformed,
        raw::FaultKind::ErrorEvent => FaultKind::ErrorEvent,
    }
}
