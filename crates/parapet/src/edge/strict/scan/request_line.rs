//! `method SP request-target SP HTTP-version CRLF` (RFC 9112 §3), single spaces only.

use super::super::violation::Violation;
use super::Head;
use super::authority::Authority;
use super::cursor::{Cursor, TARGET, TOKEN, Word};

/// The longest method: far beyond any registered one.
const MAX_METHOD: usize = 32;

/// A request line that may still be arriving.
#[derive(Debug, Default)]
pub(super) struct RequestLine {
    part: Part,
    /// The method, the scheme or the version, whichever is being read.
    word: Word,
    authority: Authority,
    options: bool,
}

#[derive(Debug, Default)]
enum Part {
    #[default]
    Method,
    Target,
    Asterisk,
    Scheme,
    FirstSlash,
    SecondSlash,
    Authority,
    /// The rest of the target: path and query.
    Path,
    Version,
    LineFeed,
}

impl RequestLine {
    /// Takes what belongs to the line; true once it is complete.
    pub(super) fn take(&mut self, input: &mut Cursor<'_>, head: &mut Head) -> Result<bool, Violation> {
        loop {
            match self.part {
                Part::Method => {
                    self.word.extend(input.run(&TOKEN));
                    if self.word.len() > MAX_METHOD {
                        return Err(Violation::MethodInvalid);
                    }
                    let Some(byte) = input.next() else { return Ok(false) };
                    self.part = self.after_method(byte)?;
                }
                Part::Target => {
                    let Some(byte) = input.peek() else { return Ok(false) };
                    self.part = match byte {
                        b'/' => Part::Path,
                        b'*' => Part::Asterisk,
                        b if b.is_ascii_alphabetic() => Part::Scheme,
                        b if TARGET.has(b) => return Err(Violation::TargetForm),
                        b => return Err(misplaced(b)),
                    };
                    if byte == b'*' {
                        input.next();
                    }
                }
                Part::Asterisk => {
                    let Some(byte) = input.next() else { return Ok(false) };
                    self.part = match byte {
                        b' ' if self.options => Part::Version,
                        b' ' => return Err(Violation::TargetAsterisk),
                        b if TARGET.has(b) => return Err(Violation::TargetForm),
                        b => return Err(misplaced(b)),
                    };
                }
                Part::Scheme => {
                    let Some(byte) = input.next() else { return Ok(false) };
                    self.part = match byte {
                        b':' if self.is_http() => Part::FirstSlash,
                        b if b.is_ascii_alphabetic() && self.word.len() < b"https".len() => {
                            self.word.push(b);
                            Part::Scheme
                        }
                        b if b == b' ' || TARGET.has(b) => return Err(Violation::TargetForm),
                        b => return Err(misplaced(b)),
                    };
                }
                Part::FirstSlash | Part::SecondSlash => {
                    let Some(byte) = input.next() else { return Ok(false) };
                    self.part = match (byte, &self.part) {
                        (b'/', Part::FirstSlash) => Part::SecondSlash,
                        (b'/', _) => {
                            head.authority = Some(Vec::new());
                            Part::Authority
                        }
                        (b, _) if b == b' ' || TARGET.has(b) => return Err(Violation::TargetForm),
                        (b, _) => return Err(misplaced(b)),
                    };
                }
                Part::Authority => {
                    let Some(byte) = input.peek() else { return Ok(false) };
                    if matches!(byte, b'/' | b'?' | b' ') {
                        if !self.authority.is_complete() {
                            return Err(Violation::TargetAuthority);
                        }
                        self.part = Part::Path;
                    } else if self.authority.push(byte) {
                        input.next();
                        head.authority.get_or_insert_default().push(byte);
                    } else if TARGET.has(byte) {
                        return Err(Violation::TargetAuthority);
                    } else {
                        return Err(misplaced(byte));
                    }
                }
                Part::Path => {
                    input.run(&TARGET);
                    let Some(byte) = input.next() else { return Ok(false) };
                    if byte != b' ' {
                        return Err(misplaced(byte));
                    }
                    self.word.clear();
                    self.part = Part::Version;
                }
                Part::Version => {
                    let Some(byte) = input.next() else { return Ok(false) };
                    self.part = self.version(byte, head)?;
                }
                Part::LineFeed => {
                    return match input.next() {
                        Some(b'\n') => Ok(true),
                        Some(_) => Err(Violation::BareCr),
                        None => Ok(false),
                    };
                }
            }
        }
    }

    fn after_method(&mut self, byte: u8) -> Result<Part, Violation> {
        match byte {
            b' ' | b'\t' if self.word.len() == 0 => return Err(Violation::RequestLineSpacing),
            b' ' => {}
            b'\t' => return Err(Violation::RequestLineSpacing),
            b'\n' => return Err(Violation::BareLf),
            _ => return Err(Violation::MethodInvalid),
        }
        if self.word.is(b"TRACE") || self.word.is(b"CONNECT") {
            return Err(Violation::MethodRefused);
        }
        // RFC 9113 §3.4: the preface is made to look like a request that no HTTP/1 server takes.
        if self.word.is(b"PRI") {
            return Err(Violation::Http2Preface);
        }
        self.options = self.word.is(b"OPTIONS");
        self.word.clear();
        Ok(Part::Target)
    }

    fn is_http(&self) -> bool {
        self.word.is_ignoring_case(b"http") || self.word.is_ignoring_case(b"https")
    }

    fn version(&mut self, byte: u8, head: &mut Head) -> Result<Part, Violation> {
        match byte {
            b'\r' => {}
            b'\n' => return Err(Violation::BareLf),
            b' ' | b'\t' => return Err(Violation::RequestLineSpacing),
            _ if self.word.len() < b"HTTP/1.1".len() => {
                self.word.push(byte);
                return Ok(Part::Version);
            }
            _ => return Err(Violation::VersionInvalid),
        }
        match self.word.text() {
            Some(b"HTTP/1.1") => {}
            Some(b"HTTP/1.0") => head.http10 = true,
            Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                return Err(Violation::VersionUnsupported);
            }
            _ => return Err(Violation::VersionInvalid),
        }
        Ok(Part::LineFeed)
    }
}

/// What a byte that cannot stand in a target says about the line.
fn misplaced(byte: u8) -> Violation {
    match byte {
        b'\r' => Violation::VersionMissing,
        b'\n' => Violation::BareLf,
        b' ' | b'\t' => Violation::RequestLineSpacing,
        b'#' => Violation::TargetFragment,
        _ => Violation::TargetByte,
    }
}
