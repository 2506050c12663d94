//! The chunks of a store: encoded blobs, named by digest, in the directory `.chunks` (docs/format.md, 5).
//!
//! # Contract
//!
//! - Any number of threads and processes may insert, touch and load at once. A chunk is written under a temporary name
//!   of its own and then renamed, so it is seen whole or not at all.
//! - Inserts, and all other changes of a chunk's file, are serialised per digest within one [`Chunks`].
//! - A chunk that is re-used is touched. A program that builds an index from chunks holds a [`SharedLock`] from before
//!   the first insert until the index is in place. Without the lock, a garbage collection of another process may remove
//!   the chunks.
//! - Blobs are not decoded here; their structure and CRC are checked.

pub mod judge;
mod posix;

pub use posix::convert;
pub use posix::{ChunkDir, ChunkDirId, ChunkEntry, ChunkIter, ChunkVersion, DiskOrder, FoundFile, Swept, Usage};
pub use posix::{Chunks, FoundChunks, Layout, Unsynced, sweep_temporary};
pub use posix::{ConvertOptions, Converted, CreateOptions, InsertOptions, Inserted, Leftover};
pub use posix::{ExclusiveLock, SharedLock};
