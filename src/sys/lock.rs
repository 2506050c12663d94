//! Open-file-description locks, which exclude the POSIX record locks of other programs.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use super::dir::{Dir, Owner, give_to, stat_fd};
use super::retry;
use crate::error::Result;

/// How a lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// Beside other shared holders.
    Shared,
    /// Alone.
    Exclusive,
}

/// A file that is locked as a whole. Closing it lets go.
///
/// The lock belongs to the open file: a child process that inherits it shares it, and must not call
/// [`LockFile::unlock`].
#[derive(Debug)]
pub struct LockFile {
    file: File,
    /// Why it could not be opened for writing.
    refused: Option<i32>,
}

impl LockFile {
    /// Opens `name`, making it with mode 0644 if it is not there. Where it cannot be opened for writing it is
    /// opened for reading, which is enough for a shared lock.
    ///
    /// Errors: `Io`; `Format` if it is a link, or no regular file.
    pub fn open(dir: &Dir, name: &CStr, owner: Option<Owner>) -> Result<Self> {
        let (file, refused) = loop {
            match open_existing(dir, name) {
                Ok(opened) => break opened,
                Err(source) if source.raw_os_error() == Some(libc::ENOENT) => {}
                Err(source) => return Err(dir.file_error("open", name, &source)),
            }
            match dir.open_with(name, libc::O_RDWR | libc::O_CREAT | libc::O_EXCL, 0o644) {
                Ok(file) => {
                    owner
                        .map_or(Ok(()), |owner| give_to(&file, owner))
                        .map_err(|source| dir.error("change the owner of", name, &source))?;
                    break (file, None);
                }
                // Somebody else was faster.
                Err(source) if source.raw_os_error() == Some(libc::EEXIST) => {}
                Err(source) => return Err(dir.error("create", name, &source)),
            }
        };
        let (file, _) = dir.checked_file(name, file)?;
        Ok(LockFile { file, refused })
    }

    /// Whether `name` is still this file: a lock on one that has been removed keeps nobody out.
    pub fn is_still(&self, dir: &Dir, name: &CStr) -> Result<bool> {
        let own = stat_fd(self.file.as_raw_fd()).map_err(|source| dir.error("stat", name, &source))?;
        Ok(dir.lstat(name)?.is_some_and(|there| (there.device, there.inode) == (own.device, own.inode)))
    }

    /// Takes the lock, or changes how it is held, without waiting; false if another holder is in the way.
    pub fn try_lock(&self, mode: LockMode) -> io::Result<bool> {
        let kind = match mode {
            LockMode::Shared => libc::F_RDLCK,
            LockMode::Exclusive => libc::F_WRLCK,
        };
        if let (LockMode::Exclusive, Some(errno)) = (mode, self.refused) {
            return Err(io::Error::from_raw_os_error(errno));
        }
        match self.set(kind) {
            Ok(()) => Ok(true),
            Err(source) if matches!(source.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
            Err(source) => Err(source),
        }
    }

    /// Lets go.
    pub fn unlock(&self) -> io::Result<()> {
        self.set(libc::F_UNLCK)
    }

    fn set(&self, kind: libc::c_int) -> io::Result<()> {
        // SAFETY: all-zero is a valid value of this C structure; it stands for the whole file.
        let mut request: libc::flock = unsafe { std::mem::zeroed() };
        request.l_type = kind as libc::c_short;
        request.l_whence = libc::SEEK_SET as libc::c_short;
        // SAFETY: `request` is a valid flock structure for the length of the call.
        retry(|| unsafe { libc::fcntl(self.file.as_raw_fd(), libc::F_OFD_SETLK, &raw const request) }).map(drop)
    }
}

/// Opens the file `name` for writing if that is allowed, else for reading; gives why it is not.
fn open_existing(dir: &Dir, name: &CStr) -> io::Result<(File, Option<i32>)> {
    let refused = [libc::EACCES, libc::EROFS, libc::EPERM];
    match dir.open_with(name, libc::O_RDWR, 0) {
        Ok(file) => Ok((file, None)),
        Err(source) if source.raw_os_error().is_some_and(|errno| refused.contains(&errno)) => {
            Ok((dir.open_with(name, libc::O_RDONLY, 0)?, source.raw_os_error()))
        }
        Err(source) => Err(source),
    }
}
