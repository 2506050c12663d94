//! Making dynamic indexes (docs/format.md, 6.6).

use super::body::{Body, Entries};
use super::spool::Spool;
use super::writer::{State, Summary, random_uuid};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::format::{DYNAMIC_ENTRY_SIZE, IndexHeader, MAGIC_DYNAMIC_INDEX};
use crate::hash::Hasher;
use crate::limits::{BLOB_MAX_SIZE, INDEX_MAX_SIZE};
use crate::sys::Dir;

/// A dynamic index in the making.
///
/// Its entries are in memory, 40 bytes each; given a directory they move to a nameless file there beyond 1 MiB.
pub struct DynamicWriter {
    uuid: [u8; 16],
    ctime: i64,
    hasher: Hasher,
    entries: Spool,
    spill: Option<Dir>,
    size: u64,
    state: State,
}

impl DynamicWriter {
    /// An empty index of the creation time `ctime`, with a random uuid unless one is given.
    pub fn new(ctime: i64, uuid: Option<[u8; 16]>) -> Result<Self> {
        let uuid = uuid.map_or_else(random_uuid, Ok)?;
        Ok(DynamicWriter {
            uuid,
            ctime,
            hasher: Hasher::new(),
            entries: Spool::default(),
            spill: None,
            size: 0,
            state: State::Open,
        })
    }

    /// Keeps no more than 1 MiB of entries in memory, and the others below `dir`.
    #[must_use]
    pub fn spill_into(mut self, dir: Dir) -> Self {
        self.spill = Some(dir);
        self
    }

    /// Appends the chunk `digest`, which reaches from the end of the one before to `end`.
    ///
    /// Errors: `Argument` if it would be empty, longer than a blob can be, or beyond 2^63 − 1, after which the writer
    /// can only be freed; `State` after that, or when the index is finished.
    pub fn add(&mut self, end: u64, digest: &Digest) -> Result<()> {
        self.state.check_open()?;
        // A failure below leaves the writer failed.
        self.state = State::Failed;
        if end <= self.size || end > INDEX_MAX_SIZE || end - self.size > BLOB_MAX_SIZE as u64 {
            return Err(Error::new(Kind::Argument, format!("a chunk cannot reach from {} to {end}", self.size))
                .with_offset(self.size)
                .with_digest(digest));
        }
        let mut entry = [0; DYNAMIC_ENTRY_SIZE];
        entry[..8].copy_from_slice(&end.to_le_bytes());
        entry[8..].copy_from_slice(&digest.0);
        self.entries.append(&entry, self.spill.as_ref())?;
        self.hasher.update(&entry);
        self.size = end;
        self.state = State::Open;
        Ok(())
    }

    /// Header, count and size so far.
    pub fn summary(&self) -> Summary {
        let header = IndexHeader {
            magic: MAGIC_DYNAMIC_INDEX,
            uuid: self.uuid,
            ctime: self.ctime,
            csum: self.hasher.digest().0,
            size: 0,
            chunk_size: 0,
        };
        Summary { header, count: self.entries.len() / DYNAMIC_ENTRY_SIZE as u64, size: self.size }
    }

    /// Errors: `State` after a refused entry.
    pub(super) fn check_good(&self) -> Result<()> {
        self.state.check_good()
    }

    /// Completes the index: nothing can be added any more.
    ///
    /// Errors: `State` after a refused entry.
    pub fn complete(&mut self) -> Result<Body<'_>> {
        self.check_good()?;
        self.state = State::Finished;
        Ok(Body { header: self.summary().header, entries: Entries::Spooled(&mut self.entries) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Index, IndexKind};
    use super::*;
    use crate::hash::sha256;
    use crate::sys::Output;
    use crate::testing::Scratch;

    fn bytes(writer: &mut DynamicWriter, max_len: usize) -> Result<Vec<u8>> {
        writer.complete()?.to_bytes(max_len)
    }

    #[test]
    fn known_index() {
        let mut writer = DynamicWriter::new(5, Some([9; 16])).unwrap();
        writer.add(5, &sha256(b"hello")).unwrap();
        writer.add(12, &sha256(b"world!!")).unwrap();
        let whole = bytes(&mut writer, 1 << 20).unwrap();
        assert_eq!(whole.len(), 4176);
        assert_eq!(bytes(&mut writer, 4176).unwrap(), whole);
        assert_eq!(bytes(&mut writer, 4175).unwrap_err().kind(), Kind::Limit);
        let index = Index::from_bytes(&whole, Some(IndexKind::Dynamic)).unwrap();
        let csum = "bbc3dca27d4d3ebf516639d842a4d3969dbeb99d3b374f0527d8ef6537cbef25";
        assert_eq!(index.compute_csum().to_string(), csum);
        index.check_csum().unwrap();
        assert_eq!((index.size(), index.count(), index.header().ctime), (12, 2, 5));
        assert_eq!(index.header().uuid, [9; 16]);
        assert_eq!(writer.add(13, &sha256(b"")).unwrap_err().kind(), Kind::State);
    }

    #[test]
    fn entries_that_do_not_ascend_are_refused_for_good() {
        for end in [0, 4, 5, 1 << 63] {
            let mut writer = DynamicWriter::new(0, None).unwrap();
            writer.add(5, &sha256(b"")).unwrap();
            assert_eq!(writer.add(end, &sha256(b"")).unwrap_err().kind(), Kind::Argument);
            assert_eq!(writer.add(6, &sha256(b"")).unwrap_err().kind(), Kind::State);
            assert_eq!(bytes(&mut writer, usize::MAX).unwrap_err().kind(), Kind::State);
        }
    }

    #[test]
    fn spilling_changes_nothing() {
        let scratch = Scratch::new();
        let spilled = DynamicWriter::new(1, Some([1; 16])).unwrap();
        let mut spilled = spilled.spill_into(Dir::open(scratch.path()).unwrap());
        let mut kept = DynamicWriter::new(1, Some([1; 16])).unwrap();
        for i in 1..100_000_u64 {
            let digest = sha256(&i.to_le_bytes());
            spilled.add(i * 3, &digest).unwrap();
            kept.add(i * 3, &digest).unwrap();
        }
        let expected = bytes(&mut kept, usize::MAX).unwrap();
        assert!(spilled.entries.spilled_len() > 2 << 20);
        assert_eq!(bytes(&mut spilled, usize::MAX).unwrap(), expected);
        let path = scratch.path().join("x.didx");
        for sync in [true, false] {
            spilled.complete().unwrap().save(&Output::at(&path).unwrap(), sync, None).unwrap();
        }
        assert_eq!(std::fs::read(&path).unwrap(), expected);
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 1);
    }
}
