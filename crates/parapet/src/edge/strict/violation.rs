//! What the guard refuses, each with the status and the one sentence the client is told.
//!
//! The sentences are fixed texts: nothing the client sent is ever echoed, and they serve as bounded labels.

use http::StatusCode;

/// Why a connection was refused or given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Violation {
    // Request line
    LeadingEmptyLine,
    MethodInvalid,
    MethodRefused,
    RequestLineSpacing,
    TargetByte,
    TargetFragment,
    TargetForm,
    TargetAsterisk,
    TargetAuthority,
    TargetTooLong,
    VersionInvalid,
    VersionMissing,
    VersionUnsupported,
    Http2Preface,
    // Field lines
    BareLf,
    BareCr,
    Folding,
    NameEmpty,
    NameInvalid,
    SpaceBeforeColon,
    NameDisguised,
    ValueControl,
    HeadTooLarge,
    TooManyFields,
    // Fields that decide where a message ends or whom it is for
    LengthInvalid,
    LengthOverflow,
    LengthRepeated,
    LengthAndCoding,
    CodingUnsupported,
    CodingRepeated,
    CodingInHttp10,
    HostMissing,
    HostRepeated,
    HostInvalid,
    HostMismatch,
    HopByHopFraming,
    ExpectationUnknown,
    // Chunked bodies
    ChunkSize,
    ChunkSizeOverflow,
    ChunkExtension,
    ChunkEnd,
    Trailer,
    // Slow clients
    HeadTimeout,
    BodyTimeout,
    IdleTimeout,
    WriteStall,
}

impl Violation {
    /// What to answer, or `None` where the connection is closed without a word: a client that asked nothing
    /// must not find an answer to its next request already waiting.
    pub(crate) const fn status(self) -> Option<StatusCode> {
        self.rule().0
    }

    /// The error code of the answer: a bounded label.
    pub(crate) const fn code(self) -> &'static str {
        match self.status() {
            Some(StatusCode::METHOD_NOT_ALLOWED) => "method_not_allowed",
            Some(StatusCode::REQUEST_TIMEOUT) => "request_timeout",
            Some(StatusCode::URI_TOO_LONG) => "uri_too_long",
            Some(StatusCode::EXPECTATION_FAILED) => "expectation_failed",
            Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE) => "headers_too_large",
            Some(StatusCode::NOT_IMPLEMENTED) => "not_implemented",
            Some(StatusCode::HTTP_VERSION_NOT_SUPPORTED) => "http_version_not_supported",
            _ => "malformed_request",
        }
    }

    /// One sentence for the client and the log.
    pub(crate) const fn reason(self) -> &'static str {
        self.rule().1
    }

    const fn rule(self) -> (Option<StatusCode>, &'static str) {
        use Violation as V;
        const MALFORMED: Option<StatusCode> = Some(StatusCode::BAD_REQUEST);
        const UNSUPPORTED: Option<StatusCode> = Some(StatusCode::HTTP_VERSION_NOT_SUPPORTED);
        const TOO_LARGE: Option<StatusCode> = Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        const TOO_SLOW: Option<StatusCode> = Some(StatusCode::REQUEST_TIMEOUT);
        match self {
            V::LeadingEmptyLine => (MALFORMED, "an empty line before the request line"),
            V::MethodInvalid => (MALFORMED, "the method is not a token of at most 32 characters"),
            V::MethodRefused => (Some(StatusCode::METHOD_NOT_ALLOWED), "TRACE and CONNECT are not served"),
            V::RequestLineSpacing => (MALFORMED, "the request line must be separated by single spaces"),
            V::TargetByte => (MALFORMED, "a character in the request target that must be percent-encoded"),
            V::TargetFragment => (MALFORMED, "a fragment in the request target"),
            V::TargetForm => (MALFORMED, "the request target is neither a path nor an http URI"),
            V::TargetAsterisk => (MALFORMED, "the target * belongs to OPTIONS only"),
            V::TargetAuthority => (MALFORMED, "the authority of the request target is malformed"),
            V::TargetTooLong => (Some(StatusCode::URI_TOO_LONG), "the request line is longer than 32 KiB"),
            V::VersionInvalid => (MALFORMED, "the request line does not end in an HTTP version"),
            V::VersionMissing => (UNSUPPORTED, "a request without an HTTP version"),
            V::VersionUnsupported => (UNSUPPORTED, "this listener speaks HTTP/1.1 and HTTP/1.0"),
            V::Http2Preface => (UNSUPPORTED, "this listener does not speak HTTP/2"),
            V::BareLf => (MALFORMED, "a line feed without a carriage return"),
            V::BareCr => (MALFORMED, "a carriage return without a line feed"),
            V::Folding => (MALFORMED, "a header line that starts with white space"),
            V::NameEmpty => (MALFORMED, "a header without a name"),
            V::NameInvalid => (MALFORMED, "a header name with a character that is not allowed"),
            V::SpaceBeforeColon => (MALFORMED, "white space between a header name and its colon"),
            V::NameDisguised => (MALFORMED, "a framing header spelled with underscores"),
            V::ValueControl => (MALFORMED, "a control character in a header value"),
            V::HeadTooLarge => (TOO_LARGE, "the request head is larger than 32 KiB"),
            V::TooManyFields => (TOO_LARGE, "the request has more than 100 headers"),
            V::LengthInvalid => (MALFORMED, "content-length is not a decimal number"),
            V::LengthOverflow => (MALFORMED, "content-length is too large"),
            V::LengthRepeated => (MALFORMED, "more than one content-length"),
            V::LengthAndCoding => (MALFORMED, "content-length beside transfer-encoding"),
            V::CodingUnsupported => {
                (Some(StatusCode::NOT_IMPLEMENTED), "the only transfer-encoding served is chunked")
            }
            V::CodingRepeated => (MALFORMED, "more than one transfer-encoding"),
            V::CodingInHttp10 => (MALFORMED, "transfer-encoding in an HTTP/1.0 request"),
            V::HostMissing => (MALFORMED, "the host header is missing"),
            V::HostRepeated => (MALFORMED, "more than one host header"),
            V::HostInvalid => (MALFORMED, "the host header is malformed"),
            V::HostMismatch => (MALFORMED, "the host header differs from the request target"),
            V::HopByHopFraming => {
                (MALFORMED, "connection or upgrade names host, content-length or transfer-encoding")
            }
            V::ExpectationUnknown => {
                (Some(StatusCode::EXPECTATION_FAILED), "the only expectation served is 100-continue")
            }
            V::ChunkSize => (MALFORMED, "a chunk size is not a hexadecimal number"),
            V::ChunkSizeOverflow => (MALFORMED, "a chunk size is too large"),
            V::ChunkExtension => (MALFORMED, "chunk extensions are not accepted"),
            V::ChunkEnd => (MALFORMED, "a chunk is longer or shorter than its size"),
            V::Trailer => (MALFORMED, "trailers are not accepted"),
            V::HeadTimeout => (TOO_SLOW, "the request head did not arrive in time"),
            V::BodyTimeout => (TOO_SLOW, "the request body arrives too slowly"),
            V::IdleTimeout => (None, "no request arrived in time"),
            V::WriteStall => (None, "the client does not take its answer"),
        }
    }
}
