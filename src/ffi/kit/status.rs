//! Statuses.

use std::ffi::{CStr, c_char};

use super::guard::guard_value;
use crate::error::Kind;

/// The result of a function: zero is success, positive an ordinary outcome, negative a failure.
///
/// The values are permanent. They are never an errno.
pub type pxds_status = i32;

/// Success.
pub const PXDS_OK: pxds_status = 0;
/// A chunk ends here.
pub const PXDS_CUT: pxds_status = 1;
/// There is nothing, or nothing more, where that is ordinary.
pub const PXDS_NONE: pxds_status = 2;
/// An argument can never work: NULL, an unknown flag, a value out of range.
pub const PXDS_ERR_ARGUMENT: pxds_status = -1;
/// The operating system refused; see pxds_error_errno().
pub const PXDS_ERR_IO: pxds_status = -2;
/// An allocation failed.
pub const PXDS_ERR_NOMEM: pxds_status = -3;
/// A file, directory or chunk is not there.
pub const PXDS_ERR_NOT_FOUND: pxds_status = -4;
/// Something is there already.
pub const PXDS_ERR_EXISTS: pxds_status = -5;
/// Another process, handle or thread holds it.
pub const PXDS_ERR_BUSY: pxds_status = -6;
/// The caller's buffer is too small; the length that is enough has been written.
pub const PXDS_ERR_TOO_SMALL: pxds_status = -7;
/// A size is above a maximum.
pub const PXDS_ERR_LIMIT: pxds_status = -8;
/// Data is damaged: a digest, a CRC, a length or a compressed frame is wrong.
pub const PXDS_ERR_CORRUPT: pxds_status = -9;
/// Data is not of the format: its magic or structure is wrong.
pub const PXDS_ERR_FORMAT: pxds_status = -10;
/// The data is encrypted and no key is given.
pub const PXDS_ERR_KEY: pxds_status = -11;
/// An authentication tag or a signature does not match.
pub const PXDS_ERR_AUTH: pxds_status = -12;
/// A call out of order, or on a handle that has failed.
pub const PXDS_ERR_STATE: pxds_status = -13;
/// A callback asked to stop; see pxds_error_callback_value().
pub const PXDS_ERR_CANCELLED: pxds_status = -14;
/// Valid, but not supported.
pub const PXDS_ERR_UNSUPPORTED: pxds_status = -15;
/// A protected snapshot cannot be removed.
pub const PXDS_ERR_PROTECTED: pxds_status = -16;
/// A password is wrong or too short.
pub const PXDS_ERR_PASSWORD: pxds_status = -17;
/// The data was made with another key.
pub const PXDS_ERR_KEY_MISMATCH: pxds_status = -18;
/// Encrypted where unencrypted was expected, or the reverse.
pub const PXDS_ERR_CRYPT_MODE: pxds_status = -19;
/// A service refuses who asks: a wrong key, a missing right, a clock that is off.
pub const PXDS_ERR_DENIED: pxds_status = -20;
/// A defect of this library.
pub const PXDS_ERR_INTERNAL: pxds_status = -98;
/// A defect of this library, found by a panic; the handle it struck is dead.
pub const PXDS_ERR_PANIC: pxds_status = -99;

/// Flag of a result: something could not be seen or read, and is in no number. There was a notice for each.
pub const PXDS_RESULT_INCOMPLETE: u32 = 1;
/// Flag of a result: files of chunks have been looked at, as PXDS_STATS_EXACT asks for.
pub const PXDS_RESULT_EXACT: u32 = 2;

/// The status of a kind of error.
pub(in crate::ffi) fn status_of(kind: Kind) -> pxds_status {
    match kind {
        Kind::Argument => PXDS_ERR_ARGUMENT,
        Kind::Io => PXDS_ERR_IO,
        Kind::NoMemory => PXDS_ERR_NOMEM,
        Kind::NotFound => PXDS_ERR_NOT_FOUND,
        Kind::Exists => PXDS_ERR_EXISTS,
        Kind::Busy => PXDS_ERR_BUSY,
        Kind::TooSmall => PXDS_ERR_TOO_SMALL,
        Kind::Limit => PXDS_ERR_LIMIT,
        Kind::Corrupt => PXDS_ERR_CORRUPT,
        Kind::Format => PXDS_ERR_FORMAT,
        Kind::Key => PXDS_ERR_KEY,
        Kind::Auth => PXDS_ERR_AUTH,
        Kind::State => PXDS_ERR_STATE,
        Kind::Cancelled => PXDS_ERR_CANCELLED,
        Kind::Unsupported => PXDS_ERR_UNSUPPORTED,
        Kind::Protected => PXDS_ERR_PROTECTED,
        Kind::Password => PXDS_ERR_PASSWORD,
        Kind::KeyMismatch => PXDS_ERR_KEY_MISMATCH,
        Kind::CryptMode => PXDS_ERR_CRYPT_MODE,
        Kind::Denied => PXDS_ERR_DENIED,
        Kind::Internal => PXDS_ERR_INTERNAL,
    }
}

/// The name of a status, and words for it.
fn words_of(status: pxds_status) -> (&'static CStr, &'static CStr) {
    match status {
        PXDS_OK => (c"PXDS_OK", c"success"),
        PXDS_CUT => (c"PXDS_CUT", c"a chunk ends here"),
        PXDS_NONE => (c"PXDS_NONE", c"there is none"),
        PXDS_ERR_ARGUMENT => (c"PXDS_ERR_ARGUMENT", c"invalid argument"),
        PXDS_ERR_IO => (c"PXDS_ERR_IO", c"input or output failed"),
        PXDS_ERR_NOMEM => (c"PXDS_ERR_NOMEM", c"out of memory"),
        PXDS_ERR_NOT_FOUND => (c"PXDS_ERR_NOT_FOUND", c"not found"),
        PXDS_ERR_EXISTS => (c"PXDS_ERR_EXISTS", c"exists already"),
        PXDS_ERR_BUSY => (c"PXDS_ERR_BUSY", c"in use by somebody else"),
        PXDS_ERR_TOO_SMALL => (c"PXDS_ERR_TOO_SMALL", c"buffer too small"),
        PXDS_ERR_LIMIT => (c"PXDS_ERR_LIMIT", c"above a limit"),
        PXDS_ERR_CORRUPT => (c"PXDS_ERR_CORRUPT", c"data is damaged"),
        PXDS_ERR_FORMAT => (c"PXDS_ERR_FORMAT", c"data is not of the format"),
        PXDS_ERR_KEY => (c"PXDS_ERR_KEY", c"a key is needed"),
        PXDS_ERR_AUTH => (c"PXDS_ERR_AUTH", c"authentication failed"),
        PXDS_ERR_STATE => (c"PXDS_ERR_STATE", c"not possible in this state"),
        PXDS_ERR_CANCELLED => (c"PXDS_ERR_CANCELLED", c"cancelled by a callback"),
        PXDS_ERR_UNSUPPORTED => (c"PXDS_ERR_UNSUPPORTED", c"not supported"),
        PXDS_ERR_PROTECTED => (c"PXDS_ERR_PROTECTED", c"snapshot is protected"),
        PXDS_ERR_PASSWORD => (c"PXDS_ERR_PASSWORD", c"password is wrong or too short"),
        PXDS_ERR_KEY_MISMATCH => (c"PXDS_ERR_KEY_MISMATCH", c"made with another key"),
        PXDS_ERR_CRYPT_MODE => (c"PXDS_ERR_CRYPT_MODE", c"encrypted otherwise than expected"),
        PXDS_ERR_DENIED => (c"PXDS_ERR_DENIED", c"refused by the service"),
        PXDS_ERR_INTERNAL => (c"PXDS_ERR_INTERNAL", c"defect of the library"),
        PXDS_ERR_PANIC => (c"PXDS_ERR_PANIC", c"defect of the library (panic)"),
        _ => UNKNOWN,
    }
}

/// The name of a number that is no status.
const UNKNOWN: (&CStr, &CStr) = (c"PXDS_UNKNOWN", c"unknown status");

/// The name of a status, such as "PXDS_ERR_IO"; "PXDS_UNKNOWN" for any other number.
///
/// Owns: the string is the library's and lasts for ever.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn pxds_status_name(status: pxds_status) -> *const c_char {
    guard_value(UNKNOWN.0.as_ptr(), || words_of(status).0.as_ptr())
}

/// Words for a status, in English and such as "not found", where there is no error object; "unknown status" for any
/// other number. pxds_error_message() says more.
///
/// Owns: the string is the library's and lasts for ever.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn pxds_status_message(status: pxds_status) -> *const c_char {
    guard_value(UNKNOWN.1.as_ptr(), || words_of(status).1.as_ptr())
}
