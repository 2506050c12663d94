//! Manifests.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::{CString, c_char, c_void};
use std::mem::size_of;

use super::args::{self, Out, OutStruct, size_first};
use super::blob::{PXDS_CRYPT_DEFAULT, PXDS_CRYPT_ENCRYPT, PXDS_CRYPT_NONE, PXDS_CRYPT_SIGN_ONLY};
use super::buffer::pxds_buffer;
use super::error::pxds_error;
use super::guard::{guard, guard_ok, guard_value};
use super::handle::Exclusive;
use super::key::{opt_key, pxds_key};
use super::name::{backup_type, constant_of};
use super::status::{PXDS_NONE, PXDS_OK, pxds_status};
use super::text::c_string;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::json;
use crate::limits::JSON_MAX_SIZE;
use crate::manifest::{CryptMode, FileInfo, Manifest, Signature};

/// pxds_manifest_info.flags: there is a signature, which has not been checked.
pub const PXDS_MANIFEST_SIGNED: u32 = 1;

/// Signature: not checked, without a key or a manifest.
pub const PXDS_SIGNATURE_UNCHECKED: u32 = 0;
/// Signature: the manifest has none.
pub const PXDS_SIGNATURE_MISSING: u32 = 1;
/// Signature: it is right.
pub const PXDS_SIGNATURE_VALID: u32 = 2;

/// State of verification: none.
pub const PXDS_VERIFIED_NONE: u32 = 0;
/// State of verification: all was well the last time.
pub const PXDS_VERIFIED_OK: u32 = 1;
/// State of verification: something was wrong the last time.
pub const PXDS_VERIFIED_FAILED: u32 = 2;

/// The facts about a snapshot in its manifest.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_manifest_info {
    /// Bytes of this structure; set by PXDS_MANIFEST_INFO_INIT.
    pub struct_size: usize,
    /// PXDS_TYPE_VM, PXDS_TYPE_CT or PXDS_TYPE_HOST.
    pub r#type: u32,
    /// PXDS_MANIFEST_...
    pub flags: u32,
    /// The time of the snapshot, in seconds since 1970. Any number: no name is checked when a manifest is read.
    pub time: i64,
    /// How many files.
    pub file_count: usize,
    /// The id of the group; any text. It is the manifest's and lasts until that is freed.
    pub id: *const c_char,
    /// PXDS_VERIFIED_...
    pub verify_state: u32,
    /// 0.
    pub reserved: u32,
    /// When the last verification began, in seconds since 1970; 0 with PXDS_VERIFIED_NONE.
    pub verify_time: i64,
}

size_first!(pxds_manifest_info);

/// A file of a snapshot, as its manifest lists it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_manifest_file {
    /// Bytes of this structure; set by PXDS_MANIFEST_FILE_INIT.
    pub struct_size: usize,
    /// Its name; in a manifest that was read, any text. As an output it is the manifest's and lasts until that is
    /// freed.
    pub filename: *const c_char,
    /// PXDS_CRYPT_... With PXDS_CRYPT_ENCRYPT the chunks of an index are encrypted, otherwise they are not. As an input
    /// PXDS_CRYPT_DEFAULT is PXDS_CRYPT_NONE.
    pub crypt_mode: u32,
    /// 0.
    pub reserved: u32,
    /// Of an index the bytes that it describes; of a blob those of its file.
    pub size: u64,
    /// Of an index its csum; of a blob the SHA-256 of its file.
    pub csum: [u8; 32],
}

size_first!(pxds_manifest_file);

/// The files of a snapshot, and the notes about it. Exclusive.
///
/// Members that this version does not know are kept and written again. A signature covers all but the notes and other
/// members of the unprotected part.
pub struct pxds_manifest(Exclusive<Held>);

/// A manifest, and its strings that C has been given.
struct Held {
    manifest: Manifest,
    id: Option<CString>,
    filenames: BTreeMap<usize, CString>,
}

impl pxds_manifest {
    /// Errors: `NoMemory`.
    pub(super) fn new(manifest: Manifest) -> Result<Self> {
        let id = Some(manifest.id()).filter(|id| !id.contains('\0')).map(c_string).transpose()?;
        Ok(pxds_manifest(Exclusive::new(Held { manifest, id, filenames: BTreeMap::new() })))
    }

    /// Does `work` with the manifest of the core.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Manifest) -> Result<T>) -> Result<T> {
        work(&self.0.enter()?.manifest)
    }
}

fn has_nul(member: &str) -> Error {
    Error::new(Kind::Format, format!("manifest: {member} has a NUL in it, and would be cut there"))
}

impl Held {
    /// Writes entry `i` of the files, if there is one.
    fn give_file(&mut self, i: Option<usize>, out: &OutStruct<'_, pxds_manifest_file>) -> Result<pxds_status> {
        let Some((i, file)) = i.and_then(|i| Some((i, self.manifest.files().get(i)?))) else { return Ok(PXDS_NONE) };
        let filename = match self.filenames.entry(i) {
            Entry::Occupied(given) => given.into_mut(),
            Entry::Vacant(free) => {
                if file.filename.contains('\0') {
                    return Err(has_nul(&format!("files[{i}].filename")));
                }
                free.insert(c_string(&file.filename)?)
            }
        };
        out.set(pxds_manifest_file {
            struct_size: size_of::<pxds_manifest_file>(),
            filename: filename.as_ptr(),
            crypt_mode: crypt_constant(file.crypt_mode),
            reserved: 0,
            size: file.size,
            csum: file.csum.0,
        });
        Ok(PXDS_OK)
    }
}

/// The crypt mode that a caller chose, who has a key or not.
pub(super) fn crypt_mode(value: u32, has_key: bool) -> Result<CryptMode> {
    let modes = [
        (PXDS_CRYPT_DEFAULT, if has_key { CryptMode::Encrypt } else { CryptMode::None }),
        (PXDS_CRYPT_NONE, CryptMode::None),
        (PXDS_CRYPT_ENCRYPT, CryptMode::Encrypt),
        (PXDS_CRYPT_SIGN_ONLY, CryptMode::SignOnly),
    ];
    args::choice(value, "crypt_mode", &modes)
}

pub(super) fn crypt_constant(mode: CryptMode) -> u32 {
    match mode {
        CryptMode::None => PXDS_CRYPT_NONE,
        CryptMode::Encrypt => PXDS_CRYPT_ENCRYPT,
        CryptMode::SignOnly => PXDS_CRYPT_SIGN_ONLY,
    }
}

/// The outcome of the last verification, and when that began.
pub(super) fn last_verified(manifest: &Manifest) -> (u32, i64) {
    let Some(state) = manifest.verify_state() else { return (PXDS_VERIFIED_NONE, 0) };
    (if state.ok { PXDS_VERIFIED_OK } else { PXDS_VERIFIED_FAILED }, state.started().unwrap_or(0))
}

/// Makes the manifest of a new snapshot, without files yet. `type`: PXDS_TYPE_...; `time` in seconds since 1970.
///
/// Owns: the caller owns `*out` and frees it with pxds_manifest_free().
/// Errors: PXDS_ERR_ARGUMENT (also for a bad id or time).
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_manifest_new(
    r#type: u32,
    id: *const c_char,
    time: i64,
    out: *mut *mut pxds_manifest,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, id) = unsafe { (Out::handle(out, "out")?, args::text(id, "id")?) };
        Ok(out.hand_out(pxds_manifest::new(Manifest::new(backup_type(r#type)?, id, time)?)?))
    })
}

/// Reads the JSON text of a manifest: what pxds_blob_decode() gives for the file index.json.blob.
///
/// See docs/format.md, 8.2, for what must be there. Id, time and file names are not judged: check them, with
/// pxds_id_check() and pxds_archive_check(), before a path is made of one. No signature is checked.
///
/// Owns: the caller owns `*out` and frees it with pxds_manifest_free().
/// Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_FORMAT, which names the member; PXDS_ERR_LIMIT above PXDS_JSON_MAX_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_manifest_parse(
    data: *const c_void,
    data_len: usize,
    out: *mut *mut pxds_manifest,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, data) = unsafe { (Out::handle(out, "out")?, args::bytes(data, data_len, "data")?) };
        Ok(out.hand_out(pxds_manifest::new(Manifest::parse(data)?)?))
    })
}

/// Gives the JSON text of the manifest, at most PXDS_JSON_MAX_SIZE bytes.
///
/// A signed manifest that was read is written as it was, except white space, order and the unprotected part.
///
/// Owns: the caller owns `*out` and frees it with pxds_buffer_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_LIMIT, PXDS_ERR_NOMEM.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_manifest_format(
    manifest: *mut pxds_manifest,
    out: *mut *mut pxds_buffer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out, manifest) = unsafe { (Out::handle(out, "out")?, args::handle(manifest, "manifest")?) };
        Ok(out.hand_out(pxds_buffer::new(manifest.0.enter()?.manifest.to_json()?)))
    })
}

/// Gives what a signature is made of: the canonical JSON of all but the signature and the unprotected part.
///
/// Owns: the caller owns `*out` and frees it with pxds_buffer_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_FORMAT (there is a null in it), PXDS_ERR_LIMIT, PXDS_ERR_NOMEM.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_manifest_format_canonical(
    manifest: *mut pxds_manifest,
    out: *mut *mut pxds_buffer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out, manifest) = unsafe { (Out::handle(out, "out")?, args::handle(manifest, "manifest")?) };
        Ok(out.hand_out(pxds_buffer::new(manifest.0.enter()?.manifest.canonical()?)))
    })
}

/// Writes what the manifest says of its snapshot to `*info`.
///
/// Owns: `info->id` is the manifest's and lasts until that is freed.
/// Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_FORMAT if the id has a NUL in it.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_manifest_get_info(
    manifest: *mut pxds_manifest,
    info: *mut pxds_manifest_info,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (info, manifest) = unsafe { (OutStruct::new(info, "info")?, args::handle(manifest, "manifest")?) };
        let held = manifest.0.enter()?;
        let id = held.id.as_ref().ok_or_else(|| has_nul("backup-id"))?;
        let (verify_state, verify_time) = last_verified(&held.manifest);
        Ok(info.set(pxds_manifest_info {
            struct_size: size_of::<pxds_manifest_info>(),
            r#type: constant_of(held.manifest.kind()),
            flags: if held.manifest.signature().is_some() { PXDS_MANIFEST_SIGNED } else { 0 },
            time: held.manifest.time(),
            file_count: held.manifest.files().len(),
            id: id.as_ptr(),
            verify_state,
            reserved: 0,
            verify_time,
        }))
    })
}

/// Writes file `i`, from 0, to `*file`. Returns PXDS_NONE if the manifest has no such file.
///
/// Owns: `file->filename` is the manifest's and lasts until that is freed.
/// Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_FORMAT if the name has a NUL in it.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_manifest_get_file(
    manifest: *mut pxds_manifest,
    i: usize,
    file: *mut pxds_manifest_file,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (file, manifest) = unsafe { (OutStruct::new(file, "file")?, args::handle(manifest, "manifest")?) };
        manifest.0.enter()?.give_file(Some(i), &file)
    })
}

/// Writes the first file of this name to `*file`. Returns PXDS_NONE if the manifest does not list it.
///
/// Owns: `file->filename` is the manifest's and lasts until that is freed.
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_manifest_find_file(
    manifest: *mut pxds_manifest,
    filename: *const c_char,
    file: *mut pxds_manifest_file,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles, inputs and outputs.
        let (file, manifest, filename) = unsafe {
            (OutStruct::new(file, "file")?, args::handle(manifest, "manifest")?, args::text(filename, "filename")?)
        };
        let mut held = manifest.0.enter()?;
        let i = held.manifest.files().iter().position(|file| file.filename == filename);
        held.give_file(i, &file)
    })
}

/// Adds a file behind the others.
///
/// Errors: PXDS_ERR_ARGUMENT (also if pxds_archive_check() refuses the name), PXDS_ERR_EXISTS (there is one of this
/// name), PXDS_ERR_STATE (the manifest is signed, and the signature would no longer hold).
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_manifest_add_file(
    manifest: *mut pxds_manifest,
    file: *const pxds_manifest_file,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for handles and inputs.
        let (manifest, file) = unsafe { (args::handle(manifest, "manifest")?, args::structure(file, "file")?) };
        args::flags(file.reserved, 0, "file.reserved")?;
        // SAFETY: the header's rules for inputs.
        let filename = unsafe { args::text(file.filename, "file.filename")? }.to_owned();
        let crypt_mode = crypt_mode(file.crypt_mode, false)?;
        let file = FileInfo { filename, crypt_mode, size: file.size, csum: Digest(file.csum) };
        manifest.0.enter()?.manifest.add_file(&file)
    })
}

/// Compares a file with what the manifest says of it: its size, then its csum.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND (it is not listed), PXDS_ERR_CORRUPT (one is another; the error has
/// both).
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_manifest_verify_file(
    manifest: *mut pxds_manifest,
    filename: *const c_char,
    csum: *const u8,
    size: u64,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for handles and inputs.
        let (manifest, filename, csum) = unsafe {
            (args::handle(manifest, "manifest")?, args::text(filename, "filename")?, args::digest(csum, "csum")?)
        };
        manifest.0.enter()?.manifest.verify_file(filename, &csum, size)
    })
}

/// Gives the notes, which are UTF-8 without a NUL at their end; their first line is the title. Returns PXDS_NONE if
/// there are none.
///
/// Owns: the caller owns `*out` and frees it with pxds_buffer_free().
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_manifest_get_notes(
    manifest: *mut pxds_manifest,
    out: *mut *mut pxds_buffer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out, manifest) = unsafe { (Out::handle(out, "out")?, args::handle(manifest, "manifest")?) };
        let held = manifest.0.enter()?;
        let Some(notes) = held.manifest.notes() else { return Ok(PXDS_NONE) };
        Ok(out.hand_out(pxds_buffer::new(notes.into())))
    })
}

/// Sets the notes; NULL removes them. A signature stays valid.
///
/// Errors: PXDS_ERR_ARGUMENT (also if they are not UTF-8).
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_manifest_set_notes(
    manifest: *mut pxds_manifest,
    notes: *const c_char,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for handles and inputs.
        let (manifest, notes) = unsafe { (args::handle(manifest, "manifest")?, args::opt_text(notes, "notes")?) };
        manifest.0.enter()?.manifest.set_notes(notes)
    })
}

/// Gives a member of the unprotected part as JSON text: "key-fingerprint", "chunk_upload_stats", "verify_state", or any
/// other. Returns PXDS_NONE if it is not there.
///
/// Owns: the caller owns `*out` and frees it with pxds_buffer_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_LIMIT, PXDS_ERR_NOMEM.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_manifest_get_unprotected(
    manifest: *mut pxds_manifest,
    name: *const c_char,
    out: *mut *mut pxds_buffer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles, inputs and outputs.
        let (out, manifest, name) =
            unsafe { (Out::handle(out, "out")?, args::handle(manifest, "manifest")?, args::text(name, "name")?) };
        let held = manifest.0.enter()?;
        let Some(value) = held.manifest.unprotected_member(name) else { return Ok(PXDS_NONE) };
        Ok(out.hand_out(pxds_buffer::new(json::pretty(value, JSON_MAX_SIZE)?)))
    })
}

/// Sets a member of the unprotected part to the JSON value that is all of `json`; an empty text removes it. A signature
/// stays valid.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_FORMAT (no JSON), PXDS_ERR_LIMIT (too long, or nested too deeply).
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_manifest_set_unprotected(
    manifest: *mut pxds_manifest,
    name: *const c_char,
    json: *const c_void,
    json_len: usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for handles and inputs.
        let (manifest, name, text) = unsafe {
            (args::handle(manifest, "manifest")?, args::text(name, "name")?, args::bytes(json, json_len, "json")?)
        };
        let value = if text.is_empty() { None } else { Some(json::parse(text)?) };
        manifest.0.enter()?.manifest.set_unprotected_member(name, value)
    })
}

/// Gives the signature of a manifest as it is written, as a text. Returns PXDS_NONE if there is none.
///
/// Owns: the caller owns `*out` and frees it with pxds_buffer_free().
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_manifest_get_signature(
    manifest: *mut pxds_manifest,
    out: *mut *mut pxds_buffer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out, manifest) = unsafe { (Out::handle(out, "out")?, args::handle(manifest, "manifest")?) };
        manifest.read(|manifest| {
            let Some(signature) = manifest.signature() else { return Ok(PXDS_NONE) };
            out.hand_out(pxds_buffer::text(signature)?);
            Ok(PXDS_OK)
        })
    })
}

/// Signs a manifest with `key`: all but the notes and other members of the unprotected part, where the key's
/// fingerprint is noted. See docs/format.md, 8.5.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_FORMAT (a member that is not known here cannot be signed), PXDS_ERR_LIMIT,
/// PXDS_ERR_NOMEM.
/// Threads: exclusive for the manifest, shared for the key.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_manifest_sign(
    manifest: *mut pxds_manifest,
    key: *const pxds_key,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for handles.
        let (manifest, key) = unsafe { (args::handle(manifest, "manifest")?, args::handle(key, "key")?) };
        manifest.0.enter()?.manifest.sign(&key.share())
    })
}

/// Checks the signature of a manifest with `key`, and writes PXDS_SIGNATURE_MISSING or PXDS_SIGNATURE_VALID to
/// `*signature`.
///
/// It covers all that was read, whether it is known here or not.
///
/// Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_KEY_MISMATCH (signed with another key), PXDS_ERR_AUTH (the signature is wrong),
/// PXDS_ERR_FORMAT (the noted text is no fingerprint, or a member cannot be signed).
/// Threads: exclusive for the manifest, shared for the key.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_manifest_verify(
    manifest: *mut pxds_manifest,
    key: *const pxds_key,
    signature: *mut u32,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out, manifest, key) = unsafe {
            (Out::new(signature, "signature")?, args::handle(manifest, "manifest")?, args::handle(key, "key")?)
        };
        Ok(out.set(signature_constant(Some(manifest.0.enter()?.manifest.verify(&key.share())?))))
    })
}

/// The constant of what is known of a signature.
pub(super) fn signature_constant(signature: Option<Signature>) -> u32 {
    match signature {
        None => PXDS_SIGNATURE_UNCHECKED,
        Some(Signature::Missing) => PXDS_SIGNATURE_MISSING,
        Some(Signature::Valid) => PXDS_SIGNATURE_VALID,
    }
}

/// Compares the fingerprint that a manifest notes, if there is one, with that of the key at hand; `key` may be NULL.
///
/// Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_KEY (it needs one, and `key` is NULL), PXDS_ERR_KEY_MISMATCH, PXDS_ERR_FORMAT
/// (the noted text is no fingerprint).
/// Threads: exclusive for the manifest, shared for the key.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_manifest_check_fingerprint(
    manifest: *mut pxds_manifest,
    key: *const pxds_key,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for handles.
        let (manifest, key) = unsafe { (args::handle(manifest, "manifest")?, opt_key(key)) };
        manifest.read(|manifest| manifest.check_fingerprint(key.as_deref()))
    })
}

/// Frees a manifest. NULL is fine.
///
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_manifest_free(manifest: *mut pxds_manifest) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free_exclusive(manifest, |manifest| manifest.0.is_busy()) })
}
