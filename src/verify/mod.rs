//! Verification: is all that a snapshot needs there, and what it was? (docs/format.md, 10.)
//!
//! # Contract
//!
//! - Each chunk is read and checked once in a run, however many indexes name it; its length and whether it is encrypted
//!   are compared for every index.
//! - A chunk that fails is read again, from the disk, before it counts as bad. A rotten chunk is renamed, so that the
//!   next backup stores it anew; one that is missing, or cannot be read, is left as it is.
//! - As with PBS, a chunk is also bad if its length is not that in the first index that names it.
//! - Encrypted chunks are decrypted with a key that is known to be theirs, by the signature or the fingerprint in the
//!   manifest. Without one only their CRC is checked, and if a key was given the snapshot is told of as one that the
//!   key does not vouch for.
//! - The outcome is the same for any number of threads. Callbacks and all changes of the store happen on the caller's.
//! - Memory: one index; for each thread some 120 MB of chunks at most, or eight times that where chunks are as large as
//!   they can be; and what is known of chunks, which is bounded by
//!   [`VERIFY_MAX_KNOWN`](crate::limits::VERIFY_MAX_KNOWN) and [`VERIFY_MAX_BAD`](crate::limits::VERIFY_MAX_BAD).
//!   Chunks that do not fit are forgotten, and checked again when they are met.
//! - What cannot be read (no permission, a fault of the device) proves nothing: its snapshot is neither good nor
//!   failed, and no outcome of it is noted.
//! - Outcomes are noted together, up to a minute later. One that cannot be noted is told and counted, and changes
//!   nothing of the outcome.
//! - A run that is stopped has noted what it had found; snapshots that a crashed run had not noted yet are verified
//!   again.

mod check;
mod known;
mod notes;
mod recorder;
mod run;
mod task;

pub use run::Verifier;
pub use task::new_upid;

use std::sync::Arc;

use crate::callback::Callback;
use crate::crypt::CryptKey;
use crate::error::{Error, Kind, Result};
use crate::index::ChunkInfo;
use crate::name::{Group, Namespace, Snapshot};
use crate::progress::OnProgress;
use crate::store::Store;

/// A phase: snapshots are listed; `done` is how many.
pub const PHASE_LIST: u32 = 0;
/// A phase: snapshots are checked; `done` is how many have been, `bytes` the plain bytes of the chunks so far.
pub const PHASE_CHECK: u32 = 1;

/// How a verification works.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// Change nothing: neither rename chunks nor note the outcome in manifests.
    pub read_only: bool,
    /// Read chunks as an index lists them; by default in the store's order, which spares a disk that turns.
    pub index_order: bool,
    /// Pass over snapshots that have been found good no more than so many days ago.
    pub skip_days: Option<u64>,
    /// 0 for as many as there are processors.
    pub threads: usize,
    /// The key for encrypted chunks and blobs, and for the signatures that manifests must have.
    pub key: Option<Arc<CryptKey>>,
    /// With a key: accept snapshots that are not signed.
    pub allow_unsigned: bool,
    /// The store that missing or bad chunks are taken from.
    pub repair_from: Option<Store>,
    /// The task that the outcome is noted with; by default one that is made up of this process ([`new_upid`]).
    pub upid: Option<String>,
    /// Told of damage.
    pub on_damage: Option<OnDamage>,
    /// Told of snapshots.
    pub on_done: Option<OnDone>,
    /// Told how far the run is: [`PHASE_LIST`], [`PHASE_CHECK`].
    pub progress: Option<OnProgress>,
}

/// The snapshots that are verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All snapshots but those of the groups `host/benchmark`, as PBS does.
    Store,
    /// Those of a namespace and of all below it, but for the same groups.
    Namespace(Namespace),
    /// The snapshots of a group.
    Group(Group),
    /// One snapshot.
    Snapshot(Snapshot),
}

impl Scope {
    /// Reads `[ns/NAME/...]TYPE/ID`, the same with `/TIME`, the directory `ns/NAME/...` of a namespace, or nothing,
    /// which is the store.
    ///
    /// Errors: `Argument`.
    pub fn parse(path: &str) -> Result<Self> {
        if path.is_empty() {
            return Ok(Scope::Store);
        }
        if let Some(namespace) = Namespace::from_path(path)? {
            return Ok(Scope::Namespace(namespace));
        }
        Group::parse(path).map(Scope::Group).or_else(|_| Snapshot::parse(path).map(Scope::Snapshot))
    }

    /// Whether its groups are looked for: one that is gone or cannot be seen is not what was asked for.
    fn is_searched(&self) -> bool {
        matches!(self, Scope::Store | Scope::Namespace(_))
    }
}

/// Damage that was found, repaired or not.
#[derive(Debug)]
pub struct Damage<'a> {
    /// Where.
    pub snapshot: &'a Snapshot,
    /// The file: an index, a blob or the manifest.
    pub archive: &'a str,
    /// The chunk that is hit, of an index.
    pub chunk: Option<ChunkInfo>,
    /// The kind of error that a load would give.
    pub kind: Kind,
    /// Why.
    pub message: &'a str,
    /// The chunk's file has been renamed.
    pub renamed: bool,
    /// There is a good chunk in its place now; this is no failure of the snapshot.
    pub repaired: bool,
}

/// How a snapshot came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All was well, or has been repaired.
    Ok,
    /// Something was not.
    Failed,
    /// All that could be checked was well, or has been repaired, and the key that is given does not vouch for it: it is
    /// not signed, or with another key, which alone could tell more.
    Unvouched,
    /// It has no manifest, so that there is nothing to compare it with, and it is not being made.
    Unfinished,
    /// It was not looked at: it is being made or removed.
    Busy,
    /// It was not looked at: it has been removed since it was listed.
    Gone,
    /// It was not looked at: it has been found good lately.
    Recent,
    /// Something of it could not be read, and what could be was well. That proves nothing, and is not noted.
    Unreadable,
}

/// A snapshot that has been dealt with.
#[derive(Debug, Clone, Copy)]
pub struct Done<'a> {
    /// Its name.
    pub snapshot: &'a Snapshot,
    /// How it came out.
    pub outcome: Outcome,
    /// Places that are damaged or cannot be read: one for each chunk of an index that is hit.
    pub errors: u64,
    /// Places that were damaged and have been repaired.
    pub repaired: u64,
    /// Why it is [`Outcome::Unvouched`].
    pub reason: Option<&'a str>,
}

/// Sums of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Snapshots that came out well.
    pub ok: u64,
    /// Snapshots that failed.
    pub failed: u64,
    /// Snapshots that were not looked at, or could not be read.
    pub skipped: u64,
    /// Snapshots that the key does not vouch for, and in which nothing is wrong otherwise.
    pub unvouched: u64,
    /// Snapshots without a manifest.
    pub unfinished: u64,
    /// Chunks that were checked, the damaged ones among them.
    pub chunks: u64,
    /// Their plain bytes, by the index that named them first.
    pub bytes: u64,
    /// Bytes of their files.
    pub stored_bytes: u64,
    /// Chunks that are rotten.
    pub bad: u64,
    /// Chunks that are not there.
    pub missing: u64,
    /// Chunks that could not be read, which says nothing of their content.
    pub unreadable: u64,
    /// Rotten chunks whose files have been renamed.
    pub renamed: u64,
    /// Chunks, of all these, that have been taken from the other store.
    pub repaired: u64,
    /// Snapshots whose outcome could not be noted.
    pub unnoted: u64,
    /// Something could not be read: of a snapshot, or a directory that may have others. All was told of, or a notice.
    pub incomplete: bool,
}

/// Is told of damage, before the snapshot is done. An error stops the run.
pub type OnDamage = Callback<dyn Fn(&Damage<'_>) -> Result<()> + Send + Sync>;

/// Is told of each snapshot. An error stops the run.
pub type OnDone = Callback<dyn Fn(&Done<'_>) -> Result<()> + Send + Sync>;

/// Whether `error` ends the run: it is not about what is verified, and would come again.
fn ends_all(error: &Error) -> bool {
    matches!(error.kind(), Kind::Cancelled | Kind::Internal) || error.is_of_the_process()
}
