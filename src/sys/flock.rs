//! Whole-file locks of flock(2), which the tree of snapshots is locked with.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};

use super::dir::{Dir, Owner, give_to, stat_fd};
use super::{LockMode, ProcessMark, retry};
use crate::error::Result;

/// Mode of a lock file, whatever the umask: PBS's programs run as several users of one group.
const LOCK_FILE_MODE: u32 = 0o660;

/// A file or directory that is locked. Dropping it lets go, but for a forked child, which shares the parent's lock.
#[derive(Debug)]
pub struct Flock {
    fd: OwnedFd,
    process: ProcessMark,
}

/// What came of an attempt to take a lock.
#[derive(Debug)]
pub enum Attempt {
    /// It is held.
    Taken(Flock),
    /// Somebody else holds it.
    Held,
    /// There is nothing of that name.
    Missing,
    /// What was locked has no longer the name: it was removed, or replaced by another.
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
            // The umask has taken from it. Somebody else's file is as he wants it.
            // SAFETY: plain call on an owned descriptor.
            let _ = retry(|| unsafe { libc::fchmod(file.as_raw_fd(), LOCK_FILE_MODE) });
        }
        Self::take(dir, name, file.into(), mode)
    }

    /// Locks `fd`, which was opened as `name` in `dir`, and looks whether the name still stands for it: a lock on what has
    /// been removed or replaced keeps nobody out.
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
        let own = stat_fd(lock.fd.as_raw_fd()).map_err(|source| dir.error("stat", name, &source))?;
        let there = dir.lstat(name)?;
        match there.is_some_and(|there| (there.device, there.inode) == (own.device, own.inode)) {
            true => Ok(Attempt::Taken(lock)),
            false => Ok(Attempt::Replaced),
        }
    }
}

impl Drop for Flock {
    fn drop(&mut self) {
        if self.process.is_here() {
            // Closing would do, but for a child that has inherited the descriptor.
            // SAFETY: plain call on an owned descriptor; what it could not unlock is unlocked by closing.
            unsafe { libc::flock(self.fd.as_raw_fd(), libc::LOCK_UN) };
        }
    }
}

/// Waits for `milliseconds`, between attempts to take a lock.
pub fn pause(milliseconds: u64) {
    let milliseconds = i32::try_from(milliseconds).unwrap_or(i32::MAX);
    // Not by std, which panics where the system does not let it sleep.
    // SAFETY: no descriptors.
    unsafe { libc::poll(std::ptr::null_mut(), 0, milliseconds) };
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
