//! Images and documents, from the address or the data that a caller gives them by.

use serde::Serialize;

use crate::call::data_url;

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Source<'a> {
    Base64 { media_type: &'a str, data: &'a str },
    Url { url: &'a str },
    Text { media_type: &'static str, data: String },
}

/// An image of a kind that the API knows.
pub(super) fn image(url: &str) -> Option<Source<'_>> {
    const MEDIA_TYPES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];
    match data_url(url) {
        Some((media, data)) => {
            let known = MEDIA_TYPES.into_iter().find(|known| known.eq_ignore_ascii_case(media));
            known.map(|media_type| Source::Base64 { media_type, data })
        }
        None => at_address(url),
    }
}

/// A PDF, or a text of any kind. What is behind an address shows only there.
pub(super) fn document(url: &str) -> Option<Source<'_>> {
    let Some((media, data)) = data_url(url) else { return at_address(url) };
    if media.eq_ignore_ascii_case("application/pdf") {
        return Some(Source::Base64 { media_type: "application/pdf", data });
    }
    let is_text = media.get(..5).is_some_and(|kind| kind.eq_ignore_ascii_case("text/"));
    let text = is_text.then(|| String::from_utf8(base64(data)?).ok()).flatten()?;
    Some(Source::Text { media_type: "text/plain", data: text })
}

fn at_address(url: &str) -> Option<Source<'_>> {
    url.starts_with("https:").then_some(Source::Url { url })
}

/// The bytes that `text` stands for (RFC 4648, section 4), with or without padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for group in digits.chunks(4) {
        let mut bits = 0_u32;
        for digit in group {
            let value = match digit {
                b'A'..=b'Z' => digit - b'A',
                b'a'..=b'z' => digit - b'a' + 26,
                b'0'..=b'9' => digit - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(value);
        }
        let [_, whole @ ..] = (bits << (6 * (4 - group.len()))).to_be_bytes();
        bytes.extend_from_slice(whole.get(..group.len().checked_sub(1).filter(|&count| count > 0)?)?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn written(source: Option<Source<'_>>) -> Value {
        serde_json::to_value(source).unwrap()
    }

    #[test]
    fn images_are_carried_in_the_kinds_the_api_knows() {
        assert_eq!(
            written(image("data:IMAGE/PNG;base64,aQ==")),
            json!({"type": "base64", "media_type": "image/png", "data": "aQ=="})
        );
        assert_eq!(written(image("https://x/y.tiff")), json!({"type": "url", "url": "https://x/y.tiff"}));
        for url in ["data:image/tiff;base64,aQ==", "data:image/png,%00", "http://x/y.png", "file-1"] {
            assert!(image(url).is_none(), "{url}");
        }
    }

    #[test]
    fn documents_are_pdfs_texts_and_addresses() {
        assert_eq!(
            written(document("data:application/pdf;base64,JVBERi0=")),
            json!({"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="})
        );
        assert_eq!(
            written(document("data:text/csv;charset=utf-8;base64,w6XCtzE=")),
            json!({"type": "text", "media_type": "text/plain", "data": "å·1"})
        );
        assert_eq!(written(document("https://x/a.pdf")), json!({"type": "url", "url": "https://x/a.pdf"}));
        for url in ["data:application/zip;base64,UEs=", "data:text/plain;base64,/w==", "data:text/plain,a"] {
            assert!(document(url).is_none(), "{url}");
        }
    }

    #[test]
    fn base64_decodes_what_the_standard_says() {
        // RFC 4648, section 10.
        for (text, bytes) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg", "foob")] {
            assert_eq!(base64(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        for text in ["Z", "Zm9vY", "Zm 9", "Zm-_"] {
            assert_eq!(base64(text), None, "{text}");
        }
    }
}
