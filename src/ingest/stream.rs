//! Streams, cut by their content.
//!
//! Chunks are stored, indexed and reported in stream order. Memory: the current chunk, one encoded chunk, 256 KiB of
//! input and 1 MiB of the index's entries, however long the stream. After a callback's wish to stop, the index of what
//! was stored can be had.

use std::sync::Arc;

use super::engine::Engine;
use super::{IndexWriter, IngestStats, OnChunk, State, StoredIndex};
use crate::chunker::{Config, DynamicChunker};
use crate::crypt::CryptKey;
use crate::error::{Error, Kind, Result};
use crate::index::DynamicWriter;
use crate::limits::BLOB_MAX_SIZE;
use crate::store::{NoticeLevel, Store};
use crate::sys;

/// Bytes asked of a reader at a time: small enough to be scanned while they are in the processor's cache.
const STEP: usize = 256 << 10;

/// Plain bytes of the largest chunk that PBS's server takes.
const PBS_MAX_CHUNK: u64 = 16 << 20;

/// The smallest average that PBS's tools use.
const PBS_MIN_AVG: u64 = 64 << 10;

/// How a stream is ingested.
pub struct IngestOptions {
    /// Where it is cut.
    pub chunker: Config,
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

impl Default for IngestOptions {
    fn default() -> Self {
        IngestOptions { chunker: Config::default(), compress: true, key: None, ctime: None, uuid: None, on_chunk: None }
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

impl Ingest {
    /// Starts a stream into `store`.
    ///
    /// Errors: `Busy` while the store is held exclusively; `Argument` for a bad chunker configuration or one with
    /// chunks above [`BLOB_MAX_SIZE`]; `Io`.
    pub fn new(store: &Store, options: IngestOptions) -> Result<Self> {
        let IngestOptions { chunker: config, compress, key, ctime, uuid, on_chunk } = options;
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
        let engine = Engine::new(store, lock, IndexWriter::Dynamic(writer), compress, key, on_chunk);
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
        self.engine.stats()
    }

    /// Stores the last chunk and hands out the index.
    ///
    /// Errors: as [`Ingest::write`].
    pub fn finish(&mut self) -> Result<StoredIndex> {
        self.run(|ingest| match ingest.pending.bytes() {
            [] => Ok(()),
            last => ingest.engine.append_chunk(last),
        })?;
        self.state = State::Finished;
        self.engine.take_index()
    }

    /// After `Cancelled`: hands out the index of the chunks that were stored.
    ///
    /// Errors: `State` at any other time, and the second time.
    pub fn partial(&mut self) -> Result<StoredIndex> {
        match self.state {
            State::Cancelled => self.engine.take_index(),
            _ => Err(Error::new(Kind::State, "the ingest was not cancelled")),
        }
    }

    /// Runs `work` if the stream is open, and remembers how it failed.
    fn run(&mut self, work: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.state.check_open()?;
        // A panic in `work` leaves this behind.
        self.state = State::Failed;
        let result = work(self);
        self.state = State::after(&result);
        result
    }

    fn take(&mut self, mut data: &[u8]) -> Result<()> {
        while let Some(cut) = self.chunker.scan(data) {
            let (chunk_end, rest) = data.split_at(cut);
            if self.pending.filled == 0 {
                self.engine.append_chunk(chunk_end)?;
            } else {
                self.pending.append(chunk_end)?;
                self.engine.append_chunk(self.pending.bytes())?;
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
            self.engine.append_chunk(&self.pending.bytes()[start..scanned])?;
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
