//! Findings as people read them, in the shape compilers have taught everyone.

use std::fmt::Write;

use super::{Finding, Place, Position, Severity};

/// How a rendering may look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    #[default]
    Plain,
    /// With ANSI colours (ECMA-48 SGR).
    Colour,
}

/// All findings in order, a blank line between them; ends with a line break unless there are none.
///
/// ```text
/// error[unknown-key]: unknown key `modles`
///  --> parapet.yaml:7:5
///   |
/// 7 |     modles: [openai/gpt-4o-mini]
///   |     ^^^^^^
///   = help: did you mean `models`?
/// ```
#[must_use]
pub fn render(findings: &[Finding], style: Style) -> String {
    let paint = Paint(style);
    findings.iter().map(|finding| one(finding, paint)).collect::<Vec<_>>().join("\n")
}

fn one(finding: &Finding, paint: Paint) -> String {
    let Finding { severity, code, message, help, place } = finding;
    let (word, colour) = match severity {
        Severity::Error => ("error", Paint::RED),
        Severity::Notice => ("notice", Paint::YELLOW),
    };
    let head = paint.on(colour, &format!("{word}[{}]", code.as_str()));
    let mut out = format!("{head}{}\n", paint.on(Paint::BOLD, &format!(": {message}")));

    let margin = match place {
        Some(Place::File(position)) => position.line.to_string().len(),
        _ => 1,
    };
    let pad = " ".repeat(margin);
    let blue = |text: &str| paint.on(Paint::BLUE, text);
    // Writing to a String cannot fail.
    let _ = match place {
        None => Ok(()),
        Some(Place::Env { name }) => writeln!(out, "{pad}{} environment variable {name}", blue("-->")),
        Some(Place::Flag { key }) => writeln!(out, "{pad}{} flag {key}", blue("-->")),
        Some(Place::File(Position { file, line, col, source, caret: (from, len), .. })) => writeln!(
            out,
            "{pad}{arrow} {file}:{line}:{col}\n{pad} {bar}\n{number} {bar} {source}\n{pad} {bar} {gap}{marks}",
            arrow = blue("-->"),
            bar = blue("|"),
            number = blue(&line.to_string()),
            source = source.trim_end(),
            gap = " ".repeat(*from),
            marks = paint.on(colour, &"^".repeat(*len)),
        ),
    };
    if let Some(help) = help {
        let _ = writeln!(out, "{pad} {} help: {help}", blue("="));
    }
    out
}

#[derive(Clone, Copy)]
struct Paint(Style);

impl Paint {
    const RED: &'static str = "1;31";
    const YELLOW: &'static str = "1;33";
    const BLUE: &'static str = "1;34";
    const BOLD: &'static str = "1";

    fn on(self, sgr: &str, text: &str) -> String {
        match self.0 {
            Style::Plain => text.to_owned(),
            Style::Colour => format!("\u{1b}[{sgr}m{text}\u{1b}[0m"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Code;

    fn finding() -> Finding {
        Finding {
            severity: Severity::Error,
            code: Code::UnknownKey,
            message: "unknown key `modles`".into(),
            help: Some("did you mean `models`?".into()),
            place: Some(Place::File(Position {
                file: "parapet.yaml".into(),
                line: 7,
                col: 5,
                len: 6,
                source: "    modles: [openai/gpt-4o-mini]".into(),
                caret: (4, 6),
            })),
        }
    }

    #[test]
    fn a_finding_in_a_file_shows_its_line() {
        assert_eq!(
            render(&[finding()], Style::Plain),
            "error[unknown-key]: unknown key `modles`\n \
             --> parapet.yaml:7:5\n  |\n\
             7 |     modles: [openai/gpt-4o-mini]\n  |     ^^^^^^\n  \
             = help: did you mean `models`?\n"
        );
    }

    #[test]
    fn colour_changes_nothing_but_colour() {
        let coloured = render(&[finding()], Style::Colour);
        assert!(coloured.contains('\u{1b}'));
        let mut plain = coloured;
        for sgr in [Paint::RED, Paint::YELLOW, Paint::BLUE, Paint::BOLD, "0"] {
            plain = plain.replace(&format!("\u{1b}[{sgr}m"), "");
        }
        assert_eq!(plain, render(&[finding()], Style::Plain));
    }
}
