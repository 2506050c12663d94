//! Digests.

use std::ffi::{c_char, c_void};

use super::args::{self, Out};
use super::error::pxds_error;
use super::guard::guard_ok;
use super::status::pxds_status;
use crate::digest::{DIGEST_HEX_LEN, Digest};
use crate::error::{Error, Kind};
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
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (digest, data) = unsafe { (Out::array(digest, "digest")?, args::bytes(data, data_len, "data")?) };
        digest.set(sha256(data).0);
        Ok(())
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
pub unsafe extern "C" fn pxds_digest_to_hex(
    digest: *const u8,
    hex: *mut c_char,
    hex_capacity: usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for outputs.
        let hex = unsafe { args::bytes_mut(hex.cast(), hex_capacity, "hex")? };
        hex.iter_mut().take(1).for_each(|first| *first = 0);
        // SAFETY: the header's rules for inputs.
        let digest = unsafe { args::digest(digest, "digest")? };
        let Some(room) = hex.get_mut(..PXDS_DIGEST_HEX_SIZE) else {
            let message = format!("{hex_capacity} bytes are too few for a digest of {PXDS_DIGEST_HEX_SIZE}");
            return Err(Error::new(Kind::TooSmall, message));
        };
        room[..DIGEST_HEX_LEN].copy_from_slice(&digest.to_hex());
        room[DIGEST_HEX_LEN] = 0;
        Ok(())
    })
}

/// Reads exactly 64 hexadecimal digits of either case into the 32 bytes at `digest`.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_digest_from_hex(
    hex: *const c_char,
    digest: *mut u8,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (digest, hex) = unsafe { (Out::array(digest, "digest")?, args::string(hex, "hex")?) };
        digest.set(Digest::from_hex(hex)?.0);
        Ok(())
    })
}
