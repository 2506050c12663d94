//! Chunks of zeros, known by their digest.

use std::sync::{Arc, PoisonError, RwLock};

use crate::crypt::CryptKey;
use crate::digest::Digest;
use crate::error::Result;
use crate::hash::Hasher;
use crate::index::{ChunkInfo, RequiredForm};
use crate::limits::blob_len;
use crate::sys::ZEROS;

/// Zeros from one remembered state of the hash to the next: a length in between costs half of that on average, and a
/// state takes about 100 bytes.
const STEP: usize = 4096;

/// The digests of zeros of every length.
///
/// In a dynamic index nearly every chunk has a length of its own. So states of the hash on the way are remembered, up
/// to the greatest length that was asked for, and not digests.
#[derive(Default)]
pub struct Zeros {
    /// The key that encrypted zeros have their names from.
    key: Option<Arc<CryptKey>>,
    /// State `i` has taken `i * STEP` zeros.
    states: RwLock<Vec<Hasher>>,
}

impl Zeros {
    /// Nothing is computed yet. With `key` encrypted zeros are known too.
    pub fn new(key: Option<Arc<CryptKey>>) -> Self {
        Zeros { key, states: RwLock::default() }
    }

    /// Whether `chunk`, of the form that is `required` if there is one, is zeros by its digest.
    pub fn has(&self, chunk: &ChunkInfo, required: Option<RequiredForm>) -> bool {
        let Ok(len) = blob_len(chunk.len()) else { return false };
        let hashed = self.hashed(len);
        let is_plain = || hashed.digest() == chunk.digest;
        let is_encrypted = || self.key.as_ref().is_some_and(|key| key.finish_digest(&hashed) == chunk.digest);
        match required {
            Some(RequiredForm::Plain) => is_plain(),
            Some(RequiredForm::Encrypted) => is_encrypted(),
            None => is_plain() || is_encrypted(),
        }
    }

    /// The name of `len` zeros, which are no more than a blob's: the encrypted ones if there is a key.
    pub fn digest(&self, len: usize) -> Digest {
        let hashed = self.hashed(len);
        self.key.as_ref().map_or_else(|| hashed.digest(), |key| key.finish_digest(&hashed))
    }

    /// The hash of `len` zeros, which are no more than a blob's.
    fn hashed(&self, len: usize) -> Hasher {
        let mut state = self.state(len / STEP);
        state.update(&ZEROS[..len % STEP]);
        state
    }

    fn state(&self, i: usize) -> Hasher {
        if let Some(state) = self.states.read().unwrap_or_else(PoisonError::into_inner).get(i) {
            return state.clone();
        }
        let mut states = self.states.write().unwrap_or_else(PoisonError::into_inner);
        let mut state = match states.len().checked_sub(1) {
            Some(last) => states[last].clone(),
            None => Hasher::new(),
        };
        let mut taken = states.len().saturating_sub(1);
        loop {
            // Without memory nothing is remembered, and the answer is the same.
            if taken == states.len() && states.try_reserve(1).is_ok() {
                states.push(state.clone());
            }
            if taken >= i {
                break;
            }
            state.update(&ZEROS[..STEP]);
            taken += 1;
        }
        // Another thread may have been faster, and further.
        states.get(i).cloned().unwrap_or(state)
    }
}

/// Gives `len` zeros to `write`, in pieces.
pub fn write_zeros(mut len: u64, mut write: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    while len > 0 {
        let part = usize::try_from(len).unwrap_or(usize::MAX).min(ZEROS.len());
        write(&ZEROS[..part])?;
        len -= part as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha256;
    use crate::limits::BLOB_MAX_SIZE;

    #[test]
    fn digests_of_zeros_in_any_order_of_lengths() {
        let zeros = Zeros::new(None);
        for len in [0, 1, 100_000, 4096, 4095, 4097, 8192, 65_536, 5, 0, 131_073, 131_072] {
            assert_eq!(zeros.hashed(len).digest(), sha256(&vec![0; len]), "{len}");
        }
        assert_eq!(zeros.states.read().unwrap().len(), 131_073 / STEP + 1);
    }

    #[test]
    fn what_is_no_chunk_of_zeros() {
        let zeros = Zeros::new(None);
        let chunk = |len: u64, digest| ChunkInfo { start: 7, end: 7 + len, digest };
        assert!(zeros.has(&chunk(100, sha256(&[0; 100])), None));
        assert!(!zeros.has(&chunk(101, sha256(&[0; 100])), None));
        assert!(!zeros.has(&chunk(100, sha256(&[1; 100])), None));
        // Longer than a blob: nothing is hashed, and nothing remembered.
        assert!(!zeros.has(&chunk(BLOB_MAX_SIZE as u64 + 1, sha256(b"")), None));
        assert!(zeros.states.read().unwrap().len() < 3);
    }

    #[test]
    fn zeros_are_written_in_pieces() {
        for len in [0, 1, 65_535, 65_536, 65_537, 200_000] {
            let (mut sum, mut most) = (0, 0);
            write_zeros(len, |piece| {
                assert!(piece.iter().all(|&byte| byte == 0));
                sum += piece.len() as u64;
                most = most.max(piece.len());
                Ok(())
            })
            .unwrap();
            assert_eq!(sum, len);
            assert!(most <= ZEROS.len());
        }
    }
}
