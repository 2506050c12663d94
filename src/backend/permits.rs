//! How many attempts may be under way at once: all, or fewer for a while after the service has had too much to do.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Answer, Call};

/// How long the permits stay few after the service has said that it has too much to do.
const PATIENCE: Duration = Duration::from_secs(10);

/// After so many attempts that went well there is one permit more.
const WELL_FOR_ONE: u32 = 8;

/// The permits of one service.
#[derive(Debug)]
pub(super) struct Permits {
    state: Mutex<State>,
    freed: Condvar,
    most: usize,
}

#[derive(Debug)]
struct State {
    used: usize,
    /// 1 or more.
    allowed: usize,
    /// They do not grow before.
    few_until: Option<Instant>,
    /// Attempts that went well since the last time they became more, or fewer.
    well: u32,
    /// How often they have been halved.
    halved: u64,
}

/// One attempt's leave; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    permits: &'a Permits,
    /// As in the state, when it was given.
    halved: u64,
}

impl Permits {
    /// So many, 1 or more.
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1);
        let state = State { used: 0, allowed: most, few_until: None, well: 0, halved: 0 };
        Permits { state: Mutex::new(state), freed: Condvar::new(), most }
    }

    /// Waits for one.
    ///
    /// Errors: that which ends the call.
    pub(super) fn take(&self, call: &Call<'_>) -> Answer<Permit<'_>> {
        let mut state = self.state();
        while state.used >= state.allowed {
            // Whether the call is wanted is asked without the lock: that is the caller's code.
            drop(state);
            let left = call.check()?;
            state = self.state();
            if state.used >= state.allowed {
                let waited = self.freed.wait_timeout(state, left.min(Call::STEP));
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        state.used += 1;
        Ok(Permit { permits: self, halved: state.halved })
    }

    /// How many there are now, used or not.
    pub(super) fn allowed(&self) -> usize {
        self.state().allowed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// The attempt went well, and ended at `now`.
    pub(super) fn went_well(self, now: Instant) {
        let mut state = self.permits.state();
        if state.allowed == self.permits.most || state.few_until.is_some_and(|until| now < until) {
            return;
        }
        state.well += 1;
        if state.well >= WELL_FOR_ONE {
            state.well = 0;
            state.allowed += 1;
            self.permits.freed.notify_one();
        }
    }

    /// The service had too much to do for it, as it said at `now`. Of attempts that were under way together, the first
    /// one to say so halves the permits; the others say the same thing.
    pub(super) fn was_too_much(self, now: Instant) {
        let mut state = self.permits.state();
        if state.halved == self.halved {
            state.halved += 1;
            state.allowed = (state.allowed / 2).max(1);
        }
        state.well = 0;
        state.few_until = now.checked_add(PATIENCE);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.permits.state().used -= 1;
        self.permits.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::error::{Error, Kind, Result};

    fn always() -> Result<()> {
        Ok(())
    }

    fn call() -> Call<'static> {
        Call::new(Instant::now() + Duration::from_secs(60), &always)
    }

    #[test]
    fn halved_once_by_those_that_were_together() {
        let permits = Permits::new(12);
        let begin = Instant::now();
        let together: Vec<_> = (0..5).map(|_| permits.take(&call()).unwrap()).collect();
        together.into_iter().for_each(|permit| permit.was_too_much(begin));
        assert_eq!(permits.allowed(), 6);
        for allowed in [3, 1, 1] {
            permits.take(&call()).unwrap().was_too_much(begin);
            assert_eq!(permits.allowed(), allowed);
        }
    }

    #[test]
    fn they_grow_by_one_when_the_time_is_over() {
        let permits = Permits::new(4);
        let begin = Instant::now();
        permits.take(&call()).unwrap().was_too_much(begin);
        let well = |count: u32, now: Instant| (0..count).for_each(|_| permits.take(&call()).unwrap().went_well(now));
        well(100, begin + PATIENCE - Duration::from_nanos(1));
        assert_eq!(permits.allowed(), 2);
        let later = begin + PATIENCE;
        well(7, later);
        assert_eq!(permits.allowed(), 2);
        well(1, later);
        assert_eq!(permits.allowed(), 3);
        // The count begins anew when there was too much again.
        well(7, later);
        permits.take(&call()).unwrap().was_too_much(later);
        assert_eq!(permits.allowed(), 1);
        well(7, later + PATIENCE);
        assert_eq!(permits.allowed(), 1);
        well(1 + 8 + 8 + 100, later + PATIENCE);
        assert_eq!(permits.allowed(), 4);
    }

    #[test]
    fn no_more_at_once_than_there_are() {
        let permits = Permits::new(3);
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let permit = permits.take(&call()).unwrap();
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                        drop(permit);
                    }
                });
            }
        });
        assert!((1..=3).contains(&most.into_inner()));
        assert_eq!(permits.state().used, 0);
    }

    #[test]
    fn who_waits_can_be_told_to_stop() {
        let permits = Permits::new(1);
        let held = permits.take(&call()).unwrap();
        let asked = AtomicUsize::new(0);
        let stop = || match asked.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(()),
            _ => Err(Error::cancelled("test", 7)),
        };
        let failure = permits.take(&Call::new(Instant::now() + Duration::from_secs(60), &stop)).unwrap_err();
        assert_eq!(failure.error.kind(), Kind::Cancelled);
        drop(held);
        permits.take(&call()).unwrap();
    }
}
