//! Memory for small things while the system has none.
//!
//! Memory that grows with data, with a listing or with a size that is read from outside is reserved first, and a lack
//! of it is an error. Small values of a fixed size (a path, a handle, an error) are not reserved, and Rust ends the
//! process when such an allocation fails. So when the system refuses, they come out of memory that is set aside here,
//! and the thread is told at its next step, [`check_memory`], which ends the call before the reserve is used up.

use std::alloc::Layout;
use std::cell::{Cell, UnsafeCell};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Kind, Result};

/// Bytes set aside. The system gives the pages when they are first touched.
const SIZE: usize = 1 << 20;

/// Bytes of the largest block: more can only be something that grows.
pub(super) const MAX_BLOCK: usize = 32 << 10;

/// The reserve is given out in units of this size.
const GRANULE: usize = 64;
const GRANULES: usize = SIZE / GRANULE;

/// Whether any thread has ever been given something, so that all others need not look.
static IN_USE: AtomicBool = AtomicBool::new(false);

/// Bytes that a thread which has been told may still be given before it is told again: what it takes to make an error
/// of it and to clean up.
const LEEWAY: usize = 64 << 10;

thread_local! {
    /// Bytes that this thread has been given since it was told of it, or since its call began.
    static GIVEN: Cell<usize> = const { Cell::new(0) };
    /// Whether it has been told since its call began.
    static IS_TOLD: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread still gets memory from the system. A call asks at each of its steps that can fail. A thread that
/// has been told that there is none may finish its call: it is not told again soon.
///
/// Errors: `NoMemory`.
pub fn check_memory() -> Result<()> {
    if is_short() { Err(Error::new(Kind::NoMemory, "the system gives no more memory")) } else { Ok(()) }
}

/// As [`check_memory`], for a system call.
pub(super) fn is_short() -> bool {
    if !IN_USE.load(Ordering::Relaxed) || GIVEN.get() <= if IS_TOLD.get() { LEEWAY } else { 0 } {
        return false;
    }
    GIVEN.set(0);
    IS_TOLD.set(true);
    true
}

/// Begins a call: what an earlier one was short of says nothing about this one.
pub fn begin_call() {
    if IN_USE.load(Ordering::Relaxed) {
        GIVEN.set(0);
        IS_TOLD.set(false);
    }
}

/// Forgets that this thread was short of memory while other threads worked beside it. They have ended, and have given
/// theirs back; where there is still none, the thread is told of the next block that it is given.
pub fn memory_is_back() {
    if IN_USE.load(Ordering::Relaxed) {
        GIVEN.set(0);
    }
}

/// The memory, and which granules of it are given out.
#[repr(C, align(64))]
pub(super) struct Reserve {
    memory: UnsafeCell<[u8; SIZE]>,
    taken: UnsafeCell<[bool; GRANULES]>,
    is_locked: AtomicBool,
}

// SAFETY: `taken` is used under the lock alone, and a granule only by its receiver.
unsafe impl Sync for Reserve {}

impl Reserve {
    pub(super) const fn new() -> Self {
        Reserve {
            memory: UnsafeCell::new([0; SIZE]),
            taken: UnsafeCell::new([false; GRANULES]),
            is_locked: AtomicBool::new(false),
        }
    }

    /// A block, or NULL if it is too large or nothing is left. This thread learns of it by [`check_memory`].
    pub(super) fn take(&self, layout: Layout) -> *mut u8 {
        let count = layout.size().div_ceil(GRANULE).max(1);
        if layout.size() > MAX_BLOCK || layout.align() > GRANULE {
            return null_mut();
        }
        let start = self.with_taken(|taken| {
            let start = find_free(taken, count)?;
            taken[start..start + count].fill(true);
            Some(start)
        });
        let Some(start) = start else { return null_mut() };
        IN_USE.store(true, Ordering::Relaxed);
        GIVEN.set(GIVEN.get() + count * GRANULE);
        // SAFETY: within the memory.
        unsafe { self.memory.get().cast::<u8>().add(start * GRANULE) }
    }

    /// Whether a block is one of its own.
    pub(super) fn has(&self, block: *mut u8) -> bool {
        block.addr().wrapping_sub(self.memory.get().addr()) < SIZE
    }

    /// Takes back a block that it [has](Reserve::has).
    pub(super) fn give_back(&self, block: *mut u8, layout: Layout) {
        let start = (block.addr() - self.memory.get().addr()) / GRANULE;
        let count = layout.size().div_ceil(GRANULE).max(1);
        self.with_taken(|taken| taken[start..start + count].fill(false));
    }

    fn with_taken<T>(&self, work: impl FnOnce(&mut [bool; GRANULES]) -> T) -> T {
        while self.is_locked.swap(true, Ordering::Acquire) {
            std::thread::yield_now();
        }
        // SAFETY: the lock is ours.
        let result = work(unsafe { &mut *self.taken.get() });
        self.is_locked.store(false, Ordering::Release);
        result
    }
}

/// The first of `count` granules in a row that are free.
fn find_free(taken: &[bool], count: usize) -> Option<usize> {
    let mut start = 0;
    while let Some(row) = taken.get(start..start + count) {
        match row.iter().rposition(|&taken| taken) {
            None => return Some(start),
            Some(last) => start += last + 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    #[test]
    fn blocks_are_apart_and_used_again() {
        let reserve = Box::leak(Box::new(Reserve::new()));
        let mut blocks = Vec::new();
        let mut size = 1;
        loop {
            let block = reserve.take(layout(size));
            if block.is_null() {
                break;
            }
            assert!(reserve.has(block) && block.addr().is_multiple_of(GRANULE));
            blocks.push((block.addr(), block, size));
            size = size * 7 % 3001 + 1;
        }
        assert!(blocks.iter().map(|(_, _, size)| size).sum::<usize>() > SIZE * 9 / 10);
        blocks.sort_unstable();
        assert!(blocks.windows(2).all(|pair| pair[0].0 + pair[0].2 <= pair[1].0));
        assert!(blocks.last().is_some_and(|(_, block, size)| reserve.has(block.wrapping_add(size - 1))));
        for (_, block, size) in blocks {
            reserve.give_back(block, layout(size));
        }
        let mut count = 0;
        while !reserve.take(layout(MAX_BLOCK)).is_null() {
            count += 1;
        }
        assert_eq!(count, SIZE / MAX_BLOCK);
    }

    #[test]
    fn whoever_is_given_something_is_told_once() {
        let reserve = Box::leak(Box::new(Reserve::new()));
        check_memory().unwrap();
        assert!(reserve.take(layout(MAX_BLOCK + 1)).is_null());
        check_memory().unwrap();
        assert!(!reserve.take(layout(10)).is_null());
        std::thread::spawn(|| check_memory().unwrap()).join().unwrap();
        assert_eq!(check_memory().unwrap_err().kind(), Kind::NoMemory);
        assert!(!reserve.take(layout(LEEWAY / 2)).is_null());
        check_memory().unwrap();
        assert!(!reserve.take(layout(LEEWAY / 2)).is_null());
        check_memory().unwrap();
        assert!(!reserve.take(layout(1)).is_null());
        assert_eq!(check_memory().unwrap_err().kind(), Kind::NoMemory);
        begin_call();
        check_memory().unwrap();
        assert!(!reserve.take(layout(1)).is_null());
        assert_eq!(check_memory().unwrap_err().kind(), Kind::NoMemory);
        let mut outside = 0_u8;
        assert!(!reserve.has(&raw mut outside));
    }
}
