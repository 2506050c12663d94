//! Decoded chunks that are kept, and one load for all who ask for the same.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use crate::crypt::{Fingerprint, Tolerance};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::index::RequiredForm;
use crate::sys::HashSeed;

/// Bytes that an entry takes besides its data, rounded up.
const ENTRY: usize = 256;

/// A chunk as it was decoded and checked.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) data: Vec<u8>,
    /// The key, if it was encrypted. Only readers with that key may see it.
    pub(super) opened_with: Option<Fingerprint>,
}

impl Decoded {
    /// Bytes of memory.
    fn room(&self) -> usize {
        self.data.capacity() + ENTRY
    }
}

/// The key of an entry. Requests share an entry only if all of this is equal: a failure of another source, or another
/// length in another index, must not become this reader's failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) digest: Digest,
    pub(super) len: u64,
    pub(super) required: Option<RequiredForm>,
    pub(super) key: Option<Fingerprint>,
    /// Forms that the key reads besides PBS's own. All readers that have the key share the chunk.
    pub(super) tolerance: Tolerance,
    /// The address of the source, which lives as long as a request.
    pub(super) source: usize,
}

/// Decoded chunks, those that were used last, for any number of readers.
pub struct Cache {
    max_bytes: usize,
    state: Mutex<State>,
}

struct State {
    chunks: LruCache<Digest, Arc<Decoded>, HashSeed>,
    /// The sum over the chunks.
    bytes: usize,
    flights: HashMap<Question, Arc<Flight>, HashSeed>,
}

/// A load that is under way, and the requests that wait for it.
#[derive(Default)]
struct Flight {
    outcome: Mutex<Option<Result<Arc<Decoded>>>>,
    landed: Condvar,
}

impl Cache {
    /// A cache of at most `max_bytes`, or of one chunk if that alone has more.
    ///
    /// Errors: `Io` without randomness.
    pub fn new(max_bytes: usize) -> Result<Self> {
        let (chunks, flights) =
            (LruCache::unbounded_with_hasher(HashSeed::new()?), HashMap::with_hasher(HashSeed::new()?));
        let state = State { chunks, bytes: 0, flights };
        Ok(Cache { max_bytes, state: Mutex::new(state) })
    }

    /// Bytes of memory that the chunks take now.
    pub fn bytes(&self) -> usize {
        self.state().bytes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes for chunks that were loaded ahead and not asked for yet, at most.
    pub(super) fn max_ahead(&self) -> usize {
        self.max_bytes / 2
    }

    /// Whether the chunk is here; that does not count as a use.
    pub(super) fn has(&self, digest: &Digest) -> bool {
        self.state().chunks.contains(digest)
    }

    /// The chunk, if it is here.
    pub(super) fn get(&self, digest: &Digest) -> Option<Arc<Decoded>> {
        self.state().chunks.get(digest).cloned()
    }

    /// The chunk, from the cache or else by `load`, and a buffer that is no longer needed, if there is one. Of several
    /// equal requests one runs `load`; the others wait for its result, an error too. If memory runs out, all chunks are
    /// dropped and `load` runs again.
    ///
    /// No lock is held while `load` runs.
    pub(super) fn get_or_load(
        &self,
        question: Question,
        mut load: impl FnMut() -> Result<Decoded>,
    ) -> (Result<Arc<Decoded>>, Option<Vec<u8>>) {
        let flight = {
            let mut state = self.state();
            if let Some(chunk) = state.chunks.get(&question.digest) {
                return (Ok(chunk.clone()), None);
            }
            if let Some(flight) = state.flights.get(&question).cloned() {
                drop(state);
                return (flight.wait(), None);
            }
            let flight = Arc::new(Flight::default());
            state.flights.insert(question, flight.clone());
            flight
        };
        let mut landing = Landing { cache: self, question, flight: &flight, landed: false };
        let outcome = match load() {
            Err(error) if error.kind() == Kind::NoMemory && self.clear() => load(),
            outcome => outcome,
        };
        let outcome = outcome.map(Arc::new);
        let evicted = match &outcome {
            Ok(chunk) => self.insert(question.digest, chunk.clone()),
            Err(_) => Vec::new(),
        };
        landing.land(outcome.clone());
        let spare = evicted.into_iter().find_map(|chunk| Arc::try_unwrap(chunk).ok()).map(|chunk| chunk.data);
        (outcome, spare)
    }

    /// Drops all chunks; false if there were none.
    fn clear(&self) -> bool {
        let mut state = self.state();
        let had_some = !state.chunks.is_empty();
        state.chunks.clear();
        state.bytes = 0;
        had_some
    }

    /// Keeps a chunk, and gives those that had to go.
    fn insert(&self, digest: Digest, chunk: Arc<Decoded>) -> Vec<Arc<Decoded>> {
        let mut state = self.state();
        state.bytes += chunk.room();
        let mut gone: Vec<_> = state.chunks.put(digest, chunk).into_iter().collect();
        state.bytes -= gone.iter().map(|chunk| chunk.room()).sum::<usize>();
        while state.bytes > self.max_bytes && state.chunks.len() > 1 {
            let Some((_, oldest)) = state.chunks.pop_lru() else { break };
            state.bytes -= oldest.room();
            gone.push(oldest);
        }
        gone
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cache({} of {} bytes)", self.bytes(), self.max_bytes)
    }
}

impl Flight {
    fn wait(&self) -> Result<Arc<Decoded>> {
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match &*outcome {
                Some(outcome) => return outcome.clone(),
                None => outcome = self.landed.wait(outcome).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// The end of a flight, which comes whatever happens to the load.
struct Landing<'a> {
    cache: &'a Cache,
    question: Question,
    flight: &'a Flight,
    landed: bool,
}

impl Landing<'_> {
    fn land(&mut self, outcome: Result<Arc<Decoded>>) {
        self.landed = true;
        self.cache.state().flights.remove(&self.question);
        *self.flight.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        self.flight.landed.notify_all();
    }
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        if !self.landed {
            self.land(Err(Error::new(Kind::Internal, "the thread that was loading the chunk has panicked")));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn question(number: u8) -> Question {
        let tolerance = Tolerance::default();
        Question { digest: Digest([number; 32]), len: 0, required: None, key: None, tolerance, source: 0 }
    }

    fn decoded(len: usize) -> Result<Decoded> {
        Ok(Decoded { data: vec![0; len], opened_with: None })
    }

    fn keys(cache: &Cache) -> Vec<u8> {
        cache.state().chunks.iter().map(|(digest, _)| digest.0[0]).collect()
    }

    #[test]
    fn what_was_used_last_stays() {
        let cache = Cache::new(3 * (1000 + ENTRY)).unwrap();
        for number in [1, 2, 3] {
            let (chunk, spare) = cache.get_or_load(question(number), || decoded(1000));
            assert_eq!((chunk.unwrap().data.len(), spare), (1000, None));
        }
        assert_eq!(keys(&cache), [3, 2, 1]);
        cache.get(&Digest([1; 32])).unwrap();
        let (_, spare) = cache.get_or_load(question(4), || decoded(1000));
        assert_eq!(spare.unwrap().len(), 1000, "the buffer of the second");
        assert_eq!(keys(&cache), [4, 1, 3]);
        assert_eq!(cache.bytes(), 3 * (1000 + ENTRY));
        assert!(cache.get_or_load(question(4), || panic!("it is here")).0.is_ok());
    }

    #[test]
    fn a_load_without_memory_gets_that_of_the_chunks() {
        let cache = Cache::new(1 << 20).unwrap();
        let mut loads = 0;
        let mut load_short = |number| {
            let (outcome, _) = cache.get_or_load(question(number), || {
                loads += 1;
                if cache.bytes() > 0 || number == 9 { Err(Error::new(Kind::NoMemory, "x")) } else { decoded(1000) }
            });
            (outcome.map(|chunk| chunk.data.len()).map_err(|error| error.kind()), cache.bytes(), loads)
        };
        assert_eq!(load_short(1), (Ok(1000), 1000 + ENTRY, 1));
        assert_eq!(load_short(2), (Ok(1000), 1000 + ENTRY, 3));
        assert_eq!(load_short(9), (Err(Kind::NoMemory), 0, 5));
        assert_eq!(load_short(9), (Err(Kind::NoMemory), 0, 6), "there is nothing to be had");
    }

    #[test]
    fn one_chunk_is_kept_however_large() {
        let cache = Cache::new(0).unwrap();
        for number in [1, 2] {
            cache.get_or_load(question(number), || decoded(5000)).0.unwrap();
            assert_eq!(keys(&cache), [number]);
        }
        assert_eq!(cache.bytes(), 5000 + ENTRY);
        // A small one takes the place of the large one.
        cache.get_or_load(question(3), || decoded(1)).0.unwrap();
        assert_eq!((keys(&cache), cache.bytes()), (vec![3], 1 + ENTRY));
    }

    #[test]
    fn a_buffer_in_use_is_not_handed_out() {
        let cache = Cache::new(0).unwrap();
        let held = cache.get_or_load(question(1), || decoded(10)).0.unwrap();
        assert_eq!(cache.get_or_load(question(2), || decoded(10)).1, None);
        assert_eq!(held.data.len(), 10);
    }

    #[test]
    fn a_failure_is_not_kept() {
        let cache = Cache::new(1000).unwrap();
        let (outcome, _) = cache.get_or_load(question(1), || Err(Error::new(Kind::NotFound, "gone")));
        assert_eq!(outcome.unwrap_err().kind(), Kind::NotFound);
        assert_eq!(cache.bytes(), 0);
        assert!(cache.get_or_load(question(1), || decoded(1)).0.is_ok());
    }

    /// Starts threads that ask the same while the first load is under way, and gives what they got and how many loaded.
    fn together(cache: &Cache, load: impl Fn() -> Result<Decoded> + Sync) -> (Vec<Option<Result<usize>>>, usize) {
        let loads = AtomicUsize::new(0);
        let (started, is_started) = mpsc::channel();
        let ask = |before: &(dyn Fn() + Sync)| {
            catch_unwind(AssertUnwindSafe(|| {
                let load = || {
                    loads.fetch_add(1, Ordering::SeqCst);
                    before();
                    load()
                };
                cache.get_or_load(question(1), load).0.map(|chunk| chunk.data.len())
            }))
            .ok()
        };
        let waiting = || cache.state().flights.values().map(Arc::strong_count).max().unwrap_or(0);
        let started = Mutex::new(started);
        let got = thread::scope(|scope| {
            let first = scope.spawn(|| {
                ask(&|| {
                    started.lock().unwrap().send(()).unwrap();
                    // The map, the loader, and seven who wait.
                    while waiting() < 9 {
                        thread::sleep(Duration::from_millis(1));
                    }
                })
            });
            is_started.recv().unwrap();
            let others: Vec<_> = (0..7).map(|_| scope.spawn(|| ask(&|| ()))).collect();
            std::iter::once(first).chain(others).map(|thread| thread.join().unwrap()).collect()
        });
        assert!(cache.state().flights.is_empty());
        (got, loads.into_inner())
    }

    #[test]
    fn all_who_ask_at_once_share_a_load() {
        let (got, loads) = together(&Cache::new(0).unwrap(), || decoded(7));
        assert!(got.iter().all(|got| matches!(got, Some(Ok(7)))), "{got:?}");
        assert_eq!(loads, 1);
    }

    #[test]
    fn all_who_wait_get_the_error() {
        let cache = Cache::new(0).unwrap();
        let (got, loads) = together(&cache, || Err(Error::cancelled("test", 5)));
        for got in got {
            let error = got.unwrap().unwrap_err();
            assert_eq!((error.kind(), error.callback_value()), (Kind::Cancelled, 5));
        }
        assert_eq!((loads, cache.bytes()), (1, 0));
    }

    #[test]
    fn nobody_waits_for_a_panic() {
        let cache = Cache::new(0).unwrap();
        let (got, loads) = together(&cache, || panic!("expected by the test"));
        assert_eq!(got.iter().filter(|got| got.is_none()).count(), 1, "who has loaded");
        for error in got.into_iter().flatten() {
            assert_eq!(error.unwrap_err().kind(), Kind::Internal);
        }
        assert_eq!(loads, 1);
        assert!(cache.get_or_load(question(1), || decoded(1)).0.is_ok(), "and it can be tried again");
    }

    /// Another length, form or source is another request.
    #[test]
    fn different_questions_do_not_share_a_load() {
        let cache = Cache::new(0).unwrap();
        let asked = question(1);
        let others = [
            Question { len: 1, ..asked },
            Question { required: Some(RequiredForm::Plain), ..asked },
            Question { source: 1, ..asked },
        ];
        let (outcome, _) = cache.get_or_load(asked, || {
            for other in others {
                let (inner, _) = cache.get_or_load(other, || Err(Error::new(Kind::Corrupt, "its own")));
                assert_eq!(inner.unwrap_err().kind(), Kind::Corrupt);
            }
            decoded(1)
        });
        outcome.unwrap();
    }
}
