//! A refusal never overtakes or follows up an answer: the guard driven by hand, as hyper drives it.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::super::{Guarded, Limits, Verdict, Violation};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A connection whose next read is `first`.
async fn connection(first: &[u8]) -> (DuplexStream, Guarded<DuplexStream>, Verdict) {
    let (mut client, server) = duplex(1024);
    client.write_all(first).await.unwrap();
    let (guarded, verdict) = Guarded::new(server, Limits::default());
    (client, guarded, verdict)
}

async fn read(guarded: &mut Guarded<DuplexStream>) -> usize {
    guarded.read(&mut [0; 1024]).await.unwrap()
}

#[tokio::test]
async fn a_refusal_waits_for_the_rest_of_the_answer_before_it() {
    let (mut client, mut guarded, verdict) = connection(GET).await;
    assert_eq!(read(&mut guarded).await, GET.len());
    let answering = verdict.answering();
    guarded.write_all(b"one half").await.unwrap();
    drop(answering);
    client.write_all(b"\r\n").await.unwrap();
    assert_eq!(read(&mut guarded).await, 0);
    assert_eq!((verdict.violation(), verdict.refusal()), (Some(Violation::LeadingEmptyLine), None));

    guarded.write_all(b", the other").await.unwrap();
    assert_eq!(verdict.refusal(), None);
    guarded.flush().await.unwrap();
    assert_eq!(verdict.refusal(), Some(Violation::LeadingEmptyLine));

    guarded.write_all(b"more").await.unwrap_err();
    guarded.shutdown().await.unwrap();
    guarded.into_inner().write_all(b", the refusal").await.unwrap();
    let mut taken = String::new();
    client.read_to_string(&mut taken).await.unwrap();
    assert_eq!(taken, "one half, the other, the refusal");
}

#[tokio::test]
async fn an_answer_that_hyper_still_holds_goes_out_before_the_refusal() {
    let (mut client, mut guarded, verdict) = connection(GET).await;
    assert_eq!(read(&mut guarded).await, GET.len());
    drop(verdict.answering());
    client.write_all(b"\r\n").await.unwrap();
    assert_eq!(read(&mut guarded).await, 0);
    assert_eq!(verdict.refusal(), None);
    guarded.write_all(b"answer").await.unwrap();
    guarded.flush().await.unwrap();
    assert_eq!(verdict.refusal(), Some(Violation::LeadingEmptyLine));
}

#[tokio::test]
async fn a_cut_answer_is_not_followed_by_a_refusal() {
    let (mut client, mut guarded, verdict) = connection(GET).await;
    assert_eq!(read(&mut guarded).await, GET.len());
    let answering = verdict.answering();
    guarded.write_all(b"one half").await.unwrap();
    guarded.flush().await.unwrap();
    client.write_all(b"\r\n").await.unwrap();
    assert_eq!(read(&mut guarded).await, 0);
    drop(answering);
    guarded.flush().await.unwrap();
    assert_eq!((verdict.violation(), verdict.refusal()), (Some(Violation::LeadingEmptyLine), None));
}
