//! The chunks that have been met, each once.

use std::hash::BuildHasher;

use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::sys::HashSeed;

/// No snapshot.
pub(super) const NOBODY: u32 = u32::MAX;

/// How many snapshots have a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Users {
    /// One snapshot at most.
    One,
    /// Several snapshots of one group.
    Snapshots,
    /// Several groups.
    Groups,
}

/// The counts of a chunk. Its 60 bytes are most of the memory that statistics need.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk {
    pub(super) digest: Digest,
    /// Bytes of its data, by the first index that has it.
    pub(super) size: u32,
    /// Bytes of its file; 0 if it is missing, or was not looked at. A file that is too long for this cannot be read as
    /// a chunk.
    pub(super) stored: u32,
    /// The snapshot that had it first, by time; [`NOBODY`] if no index has it.
    pub(super) first: u32,
    /// The snapshot that was seen to have it last.
    pub(super) last: u32,
    /// Which of the groups of the matrix have it: a bit each, of 64.
    pub(super) groups: [u32; 2],
    pub(super) users: Users,
}

/// Chunks by their digests: a list, and a table of places in it that is never more than three quarters full.
pub(super) struct ChunkSet {
    chunks: Vec<Chunk>,
    /// Places in the list, counted from 1; 0 is free. As many as a power of two.
    table: Vec<u32>,
    /// Digests come from files that anybody may have written: where they go must not be foreseen.
    hasher: HashSeed,
    /// The place behind the chunk that was asked for last. Indexes that have much in common name it in the same order.
    next: usize,
}

impl ChunkSet {
    pub(super) fn new() -> Result<Self> {
        Ok(ChunkSet { chunks: Vec::new(), table: Vec::new(), hasher: HashSeed::new()?, next: 0 })
    }

    pub(super) fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// The chunk of this name; a new one without users if it was not there.
    ///
    /// Errors: `NoMemory`; `Limit` for more chunks than 32 bits count.
    pub(super) fn entry(&mut self, digest: &Digest) -> Result<&mut Chunk> {
        if self.chunks.get(self.next).is_some_and(|chunk| chunk.digest == *digest) {
            self.next += 1;
            return Ok(&mut self.chunks[self.next - 1]);
        }
        if self.chunks.len() >= self.table.len() / 4 * 3 {
            self.grow()?;
        }
        let at = self.place(digest);
        if self.table[at] == 0 {
            if self.chunks.len() == self.chunks.capacity() {
                reserve_more(&mut self.chunks)?;
            }
            self.chunks.push(Chunk {
                digest: *digest,
                size: 0,
                stored: 0,
                first: NOBODY,
                last: NOBODY,
                groups: [0; 2],
                users: Users::One,
            });
            self.table[at] = number(self.chunks.len())?;
        }
        let number = self.table[at] as usize;
        self.next = number;
        Ok(&mut self.chunks[number - 1])
    }

    /// Where the table has the chunk, or would have it.
    fn place(&self, digest: &Digest) -> usize {
        let mask = self.table.len() - 1;
        let mut at = self.hasher.hash_one(digest) as usize & mask;
        while let Some(before) = (self.table[at] as usize).checked_sub(1)
            && self.chunks[before].digest != *digest
        {
            at = (at + 1) & mask;
        }
        at
    }

    fn grow(&mut self) -> Result<()> {
        let len = (self.table.len() * 2).max(1024);
        let mut table = Vec::new();
        table.try_reserve_exact(len).map_err(|_| no_memory(len * size_of::<u32>()))?;
        table.resize(len, 0);
        self.table = table;
        for i in 0..self.chunks.len() {
            let at = self.place(&self.chunks[i].digest);
            self.table[at] = number(i + 1)?;
        }
        Ok(())
    }
}

fn reserve_more(chunks: &mut Vec<Chunk>) -> Result<()> {
    let more = chunks.len().max(1024);
    chunks.try_reserve_exact(more).map_err(|_| no_memory(more * size_of::<Chunk>()))
}

fn no_memory(bytes: usize) -> Error {
    Error::new(Kind::NoMemory, format!("cannot allocate {bytes} bytes"))
}

fn number(count: usize) -> Result<u32> {
    let number = u32::try_from(count).ok().filter(|&number| number < NOBODY);
    number.ok_or_else(|| Error::new(Kind::Limit, format!("{count} chunks are more than statistics can count")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha256;

    #[test]
    fn each_chunk_is_there_once() {
        let mut set = ChunkSet::new().unwrap();
        let digests: Vec<_> = (0..5000_u32).map(|i| sha256(&i.to_le_bytes())).collect();
        // In the order in which they came, in steps, and the same one again and again.
        for (round, step) in [1, 1, 7, 0].into_iter().enumerate() {
            for i in (0..digests.len()).map(|i| i * step % digests.len()) {
                let chunk = set.entry(&digests[i]).unwrap();
                assert_eq!((chunk.digest, chunk.size as usize), (digests[i], if round == 0 { 0 } else { i + 1 }));
                chunk.size = i as u32 + 1;
            }
        }
        assert!(set.chunks().iter().map(|chunk| chunk.digest).eq(digests));
        assert!(set.table.len() * 3 >= set.chunks().len() * 4 && set.table.len() <= 4 * set.chunks().len());
    }

    #[test]
    fn a_chunk_takes_60_bytes() {
        assert_eq!(size_of::<Chunk>(), 60);
    }

    #[test]
    fn there_is_an_end_to_counting() {
        assert_eq!(number(u32::MAX as usize - 1).unwrap(), u32::MAX - 1);
        assert_eq!(number(u32::MAX as usize).unwrap_err().kind(), Kind::Limit);
    }
}
