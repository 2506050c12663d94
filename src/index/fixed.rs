//! Fixed indexes (docs/format.md, 6.3).

use std::sync::OnceLock;

use super::{ChunkInfo, Terms};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::format::{FIXED_ENTRY_SIZE, IndexHeader, field};
use crate::hash::sha256;
use crate::limits::{BLOB_MAX_SIZE, INDEX_MAX_SIZE};
use crate::sys::FileId;

/// A fixed index: every chunk but the last has the same size.
#[derive(Debug)]
pub struct FixedIndex {
    header: IndexHeader,
    /// As on disk; as many as the header's sizes ask for.
    digests: Vec<u8>,
    /// The hash of the digests, once it has been asked for.
    csum: OnceLock<Digest>,
    /// The file that it was read from, if there was one.
    pub(super) file: Option<FileId>,
    pub(super) terms: Terms,
}

/// Checks that an image of `size` bytes can be in chunks of `chunk_size`.
pub(super) fn check_sizes(size: u64, chunk_size: u64) -> Result<()> {
    if !chunk_size.is_power_of_two() {
        return Err(Error::new(Kind::Format, format!("a chunk size of {chunk_size} is no power of two")));
    }
    if chunk_size > BLOB_MAX_SIZE as u64 {
        let message = format!("chunks of {chunk_size} bytes are longer than a chunk can be");
        return Err(Error::new(Kind::Limit, message));
    }
    if size > INDEX_MAX_SIZE {
        return Err(Error::new(Kind::Format, format!("an image of {size} bytes is too large")));
    }
    Ok(())
}

/// Checks the sizes in the header, and that so many bytes of digests are what they ask for.
pub(super) fn check_header(header: &IndexHeader, len: usize) -> Result<()> {
    let &IndexHeader { size, chunk_size, .. } = header;
    check_sizes(size, chunk_size)?;
    // The size is below 2^63, and a digest takes 2^5 bytes: compared as 128 bits, nothing can overflow.
    let wanted = u128::from(size.div_ceil(chunk_size)) * FIXED_ENTRY_SIZE as u128;
    if len as u128 != wanted {
        let message = format!("{len} bytes of digests where {size} bytes in chunks of {chunk_size} need {wanted}");
        return Err(Error::new(Kind::Format, message));
    }
    Ok(())
}

impl FixedIndex {
    /// An index whose header has been checked against its digests.
    pub(super) fn new(header: IndexHeader, digests: Vec<u8>) -> Self {
        FixedIndex { header, digests, csum: OnceLock::new(), file: None, terms: Terms::default() }
    }

    /// The fields of the header as they are stored.
    pub fn header(&self) -> &IndexHeader {
        &self.header
    }

    /// How many chunks.
    pub fn count(&self) -> usize {
        self.digests.len() / FIXED_ENTRY_SIZE
    }

    /// Bytes of the image.
    pub fn size(&self) -> u64 {
        self.header.size
    }

    /// Chunk `i`, if there is one.
    pub fn chunk(&self, i: usize) -> Option<ChunkInfo> {
        (i < self.count()).then(|| {
            let start = i as u64 * self.header.chunk_size;
            ChunkInfo {
                start,
                end: start.saturating_add(self.header.chunk_size).min(self.header.size),
                digest: Digest(field(&self.digests, i * FIXED_ENTRY_SIZE)),
            }
        })
    }

    /// The chunk that holds `offset`, and where in it.
    pub fn chunk_from_offset(&self, offset: u64) -> Option<(usize, u64)> {
        let i = usize::try_from(offset / self.header.chunk_size).ok()?;
        (offset < self.header.size).then_some((i, offset % self.header.chunk_size))
    }

    /// The hash of the digests.
    pub fn compute_csum(&self) -> Digest {
        *self.csum.get_or_init(|| sha256(&self.digests))
    }
}
