//! Bytes that have come in and wait to be stored.

use super::buffer::{grow, make_room};
use crate::error::Result;

/// Bytes of a stream that are asked for at a time: few enough to be scanned while they are in the processor's cache.
pub(super) const READ_STEP: usize = 256 << 10;

/// The end of what has come in so far, from the start of a chunk on.
#[derive(Default)]
pub(super) struct Pending {
    /// Never shrinks, so that its end need not be cleared before a read.
    buffer: Vec<u8>,
    filled: usize,
}

impl Pending {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }

    pub(super) fn len(&self) -> usize {
        self.filled
    }

    /// Sees to it that `len` bytes in all have room.
    pub(super) fn reserve(&mut self, len: usize) -> Result<()> {
        make_room(&mut self.buffer, len, len)
    }

    /// `len` bytes behind the filled ones, to be filled next.
    pub(super) fn room(&mut self, len: usize) -> Result<&mut [u8]> {
        grow(&mut self.buffer, self.filled + len)?;
        Ok(&mut self.buffer[self.filled..][..len])
    }

    /// The first `len` bytes of the last room are filled.
    pub(super) fn advance(&mut self, len: usize) {
        self.filled += len;
    }

    pub(super) fn append(&mut self, data: &[u8]) -> Result<()> {
        self.room(data.len())?.copy_from_slice(data);
        self.filled += data.len();
        Ok(())
    }

    /// Drops the first `len` bytes.
    pub(super) fn consume(&mut self, len: usize) {
        if len > 0 {
            self.buffer.copy_within(len..self.filled, 0);
            self.filled -= len;
        }
    }

    pub(super) fn clear(&mut self) {
        self.filled = 0;
    }
}
