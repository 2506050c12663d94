//! SHA-256 of one message and of several at a time, beside `sha2` alone.
//!
//! The rows run in turn, and each batch of messages is timed by itself, so that what else the machine does meanwhile
//! falls out: the figures are of the sum of the best, or of the median, times of all batches.

use std::hint::black_box;
use std::time::Instant;

use pxds::chunker::{Config, DynamicChunker};
use pxds::digest::{DIGEST_SIZE, Digest};
use pxds::hash::{Method, sha256_all_by};

use super::data;

/// Bytes that a round of a row hashes, at least.
const ROUND: usize = 4 << 20;
const ROUNDS: usize = 40;

/// What an ingest hashes together: so many bytes, and so many chunks.
const BATCH_SIZE: usize = 16 << 20;
const BATCH_CHUNKS: usize = 3;

struct Row<'a> {
    name: String,
    method: Method,
    /// Messages that are hashed together.
    batches: Vec<&'a [&'a [u8]]>,
    /// For each of them, those of all rounds.
    seconds: Vec<Vec<f64>>,
}

pub(crate) fn run() {
    let data = data::mixed(64 << 20, 5);
    println!();
    println!("SHA-256, {:?}; gain over sha2 alone", Method::detect());
    println!("{:<48} {:>12} {:>12} {:>6}", "", "best MB/s", "median MB/s", "");
    for size in [64 << 10, 4 << 20] {
        let messages: Vec<_> = data.chunks_exact(size).collect();
        let row = |name: &str, method, lanes: usize| Row {
            name: format!("{name} ({} KiB)", size >> 10),
            method,
            batches: messages.chunks_exact(lanes).take(ROUND.div_ceil(size * lanes)).collect(),
            seconds: Vec::new(),
        };
        measure(vec![
            row("sha2", Method::Single, 1),
            row("one", Method::detect(), 1),
            row("two", Method::detect(), 2),
            row("three", Method::detect(), 3),
            row("four", Method::detect(), 4),
        ]);
    }
    for avg in [64 << 10, 4 << 20] {
        let chunks = chunks(&data, avg);
        let batches = batches(&chunks);
        let row = |name: &str, method| Row {
            name: format!("{name} (batches of chunks, {} KiB)", avg >> 10),
            method,
            batches: batches.clone(),
            seconds: Vec::new(),
        };
        measure(vec![row("sha2", Method::Single), row("all", Method::detect())]);
    }
}

/// Runs the rows and prints them; the first is what the others are compared with.
fn measure(mut rows: Vec<Row<'_>>) {
    for row in &mut rows {
        row.seconds = vec![Vec::new(); row.batches.len()];
    }
    for _ in 0..ROUNDS {
        for row in &mut rows {
            for (batch, seconds) in row.batches.iter().zip(&mut row.seconds) {
                let mut out = vec![Digest([0; DIGEST_SIZE]); batch.len()];
                let start = Instant::now();
                sha256_all_by(row.method, batch, b"", &mut out).unwrap();
                seconds.push(start.elapsed().as_secs_f64());
                black_box(out);
            }
        }
    }
    let mut first = None;
    for row in &mut rows {
        row.seconds.iter_mut().for_each(|seconds| seconds.sort_by(f64::total_cmp));
        let bytes: usize = row.batches.iter().flat_map(|batch| batch.iter()).map(|message| message.len()).sum();
        let rate = |round: usize| bytes as f64 / 1e6 / row.seconds.iter().map(|seconds| seconds[round]).sum::<f64>();
        let (best, median) = (rate(0), rate(ROUNDS / 2));
        let gain = best / *first.get_or_insert(best);
        println!("{:<48} {best:>12.0} {median:>12.0} {gain:>5.2}x", row.name);
    }
}

fn chunks(mut data: &[u8], avg: u64) -> Vec<&[u8]> {
    let mut chunker = DynamicChunker::new(&Config::from_avg(avg).unwrap()).unwrap();
    let mut chunks = Vec::new();
    while let Some(cut) = chunker.scan(data) {
        let (chunk, rest) = data.split_at(cut);
        chunks.push(chunk);
        data = rest;
    }
    chunks.push(data);
    chunks
}

fn batches<'a>(mut chunks: &'a [&'a [u8]]) -> Vec<&'a [&'a [u8]]> {
    let mut batches = Vec::new();
    while !chunks.is_empty() {
        let mut size = 0;
        let fits = chunks.iter().take_while(|chunk| {
            size += chunk.len();
            size <= BATCH_SIZE
        });
        let count = fits.count().max(BATCH_CHUNKS).min(chunks.len());
        let (batch, rest) = chunks.split_at(count);
        batches.push(batch);
        chunks = rest;
    }
    batches
}
