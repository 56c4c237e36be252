//! Plays a simulated answer in time, to whatever end it comes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep};

use super::failure::{Failure, Fault};
use super::simulated::{End, Script, Unreachable};

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

    /// The next bytes when their time has come; `None` when the answer ended as its framing promised.
    pub(crate) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        if self.next.is_none() {
            let Some((wait, bytes)) = self.script.next() else { return self.end() };
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
        Poll::Ready(self.next.take().map(Ok))
    }

    fn end(&self) -> Poll<Option<Result<Bytes, Failure>>> {
        match self.script.end {
            End::Complete => Poll::Ready(None),
            End::Cut => Poll::Ready(Some(Err(Failure::new(Fault::Reset, "the simulated connection broke")))),
            // Nobody is woken: whoever waits for an upstream has a deadline of their own.
            End::Silent => Poll::Pending,
        }
    }
}

impl From<Unreachable> for Failure {
    fn from(Unreachable: Unreachable) -> Self {
        Self::new(Fault::Connect, "the simulated connection was refused")
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::super::simulated::{self, Faults, Mood, Settings};
    use super::*;

    fn play(model: &str, stream: bool) -> Result<Player, Failure> {
        let settings = Settings {
            latency: Duration::ZERO,
            tokens_per_second: 10.0,
            length: 20..=60,
            seed: 0,
            mood: Mood::Friendly,
            faults: Faults::default(),
        };
        let body = format!(
            r#"{{"model":"{model}","stream":{stream},"messages":[{{"role":"user","content":"Tell me about tides"}}]}}"#
        );
        Ok(Player::new(simulated::answer(&settings, 0, 0, body.as_bytes())?))
    }

    /// What is played until the end, until it fails, or until nothing has come for an hour.
    async fn listen(player: &mut Player) -> (Vec<Bytes>, Option<Result<(), Fault>>) {
        let mut heard = Vec::new();
        loop {
            match timeout(Duration::from_secs(3600), poll_fn(|cx| player.poll_data(cx))).await {
                Ok(Some(Ok(bytes))) => heard.push(bytes),
                Ok(Some(Err(failure))) => return (heard, Some(Err(failure.fault))),
                Ok(None) => return (heard, Some(Ok(()))),
                Err(_) => return (heard, None),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_whole_stream_is_played_at_its_pace() {
        let began = Instant::now();
        let (heard, end) = listen(&mut play("support", true).expect("a connection")).await;
        assert_eq!(end, Some(Ok(())));
        assert_eq!(heard.last().expect("events").as_ref(), b"data: [DONE]\n\n");
        assert!(began.elapsed() > Duration::from_secs(1), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_cut_breaks_the_connection_after_some_bytes() {
        for stream in [true, false] {
            let (heard, end) = listen(&mut play("cut", stream).expect("a connection")).await;
            assert_eq!(end, Some(Err(Fault::Reset)));
            assert!(!heard.is_empty());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_never_ends() {
        for stream in [true, false] {
            let (heard, end) = listen(&mut play("stall", stream).expect("a connection")).await;
            assert_eq!(end, None);
            assert_eq!(heard.is_empty(), !stream);
        }
    }

    #[test]
    fn a_refused_connection_is_a_failure_to_connect() {
        let failure = play("refused", true).err().expect("no connection");
        assert_eq!(failure.fault, Fault::Connect);
    }
}
