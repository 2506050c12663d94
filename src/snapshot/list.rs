//! What is in the tree (docs/format.md, 7.3 to 7.5).

use std::path::Path;

use super::{PROTECTED_NAME, WorkDir};
use crate::error::{Kind, Result};
use crate::manifest::MANIFEST_NAME;
use crate::name::{BackupType, Group, Namespace, Snapshot, is_archive_file, parse_time};
use crate::store::{NoticeLevel, Store};
use crate::sys::{Dir, FileKind, c_name};

/// A snapshot that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// Its name.
    pub snapshot: Snapshot,
    /// It is not to be removed.
    pub protected: bool,
    /// It has a manifest.
    pub finished: bool,
}

/// A file of a snapshot: an archive, or the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveFile {
    /// Its name.
    pub name: String,
    /// Its length.
    pub size: u64,
}

impl Store {
    /// The namespaces right below `namespace`, or with `recursive` it and all below it, by name.
    ///
    /// Errors: `NotFound` if it is not there; `Io`; that of the notice.
    pub fn namespaces(&self, namespace: &Namespace, recursive: bool) -> Result<Vec<Namespace>> {
        let mut found = self.namespaces_below(namespace)?;
        if recursive {
            // Grows while it is walked; the depth of a namespace is bounded.
            let mut next = 0;
            while let Some(above) = found.get(next) {
                match self.namespaces_below(&above.clone()) {
                    Ok(below) => found.extend(below),
                    // Removed since it was found.
                    Err(error) if error.kind() == Kind::NotFound => {
                        found.swap_remove(next);
                        continue;
                    }
                    Err(error) => return Err(error),
                }
                next += 1;
            }
            found.push(namespace.clone());
        }
        found.sort_unstable();
        Ok(found)
    }

    fn namespaces_below(&self, namespace: &Namespace) -> Result<Vec<Namespace>> {
        let dir = self.open_namespace(namespace)?;
        let mut found = Vec::new();
        if let Some(dir) = dir.open_child(c"ns")? {
            self.each_dir(&dir, |name| namespace.join(name).map(|namespace| found.push(namespace)))?;
        }
        Ok(found)
    }

    /// The groups of `namespace`, in their order.
    ///
    /// Errors: `NotFound` if it is not there; `Io`; that of the notice.
    pub fn groups(&self, namespace: &Namespace) -> Result<Vec<Group>> {
        let dir = self.open_namespace(namespace)?;
        let mut found = Vec::new();
        for kind in BackupType::ALL {
            if let Some(dir) = dir.open_child(&c_name(kind.as_str())?)? {
                self.each_dir(&dir, |id| Group::new(namespace.clone(), kind, id).map(|group| found.push(group)))?;
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// The groups of `namespace` and of all namespaces below it, in their order.
    ///
    /// Errors: as [`Store::groups`].
    pub fn groups_below(&self, namespace: &Namespace) -> Result<Vec<Group>> {
        let mut found = Vec::new();
        for namespace in self.namespaces(namespace, true)? {
            match self.groups(&namespace) {
                Ok(mut groups) => found.append(&mut groups),
                // Removed since it was found.
                Err(error) if error.kind() == Kind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// The snapshots of `group`, the oldest first. One that is removed meanwhile is listed whole, or not at all.
    ///
    /// Errors: `NotFound` if it is not there; `Io`; that of the notice.
    pub fn snapshots(&self, group: &Group) -> Result<Vec<SnapshotInfo>> {
        let dir = self.open_group(group)?.ok_or_else(|| self.missing("group", &group.path()))?;
        let mut times = Vec::new();
        self.each_dir(&dir, |name| match WorkDir::is_name(name) {
            true => Ok(()),
            false => parse_time(name).map(|time| times.push(time)),
        })?;
        times.sort_unstable();
        let info = |time| Snapshot::new(group.clone(), time).and_then(|snapshot| snapshot_info(&dir, snapshot));
        times.into_iter().filter_map(|time| info(time).transpose()).collect()
    }

    /// What there is to say of one snapshot.
    ///
    /// Errors: `NotFound`, `Io`.
    pub fn snapshot_info(&self, snapshot: &Snapshot) -> Result<SnapshotInfo> {
        self.open_snapshot(snapshot)?;
        let path = snapshot.group().path();
        let group = self.open_base()?.open_below(&path)?.ok_or_else(|| self.missing("group", &path))?;
        snapshot_info(&group, snapshot.clone())?.ok_or_else(|| self.missing("snapshot", &snapshot.path()))
    }

    /// The archives of a snapshot, and its manifest, by name.
    ///
    /// Errors: `NotFound`, `Io`.
    pub fn snapshot_files(&self, snapshot: &Snapshot) -> Result<Vec<ArchiveFile>> {
        let dir = self.open_snapshot(snapshot)?;
        let mut files = Vec::new();
        for entry in dir.entries()? {
            let entry = entry?;
            let Ok(name) = entry.name.to_str() else { continue };
            if is_archive_file(name)
                && let Some(stat) = dir.lstat(&entry.name)?.filter(|stat| stat.kind == FileKind::File)
            {
                files.push(ArchiveFile { name: name.to_owned(), size: stat.size });
            }
        }
        files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }

    /// The newest finished snapshot of `group`, if there is one.
    ///
    /// Errors: as [`Store::snapshots`].
    pub fn last_finished(&self, group: &Group) -> Result<Option<Snapshot>> {
        let snapshots = self.snapshots(group)?;
        Ok(snapshots.into_iter().rev().find(|info| info.finished).map(|info| info.snapshot))
    }

    fn open_namespace(&self, namespace: &Namespace) -> Result<Dir> {
        let path = namespace.path();
        self.open_base()?.open_below(&path)?.ok_or_else(|| self.missing("namespace", &path))
    }

    /// Gives `take` the name of each directory in `dir`; what it refuses is skipped with a notice.
    fn each_dir(&self, dir: &Dir, mut take: impl FnMut(&str) -> Result<()>) -> Result<()> {
        let entries = match dir.entries() {
            // Removed since it was opened.
            Err(error) if error.kind() == Kind::NotFound => return Ok(()),
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            if dir.kind_of(&entry)? != Some(FileKind::Dir) {
                continue;
            }
            let taken = match entry.name.to_str() {
                Ok(name) => take(name).map_err(|error| error.message().to_owned()),
                Err(_) => Err("its name is not UTF-8".to_owned()),
            };
            if let Err(why) = taken {
                self.skipped(&dir.join(&entry.name), &why)?;
            }
        }
        Ok(())
    }

    fn skipped(&self, path: &Path, why: &str) -> Result<()> {
        self.notice(NoticeLevel::Warning, &format!("{} is skipped: {why}", path.display()), Some(path))
    }
}

/// `snapshot`, in its group's directory; `None` if it is not there.
fn snapshot_info(group: &Dir, snapshot: Snapshot) -> Result<Option<SnapshotInfo>> {
    let time = snapshot.time_name();
    let stat = |name: &str| group.lstat(&c_name(name)?);
    let protected = stat(&format!("{time}/{PROTECTED_NAME}"))?.is_some();
    let finished = stat(&format!("{time}/{MANIFEST_NAME}"))?.is_some_and(|stat| stat.kind == FileKind::File);
    // One that has just been removed looks as if it were unfinished.
    let is_there = finished || stat(&time)?.is_some_and(|stat| stat.kind == FileKind::Dir);
    Ok(is_there.then_some(SnapshotInfo { snapshot, protected, finished }))
}
