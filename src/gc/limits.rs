//! The last use from which on a chunk stays. A use is a touch: the time of the last access.

use super::GcOptions;
use crate::chunks::Chunks;
use crate::chunks::Usage;

/// Seconds that a touch may seem older than the lock under which it was made, or later than the clock says: the
/// kernel's clock for files is coarse.
const CLOCK_GAP: i64 = 300;

/// What the time of a chunk's last use means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Chunks that were last touched before this may be removed.
    min_use: i64,
    /// Chunks that were touched after this are in use, or were when the oldest writer began.
    oldest: i64,
    /// The latest time that the clock has shown. No touch is later.
    latest: i64,
}

/// What the time of its last use says of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// It is in use, as far as is known.
    InUse,
    /// It is not in use, and not old enough to be removed.
    Pending,
    /// It is not in use, and its last use lies in the future: it is not old enough until after that.
    Future,
    /// It is removed.
    Garbage,
}

impl Limits {
    /// The limits of a collection that begins now. The file system's clock is `lag` seconds behind.
    pub(super) fn begin(chunks: &Chunks, options: &GcOptions, lag: i64) -> Self {
        let start = (options.clock)();
        let oldest = chunks.oldest_writer().unwrap_or(start);
        Self::new(start.saturating_sub(lag), oldest.saturating_sub(lag), options.cutoff_minutes)
    }

    pub(super) fn new(start: i64, oldest: i64, cutoff_minutes: u32) -> Self {
        let mut min_use = start.saturating_sub(i64::from(cutoff_minutes) * 60);
        // Equal seconds count too: the writer's first touch may have the time of the second before.
        if oldest <= min_use {
            min_use = oldest.saturating_sub(CLOCK_GAP);
        }
        Limits { min_use, oldest, latest: start }
    }

    /// The clock says `now`. If it has been set back, what was touched since looks old: the limits go back with it.
    pub(super) fn see(&mut self, now: i64) {
        self.min_use = self.min_use.min(now.saturating_sub(CLOCK_GAP));
        self.oldest = self.oldest.min(now);
        self.latest = self.latest.max(now);
    }

    /// The class. For garbage and the future the clock is looked at first, so that a touch by a clock that has been set
    /// back counts.
    pub(super) fn class_now(&mut self, last_use: i64, options: &GcOptions) -> Class {
        if matches!(self.class(last_use), Class::Garbage | Class::Future) {
            self.see((options.clock)());
        }
        self.class(last_use)
    }

    /// Whether a temporary file may go.
    pub(super) fn is_garbage(&mut self, usage: Usage, options: &GcOptions) -> bool {
        self.class_now(usage.last_use, options) == Class::Garbage
    }

    pub(super) fn class(&self, last_use: i64) -> Class {
        if last_use < self.min_use {
            Class::Garbage
        } else if last_use < self.oldest {
            Class::Pending
        } else if last_use > self.latest.saturating_add(CLOCK_GAP) {
            Class::Future
        } else {
            Class::InUse
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_700_000_000;

    #[test]
    fn the_cut_off_and_the_oldest_writer() {
        let min = |oldest: i64, minutes| Limits::new(START, oldest, minutes).min_use;
        assert_eq!(min(START, 1445), START - 86_700);
        assert_eq!(min(START, 1), START - 60);
        assert_eq!(min(START, 2880), START - 172_800);
        assert_eq!(min(START - 86_699, 1445), START - 86_700);
        assert_eq!(min(START - 86_700, 1445), START - 87_000);
        assert_eq!(min(START - 86_701, 1445), START - 87_001);
        assert_eq!(min(START - 3600, 1), START - 3900);
        assert_eq!(min(START + 500, 1445), START - 86_700);
        assert_eq!(min(i64::MIN, 1445), i64::MIN);
    }

    #[test]
    fn classes_begin_at_their_second() {
        let limits = Limits::new(START, START - 3600, 1445);
        for (last_use, class) in [
            (i64::MAX, Class::Future),
            (START + 301, Class::Future),
            (START + 300, Class::InUse),
            (START, Class::InUse),
            (START - 3600, Class::InUse),
            (START - 3601, Class::Pending),
            (START - 86_700, Class::Pending),
            (START - 86_701, Class::Garbage),
            (i64::MIN, Class::Garbage),
        ] {
            assert_eq!(limits.class(last_use), class, "{last_use}");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_takes_the_limits_along() {
        let mut limits = Limits::new(START, START, 1445);
        // Forward, or back by less than the cut-off: what has been touched since is new enough.
        for now in [START + 86_400 * 365, START - 1, START - 86_400] {
            limits.see(now);
            assert_eq!(limits.min_use, START - 86_700);
            assert_ne!(limits.class(now), Class::Garbage);
        }
        limits.see(START - 2 * 86_400);
        assert_eq!(limits.class(START - 2 * 86_400), Class::InUse);
        assert_ne!(limits.class(START - 2 * 86_400 - 300), Class::Garbage);
        assert_eq!(limits.class(START - 2 * 86_400 - 301), Class::Garbage);
        limits.see(START + 10);
        assert_eq!(limits.class(START - 2 * 86_400), Class::InUse);
        // A time before the clock was set back is not in the future.
        let latest = START + 86_400 * 365;
        assert_eq!((limits.class(latest + 300), limits.class(latest + 301)), (Class::InUse, Class::Future));
    }
}
