//! The error object.

use std::ffi::{CString, c_char};
use std::os::unix::ffi::OsStrExt;

use super::args::{self, Out};
use super::guard::{guard, guard_value};
use super::status::{PXDS_NONE, PXDS_OK, pxds_status};
use crate::error::Error;

/// The details of a failure. Immutable; any thread may read it.
///
/// Every function that can fail, except those on errors, takes `pxds_error **err` as its last argument. It may be NULL.
/// Otherwise `*err` is written and never read: NULL on success, an object that the caller owns on failure.
pub struct pxds_error {
    status: pxds_status,
    message: CString,
    path: Option<CString>,
    error: Error,
}

impl pxds_error {
    /// An object that C owns.
    pub(in crate::ffi) fn into_raw(error: Error, status: pxds_status) -> *mut Self {
        let for_c = |bytes: &[u8]| {
            let text: Vec<u8> = bytes.iter().copied().take_while(|&byte| byte != 0).collect();
            CString::new(text).unwrap_or_default()
        };
        Box::into_raw(Box::new(pxds_error {
            status,
            message: for_c(error.message().as_bytes()),
            path: error.path().map(|path| for_c(path.as_os_str().as_bytes())),
            error,
        }))
    }
}

/// The status that the failed function returned; PXDS_OK for NULL.
///
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_error_status(error: *const pxds_error) -> pxds_status {
    // SAFETY: the header's rules for handles.
    guard_value(PXDS_OK, || unsafe { args::opt(error) }.map_or(PXDS_OK, |error| error.status))
}

/// The message: what happened, the outermost context first, with path, offset, digest and the system's words where they
/// are known.
///
/// It may be printed as it is: control characters and bytes that are not UTF-8, in the name of a file for example, are
/// escaped.
///
/// Never NULL; "" for NULL.
///
/// Owns: the string is the error's.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_error_message(error: *const pxds_error) -> *const c_char {
    // SAFETY: the header's rules for handles.
    guard_value(c"".as_ptr(), || unsafe { args::opt(error) }.map_or(c"".as_ptr(), |error| error.message.as_ptr()))
}

/// The errno of the system call that failed; 0 if none did.
///
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_error_errno(error: *const pxds_error) -> i32 {
    // SAFETY: the header's rules for handles.
    guard_value(0, || unsafe { args::opt(error) }.and_then(|error| error.error.errno()).unwrap_or(0))
}

/// The file or directory that it is about, as bytes that end in NUL; NULL if it is about none.
///
/// Owns: the string is the error's.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_error_path(error: *const pxds_error) -> *const c_char {
    let none = std::ptr::null;
    guard_value(none(), || {
        // SAFETY: the header's rules for handles.
        unsafe { args::opt(error) }.and_then(|error| error.path.as_deref()).map_or_else(none, |path| path.as_ptr())
    })
}

/// Writes the 32 bytes of the digest of the chunk that it is about.
///
/// Returns PXDS_NONE, and zeros, if it is about none; PXDS_ERR_ARGUMENT if `digest` is NULL.
///
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_error_get_digest(error: *const pxds_error, digest: *mut u8) -> pxds_status {
    guard(std::ptr::null_mut(), || {
        // SAFETY: the header's rules for outputs and handles.
        let (digest, error) = unsafe { (Out::array(digest, "digest")?, args::opt(error)) };
        Ok(error.and_then(|error| error.error.digest()).map_or(PXDS_NONE, |found| digest.set(found.0)))
    })
}

/// Writes the offset in bytes that it is about; the message says in what.
///
/// Returns PXDS_NONE, and zero, if it is about none; PXDS_ERR_ARGUMENT if `offset` is NULL.
///
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_error_get_offset(error: *const pxds_error, offset: *mut u64) -> pxds_status {
    guard(std::ptr::null_mut(), || {
        // SAFETY: the header's rules for outputs and handles.
        let (offset, error) = unsafe { (Out::new(offset, "offset")?, args::opt(error)) };
        Ok(error.and_then(|error| error.error.offset()).map_or(PXDS_NONE, |found| offset.set(found)))
    })
}

/// The value of the callback that stopped the call; 0 if none did.
///
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_error_callback_value(error: *const pxds_error) -> i32 {
    // SAFETY: the header's rules for handles.
    guard_value(0, || unsafe { args::opt(error) }.map_or(0, |error| error.error.callback_value()))
}

/// Frees an error. NULL is fine.
///
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_error_free(error: *mut pxds_error) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free(error) })
}
