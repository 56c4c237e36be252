//! Whether a path still leads to the file that is open.
//!
//! A file that was deleted or replaced under the process goes on taking writes as if nothing had happened, and all
//! of them are gone with the process. Only the path tells: it has another inode then, or none.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A path and the file that was there.
#[derive(Clone, Debug)]
pub(crate) struct Identified {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Identified {
    pub(crate) fn new(path: PathBuf, metadata: &Metadata) -> Self {
        Self { path, device: metadata.dev(), inode: metadata.ino() }
    }

    /// The file that is there now.
    pub(crate) async fn at(path: PathBuf) -> io::Result<Self> {
        let metadata = tokio::fs::metadata(&path).await?;
        Ok(Self::new(path, &metadata))
    }

    /// Looks at the path and never opens it: closing a second descriptor of a database in the same process would
    /// give up the locks that SQLite holds on it (<https://www.sqlite.org/howtocorrupt.html>, 2.2).
    pub(crate) async fn is_in_place(&self) -> bool {
        let found = tokio::fs::metadata(&self.path).await;
        found.is_ok_and(|metadata| metadata.dev() == self.device && metadata.ino() == self.inode)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn another_file_at_the_same_path_is_not_the_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "one").unwrap();
        let one = Identified::at(path.clone()).await.unwrap();
        std::fs::write(&path, "changed").unwrap();
        assert!(one.is_in_place().await, "what is in it does not matter");
        let aside = dir.path().join("aside");
        std::fs::rename(&path, &aside).unwrap();
        assert!(!one.is_in_place().await, "gone");
        std::fs::write(&path, "one").unwrap();
        assert!(!one.is_in_place().await, "replaced");
        std::fs::rename(&aside, &path).unwrap();
        assert!(one.is_in_place().await, "back");
    }
}
