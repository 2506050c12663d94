//! Memory for code that ends the process where the system gives it none.
//!
//! The crates that derive keys from passwords take blocks of megabytes, as large as the key's file says. Blocks of
//! these sizes are set aside before, fallibly, and are what such code gets where the system has no more.

use std::alloc::{GlobalAlloc, Layout, System};
use std::array;
use std::cell::Cell;
use std::ptr::null_mut;

use super::reserve::MAX_BLOCK;
use super::secret::without_traces;
use crate::error::{Result, no_memory};

thread_local! {
    /// Blocks that are set aside for this thread, and their layouts; NULL for one that is not needed, or no longer
    /// there. Its receiver frees it as any other block of the system's.
    static BLOCKS: [Cell<(*mut u8, Layout)>; 2] = const { [const { Cell::new(NONE) }; 2] };
}

const NONE: (*mut u8, Layout) = (null_mut(), Layout::new::<()>());

/// As [`without_traces`], for work that takes vectors of just so many bytes, each once. Small blocks come out of the
/// reserve, and are not set aside.
///
/// Errors: `NoMemory`, before the work.
pub fn without_traces_in<T>(sizes: [usize; 2], work: impl FnOnce() -> T) -> Result<T> {
    let _blocks = SetAside::new(sizes)?;
    Ok(without_traces(work))
}

/// Blocks that are set aside until this is dropped, and those that they take the place of.
struct SetAside([(*mut u8, Layout); 2]);

impl SetAside {
    fn new(sizes: [usize; 2]) -> Result<Self> {
        let set_aside = SetAside(BLOCKS.with(|blocks| array::from_fn(|i| blocks[i].replace(NONE))));
        for (i, size) in sizes.into_iter().enumerate().filter(|&(_, size)| size > MAX_BLOCK) {
            let layout = Layout::array::<u8>(size).map_err(|_| no_memory(size))?;
            // SAFETY: the layout has a size.
            let block = unsafe { System.alloc(layout) };
            if block.is_null() {
                return Err(no_memory(size));
            }
            BLOCKS.with(|blocks| blocks[i].set((block, layout)));
        }
        Ok(set_aside)
    }
}

impl Drop for SetAside {
    fn drop(&mut self) {
        for (i, before) in self.0.into_iter().enumerate() {
            let (block, layout) = BLOCKS.with(|blocks| blocks[i].replace(before));
            if !block.is_null() {
                // SAFETY: it is from `new`, and has not been handed out.
                unsafe { System.dealloc(block, layout) }
            }
        }
    }
}

/// The block of just this layout that is set aside for this thread; NULL if there is none.
pub(super) fn take(layout: Layout) -> *mut u8 {
    let take = |blocks: &[Cell<(*mut u8, Layout)>; 2]| {
        let found = blocks.iter().find(|block| !block.get().0.is_null() && block.get().1 == layout);
        found.map_or(null_mut(), |block| block.replace(NONE).0)
    };
    BLOCKS.try_with(take).unwrap_or(null_mut())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_block_is_handed_out_once() {
        let [first, second, small] = [MAX_BLOCK + 1, MAX_BLOCK + 2, 64].map(|size| Layout::array::<u8>(size).unwrap());
        assert!(take(first).is_null());
        let outlives = without_traces_in([first.size(), second.size()], || {
            assert!(take(Layout::from_size_align(first.size(), 8).unwrap()).is_null());
            without_traces_in([small.size(), 0], || {
                assert!(take(small).is_null(), "the reserve has small ones");
                assert!(take(first).is_null(), "that is for the work around it");
            })
            .unwrap();
            let block = take(second);
            assert!(!block.is_null() && take(second).is_null());
            block
        })
        .unwrap();
        assert!(take(first).is_null() && take(second).is_null());
        // SAFETY: it is of the system's, and of this layout.
        unsafe { System.dealloc(outlives, second) };
        assert!(without_traces_in([usize::MAX, 0], || ()).is_err());
        assert!(without_traces_in([isize::MAX as usize, 0], || ()).is_err());
    }
}
