//! Making snapshots.

use std::ffi::{CString, c_char, c_void};

use super::args::{self, Out, OutStruct, size_first};
use super::callback::{progress, pxds_progress_fn, pxds_read_fn, reader};
use super::error::pxds_error;
use super::group::store_and_group;
use super::guard::{guard, guard_ok, guard_value};
use super::handle::Exclusive;
use super::image::{pxds_image_options, read_options as read_image_options};
use super::index::pxds_index_writer;
use super::ingest::{c_stats, pxds_ingest_options, pxds_ingest_stats, read_options as read_ingest_options};
use super::key::{opt_key, pxds_key};
use super::manifest::crypt_mode;
use super::status::pxds_status;
use super::store::pxds_store;
use super::text::c_string;
use crate::backup::{Backup, BackupOptions};
use crate::error::Result;
use crate::ingest::{ImageOptions, IngestOptions, IngestStats};
use crate::name::Snapshot;
use crate::sys::CallerFd;

/// pxds_backup_options.flags: take fixed indexes with other chunks than of 4 MiB. Versions of Proxmox Backup Server
/// after 4.2.3 cannot read them, and their garbage collection stops at one.
pub const PXDS_BACKUP_ANY_CHUNK_SIZE: u32 = 1;

/// pxds_backup_options.flags: `time` is given.
pub const PXDS_BACKUP_SET_TIME: u32 = 2;

/// pxds_backup_add_blob() flag: do not compress.
pub const PXDS_ADD_NO_COMPRESS: u32 = 1;

/// pxds_progress.phase of a backup that waits for its time; done: seconds.
pub const PXDS_BACKUP_PHASE_WAIT: u32 = 0;

/// pxds_progress.phase of a backup that is being finished; done and total: directories of chunks brought to the disk,
/// or 1 where the whole file system is at once, which no cancel interrupts.
pub const PXDS_BACKUP_PHASE_FINISH: u32 = 1;

/// How a snapshot is made.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_backup_options {
    /// Bytes of this structure; set by PXDS_BACKUP_OPTIONS_INIT.
    pub struct_size: usize,
    /// PXDS_BACKUP_...
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// With PXDS_BACKUP_SET_TIME: the snapshot's time, in seconds since 1970, from 1. Otherwise it is now: if the last
    /// snapshot is not before that, or one of this time is there, pxds_backup_new() waits, for a few seconds at most.
    pub time: i64,
    /// The owner, `user@realm` or `user@realm!token`; see pxds_group_create(). May be NULL.
    pub owner: *const c_char,
    /// The snapshot's notes; the first line is shown as its comment. May be NULL.
    pub notes: *const c_char,
    /// The key that the snapshot is encrypted and signed with; NULL with PXDS_CRYPT_NONE. It can be freed meanwhile.
    pub key: *const pxds_key,
    /// PXDS_CRYPT_ENCRYPT, archives are encrypted and the manifest is signed, which is the default with a key;
    /// PXDS_CRYPT_SIGN_ONLY, the manifest is signed; or PXDS_CRYPT_NONE, the default without one.
    pub crypt_mode: u32,
    /// 0.
    pub reserved_too: u32,
    /// Is told how far pxds_backup_new() is while it waits for a time, and pxds_backup_finish(); see
    /// PXDS_BACKUP_PHASE_... May be NULL. A cancel ends the backup.
    pub progress: pxds_progress_fn,
    /// Handed to `progress`.
    pub progress_user: *mut c_void,
}

size_first!(pxds_backup_options);

/// A snapshot in the making. Exclusive.
///
/// Add archives, then call pxds_backup_finish(): the snapshot appears whole, when everything is on the disk by the
/// store's sync level, or not at all. A failure ends it, unless an argument was wrong. A backup that is freed before it
/// is finished, or ended by a crash, leaves only what garbage collection removes. A backup holds the store's process
/// lock, an exclusive lock on its group, and a shared one on the group's last snapshot, which keeps it from being
/// removed.
pub struct pxds_backup {
    backup: Exclusive<Backup>,
    snapshot: CString,
    previous: Option<CString>,
}

unsafe fn read_options(options: *const pxds_backup_options) -> Result<BackupOptions> {
    // SAFETY: the caller's.
    let options = unsafe { args::options(options)? };
    args::flags(options.flags, PXDS_BACKUP_ANY_CHUNK_SIZE | PXDS_BACKUP_SET_TIME, "options.flags")?;
    args::flags(options.reserved | options.reserved_too, 0, "options.reserved")?;
    // SAFETY: the caller's.
    let (key, owner, notes) = unsafe {
        (
            opt_key(options.key),
            args::opt_text(options.owner, "options.owner")?,
            // Not left to be None: optimised code asks for the length of no text too, which memory checkers tell of.
            args::opt_text(options.notes, "options.notes")?.unwrap_or_default(),
        )
    };
    Ok(BackupOptions {
        time: args::given(options.flags, PXDS_BACKUP_SET_TIME, options.time, "options.time")?,
        owner: owner.map(str::to_owned),
        notes: (!notes.is_empty()).then(|| notes.to_owned()),
        any_chunk_size: options.flags & PXDS_BACKUP_ANY_CHUNK_SIZE != 0,
        crypt_mode: crypt_mode(options.crypt_mode, key.is_some())?,
        key,
        progress: progress(options.progress, options.progress_user),
    })
}

/// Starts a snapshot of `group`, `[ns/NAME/...]TYPE/ID`, which is made if it is missing. `options` may be NULL.
///
/// Owns: the caller owns `*out` and frees it with pxds_backup_free().
/// Errors: PXDS_ERR_ARGUMENT (also if the group has another owner, or a key is given and not used), PXDS_ERR_KEY (none
/// is given and one is needed), PXDS_ERR_STATE (the time is not after that of the last finished snapshot, or no time is
/// given and that one lies in the future), PXDS_ERR_EXISTS (a snapshot has this time); PXDS_ERR_BUSY, with the path,
/// while another backup makes a snapshot of the group, removes the last one, or collects garbage; PXDS_ERR_NOT_FOUND (a
/// store without chunks), PXDS_ERR_IO, PXDS_ERR_CANCELLED (by a callback); PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for
/// a store that can only be read.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_backup_new(
    store: *const pxds_store,
    group: *const c_char,
    options: *const pxds_backup_options,
    out: *mut *mut pxds_backup,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, (store, group), options) =
            unsafe { (Out::handle(out, "out")?, store_and_group(store, group)?, read_options(options)?) };
        let backup = Backup::new(store.store()?, &group, options)?;
        let path = |snapshot: &Snapshot| c_string(snapshot.path());
        let (snapshot, previous) = (path(backup.snapshot())?, backup.previous().map(path).transpose()?);
        Ok(out.hand_out(pxds_backup { backup: Exclusive::new(backup), snapshot, previous }))
    })
}

/// The path of the snapshot that this will be, `[ns/NAME/...]TYPE/ID/TIME`; NULL for NULL.
///
/// Owns: the string is the backup's.
/// Threads: any, also beside another call on the handle.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_backup_snapshot(backup: *const pxds_backup) -> *const c_char {
    let none = std::ptr::null;
    // SAFETY: the header's rules for handles.
    guard_value(none(), || unsafe { args::opt(backup) }.map_or_else(none, |backup| backup.snapshot.as_ptr()))
}

/// The path of the last finished snapshot of the group, which a new one may build on; NULL if there is none, or if its
/// verification has failed or its manifest cannot be read.
///
/// Its signature has not been checked: open it with the key, by pxds_snapshot_open(), before anything of it is used.
///
/// Owns: the string is the backup's.
/// Threads: any, also beside another call on the handle.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_backup_previous(backup: *const pxds_backup) -> *const c_char {
    let none = std::ptr::null;
    guard_value(none(), || {
        // SAFETY: the header's rules for handles.
        let backup = unsafe { args::opt(backup) };
        backup.and_then(|backup| backup.previous.as_ref()).map_or_else(none, |path| path.as_ptr())
    })
}

/// Adds the archive `name`, .didx or .fidx, from an index that came out of an ingest or image of the same store handle.
///
/// `index` stays the caller's, and can be freed after that.
///
/// Errors: PXDS_ERR_ARGUMENT (a bad name, or one of another kind; an index from elsewhere, an empty one, or one with
/// other chunks than of 4 MiB without PXDS_BACKUP_ANY_CHUNK_SIZE), PXDS_ERR_CRYPT_MODE (its chunks are encrypted
/// otherwise than the snapshot is, or with another key), PXDS_ERR_EXISTS (an archive has the name); PXDS_ERR_STATE (the
/// index is incomplete or saved, or after a failure), PXDS_ERR_IO.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_backup_add_index(
    backup: *mut pxds_backup,
    name: *const c_char,
    index: *mut pxds_index_writer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let (backup, name, index) =
            unsafe { (args::handle(backup, "backup")?, args::text(name, "name")?, args::handle(index, "index")?) };
        let mut backup = backup.backup.enter()?;
        index.with_stored(|index| backup.add_index(name, index))
    })
}

/// Adds the blob `name`, which ends in .blob, with this content. `flags`: 0 or PXDS_ADD_NO_COMPRESS.
///
/// Errors: PXDS_ERR_ARGUMENT (also for `rsa-encrypted.key.blob` in an encrypted snapshot: see
/// pxds_backup_add_sealed_key()), PXDS_ERR_EXISTS (an archive has the name), PXDS_ERR_LIMIT (above PXDS_BLOB_MAX_SIZE),
/// PXDS_ERR_STATE (after a failure), PXDS_ERR_IO, PXDS_ERR_NOMEM.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_backup_add_blob(
    backup: *mut pxds_backup,
    name: *const c_char,
    data: *const c_void,
    data_len: usize,
    flags: u32,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let (backup, name, data) = unsafe {
            (args::handle(backup, "backup")?, args::text(name, "name")?, args::bytes(data, data_len, "data")?)
        };
        args::flags(flags, PXDS_ADD_NO_COMPRESS, "flags")?;
        backup.backup.enter()?.add_blob(name, data, flags & PXDS_ADD_NO_COMPRESS == 0)
    })
}

/// Adds the snapshot's key, sealed for a master key, as the blob `rsa-encrypted.key.blob`, which is not encrypted.
///
/// `sealed` is what pxds_master_seal() gives, or any program that does as docs/format.md, 3.6, says. A snapshot that is
/// encrypted or signed may have one.
///
/// Errors: PXDS_ERR_ARGUMENT (it cannot be a sealed key: its length is wrong, or it is a key file in the clear),
/// PXDS_ERR_KEY (the snapshot has no key), PXDS_ERR_EXISTS, PXDS_ERR_STATE (after a failure), PXDS_ERR_IO,
/// PXDS_ERR_NOMEM.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_backup_add_sealed_key(
    backup: *mut pxds_backup,
    sealed: *const c_void,
    sealed_len: usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let (backup, sealed) = unsafe { (args::handle(backup, "backup")?, args::bytes(sealed, sealed_len, "sealed")?) };
        backup.backup.enter()?.add_sealed_key(sealed)
    })
}

/// Adds what the descriptor `fd` gives to its end, as the kind of archive that `name` says: a stream (.didx), an image
/// (.fidx), or a blob.
///
/// `stream` is for a stream, `image` for an image; either may be NULL, for the defaults. Their keys are not looked at:
/// that of the backup counts. `stats`, which may be NULL, gets the sums over the chunks, and of a blob the size; the
/// `progress` of `stream` is told of a blob as of a stream, and PXDS_INGEST_STRICT of `stream` holds for a blob too.
/// The descriptor is the caller's and stays open; an image is read by position where the descriptor allows it. A cancel
/// ends the backup, as any failure does.
///
/// Errors: as pxds_backup_add_index(), pxds_backup_add_blob(), pxds_ingest_read_fd() and pxds_image_read_fd().
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_backup_add_fd(
    backup: *mut pxds_backup,
    name: *const c_char,
    fd: i32,
    stream: *const pxds_ingest_options,
    image: *const pxds_image_options,
    stats: *mut pxds_ingest_stats,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        unsafe {
            add(backup, name, stream, image, stats, |backup, name, stream, image| {
                backup.add_fd(name, CallerFd::new(fd)?, stream, image)
            })
        }
    })
}

/// As pxds_backup_add_fd(), of what `read` gives, to the end of its stream.
///
/// Errors: as pxds_backup_add_fd(); PXDS_ERR_ARGUMENT also if `read` claims more bytes than it was offered room for.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_backup_add_stream(
    backup: *mut pxds_backup,
    name: *const c_char,
    read: pxds_read_fn,
    user: *mut c_void,
    stream: *const pxds_ingest_options,
    image: *const pxds_image_options,
    stats: *mut pxds_ingest_stats,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        unsafe {
            add(backup, name, stream, image, stats, |backup, name, stream, image| {
                backup.add_stream(name, &mut reader(read, user)?, stream, image)
            })
        }
    })
}

/// As pxds_backup_add_fd(), of the file or device at `path`. One that cannot be opened does not end the backup.
///
/// Errors: as pxds_backup_add_fd(); PXDS_ERR_NOT_FOUND, with the path; PXDS_ERR_IO also for a directory.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_backup_add_file(
    backup: *mut pxds_backup,
    name: *const c_char,
    path: *const c_char,
    stream: *const pxds_ingest_options,
    image: *const pxds_image_options,
    stats: *mut pxds_ingest_stats,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        unsafe {
            add(backup, name, stream, image, stats, |backup, name, stream, image| {
                backup.add_file(name, args::path(path, "path")?, stream, image)
            })
        }
    })
}

/// Adds an archive by `add`, and gives its sums to `stats`.
unsafe fn add(
    backup: *mut pxds_backup,
    name: *const c_char,
    stream: *const pxds_ingest_options,
    image: *const pxds_image_options,
    stats: *mut pxds_ingest_stats,
    add: impl FnOnce(&mut Backup, &str, IngestOptions, ImageOptions) -> Result<IngestStats>,
) -> Result<()> {
    // SAFETY: the caller's.
    let (stats, backup, name, stream, image) = unsafe {
        (
            OutStruct::opt(stats)?,
            args::handle(backup, "backup")?,
            args::text(name, "name")?,
            read_ingest_options(stream)?,
            read_image_options(image)?,
        )
    };
    let sums = add(&mut *backup.backup.enter()?, name, stream, image)?;
    if let Some(stats) = stats {
        stats.set(c_stats(sums));
    }
    Ok(())
}

/// Writes the manifest, brings everything to the disk, and gives the snapshot its name. Nothing is held after that.
///
/// The `progress` of the options is told, and can stop it until the last step gives the snapshot its name.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_STATE (no archive, finished, after a failure, or a sync of the store has failed
/// before), PXDS_ERR_EXISTS (a snapshot of this time has been made meanwhile), PXDS_ERR_IO, PXDS_ERR_CANCELLED.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_backup_finish(backup: *mut pxds_backup, err: *mut *mut pxds_error) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for handles.
        unsafe { args::handle(backup, "backup")? }.backup.enter()?.finish()
    })
}

/// Frees a backup. NULL is fine. One that is not finished leaves nothing but chunks.
///
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_backup_free(backup: *mut pxds_backup) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free_exclusive(backup, |backup| backup.backup.is_busy()) })
}
