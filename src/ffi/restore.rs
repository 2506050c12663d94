//! Restore.

use std::ffi::{c_char, c_void};

use super::args::{self, Out};
use super::callback::{User, pxds_write_fn, required, verdict};
use super::error::pxds_error;
use super::guard::{guard_ok, guard_value};
use super::handle::Exclusive;
use super::index::pxds_index;
use super::status::pxds_status;
use super::store::pxds_store;
use crate::error::{Error, Kind, Result};
use crate::restore::Restorer;
use crate::sys::CallerFd;

/// Turns indexes back into the bytes that they describe. Exclusive.
///
/// Every chunk's CRC, digest and length is checked before a byte of it is given out. Memory: one chunk, encoded and
/// decoded, re-used from call to call.
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

/// Makes a restorer that takes its chunks from `store`.
///
/// Owns: the caller owns `*out` and frees it with pxds_restorer_free().
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_restorer_new(
    store: *const pxds_store,
    out: *mut *mut pxds_restorer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out, store) = unsafe { (Out::handle(out, "out")?, args::handle(store, "store")?) };
        out.hand_out(pxds_restorer(Exclusive::new(Restorer::new(store.core()))));
        Ok(())
    })
}

/// Writes the whole file of `index` to the descriptor `fd`, from where it stands.
///
/// The descriptor is the caller's and stays open. `written`, which may be NULL, gets the bytes of the chunks that were
/// written whole, after a failure too.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND (a chunk), PXDS_ERR_CORRUPT, PXDS_ERR_FORMAT, PXDS_ERR_KEY,
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
/// PXDS_SYNC_NONE; a failure leaves what was there before. A device, fifo or socket is written in place. `written`,
/// which may be NULL, gets the bytes that were written, after a failure too.
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
