//! Which indexes there are below a store, in its snapshots and beside them.

use std::collections::BTreeMap;
use std::ffi::CString;

use super::PHASE_FIND;
use crate::base::NoticeLevel;
use crate::error::{Error, Kind, Result, push};
use crate::manifest::MANIFEST_NAME;
use crate::name::{Group, Namespace};
use crate::progress::Progress;
use crate::sys;
use crate::tree::{FoundArchive, Listing, Met, SnapshotInfo, Tree};

/// A directory that has indexes, or something else that counts.
#[derive(Default)]
pub(super) struct IndexDir {
    /// Which snapshot the directory is; `None` for any other.
    pub(super) snapshot: Option<usize>,
    /// Its path below the store.
    pub(super) path: Vec<u8>,
    /// The indexes.
    pub(super) indexes: Vec<CString>,
    /// Bytes of their files.
    pub(super) index_len: u64,
    /// How many blobs, less the manifest.
    pub(super) blobs: u64,
    /// Bytes of their files.
    pub(super) blob_len: u64,
    /// Indexes and directories that cannot be looked at.
    pub(super) unreadable: u64,
}

/// The groups, snapshots and directories that statistics count.
pub(super) struct Inventory {
    pub(super) groups: Vec<Group>,
    /// Each with the number of its group; group by group, the oldest of each first.
    pub(super) snapshots: Vec<(usize, SnapshotInfo)>,
    /// The snapshots in this order, then the other directories by path.
    pub(super) dirs: Vec<IndexDir>,
    /// Everything in the place of a group, a snapshot or a directory above these could be seen.
    pub(super) complete: bool,
}

/// Looks for everything. Which indexes there are, [`Tree::walk`] says.
pub(super) fn find(tree: &Tree, progress: &mut Progress) -> Result<Inventory> {
    let Listing { found: groups, mut unseen } = tree.groups_below(&Namespace::root())?;
    let mut snapshots = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        progress.tick()?;
        let infos = tree.snapshots_if_any(group)?;
        for info in infos.found {
            push(&mut snapshots, (number, info))?;
        }
        unseen = unseen.or(infos.unseen);
    }
    let mut numbers = BTreeMap::new();
    for (i, (_, info)) in snapshots.iter().enumerate() {
        sys::check_memory()?;
        numbers.insert(info.snapshot.path().into_bytes(), i);
    }
    let mut finder = Finder { tree, snapshots: numbers, dirs: Vec::new() };
    progress.stage.phase = PHASE_FIND;
    tree.walk(&mut |dir, met| match met {
        Met::Directory => {
            progress.stage.done += 1;
            progress.tick()
        }
        Met::Archive(file) => finder.archive(dir, &file),
        Met::Unseen(error) => finder.left_out(dir, &error),
        // The listings have told of it.
        Met::NoDirectory(_) => Ok(()),
        Met::Temporary(_) | Met::Link(_) => Ok(()),
    })?;
    let mut dirs = finder.dirs;
    dirs.iter_mut().for_each(|dir| dir.indexes.sort_unstable());
    // Entries of one path are added up, in any order.
    dirs.sort_unstable_by(|a, b| {
        let order = |dir: &IndexDir| dir.snapshot.unwrap_or(usize::MAX);
        order(a).cmp(&order(b)).then_with(|| a.path.cmp(&b.path))
    });
    Ok(Inventory { groups, snapshots, dirs, complete: unseen.is_none() })
}

struct Finder<'a> {
    tree: &'a Tree,
    /// The numbers of the snapshots, by path.
    snapshots: BTreeMap<Vec<u8>, usize>,
    dirs: Vec<IndexDir>,
}

impl Finder<'_> {
    /// The entry of the directory `path`.
    fn dir_at(&mut self, path: &[u8]) -> Result<&mut IndexDir> {
        if self.dirs.last().is_none_or(|last| last.path != path) {
            let snapshot = self.snapshots.get(path).copied();
            push(&mut self.dirs, IndexDir { snapshot, path: path.to_vec(), ..IndexDir::default() })?;
        }
        self.dirs.last_mut().ok_or_else(|| Error::new(Kind::Internal, "there is no place"))
    }

    fn archive(&mut self, dir: &[u8], file: &FoundArchive<'_>) -> Result<()> {
        let size = match file.size() {
            Ok(Some(size)) => size,
            // Gone meanwhile.
            Ok(None) => return Ok(()),
            Err(error) if may_be_left_out(&error) => return self.left_out(dir, &error),
            Err(error) => return Err(error),
        };
        let counted = self.dir_at(dir)?;
        if file.kind.index().is_some() {
            counted.index_len = counted.index_len.saturating_add(size);
            push(&mut counted.indexes, file.name.to_owned())?;
        } else if file.name.to_bytes() != MANIFEST_NAME.as_bytes() {
            counted.blobs += 1;
            counted.blob_len = counted.blob_len.saturating_add(size);
        }
        Ok(())
    }

    /// Says that something is left out, and counts it for the directory `dir`.
    fn left_out(&mut self, dir: &[u8], error: &Error) -> Result<()> {
        left_out(self.tree, error)?;
        self.dir_at(dir)?.unreadable += 1;
        Ok(())
    }
}

/// Says that what `error` is about is left out of all numbers.
pub(super) fn left_out(tree: &Tree, error: &Error) -> Result<()> {
    tree.base().notice(NoticeLevel::Warning, &format!("not counted: {}", error.message()), error.path())
}

/// Whether an index that fails so can be left out: the others can still be counted.
pub(super) fn may_be_left_out(error: &Error) -> bool {
    matches!(error.kind(), Kind::Format | Kind::Limit | Kind::Corrupt | Kind::Io)
}
