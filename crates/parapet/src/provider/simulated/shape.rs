//! The objects of OpenAI's chat API, member by member in the order in which the original sends them.

use serde::{Serialize, Serializer};

use super::request::Invalid;

#[derive(Serialize)]
pub(super) struct Completion<'a> {
    pub(super) id: &'a str,
    pub(super) object: &'static str,
    pub(super) created: i64,
    pub(super) model: &'a str,
    pub(super) choices: Vec<Choice<'a>>,
    pub(super) usage: Usage,
    pub(super) service_tier: &'static str,
    pub(super) system_fingerprint: &'a str,
}

#[derive(Serialize)]
pub(super) struct Choice<'a> {
    pub(super) index: usize,
    pub(super) message: Message<'a>,
    pub(super) logprobs: Option<LogProbs<'a>>,
    pub(super) finish_reason: &'static str,
}

#[derive(Serialize)]
pub(super) struct Message<'a> {
    pub(super) role: &'static str,
    pub(super) content: Option<&'a str>,
    /// Not OpenAI's: DeepSeek and vLLM put a model's thoughts here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tool_calls: Vec<ToolCall<'a>>,
    pub(super) refusal: Option<&'a str>,
    pub(super) annotations: [(); 0],
}

#[derive(Serialize)]
pub(super) struct ToolCall<'a> {
    pub(super) id: &'a str,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) function: Function<'a>,
}

#[derive(Serialize)]
pub(super) struct Function<'a> {
    pub(super) name: &'a str,
    pub(super) arguments: &'a str,
}

#[derive(Serialize)]
pub(super) struct Chunk<'a> {
    pub(super) id: &'a str,
    pub(super) object: &'static str,
    pub(super) created: i64,
    pub(super) model: &'a str,
    pub(super) service_tier: &'static str,
    pub(super) system_fingerprint: &'a str,
    /// One or none, sent as a list.
    #[serde(serialize_with = "as_list")]
    pub(super) choices: Option<ChunkChoice<'a>>,
    /// Outside: whether the caller asked for usage. Inside: null but in the last chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usage: Option<Option<Usage>>,
}

#[derive(Serialize)]
pub(super) struct ChunkChoice<'a> {
    pub(super) index: usize,
    pub(super) delta: Delta<'a>,
    pub(super) logprobs: Option<LogProbs<'a>>,
    pub(super) finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
pub(super) struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<&'static str>,
    /// The inner null opens an answer without text: of tool calls, or a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_calls: Option<[CallDelta<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refusal: Option<Option<&'a str>>,
}

/// A call's first delta names it, the others carry fragments of its arguments.
#[derive(Serialize)]
pub(super) struct CallDelta<'a> {
    pub(super) index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<&'static str>,
    pub(super) function: FunctionDelta<'a>,
}

#[derive(Serialize)]
pub(super) struct FunctionDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    pub(super) arguments: &'a str,
}

#[derive(Serialize)]
pub(super) struct LogProbs<'a> {
    pub(super) content: Option<Vec<TokenLogProb<'a>>>,
    pub(super) refusal: Option<Vec<TokenLogProb<'a>>>,
}

#[derive(Serialize)]
pub(super) struct TokenLogProb<'a> {
    pub(super) token: &'a str,
    pub(super) logprob: f64,
    pub(super) bytes: &'a [u8],
    pub(super) top_logprobs: Vec<TopLogProb<'a>>,
}

#[derive(Serialize)]
pub(super) struct TopLogProb<'a> {
    pub(super) token: &'a str,
    pub(super) logprob: f64,
    pub(super) bytes: &'a [u8],
}

#[derive(Clone, Copy, Serialize)]
pub(super) struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Clone, Copy, Default, Serialize)]
struct PromptDetails {
    cached_tokens: u64,
    audio_tokens: u64,
}

#[derive(Clone, Copy, Default, Serialize)]
struct CompletionDetails {
    reasoning_tokens: u64,
    audio_tokens: u64,
    accepted_prediction_tokens: u64,
    rejected_prediction_tokens: u64,
}

impl Usage {
    /// `completion` includes the tokens of `reasoning`.
    pub(super) fn new(prompt: u64, completion: u64, reasoning: u64) -> Self {
        Self {
            prompt_tokens: prompt,
            completion_tokens: completion,
            total_tokens: prompt.saturating_add(completion),
            prompt_tokens_details: PromptDetails::default(),
            completion_tokens_details: CompletionDetails {
                reasoning_tokens: reasoning,
                ..CompletionDetails::default()
            },
        }
    }
}

#[derive(Serialize)]
pub(super) struct Error<'a> {
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<&'a str>,
    code: Option<&'static str>,
}

impl<'a> Error<'a> {
    /// What is wrong is not the request.
    pub(super) const fn failure(message: &'a str, kind: &'static str, code: Option<&'static str>) -> Self {
        Self { error: ErrorBody { message, kind, param: None, code } }
    }
}

impl<'a> From<&'a Invalid> for Error<'a> {
    fn from(invalid: &'a Invalid) -> Self {
        let kind = "invalid_request_error";
        let Invalid { message, param, code } = invalid;
        Self { error: ErrorBody { message, kind, param: param.as_deref(), code: *code } }
    }
}

impl<'a> CallDelta<'a> {
    pub(super) const fn arguments(index: usize, arguments: &'a str) -> Self {
        Self { index, id: None, kind: None, function: FunctionDelta { name: None, arguments } }
    }
}

fn as_list<T: Serialize, S: Serializer>(item: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    item.as_slice().serialize(serializer)
}
