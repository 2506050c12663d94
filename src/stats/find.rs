//! Which indexes there are below a store, in its snapshots and beside them.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::path::Path;

use super::PHASE_FIND;
use crate::error::{Error, Kind, Result, push};
use crate::index::IndexKind;
use crate::manifest::MANIFEST_NAME;
use crate::name::{ArchiveKind, Group, Namespace};
use crate::progress::{Progress, Stage};
use crate::snapshot::{Listing, SnapshotInfo};
use crate::store::{NoticeLevel, Store};
use crate::sys::{self, Dir, FileKind};

/// Directories below one another that are looked into: a snapshot in the deepest namespace is the seventeenth.
const MAX_DEPTH: usize = 32;

/// What the indexes of a directory are found by, and what else counts there.
#[derive(Default)]
pub(super) struct Place {
    /// Which snapshot the directory is; `None` for any other.
    pub(super) snapshot: Option<usize>,
    /// Its path below the store.
    pub(super) path: String,
    /// The indexes.
    pub(super) indexes: Vec<(CString, IndexKind)>,
    /// Bytes of their files.
    pub(super) index_len: u64,
    /// How many blobs, less the manifest.
    pub(super) blobs: u64,
    /// Bytes of their files.
    pub(super) blob_len: u64,
    /// Indexes and directories that cannot be looked at.
    pub(super) unreadable: u64,
}

/// All that statistics are made of.
pub(super) struct Found {
    pub(super) groups: Vec<Group>,
    /// Each with the number of its group; group by group, the oldest of each first.
    pub(super) snapshots: Vec<(usize, SnapshotInfo)>,
    /// The snapshots in this order, then the other directories by path.
    pub(super) places: Vec<Place>,
    /// Nothing in the place of a group, a snapshot or what is above them could not be seen.
    pub(super) complete: bool,
}

/// Looks for everything.
///
/// As for garbage collection an index is any file of that extension below the store's directory, unless a component of
/// its path begins with a dot. Links are not followed.
pub(super) fn find(store: &Store, progress: &mut Progress) -> Result<Found> {
    let Listing { found: groups, mut unseen } = store.groups_below(&Namespace::root())?;
    let mut snapshots = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        progress.tick()?;
        let infos = store.snapshots_if_any(group)?;
        for info in infos.found {
            push(&mut snapshots, (number, info))?;
        }
        unseen = unseen.or(infos.unseen);
    }
    let mut numbers = BTreeMap::new();
    for (i, (_, info)) in snapshots.iter().enumerate() {
        sys::check_memory()?;
        numbers.insert(info.snapshot.path(), i);
    }
    let mut walk = Walk { store, snapshots: numbers, places: Vec::new() };
    walk.run(progress)?;
    let mut places = walk.places;
    // What is noted for one path is added up, in whatever order.
    places.sort_unstable_by(|a, b| {
        let order = |place: &Place| place.snapshot.unwrap_or(usize::MAX);
        order(a).cmp(&order(b)).then_with(|| a.path.cmp(&b.path))
    });
    Ok(Found { groups, snapshots, places, complete: unseen.is_none() })
}

struct Walk<'a> {
    store: &'a Store,
    /// The numbers of the snapshots, by path.
    snapshots: BTreeMap<String, usize>,
    places: Vec<Place>,
}

/// A directory that is open, and what of it is still to be looked into.
struct Level {
    dir: Dir,
    path: String,
    children: Vec<CString>,
}

impl Walk<'_> {
    fn run(&mut self, progress: &mut Progress) -> Result<()> {
        let mut levels = Vec::new();
        levels.extend(self.look(self.store.open_base()?, String::new())?);
        let mut looked = 0;
        while let Some(level) = levels.last_mut() {
            looked += 1;
            progress.advance(Stage { phase: PHASE_FIND, done: looked, ..Stage::default() })?;
            let Some(name) = level.children.pop() else {
                levels.pop();
                continue;
            };
            let full = level.dir.join(&name);
            let Ok(name_text) = name.to_str() else {
                self.skip(&level.path, &full, &format!("{}: its name is not UTF-8", full.display()))?;
                continue;
            };
            let separator = if level.path.is_empty() { "" } else { "/" };
            let path = format!("{}{separator}{name_text}", level.path);
            match level.dir.open_child(&name) {
                Ok(Some(_)) if levels.len() == MAX_DEPTH => {
                    let why = format!("{}: directories are too deep to be looked into", full.display());
                    self.skip(&path, &full, &why)?;
                }
                Ok(Some(dir)) => levels.extend(self.look(dir, path)?),
                Ok(None) => {}
                // The file system's own, which only root may open.
                Err(_) if path == "lost+found" => {}
                Err(error) if may_be_left_out(&error) => self.skip(&path, &full, error.message())?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Says that something is left out, and counts it for the directory `path`.
    fn skip(&mut self, path: &str, full: &Path, why: &str) -> Result<()> {
        left_out(self.store, full, why)?;
        self.place(Place { path: path.to_owned(), unreadable: 1, ..Place::default() })
    }

    fn place(&mut self, place: Place) -> Result<()> {
        let snapshot = self.snapshots.get(&place.path).copied();
        push(&mut self.places, Place { snapshot, ..place })
    }

    /// Notes what is in a directory, and gives its directories to look into.
    fn look(&mut self, dir: Dir, path: String) -> Result<Option<Level>> {
        let mut place = Place { path: path.clone(), ..Place::default() };
        let mut children = Vec::new();
        if let Err(error) = self.list(&dir, &mut place, &mut children) {
            match error.kind() {
                // Removed since it was opened.
                Kind::NotFound => return Ok(None),
                Kind::Io => self.skip(&path, dir.path(), error.message())?,
                _ => return Err(error),
            }
        }
        self.place(place)?;
        Ok(Some(Level { dir, path, children }))
    }

    fn list(&self, dir: &Dir, place: &mut Place, children: &mut Vec<CString>) -> Result<()> {
        for entry in dir.entries()? {
            let entry = entry?;
            if entry.name.to_bytes().starts_with(b".") {
                continue;
            }
            let kind = dir.kind_of(&entry)?;
            if kind == Some(FileKind::Dir) {
                push(children, entry.name)?;
                continue;
            }
            let Some(archive) = archive_kind(&entry.name) else { continue };
            if kind == Some(FileKind::Other) && archive != ArchiveKind::Blob {
                let full = dir.join(&entry.name);
                left_out(self.store, &full, &format!("{} is not a regular file", full.display()))?;
                place.unreadable += 1;
            }
            if kind != Some(FileKind::File) {
                continue;
            }
            // Gone meanwhile.
            let Some(stat) = dir.lstat(&entry.name)? else { continue };
            let index = match archive {
                ArchiveKind::Dynamic => IndexKind::Dynamic,
                ArchiveKind::Fixed => IndexKind::Fixed,
                ArchiveKind::Blob => {
                    if entry.name.to_bytes() != MANIFEST_NAME.as_bytes() {
                        place.blobs += 1;
                        place.blob_len = place.blob_len.saturating_add(stat.size);
                    }
                    continue;
                }
            };
            place.index_len = place.index_len.saturating_add(stat.size);
            push(&mut place.indexes, (entry.name, index))?;
        }
        children.sort_unstable();
        place.indexes.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(())
    }
}

fn archive_kind(name: &CStr) -> Option<ArchiveKind> {
    ArchiveKind::of(&name.to_string_lossy()).ok()
}

/// Says that what is at `path` is left out of all numbers. `why` names it.
pub(super) fn left_out(store: &Store, path: &Path, why: &str) -> Result<()> {
    store.notice(NoticeLevel::Warning, &format!("not counted: {why}"), Some(path))
}

/// Whether an index, or a directory of indexes, that fails so can be left out: the others can still be counted.
pub(super) fn may_be_left_out(error: &Error) -> bool {
    matches!(error.kind(), Kind::Format | Kind::Limit | Kind::Corrupt | Kind::Io)
}
