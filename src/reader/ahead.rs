//! Reads of several chunks, and of those that will be asked for next.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::Reader;
use crate::crew::{self, Taken};
use crate::error::{Error, Result};
use crate::index::{ChunkInfo, Index};
use crate::progress::Progress;
use crate::source::{is_bad, judge};

/// Bytes to load, at least: a thread is not worth starting for less.
const MIN_SPREAD: u64 = 1 << 20;

/// Chunks that reads have come to, one after the other, before the next ones are loaded ahead.
const MIN_STEPS: usize = 2;

/// How reads have followed one another. When several threads read, it may count wrong, which costs time alone.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// The chunk behind those of the last read.
    next: AtomicUsize,
    /// How often a read has begun there.
    count: AtomicUsize,
}

impl Steps {
    /// Takes note of a read, and says whether those before it have led here.
    fn go(&self, first: usize, next: usize) -> bool {
        let expected = self.next.load(Ordering::Relaxed);
        if expected == next {
            // Within the chunk where the last one has ended.
            return first + 1 == next && self.count.load(Ordering::Relaxed) >= MIN_STEPS;
        }
        let count = match first {
            _ if first == expected || first + 1 == expected => self.count.load(Ordering::Relaxed).saturating_add(1),
            _ => 0,
        };
        self.next.store(next, Ordering::Relaxed);
        self.count.store(count, Ordering::Relaxed);
        count >= MIN_STEPS
    }
}

/// The part of one chunk that a read wants.
pub(super) struct Part<'a> {
    pub(super) number: usize,
    pub(super) chunk: ChunkInfo,
    pub(super) within: u64,
    pub(super) out: &'a mut [u8],
}

/// The parts of a read, in order.
pub(super) struct Parts<'a> {
    index: &'a Index,
    number: usize,
    within: u64,
    out: &'a mut [u8],
}

impl<'a> Parts<'a> {
    /// The parts of a read from byte `within` of chunk `number` on. The file has as many bytes.
    pub(super) fn new(index: &'a Index, number: usize, within: u64, out: &'a mut [u8]) -> Self {
        Parts { index, number, within, out }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        while !self.out.is_empty() {
            let (number, within) = (self.number, std::mem::take(&mut self.within));
            let chunk = self.index.chunk(number)?;
            self.number += 1;
            let len = usize::try_from(chunk.len() - within).unwrap_or(usize::MAX).min(self.out.len());
            if len > 0 {
                let (out, rest) = std::mem::take(&mut self.out).split_at_mut(len);
                self.out = rest;
                return Some(Part { number, chunk, within, out });
            }
        }
        None
    }
}

/// One chunk of a read, or one that is loaded ahead.
#[derive(Default)]
struct Job<'a> {
    part: Option<Part<'a>>,
    ahead: Option<ChunkInfo>,
    failure: Option<Error>,
    was_short: bool,
}

impl Reader {
    /// Whether a read of `len` bytes from byte `within` of chunk `first` on is for several threads: if so, the chunk
    /// before which loading ahead of it ends.
    pub(super) fn worth_spreading(&self, first: usize, within: u64, len: usize) -> Option<usize> {
        let chunk = |i| self.index.chunk(i);
        let end_of_read = chunk(first)?.start.saturating_add(within).saturating_add(len as u64);
        // The number of the chunk behind the read. Where the read ends in its first chunk, no search is needed.
        let next = match chunk(first)?.end {
            end if end >= end_of_read => first + 1,
            _ => self.index.chunk_from_offset(end_of_read - 1)?.0 + 1,
        };
        let goes_on = self.steps.go(first, next);
        if self.threads == 1 || (next == first + 1 && !goes_on) {
            return None;
        }
        let (mut missing, mut bytes) = (0, 0_u64);
        for i in first..next {
            self.count_missing(&chunk(i)?, &mut missing, &mut bytes);
        }
        if missing == 0 {
            return None;
        }
        let mut end = next;
        let max_ahead = self.cache.max_ahead() as u64;
        while goes_on && (missing < self.threads || bytes < MIN_SPREAD) {
            let Some(chunk) = chunk(end).filter(|chunk| bytes.saturating_add(chunk.len()) <= max_ahead) else { break };
            self.count_missing(&chunk, &mut missing, &mut bytes);
            end += 1;
        }
        (missing > 1 && bytes >= MIN_SPREAD).then_some(end)
    }

    fn count_missing(&self, chunk: &ChunkInfo, missing: &mut usize, bytes: &mut u64) {
        if !chunk.is_empty() && !self.cache.has(&chunk.digest) && !self.is_zeros(chunk) {
            *missing += 1;
            *bytes = bytes.saturating_add(chunk.len());
        }
    }

    /// Reads `parts`, and loads the chunks behind them as far as `end`, on several threads.
    ///
    /// Errors: the first in the order of the parts. A failure ahead of the parts is dropped: the chunk is loaded again
    /// when its turn comes.
    pub(super) fn spread(&self, mut parts: Parts<'_>, end: usize) -> Result<()> {
        let ended = AtomicBool::new(false);
        crew::run(
            &mut vec![(); self.threads],
            4 * self.threads,
            &mut Progress::default(),
            |_, job: &mut Job<'_>, _| {
                *job = Job { part: parts.next(), ..Job::default() };
                if job.part.is_none() && parts.number < end {
                    job.ahead = self.index.chunk(parts.number);
                    parts.number += 1;
                }
                let more = !ended.load(Ordering::Relaxed) && (job.part.is_some() || job.ahead.is_some());
                Ok(if more { Taken::More } else { Taken::Nothing })
            },
            |_, job, pause| {
                pause()?;
                if let Some(part) = &mut job.part {
                    let copied = self.copy_chunk(&part.chunk, part.within, part.out);
                    job.failure = crew::keep(copied, &mut job.was_short)?.err();
                }
                if job.failure.as_ref().is_some_and(|error| self.on_bad.is_none() || !is_bad(error)) {
                    ended.store(true, Ordering::Relaxed);
                }
                if let Some(chunk) = job.ahead.filter(|chunk| !chunk.is_empty() && !self.is_zeros(chunk)) {
                    // The read that wants it will report the failure.
                    let _ = self.load(&chunk);
                }
                Ok(())
            },
            &mut |job: &mut Job<'_>, _| {
                let (Some(error), Some(part)) = (job.failure.take(), &mut job.part) else { return Ok(()) };
                judge(error, part.number, &part.chunk, self.on_bad.as_ref())?;
                part.out.fill(0);
                Ok(())
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_counted_as_long_as_they_are_consecutive() {
        let steps = Steps::default();
        // From chunk, to before chunk, and whether the next are wanted.
        for (number, (first, next, goes_on)) in [
            (0, 1, false),
            (0, 1, false),
            (1, 2, true),
            (1, 2, true),
            (2, 3, true),
            (2, 5, true),
            (4, 6, true),
            (9, 10, false),
            (10, 11, false),
            (11, 12, true),
            (11, 12, true),
            (10, 11, false),
            (3, 11, false),
            (11, 12, false),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(steps.go(first, next), goes_on, "read number {number}");
        }
    }
}
