//! Snapshots.

use std::ffi::c_char;

use super::args::{self, Out, OutStruct};
use super::buffer::pxds_buffer;
use super::error::pxds_error;
use super::guard::{guard, guard_ok, guard_value};
use super::handle::Shared;
use super::index::pxds_index;
use super::key::{opt_key, pxds_key};
use super::lock::pxds_lock;
use super::manifest::{PXDS_SIGNATURE_UNCHECKED, pxds_manifest, signature_constant};
use super::reader::{pxds_reader, pxds_reader_options, read_options as read_reader_options};
use super::restore::{pxds_restorer_options, read_options as read_restorer_options};
use super::status::pxds_status;
use super::store::{Opened, pxds_store};
use super::tree::{pxds_snapshot_entry, snapshot_entry};
use crate::error::Result;
use crate::json;
use crate::name::{ArchiveKind, Snapshot, check_file};
use crate::reader::Reader;
use crate::restore::{Restorer, restore_blob};
use crate::tree::{OpenOptions, OpenSnapshot};

/// Opening flag, with a key: give also data that no signature covers: of a snapshot that is not signed, or has no
/// manifest, and of files that its manifest does not list. A wrong signature, that of another key, and the signed
/// manifest of another snapshot are refused all the same.
pub const PXDS_OPEN_ALLOW_UNSIGNED: u32 = 1;
/// Opening flag: a manifest that cannot be read counts as none, and a file that is not what the manifest lists as one
/// that is not listed: both then bring a notice and no failure, and an index counts by its own header. With a key this
/// needs PXDS_OPEN_ALLOW_UNSIGNED too, since nothing vouches for the data.
pub const PXDS_OPEN_SALVAGE: u32 = 2;

/// A snapshot that is being read. Shared.
///
/// It cannot be removed while it is open.
pub struct pxds_snapshot {
    open: Shared<OpenSnapshot>,
    opened: Opened,
}

/// The store and the snapshot that a caller named.
unsafe fn store_and_snapshot<'a>(
    store: *const pxds_store,
    snapshot: *const c_char,
) -> Result<(&'a pxds_store, Snapshot)> {
    // SAFETY: the caller's.
    let (store, snapshot) = unsafe { (args::handle(store, "store")?, args::text(snapshot, "snapshot")?) };
    Ok((store, Snapshot::parse(snapshot)?))
}

/// Writes what there is to say of a snapshot to `*entry`; its strings are NULL.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND, PXDS_ERR_IO.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_snapshot_get_info(
    store: *const pxds_store,
    snapshot: *const c_char,
    entry: *mut pxds_snapshot_entry,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, (store, snapshot)) =
            unsafe { (OutStruct::new(entry, "entry")?, store_and_snapshot(store, snapshot)?) };
        Ok(out.set(snapshot_entry(&store.tree().snapshot_info(&snapshot)?)))
    })
}

/// Makes the empty directory of a snapshot, and its group if that is missing, and locks the snapshot alone.
///
/// For callers that put a snapshot together by hand; pxds_backup_new() does all of it. For `owner` see
/// pxds_group_create(). pxds_manifest_save() finishes the snapshot.
///
/// Owns: the caller owns `*out` and lets go with pxds_lock_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_EXISTS; PXDS_ERR_BUSY, with the path; PXDS_ERR_IO; PXDS_ERR_STATE and
/// PXDS_ERR_UNSUPPORTED for a store that can only be read.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_snapshot_create(
    store: *const pxds_store,
    snapshot: *const c_char,
    owner: *const c_char,
    out: *mut *mut pxds_lock,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, (store, snapshot), owner) = unsafe {
            (Out::handle(out, "out")?, store_and_snapshot(store, snapshot)?, args::opt_text(owner, "owner")?)
        };
        Ok(out.hand_out(pxds_lock::new(store.tree().create_snapshot(&snapshot, owner)?)))
    })
}

/// Protects a snapshot from being removed, by whatever program. To do so twice is fine.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND; PXDS_ERR_BUSY, with the path; PXDS_ERR_IO; PXDS_ERR_STATE and
/// PXDS_ERR_UNSUPPORTED for a store that can only be read.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_snapshot_protect(
    store: *const pxds_store,
    snapshot: *const c_char,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let (store, snapshot) = unsafe { store_and_snapshot(store, snapshot)? };
        store.tree().set_protected(&snapshot, true)
    })
}

/// Undoes pxds_snapshot_protect(). To do so twice is fine.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND; PXDS_ERR_BUSY, with the path; PXDS_ERR_IO; PXDS_ERR_STATE and
/// PXDS_ERR_UNSUPPORTED for a store that can only be read.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_snapshot_unprotect(
    store: *const pxds_store,
    snapshot: *const c_char,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let (store, snapshot) = unsafe { store_and_snapshot(store, snapshot)? };
        store.tree().set_protected(&snapshot, false)
    })
}

/// Removes a snapshot, whole or not at all. The chunks stay for garbage collection.
///
/// It is checked first that nothing, a mount below it for example, keeps it from being removed. Files that cannot be
/// removed after it has lost its name bring a notice, and garbage collection removes them.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND, PXDS_ERR_PROTECTED; PXDS_ERR_BUSY, with the path, while it is in use,
/// or if something is mounted there; PXDS_ERR_EXISTS (something that is no directory is in the place of `.pxds-tmp`),
/// PXDS_ERR_IO, PXDS_ERR_CANCELLED (by the notice callback); PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that
/// can only be read.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_snapshot_destroy(
    store: *const pxds_store,
    snapshot: *const c_char,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let (store, snapshot) = unsafe { store_and_snapshot(store, snapshot)? };
        store.tree().destroy_snapshot(&snapshot)
    })
}

/// Gives the manifest of a snapshot.
///
/// Owns: the caller owns `*out` and frees it with pxds_manifest_free(). It is a copy.
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND (no snapshot, or an unfinished one), PXDS_ERR_FORMAT,
/// PXDS_ERR_CORRUPT, PXDS_ERR_LIMIT, PXDS_ERR_IO, PXDS_ERR_NOMEM.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_manifest_load(
    store: *const pxds_store,
    snapshot: *const c_char,
    out: *mut *mut pxds_manifest,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, (store, snapshot)) = unsafe { (Out::handle(out, "out")?, store_and_snapshot(store, snapshot)?) };
        Ok(out.hand_out(pxds_manifest::new(store.tree().load_manifest(&snapshot)?)?))
    })
}

/// Writes the manifest of a snapshot, `index.json.blob`, which finishes it, or replaces the one that it has.
///
/// The files that it lists must be there, which is not checked; they are brought to the disk first, by the store's sync
/// level. To change notes and the like see pxds_snapshot_set_notes() and pxds_snapshot_set_unprotected(), which read
/// and write under one lock.
///
/// Errors: PXDS_ERR_ARGUMENT (also for the manifest of another snapshot), PXDS_ERR_NOT_FOUND, PXDS_ERR_LIMIT;
/// PXDS_ERR_BUSY, with the path, after 5 seconds at least; PXDS_ERR_STATE (a sync of the store has failed before),
/// PXDS_ERR_IO; PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that can only be read.
/// Threads: shared for the store, exclusive for the manifest.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_manifest_save(
    store: *const pxds_store,
    snapshot: *const c_char,
    manifest: *mut pxds_manifest,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let ((store, snapshot), manifest) =
            unsafe { (store_and_snapshot(store, snapshot)?, args::handle(manifest, "manifest")?) };
        manifest.read(|manifest| store.opened().store_manifest(&snapshot, manifest))
    })
}

/// Gives the notes of a snapshot, as a text; empty if it has none.
///
/// Owns: the caller owns `*out` and frees it with pxds_buffer_free().
/// Errors: as pxds_manifest_load().
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_snapshot_get_notes(
    store: *const pxds_store,
    snapshot: *const c_char,
    out: *mut *mut pxds_buffer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, (store, snapshot)) = unsafe { (Out::handle(out, "out")?, store_and_snapshot(store, snapshot)?) };
        let manifest = store.tree().load_manifest(&snapshot)?;
        Ok(out.hand_out(pxds_buffer::text(manifest.notes().unwrap_or_default())?))
    })
}

/// Replaces the notes of a snapshot. NULL and "" remove them.
///
/// Errors: as pxds_manifest_load(); PXDS_ERR_BUSY, with the path, after 5 seconds at least; PXDS_ERR_LIMIT;
/// PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that can only be read.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_snapshot_set_notes(
    store: *const pxds_store,
    snapshot: *const c_char,
    notes: *const c_char,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let ((store, snapshot), notes) =
            unsafe { (store_and_snapshot(store, snapshot)?, args::opt_text(notes, "notes")?) };
        store.tree().update_manifest(&snapshot, |manifest| manifest.set_notes(notes.filter(|notes| !notes.is_empty())))
    })
}

/// Sets a member of the unprotected part of a snapshot's manifest to the JSON text `value`. NULL removes the member.
///
/// Nothing else changes, and a signature stays valid.
///
/// Errors: as pxds_snapshot_set_notes(); PXDS_ERR_FORMAT also if `value` is no JSON.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_snapshot_set_unprotected(
    store: *const pxds_store,
    snapshot: *const c_char,
    name: *const c_char,
    value: *const c_char,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let ((store, snapshot), name, value) = unsafe {
            (store_and_snapshot(store, snapshot)?, args::text(name, "name")?, args::opt_text(value, "value")?)
        };
        let value = value.map(|text| json::parse(text.as_bytes())).transpose()?;
        store.tree().update_manifest(&snapshot, |manifest| manifest.set_unprotected_member(name, value))
    })
}

/// Opens a snapshot, finished or not, to read its archives.
///
/// `key` may be NULL. With a key encrypted blobs can be read, and only data is given that a holder of the key has
/// signed as this snapshot, unless PXDS_OPEN_ALLOW_UNSIGNED asks for less: anybody who can write to the store could
/// have put other data there. For indexes see the key in pxds_restorer_options and pxds_reader_options, too. Without a
/// key nothing is vouched for; a manifest of another snapshot brings a notice of the store's. See docs/format.md, 7.3
/// and 8.5.
///
/// Owns: the caller owns `*out` and frees it with pxds_snapshot_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND; PXDS_ERR_BUSY, with the path, while it is made or removed;
/// PXDS_ERR_KEY_MISMATCH (the manifest is signed with another key), PXDS_ERR_AUTH (its signature is wrong or missing,
/// or it is the manifest of another snapshot); PXDS_ERR_FORMAT, PXDS_ERR_CORRUPT (the manifest), PXDS_ERR_LIMIT,
/// PXDS_ERR_IO, PXDS_ERR_NOMEM, PXDS_ERR_CANCELLED (by the notice callback).
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_snapshot_open(
    store: *const pxds_store,
    snapshot: *const c_char,
    key: *const pxds_key,
    flags: u32,
    out: *mut *mut pxds_snapshot,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, (store, snapshot), key) =
            unsafe { (Out::handle(out, "out")?, store_and_snapshot(store, snapshot)?, opt_key(key)) };
        args::flags(flags, PXDS_OPEN_ALLOW_UNSIGNED | PXDS_OPEN_SALVAGE, "flags")?;
        let options = OpenOptions {
            key,
            allow_unsigned: flags & PXDS_OPEN_ALLOW_UNSIGNED != 0,
            salvage: flags & PXDS_OPEN_SALVAGE != 0,
        };
        let open = Shared::new(OpenSnapshot::open_with(store.tree(), &snapshot, options)?);
        Ok(out.hand_out(pxds_snapshot { open, opened: store.opened().clone() }))
    })
}

/// Opens the index `name` of a snapshot, compared with the manifest.
///
/// A restorer or reader of it expects chunks that are encrypted, or not, as the manifest says. An index that the
/// manifest does not list, or of an unfinished snapshot, is given with a notice of the store's; it is refused if the
/// snapshot was opened with a key and without PXDS_OPEN_ALLOW_UNSIGNED. An index whose header has another csum than the
/// manifest is given with a notice too, key or not; the csum in the manifest counts.
///
/// Owns: the caller owns `*out` and frees it with pxds_index_free(). It does not hold the snapshot.
/// Errors: PXDS_ERR_ARGUMENT (also if `name` is no index), PXDS_ERR_NOT_FOUND, PXDS_ERR_CORRUPT (it is not what the
/// manifest lists), PXDS_ERR_AUTH (a key was given, and nothing vouches for it), PXDS_ERR_FORMAT, PXDS_ERR_LIMIT,
/// PXDS_ERR_IO, PXDS_ERR_NOMEM, PXDS_ERR_CANCELLED (by the notice callback).
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_snapshot_open_index(
    snapshot: *const pxds_snapshot,
    name: *const c_char,
    out: *mut *mut pxds_index,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, snapshot, name) =
            unsafe { (Out::handle(out, "out")?, args::handle(snapshot, "snapshot")?, args::text(name, "name")?) };
        Ok(out.hand_out(pxds_index::new(snapshot.open.index(name)?.index)))
    })
}

/// Makes a reader of the file of the index `name` of a snapshot: pxds_snapshot_open_index() and pxds_reader_new() in
/// one, with the chunks of the snapshot's store.
///
/// `options` may be NULL; their key is not looked at: that which the snapshot was opened with counts.
///
/// Owns: the caller owns `*out` and frees it with pxds_reader_free(). It does not hold the snapshot.
/// Errors: as pxds_snapshot_open_index() and pxds_reader_new().
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_snapshot_open_reader(
    snapshot: *const pxds_snapshot,
    name: *const c_char,
    options: *const pxds_reader_options,
    out: *mut *mut pxds_reader,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, snapshot, name, options) = unsafe {
            (
                Out::handle(out, "out")?,
                args::handle(snapshot, "snapshot")?,
                args::text(name, "name")?,
                read_reader_options(options)?,
            )
        };
        Ok(out.hand_out(pxds_reader::new(Reader::of_archive(
            snapshot.opened.store()?.chunks(),
            &snapshot.open,
            name,
            options,
        )?)))
    })
}

/// Writes the archive `name` of a snapshot, an index or a blob, to `path`, as pxds_restorer_write_file() does.
///
/// `options` may be NULL; their key is not looked at: that which the snapshot was opened with counts. For a blob, which
/// has no chunks, the others are not looked at either.
///
/// Errors: as pxds_snapshot_open_index() or pxds_snapshot_read_blob(), and pxds_restorer_write_file().
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_snapshot_restore_file(
    snapshot: *const pxds_snapshot,
    name: *const c_char,
    path: *const c_char,
    options: *const pxds_restorer_options,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let (snapshot, name, path, options) = unsafe {
            (
                args::handle(snapshot, "snapshot")?,
                args::text(name, "name")?,
                args::path(path, "path")?,
                read_restorer_options(options)?,
            )
        };
        match check_file(name)? {
            ArchiveKind::Blob => restore_blob(&snapshot.open, name, path),
            _ => Restorer::restore_archive(snapshot.opened.store()?.chunks(), &snapshot.open, name, path, options),
        }
    })
}

/// Gives the decoded content of the blob `name` of a snapshot, at most `max_len` bytes, compared with the manifest.
///
/// `index.json.blob` is the manifest itself. A blob that the manifest does not list, such as `client.log.blob`, is
/// given with a notice of the store's; it is refused if the snapshot was opened with a key and without
/// PXDS_OPEN_ALLOW_UNSIGNED.
///
/// Owns: the caller owns `*out` and frees it with pxds_buffer_free().
/// Errors: PXDS_ERR_ARGUMENT (also if `name` is no blob), PXDS_ERR_NOT_FOUND, PXDS_ERR_CORRUPT (damaged, or not what
/// the manifest lists), PXDS_ERR_FORMAT, PXDS_ERR_KEY, PXDS_ERR_AUTH (also: nothing vouches for it),
/// PXDS_ERR_CRYPT_MODE, PXDS_ERR_LIMIT, PXDS_ERR_IO, PXDS_ERR_NOMEM, PXDS_ERR_CANCELLED (by the notice callback).
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_snapshot_read_blob(
    snapshot: *const pxds_snapshot,
    name: *const c_char,
    max_len: usize,
    out: *mut *mut pxds_buffer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, snapshot, name) =
            unsafe { (Out::handle(out, "out")?, args::handle(snapshot, "snapshot")?, args::text(name, "name")?) };
        Ok(out.hand_out(pxds_buffer::new(snapshot.open.blob(name, max_len)?)))
    })
}

/// Gives the manifest of an open snapshot, as it was when that was opened.
///
/// Owns: the caller owns `*out` and frees it with pxds_manifest_free(). It is a copy.
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND (it is not finished).
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_snapshot_get_manifest(
    snapshot: *const pxds_snapshot,
    out: *mut *mut pxds_manifest,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out, snapshot) = unsafe { (Out::handle(out, "out")?, args::handle(snapshot, "snapshot")?) };
        Ok(out.hand_out(pxds_manifest::new(snapshot.open.finished_manifest()?.clone())?))
    })
}

/// The result of checking the manifest's signature with the key that the snapshot was opened with: PXDS_SIGNATURE_...;
/// PXDS_SIGNATURE_UNCHECKED for NULL.
///
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_snapshot_signature(snapshot: *const pxds_snapshot) -> u32 {
    guard_value(PXDS_SIGNATURE_UNCHECKED, || {
        // SAFETY: the header's rules for handles.
        let snapshot = unsafe { args::opt(snapshot) };
        signature_constant(snapshot.and_then(|snapshot| snapshot.open.signature()))
    })
}

/// Closes a snapshot. NULL is fine.
///
/// Threads: any, but no other call may be using the handle.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_snapshot_free(snapshot: *mut pxds_snapshot) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free(snapshot) })
}
