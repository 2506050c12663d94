//! Calls of a backend, each tried until it goes well, its time is over, or there is no use: above all backends, once.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::permits::Permits;
use super::throttle::Throttle;
use super::{Again, Answer, Backend, Call, Failure, Key, Limits, Listed, Listing, Object, Put, PutDone};
use crate::error::{Error, Kind, Result, push, reserve};
use crate::sys;

/// The longest pause that the library makes of itself.
const PAUSE_MAX: Duration = Duration::from_secs(20);

/// The longest that a service may ask for.
const LATER_MAX: Duration = Duration::from_secs(60);

/// Longer than anything waits.
const FOR_EVER: Duration = Duration::from_secs(1 << 32);

/// Asked, from any thread, whether a call is still wanted; its error ends it.
pub type IsWanted<'a> = &'a (dyn Fn() -> Result<()> + Sync);

/// How calls are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestOptions {
    /// Attempts of one call, at most.
    pub max_tries: u32,
    /// The time that the service has for one call, with all its attempts and the pauses between them. What a call waits
    /// for others, by [`RequestOptions::connections`] or the rates, is not part of it.
    pub deadline: Duration,
    /// The longest that the first pause may be; each one after it may be twice as long, up to 20 seconds.
    pub pause: Duration,
    /// Attempts at once, at most; 0 or more than the backend's are the backend's.
    pub connections: usize,
    /// Bytes a second that are written, at most; 0 is no limit. It is held from object to object, not within one.
    pub max_up: u64,
    /// The same for what is read.
    pub max_down: u64,
}

impl Default for RequestOptions {
    fn default() -> Self {
        RequestOptions {
            max_tries: 8,
            deadline: Duration::from_secs(600),
            pause: Duration::from_millis(100),
            connections: 0,
            max_up: 0,
            max_down: 0,
        }
    }
}

/// Attempts that have been made, and what they have moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Reading an object.
    pub get: u64,
    /// Writing one.
    pub put: u64,
    /// A page of a listing.
    pub list: u64,
    /// Asking for one.
    pub stat: u64,
    /// Removing some together.
    pub delete: u64,
    /// Copying one.
    pub copy: u64,
    /// Those among them all that were not the first of their call.
    pub retries: u64,
    /// Bytes of objects that were given to the backend, in every attempt.
    pub bytes_up: u64,
    /// Bytes of objects that came.
    pub bytes_down: u64,
}

#[derive(Debug, Default)]
struct Counts {
    get: AtomicU64,
    put: AtomicU64,
    list: AtomicU64,
    stat: AtomicU64,
    delete: AtomicU64,
    copy: AtomicU64,
    retries: AtomicU64,
    bytes_up: AtomicU64,
    bytes_down: AtomicU64,
}

/// A backend, and how its calls are made.
///
/// Each call of it is one of the backend's, with the attempts that it takes. All errors name the key or the prefix, the
/// attempts, and the last cause. The error of an `is_wanted` comes back as it is, within [`Call::STEP`] of a wait, and
/// as soon as the backend asks within an attempt.
pub struct Requests {
    backend: Arc<dyn Backend>,
    options: RequestOptions,
    limits: Limits,
    permits: Permits,
    up: Throttle,
    down: Throttle,
    counts: Counts,
    /// The state of a sequence of numbers (SplitMix64); pauses need no better ones.
    random: AtomicU64,
}

/// What one call does, for its waits, counts and messages.
struct Work<'a> {
    action: &'static str,
    object: &'a dyn fmt::Display,
    count: &'a AtomicU64,
    /// Bytes that it writes.
    up: u64,
    /// Whether it reads some.
    is_down: bool,
}

/// How a call has failed.
enum End {
    /// It is no longer wanted.
    Unwanted(Error),
    /// No attempt went well.
    Failed(Error),
}

impl End {
    fn error(self) -> Error {
        let (End::Unwanted(error) | End::Failed(error)) = self;
        error
    }
}

impl Requests {
    /// Calls of `backend`.
    ///
    /// Errors: `Argument` for options with which nothing can be tried; `Io` if the system gives no random bytes.
    pub fn new(backend: Arc<dyn Backend>, options: RequestOptions) -> Result<Requests> {
        if options.max_tries == 0 || options.deadline.is_zero() {
            return Err(Error::new(Kind::Argument, "requests need an attempt, and time for it"));
        }
        let limits = backend.limits();
        let connections = match options.connections {
            0 => limits.connections,
            connections => connections.min(limits.connections),
        };
        Ok(Requests {
            backend,
            options,
            limits,
            permits: Permits::new(connections),
            up: Throttle::new(options.max_up),
            down: Throttle::new(options.max_down),
            counts: Counts::default(),
            random: AtomicU64::new(u64::from_le_bytes(sys::random()?)),
        })
    }

    /// What the backend says that it can do.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Where the objects are, for messages.
    pub fn location(&self) -> String {
        self.backend.location()
    }

    /// What has been done so far.
    pub fn counters(&self) -> Counters {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.counts;
        Counters {
            get: read(&counts.get),
            put: read(&counts.put),
            list: read(&counts.list),
            stat: read(&counts.stat),
            delete: read(&counts.delete),
            copy: read(&counts.copy),
            retries: read(&counts.retries),
            bytes_up: read(&counts.bytes_up),
            bytes_down: read(&counts.bytes_down),
        }
    }

    /// How many attempts may be under way at once: fewer than the options say after the service had too much to do.
    pub fn allowed(&self) -> usize {
        self.permits.allowed()
    }

    /// Reads an object behind what `out` has. `None`: there is none. Unless there is one, `out` stays as it was.
    ///
    /// Errors: `Limit` if it has more than `max_len` bytes; `Corrupt` if it has others than the backend says; those of
    /// the backend and of `is_wanted`.
    pub fn get(&self, key: &Key, max_len: usize, out: &mut Vec<u8>, is_wanted: IsWanted<'_>) -> Result<Option<Object>> {
        let begin = out.len();
        let work = Work { action: "get", object: key, count: &self.counts.get, up: 0, is_down: true };
        let result = self.run(&work, is_wanted, &mut |call| {
            out.truncate(begin);
            let object = self.backend.get(key, max_len, out, call)?;
            let len = out.len().saturating_sub(begin);
            match &object {
                None => {}
                Some(object) if len <= max_len && object.size == len as u64 => {
                    self.down.count(object.size, Instant::now());
                    self.counts.bytes_down.fetch_add(object.size, Ordering::Relaxed);
                }
                Some(object) => {
                    let message = format!("{len} bytes of an object of {}, of at most {max_len}", object.size);
                    return Err(Error::new(Kind::Corrupt, message).into());
                }
            }
            Ok(object)
        });
        if !matches!(result, Ok(Some(_))) {
            out.truncate(begin);
        }
        result.map_err(End::error)
    }

    /// Writes an object.
    ///
    /// An answer that was lost may have been that of success. So if it comes out at a later attempt that there is one
    /// already, or another than was thought, it is read: one with the same bytes is this one. Who excludes others by
    /// [`Put::New`] or [`Put::IfMatch`] writes bytes that nobody else does.
    ///
    /// Errors: those of the backend and of `is_wanted`.
    pub fn put(&self, key: &Key, data: &[u8], how: Put<'_>, is_wanted: IsWanted<'_>) -> Result<PutDone> {
        let mut may_be_written = false;
        let work = Work { action: "put", object: key, count: &self.counts.put, up: data.len() as u64, is_down: false };
        let done = self.run(&work, is_wanted, &mut |call| match self.backend.put(key, data, how, call) {
            Ok(done) => checked(done, how),
            Err(failure) => {
                // With `Once` the service has refused it, for a reason.
                may_be_written |= matches!(failure.again, Again::Yes | Again::Later(_));
                Err(failure)
            }
        });
        let done = done.map_err(End::error)?;
        if done != PutDone::Stored && may_be_written && self.holds(key, data, is_wanted)? {
            return Ok(PutDone::Stored);
        }
        Ok(done)
    }

    /// Whether the object has these bytes.
    fn holds(&self, key: &Key, data: &[u8], is_wanted: IsWanted<'_>) -> Result<bool> {
        let mut there = Vec::new();
        match self.get(key, data.len(), &mut there, is_wanted) {
            Ok(object) => Ok(object.is_some() && there == data),
            Err(error) if error.kind() == Kind::Limit => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What is known of an object, without its bytes; `None` if there is none.
    ///
    /// Errors: those of the backend and of `is_wanted`.
    pub fn stat(&self, key: &Key, is_wanted: IsWanted<'_>) -> Result<Option<Object>> {
        let work = Work { action: "look at", object: key, count: &self.counts.stat, up: 0, is_down: false };
        self.run(&work, is_wanted, &mut |call| self.backend.stat(key, call)).map_err(End::error)
    }

    /// The next page of a listing, as [`Listing::next`] gives it.
    ///
    /// Errors: `Corrupt` for a page that is none; those of the backend and of `is_wanted`.
    pub fn list(&self, listing: &mut Listing, page: &mut Vec<Listed>, is_wanted: IsWanted<'_>) -> Result<bool> {
        page.clear();
        if listing.has_ended() {
            return Ok(false);
        }
        let object = format!("{}*", listing.prefix());
        let work = Work { action: "list", object: &object, count: &self.counts.list, up: 0, is_down: false };
        self.run(&work, is_wanted, &mut |call| listing.next(&*self.backend, page, call)).map_err(End::error)
    }

    /// Removes objects, however many; what is not there is removed. Gives those that could not be, by their place in
    /// `keys`, in ascending order.
    ///
    /// Errors: those of the backend for all of a request, and of `is_wanted`; some may be removed then.
    pub fn delete(&self, keys: &[Key], is_wanted: IsWanted<'_>) -> Result<Vec<(usize, Error)>> {
        let mut failed = Vec::new();
        let most = self.limits.max_delete.max(1);
        for (batch, first) in keys.chunks(most).zip((0..).step_by(most)) {
            self.delete_batch(batch, first, &mut failed, is_wanted)?;
        }
        failed.sort_by_key(|(place, _)| *place);
        Ok(failed)
    }

    /// Removes what one request can, in as many as it takes; `first` is the place of its first key.
    fn delete_batch(
        &self,
        batch: &[Key],
        first: usize,
        failed: &mut Vec<(usize, Error)>,
        is_wanted: IsWanted<'_>,
    ) -> Result<()> {
        let object = Batch(batch);
        let work = Work { action: "delete", object: &object, count: &self.counts.delete, up: 0, is_down: false };
        // Those that are left after an attempt, with their places in the batch, and what they failed for.
        let mut left: Option<(Vec<Key>, Vec<usize>, Vec<Error>)> = None;
        let mut is_answered = false;
        let result = self.run(&work, is_wanted, &mut |call| {
            is_answered = false;
            let (keys, places) = left.as_ref().map_or((batch, None), |(keys, places, _)| (&keys[..], Some(places)));
            let answer = self.backend.delete(keys, call)?;
            let mut again = (Vec::new(), Vec::new(), Vec::new());
            let mut seen = Vec::new();
            for (place, error) in answer {
                let Some(key) = keys.get(place).filter(|_| !seen.contains(&place)) else {
                    let message = format!("the answer tells of key {place}, of {}, or twice", keys.len());
                    return Err(Error::new(Kind::Corrupt, message).into());
                };
                push(&mut seen, place)?;
                let place = places.map_or(place, |places| places[place]);
                if error.kind() == Kind::Io {
                    push(&mut again.0, key.clone())?;
                    push(&mut again.1, place)?;
                    push(&mut again.2, error)?;
                } else {
                    push(failed, (first + place, error.context(format!("delete {key}"))))?;
                }
            }
            let Some(error) = again.2.first().cloned() else { return Ok(()) };
            left = Some(again);
            is_answered = true;
            Err(Failure { error, again: Again::Yes })
        });
        match (result, left) {
            (Err(End::Failed(_)), Some((keys, places, errors))) if is_answered => {
                reserve(failed, keys.len())?;
                let whats = keys.iter().map(|key| format!("delete {key}, after the last attempt"));
                let errors = errors.into_iter().zip(whats).map(|(error, what)| error.context(what));
                failed.extend(places.into_iter().map(|place| first + place).zip(errors));
                Ok(())
            }
            (result, _) => result.map_err(End::error),
        }
    }

    /// Makes `to` an object with the bytes of `from`, in the place of any that is there. `false`: there is no `from`.
    ///
    /// Errors: those of the backend and of `is_wanted`.
    pub fn copy(&self, from: &Key, to: &Key, is_wanted: IsWanted<'_>) -> Result<bool> {
        let object = format!("{from} to {to}");
        let work = Work { action: "copy", object: &object, count: &self.counts.copy, up: 0, is_down: false };
        self.run(&work, is_wanted, &mut |call| self.backend.copy(from, to, call)).map_err(End::error)
    }

    /// Makes attempts.
    fn run<T>(
        &self,
        work: &Work<'_>,
        is_wanted: IsWanted<'_>,
        attempt: &mut dyn FnMut(&Call<'_>) -> Answer<T>,
    ) -> std::result::Result<T, End> {
        let said = Mutex::new(None);
        let ask = || {
            is_wanted().inspect_err(|error| {
                *said.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
            })
        };
        let far = Call::new(Instant::now() + FOR_EVER, &ask);
        let unwanted = |failure: Failure| End::Unwanted(failure.error);
        let mut deadline = Instant::now() + self.options.deadline.min(FOR_EVER);
        let (mut tries, mut once, mut before) = (0, false, None);
        loop {
            let begin = Instant::now();
            if work.up > 0 {
                self.up.pass(work.up, &far).map_err(unwanted)?;
            }
            if work.is_down {
                self.down.pass(0, &far).map_err(unwanted)?;
            }
            let permit = self.permits.take(&far).map_err(unwanted)?;
            deadline += begin.elapsed();
            self.count(work, tries);
            tries += 1;
            let result = attempt(&Call::new(deadline, &ask));
            let now = Instant::now();
            let failure = match result {
                Ok(value) => {
                    permit.went_well(now);
                    return Ok(value);
                }
                Err(failure) => failure,
            };
            match failure.again {
                Again::Later(_) => permit.was_too_much(now),
                _ => drop(permit),
            }
            if let Some(error) = said.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return Err(End::Unwanted(error));
            }
            if failure.error.kind() == Kind::Cancelled {
                return Err(End::Unwanted(failure.error));
            }
            let left = deadline.saturating_duration_since(now);
            match self.pause_after(failure.again, tries, &mut once) {
                Some(pause) if tries < self.options.max_tries && pause < left => {
                    far.wait(pause).map_err(unwanted)?;
                    before = Some(failure.error);
                }
                _ => {
                    let error = last_cause(failure.error, before, left);
                    return Err(End::Failed(self.describe(work, tries, error)));
                }
            }
        }
    }

    fn count(&self, work: &Work<'_>, tries: u32) {
        work.count.fetch_add(1, Ordering::Relaxed);
        self.counts.retries.fetch_add(u64::from(tries > 0), Ordering::Relaxed);
        self.counts.bytes_up.fetch_add(work.up, Ordering::Relaxed);
    }

    /// How long to wait before the next attempt, after so many; `None` if there is none.
    fn pause_after(&self, again: Again, tries: u32, once: &mut bool) -> Option<Duration> {
        match again {
            Again::No => None,
            Again::Yes => Some(self.random_pause(tries)),
            Again::Later(time) => Some(self.random_pause(tries).max(time.min(LATER_MAX))),
            Again::Once => (!std::mem::replace(once, true)).then_some(Duration::ZERO),
        }
    }

    /// A pause after so many attempts: any up to its bound, so that those who were disturbed together do not come
    /// together again.
    fn random_pause(&self, tries: u32) -> Duration {
        let doubled = 1u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX);
        let bound = self.options.pause.saturating_mul(doubled).min(PAUSE_MAX);
        let mut number = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^= number >> 31;
        bound.mul_f64((number >> 11) as f64 / (1u64 << 53) as f64)
    }

    fn describe(&self, work: &Work<'_>, tries: u32, error: Error) -> Error {
        let (location, Work { action, object, .. }) = (self.location(), work);
        let tries = if tries == 1 { "1 try".into() } else { format!("{tries} tries") };
        error.context(format!("{location}: {action} {object}, {tries}"))
    }
}

/// What a put can have come to, by how it was asked for.
fn checked(done: PutDone, how: Put<'_>) -> Answer<PutDone> {
    let fits = match how {
        Put::Replace => done == PutDone::Stored,
        Put::New => done != PutDone::Changed,
        Put::IfMatch(_) => done != PutDone::Exists,
    };
    if !fits {
        let message = format!("the answer {done:?} fits no request {how:?}");
        return Err(Error::new(Kind::Corrupt, message).into());
    }
    Ok(done)
}

/// Why a call has failed: where it is only that its time is over, what went wrong before.
fn last_cause(error: Error, before: Option<Error>, left: Duration) -> Error {
    match before {
        Some(before) if left.is_zero() => before.context("the time for the call is over; before that"),
        _ => error,
    }
}

/// Keys, as a message has them.
struct Batch<'a>(&'a [Key]);

impl fmt::Display for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("nothing"),
            [key] => write!(f, "{key}"),
            [key, others @ ..] => write!(f, "{key} and {} more", others.len()),
        }
    }
}
