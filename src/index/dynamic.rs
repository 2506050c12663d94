//! Dynamic indexes (docs/format.md, 6.2).

use std::sync::OnceLock;

use super::{ChunkInfo, Terms};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::format::{DYNAMIC_ENTRY_SIZE, IndexHeader, field};
use crate::hash::sha256;
use crate::sys::FileId;

/// A dynamic index: each entry has the end of its chunk.
#[derive(Debug)]
pub struct DynamicIndex {
    header: IndexHeader,
    /// As on disk; the ends have been checked.
    entries: Vec<u8>,
    /// The hash of the entries, once it has been asked for.
    csum: OnceLock<Digest>,
    /// The file that it was read from, if there was one.
    pub(super) file: Option<FileId>,
    pub(super) terms: Terms,
}

/// Checks that so many bytes of entries are whole entries.
pub(super) fn check_len(len: usize) -> Result<()> {
    if !len.is_multiple_of(DYNAMIC_ENTRY_SIZE) {
        let message = format!("{len} bytes of entries are no multiple of {DYNAMIC_ENTRY_SIZE}");
        return Err(Error::new(Kind::Format, message));
    }
    Ok(())
}

impl DynamicIndex {
    /// An index whose entries have been checked.
    pub(super) fn new(header: IndexHeader, entries: Vec<u8>) -> Self {
        DynamicIndex { header, entries, csum: OnceLock::new(), file: None, terms: Terms::default() }
    }

    /// The fields of the header as they are stored.
    pub fn header(&self) -> &IndexHeader {
        &self.header
    }

    /// How many chunks.
    pub fn count(&self) -> usize {
        self.entries.len() / DYNAMIC_ENTRY_SIZE
    }

    /// The end of the last chunk, 0 if there is none.
    pub fn size(&self) -> u64 {
        self.count().checked_sub(1).map_or(0, |last| self.end(last))
    }

    /// The end of chunk `i`, which exists.
    fn end(&self, i: usize) -> u64 {
        u64::from_le_bytes(field(&self.entries, i * DYNAMIC_ENTRY_SIZE))
    }

    /// Chunk `i`, if there is one.
    pub fn chunk(&self, i: usize) -> Option<ChunkInfo> {
        (i < self.count()).then(|| ChunkInfo {
            start: i.checked_sub(1).map_or(0, |before| self.end(before)),
            end: self.end(i),
            digest: Digest(field(&self.entries, i * DYNAMIC_ENTRY_SIZE + 8)),
        })
    }

    /// The first chunk that ends behind `offset`, and where in it `offset` is.
    pub fn chunk_from_offset(&self, offset: u64) -> Option<(usize, u64)> {
        let (mut from, mut to) = (0, self.count());
        while from < to {
            let middle = from + (to - from) / 2;
            if self.end(middle) > offset { to = middle } else { from = middle + 1 }
        }
        let chunk = self.chunk(from)?;
        Some((from, offset - chunk.start))
    }

    /// The hash of the entries.
    pub fn compute_csum(&self) -> Digest {
        *self.csum.get_or_init(|| sha256(&self.entries))
    }
}
