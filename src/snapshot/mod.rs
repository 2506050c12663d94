//! The tree of namespaces, groups and snapshots beside the chunks (docs/format.md, 7).
//!
//! # Contract
//!
//! - A path is built from checked names alone ([`crate::name`]), and walked without following links: nothing here reads
//!   or writes outside the store's directory.
//! - A listing never fails for a name that is none: it is skipped, with a notice if a directory has it. What cannot be
//!   seen, or is no directory in the place of one, is a notice, and the listing says that it is not whole.
//! - A snapshot appears and disappears whole, by one rename: it is made, and removed, in a hidden directory outside the
//!   tree.
//! - What is mounted below a snapshot or group is not removed with it, and neither is the snapshot then.
//! - Protected snapshots are never removed.
//!
//! # Locks
//!
//! | lock | held |
//! |---|---|
//! | group, exclusive | while a backup runs in it, it is removed, or its owner or notes are changed |
//! | snapshot, exclusive | while it is made, removed (by pruning too), protected or unprotected |
//! | snapshot, shared | while it is read, or is what the next backup builds on |
//! | manifest, exclusive | while it is changed or the snapshot removed; waited for, up to 5 seconds |
//!
//! They are taken in this order, after the store's process lock. All but the manifest's are taken at once or not at
//! all. [`TreeLocks`](crate::store::TreeLocks) says what they are taken on.

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
pub use list::{ArchiveFile, Listing, SnapshotInfo};
pub use lock::TreeLock;
pub use manage::{DestroyOptions, Destroyed, NewGroup, check_time};
pub use open::{Archive, OpenOptions, OpenSnapshot};
pub use place::{Place, no_directory};
pub use prune::{PruneOptions, Pruned};
pub use walk::{FoundArchive, Met, OnMet, joined};
use work::WORK_PLACE;
pub use work::{Sweep, WorkDir};

use std::ffi::CStr;

use crate::error::{Error, Kind, Result};
use crate::name::{Group, Snapshot};
use crate::store::Store;
use crate::sys::{self, Dir};

/// The marker of a protected snapshot.
const PROTECTED_NAME: &str = ".protected";

/// Mode of the tree's directories, less the umask.
const DIR_MODE: u32 = 0o755;

/// Mode of the tree's files, whatever the umask.
pub const FILE_MODE: u32 = 0o644;

impl Store {
    fn open_group(&self, group: &Group) -> Result<Option<Dir>> {
        self.open_base()?.open_below(&group.path())
    }

    /// Opens the directory of a snapshot.
    ///
    /// Errors: `NotFound`, `Io`.
    pub fn open_snapshot(&self, snapshot: &Snapshot) -> Result<Dir> {
        self.open_base()?.open_below(&snapshot.path())?.ok_or_else(|| self.missing("snapshot", &snapshot.path()))
    }

    /// The file `name` right in the store's directory, of at most `max_len` bytes; `None` if there is none.
    ///
    /// Errors: `Limit`, `Format`, `Io`.
    pub fn read_base_file(&self, name: &CStr, max_len: usize) -> Result<Option<Vec<u8>>> {
        let base = self.open_base()?;
        let Some((file, stat)) = base.open_file(name)? else { return Ok(None) };
        sys::read_bounded(&file, stat.size, max_len).map(Some).map_err(|error| error.of(&base.join(name)))
    }

    /// Replaces the file `name` right in the store's directory.
    pub fn replace_base_file(&self, name: &CStr, data: &[u8]) -> Result<()> {
        self.open_base()?.replace_file(name, data, FILE_MODE, self.owner(), self.syncs())
    }

    fn missing(&self, what: &str, path: &str) -> Error {
        let full = self.path().join(path);
        Error::new(Kind::NotFound, format!("there is no {what} {}", full.display())).with_path(&full)
    }
}
