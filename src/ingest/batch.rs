//! Whole chunks on their way through the threads.

use super::ChunkResult;
use crate::chunks::Leftover;
use crate::digest::Digest;
use crate::sys::CallerFd;

/// Plain bytes of a batch, at least: enough that several chunks are hashed at a time and that threads seldom meet.
const MIN_BATCH: u64 = 2 << 20;

/// Chunks of a batch, at most.
pub(super) const MAX_SPANS: usize = 1024;

/// Plain bytes that a batch should have, of chunks of `avg` bytes.
pub(super) fn batch_size(avg: u64) -> usize {
    usize::try_from(avg.saturating_mul(4).max(MIN_BATCH)).unwrap_or(usize::MAX)
}

/// A chunk in a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// Where it begins in the stream or image.
    pub(super) offset: u64,
    /// Where it begins in the data of the batch.
    pub(super) start: usize,
    pub(super) len: usize,
    /// It is known to be zeros, and its data is not there.
    pub(super) hole: bool,
}

/// Where the data of a batch is.
#[derive(Default)]
pub(super) enum Data<'a> {
    /// In the buffer of the thread that has taken it.
    #[default]
    Buffer,
    /// In the caller's memory.
    Slice(&'a [u8]),
    /// Still to be read, by position, from a file of so many bytes.
    File(CallerFd<'a>, u64),
}

/// Whole chunks, and later the results of storing them.
#[derive(Default)]
pub(super) struct Batch<'a> {
    pub(super) data: Data<'a>,
    pub(super) spans: Vec<Span>,
    /// Of each span, when it is stored.
    pub(super) stored: Vec<ChunkResult>,
    /// Files that were too short to be chunks and have been replaced.
    pub(super) leftovers: Vec<(Digest, Leftover)>,
    /// Some of the chunks were there.
    pub(super) reused: bool,
}

impl<'a> Batch<'a> {
    /// Empties it, for new chunks in `data`.
    pub(super) fn reset(&mut self, data: Data<'a>) {
        self.data = data;
        self.spans.clear();
        self.stored.clear();
        self.leftovers.clear();
        self.reused = false;
    }
}
