//! Caches of decoded chunks.

use std::sync::Arc;

use super::args::{self, Out};
use super::error::pxds_error;
use super::guard::{guard, guard_value};
use super::handle::Shared;
use super::status::pxds_status;
use crate::reader::Cache;

/// Decoded chunks, those that were used last, for any number of readers. Shared.
pub struct pxds_cache(Shared<Arc<Cache>>);

impl pxds_cache {
    /// The cache of the core, to be kept.
    pub(super) fn share(&self) -> Arc<Cache> {
        Arc::clone(&self.0)
    }
}

/// Makes a cache of at most `max_bytes` of memory, or of one chunk if that alone has more.
///
/// Readers with different sources may use it: a chunk is kept by its digest, which has been compared with its data.
///
/// Owns: the caller owns `*out` and frees it with pxds_cache_free().
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_cache_new(
    max_bytes: usize,
    out: *mut *mut pxds_cache,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for outputs.
        let out = unsafe { Out::handle(out, "out")? };
        Ok(out.hand_out(pxds_cache(Shared::new(Arc::new(Cache::new(max_bytes)?)))))
    })
}

/// Frees a cache. NULL is fine. Readers that use it keep it.
///
/// Threads: any, but no other call may be using the handle.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_cache_free(cache: *mut pxds_cache) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free(cache) })
}
