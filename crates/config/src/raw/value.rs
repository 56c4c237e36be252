//! Values with a syntax of their own: durations, sizes, secrets, and those that may be one thing or another.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer};

use crate::de::Field;

/// `250ms`, `30s`, `5m`, `24h`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DurationText(pub(crate) Duration);

impl DurationText {
    const EXPECTED: &str = "expected a duration such as `250ms`, `30s`, `5m`, `24h` or `7d`";

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split_unit(text)?;
        let millis = number.checked_mul(match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        })?;
        Some(Self(Duration::from_millis(millis)))
    }
}

/// The form in which it would be written.
impl fmt::Display for DurationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
        match units.into_iter().find(|(unit, _)| millis > 0 && millis.is_multiple_of(*unit)) {
            Some((unit, name)) => write!(f, "{}{name}", millis / unit),
            None if millis == 0 => f.write_str("0s"),
            None => write!(f, "{millis}ms"),
        }
    }
}

/// `512KiB`, `10MiB`, `1GiB`; also `B`, and the decimal `kB`, `MB`, `GB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SizeText(pub(crate) u64);

impl SizeText {
    const EXPECTED: &str = "expected a size such as `512KiB`, `10MiB` or `1GiB`";

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split_unit(text)?;
        let bytes = number.checked_mul(match unit {
            "B" => 1,
            "kB" | "KB" => 1000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return None,
        })?;
        Some(Self(bytes))
    }
}

/// `20%`, as a fraction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Percentage(pub(crate) f64);

impl Percentage {
    const EXPECTED: &str = "expected a percentage such as `20%` or `0.5%`";

    fn parse(text: &str) -> Option<Self> {
        let number = text.strip_suffix('%')?;
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        (digits(whole) && digits(fraction))
            .then(|| number.parse().ok())
            .flatten()
            .map(|n: f64| Self(n / 100.0))
    }
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    Some((text.get(..unit)?.parse().ok()?, text.get(unit..)?))
}

macro_rules! text_values {
    ($($name:ident: $schema:literal, $pattern:literal;)*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;

                impl de::Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($name::EXPECTED)
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::parse(text).ok_or_else(|| E::custom($name::EXPECTED))
                    }
                }

                deserializer.deserialize_str(Text)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                $schema.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    )*};
}

text_values! {
    DurationText: "Duration", "^([0-9]+(ms|s|m|h|d)|\\$\\{.*\\})$";
    SizeText: "Size", "^([0-9]+(B|kB|KB|MB|GB|KiB|MiB|GiB)|\\$\\{.*\\})$";
    Percentage: "Percentage", "^([0-9]+(\\.[0-9]+)?%|\\$\\{.*\\})$";
}

/// A secret and how the config came by it. The variants are chosen by the deserializer, see `de::SECRET`.
#[derive(Deserialize)]
#[serde(rename = "$secret", rename_all = "lowercase")]
pub(crate) enum RawSecret {
    /// Written there.
    Literal(String),
    /// Written there in part, with interpolations.
    Composed(String),
    /// The name of a variable that is the whole value.
    Env(String),
    /// The path of a file that is the whole value.
    File(String),
    Source(SecretSource),
}

/// Where a secret is read from.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SecretSource {
    /// The name of an environment variable.
    pub(crate) env: Field<String>,
    /// The path of a file.
    pub(crate) file: Field<String>,
}

impl JsonSchema for RawSecret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A secret: better a source, `{ env: NAME }` or `{ file: PATH }`, than the text itself.",
            "anyOf": [{ "type": "string" }, generator.subschema_for::<SecretSource>()],
        })
    }
}

/// `provider/model`, or a section with it.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "$shape", rename_all = "lowercase")]
#[schemars(rename = "Target", untagged)]
pub(crate) enum TargetText {
    Scalar(String),
    Map(TargetSection),
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["target"]))]
pub(crate) struct TargetSection {
    /// `provider/model`.
    pub(crate) target: Field<String>,
}

/// A number of words, or the least and the most.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "$shape", rename_all = "lowercase")]
#[schemars(rename = "Length", untagged)]
pub(crate) enum Length {
    Scalar(u64),
    List(Vec<Field<u64>>),
}

/// One text or several.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "$shape", rename_all = "lowercase")]
#[schemars(rename = "Stop", untagged)]
pub(crate) enum Stop {
    Scalar(String),
    List(Vec<Field<String>>),
}

/// A JSON Schema written as YAML, as JSON text: numbers and texts as they are spelled. See `de::JSON`.
#[derive(Deserialize)]
#[serde(rename = "$json")]
pub(crate) struct SchemaText(pub(crate) String);

impl JsonSchema for SchemaText {
    fn schema_name() -> Cow<'static, str> {
        "JsonSchema".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A JSON Schema of an object.", "type": "object" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_need_a_unit() {
        assert_eq!(DurationText::parse("250ms"), Some(DurationText(Duration::from_millis(250))));
        assert_eq!(DurationText::parse("730d"), Some(DurationText(Duration::from_secs(730 * 86_400))));
        assert_eq!(SizeText::parse("10MiB"), Some(SizeText(10 << 20)));
        for text in
            ["", "30", "s", "1.5s", "-1s", "1 s", "1S", "99999999999999999999s", "9999999999999999999d"]
        {
            assert_eq!(DurationText::parse(text), None, "{text}");
        }
        for text in ["10", "10mib", "10 MiB", "9999999999999999999GiB"] {
            assert_eq!(SizeText::parse(text), None, "{text}");
        }
    }

    #[test]
    fn percentages_need_their_sign() {
        for (text, want) in [("0%", 0.0), ("20%", 0.2), ("0.5%", 0.005), ("100%", 1.0), ("250%", 2.5)] {
            assert_eq!(Percentage::parse(text), Some(Percentage(want)), "{text}");
        }
        for text in ["", "%", "20", "0.2", "-1%", "+1%", "1e1%", ".5%", "5.%", "20 %", "20%%", "inf%", "NaN%"]
        {
            assert_eq!(Percentage::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_duration_is_shown_as_it_would_be_written() {
        for text in ["0s", "250ms", "30s", "90s", "5m", "24h", "7d"] {
            let want = if text == "24h" { "1d" } else { text };
            assert_eq!(DurationText::parse(text).map(|d| d.to_string()).as_deref(), Some(want));
        }
    }
}
