//! Any bytes as a stream, with any parameters and in any pieces: every form of the search cuts alike.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxds::chunker::{Config, DynamicChunker, Scan};

const HEADER: usize = 9;

fn cuts<'a>(config: &Config, scan: Scan, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<usize> {
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

fuzz_target!(|data: &[u8]| {
    let Some((&[bits, below, min, more, up, last, piece_low, piece_high, repeat], data)) =
        data.split_first_chunk::<HEADER>()
    else {
        return;
    };
    let mask = u32::MAX.checked_shr(32 - u32::from(bits % 33)).unwrap_or(0);
    let min = u64::from(min) << (last % 8);
    let avg = (min + u64::from(more) * 8).max(1);
    let max = avg + u64::from(up) * 64;
    let config = Config { avg, min, max, mask, threshold: mask.saturating_sub(u32::from(below)) };
    // Longer than the blocks of every form.
    let data = data.repeat(1 + usize::from(repeat % 16));
    let whole = cuts(&config, Scan::Plain, [&data[..]].into_iter());
    let piece = 1 + usize::from(u16::from_le_bytes([piece_low, piece_high]));
    for scan in Scan::ALL.into_iter().filter(|scan| scan.is_available()) {
        assert_eq!(cuts(&config, scan, [&data[..]].into_iter()), whole, "{scan:?}");
        assert_eq!(cuts(&config, scan, data.chunks(piece)), whole, "{scan:?} in pieces of {piece}");
    }
});
