//! Streams into a store: chunks, index, callbacks, and how an ingest can end.

mod common;

use std::fs;
use std::sync::{Arc, Mutex};

use common::{
    Json, Rng, Scratch, age, assert_only_chunks, failure, generate, is_fresh, kind, mode, names, plant, quick, reader,
    reopen, tree, vector_json,
};
use pxds::base::NoticeLevel;
use pxds::blob::Codec;
use pxds::callback::Callback;
use pxds::chunker::Config;
use pxds::error::{Error, Kind, Result};
use pxds::hash::sha256;
use pxds::index::{ChunkInfo, Index, IndexKind};
use pxds::ingest::{ChunkResult, Ingest, IngestOptions, IngestStats, OnChunk, StoredIndex};
use pxds::limits::{BLOB_MAX_ENCODED_SIZE, BLOB_MAX_SIZE};
use pxds::store::{Store, StoreOptions};
use pxds::sys::{self, Dir};

/// Chunks of 1 to 16 KiB, and an index that is the same in every run.
fn options() -> IngestOptions {
    IngestOptions {
        chunker: Config::from_avg(4096).unwrap(),
        ctime: Some(1_234_567_890),
        uuid: Some(*b"0123456789abcdef"),
        ..IngestOptions::default()
    }
}

fn ingest(store: &Store) -> Ingest {
    Ingest::new(store.chunks(), options()).unwrap()
}

/// Gives all of `data` in one call.
fn take_in(store: &Store, data: &[u8]) -> (StoredIndex, IngestStats) {
    let mut ingest = ingest(store);
    ingest.write(data).unwrap();
    let index = ingest.finish().unwrap();
    (index, ingest.stats())
}

fn bytes_of(mut index: StoredIndex) -> Vec<u8> {
    index.finish(usize::MAX).unwrap()
}

fn chunks_of(bytes: &[u8]) -> Vec<ChunkInfo> {
    let index = Index::from_bytes(bytes, Some(IndexKind::Dynamic)).unwrap();
    index.check_csum().unwrap();
    (0..index.count()).map(|i| index.chunk(i).unwrap()).collect()
}

/// Checks that the index describes `data`, and that the store has it.
fn check(store: &Store, index: &[u8], data: &[u8]) {
    let (mut codec, mut raw, mut at) = (Codec::new(), Vec::new(), 0);
    for ChunkInfo { start, end, digest } in chunks_of(index) {
        assert_eq!(start, at);
        let blob = store.chunks().load(&digest, BLOB_MAX_ENCODED_SIZE, &mut raw).unwrap();
        let plain = codec.decode_vec(blob, Some(&digest), BLOB_MAX_SIZE).unwrap();
        assert!(plain == data[start as usize..end as usize], "{start} to {end}");
        at = end;
    }
    assert_eq!(at, data.len() as u64);
}

// ---- what comes of a stream ----

#[test]
fn the_chunks_are_those_of_pbs() {
    let vectors = vector_json("chunker/chunker.json");
    let name = |case: &&serde_json::Value| case.get_str("name") == "rnd-avg4096";
    let case = vectors.get_list("cases").iter().find(name).unwrap();
    let data = generate(case.get_list("data"));
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let (index, stats) = take_in(&store, &data);
    let bytes = bytes_of(index);
    let found: Vec<_> = chunks_of(&bytes).iter().map(|chunk| (chunk.end, chunk.digest)).collect();
    let ends = case.get_list("ends").iter().map(|end| end.as_u64().unwrap());
    let expected: Vec<_> = ends.zip(case.get_list("digests").iter().map(common::digest_of)).collect();
    assert_eq!(found, expected);
    assert_eq!((stats.size, stats.chunks), (data.len() as u64, expected.len() as u64));
    check(&store, &bytes, &data);
}

#[test]
fn the_index_does_not_depend_on_how_the_stream_comes() {
    let mut rng = Rng::new(11);
    for round in 0..8 {
        let len = rng.below(400_000);
        let data = rng.mixture(len);
        let scratch = Scratch::new();
        let store = scratch.store("whole");
        let (index, expected_stats) = take_in(&store, &data);
        let expected = bytes_of(index);
        check(&store, &expected, &data);

        for (i, max) in [3000, 100_000, 1_000_000].into_iter().enumerate() {
            let store = scratch.store(&format!("pieces-{i}"));
            let mut ingest = ingest(&store);
            for piece in rng.pieces(&data, max) {
                // Written and read in any mixture.
                if rng.below(2) == 0 {
                    ingest.write(piece).unwrap();
                } else {
                    ingest.read(&mut reader(piece, 1 + rng.below(9000))).unwrap();
                }
            }
            let index = ingest.finish().unwrap();
            assert!(bytes_of(index) == expected, "round {round}, pieces of up to {max}");
            assert_eq!(ingest.stats(), expected_stats, "round {round}, pieces of up to {max}");
            assert_eq!(tree(&store.path().join(".chunks")), tree(&scratch.join("whole/.chunks")));
        }
    }
}

#[test]
fn single_bytes_make_the_same_index() {
    let data = Rng::new(12).mixture(50_000);
    let scratch = Scratch::new();
    let expected = bytes_of(take_in(&scratch.store("whole"), &data).0);
    let (written, read) = (scratch.store("written"), scratch.store("read"));
    let mut ingest_written = ingest(&written);
    data.chunks(1).for_each(|byte| ingest_written.write(byte).unwrap());
    assert!(bytes_of(ingest_written.finish().unwrap()) == expected);
    let mut ingest_read = ingest(&read);
    ingest_read.read(&mut reader(&data, 1)).unwrap();
    assert!(bytes_of(ingest_read.finish().unwrap()) == expected);
}

#[test]
fn an_empty_stream_has_an_empty_index() {
    for feed in [
        (|_| Ok(())) as fn(&mut Ingest) -> Result<()>,
        |ingest| ingest.write(b""),
        |ingest| ingest.read(&mut |_| Ok(0)),
    ] {
        let scratch = Scratch::new();
        let store = scratch.store("store");
        let mut ingest = ingest(&store);
        feed(&mut ingest).unwrap();
        let mut index = ingest.finish().unwrap();
        assert_eq!(ingest.stats(), IngestStats::default());
        assert_eq!((index.summary().count, index.summary().size), (0, 0));
        assert_eq!(index.summary().header.csum, sha256(b"").0);
        let path = scratch.join("empty.didx");
        index.save(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap().len(), 4096);
        assert_eq!(Index::open(&path, None).unwrap().count(), 0);
        assert_only_chunks(&store, &[]);
    }
}

#[test]
fn the_default_is_4_mib_and_compression() {
    let data = [vec![0; 9 << 20], Rng::new(13).bytes(9 << 20)].concat();
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let before = sys::now();
    let mut ingest = Ingest::new(store.chunks(), IngestOptions::default()).unwrap();
    ingest.read(&mut reader(&data, usize::MAX)).unwrap();
    let index = ingest.finish().unwrap();
    let header = index.summary().header;
    assert!((before..=sys::now()).contains(&header.ctime));
    assert_eq!((header.uuid[6] >> 4, header.uuid[8] >> 6), (4, 2), "a random uuid");
    let bytes = bytes_of(index);
    check(&store, &bytes, &data);
    for chunk in &chunks_of(&bytes)[..chunks_of(&bytes).len() - 1] {
        assert!((1 << 20..=16 << 20).contains(&(chunk.end - chunk.start)));
    }
    // The noise is stored as it is, the zeros take next to nothing.
    assert!((9 << 20..10 << 20).contains(&ingest.stats().stored_bytes));
    let (one, other) =
        (take_in(&store, b"").0, Ingest::new(store.chunks(), IngestOptions::default()).unwrap().finish().unwrap());
    assert_ne!(one.summary().header.uuid, other.summary().header.uuid);
    assert_ne!(header.uuid, other.summary().header.uuid);
}

#[test]
fn chunks_are_compressed_unless_told_not_to_be() {
    let data = vec![b'x'; 100_000];
    let scratch = Scratch::new();
    let (compressed, plain) = (scratch.store("compressed"), scratch.store("plain"));
    let with = take_in(&compressed, &data);
    let mut ingest = Ingest::new(plain.chunks(), IngestOptions { compress: false, ..options() }).unwrap();
    ingest.write(&data).unwrap();
    let without = (ingest.finish().unwrap(), ingest.stats());
    assert!(with.1.stored_bytes < 1000);
    assert_eq!(without.1.stored_bytes, without.1.new_bytes + 12 * without.1.new_chunks);
    check(&plain, &bytes_of(without.0), &data);
    check(&compressed, &bytes_of(with.0), &data);
}

// ---- what the store has already ----

#[test]
fn a_second_ingest_stores_nothing_and_touches_everything() {
    let data = Rng::new(14).mixture(300_000);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let (first, first_stats) = take_in(&store, &data);
    assert_eq!(first_stats.size, data.len() as u64);
    assert!(first_stats.new_chunks > 10 && first_stats.new_chunks <= first_stats.chunks);
    let before = tree(store.path());
    let paths: Vec<_> =
        store.chunks().iter().unwrap().map(|entry| store.chunks().chunk_path(&entry.unwrap().digest)).collect();
    assert_eq!(paths.len() as u64, first_stats.new_chunks);
    let sizes: u64 = paths.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert_eq!(sizes, first_stats.stored_bytes);
    let modified: Vec<_> = paths.iter().map(|path| age(path).1).collect();

    let (second, second_stats) = take_in(&store, &data);
    assert!(bytes_of(second) == bytes_of(first));
    let expected = IngestStats { new_chunks: 0, new_bytes: 0, stored_bytes: 0, ..first_stats };
    assert_eq!(second_stats, expected);
    assert_eq!(second_stats.duplicates(), second_stats.chunks);
    assert!(tree(store.path()) == before);
    for (path, modified) in paths.iter().zip(modified) {
        assert!(is_fresh(path), "{} is not touched", path.display());
        assert_eq!(common::times_of(path).1, modified);
    }
}

#[test]
fn lost_and_cut_off_chunks_are_stored_anew() {
    let data = Rng::new(15).bytes(200_000);
    let scratch = Scratch::new();
    let said = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&said);
    let notice = Arc::new(move |level: NoticeLevel, _: &str, path: Option<&std::path::Path>| {
        // The small chunks are worth a word too, but no warning.
        if level == NoticeLevel::Warning {
            listener.lock().unwrap().push(path.unwrap().to_path_buf());
        }
        Ok(())
    });
    let store = scratch.store_with("store", &StoreOptions { notice: Some(Callback(notice)), ..quick() });
    let index = bytes_of(take_in(&store, &data).0);
    let before = tree(store.path());
    let chunks = chunks_of(&index);
    let (lost, cut, emptied) = (&chunks[2].digest, &chunks[5].digest, &chunks[9].digest);
    fs::remove_file(store.chunks().chunk_path(lost)).unwrap();
    fs::write(store.chunks().chunk_path(cut), b"5byte").unwrap();
    fs::write(store.chunks().chunk_path(emptied), b"").unwrap();

    let (again, stats) = take_in(&store, &data);
    assert!(bytes_of(again) == index);
    assert_eq!((stats.chunks, stats.new_chunks), (chunks.len() as u64, 3));
    assert!(tree(store.path()) == before);
    assert_eq!(*said.lock().unwrap(), [cut, emptied].map(|digest| store.chunks().chunk_path(digest)));
}

// ---- the callback ----

type Log = Arc<Mutex<Vec<ChunkResult>>>;

/// Options whose callback writes down each chunk, and stops after chunk number `stop_after`.
fn logging(stop_after: Option<usize>) -> (IngestOptions, Log) {
    let log = Log::default();
    let writer = Arc::clone(&log);
    let on_chunk: OnChunk = Callback(Arc::new(move |chunk: &ChunkResult| {
        let mut log = writer.lock().unwrap();
        log.push(*chunk);
        if stop_after == Some(log.len() - 1) { Err(Error::cancelled("test", 9)) } else { Ok(()) }
    }));
    (IngestOptions { on_chunk: Some(on_chunk), ..options() }, log)
}

#[test]
fn the_callback_is_told_of_each_chunk_in_order() {
    let zeros = vec![0; 100_000];
    let data = [&zeros[..], &Rng::new(16).bytes(100_000)].concat();
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let (options, log) = logging(None);
    let mut ingest = Ingest::new(store.chunks(), options).unwrap();
    ingest.write(&data).unwrap();
    let index = bytes_of(ingest.finish().unwrap());
    let log = log.lock().unwrap().clone();

    let chunks = chunks_of(&index);
    assert_eq!(log.len(), chunks.len());
    let mut sums = IngestStats::default();
    for (told, chunk) in log.iter().zip(&chunks) {
        assert_eq!((told.digest, told.offset, told.offset + told.size), (chunk.digest, chunk.start, chunk.end));
        assert_eq!(store.chunks().has(&told.digest).unwrap(), Some(told.stored_size));
        sums.size += told.size;
        sums.chunks += 1;
        sums.compressed_bytes += told.stored_size;
        if !told.existed {
            sums.new_chunks += 1;
            sums.new_bytes += told.size;
            sums.stored_bytes += told.stored_size;
        }
    }
    assert_eq!(ingest.stats(), sums);
    // 100000 zeros are cut every 16384 bytes; from the second such chunk on the store has it.
    let existed: Vec<_> = log[..6].iter().map(|told| told.existed).collect();
    assert_eq!(existed, [false, true, true, true, true, true]);
}

#[test]
fn a_cancelled_ingest_has_the_index_of_its_start() {
    let data = Rng::new(17).mixture(150_000);
    let scratch = Scratch::new();
    let whole = bytes_of(take_in(&scratch.store("whole"), &data).0);
    let chunks = chunks_of(&whole);
    let last = chunks.len() - 1;
    for (i, k) in [0, 1, 5, last - 1, last].into_iter().enumerate() {
        let store = scratch.store(&format!("cancelled-{i}"));
        let (options, log) = logging(Some(k));
        let mut ingest = Ingest::new(store.chunks(), options).unwrap();
        assert_eq!(kind(ingest.partial()), Kind::State);
        // The last chunk is stored by finishing.
        let error = match ingest.write(&data) {
            Err(error) => error,
            Ok(()) => failure(ingest.finish()),
        };
        assert_eq!((error.kind(), error.callback_value()), (Kind::Cancelled, 9));
        assert_eq!(log.lock().unwrap().len(), k + 1);
        assert_eq!(ingest.stats().chunks, k as u64 + 1);

        for refused in [kind(ingest.write(b"x")), kind(ingest.read(&mut |_| Ok(0))), kind(ingest.finish())] {
            assert_eq!(refused, Kind::State);
        }
        let partial = bytes_of(ingest.partial().unwrap());
        assert_eq!(chunks_of(&partial), chunks[..=k]);
        check(&store, &partial, &data[..chunks[k].end as usize]);
        assert_eq!(kind(ingest.partial()), Kind::State, "the second time");
        assert_only_chunks(&store, &[]);
    }
}

// ---- failures and order of calls ----

#[test]
fn a_failing_reader_ends_the_ingest() {
    let data = Rng::new(18).bytes(100_000);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let mut ingest = ingest(&store);
    let mut good = reader(&data, 7000);
    let mut calls = 0;
    let error = failure(ingest.read(&mut |buffer| {
        calls += 1;
        if calls < 10 { good(buffer) } else { Err(Error::new(Kind::Io, "the disk is on fire")) }
    }));
    assert_eq!((error.kind(), error.message()), (Kind::Io, "the disk is on fire"));
    for refused in [kind(ingest.write(b"x")), kind(ingest.finish()), kind(ingest.partial())] {
        assert_eq!(refused, Kind::State);
    }
    drop(ingest);
    assert_only_chunks(&store, &[]);
}

#[test]
fn a_reader_that_asks_to_stop_leaves_a_partial_index() {
    let data = Rng::new(19).bytes(100_000);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let mut ingest = ingest(&store);
    ingest.write(&data).unwrap();
    assert_eq!(kind(ingest.read(&mut |_| Err(Error::cancelled("test", 3)))), Kind::Cancelled);
    let stored = ingest.stats().size as usize;
    assert!(stored > 0 && stored < data.len(), "the last chunk has not ended");
    check(&store, &bytes_of(ingest.partial().unwrap()), &data[..stored]);
}

#[test]
fn a_reader_that_claims_too_much_is_refused() {
    for claim in [1, 1000, usize::MAX / 2] {
        let scratch = Scratch::new();
        let store = scratch.store("store");
        let mut ingest = ingest(&store);
        assert_eq!(kind(ingest.read(&mut |buffer| Ok(buffer.len() + claim))), Kind::Argument);
        assert_eq!(kind(ingest.write(b"x")), Kind::State);
        assert_eq!(ingest.stats(), IngestStats::default());
    }
}

#[test]
fn nothing_is_taken_after_the_end() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let mut ingest = ingest(&store);
    ingest.write(b"data").unwrap();
    let _index = ingest.finish().unwrap();
    let refused =
        [kind(ingest.write(b"")), kind(ingest.read(&mut |_| Ok(0))), kind(ingest.finish()), kind(ingest.partial())];
    assert_eq!(refused, [Kind::State; 4]);
    assert_eq!(ingest.stats().size, 4);
}

#[test]
fn a_store_that_fails_ends_the_ingest() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    // Something that is no file has the name of the only chunk.
    let digest = sha256(b"data");
    fs::create_dir_all(store.chunks().chunk_path(&digest)).unwrap();
    let mut ingest = ingest(&store);
    ingest.write(b"data").unwrap();
    let error = failure(ingest.finish());
    assert_eq!((error.kind(), error.digest()), (Kind::Exists, Some(&digest)));
    assert_eq!([kind(ingest.finish()), kind(ingest.partial())], [Kind::State; 2]);
    assert_eq!(ingest.stats(), IngestStats::default());
}

#[test]
fn configurations_that_cannot_be_are_refused() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let good = Config::from_avg(4096).unwrap();
    for chunker in [
        Config::from_avg(64 << 20).unwrap(),
        Config { max: BLOB_MAX_SIZE as u64 + 1, ..good },
        Config { min: 4097, ..good },
        Config { mask: 6, threshold: 1, ..good },
    ] {
        assert_eq!(kind(Ingest::new(store.chunks(), IngestOptions { chunker, ..options() })), Kind::Argument);
    }
    // No lock is left behind.
    drop(reopen(&store).chunks().lock_exclusive().unwrap());
    for chunker in [Config::from_avg(32 << 20).unwrap(), Config { max: BLOB_MAX_SIZE as u64, ..good }] {
        Ingest::new(store.chunks(), IngestOptions { chunker, ..options() }).unwrap();
    }
}

// ---- index files ----

#[test]
fn the_saved_file_is_the_finished_index() {
    let data = Rng::new(20).mixture(100_000);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let (mut index, _) = take_in(&store, &data);
    let bytes = index.finish(usize::MAX).unwrap();
    assert_eq!(index.finish(bytes.len()).unwrap(), bytes);
    assert_eq!(kind(index.finish(bytes.len() - 1)), Kind::Limit);
    assert_eq!(bytes[8..24], *b"0123456789abcdef");
    assert_eq!(bytes[24..32], 1_234_567_890_i64.to_le_bytes());

    // Inside the store, in place of an older one.
    let path = store.path().join("a.didx");
    take_in(&store, &data[1..]).0.save(&path).unwrap();
    index.save(&path).unwrap();
    assert!(fs::read(&path).unwrap() == bytes);
    assert_eq!(mode(&path), 0o644);
    assert_only_chunks(&store, &["a.didx"]);
    assert_eq!(kind(index.save(&scratch.join("b.didx"))), Kind::State, "the chunks are no longer held");
    assert_eq!(names(scratch.path()), ["store"]);
}

#[test]
fn an_index_that_is_not_saved_leaves_no_trace() {
    let data = Rng::new(21).bytes(100_000);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    drop(take_in(&store, &data));
    assert_only_chunks(&store, &[]);
    let mut dropped = ingest(&store);
    dropped.write(&data[1..]).unwrap();
    drop(dropped);
    assert_only_chunks(&store, &[]);
    assert_eq!(names(scratch.path()), ["store"]);
}

#[test]
fn an_index_that_cannot_be_saved_can_be_saved_elsewhere() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let (mut index, _) = take_in(&store, b"data");
    fs::create_dir(scratch.join("directory")).unwrap();
    for (bad, expected) in
        [("missing/a.didx", Kind::NotFound), ("directory", Kind::Exists), ("directory/", Kind::Argument)]
    {
        assert_eq!(kind(index.save(&scratch.join(bad))), expected, "{bad}");
        assert_eq!(kind(reopen(&store).chunks().lock_exclusive()), Kind::Busy, "the chunks are still held");
    }
    assert_eq!(names(&scratch.join("directory")), [""; 0]);
    index.save(&scratch.join("directory/a.didx")).unwrap();
    assert_eq!(names(&scratch.join("directory")), ["a.didx"]);
    drop(reopen(&store).chunks().lock_exclusive().unwrap());
}

/// For a writer of a whole snapshot, who syncs once.
#[test]
fn an_index_can_be_saved_without_letting_go_of_the_store() {
    let data = Rng::new(22).mixture(100_000);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let (mut index, stats) = take_in(&store, &data);
    assert_eq!((index.kind(), index.stats()), (IndexKind::Dynamic, stats));
    let dir = Dir::open(scratch.path()).unwrap();
    index.save_in(&dir, c"a.didx", true, None).unwrap();
    assert_eq!(kind(reopen(&store).chunks().lock_exclusive()), Kind::Busy, "the chunks are still held");
    assert_eq!(names(scratch.path()), ["a.didx", "store"]);
    assert_eq!(mode(&scratch.join("a.didx")), 0o644);
    assert!(fs::read(scratch.join("a.didx")).unwrap() == index.finish(usize::MAX).unwrap());
    index.save(&scratch.join("b.didx")).unwrap();
    assert_eq!(kind(index.save_in(&dir, c"c.didx", true, None)), Kind::State, "the chunks are no longer held");
}

#[test]
fn an_index_knows_whether_it_uses_chunks_of_others() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    assert!(!take_in(&store, b"data").0.reused());
    assert!(take_in(&store, b"data").0.reused());
    let (mut added, stats) = take_in(&store, b"other");
    assert!(!added.reused());
    added.add(9, &sha256(b"data")).unwrap();
    assert!(added.reused());
    assert_eq!((added.stats(), added.summary().count), (stats, 2));
}

// ---- the lock ----

#[test]
fn the_store_is_held_from_the_start_until_the_index_is_saved() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let free = || reopen(&store).chunks().lock_exclusive().is_ok();
    assert!(free());
    let mut ingest = ingest(&store);
    assert!(!free());
    assert!(store.chunks().oldest_writer().is_some());
    ingest.write(b"data").unwrap();
    let mut index = ingest.finish().unwrap();
    assert!(!free());
    drop(ingest);
    assert!(!free(), "the index holds it");
    let _bytes = index.finish(usize::MAX).unwrap();
    assert!(!free(), "no file names the chunks yet");
    index.save(&scratch.join("a.didx")).unwrap();
    assert!(free());
    assert_eq!(store.chunks().oldest_writer(), None);
}

#[test]
fn the_store_is_held_until_the_index_is_dropped() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let free = || reopen(&store).chunks().lock_exclusive().is_ok();
    let mut unfinished = ingest(&store);
    unfinished.write(b"data").unwrap();
    assert!(!free());
    drop(unfinished);
    assert!(free());
    let (index, _) = take_in(&store, b"data");
    assert!(!free());
    drop(index);
    assert!(free());

    let (options, _) = logging(Some(0));
    let mut cancelled = Ingest::new(store.chunks(), options).unwrap();
    cancelled.write(&[0; 20_000]).unwrap();
    assert_eq!(kind(cancelled.finish()), Kind::Cancelled);
    let partial = cancelled.partial().unwrap();
    drop(cancelled);
    assert!(!free());
    drop(partial);
    assert!(free());
}

#[test]
fn nothing_can_be_stored_while_the_store_is_collected() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let collection = reopen(&store).chunks().lock_exclusive().unwrap();
    let error = failure(Ingest::new(store.chunks(), options()));
    assert_eq!((error.kind(), error.path()), (Kind::Busy, Some(&*store.path().join(".lock"))));
    drop(collection);
    // Within one handle the two go together.
    let _collection = store.chunks().lock_exclusive().unwrap();
    take_in(&store, b"data");
}

#[test]
fn a_damaged_chunk_of_plausible_size_is_not_looked_at() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let digest = sha256(b"data");
    let path = plant(&store, &digest, &[0; 16]);
    let (_, stats) = take_in(&store, b"data");
    assert_eq!((stats.chunks, stats.new_chunks), (1, 0));
    assert_eq!(fs::read(path).unwrap(), [0; 16]);
}
