//! What a collection would do, without doing it.
//!
//! Nothing is touched, so what is in use is kept in memory instead: no more than [`MAX_DIGESTS`] at a time. In a store
//! with more the digests are taken in ranges, and the indexes are read once for each.

use std::collections::HashMap;
use std::path::PathBuf;

use super::limits::{Class, Limits};
use super::mark::tell_of_missing;
use super::sweep::list;
use super::tree::{OpenIndex, visit_indexes};
use super::{GcOptions, GcStatus, PHASE_MARK, PHASE_SWEEP, Report, journal};
use crate::digest::Digest;
use crate::error::Result;
use crate::index::for_each_digest;
use crate::progress::Stage;
use crate::store::{ChunkDir, FoundFile, Store, Swept};

/// Digests in memory: with the table's room for growth some 120 MB.
const MAX_DIGESTS: usize = 1 << 20;

/// References after which the caller is told how far it is.
const REPORT_EVERY: u64 = 1024;

/// The digests of a range that are referred to.
struct Referenced {
    /// The range begins here.
    from: Digest,
    /// It ends before; `None` if it has no end.
    to: Option<Digest>,
    /// With the number of the index that has it.
    digests: HashMap<Digest, u32>,
    indexes: Vec<PathBuf>,
    max: usize,
}

impl Referenced {
    fn new(from: Digest, max: usize) -> Self {
        Referenced { from, to: None, digests: HashMap::new(), indexes: Vec::new(), max }
    }

    fn covers(&self, digest: &Digest) -> bool {
        *digest >= self.from && self.to.is_none_or(|to| *digest < to)
    }

    /// Adds a reference by the last of the indexes. If these are too many the upper half of the range is given up.
    fn add(&mut self, digest: &Digest) {
        if !self.covers(digest) {
            return;
        }
        let index = u32::try_from(self.indexes.len()).unwrap_or(u32::MAX).saturating_sub(1);
        self.digests.entry(*digest).or_insert(index);
        if self.digests.len() > self.max {
            let mut sorted: Vec<Digest> = self.digests.keys().copied().collect();
            let (_, &mut middle, _) = sorted.select_nth_unstable(self.max / 2 + 1);
            self.to = Some(middle);
            self.digests.retain(|digest, _| *digest < middle);
        }
    }
}

/// Says what a collection would do.
pub(super) fn run(store: &Store, options: &GcOptions, report: &mut Report<'_>) -> Result<GcStatus> {
    run_with(store, options, MAX_DIGESTS, report)
}

fn run_with(store: &Store, options: &GcOptions, max: usize, report: &mut Report<'_>) -> Result<GcStatus> {
    let limits = Limits::begin(store, options, 0);
    let mut status = GcStatus::default();
    let mut from = Digest([0; 32]);
    loop {
        let referenced = read_range(store, from, max, &mut status, report)?;
        for (digest, &index) in &referenced.digests {
            if !store.has_file(digest)? {
                status.missing_chunks += 1;
                if let Some(path) = referenced.indexes.get(index as usize) {
                    tell_of_missing(store, digest, path)?;
                }
            }
        }
        count_range(store, &limits, &referenced, &mut status, report)?;
        match referenced.to {
            Some(to) => from = to,
            None => return Ok(status),
        }
    }
}

/// What is referred to from the digest `from` on, as far as there is room. The first range counts the indexes.
fn read_range(
    store: &Store,
    from: Digest,
    max: usize,
    status: &mut GcStatus,
    report: &mut Report<'_>,
) -> Result<Referenced> {
    let mut referenced = Referenced::new(from, max);
    let is_first = from == Digest([0; 32]);
    let mut counted = GcStatus::default();
    let mut references = 0_u64;
    let mut visit = |index: OpenIndex, counts: bool| {
        let OpenIndex { file, len, kind, path, total } = index;
        let GcStatus { index_file_count, index_data_bytes, .. } = counted;
        let step = Stage { phase: PHASE_MARK, done: index_file_count, total, bytes: index_data_bytes };
        report(step)?;
        referenced.indexes.push(path.clone());
        let size = for_each_digest(file, len, &path, Some(kind), &mut |digest| {
            referenced.add(digest);
            references += 1;
            if references.is_multiple_of(REPORT_EVERY) { report(step) } else { Ok(()) }
        })?;
        if counts {
            counted.index_file_count += 1;
            counted.index_data_bytes = counted.index_data_bytes.saturating_add(size);
        }
        Ok(())
    };
    let strange = visit_indexes(store, &mut |index| visit(index, true))?;
    journal::visit(store, false, &mut |index| visit(index, false))?;
    if is_first {
        *status = GcStatus { strange_indexes: strange, ..counted };
    }
    Ok(referenced)
}

/// Counts the files whose digests are in the range.
fn count_range(
    store: &Store,
    limits: &Limits,
    referenced: &Referenced,
    status: &mut GcStatus,
    report: &mut Report<'_>,
) -> Result<()> {
    let dirs = store.chunk_dirs()?;
    let mut step = Stage { phase: PHASE_SWEEP, total: dirs.len() as u64, ..Stage::default() };
    for id in dirs {
        report(step)?;
        step.done += 1;
        let (first, last) = id.bounds();
        let owns = referenced.covers(&first);
        if last < referenced.from || (!owns && first >= referenced.from) {
            continue;
        }
        let Some(dir) = list(store, id)? else { continue };
        for file in &dir.files {
            // What is in the wrong place is counted with the place.
            if if file.misplaced { owns } else { referenced.covers(&file.digest) } {
                count_file(store, &dir, file, limits, referenced, status)?;
            }
            report(step)?;
        }
        for name in dir.temporaries.iter().filter(|_| owns) {
            if let Swept::Kept(stat) = dir.sweep_temporary(name, |_| false)?
                && limits.class(stat.atime.max(stat.mtime)) == Class::Garbage
            {
                status.removed_temporaries += 1;
                status.removed_temporary_bytes = status.removed_temporary_bytes.saturating_add(stat.size);
            }
        }
    }
    Ok(())
}

fn count_file(
    store: &Store,
    dir: &ChunkDir<'_>,
    file: &FoundFile,
    limits: &Limits,
    referenced: &Referenced,
    status: &mut GcStatus,
) -> Result<()> {
    let Swept::Kept(stat) = dir.sweep(file, |_| false)? else { return Ok(()) };
    // What marking would touch.
    let marked = !file.misplaced
        && referenced.digests.contains_key(&file.digest)
        && (file.bad.is_none() || !store.has_file(&file.digest)?);
    status.count(file, &stat, if marked { Class::InUse } else { limits.class(stat.atime) });
    Ok(())
}
