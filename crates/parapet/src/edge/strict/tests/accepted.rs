//! Well-formed requests pass byte for byte.

use super::{read_pieces, scan_pieces};

pub(super) const GOOD: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    "GET /a/b?c=d&e[]=%20f HTTP/1.1\r\nhost:a.example:8080\r\naccept: */*\r\n\r\n",
    "GET //a HTTP/1.1\r\nHost: \t 127.0.0.1:8080 \t\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n",
    "GET http://A.example:80/x?y HTTP/1.1\r\nHost: a.EXAMPLE:80\r\n\r\n",
    "GET https://a?y HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET HTTP://a HTTP/1.1\r\nHost: a\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "OPTIONS /a HTTP/1.1\r\nHost: a\r\nOrigin: https://b\r\n\r\n",
    "DELETE /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    "PROPFIND-ISH!#$ /a HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /a HTTP/1.1\r\nHost: a\r\nX-Empty:\r\nX-Blank: \t \r\nX: \u{e9} \"#<>\"\ta: b\r\n\r\n",
    "GET /a HTTP/1.1\r\nHost: a\r\nConnection: Keep-Alive, Upgrade,,x\r\nUpgrade: h2c, websocket\r\n\r\n",
    "GET /a HTTP/1.1\r\nHost: a\r\nX-Content-Length: 5\r\nTE: trailers\r\nTrailer: x\r\ncontent-lengthy: 9\r\n\r\n",
    "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "POST /a HTTP/1.1\r\nHost: a\r\ncontent-length:  005 \r\n\r\n\r\n\r\n\0",
    "POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n{}",
    "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked \r\n\r\n5\r\nhello\r\n00A\r\n0123\r\n6789\r\n000\r\n\r\n",
    "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 36\r\n\r\nGET /inner HTTP/1.1\r\nHost: inner\r\n\r\n",
];

#[tokio::test]
async fn well_formed_requests_pass_untouched_at_every_split() {
    for good in GOOD {
        for at in 0..=good.len() {
            let (a, b) = good.as_bytes().split_at(at);
            assert_eq!(scan_pieces(&[a, b]), Ok(1), "{good:?}, cut at {at}");
            let (passed, verdict) = read_pieces(&[a, b]).await;
            assert_eq!(passed, good.as_bytes(), "cut at {at}");
            assert_eq!(verdict.violation(), None);
        }
    }
}

#[tokio::test]
async fn pipelined_requests_pass_untouched_at_every_split() {
    let all = GOOD.concat();
    let heads = Ok(GOOD.len() as u64);
    for at in 0..=all.len() {
        let (a, b) = all.as_bytes().split_at(at);
        assert_eq!(scan_pieces(&[a, b]), heads, "cut at {at}");
    }
    let single: Vec<&[u8]> = all.as_bytes().chunks(1).collect();
    assert_eq!(scan_pieces(&single), heads);
    let (passed, _) = read_pieces(&single).await;
    assert_eq!(passed, all.as_bytes());
}

#[test]
fn a_large_body_is_not_mistaken_for_a_head() {
    let size = 3 * 1024 * 1024;
    let body = "\n\r\0 : ".repeat(size / 6);
    let sized = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let chunked = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    for request in [sized, chunked] {
        let twice = request.repeat(2);
        let pieces: Vec<&[u8]> = twice.as_bytes().chunks(1000).collect();
        assert_eq!(scan_pieces(&pieces), Ok(2));
    }
}
