//! Streams that stay open after their first chunk, to see what an open stream costs in memory.

use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::ensure;
use memchr::memmem;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, stdin};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::response::Decoder;
use crate::chat::{self, Scenario};

/// Streams that are opened side by side: fewer than any accept queue holds.
const AT_ONCE: usize = 50;

/// Reads how many streams are wanted in all from each line of standard input, says when they are open, and
/// closes them at the end of the input.
pub(super) async fn run(target: SocketAddr, key: &str) -> anyhow::Result<()> {
    let request: Rc<[u8]> = Scenario::Hold.request(&target.to_string(), key).into();
    let mut held = Vec::new();
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let wanted: usize = line.trim().parse()?;
        while held.len() < wanted {
            let mut opening = JoinSet::new();
            for _ in 0..AT_ONCE.min(wanted - held.len()) {
                opening.spawn_local(open(target, Rc::clone(&request)));
            }
            while let Some(stream) = opening.join_next().await {
                held.push(stream??);
            }
        }
        super::say(&json!({ "open": held.len() }))?;
    }
    Ok(())
}

async fn open(target: SocketAddr, request: Rc<[u8]>) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(target).await?;
    stream.set_nodelay(true)?;
    stream.write_all(&request).await?;
    let mut decoder = Decoder::default();
    let (mut received, mut body) = (Vec::with_capacity(2048), Vec::new());
    while memmem::find(&body, b"\n\n").is_none() {
        received.clear();
        ensure!(stream.read_buf(&mut received).await? > 0, "a stream was closed before its first chunk");
        let whole = decoder.feed(&received, |bytes| body.extend_from_slice(bytes))?;
        ensure!(!whole, "a stream that was to stay open has ended");
    }
    ensure!(
        chat::read_chunk(&body)?.is_some_and(|(number, _)| number == 0),
        "a stream began with another chunk"
    );
    Ok(stream)
}
