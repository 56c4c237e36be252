//! The provider's answer as it is played: bytes of OpenAI's dialect, how long to wait before each of them, and how
//! they end.
//!
//! The texts are ready when a script is made; the chunks of a stream are rendered one at a time, so that an open
//! stream costs little more than its text.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::odds::Odds;
use super::said::Answer;
use super::shape::{Completion, Error, Usage};
use super::stream::Stream;

/// One answer of the simulated provider. Wait [`first_after`](Self::first_after), send the head (status, content
/// type, `retry-after`), then play the items: each waits for its own time and sends its bytes. In a stream every
/// item is one whole SSE event. After the last item the body ends as [`end`](Self::end) says.
pub(crate) struct Script {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) first_after: Duration,
    pub(crate) end: End,
    body: Body,
}

/// What comes after the last item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The body ends as its framing promised.
    Complete,
    /// The connection breaks.
    Cut,
    /// Nothing comes, not even an end.
    Silent,
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

/// How fast tokens come.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    pub(super) latency: Duration,
    pub(super) tokens_per_second: f64,
}

impl Script {
    /// A whole body of JSON under status 200.
    pub(super) fn json(body: &impl Serialize, first_after: Duration) -> Self {
        Self {
            status: 200,
            content_type: "application/json",
            retry_after: None,
            first_after,
            end: End::Complete,
            body: Body::Whole(Some(json(body))),
        }
    }

    pub(super) fn error(status: u16, error: &Error<'_>) -> Self {
        Self { status, ..Self::json(error, Duration::ZERO) }
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
        Self::json(&completion, pace.latency.saturating_add(pace.time_for(longest)))
    }

    pub(super) fn stream(stream: Stream, first_after: Duration) -> Self {
        Self {
            status: 200,
            content_type: "text/event-stream",
            retry_after: None,
            first_after,
            end: End::Complete,
            body: Body::Stream(Box::new(stream)),
        }
    }

    pub(super) fn retry_after(self, patience: Duration) -> Self {
        Self { retry_after: Some(patience), ..self }
    }

    /// Without the second half. Of a whole body whose sender falls silent, nothing arrives at all.
    pub(super) fn broken_off(mut self, end: End) -> Self {
        match &mut self.body {
            Body::Whole(bytes) if end == End::Silent => *bytes = None,
            Body::Whole(bytes) => halve(bytes),
            Body::Stream(stream) => stream.break_off(None),
        }
        Self { end, ..self }
    }

    /// With JSON that breaks off inside a frame that is whole: all of the body, or a stream's first event.
    pub(super) fn garbled(mut self) -> Self {
        let bytes = match &mut self.body {
            Body::Whole(bytes) => {
                halve(bytes);
                bytes.take()
            }
            Body::Stream(stream) => stream.next().map(|(_, event)| {
                let half = event.get(..event.len() / 2).unwrap_or_default();
                [half, b"\n\n"].concat().into()
            }),
        };
        Self { body: Body::Whole(bytes), ..self }
    }

    /// With an error instead of the end, or of a whole body.
    pub(super) fn given_up(mut self, error: &Error<'_>) -> Self {
        match &mut self.body {
            Body::Whole(bytes) => *bytes = Some(json(error)),
            Body::Stream(stream) => stream.break_off(Some(error)),
        }
        self
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

impl Pace {
    /// The time after which `bytes` of an answer are written. A rate that is not a positive number
    /// means: at once.
    pub(super) fn time_for(self, bytes: usize) -> Duration {
        let tokens = u32::try_from(bytes).map_or(f64::from(u32::MAX), f64::from) / 4.0;
        let seconds = tokens / self.tokens_per_second;
        if seconds > 0.0 {
            Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO)
        } else {
            Duration::ZERO
        }
    }
}

fn halve(bytes: &mut Option<Bytes>) {
    if let Some(bytes) = bytes {
        bytes.truncate(bytes.len() / 2);
    }
}

fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}
