//! Copying chunks from one store into another.

use std::ffi::c_void;

use super::args::{self, Out, OutStruct, size_first};
use super::callback::{progress, pxds_progress_fn};
use super::chunks::pxds_insert_result;
use super::error::pxds_error;
use super::guard::{guard, guard_ok};
use super::index::{pxds_index, pxds_index_writer};
use super::ingest::{c_stats, on_chunk, pxds_ingest_chunk_fn, pxds_ingest_stats};
use super::key::{opt_key, pxds_key};
use super::source::pxds_source;
use super::status::pxds_status;
use super::store::pxds_store;
use crate::error::Result;
use crate::ingest::{CopyOptions, copy_chunk, copy_chunks};

/// pxds_copy_options.flags: do not compare the csum in the header of the index with its entries, as for salvage.
pub const PXDS_COPY_ANY_CSUM: u32 = 1;

/// How chunks are copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_copy_options {
    /// Bytes of this structure; set by PXDS_COPY_OPTIONS_INIT.
    pub struct_size: usize,
    /// PXDS_COPY_...
    pub flags: u32,
    /// Threads that copy, the caller's among them: 0 for as many as there are processors, at most 1024. All have ended
    /// when the call returns. A source that is a callback is asked on the calling thread alone. Memory: for each thread
    /// one chunk, encoded and decoded.
    pub threads: u32,
    /// The key that encrypted chunks are proved with. NULL: only their structure and CRC are checked, and not their
    /// digests.
    pub key: *const pxds_key,
    /// Is told of each chunk, in order, after the store has it; NULL for none.
    pub on_chunk: pxds_ingest_chunk_fn,
    /// Handed to `on_chunk`.
    pub on_chunk_user: *mut c_void,
    /// Is told how far the copy is; NULL for none. There is one phase; units are chunks, bytes their plain bytes.
    pub progress: pxds_progress_fn,
    /// Handed to `progress`.
    pub progress_user: *mut c_void,
}

size_first!(pxds_copy_options);

unsafe fn read_options(options: *const pxds_copy_options) -> Result<CopyOptions> {
    // SAFETY: the caller's.
    let options = unsafe { args::options(options)? };
    args::flags(options.flags, PXDS_COPY_ANY_CSUM, "options.flags")?;
    Ok(CopyOptions {
        any_csum: options.flags & PXDS_COPY_ANY_CSUM != 0,
        // SAFETY: the caller's.
        key: unsafe { opt_key(options.key) },
        on_chunk: on_chunk(options.on_chunk, options.on_chunk_user),
        progress: progress(options.progress, options.progress_user),
        threads: options.threads as usize,
    })
}

/// Brings every chunk that `index` names into `store`: touches those that it has, and loads the others from `source`.
///
/// Chunks are copied as they are encoded. Before one is inserted its structure and CRC are checked, its digest and
/// length too unless it is encrypted and there is no key, and, of an index that was opened in a snapshot, whether it is
/// encrypted as the manifest says. `*out` gets the same index, to be saved with pxds_index_writer_save(); as one that
/// comes out of an ingest it holds the store's process lock until then, and is saved behind its chunks. It can be added
/// to a backup if it was opened in a snapshot, and if there is a key where its chunks are encrypted. `options` and
/// `stats` may be NULL. After a failure the chunks that were copied stay, for garbage collection to take.
///
/// Owns: the caller owns `*out` and frees it with pxds_index_writer_free().
/// Errors: PXDS_ERR_ARGUMENT (also for an index that no writer makes), PXDS_ERR_BUSY (the store is collected),
/// PXDS_ERR_CANCELLED; of the source what pxds_restorer_write_fd() may give, of the store what pxds_store_insert() may;
/// the error has the chunk's digest and its offset.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_copy_chunks(
    store: *const pxds_store,
    source: *const pxds_source,
    index: *const pxds_index,
    options: *const pxds_copy_options,
    stats: *mut pxds_ingest_stats,
    out: *mut *mut pxds_index_writer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for outputs: each is reset even if the other is wrong.
        let (out, stats) = unsafe { (Out::handle(out, "out"), OutStruct::opt(stats)) };
        let (out, stats) = (out?, stats?);
        // SAFETY: the header's rules for inputs.
        let (store, source, index, options) = unsafe {
            (
                args::handle(store, "store")?,
                args::handle(source, "source")?,
                args::handle(index, "index")?,
                read_options(options)?,
            )
        };
        let stored = copy_chunks(&*source.share(), index.core(), store.chunks()?, options)?;
        if let Some(stats) = stats {
            stats.set(c_stats(stored.stats()));
        }
        Ok(out.hand_out(pxds_index_writer::stored(stored)))
    })
}

/// Brings the chunk `digest` into `store`, as pxds_store_copy_chunks() does each: touches it if it is there, and else,
/// or if its file is too short to be one, loads it from `source`.
///
/// `key` and `result` may be NULL. Hold a lock, see pxds_store_lock(), until an index names the chunk.
///
/// Errors: as pxds_store_copy_chunks(), without an offset.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_copy_chunk(
    store: *const pxds_store,
    source: *const pxds_source,
    digest: *const u8,
    key: *const pxds_key,
    result: *mut pxds_insert_result,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (result, store, source, digest, key) = unsafe {
            (
                OutStruct::opt(result)?,
                args::handle(store, "store")?,
                args::handle(source, "source")?,
                args::digest(digest, "digest")?,
                opt_key(key),
            )
        };
        let inserted = copy_chunk(&*source.share(), store.chunks()?, &digest, key)?;
        if let Some(result) = result {
            result.set(inserted.into());
        }
        Ok(())
    })
}
