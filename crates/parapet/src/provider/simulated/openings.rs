//! The words by which a prompt is understood: how messages begin, and what gives a request away.

#[rustfmt::skip]
pub(super) const GREETINGS: &[&str] = &[
    "hi", "hello", "hey", "good morning", "good afternoon", "good evening", "good day", "greetings", "howdy",
    "yo", "hallo", "hola", "bonjour", "moin", "test", "ping",
];

#[rustfmt::skip]
pub(super) const MANNERS: &[&str] = &[
    "please", "can you", "could you", "would you", "will you", "i want you to", "i'd like you to",
    "i need you to", "i would like to know", "i'd like to know", "i want to know", "do you know", "can i ask",
    "i have a question", "quick question", "just", "now", "then", "so", "and", "but", "also", "well", "ok",
    "okay", "great", "cool", "nice", "perfect", "thanks", "thank you", "thx", "yes", "no", "sure", "right",
    "bye", "goodbye", "ciao", "there", "everyone", "again", "hmm", "hm", "um",
];

pub(super) const SMALL_TALK: &[&str] =
    &["how are you", "what's up", "whats up", "for", "see you", "a lot", "very much", "so much"];

#[rustfmt::skip]
pub(super) const IDENTITY: &[&str] = &[
    "who are you", "what are you", "are you real", "are you a", "are you an", "are you human",
    "are you chatgpt", "are you simulated", "what model", "which model", "what's your name",
    "what is your name", "introduce yourself", "what can you do", "tell me about yourself", "how do you work",
    "who made you",
];

#[rustfmt::skip]
pub(super) const MORE: &[&str] = &[
    "what about", "how about", "tell me more", "go on", "continue", "more", "keep going", "elaborate",
    "why is that", "why so", "why not", "how so", "what else", "anything else", "in more detail",
    "for example", "such as", "really", "explain more", "explain that", "explain further", "explain it",
    "and then", "what do you mean",
];

pub(super) const WRITE: &[&str] =
    &["write me", "write us", "write", "draft", "compose", "create", "generate"];

#[rustfmt::skip]
pub(super) const HOW_TO: &[&str] = &[
    "how do i", "how can i", "how should i", "how would i", "how could i", "how do you", "how do we",
    "how can we", "how should we", "how does one", "how to", "show me how to", "teach me how to",
    "teach me to", "help me to", "what is the best way to", "what's the best way to", "the best way to",
    "i want to", "i need to", "i would like to", "i'd like to",
];

#[rustfmt::skip]
pub(super) const FACT: &[&str] = &[
    "how much", "how many", "how long", "how often", "how far", "how old", "how big", "how fast", "when",
    "where", "who", "which", "whose", "what time", "what kind of", "what type of", "what should", "what do",
    "what does", "what did", "what can", "what would", "what happens", "what causes", "what makes",
];

#[rustfmt::skip]
pub(super) const ABOUT: &[&str] = &[
    "how does", "how do", "how is", "how are", "how did", "what is meant by", "what is", "what are", "what's",
    "what’s", "whats", "what was", "what were", "explain to me", "explain", "describe", "define",
    "tell me about", "tell us about", "talk about", "teach me about", "give me an overview of",
    "an overview of", "what", "tell me", "discuss",
];

#[rustfmt::skip]
pub(super) const TASK: &[&str] = &[
    "summarize", "summarise", "translate", "rewrite", "compare", "classify", "extract", "analyze", "analyse",
    "review", "improve", "correct", "check", "plan", "make", "build", "design", "help", "give", "find",
    "calculate", "convert", "show", "answer", "think", "pretend", "act", "imagine", "fix", "proofread",
    "estimate", "choose", "pick", "remind", "book", "order", "cancel", "send", "open", "create", "prepare",
    "outline",
];

#[rustfmt::skip]
pub(super) const ECHO: &[&str] = &[
    "say exactly", "say only", "say", "repeat after me", "repeat exactly", "repeat", "echo",
    "reply with exactly", "reply with only", "reply with", "reply only with", "respond with exactly",
    "respond with only", "respond with", "respond only with", "answer with exactly", "answer only with",
    "just say", "please say",
];

#[rustfmt::skip]
pub(super) const LIST: &[&str] = &[
    "list all", "list the", "list", "name some", "name", "suggest some", "suggest", "recommend some",
    "recommend", "brainstorm", "enumerate", "give me a list of", "give me some", "give me", "give us",
    "what are some", "what are the",
];

#[rustfmt::skip]
pub(super) const THINGS: &[&str] = &[
    "ideas", "tips", "ways", "steps", "reasons", "examples", "options", "suggestions", "points", "facts",
    "benefits", "advantages", "disadvantages", "questions", "topics", "names", "titles", "rules", "tricks",
    "alternatives", "bullets",
];

pub(super) const LINKS: &[&str] =
    &["for", "of", "about", "to", "on", "that", "why", "in", "with", "a", "the"];

pub(super) const TRAILING: &[&str] =
    &["please", "work", "works", "today", "now", "then", "thanks", "you", "mean", "means"];

#[rustfmt::skip]
pub(super) const AUXILIARIES: &[&str] = &[
    "is", "are", "am", "was", "were", "do", "does", "did", "can", "could", "should", "would", "will", "may",
    "might", "must", "has", "have", "shall", "isn't", "aren't", "don't", "doesn't", "can't",
];

pub(super) const CODE_THINGS: &[&str] =
    &["function", "script", "code", "program", "regex", "query", "snippet", "class", "method", "unittest"];

pub(super) const LANGUAGES: &[(&[&str], &str)] = &[
    (&["python", "pandas", "django"], "python"),
    (&["javascript", "js", "node", "typescript", "ts", "react"], "javascript"),
    (&["rust", "cargo"], "rust"),
    (&["go", "golang"], "go"),
    (&["sql", "postgres", "sqlite", "mysql"], "sql"),
    (&["bash", "shell", "sh", "zsh"], "bash"),
];
