//! Secret values, and where they come from.
//!
//! A [`Secret`] has no `Debug`, no `Display` and no `Serialize`: the only way to its text is [`Secret::expose`],
//! which is easy to find in a review. It is wiped from memory when the last copy goes.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

/// A text that must not reach a log, an error or a dump. Cheap to clone.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Arc::new(Zeroizing::new(text)))
    }

    /// The text itself, for the one place that sends or hashes it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Where a secret is read from: once at start, and again on every reload.
#[derive(Clone)]
pub enum SecretRef {
    /// Written in the config itself.
    Literal(Secret),
    /// An environment variable.
    Env { name: String },
    /// A file, as container platforms mount them. One trailing line break is not part of the secret.
    File { path: PathBuf },
}

impl SecretRef {
    /// Reads the secret. It may be empty: what that means is the caller's business.
    ///
    /// # Errors
    /// If the variable is not set, or the file cannot be read.
    pub fn resolve(
        &self,
        env: &dyn Fn(&str) -> Option<String>,
        read: &dyn Fn(&Path) -> io::Result<String>,
    ) -> Result<Secret, SecretError> {
        match self {
            Self::Literal(secret) => Ok(secret.clone()),
            Self::Env { name } => {
                env(name).map(Secret::new).ok_or_else(|| SecretError::Unset { name: name.clone() })
            }
            Self::File { path } => match read(path) {
                Ok(text) => Ok(Secret::new(without_line_break(text))),
                Err(source) => Err(SecretError::Unreadable { path: path.clone(), source }),
            },
        }
    }
}

/// Names the source, never the value.
impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(_) => f.write_str("a literal"),
            Self::Env { name } => write!(f, "environment variable `{name}`"),
            Self::File { path } => write!(f, "file `{}`", path.display()),
        }
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("environment variable `{name}` is not set")]
    Unset { name: String },
    #[error("cannot read `{}`: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
}

impl SecretError {
    /// True if the source is simply not there, as opposed to there but unreadable.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        match self {
            Self::Unset { .. } => true,
            Self::Unreadable { source, .. } => source.kind() == io::ErrorKind::NotFound,
        }
    }
}

/// Editors and `echo` end a file with a line break that nobody means to be part of a password.
pub(crate) fn without_line_break(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unread(_: &Path) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }

    #[test]
    fn a_file_loses_exactly_one_line_break() {
        let secret = SecretRef::File { path: "key".into() };
        for (text, want) in [("k\n", "k"), ("k\r\n", "k"), ("k\n\n", "k\n"), ("k", "k"), (" k ", " k ")] {
            let read = |_: &Path| Ok(text.to_owned());
            let got = secret.resolve(&|_| None, &read).map(|s| s.expose().to_owned()).unwrap();
            assert_eq!(got, want);
        }
    }

    #[test]
    fn an_unset_variable_and_a_missing_file_are_absent() {
        let env = SecretRef::Env { name: "KEY".into() };
        let file = SecretRef::File { path: "key".into() };
        assert!(env.resolve(&|_| None, &unread).is_err_and(|e| e.is_absent()));
        assert!(file.resolve(&|_| None, &unread).is_err_and(|e| e.is_absent()));
        let denied = |_: &Path| Err(io::ErrorKind::PermissionDenied.into());
        assert!(file.resolve(&|_| None, &denied).is_err_and(|e| !e.is_absent()));
    }

    #[test]
    fn debug_shows_the_source_and_not_the_value() {
        let literal = SecretRef::Literal(Secret::new("hunter2".into()));
        assert_eq!(format!("{literal:?}"), "a literal");
    }
}
