//! What the simulated model says. `{s}` stands for the subject, `{S}` for it with a capital, `{k}` for a
//! keyword, another one each time.
//!
//! Sentences are worded so that singular and plural, noun and verb fit into the slots.

/// Ends the first answer of a conversation.
pub(super) const NOTE: &str =
    "(This is a simulated answer. To talk to a real model, add a provider with an API key to your config.)";

pub(super) const IDENTITY: &str = "\
I am the simulated model that comes with Parapet: I make up plausible text about what you write, so that everything \
around a model can be tried without a key.";

pub(super) const REAL_MODEL: &str = "\
To talk to a real one, add a provider to your config and list it under the \
agent's models:

```yaml
providers:
  openai: { api_key: \"${env:OPENAI_API_KEY}\" }
agents:
  support:
    models: [openai/gpt-4o-mini]
```";

pub(super) const GREETINGS: &[&str] = &["Hello!", "Hi there!", "Hi, good to see you!", "Hello and welcome!"];

pub(super) const OFFERS: &[&str] = &[
    "What can I do for you?",
    "How can I help you today?",
    "What would you like to talk about?",
    "Ask me anything, and I will do my best.",
];

pub(super) const THANKS: &[&str] = &["You are welcome!", "My pleasure!", "Glad that helped!", "Any time!"];

pub(super) const AFTER_THANKS: &[&str] = &[
    "Is there anything else you would like to know?",
    "Let me know if something else comes up.",
    "Just write again if a question remains.",
];

pub(super) const FAREWELLS: &[&str] =
    &["Goodbye, and take care!", "See you next time!", "Bye, it was nice talking to you!"];

pub(super) const AGREEMENTS: &[&str] = &[
    "Good. Tell me how you would like to go on.",
    "All right. What would you like to look at next?",
    "Understood. Shall we go into more detail, or is there something else?",
];

pub(super) const EMPTY: &[&str] = &[
    "Your message arrived without any text. What would you like to know?",
    "There was nothing to read in your message. What can I do for you?",
];

pub(super) const TOLD: &[&str] = &[
    "Noted: your {k} is {s}.",
    "Thank you, I will keep in mind that your {k} is {s}.",
    "Good to know that your {k} is {s}.",
];

pub(super) const MEETINGS: &[&str] =
    &["Nice to meet you, {s}!", "Hello {s}, good to meet you!", "Welcome, {s}!"];

pub(super) const JOKES: &[&str] = &[
    "Why did the load balancer go to therapy? It could not keep taking sides.",
    "I told my cache a joke. It laughed the same way every time for five minutes.",
    "A timeout walks into a bar. The bartender never says a word, so it leaves after thirty seconds.",
    "Why do retries make bad guests? They keep coming back, each time a little later.",
];

/// `{s}` counts them: `2 images`.
pub(super) const IMAGES: &[&str] = &[
    "I see {s} with your message, though as a simulated model I do not look inside.",
    "I can see that {s} came with your message. What there is to see, only a real model behind the same request could \
     tell.",
];

pub(super) const HOW_TO: &[&str] = &[
    "To {s}, start with the part you can check right away and work outwards from there.",
    "The quickest way to {s} is to take small steps and confirm each one before the next.",
    "There is no trick to it: to {s}, you need the right starting point and a little patience.",
    "If you want to {s}, prepare what you need first and then change one thing at a time.",
];

/// In this order.
pub(super) const STEPS: &[&str] = &[
    "Open the place where you find {k}, and note how things are now.",
    "Make the smallest change that has to do with {k}.",
    "Check the result, and go back one step if it is not what you expected.",
];

pub(super) const ABOUT: &[&str] = &[
    "The short version of {s}: purpose first, details second.",
    "A good way into {s} is to look at the problem behind the name.",
    "Let me put {s} in plain words.",
    "There are two sides to {s}: what is promised and what it costs to keep the promise.",
    "When people talk about {s}, they usually mean one simple idea and a lot of experience around it.",
];

/// `{s}` is the company of the persona.
pub(super) const COMPANY: &[&str] = &[
    "Here at {s} this comes up quite often.",
    "It is one of the more common questions at {s}.",
    "Many who write to {s} want to know this.",
];

/// For a message in another language.
pub(super) const FOREIGN: &[&str] = &[
    "I can only make up answers in English, but I did receive your message: “{s}”.",
    "Your message arrived (“{s}”); the simulated model speaks nothing but English, though.",
];

pub(super) const WHY: &[&str] = &[
    "There is more than one reason, but with {s} one of them does most of the work.",
    "As for {s}, the reason is mostly history, and partly good sense.",
    "With {s} it comes down to cause and effect, even if the cause is easy to miss.",
];

pub(super) const YES_NO: &[&str] = &[
    "Yes, in most cases {s}.",
    "In short: yes, {s}, as long as nothing unusual stands in the way.",
    "Usually {s}, yes, though it is worth a look at the conditions.",
    "Not always, but as a rule {s}.",
];

pub(super) const YES_NO_VAGUE: &[&str] = &[
    "The short answer is yes, with one condition about {k}.",
    "Most likely yes, but it depends a little on {k}.",
    "I would say yes, at least as far as it concerns {k}.",
];

pub(super) const FACT: &[&str] = &[
    "As for “{s}”: there is no single answer, but a good estimate is possible.",
    "“{S}” has a usual answer and a few exceptions, so let me begin with the usual one.",
    "The answer to “{s}” depends on the details, so here is the most common case.",
];

pub(super) const TASK: &[&str] = &[
    "Sure, here is a first version for “{s}”.",
    "Happy to help with “{s}”. This is how I would approach it.",
    "All right, let us take “{s}” one step at a time.",
];

pub(super) const STATEMENT: &[&str] = &[
    "Thank you for telling me about {k}.",
    "I see, this is about {k}.",
    "Understood, so the point is {k}.",
    "Thanks, that helps me to understand the situation with {k}.",
];

pub(super) const MORE: &[&str] = &[
    "Gladly, there is more to say about {s}.",
    "To go a little deeper into {s}:",
    "One more thought on {s}.",
];

pub(super) const MORE_BESIDE: &[&str] = &[
    "Coming from {k}, the picture for {s} is similar, with one difference.",
    "Much of what holds for {k} also holds for {s}.",
    "After {k}, it makes sense to look at {s} as well.",
];

pub(super) const LISTS: &[&str] = &[
    "Here is a list about {s}:",
    "These come to mind for {s}:",
    "A few that have proved themselves for {s}:",
];

pub(super) const ITEMS: &[&str] = &[
    "**Start small**: try one thing about {k} and see what happens",
    "**Write it down**: a short note on {k} saves a long search later",
    "**Keep it regular**: a little of {k} every day goes further than a lot at once",
    "**Ask around**: someone has been through {k} before you",
    "**Measure first**: know how things are with {k} before you change anything",
    "**Remove one thing**: less is often more with {k}",
    "**Set a date**: without one, {k} will stay a wish",
    "**Prepare the evening before**: a head start helps with {k}",
    "**Use what you have**: for {k} you rarely need anything new",
    "**Look at it from the end**: decide what a good result for {k} would be",
    "**Take a break**: a fresh look at {k} is worth an hour of work",
    "**Make it visible**: put {k} where you see it every day",
];

/// What can be said about anything.
pub(super) const CLAIMS: &[&str] = &[
    "With {k}, the first step decides more than the last one.",
    "Most questions about {k} have a short answer and a longer one, and the short one is enough to start.",
    "People who deal with {k} every day tend to keep things simple.",
    "It helps to write down what you expect from {k} before you try anything.",
    "A common mistake around {k} is to change several things at once.",
    "If {k} should give you trouble, look at what changed most recently.",
    "For {k}, a rough plan today is better than a perfect one next month.",
    "The details of {k} differ from case to case, but the pattern stays the same.",
    "You can test your idea of {k} with a small example.",
    "What makes {k} interesting is the way in which small causes add up.",
    "Good results with {k} come from checking early and often.",
    "There are cheaper and more thorough ways to look at {k}; begin with the cheap one.",
    "In everyday practice the exceptions around {k} matter more than the rule.",
    "Nobody gets {k} right the first time, and that is fine.",
    "A second pair of eyes on {k} finds things that you would overlook.",
    "When in doubt about {k}, choose the option that is easier to undo.",
    "Think of {k} as a habit rather than a single decision.",
    "The costs of {k} are usually in the time around it, not in the thing itself.",
    "Once you have settled {k}, the rest tends to fall into place.",
    "It is worth asking who else depends on {k}.",
];

#[rustfmt::skip]
pub(super) const LEADS: &[&str] = &[
    "In practice, ", "As a rule, ", "On the other hand, ", "Beyond that, ", "To be precise, ",
    "From experience, ", "More often than not, ", "At the same time, ", "Put differently, ", "In addition, ",
    "Above all, ",
];

pub(super) const CLOSERS: &[&str] = &[
    "Tell me more about your situation, and I can be more specific.",
    "Would you like an example?",
    "Let me know which part you would like to look at more closely.",
    "If you tell me what you have tried so far, we can go on from there.",
];

pub(super) const LETTER: &str = "\
Subject: {S}

Hello,

I am writing to you about {s}. I would like to find a solution that works for both of us, and I am happy to give you \
any details you need. Could you let me know by the end of the week how you would like to proceed?

Thank you very much and kind regards,
[Your name]";

pub(super) const POEMS: &[&str] = &[
    "\
A quiet thought of {s},
it came along the morning street,
and where the light and shadow meet
it stayed a while, then went its way.",
    "\
Early light, soft rain
{s} in a silver pause
the day holds its breath",
    "\
If {s} could speak to me,
it would not ask for more than this:
a window open to the sea,
an hour that nobody will miss.",
];

/// Code by language: `{f}` is the name of the function, `{k}` what it is about.
pub(super) const CODE: &[(&str, &str)] = &[
    (
        "python",
        r#"def {f}(items):
    """Return what {k} leaves of the items."""
    result = []
    for item in items:
        if item:
            result.append(item)
    return result


print({f}(["a", "", "b"]))"#,
    ),
    (
        "javascript",
        r#"// Returns what {k} leaves of the items.
function {f}(items) {
  return items.filter((item) => Boolean(item));
}

console.log({f}(["a", "", "b"]));"#,
    ),
    (
        "rust",
        r#"/// Returns what {k} leaves of the items.
fn {f}<'a>(items: &[&'a str]) -> Vec<&'a str> {
    items.iter().copied().filter(|item| !item.is_empty()).collect()
}

fn main() {
    println!("{:?}", {f}(&["a", "", "b"]));
}"#,
    ),
    (
        "go",
        r#"// {f} returns what {k} leaves of the items.
func {f}(items []string) []string {
	var result []string
	for _, item := range items {
		if item != "" {
			result = append(result, item)
		}
	}
	return result
}"#,
    ),
    (
        "sql",
        "\
-- What {k} leaves, newest first.
SELECT id, name, created_at
FROM {f}
WHERE deleted_at IS NULL
ORDER BY created_at DESC
LIMIT 20;",
    ),
    (
        "bash",
        r#"#!/usr/bin/env bash
# Prints what {k} leaves of the lines.
set -euo pipefail

{f}() {
  grep -v '^$' "$1"
}

{f} "${1:?usage: $0 FILE}""#,
    ),
];

pub(super) const CODE_OPENERS: &[&str] = &[
    "Here is a small version that you can build on:",
    "This is how I would start:",
    "A short sketch to begin with:",
];

pub(super) const CODE_CLOSERS: &[&str] = &[
    "It skips empty entries, so try it with a few edge cases before you rely on it.",
    "The part about {k} is kept simple on purpose; adjust it to your data.",
    "Add a test for {k} first, then change the body as you need it.",
];

/// Before what a tool returned.
pub(super) const RESULTS: &[&str] =
    &["According to {s}, ", "I looked it up with {s}: ", "{s} says that ", "From {s}: "];

/// When the model declines.
pub(super) const REFUSALS: &[&str] = &[
    "I am sorry, but I cannot help with that.",
    "Sorry, that is something I have to decline.",
    "I would rather not answer that, and I hope you understand.",
];

/// Ends a refusal.
pub(super) const REFUSAL_NOTE: &str =
    "(This is a simulated refusal: this model declines whatever it is asked.)";

/// How a thought begins; `{s}` is what the user wrote.
pub(super) const THOUGHT_OPENERS: &[&str] = &[
    "The user writes: “{s}”.",
    "Let me see what is wanted here: “{s}”.",
    "So the message is “{s}”.",
    "Okay, “{s}”. Let me take that apart.",
];

pub(super) const THOUGHT_OF_NOTHING: &str = "The user has not written anything that I could read.";

/// What can be thought about anything.
pub(super) const MUSINGS: &[&str] = &[
    "What do I know about {k}? Enough for a first answer, if I keep to what holds in most cases.",
    "I should not assume more about {k} than the message says.",
    "There is more than one way to understand {k} here, and the plainer one is more likely.",
    "If I begin with {k}, the rest follows more easily.",
    "An example would help, but only if it stays close to {k}.",
    "I could go into the exceptions around {k}, but that would be too much for now.",
    "Wait, is there a trap in {k}? Perhaps where one name stands for two things.",
    "The order matters: first the purpose of {k}, then the way there.",
    "A short answer on {k} is better than a complete one that nobody reads.",
    "I must not promise anything about {k} that depends on details I have not seen.",
];

/// How a thought ends, by what follows it.
pub(super) const DECISION_TO_ANSWER: &str = "That settles it, so I will answer in plain words.";
pub(super) const DECISION_TO_REPORT: &str = "The results are there, so the answer can come from them.";
pub(super) const DECISION_TO_DECLINE: &str = "This is nothing to help with, so I will decline, and politely.";
pub(super) const DECISION_TO_FILL_IN: &str =
    "The answer has to be JSON, so I will fill in one member after the other.";
/// `{s}` is their names.
pub(super) const DECISION_TO_CALL: &str = "This needs more than words, so I will call {s}.";
