//! Open loop: requests arrive at a constant rate, whatever becomes of those before them.
//!
//! Latency is counted from the moment a request was due. A slow answer therefore delays no other without that
//! delay being counted, which a closed loop forgets ("coordinated omission", Gil Tene). Arrivals go round a set
//! of threads with a blocking connection each, because a thread that spins to its moment starts within a few
//! microseconds of it; an event loop's timer has a millisecond of play, more than what is measured.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{anyhow, ensure};
use serde_json::{Value, json};

use super::response::Decoder;
use crate::chat::{Scenario, Wanted};
use crate::monotonic::{self, MILLISECOND, SECOND};

/// Connections the arrivals go round. At 200 a second, each has 80 ms before it is due again.
const CONNECTIONS: u64 = 16;

/// How long before its moment a thread stops sleeping and spins; sleeping is late by about 0.1 ms.
const SPIN: u64 = MILLISECOND / 5;

pub(super) fn run(target: SocketAddr, key: &str, rate: u64, milliseconds: u64) -> anyhow::Result<Value> {
    let request = Scenario::Unary.request(&target.to_string(), key);
    let arrivals = rate * milliseconds / 1000;
    let begin = monotonic::now() + 50 * MILLISECOND;
    let due = |arrival: u64| begin + arrival * SECOND / rate;
    let latencies = thread::scope(|scope| {
        let workers: Vec<_> = (0..CONNECTIONS)
            .map(|first| {
                let mine = (first..arrivals).step_by(usize::try_from(CONNECTIONS).unwrap_or(1));
                let request = &request;
                scope.spawn(move || ask_when_due(target, request, mine.map(due)))
            })
            .collect();
        let mut latencies = Vec::new();
        for worker in workers {
            latencies.extend(worker.join().map_err(|_| anyhow!("a load thread panicked"))??);
        }
        anyhow::Ok(latencies)
    })?;
    Ok(json!({ "requests": latencies.len(), "latencies": latencies }))
}

fn ask_when_due(
    target: SocketAddr,
    request: &[u8],
    due: impl Iterator<Item = u64>,
) -> anyhow::Result<Vec<u64>> {
    let mut stream = TcpStream::connect(target)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let wanted = Wanted::new()?;
    let mut decoder = Decoder::default();
    let (mut received, mut body) = ([0; 8192], Vec::with_capacity(2048));
    let mut latencies = Vec::new();
    for due in due {
        wait_until(due);
        stream.write_all(request)?;
        body.clear();
        loop {
            let read = stream.read(&mut received)?;
            ensure!(read > 0, "the connection was closed before an answer");
            let bytes = received.get(..read).unwrap_or_default();
            if decoder.feed(bytes, |bytes| body.extend_from_slice(bytes))? {
                break;
            }
        }
        latencies.push(monotonic::now() - due);
        ensure!(wanted.is(&body), "a wrong answer: {}", String::from_utf8_lossy(&body));
    }
    Ok(latencies)
}

fn wait_until(due: u64) {
    let ahead = due.saturating_sub(monotonic::now());
    thread::sleep(Duration::from_nanos(ahead.saturating_sub(SPIN)));
    while monotonic::now() < due {
        std::hint::spin_loop();
    }
}
