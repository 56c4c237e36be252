//! What can go wrong, in the words of whoever has to answer for it. No SQL and no content in any text:
//! the database's own message is logged once, where it happens.

use std::io;
use std::path::{Path, PathBuf};

/// Who can put it right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request asked for something that is not there or not possible.
    Caller,
    /// The store or the machine it runs on.
    Store,
}

/// Why an intent was not carried out. Nothing of it is stored then, unless its method says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Error {
    /// Unknown, deleted, or somebody else's: the three are not told apart.
    #[error("no such conversation")]
    NotFound,
    /// A list was to go on from an entry that it does not have.
    #[error("no such entry to continue the list from")]
    UnknownCursor,
    /// Another message of the conversation was still being answered at the deadline.
    #[error("the conversation is still answering another message")]
    Busy,
    #[error("the conversation was begun with another agent")]
    WrongAgent,
    /// Every place in the write queue is taken.
    #[error("too many writes are waiting")]
    Overloaded,
    #[error("the storage is full")]
    Full,
    /// The disk refused, or the store is closed.
    #[error("the storage is unavailable")]
    Unavailable,
    /// The intent contradicts what is stored, or what is stored cannot be read: a defect.
    #[error("the stored data and the request contradict each other")]
    Inconsistent,
}

impl Error {
    #[must_use]
    pub const fn fault(self) -> Fault {
        match self {
            Self::NotFound | Self::UnknownCursor | Self::Busy | Self::WrongAgent => Fault::Caller,
            Self::Overloaded | Self::Full | Self::Unavailable | Self::Inconsistent => Fault::Store,
        }
    }

    /// Whether the same intent can succeed later without anybody changing it.
    #[must_use]
    pub const fn retryable(self) -> bool {
        matches!(self, Self::Busy | Self::Overloaded | Self::Full | Self::Unavailable)
    }

    /// A bounded label for logs and metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::UnknownCursor => "unknown_cursor",
            Self::Busy => "conversation_busy",
            Self::WrongAgent => "wrong_agent",
            Self::Overloaded => "storage_overloaded",
            Self::Full => "storage_full",
            Self::Unavailable => "storage_unavailable",
            Self::Inconsistent => "storage_inconsistent",
        }
    }
}

/// Why a store cannot be opened or migrated. Each text names the way out; a source is not in the text of what it
/// caused, so that a chain of causes says everything once.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "the data directory {} cannot be used: make it a directory that this user can write to, \
         or set storage.data_dir",
        path.display()
    )]
    DataDir { path: PathBuf, source: io::Error },
    #[error(
        "another process is using the data directory {}: stop it, or give this one its own storage.data_dir",
        path.display()
    )]
    InUse { path: PathBuf },
    #[error(
        "the database has schema version {found} and this build knows only up to {known}: \
         run the newer build, or its `migrate down` first"
    )]
    Newer { found: i64, known: i64 },
    #[error(
        "migration {version} is not the one that was applied to this database: \
         use the build that applied it"
    )]
    Edited { version: i64 },
    #[error(
        "migration {version} failed, the database is as it was before it, so the build that was used before \
         still runs on it: {reason}"
    )]
    Migration { version: i64, reason: String },
    #[error("the disk of the data directory {} is full: make room on it and start again", path.display())]
    Full { path: PathBuf },
    #[error(
        "the database {} cannot be opened ({reason}): let this user read and write it, or put back a copy \
         if it is damaged",
        path.display()
    )]
    Database { path: PathBuf, reason: String },
}

impl OpenError {
    /// What the operating system said about something in the data directory.
    pub(crate) fn of_data_dir(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::DataDir { path, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let refused = || io::Error::from(io::ErrorKind::PermissionDenied);
        let error = OpenError::of_data_dir(Path::new("/data"), refused());
        assert_eq!(error.source().unwrap().to_string(), refused().to_string());
        assert!(!error.to_string().contains(&refused().to_string()), "{error}");
    }

    #[test]
    fn a_full_disk_is_named() {
        let error = OpenError::of_data_dir(Path::new("/data"), io::ErrorKind::StorageFull.into());
        assert!(matches!(&error, OpenError::Full { path } if path == Path::new("/data")));
        assert!(error.to_string().contains("/data") && error.source().is_none(), "{error}");
    }
}
