//! Plausible values for named fields: from the words of the prompt where they fit, else from a table.
//!
//! `{ "city": "Lyon", "age": 34 }` is what a reader expects of "Jane is 34 and lives in Lyon". The name of a
//! field tells what kind of value it wants; the prompt is searched for one of that kind, each used once.

use super::dice::Dice;
use super::json::Json;
use super::prompt::Prompt;
use super::words::{bare, capitalised, is_filler, sentences};

/// What the prompt has to offer.
#[derive(Clone)]
pub(super) struct Values {
    pub(super) text: String,
    /// The same in lower case.
    lower: String,
    subject: String,
    keywords: Vec<String>,
    numbers: Vec<f64>,
    quoted: Vec<String>,
    emails: Vec<String>,
    links: Vec<String>,
    /// `2026-03-01`
    dates: Vec<String>,
    /// Words with digits in them: order numbers and the like.
    codes: Vec<String>,
    /// Capitalised words after `in`, `to`, `from` and so on.
    places: Vec<String>,
    /// Other capitalised words.
    names: Vec<String>,
}

impl Values {
    pub(super) fn of(prompt: &Prompt<'_>) -> Self {
        let mut values = Self {
            text: prompt.text.to_owned(),
            lower: prompt.text.to_lowercase(),
            subject: prompt.subject.clone(),
            keywords: prompt.keywords.clone(),
            numbers: Vec::new(),
            quoted: quoted(prompt.text),
            emails: Vec::new(),
            links: Vec::new(),
            dates: Vec::new(),
            codes: Vec::new(),
            places: Vec::new(),
            names: Vec::new(),
        };
        for sentence in sentences(prompt.text).take(64) {
            values.words_of(sentence);
        }
        values
    }

    fn words_of(&mut self, sentence: &str) {
        let words: Vec<&str> = sentence.split_whitespace().take(100).collect();
        let mut at = 0;
        let mut in_place = false;
        while let Some(word) = words.get(at) {
            let core = word.trim_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '/' | '-'));
            at += 1;
            if core.contains("://") {
                self.links.push(core.to_owned());
            } else if core.contains('@') && core.contains('.') {
                self.emails.push(core.to_owned());
            } else if is_date(core) {
                self.dates.push(core.to_owned());
            } else if let Some(number) = core.replace(',', "").parse::<f64>().ok().filter(|n| n.is_finite()) {
                self.numbers.push(number);
            } else if core.chars().any(|c| c.is_ascii_digit()) {
                let number = core.trim_matches(|c: char| !c.is_ascii_digit()).parse::<f64>().ok();
                self.numbers.extend(number);
                self.codes.push(core.to_owned());
            } else if is_capital(core) && !is_filler(core) && (at > 1 || begins_with_name(&words)) {
                let mut name = vec![bare(word)];
                while let Some(next) =
                    words.get(at).filter(|next| is_capital(next) && !ends_clause(words.get(at - 1)))
                {
                    name.push(bare(next));
                    at += 1;
                }
                let name = name.join(" ");
                let before =
                    words.get((at - 1).wrapping_sub(name.split(' ').count())).map(|word| word.to_lowercase());
                let linked = before.as_deref().is_some_and(|word| PLACE_LINKS.contains(&word));
                let goes_on = in_place
                    && before
                        .as_deref()
                        .is_some_and(|word| word == "and" || word == "or" || word.ends_with(','));
                in_place = linked || goes_on;
                if in_place { self.places.push(name) } else { self.names.push(name) }
            }
        }
    }

    /// A text for the field `name`; `nth` of several.
    pub(super) fn text_for(&mut self, name: &str, nth: usize, dice: &mut Dice) -> String {
        let parts = parts(name);
        let is = |names: &[&str]| parts.iter().any(|part| names.contains(&part.as_str()));
        let first = |pool: &mut Vec<String>| (!pool.is_empty()).then(|| pool.remove(0));
        let about = self.about();
        if is(&[
            "city",
            "location",
            "place",
            "destination",
            "origin",
            "town",
            "country",
            "region",
            "from",
            "to",
            "address",
            "area",
        ]) {
            let found = first(&mut self.places).or_else(|| first(&mut self.names));
            let fallback = if is(&["country"]) {
                "Germany"
            } else {
                dice.pick(&["Berlin", "Lisbon", "Toronto", "Osaka"])
            };
            return found.unwrap_or_else(|| fallback.to_owned());
        }
        if is(&["email", "mail"]) {
            return first(&mut self.emails).unwrap_or_else(|| "alex@example.com".to_owned());
        }
        if is(&["url", "uri", "link", "website", "href"]) {
            return first(&mut self.links).unwrap_or_else(|| "https://example.com/".to_owned());
        }
        if is(&["date", "day", "birthday", "deadline", "due"]) {
            return first(&mut self.dates).unwrap_or_else(|| "2026-03-02".to_owned());
        }
        if is(&["time"]) {
            return "14:30".to_owned();
        }
        if is(&["phone", "telephone", "mobile"]) {
            return "+1 555 0100".to_owned();
        }
        if is(&["id", "number", "code", "sku", "reference", "order", "ticket", "key", "uuid"]) {
            let number = self.numbers.first().map(|number| number.to_string());
            return first(&mut self.codes)
                .or(number)
                .unwrap_or_else(|| format!("A-{}", 1000 + dice.below(9000)));
        }
        if is(&["query", "q", "search", "keywords", "question", "topic", "subject", "term", "terms", "theme"])
        {
            return first(&mut self.quoted).unwrap_or(about);
        }
        if is(&[
            "name",
            "author",
            "person",
            "customer",
            "user",
            "username",
            "recipient",
            "participant",
            "who",
            "speaker",
        ]) {
            let found = first(&mut self.names).or_else(|| first(&mut self.quoted));
            return found.unwrap_or_else(|| {
                dice.pick(&["Alex Morgan", "Robin Kim", "Sam Rivera", "Noa Berg"]).to_owned()
            });
        }
        if is(&["title", "headline", "heading", "label"]) {
            return first(&mut self.quoted).unwrap_or_else(|| capitalised(&about));
        }
        if is(&["language", "lang", "locale"]) {
            return "en".to_owned();
        }
        if is(&["currency"]) {
            return "USD".to_owned();
        }
        if is(&["status", "state"]) {
            return "ok".to_owned();
        }
        if is(&["sentiment", "mood", "tone"]) {
            return "positive".to_owned();
        }
        if is(&["color", "colour"]) {
            return "blue".to_owned();
        }
        if is(&["expression", "formula", "equation", "calculation"]) {
            let signs = |c: char| c.is_ascii_digit() || " +-*/().^%".contains(c);
            let sum =
                self.text.split(|c: char| !signs(c)).max_by_key(|part| part.trim().len()).unwrap_or_default();
            return if sum.trim().is_empty() {
                "2 + 2".to_owned()
            } else {
                sum.trim().trim_end_matches('.').to_owned()
            };
        }
        if is(&["answer", "output", "result", "final"]) && !self.numbers.is_empty() && nth == 0 {
            return format!("The answer has to do with {about}.");
        }
        if is(&[
            "tag",
            "tags",
            "keyword",
            "category",
            "categories",
            "label",
            "labels",
            "item",
            "items",
            "topics",
            "word",
            "entity",
        ]) {
            return self.keyword(nth);
        }
        if is(&["message", "text", "content", "body", "prompt", "input", "note", "comment"])
            && let Some(quoted) = first(&mut self.quoted)
        {
            return quoted;
        }
        if is(&SENTENCES) {
            let phrases = [
                "It comes down to {k}.",
                "The main point is {k}.",
                "First, consider {k}.",
                "This follows from {k}.",
                "A closer look at {k} is worthwhile.",
            ];
            let of = if nth == 0 { about } else { self.keyword(nth) };
            return dice.pick(&phrases).replace("{k}", &of);
        }
        if nth == 0 { about } else { self.keyword(nth) }
    }

    /// A value for the member `name` of an object without a schema.
    pub(super) fn value_for(&mut self, name: &str, dice: &mut Dice) -> Json {
        let numeric = [
            "age",
            "count",
            "total",
            "amount",
            "price",
            "year",
            "quantity",
            "score",
            "rating",
            "temperature",
        ];
        if parts(name).iter().any(|part| numeric.contains(&part.as_str())) {
            let number = self.number_within(f64::NEG_INFINITY, f64::INFINITY, false);
            return Json::number(number.unwrap_or_else(|| number_for(name, 0)));
        }
        self.text_for(name, 0, dice).into()
    }

    /// The members that the prompt asks for: `{"name": …, "age": …}`, or `with the keys name and age`.
    pub(super) fn member_names(&self) -> Vec<String> {
        let is_name = |name: &str| {
            !name.is_empty() && name.len() <= 40 && name.chars().all(|c| c.is_alphanumeric() || c == '_')
        };
        let mut names: Vec<String> = Vec::new();
        let mut add = |name: &str| {
            if is_name(name) && names.len() < 16 && !names.iter().any(|other| other == name) {
                names.push(name.to_owned());
            }
        };
        let pieces: Vec<&str> = self.text.split('"').collect();
        for pair in pieces.windows(2).skip(1).step_by(2) {
            if let [name, after] = pair
                && after.trim_start().starts_with(':')
            {
                add(name);
            }
        }
        let mut words = self.text.split_whitespace();
        let introduces =
            |word: &str| ["keys", "fields", "properties", "members", "key", "field"].contains(&bare(word));
        if words.any(introduces) {
            let mut goes_on = true;
            for word in words.take(24) {
                match word {
                    "and" | "or" => goes_on = true,
                    "named" | "called" | "the" => {}
                    word if goes_on => {
                        add(bare(word));
                        goes_on = word.ends_with([',', '&']);
                    }
                    _ => break,
                }
            }
        }
        names
    }

    /// Another number of the prompt within the bounds.
    pub(super) fn number_within(&mut self, low: f64, high: f64, whole: bool) -> Option<f64> {
        let fits = |number: &f64| (low..=high).contains(number) && (!whole || number.fract() == 0.0);
        let at = self.numbers.iter().position(fits)?;
        Some(self.numbers.remove(at))
    }

    /// Whether the prompt names `value`.
    pub(super) fn mentions(&self, value: &str) -> bool {
        let value = value.to_lowercase().replace('_', " ");
        let text = &self.lower;
        !value.is_empty()
            && text.match_indices(value.as_str()).any(|(at, _)| {
                let before = text.get(..at).and_then(|text| text.chars().next_back());
                let after = text.get(at + value.len()..).and_then(|text| text.chars().next());
                !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
            })
    }

    /// The places named together, as in `Paris and London`.
    pub(super) fn places(&self) -> &[String] {
        &self.places
    }

    /// The same, with one place only.
    pub(super) fn only_place(&self, place: &str) -> Self {
        Self { places: vec![place.to_owned()], ..self.clone() }
    }

    fn about(&self) -> String {
        if self.subject.is_empty() { self.keyword(0) } else { self.subject.clone() }
    }

    fn keyword(&self, nth: usize) -> String {
        match self.keywords.get(nth) {
            Some(word) => word.clone(),
            None if nth == 0 => "general".to_owned(),
            None => format!("{} {}", self.keywords.first().map_or("item", String::as_str), nth + 1),
        }
    }
}

/// A usual value for a numeric field.
pub(super) fn number_for(name: &str, nth: usize) -> f64 {
    let parts = parts(name);
    let is = |names: &[&str]| parts.iter().any(|part| names.contains(&part.as_str()));
    let usual = [
        (&["age"][..], 34.0),
        (&["year"], 2026.0),
        (&["month"], 3.0),
        (&["price", "cost", "amount", "total"], 19.99),
        (&["confidence", "probability", "score", "relevance", "similarity"], 0.87),
        (&["rating", "stars"], 4.0),
        (&["temperature", "degrees"], 21.0),
        (&["percent", "percentage"], 42.0),
        (&["latitude", "lat"], 52.52),
        (&["longitude", "lon", "lng"], 13.405),
        (&["id", "number"], 1042.0),
        (&["step", "index", "position", "rank", "priority"], 1.0),
        (&["minutes", "duration"], 30.0),
    ];
    let found = usual.iter().find(|(names, _)| is(names)).map_or(3.0, |(_, value)| *value);
    found + f64::from(u32::try_from(nth).unwrap_or(0))
}

/// The names in a field's name: `order_id`, `orderId` and `order-id` alike, in lower case.
pub(super) fn parts(name: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut small = false;
    for c in name.chars() {
        if !c.is_alphanumeric() {
            parts.push(String::new());
        } else if c.is_uppercase() && small {
            parts.push(c.to_lowercase().collect());
        } else if let Some(part) = parts.last_mut() {
            part.extend(c.to_lowercase());
        } else {
            parts.push(c.to_lowercase().collect());
        }
        small = c.is_lowercase();
    }
    parts.retain(|part| !part.is_empty());
    parts
}

#[rustfmt::skip]
const SENTENCES: [&str; 22] = [
    "summary", "description", "explanation", "reasoning", "reason", "text", "content", "body", "message",
    "answer", "comment", "note", "details", "output", "result", "thought", "rationale", "analysis",
    "response", "final", "bio", "conclusion",
];

const PLACE_LINKS: [&str; 12] =
    ["in", "at", "for", "near", "to", "from", "of", "around", "between", "visiting", "via", "into"];

fn is_capital(word: &str) -> bool {
    bare(word).chars().next().is_some_and(char::is_uppercase)
}

/// Whether the large first letter of a sentence belongs to a name: before another one, or before a verb about
/// someone.
fn begins_with_name(words: &[&str]) -> bool {
    words.get(1).is_none_or(|next| {
        let next = bare(next);
        is_capital(next)
            || ["is", "was", "has", "and"].contains(&next)
            || next.ends_with("ed")
            || next.ends_with('s')
    })
}

fn ends_clause(word: Option<&&str>) -> bool {
    word.is_some_and(|word| word.ends_with([',', '.', ';', '?', '!', ':']))
}

fn is_date(word: &str) -> bool {
    let parts: Vec<&str> = word.split('-').collect();
    let digits = |part: &&str| part.bytes().all(|b| b.is_ascii_digit());
    matches!(parts.as_slice(), [year, month, day] if year.len() == 4 && month.len() == 2 && day.len() == 2)
        && parts.iter().all(digits)
}

fn quoted(text: &str) -> Vec<String> {
    let mut quoted = Vec::new();
    for (open, close) in [('"', '"'), ('“', '”'), ('`', '`')] {
        let mut rest = text;
        while quoted.len() < 16
            && let Some((_, after)) = rest.split_once(open)
            && let Some((inside, after)) = after.split_once(close)
        {
            if !inside.trim().is_empty() && inside.len() <= 200 {
                quoted.push(inside.to_owned());
            }
            rest = after;
        }
    }
    quoted
}
