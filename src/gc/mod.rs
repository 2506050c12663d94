//! Garbage collection: removes the chunks that no index below the store refers to (docs/format.md, 11).
//!
//! # Contract
//!
//! - Mark: every chunk of every index is touched, so that its access time is new. Sweep: what has not been touched for
//!   longer than the cut-off, nor since the oldest writer began, is removed.
//! - Nothing is removed before all is marked: an index that cannot be read or has lost entries, a directory that cannot
//!   be listed, or something else in the place of a directory ends the collection. A file that has vanished twice does
//!   not.
//! - A chunk that is known to be needed stays, whatever access time the file system gives.
//! - Files that crashes have left are removed too, by their exact names and once they are as old: among the chunks, in
//!   the tree beside owners, notes, files of snapshots and `.gc-status`, and where snapshots are made and removed,
//!   unless they are locked.
//! - Stopping at any place, by an error, a callback or a crash, loses nothing and leaves nothing behind; the next
//!   collection starts anew.
//! - Only indexes below the store's directory count, by name `*.didx` and `*.fidx`, not below a hidden name. Links are
//!   not followed.
//! - A full disk is no hindrance: marking and sweeping take no room. Only `.gc-status` does, and it may fail.
//! - Memory: 32 bytes for each of twice the remembered digests (64 MiB, and half as much again while they grow), the
//!   paths of all indexes, and one directory of chunks at a time.
//!
//! # What keeps operations out of each other's way
//!
//! *Writer*: ingest and backup, which hold the process lock shared. *Reader*: restore, verify and statistics. *Set
//! aside*: a bad chunk renamed, by verify; one that it stores in its place comes new, or is touched, as a writer's
//! does, and so stays. *Prune*: also forgetting a snapshot, and removing a group. *Dry run*: of this module.
//! *Conversion*: from one layout to the other. `tests/gc_locking.rs` has one test for each cell, of the same name.
//!
//! | | writer | reader | set aside | prune | collection | dry run | conversion |
//! |---|---|---|---|---|---|---|---|
//! | **writer** | temporary names, rename; a mutex a chunk | rename: whole or not there | mutex; stored again next time | group and snapshot locks | other process: process lock. This store: the oldest writer, and the mutex | it only reads | process lock; handles from before get none |
//! | **reader** | | nothing changes | missing, and said so | snapshot lock | what is referred to is marked | it only reads | missing, and said so, until the store is opened again |
//! | **set aside** | | | mutex; the second finds nothing | they share no file | rename keeps the touch; bad copies of what is missing are marked | it only reads | rename: under the old name or the new one |
//! | **prune** | | | | snapshot lock | what vanishes is passed over, the group listed again | it only reads | they share no file |
//! | **collection** | | | | | process lock | it only reads | process lock |
//! | **dry run** | | | | | | it only reads | it only reads |
//! | **conversion** | | | | | | | process lock |
//!
//! Two that hold the process lock shared and wait for it alone wait for each other, until one gives up. The mutexes are
//! held for one file at a time.

mod csum;
mod dry;
mod limits;
mod live;
mod mark;
mod seen;
mod status;
mod sweep;
mod tree;

pub use status::{GcStatus, read_status};

use std::sync::Arc;

use crate::base::NoticeLevel;
use crate::callback::Callback;
use crate::error::{Error, Kind, Result};
use crate::progress::{OnProgress, Progress};
use crate::store::Store;
use crate::sys;
use crate::tree::Sweep;
use limits::{Class, Limits};
use mark::Marked;

/// Minutes without a touch after which a chunk may go: a day, for file systems that store access times lazily, and five
/// minutes for clocks.
pub const DEFAULT_CUTOFF: u32 = 1445;

/// The longest cut-off, in minutes.
pub const MAX_CUTOFF: u32 = 2880;

/// Digests that are remembered so as not to be touched again.
pub const DEFAULT_REMEMBERED: usize = 1 << 20;

/// Most of them: half a gibibyte of memory.
pub const MAX_REMEMBERED: usize = 1 << 23;

/// [`Stage::phase`](crate::progress::Stage) while chunks are marked: indexes, and the bytes that they describe.
pub const PHASE_MARK: u32 = 0;
/// [`Stage::phase`](crate::progress::Stage) while chunks are removed: directories of chunks, and the bytes of the files
/// looked at.
pub const PHASE_SWEEP: u32 = 1;

/// Gives the seconds since 1970.
pub type Clock = Callback<dyn Fn() -> i64 + Send + Sync>;

/// How garbage is collected.
#[derive(Debug, Clone)]
pub struct GcOptions {
    /// Only say what would be done. Nothing is locked, touched or removed.
    pub dry_run: bool,
    /// Minutes without a touch after which a chunk may go, up to [`MAX_CUTOFF`].
    pub cutoff_minutes: u32,
    /// Collect even if the file system may not keep access times.
    pub skip_atime_probe: bool,
    /// Take an index as it is, also if its entries have neither the csum of its header nor that in a manifest.
    pub any_csum: bool,
    /// Digests that are remembered, so as not to be touched again, up to [`MAX_REMEMBERED`]; 0 for none.
    pub remembered: usize,
    /// The clock, which must be that of the file system.
    pub clock: Clock,
    /// Told how far the collection is: [`PHASE_MARK`], [`PHASE_SWEEP`].
    pub progress: Option<OnProgress>,
}

impl Default for GcOptions {
    fn default() -> Self {
        GcOptions {
            dry_run: false,
            cutoff_minutes: DEFAULT_CUTOFF,
            skip_atime_probe: false,
            any_csum: false,
            remembered: DEFAULT_REMEMBERED,
            clock: Callback(Arc::new(sys::now)),
            progress: None,
        }
    }
}

impl GcOptions {
    fn check(&self) -> Result<()> {
        let refuse = |message: String| Err(Error::new(Kind::Argument, message));
        if !(1..=MAX_CUTOFF).contains(&self.cutoff_minutes) {
            return refuse(format!("a cut-off of {} minutes is not one of 1 to {MAX_CUTOFF}", self.cutoff_minutes));
        }
        if self.remembered > MAX_REMEMBERED {
            return refuse(format!("{} digests to remember are more than {MAX_REMEMBERED}", self.remembered));
        }
        if self.dry_run && self.skip_atime_probe {
            return refuse("a dry run probes no access times, so that there is no probe to skip".to_owned());
        }
        Ok(())
    }
}

/// Removes the chunks of `store` that no index refers to.
///
/// Errors: `Argument` for bad options; `Busy`, naming `.lock`, while another process or handle writes or collects;
/// `Unsupported` if the file system does not keep access times; `Format` and `Corrupt`, with the path, for a file that
/// is no index; `Limit` for directories that are too deep; `Io`; those of the callbacks.
pub fn collect(store: &Store, options: &GcOptions) -> Result<GcStatus> {
    options.check()?;
    let mut progress = Progress::new(options.progress.clone());
    if options.dry_run {
        return dry::run(store, options, &mut progress);
    }
    let _lock = store.chunks().lock_exclusive()?;
    let lag = if options.skip_atime_probe { 0 } else { store.chunks().probe_atime()? };
    let mut limits = Limits::begin(store.chunks(), options, lag);
    let Marked { mut status, live, temporaries } = mark::run(store, options, &mut limits, &mut progress)?;
    sweep::run(store, options, &mut limits, &live, &mut status, &mut progress)?;
    sweep::temporaries_of_the_tree(store, &temporaries, options, &mut limits, &mut status)?;
    sweep::work(store, Sweep::Remove, &mut status, |changed| limits.class_now(changed, options) == Class::Garbage)?;
    sweep::tell_of_future(store, &status)?;
    if let Err(error) = status.write(store) {
        store.base().notice(NoticeLevel::Warning, error.message(), error.path())?;
    }
    Ok(status)
}
