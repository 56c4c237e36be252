//! What one choice says, put together from its pieces.

use std::collections::BTreeMap;

use domain::FinishReason;

use crate::call::{Reasoning, Signature, ToolCall};
use crate::dialect::tool_call_id;
use crate::event::{Choice, Malformed, ToolFragment};
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
    /// Bytes of everything, and something for each piece that is kept apart.
    held: usize,
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

/// All that is held of a choice, in bytes.
pub const MAX_HELD: usize = 1 << 20;

/// What a piece costs beside its text.
const PIECE: usize = 64;

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
    ///
    /// # Errors
    /// If it is more than [`MAX_HELD`] bytes by now. Nobody reads so much of a thought, and nobody can run such a call.
    pub fn add(&mut self, choice: &Choice<'_>) -> Result<(), Malformed> {
        let signature = choice.signature.map_or(0, |signature| signature.data.len().saturating_add(PIECE));
        let calls = choice.tools.iter().map(|tool| tool.id.len().saturating_add(PIECE)).sum::<usize>();
        self.held =
            self.held.saturating_add(choice.written()).saturating_add(signature).saturating_add(calls);
        if self.held > MAX_HELD {
            return Err(Malformed::new("more than can be held"));
        }
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
        Ok(())
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
            gathered.add(&Choice { tools: vec![tool], ..Choice::default() }).unwrap();
        }
        for tool in [1, 2, 0] {
            gathered
                .add(&Choice { signature: Some(seal("s", false, Some(tool))), ..Choice::default() })
                .unwrap();
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
            gathered
                .add(&Choice { text: half, refusal: half, reasoning: half, tools, ..Choice::default() })
                .unwrap();
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
            gathered.add(&choice).unwrap();
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

    #[test]
    fn what_is_held_is_bounded_whatever_it_is() {
        let long = "x".repeat((1 << 20) - 128);
        let text = Text::plain(&long);
        let tool = |index| ToolFragment { index, name: Text::plain("f"), ..ToolFragment::default() };
        let seal = event::Signature { origin: Origin::Anthropic, data: text, encrypted: false, tool: None };
        for choice in [
            Choice { text, ..Choice::default() },
            Choice { refusal: text, ..Choice::default() },
            Choice { reasoning: text, ..Choice::default() },
            Choice { signature: Some(seal), ..Choice::default() },
            Choice { tools: vec![ToolFragment { arguments: text, ..tool(0) }], ..Choice::default() },
            Choice { tools: (0..10_000).map(tool).collect(), ..Choice::default() },
        ] {
            let mut gathered = Gathered::new("req_7".to_owned());
            let added = (0..9).filter(|_| gathered.add(&choice).is_ok()).count();
            assert!((1..9).contains(&added), "{added}");
        }
    }
}
