//! Images, in chunks of one size.
//!
//! # Contract
//!
//! - A chunk has no digest until it is stored, found to be a hole, or taken from an earlier index. Data that is read,
//!   from a stream or by position, is used only for chunks that have none.
//! - Chunks are stored on several threads, and indexed and reported on the caller's, as they come; an image that is
//!   read is read in ascending order. Small pieces are gathered until there is work for all threads.
//! - Zeros are looked up in the store once for the length of a chunk, and once for that of a short last one.
//! - Memory: for each thread a batch (four chunks, or 2 MiB) and two chunks, and 33 bytes a chunk for the index; twice
//!   the latter if the size is not known.

use std::ops::Range;
use std::sync::Arc;

use super::batch::batch_size;
use super::changes::Changes;
use super::engine::{Engine, EngineOptions};
use super::pending::Pending;
use super::spans::{Source, SpanInput, ends_early};
use super::{IngestStats, OnChunk, State, StoredIndex, check_unchanged};
use crate::base::NoticeLevel;
use crate::chunks::Chunks;
use crate::crypt::CryptKey;
use crate::error::{Error, Kind, Result};
use crate::index::{FixedIndex, FixedWriter, Index, IndexWriter};
use crate::limits::{BLOB_MAX_SIZE, PBS_IMAGE_CHUNK_SIZE, blob_len};
use crate::progress::OnProgress;
use crate::sys::{self, CallerFd, Holes, Watch};

/// Most bytes of an image that are asked for at a time. Nothing scans them.
const READ_STEP: usize = 1 << 20;

/// How an image is ingested.
#[derive(Debug, Clone)]
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
    /// Told how far it is: `done` and `total` count chunks, `bytes` their plain bytes; one that is given twice counts
    /// once.
    pub progress: Option<OnProgress>,
    /// Threads that store chunks, the caller's among them; 0 for as many as there are processors.
    pub threads: usize,
    /// A file that has changed while it was read is a failure, and not a notice.
    pub strict: bool,
}

impl Default for ImageOptions {
    fn default() -> Self {
        ImageOptions {
            chunk_size: PBS_IMAGE_CHUNK_SIZE,
            compress: true,
            key: None,
            ctime: None,
            uuid: None,
            on_chunk: None,
            progress: None,
            threads: 0,
            strict: false,
        }
    }
}

/// An image on its way into a store.
pub struct Image {
    engine: Engine,
    chunk_size: u64,
    /// The bytes of the stream from `start` on.
    pending: Pending,
    /// Where a chunk begins.
    start: u64,
    /// Plain bytes that one thread takes at a time.
    batch_size: usize,
    /// Where notices go.
    store: Chunks,
    strict: bool,
    state: State,
}

impl Image {
    /// Starts an image of `size` bytes into `store`; without a size it grows with what is fed.
    ///
    /// Errors: `Argument` for a chunk size that is no power of two or above [`BLOB_MAX_SIZE`], or a size above 2^63 −
    /// 1; `Limit` for more chunks than an index may have; `Busy` while the store is held exclusively; `Io`, `NoMemory`.
    pub fn new(store: &Chunks, size: Option<u64>, options: ImageOptions) -> Result<Self> {
        let ImageOptions { chunk_size, compress, key, ctime, uuid, on_chunk, progress, threads, strict } = options;
        if chunk_size > BLOB_MAX_SIZE as u64 {
            let message = format!("chunks of {chunk_size} bytes do not fit into blobs of {BLOB_MAX_SIZE}");
            return Err(Error::new(Kind::Argument, message));
        }
        let ctime = ctime.unwrap_or_else(sys::now);
        let writer = match size {
            Some(size) => FixedWriter::new(ctime, uuid, size, chunk_size)?,
            None => FixedWriter::growing(ctime, uuid, chunk_size)?,
        };
        if chunk_size != PBS_IMAGE_CHUNK_SIZE {
            let what = "Proxmox Backup Server opens no fixed index but of 4 MiB in versions after 4.2.3, and their \
                        garbage collection stops at one";
            store.base().notice(NoticeLevel::Warning, &format!("chunks of {chunk_size} bytes: {what}"), None)?;
        }
        let options = EngineOptions { compress, key, on_chunk, progress, threads, max_chunk: chunk_size };
        let engine = Engine::new(store, store.lock_shared()?, IndexWriter::Fixed(writer), options)?;
        let (pending, batch_size) = (Pending::default(), batch_size(chunk_size));
        let (store, state) = (store.clone(), State::Open);
        Ok(Image { engine, chunk_size, pending, start: 0, batch_size, store, strict, state })
    }

    /// Takes the next bytes. Bytes of chunks that have a digest are passed over. Small pieces are gathered first, and
    /// stored at the latest when the image is finished.
    ///
    /// Errors: `Argument` beyond the size of the image; `Cancelled` when the callback says so; those of the store;
    /// `State` after any of them.
    pub fn write(&mut self, data: &[u8]) -> Result<()> {
        self.run(|image| image.take(data))
    }

    /// Takes what `read` gives until it gives 0 bytes, as [`Image::write`] does. `read` fills the start of a buffer and
    /// says how much; it is called on this thread. Data that it has given before it fails is stored.
    ///
    /// Errors: as [`Image::write`]; `Argument` if `read` claims more than the buffer holds; those of `read`.
    pub fn read(&mut self, read: &mut dyn FnMut(&mut [u8]) -> Result<usize>) -> Result<()> {
        self.run(|image| image.read_steps(None, read))
    }

    /// Takes one whole chunk, wherever the stream stands; the last one for a place counts. Only that at the end of the
    /// image is short, and a short one ends an image of unknown size.
    ///
    /// Errors: as [`Image::write`]; `Argument`, which changes nothing, if it is no chunk of this image.
    pub fn write_at(&mut self, offset: u64, data: &[u8]) -> Result<()> {
        self.run(Image::flush)?;
        let len = data.len() as u64;
        // If the addition saturates, no chunk ends there.
        self.index()?.check_chunk(offset.saturating_add(len), len)?;
        self.run(|image| image.engine.store_one(offset, data))
    }

    /// Takes from `fd` every chunk that has no digest yet.
    ///
    /// A regular file or block device is read by position, wherever it stands, and not where it has holes; it gives the
    /// size if that is not known. Anything else is a stream, which is read to its end.
    ///
    /// A regular file that has changed meanwhile brings a notice, or is an error.
    ///
    /// Errors: as [`Image::write`]; `Corrupt`, with the offset, if it ends before the image; `Io`; `State` for a file
    /// or device when the stream so far has ended within a chunk, or if it has changed and [`ImageOptions::strict`] is
    /// set.
    pub fn read_fd(&mut self, fd: CallerFd<'_>) -> Result<()> {
        let watch = Watch::start(fd)?;
        self.run(Image::flush)?;
        self.engine.index()?.add_input(fd.id()?)?;
        let size = fd.size()?;
        if size.is_some() && self.pending.len() > 0 && !self.passes_over()? {
            let message = "the image has been fed a part of a chunk, and a file is read by whole ones";
            return Err(Error::new(Kind::State, message).with_offset(self.at()));
        }
        self.run(|image| {
            match size {
                Some(size) => image.read_positions(fd, size)?,
                None => image.read_stream(fd)?,
            }
            check_unchanged(&watch, &image.store, image.strict)
        })
    }

    /// Takes from `earlier` the digests of the chunks that are the same range of bytes there and that `changes` does
    /// not touch, if the store has them. Chunks that it does not have are still to be read.
    ///
    /// Errors: `Argument` if it is no fixed index of the same chunk size, or for bad changes, and `Corrupt` if its csum
    /// is wrong, which change nothing; `State` while the size of the image is not known; `Cancelled`; those of the
    /// store.
    pub fn reuse(&mut self, earlier: &Index, changes: Changes<'_>) -> Result<()> {
        self.run(Image::flush)?;
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

    /// Sums over what has been stored so far. A chunk that was taken from an earlier index counts as a duplicate.
    pub fn stats(&self) -> IngestStats {
        self.engine.stats()
    }

    /// Hands out the index. Of an image of unknown size, what there is of a last chunk is stored first.
    ///
    /// Errors: `State`, with the offset of the first chunk that is missing, after which the image goes on; as
    /// [`Image::write`].
    pub fn finish(&mut self) -> Result<StoredIndex> {
        self.run(Image::flush)?;
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
        // Small pieces store nothing for a while.
        let result = self.engine.tick().and_then(|()| work(self));
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

    /// Where the stream stands.
    fn at(&self) -> u64 {
        self.start + self.pending.len() as u64
    }

    /// How many bytes of the image are still to come; unbounded for one that grows.
    fn room(&mut self) -> Result<usize> {
        let at = self.at();
        let writer = self.index()?;
        let room = if writer.grows() { u64::MAX } else { writer.size().saturating_sub(at) };
        Ok(usize::try_from(room).unwrap_or(usize::MAX))
    }

    /// Whether the chunk that begins at `start` has a digest.
    fn passes_over(&mut self) -> Result<bool> {
        let i = self.start / self.chunk_size;
        Ok(usize::try_from(i).is_ok_and(|i| self.index().is_ok_and(|writer| writer.has(i))))
    }

    fn take(&mut self, data: &[u8]) -> Result<()> {
        let (now, too_much) = data.split_at(data.len().min(self.room()?));
        if now.len() < self.batch_size {
            self.gather(now)?;
        } else {
            self.take_large(now)?;
        }
        let at = self.at();
        if at == self.index()?.size() || !too_much.is_empty() {
            self.flush()?;
        }
        if too_much.is_empty() { Ok(()) } else { Err(beyond(at)) }
    }

    fn gather(&mut self, data: &[u8]) -> Result<()> {
        if self.pending.len() + data.len() > self.most_pending() {
            self.flush()?;
        }
        self.pending.append(data)
    }

    /// Bytes that are gathered before they are stored.
    fn most_pending(&self) -> usize {
        self.batch_size.saturating_mul(self.engine.threads())
    }

    /// Stores the whole chunks of `data` from where they are.
    fn take_large(&mut self, data: &[u8]) -> Result<()> {
        self.flush()?;
        let begun = self.pending.len();
        let chunk_size = self.chunk_len()?;
        let (end, rest) = data.split_at(if begun > 0 { data.len().min(chunk_size - begun) } else { 0 });
        self.pending.append(end)?;
        self.flush()?;
        let whole = if self.at() + rest.len() as u64 == self.index()?.size() {
            rest.len()
        } else {
            rest.len() - rest.len() % chunk_size
        };
        let (now, last) = rest.split_at(whole);
        self.put_slice(now, self.start)?;
        self.start += whole as u64;
        self.pending.append(last)
    }

    fn chunk_len(&self) -> Result<usize> {
        usize::try_from(self.chunk_size).map_err(|_| Error::new(Kind::Internal, "a chunk beyond memory"))
    }

    /// Stores the whole chunks of what is pending.
    fn flush(&mut self) -> Result<()> {
        let len = self.pending.len();
        let (at, chunk_size, writer) = (self.at(), self.chunk_len()?, self.index()?);
        let whole = if !writer.grows() && at == writer.size() { len } else { len - len % chunk_size };
        let pending = std::mem::take(&mut self.pending);
        let result = self.put_slice(&pending.bytes()[..whole], self.start);
        self.pending = pending;
        result?;
        self.pending.consume(whole);
        self.start += whole as u64;
        Ok(())
    }

    /// Stores those of the chunks in `data`, which begins at `base`, that have no digest.
    fn put_slice(&mut self, data: &[u8], base: u64) -> Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        let end = base + data.len() as u64;
        let number = |offset: u64| {
            usize::try_from(offset).map_err(|_| Error::new(Kind::Limit, "more chunks than an index may have"))
        };
        let range = number(base / self.chunk_size)?..number(end.div_ceil(self.chunk_size))?;
        self.put_spans(Source::Slice(data, base), range, end)
    }

    fn put_spans(&mut self, source: Source<'_>, range: Range<usize>, end: u64) -> Result<()> {
        let (batch_size, threads) = (self.batch_size, self.engine.threads());
        let mut input = SpanInput::new(source, self.index()?, range, end, batch_size, threads)?;
        self.engine.run(&mut input)
    }

    /// Reads to the end of the input, which is that of `fd` if there is one.
    fn read_steps(&mut self, fd: Option<CallerFd<'_>>, read: &mut dyn FnMut(&mut [u8]) -> Result<usize>) -> Result<()> {
        loop {
            let room = self.room()?.min(READ_STEP);
            if self.pending.len() + room > self.most_pending() {
                self.flush()?;
            }
            self.await_input(fd)?;
            match self.read_step(room, read) {
                Ok(true) => {}
                Ok(false) => return self.flush(),
                Err(error) => return self.flush().and(Err(error)),
            }
        }
    }

    /// Tells the progress, if there is a callback, until there is input.
    fn await_input(&mut self, fd: Option<CallerFd<'_>>) -> Result<()> {
        match fd.filter(|_| self.engine.is_watched()) {
            Some(fd) => fd.await_input(&mut || self.engine.tick()),
            None => self.engine.tick(),
        }
    }

    /// Reads once, as much as there is `room` for, behind what is pending; false at the end of the input.
    fn read_step(&mut self, room: usize, read: &mut dyn FnMut(&mut [u8]) -> Result<usize>) -> Result<bool> {
        // Behind the end, to learn whether there is more.
        let mut one_more = [0];
        let out = if room == 0 { &mut one_more[..] } else { self.pending.room(room)? };
        let capacity = out.len();
        let count = read(out)?;
        if count > capacity {
            let message = format!("the reader claims {count} bytes in a buffer of {capacity}");
            return Err(Error::new(Kind::Argument, message));
        }
        if room == 0 && count > 0 {
            return Err(beyond(self.at()));
        }
        self.pending.advance(count);
        Ok(count > 0)
    }

    fn read_stream(&mut self, fd: CallerFd<'_>) -> Result<()> {
        self.read_steps(Some(fd), &mut |buffer| fd.read(buffer))?;
        let at = self.at();
        let writer = self.index()?;
        let (size, grows) = (writer.size(), writer.grows());
        if !grows && at < size { Err(ends_early(at, size)) } else { Ok(()) }
    }

    /// The rest of a stream of unknown length is the last chunk.
    fn put_last(&mut self) -> Result<()> {
        if self.pending.len() > 0 && !self.passes_over()? {
            self.engine.store_one(self.start, self.pending.bytes())?;
        }
        self.start = self.at();
        self.pending.clear();
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
        self.put_spans(Source::File(fd, Holes::of(fd)?), 0..count, size)?;
        // A hole that was not read may have been cut off.
        match fd.size()? {
            Some(len) if len < size => Err(ends_early(len, size)),
            _ => Ok(()),
        }
    }

    // ---- earlier images ----

    fn reuse_chunks(
        &mut self,
        earlier: &FixedIndex,
        count: usize,
        changed: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<()> {
        for i in 0..count {
            self.engine.tick()?;
            let Some(chunk) = earlier.chunk(i) else { break };
            if !changed(chunk.start, chunk.end) && !self.index()?.has(i) {
                self.engine.reuse_chunk(chunk.start, blob_len(chunk.len())?, &chunk.digest)?;
            }
        }
        Ok(())
    }
}

fn beyond(size: u64) -> Error {
    Error::new(Kind::Argument, format!("there are more bytes than the {size} of the image")).with_offset(size)
}
