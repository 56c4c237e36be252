//! Whether a stream told its whole story.
//!
//! There is no terminator. What a cut cannot imitate is a finish reason, so the stream is complete if every candidate
//! that began has one; usage may come beside it or behind it. A failure that the gateway writes into a begun stream
//! without the form of an event is not seen, and so counts as the cut that it is.

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
    use domain::FinishReason;
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
