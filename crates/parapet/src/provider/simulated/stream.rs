//! An answer as a stream: its chunks one at a time, each rendered when it is asked for.
//!
//! Several choices are written side by side, each at the full rate, as the real API does.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::odds::Odds;
use super::said::{Answer, Said};
use super::script::{Head, Pace};
use super::shape::{CallDelta, Chunk, ChunkChoice, Delta, Error, Usage};
use super::tokens;

pub(super) struct Stream {
    head: Head,
    voices: Vec<Voice>,
    reports_usage: bool,
    odds: Option<Odds>,
    pace: Pace,
    /// Time since the first event.
    played: Duration,
    /// Bytes of content after which the voices fall silent.
    breaks_after: Option<usize>,
    /// What is left to say when every choice is finished.
    closing: std::vec::IntoIter<Bytes>,
}

impl Stream {
    /// `usage` is sent only if the caller asked for it.
    pub(super) fn new(
        head: Head,
        answers: Vec<Answer>,
        usage: Option<Usage>,
        odds: Option<Odds>,
        pace: Pace,
    ) -> Self {
        let report = usage.map(|usage| event(&head.chunk(None, Some(Some(usage)))));
        let done = Bytes::from_static(b"data: [DONE]\n\n");
        let closing: Vec<Bytes> = report.into_iter().chain([done]).collect();
        Self {
            head,
            voices: answers
                .into_iter()
                .enumerate()
                .map(|(index, answer)| Voice::new(index, answer))
                .collect(),
            reports_usage: usage.is_some(),
            odds,
            pace,
            played: Duration::ZERO,
            breaks_after: None,
            closing: closing.into_iter(),
        }
    }

    /// Ends the answer after half of its content, and says `last` instead of the rest.
    pub(super) fn break_off(&mut self, last: Option<&Error<'_>>) {
        self.breaks_after =
            Some(self.voices.iter().map(|voice| voice.answer.bytes()).sum::<usize>().div_ceil(2));
        self.closing = last.map(event).into_iter().collect::<Vec<_>>().into_iter();
    }

    pub(super) fn next(&mut self) -> Option<(Duration, Bytes)> {
        let pace = self.pace;
        let broken = self.is_broken();
        // The voice whose next event is due first; without a rate all are, and they take turns.
        let next = self.voices.iter_mut().filter(|voice| !broken && !matches!(voice.stage, Stage::Finished));
        let Some(voice) = next.min_by_key(|voice| (pace.time_for(voice.due()), voice.events)) else {
            return self.closing.next().map(|bytes| (Duration::ZERO, bytes));
        };
        let due = pace.time_for(voice.due());
        let wait = due.saturating_sub(self.played);
        self.played = due;
        let usage = self.reports_usage.then_some(None);
        let event = voice.speak(self.odds, |choice| event(&self.head.chunk(Some(choice), usage)));
        Some((wait, event))
    }

    /// Before that every voice has opened, so that a broken answer has begun; then at least one is unfinished.
    fn is_broken(&self) -> bool {
        let Some(most) = self.breaks_after else { return false };
        let opened = self.voices.iter().all(|voice| voice.events > 0);
        opened && self.voices.iter().map(|voice| voice.sent).sum::<usize>() >= most
    }
}

/// One choice on its way out.
struct Voice {
    index: usize,
    answer: Answer,
    stage: Stage,
    /// Bytes of thought, words and arguments sent.
    sent: usize,
    /// Events sent.
    events: u64,
}

#[derive(Clone, Copy)]
enum Stage {
    Role,
    Thought { at: usize },
    Words { at: usize },
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
            Stage::Thought { at } => self.answer.thought.get(at..),
            Stage::Words { at } => self.answer.words().get(at..),
            Stage::CallArguments { call, at } => {
                self.answer.calls().get(call).and_then(|call| call.arguments.get(at..))
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
                delta.content = Some(matches!(self.answer.said, Said::Text(_)).then_some(""));
                delta.refusal = Some(matches!(self.answer.said, Said::Refusal(_)).then_some(""));
            }
            Stage::Thought { .. } => delta.reasoning_content = Some(piece),
            Stage::Words { at } => {
                match self.answer.said {
                    Said::Refusal(_) => delta.refusal = Some(Some(piece)),
                    _ => delta.content = Some(Some(piece)),
                }
                logprobs = odds.and_then(|odds| self.answer.logprobs(odds, self.index, at, piece));
            }
            Stage::CallName { call } => {
                delta.tool_calls = self.answer.calls().get(call).map(|it| [it.opening(call)])
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
        let answer = &self.answer;
        let words = |at| match answer.calls() {
            _ if at < answer.words().len() => Stage::Words { at },
            [] => Stage::Finish,
            [..] => Stage::CallName { call: 0 },
        };
        let thought = |at| if at < answer.thought.len() { Stage::Thought { at } } else { words(0) };
        let arguments = |call: usize, at| match answer.calls().get(call) {
            Some(it) if at < it.arguments.len() => Stage::CallArguments { call, at },
            _ if call + 1 < answer.calls().len() => Stage::CallName { call: call + 1 },
            _ => Stage::Finish,
        };
        match self.stage {
            Stage::Role => thought(0),
            Stage::Thought { at } => thought(at + length),
            Stage::Words { at } => words(at + length),
            Stage::CallName { call } => arguments(call, 0),
            Stage::CallArguments { call, at } => arguments(call, at + length),
            Stage::Finish | Stage::Finished => Stage::Finished,
        }
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

fn event(payload: &impl Serialize) -> Bytes {
    let mut event = Vec::with_capacity(384);
    event.extend_from_slice(b"data: ");
    // Writing plain structs into memory has no way to fail.
    let _ = serde_json::to_writer(&mut event, payload);
    event.extend_from_slice(b"\n\n");
    event.into()
}
