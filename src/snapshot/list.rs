//! What is in the tree (docs/format.md, 7.3 to 7.5).

use std::path::Path;

use super::work::is_old_name;
use super::{PROTECTED_NAME, WORK_PLACE};
use crate::error::{Error, Kind, Result};
use crate::manifest::MANIFEST_NAME;
use crate::name::{BackupType, Group, Namespace, Snapshot, is_archive_file, parse_time};
use crate::store::{NoticeLevel, Store};
use crate::sys::{self, Dir, FileKind, c_name};

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

    /// The snapshots of `group`, the oldest first. One that is removed meanwhile is listed whole, or not at all. One that may
    /// not be looked into is skipped with a notice.
    ///
    /// Errors: `NotFound` if it is not there; `Io`; that of the notice.
    pub fn snapshots(&self, group: &Group) -> Result<Vec<SnapshotInfo>> {
        let (dir, snapshots) = self.named_snapshots(group)?;
        let mut infos = Vec::with_capacity(snapshots.len());
        for snapshot in snapshots {
            match snapshot_info(&dir, &snapshot) {
                Err(error) if is_denied(&error) => {
                    self.skipped(&self.path().join(snapshot.path()), error.message())?;
                }
                info => infos.extend(info?),
            }
        }
        Ok(infos)
    }

    /// As [`Store::snapshots`], of one of several groups: `None` if it is gone, or, with a notice, if it may not be listed.
    pub fn snapshots_if_any(&self, group: &Group) -> Result<Option<Vec<SnapshotInfo>>> {
        match self.snapshots(group) {
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) if is_denied(&error) => {
                self.skipped(&self.path().join(group.path()), error.message()).map(|()| None)
            }
            infos => infos.map(Some),
        }
    }

    /// The names of the snapshots of `group`, the oldest first, whatever there is in them.
    ///
    /// Errors: `NotFound` if it is not there; `Io`; that of the notice.
    pub fn snapshot_names(&self, group: &Group) -> Result<Vec<Snapshot>> {
        self.named_snapshots(group).map(|(_, snapshots)| snapshots)
    }

    fn named_snapshots(&self, group: &Group) -> Result<(Dir, Vec<Snapshot>)> {
        let dir = self.open_group(group)?.ok_or_else(|| self.missing("group", &group.path()))?;
        let mut times = Vec::new();
        self.each_dir(&dir, |name| match is_old_name(name) {
            true => Ok(()),
            false => parse_time(name).map(|time| times.push(time)),
        })?;
        times.sort_unstable();
        let snapshots = times.into_iter().map(|time| Snapshot::new(group.clone(), time)).collect::<Result<_>>()?;
        Ok((dir, snapshots))
    }

    /// What there is to say of one snapshot.
    ///
    /// Errors: `NotFound`, `Io`.
    pub fn snapshot_info(&self, snapshot: &Snapshot) -> Result<SnapshotInfo> {
        self.open_snapshot(snapshot)?;
        let path = snapshot.group().path();
        let group = self.open_base()?.open_below(&path)?.ok_or_else(|| self.missing("group", &path))?;
        snapshot_info(&group, snapshot)?.ok_or_else(|| self.missing("snapshot", &snapshot.path()))
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
    /// Errors: `NotFound` if the group is not there; `Io`, also for a snapshot that may not be looked into; that of the notice.
    pub fn last_finished(&self, group: &Group) -> Result<Option<Snapshot>> {
        let (dir, snapshots) = self.named_snapshots(group)?;
        for snapshot in snapshots.into_iter().rev() {
            if snapshot_info(&dir, &snapshot)?.is_some_and(|info| info.finished) {
                return Ok(Some(snapshot));
            }
        }
        Ok(None)
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
            if dir.kind_of(&entry)? != Some(FileKind::Dir) || entry.name.as_c_str() == WORK_PLACE {
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
fn snapshot_info(group: &Dir, snapshot: &Snapshot) -> Result<Option<SnapshotInfo>> {
    let time = snapshot.time_name();
    let stat = |name: &str| group.lstat(&c_name(name)?);
    let protected = stat(&format!("{time}/{PROTECTED_NAME}"))?.is_some();
    let finished = stat(&format!("{time}/{MANIFEST_NAME}"))?.is_some_and(|stat| stat.kind == FileKind::File);
    // One that has just been removed looks as if it were unfinished.
    let is_there = finished || stat(&time)?.is_some_and(|stat| stat.kind == FileKind::Dir);
    Ok(is_there.then(|| SnapshotInfo { snapshot: snapshot.clone(), protected, finished }))
}

fn is_denied(error: &Error) -> bool {
    error.errno().is_some_and(sys::is_denied)
}
