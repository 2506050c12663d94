//! Any bytes of a file, in any order, from any number of threads (docs/format.md, 9.4).
//!
//! # Contract
//!
//! - Data is checked as a restore checks it, whether it was loaded for this call or kept by a [`Cache`]. A cache knows
//!   of a chunk only what was proved of its digest; form and length are compared for each reader.
//! - A chunk is loaded once for all requests at the same time, and no lock is held meanwhile.
//! - Chunks of zeros are neither loaded nor kept. Zeros that stand for a bad chunk are not kept.
//! - A read of several chunks loads them side by side, and one that goes on where others have been the next ones too,
//!   if the cache has room for them. No thread outlives the call; `on_bad` is called on the caller's, in order.
//! - Memory: the cache, and for each thread that is loading one encoded and one decoded chunk, re-used.

mod ahead;
mod cache;

pub use cache::Cache;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::chunks::Chunks;
use crate::crypt::{CryptKey, Fingerprint};
use crate::error::{Error, Kind, Result};
use crate::index::{ChunkInfo, Index, RequiredForm};
use crate::limits::blob_len;
use crate::source::{ChunkSource, Loader, OnBad, Zeros, judge, thread_count};
use crate::tree::OpenSnapshot;
use ahead::{Parts, Steps};
use cache::{Decoded, Question};

/// Bytes of a reader's own cache, unless it is told otherwise.
pub const DEFAULT_CACHE_SIZE: usize = 64 << 20;

/// Idle loaders that are kept with their buffers.
const MAX_IDLE: usize = 16;

/// How a reader works.
#[derive(Debug, Clone, Default)]
pub struct ReaderOptions {
    /// Do not compare the csum in the header of the index with its entries.
    pub any_csum: bool,
    /// The key for encrypted chunks.
    pub key: Option<Arc<CryptKey>>,
    /// Read bad chunks as zeros, after telling, each time; by default such a chunk is a failure.
    pub on_bad: Option<OnBad>,
    /// Where decoded chunks are kept; by default in a cache of [`DEFAULT_CACHE_SIZE`] of the reader's own.
    pub cache: Option<Arc<Cache>>,
    /// On how many threads one call may load chunks, the caller's among them; 0 for as many as there are processors.
    /// More than one are used where that pays and the source is for any thread.
    pub threads: usize,
}

/// A stretch of chunks that are all zeros, or all not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Bytes from where it was asked for to the end of the stretch.
    pub length: u64,
    /// Whether it reads as zeros.
    pub is_zero: bool,
}

/// Reads a file anywhere. Any number of threads may use it at once.
pub struct Reader {
    source: Arc<dyn ChunkSource>,
    index: Arc<Index>,
    cache: Arc<Cache>,
    key: Option<Arc<CryptKey>>,
    on_bad: Option<OnBad>,
    zeros: Zeros,
    idle: Mutex<Vec<Loader>>,
    threads: usize,
    steps: Steps,
}

impl Reader {
    /// A reader of the file of `index`, with chunks from `source`.
    ///
    /// Errors: `Corrupt` if the csum of the index is wrong; `Argument` for too many threads.
    pub fn new(source: Arc<dyn ChunkSource>, index: Arc<Index>, options: ReaderOptions) -> Result<Self> {
        let ReaderOptions { any_csum, key, on_bad, cache, threads } = options;
        let threads = thread_count(&*source, threads)?;
        if !any_csum {
            index.check_intact()?;
        }
        let cache = cache.map_or_else(|| Cache::new(DEFAULT_CACHE_SIZE).map(Arc::new), Ok)?;
        let zeros = Zeros::new(key.clone());
        let (idle, steps) = (Mutex::default(), Steps::default());
        Ok(Reader { source, index, cache, key, on_bad, zeros, idle, threads, steps })
    }

    /// A reader of the archive `name` of a snapshot, an index, with the chunks of its store, `chunks`, and the key that
    /// it was opened with. It does not hold the snapshot.
    ///
    /// Errors: those of [`OpenSnapshot::index`] and [`Reader::new`].
    pub fn of_archive(chunks: &Chunks, snapshot: &OpenSnapshot, name: &str, options: ReaderOptions) -> Result<Self> {
        let options = ReaderOptions { key: snapshot.key(), ..options };
        let index = snapshot.index(name)?.index;
        Self::new(Arc::new(chunks.clone()), Arc::new(index), options)
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.index.size()
    }

    /// Fills `out` with the bytes from `offset` on, as far as the file has them, and gives how many these are: 0 at the
    /// end and behind it.
    ///
    /// Errors: those of [`Loader::load`], with the chunk's digest and its offset in the file. The content of `out` is
    /// then undefined.
    pub fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<usize> {
        let Some((first, within)) = self.index.chunk_from_offset(offset) else { return Ok(0) };
        let room = usize::try_from(self.size() - offset).map_or(out.len(), |left| left.min(out.len()));
        let mut parts = Parts::new(&self.index, first, within, &mut out[..room]);
        if let Some(end) = self.worth_spreading(first, within, room) {
            self.spread(parts, end)?;
        } else {
            parts.try_for_each(|part| self.read_chunk(part.number, &part.chunk, part.within, part.out))?;
        }
        Ok(room)
    }

    /// The stretch of zero chunks, or of others, that goes on at `offset`; `None` at the end of the file and behind it.
    ///
    /// It is followed for `max_length` bytes, to the end of the chunk there. Nothing is loaded: a chunk of zeros is
    /// known by its digest.
    pub fn extent(&self, offset: u64, max_length: u64) -> Option<Extent> {
        let (first, _) = self.index.chunk_from_offset(offset)?;
        let chunks = (first..self.index.count()).map_while(|i| self.index.chunk(i)).filter(|chunk| !chunk.is_empty());
        let (mut end, mut kind) = (offset, None);
        for chunk in chunks {
            let is_zero = self.is_zeros(&chunk);
            if *kind.get_or_insert(is_zero) != is_zero {
                break;
            }
            end = chunk.end;
            if end - offset >= max_length {
                break;
            }
        }
        kind.map(|is_zero| Extent { length: end - offset, is_zero })
    }

    fn is_zeros(&self, chunk: &ChunkInfo) -> bool {
        self.zeros.has(chunk, self.required_form())
    }

    /// Fills `out` from byte `within` of chunk `i`, which has as many.
    fn read_chunk(&self, i: usize, chunk: &ChunkInfo, within: u64, out: &mut [u8]) -> Result<()> {
        self.copy_chunk(chunk, within, out).or_else(|error| {
            judge(error, i, chunk, self.on_bad.as_ref())?;
            out.fill(0);
            Ok(())
        })
    }

    /// As [`Reader::read_chunk`], of a chunk that is not bad.
    fn copy_chunk(&self, chunk: &ChunkInfo, within: u64, out: &mut [u8]) -> Result<()> {
        let decoded = match self.cache.get(&chunk.digest) {
            Some(decoded) => decoded,
            None if self.is_zeros(chunk) => {
                out.fill(0);
                return Ok(());
            }
            None => self.load(chunk)?,
        };
        self.check(chunk, &decoded)?;
        let start = within as usize;
        out.copy_from_slice(&decoded.data[start..start + out.len()]);
        Ok(())
    }

    /// Compares a decoded chunk, which another reader may have loaded, with what this one's index says.
    fn check(&self, chunk: &ChunkInfo, decoded: &Decoded) -> Result<()> {
        RequiredForm::check(self.required_form(), decoded.opened_with.is_some())?;
        if decoded.opened_with.is_some() && decoded.opened_with != self.fingerprint() {
            return Err(Error::new(Kind::Key, "the chunk is encrypted, and another key has opened it"));
        }
        let (found, wanted) = (decoded.data.len(), blob_len(chunk.len())?);
        if found == wanted {
            return Ok(());
        }
        Err(Error::new(Kind::Corrupt, format!("the decoded blob has {found} bytes and should have {wanted}")))
    }

    fn load(&self, chunk: &ChunkInfo) -> Result<Arc<Decoded>> {
        let question = Question {
            digest: chunk.digest,
            len: chunk.len(),
            required: self.required_form(),
            key: self.fingerprint(),
            tolerance: self.key.as_ref().map(|key| key.tolerance()).unwrap_or_default(),
            source: Arc::as_ptr(&self.source).cast::<()>() as usize,
        };
        let mut loader = None;
        let (found, spare) = self.cache.get_or_load(question, || {
            let loader = loader.insert(self.idle().pop().unwrap_or_else(|| Loader::new(self.key.clone())));
            let (data, encrypted) = loader.load_vec(&*self.source, chunk, self.required_form())?;
            Ok(Decoded { data, opened_with: self.fingerprint().filter(|_| encrypted) })
        });
        if let Some(mut loader) = loader {
            if let Some(spare) = spare {
                loader.recycle(spare);
            }
            let mut idle = self.idle();
            if idle.len() < MAX_IDLE {
                idle.push(loader);
            }
        }
        found
    }

    fn required_form(&self) -> Option<RequiredForm> {
        self.index.terms().required_form
    }

    fn fingerprint(&self) -> Option<Fingerprint> {
        self.key.as_ref().map(|key| *key.fingerprint())
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Loader>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({} bytes, {:?})", self.size(), self.cache)
    }
}
