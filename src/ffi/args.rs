//! The only reader and writer of the pointers that come from C.
//!
//! What can be checked is: NULL, alignment, sizes that the caller states, flags. What cannot, that a pointer points to
//! what the header says it does, is the caller's part, and the SAFETY of every function here.

use std::ffi::{CStr, OsStr, c_char, c_void};
use std::marker::PhantomData;
use std::mem::size_of;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::status::{PXDS_OK, pxds_status};
use crate::digest::{DIGEST_SIZE, Digest};
use crate::error::{Error, Kind, Result};

fn null(name: &str) -> Error {
    Error::new(Kind::Argument, format!("{name} is NULL"))
}

fn wrong(message: String) -> Error {
    Error::new(Kind::Argument, message)
}

/// The object behind a handle, which must not be NULL.
pub(super) unsafe fn handle<'a, T>(pointer: *const T, name: &str) -> Result<&'a T> {
    // SAFETY: the caller's.
    unsafe { opt(pointer) }.ok_or_else(|| null(name))
}

/// The object behind a handle that may be NULL.
pub(super) unsafe fn opt<'a, T>(pointer: *const T) -> Option<&'a T> {
    // SAFETY: the caller's.
    unsafe { pointer.as_ref() }
}

/// Frees a handle that may be NULL.
pub(super) unsafe fn free<T>(pointer: *mut T) {
    if !pointer.is_null() {
        // SAFETY: the caller's: it came from `Out::hand_out` or `pxds_error::into_raw` and is not used again.
        drop(unsafe { Box::from_raw(pointer) });
    }
}

/// Frees an exclusive handle that may be NULL. One that a call is still using is leaked: that is the caller's mistake,
/// and leaking is its least harm.
pub(super) unsafe fn free_exclusive<T>(pointer: *mut T, is_busy: impl FnOnce(&T) -> bool) {
    // SAFETY: the caller's.
    if unsafe { opt(pointer) }.is_some_and(|object| !is_busy(object)) {
        // SAFETY: the caller's.
        unsafe { free(pointer) };
    }
}

/// `len` bytes to read. NULL with length 0 is the empty slice.
pub(super) unsafe fn bytes<'a>(pointer: *const c_void, len: usize, name: &str) -> Result<&'a [u8]> {
    if pointer.is_null() {
        return if len == 0 { Ok(&[]) } else { Err(null(name)) };
    }
    check_len(len, name)?;
    // SAFETY: the caller's.
    Ok(unsafe { std::slice::from_raw_parts(pointer.cast(), len) })
}

/// `len` bytes to write. NULL with length 0 is the empty slice.
pub(super) unsafe fn bytes_mut<'a>(pointer: *mut c_void, len: usize, name: &str) -> Result<&'a mut [u8]> {
    if pointer.is_null() {
        return if len == 0 { Ok(&mut []) } else { Err(null(name)) };
    }
    check_len(len, name)?;
    // SAFETY: the caller's.
    Ok(unsafe { std::slice::from_raw_parts_mut(pointer.cast(), len) })
}

fn check_len(len: usize, name: &str) -> Result<()> {
    if isize::try_from(len).is_err() {
        return Err(wrong(format!("{name} cannot have {len} bytes")));
    }
    Ok(())
}

/// The bytes of a string that ends in NUL.
pub(super) unsafe fn string<'a>(pointer: *const c_char, name: &str) -> Result<&'a [u8]> {
    if pointer.is_null() {
        return Err(null(name));
    }
    // SAFETY: the caller's.
    Ok(unsafe { CStr::from_ptr(pointer) }.to_bytes())
}

/// A path, which is not empty.
pub(super) unsafe fn path<'a>(pointer: *const c_char, name: &str) -> Result<&'a Path> {
    // SAFETY: the caller's.
    let bytes = unsafe { string(pointer, name) }?;
    if bytes.is_empty() {
        return Err(wrong(format!("{name} is empty")));
    }
    Ok(Path::new(OsStr::from_bytes(bytes)))
}

/// The 32 bytes of a digest.
pub(super) unsafe fn digest(pointer: *const u8, name: &str) -> Result<Digest> {
    // SAFETY: the caller's.
    unsafe { opt_digest(pointer) }.ok_or_else(|| null(name))
}

/// The 32 bytes of a digest that may be NULL.
pub(super) unsafe fn opt_digest(pointer: *const u8) -> Option<Digest> {
    // SAFETY: the caller's; an array of bytes has no alignment.
    unsafe { opt(pointer.cast::<[u8; DIGEST_SIZE]>()) }.map(|&digest| Digest(digest))
}

/// A value that may be NULL.
pub(super) unsafe fn opt_value<T: Copy>(pointer: *const T) -> Option<T> {
    // SAFETY: the caller's.
    (!pointer.is_null()).then(|| unsafe { pointer.read_unaligned() })
}

/// Refuses flags that are not `known`.
pub(super) fn flags(flags: u32, known: u32, name: &str) -> Result<()> {
    if flags & !known != 0 {
        return Err(wrong(format!("{name} has the unknown flags {:#x}", flags & !known)));
    }
    Ok(())
}

/// An output of the caller's, reset when it is taken and written at the end.
///
/// Take the outputs first, so that they are reset whatever is wrong with the rest.
pub(super) struct Out<'a, T> {
    pointer: *mut T,
    lives: PhantomData<&'a mut T>,
}

impl<T: Default> Out<'_, T> {
    /// An output that must not be NULL.
    pub(super) unsafe fn new(pointer: *mut T, name: &str) -> Result<Self> {
        // SAFETY: the caller's.
        unsafe { Self::with_reset(pointer, name, T::default()) }
    }

    /// An output that may be NULL.
    pub(super) unsafe fn opt(pointer: *mut T) -> Option<Self> {
        // SAFETY: the caller's.
        unsafe { Self::new(pointer, "") }.ok()
    }
}

impl<T> Out<'_, T> {
    unsafe fn with_reset(pointer: *mut T, name: &str, reset: T) -> Result<Self> {
        if pointer.is_null() {
            return Err(null(name));
        }
        let out = Out { pointer, lives: PhantomData };
        out.set(reset);
        Ok(out)
    }

    /// Writes it; that is success.
    pub(super) fn set(&self, value: T) -> pxds_status {
        // SAFETY: not NULL, and by the header's rules it may be written for the length of the call.
        unsafe { self.pointer.write_unaligned(value) };
        PXDS_OK
    }
}

impl<const N: usize> Out<'_, [u8; N]> {
    /// An array of bytes, passed as a pointer to the first.
    pub(super) unsafe fn array(pointer: *mut u8, name: &str) -> Result<Self> {
        // SAFETY: the caller's; an array of bytes has no alignment.
        unsafe { Self::with_reset(pointer.cast(), name, [0; N]) }
    }
}

impl<T> Out<'_, *mut T> {
    /// A handle to hand out.
    pub(super) unsafe fn handle(pointer: *mut *mut T, name: &str) -> Result<Self> {
        // SAFETY: the caller's.
        unsafe { Self::with_reset(pointer, name, std::ptr::null_mut()) }
    }

    /// Gives `object` to the caller, who frees it.
    pub(super) fn hand_out(&self, object: T) {
        self.set(Box::into_raw(Box::new(object)));
    }
}

impl<T> Out<'_, *const T> {
    /// A pointer into something of the caller's or the library's.
    pub(super) unsafe fn borrowed(pointer: *mut *const T, name: &str) -> Result<Self> {
        // SAFETY: the caller's.
        unsafe { Self::with_reset(pointer, name, std::ptr::null()) }
    }
}

/// A structure whose first field is its size in bytes, as the caller's compiler saw it.
///
/// # Safety
///
/// The type is `repr(C)`, begins with `struct_size: usize`, all-zero bytes are a value of it, and it has no padding
/// that matters: every byte behind the size may be copied.
pub(super) unsafe trait SizeFirst: Copy {
    /// Its name in C.
    const NAME: &'static str;
}

/// No structure of this API will ever be larger: a larger size is a variable that nobody has initialised, and as many
/// bytes behind it are not the caller's to be written.
const MAX_STRUCT_SIZE: usize = 1024;

unsafe fn stated_size<T: SizeFirst>(pointer: *const T) -> Result<usize> {
    // SAFETY: the caller's: every such structure begins with its size.
    let stated = unsafe { pointer.cast::<usize>().read_unaligned() };
    if stated < size_of::<T>() {
        return Err(wrong(format!(
            "{}.struct_size is {stated} and must be at least {}: initialise the structure with its _INIT macro",
            T::NAME,
            size_of::<T>()
        )));
    }
    if stated > MAX_STRUCT_SIZE {
        return Err(wrong(format!("{}.struct_size is {stated}: the structure is not initialised", T::NAME)));
    }
    Ok(stated)
}

/// The options that a caller passed, or zeros for NULL. A longer structure, of a later release, is accepted when what
/// this release does not know is zero.
pub(super) unsafe fn options<T: SizeFirst>(pointer: *const T) -> Result<T> {
    if pointer.is_null() {
        // SAFETY: of the trait: zeros are a value.
        return Ok(unsafe { std::mem::zeroed() });
    }
    // SAFETY: the caller's.
    let stated = unsafe { stated_size(pointer) }?;
    // SAFETY: the caller's: it points to as many bytes as it states.
    let all = unsafe { std::slice::from_raw_parts(pointer.cast::<u8>(), stated) };
    if all[size_of::<T>()..].iter().any(|&byte| byte != 0) {
        return Err(wrong(format!("{} has a field that this version of pxds does not know", T::NAME)));
    }
    // SAFETY: it has at least the bytes of `T`, and every value of its fields is one.
    Ok(unsafe { pointer.read_unaligned() })
}

/// An output structure, zeroed behind its size when it is taken.
pub(super) struct OutStruct<'a, T> {
    pointer: *mut T,
    stated: usize,
    lives: PhantomData<&'a mut T>,
}

impl<T: SizeFirst> OutStruct<'_, T> {
    /// An output that must not be NULL and must state its size.
    pub(super) unsafe fn new(pointer: *mut T, name: &str) -> Result<Self> {
        if pointer.is_null() {
            return Err(null(name));
        }
        // SAFETY: the caller's.
        let stated = unsafe { stated_size(pointer) }?;
        let out = OutStruct { pointer, stated, lives: PhantomData };
        let rest = stated - size_of::<usize>();
        // SAFETY: the caller's: it points to as many bytes as it states.
        unsafe { pointer.cast::<u8>().add(size_of::<usize>()).write_bytes(0, rest) };
        Ok(out)
    }

    /// An output that may be NULL.
    pub(super) unsafe fn opt(pointer: *mut T) -> Result<Option<Self>> {
        // SAFETY: the caller's.
        if pointer.is_null() { Ok(None) } else { unsafe { Self::new(pointer, "") }.map(Some) }
    }

    /// Writes it, but for its size, which stays as the caller stated it.
    pub(super) fn set(&self, value: T) {
        // SAFETY: not NULL, at least this long, and begins with its size.
        unsafe {
            self.pointer.write_unaligned(value);
            self.pointer.cast::<usize>().write_unaligned(self.stated);
        }
    }
}
