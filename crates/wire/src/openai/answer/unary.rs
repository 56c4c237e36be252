use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use domain::{FinishReason, Usage};

use crate::call::{Reasoning, Signature};
use crate::dialect::{Head, tool_call_id};
use crate::event::{Answer, Choice, Malformed};
use crate::json::{Text, write_display, write_str};
use crate::openai::answer::usage::write_usage;
use crate::openai::answer::{finish_word, write_head};
use crate::openai::reasoning::reasoning_details;

/// A unary answer.
///
/// # Errors
/// If there is content that has no place here.
pub fn answer(head: &Head<'_>, answer: &Answer<'_>, usage: &Usage) -> Result<Bytes, Malformed> {
    if answer.choices.iter().any(|choice| choice.opaque) {
        return Err(Malformed::NO_PLACE);
    }
    let written: usize = answer.choices.iter().map(Choice::written).sum();
    let mut out = BytesMut::with_capacity(written + 512);
    write_head(&mut out, head, "chat.completion");
    out.extend_from_slice(b",\"choices\":[");
    for (number, (index, message)) in messages(answer, head.id).iter().enumerate() {
        if number > 0 {
            out.extend_from_slice(b",");
        }
        message.write(&mut out, *index);
    }
    out.extend_from_slice(b"],\"usage\":");
    write_usage(&mut out, usage);
    out.extend_from_slice(b"}");
    Ok(out.freeze())
}

/// What one choice says, put together.
#[derive(Default)]
struct Message<'a> {
    texts: Vec<Text<'a>>,
    refusals: Vec<Text<'a>>,
    /// By their indexes.
    calls: BTreeMap<u32, Call<'a>>,
    thoughts: Vec<Reasoning>,
    /// The thought that may go on.
    thinking: Option<Reasoning>,
    finish: Option<FinishReason>,
}

struct Call<'a> {
    id: String,
    name: Text<'a>,
    arguments: Vec<Text<'a>>,
}

/// The choices by their indexes.
fn messages<'a>(answer: &Answer<'a>, answer_id: &str) -> BTreeMap<u32, Message<'a>> {
    let mut messages: BTreeMap<u32, Message<'a>> = BTreeMap::new();
    for choice in &answer.choices {
        messages.entry(choice.index).or_default().add(choice, answer_id);
    }
    for message in messages.values_mut() {
        message.thoughts.extend(message.thinking.take());
    }
    messages
}

impl<'a> Message<'a> {
    fn add(&mut self, choice: &Choice<'a>, answer_id: &str) {
        if !choice.reasoning.is_empty() {
            choice.reasoning.append_to(&mut self.thinking.get_or_insert_default().text);
        }
        self.texts.extend(Some(choice.text).filter(|text| !text.is_empty()));
        self.refusals.extend(Some(choice.refusal).filter(|text| !text.is_empty()));
        for fragment in &choice.tools {
            let call = self.calls.entry(fragment.index).or_insert_with(|| Call {
                id: match &*fragment.id.decode() {
                    "" => tool_call_id(answer_id, fragment.index),
                    id => id.to_owned(),
                },
                name: fragment.name,
                arguments: Vec::new(),
            });
            call.arguments.push(fragment.arguments);
        }
        if let Some(signature) = choice.signature {
            let id = |index| {
                let call = self.calls.get(&index);
                call.map_or_else(|| tool_call_id(answer_id, index), |call| call.id.clone())
            };
            let signature = Signature {
                origin: signature.origin,
                data: signature.data.decode().into_owned(),
                encrypted: signature.encrypted,
                tool_call: signature.tool.map(id),
            };
            if signature.encrypted || signature.tool_call.is_some() {
                self.thoughts.extend(self.thinking.take());
            }
            let thought = self.thinking.take().unwrap_or_default();
            self.thoughts.push(Reasoning { signature: Some(signature), ..thought });
        }
        if !choice.text.is_empty() || !choice.refusal.is_empty() || !choice.tools.is_empty() {
            self.thoughts.extend(self.thinking.take());
        }
        self.finish = self.finish.or(choice.finish);
    }

    fn write(&self, out: &mut BytesMut, index: u32) {
        out.extend_from_slice(b"{\"index\":");
        write_display(out, index);
        out.extend_from_slice(b",\"message\":{\"role\":\"assistant\",\"content\":");
        let silent = !self.calls.is_empty() || !self.refusals.is_empty();
        write_joined(out, &self.texts, silent);
        out.extend_from_slice(b",\"refusal\":");
        write_joined(out, &self.refusals, true);
        self.write_thoughts(out);
        self.write_calls(out);
        out.extend_from_slice(b"},\"logprobs\":null,\"finish_reason\":");
        write_str(out, finish_word(self.finish.unwrap_or(FinishReason::Other)));
        out.extend_from_slice(b"}");
    }

    fn write_thoughts(&self, out: &mut BytesMut) {
        let text: String = self.thoughts.iter().map(|thought| thought.text.as_str()).collect();
        if !text.is_empty() {
            out.extend_from_slice(b",\"reasoning_content\":");
            write_str(out, &text);
        }
        if self.thoughts.iter().any(|thought| thought.signature.is_some())
            && let Some(details) = reasoning_details(&self.thoughts)
        {
            out.extend_from_slice(b",\"reasoning_details\":");
            out.extend_from_slice(details.get().as_bytes());
        }
    }

    fn write_calls(&self, out: &mut BytesMut) {
        for (number, call) in self.calls.values().enumerate() {
            out.extend_from_slice(if number == 0 { b",\"tool_calls\":[" } else { b"," });
            out.extend_from_slice(b"{\"id\":");
            write_str(out, &call.id);
            out.extend_from_slice(b",\"type\":\"function\",\"function\":{\"name\":");
            call.name.write_to(out);
            out.extend_from_slice(b",\"arguments\":");
            write_joined(out, &call.arguments, false);
            out.extend_from_slice(b"}}");
        }
        if !self.calls.is_empty() {
            out.extend_from_slice(b"]");
        }
    }
}

/// One JSON string of all texts; null, if that is asked for, of none.
fn write_joined(out: &mut BytesMut, texts: &[Text<'_>], or_null: bool) {
    if texts.is_empty() && or_null {
        out.extend_from_slice(b"null");
        return;
    }
    out.extend_from_slice(b"\"");
    for text in texts {
        text.write_inside(out);
    }
    out.extend_from_slice(b"\"");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Origin;
    use crate::event::{Signature as Sealed, ToolFragment};
    use crate::openai::read_answer;

    const HEAD: Head<'_> = Head { id: "chatcmpl-7", created: 1_700_000_000, model: "sup\"port" };

    fn written<const N: usize>(choices: [Choice<'_>; N]) -> String {
        let body = answer(&HEAD, &Answer { choices: choices.into(), ..Answer::default() }, &Usage::default())
            .unwrap();
        read_answer(&body).unwrap();
        let body = std::str::from_utf8(&body).unwrap();
        let shared = r#"{"id":"chatcmpl-7","object":"chat.completion","created":1700000000,"model":"sup\"port","choices":["#;
        let (choices, usage) = body.strip_prefix(shared).unwrap().split_once("],\"usage\":{").unwrap();
        assert!(usage.starts_with("\"prompt_tokens\":0"));
        choices.to_owned()
    }

    #[test]
    fn an_answer_is_its_texts_and_why_it_ended() {
        let said = [
            Choice { text: Text::plain("Hello \"you\""), ..Choice::default() },
            Choice { text: Text::plain("\n."), finish: Some(FinishReason::Other), ..Choice::default() },
        ];
        let expected = r#"{"index":0,"message":{"role":"assistant","content":"Hello \"you\"\n.","refusal":null},"logprobs":null,"finish_reason":"stop"}"#;
        assert_eq!(written(said), expected);
    }

    #[test]
    fn every_choice_is_one_message() {
        let said = [
            Choice { index: 1, text: Text::plain("b"), ..Choice::default() },
            Choice { refusal: Text::plain("no"), finish: Some(FinishReason::Stop), ..Choice::default() },
            Choice { index: 1, finish: Some(FinishReason::ContentFilter), ..Choice::default() },
        ];
        let expected = concat!(
            r#"{"index":0,"message":{"role":"assistant","content":null,"refusal":"no"},"logprobs":null,"finish_reason":"stop"},"#,
            r#"{"index":1,"message":{"role":"assistant","content":"b","refusal":null},"logprobs":null,"finish_reason":"content_filter"}"#,
        );
        assert_eq!(written(said), expected);
    }

    #[test]
    fn tool_calls_have_ids_and_leave_the_content_null() {
        let call = |index, id, name, arguments| ToolFragment {
            index,
            id: Text::plain(id),
            name: Text::plain(name),
            arguments: Text::plain(arguments),
        };
        let said = [
            Choice {
                tools: vec![call(0, "call_a", "f", "{\"x\":"), call(1, "", "g", "")],
                ..Choice::default()
            },
            Choice {
                tools: vec![call(0, "", "", "1}")],
                finish: Some(FinishReason::ToolCalls),
                ..Choice::default()
            },
        ];
        let expected = r#"{"index":0,"message":{"role":"assistant","content":null,"refusal":null,"tool_calls":[{"id":"call_a","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},{"id":"call_7_1","type":"function","function":{"name":"g","arguments":""}}]},"logprobs":null,"finish_reason":"tool_calls"}"#;
        assert_eq!(written(said), expected);
    }

    #[test]
    fn thoughts_are_told_and_kept_apart_if_any_of_them_is_to_be_sent_back() {
        let think = |text| Choice { reasoning: Text::plain(text), ..Choice::default() };
        let unsigned = [think("Hm"), think("."), Choice { text: Text::plain("Hi"), ..Choice::default() }];
        let expected = r#"{"index":0,"message":{"role":"assistant","content":"Hi","refusal":null,"reasoning_content":"Hm."},"logprobs":null,"finish_reason":"stop"}"#;
        assert_eq!(written(unsigned), expected);

        let seal = |data, encrypted, tool| {
            Some(Sealed { origin: Origin::Anthropic, data: Text::plain(data), encrypted, tool })
        };
        let signed = [
            think("A"),
            Choice { signature: seal("c2ln", false, None), ..Choice::default() },
            think("B"),
            Choice { signature: seal("eHh4", true, Some(0)), ..Choice::default() },
            Choice { text: Text::plain("Hi"), ..Choice::default() },
        ];
        let expected = r#"{"index":0,"message":{"role":"assistant","content":"Hi","refusal":null,"reasoning_content":"AB","reasoning_details":[{"type":"reasoning.text","text":"A","signature":"c2ln","format":"anthropic-claude-v1","index":0},{"type":"reasoning.text","text":"B","index":1},{"type":"reasoning.encrypted","data":"eHh4","format":"anthropic-claude-v1","id":"call_7_0","index":2}]},"logprobs":null,"finish_reason":"stop"}"#;
        assert_eq!(written(signed), expected);
    }
}
