//! Locks on groups, snapshots and manifests (docs/format.md, 7.8).

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Tree;
use crate::error::{Error, Kind, Result};
use crate::manifest::MANIFEST_NAME;
use crate::name::{Group, Namespace, Snapshot, lock_file};
use crate::sys::{Attempt, Dir, Flock, LockMode, Owner, busy, c_name};
use crate::tree::TreeLocks;

/// How long the lock of a manifest is waited for.
const MANIFEST_WAIT_MS: u64 = 5000;

/// Attempts to lock a file that others keep replacing.
const MAX_REPLACED: u32 = 100;

/// Mode of the directories of lock files, less the umask.
const LOCK_DIR_MODE: u32 = 0o755;

/// A hold on a group, snapshot or manifest. Dropping it lets go.
#[derive(Debug)]
pub struct TreeLock {
    _flock: Flock,
    is_on_directory: bool,
}

impl TreeLock {
    /// Whether it is one on the directory itself, and not on a file that stands for it.
    pub(super) fn is_on_directory(&self) -> bool {
        self.is_on_directory
    }
}

/// What to lock: a directory of the tree, or a file of its own.
enum Target {
    Directory(String),
    Manifest(String),
    /// In a directory below that of all lock files.
    File {
        below: String,
        name: String,
    },
}

impl Tree {
    /// Holds a group alone.
    ///
    /// Errors: `Busy`, with the path; those of [`Base::check_writable`](crate::base::Base::check_writable) and
    /// [`Base::wait_for_lock`](crate::base::Base::wait_for_lock); `NotFound`, `Io`.
    pub fn lock_group(&self, group: &Group) -> Result<TreeLock> {
        self.base().wait_for_lock(|| self.try_lock_group(group))
    }

    /// As [`Tree::lock_group`], for work that can be left out: never waits.
    pub(super) fn try_lock_group(&self, group: &Group) -> Result<TreeLock> {
        self.base().check_writable()?;
        let path = group.path();
        let target = self.target(group.namespace(), &group.name(), || Target::Directory(path.clone()))?;
        let lock = self.lock_now(&target, LockMode::Exclusive)?;
        self.open_group(group)?.ok_or_else(|| self.missing("group", &path)).map(|_| lock)
    }

    /// Holds a snapshot, alone or beside others that share it.
    ///
    /// Errors: `Busy`, with the path; if alone, those of [`Base::check_writable`](crate::base::Base::check_writable);
    /// those of [`Base::wait_for_lock`](crate::base::Base::wait_for_lock); `NotFound`, `Io`.
    pub fn lock_snapshot(&self, snapshot: &Snapshot, mode: LockMode) -> Result<TreeLock> {
        if mode == LockMode::Exclusive {
            self.base().check_writable()?;
        }
        let target = self.snapshot_target(snapshot)?;
        let lock = self.base().wait_for_lock(|| self.lock_now(&target, mode))?;
        self.open_snapshot(snapshot).map(|_| lock)
    }

    /// Holds a snapshot that is being made alone; `None` where directories are locked, which its
    /// [`WorkDir`](super::WorkDir) is already.
    ///
    /// Errors: `Busy`, with the path; `Io`.
    pub fn lock_new(&self, snapshot: &Snapshot) -> Result<Option<TreeLock>> {
        match self.snapshot_target(snapshot)? {
            Target::Directory(_) => Ok(None),
            target => self.base().wait_for_lock(|| self.lock_now(&target, LockMode::Exclusive)).map(Some),
        }
    }

    /// Holds a manifest alone, after waiting for it for 5 seconds, or as long as locks are waited for, at most.
    ///
    /// Errors: `Busy`, with the path; those of [`Base::check_writable`](crate::base::Base::check_writable) and
    /// [`Base::wait_for_lock`](crate::base::Base::wait_for_lock); `NotFound` if there is no manifest; `Io`.
    pub fn lock_manifest(&self, snapshot: &Snapshot) -> Result<TreeLock> {
        self.base().check_writable()?;
        let target = self.manifest_target(snapshot)?;
        self.base().wait_for_brief_lock(MANIFEST_WAIT_MS, || self.lock_now(&target, LockMode::Exclusive))
    }

    /// Removes the lock files of a snapshot that is gone, if it had any. A lock on a removed file keeps no other
    /// process out, so the caller holds the snapshot, or its group.
    pub fn remove_lock_files(&self, snapshot: &Snapshot) -> Result<()> {
        for target in [self.manifest_target(snapshot)?, self.snapshot_target(snapshot)?] {
            let (Target::File { below, name }, TreeLocks::Files { dir, .. }) = (target, self.locks()) else {
                continue;
            };
            match Dir::open(dir).and_then(|dir| dir.open_below(&below)) {
                Ok(Some(dir)) => drop(dir.unlink(&c_name(&name)?)?),
                Ok(None) => {}
                Err(error) if error.kind() == Kind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn manifest_target(&self, snapshot: &Snapshot) -> Result<Target> {
        let (group, time) = (snapshot.group(), snapshot.time_name());
        self.target(group.namespace(), &format!("{}/{time}/.index.json.lck", group.name()), || {
            let path = snapshot.path();
            match self.locks() {
                TreeLocks::Directories => Target::Manifest(path),
                TreeLocks::Files { store, .. } => {
                    Target::File { below: format!("{store}/{path}"), name: format!("{time}.index.json.lck") }
                }
            }
        })
    }

    fn snapshot_target(&self, snapshot: &Snapshot) -> Result<Target> {
        let group = snapshot.group();
        let name = format!("{}/{}", group.name(), snapshot.time_name());
        self.target(group.namespace(), &name, || Target::Directory(snapshot.path()))
    }

    /// The lock file of `path`, relative to the namespace, or else what `old` says.
    fn target(&self, namespace: &Namespace, path: &str, old: impl FnOnce() -> Target) -> Result<Target> {
        match self.locks() {
            TreeLocks::Files { dir, store } if !has_old_locking(dir)? => {
                let (below, name) = lock_file(namespace, path);
                Ok(Target::File { below: format!("{store}/{below}"), name })
            }
            _ => Ok(old()),
        }
    }

    fn lock_now(&self, target: &Target, mode: LockMode) -> Result<TreeLock> {
        let mut replaced = PathBuf::new();
        for _ in 0..MAX_REPLACED {
            let (attempt, path) = self.attempt(target, mode)?;
            match attempt {
                Attempt::Taken(flock) => {
                    let is_on_directory = matches!(target, Target::Directory(_));
                    return Ok(TreeLock { _flock: flock, is_on_directory });
                }
                Attempt::Held => return Err(busy(&path)),
                Attempt::Missing => return Err(not_there(&path)),
                Attempt::Replaced => replaced = path,
            }
        }
        Err(Error::at(Kind::Busy, &replaced, "is replaced again and again while it is to be locked"))
    }

    /// Opens the directory `below` that of all lock files; what is missing is made. Links below that one are not
    /// followed.
    fn open_lock_dir(&self, below: &str) -> Result<Dir> {
        let TreeLocks::Files { dir, .. } = self.locks() else {
            return Err(Error::new(Kind::Internal, "a lock file without a place for it"));
        };
        let mut dir = open_or_make(dir, self.base().owner())?;
        for name in below.split('/').filter(|name| !name.is_empty()) {
            dir = dir.open_or_make_child(&c_name(name)?, LOCK_DIR_MODE, self.base().owner())?.0;
        }
        Ok(dir)
    }

    /// Tries once; gives the path that was tried too.
    fn attempt(&self, target: &Target, mode: LockMode) -> Result<(Attempt, PathBuf)> {
        match target {
            Target::File { below, name } => {
                let dir = self.open_lock_dir(below)?;
                let name = c_name(name)?;
                Ok((Flock::on_lock_file(&dir, &name, self.base().owner(), mode)?, dir.join(&name)))
            }
            Target::Directory(path) => {
                let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
                let full = self.base().path().join(path);
                match self.base().reopen()?.open_below(parent)? {
                    Some(parent) => Ok((Flock::on_dir(&parent, &c_name(name)?, mode)?, full)),
                    None => Ok((Attempt::Missing, full)),
                }
            }
            Target::Manifest(path) => {
                let full = self.base().path().join(path).join(MANIFEST_NAME);
                match self.base().reopen()?.open_below(path)? {
                    Some(dir) => Ok((Flock::on_file(&dir, &c_name(MANIFEST_NAME)?, mode)?, full)),
                    None => Ok((Attempt::Missing, full)),
                }
            }
        }
    }
}

/// Whether PBS has been upgraded and not restarted since: then it still locks as before 3.3.5.
fn has_old_locking(lock_dir: &Path) -> Result<bool> {
    let Some(parent) = lock_dir.parent() else { return Ok(false) };
    match Dir::open_for_names(parent) {
        Ok(dir) => Ok(dir.lstat(c"old-locking")?.is_some()),
        Err(error) if error.kind() == Kind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Opens the directory of all lock files; what is missing of its path is made, and given to `owner`.
fn open_or_make(path: &Path, owner: Option<Owner>) -> Result<Dir> {
    match Dir::open(path) {
        Err(error) if error.kind() == Kind::NotFound => {}
        other => return other,
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Dir::open(path) };
    let parent = open_or_make(parent, owner)?;
    // Made of a path that the kernel has taken, so without a NUL byte.
    let name = CString::new(name.as_bytes()).map_err(|_| Error::new(Kind::Argument, "a path holds a NUL byte"))?;
    parent.make_dir(&name, LOCK_DIR_MODE, owner)?;
    Dir::open(path)
}

fn not_there(path: &Path) -> Error {
    Error::at(Kind::NotFound, path, "is not there")
}
