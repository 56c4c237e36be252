//! Plays a simulated answer in time.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep};

use super::simulated::Script;

pub(crate) struct Player {
    script: Script,
    next: Option<Bytes>,
    wait: Pin<Box<Sleep>>,
    due: Instant,
}

impl Player {
    pub(crate) fn new(script: Script) -> Self {
        Self { script, next: None, wait: Box::pin(sleep(std::time::Duration::ZERO)), due: Instant::now() }
    }

    /// The next bytes when their time has come; `None` at the end.
    pub(crate) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.next.is_none() {
            let Some((wait, bytes)) = self.script.next() else { return Poll::Ready(None) };
            self.next = Some(bytes);
            if !wait.is_zero() {
                // From when the last bytes were due, not from when they were taken: a slow reader does not make the
                // answer slower than it is.
                self.due += wait;
                self.wait.as_mut().reset(self.due);
            }
        }
        if Instant::now() < self.due {
            ready!(self.wait.as_mut().poll(cx));
        }
        Poll::Ready(self.next.take())
    }
}
