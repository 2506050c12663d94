//! Versions.

use std::ffi::{CStr, c_char};

use super::guard::guard_value;

/// Major version of this header.
pub const PXDS_VERSION_MAJOR: u32 = 0;
/// Minor version of this header.
pub const PXDS_VERSION_MINOR: u32 = 1;
/// Patch version of this header.
pub const PXDS_VERSION_PATCH: u32 = 0;
/// The C ABI of this header: the number behind "libpxds.so.", moved only when a program must be recompiled.
pub const PXDS_ABI_VERSION: u32 = 0;

/// `CARGO_PKG_VERSION` for C.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");

/// The version of the library that is running, such as "0.1.0".
///
/// Owns: the string is the library's and lasts for ever.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn pxds_version() -> *const c_char {
    guard_value(c"".as_ptr(), || CStr::from_bytes_with_nul(VERSION.as_bytes()).unwrap_or(c"").as_ptr())
}

/// The version of the library that is running, as major * 65536 + minor * 256 + patch.
///
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn pxds_version_number() -> u32 {
    PXDS_VERSION_MAJOR << 16 | PXDS_VERSION_MINOR << 8 | PXDS_VERSION_PATCH
}

/// The C ABI of the library that is running; equal to the header's PXDS_ABI_VERSION, or the two do not fit.
///
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn pxds_abi_version() -> u32 {
    PXDS_ABI_VERSION
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_crate() {
        let numbers = [PXDS_VERSION_MAJOR, PXDS_VERSION_MINOR, PXDS_VERSION_PATCH].map(|number| number.to_string());
        assert_eq!(numbers.join("."), env!("CARGO_PKG_VERSION"));
    }
}
