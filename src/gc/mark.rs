//! Phase 1: touching what the indexes refer to (docs/format.md, 11.2).

use std::path::Path;

use super::limits::Limits;
use super::live::Live;
use super::tree::{OpenIndex, visit_indexes, visit_one};
use super::{GcOptions, GcStatus, PHASE_MARK, csum};
use crate::base::NoticeLevel;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::index::for_all_digests;
use crate::progress::{Progress, Stage};
use crate::store::Store;

/// References to known chunks after which the caller is told how far it is.
const REPORT_EVERY: u64 = 1024;

struct Marker<'a> {
    store: &'a Store,
    options: &'a GcOptions,
    limits: &'a mut Limits,
    live: Live,
    status: GcStatus,
    progress: &'a mut Progress,
}

/// The result of marking.
pub(super) struct Marked {
    pub(super) status: GcStatus,
    pub(super) live: Live,
    /// Temporary files that were met: paths below the store's directory.
    pub(super) temporaries: Vec<Vec<u8>>,
}

/// Marks everything.
pub(super) fn run(store: &Store, options: &GcOptions, limits: &mut Limits, progress: &mut Progress) -> Result<Marked> {
    let (live, status) = (Live::new(options.remembered), GcStatus::default());
    let mut marker = Marker { store, options, limits, live, status, progress };
    let strays = visit_indexes(store, &mut |index| marker.index(index, true))?;
    marker.status.strange_indexes = strays.indexes;
    // The same indexes under other names.
    store.tree().moved_indexes(true, &mut |path| visit_one(store, path, &mut |index| marker.index(index, false)))?;
    let Marker { status, mut live, .. } = marker;
    live.seal();
    Ok(Marked { status, live, temporaries: strays.temporaries })
}

impl Marker<'_> {
    fn index(&mut self, index: OpenIndex, counts: bool) -> Result<()> {
        let OpenIndex { file, len, kind, place, total } = index;
        let path = &place.path;
        self.tell(total)?;
        let mut references = |digests: &[Digest]| self.references(digests, path, total);
        let read = for_all_digests(file, len, path, Some(kind), &mut references)
            .and_then(|read| csum::check(self.store, self.options, &place, &read).map(|()| read))
            .map_err(nothing_removed)?;
        if counts {
            self.status.index_file_count += 1;
            self.status.index_data_bytes = self.status.index_data_bytes.saturating_add(read.size);
        }
        // An index is counted by the report that comes before the next one. The last has no next.
        if self.status.index_file_count == total { self.tell(total) } else { Ok(()) }
    }

    fn references(&mut self, digests: &[Digest], path: &Path, total: u64) -> Result<()> {
        self.live.prepare(digests);
        digests.iter().try_for_each(|digest| self.reference(digest, path, total))
    }

    fn reference(&mut self, digest: &Digest, path: &Path, total: u64) -> Result<()> {
        if self.live.insert(digest) {
            self.status.cache_hits += 1;
            if self.status.cache_hits.is_multiple_of(REPORT_EVERY) {
                self.tell(total)?;
            }
            return Ok(());
        }
        self.status.cache_misses += 1;
        if !self.store.chunks().mark(digest)? {
            self.live.insert_missing(digest)?;
            self.status.missing_chunks += 1;
            tell_of_missing(self.store, digest, path)?;
            self.store.chunks().mark_bad_copies(digest)?;
        }
        self.limits.see((self.options.clock)());
        self.tell(total)
    }

    fn tell(&mut self, total: u64) -> Result<()> {
        self.progress.advance(stage(&self.status, total))
    }
}

/// How far the marking is, of `total` indexes.
pub(super) fn stage(counted: &GcStatus, total: u64) -> Stage {
    Stage { phase: PHASE_MARK, done: counted.index_file_count, total, bytes: counted.index_data_bytes }
}

pub(super) fn tell_of_missing(store: &Store, digest: &Digest, path: &Path) -> Result<()> {
    let message = format!("chunk {digest} is missing, and {} needs it", path.display());
    store.base().notice(NoticeLevel::Warning, &message, Some(path))
}

/// An error that ends the marking has kept everything.
pub(super) fn nothing_removed(error: Error) -> Error {
    match error.kind() {
        crate::error::Kind::Cancelled => error,
        _ => error.context("nothing is removed"),
    }
}
