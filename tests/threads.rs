//! What is stored does not depend on how many threads store it, and callbacks stay on the caller's.

mod common;

use std::fs::{self, File};
use std::io::{Seek, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use common::{Rng, Scratch, failure, kind, names, plant, quick, reopen, tree};
use pxds::callback::Callback;
use pxds::chunker::Config;
use pxds::crypt::CryptKey;
use pxds::error::{Error, Kind, Result};
use pxds::hash::sha256;
use pxds::index::{Index, IndexKind};
use pxds::ingest::{ChunkResult, Image, ImageOptions, Ingest, IngestOptions, IngestStats, OnChunk, StoredIndex};
use pxds::store::{Store, StoreOptions};
use pxds::sys::CallerFd;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Several times the smallest batch: there is work for all threads.
fn data() -> Vec<u8> {
    let mut rng = Rng::new(91);
    let mut data = rng.mixture(6 * MIB);
    data.resize(9 * MIB, 0);
    data.extend(rng.mixture(5 * MIB + 77));
    data.extend_from_within(MIB..4 * MIB);
    data
}

fn options(threads: usize) -> IngestOptions {
    IngestOptions {
        chunker: Config::from_avg(64 << 10).unwrap(),
        ctime: Some(1_234_567_890),
        uuid: Some(*b"0123456789abcdef"),
        threads,
        ..IngestOptions::default()
    }
}

fn image_options(threads: usize) -> ImageOptions {
    ImageOptions {
        chunk_size: 64 << 10,
        ctime: Some(1_234_567_890),
        uuid: Some(*b"0123456789abcdef"),
        threads,
        ..ImageOptions::default()
    }
}

fn bytes_of(mut index: StoredIndex) -> Vec<u8> {
    index.finish(usize::MAX).unwrap()
}

fn file_of(path: &Path, data: &[u8]) -> File {
    fs::write(path, data).unwrap();
    File::open(path).unwrap()
}

fn fd(file: &impl AsRawFd) -> CallerFd<'_> {
    CallerFd::new(file.as_raw_fd()).unwrap()
}

/// Gives `data` by a pipe to `take`.
fn through_a_pipe<T>(data: &[u8], take: impl FnOnce(CallerFd<'_>) -> T) -> T {
    let (reader, mut writer) = std::io::pipe().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || writer.write_all(data).unwrap());
        take(fd(&reader))
    })
}

fn reader(mut data: &[u8], step: usize) -> impl FnMut(&mut [u8]) -> Result<usize> {
    move |buffer| {
        let (now, rest) = data.split_at(step.min(data.len()).min(buffer.len()));
        buffer[..now.len()].copy_from_slice(now);
        data = rest;
        Ok(now.len())
    }
}

// ---- the same results ----

type Feed<'a, T> = (&'a str, &'a dyn Fn(&mut T) -> Result<()>);

/// The index, the sums and the chunks' files of everything that is `fed`.
fn stream(scratch: &Scratch, name: &str, threads: usize, (_, feed): Feed<'_, Ingest>) -> (Vec<u8>, IngestStats, Store) {
    let store = scratch.store(name);
    let mut ingest = Ingest::new(store.chunks(), options(threads)).unwrap();
    feed(&mut ingest).unwrap();
    let index = bytes_of(ingest.finish().unwrap());
    (index, ingest.stats(), store)
}

#[test]
fn a_stream_is_the_same_by_any_number_of_threads_and_any_way_in() {
    let data = data();
    let scratch = Scratch::new();
    let file = scratch.join("file");
    let feeds: [Feed<'_, Ingest>; 6] = [
        ("whole", &|ingest| ingest.write(&data)),
        ("small", &|ingest| data.chunks(100 * KIB + 1).try_for_each(|piece| ingest.write(piece))),
        ("large and small", &|ingest| {
            let (begin, rest) = data.split_at(10 * KIB);
            ingest.write(begin)?;
            let (large, rest) = rest.split_at(9 * MIB);
            ingest.write(large)?;
            ingest.read(&mut reader(rest, 70 * KIB))
        }),
        ("file", &|ingest| ingest.read_fd(fd(&file_of(&file, &data)))),
        ("pipe", &|ingest| through_a_pipe(&data, |fd| ingest.read_fd(fd))),
        ("callback", &|ingest| ingest.read(&mut reader(&data, 333_333))),
    ];
    let (expected, sums, store) = stream(&scratch, "expected", 1, feeds[0]);
    let chunks = tree(&store.path().join(".chunks"));
    assert!(sums.chunks > 100 && sums.duplicates() > 30, "{sums:?}");
    for threads in [1, 2, 5] {
        for feed in feeds {
            let name = format!("{}-{threads}", feed.0);
            let (index, stats, store) = stream(&scratch, &name, threads, feed);
            assert!(index == expected, "{name}");
            assert_eq!(stats, sums, "{name}");
            assert!(tree(&store.path().join(".chunks")) == chunks, "{name}");
            fs::remove_dir_all(store.path()).unwrap();
        }
    }
}

#[test]
fn an_encrypted_stream_has_the_same_index_by_any_number_of_threads() {
    let data = data();
    let key = Arc::new(CryptKey::new(&[7; 32]));
    let scratch = Scratch::new();
    let indexes: Vec<_> = [1, 2, 8]
        .map(|threads| {
            let store = scratch.store(&format!("store-{threads}"));
            let options = IngestOptions { key: Some(key.clone()), ..options(threads) };
            let mut ingest = Ingest::new(store.chunks(), options).unwrap();
            ingest.write(&data).unwrap();
            bytes_of(ingest.finish().unwrap())
        })
        .into();
    assert!(indexes.iter().all(|index| *index == indexes[0]));
}

#[test]
fn an_image_is_the_same_by_any_number_of_threads_and_any_way_in() {
    let data = data();
    let scratch = Scratch::new();
    let file = scratch.join("file");
    let feeds: [Feed<'_, Image>; 5] = [
        ("whole", &|image| image.write(&data)),
        ("small", &|image| data.chunks(100 * KIB + 1).try_for_each(|piece| image.write(piece))),
        ("large and small", &|image| {
            let (begin, rest) = data.split_at(10 * KIB);
            image.write(begin)?;
            let (large, rest) = rest.split_at(9 * MIB);
            image.write(large)?;
            image.read(&mut reader(rest, 70 * KIB))
        }),
        ("file", &|image| image.read_fd(fd(&file_of(&file, &data)))),
        ("pipe", &|image| through_a_pipe(&data, |fd| image.read_fd(fd))),
    ];
    let mut expected = None;
    for threads in [1, 2, 5] {
        for size in [Some(data.len() as u64), None] {
            for (name, feed) in feeds {
                let store = scratch.store("store");
                let mut image = Image::new(store.chunks(), size, image_options(threads)).unwrap();
                feed(&mut image).unwrap();
                let index = bytes_of(image.finish().unwrap());
                let found = (index, image.stats(), tree(&store.path().join(".chunks")));
                assert!(*expected.get_or_insert_with(|| found.clone()) == found, "{name}, {threads} threads, {size:?}");
                fs::remove_dir_all(store.path()).unwrap();
            }
        }
    }
}

#[test]
fn numbers_of_threads_that_are_absurd_are_refused() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    for threads in [1025, 100_000] {
        assert_eq!(kind(Ingest::new(store.chunks(), options(threads))), Kind::Argument);
        assert_eq!(kind(Image::new(store.chunks(), None, image_options(threads))), Kind::Argument);
    }
}

// ---- callbacks ----

type Log = Arc<Mutex<Vec<(ThreadId, ChunkResult)>>>;

/// Options whose callback writes down each chunk, and stops after chunk number `stop_after`.
fn logging(threads: usize, stop_after: Option<usize>) -> (IngestOptions, Log) {
    let log = Log::default();
    let writer = Arc::clone(&log);
    let on_chunk: OnChunk = Callback(Arc::new(move |chunk: &ChunkResult| {
        let mut log = writer.lock().unwrap();
        log.push((thread::current().id(), *chunk));
        if stop_after == Some(log.len() - 1) { Err(Error::cancelled("test", 9)) } else { Ok(()) }
    }));
    (IngestOptions { on_chunk: Some(on_chunk), ..options(threads) }, log)
}

#[test]
fn chunks_are_reported_in_order_on_the_callers_thread() {
    let data = data();
    let scratch = Scratch::new();
    let file = file_of(&scratch.join("file"), &data);
    let mut expected = None;
    for threads in [1, 4] {
        let (options, log) = logging(threads, None);
        let mut ingest = Ingest::new(scratch.store(&format!("store-{threads}")).chunks(), options).unwrap();
        (&file).rewind().unwrap();
        ingest.read_fd(fd(&file)).unwrap();
        let index = Index::from_bytes(&bytes_of(ingest.finish().unwrap()), Some(IndexKind::Dynamic)).unwrap();
        let log = log.lock().unwrap();
        assert_eq!(log.len(), index.count());
        for (i, (thread, told)) in log.iter().enumerate() {
            let chunk = index.chunk(i).unwrap();
            assert_eq!(*thread, thread::current().id());
            assert_eq!((told.digest, told.offset, told.offset + told.size), (chunk.digest, chunk.start, chunk.end));
        }
        // The first of equal chunks is the new one, whoever has stored it.
        let told: Vec<_> = log.iter().map(|(_, told)| *told).collect();
        assert!(*expected.get_or_insert_with(|| told.clone()) == told);
    }
}

#[test]
fn a_cancelled_ingest_has_the_index_of_its_start() {
    let data = data();
    let scratch = Scratch::new();
    let file = file_of(&scratch.join("file"), &data);
    let count = {
        let (options, log) = logging(4, None);
        let mut ingest = Ingest::new(scratch.store("whole").chunks(), options).unwrap();
        ingest.write(&data).unwrap();
        ingest.finish().unwrap();
        log.lock().unwrap().len()
    };
    for (i, k) in [0, 1, 40, count / 2, count - 2].into_iter().enumerate() {
        let store = scratch.store(&format!("store-{i}"));
        let (options, log) = logging(4, Some(k));
        let mut ingest = Ingest::new(store.chunks(), options).unwrap();
        (&file).rewind().unwrap();
        assert_eq!(failure(ingest.read_fd(fd(&file))).callback_value(), 9);
        assert_eq!((log.lock().unwrap().len(), ingest.stats().chunks), (k + 1, k as u64 + 1));
        let partial = Index::from_bytes(&bytes_of(ingest.partial().unwrap()), None).unwrap();
        assert_eq!(partial.count(), k + 1);
        for i in 0..=k {
            let chunk = partial.chunk(i).unwrap();
            assert_eq!(sha256(&data[chunk.start as usize..chunk.end as usize]), chunk.digest);
            assert!(store.chunks().has(&chunk.digest).unwrap().is_some());
        }
    }
}

/// What was gathered from it is not stored a second time.
#[test]
fn who_stops_what_a_reader_gives_is_not_called_again() {
    let data = data();
    let scratch = Scratch::new();
    for threads in [1, 4] {
        let store = scratch.store(&format!("store-{threads}"));
        let (options, log) = logging(threads, Some(5));
        let mut ingest = Ingest::new(store.chunks(), options).unwrap();
        let error = failure(ingest.read(&mut reader(&data, 100_000)));
        assert_eq!((error.kind(), error.callback_value()), (Kind::Cancelled, 9));
        assert_eq!((log.lock().unwrap().len(), ingest.stats().chunks), (6, 6));
        assert_eq!(ingest.partial().unwrap().summary().count, 6);

        let (IngestOptions { on_chunk, .. }, log) = logging(threads, Some(5));
        let mut image = Image::new(store.chunks(), None, ImageOptions { on_chunk, ..image_options(threads) }).unwrap();
        assert_eq!(kind(image.read(&mut reader(&data, 100_000))), Kind::Cancelled);
        assert_eq!((log.lock().unwrap().len(), image.stats().chunks), (6, 6));
    }
}

/// The writer's end of the pipe stays open and gives no more.
#[test]
fn a_reader_that_blocks_holds_up_no_cancel() {
    let scratch = Scratch::new();
    for stop_after in [0, 50] {
        let data = data();
        let store = scratch.store(&format!("store-{stop_after}"));
        let (options, _) = logging(4, Some(stop_after));
        let mut ingest = Ingest::new(store.chunks(), options).unwrap();
        let (reader, mut writer) = std::io::pipe().unwrap();
        let error = thread::scope(|scope| {
            let feeder = scope.spawn(move || {
                // It fails when nobody reads any more.
                let _ = writer.write_all(&data[..12 * MIB]);
                writer
            });
            let error = failure(ingest.read_fd(fd(&reader)));
            drop(reader);
            feeder.join().unwrap();
            error
        });
        assert_eq!(error.kind(), Kind::Cancelled);
        assert_eq!(ingest.partial().unwrap().summary().count, stop_after as u64 + 1);
    }
}

#[test]
fn notices_come_on_the_callers_thread() {
    let data = data();
    let scratch = Scratch::new();
    let index = stream(&scratch, "whole", 1, ("", &|ingest| ingest.write(&data))).0;
    let index = Index::from_bytes(&index, None).unwrap();
    let notices = Arc::new(Mutex::new(Vec::new()));
    let writer = notices.clone();
    let notice = Arc::new(move |_, message: &str, _: Option<&Path>| {
        writer.lock().unwrap().push((thread::current().id(), message.to_owned()));
        Ok(())
    });
    let store =
        Store::create(&scratch.join("store"), &StoreOptions { notice: Some(Callback(notice)), ..quick() }).unwrap();
    // What a crash has left of every tenth chunk.
    let digests: std::collections::BTreeSet<_> =
        (0..index.count()).step_by(10).map(|i| index.chunk(i).unwrap().digest).collect();
    digests.iter().for_each(|digest| drop(plant(&store, digest, b"short")));
    let mut ingest = Ingest::new(store.chunks(), options(4)).unwrap();
    ingest.write(&data).unwrap();
    ingest.finish().unwrap();
    let notices = notices.lock().unwrap();
    assert_eq!(notices.len(), digests.len());
    assert!(notices.iter().all(|(thread, message)| *thread == thread::current().id() && message.contains("replaced")));
}

// ---- failures ----

#[test]
fn a_reader_that_fails_comes_after_what_it_has_read() {
    let data = data();
    let scratch = Scratch::new();
    for threads in [1, 4] {
        // A directory can be opened, and not be read.
        let store = scratch.store(&format!("store-{threads}"));
        let directory = File::open(scratch.path()).unwrap();
        let mut ingest = Ingest::new(store.chunks(), options(threads)).unwrap();
        assert_eq!(failure(ingest.read_fd(fd(&directory))).errno(), Some(libc::EISDIR));
        assert_eq!(kind(ingest.finish()), Kind::State);

        let mut ingest = Ingest::new(store.chunks(), options(threads)).unwrap();
        let mut good = reader(&data, 100_000);
        let mut failing = |buffer: &mut [u8]| match good(buffer)? {
            0 => Err(Error::cancelled("test", 5)),
            count => Ok(count),
        };
        assert_eq!(failure(ingest.read(&mut failing)).callback_value(), 5);
        let partial = ingest.partial().unwrap();
        assert!(partial.summary().size > (data.len() - 256 * KIB) as u64, "all but the last chunk");
    }
}

#[test]
fn a_store_that_vanishes_is_a_failure() {
    let data = Rng::new(92).bytes(40 * MIB);
    let scratch = Scratch::new();
    for threads in [1, 2] {
        let store = scratch.store("store");
        let path = store.path().to_owned();
        let seen = AtomicUsize::new(0);
        let on_chunk: OnChunk = Callback(Arc::new(move |_: &ChunkResult| {
            if seen.fetch_add(1, Ordering::Relaxed) == 19 {
                // Others are still writing to it.
                while fs::remove_dir_all(path.join(".chunks")).is_err() {}
            }
            Ok(())
        }));
        let mut ingest =
            Ingest::new(store.chunks(), IngestOptions { on_chunk: Some(on_chunk), ..options(threads) }).unwrap();
        let file = file_of(&scratch.join("file"), &data);
        let error = failure(ingest.read_fd(fd(&file)));
        assert!(matches!(error.kind(), Kind::NotFound | Kind::Io), "{error:?}");
        assert_eq!(kind(ingest.finish()), Kind::State);
        drop(ingest);
        fs::remove_dir_all(store.path()).unwrap();
    }
}

#[test]
fn a_failure_leaves_whole_chunks_only() {
    let data = Rng::new(93).bytes(16 * MIB);
    let scratch = Scratch::new();
    let (index, ..) = stream(&scratch, "whole", 1, ("", &|ingest| ingest.write(&data)));
    let index = Index::from_bytes(&index, None).unwrap();
    for threads in [1, 2, 8] {
        let store = scratch.store("store");
        // Something that is no file has the name of a chunk.
        let digest = index.chunk(index.count() / 2).unwrap().digest;
        fs::create_dir_all(store.chunks().chunk_path(&digest)).unwrap();
        let mut ingest = Ingest::new(store.chunks(), options(threads)).unwrap();
        let error = failure(ingest.write(&data).and_then(|()| ingest.finish().map(drop)));
        assert_eq!((error.kind(), error.digest()), (Kind::Exists, Some(&digest)));
        fs::remove_dir(store.chunks().chunk_path(&digest)).unwrap();
        for prefix in names(&store.path().join(".chunks")) {
            for name in names(&store.path().join(".chunks").join(prefix)) {
                let digest = pxds::digest::Digest::from_hex(name.as_bytes()).expect("no temporary file is left");
                let mut raw = Vec::new();
                reopen(&store).chunks().load(&digest, usize::MAX, &mut raw).unwrap();
            }
        }
        drop(ingest);
        fs::remove_dir_all(store.path()).unwrap();
    }
}
