//! Removing the snapshots of a group that are not to be kept (docs/format.md, 12.5).

use std::path::Path;

use super::work::old_names;
use super::{Listing, SnapshotInfo, Tree};
use crate::base::NoticeLevel;
use crate::error::{Error, Kind, Result, reserve, try_collect};
use crate::name::{Group, Snapshot};
use crate::progress::{OnProgress, Progress};
use crate::prune::{Decision, Keep, Mark, Row, Rules, decide};
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
    /// Told how many of the snapshots that are to go have been dealt with; 0 of 0 while manifests are read for
    /// `keep.good`. A call that it stops has removed some of them whole.
    pub progress: Option<OnProgress>,
}

/// The result for a snapshot.
#[derive(Debug)]
pub struct Pruned {
    /// The snapshot, as it was listed.
    pub info: SnapshotInfo,
    /// The decision; for one that was protected or finished in the meantime, why it was kept after all.
    pub mark: Mark,
    /// The rules that keep it.
    pub rules: Rules,
    /// It is gone because of this call.
    pub removed: bool,
    /// Why removing it failed: it is there still.
    pub error: Option<Error>,
}

/// What a manifest says of the last verification.
#[derive(PartialEq, Eq)]
enum State {
    Good,
    NotVerified,
    /// It failed, or the manifest cannot be read.
    Bad,
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
    /// newest first. One that may not be looked into stays, and the listing says so.
    ///
    /// A snapshot that cannot be removed, because it is in use for example, brings a notice, and the others still go.
    /// The group is not locked, so that a backup may be running in it: each snapshot is, and is looked at again before
    /// it is removed. Directories that crashes of older versions have left in the group are removed too, unless they
    /// are locked.
    ///
    /// There is a notice if all that stays is known to be bad, and one that is not goes; and if verified snapshots are
    /// to be kept, and there is none.
    ///
    /// Errors: `NotFound` if the group is not there; `Io` when it is listed; those of the callbacks.
    pub fn prune_group(&self, group: &Group, options: &PruneOptions) -> Result<Listing<Pruned>> {
        let PruneOptions { ref keep, ref zone, dry_run, ref progress } = *options;
        if !dry_run {
            self.base().check_writable()?;
        }
        let mut progress = Progress::new(progress.clone());
        let Listing { found: infos, unseen } = self.snapshots(group)?;
        let rows = self.rows(&infos, keep, &mut progress)?;
        self.tell_of_none_good(group, &rows, keep)?;
        let decisions = decide(&rows, keep, zone)?;
        self.tell_of_last_good(group, &infos, &decisions)?;
        progress.stage.total = decisions.iter().filter(|decision| decision.mark == Mark::Remove).count() as u64;
        let mut pruned = Vec::new();
        reserve(&mut pruned, infos.len())?;
        for (info, Decision { mark, rules }) in infos.into_iter().zip(decisions) {
            let mut entry = Pruned { info, mark, rules, removed: false, error: None };
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
        Ok(Listing { found: pruned, unseen })
    }

    /// The rows of snapshots, the oldest first. Manifests are read until as many good ones are found as `keep` counts.
    ///
    /// Errors: those of reading that the next would meet too; that of the callback.
    fn rows(&self, infos: &[SnapshotInfo], keep: &Keep, progress: &mut Progress) -> Result<Vec<Row>> {
        let mut rows = try_collect(infos.iter().map(|info| {
            let time = info.snapshot.time();
            Ok(Row { time, finished: info.finished, protected: info.protected, verified: false })
        }))?;
        let mut missing = keep.good;
        for (row, info) in rows.iter_mut().zip(infos).rev() {
            if missing > 0 && row.finished && !row.protected {
                progress.tick()?;
                row.verified = self.state_of(info)? == State::Good;
                missing -= u64::from(row.verified);
            }
        }
        Ok(rows)
    }

    /// Errors: those that the next would meet too.
    fn state_of(&self, info: &SnapshotInfo) -> Result<State> {
        match self.load_manifest(&info.snapshot) {
            Ok(manifest) => Ok(match manifest.verify_state() {
                Some(state) if state.ok => State::Good,
                Some(_) => State::Bad,
                None => State::NotVerified,
            }),
            Err(error) if error.is_of_the_process() => Err(error),
            Err(_) => Ok(State::Bad),
        }
    }

    /// Tells of the newest snapshot that goes and may be good, if there is none among those that stay. For most groups
    /// this reads one manifest.
    ///
    /// Errors: those of reading that the next would meet too; that of the notice.
    fn tell_of_last_good(&self, group: &Group, infos: &[SnapshotInfo], decisions: &[Decision]) -> Result<()> {
        if decisions.iter().all(|decision| decision.mark != Mark::Remove) {
            return Ok(());
        }
        // The newest that goes, or that stays, and is not known to be bad.
        let newest = |goes: bool| {
            let listed = infos.iter().zip(decisions).rev();
            let mut these = listed.filter(|(info, made)| info.finished && (made.mark == Mark::Remove) == goes);
            let found = these.find_map(|(info, _)| match self.state_of(info) {
                Ok(State::Bad) => None,
                state => Some(state.map(|state| (&info.snapshot, state))),
            });
            found.transpose()
        };
        if newest(false)?.is_some() {
            return Ok(());
        }
        let Some((snapshot, state)) = newest(true)? else { return Ok(()) };
        let verified = if state == State::Good { "verified" } else { "not verified" };
        let message = format!(
            "all that is kept of {group} has failed its verification, or has no manifest that can be read; {snapshot}, \
             the last that may be good ({verified}), is to be removed"
        );
        self.base().notice(NoticeLevel::Warning, &message, Some(&self.base().path().join(snapshot.path())))
    }

    /// Who has snapshots kept that are verified may believe that there are some.
    fn tell_of_none_good(&self, group: &Group, rows: &[Row], keep: &Keep) -> Result<()> {
        if keep.good == 0 || rows.is_empty() || rows.iter().any(|row| row.verified) {
            return Ok(());
        }
        let which = if rows.iter().any(|row| row.protected) { "snapshot that is not protected" } else { "snapshot" };
        let message = format!("no {which} of {group} has been verified and found good: none is kept for that");
        self.base().notice(NoticeLevel::Warning, &message, Some(&self.base().path().join(group.path())))
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
