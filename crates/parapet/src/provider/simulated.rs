//! The simulated provider: an OpenAI-compatible upstream in this very process, for those who have no key yet.
//!
//! It takes the bytes of a request as they would go over the network and gives back bytes of OpenAI's dialect, so
//! that everything between caller and provider does the same work as with a real one. Its text is made up from
//! templates, but about the prompt; tools, structured output, `stop`, limits, `n`, log probabilities and reasoning
//! effort are honoured, and usage is counted. [`Mood`]s and [`Faults`] show what real providers do on other days.
//!
//! Pure: it reads no clock and does no I/O. [`answer`] and [`embeddings`] return a [`Script`] of bytes and waits
//! that the executor plays. The same settings and the same request give the same bytes, apart from `created` and
//! unless chance makes the attempt fail; streamed or not, the answer is the same.

mod dice;
mod embeddings;
mod fault;
mod json;
mod known;
mod mood;
mod odds;
mod openings;
mod pattern;
mod persona;
mod phrases;
mod prompt;
mod request;
mod said;
mod schema;
mod script;
mod shape;
mod stream;
#[cfg(test)]
mod tests;
mod text;
mod thought;
mod tokens;
mod tools;
mod values;
mod words;

use std::ops::RangeInclusive;
use std::time::Duration;

use self::dice::{Dice, Fingerprint};
pub(crate) use self::embeddings::embeddings;
pub(crate) use self::fault::{Fault, Faults, Unreachable};
use self::json::Json;
use self::mood::Conduct;
pub(crate) use self::mood::Mood;
use self::odds::Odds;
use self::persona::Persona;
use self::prompt::Prompt;
use self::request::{Effort, Format, Request};
use self::said::{Answer, Said};
use self::schema::Optional;
use self::script::Head;
pub(crate) use self::script::{End, Script};
use self::shape::{Error, Usage};
use self::stream::Stream;
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
    /// Of the models whose name is neither a mood nor a fault.
    pub(crate) mood: Mood,
    /// What happens to any attempt, by chance.
    pub(crate) faults: Faults,
}

/// The answer to the body of a `POST /v1/chat/completions`, `created` being the time in unix seconds.
///
/// `nonce` is another number for every attempt: chance lets one fail and the next succeed by it.
///
/// # Errors
/// If the attempt is to fail before it reaches anybody.
pub(crate) fn answer(
    settings: &Settings,
    created: i64,
    nonce: u64,
    request_body: &[u8],
) -> Result<Script, Unreachable> {
    let request = match Request::read(request_body) {
        Ok(request) => request,
        Err(invalid) => return Ok(Script::error(400, &Error::from(&invalid))),
    };
    let conduct = Conduct::of(settings, &request.model, nonce);
    fault::befall(conduct.fault, || compose(settings, created, &conduct, request))
}

fn compose(settings: &Settings, created: i64, conduct: &Conduct, request: Request) -> Script {
    let fingerprint = fingerprint(settings, &request);
    let prompt = Prompt::read(&request);
    let speaker = Speaker {
        mood: conduct.mood,
        length: conduct.length(settings),
        persona: Persona::of(&request),
        values: Values::of(&prompt),
        prompt,
        request: &request,
    };
    let mut answers = Vec::with_capacity(request.choices);
    for choice in 0..request.choices {
        let fingerprint = fingerprint.number(choice as u64);
        // Dice of its own for the thought: with or without it, the answer is the same.
        let said = speaker.say(&mut fingerprint.dice());
        let thought = speaker.think(&said, &mut fingerprint.text("thought").dice());
        let mut answer = Answer::new(thought, said);
        answer.stop_at(&request.stop);
        if let Some(limit) = request.max_tokens {
            answer.limit(limit);
        }
        if conduct.filtered {
            answer.filter();
        }
        answers.push(answer);
    }
    let total = |tokens: fn(&Answer) -> u64| answers.iter().map(tokens).sum();
    let usage = Usage::new(tokens::of_prompt(&request), total(Answer::tokens), total(Answer::thought_tokens));
    let odds = request.logprobs.map(|alternatives| Odds { alternatives, seed: fingerprint });
    let pace = conduct.pace(settings);
    let head = Head {
        id: format!("chatcmpl-sim{}", fingerprint.text("id").dice().tag(24)),
        model: request.model,
        created,
        fingerprint: "fp_simulated".to_owned(),
    };
    if request.stream {
        let usage = request.include_usage.then_some(usage);
        Script::stream(Stream::new(head, answers, usage, odds, pace), pace.latency)
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

/// Who answers what.
struct Speaker<'a> {
    mood: Mood,
    length: text::Length,
    persona: Persona,
    values: Values,
    prompt: Prompt<'a>,
    request: &'a Request,
}

impl Speaker<'_> {
    fn say(&self, dice: &mut Dice) -> Said {
        if self.mood == Mood::Refusal {
            return Said::Refusal(format!("{}\n\n{}", dice.pick(phrases::REFUSALS), phrases::REFUSAL_NOTE));
        }
        let calls = tools::calls(self.request, &self.values, self.mood == Mood::Tools, dice);
        if !calls.is_empty() {
            return Said::Calls(calls);
        }
        Said::Text(match &self.request.format {
            Format::Schema(schema) => {
                schema::value(schema, &mut self.values.clone(), Optional::Include, dice).to_string()
            }
            Format::Object => object(&mut self.values.clone(), dice).to_string(),
            Format::Text => match tools::findings(self.request, dice) {
                Some(findings) => findings,
                None => text::write(&self.prompt, &self.persona, &self.length, dice),
            },
        })
    }

    /// What goes before `said`; empty if the model does not reason.
    fn think(&self, said: &Said, dice: &mut Dice) -> String {
        let usual = if self.mood == Mood::Reasoning { Effort::Medium } else { Effort::None };
        let effort = self.request.reasoning_effort.unwrap_or(usual);
        thought::think(self.request, &self.prompt, effort, said, dice)
    }
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
