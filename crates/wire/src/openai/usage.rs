//! The dialect's usage report, made disjoint.
//!
//! `prompt_tokens` includes cached tokens and `completion_tokens` includes reasoning and audio; our buckets do not
//! overlap. Audio heard stays in the input bucket: the ledger's audio bucket is output. Two habits of compatible
//! servers are known: DeepSeek names cached tokens `prompt_cache_hit_tokens`, and xAI counts reasoning beside
//! `completion_tokens`, which shows in `total_tokens`.

use domain::Usage;

use crate::json::{Fault, Kind, Scanner};

#[derive(Default)]
struct Report {
    prompt: Option<u64>,
    completion: Option<u64>,
    total: Option<u64>,
    cache_hit: Option<u64>,
    cached: Option<u64>,
    cache_write: Option<u64>,
    image: Option<u64>,
    reasoning: Option<u64>,
    audio: Option<u64>,
}

/// None if the report is not one: the caller then estimates, and says so.
pub(super) fn read_usage(scanner: &mut Scanner<'_>) -> Result<Option<Usage>, Fault> {
    Ok(report(scanner)?.disjoint())
}

/// The report of an answer that nobody wrote: it has no completion.
pub(super) fn read_embedding_usage(scanner: &mut Scanner<'_>) -> Result<Option<Usage>, Fault> {
    let report = report(scanner)?;
    Ok(Report { completion: Some(0), prompt: report.prompt.or(report.total), ..report }.disjoint())
}

fn report(scanner: &mut Scanner<'_>) -> Result<Report, Fault> {
    let mut report = Report::default();
    let mut object = scanner.object()?;
    while let Some(name) = scanner.member(&mut object)? {
        match &*name.decode() {
            "prompt_tokens" => report.prompt = count(scanner)?,
            "completion_tokens" => report.completion = count(scanner)?,
            "total_tokens" => report.total = count(scanner)?,
            "prompt_cache_hit_tokens" => report.cache_hit = count(scanner)?,
            "prompt_tokens_details" if scanner.peek()? == Kind::Object => {
                input_details(scanner, &mut report)?
            }
            "completion_tokens_details" if scanner.peek()? == Kind::Object => {
                output_details(scanner, &mut report)?;
            }
            _ => drop(scanner.skip()?),
        }
    }
    Ok(report)
}

fn input_details(scanner: &mut Scanner<'_>, report: &mut Report) -> Result<(), Fault> {
    let mut object = scanner.object()?;
    while let Some(name) = scanner.member(&mut object)? {
        match &*name.decode() {
            "cached_tokens" => report.cached = count(scanner)?,
            "cache_write_tokens" => report.cache_write = count(scanner)?,
            "image_tokens" => report.image = count(scanner)?,
            _ => drop(scanner.skip()?),
        }
    }
    Ok(())
}

fn output_details(scanner: &mut Scanner<'_>, report: &mut Report) -> Result<(), Fault> {
    let mut object = scanner.object()?;
    while let Some(name) = scanner.member(&mut object)? {
        match &*name.decode() {
            "reasoning_tokens" => report.reasoning = count(scanner)?,
            "audio_tokens" => report.audio = count(scanner)?,
            _ => drop(scanner.skip()?),
        }
    }
    Ok(())
}

/// A count of tokens; none if it is null or no natural number.
pub(crate) fn count(scanner: &mut Scanner<'_>) -> Result<Option<u64>, Fault> {
    if scanner.peek()? == Kind::Number {
        return Ok(scanner.number()?.parse().ok());
    }
    scanner.skip()?;
    Ok(None)
}

impl Report {
    fn disjoint(&self) -> Option<Usage> {
        let prompt = self.prompt?;
        let mut completion = self.completion?;
        let reasoning = self.reasoning.unwrap_or(0);
        let beside = prompt.saturating_add(completion).saturating_add(reasoning);
        if reasoning > completion || reasoning > 0 && self.total == Some(beside) {
            completion = completion.saturating_add(reasoning);
        }
        let audio = self.audio.unwrap_or(0).min(completion.saturating_sub(reasoning));
        let cached_input = self.cached.or(self.cache_hit).unwrap_or(0).min(prompt);
        let cache_write = self.cache_write.unwrap_or(0).min(prompt.saturating_sub(cached_input));
        let image =
            self.image.unwrap_or(0).min(prompt.saturating_sub(cached_input).saturating_sub(cache_write));
        Some(Usage {
            input: prompt.saturating_sub(cached_input).saturating_sub(cache_write).saturating_sub(image),
            cached_input,
            cache_write,
            output: completion.saturating_sub(reasoning).saturating_sub(audio),
            reasoning,
            audio,
            image,
            estimated: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(json: &str) -> Option<Usage> {
        read_usage(&mut Scanner::new(json.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn cached_and_reasoning_tokens_are_taken_out_of_their_totals() {
        let usage = read(
            r#"{"prompt_tokens":2006,"completion_tokens":300,"total_tokens":2306,
                "prompt_tokens_details":{"cached_tokens":1920,"audio_tokens":0},
                "completion_tokens_details":{"reasoning_tokens":256,"audio_tokens":4}}"#,
        )
        .unwrap();
        let expected =
            Usage { input: 86, cached_input: 1920, output: 40, reasoning: 256, audio: 4, ..Usage::default() };
        assert_eq!(usage, expected);
        assert_eq!(usage.total(), 2306);
    }

    #[test]
    fn reasoning_counted_beside_the_completion_is_billed_too() {
        let usage = read(
            r#"{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,
                "completion_tokens_details":{"reasoning_tokens":94}}"#,
        );
        assert_eq!(usage, Some(Usage { input: 32, output: 9, reasoning: 94, ..Usage::default() }));
        let usage = read(
            r#"{"prompt_tokens":10,"completion_tokens":50,"total_tokens":80,
                "completion_tokens_details":{"reasoning_tokens":20}}"#,
        );
        assert_eq!(usage, Some(Usage { input: 10, output: 50, reasoning: 20, ..Usage::default() }));
    }

    #[test]
    fn the_cache_hits_of_deepseek_are_cached_input() {
        let usage = read(
            r#"{"prompt_tokens":100,"completion_tokens":5,"total_tokens":105,
                "prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36}"#,
        );
        assert_eq!(usage, Some(Usage { input: 36, cached_input: 64, output: 5, ..Usage::default() }));
    }

    #[test]
    fn a_report_without_whole_numbers_is_no_report() {
        assert_eq!(read(r#"{"prompt_tokens":1.5,"completion_tokens":5}"#), None);
        assert_eq!(read(r#"{"prompt_tokens":-1,"completion_tokens":5}"#), None);
        assert_eq!(read(r#"{"prompt_tokens":null,"completion_tokens":null}"#), None);
        assert_eq!(read(r#"{"total_tokens":7}"#), None);
    }

    proptest! {
        #[test]
        fn no_token_is_lost_or_counted_twice(prompt: u32, completion: u32, cached: u32, write: u32, image: u32,
                                             reasoning: u32, audio: u32, beside: bool) {
            let total = u64::from(prompt) + u64::from(completion) + if beside { u64::from(reasoning) } else { 0 };
            let usage = read(&format!(
                r#"{{"prompt_tokens":{prompt},"completion_tokens":{completion},"total_tokens":{total},
                    "prompt_tokens_details":{{"cached_tokens":{cached},"cache_write_tokens":{write},"image_tokens":{image}}},
                    "completion_tokens_details":{{"reasoning_tokens":{reasoning},"audio_tokens":{audio}}}}}"#
            )).unwrap();
            prop_assert_eq!(usage.total_input(), u64::from(prompt));
            if beside || reasoning <= completion {
                prop_assert_eq!(usage.total(), total);
            }
        }
    }
}
