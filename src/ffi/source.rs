//! Sources of chunks.

use std::ffi::c_void;
use std::sync::Arc;

use super::args::{self, Out, size_first};
use super::buffer::pxds_buffer;
use super::callback::{User, required, verdict};
use super::error::pxds_error;
use super::guard::{guard, guard_value};
use super::handle::Shared;
use super::status::{PXDS_ERR_IO, PXDS_NONE, pxds_status};
use super::store::pxds_store;
use crate::base::SyncLevel;
use crate::chunks::Chunks;
use crate::error::{Error, Kind, Result};
use crate::source::{CallbackSource, ChunkSource};

/// Gives the encoded blob of the chunk named by the 32 bytes at `digest`: its bytes to `data`, its length to
/// `*data_len`.
///
/// If the blob has more than `capacity` bytes, nothing is to be written but `*data_len`, and the callback is called
/// again with room for as many. Returns 0; PXDS_NONE if it has no such chunk, which becomes PXDS_ERR_NOT_FOUND;
/// PXDS_ERR_IO if it has the chunk and cannot read it. Anything else stops the call with PXDS_ERR_CANCELLED.
///
/// It is called on the thread that needs the chunk: on several at once, if the handles that use the source are, or with
/// PXDS_SOURCE_ANY_THREAD.
pub type pxds_source_get_fn = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        digest: *const u8,
        data: *mut u8,
        capacity: usize,
        data_len: *mut usize,
    ) -> i32,
>;

/// pxds_source_options.flags: the callback may be called on threads that the library starts, on several at once, as
/// many as the options of a restorer or reader say. All have ended when the function returns that has started them.
/// Where each answer takes long, from another machine for example, the waiting is then shared.
pub const PXDS_SOURCE_ANY_THREAD: u32 = 1;

/// A source of the caller's.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_source_options {
    /// Bytes of this structure; set by PXDS_SOURCE_OPTIONS_INIT.
    pub struct_size: usize,
    /// 0 or PXDS_SOURCE_ANY_THREAD.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// Gives chunks; never NULL. Valid while the source or a handle that was made from it lives.
    pub get: pxds_source_get_fn,
    /// Handed to `get`.
    pub get_user: *mut c_void,
}

size_first!(pxds_source_options);

/// Where chunks come from: a store, or a callback of the caller's. Shared.
///
/// Whatever a source gives is checked before it is used: structure, CRC, length, and the digest of the decoded data.
pub struct pxds_source {
    source: Shared<Arc<dyn ChunkSource>>,
    /// How durable a file that is restored from it is to be.
    sync: SyncLevel,
}

impl pxds_source {
    fn new(source: Arc<dyn ChunkSource>, sync: SyncLevel) -> Self {
        pxds_source { source: Shared::new(source), sync }
    }

    pub(super) fn of_chunks(chunks: &Chunks) -> Self {
        Self::new(Arc::new(chunks.clone()), chunks.base().sync_level())
    }

    /// The source of the core, to be kept.
    pub(super) fn share(&self) -> Arc<dyn ChunkSource> {
        Arc::clone(&self.source)
    }

    /// The sync level of what is restored from it.
    pub(super) fn sync_level(&self) -> SyncLevel {
        self.sync
    }
}

/// Makes a source of `store`.
///
/// Owns: the caller owns `*out` and frees it with pxds_source_free().
/// Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_NOT_FOUND (a store without chunks).
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_source_from_store(
    store: *const pxds_store,
    out: *mut *mut pxds_source,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out, store) = unsafe { (Out::handle(out, "out")?, args::handle(store, "store")?) };
        Ok(out.hand_out(pxds_source::of_chunks(store.chunks()?)))
    })
}

/// Makes a source of a callback.
///
/// Owns: the caller owns `*out` and frees it with pxds_source_free().
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_source_new(
    options: *const pxds_source_options,
    out: *mut *mut pxds_source,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, options) = unsafe { (Out::handle(out, "out")?, args::structure(options, "options")?) };
        args::flags(options.flags, PXDS_SOURCE_ANY_THREAD, "options.flags")?;
        args::flags(options.reserved, 0, "options.reserved")?;
        let (get, user) = (required(options.get, "options.get")?, User::new(options.get_user));
        let source = CallbackSource::new(Box::new(move |digest, room| {
            let mut len = 0;
            // SAFETY: by the header's rules the callback may be called while the source lives; it may write all of
            // `room`.
            let value = unsafe { get(user.get(), digest.0.as_ptr(), room.as_mut_ptr(), room.len(), &mut len) };
            answer(value).map(|()| len)
        }));
        let source = match options.flags & PXDS_SOURCE_ANY_THREAD {
            0 => source,
            _ => source.for_any_thread(),
        };
        Ok(out.hand_out(pxds_source::new(Arc::new(source), SyncLevel::default())))
    })
}

/// What a `get` callback that returned `value` means.
fn answer(value: i32) -> Result<()> {
    match value {
        PXDS_NONE => Err(Error::new(Kind::NotFound, "the source does not have it")),
        PXDS_ERR_IO => Err(Error::unreadable("from the source")),
        value => verdict("source's callback", value),
    }
}

/// Gets the encoded blob of chunk `digest`, of at most `max_len` bytes, and checks its structure and CRC.
///
/// Owns: the caller owns `*out` and frees it with pxds_buffer_free().
/// Errors: PXDS_ERR_ARGUMENT (also if the callback claims more than it was given room for, having asked for it),
/// PXDS_ERR_NOT_FOUND, PXDS_ERR_IO, PXDS_ERR_LIMIT, PXDS_ERR_FORMAT, PXDS_ERR_CORRUPT, PXDS_ERR_CANCELLED,
/// PXDS_ERR_NOMEM.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_source_get(
    source: *const pxds_source,
    digest: *const u8,
    max_len: usize,
    out: *mut *mut pxds_buffer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, source, digest) =
            unsafe { (Out::handle(out, "out")?, args::handle(source, "source")?, args::digest(digest, "digest")?) };
        let mut bytes = Vec::new();
        source.source.load(&digest, max_len, &mut bytes)?;
        bytes.shrink_to_fit();
        Ok(out.hand_out(pxds_buffer::new(bytes)))
    })
}

/// Frees a source. NULL is fine. Objects that were made from it stay valid.
///
/// Threads: any, but no other call may be using the handle.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_source_free(source: *mut pxds_source) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free(source) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Store, StoreOptions};
    use crate::testing::Scratch;

    #[test]
    fn a_source_has_the_sync_level_of_its_store() {
        for sync in [SyncLevel::None, SyncLevel::Filesystem] {
            let scratch = Scratch::new();
            let options = StoreOptions { sync, ..StoreOptions::default() };
            let store = Store::open_or_create(&scratch.path().join("store"), &options).unwrap();
            assert_eq!(pxds_source::of_chunks(store.chunks()).sync_level(), sync);
        }
    }
}
