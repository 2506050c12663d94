//! Images, in chunks of one size.
//!
//! # Contract
//!
//! - A chunk has no digest until it is stored, found to be a hole, or taken from an earlier index. What is read, from a
//!   stream or by position, is for the chunks that have none.
//! - Chunks are stored, indexed and reported as they come; an image that is read is read in ascending order.
//! - Zeros are looked up in the store once for the length of a chunk, and once for that of a short last one.
//! - Memory: one chunk, one encoded chunk, and 33 bytes a chunk for the index; twice these if the size is not known.

use std::sync::Arc;

use super::changes::Changes;
use super::engine::{ChunkResult, Engine};
use super::{IndexWriter, IngestStats, OnChunk, State, StoredIndex};
use crate::crypt::CryptKey;
use crate::error::{Error, Kind, Result};
use crate::index::{FixedIndex, FixedWriter, Index};
use crate::limits::BLOB_MAX_SIZE;
use crate::store::{NoticeLevel, Store};
use crate::sys::{self, CallerFd, Holes};

/// The only chunk size that newer PBS reads (docs/format.md, 6.4).
const PBS_CHUNK_SIZE: u64 = 4 << 20;

/// Most bytes asked of a reader at a time.
const STEP: usize = 1 << 20;

/// How an image is ingested.
pub struct ImageOptions {
    /// Bytes of every chunk but the last, a power of two; 4 MiB by default.
    pub chunk_size: u64,
    /// Compress what becomes smaller by it.
    pub compress: bool,
    /// Encrypt chunks with this key; they get other names by it too.
    pub key: Option<Arc<CryptKey>>,
    /// Creation time of the index, in seconds since 1970; now by default.
    pub ctime: Option<i64>,
    /// The index's uuid; random by default.
    pub uuid: Option<[u8; 16]>,
    /// Told of each chunk.
    pub on_chunk: Option<OnChunk>,
}

impl Default for ImageOptions {
    fn default() -> Self {
        ImageOptions { chunk_size: PBS_CHUNK_SIZE, compress: true, key: None, ctime: None, uuid: None, on_chunk: None }
    }
}

/// An image on its way into a store.
pub struct Image {
    engine: Engine,
    chunk_size: u64,
    /// The chunk that is being read; at first empty, then of the length of a chunk.
    buffer: Vec<u8>,
    /// Bytes of it that are there. What is passed over is never there.
    filled: usize,
    /// Where the stream stands.
    at: u64,
    /// Chunks of zeros that have been stored, of at most two lengths.
    zeros: Vec<ChunkResult>,
    state: State,
}

impl Image {
    /// Starts an image of `size` bytes into `store`; without a size it grows with what is fed.
    ///
    /// Errors: `Argument` for a chunk size that is no power of two or above [`BLOB_MAX_SIZE`], or a size above 2^63 − 1;
    /// `Limit` for more chunks than an index may have; `Busy` while the store is held exclusively; `Io`, `NoMemory`.
    pub fn new(store: &Store, size: Option<u64>, options: ImageOptions) -> Result<Self> {
        let ImageOptions { chunk_size, compress, key, ctime, uuid, on_chunk } = options;
        if chunk_size > BLOB_MAX_SIZE as u64 {
            let message = format!("chunks of {chunk_size} bytes do not fit into blobs of {BLOB_MAX_SIZE}");
            return Err(Error::new(Kind::Argument, message));
        }
        let ctime = ctime.unwrap_or_else(sys::now);
        let writer = match size {
            Some(size) => FixedWriter::new(ctime, uuid, size, chunk_size)?,
            None => FixedWriter::growing(ctime, uuid, chunk_size)?,
        };
        if chunk_size != PBS_CHUNK_SIZE {
            let what =
                "Proxmox Backup Server 4 opens no fixed index but of 4 MiB, and its garbage collection stops at one";
            store.notice(NoticeLevel::Warning, &format!("chunks of {chunk_size} bytes: {what}"), None)?;
        }
        let engine = Engine::new(store, store.lock_shared()?, IndexWriter::Fixed(writer), compress, key, on_chunk);
        Ok(Image { engine, chunk_size, buffer: Vec::new(), filled: 0, at: 0, zeros: Vec::new(), state: State::Open })
    }

    /// Takes the next bytes. Those of chunks that have a digest are passed over.
    ///
    /// Errors: `Argument` beyond the size of the image; `Cancelled` when the callback says so; those of the store;
    /// `State` after any of them.
    pub fn write(&mut self, data: &[u8]) -> Result<()> {
        self.run(|image| image.take(data))
    }

    /// Takes what `read` gives until it gives 0 bytes, as [`Image::write`] does. `read` fills the start of a buffer and
    /// says how much.
    ///
    /// Errors: as [`Image::write`]; `Argument` if `read` claims more than the buffer holds; those of `read`.
    pub fn read(&mut self, read: &mut dyn FnMut(&mut [u8]) -> Result<usize>) -> Result<()> {
        self.run(|image| {
            while image.read_step(read)? {}
            Ok(())
        })
    }

    /// Takes one whole chunk, wherever the stream stands; the last one for a place counts. Only that at the end of the
    /// image is short, and a short one ends an image of unknown size.
    ///
    /// Errors: as [`Image::write`]; `Argument`, which changes nothing, if it is no chunk of this image.
    pub fn write_at(&mut self, offset: u64, data: &[u8]) -> Result<()> {
        self.state.check_open()?;
        let len = data.len() as u64;
        // No chunk ends where the addition would.
        self.index()?.check_chunk(offset.saturating_add(len), len)?;
        self.run(|image| image.put(offset, data))
    }

    /// Takes from `fd` every chunk that has no digest yet.
    ///
    /// A regular file or block device is read by position, wherever it stands, and not where it has holes; it gives the
    /// size if that is not known. Anything else is a stream, which is read to its end.
    ///
    /// Errors: as [`Image::write`]; `Corrupt`, with the offset, if it ends before the image; `Io`; `State` for a file or
    /// device when the stream so far has ended within a chunk.
    pub fn read_fd(&mut self, fd: CallerFd<'_>) -> Result<()> {
        self.state.check_open()?;
        let size = fd.size()?;
        if size.is_some() && self.filled > 0 {
            let message = "the image has been fed a part of a chunk, and a file is read by whole ones";
            return Err(Error::new(Kind::State, message).with_offset(self.at));
        }
        self.run(|image| match size {
            Some(size) => image.read_positions(fd, size),
            None => image.read_stream(fd),
        })
    }

    /// Takes from `earlier` the digests of the chunks that are the same range of bytes there and that `changes` does not
    /// touch, where the store has them. Those that it does not have stay to be read.
    ///
    /// Errors: `Argument` if it is no fixed index of the same chunk size, or the changes cannot be, and `Corrupt` if its
    /// csum is wrong, which change nothing; `State` while the size of the image is not known; `Cancelled`; those of the
    /// store.
    pub fn reuse(&mut self, earlier: &Index, changes: Changes<'_>) -> Result<()> {
        self.state.check_open()?;
        let Index::Fixed(fixed) = earlier else {
            return Err(Error::new(Kind::Argument, "the earlier index is a dynamic one"));
        };
        let writer = self.index()?;
        if writer.grows() {
            return Err(Error::new(Kind::State, "the size of the image is not known"));
        }
        let shared = writer.shared_with(fixed)?;
        earlier.check_csum()?;
        let shared_size = shared.checked_sub(1).and_then(|last| fixed.chunk(last)).map_or(0, |chunk| chunk.end);
        let mut changes = changes.check(shared_size)?;
        self.run(|image| image.reuse_chunks(fixed, shared, &mut |start, end| changes.touch(start, end)))
    }

    /// Sums over what has been stored so far. What was taken from an earlier index counts as a duplicate.
    pub fn stats(&self) -> IngestStats {
        self.engine.stats()
    }

    /// Hands out the index. Of an image of unknown size, what there is of a last chunk is stored first.
    ///
    /// Errors: `State`, with the offset of the first chunk that is missing, after which the image goes on; as
    /// [`Image::write`].
    pub fn finish(&mut self) -> Result<StoredIndex> {
        self.state.check_open()?;
        self.index()?.check_complete()?;
        self.run(Image::put_last)?;
        self.state = State::Finished;
        self.engine.take_index()
    }

    /// Runs `work` if the image is open, and remembers how it failed.
    fn run(&mut self, work: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.state.check_open()?;
        // A panic in `work` leaves this behind.
        self.state = State::Failed;
        let result = work(self);
        self.state = State::after(&result);
        result
    }

    fn index(&mut self) -> Result<&mut FixedWriter> {
        match &mut self.engine.index()?.writer {
            IndexWriter::Fixed(writer) => Ok(writer),
            IndexWriter::Dynamic(_) => Err(Error::new(Kind::Internal, "an image with a dynamic index")),
        }
    }

    // ---- streams ----

    /// How many bytes of the current chunk are still to come, 0 at the end of the image.
    fn room(&mut self) -> Result<usize> {
        let to_boundary = self.chunk_size - self.at % self.chunk_size;
        let writer = self.index()?;
        let (size, grows) = (writer.size(), writer.grows());
        let room = if grows { to_boundary } else { to_boundary.min(size.saturating_sub(self.at)) };
        usize::try_from(room).map_err(|_| Error::new(Kind::Internal, "a chunk beyond memory"))
    }

    /// Whether the current chunk has a digest.
    fn passes_over(&mut self) -> Result<bool> {
        let i = self.at / self.chunk_size;
        Ok(usize::try_from(i).is_ok_and(|i| self.index().is_ok_and(|writer| writer.has(i))))
    }

    fn take(&mut self, mut data: &[u8]) -> Result<()> {
        while !data.is_empty() {
            let room = self.room()?;
            if room == 0 {
                return Err(beyond(self.at));
            }
            let (now, rest) = data.split_at(room.min(data.len()));
            let whole = self.at.is_multiple_of(self.chunk_size) && now.len() == room;
            if self.passes_over()? {
                self.pass_over(now.len());
            } else if whole {
                self.put(self.at, now)?;
                self.at += now.len() as u64;
            } else {
                self.make_room()?;
                self.buffer[self.filled..][..now.len()].copy_from_slice(now);
                self.advance(now.len(), room)?;
            }
            data = rest;
        }
        Ok(())
    }

    /// Reads once, behind what there is of the current chunk; false at the end of the input.
    fn read_step(&mut self, read: &mut dyn FnMut(&mut [u8]) -> Result<usize>) -> Result<bool> {
        let room = self.room()?;
        let mut one_more = [0];
        let out = if room == 0 {
            &mut one_more[..]
        } else {
            self.make_room()?;
            &mut self.buffer[self.filled..][..room.min(STEP)]
        };
        let capacity = out.len();
        let count = read(out)?;
        if count > capacity {
            let message = format!("the reader claims {count} bytes in a buffer of {capacity}");
            return Err(Error::new(Kind::Argument, message));
        }
        if count > 0 {
            if room == 0 {
                return Err(beyond(self.at));
            }
            self.advance(count, room)?;
        }
        Ok(count > 0)
    }

    /// Takes `count` bytes in the buffer, behind those that are there; `room` of them would complete the chunk.
    fn advance(&mut self, count: usize, room: usize) -> Result<()> {
        if self.passes_over()? {
            self.pass_over(count);
            return Ok(());
        }
        let start = self.at - self.filled as u64;
        self.at += count as u64;
        self.filled += count;
        if count == room {
            self.put_buffer(start, self.filled)?;
            self.filled = 0;
        }
        Ok(())
    }

    fn pass_over(&mut self, count: usize) {
        self.at += count as u64;
        self.filled = 0;
    }

    fn read_stream(&mut self, fd: CallerFd<'_>) -> Result<()> {
        while self.read_step(&mut |buffer| fd.read(buffer))? {}
        let writer = self.index()?;
        let (size, grows) = (writer.size(), writer.grows());
        if !grows && self.at < size { Err(ends_early(self.at, size)) } else { Ok(()) }
    }

    /// The rest of a stream whose length nobody knew is the last chunk.
    fn put_last(&mut self) -> Result<()> {
        if self.filled > 0 && !self.passes_over()? {
            self.put_buffer(self.at - self.filled as u64, self.filled)?;
        }
        self.filled = 0;
        Ok(())
    }

    // ---- files and devices ----

    /// Reads the missing chunks of a file or device that has `len` bytes.
    fn read_positions(&mut self, fd: CallerFd<'_>, len: u64) -> Result<()> {
        let writer = self.index()?;
        if writer.grows() {
            let fed = writer.size();
            if len < fed {
                return Err(Error::new(Kind::Argument, format!("a file of {len} bytes for an image of {fed} or more")));
            }
            writer.end_at(len)?;
        }
        let (size, count) = (writer.size(), writer.count());
        if len < size {
            return Err(ends_early(len, size));
        }
        let mut holes = Holes::of(fd)?;
        for i in 0..count {
            if self.index()?.has(i) {
                continue;
            }
            let start = i as u64 * self.chunk_size;
            let end = size.min(start + self.chunk_size);
            self.read_position(fd, &mut holes, start, end)?;
        }
        // A hole that was not read may have been cut off.
        match fd.size()? {
            Some(len) if len < size => Err(ends_early(len, size)),
            _ => Ok(()),
        }
    }

    fn read_position(&mut self, fd: CallerFd<'_>, holes: &mut Holes<'_>, start: u64, end: u64) -> Result<()> {
        let len = usize::try_from(end - start).map_err(|_| Error::new(Kind::Internal, "a chunk beyond memory"))?;
        let hole = holes.cover(start..end)?;
        if hole && let Some(zero) = self.zeros.iter().find(|zero| zero.size == end - start) {
            return self.engine.repeat_chunk(start, zero);
        }
        self.make_room()?;
        if hole {
            self.buffer[..len].fill(0);
        } else {
            let read = fd.read_at(&mut self.buffer[..len], start)?;
            if read < len {
                return Err(ends_early(start + read as u64, self.index()?.size()));
            }
        }
        self.put_buffer(start, len)
    }

    // ---- earlier images ----

    fn reuse_chunks(
        &mut self,
        earlier: &FixedIndex,
        count: usize,
        changed: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<()> {
        for i in 0..count {
            let Some(chunk) = earlier.chunk(i) else { break };
            if !changed(chunk.start, chunk.end) && !self.index()?.has(i) {
                self.engine.reuse_chunk(chunk.start, chunk.end - chunk.start, &chunk.digest)?;
            }
        }
        Ok(())
    }

    // ---- chunks ----

    /// Makes the buffer as long as a chunk of this image can be.
    fn make_room(&mut self) -> Result<()> {
        let (chunk_size, writer) = (self.chunk_size, self.index()?);
        let len = if writer.grows() { chunk_size } else { chunk_size.min(writer.size()) };
        let len = usize::try_from(len).map_err(|_| Error::new(Kind::Internal, "a chunk beyond memory"))?;
        if self.buffer.len() < len {
            let missing = len - self.buffer.len();
            let no_memory = |_| Error::new(Kind::NoMemory, format!("no memory for a chunk of {len} bytes"));
            self.buffer.try_reserve_exact(missing).map_err(no_memory)?;
            self.buffer.resize(len, 0);
        }
        Ok(())
    }

    /// Stores the chunk at `offset` that is the first `len` bytes of the buffer.
    fn put_buffer(&mut self, offset: u64, len: usize) -> Result<()> {
        put(&mut self.engine, &mut self.zeros, offset, &self.buffer[..len])
    }

    /// Stores the chunk `data` at `offset`.
    fn put(&mut self, offset: u64, data: &[u8]) -> Result<()> {
        put(&mut self.engine, &mut self.zeros, offset, data)
    }
}

fn put(engine: &mut Engine, zeros: &mut Vec<ChunkResult>, offset: u64, data: &[u8]) -> Result<()> {
    // Zeros are told faster than they are hashed; other data ends the look at its first byte.
    if !is_zero(data) {
        return engine.store_chunk(offset, data).map(drop);
    }
    match zeros.iter().find(|zero| zero.size == data.len() as u64) {
        Some(zero) => engine.repeat_chunk(offset, zero),
        None => {
            zeros.push(engine.store_chunk(offset, data)?);
            Ok(())
        }
    }
}

fn is_zero(data: &[u8]) -> bool {
    let (blocks, rest) = data.as_chunks::<256>();
    blocks.iter().all(|block| block.iter().fold(0, |all, byte| all | byte) == 0) && rest.iter().all(|&byte| byte == 0)
}

fn beyond(size: u64) -> Error {
    Error::new(Kind::Argument, format!("there are more bytes than the {size} of the image")).with_offset(size)
}

fn ends_early(at: u64, size: u64) -> Error {
    Error::new(Kind::Corrupt, format!("the input ends at {at}, before the {size} bytes of the image")).with_offset(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bit_anywhere_is_not_zero() {
        for len in [0, 1, 255, 256, 257, 512, 1000] {
            let mut data = vec![0; len];
            assert!(is_zero(&data));
            for i in 0..len {
                data[i] = 1 << (i % 8);
                assert!(!is_zero(&data), "{i} of {len}");
                data[i] = 0;
            }
        }
    }
}
