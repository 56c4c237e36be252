//! Checks of a caller's members, and the words in which a fault is told: with its place, never with what was found
//! there.

use std::fmt::Arguments;

use crate::dialect::Refused;
use crate::json::{Fault, FaultKind, Kind, Scanner, Span};

/// The model's name, and where it stands between its quotes.
pub(super) fn model(scanner: &mut Scanner<'_>) -> Result<(String, Span), Refused> {
    expect(scanner, &[Kind::String], "a string", format_args!("model"))?;
    let quote = scanner.offset();
    let model = scanner.string()?.decode().into_owned();
    if model.is_empty() || model.len() > 256 {
        return Err(refused("model", "`model` must have 1 to 256 characters", "invalid_value"));
    }
    Ok((model, Span { start: quote + 1, end: scanner.offset().saturating_sub(1) }))
}

pub(super) fn integer(
    scanner: &mut Scanner<'_>,
    param: Arguments<'_>,
    min: u64,
    max: u64,
) -> Result<u64, Refused> {
    expect(scanner, &[Kind::Number], "an integer", param)?;
    let number = scanner.number()?;
    let (sign, digits) = number.strip_prefix('-').map_or((false, number), |digits| (true, digits));
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong_type(Some(param), "an integer", Kind::Number));
    }
    let value = digits.parse().unwrap_or(u64::MAX);
    if value < min || sign && value > 0 {
        let message = format!("`{param}` must be at least {min}");
        return Err(refused(&param.to_string(), &message, "integer_below_min_value"));
    }
    if value > max {
        let message = format!("`{param}` must be at most {max}");
        return Err(refused(&param.to_string(), &message, "integer_above_max_value"));
    }
    Ok(value)
}

/// The next value must be of one of the `kinds`.
pub(super) fn expect(
    scanner: &mut Scanner<'_>,
    kinds: &[Kind],
    what: &str,
    param: Arguments<'_>,
) -> Result<(), Refused> {
    let found = scanner.peek()?;
    if kinds.contains(&found) { Ok(()) } else { Err(wrong_type(Some(param), what, found)) }
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

pub(super) fn refused(param: &str, message: &str, code: &'static str) -> Refused {
    Refused { param: Some(param.to_owned()), message: message.to_owned(), code }
}

pub(super) fn missing(param: &str) -> Refused {
    refused(param, &format!("`{param}` is missing"), "missing_required_parameter")
}

pub(super) fn twice(param: Arguments<'_>) -> Refused {
    refused(&param.to_string(), &format!("`{param}` occurs twice"), "duplicate_parameter")
}

pub(super) fn wrong_type(param: Option<Arguments<'_>>, wanted: &str, found: Kind) -> Refused {
    let subject = param.map_or_else(|| "the body".to_owned(), |param| format!("`{param}`"));
    let message = format!("{subject} must be {wanted}, not {}", found.a());
    Refused { param: param.map(|param| param.to_string()), message, code: "invalid_type" }
}
