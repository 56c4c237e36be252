//! `providers:` as it is written.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, VariantAccess as _};
use wire::provider::{self, Kind};

use super::{DurationText, Length, Percentage, RawSecret};
use crate::de::{Field, Table};
use crate::kinds::{NAMES, SIMULATED};

/// An upstream account.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Provider {
    /// Whose API it speaks. Not set: the provider's name, if that is a kind.
    pub(crate) kind: Field<ProviderKind>,
    /// Where it is: the URL that paths like `/chat/completions` are added to. Not set: the usual address of its kind.
    pub(crate) base_url: Field<String>,
    /// The version of the API, for kinds whose API has versions: a date for `azure`, `v1beta` or `v1` for `gemini`.
    #[schemars(regex(pattern = r"^([0-9a-z-]{1,32}|\$\{.*\})$"))]
    pub(crate) api_version: Field<String>,
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
    /// Simulated: how it answers. `friendly`: as a helpful model would. `slow`: like an overloaded one. `flaky`: with
    /// faults now and then. `long`: at length. `reasoning`: after some thought. `tools`: with calls of the tools that
    /// it is offered. `refusal`: it declines.
    pub(crate) mood: Field<Mood>,
    /// Simulated: faults on purpose.
    pub(crate) faults: Field<Faults>,
    /// Simulated: the time to the first word.
    pub(crate) latency: Field<DurationText>,
    /// Simulated: the speed of a stream.
    pub(crate) tokens_per_second: Field<f64>,
    /// Simulated: the length of an answer in words, or the shortest and the longest.
    pub(crate) length: Field<Length>,
    /// Simulated: another seed, other answers.
    pub(crate) seed: Field<u64>,
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

/// A kind that this program has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ProviderKind {
    Upstream(&'static Kind),
    Simulated,
}

/// An enum as far as the deserializer is concerned, so that a wrong kind is reported like a wrong word of any other
/// closed list.
impl<'de> Deserialize<'de> for ProviderKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;

        impl<'de> de::Visitor<'de> for Name {
            type Value = ProviderKind;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a kind of provider")
            }

            fn visit_enum<A: de::EnumAccess<'de>>(self, data: A) -> Result<ProviderKind, A::Error> {
                let (name, content) = data.variant::<String>()?;
                content.unit_variant()?;
                if name == SIMULATED {
                    return Ok(ProviderKind::Simulated);
                }
                let unknown = || de::Error::unknown_variant(&name, &NAMES);
                provider::kind(&name).map(ProviderKind::Upstream).ok_or_else(unknown)
            }
        }

        deserializer.deserialize_enum("ProviderKind", &NAMES, Name)
    }
}

impl JsonSchema for ProviderKind {
    fn schema_name() -> Cow<'static, str> {
        "ProviderKind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": NAMES })
    }
}

/// How a simulated provider answers.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mood {
    Friendly,
    Slow,
    Flaky,
    Long,
    Reasoning,
    Tools,
    Refusal,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Faults {
    /// How many of the calls go wrong.
    pub(crate) rate: Field<Percentage>,
    /// In which ways; empty: in all. `error`: status 500. `overloaded`: 503. `rate_limited`: 429, to be retried later.
    /// `refused`: no connection. `stall`: no answer. `cut`: a stream that breaks off. `malformed`: an answer that is
    /// none. `error_event`: an error within a stream.
    pub(crate) kinds: Field<Vec<Field<FaultKind>>>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FaultKind {
    Error,
    Overloaded,
    RateLimited,
    Refused,
    Stall,
    Cut,
    Malformed,
    ErrorEvent,
}
