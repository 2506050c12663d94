//! The library's buffer.

use super::args;
use super::guard::guard_value;
use super::handle::Shared;
use crate::error::{Result, push, reserve};
use zeroize::Zeroizing;

/// Bytes that the library has allocated and the caller owns. Immutable; any thread may read it.
///
/// Where a function says that it gives a text, a NUL follows that the length does not count.
pub struct pxds_buffer {
    bytes: Shared<Bytes>,
    len: usize,
}

enum Bytes {
    Open(Vec<u8>),
    /// Overwritten when they are dropped.
    Secret(Zeroizing<Vec<u8>>),
}

impl pxds_buffer {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        pxds_buffer { len: bytes.len(), bytes: Shared::new(Bytes::Open(bytes)) }
    }

    /// A text, with a NUL behind it.
    ///
    /// Errors: `NoMemory`.
    pub(super) fn text(text: impl Into<Vec<u8>>) -> Result<Self> {
        let mut bytes = text.into();
        let len = bytes.len();
        push(&mut bytes, 0)?;
        Ok(pxds_buffer { bytes: Shared::new(Bytes::Open(bytes)), len })
    }

    /// A text that is overwritten when it is freed.
    ///
    /// Errors: `NoMemory`.
    pub(super) fn secret_text(text: &str) -> Result<Self> {
        // Allocated at the right size: a buffer that grows leaves a copy behind.
        let mut bytes = Zeroizing::new(Vec::new());
        reserve(&mut bytes, text.len() + 1)?;
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
        Ok(pxds_buffer { bytes: Shared::new(Bytes::Secret(bytes)), len: text.len() })
    }

    fn as_ptr(&self) -> *const u8 {
        match &*self.bytes {
            Bytes::Open(bytes) => bytes.as_ptr(),
            Bytes::Secret(bytes) => bytes.as_ptr(),
        }
    }
}

/// The first byte, which must not be read if the length is 0. NULL only for NULL.
///
/// Owns: the bytes are the buffer's.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_buffer_data(buffer: *const pxds_buffer) -> *const u8 {
    let none = std::ptr::null;
    // SAFETY: the header's rules for handles.
    guard_value(none(), || unsafe { args::opt(buffer) }.map_or_else(none, pxds_buffer::as_ptr))
}

/// How many bytes; 0 for NULL.
///
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_buffer_len(buffer: *const pxds_buffer) -> usize {
    // SAFETY: the header's rules for handles.
    guard_value(0, || unsafe { args::opt(buffer) }.map_or(0, |buffer| buffer.len))
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
