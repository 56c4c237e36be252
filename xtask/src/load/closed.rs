//! Closed loop: the next request follows the last answer. Shows what the machine can do, not what a user feels.

use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::ensure;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::response::Decoder;
use crate::chat::{Scenario, Wanted};
use crate::monotonic::{self, MILLISECOND};

pub(super) async fn run(
    target: SocketAddr,
    key: &str,
    connections: u32,
    milliseconds: u64,
) -> anyhow::Result<Value> {
    let request: Rc<[u8]> = Scenario::Unary.request(&target.to_string(), key).into();
    let begun = monotonic::now();
    let end = begun + milliseconds * MILLISECOND;
    let mut loops = JoinSet::new();
    for _ in 0..connections {
        loops.spawn_local(ask_until(target, Rc::clone(&request), end));
    }
    let mut requests = 0;
    while let Some(asked) = loops.join_next().await {
        requests += asked??;
    }
    Ok(json!({ "requests": requests, "nanoseconds": monotonic::now() - begun }))
}

async fn ask_until(target: SocketAddr, request: Rc<[u8]>, end: u64) -> anyhow::Result<u64> {
    let mut stream = TcpStream::connect(target).await?;
    stream.set_nodelay(true)?;
    let wanted = Wanted::new()?;
    let mut decoder = Decoder::default();
    let (mut received, mut body) = (Vec::with_capacity(8192), Vec::with_capacity(2048));
    let mut requests = 0;
    while monotonic::now() < end {
        stream.write_all(&request).await?;
        body.clear();
        loop {
            received.clear();
            ensure!(stream.read_buf(&mut received).await? > 0, "the connection was closed before an answer");
            if decoder.feed(&received, |bytes| body.extend_from_slice(bytes))? {
                break;
            }
        }
        ensure!(wanted.is(&body), "a wrong answer: {}", String::from_utf8_lossy(&body));
        requests += 1;
    }
    Ok(requests)
}
