//! Statistics.

use std::ffi::{CString, c_char, c_void};
use std::mem::size_of;

use super::args::{self, Out, OutStruct, size_first};
use super::callback::{progress, pxds_progress_fn};
use super::error::pxds_error;
use super::guard::{element, guard, guard_value};
use super::handle::Shared;
use super::status::{PXDS_NONE, PXDS_RESULT_EXACT, PXDS_RESULT_INCOMPLETE, pxds_status};
use super::store::pxds_store;
use super::text::c_string;
use super::tree::snapshot_entry;
use crate::error::{Result, try_collect};
use crate::stats::{self, Described, SIZE_CLASSES, Stats, StatsOptions, Sum};

/// pxds_stats_options.flags: also look at the files of the chunks, one stat each.
pub const PXDS_STATS_EXACT: u32 = 1;

/// pxds_progress.phase of pxds_stats_collect(): looking for indexes. Units are directories.
pub const PXDS_STATS_PHASE_FIND: u32 = 0;
/// pxds_progress.phase of pxds_stats_collect(): with PXDS_STATS_EXACT, looking at chunks. Units are files, bytes
/// theirs.
pub const PXDS_STATS_PHASE_CHUNKS: u32 = 1;
/// pxds_progress.phase of pxds_stats_collect(): reading indexes. Units are these, bytes those that they describe.
pub const PXDS_STATS_PHASE_INDEXES: u32 = 2;

/// A sum over chunks.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_stats_options {
    /// Bytes of this structure; set by PXDS_STATS_OPTIONS_INIT.
    pub struct_size: usize,
    /// 0 or PXDS_STATS_EXACT.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// Is told how far it is; see PXDS_STATS_PHASE_... May be NULL.
    pub progress: pxds_progress_fn,
    /// Handed to `progress`.
    pub progress_user: *mut c_void,
}

size_first!(pxds_stats_options);

/// Also whether the files of chunks are looked at.
unsafe fn read_options(options: *const pxds_stats_options) -> Result<(StatsOptions, bool)> {
    // SAFETY: the caller's.
    let options = unsafe { args::options(options)? };
    args::flags(options.flags, PXDS_STATS_EXACT, "options.flags")?;
    args::flags(options.reserved, 0, "options.reserved")?;
    let is_exact = options.flags & PXDS_STATS_EXACT != 0;
    Ok((StatsOptions { progress: progress(options.progress, options.progress_user) }, is_exact))
}

/// How many classes of chunk sizes are counted. Number i is that of 2^i to 2^(i+1) - 1 bytes; the first has those of no
/// bytes too.
pub const PXDS_STATS_SIZE_CLASSES: usize = 28;

const _: () = assert!(PXDS_STATS_SIZE_CLASSES == SIZE_CLASSES);

/// A set of chunks, each counted once, however often it is named.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_stats_sum {
    /// How many.
    pub chunks: u64,
    /// Bytes of their data.
    pub bytes: u64,
    /// Bytes of their files, those that are missing not among them. 0 without PXDS_STATS_EXACT, as the next two fields
    /// are.
    pub stored_bytes: u64,
    /// How many of them the store lacks.
    pub missing_chunks: u64,
    /// Bytes of the data of these. The data that was compressed to `stored_bytes` has `bytes` less this.
    pub missing_bytes: u64,
}

/// Sums over indexes and blobs, whatever chunks they share.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_stats_described {
    /// Indexes that were read.
    pub indexes: u64,
    /// Bytes that they describe: what restoring them all would give.
    pub logical_bytes: u64,
    /// Their entries: chunks, each counted as often as it is named.
    pub references: u64,
    /// Blobs of snapshots, less the manifests.
    pub blobs: u64,
    /// Bytes of their files.
    pub blob_bytes: u64,
    /// Indexes and directories that could not be read, and are in no other number.
    pub unreadable: u64,
}

/// The numbers of a whole store.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_stats_total {
    /// Bytes of this structure; set by PXDS_STATS_TOTAL_INIT.
    pub struct_size: usize,
    /// PXDS_RESULT_EXACT if PXDS_STATS_EXACT was asked for, PXDS_RESULT_INCOMPLETE.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// The data that all indexes describe, those in no snapshot too.
    pub described: pxds_stats_described,
    /// The data that indexes in no snapshot describe.
    pub others: pxds_stats_described,
    /// All chunks that indexes name.
    pub used: pxds_stats_sum,
    /// The chunks that more than one snapshot has. All indexes in no snapshot count as one.
    pub shared: pxds_stats_sum,
    /// The chunks that more than one group has.
    pub across_groups: pxds_stats_sum,
    /// How many chunks are in each class of sizes.
    pub sizes: [u64; PXDS_STATS_SIZE_CLASSES],
    /// Bytes of the data of these.
    pub size_bytes: [u64; PXDS_STATS_SIZE_CLASSES],
    /// With PXDS_STATS_EXACT: chunks in the store that no index names. Garbage collection would remove them, except
    /// those of backups that are under way, and those of indexes that could not be read.
    pub unreferenced_chunks: u64,
    /// Bytes of their files.
    pub unreferenced_bytes: u64,
    /// With PXDS_STATS_EXACT: files set aside as bad chunks, and files that are too short to be chunks.
    pub broken_files: u64,
    /// Their bytes.
    pub broken_bytes: u64,
}

size_first!(pxds_stats_total);

/// The numbers of a group.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_stats_group {
    /// Bytes of this structure; set by PXDS_STATS_GROUP_INIT.
    pub struct_size: usize,
    /// Its path below the store, `[ns/NAME/...]TYPE/ID`. The statistics'.
    pub path: *const c_char,
    /// Its snapshots.
    pub snapshots: u64,
    /// The times of the oldest and of the newest, in seconds since 1970; both 0 if there are none.
    pub oldest: i64,
    /// See `oldest`.
    pub newest: i64,
    /// The data that they describe.
    pub described: pxds_stats_described,
    /// Their chunks.
    pub used: pxds_stats_sum,
    /// The chunks that nothing outside of the group has.
    pub own: pxds_stats_sum,
}

size_first!(pxds_stats_group);

/// The numbers of a snapshot.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_stats_snapshot {
    /// Bytes of this structure; set by PXDS_STATS_SNAPSHOT_INIT.
    pub struct_size: usize,
    /// Its path below the store, `[ns/NAME/...]TYPE/ID/TIME`. The statistics'.
    pub path: *const c_char,
    /// The number of its group, from 0.
    pub group: usize,
    /// Its time, in seconds since 1970.
    pub time: i64,
    /// PXDS_SNAPSHOT_...
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// The data that it describes.
    pub described: pxds_stats_described,
    /// Its chunks.
    pub used: pxds_stats_sum,
    /// The chunks that nothing else has: those that garbage collection could remove without it.
    pub own: pxds_stats_sum,
    /// The chunks that no older snapshot of the store has. The sum over all snapshots, with the chunks that only
    /// indexes in no snapshot have, is all chunks.
    pub new_data: pxds_stats_sum,
    /// How many of its chunks are in each class of sizes.
    pub sizes: [u64; PXDS_STATS_SIZE_CLASSES],
}

size_first!(pxds_stats_snapshot);

/// The numbers of a store, its groups and its snapshots. Shared.
pub struct pxds_stats(Shared<Held>);

struct Held {
    stats: Stats,
    /// The paths of the groups, and of the snapshots.
    groups: Vec<CString>,
    snapshots: Vec<CString>,
}

fn sum(sum: &Sum) -> pxds_stats_sum {
    pxds_stats_sum {
        chunks: sum.chunks,
        bytes: sum.size,
        stored_bytes: sum.stored_size,
        missing_chunks: sum.missing_chunks,
        missing_bytes: sum.missing_size,
    }
}

fn described(described: &Described) -> pxds_stats_described {
    pxds_stats_described {
        indexes: described.indexes,
        logical_bytes: described.logical_bytes,
        references: described.references,
        blobs: described.blobs,
        blob_bytes: described.blob_bytes,
        unreadable: described.unreadable,
    }
}

/// Counts what the snapshots of `store` describe, how much of it they share, and with PXDS_STATS_EXACT what it takes on
/// the disk.
///
/// As for garbage collection, every index below the store's directory counts, in a snapshot or not, unless a component
/// of its path begins with a dot; only the name of a file right in a snapshot may begin so. Nothing is locked: what
/// comes or goes meanwhile is counted or not. An index that cannot be read brings a notice of the store's and is
/// counted as such, and the total says that it is not complete; it does not fail the call. Entries that cannot be seen
/// are treated the same (pxds_store_namespaces()). Where two indexes give a chunk different lengths, which damage alone
/// can do, one of them counts.
///
/// Memory: 60 bytes for each chunk that an index names, or that the store has and is looked at, 6 to 11 more to find
/// it; the largest index; and some 600 bytes a snapshot. A million chunks take 70 MB, however many indexes name them.
///
/// `options` may be NULL.
///
/// Owns: the caller owns `*out` and frees it with pxds_stats_free().
/// Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_NOT_FOUND (PXDS_STATS_EXACT, and there is no .chunks); PXDS_ERR_LIMIT (2^32
/// chunks); PXDS_ERR_IO, PXDS_ERR_CANCELLED (by the notice callback too).
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_stats_collect(
    store: *const pxds_store,
    options: *const pxds_stats_options,
    out: *mut *mut pxds_stats,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, store, (options, is_exact)) =
            unsafe { (Out::handle(out, "out")?, args::handle(store, "store")?, read_options(options)?) };
        let chunks = if is_exact { Some(store.chunks()?) } else { None };
        let stats = stats::collect(store.tree(), chunks, &options)?;
        let groups = try_collect(stats.groups.iter().map(|group| c_string(group.group.path())))?;
        let snapshots = try_collect(stats.snapshots.iter().map(|row| c_string(row.info.snapshot.path())))?;
        Ok(out.hand_out(pxds_stats(Shared::new(Held { stats, groups, snapshots }))))
    })
}

/// Writes the numbers of the whole store to `*total`.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_stats_get_total(
    stats: *const pxds_stats,
    total: *mut pxds_stats_total,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out, stats) = unsafe { (OutStruct::new(total, "total")?, args::handle(stats, "stats")?) };
        let Stats { total, exact, complete, .. } = &stats.0.stats;
        Ok(out.set(pxds_stats_total {
            struct_size: size_of::<pxds_stats_total>(),
            flags: if *exact { PXDS_RESULT_EXACT } else { 0 } | if *complete { 0 } else { PXDS_RESULT_INCOMPLETE },
            reserved: 0,
            described: described(&total.described),
            others: described(&total.others),
            used: sum(&total.used),
            shared: sum(&total.shared),
            across_groups: sum(&total.across_groups),
            sizes: total.sizes,
            size_bytes: total.size_bytes,
            unreferenced_chunks: total.unreferenced.0,
            unreferenced_bytes: total.unreferenced.1,
            broken_files: total.broken.0,
            broken_bytes: total.broken.1,
        }))
    })
}

/// How many groups; 0 for NULL.
///
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_stats_group_count(stats: *const pxds_stats) -> usize {
    // SAFETY: the header's rules for handles.
    guard_value(0, || unsafe { args::opt(stats) }.map_or(0, |stats| stats.0.groups.len()))
}

/// Writes the numbers of group `i`, from 0, to `*group`, in the order of pxds_group_list. Returns PXDS_NONE if there is
/// no such one.
///
/// Owns: the string is the statistics'.
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_stats_get_group(
    stats: *const pxds_stats,
    i: usize,
    group: *mut pxds_stats_group,
    err: *mut *mut pxds_error,
) -> pxds_status {
    let read = |pxds_stats(held): &pxds_stats| {
        let (Some(group), Some(path)) = (held.stats.groups.get(i), held.groups.get(i)) else {
            return Ok(None);
        };
        let (oldest, newest) = group.times.unwrap_or_default();
        Ok(Some(pxds_stats_group {
            struct_size: size_of::<pxds_stats_group>(),
            path: path.as_ptr(),
            snapshots: group.snapshots,
            oldest,
            newest,
            described: described(&group.described),
            used: sum(&group.used),
            own: sum(&group.own),
        }))
    };
    // SAFETY: the header's rules for handles and outputs.
    unsafe { element((stats, "stats"), (group, "group"), err, read) }
}

/// How many snapshots; 0 for NULL.
///
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_stats_snapshot_count(stats: *const pxds_stats) -> usize {
    // SAFETY: the header's rules for handles.
    guard_value(0, || unsafe { args::opt(stats) }.map_or(0, |stats| stats.0.snapshots.len()))
}

/// Writes the numbers of snapshot `i`, from 0, to `*snapshot`, in the order of pxds_snapshot_list. Returns PXDS_NONE if
/// there is no such one.
///
/// Owns: the string is the statistics'.
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_stats_get_snapshot(
    stats: *const pxds_stats,
    i: usize,
    snapshot: *mut pxds_stats_snapshot,
    err: *mut *mut pxds_error,
) -> pxds_status {
    let read = |pxds_stats(held): &pxds_stats| {
        let (Some(row), Some(path)) = (held.stats.snapshots.get(i), held.snapshots.get(i)) else {
            return Ok(None);
        };
        let listed = snapshot_entry(&row.info);
        Ok(Some(pxds_stats_snapshot {
            struct_size: size_of::<pxds_stats_snapshot>(),
            path: path.as_ptr(),
            group: row.group,
            time: listed.time,
            flags: listed.flags,
            reserved: 0,
            described: described(&row.described),
            used: sum(&row.used),
            own: sum(&row.own),
            new_data: sum(&row.new),
            sizes: row.sizes,
        }))
    };
    // SAFETY: the header's rules for handles and outputs.
    unsafe { element((stats, "stats"), (snapshot, "snapshot"), err, read) }
}

/// Writes to `*bytes` how many bytes of data are in chunks that groups `a` and `b` both have; for a group and itself,
/// in all its chunks.
///
/// Returns PXDS_NONE if there is no such group, or if it was not compared: of more than 64 groups only those are that
/// have the longest indexes.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_stats_get_shared(
    stats: *const pxds_stats,
    a: usize,
    b: usize,
    bytes: *mut u64,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out, stats) = unsafe { (Out::new(bytes, "bytes")?, args::handle(stats, "stats")?) };
        Ok(stats.0.stats.shared_between(a, b).map_or(PXDS_NONE, |bytes| out.set(bytes)))
    })
}

/// The factor of deduplication: the bytes that indexes describe, by those of the files of the chunks that they need. It
/// counts both sharing and compression. 1 if nothing is stored.
///
/// Of statistics take `described.logical_bytes` and, with PXDS_STATS_EXACT, `used.stored_bytes`; of a garbage
/// collection `index_data_bytes` and `stored_bytes` less `used_bad_bytes`.
///
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn pxds_dedup_factor(logical_bytes: u64, stored_bytes: u64) -> f64 {
    guard_value(1.0, || stats::dedup_factor(logical_bytes, stored_bytes))
}

/// Frees statistics. NULL is fine.
///
/// Threads: any, but no other call may be using the handle.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_stats_free(stats: *mut pxds_stats) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free(stats) })
}
