//! Which names below a store are places of directories of its tree (docs/format.md, 7.4).

use std::ffi::CStr;

use super::Tree;
use crate::calendar::parse_time;
use crate::error::{Error, Kind, Result};
use crate::name::{BackupType, check_id};
use crate::sys::{Dir, FileKind, c_name};

/// The kind of a directory, by its path below the store alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A namespace; the store's own directory is that of the root.
    Namespace,
    /// `ns`, which has the namespaces below one.
    Namespaces,
    /// `ct`, `host` or `vm`.
    Type,
    /// A group.
    Group,
    /// A snapshot.
    Snapshot,
    /// No part of the tree.
    Other,
}

impl Place {
    /// The place of the directory `name` in a directory of this place.
    pub fn child(self, name: &[u8]) -> Place {
        let Ok(name) = std::str::from_utf8(name) else { return Place::Other };
        match self {
            Place::Namespace if name == "ns" => Place::Namespaces,
            Place::Namespace if BackupType::parse(name).is_ok() => Place::Type,
            Place::Namespaces if check_id(name).is_ok() => Place::Namespace,
            Place::Type if check_id(name).is_ok() => Place::Group,
            Place::Group if parse_time(name).is_ok() => Place::Snapshot,
            _ => Place::Other,
        }
    }
}

/// The error that `name` has the place of a directory of the tree and is none; `None` if it has gone, or is a directory
/// after all.
///
/// Behind it there may be snapshots that are not seen, on another disk for example.
pub fn no_directory(dir: &Dir, name: &CStr) -> Result<Option<Error>> {
    let Some(stat) = dir.lstat(name)?.filter(|stat| stat.kind != FileKind::Dir) else { return Ok(None) };
    let what = match stat.kind {
        _ if stat.is_link => "a link",
        FileKind::File => "a file",
        _ => "a special file",
    };
    let why = format!("is {what} in the place of a directory");
    Ok(Some(Error::at(Kind::Format, &dir.join(name), why)))
}

impl Tree {
    /// Opens a directory of the tree, by its path below the store; `None` if it is not there.
    ///
    /// Errors: `Io`; `Format`, with the path, if something that is no directory has its place, or that of one above it.
    pub(super) fn open_place(&self, path: &str) -> Result<Option<Dir>> {
        let mut dir = self.base().reopen()?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let name = c_name(name)?;
            match dir.open_child(&name)? {
                Some(child) => dir = child,
                None => return no_directory(&dir, &name)?.map_or(Ok(None), Err),
            }
        }
        Ok(Some(dir))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str) -> Place {
        path.split('/').fold(Place::Namespace, |place, name| place.child(name.as_bytes()))
    }

    #[test]
    fn by_path() {
        for (path, expected) in [
            ("ns", Place::Namespaces),
            ("ns/a", Place::Namespace),
            ("ns/ns", Place::Namespace),
            ("ns/a/ns/b", Place::Namespace),
            ("vm", Place::Type),
            ("ns/a/ct", Place::Type),
            ("host/x", Place::Group),
            ("host/host", Place::Group),
            ("ns/a/vm/100", Place::Group),
            ("host/x/2024-01-01T00:00:00Z", Place::Snapshot),
            ("ns/a/vm/100/2024-01-01T00:00:00Z", Place::Snapshot),
            ("latest", Place::Other),
            ("VM", Place::Other),
            ("ns/-a", Place::Other),
            ("host/.x", Place::Other),
            ("host/x/latest", Place::Other),
            ("host/x/2024-02-30T00:00:00Z", Place::Other),
            ("host/x/2024-01-01T00:00:00Z.tmp_AbC123", Place::Other),
            ("host/x/2024-01-01T00:00:00Z/a", Place::Other),
            ("latest/host", Place::Other),
        ] {
            assert_eq!(place(path), expected, "{path}");
        }
        assert_eq!(Place::Type.child(b"\xff"), Place::Other);
    }
}
