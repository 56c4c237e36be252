//! What one choice says, put together from its pieces.

use std::collections::BTreeMap;

use domain::FinishReason;

use crate::call::{Reasoning, Signature, ToolCall};
use crate::dialect::tool_call_id;
use crate::event::{Choice, ToolFragment};
use crate::json::Seam;

/// A choice as far as it has been heard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gathered {
    answer_id: String,
    pub text: String,
    pub refusal: String,
    pub reasoning: Vec<Reasoning>,
    /// In the order in which they were begun.
    pub tool_calls: Vec<ToolCall>,
    /// Where in `tool_calls` the call of an index stands: providers begin to count where they like.
    places: BTreeMap<u32, usize>,
    seams: Seams,
    pub finish: Option<FinishReason>,
}

/// Where the next pieces of the texts go on.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seams {
    text: Seam,
    refusal: Seam,
    thought: Seam,
    /// Of the arguments of the calls, in their order.
    arguments: Vec<Seam>,
}

impl Gathered {
    /// Nothing yet. Calls whose provider gives no ids are named after the answer.
    #[must_use]
    pub fn new(answer_id: String) -> Self {
        Self { answer_id, ..Self::default() }
    }

    /// What the model says, or in which words it declines.
    #[must_use]
    pub fn said(&self) -> &str {
        if self.text.is_empty() { &self.refusal } else { &self.text }
    }

    /// The next piece.
    pub fn add(&mut self, choice: &Choice<'_>) {
        self.seams.text.append(choice.text, &mut self.text);
        self.seams.refusal.append(choice.refusal, &mut self.refusal);
        if !choice.reasoning.is_empty() {
            let mut seam = self.seams.thought;
            seam.append(choice.reasoning, &mut self.thought().text);
            self.seams.thought = seam;
        }
        for fragment in &choice.tools {
            self.fragment(fragment);
        }
        if let Some(signature) = choice.signature {
            let place = signature.tool.and_then(|index| self.places.get(&index));
            let tool_call = place.and_then(|place| self.tool_calls.get(*place)).map(|call| call.id.clone());
            let data = signature.data.decode().into_owned();
            let signature =
                Signature { origin: signature.origin, data, encrypted: signature.encrypted, tool_call };
            if signature.encrypted || signature.tool_call.is_some() {
                self.reasoning.push(Reasoning { text: String::new(), signature: Some(signature) });
            } else {
                self.thought().signature = Some(signature);
            }
        }
        self.finish = choice.finish.or(self.finish);
    }

    /// The thought that is not sealed yet, or a new one.
    fn thought(&mut self) -> &mut Reasoning {
        if self.reasoning.last().is_none_or(|last| last.signature.is_some()) {
            self.reasoning.push(Reasoning::default());
        }
        let last = self.reasoning.len().saturating_sub(1);
        #[expect(clippy::indexing_slicing, reason = "one was pushed if there was none")]
        &mut self.reasoning[last]
    }

    fn fragment(&mut self, fragment: &ToolFragment<'_>) {
        let place = *self.places.entry(fragment.index).or_insert(self.tool_calls.len());
        if place == self.tool_calls.len() {
            let id = match fragment.id.decode() {
                id if id.is_empty() => tool_call_id(&self.answer_id, fragment.index),
                id => id.into_owned(),
            };
            let name = fragment.name.decode().into_owned();
            self.tool_calls.push(ToolCall { id, name, arguments: String::new() });
            self.seams.arguments.push(Seam::default());
        }
        if let (Some(call), Some(seam)) =
            (self.tool_calls.get_mut(place), self.seams.arguments.get_mut(place))
        {
            seam.append(fragment.arguments, &mut call.arguments);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Origin;
    use crate::event;
    use crate::json::Text;

    fn text(text: &'static str) -> Text<'static> {
        Text::plain(text)
    }

    fn seal(data: &'static str, encrypted: bool, tool: Option<u32>) -> event::Signature<'static> {
        event::Signature { origin: Origin::Anthropic, data: text(data), encrypted, tool }
    }

    fn fragment(
        index: u32,
        id: &'static str,
        name: &'static str,
        arguments: &'static str,
    ) -> ToolFragment<'static> {
        ToolFragment { index, id: text(id), name: text(name), arguments: text(arguments) }
    }

    #[test]
    fn calls_are_told_apart_by_their_index_wherever_counting_begins() {
        let mut gathered = Gathered::new("req_7".to_owned());
        for tool in [
            fragment(2, "b", "see", "{\"x\""),
            fragment(u32::MAX, "", "hear", "["),
            fragment(1, "a", "look", ""),
            fragment(2, "", "", ":1}"),
            fragment(1, "", "", "{}"),
            fragment(u32::MAX, "", "", "]"),
        ] {
            gathered.add(&Choice { tools: vec![tool], ..Choice::default() });
        }
        for tool in [1, 2, 0] {
            gathered.add(&Choice { signature: Some(seal("s", false, Some(tool))), ..Choice::default() });
        }
        let calls: Vec<_> = gathered
            .tool_calls
            .iter()
            .map(|call| (call.id.as_str(), call.name.as_str(), call.arguments.as_str()))
            .collect();
        let expected = [("b", "see", "{\"x\":1}"), ("call_7_4294967295", "hear", "[]"), ("a", "look", "{}")];
        assert_eq!(calls, expected);
        let owners: Vec<_> = gathered
            .reasoning
            .iter()
            .map(|thought| thought.signature.as_ref().unwrap().tool_call.as_deref())
            .collect();
        assert_eq!(owners, [Some("a"), Some("b"), None]);
    }

    #[test]
    fn a_character_that_is_cut_in_two_is_whole_again() {
        let mut gathered = Gathered::new("chatcmpl-7".to_owned());
        for half in [r#""\ud83c""#, r#""\udf89""#] {
            let half = crate::json::Scanner::new(half.as_bytes()).unwrap().string().unwrap();
            let tools = vec![
                ToolFragment { arguments: half, ..fragment(0, "", "look", "") },
                ToolFragment { arguments: half, ..fragment(1, "", "see", "") },
            ];
            gathered.add(&Choice { text: half, refusal: half, reasoning: half, tools, ..Choice::default() });
        }
        assert_eq!([&*gathered.text, &*gathered.refusal, &*gathered.reasoning[0].text], ["🎉"; 3]);
        assert!(gathered.tool_calls.iter().all(|call| call.arguments == "🎉"));
    }

    #[test]
    fn pieces_of_a_choice_become_what_it_says() {
        let mut gathered = Gathered::new("chatcmpl-7".to_owned());
        for choice in [
            Choice { reasoning: text("let me "), ..Choice::default() },
            Choice { reasoning: text("think"), ..Choice::default() },
            Choice { signature: Some(seal("s1", false, None)), ..Choice::default() },
            Choice { signature: Some(seal("e1", true, None)), ..Choice::default() },
            Choice { text: text("Good "), ..Choice::default() },
            Choice { text: text("day"), ..Choice::default() },
            Choice { tools: vec![fragment(0, "a", "look", "{\"x\"")], ..Choice::default() },
            Choice {
                tools: vec![fragment(0, "", "", ":1}"), fragment(1, "", "see", "{}")],
                ..Choice::default()
            },
            Choice { signature: Some(seal("s2", false, Some(0))), ..Choice::default() },
            Choice { finish: Some(FinishReason::ToolCalls), ..Choice::default() },
        ] {
            gathered.add(&choice);
        }
        assert_eq!((gathered.text.as_str(), gathered.finish), ("Good day", Some(FinishReason::ToolCalls)));
        let calls: Vec<_> = gathered
            .tool_calls
            .iter()
            .map(|call| (call.id.as_str(), call.name.as_str(), call.arguments.as_str()))
            .collect();
        assert_eq!(calls, [("a", "look", "{\"x\":1}"), ("call_7_1", "see", "{}")]);
        let thoughts: Vec<_> = gathered
            .reasoning
            .iter()
            .map(|thought| {
                let signature = thought.signature.as_ref().unwrap();
                (thought.text.as_str(), signature.data.as_str(), signature.tool_call.as_deref())
            })
            .collect();
        assert_eq!(thoughts, [("let me think", "s1", None), ("", "e1", None), ("", "s2", Some("a"))]);
    }
}
