//! Texts that match a regular expression, for the `pattern` of a JSON schema.
//!
//! Covers what patterns of schemas are made of: literals, classes, groups, alternatives, repetition. A
//! pattern with anything else (look-around, back references, named classes of Unicode) has no text here.

use super::dice::Dice;

/// The longest text made, in characters.
const LONGEST: usize = 1024;
/// How deep groups may nest.
const DEEPEST: usize = 32;
/// Work for one pattern: repetitions of nothing would go on for ever.
const STEPS: usize = 20_000;

/// A text that matches `pattern` and has `least..=most` characters, if one is found.
pub(super) fn text(pattern: &str, least: usize, most: usize, dice: &mut Dice) -> Option<String> {
    if pattern.len() > LONGEST {
        return None;
    }
    let signs: Vec<char> = pattern.chars().collect();
    let mut parser = Parser { signs: &signs, at: 0, depth: 0 };
    let node = parser.alternatives()?;
    if parser.at != signs.len() {
        return None;
    }
    let mut steps = STEPS;
    // Open repetitions are made longer until the text is long enough.
    for more in [1, 0, 2, 3, 5, 8, 12, 20, 40, least] {
        let mut made = String::new();
        if node.write(more, dice, &mut steps, &mut made).is_some()
            && (least..=most).contains(&made.chars().count())
        {
            return Some(made);
        }
    }
    None
}

enum Node {
    Class(Vec<char>),
    Sequence(Vec<Self>),
    OneOf(Vec<Self>),
    Repeat { of: Box<Self>, least: usize, most: Option<usize> },
}

impl Node {
    fn write(&self, more: usize, dice: &mut Dice, steps: &mut usize, out: &mut String) -> Option<()> {
        *steps = steps.checked_sub(1).filter(|_| out.len() <= LONGEST)?;
        match self {
            Self::Class(signs) => out.push(*signs.get(dice.below(signs.len()))?),
            Self::Sequence(nodes) => nodes.iter().try_for_each(|node| node.write(more, dice, steps, out))?,
            Self::OneOf(nodes) => nodes.get(dice.below(nodes.len()))?.write(more, dice, steps, out)?,
            Self::Repeat { of, least, most } => {
                let count = least.saturating_add(if *least > 0 && most.is_none() {
                    more.saturating_sub(1)
                } else {
                    more
                });
                let count = most.map_or(count, |most| count.min(most)).max(*least);
                for _ in 0..count {
                    of.write(more, dice, steps, out)?;
                }
            }
        }
        Some(())
    }
}

struct Parser<'a> {
    signs: &'a [char],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.signs.get(self.at).copied()
    }

    fn take(&mut self) -> Option<char> {
        let sign = self.peek()?;
        self.at += 1;
        Some(sign)
    }

    fn takes(&mut self, sign: char) -> bool {
        let found = self.peek() == Some(sign);
        self.at += usize::from(found);
        found
    }

    fn alternatives(&mut self) -> Option<Node> {
        let mut nodes = vec![self.sequence()?];
        while self.takes('|') {
            nodes.push(self.sequence()?);
        }
        Some(Node::OneOf(nodes))
    }

    fn sequence(&mut self) -> Option<Node> {
        let mut nodes = Vec::new();
        while let Some(sign) = self.peek().filter(|sign| !matches!(sign, '|' | ')')) {
            if matches!(sign, '^' | '$') {
                self.at += 1;
                continue;
            }
            let of = self.atom()?;
            nodes.push(self.repeated(of)?);
        }
        Some(Node::Sequence(nodes))
    }

    fn atom(&mut self) -> Option<Node> {
        match self.take()? {
            '(' => self.group(),
            '[' => self.class().map(Node::Class),
            '.' => Some(Node::Class(range('a', 'z'))),
            '\\' => self.escape().map(Node::Class),
            '*' | '+' | '?' => None,
            // A second repetition; a brace before anything else is a brace.
            '{' if self.peek().is_some_and(|next| next.is_ascii_digit()) => None,
            sign => Some(Node::Class(vec![sign])),
        }
    }

    fn group(&mut self) -> Option<Node> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        if self.takes('?') {
            match self.take()? {
                ':' => {}
                // `(?<name>…)` and `(?P<name>…)`, but not look-behind.
                'P' | '<' => {
                    self.takes('<');
                    if matches!(self.peek(), Some('=' | '!')) {
                        return None;
                    }
                    while self.take()? != '>' {}
                }
                _ => return None,
            }
        }
        let node = self.alternatives()?;
        self.depth -= 1;
        self.takes(')').then_some(node)
    }

    fn repeated(&mut self, of: Node) -> Option<Node> {
        let (least, most) = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => {
                self.at += 1;
                let least = self.digits()?;
                let most = if self.takes(',') { self.digits() } else { Some(least) };
                if self.peek() != Some('}') {
                    return None;
                }
                (least, most)
            }
            _ => return Some(of),
        };
        self.at += 1;
        // Lazy or possessive: the same texts match.
        if !self.takes('?') {
            self.takes('+');
        }
        Some(Node::Repeat { of: Box::new(of), least, most })
    }

    fn digits(&mut self) -> Option<usize> {
        let mut digits = String::new();
        while let Some(digit) = self.peek().filter(char::is_ascii_digit) {
            digits.push(digit);
            self.at += 1;
        }
        digits.parse().ok()
    }

    fn class(&mut self) -> Option<Vec<char>> {
        let negated = self.takes('^');
        let mut signs: Vec<char> = Vec::new();
        loop {
            let sign = match self.take()? {
                ']' if !signs.is_empty() => break,
                '\\' => {
                    let escaped = self.escape()?;
                    let [sign] = escaped.as_slice() else {
                        signs.extend(escaped);
                        continue;
                    };
                    *sign
                }
                sign => sign,
            };
            let ranged =
                self.peek() == Some('-') && self.signs.get(self.at + 1).is_some_and(|next| *next != ']');
            if !ranged {
                signs.push(sign);
                continue;
            }
            self.at += 1;
            let mut last = self.take()?;
            if last == '\\' {
                last = *self.escape()?.first()?;
            }
            signs.extend(range(sign, last));
        }
        if negated {
            let others = range('a', 'z').into_iter().chain(range('0', '9')).chain(range(' ', '/'));
            signs = others.filter(|sign| !signs.contains(sign)).collect();
        }
        (!signs.is_empty()).then_some(signs)
    }

    fn escape(&mut self) -> Option<Vec<char>> {
        Some(match self.take()? {
            'd' => range('0', '9'),
            'w' => [range('a', 'z'), range('0', '9')].concat(),
            's' => vec![' '],
            'D' | 'S' => range('a', 'z'),
            'W' => vec!['-'],
            't' => vec!['\t'],
            'n' => vec!['\n'],
            'r' => vec!['\r'],
            'u' => {
                let digits: String = (0..4).filter_map(|_| self.take()).collect();
                vec![char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?]
            }
            sign if sign.is_ascii_alphanumeric() => return None,
            sign => vec![sign],
        })
    }
}

/// At most 128 characters of a range: enough to choose from.
fn range(first: char, last: char) -> Vec<char> {
    (first..=last).take(128).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::simulated::dice::Fingerprint;

    fn made(pattern: &str) -> Option<String> {
        text(pattern, 0, usize::MAX, &mut Fingerprint::new(7).dice())
    }

    #[test]
    fn a_text_has_the_form_of_its_pattern() {
        let sku = made("^[A-Z]{3}-\\d{4}$").expect("a text");
        assert_eq!(sku.len(), 8);
        assert!(sku.chars().take(3).all(|c| c.is_ascii_uppercase()));
        assert!(sku.chars().skip(4).all(|c| c.is_ascii_digit()));
        assert_eq!(made("^(?:GB|GB)\\.x?$").map(|text| text.starts_with("GB.")), Some(true));
        let mail = made("^[^@\\s]+@[a-z]+\\.(com|org)$").expect("a text");
        assert!(mail.contains('@') && (mail.ends_with(".com") || mail.ends_with(".org")));
        assert_eq!(made("^\\+?[1-9]-$").map(|text| text.ends_with('-')), Some(true));
    }

    #[test]
    fn open_repetition_fills_the_length_asked_for() {
        let long = text("^[a-z]+$", 30, 50, &mut Fingerprint::new(1).dice()).expect("a text");
        assert!((30..=50).contains(&long.len()));
        assert_eq!(text("^a{2}$", 3, 9, &mut Fingerprint::new(1).dice()), None);
    }

    #[test]
    fn what_is_not_understood_has_no_text() {
        for pattern in [
            "(?=a)b",
            "(?!x)y",
            "(a)\\1",
            "\\p{L}",
            "a{1000000}",
            "((",
            "[",
            "*",
            "a{2",
            "\\",
            "((()*)*)*{900000}",
            "(?:){9000000}",
        ] {
            assert_eq!(made(pattern), None, "{pattern}");
        }
    }
}
