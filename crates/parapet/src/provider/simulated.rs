//! The simulated provider: an OpenAI-compatible upstream in this very process, for those who have no key yet.
//!
//! It takes the bytes of a chat request as they would go over the network and gives back bytes of OpenAI's
//! dialect, so that everything between caller and provider does the same work as with a real one. Its text is
//! made up from templates, but about the prompt; tools, structured output, `stop`, limits, `n` and log
//! probabilities are honoured, and usage is counted.
//!
//! Pure: it reads no clock and does no I/O. [`answer`] returns a [`Script`] of bytes and waits that the
//! executor plays. The same settings and the same request give the same bytes, apart from `created`; streamed
//! or not, the answer is the same.

mod dice;
mod json;
mod known;
mod openings;
mod pattern;
mod persona;
mod phrases;
mod prompt;
mod request;
mod schema;
mod script;
mod shape;
#[cfg(test)]
mod tests;
mod text;
mod tokens;
mod tools;
mod values;
mod words;

use std::ops::RangeInclusive;
use std::time::Duration;

use self::dice::{Dice, Fingerprint};
use self::json::Json;
use self::persona::Persona;
use self::prompt::Prompt;
use self::request::{Format, Request};
use self::schema::Optional;
pub(crate) use self::script::Script;
use self::script::{Answer, Head, Odds, Pace};
use self::shape::Usage;
use self::values::Values;

/// How the simulated provider behaves.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    /// Time to the first token.
    pub(crate) latency: Duration,
    /// Tokens of 4 bytes per second and choice; whatever is not a positive number means: all at once.
    pub(crate) tokens_per_second: f64,
    /// Words of an answer of some substance, at most 10,000. Greetings and what the prompt asks for word by
    /// word are as short as they are, and a shorter limit in the prompt comes first.
    pub(crate) length: RangeInclusive<u32>,
    pub(crate) seed: u64,
}

/// The answer to the body of a `POST /v1/chat/completions`, `created` being the time in unix seconds.
pub(crate) fn answer(settings: &Settings, created: i64, request_body: &[u8]) -> Script {
    let request = match Request::read(request_body) {
        Ok(request) => request,
        Err(fault) => return Script::fault(&fault),
    };
    let fingerprint = fingerprint(settings, &request);
    let prompt = Prompt::read(&request);
    let persona = Persona::of(&request);
    let values = Values::of(&prompt);
    let mut answers = Vec::with_capacity(request.choices);
    for choice in 0..request.choices {
        let mut dice = fingerprint.number(choice as u64).dice();
        let mut answer = choice_of(settings, &request, &prompt, &persona, &values, &mut dice);
        cut_at_stop(&mut answer, &request.stop);
        if let Some(limit) = request.max_tokens {
            answer.limit(limit);
        }
        answers.push(answer);
    }
    let usage = Usage::new(tokens::of_prompt(&request), answers.iter().map(Answer::tokens).sum());
    let odds = request.logprobs.map(|alternatives| Odds { alternatives, seed: fingerprint });
    let pace = Pace { latency: settings.latency, tokens_per_second: settings.tokens_per_second };
    let head = Head {
        id: format!("chatcmpl-sim{}", fingerprint.text("id").dice().tag(24)),
        model: request.model,
        created,
        fingerprint: "fp_simulated".to_owned(),
    };
    if request.stream {
        Script::stream(head, answers, request.include_usage.then_some(usage), odds, pace)
    } else {
        Script::unary(&head, &answers, usage, odds, pace)
    }
}

/// What the answer depends on: all that a model would see, but not how the answer is delivered or where it is
/// cut.
fn fingerprint(settings: &Settings, request: &Request) -> Fingerprint {
    let mut fingerprint = Fingerprint::new(settings.seed).text(&request.model);
    if let Some(seed) = request.seed {
        fingerprint = fingerprint.number(seed.unsigned_abs());
    }
    for message in &request.messages {
        fingerprint =
            fingerprint.number(message.role as u64).text(&message.text).number(message.images as u64);
        for call in &message.calls {
            fingerprint = fingerprint.text(&call.name).text(&call.arguments);
        }
    }
    for tool in &request.tools {
        fingerprint = fingerprint.text(&tool.name);
    }
    fingerprint
}

fn choice_of(
    settings: &Settings,
    request: &Request,
    prompt: &Prompt<'_>,
    persona: &Persona,
    values: &Values,
    dice: &mut Dice,
) -> Answer {
    let calls = tools::calls(request, values, dice);
    if !calls.is_empty() {
        return Answer { text: None, calls, finish: "tool_calls" };
    }
    let text = match &request.format {
        Format::Schema(schema) => {
            schema::value(schema, &mut values.clone(), Optional::Include, dice).to_string()
        }
        Format::Object => object(&mut values.clone(), dice).to_string(),
        Format::Text => match tools::findings(request, dice) {
            Some(findings) => findings,
            None => text::write(prompt, persona, &settings.length, dice),
        },
    };
    Answer { text: Some(text), calls: Vec::new(), finish: "stop" }
}

/// An object for the mode without a schema: with the members that the prompt names, else with usual ones.
fn object(values: &mut Values, dice: &mut Dice) -> Json {
    let mut names = values.member_names();
    if names.is_empty() {
        names = ["topic", "summary", "keywords"].map(str::to_owned).to_vec();
    }
    let members = names.into_iter().map(|name| {
        let value = match name.as_str() {
            "keywords" => {
                (0..3).map(|nth| Json::from(values.text_for("tag", nth, dice))).collect::<Vec<_>>().into()
            }
            name => values.value_for(name, dice),
        };
        (name, value)
    });
    Json::Map(members.collect())
}

/// Ends the text before the first of the stop sequences.
fn cut_at_stop(answer: &mut Answer, stop: &[String]) {
    if let Some(text) = &mut answer.text
        && let Some(end) = stop.iter().filter_map(|stop| text.find(stop.as_str())).min()
    {
        text.truncate(end);
    }
}
