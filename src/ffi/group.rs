//! Groups.

use std::ffi::{c_char, c_void};
use std::mem::size_of;
use std::os::unix::ffi::OsStrExt;

use super::args::{self, Out, OutStruct, OutText, size_first};
use super::buffer::pxds_buffer;
use super::callback::{progress, pxds_progress_fn};
use super::error::pxds_error;
use super::guard::{guard, guard_ok};
use super::status::{PXDS_NONE, pxds_status};
use super::store::pxds_store;
use crate::error::{Error, Kind, Result};
use crate::name::{Group, Snapshot};
use crate::tree::{DestroyOptions, Destroyed};

/// pxds_destroy_options.flags: say what would be removed, and remove nothing.
pub const PXDS_DESTROY_DRY_RUN: u32 = 1;

/// How a group is removed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_destroy_options {
    /// Bytes of this structure; set by PXDS_DESTROY_OPTIONS_INIT.
    pub struct_size: usize,
    /// 0 or PXDS_DESTROY_DRY_RUN.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// Is told how many of the snapshots are done. May be NULL. A call that it stops has removed some of them whole.
    pub progress: pxds_progress_fn,
    /// Handed to `progress`.
    pub progress_user: *mut c_void,
}

size_first!(pxds_destroy_options);

/// The result of removing a group.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_destroy_result {
    /// Bytes of this structure; set by PXDS_DESTROY_RESULT_INIT.
    pub struct_size: usize,
    /// Snapshots that were removed, or would be.
    pub removed: u64,
    /// Protected ones, which stay.
    pub protected_count: u64,
}

size_first!(pxds_destroy_result);

/// The store and the group that a caller named.
pub(super) unsafe fn store_and_group<'a>(
    store: *const pxds_store,
    group: *const c_char,
) -> Result<(&'a pxds_store, Group)> {
    // SAFETY: the caller's.
    let (store, group) = unsafe { (args::handle(store, "store")?, args::text(group, "group")?) };
    Ok((store, Group::parse(group)?))
}

/// Writes the path, from the root, of the directory of `group`, `[ns/NAME/...]TYPE/ID`, with a NUL at its end.
///
/// `group` may also be a snapshot, `[ns/NAME/...]TYPE/ID/TIME`. It need not be there.
///
/// `*path_len` gets the bytes with the NUL; with PXDS_ERR_TOO_SMALL, how many are needed.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_TOO_SMALL.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_get_full_path(
    store: *const pxds_store,
    group: *const c_char,
    path: *mut c_char,
    path_capacity: usize,
    path_len: *mut usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for outputs.
        let out = unsafe { OutText::new(path, path_capacity, path_len, "path")? };
        // SAFETY: the header's rules for inputs.
        let (store, name) = unsafe { (args::handle(store, "store")?, args::text(group, "group")?) };
        let checked = match Group::parse(name) {
            Ok(group) => group.path(),
            Err(_) => Snapshot::parse(name)?.path(),
        };
        let full = store.tree().base().path().join(checked);
        out.set(full.as_os_str().as_bytes())
    })
}

/// Makes a group, and the namespaces above it, if they are not there.
///
/// A new group belongs to `owner`, `user@realm` or `user@realm!token`; NULL is `root@pam`. One that is there must
/// belong to `owner`, or to a token of that user; NULL takes any.
///
/// Errors: PXDS_ERR_ARGUMENT (also if it has another owner), PXDS_ERR_BUSY, with the path; PXDS_ERR_EXISTS (something
/// that is no directory is in the way), PXDS_ERR_IO; PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that can only
/// be read.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_group_create(
    store: *const pxds_store,
    group: *const c_char,
    owner: *const c_char,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let ((store, group), owner) = unsafe { (store_and_group(store, group)?, args::opt_text(owner, "owner")?) };
        store.tree().make_group(&group, owner)
    })
}

/// Gives the path of the newest finished snapshot of a group, `[ns/NAME/...]TYPE/ID/TIME`, as a text, which functions
/// on snapshots take. Returns PXDS_NONE if there is none, or no such group.
///
/// Owns: the caller owns `*out` and frees it with pxds_buffer_free().
/// Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_IO, also for a snapshot that may not be looked into; PXDS_ERR_FORMAT (the group,
/// or something in it with the name of a snapshot, is a link or a special file), PXDS_ERR_CANCELLED (by the notice
/// callback).
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_group_last(
    store: *const pxds_store,
    group: *const c_char,
    out: *mut *mut pxds_buffer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, (store, group)) = unsafe { (Out::handle(out, "out")?, store_and_group(store, group)?) };
        let last = match store.tree().last_finished_of_all(&group) {
            Err(error) if error.kind() == Kind::NotFound => None,
            last => last?,
        };
        let Some(last) = last else { return Ok(PXDS_NONE) };
        Ok(out.hand_out(pxds_buffer::text(last.path())?))
    })
}

/// Gives the owner of a group, as a text. Returns PXDS_NONE if no file names one.
///
/// Owns: the caller owns `*out` and frees it with pxds_buffer_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND; PXDS_ERR_FORMAT, with the path (the file is no text, or names no
/// owner); PXDS_ERR_LIMIT, PXDS_ERR_IO.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_group_get_owner(
    store: *const pxds_store,
    group: *const c_char,
    out: *mut *mut pxds_buffer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, (store, group)) = unsafe { (Out::handle(out, "out")?, store_and_group(store, group)?) };
        let Some(owner) = store.tree().group_owner(&group)? else { return Ok(PXDS_NONE) };
        Ok(out.hand_out(pxds_buffer::text(owner)?))
    })
}

/// Gives a group to `owner`, `user@realm` or `user@realm!token`. The owner before does not matter.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND; PXDS_ERR_BUSY, with the path, while the group is locked; PXDS_ERR_IO;
/// PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that can only be read.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_group_set_owner(
    store: *const pxds_store,
    group: *const c_char,
    owner: *const c_char,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let ((store, group), owner) = unsafe { (store_and_group(store, group)?, args::text(owner, "owner")?) };
        store.tree().set_group_owner(&group, owner)
    })
}

/// Gives the notes of a group, as a text; empty if it has none.
///
/// Owns: the caller owns `*out` and frees it with pxds_buffer_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND, PXDS_ERR_FORMAT (no text), PXDS_ERR_LIMIT, PXDS_ERR_IO.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_group_get_notes(
    store: *const pxds_store,
    group: *const c_char,
    out: *mut *mut pxds_buffer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, (store, group)) = unsafe { (Out::handle(out, "out")?, store_and_group(store, group)?) };
        Ok(out.hand_out(pxds_buffer::text(store.tree().group_notes(&group)?)?))
    })
}

/// Replaces the notes of a group, at most 1 MiB. NULL and "" remove them.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND, PXDS_ERR_LIMIT; PXDS_ERR_BUSY, with the path, while the group is
/// locked; PXDS_ERR_IO; PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that can only be read.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_group_set_notes(
    store: *const pxds_store,
    group: *const c_char,
    notes: *const c_char,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let ((store, group), notes) = unsafe { (store_and_group(store, group)?, args::opt_text(notes, "notes")?) };
        store.tree().set_group_notes(&group, notes.unwrap_or_default())
    })
}

/// Removes a group with its snapshots. Protected snapshots stay, and the group with them. What else is in its directory
/// goes with the group, with a notice of each but owner and notes. A directory that is no snapshot and marked as
/// protected stays as a protected snapshot does, with a notice too.
///
/// `options` may be NULL. With PXDS_DESTROY_DRY_RUN nothing is removed, and no lock is taken. `result`, which may be
/// NULL, says what was done, after a failure too. The chunks stay for garbage collection.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND; PXDS_ERR_PROTECTED if protected snapshots, and so the group, stay;
/// PXDS_ERR_BUSY, with the path of the group, of a snapshot, or of a mount in it, for which is looked before anything
/// is removed; PXDS_ERR_EXISTS (something that is no directory is in the place of `.pxds-tmp`), PXDS_ERR_IO,
/// PXDS_ERR_CANCELLED (by the notice callback too); PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that can only
/// be read, without PXDS_DESTROY_DRY_RUN.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_group_destroy(
    store: *const pxds_store,
    group: *const c_char,
    options: *const pxds_destroy_options,
    result: *mut pxds_destroy_result,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (result, (store, group), options) =
            unsafe { (OutStruct::opt(result)?, store_and_group(store, group)?, args::options(options)?) };
        args::flags(options.flags, PXDS_DESTROY_DRY_RUN, "options.flags")?;
        args::flags(options.reserved, 0, "options.reserved")?;
        let mut destroyed = Destroyed::default();
        let options = DestroyOptions {
            dry_run: options.flags & PXDS_DESTROY_DRY_RUN != 0,
            progress: progress(options.progress, options.progress_user),
        };
        let outcome = store.tree().destroy_group(&group, &options, &mut destroyed);
        let Destroyed { removed, protected } = destroyed;
        if let Some(result) = result {
            let struct_size = size_of::<pxds_destroy_result>();
            result.set(pxds_destroy_result { struct_size, removed, protected_count: protected });
        }
        outcome?;
        if protected > 0 {
            let path = store.tree().base().path().join(group.path());
            let stay = if protected == 1 { "snapshot stays" } else { "snapshots stay" };
            return Err(Error::new(Kind::Protected, format!("{protected} protected {stay}")).of(&path));
        }
        Ok(())
    })
}
