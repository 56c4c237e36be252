//! Writes the answer as text.
//!
//! The answer is put together from [`phrases`](super::phrases) that suit the intent, filled with the words of
//! the prompt, until it is as long as it should be. A direct request (`say this is a test`, a sum, the
//! caller's own name) gets just what it asks for, whatever the length wanted.

use std::ops::RangeInclusive;

use super::dice::{Deck, Dice};
use super::persona::Persona;
use super::phrases;
use super::prompt::{Intent, Prompt};
use super::words::{capitalised, words};

/// The most words of an answer, whatever is asked for: what an open stream holds in memory stays small.
const MOST_WORDS: u32 = 10_000;
/// An answer with fewer words has no room for the note that it is simulated.
const ROOM_FOR_NOTE: usize = 40;

/// How much is said.
pub(super) struct Length {
    /// Words of an answer of some substance, at most [`MOST_WORDS`].
    pub(super) words: RangeInclusive<u32>,
    /// Greetings and the like are as long as everything else.
    pub(super) even_small_talk: bool,
}

/// An answer to `prompt` of about `length` words. A shorter limit in the prompt itself comes first.
pub(super) fn write(prompt: &Prompt<'_>, persona: &Persona, length: &Length, dice: &mut Dice) -> String {
    if let Some(exact) = exact(prompt, dice) {
        return exact;
    }
    let most = (*length.words.end()).clamp(1, MOST_WORDS);
    let mut least = (*length.words.start()).clamp(1, most);
    let brief = matches!(
        prompt.intent,
        Intent::Greeting
            | Intent::Thanks
            | Intent::Farewell
            | Intent::Agreement
            | Intent::Empty
            | Intent::Joke
            | Intent::Told(..)
            | Intent::Identity
            | Intent::Letter
            | Intent::Poem
            | Intent::Foreign
    );
    let aim = dice.between(least, most);
    let count = |words: u32| usize::try_from(words).unwrap_or(usize::MAX);
    let (mut aim, mut most) = (count(aim), count(most));
    if let Some(words) = prompt.limit.words {
        (aim, most) = (aim.min(words), most.min(words));
    }
    if prompt.limit.words.is_some() {
        least = 1;
    }
    let noted = prompt.opening && prompt.intent != Intent::Identity && most >= ROOM_FOR_NOTE;
    let note = phrases::NOTE.split_whitespace().count();
    if noted {
        (aim, most) = (aim.saturating_sub(note).max(1), most - note);
    }
    let mut text = Writer {
        text: String::new(),
        words: 0,
        sentences: 0,
        least: count(least).min(aim),
        aim,
        most,
        most_sentences: prompt.limit.sentences.unwrap_or(usize::MAX),
        topics: Topics::of(&prompt.topics),
    };
    text.open(prompt, persona, dice);
    if !brief || length.even_small_talk {
        text.go_on(dice);
    }
    let mut text = text.text;
    text.truncate(text.trim_end().len());
    if noted {
        text.push_str("\n\n");
        text.push_str(phrases::NOTE);
    }
    text
}

/// The answer to a prompt that asks for certain words, or for one.
fn exact(prompt: &Prompt<'_>, dice: &mut Dice) -> Option<String> {
    if prompt.exact.is_some() {
        return prompt.exact.clone();
    }
    if prompt.text.to_lowercase().contains("yes or no") {
        return Some(dice.pick(&["Yes.", "No."]).to_owned());
    }
    (prompt.limit.words == Some(1)).then(|| {
        format!("{}.", prompt.keywords.first().map_or_else(|| "Yes".to_owned(), |word| capitalised(word)))
    })
}

struct Writer<'a> {
    text: String,
    words: usize,
    sentences: usize,
    /// Words that it needs.
    least: usize,
    /// Words after which it is long enough.
    aim: usize,
    /// Words after which it must.
    most: usize,
    most_sentences: usize,
    topics: Topics<'a>,
}

impl Writer<'_> {
    /// The part that answers the prompt.
    fn open(&mut self, prompt: &Prompt<'_>, persona: &Persona, dice: &mut Dice) {
        if prompt.images > 0 {
            let images = match prompt.images {
                1 => "1 image".to_owned(),
                count => format!("{count} images"),
            };
            self.say(dice.pick(phrases::IMAGES), &images);
            if asks_for_images(prompt) {
                return;
            }
        }
        let about = if prompt.subject.is_empty() { "this topic" } else { &prompt.subject };
        match &prompt.intent {
            Intent::Greeting => {
                self.say(dice.pick(phrases::GREETINGS), about);
                if let Some(introduction) = persona.introduction() {
                    self.say(&format!("{introduction}."), about);
                }
                self.say(dice.pick(phrases::OFFERS), about);
            }
            Intent::Thanks => {
                self.say(dice.pick(phrases::THANKS), about);
                self.say(dice.pick(phrases::AFTER_THANKS), about);
            }
            Intent::Farewell => self.say(dice.pick(phrases::FAREWELLS), about),
            Intent::Agreement => self.say(dice.pick(phrases::AGREEMENTS), about),
            Intent::Empty if prompt.images == 0 => self.say(dice.pick(phrases::EMPTY), about),
            Intent::Empty => {}
            Intent::Identity => {
                if let Some(introduction) = persona.introduction() {
                    self.say(&format!("{introduction}, or rather I play that part."), about);
                }
                self.say(phrases::IDENTITY, about);
                self.block(phrases::REAL_MODEL);
            }
            Intent::Told(what, name) if what == "name" => {
                self.say(dice.pick(phrases::MEETINGS), name);
                self.say(dice.pick(phrases::OFFERS), about);
            }
            Intent::Told(what, value) => {
                let told = dice.pick(phrases::TOLD).replace("{k}", what);
                self.say(&told, value);
            }
            Intent::Joke => self.say(dice.pick(phrases::JOKES), about),
            Intent::HowTo => {
                self.say(dice.pick(phrases::HOW_TO), about);
                self.list(phrases::STEPS.iter().copied(), about);
            }
            Intent::About => self.say(dice.pick(phrases::ABOUT), about),
            // A question in its own words does not fit into a sentence; what it speaks of does.
            Intent::Why => {
                self.say(dice.pick(phrases::WHY), self.topics.phrases.first().map_or(about, String::as_str))
            }
            Intent::Foreign => self.say(dice.pick(phrases::FOREIGN), prompt.text.trim()),
            Intent::YesNo(Some(statement)) => self.say(dice.pick(phrases::YES_NO), statement),
            Intent::YesNo(None) => self.say(dice.pick(phrases::YES_NO_VAGUE), about),
            Intent::Fact => self.say(dice.pick(phrases::FACT), about),
            Intent::List(count) => {
                self.say(dice.pick(phrases::LISTS), about);
                let mut deck = Deck::of(phrases::ITEMS);
                self.list((0..*count).map(|_| deck.deal(dice)), about);
            }
            Intent::Code(language) => self.code(language, &prompt.keywords, dice),
            Intent::Letter => {
                let letter = fill(phrases::LETTER, about, &mut self.topics);
                self.block(&letter);
            }
            Intent::Poem => {
                let poem = fill(dice.pick(phrases::POEMS), about, &mut self.topics);
                self.block(&poem);
            }
            Intent::Task => self.say(dice.pick(phrases::TASK), about),
            Intent::Statement => self.say(dice.pick(phrases::STATEMENT), about),
            Intent::More => match prompt.follows.as_ref().filter(|before| *before != about) {
                Some(before) => {
                    let beside = dice.pick(phrases::MORE_BESIDE).replace("{k}", before);
                    self.say(&beside, about);
                }
                None => self.say(dice.pick(phrases::MORE), about),
            },
        }
        let asks = matches!(prompt.intent, Intent::HowTo | Intent::YesNo(_) | Intent::Fact);
        if let Some(company) = persona.company.as_ref().filter(|_| asks && dice.below(2) == 0) {
            self.say(dice.pick(phrases::COMPANY), company);
        }
    }

    /// What else can be said, until the answer is long enough.
    fn go_on(&mut self, dice: &mut Dice) {
        let (mut claims, mut leads) = (Deck::of(phrases::CLAIMS), Deck::of(phrases::LEADS));
        let mut in_paragraph = 0;
        while self.words < self.aim && !self.is_full() {
            let claim = claims.deal(dice);
            let left = self.aim - self.words;
            let sentence = match in_paragraph {
                _ if left < 14 && self.words > 30 => dice.pick(phrases::CLOSERS).to_owned(),
                0 => claim.to_owned(),
                _ if dice.below(3) == 0 => {
                    let lead = leads.deal(dice);
                    // A sentence that begins with a slot keeps its own beginning.
                    let lower = claim
                        .chars()
                        .next()
                        .map(|c| c.to_lowercase().collect::<String>())
                        .unwrap_or_default();
                    format!("{lead}{lower}{}", claim.get(1..).unwrap_or_default())
                }
                _ => claim.to_owned(),
            };
            if in_paragraph == 4 {
                self.text.push_str("\n\n");
                in_paragraph = 0;
            }
            self.say(&sentence, "");
            in_paragraph += 1;
        }
    }

    /// Adds a sentence, if there is room for any of it.
    fn say(&mut self, phrase: &str, subject: &str) {
        if self.is_full() {
            return;
        }
        let mut sentence = fill(phrase, subject, &mut self.topics);
        let room = self.most - self.words;
        let count = sentence.split_whitespace().count();
        if count > room && self.words >= self.least {
            self.most = self.words;
            return;
        }
        if count > room {
            let short: Vec<&str> = sentence.split_whitespace().take(room).collect();
            sentence = short.join(" ");
            sentence.truncate(sentence.trim_end_matches([',', ';', ':', '.']).len());
            sentence.push('.');
        }
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push(' ');
        }
        self.text.push_str(&sentence);
        self.words += count.min(room);
        self.sentences += 1;
    }

    /// Adds a text as it is, in a paragraph of its own, if all of it fits.
    fn block(&mut self, block: &str) {
        let count = block.split_whitespace().count();
        if self.words + count > self.most || self.sentences >= self.most_sentences {
            return;
        }
        if !self.text.is_empty() {
            self.text.push_str("\n\n");
        }
        self.text.push_str(block);
        self.text.push_str("\n\n");
        self.words += count;
    }

    /// Adds numbered items, or as many of them as fit.
    fn list(&mut self, items: impl Iterator<Item = &'static str>, subject: &str) {
        let mut lines: Vec<String> = Vec::new();
        let mut words = 0;
        for (at, item) in (1..).zip(items) {
            let line = format!("{at}. {}", fill(item, subject, &mut self.topics));
            words += line.split_whitespace().count();
            if self.words + words > self.most {
                break;
            }
            lines.push(line);
        }
        if !lines.is_empty() {
            self.block(&lines.join("\n"));
        }
    }

    fn code(&mut self, language: &str, keywords: &[String], dice: &mut Dice) {
        self.say(dice.pick(phrases::CODE_OPENERS), "");
        let name = function_name(keywords, language);
        if let Some((language, code)) = phrases::CODE.iter().find(|(it, _)| *it == language) {
            let code = fill(&code.replace("{f}", &name), "", &mut self.topics);
            self.block(&format!("```{language}\n{code}\n```"));
        }
        self.say(dice.pick(phrases::CODE_CLOSERS), "");
    }

    const fn is_full(&self) -> bool {
        self.words >= self.most || self.sentences >= self.most_sentences
    }
}

/// Whether the question is what there is to see, which nobody here can tell.
fn asks_for_images(prompt: &Prompt<'_>) -> bool {
    const SEEN: [&str; 10] =
        ["image", "images", "picture", "pictures", "photo", "photos", "screenshot", "this", "these", "see"];
    let asks = matches!(
        prompt.intent,
        Intent::About | Intent::Fact | Intent::Why | Intent::YesNo(_) | Intent::Task | Intent::Statement
    );
    asks && words(prompt.text).any(|word| SEEN.iter().any(|seen| seen.eq_ignore_ascii_case(word)))
}

/// Deals the topics in turn, the first one most often.
pub(super) struct Topics<'a> {
    phrases: &'a [String],
    next: usize,
}

impl<'a> Topics<'a> {
    pub(super) const fn of(phrases: &'a [String]) -> Self {
        Self { phrases, next: 0 }
    }

    fn deal(&mut self) -> &'a str {
        let often = !self.next.is_multiple_of(2);
        let of = if often { 0 } else { self.next / 2 };
        self.next += 1;
        if often && self.phrases.len() == 1 {
            return "this";
        }
        let at = of.checked_rem(self.phrases.len()).unwrap_or(0);
        self.phrases.get(at).map_or("this", String::as_str)
    }
}

/// A name for the function that the keywords describe.
fn function_name(keywords: &[String], language: &str) -> String {
    let generic = [
        "function",
        "script",
        "code",
        "program",
        "query",
        "snippet",
        "fix",
        "write",
        "javascript",
        "python",
        language,
    ];
    let telling =
        keywords.iter().map(|word| word.to_lowercase()).filter(|word| !generic.contains(&word.as_str()));
    let plain = telling.filter(|word| word.chars().all(|c| c.is_ascii_alphabetic()));
    let name = plain.take(2).collect::<Vec<_>>().join("_");
    if name.is_empty() { "run".to_owned() } else { name }
}

/// Replaces the slots of a phrase in one pass: what is put in is not looked at again.
pub(super) fn fill(phrase: &str, subject: &str, topics: &mut Topics<'_>) -> String {
    let mut text = String::with_capacity(phrase.len() + subject.len());
    let mut rest = phrase;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let (slot, after) = match after.as_bytes() {
            [b's', b'}', ..] => (subject.to_owned(), after.get(2..)),
            [b'S', b'}', ..] => (capitalised(subject), after.get(2..)),
            [b'k', b'}', ..] => (topics.deal().to_owned(), after.get(2..)),
            _ => ("{".to_owned(), Some(after)),
        };
        // A slot at the beginning starts a sentence.
        let slot = if text.is_empty() { capitalised(&slot) } else { slot };
        text.push_str(&slot);
        rest = after.unwrap_or_default();
    }
    text.push_str(rest);
    text
}
