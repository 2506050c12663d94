//! Making fixed indexes (docs/format.md, 6.6).

use std::ffi::CStr;
use std::path::Path;

use super::writer::{Summary, TEMP_MODE, random_uuid, write_file};
use super::{FixedIndex, fixed};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result, reserve};
use crate::format::{FIXED_ENTRY_SIZE, INDEX_HEADER_SIZE, IndexHeader, MAGIC_FIXED_INDEX};
use crate::hash::sha256;
use crate::limits::INDEX_MAX_FILE_SIZE;
use crate::sys::{Dir, Output, Owner, TempFile};

/// A fixed index in the making: its digests are set in any order, the last one for a position counts.
///
/// It takes 33 bytes of memory a chunk from the start.
pub struct FixedWriter {
    uuid: [u8; 16],
    ctime: i64,
    size: u64,
    chunk_size: u64,
    digests: Vec<u8>,
    /// Which positions have a digest: one byte each, 0 or 1.
    set: Vec<u8>,
    allow_incomplete: bool,
    finished: bool,
}

impl FixedWriter {
    /// An index of an image of `size` bytes in chunks of `chunk_size`, a power of two, without digests yet; with a random
    /// uuid unless one is given.
    ///
    /// Errors: `Argument`; `Limit` if it would be too long; `NoMemory`.
    pub fn new(ctime: i64, uuid: Option<[u8; 16]>, size: u64, chunk_size: u64) -> Result<Self> {
        fixed::check_sizes(size, chunk_size).map_err(|error| error.with_kind(Kind::Argument))?;
        let count = size.div_ceil(chunk_size);
        let room = (INDEX_MAX_FILE_SIZE - INDEX_HEADER_SIZE as u64) / FIXED_ENTRY_SIZE as u64;
        let count = usize::try_from(count)
            .ok()
            .filter(|&count| count as u64 <= room)
            .ok_or_else(|| Error::new(Kind::Limit, format!("{count} chunks are more than an index may have")))?;
        let zeros = |len: usize| {
            let mut bytes = Vec::new();
            reserve(&mut bytes, len)?;
            bytes.resize(len, 0);
            Ok(bytes)
        };
        let uuid = uuid.map_or_else(random_uuid, Ok)?;
        let (digests, set) = (zeros(count * FIXED_ENTRY_SIZE)?, zeros(count)?);
        Ok(FixedWriter { uuid, ctime, size, chunk_size, digests, set, allow_incomplete: false, finished: false })
    }

    /// Accepts positions without a digest when it is finished; they stay zeros, which name no chunk.
    #[must_use]
    pub fn allow_incomplete(mut self) -> Self {
        self.allow_incomplete = true;
        self
    }

    /// How many chunks.
    pub fn count(&self) -> usize {
        self.set.len()
    }

    /// Sets the digest of chunk `i`.
    ///
    /// Errors: `Argument` if there is no such chunk; `State` when the index is finished.
    pub fn set(&mut self, i: usize, digest: &Digest) -> Result<()> {
        if self.finished {
            return Err(Error::new(Kind::State, "the index is finished"));
        }
        let count = self.count();
        let Some(set) = self.set.get_mut(i) else {
            let message = format!("there is no chunk {i} in an index of {count}");
            return Err(Error::new(Kind::Argument, message).with_digest(digest));
        };
        *set = 1;
        self.digests[i * FIXED_ENTRY_SIZE..][..FIXED_ENTRY_SIZE].copy_from_slice(&digest.0);
        Ok(())
    }

    /// Sets the digest of the chunk of `len` bytes that ends at `end`.
    ///
    /// Errors: `Argument` unless that is a chunk of this index; `State` when the index is finished.
    pub fn add_chunk(&mut self, end: u64, len: u64, digest: &Digest) -> Result<()> {
        let i = self.position(end, len).map_err(|error| error.with_offset(end).with_digest(digest))?;
        self.set(i, digest)
    }

    fn position(&self, end: u64, len: u64) -> Result<usize> {
        let (size, chunk_size) = (self.size, self.chunk_size);
        let fits = len <= end && end <= size && (1..=chunk_size).contains(&len) && (len == chunk_size || end == size);
        let start = end.saturating_sub(len);
        if !fits || !start.is_multiple_of(chunk_size) {
            let message = format!("{len} bytes up to {end} are no chunk of {size} bytes in chunks of {chunk_size}");
            return Err(Error::new(Kind::Argument, message));
        }
        usize::try_from(start / chunk_size).map_err(|_| Error::new(Kind::Internal, "a position beyond memory"))
    }

    /// Takes the digests of an earlier index, as many as both have; what has changed since is set after that.
    ///
    /// Errors: `Argument` if its chunks have another size; `State` when the index is finished.
    pub fn clone_index(&mut self, earlier: &FixedIndex) -> Result<()> {
        let theirs = earlier.header().chunk_size;
        if theirs != self.chunk_size {
            let message = format!("an index in chunks of {theirs} cannot start one in chunks of {}", self.chunk_size);
            return Err(Error::new(Kind::Argument, message));
        }
        // The last chunk of the shorter image may be short there and whole here, or the reverse: then it is another.
        let whole = earlier.size().min(self.size) / theirs;
        let same_end = usize::from(earlier.size() == self.size && !self.size.is_multiple_of(theirs));
        let shared = usize::try_from(whole).unwrap_or(usize::MAX).saturating_add(same_end);
        for i in 0..shared.min(self.count()) {
            if let Some(chunk) = earlier.chunk(i) {
                self.set(i, &chunk.digest)?;
            }
        }
        Ok(())
    }

    /// What there is so far.
    pub fn summary(&self) -> Summary {
        let header = IndexHeader {
            magic: MAGIC_FIXED_INDEX,
            uuid: self.uuid,
            ctime: self.ctime,
            csum: sha256(&self.digests).0,
            size: self.size,
            chunk_size: self.chunk_size,
        };
        Summary { header, count: self.count() as u64, size: self.size }
    }

    /// Completes the index and gives the bytes of its file, the same at every call.
    ///
    /// Errors: `State` if a digest is missing; `Limit` above `max_len` bytes; `NoMemory`.
    pub fn finish(&mut self, max_len: usize) -> Result<Vec<u8>> {
        self.complete()?;
        let len = INDEX_HEADER_SIZE + self.digests.len();
        if len > max_len {
            return Err(Error::new(Kind::Limit, format!("the index has {len} bytes, more than {max_len}")));
        }
        let mut bytes = Vec::new();
        reserve(&mut bytes, len)?;
        bytes.extend_from_slice(&self.summary().header.to_bytes());
        bytes.extend_from_slice(&self.digests);
        Ok(bytes)
    }

    /// Completes the index and writes it to `path`, whole or not at all; see [`super::DynamicWriter::save`].
    pub fn save(&mut self, path: &Path, sync: bool) -> Result<()> {
        self.save_to(&Output::at(path)?, sync, None)
    }

    /// As [`FixedWriter::save`], into a file of this owner if one is given.
    pub fn save_to(&mut self, output: &Output, sync: bool, owner: Option<Owner>) -> Result<()> {
        self.complete()?;
        write_file(output.replace(TEMP_MODE)?, sync, owner, &self.summary().header, |file| file.write(&self.digests))
    }

    /// Completes the index and writes it to `name` in `dir`, whole or not at all, replacing what is there.
    pub fn save_in(&mut self, dir: &Dir, name: &CStr, sync: bool, owner: Option<Owner>) -> Result<()> {
        self.complete()?;
        let file = TempFile::create(dir, name, TEMP_MODE)?;
        write_file(file, sync, owner, &self.summary().header, |file| file.write(&self.digests))
    }

    fn complete(&mut self) -> Result<()> {
        if let Some(missing) = self.set.iter().position(|&set| set == 0).filter(|_| !self.allow_incomplete) {
            let message = format!("the index is incomplete: chunk {missing} of {} has no digest", self.count());
            return Err(Error::new(Kind::State, message).with_offset(missing as u64 * self.chunk_size));
        }
        self.finished = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Index;
    use super::*;

    fn fixed(bytes: &[u8]) -> FixedIndex {
        match Index::from_bytes(bytes, None).unwrap() {
            Index::Fixed(index) => index,
            Index::Dynamic(_) => panic!("a dynamic index"),
        }
    }

    #[test]
    fn known_index_in_any_order() {
        let mut writer = FixedWriter::new(7, Some([3; 16]), 12, 8).unwrap();
        writer.add_chunk(12, 4, &sha256(b"first try")).unwrap();
        writer.set(0, &sha256(b"hello")).unwrap();
        writer.set(1, &sha256(b"world!!")).unwrap();
        let bytes = writer.finish(4160).unwrap();
        assert_eq!(writer.finish(4160).unwrap(), bytes);
        assert_eq!(writer.finish(4159).unwrap_err().kind(), Kind::Limit);
        let index = fixed(&bytes);
        let csum = "6647ff6802e1dfd40b01ef14b41e8368dcc1ed2a7ab4cbe61015f722ceb0fe0f";
        assert_eq!(index.compute_csum().to_string(), csum);
        assert_eq!((index.size(), index.count()), (12, 2));
        assert_eq!(writer.set(0, &sha256(b"")).unwrap_err().kind(), Kind::State);
    }

    #[test]
    fn missing_digests_are_refused_unless_allowed() {
        let mut writer = FixedWriter::new(0, None, 20, 8).unwrap();
        writer.set(0, &sha256(b"")).unwrap();
        let error = writer.finish(usize::MAX).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (Kind::State, Some(8)));
        writer.set(1, &sha256(b"")).unwrap();
        assert_eq!(writer.set(3, &sha256(b"")).unwrap_err().kind(), Kind::Argument);
        let mut writer = writer.allow_incomplete();
        assert_eq!(fixed(&writer.finish(usize::MAX).unwrap()).chunk(2).unwrap().digest, Digest([0; 32]));
    }

    #[test]
    fn sizes_are_checked() {
        for (size, chunk_size, kind) in [
            (1, 0, Kind::Argument),
            (1, 3, Kind::Argument),
            (1 << 63, 1 << 22, Kind::Argument),
            (i64::MAX as u64, 1, Kind::Limit),
        ] {
            assert_eq!(FixedWriter::new(0, None, size, chunk_size).err().unwrap().kind(), kind, "{size}/{chunk_size}");
        }
        assert_eq!(FixedWriter::new(0, None, 0, 4096).unwrap().finish(usize::MAX).unwrap().len(), 4096);
    }

    #[test]
    fn an_earlier_index_gives_what_is_the_same_chunk() {
        let write = |size: u64| {
            let mut writer = FixedWriter::new(0, None, size, 8).unwrap();
            for i in 0..writer.count() {
                writer.set(i, &sha256(&[i as u8])).unwrap();
            }
            fixed(&writer.finish(usize::MAX).unwrap())
        };
        // Sizes of the earlier and of the later one, and how many chunks they share.
        for (earlier, later, shared) in [(20, 20, 3), (20, 24, 2), (24, 20, 2), (24, 24, 3), (8, 40, 1), (7, 40, 0)] {
            let mut writer = FixedWriter::new(0, None, later, 8).unwrap();
            writer.clone_index(&write(earlier)).unwrap();
            assert_eq!(writer.set.iter().filter(|&&set| set == 1).count(), shared, "{earlier}, {later}");
        }
        let mut other = FixedWriter::new(0, None, 20, 16).unwrap();
        assert_eq!(other.clone_index(&write(20)).unwrap_err().kind(), Kind::Argument);
    }
}
