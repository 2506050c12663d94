//! The rolling hash at 256 positions at once, with AVX-512 VBMI.
//!
//! A block of 256 bytes is taken as 16 groups of 16, group l in lane l of a vector of 32-bit lanes, so that 16 vectors
//! hold the block: lane l of vector v is position 16 l + v. Time runs along the vectors, and a window of 64 bytes is
//! four groups. With T the table, and everything indexed by lane and vector:
//!
//! - d(l, v) = rotl(d(l, v−1), 1) xor T(l, v) xor T(l−4, v) is the roll (docs/format.md, 4.3) as if the hash had been
//!   0 where group l began;
//! - the hash where group l really began is c(l) = d(l−1, 15) xor rotl(c(l−1), 16): a prefix over 16 lanes, done once
//!   for the block by shifts of 1, 2, 4 and 8 lanes;
//! - the hash is d(l, v) xor rotl(c(l), v+1).
//!
//! The table is looked up 64 bytes at a time, each byte of its entries for itself: two permutes of 128 entries and the
//! choice between them by the top bit.

use std::ops::Range;

/// The four bytes of the table's entries, each in a table of its own of four vectors.
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "no vector form there"))]
pub(crate) struct Planes([[[u8; 64]; 4]; 4]);

impl Planes {
    pub(crate) const fn new(table: &[u32; 256]) -> Self {
        let mut planes = [[[0; 64]; 4]; 4];
        let mut i = 0;
        while i < 1024 {
            planes[i / 256][i % 256 / 64][i % 64] = table[i % 256].to_le_bytes()[i / 256];
            i += 1;
        }
        Planes(planes)
    }
}

/// Proof that this processor has AVX-512 VBMI.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vbmi(Proof);

#[cfg(target_arch = "x86_64")]
type Proof = ();
#[cfg(not(target_arch = "x86_64"))]
type Proof = std::convert::Infallible;

impl Vbmi {
    pub(crate) fn detect() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vbmi")
        {
            return Some(Vbmi(()));
        }
        None
    }

    /// Rolls over `data`, from a hash of 0 on and with nothing to leave for the first 64 bytes, and calls `check` with
    /// ranges, ascending and disjoint, that hold every position whose hash has all bits of `wanted` set; until it
    /// answers.
    #[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables, reason = "no vector form there"))]
    pub(crate) fn find(
        self,
        planes: &Planes,
        data: &[u8],
        wanted: u32,
        check: impl FnMut(Range<usize>) -> Option<usize>,
    ) -> Option<usize> {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a value of this type is made only where the features are there.
        return unsafe { x86::find(planes, data, wanted, check) };
        #[cfg(not(target_arch = "x86_64"))]
        match self.0 {}
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::hint::black_box;
    use std::ops::Range;

    use super::Planes;

    const GROUP: usize = 16;
    const BLOCK: usize = 256;

    /// The values that a block needs from those before it.
    struct State {
        /// The table's values, of which the last four lanes are yet to leave.
        entered: [__m512i; 16],
        /// The hash at the end of each group.
        ends: __m512i,
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    pub(super) fn find(
        planes: &Planes,
        data: &[u8],
        wanted: u32,
        mut check: impl FnMut(Range<usize>) -> Option<usize>,
    ) -> Option<usize> {
        let tables = planes.0.each_ref().map(|plane| plane.each_ref().map(|part| load(part)));
        let wanted = _mm512_set1_epi32(wanted.cast_signed());
        let mut first = State { entered: [_mm512_setzero_si512(); 16], ends: _mm512_setzero_si512() };
        // Kept in memory: as variables of the loop the vectors would be copied around it, the registers all being
        // taken.
        let state = black_box(&mut first);
        let (blocks, rest) = data.as_chunks::<BLOCK>();
        let mut start = 0;
        let mut last = [0; BLOCK];
        last[..rest.len()].copy_from_slice(rest);
        for block in blocks.iter().chain((!rest.is_empty()).then_some(&last)) {
            let mut groups = roll(&tables, block, state, wanted);
            while groups != 0 {
                let at = start + groups.trailing_zeros() as usize * GROUP;
                if at < data.len() {
                    let found = check(at..data.len().min(at + GROUP));
                    if found.is_some() {
                        return found;
                    }
                }
                groups &= groups - 1;
            }
            start += BLOCK;
        }
        None
    }

    /// The groups with a hash that has all bits of `wanted` set.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    fn roll(tables: &[[__m512i; 4]; 4], block: &[u8; BLOCK], state: &mut State, wanted: __m512i) -> u16 {
        let mut chains = [_mm512_setzero_si512(); 16];
        let mut chain = _mm512_setzero_si512();
        for (quarter, bytes) in transpose(block).into_iter().enumerate() {
            for (i, entering) in look_up(tables, bytes).into_iter().enumerate() {
                let v = 4 * quarter + i;
                let leaving = _mm512_alignr_epi32::<12>(entering, state.entered[v]);
                state.entered[v] = entering;
                chain = _mm512_ternarylogic_epi32::<XOR>(_mm512_rol_epi32::<1>(chain), entering, leaving);
                chains[v] = chain;
            }
        }
        let mut begin = begins(chain, &mut state.ends);
        let mut least = _mm512_set1_epi32(-1);
        for chain in chains {
            begin = _mm512_rol_epi32::<1>(begin);
            // 0 where no wanted bit is missing.
            let missing = _mm512_ternarylogic_epi32::<EQUAL_AND>(chain, begin, wanted);
            least = _mm512_min_epu32(least, missing);
        }
        _mm512_testn_epi32_mask(least, least)
    }

    /// a xor b xor c.
    const XOR: i32 = 0x96;
    /// not (a xor b) and c.
    const EQUAL_AND: i32 = 0x82;

    /// The hash where each group begins, from what the groups' own bytes make of it, and where the groups before ended.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    fn begins(own: __m512i, ends: &mut __m512i) -> __m512i {
        let zero = _mm512_setzero_si512();
        let mut sums = own;
        sums = _mm512_xor_si512(sums, _mm512_rol_epi32::<16>(_mm512_alignr_epi32::<15>(sums, zero)));
        sums = _mm512_xor_si512(sums, _mm512_alignr_epi32::<14>(sums, zero));
        sums = _mm512_xor_si512(sums, _mm512_alignr_epi32::<12>(sums, zero));
        sums = _mm512_xor_si512(sums, _mm512_alignr_epi32::<8>(sums, zero));
        // Rotated by 16 for each group it has passed.
        let carried = _mm512_permutexvar_epi32(_mm512_set1_epi32(15), *ends);
        let carried = _mm512_rolv_epi32(carried, _mm512_set1_epi64(16));
        let now = _mm512_xor_si512(sums, carried);
        let begins = _mm512_alignr_epi32::<15>(now, *ends);
        *ends = now;
        begins
    }

    /// Four vectors: byte 16 t + 4 q + j of vector m is byte 16 (4 t + j) + 4 m + q of the block.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    fn transpose(block: &[u8; BLOCK]) -> [__m512i; 4] {
        const ORDER: [u8; 64] = {
            let mut order = [0; 64];
            let mut i = 0;
            while i < 64 {
                order[i] = (i % 4 * 16 + i / 4) as u8;
                i += 1;
            }
            order
        };
        let order = load(&ORDER);
        let (parts, _) = block.as_chunks::<64>();
        let [a, b, c, d] = [0, 1, 2, 3].map(|t| _mm512_permutexvar_epi8(order, load(&parts[t])));
        let (ab_low, ab_high) = (_mm512_shuffle_i32x4::<0x44>(a, b), _mm512_shuffle_i32x4::<0xee>(a, b));
        let (cd_low, cd_high) = (_mm512_shuffle_i32x4::<0x44>(c, d), _mm512_shuffle_i32x4::<0xee>(c, d));
        [
            _mm512_shuffle_i32x4::<0x88>(ab_low, cd_low),
            _mm512_shuffle_i32x4::<0xdd>(ab_low, cd_low),
            _mm512_shuffle_i32x4::<0x88>(ab_high, cd_high),
            _mm512_shuffle_i32x4::<0xdd>(ab_high, cd_high),
        ]
    }

    /// The table's values of 64 bytes: lane 4 t + j of vector q for byte 16 t + 4 q + j.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    fn look_up(tables: &[[__m512i; 4]; 4], bytes: __m512i) -> [__m512i; 4] {
        let upper = _mm512_movepi8_mask(bytes);
        let [b0, b1, b2, b3] = tables.each_ref().map(|table| {
            let low = _mm512_permutex2var_epi8(table[0], bytes, table[1]);
            let high = _mm512_permutex2var_epi8(table[2], bytes, table[3]);
            _mm512_mask_blend_epi8(upper, low, high)
        });
        let (low_01, high_01) = (_mm512_unpacklo_epi8(b0, b1), _mm512_unpackhi_epi8(b0, b1));
        let (low_23, high_23) = (_mm512_unpacklo_epi8(b2, b3), _mm512_unpackhi_epi8(b2, b3));
        [
            _mm512_unpacklo_epi16(low_01, low_23),
            _mm512_unpackhi_epi16(low_01, low_23),
            _mm512_unpacklo_epi16(high_01, high_23),
            _mm512_unpackhi_epi16(high_01, high_23),
        ]
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    fn load(bytes: &[u8; 64]) -> __m512i {
        // SAFETY: the array has the 64 bytes, and no alignment is asked for.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    }
}
