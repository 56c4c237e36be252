//! Images and documents, from the address or the data that a caller gives them by.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
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
    let text = is_text.then(|| String::from_utf8(STANDARD.decode(data).ok()?).ok()).flatten()?;
    Some(Source::Text { media_type: "text/plain", data: text })
}

fn at_address(url: &str) -> Option<Source<'_>> {
    url.starts_with("https:").then_some(Source::Url { url })
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
        for url in [
            "data:application/zip;base64,UEs=",
            "data:text/plain;base64,/w==",
            "data:text/plain;base64,Z",
            "data:text/plain,a",
        ] {
            assert!(document(url).is_none(), "{url}");
        }
    }
}
