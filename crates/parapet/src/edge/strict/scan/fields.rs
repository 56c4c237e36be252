//! Header lines, `name ":" OWS value OWS CRLF` (RFC 9112 §5), up to the empty line that ends the head.

use super::super::violation::Violation;
use super::cursor::{Cursor, TOKEN, Word, is_space};
use super::value::Value;
use super::{Head, MAX_FIELDS};

/// Header lines that may still be arriving.
#[derive(Debug, Default)]
pub(super) struct Fields {
    part: Part,
    name: Word,
    value: Value,
}

#[derive(Debug, Default)]
enum Part {
    #[default]
    Line,
    Name,
    /// White space before the value.
    Space,
    Value,
    LineFeed,
    /// The line feed of the empty line.
    End,
}

impl Fields {
    /// Takes what belongs to the headers; true after the empty line.
    pub(super) fn take(&mut self, input: &mut Cursor<'_>, head: &mut Head) -> Result<bool, Violation> {
        loop {
            match self.part {
                Part::Line => {
                    let Some(byte) = input.peek() else { return Ok(false) };
                    self.part = match byte {
                        b'\r' => {
                            input.next();
                            Part::End
                        }
                        b'\n' => return Err(Violation::BareLf),
                        b' ' | b'\t' => return Err(Violation::Folding),
                        b':' => return Err(Violation::NameEmpty),
                        _ if head.fields == MAX_FIELDS => return Err(Violation::TooManyFields),
                        _ => Part::Name,
                    };
                    self.name.clear();
                }
                Part::Name => {
                    let run = input.run(&TOKEN);
                    match input.next() {
                        Some(b':') => {}
                        Some(b'\n') => return Err(Violation::BareLf),
                        Some(b' ' | b'\t') => return Err(Violation::SpaceBeforeColon),
                        Some(_) => return Err(Violation::NameInvalid),
                        None => {
                            self.name.extend(run);
                            return Ok(false);
                        }
                    }
                    head.fields += 1;
                    self.value = match self.name.ending(run) {
                        Some(name) => Value::of(name, head)?,
                        None => Value::Opaque,
                    };
                    self.part = Part::Space;
                }
                Part::Space => {
                    while input.peek().is_some_and(is_space) {
                        input.next();
                    }
                    if input.peek().is_none() {
                        return Ok(false);
                    }
                    self.part = Part::Value;
                }
                Part::Value => {
                    self.value.push(input.text(), head)?;
                    match input.next() {
                        None => return Ok(false),
                        Some(b'\t') => self.value.push(b"\t", head)?,
                        Some(b'\n') => return Err(Violation::BareLf),
                        Some(b'\r') => {
                            self.value.finish(head)?;
                            self.part = Part::LineFeed;
                        }
                        Some(_) => return Err(Violation::ValueControl),
                    }
                }
                Part::LineFeed => match input.next() {
                    None => return Ok(false),
                    Some(b'\n') => self.part = Part::Line,
                    Some(_) => return Err(Violation::BareCr),
                },
                Part::End => {
                    return match input.next() {
                        None => Ok(false),
                        Some(b'\n') => Ok(true),
                        Some(_) => Err(Violation::BareCr),
                    };
                }
            }
        }
    }
}
