//! A provider that answers by script, on 127.0.0.1 and a port of its own.
//!
//! Each expected call consumes one [`Answer`], in the order they were scripted; what is left over at the end,
//! and every call nobody expected, fails the test. It is written on bare sockets so that a test decides every
//! byte, every pause and the way the connection ends. Every call is kept with its bytes, its arrival and what
//! became of its client, which is how a test shows that an abandoned call was aborted, and how soon.

mod answer;
mod unreachable;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use self::answer::Answer;
use self::answer::Ending;
pub use self::unreachable::{BlackHole, Refusing};
use crate::message::{Framing, Head, Incoming};
use crate::within_patience;

/// Calls that are kept for the test to look at. Later ones are answered and counted only.
const KEPT: usize = 10_000;

/// A running scripted upstream. Dropping it stops it and checks that the script was played.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    _listening: JoinSet<()>,
}

/// One request as it arrived.
#[derive(Debug)]
pub struct Call {
    /// From 0, in order of arrival.
    pub number: usize,
    /// Which connection it came on, from 0.
    pub connection: usize,
    /// When its last byte had been read.
    pub arrived: Instant,
    pub head: Head,
    pub body: Bytes,
    fate: watch::Receiver<Fate>,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Being answered, or stalled on purpose.
    Open,
    /// Answered to the end.
    Answered,
    /// Ended by the fault that was scripted.
    Faulted,
    /// The client closed or reset its connection before the end.
    ClientGone(Instant),
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    calls: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    script: VecDeque<Answer>,
    otherwise: Option<Answer>,
    calls: Vec<Arc<Call>>,
    count: usize,
    connections: usize,
    unexpected: Vec<String>,
}

impl Upstream {
    /// Listens with an empty script.
    ///
    /// # Panics
    /// If no port can be had.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port on 127.0.0.1");
        let address = listener.local_addr().expect("the address of a bound listener");
        let shared = Arc::new(Shared::default());
        let mut listening = JoinSet::new();
        listening.spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, _listening: listening }
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to write as a provider's `base_url`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Scripts the answer to the next call that has none yet.
    pub fn expect(&self, answer: Answer) -> &Self {
        self.shared.state().script.push_back(answer);
        self
    }

    /// Answers every call beyond the script with this, and expects any number of them.
    pub fn otherwise(&self, answer: Answer) -> &Self {
        self.shared.state().otherwise = Some(answer);
        self
    }

    /// Calls so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.state().count
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.state().connections
    }

    /// The calls so far, the first ten thousand of them.
    #[must_use]
    pub fn calls(&self) -> Vec<Arc<Call>> {
        self.shared.state().calls.clone()
    }

    /// The call of that number, from 0, once it has arrived whole.
    ///
    /// # Panics
    /// If it does not come, or is beyond the calls that are kept.
    pub async fn call(&self, number: usize) -> Arc<Call> {
        let mut count = self.shared.calls.subscribe();
        within_patience("a call to the upstream", count.wait_for(|count| *count > number))
            .await
            .expect("the upstream outlives its subscribers");
        self.shared.state().calls.get(number).cloned().expect("a call among those that are kept")
    }

    /// Stops and checks that the script was played, as dropping does.
    ///
    /// # Panics
    /// If an answer was not asked for, or a call not expected.
    pub fn finish(self) {}
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let state = self.shared.state();
        let (left, unexpected, calls) = (state.script.len(), state.unexpected.join(", "), state.count);
        drop(state);
        if std::thread::panicking() {
            return;
        }
        assert!(left == 0, "the upstream had {calls} calls, {left} scripted answers were never asked for");
        assert!(unexpected.is_empty(), "the upstream had calls that were not expected: {unexpected}");
    }
}

impl Call {
    #[must_use]
    pub fn method(&self) -> &str {
        self.head.word(0)
    }

    /// The request target: path and query.
    #[must_use]
    pub fn target(&self) -> &str {
        self.head.word(1)
    }

    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// # Panics
    /// If the body is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    #[must_use]
    pub fn fate(&self) -> Fate {
        *self.fate.borrow()
    }

    /// How the call ends, once it has.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn ended(&self) -> Fate {
        let mut fate = self.fate.clone();
        let ended = within_patience("the end of a call to the upstream", fate.wait_for(|f| *f != Fate::Open));
        *ended.await.expect("the upstream lives until its calls have ended")
    }

    /// When the client went away before the end of its answer. A client that half-closes counts as gone.
    ///
    /// # Panics
    /// If the call ends in another way, or does not end.
    pub async fn client_gone(&self) -> Instant {
        match self.ended().await {
            Fate::ClientGone(at) => at,
            fate => panic!("the client of call {} did not go away: {fate:?}", self.number),
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let connection = shared.connected();
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    // A client that breaks off a request is no call; what it breaks later is in the call's fate.
                    let _ = serve(stream, connection, &shared).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(mut stream: TcpStream, connection: usize, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut incoming = Incoming::default();
    while let Some(head) = incoming.head(&mut stream).await? {
        if head.header("expect").is_some() {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        incoming.framing = head.framing(Framing::Done);
        let body = incoming.body(&mut stream).await?;
        let (fate, fate_seen) = watch::channel(Fate::Open);
        let answer = shared.arrived(connection, head, body, fate_seen);

        let (mut reader, mut writer) = stream.split();
        let ending = tokio::select! {
            biased;
            played = answer.play(&mut writer) => played.ok(),
            () = incoming.gone(&mut reader) => None,
        };
        fate.send_replace(match ending {
            Some(Ending::Whole) => Fate::Answered,
            Some(Ending::Close | Ending::Reset) => Fate::Faulted,
            None => Fate::ClientGone(Instant::now()),
        });
        match ending {
            Some(Ending::Whole) => {}
            Some(Ending::Close) => return stream.shutdown().await,
            Some(Ending::Reset) => return stream.set_zero_linger(),
            None => return Ok(()),
        }
    }
    Ok(())
}

impl Shared {
    fn connected(&self) -> usize {
        let mut state = self.state();
        state.connections += 1;
        state.connections - 1
    }

    fn arrived(&self, connection: usize, head: Head, body: Bytes, fate: watch::Receiver<Fate>) -> Answer {
        let mut state = self.state();
        let answer = state.script.pop_front().or_else(|| state.otherwise.clone()).unwrap_or_else(|| {
            state.unexpected.push(head.first_line().to_owned());
            Answer::status(500).body("the scripted upstream did not expect this call")
        });
        let number = state.count;
        state.count += 1;
        if state.calls.len() < KEPT {
            let arrived = Instant::now();
            state.calls.push(Arc::new(Call { number, connection, arrived, head, body, fate }));
        }
        drop(state);
        self.calls.send_replace(number + 1);
        answer
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
