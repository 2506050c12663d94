//! The digests that have been marked lately, in bounded memory.

use crate::digest::{DIGEST_SIZE, Digest};

/// Places in which a digest may be. It bounds the time of a look, also for digests that somebody has chosen to collide.
const WINDOW: usize = 64;

const FIRST_SLOTS: usize = 1 << 12;

/// A set of digests that forgets some when it is full. A digest is its own hash.
///
/// No more than `remembered` of them are certain to be kept. There are twice as many places, so that the window of
/// hardly any digest fills up before.
pub(super) struct Seen {
    /// A power of two of them, or none; zeros are a free one.
    slots: Vec<[u8; DIGEST_SIZE]>,
    used: usize,
    max_slots: usize,
    /// Which place of a full window is given away next.
    victim: usize,
    has_zeros: bool,
}

impl Seen {
    pub(super) fn new(remembered: usize) -> Self {
        let max_slots = if remembered == 0 { 0 } else { remembered.saturating_mul(2).next_power_of_two() };
        Seen { slots: Vec::new(), used: 0, max_slots, victim: 0, has_zeros: false }
    }

    /// Remembers `digest`; true if it was.
    pub(super) fn insert(&mut self, digest: &Digest) -> bool {
        if self.max_slots == 0 {
            return false;
        }
        if digest.0 == [0; DIGEST_SIZE] {
            return std::mem::replace(&mut self.has_zeros, true);
        }
        if self.used >= self.slots.len() / 2 && self.slots.len() < self.max_slots {
            self.grow();
        }
        self.put(digest)
    }

    /// Reads the places of `digests`, so that the reads overlap.
    pub(super) fn prepare(&self, digests: &[Digest]) {
        let Some(mask) = self.slots.len().checked_sub(1) else { return };
        let read = digests.iter().fold(0, |read, digest| read ^ self.slots[start(digest) & mask][0]);
        // It is read for nothing else.
        std::hint::black_box(read);
    }

    /// Whether `digest` is remembered.
    pub(super) fn contains(&self, digest: &Digest) -> bool {
        if digest.0 == [0; DIGEST_SIZE] {
            return self.has_zeros;
        }
        let Some(mask) = self.slots.len().checked_sub(1) else { return false };
        let places = (0..WINDOW.min(mask + 1)).map(|i| &self.slots[start(digest).wrapping_add(i) & mask]);
        places.take_while(|slot| **slot != [0; DIGEST_SIZE]).any(|slot| *slot == digest.0)
    }

    fn put(&mut self, digest: &Digest) -> bool {
        // None, if there is no memory at all.
        let Some(mask) = self.slots.len().checked_sub(1) else { return false };
        let start = start(digest);
        let window = WINDOW.min(mask + 1);
        for i in 0..window {
            let slot = &mut self.slots[start.wrapping_add(i) & mask];
            if *slot == digest.0 {
                return true;
            }
            if *slot == [0; DIGEST_SIZE] {
                *slot = digest.0;
                self.used += 1;
                return false;
            }
        }
        // Overwritten and not freed, so that what lies behind is still found.
        self.victim = (self.victim + 1) % window;
        self.slots[start.wrapping_add(self.victim) & mask] = digest.0;
        false
    }

    /// Doubles the places. Without memory it stays as it is, and forgets earlier.
    fn grow(&mut self) {
        let count = (self.slots.len() * 2).clamp(FIRST_SLOTS.min(self.max_slots), self.max_slots);
        let mut slots = Vec::new();
        if slots.try_reserve_exact(count).is_err() {
            self.max_slots = self.slots.len();
            return;
        }
        slots.resize(count, [0; DIGEST_SIZE]);
        let old = std::mem::replace(&mut self.slots, slots);
        self.used = 0;
        for digest in old.into_iter().filter(|digest| *digest != [0; DIGEST_SIZE]) {
            self.put(&Digest(digest));
        }
    }
}

/// The first place in which `digest` may be, of however many there are.
fn start(digest: &Digest) -> usize {
    usize::from_le_bytes(digest.0[8..8 + size_of::<usize>()].try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha256;

    fn digests(count: u32) -> Vec<Digest> {
        (0..count).map(|i| sha256(&i.to_le_bytes())).collect()
    }

    #[test]
    fn what_fits_is_remembered() {
        let mut seen = Seen::new(100_000);
        let digests = digests(100_000);
        assert!(digests.iter().all(|digest| !seen.contains(digest) && !seen.insert(digest) && seen.contains(digest)));
        seen.prepare(&digests);
        assert!(digests.iter().all(|digest| seen.contains(digest) && seen.insert(digest)));
        assert_eq!(seen.slots.len(), 1 << 18);
    }

    #[test]
    fn memory_is_bounded_and_nothing_is_said_to_be_there_that_is_not() {
        let mut seen = Seen::new(1000);
        let digests = digests(50_000);
        assert!(digests.iter().all(|digest| !seen.insert(digest)));
        assert_eq!(seen.slots.len(), 2048);
        let known = digests[48_000..].iter().filter(|digest| seen.insert(digest)).count();
        assert!(known > 500, "{known}");
    }

    #[test]
    fn zeros_and_collisions() {
        let mut seen = Seen::new(1000);
        assert!(!seen.insert(&Digest([0; 32])));
        assert!(seen.insert(&Digest([0; 32])));
        let collide = |i: u16| {
            let mut bytes = [7; 32];
            bytes[..2].copy_from_slice(&i.to_le_bytes());
            Digest(bytes)
        };
        assert!((0..1000).all(|i| !seen.insert(&collide(i))));
        assert_eq!((0..1000).filter(|&i| seen.insert(&collide(i))).count(), 0, "only the last 64 were there");
        assert!(seen.insert(&collide(999)));
    }

    #[test]
    fn none() {
        let mut seen = Seen::new(0);
        for digest in [Digest([1; 32]), Digest([0; 32])] {
            assert!(!seen.insert(&digest) && !seen.insert(&digest) && !seen.contains(&digest));
        }
        assert_eq!(seen.slots.capacity(), 0);
    }

    #[test]
    fn the_smallest() {
        let mut seen = Seen::new(1);
        assert!(!seen.insert(&Digest([1; 32])));
        assert!(seen.insert(&Digest([1; 32])));
    }
}
