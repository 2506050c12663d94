//! Random access (docs/format.md, 9.4): against slices, and from many threads through caches of many sizes.

mod common;
#[path = "common/source.rs"]
mod source;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use common::{Rng, failure, kind, plain_blob, raw_blob};
use pxds::blob::Blob;
use pxds::callback::Callback;
use pxds::crypt::Tolerance;
use pxds::digest::Digest;
use pxds::error::{Error, Kind, Result};
use pxds::format::MAGIC_ENCRYPTED_BLOB;
use pxds::hash::sha256;
use pxds::index::{DynamicWriter, Index, RequiredForm, Terms};
use pxds::limits::BLOB_MAX_SIZE;
use pxds::reader::{Cache, Extent, Reader, ReaderOptions};
use pxds::source::{ChunkSource, OnBad};
use source::{Memory, cut, dynamic, dynamic_of, fixed, ranges};

fn with_cache(cache: &Arc<Cache>) -> ReaderOptions {
    ReaderOptions { cache: Some(cache.clone()), ..ReaderOptions::default() }
}

fn reader_of(source: &Arc<Memory>, index: &Arc<Index>, options: ReaderOptions) -> Reader {
    Reader::new(source.clone(), index.clone(), options).unwrap()
}

/// Checks many reads, with room for `length` bytes but never much more than the file has, against slices.
fn check(reader: &Reader, data: &[u8], ranges: &[(u64, u64)]) {
    for &(offset, length) in ranges {
        let room = length.min(data.len() as u64 + 10) as usize;
        let mut out = vec![0xee; room];
        let read = reader.read_at(offset, &mut out).unwrap();
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(data.len());
        let expected = &data[start..data.len().min(start.saturating_add(room))];
        assert!(out[..read] == *expected, "{room} bytes at {offset} of {}", data.len());
        assert!(out[read..].iter().all(|&byte| byte == 0xee));
    }
}

#[test]
fn reads_are_slices() {
    let mut rng = Rng::new(81);
    for (len, fixed_size) in [(1, None), (60_000, None), (1, Some(4096)), (50_000, Some(4096)), (65_536, Some(8192))] {
        let data = rng.mixture(len);
        let source = Arc::new(Memory::default());
        let index = match fixed_size {
            Some(size) => fixed(&source, &data, size),
            None => dynamic(&source, &cut(&mut rng, &data, 3000)),
        };
        let ends: Vec<u64> = (0..index.count()).map(|i| index.chunk(i).unwrap().end).collect();
        let mut ranges = ranges(&mut rng, len as u64, &ends);
        ranges.extend([(0, 0), (len as u64, 5), (len as u64 + 1, 5), (u64::MAX, 5), (u64::MAX, u64::MAX)]);
        let index = Arc::new(index);
        // One chunk, a few, all.
        for max_bytes in [0, 10_000, usize::MAX] {
            let cache = Arc::new(Cache::new(max_bytes).unwrap());
            let reader = reader_of(&source, &index, with_cache(&cache));
            assert_eq!(reader.size(), len as u64);
            check(&reader, &data, &ranges);
            assert!(cache.bytes() <= max_bytes.max(8192 + 3000), "{} of {max_bytes}", cache.bytes());
        }
    }
    let empty = reader_of(&Arc::default(), &Arc::new(dynamic_of(&[])), ReaderOptions::default());
    check(&empty, &[], &[(0, 0), (0, 1), (1, 1)]);
}

#[test]
fn a_wrong_csum_is_found_at_the_start() {
    let source = Arc::new(Memory::default());
    let mut bytes = DynamicWriter::new(0, None).unwrap().complete().unwrap().to_bytes(4096).unwrap();
    bytes[40] ^= 1;
    let index = Arc::new(Index::from_bytes(&bytes, None).unwrap());
    assert_eq!(kind(Reader::new(source.clone(), index.clone(), ReaderOptions::default())), Kind::Corrupt);
    Reader::new(source, index, ReaderOptions { any_csum: true, ..ReaderOptions::default() }).unwrap();
}

// ---- the cache ----

#[test]
fn a_chunk_is_loaded_once_while_it_is_kept() {
    let data = Rng::new(82).bytes(100_000);
    let source = Arc::new(Memory::default());
    // Every chunk twice.
    let chunks: Vec<&[u8]> = data.chunks(1000).chain(data.chunks(1000)).collect();
    let index = Arc::new(dynamic(&source, &chunks));
    let reader = reader_of(&source, &index, ReaderOptions::default());
    thread::scope(|scope| {
        for seed in 0..8 {
            let (reader, data) = (&reader, &data);
            scope.spawn(move || {
                let mut rng = Rng::new(seed);
                for _ in 0..2000 {
                    let offset = rng.below(2 * data.len());
                    let mut out = [0; 1500];
                    let read = reader.read_at(offset as u64, &mut out).unwrap();
                    assert_eq!(read, out.len().min(2 * data.len() - offset));
                    let expected = (offset..offset + read).map(|at| data[at % data.len()]);
                    assert!(out[..read].iter().copied().eq(expected));
                }
            });
        }
    });
    let loads = source.take_loads();
    assert_eq!(loads.len(), 100);
    assert!(loads.values().all(|&count| count == 1), "{loads:?}");
}

#[test]
fn the_cache_stays_below_its_limit() {
    const MAX: usize = 100_000;
    let data = Rng::new(83).bytes(1_000_000);
    let source = Arc::new(Memory::default());
    let index = Arc::new(fixed(&source, &data, 8192));
    let cache = Arc::new(Cache::new(MAX).unwrap());
    let reader = reader_of(&source, &index, with_cache(&cache));
    let most = AtomicUsize::new(0);
    thread::scope(|scope| {
        for seed in 0..8 {
            let (reader, cache, data, most) = (&reader, &cache, &data, &most);
            scope.spawn(move || {
                let mut rng = Rng::new(seed);
                for _ in 0..500 {
                    let offset = rng.below(data.len() - 100);
                    let mut out = [0; 100];
                    assert_eq!(reader.read_at(offset as u64, &mut out).unwrap(), 100);
                    assert!(out[..] == data[offset..offset + 100]);
                    most.fetch_max(cache.bytes(), Ordering::Relaxed);
                }
            });
        }
    });
    let most = most.into_inner();
    assert!(most <= MAX, "{most}");
    assert!(most > MAX - 2 * 8192, "{most}: it has been filled");
}

#[test]
fn those_who_wait_share_one_load() {
    for fails in [false, true] {
        let mut source = Memory::default();
        let index = Arc::new(dynamic(&source, &[b"data"]));
        // Time for the others to come; that they all wait for one that fails is held by the tests of the cache.
        source.before = Some(Box::new(move |_| {
            thread::sleep(Duration::from_millis(300));
            if fails { Err(Error::unreadable("it")) } else { Ok(()) }
        }));
        let source = Arc::new(source);
        let reader = reader_of(&source, &index, ReaderOptions::default());
        let got: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let mut out = [0; 4];
                        reader.read_at(0, &mut out).map(|_| out)
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for got in got {
            match got {
                Ok(out) => assert!(!fails && out == *b"data"),
                Err(error) => {
                    assert!(fails && error.kind() == Kind::Io, "{error}");
                    assert_eq!(error.offset(), Some(0));
                }
            }
        }
        let loads = source.take_loads().values().sum::<usize>();
        assert!(if fails { (1..=8).contains(&loads) } else { loads == 1 }, "{fails}: {loads}");
    }
}

/// While one chunk takes its time, others are read.
#[test]
fn no_lock_is_held_while_a_chunk_is_loaded() {
    let mut source = Memory::default();
    let slow = sha256(b"slow");
    let index = Arc::new(dynamic(&source, &[b"slow", b"fast"]));
    let (others_done, done) = (Arc::new(Mutex::new(false)), Arc::new(std::sync::Condvar::new()));
    let (flag, condition) = (others_done.clone(), done.clone());
    source.before = Some(Box::new(move |digest| {
        if *digest == slow {
            let flag = flag.lock().unwrap();
            let (_flag, timeout) =
                condition.wait_timeout_while(flag, Duration::from_secs(300), |others_done| !*others_done).unwrap();
            assert!(!timeout.timed_out(), "the other chunk could not be read");
        }
        Ok(())
    }));
    let reader = reader_of(&Arc::new(source), &index, ReaderOptions::default());
    thread::scope(|scope| {
        let first = scope.spawn(|| reader.read_at(0, &mut [0; 4]).unwrap());
        for _ in 0..2 {
            let mut out = [0; 4];
            reader.read_at(4, &mut out).unwrap();
            assert_eq!(out, *b"fast");
        }
        *others_done.lock().unwrap() = true;
        done.notify_all();
        assert_eq!(first.join().unwrap(), 4);
    });
}

#[test]
fn a_failed_load_is_tried_again() {
    let source = Arc::new(Memory::default());
    let digest = sha256(b"data");
    let index = Arc::new(dynamic_of(&[(4, digest)]));
    let reader = reader_of(&source, &index, ReaderOptions::default());
    let mut out = [0; 4];
    assert_eq!(kind(reader.read_at(0, &mut out)), Kind::NotFound);
    source.put(b"data");
    assert_eq!(reader.read_at(0, &mut out).unwrap(), 4);
    assert_eq!(out, *b"data");
    // And what is kept needs no source.
    source.remove(&digest);
    assert_eq!(reader.read_at(1, &mut out).unwrap(), 3);
}

// ---- several readers, one cache ----

#[test]
fn readers_share_what_is_kept() {
    let (one, other) = (Arc::new(Memory::default()), Arc::new(Memory::default()));
    let index = Arc::new(dynamic(&one, &[b"data"]));
    let cache = Arc::new(Cache::new(1000).unwrap());
    reader_of(&one, &index, with_cache(&cache)).read_at(0, &mut [0; 4]).unwrap();
    // The other source does not have it at all.
    let mut out = [0; 4];
    reader_of(&other, &index, with_cache(&cache)).read_at(0, &mut out).unwrap();
    assert_eq!(out, *b"data");
    assert!(other.take_loads().is_empty());
}

/// What one reader may see another may not: the form goes with the chunk.
#[test]
fn a_kept_chunk_is_compared_with_each_readers_form() {
    let source = Arc::new(Memory::default());
    let cache = Arc::new(Cache::new(1000).unwrap());
    let of_form = |required_form| {
        let index = dynamic(&source, &[b"data"]).with_terms(Terms { required_form, ..Terms::default() });
        reader_of(&source, &Arc::new(index), with_cache(&cache))
    };
    let mut out = [0; 4];
    for _ in 0..2 {
        assert_eq!(kind(of_form(Some(RequiredForm::Encrypted)).read_at(0, &mut out)), Kind::CryptMode);
        assert_eq!(out, [0; 4]);
        of_form(None).read_at(0, &mut out).unwrap();
        of_form(Some(RequiredForm::Plain)).read_at(0, &mut out).unwrap();
        out = [0; 4];
    }
}

#[test]
fn a_kept_chunk_is_compared_with_each_index() {
    let source = Arc::new(Memory::default());
    let digest = source.put(b"data");
    let cache = Arc::new(Cache::new(1000).unwrap());
    for _ in 0..2 {
        for wrong in [3, 5, BLOB_MAX_SIZE as u64] {
            let index = Arc::new(dynamic_of(&[(7, digest), (7 + wrong, digest)]));
            let error = failure(reader_of(&source, &index, with_cache(&cache)).read_at(8, &mut [0; 2]));
            assert_eq!((error.kind(), error.digest(), error.offset()), (Kind::Corrupt, Some(&digest), Some(7)));
        }
        let index = Arc::new(dynamic_of(&[(4, digest)]));
        assert_eq!(reader_of(&source, &index, with_cache(&cache)).read_at(0, &mut [0; 9]).unwrap(), 4);
    }
}

/// An index that lies about a length is not the failure of whoever asks for the same chunk at the same time.
#[test]
fn a_lying_index_spoils_nobody_elses_read() {
    let mut source = Memory::default();
    let digest = source.put(b"data");
    source.before = Some(Box::new(|_| {
        thread::sleep(Duration::from_millis(100));
        Ok(())
    }));
    let source = Arc::new(source);
    let cache = Arc::new(Cache::new(0).unwrap());
    let (wrong, right) = (dynamic_of(&[(5, digest)]), dynamic_of(&[(4, digest)]));
    let [wrong, right] = [wrong, right].map(|index| reader_of(&source, &Arc::new(index), with_cache(&cache)));
    thread::scope(|scope| {
        let wrong = scope.spawn(|| kind(wrong.read_at(0, &mut [0; 4])));
        thread::sleep(Duration::from_millis(30));
        assert_eq!(right.read_at(0, &mut [0; 4]).unwrap(), 4);
        assert_eq!(wrong.join().unwrap(), Kind::Corrupt);
    });
}

// ---- zeros ----

#[test]
fn zeros_are_neither_loaded_nor_kept() {
    let source = Arc::new(Memory::default());
    let mut data = vec![0; 10_000];
    data[5000..5100].fill(7);
    let index = Arc::new(fixed(&source, &data, 1024));
    let cache = Arc::new(Cache::new(1 << 20).unwrap());
    let reader = reader_of(&source, &index, with_cache(&cache));
    check(&reader, &data, &[(0, 10_000), (1, 20_000), (9999, 1), (500, 1000)]);
    assert_eq!(source.take_loads().len(), 1, "the chunk with data");
    assert!(cache.bytes() < 2 * 1024);
    let terms = Terms { required_form: Some(RequiredForm::Encrypted), ..Terms::default() };
    let index = Arc::new(fixed(&source, &[0; 100], 64).with_terms(terms));
    let reader = reader_of(&source, &index, ReaderOptions::default());
    assert_eq!(kind(reader.read_at(0, &mut [0; 4])), Kind::CryptMode);
    assert_eq!(reader.extent(0, u64::MAX), Some(Extent { length: 100, is_zero: false }));
}

#[test]
fn extents_are_stretches_of_chunks() {
    let mut rng = Rng::new(84);
    let mut data = Vec::new();
    for i in 0..60_usize {
        let len = 1 + rng.below(5000);
        if i % 3 == 0 { data.extend(rng.bytes(len)) } else { data.resize(data.len() + len, 0) }
    }
    let source = Arc::new(Memory::default());
    for index in [dynamic(&source, &cut(&mut rng, &data, 700)), fixed(&source, &data, 512)] {
        let chunks: Vec<_> = (0..index.count()).map(|i| index.chunk(i).unwrap()).filter(|c| !c.is_empty()).collect();
        let zero = |at: usize| data[chunks[at].start as usize..chunks[at].end as usize].iter().all(|&byte| byte == 0);
        let reader = reader_of(&source, &Arc::new(index), ReaderOptions::default());
        for offset in (0..data.len()).step_by(97) {
            let first = chunks.iter().position(|chunk| chunk.end > offset as u64).unwrap();
            let last = (first..chunks.len()).take_while(|&at| zero(at) == zero(first)).last().unwrap();
            let length = chunks[last].end - offset as u64;
            assert_eq!(
                reader.extent(offset as u64, u64::MAX),
                Some(Extent { length, is_zero: zero(first) }),
                "at {offset}"
            );
        }
        for beyond in [data.len() as u64, u64::MAX] {
            assert_eq!(reader.extent(beyond, u64::MAX), None);
        }
    }
    assert!(source.take_loads().is_empty());
}

// ---- failures ----

#[test]
fn failures_name_the_chunk() {
    let source = Arc::new(Memory::default());
    let good = source.put(b"good");
    let (swapped, missing, sealed) = (sha256(b"swap"), sha256(b"miss"), sha256(b"seal"));
    source.plant(&swapped, plain_blob(b"good"));
    source.plant(&sealed, raw_blob(MAGIC_ENCRYPTED_BLOB, &[1; 36]));
    let index = Arc::new(dynamic_of(&[(4, good), (8, swapped), (12, missing), (16, sealed)]));
    let reader = reader_of(&source, &index, ReaderOptions::default());
    for _ in 0..2 {
        for (offset, digest, expected) in
            [(4, swapped, Kind::Corrupt), (8, missing, Kind::NotFound), (12, sealed, Kind::Key)]
        {
            let error = failure(reader.read_at(offset + 1, &mut [0; 4]));
            assert_eq!((error.kind(), error.digest(), error.offset()), (expected, Some(&digest), Some(offset)));
        }
        assert_eq!(failure(reader.read_at(3, &mut [0; 9])).offset(), Some(4));
        assert_eq!(reader.read_at(0, &mut [0; 4]).unwrap(), 4);
    }
}

#[test]
fn bad_chunks_read_as_zeros_if_that_is_wanted() {
    let source = Arc::new(Memory::default());
    let (good, missing) = (source.put(b"good"), sha256(b"miss"));
    let long = BLOB_MAX_SIZE as u64;
    let index = Arc::new(dynamic_of(&[(4, good), (8, missing), (8 + long, good)]));
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = told.clone();
    let on_bad: OnBad = Callback(Arc::new(move |bad| {
        list.lock().unwrap().push((bad.number, bad.error.kind()));
        Ok(())
    }));
    let cache = Arc::new(Cache::new(1000).unwrap());
    let reader = reader_of(&source, &index, ReaderOptions { on_bad: Some(on_bad), ..with_cache(&cache) });
    let mut out = [7; 12];
    assert_eq!(reader.read_at(0, &mut out).unwrap(), 12);
    assert_eq!(out[..], *b"good\0\0\0\0\0\0\0\0");
    assert_eq!(*told.lock().unwrap(), [(1, Kind::NotFound), (2, Kind::Corrupt)]);

    // The zeros were not kept: neither for this reader nor for another.
    assert_eq!(kind(reader_of(&source, &index, with_cache(&cache)).read_at(4, &mut out[..4])), Kind::NotFound);
    source.put(b"miss");
    reader.read_at(4, &mut out[..4]).unwrap();
    assert_eq!(out[..4], *b"miss");
    assert_eq!(told.lock().unwrap().len(), 2);

    let stop: OnBad = Callback(Arc::new(|_| Err(Error::cancelled("test", 3))));
    let reader = reader_of(&source, &index, ReaderOptions { on_bad: Some(stop), ..ReaderOptions::default() });
    assert_eq!(failure(reader.read_at(9, &mut out)).callback_value(), 3);
}

/// A source that panics takes nobody else with it.
#[test]
fn after_a_panic_the_reader_goes_on() {
    struct Panics(Memory, AtomicUsize);
    impl ChunkSource for Panics {
        fn load_tolerant<'a>(
            &self,
            digest: &Digest,
            max_len: usize,
            tolerance: Tolerance,
            out: &'a mut Vec<u8>,
        ) -> Result<Blob<'a>> {
            assert!(self.1.fetch_add(1, Ordering::Relaxed) > 0, "expected by the test");
            self.0.load_tolerant(digest, max_len, tolerance, out)
        }
    }
    let memory = Memory::default();
    let index = Arc::new(dynamic(&memory, &[b"data"]));
    let reader = Reader::new(Arc::new(Panics(memory, AtomicUsize::new(0))), index, ReaderOptions::default()).unwrap();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| reader.read_at(0, &mut [0; 4])));
    assert!(panic.is_err());
    assert_eq!(reader.read_at(0, &mut [0; 4]).unwrap(), 4);
}
