//! The checks of an index's entries (docs/format.md, 6.4), a piece at a time: memory for the next piece is asked for
//! after the last one has been found good. A file that is one long hole costs no more than the first piece.

use super::IndexKind;
use crate::error::{Error, Kind, Result};
use crate::format::{DYNAMIC_ENTRY_SIZE, FIXED_ENTRY_SIZE, field};
use crate::limits::{BLOB_MAX_SIZE, INDEX_MAX_SIZE, INDEX_MAX_UNSET};

/// How far the entries of an index have been looked at.
pub(super) struct Check {
    kind: IndexKind,
    /// Entries so far.
    number: usize,
    /// Of a dynamic index: the end of the last one.
    end: u64,
    /// Of a fixed index: how many have no digest.
    unset: usize,
}

impl Check {
    pub(super) fn new(kind: IndexKind) -> Self {
        Check { kind, number: 0, end: 0, unset: 0 }
    }

    /// Bytes of an entry.
    pub(super) fn entry_size(&self) -> usize {
        match self.kind {
            IndexKind::Dynamic => DYNAMIC_ENTRY_SIZE,
            IndexKind::Fixed => FIXED_ENTRY_SIZE,
        }
    }

    /// The end of the last chunk of a dynamic index, so far.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Looks at the next entries, which are whole.
    ///
    /// Errors: `Format`; `Limit` for a chunk that is longer than a blob can be, and for too many that have no digest.
    pub(super) fn entries(&mut self, entries: &[u8]) -> Result<()> {
        for entry in entries.chunks_exact(self.entry_size()) {
            match self.kind {
                IndexKind::Dynamic => self.dynamic(entry)?,
                IndexKind::Fixed => self.fixed(entry)?,
            }
            self.number += 1;
        }
        Ok(())
    }

    fn dynamic(&mut self, entry: &[u8]) -> Result<()> {
        let (start, end) = (self.end, u64::from_le_bytes(field(entry, 0)));
        let refuse = |kind, message: String| Err(Error::new(kind, message).with_offset(start));
        if end < start || end > INDEX_MAX_SIZE {
            return refuse(Kind::Format, format!("chunk {} cannot reach from {start} to {end}", self.number));
        }
        if end - start > BLOB_MAX_SIZE as u64 {
            let len = end - start;
            return refuse(Kind::Limit, format!("chunk {} has {len} bytes, more than a chunk can have", self.number));
        }
        // Chunks of no bytes have a digest too.
        if end == 0 && is_unset(&entry[8..]) {
            return refuse(Kind::Format, format!("entry {} is nothing but zeros", self.number));
        }
        self.end = end;
        Ok(())
    }

    fn fixed(&mut self, entry: &[u8]) -> Result<()> {
        self.unset += usize::from(is_unset(entry));
        check_unset(self.unset)
    }
}

/// Whether a digest is the zeros of a position that was never set.
fn is_unset(digest: &[u8]) -> bool {
    digest.iter().all(|&byte| byte == 0)
}

/// Checks that so many chunks of a fixed index may be without a digest.
pub(super) fn check_unset(count: usize) -> Result<()> {
    if count > INDEX_MAX_UNSET {
        let message = format!("more than {INDEX_MAX_UNSET} chunks of the index have no digest");
        return Err(Error::new(Kind::Limit, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::super::Index;
    use super::*;
    use crate::format::{IndexHeader, MAGIC_DYNAMIC_INDEX, MAGIC_FIXED_INDEX};
    use crate::testing::Scratch;

    const MAX: u64 = BLOB_MAX_SIZE as u64;

    fn header(magic: [u8; 8], size: u64, chunk_size: u64) -> Vec<u8> {
        IndexHeader { magic, uuid: [0; 16], ctime: 0, csum: [0; 32], size, chunk_size }.to_bytes().to_vec()
    }

    /// A dynamic index of these ends, each with a digest of the byte `digest` alone.
    fn dynamic(ends: &[u64], digest: u8) -> Vec<u8> {
        let mut bytes = header(MAGIC_DYNAMIC_INDEX, 0, 0);
        ends.iter().for_each(|end| bytes.extend([&end.to_le_bytes()[..], &[digest; 32]].concat()));
        bytes
    }

    #[track_caller]
    fn assert_refused(bytes: &[u8], kind: Kind, offset: Option<u64>) {
        let error = Index::from_bytes(bytes, None).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (kind, offset), "{error}");
    }

    #[test]
    fn a_chunk_is_no_longer_than_a_blob() {
        for ends in [&[MAX][..], &[5, MAX + 5], &[MAX, 2 * MAX, 3 * MAX]] {
            assert_eq!(Index::from_bytes(&dynamic(ends, 1), None).unwrap().size(), *ends.last().unwrap());
        }
        assert_refused(&dynamic(&[MAX + 1], 1), Kind::Limit, Some(0));
        assert_refused(&dynamic(&[5, MAX + 6], 1), Kind::Limit, Some(5));
        assert_refused(&dynamic(&[i64::MAX as u64], 1), Kind::Limit, Some(0));
        assert_refused(&dynamic(&[1 << 63], 1), Kind::Format, Some(0));
        assert_refused(&dynamic(&[u64::MAX], 1), Kind::Format, Some(0));
        let fixed = |size, chunk_size| [header(MAGIC_FIXED_INDEX, size, chunk_size), vec![1; 32]].concat();
        assert_eq!(Index::from_bytes(&fixed(MAX, MAX), None).unwrap().size(), MAX);
        for chunk_size in [2 * MAX, 1 << 40, 1 << 63] {
            assert_refused(&fixed(1, chunk_size), Kind::Limit, None);
            assert_refused(&fixed(chunk_size - 1, chunk_size), Kind::Limit, None);
        }
        assert_refused(&fixed(1 << 63, 4096), Kind::Format, None);
        assert_refused(&fixed(i64::MAX as u64, 4096), Kind::Format, None);
        assert_refused(&fixed(1, MAX - 1), Kind::Format, None);
    }

    #[test]
    fn an_entry_of_zeros_is_none() {
        assert_refused(&dynamic(&[0], 0), Kind::Format, Some(0));
        assert_refused(&dynamic(&[0, 0], 0), Kind::Format, Some(0));
        // Chunks of no bytes, and a position that has no digest.
        assert_eq!(Index::from_bytes(&dynamic(&[0, 0, 7, 7], 1), None).unwrap().count(), 4);
        assert_eq!(Index::from_bytes(&dynamic(&[7], 0), None).unwrap().count(), 1);
    }

    /// A long file that is all hole is refused before its length costs anything.
    #[test]
    fn holes_are_not_read_to_their_end() {
        let scratch = Scratch::new();
        let path = scratch.path().join("index");
        let sparse = |start: &[u8], len: u64| {
            fs::write(&path, start).unwrap();
            File::options().write(true).open(&path).unwrap().set_len(len).unwrap();
            Index::open(&path, None).unwrap_err().kind()
        };
        let entries = (1 << 33) / 160;
        assert_eq!(sparse(&dynamic(&[], 0), 4096 + 40 * entries), Kind::Format);
        assert_eq!(sparse(&dynamic(&[9], 1), 4096 + 40 * entries), Kind::Format);
        assert_eq!(sparse(&dynamic(&[0], 1), 4096 + 40 * entries), Kind::Format);
        assert_eq!(sparse(&header(MAGIC_FIXED_INDEX, entries << 22, 4 << 20), 4096 + 32 * entries), Kind::Limit);
    }

    #[test]
    fn so_many_chunks_may_be_without_a_digest() {
        for (count, good) in [(INDEX_MAX_UNSET, true), (INDEX_MAX_UNSET + 1, false)] {
            let mut bytes = header(MAGIC_FIXED_INDEX, count as u64 + 1, 1);
            bytes.resize(4096 + 32 * count, 0);
            bytes.extend([1; 32]);
            assert_eq!(Index::from_bytes(&bytes, None).is_ok(), good);
            let mut writer = super::super::FixedWriter::new(0, None, count as u64, 1).unwrap().allow_incomplete();
            assert_eq!(writer.complete().and_then(|body| body.to_bytes(usize::MAX)).is_ok(), good);
        }
    }
}
