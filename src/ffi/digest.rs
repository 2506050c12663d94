//! Digests.

use std::ffi::{c_char, c_void};

use super::args::{self, Out};
use super::error::pxds_error;
use super::guard::{guard, guard_ok};
use super::status::pxds_status;
use crate::digest::Digest;
use crate::hash::sha256;

/// Bytes of a digest, which is a SHA-256 hash.
pub const PXDS_DIGEST_SIZE: usize = 32;
/// Bytes of a digest in hexadecimal, with the NUL at its end.
pub const PXDS_DIGEST_HEX_SIZE: usize = 65;

/// Writes the digest of `data_len` bytes to the 32 bytes at `digest`.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_digest_compute(
    data: *const c_void,
    data_len: usize,
    digest: *mut u8,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // The output is reset behind the computation: it may be where the data is.
        // SAFETY: the header's rules for inputs and outputs.
        let computed = unsafe { args::bytes(data, data_len, "data") }.map(sha256);
        // SAFETY: as above.
        let digest = unsafe { Out::array(digest, "digest")? };
        Ok(digest.set(computed?.0))
    })
}

/// Writes the 32 bytes at `digest` as 64 lower-case hexadecimal digits and a NUL.
///
/// `hex_capacity` must be at least PXDS_DIGEST_HEX_SIZE.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_TOO_SMALL.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_digest_format(
    digest: *const u8,
    hex: *mut c_char,
    hex_capacity: usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (hex, digest) = unsafe { (args::text_mut(hex, hex_capacity, "hex")?, args::digest(digest, "digest")?) };
        args::write_text(hex, &digest.to_hex())
    })
}

/// Reads exactly 64 hexadecimal digits of either case into the 32 bytes at `digest`.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_digest_parse(
    hex: *const c_char,
    digest: *mut u8,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let parsed = unsafe { args::string(hex, "hex") }.and_then(Digest::from_hex);
        // SAFETY: as above.
        let digest = unsafe { Out::array(digest, "digest")? };
        Ok(digest.set(parsed?.0))
    })
}
