//! What the parsers of all dialects check of a body, and the words in which they refuse it.
//!
//! A member that is read has one type and occurs once. Where it does not, the caller is told which member it is and
//! what it should be, never the text that was found there.

use std::fmt::{self, Display};

use crate::dialect::Refused;
use crate::json::{Fault, FaultKind, Kind, Scanner, Span, Text};

/// Declares the members of an object that are read, at most 32: `members! { Member: Model = "model", … }`.
macro_rules! members {
    ($(#[$doc:meta])* $name:ident: $($member:ident = $text:literal,)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum $name {
            $($member,)*
        }

        impl $name {
            pub(super) fn of(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(Self::$member),)*
                    _ => None,
                }
            }

            pub(super) const fn name(self) -> &'static str {
                match self {
                    $(Self::$member => $text,)*
                }
            }

            const fn bit(self) -> u32 {
                1 << self as u32
            }
        }
    };
}
pub(crate) use members;

/// Which members have been met: one bit each.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen(u32);

impl Seen {
    /// Whether this is the first time.
    pub(crate) const fn add(&mut self, bit: u32) -> bool {
        let first = self.0 & bit == 0;
        self.0 |= bit;
        first
    }

    pub(crate) const fn has(self, bit: u32) -> bool {
        self.0 & bit != 0
    }
}

/// A place in a body, written as a path: `messages[3].content[0].text`.
#[derive(Clone, Copy)]
pub(crate) enum Place<'p> {
    Top(&'p str),
    Member(&'p Place<'p>, &'p str),
    Item(&'p Place<'p>, usize),
}

impl<'p> Place<'p> {
    pub(crate) const fn member(&'p self, name: &'p str) -> Self {
        Self::Member(self, name)
    }

    pub(crate) const fn item(&'p self, number: usize) -> Self {
        Self::Item(self, number)
    }
}

impl Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top(name) => f.write_str(name),
            Self::Member(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, number) => write!(f, "{parent}[{number}]"),
        }
    }
}

/// The next value has to be one of `kinds`, which `what` names with an article.
pub(crate) fn expect(
    scanner: &mut Scanner<'_>,
    kinds: &[Kind],
    what: &str,
    param: impl Display,
) -> Result<(), Refused> {
    let found = scanner.peek()?;
    if kinds.contains(&found) { Ok(()) } else { Err(wrong_type(Some(param), what, found)) }
}

/// Checks the kind of a value that is otherwise the provider's business.
pub(crate) fn pass(
    scanner: &mut Scanner<'_>,
    kinds: &[Kind],
    what: &str,
    param: impl Display,
) -> Result<(), Refused> {
    expect(scanner, kinds, what, param)?;
    scanner.skip()?;
    Ok(())
}

/// An integer of `min` to `max`. One beyond 64 bits is as good as the largest.
pub(crate) fn integer(
    scanner: &mut Scanner<'_>,
    param: impl Display,
    min: u64,
    max: u64,
) -> Result<u64, Refused> {
    expect(scanner, &[Kind::Number], "an integer", &param)?;
    let number = scanner.number()?;
    let (negative, digits) = number.strip_prefix('-').map_or((false, number), |digits| (true, digits));
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong_type(Some(param), "an integer", Kind::Number));
    }
    let value = digits.parse().unwrap_or(u64::MAX);
    if negative || value < min {
        let message = format!("`{param}` must be at least {min}");
        return Err(refused(param, &message, "integer_below_min_value"));
    }
    if value > max {
        let message = format!("`{param}` must be at most {max}");
        return Err(refused(param, &message, "integer_above_max_value"));
    }
    Ok(value)
}

/// The value asks for nothing: it is null, or a list without entries.
pub(crate) fn is_nothing(value: &str) -> bool {
    let inside = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    value == "null" || inside.is_some_and(|inside| inside.trim_ascii().is_empty())
}

/// The name of the model, and where it stands between its quotes.
pub(crate) fn model(scanner: &mut Scanner<'_>) -> Result<(String, Span), Refused> {
    expect(scanner, &[Kind::String], "a string", "model")?;
    let quote = scanner.offset();
    let model = scanner.string()?.decode().into_owned();
    if model.is_empty() || model.len() > 256 {
        return Err(refused("model", "`model` must have 1 to 256 characters", "invalid_value"));
    }
    Ok((model, Span { start: quote + 1, end: scanner.offset().saturating_sub(1) }))
}

/// Calls `found` with each text of a message's content, which is a string, null or an array of parts.
pub(crate) fn each_text<'a>(scanner: &mut Scanner<'a>, found: &mut dyn FnMut(Text<'a>)) -> Result<(), Fault> {
    match scanner.peek()? {
        Kind::String => found(scanner.string()?),
        Kind::Array => {
            let mut array = scanner.array()?;
            while scanner.element(&mut array)? {
                let mut part = scanner.object()?;
                while let Some(name) = scanner.member(&mut part)? {
                    if name.is("text") && scanner.peek()? == Kind::String {
                        found(scanner.string()?);
                    } else {
                        scanner.skip()?;
                    }
                }
            }
        }
        _ => drop(scanner.skip()?),
    }
    Ok(())
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        let code = match fault.kind {
            FaultKind::Depth => "json_too_deep",
            _ => "invalid_json",
        };
        Self { param: None, message: format!("the body cannot be read: {fault}"), code }
    }
}

pub(crate) fn refused(param: impl Display, message: &str, code: &'static str) -> Refused {
    Refused { param: Some(param.to_string()), message: message.to_owned(), code }
}

pub(crate) fn missing(param: impl Display) -> Refused {
    let message = format!("`{param}` is missing");
    refused(param, &message, "missing_required_parameter")
}

pub(crate) fn twice(param: impl Display) -> Refused {
    let message = format!("`{param}` occurs twice");
    refused(param, &message, "duplicate_parameter")
}

pub(crate) fn wrong_type(param: Option<impl Display>, wanted: &str, found: Kind) -> Refused {
    let param = param.map(|param| param.to_string());
    let subject = param.as_ref().map_or_else(|| "the body".to_owned(), |param| format!("`{param}`"));
    let message = format!("{subject} must be {wanted}, not {}", found.a());
    Refused { param, message, code: "invalid_type" }
}
