//! Work in progress: snapshots in the making, and what is on its way out (docs/format.md, 7.7).
//!
//! It lies outside the tree that is listed, in a hidden directory, and comes into the tree, or out of it, by one
//! rename. Each work directory is locked by the process that has made it, which tells one in use from one that a crash
//! has left.

use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};

use super::DIR_MODE;
use super::Tree;
use crate::base::NoticeLevel;
use crate::calendar::{TIME_LEN, parse_time};
use crate::error::{Error, Kind, Result};
use crate::name::{BackupType, Group, Namespace, Snapshot};

use crate::sys::{self, Attempt, Dir, FileKind, Flock, LockMode, ProcessMark, Removed, c_name};

/// The hidden directory that work directories lie in.
pub(super) const WORK_PLACE: &CStr = c".pxds-tmp";

/// Mode of the hidden directory: unfinished snapshots are for its owner alone.
const PLACE_MODE: u32 = 0o700;

/// Attempts to use a hidden directory that others find empty and keep removing.
const MAX_REMOVED: u32 = 100;

/// The directory of a snapshot in the making, or of what is on its way out, where no listing shows it; dropped before
/// it is committed it is removed with all that is in it.
///
/// Garbage collection removes one that a crash has left.
#[derive(Debug)]
pub struct WorkDir {
    /// Where it comes from or goes to.
    parent: Dir,
    hidden: HiddenDir,
    name: CString,
    dir: Dir,
    /// Something may have the name that has to be removed.
    is_there: bool,
    /// `None` if the caller holds a lock on the directory itself.
    _lock: Option<Flock>,
    /// The process that made it: a forked child must not remove it.
    process: ProcessMark,
}

/// The hidden directory.
#[derive(Debug)]
struct HiddenDir {
    /// The directory that it is in; `None` if a removal has found no space for one, and takes place in the tree.
    above: Option<Dir>,
    dir: Dir,
}

impl HiddenDir {
    /// Opens the hidden directory in `above`, and makes it if it is missing.
    ///
    /// Errors: `Exists` if something has its name that is no directory; `Io`.
    fn open(tree: &Tree, above: Dir) -> Result<Self> {
        let (dir, _) = above.open_or_make_child(WORK_PLACE, PLACE_MODE, tree.base().owner())?;
        Ok(HiddenDir { above: Some(above), dir })
    }

    /// Removes it, if it is empty. Another process may be about to use it, and makes it again.
    fn leave(&self) {
        if let Some(above) = &self.above {
            let _ = above.remove_empty_dir(WORK_PLACE);
        }
    }
}

impl WorkDir {
    /// Makes the directory in which `snapshot` will be made. The caller holds the group's lock.
    pub(super) fn create(tree: &Tree, snapshot: &Snapshot) -> Result<Self> {
        let path = snapshot.group().path();
        let parent = tree.open_group(snapshot.group())?.ok_or_else(|| tree.missing("group", &path))?;
        let (hidden, (name, dir, lock)) = in_hidden_dir(tree, &path, |hidden| make_locked(tree, hidden))?;
        Ok(WorkDir { parent, hidden, name, dir, is_there: true, _lock: Some(lock), process: ProcessMark::new() })
    }

    /// Takes the directory `name` out of `parent`, a path below the store, to be removed when this is dropped. With
    /// `sync` it has lost its name on the disk when this returns.
    ///
    /// The caller holds its lock; `is_held` says whether that is one on the directory itself. It is checked before that
    /// everything in it can be removed.
    ///
    /// `None` if it is not there.
    ///
    /// Errors: those of [`Dir::check_removable`]; `Busy` if the directory is locked; `Io`.
    pub(super) fn take_out(tree: &Tree, path: &str, name: &str, is_held: bool, sync: bool) -> Result<Option<Self>> {
        let name = c_name(name)?;
        let Some(parent) = tree.base().reopen()?.open_below(path)? else { return Ok(None) };
        parent.check_removable(&name, true)?;
        let Some(dir) = parent.open_child(&name)? else { return Ok(None) };
        let lock = match is_held {
            true => None,
            false => match Flock::on_dir(&parent, &name, LockMode::Exclusive)? {
                Attempt::Taken(lock) => Some(lock),
                Attempt::Held => return Err(sys::busy(&parent.join(&name))),
                Attempt::Missing | Attempt::Replaced => return Ok(None),
            },
        };
        let (hidden, out) = move_out(tree, path, &parent, &name)?;
        let mut work =
            WorkDir { parent, hidden, name: out, dir, is_there: true, _lock: lock, process: ProcessMark::new() };
        if sync && let Err(error) = work.parent.sync() {
            work.is_there = work.hidden.dir.rename_new_into(&work.name, &work.parent, &name).is_err();
            return Err(error);
        }
        Ok(Some(work))
    }

    /// The directory.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// The path that the directory has now.
    pub fn path(&self) -> PathBuf {
        self.hidden.dir.join(&self.name)
    }

    /// Gives the directory the name of `snapshot`, which must be free; with `sync` that is on the disk when this
    /// returns.
    ///
    /// Errors: `Exists`, `Io`. If only the sync fails the snapshot is taken back, if that can be done.
    pub fn commit(mut self, snapshot: &Snapshot, sync: bool) -> Result<()> {
        let name = c_name(&snapshot.time_name())?;
        self.hidden.dir.rename_new_into(&self.name, &self.parent, &name)?;
        self.is_there = false;
        if sync && let Err(error) = self.parent.sync() {
            self.is_there = self.parent.rename_new_into(&name, &self.hidden.dir, &self.name).is_ok();
            return Err(error);
        }
        Ok(())
    }

    /// Removes what was taken out of the tree, and says by a notice if that cannot be done now. It is out of sight
    /// already.
    ///
    /// Errors: that of the notice.
    pub(super) fn remove(mut self, tree: &Tree) -> Result<()> {
        self.is_there = false;
        let Err(error) = self.hidden.dir.remove_tree(&self.name) else { return Ok(()) };
        let path = self.path();
        let message = format!("{} stays, until garbage collection can remove it: {}", path.display(), error.message());
        tree.base().notice(NoticeLevel::Warning, &message, Some(&path))
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        if self.process.is_here() {
            if self.is_there {
                // A directory that cannot be removed is never taken for a snapshot.
                let _ = self.hidden.dir.remove_tree(&self.name);
            }
            self.hidden.leave();
        }
    }
}

/// Does `work` in the hidden directory that is meant for what lies in `path`, below the store: the one in the topmost
/// directory on the way there that is on the same file system, so that a rename leads from one to the other. Where this
/// user may not write, the next one down serves.
fn in_hidden_dir<T>(tree: &Tree, path: &str, mut work: impl FnMut(&HiddenDir) -> Result<T>) -> Result<(HiddenDir, T)> {
    let mut attempts = 0;
    let mut candidates = homes(tree, path)?.into_iter().peekable();
    while let Some(above) = candidates.peek() {
        let is_last = attempts + 1 == MAX_REMOVED;
        let done = HiddenDir::open(tree, above.reopen()?).and_then(|hidden| {
            let done = work(&hidden).inspect_err(|_| hidden.leave())?;
            Ok((hidden, done))
        });
        match done {
            // Another process has removed it, because it was empty.
            Err(error) if error.kind() == Kind::NotFound && !is_last => attempts += 1,
            Err(error) if error.errno().is_some_and(sys::is_denied) => {
                candidates.next();
                if candidates.peek().is_none() {
                    return Err(error);
                }
            }
            other => return other,
        }
    }
    Err(tree.missing("directory", path))
}

/// The directories on the way to `path` that are on its file system, the topmost first. Those named `ns` are left out:
/// PBS takes every directory in one for a namespace.
fn homes(tree: &Tree, path: &str) -> Result<Vec<Dir>> {
    let mut dir = tree.base().reopen()?;
    let mut homes = vec![dir.reopen()?];
    // Each namespace is two names: `ns`, and its own.
    let mut is_namespaces = false;
    for name in path.split('/').filter(|name| !name.is_empty()) {
        is_namespaces = name == "ns" && !is_namespaces;
        let name = c_name(name)?;
        if dir.is_mount(&name)? {
            homes.clear();
        }
        dir = dir.open_child(&name)?.ok_or_else(|| tree.missing("directory", path))?;
        if !is_namespaces {
            homes.push(dir.reopen()?);
        }
    }
    Ok(homes)
}

/// Makes a directory that has a lock on it.
fn make_locked(tree: &Tree, hidden: &HiddenDir) -> Result<(CString, Dir, Flock)> {
    loop {
        let name = sys::random_name()?;
        if !hidden.dir.make_dir(&name, DIR_MODE, tree.base().owner())? {
            continue;
        }
        let opened = Flock::on_dir(&hidden.dir, &name, LockMode::Exclusive).and_then(|attempt| {
            let dir = hidden.dir.open_child(&name)?;
            Ok((attempt, dir))
        });
        match opened {
            Ok((Attempt::Taken(lock), Some(dir))) => return Ok((name, dir, lock)),
            // Another process has taken it for a leftover: the clocks are far apart.
            Ok(_) => {}
            Err(error) => {
                let _ = hidden.dir.remove_dir(&name);
                return Err(error);
            }
        }
    }
}

/// Moves `name`, in `parent`, out of sight. On a full disk, where there is no room for a hidden directory, it stays in
/// `parent` under a name that no listing shows: removing it makes room.
fn move_out(tree: &Tree, path: &str, parent: &Dir, name: &CStr) -> Result<(HiddenDir, CString)> {
    let moved = in_hidden_dir(tree, path, |hidden| {
        let out = sys::random_name()?;
        parent.rename_new_into(name, &hidden.dir, &out).map(|()| out)
    });
    match moved {
        Err(error) if error.errno().is_some_and(sys::is_full) => {
            let out = sys::temporary_name(name)?;
            parent.rename_new(name, &out)?;
            Ok((HiddenDir { above: None, dir: parent.reopen()? }, out))
        }
        other => other,
    }
}

// ---- what crashes have left ----

/// Whether a directory of a group has a name that older versions, and removals on a full disk, give to work in
/// progress.
pub(super) fn is_old_name(name: &str) -> bool {
    match (name.split_at_checked(TIME_LEN), c_name(name)) {
        (Some((time, _)), Ok(name)) => {
            parse_time(time).is_ok() && c_name(time).is_ok_and(|time| sys::is_temporary_name(&name, &time))
        }
        _ => false,
    }
}

/// Removes what crashes have left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sweep {
    /// It is removed.
    Remove,
    /// Files are only counted, and only those right in the directory.
    Count,
}

impl Tree {
    /// Removes directories that crashes have left in the hidden directories and, under old names, in groups, unless
    /// they are locked; gives the counts. `is_stale` decides by the time of the last change, in seconds since 1970. A
    /// directory in use is locked.
    ///
    /// One that cannot be removed, or looked into, brings a notice.
    ///
    /// Errors: that of the notice.
    pub fn sweep_work(&self, sweep: Sweep, is_stale: &mut dyn FnMut(i64) -> bool) -> Result<Removed> {
        let mut sweeper = Sweeper { tree: self, sweep, is_stale, sum: Removed::default() };
        sweeper.namespace(&Namespace::root())?;
        Ok(sweeper.sum)
    }

    /// Removes directories that crashes of older versions have left in a group, whose lock the caller holds. One that
    /// cannot be removed brings a notice.
    ///
    /// Errors: that of the notice.
    pub(super) fn sweep_held_group(&self, group: &Group) -> Result<()> {
        let is_stale = &mut |_| true;
        let mut sweeper = Sweeper { tree: self, sweep: Sweep::Remove, is_stale, sum: Removed::default() };
        let swept = self.open_group(group).and_then(|dir| {
            let Some(dir) = dir else { return Ok(()) };
            old_names(&dir)?.iter().try_for_each(|name| sweeper.entry(&dir, name))
        });
        match swept {
            Err(error) if !error.is_of_the_process() => self.tell_of_leftover(Path::new(&group.path()), &error),
            other => other,
        }
    }

    /// Tells of something that stays; a path below the store may be given without that of the store.
    pub(super) fn tell_of_leftover(&self, path: &Path, error: &Error) -> Result<()> {
        if error.kind() == Kind::Cancelled {
            return Err(error.clone());
        }
        let path = self.base().path().join(path);
        let message = format!("what a crash has left in {} stays: {}", path.display(), error.message());
        self.base().notice(NoticeLevel::Warning, &message, Some(&path))
    }
}

struct Sweeper<'a> {
    tree: &'a Tree,
    sweep: Sweep,
    is_stale: &'a mut dyn FnMut(i64) -> bool,
    sum: Removed,
}

impl Sweeper<'_> {
    fn namespace(&mut self, namespace: &Namespace) -> Result<()> {
        let path = namespace.path();
        self.each_in(&path, |sweeper, dir, name| match name.to_str() {
            _ if name == WORK_PLACE => sweeper.hidden_dir(dir),
            Ok("ns") => {
                let Some(dir) = dir.open_child(name)? else { return Ok(()) };
                dir.names()?.try_for_each(|name| match name?.to_str().map(|name| namespace.join(name)) {
                    Ok(Ok(below)) => sweeper.namespace(&below),
                    _ => Ok(()),
                })
            }
            Ok(kind) if BackupType::parse(kind).is_ok() => sweeper.groups(&format!("{path}/{kind}")),
            _ => Ok(()),
        })
    }

    /// Sweeps the directory `path` of groups.
    fn groups(&mut self, path: &str) -> Result<()> {
        let path = path.trim_start_matches('/');
        self.each_in(path, |sweeper, dir, name| match name.to_str().map(|id| Group::parse(&format!("{path}/{id}"))) {
            _ if name == WORK_PLACE => sweeper.hidden_dir(dir),
            Ok(Ok(group)) => sweeper.group(&group),
            _ => Ok(()),
        })
    }

    fn group(&mut self, group: &Group) -> Result<()> {
        let mut lock = None;
        self.each_in(&group.path(), |sweeper, dir, name| {
            if name == WORK_PLACE {
                return sweeper.hidden_dir(dir);
            }
            if !name.to_str().is_ok_and(is_old_name) {
                return Ok(());
            }
            // A process that makes a directory under such a name holds the group.
            if sweeper.sweep == Sweep::Remove && lock.is_none() {
                match sweeper.tree.try_lock_group(group) {
                    Err(error) if [Kind::Busy, Kind::NotFound].contains(&error.kind()) => return Ok(()),
                    held => lock = Some(held?),
                }
            }
            sweeper.entry(dir, name)
        })
    }

    /// Gives `visit` all names in the directory `path` below the store. A failure brings a notice.
    fn each_in(&mut self, path: &str, mut visit: impl FnMut(&mut Self, &Dir, &CStr) -> Result<()>) -> Result<()> {
        let tree = self.tree;
        let visited = tree.base().reopen().and_then(|base| {
            let Some(dir) = base.open_below(path)? else { return Ok(()) };
            dir.names()?.try_for_each(|name| visit(self, &dir, &name?))
        });
        visited.or_else(|error| tree.tell_of_leftover(Path::new(path), &error))
    }

    /// Sweeps the hidden directory in `above`.
    fn hidden_dir(&mut self, above: &Dir) -> Result<()> {
        let Some(dir) = above.open_child(WORK_PLACE)? else { return Ok(()) };
        for name in dir.names()? {
            let name = name?;
            if sys::is_random_name(&name) {
                self.entry(&dir, &name)?;
            }
        }
        match self.sweep {
            Sweep::Remove => above.remove_empty_dir(WORK_PLACE).map(drop),
            Sweep::Count => Ok(()),
        }
    }

    /// Removes `name`, unless it is locked. A directory that cannot be removed brings a notice.
    fn entry(&mut self, dir: &Dir, name: &CStr) -> Result<()> {
        let swept = dir.lstat(name).and_then(|stat| {
            // Listing a directory sets its access time, so that time says nothing.
            let Some(stat) = stat.filter(|stat| (self.is_stale)(stat.mtime)) else { return Ok(Removed::default()) };
            let _lock = match stat.kind {
                FileKind::Dir => match Flock::on_dir(dir, name, LockMode::Exclusive)? {
                    Attempt::Taken(lock) => Some(lock),
                    Attempt::Held | Attempt::Missing | Attempt::Replaced => return Ok(Removed::default()),
                },
                FileKind::File | FileKind::Other => None,
            };
            match self.sweep {
                Sweep::Remove => dir.remove_tree(name).map(Option::unwrap_or_default),
                Sweep::Count => count_files(dir, name),
            }
        });
        match swept {
            Ok(Removed { files, bytes }) => {
                self.sum.files += files;
                self.sum.bytes = self.sum.bytes.saturating_add(bytes);
                Ok(())
            }
            Err(error) => self.tree.tell_of_leftover(&dir.join(name), &error),
        }
    }
}

fn count_files(dir: &Dir, name: &CStr) -> Result<Removed> {
    let mut sum = Removed::default();
    let Some(dir) = dir.open_child(name)? else { return Ok(sum) };
    for name in dir.names()? {
        if let Some(stat) = dir.lstat(&name?)?.filter(|stat| stat.kind != FileKind::Dir) {
            sum.files += 1;
            sum.bytes = sum.bytes.saturating_add(stat.size);
        }
    }
    Ok(sum)
}

/// The old names of work in progress that a group has.
pub(super) fn old_names(group: &Dir) -> Result<Vec<CString>> {
    let is_old = |name: &CString| std::str::from_utf8(name.to_bytes()).is_ok_and(is_old_name);
    group.names()?.filter(|name| name.as_ref().map_or(true, is_old)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_names_are_recognised() {
        assert!(is_old_name("2020-06-26T13:56:05Z.tmp_AbC123"));
        for other in
            ["2020-06-26T13:56:05Z", "2020-06-26T13:56:05Z.tmp_", "x.tmp_AbC123", "2020-13-26T13:56:05Z.tmp_AbC123"]
        {
            assert!(!is_old_name(other), "{other}");
        }
    }
}
