//! Responses: the body of an answer, and every event of a stream, which are of one form.
//!
//! A candidate's content is a list of parts; each becomes an entry of its own, so that their order stays. What the
//! events of a stream count on from, [`Progress`] remembers.

use domain::{FinishReason, Usage};

use crate::call::Origin;
use crate::event::{Answer, Choice, Malformed, Signature, ToolFragment, UpstreamError, UpstreamKind};
use crate::gemini::failure;
use crate::gemini::usage::Report;
use crate::json::{Fault, FaultKind, Kind, Scanner, Text};

/// What is read is bounded, so that a small hostile text cannot become a large structure.
const MAX_CANDIDATES: usize = 128;
const MAX_PIECES: usize = 4096;
const MAX_TOOL_CALLS: u32 = 1024;

/// Reads the body of a successful unary call.
pub(super) fn answer(body: &[u8]) -> Result<Answer<'_>, Malformed> {
    let Response { choices, usage, error, .. } = Response::read(body, &mut Progress::default())?;
    if choices.is_empty() && error.is_none() {
        return Err(Malformed::new("an answer without candidates"));
    }
    Ok(Answer { choices, usage, error })
}

/// One answer so far.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// By index.
    candidates: Vec<Candidate>,
    usage: Report,
}

#[derive(Clone, Copy, Debug, Default)]
struct Candidate {
    begun: bool,
    tool_calls: u32,
    finished: bool,
    failed: bool,
}

impl Progress {
    /// Some began, and all that began have said why they ended.
    pub(super) fn finished(&self) -> bool {
        self.all(|candidate| candidate.finished)
    }

    /// As [`Progress::finished`], or they failed: what is counted now is the whole of it.
    pub(super) fn counted(&self) -> bool {
        self.all(|candidate| candidate.finished || candidate.failed)
    }

    /// Of all candidates that began, which are some.
    fn all(&self, is_so: impl Fn(&Candidate) -> bool) -> bool {
        let mut begun = self.candidates.iter().filter(|candidate| candidate.begun).peekable();
        begun.peek().is_some() && begun.all(is_so)
    }

    fn begin(&mut self, index: u32) -> Result<&mut Candidate, Malformed> {
        let position = usize::try_from(index).unwrap_or(usize::MAX);
        if position >= MAX_CANDIDATES {
            return Err(Malformed::new("a candidate with an index above 127"));
        }
        if self.candidates.len() <= position {
            self.candidates.resize(position + 1, Candidate::default());
        }
        let candidate =
            self.candidates.get_mut(position).ok_or(Malformed::new("a candidate without a place"))?;
        candidate.begun = true;
        Ok(candidate)
    }
}

/// One response, whole or a piece of a stream.
#[derive(Default)]
pub(super) struct Response<'a> {
    pub(super) choices: Vec<Choice<'a>>,
    pub(super) usage: Option<Usage>,
    pub(super) error: Option<UpstreamError>,
    /// It had a member that a response has.
    pub(super) recognised: bool,
}

impl<'a> Response<'a> {
    pub(super) fn read(data: &'a [u8], progress: &mut Progress) -> Result<Self, Malformed> {
        let mut scanner = Scanner::new(data)?;
        let mut response = Self::default();
        // Google's gateway wraps what it reports itself in an array.
        if scanner.peek()? == Kind::Array {
            let mut array = scanner.array()?;
            while scanner.element(&mut array)? {
                response.object(&mut scanner, progress)?;
            }
        } else {
            response.object(&mut scanner, progress)?;
        }
        scanner.end()?;
        if response.error.is_none() && response.choices.iter().any(|choice| choice.failed) {
            let kind = UpstreamKind::Server;
            response.error = Some(UpstreamError::silent(kind));
        }
        Ok(response)
    }

    fn object(&mut self, scanner: &mut Scanner<'a>, progress: &mut Progress) -> Result<(), Malformed> {
        let (mut blocked, mut answered) = (false, false);
        let mut object = scanner.object()?;
        while let Some(name) = scanner.member(&mut object)? {
            let name = name.decode();
            self.recognised |= matches!(&*name, "candidates" | "usageMetadata" | "promptFeedback" | "error");
            match &*name {
                "candidates" if !scanner.null()? => {
                    let mut array = scanner.array()?;
                    while scanner.element(&mut array)? {
                        self.candidate(scanner, progress)?;
                        answered = true;
                    }
                }
                "usageMetadata" if !scanner.null()? => self.usage = progress.usage.read(scanner)?,
                "promptFeedback" if !scanner.null()? => blocked |= prompt_feedback(scanner)?,
                "error" if !scanner.null()? => self.error = Some(failure::read(scanner)?),
                "candidates" | "usageMetadata" | "promptFeedback" | "error" => {}
                _ => drop(scanner.skip()?),
            }
        }
        // A refused prompt has no candidates. It is answered all the same: with nothing, for that reason.
        if blocked && !answered && !std::mem::replace(&mut progress.begin(0)?.finished, true) {
            let finish = Some(FinishReason::ContentFilter);
            self.push(scanner, Choice { finish, ..Choice::default() })?;
        }
        Ok(())
    }

    fn candidate(&mut self, scanner: &mut Scanner<'a>, progress: &mut Progress) -> Result<(), Malformed> {
        let first = self.choices.len();
        let (mut index, mut calls, mut ending) = (0, 0, None);
        let mut object = scanner.object()?;
        while let Some(name) = scanner.member(&mut object)? {
            match &*name.decode() {
                "index" if !scanner.null()? => {
                    let number = scanner.number()?;
                    index = number.parse().map_err(|_| scanner.fault(FaultKind::Kind("an index")))?;
                }
                "content" if !scanner.null()? => self.content(scanner, &mut calls)?,
                "finishReason" if !scanner.null()? => ending = Ending::of(scanner.string()?),
                "index" | "content" | "finishReason" => {}
                _ => drop(scanner.skip()?),
            }
        }
        let candidate = progress.begin(index)?;
        let pieces = self.choices.get_mut(first..).unwrap_or_default();
        if candidate.finished {
            // Some models repeat the reason in a last event that has nothing but usage.
            return if pieces.is_empty() { Ok(()) } else { Err(Malformed::new("content behind its end")) };
        }
        for piece in pieces {
            piece.index = index;
            for tool in &mut piece.tools {
                tool.index += candidate.tool_calls;
            }
            if let Some(tool) = piece.signature.as_mut().and_then(|signature| signature.tool.as_mut()) {
                *tool += candidate.tool_calls;
            }
        }
        candidate.tool_calls += calls;
        if candidate.tool_calls > MAX_TOOL_CALLS {
            return Err(Malformed::new("more than 1024 tool calls"));
        }
        let Some(ending) = ending else { return Ok(()) };
        if self.choices.len() == first {
            self.push(scanner, Choice { index, ..Choice::default() })?;
        }
        let Some(last) = self.choices.last_mut() else { return Ok(()) };
        match ending {
            Ending::Failed => last.failed = true,
            Ending::Finished(FinishReason::Stop) if candidate.tool_calls > 0 => {
                last.finish = Some(FinishReason::ToolCalls);
            }
            Ending::Finished(reason) => last.finish = Some(reason),
        }
        candidate.finished = last.finish.is_some();
        candidate.failed = last.failed;
        Ok(())
    }

    fn content(&mut self, scanner: &mut Scanner<'a>, calls: &mut u32) -> Result<(), Fault> {
        let mut object = scanner.object()?;
        while let Some(name) = scanner.member(&mut object)? {
            match &*name.decode() {
                "parts" if !scanner.null()? => {
                    let mut array = scanner.array()?;
                    while scanner.element(&mut array)? {
                        let part = Part::read(scanner)?;
                        self.part(scanner, &part, calls)?;
                    }
                }
                "parts" => {}
                _ => drop(scanner.skip()?),
            }
        }
        Ok(())
    }

    fn part(&mut self, scanner: &Scanner<'_>, part: &Part<'a>, calls: &mut u32) -> Result<(), Fault> {
        let mut tool = None;
        if !part.text.is_empty() {
            let (text, reasoning) =
                if part.thought { (Text::default(), part.text) } else { (part.text, Text::default()) };
            self.push(scanner, Choice { text, reasoning, ..Choice::default() })?;
        }
        if let Some(call) = part.call {
            tool = Some(*calls);
            let tools = vec![ToolFragment { index: *calls, ..call }];
            *calls += 1;
            self.push(scanner, Choice { tools, ..Choice::default() })?;
        }
        // Drafts of a picture are thoughts.
        let (opaque, aside) = (part.media && !part.thought, part.aside || part.media && part.thought);
        if opaque || aside && part.text.is_empty() && part.call.is_none() {
            self.push(scanner, Choice { opaque, aside: !opaque, ..Choice::default() })?;
        }
        if !part.signature.is_empty() {
            // On a thought it is a seal. Anywhere else it is the thoughts themselves, encrypted.
            let encrypted = !part.thought || part.text.is_empty();
            let signature = Signature { origin: Origin::Gemini, data: part.signature, encrypted, tool };
            self.push(scanner, Choice { signature: Some(signature), ..Choice::default() })?;
        }
        Ok(())
    }

    fn push(&mut self, scanner: &Scanner<'_>, choice: Choice<'a>) -> Result<(), Fault> {
        if self.choices.len() == MAX_PIECES {
            return Err(scanner.fault(FaultKind::Kind("at most 4096 parts")));
        }
        self.choices.push(choice);
        Ok(())
    }
}

#[derive(Default)]
struct Part<'a> {
    text: Text<'a>,
    thought: bool,
    call: Option<ToolFragment<'a>>,
    signature: Text<'a>,
    /// A picture, sound, a file.
    media: bool,
    /// There is something else in it: code that was run, a call of the provider's own tools, remarks.
    aside: bool,
}

impl<'a> Part<'a> {
    fn read(scanner: &mut Scanner<'a>) -> Result<Self, Fault> {
        let mut part = Self::default();
        let mut object = scanner.object()?;
        while let Some(name) = scanner.member(&mut object)? {
            let name = name.decode();
            if scanner.null()? {
                continue;
            }
            match &*name {
                "text" => part.text = scanner.string()?,
                "thought" => part.thought = scanner.boolean()?,
                "thoughtSignature" => part.signature = scanner.string()?,
                "functionCall" => part.call = Some(function_call(scanner)?),
                // Remarks about the part.
                "partMetadata" | "videoMetadata" | "mediaResolution" => drop(scanner.skip()?),
                name => {
                    scanner.skip()?;
                    let media = matches!(name, "inlineData" | "fileData");
                    part.media |= media;
                    part.aside |= !media;
                }
            }
        }
        Ok(part)
    }
}

/// Arguments come whole, as an object; none is an empty one.
fn function_call<'a>(scanner: &mut Scanner<'a>) -> Result<ToolFragment<'a>, Fault> {
    let mut call = ToolFragment { arguments: Text::plain("{}"), ..ToolFragment::default() };
    let mut object = scanner.object()?;
    while let Some(name) = scanner.member(&mut object)? {
        match &*name.decode() {
            "id" if !scanner.null()? => call.id = scanner.string()?,
            "name" if !scanner.null()? => call.name = scanner.string()?,
            "args" if !scanner.null()? => {
                if scanner.peek()? != Kind::Object {
                    return Err(scanner.fault(FaultKind::Kind("an object")));
                }
                call.arguments = Text::plain(scanner.value()?);
            }
            "id" | "name" | "args" => {}
            _ => drop(scanner.skip()?),
        }
    }
    if call.name.is_empty() {
        return Err(scanner.fault(FaultKind::Kind("a function's name")));
    }
    Ok(call)
}

/// Whether the prompt was blocked.
fn prompt_feedback(scanner: &mut Scanner<'_>) -> Result<bool, Fault> {
    let mut blocked = false;
    let mut object = scanner.object()?;
    while let Some(name) = scanner.member(&mut object)? {
        match &*name.decode() {
            "blockReason" if !scanner.null()? => blocked = !scanner.string()?.is_empty(),
            "blockReason" => {}
            _ => drop(scanner.skip()?),
        }
    }
    Ok(blocked)
}

enum Ending {
    Finished(FinishReason),
    /// The model broke off: what was said is no answer.
    Failed,
}

impl Ending {
    fn of(reason: Text<'_>) -> Option<Self> {
        Some(match &*reason.decode() {
            "" => return None,
            "STOP" => Self::Finished(FinishReason::Stop),
            "MAX_TOKENS" | "CONTINUATION" => Self::Finished(FinishReason::Length),
            "SAFETY"
            | "RECITATION"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "IMAGE_SAFETY"
            | "IMAGE_PROHIBITED_CONTENT"
            | "IMAGE_RECITATION"
            | "MODEL_ARMOR"
            | "ESCALATION" => Self::Finished(FinishReason::ContentFilter),
            // All others are abnormal: `OTHER`, `LANGUAGE`, a picture that was not painted, calls that make no sense
            // (<https://ai.google.dev/api/generate-content#FinishReason>). So is a word that is newer than this: what
            // was said may be half a sentence, and no caller should take it for a whole answer.
            _ => Self::Failed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(parts: &str) -> Result<Vec<Choice<'static>>, Malformed> {
        let body = format!(r#"{{"candidates":[{{"content":{{"parts":[{parts}]}},"finishReason":"STOP"}}]}}"#);
        answer(body.leak().as_bytes()).map(|answer| answer.choices)
    }

    fn ending(reason: &str) -> (Option<FinishReason>, Option<UpstreamKind>) {
        let body = format!(r#"{{"candidates":[{{"finishReason":"{reason}","index":0}}]}}"#);
        let answer = answer(body.as_bytes()).unwrap();
        (answer.finish(0), answer.error.map(|error| error.kind))
    }

    #[test]
    fn a_picture_is_content_and_what_was_done_on_the_way_is_not() {
        let marks = |part: &str| {
            let choices = parts(part).unwrap();
            (choices[0].opaque, choices[0].aside)
        };
        let picture = r#""inlineData":{"mimeType":"image/png","data":"AA=="}"#;
        assert_eq!(marks(&format!("{{{picture}}}")), (true, false));
        assert_eq!(marks(r#"{"fileData":{"fileUri":"https://x/y.png"}}"#), (true, false));
        assert_eq!(marks(&format!(r#"{{{picture},"thought":true}}"#)), (false, true));
        assert_eq!(marks(r#"{"executableCode":{"language":"PYTHON","code":"1"}}"#), (false, true));
        assert_eq!(marks(r#"{"toolCall":{"id":"1","toolType":"GOOGLE_MAPS"}}"#), (false, true));
    }

    #[test]
    fn parts_keep_their_order() {
        let choices = parts(
            r#"{"text":"hm","thought":true},{"text":"a"},{"functionCall":{"name":"f"}},{"text":""},
               {"inlineData":{"mimeType":"image/png","data":"AA=="}},{"text":"b"}"#,
        )
        .unwrap();
        let texts: Vec<_> =
            choices.iter().map(|choice| (choice.reasoning.decode(), choice.text.decode())).collect();
        let expected = [("hm", ""), ("", "a"), ("", ""), ("", ""), ("", "b")];
        assert_eq!(texts, expected.map(|(reasoning, text)| (reasoning.into(), text.into())));
        assert_eq!(choices[2].tools[0].arguments.decode(), "{}");
        assert!(choices[3].opaque);
        let ends: Vec<_> = choices.iter().map(|choice| choice.finish).collect();
        assert_eq!(ends, [None, None, None, None, Some(FinishReason::ToolCalls)]);
    }

    #[test]
    fn a_signature_says_where_it_stood() {
        let choices = parts(
            r#"{"thought":true,"text":"hm","thoughtSignature":"QQ=="},{"text":"a"},
               {"functionCall":{"name":"f"}},{"functionCall":{"name":"g"},"thoughtSignature":"Qg=="},
               {"text":"","thoughtSignature":"Qw=="}"#,
        )
        .unwrap();
        let signatures: Vec<_> = choices.iter().filter_map(|choice| choice.signature).collect();
        let signature = |data, encrypted, tool| Signature {
            origin: Origin::Gemini,
            data: Text::plain(data),
            encrypted,
            tool,
        };
        let expected =
            [signature("QQ==", false, None), signature("Qg==", true, Some(1)), signature("Qw==", true, None)];
        assert_eq!(signatures, expected);
    }

    #[test]
    fn arguments_are_the_text_of_the_object() {
        let choices = parts(r#"{"functionCall":{"id":"c1","args":{ "a" : [1.0] },"name":"f"}}"#).unwrap();
        let call = choices[0].tools[0];
        assert_eq!((&*call.id.decode(), &*call.arguments.decode()), ("c1", r#"{ "a" : [1.0] }"#));
        assert!(parts(r#"{"functionCall":{"name":"f","args":"{}"}}"#).is_err());
        assert!(parts(r#"{"functionCall":{"args":{}}}"#).is_err());
    }

    #[test]
    fn endings_have_their_reasons_and_failures_are_errors() {
        for (reason, finish) in [
            ("STOP", FinishReason::Stop),
            ("MAX_TOKENS", FinishReason::Length),
            ("SAFETY", FinishReason::ContentFilter),
            ("PROHIBITED_CONTENT", FinishReason::ContentFilter),
        ] {
            assert_eq!(ending(reason), (Some(finish), None), "{reason}");
        }
        for reason in [
            "FINISH_REASON_UNSPECIFIED",
            "OTHER",
            "LANGUAGE",
            "MALFORMED_FUNCTION_CALL",
            "UNEXPECTED_TOOL_CALL",
            "MISSING_THOUGHT_SIGNATURE",
            "NO_IMAGE",
            "SOMETHING_NEW",
        ] {
            assert_eq!(ending(reason), (None, Some(UpstreamKind::Server)), "{reason}");
        }
    }

    #[test]
    fn a_blocked_prompt_is_an_empty_answer_and_an_answer_without_anything_is_none() {
        let blocked =
            br#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":4}}"#;
        let blocked = answer(blocked).unwrap();
        assert_eq!(blocked.choices.len(), 1);
        assert_eq!((&*blocked.said(0), blocked.finish(0)), ("", Some(FinishReason::ContentFilter)));
        assert_eq!(blocked.usage.unwrap().input, 4);
        assert!(answer(br#"{"promptFeedback":{"safetyRatings":[]}}"#).is_err());
        assert!(answer(br#"{"candidates":[]}"#).is_err());
        assert!(answer(b"{}").is_err());
    }

    #[test]
    fn a_member_that_is_null_is_as_good_as_absent() {
        let nulls =
            r#"{"text":"a","thought":null,"thoughtSignature":null,"functionCall":null,"inlineData":null}"#;
        let choices = parts(nulls).unwrap();
        assert_eq!((choices.len(), choices[0].opaque), (1, false));
        let body =
            br#"{"candidates":[{"index":null,"content":null,"finishReason":"STOP"}],"usageMetadata":null,
            "promptFeedback":null,"error":null}"#;
        assert_eq!(answer(body).unwrap().finish(0), Some(FinishReason::Stop));
    }

    #[test]
    fn a_small_text_cannot_become_a_large_structure() {
        let many = |part: &str, count| parts(&[part].repeat(count).join(","));
        assert!(many(r#"{"text":"a"}"#, 4096).is_ok());
        assert!(many(r#"{"text":"a"}"#, 4097).is_err());
        assert!(many("{}", 5000).is_ok_and(|choices| choices.len() == 1));
        assert!(many(r#"{"functionCall":{"name":"f"}}"#, 1024).is_ok());
        assert!(many(r#"{"functionCall":{"name":"f"}}"#, 1025).is_err());
        let index = |index| format!(r#"{{"candidates":[{{"index":{index},"finishReason":"STOP"}}]}}"#);
        assert!(answer(index(127).as_bytes()).is_ok());
        assert!(answer(index(128).as_bytes()).is_err());
        assert!(answer(index(u64::MAX).as_bytes()).is_err());
    }
}
