//! Objects by key: what a bucket is to a store.
//!
//! A [`Backend`] knows keys and bytes, and nothing of chunks or snapshots. Its calls make one attempt each and say of a
//! failure whether another may go better ([`Again`]); retries, permits, limits of rate and counters are once, above all
//! backends, in `Requests`.
//!
//! What a backend promises, held by `tests/backend.rs` for each:
//!
//! - An object is written whole or not at all, and is seen by every call that begins after the write has ended.
//! - What is not there is no failure: `get` and `stat` say `None`, `delete` has done its work.
//! - A listing is in ascending order, of bytes or of the parts between slashes, and begins behind a key that need not
//!   exist. Keys that are none of ours are left out by `Listing`.
//! - Any number of threads may call at once, up to `limits().connections`.

mod directory;
mod key;
mod listing;
mod permits;
mod probe;
mod requests;
#[cfg(feature = "s3")]
pub mod s3;
mod throttle;

use std::time::{Duration, Instant};

pub use directory::Directory;
pub use key::{KEY_MAX, Key, Name, PREFIX_MAX};
pub use listing::{Listed, Listing, by_parts};
pub use probe::{ProbeReport, probe};
pub use requests::{Counters, IsWanted, RequestOptions, Requests};

use crate::error::{Error, Kind, Result};
use crate::sys;

/// Objects by key. The module says what holds for all.
pub trait Backend: Send + Sync {
    /// Reads an object behind what `out` has. `None`: there is none, and `out` is as it was.
    ///
    /// Errors: `Limit` if it has more than `max_len` bytes.
    fn get(&self, key: &Key, max_len: usize, out: &mut Vec<u8>, call: &Call<'_>) -> Answer<Option<Object>>;

    /// Writes an object.
    fn put(&self, key: &Key, data: &[u8], how: Put<'_>, call: &Call<'_>) -> Answer<PutDone>;

    /// What is known of an object, without its bytes.
    fn stat(&self, key: &Key, call: &Call<'_>) -> Answer<Option<Object>>;

    /// Puts the next objects behind `page`, at most [`PAGE_MAX`], whose keys begin with `prefix` and come after
    /// `after`, as the backend orders them; an empty `after` is the beginning. Gives whether there may be more.
    fn list(&self, prefix: &str, after: &str, page: &mut Vec<Entry>, call: &Call<'_>) -> Answer<bool>;

    /// Removes objects, at most `limits().max_delete`. Gives those that could not be, by their place in `keys`.
    fn delete(&self, keys: &[Key], call: &Call<'_>) -> Answer<Vec<(usize, Error)>>;

    /// Makes `to` an object with the bytes of `from`, in the place of any that is there. `false`: there is no `from`.
    fn copy(&self, from: &Key, to: &Key, call: &Call<'_>) -> Answer<bool>;

    /// What it can do.
    fn limits(&self) -> Limits;

    /// Where the objects are, for messages: an address without secrets.
    fn location(&self) -> String;
}

/// Objects that one page of a listing has, at most.
pub const PAGE_MAX: usize = 1000;

/// The result of one attempt.
pub type Answer<T> = std::result::Result<T, Failure>;

/// An attempt that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Why.
    pub error: Error,
    /// Whether another may go better.
    pub again: Again,
}

/// Whether another attempt may go better than one that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It would fail too.
    No,
    /// Yes: the way or the service was disturbed.
    Yes,
    /// Yes, but the service has too much to do: with fewer requests at once, and not before this time is over.
    Later(Duration),
    /// One more, at once: what was wrong has been set right.
    Once,
}

impl From<Error> for Failure {
    /// A failure that another attempt does not mend.
    fn from(error: Error) -> Self {
        Failure { error, again: Again::No }
    }
}

impl Failure {
    /// A failure of kind `Io` that another attempt may mend.
    pub fn passing(message: impl Into<String>) -> Self {
        Failure { error: Error::new(Kind::Io, message), again: Again::Yes }
    }
}

/// What a call is told: until when it may last, and whether it is still wanted.
pub struct Call<'a> {
    deadline: Instant,
    is_wanted: &'a (dyn Fn() -> Result<()> + Sync),
}

impl<'a> Call<'a> {
    /// The longest that a backend waits before it asks again, by [`Call::wait`] or [`Call::check`].
    pub const STEP: Duration = Duration::from_millis(50);

    /// A call until `deadline`. An error of `is_wanted`, which any thread may ask, ends it.
    pub fn new(deadline: Instant, is_wanted: &'a (dyn Fn() -> Result<()> + Sync)) -> Self {
        Call { deadline, is_wanted }
    }

    /// The time that is left; the failure that ends the call if there is none, or it is no longer wanted. Who waits
    /// asks each [`Call::STEP`].
    pub fn check(&self) -> Answer<Duration> {
        (self.is_wanted)()?;
        match self.deadline.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => Ok(left),
            _ => Err(Error::new(Kind::Io, "the time for the call is over").into()),
        }
    }

    /// Waits that long, unless the call ends before.
    pub fn wait(&self, time: Duration) -> Answer<()> {
        let begin = Instant::now();
        loop {
            let left = self.check()?;
            let rest = time.saturating_sub(begin.elapsed());
            if rest.is_zero() {
                return Ok(());
            }
            // Rounded up: a pause of nothing would ask without end.
            sys::pause(u64::try_from(rest.min(left).min(Self::STEP).as_millis()).unwrap_or(0) + 1);
        }
    }
}

/// How an object is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put<'a> {
    /// In the place of any that is there.
    Replace,
    /// If there is none.
    New,
    /// In the place of the one with this tag.
    IfMatch(&'a str),
}

/// What has become of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutDone {
    /// The object is written.
    Stored,
    /// There is one already; it stays.
    Exists,
    /// The one that is there is another than was thought, or there is none; it stays.
    Changed,
}

/// What is known of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Object {
    /// Its bytes.
    pub size: u64,
    /// When it was written, in seconds since 1970, by the clock of the service.
    pub modified: i64,
    /// The service's name for this content; empty if it has none.
    pub etag: String,
    /// What the clock of the service said in the same answer, in seconds since 1970.
    pub now: Option<i64>,
}

/// An object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its key, as the service has it.
    pub key: String,
    /// What is known of it.
    pub object: Object,
}

/// What a backend can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Calls at once; 1 or more.
    pub connections: usize,
    /// Keys that one `delete` takes; 1 or more.
    pub max_delete: usize,
    /// Whether any thread may call; otherwise only the one that has begun the operation.
    pub any_thread: bool,
    /// Whether it says of itself that [`Put::New`] is atomic; a probe tells whether it is.
    pub put_new: bool,
    /// Whether it says of itself that [`Put::IfMatch`] is atomic.
    pub if_match: bool,
}
