//! Making, marking and removing groups and snapshots (docs/format.md, 7.2, 7.6 and 7.7).

use std::ffi::{CStr, CString};
use std::path::PathBuf;

use super::list::snapshot_info;
use super::work::is_old_name;
use super::{DIR_MODE, FILE_MODE, PROTECTED_NAME, SnapshotInfo, Tree, TreeLock, WorkDir};
use crate::base::{NoticeLevel, SyncLevel};
use crate::calendar::parse_time;
use crate::error::{Error, Kind, Result, push};
use crate::limits::NOTES_MAX_SIZE;
use crate::manifest::MANIFEST_NAME;
use crate::name::{Group, Snapshot, check_owner};
use crate::progress::{OnProgress, Progress};
use crate::sys::{self, Dir, FileKind, LockMode, c_name};

const OWNER_NAME: &CStr = c"owner";
const NOTES_NAME: &CStr = c"notes";

/// Bytes of the longest file `owner` that is read: a name has 255 at most.
const OWNER_MAX_SIZE: usize = 4096;

/// The owner of a group that is made without naming one: PBS's superuser.
const DEFAULT_OWNER: &str = "root@pam";

/// Attempts to make and lock a group that others keep removing.
const MAX_REMOVED: u32 = 100;

/// A group that is there and held, and what had to be made for it.
#[derive(Debug)]
pub struct NewGroup {
    lock: TreeLock,
    /// The directories that were missing, each in its parent, the topmost first.
    made: Vec<(Dir, CString)>,
    /// The last of them is the group.
    is_new: bool,
}

impl NewGroup {
    /// Whether the group was not there.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Starts the directory of a snapshot of this group, after removing what crashed backups of older versions have
    /// left.
    ///
    /// Errors: `Io`; that of the notice.
    pub fn start_snapshot(&self, tree: &Tree, snapshot: &Snapshot) -> Result<WorkDir> {
        tree.sweep_held_group(snapshot.group())?;
        WorkDir::create(tree, snapshot)
    }

    /// Removes the directories that were made, unless another process has put something in.
    pub fn undo(self) {
        let NewGroup { lock, made, is_new } = self;
        if is_new
            && let Some((parent, name)) = made.last()
            && let Ok(Some(group)) = parent.open_child(name)
            && has_only_owner(&group)
        {
            let _ = group.unlink(OWNER_NAME);
        }
        remove_empty(&made);
        drop(lock);
    }
}

/// Whether a group has nothing but the file of its owner; one that cannot be listed may hold anything.
fn has_only_owner(group: &Dir) -> bool {
    let is_owner = |name: Result<CString>| name.is_ok_and(|name| name.as_c_str() == OWNER_NAME);
    group.names().is_ok_and(|mut names| names.all(is_owner))
}

/// Removes directories, the last first. One that is in use stays.
fn remove_empty(made: &[(Dir, CString)]) {
    for (parent, name) in made.iter().rev() {
        let _ = parent.remove_dir(name);
    }
}

/// How a group is removed.
#[derive(Debug, Clone, Default)]
pub struct DestroyOptions {
    /// Only say what would be removed.
    pub dry_run: bool,
    /// Told how many of the group's snapshots have been dealt with.
    pub progress: Option<OnProgress>,
}

/// The result of a removal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Destroyed {
    /// Snapshots that were removed, or would be.
    pub removed: u64,
    /// Protected ones, which stay, and their group with them.
    pub protected: u64,
}

/// Whether a file of a group's directory is one that every group has, or what a crash has left of it.
fn is_own_file(name: &CStr) -> bool {
    [OWNER_NAME, NOTES_NAME].iter().any(|&own| name == own || sys::is_temporary_name(name, own))
}

/// What a group has beside its owner and notes.
#[derive(Default)]
struct Contents {
    /// The oldest first.
    snapshots: Vec<SnapshotInfo>,
    /// What is no snapshot, and whether it is marked as protected.
    strays: Vec<(PathBuf, bool)>,
}

impl Tree {
    pub(super) fn syncs(&self) -> bool {
        self.base().sync_level() != SyncLevel::None
    }

    /// Makes a group, and the namespaces above it, if they are not there, and brings them to the disk by the sync
    /// level.
    ///
    /// Errors: as [`Tree::create_group`].
    pub fn make_group(&self, group: &Group, owner: Option<&str>) -> Result<()> {
        let _held = self.create_group(group, owner)?;
        if self.syncs() { self.sync_way_to(group) } else { Ok(()) }
    }

    /// Makes a group, and the namespaces above it, if they are not there, and holds it.
    ///
    /// A new group belongs to `owner`, `root@pam` by default. One that is there must belong to the same owner, or to a
    /// token of it.
    ///
    /// Errors: `Argument` for a bad name of an owner, or if it has another owner; `Busy`, with the path; `Exists` if
    /// something that is no directory is in the way; `Io`.
    pub fn create_group(&self, group: &Group, owner: Option<&str>) -> Result<NewGroup> {
        owner.map_or(Ok(()), check_owner)?;
        self.base().check_writable()?;
        let mut made = Vec::new();
        for _ in 0..MAX_REMOVED {
            let held = self.make_dirs_of(group, &mut made).and_then(|is_new| Ok((is_new, self.lock_group(group)?)));
            let (is_new, lock) = match held {
                Ok(held) => held,
                // Another process has removed it before it was locked.
                Err(error) if error.kind() == Kind::NotFound => continue,
                Err(error) => {
                    // The process that holds it, for which a cancelled call has waited, may not have put anything in
                    // yet.
                    if ![Kind::Busy, Kind::Cancelled].contains(&error.kind()) {
                        remove_empty(&made);
                    }
                    return Err(error);
                }
            };
            let mut new = NewGroup { lock, made, is_new: false };
            // A process that held it before may have made the group its own.
            let is_ours = if is_new { self.is_empty(group) } else { Ok(false) };
            let settled = is_ours.and_then(|is_ours| {
                new.is_new = is_ours;
                self.settle_owner(group, owner)
            });
            return match settled {
                Ok(()) => Ok(new),
                Err(error) => {
                    new.undo();
                    Err(error)
                }
            };
        }
        remove_empty(&made);
        Err(Error::at(Kind::Busy, &self.base().path().join(group.path()), "is removed again and again"))
    }

    fn is_empty(&self, group: &Group) -> Result<bool> {
        let Some(dir) = self.open_group(group)? else { return Ok(false) };
        Ok(dir.names()?.next().transpose()?.is_none())
    }

    /// Makes the directories on the way to a group, and says whether its own was missing. Adds to `made` those that
    /// were.
    fn make_dirs_of(&self, group: &Group, made: &mut Vec<(Dir, CString)>) -> Result<bool> {
        let mut dir = self.base().reopen()?;
        let mut is_new = false;
        for name in group.path().split('/') {
            let name = c_name(name)?;
            let child;
            (child, is_new) = dir.open_or_make_child(&name, DIR_MODE, self.base().owner())?;
            if is_new {
                made.push((dir, name));
            }
            dir = child;
        }
        Ok(is_new)
    }

    /// Brings the names on the way to a group to the disk: those that were there may not be on it yet.
    pub fn sync_way_to(&self, group: &Group) -> Result<()> {
        let mut dir = self.base().reopen()?;
        for name in group.path().split('/') {
            dir.sync()?;
            dir = dir.open_child(&c_name(name)?)?.ok_or_else(|| self.missing("group", &group.path()))?;
        }
        Ok(())
    }

    /// Gives a group its owner, or checks the one that it has. The caller holds it.
    fn settle_owner(&self, group: &Group, owner: Option<&str>) -> Result<()> {
        let Some(current) = self.group_owner(group)? else {
            self.remove_stale_owner(group)?;
            return self.write_owner(group, owner.unwrap_or(DEFAULT_OWNER));
        };
        match owner {
            Some(owner) if !is_owned_by(&current, owner) => {
                let path = self.base().path().join(group.path());
                Err(Error::at(Kind::Argument, &path, format!("belongs to {current}, not to {owner}")))
            }
            _ => Ok(()),
        }
    }

    /// Removes what a crash between the making of a group and its owner has left.
    fn remove_stale_owner(&self, group: &Group) -> Result<()> {
        let Some(dir) = self.open_group(group)? else { return Ok(()) };
        for name in dir.names()? {
            let name = name?;
            if sys::is_temporary_name(&name, OWNER_NAME)
                && let Err(error) = dir.unlink(&name)
            {
                self.tell_of_leftover(&dir.join(&name), &error)?;
            }
        }
        Ok(())
    }

    /// The owner of a group; `None` if no file names one.
    ///
    /// Errors: `NotFound` for the group; `Format`, with the path, if the file is not text, or names no owner; `Limit`,
    /// `Io`.
    pub fn group_owner(&self, group: &Group) -> Result<Option<String>> {
        let text = self.read_text(group, OWNER_NAME, OWNER_MAX_SIZE)?;
        let owner = text.as_deref().and_then(|text| text.lines().next()).map(str::trim_end);
        let Some(owner) = owner.filter(|owner| !owner.is_empty()) else { return Ok(None) };
        check_owner(owner)
            .map_err(|error| error.with_kind(Kind::Format).of(&self.base().path().join(group.path()).join("owner")))?;
        Ok(Some(owner.to_owned()))
    }

    /// Gives a group to `owner`. It is held for that.
    ///
    /// Errors: `Argument` for no owner's name; `Busy`, with the path; `NotFound` for the group; `Io`.
    pub fn set_group_owner(&self, group: &Group, owner: &str) -> Result<()> {
        check_owner(owner)?;
        let _lock = self.lock_group(group)?;
        self.write_owner(group, owner)
    }

    /// As [`Tree::set_group_owner`]; the caller holds the group.
    fn write_owner(&self, group: &Group, owner: &str) -> Result<()> {
        self.write_text(group, OWNER_NAME, &format!("{owner}\n"))
    }

    /// The notes of a group; empty if it has none.
    ///
    /// Errors: `NotFound` for the group; `Format` if they are not text; `Limit`, `Io`.
    pub fn group_notes(&self, group: &Group) -> Result<String> {
        Ok(self.read_text(group, NOTES_NAME, NOTES_MAX_SIZE)?.unwrap_or_default())
    }

    /// Replaces the notes of a group; empty ones are removed. It is held for that.
    ///
    /// Errors: `Busy`, with the path; `NotFound` for the group; `Limit`, `Io`.
    pub fn set_group_notes(&self, group: &Group, notes: &str) -> Result<()> {
        let _lock = self.lock_group(group)?;
        if !notes.is_empty() {
            return self.write_text(group, NOTES_NAME, notes);
        }
        let dir = self.open_group(group)?.ok_or_else(|| self.missing("group", &group.path()))?;
        if dir.unlink(NOTES_NAME)? && self.syncs() {
            dir.sync()?;
        }
        Ok(())
    }

    fn read_text(&self, group: &Group, name: &CStr, max_size: usize) -> Result<Option<String>> {
        let dir = self.open_group(group)?.ok_or_else(|| self.missing("group", &group.path()))?;
        let Some((file, stat)) = dir.open_file(name)? else { return Ok(None) };
        let path = dir.join(name);
        let describe = |error: Error| error.of(&path);
        let bytes = sys::read_bounded(&file, stat.size, max_size).map_err(describe)?;
        String::from_utf8(bytes).map(Some).map_err(|_| describe(Error::new(Kind::Format, "it is not UTF-8")))
    }

    fn write_text(&self, group: &Group, name: &CStr, text: &str) -> Result<()> {
        sys::check_size(text.len() as u64, NOTES_MAX_SIZE)?;
        let dir = self.open_group(group)?.ok_or_else(|| self.missing("group", &group.path()))?;
        dir.replace_file(name, text.as_bytes(), FILE_MODE, self.base().owner(), self.syncs())
    }

    /// Makes the empty directory of a snapshot, and its group if that is missing, and holds it.
    ///
    /// Errors: `Argument` for a time before 1970; `Exists` if it is there; as [`Tree::create_group`].
    pub fn create_snapshot(&self, snapshot: &Snapshot, owner: Option<&str>) -> Result<TreeLock> {
        check_time(snapshot.time())?;
        let group = self.create_group(snapshot.group(), owner)?;
        self.make_snapshot(snapshot).inspect_err(|_| group.undo())
    }

    /// Whether a file of any kind has the name of `snapshot`.
    pub fn is_taken(&self, snapshot: &Snapshot) -> Result<bool> {
        let Some(group) = self.open_group(snapshot.group())? else { return Ok(false) };
        Ok(group.lstat(&c_name(&snapshot.time_name())?)?.is_some())
    }

    fn make_snapshot(&self, snapshot: &Snapshot) -> Result<TreeLock> {
        let dir = self.open_group(snapshot.group())?;
        let dir = dir.ok_or_else(|| self.missing("group", &snapshot.group().path()))?;
        let name = c_name(&snapshot.time_name())?;
        if !dir.make_dir(&name, DIR_MODE, self.base().owner())? {
            return Err(Error::at(Kind::Exists, &dir.join(&name), "exists already"));
        }
        let hold = || {
            let lock = self.lock_snapshot(snapshot, LockMode::Exclusive)?;
            if self.syncs() {
                self.sync_way_to(snapshot.group())?;
                dir.sync()?;
            }
            Ok(lock)
        };
        hold().inspect_err(|_| {
            let _ = dir.remove_dir(&name);
            let _ = self.remove_lock_files(snapshot);
        })
    }

    /// Sets or clears the mark that a snapshot is not to be removed.
    ///
    /// Errors: `Busy`, with the path; `NotFound`, `Io`.
    pub fn set_protected(&self, snapshot: &Snapshot, protected: bool) -> Result<()> {
        let _lock = self.lock_snapshot(snapshot, LockMode::Exclusive)?;
        let dir = self.open_snapshot(snapshot)?;
        let marker = c_name(PROTECTED_NAME)?;
        match protected {
            true => dir.make_file(&marker, FILE_MODE, self.base().owner())?,
            false => drop(dir.unlink(&marker)?),
        }
        if self.syncs() { dir.sync() } else { Ok(()) }
    }

    /// Removes a snapshot. Its chunks stay for garbage collection.
    ///
    /// It is removed whole, or stays with an error. Files that cannot be removed once it is out of sight bring a
    /// notice.
    ///
    /// Errors: `NotFound`; `Protected`; `Busy`, with the path, also of a mount in it; `Io`; that of the notice.
    pub fn destroy_snapshot(&self, snapshot: &Snapshot) -> Result<()> {
        self.destroy_snapshot_if(snapshot, |_| true).map(drop)
    }

    /// As [`Tree::destroy_snapshot`], if `may_go` agrees to it as it is once it is held; false if not.
    pub(super) fn destroy_snapshot_if(
        &self,
        snapshot: &Snapshot,
        may_go: impl FnOnce(&SnapshotInfo) -> bool,
    ) -> Result<bool> {
        let lock = self.lock_snapshot(snapshot, LockMode::Exclusive)?;
        let info = self.snapshot_info(snapshot)?;
        if info.protected {
            return Err(Error::at(Kind::Protected, &self.base().path().join(snapshot.path()), "is protected"));
        }
        if !may_go(&info) {
            return Ok(false);
        }
        let _manifest = if info.finished { self.lock_manifest_if_any(snapshot)? } else { None };
        let (group, time, is_held) = (snapshot.group().path(), snapshot.time_name(), lock.is_on_directory());
        let doomed = WorkDir::take_out(self, &group, &time, is_held, self.syncs())?;
        let doomed = doomed.ok_or_else(|| self.missing("snapshot", &snapshot.path()))?;
        // From here on it is gone. A lock file that stays is used by the next lock.
        let _ = self.remove_lock_files(snapshot);
        doomed.remove(self).map(|()| true)
    }

    /// As [`Tree::lock_manifest`]; `None` where the manifest itself is to be locked, and is no file, so that it cannot
    /// be.
    fn lock_manifest_if_any(&self, snapshot: &Snapshot) -> Result<Option<TreeLock>> {
        let manifest = self.base().path().join(snapshot.path()).join(MANIFEST_NAME);
        match self.lock_manifest(snapshot) {
            Err(error) if error.kind() == Kind::Format && error.path() == Some(&manifest) => Ok(None),
            other => other.map(Some),
        }
    }

    /// What there is in a group. What crashes of older versions have left is nothing to tell of.
    ///
    /// Errors: `NotFound` if it is not there; `Io`.
    fn contents(&self, group: &Group) -> Result<Contents> {
        let path = group.path();
        let dir = self.open_place(&path)?.ok_or_else(|| self.missing("group", &path))?;
        let marker = c_name(PROTECTED_NAME)?;
        let mut contents = Contents::default();
        for entry in dir.entries()? {
            let entry = entry?;
            match dir.kind_of(&entry)? {
                None => continue,
                Some(FileKind::File) if is_own_file(&entry.name) => continue,
                _ => {}
            }
            let (child, text) = (dir.open_child(&entry.name)?, entry.name.to_str().unwrap_or_default());
            let time = parse_time(text).ok().filter(|_| child.is_some());
            match time.and_then(|time| Snapshot::new(group.clone(), time).ok()) {
                Some(snapshot) => {
                    if let Some(info) = snapshot_info(&dir, &snapshot)? {
                        push(&mut contents.snapshots, info)?;
                    }
                }
                None => {
                    let protected = child.map_or(Ok(None), |child| child.lstat(&marker))?.is_some();
                    if protected || !is_old_name(text) {
                        push(&mut contents.strays, (dir.join(&entry.name), protected))?;
                    }
                }
            }
        }
        contents.snapshots.sort_unstable_by(|a, b| a.snapshot.cmp(&b.snapshot));
        Ok(contents)
    }

    /// Tells what becomes of the strays of a group that are protected, or of the others.
    ///
    /// Errors: that of the notice.
    fn tell_of_strays(&self, strays: &[(PathBuf, bool)], protected: bool) -> Result<()> {
        let fate = if protected { ", and protected: it stays" } else { ": it goes with the group" };
        for (path, _) in strays.iter().filter(|(_, is)| *is == protected) {
            let message = format!("{} is no snapshot{fate}", path.display());
            self.base().notice(NoticeLevel::Warning, &message, Some(path))?;
        }
        Ok(())
    }

    /// Removes a group with its snapshots. Protected snapshots stay, and the group with them. Entries that are no
    /// snapshots go with the group, with a notice of each but owner and notes; but a directory that is marked as
    /// protected stays, as a protected snapshot does.
    ///
    /// `destroyed` counts what has been done, also when it fails.
    ///
    /// Errors: `NotFound`; `Busy`, with the path of the group, a snapshot, or a mount in it, which is looked for before
    /// anything is removed; `Io`; those of the callbacks.
    pub fn destroy_group(&self, group: &Group, options: &DestroyOptions, destroyed: &mut Destroyed) -> Result<()> {
        let mut progress = Progress::new(options.progress.clone());
        let lock = if options.dry_run { None } else { Some(self.lock_group(group)?) };
        let Contents { snapshots, strays } = self.contents(group)?;
        self.tell_of_strays(&strays, true)?;
        destroyed.protected += strays.iter().filter(|(_, protected)| *protected).count() as u64;
        let protected = snapshots.iter().filter(|info| info.protected).count() as u64;
        // A dry run tells of what is in everybody's way. It may be made where nothing can be changed.
        self.check_group_removable(group, &snapshots, destroyed.protected + protected > 0, !options.dry_run)?;
        let Some(lock) = lock else {
            destroyed.removed += snapshots.len() as u64 - protected;
            destroyed.protected += protected;
            return if destroyed.protected == 0 { self.tell_of_strays(&strays, false) } else { Ok(()) };
        };
        progress.stage.total = snapshots.len() as u64;
        for SnapshotInfo { snapshot, .. } in snapshots {
            progress.tick()?;
            match self.destroy_snapshot(&snapshot) {
                Ok(()) => destroyed.removed += 1,
                Err(error) if error.kind() == Kind::Protected => destroyed.protected += 1,
                Err(error) if error.kind() == Kind::NotFound && self.is_gone(&snapshot) => {}
                Err(error) => return Err(error),
            }
            progress.stage.done += 1;
        }
        progress.tick()?;
        let path = group.path();
        let Some((parent, id)) = path.rsplit_once('/').filter(|_| destroyed.protected == 0) else { return Ok(()) };
        self.tell_of_strays(&strays, false)?;
        // It is moved as a whole: PBS could not use a half-removed group without its owner.
        match WorkDir::take_out(self, parent, id, lock.is_on_directory(), self.syncs())? {
            Some(doomed) => doomed.remove(self),
            None => Ok(()),
        }
    }

    /// Checks that everything that is to be removed of a group can be, before anything is; see
    /// [`Dir::check_removable`]. If the group `stays`, that is everything that is not protected.
    fn check_group_removable(&self, group: &Group, snapshots: &[SnapshotInfo], stays: bool, by_us: bool) -> Result<()> {
        let path = group.path();
        let Some((parent, id)) = path.rsplit_once('/') else { return Ok(()) };
        let Some(parent) = self.base().reopen()?.open_below(parent)? else { return Ok(()) };
        let id = c_name(id)?;
        if !stays {
            return parent.check_removable(&id, by_us);
        }
        let Some(dir) = parent.open_child(&id)? else { return Ok(()) };
        for SnapshotInfo { snapshot, .. } in snapshots.iter().filter(|info| !info.protected) {
            dir.check_removable(&c_name(&snapshot.time_name())?, by_us)?;
        }
        Ok(())
    }
}

/// Checks the time of a snapshot that is to be made; PBS makes none before 1970, nor of its first second.
///
/// Errors: `Argument`.
pub fn check_time(time: i64) -> Result<()> {
    match time {
        1.. => Ok(()),
        _ => Err(Error::new(Kind::Argument, format!("no backup can be made of the time {time}: it must be from 1 on"))),
    }
}

/// Whether `owner` may use a group of `current`: both are the same, or `current` is a token of `owner`.
fn is_owned_by(current: &str, owner: &str) -> bool {
    match current.strip_prefix(owner) {
        Some(rest) => rest.is_empty() || (rest.starts_with('!') && !owner.contains('!')),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_belong_to_their_user() {
        for (current, owner, allowed) in [
            ("a@pam", "a@pam", true),
            ("a@pam!t", "a@pam", true),
            ("a@pam", "a@pam!t", false),
            ("a@pam!t", "a@pam!t", true),
            ("a@pam!t", "a@pam!", false),
            ("a@pam2", "a@pam", false),
        ] {
            assert_eq!(is_owned_by(current, owner), allowed, "{current} {owner}");
        }
    }
}
