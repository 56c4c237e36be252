//! One process per data directory. The lock is the operating system's, on an open file: it goes away with the
//! process, however that ends.

use std::fs::{DirBuilder, File, TryLockError};
use std::path::Path;

use crate::error::OpenError;

const NAME: &str = "parapet.lock";

/// Held as long as it lives.
#[derive(Debug)]
pub(crate) struct DataDirLock {
    _file: File,
}

impl DataDirLock {
    /// Creates the directory if it is missing, readable by nobody else, and locks it.
    pub(crate) fn take(data_dir: &Path) -> Result<Self, OpenError> {
        let unusable = |source| OpenError::DataDir { path: data_dir.to_owned(), source };
        private_directories().create(data_dir).map_err(unusable)?;
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(data_dir.join(NAME))
            .map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: data_dir.to_owned() }),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }
}

fn private_directories() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}
