//! The body of an answer: bytes that are there already, or a reply that is still being written.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::reply::Reply;

pub(crate) enum Body {
    Whole(Bytes),
    Stream(Pin<Box<Reply>>),
}

/// The reply was cut: the connection is closed without a final chunk, so that no client takes it for complete.
#[derive(Debug, thiserror::Error)]
#[error("the reply was cut")]
pub(crate) struct Cut;

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(bytes)
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            // A defect in one reply breaks off that reply. The panic hook has written where it was.
            Self::Stream(reply) => match catch_unwind(AssertUnwindSafe(|| reply.as_mut().poll_bytes(cx))) {
                Ok(next) => next.map(|next| next.map(|bytes| bytes.map(Frame::data))),
                Err(_) => Poll::Ready(Some(Err(Cut))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}
