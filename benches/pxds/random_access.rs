//! What is measured by the call and not by the byte: large indexes, reads from the cache, images that are mostly zeros.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use pxds::blob::Codec;
use pxds::chunks::InsertOptions;
use pxds::digest::Digest;
use pxds::hash::sha256;
use pxds::index::{DynamicWriter, FixedWriter, Index};
use pxds::reader::{Reader, ReaderOptions};
use pxds::restore::{RestoreOptions, Restorer};
use pxds::store::Store;
use pxds::sys::Output;

use super::{ROUNDS, data, new_store};

const CHUNK: usize = 4 << 20;
const ENTRIES: u64 = 1_000_000;

pub(crate) fn run(scratch: &Path) {
    println!();
    println!("{:<48} {:>12} {:>12}", "", "best", "median");
    large_index(scratch);
    let store = new_store(&scratch.join("image"));
    cached_reads(&store);
    mostly_zeros(&store, scratch);
}

/// Runs `work` in rounds and prints the best and the median time, divided by `calls`, in units of so many seconds.
pub(crate) fn row(name: &str, calls: usize, (unit, seconds): (&str, f64), mut work: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() / calls as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{name:<48} {:>9.2} {unit} {:>9.2} {unit}", times[0] / seconds, times[ROUNDS / 2] / seconds);
    times[0]
}

pub(crate) const MS: (&str, f64) = ("ms", 1e-3);
const NS: (&str, f64) = ("ns", 1e-9);

/// The next of a sequence of numbers that look random.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 17
}

fn large_index(scratch: &Path) {
    let path = scratch.join("large.didx");
    let mut writer = DynamicWriter::new(0, None).unwrap();
    let (mut end, mut noise) = (0, 1);
    for _ in 0..ENTRIES {
        end += 1 + next(&mut noise) % (8 << 20);
        let words: [u64; 4] = std::array::from_fn(|_| next(&mut noise));
        let mut digest = [0; 32];
        digest.chunks_exact_mut(8).zip(words).for_each(|(bytes, word)| bytes.copy_from_slice(&word.to_le_bytes()));
        writer.add(end, &Digest(digest)).unwrap();
    }
    writer.complete().unwrap().save(&Output::at(&path).unwrap(), false, None).unwrap();
    row("open a dynamic index of 1000000 entries", 1, MS, || {
        black_box(Index::open(&path, None).unwrap());
    });
    let index = Index::open(&path, None).unwrap();
    const CALLS: usize = 1_000_000;
    row("its chunk_from_offset, anywhere", CALLS, NS, || {
        for _ in 0..CALLS {
            black_box(index.chunk_from_offset(next(&mut noise) * 4096 % end));
        }
    });
}

/// Stores `chunks` and gives the fixed index of them.
fn put(store: &Store, chunks: &[&[u8]]) -> Index {
    let mut codec = Codec::new();
    let size = chunks.iter().map(|chunk| chunk.len() as u64).sum();
    let mut writer = FixedWriter::new(0, None, size, CHUNK as u64).unwrap();
    for (i, chunk) in chunks.iter().enumerate() {
        let digest = sha256(chunk);
        let blob = codec.encode_vec(chunk, true).unwrap();
        store.chunks().insert(&digest, &blob, InsertOptions::default()).unwrap();
        writer.set(i, &digest).unwrap();
    }
    Index::from_bytes(&writer.complete().unwrap().to_bytes(usize::MAX).unwrap(), None).unwrap()
}

fn cached_reads(store: &Store) {
    const CALLS: usize = 1_000_000;
    let data = data::mixed(8 * CHUNK, 2);
    let chunks: Vec<&[u8]> = data.chunks(CHUNK).collect();
    let index = Arc::new(put(store, &chunks));
    let reader = Reader::new(Arc::new(store.chunks().clone()), index, ReaderOptions::default()).unwrap();
    reader.read_at(0, &mut vec![0; data.len()]).unwrap();
    let mut block = [0; 4096];
    row("read_at of 4 KiB, one cached chunk", CALLS, NS, || {
        for i in 0..CALLS {
            reader.read_at((i * 4096 % CHUNK) as u64, black_box(&mut block)).unwrap();
        }
    });
    let mut noise = 3;
    row("read_at of 4 KiB, anywhere in 32 MiB cached", CALLS, NS, || {
        for _ in 0..CALLS {
            let offset = next(&mut noise) as usize % (data.len() / 4096) * 4096;
            reader.read_at(offset as u64, black_box(&mut block)).unwrap();
        }
    });
}

/// An image of which nine chunks in ten are zeros, to a file.
fn mostly_zeros(store: &Store, scratch: &Path) {
    const CHUNKS: usize = 200;
    let data = data::mixed(CHUNKS / 10 * CHUNK, 4);
    let zeros = vec![0; CHUNK];
    let chunks: Vec<&[u8]> = (0..CHUNKS)
        .map(|i| if i % 10 == 0 { &data[i / 10 * CHUNK..(i / 10 + 1) * CHUNK] } else { &zeros[..] })
        .collect();
    let index = put(store, &chunks);
    let path = scratch.join("restored");
    let to_file = |name, sparse| {
        let options = RestoreOptions { sparse, ..RestoreOptions::default() };
        let mut restorer = Restorer::new(store.chunks(), options);
        row(name, 1, MS, || {
            restorer.restore_file(&index, &path).unwrap();
            std::fs::remove_file(&path).unwrap();
        })
    };
    let plain = to_file("restore of 800 MiB, 90 % zeros", false);
    let sparse = to_file("the same, into holes", true);
    println!("{:<48} {:>9.1} x", "gained by holes", plain / sparse);
}
