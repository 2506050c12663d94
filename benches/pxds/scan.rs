//! The forms of the search for cuts, beside each other and beside the `fastcdc` crate, which cuts elsewhere.

use std::hint::black_box;
use std::time::Instant;

use fastcdc::v2020::FastCDC;
use pxds::chunker::{Buzhash, Config, DynamicChunker, Scan};

use super::data;

/// Larger than the caches.
const SIZE: usize = 128 << 20;
const ROUNDS: usize = 30;
const AVERAGES: [u64; 2] = [4 << 20, 64 << 10];

struct Row<'a> {
    name: &'static str,
    scan: Box<dyn Fn(u64) + 'a>,
    /// Of each average, in seconds.
    best: [f64; AVERAGES.len()],
}

impl<'a> Row<'a> {
    fn new(name: &'static str, scan: impl Fn(u64) + 'a) -> Self {
        Row { name, scan: Box::new(scan), best: [f64::INFINITY; AVERAGES.len()] }
    }
}

pub(crate) fn run() {
    let input = &data::mixed(SIZE, 9)[..];
    let mut rows = vec![Row::new("docs/format.md, 4.4", move |avg| specification(input, avg))];
    let forms = [("plain", Scan::Plain), ("portable", Scan::Portable), ("AVX-512", Scan::Avx512)];
    for (name, scan) in forms.into_iter().filter(|(_, scan)| scan.is_available()) {
        rows.push(Row::new(name, move |avg| ours(input, avg, scan)));
    }
    rows.push(Row::new("fastcdc", move |avg| theirs(input, avg)));
    // Round by round, so that what else the machine does meets all of them.
    for _ in 0..ROUNDS {
        for row in &mut rows {
            for (avg, best) in AVERAGES.into_iter().zip(&mut row.best) {
                let start = Instant::now();
                (row.scan)(avg);
                *best = best.min(start.elapsed().as_secs_f64());
            }
        }
    }
    println!();
    println!("{:<28} {:>12} {:>12} {:>12} {:>12}", "scan, best MB/s", "4096 KiB", "64 KiB", "of 4.4", "of 4.4");
    for row in &rows {
        let [large, small] = row.best.map(|seconds| SIZE as f64 / 1e6 / seconds);
        let [large_times, small_times] = [0, 1].map(|i| rows[0].best[i] / row.best[i]);
        println!("{:<28} {large:>12.0} {small:>12.0} {large_times:>11.2}x {small_times:>11.2}x", row.name);
    }
}

fn ours(mut rest: &[u8], avg: u64, scan: Scan) {
    let mut chunker = DynamicChunker::with_scan(&Config::from_avg(avg).unwrap(), scan).unwrap();
    while let Some(cut) = chunker.scan(rest) {
        rest = &rest[black_box(cut)..];
    }
}

/// One byte at a time, nothing skipped.
fn specification(data: &[u8], avg: u64) {
    let config = Config::from_avg(avg).unwrap();
    let (mut hash, mut size) = (Buzhash::new(), 0);
    for &byte in data {
        hash.update(&[byte]);
        size += 1;
        if size >= config.max || (size >= config.min && hash.sum() & config.mask >= config.threshold) {
            black_box(size);
            (hash, size) = (Buzhash::new(), 0);
        }
    }
}

fn theirs(data: &[u8], avg: u64) {
    let size = |size: u64| size.try_into().unwrap();
    for chunk in FastCDC::new(data, size(avg / 4), size(avg), size(avg * 4)) {
        black_box(chunk.length);
    }
}
