//! The extern functions, as a C program calls them. Each output is garbage before the call, and must be reset by one
//! that fails.

#![allow(unsafe_code)]
#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "each call keeps to the header: inputs and outputs live through it"
)]

use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::ptr::{NonNull, null};

use super::{Api, Archive, Failure, Input, Listed, Outcome, UUID};
use pxds::ffi::backup::*;
use pxds::ffi::buffer::*;
use pxds::ffi::chunker::pxds_chunker_config;
use pxds::ffi::error::*;
use pxds::ffi::files::*;
use pxds::ffi::group::*;
use pxds::ffi::image::*;
use pxds::ffi::index::*;
use pxds::ffi::ingest::*;
use pxds::ffi::manifest::*;
use pxds::ffi::name::*;
use pxds::ffi::reader::*;
use pxds::ffi::restore::*;
use pxds::ffi::snapshot::*;
use pxds::ffi::status::*;
use pxds::ffi::store::*;
use pxds::ffi::tree::*;

const GARBAGE: u8 = 0xa5;

/// A handle, freed at the end.
struct Handle<T> {
    pointer: *mut T,
    free: unsafe extern "C" fn(*mut T),
}

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        unsafe { (self.free)(self.pointer) };
    }
}

fn text_of(text: *const c_char) -> Option<String> {
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_str().unwrap().to_owned())
}

fn c(text: &str) -> CString {
    CString::new(text).unwrap()
}

/// The status by the name of its kind in Rust.
fn kind_of(status: pxds_status) -> String {
    let kinds = [
        (PXDS_ERR_ARGUMENT, "Argument"),
        (PXDS_ERR_IO, "Io"),
        (PXDS_ERR_NOMEM, "NoMemory"),
        (PXDS_ERR_NOT_FOUND, "NotFound"),
        (PXDS_ERR_EXISTS, "Exists"),
        (PXDS_ERR_BUSY, "Busy"),
        (PXDS_ERR_TOO_SMALL, "TooSmall"),
        (PXDS_ERR_LIMIT, "Limit"),
        (PXDS_ERR_CORRUPT, "Corrupt"),
        (PXDS_ERR_FORMAT, "Format"),
        (PXDS_ERR_STATE, "State"),
        (PXDS_ERR_CANCELLED, "Cancelled"),
        (PXDS_ERR_PROTECTED, "Protected"),
    ];
    let found = kinds.into_iter().find(|&(of, _)| of == status);
    found.map_or_else(|| format!("status {status}"), |(_, kind)| kind.to_owned())
}

/// Makes a call, and takes its error apart; gives the status of one that has succeeded.
fn call(run: impl FnOnce(*mut *mut pxds_error) -> pxds_status) -> Outcome<pxds_status> {
    let mut err = NonNull::dangling().as_ptr();
    let status = run(&mut err);
    if status >= 0 {
        assert!(err.is_null(), "an error after success");
        return Ok(status);
    }
    let error = Handle { pointer: err, free: pxds_error_free };
    let err = error.pointer;
    unsafe {
        assert_eq!(pxds_error_status(err), status);
        Err(Failure {
            kind: kind_of(status),
            message: text_of(pxds_error_message(err)).unwrap(),
            path: text_of(pxds_error_path(err)),
            errno: pxds_error_errno(err),
            callback_value: pxds_error_callback_value(err),
        })
    }
}

/// A call that gives a handle; `None` for PXDS_NONE.
fn optional<T>(
    free: unsafe extern "C" fn(*mut T),
    run: impl FnOnce(*mut *mut T, *mut *mut pxds_error) -> pxds_status,
) -> Outcome<Option<Handle<T>>> {
    let mut out = NonNull::dangling().as_ptr();
    let outcome = call(|err| run(&mut out, err));
    if outcome != Ok(PXDS_OK) {
        assert!(out.is_null(), "a handle that was not reset");
        return outcome.map(|_| None);
    }
    Ok(Some(Handle { pointer: out, free }))
}

fn handle<T>(
    free: unsafe extern "C" fn(*mut T),
    run: impl FnOnce(*mut *mut T, *mut *mut pxds_error) -> pxds_status,
) -> Outcome<Handle<T>> {
    optional(free, run).map(|handle| handle.expect("PXDS_NONE was not expected"))
}

fn bytes_of(buffer: Handle<pxds_buffer>) -> Vec<u8> {
    let (data, len) = unsafe { (pxds_buffer_data(buffer.pointer), pxds_buffer_len(buffer.pointer)) };
    if len == 0 { Vec::new() } else { unsafe { std::slice::from_raw_parts(data, len) }.to_vec() }
}

fn string_of(buffer: Handle<pxds_buffer>) -> String {
    String::from_utf8(bytes_of(buffer)).unwrap()
}

/// A structure of zeros that states its size, as the macros of the header make it.
fn sized<T>() -> T {
    let mut made = std::mem::MaybeUninit::<T>::zeroed();
    unsafe {
        made.as_mut_ptr().cast::<usize>().write(size_of::<T>());
        made.assume_init()
    }
}

unsafe extern "C" fn refuse(user: *mut c_void, _chunk: *const pxds_ingest_chunk) -> i32 {
    let left = unsafe { &mut *user.cast::<u64>() };
    *left -= 1;
    if *left == 0 { 7 } else { 0 }
}

/// Where restored bytes go.
struct Taken {
    bytes: Vec<u8>,
    room: usize,
}

unsafe extern "C" fn take(user: *mut c_void, data: *const u8, len: usize, taken: *mut usize) -> i32 {
    let (sink, data) = unsafe { (&mut *user.cast::<Taken>(), std::slice::from_raw_parts(data, len)) };
    if sink.bytes.len() + len > sink.room {
        return 9;
    }
    sink.bytes.extend_from_slice(data);
    unsafe { taken.write(len) };
    0
}

pub(crate) struct Extern {
    store: Handle<pxds_store>,
}

impl Extern {
    pub(crate) fn open(path: &Path) -> Self {
        let mut options: pxds_store_options = sized();
        options.sync = PXDS_SYNC_NONE;
        let path = c(path.to_str().unwrap());
        let open = |out, err| unsafe { pxds_store_open(path.as_ptr(), &options, out, err) };
        Extern { store: handle(pxds_store_free, open).unwrap() }
    }

    fn store(&self) -> *const pxds_store {
        self.store.pointer
    }

    fn stored(&self, input: Input<'_>, refuse_at: Option<u64>) -> (Outcome<()>, Option<Handle<pxds_index_writer>>) {
        let mut left = refuse_at.unwrap_or(0);
        let on_chunk: pxds_ingest_chunk_fn = if refuse_at.is_some() { Some(refuse) } else { None };
        let user = (&raw mut left).cast();
        match input {
            Input::Stream(data) => {
                let mut chunker: pxds_chunker_config = sized();
                chunker.avg = 4096;
                let mut options: pxds_ingest_options = sized();
                options.flags = PXDS_INGEST_SET_CTIME | PXDS_INGEST_SET_UUID;
                (options.chunker, options.ctime, options.uuid) = (&chunker, 1, UUID);
                (options.on_chunk, options.on_chunk_user) = (on_chunk, user);
                let new = |out, err| unsafe { pxds_ingest_new(self.store(), &options, out, err) };
                let ingest = match handle(pxds_ingest_free, new) {
                    Ok(ingest) => ingest,
                    Err(failure) => return (Err(failure), None),
                };
                let pointer = ingest.pointer;
                let finish = call(|err| unsafe { pxds_ingest_write(pointer, data.as_ptr().cast(), data.len(), err) })
                    .and_then(|_| {
                        handle(pxds_index_writer_free, |out, err| unsafe { pxds_ingest_finish(pointer, out, err) })
                    });
                match finish {
                    Ok(writer) => (Ok(()), Some(writer)),
                    Err(failure) => {
                        let partial = handle(pxds_index_writer_free, |out, err| unsafe {
                            pxds_ingest_partial(pointer, out, err)
                        });
                        (Err(failure), partial.ok())
                    }
                }
            }
            Input::Image { data, size, chunk_size } => {
                let mut options: pxds_image_options = sized();
                options.flags = PXDS_IMAGE_SET_CTIME | PXDS_IMAGE_SET_UUID;
                (options.chunk_size, options.ctime, options.uuid) = (chunk_size, 1, UUID);
                (options.on_chunk, options.on_chunk_user) = (on_chunk, user);
                let size = size.unwrap_or(PXDS_SIZE_UNKNOWN);
                let all = || {
                    let new = |out, err| unsafe { pxds_image_new(self.store(), size, &options, out, err) };
                    let image = handle(pxds_image_free, new)?;
                    let pointer = image.pointer;
                    call(|err| unsafe { pxds_image_write(pointer, data.as_ptr().cast(), data.len(), err) })?;
                    handle(pxds_index_writer_free, |out, err| unsafe { pxds_image_finish(pointer, out, err) })
                };
                match all() {
                    Ok(writer) => (Ok(()), Some(writer)),
                    Err(failure) => (Err(failure), None),
                }
            }
        }
    }

    fn parse(&self, index: &[u8]) -> Outcome<Handle<pxds_index>> {
        handle(pxds_index_free, |out, err| unsafe {
            pxds_index_parse(index.as_ptr().cast(), index.len(), PXDS_INDEX_ANY, out, err)
        })
    }

    fn restorer(&self) -> Handle<pxds_restorer> {
        handle(pxds_restorer_free, |out, err| unsafe { pxds_restorer_new(self.store(), null(), out, err) }).unwrap()
    }

    fn reader(&self, index: &[u8]) -> Outcome<Handle<pxds_reader>> {
        let index = self.parse(index)?;
        handle(pxds_reader_free, |out, err| unsafe { pxds_reader_new(self.store(), index.pointer, null(), out, err) })
    }

    fn write_out(
        &self,
        index: &Handle<pxds_index>,
        range: Option<(u64, u64)>,
        room: usize,
    ) -> (Outcome<()>, Taken, u64) {
        let mut taken = Taken { bytes: Vec::new(), room };
        let user = (&raw mut taken).cast();
        let mut written = u64::MAX;
        let restorer = self.restorer();
        let (restorer, index) = (restorer.pointer, index.pointer);
        let outcome = call(|err| unsafe {
            match range {
                Some((offset, length)) => {
                    pxds_restorer_write_range(restorer, index, offset, length, Some(take), user, &mut written, err)
                }
                None => pxds_restorer_write(restorer, index, Some(take), user, &mut written, err),
            }
        });
        (outcome.map(drop), taken, written)
    }

    fn open_snapshot(&self, snapshot: &str) -> Outcome<Handle<pxds_snapshot>> {
        let snapshot = c(snapshot);
        handle(pxds_snapshot_free, |out, err| unsafe {
            pxds_snapshot_open(self.store(), snapshot.as_ptr(), null(), 0, out, err)
        })
    }
}

fn flags(recursive: bool) -> u32 {
    if recursive { PXDS_LIST_RECURSIVE } else { 0 }
}

/// Entries of a list, until it has no more.
fn each<T: Copy>(mut get: impl FnMut(usize, *mut T, *mut *mut pxds_error) -> pxds_status) -> Vec<T> {
    let mut found = Vec::new();
    loop {
        let mut entry: T = sized();
        match call(|err| get(found.len(), &mut entry, err)).unwrap() {
            PXDS_OK => found.push(entry),
            _ => return found,
        }
    }
}

impl Api for Extern {
    fn ingest(&self, input: Input<'_>, refuse: Option<u64>) -> (Outcome<()>, Option<Vec<u8>>) {
        let (outcome, writer) = self.stored(input, refuse);
        let finish = |writer: Handle<pxds_index_writer>| {
            let finish = |out, err| unsafe { pxds_index_writer_finish(writer.pointer, usize::MAX, out, err) };
            bytes_of(handle(pxds_buffer_free, finish).unwrap())
        };
        (outcome, writer.map(finish))
    }

    fn restore(&self, index: &[u8], range: Option<(u64, u64)>, room: usize) -> (Outcome<()>, Vec<u8>, u64) {
        match self.parse(index) {
            Ok(index) => {
                let (outcome, taken, written) = self.write_out(&index, range, room);
                (outcome, taken.bytes, written)
            }
            Err(failure) => (Err(failure), Vec::new(), 0),
        }
    }

    fn read_range(&self, index: &[u8], offset: u64, length: usize) -> (Outcome<u64>, Vec<u8>) {
        let mut data = vec![GARBAGE; length];
        let (restorer, index) = (self.restorer(), self.parse(index).unwrap());
        let mut read = usize::MAX;
        let outcome = call(|err| unsafe {
            let data = data.as_mut_ptr().cast();
            pxds_restorer_read_range(restorer.pointer, index.pointer, offset, data, length, &mut read, err)
        });
        (outcome.map(|_| read as u64), data)
    }

    fn read_at(&self, index: &[u8], offset: u64, length: usize) -> (Outcome<usize>, Vec<u8>) {
        let mut data = vec![GARBAGE; length];
        let reader = self.reader(index).unwrap();
        let mut count = usize::MAX;
        let outcome = call(|err| unsafe {
            pxds_reader_read_at(reader.pointer, offset, data.as_mut_ptr().cast(), length, &mut count, err)
        });
        assert!(outcome.is_ok() || count == 0, "a count that was not reset");
        (outcome.map(|_| count), data)
    }

    fn extent(&self, index: &[u8], offset: u64) -> Outcome<Option<(u64, bool)>> {
        let reader = self.reader(index)?;
        let (mut length, mut is_zero) = (u64::MAX, u32::MAX);
        let status = call(|err| unsafe {
            pxds_reader_get_extent(reader.pointer, offset, u64::MAX, &mut length, &mut is_zero, err)
        })?;
        if status == PXDS_NONE {
            assert_eq!((length, is_zero), (0, 0), "reset");
            return Ok(None);
        }
        Ok(Some((length, is_zero != 0)))
    }

    fn backup(
        &self,
        group: &str,
        time: i64,
        owner: Option<&str>,
        archives: &[(&str, Archive<'_>)],
    ) -> Outcome<(String, Option<String>)> {
        let (group, owner) = (c(group), owner.map(c));
        let mut options: pxds_backup_options = sized();
        (options.flags, options.time) = (PXDS_BACKUP_SET_TIME, time);
        options.owner = owner.as_ref().map_or(null(), |owner| owner.as_ptr());
        let backup = handle(pxds_backup_free, |out, err| unsafe {
            pxds_backup_new(self.store(), group.as_ptr(), &options, out, err)
        })?;
        let pointer = backup.pointer;
        for (name, archive) in archives {
            let name = c(name);
            match *archive {
                Archive::Blob(data) => {
                    call(|err| unsafe {
                        pxds_backup_add_blob(pointer, name.as_ptr(), data.as_ptr().cast(), data.len(), 0, err)
                    })?;
                }
                Archive::Index(input) => {
                    let (outcome, writer) = self.stored(input, None);
                    outcome?;
                    let writer = writer.unwrap();
                    call(|err| unsafe { pxds_backup_add_index(pointer, name.as_ptr(), writer.pointer, err) })?;
                }
            }
        }
        call(|err| unsafe { pxds_backup_finish(pointer, err) })?;
        unsafe { Ok((text_of(pxds_backup_snapshot(pointer)).unwrap(), text_of(pxds_backup_previous(pointer)))) }
    }

    fn list(&self, ns: &str, recursive: bool) -> Outcome<Vec<Listed>> {
        let ns = c(ns);
        let list = handle(pxds_snapshot_list_free, |out, err| unsafe {
            pxds_store_snapshots(self.store(), ns.as_ptr(), flags(recursive), out, err)
        })?;
        let entries: Vec<pxds_snapshot_entry> =
            each(|i, entry, err| unsafe { pxds_snapshot_list_get(list.pointer, i, entry, err) });
        let listed = |entry: pxds_snapshot_entry| {
            let has = |flag| entry.flags & flag != 0;
            (text_of(entry.path).unwrap(), has(PXDS_SNAPSHOT_PROTECTED), has(PXDS_SNAPSHOT_FINISHED))
        };
        Ok(entries.into_iter().map(listed).collect())
    }

    fn groups(&self, ns: &str, recursive: bool) -> Outcome<Vec<String>> {
        let ns = c(ns);
        let list = handle(pxds_group_list_free, |out, err| unsafe {
            pxds_store_groups(self.store(), ns.as_ptr(), flags(recursive), out, err)
        })?;
        let entries: Vec<pxds_group_entry> =
            each(|i, entry, err| unsafe { pxds_group_list_get(list.pointer, i, entry, err) });
        Ok(entries.into_iter().map(|entry| text_of(entry.path).unwrap()).collect())
    }

    fn namespaces(&self, ns: &str, recursive: bool) -> Outcome<Vec<String>> {
        let ns = c(ns);
        let list = handle(pxds_namespace_list_free, |out, err| unsafe {
            pxds_store_namespaces(self.store(), ns.as_ptr(), flags(recursive), out, err)
        })?;
        let count = unsafe { pxds_namespace_list_count(list.pointer) };
        Ok((0..count).map(|i| text_of(unsafe { pxds_namespace_list_get(list.pointer, i) }).unwrap()).collect())
    }

    fn files(&self, snapshot: &str) -> Outcome<Vec<(String, u64)>> {
        let snapshot = c(snapshot);
        let list = handle(pxds_file_list_free, |out, err| unsafe {
            pxds_snapshot_files(self.store(), snapshot.as_ptr(), out, err)
        })?;
        let entries: Vec<pxds_file_entry> =
            each(|i, entry, err| unsafe { pxds_file_list_get(list.pointer, i, entry, err) });
        Ok(entries.into_iter().map(|entry| (text_of(entry.name).unwrap(), entry.size)).collect())
    }

    fn read_blob(&self, snapshot: &str, name: &str, max_len: usize) -> Outcome<Vec<u8>> {
        let (snapshot, name) = (self.open_snapshot(snapshot)?, c(name));
        handle(pxds_buffer_free, |out, err| unsafe {
            pxds_snapshot_read_blob(snapshot.pointer, name.as_ptr(), max_len, out, err)
        })
        .map(bytes_of)
    }

    fn read_archive(&self, snapshot: &str, name: &str) -> Outcome<Vec<u8>> {
        let (snapshot, name) = (self.open_snapshot(snapshot)?, c(name));
        let index = handle(pxds_index_free, |out, err| unsafe {
            pxds_snapshot_open_index(snapshot.pointer, name.as_ptr(), out, err)
        })?;
        let (outcome, taken, _) = self.write_out(&index, None, usize::MAX);
        outcome.map(|()| taken.bytes)
    }

    fn notes(&self, snapshot: &str) -> Outcome<String> {
        let snapshot = c(snapshot);
        handle(pxds_buffer_free, |out, err| unsafe {
            pxds_snapshot_get_notes(self.store(), snapshot.as_ptr(), out, err)
        })
        .map(string_of)
    }

    fn set_notes(&self, snapshot: &str, notes: &str) -> Outcome<()> {
        let (snapshot, notes) = (c(snapshot), c(notes));
        call(|err| unsafe { pxds_snapshot_set_notes(self.store(), snapshot.as_ptr(), notes.as_ptr(), err) }).map(drop)
    }

    fn protect(&self, snapshot: &str, protected: bool) -> Outcome<()> {
        let snapshot = c(snapshot);
        let set = if protected { pxds_snapshot_protect } else { pxds_snapshot_unprotect };
        call(|err| unsafe { set(self.store(), snapshot.as_ptr(), err) }).map(drop)
    }

    fn destroy(&self, snapshot: &str) -> Outcome<()> {
        let snapshot = c(snapshot);
        call(|err| unsafe { pxds_snapshot_destroy(self.store(), snapshot.as_ptr(), err) }).map(drop)
    }

    fn destroy_group(&self, group: &str) -> (Outcome<()>, (u64, u64)) {
        let group = c(group);
        let mut result: pxds_destroy_result = sized();
        (result.removed, result.protected_count) = (u64::MAX, u64::MAX);
        let outcome =
            call(|err| unsafe { pxds_group_destroy(self.store(), group.as_ptr(), null(), &mut result, err) }).map(drop);
        (outcome, (result.removed, result.protected_count))
    }

    fn owner(&self, group: &str) -> Outcome<Option<String>> {
        let group = c(group);
        let get = |out, err| unsafe { pxds_group_get_owner(self.store(), group.as_ptr(), out, err) };
        Ok(optional(pxds_buffer_free, get)?.map(string_of))
    }

    fn set_owner(&self, group: &str, owner: &str) -> Outcome<()> {
        let (group, owner) = (c(group), c(owner));
        call(|err| unsafe { pxds_group_set_owner(self.store(), group.as_ptr(), owner.as_ptr(), err) }).map(drop)
    }

    fn manifest(&self, text: &[u8]) -> Outcome<Vec<u8>> {
        let manifest = handle(pxds_manifest_free, |out, err| unsafe {
            pxds_manifest_parse(text.as_ptr().cast(), text.len(), out, err)
        })?;
        let write = |out, err| unsafe { pxds_manifest_format(manifest.pointer, out, err) };
        handle(pxds_buffer_free, write).map(bytes_of)
    }

    fn parse_group(&self, path: &str) -> Outcome<(String, String, String, String)> {
        let path = c(path);
        let mut name: pxds_group_name = sized();
        name.id.fill(c_char::MAX);
        let outcome = call(|err| unsafe { pxds_group_parse(path.as_ptr(), &mut name, err) });
        assert!(outcome.is_ok() || name.id[0] == 0, "a name that was not reset");
        outcome?;
        let (kind, again) = unsafe {
            let mut again = [0; 1024];
            let mut len = 0;
            call(|err| {
                let (ns, id) = (name.ns.as_ptr(), name.id.as_ptr());
                pxds_group_format(ns, name.r#type, id, again.as_mut_ptr(), again.len(), &mut len, err)
            })?;
            (pxds_backup_type_name(name.r#type), text_of(again.as_ptr()).unwrap())
        };
        let text = |text: *const c_char| text_of(text).unwrap();
        Ok((text(name.ns.as_ptr()), text(kind), text(name.id.as_ptr()), again))
    }

    fn parse_snapshot(&self, path: &str) -> Outcome<(String, String, String, i64, String)> {
        let path = c(path);
        let mut name: pxds_snapshot_name = sized();
        name.time = 1;
        let outcome = call(|err| unsafe { pxds_snapshot_parse(path.as_ptr(), &mut name, err) });
        assert!(outcome.is_ok() || name.time == 0, "a time that was not reset");
        outcome?;
        let (kind, again) = unsafe {
            let mut again = [0; 1024];
            let mut len = 0;
            call(|err| {
                let (ns, id) = (name.ns.as_ptr(), name.id.as_ptr());
                pxds_snapshot_format(ns, name.r#type, id, name.time, again.as_mut_ptr(), again.len(), &mut len, err)
            })?;
            (pxds_backup_type_name(name.r#type), text_of(again.as_ptr()).unwrap())
        };
        let text = |text: *const c_char| text_of(text).unwrap();
        Ok((text(name.ns.as_ptr()), text(kind), text(name.id.as_ptr()), name.time, again))
    }
}
