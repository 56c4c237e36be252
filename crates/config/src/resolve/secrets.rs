//! Secret fields: which source they name, and whether there is something in it.

use super::Resolver;
use crate::de::{At, Field};
use crate::finding::{Code, printable};
use crate::interpolate::is_variable;
use crate::raw::{RawSecret, SecretSource};
use crate::secret::{Secret, SecretError, SecretRef};

/// A secret field that makes sense.
pub(super) struct Sourced {
    pub(super) secret: SecretRef,
    /// Written into the config, as opposed to named by it.
    pub(super) literal: bool,
}

impl Resolver<'_> {
    pub(super) fn sourced(&self, raw: RawSecret, at: At) -> Option<Sourced> {
        let (secret, literal) = match raw {
            RawSecret::Literal(text) => (SecretRef::Literal(Secret::new(text)), true),
            RawSecret::Composed(text) => (SecretRef::Literal(Secret::new(text)), false),
            RawSecret::Env(name) => (SecretRef::Env { name }, false),
            RawSecret::File(path) => (SecretRef::File { path: path.into() }, false),
            RawSecret::Source(source) => (self.source(source, at)?, false),
        };
        Some(Sourced { secret, literal })
    }

    fn source(&self, SecretSource { env, file }: SecretSource, at: At) -> Option<SecretRef> {
        if env.is_invalid() || file.is_invalid() {
            return None;
        }
        let env_at = env.at;
        match (env.get(), file.get()) {
            (Some(name), None) if is_variable(&name) => Some(SecretRef::Env { name }),
            (Some(_), None) => {
                // Who writes the secret itself here should not see it again.
                self.decoding.mask(env_at);
                let help = "write the name of the variable that holds the secret";
                self.record(
                    self.fault(env_at, Code::InvalidValue, "not the name of an environment variable")
                        .help(help),
                );
                None
            }
            (None, Some(path)) if !path.is_empty() => Some(SecretRef::File { path: path.into() }),
            (Some(_), Some(_)) => self.refuse(at, Code::Conflict, "a secret has one source, `env` or `file`"),
            (None, _) => {
                self.refuse(at, Code::MissingKey, "expected `env` or `file` as the source of a secret")
            }
        }
    }

    /// The secret as it is now, or why there is none. An empty one is none.
    pub(super) fn look_up(&self, secret: &SecretRef) -> Result<Secret, Missing> {
        let env = |name: &str| self.env.get(name).cloned();
        match secret.resolve(&env, self.read) {
            Ok(secret) if secret.is_empty() => Err(Missing::Absent("is empty")),
            Ok(secret) => Ok(secret),
            Err(error) if error.is_absent() => Err(Missing::Absent(match error {
                SecretError::Unset { .. } => "is not set",
                SecretError::Unreadable { .. } => "does not exist",
            })),
            Err(error) => Err(Missing::Unreadable(printable(&error.to_string()))),
        }
    }

    /// A secret that is needed: its absence is a fault.
    pub(super) fn needed(&self, field: Field<RawSecret>) -> Option<(SecretRef, Secret, bool)> {
        let at = field.at;
        let Sourced { secret, literal } = self.sourced(field.get()?, at)?;
        match self.look_up(&secret) {
            Ok(value) => Some((secret, value, literal)),
            Err(missing) => {
                self.missing(&secret, &missing, at);
                None
            }
        }
    }

    pub(super) fn missing(&self, secret: &SecretRef, missing: &Missing, at: At) {
        self.record(match missing {
            Missing::Absent(_) if matches!(secret, SecretRef::Literal(_)) => {
                self.fault(at, Code::MissingValue, "a secret cannot be empty")
            }
            Missing::Absent(why) => self.fault(at, Code::MissingValue, format!("{secret} {why}")),
            Missing::Unreadable(why) => self.fault(at, Code::UnreadableFile, why.as_str()),
        });
    }

    pub(super) fn warn_of_literal(&self, at: At) {
        let message = "a secret is written into the config";
        let help = "name its source: `{ env: NAME }` or `{ file: PATH }`";
        self.record(self.notice(at, Code::LiteralSecret, message).help(help));
    }
}

/// Why a secret is not there.
pub(super) enum Missing {
    /// Nobody put it there: "is not set", "is empty".
    Absent(&'static str),
    /// It may be there, but cannot be read.
    Unreadable(String),
}
