//! The chunk store: encoded blobs, named by digest, in the directory `.chunks` (docs/format.md, 5).
//!
//! # Contract
//!
//! - Any number of threads and processes may insert, touch and load at once. A chunk is written under a temporary
//!   name that nobody shares and renamed, so it is seen whole or not at all.
//! - Inserting, and whatever else changes a chunk's file, is serialised per digest within one [`Store`].
//! - A chunk that is re-used is touched. Whoever builds an index from chunks holds a [`SharedLock`] from before the
//!   first insert until the index is in place, or a garbage collection of another process may take them.
//! - The store does not decode blobs; it checks their structure and CRC.

mod access;
mod cache_signs;
pub mod convert;
mod create;
mod insert;
mod iterate;
pub mod judge;
mod layout;
mod lock;
mod probe;
mod readonly;
mod sweep;
mod sync;

pub use access::{ChunkVersion, DiskOrder};
pub use convert::{ConvertOptions, Converted};
pub use insert::{InsertOptions, Inserted, Leftover};
pub use iterate::{ChunkDirId, ChunkEntry, Chunks};
pub use layout::Layout;
pub use lock::{ExclusiveLock, SharedLock};
pub use readonly::ReadOnly;
pub use sweep::{ChunkDir, FoundFile, Swept, Usage, sweep_temporary};
pub use sync::Unsynced;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::blob::Codec;
use crate::callback::Callback;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result, harmless, with_all_bytes};
use crate::progress::OnProgress;
use crate::sys::{self, Dir, FileKind, Owner};
use layout::{ChunkName, Detected, KnownDirs, detect};
use lock::Locks;

/// Mode of a chunk directory, as PBS sets it.
const CHUNK_DIR_MODE: u32 = 0o750;

/// Mutexes that serialise changes of one chunk; two digests share one in 64 cases.
const STRIPES: usize = 64;

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

/// Takes what deserves a word but is no failure: level, message, path. An error stops the call.
pub type Notice = Callback<dyn Fn(NoticeLevel, &str, Option<&Path>) -> Result<()> + Send + Sync>;

/// How a store is opened or made.
#[derive(Debug, Clone, Default)]
pub struct StoreOptions {
    /// The layout of a new or empty store; [`Layout::Hex2`] by default. An existing one keeps its own.
    pub layout: Option<Layout>,
    /// When chunks are brought to the disk.
    pub sync: SyncLevel,
    /// Who owns new files and directories. By default the owner of `.chunks`, if root makes them.
    pub owner: Option<Owner>,
    /// Accept a store with both layouts: write four digits, read either.
    pub mixed: bool,
    /// Do without `.chunks` if it is missing: there are only snapshots to look at then.
    pub bare: bool,
    /// Make a store also where the file system may not keep access times.
    pub skip_atime_probe: bool,
    /// Whether other users may reach what lies below a new store's own directory.
    pub shared: bool,
    /// Change nothing in the store, and refuse whatever would.
    pub read_only: Option<ReadOnly>,
    /// It is no cache of a store in S3, whatever it looks like.
    pub not_s3_cache: bool,
    /// What groups and snapshots are locked with.
    pub tree_locks: TreeLocks,
    /// Takes notices.
    pub notice: Option<Notice>,
    /// Told how far the making of a store is.
    pub progress: Option<OnProgress>,
}

/// What groups and snapshots are locked with (docs/format.md, 7.8).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TreeLocks {
    /// Their own directories, as PBS did before 3.3.5.
    #[default]
    Directories,
    /// Files below `dir/store`, as PBS does from 3.3.5 on: needed where one that is running shares the store.
    Files {
        /// The directory of all lock files, absolute.
        dir: PathBuf,
        /// The store's name in PBS.
        store: String,
    },
}

/// An open chunk store. Copies share it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    base: Dir,
    /// `None` in a bare directory.
    chunks: Option<Dir>,
    /// `.chunks` is on another file system than the directory that it is in.
    chunks_elsewhere: bool,
    layout: Layout,
    known_dirs: KnownDirs,
    /// Both layouts are accepted.
    mixed: bool,
    /// A second layout to read from.
    fallback: Option<Layout>,
    sync: SyncLevel,
    sync_failed: AtomicBool,
    /// A directory of chunks may have been made whose name in `.chunks` is not on the disk.
    unsynced_dir: AtomicBool,
    owner: Option<Owner>,
    read_only: Option<ReadOnly>,
    not_s3_cache: bool,
    /// Why it seems to be the cache of a store in S3, if it does; nobody has looked as long as there is nothing.
    s3_sign: OnceLock<Option<&'static str>>,
    tree_locks: TreeLocks,
    notice: Option<Notice>,
    stripes: [Mutex<()>; STRIPES],
    locks: Locks,
    codec: Mutex<Codec>,
}

impl Store {
    /// Opens the store at `path`.
    ///
    /// Errors: `NotFound` if there is no `.chunks`, unless [`StoreOptions::bare`] does without; `Io`; `Format` if both
    /// layouts are there and [`StoreOptions::mixed`] is off.
    pub fn open(path: &Path, options: &StoreOptions) -> Result<Self> {
        Self::with_base(Dir::open(&sys::absolute(path)?)?, options)
    }

    /// Opens the store at `path`, after making what is missing.
    ///
    /// Errors: as [`Store::open`] and [`Store::create`].
    pub fn open_or_create(path: &Path, options: &StoreOptions) -> Result<Self> {
        let options = &StoreOptions { bare: false, ..options.clone() };
        match Self::open(path, options) {
            Err(error) if error.kind() == Kind::NotFound => {}
            other => return other,
        }
        match Self::create(path, options) {
            // Somebody else was faster.
            Err(error) if error.kind() == Kind::Exists => Self::open(path, options),
            other => other,
        }
    }

    fn with_base(base: Dir, options: &StoreOptions) -> Result<Self> {
        let chunks = base.open_dir(c".chunks").map_err(|error| match error.kind() {
            Kind::Format => error.context("a link is not followed here; a mount in its place is"),
            _ => error,
        })?;
        if chunks.is_none() && !options.bare {
            return Err(no_chunks(&base));
        }
        let detected = chunks.as_ref().map_or(Ok(Detected::default()), |chunks| detect(chunks, options.mixed))?;
        let base_stat = base.stat_self()?;
        let stat = chunks.as_ref().map_or(Ok(base_stat), Dir::stat_self)?;
        let layout = detected.layout.or(options.layout).unwrap_or(Layout::Hex2);
        Ok(Store(Arc::new(Inner {
            chunks_elsewhere: stat.device != base_stat.device,
            base,
            chunks,
            layout,
            known_dirs: KnownDirs::new(layout),
            mixed: options.mixed,
            fallback: detected.mixed.then_some(Layout::Hex2),
            sync: options.sync,
            sync_failed: AtomicBool::new(false),
            unsynced_dir: AtomicBool::new(false),
            owner: options.owner.or(stat.owner.for_new_files()),
            read_only: options.read_only,
            not_s3_cache: options.not_s3_cache,
            s3_sign: OnceLock::new(),
            tree_locks: options.tree_locks.clone(),
            notice: options.notice.clone(),
            stripes: std::array::from_fn(|_| Mutex::new(())),
            locks: Locks::default(),
            codec: Mutex::default(),
        })))
    }

    /// The directory of the chunks.
    ///
    /// Errors: `NotFound` in a bare directory.
    fn chunk_dir(&self) -> Result<&Dir> {
        self.0.chunks.as_ref().ok_or_else(|| no_chunks(&self.0.base))
    }

    /// `.chunks`, to do something to the file `name` by its name: the directory that it is in is no link, which would
    /// lead out of the store. It may be missing.
    ///
    /// Errors: `Format` if something else is in its place; `NotFound` in a bare directory; `Io`.
    fn chunk_dir_for(&self, name: &ChunkName) -> Result<&Dir> {
        let (chunks, dir) = (self.chunk_dir()?, name.dir());
        if !self.0.known_dirs.has(dir) {
            let dir_name = dir.0.dir_name(dir.1);
            match chunks.lstat(dir_name.as_c_str())? {
                Some(stat) if stat.kind != FileKind::Dir => return Err(chunks.not_a_directory(dir_name.as_c_str())),
                Some(_) => self.0.known_dirs.add(dir),
                None => {}
            }
        }
        Ok(chunks)
    }

    /// The store's directory, from the root.
    pub fn path(&self) -> &Path {
        self.0.base.path()
    }

    /// Whether both are one open store.
    pub fn is_same(&self, other: &Store) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// How the chunks are spread.
    pub fn layout(&self) -> Layout {
        self.0.layout
    }

    /// When chunks are brought to the disk.
    pub fn sync_level(&self) -> SyncLevel {
        self.0.sync
    }

    /// Who must own new files below the store, if that needs saying.
    pub fn owner(&self) -> Option<Owner> {
        self.0.owner
    }

    /// Whether the directory `dir` is the store's or lies below it, where garbage collection heeds indexes.
    pub fn is_below(&self, dir: &Path) -> bool {
        match (sys::resolved(dir), sys::resolved(self.path())) {
            (Ok(dir), Ok(base)) => dir.starts_with(base),
            _ => false,
        }
    }

    /// What groups and snapshots are locked with.
    pub fn tree_locks(&self) -> &TreeLocks {
        &self.0.tree_locks
    }

    /// Whether there are chunks at all: not in a bare directory.
    pub fn has_chunks(&self) -> bool {
        self.0.chunks.is_some()
    }

    /// The store's directory once more, for files beside the chunks.
    pub fn open_base(&self) -> Result<Dir> {
        self.0.base.reopen()
    }

    /// Says what deserves a word. The message names the path too, if it is about one; it is escaped as those of errors
    /// are.
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

    /// Lends a codec for one small blob: making one costs more than decoding a manifest. Nobody waits for another.
    pub fn with_codec<T>(&self, work: impl FnOnce(&mut Codec) -> T) -> T {
        match self.0.codec.try_lock() {
            Ok(mut codec) => work(&mut codec),
            Err(_) => work(&mut Codec::new()),
        }
    }

    /// Whether `.chunks` still has the layout that was found in it, or has got one meanwhile.
    ///
    /// Errors: `State` if it has another; `Format` if it has both, and the store was not opened as a mixed one.
    fn check_layout(&self) -> Result<()> {
        let Some(layout) = detect(self.chunk_dir()?, self.0.mixed)?.layout else { return Ok(()) };
        if layout == self.0.layout {
            return Ok(());
        }
        Err(Error::at(Kind::State, self.path(), "has got another layout since it was opened; open it again"))
    }

    /// The layouts to look in, the one that is written first.
    fn layouts(&self) -> impl Iterator<Item = Layout> + use<> {
        [Some(self.0.layout), self.0.fallback].into_iter().flatten()
    }

    fn stripe(&self, digest: &Digest) -> MutexGuard<'_, ()> {
        // It guards no data, so a panic under it leaves nothing half-done.
        self.0.stripes[usize::from(digest.0[0]) % STRIPES].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_chunks(base: &Dir) -> Error {
    Error::at(Kind::NotFound, base.path(), "is no chunk store: it has no .chunks")
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({}, {:?})", self.path().display(), self.layout())
    }
}
