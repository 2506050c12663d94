//! Verification, beside what it is made of: reading, decoding and hashing, each alone, on one thread.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use pxds::backup::{Backup, BackupOptions};
use pxds::base::SyncLevel;
use pxds::blob::{Blob, Codec};
use pxds::chunker::Config;
use pxds::crypt::digest_all;
use pxds::digest::Digest;
use pxds::index::Index;
use pxds::ingest::{Ingest, IngestOptions};
use pxds::name::Group;
use pxds::store::{Store, StoreOptions};
use pxds::verify::{Scope, Verifier, VerifyOptions};

use super::data;

const SIZE: usize = 1 << 30;
const ROUNDS: usize = 5;
const AVERAGES: [u64; 2] = [4 << 20, 64 << 10];
const ROWS: [&str; 5] = ["read", "CRC, decode", "hash, many at a time", "verify, 1 thread", "verify, 2 threads"];

/// Chunks that are hashed at a time, as a verification does.
const GROUP: usize = 32;

struct Scene<'a> {
    store: Store,
    digests: Vec<Digest>,
    blobs: Vec<Vec<u8>>,
    chunks: Vec<&'a [u8]>,
}

impl<'a> Scene<'a> {
    fn new(data: &'a [u8], avg: u64, path: &Path) -> Self {
        let options = StoreOptions { sync: SyncLevel::None, ..StoreOptions::default() };
        let store = Store::create(path, &options).unwrap();
        let options = IngestOptions { chunker: Config::from_avg(avg).unwrap(), ..IngestOptions::default() };
        let mut ingest = Ingest::new(store.chunks(), options).unwrap();
        ingest.write(data).unwrap();
        let mut stored = ingest.finish().unwrap();
        let index = Index::from_bytes(&stored.finish(usize::MAX).unwrap(), None).unwrap();
        let mut backup = Backup::new(&store, &Group::parse("host/x").unwrap(), BackupOptions::default()).unwrap();
        backup.add_index("a.didx", &mut stored).unwrap();
        backup.finish().unwrap();
        let all = || (0..index.count()).map(|i| index.chunk(i).unwrap());
        let blob = |digest| {
            let mut blob = Vec::new();
            store.chunks().load_raw(&digest, usize::MAX, &mut blob).unwrap();
            blob
        };
        Scene {
            digests: all().map(|chunk| chunk.digest).collect(),
            blobs: all().map(|chunk| blob(chunk.digest)).collect(),
            chunks: all().map(|chunk| &data[chunk.start as usize..chunk.end as usize]).collect(),
            store,
        }
    }

    fn run(&self, row: usize) {
        match row {
            0 => {
                let mut raw = Vec::new();
                for digest in &self.digests {
                    self.store.chunks().load_raw(digest, usize::MAX, &mut raw).unwrap();
                    black_box(&raw);
                }
            }
            1 => {
                let (mut codec, mut out) = (Codec::new(), vec![0; 16 << 20]);
                for blob in &self.blobs {
                    black_box(codec.decode(Blob::load(blob).unwrap(), None, &mut out).unwrap());
                }
            }
            2 => {
                let mut out = [Digest([0; 32]); GROUP];
                for group in self.chunks.chunks(GROUP) {
                    digest_all(group, None, &mut out[..group.len()]).unwrap();
                    black_box(&out);
                }
            }
            _ => {
                let options = VerifyOptions { threads: row - 2, read_only: true, ..VerifyOptions::default() };
                let mut verifier = Verifier::new(&self.store, options).unwrap();
                verifier.run(&Scope::Store).unwrap();
                assert_eq!((verifier.sums().ok, verifier.sums().bad), (1, 0));
            }
        }
    }
}

pub(crate) fn run(scratch: &Path) {
    let data = &data::mixed(SIZE, 21)[..];
    let scenes: Vec<_> =
        AVERAGES.iter().map(|&avg| Scene::new(data, avg, &scratch.join(format!("verify-{avg}")))).collect();
    let mut best = [[f64::INFINITY; AVERAGES.len()]; ROWS.len()];
    for _ in 0..ROUNDS {
        for (row, best) in best.iter_mut().enumerate() {
            for (scene, best) in scenes.iter().zip(best) {
                let start = Instant::now();
                scene.run(row);
                *best = best.min(start.elapsed().as_secs_f64());
            }
        }
    }
    println!();
    println!("{:<28} {:>12} {:>12} {:>12} {:>12}", "verify, best MB/s", "4096 KiB", "64 KiB", "of bound", "of bound");
    for (row, name) in ROWS.iter().enumerate() {
        print!("{name:<28}");
        for seconds in best[row] {
            print!(" {:>12.0}", SIZE as f64 / 1e6 / seconds);
        }
        if row >= 3 {
            // As if nothing but decoding and hashing took time, shared out evenly.
            for ((decode, hash), whole) in best[1].iter().zip(best[2]).zip(best[row]) {
                let bound = (decode + hash) / (row - 2) as f64;
                print!(" {:>11.0}%", 100.0 * bound / whole);
            }
        }
        println!();
    }
}
