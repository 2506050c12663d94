//! The rolling hash (docs/format.md, 4.3).

use super::WINDOW;
use super::table::TABLE;

/// One byte in, none out: how a window is filled.
#[inline(always)]
pub(super) fn fill(hash: u32, byte_in: u8) -> u32 {
    hash.rotate_left(1) ^ TABLE[usize::from(byte_in)]
}

/// One byte in, the byte 64 places before it out. The leaving byte has been rotated by 64 bits, which is not at all.
#[inline(always)]
pub(super) fn roll(hash: u32, byte_out: u8, byte_in: u8) -> u32 {
    fill(hash, byte_in) ^ TABLE[usize::from(byte_out)]
}

/// The hash of the last 64 bytes of a stream.
///
/// It begins as the hash of 64 zero bytes, which is 0.
#[derive(Debug, Clone)]
pub struct Buzhash {
    hash: u32,
    window: [u8; WINDOW],
    /// Where the oldest byte of the window is.
    oldest: usize,
}

impl Default for Buzhash {
    fn default() -> Self {
        Buzhash { hash: 0, window: [0; WINDOW], oldest: 0 }
    }
}

impl Buzhash {
    /// The hash of 64 zero bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts anew from the first 64 bytes of `data`, or from all of it if it is shorter, by the fill rule.
    pub fn init(&mut self, data: &[u8]) {
        let data = &data[..data.len().min(WINDOW)];
        *self = Self::default();
        self.window[..data.len()].copy_from_slice(data);
        self.oldest = data.len() % WINDOW;
        self.hash = data.iter().fold(0, |hash, &byte| fill(hash, byte));
    }

    /// Rolls over `data`.
    pub fn update(&mut self, data: &[u8]) {
        for &byte in data {
            self.hash = roll(self.hash, self.window[self.oldest], byte);
            self.window[self.oldest] = byte;
            self.oldest = (self.oldest + 1) % WINDOW;
        }
    }

    /// The hash now.
    pub fn sum(&self) -> u32 {
        self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let ramp: Vec<u8> = (0..64).collect();
        let mut hash = Buzhash::new();
        hash.update(&ramp);
        assert_eq!(hash.sum(), 0xdc8b_317b);
        hash.init(&ramp);
        assert_eq!(hash.sum(), 0xdc8b_317b);
        hash.init(b"abc");
        assert_eq!(hash.sum(), 0x055c_ce91);
    }

    #[test]
    fn only_the_last_64_bytes_count() {
        let tail: Vec<u8> = (0..64).map(|i| (i * 89 % 251) as u8).collect();
        let (mut short, mut long) = (Buzhash::new(), Buzhash::new());
        short.update(&tail);
        long.update(b"anything before it, of any length, is forgotten");
        long.update(&tail);
        assert_eq!(short.sum(), long.sum());
    }

    #[test]
    fn equal_bytes_hash_to_zero() {
        for byte in [0, 1, 0xff] {
            let mut hash = Buzhash::new();
            hash.update(&[byte; 64]);
            assert_eq!(hash.sum(), 0);
        }
    }
}
