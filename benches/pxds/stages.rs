//! The stages that every run is made of, each alone, and how fast a run could be if it took no more.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::hint::{black_box, spin_loop};
use std::io::{Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pxds::blob::{Blob, Codec};
use pxds::chunker::{Config, DynamicChunker};
use pxds::digest::Digest;
use pxds::hash::{sha256, sha256_all};
use pxds::store::Store;
use serde_json::{Value, json};

use super::measure::cores;
use super::run::{Action, Stats};

/// Bytes of a file that are looked at, at most.
const SAMPLE: usize = 128 << 20;

/// Bytes read, or written, at a time: they stay in the processor's cache.
const STEP: usize = 256 << 10;

/// What is read stays until it is hashed: as much as a batch of chunks has.
const BATCH: usize = 16 << 20;

/// Chunks that are hashed at a time.
const HASHED: usize = 64;

/// How long threads work before they are measured.
const SETTLE: Duration = Duration::from_millis(10);

/// A stage, and what its cost is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// read(2), a byte.
    Read,
    /// Finding cuts, a byte.
    Scan,
    /// SHA-256, a byte, also of the zeros that need none.
    Hash,
    /// Looking for a chunk and touching it, a chunk.
    Touch,
    /// zstd and CRC, a byte of plain data.
    Compress,
    /// Writing chunks to files, a byte of these.
    Write,
    /// Reading them, a byte of these.
    Load,
    /// CRC, zstd and SHA-256, a byte of plain data.
    Decode,
    /// Writing one large file, a byte.
    WriteOut,
}

/// In the order of their numbers.
const STAGES: [(Stage, &str); 9] = [
    (Stage::Read, "read"),
    (Stage::Scan, "scan"),
    (Stage::Hash, "hash"),
    (Stage::Touch, "touch"),
    (Stage::Compress, "compress"),
    (Stage::Write, "write"),
    (Stage::Load, "load"),
    (Stage::Decode, "decode"),
    (Stage::WriteOut, "write out"),
];

/// Measures the stages on the start of a file.
pub(crate) struct Stages {
    file: File,
    scratch: PathBuf,
    /// Has the chunks.
    store: Store,
    config: Config,
    /// Cut at equal distances.
    fixed: bool,
    sample: Vec<u8>,
    /// Ends of the chunks of the sample.
    ends: Vec<usize>,
    digests: Vec<Digest>,
    /// Which are no repetition of an earlier one.
    distinct: Vec<bool>,
    blobs: Vec<Vec<u8>>,
    /// For each number of threads the least that was seen, in seconds by the clock.
    costs: Vec<(usize, [f64; STAGES.len()])>,
}

impl Stages {
    /// Stages for a file that `store` has, cut by content or, if `fixed`, at equal distances.
    pub(crate) fn new(path: &Path, scratch: &Path, store: Store, avg: u64, fixed: bool) -> Self {
        let config = Config::from_avg(avg).unwrap();
        let file = File::open(path).unwrap();
        let mut sample = Vec::new();
        (&file).take(SAMPLE as u64).read_to_end(&mut sample).unwrap();
        let mut ends = if fixed { Vec::new() } else { scan(&config, &sample) };
        if fixed {
            ends.extend((avg as usize..sample.len()).step_by(avg as usize));
        }
        // The last chunk of the sample may go on behind it, and is not in the store then.
        if ends.is_empty() || sample.len() < SAMPLE {
            ends.push(sample.len());
        }
        let mut stages = Stages {
            file,
            scratch: scratch.join("stages"),
            store,
            config,
            fixed,
            sample,
            ends,
            digests: Vec::new(),
            distinct: Vec::new(),
            blobs: Vec::new(),
            costs: Vec::new(),
        };
        stages.encode();
        stages
    }

    fn encode(&mut self) {
        let mut codec = Codec::new();
        let mut seen = HashSet::new();
        self.digests = (0..self.ends.len()).map(|i| sha256(self.chunk(i))).collect();
        self.distinct = self.digests.iter().map(|digest| seen.insert(digest.0)).collect();
        self.blobs = (0..self.ends.len()).map(|i| codec.encode_vec(self.chunk(i), true).unwrap()).collect();
    }

    fn chunk(&self, i: usize) -> &[u8] {
        self.bytes(i..i + 1)
    }

    /// Runs each stage once on each of these numbers of threads, of which each has a share of the chunks.
    pub(crate) fn round(&mut self, threads: &[usize]) {
        let threads: BTreeSet<_> = threads.iter().map(|&n| working(n)).collect();
        threads.into_iter().for_each(|n| self.round_of(n));
    }

    fn round_of(&mut self, threads: usize) {
        if !self.costs.iter().any(|&(n, _)| n == threads) {
            self.costs.push((threads, [f64::INFINITY; STAGES.len()]));
        }
        for (i, (stage, _)) in STAGES.iter().enumerate() {
            let seconds = self.time(*stage, threads);
            for (_, costs) in self.costs.iter_mut().filter(|(n, _)| *n == threads) {
                costs[i] = costs[i].min(seconds);
            }
        }
    }

    /// Seconds by the clock for a byte or chunk.
    fn time(&self, stage: Stage, threads: usize) -> f64 {
        fs::create_dir(&self.scratch).unwrap();
        let settled = AtomicUsize::new(0);
        let share = |i: usize| i * self.ends.len() / threads..(i + 1) * self.ends.len() / threads;
        // Units a second. The shares are not all as long, so each thread has a clock of its own.
        let rate = |i| {
            // Not zeros: its pages are there.
            let mut buffer = vec![1; BATCH + STEP];
            self.settle(&settled, threads);
            let clock = Instant::now();
            self.perform(stage, share(i), &mut buffer) as f64 / clock.elapsed().as_secs_f64()
        };
        let rate = &rate;
        let sum: f64 = thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|i| scope.spawn(move || rate(i))).collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        });
        fs::remove_dir_all(&self.scratch).unwrap();
        1.0 / sum
    }

    /// Works until all threads do, and so long that the system has given each a processor of its own.
    fn settle(&self, settled: &AtomicUsize, threads: usize) {
        let begin = Instant::now();
        while begin.elapsed() < SETTLE {
            black_box(scan(&self.config, &self.sample[..STEP.min(self.sample.len())]));
        }
        settled.fetch_add(1, Ordering::AcqRel);
        while settled.load(Ordering::Acquire) < threads {
            spin_loop();
        }
    }

    /// Runs the stage on some of the chunks and gives the bytes or chunks that it took.
    fn perform(&self, stage: Stage, share: Range<usize>, buffer: &mut [u8]) -> usize {
        match stage {
            Stage::Read => self.read(share, buffer),
            Stage::Scan => {
                let data = self.bytes(share);
                black_box(scan(&self.config, data));
                data.len()
            }
            Stage::Hash => {
                self.hash(share.clone());
                self.bytes(share).len()
            }
            Stage::Touch => {
                let present = |digest: &Digest| self.store.chunks().touch_if_present(digest).unwrap().is_some();
                assert!(self.digests[share.clone()].iter().all(present));
                share.len()
            }
            Stage::Compress => self.compress(share),
            Stage::Write => {
                let write = |i: usize| {
                    fs::write(self.scratch.join(i.to_string()), &self.blobs[i]).unwrap();
                    self.blobs[i].len()
                };
                share.filter(|&i| self.distinct[i]).map(write).sum()
            }
            Stage::Load => self.load(share),
            Stage::Decode => {
                self.decode(share.clone());
                self.bytes(share).len()
            }
            Stage::WriteOut => self.write_out(share),
        }
    }

    /// The bytes of some chunks.
    fn bytes(&self, share: Range<usize>) -> &[u8] {
        let at = |i: usize| i.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.sample[at(share.start)..at(share.end)]
    }

    /// A step after the other, to the end of a batch and then from its start again, as ingest does.
    fn read(&self, share: Range<usize>, buffer: &mut [u8]) -> usize {
        let data = self.bytes(share);
        let start = data.as_ptr() as usize - self.sample.as_ptr() as usize;
        let mut at = 0;
        while at < data.len() {
            let len = STEP.min(data.len() - at);
            at += self.file.read_at(&mut buffer[at % BATCH..][..len], (start + at) as u64).unwrap();
        }
        at
    }

    /// A batch of chunks at a time, as ingest does.
    fn hash(&self, share: Range<usize>) {
        // An image's chunks of zeros are known without their hash.
        let zeros = if self.fixed { vec![0; self.config.avg as usize] } else { Vec::new() };
        let chunks = share.map(|i| self.chunk(i)).filter(|chunk| zeros.get(..chunk.len()) != Some(chunk));
        let chunks: Vec<&[u8]> = chunks.collect();
        let mut digests = [Digest([0; 32]); HASHED];
        for batch in chunks.chunks(HASHED) {
            sha256_all(batch, &[], &mut digests[..batch.len()]).unwrap();
            black_box(&digests);
        }
    }

    /// Three chunks at a time, as restore does.
    fn decode(&self, share: Range<usize>) {
        let mut codec = Codec::new();
        let mut decoded = [(); 3].map(|()| vec![0; self.config.max as usize]);
        for (blobs, known) in self.blobs[share.clone()].chunks(3).zip(self.digests[share].chunks(3)) {
            let mut chunks: [&[u8]; 3] = [&[]; 3];
            for ((out, blob), chunk) in decoded.iter_mut().zip(blobs).zip(&mut chunks) {
                let len = codec.decode(Blob::load(blob).unwrap(), None, out).unwrap();
                *chunk = &out[..len];
            }
            let mut digests = [Digest([0; 32]); 3];
            sha256_all(&chunks[..blobs.len()], &[], &mut digests[..blobs.len()]).unwrap();
            assert_eq!(&digests[..blobs.len()], known);
        }
    }

    fn compress(&self, share: Range<usize>) -> usize {
        let (mut codec, mut encoded) = (Codec::new(), vec![0; self.config.max as usize + 12]);
        let compress = |i: usize| {
            codec.encode(self.chunk(i), true, &mut encoded).unwrap();
            self.chunk(i).len()
        };
        share.filter(|&i| self.distinct[i]).map(compress).sum()
    }

    fn load(&self, share: Range<usize>) -> usize {
        let mut buffer = Vec::with_capacity(self.config.max as usize + 12);
        let load = |digest: &Digest| {
            buffer.clear();
            File::open(self.store.chunks().chunk_path(digest)).unwrap().read_to_end(&mut buffer).unwrap()
        };
        self.digests[share].iter().map(load).sum()
    }

    fn write_out(&self, share: Range<usize>) -> usize {
        let mut file = File::create(self.scratch.join(share.start.to_string())).unwrap();
        let data = self.bytes(share);
        // From memory that is in the cache, as what has just been decoded is.
        for piece in data.chunks(STEP) {
            file.write_all(&data[..piece.len()]).unwrap();
        }
        data.len()
    }

    fn costs(&self, threads: usize) -> &[f64; STAGES.len()] {
        let threads = working(threads);
        &self.costs.iter().find(|(n, _)| *n == threads).expect("a round with as many threads").1
    }

    /// Seconds that a run which has moved `stats` would take if it took its bytes through the stages on `threads`
    /// threads, as far as there are cores for them, and did nothing else.
    pub(crate) fn least_seconds(&self, action: Action, stats: &Stats, threads: usize) -> f64 {
        let costs = self.costs(threads);
        let cost = |stage, units: u64| costs[stage as usize] * units as f64;
        let Stats { size, chunks, new_bytes, stored, encoded } = *stats;
        match action {
            Action::GetToSink => cost(Stage::Load, encoded) + cost(Stage::Decode, size),
            Action::GetToFile => cost(Stage::Load, encoded) + cost(Stage::Decode, size) + cost(Stage::WriteOut, size),
            Action::PutFd | Action::PutSlices => {
                let read = if action == Action::PutFd { cost(Stage::Read, size) } else { 0.0 };
                let scan = if self.fixed { 0.0 } else { cost(Stage::Scan, size) };
                let new = cost(Stage::Compress, new_bytes) + cost(Stage::Write, stored);
                read + scan + cost(Stage::Hash, size) + cost(Stage::Touch, chunks) + new
            }
        }
    }

    /// For each number of threads the costs in MB/s, and that of a touch in microseconds.
    pub(crate) fn rates(&self) -> Vec<Value> {
        let rates = |(threads, costs): &(usize, [f64; STAGES.len()])| {
            let mut rates = serde_json::Map::from_iter([("threads".into(), json!(threads))]);
            for (&(stage, name), cost) in STAGES.iter().zip(costs) {
                let (unit, rate) = if stage == Stage::Touch { ("us", cost * 1e6) } else { ("mb_s", 1e-6 / cost) };
                rates.insert(format!("{}_{unit}", name.replace(' ', "_")), json!(rate));
            }
            Value::Object(rates)
        };
        self.costs.iter().map(rates).collect()
    }

    /// The same in a line each.
    pub(crate) fn describe(&self) -> String {
        let of = |(&(stage, name), cost): (&(Stage, &str), &f64)| match stage {
            Stage::Touch => format!("{name} {:.1} us", cost * 1e6),
            _ => format!("{name} {:.0}", 1e-6 / cost),
        };
        let line = |(threads, costs): &(usize, [f64; STAGES.len()])| {
            let stages: Vec<_> = STAGES.iter().zip(costs).map(of).collect();
            format!("  {threads} thread{}: {}", if *threads == 1 { "" } else { "s" }, stages.join(", "))
        };
        self.costs.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// Of so many threads those that have a core.
fn working(threads: usize) -> usize {
    threads.min(cores())
}

/// Where the chunks of `data` end; what is behind the last cut is none.
fn scan(config: &Config, data: &[u8]) -> Vec<usize> {
    let mut chunker = DynamicChunker::new(config).unwrap();
    let (mut ends, mut at) = (Vec::new(), 0);
    while let Some(cut) = chunker.scan(&data[at..]) {
        at += cut;
        ends.push(at);
    }
    ends
}
