//! Garbage collection.

use std::ffi::c_void;
use std::mem::size_of;

use super::args::{self, OutStruct, size_first};
use super::callback::{progress, pxds_progress_fn};
use super::error::pxds_error;
use super::guard::{guard, guard_ok};
use super::status::{PXDS_NONE, pxds_status};
use super::store::pxds_store;
use crate::error::{Error, Kind, Result};
use crate::gc::{self, DEFAULT_CUTOFF, DEFAULT_REMEMBERED, GcOptions, GcStatus};

/// pxds_gc_options.flags: say what would be done, and lock, touch and remove nothing.
pub const PXDS_GC_DRY_RUN: u32 = 1;
/// pxds_gc_options.flags: collect even if the file system may not keep access times. If it does not, chunks that are in
/// use are removed. Not with PXDS_GC_DRY_RUN, which probes nothing.
pub const PXDS_GC_NO_ATIME_PROBE: u32 = 2;
/// pxds_gc_options.flags: take an index as it is whose entries have neither the csum in its header nor that in the
/// manifest of its snapshot. Chunks that only its lost entries name are removed.
pub const PXDS_GC_ANY_CSUM: u32 = 4;
/// pxds_gc_options.flags: remember no digests, so that a chunk is touched for every reference to it.
pub const PXDS_GC_NO_CACHE: u32 = 8;

/// pxds_progress.phase of pxds_store_gc(): chunks are marked. Units are indexes, bytes those that they describe.
pub const PXDS_GC_PHASE_MARK: u32 = 0;
/// pxds_progress.phase of pxds_store_gc(): chunks are removed. Units are directories of chunks, bytes those of the
/// files that were looked at.
pub const PXDS_GC_PHASE_SWEEP: u32 = 1;

/// How garbage is collected.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_gc_options {
    /// Bytes of this structure; set by PXDS_GC_OPTIONS_INIT.
    pub struct_size: usize,
    /// PXDS_GC_...
    pub flags: u32,
    /// Minutes without a touch after which a chunk may go, 1 to 2880; 0 for 1445, a day and five minutes: file systems
    /// may store access times a day late.
    pub cutoff_minutes: u32,
    /// Digests that are remembered so as not to be touched again, up to 8388608; 0 for 1048576. Each takes 64
    /// bytes.
    pub remembered: u64,
    /// Is told how far it is; see PXDS_GC_PHASE_... May be NULL.
    pub progress: pxds_progress_fn,
    /// Handed to `progress`.
    pub progress_user: *mut c_void,
}

size_first!(pxds_gc_options);

/// The counts of what a garbage collection has found and done, made as Proxmox Backup Server does. For the factor of
/// deduplication see pxds_dedup_factor().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_gc_status {
    /// Bytes of this structure; set by PXDS_GC_STATUS_INIT.
    pub struct_size: usize,
    /// Indexes.
    pub index_file_count: u64,
    /// Bytes that they describe; what several of them share is counted for each.
    pub index_data_bytes: u64,
    /// Bytes of the files of chunks in use, and of `used_bad_bytes`.
    pub stored_bytes: u64,
    /// Chunks in use: touched since the collection began, or since the oldest writer that was at work did.
    pub stored_chunks: u64,
    /// Bytes of the files of chunks that were removed, and of `removed_bad_bytes`.
    pub removed_bytes: u64,
    /// Chunks that were removed.
    pub removed_chunks: u64,
    /// Bytes of the files of chunks not in use that were touched too lately to be removed, and of `still_bad_bytes`.
    pub pending_bytes: u64,
    /// Such chunks.
    pub pending_chunks: u64,
    /// Bad copies that were removed.
    pub removed_bad: u64,
    /// Bad copies touched too lately.
    pub still_bad: u64,
    /// References to chunks that were marked already.
    pub cache_hits: u64,
    /// References for which a chunk was touched. Of a dry run both are 0.
    pub cache_misses: u64,
    /// Indexes that lie where no snapshot is. They count like any other.
    pub strange_indexes: u64,
    /// Chunks that an index needs and that are missing; there is a notice for each.
    pub missing_chunks: u64,
    /// Temporary files removed, which crashes have left among the chunks, beside owners, notes, files of snapshots and
    /// `.gc-status`, and where snapshots are made and removed.
    pub removed_temporaries: u64,
    /// Bytes of these.
    pub removed_temporary_bytes: u64,
    /// Pending files whose last access lies in the future, because the clock was wrong once, for example.
    pub future_files: u64,
    /// Bytes of these.
    pub future_bytes: u64,
    /// The latest of these times, in seconds since 1970: before it has come they are not all removed. 0 if there are
    /// none.
    pub future_until: i64,
    /// Bad copies in use: touched as chunks in use are, or all that there is of a chunk that an index needs.
    pub used_bad: u64,
    /// Bytes of these.
    pub used_bad_bytes: u64,
    /// Bytes of `removed_bad`.
    pub removed_bad_bytes: u64,
    /// Bytes of `still_bad`.
    pub still_bad_bytes: u64,
}

size_first!(pxds_gc_status);

impl From<GcStatus> for pxds_gc_status {
    fn from(status: GcStatus) -> Self {
        pxds_gc_status {
            struct_size: size_of::<Self>(),
            index_file_count: status.index_file_count,
            index_data_bytes: status.index_data_bytes,
            stored_bytes: status.disk_bytes,
            stored_chunks: status.disk_chunks,
            removed_bytes: status.removed_bytes,
            removed_chunks: status.removed_chunks,
            pending_bytes: status.pending_bytes,
            pending_chunks: status.pending_chunks,
            removed_bad: status.removed_bad,
            still_bad: status.still_bad,
            cache_hits: status.cache_hits,
            cache_misses: status.cache_misses,
            strange_indexes: status.strange_indexes,
            missing_chunks: status.missing_chunks,
            removed_temporaries: status.removed_temporaries,
            removed_temporary_bytes: status.removed_temporary_bytes,
            future_files: status.future_files,
            future_bytes: status.future_bytes,
            future_until: status.future_until,
            used_bad: status.used_bad,
            used_bad_bytes: status.used_bad_bytes,
            removed_bad_bytes: status.removed_bad_bytes,
            still_bad_bytes: status.still_bad_bytes,
        }
    }
}

unsafe fn read_options(options: *const pxds_gc_options) -> Result<GcOptions> {
    // SAFETY: the caller's.
    let options = unsafe { args::options(options)? };
    let known = PXDS_GC_DRY_RUN | PXDS_GC_NO_ATIME_PROBE | PXDS_GC_ANY_CSUM | PXDS_GC_NO_CACHE;
    args::flags(options.flags, known, "options.flags")?;
    let too_many = |_| Error::new(Kind::Argument, format!("options.remembered cannot be {}", options.remembered));
    Ok(GcOptions {
        dry_run: options.flags & PXDS_GC_DRY_RUN != 0,
        cutoff_minutes: if options.cutoff_minutes == 0 { DEFAULT_CUTOFF } else { options.cutoff_minutes },
        skip_atime_probe: options.flags & PXDS_GC_NO_ATIME_PROBE != 0,
        any_csum: options.flags & PXDS_GC_ANY_CSUM != 0,
        remembered: match options.remembered {
            _ if options.flags & PXDS_GC_NO_CACHE != 0 => 0,
            0 => DEFAULT_REMEMBERED,
            remembered => usize::try_from(remembered).map_err(too_many)?,
        },
        progress: progress(options.progress, options.progress_user),
        ..GcOptions::default()
    })
}

/// Collects garbage: removes the chunks that no index below the store's directory refers to, and that have not been
/// touched lately.
///
/// It protects only indexes below the directory of the store: all files NAME.didx and NAME.fidx there, in snapshots or
/// not, but not below a name that begins with a dot. Links are not followed. An index kept elsewhere loses its chunks.
///
/// Chunks that are in use are marked by their access times, then what was not touched for longer than the cut-off is
/// removed, bad copies and temporary files that crashes have left also. A chunk that is missing is a notice. Stopping
/// it, by its progress or otherwise, loses nothing.
///
/// Nothing is removed, in a dry run as in earnest, unless all indexes are known and whole: if a directory cannot be
/// listed; if something else, a link for example, has the place of a directory of the tree (docs/format.md, 7.4), or
/// something that is no file has the name of an index; if an index cannot be read, or its entries have neither the csum
/// in its header nor that in the manifest of its snapshot (PXDS_GC_ANY_CSUM takes it as it is). A chunk that was
/// missing once, or is known to be needed, is not removed whatever its access time.
///
/// Writers of other programs, and of other handles, exclude it, and it excludes them: PXDS_ERR_BUSY. A backup that
/// Proxmox Backup Server starts meanwhile fails, and leaves an empty directory in the place of its snapshot. Through
/// the same handle writers may go on. Whether the file system keeps access times is tried out first. At the end
/// `.gc-status` is written, if there is room on the disk; nothing else needs any. See docs/format.md, 11.
///
/// It takes at most 200 MB of memory for any number of chunks, less for less than a million of them, and about 150
/// bytes for each index; with more digests to remember than by default up to 100 bytes for each. A dry run reads the
/// indexes again for each million chunks in use.
///
/// `options` and `status` may be NULL.
///
/// Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_BUSY, with the path of the lock; PXDS_ERR_UNSUPPORTED (the file system does not
/// keep access times, or its clock is behind; the message says what it did); PXDS_ERR_FORMAT, CORRUPT, LIMIT, with the
/// path of what keeps it from knowing all indexes; PXDS_ERR_LIMIT (more than half a million chunks are missing);
/// PXDS_ERR_NOT_FOUND (no chunks), PXDS_ERR_IO, PXDS_ERR_CANCELLED; PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store
/// that can only be read, without PXDS_GC_DRY_RUN.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_gc(
    store: *const pxds_store,
    options: *const pxds_gc_options,
    status: *mut pxds_gc_status,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, store, options) =
            unsafe { (OutStruct::opt(status)?, args::handle(store, "store")?, read_options(options)?) };
        let status = gc::collect(store.store()?, &options)?;
        if let Some(out) = out {
            out.set(status.into());
        }
        Ok(())
    })
}

/// Writes the counts that the last successful garbage collection, of this library or of Proxmox Backup Server, has
/// noted to `*status`. Returns PXDS_NONE if the note is missing or cannot be read.
///
/// The note is the file `.gc-status`. From strange_indexes on the fields are not in it, and 0.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_get_gc_status(
    store: *const pxds_store,
    status: *mut pxds_gc_status,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out, store) = unsafe { (OutStruct::new(status, "status")?, args::handle(store, "store")?) };
        let Some(status) = gc::read_status(store.tree())? else { return Ok(PXDS_NONE) };
        Ok(out.set(status.into()))
    })
}
