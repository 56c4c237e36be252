//! The usage report of this API.
//!
//! `input_tokens` are those beside the cache: all input is the sum of `input_tokens`, `cache_creation_input_tokens`
//! and `cache_read_input_tokens`. `output_tokens` are all output; how many of them were thoughts is told in
//! `output_tokens_details`, by the models and servers that know. A stream reports in parts: the input when it
//! begins, and towards its end everything that has changed, each number a total.

use domain::Usage;

use crate::json::{Fault, Kind, Scanner};
use crate::openai::count;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    input: Option<u64>,
    cache_write: Option<u64>,
    cache_read: Option<u64>,
    output: Option<u64>,
    thinking: Option<u64>,
}

impl Report {
    /// From a `usage` object.
    pub(super) fn read(scanner: &mut Scanner<'_>) -> Result<Self, Fault> {
        let mut report = Self::default();
        let mut object = scanner.object()?;
        while let Some(name) = scanner.member(&mut object)? {
            match &*name.decode() {
                "input_tokens" => report.input = count(scanner)?,
                "cache_creation_input_tokens" => report.cache_write = count(scanner)?,
                "cache_read_input_tokens" => report.cache_read = count(scanner)?,
                "output_tokens" => report.output = count(scanner)?,
                "output_tokens_details" if scanner.peek()? == Kind::Object => {
                    report.thinking = thinking(scanner)?;
                }
                _ => drop(scanner.skip()?),
            }
        }
        Ok(report)
    }

    /// Of a message that has just begun, whose output is not known yet, whatever it says.
    pub(super) fn of_input(self) -> Self {
        Self { output: None, ..self }
    }

    /// What a later report says counts; what it does not say stays.
    pub(super) fn update(&mut self, later: Self) {
        self.input = later.input.or(self.input);
        self.cache_write = later.cache_write.or(self.cache_write);
        self.cache_read = later.cache_read.or(self.cache_read);
        self.output = later.output.or(self.output);
        self.thinking = later.thinking.or(self.thinking);
    }

    /// None if the report is not a whole one: the caller then estimates, and says so.
    pub(super) fn usage(&self) -> Option<Usage> {
        let output = self.output?;
        let reasoning = self.thinking.unwrap_or(0).min(output);
        Some(Usage {
            input: self.input?,
            cached_input: self.cache_read.unwrap_or(0),
            cache_write: self.cache_write.unwrap_or(0),
            output: output - reasoning,
            reasoning,
            ..Usage::default()
        })
    }
}

fn thinking(scanner: &mut Scanner<'_>) -> Result<Option<u64>, Fault> {
    let mut tokens = None;
    let mut object = scanner.object()?;
    while let Some(name) = scanner.member(&mut object)? {
        if name.is("thinking_tokens") {
            tokens = count(scanner)?;
        } else {
            scanner.skip()?;
        }
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Report {
        Report::read(&mut Scanner::new(json.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn every_token_is_in_one_bucket() {
        let usage = read(
            r#"{"input_tokens":21,"cache_creation_input_tokens":188086,"cache_read_input_tokens":1024,
                "cache_creation":{"ephemeral_5m_input_tokens":188086,"ephemeral_1h_input_tokens":0},
                "output_tokens":393,"output_tokens_details":{"thinking_tokens":300},"service_tier":"standard"}"#,
        )
        .usage()
        .unwrap();
        let expected = Usage {
            input: 21,
            cached_input: 1024,
            cache_write: 188_086,
            output: 93,
            reasoning: 300,
            ..Usage::default()
        };
        assert_eq!(usage, expected);
        assert_eq!(usage.total(), 21 + 1024 + 188_086 + 393);
    }

    #[test]
    fn a_later_report_is_a_total_and_leaves_alone_what_it_does_not_say() {
        let mut report = read(r#"{"input_tokens":10,"cache_read_input_tokens":5,"output_tokens":1}"#);
        report.update(read(r#"{"input_tokens":null,"cache_read_input_tokens":7,"output_tokens":40}"#));
        let expected = Usage { input: 10, cached_input: 7, output: 40, ..Usage::default() };
        assert_eq!(report.usage(), Some(expected));
    }

    #[test]
    fn a_report_without_input_or_output_is_none() {
        for report in [
            r#"{"output_tokens":5}"#,
            r#"{"input_tokens":5}"#,
            r#"{"input_tokens":-1,"output_tokens":2}"#,
            "{}",
        ] {
            assert_eq!(read(report).usage(), None, "{report}");
        }
    }

    #[test]
    fn more_thoughts_than_output_are_not_believed() {
        let report =
            read(r#"{"input_tokens":1,"output_tokens":2,"output_tokens_details":{"thinking_tokens":9}}"#);
        assert_eq!(report.usage().map(|usage| (usage.output, usage.reasoning)), Some((0, 2)));
    }
}
