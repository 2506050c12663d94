//! The search in four stretches of the data at a time.
//!
//! A roll cannot begin before the one before it has ended. Four stretches that lie behind each other are four rolls
//! that can go on beside each other. Nor does the leaving byte have to be looked up again: with
//! s(i) = rotl(s(i−1), 1) xor T\[b(i)\], from any start, the hash is s(i) xor s(i−64), since 64 is a multiple of 32. So
//! the values of s are kept, and the hashes are made and compared in a second pass that the compiler turns into
//! vectors.

use super::WINDOW;
use super::buzhash::fill;
use super::scan::{Rule, plain};

const STRETCH: usize = 512;
pub(super) const BLOCK: usize = 4 * STRETCH;

/// s in a stretch, from 0 on, behind what s would have been at the 64 positions before it.
type Lane = [u32; WINDOW + STRETCH];

/// As [`super::scan::Finder::first`].
pub(super) fn first(data: &[u8], from: usize, rule: Rule) -> Option<usize> {
    let start = from - (WINDOW - 1);
    let (blocks, _) = data[start..].as_chunks::<BLOCK>();
    if blocks.is_empty() {
        return plain(data, from, rule);
    }
    // At first there is nothing to leave.
    let mut lanes = [[0; WINDOW + STRETCH]; 4];
    let mut begin = start;
    for block in blocks {
        roll(&mut lanes, block);
        for lane in &lanes {
            if let Some(found) = compare(lane, begin, from, rule) {
                return Some(found);
            }
            begin += STRETCH;
        }
        let [first, .., last] = &mut lanes;
        lead_in(first, last);
    }
    if begin.max(from) < data.len() { plain(data, begin.max(from), rule) } else { None }
}

/// Fills the lanes, the first of which has its first 64 values already.
fn roll(lanes: &mut [Lane; 4], block: &[u8; BLOCK]) {
    let [a, b, c, d] = lanes;
    let (mut s, mut t, mut u, mut v) = (0, 0, 0, 0);
    for i in 0..STRETCH {
        s = fill(s, block[i]);
        t = fill(t, block[STRETCH + i]);
        u = fill(u, block[2 * STRETCH + i]);
        v = fill(v, block[3 * STRETCH + i]);
        a[WINDOW + i] = s;
        b[WINDOW + i] = t;
        c[WINDOW + i] = u;
        d[WINDOW + i] = v;
    }
    lead_in(b, a);
    lead_in(c, b);
    lead_in(d, c);
}

/// The first 64 values of `lane` from the last 64 of the one before it, as if that one had come to 0 at its end.
fn lead_in(lane: &mut Lane, before: &Lane) {
    let mut end = before[WINDOW + STRETCH - 1];
    for (value, &earlier) in lane[..WINDOW].iter_mut().zip(&before[STRETCH..]) {
        end = end.rotate_left(1);
        *value = earlier ^ end;
    }
}

/// The first position from `from` on that calls for a cut, in a lane that begins at `begin`.
fn compare(lane: &Lane, begin: usize, from: usize, rule: Rule) -> Option<usize> {
    let wanted = rule.wanted();
    let (left, entered) = (&lane[..STRETCH], &lane[WINDOW..]);
    for (part, (left, entered)) in left.chunks_exact(WINDOW).zip(entered.chunks_exact(WINDOW)).enumerate() {
        let hashes = left.iter().zip(entered).map(|(a, b)| a ^ b);
        if hashes.clone().fold(false, |any, hash| any | (hash & wanted == wanted)) {
            let at = begin + part * WINDOW;
            let found = hashes.enumerate().position(|(i, hash)| at + i >= from && rule.is_cut(hash));
            if found.is_some() {
                return found.map(|i| at + i);
            }
        }
    }
    None
}
