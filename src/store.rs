//! A store: chunks, the tree of snapshots that are made of them, and the directory that both are in.
//!
//! # Locks
//!
//! They are taken in this order: the process lock ([`Chunks::lock_shared`], [`Chunks::lock_exclusive`]), then those of
//! group, snapshot and manifest ([`tree`](crate::tree)). The mutexes of single chunks are held for one file at a time,
//! and nothing is waited for under them.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::base::{Base, BaseOptions, CacheSign, LockWait, Notice, ReadOnly, SyncLevel};
use crate::chunks::{Chunks, ConvertOptions, Converted, CreateOptions, FoundChunks, Layout, Unsynced};
use crate::error::{Error, Kind, Result};
use crate::manifest::Manifest;
use crate::name::Snapshot;
use crate::progress::{OnProgress, Progress};
use crate::sys::{self, Dir, Owner};
use crate::tree::{Tree, TreeLocks};

/// Modes of a store's own directory, less the umask. Some files below it are readable for anybody: the first mode keeps
/// others out, the second, which is PBS's, lets them in.
const PRIVATE_MODE: u32 = 0o700;
const SHARED_MODE: u32 = 0o755;

/// How a store is opened or made.
#[derive(Debug, Clone, Default)]
pub struct StoreOptions {
    /// The layout of a new or empty store; [`Layout::Hex2`] by default. An existing one keeps its own.
    pub layout: Option<Layout>,
    /// When chunks are brought to the disk.
    pub sync: SyncLevel,
    /// The owner of new files and directories. By default the owner of `.chunks`, if root makes them.
    pub owner: Option<Owner>,
    /// Accept a store with both layouts: write four digits, read either.
    pub mixed: bool,
    /// Make a store also where the file system may not keep access times.
    pub skip_atime_probe: bool,
    /// Whether other users may reach what lies below a new store's own directory.
    pub shared: bool,
    /// Change nothing in the store, and refuse every change.
    pub read_only: Option<ReadOnly>,
    /// It is no cache of a store in S3, whatever it looks like.
    pub not_s3_cache: bool,
    /// The form of the locks of groups and snapshots.
    pub tree_locks: TreeLocks,
    /// Takes notices.
    pub notice: Option<Notice>,
    /// Milliseconds that a lock is waited for while it is held elsewhere; 0: not at all.
    pub lock_wait_ms: u64,
    /// Told how far the making of a store is, and, if locks are waited for, how long:
    /// [`PHASE_CREATE`](crate::base::PHASE_CREATE), [`PHASE_LOCK`](crate::base::PHASE_LOCK).
    pub progress: Option<OnProgress>,
}

/// An open store. Copies share it.
#[derive(Clone)]
pub struct Store {
    chunks: Chunks,
    tree: Tree,
}

impl Store {
    /// Opens the store at `path`.
    ///
    /// Errors: `NotFound` if there is no `.chunks`; `Io`; `Format` if both layouts are there and
    /// [`StoreOptions::mixed`] is off.
    pub fn open(path: &Path, options: &StoreOptions) -> Result<Self> {
        Self::open_dir(Dir::open(&sys::absolute(path)?)?, options)
    }

    /// Opens the tree alone of the directory at `path`, which need not have chunks.
    ///
    /// Errors: `NotFound`, `Io`.
    pub fn open_tree(path: &Path, options: &StoreOptions) -> Result<Tree> {
        let dir = Dir::open(&sys::absolute(path)?)?;
        let owner = dir.stat_self()?.owner;
        Ok(Tree::new(base_of(Arc::new(dir), owner, Box::new(|| None), options), options.tree_locks.clone()))
    }

    /// Makes a store at `path`: the directory if it is missing, `.chunks` and `.lock` in it; and opens it.
    ///
    /// The progress counts the 65536 directories of [`Layout::Hex4`]. `.chunks` appears complete or not at all.
    ///
    /// Errors: `Exists` if there is a `.chunks`; `Unsupported` if the file system does not keep access times;
    /// `NotFound`, `Io`; that of the callback.
    pub fn create(path: &Path, options: &StoreOptions) -> Result<Self> {
        if options.read_only.is_some() {
            return Err(Error::new(Kind::Argument, "a store that is only to be read cannot be made"));
        }
        let dir = make_dir(path, options)?;
        let new = CreateOptions {
            layout: options.layout.unwrap_or(Layout::Hex2),
            owner: options.owner.or(dir.stat_self()?.owner.for_new_files()),
            sync: options.sync != SyncLevel::None,
            skip_atime_probe: options.skip_atime_probe,
            progress: Progress::new(options.progress.clone()),
        };
        Chunks::create(&dir, new)?;
        Self::open_dir(dir, options)
    }

    /// Opens the store at `path`, after making what is missing.
    ///
    /// Errors: as [`Store::open`] and [`Store::create`].
    pub fn open_or_create(path: &Path, options: &StoreOptions) -> Result<Self> {
        match Self::open(path, options) {
            Err(error) if error.kind() == Kind::NotFound => {}
            other => return other,
        }
        match Self::create(path, options) {
            // Another process was faster.
            Err(error) if error.kind() == Kind::Exists => Self::open(path, options),
            other => other,
        }
    }

    fn open_dir(dir: Dir, options: &StoreOptions) -> Result<Self> {
        let Some(found) = FoundChunks::look(&dir, options.layout, options.mixed)? else {
            return Err(no_chunks(dir.path()));
        };
        let (dir, owner) = (Arc::new(dir), found.dir().stat_self()?.owner);
        let cache_sign = if options.not_s3_cache { Box::new(|| None) } else { found.cache_sign(&dir) };
        let base = base_of(dir, owner, cache_sign, options);
        let chunks = Chunks::open(base.clone(), found, options.mixed)?;
        Ok(Store { chunks, tree: Tree::new(base, options.tree_locks.clone()) })
    }

    /// Brings the chunks of the store at `path` into `layout`. It is opened as `opening` says. Stores that were opened
    /// before are to be opened again.
    ///
    /// Errors: as [`Store::open`] and [`Chunks::convert`].
    pub fn convert(path: &Path, layout: Layout, opening: &StoreOptions, options: &ConvertOptions) -> Result<Converted> {
        let store = Store::open(path, &StoreOptions { mixed: true, ..opening.clone() })?;
        store.chunks().convert(layout, options)
    }

    /// The chunks.
    pub fn chunks(&self) -> &Chunks {
        &self.chunks
    }

    /// The namespaces, groups and snapshots.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The base that chunks and tree share.
    pub fn base(&self) -> &Base {
        self.tree.base()
    }

    /// The store's directory, from the root.
    pub fn path(&self) -> &Path {
        self.base().path()
    }

    /// Whether both are one open store.
    pub fn is_same(&self, other: &Store) -> bool {
        self.base().is_same(other.base())
    }

    /// Writes the manifest of a snapshot that was made by hand; see [`Tree::store_manifest`]. Everything that it lists
    /// is brought to the disk first, by the sync level.
    ///
    /// Errors: as there.
    pub fn store_manifest(&self, snapshot: &Snapshot, manifest: &Manifest) -> Result<()> {
        self.tree.store_manifest(snapshot, manifest, || self.chunks.sync_before_index(&Unsynced::reused()))
    }

    /// Brings the file system of the store to the disk, whatever the sync level.
    ///
    /// Errors: `Io`; `State` ever after, because the system reports what it could not write only once.
    pub fn sync(&self) -> Result<()> {
        self.chunks.sync()
    }
}

/// Opens the directory of a new store, after making it if it is missing; one that is there keeps its mode.
fn make_dir(path: &Path, options: &StoreOptions) -> Result<Dir> {
    let path = sys::absolute(path)?;
    match Dir::open(&path) {
        Err(error) if error.kind() == Kind::NotFound => {}
        other => return other,
    }
    let made = sys::make_dirs(&path, if options.shared { SHARED_MODE } else { PRIVATE_MODE })?;
    let base = Dir::open(&path)?;
    if let Some(owner) = options.owner.filter(|_| made) {
        base.change_owner(c".", owner)?;
    }
    Ok(base)
}

/// The base that chunks and tree of the store in `dir` share; `owner` is that of the files in it.
fn base_of(dir: Arc<Dir>, owner: Owner, cache_sign: CacheSign, options: &StoreOptions) -> Base {
    Base::new(
        dir,
        BaseOptions {
            sync: options.sync,
            owner: options.owner.or(owner.for_new_files()),
            read_only: options.read_only,
            cache_sign,
            lock_wait: LockWait {
                limit_ms: options.lock_wait_ms,
                // Else it is that of making the store, and may be gone by then.
                progress: options.progress.clone().filter(|_| options.lock_wait_ms > 0),
            },
            notice: options.notice.clone(),
        },
    )
}

/// The error of a directory that has no chunks.
pub fn no_chunks(path: &Path) -> Error {
    Error::at(Kind::NotFound, path, "is no chunk store: it has no .chunks")
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.path().display())
    }
}
