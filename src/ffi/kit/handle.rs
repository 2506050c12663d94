//! The two classes of handles.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Kind, Result};

/// A handle that any number of threads may use at once.
pub(in crate::ffi) struct Shared<T>(T);

impl<T: Send + Sync> Shared<T> {
    pub(in crate::ffi) fn new(value: T) -> Self {
        Shared(value)
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A handle that one call at a time may use. A second call at the same time is refused, and every call after a panic.
pub(in crate::ffi) struct Exclusive<T> {
    busy: AtomicBool,
    dead: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only through `Entered`, of which there is one at a time.
unsafe impl<T: Send> Sync for Exclusive<T> {}

impl<T: Send> Exclusive<T> {
    pub(in crate::ffi) fn new(value: T) -> Self {
        Exclusive { busy: AtomicBool::new(false), dead: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }
}

impl<T> Exclusive<T> {
    /// The right to use the value, until it is dropped.
    ///
    /// Errors: `Busy` while another call has it; `State` after a panic.
    pub(in crate::ffi) fn enter(&self) -> Result<Entered<'_, T>> {
        if self.busy.swap(true, Ordering::Acquire) {
            return Err(Error::new(Kind::Busy, "the handle is in use by another call"));
        }
        let entered = Entered(self);
        if self.dead.load(Ordering::Relaxed) {
            return Err(Error::new(Kind::State, "the handle is dead: a call on it has panicked"));
        }
        Ok(entered)
    }

    /// Whether a call is under way.
    pub(in crate::ffi) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Acquire)
    }
}

/// The right to use an exclusive handle.
pub(in crate::ffi) struct Entered<'a, T>(&'a Exclusive<T>);

impl<T> Deref for Entered<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: `busy` is ours.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Entered<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: `busy` is ours.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Entered<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.dead.store(true, Ordering::Relaxed);
        }
        self.0.busy.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn one_at_a_time_and_dead_after_a_panic() {
        let handle = Exclusive::new(1);
        let mut entered = handle.enter().unwrap();
        *entered = 2;
        assert_eq!(handle.enter().err().unwrap().kind(), Kind::Busy);
        assert!(handle.is_busy());
        drop(entered);
        assert_eq!(*handle.enter().unwrap(), 2);
        let panic = catch_unwind(AssertUnwindSafe(|| {
            let _entered = handle.enter().unwrap();
            panic!("expected by the test");
        }));
        assert!(panic.is_err());
        assert_eq!(handle.enter().err().unwrap().kind(), Kind::State);
        assert!(!handle.is_busy());
    }
}
