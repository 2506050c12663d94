//! The library's buffer.

use super::args;
use super::guard::guard_value;
use super::handle::Shared;

/// Bytes that the library has allocated and the caller owns. Immutable; any thread may read it.
pub struct pxds_buffer(Shared<Vec<u8>>);

impl pxds_buffer {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        pxds_buffer(Shared::new(bytes))
    }
}

/// The first byte. Never NULL, but for NULL; not to be read if the length is 0.
///
/// Owns: the bytes are the buffer's.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_buffer_data(buffer: *const pxds_buffer) -> *const u8 {
    let none = std::ptr::null;
    // SAFETY: the header's rules for handles.
    guard_value(none(), || unsafe { args::opt(buffer) }.map_or_else(none, |buffer| buffer.0.as_ptr()))
}

/// How many bytes; 0 for NULL.
///
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_buffer_len(buffer: *const pxds_buffer) -> usize {
    // SAFETY: the header's rules for handles.
    guard_value(0, || unsafe { args::opt(buffer) }.map_or(0, |buffer| buffer.0.len()))
}

/// Frees a buffer. NULL is fine.
///
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_buffer_free(buffer: *mut pxds_buffer) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free(buffer) })
}
