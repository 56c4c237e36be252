//! Who the system prompt wants the model to be.

use super::request::{Request, Role};
use super::words::{bare, sentences};

/// What a system prompt says about the speaker, as far as it was understood.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Persona {
    pub(super) name: Option<String>,
    /// With its article: `a support agent`.
    pub(super) role: Option<String>,
    pub(super) company: Option<String>,
}

/// How much of the system prompts is looked at, in bytes.
const LOOKED_AT: usize = 4096;

impl Persona {
    pub(super) fn of(request: &Request) -> Self {
        let mut persona = Self::default();
        for message in request.messages.iter().filter(|message| message.role == Role::System) {
            let text = message.text.get(..message.text.floor_char_boundary(LOOKED_AT)).unwrap_or_default();
            sentences(text).for_each(|sentence| persona.learn(sentence));
        }
        persona
    }

    fn learn(&mut self, sentence: &str) {
        let words: Vec<&str> = sentence.split_whitespace().collect();
        if let Some(at) =
            after(&words, &["your", "name", "is"]).or_else(|| after(&words, &["you", "are", "called"]))
            && let Some(name) = words.get(at).filter(|word| is_name(word))
        {
            self.name.get_or_insert_with(|| bare(name).to_owned());
        }
        let start = [&["you", "are"][..], &["you're"], &["you", "act", "as"], &["act", "as"]];
        let Some(at) = start.iter().find_map(|phrase| after(&words, phrase)) else { return };
        let mut rest = words.get(at..).unwrap_or_default();
        if let Some((first, others)) = rest.split_first()
            && is_name(first)
        {
            self.name.get_or_insert_with(|| bare(first).to_owned());
            rest = others;
        }
        self.learn_role(rest);
    }

    /// `a friendly support agent for Acme, …`: the words up to the first sign, without praise.
    fn learn_role(&mut self, words: &[&str]) {
        let Some((article, rest)) = words.split_first() else { return };
        if !["a", "an", "the"].iter().any(|it| it.eq_ignore_ascii_case(article)) {
            return;
        }
        let ends = rest
            .iter()
            .position(|word| word.ends_with([',', '.', ';', ':', '!']))
            .map_or(rest.len(), |at| at + 1);
        let phrase = rest.get(..ends.min(10)).unwrap_or_default();
        let phrase =
            phrase.split(|word| ["who", "that", "which", "and", "with", "named", "called"].contains(word));
        let phrase = phrase.into_iter().next().unwrap_or_default();
        let plain: Vec<&str> =
            phrase.iter().copied().map(bare).skip_while(|word| PRAISE.contains(word)).collect();
        let link = plain.iter().position(|word| ["for", "at", "of", "from"].contains(word));
        if let Some(at) = link {
            let company = plain.get(at + 1..).unwrap_or_default();
            let company: Vec<&str> = company.iter().copied().take_while(|word| is_name(word)).collect();
            if !company.is_empty() {
                self.company.get_or_insert_with(|| company.join(" "));
            }
        }
        let role = plain.get(..link.unwrap_or(plain.len())).unwrap_or_default().join(" ");
        let vowel = role.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O']);
        if !role.is_empty() {
            self.role.get_or_insert_with(|| format!("{} {role}", if vowel { "an" } else { "a" }));
        }
    }

    /// `I am Ada, a support agent for Acme`, as far as it is known.
    pub(super) fn introduction(&self) -> Option<String> {
        let company = self.company.as_ref().map(|company| format!(" for {company}")).unwrap_or_default();
        match (&self.name, &self.role) {
            (Some(name), Some(role)) => Some(format!("I am {name}, {role}{company}")),
            (Some(name), None) => Some(format!("I am {name}{company}")),
            (None, Some(role)) => Some(format!("I am {role}{company}")),
            (None, None) => None,
        }
    }
}

#[rustfmt::skip]
const PRAISE: &[&str] = &[
    "friendly", "helpful", "expert", "concise", "polite", "professional", "experienced", "senior",
    "knowledgeable", "kind", "very", "highly", "skilled", "brilliant", "cheerful", "world-class", "smart",
];

/// The place after `phrase` in `words`, whatever the case.
fn after(words: &[&str], phrase: &[&str]) -> Option<usize> {
    let fits = |window: &[&str]| window.iter().zip(phrase).all(|(a, b)| bare(a).eq_ignore_ascii_case(b));
    words.windows(phrase.len()).position(fits).map(|at| at + phrase.len())
}

fn is_name(word: &str) -> bool {
    bare(word).chars().next().is_some_and(char::is_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn introduction(prompt: &str) -> Option<String> {
        let mut persona = Persona::default();
        sentences(prompt).for_each(|sentence| persona.learn(sentence));
        persona.introduction()
    }

    #[test]
    fn the_persona_is_read_from_common_system_prompts() {
        let cases = [
            ("You are a friendly support agent for Acme. Be brief.", Some("I am a support agent for Acme")),
            ("You are Ada, an expert tutor of mathematics.", Some("I am Ada, a tutor")),
            ("Your name is Max. You're a helpful assistant.", Some("I am Max, an assistant")),
            ("Act as a travel guide for New York, and be kind.", Some("I am a travel guide for New York")),
            ("We are a company called Acme. Answer in JSON.", None),
        ];
        for (prompt, introduced) in cases {
            assert_eq!(introduction(prompt).as_deref(), introduced, "{prompt}");
        }
    }
}
