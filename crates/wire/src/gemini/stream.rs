//! Whether a stream told its whole story.
//!
//! There is no terminator. What a cut cannot imitate is a finish reason, so the stream is complete if every candidate
//! that began has one; usage may come beside it or behind it. A failure that the gateway writes into a begun stream
//! without the form of an event is not seen, and so counts as the cut that it is.
//!
//! The counts on the way are of what had been counted by then, at first the prompt alone. They are kept until the end is
//! told: a stream that is cut before has no usage, rather than one that leaves the output out.

use crate::event::{Event, Malformed};
use crate::gemini::read::{Progress, Response};
use crate::provider::StreamReader;
use crate::sse::Frame;

#[derive(Debug, Default)]
pub(super) struct Reader {
    progress: Progress,
}

impl StreamReader for Reader {
    fn read<'a>(&mut self, frame: &'a Frame) -> Result<Option<Event<'a>>, Malformed> {
        let Response { choices, usage, error, recognised } = Response::read(&frame.data, &mut self.progress)?;
        if !recognised {
            return Err(Malformed::new("an event without candidates"));
        }
        let usage = usage.filter(|_| self.progress.counted());
        Ok(Some(Event { choices, usage, error, done: false }))
    }

    fn end(&self) -> Result<(), Malformed> {
        if self.progress.finished() {
            Ok(())
        } else {
            Err(Malformed::new("the stream ends before every candidate was finished"))
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use domain::{FinishReason, Usage};
    use proptest::prelude::*;

    use super::*;
    use crate::sse::Parser;

    const BEGIN: &str = r#"{"candidates":[{"content":{"parts":[{"text":"a"}],"role":"model"},"index":0}]}"#;
    const CALL: &str = r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{}},
        "thoughtSignature":"QQ=="}]},"index":0}]}"#;
    const STOP: &str =
        r#"{"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"STOP","index":0}]}"#;
    const OTHER: &str = r#"{"candidates":[{"content":{"parts":[{"text":"b"}]},"index":1}]}"#;
    const USAGE: &str = r#"{"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":1}}"#;

    fn frame(data: &str) -> Frame {
        let data = Bytes::copy_from_slice(data.as_bytes());
        Frame { raw: Bytes::new(), canonical: false, name: None, data }
    }

    fn read_all(payloads: &[&str]) -> Result<Reader, Malformed> {
        let mut reader = Reader::default();
        for payload in payloads {
            reader.read(&frame(payload))?;
        }
        Ok(reader)
    }

    #[test]
    fn an_ending_is_truthful_once_every_candidate_that_began_has_finished() {
        assert!(read_all(&[BEGIN, STOP]).unwrap().end().is_ok());
        assert!(read_all(&[BEGIN, STOP, USAGE]).unwrap().end().is_ok());
        assert!(read_all(&[BEGIN, OTHER, STOP]).unwrap().end().is_err());
        assert!(read_all(&[BEGIN, USAGE]).unwrap().end().is_err());
        assert!(read_all(&[USAGE]).unwrap().end().is_err());
        assert!(read_all(&[]).unwrap().end().is_err());
    }

    #[test]
    fn what_is_counted_before_the_end_is_not_the_usage() {
        let with_usage = |payload: &str, usage: &str| {
            format!(r#"{},"usageMetadata":{{{usage}}}}}"#, payload.strip_suffix('}').unwrap())
        };
        let begin = with_usage(BEGIN, r#""promptTokenCount":3,"totalTokenCount":3"#);
        let stop = with_usage(STOP, r#""candidatesTokenCount":5"#);
        let usage_of = |payloads: &[&str]| {
            let (last, before) = payloads.split_last().unwrap();
            let last = frame(last);
            read_all(before).unwrap().read(&last).unwrap().unwrap().usage
        };
        let whole = Some(Usage { input: 3, output: 5, ..Usage::default() });
        assert_eq!(usage_of(&[&begin]), None);
        assert_eq!(usage_of(&[USAGE]), None);
        assert_eq!(usage_of(&[&begin, &stop]), whole);
        assert_eq!(usage_of(&[OTHER, &begin, &stop]), None, "one of two goes on");
        assert_eq!(usage_of(&[&begin, STOP]), None, "what was counted before is not the whole");
        let failed = stop.replace("STOP", "OTHER");
        assert_eq!(usage_of(&[&begin, &failed]), whole, "it cost what it cost");
        let blocked = r#"{"usageMetadata":{"promptTokenCount":4},"promptFeedback":{"blockReason":"SAFETY"}}"#;
        assert_eq!(usage_of(&[blocked]), Some(Usage { input: 4, ..Usage::default() }));
    }

    #[test]
    fn an_abnormal_ending_is_an_error_and_no_end() {
        for reason in ["OTHER", "LANGUAGE", "SOMETHING_NEW"] {
            let mut reader = read_all(&[BEGIN]).unwrap();
            let last = frame(&STOP.replace("STOP", reason));
            let event = reader.read(&last).unwrap().unwrap();
            assert_eq!(event.choices.iter().find_map(|choice| choice.finish), None, "{reason}");
            assert!(event.error.is_some(), "{reason}");
            assert!(reader.end().is_err(), "{reason}");
        }
    }

    #[test]
    fn a_refused_prompt_is_an_ending() {
        let blocked = r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}"#;
        assert!(read_all(&[blocked]).unwrap().end().is_ok());
    }

    #[test]
    fn tool_calls_are_counted_over_the_whole_stream() {
        let mut reader = read_all(&[CALL]).unwrap();
        let frame_of_call = frame(CALL);
        let event = reader.read(&frame_of_call).unwrap().unwrap();
        assert_eq!(event.choices[0].tools[0].index, 1);
        assert_eq!(event.choices[1].signature.unwrap().tool, Some(1));
        let stop = frame(STOP);
        let event = reader.read(&stop).unwrap().unwrap();
        assert_eq!(event.choices[0].finish, Some(FinishReason::ToolCalls));
    }

    #[test]
    fn the_reason_is_told_once_and_nothing_is_said_behind_it() {
        let mut reader = read_all(&[BEGIN, STOP]).unwrap();
        let again = frame(STOP);
        assert_eq!(reader.read(&again).unwrap().unwrap().choices, []);
        assert!(reader.read(&frame(BEGIN)).is_err());
    }

    #[test]
    fn what_is_no_response_is_malformed() {
        for payload in ["{}", "[]", "1", "", "[DONE]", r#"{"choices":[]}"#, r#"{"candidates":{}}"#] {
            assert!(read_all(&[payload]).is_err(), "{payload}");
        }
    }

    #[test]
    fn an_error_in_an_array_is_one() {
        let wrapped = frame(r#"[{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}]"#);
        assert!(Reader::default().read(&wrapped).unwrap().unwrap().error.is_some());
    }

    proptest! {
        #[test]
        fn no_bytes_at_any_split_make_it_panic(
            payloads in prop::collection::vec(
                prop_oneof![
                    prop::sample::select(vec![BEGIN, CALL, STOP, OTHER, USAGE]).prop_map(|s| s.as_bytes().to_vec()),
                    any::<Vec<u8>>(),
                ],
                0..6,
            ),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
            piece in 1_usize..64,
        ) {
            let mut stream: Vec<u8> =
                payloads.iter().flat_map(|payload| [b"data: ", &payload[..], b"\n\n"].concat()).collect();
            for (at, byte) in damage {
                if !stream.is_empty() {
                    let at = at.index(stream.len());
                    stream[at] = byte;
                }
            }
            let read = |piece: usize| {
                let (mut parser, mut reader, mut told) = (Parser::default(), Reader::default(), String::new());
                for piece in stream.chunks(piece) {
                    parser.push(Bytes::copy_from_slice(piece));
                    while let Ok(Some(frame)) = parser.next() {
                        told += &format!("{:?}", reader.read(&frame));
                    }
                }
                (told, reader.end())
            };
            prop_assert_eq!(read(piece), read(usize::MAX));
        }
    }
}
