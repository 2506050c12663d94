//! A path that a whole file is to be written to.

use std::ffi::CString;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::dir::{Dir, FileKind, Stat};
use super::{TempFile, split_file_path};
use crate::error::{Error, Kind, Result};

/// Where a whole file goes, with links followed, so that a link stays one.
#[derive(Debug)]
pub struct Output {
    dir: Dir,
    name: CString,
    existing: Option<Stat>,
}

impl Output {
    /// Looks at `path`.
    ///
    /// Errors: `NotFound` if its directory is missing or it is a link to nothing; `Exists` if it is a directory;
    /// `Argument`, `Io`.
    pub fn at(path: &Path) -> Result<Self> {
        let output = Self::unfollowed(path)?;
        if !output.dir.lstat(&output.name)?.is_some_and(|stat| stat.is_link) {
            return Ok(output);
        }
        match path.canonicalize() {
            Ok(resolved) => Self::unfollowed(&resolved),
            // What a link below /proc stands for may have no path: a pipe, say.
            Err(_) if output.existing.is_some_and(|stat| stat.kind == FileKind::Other) => Ok(output),
            Err(source) => Err(Error::io("follow", path, &source)),
        }
    }

    fn unfollowed(path: &Path) -> Result<Self> {
        let (parent, name) = split_file_path(path)?;
        let dir = Dir::open_for_names(&parent)?;
        let existing = dir.stat(&name)?;
        if existing.is_some_and(|stat| stat.kind == FileKind::Dir) {
            return Err(Error::new(Kind::Exists, format!("{} is a directory", path.display())).with_path(path));
        }
        Ok(Output { dir, name, existing })
    }

    /// The directory that the file will be in.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The path of the file, with links followed.
    pub fn path(&self) -> PathBuf {
        self.dir.join(&self.name)
    }

    /// What is there now.
    pub fn existing(&self) -> Option<Stat> {
        self.existing
    }

    /// Starts a file that gets the name when it is committed, replacing a regular one.
    ///
    /// Errors: `Exists` if something that is no regular file has the name; `Io`.
    pub fn replace(&self, mode: u32) -> Result<TempFile<'_>> {
        if self.existing.is_some_and(|stat| stat.kind != FileKind::File) {
            let path = self.path();
            return Err(Error::new(Kind::Exists, format!("{} is not a regular file", path.display())).with_path(&path));
        }
        TempFile::create(&self.dir, &self.name, mode)
    }

    /// Starts a file that gets the name when it is committed by [`TempFile::commit_new`].
    ///
    /// Errors: `Exists` if something has the name; `Io`.
    pub fn create(&self, mode: u32) -> Result<TempFile<'_>> {
        if self.existing.is_some() {
            let path = self.path();
            return Err(Error::new(Kind::Exists, format!("{} exists already", path.display())).with_path(&path));
        }
        TempFile::create(&self.dir, &self.name, mode)
    }

    /// Opens what has the name, to write into it.
    pub fn open_in_place(&self) -> Result<File> {
        self.dir.open_named(&self.name, libc::O_WRONLY).map_err(|source| self.dir.error("open", &self.name, &source))
    }
}
