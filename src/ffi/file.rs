//! Whole files.

use std::ffi::{c_char, c_void};

use super::args;
use super::error::pxds_error;
use super::guard::guard_ok;
use super::status::pxds_status;
use crate::sys::Destination;

/// Mode of a new file, less the umask.
const MODE: u32 = 0o666;

/// Writes a file of these bytes and no others to `path`, as pxds_restorer_write_file() does: it appears whole and is on
/// the disk when this returns, or nothing is changed.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND (no such directory, or a link to nothing), PXDS_ERR_EXISTS (a
/// directory; or a file that a store has made for itself), PXDS_ERR_IO.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_file_write(
    path: *const c_char,
    data: *const c_void,
    data_len: usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let (path, data) = unsafe { (args::path(path, "path")?, args::bytes(data, data_len, "data")?) };
        Destination::at(path)?.write(data, MODE)
    })
}
