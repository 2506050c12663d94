//! The chunk store.

use std::ffi::{CString, c_char, c_void};
use std::mem::size_of;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::args::{self, Out, OutStruct, SizeFirst};
use super::blob::pxds_blob_codec;
use super::buffer::pxds_buffer;
use super::callback::{notice, progress, pxds_notice_fn, pxds_progress_fn};
use super::error::pxds_error;
use super::guard::{guard, guard_ok, guard_value};
use super::handle::{Exclusive, Shared};
use super::status::{PXDS_NONE, PXDS_OK, pxds_status};
use crate::error::{Error, Kind, Result};
use crate::name;
use crate::store::{
    ChunkEntry, Chunks, InsertOptions, Inserted, Layout, ReadOnly, Store, StoreOptions, SyncLevel, TreeLocks,
};
use crate::sys::{self, Owner};

/// Layout of a new store: PXDS_LAYOUT_HEX2.
pub const PXDS_LAYOUT_DEFAULT: u32 = 0;
/// Layout: 256 chunk directories of two hexadecimal digits, made when they are needed.
pub const PXDS_LAYOUT_HEX2: u32 = 1;
/// Layout: 65536 chunk directories of four, made with the store: what Proxmox Backup Server uses.
pub const PXDS_LAYOUT_HEX4: u32 = 2;

/// Chunk directories of PXDS_LAYOUT_HEX2.
pub const PXDS_LAYOUT_HEX2_DIRS: u32 = 256;
/// Chunk directories of PXDS_LAYOUT_HEX4.
pub const PXDS_LAYOUT_HEX4_DIRS: u32 = 65536;

/// Sync level: PXDS_SYNC_FILESYSTEM.
pub const PXDS_SYNC_DEFAULT: u32 = 0;
/// Sync level: nothing is brought to the disk.
pub const PXDS_SYNC_NONE: u32 = 1;
/// Sync level: each chunk, and its name, when it is inserted; the names of an ingest's chunks before its index is
/// saved, then the index. Before an index that re-uses chunks, which somebody else may not have synced, the whole file
/// system.
pub const PXDS_SYNC_FILE: u32 = 2;
/// Sync level: the whole file system of the store once before an index is saved, or a snapshot finished; then the
/// index, or the snapshot's name.
pub const PXDS_SYNC_FILESYSTEM: u32 = 3;

/// pxds_store_options.flags: give new files to owner_uid and owner_gid.
pub const PXDS_STORE_SET_OWNER: u32 = 1;
/// pxds_store_options.flags: accept a store with both layouts; write four digits, read either.
pub const PXDS_STORE_MIXED: u32 = 2;
/// pxds_store_options.flags, for pxds_store_open(): accept a directory without `.chunks`. Its snapshots can be listed;
/// what needs chunks is PXDS_ERR_NOT_FOUND.
pub const PXDS_STORE_BARE: u32 = 4;
/// pxds_store_options.flags: make a store also where the file system may not keep access times. Garbage collection is
/// not safe there.
pub const PXDS_STORE_NO_ATIME_PROBE: u32 = 8;
/// pxds_store_options.flags: make the directory of a new store with mode 0755, as Proxmox Backup Server does, and not
/// 0700. What lies below has the server's modes either way: others may read owners, notes and small files there.
pub const PXDS_STORE_SHARED: u32 = 16;
/// pxds_store_options.flags, for pxds_store_open(): open the store for reading only. Whatever would change it, and
/// every lock that only writers need, is PXDS_ERR_STATE.
pub const PXDS_STORE_READ_ONLY: u32 = 32;
/// pxds_store_options.flags, for pxds_store_open(): the directory is the local cache of a store in S3. It is opened for
/// reading only, and whatever would change it is PXDS_ERR_UNSUPPORTED.
pub const PXDS_STORE_S3_CACHE: u32 = 64;
/// pxds_store_options.flags: the directory is no such cache, whatever it looks like. Without this flag and the other
/// one a store of PXDS_LAYOUT_HEX4 is looked at before its first change: if at least 3 chunks of finished snapshots, of
/// 256 that are looked at, are empty files, or Proxmox Backup Server's mark `.using` stands for one, every change is
/// PXDS_ERR_UNSUPPORTED.
pub const PXDS_STORE_NOT_S3_CACHE: u32 = 128;

/// Where a running Proxmox Backup Server from 3.3.5 on has its lock files.
const DEFAULT_LOCK_DIR: &str = "/run/proxmox-backup/locks";

/// How a store is made or opened.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_store_options {
    /// Bytes of this structure; set by PXDS_STORE_OPTIONS_INIT.
    pub struct_size: usize,
    /// PXDS_LAYOUT_..., of a new or empty store; an existing one keeps its own.
    pub layout: u32,
    /// PXDS_SYNC_...
    pub sync: u32,
    /// PXDS_STORE_...
    pub flags: u32,
    /// With PXDS_STORE_SET_OWNER. Otherwise files that root makes belong to the owner of `.chunks`.
    pub owner_uid: u32,
    /// As owner_uid, for the group.
    pub owner_gid: u32,
    /// 0.
    pub reserved: u32,
    /// Takes notices, on the thread of the call that they come from; NULL for none. It may be called until the store
    /// and everything that was made from it have been freed.
    pub notice: pxds_notice_fn,
    /// Handed to `notice`.
    pub notice_user: *mut c_void,
    /// The name by which a running Proxmox Backup Server knows the store; NULL if none shares it. From 3.3.5 on that
    /// locks groups and snapshots by files in `lock_dir`, before by their directories, which is what NULL gives. See
    /// docs/format.md, 7.8.
    pub store_name: *const c_char,
    /// With `store_name`: the directory of the lock files; NULL for /run/proxmox-backup/locks.
    pub lock_dir: *const c_char,
    /// Is told by pxds_store_create() how many of the directories of PXDS_LAYOUT_HEX4 there are: 65536 of them take
    /// seconds on some file systems. May be NULL.
    pub progress: pxds_progress_fn,
    /// Handed to `progress`.
    pub progress_user: *mut c_void,
}

// SAFETY: repr(C), begins with its size; integers, nullable function pointers and pointers that may be NULL.
unsafe impl SizeFirst for pxds_store_options {
    const NAME: &'static str = "pxds_store_options";
}

/// What an insert found and left.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_insert_result {
    /// Bytes of this structure; set by PXDS_INSERT_RESULT_INIT.
    pub struct_size: usize,
    /// Length of the chunk's file now.
    pub stored_size: u64,
    /// 1 if the chunk was there and stays, else 0.
    pub existed: u32,
    /// 0.
    pub reserved: u32,
}

// SAFETY: repr(C), begins with its size, integers throughout.
unsafe impl SizeFirst for pxds_insert_result {
    const NAME: &'static str = "pxds_insert_result";
}

impl From<Inserted> for pxds_insert_result {
    fn from(inserted: Inserted) -> Self {
        pxds_insert_result {
            struct_size: size_of::<Self>(),
            stored_size: inserted.stored_size,
            existed: inserted.existed.into(),
            reserved: 0,
        }
    }
}

/// A file among the chunks.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_chunk_entry {
    /// Bytes of this structure; set by PXDS_CHUNK_ENTRY_INIT.
    pub struct_size: usize,
    /// Length of the file.
    pub stored_size: u64,
    /// Time of the last access, in seconds since 1970.
    pub atime: i64,
    /// The chunk's name.
    pub digest: [u8; 32],
    /// 1 if it is a bad copy, DIGEST.N.bad; else 0.
    pub bad: u32,
    /// N of a bad copy.
    pub bad_number: u32,
}

// SAFETY: repr(C), begins with its size, integers throughout.
unsafe impl SizeFirst for pxds_chunk_entry {
    const NAME: &'static str = "pxds_chunk_entry";
}

/// Inserting flag: store any bytes, not only a blob. They must be as long as the header of a blob, 12 bytes, or 44 if
/// they begin with the magic of an encrypted one: what is shorter is no chunk for any other call.
pub const PXDS_INSERT_RAW: u32 = 1;
/// Loading flag: give any bytes, for salvage; neither structure nor CRC are checked.
pub const PXDS_LOAD_UNCHECKED: u32 = 1;

/// An open chunk store. Shared.
///
/// Any number of threads, handles and processes may use one store at once. A chunk is seen whole or not at all.
pub struct pxds_store {
    store: Shared<Store>,
    path: CString,
}

impl pxds_store {
    fn new(store: Store) -> Result<Self> {
        let path = CString::new(store.path().as_os_str().as_bytes())
            .map_err(|_| Error::new(Kind::Argument, "a path holds a NUL byte"))?;
        Ok(pxds_store { store: Shared::new(store), path })
    }

    /// The store of the core.
    pub(super) fn core(&self) -> &Store {
        &self.store
    }
}

/// Goes through the chunks of a store. Exclusive.
pub struct pxds_chunk_iter(Exclusive<Chunks>);

/// `opens`: of a store that is there, for which PXDS_STORE_BARE is known too.
pub(super) unsafe fn read_options(options: *const pxds_store_options, opens: bool) -> Result<StoreOptions> {
    // SAFETY: the caller's.
    let options = unsafe { args::options(options)? };
    let read_only = PXDS_STORE_READ_ONLY | PXDS_STORE_S3_CACHE;
    let known = PXDS_STORE_SET_OWNER | PXDS_STORE_MIXED | PXDS_STORE_NO_ATIME_PROBE | PXDS_STORE_SHARED | read_only;
    let known = known | PXDS_STORE_NOT_S3_CACHE;
    if options.flags & PXDS_STORE_S3_CACHE != 0 && options.flags & PXDS_STORE_NOT_S3_CACHE != 0 {
        return Err(Error::new(
            Kind::Argument,
            "options.flags says that it is the cache of a store in S3, and that it is none",
        ));
    }
    args::flags(options.flags, known | if opens { PXDS_STORE_BARE } else { 0 }, "options.flags")?;
    args::flags(options.reserved, 0, "options.reserved")?;
    let unknown = |what: &str, value: u32| Err(Error::new(Kind::Argument, format!("options.{what} cannot be {value}")));
    let owner = (options.owner_uid, options.owner_gid);
    let owner = args::given(options.flags, PXDS_STORE_SET_OWNER, owner, "the owner of options")?;
    Ok(StoreOptions {
        layout: match options.layout {
            PXDS_LAYOUT_DEFAULT => None,
            PXDS_LAYOUT_HEX2 => Some(Layout::Hex2),
            PXDS_LAYOUT_HEX4 => Some(Layout::Hex4),
            other => return unknown("layout", other),
        },
        sync: match options.sync {
            PXDS_SYNC_NONE => SyncLevel::None,
            PXDS_SYNC_FILE => SyncLevel::File,
            PXDS_SYNC_DEFAULT | PXDS_SYNC_FILESYSTEM => SyncLevel::Filesystem,
            other => return unknown("sync", other),
        },
        owner: owner.map(|(uid, gid)| Owner { uid, gid }),
        mixed: options.flags & PXDS_STORE_MIXED != 0,
        bare: options.flags & PXDS_STORE_BARE != 0,
        skip_atime_probe: options.flags & PXDS_STORE_NO_ATIME_PROBE != 0,
        shared: options.flags & PXDS_STORE_SHARED != 0,
        read_only: match options.flags & read_only {
            0 => None,
            PXDS_STORE_READ_ONLY => Some(ReadOnly::Wanted),
            _ => Some(ReadOnly::S3Cache),
        },
        not_s3_cache: options.flags & PXDS_STORE_NOT_S3_CACHE != 0,
        // SAFETY: the caller's.
        tree_locks: unsafe { read_tree_locks(&options)? },
        notice: notice(options.notice, options.notice_user),
        progress: progress(options.progress, options.progress_user),
    })
}

unsafe fn read_tree_locks(options: &pxds_store_options) -> Result<TreeLocks> {
    let &pxds_store_options { store_name, lock_dir, .. } = options;
    if store_name.is_null() {
        return match lock_dir.is_null() {
            true => Ok(TreeLocks::Directories),
            false => Err(Error::new(Kind::Argument, "options.lock_dir needs options.store_name")),
        };
    }
    // SAFETY: the caller's.
    let (store, dir) = unsafe {
        let dir =
            if lock_dir.is_null() { Path::new(DEFAULT_LOCK_DIR) } else { args::path(lock_dir, "options.lock_dir")? };
        (args::text(store_name, "options.store_name")?, dir)
    };
    name::check_store(store)?;
    Ok(TreeLocks::Files { dir: sys::absolute(dir)?, store: store.to_owned() })
}

/// Makes a store in the directory `path`, which is made if it is missing, and opens it. A directory that is made has
/// mode 0700, or 0755 with PXDS_STORE_SHARED, less the umask; one that is there keeps its own.
///
/// `options` may be NULL. A failure, or a stop by their `progress`, leaves no store. See docs/format.md, 5.1.
///
/// Owns: the caller owns `*out` and frees it with pxds_store_free().
/// Errors: PXDS_ERR_ARGUMENT (also with PXDS_STORE_READ_ONLY or PXDS_STORE_S3_CACHE), PXDS_ERR_EXISTS,
/// PXDS_ERR_NOT_FOUND, PXDS_ERR_UNSUPPORTED (the file system does not keep access times), PXDS_ERR_IO,
/// PXDS_ERR_CANCELLED.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_create(
    path: *const c_char,
    options: *const pxds_store_options,
    out: *mut *mut pxds_store,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, path, options) =
            unsafe { (Out::handle(out, "out")?, args::path(path, "path")?, read_options(options, false)?) };
        out.hand_out(pxds_store::new(Store::create(path, &options)?)?);
        Ok(())
    })
}

/// Opens the store in the directory `path`. `options` may be NULL.
///
/// Its layout is recognised. Opening takes no lock and writes nothing.
///
/// Owns: the caller owns `*out` and frees it with pxds_store_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND (no such directory, or no `.chunks` in it), PXDS_ERR_IO,
/// PXDS_ERR_FORMAT (both layouts, without PXDS_STORE_MIXED; `.chunks` is a link, or no directory).
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_open(
    path: *const c_char,
    options: *const pxds_store_options,
    out: *mut *mut pxds_store,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, path, options) =
            unsafe { (Out::handle(out, "out")?, args::path(path, "path")?, read_options(options, true)?) };
        out.hand_out(pxds_store::new(Store::open(path, &options)?)?);
        Ok(())
    })
}

/// As pxds_store_open(), after making what is missing as pxds_store_create() does.
///
/// Owns: the caller owns `*out` and frees it with pxds_store_free().
/// Errors: as pxds_store_open() and pxds_store_create().
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_open_or_create(
    path: *const c_char,
    options: *const pxds_store_options,
    out: *mut *mut pxds_store,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, path, options) =
            unsafe { (Out::handle(out, "out")?, args::path(path, "path")?, read_options(options, false)?) };
        out.hand_out(pxds_store::new(Store::open_or_create(path, &options)?)?);
        Ok(())
    })
}

/// Frees a store. NULL is fine. What was made from it keeps what it needs.
///
/// Threads: any, but no other call may be using the handle.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_free(store: *mut pxds_store) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free(store) })
}

/// The store's directory, from the root, as bytes that end in NUL; NULL for NULL.
///
/// Owns: the string is the store's.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_path(store: *const pxds_store) -> *const c_char {
    let none = std::ptr::null;
    // SAFETY: the header's rules for handles.
    guard_value(none(), || unsafe { args::opt(store) }.map_or_else(none, |store| store.path.as_ptr()))
}

/// PXDS_LAYOUT_HEX2 or PXDS_LAYOUT_HEX4; PXDS_LAYOUT_DEFAULT for NULL.
///
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_layout(store: *const pxds_store) -> u32 {
    // SAFETY: the header's rules for handles.
    guard_value(PXDS_LAYOUT_DEFAULT, || match unsafe { args::opt(store) }.map(|store| store.core().layout()) {
        None => PXDS_LAYOUT_DEFAULT,
        Some(Layout::Hex2) => PXDS_LAYOUT_HEX2,
        Some(Layout::Hex4) => PXDS_LAYOUT_HEX4,
    })
}

/// Writes the path at which the chunk `digest` is stored, whether it is there or not, with a NUL at its end.
///
/// `*path_len` gets the bytes with the NUL; with PXDS_ERR_TOO_SMALL, how many are needed.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_TOO_SMALL.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_get_chunk_path(
    store: *const pxds_store,
    digest: *const u8,
    path: *mut c_char,
    path_capacity: usize,
    path_len: *mut usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for outputs: each is reset even if the other is NULL.
        let (out_len, room) = unsafe { (Out::new(path_len, "path_len"), args::text_mut(path, path_capacity, "path")) };
        let (out_len, room) = (out_len?, room?);
        // SAFETY: the header's rules for inputs.
        let (store, digest) = unsafe { (args::handle(store, "store")?, args::digest(digest, "digest")?) };
        let chunk_path = store.core().chunk_path(&digest);
        let bytes = chunk_path.as_os_str().as_bytes();
        out_len.set(bytes.len() + 1);
        args::write_text(room, bytes)
    })
}

/// Stores the encoded `blob` as chunk `digest`, or touches the chunk that is there.
///
/// Whether the two belong together is not checked: see pxds_store_insert_verified(). What happens if the chunk is there
/// is the table of docs/format.md, 5.4. `flags`: 0 or PXDS_INSERT_RAW. Hold a lock, see pxds_store_lock(), from before
/// the first insert until an index names the chunks. `result` may be NULL.
///
/// Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_FORMAT (no blob, or too short for one), PXDS_ERR_LIMIT (too long),
/// PXDS_ERR_EXISTS (something that is no file has the name), PXDS_ERR_CRYPT_MODE, PXDS_ERR_CORRUPT (both cannot be
/// valid, or the smaller one that would replace the other has a wrong CRC), PXDS_ERR_NOT_FOUND (the store is gone),
/// PXDS_ERR_IO, PXDS_ERR_CANCELLED (by the notice callback, after the chunk was stored); PXDS_ERR_STATE and
/// PXDS_ERR_UNSUPPORTED for a store that can only be read.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_insert(
    store: *const pxds_store,
    digest: *const u8,
    blob: *const c_void,
    blob_len: usize,
    flags: u32,
    result: *mut pxds_insert_result,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (result, store, digest, blob) = unsafe {
            (
                OutStruct::opt(result)?,
                args::handle(store, "store")?,
                args::digest(digest, "digest")?,
                args::bytes(blob, blob_len, "blob")?,
            )
        };
        args::flags(flags, PXDS_INSERT_RAW, "flags")?;
        let options = InsertOptions { raw: flags & PXDS_INSERT_RAW != 0 };
        let inserted = store.core().insert(&digest, blob, options)?;
        if let Some(result) = result {
            result.set(inserted.into());
        }
        Ok(())
    })
}

/// As pxds_store_insert(), after checking that an unencrypted `blob` decodes to `size` bytes of this digest.
///
/// The stored CRC is made right. A chunk that is there but does not load, by structure and CRC, is replaced.
///
/// Errors: as pxds_store_insert(); PXDS_ERR_CORRUPT also if the check fails; PXDS_ERR_NOMEM.
/// Threads: shared for the store, exclusive for the codec.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_insert_verified(
    store: *const pxds_store,
    codec: *mut pxds_blob_codec,
    digest: *const u8,
    size: u64,
    blob: *const c_void,
    blob_len: usize,
    result: *mut pxds_insert_result,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (result, store, codec, digest, blob) = unsafe {
            (
                OutStruct::opt(result)?,
                args::handle(store, "store")?,
                args::handle(codec, "codec")?,
                args::digest(digest, "digest")?,
                args::bytes(blob, blob_len, "blob")?,
            )
        };
        let inserted = store.core().insert_verified(&mut *codec.enter()?, &digest, size, blob)?;
        if let Some(result) = result {
            result.set(inserted.into());
        }
        Ok(())
    })
}

/// Loads the encoded blob of chunk `digest`, of at most `max_len` bytes, and checks its structure and CRC.
///
/// `flags`: 0 or PXDS_LOAD_UNCHECKED. PXDS_BLOB_MAX_ENCODED_SIZE admits every blob. Loading does not touch.
///
/// Owns: the caller owns `*out` and frees it with pxds_buffer_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND, PXDS_ERR_IO, PXDS_ERR_LIMIT, PXDS_ERR_FORMAT, PXDS_ERR_CORRUPT,
/// PXDS_ERR_NOMEM.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_load(
    store: *const pxds_store,
    digest: *const u8,
    flags: u32,
    max_len: usize,
    out: *mut *mut pxds_buffer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, store, digest) =
            unsafe { (Out::handle(out, "out")?, args::handle(store, "store")?, args::digest(digest, "digest")?) };
        args::flags(flags, PXDS_LOAD_UNCHECKED, "flags")?;
        let mut bytes = Vec::new();
        if flags & PXDS_LOAD_UNCHECKED != 0 {
            store.core().load_raw(&digest, max_len, &mut bytes)?;
        } else {
            store.core().load(&digest, max_len, &mut bytes)?;
        }
        out.hand_out(pxds_buffer::new(bytes));
        Ok(())
    })
}

/// Tells whether the store has the chunk `digest`: PXDS_OK, or PXDS_NONE.
///
/// A file that is too short for a blob, what a crash may leave, is no chunk. `stored_size`, which may be NULL, gets the
/// length of the file.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_IO.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_has(
    store: *const pxds_store,
    digest: *const u8,
    stored_size: *mut u64,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out_size, store, digest) =
            unsafe { (Out::opt(stored_size), args::handle(store, "store")?, args::digest(digest, "digest")?) };
        let Some(size) = store.core().has(&digest)? else { return Ok(PXDS_NONE) };
        if let Some(out_size) = out_size {
            out_size.set(size);
        }
        Ok(PXDS_OK)
    })
}

/// Sets the access time of chunk `digest` to now, which keeps garbage collection off it. The modification time stays.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND; PXDS_ERR_IO, with EPERM if the file is another user's; PXDS_ERR_STATE
/// and PXDS_ERR_UNSUPPORTED for a store that can only be read.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_touch(
    store: *const pxds_store,
    digest: *const u8,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let (store, digest) = unsafe { (args::handle(store, "store")?, args::digest(digest, "digest")?) };
        store.core().touch(&digest)
    })
}

/// Renames the file of chunk `digest` to DIGEST.N.bad, so that it counts as missing and is stored anew next time.
///
/// N is the lowest free of 0 to 9; if none is, 9 is overwritten. `number`, which may be NULL, gets it. Returns
/// PXDS_NONE if there is no such chunk. See docs/format.md, 5.8.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_IO; PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that can only be read.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_mark_bad(
    store: *const pxds_store,
    digest: *const u8,
    number: *mut u32,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out_number, store, digest) =
            unsafe { (Out::opt(number), args::handle(store, "store")?, args::digest(digest, "digest")?) };
        let Some(taken) = store.core().mark_bad(&digest)? else { return Ok(PXDS_NONE) };
        if let Some(out_number) = out_number {
            out_number.set(taken.into());
        }
        Ok(PXDS_OK)
    })
}

/// Brings the file system of the store to the disk, whatever the sync level.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_IO; PXDS_ERR_STATE once a sync through this handle has failed: what the system
/// could not write it tells only once.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_sync(store: *const pxds_store, err: *mut *mut pxds_error) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for handles.
        unsafe { args::handle(store, "store")? }.core().sync()
    })
}

/// Starts going through all chunks and their bad copies, directory by directory, in no order within one.
///
/// Temporary and foreign files are passed over. What comes or goes meanwhile is seen or not.
///
/// Owns: the caller owns `*out` and frees it with pxds_chunk_iter_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_IO.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_chunks(
    store: *const pxds_store,
    out: *mut *mut pxds_chunk_iter,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out, store) = unsafe { (Out::handle(out, "out")?, args::handle(store, "store")?) };
        out.hand_out(pxds_chunk_iter(Exclusive::new(store.core().chunks()?)));
        Ok(())
    })
}

/// Writes the next chunk to `*entry`. Returns PXDS_NONE at the end, and after a failure.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_IO.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_chunk_iter_next(
    iter: *mut pxds_chunk_iter,
    entry: *mut pxds_chunk_entry,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out, iter) = unsafe { (OutStruct::new(entry, "entry")?, args::handle(iter, "iter")?) };
        let Some(entry) = iter.0.enter()?.next() else { return Ok(PXDS_NONE) };
        let ChunkEntry { digest, bad, stored_size, atime } = entry?;
        out.set(pxds_chunk_entry {
            struct_size: size_of::<pxds_chunk_entry>(),
            stored_size,
            atime,
            digest: digest.0,
            bad: bad.is_some().into(),
            bad_number: bad.unwrap_or(0).into(),
        });
        Ok(PXDS_OK)
    })
}

/// Frees an iterator. NULL is fine.
///
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_chunk_iter_free(iter: *mut pxds_chunk_iter) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free_exclusive(iter, |iter| iter.0.is_busy()) })
}
