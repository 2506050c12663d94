//! Restore.

use std::ffi::{c_char, c_void};

use super::args::{self, Out, SizeFirst};
use super::callback::{User, pxds_write_fn, required, verdict};
use super::error::pxds_error;
use super::guard::{guard_ok, guard_value};
use super::handle::Exclusive;
use super::index::pxds_index;
use super::status::pxds_status;
use super::store::pxds_store;
use crate::error::{Error, Kind, Result};
use crate::restore::{RestoreOptions, Restorer};
use crate::sys::CallerFd;

/// Turns indexes back into the bytes that they describe. Exclusive.
///
/// The csum of an index is checked before anything is given out, and every chunk's CRC, digest and length before a byte
/// of it is. Memory: one chunk, encoded and decoded, re-used from call to call.
pub struct pxds_restorer(Exclusive<Restorer>);

/// Runs a restore and reports how far it came, however it ends.
fn run(
    restorer: &pxds_restorer,
    written: Option<Out<'_, u64>>,
    restore: impl FnOnce(&mut Restorer) -> Result<()>,
) -> Result<()> {
    let mut restorer = restorer.0.enter()?;
    let result = restore(&mut restorer);
    if let Some(written) = written {
        written.set(restorer.written());
    }
    result
}

/// pxds_restorer_options.flags: do not compare the csum in the header of an index with its entries, as for salvage.
pub const PXDS_RESTORER_ANY_CSUM: u32 = 1;

/// How a restorer works.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_restorer_options {
    /// Bytes of this structure; set by PXDS_RESTORER_OPTIONS_INIT.
    pub struct_size: usize,
    /// PXDS_RESTORER_...
    pub flags: u32,
    /// 0.
    pub reserved: u32,
}

// SAFETY: repr(C), begins with its size, integers throughout.
unsafe impl SizeFirst for pxds_restorer_options {
    const NAME: &'static str = "pxds_restorer_options";
}

/// Makes a restorer that takes its chunks from `store`. `options` may be NULL.
///
/// Owns: the caller owns `*out` and frees it with pxds_restorer_free().
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_restorer_new(
    store: *const pxds_store,
    options: *const pxds_restorer_options,
    out: *mut *mut pxds_restorer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, store, options) =
            unsafe { (Out::handle(out, "out")?, args::handle(store, "store")?, args::options(options)?) };
        args::flags(options.flags, PXDS_RESTORER_ANY_CSUM, "options.flags")?;
        args::flags(options.reserved, 0, "options.reserved")?;
        let options =
            RestoreOptions { any_csum: options.flags & PXDS_RESTORER_ANY_CSUM != 0, ..RestoreOptions::default() };
        out.hand_out(pxds_restorer(Exclusive::new(Restorer::new(store.core(), options))));
        Ok(())
    })
}

/// Writes the whole file of `index` to the descriptor `fd`, from where it stands.
///
/// The descriptor is the caller's and stays open. `written`, which may be NULL, gets the bytes of the chunks that were
/// written whole, after a failure too. A pipe or socket that nobody reads raises SIGPIPE, as write() does.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND (a chunk), PXDS_ERR_CORRUPT (a chunk or the csum), PXDS_ERR_FORMAT, PXDS_ERR_KEY,
/// PXDS_ERR_LIMIT, PXDS_ERR_IO, PXDS_ERR_NOMEM; the error has the chunk's digest and its offset in the file.
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
        run(restorer, written, |restorer| restorer.restore_fd(index.core(), fd))
    })
}

/// Gives the whole file of `index` to `write`, chunk by chunk, in order.
///
/// Errors: as pxds_restorer_write_fd(); PXDS_ERR_CANCELLED; PXDS_ERR_ARGUMENT also if `write` claims to have taken more
/// bytes than it was offered; PXDS_ERR_IO if it takes none.
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
        let (write, user) = (required(write, "write")?, User::new(user));
        run(restorer, written, |restorer| {
            restorer.restore(index.core(), &mut |mut data| {
                while !data.is_empty() {
                    let mut taken = 0;
                    // SAFETY: by the header's rules the callback may be called; it may read all of `data`.
                    let value = unsafe { write(user.get(), data.as_ptr(), data.len(), &mut taken) };
                    verdict("write callback", value)?;
                    data = rest_of(data, taken)?;
                }
                Ok(())
            })
        })
    })
}

/// What is left of `data` after a callback has taken some of it.
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
/// A new or regular file gets its name when all of it is there, on the disk unless the store's sync level is
/// PXDS_SYNC_NONE; a failure leaves what was there before. A symbolic link is followed; a device or fifo is written in
/// place. `written`, which may be NULL, gets the bytes of the chunks that were restored, after a failure too.
///
/// Errors: as pxds_restorer_write_fd(); PXDS_ERR_NOT_FOUND also for the directory; PXDS_ERR_EXISTS if `path` is one.
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
        run(restorer, written, |restorer| restorer.restore_file(index.core(), path))
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
