//! A title for a conversation that was given none: the first line of its first message.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// In characters.
const LONGEST: usize = 60;

/// The first line with anything in it, of the first part that is text; empty if there is none.
pub(crate) fn title_of(content: &RawValue) -> String {
    let parts: Vec<Part<'_>> = serde_json::from_str(content.get()).unwrap_or_default();
    let text = parts.iter().find(|part| part.kind == "text").and_then(|part| part.text.as_deref());
    let line = text.unwrap_or_default().lines().map(str::trim).find(|line| !line.is_empty());
    shortened(line.unwrap_or_default())
}

/// Only what is needed, borrowed: a part may be an image of several megabytes.
#[derive(Deserialize)]
struct Part<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
}

fn shortened(line: &str) -> String {
    if line.chars().count() <= LONGEST {
        return line.to_owned();
    }
    let mut title: String = line.chars().take(LONGEST - 1).collect();
    title.truncate(title.trim_end().len());
    title.push('…');
    title
}

#[cfg(test)]
mod tests {
    use super::*;

    fn title(content: &str) -> String {
        title_of(&RawValue::from_string(content.to_owned()).unwrap())
    }

    #[test]
    fn the_first_line_of_the_first_text_is_the_title() {
        assert_eq!(
            title(r#"[{"type":"text","text":"\n  Hello \"there\"\r\nsecond line"}]"#),
            "Hello \"there\""
        );
        assert_eq!(
            title(r#"[{"type":"image_url","image_url":{"url":"x"}},{"type":"text","text":"What is it?"}]"#),
            "What is it?"
        );
    }

    #[test]
    fn a_long_line_is_cut_at_a_character() {
        let title = title(&format!(r#"[{{"type":"text","text":"{}"}}]"#, "ä".repeat(200)));
        assert_eq!(title.chars().count(), 60);
        assert!(title.ends_with("ä…"));
    }

    #[test]
    fn without_text_there_is_no_title() {
        assert_eq!(title("[]"), "");
        assert_eq!(title(r#"[{"type":"text"}]"#), "");
        assert_eq!(title(r#""not an array""#), "");
    }
}
