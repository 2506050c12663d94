//! Randomness of the kernel, and hash tables that it keeps safe.

use std::hash::{BuildHasher, DefaultHasher, Hasher};

use super::retry;
use crate::error::{Error, Kind, Result};

/// Random bytes, at most 256: so many come at once or not at all.
///
/// Errors: `Io`.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    const { assert!(N <= 256) };
    let mut bytes = [0; N];
    // SAFETY: `bytes` is writable for its length.
    let count = retry(|| unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), N, 0) })
        .map_err(|source| Error::os("read", "random bytes", &source))?;
    if usize::try_from(count) != Ok(N) {
        return Err(Error::new(Kind::Io, format!("{count} random bytes came in place of {N}")));
    }
    Ok(bytes)
}

/// The seed of a hash table, so that keys that collide cannot be chosen: digests come from files that anybody may have
/// written.
///
/// The one of std panics where the kernel gives no randomness.
#[derive(Debug, Clone)]
pub struct HashSeed(DefaultHasher);

impl HashSeed {
    /// A new seed.
    ///
    /// Errors: `Io`.
    pub fn new() -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        hasher.write(&random::<32>()?);
        Ok(HashSeed(hasher))
    }
}

impl BuildHasher for HashSeed {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_seed_hashes_in_its_own_way() {
        let (one, other) = (HashSeed::new().unwrap(), HashSeed::new().unwrap());
        let hashes: Vec<_> = (0..100).map(|i: u32| (one.hash_one(i), other.hash_one(i))).collect();
        assert!(hashes.iter().all(|(one, other)| one != other));
        assert!((0..100).all(|i: u32| one.hash_one(i) == hashes[i as usize].0));
        assert_eq!(one.clone().hash_one("x"), one.hash_one("x"));
        assert_ne!(random::<16>().unwrap(), random::<16>().unwrap());
        assert!(random::<0>().unwrap().is_empty());
    }
}
