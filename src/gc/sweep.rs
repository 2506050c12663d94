//! Phase 2: removing what has not been touched (docs/format.md, 11.3).

use super::limits::{Class, Limits};
use super::live::Live;
use super::{GcOptions, GcStatus, PHASE_SWEEP};
use crate::base::NoticeLevel;
use crate::calendar::format_time;
use crate::chunks::{ChunkDir, ChunkDirId, FoundFile, Swept, Usage};
use crate::error::{Kind, Result};
use crate::progress::{Progress, Stage};
use crate::store::Store;
use crate::tree::Sweep;

/// Removes what `limits` say is garbage, and counts everything.
pub(super) fn run(
    store: &Store,
    options: &GcOptions,
    limits: &mut Limits,
    live: &Live,
    status: &mut GcStatus,
    progress: &mut Progress,
) -> Result<()> {
    let dirs = store.chunks().chunk_dirs()?;
    progress.stage = Stage { phase: PHASE_SWEEP, total: dirs.len() as u64, ..Stage::default() };
    for id in dirs {
        progress.tick()?;
        if let Some(dir) = list(store, id)? {
            for file in &dir.files {
                let mut class = Class::InUse;
                let swept = dir.sweep(file, |usage| {
                    class = limits.class_now(usage.last_use, options);
                    if class != Class::InUse && live.protects(file) {
                        class = Class::InUse;
                    }
                    class == Class::Garbage
                })?;
                if let Some(usage) = looked_at(store, swept)? {
                    status.count(file, usage, class);
                    progress.stage.bytes = progress.stage.bytes.saturating_add(usage.size);
                    tell_of_found(store, live, file)?;
                }
                progress.tick()?;
            }
            // The files that crashed inserts have left.
            for name in &dir.temporaries {
                let swept = dir.sweep_temporary(name, |usage| limits.is_garbage(usage, options))?;
                count_removed(store, swept, status)?;
            }
        }
        progress.stage.done += 1;
    }
    progress.tick()
}

/// A chunk that was missing and is there: it has been stored meanwhile, or the file system does not say the same twice.
fn tell_of_found(store: &Store, live: &Live, file: &FoundFile) -> Result<()> {
    if file.bad.is_some() || !live.was_missing(&file.digest) {
        return Ok(());
    }
    let message = format!("chunk {}, which was missing, is there, and stays", file.digest);
    store.base().notice(NoticeLevel::Warning, &message, None)
}

/// Tells until when chunks without a reference stay whose last touch lies in the future.
pub(super) fn tell_of_future(store: &Store, status: &GcStatus) -> Result<()> {
    let GcStatus { future_files, future_bytes, future_until, .. } = *status;
    if future_files == 0 {
        return Ok(());
    }
    let until = format_time(future_until).unwrap_or_else(|_| format!("second {future_until}"));
    let (ending, were) = if future_files == 1 { ("", "was") } else { ("s", "were") };
    let message = format!(
        "{future_files} file{ending} of chunks that nothing refers to, {future_bytes} bytes, {were} last accessed in \
         the future, as late as {until}: none is removed before its time has come"
    );
    store.base().notice(NoticeLevel::Warning, &message, None)
}

/// Lists a directory of chunks. One that is no directory but a link, say, is passed over.
pub(super) fn list(store: &Store, id: ChunkDirId) -> Result<Option<ChunkDir<'_>>> {
    match store.chunks().list_chunk_dir(id) {
        Err(error) if error.kind() == Kind::Format => {
            let message = format!("{}; it is passed over", error.message());
            store.base().notice(NoticeLevel::Warning, &message, error.path())?;
            Ok(None)
        }
        other => other,
    }
}

/// The usage of a file that was kept or removed.
fn looked_at(store: &Store, swept: Swept) -> Result<Option<Usage>> {
    match swept {
        Swept::Passed => Ok(None),
        Swept::Kept(usage) | Swept::Removed(usage) => Ok(Some(usage)),
        Swept::Unknown(error) => {
            store.base().notice(NoticeLevel::Warning, error.message(), error.path())?;
            Ok(None)
        }
    }
}

/// Counts a temporary file if it has been removed.
fn count_removed(store: &Store, swept: Swept, status: &mut GcStatus) -> Result<()> {
    let removed = matches!(swept, Swept::Removed(_));
    if let Some(usage) = looked_at(store, swept)?.filter(|_| removed) {
        status.count_temporary(usage);
    }
    Ok(())
}

/// Removes temporary files that crashes have left beside owners, notes, files of snapshots and `.gc-status`; `paths`
/// are below the store's directory. A writer renames such a file within a moment, or holds the process lock, so a stale
/// one has no writer. One that cannot be removed does no harm.
pub(super) fn temporaries_of_the_tree(
    store: &Store,
    paths: &[Vec<u8>],
    options: &GcOptions,
    limits: &mut Limits,
    status: &mut GcStatus,
) -> Result<()> {
    for path in paths {
        let swept = store.tree().sweep_temporary(path, |usage| limits.is_garbage(usage, options));
        count_removed(store, swept.unwrap_or_else(Swept::Unknown), status)?;
    }
    Ok(())
}

/// Removes directories that crashed backups and removals have left. A backup or removal locks its directory, so a stale
/// one that is not locked has no owner.
pub(super) fn work(
    store: &Store,
    sweep: Sweep,
    status: &mut GcStatus,
    mut is_stale: impl FnMut(i64) -> bool,
) -> Result<()> {
    let removed = store.tree().sweep_work(sweep, &mut is_stale)?;
    status.removed_temporaries += removed.files;
    status.removed_temporary_bytes = status.removed_temporary_bytes.saturating_add(removed.bytes);
    Ok(())
}

impl GcStatus {
    pub(super) fn count_temporary(&mut self, usage: Usage) {
        self.removed_temporaries += 1;
        self.removed_temporary_bytes = self.removed_temporary_bytes.saturating_add(usage.size);
    }

    /// Counts a file by what has become of it.
    pub(super) fn count(&mut self, file: &FoundFile, usage: Usage, class: Class) {
        let is_bad = file.bad.is_some();
        // PBS counts the bytes of bad copies among those of chunks; how many are theirs is counted besides.
        let (bytes, chunks, bad, bad_bytes) = match class {
            Class::InUse => (&mut self.disk_bytes, &mut self.disk_chunks, &mut self.used_bad, &mut self.used_bad_bytes),
            Class::Pending | Class::Future => {
                (&mut self.pending_bytes, &mut self.pending_chunks, &mut self.still_bad, &mut self.still_bad_bytes)
            }
            Class::Garbage => {
                (&mut self.removed_bytes, &mut self.removed_chunks, &mut self.removed_bad, &mut self.removed_bad_bytes)
            }
        };
        *bytes = bytes.saturating_add(usage.size);
        if is_bad {
            *bad += 1;
            *bad_bytes = bad_bytes.saturating_add(usage.size);
        } else {
            *chunks += 1;
        }
        if class == Class::Future {
            self.future_files += 1;
            self.future_bytes = self.future_bytes.saturating_add(usage.size);
            self.future_until = self.future_until.max(usage.last_use);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreOptions;
    use crate::testing::Scratch;
    use serde_json::{Value, json};
    use std::collections::BTreeSet;
    use std::fs::{self, File, FileTimes};
    use std::time::{Duration, SystemTime};

    fn cases() -> Vec<Value> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/gc/gc.json");
        let mut vectors: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        serde_json::from_value(vectors["sweep"].take()).unwrap()
    }

    /// Where the result differs from PBS's: changes of the counters, the files that are removed and PBS keeps, and
    /// those that stay and PBS removes, by their lengths.
    fn exception(name: &str) -> (Value, &'static [u64], &'static [u64]) {
        match name {
            // The newer formula of the cut-off: one more is older than it.
            "writer-24h-minus-1" => (
                json!({"removed-chunks": 4, "removed-bytes": 450, "pending-chunks": 2, "pending-bytes": 219}),
                &[111],
                &[],
            ),
            // Stale temporary files go. Names in upper case, and ends other than `.[0-9].bad`, are foreign.
            "odd-names-all-old" => {
                (json!({"removed-chunks": 2, "removed-bytes": 18, "removed-bad": 0}), &[10], &[6, 8, 9])
            }
            _ => (json!({}), &[], &[]),
        }
    }

    #[test]
    fn as_pbs_sweeps() {
        for case in cases() {
            let name = case["name"].as_str().unwrap();
            let scratch = Scratch::new();
            let chunks = scratch.path().join(".chunks");
            fs::create_dir_all(chunks.join("0000")).unwrap();
            let files = case["files"].as_array().unwrap();
            for file in files {
                let path = chunks.join(file["path"].as_str().unwrap());
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, vec![0; file["size"].as_u64().unwrap() as usize]).unwrap();
                let time = SystemTime::UNIX_EPOCH + Duration::from_secs(file["atime"].as_u64().unwrap());
                let times = FileTimes::new().set_accessed(time).set_modified(time);
                File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
            }
            let store = Store::open(scratch.path(), &StoreOptions::default()).unwrap();
            let time = |name: &str| case[name].as_i64().unwrap();
            let options = GcOptions::default();
            let mut limits = Limits::new(time("phase1_start"), time("oldest_writer"), options.cutoff_minutes);
            let mut status = GcStatus::default();
            run(&store, &options, &mut limits, &Live::new(0), &mut status, &mut Progress::default()).unwrap();

            let (changed, goes, stays) = exception(name);
            let mut expected = case["status"].clone();
            expected.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
            let mut found: Value = serde_json::from_str(&status.to_json()).unwrap();
            found.as_object_mut().unwrap().remove("cache-stats");
            assert_eq!(found, expected, "{name}");
            assert_eq!(status.removed_temporaries, u64::from(name == "odd-names-all-old"), "{name}");

            let pbs_keeps: BTreeSet<&str> =
                case["kept"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
            for file in files {
                let (path, size) = (file["path"].as_str().unwrap(), file["size"].as_u64().unwrap());
                let kept = (pbs_keeps.contains(path) && !goes.contains(&size)) || stays.contains(&size);
                assert_eq!(chunks.join(path).exists(), kept, "{name}: {path}");
            }
        }
    }
}
