//! Turns whole chunks into entries of an index.

use std::sync::Arc;

use super::StoredIndex;
use super::batch::{Batch, Data, Span};
use super::chunk_writer::{ChunkWriter, Workspace};
use crate::callback::Callback;
use crate::chunks::Chunks;
use crate::chunks::SharedLock;
use crate::crew::{self, Pause, Taken};
use crate::crypt::CryptKey;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result, try_collect};
use crate::index::IndexWriter;
use crate::limits::blob_len;
use crate::progress::{OnProgress, Progress, Stage};

/// Batches that have been stored may wait for the caller's thread, so many for each thread.
const MAX_AHEAD: usize = 4;

/// Where batches come from.
pub(super) trait Input<'a> {
    /// Bytes of the buffer that [`Input::take`] needs to be sure of a chunk.
    fn room(&self) -> usize {
        0
    }

    /// Takes the next chunks; what has to be read goes into `buffer`. One thread at a time.
    fn take(&mut self, buffer: &mut Vec<u8>, batch: &mut Batch<'a>, pause: &mut Pause<'_>) -> Result<Taken>;
}

/// A chunk that has been stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkResult {
    /// The chunk's name.
    pub digest: Digest,
    /// Where it begins in the stream or image.
    pub offset: u64,
    /// Its plain bytes.
    pub size: u64,
    /// Length of its file in the store.
    pub stored_size: u64,
    /// The store had the chunk already.
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
    pub new_bytes: u64,
    /// Bytes of their files.
    pub stored_bytes: u64,
    /// Bytes of the files of all chunks, each counted as often as it came.
    pub compressed_bytes: u64,
}

impl IngestStats {
    /// Chunks that the store had.
    pub fn duplicates(&self) -> u64 {
        self.chunks - self.new_chunks
    }

    fn count(&mut self, chunk: &ChunkResult) {
        self.size += chunk.size;
        self.chunks += 1;
        self.compressed_bytes += chunk.stored_size;
        if !chunk.existed {
            self.new_chunks += 1;
            self.new_bytes += chunk.size;
            self.stored_bytes += chunk.stored_size;
        }
    }
}

/// Told of each chunk after it has been stored, on the caller's thread; an error stops the ingest.
pub type OnChunk = Callback<dyn Fn(&ChunkResult) -> Result<()> + Send + Sync>;

/// Stores chunks on several threads, and records them on the caller's.
pub(super) struct Engine {
    chunk_writer: ChunkWriter,
    /// One for each thread.
    workspaces: Vec<Workspace>,
    /// Plain bytes of the largest chunk.
    max_chunk: usize,
    recorder: Recorder,
    /// There is one phase.
    progress: Progress,
}

/// What progress counts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Units {
    /// Chunks, of as many as the index will have.
    Chunks,
    /// Bytes of a stream, of so many if that is known.
    Bytes(Option<u64>),
}

/// Records stored chunks in the index and in the sums, in order, on the caller's thread, and reports them.
pub(super) struct Recorder {
    /// `None` once it has been handed out.
    index: Option<StoredIndex>,
    stats: IngestStats,
    on_chunk: Option<OnChunk>,
    units: Units,
}

/// How chunks are stored.
pub(super) struct EngineOptions {
    pub(super) compress: bool,
    pub(super) key: Option<Arc<CryptKey>>,
    pub(super) on_chunk: Option<OnChunk>,
    pub(super) progress: Option<OnProgress>,
    /// 0 for as many as there are processors.
    pub(super) threads: usize,
    /// Plain bytes of the largest chunk.
    pub(super) max_chunk: u64,
}

impl Engine {
    /// An engine for `writer`, holding `store`, which `lock` is of.
    ///
    /// Errors: `Argument` for too many threads.
    pub(super) fn new(store: &Chunks, lock: SharedLock, writer: IndexWriter, options: EngineOptions) -> Result<Self> {
        let EngineOptions { compress, key, on_chunk, progress, threads, max_chunk } = options;
        let fingerprint = key.as_ref().map(|key| *key.fingerprint());
        let chunk_writer = ChunkWriter::new(store.clone(), compress, key);
        let workspaces =
            try_collect(std::iter::repeat_with(|| Ok(chunk_writer.workspace())).take(crew::thread_count(threads)?))?;
        let units = match writer {
            IndexWriter::Dynamic(_) => Units::Bytes(None),
            IndexWriter::Fixed(_) => Units::Chunks,
        };
        let index = StoredIndex::new(writer, store.clone(), lock, fingerprint);
        let (recorder, progress) = (Recorder::new(index, on_chunk, units), Progress::new(progress));
        Ok(Engine { chunk_writer, workspaces, max_chunk: blob_len(max_chunk)?, recorder, progress })
    }

    /// How many threads there are, the caller's among them.
    pub(super) fn threads(&self) -> usize {
        self.workspaces.len()
    }

    /// Sums over what has been stored so far.
    pub(super) fn stats(&self) -> IngestStats {
        self.recorder.stats
    }

    /// Whether progress is told to anybody.
    pub(super) fn is_watched(&self) -> bool {
        self.progress.is_watched()
    }

    /// Says how long a stream is going to be, if that is known.
    pub(super) fn expect(&mut self, length: Option<u64>) {
        self.recorder.units = Units::Bytes(length);
    }

    /// A stream has ended: if its length was known, what it has come to is that.
    pub(super) fn end(&mut self) -> Result<()> {
        match self.recorder.units {
            Units::Bytes(Some(_)) => {
                self.expect(Some(self.progress.stage.done));
                self.tick()
            }
            _ => Ok(()),
        }
    }

    /// Tells the progress, if that is due; called where nothing is stored for a while.
    pub(super) fn tick(&mut self) -> Result<()> {
        self.recorder.tell(&mut self.progress)
    }

    /// Hands out the index.
    ///
    /// Errors: `State` the second time.
    pub(super) fn take_index(&mut self) -> Result<StoredIndex> {
        self.recorder.take_index()
    }

    /// The index so far.
    ///
    /// Errors: `State` when it has been handed out.
    pub(super) fn index(&mut self) -> Result<&mut StoredIndex> {
        self.recorder.index()
    }

    /// Stores what `input` gives.
    pub(super) fn run<'a>(&mut self, input: &mut (impl Input<'a> + Send)) -> Result<()> {
        let Engine { chunk_writer, workspaces, max_chunk, recorder, progress } = self;
        let max_jobs = MAX_AHEAD * workspaces.len();
        crew::run(
            workspaces,
            max_jobs,
            progress,
            |workspace: &mut Workspace, batch: &mut Batch<'a>, pause| match workspace.furnish(input.room(), *max_chunk)
            {
                Ok(()) => input.take(&mut workspace.buffer, batch, pause),
                Err(_) => Ok(Taken::NoMemory),
            },
            |workspace, batch, pause| chunk_writer.store_batch(workspace, batch, pause),
            &mut |batch, progress| recorder.record_batch(chunk_writer, batch, progress),
        )
    }

    /// Stores the chunk `data`, which begins at `offset`.
    pub(super) fn store_one(&mut self, offset: u64, data: &[u8]) -> Result<()> {
        let mut batch = Batch { data: Data::Slice(data), ..Batch::default() };
        batch.spans.push(Span { offset, start: 0, len: data.len(), hole: false });
        let workspace =
            self.workspaces.first_mut().ok_or_else(|| Error::new(Kind::Internal, "an engine without a workspace"))?;
        self.chunk_writer.store_batch(workspace, &mut batch, &mut || Ok(()))?;
        self.recorder.record_batch(&self.chunk_writer, &batch, &mut self.progress)
    }

    /// Takes the chunk of `size` bytes at `offset` from an earlier index, if the store has it; else nothing is done.
    pub(super) fn reuse_chunk(&mut self, offset: u64, size: usize, digest: &Digest) -> Result<bool> {
        // A chunk of the other form does not count.
        let encrypted = self.chunk_writer.key.is_some();
        if self.chunk_writer.store.stored_form(digest)?.is_none_or(|form| form.encrypted != encrypted) {
            return Ok(false);
        }
        let Some(chunk) = self.chunk_writer.touch(digest, size)? else { return Ok(false) };
        self.recorder.index()?.add_reused();
        self.recorder.record(&ChunkResult { offset, ..chunk }, &mut self.progress)?;
        Ok(true)
    }
}

impl Recorder {
    /// A recorder for `index`.
    pub(super) fn new(index: StoredIndex, on_chunk: Option<OnChunk>, units: Units) -> Self {
        Recorder { index: Some(index), stats: IngestStats::default(), on_chunk, units }
    }

    /// Hands out the index.
    ///
    /// Errors: `State` the second time.
    pub(super) fn take_index(&mut self) -> Result<StoredIndex> {
        let mut index = self.index.take().ok_or_else(no_index)?;
        index.stats = self.stats;
        Ok(index)
    }

    /// Records a chunk that has been copied, or was there.
    pub(super) fn record_copied(&mut self, chunk: &ChunkResult, progress: &mut Progress) -> Result<()> {
        if chunk.existed {
            self.index()?.add_reused();
        }
        self.record(chunk, progress)
    }

    fn index(&mut self) -> Result<&mut StoredIndex> {
        self.index.as_mut().ok_or_else(no_index)
    }

    fn record_batch(&mut self, chunk_writer: &ChunkWriter, batch: &Batch<'_>, progress: &mut Progress) -> Result<()> {
        for (digest, leftover) in &batch.leftovers {
            chunk_writer.store.notice_leftover(digest, Some(*leftover))?;
        }
        if batch.reused {
            self.index()?.add_reused();
        }
        batch.stored.iter().try_for_each(|chunk| {
            let existed = chunk_writer.newness.settle_existed(chunk);
            self.record(&ChunkResult { existed, ..*chunk }, progress)
        })
    }

    /// Records a chunk that is in the store.
    fn record(&mut self, chunk: &ChunkResult, progress: &mut Progress) -> Result<()> {
        let index = self.index()?;
        // A chunk that is given for the same place again counts once: else more would be done than there are.
        let is_counted = index.writer.has_chunk_at(chunk.offset);
        index.enter(chunk.offset + chunk.size, chunk.size, &chunk.digest)?;
        self.stats.count(chunk);
        if !is_counted {
            progress.stage.bytes += chunk.size;
            progress.stage.done = match self.units {
                Units::Chunks => progress.stage.done + 1,
                Units::Bytes(_) => progress.stage.bytes,
            };
        }
        if let Some(on_chunk) = &self.on_chunk {
            on_chunk(chunk)?;
        }
        self.tell(progress)
    }

    /// Tells the progress, if that is due.
    fn tell(&self, progress: &mut Progress) -> Result<()> {
        if !progress.is_watched() {
            return Ok(());
        }
        match self.units {
            Units::Chunks => {
                if let Some(count) = self.index.as_ref().and_then(|index| index.writer.final_count()) {
                    progress.stage.total = count;
                }
            }
            Units::Bytes(length) => progress.stage = Stage::of_input(progress.stage.bytes, length),
        }
        progress.tick()
    }
}

fn no_index() -> Error {
    Error::new(Kind::State, "the index has been handed out")
}
