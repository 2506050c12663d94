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
    for (offset, (&byte_out, &byte_in)) in windows.iter().zip(rest).enumerate() {
        hash = roll(hash, byte_out, byte_in);
        if rule.is_cut(hash) {
            return Some(from + 1 + offset);
        }
    }
    None
}
