//! The end of a connection that a client is still writing to, and the one answer the guard's driver writes itself:
//! hyper never saw the request, so it cannot answer it.

use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::violation::Violation;

/// How long the client has to take the answer, and then to close its side.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes read and thrown away while waiting for the client to close. Reading is cheap and bounded by time as well; a
/// client that writes a body over the limit to its end before it looks for an answer shall find the answer.
const LINGER_BYTES: usize = 32 * 1024 * 1024;

/// Writes the refusal to a stream taken back from hyper and closes it, within a few seconds. Failures are the client's:
/// it is gone.
pub(crate) async fn refuse<S>(mut stream: S, violation: Violation, request_id: &str)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let response = refusal_response(violation, request_id);
    if matches!(timeout(PATIENCE, stream.write_all(&response)).await, Ok(Ok(()))) {
        linger(stream).await;
    }
}

/// Closes a stream whose client may still be sending a request that was answered already.
///
/// Closing a socket with unread data resets it, and the reset may overtake the answer (RFC 9112 §9.6). So the
/// write side is closed first and what the client still sends is read and dropped for a moment.
pub(crate) async fn linger<S>(mut stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let _ = timeout(PATIENCE, async {
        if stream.shutdown().await.is_ok() {
            drain(&mut stream).await;
        }
    })
    .await;
}

async fn drain<S: AsyncRead + Unpin>(stream: &mut S) {
    let mut scratch = vec![0; 16 * 1024];
    let mut left = LINGER_BYTES;
    while let Ok(n @ 1..) = stream.read(&mut scratch).await {
        let Some(rest) = left.checked_sub(n) else { return };
        left = rest;
    }
}

/// The refusal as it goes over the wire: the API's error shape, and the connection closed after it.
///
/// `request_id` is one of ours (`req_…`): it goes into JSON and into a header as it is.
pub(crate) fn refusal_response(violation: Violation, request_id: &str) -> Vec<u8> {
    let status = violation.status().unwrap_or(StatusCode::BAD_REQUEST);
    let code = violation.code();
    let reason = violation.reason();
    let body = format!(
        r#"{{"error":{{"message":"{reason}","type":"invalid_request_error","param":null,"code":"{code}","request_id":"{request_id}","hint":null}}}}"#
    );
    // RFC 9110 §15.5.6: a 405 lists what is served instead.
    let allow = match status {
        StatusCode::METHOD_NOT_ALLOWED => "allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n",
        _ => "",
    };
    format!(
        "HTTP/1.1 {} {}\r\n\
         content-type: application/json\r\n\
         content-length: {}\r\n\
         connection: close\r\n\
         cache-control: no-store\r\n\
         x-content-type-options: nosniff\r\n\
         x-request-id: {request_id}\r\n\
         {allow}\r\n\
         {body}",
        status.as_str(),
        status.canonical_reason().unwrap_or_default(),
        body.len(),
    )
    .into_bytes()
}
