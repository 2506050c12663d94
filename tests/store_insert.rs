//! Inserting chunks (docs/format.md, 5.4 and 5.5); the table of 5.4 itself is in vectors_insert.rs.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use common::{
    Rng, Scratch, age, assert_only_chunks, failure, is_fresh, kind, mode, plain_blob, plant, quick, raw_blob, reopen,
    times_of, tree,
};
use pxds::base::{NoticeLevel, SyncLevel};
use pxds::blob::{Blob, Codec};
use pxds::callback::Callback;
use pxds::chunks::{InsertOptions, Inserted, Layout};
use pxds::digest::Digest;
use pxds::error::{Error, Kind, Result};
use pxds::format::{MAGIC_COMPRESSED_BLOB, MAGIC_ENCRYPTED_BLOB, MAGIC_UNCOMPRESSED_BLOB};
use pxds::hash::sha256;
use pxds::limits::{BLOB_MAX_ENCODED_SIZE, BLOB_MAX_SIZE};
use pxds::store::{Store, StoreOptions};

const PLAIN: InsertOptions = InsertOptions { raw: false };
const RAW: InsertOptions = InsertOptions { raw: true };
const DATA: &[u8] = b"the data of a chunk";

fn new(blob: &[u8]) -> Inserted {
    Inserted { existed: false, stored_size: blob.len() as u64 }
}

fn kept(stored: &[u8]) -> Inserted {
    Inserted { existed: true, stored_size: stored.len() as u64 }
}

#[test]
fn a_new_chunk_is_written_as_it_is() {
    for sync in [SyncLevel::None, SyncLevel::File, SyncLevel::Filesystem] {
        for layout in [Layout::Hex2, Layout::Hex4] {
            let scratch = Scratch::new();
            drop(scratch.store_of(layout));
            let options = StoreOptions { sync, ..StoreOptions::default() };
            let store = Store::open(&scratch.join(format!("{layout:?}")), &options).unwrap();
            let blob = plain_blob(DATA);
            let digest = sha256(DATA);
            assert_eq!(store.chunks().insert(&digest, &blob, PLAIN).unwrap(), new(&blob));
            let path = store.chunks().chunk_path(&digest);
            assert_eq!(fs::read(&path).unwrap(), blob);
            assert_eq!(mode(&path), 0o644);
            let (_, modified) = age(&path);
            assert_eq!(store.chunks().insert(&digest, &blob, PLAIN).unwrap(), kept(&blob));
            assert!(is_fresh(&path) && times_of(&path).1 == modified);
            assert_only_chunks(&store, &[]);
        }
    }
}

/// Smaller wins only with a right CRC: a blob that has been cut off is smaller too.
#[test]
fn a_damaged_blob_replaces_nothing() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let large = plain_blob(DATA);
    let digest = sha256(DATA);
    let path = plant(&store, &digest, &large);
    for len in [12, 20, large.len() - 1] {
        let error = failure(store.chunks().insert(&digest, &large[..len], PLAIN));
        assert_eq!((error.kind(), error.digest()), (Kind::Corrupt, Some(&digest)), "{len} bytes");
        assert_eq!(fs::read(&path).unwrap(), large);
    }
    assert_only_chunks(&store, &[]);
}

#[test]
fn raw_bytes_replace_no_blob() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let (digest, blob) = (sha256(DATA), plain_blob(DATA));
    let path = plant(&store, &digest, &blob);
    age(&path);
    assert_eq!(store.chunks().insert(&digest, &[7; 20], RAW).unwrap(), kept(&blob));
    assert!(is_fresh(&path) && fs::read(&path).unwrap() == blob);
    // Where no blob is, the smaller one wins.
    plant(&store, &digest, &[8; 30]);
    assert_eq!(store.chunks().insert(&digest, &[7; 20], RAW).unwrap(), new(&[7; 20]));
    assert_eq!(store.chunks().insert(&digest, &[9; 30], RAW).unwrap(), kept(&[7; 20]));
    assert_eq!(fs::read(&path).unwrap(), [7; 20]);
}

/// A notice's callback may use the store.
#[test]
fn a_notice_may_use_the_store() {
    let scratch = Scratch::new();
    scratch.store("store");
    let inner: Arc<Mutex<Option<Store>>> = Arc::default();
    let listener = Arc::clone(&inner);
    let notice = Arc::new(move |_: NoticeLevel, _: &str, _: Option<&Path>| {
        let store = listener.lock().unwrap().clone().unwrap();
        store.chunks().insert(&sha256(DATA), &plain_blob(DATA), PLAIN).map(drop)
    });
    let options = StoreOptions { notice: Some(Callback(notice)), ..quick() };
    let store = Store::open(&scratch.join("store"), &options).unwrap();
    *inner.lock().unwrap() = Some(store.clone());
    plant(&store, &sha256(DATA), b"crash");
    store.chunks().insert(&sha256(DATA), &plain_blob(DATA), PLAIN).unwrap();
    *inner.lock().unwrap() = None;
}

#[test]
fn a_store_that_is_gone_takes_nothing() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    fs::remove_dir_all(store.path()).unwrap();
    let digest = sha256(DATA);
    let error = failure(store.chunks().insert(&digest, &plain_blob(DATA), PLAIN));
    assert_eq!((error.kind(), error.digest()), (Kind::NotFound, Some(&digest)));
    assert!(!store.path().exists());
}

/// "PXDS_OK from an insert does not say that digest and blob belong together; nobody has looked."
#[test]
fn a_plain_insert_checks_neither_digest_nor_crc() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let mut blob = plain_blob(DATA);
    blob[8] ^= 1;
    let digest = sha256(b"something else");
    assert_eq!(store.chunks().insert(&digest, &blob, PLAIN).unwrap(), new(&blob));
    assert_eq!(fs::read(store.chunks().chunk_path(&digest)).unwrap(), blob);
}

#[test]
fn what_is_no_blob_is_refused_unless_raw() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    for (i, bytes) in [vec![0; 12], vec![0; 100]].iter().enumerate() {
        let digest = sha256(&[i as u8]);
        let error = failure(store.chunks().insert(&digest, bytes, PLAIN));
        assert_eq!((error.kind(), error.digest()), (Kind::Format, Some(&digest)), "case {i}");
        assert!(!store.chunks().chunk_path(&digest).exists());
        assert_eq!(store.chunks().insert(&digest, bytes, RAW).unwrap(), new(bytes), "case {i}");
        assert_eq!(fs::read(store.chunks().chunk_path(&digest)).unwrap(), *bytes, "case {i}");
        // What an insert has stored is a chunk for every other call.
        assert_eq!(store.chunks().has(&digest).unwrap(), Some(bytes.len() as u64), "case {i}");
        store.chunks().touch(&digest).unwrap();
    }
}

/// What counts as absent cannot be inserted, raw or not.
#[test]
fn what_is_too_short_for_a_chunk_is_refused() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let cases = [
        b"".to_vec(),
        b"short".to_vec(),
        vec![0; 11],
        plain_blob(DATA)[..11].to_vec(),
        [&MAGIC_ENCRYPTED_BLOB[..], &[0; 4]].concat(),
        [&MAGIC_ENCRYPTED_BLOB[..], &[0; 35]].concat(),
    ];
    let digest = sha256(DATA);
    for (i, bytes) in cases.iter().enumerate() {
        for options in [PLAIN, RAW] {
            let error = failure(store.chunks().insert(&digest, bytes, options));
            assert_eq!((error.kind(), error.digest()), (Kind::Format, Some(&digest)), "case {i}");
        }
    }
    assert_eq!(tree(&store.path().join(".chunks")), BTreeMap::new());
    // The shortest that are chunks.
    let encrypted = [&MAGIC_ENCRYPTED_BLOB[..], &[0; 36]].concat();
    for (bytes, name) in [(vec![7; 12], b"a"), (plain_blob(b""), b"b"), (encrypted, b"c")] {
        assert_eq!(store.chunks().insert(&sha256(name), &bytes, RAW).unwrap(), new(&bytes));
        assert_eq!(store.chunks().has(&sha256(name)).unwrap(), Some(bytes.len() as u64));
    }
}

#[test]
fn too_long_a_blob_is_refused() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let digest = sha256(b"x");
    let mut blob = vec![0; BLOB_MAX_ENCODED_SIZE + 1];
    blob[..8].copy_from_slice(&MAGIC_ENCRYPTED_BLOB);
    assert_eq!(kind(store.chunks().insert(&digest, &blob, PLAIN)), Kind::Limit);
    assert_eq!(kind(store.chunks().insert(&digest, &blob, RAW)), Kind::Limit);
    assert_eq!(kind(store.chunks().insert_verified(&mut Codec::new(), &digest, 1, &blob)), Kind::Limit);
    assert_eq!(tree(&store.path().join(".chunks")), BTreeMap::new());
}

#[test]
fn links_are_no_chunks() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let blob = plain_blob(DATA);
    let digest = sha256(DATA);
    let path = plant(&store, &digest, b"");
    fs::remove_file(&path).unwrap();
    let target = scratch.join("target");
    fs::write(&target, &blob).unwrap();
    symlink(&target, &path).unwrap();
    for target_is_there in [true, false] {
        assert_eq!(store.chunks().has(&digest).unwrap(), None);
        for result in [
            store.chunks().insert(&digest, &blob, PLAIN),
            store.chunks().insert(&digest, b"0123456789ab, and no blob", RAW),
            store.chunks().insert_verified(&mut Codec::new(), &digest, DATA.len() as u64, &blob),
        ] {
            let error = failure(result);
            assert_eq!((error.kind(), error.path()), (Kind::Exists, Some(&*path)), "{error}");
        }
        let error = failure(store.chunks().load(&digest, BLOB_MAX_SIZE, &mut Vec::new()));
        assert_eq!((error.kind(), error.path()), (Kind::Format, Some(&*path)), "{error}");
        assert_eq!(kind(store.chunks().mark_bad(&digest)), Kind::Format);
        assert!(path.is_symlink());
        assert_eq!(target.exists(), target_is_there);
        let _ = fs::remove_file(&target);
    }
}

// ---- what a crash leaves ----

/// What a store has to say: level, message, path.
type Said = Arc<Mutex<Vec<(NoticeLevel, String, Option<PathBuf>)>>>;

fn store_that_tells(scratch: &Scratch, answer: fn() -> Result<()>) -> (Store, Said) {
    let said = Said::default();
    let listener = Arc::clone(&said);
    let notice = Arc::new(move |level: NoticeLevel, message: &str, path: Option<&Path>| {
        listener.lock().unwrap().push((level, message.to_owned(), path.map(Path::to_path_buf)));
        answer()
    });
    let store = scratch.store_with("store", &StoreOptions { notice: Some(Callback(notice)), ..quick() });
    (store, said)
}

#[test]
fn short_leftovers_are_overwritten_with_a_notice() {
    let scratch = Scratch::new();
    let (store, said) = store_that_tells(&scratch, || Ok(()));
    let blob = plain_blob(DATA);
    for len in [0, 1, 11] {
        let digest = sha256(&[len]);
        let path = plant(&store, &digest, &vec![0; usize::from(len)]);
        assert_eq!(store.chunks().insert(&digest, &blob, PLAIN).unwrap(), new(&blob), "{len} bytes");
        assert_eq!(fs::read(&path).unwrap(), blob);
        let said = std::mem::take(&mut *said.lock().unwrap());
        let [(NoticeLevel::Warning, message, Some(about))] = &said[..] else { panic!("{said:?}") };
        assert_eq!(*about, path);
        assert!(message.contains(path.to_str().unwrap()), "{message}");
    }
    assert_only_chunks(&store, &[]);
}

/// 12 bytes are the shortest blob: kept, and not worth a word.
#[test]
fn twelve_bytes_are_a_chunk() {
    let scratch = Scratch::new();
    let (store, said) = store_that_tells(&scratch, || Ok(()));
    let digest = sha256(b"");
    let empty = plain_blob(b"");
    assert_eq!(store.chunks().insert(&digest, &empty, PLAIN).unwrap(), new(&empty));
    assert_eq!(store.chunks().insert(&digest, &plain_blob(DATA), PLAIN).unwrap(), kept(&empty));
    assert_eq!(fs::read(store.chunks().chunk_path(&digest)).unwrap(), empty);
    assert!(said.lock().unwrap().is_empty());
}

/// The notice comes last, when the chunk is stored.
#[test]
fn a_notice_can_end_the_insert_with_an_error() {
    let scratch = Scratch::new();
    let (store, said) = store_that_tells(&scratch, || Err(Error::cancelled("test", 5)));
    let digest = sha256(DATA);
    let path = plant(&store, &digest, b"crash");
    let error = failure(store.chunks().insert(&digest, &plain_blob(DATA), PLAIN));
    assert_eq!((error.kind(), error.callback_value()), (Kind::Cancelled, 5));
    assert_eq!(fs::read(path).unwrap(), plain_blob(DATA));
    assert_eq!(said.lock().unwrap().len(), 1);
    assert_only_chunks(&store, &[]);
}

// ---- verified ----

#[test]
fn verified_inserts_refuse_what_does_not_belong_together() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let mut codec = Codec::new();
    let (digest, other) = (sha256(DATA), sha256(b"something else"));
    let size = DATA.len() as u64;
    let data = [DATA; 20].concat();
    let compressed = codec.encode_vec(&data, true).unwrap();
    assert_eq!(compressed[..8], MAGIC_COMPRESSED_BLOB);
    let broken_frame = raw_blob(MAGIC_COMPRESSED_BLOB, &compressed[12..compressed.len() - 1]);
    for (i, (digest, size, blob, expected)) in [
        (&other, size, plain_blob(DATA), Kind::Corrupt),
        (&digest, size + 1, plain_blob(DATA), Kind::Corrupt),
        (&digest, size - 1, plain_blob(DATA), Kind::Corrupt),
        (&digest, 0, plain_blob(DATA), Kind::Corrupt),
        (&sha256(&data), data.len() as u64 + 1, compressed.clone(), Kind::Corrupt),
        (&sha256(&data), data.len() as u64 - 1, compressed.clone(), Kind::Corrupt),
        (&other, data.len() as u64, compressed, Kind::Corrupt),
        (&sha256(&data), data.len() as u64, broken_frame, Kind::Corrupt),
        (&digest, BLOB_MAX_SIZE as u64 + 1, plain_blob(DATA), Kind::Limit),
        (&digest, size, vec![0; 50], Kind::Format),
    ]
    .into_iter()
    .enumerate()
    {
        let error = failure(store.chunks().insert_verified(&mut codec, digest, size, &blob));
        assert_eq!((error.kind(), error.digest()), (expected, Some(digest)), "case {i}: {error}");
        assert_eq!(store.chunks().has(digest).unwrap(), None, "case {i}");
    }
    assert_eq!(tree(&store.path().join(".chunks")), BTreeMap::new());
}

#[test]
fn verified_inserts_mend_the_crc() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let mut codec = Codec::new();
    let data = [DATA; 50].concat();
    for compress in [false, true] {
        let good = codec.encode_vec(&data, compress).unwrap();
        let mut blob = good.clone();
        blob[8..12].fill(0x55);
        let given = blob.clone();
        let digest = sha256(&data);
        let result = store.chunks().insert_verified(&mut codec, &digest, data.len() as u64, &blob).unwrap();
        assert_eq!(result, new(&good), "compress: {compress}");
        assert_eq!(fs::read(store.chunks().chunk_path(&digest)).unwrap(), good);
        assert_eq!(blob, given, "the caller's bytes stay as they are");
        fs::remove_file(store.chunks().chunk_path(&digest)).unwrap();
    }
}

#[test]
fn verified_inserts_replace_what_does_not_load() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let mut codec = Codec::new();
    let blob = plain_blob(DATA);
    let (digest, size) = (sha256(DATA), DATA.len() as u64);
    let mut flipped = blob.clone();
    flipped[20] ^= 0x10;
    let mut encrypted = raw_blob(MAGIC_ENCRYPTED_BLOB, &[3; 100]);
    encrypted[50] ^= 1;
    for damaged in [
        b"".to_vec(),
        b"short".to_vec(),
        vec![0; 12],
        vec![0; blob.len()],
        vec![0; 1000],
        flipped,
        blob[..blob.len() - 1].to_vec(),
        [&blob[..], b"x"].concat(),
        encrypted,
    ] {
        let path = plant(&store, &digest, &damaged);
        assert_eq!(
            store.chunks().insert_verified(&mut codec, &digest, size, &blob).unwrap(),
            new(&blob),
            "{damaged:?}"
        );
        assert_eq!(fs::read(&path).unwrap(), blob);
        // A plain insert keeps what has a plausible size (5.4).
        if damaged.len() == blob.len() {
            plant(&store, &digest, &damaged);
            assert_eq!(store.chunks().insert(&digest, &blob, PLAIN).unwrap(), kept(&damaged));
            assert_eq!(fs::read(&path).unwrap(), damaged);
        }
    }
    assert_only_chunks(&store, &[]);
}

#[test]
fn verified_inserts_keep_a_good_chunk() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let mut codec = Codec::new();
    let data = [DATA; 20].concat();
    let digest = sha256(&data);
    let (plain, compressed) = (plain_blob(&data), codec.encode_vec(&data, true).unwrap());
    let path = store.chunks().chunk_path(&digest);
    let insert =
        |codec: &mut Codec, blob: &[u8]| store.chunks().insert_verified(codec, &digest, data.len() as u64, blob);

    assert_eq!(insert(&mut codec, &plain).unwrap(), new(&plain));
    let (_, modified) = age(&path);
    assert_eq!(insert(&mut codec, &plain).unwrap(), kept(&plain));
    assert!(is_fresh(&path) && times_of(&path).1 == modified);
    // The smaller form wins, and stays.
    assert_eq!(insert(&mut codec, &compressed).unwrap(), new(&compressed));
    assert_eq!(insert(&mut codec, &plain).unwrap(), kept(&compressed));
    assert_eq!(fs::read(&path).unwrap(), compressed);
}

/// Without a key nobody can tell: encrypted blobs pass unseen, with their CRC made right.
#[test]
fn verified_inserts_take_encrypted_blobs_unseen() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let mut codec = Codec::new();
    let digest = sha256(b"any");
    let good = raw_blob(MAGIC_ENCRYPTED_BLOB, &[3; 100]);
    let mut blob = good.clone();
    blob[8] ^= 1;
    assert_eq!(store.chunks().insert_verified(&mut codec, &digest, 12345, &blob).unwrap(), new(&good));
    assert_eq!(fs::read(store.chunks().chunk_path(&digest)).unwrap(), good);

    // The table of 5.4 holds here too: neither form replaces the other.
    let (digest, plain) = (sha256(DATA), plain_blob(DATA));
    let path = plant(&store, &digest, &good);
    assert_eq!(kind(store.chunks().insert_verified(&mut codec, &digest, DATA.len() as u64, &plain)), Kind::CryptMode);
    assert_eq!(fs::read(&path).unwrap(), good);
    plant(&store, &digest, &plain);
    assert_eq!(kind(store.chunks().insert_verified(&mut codec, &digest, DATA.len() as u64, &good)), Kind::CryptMode);
    assert_eq!(fs::read(&path).unwrap(), plain);
}

#[test]
fn verified_inserts_refuse_what_is_no_file() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let digest = sha256(DATA);
    fs::create_dir_all(store.chunks().chunk_path(&digest)).unwrap();
    let error =
        failure(store.chunks().insert_verified(&mut Codec::new(), &digest, DATA.len() as u64, &plain_blob(DATA)));
    assert_eq!((error.kind(), error.digest()), (Kind::Exists, Some(&digest)));
}

// ---- many at once ----

const THREADS: usize = 8;

/// Runs `work` in 8 threads that start together, and gives what each gave.
fn in_threads<T: Send>(work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(THREADS);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|i| {
                let (barrier, work) = (&barrier, &work);
                scope.spawn(move || {
                    barrier.wait();
                    work(i)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn datas() -> Vec<Vec<u8>> {
    let mut rng = Rng::new(7);
    (0..100).map(|i| rng.bytes(10 + i * 37)).collect()
}

/// Looking and acting are one step for everybody who uses the same handle: exactly one of them writes a chunk.
#[test]
fn threads_with_one_handle_write_each_chunk_once() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let datas = datas();
    let written: usize = in_threads(|i| {
        let mut mine: Vec<_> = datas.iter().collect();
        mine.rotate_left(i % 2 * 50);
        let results =
            mine.into_iter().map(|data| store.chunks().insert(&sha256(data), &plain_blob(data), PLAIN).unwrap());
        results.filter(|result| !result.existed).count()
    })
    .into_iter()
    .sum();
    assert_eq!(written, datas.len());
    check_all(&store, &datas);
}

/// Other handles may come in between, but they only ever find whole files.
#[test]
fn threads_with_handles_of_their_own_find_whole_files() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let datas = datas();
    in_threads(|i| {
        let store = reopen(&store);
        let (mut codec, mut raw) = (Codec::new(), Vec::new());
        for data in &datas {
            let digest = sha256(data);
            if i.is_multiple_of(2) {
                store.chunks().insert(&digest, &plain_blob(data), PLAIN).unwrap();
            } else {
                store.chunks().insert_verified(&mut codec, &digest, data.len() as u64, &plain_blob(data)).unwrap();
            }
            assert_eq!(store.chunks().load(&digest, BLOB_MAX_ENCODED_SIZE, &mut raw).unwrap().payload(), data);
        }
    });
    check_all(&store, &datas);
}

/// Readers see the larger or the smaller form, never something between.
#[test]
fn a_chunk_is_replaced_whole() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let data = vec![5; 300_000];
    let digest = sha256(&data);
    let (large, small) = (plain_blob(&data), Codec::new().encode_vec(&data, true).unwrap());
    in_threads(|i| {
        let store = reopen(&store);
        let mut raw = Vec::new();
        for _ in 0..30 {
            match i {
                // Stored plain again and again, as if it had been lost.
                0 => {
                    store.chunks().mark_bad(&digest).unwrap();
                    store.chunks().insert(&digest, &large, PLAIN).unwrap();
                }
                1 => drop(store.chunks().insert(&digest, &small, PLAIN).unwrap()),
                _ => match store.chunks().load(&digest, BLOB_MAX_ENCODED_SIZE, &mut raw) {
                    Ok(blob) => assert!(blob.raw() == large || blob.raw() == small),
                    Err(error) => assert_eq!(error.kind(), Kind::NotFound, "{error}"),
                },
            }
        }
    });
}

fn check_all(store: &Store, datas: &[Vec<u8>]) {
    let found: BTreeMap<Digest, u64> = store
        .chunks()
        .iter()
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.digest, entry.stored_size))
        .collect();
    let expected = datas.iter().map(|data| (sha256(data), data.len() as u64 + 12)).collect();
    assert_eq!(found, expected);
    let mut raw = Vec::new();
    for data in datas {
        let blob = store.chunks().load(&sha256(data), BLOB_MAX_ENCODED_SIZE, &mut raw).unwrap();
        assert_eq!(blob.payload(), data);
        assert_eq!(Blob::load(&raw).unwrap().form().magic(), MAGIC_UNCOMPRESSED_BLOB);
    }
    assert_only_chunks(store, &[]);
}
