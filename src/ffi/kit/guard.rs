//! Wraps the body of every export.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::args::{self, OutStruct, SizeFirst};
use super::error::pxds_error;
use super::status::{PXDS_ERR_PANIC, PXDS_NONE, PXDS_OK, pxds_status, status_of};
use crate::error::{Error, Kind, Result};
use crate::sys;

/// Runs the body of a fallible export: gives its status, and puts its error, or NULL, into `*err`.
///
/// A panic in the body is caught and becomes an error of its own status.
pub(in crate::ffi) fn guard(err: *mut *mut pxds_error, body: impl FnOnce() -> Result<pxds_status>) -> pxds_status {
    sys::begin_call();
    let (status, error) = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(status)) => (status, None),
        Ok(Err(error)) => (status_of(error.kind()), Some(error)),
        Err(panic) => {
            let message = format!("defect in pxds: {}", panic_message(&*panic));
            drop_panic(panic);
            (PXDS_ERR_PANIC, Some(Error::new(Kind::Internal, message)))
        }
    };
    let error = error.map_or(std::ptr::null_mut(), |error| pxds_error::into_raw(error, status));
    if err.is_null() {
        // SAFETY: just made, and not handed out yet.
        unsafe { args::free(error) };
    } else {
        // SAFETY: not NULL, so by the header's rules it points to a `pxds_error *` that may be written.
        unsafe { err.write(error) };
    }
    status
}

/// Runs the body of an export whose only outcome is success.
pub(in crate::ffi) fn guard_ok(err: *mut *mut pxds_error, body: impl FnOnce() -> Result<()>) -> pxds_status {
    guard(err, || body().map(|()| PXDS_OK))
}

/// The body of an export that writes an element of `list` to `*out`, if `read` gives one, and is `PXDS_NONE` otherwise.
///
/// # Safety
///
/// The pointers are as the header says.
pub(in crate::ffi) unsafe fn element<L, E: SizeFirst>(
    (list, list_name): (*const L, &str),
    (out, name): (*mut E, &str),
    err: *mut *mut pxds_error,
    read: impl FnOnce(&L) -> Result<Option<E>>,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the caller's.
        let (out, list) = unsafe { (OutStruct::new(out, name)?, args::handle(list, list_name)?) };
        let Some(element) = read(list)? else { return Ok(PXDS_NONE) };
        Ok(out.set(element))
    })
}

/// Runs the body of a getter or of a free, which cannot fail; `otherwise` is what a panic gives.
pub(in crate::ffi) fn guard_value<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        drop_panic(panic);
        otherwise
    })
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("panic")
}

/// Drops the payload of a panic, which might panic again.
fn drop_panic(panic: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(again);
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::{pxds_error_free, pxds_error_message};
    use super::*;
    use std::ffi::CStr;
    use std::ptr::null_mut;

    #[test]
    fn a_panic_becomes_a_status() {
        let mut err = null_mut();
        assert_eq!(guard(&mut err, || panic!("at {}", 7)), PXDS_ERR_PANIC);
        // SAFETY: the guard has written an error.
        unsafe {
            assert_eq!(CStr::from_ptr(pxds_error_message(err)), c"defect in pxds: at 7");
            pxds_error_free(err);
        }
        assert_eq!(guard(null_mut(), || panic!("x")), PXDS_ERR_PANIC);
        assert_eq!(guard_value(5, || panic!("x")), 5);
    }

    #[test]
    fn success_clears_the_error() {
        let mut err = std::ptr::dangling_mut();
        assert_eq!(guard_ok(&mut err, || Ok(())), PXDS_OK);
        assert!(err.is_null());
    }
}
