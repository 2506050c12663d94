//! The common part of the writers of both kinds.

use super::{Body, DynamicWriter, FixedWriter, IndexKind};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::format::IndexHeader;
use crate::sys;

/// Header, count and size of the index that a writer has so far.
#[derive(Debug, Clone, Copy)]
pub struct Summary {
    /// The header as it would be written now.
    pub header: IndexHeader,
    /// How many chunks.
    pub count: u64,
    /// The end of the last chunk, 0 if there is none.
    pub size: u64,
}

/// A writer of either kind.
pub enum IndexWriter {
    /// Chunks of any size, in order.
    Dynamic(DynamicWriter),
    /// Chunks of one size, in any order.
    Fixed(FixedWriter),
}

impl IndexWriter {
    /// Which kind it makes.
    pub fn kind(&self) -> IndexKind {
        match self {
            IndexWriter::Dynamic(_) => IndexKind::Dynamic,
            IndexWriter::Fixed(_) => IndexKind::Fixed,
        }
    }

    /// Header, count and size so far.
    pub fn summary(&self) -> Summary {
        match self {
            IndexWriter::Dynamic(writer) => writer.summary(),
            IndexWriter::Fixed(writer) => writer.summary(),
        }
    }

    /// How many chunks it will have, if that is known.
    pub fn final_count(&self) -> Option<u64> {
        match self {
            IndexWriter::Fixed(writer) if !writer.grows() => Some(writer.count() as u64),
            IndexWriter::Fixed(_) | IndexWriter::Dynamic(_) => None,
        }
    }

    /// Whether it has the chunk that begins at `offset`, of those that can be given twice.
    pub fn has_chunk_at(&self, offset: u64) -> bool {
        match self {
            IndexWriter::Fixed(writer) => usize::try_from(offset / writer.chunk_size()).is_ok_and(|i| writer.has(i)),
            IndexWriter::Dynamic(_) => false,
        }
    }

    /// Adds the chunk that ends at `end`; a dynamic index gets its chunks in order.
    ///
    /// Errors: as [`DynamicWriter::add`] and [`FixedWriter::add_chunk`].
    pub fn add(&mut self, end: u64, digest: &Digest) -> Result<()> {
        match self {
            IndexWriter::Dynamic(writer) => writer.add(end, digest),
            IndexWriter::Fixed(writer) => writer.add_chunk(end, writer.len_up_to(end), digest),
        }
    }

    /// Adds the chunk of `len` bytes that ends at `end`; a dynamic index gets its chunks in order.
    ///
    /// Errors: as [`DynamicWriter::add`] and [`FixedWriter::add_chunk`].
    pub fn add_chunk(&mut self, end: u64, len: u64, digest: &Digest) -> Result<()> {
        match self {
            IndexWriter::Dynamic(writer) => writer.add(end, digest),
            IndexWriter::Fixed(writer) => writer.add_chunk(end, len, digest),
        }
    }

    /// Whether nothing is missing, and no entry was refused.
    ///
    /// Errors: `State`.
    pub fn check_good(&self) -> Result<()> {
        match self {
            IndexWriter::Dynamic(writer) => writer.check_good(),
            IndexWriter::Fixed(writer) => writer.check_complete(),
        }
    }

    /// Completes the index; see [`DynamicWriter::complete`] and [`FixedWriter::complete`].
    pub fn complete(&mut self) -> Result<Body<'_>> {
        match self {
            IndexWriter::Dynamic(writer) => writer.complete(),
            IndexWriter::Fixed(writer) => writer.complete(),
        }
    }
}

/// Whether a writer takes more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Open,
    Finished,
    /// An entry was refused: what follows it is not known.
    Failed,
}

impl State {
    /// Errors: `State` unless it is open.
    pub(super) fn check_open(self) -> Result<()> {
        match self {
            State::Finished => Err(Error::new(Kind::State, "the index is finished")),
            State::Open | State::Failed => self.check_good(),
        }
    }

    /// Errors: `State` if it has failed.
    pub(super) fn check_good(self) -> Result<()> {
        match self {
            State::Failed => Err(Error::new(Kind::State, "the index writer has failed before")),
            State::Open | State::Finished => Ok(()),
        }
    }
}

/// A random uuid, version 4.
pub(super) fn random_uuid() -> Result<[u8; 16]> {
    let mut uuid = sys::random::<16>()?;
    uuid[6] = uuid[6] & 0x0f | 0x40;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    Ok(uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_random_version_4() {
        let (a, b) = (random_uuid().unwrap(), random_uuid().unwrap());
        assert_ne!(a, b);
        assert_eq!((a[6] >> 4, a[8] >> 6), (4, 2));
    }
}
