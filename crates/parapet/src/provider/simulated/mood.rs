//! How a simulated model behaves: by its name, else by the settings.
//!
//! A model called like a mood (`slow`) or a fault (`stall`, `rate-limited`) always behaves like that, so that each
//! of them can be seen without a config; any other name leaves it to the settings. An underscore will do for a
//! hyphen.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::Settings;
use super::fault::{Fault, Faults};
use super::script::Pace;
use super::text::Length;

/// The temper of a simulated model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Answers as the settings say.
    #[default]
    Friendly,
    /// Takes [`SLOW_START`] to begin and then writes [`SLOW_RATE`] tokens per second, or slower.
    Slow,
    /// Fails [`FLAKY`] of the attempts, each in a way of its own.
    Flaky,
    /// Never says less than [`LONG`] words, unless the prompt wants certain words or few.
    Long,
    /// Thinks before it answers, unless the request wants no reasoning.
    Reasoning,
    /// Calls tools whenever it is offered any, then answers from their results.
    Tools,
    /// Declines.
    Refusal,
}

const SLOW_START: Duration = Duration::from_secs(3);
const SLOW_RATE: f64 = 8.0;
const FLAKY: f64 = 0.3;
const LONG: RangeInclusive<u32> = 600..=900;

/// How one attempt goes.
pub(super) struct Conduct {
    pub(super) mood: Mood,
    pub(super) fault: Option<Fault>,
    /// The provider's content filter withholds the end of the answer.
    pub(super) filtered: bool,
}

impl Conduct {
    /// `nonce` counts the attempts: chance is thrown anew for each, and the same way for the same.
    pub(super) fn of(settings: &Settings, model: &str, nonce: u64) -> Self {
        let named = Named::read(model);
        let mood = if let Some(Named::Mood(mood)) = named { mood } else { settings.mood };
        let fault = if let Some(Named::Fault(fault)) = named {
            Some(fault)
        } else {
            let flaky = Faults { rate: FLAKY, kinds: Vec::new() };
            let flaky = (mood == Mood::Flaky).then(|| flaky.strike(settings.seed, "mood", nonce)).flatten();
            settings.faults.strike(settings.seed, "settings", nonce).or(flaky)
        };
        Self { mood, fault, filtered: matches!(named, Some(Named::Filtered)) }
    }

    pub(super) fn pace(&self, settings: &Settings) -> Pace {
        let Settings { latency, tokens_per_second, .. } = *settings;
        if self.mood != Mood::Slow {
            return Pace { latency, tokens_per_second };
        }
        // A rate that is not a positive number means: at once.
        let slower = tokens_per_second > 0.0 && tokens_per_second < SLOW_RATE;
        Pace {
            latency: latency.max(SLOW_START),
            tokens_per_second: if slower { tokens_per_second } else { SLOW_RATE },
        }
    }

    pub(super) fn length(&self, settings: &Settings) -> Length {
        let long = self.mood == Mood::Long;
        Length { words: if long { LONG } else { settings.length.clone() }, even_small_talk: long }
    }
}

/// What the name of a model stands for.
#[derive(Clone, Copy)]
enum Named {
    Mood(Mood),
    Fault(Fault),
    Filtered,
}

const NAMES: [(&str, Named); 16] = [
    ("friendly", Named::Mood(Mood::Friendly)),
    ("slow", Named::Mood(Mood::Slow)),
    ("flaky", Named::Mood(Mood::Flaky)),
    ("long", Named::Mood(Mood::Long)),
    ("reasoning", Named::Mood(Mood::Reasoning)),
    ("tools", Named::Mood(Mood::Tools)),
    ("refusal", Named::Mood(Mood::Refusal)),
    ("error", Named::Fault(Fault::Error)),
    ("overloaded", Named::Fault(Fault::Overloaded)),
    ("rate-limited", Named::Fault(Fault::RateLimited)),
    ("refused", Named::Fault(Fault::Refused)),
    ("stall", Named::Fault(Fault::Stall)),
    ("cut", Named::Fault(Fault::Cut)),
    ("malformed", Named::Fault(Fault::Malformed)),
    ("error-event", Named::Fault(Fault::ErrorEvent)),
    ("filtered", Named::Filtered),
];

impl Named {
    fn read(model: &str) -> Option<Self> {
        let model = model.replace('_', "-");
        NAMES.iter().find(|(name, _)| *name == model).map(|(_, named)| *named)
    }
}
