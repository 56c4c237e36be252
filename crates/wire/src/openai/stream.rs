//! Whether a stream told its whole story.
//!
//! A stream that is cut looks like one that ended unless somebody insists on the ending. Here it takes the
//! terminator `[DONE]`, and before it a finish reason for every choice that was begun; the end of the body is no
//! evidence of anything.

use crate::event::{Event, Malformed, UpstreamError, UpstreamKind};
use crate::openai::read_chunk;
use crate::sse::Frame;

/// Reads the events of one stream and remembers what is still owed. Choices are at most 128, as `n` is.
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamReader {
    begun: u128,
    finished: u128,
    done: bool,
}

impl StreamReader {
    /// The meaning of the next frame; none after the terminator, where nothing means anything.
    ///
    /// # Errors
    /// If the payload is malformed, or is the terminator while a choice is unfinished.
    pub fn read<'a>(&mut self, frame: &'a Frame) -> Result<Option<Event<'a>>, Malformed> {
        if self.done {
            return Ok(None);
        }
        let mut event = read_chunk(&frame.data)?;
        if frame.name.as_deref() == Some(b"error") && event.error.is_none() {
            event.error = Some(UpstreamError::silent(UpstreamKind::Server));
        }
        for choice in &event.choices {
            let bit = 1_u128.checked_shl(choice.index);
            let bit = bit.ok_or(Malformed::new("a choice with an index above 127"))?;
            self.begun |= bit;
            if choice.finish.is_some() {
                self.finished |= bit;
            }
        }
        if event.done {
            if self.begun == 0 || self.begun != self.finished {
                return Err(Malformed::new("[DONE] before every choice was finished"));
            }
            self.done = true;
        }
        Ok(Some(event))
    }

    /// To be asked at the end of the body.
    ///
    /// # Errors
    /// If the terminator has not been seen.
    pub const fn end(&self) -> Result<(), Malformed> {
        if self.done { Ok(()) } else { Err(Malformed::new("the stream ends without [DONE]")) }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn frame(data: &'static str) -> Frame {
        Frame { raw: Bytes::new(), canonical: false, name: None, data: Bytes::from_static(data.as_bytes()) }
    }

    const TEXT_0: &str = r#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#;
    const TEXT_1: &str = r#"{"choices":[{"index":1,"delta":{"content":"b"},"finish_reason":null}]}"#;
    const STOP_0: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    const STOP_1: &str = r#"{"choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}"#;

    fn read_all(payloads: &[&'static str]) -> Result<StreamReader, Malformed> {
        let mut reader = StreamReader::default();
        for payload in payloads {
            reader.read(&frame(payload))?;
        }
        Ok(reader)
    }

    #[test]
    fn a_finished_stream_ends_truthfully() {
        assert!(read_all(&[TEXT_0, TEXT_1, STOP_1, STOP_0, "[DONE]"]).unwrap().end().is_ok());
    }

    #[test]
    fn the_end_of_the_body_is_no_terminator() {
        assert!(read_all(&[TEXT_0, STOP_0]).unwrap().end().is_err());
        assert!(read_all(&[]).unwrap().end().is_err());
    }

    #[test]
    fn the_terminator_is_a_lie_while_a_choice_is_unfinished() {
        assert!(read_all(&[TEXT_0, "[DONE]"]).is_err());
        assert!(read_all(&[TEXT_0, TEXT_1, STOP_0, "[DONE]"]).is_err());
        assert!(read_all(&["[DONE]"]).is_err());
    }

    #[test]
    fn whatever_follows_the_terminator_is_ignored() {
        let mut reader = read_all(&[TEXT_0, STOP_0, "[DONE]"]).unwrap();
        assert_eq!(reader.read(&frame("{garbage")), Ok(None));
        assert!(reader.end().is_ok());
    }

    #[test]
    fn an_index_no_request_can_have_asked_for_is_malformed() {
        let mut reader = StreamReader::default();
        assert!(reader.read(&frame(r#"{"choices":[{"index":128,"delta":{}}]}"#)).is_err());
    }

    #[test]
    fn a_choice_that_failed_is_an_error_and_not_an_end() {
        for failed in [
            r#"{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}"#,
            r#"{"choices":[{"index":0,"delta":{},"finish_reason":"error","error":{"code":502,"message":"secret"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{},"error":{"message":"secret"}}]}"#,
        ] {
            let error = crate::openai::read_chunk(failed.as_bytes()).unwrap().error;
            assert_eq!(
                error.map(|error| (error.kind, error.message)),
                Some((UpstreamKind::Server, None)),
                "{failed}"
            );
        }
        let fine = r#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null,"error":null}]}"#;
        assert_eq!(crate::openai::read_chunk(fine.as_bytes()).unwrap().error, None);
    }

    #[test]
    fn a_member_that_is_null_is_as_good_as_absent() {
        let members =
            ["content", "refusal", "reasoning", "reasoning_content", "audio", "tool_calls", "function_call"];
        for member in members {
            let chunk =
                format!(r#"{{"choices":[{{"index":0,"delta":{{"{member}":null,"role":"assistant"}}}}]}}"#);
            let event = crate::openai::read_chunk(chunk.as_bytes());
            assert!(!event.unwrap_or_else(|fault| panic!("{member}: {fault}")).commits(), "{member}");
        }
        for member in ["usage", "error", "system_fingerprint"] {
            let chunk = format!(
                r#"{{"{member}":null,"choices":[{{"index":null,"delta":null,"finish_reason":null}}]}}"#
            );
            assert!(crate::openai::read_chunk(chunk.as_bytes()).is_ok(), "{member}");
        }
    }

    #[test]
    fn an_empty_finish_reason_is_none() {
        let open = r#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":""}]}"#;
        assert!(read_all(&[open, "[DONE]"]).is_err());
        assert!(read_all(&[open, STOP_0, "[DONE]"]).unwrap().end().is_ok());
    }

    #[test]
    fn a_small_text_cannot_become_a_large_structure() {
        let many = |item: &str, count| [item].repeat(count).join(",");
        let choices = |count| format!(r#"{{"choices":[{}]}}"#, many("{}", count));
        assert!(read_chunk(choices(128).as_bytes()).is_ok());
        assert!(read_chunk(choices(129).as_bytes()).is_err());
        let tools =
            |count| format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{}]}}}}]}}"#, many("{}", count));
        assert!(read_chunk(tools(1024).as_bytes()).is_ok());
        assert!(read_chunk(tools(1025).as_bytes()).is_err());
    }

    #[test]
    fn an_event_named_error_is_one_whatever_its_payload_says() {
        let mut named = frame(r#"{"choices":[]}"#);
        named.name = Some(Bytes::from_static(b"error"));
        let event = StreamReader::default().read(&named).unwrap().unwrap().error.map(|error| error.kind);
        assert_eq!(event, Some(UpstreamKind::Server));
    }
}
