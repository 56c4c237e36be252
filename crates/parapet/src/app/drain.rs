//! The way down, in three steps: not ready, no new connections, no more waiting.
//!
//! SIGTERM makes `/ready` say 503 at once; after `server.shutdown.accept_for` the listeners close and idle
//! connections end; after `server.shutdown.drain` what is still streaming gets a typed error and is cut. A second
//! SIGTERM shortens the rest to five seconds (FAILOVER.md, Drain).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

#[derive(Clone, Default)]
pub(crate) struct Drain {
    unready: CancellationToken,
    closing: CancellationToken,
    cut: CancellationToken,
    /// What `cut` says, to be read for every chunk of every stream: the token takes a lock.
    is_cut: Arc<AtomicBool>,
    done: CancellationToken,
    public: TaskTracker,
}

impl Drain {
    /// Step one: still serving, no longer ready.
    pub(crate) fn begin(&self) {
        self.unready.cancel();
    }

    /// Step two: no new connections, no further requests on old ones.
    pub(crate) fn close(&self) {
        self.unready.cancel();
        self.closing.cancel();
    }

    /// Step three: what still runs is told and cut.
    pub(crate) fn cut(&self) {
        self.close();
        self.is_cut.store(true, Ordering::Release);
        self.cut.cancel();
    }

    /// The public side is quiet: background tasks and the other listeners end too.
    pub(crate) fn finish(&self) {
        self.cut();
        self.done.cancel();
    }

    pub(crate) fn is_ready(&self) -> bool {
        !self.unready.is_cancelled()
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Acquire)
    }

    pub(crate) async fn closing(&self) {
        self.closing.cancelled().await;
    }

    pub(crate) async fn cutting(&self) {
        self.cut.cancelled().await;
    }

    /// Held by every public connection.
    pub(crate) fn public_connection(&self) -> TaskTrackerToken {
        self.public.token()
    }

    /// Waits until the last public connection has ended.
    pub(crate) async fn public_connections_ended(&self) {
        self.public.close();
        self.public.wait().await;
    }

    pub(crate) async fn done(&self) {
        self.done.cancelled().await;
    }
}
