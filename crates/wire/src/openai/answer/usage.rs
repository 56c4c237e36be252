use bytes::BytesMut;
use domain::Usage;
use serde::Serialize;

use crate::json::write_json;

/// Appends the report: the dialect's totals, and the buckets it has names for within them.
pub(super) fn write_usage(out: &mut BytesMut, usage: &Usage) {
    let report = Report {
        prompt_tokens: usage.total_input(),
        completion_tokens: usage.total_output(),
        total_tokens: usage.total(),
        prompt_tokens_details: InputDetails {
            cached_tokens: usage.cached_input,
            cache_write_tokens: usage.cache_write,
            image_tokens: usage.image,
        },
        completion_tokens_details: OutputDetails {
            reasoning_tokens: usage.reasoning,
            audio_tokens: usage.audio,
        },
    };
    write_json(out, &report);
}

#[derive(Serialize)]
struct Report {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: InputDetails,
    completion_tokens_details: OutputDetails,
}

#[derive(Serialize)]
struct InputDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
    image_tokens: u64,
}

#[derive(Serialize)]
struct OutputDetails {
    reasoning_tokens: u64,
    audio_tokens: u64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::Scanner;
    use crate::openai::usage::read_usage;

    proptest! {
        #[test]
        fn every_bucket_reads_back(buckets: [u32; 7]) {
            let [input, cached_input, cache_write, output, reasoning, audio, image] = buckets.map(u64::from);
            let usage =
                Usage { input, cached_input, cache_write, output, reasoning, audio, image, estimated: false };
            let mut out = BytesMut::new();
            write_usage(&mut out, &usage);
            prop_assert_eq!(read_usage(&mut Scanner::new(&out).unwrap()).unwrap(), Some(usage));
        }
    }
}
