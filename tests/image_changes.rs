//! Images after earlier ones: what has not changed is not read.

mod common;
#[path = "common/image.rs"]
mod image;

use std::fs;
use std::sync::{Arc, Mutex};

use common::{Rng, Scratch, age, failure, is_fresh, kind, reader};
use image::{C, bytes_of, check, disk, file_of, finish, growing, image, model, options, options_of, read_file, stored};
use pxds::callback::Callback;
use pxds::error::Kind;
use pxds::hash::sha256;
use pxds::index::{FixedWriter, Index};
use pxds::ingest::{Changes, ChunkResult, Image, ImageOptions, Ingest, IngestOptions, IngestStats, OnChunk};

/// A bitmap of the changed ranges.
fn bitmap(changes: &[(u64, u64)], granularity: u64, size: usize) -> Vec<u8> {
    let mut bits = vec![0; (size as u64).div_ceil(granularity).div_ceil(8) as usize];
    for &(offset, len) in changes.iter().filter(|(_, len)| *len > 0) {
        for bit in offset / granularity..=(offset + len - 1) / granularity {
            bits[(bit / 8) as usize] |= 1 << (bit % 8);
        }
    }
    bits
}

#[test]
fn only_what_has_changed_is_read() {
    let mut rng = Rng::new(53);
    for round in 0..20 {
        let scratch = Scratch::new();
        let store = scratch.store("store");
        let (chunks, last) = (1 + rng.below(20), rng.below(C));
        let before = disk(&mut rng, chunks, last);
        let earlier = stored(&store, &before);
        // Another size now, or the same; where both have bytes only the changes differ.
        let size = if round % 3 == 0 { before.len() } else { 1 + rng.below(24 * C) };
        let mut after = before.clone();
        after.resize(size, 0);
        if size > before.len() {
            let tail = rng.bytes(size - before.len());
            after[before.len()..].copy_from_slice(&tail);
        }
        let changes: Vec<(u64, u64)> = (0..rng.below(5))
            .map(|_| {
                let at = rng.below(size);
                let len = rng.below(C).min(size - at);
                let bytes = rng.bytes(len);
                after[at..at + len].copy_from_slice(&bytes);
                (at as u64, len as u64)
            })
            .collect();
        // What must not be read is not there to be read.
        let untouched = |i: usize| {
            let (start, end) = (i * C, size.min(i * C + C));
            let same_range = end == before.len().min(i * C + C);
            let touched = |&(at, len): &(u64, u64)| at < end as u64 && at + len > start as u64 && len > 0;
            same_range && !changes.iter().any(touched)
        };
        let reusable: Vec<usize> = (0..size.div_ceil(C)).filter(|&i| untouched(i)).collect();
        let mut poisoned = after.clone();
        for &i in &reusable {
            poisoned[i * C..size.min(i * C + C)].fill(0xee);
        }
        let file = file_of(&scratch, "file", &poisoned);
        // Coarser bits cover more than the changes, so that poison would be read: only as fine as a chunk here.
        for granularity in [1, 8, 512, C as u64] {
            let bits = bitmap(&changes, granularity, before.len().max(size));
            let mut image = image(&store, size);
            image.reuse(&earlier, Changes::Bitmap { bits: &bits, granularity }).unwrap();
            assert_eq!((image.stats().chunks, image.stats().new_chunks), (reusable.len() as u64, 0));
            read_file(&mut image, &file).unwrap();
            check(&store, &finish(image), &after, C);
        }
        let mut by_ranges = image(&store, size);
        by_ranges.reuse(&earlier, Changes::Ranges(changes.clone())).unwrap();
        assert_eq!((by_ranges.stats().chunks, by_ranges.stats().new_chunks), (reusable.len() as u64, 0));
        // In a stream it is passed over.
        by_ranges.read(&mut reader(&poisoned, 1 + rng.below(5000))).unwrap();
        check(&store, &finish(by_ranges), &after, C);
    }
}

#[test]
fn coarse_bits_cover_whole_stretches() {
    let before = Rng::new(54).bytes(10 * C + 1);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let earlier = stored(&store, &before);
    // Bit 1 of 2: the chunks from the fourth on.
    for (granularity, bits, reused) in
        [(4 * C as u64, [0b010], 7), (8 * C as u64, [0b01], 3), (1 << 63, [0], 11), (1 << 63, [1], 0)]
    {
        let mut image = image(&store, before.len());
        image.reuse(&earlier, Changes::Bitmap { bits: &bits, granularity }).unwrap();
        assert_eq!(image.stats().chunks, reused, "{granularity}");
        image.write(&before).unwrap();
        assert_eq!(image.stats().chunks, 11);
        check(&store, &finish(image), &before, C);
    }
}

#[test]
fn reused_chunks_are_touched_reported_and_counted() {
    let data = Rng::new(55).bytes(3 * C + 5);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let earlier = stored(&store, &data);
    let paths: Vec<_> = data.chunks(C).map(|chunk| store.chunks().chunk_path(&sha256(chunk))).collect();
    for path in &paths {
        age(path);
    }
    let log = Arc::new(Mutex::new(Vec::new()));
    let writer = Arc::clone(&log);
    let on_chunk: OnChunk = Callback(Arc::new(move |chunk: &ChunkResult| {
        writer.lock().unwrap().push(*chunk);
        Ok(())
    }));
    let options = ImageOptions { on_chunk: Some(on_chunk), ..options() };
    let mut image = Image::new(store.chunks(), Some(data.len() as u64), options).unwrap();
    image.reuse(&earlier, Changes::Ranges(vec![(C as u64, 1)])).unwrap();
    let fresh: Vec<bool> = paths.iter().map(|path| is_fresh(path)).collect();
    assert_eq!(fresh, [true, false, true, true]);
    let stored_size = |chunk: &[u8]| store.chunks().has(&sha256(chunk)).unwrap().unwrap();
    let expected: Vec<ChunkResult> = [0, 2, 3]
        .into_iter()
        .map(|i| {
            let chunk = data.chunks(C).nth(i).unwrap();
            ChunkResult {
                digest: sha256(chunk),
                offset: (i * C) as u64,
                size: chunk.len() as u64,
                stored_size: stored_size(chunk),
                existed: true,
            }
        })
        .collect();
    assert_eq!(*log.lock().unwrap(), expected);
    let stats = image.stats();
    assert_eq!((stats.chunks, stats.duplicates(), stats.size), (3, 3, 2 * C as u64 + 5));
    assert_eq!(stats.compressed_bytes, expected.iter().map(|chunk| chunk.stored_size).sum::<u64>());
    image.write(&data).unwrap();
    assert!(image.finish().unwrap().reused());
}

#[test]
fn a_chunk_that_the_store_has_lost_is_read_after_all() {
    let data = Rng::new(56).bytes(4 * C);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let earlier = stored(&store, &data);
    fs::remove_file(store.chunks().chunk_path(&sha256(&data[C..2 * C]))).unwrap();
    fs::write(store.chunks().chunk_path(&sha256(&data[2 * C..3 * C])), b"crash").unwrap();
    let mut image = image(&store, data.len());
    image.reuse(&earlier, Changes::Ranges(Vec::new())).unwrap();
    assert_eq!(image.stats().chunks, 2);
    let error = failure(image.finish());
    assert_eq!((error.kind(), error.offset()), (Kind::State, Some(C as u64)));
    read_file(&mut image, &file_of(&scratch, "file", &data)).unwrap();
    assert_eq!((image.stats().chunks, image.stats().new_chunks), (4, 2));
    check(&store, &finish(image), &data, C);
}

#[test]
fn indexes_and_changes_that_do_not_fit_change_nothing() {
    let data = Rng::new(57).bytes(4 * C);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let earlier = stored(&store, &data);
    let mut other = Image::new(store.chunks(), Some(4 * C as u64), options_of(2 * C)).unwrap();
    other.write(&data).unwrap();
    let other = Index::from_bytes(&finish(other), None).unwrap();
    let mut stream = Ingest::new(store.chunks(), IngestOptions::default()).unwrap();
    stream.write(&data).unwrap();
    let dynamic = Index::from_bytes(&bytes_of(stream.finish().unwrap()), None).unwrap();
    let mut damaged = model(&data, C);
    damaged[4096] ^= 1;
    let damaged = Index::from_bytes(&damaged, None).unwrap();

    let mut image = image(&store, data.len());
    let nothing = || Changes::Ranges(Vec::new());
    let bits = |bits: &'static [u8], granularity| Changes::Bitmap { bits, granularity };
    for (what, earlier, changes, expected) in [
        ("another chunk size", &other, nothing(), Kind::Argument),
        ("a dynamic index", &dynamic, nothing(), Kind::Argument),
        ("a wrong csum", &damaged, nothing(), Kind::Corrupt),
        ("beyond 2^64", &earlier, Changes::Ranges(vec![(0, 1), (u64::MAX, 2)]), Kind::Argument),
        ("too few bits", &earlier, bits(&[0], 256), Kind::Argument),
        ("no bits", &earlier, bits(&[], 1 << 40), Kind::Argument),
        ("no power of two", &earlier, bits(&[0; 100], 3 * 512), Kind::Argument),
        ("no granularity", &earlier, bits(&[0; 100], 0), Kind::Argument),
    ] {
        assert_eq!(kind(image.reuse(earlier, changes)), expected, "{what}");
    }
    assert_eq!(image.stats(), IngestStats::default());
    image.reuse(&earlier, bits(&[0xf0], C as u64)).unwrap();
    assert_eq!(image.stats().chunks, 4);
    // Bits that nobody needs may be missing: the second image is longer than the first.
    let mut longer = self::image(&store, 100 * C);
    longer.reuse(&earlier, bits(&[0], C as u64)).unwrap();
    assert_eq!(longer.stats().chunks, 4);

    assert_eq!(kind(growing(&store).reuse(&earlier, nothing())), Kind::State);
    let mut index = image.finish().unwrap();
    assert!(index.reused());
    assert!(index.finish(usize::MAX).unwrap() == model(&data, C));
}

#[test]
fn what_was_given_is_not_taken_from_an_earlier_image() {
    let before = Rng::new(62).bytes(3 * C);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let earlier = stored(&store, &before);
    let mut after = before.clone();
    after[C] ^= 1;
    let mut image = image(&store, 3 * C);
    image.write_at(C as u64, &after[C..2 * C]).unwrap();
    image.reuse(&earlier, Changes::Ranges(Vec::new())).unwrap();
    assert_eq!(image.stats().chunks, 3);
    check(&store, &finish(image), &after, C);
    // The other way round the caller's bytes count too.
    let mut image = self::image(&store, 3 * C);
    image.reuse(&earlier, Changes::Ranges(Vec::new())).unwrap();
    image.write_at(C as u64, &after[C..2 * C]).unwrap();
    assert_eq!((image.stats().chunks, image.stats().size), (4, 4 * C as u64));
    check(&store, &finish(image), &after, C);
}

#[test]
fn digests_of_zeros_name_no_chunk() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let mut incomplete = FixedWriter::new(0, None, 2 * C as u64, C as u64).unwrap().allow_incomplete();
    let earlier = Index::from_bytes(&incomplete.complete().unwrap().to_bytes(usize::MAX).unwrap(), None).unwrap();
    let mut image = image(&store, 2 * C);
    image.reuse(&earlier, Changes::Ranges(Vec::new())).unwrap();
    assert_eq!(image.stats().chunks, 0);
}
