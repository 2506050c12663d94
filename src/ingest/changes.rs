//! Which parts of an image may differ from an earlier one.

use crate::error::{Error, Kind, Result};

/// What has changed, as the caller says.
#[derive(Debug, Clone)]
pub enum Changes<'a> {
    /// Bit i, from the lowest of the first byte on, is for the `granularity` bytes from i · `granularity` on; a set one
    /// says that they may have changed.
    Bitmap {
        /// The bits.
        bits: &'a [u8],
        /// A power of two.
        granularity: u64,
    },
    /// Offset and length of what may have changed, in any order; they may overlap.
    Ranges(Vec<(u64, u64)>),
}

/// Changes that have been checked, to be asked for ranges in ascending order.
pub(super) enum Checked<'a> {
    Bitmap {
        bits: &'a [u8],
        granularity: u64,
    },
    /// Start and end, ascending, apart; `next` is the first that ends behind what was asked for.
    Ranges {
        ranges: Vec<(u64, u64)>,
        next: usize,
    },
}

impl<'a> Changes<'a> {
    /// Checks that they say something about the first `size` bytes.
    ///
    /// Errors: `Argument` for a granularity that is no power of two, a bitmap that is too short, a range that ends
    /// beyond 2^64.
    pub(super) fn check(self, size: u64) -> Result<Checked<'a>> {
        match self {
            Changes::Bitmap { bits, granularity } => {
                check_bitmap(bits, granularity, size)?;
                Ok(Checked::Bitmap { bits, granularity })
            }
            Changes::Ranges(ranges) => Ok(Checked::Ranges { ranges: sorted(ranges)?, next: 0 }),
        }
    }
}

fn check_bitmap(bits: &[u8], granularity: u64, size: u64) -> Result<()> {
    if !granularity.is_power_of_two() {
        return Err(Error::new(Kind::Argument, format!("a granularity of {granularity} is no power of two")));
    }
    let (have, needed) = (bits.len() as u128 * 8, u128::from(size.div_ceil(granularity)));
    if have < needed {
        let message = format!("a bitmap of {have} bits for {granularity} bytes each says nothing of {size} bytes");
        return Err(Error::new(Kind::Argument, message));
    }
    Ok(())
}

/// The ranges as start and end, sorted, those that touch made one, and empty ones left out.
fn sorted(mut ranges: Vec<(u64, u64)>) -> Result<Vec<(u64, u64)>> {
    ranges.retain(|&(_, len)| len > 0);
    for (offset, len) in &mut ranges {
        let end = offset.checked_add(*len).ok_or_else(|| {
            Error::new(Kind::Argument, format!("{len} bytes at {offset} reach beyond 2^64")).with_offset(*offset)
        })?;
        *len = end;
    }
    ranges.sort_unstable();
    ranges.dedup_by(|next, kept| {
        let touches = next.0 <= kept.1;
        if touches {
            kept.1 = kept.1.max(next.1);
        }
        touches
    });
    Ok(ranges)
}

impl Checked<'_> {
    /// Whether any of the bytes `start` to `end` (exclusive, more than none) may have changed. `start` does not fall
    /// from one call to the next.
    pub(super) fn touch(&mut self, start: u64, end: u64) -> bool {
        match self {
            Checked::Bitmap { bits, granularity } => any_set(bits, start / *granularity, (end - 1) / *granularity),
            Checked::Ranges { ranges, next } => {
                while ranges.get(*next).is_some_and(|&(_, before)| before <= start) {
                    *next += 1;
                }
                ranges.get(*next).is_some_and(|&(from, _)| from < end)
            }
        }
    }
}

/// Whether any of the bits `first` to `last` is set; one that the bitmap does not have is.
fn any_set(bits: &[u8], first: u64, last: u64) -> bool {
    let (Ok(first_byte), Ok(last_byte)) = (usize::try_from(first / 8), usize::try_from(last / 8)) else { return true };
    let Some(bytes) = bits.get(first_byte..=last_byte) else { return true };
    let (from_first, to_last) = (0xff << (first % 8), 0xff >> (7 - last % 8));
    match bytes {
        [] => true,
        [only] => only & from_first & to_last != 0,
        [head, middle @ .., tail] => {
            head & from_first != 0 || tail & to_last != 0 || middle.iter().any(|&byte| byte != 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_of_the_range() {
        for set in 0..40_u64 {
            let mut bits = [0; 5];
            bits[set as usize / 8] |= 1 << (set % 8);
            for first in 0..40 {
                for last in first..40 {
                    assert_eq!(any_set(&bits, first, last), (first..=last).contains(&set), "{set} {first} {last}");
                }
            }
        }
        assert!(any_set(&[0; 5], 39, 40), "a bit that nobody has given");
    }

    #[test]
    fn bitmaps_reach_as_far_as_they_must() {
        for (bytes, granularity, size, fits) in [
            (0, 1, 0, true),
            (0, 1 << 63, 1, false),
            (1, 1 << 63, i64::MAX as u64, true),
            (1, 4, 32, true),
            (1, 4, 33, false),
            (1, 1, 8, true),
            (1, 3, 1, false),
            (1, 0, 1, false),
        ] {
            let bits = vec![0; bytes];
            let result = Changes::Bitmap { bits: &bits, granularity }.check(size);
            assert_eq!(result.err().map(|error| error.kind()), (!fits).then_some(Kind::Argument), "{size}");
        }
    }

    #[test]
    fn ranges_are_sorted_and_merged() {
        let ranges = [(50, 10), (10, 5), (12, 8), (20, 1), (70, 0), (52, 2), (u64::MAX, 0), (10, 5)];
        assert_eq!(sorted(ranges.to_vec()).unwrap(), [(10, 21), (50, 60)]);
        let error = sorted(vec![(0, 1), (u64::MAX, 1)]).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (Kind::Argument, Some(u64::MAX)));
        assert_eq!(sorted(vec![(u64::MAX - 1, 1)]).unwrap(), [(u64::MAX - 1, u64::MAX)]);
    }

    #[test]
    fn ranges_say_what_a_naive_look_says() {
        let ranges = [(50, 10), (10, 5), (12, 8), (33, 1), (95, 100)];
        for step in 1..40 {
            let mut changes = Changes::Ranges(ranges.to_vec()).check(100).unwrap();
            for start in (0..100).step_by(step) {
                let end = (start + step as u64).min(100);
                let expected =
                    (start..end).any(|at| ranges.iter().any(|&(from, len)| (from..from + len).contains(&at)));
                assert_eq!(changes.touch(start, end), expected, "{start} to {end}");
            }
        }
    }
}
