//! Namespaces.

use std::ffi::c_char;

use super::args;
use super::error::pxds_error;
use super::guard::guard_ok;
use super::status::pxds_status;
use super::store::pxds_store;
use crate::name::Namespace;

/// Makes the namespace `ns`, `a/b`, and those above it, if they are not there. Backups and pxds_group_create() make by
/// themselves those that they need.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_EXISTS (something that is no directory is in the way); PXDS_ERR_BUSY, with the
/// path, if others keep removing it; PXDS_ERR_IO; PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that can only be
/// read.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_namespace_create(
    store: *const pxds_store,
    ns: *const c_char,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let (store, ns) = unsafe { (args::handle(store, "store")?, args::text(ns, "ns")?) };
        store.tree().create_namespace(&Namespace::parse(ns)?)
    })
}

/// Removes the namespace `ns`, which has to be empty: without groups, and without namespaces below it.
///
/// Errors: PXDS_ERR_ARGUMENT (also for "", the root), PXDS_ERR_NOT_FOUND; PXDS_ERR_EXISTS, with the path, if something
/// is in it; PXDS_ERR_IO; PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that can only be read.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_namespace_remove(
    store: *const pxds_store,
    ns: *const c_char,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let (store, ns) = unsafe { (args::handle(store, "store")?, args::text(ns, "ns")?) };
        store.tree().remove_namespace(&Namespace::parse(ns)?)
    })
}
