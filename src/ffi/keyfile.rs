//! Key files.

use std::ffi::{CString, c_char, c_void};
use std::mem::size_of;

use super::args::{self, Out, OutStruct, size_first};
use super::buffer::pxds_buffer;
use super::error::pxds_error;
use super::guard::{guard, guard_ok, guard_value};
use super::handle::Shared;
use super::key::pxds_key;
use super::status::pxds_status;
use crate::error::{Error, Kind, Result};
use crate::keyfile::{Kdf, KeyFile};
use crate::sys;

/// Key derivation: scrypt, which takes 64 MiB of memory as well as time.
pub const PXDS_KDF_SCRYPT: u32 = 0;
/// Key derivation: PBKDF2 with HMAC-SHA256.
pub const PXDS_KDF_PBKDF2: u32 = 1;
/// Key derivation: none, the key is in the file as it is.
pub const PXDS_KDF_NONE: u32 = 2;

/// Bytes of the shortest password.
pub const PXDS_PASSWORD_MIN_LEN: usize = 5;

/// pxds_keyfile_options.flags: `created` is given.
pub const PXDS_KEYFILE_SET_CREATED: u32 = 1;

/// pxds_keyfile_info.flags: the file states a fingerprint.
pub const PXDS_STATES_FINGERPRINT: u32 = 1;

/// pxds_keyfile_save() flag: replace a file that is there.
pub const PXDS_SAVE_REPLACE: u32 = 1;

/// How a key file is made.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_keyfile_options {
    /// Bytes of this structure; set by PXDS_KEYFILE_OPTIONS_INIT.
    pub struct_size: usize,
    /// PXDS_KDF_...
    pub kdf: u32,
    /// 0 or PXDS_KEYFILE_SET_CREATED.
    pub flags: u32,
    /// With PXDS_KEYFILE_SET_CREATED: when the key was made, in seconds since 1970, which is that of the old file when
    /// only the password changes. Otherwise it is now.
    pub created: i64,
    /// A hint that reminds of the password, 1 to 64 characters; may be NULL.
    pub hint: *const c_char,
}

size_first!(pxds_keyfile_options);

/// The facts about a key file.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_keyfile_info {
    /// Bytes of this structure; set by PXDS_KEYFILE_INFO_INIT.
    pub struct_size: usize,
    /// PXDS_KDF_...
    pub kdf: u32,
    /// PXDS_STATES_...
    pub flags: u32,
    /// When the key was made, in seconds since 1970.
    pub created: i64,
    /// When the file was made.
    pub modified: i64,
    /// The hint that reminds of the password, or NULL. The key file's.
    pub hint: *const c_char,
    /// The fingerprint that the file states. Only pxds_keyfile_unlock() verifies it.
    pub fingerprint: [u8; 32],
}

size_first!(pxds_keyfile_info);

/// A key file, read or made. Shared.
///
/// With PXDS_KDF_NONE it holds the key itself, which is overwritten when it is freed.
pub struct pxds_keyfile {
    file: Shared<KeyFile>,
    hint: Option<CString>,
}

impl pxds_keyfile {
    pub(super) fn new(file: KeyFile) -> Result<Self> {
        let has_nul = |_| Error::new(Kind::Format, "key file: hint has a NUL in it, and would be cut there");
        let hint = file.hint().map(CString::new).transpose().map_err(has_nul)?;
        Ok(pxds_keyfile { file: Shared::new(file), hint })
    }
}

/// Puts `key` under a password. `options` may be NULL.
///
/// The password is any bytes, at least 5 of them; for PXDS_KDF_NONE it is not looked at. Nothing is written yet: see
/// pxds_keyfile_save().
///
/// Owns: the caller owns `*out` and frees it with pxds_keyfile_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_PASSWORD (too short), PXDS_ERR_IO (no random bytes), PXDS_ERR_NOMEM.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_keyfile_new(
    key: *const pxds_key,
    password: *const c_void,
    password_len: usize,
    options: *const pxds_keyfile_options,
    out: *mut *mut pxds_keyfile,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, key, password, options) = unsafe {
            (
                Out::handle(out, "out")?,
                args::handle(key, "key")?,
                args::bytes(password, password_len, "password")?,
                args::options(options)?,
            )
        };
        let pxds_keyfile_options { kdf, flags, created, hint, .. } = options;
        args::flags(flags, PXDS_KEYFILE_SET_CREATED, "options.flags")?;
        let created = args::given(flags, PXDS_KEYFILE_SET_CREATED, created, "options.created")?;
        let kdfs = [(PXDS_KDF_SCRYPT, Kdf::Scrypt), (PXDS_KDF_PBKDF2, Kdf::Pbkdf2), (PXDS_KDF_NONE, Kdf::None)];
        let kdf = args::choice(kdf, "options.kdf", &kdfs)?;
        // SAFETY: the header's rules for inputs.
        let hint = unsafe { args::opt_text(hint, "options.hint")? };
        let file = KeyFile::new(&key.share(), kdf, password, created.unwrap_or_else(sys::now), hint)?;
        Ok(out.hand_out(pxds_keyfile::new(file)?))
    })
}

/// Reads the key file at `path`.
///
/// Owns: the caller owns `*out` and frees it with pxds_keyfile_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND, PXDS_ERR_IO, PXDS_ERR_FORMAT, PXDS_ERR_LIMIT.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_keyfile_load(
    path: *const c_char,
    out: *mut *mut pxds_keyfile,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, path) = unsafe { (Out::handle(out, "out")?, args::path(path, "path")?) };
        Ok(out.hand_out(pxds_keyfile::new(KeyFile::load(path)?)?))
    })
}

/// Reads the JSON text of a key file.
///
/// Owns: the caller owns `*out` and frees it with pxds_keyfile_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_FORMAT, PXDS_ERR_LIMIT.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_keyfile_parse(
    text: *const c_void,
    text_len: usize,
    out: *mut *mut pxds_keyfile,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, text) = unsafe { (Out::handle(out, "out")?, args::bytes(text, text_len, "text")?) };
        Ok(out.hand_out(pxds_keyfile::new(KeyFile::parse(text)?)?))
    })
}

/// Writes the facts about a key file to `*info`.
///
/// Owns: the hint is the key file's.
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_keyfile_get_info(
    keyfile: *const pxds_keyfile,
    info: *mut pxds_keyfile_info,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out, keyfile) = unsafe { (OutStruct::new(info, "info")?, args::handle(keyfile, "keyfile")?) };
        let file = &keyfile.file;
        Ok(out.set(pxds_keyfile_info {
            struct_size: size_of::<pxds_keyfile_info>(),
            kdf: match file.kdf() {
                Kdf::Scrypt => PXDS_KDF_SCRYPT,
                Kdf::Pbkdf2 => PXDS_KDF_PBKDF2,
                Kdf::None => PXDS_KDF_NONE,
            },
            flags: if file.fingerprint().is_some() { PXDS_STATES_FINGERPRINT } else { 0 },
            created: file.created(),
            modified: file.modified(),
            hint: keyfile.hint.as_ref().map_or(std::ptr::null(), |hint| hint.as_ptr()),
            fingerprint: file.fingerprint().map_or([0; 32], |fingerprint| fingerprint.0),
        }))
    })
}

/// Takes the key out. For PXDS_KDF_NONE the password is not looked at, and may be NULL.
///
/// Its cost is bounded: scrypt may take 1025 MiB, PBKDF2 some ten seconds.
///
/// Owns: the caller owns `*out` and frees it with pxds_key_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_PASSWORD (wrong, or under 5 bytes), PXDS_ERR_LIMIT (it would cost too much),
/// PXDS_ERR_KEY_MISMATCH (the key is not that of the fingerprint in the file), PXDS_ERR_FORMAT (no key in it),
/// PXDS_ERR_NOMEM.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_keyfile_unlock(
    keyfile: *const pxds_keyfile,
    password: *const c_void,
    password_len: usize,
    out: *mut *mut pxds_key,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, keyfile, password) = unsafe {
            (
                Out::handle(out, "out")?,
                args::handle(keyfile, "keyfile")?,
                args::bytes(password, password_len, "password")?,
            )
        };
        Ok(out.hand_out(pxds_key::new(keyfile.file.unlock(password)?)))
    })
}

/// Gives the JSON text of a key file, which is overwritten when the buffer is freed.
///
/// Owns: the caller owns `*out` and frees it with pxds_buffer_free().
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_keyfile_format(
    keyfile: *const pxds_keyfile,
    out: *mut *mut pxds_buffer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out, keyfile) = unsafe { (Out::handle(out, "out")?, args::handle(keyfile, "keyfile")?) };
        Ok(out.hand_out(pxds_buffer::secret_text(&keyfile.file.to_json()?)?))
    })
}

/// Writes a key file to `path`, readable for its owner alone, on the disk when this returns.
///
/// `flags`: 0 or PXDS_SAVE_REPLACE, which replaces a file that is there, whole or not at all. It keeps its owner, as
/// far as the process may.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_EXISTS, PXDS_ERR_NOT_FOUND (no such directory), PXDS_ERR_IO.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_keyfile_save(
    keyfile: *const pxds_keyfile,
    path: *const c_char,
    flags: u32,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let (keyfile, path) = unsafe { (args::handle(keyfile, "keyfile")?, args::path(path, "path")?) };
        args::flags(flags, PXDS_SAVE_REPLACE, "flags")?;
        keyfile.file.save(path, flags & PXDS_SAVE_REPLACE != 0)
    })
}

/// Frees a key file. NULL is fine.
///
/// Threads: any, but no other call may be using the handle.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_keyfile_free(keyfile: *mut pxds_keyfile) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free(keyfile) })
}
