//! Whole-file locks: those of open file descriptions, which exclude the POSIX record locks of other programs, and those
//! of flock(2), which the tree of snapshots is locked with.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use super::dir::{Dir, Owner, give_to, stat_fd};
use super::{ProcessMark, retry};
use crate::error::{Error, Kind, Result};

/// Mode of a lock file, whatever the umask: PBS's programs run as several users of one group.
const LOCK_FILE_MODE: u32 = 0o660;

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
                // Another process was faster.
                Err(source) if source.raw_os_error() == Some(libc::EEXIST) => {}
                Err(source) => return Err(dir.error("create", name, &source)),
            }
        };
        let (file, _) = dir.checked_file(name, file)?;
        Ok(LockFile { file, refused })
    }

    /// Whether `name` is still this file: a lock on a removed file keeps no other process out.
    pub fn is_still(&self, dir: &Dir, name: &CStr) -> Result<bool> {
        has_name(self.file.as_fd(), dir, name)
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

/// A file or directory that is locked. Dropping it unlocks, except in a forked child, which shares the parent's lock.
#[derive(Debug)]
pub struct Flock {
    fd: OwnedFd,
    process: ProcessMark,
}

/// The error that another process holds the lock on the file at `path`.
pub fn busy(path: &Path) -> Error {
    Error::at(Kind::Busy, path, "is locked: another program is using it")
}

/// The result of an attempt to take a lock.
#[derive(Debug)]
pub enum Attempt {
    /// It is held.
    Taken(Flock),
    /// It is held elsewhere.
    Held,
    /// There is nothing of that name.
    Missing,
    /// The file that was locked no longer has the name: it was removed, or replaced by another.
    Replaced,
}

impl Flock {
    /// Locks the directory `name` below `dir`, without waiting.
    pub fn on_dir(dir: &Dir, name: &CStr, mode: LockMode) -> Result<Attempt> {
        match dir.open_child(name)? {
            Some(child) => Self::take(dir, name, child.into_fd(), mode),
            None => Ok(Attempt::Missing),
        }
    }

    /// Locks the regular file `name` in `dir`, without waiting.
    pub fn on_file(dir: &Dir, name: &CStr, mode: LockMode) -> Result<Attempt> {
        match dir.open_file(name)? {
            Some((file, _)) => Self::take(dir, name, file.into(), mode),
            None => Ok(Attempt::Missing),
        }
    }

    /// Locks the file `name` in `dir`, made if it is missing, without waiting.
    pub fn on_lock_file(dir: &Dir, name: &CStr, owner: Option<Owner>, mode: LockMode) -> Result<Attempt> {
        let file = dir
            .open_with(name, libc::O_RDWR | libc::O_CREAT, LOCK_FILE_MODE)
            .map_err(|source| dir.file_error("create", name, &source))?;
        let (file, stat) = dir.checked_file(name, file)?;
        if let Some(owner) = owner.filter(|owner| stat.owner != *owner) {
            give_to(&file, owner).map_err(|source| dir.error("change the owner of", name, &source))?;
        }
        if stat.mode != LOCK_FILE_MODE {
            // The umask has taken from it. A file of another owner keeps its mode. SAFETY: plain call on an owned
            // descriptor.
            let _ = retry(|| unsafe { libc::fchmod(file.as_raw_fd(), LOCK_FILE_MODE) });
        }
        Self::take(dir, name, file.into(), mode)
    }

    /// Locks `fd`, which was opened as `name` in `dir`, and checks that the name still stands for it: a lock on a file
    /// that has been removed or replaced keeps no other process out.
    fn take(dir: &Dir, name: &CStr, fd: OwnedFd, mode: LockMode) -> Result<Attempt> {
        let operation = match mode {
            LockMode::Shared => libc::LOCK_SH,
            LockMode::Exclusive => libc::LOCK_EX,
        };
        // SAFETY: plain call on an owned descriptor.
        match retry(|| unsafe { libc::flock(fd.as_raw_fd(), operation | libc::LOCK_NB) }) {
            Ok(_) => {}
            Err(source) if source.raw_os_error() == Some(libc::EWOULDBLOCK) => return Ok(Attempt::Held),
            Err(source) => return Err(dir.error("lock", name, &source)),
        }
        let lock = Flock { fd, process: ProcessMark::new() };
        match has_name(lock.fd.as_fd(), dir, name)? {
            true => Ok(Attempt::Taken(lock)),
            false => Ok(Attempt::Replaced),
        }
    }
}

impl Drop for Flock {
    fn drop(&mut self) {
        if self.process.is_here() {
            // Closing is not enough if a child process has inherited the descriptor. SAFETY: plain call on an owned
            // descriptor; if it fails, closing unlocks.
            unsafe { libc::flock(self.fd.as_raw_fd(), libc::LOCK_UN) };
        }
    }
}

/// Whether `name` in `dir` is still what is open as `fd`.
fn has_name(fd: BorrowedFd<'_>, dir: &Dir, name: &CStr) -> Result<bool> {
    let own = stat_fd(&fd).map_err(|source| dir.error("stat", name, &source))?;
    Ok(dir.lstat(name)?.is_some_and(|there| there.id() == own.id()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;
    use std::fs;

    fn taken(attempt: Attempt) -> Flock {
        match attempt {
            Attempt::Taken(lock) => lock,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_holder_or_many_sharers() {
        let scratch = Scratch::new();
        fs::create_dir(scratch.path().join("d")).unwrap();
        let dir = Dir::open(scratch.path()).unwrap();
        let lock = |mode| Flock::on_dir(&dir, c"d", mode).unwrap();
        let alone = taken(lock(LockMode::Exclusive));
        assert!(matches!(lock(LockMode::Exclusive), Attempt::Held));
        assert!(matches!(lock(LockMode::Shared), Attempt::Held));
        drop(alone);
        let shared = (taken(lock(LockMode::Shared)), taken(lock(LockMode::Shared)));
        assert!(matches!(lock(LockMode::Exclusive), Attempt::Held));
        drop(shared);
        taken(lock(LockMode::Exclusive));
        assert!(matches!(Flock::on_dir(&dir, c"none", LockMode::Shared).unwrap(), Attempt::Missing));
    }

    #[test]
    fn lock_files_are_made() {
        let scratch = Scratch::new();
        let dir = Dir::open(scratch.path()).unwrap();
        let lock = || Flock::on_lock_file(&dir, c"l", None, LockMode::Exclusive).unwrap();
        let held = taken(lock());
        assert!(matches!(lock(), Attempt::Held));
        // A new file of the name is another lock.
        fs::remove_file(scratch.path().join("l")).unwrap();
        taken(lock());
        drop(held);
        assert_eq!(dir.stat(c"l").unwrap().unwrap().mode, 0o660);
    }
}
