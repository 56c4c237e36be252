//! What a reasoning model thinks before it answers: about the prompt, and about what it is going to do.

use super::dice::{Deck, Dice};
use super::phrases;
use super::prompt::Prompt;
use super::request::{Effort, Format, Request};
use super::said::Said;
use super::text::{Topics, fill};
use super::tools;

/// How much of the prompt a thought repeats, in characters.
const REPEATED: usize = 80;

/// A thought that leads to `said`; empty if there is to be none.
pub(super) fn think(
    request: &Request,
    prompt: &Prompt<'_>,
    effort: Effort,
    said: &Said,
    dice: &mut Dice,
) -> String {
    let musings = match effort {
        Effort::None => return String::new(),
        Effort::Minimal => 1,
        Effort::Low => 2,
        Effort::Medium => 4,
        Effort::High => 7,
        Effort::ExtraHigh => 10,
        Effort::Max => 14,
    };
    let mut topics = Topics::of(&prompt.topics);
    let mut deck = Deck::of(phrases::MUSINGS);
    let mut sentences = vec![opening(prompt, dice)];
    sentences.extend((0..musings).map(|_| fill(deck.deal(dice), "", &mut topics)));
    sentences.push(decision(request, said));
    sentences.join(" ")
}

fn opening(prompt: &Prompt<'_>, dice: &mut Dice) -> String {
    let line: Vec<&str> = prompt.text.split_whitespace().take(REPEATED).collect();
    let line = line.join(" ");
    if line.is_empty() {
        return phrases::THOUGHT_OF_NOTHING.to_owned();
    }
    let mut start: String = line.chars().take(REPEATED).collect();
    if start.len() < line.len() {
        start.truncate(start.trim_end().len());
        start.push('…');
    }
    fill(dice.pick(phrases::THOUGHT_OPENERS), &start, &mut Topics::of(&[]))
}

fn decision(request: &Request, said: &Said) -> String {
    match said {
        Said::Refusal(_) => phrases::DECISION_TO_DECLINE.to_owned(),
        Said::Calls(calls) => {
            let mut names: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
            names.dedup();
            fill(phrases::DECISION_TO_CALL, &names.join(" and "), &mut Topics::of(&[]))
        }
        Said::Text(_) => match request.format {
            Format::Object | Format::Schema(_) => phrases::DECISION_TO_FILL_IN.to_owned(),
            Format::Text if tools::has_results(request) => phrases::DECISION_TO_REPORT.to_owned(),
            Format::Text => phrases::DECISION_TO_ANSWER.to_owned(),
        },
    }
}
