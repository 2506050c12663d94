//! What the parts and the whole reach on this machine: `make bench`, or `make bench ONLY='SECTION...'`.
//!
//! The section of the kernels: each row is run in rounds, the rows in turn, and the best and the median round are given
//! in MB/s (10^6 bytes of plain data a second) of wall time, on one thread. The store is in the directory for temporary
//! files, or in `$PXDS_BENCH_DIR`, with sync level none, so that what is measured is this library and not the disk.
//! What is no stream of data has rows of its own, in times: see [`random_access`], [`listing`] and [`sealing`]; so has
//! a verification beside its parts, [`verify`]. The forms of the search for cuts are beside each other in [`scan`],
//! those of hashing in [`hash`]. Whole runs with their processor time and memory are in [`pipeline`] and, only when
//! they are named, in [`scaling`].
//!
//! Environment: `PXDS_BENCH_DIR`; `PXDS_BENCH_SCALE`, by which the data of pipeline and scaling is multiplied;
//! `PXDS_BENCH_ROUNDS`, of the pipeline; `PXDS_BENCH_JSON`, the file for what the last section of these has measured.

mod corpus;
mod data;
mod hash;
mod listing;
mod measure;
mod options;
mod pipeline;
mod random_access;
mod run;
mod scaling;
mod scan;
mod sealing;
mod stages;
mod verify;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use pxds::base::SyncLevel;
use pxds::blob::{Blob, Codec};
use pxds::chunker::{Config, DynamicChunker};
use pxds::hash::sha256;
use pxds::index::{ChunkInfo, Index};
use pxds::ingest::{Ingest, IngestOptions};
use pxds::restore::{RestoreOptions, Restorer};
use pxds::store::{Store, StoreOptions};

const SIZE: usize = 256 << 20;
const ROUNDS: usize = 5;

/// A part of the bench: its name, whether it runs when nothing is named, and what it does with a directory for its
/// files and the words of the command line.
type Section = (&'static str, bool, fn(&Path, &[String]));

const SECTIONS: [Section; 9] = [
    ("kernels", true, |scratch, _| kernels(scratch)),
    ("scan", true, |_, _| scan::run()),
    ("hash", true, |_, _| hash::run()),
    ("calls", true, |scratch, _| random_access::run(scratch)),
    ("listing", true, |scratch, _| listing::run(scratch)),
    ("sealing", true, |scratch, _| sealing::run(scratch)),
    ("verify", true, |scratch, _| verify::run(scratch)),
    ("pipeline", true, pipeline::run),
    ("scaling", false, scaling::run),
];

fn main() {
    // What cargo adds begins with a dash.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    match words.first().map(String::as_str) {
        Some("run") => return run::child(&words[1..]),
        Some("flow") => return scaling::child(&words[1..]),
        Some("generate") => return corpus::generate(&words[1..]),
        _ => {}
    }
    let is_section = |word: &str| SECTIONS.iter().any(|(name, ..)| *name == word);
    if let Some(word) = words.iter().find(|word| !is_section(word) && !pipeline::is_word(word)) {
        let names: Vec<_> = SECTIONS.iter().map(|(name, ..)| *name).collect();
        eprintln!("{word} is no section; there are: {}", names.join(" "));
        std::process::exit(2);
    }
    // A word of its cells alone means the pipeline.
    let any = words.iter().any(|word| is_section(word));
    let chosen = |name: &str, by_default: bool| match words.len() {
        0 => by_default,
        _ if any => words.iter().any(|word| word == name),
        _ => name == "pipeline",
    };
    let scratch = Scratch::new();
    for (name, by_default, run) in SECTIONS {
        if chosen(name, by_default) {
            run(&scratch.0, &words);
        }
    }
}

fn kernels(scratch: &Path) {
    let data = data::mixed(SIZE, 1);
    println!("{} MiB of generated data, {ROUNDS} rounds, one thread, store below {}", SIZE >> 20, scratch.display());
    println!("{:<28} {:>12} {:>12}", "", "best MB/s", "median MB/s");
    for avg in [4 << 20, 64 << 10] {
        let bench = Bench::new(&data, avg, scratch);
        let mut rows: Vec<Row> = bench.rows();
        for _ in 0..ROUNDS {
            for row in &mut rows {
                let start = Instant::now();
                (row.run)();
                row.seconds.push(start.elapsed().as_secs_f64());
            }
        }
        for row in &mut rows {
            row.seconds.sort_by(f64::total_cmp);
            let rate = |seconds: f64| SIZE as f64 / 1e6 / seconds;
            let name = format!("{} ({} KiB)", row.name, avg >> 10);
            println!("{name:<28} {:>12.0} {:>12.0}", rate(row.seconds[0]), rate(row.seconds[ROUNDS / 2]));
        }
    }
}

struct Row<'a> {
    name: &'static str,
    run: Box<dyn FnMut() + 'a>,
    seconds: Vec<f64>,
}

struct Bench<'a> {
    data: &'a [u8],
    config: Config,
    chunks: Vec<&'a [u8]>,
    blobs: Vec<Vec<u8>>,
    /// A store that has the data, and its index.
    full: Store,
    index: Index,
    scratch: &'a Path,
}

impl<'a> Bench<'a> {
    fn new(data: &'a [u8], avg: u64, scratch: &'a Path) -> Self {
        let config = Config::from_avg(avg).unwrap();
        let mut chunks = Vec::new();
        let mut rest = data;
        let mut chunker = DynamicChunker::new(&config).unwrap();
        while let Some(cut) = chunker.scan(rest) {
            chunks.push(&rest[..cut]);
            rest = &rest[cut..];
        }
        chunks.push(rest);
        let mut codec = Codec::new();
        let blobs = chunks.iter().map(|chunk| codec.encode_vec(chunk, true).unwrap()).collect();
        let full = new_store(&scratch.join(format!("full-{avg}")));
        let index = put(&full, data, &config);
        Bench { data, config, chunks, blobs, full, index, scratch }
    }

    fn rows(&'a self) -> Vec<Row<'a>> {
        let row = |name, run: Box<dyn FnMut() + 'a>| Row { name, run, seconds: Vec::new() };
        let (mut encoder, mut decoder) = (Codec::new(), Codec::new());
        let mut encoded = vec![0; self.config.max as usize + 12];
        let mut decoded = Vec::new();
        let mut restorer =
            Restorer::new(self.full.chunks(), RestoreOptions { threads: 1, ..RestoreOptions::default() });
        let mut round = 0;
        vec![
            row("scan", Box::new(move || self.scan())),
            row(
                "hash",
                Box::new(move || {
                    for chunk in &self.chunks {
                        black_box(sha256(chunk));
                    }
                }),
            ),
            row(
                "compress",
                Box::new(move || {
                    for chunk in &self.chunks {
                        encoder.encode(chunk, true, &mut encoded).unwrap();
                    }
                }),
            ),
            row(
                "decode, digest checked",
                Box::new(move || {
                    for (i, blob) in self.blobs.iter().enumerate() {
                        let ChunkInfo { start, end, digest } = self.index.chunk(i).unwrap();
                        let blob = Blob::load(blob).unwrap();
                        decoder.decode_exact(blob, &digest, (end - start) as usize, &mut decoded).unwrap();
                    }
                }),
            ),
            row(
                "put, new",
                Box::new(move || {
                    round += 1;
                    let path = self.scratch.join(format!("new-{}-{round}", self.config.avg));
                    put(&new_store(&path), self.data, &self.config);
                    std::fs::remove_dir_all(path).unwrap();
                }),
            ),
            row(
                "put, all duplicate",
                Box::new(move || {
                    put(&self.full, self.data, &self.config);
                }),
            ),
            row("get", Box::new(move || restorer.restore(&self.index, &mut |_| Ok(())).unwrap())),
        ]
    }

    fn scan(&self) {
        let mut chunker = DynamicChunker::new(&self.config).unwrap();
        let (mut rest, mut cuts) = (self.data, 0);
        while let Some(cut) = chunker.scan(rest) {
            rest = &rest[cut..];
            cuts += 1;
        }
        assert_eq!(cuts + 1, self.chunks.len());
    }
}

fn new_store(path: &Path) -> Store {
    let options = StoreOptions { sync: SyncLevel::None, ..StoreOptions::default() };
    Store::create(path, &options).unwrap()
}

/// Puts `data`, read in pieces as from a file.
fn put(store: &Store, mut data: &[u8], config: &Config) -> Index {
    let mut ingest =
        Ingest::new(store.chunks(), IngestOptions { chunker: *config, threads: 1, ..IngestOptions::default() })
            .unwrap();
    let mut read = |buffer: &mut [u8]| {
        let len = data.len().min(buffer.len());
        buffer[..len].copy_from_slice(&data[..len]);
        data = &data[len..];
        Ok(len)
    };
    ingest.read(&mut read).unwrap();
    Index::from_bytes(&ingest.finish().unwrap().finish(usize::MAX).unwrap(), None).unwrap()
}

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let base = std::env::var_os("PXDS_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let path = base.join(format!("pxds-bench-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
