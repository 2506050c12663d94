//! Chunks in a directory: where each has its file, and how these are made, found, touched, moved and removed.
//!
//! Decisions are made elsewhere: [`judge`](super::judge) says whether a chunk is replaced; the caller of a sweep says
//! whether it is removed.

mod access;
mod cache_signs;
pub mod convert;
mod create;
mod insert;
mod iterate;
mod layout;
mod lock;
mod probe;
mod sweep;
mod sync;

pub use access::{ChunkVersion, DiskOrder};
pub use convert::{ConvertOptions, Converted};
pub use create::CreateOptions;
pub use insert::{InsertOptions, Inserted, Leftover};
pub use iterate::{ChunkDirId, ChunkEntry, ChunkIter};
pub use layout::Layout;
pub use lock::{ExclusiveLock, SharedLock};
pub use sweep::{ChunkDir, FoundFile, Swept, Usage, sweep_temporary};
pub use sync::Unsynced;

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::{Base, CacheSign};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::sys::{Dir, FileKind};
use layout::{ChunkName, KnownDirs, detect};
use lock::Locks;

/// Mode of a chunk directory, as PBS sets it.
const CHUNK_DIR_MODE: u32 = 0o750;

/// Mutexes that serialise changes of one chunk; two digests share one in 64 cases.
const STRIPES: usize = 64;

/// The chunks of an open store. Copies share them.
#[derive(Clone)]
pub struct Chunks(Arc<Inner>);

struct Inner {
    base: Base,
    dir: Arc<Dir>,
    /// `.chunks` is on another file system than the directory that it is in.
    elsewhere: bool,
    layout: Layout,
    known_dirs: KnownDirs,
    /// Both layouts are accepted.
    mixed: bool,
    /// A second layout to read from.
    fallback: Option<Layout>,
    /// A directory of chunks may have been made whose name in `.chunks` is not on the disk.
    unsynced_dir: AtomicBool,
    stripes: [Mutex<()>; STRIPES],
    locks: Locks,
}

/// `.chunks` of a store that is being opened.
pub struct FoundChunks {
    dir: Arc<Dir>,
    layout: Layout,
    is_mixed: bool,
}

impl FoundChunks {
    /// Looks for `.chunks` in `base`, and for its layout, which is `wanted` while it has none; `None` if it is missing.
    ///
    /// Errors: `Format` if both layouts are there and `mixed` is off, or if it is no directory; `Io`.
    pub fn look(base: &Dir, wanted: Option<Layout>, mixed: bool) -> Result<Option<Self>> {
        let dir = base.open_dir(c".chunks").map_err(|error| match error.kind() {
            Kind::Format => error.context("a link is not followed here; a mount in its place is"),
            _ => error,
        })?;
        let Some(dir) = dir else { return Ok(None) };
        let detected = detect(&dir, mixed)?;
        let layout = detected.layout.or(wanted).unwrap_or(Layout::Hex2);
        Ok(Some(FoundChunks { dir: Arc::new(dir), layout, is_mixed: detected.mixed }))
    }

    /// The directory.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// The search for signs that the store in `base` is the cache of one in S3. PBS gives every store four digits.
    pub fn cache_sign(&self, base: &Arc<Dir>) -> CacheSign {
        let (base, chunks, layout) = (base.clone(), self.dir.clone(), self.layout);
        Box::new(move || if layout == Layout::Hex4 { cache_signs::sign(&base, &chunks) } else { None })
    }
}

impl Chunks {
    /// Opens what was found in the store `base`; `mixed` as it was looked for.
    ///
    /// Errors: `Io`.
    pub fn open(base: Base, found: FoundChunks, mixed: bool) -> Result<Self> {
        let FoundChunks { dir, layout, is_mixed } = found;
        Ok(Chunks(Arc::new(Inner {
            elsewhere: dir.stat_self()?.device != base.dir().stat_self()?.device,
            base,
            dir,
            layout,
            known_dirs: KnownDirs::new(layout),
            mixed,
            fallback: is_mixed.then_some(Layout::Hex2),
            unsynced_dir: AtomicBool::new(false),
            stripes: std::array::from_fn(|_| Mutex::new(())),
            locks: Locks::default(),
        })))
    }

    /// The base that they share with the rest of the store.
    pub fn base(&self) -> &Base {
        &self.0.base
    }

    fn dir(&self) -> &Dir {
        &self.0.dir
    }

    /// Whether both are those of one open store.
    pub fn is_same(&self, other: &Chunks) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// `.chunks`, to do something to the file `name` by its name: the directory that it is in is no link, which would
    /// lead out of the store. It may be missing.
    ///
    /// Errors: `Format` if something else is in its place; `Io`.
    fn chunk_dir_for(&self, name: &ChunkName) -> Result<&Dir> {
        let (chunks, dir) = (self.dir(), name.dir());
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

    /// How the chunks are spread.
    pub fn layout(&self) -> Layout {
        self.0.layout
    }

    /// Whether `.chunks` still has the layout that was found in it, or has got one meanwhile.
    ///
    /// Errors: `State` if it has another; `Format` if it has both, and the store was not opened as a mixed one.
    fn check_layout(&self) -> Result<()> {
        let Some(layout) = detect(self.dir(), self.0.mixed)?.layout else { return Ok(()) };
        if layout == self.0.layout {
            return Ok(());
        }
        Err(Error::at(Kind::State, self.base().path(), "has got another layout since it was opened; open it again"))
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

impl fmt::Debug for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunks({}, {:?})", self.base().path().display(), self.layout())
    }
}
