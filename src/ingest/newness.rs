//! Which of equal chunks is the new one.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::ChunkResult;
use crate::digest::Digest;

/// Makes the first of equal chunks in the stream the new one, also if a thread has stored a later one first. It has
/// only chunks that are under way.
#[derive(Default)]
pub(super) struct Newness(Mutex<Sets>);

#[derive(Default)]
struct Sets {
    /// Stored, and not yet told as new.
    fresh: BTreeSet<Digest>,
    /// Told as new for an equal chunk that comes later.
    told: BTreeSet<Digest>,
}

impl Newness {
    fn sets(&self) -> MutexGuard<'_, Sets> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread has stored a chunk that the store did not have.
    pub(super) fn add(&self, digest: &Digest) {
        self.sets().fresh.insert(*digest);
    }

    /// Whether the store had `chunk` before this ingest. Asked once for each chunk, in order.
    pub(super) fn settle_existed(&self, chunk: &ChunkResult) -> bool {
        let mut sets = self.sets();
        if !chunk.existed {
            let told = sets.told.remove(&chunk.digest);
            return told || !sets.fresh.remove(&chunk.digest);
        }
        let is_new = sets.fresh.remove(&chunk.digest);
        if is_new {
            sets.told.insert(chunk.digest);
        }
        !is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(existed: bool) -> ChunkResult {
        ChunkResult { digest: Digest([7; 32]), offset: 0, size: 1, stored_size: 1, existed }
    }

    #[test]
    fn the_first_in_order_is_new_whichever_was_stored() {
        for order in [[false, true, true], [true, false, true], [true, true, false]] {
            let newness = Newness::default();
            newness.add(&chunk(false).digest);
            let existed = order.map(|existed| newness.settle_existed(&chunk(existed)));
            assert_eq!(existed, [false, true, true], "{order:?}");
        }
    }

    #[test]
    fn what_was_there_is_not_new() {
        let newness = Newness::default();
        assert!(newness.settle_existed(&chunk(true)));
        assert!(newness.settle_existed(&chunk(true)));
    }
}
