//! Telling how far a long call is.
//!
//! Every long call takes an [`OnProgress`] in its options, and tells it of [`Stage`]s by one rule: the first at once,
//! then ten a second at most, and besides these the first of each phase and the end of one whose length is known.

use std::time::{Duration, Instant};

use crate::callback::Callback;
use crate::error::Result;

/// The least time between two tellings within a phase.
const INTERVAL: Duration = Duration::from_millis(100);

/// How far a call is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stage {
    /// Which part of the work, from 0.
    pub phase: u32,
    /// Units done.
    pub done: u64,
    /// Units in all; 0 if that is not known.
    pub total: u64,
    /// Bytes done.
    pub bytes: u64,
}

impl Stage {
    /// `done` bytes of an input that had `length` at the start, if that is known. One that turns out longer has no
    /// known length, until its end has come.
    pub fn of_input(done: u64, length: Option<u64>) -> Self {
        let total = length.filter(|length| done <= *length).unwrap_or(0);
        Stage { done, total, bytes: done, ..Stage::default() }
    }

    fn is_end(&self) -> bool {
        self.done == self.total && self.total > 0
    }
}

/// Is told how far a call is, on the caller's thread. An error stops the call.
pub type OnProgress = Callback<dyn Fn(&Stage) -> Result<()> + Send + Sync>;

/// A stage, and whom to tell.
#[derive(Debug, Default)]
pub struct Progress {
    /// Where the work is.
    pub stage: Stage,
    /// The last report, and its time.
    told: Option<(Stage, Instant)>,
    on_progress: Option<OnProgress>,
}

impl Progress {
    /// At the beginning of phase 0.
    pub fn new(on_progress: Option<OnProgress>) -> Self {
        Progress { on_progress, ..Progress::default() }
    }

    /// Whether there is a callback.
    pub fn is_watched(&self) -> bool {
        self.on_progress.is_some()
    }

    /// How long until the next report may come; `None` without a callback.
    pub fn due_in(&self) -> Option<Duration> {
        let rest = |(_, at): (Stage, Instant)| INTERVAL.saturating_sub(at.elapsed());
        self.is_watched().then(|| self.told.map_or(Duration::ZERO, rest))
    }

    /// Goes on to `stage`, and tells if that is due.
    ///
    /// Errors: that of the callback.
    pub fn advance(&mut self, stage: Stage) -> Result<()> {
        self.stage = stage;
        self.tick()
    }

    /// Tells, if that is due.
    ///
    /// Errors: that of the callback.
    pub fn tick(&mut self) -> Result<()> {
        let Some(on_progress) = &self.on_progress else { return Ok(()) };
        if let Some((last, at)) = self.told {
            let begins = last.phase != self.stage.phase;
            let ends = self.stage.is_end() && !last.is_end();
            if !begins && !ends && at.elapsed() < INTERVAL {
                return Ok(());
            }
        }
        self.told = Some((self.stage, Instant::now()));
        on_progress(&self.stage)
    }
}
