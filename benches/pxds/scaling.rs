//! What grows: the stream, the number of threads, the store. The cost of a gigabyte should not.

use std::fs;
use std::path::Path;

use pxds::chunks::InsertOptions;
use pxds::digest::Digest;
use pxds::index::Index;
use pxds::ingest::{Ingest, IngestStats};
use pxds::store::Store;
use serde_json::{Value, json};

use super::corpus::{self, Kind};
use super::data::Noise;
use super::measure::{cores, machine, now, setting, write_json};
use super::pipeline::{self, Bench, Cell, Files, Role, digests, per_gb};
use super::run::{Action, Cost, Run, Stats, open_store, print_cost, read_cost, this_program, timed};
use super::{new_store, options};

const SIZES: [u64; 6] = [1, 2, 4, 8, 16, 32];
const THREADS: [usize; 6] = [1, 2, 3, 4, 6, 8];

/// Chunks in the small store and, at scale 1, in the large one.
const CHUNKS: [usize; 2] = [1000, 1_000_000];

/// What part of the speed on the small store is to be left on the large one.
const BAR: f64 = 0.8;

/// Of a long stream, the bytes that come again and again, and those between that are new. With the chunks at their
/// borders the new ones are about a tenth.
const POOL: usize = 148 << 20;
const FRESH: usize = 12 << 20;

pub(crate) fn run(scratch: &Path, _: &[String]) {
    let scale = setting("PXDS_BENCH_SCALE", 1.0);
    let rounds = setting("PXDS_BENCH_ROUNDS", 3.0).max(1.0) as usize;
    // Before it is disturbed by this.
    let machine = machine(scratch);
    let json = json!({
        "bench": "scaling", "version": env!("CARGO_PKG_VERSION"), "time": now(), "machine": machine,
        "scale": scale, "rounds": rounds,
        "streams": streams(scratch, scale),
        "threads": threads(scratch, scale, rounds),
        "stores": stores(scratch, scale, rounds),
    });
    write_json("scaling.json", &json);
}

// ---- longer streams ----

fn streams(scratch: &Path, scale: f64) -> Vec<Value> {
    let threads = cores();
    println!("\nstreams of which a tenth is new, average 4MiB, {threads} threads, below {}", scratch.display());
    println!("  {:>8}{:>9}{:>10}{:>9}{:>9}", "GB", "MB/s", "CPU s/GB", "MiB", "new");
    SIZES
        .into_iter()
        .map(|size| {
            let store = scratch.join("stream");
            new_store(&store);
            let len = (size as f64 * scale * 1e9) as u64;
            let words = [store.to_str().unwrap().to_owned(), len.to_string(), threads.to_string()];
            let cost = read_cost(this_program().arg("flow").args(words));
            fs::remove_dir_all(&store).unwrap();
            let (gb, fresh) = (len as f64 / 1e9, cost.stats.new_bytes as f64 / len as f64);
            let (mb_s, mib) = (gb * 1e3 / cost.seconds, cost.peak_rss as f64 / (1 << 20) as f64);
            println!("  {gb:>8.2}{mb_s:>9.0}{:>10.2}{mib:>9.0}{fresh:>9.2}", per_gb(&cost));
            json!({
                "size": len, "threads": threads, "new_share": fresh, "mb_s": mb_s, "cpu_s_per_gb": per_gb(&cost),
                "peak_rss": cost.peak_rss, "stored": cost.stats.stored,
            })
        })
        .collect()
}

/// In a process of its own, `STORE BYTES THREADS`: stores a stream that is made on the way.
pub(crate) fn child(words: &[String]) {
    let [store, len, threads] = words else { panic!("STORE BYTES THREADS") };
    let (store, threads) = (open_store(Path::new(store)), threads.parse().unwrap());
    let pool = corpus::in_memory(Kind::Mixed, POOL);
    let put = |stream: &mut Stream<'_>| {
        let mut ingest = Ingest::new(store.chunks(), options::stream(4 << 20, threads)).unwrap();
        ingest.read(&mut |buffer| Ok(stream.read(buffer))).unwrap();
        let mut index = ingest.finish().unwrap();
        index.save(&store.path().join("stream.didx")).unwrap();
        let IngestStats { size, chunks, new_bytes, stored_bytes, compressed_bytes, .. } = index.stats();
        Stats { size, chunks, new_bytes, stored: stored_bytes, encoded: compressed_bytes }
    };
    put(&mut Stream { pool: &pool, at: FRESH as u64, end: (FRESH + POOL) as u64 });
    let mut stream = Stream { pool: &pool, at: 0, end: len.parse().unwrap() };
    print_cost(&timed(pool.capacity() as u64, || put(&mut stream)));
}

/// Fresh bytes and the pool in turn.
struct Stream<'a> {
    pool: &'a [u8],
    at: u64,
    end: u64,
}

impl Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> usize {
        let cycle = (FRESH + POOL) as u64;
        let (turn, at) = (self.at / cycle, (self.at % cycle) as usize);
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let (from, until) = if at < FRESH { (at, FRESH) } else { (at - FRESH, POOL) };
        let count = buffer.len().min(left).min(until - from);
        buffer[..count].copy_from_slice(&self.pool[from..from + count]);
        if at < FRESH {
            // As compressible as before, and in no other turn the same.
            let key = 1 + (turn % 255) as u8;
            buffer[..count].iter_mut().for_each(|byte| *byte ^= key);
        }
        self.at += count as u64;
        count
    }
}

// ---- more threads ----

fn threads(scratch: &Path, scale: f64, rounds: usize) -> Vec<Value> {
    let files = Files::make(Kind::Mixed, (pipeline::SIZE * scale) as u64, scratch);
    let mut bench = Bench::new(&files, 4 << 20, scratch);
    let cells = bench.measure(&[Role::New, Role::Duplicate, Role::Restore], &THREADS, rounds);
    println!("\nthreads, mixed data, average 4MiB");
    pipeline::print_head();
    cells.iter().for_each(Cell::print);
    cells.iter().map(|cell| cell.to_json(Kind::Mixed, 4 << 20)).collect()
}

// ---- larger stores ----

fn stores(scratch: &Path, scale: f64, rounds: usize) -> Value {
    let counts = [CHUNKS[0], ((CHUNKS[1] as f64 * scale) as usize).max(2 * CHUNKS[0])];
    let file = scratch.join("repeated");
    let data = corpus::in_memory(Kind::Mixed, (scale.min(1.0) * 60e6) as usize);
    fs::write(&file, data.repeat(8)).unwrap();
    println!("\nduplicates, average 64KiB, into a store of so many chunks");
    println!("  {:>8}{:>9}{:>9}{:>10}", "chunks", "MB/s", "median", "CPU s/GB");
    let runs = counts.map(|count| grown(&scratch.join(format!("of-{count}")), &file, count));
    let mut costs = [Vec::new(), Vec::new()];
    for _ in 0..rounds.max(5) {
        for (run, costs) in runs.iter().zip(&mut costs) {
            costs.push(run.measure());
        }
    }
    let mut rows = Vec::new();
    for (count, costs) in counts.into_iter().zip(&mut costs) {
        costs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        let rate = |cost: &Cost| cost.stats.size as f64 / 1e6 / cost.seconds;
        let (best, median) = (costs[0], costs[costs.len() / 2]);
        println!("  {count:>8}{:>9.0}{:>9.0}{:>10.2}", rate(&best), rate(&median), per_gb(&best));
        rows.push(json!({
            "chunks": count, "mb_s": rate(&best), "median_mb_s": rate(&median), "cpu_s_per_gb": per_gb(&best),
        }));
    }
    let left = costs[0][0].seconds / costs[1][0].seconds;
    println!("  {left:.2} of the speed is left; the bar is {BAR}");
    for run in &runs {
        fs::remove_dir_all(&run.store).unwrap();
    }
    json!({ "rows": rows, "left": left, "bar": BAR })
}

/// A store of `count` chunks, among them those of `file`; the run that stores it once more.
fn grown(path: &Path, file: &Path, count: usize) -> Run {
    let store = new_store(path);
    let run = Run {
        action: Action::PutFd,
        fixed: false,
        avg: 64 << 10,
        threads: cores(),
        store: path.into(),
        index: path.join("repeated.didx"),
        file: file.into(),
    };
    run.measure();
    let own = digests(&Index::open(&run.index, None).unwrap()).len();
    fill(&store, count.saturating_sub(own));
    run
}

/// Adds `count` chunks of a few bytes. Their names are not those of their bytes, which nobody looks at.
fn fill(store: &Store, count: usize) {
    let blob = pxds::blob::Codec::new().encode_vec(b"one of very many", true).unwrap();
    let threads = cores();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let blob = &blob;
            scope.spawn(move || {
                let mut noise = Noise::new(thread as u64);
                for _ in (thread..count).step_by(threads) {
                    let mut digest = Digest([0; 32]);
                    digest.0.chunks_exact_mut(8).for_each(|part| part.copy_from_slice(&noise.next().to_le_bytes()));
                    store.chunks().insert(&digest, blob, InsertOptions::default()).unwrap();
                }
            });
        }
    });
}
