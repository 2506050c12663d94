//! Bytes in, chunks stored, index out.
//!
//! # Contract
//!
//! - The stream is cut, and each chunk's digest looked up, before anything is compressed: a chunk that the store has
//!   is touched and nothing more.
//! - Chunks are stored, indexed and reported in stream order.
//! - The store is held as a writer ([`SharedLock`]) from the start until the index is saved or dropped, so that no
//!   garbage collection takes the chunks before an index names them.
//! - Memory: the current chunk, one encoded chunk, 256 KiB of input and 1 MiB of the index's entries, however
//!   long the stream.
//! - After a failure nothing more is taken. After a callback's wish to stop, the index of what was stored can be had.

use std::path::Path;

use crate::blob::Codec;
use crate::chunker::{Config, DynamicChunker};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result, reserve};
use crate::format::BLOB_HEADER_SIZE;
use crate::hash::sha256;
use crate::index::{DynamicWriter, Summary};
use crate::limits::BLOB_MAX_SIZE;
use crate::store::{InsertOptions, NoticeLevel, SharedLock, Store, SyncLevel};
use crate::sys::{self, Output};

/// Bytes asked of a reader at a time: small enough to be scanned while they are in the processor's cache.
const STEP: usize = 256 << 10;

/// Plain bytes of the largest chunk that PBS's server takes.
const PBS_MAX_CHUNK: u64 = 16 << 20;

/// The smallest average that PBS's tools use.
const PBS_MIN_AVG: u64 = 64 << 10;

/// A chunk that has been stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkResult {
    /// The chunk's name.
    pub digest: Digest,
    /// Where it begins in the stream.
    pub offset: u64,
    /// Its plain bytes.
    pub size: u64,
    /// Length of its file in the store.
    pub stored_size: u64,
    /// The store had it already.
    pub existed: bool,
}

/// Sums over what has been stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IngestStats {
    /// Plain bytes.
    pub size: u64,
    /// Chunks.
    pub chunks: u64,
    /// Chunks that the store did not have.
    pub new_chunks: u64,
    /// Their plain bytes.
    pub new_size: u64,
    /// Bytes of their files.
    pub stored_bytes: u64,
}

/// Told of each chunk after it has been stored; an error stops the ingest.
pub type OnChunk = Box<dyn FnMut(&ChunkResult) -> Result<()> + Send>;

/// How a stream is ingested.
pub struct IngestOptions {
    /// Where it is cut.
    pub chunker: Config,
    /// Compress what becomes smaller by it.
    pub compress: bool,
    /// Creation time of the index, in seconds since 1970; now by default.
    pub ctime: Option<i64>,
    /// The index's uuid; random by default.
    pub uuid: Option<[u8; 16]>,
    /// Told of each chunk.
    pub on_chunk: Option<OnChunk>,
}

impl Default for IngestOptions {
    fn default() -> Self {
        IngestOptions { chunker: Config::default(), compress: true, ctime: None, uuid: None, on_chunk: None }
    }
}

/// The index of an ingested stream, not yet written. It holds the store as a writer until it is saved or dropped.
pub struct StoredIndex {
    writer: DynamicWriter,
    store: Store,
    /// It names chunks that this ingest has not written, and that may not be on the disk yet.
    reused: bool,
    /// `None` once the index is saved.
    lock: Option<SharedLock>,
}

impl StoredIndex {
    /// Appends a chunk of the caller's own.
    ///
    /// Errors: as [`DynamicWriter::add`].
    pub fn add(&mut self, end: u64, digest: &Digest) -> Result<()> {
        self.reused = true;
        self.writer.add(end, digest)
    }

    /// What it has so far.
    pub fn summary(&self) -> Summary {
        self.writer.summary()
    }

    /// Completes it and gives the bytes of its file; see [`DynamicWriter::finish`]. The chunks are on the disk first, by
    /// the store's sync level. The store stays held.
    pub fn finish(&mut self, max_len: usize) -> Result<Vec<u8>> {
        self.store.sync_before_index(self.reused)?;
        self.writer.finish(max_len)
    }

    /// Completes it and writes it to `path`, whole or not at all, then lets go of the store.
    ///
    /// Before the file gets its name the chunks are on the disk, and when this returns the file is, unless the
    /// store's sync level is [`SyncLevel::None`].
    ///
    /// An empty index below the store brings a notice before anything is written.
    ///
    /// Errors: `State` if it is saved already; those of [`DynamicWriter::save`]; that of the notice.
    pub fn save(&mut self, path: &Path) -> Result<()> {
        if self.lock.is_none() {
            return Err(Error::new(Kind::State, "the index is saved, and its chunks are no longer held"));
        }
        let output = Output::at(path)?;
        let below = self.store.is_below(output.dir());
        if below && self.summary().count == 0 {
            let what = "Proxmox Backup Server cannot open an empty index, and its garbage collection stops at one";
            let message = format!("{}: {what}", path.display());
            self.store.notice(NoticeLevel::Warning, &message, Some(path))?;
        }
        self.store.sync_before_index(self.reused)?;
        let owner = if below { self.store.owner() } else { None };
        self.writer.save_to(&output, self.store.sync_level() != SyncLevel::None, owner)?;
        self.lock = None;
        Ok(())
    }
}

/// A stream on its way into a store.
pub struct Ingest {
    engine: Engine,
    chunker: DynamicChunker,
    pending: Pending,
    state: State,
}

/// The current chunk, as far as it is known.
#[derive(Default)]
struct Pending {
    /// Never shrinks, so that its end need not be cleared before a read.
    buffer: Vec<u8>,
    filled: usize,
}

impl Pending {
    fn bytes(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }

    /// At least `len` bytes behind the filled ones.
    fn room(&mut self, len: usize) -> Result<&mut [u8]> {
        let wanted = self.filled + len;
        if self.buffer.len() < wanted {
            let missing = wanted - self.buffer.len();
            let no_memory =
                |_| Error::new(Kind::NoMemory, format!("no memory for {wanted} bytes of the current chunk"));
            self.buffer.try_reserve(missing).map_err(no_memory)?;
            self.buffer.resize(wanted, 0);
        }
        Ok(&mut self.buffer[self.filled..])
    }

    fn append(&mut self, data: &[u8]) -> Result<()> {
        self.room(data.len())?[..data.len()].copy_from_slice(data);
        self.filled += data.len();
        Ok(())
    }

    /// Drops the first `len` bytes.
    fn consume(&mut self, len: usize) {
        if len > 0 {
            self.buffer.copy_within(len..self.filled, 0);
            self.filled -= len;
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Cancelled,
    Failed,
    Finished,
}

/// What turns a whole chunk into an entry of the index.
struct Engine {
    store: Store,
    codec: Codec,
    /// Grown to the largest chunk so far, and re-used.
    encoded: Vec<u8>,
    /// `None` once it has been handed out.
    index: Option<StoredIndex>,
    stats: IngestStats,
    compress: bool,
    on_chunk: Option<OnChunk>,
}

impl Ingest {
    /// Starts a stream into `store`.
    ///
    /// Errors: `Busy` while the store is held exclusively; `Argument` for a bad chunker configuration or one with
    /// chunks above [`BLOB_MAX_SIZE`]; `Io`.
    pub fn new(store: &Store, options: IngestOptions) -> Result<Self> {
        let IngestOptions { chunker: config, compress, ctime, uuid, on_chunk } = options;
        let chunker = DynamicChunker::new(&config)?;
        if config.max > BLOB_MAX_SIZE as u64 {
            return Err(Error::new(
                Kind::Argument,
                format!("chunks of up to {} bytes do not fit into blobs of {BLOB_MAX_SIZE}", config.max),
            ));
        }
        warn_about(&config, store)?;
        let lock = store.lock_shared()?;
        let writer = DynamicWriter::new(ctime.unwrap_or_else(sys::now), uuid)?.spill_into(store.open_base()?);
        let index = StoredIndex { writer, store: store.clone(), reused: false, lock: Some(lock) };
        let engine = Engine {
            store: store.clone(),
            codec: Codec::new(),
            encoded: Vec::new(),
            index: Some(index),
            stats: IngestStats::default(),
            compress,
            on_chunk,
        };
        Ok(Ingest { engine, chunker, pending: Pending::default(), state: State::Open })
    }

    /// Takes the next bytes of the stream.
    ///
    /// Errors: `Cancelled` when the callback says so; those of the store; `State` after any of them.
    pub fn write(&mut self, data: &[u8]) -> Result<()> {
        self.run(|ingest| ingest.take(data))
    }

    /// Takes what `read` gives until it gives 0 bytes. `read` fills the start of a buffer and says how much.
    ///
    /// Errors: as [`Ingest::write`]; `Argument` if `read` claims more than the buffer holds; those of `read`.
    pub fn read(&mut self, read: &mut dyn FnMut(&mut [u8]) -> Result<usize>) -> Result<()> {
        self.run(|ingest| {
            while ingest.read_step(read)? {}
            Ok(())
        })
    }

    /// Sums over what has been stored so far.
    pub fn stats(&self) -> IngestStats {
        self.engine.stats
    }

    /// Stores the last chunk and hands out the index.
    ///
    /// Errors: as [`Ingest::write`].
    pub fn finish(&mut self) -> Result<StoredIndex> {
        self.run(|ingest| match ingest.pending.bytes() {
            [] => Ok(()),
            last => ingest.engine.store_chunk(last),
        })?;
        self.state = State::Finished;
        self.engine.index.take().ok_or_else(no_index)
    }

    /// After `Cancelled`: hands out the index of the chunks that were stored.
    ///
    /// Errors: `State` at any other time, and the second time.
    pub fn partial(&mut self) -> Result<StoredIndex> {
        match self.state {
            State::Cancelled => self.engine.index.take().ok_or_else(no_index),
            _ => Err(Error::new(Kind::State, "the ingest was not cancelled")),
        }
    }

    /// Runs `work` if the stream is open, and remembers how it failed.
    fn run(&mut self, work: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        match self.state {
            State::Open => {}
            State::Finished => return Err(Error::new(Kind::State, "the ingest is finished")),
            State::Cancelled => return Err(Error::new(Kind::State, "the ingest was cancelled")),
            State::Failed => return Err(Error::new(Kind::State, "the ingest has failed before")),
        }
        // A panic in `work` leaves this behind.
        self.state = State::Failed;
        let result = work(self);
        self.state = match &result {
            Ok(()) => State::Open,
            Err(error) if error.kind() == Kind::Cancelled => State::Cancelled,
            Err(_) => State::Failed,
        };
        result
    }

    fn take(&mut self, mut data: &[u8]) -> Result<()> {
        while let Some(cut) = self.chunker.scan(data) {
            let (chunk_end, rest) = data.split_at(cut);
            if self.pending.filled == 0 {
                self.engine.store_chunk(chunk_end)?;
            } else {
                self.pending.append(chunk_end)?;
                self.engine.store_chunk(self.pending.bytes())?;
                self.pending.filled = 0;
            }
            data = rest;
        }
        self.pending.append(data)
    }

    /// Reads once, behind the pending bytes, and stores the chunks that end there; false at the end of the input.
    fn read_step(&mut self, read: &mut dyn FnMut(&mut [u8]) -> Result<usize>) -> Result<bool> {
        let count = read(&mut self.pending.room(STEP)?[..STEP])?;
        if count > STEP {
            return Err(Error::new(Kind::Argument, format!("the reader claims {count} bytes in a buffer of {STEP}")));
        }
        let (mut start, mut scanned) = (0, self.pending.filled);
        self.pending.filled += count;
        while let Some(cut) = self.chunker.scan(&self.pending.bytes()[scanned..]) {
            scanned += cut;
            self.engine.store_chunk(&self.pending.bytes()[start..scanned])?;
            start = scanned;
        }
        self.pending.consume(start);
        Ok(count > 0)
    }
}

/// Says what PBS would make of an unusual configuration (docs/format.md, 4.2).
fn warn_about(config: &Config, store: &Store) -> Result<()> {
    let (level, what) = if config.max > PBS_MAX_CHUNK {
        (NoticeLevel::Warning, "its server takes no chunks above 16 MiB")
    } else if config.avg < PBS_MIN_AVG {
        (NoticeLevel::Info, "its tools use averages from 64 KiB to 4 MiB")
    } else {
        return Ok(());
    };
    let message = format!("an average chunk size of {} is unusual for Proxmox Backup Server: {what}", config.avg);
    store.notice(level, &message, None)
}

impl Engine {
    fn store_chunk(&mut self, data: &[u8]) -> Result<()> {
        let digest = sha256(data);
        let (existed, stored_size) = match self.store.touch_if_present(&digest)? {
            Some(stored_size) => (true, stored_size),
            None => self.insert(&digest, data)?,
        };
        let size = data.len() as u64;
        let offset = self.stats.size;
        let index = self.index.as_mut().ok_or_else(no_index)?;
        index.writer.add(offset + size, &digest)?;
        index.reused |= existed;
        self.stats.size += size;
        self.stats.chunks += 1;
        if !existed {
            self.stats.new_chunks += 1;
            self.stats.new_size += size;
            self.stats.stored_bytes += stored_size;
        }
        match &mut self.on_chunk {
            Some(on_chunk) => on_chunk(&ChunkResult { digest, offset, size, stored_size, existed }),
            None => Ok(()),
        }
    }

    fn insert(&mut self, digest: &Digest, data: &[u8]) -> Result<(bool, u64)> {
        let room = data.len() + BLOB_HEADER_SIZE;
        if self.encoded.len() < room {
            let missing = room - self.encoded.len();
            reserve(&mut self.encoded, missing)?;
            self.encoded.resize(room, 0);
        }
        let len = self.codec.encode(data, self.compress, &mut self.encoded)?;
        let inserted = self.store.insert(digest, &self.encoded[..len], InsertOptions::default())?;
        Ok((inserted.existed, inserted.stored_size))
    }
}

fn no_index() -> Error {
    Error::new(Kind::State, "the index has been handed out")
}
