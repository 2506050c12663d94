//! Going through everything below a store: the one place that says which indexes there are (docs/format.md, 11.2).
//!
//! # Rules
//!
//! - An index is a regular file whose name ends in `.didx` or `.fidx`, anywhere below the store's directory. Names are
//!   bytes: none has to be UTF-8, or to be a name of the tree.
//! - Hidden names are passed over, with all that is below them. But right in a snapshot an archive may have one: a
//!   manifest can list it.
//! - Links are not followed. One that has a place of the tree, or the name of an index, falls under the rules below.
//! - An entry that has vanished since it was listed is passed over.
//! - *Unseen* is an entry that may be an index, or have indexes below it, and cannot be looked at: a directory that
//!   cannot be opened or listed, one below [`MAX_DEPTH`] others, and an entry that has the name of an index and is
//!   neither a regular file nor a directory. PBS follows a link there.
//! - An entry that is no directory and has the place of one in the tree (7.4) is told of apart: listings tell of it
//!   too.
//! - `lost+found` right in the store's directory may be closed: only root can look in there, and it has no indexes.
//!
//! The caller decides what an unseen entry means. Any other failure ends the walk.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::path::PathBuf;

use super::Tree;
use super::{Place, no_directory};
use crate::chunks::{Swept, Usage, sweep_temporary};
use crate::error::{Error, Kind, Result, push};
use crate::format::IndexKind;
use crate::name::{ArchiveKind, check_id, index_kind};
use crate::sys::{self, Dir, FileKind};

/// Directories below one another, the store's own among them. An open file is held for each.
const MAX_DEPTH: usize = 128;

/// The ends of the names of files that PBS is pulling from another store.
const PULLED: [&[u8]; 2] = [b".tmp", b".tmpdec"];

/// An entry that a walk meets.
pub enum Met<'a> {
    /// A directory, before what is in it.
    Directory,
    /// An index, or a blob right in a snapshot.
    Archive(FoundArchive<'a>),
    /// A temporary file that was to replace an owner, notes, a file of a snapshot or `.gc-status`.
    Temporary(&'a CStr),
    /// A link that leads out of the tree, at this path: no listing tells of it.
    Link(PathBuf),
    /// An entry that is no directory and has the place of one.
    NoDirectory(Error),
    /// An entry that may be an index, or have indexes below it, and cannot be seen: the directory that is told of, or
    /// an entry in it.
    Unseen(Error),
}

/// An archive that a walk meets.
pub struct FoundArchive<'a> {
    /// Its kind.
    pub kind: ArchiveKind,
    /// Its name in the directory.
    pub name: &'a CStr,
    dir: &'a Dir,
}

impl FoundArchive<'_> {
    /// The length of its file; `None` if it is gone.
    pub fn size(&self) -> Result<Option<u64>> {
        Ok(self.dir.lstat(self.name)?.map(|stat| stat.size))
    }
}

/// Takes what a walk meets, and the directory that it is in or that it is: a path below the store's.
pub type OnMet<'a> = dyn FnMut(&[u8], Met<'_>) -> Result<()> + 'a;

impl Tree {
    /// Goes through everything below the store, by the rules above.
    ///
    /// Errors: those of `on_met`; `NoMemory`; `Io` if the store's directory cannot be opened.
    pub fn walk(&self, on_met: &mut OnMet<'_>) -> Result<()> {
        let top = Level { dir: self.base().reopen()?, path: Vec::new(), place: Place::Namespace, below: Vec::new() };
        let mut open = vec![top.list(on_met)?];
        loop {
            let is_deepest = open.len() == MAX_DEPTH;
            let Some(level) = open.last_mut() else { return Ok(()) };
            let Some(name) = level.below.pop() else {
                open.pop();
                continue;
            };
            let path = joined(&level.path, name.to_bytes());
            match open_listed(&level.dir, &name) {
                Ok(Some(dir)) if is_deepest => unseen(on_met, &path, too_deep(&dir))?,
                Ok(Some(dir)) => {
                    let place = level.place.child(name.to_bytes());
                    open.push(Level { dir, path, place, below: Vec::new() }.list(on_met)?);
                }
                Ok(None) => {}
                Err(error) if path == b"lost+found" && error.errno().is_some_and(sys::is_denied) => {}
                Err(error) => unseen(on_met, &path, error)?,
            }
        }
    }

    /// Opens the index at `path`, names below the store's directory, of the kind that its name says; `None` if it is
    /// gone.
    ///
    /// Errors: `Io`; `Format` if it is no regular file.
    pub fn open_index(&self, path: &[u8]) -> Result<Option<(File, u64, IndexKind)>> {
        let Some(kind) = index_kind(path) else { return Ok(None) };
        let Some((dir, name)) = self.open_parent(path)? else { return Ok(None) };
        Ok(dir.open_file(&name)?.map(|(file, stat)| (file, stat.size, kind)))
    }

    /// Removes the temporary file at `path`, names below the store's directory, if `is_garbage` says so.
    ///
    /// Errors: `Io`.
    pub fn sweep_temporary(&self, path: &[u8], is_garbage: impl FnOnce(Usage) -> bool) -> Result<Swept> {
        match self.open_parent(path)? {
            Some((dir, name)) => sweep_temporary(&dir, &name, is_garbage),
            None => Ok(Swept::Passed),
        }
    }

    /// The directory of `path`, and the last name; `None` if it is gone. Links are not followed.
    fn open_parent(&self, path: &[u8]) -> Result<Option<(Dir, CString)>> {
        let mut dir = self.base().reopen()?;
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
}

/// A path below the store's directory, and a name in it.
pub fn joined(path: &[u8], name: &[u8]) -> Vec<u8> {
    if path.is_empty() { name.to_vec() } else { [path, b"/", name].concat() }
}

/// Opens what was a directory when it was listed; `None` if it is gone.
fn open_listed(dir: &Dir, name: &CStr) -> Result<Option<Dir>> {
    match dir.open_child(name)? {
        Some(child) => Ok(Some(child)),
        None => no_directory(dir, name)?.map_or(Ok(None), Err),
    }
}

fn unseen(on_met: &mut OnMet<'_>, path: &[u8], error: Error) -> Result<()> {
    match error.kind() {
        Kind::NotFound => Ok(()),
        Kind::Io | Kind::Format | Kind::Limit => on_met(path, Met::Unseen(error)),
        _ => Err(error),
    }
}

fn too_deep(dir: &Dir) -> Error {
    Error::new(Kind::Limit, "directories are too deep to be searched for indexes").of(dir.path())
}

/// A directory that is being gone through.
struct Level {
    dir: Dir,
    /// Below the store's directory.
    path: Vec<u8>,
    place: Place,
    /// Directories in it that are still to be gone into, the first by name last.
    below: Vec<CString>,
}

impl Level {
    fn list(mut self, on_met: &mut OnMet<'_>) -> Result<Self> {
        on_met(&self.path, Met::Directory)?;
        let entries = match self.dir.entries() {
            Ok(entries) => Some(entries),
            Err(error) => unseen(on_met, &self.path, error).map(|()| None)?,
        };
        for entry in entries.into_iter().flatten() {
            match entry.and_then(|entry| Ok((self.dir.kind_of(&entry)?, entry.name))) {
                Ok((Some(FileKind::Dir), name)) if !is_hidden(&name) => push(&mut self.below, name)?,
                Ok((Some(FileKind::Dir) | None, _)) => {}
                Ok((Some(kind), name)) => match self.file(kind, &name) {
                    Ok(Some(met)) => on_met(&self.path, met)?,
                    Ok(None) => {}
                    Err(error) => unseen(on_met, &self.path, error)?,
                },
                // The directories that have been listed are still gone into.
                Err(error) => {
                    unseen(on_met, &self.path, error)?;
                    break;
                }
            }
        }
        self.below.sort_unstable_by(|a, b| b.cmp(a));
        Ok(self)
    }

    /// What to tell of `name`, which is no directory.
    fn file<'a>(&'a self, kind: FileKind, name: &'a CStr) -> Result<Option<Met<'a>>> {
        let in_snapshot = self.place == Place::Snapshot;
        let archive = ArchiveKind::of_bytes(name.to_bytes())
            .filter(|kind| in_snapshot || !is_hidden(name) && kind.index().is_some());
        // The listings of namespaces, groups and snapshots tell of the links that they meet.
        let is_listed = matches!(self.place, Place::Namespaces | Place::Type | Place::Group);
        Ok(match (kind, archive) {
            (FileKind::File, _) if self.is_temporary(name) => Some(Met::Temporary(name)),
            (FileKind::File, Some(kind)) => Some(Met::Archive(FoundArchive { kind, name, dir: &self.dir })),
            (_, Some(kind)) if kind.index().is_some() => {
                let why = "is not a regular file, and has the name of an index";
                return Err(Error::at(Kind::Format, &self.dir.join(name), why));
            }
            _ if is_hidden(name) => None,
            _ if self.place.child(name.to_bytes()) != Place::Other => {
                no_directory(&self.dir, name)?.map(Met::NoDirectory)
            }
            (FileKind::Other, _) if !is_listed && self.dir.lstat(name)?.is_some_and(|stat| stat.is_link) => {
                Some(Met::Link(self.dir.join(name)))
            }
            _ => None,
        })
    }

    /// Whether `name` is a temporary name by which this library or PBS writes the owner or the notes of a group, a file
    /// of a snapshot, or the store's `.gc-status`.
    fn is_temporary(&self, name: &CStr) -> bool {
        let is_one_of = |stems: &[&CStr]| stems.iter().any(|stem| sys::is_temporary_name(name, stem));
        match self.place {
            Place::Namespace if self.path.is_empty() => is_one_of(&[c".gc-status"]),
            Place::Group => is_one_of(&[c"owner", c"notes"]),
            Place::Snapshot => is_temporary_of_snapshot(name),
            _ => false,
        }
    }
}

fn is_hidden(name: &CStr) -> bool {
    name.to_bytes().starts_with(b".")
}

/// Files of a snapshot get such names in place of their extensions or behind them; PBS has done both, and has two
/// extensions for what it pulls from elsewhere.
fn is_temporary_of_snapshot(name: &CStr) -> bool {
    let Some((stem, _)) = name.to_str().ok().and_then(|text| text.rsplit_once('.')) else { return false };
    let is_temporary = sys::c_name(stem).is_ok_and(|stem| sys::is_temporary_name(name, &stem))
        || PULLED.iter().any(|end| name.to_bytes().ends_with(end));
    is_temporary && check_id(stem).is_ok()
}
