//! The local cache of a store in S3 is told from a store, and is for reading only (docs/format.md, 7.9).

mod common;

use std::fs;
use std::path::PathBuf;

use common::{Rng, Scratch, failure, kind, quick, tree};
use pxds::backup::{Backup, BackupOptions};
use pxds::chunker::Config;
use pxds::chunks::{ConvertOptions, InsertOptions, Layout};
use pxds::error::Kind;
use pxds::gc::{GcOptions, collect};
use pxds::hash::sha256;
use pxds::index::ChunkInfo;
use pxds::ingest::{Ingest, IngestOptions};
use pxds::name::{Group, Snapshot};
use pxds::restore::{RestoreOptions, Restorer};
use pxds::store::{Store, StoreOptions};
use pxds::tree::OpenSnapshot;
use pxds::verify::{Scope, Verifier, VerifyOptions};

const TIME: i64 = 1_593_179_765;
const DATA: &[u8] = b"some data";

/// A snapshot of `len` bytes in chunks of some 4 KiB, and its chunks.
fn make(store: &Store, group: &str, seed: u64, len: usize) -> (Snapshot, Vec<ChunkInfo>) {
    let options = BackupOptions { time: Some(TIME), ..BackupOptions::default() };
    let mut backup = Backup::new(store, &Group::parse(group).unwrap(), options).unwrap();
    let chunker = Config::from_avg(4096).unwrap();
    let mut ingest = Ingest::new(store.chunks(), IngestOptions { chunker, ..IngestOptions::default() }).unwrap();
    ingest.write(&Rng::new(seed).bytes(len)).unwrap();
    backup.add_index("a.didx", &mut ingest.finish().unwrap()).unwrap();
    backup.finish().unwrap();
    let snapshot = backup.snapshot().clone();
    let index = OpenSnapshot::open(store.tree(), &snapshot, None).unwrap().index("a.didx").unwrap().index;
    (snapshot, (0..index.count()).map(|i| index.chunk(i).unwrap()).collect())
}

fn empty(store: &Store, chunks: &[ChunkInfo]) {
    for chunk in chunks {
        fs::write(store.chunks().chunk_path(&chunk.digest), b"").unwrap();
    }
}

/// Whether a handle that is opened now takes a change.
fn takes_changes(store: &Store) -> bool {
    let result =
        common::reopen(store).chunks().insert(&sha256(DATA), &common::plain_blob(DATA), InsertOptions::default());
    match result {
        Ok(_) => true,
        Err(error) => {
            assert_eq!((error.kind(), error.path()), (Kind::Unsupported, Some(store.path())), "{error}");
            false
        }
    }
}

#[test]
fn several_empty_files_of_chunks_that_snapshots_need() {
    let scratch = Scratch::in_memory();
    let store = scratch.store_of(Layout::Hex4);
    assert!(takes_changes(&store));
    let (_, first) = make(&store, "vm/1", 1, 20_000);
    let (_, second) = make(&store, "ns/a/ns/b/ct/1", 2, 40_000);
    assert!(takes_changes(&store));
    empty(&store, &first[..1]);
    empty(&store, &second[..1]);
    assert!(takes_changes(&store), "two may be what a crash has left");
    let open = common::reopen(&store);
    assert!(open.chunks().lock_shared().is_ok());
    empty(&store, &second[1..2]);
    assert!(!takes_changes(&store));
    assert!(open.chunks().lock_shared().is_ok(), "who has looked does not look again");
    fs::remove_file(store.chunks().chunk_path(&second[1].digest)).unwrap();
    assert!(takes_changes(&store), "a missing file is no sign");
}

#[test]
fn in_a_large_store_a_part_is_looked_at() {
    let scratch = Scratch::in_memory();
    let store = scratch.store_of(Layout::Hex4);
    for i in 0..100 {
        let (_, chunks) = make(&store, &format!("vm/{i}"), i, 300_000);
        // One chunk in eight is in the bucket alone.
        let gone: Vec<_> = chunks.into_iter().step_by(8).collect();
        empty(&store, &gone);
    }
    assert!(!takes_changes(&store));
}

#[test]
fn what_crashes_leave_is_no_sign() {
    let scratch = Scratch::in_memory();
    let store = scratch.store_of(Layout::Hex4);
    make(&store, "vm/1", 1, 20_000);
    let (unfinished, chunks) = make(&store, "vm/2", 2, 40_000);
    let path = store.path().join(unfinished.path());
    fs::remove_file(path.join("index.json.blob")).unwrap();
    empty(&store, &chunks);
    assert!(chunks.len() > 3 && takes_changes(&store), "an unfinished snapshot needs nothing");
    // An index that is none, or goes on for ever, is no reason to fail.
    for (name, content) in [("x.didx", &b""[..]), ("y.fidx", b"rubbish")] {
        fs::write(store.path().join("vm/1/2020-06-26T13:56:05Z").join(name), content).unwrap();
    }
    fs::write(store.path().join("vm/file"), b"").unwrap();
    assert!(takes_changes(&store));
}

#[test]
fn only_the_layout_of_pbs_is_looked_at() {
    let scratch = Scratch::in_memory();
    let store = scratch.store("store");
    let (_, chunks) = make(&store, "vm/1", 1, 40_000);
    empty(&store, &chunks);
    assert!(chunks.len() > 3 && takes_changes(&store));
}

#[test]
fn a_chunk_that_is_expected_in_the_bucket() {
    let scratch = Scratch::in_memory();
    let store = scratch.store_of(Layout::Hex4);
    let (_, chunks) = make(&store, "vm/1", 1, 20_000);
    let path = store.chunks().chunk_path(&chunks[1].digest);
    let using = PathBuf::from(format!("{}.using", path.display()));
    fs::write(&using, b"").unwrap();
    assert!(takes_changes(&store), "PBS removes it when the chunk comes");
    fs::remove_file(&path).unwrap();
    assert!(!takes_changes(&store));
    fs::remove_file(&using).unwrap();
    assert!(takes_changes(&store));
}

#[test]
fn it_can_be_read_and_nothing_else() {
    let scratch = Scratch::in_memory();
    let store = scratch.store_of(Layout::Hex4);
    let (snapshot, chunks) = make(&store, "vm/1", 1, 60_000);
    let (whole, _) = make(&store, "vm/2", 2, 30_000);
    empty(&store, &chunks[1..6]);
    let before = tree(store.path());
    let open = || common::reopen(&store);
    assert_eq!(kind(collect(&open(), &GcOptions::default())), Kind::Unsupported);
    assert_eq!(kind(Verifier::new(&open(), VerifyOptions::default()).map(drop)), Kind::Unsupported);
    assert_eq!(kind(Backup::new(&open(), snapshot.group(), BackupOptions::default())), Kind::Unsupported);
    assert_eq!(kind(open().tree().destroy_snapshot(&snapshot)), Kind::Unsupported);
    assert_eq!(kind(open().tree().update_manifest(&snapshot, |_| Ok(()))), Kind::Unsupported);
    assert_eq!(kind(open().tree().set_protected(&snapshot, true)), Kind::Unsupported);
    assert_eq!(kind(open().chunks().mark_bad(&chunks[0].digest)), Kind::Unsupported);
    let convert = Store::convert(store.path(), Layout::Hex2, &quick(), &ConvertOptions::default());
    assert_eq!(kind(convert), Kind::Unsupported);

    let index =
        |snapshot: &Snapshot| OpenSnapshot::open(open().tree(), snapshot, None).unwrap().index("a.didx").unwrap().index;
    let mut data = Vec::new();
    let mut take = |bytes: &[u8]| {
        data.extend_from_slice(bytes);
        Ok(())
    };
    Restorer::new(open().chunks(), RestoreOptions::default()).restore(&index(&whole), &mut take).unwrap();
    assert!(data == Rng::new(2).bytes(30_000));
    let error =
        failure(Restorer::new(open().chunks(), RestoreOptions::default()).restore(&index(&snapshot), &mut |_| Ok(())));
    assert!(error.kind() == Kind::NotFound && error.message().ends_with("its file is empty"), "{error}");
    let options = VerifyOptions { read_only: true, ..VerifyOptions::default() };
    let handle = open();
    let mut verifier = Verifier::new(&handle, options).unwrap();
    verifier.run(&Scope::Store).unwrap();
    let sums = verifier.sums();
    assert_eq!((sums.ok, sums.failed, sums.missing, sums.bad, sums.renamed), (1, 1, 5, 0, 0));
    assert!(tree(store.path()) == before);

    // Whoever knows better says so; then the files are what a crash has left.
    let options = StoreOptions { not_s3_cache: true, ..quick() };
    let store = Store::open(store.path(), &options).unwrap();
    let mut verifier = Verifier::new(&store, VerifyOptions::default()).unwrap();
    verifier.run(&Scope::Store).unwrap();
    let sums = verifier.sums();
    assert_eq!((sums.missing, sums.bad, sums.renamed), (5, 0, 0));
    drop(verifier);
    assert_eq!(store.chunks().mark_bad(&chunks[1].digest).unwrap(), None);
    make(&store, "vm/3", 1, 60_000);
    assert!(chunks.iter().all(|chunk| store.chunks().has(&chunk.digest).unwrap().is_some()));
}
