//! Bytes in, chunks stored, index out.
//!
//! A stream ([`Ingest`]) is cut by its content and has a dynamic index; an image ([`Image`]) is cut into chunks of one
//! size, in any order, and has a fixed one. Chunks that are encoded already are brought from elsewhere
//! ([`copy_chunks`]).
//!
//! # Contract
//!
//! - The digest of a chunk is looked up before anything is compressed: a chunk that the store has is touched and
//!   nothing more.
//! - The store is held as a writer ([`SharedLock`](crate::chunks::SharedLock)) from the start until the index is saved
//!   or dropped, so that no garbage collection takes the chunks before an index names them.
//! - A regular file that has changed while it was read is told of, or is a failure.
//! - After a failure nothing more is taken.

mod batch;
mod buffer;
mod changes;
mod chunk_writer;
mod copy;
mod cut;
mod engine;
mod image;
mod newness;
mod pending;
mod spans;
mod stored;
mod stream;

pub use changes::Changes;
pub use copy::{CopyOptions, copy_chunk, copy_chunks};
pub use engine::{ChunkResult, IngestStats, OnChunk};
pub use image::{Image, ImageOptions};
pub use stored::StoredIndex;
pub use stream::{Ingest, IngestOptions};

use crate::base::NoticeLevel;
use crate::chunks::Chunks;
use crate::error::{Error, Kind, Result};
use crate::sys::{Change, Watch};

/// Tells of a file that has changed while it was read for `store`.
///
/// Errors: `State` if it has and `strict` says so; that of the notice; `Io`.
pub fn check_unchanged(watch: &Watch<'_>, store: &Chunks, strict: bool) -> Result<()> {
    let Some(Change { path, message }) = watch.change()? else { return Ok(()) };
    if !strict {
        return store.base().notice(NoticeLevel::Warning, &message, path.as_deref());
    }
    let error = Error::new(Kind::State, message);
    Err(match path {
        Some(path) => error.with_path(&path),
        None => error,
    })
}

/// Whether more is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Cancelled,
    Failed,
    Finished,
}

impl State {
    /// Errors: `State` unless it is open.
    fn check_open(self) -> Result<()> {
        let why = match self {
            State::Open => return Ok(()),
            State::Finished => "is finished",
            State::Cancelled => "was cancelled",
            State::Failed => "has failed before",
        };
        Err(Error::new(Kind::State, format!("the ingest {why}")))
    }

    /// After work that has ended so.
    fn after(result: &Result<()>) -> State {
        match result {
            Ok(()) => State::Open,
            Err(error) if error.kind() == Kind::Cancelled => State::Cancelled,
            Err(_) => State::Failed,
        }
    }
}
