//! Plays an answer: the bytes of OpenAI's dialect, and how long to wait before each of them.
//!
//! The texts are ready when a script is made; chunks are rendered one at a time, as they are asked for, so
//! that an open stream costs little more than its text. Several choices are written side by side, each at the
//! full rate, as the real API does.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::dice::Fingerprint;
use super::request::Fault;
use super::shape::{
    CallDelta, Choice, Chunk, ChunkChoice, Completion, Delta, Error, Function, FunctionDelta, LogProbs,
    Message, TokenLogProb, ToolCall, TopLogProb, Usage,
};
use super::tokens;

/// One answer of the simulated provider. Wait [`first_after`](Self::first_after), send status and content
/// type, then play the items: each waits for its own time and sends its bytes. In a stream every item is one
/// whole SSE event.
pub(crate) struct Script {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) first_after: Duration,
    body: Body,
}

enum Body {
    Whole(Option<Bytes>),
    Stream(Box<Stream>),
}

/// The members that all chunks share.
pub(super) struct Head {
    pub(super) id: String,
    pub(super) model: String,
    pub(super) created: i64,
    pub(super) fingerprint: String,
}

/// What one choice says. Either text or calls.
pub(super) struct Answer {
    pub(super) text: Option<String>,
    pub(super) calls: Vec<Call>,
    pub(super) finish: &'static str,
}

pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

/// How fast tokens come.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    pub(super) latency: Duration,
    pub(super) tokens_per_second: f64,
}

/// Log probabilities: how many alternatives, and the seed of their values.
#[derive(Clone, Copy)]
pub(super) struct Odds {
    pub(super) alternatives: usize,
    pub(super) seed: Fingerprint,
}

impl Script {
    pub(super) fn fault(fault: &Fault) -> Self {
        Self {
            status: 400,
            content_type: "application/json",
            first_after: Duration::ZERO,
            body: Body::Whole(Some(json(&Error::from(fault)))),
        }
    }

    pub(super) fn unary(
        head: &Head,
        answers: &[Answer],
        usage: Usage,
        odds: Option<Odds>,
        pace: Pace,
    ) -> Self {
        let choices = answers.iter().enumerate().map(|(index, answer)| answer.whole(index, odds)).collect();
        let completion = Completion {
            id: &head.id,
            object: "chat.completion",
            created: head.created,
            model: &head.model,
            choices,
            usage,
            service_tier: "default",
            system_fingerprint: &head.fingerprint,
        };
        let longest = answers.iter().map(Answer::bytes).max().unwrap_or(0);
        Self {
            status: 200,
            content_type: "application/json",
            first_after: pace.latency.saturating_add(pace.time_for(longest)),
            body: Body::Whole(Some(json(&completion))),
        }
    }

    /// `usage` is sent only if the caller asked for it.
    pub(super) fn stream(
        head: Head,
        answers: Vec<Answer>,
        usage: Option<Usage>,
        odds: Option<Odds>,
        pace: Pace,
    ) -> Self {
        let voices =
            answers.into_iter().enumerate().map(|(index, answer)| Voice::new(index, answer)).collect();
        let last = if usage.is_some() { Last::Usage } else { Last::Done };
        let stream = Stream { head, voices, usage, odds, pace, played: Duration::ZERO, last };
        Self {
            status: 200,
            content_type: "text/event-stream",
            first_after: pace.latency,
            body: Body::Stream(Box::new(stream)),
        }
    }
}

impl Iterator for Script {
    type Item = (Duration, Bytes);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.body {
            Body::Whole(bytes) => bytes.take().map(|bytes| (Duration::ZERO, bytes)),
            Body::Stream(stream) => stream.next(),
        }
    }
}

struct Stream {
    head: Head,
    voices: Vec<Voice>,
    usage: Option<Usage>,
    odds: Option<Odds>,
    pace: Pace,
    /// Time since the first event.
    played: Duration,
    last: Last,
}

/// What is left to say when every choice is finished.
enum Last {
    Usage,
    Done,
    Nothing,
}

impl Stream {
    fn next(&mut self) -> Option<(Duration, Bytes)> {
        let pace = self.pace;
        // The voice whose next event is due first; without a rate all are, and they take turns.
        let next = self.voices.iter_mut().filter(|voice| !matches!(voice.stage, Stage::Finished));
        let Some(voice) = next.min_by_key(|voice| (pace.time_for(voice.due()), voice.events)) else {
            return self.close().map(|bytes| (Duration::ZERO, bytes));
        };
        let due = pace.time_for(voice.due());
        let wait = due.saturating_sub(self.played);
        self.played = due;
        let event =
            voice.speak(self.odds, |choice| sse(&self.head.chunk(Some(choice), self.usage.map(|_| None))));
        Some((wait, event))
    }

    fn close(&mut self) -> Option<Bytes> {
        match self.last {
            Last::Usage => {
                self.last = Last::Done;
                Some(sse(&self.head.chunk(None, Some(self.usage))))
            }
            Last::Done => {
                self.last = Last::Nothing;
                Some(Bytes::from_static(b"data: [DONE]\n\n"))
            }
            Last::Nothing => None,
        }
    }
}

/// One choice on its way out.
struct Voice {
    index: usize,
    answer: Answer,
    stage: Stage,
    /// Bytes of text and arguments sent.
    sent: usize,
    /// Events sent.
    events: u64,
}

#[derive(Clone, Copy)]
enum Stage {
    Role,
    Text { at: usize },
    CallName { call: usize },
    CallArguments { call: usize, at: usize },
    Finish,
    Finished,
}

impl Voice {
    const fn new(index: usize, answer: Answer) -> Self {
        Self { index, answer, stage: Stage::Role, sent: 0, events: 0 }
    }

    /// The bytes that will have been sent with the next event: what its time is reckoned by.
    fn due(&self) -> usize {
        self.sent + self.piece().len()
    }

    /// The text or the fragment of arguments in the next event.
    fn piece(&self) -> &str {
        let rest = match self.stage {
            Stage::Text { at } => self.answer.text.as_deref().and_then(|text| text.get(at..)),
            Stage::CallArguments { call, at } => {
                self.answer.calls.get(call).and_then(|call| call.arguments.get(at..))
            }
            _ => None,
        };
        let rest = rest.unwrap_or_default();
        rest.get(..tokens::piece(rest)).unwrap_or_default()
    }

    /// Renders the next event and moves on.
    fn speak(&mut self, odds: Option<Odds>, render: impl FnOnce(ChunkChoice<'_>) -> Bytes) -> Bytes {
        let piece = self.piece();
        let mut delta = Delta::default();
        let mut logprobs = None;
        let mut finish_reason = None;
        match self.stage {
            Stage::Role => {
                delta.role = Some("assistant");
                delta.content = Some(self.answer.text.as_ref().map(|_| ""));
                delta.refusal = Some(None);
            }
            Stage::Text { at } => {
                delta.content = Some(Some(piece));
                logprobs = odds.map(|odds| odds.of_pieces(self.index, at, piece));
            }
            Stage::CallName { call } => {
                delta.tool_calls = self.answer.calls.get(call).map(|it| [it.opening(call)])
            }
            Stage::CallArguments { call, .. } => delta.tool_calls = Some([CallDelta::arguments(call, piece)]),
            Stage::Finish | Stage::Finished => finish_reason = Some(self.answer.finish),
        }
        let event = render(ChunkChoice { index: self.index, delta, logprobs, finish_reason });
        let length = piece.len();
        self.stage = self.after(length);
        self.sent += length;
        self.events += 1;
        event
    }

    fn after(&self, length: usize) -> Stage {
        let text = |at| match &self.answer.text {
            Some(text) if at < text.len() => Stage::Text { at },
            _ if self.answer.calls.is_empty() => Stage::Finish,
            _ => Stage::CallName { call: 0 },
        };
        let arguments = |call: usize, at| match self.answer.calls.get(call) {
            Some(it) if at < it.arguments.len() => Stage::CallArguments { call, at },
            _ if call + 1 < self.answer.calls.len() => Stage::CallName { call: call + 1 },
            _ => Stage::Finish,
        };
        match self.stage {
            Stage::Role => text(0),
            Stage::Text { at } => text(at + length),
            Stage::CallName { call } => arguments(call, 0),
            Stage::CallArguments { call, at } => arguments(call, at + length),
            Stage::Finish | Stage::Finished => Stage::Finished,
        }
    }
}

impl Answer {
    fn whole(&self, index: usize, odds: Option<Odds>) -> Choice<'_> {
        let content = self.text.as_deref();
        let message = Message {
            role: "assistant",
            content,
            tool_calls: self.calls.iter().map(Call::whole).collect(),
            refusal: None,
            annotations: [],
        };
        let logprobs = odds.zip(content).map(|(odds, text)| odds.of_pieces(index, 0, text));
        Choice { index, message, logprobs, finish_reason: self.finish }
    }

    /// Bytes of text and arguments: what the time is reckoned by.
    fn bytes(&self) -> usize {
        let calls = self.calls.iter().map(|call| call.arguments.len());
        self.text.as_ref().map_or(0, String::len) + calls.sum::<usize>()
    }

    pub(super) fn tokens(&self) -> u64 {
        let calls = self.calls.iter().map(|call| tokens::of_text(call.name.len() + call.arguments.len()));
        self.text.as_ref().map_or(0, |text| tokens::of_text(text.len())) + calls.sum::<u64>()
    }

    /// Ends the answer after `limit` tokens, if it is longer, and says so.
    pub(super) fn limit(&mut self, limit: u64) {
        let mut left = limit;
        let mut over = false;
        if let Some(text) = &mut self.text {
            over |= tokens::cut(text, left);
            left = left.saturating_sub(tokens::of_text(text.len()));
        }
        self.calls.retain_mut(|call| {
            // A name is not cut: the call comes whole in name or not at all.
            let name = tokens::of_text(call.name.len());
            if name > left {
                over = true;
                return false;
            }
            let had = tokens::of_text(call.name.len() + call.arguments.len());
            if had > left {
                over |= tokens::cut(&mut call.arguments, left - name);
            }
            left = left.saturating_sub(had);
            true
        });
        if over {
            self.finish = "length";
        }
    }
}

impl Call {
    fn whole(&self) -> ToolCall<'_> {
        let function = Function { name: &self.name, arguments: &self.arguments };
        ToolCall { id: &self.id, kind: "function", function }
    }

    fn opening(&self, index: usize) -> CallDelta<'_> {
        let function = FunctionDelta { name: Some(&self.name), arguments: "" };
        CallDelta { index, id: Some(&self.id), kind: Some("function"), function }
    }
}

impl<'a> CallDelta<'a> {
    const fn arguments(index: usize, arguments: &'a str) -> Self {
        Self { index, id: None, kind: None, function: FunctionDelta { name: None, arguments } }
    }
}

impl Head {
    fn chunk<'a>(&'a self, choice: Option<ChunkChoice<'a>>, usage: Option<Option<Usage>>) -> Chunk<'a> {
        Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: &self.model,
            service_tier: "default",
            system_fingerprint: &self.fingerprint,
            choices: choice,
            usage,
        }
    }
}

impl Pace {
    /// The time after which `bytes` of an answer are written. A rate that is not a positive number
    /// means: at once.
    fn time_for(self, bytes: usize) -> Duration {
        let tokens = u32::try_from(bytes).map_or(f64::from(u32::MAX), f64::from) / 4.0;
        let seconds = tokens / self.tokens_per_second;
        if seconds > 0.0 {
            Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO)
        } else {
            Duration::ZERO
        }
    }
}

impl Odds {
    /// The log probabilities of the pieces of `text`, which starts at byte `at` of the answer.
    fn of_pieces<'a>(self, index: usize, at: usize, mut text: &'a str) -> LogProbs<'a> {
        let mut content = Vec::new();
        let mut at = at;
        while let Some((piece, rest)) =
            text.split_at_checked(tokens::piece(text)).filter(|(it, _)| !it.is_empty())
        {
            content.push(self.of_piece(index, at, piece));
            at += piece.len();
            text = rest;
        }
        LogProbs { content, refusal: None }
    }

    /// The chosen token comes first and is likely; its alternatives share what is left.
    fn of_piece<'a>(self, index: usize, at: usize, token: &'a str) -> TokenLogProb<'a> {
        const OTHERS: [&str; 24] = [
            " the", " a", " and", " to", " of", " in", " is", " it", " that", " for", " you", ",", ".",
            " with", " as", " on", " this", " be", " or", " your", " an", " by", " so", "\n",
        ];
        let mut dice = self.seed.number(index as u64).number(at as u64).dice();
        let fraction = dice.fraction();
        let logprob = round(-0.6 * fraction * fraction * fraction - 0.0001);
        let mut top = vec![TopLogProb { token, logprob, bytes: token.as_bytes() }];
        let start = dice.below(OTHERS.len());
        let others = OTHERS.iter().cycle().skip(start).take(OTHERS.len()).filter(|other| **other != token);
        let mut left = 1.0 - logprob.exp();
        for other in others {
            // About half of what is left each time: always less than the one before.
            let share = left * (0.4 + 0.2 * dice.fraction());
            top.push(TopLogProb { token: other, logprob: round(share.ln()), bytes: other.as_bytes() });
            left -= share;
        }
        top.truncate(self.alternatives);
        TokenLogProb { token, logprob, bytes: token.as_bytes(), top_logprobs: top }
    }
}

/// To the digits that a provider gives.
fn round(logprob: f64) -> f64 {
    (logprob * 1e6).round() / 1e6
}

fn sse(chunk: &Chunk<'_>) -> Bytes {
    let mut event = Vec::with_capacity(384);
    event.extend_from_slice(b"data: ");
    // Writing plain structs into memory has no way to fail.
    let _ = serde_json::to_writer(&mut event, chunk);
    event.extend_from_slice(b"\n\n");
    event.into()
}

fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}
