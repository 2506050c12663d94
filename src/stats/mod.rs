//! Statistics of a store: how much its snapshots describe, how much of that they share, and what it takes on the disk.
//!
//! # Contract
//!
//! - The indexes alone say what is described, how it is cut, and what is shared. What the chunks take on the disk,
//!   which of them are missing, and which no index needs is looked up only when it is asked for: one stat for each file
//!   of a chunk.
//! - Nothing is locked: what comes or goes meanwhile is counted or not. A backup that is under way has no index yet, so
//!   that its chunks count as unreferenced.
//! - An index that cannot be read brings a notice and is counted as such; it is in no other number.
//! - Memory: 60 bytes for each chunk that an index names or, where files are looked at, that the store has; 6 to 11
//!   more to find it; and the largest single index, 32 or 40 bytes an entry. A million chunks take 70 MB whatever the
//!   number of indexes, a hundred million 7 GB. Where that is too much, it ends with `NoMemory`; above 2^32 chunks with
//!   `Limit`. The numbers take some 600 bytes a snapshot.

mod builder;
mod find;
mod set;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::chunks::Chunks;
use crate::error::Result;
use crate::format::BLOB_HEADER_SIZE;
use crate::index::Index;
use crate::limits::BLOB_MAX_SIZE;
use crate::name::Group;
use crate::progress::{OnProgress, Progress, Stage};
use crate::tree::{SnapshotInfo, Tree, joined};
use builder::StatsBuilder;
use find::{IndexDir, find, left_out, may_be_left_out};
use set::ChunkSet;

/// Sizes of chunks are counted by powers of two: number `i` counts those from 2^i to 2^(i+1) - 1 bytes, the first also
/// those of no bytes, the last only those of 2^27, since no chunk is larger.
pub const SIZE_CLASSES: usize = BLOB_MAX_SIZE.ilog2() as usize + 1;

/// How many groups are compared with one another; where there are more, those with the longest indexes.
pub const MATRIX_GROUPS: usize = 64;

/// A set of chunks, each counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub chunks: u64,
    /// Bytes of their data.
    pub size: u64,
    /// Bytes of their files; 0 if these were not looked at.
    pub stored_size: u64,
    /// How many of them are not in the store; 0 if the files were not looked at.
    pub missing_chunks: u64,
    /// Bytes of the data of those.
    pub missing_size: u64,
}

/// The factor of deduplication: bytes that indexes describe, for each that is stored for them; 1 if nothing is stored.
pub fn dedup_factor(logical_bytes: u64, stored_bytes: u64) -> f64 {
    if stored_bytes == 0 { 1.0 } else { logical_bytes as f64 / stored_bytes as f64 }
}

/// The sums over indexes and blobs, whatever chunks they share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Described {
    /// Indexes.
    pub indexes: u64,
    /// Bytes that they describe.
    pub logical_bytes: u64,
    /// Their entries: chunks, each counted as often as it is named.
    pub references: u64,
    /// Blobs, less manifests.
    pub blobs: u64,
    /// Bytes of their files.
    pub blob_bytes: u64,
    /// Indexes and directories that could not be read.
    pub unreadable: u64,
}

/// The numbers of a snapshot.
#[derive(Debug, Clone)]
pub struct SnapshotStats {
    /// Which it is.
    pub info: SnapshotInfo,
    /// The number of its group.
    pub group: usize,
    /// The data that it describes.
    pub described: Described,
    /// Its chunks.
    pub used: Sum,
    /// The chunks that nothing else has.
    pub own: Sum,
    /// The chunks that no older snapshot of the store has.
    pub new: Sum,
    /// How many of its chunks are of each class of size.
    pub sizes: [u64; SIZE_CLASSES],
}

/// The numbers of a group.
#[derive(Debug, Clone)]
pub struct GroupStats {
    /// Which it is.
    pub group: Group,
    /// Its snapshots.
    pub snapshots: u64,
    /// Times of its oldest and its newest, if it has any.
    pub times: Option<(i64, i64)>,
    /// The data that they describe.
    pub described: Described,
    /// The chunks of all of them.
    pub used: Sum,
    /// The chunks that nothing else has.
    pub own: Sum,
}

/// The numbers of the whole store.
#[derive(Debug, Clone, Default)]
pub struct TotalStats {
    /// The data that all indexes describe, those outside of snapshots too.
    pub described: Described,
    /// The data that indexes outside of snapshots describe.
    pub others: Described,
    /// The chunks of all.
    pub used: Sum,
    /// The chunks that several snapshots have.
    pub shared: Sum,
    /// The chunks that several groups have.
    pub across_groups: Sum,
    /// How many chunks are of each class of size.
    pub sizes: [u64; SIZE_CLASSES],
    /// Bytes of their data.
    pub size_bytes: [u64; SIZE_CLASSES],
    /// Chunks in the store that no index names, and bytes of their files.
    pub unreferenced: (u64, u64),
    /// Files in the place of chunks that are set aside as bad or too short to be chunks, and their bytes.
    pub broken: (u64, u64),
}

/// The numbers of a store.
#[derive(Debug)]
pub struct Stats {
    /// The files of the chunks were looked at.
    pub exact: bool,
    /// All that there is was seen and read.
    pub complete: bool,
    /// Of all.
    pub total: TotalStats,
    /// Of each group, in the order of listings.
    pub groups: Vec<GroupStats>,
    /// Of each snapshot, group by group, the oldest of each first.
    pub snapshots: Vec<SnapshotStats>,
    /// Bytes that two groups share, by their places in the matrix.
    matrix: Vec<u64>,
    /// The place of each group, if it has one.
    places: Vec<Option<u8>>,
}

impl Stats {
    /// Bytes of the data of the chunks that groups `a` and `b` both have; `None` if one of them is not compared.
    pub fn shared_between(&self, a: usize, b: usize) -> Option<u64> {
        let place = |group: usize| self.places.get(group).copied().flatten().map(usize::from);
        let (row, column) = (place(a)?, place(b)?);
        if a == b {
            return self.groups.get(a).map(|group| group.used.size);
        }
        self.matrix.get(row * MATRIX_GROUPS + column).copied()
    }
}

/// [`Stage::phase`]: looking for indexes; units are directories.
pub const PHASE_FIND: u32 = 0;
/// [`Stage::phase`]: looking at the files of chunks; units are these, bytes theirs.
pub const PHASE_CHUNKS: u32 = 1;
/// [`Stage::phase`]: reading indexes; units are these, bytes those that they describe.
pub const PHASE_INDEXES: u32 = 2;

/// How it is counted.
#[derive(Debug, Clone, Default)]
pub struct StatsOptions {
    /// Told how far it is: [`PHASE_FIND`], [`PHASE_CHUNKS`], [`PHASE_INDEXES`].
    pub progress: Option<OnProgress>,
}

/// Counts what is in `tree`, and looks at the files of its `chunks`, if they are given.
///
/// Errors: `NoMemory`, `Limit`; `Io` where the tree, or `.chunks`, cannot be listed; those of the callbacks.
pub fn collect(tree: &Tree, chunks: Option<&Chunks>, options: &StatsOptions) -> Result<Stats> {
    let mut progress = Progress::new(options.progress.clone());
    let found = find(tree, &mut progress)?;
    let indexes = found.dirs.iter().map(|dir| dir.indexes.len() as u64).sum();
    let mut counting = Counting {
        tree,
        files: chunks,
        indexes,
        read: 0,
        bytes: 0,
        chunks: ChunkSet::new()?,
        builder: StatsBuilder::new(found.groups, found.snapshots, &found.dirs, chunks.is_some())?,
        progress,
    };
    if let Some(chunks) = chunks {
        counting.look_at_files(chunks)?;
    }
    for dir in &found.dirs {
        counting.count_dir(dir)?;
    }
    counting.tick(PHASE_INDEXES, counting.read, indexes, counting.bytes)?;
    let mut stats = counting.builder.finish(counting.chunks.chunks())?;
    stats.complete = found.complete && stats.total.described.unreadable == 0;
    Ok(stats)
}

struct Counting<'a> {
    tree: &'a Tree,
    files: Option<&'a Chunks>,
    /// How many there are, how many have been read, and what they describe.
    indexes: u64,
    read: u64,
    bytes: u64,
    chunks: ChunkSet,
    builder: StatsBuilder,
    progress: Progress,
}

impl Counting<'_> {
    fn tick(&mut self, phase: u32, done: u64, total: u64, bytes: u64) -> Result<()> {
        self.progress.advance(Stage { phase, done, total, bytes })
    }

    /// Notes what is in `.chunks`.
    fn look_at_files(&mut self, chunks: &Chunks) -> Result<()> {
        let (mut files, mut bytes) = (0, 0_u64);
        for entry in chunks.iter()? {
            let entry = entry?;
            files += 1;
            bytes = bytes.saturating_add(entry.stored_size);
            if entry.bad.is_some() || entry.stored_size < BLOB_HEADER_SIZE as u64 {
                self.builder.add_broken(entry.stored_size);
            } else {
                let chunk = self.chunks.entry(&entry.digest)?;
                // In a store of both layouts two files may have it; the first is the one that is read.
                if chunk.stored == 0 {
                    chunk.stored = file_len(entry.stored_size);
                }
            }
            self.tick(PHASE_CHUNKS, files, 0, bytes)?;
        }
        Ok(())
    }

    fn count_dir(&mut self, dir: &IndexDir) -> Result<()> {
        self.builder.begin(dir);
        for name in &dir.indexes {
            self.tick(PHASE_INDEXES, self.read, self.indexes, self.bytes)?;
            self.read += 1;
            match read_index(self.tree, &joined(&dir.path, name.to_bytes())) {
                Ok(Some(index)) => self.count_index(&index)?,
                // Removed meanwhile.
                Ok(None) => {}
                Err(error) if may_be_left_out(&error) => {
                    self.builder.add_unreadable();
                    left_out(self.tree, &error)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn count_index(&mut self, index: &Index) -> Result<()> {
        self.builder.add_index(index);
        self.bytes = self.bytes.saturating_add(index.size());
        for i in 0..index.count() {
            if i % 4096 == 4095 {
                self.tick(PHASE_INDEXES, self.read, self.indexes, self.bytes)?;
            }
            let Some(info) = index.chunk(i) else { break };
            let chunk = self.chunks.entry(&info.digest)?;
            if chunk.last == set::NOBODY {
                // `read_index` has seen that it fits.
                chunk.size = u32::try_from(info.len()).unwrap_or(u32::MAX);
                // It may have come since the files were looked at.
                if let Some(files) = self.files.filter(|_| chunk.stored == 0) {
                    chunk.stored = files.has(&info.digest)?.map_or(0, file_len);
                }
            }
            self.builder.add_chunk(chunk);
        }
        Ok(())
    }
}

/// The length of a chunk's file. One that does not fit is longer than any chunk that can be read.
fn file_len(len: u64) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// Reads the index at `path`, below the store's directory; `None` if it is gone.
fn read_index(tree: &Tree, path: &[u8]) -> Result<Option<Index>> {
    let Some((file, len, kind)) = tree.open_index(path)? else { return Ok(None) };
    Index::read(file, len, &tree.base().path().join(OsStr::from_bytes(path)), Some(kind)).map(Some)
}
