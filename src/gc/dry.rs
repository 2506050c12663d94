//! A collection that changes nothing, and says what one would do.
//!
//! Nothing is touched, so digests in use are kept in memory instead: no more than [`MAX_DIGESTS`] at a time. In a store
//! with more the digests are taken in ranges, and the indexes are read once for each.

use std::collections::HashMap;
use std::path::PathBuf;

use super::limits::{Class, Limits};
use super::mark::{nothing_removed, stage, tell_of_missing};
use super::sweep::{self, list, tell_of_future};
use super::tree::{OpenIndex, visit_indexes, visit_one};
use super::{GcOptions, GcStatus, PHASE_SWEEP, csum};
use crate::chunks::{ChunkDir, FoundFile, Swept};
use crate::digest::Digest;
use crate::error::{Result, no_memory, push, try_collect};
use crate::index::for_all_digests;
use crate::progress::{Progress, Stage};
use crate::store::Store;
use crate::sys::HashSeed;
use crate::tree::Sweep;

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
    digests: HashMap<Digest, u32, HashSeed>,
    indexes: Vec<PathBuf>,
    max: usize,
}

impl Referenced {
    fn new(from: Digest, max: usize) -> Result<Self> {
        let digests = HashMap::with_hasher(HashSeed::new()?);
        Ok(Referenced { from, to: None, digests, indexes: Vec::new(), max })
    }

    fn covers(&self, digest: &Digest) -> bool {
        *digest >= self.from && self.to.is_none_or(|to| *digest < to)
    }

    /// Adds a reference by the last of the indexes. If these are too many the upper half of the range is given up.
    ///
    /// Errors: `NoMemory`.
    fn add(&mut self, digest: &Digest) -> Result<()> {
        if !self.covers(digest) {
            return Ok(());
        }
        let index = u32::try_from(self.indexes.len()).unwrap_or(u32::MAX).saturating_sub(1);
        self.digests.try_reserve(1).map_err(|_| no_memory(self.digests.len() * size_of::<Digest>()))?;
        self.digests.entry(*digest).or_insert(index);
        if self.digests.len() > self.max {
            let mut sorted = try_collect(self.digests.keys().copied().map(Ok))?;
            let (_, &mut middle, _) = sorted.select_nth_unstable(self.max / 2 + 1);
            self.to = Some(middle);
            self.digests.retain(|digest, _| *digest < middle);
        }
        Ok(())
    }
}

/// Says what a collection would do.
pub(super) fn run(store: &Store, options: &GcOptions, progress: &mut Progress) -> Result<GcStatus> {
    run_with(store, options, MAX_DIGESTS, progress)
}

fn run_with(store: &Store, options: &GcOptions, max: usize, progress: &mut Progress) -> Result<GcStatus> {
    let limits = Limits::begin(store.chunks(), options, 0);
    let mut status = GcStatus::default();
    let mut from = Digest([0; 32]);
    loop {
        let (referenced, temporaries) = read_range(store, options, from, max, &mut status, progress)?;
        if from == Digest([0; 32]) {
            for path in &temporaries {
                count_temporary(store.tree().sweep_temporary(path, |_| false)?, &limits, &mut status);
            }
            sweep::work(store, Sweep::Count, &mut status, |changed| limits.class(changed) == Class::Garbage)?;
        }
        for (digest, &index) in &referenced.digests {
            if !store.chunks().has_file(digest)? {
                status.missing_chunks += 1;
                if let Some(path) = referenced.indexes.get(index as usize) {
                    tell_of_missing(store, digest, path)?;
                }
            }
        }
        count_range(store, &limits, &referenced, &mut status, progress)?;
        match referenced.to {
            Some(to) => from = to,
            None => break,
        }
    }
    tell_of_future(store, &status)?;
    Ok(status)
}

/// The chunks that indexes name from the digest `from` on, as many as fit, and the temporary files that were met. The
/// first range counts the indexes.
fn read_range(
    store: &Store,
    options: &GcOptions,
    from: Digest,
    max: usize,
    status: &mut GcStatus,
    progress: &mut Progress,
) -> Result<(Referenced, Vec<Vec<u8>>)> {
    let mut referenced = Referenced::new(from, max)?;
    let is_first = from == Digest([0; 32]);
    let mut counted = GcStatus::default();
    let mut references = 0_u64;
    let mut visit = |index: OpenIndex, counts: bool| {
        let OpenIndex { file, len, kind, place, total } = index;
        progress.advance(stage(&counted, total))?;
        push(&mut referenced.indexes, place.path.clone())?;
        let read = for_all_digests(file, len, &place.path, Some(kind), &mut |digests| {
            digests.iter().try_for_each(|digest| referenced.add(digest))?;
            references += digests.len() as u64;
            if references >= REPORT_EVERY {
                references = 0;
                progress.tick()?;
            }
            Ok(())
        })
        .and_then(|read| csum::check(store, options, &place, &read).map(|()| read))
        .map_err(nothing_removed)?;
        if counts {
            counted.index_file_count += 1;
            counted.index_data_bytes = counted.index_data_bytes.saturating_add(read.size);
        }
        // As in marking: the last index has no other behind it that would report it.
        if counted.index_file_count == total { progress.advance(stage(&counted, total)) } else { Ok(()) }
    };
    let strays = visit_indexes(store, &mut |index| visit(index, true))?;
    store.tree().moved_indexes(false, &mut |path| visit_one(store, path, &mut |index| visit(index, false)))?;
    if is_first {
        *status = GcStatus { strange_indexes: strays.indexes, ..counted };
    }
    Ok((referenced, strays.temporaries))
}

/// Counts a temporary file that would go.
fn count_temporary(swept: Swept, limits: &Limits, status: &mut GcStatus) {
    if let Swept::Kept(usage) = swept
        && limits.class(usage.last_use) == Class::Garbage
    {
        status.count_temporary(usage);
    }
}

/// Counts the files whose digests are in the range.
fn count_range(
    store: &Store,
    limits: &Limits,
    referenced: &Referenced,
    status: &mut GcStatus,
    progress: &mut Progress,
) -> Result<()> {
    let dirs = store.chunks().chunk_dirs()?;
    progress.stage = Stage { phase: PHASE_SWEEP, total: dirs.len() as u64, ..Stage::default() };
    for id in dirs {
        progress.tick()?;
        if let Some(dir) = list(store, id)? {
            // The file's digest counts, and not its directory: a file in the wrong one counts too.
            for file in dir.files.iter().filter(|file| referenced.covers(&file.digest)) {
                count_file(store, &dir, file, limits, referenced, status)?;
                progress.tick()?;
            }
            for name in dir.temporaries.iter().filter(|_| referenced.covers(&id.bounds().0)) {
                count_temporary(dir.sweep_temporary(name, |_| false)?, limits, status);
            }
        }
        progress.stage.done += 1;
    }
    progress.tick()
}

fn count_file(
    store: &Store,
    dir: &ChunkDir<'_>,
    file: &FoundFile,
    limits: &Limits,
    referenced: &Referenced,
    status: &mut GcStatus,
) -> Result<()> {
    let Swept::Kept(usage) = dir.sweep(file, |_| false)? else { return Ok(()) };
    let class = limits.class(usage.last_use);
    let is_live = || -> Result<bool> {
        let (is_plain, is_needed) =
            (file.bad.is_none() && !file.misplaced, referenced.digests.contains_key(&file.digest));
        // A chunk in its place would be marked. If the chunk is missing, every other file of its digest stays.
        Ok(is_needed && (is_plain || !store.chunks().has_file(&file.digest)?))
    };
    status.count(file, usage, if is_live()? { Class::InUse } else { class });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::Codec;
    use crate::callback::Callback;
    use crate::chunks::InsertOptions;
    use crate::format::{IndexHeader, MAGIC_DYNAMIC_INDEX};
    use crate::hash::sha256;
    use crate::store::StoreOptions;
    use crate::testing::Scratch;
    use std::fs;
    use std::sync::Arc;

    /// The result does not depend on how many digests fit.
    #[test]
    fn ranges_add_up() {
        let scratch = Scratch::new();
        let path = scratch.path().join("store");
        let store = Store::create(&path, &StoreOptions::default()).unwrap();
        let mut entries = Vec::new();
        let mut misplaced = None;
        for i in 0..300_u64 {
            let digest = sha256(&i.to_le_bytes());
            let blob = Codec::new().encode_vec(&i.to_le_bytes(), false).unwrap();
            if i % 10 != 0 {
                store.chunks().insert(&digest, &blob, InsertOptions::default()).unwrap();
            }
            if i % 3 == 0 {
                entries.extend((i + 1).to_le_bytes());
                entries.extend(digest.0);
            }
            if i % 7 == 0 && i % 10 != 0 {
                store.chunks().mark_bad(&digest).unwrap();
            }
            if i == 3 {
                misplaced = Some(store.chunks().chunk_path(&digest));
            }
        }
        let misplaced = misplaced.unwrap();
        let other = misplaced.parent().unwrap().with_file_name("a7");
        fs::create_dir_all(&other).unwrap();
        fs::copy(&misplaced, other.join(misplaced.file_name().unwrap())).unwrap();
        let csum = sha256(&entries).0;
        let header = IndexHeader { magic: MAGIC_DYNAMIC_INDEX, uuid: [0; 16], ctime: 0, csum, size: 0, chunk_size: 0 };
        fs::write(path.join("a.didx"), [&header.to_bytes(), &entries[..]].concat()).unwrap();
        // Two days from now everything is old.
        let options = GcOptions { clock: Callback(Arc::new(|| crate::sys::now() + 172_800)), ..GcOptions::default() };
        let whole = run_with(&store, &options, usize::MAX >> 8, &mut Progress::default()).unwrap();
        assert_eq!(whole.missing_chunks, (0..300).step_by(3).filter(|i| i % 10 == 0 || i % 7 == 0).count() as u64);
        assert!(whole.disk_chunks > 50 && whole.removed_chunks > 50 && whole.removed_bad > 5 && whole.disk_bytes > 0);
        for max in [1, 2, 3, 10, 99, 100, 101] {
            assert_eq!(run_with(&store, &options, max, &mut Progress::default()).unwrap(), whole, "{max}");
        }
        // All that is there is in one of these.
        let bad_in_use = (0..300).step_by(21).filter(|i| i % 10 != 0).count() as u64;
        let files = 1 + (0..300).filter(|i| i % 10 != 0).count() as u64;
        assert_eq!(whole.used_bad, bad_in_use);
        assert_eq!(whole.disk_chunks + whole.removed_chunks + whole.removed_bad + whole.used_bad, files);
        // A chunk of eight bytes is a file of 20.
        assert_eq!((whole.used_bad_bytes, whole.removed_bad_bytes), (20 * whole.used_bad, 20 * whole.removed_bad));
        assert_eq!(whole.disk_bytes - whole.used_bad_bytes, 20 * whole.disk_chunks);
        assert_eq!(whole.removed_bytes - whole.removed_bad_bytes, 20 * whole.removed_chunks);
    }
}
