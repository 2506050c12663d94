//! Converting a store from one layout to the other.

use std::ffi::{c_char, c_void};
use std::mem::size_of;

use super::args::{self, OutStruct, size_first};
use super::callback::{progress, pxds_progress_fn};
use super::error::pxds_error;
use super::guard::guard_ok;
use super::status::pxds_status;
use super::store::{self, pxds_store_options};
use crate::chunks::ConvertOptions;
use crate::error::Result;
use crate::store::Store;

/// pxds_convert_options.flags: say what there is to do, and change nothing.
pub const PXDS_CONVERT_DRY_RUN: u32 = 1;

/// pxds_progress.phase of pxds_store_convert(): looking at what there is; units are directories.
pub const PXDS_CONVERT_PHASE_LOOK: u32 = 0;
/// pxds_progress.phase of pxds_store_convert(): making directories.
pub const PXDS_CONVERT_PHASE_MAKE: u32 = 1;
/// pxds_progress.phase of pxds_store_convert(): moving files.
pub const PXDS_CONVERT_PHASE_MOVE: u32 = 2;
/// pxds_progress.phase of pxds_store_convert(): removing directories.
pub const PXDS_CONVERT_PHASE_REMOVE: u32 = 3;

/// How a store is converted.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_convert_options {
    /// Bytes of this structure; set by PXDS_CONVERT_OPTIONS_INIT.
    pub struct_size: usize,
    /// 0 or PXDS_CONVERT_DRY_RUN.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// Is told how far it is; see PXDS_CONVERT_PHASE_... May be NULL.
    pub progress: pxds_progress_fn,
    /// Handed to `progress`.
    pub progress_user: *mut c_void,
}

size_first!(pxds_convert_options);

/// The counts of what a conversion has done, or would do.
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

size_first!(pxds_convert_result);

unsafe fn read_options(options: *const pxds_convert_options) -> Result<ConvertOptions> {
    // SAFETY: the caller's.
    let options = unsafe { args::options(options)? };
    args::flags(options.flags, PXDS_CONVERT_DRY_RUN, "options.flags")?;
    args::flags(options.reserved, 0, "options.reserved")?;
    let dry_run = options.flags & PXDS_CONVERT_DRY_RUN != 0;
    Ok(ConvertOptions { dry_run, progress: progress(options.progress, options.progress_user) })
}

/// Brings the store at `path` into `layout`, PXDS_LAYOUT_HEX2 or PXDS_LAYOUT_HEX4, in place, by renames.
///
/// No chunk is lost, however it ends. A conversion that was stopped leaves a store of both layouts, which only
/// PXDS_STORE_MIXED opens, and the next call goes on with it. It locks the store exclusively. Handles that are open
/// have the old layout: they find no chunks afterwards, get no lock, and are to be opened again. With PXDS_LAYOUT_HEX4
/// all directories are made that PBS wants, also of a store that has this layout and lacks some. See docs/format.md,
/// 5.10.
///
/// `opening`, of which the layout is not looked at, `options` and `result` may be NULL. With PXDS_CONVERT_DRY_RUN
/// nothing is changed, and no lock is taken.
///
/// Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_NOT_FOUND; PXDS_ERR_BUSY while anybody holds a lock; PXDS_ERR_FORMAT if a link
/// or a file has the name of a chunk directory, or another file system is mounted there; PXDS_ERR_EXISTS, with the
/// path, if two files that are no chunks would get one name; PXDS_ERR_IO; PXDS_ERR_CANCELLED; PXDS_ERR_STATE and
/// PXDS_ERR_UNSUPPORTED for a store that can only be read, without PXDS_CONVERT_DRY_RUN.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_convert(
    path: *const c_char,
    layout: u32,
    opening: *const pxds_store_options,
    options: *const pxds_convert_options,
    result: *mut pxds_convert_result,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, path, opening, options) = unsafe {
            let out = OutStruct::opt(result)?;
            (out, args::path(path, "path")?, store::read_options(opening, false)?, read_options(options)?)
        };
        let layout = args::choice(layout, "layout", &store::LAYOUTS)?;
        let sums = Store::convert(path, layout, &opening, &options)?;
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
