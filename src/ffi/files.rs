//! Lists of the files of snapshots.

use std::ffi::{CString, c_char};
use std::mem::size_of;

use super::args::{self, Out, size_first};
use super::error::pxds_error;
use super::guard::{element, guard, guard_value};
use super::handle::Shared;
use super::name::archive_constant;
use super::status::pxds_status;
use super::store::pxds_store;
use super::text::c_string;
use crate::error::try_collect;
use crate::name::{ArchiveKind, Snapshot};
use crate::tree::ArchiveFile;

/// A file of a snapshot: an archive, or the manifest.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_file_entry {
    /// Bytes of this structure; set by PXDS_FILE_ENTRY_INIT.
    pub struct_size: usize,
    /// Its name. The list's.
    pub name: *const c_char,
    /// Length of the file.
    pub size: u64,
    /// Of an index the bytes of what it describes, as the manifest says; 0 if that does not list it, and for a blob.
    pub plain_size: u64,
    /// PXDS_ARCHIVE_...; of the manifest PXDS_ARCHIVE_BLOB.
    pub kind: u32,
    /// 0.
    pub reserved: u32,
}

size_first!(pxds_file_entry);

/// Files, by name. Shared.
pub struct pxds_file_list(Shared<Vec<File>>);

struct File {
    name: CString,
    size: u64,
    plain_size: u64,
    kind: ArchiveKind,
}

/// Lists the archives of a snapshot, and its manifest: its regular files whose names end in .didx, .fidx or .blob. A
/// manifest that cannot be read counts as none.
///
/// Owns: the caller owns `*out` and frees it with pxds_file_list_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND, PXDS_ERR_IO.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_snapshot_files(
    store: *const pxds_store,
    snapshot: *const c_char,
    out: *mut *mut pxds_file_list,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, store, snapshot) =
            unsafe { (Out::handle(out, "out")?, args::handle(store, "store")?, args::text(snapshot, "snapshot")?) };
        let found = store.tree().described_files(&Snapshot::parse(snapshot)?)?;
        let file = |(file, plain_size): &(ArchiveFile, Option<u64>)| {
            let (name, kind) = (c_string(file.name.as_str())?, ArchiveKind::of(&file.name)?);
            Ok(File { name, size: file.size, plain_size: plain_size.unwrap_or(0), kind })
        };
        Ok(out.hand_out(pxds_file_list(Shared::new(try_collect(found.iter().map(file))?))))
    })
}

/// How many; 0 for NULL.
///
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_file_list_count(list: *const pxds_file_list) -> usize {
    // SAFETY: the header's rules for handles.
    guard_value(0, || unsafe { args::opt(list) }.map_or(0, |list| list.0.len()))
}

/// Writes file `i`, from 0, to `*entry`. Returns PXDS_NONE if the list has no such one.
///
/// Owns: the name is the list's.
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_file_list_get(
    list: *const pxds_file_list,
    i: usize,
    entry: *mut pxds_file_entry,
    err: *mut *mut pxds_error,
) -> pxds_status {
    let read = |list: &pxds_file_list| {
        Ok(list.0.get(i).map(|file| pxds_file_entry {
            struct_size: size_of::<pxds_file_entry>(),
            name: file.name.as_ptr(),
            size: file.size,
            plain_size: file.plain_size,
            kind: archive_constant(file.kind),
            reserved: 0,
        }))
    };
    // SAFETY: the header's rules for handles and outputs.
    unsafe { element((list, "list"), (entry, "entry"), err, read) }
}

/// Frees a list. NULL is fine.
///
/// Threads: any, but no other call may be using the handle.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_file_list_free(list: *mut pxds_file_list) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free(list) })
}
