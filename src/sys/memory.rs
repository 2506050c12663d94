//! Memory for large buffers.

use crate::error::{Result, reserve};

/// Bytes of a page, at least.
const PAGE: usize = 4096;

/// An empty buffer with room for `wanted` bytes, on huge pages where the system has them for those who ask. Where there
/// is no such room it is smaller, down to `needed` bytes, and if it can be leaves as much again for all else.
///
/// The first touch of a page costs about a microsecond, of 2 MiB hardly more than of 4 KiB: in a run that ends within a
/// second that is a twentieth of it.
///
/// Errors: `NoMemory`.
pub fn large_buffer(needed: usize, wanted: usize) -> Result<Vec<u8>> {
    let mut buffer = Vec::new();
    let mut capacity = wanted.max(needed);
    while let Err(error) = reserve(&mut buffer, capacity) {
        if capacity == needed {
            return Err(error);
        }
        capacity = needed.max(capacity / 2);
    }
    if capacity < wanted {
        buffer = Vec::new();
        reserve(&mut buffer, needed.max(capacity / 2))?;
    }
    let room = buffer.spare_capacity_mut();
    let address = room.as_ptr().addr();
    let start = address.next_multiple_of(PAGE) - address;
    if let Some(pages) = room.get_mut(start..) {
        let len = pages.len() / PAGE * PAGE;
        // SAFETY: a hint about whole pages that are this buffer's; it changes nothing in them. Where there are no huge
        // pages, or only larger ones, it is refused, which is as well.
        unsafe { libc::madvise(pages.as_mut_ptr().cast(), len, libc::MADV_HUGEPAGE) };
    }
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn large_buffers_have_their_room() {
        for capacity in [0, 1, PAGE, 3 * PAGE + 1, 5 << 20] {
            let mut buffer = large_buffer(capacity, 2 * capacity).unwrap();
            assert!(buffer.is_empty() && buffer.capacity() >= 2 * capacity);
            buffer.resize(capacity, 7);
            assert!(buffer.iter().all(|&byte| byte == 7));
        }
        for absurd in [usize::MAX, isize::MAX as usize, 1 << 60] {
            assert_eq!(large_buffer(absurd, absurd).unwrap_err().kind(), Kind::NoMemory);
            let smaller = large_buffer(5 << 20, absurd).unwrap();
            assert!(smaller.capacity() >= 5 << 20 && smaller.capacity() < absurd);
        }
    }
}
