//! The benchmark's provider: as little work per answer as a socket allows, so that it is not what is measured.
//!
//! HTTP/1.1 with keep-alive and bodies of known length; anything else is answered with 400, which fails the
//! run. Each chunk is one write.

use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

use memchr::memmem;
use rustix::process::{Signal, set_parent_process_death_signal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::chat::{self, Scenario};
use crate::monotonic;

/// Listens on a free port of 127.0.0.1, writes it as a line to standard output, and serves until killed.
pub(crate) fn run() -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        writeln!(io::stdout(), "{}", listener.local_addr()?)?;
        let answers = Rc::new(Answers::new());
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let (stream, _) = accepted?;
                    let answers = Rc::clone(&answers);
                    // A connection that breaks is the client's to notice.
                    connections.spawn_local(async move { serve(stream, &answers).await.ok() });
                }
                Some(_) = connections.join_next() => {}
            }
        }
    })
}

/// What is said in both dialects, the same every time.
struct Answers {
    chat: Words,
    messages: Words,
}

/// The answers of one dialect.
struct Words {
    unary: Vec<u8>,
    /// The head of a stream, and what comes before its first chunk.
    first: Vec<u8>,
    chunk: fn(u32, u64) -> String,
    last: Vec<u8>,
    last_with_usage: Vec<u8>,
}

const STREAM_HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n";
const REFUSAL: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

impl Answers {
    fn new() -> Self {
        let end = String::from_utf8_lossy(chat::DONE);
        let usage = chat::USAGE;
        let chat = Words::new(
            &chat::answer(),
            "",
            chat::chunk,
            [&format!("{}{end}\n\n", chat::FINISH), &format!("{}{usage}{end}\n\n", chat::FINISH)],
        );
        let messages = Words::new(
            &chat::anthropic::answer(),
            chat::anthropic::START,
            chat::anthropic::chunk,
            [chat::anthropic::FINISH; 2],
        );
        Self { chat, messages }
    }
}

impl Words {
    /// `last` without and with usage.
    fn new(body: &str, first: &str, chunk: fn(u32, u64) -> String, last: [&str; 2]) -> Self {
        let [last, last_with_usage] = last.map(|last| {
            let mut last = in_chunk(last);
            last.extend_from_slice(b"0\r\n\r\n");
            last
        });
        let mut head = STREAM_HEAD.to_vec();
        if !first.is_empty() {
            head.extend_from_slice(&in_chunk(first));
        }
        let length = body.len();
        let unary = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        Self { unary: unary.into_bytes(), first: head, chunk, last, last_with_usage }
    }
}

async fn serve(mut stream: TcpStream, answers: &Answers) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut received = Vec::with_capacity(4096);
    loop {
        let Some((in_messages, body)) = request(&mut stream, &mut received).await? else { return Ok(()) };
        let answers = if in_messages { &answers.messages } else { &answers.chat };
        match Scenario::asked(&body) {
            Some(Scenario::Unary) => stream.write_all(&answers.unary).await?,
            Some(Scenario::Stream { chunks, every }) => {
                let usage = memmem::find(&body, b"\"include_usage\":true").is_some();
                let last = if usage { &answers.last_with_usage } else { &answers.last };
                play(&mut stream, answers, chunks, every).await?;
                stream.write_all(last).await?;
            }
            Some(Scenario::Hold) => {
                stream.write_all(&answers.first).await?;
                stream.write_all(&in_chunk(&(answers.chunk)(0, monotonic::now()))).await?;
                stream.read_buf(&mut received).await?;
                return Ok(());
            }
            None => {
                stream.write_all(REFUSAL).await?;
                return stream.shutdown().await;
            }
        }
    }
}

/// Reads a request and returns whether it is in the messages dialect, and its body; `None` when the client has closed.
async fn request(stream: &mut TcpStream, received: &mut Vec<u8>) -> io::Result<Option<(bool, Vec<u8>)>> {
    loop {
        if let Some(head) = memmem::find(received, b"\r\n\r\n").map(|at| at + 4) {
            let whole = head + content_length(received.get(..head).unwrap_or_default());
            if received.len() >= whole {
                let rest = received.split_off(whole);
                let request = std::mem::replace(received, rest);
                let in_messages = request.starts_with(b"POST /v1/messages ");
                return Ok(Some((in_messages, request.get(head..).unwrap_or_default().to_vec())));
            }
        }
        if stream.read_buf(received).await? == 0 {
            return Ok(None);
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    let named = |line: &[u8]| {
        let (name, value) = line.split_at_checked(15)?;
        let value = std::str::from_utf8(value).ok()?.trim().parse().ok()?;
        name.eq_ignore_ascii_case(b"content-length:").then_some(value)
    };
    head.split(|b| *b == b'\n').find_map(named).unwrap_or(0)
}

async fn play(stream: &mut TcpStream, answers: &Words, chunks: u32, every: u64) -> io::Result<()> {
    stream.write_all(&answers.first).await?;
    let every = Duration::from_millis(every.max(1));
    let mut ticks = interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0..chunks {
        if number > 0 {
            ticks.tick().await;
        }
        stream.write_all(&in_chunk(&(answers.chunk)(number, monotonic::now()))).await?;
    }
    Ok(())
}

fn in_chunk(data: &str) -> Vec<u8> {
    format!("{:x}\r\n{data}\r\n", data.len()).into_bytes()
}
