//! Batches of an image: the chunks that have no digest yet, of memory or of a file.

use std::ops::Range;
use std::vec::IntoIter;

use super::batch::{Batch, Data, MAX_SPANS, Span};
use super::buffer::grow;
use super::engine::Input;
use crate::crew::{Pause, Taken};
use crate::error::{Error, Kind, Result, push};
use crate::index::FixedWriter;
use crate::sys::{CallerFd, Holes};

/// Where the chunks are.
pub(super) enum Source<'a> {
    /// In memory, from an offset of the image on.
    Slice(&'a [u8], u64),
    /// In a file or device, at their offsets.
    File(CallerFd<'a>, Holes<'a>),
}

/// Chunks of an image.
pub(super) struct SpanInput<'a> {
    source: Source<'a>,
    /// The chunks that are wanted, by number.
    wanted: IntoIter<Range<usize>>,
    next: Range<usize>,
    /// How many are left.
    left: usize,
    chunk_size: u64,
    /// The end of the image, or of what is here of it.
    end: u64,
    batch_size: usize,
    threads: usize,
}

impl<'a> SpanInput<'a> {
    /// The chunks of `range`, which ends at `end`, that have no digest in `writer`.
    ///
    /// Errors: `NoMemory`.
    pub(super) fn new(
        source: Source<'a>,
        writer: &FixedWriter,
        range: Range<usize>,
        end: u64,
        batch_size: usize,
        threads: usize,
    ) -> Result<Self> {
        let wanted = missing(writer, range)?;
        let left = wanted.iter().map(Range::len).sum();
        let (wanted, chunk_size) = (wanted.into_iter(), writer.chunk_size());
        Ok(SpanInput { source, wanted, next: 0..0, left, chunk_size, end, batch_size, threads })
    }

    fn next_chunk(&mut self) -> Option<usize> {
        loop {
            if let Some(i) = self.next.next() {
                self.left -= 1;
                return Some(i);
            }
            self.next = self.wanted.next()?;
        }
    }
}

impl<'a> Input<'a> for SpanInput<'a> {
    fn take(&mut self, _buffer: &mut Vec<u8>, batch: &mut Batch<'a>, _pause: &mut Pause<'_>) -> Result<Taken> {
        batch.reset(match &self.source {
            Source::Slice(data, _) => Data::Slice(data),
            Source::File(fd, _) => Data::File(*fd, self.end),
        });
        let too_large = || Error::new(Kind::Internal, "a chunk beyond memory");
        // At the end, the chunks that are left are shared out evenly.
        let most = self.left.div_ceil(2 * self.threads).min(MAX_SPANS);
        let mut filled = 0;
        while filled < self.batch_size && batch.spans.len() < most {
            let Some(i) = self.next_chunk() else { break };
            let offset = i as u64 * self.chunk_size;
            let end = self.end.min(offset + self.chunk_size);
            let len = usize::try_from(end - offset).map_err(|_| too_large())?;
            let (start, hole) = match &mut self.source {
                Source::Slice(_, base) => (usize::try_from(offset - *base).map_err(|_| too_large())?, false),
                Source::File(_, holes) => (filled, holes.cover(offset..end)?),
            };
            // A hole takes neither room nor time.
            filled += if hole { 0 } else { len };
            push(&mut batch.spans, Span { offset, start, len, hole })?;
        }
        Ok(match (batch.spans.is_empty(), self.left) {
            (true, _) => Taken::Nothing,
            (false, 0) => Taken::Last,
            (false, _) => Taken::More,
        })
    }
}

/// The chunks of `range` without a digest.
fn missing(writer: &FixedWriter, range: Range<usize>) -> Result<Vec<Range<usize>>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for i in range.filter(|&i| !writer.has(i)) {
        match ranges.last_mut() {
            Some(last) if last.end == i => last.end += 1,
            _ => {
                push(&mut ranges, i..i + 1)?;
            }
        }
    }
    Ok(ranges)
}

/// Reads the spans that are no holes from a file of `size` bytes to their places in `buffer`.
pub(super) fn read_spans(
    fd: CallerFd<'_>,
    size: u64,
    spans: &[Span],
    buffer: &mut Vec<u8>,
    pause: &mut Pause<'_>,
) -> Result<()> {
    let end = spans.iter().map(|span| span.start + span.len).max().unwrap_or(0);
    grow(buffer, end).inspect_err(|_| *buffer = Vec::new())?;
    for span in spans.iter().filter(|span| !span.hole) {
        pause()?;
        let read = fd.read_at(&mut buffer[span.start..][..span.len], span.offset)?;
        if read < span.len {
            // The file may end in an earlier span, which another thread reads.
            let found = span.offset + read as u64;
            return Err(ends_early(fd.size()?.map_or(found, |end| end.min(found)), size));
        }
    }
    Ok(())
}

pub(super) fn ends_early(at: u64, size: u64) -> Error {
    Error::new(Kind::Corrupt, format!("the input ends at {at}, before the {size} bytes of the image")).with_offset(at)
}
