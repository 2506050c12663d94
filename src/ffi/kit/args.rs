//! The only reader and writer of the pointers that come from C.
//!
//! NULL, alignment, sizes that the caller states, and flags are checked. That a pointer points to what the header says
//! cannot be checked: it is the caller's part, and the SAFETY of every function here.

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
pub(in crate::ffi) unsafe fn handle<'a, T>(pointer: *const T, name: &str) -> Result<&'a T> {
    // SAFETY: the caller's.
    unsafe { opt(pointer) }.ok_or_else(|| null(name))
}

/// The object behind a handle that may be NULL.
pub(in crate::ffi) unsafe fn opt<'a, T>(pointer: *const T) -> Option<&'a T> {
    // SAFETY: the caller's.
    unsafe { pointer.as_ref() }
}

/// Frees a handle that may be NULL.
pub(in crate::ffi) unsafe fn free<T>(pointer: *mut T) {
    if !pointer.is_null() {
        // SAFETY: the caller's: it came from `Out::hand_out` or `pxds_error::into_raw` and is not used again.
        drop(unsafe { Box::from_raw(pointer) });
    }
}

/// Frees an exclusive handle that may be NULL. One that a call is still using is leaked: that is the caller's mistake,
/// and leaking is its least harm.
pub(in crate::ffi) unsafe fn free_exclusive<T>(pointer: *mut T, is_busy: impl FnOnce(&T) -> bool) {
    // SAFETY: the caller's.
    if unsafe { opt(pointer) }.is_some_and(|object| !is_busy(object)) {
        // SAFETY: the caller's.
        unsafe { free(pointer) };
    }
}

/// `len` bytes to read. NULL with length 0 is the empty slice.
pub(in crate::ffi) unsafe fn bytes<'a>(pointer: *const c_void, len: usize, name: &str) -> Result<&'a [u8]> {
    if pointer.is_null() {
        return if len == 0 { Ok(&[]) } else { Err(null(name)) };
    }
    check_len(len, name)?;
    // SAFETY: the caller's.
    Ok(unsafe { std::slice::from_raw_parts(pointer.cast(), len) })
}

/// `count` structures or numbers to read. NULL with count 0 is the empty slice.
pub(in crate::ffi) unsafe fn slice<'a, T: Copy>(pointer: *const T, count: usize, name: &str) -> Result<&'a [T]> {
    if is_empty(pointer, count, name)? {
        return Ok(&[]);
    }
    // SAFETY: the caller's.
    Ok(unsafe { std::slice::from_raw_parts(pointer, count) })
}

/// Whether a slice is the empty one of NULL. Any other has an address and a length that it can have.
fn is_empty<T>(pointer: *const T, count: usize, name: &str) -> Result<bool> {
    if pointer.is_null() {
        return if count == 0 { Ok(true) } else { Err(null(name)) };
    }
    if !pointer.is_aligned() {
        return Err(wrong(format!("{name} is not aligned")));
    }
    check_len(count.saturating_mul(size_of::<T>()), name).map(|()| false)
}

/// `count` numbers to write, reset to 0. NULL with count 0 is the empty slice.
pub(in crate::ffi) unsafe fn numbers_mut<'a>(pointer: *mut u32, count: usize, name: &str) -> Result<&'a mut [u32]> {
    if is_empty(pointer.cast_const(), count, name)? {
        return Ok(&mut []);
    }
    // SAFETY: the caller's; zeros are numbers, so that the slice is one of numbers.
    unsafe {
        pointer.write_bytes(0, count);
        Ok(std::slice::from_raw_parts_mut(pointer, count))
    }
}

/// `len` bytes to write. NULL with length 0 is the empty slice.
pub(in crate::ffi) unsafe fn bytes_mut<'a>(pointer: *mut c_void, len: usize, name: &str) -> Result<&'a mut [u8]> {
    if pointer.is_null() {
        return if len == 0 { Ok(&mut []) } else { Err(null(name)) };
    }
    check_len(len, name)?;
    // SAFETY: the caller's.
    Ok(unsafe { std::slice::from_raw_parts_mut(pointer.cast(), len) })
}

/// Room for a string of `capacity` bytes with its NUL, reset to the empty one.
pub(in crate::ffi) unsafe fn text_mut<'a>(pointer: *mut c_char, capacity: usize, name: &str) -> Result<&'a mut [u8]> {
    // SAFETY: the caller's.
    let room = unsafe { bytes_mut(pointer.cast(), capacity, name) }?;
    if let [first, ..] = room {
        *first = 0;
    }
    Ok(room)
}

/// Writes `text` and a NUL.
///
/// Errors: `TooSmall`.
pub(in crate::ffi) fn write_text(room: &mut [u8], text: &[u8]) -> Result<()> {
    let needed = text.len() + 1;
    let capacity = room.len();
    let Some(room) = room.get_mut(..needed) else {
        return Err(Error::new(Kind::TooSmall, format!("{capacity} bytes are too few for a text of {needed}")));
    };
    room[..text.len()].copy_from_slice(text);
    room[text.len()] = 0;
    Ok(())
}

fn check_len(len: usize, name: &str) -> Result<()> {
    if isize::try_from(len).is_err() {
        return Err(wrong(format!("{name} cannot have {len} bytes")));
    }
    Ok(())
}

/// The bytes of a string that ends in NUL.
pub(in crate::ffi) unsafe fn string<'a>(pointer: *const c_char, name: &str) -> Result<&'a [u8]> {
    if pointer.is_null() {
        return Err(null(name));
    }
    // SAFETY: the caller's.
    Ok(unsafe { CStr::from_ptr(pointer) }.to_bytes())
}

/// A string that ends in NUL and is UTF-8.
pub(in crate::ffi) unsafe fn text<'a>(pointer: *const c_char, name: &str) -> Result<&'a str> {
    // SAFETY: the caller's.
    let bytes = unsafe { string(pointer, name) }?;
    std::str::from_utf8(bytes).map_err(|_| wrong(format!("{name} is not UTF-8")))
}

/// As [`text`], of a pointer that may be NULL.
pub(in crate::ffi) unsafe fn opt_text<'a>(pointer: *const c_char, name: &str) -> Result<Option<&'a str>> {
    // SAFETY: the caller's.
    if pointer.is_null() { Ok(None) } else { unsafe { text(pointer, name) }.map(Some) }
}

/// A path, which is not empty.
pub(in crate::ffi) unsafe fn path<'a>(pointer: *const c_char, name: &str) -> Result<&'a Path> {
    // SAFETY: the caller's.
    let bytes = unsafe { string(pointer, name) }?;
    if bytes.is_empty() {
        return Err(wrong(format!("{name} is empty")));
    }
    Ok(Path::new(OsStr::from_bytes(bytes)))
}

/// The 32 bytes of a digest.
pub(in crate::ffi) unsafe fn digest(pointer: *const u8, name: &str) -> Result<Digest> {
    // SAFETY: the caller's.
    unsafe { opt_digest(pointer) }.ok_or_else(|| null(name))
}

/// The 32 bytes of a digest that may be NULL.
pub(in crate::ffi) unsafe fn opt_digest(pointer: *const u8) -> Option<Digest> {
    // SAFETY: the caller's; an array of bytes has no alignment.
    unsafe { opt(pointer.cast::<[u8; DIGEST_SIZE]>()) }.map(|&digest| Digest(digest))
}

/// A value that may be NULL.
pub(in crate::ffi) unsafe fn opt_value<T: Copy>(pointer: *const T) -> Option<T> {
    // SAFETY: the caller's.
    (!pointer.is_null()).then(|| unsafe { pointer.read_unaligned() })
}

/// What a caller's number stands for, of those that it may be.
pub(in crate::ffi) fn choice<T: Copy>(number: u32, name: &str, choices: &[(u32, T)]) -> Result<T> {
    let found = choices.iter().find(|&&(constant, _)| constant == number);
    found.map(|&(_, choice)| choice).ok_or_else(|| wrong(format!("{name} cannot be {number}")))
}

/// A number or an array of options that counts if its flag is set, and is zero otherwise.
pub(in crate::ffi) fn given<T: Default + PartialEq>(flags: u32, flag: u32, value: T, name: &str) -> Result<Option<T>> {
    if flags & flag == 0 && value != T::default() {
        return Err(wrong(format!("{name} is set without its flag, {flag:#x}")));
    }
    Ok(Some(value).filter(|_| flags & flag != 0))
}

/// Refuses flags that are not `known`.
pub(in crate::ffi) fn flags(flags: u32, known: u32, name: &str) -> Result<()> {
    if flags & !known != 0 {
        return Err(wrong(format!("{name} has the unknown flags {:#x}", flags & !known)));
    }
    Ok(())
}

/// An output of the caller's, reset when it is taken and written at the end.
///
/// Take the outputs first, so that they are reset whatever is wrong with the rest.
pub(in crate::ffi) struct Out<'a, T> {
    pointer: *mut T,
    lives: PhantomData<&'a mut T>,
}

impl<T: Default> Out<'_, T> {
    /// An output that must not be NULL.
    pub(in crate::ffi) unsafe fn new(pointer: *mut T, name: &str) -> Result<Self> {
        // SAFETY: the caller's.
        unsafe { Self::with_reset(pointer, name, T::default()) }
    }

    /// An output that may be NULL.
    pub(in crate::ffi) unsafe fn opt(pointer: *mut T) -> Option<Self> {
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
    pub(in crate::ffi) fn set(&self, value: T) -> pxds_status {
        // SAFETY: not NULL, and by the header's rules it may be written for the length of the call.
        unsafe { self.pointer.write_unaligned(value) };
        PXDS_OK
    }
}

impl<const N: usize> Out<'_, [u8; N]> {
    /// An array of bytes, passed as a pointer to the first.
    pub(in crate::ffi) unsafe fn array(pointer: *mut u8, name: &str) -> Result<Self> {
        // SAFETY: the caller's; an array of bytes has no alignment.
        unsafe { Self::with_reset(pointer.cast(), name, [0; N]) }
    }
}

impl<T> Out<'_, *mut T> {
    /// A handle to hand out.
    pub(in crate::ffi) unsafe fn handle(pointer: *mut *mut T, name: &str) -> Result<Self> {
        // SAFETY: the caller's.
        unsafe { Self::with_reset(pointer, name, std::ptr::null_mut()) }
    }

    /// Gives `object` to the caller, who frees it; that is success.
    pub(in crate::ffi) fn hand_out(&self, object: T) -> pxds_status {
        self.set(Box::into_raw(Box::new(object)))
    }
}

impl<T> Out<'_, *const T> {
    /// A pointer into something of the caller's or the library's.
    pub(in crate::ffi) unsafe fn borrowed(pointer: *mut *const T, name: &str) -> Result<Self> {
        // SAFETY: the caller's.
        unsafe { Self::with_reset(pointer, name, std::ptr::null()) }
    }
}

/// A structure whose first field is its size in bytes, as the caller's compiler saw it.
///
/// # Safety
///
/// The type is `repr(C)`, begins with `struct_size: usize`, and all-zero bytes are a value of it.
pub(in crate::ffi) unsafe trait SizeFirst: Copy {
    /// Its name in C.
    const NAME: &'static str;

    /// Its size in the first release that had it. To be written out when a field is appended.
    const MIN_SIZE: usize = size_of::<Self>();
}

/// Makes structures [`SizeFirst`]: they are `repr(C)`, and of integers, pointers and nullable function pointers.
macro_rules! size_first {
    ($($name:ident),+) => {
        $(
            const _: fn(&$name) -> usize = |structure| structure.struct_size;
            const _: () = assert!(std::mem::offset_of!($name, struct_size) == 0);
            // SAFETY: it begins with its size, as is checked above, and zeros are a value of all that its fields are.
            unsafe impl $crate::ffi::args::SizeFirst for $name {
                const NAME: &'static str = stringify!($name);
            }
        )+
    };
}
pub(in crate::ffi) use size_first;

/// No structure of this API will ever be larger: a larger size comes from a variable without a value, and so many bytes
/// must not be written.
const MAX_STRUCT_SIZE: usize = 1024;

unsafe fn stated_size<T: SizeFirst>(pointer: *const T) -> Result<usize> {
    // SAFETY: the caller's: every such structure begins with its size.
    let stated = unsafe { pointer.cast::<usize>().read_unaligned() };
    if stated < T::MIN_SIZE {
        return Err(wrong(format!(
            "{}.struct_size is {stated} and must be at least {}: initialise the structure with its _INIT macro",
            T::NAME,
            T::MIN_SIZE
        )));
    }
    if stated > MAX_STRUCT_SIZE {
        return Err(wrong(format!("{}.struct_size is {stated}: the structure is not initialised", T::NAME)));
    }
    Ok(stated)
}

/// The options that a caller passed, or zeros for NULL. In a shorter structure, of an earlier release, what it lacks is
/// zero; a longer one, of a later release, is accepted when what this release does not know is zero.
pub(in crate::ffi) unsafe fn options<T: SizeFirst>(pointer: *const T) -> Result<T> {
    // SAFETY: of the trait: zeros are a value.
    let mut options: T = unsafe { std::mem::zeroed() };
    if pointer.is_null() {
        return Ok(options);
    }
    // SAFETY: the caller's.
    let stated = unsafe { stated_size(pointer) }?;
    // SAFETY: the caller's: it points to as many bytes as it states.
    let bytes = unsafe { std::slice::from_raw_parts(pointer.cast::<u8>(), stated) };
    let (known, unknown) = bytes.split_at(stated.min(size_of::<T>()));
    if unknown.iter().any(|&byte| byte != 0) {
        return Err(wrong(format!("{} has a field that this version of pxds does not know", T::NAME)));
    }
    // SAFETY: `options` has room for them, and by the trait any bytes the caller may put there are a value.
    unsafe { (&raw mut options).cast::<u8>().copy_from_nonoverlapping(known.as_ptr(), known.len()) };
    Ok(options)
}

/// A structure that a caller passed, which must not be NULL.
pub(in crate::ffi) unsafe fn structure<T: SizeFirst>(pointer: *const T, name: &str) -> Result<T> {
    // SAFETY: the caller's.
    if pointer.is_null() { Err(null(name)) } else { unsafe { options(pointer) } }
}

/// An output structure, zeroed behind its size when it is taken.
pub(in crate::ffi) struct OutStruct<'a, T> {
    pointer: *mut T,
    stated: usize,
    lives: PhantomData<&'a mut T>,
}

impl<T: SizeFirst> OutStruct<'_, T> {
    /// An output that must not be NULL and must state its size.
    pub(in crate::ffi) unsafe fn new(pointer: *mut T, name: &str) -> Result<Self> {
        if pointer.is_null() {
            return Err(null(name));
        }
        // SAFETY: the caller's.
        let stated = unsafe { stated_size(pointer) }?;
        let rest = stated - size_of::<usize>();
        // SAFETY: the caller's: it points to as many bytes as it states.
        unsafe { pointer.cast::<u8>().add(size_of::<usize>()).write_bytes(0, rest) };
        Ok(OutStruct { pointer, stated, lives: PhantomData })
    }

    /// A structure that the call adds to, and what is in it; the pointer may be NULL. It stays as it is until it is
    /// set.
    pub(in crate::ffi) unsafe fn amend(pointer: *mut T) -> Result<Option<(Self, T)>> {
        if pointer.is_null() {
            return Ok(None);
        }
        // SAFETY: the caller's.
        let (stated, value) = unsafe { (stated_size(pointer)?, options(pointer)?) };
        Ok(Some((OutStruct { pointer, stated, lives: PhantomData }, value)))
    }

    /// An output that may be NULL.
    pub(in crate::ffi) unsafe fn opt(pointer: *mut T) -> Result<Option<Self>> {
        // SAFETY: the caller's.
        if pointer.is_null() { Ok(None) } else { unsafe { Self::new(pointer, "") }.map(Some) }
    }

    /// Writes as much of it as the caller's structure has; that is success. The size stays as the caller stated it.
    pub(in crate::ffi) fn set(&self, value: T) -> pxds_status {
        let len = self.stated.min(size_of::<T>());
        // SAFETY: the caller's structure has at least `len` bytes, more than its size at the start.
        unsafe {
            self.pointer.cast::<u8>().copy_from_nonoverlapping((&raw const value).cast(), len);
            self.pointer.cast::<usize>().write_unaligned(self.stated);
        }
        PXDS_OK
    }
}

/// The outputs of a text: room for it, and its length with the NUL.
pub(in crate::ffi) struct OutText<'a> {
    room: &'a mut [u8],
    len: Out<'a, usize>,
}

impl OutText<'_> {
    /// Neither may be NULL, but for the room if it has no bytes. Each is reset even if the other is NULL.
    pub(in crate::ffi) unsafe fn new(text: *mut c_char, capacity: usize, len: *mut usize, name: &str) -> Result<Self> {
        // SAFETY: the caller's.
        let (len, room) = unsafe { (Out::new(len, &format!("{name}_len")), text_mut(text, capacity, name)) };
        Ok(OutText { len: len?, room: room? })
    }

    /// Writes `text` and a NUL, and how many bytes these are, or would be.
    ///
    /// Errors: `TooSmall`.
    pub(in crate::ffi) fn set(self, text: &[u8]) -> Result<()> {
        self.len.set(text.len() + 1);
        write_text(self.room, text)
    }
}

/// An array of output structures, of which the first states the size of each; all are zeroed behind it when it is
/// taken.
pub(in crate::ffi) struct OutStructs<'a, T> {
    first: *mut T,
    stated: usize,
    count: usize,
    lives: PhantomData<&'a mut T>,
}

impl<T: SizeFirst> OutStructs<'_, T> {
    /// `count` of them; NULL is allowed for none.
    pub(in crate::ffi) unsafe fn new(first: *mut T, count: usize, name: &str) -> Result<Self> {
        if count == 0 {
            return Ok(OutStructs { first, stated: 0, count, lives: PhantomData });
        }
        if first.is_null() {
            return Err(null(name));
        }
        // SAFETY: the caller's.
        let stated = unsafe { stated_size(first) }?;
        check_len(count.saturating_mul(stated), name)?;
        let all = OutStructs { first, stated, count, lives: PhantomData };
        for i in 0..count {
            // SAFETY: the caller's: there are `count`, each as long as the first states.
            unsafe {
                let one = all.at(i).cast::<u8>();
                one.cast::<usize>().write_unaligned(stated);
                one.add(size_of::<usize>()).write_bytes(0, stated - size_of::<usize>());
            }
        }
        Ok(all)
    }

    /// How many there are.
    pub(in crate::ffi) fn count(&self) -> usize {
        self.count
    }

    fn at(&self, i: usize) -> *mut T {
        self.first.wrapping_byte_add(i * self.stated)
    }

    /// Writes number `i`, if there is one, as [`OutStruct::set`] does.
    pub(in crate::ffi) fn set(&self, i: usize, value: T) {
        if i < self.count {
            OutStruct { pointer: self.at(i), stated: self.stated, lives: PhantomData }.set(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As of a later release: `first` and `second` were there from the start, `third` is new.
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Grown {
        struct_size: usize,
        first: u64,
        second: u64,
        third: u64,
    }

    const OLD: usize = 24;
    const NOW: usize = 32;

    // SAFETY: repr(C), begins with its size, integers throughout.
    unsafe impl SizeFirst for Grown {
        const NAME: &'static str = "grown";
        const MIN_SIZE: usize = OLD;
    }

    #[test]
    fn slices_are_checked() {
        let numbers = [1_u64, 2, 3];
        let first = numbers.as_ptr();
        // SAFETY: what is not refused is there.
        unsafe {
            assert_eq!(slice(first, 3, "x").unwrap(), numbers);
            assert!(slice::<u64>(std::ptr::null(), 0, "x").unwrap().is_empty());
            for (pointer, count) in
                [(std::ptr::null(), 1), (first.byte_add(1), 1), (first, usize::MAX), (first, 1 << 60)]
            {
                assert_eq!(slice(pointer, count, "x").unwrap_err().kind(), Kind::Argument);
            }
        }
    }

    #[test]
    fn sizes_that_differ_mix() {
        let of_size = |size: usize| [size as u64, 1, 2, 3, 4, 5];
        // SAFETY: more bytes than any size states.
        let read = |bytes: [u64; 6]| unsafe { options(bytes.as_ptr().cast::<Grown>()) };
        let fields = |grown: Grown| (grown.first, grown.second, grown.third);
        assert_eq!(fields(read(of_size(OLD)).unwrap()), (1, 2, 0));
        assert_eq!(fields(read(of_size(NOW)).unwrap()), (1, 2, 3));
        for refused in [0, OLD - 1, NOW + 8, MAX_STRUCT_SIZE + 1] {
            assert_eq!(read(of_size(refused)).err().unwrap().kind(), Kind::Argument, "{refused}");
        }
        assert_eq!(fields(read([NOW as u64 + 8, 1, 2, 3, 0, 5]).unwrap()), (1, 2, 3));

        for (size, after) in [(OLD, [7, 8, 3, 4, 5]), (NOW, [7, 8, 9, 4, 5]), (NOW + 8, [7, 8, 9, 0, 5])] {
            let mut bytes = of_size(size);
            // SAFETY: as above.
            let out = unsafe { OutStruct::new(bytes.as_mut_ptr().cast::<Grown>(), "out").unwrap() };
            out.set(Grown { struct_size: NOW, first: 7, second: 8, third: 9 });
            assert_eq!(bytes[0], size as u64);
            assert_eq!(bytes[1..], after);
        }
    }
}
