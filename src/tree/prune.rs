//! Removing the snapshots of a group that are not to be kept (docs/format.md, 12.5).

use std::path::Path;

use super::SnapshotInfo;
use super::Tree;
use super::work::old_names;
use crate::base::NoticeLevel;
use crate::error::{Error, Kind, Result, reserve, try_collect};
use crate::name::{Group, Snapshot};
use crate::progress::{OnProgress, Progress};
use crate::prune::{Keep, Mark, Row, marks};
use crate::zone::Zone;

/// How a group is pruned.
#[derive(Debug, Clone, Default)]
pub struct PruneOptions {
    /// The rules by which snapshots are kept.
    pub keep: Keep,
    /// The zone whose local time the periods of `keep` are in.
    pub zone: Zone,
    /// Only say what would be removed.
    pub dry_run: bool,
    /// Told how many of the snapshots that are to go have been dealt with. A call that it stops has removed some of
    /// them whole.
    pub progress: Option<OnProgress>,
}

/// The result for a snapshot.
#[derive(Debug)]
pub struct Pruned {
    /// The snapshot, as it was listed.
    pub info: SnapshotInfo,
    /// The decision; for one that was protected or finished in the meantime, why it was kept after all.
    pub mark: Mark,
    /// It is gone because of this call.
    pub removed: bool,
    /// Why removing it failed: it is there still.
    pub error: Option<Error>,
}

/// The result of a removal.
enum Removal {
    Removed,
    /// Another process was faster.
    Gone,
    /// It has changed since the decision.
    Kept(Mark),
}

impl Tree {
    /// Removes the snapshots of `group` that are not to be kept, the oldest first. Gives all that were there, the
    /// newest first.
    ///
    /// A snapshot that cannot be removed, because it is in use for example, brings a notice, and the others still go.
    /// The group is not locked, so that a backup may be running in it: each snapshot is, and is looked at again before
    /// it is removed. Directories that crashes of older versions have left in the group are removed too, unless they
    /// are locked.
    ///
    /// Errors: `NotFound` if the group is not there; `Io` when it is listed; those of the callbacks.
    pub fn prune_group(&self, group: &Group, options: &PruneOptions) -> Result<Vec<Pruned>> {
        let PruneOptions { ref keep, ref zone, dry_run, ref progress } = *options;
        if !dry_run {
            self.base().check_writable()?;
        }
        let mut progress = Progress::new(progress.clone());
        let infos = self.snapshots(group)?;
        let row = |info: &SnapshotInfo| Row {
            time: info.snapshot.time(),
            finished: info.finished,
            protected: info.protected,
        };
        let marks = marks(&try_collect(infos.iter().map(|info| Ok(row(info))))?, keep, zone)?;
        progress.stage.total = marks.iter().filter(|&&mark| mark == Mark::Remove).count() as u64;
        let mut pruned = Vec::new();
        reserve(&mut pruned, infos.len())?;
        for (info, mark) in infos.into_iter().zip(marks) {
            let mut entry = Pruned { info, mark, removed: false, error: None };
            if mark == Mark::Remove && !dry_run {
                progress.tick()?;
                match self.remove_listed(&entry.info) {
                    Ok(Removal::Removed) => entry.removed = true,
                    Ok(Removal::Gone) => {}
                    Ok(Removal::Kept(mark)) => entry.mark = mark,
                    Err(error) if error.kind() == Kind::Cancelled => return Err(error),
                    Err(error) => {
                        let message = format!("removing {} failed: {}", entry.info.snapshot, error.message());
                        self.base().notice(NoticeLevel::Warning, &message, error.path())?;
                        entry.error = Some(error);
                    }
                }
                progress.stage.done += 1;
            }
            pruned.push(entry);
        }
        if !dry_run {
            progress.tick()?;
            self.remove_what_crashes_left(group)?;
        }
        pruned.reverse();
        Ok(pruned)
    }

    /// Removes directories that crashes of older versions have left in the group, unless they are locked.
    ///
    /// Errors: that of the notice.
    fn remove_what_crashes_left(&self, group: &Group) -> Result<()> {
        let found = self.open_group(group).and_then(|dir| dir.as_ref().map_or(Ok(Vec::new()), old_names));
        // Held as briefly as possible: a backup that begins meanwhile is refused.
        let held = match found {
            Ok(names) if names.is_empty() => return Ok(()),
            found => found.and_then(|_| self.try_lock_group(group)),
        };
        match held {
            Ok(_lock) => self.sweep_held_group(group),
            Err(error) if [Kind::Busy, Kind::NotFound].contains(&error.kind()) => Ok(()),
            Err(error) => self.tell_of_leftover(Path::new(&group.path()), &error),
        }
    }

    /// Removes a snapshot, if it still is what it was when it was listed.
    fn remove_listed(&self, listed: &SnapshotInfo) -> Result<Removal> {
        match self.destroy_snapshot_if(&listed.snapshot, |now| !now.finished || listed.finished) {
            Ok(true) => Ok(Removal::Removed),
            Ok(false) => Ok(Removal::Kept(Mark::Keep)),
            Err(error) if error.kind() == Kind::Protected => Ok(Removal::Kept(Mark::Protected)),
            Err(error) if error.kind() == Kind::NotFound && self.is_gone(&listed.snapshot) => Ok(Removal::Gone),
            Err(error) => Err(error),
        }
    }

    pub(super) fn is_gone(&self, snapshot: &Snapshot) -> bool {
        self.open_snapshot(snapshot).is_err_and(|error| error.kind() == Kind::NotFound)
    }
}
