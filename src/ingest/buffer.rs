//! Buffers that grow by as much as a batch takes.

use crate::error::{Result, reserve};
use crate::sys;

/// A longer buffer has room for a multiple of so much, as much as a batch may have; the system takes what is touched.
const SMALL_BUFFER: usize = 1 << 20;
const BUFFER_STEP: usize = 48 << 20;

/// Makes a buffer at least `len` bytes long. One that is not small gets room for a whole batch at once.
pub(super) fn grow(buffer: &mut Vec<u8>, len: usize) -> Result<()> {
    lengthen(buffer, len, whole_batches(len))
}

/// As [`grow`], with room for `wanted` bytes if there is so much memory.
pub(super) fn lengthen(buffer: &mut Vec<u8>, len: usize, wanted: usize) -> Result<()> {
    make_room(buffer, len, wanted)?;
    buffer.resize(len.max(buffer.len()), 0);
    Ok(())
}

/// The room that a buffer of `len` bytes should have.
pub(super) fn whole_batches(len: usize) -> usize {
    if len > SMALL_BUFFER { len.checked_next_multiple_of(BUFFER_STEP).unwrap_or(len) } else { len }
}

/// Gives a buffer room for `wanted` bytes, or where there is not so much memory for `needed` ones at least.
pub(super) fn make_room(buffer: &mut Vec<u8>, needed: usize, wanted: usize) -> Result<()> {
    if needed <= buffer.capacity() {
        return Ok(());
    }
    if needed > SMALL_BUFFER
        && let Ok(mut larger) = sys::large_buffer(needed, wanted)
    {
        larger.extend_from_slice(buffer);
        *buffer = larger;
        return Ok(());
    }
    // The allocator may be able to extend the buffer in place.
    reserve(buffer, needed - buffer.len())
}
