//! A snapshot in the making.

use std::ffi::CString;
use std::path::PathBuf;

use super::DIR_MODE;
use crate::error::{Error, Kind, Result};
use crate::name::{Snapshot, TIME_LEN, parse_time};
use crate::store::Store;
use crate::sys::{self, Dir, ProcessMark, c_name};

/// The directory of a snapshot in the making, or on its way out, under a temporary name that no listing shows; dropped
/// before it is committed it is removed with all that is in it.
///
/// What a crash leaves is removed by the next backup into the group, or prune of it.
#[derive(Debug)]
pub struct WorkDir {
    group: Dir,
    dir: Dir,
    name: CString,
    committed: bool,
    /// Where it was made: a forked child must not remove it.
    process: ProcessMark,
}

impl WorkDir {
    /// Makes the directory beside where `snapshot` will be. The caller holds the group's lock.
    pub(super) fn create(store: &Store, snapshot: &Snapshot) -> Result<Self> {
        let group = store.open_group(snapshot.group())?;
        let group = group.ok_or_else(|| store.missing("group", &snapshot.group().path()))?;
        loop {
            let name = temporary_name(snapshot)?;
            let (dir, made) = group.open_or_make_child(&name, DIR_MODE, store.owner())?;
            if made {
                return Ok(WorkDir { group, dir, name, committed: false, process: ProcessMark::new() });
            }
        }
    }

    /// Takes a whole snapshot out of sight, to be removed when this is dropped. The caller holds its lock.
    ///
    /// `None` if it is not there.
    pub(super) fn take_out(store: &Store, snapshot: &Snapshot) -> Result<Option<Self>> {
        let Some(group) = store.open_group(snapshot.group())? else { return Ok(None) };
        let final_name = c_name(&snapshot.time_name())?;
        let Some(dir) = group.open_child(&final_name)? else { return Ok(None) };
        let name = temporary_name(snapshot)?;
        group.rename_new(&final_name, &name)?;
        Ok(Some(WorkDir { group, dir, name, committed: false, process: ProcessMark::new() }))
    }

    /// The directory.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// The path that the directory has now.
    pub fn path(&self) -> PathBuf {
        self.group.join(&self.name)
    }

    /// The temporary name.
    pub(super) fn name(&self) -> Result<&str> {
        self.name.to_str().map_err(|_| Error::new(Kind::Internal, "a temporary name is not UTF-8"))
    }

    /// Gives the directory the name of `snapshot`, which must be free; with `sync` that is on the disk when this returns.
    ///
    /// Errors: `Exists`, `Io`. If only the sync fails the snapshot is taken back, if that can be done.
    pub fn commit(mut self, snapshot: &Snapshot, sync: bool) -> Result<()> {
        let name = c_name(&snapshot.time_name())?;
        self.group.rename_new(&self.name, &name)?;
        if sync && let Err(error) = self.group.sync() {
            self.committed = self.group.rename_new(&name, &self.name).is_err();
            return Err(error);
        }
        self.committed = true;
        Ok(())
    }

    /// Removes the directory now, and says how that went.
    pub(super) fn remove(mut self) -> Result<()> {
        self.committed = true;
        self.group.remove_tree(&self.name).map(drop)
    }

    /// Brings the group's names to the disk.
    pub(super) fn sync_group(&self) -> Result<()> {
        self.group.sync()
    }

    /// Whether a directory of a group has the name of a snapshot in the making.
    pub(super) fn is_name(name: &str) -> bool {
        match (name.split_at_checked(TIME_LEN), c_name(name)) {
            (Some((time, _)), Ok(name)) => {
                parse_time(time).is_ok() && c_name(time).is_ok_and(|time| sys::is_temporary_name(&name, &time))
            }
            _ => false,
        }
    }

    /// Whether there are snapshots in a group that are in the making, or on their way out.
    pub(super) fn any_in(group: &Dir) -> Result<bool> {
        for name in group.names()? {
            if name?.to_str().is_ok_and(Self::is_name) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Removes what crashed backups have left in a group. The caller holds its lock, so nobody is using it.
    pub(super) fn remove_stale(group: &Dir) -> Result<()> {
        for name in group.names()? {
            let name = name?;
            if name.to_str().is_ok_and(Self::is_name) {
                group.remove_tree(&name)?;
            }
        }
        Ok(())
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        if !self.committed && self.process.is_here() {
            // What cannot be removed is never taken for a snapshot.
            let _ = self.group.remove_tree(&self.name);
        }
    }
}

fn temporary_name(snapshot: &Snapshot) -> Result<CString> {
    sys::temporary_name(&c_name(&snapshot.time_name())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_are_recognised() {
        let snapshot = Snapshot::parse("host/x/2020-06-26T13:56:05Z").unwrap();
        let name = temporary_name(&snapshot).unwrap();
        assert!(WorkDir::is_name(name.to_str().unwrap()), "{name:?}");
        for other in
            ["2020-06-26T13:56:05Z", "2020-06-26T13:56:05Z.tmp_", "x.tmp_AbC123", "2020-13-26T13:56:05Z.tmp_AbC123"]
        {
            assert!(!WorkDir::is_name(other), "{other}");
        }
    }
}
