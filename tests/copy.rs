//! Chunks from one store, or a source, into another: what is there, what is missing, and what is wrong with it.

mod common;
#[path = "common/source.rs"]
mod source;

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use common::{
    Rng, Scratch, age, assert_only_chunks, failure, is_fresh, kind, plain_blob, plant, raw_blob, reopen, tree,
};
use pxds::callback::Callback;
use pxds::chunker::Config;
use pxds::chunks::Layout;
use pxds::crypt::CryptKey;
use pxds::error::{Error, Kind};
use pxds::format::MAGIC_ENCRYPTED_BLOB;
use pxds::hash::sha256;
use pxds::index::{Index, RequiredForm, Terms};
use pxds::ingest::{CopyOptions, Image, ImageOptions, Ingest, IngestOptions, OnChunk, copy_chunk, copy_chunks};
use pxds::restore::{RestoreOptions, Restorer};
use pxds::source::{CallbackSource, ChunkSource};
use pxds::store::Store;
use source::{Memory, dynamic, dynamic_of};

fn on_threads(threads: usize) -> CopyOptions {
    CopyOptions { threads, ..CopyOptions::default() }
}

fn take_in(store: &Store, data: &[u8], key: Option<Arc<CryptKey>>) -> Index {
    let chunker = Config::from_avg(64 << 10).unwrap();
    let mut ingest = Ingest::new(store.chunks(), IngestOptions { chunker, key, ..IngestOptions::default() }).unwrap();
    ingest.write(data).unwrap();
    Index::from_bytes(&ingest.finish().unwrap().finish(usize::MAX).unwrap(), None).unwrap()
}

fn restored(store: &Store, index: &Index, key: Option<Arc<CryptKey>>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut sink = |data: &[u8]| {
        out.extend_from_slice(data);
        Ok(())
    };
    Restorer::new(store.chunks(), RestoreOptions { key, ..RestoreOptions::default() })
        .restore(index, &mut sink)
        .unwrap();
    out
}

#[test]
fn what_is_missing_is_copied_and_what_is_there_is_touched() {
    let data = Rng::new(50).mixture(5_000_000);
    for threads in [1, 2, 3, 8] {
        let scratch = Scratch::new();
        let (from, to) = (scratch.store_of(Layout::Hex4), scratch.store("target"));
        let index = take_in(&from, &data, None);
        let old = index.chunk(5).unwrap().digest;
        let stored = fs::read(from.chunks().chunk_path(&old)).unwrap();
        let old_path = plant(&to, &old, &stored);
        age(&old_path);
        // What a crash has left is no chunk.
        plant(&to, &index.chunk(7).unwrap().digest, b"");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (list, me) = (seen.clone(), thread::current().id());
        let on_chunk: OnChunk = Callback(Arc::new(move |chunk: &pxds::ingest::ChunkResult| {
            assert_eq!(thread::current().id(), me);
            list.lock().unwrap().push((chunk.offset, chunk.existed));
            Ok(())
        }));
        let options = CopyOptions { on_chunk: Some(on_chunk), ..on_threads(threads) };
        let mut copied = copy_chunks(from.chunks(), &index, to.chunks(), options).unwrap();
        assert!(is_fresh(&old_path));
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        assert!(seen.iter().map(|seen| seen.0).eq((0..index.count()).map(|i| index.chunk(i).unwrap().start)));
        assert!(seen[5].1 && !seen[7].1);
        let stats = copied.stats();
        assert_eq!((stats.size, stats.chunks), (data.len() as u64, index.count() as u64));
        assert!(stats.new_chunks < stats.chunks && copied.reused());
        // Held, as by an ingest.
        assert_eq!(kind(reopen(&to).chunks().lock_exclusive()), Kind::Busy);
        copied.save(&to.path().join("copy.didx")).unwrap();
        reopen(&to).chunks().lock_exclusive().unwrap();
        let again = Index::open(&to.path().join("copy.didx"), None).unwrap();
        assert_eq!((again.header(), again.count()), (index.header(), index.count()));
        assert!(restored(&to, &again, None) == data, "{threads}");
        assert_only_chunks(&to, &["copy.didx"]);
        // Each file as it was, never encoded again.
        for i in 0..index.count() {
            let digest = index.chunk(i).unwrap().digest;
            assert!(
                fs::read(from.chunks().chunk_path(&digest)).unwrap()
                    == fs::read(to.chunks().chunk_path(&digest)).unwrap()
            );
        }
        let again = copy_chunks(from.chunks(), &index, to.chunks(), on_threads(threads)).unwrap();
        assert_eq!(again.stats().new_chunks, 0);
    }
}

#[test]
fn images_keep_their_index() {
    let data = Rng::new(51).mixture(1_000_000);
    let scratch = Scratch::new();
    let (from, to) = (scratch.store("from"), scratch.store("to"));
    let options = ImageOptions { chunk_size: 1 << 16, ..ImageOptions::default() };
    let mut image = Image::new(from.chunks(), Some(data.len() as u64), options).unwrap();
    data.chunks(1 << 16).enumerate().for_each(|(i, chunk)| image.write_at((i as u64) << 16, chunk).unwrap());
    let bytes = image.finish().unwrap().finish(usize::MAX).unwrap();
    let index = Index::from_bytes(&bytes, None).unwrap();
    let mut copied = copy_chunks(from.chunks(), &index, to.chunks(), on_threads(2)).unwrap();
    assert!(copied.finish(usize::MAX).unwrap() == bytes);
    assert!(restored(&to, &index, None) == data);
}

#[test]
fn encrypted_chunks_are_proved_by_their_key() {
    let data = Rng::new(52).bytes(1_000_000);
    let key = || Some(Arc::new(CryptKey::new(&[7; 32])));
    let scratch = Scratch::new();
    let (from, other) = (scratch.store("from"), Some(Arc::new(CryptKey::new(&[8; 32]))));
    let mut index = take_in(&from, &data, key());
    for (name, key, required_form, known, expected) in [
        ("with", key(), Some(RequiredForm::Encrypted), true, None),
        ("without", None, Some(RequiredForm::Encrypted), false, None),
        ("unsaid", key(), None, false, None),
        ("other", other, None, false, Some(Kind::Auth)),
        ("plain", key(), Some(RequiredForm::Plain), true, Some(Kind::CryptMode)),
    ] {
        let to = scratch.store(name);
        index = index.with_terms(Terms { required_form, ..Terms::default() });
        let options = CopyOptions { key, ..on_threads(2) };
        match (copy_chunks(from.chunks(), &index, to.chunks(), options), expected) {
            (Ok(copied), None) => {
                assert_eq!((copied.is_form_known(), copied.key().is_some()), (known, known), "{name}");
                assert!(restored(&to, &index, Some(Arc::new(CryptKey::new(&[7; 32])))) == data);
            }
            (Err(error), Some(expected)) => assert_eq!(error.kind(), expected, "{name}: {error}"),
            (result, _) => panic!("{name}: {:?}", result.map(drop)),
        }
    }
}

/// Nothing that is wrong comes into the target, whatever the number of threads, and the first that is wrong is told.
#[test]
fn what_is_wrong_is_not_copied() {
    let data = Rng::new(53).bytes(6_000_000);
    let chunks: Vec<&[u8]> = data.chunks(150_000).collect();
    for (spoil, expected) in [
        (None, Kind::NotFound),
        (Some(b"no blob at all".to_vec()), Kind::Format),
        (Some(plain_blob(b"other data")), Kind::Corrupt),
        (Some(plain_blob(&[1; 150_000])), Kind::Corrupt),
        (Some([&MAGIC_ENCRYPTED_BLOB[..], &[1; 20]].concat()), Kind::Format),
    ] {
        let source = Memory::default();
        let index = dynamic(&source, &chunks);
        let (lost, later) = (index.chunk(20).unwrap(), index.chunk(22).unwrap());
        source.remove(&later.digest);
        match &spoil {
            None => source.remove(&lost.digest),
            Some(blob) => source.plant(&lost.digest, blob.clone()),
        }
        for threads in [1, 2, 3, 8] {
            let scratch = Scratch::new();
            let to = scratch.store("to");
            let error = failure(copy_chunks(&source, &index, to.chunks(), on_threads(threads)));
            assert_eq!((error.kind(), error.offset()), (expected, Some(lost.start)), "{threads}: {error}");
            assert_eq!(error.digest(), Some(&lost.digest));
            assert!(!to.chunks().chunk_path(&lost.digest).exists());
            assert_only_chunks(&to, &[]);
            to.chunks().lock_exclusive().unwrap();
            assert_eq!(kind(copy_chunk(&source, to.chunks(), &lost.digest, None)), expected);
        }
    }
    let (source, scratch) = (Memory::default(), Scratch::new());
    let to = scratch.store("to");
    let digest = source.put(b"data");
    // A length that only the index claims.
    assert_eq!(kind(copy_chunks(&source, &dynamic_of(&[(5, digest)]), to.chunks(), on_threads(1))), Kind::Corrupt);
    assert_eq!(
        kind(copy_chunks(&source, &dynamic_of(&[(4, digest)]), to.chunks(), on_threads(100_000))),
        Kind::Argument
    );
    let _held = reopen(&to).chunks().lock_exclusive().unwrap();
    assert_eq!(kind(copy_chunks(&source, &dynamic_of(&[(4, digest)]), to.chunks(), on_threads(1))), Kind::Busy);
    assert_only_chunks(&to, &[]);
}

#[test]
fn a_callback_stops_the_copy() {
    let data = Rng::new(54).bytes(4_000_000);
    let source = Memory::default();
    let index = dynamic(&source, &data.chunks(100_000).collect::<Vec<_>>());
    for threads in [1, 2, 8] {
        let scratch = Scratch::new();
        let to = scratch.store("to");
        let left = AtomicUsize::new(15);
        let on_chunk: OnChunk = Callback(Arc::new(move |_: &pxds::ingest::ChunkResult| {
            if left.fetch_sub(1, Ordering::Relaxed) == 1 { Err(Error::cancelled("test", 12)) } else { Ok(()) }
        }));
        let options = CopyOptions { on_chunk: Some(on_chunk), ..on_threads(threads) };
        assert_eq!(failure(copy_chunks(&source, &index, to.chunks(), options)).callback_value(), 12);
        // What is there helps the next time.
        let there = tree(to.path()).len() as u64 - 1;
        assert!(there >= 15);
        let stats = copy_chunks(&source, &index, to.chunks(), on_threads(threads)).unwrap().stats();
        assert_eq!(stats.new_chunks, index.count() as u64 - there);
    }
}

#[test]
fn a_callers_source_is_asked_on_its_thread() {
    let data = Rng::new(55).bytes(4_000_000);
    let memory = Memory::default();
    let index = dynamic(&memory, &data.chunks(100_000).collect::<Vec<_>>());
    let me = thread::current().id();
    let source = CallbackSource::new(Box::new(move |digest, room| {
        assert_eq!(thread::current().id(), me);
        let mut blob = Vec::new();
        let len = memory.load(digest, usize::MAX, &mut blob)?.raw().len();
        if let Some(room) = room.get_mut(..len) {
            room.copy_from_slice(&blob);
        }
        Ok(len)
    }));
    let scratch = Scratch::new();
    let to = scratch.store("to");
    copy_chunks(&source, &index, to.chunks(), on_threads(8)).unwrap();
    assert!(restored(&to, &index, None) == data);
}

#[test]
fn one_chunk_heals() {
    let (source, scratch) = (Memory::default(), Scratch::new());
    let to = scratch.store("to");
    let data = b"the data of a chunk".repeat(10);
    let digest = source.put(&data);
    for leftover in [None, Some(&b""[..]), Some(b"short")] {
        if let Some(leftover) = leftover {
            plant(&to, &digest, leftover);
        }
        assert!(!copy_chunk(&source, to.chunks(), &digest, None).unwrap().existed);
        let path = to.chunks().chunk_path(&digest);
        age(&path);
        let again = copy_chunk(&source, to.chunks(), &digest, None).unwrap();
        assert!(again.existed && is_fresh(&path));
        assert_eq!(again.stored_size, fs::metadata(&path).unwrap().len());
    }
    // Cut off within the header of an encrypted blob.
    let sealed = raw_blob(MAGIC_ENCRYPTED_BLOB, &[1; 132]);
    let digest = sha256(b"encrypted");
    source.plant(&digest, sealed.clone());
    let path = plant(&to, &digest, &sealed[..30]);
    assert!(!copy_chunk(&source, to.chunks(), &digest, None).unwrap().existed);
    assert_eq!(fs::read(path).unwrap(), sealed);
}
