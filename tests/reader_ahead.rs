//! Random access on several threads (docs/format.md, 9.4): reads of many chunks, and what is loaded ahead.

mod common;
#[path = "common/source.rs"]
mod source;

use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use common::{Rng, failure, kind, plain_blob};
use pxds::callback::Callback;
use pxds::error::{Error, Kind};
use pxds::hash::sha256;
use pxds::index::Index;
use pxds::reader::{Cache, Reader, ReaderOptions};
use pxds::source::{CallbackSource, ChunkSource, OnBad};
use source::{Memory, cut, dynamic, fixed, ranges};

const CHUNK: usize = 600_000;

/// A reader with a cache of its own of `max_bytes`.
fn reader_of(source: &Arc<Memory>, index: &Arc<Index>, threads: usize, max_bytes: usize) -> Reader {
    let cache = Some(Arc::new(Cache::new(max_bytes).unwrap()));
    Reader::new(source.clone(), index.clone(), ReaderOptions { cache, threads, ..ReaderOptions::default() }).unwrap()
}

/// Twenty chunks of noise in an image, with a chunk of zeros among them.
fn image() -> (Memory, Vec<u8>, Index) {
    let mut data = Rng::new(70).bytes(20 * CHUNK);
    data[7 * CHUNK..8 * CHUNK].fill(0);
    let source = Memory::default();
    let chunks: Vec<&[u8]> = data.chunks(CHUNK).collect();
    let index = dynamic(&source, &chunks);
    (source, data, index)
}

/// Notes on which threads a source is asked for chunks.
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
fn reads_are_slices_for_any_number_of_threads() {
    let mut rng = Rng::new(71);
    let data = rng.mixture(9_000_000);
    for fixed_size in [None, Some(1 << 19)] {
        let source = Arc::new(Memory::default());
        let index = match fixed_size {
            Some(size) => fixed(&source, &data, size),
            None => dynamic(&source, &cut(&mut rng, &data, 900_000)),
        };
        let ends: Vec<u64> = (0..index.count()).map(|i| index.chunk(i).unwrap().end).collect();
        let ranges = ranges(&mut rng, data.len() as u64, &ends);
        let index = Arc::new(index);
        for threads in [1, 2, 3, 8, 0] {
            for max_bytes in [0, 3_000_000, usize::MAX] {
                let reader = reader_of(&source, &index, threads, max_bytes);
                for &(offset, length) in ranges.iter().step_by(5) {
                    let room = length.min(data.len() as u64 + 10) as usize;
                    let mut out = vec![0xee; room];
                    let read = reader.read_at(offset, &mut out).unwrap();
                    let start = (offset as usize).min(data.len());
                    let expected = &data[start..data.len().min(start + room)];
                    assert!(out[..read] == *expected, "{room} bytes at {offset}, {threads}, {max_bytes}");
                    assert!(out[read..].iter().all(|&byte| byte == 0xee));
                }
                // In order, in pieces that do not fit the chunks.
                let mut all = vec![0; data.len()];
                for (i, piece) in all.chunks_mut(130_000).enumerate() {
                    assert_eq!(reader.read_at(i as u64 * 130_000, piece).unwrap(), piece.len());
                }
                assert!(all == data, "{threads}, {max_bytes}");
            }
        }
    }
}

#[test]
fn who_reads_on_finds_the_next_chunks_loaded() {
    let (source, data, index) = image();
    let (source, index) = (Arc::new(source), Arc::new(index));
    let loads_of = |reader: &Reader, chunk: usize| {
        let mut out = [0; 1000];
        reader.read_at((chunk * CHUNK) as u64, &mut out).unwrap();
        assert!(out == data[chunk * CHUNK..][..1000]);
        source.take_loads().len()
    };
    let large = 64 << 20;
    // The second chunk in a row is the first that brings others; zeros need no load.
    let reader = reader_of(&source, &index, 4, large);
    assert_eq!([0, 1, 2, 3, 4].map(|chunk| loads_of(&reader, chunk)), [1, 4, 0, 0, 0]);
    assert_eq!([5, 6, 8, 9].map(|chunk| loads_of(&reader, chunk)), [4, 0, 0, 0], "5, 6, 8 and 9");
    // As many as are a thread's worth, if they are fewer.
    let reader = reader_of(&source, &index, 2, large);
    assert_eq!([0, 1, 2, 3].map(|chunk| loads_of(&reader, chunk)), [1, 2, 0, 2]);
    // Not without threads, not here and there, not where there is no room.
    for (threads, cache, order) in
        [(1, large, [0, 1, 2, 3, 4]), (4, large, [0, 3, 1, 15, 9]), (4, 2 * CHUNK, [0, 1, 2, 3, 4])]
    {
        let reader = reader_of(&source, &index, threads, cache);
        assert_eq!(order.map(|chunk| loads_of(&reader, chunk)), [1; 5], "{threads} {cache}");
    }
    // Half of the cache: two chunks and a half, of which one was asked for.
    let reader = reader_of(&source, &index, 8, 5 * CHUNK);
    assert_eq!([0, 1, 2].map(|chunk| loads_of(&reader, chunk)), [1, 2, 0]);
}

#[test]
fn small_reads_and_callers_sources_stay_on_their_thread() {
    let (mut source, data, index) = image();
    let seen = watched(&mut source);
    let (source, index) = (Arc::new(source), Arc::new(index));
    let me = thread::current().id();
    let reader = reader_of(&source, &index, 8, 64 << 20);
    for chunk in [3, 12, 0, 19, 5] {
        let mut out = [0; 4096];
        reader.read_at((chunk * CHUNK) as u64, &mut out).unwrap();
    }
    assert_eq!(*seen.lock().unwrap(), [me; 5]);

    let (memory, _, _) = image();
    let callback = CallbackSource::new(Box::new(move |digest, room| {
        assert_eq!(thread::current().id(), me);
        let mut blob = Vec::new();
        let len = memory.load(digest, usize::MAX, &mut blob)?.raw().len();
        if let Some(room) = room.get_mut(..len) {
            room.copy_from_slice(&blob);
        }
        Ok(len)
    }));
    let options = ReaderOptions { threads: 8, ..ReaderOptions::default() };
    let reader = Reader::new(Arc::new(callback), index.clone(), options).unwrap();
    let mut out = vec![0; data.len()];
    assert_eq!(reader.read_at(0, &mut out).unwrap(), data.len());
    assert!(out == data);

    for threads in [1025, 100_000] {
        let options = ReaderOptions { threads, ..ReaderOptions::default() };
        assert_eq!(kind(Reader::new(source.clone(), index.clone(), options)), Kind::Argument);
    }
}

#[test]
fn bad_chunks_are_told_of_in_order_on_the_thread_that_reads() {
    let (source, data, index) = image();
    let digest = |i: usize| sha256(&data[i * CHUNK..(i + 1) * CHUNK]);
    source.remove(&digest(2));
    source.plant(&digest(9), plain_blob(b"something else"));
    source.remove(&digest(10));
    let mut expected = data.clone();
    for i in [2, 9, 10] {
        expected[i * CHUNK..(i + 1) * CHUNK].fill(0);
    }
    let (source, index, me) = (Arc::new(source), Arc::new(index), thread::current().id());
    for threads in [1, 2, 8] {
        for stop in [usize::MAX, 9] {
            let told = Arc::new(Mutex::new(Vec::new()));
            let list = told.clone();
            let on_bad: OnBad = Callback(Arc::new(move |bad| {
                assert_eq!(thread::current().id(), me);
                list.lock().unwrap().push(bad.number);
                if bad.number == stop { Err(Error::cancelled("test", 3)) } else { Ok(()) }
            }));
            let options = ReaderOptions { threads, on_bad: Some(on_bad), ..ReaderOptions::default() };
            let reader = Reader::new(source.clone(), index.clone(), options).unwrap();
            let mut out = vec![7; data.len()];
            let result = reader.read_at(0, &mut out);
            if stop == 9 {
                assert_eq!(failure(result).callback_value(), 3);
                assert_eq!(*told.lock().unwrap(), [2, 9], "{threads}");
            } else {
                result.unwrap();
                assert!(out == expected, "{threads}");
                assert_eq!(*told.lock().unwrap(), [2, 9, 10], "{threads}");
            }
        }
        // Without anybody to tell, the first in the file is the failure; what fails ahead is none.
        let reader = reader_of(&source, &index, threads, 64 << 20);
        let error = failure(reader.read_at(0, &mut vec![0; data.len()]));
        assert_eq!((error.kind(), error.offset()), (Kind::NotFound, Some(2 * CHUNK as u64)));
        for chunk in [0, 1, 3, 4, 5, 6, 7, 8] {
            reader.read_at((chunk * CHUNK) as u64, &mut [0; 10]).unwrap();
        }
        assert_eq!(kind(reader.read_at(9 * CHUNK as u64, &mut [0; 10])), Kind::Corrupt);
    }
}
