//! Sources of chunks, and the checks between a source and the users of its data (docs/format.md, 9.3, 9.5).
//!
//! # Contract
//!
//! - A [`ChunkSource`] gives encoded blobs, by digest, whose structure and CRC are right. There are two: a
//!   [`Chunks`], and a caller's callback, a [`CallbackSource`].
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
pub use load::{ChunkBuffer, GROUP, Loader};
pub use zeros::{Zeros, write_zeros};

use crate::blob::Blob;
use crate::chunks::Chunks;
use crate::crew;
use crate::crypt::Tolerance;
use crate::digest::Digest;
use crate::error::{Error, Result};

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

    /// Adds to `error`, which is about the content of chunk `digest`, where the chunk is, if there is more to say.
    fn locate(&self, _digest: &Digest, error: Error) -> Error {
        error
    }

    /// Whether threads that the library starts may ask too, or only those that call it.
    fn is_for_any_thread(&self) -> bool {
        true
    }
}

/// The number of threads that `option` asks for, as [`crew::thread_count`] has it, but one for a source that only its
/// caller's thread may ask.
///
/// Errors: `Argument` for too many.
pub fn thread_count(source: &dyn ChunkSource, option: usize) -> Result<usize> {
    let threads = crew::thread_count(option)?;
    Ok(if source.is_for_any_thread() { threads } else { 1 })
}

impl ChunkSource for Chunks {
    fn load_tolerant<'a>(
        &self,
        digest: &Digest,
        max_len: usize,
        tolerance: Tolerance,
        out: &'a mut Vec<u8>,
    ) -> Result<Blob<'a>> {
        self.load_tolerant(digest, max_len, tolerance, out)
    }

    fn locate(&self, digest: &Digest, error: Error) -> Error {
        error.of(&self.chunk_path(digest))
    }
}
