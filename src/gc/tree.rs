//! Which indexes there are, and in which order they are marked (docs/format.md, 11.2 and 11.4).

use std::collections::{BTreeSet, HashSet};
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::index::IndexKind;
use crate::name::{Group, Namespace, Snapshot};
use crate::snapshot::SnapshotInfo;
use crate::store::{NoticeLevel, Store};
use crate::sys::{self, Dir, DirEntry, FileKind, Stat};

/// Directories below one another. An open file is held for each.
const MAX_DEPTH: usize = 128;

/// Attempts to see the newest snapshot of a group while somebody removes it; the last holds the group.
const MAX_ATTEMPTS: u32 = 10;

/// From the end of a temporary name, which is `.tmp_` and six characters, the place of its last dot.
const TEMPORARY_DOT: usize = 10;

/// An index that is open.
pub(super) struct OpenIndex {
    pub(super) file: File,
    pub(super) len: u64,
    pub(super) kind: IndexKind,
    /// For messages.
    pub(super) path: PathBuf,
    /// How many were listed.
    pub(super) total: u64,
}

/// Takes one index after the other.
pub(super) type Visit<'a> = dyn FnMut(OpenIndex) -> Result<()> + 'a;

/// What a walk has met beside the indexes of snapshots.
pub(super) struct Strays {
    /// Indexes that lie where no snapshot is.
    pub(super) indexes: u64,
    /// Temporary files beside what they were to replace; paths below the store's directory.
    pub(super) temporaries: Vec<Vec<u8>>,
}

/// Gives every index below the store to `visit`, and returns what else was met.
///
/// First those of the snapshots, group by group and the newest first, so that what is removed meanwhile is seen in time;
/// then what else was found.
pub(super) fn visit_indexes(store: &Store, visit: &mut Visit<'_>) -> Result<Strays> {
    let Found { indexes: left, temporaries } = list(store)?;
    let mut walk = Walk { store, base: store.open_base()?, total: left.len() as u64, left, visit };
    for group in store.groups_below(&Namespace::root())? {
        walk.group(&group)?;
    }
    let mut strange = 0;
    for path in std::mem::take(&mut walk.left) {
        strange += u64::from(walk.index(&path)?);
    }
    Ok(Strays { indexes: strange, temporaries })
}

/// Gives the index at `path`, names below the store's directory, to `visit`; false if it is not there.
pub(super) fn visit_one(store: &Store, path: &[u8], visit: &mut Visit<'_>) -> Result<bool> {
    Walk { store, base: store.open_base()?, total: 0, left: BTreeSet::new(), visit }.index(path)
}

/// The kind of index that a file of this name must be; `None` if it need not be one.
pub(super) fn kind_of(name: &[u8]) -> Option<IndexKind> {
    let dot = name.iter().rposition(|&byte| byte == b'.').filter(|&dot| dot > 0)?;
    match &name[dot..] {
        b".didx" => Some(IndexKind::Dynamic),
        b".fidx" => Some(IndexKind::Fixed),
        _ => None,
    }
}

// ---- listing ----

/// A directory that is being gone through.
struct Level {
    dir: Dir,
    /// Below the store's directory.
    path: Vec<u8>,
    /// Directories in it that are still to be gone into.
    below: Vec<CString>,
}

/// Paths below the store's directory.
#[derive(Default)]
struct Found {
    indexes: BTreeSet<Vec<u8>>,
    temporaries: Vec<Vec<u8>>,
}

/// All indexes below the store's directory, at whatever place, but not below hidden names; and what was to replace an
/// owner, notes, a manifest or `.gc-status`.
///
/// Errors: `Io` if anything cannot be listed: it might have an index.
fn list(store: &Store) -> Result<Found> {
    let mut found = Found::default();
    let mut open = vec![read_level(store, store.open_base()?, Vec::new(), &mut found)?];
    while let Some(level) = open.last_mut() {
        let Some(name) = level.below.pop() else {
            open.pop();
            continue;
        };
        let path = joined(&level.path, name.to_bytes());
        let child = match level.dir.open_child(&name) {
            // Only root may look in there, and nobody puts an index there.
            Err(error) if path == b"lost+found" && error.errno().is_some_and(sys::is_denied) => continue,
            other => other.map_err(aborted)?,
        };
        let Some(child) = child else { continue };
        if open.len() == MAX_DEPTH {
            let message = format!("{}: directories are too deep to be searched for indexes", child.path().display());
            return Err(Error::new(Kind::Limit, message).with_path(child.path()));
        }
        open.push(read_level(store, child, path, &mut found)?);
    }
    Ok(found)
}

fn read_level(store: &Store, dir: Dir, path: Vec<u8>, found: &mut Found) -> Result<Level> {
    let mut below = Vec::new();
    let entries = match dir.entries() {
        // Removed since it was opened.
        Err(error) if error.kind() == Kind::NotFound => return Ok(Level { dir, path, below }),
        other => other.map_err(aborted)?,
    };
    for entry in entries {
        let entry = entry.map_err(aborted)?;
        let is_temporary = is_temporary(&path, &entry.name);
        let is_hidden = entry.name.to_bytes().starts_with(b".");
        if is_hidden && !is_temporary {
            continue;
        }
        match dir.kind_of(&entry).map_err(aborted)? {
            Some(FileKind::Dir) if !is_hidden => below.push(entry.name),
            Some(FileKind::File) if is_temporary => found.temporaries.push(joined(&path, entry.name.to_bytes())),
            Some(FileKind::File) if kind_of(entry.name.to_bytes()).is_some() => {
                found.indexes.insert(joined(&path, entry.name.to_bytes()));
            }
            Some(FileKind::Other) => tell_of_link(store, &dir, &entry)?,
            _ => {}
        }
    }
    Ok(Level { dir, path, below })
}

/// Whether `name`, in the directory `path` below the store's, is one under which this library or PBS writes what is then
/// renamed to the owner or the notes of a group, the manifest of a snapshot, or the store's `.gc-status`.
fn is_temporary(path: &[u8], name: &CStr) -> bool {
    // All others at a glance.
    if name.to_bytes().iter().rev().nth(TEMPORARY_DOT) != Some(&b'.') {
        return false;
    }
    let is_one_of = |stems: &[&CStr]| stems.iter().any(|stem| sys::is_temporary_name(name, stem));
    match std::str::from_utf8(path) {
        Ok("") => is_one_of(&[c".gc-status"]),
        Ok(path) => {
            (is_one_of(&[c"owner", c"notes"]) && Group::parse(path).is_ok())
                || (is_one_of(&[c"index.json"]) && Snapshot::parse(path).is_ok())
        }
        Err(_) => false,
    }
}

/// A link may lead to indexes, and they would not be heeded: that is worth a word.
fn tell_of_link(store: &Store, dir: &Dir, entry: &DirEntry) -> Result<()> {
    if !dir.lstat(&entry.name)?.is_some_and(|stat| stat.is_link) {
        return Ok(());
    }
    let path = dir.join(&entry.name);
    let message = format!("{} is a link, which garbage collection does not follow", path.display());
    store.notice(NoticeLevel::Warning, &message, Some(&path))
}

fn aborted(error: Error) -> Error {
    error.context("not all indexes can be found, so nothing is removed")
}

fn joined(path: &[u8], name: &[u8]) -> Vec<u8> {
    if path.is_empty() { name.to_vec() } else { [path, b"/", name].concat() }
}

// ---- visiting ----

struct Walk<'a, 'b> {
    store: &'a Store,
    base: Dir,
    /// What was listed, less what has been visited.
    left: BTreeSet<Vec<u8>>,
    total: u64,
    visit: &'a mut Visit<'b>,
}

impl Walk<'_, '_> {
    fn group(&mut self, group: &Group) -> Result<()> {
        let mut visited = HashSet::new();
        for attempt in 1..=MAX_ATTEMPTS {
            let lock = if attempt == MAX_ATTEMPTS { Some(self.store.lock_group(group)) } else { None };
            let snapshots = lock.transpose().and_then(|_lock| {
                let snapshots = self.store.snapshots(group)?;
                self.snapshots(&snapshots, &mut visited)
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

    /// Visits the indexes of a group's snapshots, the newest first. False if the newest was removed meanwhile: then there
    /// may be a newer one, which has the chunks that only that one had.
    fn snapshots(&mut self, snapshots: &[SnapshotInfo], visited: &mut HashSet<Vec<u8>>) -> Result<bool> {
        for (age, info) in snapshots.iter().rev().enumerate() {
            let files = match self.store.snapshot_files(&info.snapshot) {
                Err(error) if error.kind() == Kind::NotFound && age == 0 => return Ok(false),
                Err(error) if error.kind() == Kind::NotFound => continue,
                other => other?,
            };
            for file in files.iter().filter(|file| kind_of(file.name.as_bytes()).is_some()) {
                let path = joined(info.snapshot.path().as_bytes(), file.name.as_bytes());
                self.left.remove(&path);
                if visited.contains(&path) {
                    continue;
                }
                let found = self.index(&path)?;
                visited.insert(path);
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
        let Some(kind) = kind_of(path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)) else { return Ok(false) };
        let Some((file, len)) = self.open(path).map_err(aborted)? else { return Ok(false) };
        (self.visit)(OpenIndex { file, len, kind, path: full, total: self.total })?;
        Ok(true)
    }

    fn open(&self, path: &[u8]) -> Result<Option<(File, u64)>> {
        let Some((dir, name)) = open_parent(&self.base, path)? else { return Ok(None) };
        Ok(dir.open_file(&name)?.map(|(file, stat)| (file, stat.size)))
    }
}

/// The temporary file at `path`, below `base`: its directory, name and facts. `None` if it is gone, or no regular file.
pub(super) fn find_temporary(base: &Dir, path: &[u8]) -> Result<Option<(Dir, CString, Stat)>> {
    let Some((dir, name)) = open_parent(base, path)? else { return Ok(None) };
    let stat = dir.lstat(&name)?.filter(|stat| stat.kind == FileKind::File);
    Ok(stat.map(|stat| (dir, name, stat)))
}

/// The directory of `path`, below `base`, and the last name; `None` if it is gone. Links are not followed.
fn open_parent(base: &Dir, path: &[u8]) -> Result<Option<(Dir, CString)>> {
    let mut dir = base.reopen()?;
    let mut names = path.split(|&byte| byte == b'/').peekable();
    while let Some(name) = names.next() {
        let name = CString::new(name).map_err(|_| Error::new(Kind::Internal, "a name holds a NUL byte"))?;
        if names.peek().is_none() {
            return Ok(Some((dir, name)));
        }
        match dir.open_child(&name)? {
            Some(child) => dir = child,
            None => return Ok(None),
        }
    }
    Ok(None)
}
