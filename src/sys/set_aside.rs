//! Memory for code that ends the process where the system gives it none.
//!
//! The crates that derive keys from passwords take megabytes at once, as many as the key's file says. So as many are
//! set aside before, fallibly, and are what such code gets where the system has no more.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::null_mut;

use super::reserve::MAX_BLOCK;
use super::secret::without_traces;
use crate::error::{Result, no_memory};

/// Where blocks begin.
const ALIGN: usize = 64;

/// Memory that is set aside, and how much of it has been given out.
#[derive(Clone, Copy)]
struct Area {
    memory: *mut u8,
    size: usize,
    given: usize,
}

const NONE: Area = Area { memory: null_mut(), size: 0, given: 0 };

thread_local! {
    /// What is set aside for this thread.
    static AREA: Cell<Area> = const { Cell::new(NONE) };
}

/// As [`without_traces`], for work whose large blocks have `size` bytes together, and which must not outlive it.
///
/// Errors: `NoMemory`, before the work.
pub fn without_traces_in<T>(size: usize, work: impl FnOnce() -> T) -> Result<T> {
    let _area = SetAside::new(size)?;
    Ok(without_traces(work))
}

/// An [`Area`], and the one that it takes the place of.
struct SetAside {
    layout: Layout,
    before: Area,
}

impl SetAside {
    fn new(size: usize) -> Result<Self> {
        let layout = Layout::from_size_align(size.max(ALIGN), ALIGN).map_err(|_| no_memory(size))?;
        // SAFETY: the layout has a size.
        let memory = unsafe { System.alloc(layout) };
        if memory.is_null() {
            return Err(no_memory(size));
        }
        Ok(SetAside { layout, before: AREA.replace(Area { memory, size: layout.size(), given: 0 }) })
    }
}

impl Drop for SetAside {
    fn drop(&mut self) {
        let area = AREA.replace(self.before);
        // SAFETY: it is from `new`, and by the contract of `without_traces_in` nothing in it is used any more.
        unsafe { System.dealloc(area.memory, self.layout) }
    }
}

/// A block of what is set aside for this thread; NULL if it is small, or if there is not so much.
pub(super) fn take(layout: Layout) -> *mut u8 {
    let area = AREA.try_with(Cell::get).unwrap_or(NONE);
    if layout.size() <= MAX_BLOCK || layout.align() > ALIGN || layout.size() > area.size - area.given {
        return null_mut();
    }
    // The next block begins where this thread looks for it, whatever the length of this one.
    let end = (area.given + layout.size()).next_multiple_of(ALIGN).min(area.size);
    AREA.set(Area { given: end, ..area });
    // SAFETY: within the memory.
    unsafe { area.memory.add(area.given) }
}

/// Whether a block is of what is set aside for this thread, which is given back all at once.
pub(super) fn has(block: *mut u8) -> bool {
    let area = AREA.try_with(Cell::get).unwrap_or(NONE);
    block.addr().wrapping_sub(area.memory.addr()) < area.size
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_within_and_apart() {
        let layout = |size| Layout::from_size_align(size, 16).unwrap();
        assert!(take(layout(MAX_BLOCK + 1)).is_null());
        let size = 3 * MAX_BLOCK;
        without_traces_in(size, || {
            assert!(take(layout(MAX_BLOCK)).is_null(), "the reserve has small ones");
            let first = take(layout(MAX_BLOCK + 1));
            let second = take(layout(MAX_BLOCK + 1));
            assert!(has(first) && has(second) && !has(null_mut()));
            assert_eq!(first.addr() % ALIGN, 0);
            assert_eq!(second.addr() - first.addr(), MAX_BLOCK + ALIGN);
            assert!(take(layout(MAX_BLOCK + 1)).is_null(), "nothing is given twice");
        })
        .unwrap();
        assert!(take(layout(MAX_BLOCK + 1)).is_null());
        assert!(without_traces_in(usize::MAX >> 1, || ()).is_err());
    }
}
