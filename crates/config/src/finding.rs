//! What there is to say about a config: faults, which stop it, and notices, which do not.
//!
//! A finding carries everything needed to show it (a code, the position, the line of the source), so that it
//! can be rendered or serialised after the text it is about is gone. Secrets are masked before that line is
//! copied; see [`Source`].

mod render;
mod source;

use std::sync::Arc;

use serde::Serialize;

pub use render::{Style, render};
pub(crate) use source::{Source, is_secret_key, looks_secret, printable};

/// One thing found in a config.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    pub code: Code,
    /// Lower case, no full stop, no secret.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// A finding that stops the config from being used.
pub type Fault = Finding;

/// A finding worth telling that stops nothing.
pub type Notice = Finding;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Notice,
}

/// Where a finding is: in the layer that set the value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "layer")]
pub enum Place {
    File(Position),
    /// An environment variable.
    Env {
        name: String,
    },
    /// A command line flag, as a dotted key.
    Flag {
        key: String,
    },
}

/// A stretch of one line. Lines and columns count from 1, columns and lengths in characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Position {
    pub file: String,
    pub line: usize,
    pub col: usize,
    pub len: usize,
    /// The line, ready to print: secrets and control characters masked, a very long one cut.
    pub source: String,
    /// Where the stretch begins within `source`, from 0, and its length there.
    #[serde(skip)]
    pub(crate) caret: (usize, usize),
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// What kind of finding it is: stable, for scripts and documentation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl Code {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

codes! {
    /// The file is not YAML, or uses a part of YAML that configs do not need.
    Syntax = "syntax";
    /// The file, or what its aliases expand to, is beyond any sensible size.
    TooLarge = "too-large";
    /// A key is written twice in one map.
    DuplicateKey = "duplicate-key";
    /// A key that means nothing.
    UnknownKey = "unknown-key";
    /// A key or value of the product that this version would have to ignore.
    NotEnforced = "not-enforced";
    /// `version:` is not one this program reads.
    Version = "version";
    /// A key that has no default is not set.
    MissingKey = "missing-key";
    /// A list where a text belongs, a text where a number belongs.
    WrongType = "wrong-type";
    /// The right type, but not a value it can take.
    InvalidValue = "invalid-value";
    /// A number, size or duration beyond its bounds.
    OutOfRange = "out-of-range";
    /// A reference to something that is not configured.
    UnknownName = "unknown-name";
    /// One name for two things, or one address for two listeners.
    Clash = "clash";
    /// Two keys that exclude each other.
    Conflict = "conflict";
    /// A key that cannot take effect where it stands.
    NoEffect = "no-effect";
    /// A model or an agent with nothing left to ask.
    NoTarget = "no-target";
    /// Nobody could log in.
    NoAccess = "no-access";
    /// `${…}` that is malformed or of an unknown scheme.
    Interpolation = "interpolation";
    /// An environment variable or a secret that is needed and not there.
    MissingValue = "missing-value";
    /// A file named by the config that cannot be read.
    UnreadableFile = "unreadable-file";
    /// A secret written into the config itself.
    LiteralSecret = "literal-secret";
    /// A secret too short to withstand guessing.
    WeakSecret = "weak-secret";
    /// A provider left out because it has no key.
    ProviderSkipped = "provider-skipped";
    /// A target that an agent never asks, because something it asks has no counterpart there.
    TargetSkipped = "target-skipped";
    /// One of several keys left out because it is not there.
    KeySkipped = "key-skipped";
    /// The spelling of a neighbouring tool, understood.
    Alias = "alias";
    /// Anyone who reaches the listener is the administrator.
    OpenAccess = "open-access";
}

/// Which layer set a value, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    /// The defaults of one kind of provider.
    Kind(&'static str),
    File(Span),
    Env(Arc<str>),
    Flag(Arc<str>),
}

impl Origin {
    pub(crate) const fn span(&self) -> Option<Span> {
        match self {
            Self::File(span) => Some(*span),
            Self::Default | Self::Kind(_) | Self::Env(_) | Self::Flag(_) => None,
        }
    }

    /// True if nobody has written it.
    pub(crate) const fn is_default(&self) -> bool {
        matches!(self, Self::Default | Self::Kind(_))
    }
}

/// A stretch of the file: bytes `start..end`, beginning at `line` and `col`, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) line: usize,
    pub(crate) col: usize,
}

/// A finding before its position is turned into a printable line.
#[derive(Clone, Debug)]
pub(crate) struct Remark {
    pub(crate) severity: Severity,
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    pub(crate) origin: Origin,
}

impl Remark {
    pub(crate) fn fault(origin: &Origin, code: Code, message: impl Into<String>) -> Self {
        let origin = origin.clone();
        Self { severity: Severity::Error, code, message: message.into(), help: None, origin }
    }

    pub(crate) fn notice(origin: &Origin, code: Code, message: impl Into<String>) -> Self {
        Self { severity: Severity::Notice, ..Self::fault(origin, code, message) }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// `help` if there is one: for the nearest name, which may not exist.
    pub(crate) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    pub(crate) fn publish(self, source: &Source<'_>) -> Finding {
        let Self { severity, code, message, help, origin } = self;
        Finding { severity, code, message, help, place: source.place(&origin) }
    }
}

/// The candidate that `word` is most likely a slip of, if one is near enough to be a slip.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    // A third of the letters may differ: `modles` finds `models`, `tls` does not find `app`.
    let tolerance = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= tolerance)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "did you mean `x`?", if something is near.
pub(crate) fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, candidates).map(|name| format!("did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_a_different_word_finds_nothing() {
        let words = ["models", "agents", "providers", "app"];
        assert_eq!(nearest("modles", words), Some("models"));
        assert_eq!(nearest("Agent", words), Some("agents"));
        assert_eq!(nearest("tls", words), None);
        assert_eq!(nearest("", words), None);
    }
}
