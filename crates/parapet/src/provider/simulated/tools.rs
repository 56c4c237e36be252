//! When to call which tool, with which arguments, and what to say about the results.
//!
//! A tool is called when the last message is about it: enough of its words are in its name and description.
//! Two tools are called at once when the message is about both; one tool twice when it names two places. An eager
//! model does not wait for a message that is about a tool, and calls several.

use std::fmt::Write as _;

use super::dice::Dice;
use super::json::Json;
use super::phrases;
use super::request::{Message, Request, Role, Tool, ToolChoice};
use super::said::Call;
use super::schema::{self, Optional};
use super::values::{Values, parts};
use super::words::{is_filler, stem, words};

/// From this score on a message is about a tool: one telling word of its name, or two of its description.
const RELEVANT: usize = 2;
/// The most calls at once, and results that are spoken of.
const MOST_CALLS: usize = 5;
/// Tools that an eager model calls at once, if there are as many.
const SEVERAL: usize = 3;
/// Tools that are looked at, as many as OpenAI takes, and the words of a description.
const TOOLS: usize = 128;
const DESCRIPTION: usize = 100;

/// The calls that answer the request, if it is to be answered by calls.
pub(super) fn calls(request: &Request, values: &Values, eager: bool, dice: &mut Dice) -> Vec<Call> {
    let mut chosen = chosen(request, values, eager);
    chosen.truncate(MOST_CALLS);
    let mut calls = Vec::new();
    for tool in chosen {
        let takes_place = tool.parameters.get("properties").is_some_and(|properties| {
            properties
                .members()
                .iter()
                .any(|(name, _)| parts(name).iter().any(|part| PLACES.contains(&part.as_str())))
        });
        let mut each = vec![values.clone()];
        if takes_place && values.places().len() > 1 {
            each = values.places().iter().map(|place| values.only_place(place)).collect();
        }
        for mut values in each {
            let arguments = schema::value(&tool.parameters, &mut values, Optional::Omit, dice);
            let arguments = if matches!(arguments, Json::Map(_)) { arguments } else { Json::Map(Vec::new()) };
            calls.push(Call {
                id: format!("call_sim{}", dice.tag(20)),
                name: tool.name.clone(),
                arguments: arguments.to_string(),
            });
        }
    }
    calls.truncate(if request.parallel_tool_calls { MOST_CALLS } else { 1 });
    calls
}

/// The tools to call, in the order to call them.
fn chosen<'a>(request: &'a Request, values: &Values, eager: bool) -> Vec<&'a Tool> {
    let asked: Vec<String> =
        words(&values.text).take(200).filter(|word| !is_filler(word)).map(stem).collect();
    let mut chosen = match &request.tool_choice {
        ToolChoice::None => return Vec::new(),
        ToolChoice::Named(name) => {
            return request.tools.iter().filter(|tool| &tool.name == name).take(1).collect();
        }
        ToolChoice::Auto if eager && is_answered(request) => return Vec::new(),
        ToolChoice::Auto if !eager && !speaks_last(request, Role::User) => return Vec::new(),
        ToolChoice::Auto | ToolChoice::Required => relevant(&request.tools, &asked),
    };
    let least = match request.tool_choice {
        _ if eager => SEVERAL,
        ToolChoice::Required => 1,
        _ => 0,
    };
    for tool in &request.tools {
        if chosen.len() < least && !chosen.iter().any(|other| other.name == tool.name) {
            chosen.push(tool);
        }
    }
    chosen
}

/// Whether the model waits for nothing: it has spoken last, or has the results of its calls.
fn is_answered(request: &Request) -> bool {
    speaks_last(request, Role::Assistant) || has_results(request)
}

fn speaks_last(request: &Request, role: Role) -> bool {
    request.messages.last().is_some_and(|message| message.role == role)
}

pub(super) fn has_results(request: &Request) -> bool {
    !results(request).is_empty()
}

/// What has come back since the model spoke last. Some clients add words of the user's to the results.
fn results(request: &Request) -> Vec<&Message> {
    let turn = request.messages.iter().rev().take_while(|message| message.role != Role::Assistant);
    let mut results: Vec<&Message> = turn.filter(|message| message.role == Role::Tool).collect();
    results.reverse();
    results
}

const PLACES: [&str; 6] = ["city", "location", "place", "town", "country", "region"];

/// The best tool for the words, and others that have words of their own, in the order of these words.
fn relevant<'a>(tools: &'a [Tool], asked: &[String]) -> Vec<&'a Tool> {
    let mut scored: Vec<(usize, Vec<&String>, &Tool)> = tools
        .iter()
        .take(TOOLS)
        .map(|tool| {
            let name: Vec<String> = parts(&tool.name).iter().map(|part| stem(part)).collect();
            let description: Vec<String> = words(&tool.description)
                .take(DESCRIPTION)
                .filter(|word| !is_filler(word))
                .map(stem)
                .collect();
            let mut matched: Vec<&String> = Vec::new();
            let mut score = 0;
            for word in asked {
                let in_name = name.contains(word);
                if matched.contains(&word) || !(in_name || description.contains(word)) {
                    continue;
                }
                matched.push(word);
                let telling = in_name && !VERBS.contains(&word.as_str());
                score += 1 + usize::from(telling) + usize::from(in_name && description.contains(word));
            }
            (score, matched, tool)
        })
        .filter(|(score, ..)| *score >= RELEVANT)
        .collect();
    // Stable: of equals the one that was declared first.
    scored.sort_by_key(|(score, ..)| std::cmp::Reverse(*score));
    let mut taken: Vec<&String> = Vec::new();
    let mut chosen = Vec::new();
    for (_, matched, tool) in scored {
        let own: Vec<&String> = matched.into_iter().filter(|word| !taken.contains(word)).collect();
        let telling = own.iter().any(|word| parts(&tool.name).iter().any(|part| stem(part) == ***word));
        if chosen.is_empty() || telling {
            let mentioned = asked.iter().position(|word| own.contains(&word));
            taken.extend(own);
            chosen.push((mentioned, tool));
        }
    }
    chosen.sort_by_key(|(mentioned, _)| *mentioned);
    chosen.into_iter().map(|(_, tool)| tool).collect()
}

/// Verbs that many tools share.
#[rustfmt::skip]
const VERBS: [&str; 16] = [
    "get", "fetch", "list", "search", "find", "lookup", "query", "create", "update", "delete", "send", "run",
    "read", "set", "check", "show",
];

/// What the results of the last calls say, if there are any that the model has not spoken of.
pub(super) fn findings(request: &Request, dice: &mut Dice) -> Option<String> {
    let results = results(request);
    if results.is_empty() {
        return None;
    }
    let asked = request.messages.iter().rev().find(|message| !message.calls.is_empty())?;
    let mut text = String::new();
    for result in results.iter().take(MOST_CALLS) {
        let call = asked.calls.iter().find(|call| Some(&call.id) == result.answers.as_ref());
        let name = call.map_or("the tool", |call| call.name.as_str());
        let about = call
            .and_then(|call| Json::of(&call.arguments))
            .map(|arguments| short_facts(&arguments))
            .unwrap_or_default();
        if !text.is_empty() {
            text.push('\n');
        }
        let said = said(result.text.trim());
        let opening = dice.pick(phrases::RESULTS).replace("{s}", name);
        let _ = write!(text, "{opening}{said}");
        if !about.is_empty() {
            let _ = write!(text, " (asked with {about})");
        }
        if !text.ends_with(['.', '!', '?']) {
            text.push('.');
        }
    }
    Some(text)
}

/// The most that is said about one result, in characters.
const LONGEST_FINDING: usize = 400;

/// A result in words.
fn said(result: &str) -> String {
    let text = match Json::of(result) {
        Some(Json::Map(members)) if !members.is_empty() => facts(&members),
        Some(Json::List(items)) => match items.first() {
            None => "there is nothing to report".to_owned(),
            Some(first) => {
                let many = if items.len() == 1 {
                    "there is one entry".to_owned()
                } else {
                    format!("there are {} entries", items.len())
                };
                let first = if first.members().is_empty() { plain(first) } else { facts(first.members()) };
                format!("{many}, and the first one says that {first}")
            }
        },
        Some(scalar) if !result.is_empty() => format!("the result is {}", plain(&scalar)),
        _ if result.is_empty() => "there was no output".to_owned(),
        _ => result.to_owned(),
    };
    if text.chars().count() <= LONGEST_FINDING {
        return text;
    }
    format!("{}…", text.chars().take(LONGEST_FINDING).collect::<String>())
}

/// `temperature is 18 and sky is cloudy`
fn facts(members: &[(String, Json)]) -> String {
    let facts: Vec<String> = members
        .iter()
        .take(6)
        .map(|(name, value)| format!("the {} is {}", parts(name).join(" "), plain(value)))
        .collect();
    match facts.as_slice() {
        [] => "there is nothing in it".to_owned(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

/// `city: Paris, unit: celsius`
fn short_facts(arguments: &Json) -> String {
    let named = arguments.members().iter().take(3).map(|(name, value)| format!("{name}: {}", plain(value)));
    named.collect::<Vec<_>>().join(", ")
}

fn plain(value: &Json) -> String {
    match value {
        Json::Text(text) => text.clone(),
        Json::Bool(true) => "yes".to_owned(),
        Json::Bool(false) => "no".to_owned(),
        Json::Null => "unknown".to_owned(),
        Json::List(items) => items.iter().take(5).map(plain).collect::<Vec<_>>().join(", "),
        Json::Number(_) | Json::Map(_) => value.to_string(),
    }
}
