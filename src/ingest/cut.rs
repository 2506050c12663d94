//! Batches of a stream: read, and cut by content.

use super::batch::{Batch, Data, MAX_SPANS, Span};
use super::buffer::grow;
use super::engine::Input;
use super::pending::{Pending, READ_STEP};
use crate::chunker::DynamicChunker;
use crate::crew::{Pause, Taken};
use crate::error::{Error, Kind, Result, push};
use crate::sys::CallerFd;

/// How large the next batch is to be. Where there are several threads the first ones are small, so that none waits long
/// for its first; and the last ones, so that all are done at about the same time.
pub(super) struct Pace {
    pub(super) batch_size: usize,
    /// The average chunk: no batch aims at less.
    pub(super) avg: usize,
    /// The largest chunk.
    pub(super) max_chunk: usize,
    pub(super) threads: usize,
}

impl Pace {
    /// Bytes of the next batch, after `done` of them and before `rest`, if that is known.
    fn goal(&self, done: u64, rest: Option<u64>) -> usize {
        if self.threads == 1 {
            return self.batch_size;
        }
        let fair = rest.map_or(u64::MAX, |rest| rest / (2 * self.threads as u64));
        let goal = done.max(self.avg as u64).min(fair.max(self.avg as u64));
        usize::try_from(goal).unwrap_or(usize::MAX).min(self.batch_size)
    }

    /// Whether a batch of `spans` that has come to `size` is large enough.
    fn is_enough(&self, goal: usize, size: usize, spans: &[Span]) -> bool {
        // A chunk that is more than half of its batch is hashed by itself in the end, at half the speed.
        let longest = || spans.iter().map(|span| span.len).max().unwrap_or(0);
        size >= goal && (goal < self.batch_size || size >= 2 * longest().min(self.batch_size))
    }
}

/// Cuts memory that is there as a whole.
pub(super) struct SliceInput<'a, 'b> {
    /// A whole chunk that comes before.
    pub(super) first: Option<&'a [u8]>,
    pub(super) data: &'a [u8],
    pub(super) chunker: &'b mut DynamicChunker,
    /// Where the current chunk begins in `data`.
    pub(super) start: usize,
    /// How far the chunker has come.
    pub(super) scanned: usize,
    /// Where the current chunk begins in the stream.
    pub(super) offset: u64,
    pub(super) pace: &'b Pace,
}

impl<'a> Input<'a> for SliceInput<'a, '_> {
    fn take(&mut self, _buffer: &mut Vec<u8>, batch: &mut Batch<'a>, _pause: &mut Pause<'_>) -> Result<Taken> {
        if let Some(first) = self.first.take() {
            batch.reset(Data::Slice(first));
            batch.spans.push(Span { offset: self.offset, start: 0, len: first.len(), hole: false });
            self.offset += first.len() as u64;
            return Ok(Taken::More);
        }
        batch.reset(Data::Slice(self.data));
        let first = self.start;
        let goal = self.pace.goal(first as u64, Some((self.data.len() - first) as u64));
        while batch.spans.len() < MAX_SPANS {
            let Some(cut) = self.chunker.scan(&self.data[self.scanned..]) else {
                self.scanned = self.data.len();
                return Ok(if batch.spans.is_empty() { Taken::Nothing } else { Taken::Last });
            };
            self.scanned += cut;
            let len = self.scanned - self.start;
            push(&mut batch.spans, Span { offset: self.offset, start: self.start, len, hole: false })?;
            self.start = self.scanned;
            self.offset += len as u64;
            if self.pace.is_enough(goal, self.start - first, &batch.spans) {
                break;
            }
        }
        Ok(Taken::More)
    }
}

/// Reads a descriptor to its end, and cuts what comes.
pub(super) struct FdInput<'a, 'b> {
    pub(super) fd: CallerFd<'a>,
    pub(super) chunker: &'b mut DynamicChunker,
    /// The start of the current chunk, all of it scanned; at the end, the last chunk.
    pub(super) pending: &'b mut Pending,
    /// Where the current chunk begins in the stream.
    pub(super) offset: u64,
    pub(super) pace: &'b Pace,
    /// Bytes that have been read.
    pub(super) done: u64,
    /// Bytes that are still to come, if that is known.
    pub(super) rest: Option<u64>,
    /// The error that the next call returns.
    pub(super) failure: Option<Error>,
    /// Memory has run out: from then on only what is needed is asked for.
    pub(super) is_short: bool,
}

impl FdInput<'_, '_> {
    /// Reads the next step to `buffer[filled..]`; 0 at the end.
    fn read(&self, buffer: &mut Vec<u8>, filled: usize, pause: &mut Pause<'_>) -> Result<usize> {
        grow(buffer, filled + READ_STEP)?;
        self.fd.await_input(pause)?;
        self.fd.read(&mut buffer[filled..][..READ_STEP])
    }
}

impl<'a> Input<'a> for FdInput<'a, '_> {
    fn room(&self) -> usize {
        self.pace.max_chunk + READ_STEP
    }

    fn take(&mut self, buffer: &mut Vec<u8>, batch: &mut Batch<'a>, pause: &mut Pause<'_>) -> Result<Taken> {
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        batch.reset(Data::Buffer);
        let (mut start, mut filled) = (0, self.pending.len());
        // Memory is asked for before anything is read.
        let most_left = if self.is_short { filled } else { self.room() };
        if self.pending.reserve(most_left).is_err() || grow(buffer, filled + READ_STEP).is_err() {
            self.is_short = true;
            return Ok(Taken::NoMemory);
        }
        buffer[..filled].copy_from_slice(self.pending.bytes());
        let (mut taken, goal) = (Taken::More, self.pace.goal(self.done, self.rest));
        while !self.pace.is_enough(goal, start, &batch.spans) && batch.spans.len() < MAX_SPANS {
            let count = match self.read(buffer, filled, pause) {
                Ok(0) => {
                    taken = if start == 0 { Taken::Nothing } else { Taken::Last };
                    break;
                }
                Ok(count) => count,
                // The batch is smaller then.
                Err(error) if error.kind() == Kind::NoMemory && start > 0 => break,
                Err(error) if start == 0 => return Err(error),
                // The chunks that were read before come first.
                Err(error) => {
                    self.failure = Some(error);
                    break;
                }
            };
            let mut scanned = filled;
            filled += count;
            self.done += count as u64;
            self.rest = self.rest.map(|rest| rest.saturating_sub(count as u64));
            while let Some(cut) = self.chunker.scan(&buffer[scanned..filled]) {
                scanned += cut;
                let len = scanned - start;
                push(&mut batch.spans, Span { offset: self.offset, start, len, hole: false })?;
                start = scanned;
                self.offset += len as u64;
            }
        }
        self.pending.clear();
        self.pending.append(&buffer[start..filled])?;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_small_at_both_ends() {
        let goals = |threads, rest: Option<u64>| {
            let pace = Pace { batch_size: 1600, avg: 400, max_chunk: 1600, threads };
            [0, 400, 1000, 5000].map(|done| pace.goal(done, rest))
        };
        assert_eq!(goals(2, None), [400, 400, 1000, 1600]);
        assert_eq!(goals(2, Some(1 << 40)), [400, 400, 1000, 1600]);
        assert_eq!(goals(2, Some(2000)), [400, 400, 500, 500]);
        assert_eq!(goals(2, Some(0)), [400; 4]);
        assert_eq!(goals(1, Some(2000)), [1600; 4], "nobody waits for a single thread");
    }

    #[test]
    fn no_chunk_is_most_of_a_large_batch() {
        let pace = Pace { batch_size: 1600, avg: 400, max_chunk: 1600, threads: 2 };
        let is_enough = |goal, lengths: &[usize]| {
            let spans: Vec<_> = lengths.iter().map(|&len| Span { offset: 0, start: 0, len, hole: false }).collect();
            pace.is_enough(goal, lengths.iter().sum(), &spans)
        };
        assert!(!is_enough(1600, &[]));
        assert!(!is_enough(1600, &[800, 799]));
        assert!(is_enough(1600, &[800, 800]));
        assert!(!is_enough(1600, &[300, 1400]));
        assert!(is_enough(1600, &[300, 1400, 1100]));
        assert!(is_enough(500, &[500]), "a small one is meant to be small");
        assert!(is_enough(1600, &[5000]), "and none is much larger than it should be");
    }
}
