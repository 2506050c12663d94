//! The process lock on `.lock` (docs/format.md, 5.9).
//!
//! Writers hold it shared, garbage collection exclusive. It is an open-file-description lock, one per open store: it
//! excludes other programs' POSIX locks, and two stores opened in one process exclude each other like two processes.
//! Within one store shared holders may come and go while it is held exclusively; the oldest of them tells garbage
//! collection what it must not touch.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Chunks;
use crate::error::{Error, Kind, Result};
use crate::sys::{self, LockFile, LockMode, ProcessMark};

/// The holders of the lock through one open store.
#[derive(Debug, Default)]
pub(super) struct Locks {
    holders: Mutex<Holders>,
    /// The process that took the locks: a forked child holds none.
    process: ProcessMark,
}

#[derive(Debug, Default)]
struct Holders {
    /// Open while anybody holds the lock.
    file: Option<LockFile>,
    /// When each shared holder began, by ticket.
    shared: BTreeMap<u64, i64>,
    next_ticket: u64,
    exclusive: bool,
}

impl Locks {
    fn holders(&self) -> MutexGuard<'_, Holders> {
        // Every change below is complete before anything can panic.
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A writer's hold on the store. Dropping it lets go.
#[derive(Debug)]
pub struct SharedLock {
    chunks: Chunks,
    ticket: u64,
}

/// The hold of a garbage collection, or of a conversion, on the store. Dropping it lets go.
#[derive(Debug)]
pub struct ExclusiveLock {
    chunks: Chunks,
}

impl Chunks {
    /// Holds the store as a writer.
    ///
    /// Errors: `Busy`, naming `.lock`, while it is held exclusively elsewhere; `State` if the store has got another
    /// layout since it was opened; those of [`Base::check_writable`](crate::base::Base::check_writable) and
    /// [`Base::wait_for_lock`](crate::base::Base::wait_for_lock); `Io`.
    pub fn lock_shared(&self) -> Result<SharedLock> {
        self.base().check_writable()?;
        self.base().wait_for_lock(|| self.try_lock_shared())
    }

    fn try_lock_shared(&self) -> Result<SharedLock> {
        let mut holders = self.0.locks.holders();
        if holders.shared.is_empty() && !holders.exclusive {
            self.lock_file(&mut holders, LockMode::Shared)?;
        }
        let ticket = holders.next_ticket;
        holders.next_ticket += 1;
        holders.shared.insert(ticket, sys::now());
        Ok(SharedLock { chunks: self.clone(), ticket })
    }

    /// Holds the store against every other process and every other open store.
    ///
    /// Errors: as [`Chunks::lock_shared`].
    pub fn lock_exclusive(&self) -> Result<ExclusiveLock> {
        self.base().check_writable()?;
        self.base().wait_for_lock(|| self.try_lock_exclusive())
    }

    fn try_lock_exclusive(&self) -> Result<ExclusiveLock> {
        let mut holders = self.0.locks.holders();
        if holders.exclusive {
            return Err(self.busy());
        }
        self.lock_file(&mut holders, LockMode::Exclusive)?;
        holders.exclusive = true;
        Ok(ExclusiveLock { chunks: self.clone() })
    }

    /// When the oldest of this open store's writers began, in seconds since 1970.
    pub fn oldest_writer(&self) -> Option<i64> {
        self.0.locks.holders().shared.values().min().copied()
    }

    fn lock_file(&self, holders: &mut Holders, mode: LockMode) -> Result<()> {
        let base = self.base().dir();
        loop {
            let file = match holders.file.take() {
                Some(file) => file,
                None => LockFile::open(base, c".lock", self.base().owner())?,
            };
            let locked = file.try_lock(mode).map_err(|source| Error::io("lock", &base.join(c".lock"), &source));
            // A file that was removed or replaced meanwhile is closed; holders that it had, if any, stay with it.
            let current = !holders.shared.is_empty() || file.is_still(base, c".lock")?;
            if current {
                holders.file = Some(file);
                if !locked? {
                    return Err(self.busy());
                }
                // A conversion holds the lock, so none is going on.
                return self.check_layout().inspect_err(|_| self.settle(holders));
            }
        }
    }

    fn busy(&self) -> Error {
        let path = self.base().dir().join(c".lock");
        Error::at(Kind::Busy, &path, "is locked: another program is writing or collecting garbage")
    }

    /// Lowers the file's lock to what the remaining holders need, and closes the file if none remain. After a failure
    /// too much is held, never too little.
    fn settle(&self, holders: &mut Holders) {
        let Some(file) = holders.file.as_ref().filter(|_| !holders.exclusive) else { return };
        if holders.shared.is_empty() {
            // Closing the file is not enough if a child process has inherited it.
            let _ = file.unlock();
            holders.file = None;
        } else {
            let _ = file.try_lock(LockMode::Shared);
        }
    }
}

impl SharedLock {
    /// Takes the begin of `other`, of the same open store, if that is earlier: for a holder that takes over the chunks
    /// of `other`.
    pub fn take_over(&self, other: &SharedLock) {
        let mut holders = self.chunks.0.locks.holders();
        if let Some(&began) = holders.shared.get(&other.ticket)
            && self.chunks.is_same(&other.chunks)
        {
            holders.shared.entry(self.ticket).and_modify(|own| *own = began.min(*own));
        }
    }
}

impl Drop for SharedLock {
    fn drop(&mut self) {
        // A forked child shares the parent's lock and must not let go of it; and the mutex may have been held by a
        // thread that the child does not have.
        if self.chunks.0.locks.process.is_here() {
            let mut holders = self.chunks.0.locks.holders();
            holders.shared.remove(&self.ticket);
            self.chunks.settle(&mut holders);
        }
    }
}

impl Drop for ExclusiveLock {
    fn drop(&mut self) {
        if self.chunks.0.locks.process.is_here() {
            let mut holders = self.chunks.0.locks.holders();
            holders.exclusive = false;
            self.chunks.settle(&mut holders);
        }
    }
}
