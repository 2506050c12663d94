//! Which indexes there are, and in which order they are marked (docs/format.md, 11.2 and 11.4).

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::base::NoticeLevel;
use crate::error::{Error, Kind, Result, push, try_collect};
use crate::index::IndexKind;
use crate::name::{Group, Namespace, Snapshot, index_kind};
use crate::store::Store;
use crate::sys;
use crate::tree::{Listing, Met, SnapshotInfo, joined};

/// Attempts to see the newest snapshot of a group while newest ones are removed; the last attempt locks the group.
const MAX_ATTEMPTS: u32 = 10;

/// An index that is open.
pub(super) struct OpenIndex {
    pub(super) file: File,
    pub(super) len: u64,
    pub(super) kind: IndexKind,
    pub(super) place: IndexPlace,
    /// How many are known.
    pub(super) total: u64,
}

/// Where an index is.
pub(super) struct IndexPlace {
    /// For messages.
    pub(super) path: PathBuf,
    /// The snapshot that it is in, if it is in one, and its name there.
    pub(super) archive: Option<(Snapshot, String)>,
}

/// Takes one index after the other.
pub(super) type Visit<'a> = dyn FnMut(OpenIndex) -> Result<()> + 'a;

/// The files that a walk has met besides the indexes of snapshots.
pub(super) struct Strays {
    /// Indexes that lie where no snapshot is.
    pub(super) indexes: u64,
    /// Temporary files beside what they were to replace; paths below the store's directory.
    pub(super) temporaries: Vec<Vec<u8>>,
}

/// Gives every index below the store to `visit`, and returns what else was met.
///
/// First those of the snapshots, group by group and the newest first, so that what is removed meanwhile is seen in
/// time; then what else was listed before. In the end all is listed once more, and what is new there is visited: no
/// listing is believed by itself, nor that a file is gone.
pub(super) fn visit_indexes(store: &Store, visit: &mut Visit<'_>) -> Result<Strays> {
    let mut all = Indexes { store, known: BTreeMap::new(), visit };
    for path in all.list()?.links {
        tell_of_link(store, &path)?;
    }
    for group in store.tree().groups_below(&Namespace::root()).and_then(Listing::whole).map_err(aborted)? {
        all.group(&group)?;
    }
    let mut indexes = all.rest()?;
    let temporaries = all.list()?.temporaries;
    indexes += all.rest()?;
    Ok(Strays { indexes, temporaries })
}

/// Gives the index at `path`, names below the store's directory, to `visit`, if it is there.
pub(super) fn visit_one(store: &Store, path: &[u8], visit: &mut Visit<'_>) -> Result<()> {
    Indexes { store, known: BTreeMap::new(), visit }.index(path).map(drop)
}

/// A link may lead to indexes, which are not followed: each brings a notice.
fn tell_of_link(store: &Store, path: &Path) -> Result<()> {
    let message = format!("{} is a link, which garbage collection does not follow", path.display());
    store.base().notice(NoticeLevel::Warning, &message, Some(path))
}

fn aborted(error: Error) -> Error {
    error.context("not all indexes can be found, so nothing is removed")
}

/// The files that are met besides indexes.
#[derive(Default)]
struct Others {
    /// Temporary files; paths below the store's directory.
    temporaries: Vec<Vec<u8>>,
    /// Links in no place of the tree; whole paths.
    links: Vec<PathBuf>,
}

struct Indexes<'a, 'b> {
    store: &'a Store,
    /// Every index that was listed, by its path below the store's directory, and whether it has been visited.
    known: BTreeMap<Vec<u8>, bool>,
    visit: &'a mut Visit<'b>,
}

impl Indexes<'_, '_> {
    /// Learns what indexes there are, and gives what else there is.
    ///
    /// Errors: that of an entry that cannot be seen, or is no directory and has the place of one: it might have an
    /// index.
    fn list(&mut self) -> Result<Others> {
        let (mut found, known) = (Others::default(), &mut self.known);
        let walked = self.store.tree().walk(&mut |dir, met| match met {
            Met::Archive(file) if file.kind.index().is_some() => {
                sys::check_memory()?;
                known.entry(joined(dir, file.name.to_bytes())).or_insert(false);
                Ok(())
            }
            Met::Temporary(name) => push(&mut found.temporaries, joined(dir, name.to_bytes())),
            Met::Link(path) => push(&mut found.links, path),
            Met::NoDirectory(error) | Met::Unseen(error) => Err(error),
            Met::Archive(_) | Met::Directory => Ok(()),
        });
        walked.map_err(aborted).map(|()| found)
    }

    /// Visits what is known and has not been visited, and gives how many of these are in no snapshot.
    fn rest(&mut self) -> Result<u64> {
        let left = self.known.iter().filter(|(_, visited)| !**visited);
        let left = try_collect(left.map(|(path, _)| sys::check_memory().map(|()| path.clone())))?;
        let mut strays = 0;
        for path in left {
            if self.index(&path)? {
                strays += u64::from(archive(&path).is_none());
                self.known.insert(path, true);
            }
        }
        Ok(strays)
    }

    fn group(&mut self, group: &Group) -> Result<()> {
        for attempt in 1..=MAX_ATTEMPTS {
            let lock = if attempt == MAX_ATTEMPTS { Some(self.store.tree().lock_group(group)) } else { None };
            let snapshots = lock.transpose().and_then(|_lock| {
                let snapshots = self.store.tree().snapshot_listing(group).and_then(Listing::whole).map_err(aborted)?;
                self.snapshots(&snapshots)
            });
            match snapshots {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                // The whole group is gone.
                Err(error) if error.kind() == Kind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Visits the indexes of a group's snapshots, the newest first. False if the newest was removed meanwhile: then
    /// there may be a newer one, which has the chunks that only that one had.
    fn snapshots(&mut self, snapshots: &[SnapshotInfo]) -> Result<bool> {
        for (age, info) in snapshots.iter().rev().enumerate() {
            let files = match self.store.tree().snapshot_files(&info.snapshot) {
                Err(error) if error.kind() == Kind::NotFound && age == 0 => return Ok(false),
                Err(error) if error.kind() == Kind::NotFound => continue,
                other => other.map_err(aborted)?,
            };
            for file in files.iter().filter(|file| index_kind(file.name.as_bytes()).is_some()) {
                let path = joined(info.snapshot.path().as_bytes(), file.name.as_bytes());
                if self.known.get(&path) == Some(&true) {
                    continue;
                }
                let found = self.index(&path)?;
                self.known.insert(path, found);
                if !found && age == 0 {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Visits the index at `path`; false if it is gone.
    fn index(&mut self, path: &[u8]) -> Result<bool> {
        let full = self.store.path().join(Path::new(OsStr::from_bytes(path)));
        let Some((file, len, kind)) = self.store.tree().open_index(path).map_err(aborted)? else { return Ok(false) };
        let total = self.known.len() as u64;
        let place = IndexPlace { path: full, archive: archive(path) };
        (self.visit)(OpenIndex { file, len, kind, place, total })?;
        Ok(true)
    }
}

/// The snapshot in which an index of this path below the store's directory is, if it is in one, and its name there.
fn archive(path: &[u8]) -> Option<(Snapshot, String)> {
    let (snapshot, name) = std::str::from_utf8(path).ok()?.rsplit_once('/')?;
    Some((Snapshot::parse(snapshot).ok()?, name.to_owned()))
}
