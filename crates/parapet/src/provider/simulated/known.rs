//! The few things the simulated model does know: what the caller told it earlier in the conversation, small
//! sums, some capitals.
//!
//! Remembering is what shows that a conversation survived: tell it your name, restart the server, ask.

use super::words::{bare, capitalised, sentences, words};

/// The exact answer to the last of the user's messages, if there is one. `earlier` are those before it,
/// oldest first.
pub(super) fn answer(text: &str, earlier: &[&str]) -> Option<String> {
    if text.len() > 400 {
        return None;
    }
    let low: Vec<String> = words(text).map(str::to_lowercase).collect();
    let low: Vec<&str> = low.iter().map(String::as_str).collect();
    recalled(&low, earlier).or_else(|| sum(text)).or_else(|| capital(&low))
}

/// What `text` tells about its author: `("name", "Sam")` from `my name is Sam`.
pub(super) fn told(text: &str) -> Option<(String, String)> {
    sentences(text).filter(|sentence| sentence.len() < 200 && !sentence.ends_with('?')).find_map(|sentence| {
        let greets = |word: &&str| {
            ["hi", "hello", "hey", "there", "well", "so"].contains(&bare(word).to_lowercase().as_str())
        };
        let words: Vec<&str> = sentence.split_whitespace().skip_while(greets).collect();
        let low: Vec<String> = words.iter().map(|word| bare(word).to_lowercase()).collect();
        let value = |at: usize, most: usize| {
            let mut value: Vec<&str> = Vec::new();
            for word in words.get(at..)?.iter().take(most) {
                value.push(bare(word));
                if word.ends_with([',', ';', '.', '!']) {
                    break;
                }
            }
            let end =
                value.iter().position(|word| ["and", "but", "so"].contains(word)).unwrap_or(value.len());
            value.truncate(end);
            (!value.is_empty()).then(|| value.join(" "))
        };
        let of = |word: &str| low.iter().position(|it| it == word);
        if let Some(my) = of("my")
            && let Some(is) =
                low.iter().position(|it| it == "is" || it == "are").filter(|is| (my + 2..my + 5).contains(is))
        {
            return Some((low.get(my + 1..is)?.join(" "), value(is + 1, 6)?));
        }
        let name = match low.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [.., "call", "me", _] => low.len() - 1,
            ["i'm" | "i’m", _, ..] => 1,
            ["i", "am", _, ..] => 2,
            _ => return None,
        };
        let proper = words.get(name)?.chars().next().is_some_and(char::is_uppercase);
        proper.then(|| value(name, 1)).flatten().map(|value| ("name".to_owned(), value))
    })
}

fn recalled(low: &[&str], earlier: &[&str]) -> Option<String> {
    let asked = asked_for(low)?;
    let quoted = |message: Option<&&str>| {
        message.map_or_else(
            || "This is the first thing you have written to me in this conversation.".to_owned(),
            |message| format!("You wrote: “{}”", message.chars().take(300).collect::<String>().trim()),
        )
    };
    match asked.as_str() {
        "" => None,
        "first question" | "first message" => Some(quoted(earlier.first())),
        "last question" | "last message" | "previous question" | "previous message" => {
            Some(quoted(earlier.last()))
        }
        asked => {
            let told = earlier.iter().rev().filter_map(|message| told(message));
            let known =
                told.into_iter().find(|(what, _)| what == asked || asked.starts_with(&format!("{what} ")));
            Some(known.map_or_else(
                || format!("You have not told me your {asked} yet."),
                |(what, value)| format!("Your {what} is {value}."),
            ))
        }
    }
}

/// What the words ask about their author: `favourite colour` in `do you remember my favourite colour`.
fn asked_for(low: &[&str]) -> Option<String> {
    if low.ends_with(&["who", "am", "i"]) {
        return Some("name".to_owned());
    }
    if let ["what", "did", "i", rest @ ..] = low
        && rest.len() <= 4
        && rest.iter().any(|word| ["say", "ask", "tell", "write"].contains(word))
    {
        return Some(if rest.contains(&"first") { "first message" } else { "last message" }.to_owned());
    }
    let my = low.iter().position(|word| *word == "my")?;
    let before = low.get(..my)?;
    let asks = before.first() == Some(&"what") && before.len() == 2
        || before.last().is_some_and(|word| ["what's", "what’s", "whats", "remember", "know"].contains(word));
    asks.then(|| low.get(my + 1..).unwrap_or_default().join(" "))
}

/// `2 + 2`, `what is 7 times 6?`, `12.5 / 4 =`.
fn sum(text: &str) -> Option<String> {
    let text = text.to_lowercase();
    let text = text.trim().trim_end_matches(['?', '=', '.', ' ']);
    let openings = ["what is", "what's", "what’s", "how much is", "calculate", "compute"];
    let text = openings.iter().find_map(|opening| text.strip_prefix(opening)).unwrap_or(text);
    let signs =
        [(" plus ", "+"), (" minus ", "-"), (" times ", "*"), (" divided by ", "/"), ("×", "*"), ("÷", "/")];
    let text = signs.iter().fold(text.to_owned(), |text, (name, sign)| text.replace(name, sign));
    let text: String = text.split_whitespace().collect();
    // From the second character on: a sign in front belongs to the first number.
    let (at, sign) = text.char_indices().skip(1).find(|(_, c)| matches!(c, '+' | '-' | '*' | '/'))?;
    let (left, right) = (text.get(..at)?, text.get(at + 1..)?);
    let (a, b): (f64, f64) = (left.parse().ok()?, right.parse().ok()?);
    if !(a.is_finite() && b.is_finite()) {
        return None;
    }
    let result = match sign {
        '+' => a + b,
        '-' => a - b,
        '*' => a * b,
        _ if b == 0.0 => return Some("Division by zero has no result.".to_owned()),
        _ => a / b,
    };
    let result = (result * 1e6).round() / 1e6;
    let sign = match sign {
        '*' => '×',
        '/' => '÷',
        other => other,
    };
    Some(format!("{left} {sign} {right} = {result}"))
}

fn capital(low: &[&str]) -> Option<String> {
    let at = low.windows(2).position(|pair| pair == ["capital", "of"])?;
    let country = low.get(at + 2..)?;
    let country = if country.first() == Some(&"the") { country.get(1..)? } else { country };
    let country = country.join(" ");
    let (name, city) = CAPITALS.iter().find(|(name, _)| country.eq_ignore_ascii_case(name))?;
    Some(format!(
        "The capital of {} is {city}.",
        if *name == "netherlands" { "the Netherlands".to_owned() } else { titled(name) }
    ))
}

fn titled(name: &str) -> String {
    name.split(' ').map(capitalised).collect::<Vec<_>>().join(" ")
}

const CAPITALS: &[(&str, &str)] = &[
    ("argentina", "Buenos Aires"),
    ("australia", "Canberra"),
    ("austria", "Vienna"),
    ("belgium", "Brussels"),
    ("brazil", "Brasília"),
    ("canada", "Ottawa"),
    ("china", "Beijing"),
    ("denmark", "Copenhagen"),
    ("egypt", "Cairo"),
    ("finland", "Helsinki"),
    ("france", "Paris"),
    ("germany", "Berlin"),
    ("greece", "Athens"),
    ("india", "New Delhi"),
    ("ireland", "Dublin"),
    ("italy", "Rome"),
    ("japan", "Tokyo"),
    ("kenya", "Nairobi"),
    ("mexico", "Mexico City"),
    ("netherlands", "Amsterdam"),
    ("norway", "Oslo"),
    ("poland", "Warsaw"),
    ("portugal", "Lisbon"),
    ("south korea", "Seoul"),
    ("spain", "Madrid"),
    ("sweden", "Stockholm"),
    ("switzerland", "Bern"),
    ("turkey", "Ankara"),
    ("ukraine", "Kyiv"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_remembered() {
        let earlier = ["Hi, I'm Sam.", "My favourite colour is dark green, by the way."];
        let cases = [
            ("What is my name?", Some("Your name is Sam.")),
            ("Who am I?", Some("Your name is Sam.")),
            ("do you remember my favourite colour?", Some("Your favourite colour is dark green.")),
            ("What's my age?", Some("You have not told me your age yet.")),
            ("What was my first message?", Some("You wrote: “Hi, I'm Sam.”")),
            ("What did I just ask?", Some("You wrote: “My favourite colour is dark green, by the way.”")),
            ("What is a colour?", None),
        ];
        for (text, known) in cases {
            assert_eq!(answer(text, &earlier).as_deref(), known, "{text}");
        }
    }

    #[test]
    fn telling_is_told_from_talking() {
        assert_eq!(
            told("My order number is A-17 and it is late."),
            Some(("order number".into(), "A-17".into()))
        );
        assert_eq!(told("please call me later"), None);
        assert_eq!(told("Please call me Jo!"), Some(("name".into(), "Jo".into())));
        assert_eq!(told("I am tired"), None);
        assert_eq!(told("Is my name Sam?"), None);
    }

    #[test]
    fn small_sums_and_capitals_are_known() {
        let cases = [
            ("2+2", "2 + 2 = 4"),
            ("What is 7 times 6?", "7 × 6 = 42"),
            ("what's 10 / 4 =", "10 ÷ 4 = 2.5"),
            ("-3 - -4", "-3 - -4 = 1"),
            ("1/0", "Division by zero has no result."),
            ("What is the capital of France?", "The capital of France is Paris."),
            ("capital of the Netherlands", "The capital of the Netherlands is Amsterdam."),
        ];
        for (text, known) in cases {
            assert_eq!(answer(text, &[]).as_deref(), Some(known), "{text}");
        }
        assert_eq!(answer("What is the capital of Atlantis?", &[]), None);
        assert_eq!(answer("call 555-0199", &[]), None);
    }
}
