//! Log probabilities, made up: the token that was chosen is likely, and its alternatives share what is left.

use super::dice::Fingerprint;
use super::shape::{TokenLogProb, TopLogProb};
use super::tokens;

/// How many alternatives there are to a token, and the seed of their values.
#[derive(Clone, Copy)]
pub(super) struct Odds {
    pub(super) alternatives: usize,
    pub(super) seed: Fingerprint,
}

impl Odds {
    /// The log probabilities of the pieces of `text`, which starts at byte `at` of the choice `index`.
    pub(super) fn of_pieces<'a>(self, index: usize, at: usize, mut text: &'a str) -> Vec<TokenLogProb<'a>> {
        let mut content = Vec::new();
        let mut at = at;
        while let Some((piece, rest)) =
            text.split_at_checked(tokens::piece(text)).filter(|(it, _)| !it.is_empty())
        {
            content.push(self.of_piece(index, at, piece));
            at += piece.len();
            text = rest;
        }
        content
    }

    /// The chosen token comes first and is likely; its alternatives share what is left.
    fn of_piece<'a>(self, index: usize, at: usize, token: &'a str) -> TokenLogProb<'a> {
        const OTHERS: [&str; 24] = [
            " the", " a", " and", " to", " of", " in", " is", " it", " that", " for", " you", ",", ".",
            " with", " as", " on", " this", " be", " or", " your", " an", " by", " so", "\n",
        ];
        let mut dice = self.seed.number(index as u64).number(at as u64).dice();
        let fraction = dice.fraction();
        let logprob = round(-0.6 * fraction * fraction * fraction - 0.0001);
        let mut top = vec![TopLogProb { token, logprob, bytes: token.as_bytes() }];
        let start = dice.below(OTHERS.len());
        let others = OTHERS.iter().cycle().skip(start).take(OTHERS.len()).filter(|other| **other != token);
        let mut left = 1.0 - logprob.exp();
        for other in others {
            // About half of what is left each time: always less than the one before.
            let share = left * (0.4 + 0.2 * dice.fraction());
            top.push(TopLogProb { token: other, logprob: round(share.ln()), bytes: other.as_bytes() });
            left -= share;
        }
        top.truncate(self.alternatives);
        TokenLogProb { token, logprob, bytes: token.as_bytes(), top_logprobs: top }
    }
}

/// To the digits that a provider gives.
fn round(logprob: f64) -> f64 {
    (logprob * 1e6).round() / 1e6
}
