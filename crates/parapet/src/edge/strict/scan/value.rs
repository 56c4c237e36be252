//! The values that framing and routing depend on. All others pass as opaque text.

use super::super::violation::Violation;
use super::Head;
use super::authority::Authority;
use super::cursor::{Word, is_space};

/// The longest content-length in digits: below 10^18, so that no sum with it overflows 64 bits.
const MAX_DIGITS: u8 = 18;

/// The value of the header line at hand, which may still be arriving. Leading white space is already gone.
#[derive(Debug, Default)]
pub(super) enum Value {
    #[default]
    Opaque,
    Length {
        digits: u8,
        length: u64,
        ended: bool,
    },
    Coding(Literal),
    Expectation(Literal),
    Host(Host),
    /// A list of names that must not be those of framing headers.
    Names(Word),
}

impl Value {
    /// What to look for in the value of the header called `name`. Notes in `head` that the header is there.
    pub(super) fn of(name: &[u8], head: &mut Head) -> Result<Self, Violation> {
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                if std::mem::replace(&mut head.host, true) {
                    return Err(Violation::HostRepeated);
                }
                Ok(Self::Host(Host::default()))
            }
            6 if name.eq_ignore_ascii_case(b"expect") => Ok(Self::Expectation(Literal::of(b"100-continue"))),
            7 if name.eq_ignore_ascii_case(b"upgrade") => Ok(Self::Names(Word::default())),
            10 if name.eq_ignore_ascii_case(b"connection") => Ok(Self::Names(Word::default())),
            14 if is_spelling_of(b"content-length", name) => {
                if name.contains(&b'_') {
                    return Err(Violation::NameDisguised);
                }
                if head.length.is_some() {
                    return Err(Violation::LengthRepeated);
                }
                if head.chunked {
                    return Err(Violation::LengthAndCoding);
                }
                Ok(Self::Length { digits: 0, length: 0, ended: false })
            }
            17 if is_spelling_of(b"transfer-encoding", name) => {
                if name.contains(&b'_') {
                    return Err(Violation::NameDisguised);
                }
                if head.http10 {
                    return Err(Violation::CodingInHttp10);
                }
                if head.length.is_some() {
                    return Err(Violation::LengthAndCoding);
                }
                if std::mem::replace(&mut head.chunked, true) {
                    return Err(Violation::CodingRepeated);
                }
                Ok(Self::Coding(Literal::of(b"chunked")))
            }
            _ => Ok(Self::Opaque),
        }
    }

    /// Takes more of the value.
    pub(super) fn push(&mut self, text: &[u8], head: &Head) -> Result<(), Violation> {
        match self {
            Self::Opaque => Ok(()),
            Self::Length { digits, length, ended } => {
                for &byte in text {
                    match byte {
                        b'0'..=b'9' if *digits == MAX_DIGITS && !*ended => {
                            return Err(Violation::LengthOverflow);
                        }
                        b'0'..=b'9' if !*ended => {
                            *digits += 1;
                            *length = *length * 10 + u64::from(byte - b'0');
                        }
                        b' ' | b'\t' => *ended = true,
                        _ => return Err(Violation::LengthInvalid),
                    }
                }
                Ok(())
            }
            Self::Coding(literal) => literal.push(text).then_some(()).ok_or(Violation::CodingUnsupported),
            Self::Expectation(literal) => {
                literal.push(text).then_some(()).ok_or(Violation::ExpectationUnknown)
            }
            Self::Host(host) => text.iter().try_for_each(|&byte| host.push(byte, head)),
            Self::Names(name) => {
                for &byte in text {
                    match byte {
                        b',' | b' ' | b'\t' => check_nominated(name)?,
                        _ => name.push(byte),
                    }
                }
                Ok(())
            }
        }
    }

    /// The value is complete.
    pub(super) fn finish(&mut self, head: &mut Head) -> Result<(), Violation> {
        match self {
            Self::Opaque => Ok(()),
            Self::Length { digits: 0, .. } => Err(Violation::LengthInvalid),
            Self::Length { length, .. } => {
                head.length = Some(*length);
                Ok(())
            }
            Self::Coding(literal) => literal.is_whole().then_some(()).ok_or(Violation::CodingUnsupported),
            Self::Expectation(literal) => {
                literal.is_whole().then_some(()).ok_or(Violation::ExpectationUnknown)
            }
            Self::Host(host) => host.finish(head),
            Self::Names(name) => check_nominated(name),
        }
    }
}

/// `content_length` becomes `CONTENT_LENGTH` in every gateway interface, where it means the real one.
fn is_spelling_of(wanted: &[u8], name: &[u8]) -> bool {
    std::iter::zip(wanted, name).all(|(&want, &got)| {
        let got = if got == b'_' { b'-' } else { got };
        want == got.to_ascii_lowercase()
    })
}

/// A header named in `connection` is stripped by the next hop: naming these would unframe the message there.
fn check_nominated(name: &mut Word) -> Result<(), Violation> {
    const FRAMING: [&[u8]; 3] = [b"content-length", b"transfer-encoding", b"host"];
    if FRAMING.iter().any(|framing| name.is_ignoring_case(framing)) {
        return Err(Violation::HopByHopFraming);
    }
    name.clear();
    Ok(())
}

/// One word that must be there, in any case, and nothing else but white space after it.
#[derive(Debug)]
pub(super) struct Literal {
    wanted: &'static [u8],
    ended: bool,
}

impl Literal {
    const fn of(wanted: &'static [u8]) -> Self {
        Self { wanted, ended: false }
    }

    fn push(&mut self, text: &[u8]) -> bool {
        text.iter().all(|&byte| match self.wanted {
            _ if is_space(byte) => {
                self.ended = true;
                true
            }
            [next, rest @ ..] if !self.ended && byte.eq_ignore_ascii_case(next) => {
                self.wanted = rest;
                true
            }
            _ => false,
        })
    }

    const fn is_whole(&self) -> bool {
        self.wanted.is_empty()
    }
}

/// The host header: its syntax, and the same text as the target's authority where the target has one.
#[derive(Debug, Default)]
pub(super) struct Host {
    authority: Authority,
    at: usize,
    ended: bool,
}

impl Host {
    fn push(&mut self, byte: u8, head: &Head) -> Result<(), Violation> {
        if is_space(byte) {
            self.ended = true;
            return Ok(());
        }
        if self.ended || !self.authority.push(byte) {
            return Err(Violation::HostInvalid);
        }
        let differs =
            |authority: &Vec<u8>| !authority.get(self.at).is_some_and(|b| b.eq_ignore_ascii_case(&byte));
        if head.authority.as_ref().is_some_and(differs) {
            return Err(Violation::HostMismatch);
        }
        self.at += 1;
        Ok(())
    }

    fn finish(&self, head: &Head) -> Result<(), Violation> {
        if !self.authority.is_complete() {
            return Err(Violation::HostInvalid);
        }
        if head.authority.as_ref().is_some_and(|authority| authority.len() != self.at) {
            return Err(Violation::HostMismatch);
        }
        Ok(())
    }
}
