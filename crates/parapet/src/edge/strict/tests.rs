//! The guard alone, then with hyper behind it.

mod accepted;
mod order;
mod reference;
mod refused;
mod served;
mod slow;

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use super::scan::Scanner;
use super::{Guarded, Limits, Verdict, Violation};

/// The verdict on a stream cut at the given places.
fn scan_pieces(pieces: &[&[u8]]) -> Result<u64, Violation> {
    let mut scanner = Scanner::default();
    for piece in pieces {
        scanner.scan(piece)?;
    }
    Ok(scanner.heads())
}

/// What comes through the guard of a stream that arrives in the given reads.
async fn read_pieces(pieces: &[&[u8]]) -> (Vec<u8>, Verdict) {
    let (mut guarded, verdict) = Guarded::new(Pieces(pieces.to_vec()), Limits::default());
    let mut passed = Vec::with_capacity(64 * 1024);
    guarded.read_to_end(&mut passed).await.unwrap();
    (passed, verdict)
}

/// A stream that yields one piece per read, then ends.
struct Pieces<'a>(Vec<&'a [u8]>);

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        while self.0.first().is_some_and(|piece| piece.is_empty()) {
            self.0.remove(0);
        }
        if let Some(piece) = self.0.first_mut() {
            let (now, later) = piece.split_at(piece.len().min(buf.remaining()));
            buf.put_slice(now);
            *piece = later;
        }
        Poll::Ready(Ok(()))
    }
}
