//! Is this text allowed, in and out?
//!
//! What holds without any guardrail is here: the length of a message to an agent and of its answer (PRODUCT.md, S5).
//! Guardrails attach at the same two places. Only a [`Screened`] call can be completed.

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

#[cfg(test)]
mod tests {
    use super::*;

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
