//! Words of English text: taking them apart, telling the telling ones from the others, and saying them back.

/// The words of `text` without the punctuation around them.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace().map(bare).filter(|word| !word.is_empty())
}

/// A word without the punctuation around it.
pub(super) fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_alphanumeric())
}

/// `text` in sentences and lines, punctuation kept.
pub(super) fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        if rest.is_empty() {
            return None;
        }
        let mut ends = rest.char_indices().zip(rest.chars().skip(1).map(Some).chain([None]));
        let end = ends.find_map(|((at, c), next)| {
            let full = matches!(c, '.' | '?' | '!') && next.is_none_or(char::is_whitespace);
            let wide = matches!(c, '。' | '？' | '！');
            (full || wide || c == '\n').then_some(at + c.len_utf8())
        });
        let (sentence, after) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        rest = after;
        Some(sentence.trim_end())
    })
}

/// The words of `text` that say what it is about, at most `most`, each once.
pub(super) fn keywords(text: &str, most: usize) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for word in words(text).take(400) {
        let word = word.strip_suffix("'s").or_else(|| word.strip_suffix("’s")).unwrap_or(word);
        let plain =
            word.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '\'' | '’' | '.' | '+' | '#'));
        let known = found.iter().any(|other| other.eq_ignore_ascii_case(word));
        if plain && !is_filler(word) && !known && word.chars().nth(1).is_some() {
            found.push(uncapitalised(word, false).chars().take(24).collect());
        }
        if found.len() == most {
            break;
        }
    }
    found
}

/// Phrases of `text` that look like nouns, with their article or owner, said back: `your password`. At most
/// `most`.
///
/// Runs of telling words count, unless what stands before them makes them a verb or an adjective.
pub(super) fn topics(text: &str, most: usize) -> Vec<String> {
    let words: Vec<&str> = text.split_whitespace().take(100).collect();
    let telling = |word: &&str| bare(word).chars().nth(1).is_some() && !is_filler(bare(word));
    let mut found: Vec<String> = Vec::new();
    let mut at = 0;
    while at < words.len() && found.len() < most {
        let mut run: Vec<&str> = Vec::new();
        while let Some(word) = words.get(at + run.len()).filter(|word| telling(word)) {
            run.push(word);
            if !word.ends_with(|c: char| c.is_alphanumeric()) {
                break;
            }
        }
        let word_before =
            |back: usize| at.checked_sub(back).and_then(|at| words.get(at)).map_or("", |word| bare(word));
        let (before, earlier) = (word_before(1).to_lowercase(), word_before(2).to_lowercase());
        let before = before.as_str();
        let inverts =
            |word: &str| ["do", "does", "did", "is", "are", "was", "were", "can", "will"].contains(&word);
        let owns =
            ["my", "your", "our", "the", "a", "an", "this", "these", "his", "her", "their"].contains(&before);
        let length = run.len();
        let named = run.first().is_some_and(|word| word.starts_with(char::is_uppercase));
        let (skips, takes) = match before {
            // A verb, and perhaps what it is done to.
            "" if words.len() > length => (1, 3),
            "to" if !named => (1, 3),
            "i" | "you" | "we" | "they" | "he" | "she" | "it" | "who" | "that" | "which" => (0, 0),
            "is" | "are" | "was" | "were" | "be" | "been" | "not" if at > 1 => (0, 0),
            before if inverts(before) => (0, 1),
            // `does the shop open`, `is the sky blue`: the last word belongs to the verb.
            _ if owns && inverts(&earlier) && (at == 2 || earlier.starts_with('d')) && length > 1 => {
                (0, length - 1)
            }
            _ => (0, 3),
        };
        let run: Vec<&str> = run.into_iter().skip(skips).take(takes).collect();
        if !run.is_empty() {
            let core: Vec<String> =
                run.iter().map(|word| uncapitalised(bare(word), at + skips > 0)).collect();
            let core = core.join(" ");
            let phrase = if owns { format!("{} {core}", restated(&[before])) } else { core };
            if !found.contains(&phrase) {
                found.push(phrase);
            }
        }
        at += length.max(1);
    }
    found
}

/// Whether a word says little about the topic.
pub(super) fn is_filler(word: &str) -> bool {
    FILLERS.iter().any(|filler| filler.eq_ignore_ascii_case(word))
}

/// The first letter small, unless the word looks like a name (`TLS`, `iPhone`) or, with
/// `keep_names`, like any proper noun.
pub(super) fn uncapitalised(word: &str, keep_names: bool) -> String {
    let mut chars = word.chars();
    let Some(first) = chars.next() else { return String::new() };
    let rest = chars.as_str();
    let name = rest.chars().any(|c| c.is_uppercase() || c.is_ascii_digit());
    if name || keep_names || (rest.is_empty() && first == 'I') {
        return word.to_owned();
    }
    first.to_lowercase().chain(rest.chars()).collect()
}

/// The first letter large.
pub(super) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Says a phrase back: what was the speaker's becomes the listener's.
pub(super) fn restated(words: &[&str]) -> String {
    let said: Vec<String> = words
        .iter()
        .enumerate()
        .map(|(at, word)| {
            let core = bare(word);
            let turned = TURNED.iter().find(|(from, _)| from.eq_ignore_ascii_case(core)).map(|(_, to)| *to);
            match turned {
                Some(to) => word.replacen(core, to, 1),
                None if at == 0 => uncapitalised(word, false),
                None => (*word).to_owned(),
            }
        })
        .collect();
    said.join(" ")
}

/// A word without its endings: `orders`, `ordering` and `ordered` are `order`.
pub(super) fn stem(word: &str) -> String {
    let word = word.to_lowercase();
    let word = word.strip_suffix("'s").or_else(|| word.strip_suffix("’s")).unwrap_or(&word);
    for ending in ["ing", "ed", "es", "s"] {
        if let Some(stem) = word.strip_suffix(ending).filter(|stem| stem.chars().count() > 2) {
            return stem.trim_end_matches('e').to_owned();
        }
    }
    word.trim_end_matches('e').to_owned()
}

/// A small number, in digits or in words.
pub(super) fn number(word: &str) -> Option<usize> {
    const NAMES: [&str; 13] = [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
        "twelve",
    ];
    word.parse().ok().or_else(|| NAMES.iter().position(|name| name.eq_ignore_ascii_case(word)))
}

/// Whether `text` starts with the words `opening`, which are in lower case.
pub(super) fn opens_with(text: &[String], opening: &str) -> Option<usize> {
    let mut length = 0;
    for word in opening.split(' ') {
        if text.get(length)? != word {
            return None;
        }
        length += 1;
    }
    Some(length)
}

const TURNED: &[(&str, &str)] = &[
    ("i", "you"),
    ("i'm", "you are"),
    ("i've", "you have"),
    ("i'd", "you would"),
    ("i'll", "you will"),
    ("me", "you"),
    ("my", "your"),
    ("mine", "yours"),
    ("myself", "yourself"),
    ("am", "are"),
    ("our", "your"),
    ("ours", "yours"),
    ("us", "you"),
    ("we", "you"),
    ("your", "our"),
    ("yours", "ours"),
    ("you", "we"),
];

#[rustfmt::skip]
const FILLERS: &[&str] = &[
    "a", "about", "above", "after", "again", "all", "also", "always", "am", "an", "and", "another", "any",
    "anything", "are", "as", "ask", "at", "be", "because", "been", "before", "being", "best", "between",
    "both", "but", "by", "can", "cannot", "could", "describe", "day", "did", "do", "does", "doing", "done",
    "don't", "down", "each", "else", "every", "everything", "explain", "few", "find", "first", "for", "from",
    "get", "give", "go", "good", "got", "had", "has", "have", "having", "he", "hello", "help", "her", "here",
    "hey", "hi", "him", "his", "how", "however", "i", "i'd", "i'll", "i'm", "i've", "if", "in", "into", "is",
    "it", "it's", "its", "just", "know", "last", "least", "less", "let", "like", "list", "little", "long",
    "look", "lot", "make", "many", "may", "me", "mean", "might", "mine", "month", "more", "most", "much",
    "must", "my", "name", "need", "never", "no", "not", "nothing", "now", "of", "off", "ok", "okay", "on",
    "one", "only", "or", "other", "our", "out", "over", "own", "per", "please", "put", "really", "right",
    "same", "say", "see", "shall", "she", "should", "show", "since", "so", "some", "something", "still",
    "such", "suggest", "sure", "take", "tell", "than", "thank", "thanks", "that", "that's", "the", "their",
    "them", "then", "there", "these", "they", "thing", "things", "think", "this", "those", "three", "through",
    "to", "today", "tomorrow", "too", "two", "under", "until", "up", "us", "use", "using", "very", "want",
    "was", "way", "ways", "we", "week", "well", "were", "what", "what's", "when", "where", "which", "while",
    "who", "who's", "whose", "why", "will", "with", "without", "word", "words", "work", "works", "would",
    "write", "year", "yes", "yesterday", "yet", "you", "your", "yours",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_at_full_stops_and_lines_but_not_in_numbers() {
        let text = "Version 1.95 is out. Nice!\nWhat now? ok";
        assert_eq!(sentences(text).collect::<Vec<_>>(), ["Version 1.95 is out.", "Nice!", "What now?", "ok"]);
        assert_eq!(sentences("  \n ").count(), 0);
    }

    #[test]
    fn keywords_are_the_telling_words_once() {
        assert_eq!(keywords("How do I reset my password? My Password, please!", 8), ["reset", "password"]);
        assert_eq!(keywords("What is TLS on an iPhone", 8), ["TLS", "iPhone"]);
    }

    #[test]
    fn topics_are_what_can_be_spoken_about() {
        let cases: [(&str, &[&str]); 7] = [
            ("Compare Postgres and MySQL to rotate logs", &["Postgres", "MySQL", "logs"]),
            ("When does the shop open on Sundays?", &["the shop", "Sundays"]),
            ("How do I reset my password?", &["your password"]),
            ("What is a circuit breaker?", &["a circuit breaker"]),
            ("Why do cats purr?", &["cats"]),
            ("I bought a lamp and it arrived broken.", &["a lamp"]),
            ("Tips for sleeping better on the night train", &["sleeping better", "the night train"]),
        ];
        for (text, expected) in cases {
            assert_eq!(topics(text, 4), expected, "{text}");
        }
    }

    #[test]
    fn a_phrase_is_said_back_to_its_speaker() {
        let words: Vec<&str> = "Reset my password, because I forgot it".split(' ').collect();
        assert_eq!(restated(&words), "reset your password, because you forgot it");
    }
}
