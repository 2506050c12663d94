//! The tree of namespaces, groups and snapshots beside the chunks (docs/format.md, 7).
//!
//! # Contract
//!
//! - A path is built from checked names alone ([`crate::name`]), and walked without following links: nothing here reads
//!   or writes outside the store's directory.
//! - A listing never fails for an invalid name: the entry is skipped, with a notice if it is a directory. A directory
//!   that cannot be read, and something else in the place of a directory, is a notice, and the listing says that it is
//!   not whole.
//! - A snapshot appears and disappears whole, by one rename: it is made, and removed, in a hidden directory outside the
//!   tree.
//! - A snapshot or group with a mount below it is not removed.
//! - Protected snapshots are never removed.
//!
//! # Locks
//!
//! | lock | held |
//! |---|---|
//! | group, exclusive | while a backup runs in it, it is removed, or its owner or notes are changed |
//! | snapshot, exclusive | while it is made, removed (by pruning too), protected or unprotected |
//! | snapshot, shared | while it is read, or is what the next backup builds on |
//! | manifest, exclusive | while it is changed or the snapshot removed; waited for, for 5 seconds at least |
//!
//! All are waited for as [`Base::wait_for_lock`] says. [`TreeLocks`] says what they are taken on, and
//! [`store`](crate::store) in which order.

mod draft;
mod journal;
mod list;
mod lock;
mod manage;
mod namespace;
mod open;
mod place;
mod prune;
mod walk;
mod work;

pub use draft::ManifestDraft;
pub use list::{ArchiveFile, Fact, Listing, SnapshotInfo};
pub use lock::TreeLock;
pub use manage::{DestroyOptions, Destroyed, NewGroup, check_time};
pub use open::{Archive, OpenOptions, OpenSnapshot};
pub use place::{Place, no_directory};
pub use prune::{PruneOptions, Pruned};
pub use walk::{FoundArchive, Met, OnMet, joined};
use work::WORK_PLACE;
pub use work::{Sweep, WorkDir};

use std::ffi::CStr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::base::Base;
use crate::blob::Codec;
use crate::error::{Error, Kind, Result};
use crate::name::{Group, Snapshot};
use crate::sys::{self, Dir};

/// The marker of a protected snapshot.
const PROTECTED_NAME: &str = ".protected";

/// Mode of the tree's directories, less the umask.
const DIR_MODE: u32 = 0o755;

/// Mode of the tree's files, whatever the umask.
pub const FILE_MODE: u32 = 0o644;

/// The form of the locks of groups and snapshots (docs/format.md, 7.8).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TreeLocks {
    /// Their own directories, as PBS did before 3.3.5.
    #[default]
    Directories,
    /// Files below `dir/store`, as PBS does from 3.3.5 on: needed where one that is running shares the store.
    Files {
        /// The directory of all lock files, absolute.
        dir: PathBuf,
        /// The store's name in PBS.
        store: String,
    },
}

/// The tree of an open store. Copies share it.
#[derive(Clone)]
pub struct Tree {
    base: Base,
    locks: Arc<TreeLocks>,
    codec: Arc<Mutex<Codec>>,
}

impl Tree {
    /// The tree of the store `base`.
    pub fn new(base: Base, locks: TreeLocks) -> Self {
        Tree { base, locks: Arc::new(locks), codec: Arc::default() }
    }

    /// The base that it shares with the rest of the store.
    pub fn base(&self) -> &Base {
        &self.base
    }

    /// The form of the locks of groups and snapshots.
    pub fn locks(&self) -> &TreeLocks {
        &self.locks
    }

    /// Lends a codec for one small blob: making one costs more than decoding a manifest. A caller that finds it lent
    /// gets one of its own.
    fn with_codec<T>(&self, work: impl FnOnce(&mut Codec) -> T) -> T {
        match self.codec.try_lock() {
            Ok(mut codec) => work(&mut codec),
            Err(_) => work(&mut Codec::new()),
        }
    }

    fn open_group(&self, group: &Group) -> Result<Option<Dir>> {
        self.base().reopen()?.open_below(&group.path())
    }

    /// Opens the directory of a snapshot.
    ///
    /// Errors: `NotFound`, `Io`.
    pub fn open_snapshot(&self, snapshot: &Snapshot) -> Result<Dir> {
        self.base().reopen()?.open_below(&snapshot.path())?.ok_or_else(|| self.missing("snapshot", &snapshot.path()))
    }

    /// The file `name` right in the store's directory, of at most `max_len` bytes; `None` if it is missing.
    ///
    /// Errors: `Limit`, `Format`, `Io`.
    pub fn read_base_file(&self, name: &CStr, max_len: usize) -> Result<Option<Vec<u8>>> {
        let base = self.base().reopen()?;
        let Some((file, stat)) = base.open_file(name)? else { return Ok(None) };
        sys::read_bounded(&file, stat.size, max_len).map(Some).map_err(|error| error.of(&base.join(name)))
    }

    /// Replaces the file `name` right in the store's directory.
    pub fn replace_base_file(&self, name: &CStr, data: &[u8]) -> Result<()> {
        self.base().reopen()?.replace_file(name, data, FILE_MODE, self.base().owner(), self.syncs())
    }

    fn missing(&self, what: &str, path: &str) -> Error {
        let full = self.base().path().join(path);
        Error::new(Kind::NotFound, format!("there is no {what} {}", full.display())).with_path(&full)
    }
}
