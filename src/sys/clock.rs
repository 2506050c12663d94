//! The time, and waiting.

use std::time::{Duration, Instant};

use crate::error::{Kind, Result};
use crate::progress::Progress;

/// How often something busy is tried.
const RETRY_MS: u64 = 20;

/// Seconds since 1970.
pub fn now() -> i64 {
    match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |seconds| -seconds),
    }
}

/// Waits for `milliseconds`.
pub fn pause(milliseconds: u64) {
    let milliseconds = i32::try_from(milliseconds).unwrap_or(i32::MAX);
    // Not by std, which panics where the system does not let it sleep.
    // SAFETY: no descriptors.
    unsafe { libc::poll(std::ptr::null_mut(), 0, milliseconds) };
}

/// Gives what comes of `attempt`, which is made again for as long as that is `Busy`, but no more after `limit_ms`,
/// which the error then says. `progress` is told of the milliseconds waited, of so many, before each pause.
///
/// Errors: those of `attempt` and of the callback.
pub fn wait_for<T>(limit_ms: u64, progress: &mut Progress, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let (began, limit) = (Instant::now(), Duration::from_millis(limit_ms));
    let mut waited = Duration::ZERO;
    loop {
        match attempt() {
            Err(error) if error.kind() == Kind::Busy && waited < limit => {}
            Err(error) if error.kind() == Kind::Busy && limit_ms > 0 => {
                return Err(error.followed_by(format_args!("after waiting {} s", limit_ms as f64 / 1000.0)));
            }
            other => return other,
        }
        progress.stage.done = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        progress.stage.total = limit_ms;
        progress.tick()?;
        pause(RETRY_MS.min(u64::try_from((limit - waited).as_millis()).unwrap_or(u64::MAX)).max(1));
        waited = began.elapsed();
    }
}
