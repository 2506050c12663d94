//! Ingest.

use std::ffi::c_void;
use std::mem::size_of;
use std::sync::Arc;

use super::args::{self, Out, OutStruct, size_first};
use super::callback::{self, User, progress, pxds_progress_fn, pxds_read_fn, verdict};
use super::chunker::pxds_chunker_config;
use super::error::pxds_error;
use super::guard::{guard, guard_ok, guard_value};
use super::handle::Exclusive;
use super::index::pxds_index_writer;
use super::key::{opt_key, pxds_key};
use super::status::pxds_status;
use super::store::pxds_store;
use crate::callback::Callback;
use crate::ingest::{ChunkResult, Ingest, IngestOptions, IngestStats, OnChunk};
use crate::sys::CallerFd;

/// A chunk that has been stored, of a stream or of an image.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_ingest_chunk {
    /// Bytes of this structure.
    pub struct_size: usize,
    /// Where the chunk begins in the stream or image.
    pub offset: u64,
    /// Its plain bytes.
    pub size: u64,
    /// Length of its file in the store.
    pub stored_size: u64,
    /// Its name.
    pub digest: [u8; 32],
    /// 1 if the store had it, else 0.
    pub existed: u32,
    /// 0.
    pub reserved: u32,
}

/// Is told of each chunk after it has been stored; of those of a stream in order. A result other than 0 stops the
/// ingest with PXDS_ERR_CANCELLED; for a stream the index of what has been stored, this chunk included, is then in
/// pxds_ingest_partial().
pub type pxds_ingest_chunk_fn = Option<unsafe extern "C" fn(user: *mut c_void, chunk: *const pxds_ingest_chunk) -> i32>;

/// pxds_ingest_options.flags: store chunks uncompressed.
pub const PXDS_INGEST_NO_COMPRESS: u32 = 1;

/// pxds_ingest_options.flags: a regular file that has changed while pxds_ingest_read_fd() read it is PXDS_ERR_STATE,
/// and not only a notice of the store's.
pub const PXDS_INGEST_STRICT: u32 = 2;

/// pxds_ingest_options.flags: `ctime` is given.
pub const PXDS_INGEST_SET_CTIME: u32 = 4;

/// pxds_ingest_options.flags: `uuid` is given.
pub const PXDS_INGEST_SET_UUID: u32 = 8;

/// How a stream is ingested.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_ingest_options {
    /// Bytes of this structure; set by PXDS_INGEST_OPTIONS_INIT.
    pub struct_size: usize,
    /// PXDS_INGEST_...
    pub flags: u32,
    /// Threads that store chunks, the caller's among them: 0 for as many as there are processors, at most 1024. All
    /// have ended when the function returns that has started them. Memory: for each thread a batch, which is four to
    /// eight times the average chunk size or 2 MiB, and two chunks; 1 MiB besides.
    pub threads: u32,
    /// Where the stream is cut; NULL for the default. Chunks are at most PXDS_BLOB_MAX_SIZE: avg at most 32 MiB. An
    /// average that is unusual for Proxmox Backup Server brings a notice of the store's.
    pub chunker: *const pxds_chunker_config,
    /// With PXDS_INGEST_SET_CTIME: creation time of the index, in seconds since 1970. Otherwise it is now.
    pub ctime: i64,
    /// With PXDS_INGEST_SET_UUID: the index's uuid. Otherwise it is random.
    pub uuid: [u8; 16],
    /// The key that chunks are encrypted with; it changes their digests too. May be NULL. It can be freed meanwhile.
    pub key: *const pxds_key,
    /// Is told of each chunk; NULL for none. Valid while the ingest lives.
    pub on_chunk: pxds_ingest_chunk_fn,
    /// Handed to `on_chunk`.
    pub on_chunk_user: *mut c_void,
    /// Is told how far the ingest is, over all its calls, also while a descriptor gives nothing; NULL for none. There
    /// is one phase; units are bytes. The total is known while a regular file or block device is read, from what it has
    /// behind where it stands, until it turns out to have more; what it came to is told of when the ingest is finished.
    /// A result other than 0 stops the ingest as one of `on_chunk` does. Valid while the ingest lives.
    pub progress: pxds_progress_fn,
    /// Handed to `progress`.
    pub progress_user: *mut c_void,
}

size_first!(pxds_ingest_options);

/// Sums over what has been stored.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_ingest_stats {
    /// Bytes of this structure; set by PXDS_INGEST_STATS_INIT.
    pub struct_size: usize,
    /// Plain bytes.
    pub size: u64,
    /// Chunks.
    pub chunks: u64,
    /// Chunks that the store did not have; the others are duplicates.
    pub new_chunks: u64,
    /// Their plain bytes.
    pub new_bytes: u64,
    /// Bytes of their files.
    pub stored_bytes: u64,
    /// Bytes of the files of all chunks, each counted as often as it came.
    pub compressed_bytes: u64,
}

size_first!(pxds_ingest_stats);

/// A stream on its way into a store. Exclusive.
///
/// Give it bytes, in any mixture, with pxds_ingest_write(), pxds_ingest_read_fd() and pxds_ingest_read(), then call
/// pxds_ingest_finish(). It holds the store's process lock; its memory does not grow with the stream. After a failure
/// it takes no more; its sums, and after a cancel pxds_ingest_partial(), are still there. Freed before it is finished
/// it leaves chunks that no index names, which garbage collection takes.
pub struct pxds_ingest(Exclusive<Ingest>);

pub(super) unsafe fn read_options(options: *const pxds_ingest_options) -> crate::error::Result<IngestOptions> {
    // SAFETY: the caller's.
    let options = unsafe { args::options(options)? };
    let known = PXDS_INGEST_NO_COMPRESS | PXDS_INGEST_STRICT | PXDS_INGEST_SET_CTIME | PXDS_INGEST_SET_UUID;
    args::flags(options.flags, known, "options.flags")?;
    // SAFETY: the caller's.
    unsafe {
        Ok(IngestOptions {
            chunker: args::options(options.chunker)?.to_core()?,
            compress: options.flags & PXDS_INGEST_NO_COMPRESS == 0,
            key: opt_key(options.key),
            ctime: args::given(options.flags, PXDS_INGEST_SET_CTIME, options.ctime, "options.ctime")?,
            uuid: args::given(options.flags, PXDS_INGEST_SET_UUID, options.uuid, "options.uuid")?,
            on_chunk: on_chunk(options.on_chunk, options.on_chunk_user),
            progress: progress(options.progress, options.progress_user),
            threads: options.threads as usize,
            strict: options.flags & PXDS_INGEST_STRICT != 0,
        })
    }
}

/// A core callback for a C one.
pub(super) fn on_chunk(callback: pxds_ingest_chunk_fn, user: *mut c_void) -> Option<OnChunk> {
    let (callback, user) = (callback?, User::new(user));
    Some(Callback(Arc::new(move |chunk: &ChunkResult| {
        let chunk = c_result(chunk);
        // SAFETY: by the header's rules the callback may be called while the ingest or image lives.
        verdict("chunk callback", unsafe { callback(user.get(), &chunk) })
    })))
}

fn c_result(chunk: &ChunkResult) -> pxds_ingest_chunk {
    pxds_ingest_chunk {
        struct_size: size_of::<pxds_ingest_chunk>(),
        offset: chunk.offset,
        size: chunk.size,
        stored_size: chunk.stored_size,
        digest: chunk.digest.0,
        existed: chunk.existed.into(),
        reserved: 0,
    }
}

pub(super) fn c_stats(stats: IngestStats) -> pxds_ingest_stats {
    let IngestStats { size, chunks, new_chunks, new_bytes, stored_bytes, compressed_bytes } = stats;
    let struct_size = size_of::<pxds_ingest_stats>();
    pxds_ingest_stats { struct_size, size, chunks, new_chunks, new_bytes, stored_bytes, compressed_bytes }
}

/// Starts a stream into `store`. `options` may be NULL.
///
/// Owns: the caller owns `*out` and frees it with pxds_ingest_free().
/// Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_NOT_FOUND (a store without chunks); PXDS_ERR_BUSY, with the path, while the
/// store is collected; PXDS_ERR_IO; PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that can only be read.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_ingest_new(
    store: *const pxds_store,
    options: *const pxds_ingest_options,
    out: *mut *mut pxds_ingest,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, store, options) =
            unsafe { (Out::handle(out, "out")?, args::handle(store, "store")?, read_options(options)?) };
        Ok(out.hand_out(pxds_ingest(Exclusive::new(Ingest::new(store.chunks()?, options)?))))
    })
}

/// Takes the next bytes of the stream. Small pieces are gathered until there is work for all threads: what was given is
/// stored at the latest in pxds_ingest_finish(). Pieces of a batch or more are not copied, and go the faster the larger
/// they are: threads end with the call.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_CANCELLED, PXDS_ERR_STATE (finished, or failed before), and what
/// pxds_store_insert() may give.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_ingest_write(
    ingest: *mut pxds_ingest,
    data: *const c_void,
    data_len: usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let (ingest, data) = unsafe { (args::handle(ingest, "ingest")?, args::bytes(data, data_len, "data")?) };
        ingest.0.enter()?.write(data)
    })
}

/// Takes what can be read from the descriptor `fd`, to its end.
///
/// The descriptor is the caller's and stays open. A regular file whose size, mtime or ctime are others at the end than
/// at the start brings a notice of the store's.
///
/// Errors: as pxds_ingest_write(), PXDS_ERR_IO of the reading, and with PXDS_INGEST_STRICT PXDS_ERR_STATE for a file
/// that has changed.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_ingest_read_fd(
    ingest: *mut pxds_ingest,
    fd: i32,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for handles.
        let ingest = unsafe { args::handle(ingest, "ingest")? };
        let fd = CallerFd::new(fd)?;
        ingest.0.enter()?.read_fd(fd)
    })
}

/// Takes what `read` gives, to the end of its stream.
///
/// Errors: as pxds_ingest_write(); PXDS_ERR_ARGUMENT also if `read` claims more bytes than it was offered room for.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_ingest_read(
    ingest: *mut pxds_ingest,
    read: pxds_read_fn,
    user: *mut c_void,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for handles.
        let ingest = unsafe { args::handle(ingest, "ingest")? };
        let mut read = callback::reader(read, user)?;
        ingest.0.enter()?.read(&mut read)
    })
}

/// Writes the sums over what has been stored so far to `*stats`. After pxds_ingest_finish() they are final.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_ingest_get_stats(
    ingest: *mut pxds_ingest,
    stats: *mut pxds_ingest_stats,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out, ingest) = unsafe { (OutStruct::new(stats, "stats")?, args::handle(ingest, "ingest")?) };
        Ok(out.set(c_stats(ingest.0.enter()?.stats())))
    })
}

/// Stores the last chunk and gives the index, complete but not yet written: see pxds_index_writer_save().
///
/// Owns: the caller owns `*out` and frees it with pxds_index_writer_free(). It holds the store's process lock.
/// Errors: as pxds_ingest_write().
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_ingest_finish(
    ingest: *mut pxds_ingest,
    out: *mut *mut pxds_index_writer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out, ingest) = unsafe { (Out::handle(out, "out")?, args::handle(ingest, "ingest")?) };
        Ok(out.hand_out(pxds_index_writer::stored(ingest.0.enter()?.finish()?)))
    })
}

/// After PXDS_ERR_CANCELLED: gives the index of the chunks that were stored, which is that of the start of the stream.
///
/// Owns: the caller owns `*out` and frees it with pxds_index_writer_free(). It holds the store's process lock.
/// Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_STATE at any other time, and the second time.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_ingest_partial(
    ingest: *mut pxds_ingest,
    out: *mut *mut pxds_index_writer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out, ingest) = unsafe { (Out::handle(out, "out")?, args::handle(ingest, "ingest")?) };
        Ok(out.hand_out(pxds_index_writer::stored(ingest.0.enter()?.partial()?)))
    })
}

/// Frees an ingest. NULL is fine.
///
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_ingest_free(ingest: *mut pxds_ingest) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free_exclusive(ingest, |ingest| ingest.0.is_busy()) })
}
