//! Chunks from one place into another store, as they are encoded.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::engine::{Recorder, Units};
use super::{ChunkResult, OnChunk, StoredIndex};
use crate::blob::{Blob, Codec};
use crate::chunks::Chunks;
use crate::chunks::{InsertOptions, Inserted, Leftover};
use crate::crew::{self, Pause, Taken};
use crate::crypt::CryptKey;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result, push, try_collect};
use crate::format::ENCRYPTED_BLOB_HEADER_SIZE;
use crate::index::{ChunkInfo, DynamicWriter, FixedWriter, Index, IndexKind, IndexWriter, RequiredForm};
use crate::limits::{BLOB_MAX_ENCODED_SIZE, BLOB_MAX_SIZE, blob_len, max_encoded_len};
use crate::progress::{OnProgress, Progress};
use crate::source::{ChunkSource, judge, thread_count};

/// Plain bytes of a batch, at least: a thread is not worth starting for less.
const MIN_BATCH: u64 = 1 << 20;

/// Chunks of a batch, at most.
const MAX_CHUNKS: usize = 256;

/// Batches that are under way or wait for the caller's thread, at most, for each thread.
const MAX_AHEAD: usize = 4;

/// How chunks are copied.
#[derive(Debug, Clone, Default)]
pub struct CopyOptions {
    /// Do not compare the csum in the header of the index with its entries.
    pub any_csum: bool,
    /// The key that encrypted chunks are proved with. Without it their structure and CRC are checked.
    pub key: Option<Arc<CryptKey>>,
    /// Told of each chunk, in order; an error stops the copy.
    pub on_chunk: Option<OnChunk>,
    /// Told how far it is: `done` and `total` count chunks, `bytes` their plain bytes.
    pub progress: Option<OnProgress>,
    /// How many threads there are, the caller's among them; 0 for as many as there are processors. More than one are
    /// used where that pays and the source is for any thread.
    pub threads: usize,
}

/// Brings every chunk that `index` names into `target`: touches what is there, and loads, proves and inserts the rest,
/// encoded as it is in `source`. Gives the same index, to be saved; it holds `target` as a writer.
///
/// Errors: `Busy` while the target is held exclusively; `Corrupt` if the csum of the index is wrong; those of
/// [`ChunkSource::load`] and [`Chunks::insert`], with the chunk's digest and its offset; `CryptMode`, `Auth`,
/// `Corrupt`; `Argument` for too many threads, or an index that no writer makes; `Cancelled`.
pub fn copy_chunks(
    source: &dyn ChunkSource,
    index: &Index,
    target: &Chunks,
    options: CopyOptions,
) -> Result<StoredIndex> {
    let CopyOptions { any_csum, key, on_chunk, progress, threads } = options;
    let threads = thread_count(source, threads)?;
    if !any_csum {
        index.check_intact()?;
    }
    let lock = target.lock_shared()?;
    let required_form = index.terms().required_form;
    let fingerprint =
        key.as_ref().filter(|_| required_form == Some(RequiredForm::Encrypted)).map(|key| *key.fingerprint());
    let mut stored = StoredIndex::new(writer_for(index, target)?, target.clone(), lock, fingerprint);
    if let Some(file) = index.file() {
        stored.add_input(file)?;
    }
    // Whether its chunks are encrypted is known from elsewhere, or not at all.
    stored.form_known = required_form == Some(RequiredForm::Plain) || fingerprint.is_some();

    let (mut recorder, mut progress) = (Recorder::new(stored, on_chunk, Units::Chunks), Progress::new(progress));
    progress.stage.total = index.count() as u64;
    let run = CopyRun { source, index, target, required_form, ended: AtomicBool::new(false) };
    let mut workspaces = try_collect((0..threads).map(|_| Ok(Workspace::new(key.clone()))))?;
    let mut next = 0..index.count();
    crew::run(
        &mut workspaces,
        MAX_AHEAD * threads,
        &mut progress,
        |_, batch: &mut Batch, _| Ok(run.take(&mut next, batch)),
        |workspace, batch, pause| run.run(workspace, batch, pause),
        &mut |batch, progress| run.deliver(&mut recorder, batch, progress),
    )?;
    recorder.take_index()
}

/// Copies the chunk `digest` to `target`, as [`copy_chunks`] copies each; the caller holds the target as a writer until
/// an index names the chunk. A file that is too short to be a chunk is replaced.
///
/// Errors: as [`copy_chunks`].
pub fn copy_chunk(
    source: &dyn ChunkSource,
    target: &Chunks,
    digest: &Digest,
    key: Option<Arc<CryptKey>>,
) -> Result<Inserted> {
    if let Some(stored_size) = touch(target, digest)? {
        return Ok(Inserted { existed: true, stored_size });
    }
    let Workspace { mut codec, mut encoded, .. } = Workspace::new(key);
    let blob = source.load_tolerant(digest, BLOB_MAX_ENCODED_SIZE, codec.tolerance(), &mut encoded)?;
    if can_be_proved(&codec, blob) {
        codec.decode_vec(blob, Some(digest), BLOB_MAX_SIZE).map_err(|error| error.with_digest(digest))?;
    }
    target.insert(digest, blob.raw(), InsertOptions::default())
}

/// A writer of the same index.
fn writer_for(index: &Index, target: &Chunks) -> Result<IndexWriter> {
    let header = index.header();
    Ok(match index.kind() {
        IndexKind::Dynamic => IndexWriter::Dynamic(
            DynamicWriter::new(header.ctime, Some(header.uuid))?.spill_into(target.base().reopen()?),
        ),
        IndexKind::Fixed => {
            IndexWriter::Fixed(FixedWriter::new(header.ctime, Some(header.uuid), header.size, header.chunk_size)?)
        }
    })
}

/// Touches the chunk if the target has it. A file that is too short for its magic does not count.
fn touch(target: &Chunks, digest: &Digest) -> Result<Option<u64>> {
    let Some(size) = target.touch_if_present(digest)? else { return Ok(None) };
    let too_short = size < ENCRYPTED_BLOB_HEADER_SIZE as u64
        && target.stored_form(digest)?.is_some_and(|form| size < form.header_size() as u64);
    Ok((!too_short).then_some(size))
}

/// Whether the digest can be compared.
fn can_be_proved(codec: &Codec, blob: Blob<'_>) -> bool {
    !blob.form().encrypted || codec.key().is_some()
}

/// The buffers of one thread, used again for each batch.
struct Workspace {
    codec: Codec,
    encoded: Vec<u8>,
    decoded: Vec<u8>,
}

impl Workspace {
    fn new(key: Option<Arc<CryptKey>>) -> Self {
        Workspace { codec: Codec::with_key(key), encoded: Vec::new(), decoded: Vec::new() }
    }
}

impl crew::Workspace for Workspace {
    fn shed(&mut self, _: bool) {
        self.codec.shed();
        (self.encoded, self.decoded) = (Vec::new(), Vec::new());
    }
}

/// Some chunks that follow one another, and the results of copying them.
#[derive(Default)]
struct Batch {
    chunks: Range<usize>,
    copied: Vec<Result<ChunkResult>>,
    leftovers: Vec<(Digest, Leftover)>,
    was_short: bool,
}

/// A copy, as all its threads see it.
struct CopyRun<'a> {
    source: &'a dyn ChunkSource,
    index: &'a Index,
    target: &'a Chunks,
    required_form: Option<RequiredForm>,
    /// A chunk has failed: those behind it are not needed.
    ended: AtomicBool,
}

impl CopyRun<'_> {
    fn take(&self, next: &mut Range<usize>, batch: &mut Batch) -> Taken {
        batch.copied.clear();
        batch.leftovers.clear();
        batch.was_short = false;
        let first = next.start;
        let mut size = 0_u64;
        while size < MIN_BATCH && next.start - first < MAX_CHUNKS && !self.ended.load(Ordering::Relaxed) {
            let Some(chunk) = next.next().and_then(|i| self.index.chunk(i)) else { break };
            size = size.saturating_add(chunk.len());
            if !self.source.is_for_any_thread() {
                break;
            }
        }
        batch.chunks = first..next.start;
        match (batch.chunks.is_empty(), Range::is_empty(next)) {
            (true, _) => Taken::Nothing,
            (false, true) => Taken::Last,
            (false, false) => Taken::More,
        }
    }

    /// Copies the chunks of a batch. A failure is kept in the batch: the chunks before it are recorded first.
    ///
    /// Errors: those of `pause`; `NoMemory`, after which it may go on.
    fn run(&self, workspace: &mut Workspace, batch: &mut Batch, pause: &mut Pause<'_>) -> Result<()> {
        for i in batch.chunks.clone().skip(batch.copied.len()) {
            pause()?;
            let chunk = self.chunk(i)?;
            let copied = crew::keep(self.copy(workspace, &chunk, &mut batch.leftovers), &mut batch.was_short)?;
            let failed = copied.is_err();
            push(&mut batch.copied, copied)?;
            if failed {
                self.ended.store(true, Ordering::Relaxed);
                break;
            }
        }
        Ok(())
    }

    fn copy(
        &self,
        workspace: &mut Workspace,
        chunk: &ChunkInfo,
        leftovers: &mut Vec<(Digest, Leftover)>,
    ) -> Result<ChunkResult> {
        let ChunkInfo { start: offset, digest, .. } = *chunk;
        let result =
            |Inserted { existed, stored_size }| ChunkResult { digest, offset, size: chunk.len(), stored_size, existed };
        if let Some(stored_size) = touch(self.target, &digest)? {
            return Ok(result(Inserted { existed: true, stored_size }));
        }
        let Workspace { codec, encoded, decoded } = workspace;
        let len = blob_len(chunk.len())?;
        let max_len = max_encoded_len(len);
        let blob = self.source.load_tolerant(&digest, max_len, codec.tolerance(), encoded)?;
        RequiredForm::check(self.required_form, blob.form().encrypted)?;
        if can_be_proved(codec, blob) {
            codec.decode_exact(blob, &digest, len, decoded)?;
        }
        let (inserted, leftover) = self.target.insert_for_index(&digest, blob.raw())?;
        if let Some(leftover) = leftover {
            push(leftovers, (digest, leftover))?;
        }
        Ok(result(inserted))
    }

    /// Records the chunks that were copied, on the caller's thread.
    fn deliver(&self, recorder: &mut Recorder, batch: &mut Batch, progress: &mut Progress) -> Result<()> {
        for (digest, leftover) in batch.leftovers.drain(..) {
            self.target.notice_leftover(&digest, Some(leftover))?;
        }
        for (i, copied) in batch.chunks.clone().zip(batch.copied.drain(..)) {
            match copied {
                Ok(chunk) => recorder.record_copied(&chunk, progress)?,
                Err(error) => judge(error, i, &self.chunk(i)?, None)?,
            }
        }
        Ok(())
    }

    fn chunk(&self, i: usize) -> Result<ChunkInfo> {
        self.index.chunk(i).ok_or_else(|| Error::new(Kind::Internal, "the index has lost a chunk"))
    }
}
