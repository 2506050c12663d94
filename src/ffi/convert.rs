//! Converting a store from one layout to the other.

use std::ffi::{c_char, c_void};
use std::mem::size_of;

use super::args::{self, OutStruct, SizeFirst};
use super::callback::{on_progress, pxds_progress_fn};
use super::error::pxds_error;
use super::guard::guard_ok;
use super::status::pxds_status;
use super::store::{PXDS_LAYOUT_HEX2, PXDS_LAYOUT_HEX4, pxds_store_options, read_options};
use crate::error::{Error, Kind};
use crate::store::{ConvertOptions, Layout, Store};

/// pxds_store_convert() flag: say what there is to do, and change nothing.
pub const PXDS_CONVERT_DRY_RUN: u32 = 1;

/// pxds_progress.phase of pxds_store_convert(): looking at what there is; units are directories.
pub const PXDS_CONVERT_LOOK: u32 = 0;
/// pxds_progress.phase of pxds_store_convert(): making directories.
pub const PXDS_CONVERT_MAKE: u32 = 1;
/// pxds_progress.phase of pxds_store_convert(): moving files.
pub const PXDS_CONVERT_MOVE: u32 = 2;
/// pxds_progress.phase of pxds_store_convert(): removing directories.
pub const PXDS_CONVERT_REMOVE: u32 = 3;

/// What a conversion has done, or would do.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_convert_result {
    /// Bytes of this structure; set by PXDS_CONVERT_RESULT_INIT.
    pub struct_size: usize,
    /// Files that were moved.
    pub files: u64,
    /// Directories that were made.
    pub made: u64,
    /// Directories that were removed.
    pub removed: u64,
    /// Files among those moved that got the name of a bad chunk, because a file of their name was there. 0 in a dry
    /// run.
    pub set_aside: u64,
}

// SAFETY: repr(C), begins with its size; integers only.
unsafe impl SizeFirst for pxds_convert_result {
    const NAME: &'static str = "pxds_convert_result";
}

/// Brings the store at `path` into `layout`, PXDS_LAYOUT_HEX2 or PXDS_LAYOUT_HEX4, in place, by renames.
///
/// No chunk is lost, whatever ends it; what was begun leaves a store of both layouts, which only PXDS_STORE_MIXED
/// opens, and the next call takes it further. It holds the store alone. Handles that are open have the old layout: they
/// find no chunks afterwards, get no lock, and are to be opened again. With PXDS_LAYOUT_HEX4 all directories are made
/// that PBS wants, also of a store that has this layout and lacks some. See docs/format.md, 5.10.
///
/// `options` may be NULL; its layout is not looked at. `progress` may be NULL; it is called at most ten times a second,
/// and at the beginning and end of each phase, PXDS_CONVERT_LOOK to PXDS_CONVERT_REMOVE. `result` may be NULL.
///
/// Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_NOT_FOUND; PXDS_ERR_BUSY while anybody holds a lock; PXDS_ERR_FORMAT if a link
/// or a file has the name of a chunk directory, or another file system is mounted there; PXDS_ERR_EXISTS, with the
/// path, if two files that are no chunks would get one name; PXDS_ERR_IO; PXDS_ERR_CANCELLED; PXDS_ERR_STATE and
/// PXDS_ERR_UNSUPPORTED for a store that can only be read.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_convert(
    path: *const c_char,
    layout: u32,
    options: *const pxds_store_options,
    flags: u32,
    progress: pxds_progress_fn,
    user: *mut c_void,
    result: *mut pxds_convert_result,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, path, options) =
            unsafe { (OutStruct::opt(result)?, args::path(path, "path")?, read_options(options, false)?) };
        args::flags(flags, PXDS_CONVERT_DRY_RUN, "flags")?;
        let layout = match layout {
            PXDS_LAYOUT_HEX2 => Layout::Hex2,
            PXDS_LAYOUT_HEX4 => Layout::Hex4,
            other => return Err(Error::new(Kind::Argument, format!("layout cannot be {other}"))),
        };
        let (dry_run, progress) = (flags & PXDS_CONVERT_DRY_RUN != 0, on_progress(progress, user));
        let sums = Store::convert(path, layout, &options, &ConvertOptions { dry_run, progress })?;
        if let Some(out) = out {
            out.set(pxds_convert_result {
                struct_size: size_of::<pxds_convert_result>(),
                files: sums.files,
                made: sums.made,
                removed: sums.removed,
                set_aside: sums.set_aside,
            });
        }
        Ok(())
    })
}
