//! hyper behind the guard, as a listener runs it.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{self, FuturesUnordered, StreamExt};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::yield_now;

use super::super::refusal::refusal_response;
use super::super::{Guarded, Limits, Violation, refuse};
use super::{accepted, refused};

/// A request that a service has taken whole.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) target: Uri,
    pub(super) body: Vec<u8>,
}

/// Serves one connection as a listener does: hyper first, then the refusal.
pub(super) async fn serve<S, B>(
    stream: S,
    answer: impl AsyncFn(Request<Incoming>) -> Response<B>,
) -> Option<Violation>
where
    S: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = Bytes, Error = Infallible> + 'static,
{
    let (guarded, verdict) = Guarded::new(stream, Limits::default());
    let service = service_fn(|request| {
        let answering = verdict.answering();
        let response = answer(request);
        async { Ok::<_, Infallible>(response.await.map(|body| answering.until_sent(body))) }
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(guarded), service);
    let _ = (&mut connection).await;
    if let Some(violation) = verdict.refusal() {
        refuse(connection.into_parts().io.into_inner().into_inner(), violation, "req_0").await;
    }
    verdict.violation()
}

/// A client and a server on the two ends of an in-process pipe.
pub(super) async fn talk<T, B>(
    client: impl AsyncFnOnce(DuplexStream) -> T,
    answer: impl AsyncFn(Request<Incoming>) -> Response<B>,
) -> (T, Option<Violation>)
where
    B: Body<Data = Bytes, Error = Infallible> + 'static,
{
    let (near, far) = duplex(16 * 1024);
    join_apart(client(near), serve(far, answer)).await
}

/// Runs both to their ends like tasks of their own: the wake-up of one never polls the other, which would hide a
/// timer that was not set.
pub(super) async fn join_apart<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut from_a, mut from_b) = (None, None);
    let a: LocalBoxFuture<'_, ()> = Box::pin(async { from_a = Some(a.await) });
    let b: LocalBoxFuture<'_, ()> = Box::pin(async { from_b = Some(b.await) });
    FuturesUnordered::from_iter([a, b]).collect::<()>().await;
    (from_a.unwrap(), from_b.unwrap())
}

/// Sends the pieces, each a read of its own, and takes the answers until the server closes.
pub(super) async fn send(mut stream: DuplexStream, pieces: &[&[u8]]) -> String {
    for piece in pieces {
        if stream.write_all(piece).await.is_err() {
            break;
        }
        yield_now().await;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Remembers the requests taken whole, and says `ok` to them.
pub(super) async fn echo(request: Request<Incoming>, seen: &RefCell<Vec<Seen>>) -> Response<Full<Bytes>> {
    let method = request.method().to_string();
    let target = request.uri().clone();
    if let Ok(body) = request.into_body().collect().await {
        seen.borrow_mut().push(Seen { method, target, body: body.to_bytes().to_vec() });
    }
    Response::new(Full::from("ok"))
}

/// What the client gets and the service takes of a stream that arrives in the given reads.
pub(super) async fn converse(pieces: &[&[u8]]) -> (String, Vec<Seen>) {
    let seen = RefCell::default();
    let (answer, _) =
        talk(async |stream| send(stream, pieces).await, async |request| echo(request, &seen).await).await;
    (answer, seen.into_inner())
}

fn refusal_of(violation: Violation) -> String {
    String::from_utf8(refusal_response(violation, "req_0")).unwrap()
}

#[tokio::test(start_paused = true)]
async fn well_formed_requests_are_served() {
    for good in accepted::GOOD {
        let single: Vec<&[u8]> = good.as_bytes().chunks(1).collect();
        for pieces in [&[good.as_bytes()][..], &single] {
            let (answer, seen) = converse(pieces).await;
            assert!(answer.contains(" 200 OK\r\n") && answer.ends_with("ok"), "{good:?}: {answer:?}");
            assert_eq!(seen.len(), 1, "{good:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn malformed_requests_get_their_refusal_and_reach_no_service() {
    for (name, bytes, violation) in refused::vectors() {
        let (answer, seen) = converse(&[&bytes]).await;
        assert_eq!(answer, refusal_of(violation), "{name}");
        assert_eq!(seen, [], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn byte_by_byte_the_refusal_comes_last_and_nothing_smuggled_is_served() {
    for (name, bytes, violation) in refused::vectors() {
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        let (answer, seen) = converse(&single).await;
        assert!(answer.ends_with(&refusal_of(violation)), "{name}: {answer}");
        assert!(seen.iter().all(|seen| seen.target != "/smuggled"), "{name}: {seen:?}");
    }
}

#[tokio::test]
async fn over_a_socket_the_client_reads_its_refusal_while_it_still_sends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for (name, mut bytes, violation) in refused::vectors() {
        bytes.resize(bytes.len() + 200_000, b'x');
        let seen = RefCell::default();
        let server = async {
            let (stream, _) = listener.accept().await.unwrap();
            serve(stream, async |request| echo(request, &seen).await).await
        };
        let client = async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            for some in bytes.chunks(8 * 1024) {
                stream.write_all(some).await.unwrap();
                yield_now().await;
            }
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let (verdict, answer) = join_apart(server, client).await;
        assert_eq!(verdict, Some(violation), "{name}");
        assert_eq!(answer, refusal_of(violation), "{name}");
        assert_eq!(seen.into_inner(), [], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_follows_the_answers_before_it() {
    let (answer, seen) = converse(&[
        b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /c HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    ])
    .await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK\r\n").count(), 2);
    assert!(answer.ends_with(&refusal_of(Violation::HostRepeated)), "{answer}");
    assert_eq!(seen.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_malformed_body_gets_the_refusal_and_not_the_services_word() {
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (answer, seen) = converse(&[head, b"3\r\nabc\r\n", b"3;\r\n"]).await;
    assert_eq!(answer, refusal_of(Violation::ChunkExtension));
    assert_eq!(seen, []);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_may_follow_an_interim_answer() {
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n";
    let client = async |mut stream: DuplexStream| {
        stream.write_all(head).await.unwrap();
        let mut interim = [0; 25];
        stream.read_exact(&mut interim).await.unwrap();
        assert_eq!(interim, *b"HTTP/1.1 100 Continue\r\n\r\n");
        send(stream, &[b"x"]).await
    };
    let seen = RefCell::default();
    let (answer, _) = talk(client, async |request| echo(request, &seen).await).await;
    assert_eq!(answer, refusal_of(Violation::ChunkSize));
}

#[tokio::test(start_paused = true)]
async fn nothing_follows_an_answer_that_has_begun() {
    // The answer starts at once and goes on for as long as the request does.
    let begins = async |request: Request<Incoming>| {
        Response::new(StreamBody::new(stream::unfold((true, request.into_body()), async |(first, body)| {
            if first {
                return Some((Ok::<_, Infallible>(Frame::data(Bytes::from("begun"))), (false, body)));
            }
            let _ = body.collect().await;
            None
        })))
    };
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (answer, violation) = talk(async |stream| send(stream, &[head, b"x"]).await, begins).await;
    assert_eq!(violation, Some(Violation::ChunkSize));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("begun"), "{answer}");
    assert!(!answer.contains("error"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn an_answered_request_gets_no_second_answer_for_its_bad_body() {
    let early = async |_: Request<Incoming>| Response::new(Full::<Bytes>::from("early"));
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (answer, _) = talk(async |stream| send(stream, &[head, b"x"]).await, early).await;
    assert!(answer.ends_with("early"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_violation_behind_an_open_request_ends_it_without_a_word() {
    /// Tells that the service's future was given up.
    struct Dropped<'a>(&'a Cell<bool>);
    impl Drop for Dropped<'_> {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let dropped = Cell::new(false);
    let never = async |_: Request<Incoming>| {
        let _dropped = Dropped(&dropped);
        std::future::pending::<Response<Full<Bytes>>>().await
    };
    let pieces: [&[u8]; 2] = [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\r\n"];
    let (answer, violation) = talk(async |stream| send(stream, &pieces).await, never).await;
    assert_eq!(violation, Some(Violation::LeadingEmptyLine));
    assert_eq!(answer, "");
    assert!(dropped.get());
}

#[test]
fn a_refusal_has_the_apis_error_shape() {
    let response = refusal_of(Violation::LengthAndCoding);
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"));
    assert!(head.contains("\r\nconnection: close\r\n"));
    assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())));
    let error = serde_json::json!({"error": {
        "message": "content-length beside transfer-encoding", "type": "invalid_request_error", "param": null,
        "code": "malformed_request", "request_id": "req_0", "hint": null,
    }});
    assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap(), error);
}

#[test]
fn a_refused_method_is_told_what_is_allowed() {
    let response = refusal_of(Violation::MethodRefused);
    assert!(response.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"));
    assert!(response.contains("\r\nallow: GET, "));
}
