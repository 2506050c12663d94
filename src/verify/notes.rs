//! Noting outcomes in manifests (docs/format.md, 10.5), many at a time.
//!
//! A note that is lost costs one more verification, which is not worth a sync for each snapshot. But a crash must leave
//! the old manifest or the new one, whole. So the new ones of many snapshots are written beside the old ones, brought
//! to the disk by one sync of the file system, and then take their places.

use std::time::{Duration, Instant};

use super::ends_all;
use crate::base::{NoticeLevel, SyncLevel};
use crate::error::{Error, Kind, Result, push, reserve};
use crate::manifest::VerifyState;
use crate::name::Snapshot;
use crate::store::Store;

/// Outcomes that are noted together, at most.
const MAX_WAITING: usize = 256;

/// Seconds that an outcome waits for others: about what is lost, at most, if the process dies.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Outcomes that wait to be noted, and those that could not be.
pub(super) struct Notes {
    upid: String,
    waiting: Vec<(Snapshot, bool)>,
    /// When the first of them came.
    since: Option<Instant>,
    lost: u64,
    /// Why the first of these could not be noted.
    why: Option<Error>,
}

impl Notes {
    pub(super) fn new(upid: String) -> Self {
        Notes { upid, waiting: Vec::new(), since: None, lost: 0, why: None }
    }

    /// Outcomes that could not be noted.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Takes an outcome, and notes those that wait if there are many, or if the first has waited for long.
    ///
    /// Errors: those that end a run.
    pub(super) fn add(&mut self, store: &Store, snapshot: &Snapshot, ok: bool) -> Result<()> {
        push(&mut self.waiting, (snapshot.clone(), ok))?;
        let since = *self.since.get_or_insert_with(Instant::now);
        match self.waiting.len() >= MAX_WAITING || since.elapsed() >= MAX_WAIT {
            true => self.write(store),
            false => Ok(()),
        }
    }

    /// Notes those that wait. Chunks that have been repaired come to the disk before it is said that all is well.
    ///
    /// Errors: those that end a run; other failures to note are only counted.
    pub(super) fn write(&mut self, store: &Store) -> Result<()> {
        self.since = None;
        let mut drafts = Vec::new();
        reserve(&mut drafts, self.waiting.len())?;
        for (snapshot, ok) in std::mem::take(&mut self.waiting) {
            let state = VerifyState { ok, upid: self.upid.clone() };
            match store.tree().draft_manifest(&snapshot, |manifest| manifest.set_verify_state(Some(&state))) {
                Ok(draft) => drafts.push((draft, state)),
                Err(error) => self.lose(error)?,
            }
        }
        if drafts.is_empty() {
            return Ok(());
        }
        let synced = if store.base().sync_level() == SyncLevel::None { Ok(()) } else { store.sync() };
        for (draft, state) in drafts {
            let placed =
                synced.clone().and_then(|()| draft.take_place(|manifest| manifest.set_verify_state(Some(&state))));
            if let Err(error) = placed {
                self.lose(error)?;
            }
        }
        Ok(())
    }

    /// Counts an outcome that could not be noted, unless its snapshot has been removed meanwhile.
    fn lose(&mut self, error: Error) -> Result<()> {
        if ends_all(&error) {
            return Err(error);
        }
        if error.kind() != Kind::NotFound {
            self.lost += 1;
            self.why.get_or_insert(error);
        }
        Ok(())
    }

    /// Says once what could not be noted.
    ///
    /// Errors: that of the notice.
    pub(super) fn tell_lost(&mut self, store: &Store) -> Result<()> {
        let Some(why) = self.why.take() else { return Ok(()) };
        let ending = if self.lost == 1 { "" } else { "s" };
        let message = format!("the outcome of {} snapshot{ending} is not noted: {}", self.lost, why.message());
        store.base().notice(NoticeLevel::Warning, &message, why.path())
    }
}
