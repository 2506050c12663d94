//! Which indexes there are, and in which order they are marked (docs/format.md, 11.2 and 11.4).

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result, push, try_collect};
use crate::index::IndexKind;
use crate::name::{Group, Namespace, Snapshot, check_id};
use crate::snapshot::{Listing, Place, SnapshotInfo, no_directory};
use crate::store::{NoticeLevel, Store};
use crate::sys::{self, Dir, FileKind, Stat};

/// Directories below one another. An open file is held for each.
const MAX_DEPTH: usize = 128;

/// Attempts to see the newest snapshot of a group while somebody removes it; the last holds the group.
const MAX_ATTEMPTS: u32 = 10;

/// What the names of files end with that PBS is pulling from another store.
const PULLED: [&[u8]; 2] = [b".tmp", b".tmpdec"];

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

/// What a walk has met beside the indexes of snapshots.
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
    let mut walk = Walk { store, base: store.open_base()?, known: BTreeMap::new(), visit };
    for path in walk.list()?.links {
        tell_of_link(store, &path)?;
    }
    for group in store.groups_below(&Namespace::root()).and_then(Listing::whole).map_err(aborted)? {
        walk.group(&group)?;
    }
    let mut indexes = walk.rest()?;
    let temporaries = walk.list()?.temporaries;
    indexes += walk.rest()?;
    Ok(Strays { indexes, temporaries })
}

/// Gives the index at `path`, names below the store's directory, to `visit`; false if it is not there.
pub(super) fn visit_one(store: &Store, path: &[u8], visit: &mut Visit<'_>) -> Result<bool> {
    Walk { store, base: store.open_base()?, known: BTreeMap::new(), visit }.index(path)
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
    place: Place,
    /// Directories in it that are still to be gone into.
    below: Vec<CString>,
}

/// Paths below the store's directory.
#[derive(Default)]
struct Found {
    indexes: Vec<Vec<u8>>,
    temporaries: Vec<Vec<u8>>,
    /// Links in no place of the tree; whole paths.
    links: Vec<PathBuf>,
}

/// All indexes below the store's directory, at whatever place, but not below hidden names; and what was to replace an
/// owner, notes, a file of a snapshot or `.gc-status`.
///
/// Errors: `Io` if anything cannot be listed: it might have an index; `Format` for what is no directory in the place of
/// one, or has the name of an index and is no file.
fn list(store: &Store) -> Result<Found> {
    let mut found = Found::default();
    let top = Level { dir: store.open_base()?, path: Vec::new(), place: Place::Namespace, below: Vec::new() };
    let mut open = vec![read_level(top, &mut found)?];
    while let Some(level) = open.last_mut() {
        let Some(name) = level.below.pop() else {
            open.pop();
            continue;
        };
        let path = joined(&level.path, name.to_bytes());
        let place = level.place.child(name.to_bytes());
        let dir = match open_listed(&level.dir, &name) {
            // Only root may look in there, and nobody puts an index there.
            Err(error) if path == b"lost+found" && error.errno().is_some_and(sys::is_denied) => continue,
            other => other?,
        };
        let Some(dir) = dir else { continue };
        if open.len() == MAX_DEPTH {
            return Err(Error::new(Kind::Limit, "directories are too deep to be searched for indexes").of(dir.path()));
        }
        open.push(read_level(Level { dir, path, place, below: Vec::new() }, &mut found)?);
    }
    Ok(found)
}

/// Opens what was a directory when it was listed; `None` if it is gone.
fn open_listed(dir: &Dir, name: &CStr) -> Result<Option<Dir>> {
    match dir.open_child(name)? {
        Some(child) => Ok(Some(child)),
        None => no_directory(dir, name)?.map_or(Ok(None), Err),
    }
}

fn read_level(mut level: Level, found: &mut Found) -> Result<Level> {
    let entries = match level.dir.entries() {
        // Removed since it was opened.
        Err(error) if error.kind() == Kind::NotFound => return Ok(level),
        other => other?,
    };
    // The listings of namespaces, groups and snapshots tell of the links that they meet.
    let is_listed = matches!(level.place, Place::Namespaces | Place::Type | Place::Group);
    for entry in entries {
        let entry = entry?;
        let name = entry.name.to_bytes();
        let is_temporary = is_temporary(&level, &entry.name);
        let is_hidden = name.starts_with(b".");
        if is_hidden && !is_temporary {
            continue;
        }
        let is_index = kind_of(name).is_some();
        match level.dir.kind_of(&entry)? {
            Some(FileKind::Dir) if !is_hidden => push(&mut level.below, entry.name)?,
            Some(FileKind::File) if is_temporary => push(&mut found.temporaries, joined(&level.path, name))?,
            Some(FileKind::File) if is_index => push(&mut found.indexes, joined(&level.path, name))?,
            Some(FileKind::Other) if is_index => return Err(no_file(&level.dir, &entry.name)),
            Some(kind) if kind != FileKind::Dir && level.place.child(name) != Place::Other => {
                no_directory(&level.dir, &entry.name)?.map_or(Ok(()), Err)?;
            }
            Some(FileKind::Other) if !is_listed && level.dir.lstat(&entry.name)?.is_some_and(|stat| stat.is_link) => {
                push(&mut found.links, level.dir.join(&entry.name))?;
            }
            _ => {}
        }
    }
    Ok(level)
}

/// What has the name of an index and cannot be one: PBS follows a link there, and its chunks may be needed.
fn no_file(dir: &Dir, name: &CStr) -> Error {
    Error::at(Kind::Format, &dir.join(name), "has the name of an index and is not a regular file")
}

/// Whether `name` in a directory is one under which this library or PBS writes what is then renamed to the owner or the
/// notes of a group, a file of a snapshot, or the store's `.gc-status`.
fn is_temporary(level: &Level, name: &CStr) -> bool {
    let is_one_of = |stems: &[&CStr]| stems.iter().any(|stem| sys::is_temporary_name(name, stem));
    match level.place {
        Place::Namespace if level.path.is_empty() => is_one_of(&[c".gc-status"]),
        Place::Group => is_one_of(&[c"owner", c"notes"]),
        Place::Snapshot => is_temporary_of_snapshot(name),
        _ => false,
    }
}

/// Files of a snapshot get such names in place of their extensions or behind them; PBS has done both, and has two
/// extensions for what it pulls from elsewhere.
fn is_temporary_of_snapshot(name: &CStr) -> bool {
    let Some((stem, _)) = name.to_str().ok().and_then(|text| text.rsplit_once('.')) else { return false };
    let is_temporary = sys::c_name(stem).is_ok_and(|stem| sys::is_temporary_name(name, &stem))
        || PULLED.iter().any(|end| name.to_bytes().ends_with(end));
    is_temporary && check_id(stem).is_ok()
}

/// A link may lead to indexes, and they would not be heeded: that is worth a word.
fn tell_of_link(store: &Store, path: &Path) -> Result<()> {
    let message = format!("{} is a link, which garbage collection does not follow", path.display());
    store.notice(NoticeLevel::Warning, &message, Some(path))
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
    /// Every index that was listed, by its path below the store's directory, and whether it has been visited.
    known: BTreeMap<Vec<u8>, bool>,
    visit: &'a mut Visit<'b>,
}

impl Walk<'_, '_> {
    /// Learns what indexes there are, and gives what else there is.
    fn list(&mut self) -> Result<Found> {
        let mut found = list(self.store).map_err(aborted)?;
        for path in std::mem::take(&mut found.indexes) {
            sys::check_memory()?;
            self.known.entry(path).or_insert(false);
        }
        Ok(found)
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
            let lock = if attempt == MAX_ATTEMPTS { Some(self.store.lock_group(group)) } else { None };
            let snapshots = lock.transpose().and_then(|_lock| {
                let snapshots = self.store.snapshot_listing(group).and_then(Listing::whole).map_err(aborted)?;
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
            let files = match self.store.snapshot_files(&info.snapshot) {
                Err(error) if error.kind() == Kind::NotFound && age == 0 => return Ok(false),
                Err(error) if error.kind() == Kind::NotFound => continue,
                other => other.map_err(aborted)?,
            };
            for file in files.iter().filter(|file| kind_of(file.name.as_bytes()).is_some()) {
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
        let Some(kind) = kind_of(path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)) else { return Ok(false) };
        let Some((file, len)) = self.open(path).map_err(aborted)? else { return Ok(false) };
        let total = self.known.len() as u64;
        let place = IndexPlace { path: full, archive: archive(path) };
        (self.visit)(OpenIndex { file, len, kind, place, total })?;
        Ok(true)
    }

    fn open(&self, path: &[u8]) -> Result<Option<(File, u64)>> {
        let Some((dir, name)) = open_parent(&self.base, path)? else { return Ok(None) };
        Ok(dir.open_file(&name)?.map(|(file, stat)| (file, stat.size)))
    }
}

/// The snapshot in which an index of this path below the store's directory is, if it is in one, and its name there.
fn archive(path: &[u8]) -> Option<(Snapshot, String)> {
    let (snapshot, name) = std::str::from_utf8(path).ok()?.rsplit_once('/')?;
    Some((Snapshot::parse(snapshot).ok()?, name.to_owned()))
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
