//! The library's allocator: the system's, which overwrites what work on secrets frees, and has a reserve for small
//! things.

use std::alloc::{GlobalAlloc, Layout, System};
use std::slice;

use zeroize::Zeroize;

use super::reserve::Reserve;
use super::{secret, set_aside};

/// The allocator of all Rust code in the library. Allocations of the host and of zstd do not pass through it.
struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

static RESERVE: Reserve = Reserve::new();

// SAFETY: every block is the system's or the reserve's, and goes back to where it is from; `realloc` by hand keeps to
// what the trait says of it.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's.
        let block = unsafe { System.alloc(layout) };
        if block.is_null() { spare(layout) } else { block }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's.
        let block = unsafe { System.alloc_zeroed(layout) };
        if !block.is_null() {
            return block;
        }
        let block = spare(layout);
        if !block.is_null() {
            // SAFETY: it has so many bytes.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if secret::is_at_work() {
            // SAFETY: the caller gives up a block of that size.
            unsafe { wipe(block, layout.size()) };
        }
        if RESERVE.has(block) {
            return RESERVE.give_back(block, layout);
        }
        // SAFETY: the caller's, and the system's.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // The system's might move the block and leave the old one as it is.
        if !secret::is_at_work() && !RESERVE.has(block) {
            // SAFETY: the caller's, and the system's.
            let new = unsafe { System.realloc(block, layout, new_size) };
            if !new.is_null() {
                return new;
            }
        }
        // SAFETY: the caller's: with this alignment the new size is no larger than a layout may be.
        let new = unsafe { self.alloc(Layout::from_size_align_unchecked(new_size, layout.align())) };
        if !new.is_null() {
            // SAFETY: both blocks have so many bytes; the old one is the caller's no longer.
            unsafe {
                new.copy_from_nonoverlapping(block, layout.size().min(new_size));
                self.dealloc(block, layout);
            }
        }
        new
    }
}

/// A block of what was set aside for when the system has none; NULL if there is no such.
fn spare(layout: Layout) -> *mut u8 {
    let block = RESERVE.take(layout);
    if block.is_null() { set_aside::take(layout) } else { block }
}

/// Overwrites a block that is about to be freed.
///
/// # Safety
///
/// It has `size` bytes, which are no longer in use.
unsafe fn wipe(block: *mut u8, size: usize) {
    // SAFETY: the caller's; bytes that were never written may be taken for any, as they are only written.
    unsafe { slice::from_raw_parts_mut(block.cast::<std::mem::MaybeUninit<u8>>(), size) }.zeroize();
}
