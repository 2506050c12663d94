//! Locks.

use std::any::Any;
use std::ffi::c_char;

use super::args::{self, Out};
use super::error::pxds_error;
use super::guard::{guard, guard_value};
use super::handle::Shared;
use super::status::pxds_status;
use super::store::pxds_store;
use crate::error::Result;
use crate::name::{Group, Snapshot};
use crate::sys::LockMode;

/// Mode of a lock. Of a store: as a writer, beside other writers, against garbage collection by other programs. Of a
/// snapshot: as a reader, beside other readers.
pub const PXDS_LOCK_SHARED: u32 = 1;
/// Mode of a lock. Of a store: against every other program, and every other open handle, on it. Of a snapshot: alone.
pub const PXDS_LOCK_EXCLUSIVE: u32 = 2;

/// A hold on a store, a group or a snapshot. Shared.
pub struct pxds_lock(#[allow(dead_code, reason = "held until it is dropped")] Shared<Box<dyn Any + Send + Sync>>);

impl pxds_lock {
    pub(super) fn new(lock: impl Any + Send + Sync) -> Self {
        pxds_lock(Shared::new(Box::new(lock)))
    }
}

fn read_mode(mode: u32) -> Result<LockMode> {
    args::choice(mode, "mode", &[(PXDS_LOCK_SHARED, LockMode::Shared), (PXDS_LOCK_EXCLUSIVE, LockMode::Exclusive)])
}

/// Takes the store's process lock. `mode`: PXDS_LOCK_SHARED or PXDS_LOCK_EXCLUSIVE.
///
/// The lock is on the file `.lock`, and Proxmox Backup Server heeds it too. Through one store handle shared locks may
/// be taken beside an exclusive one, which is against others; two handles exclude each other like two programs. An
/// ingest takes a shared lock by itself. See docs/format.md, 5.9.
///
/// Owns: the caller owns `*out` and lets go with pxds_lock_free().
/// Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_BUSY, with the path, while another lock is in the way; PXDS_ERR_IO;
/// PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that can only be read.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_lock(
    store: *const pxds_store,
    mode: u32,
    out: *mut *mut pxds_lock,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out, store) = unsafe { (Out::handle(out, "out")?, args::handle(store, "store")?) };
        Ok(out.hand_out(match read_mode(mode)? {
            LockMode::Shared => pxds_lock::new(store.chunks()?.lock_shared()?),
            LockMode::Exclusive => pxds_lock::new(store.chunks()?.lock_exclusive()?),
        }))
    })
}

/// Locks a group, `[ns/NAME/...]TYPE/ID`, alone.
///
/// A backup does that by itself, and so does removing the group. pxds_store_options.store_name says what is locked, a
/// directory or a file; see docs/format.md, 7.8.
///
/// Owns: the caller owns `*out` and lets go with pxds_lock_free().
/// Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_BUSY, with the path; PXDS_ERR_NOT_FOUND, PXDS_ERR_IO; PXDS_ERR_STATE and
/// PXDS_ERR_UNSUPPORTED for a store that can only be read.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_group_lock(
    store: *const pxds_store,
    group: *const c_char,
    out: *mut *mut pxds_lock,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, store, group) =
            unsafe { (Out::handle(out, "out")?, args::handle(store, "store")?, args::text(group, "group")?) };
        Ok(out.hand_out(pxds_lock::new(store.tree().lock_group(&Group::parse(group)?)?)))
    })
}

/// Locks a snapshot, `[ns/NAME/...]TYPE/ID/TIME`. `mode`: PXDS_LOCK_SHARED or PXDS_LOCK_EXCLUSIVE.
///
/// Owns: the caller owns `*out` and lets go with pxds_lock_free().
/// Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_BUSY, with the path; PXDS_ERR_NOT_FOUND, PXDS_ERR_IO; PXDS_ERR_STATE and
/// PXDS_ERR_UNSUPPORTED for a store that can only be read, with PXDS_LOCK_EXCLUSIVE.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_snapshot_lock(
    store: *const pxds_store,
    snapshot: *const c_char,
    mode: u32,
    out: *mut *mut pxds_lock,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, store, snapshot) =
            unsafe { (Out::handle(out, "out")?, args::handle(store, "store")?, args::text(snapshot, "snapshot")?) };
        Ok(out.hand_out(pxds_lock::new(store.tree().lock_snapshot(&Snapshot::parse(snapshot)?, read_mode(mode)?)?)))
    })
}

/// Lets go of a lock. NULL is fine.
///
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_lock_free(lock: *mut pxds_lock) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free(lock) })
}
