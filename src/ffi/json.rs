//! JSON.

use std::ffi::c_void;

use super::args::{self, Out};
use super::buffer::pxds_buffer;
use super::error::pxds_error;
use super::guard::guard;
use super::status::pxds_status;
use crate::json;

/// Most bytes of a JSON text, such as a manifest: 4 MiB.
pub const PXDS_JSON_MAX_SIZE: usize = 4194304;

/// Gives the canonical form, at most `max_len` bytes, of the JSON value that is all of `data`.
///
/// Signatures are made of it. Members are sorted by the bytes of their names, there is no white space, only necessary
/// characters are escaped; of members of one name the last counts. See docs/format.md, 8.4.
///
/// Owns: the caller owns `*out` and frees it with pxds_buffer_free().
/// Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_FORMAT if it is no JSON, is nested deeper than 127 levels, or has a null in it;
/// PXDS_ERR_LIMIT, also if `data` is above PXDS_JSON_MAX_SIZE; PXDS_ERR_NOMEM.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_json_canonical(
    data: *const c_void,
    data_len: usize,
    max_len: usize,
    out: *mut *mut pxds_buffer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, data) = unsafe { (Out::handle(out, "out")?, args::bytes(data, data_len, "data")?) };
        Ok(out.hand_out(pxds_buffer::new(json::canonical(&json::parse(data)?, max_len)?)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maximum_is_that_of_the_core() {
        assert_eq!(PXDS_JSON_MAX_SIZE, crate::limits::JSON_MAX_SIZE);
    }
}
