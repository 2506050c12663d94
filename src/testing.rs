//! What the unit tests share.

use std::path::{Path, PathBuf};

/// A directory of its own for one test, removed at the end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        let name: [u8; 8] = crate::sys::random().unwrap();
        let path = std::env::temp_dir().join(format!("pxds-test-{:016x}", u64::from_le_bytes(name)));
        std::fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
