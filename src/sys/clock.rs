//! The time, and waiting.

use crate::error::{Kind, Result};

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

/// Gives what comes of `attempt`, which is made again for as long as that is `Busy`, but no more after `limit_ms`.
pub fn wait_for<T>(limit_ms: u64, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let mut waited_ms = 0;
    loop {
        match attempt() {
            Err(error) if error.kind() == Kind::Busy && waited_ms < limit_ms => pause(RETRY_MS),
            other => return other,
        }
        waited_ms += RETRY_MS;
    }
}
