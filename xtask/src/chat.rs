//! What is said in the benchmark: one kind of request, and the answers to it.
//!
//! The model's name says what the provider is to do, because it is a member every proxy passes on. A chunk
//! carries its number and the time it was sent, so that the client can tell a lost, doubled or late one.

use anyhow::{Context, ensure};
use memchr::memmem;

/// Sizes of a request's and a whole answer's body, and about that of a stream chunk, in bytes.
const REQUEST: usize = 1024;
const ANSWER: usize = 1024;
const CHUNK: usize = 300;

pub(crate) const DONE: &[u8] = b"data: [DONE]";

/// What the provider is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// One whole answer.
    Unary,
    /// So many chunks, one every so many milliseconds, the first at once.
    Stream { chunks: u32, every: u64 },
    /// One chunk, then silence until the client goes away.
    Hold,
}

impl Scenario {
    /// What a request asks for, by the model's name in it.
    pub(crate) fn asked(body: &[u8]) -> Option<Self> {
        let model = memmem::find(body, b"\"model\":\"")?.checked_add(9)?;
        let rest = body.get(model..)?;
        let name = std::str::from_utf8(rest.get(..memchr::memchr(b'"', rest)?)?).ok()?;
        match name.rsplit('/').next()? {
            "unary" => Some(Self::Unary),
            "hold" => Some(Self::Hold),
            name => {
                let (chunks, every) = name.strip_prefix("stream-")?.split_once('-')?;
                Some(Self::Stream { chunks: chunks.parse().ok()?, every: every.parse().ok()? })
            }
        }
    }

    /// The bytes of a request for it, as an SDK would send it.
    pub(crate) fn request(self, host: &str, key: &str) -> Vec<u8> {
        let model = match self {
            Self::Unary => "bench/unary".to_owned(),
            Self::Hold => "bench/hold".to_owned(),
            Self::Stream { chunks, every } => format!("bench/stream-{chunks}-{every}"),
        };
        let stream = if self == Self::Unary { "" } else { ",\"stream\":true" };
        let body = padded(
            format!(
                r#"{{"model":"{model}"{stream},"messages":[{{"role":"user","content":"Tell me a story. "#
            ),
            r#""}]}"#,
            REQUEST,
        );
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n\
             Content-Type: application/json\r\nUser-Agent: xtask-load\r\nAuthorization: Bearer {key}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

/// The body of a whole answer.
pub(crate) fn answer() -> String {
    padded(
        r#"{"id":"chatcmpl-bench","object":"chat.completion","created":1735689600,"model":"bench-1","choices":[{"index":0,"message":{"role":"assistant","refusal":null,"content":"Once upon a time "#.to_owned(),
        r#""},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":250,"completion_tokens":150,"total_tokens":400}}"#,
        ANSWER,
    )
}

/// The whole answer that is waited for.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// From a provider of the same dialect, to the byte.
    passed: String,
    /// From one of Anthropic's: its text, and what it used.
    translated: [String; 2],
}

impl Wanted {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let theirs: serde_json::Value = serde_json::from_str(&anthropic::answer())?;
        let text = theirs.pointer("/content/0/text").context("an answer has a text")?;
        let translated = [
            format!("\"content\":{text},"),
            r#""finish_reason":"stop"}],"usage":{"prompt_tokens":250,"completion_tokens":150,"#.to_owned(),
        ];
        Ok(Self { passed: answer(), translated })
    }

    pub(crate) fn is(&self, body: &[u8]) -> bool {
        body == self.passed.as_bytes()
            || body.starts_with(b"{\"id\":\"chatcmpl-")
                && self.translated.iter().all(|part| memmem::find(body, part.as_bytes()).is_some())
    }
}

/// The usage chunk, as `stream_options.include_usage` asks for it.
pub(crate) const USAGE: &str = "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1735689600,\"model\":\"bench-1\",\"choices\":[],\"usage\":{\"prompt_tokens\":250,\"completion_tokens\":100,\"total_tokens\":350}}\n\n";

/// The last chunk: why the model stopped.
pub(crate) const FINISH: &str = "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1735689600,\"model\":\"bench-1\",\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n";

/// An event with one content delta: `0042 00000000000012345678`, number and time sent.
pub(crate) fn chunk(number: u32, sent: u64) -> String {
    padded(
        format!(
            r#"data: {{"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1735689600,"model":"bench-1","system_fingerprint":"fp_bench","choices":[{{"index":0,"delta":{{"role":"assistant","content":"{number:04} {sent:020}"}},"logprobs":null,"finish_reason":null}}],"obfuscation":""#
        ),
        "\"}\n\n",
        CHUNK,
    )
}

/// Reads the number and the time out of a content chunk; `None` for an event without content.
pub(crate) fn read_chunk(event: &[u8]) -> anyhow::Result<Option<(u32, u64)>> {
    let Some(at) = memmem::find(event, b"\"content\":\"") else { return Ok(None) };
    let content = event.get(at + 11..at + 36).context("a chunk is cut off")?;
    let (number, sent) =
        std::str::from_utf8(content)?.split_once(' ').context("a chunk has other content")?;
    ensure!(event.starts_with(b"data: {"), "a chunk does not begin as an event");
    Ok(Some((number.parse()?, sent.parse()?)))
}

/// The same answers as a provider gives them that speaks Anthropic's dialect.
pub(crate) mod anthropic {
    use super::{ANSWER, CHUNK, padded};

    /// The body of a whole answer.
    pub(crate) fn answer() -> String {
        padded(
            r#"{"id":"msg_bench","type":"message","role":"assistant","model":"bench-1","content":[{"type":"text","text":"Once upon a time "#.to_owned(),
            r#""}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":250,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":150}}"#,
            ANSWER,
        )
    }

    /// What comes before the first delta.
    pub(crate) const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_bench\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"bench-1\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":250,\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";

    /// What comes after the last delta.
    pub(crate) const FINISH: &str = "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":100}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

    /// An event with one delta, as [`super::chunk`].
    pub(crate) fn chunk(number: u32, sent: u64) -> String {
        padded(
            format!(
                "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{number:04} {sent:020}\"}},\"obfuscation\":\""
            ),
            "\"}\n\n",
            CHUNK,
        )
    }
}

fn padded(mut text: String, end: &str, size: usize) -> String {
    let fill = size.saturating_sub(text.len() + end.len());
    text.extend("abcdefgh ".chars().cycle().take(fill));
    text.push_str(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_what_it_asks_for_in_a_kibibyte() {
        for scenario in [Scenario::Unary, Scenario::Hold, Scenario::Stream { chunks: 100, every: 20 }] {
            let request = scenario.request("localhost", "key");
            let body = memmem::find(&request, b"\r\n\r\n").map(|at| &request[at + 4..]).unwrap();
            assert_eq!((Scenario::asked(body), body.len()), (Some(scenario), REQUEST));
            serde_json::from_slice::<serde_json::Value>(body).unwrap();
        }
        assert_eq!(Scenario::asked(br#"{"model":"unary"}"#), Some(Scenario::Unary));
        assert_eq!(Scenario::asked(br#"{"model":"other"}"#), None);
    }

    #[test]
    fn an_answer_is_the_one_that_passed_or_a_translation_of_the_other() {
        let wanted = Wanted::new().unwrap();
        assert!(wanted.is(answer().as_bytes()));
        assert!(!wanted.is(answer().replace("Once", "Twice").as_bytes()));
        assert!(!wanted.is(anthropic::answer().as_bytes()));
        let [text, end] = &wanted.translated;
        let translated =
            format!(r#"{{"id":"chatcmpl-1","choices":[{{"message":{{{text}"refusal":null}},{end}"#);
        assert!(wanted.is(translated.as_bytes()));
        assert!(!wanted.is(translated.replace("Once", "Twice").as_bytes()));
    }

    #[test]
    fn a_chunk_gives_back_its_number_and_time() {
        let event = chunk(42, 12_345_678);
        assert_eq!(event.len(), CHUNK);
        assert_eq!(read_chunk(event.as_bytes()).unwrap(), Some((42, 12_345_678)));
        assert_eq!(read_chunk(FINISH.as_bytes()).unwrap(), None);
        assert!(read_chunk(b"data: {\"content\":\"0001 000\"}").is_err());
        let json = event.trim().strip_prefix("data: ").unwrap().to_owned();
        serde_json::from_str::<serde_json::Value>(&json).unwrap();
        assert_eq!(answer().len(), ANSWER);
    }
}
