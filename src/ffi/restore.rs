//! Restore.

use std::ffi::{c_char, c_void};

use super::args::{self, Out, size_first};
use super::callback::{User, on_bad, progress, pxds_bad_chunk_fn, pxds_progress_fn, pxds_write_fn, required, verdict};
use super::error::pxds_error;
use super::guard::{guard, guard_ok, guard_value};
use super::handle::Exclusive;
use super::index::pxds_index;
use super::key::{opt_key, pxds_key};
use super::source::pxds_source;
use super::status::pxds_status;
use super::store::pxds_store;
use crate::crew;
use crate::error::{Error, Kind, Result};
use crate::index::Index;
use crate::restore::{RestoreOptions, Restorer};
use crate::sys::CallerFd;

/// Turns indexes back into the bytes that they describe. Exclusive.
///
/// The csum of an index is checked before anything is given out, and every chunk's CRC, digest and length before a byte
/// of it is. Chunks are loaded on several threads, see pxds_restorer_options.threads; callbacks come in order and on
/// the calling thread, and what fails first in the order of the file is what the call fails with.
pub struct pxds_restorer(Exclusive<Restorer>);

/// Runs a restore and reports how far it came, however it ends.
fn run<T: Default + TryFrom<u64>>(
    restorer: &pxds_restorer,
    index: &pxds_index,
    written: Option<Out<'_, T>>,
    restore: impl FnOnce(&mut Restorer, &Index) -> Result<()>,
) -> Result<()> {
    let mut restorer = restorer.0.enter()?;
    let result = restore(&mut restorer, index.core());
    if let Some(written) = written {
        written.set(T::try_from(restorer.written()).unwrap_or_default());
    }
    result
}

/// pxds_restorer_options.flags: do not compare the csum in the header of an index with its entries, as for salvage.
pub const PXDS_RESTORER_ANY_CSUM: u32 = 1;
/// pxds_restorer_options.flags: do not load chunks that are zeros by their digest; in files they become holes.
pub const PXDS_RESTORER_SPARSE: u32 = 2;
/// pxds_restorer_options.flags: put zeros in the place of bad chunks, even if there is no `on_bad` to tell.
pub const PXDS_RESTORER_SKIP_BAD: u32 = 4;

/// How a restorer works.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_restorer_options {
    /// Bytes of this structure; set by PXDS_RESTORER_OPTIONS_INIT.
    pub struct_size: usize,
    /// PXDS_RESTORER_...
    pub flags: u32,
    /// Threads that load chunks, the caller's among them: 0 for as many as there are processors, at most 1024. All have
    /// ended when the function returns that has started them; for a small range none is started, and none for a source
    /// that is a callback, unless it has PXDS_SOURCE_ANY_THREAD. Memory, which is used again from call to call: for
    /// each thread four chunks, three of them decoded; seven where the output is not a regular file, so that threads
    /// may be ahead of it. Of chunks below 350 KiB it is 1 MiB for each three.
    pub threads: u32,
    /// The key for encrypted chunks; may be NULL. It can be freed meanwhile.
    pub key: *const pxds_key,
    /// Is told of each bad chunk: one that is missing or damaged, is of another length than the index says, or cannot
    /// be read because the device fails. Zeros take its place. NULL: it fails the call, unless PXDS_RESTORER_SKIP_BAD
    /// is set. A failure that is not the chunk's own fails the call in any case. Valid while the restorer lives.
    pub on_bad: pxds_bad_chunk_fn,
    /// Handed to `on_bad`.
    pub on_bad_user: *mut c_void,
    /// Is told how far a call is; NULL for none. There is one phase; units are the chunks that the call needs, bytes
    /// those that have been written, as `written` counts them. A result other than 0 stops the call; for the bytes
    /// written it is as any failure. The callback is not called while an output takes nothing. Valid while the restorer
    /// lives.
    pub progress: pxds_progress_fn,
    /// Handed to `progress`.
    pub progress_user: *mut c_void,
}

size_first!(pxds_restorer_options);

pub(super) unsafe fn read_options(options: *const pxds_restorer_options) -> Result<RestoreOptions> {
    // SAFETY: the caller's.
    let options = unsafe { args::options(options)? };
    let known = PXDS_RESTORER_ANY_CSUM | PXDS_RESTORER_SPARSE | PXDS_RESTORER_SKIP_BAD;
    args::flags(options.flags, known, "options.flags")?;
    let threads = options.threads as usize;
    crew::thread_count(threads)?;
    Ok(RestoreOptions {
        any_csum: options.flags & PXDS_RESTORER_ANY_CSUM != 0,
        sparse: options.flags & PXDS_RESTORER_SPARSE != 0,
        on_bad: on_bad(options.on_bad, options.on_bad_user, options.flags & PXDS_RESTORER_SKIP_BAD != 0),
        progress: progress(options.progress, options.progress_user),
        // SAFETY: the caller's.
        key: unsafe { opt_key(options.key) },
        threads,
        ..RestoreOptions::default()
    })
}

/// Makes a restorer that takes its chunks from `store`. `options` may be NULL.
///
/// Owns: the caller owns `*out` and frees it with pxds_restorer_free().
/// Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_NOT_FOUND (a store without chunks).
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_restorer_new(
    store: *const pxds_store,
    options: *const pxds_restorer_options,
    out: *mut *mut pxds_restorer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, store, options) =
            unsafe { (Out::handle(out, "out")?, args::handle(store, "store")?, read_options(options)?) };
        Ok(out.hand_out(pxds_restorer(Exclusive::new(Restorer::new(store.chunks()?, options)))))
    })
}

/// As pxds_restorer_new(), with chunks from `source`.
///
/// Owns: the caller owns `*out` and frees it with pxds_restorer_free().
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_restorer_new_from(
    source: *const pxds_source,
    options: *const pxds_restorer_options,
    out: *mut *mut pxds_restorer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, source, options) =
            unsafe { (Out::handle(out, "out")?, args::handle(source, "source")?, read_options(options)?) };
        let options = RestoreOptions { sync: source.sync_level(), ..options };
        Ok(out.hand_out(pxds_restorer(Exclusive::new(Restorer::from_source(source.share(), options)))))
    })
}

/// Writes the whole file of `index` to the descriptor `fd`, from where it stands.
///
/// The descriptor is the caller's and stays open. `written`, which may be NULL, gets the bytes of the chunks that were
/// written whole, after a failure too. A pipe or socket without a reader is an error, and raises no SIGPIPE. A regular
/// file that is not opened for appending is written by position, and its descriptor is moved only at the end, behind
/// `written` bytes, after a failure too; some bytes behind those may then have been written. A block device that is too
/// small is refused before anything is written.
///
/// Errors: PXDS_ERR_ARGUMENT (also if `fd` is the file of the index), PXDS_ERR_NOT_FOUND (a chunk), PXDS_ERR_CORRUPT (a
/// chunk or the csum), PXDS_ERR_FORMAT, PXDS_ERR_KEY (encrypted, and there is none), PXDS_ERR_AUTH (another key, or
/// damage), PXDS_ERR_CRYPT_MODE (encrypted otherwise than the manifest says), PXDS_ERR_LIMIT, PXDS_ERR_IO,
/// PXDS_ERR_NOMEM, PXDS_ERR_CANCELLED; the error has the chunk's digest and its offset in the file.
/// Threads: exclusive for the restorer, shared for the index.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_restorer_write_fd(
    restorer: *mut pxds_restorer,
    index: *const pxds_index,
    fd: i32,
    written: *mut u64,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (written, restorer, index) =
            unsafe { (Out::opt(written), args::handle(restorer, "restorer")?, args::handle(index, "index")?) };
        let fd = CallerFd::new(fd)?;
        run(restorer, index, written, |restorer, index| restorer.restore_fd(index, fd))
    })
}

/// Gives the whole file of `index` to `write`, chunk by chunk, in order. `written` is as in pxds_restorer_write_fd().
///
/// Errors: as pxds_restorer_write_fd(); PXDS_ERR_ARGUMENT also if `write` claims to have taken more bytes than it was
/// offered; PXDS_ERR_IO if it takes none.
/// Threads: exclusive for the restorer, shared for the index.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_restorer_write(
    restorer: *mut pxds_restorer,
    index: *const pxds_index,
    write: pxds_write_fn,
    user: *mut c_void,
    written: *mut u64,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (written, restorer, index) =
            unsafe { (Out::opt(written), args::handle(restorer, "restorer")?, args::handle(index, "index")?) };
        let mut sink = sink(write, user)?;
        run(restorer, index, written, |restorer, index| restorer.restore(index, &mut sink))
    })
}

/// A sink of the core for a C callback.
fn sink(write: pxds_write_fn, user: *mut c_void) -> Result<impl FnMut(&[u8]) -> Result<()>> {
    let (write, user) = (required(write, "write")?, User::new(user));
    Ok(move |mut data: &[u8]| {
        while !data.is_empty() {
            let mut taken = 0;
            // SAFETY: by the header's rules the callback may be called; it may read all of `data`.
            let value = unsafe { write(user.get(), data.as_ptr(), data.len(), &mut taken) };
            verdict("write callback", value)?;
            data = rest_of(data, taken)?;
        }
        Ok(())
    })
}

/// The rest of `data` after a callback has taken some of it.
fn rest_of(data: &[u8], taken: usize) -> Result<&[u8]> {
    match data.get(taken..) {
        Some(_) if taken == 0 => Err(Error::new(Kind::Io, "the write callback took no bytes")),
        Some(rest) => Ok(rest),
        None => {
            let message = format!("the write callback claims to have taken {taken} of {} bytes", data.len());
            Err(Error::new(Kind::Argument, message))
        }
    }
}

/// Writes the whole file of `index` to `path`.
///
/// A new or regular file gets its name when all of it is there, on the disk unless the sync level of the store that it
/// comes from is PXDS_SYNC_NONE; a failure leaves what was there before. One that is replaced keeps its permissions,
/// and its owner as far as the process may. A symbolic link is followed. A device or fifo is written in place; so is a
/// descriptor of this process that `path` stands for, as /dev/stdout or /dev/fd/N does: as with
/// pxds_restorer_write_fd(). It has to be one that the caller has opened: a number that is free may by then be that of
/// a file of the library's. `written`, which may be NULL, gets the bytes of the chunks that were restored, after a
/// failure too.
///
/// Errors: as pxds_restorer_write_fd(); PXDS_ERR_NOT_FOUND also for the directory; PXDS_ERR_EXISTS if `path` is one, or
/// a file that a store has made for itself.
/// Threads: exclusive for the restorer, shared for the index.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_restorer_write_file(
    restorer: *mut pxds_restorer,
    index: *const pxds_index,
    path: *const c_char,
    written: *mut u64,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (written, restorer, index, path) = unsafe {
            (
                Out::opt(written),
                args::handle(restorer, "restorer")?,
                args::handle(index, "index")?,
                args::path(path, "path")?,
            )
        };
        run(restorer, index, written, |restorer, index| restorer.restore_file(index, path))
    })
}

/// Writes `length` bytes of the file of `index`, from `offset`, to the descriptor `fd`, from where it stands.
///
/// If the file ends before, it is fewer bytes, and no failure: `written`, which may be NULL, gets how many, after a
/// failure too. A `length` of 0 succeeds whatever the offset. Only the chunks that the range touches are loaded.
///
/// Errors: as pxds_restorer_write_fd(); PXDS_ERR_ARGUMENT also if `offset` is at or beyond the end of the file.
/// Threads: exclusive for the restorer, shared for the index.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_restorer_write_range_fd(
    restorer: *mut pxds_restorer,
    index: *const pxds_index,
    offset: u64,
    length: u64,
    fd: i32,
    written: *mut u64,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (written, restorer, index) =
            unsafe { (Out::opt(written), args::handle(restorer, "restorer")?, args::handle(index, "index")?) };
        let fd = CallerFd::new(fd)?;
        run(restorer, index, written, |restorer, index| restorer.restore_range_fd(index, offset, length, fd))
    })
}

/// As pxds_restorer_write_range_fd(), to `write`, in order.
///
/// Errors: as pxds_restorer_write_range_fd() and pxds_restorer_write().
/// Threads: exclusive for the restorer, shared for the index.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_restorer_write_range(
    restorer: *mut pxds_restorer,
    index: *const pxds_index,
    offset: u64,
    length: u64,
    write: pxds_write_fn,
    user: *mut c_void,
    written: *mut u64,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (written, restorer, index) =
            unsafe { (Out::opt(written), args::handle(restorer, "restorer")?, args::handle(index, "index")?) };
        let mut sink = sink(write, user)?;
        run(restorer, index, written, |restorer, index| restorer.restore_range(index, offset, length, &mut sink))
    })
}

/// As pxds_restorer_write_range_fd(), to a file at `path` that has these bytes alone and appears as with
/// pxds_restorer_write_file().
///
/// Errors: as pxds_restorer_write_range_fd() and pxds_restorer_write_file().
/// Threads: exclusive for the restorer, shared for the index.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_restorer_write_range_file(
    restorer: *mut pxds_restorer,
    index: *const pxds_index,
    offset: u64,
    length: u64,
    path: *const c_char,
    written: *mut u64,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (written, restorer, index, path) = unsafe {
            (
                Out::opt(written),
                args::handle(restorer, "restorer")?,
                args::handle(index, "index")?,
                args::path(path, "path")?,
            )
        };
        run(restorer, index, written, |restorer, index| restorer.restore_range_file(index, offset, length, path))
    })
}

/// As pxds_restorer_write_range_fd(), into the `data_len` bytes at `data`, as many as the file has from `offset`.
/// `read`, which may be NULL, gets how many have been written there, also on failure.
///
/// Errors: as pxds_restorer_write_range_fd().
/// Threads: exclusive for the restorer, shared for the index.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_restorer_read_range(
    restorer: *mut pxds_restorer,
    index: *const pxds_index,
    offset: u64,
    data: *mut c_void,
    data_len: usize,
    read: *mut usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (read, restorer, index, data) = unsafe {
            (
                Out::opt(read),
                args::handle(restorer, "restorer")?,
                args::handle(index, "index")?,
                args::bytes_mut(data, data_len, "data")?,
            )
        };
        run(restorer, index, read, |restorer, index| restorer.read_range(index, offset, data).map(drop))
    })
}

/// Frees a restorer. NULL is fine.
///
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_restorer_free(restorer: *mut pxds_restorer) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free_exclusive(restorer, |restorer| restorer.0.is_busy()) })
}
