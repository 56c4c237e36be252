//! `${env:NAME}`, `${env:NAME:-default}`, `${env:NAME:?message}`, `${file:path}` and `$$`, in values of the file.
//!
//! It works on parsed scalars, never on the text of the file, so a value cannot add keys or close a quote; what
//! it inserts is not looked at again. A plain scalar is typed after interpolation (`port: ${env:PORT}` is a
//! number), a quoted one stays a text. As in a shell, `:-` and `:?` speak up for an empty variable as well as
//! for an unset one. Values from the environment and from flags are not interpolated.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::finding::{Code, Origin, Remark, printable};
use crate::node::{Kind, Node, Scalar, Sole, Template};
use crate::secret::without_line_break;

pub(crate) struct Interpolation<'a> {
    pub(crate) env: &'a BTreeMap<String, String>,
    pub(crate) read: &'a dyn Fn(&Path) -> io::Result<String>,
}

impl Interpolation<'_> {
    /// Replaces every scalar of the tree. What fails is kept with its reason, for whoever asks for the value.
    pub(crate) fn apply(&self, node: &mut Node) {
        match &mut node.kind {
            Kind::Scalar(scalar) => self.scalar(scalar, &node.origin),
            Kind::List(items) => items.iter_mut().for_each(|item| self.apply(item)),
            Kind::Map(map) => map.values_mut().for_each(|entry| self.apply(&mut entry.value)),
            Kind::Redacted => {}
        }
    }

    fn scalar(&self, scalar: &mut Scalar, origin: &Origin) {
        if !scalar.text.contains('$') {
            return;
        }
        let written = std::mem::take(&mut scalar.text);
        let (mut sole, mut sourced) = (None, false);
        let failed = match self.expand(&written) {
            Ok(Expanded { text, .. }) if !written.contains("${") => {
                scalar.text = text;
                // Only `$$`: a literal after all.
                return;
            }
            Ok(expanded) => {
                scalar.text = expanded.text;
                (sole, sourced) = (expanded.sole, expanded.sourced);
                None
            }
            Err(Failure { code, message, help }) => {
                Some(Box::new(Remark::fault(origin, code, message).maybe_help(help)))
            }
        };
        scalar.template = Some(Box::new(Template { written, sourced, sole, failed }));
    }

    fn expand(&self, written: &str) -> Result<Expanded, Failure> {
        let mut text = String::new();
        let (mut sole, mut sourced) = (None, false);
        let mut rest = written;
        while let Some((before, after)) = rest.split_once('$') {
            text.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                text.push('$');
                rest = after;
            } else if let Some(after) = after.strip_prefix('{') {
                let (body, after) = after.split_once('}').ok_or_else(|| {
                    Failure::malformed("`${` without `}`", Some("write `$$` for a `$`".into()))
                })?;
                if body.contains("${") {
                    return Err(Failure::malformed("interpolations do not nest", None));
                }
                let (value, source) = self.lookup(body)?;
                sourced |= source.is_some();
                if rest.len() == written.len() && before.is_empty() && after.is_empty() {
                    sole = source;
                }
                text.push_str(&value);
                rest = after;
            } else {
                text.push('$');
                rest = after;
            }
        }
        text.push_str(rest);
        Ok(Expanded { text, sourced, sole })
    }

    /// The value, and its source unless the value is the default written in the file.
    fn lookup(&self, body: &str) -> Result<(String, Option<Sole>), Failure> {
        match body.split_once(':') {
            Some(("env", body)) => self.variable(body),
            Some(("file", path)) if !path.is_empty() => match (self.read)(Path::new(path)) {
                Ok(text) => Ok((without_line_break(text), Some(Sole::File(path.to_owned())))),
                Err(error) => Err(Failure {
                    code: Code::UnreadableFile,
                    message: format!("cannot read `{}`: {error}", printable(path)),
                    help: None,
                }),
            },
            _ => {
                let message = format!("`${{{}}}` names no source", printable(body));
                let name = body.split([':', '-', '?']).next().unwrap_or_default();
                let example = if is_variable(name) { name } else { "NAME" };
                let help = format!("write `${{env:{example}}}` or `${{file:/path}}`, and `$$` for a `$`");
                Err(Failure::malformed(message, Some(help)))
            }
        }
    }

    fn variable(&self, body: &str) -> Result<(String, Option<Sole>), Failure> {
        enum Otherwise<'a> {
            Fail,
            Default(&'a str),
            Message(&'a str),
        }
        let (name, otherwise) = if let Some((name, default)) = body.split_once(":-") {
            (name, Otherwise::Default(default))
        } else if let Some((name, message)) = body.split_once(":?") {
            (name, Otherwise::Message(message))
        } else {
            (body, Otherwise::Fail)
        };
        if !is_variable(name) {
            let message = format!("`{}` is not the name of an environment variable", printable(name));
            return Err(Failure::malformed(message, None));
        }
        let source = || Some(Sole::Env(name.to_owned()));
        let value = self.env.get(name);
        match (value.filter(|value| !value.is_empty()), otherwise) {
            (Some(value), _) => Ok((value.clone(), source())),
            (None, Otherwise::Default("")) => Ok((String::new(), source())),
            (None, Otherwise::Default(default)) => Ok((default.to_owned(), None)),
            (None, Otherwise::Message(text)) => {
                let message = format!("environment variable `{name}`: {}", printable(text));
                Err(Failure { code: Code::MissingValue, message, help: None })
            }
            (None, Otherwise::Fail) if value.is_some() => Ok((String::new(), source())),
            (None, Otherwise::Fail) => Err(Failure {
                code: Code::MissingValue,
                message: format!("environment variable `{name}` is not set"),
                help: Some(format!("set it, or write `${{env:{name}:-default}}`")),
            }),
        }
    }
}

struct Expanded {
    text: String,
    sourced: bool,
    /// Set if the whole text is one variable or file.
    sole: Option<Sole>,
}

struct Failure {
    code: Code,
    message: String,
    help: Option<String>,
}

impl Failure {
    fn malformed(message: impl Into<String>, help: Option<String>) -> Self {
        Self { code: Code::Interpolation, message: message.into(), help }
    }
}

/// POSIX.1-2024, 8.1: underscores, digits and letters, not beginning with a digit.
pub(crate) fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Typed;

    fn expand(text: &str, plain: bool) -> Scalar {
        let env = [("A", "one"), ("PORT", "8080"), ("EMPTY", ""), ("NESTED", "${env:A}")];
        let env = env.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let read = |path: &Path| match path.to_str() {
            Some("/s") => Ok("file\n".to_owned()),
            _ => Err(io::ErrorKind::NotFound.into()),
        };
        let mut node = Node::scalar(text, plain, Origin::Default);
        Interpolation { env: &env, read: &read }.apply(&mut node);
        match node.kind {
            Kind::Scalar(scalar) => scalar,
            _ => panic!("a scalar stays one"),
        }
    }

    fn failure(text: &str) -> (Code, String) {
        let failed = expand(text, true).template.and_then(|t| t.failed).unwrap();
        (failed.code, failed.message)
    }

    #[test]
    fn variables_defaults_files_and_escapes() {
        for (text, want) in [
            ("${env:A}", "one"),
            ("<${env:A}-${env:A}>", "<one-one>"),
            ("${env:NONE:-dflt}", "dflt"),
            ("${env:EMPTY:-dflt}", "dflt"),
            ("${env:A:-dflt}", "one"),
            ("${env:NONE:-}", ""),
            ("${env:NONE:-a:-b}", "a:-b"),
            ("${env:EMPTY}", ""),
            ("${env:A:?needed}", "one"),
            ("${file:/s}", "file"),
            ("$$", "$"),
            ("$${env:A}", "${env:A}"),
            ("$$${env:A}", "$one"),
            ("costs $5 or 5$", "costs $5 or 5$"),
        ] {
            assert_eq!(expand(text, true).text, want, "{text}");
        }
    }

    #[test]
    fn what_is_inserted_is_not_interpolated_again() {
        assert_eq!(expand("${env:NESTED}", true).text, "${env:A}");
    }

    #[test]
    fn a_plain_value_is_typed_anew_and_a_quoted_one_is_a_text() {
        assert_eq!(expand("${env:PORT}", true).typed(), Typed::Unsigned(8080));
        assert_eq!(expand("${env:PORT}", false).typed(), Typed::Text("8080"));
    }

    #[test]
    fn failures_name_their_cause() {
        assert_eq!(failure("${env:NONE}").0, Code::MissingValue);
        assert_eq!(failure("${env:EMPTY:?set it}").1, "environment variable `EMPTY`: set it");
        assert_eq!(failure("${file:/none}").0, Code::UnreadableFile);
        for text in
            ["${A}", "${vault:x}", "${env:A", "${env:1A}", "${env:}", "${file:}", "${}", "${env:A:-${env:B}}"]
        {
            assert_eq!(failure(text).0, Code::Interpolation, "{text}");
        }
    }

    #[test]
    fn a_whole_value_remembers_where_it_came_from() {
        let sole = |text| expand(text, false).template.and_then(|t| t.sole);
        assert_eq!(sole("${env:A}"), Some(Sole::Env("A".into())));
        assert_eq!(sole("${env:NONE:-}"), Some(Sole::Env("NONE".into())));
        assert_eq!(sole("${file:/s}"), Some(Sole::File("/s".into())));
        assert_eq!(sole("${env:NONE:-sk-literal}"), None);
        assert_eq!(sole("x${env:A}"), None);
        assert_eq!(sole("${env:A}${env:A}"), None);
    }
}
