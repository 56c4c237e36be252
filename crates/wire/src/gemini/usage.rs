//! `usageMetadata`, made disjoint.
//!
//! `promptTokenCount` includes what was read from the cache, and pictures in either; `candidatesTokenCount` excludes
//! `thoughtsTokenCount`; `toolUsePromptTokenCount` is input beside the prompt. Details by modality split the totals:
//! our image bucket is pictures in the prompt that were not cached, our audio bucket is sound in the answer. Sound and
//! film in the prompt stay in the input bucket, pictures in the answer in the output bucket: the ledger has no others.
//! A count that is zero is left out by the provider.

use domain::Usage;

use crate::json::{Fault, Kind, Scanner};
use crate::openai::count;

/// What has been reported so far: later events of a stream may leave out what earlier ones said.
#[derive(Debug, Default)]
pub(super) struct Report {
    prompt: Option<u64>,
    cached: u64,
    candidates: u64,
    thoughts: u64,
    tool_use: u64,
    images: u64,
    cached_images: u64,
    audio: u64,
}

impl Report {
    /// None as long as nothing is known of the prompt: the caller then estimates, and says so.
    pub(super) fn read(&mut self, scanner: &mut Scanner<'_>) -> Result<Option<Usage>, Fault> {
        let mut object = scanner.object()?;
        while let Some(name) = scanner.member(&mut object)? {
            match &*name.decode() {
                "promptTokenCount" => self.prompt = count(scanner)?.or(self.prompt),
                "cachedContentTokenCount" => keep(&mut self.cached, count(scanner)?),
                "candidatesTokenCount" => keep(&mut self.candidates, count(scanner)?),
                "thoughtsTokenCount" => keep(&mut self.thoughts, count(scanner)?),
                "toolUsePromptTokenCount" => keep(&mut self.tool_use, count(scanner)?),
                "promptTokensDetails" => keep(&mut self.images, of_modality(scanner, "IMAGE")?),
                "cacheTokensDetails" => keep(&mut self.cached_images, of_modality(scanner, "IMAGE")?),
                "candidatesTokensDetails" => keep(&mut self.audio, of_modality(scanner, "AUDIO")?),
                _ => drop(scanner.skip()?),
            }
        }
        Ok(self.disjoint())
    }

    fn disjoint(&self) -> Option<Usage> {
        let prompt = self.prompt?;
        let cached_input = self.cached.min(prompt);
        let fresh = prompt.saturating_sub(cached_input);
        let image = self.images.saturating_sub(self.cached_images).min(fresh);
        let audio = self.audio.min(self.candidates);
        Some(Usage {
            input: fresh.saturating_sub(image).saturating_add(self.tool_use),
            cached_input,
            cache_write: 0,
            output: self.candidates.saturating_sub(audio),
            reasoning: self.thoughts,
            audio,
            image,
            estimated: false,
        })
    }
}

fn keep(total: &mut u64, reported: Option<u64>) {
    *total = reported.unwrap_or(*total);
}

/// The tokens of one modality in a list of `{"modality":…,"tokenCount":…}`.
fn of_modality(scanner: &mut Scanner<'_>, wanted: &str) -> Result<Option<u64>, Fault> {
    if scanner.peek()? != Kind::Array {
        return scanner.skip().map(|_| None);
    }
    let mut total = 0_u64;
    let mut array = scanner.array()?;
    while scanner.element(&mut array)? {
        let (mut matches, mut tokens) = (false, None);
        let mut object = scanner.object()?;
        while let Some(name) = scanner.member(&mut object)? {
            match &*name.decode() {
                "modality" if scanner.peek()? == Kind::String => matches = scanner.string()?.is(wanted),
                "tokenCount" => tokens = count(scanner)?,
                _ => drop(scanner.skip()?),
            }
        }
        total = total.saturating_add(tokens.filter(|_| matches).unwrap_or(0));
    }
    Ok(Some(total))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(json: &str) -> Option<Usage> {
        Report::default().read(&mut Scanner::new(json.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn cached_tokens_are_taken_out_of_the_prompt_and_thoughts_stand_beside_the_answer() {
        let usage = read(
            r#"{"promptTokenCount":2152,"candidatesTokenCount":710,"totalTokenCount":3300,
                "cachedContentTokenCount":2027,"thoughtsTokenCount":438}"#,
        )
        .unwrap();
        let expected =
            Usage { input: 125, cached_input: 2027, output: 710, reasoning: 438, ..Usage::default() };
        assert_eq!(usage, expected);
        assert_eq!(usage.total(), 3300);
    }

    #[test]
    fn pictures_in_the_prompt_and_sound_in_the_answer_have_buckets_of_their_own() {
        let usage = read(
            r#"{"promptTokenCount":900,"cachedContentTokenCount":300,"candidatesTokenCount":50,
                "promptTokensDetails":[{"modality":"TEXT","tokenCount":100},{"modality":"IMAGE","tokenCount":516},
                    {"modality":"AUDIO","tokenCount":284}],
                "cacheTokensDetails":[{"modality":"IMAGE","tokenCount":258},{"modality":"TEXT","tokenCount":42}],
                "candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":40},{"modality":"TEXT","tokenCount":10}]}"#,
        );
        let expected =
            Usage { input: 342, cached_input: 300, image: 258, output: 10, audio: 40, ..Usage::default() };
        assert_eq!(usage, Some(expected));
    }

    #[test]
    fn what_the_providers_own_tools_fetched_is_input() {
        let usage = read(r#"{"promptTokenCount":10,"toolUsePromptTokenCount":90,"candidatesTokenCount":5}"#);
        assert_eq!(usage, Some(Usage { input: 100, output: 5, ..Usage::default() }));
    }

    #[test]
    fn a_report_without_a_prompt_is_no_report() {
        assert_eq!(read(r#"{"totalTokenCount":7}"#), None);
        assert_eq!(read(r#"{"promptTokenCount":-1,"candidatesTokenCount":5}"#), None);
        assert_eq!(read(r#"{"promptTokenCount":null,"promptTokensDetails":null}"#), None);
        assert_eq!(read(r#"{"promptTokenCount":3}"#), Some(Usage { input: 3, ..Usage::default() }));
    }

    #[test]
    fn what_a_later_report_leaves_out_is_as_it_was() {
        let mut report = Report::default();
        let mut read = |json: &str| report.read(&mut Scanner::new(json.as_bytes()).unwrap()).unwrap();
        assert_eq!(read(r#"{"candidatesTokenCount":1}"#), None);
        let usage = Usage { input: 9, output: 3, ..Usage::default() };
        assert_eq!(read(r#"{"promptTokenCount":9,"candidatesTokenCount":3}"#), Some(usage));
        assert_eq!(read(r#"{"promptTokenCount":9}"#), Some(usage));
        let cached = read(r#"{"cachedContentTokenCount":8,"candidatesTokenCount":5}"#);
        assert_eq!(cached, Some(Usage { input: 1, cached_input: 8, output: 5, ..Usage::default() }));
    }

    proptest! {
        #[test]
        fn no_token_is_lost_or_counted_twice(prompt: u32, cached: u32, candidates: u32, thoughts: u32, tool_use: u32,
                                             images: u32, cached_images: u32, audio: u32) {
            let usage = read(&format!(
                r#"{{"promptTokenCount":{prompt},"cachedContentTokenCount":{cached},
                    "candidatesTokenCount":{candidates},"thoughtsTokenCount":{thoughts},
                    "toolUsePromptTokenCount":{tool_use},
                    "promptTokensDetails":[{{"modality":"IMAGE","tokenCount":{images}}}],
                    "cacheTokensDetails":[{{"tokenCount":{cached_images},"modality":"IMAGE"}}],
                    "candidatesTokensDetails":[{{"modality":"AUDIO","tokenCount":{audio}}}]}}"#
            )).unwrap();
            prop_assert_eq!(usage.total_input(), u64::from(prompt) + u64::from(tool_use));
            prop_assert_eq!(usage.total_output(), u64::from(candidates) + u64::from(thoughts));
        }
    }
}
