//! Restore on several threads: the same bytes, calls and failures for any number of them.

mod common;
#[path = "common/source.rs"]
mod source;

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use common::{Rng, Scratch, failure, kind, plain_blob};
use pxds::callback::Callback;
use pxds::chunker::Config;
use pxds::digest::Digest;
use pxds::error::{Error, Kind, Result};
use pxds::hash::sha256;
use pxds::index::{ChunkInfo, Index};
use pxds::ingest::{Ingest, IngestOptions};
use pxds::restore::{RestoreOptions, Restorer};
use pxds::source::{CallbackSource, ChunkSource, OnBad};
use pxds::sys::CallerFd;
use source::{Memory, dynamic};

const THREADS: [usize; 5] = [1, 2, 3, 8, 0];

/// Chunks of up to 600 KiB, some of zeros and some of no bytes, so that there are a dozen jobs or more.
fn file() -> (Memory, Vec<u8>, Index) {
    let mut rng = Rng::new(90);
    let mut data = Vec::new();
    let mut lens = Vec::new();
    for i in 0..60 {
        let len = if i % 13 == 5 { 0 } else { 1 + rng.below(600_000) };
        let chunk = if i % 7 == 3 { vec![0; len] } else { rng.mixture(len) };
        data.extend_from_slice(&chunk);
        lens.push(len);
    }
    let source = Memory::default();
    let mut rest = &data[..];
    let chunks: Vec<&[u8]> = lens
        .iter()
        .map(|&len| {
            let (chunk, behind) = rest.split_at(len);
            rest = behind;
            chunk
        })
        .collect();
    let index = dynamic(&source, &chunks);
    (source, data, index)
}

fn on_threads(threads: usize) -> RestoreOptions {
    RestoreOptions { threads, ..RestoreOptions::default() }
}

fn chunks(index: &Index) -> Vec<ChunkInfo> {
    (0..index.count()).map(|i| index.chunk(i).unwrap()).collect()
}

/// The bytes of a file that a restore with `options` has written at `position`, behind others, and how that went.
fn to_fd(
    scratch: &Scratch,
    restorer: &mut Restorer,
    index: &Index,
    position: u64,
    range: Option<(u64, u64)>,
) -> (Result<()>, Vec<u8>, u64) {
    let path = scratch.join("fd");
    fs::write(&path, vec![7; position as usize + 3]).unwrap();
    let mut file = File::options().read(true).write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(position)).unwrap();
    let fd = CallerFd::new(file.as_raw_fd()).unwrap();
    let result = match range {
        None => restorer.restore_fd(index, fd),
        Some((offset, length)) => restorer.restore_range_fd(index, offset, length, fd),
    };
    let stands = file.stream_position().unwrap();
    let mut content = fs::read(&path).unwrap();
    assert!(content[..position as usize].iter().all(|&byte| byte == 7));
    content.drain(..position as usize);
    (result, content, stands - position)
}

fn to_pipe(restorer: &mut Restorer, index: &Index) -> Vec<u8> {
    let (mut reader, writer) = std::io::pipe().unwrap();
    thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut out = Vec::new();
            reader.read_to_end(&mut out).unwrap();
            out
        });
        restorer.restore_fd(index, CallerFd::new(writer.as_raw_fd()).unwrap()).unwrap();
        drop(writer);
        reader.join().unwrap()
    })
}

#[test]
fn every_way_out_gives_the_same_bytes() {
    let (source, data, index) = file();
    let source = Arc::new(source);
    let scratch = Scratch::new();
    let size = data.len() as u64;
    let ranges = [(0, size), (1, size - 2), (size / 3, size / 2), (size - 1, 5), (600_001, 3), (size / 2, 1_500_000)];
    for threads in THREADS {
        for sparse in [false, true] {
            let options = RestoreOptions { sparse, ..on_threads(threads) };
            let mut restorer = Restorer::from_source(source.clone(), options);
            let mut out = Vec::new();
            let caller = thread::current().id();
            let mut sink = |piece: &[u8]| {
                assert_eq!(thread::current().id(), caller);
                out.extend_from_slice(piece);
                Ok(())
            };
            restorer.restore(&index, &mut sink).unwrap();
            assert!(out == data, "sink, {threads}, {sparse}");
            assert!(to_pipe(&mut restorer, &index) == data, "pipe, {threads}, {sparse}");

            let path = scratch.join("file");
            restorer.restore_file(&index, &path).unwrap();
            assert_eq!(restorer.written(), size);
            assert!(fs::read(&path).unwrap() == data, "file, {threads}, {sparse}");
            for (offset, length) in ranges {
                let expected = &data[offset as usize..(offset + length).min(size) as usize];
                let (result, content, moved) = to_fd(&scratch, &mut restorer, &index, 11, Some((offset, length)));
                result.unwrap();
                assert_eq!((restorer.written(), moved), (expected.len() as u64, expected.len() as u64));
                assert!(content[..expected.len()] == *expected, "fd, {threads}, {sparse}, {length} at {offset}");
                restorer.restore_range_file(&index, offset, length, &path).unwrap();
                assert!(fs::read(&path).unwrap() == *expected, "file, {threads}, {sparse}, {length} at {offset}");
                let mut room = vec![7; length as usize];
                assert_eq!(restorer.read_range(&index, offset, &mut room).unwrap(), expected.len());
                assert!(room[..expected.len()] == *expected, "room, {threads}, {sparse}, {length} at {offset}");
            }
        }
    }
}

/// What a restore to a sink has come to: all that was said and given out, in order.
#[derive(Debug, PartialEq)]
enum Event {
    Bad(usize, Kind),
    Bytes(Digest, usize),
}

/// Restores with some chunks missing or damaged; the sink or `on_bad` stops at its call number `stop`.
fn events(source: &Arc<Memory>, index: &Index, threads: usize, stop: Option<usize>) -> (Vec<Event>, Result<()>, u64) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let caller = thread::current().id();
    let note = move |log: &Mutex<Vec<Event>>, event| {
        assert_eq!(thread::current().id(), caller);
        let mut log = log.lock().unwrap();
        log.push(event);
        if stop == Some(log.len()) { Err(Error::cancelled("test", 6)) } else { Ok(()) }
    };
    let told = log.clone();
    let on_bad: OnBad = Callback(Arc::new(move |bad| note(&told, Event::Bad(bad.number, bad.error.kind()))));
    let options = RestoreOptions { on_bad: Some(on_bad), ..on_threads(threads) };
    let mut restorer = Restorer::from_source(source.clone(), options);
    let result = restorer.restore(index, &mut |piece: &[u8]| note(&log, Event::Bytes(sha256(piece), piece.len())));
    let written = restorer.written();
    drop(restorer);
    (Arc::try_unwrap(log).unwrap().into_inner().unwrap(), result, written)
}

#[test]
fn callbacks_come_in_order_on_the_callers_thread() {
    let (source, _, index) = file();
    let all = chunks(&index);
    source.remove(&all[1].digest);
    source.plant(&all[20].digest, plain_blob(b"something else"));
    source.plant(&all[21].digest, b"no blob".to_vec());
    source.remove(&all[59].digest);
    let source = Arc::new(source);
    let (expected, result, written) = events(&source, &index, 1, None);
    result.unwrap();
    assert_eq!(written, index.size());
    let bad = |event: &Event| matches!(event, Event::Bad(..));
    assert_eq!(expected.iter().filter(|event| bad(event)).count(), 4);
    for threads in THREADS {
        assert!(events(&source, &index, threads, None).0 == expected, "{threads}");
        // In the middle, and at the chunks that are told of.
        let stops = expected.iter().enumerate().filter(|(_, event)| bad(event)).map(|(i, _)| i + 1);
        for stop in stops.chain([1, 2, 40]) {
            let (events, result, written) = events(&source, &index, threads, Some(stop));
            let error = failure(result);
            assert_eq!((error.kind(), error.callback_value()), (Kind::Cancelled, 6));
            assert!(events == expected[..stop], "{threads}, {stop}: nothing comes behind it");
            assert!(all.iter().any(|chunk| chunk.start == written), "whole chunks");
        }
    }
}

/// A failure in the middle, after others behind it: it is the first in the file that counts.
#[test]
fn the_first_failure_in_the_file_wins() {
    let scratch = Scratch::new();
    for (spoil, expected) in [("missing", Kind::NotFound), ("damaged", Kind::Corrupt), ("refused", Kind::NoMemory)] {
        let (mut source, data, index) = file();
        let all = chunks(&index);
        let lost = all[30].digest;
        source.remove(&all[33].digest);
        source.remove(&all[50].digest);
        match spoil {
            "missing" => source.remove(&lost),
            "damaged" => source.plant(&lost, plain_blob(&vec![1; all[30].len() as usize])),
            _ => {
                // The failures behind come first in time.
                source.before = Some(Box::new(move |digest| {
                    if *digest != lost {
                        return Ok(());
                    }
                    thread::sleep(Duration::from_millis(30));
                    Err(Error::new(Kind::NoMemory, "for the test"))
                }));
            }
        }
        let source = Arc::new(source);
        let start = all[30].start;
        for threads in THREADS {
            let mut restorer = Restorer::from_source(source.clone(), on_threads(threads));
            let mut out = Vec::new();
            let result = restorer.restore(&index, &mut |piece: &[u8]| {
                out.extend_from_slice(piece);
                Ok(())
            });
            let check = |result: Result<()>, written: u64| {
                let error = failure(result);
                assert_eq!((error.kind(), error.offset()), (expected, Some(start)), "{threads}: {error}");
                assert_eq!(error.digest(), Some(&lost));
                assert_eq!(written, start);
            };
            check(result, restorer.written());
            assert!(out == data[..start as usize], "{threads}");

            let (result, content, moved) = to_fd(&scratch, &mut restorer, &index, 5, None);
            check(result, restorer.written());
            assert_eq!(moved, start, "behind what was written");
            assert!(content[..start as usize] == data[..start as usize], "{threads}");

            let result = restorer.restore_file(&index, &scratch.join("file"));
            check(result, restorer.written());
            assert!(!scratch.join("file").exists());
        }
    }
}

/// It has its chunks when the restore begins, and none of them any more after the first bytes.
#[test]
fn a_store_that_vanishes() {
    // More than all threads may have loaded before the first bytes are given out: two jobs each, of 2 MiB at most.
    let data = Rng::new(91).bytes(40_000_000);
    for threads in THREADS {
        let scratch = Scratch::new();
        let store = scratch.store("store");
        let options = IngestOptions { chunker: Config::from_avg(256 << 10).unwrap(), ..IngestOptions::default() };
        let mut ingest = Ingest::new(store.chunks(), options).unwrap();
        ingest.write(&data).unwrap();
        let index = Index::from_bytes(&ingest.finish().unwrap().finish(usize::MAX).unwrap(), None).unwrap();
        let mut restorer = Restorer::new(store.chunks(), on_threads(threads));
        let mut out = Vec::new();
        let result = restorer.restore(&index, &mut |piece: &[u8]| {
            if out.is_empty() {
                fs::remove_dir_all(store.path()).unwrap();
            }
            out.extend_from_slice(piece);
            Ok(())
        });
        let error = failure(result);
        assert_eq!((error.kind(), error.offset()), (Kind::NotFound, Some(out.len() as u64)), "{threads}: {error}");
        assert!(out == data[..out.len()] && !out.is_empty() && out.len() < data.len());
    }
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let (source, _, index) = file();
    let source = Arc::new(source);
    let chunk = index.chunk(0).unwrap();
    let told = Arc::new(AtomicUsize::new(0));
    for threads in THREADS {
        let count = told.clone();
        let on_bad: OnBad = Callback(Arc::new(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }));
        let options = RestoreOptions { on_bad: Some(on_bad), ..on_threads(threads) };
        let mut restorer = Restorer::from_source(source.clone(), options);
        let full = File::options().write(true).open("/dev/full").unwrap();
        let error = failure(restorer.restore_fd(&index, CallerFd::new(full.as_raw_fd()).unwrap()));
        assert_eq!((error.kind(), error.errno(), restorer.written()), (Kind::Io, Some(libc::ENOSPC), 0));

        // No file may be so long: the first chunks are written, the next is not.
        let scratch = Scratch::new();
        let mut file = File::options().write(true).create_new(true).open(scratch.join("file")).unwrap();
        let most = largest_file(&file);
        let Some(start) = most.checked_sub(chunk.len()) else { continue };
        file.seek(SeekFrom::Start(start)).unwrap();
        let error = failure(restorer.restore_fd(&index, CallerFd::new(file.as_raw_fd()).unwrap()));
        assert_eq!((error.kind(), error.errno()), (Kind::Io, Some(libc::EFBIG)), "{threads}");
        assert_eq!((restorer.written(), file.stream_position().unwrap()), (chunk.len(), most), "{threads}");
    }
    assert_eq!(told.load(Ordering::SeqCst), 0, "and none of them is a bad chunk");
}

/// How long this file can be made.
fn largest_file(file: &File) -> u64 {
    let (mut good, mut bad) = (0_u64, i64::MAX as u64 + 1);
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        if file.set_len(middle).is_ok() { good = middle } else { bad = middle }
    }
    file.set_len(0).unwrap();
    good
}

/// Notes on which threads a source is asked.
fn watched(source: &mut Memory) -> Arc<Mutex<Vec<ThreadId>>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let list = seen.clone();
    source.before = Some(Box::new(move |_| {
        list.lock().unwrap().push(thread::current().id());
        Ok(())
    }));
    seen
}

#[test]
fn threads_are_used_where_they_pay() {
    let (mut source, data, index) = file();
    let seen = watched(&mut source);
    let source = Arc::new(source);
    let mut restorer = Restorer::from_source(source, on_threads(8));
    let mut room = vec![0; 400_000];
    restorer.read_range(&index, 1_000_000, &mut room).unwrap();
    assert!(room == data[1_000_000..1_400_000]);
    let me = thread::current().id();
    let asked = std::mem::take(&mut *seen.lock().unwrap());
    assert!(!asked.is_empty() && asked.iter().all(|&id| id == me), "a small range starts no thread");

    // Two are in the source at the same time, or this waits until it gives up.
    let (mut source, _, index) = file();
    let state = Arc::new((Mutex::new((0, false)), Condvar::new()));
    let both = state.clone();
    source.before = Some(Box::new(move |_| {
        let (lock, changed) = &*both;
        let mut inside = lock.lock().unwrap();
        inside.0 += 1;
        inside.1 |= inside.0 == 2;
        changed.notify_all();
        let waited = changed.wait_timeout_while(inside, Duration::from_secs(300), |inside| !inside.1);
        waited.unwrap().0.0 -= 1;
        Ok(())
    }));
    Restorer::from_source(Arc::new(source), on_threads(2)).restore(&index, &mut |_| Ok(())).unwrap();
    assert!(state.0.lock().unwrap().1, "two threads have never loaded side by side");
}

/// A slow receiver bounds what is loaded ahead of it.
#[test]
fn what_is_ahead_is_bounded() {
    for threads in [1, 2, 3] {
        let (mut source, data) = (Memory::default(), Rng::new(92).bytes(40 << 20));
        let index = dynamic(&source, &data.chunks(1 << 20).collect::<Vec<_>>());
        let loaded = Arc::new(AtomicUsize::new(0));
        let count = loaded.clone();
        source.before = Some(Box::new(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }));
        let mut given = 0;
        let mut sink = |_: &[u8]| {
            thread::sleep(Duration::from_millis(3));
            let ahead = loaded.load(Ordering::SeqCst) - given;
            assert!(ahead <= 6 * threads, "{ahead} chunks, {threads} threads");
            given += 1;
            Ok(())
        };
        Restorer::from_source(Arc::new(source), on_threads(threads)).restore(&index, &mut sink).unwrap();
        assert_eq!(given, 40);
    }
}

/// It is asked for a chunk when the one before has been given out, on the caller's thread, whatever the option says.
#[test]
fn a_callers_source_is_asked_in_turn() {
    let (memory, data, index) = file();
    let memory = Arc::new(memory);
    let (asked, given) = (Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
    let me = thread::current().id();
    for threads in THREADS {
        let (count, memory) = (asked.clone(), memory.clone());
        let seen = Mutex::new(None);
        let source = CallbackSource::new(Box::new(move |digest, room| {
            assert_eq!(thread::current().id(), me);
            // Asked again for want of room, it is the same question.
            if seen.lock().unwrap().replace(*digest) != Some(*digest) {
                count.fetch_add(1, Ordering::SeqCst);
            }
            let mut blob = Vec::new();
            let len = memory.load(digest, usize::MAX, &mut blob)?.raw().len();
            if let Some(room) = room.get_mut(..len) {
                room.copy_from_slice(&blob);
            }
            Ok(len)
        }));
        let mut out = Vec::new();
        asked.store(0, Ordering::SeqCst);
        given.store(0, Ordering::SeqCst);
        let mut sink = |piece: &[u8]| {
            given.fetch_add(1, Ordering::SeqCst);
            assert_eq!(asked.load(Ordering::SeqCst), given.load(Ordering::SeqCst));
            out.extend_from_slice(piece);
            Ok(())
        };
        Restorer::from_source(Arc::new(source), on_threads(threads)).restore(&index, &mut sink).unwrap();
        assert!(out == data);
    }
}

#[test]
fn too_many_threads_are_refused() {
    let (source, _, index) = file();
    let source = Arc::new(source);
    for threads in [1025, 100_000, usize::MAX] {
        let mut restorer = Restorer::from_source(source.clone(), on_threads(threads));
        assert_eq!(kind(restorer.restore(&index, &mut |_| Ok(()))), Kind::Argument);
    }
    Restorer::from_source(source, on_threads(1024)).restore(&index, &mut |_| Ok(())).unwrap();
}
