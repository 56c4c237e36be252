//! Every malformed form by name, at every split.

use super::super::Violation::{self, *};
use super::{read_pieces, scan_pieces};

/// What is wrong, the bytes, and the reason given. A head without its own request line or host gets them from
/// [`vectors`]; a smuggled request asks for `/smuggled`.
const FIELDS: &[(&str, &str, Violation)] = &[
    // What decides where the message ends
    (
        "CL.TE",
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        LengthAndCoding,
    ),
    (
        "TE.CL",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n1c\r\nGET /smuggled HTTP/1.1\r\nX: \r\n\r\n0\r\n\r\n",
        LengthAndCoding,
    ),
    ("CL.0 beside TE identity", "Content-Length: 0\r\nTransfer-Encoding: identity\r\n\r\n", LengthAndCoding),
    ("two equal lengths", "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", LengthRepeated),
    (
        "two different lengths",
        "Content-Length: 0\r\nContent-Length: 38\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        LengthRepeated,
    ),
    (
        "a second length in another case",
        "Content-Length: 5\r\ncontent-LENGTH: 5\r\n\r\nhello",
        LengthRepeated,
    ),
    ("a list of lengths", "Content-Length: 5, 5\r\n\r\nhello", LengthInvalid),
    ("a list of lengths without a space", "Content-Length: 5,5\r\n\r\nhello", LengthInvalid),
    ("two numbers", "Content-Length: 5 5\r\n\r\nhello", LengthInvalid),
    ("plus sign", "Content-Length: +5\r\n\r\nhello", LengthInvalid),
    ("minus sign", "Content-Length: -5\r\n\r\nhello", LengthInvalid),
    ("hexadecimal length", "Content-Length: 0x5\r\n\r\nhello", LengthInvalid),
    ("a fraction", "Content-Length: 5.0\r\n\r\nhello", LengthInvalid),
    ("empty length", "Content-Length:\r\n\r\n", LengthInvalid),
    ("blank length", "Content-Length: \t \r\n\r\n", LengthInvalid),
    ("quoted length", "Content-Length: \"5\"\r\n\r\nhello", LengthInvalid),
    ("length over 64 bits", "Content-Length: 18446744073709551621\r\n\r\nhello", LengthOverflow),
    ("length of 19 digits", "Content-Length: 1000000000000000000\r\n\r\n", LengthOverflow),
    ("disguised length", "content_length: 5\r\n\r\nhello", NameDisguised),
    ("disguised coding", "Transfer_Encoding: chunked\r\n\r\n0\r\n\r\n", NameDisguised),
    ("coding before chunked", "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", CodingUnsupported),
    ("coding after chunked", "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", CodingUnsupported),
    ("chunked twice", "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", CodingUnsupported),
    ("coding with a parameter", "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", CodingUnsupported),
    ("identity coding", "Transfer-Encoding: identity\r\n\r\n", CodingUnsupported),
    ("a coding that contains chunked", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", CodingUnsupported),
    ("a coding that starts with chunked", "Transfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n", CodingUnsupported),
    ("a coding cut in two", "Transfer-Encoding: chun ked\r\n\r\n0\r\n\r\n", CodingUnsupported),
    ("the beginning of chunked", "Transfer-Encoding: chunk\r\n\r\n0\r\n\r\n", CodingUnsupported),
    ("quoted coding", "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", CodingUnsupported),
    ("empty coding", "Transfer-Encoding:\r\n\r\n", CodingUnsupported),
    ("a vertical tab before the coding", "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", ValueControl),
    (
        "two codings",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        CodingRepeated,
    ),
    (
        "two codings, the second hides",
        "Transfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n\r\n0\r\n\r\n",
        CodingRepeated,
    ),
    // For whom it is
    ("two equal hosts", "Host: a\r\n\r\n", HostRepeated),
    ("two hosts", "hOST: b\r\n\r\n", HostRepeated),
    // Line structure
    ("folding", "X: a\r\n b\r\n\r\n", Folding),
    ("folding with a tab", "X: a\r\n\tb\r\n\r\n", Folding),
    ("a folded coding", "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", CodingUnsupported),
    ("space before the colon", "X : a\r\n\r\n", SpaceBeforeColon),
    ("tab before the colon", "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", SpaceBeforeColon),
    ("bare line feed after a header", "X: a\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BareLf),
    ("bare line feed in a name", "X\n: a\r\n\r\n", BareLf),
    ("bare line feeds end the head", "X: a\n\n", BareLf),
    ("bare line feed as the empty line", "X: a\r\n\nGET /smuggled HTTP/1.1\r\n", BareLf),
    ("bare carriage return in a value", "X: a\rTransfer-Encoding: chunked\r\n\r\n", BareCr),
    ("carriage return twice", "X: a\r\r\n\r\n", BareCr),
    ("bare carriage return as the empty line", "X: a\r\n\rGET /smuggled HTTP/1.1\r\n", BareCr),
    ("no colon", "X\r\n\r\n", NameInvalid),
    ("empty name", ": a\r\n\r\n", NameEmpty),
    ("control character in a name", "X\x01Y: a\r\n\r\n", NameInvalid),
    ("non-ASCII name", "X\u{e9}: a\r\n\r\n", NameInvalid),
    ("brackets in a name", "X[]: a\r\n\r\n", NameInvalid),
    ("NUL in a value", "X: a\0b\r\n\r\n", ValueControl),
    ("escape in a value", "X: \x1b[31m\r\n\r\n", ValueControl),
    ("DEL in a long value", "X: 0123456789abcdef0123456789abcdef01234567\x7f\r\n\r\n", ValueControl),
    // Hop by hop
    (
        "connection takes the length away",
        "Connection: close, Content-Length\r\nContent-Length: 5\r\n\r\nhello",
        HopByHopFraming,
    ),
    ("connection takes the coding away", "Connection: transfer-encoding,x\r\n\r\n", HopByHopFraming),
    ("connection takes the host away", "Connection:host\r\n\r\n", HopByHopFraming),
    ("upgrade names the length", "Upgrade: h2c,\tcontent-length\r\n\r\n", HopByHopFraming),
    ("unknown expectation", "Expect: 200-ok\r\n\r\n", ExpectationUnknown),
    ("expectation in a list", "Expect: 100-continue, x\r\n\r\n", ExpectationUnknown),
];

/// Bodies after `Transfer-Encoding: chunked`.
const CHUNKS: &[(&str, &str, Violation)] = &[
    ("plus in a chunk size", "+5\r\nhello\r\n0\r\n\r\n", ChunkSize),
    ("minus in a chunk size", "-1\r\nhello\r\n0\r\n\r\n", ChunkSize),
    ("0x in a chunk size", "0x5\r\nhello\r\n0\r\n\r\n", ChunkSize),
    ("space before a chunk size", " 5\r\nhello\r\n0\r\n\r\n", ChunkSize),
    ("space after a chunk size", "5 \r\nhello\r\n0\r\n\r\n", ChunkSize),
    ("tab after a chunk size", "5\t\r\nhello\r\n0\r\n\r\n", ChunkSize),
    ("underscore in a chunk size", "1_0\r\nhello\r\n0\r\n\r\n", ChunkSize),
    ("empty chunk size", "\r\nhello\r\n0\r\n\r\n", ChunkSize),
    ("not a chunk size", "hello", ChunkSize),
    ("chunk size over 64 bits", "10000000000000005\r\nhello\r\n0\r\n\r\n", ChunkSizeOverflow),
    ("chunk size of 16 digits", "0000000000000005\r\nhello\r\n0\r\n\r\n", ChunkSizeOverflow),
    ("chunk extension", "5;a=b\r\nhello\r\n0\r\n\r\n", ChunkExtension),
    ("empty chunk extension", "5;\r\nhello\r\n0\r\n\r\n", ChunkExtension),
    ("extension of the last chunk", "0;\nGET /smuggled HTTP/1.1\r\n\r\n", ChunkExtension),
    ("bare line feed after a chunk size", "5\nhello\r\n0\r\n\r\n", BareLf),
    ("bare carriage return after a chunk size", "5\rhello\r\n0\r\n\r\n", BareCr),
    ("chunk longer than its size", "4\r\nhello\r\n0\r\n\r\n", ChunkEnd),
    ("two bytes for a line end", "5\r\nhelloXX0\r\n\r\n", ChunkEnd),
    ("bare line feed after chunk data", "5\r\nhello\n0\r\n\r\n", BareLf),
    ("bare carriage return after chunk data", "5\r\nhello\r0\r\n\r\n", BareCr),
    ("bare line feed at the end", "0\r\n\nGET /smuggled HTTP/1.1\r\n", BareLf),
    ("bare carriage return at the end", "0\r\n\rGET /smuggled HTTP/1.1\r\n", BareCr),
    ("a trailer", "0\r\nX: a\r\n\r\n", Trailer),
    ("a framing trailer", "0\r\nContent-Length: 5\r\n\r\n", Trailer),
    ("no end of the body", "0\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", Trailer),
    ("an empty line after the body", "0\r\n\r\n\r\nGET /smuggled HTTP/1.1\r\n", LeadingEmptyLine),
];

/// Whole requests.
const REQUESTS: &[(&str, &str, Violation)] = &[
    ("an empty line first", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", LeadingEmptyLine),
    ("a bare line feed first", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", LeadingEmptyLine),
    ("a space first", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", RequestLineSpacing),
    ("two spaces after the method", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", RequestLineSpacing),
    ("a tab after the method", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", RequestLineSpacing),
    ("two spaces before the version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", RequestLineSpacing),
    ("a tab before the version", "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", RequestLineSpacing),
    ("a space after the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", RequestLineSpacing),
    ("a form feed after the method", "GET\x0c/ HTTP/1.1\r\nHost: a\r\n\r\n", MethodInvalid),
    ("a TLS hello", "\x16\x03\x01\x02\0\x01\0\x01", MethodInvalid),
    ("a quoted method", "\"GET\" / HTTP/1.1\r\nHost: a\r\n\r\n", MethodInvalid),
    ("an endless method", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJ", MethodInvalid),
    ("a method alone", "GET\r\n\r\n", MethodInvalid),
    ("TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", MethodRefused),
    ("CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", MethodRefused),
    ("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Http2Preface),
    ("HTTP/0.9", "GET /\r\n", VersionMissing),
    ("HTTP/0.9 with a line feed", "GET /\n", BareLf),
    ("HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", VersionUnsupported),
    ("HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", VersionUnsupported),
    ("lower-case version", "GET / http/1.1\r\nHost: a\r\n\r\n", VersionInvalid),
    ("long version", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", VersionInvalid),
    ("version without a minor", "GET / HTTP/1\r\nHost: a\r\n\r\n", VersionInvalid),
    ("bare line feed after the version", "GET / HTTP/1.1\nHost: a\r\n\r\n", BareLf),
    ("bare carriage return after the version", "GET / HTTP/1.1\rHost: a\r\n\r\n", BareCr),
    ("fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", TargetFragment),
    ("NUL in the target", "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", TargetByte),
    ("non-ASCII target", "GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", TargetByte),
    ("backslash in the target", "GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", TargetByte),
    ("relative target", "GET smuggled HTTP/1.1\r\nHost: a\r\n\r\n", TargetForm),
    ("authority as the target", "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", TargetForm),
    ("query as the target", "GET ?a HTTP/1.1\r\nHost: a\r\n\r\n", TargetForm),
    ("another scheme", "GET file:///etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", TargetForm),
    ("one slash after the scheme", "GET http:/a HTTP/1.1\r\nHost: a\r\n\r\n", TargetForm),
    ("asterisk with GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", TargetAsterisk),
    ("asterisk and more", "OPTIONS *a HTTP/1.1\r\nHost: a\r\n\r\n", TargetForm),
    ("no authority", "GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n", TargetAuthority),
    ("user information in the target", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", TargetAuthority),
    ("host differs from the target", "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", HostMismatch),
    ("host shorter than the target's", "GET http://a.b/ HTTP/1.1\r\nHost: a\r\n\r\n", HostMismatch),
    ("host longer than the target's", "GET http://a/ HTTP/1.1\r\nHost: a.b\r\n\r\n", HostMismatch),
    ("port differs from the target's", "GET http://a:80/ HTTP/1.1\r\nHost: a:81\r\n\r\n", HostMismatch),
    ("host without the target's port", "GET http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n", HostMismatch),
    ("no host", "GET / HTTP/1.1\r\n\r\n", HostMissing),
    ("no host in HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", HostMissing),
    ("no host beside an absolute target", "GET http://a/ HTTP/1.1\r\n\r\n", HostMissing),
    ("empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", HostInvalid),
    ("blank host", "GET / HTTP/1.1\r\nHost: \r\n\r\n", HostInvalid),
    ("list of hosts", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", HostInvalid),
    ("two words as the host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", HostInvalid),
    ("user information in the host", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", HostInvalid),
    ("path in the host", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", HostInvalid),
    ("empty port", "GET / HTTP/1.1\r\nHost: a:\r\n\r\n", HostInvalid),
    ("port too large", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", HostInvalid),
    ("port of six digits", "GET / HTTP/1.1\r\nHost: a:000080\r\n\r\n", HostInvalid),
    ("port without a host", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", HostInvalid),
    ("open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", HostInvalid),
    ("empty brackets", "GET / HTTP/1.1\r\nHost: []\r\n\r\n", HostInvalid),
    ("text after the bracket", "GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n", HostInvalid),
    ("space before the first header", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", Folding),
    (
        "chunked in HTTP/1.0",
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        CodingInHttp10,
    ),
    (
        "a second request without a version",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /smuggled\r\n",
        VersionMissing,
    ),
    (
        "a body longer than its length",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\r\n",
        LeadingEmptyLine,
    ),
];

/// All of the above as whole requests.
pub(super) fn vectors() -> impl Iterator<Item = (&'static str, Vec<u8>, Violation)> {
    let with = |before: &'static str| {
        move |&(name, text, violation): &(_, &str, _)| {
            (name, format!("{before}{text}").into_bytes(), violation)
        }
    };
    let fields = FIELDS.iter().map(with("POST / HTTP/1.1\r\nHost: a\r\n"));
    let chunks = CHUNKS.iter().map(with("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
    let requests = REQUESTS.iter().map(with(""));
    fields.chain(chunks).chain(requests)
}

#[test]
fn every_malformed_form_is_refused_for_its_own_reason_at_every_split() {
    for (name, bytes, violation) in vectors() {
        for at in 0..=bytes.len() {
            let (a, b) = bytes.split_at(at);
            assert_eq!(scan_pieces(&[a, b]), Err(violation), "{name}, cut at {at}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(scan_pieces(&single), Err(violation), "{name}, byte by byte");
    }
}

#[test]
fn malformed_forms_are_refused_behind_good_requests() {
    let good = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
                 POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    for (name, bytes, violation) in vectors() {
        assert_eq!(scan_pieces(&[good, &bytes]), Err(violation), "{name}");
    }
}

#[tokio::test]
async fn the_read_with_the_violation_is_withheld_and_the_stream_ends() {
    for (name, bytes, violation) in vectors() {
        for at in 0..bytes.len() {
            let (a, b) = bytes.split_at(at);
            let (passed, verdict) = read_pieces(&[a, b, b"GET /later HTTP/1.1\r\nHost: a\r\n\r\n"]).await;
            let innocent = if scan_pieces(&[a]).is_ok() { a } else { &[] };
            assert_eq!(passed, innocent, "{name}, cut at {at}");
            assert_eq!(verdict.violation(), Some(violation), "{name}, cut at {at}");
        }
    }
}

#[test]
fn a_head_may_have_32_kib_and_100_headers_but_not_more() {
    let head = |padding: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(padding));
    let exact = 32 * 1024 - head(0).len();
    assert_eq!(scan_pieces(&[head(exact).as_bytes()]), Ok(1));
    let with_fields =
        |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "a:\r\n".repeat(count - 1));
    assert_eq!(scan_pieces(&[with_fields(100).as_bytes()]), Ok(1));

    let too_large = [
        (head(exact + 1), HeadTooLarge),
        (head(100_000), HeadTooLarge),
        (format!("GET /{} HTTP/1.1\r\n", "x".repeat(40_000)), TargetTooLong),
        (format!("GET / HTTP/1.1\r\n{}: a\r\n", "x".repeat(40_000)), HeadTooLarge),
        (with_fields(101), TooManyFields),
    ];
    for (bytes, violation) in too_large {
        for at in [1, 100, 5_000, 32_767, 32_768, 32_769] {
            let (a, b) = bytes.as_bytes().split_at(at.min(bytes.len()));
            assert_eq!(scan_pieces(&[a, b]), Err(violation), "cut at {at}");
        }
        let single: Vec<&[u8]> = bytes.as_bytes().chunks(1).collect();
        assert_eq!(scan_pieces(&single), Err(violation));
    }
}

#[test]
fn hosts_are_limited_in_length() {
    let host = |len: usize| format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", "a".repeat(len));
    assert_eq!(scan_pieces(&[host(255).as_bytes()]), Ok(1));
    assert_eq!(scan_pieces(&[host(256).as_bytes()]), Err(HostInvalid));
    let target = format!("GET http://{}/ HTTP/1.1\r\n", "a".repeat(256));
    assert_eq!(scan_pieces(&[target.as_bytes()]), Err(TargetAuthority));
}
