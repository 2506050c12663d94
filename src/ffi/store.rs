//! Stores.

use std::ffi::{CString, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::args::{self, Out, size_first};
use super::callback::{notice, progress, pxds_notice_fn, pxds_progress_fn};
use super::error::pxds_error;
use super::guard::{guard, guard_ok, guard_value};
use super::handle::Shared;
use super::status::pxds_status;
use crate::base::{ReadOnly, SyncLevel};
use crate::chunks::{Chunks, Layout};
use crate::error::{Error, Kind, Result};
use crate::manifest::Manifest;
use crate::name::{self, Snapshot};
use crate::store::{Store, StoreOptions, no_chunks};
use crate::sys::{self, Owner};
use crate::tree::{Tree, TreeLocks};

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
/// saved, then the index. Before an index that re-uses chunks, which another program may not have synced, the whole
/// file system.
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
/// 0700. Files below it have the server's modes either way: other users may read owners, notes and small files there.
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

/// pxds_progress.phase of a store that is made; done, total: directories of chunks.
pub const PXDS_STORE_PHASE_CREATE: u32 = 0;
/// pxds_progress.phase of any call that waits for a lock; done: milliseconds, of `total` at most.
pub const PXDS_STORE_PHASE_LOCK: u32 = 1;

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
    /// The name by which a running Proxmox Backup Server knows the store; NULL if none shares it. Versions from 3.3.5
    /// on lock groups and snapshots by files in `lock_dir`, older ones by the directories themselves, as NULL does. See
    /// docs/format.md, 7.8.
    pub store_name: *const c_char,
    /// With `store_name`: the directory of the lock files; NULL for /run/proxmox-backup/locks.
    pub lock_dir: *const c_char,
    /// Milliseconds that a lock is waited for while another process, handle or thread holds it. Every call that takes
    /// one does so, pruning for each snapshot in use. 0: a lock that is held is PXDS_ERR_BUSY at once; only that of a
    /// manifest is waited for in any case, for 5 seconds. Callers that hold a lock while they wait for another may wait
    /// for each other: two that hold a store shared, and collect garbage in it, do until this ends. The message of
    /// PXDS_ERR_BUSY then says how long that was.
    pub lock_wait_ms: u64,
    /// Is told by pxds_store_create() how many of the directories of PXDS_LAYOUT_HEX4 there are: 65536 of them take
    /// seconds on some file systems. With `lock_wait_ms` it is told too by every call while that waits for a lock, on
    /// its thread, for as long as `notice` may be. See PXDS_STORE_PHASE_... May be NULL.
    pub progress: pxds_progress_fn,
    /// Handed to `progress`.
    pub progress_user: *mut c_void,
}

size_first!(pxds_store_options);

/// An open chunk store. Shared.
///
/// Any number of threads, handles and processes may use one store at once. A chunk is seen whole or not at all.
pub struct pxds_store {
    opened: Shared<Opened>,
    path: CString,
}

/// A directory that was opened as a store.
#[derive(Clone)]
pub(super) enum Opened {
    Store(Store),
    /// One without chunks, with PXDS_STORE_BARE.
    Bare(Tree),
}

impl Opened {
    pub(super) fn tree(&self) -> &Tree {
        match self {
            Opened::Store(store) => store.tree(),
            Opened::Bare(tree) => tree,
        }
    }

    /// Errors: `NotFound` if there are no chunks.
    pub(super) fn store(&self) -> Result<&Store> {
        match self {
            Opened::Store(store) => Ok(store),
            Opened::Bare(tree) => Err(no_chunks(tree.base().path())),
        }
    }

    /// See [`Store::sync`].
    fn sync(&self) -> Result<()> {
        match self {
            Opened::Store(store) => store.sync(),
            Opened::Bare(tree) => tree.base().sync(),
        }
    }

    /// See [`Store::store_manifest`].
    pub(super) fn store_manifest(&self, snapshot: &Snapshot, manifest: &Manifest) -> Result<()> {
        match self {
            Opened::Store(store) => store.store_manifest(snapshot, manifest),
            Opened::Bare(tree) => tree.store_manifest(snapshot, manifest, || match tree.base().sync_level() {
                SyncLevel::None => Ok(()),
                _ => self.sync(),
            }),
        }
    }
}

impl pxds_store {
    fn new(opened: Opened) -> Result<Self> {
        let path = CString::new(opened.tree().base().path().as_os_str().as_bytes())
            .map_err(|_| Error::new(Kind::Argument, "a path holds a NUL byte"))?;
        Ok(pxds_store { opened: Shared::new(opened), path })
    }

    /// The store that was opened.
    pub(super) fn opened(&self) -> &Opened {
        &self.opened
    }

    pub(super) fn tree(&self) -> &Tree {
        self.opened.tree()
    }

    /// Errors: `NotFound` if there are no chunks.
    pub(super) fn store(&self) -> Result<&Store> {
        self.opened.store()
    }

    /// Errors: `NotFound` if there are none.
    pub(super) fn chunks(&self) -> Result<&Chunks> {
        self.store().map(Store::chunks)
    }
}

pub(super) const LAYOUTS: [(u32, Layout); 2] = [(PXDS_LAYOUT_HEX2, Layout::Hex2), (PXDS_LAYOUT_HEX4, Layout::Hex4)];

const SYNC_LEVELS: [(u32, SyncLevel); 4] = [
    (PXDS_SYNC_DEFAULT, SyncLevel::Filesystem),
    (PXDS_SYNC_NONE, SyncLevel::None),
    (PXDS_SYNC_FILE, SyncLevel::File),
    (PXDS_SYNC_FILESYSTEM, SyncLevel::Filesystem),
];

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
    let owner = (options.owner_uid, options.owner_gid);
    let owner = args::given(options.flags, PXDS_STORE_SET_OWNER, owner, "the owner of options")?;
    Ok(StoreOptions {
        layout: match options.layout {
            PXDS_LAYOUT_DEFAULT => None,
            layout => Some(args::choice(layout, "options.layout", &LAYOUTS)?),
        },
        sync: args::choice(options.sync, "options.sync", &SYNC_LEVELS)?,
        owner: owner.map(|(uid, gid)| Owner { uid, gid }),
        mixed: options.flags & PXDS_STORE_MIXED != 0,
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
        lock_wait_ms: options.lock_wait_ms,
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
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, path, options) =
            unsafe { (Out::handle(out, "out")?, args::path(path, "path")?, read_options(options, false)?) };
        Ok(out.hand_out(pxds_store::new(Opened::Store(Store::create(path, &options)?))?))
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
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, path, flags, options) = unsafe {
            let (out, path) = (Out::handle(out, "out")?, args::path(path, "path")?);
            (out, path, args::options(options)?.flags, read_options(options, true)?)
        };
        let is_bare = flags & PXDS_STORE_BARE != 0;
        let opened = match Store::open(path, &options) {
            Err(error) if is_bare && error.kind() == Kind::NotFound => Opened::Bare(Store::open_tree(path, &options)?),
            store => Opened::Store(store?),
        };
        Ok(out.hand_out(pxds_store::new(opened)?))
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
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, path, options) =
            unsafe { (Out::handle(out, "out")?, args::path(path, "path")?, read_options(options, false)?) };
        Ok(out.hand_out(pxds_store::new(Opened::Store(Store::open_or_create(path, &options)?))?))
    })
}

/// Frees a store. NULL is fine. Objects that were made from it stay valid.
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

/// PXDS_LAYOUT_HEX2 or PXDS_LAYOUT_HEX4; PXDS_LAYOUT_DEFAULT for a store without chunks, and for NULL.
///
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_layout(store: *const pxds_store) -> u32 {
    guard_value(PXDS_LAYOUT_DEFAULT, || {
        // SAFETY: the header's rules for handles.
        let store = unsafe { args::opt(store) };
        match store.and_then(|store| store.chunks().ok()).map(Chunks::layout) {
            None => PXDS_LAYOUT_DEFAULT,
            Some(Layout::Hex2) => PXDS_LAYOUT_HEX2,
            Some(Layout::Hex4) => PXDS_LAYOUT_HEX4,
        }
    })
}

/// Brings the file system of the store to the disk, whatever the sync level.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_IO; PXDS_ERR_STATE once a sync through this handle has failed: the system tells
/// only once of data that it could not write.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_sync(store: *const pxds_store, err: *mut *mut pxds_error) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for handles.
        unsafe { args::handle(store, "store")? }.opened.sync()
    })
}
