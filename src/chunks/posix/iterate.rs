//! Going through all chunks of a store (docs/format.md, 5.3).

use std::vec;

use super::Chunks;
use super::layout::{DirName, Layout, parse_file_name};
use crate::digest::{DIGEST_SIZE, Digest};
use crate::error::{Result, push};
use crate::sys::{Dir, DirNames, FileKind};

/// One file of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkEntry {
    /// The chunk's name.
    pub digest: Digest,
    /// The number of a bad copy; `None` for a chunk.
    pub bad: Option<u8>,
    /// Length of the file.
    pub stored_size: u64,
    /// Time of the last access, in seconds since 1970.
    pub atime: i64,
}

/// Which directory of chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkDirId {
    pub(super) layout: Layout,
    number: u32,
}

impl ChunkDirId {
    pub(super) fn name(self) -> DirName {
        self.layout.dir_name(self.number)
    }

    /// The first and the last digest that belong here.
    pub fn bounds(self) -> (Digest, Digest) {
        let number = (self.number << (16 - 4 * self.layout.digits())).to_be_bytes();
        let (mut first, mut last) = (Digest([0; DIGEST_SIZE]), Digest([0xff; DIGEST_SIZE]));
        let bytes = self.layout.digits() / 2;
        first.0[..bytes].copy_from_slice(&number[2..2 + bytes]);
        last.0[..bytes].copy_from_slice(&number[2..2 + bytes]);
        (first, last)
    }

    /// Whether a search for the chunk `digest` looks here.
    pub(super) fn is_of(self, digest: &Digest) -> bool {
        let bytes = self.layout.digits() / 2;
        digest.0[..bytes] == self.bounds().0.0[..bytes]
    }
}

/// The chunks of a store and their bad copies, directory by directory.
///
/// Chunks that come or go meanwhile are seen or not; none is seen half-written. An error ends it.
pub struct ChunkIter {
    chunks: Chunks,
    dirs: vec::IntoIter<ChunkDirId>,
    current: Option<(Dir, DirNames, ChunkDirId)>,
    ended: bool,
}

impl Chunks {
    /// Starts going through all chunks.
    pub fn iter(&self) -> Result<ChunkIter> {
        Ok(ChunkIter { chunks: self.clone(), dirs: self.chunk_dirs()?.into_iter(), current: None, ended: false })
    }

    /// The directories of chunks that there are, in their order.
    pub fn chunk_dirs(&self) -> Result<Vec<ChunkDirId>> {
        let mut dirs = Vec::new();
        for layout in self.layouts() {
            let mut numbers = Vec::new();
            for name in self.dir().names()? {
                if let Some(number) = layout.dir_number(name?.to_bytes()) {
                    push(&mut numbers, number)?;
                }
            }
            numbers.sort_unstable();
            for number in numbers {
                push(&mut dirs, ChunkDirId { layout, number })?;
            }
        }
        Ok(dirs)
    }
}

impl ChunkIter {
    fn step(&mut self) -> Result<Option<ChunkEntry>> {
        loop {
            if let Some((dir, names, id)) = &mut self.current {
                for name in names {
                    let name = name?;
                    let Some((digest, bad)) = parse_file_name(name.to_bytes()) else { continue };
                    // A chunk in the wrong directory cannot be found by its name, so it does not count.
                    if !id.is_of(&digest) {
                        continue;
                    }
                    // Gone meanwhile, or no file.
                    let Some(stat) = dir.lstat(&name)?.filter(|stat| stat.kind == FileKind::File) else { continue };
                    return Ok(Some(ChunkEntry { digest, bad, stored_size: stat.size, atime: stat.atime }));
                }
            }
            self.current = None;
            let Some(id) = self.dirs.next() else { return Ok(None) };
            let dir = self.chunks.dir().open_dir(id.name().as_c_str())?;
            if let Some(dir) = dir {
                let names = dir.names()?;
                self.current = Some((dir, names, id));
            }
        }
    }
}

impl Iterator for ChunkIter {
    type Item = Result<ChunkEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let entry = self.step().transpose();
        self.ended = !matches!(entry, Some(Ok(_)));
        entry
    }
}
