//! Where chunks end: content-defined cuts by a rolling hash, and cuts at fixed distances.
//!
//! Knows nothing of files. The rules are docs/format.md, 4.2 to 4.5 and 4.8; the cuts are a property of the data
//! since the last cut alone, however it is split into buffers.

mod buzhash;
mod portable;
mod scan;
mod table;

pub use buzhash::Buzhash;
use buzhash::{fill, roll};
pub use scan::Scan;
use scan::{Finder, Rule};

use crate::error::{Error, Kind, Result};
use crate::limits::CHUNKER_MAX_AVG;

/// Bytes that the hash looks at.
pub const WINDOW: usize = 64;

/// Average chunk size unless told otherwise, in bytes.
pub const DEFAULT_AVG: u64 = 4 << 20;

/// Parameters of content-defined chunking. Sizes are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// The average size of chunks of random data.
    pub avg: u64,
    /// No chunk but the last is smaller.
    pub min: u64,
    /// No chunk is larger.
    pub max: u64,
    /// Bits of the hash that are looked at: 2^k − 1.
    pub mask: u32,
    /// A chunk ends where the masked hash is at least this.
    pub threshold: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config { avg: DEFAULT_AVG, min: DEFAULT_AVG / 4, max: DEFAULT_AVG * 4, mask: 0x7f_ffff, threshold: 0x7f_fffd }
    }
}

impl Config {
    /// The parameters that PBS uses for the average size `avg`: a power of two from 2 to 2^31.
    ///
    /// Errors: `Argument`.
    pub fn from_avg(avg: u64) -> Result<Self> {
        if !avg.is_power_of_two() || !(2..=CHUNKER_MAX_AVG).contains(&avg) {
            return Err(Error::new(
                Kind::Argument,
                format!("an average chunk size of {avg} is no power of two from 2 to {CHUNKER_MAX_AVG}"),
            ));
        }
        let mask = u32::try_from(2 * avg - 1)
            .map_err(|_| Error::new(Kind::Internal, format!("no mask for an average of {avg}")))?;
        Ok(Config { avg, min: avg / 4, max: avg * 4, mask, threshold: mask - 2 })
    }

    /// Checks that min ≤ avg ≤ max, that the mask is 2^k − 1 and that the threshold can be reached.
    ///
    /// Errors: `Argument`.
    pub fn check(&self) -> Result<()> {
        let Config { avg, min, max, mask, threshold } = *self;
        let wrong = |what: String| Err(Error::new(Kind::Argument, format!("chunker configuration: {what}")));
        if avg == 0 || min > avg || avg > max {
            return wrong(format!("min {min}, avg {avg}, max {max} are not in this order"));
        }
        if mask & mask.wrapping_add(1) != 0 {
            return wrong(format!("the mask {mask:#x} is not 2^k - 1"));
        }
        if threshold > mask {
            return wrong(format!("the threshold {threshold:#x} is above the mask {mask:#x}"));
        }
        Ok(())
    }
}

/// Finds the ends of content-defined chunks.
#[derive(Debug, Clone)]
pub struct DynamicChunker {
    config: Config,
    rule: Rule,
    finder: Finder,
    /// The first size at which a chunk may end. The hash needs 64 bytes, and the 64th is never tested.
    first_test: u64,
    /// The size at which a chunk ends whatever its bytes.
    forced: u64,
    /// Bytes of the current chunk so far.
    size: u64,
    hash: u32,
    /// The last bytes of the chunk, the byte of position p at p mod 64; filled from `first_test` − 64 on.
    window: [u8; WINDOW],
}

impl DynamicChunker {
    /// A chunker at the start of a stream.
    ///
    /// Errors: `Argument` from [`Config::check`].
    pub fn new(config: &Config) -> Result<Self> {
        Self::with_scan(config, Scan::best())
    }

    /// [`DynamicChunker::new`], with a form of search that is not chosen by the processor. The cuts are the same.
    ///
    /// Errors: `Argument` from [`Config::check`]; `Unsupported` if this processor does not have it.
    pub fn with_scan(config: &Config, scan: Scan) -> Result<Self> {
        config.check()?;
        let past_window = WINDOW as u64 + 1;
        Ok(DynamicChunker {
            config: *config,
            rule: Rule::new(config.mask, config.threshold),
            finder: Finder::new(scan)?,
            first_test: config.min.max(past_window),
            forced: config.max.max(past_window),
            size: 0,
            hash: 0,
            window: [0; WINDOW],
        })
    }

    /// The parameters.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Forgets the current chunk, as after a cut.
    pub fn reset(&mut self) {
        self.size = 0;
        self.hash = 0;
    }

    /// Takes the next bytes of the stream up to the end of the current chunk.
    ///
    /// `Some(n)`: a chunk ends after the first `n` bytes, `n` ≥ 1; call again with what follows them.
    /// `None`: no chunk ends in `data`; call again with what comes next.
    pub fn scan(&mut self, data: &[u8]) -> Option<usize> {
        let cut = self.find_cut(data);
        if cut.is_some() {
            self.reset();
        }
        cut
    }

    fn find_cut(&mut self, data: &[u8]) -> Option<usize> {
        let mut at = self.skip(data.len());
        // Less than 64 bytes behind `at`.
        let first = at + self.first_test.saturating_sub(self.size + 1) as usize;
        if first < WINDOW - 1 || first >= data.len() {
            let end = if first < data.len() { data.len().min(WINDOW - 1) } else { data.len() };
            while at < end {
                if self.step(data[at]) {
                    return Some(at + 1);
                }
                at += 1;
            }
        }
        if at < data.len() { self.search(data, at, first.max(WINDOW - 1)) } else { None }
    }

    /// Passes over the start of the chunk, which cannot reach the first hash that is tested.
    fn skip(&mut self, len: usize) -> usize {
        let unseen = (self.first_test - WINDOW as u64).saturating_sub(self.size);
        let skipped = usize::try_from(unseen).unwrap_or(usize::MAX).min(len);
        self.size += skipped as u64;
        skipped
    }

    /// One byte by way of the window, as where the window began in an earlier buffer. True if the chunk ends.
    fn step(&mut self, byte: u8) -> bool {
        let slot = &mut self.window[(self.size % WINDOW as u64) as usize];
        let filling = self.size < self.first_test;
        self.hash = if filling { fill(self.hash, byte) } else { roll(self.hash, *slot, byte) };
        *slot = byte;
        self.size += 1;
        self.size >= self.first_test && (self.size >= self.forced || self.rule.is_cut(self.hash))
    }

    /// Takes what is left of `data` from `at` on; tests from `first` on, where all of the window is in `data`.
    fn search(&mut self, data: &[u8], at: usize, first: usize) -> Option<usize> {
        let room = usize::try_from(self.forced - self.size).unwrap_or(usize::MAX);
        let end = data.len().min(at.saturating_add(room));
        if let Some(found) = self.finder.first(&data[..end], first, self.rule) {
            return Some(found + 1);
        }
        self.size += (end - at) as u64;
        if self.size >= self.forced {
            return Some(end);
        }
        let window = &data[end - WINDOW..end];
        self.hash = window.iter().fold(0, |hash, &byte| fill(hash, byte));
        for (position, &byte) in (self.size - WINDOW as u64..).zip(window) {
            self.window[(position % WINDOW as u64) as usize] = byte;
        }
        None
    }
}

/// Ends a chunk at every multiple of a size.
#[derive(Debug, Clone)]
pub struct FixedChunker {
    chunk_size: u64,
    size: u64,
}

impl FixedChunker {
    /// A chunker at the start of a stream; `chunk_size` is a power of two.
    ///
    /// Errors: `Argument`.
    pub fn new(chunk_size: u64) -> Result<Self> {
        if !chunk_size.is_power_of_two() {
            return Err(Error::new(Kind::Argument, format!("a chunk size of {chunk_size} is no power of two")));
        }
        Ok(FixedChunker { chunk_size, size: 0 })
    }

    /// Forgets the current chunk.
    pub fn reset(&mut self) {
        self.size = 0;
    }

    /// As [`DynamicChunker::scan`], for the next `len` bytes.
    pub fn scan(&mut self, len: usize) -> Option<usize> {
        match usize::try_from(self.chunk_size - self.size) {
            Ok(rest) if rest <= len => {
                self.size = 0;
                Some(rest)
            }
            _ => {
                self.size += len as u64;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// docs/format.md, 4.4, as it is written there: one byte at a time, nothing skipped.
    fn specification(data: &[u8], config: &Config) -> Vec<usize> {
        let (mut cuts, mut start, mut hash) = (Vec::new(), 0, 0);
        for (at, &byte) in data.iter().enumerate() {
            let size = at - start;
            if size < WINDOW {
                hash = fill(hash, byte);
                continue;
            }
            hash = roll(hash, data[at - WINDOW], byte);
            let size = size as u64 + 1;
            if size >= config.max || (size >= config.min && hash & config.mask >= config.threshold) {
                (start, hash) = (at + 1, 0);
                cuts.push(start);
            }
        }
        cuts
    }

    fn cuts<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, config: &Config, scan: Scan) -> Vec<usize> {
        let mut chunker = DynamicChunker::with_scan(config, scan).unwrap();
        let (mut cuts, mut base) = (Vec::new(), 0);
        for mut piece in pieces {
            while let Some(cut) = chunker.scan(piece) {
                base += cut;
                cuts.push(base);
                piece = &piece[cut..];
            }
            base += piece.len();
        }
        cuts
    }

    fn noise(len: usize, seed: u32) -> Vec<u8> {
        let mut x = seed;
        let step = || {
            x = x.wrapping_mul(1_103_515_245).wrapping_add(12345);
            (x >> 16) as u8
        };
        std::iter::repeat_with(step).take(len).collect()
    }

    /// The forms that this processor has.
    fn forms() -> impl Iterator<Item = Scan> {
        Scan::ALL.into_iter().filter(|scan| scan.is_available())
    }

    fn each<T: Copy, U, I: Iterator<Item = U>>(
        outer: impl IntoIterator<Item = T>,
        inner: impl Fn() -> I,
    ) -> impl Iterator<Item = (T, U)> {
        outer.into_iter().flat_map(move |first| inner().map(move |second| (first, second)))
    }

    #[test]
    fn known_cuts() {
        let data = noise(65536, 1);
        let known =
            [1670, 5716, 7382, 8457, 16517, 22010, 30399, 34509, 36228, 46181, 47416, 52886, 54228, 62724, 65125];
        for scan in forms() {
            assert_eq!(cuts([&data[..]], &Config::from_avg(4096).unwrap(), scan), known, "{scan:?}");
        }
    }

    #[test]
    fn equals_the_specification_for_small_averages_and_any_split() {
        let mut data = noise(20_000, 7);
        data[3000..9000].fill(0);
        for shift in 1..13 {
            let config = Config::from_avg(1 << shift).unwrap();
            let expected = specification(&data, &config);
            for (piece, scan) in each([1, 2, 63, 64, 65, 127, 128, 129, 1000, 20_000], forms) {
                let found = cuts(data.chunks(piece), &config, scan);
                assert_eq!(found, expected, "avg {} in pieces of {piece}, {scan:?}", config.avg);
            }
        }
    }

    #[test]
    fn equals_the_specification_for_odd_parameters() {
        let data = noise(30_000, 3);
        for (min, avg, max) in [(0, 1, 1), (1, 1, 64), (64, 64, 65), (65, 100, 129), (66, 66, 66), (300, 1000, 1001)] {
            for (mask, threshold) in [(0, 0), (0xff, 0xfd), (0xff, 0), (u32::MAX, u32::MAX)] {
                let config = Config { avg, min, max, mask, threshold };
                let expected = specification(&data, &config);
                for (piece, scan) in each([1, 77, 30_000], forms) {
                    let found = cuts(data.chunks(piece), &config, scan);
                    assert_eq!(found, expected, "{config:?} in pieces of {piece}, {scan:?}");
                }
            }
        }
    }

    /// Repeatable numbers (xorshift64*).
    struct Rng(u64);

    impl Rng {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % bound
        }

        /// Small as often as large: below a power of two, from 2 to 2^`most`.
        fn of_any_scale(&mut self, most: u64) -> u64 {
            let bits = 1 + self.below(most);
            self.below(1 << bits)
        }

        /// A valid configuration: one of PBS's, or any, with hashes that call for a cut often or seldom.
        fn config(&mut self) -> Config {
            if self.below(3) == 0 {
                return Config::from_avg(2 << self.below(14)).unwrap();
            }
            let mut sizes = [0; 3].map(|_| self.of_any_scale(15));
            sizes.sort_unstable();
            let [min, avg, max] = sizes;
            let mask = u32::MAX.checked_shr(32 - self.below(17) as u32).unwrap_or(0);
            let mask = if self.below(10) == 0 { u32::MAX } else { mask };
            let below = self.of_any_scale(17) as u32;
            Config { avg: avg.max(1), min, max: max.max(1), mask, threshold: mask.saturating_sub(below) }
        }

        fn pieces<'a>(&mut self, mut data: &'a [u8]) -> Vec<&'a [u8]> {
            let most = 1 + self.of_any_scale(17);
            let mut pieces = Vec::new();
            while !data.is_empty() {
                let (piece, rest) = data.split_at(data.len().min(self.below(most + 1) as usize));
                pieces.push(piece);
                data = rest;
            }
            pieces
        }
    }

    #[test]
    fn all_forms_equal_the_specification() {
        let mut data = noise(100_000, 5);
        // Data behind a run is cut as behind the start of a chunk, and a pattern repeats its hashes.
        data[20_000..30_000].fill(7);
        data.copy_within(10_000..10_700, 40_000);
        let pattern: Vec<u8> = data[..96].iter().copied().cycle().take(5000).collect();
        data[60_000..65_000].copy_from_slice(&pattern);
        let mut rng = Rng(11);
        let (mut cases, mut found) = (0, 0);
        while cases < 4000 {
            let config = rng.config();
            let from = rng.below(90_000) as usize;
            let len = rng.of_any_scale(16) as usize;
            let data = &data[from..data.len().min(from + len)];
            let expected = specification(data, &config);
            let pieces = rng.pieces(data);
            for scan in forms() {
                let whole = cuts([data], &config, scan);
                assert_eq!(whole, expected, "{config:?}, {} bytes from {from}, {scan:?}", data.len());
                let split = cuts(pieces.iter().copied(), &config, scan);
                assert_eq!(split, expected, "{config:?}, {} bytes from {from}, split, {scan:?}", data.len());
            }
            cases += 1;
            found += expected.len();
        }
        assert!(found > 100_000, "{found} cuts make a poor test");
    }

    #[test]
    fn a_form_that_the_processor_lacks_is_refused() {
        for scan in Scan::ALL {
            let made = DynamicChunker::with_scan(&Config::default(), scan);
            match scan.is_available() {
                true => assert!(made.is_ok(), "{scan:?}"),
                false => assert_eq!(made.unwrap_err().kind(), Kind::Unsupported, "{scan:?}"),
            }
        }
    }

    /// The kernel's word on the processor, and not that of the library's own check.
    #[test]
    fn the_vector_form_is_chosen_where_the_processor_has_it() {
        let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let flags: Vec<_> = flags.split_whitespace().collect();
        // Emulated, another processor's program reads here of the processor below.
        let has_it = cfg!(target_arch = "x86_64")
            && ["avx512f", "avx512bw", "avx512vbmi"].iter().all(|flag| flags.contains(flag));
        assert_eq!(Scan::best(), if has_it { Scan::Avx512 } else { Scan::Portable });
    }

    #[test]
    fn configurations_are_checked() {
        for avg in [0, 1, 3, 4095, 1 << 32, u64::MAX] {
            assert_eq!(Config::from_avg(avg).unwrap_err().kind(), Kind::Argument);
        }
        assert_eq!(Config::from_avg(1 << 31).unwrap().mask, u32::MAX);
        assert_eq!(Config::from_avg(DEFAULT_AVG).unwrap(), Config::default());
        let good = Config::default();
        for bad in [
            Config { avg: 0, min: 0, ..good },
            Config { min: good.avg + 1, ..good },
            Config { max: good.avg - 1, ..good },
            Config { mask: 6, threshold: 1, ..good },
            Config { mask: 7, threshold: 8, ..good },
        ] {
            assert_eq!(DynamicChunker::new(&bad).unwrap_err().kind(), Kind::Argument, "{bad:?}");
        }
    }

    #[test]
    fn fixed_cuts() {
        let mut chunker = FixedChunker::new(8).unwrap();
        assert_eq!(chunker.scan(3), None);
        assert_eq!(chunker.scan(5), Some(5));
        assert_eq!(chunker.scan(20), Some(8));
        assert_eq!(chunker.scan(0), None);
        for bad in [0, 3, 12] {
            assert_eq!(FixedChunker::new(bad).unwrap_err().kind(), Kind::Argument);
        }
        assert_eq!(FixedChunker::new(1 << 63).unwrap().scan(usize::MAX), Some(1 << 63));
    }
}
