//! Making, marking and removing groups and snapshots (docs/format.md, 7.2, 7.6 and 7.7).

use std::ffi::{CStr, CString};

use super::{DIR_MODE, FILE_MODE, PROTECTED_NAME, TreeLock, WorkDir};
use crate::error::{Error, Kind, Result};
use crate::limits::NOTES_MAX_SIZE;
use crate::name::{Group, Snapshot, check_owner};
use crate::store::{Store, SyncLevel};
use crate::sys::{self, Dir, LockMode, c_name};

const OWNER_NAME: &CStr = c"owner";
const NOTES_NAME: &CStr = c"notes";

/// Who owns a group that is made without saying: PBS's superuser.
const DEFAULT_OWNER: &str = "root@pam";

/// Attempts to make and lock a group that others keep removing.
const MAX_REMOVED: u32 = 100;

/// A group that is there and held, and what had to be made for it.
#[derive(Debug)]
pub struct NewGroup {
    lock: TreeLock,
    /// The directories that were missing, each in its parent, the topmost first.
    made: Vec<(Dir, CString)>,
}

impl NewGroup {
    /// Whether the group was not there.
    pub fn is_new(&self) -> bool {
        !self.made.is_empty()
    }

    /// Starts the directory of a snapshot of this group, after removing what crashed backups have left.
    ///
    /// Errors: `Io`.
    pub fn start_snapshot(&self, store: &Store, snapshot: &Snapshot) -> Result<WorkDir> {
        if let Some(dir) = store.open_group(snapshot.group())? {
            WorkDir::remove_stale(&dir)?;
        }
        WorkDir::create(store, snapshot)
    }

    /// Takes back what was made, as far as nobody else has put something in.
    pub fn undo(self) {
        let NewGroup { lock, mut made } = self;
        if let Some((parent, name)) = made.pop() {
            if let Ok(Some(group)) = parent.open_child(&name) {
                let _ = group.unlink(OWNER_NAME);
            }
            made.push((parent, name));
        }
        for (parent, name) in made.iter().rev() {
            // One that is in use stays.
            let _ = parent.remove_dir(name);
        }
        drop(lock);
    }

    /// Brings the names of what was made to the disk.
    pub fn sync(&self) -> Result<()> {
        self.made.iter().try_for_each(|(parent, _)| parent.sync())
    }
}

/// What a removal found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Destroyed {
    /// Snapshots that were removed.
    pub removed: u64,
    /// Protected ones, which stay, and their group with them.
    pub protected: u64,
}

impl Store {
    fn syncs(&self) -> bool {
        self.sync_level() != SyncLevel::None
    }

    /// Makes a group, and the namespaces above it, if they are not there, and holds it.
    ///
    /// A new group belongs to `owner`, `root@pam` by default; one that is there must: to him, or to a token of his.
    ///
    /// Errors: `Argument` for no owner's name, or if it belongs to somebody else; `Busy`, with the path; `Exists` if
    /// something that is no directory is in the way; `Io`.
    pub fn create_group(&self, group: &Group, owner: Option<&str>) -> Result<NewGroup> {
        owner.map_or(Ok(()), check_owner)?;
        for _ in 0..MAX_REMOVED {
            let made = self.make_dirs_of(group)?;
            let lock = match self.lock_group(group) {
                // Somebody has removed it before it was locked.
                Err(error) if error.kind() == Kind::NotFound => continue,
                other => other?,
            };
            let new = NewGroup { lock, made };
            let owned = self.settle_owner(group, owner, new.is_new());
            return match owned {
                Ok(()) => Ok(new),
                Err(error) => {
                    new.undo();
                    Err(error)
                }
            };
        }
        Err(Error::new(Kind::Busy, format!("the group {group} is removed again and again")))
    }

    fn make_dirs_of(&self, group: &Group) -> Result<Vec<(Dir, CString)>> {
        let mut dir = self.open_base()?;
        let mut made = Vec::new();
        for name in group.path().split('/') {
            let name = c_name(name)?;
            let (child, is_new) = dir.open_or_make_child(&name, DIR_MODE, self.owner())?;
            if is_new {
                made.push((dir, name));
            }
            dir = child;
        }
        Ok(made)
    }

    /// Gives a new group its owner, or checks that of an old one.
    fn settle_owner(&self, group: &Group, owner: Option<&str>, is_new: bool) -> Result<()> {
        let current = if is_new { None } else { self.group_owner(group)? };
        let Some(current) = current else { return self.set_group_owner(group, owner.unwrap_or(DEFAULT_OWNER)) };
        match owner {
            Some(owner) if !is_owned_by(&current, owner) => {
                let path = self.path().join(group.path());
                let message = format!("{} belongs to {current}, not to {owner}", path.display());
                Err(Error::new(Kind::Argument, message).with_path(&path))
            }
            _ => Ok(()),
        }
    }

    /// Who owns a group; `None` if no file says so.
    ///
    /// Errors: `NotFound` for the group; `Format` if the file is not text; `Io`.
    pub fn group_owner(&self, group: &Group) -> Result<Option<String>> {
        let text = self.read_text(group, OWNER_NAME)?;
        let owner = text.as_deref().and_then(|text| text.lines().next()).map(str::trim_end);
        Ok(owner.filter(|owner| !owner.is_empty()).map(str::to_owned))
    }

    /// Gives a group to `owner`.
    ///
    /// Errors: `Argument` for no owner's name; `NotFound` for the group; `Io`.
    pub fn set_group_owner(&self, group: &Group, owner: &str) -> Result<()> {
        check_owner(owner)?;
        self.write_text(group, OWNER_NAME, &format!("{owner}\n"))
    }

    /// The notes of a group; empty if there are none.
    ///
    /// Errors: `NotFound` for the group; `Format` if they are not text; `Limit`, `Io`.
    pub fn group_notes(&self, group: &Group) -> Result<String> {
        Ok(self.read_text(group, NOTES_NAME)?.unwrap_or_default())
    }

    /// Replaces the notes of a group; empty ones are removed.
    ///
    /// Errors: `NotFound` for the group; `Limit`, `Io`.
    pub fn set_group_notes(&self, group: &Group, notes: &str) -> Result<()> {
        if !notes.is_empty() {
            return self.write_text(group, NOTES_NAME, notes);
        }
        let dir = self.open_group(group)?.ok_or_else(|| self.missing("group", &group.path()))?;
        if dir.unlink(NOTES_NAME)? && self.syncs() {
            dir.sync()?;
        }
        Ok(())
    }

    fn read_text(&self, group: &Group, name: &CStr) -> Result<Option<String>> {
        let dir = self.open_group(group)?.ok_or_else(|| self.missing("group", &group.path()))?;
        let Some((file, stat)) = dir.open_file(name)? else { return Ok(None) };
        let path = dir.join(name);
        let describe = |error: Error| error.context(path.display()).with_path(&path);
        let mut bytes = Vec::new();
        let len = check_notes(stat.size).map_err(describe)?;
        sys::read_up_to(&file, len, &mut bytes).map_err(describe)?;
        String::from_utf8(bytes).map(Some).map_err(|_| describe(Error::new(Kind::Format, "it is not UTF-8")))
    }

    fn write_text(&self, group: &Group, name: &CStr, text: &str) -> Result<()> {
        check_notes(text.len() as u64)?;
        let dir = self.open_group(group)?.ok_or_else(|| self.missing("group", &group.path()))?;
        dir.replace_file(name, text.as_bytes(), FILE_MODE, self.owner(), self.syncs())
    }

    /// Makes the empty directory of a snapshot, and its group if that is missing, and holds it.
    ///
    /// Errors: `Exists` if it is there; as [`Store::create_group`].
    pub fn create_snapshot(&self, snapshot: &Snapshot, owner: Option<&str>) -> Result<TreeLock> {
        let group = self.create_group(snapshot.group(), owner)?;
        match self.make_snapshot_dir(snapshot, &group) {
            Ok(()) => self.lock_snapshot(snapshot, LockMode::Exclusive),
            Err(error) => {
                group.undo();
                Err(error)
            }
        }
    }

    fn make_snapshot_dir(&self, snapshot: &Snapshot, group: &NewGroup) -> Result<()> {
        let dir = self.open_group(snapshot.group())?;
        let dir = dir.ok_or_else(|| self.missing("group", &snapshot.group().path()))?;
        let name = c_name(&snapshot.time_name())?;
        if !dir.make_dir(&name, DIR_MODE, self.owner())? {
            let path = dir.join(&name);
            return Err(Error::new(Kind::Exists, format!("{} exists already", path.display())).with_path(&path));
        }
        if self.syncs() { group.sync().and_then(|()| dir.sync()) } else { Ok(()) }
    }

    /// Sets or clears the mark that a snapshot is not to be removed.
    ///
    /// Errors: `Busy`, with the path; `NotFound`, `Io`.
    pub fn set_protected(&self, snapshot: &Snapshot, protected: bool) -> Result<()> {
        let _lock = self.lock_snapshot(snapshot, LockMode::Exclusive)?;
        let dir = self.open_snapshot(snapshot)?;
        let marker = c_name(PROTECTED_NAME)?;
        match protected {
            true => dir.make_file(&marker, FILE_MODE, self.owner())?,
            false => drop(dir.unlink(&marker)?),
        }
        if self.syncs() { dir.sync() } else { Ok(()) }
    }

    /// Removes a snapshot; false if it is not there. Its chunks stay for garbage collection.
    ///
    /// Errors: `Protected`; `Busy`, with the path; `Io`.
    pub fn destroy_snapshot(&self, snapshot: &Snapshot) -> Result<bool> {
        let _lock = match self.lock_snapshot(snapshot, LockMode::Exclusive) {
            Err(error) if error.kind() == Kind::NotFound => return Ok(false),
            other => other?,
        };
        let info = self.snapshot_info(snapshot)?;
        if info.protected {
            let path = self.path().join(snapshot.path());
            return Err(Error::new(Kind::Protected, format!("{} is protected", path.display())).with_path(&path));
        }
        let _manifest = if info.finished { Some(self.lock_manifest(snapshot)?) } else { None };
        let Some(doomed) = WorkDir::take_out(self, snapshot)? else { return Ok(false) };
        if self.syncs() {
            doomed.sync_group()?;
        }
        doomed.remove()?;
        self.remove_lock_file(snapshot).map(|()| true)
    }

    /// Removes a group with its snapshots, but for protected ones, for whose sake it stays; nothing if it is not there.
    ///
    /// `destroyed` counts what has been done, also when it fails.
    ///
    /// Errors: `Busy`, with the path of the group or of a snapshot; `Io`.
    pub fn destroy_group(&self, group: &Group, destroyed: &mut Destroyed) -> Result<()> {
        let _lock = match self.lock_group(group) {
            Err(error) if error.kind() == Kind::NotFound => return Ok(()),
            other => other?,
        };
        for info in self.snapshots(group)? {
            match self.destroy_snapshot(&info.snapshot) {
                Ok(removed) => destroyed.removed += u64::from(removed),
                Err(error) if error.kind() == Kind::Protected => destroyed.protected += 1,
                Err(error) => return Err(error),
            }
        }
        let path = group.path();
        let Some((parent, name)) = path.rsplit_once('/').filter(|_| destroyed.protected == 0) else { return Ok(()) };
        let Some(parent) = self.open_base()?.open_below(parent)? else { return Ok(()) };
        parent.remove_tree(&c_name(name)?)?;
        if self.syncs() { parent.sync() } else { Ok(()) }
    }
}

/// Whether `owner` may use what belongs to `current`: it is his, or a token's of his.
fn is_owned_by(current: &str, owner: &str) -> bool {
    match current.strip_prefix(owner) {
        Some(rest) => rest.is_empty() || (rest.starts_with('!') && !owner.contains('!')),
        None => false,
    }
}

fn check_notes(len: u64) -> Result<usize> {
    usize::try_from(len)
        .ok()
        .filter(|&len| len <= NOTES_MAX_SIZE)
        .ok_or_else(|| Error::new(Kind::Limit, format!("{len} bytes are more than the {NOTES_MAX_SIZE} of notes")))
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
