//! The callbacks that several nouns share, and their user pointers.

use std::ffi::{CString, c_char, c_void};
use std::mem::size_of;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use super::status::{pxds_status, status_of};
use crate::base::{Notice, NoticeLevel};
use crate::callback::Callback;
use crate::error::{Error, Kind, Result};
use crate::progress::{OnProgress, Stage};
use crate::source::{BadChunk, OnBad};

/// Level of a notice: worth knowing.
pub const PXDS_NOTICE_INFO: u32 = 1;
/// Level of a notice: something is off, and the work goes on.
pub const PXDS_NOTICE_WARNING: u32 = 2;

/// Takes notices, which are no failures. `message` names the path too, escaped as in pxds_error_message(); `path` has
/// its bytes, and may be NULL.
///
/// A result other than 0 stops the call with PXDS_ERR_CANCELLED.
pub type pxds_notice_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, level: u32, message: *const c_char, path: *const c_char) -> i32>;

/// How far a long call is.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_progress {
    /// Bytes of this structure.
    pub struct_size: usize,
    /// Which part of the work, from 0; the function says which there are.
    pub phase: u32,
    /// 0.
    pub reserved: u32,
    /// Units done.
    pub done: u64,
    /// Units in all; 0 if that is not known.
    pub total: u64,
    /// Bytes done.
    pub bytes: u64,
}

/// Is told how far a long call is: at once, then at most ten times a second, and besides at the beginning of each phase
/// and at the end of one whose total is known. A result other than 0 stops the call with PXDS_ERR_CANCELLED.
pub type pxds_progress_fn = Option<unsafe extern "C" fn(user: *mut c_void, progress: *const pxds_progress) -> i32>;

/// Gives the next bytes of a stream: at most `capacity` of them to `data`, and how many to `*data_len`.
///
/// 0 bytes are the end of the stream. A result other than 0 stops the call with PXDS_ERR_CANCELLED.
pub type pxds_read_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, data: *mut u8, capacity: usize, data_len: *mut usize) -> i32>;

/// Takes the next bytes of a stream, and says in `*taken` how many of them: all, or fewer to be given the rest again.
///
/// 0 of them is an error. A result other than 0 stops the call with PXDS_ERR_CANCELLED.
pub type pxds_write_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, data: *const u8, data_len: usize, taken: *mut usize) -> i32>;

/// A chunk that cannot be loaded, and that zeros stand for.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_bad_chunk {
    /// Bytes of this structure.
    pub struct_size: usize,
    /// Its number in the index, from 0.
    pub number: u64,
    /// Where it begins in the file.
    pub offset: u64,
    /// Its bytes, by the index.
    pub length: u64,
    /// Its name.
    pub digest: [u8; 32],
    /// Why: PXDS_ERR_NOT_FOUND, CORRUPT, FORMAT, LIMIT, AUTH, or IO if the device has failed.
    pub status: pxds_status,
    /// 0.
    pub reserved: u32,
    /// Why, in words, as pxds_error_message() has them.
    pub message: *const c_char,
}

/// Is told of each bad chunk before zeros take its place. A result other than 0 stops the call with
/// PXDS_ERR_CANCELLED.
pub type pxds_bad_chunk_fn = Option<unsafe extern "C" fn(user: *mut c_void, bad: *const pxds_bad_chunk) -> i32>;

/// A caller's user pointer. It is only handed back.
#[derive(Clone, Copy)]
pub(in crate::ffi) struct User(*mut c_void);

// SAFETY: the library never reads through it. Whether the callback may run on the thread that it runs on is between
// the caller's two ends: it is only called on the thread that called in.
unsafe impl Send for User {}
// SAFETY: as above.
unsafe impl Sync for User {}

impl User {
    pub(in crate::ffi) fn new(pointer: *mut c_void) -> Self {
        User(pointer)
    }

    pub(in crate::ffi) fn get(self) -> *mut c_void {
        self.0
    }
}

/// What a callback that returned `value` means.
pub(in crate::ffi) fn verdict(by: &str, value: i32) -> Result<()> {
    if value == 0 { Ok(()) } else { Err(Error::cancelled(by, value)) }
}

/// A core progress for a C callback.
pub(in crate::ffi) fn progress(callback: pxds_progress_fn, user: *mut c_void) -> Option<OnProgress> {
    let (callback, user) = (callback?, User::new(user));
    Some(Callback(Arc::new(move |stage: &Stage| {
        let Stage { phase, done, total, bytes } = *stage;
        let now = pxds_progress { struct_size: size_of::<pxds_progress>(), phase, reserved: 0, done, total, bytes };
        // SAFETY: by the header's rules the callback may be called, with this structure for the length of the call.
        verdict("progress callback", unsafe { callback(user.get(), &now) })
    })))
}

/// The callback itself, which must not be NULL.
pub(in crate::ffi) fn required<F>(callback: Option<F>, name: &str) -> Result<F> {
    callback.ok_or_else(|| Error::new(Kind::Argument, format!("{name} is NULL")))
}

/// A core reader for a C callback, which must not be NULL.
pub(in crate::ffi) fn reader(read: pxds_read_fn, user: *mut c_void) -> Result<impl FnMut(&mut [u8]) -> Result<usize>> {
    let (read, user) = (required(read, "read")?, User::new(user));
    Ok(move |buffer: &mut [u8]| {
        let mut count = 0;
        // SAFETY: by the header's rules the callback may be called; it may write the whole buffer.
        let value = unsafe { read(user.get(), buffer.as_mut_ptr(), buffer.len(), &mut count) };
        verdict("read callback", value).map(|()| count)
    })
}

/// How a restorer or reader treats bad chunks: it tells `callback`; without one it passes them over if `skip` is set.
pub(in crate::ffi) fn on_bad(callback: pxds_bad_chunk_fn, user: *mut c_void, skip: bool) -> Option<OnBad> {
    let Some(callback) = callback else { return skip.then(|| -> OnBad { Callback(Arc::new(|_| Ok(()))) }) };
    let user = User::new(user);
    Some(Callback(Arc::new(move |bad: &BadChunk<'_>| {
        let message = CString::new(bad.error.message()).unwrap_or_default();
        let bad = pxds_bad_chunk {
            struct_size: size_of::<pxds_bad_chunk>(),
            number: bad.number as u64,
            offset: bad.chunk.start,
            length: bad.chunk.len(),
            digest: bad.chunk.digest.0,
            status: status_of(bad.error.kind()),
            reserved: 0,
            message: message.as_ptr(),
        };
        // SAFETY: by the header's rules the callback may be called, with this structure for the length of the call.
        verdict("callback for bad chunks", unsafe { callback(user.get(), &bad) })
    })))
}

/// A core notice for a C callback.
pub(in crate::ffi) fn notice(callback: pxds_notice_fn, user: *mut c_void) -> Option<Notice> {
    let callback = callback?;
    let user = User::new(user);
    Some(Callback(Arc::new(move |level, message: &str, path: Option<&Path>| {
        let level = match level {
            NoticeLevel::Info => PXDS_NOTICE_INFO,
            NoticeLevel::Warning => PXDS_NOTICE_WARNING,
        };
        let message = CString::new(message).unwrap_or_default();
        let path = path.and_then(|path| CString::new(path.as_os_str().as_bytes()).ok());
        let path = path.as_ref().map_or(std::ptr::null(), |path| path.as_ptr());
        // SAFETY: by the header's rules the callback may be called, with these strings for the length of the call.
        verdict("notice callback", unsafe { callback(user.get(), level, message.as_ptr(), path) })
    })))
}

#[cfg(test)]
mod tests {
    use crate::ffi::{backup::*, convert::*, gc::*, stats::*, store::*, verify::*};
    use crate::{backup, base, chunks::convert, gc, stats, verify};

    #[test]
    fn phases_are_those_of_the_core() {
        for (of_c, of_core) in [
            (PXDS_BACKUP_PHASE_WAIT, backup::PHASE_WAIT),
            (PXDS_BACKUP_PHASE_FINISH, backup::PHASE_FINISH),
            (PXDS_CONVERT_PHASE_LOOK, convert::PHASE_LOOK),
            (PXDS_CONVERT_PHASE_MAKE, convert::PHASE_MAKE),
            (PXDS_CONVERT_PHASE_MOVE, convert::PHASE_MOVE),
            (PXDS_CONVERT_PHASE_REMOVE, convert::PHASE_REMOVE),
            (PXDS_GC_PHASE_MARK, gc::PHASE_MARK),
            (PXDS_GC_PHASE_SWEEP, gc::PHASE_SWEEP),
            (PXDS_STATS_PHASE_FIND, stats::PHASE_FIND),
            (PXDS_STATS_PHASE_CHUNKS, stats::PHASE_CHUNKS),
            (PXDS_STATS_PHASE_INDEXES, stats::PHASE_INDEXES),
            (PXDS_STORE_PHASE_CREATE, base::PHASE_CREATE),
            (PXDS_STORE_PHASE_LOCK, base::PHASE_LOCK),
            (PXDS_VERIFY_PHASE_LIST, verify::PHASE_LIST),
            (PXDS_VERIFY_PHASE_CHECK, verify::PHASE_CHECK),
        ] {
            assert_eq!(of_c, of_core);
        }
    }
}
