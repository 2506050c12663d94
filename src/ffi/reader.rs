//! Random access.

use std::ffi::c_void;
use std::sync::Arc;

use super::args::{self, Out, size_first};
use super::cache::pxds_cache;
use super::callback::{on_bad, pxds_bad_chunk_fn};
use super::error::pxds_error;
use super::guard::{guard, guard_value};
use super::handle::Shared;
use super::index::pxds_index;
use super::key::{opt_key, pxds_key};
use super::source::pxds_source;
use super::status::{PXDS_NONE, pxds_status};
use super::store::pxds_store;
use crate::error::Result;
use crate::reader::{Cache, Extent, Reader, ReaderOptions};

/// pxds_reader_options.flags: do not compare the csum in the header of the index with its entries, as for salvage.
pub const PXDS_READER_ANY_CSUM: u32 = 1;
/// pxds_reader_options.flags: read bad chunks as zeros, even if there is no `on_bad` to tell.
pub const PXDS_READER_SKIP_BAD: u32 = 2;

/// How a reader works.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_reader_options {
    /// Bytes of this structure; set by PXDS_READER_OPTIONS_INIT.
    pub struct_size: usize,
    /// PXDS_READER_...
    pub flags: u32,
    /// Threads that one call may load chunks on, the caller's among them: 0 for as many as there are processors, at
    /// most 1024. All have ended when the call returns. They are used where a read touches several chunks, or goes on
    /// where the reads before it have been: then the next chunks are loaded as well, as far as half of the cache has
    /// room. None is started for a small read, nor for a source that is a callback without
    /// PXDS_SOURCE_ANY_THREAD.
    pub threads: u32,
    /// Bytes of the reader's own cache of decoded chunks; 0 for 64 MiB. At least one chunk is kept, however large.
    pub cache_size: usize,
    /// A cache to be used instead, with others; `cache_size` is then not looked at. NULL for one of the reader's own.
    pub cache: *const pxds_cache,
    /// The key for encrypted chunks; may be NULL. It can be freed meanwhile.
    pub key: *const pxds_key,
    /// Is told of each bad chunk, as in pxds_restorer_options, each time that it is read as zeros, on the thread that
    /// reads: on several at once, if several do. NULL: a bad chunk fails the call, unless PXDS_READER_SKIP_BAD is set.
    /// Valid while the reader lives.
    pub on_bad: pxds_bad_chunk_fn,
    /// Handed to `on_bad`.
    pub on_bad_user: *mut c_void,
}

size_first!(pxds_reader_options);

/// Reads a file anywhere, through a cache of decoded chunks. Shared.
///
/// All that is read has been checked as a restore checks it. A chunk that several threads want at once is loaded once,
/// and a failure of that load is given to all of them. Memory: the cache, the index, and for each thread that is
/// loading one chunk, encoded and decoded.
pub struct pxds_reader(Shared<Reader>);

impl pxds_reader {
    pub(super) fn new(reader: Reader) -> Self {
        pxds_reader(Shared::new(reader))
    }
}

pub(super) unsafe fn read_options(options: *const pxds_reader_options) -> Result<ReaderOptions> {
    // SAFETY: the caller's.
    let options = unsafe { args::options(options)? };
    args::flags(options.flags, PXDS_READER_ANY_CSUM | PXDS_READER_SKIP_BAD, "options.flags")?;
    // SAFETY: the caller's.
    let cache = match unsafe { args::opt(options.cache) } {
        Some(cache) => Some(cache.share()),
        None if options.cache_size == 0 => None,
        None => Some(Arc::new(Cache::new(options.cache_size)?)),
    };
    Ok(ReaderOptions {
        any_csum: options.flags & PXDS_READER_ANY_CSUM != 0,
        on_bad: on_bad(options.on_bad, options.on_bad_user, options.flags & PXDS_READER_SKIP_BAD != 0),
        cache,
        // SAFETY: the caller's.
        key: unsafe { opt_key(options.key) },
        threads: options.threads as usize,
    })
}

/// Makes a reader of the file of `index`, with chunks from `store`. `options` may be NULL.
///
/// Owns: the caller owns `*out` and frees it with pxds_reader_free().
/// Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_NOT_FOUND (a store without chunks); PXDS_ERR_CORRUPT (the csum of the index).
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_reader_new(
    store: *const pxds_store,
    index: *const pxds_index,
    options: *const pxds_reader_options,
    out: *mut *mut pxds_reader,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, store) = unsafe { (Out::handle(out, "out")?, args::handle(store, "store")?) };
        // SAFETY: the same.
        let reader = unsafe { new_reader(&pxds_source::of_chunks(store.chunks()?), index, options)? };
        Ok(out.hand_out(reader))
    })
}

/// As pxds_reader_new(), with chunks from `source`.
///
/// Owns: the caller owns `*out` and frees it with pxds_reader_free().
/// Errors: as pxds_reader_new().
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_reader_new_from(
    source: *const pxds_source,
    index: *const pxds_index,
    options: *const pxds_reader_options,
    out: *mut *mut pxds_reader,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, source) = unsafe { (Out::handle(out, "out")?, args::handle(source, "source")?) };
        // SAFETY: the same.
        let reader = unsafe { new_reader(source, index, options)? };
        Ok(out.hand_out(reader))
    })
}

/// A reader with chunks from `source`.
///
/// # Safety
///
/// `index` and `options` are as the header says.
unsafe fn new_reader(
    source: &pxds_source,
    index: *const pxds_index,
    options: *const pxds_reader_options,
) -> Result<pxds_reader> {
    // SAFETY: the caller's.
    let (index, options) = unsafe { (args::handle(index, "index")?, read_options(options)?) };
    Ok(pxds_reader(Shared::new(Reader::new(source.share(), index.share(), options)?)))
}

/// Bytes of the file; 0 for NULL.
///
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_reader_size(reader: *const pxds_reader) -> u64 {
    // SAFETY: the header's rules for handles.
    guard_value(0, || unsafe { args::opt(reader) }.map_or(0, |reader| reader.0.size()))
}

/// Fills the `data_len` bytes at `data` with those of the file from `offset` on, as far as it has them.
///
/// `*read` gets how many these are: 0 at the end of the file and behind it. After a failure it is 0, and the content of
/// `data` is undefined.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND (a chunk), PXDS_ERR_CORRUPT, PXDS_ERR_FORMAT, PXDS_ERR_KEY,
/// PXDS_ERR_AUTH, PXDS_ERR_CRYPT_MODE, PXDS_ERR_LIMIT, PXDS_ERR_IO, PXDS_ERR_CANCELLED, PXDS_ERR_NOMEM; the error has
/// the chunk's digest and its offset in the file.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_reader_read_at(
    reader: *const pxds_reader,
    offset: u64,
    data: *mut c_void,
    data_len: usize,
    read: *mut usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (read, reader, data) = unsafe {
            (Out::new(read, "read")?, args::handle(reader, "reader")?, args::bytes_mut(data, data_len, "data")?)
        };
        Ok(read.set(reader.0.read_at(offset, data)?))
    })
}

/// Tells how far from `offset` the file goes on as it does there: in chunks of zeros, or in others.
///
/// `*length` gets the bytes to the end of that stretch, or, if it is longer than `max_length`, to the end of the chunk
/// there; `*is_zero` 1 or 0. Nothing is loaded; zeros that are a part of a chunk are not seen. Returns PXDS_NONE, and
/// zeros, at the end of the file and behind it.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_reader_get_extent(
    reader: *const pxds_reader,
    offset: u64,
    max_length: u64,
    length: *mut u64,
    is_zero: *mut u32,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for outputs: each is reset even if the other is NULL.
        let (out_length, out_is_zero) = unsafe { (Out::new(length, "length"), Out::new(is_zero, "is_zero")) };
        let (out_length, out_is_zero) = (out_length?, out_is_zero?);
        // SAFETY: the header's rules for handles.
        let reader = unsafe { args::handle(reader, "reader")? };
        let Some(Extent { length, is_zero }) = reader.0.extent(offset, max_length) else { return Ok(PXDS_NONE) };
        out_length.set(length);
        Ok(out_is_zero.set(is_zero.into()))
    })
}

/// Frees a reader. NULL is fine.
///
/// Threads: any, but no other call may be using the handle.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_reader_free(reader: *mut pxds_reader) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free(reader) })
}
