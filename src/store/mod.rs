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

mod insert;
mod iterate;
mod layout;
mod lock;

pub use insert::{InsertOptions, Inserted};
pub use iterate::{ChunkEntry, Chunks};
pub use layout::Layout;
pub use lock::{ExclusiveLock, SharedLock};

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::blob::Blob;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result, reserve};
use crate::format::BLOB_HEADER_SIZE;
use crate::sys::{self, Dir, FileKind, LockFile, Owner, Stat};
use layout::{ChunkName, detect};
use lock::Locks;

/// Permissions, as PBS sets them.
const CHUNK_DIR_MODE: u32 = 0o750;

/// Mutexes that serialise changes of one chunk; two digests share one in 64 cases.
const STRIPES: usize = 64;

/// When written chunks are brought to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncLevel {
    /// Never.
    None,
    /// Each chunk and its name, when it is inserted; the whole file system before an index that re-uses a chunk,
    /// which may have been written at another level.
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
pub type Notice = Arc<dyn Fn(NoticeLevel, &str, Option<&Path>) -> Result<()> + Send + Sync>;

/// How a store is opened or made.
#[derive(Clone, Default)]
pub struct StoreOptions {
    /// The layout of a new or empty store; [`Layout::Hex2`] by default. An existing one keeps its own.
    pub layout: Option<Layout>,
    /// When chunks are brought to the disk.
    pub sync: SyncLevel,
    /// Who owns new files and directories. By default the owner of `.chunks`, if root makes them.
    pub owner: Option<Owner>,
    /// Accept a store with both layouts: write four digits, read either.
    pub mixed: bool,
    /// Takes notices.
    pub notice: Option<Notice>,
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StoreOptions { layout, sync, owner, mixed, notice: _ } = self;
        write!(f, "StoreOptions {{ {layout:?}, {sync:?}, {owner:?}, mixed: {mixed} }}")
    }
}

/// An open chunk store. Copies share it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    base: Dir,
    chunks: Dir,
    layout: Layout,
    /// A second layout to read from.
    fallback: Option<Layout>,
    sync: SyncLevel,
    owner: Option<Owner>,
    notice: Option<Notice>,
    stripes: [Mutex<()>; STRIPES],
    locks: Locks,
}

impl Store {
    /// Makes a store at `path`: the directory if it is missing, `.chunks` and `.lock` in it.
    ///
    /// `progress` is told after each of the 65536 directories of [`Layout::Hex4`] how many there are; its error stops
    /// the work. `.chunks` appears complete or not at all.
    ///
    /// Errors: `Exists` if there is a `.chunks`; `NotFound`, `Io`; those of `progress`.
    pub fn create(
        path: &Path,
        options: &StoreOptions,
        progress: &mut dyn FnMut(u64, u64) -> Result<()>,
    ) -> Result<Self> {
        let base = make_base(path)?;
        if base.lstat(c".chunks")?.is_some() {
            return Err(exists(&base));
        }
        let owner = new_file_owner(&base, options)?;
        make_chunk_dirs(&base, options.layout.unwrap_or(Layout::Hex2), owner, progress)?;
        LockFile::create(&base, c".lock", owner)?;
        if options.sync != SyncLevel::None {
            base.sync_filesystem()?;
        }
        Self::with_base(base, options)
    }

    /// Opens the store at `path`.
    ///
    /// Errors: `NotFound` if there is no `.chunks`; `Io`; `Format` if both layouts are there and
    /// [`StoreOptions::mixed`] is off.
    pub fn open(path: &Path, options: &StoreOptions) -> Result<Self> {
        Self::with_base(Dir::open(&sys::absolute(path)?)?, options)
    }

    /// Opens the store at `path`, after making what is missing.
    ///
    /// Errors: as [`Store::open`] and [`Store::create`].
    pub fn open_or_create(path: &Path, options: &StoreOptions) -> Result<Self> {
        match Self::open(path, options) {
            Err(error) if error.kind() == Kind::NotFound => {}
            other => return other,
        }
        match Self::create(path, options, &mut |_, _| Ok(())) {
            // Somebody else was faster.
            Err(error) if error.kind() == Kind::Exists => Self::open(path, options),
            other => other,
        }
    }

    fn with_base(base: Dir, options: &StoreOptions) -> Result<Self> {
        let chunks = base.open_dir(c".chunks")?.ok_or_else(|| {
            let path = base.path();
            Error::new(Kind::NotFound, format!("{} is no chunk store: it has no .chunks", path.display()))
                .with_path(path)
        })?;
        let detected = detect(&chunks, options.mixed)?;
        let owner = options.owner.or(chunks.stat_self()?.owner.for_new_files());
        Ok(Store(Arc::new(Inner {
            base,
            chunks,
            layout: detected.layout.or(options.layout).unwrap_or(Layout::Hex2),
            fallback: detected.mixed.then_some(Layout::Hex2),
            sync: options.sync,
            owner,
            notice: options.notice.clone(),
            stripes: std::array::from_fn(|_| Mutex::new(())),
            locks: Locks::default(),
        })))
    }

    /// The store's directory, from the root.
    pub fn path(&self) -> &Path {
        self.0.base.path()
    }

    /// How the chunks are spread.
    pub fn layout(&self) -> Layout {
        self.0.layout
    }

    /// When chunks are brought to the disk.
    pub fn sync_level(&self) -> SyncLevel {
        self.0.sync
    }

    /// The path at which the chunk `digest` is written.
    pub fn chunk_path(&self, digest: &Digest) -> PathBuf {
        self.0.chunks.join(ChunkName::new(self.0.layout, digest).as_c_str())
    }

    /// Who must own a new file in `dir`: the store's owner if that lies below the store.
    pub fn owner_below(&self, dir: &Path) -> Option<Owner> {
        let owner = self.0.owner?;
        let (dir, base) = (sys::resolved(dir)?, sys::resolved(self.path())?);
        dir.starts_with(base).then_some(owner)
    }

    /// The length of the file of chunk `digest`, or `None`. A file that is too short for a blob is none.
    pub fn has(&self, digest: &Digest) -> Result<Option<u64>> {
        Ok(self.find(digest)?.map(|(_, stat)| stat.size))
    }

    /// Touches the chunk `digest` if the store has it, as [`Store::has`] sees it, and gives its length.
    pub fn touch_if_present(&self, digest: &Digest) -> Result<Option<u64>> {
        match self.find(digest)? {
            Some((name, stat)) if self.0.chunks.touch(name.as_c_str())? => Ok(Some(stat.size)),
            _ => Ok(None),
        }
    }

    /// Sets the access time of the chunk `digest` to now; the modification time stays.
    ///
    /// Errors: `NotFound`; `Io`, with EPERM if the file belongs to somebody else.
    pub fn touch(&self, digest: &Digest) -> Result<()> {
        for layout in self.layouts() {
            if self.0.chunks.touch(ChunkName::new(layout, digest).as_c_str())? {
                return Ok(());
            }
        }
        Err(self.not_found(digest))
    }

    /// Loads the blob of chunk `digest` into `out`, replacing what it has, and checks its structure and CRC.
    ///
    /// Errors: `NotFound`, `Io`, `NoMemory`; `Limit` above `max_len` bytes; `Format`, `Corrupt`.
    pub fn load<'a>(&self, digest: &Digest, max_len: usize, out: &'a mut Vec<u8>) -> Result<Blob<'a>> {
        let path = self.load_raw(digest, max_len, out)?;
        Blob::load(out).map_err(|error| error.context(path.display()).with_path(&path).with_digest(digest))
    }

    /// As [`Store::load`], whatever the bytes are; for salvage. Gives the path.
    pub fn load_raw(&self, digest: &Digest, max_len: usize, out: &mut Vec<u8>) -> Result<PathBuf> {
        out.clear();
        for layout in self.layouts() {
            let name = ChunkName::new(layout, digest);
            if let Some((file, stat)) = self.0.chunks.open_read(name.as_c_str())? {
                let path = self.0.chunks.join(name.as_c_str());
                return read_whole(file, stat, max_len, out)
                    .map(|()| path.clone())
                    .map_err(|error| error.context(path.display()).with_path(&path).with_digest(digest));
            }
        }
        Err(self.not_found(digest))
    }

    /// Renames the file of chunk `digest` to a bad-chunk name and gives the number in it; `None` if there is no such
    /// chunk. The lowest free number of 0 to 9 is taken; if all are, the ninth is overwritten.
    pub fn mark_bad(&self, digest: &Digest) -> Result<Option<u8>> {
        let _one_at_a_time = self.stripe(digest);
        let chunks = &self.0.chunks;
        for layout in self.layouts() {
            let name = ChunkName::new(layout, digest);
            if chunks.lstat(name.as_c_str())?.is_none() {
                continue;
            }
            let mut number = 0;
            while number < 9 && chunks.lstat(ChunkName::bad(layout, digest, number).as_c_str())?.is_some() {
                number += 1;
            }
            return match chunks.rename(name.as_c_str(), ChunkName::bad(layout, digest, number).as_c_str()) {
                Ok(()) => Ok(Some(number)),
                Err(error) if error.kind() == Kind::NotFound => Ok(None),
                Err(error) => Err(error.with_digest(digest)),
            };
        }
        Ok(None)
    }

    /// Brings the file system of the store to the disk, whatever the sync level.
    pub fn sync(&self) -> Result<()> {
        self.0.base.sync_filesystem()
    }

    /// Brings to the disk what must be there before an index of this store's chunks may appear. `reused`: some of
    /// them were written by somebody else, who may not have synced them.
    pub fn sync_before_index(&self, reused: bool) -> Result<()> {
        match self.0.sync {
            SyncLevel::Filesystem => self.sync(),
            SyncLevel::File if reused => self.sync(),
            SyncLevel::None | SyncLevel::File => Ok(()),
        }
    }

    /// The store's directory once more, for files beside the chunks.
    pub fn open_base(&self) -> Result<Dir> {
        Dir::open(self.path())
    }

    /// The layouts to look in, the one that is written first.
    fn layouts(&self) -> impl Iterator<Item = Layout> + use<> {
        [Some(self.0.layout), self.0.fallback].into_iter().flatten()
    }

    fn find(&self, digest: &Digest) -> Result<Option<(ChunkName, Stat)>> {
        for layout in self.layouts() {
            let name = ChunkName::new(layout, digest);
            let stat = self.0.chunks.stat(name.as_c_str())?;
            if let Some(stat) = stat.filter(|stat| stat.kind == FileKind::File && stat.size >= BLOB_HEADER_SIZE as u64)
            {
                return Ok(Some((name, stat)));
            }
        }
        Ok(None)
    }

    fn stripe(&self, digest: &Digest) -> MutexGuard<'_, ()> {
        // It guards no data, so a panic under it leaves nothing half-done.
        self.0.stripes[usize::from(digest.0[0]) % STRIPES].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notice(&self, level: NoticeLevel, message: &str, path: &Path) -> Result<()> {
        match &self.0.notice {
            Some(notice) => notice(level, message, Some(path)),
            None => Ok(()),
        }
    }

    fn not_found(&self, digest: &Digest) -> Error {
        Error::new(Kind::NotFound, format!("chunk {digest} is not in the store {}", self.path().display()))
            .with_path(&self.chunk_path(digest))
            .with_digest(digest)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({}, {:?})", self.path().display(), self.layout())
    }
}

fn read_whole(file: File, stat: Stat, max_len: usize, out: &mut Vec<u8>) -> Result<()> {
    let len = usize::try_from(stat.size)
        .ok()
        .filter(|&len| len <= max_len)
        .ok_or_else(|| Error::new(Kind::Limit, format!("{} bytes are more than {max_len}", stat.size)))?;
    // One byte more, so that reading sees the end without growing the buffer.
    reserve(out, len + 1)?;
    file.take(max_len as u64).read_to_end(out).map_err(|source| Error::os("read", "it", &source))?;
    Ok(())
}

fn make_base(path: &Path) -> Result<Dir> {
    let path = sys::absolute(path)?;
    match Dir::open(&path) {
        Err(error) if error.errno() == Some(libc::ENOENT) => {
            sys::make_dirs(&path)?;
            Dir::open(&path)
        }
        other => other,
    }
}

/// The owner for the files of a new store: as the options say, or that of the directory.
fn new_file_owner(base: &Dir, options: &StoreOptions) -> Result<Option<Owner>> {
    Ok(options.owner.or(base.stat_self()?.owner.for_new_files()))
}

fn exists(base: &Dir) -> Error {
    let path = base.join(c".chunks");
    Error::new(Kind::Exists, format!("{} exists already", path.display())).with_path(&path)
}

/// Makes `.chunks` under a temporary name and renames it when it is complete.
fn make_chunk_dirs(
    base: &Dir,
    layout: Layout,
    owner: Option<Owner>,
    progress: &mut dyn FnMut(u64, u64) -> Result<()>,
) -> Result<()> {
    let name = sys::temporary_name(c".chunks")?;
    base.make_dir(&name, CHUNK_DIR_MODE, owner)?;
    let mut made = 0;
    let result = fill_chunk_dir(base, &name, layout, owner, &mut made, progress)
        .and_then(|()| base.rename_new(&name, c".chunks"))
        .map_err(|error| if error.kind() == Kind::Exists { exists(base) } else { error });
    if result.is_err() {
        // What cannot be removed is under a name that nothing looks at.
        if let Ok(Some(chunks)) = base.open_dir(&name) {
            for i in 0..made {
                let _ = chunks.remove_dir(layout.dir_name(i).as_c_str());
            }
        }
        let _ = base.remove_dir(&name);
    }
    result
}

fn fill_chunk_dir(
    base: &Dir,
    name: &std::ffi::CStr,
    layout: Layout,
    owner: Option<Owner>,
    made: &mut u32,
    progress: &mut dyn FnMut(u64, u64) -> Result<()>,
) -> Result<()> {
    if layout == Layout::Hex2 {
        return Ok(());
    }
    let chunks = base.open_dir(name)?.ok_or_else(|| Error::new(Kind::Io, "the new .chunks has vanished"))?;
    for i in 0..layout.dir_count() {
        chunks.make_dir(layout.dir_name(i).as_c_str(), CHUNK_DIR_MODE, owner)?;
        *made = i + 1;
        progress(u64::from(i) + 1, u64::from(layout.dir_count()))?;
    }
    Ok(())
}
