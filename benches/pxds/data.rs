//! Generated input that compresses and repeats somewhat like real files; the same on every machine.

/// A small generator of repeatable noise (xorshift64*).
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Noise(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound
    }
}

/// `len` bytes, in stretches of 16 to 272 KiB that are like text, like tables of records, or random (1 in 8).
pub(crate) fn mixed(len: usize, seed: u64) -> Vec<u8> {
    let mut noise = Noise::new(seed);
    let words: Vec<Vec<u8>> = (0..4096).map(|_| word(&mut noise)).collect();
    let mut data = Vec::with_capacity(len + (1 << 20));
    while data.len() < len {
        let end = data.len() + (16 << 10) + noise.below(256 << 10);
        match noise.below(8) {
            0 => random(&mut data, end, &mut noise),
            1..=4 => text(&mut data, end, &words, &mut noise),
            _ => records(&mut data, end, &mut noise),
        }
    }
    data.truncate(len);
    data
}

pub(crate) fn word(noise: &mut Noise) -> Vec<u8> {
    (0..2 + noise.below(9)).map(|_| b"etaoinshrdlucmfwypvbgkjqxz"[noise.below(26).min(noise.below(26))]).collect()
}

/// Noise behind `data`, up to `end` or a little more.
pub(crate) fn random(data: &mut Vec<u8>, end: usize, noise: &mut Noise) {
    while data.len() < end {
        data.extend_from_slice(&noise.next().to_le_bytes());
    }
}

/// Words behind `data`, up to `end` or a little more.
pub(crate) fn text(data: &mut Vec<u8>, end: usize, words: &[Vec<u8>], noise: &mut Noise) {
    while data.len() < end {
        // Small numbers come often, as common words do.
        let rank = noise.below(words.len()).min(noise.below(words.len())).min(noise.below(words.len()));
        data.extend_from_slice(&words[rank]);
        data.push(if noise.below(12) == 0 { b'\n' } else { b' ' });
    }
}

/// Records of 16 bytes, as in tables, behind `data`, up to `end` or a little more.
pub(crate) fn records(data: &mut Vec<u8>, end: usize, noise: &mut Noise) {
    let mut offset = noise.next() as u32;
    while data.len() < end {
        offset = offset.wrapping_add(8 + noise.below(512) as u32);
        data.extend_from_slice(&offset.to_le_bytes());
        data.extend_from_slice(&(noise.below(300) as u32).to_le_bytes());
        data.extend_from_slice(&[0, 0, (noise.below(4)) as u8, 0x48, 0x8b, noise.below(64) as u8, 0, 0]);
    }
}
