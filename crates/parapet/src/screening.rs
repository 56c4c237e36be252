//! Is this text allowed, in and out?
//!
//! What holds without any guardrail is here: the length of a message to an agent and of its answer (PRODUCT.md, S5).
//! Guardrails attach at the same two places. Only a [`Screened`] call can be completed.

use domain::FinishReason;
use wire::event::Choice;
use wire::json::Text;

use crate::agents::Resolved;
use crate::refusal::Refusal;

/// A call whose input may go to a provider.
pub(crate) struct Screened(Resolved);

impl Screened {
    pub(crate) fn into_inner(self) -> Resolved {
        self.0
    }
}

pub(crate) fn input(resolved: Resolved) -> Result<Screened, Refusal> {
    if let Some(agent) = &resolved.callable.agent {
        message_length(resolved.ask.longest_message(), agent.max_message_chars)?;
    }
    Ok(Screened(resolved))
}

/// Too long a message to an agent is refused.
pub(crate) fn message_length(characters: usize, limit: usize) -> Result<(), Refusal> {
    if characters <= limit {
        return Ok(());
    }
    let message = format!("the message has {characters} characters, and this agent takes at most {limit}");
    Err(Refusal::invalid("message", message).hint("shorten the message"))
}

/// Too long an answer of an agent is cut: what may still pass of a text of which this is the next piece.
pub(crate) struct OutputLength {
    left: usize,
}

impl OutputLength {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { left: limit }
    }

    /// The part of `text` that passes, and whether something was cut off.
    pub(crate) fn pass<'a>(&mut self, text: &'a str) -> (&'a str, bool) {
        let mut passed = 0usize;
        for (at, _) in text.char_indices() {
            if passed == self.left {
                self.left = 0;
                return (text.get(..at).unwrap_or_default(), true);
            }
            passed = passed.saturating_add(1);
        }
        self.left = self.left.saturating_sub(passed);
        (text, false)
    }
}

/// What passes of an agent's answer, or of a piece of one: texts and refusals alike. Behind a cut nothing does.
pub(crate) fn pass_choices<R>(
    length: &mut OutputLength,
    choices: Vec<Choice<'_>>,
    then: impl FnOnce(Vec<Choice<'_>>, bool) -> R,
) -> R {
    let said: Vec<_> = choices.iter().map(|choice| (choice.text.decode(), choice.refusal.decode())).collect();
    let mut passed = Vec::with_capacity(choices.len());
    for (choice, (text, refusal)) in choices.into_iter().zip(&said) {
        let (text, text_cut) = length.pass(text);
        let (refusal, refusal_cut) = if text_cut { ("", true) } else { length.pass(refusal) };
        if text_cut || refusal_cut {
            let (text, refusal) = (Text::plain(text), Text::plain(refusal));
            let finish = Some(FinishReason::Length);
            passed.push(Choice { index: choice.index, text, refusal, finish, ..Choice::default() });
            return then(passed, true);
        }
        passed.push(choice);
    }
    then(passed, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_a_cut_nothing_passes_whether_text_or_refusal() {
        let text = |text| Choice { text: Text::plain(text), ..Choice::default() };
        let refusal = |refusal| Choice { refusal: Text::plain(refusal), ..Choice::default() };
        for (choices, kept) in [
            (vec![text("abc"), text("def")], "abcd"),
            (vec![refusal("abc"), refusal("def"), text("g")], "abcd"),
            (vec![text("abc"), refusal("def")], "abcd"),
            (vec![text("abcd")], "abcd"),
        ] {
            let whole = choices.len();
            let (said, last, cut) = pass_choices(&mut OutputLength::new(4), choices, |passed, cut| {
                let said: String = passed
                    .iter()
                    .map(|choice| choice.text.decode().into_owned() + &choice.refusal.decode())
                    .collect();
                (said, passed.last().and_then(|choice| choice.finish), cut)
            });
            assert_eq!((said.as_str(), cut), (kept, whole > 1));
            assert_eq!(last, cut.then_some(FinishReason::Length));
        }
    }

    #[test]
    fn an_answer_is_cut_at_the_character_however_it_is_sliced() {
        let text = "grüße, 世界! and then some more";
        for limit in 0..=text.chars().count() + 1 {
            for slice in 1..7 {
                let mut length = OutputLength::new(limit);
                let mut out = String::new();
                let mut cut_seen = false;
                let chars: Vec<char> = text.chars().collect();
                for piece in chars.chunks(slice) {
                    let piece: String = piece.iter().collect();
                    let (passed, cut) = length.pass(&piece);
                    out.push_str(passed);
                    if cut {
                        cut_seen = true;
                        break;
                    }
                }
                let expected: String = text.chars().take(limit).collect();
                assert_eq!(out, expected, "limit {limit} slice {slice}");
                assert_eq!(cut_seen, limit < chars.len(), "limit {limit} slice {slice}");
            }
        }
    }
}
