//! Streams side by side at the provider's pace: every chunk is checked, and timed from the moment it was sent.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, ensure};
use memchr::memmem;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::response::Decoder;
use crate::chat::{self, Scenario};
use crate::monotonic;

/// What was seen, in nanoseconds.
#[derive(Default)]
struct Seen {
    requests: u64,
    /// From the provider's write of a chunk to our reading it.
    transits: Vec<u64>,
    /// From our request to the first chunk.
    first: Vec<u64>,
    /// Between one chunk and the next of the same stream.
    gaps: Vec<u64>,
}

pub(super) async fn run(
    target: SocketAddr,
    key: &str,
    streams: u64,
    times: u32,
    chunks: u32,
    every: u64,
) -> anyhow::Result<Value> {
    let request: Rc<[u8]> = Scenario::Stream { chunks, every }.request(&target.to_string(), key).into();
    let mut running = JoinSet::new();
    for stream in 0..streams {
        // Streams that began together would send their chunks in bursts.
        let stagger = Duration::from_micros(stream * every * 1000 / streams);
        let request = Rc::clone(&request);
        running.spawn_local(async move {
            sleep(stagger).await;
            listen(target, &request, times, chunks).await
        });
    }
    let mut all = Seen::default();
    while let Some(seen) = running.join_next().await {
        let seen = seen??;
        all.requests += seen.requests;
        all.transits.extend(seen.transits);
        all.first.extend(seen.first);
        all.gaps.extend(seen.gaps);
    }
    Ok(json!({
        "requests": all.requests, "chunks": all.transits.len(),
        "transits": all.transits, "first": all.first, "gaps": all.gaps,
    }))
}

async fn listen(target: SocketAddr, request: &[u8], times: u32, chunks: u32) -> anyhow::Result<Seen> {
    let mut stream = TcpStream::connect(target).await?;
    stream.set_nodelay(true)?;
    let mut seen = Seen::default();
    let mut decoder = Decoder::default();
    let mut received = Vec::with_capacity(8192);
    for _ in 0..times {
        let asked = monotonic::now();
        stream.write_all(request).await?;
        let mut events = Events { asked, ..Events::default() };
        loop {
            received.clear();
            ensure!(stream.read_buf(&mut received).await? > 0, "the connection was closed before the end");
            let whole = decoder.feed(&received, |bytes| events.pending.extend_from_slice(bytes))?;
            events.read(&mut seen)?;
            if whole {
                break;
            }
        }
        ensure!(events.next == chunks, "a stream had {} chunks of {chunks}", events.next);
        ensure!(events.done && events.pending.is_empty(), "a stream did not end with [DONE]");
        seen.requests += 1;
    }
    Ok(seen)
}

/// The events of one stream, as far as they have come.
#[derive(Default)]
struct Events {
    asked: u64,
    pending: Vec<u8>,
    next: u32,
    last: Option<u64>,
    done: bool,
}

impl Events {
    fn read(&mut self, seen: &mut Seen) -> anyhow::Result<()> {
        let now = monotonic::now();
        let mut begin = 0;
        while let Some(length) = memmem::find(self.pending.get(begin..).unwrap_or_default(), b"\n\n") {
            let event = self.pending.get(begin..begin + length).context("an event lies within its bytes")?;
            begin += length + 2;
            ensure!(!self.done, "there are events after [DONE]");
            self.done = event == chat::DONE;
            if let Some((number, sent)) = chat::read_chunk(event)? {
                ensure!(number == self.next, "chunk {number} came where {} was due", self.next);
                self.next += 1;
                seen.transits.push(now.saturating_sub(sent));
                match self.last.replace(now) {
                    Some(last) => seen.gaps.push(now - last),
                    None => seen.first.push(now - self.asked),
                }
            }
        }
        self.pending.drain(..begin);
        Ok(())
    }
}
