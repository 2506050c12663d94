//! A store that is opened for reading only (docs/format.md, 5.11).
//!
//! Every change of a store asks [`Base::check_writable`] first. Most callers need not do so themselves: the process
//! lock, the exclusive locks of groups and snapshots, and those of manifests are for writers, and are refused.

use super::Base;
use crate::error::{Error, Kind, Result};

/// Why a store is opened for reading only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOnly {
    /// The caller asked for it.
    Wanted,
    /// It is the local cache of a store in S3: chunks that are missing in it are in the bucket.
    S3Cache,
}

impl Base {
    /// Refuses to go on if the store was opened for reading only, or seems to be the cache of a store in S3.
    ///
    /// Errors: `State`; `Unsupported` for the cache of a store in S3.
    pub fn check_writable(&self) -> Result<()> {
        let (kind, what) = match self.0.read_only {
            None => {
                let Some(sign) = *self.0.cache_sign else { return Ok(()) };
                let why = format!(
                    "{sign}, so it seems to be the cache of a store in S3, which can only be read; if it is none, it \
                     has to be opened as such"
                );
                return Err(Error::new(Kind::Unsupported, why).of(self.path()));
            }
            Some(ReadOnly::Wanted) => (Kind::State, "is opened for reading only"),
            Some(ReadOnly::S3Cache) => (Kind::Unsupported, "is the cache of a store in S3, which can only be read"),
        };
        Err(Error::at(kind, self.path(), what))
    }
}
