//! The directory of a store, and what its chunks and its tree share.

mod readonly;

pub use readonly::ReadOnly;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use crate::callback::Callback;
use crate::error::{Error, Kind, Result, harmless, with_all_bytes};
use crate::progress::{OnProgress, Progress};
use crate::sys::{self, Dir, Owner};

/// When written chunks are brought to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncLevel {
    /// Never.
    None,
    /// Each chunk and its name, when it is inserted. Chunks of an ingest get their data synced one by one, and their
    /// names before its index gets its own; the whole file system is synced before an index that re-uses a chunk, which
    /// may have been written at another level.
    File,
    /// The whole file system, once, before an index that needs the chunks gets its name.
    #[default]
    Filesystem,
}

/// How much a notice matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeLevel {
    /// Worth knowing.
    Info,
    /// Something is off, and the work goes on.
    Warning,
}

/// Takes notices, which are no failures: level, message, path. An error stops the call.
pub type Notice = Callback<dyn Fn(NoticeLevel, &str, Option<&Path>) -> Result<()> + Send + Sync>;

/// Whether it seems to be the cache of a store in S3, and why; looked for at the first change.
pub type CacheSign = Box<dyn FnOnce() -> Option<&'static str> + Send>;

/// How long a lock that is held elsewhere is waited for.
#[derive(Debug, Clone, Default)]
pub struct LockWait {
    /// Milliseconds; 0: not at all.
    pub limit_ms: u64,
    /// Told of the milliseconds waited: [`PHASE_LOCK`].
    pub progress: Option<OnProgress>,
}

/// [`Stage::phase`](crate::progress::Stage) while the directories of a store are made: units are these.
pub const PHASE_CREATE: u32 = 0;
/// [`Stage::phase`](crate::progress::Stage) while a lock is waited for: units are milliseconds.
pub const PHASE_LOCK: u32 = 1;

/// The facts about a store's directory that are needed before anything in it is opened.
pub struct BaseOptions {
    /// When what is written is brought to the disk.
    pub sync: SyncLevel,
    /// The owner of new files and directories, if it is not the process's own.
    pub owner: Option<Owner>,
    /// Change nothing in the store, and refuse every change.
    pub read_only: Option<ReadOnly>,
    /// Looks for signs that it is a cache.
    pub cache_sign: CacheSign,
    /// How long locks are waited for.
    pub lock_wait: LockWait,
    /// Takes notices.
    pub notice: Option<Notice>,
}

/// The open directory of a store. Copies share it.
#[derive(Clone)]
pub struct Base(Arc<Inner>);

struct Inner {
    dir: Arc<Dir>,
    sync: SyncLevel,
    sync_failed: AtomicBool,
    owner: Option<Owner>,
    read_only: Option<ReadOnly>,
    cache_sign: LazyLock<Option<&'static str>, CacheSign>,
    lock_wait: LockWait,
    notice: Option<Notice>,
}

impl Base {
    /// The store in `dir`.
    pub fn new(dir: Arc<Dir>, options: BaseOptions) -> Self {
        let BaseOptions { sync, owner, read_only, cache_sign, lock_wait, notice } = options;
        Base(Arc::new(Inner {
            dir,
            sync,
            sync_failed: AtomicBool::new(false),
            owner,
            read_only,
            cache_sign: LazyLock::new(cache_sign),
            lock_wait,
            notice,
        }))
    }

    /// The store's directory, from the root.
    pub fn path(&self) -> &Path {
        self.0.dir.path()
    }

    /// The store's directory.
    pub fn dir(&self) -> &Dir {
        &self.0.dir
    }

    /// The store's directory once more, to keep.
    pub fn reopen(&self) -> Result<Dir> {
        self.0.dir.reopen()
    }

    /// Whether both are one open store.
    pub fn is_same(&self, other: &Base) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// When what is written is brought to the disk.
    pub fn sync_level(&self) -> SyncLevel {
        self.0.sync
    }

    /// The owner of new files below the store, if it is not the process's own.
    pub fn owner(&self) -> Option<Owner> {
        self.0.owner
    }

    /// Takes a lock: `attempt` is made again while the lock is held elsewhere, for as long as locks are waited for.
    ///
    /// Errors: those of `attempt`, in the end `Busy`; that of the progress callback.
    pub fn wait_for_lock<T>(&self, attempt: impl FnMut() -> Result<T>) -> Result<T> {
        self.wait_for_brief_lock(0, attempt)
    }

    /// As [`Base::wait_for_lock`], for a lock that is held for moments only: the wait is at least `least_ms`.
    ///
    /// Errors: as there.
    pub fn wait_for_brief_lock<T>(&self, least_ms: u64, attempt: impl FnMut() -> Result<T>) -> Result<T> {
        let LockWait { limit_ms, progress } = &self.0.lock_wait;
        let mut progress = Progress::new(progress.clone());
        progress.stage.phase = PHASE_LOCK;
        sys::wait_for(least_ms.max(*limit_ms), &mut progress, attempt)
    }

    /// Whether the directory `dir` is the store's or lies below it, where garbage collection heeds indexes.
    pub fn is_below(&self, dir: &Path) -> bool {
        match (sys::resolved(dir), sys::resolved(self.path())) {
            (Ok(dir), Ok(base)) => dir.starts_with(base),
            _ => false,
        }
    }

    /// Gives a notice. The message names the path too, if there is one, and is escaped as in errors.
    pub fn notice(&self, level: NoticeLevel, message: &str, path: Option<&Path>) -> Result<()> {
        match &self.0.notice {
            Some(notice) => {
                let message = harmless(message.to_owned());
                let message = match path {
                    Some(path) => with_all_bytes(message, path),
                    None => message,
                };
                notice(level, &message, path)
            }
            None => Ok(()),
        }
    }

    /// Brings the file system of the directory to the disk.
    ///
    /// Errors: those of [`Base::sync_by`].
    pub fn sync(&self) -> Result<()> {
        self.sync_by(|| self.dir().sync_filesystem())
    }

    /// Runs `sync`, and remembers a failure: later syncs would not tell of the data that was lost.
    pub fn sync_by(&self, sync: impl FnOnce() -> Result<()>) -> Result<()> {
        if self.0.sync_failed.load(Ordering::Relaxed) {
            let why = "an earlier sync has failed, and chunks may be lost";
            return Err(Error::new(Kind::State, why).of(self.path()));
        }
        let result = sync();
        self.0.sync_failed.fetch_or(result.is_err(), Ordering::Relaxed);
        result
    }
}
