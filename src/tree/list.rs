//! Listings of the tree (docs/format.md, 7.3 to 7.5).

use std::ffi::CStr;
use std::path::Path;

use super::Tree;
use super::work::is_old_name;
use super::{PROTECTED_NAME, WORK_PLACE, no_directory};
use crate::base::NoticeLevel;
use crate::calendar::parse_time;
use crate::error::{Error, Kind, Result, no_memory, push, reserve, try_collect};
use crate::manifest::{MANIFEST_NAME, Manifest};
use crate::name::{BackupType, Group, Namespace, Snapshot, index_kind, is_archive_file};
use crate::sys::{self, Dir, FileKind, c_name};

/// A snapshot that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// Its name.
    pub snapshot: Snapshot,
    /// It is not to be removed.
    pub protected: bool,
    /// It has a manifest, or something else of that name.
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

/// The result of a listing.
#[derive(Debug)]
pub struct Listing<T> {
    /// The entries.
    pub found: Vec<T>,
    /// Why there may be more: the error of the first entry that could not be seen. There has been a notice for each.
    pub unseen: Option<Error>,
}

/// What an entry of a listing says beside its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact<T> {
    /// It has been read.
    Known(T),
    /// The entry has been removed since it was found.
    Gone,
    /// It cannot be read. There has been a notice.
    Unreadable,
}

impl<T> Listing<T> {
    fn new() -> Self {
        Listing { found: Vec::new(), unseen: None }
    }

    /// All that there is.
    ///
    /// Errors: that of the entry that could not be seen.
    pub fn whole(self) -> Result<Vec<T>> {
        self.unseen.map_or(Ok(self.found), Err)
    }

    /// Adds what was found elsewhere.
    ///
    /// Errors: `NoMemory`.
    fn append<U>(&mut self, other: Listing<U>, convert: impl FnMut(U) -> T) -> Result<()> {
        self.found.try_reserve(other.found.len()).map_err(|_| no_memory(other.found.len() * size_of::<T>()))?;
        self.found.extend(other.found.into_iter().map(convert));
        self.unseen = self.unseen.take().or(other.unseen);
        Ok(())
    }

    /// Goes on without what is at `path`, if `error` is of a kind that leaves the rest to be seen.
    fn pass_over(&mut self, tree: &Tree, path: &Path, error: Error) -> Result<()> {
        match error.kind() {
            // Removed since it was found.
            Kind::NotFound => Ok(()),
            Kind::Io | Kind::Format => {
                tree.skipped(path, error.message())?;
                self.unseen.get_or_insert(error);
                Ok(())
            }
            _ => Err(error),
        }
    }
}

impl Tree {
    /// The namespaces right below `namespace`, or with `recursive` it and all below it, by name.
    ///
    /// Errors: `NotFound` if it is not there; `Io` and `Format` if it cannot be listed; that of the notice.
    pub fn namespaces(&self, namespace: &Namespace, recursive: bool) -> Result<Listing<Namespace>> {
        let mut listing = self.namespaces_below(namespace)?;
        if recursive {
            // Grows while it is walked; the depth of a namespace is bounded.
            let mut next = 0;
            while let Some(above) = listing.found.get(next).cloned() {
                next += 1;
                match self.namespaces_below(&above) {
                    Ok(below) => listing.append(below, |namespace| namespace)?,
                    // Removed since it was found.
                    Err(error) if error.kind() == Kind::NotFound => {
                        next -= 1;
                        listing.found.swap_remove(next);
                    }
                    Err(error) => listing.pass_over(self, &self.base().path().join(above.path()), error)?,
                }
            }
            push(&mut listing.found, namespace.clone())?;
        }
        listing.found.sort_unstable();
        Ok(listing)
    }

    fn namespaces_below(&self, namespace: &Namespace) -> Result<Listing<Namespace>> {
        let dir = self.open_namespace(namespace)?;
        let mut listing = Listing::new();
        self.each_dir_in(&dir, c"ns", &mut listing, |name| namespace.join(name).map(Some))?;
        Ok(listing)
    }

    /// The groups of `namespace`, in their order.
    ///
    /// Errors: as [`Tree::namespaces`].
    pub fn groups(&self, namespace: &Namespace) -> Result<Listing<Group>> {
        let dir = self.open_namespace(namespace)?;
        let mut listing = Listing::new();
        for kind in BackupType::ALL {
            let group = |id: &str| Group::new(namespace.clone(), kind, id).map(Some);
            self.each_dir_in(&dir, &c_name(kind.as_str())?, &mut listing, group)?;
        }
        listing.found.sort_unstable();
        Ok(listing)
    }

    /// The groups of `namespace` and of all namespaces below it, in their order.
    ///
    /// Errors: as [`Tree::namespaces`].
    pub fn groups_below(&self, namespace: &Namespace) -> Result<Listing<Group>> {
        let namespaces = self.namespaces(namespace, true)?;
        let mut listing = Listing { found: Vec::new(), unseen: namespaces.unseen };
        for below in namespaces.found {
            match self.groups(&below) {
                Ok(groups) => listing.append(groups, |group| group)?,
                Err(error) if below == *namespace => return Err(error),
                Err(error) => listing.pass_over(self, &self.base().path().join(below.path()), error)?,
            }
        }
        Ok(listing)
    }

    /// The snapshots of `group`, the oldest first. One that is removed meanwhile is listed whole, or not at all.
    ///
    /// Errors: `NotFound` if it is not there; `Io` and `Format` if it cannot be listed; that of the notice.
    pub fn snapshot_listing(&self, group: &Group) -> Result<Listing<SnapshotInfo>> {
        let (dir, names) = self.named_snapshots(group)?;
        let mut listing = Listing { found: Vec::new(), unseen: names.unseen };
        reserve(&mut listing.found, names.found.len())?;
        for snapshot in names.found {
            match snapshot_info(&dir, &snapshot) {
                Ok(info) => listing.found.extend(info),
                Err(error) => listing.pass_over(self, &self.base().path().join(snapshot.path()), error)?,
            }
        }
        Ok(listing)
    }

    /// As [`Tree::snapshot_listing`], of one of several groups: none if it is gone, and one that cannot be listed is
    /// something that could not be seen.
    pub fn snapshots_if_any(&self, group: &Group) -> Result<Listing<SnapshotInfo>> {
        self.snapshot_listing(group).or_else(|error| {
            let mut listing = Listing::new();
            listing.pass_over(self, &self.base().path().join(group.path()), error).map(|()| listing)
        })
    }

    /// As [`Tree::snapshot_listing`]: passed over is only what may not be looked into, and what is no directory.
    ///
    /// Errors: as there; `Io` for whatever else cannot be seen.
    pub fn snapshots(&self, group: &Group) -> Result<Listing<SnapshotInfo>> {
        let listing = self.snapshot_listing(group)?;
        match listing.unseen {
            Some(error) if error.kind() == Kind::Io && !error.errno().is_some_and(sys::is_denied) => Err(error),
            _ => Ok(listing),
        }
    }

    /// The names of the snapshots of `group`, the oldest first, whatever there is in them.
    ///
    /// Errors: `NotFound` if it is not there; `Io`; that of the notice.
    pub fn snapshot_names(&self, group: &Group) -> Result<Listing<Snapshot>> {
        self.named_snapshots(group).map(|(_, names)| names)
    }

    fn named_snapshots(&self, group: &Group) -> Result<(Dir, Listing<Snapshot>)> {
        let path = group.path();
        let dir = self.open_place(&path)?.ok_or_else(|| self.missing("group", &path))?;
        let mut listing = Listing::new();
        self.each_dir(&dir, &mut listing, |name| match is_old_name(name) {
            true => Ok(None),
            false => Snapshot::new(group.clone(), parse_time(name)?).map(Some),
        })?;
        listing.found.sort_unstable();
        Ok((dir, listing))
    }

    /// The facts about one snapshot.
    ///
    /// Errors: `NotFound`, `Io`.
    pub fn snapshot_info(&self, snapshot: &Snapshot) -> Result<SnapshotInfo> {
        self.open_snapshot(snapshot)?;
        let path = snapshot.group().path();
        let group = self.base().reopen()?.open_below(&path)?.ok_or_else(|| self.missing("group", &path))?;
        snapshot_info(&group, snapshot)?.ok_or_else(|| self.missing("snapshot", &snapshot.path()))
    }

    /// The archives of a snapshot, and its manifest, by name.
    ///
    /// Errors: `NotFound`, `Io`, `NoMemory`.
    pub fn snapshot_files(&self, snapshot: &Snapshot) -> Result<Vec<ArchiveFile>> {
        let dir = self.open_snapshot(snapshot)?;
        let mut files = Vec::new();
        for entry in dir.entries()? {
            let entry = entry?;
            let Ok(name) = entry.name.to_str() else { continue };
            if is_archive_file(name)
                && let Some(stat) = dir.lstat(&entry.name)?.filter(|stat| stat.kind == FileKind::File)
            {
                push(&mut files, ArchiveFile { name: name.to_owned(), size: stat.size })?;
            }
        }
        files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }

    /// As [`Tree::snapshot_files`], each with the bytes of the file that it describes, if it is an index and the
    /// manifest lists it. A manifest that cannot be read counts as none.
    ///
    /// Errors: as there.
    pub fn described_files(&self, snapshot: &Snapshot) -> Result<Vec<(ArchiveFile, Option<u64>)>> {
        let files = self.snapshot_files(snapshot)?;
        let manifest = match self.load_manifest(snapshot) {
            Err(error) if error.is_of_the_process() => return Err(error),
            manifest => manifest.ok(),
        };
        try_collect(files.into_iter().map(|file| {
            let manifest = manifest.as_ref().filter(|_| index_kind(file.name.as_bytes()).is_some());
            let size = manifest.and_then(|manifest| manifest.find(&file.name)).map(|listed| listed.size);
            Ok((file, size))
        }))
    }

    /// The owner of a group that a listing has found.
    ///
    /// Errors: those that the next group would meet too; that of the notice.
    pub fn listed_owner(&self, group: &Group) -> Result<Fact<Option<String>>> {
        match self.group_owner(group) {
            Err(error) if error.kind() == Kind::NotFound => Ok(Fact::Gone),
            owner => self.fact(owner),
        }
    }

    /// What `read` makes of the manifest of a finished snapshot that a listing has found.
    ///
    /// Errors: those that the next snapshot would meet too; that of the notice.
    pub fn listed_manifest<T>(
        &self,
        snapshot: &Snapshot,
        read: impl FnOnce(&Manifest) -> Result<T>,
    ) -> Result<Fact<T>> {
        let manifest = self.load_manifest(snapshot);
        let is_missing = |error: &Error| error.kind() == Kind::NotFound;
        match manifest.as_ref().is_err_and(is_missing) && self.open_snapshot(snapshot).is_err_and(|e| is_missing(&e)) {
            true => Ok(Fact::Gone),
            false => self.fact(manifest.and_then(|manifest| read(&manifest))),
        }
    }

    fn fact<T>(&self, read: Result<T>) -> Result<Fact<T>> {
        match read {
            Err(error) if !error.is_of_the_process() => {
                self.base().notice(NoticeLevel::Warning, error.message(), error.path())?;
                Ok(Fact::Unreadable)
            }
            read => read.map(Fact::Known),
        }
    }

    /// The newest finished snapshot of `group`, if there is one.
    ///
    /// Errors: `NotFound` if the group is not there; `Io`, also for a snapshot that may not be looked into; that of the
    /// notice.
    pub fn last_finished(&self, group: &Group) -> Result<Option<Snapshot>> {
        let (dir, names) = self.named_snapshots(group)?;
        last_of(&dir, names.found)
    }

    /// As [`Tree::last_finished`], where nothing may be passed over.
    ///
    /// Errors: as there; `Format` for a link or a special file in the place of a snapshot.
    pub fn last_finished_of_all(&self, group: &Group) -> Result<Option<Snapshot>> {
        let (dir, names) = self.named_snapshots(group)?;
        last_of(&dir, names.whole()?)
    }

    fn open_namespace(&self, namespace: &Namespace) -> Result<Dir> {
        let path = namespace.path();
        self.open_place(&path)?.ok_or_else(|| self.missing("namespace", &path))
    }

    /// As [`Tree::each_dir`] in the directory `name` of `parent`, which may be missing. A directory that cannot be
    /// listed is something that could not be seen.
    fn each_dir_in<T>(
        &self,
        parent: &Dir,
        name: &CStr,
        listing: &mut Listing<T>,
        parse: impl Fn(&str) -> Result<Option<T>>,
    ) -> Result<()> {
        let listed = match parent.open_child(name) {
            Ok(Some(dir)) => self.each_dir(&dir, listing, parse),
            Ok(None) => self.no_directory_in(parent, name),
            Err(error) => Err(error),
        };
        listed.or_else(|error| listing.pass_over(self, &parent.join(name), error))
    }

    /// Adds what `parse` makes of the name of each directory in `dir`, if anything. A name that it refuses is skipped
    /// with a notice. An entry that is neither directory nor file, and has a name that a directory might have, is
    /// something that could not be seen.
    ///
    /// Errors: `Io`; that of the notice.
    fn each_dir<T>(
        &self,
        dir: &Dir,
        listing: &mut Listing<T>,
        parse: impl Fn(&str) -> Result<Option<T>>,
    ) -> Result<()> {
        let entries = match dir.entries() {
            // Removed since it was opened.
            Err(error) if error.kind() == Kind::NotFound => return Ok(()),
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.name.as_c_str() == WORK_PLACE {
                continue;
            }
            let kind = dir.kind_of(&entry)?;
            let parsed = match entry.name.to_str() {
                Ok(name) => parse(name).map_err(|error| error.message().to_owned()),
                Err(_) => Err("its name is not UTF-8".to_owned()),
            };
            match (kind, parsed) {
                (Some(FileKind::Dir), Ok(Some(item))) => push(&mut listing.found, item)?,
                (Some(FileKind::Dir), Ok(None)) => {}
                (Some(FileKind::Dir), Err(why)) => self.skipped(&dir.join(&entry.name), &why)?,
                // Nothing can lie behind an index.
                (Some(FileKind::File), _) if index_kind(entry.name.to_bytes()).is_some() => {}
                (Some(_), Ok(Some(_))) => match self.no_directory_in(dir, &entry.name) {
                    Ok(()) => {}
                    Err(error) => listing.pass_over(self, &dir.join(&entry.name), error)?,
                },
                (Some(FileKind::Other), Err(_)) => self.skipped(&dir.join(&entry.name), "it is no directory")?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Tells of an entry that is no directory and has the name of one. A file is a notice only: nothing can lie behind
    /// it.
    ///
    /// Errors: `Format` for a link or a special file; `Io`; that of the notice.
    fn no_directory_in(&self, dir: &Dir, name: &CStr) -> Result<()> {
        let Some(error) = no_directory(dir, name)? else { return Ok(()) };
        if dir.lstat(name)?.is_some_and(|stat| stat.kind == FileKind::File) {
            return self.skipped(&dir.join(name), error.message());
        }
        Err(error)
    }

    fn skipped(&self, path: &Path, why: &str) -> Result<()> {
        self.base().notice(NoticeLevel::Warning, &format!("{} is skipped: {why}", path.display()), Some(path))
    }
}

/// The newest of these that is finished.
fn last_of(group: &Dir, names: Vec<Snapshot>) -> Result<Option<Snapshot>> {
    for snapshot in names.into_iter().rev() {
        if snapshot_info(group, &snapshot)?.is_some_and(|info| info.finished) {
            return Ok(Some(snapshot));
        }
    }
    Ok(None)
}

/// `snapshot`, in its group's directory; `None` if it is not there.
pub(super) fn snapshot_info(group: &Dir, snapshot: &Snapshot) -> Result<Option<SnapshotInfo>> {
    let time = snapshot.time_name();
    let stat = |name: &str| group.lstat(&c_name(name)?);
    let protected = stat(&format!("{time}/{PROTECTED_NAME}"))?.is_some();
    // Any kind of file counts: a snapshot that seems unfinished is pruned, and a link may lead to a manifest that PBS
    // reads.
    let finished = stat(&format!("{time}/{MANIFEST_NAME}"))?.is_some();
    // A snapshot that has just been removed looks unfinished.
    let is_there = finished || stat(&time)?.is_some_and(|stat| stat.kind == FileKind::Dir);
    Ok(is_there.then(|| SnapshotInfo { snapshot: snapshot.clone(), protected, finished }))
}
