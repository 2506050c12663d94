//! Streams, cut by their content.
//!
//! Chunks are stored on several threads, and indexed and reported in stream order on the caller's. Small pieces are
//! gathered until there is work for all threads. Memory, however long the stream: for each thread a batch (four to
//! eight average chunks, or 2 MiB) and two chunks, and 1 MiB of the index's entries. When a callback has stopped the
//! stream, the index of the stored chunks is available.

use std::sync::Arc;

use super::batch::batch_size;
use super::cut::{FdInput, Pace, SliceInput};
use super::engine::{Engine, EngineOptions};
use super::pending::{Pending, READ_STEP};
use super::{IngestStats, OnChunk, State, StoredIndex, check_unchanged};
use crate::base::NoticeLevel;
use crate::chunker::{Config, DynamicChunker};
use crate::chunks::Chunks;
use crate::crypt::CryptKey;
use crate::error::{Error, Kind, Result};
use crate::index::{DynamicWriter, IndexWriter};
use crate::limits::{BLOB_MAX_SIZE, blob_len};
use crate::progress::OnProgress;
use crate::sys::{self, CallerFd, Watch};

/// Plain bytes of the largest chunk that PBS's server takes.
const PBS_MAX_CHUNK: u64 = 16 << 20;

/// The smallest average that PBS's tools use.
const PBS_MIN_AVG: u64 = 64 << 10;

/// How a stream is ingested.
#[derive(Debug, Clone)]
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
    /// Told how far it is, in bytes: of so many as a file has from where it stands, and the end of it by `finish`.
    pub progress: Option<OnProgress>,
    /// Threads that store chunks, the caller's among them; 0 for as many as there are processors.
    pub threads: usize,
    /// A file that has changed while it was read is a failure, and not a notice.
    pub strict: bool,
}

impl Default for IngestOptions {
    fn default() -> Self {
        let chunker = Config::default();
        IngestOptions {
            chunker,
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

/// A stream on its way into a store.
pub struct Ingest {
    engine: Engine,
    chunker: DynamicChunker,
    /// From the start of the current chunk on, and whole chunks that were written in small pieces.
    pending: Pending,
    /// How much of it the chunker has seen.
    scanned: usize,
    /// Where it begins in the stream.
    offset: u64,
    pace: Pace,
    /// Where notices go.
    store: Chunks,
    strict: bool,
    state: State,
}

impl Ingest {
    /// Starts a stream into `store`.
    ///
    /// Errors: `Busy` while the store is held exclusively; `Argument` for a bad chunker configuration or one with
    /// chunks above [`BLOB_MAX_SIZE`]; `Io`.
    pub fn new(store: &Chunks, options: IngestOptions) -> Result<Self> {
        let IngestOptions { chunker: config, compress, key, ctime, uuid, on_chunk, progress, threads, strict } =
            options;
        let chunker = DynamicChunker::new(&config)?;
        if config.max > BLOB_MAX_SIZE as u64 {
            return Err(Error::new(
                Kind::Argument,
                format!("chunks of up to {} bytes do not fit into blobs of {BLOB_MAX_SIZE}", config.max),
            ));
        }
        warn_about(&config, store)?;
        let lock = store.lock_shared()?;
        let writer = DynamicWriter::new(ctime.unwrap_or_else(sys::now), uuid)?.spill_into(store.base().reopen()?);
        let options = EngineOptions { compress, key, on_chunk, progress, threads, max_chunk: config.max };
        let engine = Engine::new(store, lock, IndexWriter::Dynamic(writer), options)?;
        let (avg, max_chunk) = (blob_len(config.avg)?, blob_len(config.max)?);
        let pace = Pace { batch_size: batch_size(config.avg), avg, max_chunk, threads: engine.threads() };
        let (pending, state) = (Pending::default(), State::Open);
        Ok(Ingest { engine, chunker, pending, scanned: 0, offset: 0, pace, store: store.clone(), strict, state })
    }

    /// Takes the next bytes of the stream. Small pieces are gathered first, and stored at the latest when the stream is
    /// finished.
    ///
    /// Errors: `Cancelled` when the callback says so; those of the store; `State` after any of them.
    pub fn write(&mut self, data: &[u8]) -> Result<()> {
        self.engine.expect(None);
        self.run(|ingest| ingest.take(data))
    }

    /// Takes what `read` gives until it gives 0 bytes. `read` fills the start of a buffer and says how much; it is
    /// called on this thread. Data that it has given before it fails is stored.
    ///
    /// Errors: as [`Ingest::write`]; `Argument` if `read` claims more than the buffer holds; those of `read`.
    pub fn read(&mut self, read: &mut dyn FnMut(&mut [u8]) -> Result<usize>) -> Result<()> {
        self.engine.expect(None);
        self.run(|ingest| {
            loop {
                ingest.make_room()?;
                match ingest.read_step(read) {
                    Ok(true) => ingest.engine.tick()?,
                    Ok(false) => return Ok(()),
                    Err(error) => return ingest.flush().and(Err(error)),
                }
            }
        })
    }

    /// Takes what can be read from `fd`, to its end. Data that it has given before it fails is stored.
    ///
    /// A regular file that has changed meanwhile brings a notice, or is an error.
    ///
    /// Errors: as [`Ingest::write`]; `State` if it has changed and [`IngestOptions::strict`] is set; `Io`.
    pub fn read_fd(&mut self, fd: CallerFd<'_>) -> Result<()> {
        let (watch, rest) = (Watch::start(fd)?, fd.rest()?);
        let before = self.offset + self.pending.len() as u64;
        self.engine.expect(rest.map(|rest| before.saturating_add(rest)));
        self.run(|ingest| {
            ingest.flush()?;
            ingest.engine.index()?.add_input(fd.id()?)?;
            let Ingest { engine, chunker, pending, pace, .. } = ingest;
            let offset = ingest.offset;
            let mut input =
                FdInput { fd, chunker, pending, offset, pace, done: 0, rest, failure: None, is_short: false };
            let result = engine.run(&mut input);
            ingest.offset = input.offset;
            ingest.scanned = ingest.pending.len();
            result?;
            check_unchanged(&watch, &ingest.store, ingest.strict)
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
        self.run(|ingest| {
            ingest.flush()?;
            let Ingest { engine, pending, offset, .. } = ingest;
            if pending.len() > 0 {
                engine.store_one(*offset, pending.bytes())?;
            }
            engine.end()
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
        // Small pieces store nothing for a while.
        let result = self.engine.tick().and_then(|()| work(self));
        self.state = State::after(&result);
        result
    }

    /// Bytes that are gathered before they are stored.
    fn most_pending(&self) -> usize {
        self.pace.batch_size.saturating_mul(self.engine.threads())
    }

    fn take(&mut self, data: &[u8]) -> Result<()> {
        if data.len() >= self.pace.batch_size {
            return self.take_large(data);
        }
        if self.pending.len() + data.len() > self.most_pending() {
            self.flush()?;
        }
        self.pending.append(data)
    }

    /// Stores the chunks that end in `data` from where they are.
    fn take_large(&mut self, data: &[u8]) -> Result<()> {
        self.flush()?;
        let Ingest { engine, chunker, pending, scanned, offset, pace, .. } = self;
        let (mut first, mut rest) = (None, data);
        if pending.len() > 0 {
            let cut = chunker.scan(data);
            let (end, behind) = data.split_at(cut.unwrap_or(data.len()));
            pending.append(end)?;
            *scanned = pending.len();
            if cut.is_none() {
                return Ok(());
            }
            (first, rest) = (Some(pending.bytes()), behind);
        }
        let mut input = SliceInput { first, data: rest, chunker, start: 0, scanned: 0, offset: *offset, pace };
        engine.run(&mut input)?;
        *offset = input.offset;
        let start = input.start;
        pending.clear();
        pending.append(&rest[start..])?;
        *scanned = pending.len();
        Ok(())
    }

    /// Stores the whole chunks of what is pending.
    fn flush(&mut self) -> Result<()> {
        let Ingest { engine, chunker, pending, scanned, offset, pace, .. } = self;
        if *scanned == pending.len() {
            return Ok(());
        }
        let mut input = SliceInput {
            first: None,
            data: pending.bytes(),
            chunker,
            start: 0,
            scanned: *scanned,
            offset: *offset,
            pace,
        };
        engine.run(&mut input)?;
        *offset = input.offset;
        let start = input.start;
        pending.consume(start);
        *scanned = pending.len();
        Ok(())
    }

    /// Makes room for the next read within the bound on gathered bytes.
    fn make_room(&mut self) -> Result<()> {
        if self.pending.len() + READ_STEP > self.most_pending() { self.flush() } else { Ok(()) }
    }

    /// Reads once, behind the pending bytes; false at the end of the input.
    fn read_step(&mut self, read: &mut dyn FnMut(&mut [u8]) -> Result<usize>) -> Result<bool> {
        let count = read(self.pending.room(READ_STEP)?)?;
        if count > READ_STEP {
            return Err(Error::new(
                Kind::Argument,
                format!("the reader claims {count} bytes in a buffer of {READ_STEP}"),
            ));
        }
        self.pending.advance(count);
        Ok(count > 0)
    }
}

/// Warns of a configuration that is unusual for PBS (docs/format.md, 4.2).
fn warn_about(config: &Config, store: &Chunks) -> Result<()> {
    let (level, what) = if config.max > PBS_MAX_CHUNK {
        (NoticeLevel::Warning, "its server takes no chunks above 16 MiB")
    } else if config.avg < PBS_MIN_AVG {
        (NoticeLevel::Info, "its tools use averages from 64 KiB to 4 MiB")
    } else {
        return Ok(());
    };
    let message = format!("an average chunk size of {} is unusual for Proxmox Backup Server: {what}", config.avg);
    store.base().notice(level, &message, None)
}
