//! What the caller wants: a rough reading of the last message of the user, in its context.
//!
//! English only, by openings (`how do i …`) and telling words. A message that cannot be understood is still
//! spoken about, by its keywords. A follow-up (`and why?`) takes its subject from the turn before.

use super::known;
use super::openings::{
    ABOUT, AUXILIARIES, CODE_THINGS, ECHO, FACT, GREETINGS, HOW_TO, IDENTITY, LANGUAGES, LINKS, LIST,
    MANNERS, MORE, SMALL_TALK, TASK, THINGS, TRAILING, WRITE,
};
use super::request::{Request, Role};
use super::words::{bare, is_filler, keywords, number, opens_with, restated, sentences, topics, words};

pub(super) struct Prompt<'a> {
    /// The user's last message; empty if there is none.
    pub(super) text: &'a str,
    pub(super) intent: Intent,
    /// The answer, where the prompt asks for certain words or for something that is known.
    pub(super) exact: Option<String>,
    /// What it is about, as a phrase said back to the user; empty if nothing was understood.
    pub(super) subject: String,
    /// Telling words, one by one.
    pub(super) keywords: Vec<String>,
    /// Phrases that can be spoken about: `your password`, `a circuit breaker`.
    pub(super) topics: Vec<String>,
    /// The subject of the turn before, if this one follows it up.
    pub(super) follows: Option<String>,
    /// Whether the model has not said anything yet in this conversation.
    pub(super) opening: bool,
    pub(super) images: usize,
    pub(super) limit: Limit,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    Empty,
    Greeting,
    Thanks,
    Farewell,
    Agreement,
    /// Who or what the model is.
    Identity,
    /// The user told something to remember: what, and its value.
    Told(String, String),
    Joke,
    HowTo,
    About,
    Why,
    /// With the statement in question, where its grammar is simple enough.
    YesNo(Option<String>),
    /// When, where, who, which, how many.
    Fact,
    /// So many things.
    List(usize),
    Code(&'static str),
    Letter,
    Poem,
    /// Anything else to be done.
    Task,
    Statement,
    /// Not in English.
    Foreign,
    /// More of the same.
    More,
}

/// Wishes for a short answer in the prompt or in the system prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) sentences: Option<usize>,
    pub(super) words: Option<usize>,
}

/// How much of a message is looked at, in bytes.
const LOOKED_AT: usize = 4096;

impl<'a> Prompt<'a> {
    pub(super) fn read(request: &'a Request) -> Self {
        let users = || request.messages.iter().filter(|message| message.role == Role::User);
        let earlier: Vec<&str> = users().map(|message| start(&message.text)).collect();
        let (text, earlier) = earlier.split_last().map_or(("", &[][..]), |(last, earlier)| (*last, earlier));
        let images = users().next_back().map_or(0, |message| message.images);

        let mut reading = Reading::of(text);
        let exact = echo(text).or_else(|| known::answer(text, earlier));
        let mut follows = None;
        if reading.needs_context {
            let before =
                earlier.iter().rev().map(|text| Reading::of(text)).find(|before| !before.needs_context);
            if let Some(before) = before.filter(|before| !before.subject.is_empty()) {
                follows = Some(before.subject.clone());
                if reading.subject.is_empty() {
                    reading.subject = before.subject;
                }
                reading.keywords.extend(before.keywords);
                reading.topics.extend(before.topics);
            }
        }
        let mut limit = Limit::of(text);
        for message in request.messages.iter().filter(|message| message.role == Role::System) {
            let general = Limit::of(start(&message.text));
            limit.sentences = limit.sentences.or(general.sentences);
            limit.words = limit.words.or(general.words);
        }
        Self {
            text,
            intent: reading.intent,
            exact,
            subject: reading.subject,
            keywords: reading.keywords,
            topics: reading.topics,
            follows,
            opening: !request.messages.iter().any(|message| message.role == Role::Assistant),
            images,
            limit,
        }
    }
}

fn start(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LOOKED_AT)).unwrap_or_default()
}

impl Limit {
    fn of(text: &str) -> Self {
        let mut limit = Self::default();
        let mut before = "";
        for word in words(text) {
            let count =
                number(before).or((before.eq_ignore_ascii_case("single")).then_some(1)).filter(|n| *n > 0);
            if word.eq_ignore_ascii_case("sentence") || word.eq_ignore_ascii_case("sentences") {
                limit.sentences = limit.sentences.or(count);
            } else if word.eq_ignore_ascii_case("word") || word.eq_ignore_ascii_case("words") {
                limit.words = limit.words.or(count);
            }
            before = word;
        }
        limit
    }
}

/// One message on its own.
struct Reading {
    intent: Intent,
    subject: String,
    keywords: Vec<String>,
    topics: Vec<String>,
    /// Says little without the turn before.
    needs_context: bool,
}

impl Reading {
    fn of(text: &str) -> Self {
        let focus = focus(text);
        let raw: Vec<&str> = focus.split_whitespace().take(60).collect();
        let low: Vec<String> = raw.iter().map(|word| bare(word).to_lowercase()).collect();
        let (intent, at) = intent(text, &raw, &low);
        let subject = subject(&intent, &raw, &low, at);
        let mut found = keywords(&subject, 8);
        for word in keywords(text, 8) {
            if found.len() < 8 && !found.iter().any(|other| other.eq_ignore_ascii_case(&word)) {
                found.push(word);
            }
        }
        let mut topics = match intent {
            Intent::Letter | Intent::Poem => vec![subject.clone()],
            Intent::List(_) => topics(&subject, 4),
            _ => topics(focus, 6),
        };
        if matches!(intent, Intent::Code(_)) {
            topics.retain(|topic| !CODE_THINGS.iter().any(|thing| topic.ends_with(thing)));
        }
        if topics.is_empty() && matches!(intent, Intent::About | Intent::Statement) {
            topics.push(subject.clone());
        }
        let telling = low.iter().filter(|word| !is_filler(word) && word.chars().nth(1).is_some()).count();
        let asks = matches!(
            intent,
            Intent::Why | Intent::More | Intent::Agreement | Intent::Fact | Intent::Statement
        );
        let needs_context = intent == Intent::More || (asks && telling == 0 && low.len() <= 5);
        Self { intent, subject, keywords: found, topics, needs_context }
    }
}

/// The sentence that asks: the last question, else the first sentence.
fn focus(text: &str) -> &str {
    let question = sentences(text).filter(|sentence| sentence.ends_with(['?', '？'])).last();
    question.or_else(|| sentences(text).find(|sentence| words(sentence).next().is_some())).unwrap_or_default()
}

/// The intent, and where in the words its subject begins.
fn intent(text: &str, raw: &[&str], low: &[String]) -> (Intent, usize) {
    if words(text).next().is_none() {
        return (Intent::Empty, 0);
    }
    if text.chars().any(|c| c.is_alphabetic() && !c.is_ascii()) && !low.iter().any(|word| is_filler(word)) {
        return (Intent::Foreign, 0);
    }
    let has = |word: &str| low.iter().any(|it| it == word);
    let (at, greeted) = skip_manners(low);
    let rest = low.get(at..).unwrap_or_default();
    let opens =
        |openings: &[&str]| openings.iter().find_map(|opening| opens_with(rest, opening)).map(|n| at + n);

    if IDENTITY.iter().any(|question| opens_with(rest, question).is_some()) {
        return (Intent::Identity, at);
    }
    if let Some((what, value)) = known::told(text).filter(|_| !text.contains('?')) {
        return (Intent::Told(what, value), at);
    }
    if ["help", "help me", "help us"].iter().any(|plea| opens_with(rest, plea) == Some(rest.len())) {
        return (Intent::Greeting, low.len());
    }
    if let Some(at) = opens(MORE) {
        return (Intent::More, at);
    }
    if rest.is_empty() || (rest.len() <= 3 && opens(SMALL_TALK).is_some()) {
        let first = low.first().map(String::as_str).unwrap_or_default();
        return match first {
            "thanks" | "thank" | "thx" => (Intent::Thanks, low.len()),
            "bye" | "goodbye" | "ciao" => (Intent::Farewell, low.len()),
            "how" | "what's" | "whats" => (Intent::Greeting, low.len()),
            _ if greeted => (Intent::Greeting, low.len()),
            "why" => (Intent::Why, low.len()),
            _ => (Intent::Agreement, low.len()),
        };
    }
    if has("joke") {
        return (Intent::Joke, at);
    }
    if let Some(language) = code(text, low) {
        return (Intent::Code(language), at);
    }
    if let Some((count, at)) = list(rest, at) {
        return (Intent::List(count), at);
    }
    if let Some(matter) = opens(WRITE) {
        let letter = ["email", "letter", "mail", "message"].into_iter().any(has);
        let poem = ["poem", "haiku", "song", "limerick"].into_iter().any(has);
        return if letter {
            (Intent::Letter, matter)
        } else if poem {
            (Intent::Poem, matter)
        } else {
            (Intent::Task, at)
        };
    }
    if let Some(at) = opens(HOW_TO) {
        return (Intent::HowTo, at);
    }
    if opens(FACT).is_some() {
        return (Intent::Fact, at);
    }
    if let Some(at) = opens(ABOUT) {
        return (Intent::About, at);
    }
    if let Some(at) = opens(&["why", "how come"]) {
        return (Intent::Why, at);
    }
    if rest.first().is_some_and(|word| AUXILIARIES.contains(&word.as_str())) {
        return (Intent::YesNo(statement(raw.get(at..).unwrap_or_default())), at);
    }
    if opens(TASK).is_some() {
        return (Intent::Task, at);
    }
    (if raw.last().is_some_and(|word| word.ends_with('?')) { Intent::Fact } else { Intent::Statement }, at)
}

/// Where the matter begins after greeting and politeness, and whether there was a greeting.
fn skip_manners(low: &[String]) -> (usize, bool) {
    let (mut at, mut greeted) = (0, false);
    while let Some(rest) = low.get(at..).filter(|rest| !rest.is_empty()) {
        let greeting = GREETINGS.iter().find_map(|words| opens_with(rest, words));
        let Some(skipped) = greeting.or_else(|| MANNERS.iter().find_map(|words| opens_with(rest, words)))
        else {
            break;
        };
        greeted |= greeting.is_some();
        at += skipped;
    }
    (at, greeted)
}

/// `Say this is a test` wants just that.
fn echo(text: &str) -> Option<String> {
    let text = text.trim();
    let line = text.lines().next().filter(|_| text.len() <= 400)?;
    let low = line.to_ascii_lowercase();
    let opening = ECHO.iter().find(|opening| low.starts_with(**opening))?;
    let wanted = text.get(opening.len()..)?.trim_start_matches([':', ' ']);
    let quotes: &[char] = &['"', '\'', '“', '”', '`'];
    if let Some(quoted) = wanted.strip_prefix(quotes) {
        return quoted.split(quotes).next().map(str::to_owned).filter(|words| !words.is_empty());
    }
    let plain = wanted.trim();
    let first = words(plain).next()?;
    let talks = ["something", "it", "that", "anything", "more", "a", "your", "what", "why", "how"];
    (!talks.iter().any(|word| word.eq_ignore_ascii_case(first)) && !plain.ends_with('?'))
        .then(|| plain.to_owned())
}

fn code(text: &str, low: &[String]) -> Option<&'static str> {
    let language = low.iter().find_map(|word| {
        LANGUAGES.iter().find(|(names, _)| names.contains(&word.as_str())).map(|(_, language)| *language)
    });
    let makes =
        ["write", "create", "implement", "show", "make", "give", "fix", "debug", "code", "refactor", "need"];
    let makes = low.iter().any(|word| makes.contains(&word.as_str()));
    let names_thing = low.iter().any(|word| CODE_THINGS.contains(&word.as_str()));
    let fenced = text.contains("```");
    (fenced || (makes && (names_thing || language.is_some()))).then(|| language.unwrap_or("python"))
}

/// `three tips for …`, `name five …`: how many, and where their subject begins.
fn list(rest: &[String], at: usize) -> Option<(usize, usize)> {
    let asks = LIST.iter().find_map(|opening| opens_with(rest, opening));
    let things = rest.iter().take(8).position(|word| THINGS.contains(&word.as_str()));
    let from = asks.unwrap_or(0);
    let count = rest.iter().take(things.unwrap_or(from + 1)).skip(from).find_map(|word| number(word));
    if asks.is_none() && (things.is_none() || count.is_none()) {
        return None;
    }
    // `give me` alone asks for anything; with a number or `tips` it asks for a list.
    if rest.first().is_some_and(|word| word == "give" || word == "what")
        && things.is_none()
        && count.is_none()
    {
        return None;
    }
    let mut begin = things.map_or(from, |things| things + 1);
    while rest.get(begin).is_some_and(|word| LINKS.contains(&word.as_str()) || number(word).is_some()) {
        begin += 1;
    }
    Some((count.unwrap_or(3).clamp(1, 20), at + begin))
}

/// `can I return it` as `you can return it`.
fn statement(words: &[&str]) -> Option<String> {
    let [auxiliary, who, rest @ ..] = words else { return None };
    let auxiliary = auxiliary.to_lowercase();
    let (who, auxiliary) = match (bare(who).to_lowercase().as_str(), auxiliary.as_str()) {
        ("i" | "we", "am" | "is") => ("you", "are"),
        ("i" | "we", "was") => ("you", "were"),
        ("i" | "we", "do") => ("you", ""),
        ("you", "do") => ("we", ""),
        ("i" | "we", other) => ("you", other),
        ("you", other) => ("we", other),
        ("it", other) => ("it", other),
        ("they", "do") => ("they", ""),
        ("they", other) => ("they", other),
        ("this", other) => ("this", other),
        ("that", other) => ("that", other),
        ("there", other) => ("there", other),
        _ => return None,
    };
    let rest = restated(rest);
    let said: Vec<&str> = [who, auxiliary, rest.trim_end_matches(['?', '.', '!', ' '])]
        .into_iter()
        .filter(|s| !s.is_empty())
        .collect();
    Some(said.join(" "))
}

/// The phrase after the opening, said back.
fn subject(intent: &Intent, raw: &[&str], low: &[String], at: usize) -> String {
    let mut end = raw.len();
    while end > at && low.get(end - 1).is_some_and(|word| TRAILING.contains(&word.as_str())) {
        end -= 1;
    }
    // `in two sentences` says how, not what; after a colon comes what to work on.
    let shortness =
        low.iter().position(|word| word.starts_with("sentence") || word == "words" || word == "word");
    if let Some(place) = shortness.filter(|place| *place >= at + 2) {
        let from =
            low.get(..place).unwrap_or_default().iter().rposition(|word| word == "in" || word == "with");
        end = from.filter(|from| *from > at && place - from <= 4).unwrap_or(end);
    }
    let colon = raw.iter().skip(at).position(|word| word.ends_with(':')).map(|colon| at + colon + 1);
    end = colon.map_or(end, |colon| end.min(colon));
    let mut begin = at;
    if matches!(intent, Intent::Letter | Intent::Poem) {
        let link = low
            .iter()
            .skip(at)
            .position(|word| LINKS.contains(&word.as_str()) && word != "a" && word != "to");
        begin = link.map_or(at, |link| at + link + 1);
    }
    if matches!(intent, Intent::Statement | Intent::Fact) && raw.len() > 14 {
        return keywords(&raw.join(" "), 3).join(" ");
    }
    let words = raw.get(begin..end.min(begin + 14)).unwrap_or_default();
    let said = restated(words);
    said.trim_matches(|c: char| {
        c.is_whitespace() || (c.is_ascii_punctuation() && !matches!(c, '+' | '#' | ')' | '('))
    })
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Intent, String) {
        let reading = Reading::of(text);
        (reading.intent, reading.subject)
    }

    #[test]
    fn common_messages_are_understood() {
        let cases = [
            ("hello", Intent::Greeting, ""),
            ("Hi there!", Intent::Greeting, ""),
            ("How are you?", Intent::Greeting, ""),
            ("thanks a lot!", Intent::Thanks, ""),
            ("bye", Intent::Farewell, ""),
            ("ok", Intent::Agreement, ""),
            ("", Intent::Empty, ""),
            ("How do I reset my password?", Intent::HowTo, "reset your password"),
            ("Can you please explain how TLS works?", Intent::About, "how TLS"),
            ("What is a circuit breaker?", Intent::About, "a circuit breaker"),
            (
                "I bought a lamp. It is broken. Can I return it?",
                Intent::YesNo(Some("you can return it".into())),
                "can you return it",
            ),
            ("Why do cats purr?", Intent::Why, "do cats purr"),
            ("Give me three tips for sleeping better", Intent::List(3), "sleeping better"),
            ("List 5 fruits", Intent::List(5), "fruits"),
            (
                "Write a python function that reverses a string",
                Intent::Code("python"),
                "write a python function that reverses a string",
            ),
            ("Write an email to my landlord about the heating", Intent::Letter, "the heating"),
            ("write a haiku about autumn", Intent::Poem, "autumn"),
            ("Tell me a joke", Intent::Joke, "tell you a joke"),
            ("can you help me?", Intent::Greeting, ""),
            ("help", Intent::Greeting, ""),
            ("Write me a story about a ship", Intent::Task, "write you a story about a ship"),
            ("Who are you?", Intent::Identity, "who are"),
            ("When does the shop open?", Intent::Fact, "when does the shop open"),
            ("My name is Sam", Intent::Told("name".into(), "Sam".into()), "your name is Sam"),
            ("Summarise this article: the sea is deep", Intent::Task, "summarise this article"),
            ("Explain TLS in 2 sentences", Intent::About, "TLS"),
            ("¿Qué tal?", Intent::Foreign, "¿Qué tal"),
            ("The package never arrived", Intent::Statement, "the package never arrived"),
        ];
        for (text, intent, subject) in cases {
            assert_eq!(read(text), (intent, subject.to_owned()), "{text}");
        }
    }

    #[test]
    fn certain_words_are_given_back_on_request() {
        let cases = [
            ("Say this is a test", Some("this is a test")),
            ("Reply with exactly: PONG", Some("PONG")),
            ("say \"hello world\" to me", Some("hello world")),
            ("Say something nice", None),
            ("Say, what is this?", None),
            ("What does the fox say", None),
        ];
        for (text, words) in cases {
            assert_eq!(echo(text).as_deref(), words, "{text}");
        }
    }

    #[test]
    fn limits_are_read_in_digits_and_words() {
        let limit = |text: &str| (Limit::of(text).sentences, Limit::of(text).words);
        assert_eq!(limit("Answer in at most three sentences."), (Some(3), None));
        assert_eq!(limit("in 50 words, please"), (None, Some(50)));
        assert_eq!(limit("Reply with a single word"), (None, Some(1)));
        assert_eq!(limit("words of wisdom"), (None, None));
    }

    #[test]
    fn a_follow_up_keeps_the_subject_of_the_turn_before() {
        let body = r#"{"model":"m","messages":[{"role":"user","content":"What is a circuit breaker?"},
            {"role":"assistant","content":"…"},{"role":"user","content":"And why?"}]}"#;
        let request = Request::read(body.as_bytes()).expect("a request");
        let prompt = Prompt::read(&request);
        assert_eq!(prompt.intent, Intent::Why);
        assert_eq!(prompt.subject, "a circuit breaker");
        assert!(!prompt.opening);
    }
}
