//! SHA-256, of one message or of many.
//!
//! A processor with SHA instructions hashes two to four messages in the time of one or two, if their blocks are
//! interleaved ([`crate::simd::sha256`]). [`sha256_all`] keeps its lanes busy: the blocks of all messages are laid
//! end to end, and the row is cut into as many stretches of equal length as there are lanes (none shorter than the
//! longest message, which cannot be in two lanes at once). A message that a cut goes through begins in one lane and is
//! continued in the lane before, later: the first lane has it at its very beginning, the second at its very end. So no
//! lane waits for another, and no order of the messages is better than any other.

use std::array;
use std::ops::Range;

use sha2::Digest as _;
use zeroize::Zeroizing;

use crate::digest::{DIGEST_SIZE, Digest};
use crate::error::{Error, Kind, Result};
use crate::simd::sha256::{Block, LANES, ShaNi, State};

/// Bytes that are hashed at a time.
const BLOCK_SIZE: usize = size_of::<Block>();

/// Bytes that follow the message in its last block: a bit and the length, in bits.
const MIN_PADDING: usize = 1 + size_of::<u64>();

/// Blocks that end a message: the rest of its data, the suffix, and the padding.
const TAIL_BLOCKS: usize = 3;

/// The longest suffix that fits there.
const MAX_SUFFIX: usize = (TAIL_BLOCKS - 1) * BLOCK_SIZE + 1 - MIN_PADDING;

/// The hash of nothing yet.
const INITIAL: State =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The digest of `data`.
pub fn sha256(data: &[u8]) -> Digest {
    Digest(sha2::Sha256::digest(data).into())
}

/// A digest of data that comes in pieces.
#[derive(Clone, Default)]
pub struct Hasher(sha2::Sha256);

impl Hasher {
    /// The hash of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `data`.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// The digest of what was appended so far; more may follow.
    pub fn digest(&self) -> Digest {
        Digest(self.0.clone().finalize().into())
    }
}

/// How many messages are hashed.
#[derive(Debug, Clone, Copy)]
pub enum Method {
    /// One after the other.
    Single,
    /// Several at a time.
    Interleaved(ShaNi),
}

impl Method {
    /// The fastest that the processor has.
    pub fn detect() -> Self {
        ShaNi::detect().map_or(Method::Single, Method::Interleaved)
    }
}

/// The digests of `messages`, each followed by `suffix`, in their order. Nothing is allocated.
///
/// Errors: `Internal` if there is not one place in `out` for each message.
pub fn sha256_all(messages: &[&[u8]], suffix: &[u8], out: &mut [Digest]) -> Result<()> {
    sha256_all_by(Method::detect(), messages, suffix, out)
}

/// As [`sha256_all`], in this way.
///
/// Errors: as [`sha256_all`].
pub fn sha256_all_by(method: Method, messages: &[&[u8]], suffix: &[u8], out: &mut [Digest]) -> Result<()> {
    if messages.len() != out.len() {
        return Err(Error::new(Kind::Internal, format!("{} messages for {} digests", messages.len(), out.len())));
    }
    match method {
        Method::Interleaved(sha) if messages.len() > 1 && suffix.len() <= MAX_SUFFIX => {
            interleave(sha, Messages { messages, suffix }, out);
        }
        _ => {
            for (message, digest) in messages.iter().zip(out) {
                let mut hasher = Hasher::new();
                hasher.update(message);
                hasher.update(suffix);
                *digest = hasher.digest();
            }
        }
    }
    Ok(())
}

fn interleave(sha: ShaNi, all: Messages<'_>, out: &mut [Digest]) {
    let mut states = [INITIAL; LANES];
    let mut lanes = all.lanes();
    loop {
        // For a message in two lanes, one lane stores the state that the other goes on with.
        for (lane, state) in lanes.iter_mut().zip(&states) {
            lane.put_down(state, out);
        }
        for (lane, state) in lanes.iter_mut().zip(&mut states) {
            lane.take_up(all, state, out);
        }
        // The lanes that are still busy are the first ones: none has a longer stretch than the one before it.
        let blocks = lanes.each_ref().map(Lane::blocks);
        let done = match blocks {
            [[], ..] => break,
            [alone, [], ..] => {
                sha2::block_api::compress256(&mut states[0], alone);
                alone.len()
            }
            _ => sha.compress(&mut states, blocks),
        };
        for lane in &mut lanes {
            lane.advance(done);
        }
    }
}

/// The input: messages, each followed by the suffix and padding.
#[derive(Clone, Copy)]
struct Messages<'a> {
    messages: &'a [&'a [u8]],
    suffix: &'a [u8],
}

impl<'a> Messages<'a> {
    /// The blocks of a message.
    fn blocks(&self, message: &[u8]) -> u64 {
        ((message.len() + self.suffix.len() + MIN_PADDING).div_ceil(BLOCK_SIZE)) as u64
    }

    /// The stretches of the row.
    fn lanes(&self) -> [Lane<'a>; LANES] {
        let lengths = || self.messages.iter().map(|message| self.blocks(message));
        let total: u64 = lengths().sum();
        let stretch = total.div_ceil(LANES as u64).max(lengths().max().unwrap_or(0));
        let (mut message, mut start) = (0, 0);
        let mut begin = 0;
        array::from_fn(|_| {
            let end = total.min(begin + stretch);
            // On to the message that this stretch begins in.
            while let Some(data) = self.messages.get(message)
                && start + self.blocks(data) <= begin
            {
                start += self.blocks(data);
                message += 1;
            }
            let lane = Lane::new(begin..end, message, start);
            begin = end;
            lane
        })
    }

    /// Fills in the blocks that begin with the rest of the data.
    fn fill_tail(&self, message: &[u8], rest: &[u8], tail: &mut [Block; TAIL_BLOCKS]) {
        let len = (rest.len() + self.suffix.len() + MIN_PADDING).next_multiple_of(BLOCK_SIZE);
        let tail = &mut tail.as_flattened_mut()[..len];
        tail.fill(0);
        tail[..rest.len()].copy_from_slice(rest);
        tail[rest.len()..][..self.suffix.len()].copy_from_slice(self.suffix);
        tail[rest.len() + self.suffix.len()] = 0x80;
        let bits = (message.len() as u64 + self.suffix.len() as u64) << 3;
        tail[len - size_of::<u64>()..].copy_from_slice(&bits.to_be_bytes());
    }
}

/// A stretch of the row, on its way.
struct Lane<'a> {
    /// The part of it that is still to be hashed.
    row: Range<u64>,
    /// The message that it goes on with, and where in the row that starts.
    next: usize,
    start: u64,
    /// The message at hand.
    current: Option<usize>,
    /// Its blocks: first those of its data, then some of `tail`.
    body: &'a [Block],
    tail: Zeroizing<[Block; TAIL_BLOCKS]>,
    tail_range: Range<usize>,
}

impl<'a> Lane<'a> {
    fn new(row: Range<u64>, next: usize, start: u64) -> Self {
        let tail = Zeroizing::new([[0; BLOCK_SIZE]; TAIL_BLOCKS]);
        Lane { row, next, start, current: None, body: &[], tail, tail_range: 0..0 }
    }

    /// The blocks that it has at hand; none when its stretch is done.
    fn blocks(&self) -> &[Block] {
        if self.body.is_empty() { &self.tail[self.tail_range.clone()] } else { self.body }
    }

    /// Drops the first `done` blocks.
    fn advance(&mut self, done: usize) {
        if !self.body.is_empty() {
            self.body = &self.body[done..];
        } else if !self.tail_range.is_empty() {
            self.tail_range.start += done;
        }
    }

    /// Writes the state of a message that is done, or done as far as it is in this lane, to the place of its digest.
    fn put_down(&mut self, state: &State, out: &mut [Digest]) {
        if self.blocks().is_empty()
            && let Some(message) = self.current.take()
        {
            let (words, _) = out[message].0.as_chunks_mut();
            for (bytes, word) in words.iter_mut().zip(state) {
                *bytes = word.to_be_bytes();
            }
        }
    }

    /// Takes up the next message, unless one is at hand.
    fn take_up(&mut self, all: Messages<'a>, state: &mut State, out: &[Digest]) {
        if self.current.is_some() || self.row.is_empty() {
            return;
        }
        let message = all.messages[self.next];
        let message_end = self.start + all.blocks(message);
        // If a message goes beyond the stretch, the lane behind has hashed the part beyond it.
        let first = message_end.saturating_sub(self.row.end) as usize;
        let last = (message_end - self.row.start) as usize;
        *state = if first == 0 { INITIAL } else { state_of(&out[self.next]) };

        let (body, rest) = message.as_chunks();
        let len = body.len();
        self.body = &body[first.min(len)..last.min(len)];
        self.tail_range = first.max(len) - len..last.max(len) - len;
        if !self.tail_range.is_empty() {
            all.fill_tail(message, rest, &mut self.tail);
        }
        self.current = Some(self.next);
        self.next += 1;
        self.start = message_end;
        self.row.start = message_end.min(self.row.end);
    }
}

/// The state that [`Lane::put_down`] has written.
fn state_of(digest: &Digest) -> State {
    const { assert!(size_of::<State>() == DIGEST_SIZE) };
    let (words, _) = digest.0.as_chunks();
    array::from_fn(|i| u32::from_be_bytes(words[i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Digests made in this way; each message is compared with `sha2` alone.
    fn check(method: Method, messages: &[&[u8]], suffix: &[u8]) {
        let expected: Vec<_> = messages.iter().map(|message| alone(message, suffix)).collect();
        assert_eq!(digests(method, messages, suffix), expected, "{}", describe(messages, suffix));
    }

    fn alone(message: &[u8], suffix: &[u8]) -> Digest {
        Digest(sha2::Sha256::digest([message, suffix].concat()).into())
    }

    fn digests(method: Method, messages: &[&[u8]], suffix: &[u8]) -> Vec<Digest> {
        let mut out = vec![Digest([0xee; DIGEST_SIZE]); messages.len()];
        sha256_all_by(method, messages, suffix, &mut out).unwrap();
        out
    }

    fn describe(messages: &[&[u8]], suffix: &[u8]) -> String {
        let lengths: Vec<_> = messages.iter().map(|message| message.len()).collect();
        format!("lengths {lengths:?}, suffix of {}", suffix.len())
    }

    /// Bytes without a pattern, others for each seed.
    fn noise(len: usize, seed: u32) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..len).map(|_| next()).collect()
    }

    /// Lengths at which blocks, or the padding after a suffix, begin or end.
    fn border_lengths(suffix: usize) -> Vec<usize> {
        let borders: [usize; 6] = [0, 64 - 9, 64, 128 - 9, 128, 192];
        let mut lengths: Vec<_> = borders
            .iter()
            .flat_map(|&border| [border, border.saturating_sub(suffix)])
            .flat_map(|border| [border.saturating_sub(1), border, border + 1])
            .collect();
        lengths.sort_unstable();
        lengths.dedup();
        lengths
    }

    #[test]
    fn known_digests() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for method in [Method::Single, Method::detect()] {
            let hex = |messages: &[&[u8]], suffix| -> Vec<_> {
                digests(method, messages, suffix).iter().map(Digest::to_string).collect()
            };
            assert_eq!(hex(&[b"abc", b"", b"abc"], b""), [abc, nothing, abc]);
            assert_eq!(hex(&[b"a", b"a"], b"bc"), [abc, abc]);
            assert_eq!(hex(&[], b"abc"), [""; 0]);
        }
        assert_eq!(sha256(b"abc").to_string(), abc);
    }

    #[test]
    fn all_pairs_of_lengths() {
        const MAX: usize = 1024;
        let (left, right) = (noise(MAX, 1), noise(MAX, 2));
        for suffix in [&[][..], &noise(32, 3)] {
            let expected = |data: &[u8]| -> Vec<_> { (0..=MAX).map(|len| alone(&data[..len], suffix)).collect() };
            let (expected_left, expected_right) = (expected(&left), expected(&right));
            let mut out = [Digest([0; DIGEST_SIZE]); 2];
            for i in 0..=MAX {
                for j in 0..=MAX {
                    sha256_all(&[&left[..i], &right[..j]], suffix, &mut out).unwrap();
                    assert_eq!(out, [expected_left[i], expected_right[j]], "lengths {i} and {j}");
                }
            }
        }
    }

    #[test]
    fn threes_and_fours_around_borders() {
        let data: [_; 4] = array::from_fn(|i| noise(200, i as u32));
        for suffix_len in [0, 1, 31, 32, 33, 55, 56, 63, 64, 65, 119, MAX_SUFFIX, MAX_SUFFIX + 1, 300] {
            let suffix = noise(suffix_len, 9);
            let lengths = border_lengths(suffix_len);
            let expected: [Vec<_>; 4] =
                array::from_fn(|i| lengths.iter().map(|&len| alone(&data[i][..len], &suffix)).collect());
            let mut out = [Digest([0; DIGEST_SIZE]); 4];
            let count = lengths.len();
            for number in 0..count.pow(3) {
                let (a, b, c) = (number % count, number / count % count, number / count.pow(2));
                let at = [a, b, c, (a + b + c) % count];
                let messages: [&[u8]; 4] = array::from_fn(|i| &data[i][..lengths[at[i]]]);
                let expected: [Digest; 4] = array::from_fn(|i| expected[i][at[i]]);
                for n in [3, 4] {
                    sha256_all(&messages[..n], &suffix, &mut out[..n]).unwrap();
                    assert_eq!(out[..n], expected[..n], "{}", describe(&messages[..n], &suffix));
                }
            }
        }
    }

    #[test]
    fn threes_of_a_sample_of_lengths() {
        let data: [_; 3] = array::from_fn(|i| noise(1100, i as u32));
        let lengths: Vec<_> = (0..=1024).step_by(23).chain([1023, 1024, 1025, 1087, 1088, 1089]).collect();
        for &a in &lengths {
            for &b in &lengths {
                for &c in lengths.iter().step_by(3) {
                    check(Method::detect(), &[&data[0][..a], &data[1][..b], &data[2][..c]], b"");
                }
            }
        }
    }

    #[test]
    fn many_messages_of_any_length_and_alignment() {
        let data = noise(1 << 20, 1);
        let sizes = noise(4000, 2);
        let mut sizes =
            sizes.chunks_exact(3).map(|three| usize::from(three[0]) << (three[1] % 11) | usize::from(three[2]));
        for n in (1..=20).chain([50, 300]) {
            let lengths: Vec<_> = sizes.by_ref().take(n).collect();
            assert_eq!(lengths.len(), n);
            let messages: Vec<_> = (lengths.iter().enumerate()).map(|(i, &len)| &data[i * 7..][..len]).collect();
            for method in [Method::Single, Method::detect()] {
                check(method, &messages, b"");
                check(method, &messages, &data[..32]);
                check(method, &messages, &data[..500]);
            }
        }
    }

    #[test]
    fn large_messages() {
        let data = noise(9 << 20, 1);
        for lengths in [&[4 << 20, 4 << 20, 4 << 20][..], &[9 << 20, 5, 77_777], &[64, 1 << 20, 3 << 20, 1, 2_000_003]]
        {
            let messages: Vec<_> =
                (lengths.iter().rev().enumerate()).map(|(i, &len)| &data[i.min(data.len() - len)..][..len]).collect();
            for method in [Method::Single, Method::detect()] {
                check(method, &messages, b"");
                check(method, &messages, &[7; 32]);
            }
        }
    }

    #[test]
    fn lanes_are_as_equal_as_can_be() {
        let data = vec![0; 100 * BLOCK_SIZE];
        // In blocks, of which the padding is one.
        for (blocks, expected) in [
            (&[10, 10, 10, 10, 10][..], [13, 13, 13, 11]),
            (&[20, 20, 20, 20], [20, 20, 20, 20]),
            (&[3, 9, 4], [9, 7, 0, 0]),
            (&[1, 50, 2], [50, 3, 0, 0]),
            (&[1; 17], [5, 5, 5, 2]),
            (&[], [0; 4]),
        ] {
            let messages: Vec<_> = blocks.iter().map(|blocks| &data[..(blocks - 1) * BLOCK_SIZE]).collect();
            let lanes = Messages { messages: &messages, suffix: b"" }.lanes();
            assert_eq!(lanes.map(|lane| lane.row.end - lane.row.start), expected, "{blocks:?}");
        }
    }

    #[test]
    fn sha_instructions_are_used_where_they_are() {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        // Emulated, another processor's program reads here of the processor below.
        let has_them = cfg!(target_arch = "x86_64") && cpu.split_whitespace().any(|flag| flag == "sha_ni");
        assert_eq!(matches!(Method::detect(), Method::Interleaved(_)), has_them);
    }

    #[test]
    fn as_many_places_as_messages() {
        for places in [0, 1, 3] {
            let mut out = vec![Digest([0; DIGEST_SIZE]); places];
            assert_eq!(sha256_all(&[b"", b""], b"", &mut out).unwrap_err().kind(), Kind::Internal);
        }
    }
}
