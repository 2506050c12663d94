//! SHA-256 of up to four messages at a time, in one thread, with the processor's SHA instructions.
//!
//! `sha256rnds2` does two of the 64 rounds of a block, and needs the result of the one before: a single message waits
//! four cycles for each (Zen 4), while the processor could begin others. Interleaved, the blocks of other messages do.

/// Bytes that are hashed at a time.
pub type Block = [u8; 64];

/// The hash of the blocks so far: the eight words `a` to `h`.
pub type State = [u32; 8];

/// Two hash twice as much as one, four a little more, though their registers do not suffice; more gain nothing.
pub const LANES: usize = 4;

/// Shows that the processor has the instructions.
#[derive(Debug, Clone, Copy)]
pub struct ShaNi(Proof);

#[cfg(target_arch = "x86_64")]
type Proof = ();
#[cfg(not(target_arch = "x86_64"))]
type Proof = std::convert::Infallible;

impl ShaNi {
    /// Asks the processor.
    pub fn detect() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if x86::detect() {
            return Some(ShaNi(()));
        }
        None
    }

    /// Appends blocks to the states of the first lanes, those before the first that has none: as many to each as the
    /// shortest of them has. Gives that number. With less than two lanes it does nothing: others are as fast at that.
    pub fn compress(self, states: &mut [State; LANES], blocks: [&[Block]; LANES]) -> usize {
        #[cfg(target_arch = "x86_64")]
        {
            let ShaNi(()) = self;
            // SAFETY: only `detect` makes a `ShaNi`, when it has found the instructions.
            unsafe { x86::compress(states, blocks) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = (states, blocks);
            match self.0 {}
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Block, LANES, State};

    /// The round constants.
    #[rustfmt::skip]
    static K: [[[u32; 4]; 4]; 4] = [
        [[0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5], [0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5],
         [0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3], [0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174]],
        [[0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc], [0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da],
         [0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7], [0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967]],
        [[0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13], [0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85],
         [0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3], [0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070]],
        [[0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5], [0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3],
         [0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208], [0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2]],
    ];

    pub(super) fn detect() -> bool {
        is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1") && is_x86_feature_detected!("ssse3")
    }

    /// A message on its way: its state in the order that the instructions want, and the last 16 words of the schedule.
    #[derive(Clone, Copy)]
    struct Lane {
        abef: __m128i,
        cdgh: __m128i,
        words: [__m128i; 4],
    }

    #[target_feature(enable = "sha,sse4.1,ssse3")]
    pub(super) fn compress(states: &mut [State; LANES], blocks: [&[Block]; LANES]) -> usize {
        match blocks {
            [[], ..] | [_, [], ..] => 0,
            [a, b, [], _] => compress_lanes(states, [a, b]),
            [a, b, c, []] => compress_lanes(states, [a, b, c]),
            _ => compress_lanes(states, blocks),
        }
    }

    // Inlined into one function, two lanes lose 7 %: registers are then allocated worse.
    #[inline(never)]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn compress_lanes<const N: usize>(states: &mut [State; LANES], blocks: [&[Block]; N]) -> usize {
        const { assert!(N <= LANES) };
        let mut lanes: [Lane; N] = std::array::from_fn(|i| load_state(&states[i]));
        let len = blocks.iter().map(|blocks| blocks.len()).min().unwrap_or(0);
        // Cut to one length here, so that no index is checked below.
        let blocks = blocks.map(|blocks| &blocks[..len]);
        for i in 0..len {
            let before = lanes;
            for (lane, blocks) in lanes.iter_mut().zip(&blocks) {
                lane.words = load_block(&blocks[i]);
            }
            // Not a loop: the rounds of four lanes would lose 10 %.
            rounds16::<N, true>(&mut lanes, &K[0]);
            rounds16::<N, true>(&mut lanes, &K[1]);
            rounds16::<N, true>(&mut lanes, &K[2]);
            rounds16::<N, false>(&mut lanes, &K[3]);
            for (lane, before) in lanes.iter_mut().zip(&before) {
                lane.abef = _mm_add_epi32(lane.abef, before.abef);
                lane.cdgh = _mm_add_epi32(lane.cdgh, before.cdgh);
            }
        }
        for (state, lane) in states.iter_mut().zip(&lanes) {
            store_state(state, lane);
        }
        len
    }

    /// Sixteen rounds of each lane. With `MORE`, its words are replaced by the next sixteen of the schedule.
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn rounds16<const N: usize, const MORE: bool>(lanes: &mut [Lane; N], k: &[[u32; 4]; 4]) {
        rounds4::<N, 0, MORE>(lanes, &k[0]);
        rounds4::<N, 1, MORE>(lanes, &k[1]);
        rounds4::<N, 2, MORE>(lanes, &k[2]);
        rounds4::<N, 3, MORE>(lanes, &k[3]);
    }

    /// Four rounds of each lane, with the words `AT`.
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn rounds4<const N: usize, const AT: usize, const MORE: bool>(lanes: &mut [Lane; N], k: &[u32; 4]) {
        for lane in lanes {
            let words = lane.words;
            let sum = _mm_add_epi32(words[AT], load(k));
            lane.cdgh = _mm_sha256rnds2_epu32(lane.cdgh, lane.abef, sum);
            lane.abef = _mm_sha256rnds2_epu32(lane.abef, lane.cdgh, _mm_shuffle_epi32(sum, 0x0e));
            if MORE {
                let near = _mm_sha256msg1_epu32(words[AT], words[(AT + 1) % 4]);
                let far = _mm_alignr_epi8(words[(AT + 3) % 4], words[(AT + 2) % 4], 4);
                lane.words[AT] = _mm_sha256msg2_epu32(_mm_add_epi32(near, far), words[(AT + 3) % 4]);
            }
        }
    }

    #[inline]
    #[target_feature(enable = "ssse3")]
    fn load_block(block: &Block) -> [__m128i; 4] {
        let swap = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
        let (quarters, _) = block.as_chunks::<16>();
        std::array::from_fn(|i| _mm_shuffle_epi8(load(&quarters[i]), swap))
    }

    #[inline]
    #[target_feature(enable = "sse4.1,ssse3")]
    fn load_state(state: &State) -> Lane {
        let (halves, _) = state.as_chunks::<4>();
        let cdab = _mm_shuffle_epi32(load(&halves[0]), 0xb1);
        let efgh = _mm_shuffle_epi32(load(&halves[1]), 0x1b);
        Lane {
            abef: _mm_alignr_epi8(cdab, efgh, 8),
            cdgh: _mm_blend_epi16(efgh, cdab, 0xf0),
            words: [_mm_setzero_si128(); 4],
        }
    }

    #[inline]
    #[target_feature(enable = "sse4.1,ssse3")]
    fn store_state(state: &mut State, lane: &Lane) {
        let feba = _mm_shuffle_epi32(lane.abef, 0x1b);
        let dchg = _mm_shuffle_epi32(lane.cdgh, 0xb1);
        let (halves, _) = state.as_chunks_mut::<4>();
        store(&mut halves[0], _mm_blend_epi16(feba, dchg, 0xf0));
        store(&mut halves[1], _mm_alignr_epi8(dchg, feba, 8));
    }

    /// The bytes of `from` as they are in memory.
    #[inline]
    #[target_feature(enable = "sse2")]
    fn load<T: Copy, const N: usize>(from: &[T; N]) -> __m128i {
        const { assert!(size_of::<[T; N]>() == 16) };
        // SAFETY: 16 bytes are read where 16 are, and of no alignment.
        unsafe { _mm_loadu_si128((&raw const *from).cast()) }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn store(to: &mut [u32; 4], words: __m128i) {
        // SAFETY: 16 bytes are written where 16 are, and of no alignment.
        unsafe {
            _mm_storeu_si128((&raw mut *to).cast(), words);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::array;

    use super::{Block, LANES, ShaNi, State};

    /// Each lane against `sha2`, for all numbers of lanes and unequal numbers of blocks.
    #[test]
    fn as_sha2_does() {
        let Some(sha) = ShaNi::detect() else { return };
        let data: [[Block; 9]; LANES] = array::from_fn(|lane| {
            array::from_fn(|i| array::from_fn(|j| (((lane * 89 + i * 31 + j) * (j + 3)) >> 2) as u8))
        });
        let before: [State; LANES] = array::from_fn(|lane| array::from_fn(|i| (lane as u32 + 1).pow(9) << i));
        for lanes in 2..=LANES {
            for (short, len) in (0..lanes).flat_map(|short| (1..=9).map(move |len| (short, len))) {
                let blocks: [&[Block]; LANES] = array::from_fn(|lane| match lane {
                    _ if lane == short => &data[lane][..len],
                    _ if lane < lanes => &data[lane][..],
                    _ => &[],
                });
                let mut expected = before;
                for (state, blocks) in expected.iter_mut().zip(&blocks).take(lanes) {
                    sha2::block_api::compress256(state, &blocks[..len]);
                }
                let mut states = before;
                assert_eq!(sha.compress(&mut states, blocks), len);
                assert_eq!(states, expected, "{lanes} lanes, {len} blocks in lane {short}");
            }
        }
        let mut states = before;
        assert_eq!(sha.compress(&mut states, [&[], &data[1], &data[2], &data[3]]), 0);
        assert_eq!(sha.compress(&mut states, [&data[0], &[], &data[2], &data[3]]), 0);
        assert_eq!(states, before);
    }
}
