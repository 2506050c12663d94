//! What a verification has found out about chunks.

use std::collections::HashMap;

use crate::digest::Digest;
use crate::error::{Error, Kind, Result, no_memory};
use crate::index::{ChunkInfo, RequiredForm};
use crate::limits::{VERIFY_MAX_BAD, VERIFY_MAX_KNOWN};
use crate::sys::HashSeed;

/// A chunk whose content has its digest, or that is sealed and has a right CRC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GoodChunk {
    pub(super) encrypted: bool,
    /// Its plain bytes; `None` if it is sealed and has not been opened.
    pub(super) len: Option<usize>,
}

impl GoodChunk {
    /// Compares its length, if that is known, with what an index says.
    ///
    /// Errors: `Corrupt`.
    pub(super) fn check_len(&self, by_index: u64) -> Result<()> {
        match self.len {
            Some(len) if len as u64 != by_index => {
                Err(Error::new(Kind::Corrupt, format!("the chunk has {len} bytes, and the index says {by_index}")))
            }
            _ => Ok(()),
        }
    }
}

/// A chunk that is missing, bad, or cannot be read.
#[derive(Debug)]
pub(super) struct BadChunk {
    pub(super) error: Error,
    /// Its file has been renamed.
    pub(super) renamed: bool,
    /// There is another in its place now.
    pub(super) repaired: Option<GoodChunk>,
}

/// An entry of an index that fails.
#[derive(Debug)]
pub(super) struct BadEntry {
    pub(super) kind: Kind,
    pub(super) message: String,
    pub(super) renamed: bool,
    pub(super) repaired: bool,
}

/// The chunks that have been checked, as many as [`crate::limits`] allows.
pub(super) struct KnownChunks {
    good: HashMap<Digest, GoodChunk, HashSeed>,
    bad: HashMap<Digest, BadChunk, HashSeed>,
}

impl KnownChunks {
    /// Nothing is known yet.
    ///
    /// Errors: `Io` without randomness.
    pub(super) fn new() -> Result<Self> {
        let seed = HashSeed::new()?;
        Ok(KnownChunks { good: HashMap::with_hasher(seed.clone()), bad: HashMap::with_hasher(seed) })
    }

    /// The seed for other tables of the same chunks.
    pub(super) fn seed(&self) -> HashSeed {
        self.good.hasher().clone()
    }

    /// Makes room for `count` more chunks, by forgetting others if need be. Chunks that are added after this stay until
    /// the next call.
    ///
    /// Errors: `NoMemory`.
    pub(super) fn make_room(&mut self, count: usize) -> Result<()> {
        self.make_room_within(count, VERIFY_MAX_KNOWN, VERIFY_MAX_BAD)
    }

    fn make_room_within(&mut self, count: usize, max_good: usize, max_bad: usize) -> Result<()> {
        if self.good.len().saturating_add(count) > max_good {
            self.good.clear();
        }
        if self.bad.len().saturating_add(count) > max_bad {
            self.bad.clear();
        }
        self.good.try_reserve(count).map_err(|_| no_memory(count.saturating_mul(size_of::<(Digest, GoodChunk)>())))
    }

    /// Whether a chunk is still to be checked. With `opens` that includes one that was not opened.
    pub(super) fn lacks(&self, digest: &Digest, opens: bool) -> bool {
        match self.good.get(digest) {
            Some(good) => opens && good.len.is_none(),
            None => !self.bad.contains_key(digest),
        }
    }

    pub(super) fn add_good(&mut self, digest: Digest, good: GoodChunk) {
        self.good.insert(digest, good);
    }

    /// Errors: `NoMemory`.
    pub(super) fn add_bad(&mut self, digest: Digest, bad: BadChunk) -> Result<()> {
        self.bad.try_reserve(1).map_err(|_| no_memory(self.bad.len() * size_of::<(Digest, BadChunk)>()))?;
        self.good.remove(&digest);
        self.bad.insert(digest, bad);
        Ok(())
    }

    /// Compares `chunk`, as an index lists it, with the result of its check; `None` if all is well.
    pub(super) fn check_entry(&self, chunk: &ChunkInfo, required: Option<RequiredForm>) -> Option<BadEntry> {
        let entry = |error: &Error, bad: Option<&BadChunk>, repaired| BadEntry {
            kind: error.kind(),
            message: error.message().to_owned(),
            renamed: bad.is_some_and(|bad| bad.renamed),
            repaired,
        };
        let bad = self.bad.get(&chunk.digest);
        let good = match bad {
            Some(BadChunk { error, repaired: None, .. }) => return Some(entry(error, bad, false)),
            Some(BadChunk { repaired: Some(good), .. }) => Some(good),
            None => self.good.get(&chunk.digest),
        };
        let fits = match good {
            Some(good) => fits(chunk, good, required),
            None => Err(Error::new(Kind::Internal, "the chunk has not been checked")),
        };
        match (fits, bad) {
            (Err(error), _) => Some(entry(&error, bad, false)),
            (Ok(()), Some(bad)) => Some(entry(&bad.error, Some(bad), true)),
            (Ok(()), None) => None,
        }
    }
}

/// Compares a good chunk with what an index says of it.
fn fits(chunk: &ChunkInfo, good: &GoodChunk, required: Option<RequiredForm>) -> Result<()> {
    RequiredForm::check(required, good.encrypted)?;
    good.check_len(chunk.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: GoodChunk = GoodChunk { encrypted: false, len: Some(5) };
    const SEALED: GoodChunk = GoodChunk { encrypted: true, len: None };

    fn digest(i: u8) -> Digest {
        Digest([i; 32])
    }

    fn chunk(i: u8, len: u64) -> ChunkInfo {
        ChunkInfo { start: 7, end: 7 + len, digest: digest(i) }
    }

    fn bad(repaired: Option<GoodChunk>) -> BadChunk {
        BadChunk { error: Error::new(Kind::Format, "x"), renamed: true, repaired }
    }

    #[test]
    fn what_is_known_is_bounded_and_what_is_forgotten_is_wanted_again() {
        let mut known = KnownChunks::new().unwrap();
        for i in 0..10 {
            known.make_room_within(1, 4, 2).unwrap();
            known.add_good(digest(i), PLAIN);
            known.add_bad(digest(100 + i), bad(None)).unwrap();
            assert!(!known.lacks(&digest(i), false) && !known.lacks(&digest(100 + i), false));
            assert!(known.good.len() <= 4 && known.bad.len() <= 2);
        }
        assert!(known.lacks(&digest(0), false) && known.lacks(&digest(100), false));
        assert_eq!((known.good.len(), known.bad.len()), (2, 2));
    }

    #[test]
    fn what_is_sealed_is_wanted_again_where_it_can_be_opened() {
        let mut known = KnownChunks::new().unwrap();
        known.add_good(digest(1), SEALED);
        known.add_good(digest(2), PLAIN);
        assert!(!known.lacks(&digest(1), false) && known.lacks(&digest(1), true));
        assert!(!known.lacks(&digest(2), true));
    }

    #[test]
    fn length_and_form_are_compared_for_every_index() {
        let mut known = KnownChunks::new().unwrap();
        known.add_good(digest(1), PLAIN);
        known.add_good(digest(2), SEALED);
        let kind = |i, len, form| known.check_entry(&chunk(i, len), form).map(|entry| (entry.kind, entry.repaired));
        assert_eq!(kind(1, 5, Some(RequiredForm::Plain)), None);
        assert_eq!(kind(1, 6, Some(RequiredForm::Plain)), Some((Kind::Corrupt, false)));
        assert_eq!(kind(1, 5, Some(RequiredForm::Encrypted)), Some((Kind::CryptMode, false)));
        assert_eq!(kind(2, 6, Some(RequiredForm::Encrypted)), None);
        assert_eq!(kind(2, 6, Some(RequiredForm::Plain)), Some((Kind::CryptMode, false)));
        assert_eq!(kind(3, 5, None), Some((Kind::Internal, false)));
    }

    #[test]
    fn what_was_repaired_must_fit_too() {
        let mut known = KnownChunks::new().unwrap();
        known.add_good(digest(1), SEALED);
        known.add_bad(digest(1), bad(None)).unwrap();
        let entry = known.check_entry(&chunk(1, 5), None).unwrap();
        assert_eq!(
            (entry.kind, entry.message.as_str(), entry.renamed, entry.repaired),
            (Kind::Format, "x", true, false)
        );
        known.add_bad(digest(1), bad(Some(PLAIN))).unwrap();
        assert!(known.check_entry(&chunk(1, 5), None).unwrap().repaired);
        let entry = known.check_entry(&chunk(1, 6), None).unwrap();
        assert_eq!((entry.kind, entry.repaired), (Kind::Corrupt, false));
    }
}
