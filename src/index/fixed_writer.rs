//! Making fixed indexes (docs/format.md, 6.6).

use super::body::{Body, Entries};
use super::check::check_unset;
use super::writer::{State, Summary, random_uuid};
use super::{FixedIndex, fixed};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::format::{FIXED_ENTRY_SIZE, INDEX_HEADER_SIZE, IndexHeader, MAGIC_FIXED_INDEX};
use crate::hash::sha256;
use crate::limits::{INDEX_MAX_FILE_SIZE, INDEX_MAX_SIZE};

/// A fixed index in the making: its digests are set in any order, the last one for a position counts.
///
/// It takes 33 bytes of memory a chunk: from the start, or up to twice that as it grows.
pub struct FixedWriter {
    uuid: [u8; 16],
    ctime: i64,
    size: u64,
    /// The size follows the chunks that are added.
    grows: bool,
    chunk_size: u64,
    digests: Vec<u8>,
    /// Which positions have a digest: one byte each, 0 or 1.
    set: Vec<u8>,
    allow_incomplete: bool,
    state: State,
}

impl FixedWriter {
    /// An index of an image of `size` bytes in chunks of `chunk_size`, a power of two, without digests yet; with a
    /// random uuid unless one is given.
    ///
    /// Errors: `Argument`; `Limit` if it would be too long; `NoMemory`.
    pub fn new(ctime: i64, uuid: Option<[u8; 16]>, size: u64, chunk_size: u64) -> Result<Self> {
        let mut writer = Self::growing(ctime, uuid, chunk_size)?;
        writer.end_at(size)?;
        Ok(writer)
    }

    /// An index of an image whose size is not known: it grows to the end of each chunk that
    /// [`FixedWriter::add_chunk`] adds, until one that is short ends it.
    ///
    /// Errors: `Argument`.
    pub fn growing(ctime: i64, uuid: Option<[u8; 16]>, chunk_size: u64) -> Result<Self> {
        fixed::check_sizes(0, chunk_size).map_err(|error| error.with_kind(Kind::Argument))?;
        Ok(FixedWriter {
            uuid: uuid.map_or_else(random_uuid, Ok)?,
            ctime,
            size: 0,
            grows: true,
            chunk_size,
            digests: Vec::new(),
            set: Vec::new(),
            allow_incomplete: false,
            state: State::Open,
        })
    }

    /// Accepts positions without a digest when it is finished, up to
    /// [`INDEX_MAX_UNSET`](crate::limits::INDEX_MAX_UNSET); they stay zeros, which name no chunk.
    #[must_use]
    pub fn allow_incomplete(mut self) -> Self {
        self.allow_incomplete = true;
        self
    }

    /// How many chunks.
    pub fn count(&self) -> usize {
        self.set.len()
    }

    /// Bytes of the image, so far if it grows.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether the size follows the chunks that are added.
    pub fn grows(&self) -> bool {
        self.grows
    }

    /// Bytes of every chunk but the last.
    pub fn chunk_size(&self) -> u64 {
        self.chunk_size
    }

    /// Whether chunk `i` has a digest.
    pub fn has(&self, i: usize) -> bool {
        self.set.get(i) == Some(&1)
    }

    /// The first chunk without a digest.
    pub fn first_missing(&self) -> Option<usize> {
        self.set.iter().position(|&set| set == 0)
    }

    /// Ends the growth of an index: the image has `size` bytes.
    ///
    /// Errors: `Argument` for an index of another size, or one with chunks beyond; `Limit` if it would be too long;
    /// `NoMemory`; `State` when the index is finished.
    pub fn end_at(&mut self, size: u64) -> Result<()> {
        self.state.check_open()?;
        if size < self.size || (size > self.size && !self.grows) {
            let message = format!("an image of {} bytes cannot be one of {size}", self.size);
            return Err(Error::new(Kind::Argument, message).with_offset(size));
        }
        fixed::check_sizes(size, self.chunk_size).map_err(|error| error.with_kind(Kind::Argument))?;
        self.grow_to(size)?;
        self.grows = false;
        Ok(())
    }

    /// Makes room for the digests of `size` bytes.
    fn grow_to(&mut self, size: u64) -> Result<()> {
        const ROOM: u64 = (INDEX_MAX_FILE_SIZE - INDEX_HEADER_SIZE as u64) / FIXED_ENTRY_SIZE as u64;
        let count = size.div_ceil(self.chunk_size);
        let too_many = || Error::new(Kind::Limit, format!("{count} chunks are more than an index may have"));
        let count = usize::try_from(count).ok().filter(|&count| count as u64 <= ROOM).ok_or_else(too_many)?;
        let digests_len = count * FIXED_ENTRY_SIZE;
        let reserved = self.digests.try_reserve(digests_len.saturating_sub(self.digests.len()));
        reserved
            .and(self.set.try_reserve(count.saturating_sub(self.set.len())))
            .map_err(|_| Error::new(Kind::NoMemory, format!("no memory for the digests of {count} chunks")))?;
        self.digests.resize(digests_len, 0);
        self.set.resize(count, 0);
        self.size = size;
        Ok(())
    }

    /// Sets the digest of chunk `i`.
    ///
    /// Errors: `Argument` if there is no such chunk; `State` when the index is finished.
    pub fn set(&mut self, i: usize, digest: &Digest) -> Result<()> {
        self.state.check_open()?;
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
    /// Errors: `Argument` unless that is a chunk of this index; `State` when the index is finished. Of an index that
    /// grows, any chunk is one that begins at a multiple of the chunk size, and if it is short, ends the image: `Limit`
    /// if that would be too long; `NoMemory`.
    pub fn add_chunk(&mut self, end: u64, len: u64, digest: &Digest) -> Result<()> {
        self.state.check_open()?;
        let describe = |error: Error| error.with_offset(end).with_digest(digest);
        let i = self.position(end, len).map_err(describe)?;
        if self.grows && end > self.size {
            self.grow_to(end).map_err(describe)?;
            self.grows = len == self.chunk_size;
        }
        self.set(i, digest)
    }

    /// Bytes of the chunk that ends at `end`, if there is one.
    pub(super) fn len_up_to(&self, end: u64) -> u64 {
        end.checked_sub(1).map_or(0, |last| last % self.chunk_size + 1)
    }

    /// Errors: `Argument`, as [`FixedWriter::add_chunk`] has it.
    pub fn check_chunk(&self, end: u64, len: u64) -> Result<()> {
        self.position(end, len).map(drop).map_err(|error| error.with_offset(end))
    }

    fn position(&self, end: u64, len: u64) -> Result<usize> {
        let (size, chunk_size) = (self.size, self.chunk_size);
        let most = if self.grows { INDEX_MAX_SIZE } else { size };
        let last = end == size || (self.grows && end > size);
        let fits = len <= end && end <= most && (1..=chunk_size).contains(&len) && (len == chunk_size || last);
        let start = end.saturating_sub(len);
        if !fits || !start.is_multiple_of(chunk_size) {
            let of = if self.grows { "a growing image" } else { &format!("{size} bytes") };
            let message = format!("{len} bytes up to {end} are no chunk of {of} in chunks of {chunk_size}");
            return Err(Error::new(Kind::Argument, message));
        }
        usize::try_from(start / chunk_size).map_err(|_| Error::new(Kind::Internal, "a position beyond memory"))
    }

    /// Takes the digests of an earlier index, as many as both have; what has changed since is set after that.
    ///
    /// Errors: `Argument` if its chunks have another size; `State` when the index is finished.
    pub fn clone_index(&mut self, earlier: &FixedIndex) -> Result<()> {
        for i in 0..self.shared_with(earlier)? {
            if let Some(chunk) = earlier.chunk(i) {
                self.set(i, &chunk.digest)?;
            }
        }
        Ok(())
    }

    /// How many chunks, from the start, are the same range here and in `earlier`.
    ///
    /// Errors: `Argument` if its chunks have another size.
    pub fn shared_with(&self, earlier: &FixedIndex) -> Result<usize> {
        let theirs = earlier.header().chunk_size;
        if theirs != self.chunk_size {
            let message = format!("an index in chunks of {theirs} cannot start one in chunks of {}", self.chunk_size);
            return Err(Error::new(Kind::Argument, message));
        }
        // The last chunk of the shorter image may be short there and whole here, or the reverse: then it is another.
        let whole = earlier.size().min(self.size) / theirs;
        let same_end = usize::from(earlier.size() == self.size && !self.size.is_multiple_of(theirs));
        let shared = usize::try_from(whole).unwrap_or(usize::MAX).saturating_add(same_end);
        Ok(shared.min(self.count()))
    }

    /// Header, count and size so far.
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

    /// Errors: `State`, with the offset of the first chunk that has no digest.
    pub fn check_complete(&self) -> Result<()> {
        let Some(missing) = self.first_missing() else { return Ok(()) };
        let message = format!("the index is incomplete: chunk {missing} of {} has no digest", self.count());
        Err(Error::new(Kind::State, message).with_offset(missing as u64 * self.chunk_size))
    }

    /// Completes the index: nothing can be set any more.
    ///
    /// Errors: `State` if a digest is missing; `Limit` if more are missing than may be.
    pub fn complete(&mut self) -> Result<Body<'_>> {
        if !self.allow_incomplete {
            self.check_complete()?;
        }
        check_unset(self.set.iter().filter(|&&set| set == 0).count())?;
        self.state = State::Finished;
        Ok(Body { header: self.summary().header, entries: Entries::InMemory(&self.digests) })
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
        let bytes = writer.complete().unwrap().to_bytes(4160).unwrap();
        assert_eq!(writer.complete().unwrap().to_bytes(4160).unwrap(), bytes);
        assert_eq!(writer.complete().and_then(|body| body.to_bytes(4159)).unwrap_err().kind(), Kind::Limit);
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
        let error = writer.complete().and_then(|body| body.to_bytes(usize::MAX)).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (Kind::State, Some(8)));
        writer.set(1, &sha256(b"")).unwrap();
        assert_eq!(writer.set(3, &sha256(b"")).unwrap_err().kind(), Kind::Argument);
        let mut writer = writer.allow_incomplete();
        assert_eq!(
            fixed(&writer.complete().unwrap().to_bytes(usize::MAX).unwrap()).chunk(2).unwrap().digest,
            Digest([0; 32])
        );
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
        assert_eq!(
            FixedWriter::new(0, None, 0, 4096).unwrap().complete().unwrap().to_bytes(usize::MAX).unwrap().len(),
            4096
        );
    }

    #[test]
    fn an_earlier_index_gives_what_is_the_same_chunk() {
        let write = |size: u64| {
            let mut writer = FixedWriter::new(0, None, size, 8).unwrap();
            for i in 0..writer.count() {
                writer.set(i, &sha256(&[i as u8])).unwrap();
            }
            fixed(&writer.complete().unwrap().to_bytes(usize::MAX).unwrap())
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

    #[test]
    fn a_growing_index_is_that_of_the_size_it_grows_to() {
        for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
            for last in [1, 7, 8] {
                let mut known = FixedWriter::new(0, Some([1; 16]), 16 + last, 8).unwrap();
                let mut growing = FixedWriter::growing(0, Some([1; 16]), 8).unwrap();
                for i in order {
                    let (end, len) = if i == 2 { (16 + last, last) } else { (i * 8 + 8, 8) };
                    let digest = sha256(&[i as u8]);
                    known.add_chunk(end, len, &digest).unwrap();
                    growing.add_chunk(end, len, &digest).unwrap();
                }
                assert_eq!(growing.grows(), last == 8);
                assert_eq!(
                    growing.complete().unwrap().to_bytes(usize::MAX).unwrap(),
                    known.complete().unwrap().to_bytes(usize::MAX).unwrap(),
                    "{order:?} {last}"
                );
            }
        }
    }

    #[test]
    fn a_short_chunk_ends_the_growth() {
        let digest = sha256(b"");
        let mut writer = FixedWriter::growing(0, None, 8).unwrap();
        writer.add_chunk(24, 8, &digest).unwrap();
        let refused = |writer: &mut FixedWriter, end, len| {
            let (size, grows) = (writer.size(), writer.grows());
            let error = writer.add_chunk(end, len, &digest).unwrap_err();
            assert_eq!((error.kind(), error.offset()), (Kind::Argument, Some(end)), "{end}, {len}");
            assert_eq!((writer.size(), writer.grows()), (size, grows));
        };
        for (end, len) in [(9, 1), (23, 7), (25, 9), (25, 0), (33, 8), ((1 << 63) + 8, 8), (u64::MAX, 7), (3, 8)] {
            refused(&mut writer, end, len);
        }
        writer.add_chunk(27, 3, &digest).unwrap();
        assert_eq!((writer.size(), writer.count(), writer.grows()), (27, 4, false));
        for (end, len) in [(28, 4), (32, 8), (40, 8), (26, 2)] {
            refused(&mut writer, end, len);
        }
        assert_eq!(writer.complete().and_then(|body| body.to_bytes(usize::MAX)).unwrap_err().offset(), Some(0));
        writer.add_chunk(27, 3, &sha256(b"again")).unwrap();
    }

    #[test]
    fn growth_has_bounds() {
        let digest = sha256(b"");
        let mut writer = FixedWriter::growing(0, None, 1).unwrap();
        assert_eq!(writer.add_chunk(i64::MAX as u64, 1, &digest).unwrap_err().kind(), Kind::Limit);
        assert_eq!((writer.size(), writer.count()), (0, 0));
        assert_eq!(writer.end_at(i64::MAX as u64).unwrap_err().kind(), Kind::Limit);
        assert_eq!(writer.end_at(1 << 63).unwrap_err().kind(), Kind::Argument);
        writer.add_chunk(2, 1, &digest).unwrap();
        assert_eq!(writer.end_at(1).unwrap_err().kind(), Kind::Argument);
        writer.end_at(3).unwrap();
        writer.end_at(3).unwrap();
        assert_eq!(writer.end_at(4).unwrap_err().kind(), Kind::Argument);
        assert_eq!(writer.first_missing(), Some(0));
        assert!(!writer.has(0) && writer.has(1) && !writer.has(2) && !writer.has(3));
        let mut empty = FixedWriter::growing(0, None, 8).unwrap();
        assert_eq!(fixed(&empty.complete().unwrap().to_bytes(usize::MAX).unwrap()).count(), 0);
        assert_eq!(empty.add_chunk(8, 8, &digest).unwrap_err().kind(), Kind::State);
        assert_eq!(FixedWriter::growing(0, None, 0).err().unwrap().kind(), Kind::Argument);
    }
}
