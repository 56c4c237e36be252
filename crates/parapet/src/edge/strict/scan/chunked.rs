//! The chunked coding (RFC 9112 §7.1) without its options.
//!
//! Extensions and trailers have no use in this API, and both have been used to smuggle requests past parsers
//! that end them differently; the RFC lets a recipient refuse what it does not expect.

use super::super::violation::Violation;
use super::cursor::Cursor;

/// The longest chunk size in hexadecimal digits: below 2^60.
const MAX_DIGITS: u8 = 15;

/// Where in a chunked body the next byte stands.
#[derive(Debug)]
pub(super) enum Chunked {
    Size { digits: u8, size: u64 },
    SizeLineFeed(u64),
    Data(u64),
    DataCr,
    DataLineFeed,
    EndCr,
    EndLineFeed,
}

impl Default for Chunked {
    fn default() -> Self {
        Self::Size { digits: 0, size: 0 }
    }
}

impl Chunked {
    /// Takes what belongs to the body; true once it is complete.
    pub(super) fn take(&mut self, input: &mut Cursor<'_>) -> Result<bool, Violation> {
        loop {
            if let Self::Data(left) = self {
                *left -= input.skip(*left);
                if *left > 0 {
                    return Ok(false);
                }
                *self = Self::DataCr;
            }
            let Some(byte) = input.next() else { return Ok(false) };
            *self = match (&*self, byte) {
                (Self::Size { digits, size }, _) => after_size(*digits, *size, byte)?,
                (Self::SizeLineFeed(0), b'\n') => Self::EndCr,
                (Self::SizeLineFeed(size), b'\n') => Self::Data(*size),
                (Self::DataCr, b'\r') => Self::DataLineFeed,
                (Self::DataLineFeed, b'\n') => Self::default(),
                (Self::EndCr, b'\r') => Self::EndLineFeed,
                (Self::EndLineFeed, b'\n') => return Ok(true),
                (Self::DataCr | Self::EndCr, b'\n') => return Err(Violation::BareLf),
                (Self::DataCr, _) => return Err(Violation::ChunkEnd),
                (Self::EndCr, _) => return Err(Violation::Trailer),
                (Self::SizeLineFeed(_) | Self::DataLineFeed | Self::EndLineFeed | Self::Data(_), _) => {
                    return Err(Violation::BareCr);
                }
            };
        }
    }
}

fn after_size(digits: u8, size: u64, byte: u8) -> Result<Chunked, Violation> {
    let digit = match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        b'A'..=b'F' => byte - b'A' + 10,
        b'\r' if digits > 0 => return Ok(Chunked::SizeLineFeed(size)),
        b'\n' => return Err(Violation::BareLf),
        b';' if digits > 0 => return Err(Violation::ChunkExtension),
        _ => return Err(Violation::ChunkSize),
    };
    if digits == MAX_DIGITS {
        return Err(Violation::ChunkSizeOverflow);
    }
    Ok(Chunked::Size { digits: digits + 1, size: size * 16 + u64::from(digit) })
}
