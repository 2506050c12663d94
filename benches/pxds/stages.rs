//! The stages that every run is made of, each alone on one thread, and how fast a run could be if it took no more.

use std::collections::HashSet;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

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

/// Bytes read at a time: they stay in the processor's cache.
const STEP: usize = 256 << 10;

/// Chunks that are hashed at a time.
const HASHED: usize = 64;

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
    /// Those that are no repetition of an earlier one.
    distinct: Vec<usize>,
    blobs: Vec<Vec<u8>>,
    /// The least that was seen, in seconds.
    costs: [f64; STAGES.len()],
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
            costs: [f64::INFINITY; STAGES.len()],
        };
        stages.encode();
        stages
    }

    fn encode(&mut self) {
        let mut codec = Codec::new();
        let mut seen = HashSet::new();
        self.digests = (0..self.ends.len()).map(|i| sha256(self.chunk(i))).collect();
        self.distinct = (0..self.ends.len()).filter(|&i| seen.insert(self.digests[i].0)).collect();
        self.blobs = (0..self.ends.len()).map(|i| codec.encode_vec(self.chunk(i), true).unwrap()).collect();
    }

    fn chunk(&self, i: usize) -> &[u8] {
        let start = i.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.sample[start..self.ends[i]]
    }

    /// Runs each stage once.
    pub(crate) fn round(&mut self) {
        for (i, (stage, _)) in STAGES.iter().enumerate() {
            let start = Instant::now();
            let units = self.perform(*stage);
            let seconds = start.elapsed().as_secs_f64();
            if *stage == Stage::Write {
                fs::remove_dir_all(&self.scratch).unwrap();
            }
            self.costs[i] = self.costs[i].min(seconds / units as f64);
        }
    }

    /// Runs the stage and gives the bytes or chunks that it took.
    fn perform(&self, stage: Stage) -> usize {
        let all = self.ends.last().copied().unwrap_or(0);
        match stage {
            Stage::Read => self.read(),
            Stage::Scan => {
                black_box(scan(&self.config, &self.sample));
                self.sample.len()
            }
            Stage::Hash => {
                self.hash();
                all
            }
            Stage::Touch => {
                self.digests.iter().for_each(|digest| assert!(self.store.touch_if_present(digest).unwrap().is_some()));
                self.digests.len()
            }
            Stage::Compress => self.compress(),
            Stage::Write => {
                fs::create_dir(&self.scratch).unwrap();
                let write = |&i: &usize| fs::write(self.scratch.join(i.to_string()), &self.blobs[i]).unwrap();
                self.distinct.iter().for_each(write);
                self.distinct.iter().map(|&i| self.blobs[i].len()).sum()
            }
            Stage::Load => self.load(),
            Stage::Decode => {
                self.decode();
                all
            }
            Stage::WriteOut => self.write_out(),
        }
    }

    fn read(&self) -> usize {
        let (mut buffer, mut at) = (vec![0; STEP], 0);
        while at < self.sample.len() {
            at += self.file.read_at(&mut buffer, at as u64).unwrap();
        }
        at
    }

    /// A batch of chunks at a time, as ingest does.
    fn hash(&self) {
        // An image's chunks of zeros are known without their hash.
        let zeros = if self.fixed { vec![0; self.config.avg as usize] } else { Vec::new() };
        let chunks =
            (0..self.ends.len()).map(|i| self.chunk(i)).filter(|chunk| zeros.get(..chunk.len()) != Some(chunk));
        let chunks: Vec<&[u8]> = chunks.collect();
        let mut digests = [Digest([0; 32]); HASHED];
        for batch in chunks.chunks(HASHED) {
            sha256_all(batch, &[], &mut digests[..batch.len()]).unwrap();
            black_box(&digests);
        }
    }

    /// Three chunks at a time, as restore does.
    fn decode(&self) {
        let mut codec = Codec::new();
        let mut decoded = [(); 3].map(|()| vec![0; self.config.max as usize]);
        for (i, blobs) in self.blobs.chunks(3).enumerate() {
            let mut chunks: [&[u8]; 3] = [&[]; 3];
            for ((out, blob), chunk) in decoded.iter_mut().zip(blobs).zip(&mut chunks) {
                let len = codec.decode(Blob::load(blob).unwrap(), None, out).unwrap();
                *chunk = &out[..len];
            }
            let mut digests = [Digest([0; 32]); 3];
            sha256_all(&chunks[..blobs.len()], &[], &mut digests[..blobs.len()]).unwrap();
            assert_eq!(digests[..blobs.len()], self.digests[3 * i..][..blobs.len()]);
        }
    }

    fn compress(&self) -> usize {
        let (mut codec, mut encoded) = (Codec::new(), vec![0; self.config.max as usize + 12]);
        let mut sum = 0;
        for &i in &self.distinct {
            codec.encode(self.chunk(i), true, &mut encoded).unwrap();
            sum += self.chunk(i).len();
        }
        sum
    }

    fn load(&self) -> usize {
        let mut buffer = Vec::with_capacity(self.config.max as usize + 12);
        let mut sum = 0;
        for digest in &self.digests {
            buffer.clear();
            sum += File::open(self.store.chunk_path(digest)).unwrap().read_to_end(&mut buffer).unwrap();
        }
        sum
    }

    fn write_out(&self) -> usize {
        let mut file = File::create(&self.scratch).unwrap();
        // From memory that is in the cache, as what has just been decoded is.
        for piece in self.sample.chunks(STEP) {
            file.write_all(&self.sample[..piece.len()]).unwrap();
        }
        fs::remove_file(&self.scratch).unwrap();
        self.sample.len()
    }

    fn cost(&self, stage: Stage) -> f64 {
        let i = STAGES.iter().position(|&(other, _)| other == stage).unwrap();
        self.costs[i]
    }

    /// Seconds that a run which has moved `stats` would take if it shared the stages evenly among `threads` threads,
    /// as far as there are cores for them, and did nothing else.
    pub(crate) fn least_seconds(&self, action: Action, stats: &Stats, threads: usize) -> f64 {
        let cost = |stage, units: u64| self.cost(stage) * units as f64;
        let Stats { size, chunks, new_size, stored, encoded } = *stats;
        let seconds = match action {
            Action::GetToSink => cost(Stage::Load, encoded) + cost(Stage::Decode, size),
            Action::GetToFile => cost(Stage::Load, encoded) + cost(Stage::Decode, size) + cost(Stage::WriteOut, size),
            Action::PutFd | Action::PutSlices => {
                let read = if action == Action::PutFd { cost(Stage::Read, size) } else { 0.0 };
                let scan = if self.fixed { 0.0 } else { cost(Stage::Scan, size) };
                let new = cost(Stage::Compress, new_size) + cost(Stage::Write, stored);
                read + scan + cost(Stage::Hash, size) + cost(Stage::Touch, chunks) + new
            }
        };
        seconds / threads.min(cores()) as f64
    }

    /// The costs in MB/s, and that of a touch in microseconds.
    pub(crate) fn rates(&self) -> Value {
        let entries = STAGES.iter().map(|&(stage, name)| {
            let unit = if stage == Stage::Touch { ("us", 1e6) } else { ("mb_s", 0.0) };
            let cost = self.cost(stage);
            (format!("{}_{}", name.replace(' ', "_"), unit.0), if unit.1 > 0.0 { cost * unit.1 } else { 1e-6 / cost })
        });
        json!(entries.collect::<std::collections::BTreeMap<_, _>>())
    }

    /// The same in a line.
    pub(crate) fn describe(&self) -> String {
        let of = |&(stage, name): &(Stage, &str)| match stage {
            Stage::Touch => format!("{name} {:.1} us", self.cost(stage) * 1e6),
            _ => format!("{name} {:.0}", 1e-6 / self.cost(stage)),
        };
        STAGES.iter().map(of).collect::<Vec<_>>().join(", ")
    }
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
