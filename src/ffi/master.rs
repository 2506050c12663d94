//! Master keys.

use std::ffi::c_void;

use super::args::{self, Out};
use super::buffer::pxds_buffer;
use super::error::pxds_error;
use super::guard::guard;
use super::key::pxds_key;
use super::keyfile::pxds_keyfile;
use super::status::pxds_status;
use crate::{master, sys};

/// Seals `key` for the holder of a master key, whose public half is the PEM at `public_pem`, "BEGIN PUBLIC KEY".
///
/// `created`: when the key was made, in seconds since 1970, as its key file says; NULL for now.
/// pxds_backup_add_sealed_key() puts the result into a snapshot. RSA with 2128 bits or more is needed; keys of Proxmox
/// Backup Server have 4096.
///
/// Master keys are part of a build with the Cargo feature `master-key`; without it this is PXDS_ERR_UNSUPPORTED, and a
/// key can still be sealed by other means: docs/format.md, 3.6.
///
/// Owns: the caller owns `*out` and frees it with pxds_buffer_free().
/// Errors: PXDS_ERR_ARGUMENT (also: the master key is too small), PXDS_ERR_FORMAT (no public key of RSA in a PEM),
/// PXDS_ERR_LIMIT (above 16384 bits), PXDS_ERR_IO (no random bytes), PXDS_ERR_UNSUPPORTED.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_master_seal(
    key: *const pxds_key,
    created: *const i64,
    public_pem: *const c_void,
    public_pem_len: usize,
    out: *mut *mut pxds_buffer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, key, created, pem) = unsafe {
            (
                Out::handle(out, "out")?,
                args::handle(key, "key")?,
                args::opt_value(created),
                args::bytes(public_pem, public_pem_len, "public_pem")?,
            )
        };
        Ok(out.hand_out(pxds_buffer::new(master::seal(&key.share(), created.unwrap_or_else(sys::now), pem)?)))
    })
}

/// Opens a sealed key with the private half of the master key, the PEM at `private_pem`: "BEGIN PRIVATE KEY", "BEGIN
/// ENCRYPTED PRIVATE KEY" or "BEGIN RSA PRIVATE KEY".
///
/// `sealed` is the content of a snapshot's rsa-encrypted.key.blob, or that file as it is. `password` is that of the
/// PEM; NULL if it has none. The key file that comes out is under no password: pxds_keyfile_unlock() takes the key out
/// and verifies its fingerprint, pxds_keyfile_new() puts it under a new one.
///
/// RSA is not constant time here: do not use it in a service that opens keys from strangers. The cost of a password is
/// bounded as in pxds_keyfile_unlock(). Without the Cargo feature `master-key` this is PXDS_ERR_UNSUPPORTED.
///
/// Owns: the caller owns `*out` and frees it with pxds_keyfile_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_KEY_MISMATCH (sealed for another master key, or damaged), PXDS_ERR_PASSWORD
/// (missing or wrong), PXDS_ERR_FORMAT (no private key of RSA in a PEM), PXDS_ERR_LIMIT (above 16384 bits, or the
/// password would cost too much), PXDS_ERR_CORRUPT and PXDS_ERR_KEY (a damaged or encrypted blob), PXDS_ERR_IO (no
/// random bytes), PXDS_ERR_NOMEM, PXDS_ERR_UNSUPPORTED (also: a password of an old kind).
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_master_recover(
    sealed: *const c_void,
    sealed_len: usize,
    private_pem: *const c_void,
    private_pem_len: usize,
    password: *const c_void,
    password_len: usize,
    out: *mut *mut pxds_keyfile,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, sealed, pem, bytes) = unsafe {
            (
                Out::handle(out, "out")?,
                args::bytes(sealed, sealed_len, "sealed")?,
                args::bytes(private_pem, private_pem_len, "private_pem")?,
                args::bytes(password, password_len, "password")?,
            )
        };
        let password = (!password.is_null()).then_some(bytes);
        Ok(out.hand_out(pxds_keyfile::new(master::recover(sealed, pem, password)?)?))
    })
}
