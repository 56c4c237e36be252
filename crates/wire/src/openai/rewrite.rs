//! Changing what a chunk or an answer says while leaving everything else as the provider wrote it.

use bytes::{Bytes, BytesMut};
use domain::FinishReason;

use crate::event::Malformed;
use crate::json::{Edit, Fault, Kind, Scanner, Span, splice, write_str};
use crate::openai::answer::finish_word;

/// `body`, the payload of a chunk or a unary answer, with `text` as the content of the choice `index` and
/// `finish`, if given, as its finish reason. Log probabilities of that choice are removed: they spell the old text.
///
/// # Errors
/// If the body is malformed or has no such choice.
pub fn rewrite(
    body: &Bytes,
    index: u32,
    text: &str,
    finish: Option<FinishReason>,
) -> Result<Bytes, Malformed> {
    let place = find(body, index)?.ok_or(Malformed::new("no choice of that index"))?;
    let mut content = BytesMut::with_capacity(text.len() + 16);
    let mut edits = Vec::with_capacity(3);
    match place.content {
        Content::Value(span) => {
            write_str(&mut content, text);
            edits.push(Edit { span, with: &content });
        }
        Content::InsertAt { at, comma } => {
            content.extend_from_slice(b"\"content\":");
            write_str(&mut content, text);
            content.extend_from_slice(if comma { b"," } else { b"" });
            edits.push(Edit::insert(at, &content));
        }
    }
    let mut reason = BytesMut::new();
    if let Some(finish) = finish {
        if place.finish.is_none() {
            reason.extend_from_slice(b"\"finish_reason\":");
        }
        write_str(&mut reason, finish_word(finish));
        if place.finish.is_none() {
            reason.extend_from_slice(b",");
        }
        let span = place.finish.unwrap_or(Span { start: place.start, end: place.start });
        edits.push(Edit { span, with: &reason });
    }
    if let Some(span) = place.logprobs {
        edits.push(Edit { span, with: b"null" });
    }
    Ok(splice(body, &mut edits))
}

/// Where a choice keeps what is to be changed.
struct Place {
    /// Behind the opening brace of the choice, which is not empty.
    start: usize,
    content: Content,
    finish: Option<Span>,
    logprobs: Option<Span>,
}

enum Content {
    Value(Span),
    /// There is none; `comma` if another member follows.
    InsertAt {
        at: usize,
        comma: bool,
    },
}

fn find(body: &[u8], index: u32) -> Result<Option<Place>, Fault> {
    let mut scanner = Scanner::new(body)?;
    let mut found = None;
    let mut object = scanner.object()?;
    while let Some(name) = scanner.member(&mut object)? {
        if name.is("choices") && scanner.peek()? == Kind::Array {
            let mut array = scanner.array()?;
            while scanner.element(&mut array)? {
                let (its, place) = choice(&mut scanner)?;
                if its == index {
                    found = place;
                }
            }
        } else {
            scanner.skip()?;
        }
    }
    scanner.end()?;
    Ok(found)
}

fn choice(scanner: &mut Scanner<'_>) -> Result<(u32, Option<Place>), Fault> {
    let (mut index, mut content, mut finish, mut logprobs) = (0, None, None, None);
    let mut object = scanner.object()?;
    let start = scanner.offset();
    while let Some(name) = scanner.member(&mut object)? {
        match &*name.decode() {
            "index" if scanner.peek()? == Kind::Number => {
                index = scanner.number()?.parse().unwrap_or(u32::MAX)
            }
            "finish_reason" => finish = Some(scanner.skip()?),
            "logprobs" => logprobs = Some(scanner.skip()?),
            "delta" | "message" if scanner.peek()? == Kind::Object => content = Some(said(scanner)?),
            _ => drop(scanner.skip()?),
        }
    }
    Ok((index, content.map(|content| Place { start, content, finish, logprobs })))
}

fn said(scanner: &mut Scanner<'_>) -> Result<Content, Fault> {
    let mut object = scanner.object()?;
    let at = scanner.offset();
    let mut content = None;
    let mut comma = false;
    while let Some(name) = scanner.member(&mut object)? {
        let value = scanner.skip()?;
        comma = true;
        if name.is("content") {
            content = Some(value);
        }
    }
    Ok(content.map_or(Content::InsertAt { at, comma }, Content::Value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &'static str, index: u32, finish: Option<FinishReason>, expected: &str) {
        let body = Bytes::from_static(body.as_bytes());
        assert_eq!(rewrite(&body, index, "a\"b", finish).unwrap(), expected);
    }

    #[test]
    fn only_the_content_changes() {
        check(
            r#"{ "x":1e0, "choices":[{"index":0,"delta":{"content":"old","y":[ ]},"finish_reason":null}] }"#,
            0,
            None,
            r#"{ "x":1e0, "choices":[{"index":0,"delta":{"content":"a\"b","y":[ ]},"finish_reason":null}] }"#,
        );
    }

    #[test]
    fn a_cut_answer_says_so_and_keeps_no_log_of_the_rest() {
        check(
            r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"old"},"logprobs":{"content":[]},"finish_reason":"stop"}]}"#,
            0,
            Some(FinishReason::Length),
            r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"a\"b"},"logprobs":null,"finish_reason":"length"}]}"#,
        );
    }

    #[test]
    fn missing_members_are_added() {
        check(
            r#"{"choices":[{"delta":{},"index":2}]}"#,
            2,
            Some(FinishReason::Length),
            r#"{"choices":[{"finish_reason":"length","delta":{"content":"a\"b"},"index":2}]}"#,
        );
        check(
            r#"{"choices":[{"delta":{"role":"assistant"}}]}"#,
            0,
            None,
            r#"{"choices":[{"delta":{"content":"a\"b","role":"assistant"}}]}"#,
        );
    }

    #[test]
    fn the_choice_is_found_by_its_index_wherever_that_stands() {
        check(
            r#"{"choices":[{"index":0,"delta":{"content":"x"}},{"delta":{"content":"y"},"index":1}]}"#,
            1,
            None,
            r#"{"choices":[{"index":0,"delta":{"content":"x"}},{"delta":{"content":"a\"b"},"index":1}]}"#,
        );
        let body = Bytes::from_static(br#"{"choices":[{"index":0,"delta":{"content":"x"}}]}"#);
        assert!(rewrite(&body, 7, "", None).is_err());
    }
}
