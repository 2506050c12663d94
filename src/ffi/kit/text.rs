//! Strings that C is given.

use std::ffi::{CString, c_char};

use crate::error::{Error, Kind, Result, reserve};

/// A string for C, of a text that holds no NUL and may be long.
///
/// Errors: `NoMemory`.
pub(in crate::ffi) fn c_string(text: impl AsRef<[u8]>) -> Result<CString> {
    let (text, mut bytes) = (text.as_ref(), Vec::new());
    // With the NUL, which is then put in its place without another allocation.
    reserve(&mut bytes, text.len() + 1)?;
    bytes.extend_from_slice(text);
    CString::new(bytes).map_err(|_| Error::new(Kind::Internal, "a checked name holds a NUL byte"))
}

/// A string, or NULL.
pub(in crate::ffi) fn opt_text(text: &Option<CString>) -> *const c_char {
    text.as_ref().map_or(std::ptr::null(), |text| text.as_ptr())
}
