//! Encryption keys.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::args::{self, Out};
use super::blob::read_tolerance;
use super::error::pxds_error;
use super::guard::{guard, guard_ok, guard_value};
use super::handle::Shared;
use super::status::pxds_status;
use crate::crypt::{CryptKey, Fingerprint, KEY_SIZE};

/// Bytes of a key.
pub const PXDS_KEY_SIZE: usize = 32;
/// Bytes of a fingerprint.
pub const PXDS_FINGERPRINT_SIZE: usize = 32;
/// Bytes of the text of a whole fingerprint, with its NUL.
pub const PXDS_FINGERPRINT_TEXT_SIZE: usize = 96;
/// Bytes of the short text of a fingerprint, with its NUL.
pub const PXDS_FINGERPRINT_SHORT_SIZE: usize = 24;

/// pxds_fingerprint_format() flag: the first eight bytes only, for messages.
pub const PXDS_FINGERPRINT_SHORT: u32 = 1;

/// An encryption key. Shared.
///
/// An object that uses a key keeps it, so that the handle can be freed at any time. When its last user is gone, its
/// bytes and everything derived from them have been overwritten wherever the library had them: on the heap, on stacks,
/// in vector registers. Passwords have been when a call returns. The caller overwrites its own copies.
pub struct pxds_key(Shared<Arc<CryptKey>>);

impl pxds_key {
    pub(super) fn new(key: CryptKey) -> Self {
        pxds_key(Shared::new(Arc::new(key)))
    }

    /// The key of the core, to be kept.
    pub(super) fn share(&self) -> Arc<CryptKey> {
        Arc::clone(&self.0)
    }
}

/// The key that a caller passed, if any, to be kept.
pub(super) unsafe fn opt_key(key: *const pxds_key) -> Option<Arc<CryptKey>> {
    // SAFETY: the caller's.
    unsafe { args::opt(key) }.map(pxds_key::share)
}

/// Makes a key of the 32 bytes at `secret`, which are copied.
///
/// Owns: the caller owns `*out` and frees it with pxds_key_free().
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_key_new(
    secret: *const u8,
    out: *mut *mut pxds_key,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, secret) =
            unsafe { (Out::handle(out, "out")?, args::handle(secret.cast::<[u8; KEY_SIZE]>(), "secret")?) };
        Ok(out.hand_out(pxds_key::new(CryptKey::new(secret))))
    })
}

/// Makes a new key of random bytes. Without a key file, see pxds_keyfile_new(), it is lost with the program.
///
/// Owns: the caller owns `*out` and frees it with pxds_key_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_IO (no random bytes).
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_key_random(out: *mut *mut pxds_key, err: *mut *mut pxds_error) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for outputs.
        let out = unsafe { Out::handle(out, "out")? };
        Ok(out.hand_out(pxds_key::new(CryptKey::random()?)))
    })
}

/// Makes a key of `key` that reads also what the Go package has encrypted with it. `flags`: PXDS_CODEC_SHORT_IV,
/// PXDS_CODEC_LONG_HEADER, or both.
///
/// Use it in place of the other wherever something is read: in a restorer, a reader, a verification, a copy, a snapshot
/// or a codec. Its output is that of Proxmox Backup Server. The signatures of that package's manifests cannot be
/// checked: a manifest that names the key as that package does counts as unsigned. See docs/format.md, 2.7.
///
/// Owns: the caller owns `*out` and frees it with pxds_key_free(); `key` can be freed before.
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_key_tolerant(
    key: *const pxds_key,
    flags: u32,
    out: *mut *mut pxds_key,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out, key) = unsafe { (Out::handle(out, "out")?, args::handle(key, "key")?) };
        Ok(out.hand_out(pxds_key::new(key.0.tolerant(read_tolerance(flags, "flags")?))))
    })
}

/// Writes the 32 bytes of the key's fingerprint to `fingerprint`. It tells keys apart and gives nothing away.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_key_get_fingerprint(
    key: *const pxds_key,
    fingerprint: *mut u8,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out, key) = unsafe { (Out::array(fingerprint, "fingerprint")?, args::handle(key, "key")?) };
        Ok(out.set(key.0.fingerprint().0))
    })
}

/// Computes the digest of encrypted data, which names its chunk, into the 32 bytes at `digest`. See docs/format.md,
/// 3.2.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_key_digest(
    key: *const pxds_key,
    data: *const c_void,
    data_len: usize,
    digest: *mut u8,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, key, data) =
            unsafe { (Out::array(digest, "digest")?, args::handle(key, "key")?, args::bytes(data, data_len, "data")?) };
        Ok(out.set(key.0.digest(data).0))
    })
}

/// Frees a key. NULL is fine.
///
/// Threads: any, but no other call may be using the handle.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_key_free(key: *mut pxds_key) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free(key) })
}

/// Writes the 32 bytes at `fingerprint` as pairs of hexadecimal digits with colons between them, and a NUL.
///
/// `flags`: 0 or PXDS_FINGERPRINT_SHORT. `capacity` is at least PXDS_FINGERPRINT_TEXT_SIZE, or
/// PXDS_FINGERPRINT_SHORT_SIZE.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_TOO_SMALL.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_fingerprint_format(
    fingerprint: *const u8,
    flags: u32,
    text: *mut c_char,
    capacity: usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (room, bytes) =
            unsafe { (args::text_mut(text, capacity, "text")?, args::digest(fingerprint, "fingerprint")?) };
        args::flags(flags, PXDS_FINGERPRINT_SHORT, "flags")?;
        let fingerprint = Fingerprint(bytes.0);
        let text = if flags != 0 { fingerprint.short() } else { fingerprint.to_string() };
        args::write_text(room, text.as_bytes())
    })
}

/// Reads a whole fingerprint, with or without colons and in either case, into the 32 bytes at `fingerprint`.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_fingerprint_parse(
    text: *const c_char,
    fingerprint: *mut u8,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, text) = unsafe { (Out::array(fingerprint, "fingerprint")?, args::text(text, "text")?) };
        Ok(out.set(Fingerprint::parse(text)?.0))
    })
}
