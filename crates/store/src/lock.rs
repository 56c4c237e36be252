//! One process per data directory. The lock is the operating system's, on an open file: it goes away with the
//! process, however that ends.

use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::error::OpenError;
use crate::identity::Identified;

const NAME: &str = "parapet.lock";

/// Held as long as it lives.
#[derive(Debug)]
pub(crate) struct DataDirLock {
    _file: File,
    /// Where it was taken. While that is another file, or none, nothing keeps a second process out.
    pub(crate) place: Identified,
}

impl DataDirLock {
    /// Creates the directory if it is missing, readable by nobody else, and locks it.
    pub(crate) fn take(data_dir: &Path) -> Result<Self, OpenError> {
        let unusable = |source| OpenError::of_data_dir(data_dir, source);
        DirBuilder::new().recursive(true).mode(0o700).create(data_dir).map_err(unusable)?;
        let path = data_dir.join(NAME);
        let mut options = File::options();
        // The directory may be an older one that lets others in.
        options.create(true).truncate(false).write(true).mode(0o600);
        let file = options.open(&path).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { path: data_dir.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        let place = Identified::new(path, &file.metadata().map_err(unusable)?);
        Ok(Self { _file: file, place })
    }
}
