//! Telling how far a long call is, at most ten times a second.

use std::time::{Duration, Instant};

use crate::error::Result;

/// The least time between two tellings.
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

/// Takes word of it, on the caller's thread. An error stops the call.
pub type OnProgress<'a> = dyn FnMut(&Stage) -> Result<()> + 'a;

/// The same, kept by what lives longer than one call.
pub type KeptOnProgress = Box<dyn FnMut(&Stage) -> Result<()> + Send>;

/// A stage, and whom to tell: a [`KeptOnProgress`], or an [`OnProgress`] of the caller's.
pub struct Progress<T = KeptOnProgress> {
    /// Where the work is.
    pub stage: Stage,
    told: Option<Instant>,
    tell: Option<T>,
}

impl<T: FnMut(&Stage) -> Result<()>> Progress<T> {
    /// At the beginning of phase 0.
    pub fn new(tell: Option<T>) -> Self {
        Progress { stage: Stage::default(), told: None, tell }
    }

    /// Whether there is somebody to tell.
    pub fn is_watched(&self) -> bool {
        self.tell.is_some()
    }

    /// How long until it may tell again; `None` if there is nobody to tell.
    pub fn due_in(&self) -> Option<Duration> {
        let rest = |told: Instant| INTERVAL.saturating_sub(told.elapsed());
        self.is_watched().then(|| self.told.map_or(Duration::ZERO, rest))
    }

    /// Tells, unless it has just done so. The first time is at once.
    ///
    /// Errors: that of the callback.
    pub fn tick(&mut self) -> Result<()> {
        let Some(tell) = &mut self.tell else { return Ok(()) };
        if self.told.is_some_and(|told| told.elapsed() < INTERVAL) {
            return Ok(());
        }
        self.told = Some(Instant::now());
        tell(&self.stage)
    }
}
