//! The chunks of a store, one by one.

use std::ffi::{c_char, c_void};
use std::mem::size_of;
use std::os::unix::ffi::OsStrExt;

use super::args::{self, Out, OutStruct, OutText, size_first};
use super::blob::pxds_blob_codec;
use super::buffer::pxds_buffer;
use super::error::pxds_error;
use super::guard::{guard, guard_ok, guard_value};
use super::handle::Exclusive;
use super::status::{PXDS_NONE, PXDS_OK, pxds_status};
use super::store::pxds_store;
use crate::chunks::{ChunkEntry, ChunkIter, InsertOptions, Inserted};

/// The result of an insert.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_insert_result {
    /// Bytes of this structure; set by PXDS_INSERT_RESULT_INIT.
    pub struct_size: usize,
    /// Length of the chunk's file now.
    pub stored_size: u64,
    /// 1 if the chunk was there and stays, else 0.
    pub existed: u32,
    /// 0.
    pub reserved: u32,
}

size_first!(pxds_insert_result);

impl From<Inserted> for pxds_insert_result {
    fn from(inserted: Inserted) -> Self {
        pxds_insert_result {
            struct_size: size_of::<Self>(),
            stored_size: inserted.stored_size,
            existed: inserted.existed.into(),
            reserved: 0,
        }
    }
}

/// A file among the chunks.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_chunk_entry {
    /// Bytes of this structure; set by PXDS_CHUNK_ENTRY_INIT.
    pub struct_size: usize,
    /// Length of the file.
    pub stored_size: u64,
    /// Time of the last access, in seconds since 1970.
    pub atime: i64,
    /// The chunk's name.
    pub digest: [u8; 32],
    /// 1 if it is a bad copy, DIGEST.N.bad; else 0.
    pub bad: u32,
    /// N of a bad copy.
    pub bad_number: u32,
}

size_first!(pxds_chunk_entry);

/// Inserting flag: store any bytes, not only a blob. They must be as long as the header of a blob, 12 bytes, or 44 if
/// they begin with the magic of an encrypted one: a shorter file is no chunk for any other call.
pub const PXDS_INSERT_RAW: u32 = 1;
/// Loading flag: give any bytes, for salvage; neither structure nor CRC are checked.
pub const PXDS_LOAD_UNCHECKED: u32 = 1;

/// Goes through the chunks of a store. Exclusive.
pub struct pxds_chunk_iter(Exclusive<ChunkIter>);

/// Writes the path at which the chunk `digest` is stored, whether it is there or not, with a NUL at its end.
///
/// `*path_len` gets the bytes with the NUL; with PXDS_ERR_TOO_SMALL, how many are needed.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_TOO_SMALL; PXDS_ERR_NOT_FOUND (a store without chunks).
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_get_chunk_path(
    store: *const pxds_store,
    digest: *const u8,
    path: *mut c_char,
    path_capacity: usize,
    path_len: *mut usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for outputs.
        let out = unsafe { OutText::new(path, path_capacity, path_len, "path")? };
        // SAFETY: the header's rules for inputs.
        let (store, digest) = unsafe { (args::handle(store, "store")?, args::digest(digest, "digest")?) };
        let chunk_path = store.chunks()?.chunk_path(&digest);
        out.set(chunk_path.as_os_str().as_bytes())
    })
}

/// Stores the encoded `blob` as chunk `digest`, or touches the chunk that is there.
///
/// Whether the digest is that of the data is not checked: see pxds_store_insert_verified(). If the chunk is there, the
/// table of docs/format.md, 5.4, says what happens. `flags`: 0 or PXDS_INSERT_RAW. Hold a lock, see pxds_store_lock(),
/// from before the first insert until an index names the chunks. `result` may be NULL.
///
/// Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_FORMAT (no blob, or too short for one), PXDS_ERR_LIMIT (too long),
/// PXDS_ERR_EXISTS (something that is no file has the name), PXDS_ERR_CRYPT_MODE, PXDS_ERR_CORRUPT (both cannot be
/// valid, or the smaller one that would replace the other has a wrong CRC), PXDS_ERR_NOT_FOUND (the store is gone),
/// PXDS_ERR_IO, PXDS_ERR_CANCELLED (by the notice callback, after the chunk was stored); PXDS_ERR_STATE and
/// PXDS_ERR_UNSUPPORTED for a store that can only be read.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_insert(
    store: *const pxds_store,
    digest: *const u8,
    blob: *const c_void,
    blob_len: usize,
    flags: u32,
    result: *mut pxds_insert_result,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (result, store, digest, blob) = unsafe {
            (
                OutStruct::opt(result)?,
                args::handle(store, "store")?,
                args::digest(digest, "digest")?,
                args::bytes(blob, blob_len, "blob")?,
            )
        };
        args::flags(flags, PXDS_INSERT_RAW, "flags")?;
        let options = InsertOptions { raw: flags & PXDS_INSERT_RAW != 0 };
        let inserted = store.chunks()?.insert(&digest, blob, options)?;
        if let Some(result) = result {
            result.set(inserted.into());
        }
        Ok(())
    })
}

/// As pxds_store_insert(), after checking that an unencrypted `blob` decodes to `size` bytes of this digest.
///
/// The stored CRC is made right. A chunk that is there but does not load, by structure and CRC, is replaced.
///
/// Errors: as pxds_store_insert(); PXDS_ERR_CORRUPT also if the check fails; PXDS_ERR_NOMEM.
/// Threads: shared for the store, exclusive for the codec.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_insert_verified(
    store: *const pxds_store,
    codec: *mut pxds_blob_codec,
    digest: *const u8,
    size: u64,
    blob: *const c_void,
    blob_len: usize,
    result: *mut pxds_insert_result,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (result, store, codec, digest, blob) = unsafe {
            (
                OutStruct::opt(result)?,
                args::handle(store, "store")?,
                args::handle(codec, "codec")?,
                args::digest(digest, "digest")?,
                args::bytes(blob, blob_len, "blob")?,
            )
        };
        let inserted = store.chunks()?.insert_verified(&mut *codec.enter()?, &digest, size, blob)?;
        if let Some(result) = result {
            result.set(inserted.into());
        }
        Ok(())
    })
}

/// Loads the encoded blob of chunk `digest`, of at most `max_len` bytes, and checks its structure and CRC.
///
/// `flags`: 0 or PXDS_LOAD_UNCHECKED. PXDS_BLOB_MAX_ENCODED_SIZE admits every blob. Loading does not touch.
///
/// Owns: the caller owns `*out` and frees it with pxds_buffer_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND, PXDS_ERR_IO, PXDS_ERR_LIMIT, PXDS_ERR_FORMAT, PXDS_ERR_CORRUPT,
/// PXDS_ERR_NOMEM.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_load(
    store: *const pxds_store,
    digest: *const u8,
    flags: u32,
    max_len: usize,
    out: *mut *mut pxds_buffer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, store, digest) =
            unsafe { (Out::handle(out, "out")?, args::handle(store, "store")?, args::digest(digest, "digest")?) };
        args::flags(flags, PXDS_LOAD_UNCHECKED, "flags")?;
        let mut bytes = Vec::new();
        if flags & PXDS_LOAD_UNCHECKED != 0 {
            store.chunks()?.load_raw(&digest, max_len, &mut bytes)?;
        } else {
            store.chunks()?.load(&digest, max_len, &mut bytes)?;
        }
        Ok(out.hand_out(pxds_buffer::new(bytes)))
    })
}

/// Tells whether the store has the chunk `digest`: PXDS_OK, or PXDS_NONE.
///
/// A file that is too short for a blob, as a crash may leave it, is no chunk. `stored_size`, which may be NULL, gets
/// the length of the file.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_IO.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_has(
    store: *const pxds_store,
    digest: *const u8,
    stored_size: *mut u64,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out_size, store, digest) =
            unsafe { (Out::opt(stored_size), args::handle(store, "store")?, args::digest(digest, "digest")?) };
        let Some(size) = store.chunks()?.has(&digest)? else { return Ok(PXDS_NONE) };
        if let Some(out_size) = out_size {
            out_size.set(size);
        }
        Ok(PXDS_OK)
    })
}

/// Sets the access time of chunk `digest` to now, which keeps garbage collection off it. The modification time stays.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND; PXDS_ERR_IO, with EPERM if the file is another user's; PXDS_ERR_STATE
/// and PXDS_ERR_UNSUPPORTED for a store that can only be read.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_touch(
    store: *const pxds_store,
    digest: *const u8,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let (store, digest) = unsafe { (args::handle(store, "store")?, args::digest(digest, "digest")?) };
        store.chunks()?.touch(&digest)
    })
}

/// Renames the file of chunk `digest` to DIGEST.N.bad, so that it counts as missing and is stored anew next time.
///
/// N is the lowest free of 0 to 9; if none is, 9 is overwritten. `number`, which may be NULL, gets it. Returns
/// PXDS_NONE if there is no such chunk. See docs/format.md, 5.8.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_IO; PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that can only be read.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_mark_bad(
    store: *const pxds_store,
    digest: *const u8,
    number: *mut u32,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out_number, store, digest) =
            unsafe { (Out::opt(number), args::handle(store, "store")?, args::digest(digest, "digest")?) };
        let Some(taken) = store.chunks()?.mark_bad(&digest)? else { return Ok(PXDS_NONE) };
        if let Some(out_number) = out_number {
            out_number.set(taken.into());
        }
        Ok(PXDS_OK)
    })
}

/// Starts going through all chunks and their bad copies, directory by directory, in no order within one.
///
/// Temporary and foreign files are passed over. Chunks that come or go meanwhile are seen or not.
///
/// Owns: the caller owns `*out` and frees it with pxds_chunk_iter_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_IO.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_chunks(
    store: *const pxds_store,
    out: *mut *mut pxds_chunk_iter,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out, store) = unsafe { (Out::handle(out, "out")?, args::handle(store, "store")?) };
        Ok(out.hand_out(pxds_chunk_iter(Exclusive::new(store.chunks()?.iter()?))))
    })
}

/// Writes the next chunk to `*entry`. Returns PXDS_NONE at the end, and after a failure.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_IO.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_chunk_iter_next(
    iter: *mut pxds_chunk_iter,
    entry: *mut pxds_chunk_entry,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out, iter) = unsafe { (OutStruct::new(entry, "entry")?, args::handle(iter, "iter")?) };
        let Some(entry) = iter.0.enter()?.next() else { return Ok(PXDS_NONE) };
        let ChunkEntry { digest, bad, stored_size, atime } = entry?;
        Ok(out.set(pxds_chunk_entry {
            struct_size: size_of::<pxds_chunk_entry>(),
            stored_size,
            atime,
            digest: digest.0,
            bad: bad.is_some().into(),
            bad_number: bad.unwrap_or(0).into(),
        }))
    })
}

/// Frees an iterator. NULL is fine.
///
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_chunk_iter_free(iter: *mut pxds_chunk_iter) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free_exclusive(iter, |iter| iter.0.is_busy()) })
}
