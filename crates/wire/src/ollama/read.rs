//! Answers, whole and line by line: they have the same form.
//!
//! `prompt_eval_count` includes `prompt_eval_cached_count`, and `eval_count` includes thoughts, which are not counted
//! apart. Servers of before 2024-07 counted only what they evaluated of a prompt, and left the count out if all of
//! it was cached. How long such a prompt was nobody knows; so that is no report, and the caller estimates.

use domain::{FinishReason, Usage};

use crate::event::{Answer, Choice, Event, Malformed, ToolFragment, UpstreamError};
use crate::json::{Fault, FaultKind, Kind, Scanner, Text};
use crate::openai::{count, read_failure};
use crate::provider::StreamReader;
use crate::sse::Frame;

/// Of one answer, so that a small hostile text cannot become a large structure.
const MAX_TOOL_CALLS: u32 = 1024;

/// Reads the body of a successful unary call.
pub(super) fn read_answer(body: &[u8]) -> Result<Answer<'_>, Malformed> {
    let line = Line::read(body, 0)?;
    if line.error.is_none() && !line.done {
        return Err(Malformed::new("an answer that is not done"));
    }
    let Event { choices, usage, error, .. } = line.event(0)?;
    Ok(Answer { choices, usage, error })
}

/// Reads the lines of one stream. Anything less than a line that says `done` is a cut.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Tool calls so far: each comes whole, and the server's own numbers are newer than many servers.
    tools: u32,
    done: bool,
}

impl StreamReader for Reader {
    fn read<'a>(&mut self, frame: &'a Frame) -> Result<Option<Event<'a>>, Malformed> {
        if self.done {
            return Ok(None);
        }
        let line = Line::read(&frame.data, self.tools)?;
        let event = line.event(self.tools)?;
        let tools = event.choices.iter().map(|choice| choice.tools.len()).sum::<usize>();
        self.tools = self.tools.saturating_add(u32::try_from(tools).unwrap_or(u32::MAX));
        self.done = event.done;
        Ok(Some(event))
    }

    fn end(&self) -> Result<(), Malformed> {
        if self.done { Ok(()) } else { Err(Malformed::new("the stream ends before it is done")) }
    }
}

#[derive(Default)]
struct Line<'a> {
    message: Option<Choice<'a>>,
    done: bool,
    reason: Text<'a>,
    prompt: Option<u64>,
    cached: Option<u64>,
    output: Option<u64>,
    error: Option<UpstreamError>,
}

impl<'a> Line<'a> {
    /// `tools`: calls of earlier lines.
    fn read(data: &'a [u8], tools: u32) -> Result<Self, Malformed> {
        let mut scanner = Scanner::new(data)?;
        let mut line = Self::default();
        let mut object = scanner.object()?;
        while let Some(name) = scanner.member(&mut object)? {
            match &*name.decode() {
                "message" if !scanner.null()? => line.message = Some(message(&mut scanner, tools)?),
                "done" if !scanner.null()? => line.done = scanner.boolean()?,
                "done_reason" if !scanner.null()? => line.reason = scanner.string()?,
                "error" if !scanner.null()? => line.error = Some(read_failure(&mut scanner)?),
                "message" | "done" | "done_reason" | "error" => {}
                "prompt_eval_count" => line.prompt = count(&mut scanner)?,
                "prompt_eval_cached_count" => line.cached = count(&mut scanner)?,
                "eval_count" => line.output = count(&mut scanner)?,
                _ => drop(scanner.skip()?),
            }
        }
        scanner.end()?;
        Ok(line)
    }

    /// `tools`: calls of earlier lines.
    fn event(self, tools: u32) -> Result<Event<'a>, Malformed> {
        if self.error.is_some() {
            return Ok(Event { error: self.error, ..Event::default() });
        }
        if self.message.is_none() && !self.done {
            return Err(Malformed::new("a line without a message"));
        }
        let usage = self.usage();
        let mut choice = self.message.unwrap_or_default();
        if self.done {
            let called = tools > 0 || !choice.tools.is_empty();
            choice.finish = Some(finish_reason(self.reason, called));
        }
        Ok(Event { choices: vec![choice], usage, error: None, done: self.done })
    }

    fn usage(&self) -> Option<Usage> {
        let prompt = self.prompt?;
        let cached_input = self.cached.unwrap_or(0).min(prompt);
        let input = prompt.saturating_sub(cached_input);
        Some(Usage { input, cached_input, output: self.output.unwrap_or(0), ..Usage::default() })
    }
}

/// A call for a tool ends an answer like any other. Early servers give no reason; `load` and `unload` are no answers.
fn finish_reason(reason: Text<'_>, called: bool) -> FinishReason {
    match &*reason.decode() {
        "" | "stop" if called => FinishReason::ToolCalls,
        "" | "stop" => FinishReason::Stop,
        "length" => FinishReason::Length,
        _ => FinishReason::Other,
    }
}

fn message<'a>(scanner: &mut Scanner<'a>, tools: u32) -> Result<Choice<'a>, Fault> {
    let mut choice = Choice::default();
    let mut object = scanner.object()?;
    while let Some(name) = scanner.member(&mut object)? {
        match &*name.decode() {
            "content" if !scanner.null()? => choice.text = scanner.string()?,
            "thinking" if !scanner.null()? => choice.reasoning = scanner.string()?,
            "tool_calls" if !scanner.null()? => tool_calls(scanner, tools, &mut choice.tools)?,
            // What an image model paints.
            "images" if !scanner.null()? => {
                let mut array = scanner.array()?;
                while scanner.element(&mut array)? {
                    scanner.skip()?;
                    choice.opaque = true;
                }
            }
            "content" | "thinking" | "tool_calls" | "images" => {}
            _ => drop(scanner.skip()?),
        }
    }
    Ok(choice)
}

fn tool_calls<'a>(
    scanner: &mut Scanner<'a>,
    mut index: u32,
    calls: &mut Vec<ToolFragment<'a>>,
) -> Result<(), Fault> {
    let mut array = scanner.array()?;
    while scanner.element(&mut array)? {
        if index >= MAX_TOOL_CALLS {
            return Err(scanner.fault(FaultKind::Kind("at most 1024 tool calls")));
        }
        calls.push(tool_call(scanner, index)?);
        index += 1;
    }
    Ok(())
}

/// Servers before 0.12.10 give no `id`.
fn tool_call<'a>(scanner: &mut Scanner<'a>, index: u32) -> Result<ToolFragment<'a>, Fault> {
    let mut call = ToolFragment { index, arguments: Text::plain("{}"), ..ToolFragment::default() };
    let mut object = scanner.object()?;
    while let Some(name) = scanner.member(&mut object)? {
        match &*name.decode() {
            "id" if !scanner.null()? => call.id = scanner.string()?,
            "function" if !scanner.null()? => function(scanner, &mut call)?,
            "id" | "function" => {}
            _ => drop(scanner.skip()?),
        }
    }
    if call.name.is_empty() {
        return Err(scanner.fault(FaultKind::Kind("the name of a function")));
    }
    Ok(call)
}

fn function<'a>(scanner: &mut Scanner<'a>, call: &mut ToolFragment<'a>) -> Result<(), Fault> {
    let mut object = scanner.object()?;
    while let Some(name) = scanner.member(&mut object)? {
        match &*name.decode() {
            "name" => call.name = scanner.string()?,
            "arguments" => match scanner.peek()? {
                Kind::Object => call.arguments = Text::plain(scanner.value()?),
                Kind::Null => drop(scanner.null()?),
                _ => return Err(scanner.fault(FaultKind::Kind("an object"))),
            },
            _ => drop(scanner.skip()?),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::lines::Parser;

    fn frame(line: &str) -> Frame {
        let data = Bytes::copy_from_slice(line.as_bytes());
        Frame { raw: data.clone(), canonical: false, name: None, data }
    }

    /// The finish reason and the tool calls of a whole stream.
    fn read(lines: &[&str]) -> (Option<FinishReason>, Vec<(u32, String, String)>) {
        let mut reader = Reader::default();
        let (mut finish, mut tools) = (None, Vec::new());
        for line in lines {
            let frame = frame(line);
            for choice in reader.read(&frame).unwrap().unwrap().choices {
                assert!(finish.is_none());
                finish = choice.finish;
                let text = |text: Text<'_>| text.decode().into_owned();
                tools.extend(choice.tools.iter().map(|t| (t.index, text(t.name), text(t.arguments))));
            }
        }
        assert_eq!(reader.end().is_ok(), finish.is_some());
        (finish, tools)
    }

    const STOP: &str = r#"{"message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"}"#;

    #[test]
    fn tool_calls_are_numbered_over_all_lines_and_keep_their_arguments_as_they_are_spelled() {
        let (finish, tools) = read(&[
            r#"{"message":{"tool_calls":[{"function":{"name":"a","arguments":{"x": 1.0,"y":"\u00e9"}}}]},"done":false}"#,
            r#"{"message":{"tool_calls":[{"function":{"index":0,"name":"b"}},{"function":{"name":"a","arguments":null}}]},"done":false}"#,
            STOP,
        ]);
        let expected = [(0, "a", r#"{"x": 1.0,"y":"\u00e9"}"#), (1, "b", "{}"), (2, "a", "{}")];
        assert_eq!(tools, expected.map(|(index, name, arguments)| (index, name.into(), arguments.into())));
        assert_eq!(finish, Some(FinishReason::ToolCalls));
    }

    #[test]
    fn reasons_have_their_meaning() {
        let finish = |reason: &str| read(&[&format!(r#"{{"done":true,"done_reason":{reason}}}"#)]).0.unwrap();
        assert_eq!(finish(r#""stop""#), FinishReason::Stop);
        assert_eq!(finish("null"), FinishReason::Stop);
        assert_eq!(finish(r#""length""#), FinishReason::Length);
        assert_eq!(finish(r#""load""#), FinishReason::Other);
        assert_eq!(finish(r#""unload""#), FinishReason::Other);
    }

    #[test]
    fn an_answer_that_runs_into_its_limit_after_a_call_is_cut_and_not_called() {
        let call = r#"{"message":{"tool_calls":[{"function":{"name":"a","arguments":{}}}]},"done":false}"#;
        let (finish, _) = read(&[call, r#"{"message":{"content":""},"done":true,"done_reason":"length"}"#]);
        assert_eq!(finish, Some(FinishReason::Length));
    }

    #[test]
    fn cached_tokens_are_taken_out_of_the_prompts() {
        let usage = |counts: &str| {
            let line = format!(r#"{{"message":{{"content":"a"}},"done":true{counts}}}"#);
            read_answer(line.as_bytes()).unwrap().usage
        };
        assert_eq!(
            usage(r#","prompt_eval_count":40,"prompt_eval_cached_count":32,"eval_count":5"#),
            Some(Usage { input: 8, cached_input: 32, output: 5, ..Usage::default() })
        );
        assert_eq!(
            usage(r#","prompt_eval_count":4,"prompt_eval_cached_count":9"#),
            Some(Usage { cached_input: 4, ..Usage::default() })
        );
    }

    #[test]
    fn a_count_of_the_answer_alone_is_no_report() {
        let answer = read_answer(br#"{"message":{"content":"a"},"done":true,"eval_count":5}"#).unwrap();
        assert_eq!(answer.usage, None);
    }

    #[test]
    fn nothing_but_done_ends_a_stream() {
        let mut reader = Reader::default();
        assert!(reader.end().is_err());
        let line = frame(r#"{"message":{"content":"a"},"done":false,"done_reason":"stop"}"#);
        assert_eq!(reader.read(&line).unwrap().unwrap().choices[0].finish, None);
        assert!(reader.end().is_err());
        reader.read(&frame(STOP)).unwrap();
        assert!(reader.end().is_ok());
        assert_eq!(reader.read(&frame("{garbage")), Ok(None));
    }

    #[test]
    fn an_error_in_place_of_a_line_is_no_end() {
        let mut reader = Reader::default();
        let line = frame(r#"{"error":"llama runner process has terminated"}"#);
        let event = reader.read(&line).unwrap().unwrap();
        assert!(event.error.is_some_and(|error| error.message.is_none()));
        assert!(reader.end().is_err());
    }

    #[test]
    fn what_is_no_answer_is_malformed() {
        for body in [
            r#"{"message":{"content":"a"}}"#,
            r#"{"message":{"content":"a"},"done":false}"#,
            r#"{"response":"a","done":false}"#,
            r#"{"message":"a","done":true}"#,
            r#"{"message":{"content":["a"]},"done":true}"#,
            r#"{"message":{"tool_calls":[{}]},"done":true}"#,
            r#"{"message":{"tool_calls":[{"function":{"name":"a","arguments":"{}"}}]},"done":true}"#,
            r#"{"message":{"content":"a"},"done":"true"}"#,
            r#"[{"message":{"content":"a"},"done":true}]"#,
        ] {
            assert!(read_answer(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn calls_are_bounded_over_all_lines() {
        let call = r#"{"function":{"name":"a"}}"#;
        let line = format!(r#"{{"message":{{"tool_calls":[{}]}}}}"#, vec![call; 600].join(","));
        let mut reader = Reader::default();
        let frame = frame(&line);
        assert!(reader.read(&frame).is_ok());
        assert!(reader.read(&frame).is_err());
    }

    fn story(body: &[u8], piece: usize) -> String {
        let mut parser = Parser::new(1 << 12);
        let mut reader = Reader::default();
        let mut story = String::new();
        for piece in body.chunks(piece) {
            parser.push(Bytes::copy_from_slice(piece));
            while let Ok(Some(frame)) = parser.next() {
                story += &format!("{:?}\n", reader.read(&frame));
            }
        }
        story += &parser.finish().map_or_else(String::new, |last| format!("{:?}\n", reader.read(&last)));
        story + &format!("{:?}", reader.end())
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_alike_in_any_pieces(bytes: Vec<u8>, piece in 1_usize..16) {
            prop_assert_eq!(story(&bytes, piece), story(&bytes, usize::MAX));
            let _ = read_answer(&bytes);
        }

        #[test]
        fn lines_of_many_a_token_are_read_alike_in_any_pieces(
            tokens in prop::collection::vec(prop::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\n", " ", "null", "true", "1", "-1", "\"\"", "\"message\":", "\"done\":",
                "\"done_reason\":", "\"error\":", "\"tool_calls\":", "\"function\":", "\"name\":", "\"arguments\":",
                "{\"message\":{\"content\":\"a\"},\"done\":false}\n", STOP, "\"eval_count\":", "\"é\\u00e9\"",
            ]), 0..40),
            piece in 1_usize..16,
        ) {
            let body = tokens.concat();
            prop_assert_eq!(story(body.as_bytes(), piece), story(body.as_bytes(), usize::MAX));
        }
    }
}
