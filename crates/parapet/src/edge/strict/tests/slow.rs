//! Slow clients, in simulated time.

use std::cell::RefCell;
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, sleep};

use super::super::Violation;
use super::served::{echo, join_apart, send, serve, talk};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// What the client got from a service that says `ok`, why the connection ended and after how many seconds.
async fn ok(client: impl AsyncFnOnce(DuplexStream) -> String) -> (String, Option<Violation>, u64) {
    let start = Instant::now();
    let seen = RefCell::default();
    let (answer, violation) = talk(client, async |request| echo(request, &seen).await).await;
    (answer, violation, start.elapsed().as_secs())
}

/// Sends `piece` every `pause` until the server is gone, and returns what it said.
async fn drip(mut stream: DuplexStream, first: &[u8], piece: &[u8], pause: Duration) -> String {
    stream.write_all(first).await.unwrap();
    let mut answer = String::new();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let dripping = async {
        while writer.write_all(piece).await.is_ok() {
            sleep(pause).await;
        }
    };
    tokio::select! {
        () = dripping => {}
        result = reader.read_to_string(&mut answer) => drop(result.unwrap()),
    }
    answer
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_nothing_is_closed_without_a_word() {
    let end = ok(async |stream| send(stream, &[]).await).await;
    assert_eq!(end, (String::new(), Some(Violation::IdleTimeout), 10));
}

#[tokio::test(start_paused = true)]
async fn the_first_head_has_ten_seconds_from_the_accept() {
    let (answer, violation, after) = ok(async |stream| {
        sleep(seconds(8)).await;
        send(stream, &[b"GET / HTTP/1.1\r\n"]).await
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert_eq!((violation, after), (Some(Violation::HeadTimeout), 10));
}

#[tokio::test(start_paused = true)]
async fn dripping_does_not_extend_the_time_for_a_head() {
    let (answer, violation, after) =
        ok(async |stream| drip(stream, b"GET / HTTP/1.1\r\nX: ", b"x", seconds(1)).await).await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert_eq!((violation, after), (Some(Violation::HeadTimeout), 10));
}

#[tokio::test(start_paused = true)]
async fn a_further_head_has_ten_seconds_from_its_first_byte() {
    let (answer, violation, after) = ok(async |mut stream| {
        stream.write_all(GET).await.unwrap();
        sleep(seconds(20)).await;
        send(stream, &[b"G"]).await
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(answer.contains("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert_eq!((violation, after), (Some(Violation::HeadTimeout), 30));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_without_a_word_75_seconds_after_its_last_answer() {
    let (answer, violation, after) = ok(async |mut stream| {
        for _ in 0..3 {
            stream.write_all(GET).await.unwrap();
            sleep(seconds(60)).await;
        }
        send(stream, &[GET]).await
    })
    .await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 4);
    assert_eq!((violation, after), (Some(Violation::IdleTimeout), 3 * 60 + 75));
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_waited_for_and_the_idle_time_starts_after_it() {
    let start = Instant::now();
    let slow = async |_: Request<Incoming>| {
        sleep(seconds(300)).await;
        Response::new(Full::<Bytes>::from("ok"))
    };
    let (answer, violation) = talk(async |stream| send(stream, &[GET]).await, slow).await;
    assert!(answer.ends_with("ok"));
    assert_eq!((violation, start.elapsed().as_secs()), (Some(Violation::IdleTimeout), 375));
}

#[tokio::test(start_paused = true)]
async fn the_pauses_of_a_stream_are_no_idle_time() {
    let start = Instant::now();
    let streamed = async |_: Request<Incoming>| {
        Response::new(StreamBody::new(Box::pin(stream::unfold(3, async |left| {
            sleep(seconds(100)).await;
            let frame = Ok::<_, Infallible>(Frame::data(Bytes::from("ok")));
            (left > 0).then_some((frame, left - 1))
        }))))
    };
    let (answer, violation) = talk(async |stream| send(stream, &[GET]).await, streamed).await;
    assert_eq!(answer.matches("ok").count(), 3);
    assert_eq!((violation, start.elapsed().as_secs()), (Some(Violation::IdleTimeout), 475));
}

#[tokio::test(start_paused = true)]
async fn a_request_sent_ahead_is_not_timed_while_an_answer_is_open() {
    let slow = async |_: Request<Incoming>| {
        sleep(seconds(100)).await;
        Response::new(Full::<Bytes>::from("ok"))
    };
    let client = async |mut stream: DuplexStream| {
        stream.write_all(GET).await.unwrap();
        stream.write_all(&GET[..5]).await.unwrap();
        sleep(seconds(105)).await;
        send(stream, &[&GET[5..]]).await
    };
    let (answer, violation) = talk(client, slow).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK\r\n").count(), 2, "{answer}");
    assert_eq!(violation, Some(Violation::IdleTimeout));
}

#[tokio::test(start_paused = true)]
async fn a_silent_body_is_cut_after_ten_seconds() {
    let (answer, violation, after) = ok(async |stream| send(stream, &[POST]).await).await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert_eq!((violation, after), (Some(Violation::BodyTimeout), 10));
}

#[tokio::test(start_paused = true)]
async fn a_body_slower_than_its_rate_is_cut() {
    let piece = [b'x'; 512];
    let (answer, violation, after) = ok(async |stream| drip(stream, POST, &piece, seconds(1)).await).await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert_eq!(violation, Some(Violation::BodyTimeout));
    assert!((19..=21).contains(&after), "{after}");
}

#[tokio::test(start_paused = true)]
async fn a_body_at_its_rate_may_take_its_time() {
    let piece = [b'x'; 10_000];
    let (answer, _, after) = ok(async |mut stream| {
        stream.write_all(POST).await.unwrap();
        for _ in 0..99 {
            stream.write_all(&piece).await.unwrap();
            sleep(seconds(9)).await;
        }
        send(stream, &[&piece]).await
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(after, 99 * 9 + 75);
}

#[tokio::test(start_paused = true)]
async fn a_fast_body_buys_thirty_seconds_of_silence_and_no_more() {
    let most = vec![b'x'; 999_999];
    let (answer, violation, after) = ok(async |stream| send(stream, &[POST, &most]).await).await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert_eq!((violation, after), (Some(Violation::BodyTimeout), 30));
}

#[tokio::test(start_paused = true)]
async fn a_body_is_not_timed_while_nobody_reads_it() {
    let late = async |request: Request<Incoming>| {
        sleep(seconds(100)).await;
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Response::new(Full::<Bytes>::from(format!("{} bytes", body.len())))
    };
    let body = vec![b'x'; 1_000_000];
    let (answer, _) = talk(async |stream| send(stream, &[POST, &body]).await, late).await;
    assert!(answer.ends_with("1000000 bytes"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_no_answer_is_given_up_after_thirty_seconds() {
    let start = Instant::now();
    let large = async |_: Request<Incoming>| Response::new(Full::<Bytes>::from(vec![b'x'; 1_000_000]));
    let client = async |mut stream: DuplexStream| {
        stream.write_all(GET).await.unwrap();
        sleep(seconds(60)).await;
    };
    let (near, far) = tokio::io::duplex(1024);
    let server = async {
        let violation = serve(far, large).await;
        (violation, start.elapsed().as_secs())
    };
    let ((), end) = join_apart(client(near), server).await;
    assert_eq!(end, (Some(Violation::WriteStall), 30));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_its_answer_slowly_gets_it_all() {
    let large = async |_: Request<Incoming>| Response::new(Full::<Bytes>::from(vec![b'x'; 100_000]));
    let client = async |mut stream: DuplexStream| {
        stream.write_all(GET).await.unwrap();
        let mut taken = 0;
        let mut scratch = [0; 1000];
        while let Ok(n @ 1..) = stream.read(&mut scratch).await {
            taken += n;
            sleep(seconds(1)).await;
        }
        taken
    };
    let (taken, _) = talk(client, large).await;
    assert!(taken > 100_000);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_a_few_bytes_now_and_then_is_given_up_too() {
    let start = Instant::now();
    let large = async |_: Request<Incoming>| Response::new(Full::<Bytes>::from(vec![b'x'; 1_000_000]));
    let client = async |mut stream: DuplexStream| {
        stream.write_all(GET).await.unwrap();
        let mut scratch = [0; 100];
        while let Ok(1..) = stream.read(&mut scratch).await {
            sleep(seconds(9)).await;
        }
    };
    let (near, far) = tokio::io::duplex(1024);
    let server = async {
        let violation = serve(far, large).await;
        (violation, start.elapsed().as_secs())
    };
    let ((), end) = join_apart(client(near), server).await;
    assert_eq!(end, (Some(Violation::WriteStall), 30));
}

#[tokio::test(start_paused = true)]
async fn the_last_answer_of_a_connection_reaches_a_slow_client_whole() {
    let large = async |_: Request<Incoming>| Response::new(Full::<Bytes>::from(vec![b'x'; 100_000]));
    let client = async |mut stream: DuplexStream| {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        sleep(seconds(20)).await;
        send(stream, &[]).await.len()
    };
    let (taken, violation) = talk(client, large).await;
    assert!(taken > 100_000, "{taken}");
    assert_eq!(violation, None);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_half_open_connections_are_closed_in_time() {
    let opened: [&[u8]; 4] = [b"", b"G", b"GET / HTTP/1.1\r\nHost: a\r\n", POST];
    let ends =
        join_all((0..1000).map(|i| ok(async move |stream| send(stream, &[opened[i % 4]]).await))).await;
    for (answer, violation, after) in ends {
        assert!(violation.is_some());
        assert_eq!(after, 10, "{answer}");
    }
}
