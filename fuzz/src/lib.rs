//! What the fuzz targets share.

use wire::dialect::Dialect;
use wire::provider::{Codec, KINDS};

/// One of the codecs, whichever number it is.
#[must_use]
pub fn codec(number: u8) -> &'static dyn Codec {
    KINDS[usize::from(number) % KINDS.len()].codec
}

/// One of the dialects.
#[must_use]
pub const fn dialect(number: u8) -> Dialect {
    if number % 2 == 0 { Dialect::Chat } else { Dialect::Messages }
}

#[must_use]
pub const fn answer_id(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Chat => "chatcmpl-1",
        Dialect::Messages => "msg_1",
    }
}

/// The codec that reads what we write in a dialect.
#[must_use]
pub fn reading_codec(dialect: Dialect) -> &'static dyn Codec {
    match dialect {
        Dialect::Chat => &wire::openai::COMPATIBLE,
        Dialect::Messages => &wire::anthropic::CODEC,
    }
}
