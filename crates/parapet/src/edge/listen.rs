//! Listeners and their connections.
//!
//! Each connection is one task: the strict guard on the socket, hyper's HTTP/1 on top, and the drain beside it.
//! Public connections are bounded; the operations listeners have a bound of their own, so that a full public side
//! never hides the health of the process.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::Outcome;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::routes::Listener;
use super::serve::serve;
use super::strict::{self, Guarded, Limits, Violation};
use crate::app::App;
use crate::refusal::{Kind, Refusal};
use crate::telemetry::metrics::Counted;
use crate::telemetry::record::Record;
use crate::telemetry::trace::Trace;

/// What hyper may buffer of one connection's input: the guard's largest head fits twice.
const READ_BUFFER: usize = 64 * 1024;

/// What is open beside clients and the connections to their providers: listeners, the store, operations connections.
const OTHER_DESCRIPTORS: usize = 64;

/// What the kernel may hold of answers to one client. Linux doubles it for its own bookkeeping.
const SEND_BUFFER: usize = 64 * 1024;

/// How long a client has to take the error of a reply that the drain cut.
const TO_BE_TOLD: Duration = Duration::from_secs(1);

/// Binds an address, with an error that names the fix.
pub(crate) fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let open = || -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(4096)?;
        TcpListener::from_std(socket.into())
    };
    open().map_err(|error| {
        let help = match error.kind() {
            io::ErrorKind::AddrInUse => "another process listens there: end it, or choose another port",
            io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege: choose another port",
            io::ErrorKind::AddrNotAvailable => "this machine has no such address: choose another one",
            _ => "choose another address",
        };
        anyhow::anyhow!(
            "cannot listen on {address}: {error}\n  = help: {help} with `--set {key}=ADDRESS:PORT`"
        )
    })
}

/// How many public connections may be open: what the config says, else half of the file limit less [`OTHER_DESCRIPTORS`],
/// so that every client's provider, the store and whoever asks for the health always find a descriptor.
pub(crate) fn room(configured: Option<u32>) -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let open_files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft =
        open_files.and_then(|rest| rest.split_whitespace().next()?.parse::<usize>().ok()).unwrap_or(1024);
    let half = (soft.saturating_sub(OTHER_DESCRIPTORS) / 2).clamp(16, Semaphore::MAX_PERMITS);
    configured.map_or(half, |configured| (configured as usize).min(half))
}

/// Accepts until the drain closes the listener.
pub(crate) async fn accept(app: Arc<App>, listener: TcpListener, kind: Listener, room: Arc<Semaphore>) {
    loop {
        // Taken before a connection is, so that a drain never overlooks one.
        let public = (kind == Listener::Public).then(|| app.drain.public_connection());
        let accepted = tokio::select! {
            biased;
            () = closing(&app, kind) => return,
            accepted = async {
                let place = Arc::clone(&room).acquire_owned().await;
                (listener.accept().await, place)
            } => accepted,
        };
        match accepted {
            (Ok((stream, peer)), Ok(place)) => {
                let connection = connection(Arc::clone(&app), stream, peer, kind);
                app.tasks.spawn("connection", async move {
                    connection.await;
                    drop((place, public));
                });
            }
            (Ok(_), Err(_)) => return,
            (Err(error), _) => pause_after(&error).await,
        }
    }
}

/// Health and metrics answer until the public side is quiet.
async fn closing(app: &App, kind: Listener) {
    match kind {
        Listener::Public => app.drain.closing().await,
        Listener::Metrics | Listener::Admin => app.drain.done().await,
    }
}

/// Out of file descriptors, accepting again at once would only spin; other errors concern one peer.
async fn pause_after(error: &io::Error) {
    if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        tracing::warn!(%error, "accept failed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn connection(app: Arc<App>, stream: TcpStream, peer: SocketAddr, listener: Listener) {
    // Without it, small writes wait for the peer's delayed ACK: 40 ms steps.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    // The kernel would take megabytes from a provider for a client that does not read: back-pressure begins here.
    if socket2::SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER).is_err() {
        return;
    }
    let _open = Counted::on(&app.metrics.active_connections);
    let (guarded, verdict) = Guarded::new(stream, Limits::default());
    let service = {
        let (app, verdict) = (Arc::clone(&app), verdict.clone());
        service_fn(move |request| {
            let answering = verdict.answering();
            let answer = serve(Arc::clone(&app), listener, peer, request);
            // On the heap, so that the connection can be moved and an idle one stays small.
            Box::pin(async move { answer.await.map(|answer| answer.map(|body| answering.until_sent(body))) })
        })
    };
    // The guard times heads, bodies and idling; hyper's own timer would end idle connections after a head's time.
    let mut served = http1::Builder::new()
        .header_read_timeout(None)
        .max_buf_size(READ_BUFFER)
        .serve_connection(TokioIo::new(guarded), service);
    let mut stage = Stage::Open;
    loop {
        tokio::select! {
            biased;
            _ = &mut served => break,
            () = closing(&app, listener), if stage == Stage::Open => {
                verdict.leave();
                std::pin::Pin::new(&mut served).graceful_shutdown();
                stage = Stage::Closing;
            }
            // Wakes the request being answered, which sees that it is cut.
            () = app.drain.cutting(), if stage == Stage::Closing => stage = Stage::Cut,
            // A client that does not read cannot be told. Dropping its reply settles it, while there is a store.
            () = tokio::time::sleep(TO_BE_TOLD), if stage == Stage::Cut => return,
        }
    }
    let guarded = served.into_parts().io.into_inner();
    let unread = guarded.is_in_body();
    // The guard has kept hyper from closing a stream on which a refusal is due.
    match verdict.refusal() {
        Some(violation) => refuse_malformed(&app, guarded.into_inner(), violation).await,
        // The request was refused before its body was read.
        None if unread => strict::linger(guarded.into_inner()).await,
        None => {}
    }
}

/// How far the drain has come for a connection.
#[derive(PartialEq, Eq)]
enum Stage {
    Open,
    Closing,
    Cut,
}

/// A request that hyper never saw is told like any other.
async fn refuse_malformed(app: &Arc<App>, stream: TcpStream, violation: Violation) {
    let id = app.ids.request();
    let record = Record::begin(app, id, None, Trace::from_header(None, id.uuid()), "other", "malformed");
    let refusal = Refusal::new(Kind::InvalidRequest, violation.code(), violation.reason());
    record.refused(&refusal.because(violation.reason()));
    record.tell(violation.status().unwrap_or_default().as_u16(), Outcome::ClientError);
    strict::refuse(stream, violation, &id.to_string()).await;
}
