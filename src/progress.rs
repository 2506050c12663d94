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

/// A stage, and whom to tell.
pub struct Progress<'a> {
    /// Where the work is.
    pub stage: Stage,
    told: Option<Instant>,
    tell: Option<&'a mut OnProgress<'a>>,
}

impl<'a> Progress<'a> {
    /// At the beginning of phase 0.
    pub fn new(tell: Option<&'a mut OnProgress<'a>>) -> Self {
        Progress { stage: Stage::default(), told: None, tell }
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
