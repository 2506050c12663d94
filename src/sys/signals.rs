//! Threads of the library take no signals, and its writes raise none.

use std::io;
use std::mem::MaybeUninit;
use std::ptr::null_mut;

use super::retry;

/// Holds all signals back from this thread until it is dropped. A thread that is started meanwhile never takes one, so
/// that they go on reaching the threads that the host has meant them for.
pub struct SignalsBlocked {
    before: libc::sigset_t,
}

impl SignalsBlocked {
    /// Holds them back from now on.
    pub fn new() -> Self {
        let mut all = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: there is room for a set, and the call fills it.
        let all = unsafe {
            libc::sigfillset(all.as_mut_ptr());
            all.assume_init()
        };
        Self::block(&all)
    }

    fn block(set: &libc::sigset_t) -> Self {
        let mut before = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: `before` has room for a set; with valid arguments the call cannot fail, and fills it.
        unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, set, before.as_mut_ptr());
            SignalsBlocked { before: before.assume_init() }
        }
    }

    /// Whether it was held back before too.
    fn was_blocked(&self, signal: i32) -> bool {
        // SAFETY: the set is one that the system gave.
        unsafe { libc::sigismember(&raw const self.before, signal) == 1 }
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
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, null_mut()) };
    }
}

/// Makes `call`, which writes, and lets it fail without the signal that the system sends besides, and that would end a
/// host which does not expect it: SIGPIPE with EPIPE, SIGXFSZ with EFBIG.
pub(super) fn without_signals<T>(call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let held = SignalsBlocked::block(&set_of(&[libc::SIGPIPE, libc::SIGXFSZ]));
    call().inspect_err(|source| {
        let signal = match source.raw_os_error() {
            Some(libc::EPIPE) => libc::SIGPIPE,
            Some(libc::EFBIG) => libc::SIGXFSZ,
            _ => return,
        };
        // If the host blocks the signal, it may have been pending before, and does no harm.
        if !held.was_blocked(signal) {
            take(signal);
        }
    })
}

/// Takes away a signal that has come to this thread, if it has.
fn take(signal: i32) {
    let set = set_of(&[signal]);
    let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid set, and a valid time; that nothing has come is no failure.
    let _ = retry(|| unsafe { libc::sigtimedwait(&raw const set, null_mut(), &raw const at_once) });
}

fn set_of(signals: &[i32]) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: there is room for a set; the first call fills it.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for &signal in signals {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        set.assume_init()
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
