//! The search for positions where the hash calls for a cut.
//!
//! Whether a position does depends on the 64 bytes up to it alone, and few do, so the search knows nothing of chunks:
//! it gives the first such position of a range. Its three forms give the same answers.

use super::buzhash::{fill, roll};
use super::table::PLANES;
use super::{WINDOW, portable};
use crate::error::{Error, Kind, Result};
use crate::simd::cuts::Vbmi;

/// How positions are searched. All forms find the same cuts; tests and benchmarks choose, [`Scan::best`] else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// One byte at a time, as docs/format.md, 4.4 says it.
    Plain,
    /// Four stretches of the data at a time.
    Portable,
    /// 256 positions at a time, where the processor has AVX-512 VBMI.
    Avx512,
}

impl Scan {
    /// Every form, the slowest first.
    pub const ALL: [Scan; 3] = [Scan::Plain, Scan::Portable, Scan::Avx512];

    /// The fastest that this processor has.
    pub fn best() -> Self {
        if Scan::Avx512.is_available() { Scan::Avx512 } else { Scan::Portable }
    }

    /// Whether this processor has it.
    pub fn is_available(self) -> bool {
        self != Scan::Avx512 || Vbmi::detect().is_some()
    }
}

/// When a hash calls for a cut (docs/format.md, 4.2).
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    mask: u32,
    threshold: u32,
    /// Bits that are set in every hash that calls for a cut: the ones that the threshold begins with below the mask.
    /// Of the hashes that have them all, at least half do call for one.
    wanted: u32,
}

impl Rule {
    pub(super) fn new(mask: u32, threshold: u32) -> Self {
        let below_the_first_zero = u32::MAX.checked_shr((mask & !threshold).leading_zeros()).unwrap_or(0);
        Rule { mask, threshold, wanted: mask & !below_the_first_zero }
    }

    pub(super) fn wanted(self) -> u32 {
        self.wanted
    }

    /// Whether cuts are called for within less than a block of the portable form, on average.
    fn is_dense(self) -> bool {
        let of_each = u64::from(self.mask) + 1;
        let cuts = u64::from(self.mask - self.threshold) + 1;
        of_each < cuts * portable::BLOCK as u64
    }

    #[inline(always)]
    pub(super) fn is_cut(self, hash: u32) -> bool {
        hash & self.mask >= self.threshold
    }
}

/// A form that this processor has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Finder {
    Plain,
    Portable,
    Avx512(Vbmi),
}

impl Finder {
    /// Errors: `Unsupported`.
    pub(super) fn new(scan: Scan) -> Result<Self> {
        match scan {
            Scan::Plain => Ok(Finder::Plain),
            Scan::Portable => Ok(Finder::Portable),
            Scan::Avx512 => Vbmi::detect()
                .map(Finder::Avx512)
                .ok_or_else(|| Error::new(Kind::Unsupported, "this processor has no AVX-512 VBMI")),
        }
    }

    /// The first position of `data` from `from` on that calls for a cut; `from` is at least 63 and inside.
    pub(super) fn first(self, data: &[u8], from: usize, rule: Rule) -> Option<usize> {
        match self {
            Finder::Plain => plain(data, from, rule),
            // The rest of a block behind a cut would be hashed for nothing, chunk after chunk.
            Finder::Portable if rule.is_dense() => plain(data, from, rule),
            Finder::Portable => portable::first(data, from, rule),
            Finder::Avx512(vbmi) => {
                let start = from - (WINDOW - 1);
                vbmi.find(&PLANES, &data[start..], rule.wanted, |range| {
                    let (begin, end) = (from.max(start + range.start), start + range.end);
                    if begin < end { plain(&data[..end], begin, rule) } else { None }
                })
            }
        }
    }
}

/// [`Finder::first`], one byte at a time.
pub(super) fn plain(data: &[u8], from: usize, rule: Rule) -> Option<usize> {
    let windows = &data[from - (WINDOW - 1)..];
    let (first, rest) = windows.split_at(WINDOW);
    let mut hash = first.iter().fold(0, |hash, &byte| fill(hash, byte));
    if rule.is_cut(hash) {
        return Some(from);
    }
    let found = windows.iter().zip(rest).position(|(&byte_out, &byte_in)| {
        hash = roll(hash, byte_out, byte_in);
        rule.is_cut(hash)
    });
    found.map(|offset| from + 1 + offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finders() -> impl Iterator<Item = Finder> {
        Scan::ALL.into_iter().filter_map(|scan| Finder::new(scan).ok())
    }

    /// The hash of 64 bytes by its closed form (docs/format.md, 4.3).
    fn hash(window: &[u8]) -> u32 {
        (0..WINDOW as u32).fold(0, |hash, j| hash ^ fill(0, window[63 - j as usize]).rotate_left(j % 32))
    }

    #[test]
    fn wanted_bits_are_in_every_hash_that_cuts_and_few_others() {
        for (mask, threshold, wanted) in [
            (0x7f_ffff, 0x7f_fffd, 0x7f_fffc),
            (0xff, 0xff, 0xff),
            (0xff, 0xef, 0xe0),
            (0xff, 0x7f, 0),
            (0xff, 0, 0),
            (0, 0, 0),
            (u32::MAX, u32::MAX, u32::MAX),
            (u32::MAX, 0x7fff_ffff, 0),
            (u32::MAX, 0xffff_fffe, 0xffff_fffe),
        ] {
            assert_eq!(Rule::new(mask, threshold).wanted(), wanted, "{mask:#x} {threshold:#x}");
        }
        for mask in [0, 1, 3, 0xff] {
            for threshold in 0..=mask {
                let rule = Rule::new(mask, threshold);
                let all = || 0..=mask;
                let wanted = all().filter(|hash| hash & rule.wanted() == rule.wanted()).count();
                let cuts = all().filter(|&hash| rule.is_cut(hash));
                assert!(cuts.clone().all(|hash| hash & rule.wanted() == rule.wanted()), "{mask:#x} {threshold:#x}");
                assert!(2 * cuts.count() >= wanted, "{mask:#x} {threshold:#x}");
            }
        }
    }

    /// Every byte value comes, and hashes that call for a cut lie at every place of a block of every form.
    #[test]
    fn each_position_is_found_from_anywhere_before_it() {
        let mut x = 1_u32;
        let step = || {
            x = x.wrapping_mul(1_103_515_245).wrapping_add(12345);
            (x >> 16) as u8
        };
        let data: Vec<u8> = std::iter::repeat_with(step).take(9000).collect();
        for (mask, threshold) in [(0xfff, 0xffd), (0x1fff, 0x1f00), (u32::MAX, 0xff00_0000), (0, 0)] {
            let rule = Rule::new(mask, threshold);
            let cuts: Vec<_> = (63..data.len()).filter(|&i| hash(&data[i - 63..=i]) & mask >= threshold).collect();
            assert!(!cuts.is_empty());
            for from in (63..data.len()).step_by(37).chain(cuts.iter().copied().take(50)) {
                let expected = cuts[cuts.partition_point(|&cut| cut < from)..].first().copied();
                assert_eq!(portable::first(&data, from, rule), expected, "{mask:#x} from {from}");
                for finder in finders() {
                    assert_eq!(finder.first(&data, from, rule), expected, "{mask:#x} from {from}, {finder:?}");
                    let Some(cut) = expected else { continue };
                    assert_eq!(finder.first(&data[..=cut], from, rule), expected, "{mask:#x} from {from}, {finder:?}");
                    if from < cut {
                        assert_eq!(finder.first(&data[..cut], from, rule), None, "{mask:#x} from {from}, {finder:?}");
                    }
                }
            }
        }
    }
}
