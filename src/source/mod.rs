//! Where chunks come from, and what stands between a source and whoever uses its data (docs/format.md, 9.3, 9.5).
//!
//! # Contract
//!
//! - A [`ChunkSource`] gives encoded blobs, by digest, whose structure and CRC are right. There are two: a
//!   [`Store`], and a caller's callback, a [`CallbackSource`].
//! - A [`Loader`] trusts neither: it checks the form, decodes, and compares digest and length, before it gives out a
//!   byte.
//! - [`Zeros`] knows the digests of chunks of zeros, which need no source.
//! - [`judge`] says which failures are the chunk's own, so that a caller may go on without it.

mod bad;
mod callback;
mod load;
mod zeros;

pub use bad::{BadChunk, OnBad, is_bad, judge};
pub use callback::{CallbackSource, Get};
pub use load::{GROUP, Loader, Room};
pub use zeros::{Zeros, write_zeros};

use std::path::PathBuf;

use crate::blob::Blob;
use crate::crypt::Tolerance;
use crate::digest::Digest;
use crate::error::Result;
use crate::store::{Store, SyncLevel};

/// Where chunks come from. Any number of threads may ask at once.
pub trait ChunkSource: Send + Sync {
    /// Loads the blob of chunk `digest` into `out`, replacing what it has, and checks its structure and CRC.
    ///
    /// Errors: `NotFound`, `Io`, `NoMemory`; `Limit` above `max_len` bytes; `Format`, `Corrupt`; of a callback also
    /// `Cancelled` and `Argument`.
    fn load<'a>(&self, digest: &Digest, max_len: usize, out: &'a mut Vec<u8>) -> Result<Blob<'a>> {
        self.load_tolerant(digest, max_len, Tolerance::default(), out)
    }

    /// As [`ChunkSource::load`], also of what `tolerance` says.
    fn load_tolerant<'a>(
        &self,
        digest: &Digest,
        max_len: usize,
        tolerance: Tolerance,
        out: &'a mut Vec<u8>,
    ) -> Result<Blob<'a>>;

    /// Where the chunk `digest` is, for errors, if that can be said with a path.
    fn locate(&self, digest: &Digest) -> Option<PathBuf>;

    /// How durable a file that is restored from here should be.
    fn sync_level(&self) -> SyncLevel;

    /// Whether threads that the library starts may ask too, or only those that call it.
    fn is_for_any_thread(&self) -> bool {
        true
    }
}

impl ChunkSource for Store {
    fn load_tolerant<'a>(
        &self,
        digest: &Digest,
        max_len: usize,
        tolerance: Tolerance,
        out: &'a mut Vec<u8>,
    ) -> Result<Blob<'a>> {
        self.load_tolerant(digest, max_len, tolerance, out)
    }

    fn locate(&self, digest: &Digest) -> Option<PathBuf> {
        Some(self.chunk_path(digest))
    }

    fn sync_level(&self) -> SyncLevel {
        self.sync_level()
    }
}
