//! Keeping to so many bytes in a second, on average, from one call to the next: what one has moved the next waits for.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Answer, Call};

/// A limit of bytes in a second.
#[derive(Debug)]
pub(super) struct Throttle {
    /// 0 is none.
    rate: u64,
    /// When what has been moved so far is over, at this rate.
    free_at: Mutex<Option<Instant>>,
}

impl Throttle {
    /// So many bytes in a second; 0 for as many as there are.
    pub(super) fn new(rate: u64) -> Self {
        Throttle { rate, free_at: Mutex::new(None) }
    }

    /// Waits until what was moved before is over, and counts `bytes` more.
    ///
    /// Errors: that which ends the call.
    pub(super) fn pass(&self, bytes: u64, call: &Call<'_>) -> Answer<()> {
        while let Some(time) = self.pass_at(bytes, Instant::now()) {
            call.wait(time)?;
        }
        Ok(())
    }

    /// Counts `bytes` and gives nothing, if all before is over; else counts none and gives how long that is away.
    fn pass_at(&self, bytes: u64, now: Instant) -> Option<Duration> {
        if self.rate == 0 {
            return None;
        }
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let left = free_at.map_or(Duration::ZERO, |free_at| free_at.saturating_duration_since(now));
        if !left.is_zero() {
            return Some(left);
        }
        *free_at = now.checked_add(self.time_of(bytes));
        None
    }

    /// Counts `bytes` that have been moved, up to `now`.
    pub(super) fn count(&self, bytes: u64, now: Instant) {
        if self.rate > 0 {
            let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
            let begin = free_at.map_or(now, |free_at| free_at.max(now));
            *free_at = begin.checked_add(self.time_of(bytes));
        }
    }

    fn time_of(&self, bytes: u64) -> Duration {
        Duration::try_from_secs_f64(bytes as f64 / self.rate as f64).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_sent_adds_up() {
        let throttle = Throttle::new(1000);
        let begin = Instant::now();
        // By a clock that goes as far as each is told to wait.
        let mut now = begin;
        for bytes in [500, 1500, 0, 3000, 1] {
            while let Some(time) = throttle.pass_at(bytes, now) {
                now += time;
            }
        }
        assert_eq!(now - begin, 5 * SECOND);
        // What was not used is lost.
        now += 100 * SECOND;
        assert_eq!(throttle.pass_at(1000, now), None);
        assert_eq!(throttle.pass_at(1000, now), Some(SECOND));
    }

    #[test]
    fn what_is_received_adds_up() {
        let throttle = Throttle::new(1000);
        let begin = Instant::now();
        assert_eq!(throttle.pass_at(0, begin), None);
        throttle.count(2000, begin + SECOND);
        throttle.count(1000, begin + SECOND);
        assert_eq!(throttle.pass_at(0, begin + 2 * SECOND), Some(2 * SECOND));
        assert_eq!(throttle.pass_at(0, begin + 4 * SECOND), None);
    }

    #[test]
    fn none_and_the_largest() {
        let throttle = Throttle::new(0);
        let now = Instant::now();
        throttle.count(u64::MAX, now);
        assert_eq!(throttle.pass_at(u64::MAX, now), None);
        assert_eq!(throttle.pass_at(u64::MAX, now), None);
        // More than any clock has room for is as good as nothing.
        let slow = Throttle::new(1);
        slow.count(u64::MAX, now);
        slow.pass_at(1, now);
    }
}
