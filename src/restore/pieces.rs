//! Chunks on their way out: loaded several at a time, written in order or each where it belongs.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Part;
use crate::crew::{self, Pause, Taken};
use crate::error::{Error, Kind, Result, push};
use crate::index::{ChunkInfo, Index, RequiredForm};
use crate::progress::Progress;
use crate::source::{ChunkBuffer, ChunkSource, GROUP, Loader, OnBad, Zeros, is_bad, judge};
use crate::sys::Region;

/// Plain bytes of a batch, at least: a thread is not worth starting for less.
const MIN_BATCH: u64 = 1 << 20;

/// Plain bytes of a batch of more than one chunk, at most.
const MAX_BATCH: u64 = 16 << 20;

/// Chunks of a batch, at most.
const MAX_CHUNKS: usize = 1024;

/// Batches that are under way or wait for the caller's thread, at most, for each thread.
pub(super) const MAX_AHEAD: usize = 2;

/// The next bytes of an output.
pub(super) enum Piece<'a> {
    Data(&'a [u8]),
    Zeros(u64),
}

/// Takes the pieces in order, on the caller's thread.
pub(super) type Take<'a> = dyn FnMut(Piece<'_>) -> Result<()> + 'a;

/// Where the pieces go.
pub(super) enum Target<'a> {
    /// Through the caller's thread.
    InOrder(&'a mut Take<'a>),
    /// Each to its place, by the thread that has it.
    Region(&'a Region<'a>),
}

/// Some chunks that follow one another, and later what has become of them.
#[derive(Default)]
pub(super) struct Batch {
    chunks: Range<usize>,
    buffers: Vec<ChunkBuffer>,
    /// The states of the chunks; none behind a failure that ends the restore.
    states: Vec<ChunkState>,
    was_short: bool,
}

/// The state of a chunk.
enum ChunkState {
    /// Its data is in this buffer, and still to be written.
    Data(usize),
    /// It is zeros by its digest, and they are still to be written.
    Zeros,
    /// Its data is where it belongs.
    Written,
    /// It could not be loaded.
    Lost(Error),
    /// It was loaded, and could not be written.
    Unwritable(Error),
}

/// Buffers that no batch uses now.
#[derive(Default)]
pub(super) struct IdleBuffers(Mutex<Vec<Vec<ChunkBuffer>>>);

impl IdleBuffers {
    fn idle(&self) -> MutexGuard<'_, Vec<Vec<ChunkBuffer>>> {
        // A panic under the lock leaves whole buffers.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<ChunkBuffer> {
        self.idle().pop().unwrap_or_default()
    }

    fn put_back(&self, buffers: Vec<ChunkBuffer>) {
        self.idle().push(buffers);
    }

    /// Gives their memory back.
    fn shed(&self) {
        self.idle().clear();
    }
}

/// The chunks that no thread has taken yet.
pub(super) struct Queue {
    next: Range<usize>,
    threads: usize,
    /// One chunk at a time.
    single: bool,
}

impl Queue {
    /// The chunks of `range`, to be shared out to so many threads.
    pub(super) fn new(range: Range<usize>, threads: usize, single: bool) -> Self {
        Queue { next: range, threads, single }
    }

    /// Takes the chunks of the next batch.
    fn take(&mut self, index: &Index) -> Range<usize> {
        let first = self.next.start;
        // At the end, the chunks that are left are shared out evenly.
        let wanted = self.next.len().div_ceil(self.threads).min(GROUP);
        let mut size = 0_u64;
        while let Some(chunk) = self.next.clone().next().and_then(|i| index.chunk(i)) {
            let count = self.next.start - first;
            let more = size.saturating_add(chunk.len());
            let enough = size >= MIN_BATCH && count >= wanted;
            if count > 0 && (enough || self.single || more > MAX_BATCH || count == MAX_CHUNKS) {
                break;
            }
            size = more;
            self.next.start += 1;
        }
        first..self.next.start
    }
}

/// A restore, as all its threads see it.
pub(super) struct RestoreRun<'a> {
    pub(super) source: &'a dyn ChunkSource,
    pub(super) index: &'a Index,
    pub(super) part: &'a Part,
    pub(super) required_form: Option<RequiredForm>,
    pub(super) on_bad: Option<&'a OnBad>,
    /// Tells chunks of zeros, if these need not be loaded.
    pub(super) zeros: Option<&'a Zeros>,
    pub(super) buffers: &'a IdleBuffers,
    /// `None`: the caller's thread writes.
    pub(super) region: Option<&'a Region<'a>>,
    /// A failure has ended the restore: the chunks behind it are not needed.
    pub(super) ended: AtomicBool,
}

impl RestoreRun<'_> {
    /// Takes the next batch.
    pub(super) fn take(&self, queue: &mut Queue, batch: &mut Batch) -> Taken {
        batch.states.clear();
        batch.was_short = false;
        batch.chunks = if self.ended.load(Ordering::Relaxed) { 0..0 } else { queue.take(self.index) };
        match (batch.chunks.is_empty(), queue.next.is_empty()) {
            (true, _) => Taken::Nothing,
            (false, true) => Taken::Last,
            (false, false) => Taken::More,
        }
    }

    /// Loads, checks and decodes the chunks of a batch, and writes them if any thread may write. A failure is kept in
    /// the batch: the chunks before it are given out first.
    ///
    /// Errors: those of `pause`; `NoMemory`, after which it may begin again.
    pub(super) fn run(&self, loader: &mut Loader, batch: &mut Batch, pause: &mut Pause<'_>) -> Result<()> {
        if batch.was_short {
            // Batches that have been delivered since have put their buffers back.
            self.buffers.shed();
        }
        self.load_all(loader, batch, pause).inspect_err(|error| {
            if error.kind() == Kind::NoMemory {
                batch.buffers = Vec::new();
                self.buffers.shed();
            }
        })
    }

    /// As [`RestoreRun::run`], once.
    fn load_all(&self, loader: &mut Loader, batch: &mut Batch, pause: &mut Pause<'_>) -> Result<()> {
        batch.states.clear();
        batch.buffers = self.buffers.take();
        // The next buffer to use; the first chunk and the first buffer of the group that is to be proved together.
        let (mut buffer, mut group, mut group_buffer) = (0, 0, 0);
        for i in batch.chunks.clone() {
            pause()?;
            let state = self.load(loader, &self.chunk(i)?, batch, buffer)?;
            let ends = self.ends(&state);
            buffer += usize::from(matches!(state, ChunkState::Data(_)));
            push(&mut batch.states, state)?;
            if buffer - group_buffer < GROUP && i + 1 < batch.chunks.end && !ends {
                continue;
            }
            self.prove(loader, batch, group, group_buffer..buffer);
            if self.write(batch, group)? {
                buffer = 0;
            }
            if batch.states[group..].iter().any(|state| self.ends(state)) {
                self.ended.store(true, Ordering::Relaxed);
                break;
            }
            (group, group_buffer) = (batch.states.len(), buffer);
        }
        if self.region.is_some() {
            self.buffers.put_back(std::mem::take(&mut batch.buffers));
        }
        Ok(())
    }

    /// Loads a chunk into buffer number `buffer`, unless it is zeros.
    ///
    /// Errors: `NoMemory`.
    fn load(&self, loader: &mut Loader, chunk: &ChunkInfo, batch: &mut Batch, buffer: usize) -> Result<ChunkState> {
        let Batch { buffers, was_short, .. } = batch;
        if self.zeros.is_some_and(|zeros| zeros.has(chunk, self.required_form)) {
            return Ok(ChunkState::Zeros);
        }
        if buffers.len() == buffer {
            push(buffers, ChunkBuffer::default())?;
        }
        let loaded = loader.load_unproved(self.source, chunk, self.required_form, &mut buffers[buffer]);
        let kept = crew::keep(loaded, was_short)?;
        Ok(kept.map_or_else(ChunkState::Lost, |()| ChunkState::Data(buffer)))
    }

    /// Whether nothing behind this is needed.
    fn ends(&self, state: &ChunkState) -> bool {
        match state {
            ChunkState::Lost(error) => self.on_bad.is_none() || !is_bad(error),
            ChunkState::Unwritable(_) => true,
            ChunkState::Data(_) | ChunkState::Zeros | ChunkState::Written => false,
        }
    }

    /// Compares the digests of the data in `buffers`, which is that of chunks from number `first` of the batch on.
    fn prove(&self, loader: &Loader, batch: &mut Batch, first: usize, buffers: Range<usize>) {
        let Batch { buffers: all, states, .. } = batch;
        loader.prove(self.source, &all[buffers.clone()], &mut |place, error| {
            let buffer = buffers.start + place;
            let mut group = states[first..].iter_mut();
            if let Some(wrong) = group.find(|state| matches!(state, ChunkState::Data(data) if *data == buffer)) {
                *wrong = ChunkState::Lost(error);
            }
        });
    }

    /// Writes the chunks from number `first` of the batch on, if any thread may write; false if not.
    fn write(&self, batch: &mut Batch, first: usize) -> Result<bool> {
        let Some(region) = self.region else { return Ok(false) };
        let Batch { chunks, buffers, states, .. } = batch;
        for (i, state) in chunks.clone().zip(states).skip(first) {
            let chunk = self.chunk(i)?;
            let written = match state {
                ChunkState::Data(buffer) => self.write_piece(region, &chunk, &self.data(&chunk, &buffers[*buffer])),
                ChunkState::Zeros => self.write_piece(region, &chunk, &Piece::Zeros(self.wanted_len(&chunk))),
                ChunkState::Written | ChunkState::Lost(_) | ChunkState::Unwritable(_) => continue,
            };
            *state = written.map_or_else(ChunkState::Unwritable, |()| ChunkState::Written);
        }
        Ok(true)
    }

    /// Gives out the chunks of a batch, on the caller's thread, and counts them in `written` and `progress`.
    pub(super) fn deliver(
        &self,
        target: &mut Target<'_>,
        batch: &mut Batch,
        written: &mut u64,
        progress: &mut Progress,
    ) -> Result<()> {
        for (i, state) in batch.chunks.clone().zip(batch.states.drain(..)) {
            let chunk = self.chunk(i)?;
            let len = self.wanted_len(&chunk);
            let piece = match state {
                ChunkState::Written => None,
                ChunkState::Data(buffer) => Some(self.data(&chunk, &batch.buffers[buffer])),
                ChunkState::Zeros => Some(Piece::Zeros(len)),
                ChunkState::Lost(error) => {
                    judge(error, i, &chunk, self.on_bad)?;
                    Some(Piece::Zeros(len))
                }
                ChunkState::Unwritable(error) => return Err(error),
            };
            match (piece, &mut *target) {
                (None, _) => {}
                (Some(piece), Target::InOrder(take)) => take(piece)?,
                (Some(piece), Target::Region(region)) => self.write_piece(region, &chunk, &piece)?,
            }
            *written += len;
            progress.stage.done += 1;
            progress.stage.bytes = *written;
            progress.tick()?;
        }
        if self.region.is_none() {
            self.buffers.put_back(std::mem::take(&mut batch.buffers));
        }
        Ok(())
    }

    fn write_piece(&self, region: &Region<'_>, chunk: &ChunkInfo, piece: &Piece<'_>) -> Result<()> {
        let at = chunk.start.saturating_sub(self.part.bytes.start);
        match piece {
            Piece::Data(data) => region.write_at(data, at),
            Piece::Zeros(len) => region.write_zeros_at(at, *len),
        }
    }

    /// The part of a chunk's data that is wanted.
    fn data<'a>(&self, chunk: &ChunkInfo, buffer: &'a ChunkBuffer) -> Piece<'a> {
        let (start, end) = self.wanted(chunk);
        Piece::Data(&buffer.data()[(start - chunk.start) as usize..(end - chunk.start) as usize])
    }

    fn wanted(&self, chunk: &ChunkInfo) -> (u64, u64) {
        (chunk.start.max(self.part.bytes.start), chunk.end.min(self.part.bytes.end))
    }

    fn wanted_len(&self, chunk: &ChunkInfo) -> u64 {
        let (start, end) = self.wanted(chunk);
        end - start
    }

    fn chunk(&self, i: usize) -> Result<ChunkInfo> {
        self.index.chunk(i).ok_or_else(|| Error::new(Kind::Internal, "the index has lost a chunk"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha256;
    use crate::index::DynamicWriter;

    /// The numbers of chunks in each batch of an index of so many chunks of `len` bytes.
    fn batches(count: u64, len: u64, threads: usize) -> Vec<usize> {
        let mut writer = DynamicWriter::new(0, None).unwrap();
        (1..=count).for_each(|i| writer.add(i * len, &sha256(b"")).unwrap());
        let index = Index::from_bytes(&writer.complete().unwrap().to_bytes(usize::MAX).unwrap(), None).unwrap();
        let mut queue = Queue::new(0..index.count(), threads, false);
        let mut batches = Vec::new();
        while !queue.next.is_empty() {
            let batch = queue.take(&index);
            assert_eq!(batch.start, batches.iter().sum::<usize>());
            batches.push(batch.len());
        }
        assert!(queue.take(&index).is_empty());
        batches
    }

    #[test]
    fn jobs_are_worth_a_thread_and_fit_into_memory() {
        assert_eq!(batches(0, 1, 2), [0; 0]);
        assert_eq!(batches(10, 4 << 20, 1), [3, 3, 3, 1]);
        assert_eq!(batches(10, 4 << 20, 2), [3, 3, 2, 1, 1], "the end is shared out");
        assert_eq!(batches(3, 4 << 20, 8), [1, 1, 1]);
        assert_eq!(batches(5, 8 << 20, 1), [2, 2, 1], "16 MiB at most");
        assert_eq!(batches(3, 100 << 20, 1), [1, 1, 1], "but one chunk at least");
        assert_eq!(batches(40, 64 << 10, 2), [16, 16, 8], "1 MiB at least");
        assert_eq!(batches(15, 64 << 10, 8), [15], "and else no thread is started");
        assert_eq!(batches(3000, 1, 2), [1024, 1024, 952]);
    }
}
