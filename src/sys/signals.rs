//! Threads of the library take no signals.

use std::mem::MaybeUninit;

/// Holds all signals back from this thread until it is dropped. A thread that is started meanwhile never takes one, so
/// that they go on reaching the threads that the host has meant them for.
pub struct SignalsBlocked {
    before: libc::sigset_t,
}

impl SignalsBlocked {
    /// Holds them back from now on.
    pub fn new() -> Self {
        let mut all = MaybeUninit::<libc::sigset_t>::uninit();
        let mut before = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: both have room for a set; `sigfillset` fills the one, and with valid arguments `pthread_sigmask` cannot
        // fail and fills the other.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            SignalsBlocked { before: before.assume_init() }
        }
    }
}

impl Default for SignalsBlocked {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: the set is one that the system gave.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_blocked(signal: i32) -> bool {
        let mut now = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: a null set changes nothing, and `now` has room for what is.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, std::ptr::null(), now.as_mut_ptr());
            libc::sigismember(now.as_ptr(), signal) == 1
        }
    }

    #[test]
    fn threads_that_are_started_meanwhile_take_none() {
        assert!(!is_blocked(libc::SIGINT));
        let thread = {
            let _blocked = SignalsBlocked::new();
            assert!(is_blocked(libc::SIGINT));
            std::thread::spawn(|| is_blocked(libc::SIGINT) && is_blocked(libc::SIGTERM))
        };
        assert!(thread.join().unwrap());
        assert!(!is_blocked(libc::SIGINT));
    }
}
