//! What SQLite reports, sorted by what has to happen next.

use std::fmt;

use crate::error::Error;

/// A statement or a commit that did not work.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(super) kind: Kind,
    /// SQLite's message: names of tables and columns, no values. For the log only.
    reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// No room. The connection is good; it works again when there is room.
    Full,
    /// A constraint refused it, or a stored value is not what it should be. One intent's fault, not its group's.
    Contradiction,
    /// Anything else: the connection is not to be trusted any more.
    Broken,
}

impl Failure {
    pub(super) fn broken(reason: &str) -> Self {
        Self { kind: Kind::Broken, reason: reason.to_owned() }
    }

    pub(super) fn contradiction(reason: &str) -> Self {
        Self { kind: Kind::Contradiction, reason: reason.to_owned() }
    }

    pub(super) const fn error(&self) -> Error {
        match self.kind {
            Kind::Full => Error::Full,
            Kind::Contradiction => Error::Inconsistent,
            Kind::Broken => Error::Unavailable,
        }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let kind = match &error {
            sqlx::Error::Database(database) => match database.code().and_then(|code| code.parse().ok()) {
                Some(code) => kind_of(code),
                None => Kind::Broken,
            },
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Kind::Contradiction,
            _ => Kind::Broken,
        };
        Self { kind, reason: error.to_string() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// By the primary result code, the low byte of the extended one (<https://www.sqlite.org/rescode.html>).
const fn kind_of(extended_code: i32) -> Kind {
    match extended_code & 0xff {
        13 => Kind::Full,               // SQLITE_FULL
        18..=20 => Kind::Contradiction, // SQLITE_TOOBIG, SQLITE_CONSTRAINT, SQLITE_MISMATCH
        _ => Kind::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extended_codes_are_sorted_by_their_primary_one() {
        assert_eq!(kind_of(13), Kind::Full);
        assert_eq!(kind_of(19 | (6 << 8)), Kind::Contradiction); // SQLITE_CONSTRAINT_PRIMARYKEY
        assert_eq!(kind_of(10 | (4 << 8)), Kind::Broken); // SQLITE_IOERR_FSYNC
        assert_eq!(kind_of(11), Kind::Broken); // SQLITE_CORRUPT
    }
}
