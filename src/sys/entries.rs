//! Listing a directory.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::path::PathBuf;
use std::ptr::NonNull;

use super::dir::{Dir, FileKind, open_at};
use super::reserve;
use crate::error::{Error, Result};

impl Dir {
    /// The entries of the directory, in no order, without `.` and `..`.
    pub fn entries(&self) -> Result<DirEntries> {
        let error = |source: io::Error| Error::io("list", self.path(), &source);
        // Opened anew: a copy of the descriptor would share its position with other listings.
        let fd = open_at(self.raw(), c".", libc::O_RDONLY | libc::O_DIRECTORY, 0).map_err(error)?.into_raw_fd();
        // SAFETY: `fd` is an open directory; the stream owns it if the call succeeds.
        match NonNull::new(unsafe { libc::fdopendir(fd) }) {
            Some(stream) => Ok(DirEntries { stream, path: self.path().to_path_buf() }),
            None => {
                let source = io::Error::last_os_error();
                // SAFETY: the call failed, so `fd` is still ours.
                drop(unsafe { OwnedFd::from_raw_fd(fd) });
                Err(error(source))
            }
        }
    }

    /// The names in the directory, in no order, without `.` and `..`.
    pub fn names(&self) -> Result<DirNames> {
        self.entries().map(DirNames)
    }

    /// The kind of the file `entry`, of a link itself and not of its target; `None` if it is gone.
    pub fn kind_of(&self, entry: &DirEntry) -> Result<Option<FileKind>> {
        match entry.kind {
            Some(kind) => Ok(Some(kind)),
            None => Ok(self.lstat(&entry.name)?.map(|stat| stat.kind)),
        }
    }
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The name.
    pub name: CString,
    /// Its number in the file system.
    pub inode: u64,
    /// Its kind, links not followed, where the file system says so; see [`Dir::kind_of`].
    kind: Option<FileKind>,
}

/// The entries of a directory; see [`Dir::entries`].
#[derive(Debug)]
pub struct DirEntries {
    stream: NonNull<libc::DIR>,
    path: PathBuf,
}

// SAFETY: a directory stream is bound to no thread; `&mut self` keeps its users one at a time.
unsafe impl Send for DirEntries {}

impl Iterator for DirEntries {
    type Item = Result<DirEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        if reserve::is_short() {
            return Some(Err(Error::io("list", &self.path, &io::Error::from_raw_os_error(libc::ENOMEM))));
        }
        loop {
            // SAFETY: the errno of this thread; readdir tells its end from an error by it alone.
            unsafe { *libc::__errno_location() = 0 };
            // SAFETY: the stream is open, and one at a time uses it.
            let entry = unsafe { libc::readdir(self.stream.as_ptr()) };
            if entry.is_null() {
                let source = io::Error::last_os_error();
                return match source.raw_os_error() {
                    Some(0) => None,
                    _ => Some(Err(Error::io("list", &self.path, &source))),
                };
            }
            // SAFETY: the entry is valid until the next readdir, and its name ends in NUL.
            let (name, kind, inode) =
                unsafe { (CStr::from_ptr((&raw const (*entry).d_name).cast()), (*entry).d_type, (*entry).d_ino) };
            if name != c"." && name != c".." {
                let kind = match kind {
                    libc::DT_UNKNOWN => None,
                    libc::DT_REG => Some(FileKind::File),
                    libc::DT_DIR => Some(FileKind::Dir),
                    _ => Some(FileKind::Other),
                };
                return Some(Ok(DirEntry { name: name.to_owned(), inode, kind }));
            }
        }
    }
}

impl Drop for DirEntries {
    fn drop(&mut self) {
        // SAFETY: the stream is open and not used again.
        unsafe { libc::closedir(self.stream.as_ptr()) };
    }
}

/// The names in a directory; see [`Dir::names`].
#[derive(Debug)]
pub struct DirNames(DirEntries);

impl Iterator for DirNames {
    type Item = Result<CString>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.next()?.map(|entry| entry.name))
    }
}
