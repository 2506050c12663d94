//! The chunks that are known to be needed. They stay whatever access time the file system gives.

use super::seen::Seen;
use crate::chunks::FoundFile;
use crate::digest::{DIGEST_SIZE, Digest};
use crate::error::{Error, Kind, Result};

/// Missing chunks that are remembered: 32 MiB of digests.
const MAX_MISSING: usize = 1 << 20;

/// The chunks that indexes refer to, as far as they are remembered.
pub(super) struct Live {
    seen: Seen,
    missing: Missing,
}

impl Live {
    pub(super) fn new(remembered: usize) -> Self {
        Live { seen: Seen::new(remembered), missing: Missing::new(MAX_MISSING) }
    }

    /// Prefetches the memory that [`Live::insert`] reads for these digests: that takes most of the time, and for many
    /// at once no more than for one.
    pub(super) fn prepare(&self, digests: &[Digest]) {
        self.seen.prepare(digests);
    }

    /// Notes a reference; true if it is known that the chunk was referred to before.
    pub(super) fn insert(&mut self, digest: &Digest) -> bool {
        self.seen.insert(digest)
    }

    /// Notes that a chunk is missing, as far as the file system says.
    ///
    /// Errors: `Limit` if these are too many to be remembered, `NoMemory`.
    pub(super) fn insert_missing(&mut self, digest: &Digest) -> Result<()> {
        self.missing.insert(digest)
    }

    /// Readies what was noted for [`Live::protects`].
    pub(super) fn seal(&mut self) {
        self.missing.sort();
    }

    /// Whether `file` must stay whatever its access time: it is a chunk that was marked, or one that was missing, in
    /// whatever place and state it is met now.
    pub(super) fn protects(&self, file: &FoundFile) -> bool {
        self.missing.contains(&file.digest)
            || (file.bad.is_none() && !file.misplaced && self.seen.contains(&file.digest))
    }

    /// Whether a chunk that is met now was missing when it was to be marked.
    pub(super) fn was_missing(&self, digest: &Digest) -> bool {
        self.missing.contains(digest)
    }
}

/// Digests in memory that is bounded, none of which is ever forgotten.
struct Missing {
    digests: Vec<[u8; DIGEST_SIZE]>,
    max: usize,
}

impl Missing {
    fn new(max: usize) -> Self {
        Missing { digests: Vec::new(), max }
    }

    fn insert(&mut self, digest: &Digest) -> Result<()> {
        if self.digests.len() == self.max {
            // The same ones may have been noted several times.
            self.sort();
            if self.digests.len() > self.max / 2 {
                let message = format!("more than {} chunks that indexes need are missing", self.digests.len());
                return Err(Error::new(Kind::Limit, message));
            }
        }
        if self.digests.len() == self.digests.capacity() {
            let more = self.digests.len().clamp(64, self.max.max(64));
            let no_memory = |_| Error::new(Kind::NoMemory, "no memory for the names of missing chunks");
            self.digests.try_reserve(more).map_err(no_memory)?;
        }
        self.digests.push(digest.0);
        Ok(())
    }

    fn sort(&mut self) {
        self.digests.sort_unstable();
        self.digests.dedup();
    }

    /// Whether `digest` is among them; they are sorted.
    fn contains(&self, digest: &Digest) -> bool {
        self.digests.binary_search(&digest.0).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha256;

    fn digest(i: u32) -> Digest {
        sha256(&i.to_le_bytes())
    }

    #[test]
    fn what_is_missing_is_never_forgotten() {
        let mut missing = Missing::new(100);
        // Few, and each of them again and again.
        for i in 0..5000 {
            missing.insert(&digest(i % 40)).unwrap();
        }
        missing.sort();
        assert!((0..40).all(|i| missing.contains(&digest(i))));
        assert!((40..200).all(|i| !missing.contains(&digest(i))));
        let mut missing = Missing::new(100);
        let error = (0..).find_map(|i| missing.insert(&digest(i)).err()).unwrap();
        assert_eq!(error.kind(), Kind::Limit);
        assert!(missing.digests.capacity() <= 200);
    }

    #[test]
    fn it_protects() {
        let mut live = Live::new(16);
        let [marked, missing, other] = [1, 2, 3].map(digest);
        for digest in [&marked, &missing] {
            assert!(!live.insert(digest));
        }
        live.insert_missing(&missing).unwrap();
        live.seal();
        for (digest, file, bad, misplaced) in
            [(marked, true, false, false), (missing, true, true, true), (other, false, false, false)]
        {
            let found = |bad, misplaced| FoundFile::new(digest, bad, misplaced);
            assert_eq!(live.protects(&found(None, false)), file);
            assert_eq!(live.protects(&found(Some(3), false)), bad);
            assert_eq!(live.protects(&found(None, true)), misplaced);
        }
    }
}
