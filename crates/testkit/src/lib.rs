//! What the tests of the other crates stand on.
//!
//! - [`upstream`]: a provider that answers by script, down to the byte and the fault.
//! - [`http`]: a client that sends any bytes and keeps what comes back as it came.
//! - [`process`]: the built binary as a child process that can be killed and started again.
//! - [`clock`] and [`ids`]: time and ids that a test decides.
//! - [`openai`]: answers in the shape OpenAI gives them.
//!
//! Nothing here depends on the server, so that a test checks what was promised and not what the server's own
//! types make of it. Whatever a test waits for is a condition, with [`PATIENCE`] as the limit; a kit that
//! cannot go on panics, which fails the test with the reason.

#![expect(clippy::panic, clippy::expect_used, reason = "a kit fails the test it runs in")]

pub mod clock;
pub mod http;
pub mod ids;
mod message;
pub mod openai;
pub mod process;
pub mod upstream;

use std::time::Duration;

pub use message::Head;

/// How long a condition is waited for before the test fails. Generous, because it is only ever spent by a
/// test that fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Awaits `condition` for at most [`PATIENCE`].
///
/// # Panics
/// When the time is over, naming `what`.
pub async fn within_patience<T>(what: &str, condition: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, condition)
        .await
        .unwrap_or_else(|_| panic!("waited {} s in vain for {what}", PATIENCE.as_secs()))
}
