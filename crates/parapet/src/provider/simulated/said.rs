//! What one choice says, and how much of it there is.

use super::shape::{CallDelta, Choice, Function, FunctionDelta, LogProbs, Message, ToolCall};
use super::{odds::Odds, tokens};

/// One choice of an answer.
pub(super) struct Answer {
    /// What the model thinks before it speaks; empty if it does not.
    pub(super) thought: String,
    pub(super) said: Said,
    pub(super) finish: &'static str,
}

pub(super) enum Said {
    Text(String),
    /// The words in which the model declines.
    Refusal(String),
    Calls(Vec<Call>),
}

pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

impl Answer {
    pub(super) fn new(thought: String, said: Said) -> Self {
        let finish = if matches!(said, Said::Calls(_)) { "tool_calls" } else { "stop" };
        Self { thought, said, finish }
    }

    /// Ends the text before the first of the stop sequences.
    pub(super) fn stop_at(&mut self, stop: &[String]) {
        if let Said::Text(text) = &mut self.said
            && let Some(end) = stop.iter().filter_map(|stop| text.find(stop.as_str())).min()
        {
            text.truncate(end);
        }
    }

    /// Ends the answer after `limit` tokens, thoughts included, if it is longer, and says so.
    pub(super) fn limit(&mut self, limit: u64) {
        let mut over = tokens::cut(&mut self.thought, limit);
        let mut left = limit.saturating_sub(self.thought_tokens());
        match &mut self.said {
            Said::Text(words) | Said::Refusal(words) => over |= tokens::cut(words, left),
            Said::Calls(calls) => calls.retain_mut(|call| {
                // A name is not cut: the call comes whole in name or not at all.
                let name = tokens::of_text(call.name.len());
                if name > left {
                    over = true;
                    return false;
                }
                let had = call.tokens();
                if had > left {
                    over |= tokens::cut(&mut call.arguments, left - name);
                }
                left = left.saturating_sub(had);
                true
            }),
        }
        if over {
            self.finish = "length";
        }
    }

    /// Withholds the second half, as a provider's content filter does, and says so.
    pub(super) fn filter(&mut self) {
        match &mut self.said {
            Said::Text(words) | Said::Refusal(words) => {
                tokens::cut(words, tokens::of_text(words.len()) / 2);
            }
            Said::Calls(_) => self.said = Said::Text(String::new()),
        }
        self.finish = "content_filter";
    }

    /// The words, whichever way they are meant; none beside calls.
    pub(super) fn words(&self) -> &str {
        match &self.said {
            Said::Text(words) | Said::Refusal(words) => words,
            Said::Calls(_) => "",
        }
    }

    pub(super) fn calls(&self) -> &[Call] {
        if let Said::Calls(calls) = &self.said { calls } else { &[] }
    }

    /// Bytes of thought, words and arguments: what the time is reckoned by.
    pub(super) fn bytes(&self) -> usize {
        let arguments: usize = self.calls().iter().map(|call| call.arguments.len()).sum();
        self.thought.len() + self.words().len() + arguments
    }

    pub(super) fn thought_tokens(&self) -> u64 {
        tokens::of_text(self.thought.len())
    }

    /// All tokens, those of the thought among them.
    pub(super) fn tokens(&self) -> u64 {
        let calls: u64 = self.calls().iter().map(Call::tokens).sum();
        self.thought_tokens() + tokens::of_text(self.words().len()) + calls
    }

    /// The choice `index` of a whole answer.
    pub(super) fn whole(&self, index: usize, odds: Option<Odds>) -> Choice<'_> {
        let (content, refusal) = match &self.said {
            Said::Text(text) => (Some(text.as_str()), None),
            Said::Refusal(refusal) => (None, Some(refusal.as_str())),
            Said::Calls(_) => (None, None),
        };
        let message = Message {
            role: "assistant",
            content,
            reasoning_content: Some(self.thought.as_str()).filter(|thought| !thought.is_empty()),
            tool_calls: self.calls().iter().map(Call::whole).collect(),
            refusal,
            annotations: [],
        };
        let logprobs = odds.and_then(|odds| self.logprobs(odds, index, 0, self.words()));
        Choice { index, message, logprobs, finish_reason: self.finish }
    }

    /// The log probabilities of `words`, which start at byte `at`.
    pub(super) fn logprobs<'a>(
        &self,
        odds: Odds,
        index: usize,
        at: usize,
        words: &'a str,
    ) -> Option<LogProbs<'a>> {
        let pieces = || Some(odds.of_pieces(index, at, words));
        match self.said {
            Said::Text(_) => Some(LogProbs { content: pieces(), refusal: None }),
            Said::Refusal(_) => Some(LogProbs { content: None, refusal: pieces() }),
            Said::Calls(_) => None,
        }
    }
}

impl Call {
    fn tokens(&self) -> u64 {
        tokens::of_text(self.name.len() + self.arguments.len())
    }

    fn whole(&self) -> ToolCall<'_> {
        let function = Function { name: &self.name, arguments: &self.arguments };
        ToolCall { id: &self.id, kind: "function", function }
    }

    pub(super) fn opening(&self, index: usize) -> CallDelta<'_> {
        let function = FunctionDelta { name: Some(&self.name), arguments: "" };
        CallDelta { index, id: Some(&self.id), kind: Some("function"), function }
    }
}
