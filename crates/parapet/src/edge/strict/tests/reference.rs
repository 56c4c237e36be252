//! A second reading of the same rules, written for whole buffers and to be obvious, and the guard against it.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::accepted::GOOD;
use super::served::{Seen, converse};
use super::{refused, scan_pieces};

/// The requests of a stream up to the first that is malformed or incomplete.
#[derive(Debug, Default, PartialEq)]
struct Reading {
    requests: Vec<Seen>,
    /// Heads, with the last one's body perhaps unfinished.
    heads: u64,
    end: End,
}

#[derive(Debug, Default, PartialEq)]
enum End {
    #[default]
    Clean,
    Incomplete,
    Malformed,
}

fn read(mut stream: &[u8]) -> Reading {
    let mut reading = Reading::default();
    while !stream.is_empty() {
        let Some(end) = stream.windows(4).position(|w| w == b"\r\n\r\n") else {
            reading.end = End::Incomplete;
            break;
        };
        let Some((method, target, framing)) = read_head(&stream[..end]) else {
            reading.end = End::Malformed;
            break;
        };
        reading.heads += 1;
        match read_body(&stream[end + 4..], framing) {
            Ok((body, rest)) => {
                // A target that hyper itself cannot read is never seen, so it need not be equal to anything.
                let target = target.parse().unwrap_or_default();
                reading.requests.push(Seen { method, target, body });
                stream = rest;
            }
            Err(end) => {
                reading.end = end;
                break;
            }
        }
    }
    reading
}

enum Framing {
    Length(usize),
    Chunked,
}

/// Method, target and framing of a head without its last two line ends.
fn read_head(head: &[u8]) -> Option<(String, String, Framing)> {
    if head.len() + 4 > 32 * 1024 {
        return None;
    }
    // Bytes stand for the characters of the same number, so that the rest can be written with text.
    let head: String = head.iter().map(|&b| char::from(b)).collect();
    let mut lines = head.split("\r\n");
    let [method, target, version] = lines.next()?.split(' ').collect::<Vec<_>>().try_into().ok()?;
    if !is_token(method) || method.len() > 32 || ["TRACE", "CONNECT", "PRI"].contains(&method) {
        return None;
    }
    let authority = read_target(method, target)?;
    if !["HTTP/1.0", "HTTP/1.1"].contains(&version) {
        return None;
    }

    let fields: Vec<(String, &str)> = lines.map(read_field).collect::<Option<_>>()?;
    let all = |name: &str| -> Vec<&str> {
        fields.iter().filter(|(n, _)| n.replace('_', "-") == name).map(|(_, v)| *v).collect()
    };
    let disguised = fields.iter().any(|(name, _)| {
        name.contains('_')
            && ["content-length", "transfer-encoding"].contains(&name.replace('_', "-").as_str())
    });
    if fields.len() > 100 || disguised {
        return None;
    }
    let [host] = all("host").try_into().ok()?;
    if !is_authority(host) || authority.is_some_and(|a| !a.eq_ignore_ascii_case(host)) {
        return None;
    }
    for list in [all("connection"), all("upgrade")].concat() {
        let names = list.to_ascii_lowercase();
        let mut names = names.split([',', ' ', '\t']);
        if names.any(|n| ["host", "content-length", "transfer-encoding"].contains(&n)) {
            return None;
        }
    }
    if all("expect").iter().any(|e| !e.eq_ignore_ascii_case("100-continue")) {
        return None;
    }
    let framing = match (&all("content-length")[..], &all("transfer-encoding")[..]) {
        ([], []) => Framing::Length(0),
        ([length], [])
            if !length.is_empty() && length.len() <= 18 && length.chars().all(|c| c.is_ascii_digit()) =>
        {
            Framing::Length(length.parse().unwrap())
        }
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") && version == "HTTP/1.1" => Framing::Chunked,
        _ => return None,
    };
    Some((method.to_owned(), target.to_owned(), framing))
}

/// The authority of a target, if it may have one and has.
fn read_target<'a>(method: &str, target: &'a str) -> Option<Option<&'a str>> {
    if !target.chars().all(|c| c.is_ascii_graphic() && !"#\"<>\\^`{|}".contains(c)) {
        return None;
    }
    if target.starts_with('/') || (target == "*" && method == "OPTIONS") {
        return Some(None);
    }
    let (scheme, rest) = target.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let is_http = ["http", "https"].contains(&scheme.to_ascii_lowercase().as_str());
    (is_http && is_authority(authority)).then_some(Some(authority))
}

fn is_authority(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let literal = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let is_host = match literal {
        Some(address) => {
            (1..=254).contains(&address.len())
                && address.chars().all(|c| c.is_ascii_hexdigit() || ":.".contains(c))
        }
        None => {
            (1..=255).contains(&host.len())
                && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
        }
    };
    let is_port = |port: &str| {
        (1..=5).contains(&port.len())
            && port.chars().all(|c| c.is_ascii_digit())
            && port.parse::<u16>().is_ok()
    };
    is_host && port.is_none_or(is_port)
}

fn read_field(line: &str) -> Option<(String, &str)> {
    let (name, value) = line.split_once(':')?;
    let is_text = |c: char| c == '\t' || (c >= ' ' && c != '\x7f');
    (is_token(name) && value.chars().all(is_text))
        .then(|| (name.to_ascii_lowercase(), value.trim_matches([' ', '\t'])))
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}

fn read_body(stream: &[u8], framing: Framing) -> Result<(Vec<u8>, &[u8]), End> {
    let mut body = Vec::new();
    match framing {
        Framing::Length(length) => {
            let (whole, rest) = stream.split_at_checked(length).ok_or(End::Incomplete)?;
            Ok((whole.to_vec(), rest))
        }
        Framing::Chunked => {
            let mut rest = stream;
            loop {
                let end = rest.windows(2).position(|w| w == b"\r\n");
                let line = &rest[..end.unwrap_or(rest.len())];
                let is_size = line.iter().all(u8::is_ascii_hexdigit) && line.len() <= 15;
                let Some(end) = end else {
                    let cut = line.strip_suffix(b"\r").unwrap_or(line);
                    let may_be_size = is_size || (cut.len() < line.len() && !cut.is_empty());
                    return Err(if may_be_size { End::Incomplete } else { End::Malformed });
                };
                if !is_size || line.is_empty() {
                    return Err(End::Malformed);
                }
                let size = usize::from_str_radix(std::str::from_utf8(line).unwrap(), 16).unwrap();
                rest = &rest[end + 2..];
                let (data, after) = rest.split_at_checked(size).ok_or(End::Incomplete)?;
                let (line_end, after) = match after {
                    [] | [b'\r'] => return Err(End::Incomplete),
                    _ => after.split_at_checked(2).ok_or(End::Malformed)?,
                };
                if line_end != b"\r\n" {
                    return Err(End::Malformed);
                }
                if size == 0 {
                    return Ok((body, after));
                }
                body.extend_from_slice(data);
                rest = after;
            }
        }
    }
}

/// Streams near the border of well-formed: good and bad requests, then damaged, then cut into reads.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let bad: Vec<Vec<u8>> = refused::vectors().map(|(_, bytes, _)| bytes).collect();
    let good: Vec<Vec<u8>> = GOOD.iter().map(|good| good.as_bytes().to_vec()).collect();
    let piece = select(
        [
            "GET ",
            "POST ",
            "OPTIONS ",
            "* ",
            "/ ",
            "http://a/ ",
            "HTTP/1.1\r\n",
            "HTTP/1.0\r\n",
            "Host: a\r\n",
            "Host: a:80\r\n",
            "Content-Length: 3\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Connection: host\r\n",
            "X: y\r\n",
            "\r\n",
            "\r\n\r\n",
            "\r",
            "\n",
            " ",
            ":",
            "abc",
            "3\r\nabc\r\n",
            "0\r\n\r\n",
            "0",
        ]
        .map(|text| text.as_bytes().to_vec())
        .to_vec(),
    );
    let part = prop_oneof![
        6 => select(good),
        2 => select(bad),
        2 => vec(piece, 1..12).prop_map(|pieces| pieces.concat()),
        1 => vec(any::<u8>(), 0..40),
    ];
    let telling = select(b"\r\n\t :;,0159aAfx_-+/*#\0\x7f\x80".to_vec());
    let damage = vec((any::<Index>(), 0..3u8, telling), 0..3);
    (vec(part, 1..4), damage).prop_map(|(parts, damage)| {
        let mut bytes = parts.concat();
        for (at, how, byte) in damage {
            let at = at.index(bytes.len() + 1);
            match how {
                0 => bytes.insert(at, byte),
                1 if at < bytes.len() => drop(bytes.remove(at)),
                _ if at < bytes.len() => bytes[at] = byte,
                _ => {}
            }
        }
        bytes
    })
}

fn cut<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(20_000))]

    #[test]
    fn the_guard_agrees_with_the_reference(bytes in streams(), cuts in vec(any::<Index>(), 0..4)) {
        let reading = read(&bytes);
        let verdict = scan_pieces(&cut(&bytes, &cuts));
        prop_assert_eq!(verdict, scan_pieces(&[&bytes]), "the verdict depends on the cuts");
        match reading.end {
            End::Malformed => prop_assert!(verdict.is_err(), "refused by the reference only"),
            End::Clean => prop_assert_eq!(verdict, Ok(reading.heads)),
            // The guard may know already that the rest cannot make it good.
            End::Incomplete => prop_assert!(verdict.is_err() || verdict == Ok(reading.heads)),
        }
    }

    #[test]
    fn no_bytes_make_the_guard_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = scan_pieces(&[&bytes]);
        let _ = scan_pieces(&[b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", &bytes]);
        let _ = scan_pieces(&[b"POST / HTTP/1.1\r\nHost: a\r\n", &bytes]);
    }
}

proptest! {
    #![proptest_config(config(1_000))]

    #[test]
    fn hyper_sees_only_what_the_reference_accepts(bytes in streams(), cuts in vec(any::<Index>(), 0..4)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let (_, seen) = runtime.block_on(converse(&cut(&bytes, &cuts)));
        let requests = read(&bytes).requests;
        prop_assert!(requests.starts_with(&seen), "{:?} of {:?}", seen, requests);
    }
}
