//! A store that is opened for reading only (docs/format.md, 5.11): nothing is changed, and what reads works.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use common::{Scratch, failure, kind, plain_blob, quick};
use pxds::backup::{Backup, BackupOptions};
use pxds::base::ReadOnly;
use pxds::blob::Codec;
use pxds::chunks::{ConvertOptions, InsertOptions, Layout};
use pxds::error::{Kind, Result};
use pxds::gc::{GcOptions, collect};
use pxds::hash::sha256;
use pxds::ingest::{CopyOptions, Image, ImageOptions, Ingest, IngestOptions, copy_chunks};
use pxds::manifest::Manifest;
use pxds::name::{BackupType, Group, Snapshot};
use pxds::restore::{RestoreOptions, Restorer};
use pxds::store::{Store, StoreOptions};
use pxds::sys::LockMode;
use pxds::tree::{DestroyOptions, Destroyed, OpenSnapshot, PruneOptions};
use pxds::verify::{Scope, Verifier, VerifyOptions};

const DATA: &[u8] = b"the data of a chunk";
const SNAPSHOT: &str = "vm/100/2020-06-26T13:56:05Z";

fn snapshot() -> Snapshot {
    Snapshot::parse(SNAPSHOT).unwrap()
}

fn group() -> Group {
    Group::parse("vm/100").unwrap()
}

/// A store with one snapshot, of a stream and a blob.
fn make(scratch: &Scratch) -> Store {
    let store = scratch.store("store");
    let options = BackupOptions { time: Some(snapshot().time()), ..BackupOptions::default() };
    let mut backup = Backup::new(&store, &group(), options).unwrap();
    let mut ingest = Ingest::new(store.chunks(), IngestOptions::default()).unwrap();
    ingest.write(DATA).unwrap();
    backup.add_index("a.didx", &mut ingest.finish().unwrap()).unwrap();
    backup.add_blob("b.blob", DATA, true).unwrap();
    backup.finish().unwrap();
    store
}

/// All that is below `dir`, with what would change if it were written to or touched; reading does not change it.
fn look(dir: &Path) -> BTreeMap<PathBuf, (u32, u64, i64, i64)> {
    let mut found = BTreeMap::new();
    let mut paths = vec![dir.to_owned()];
    while let Some(path) = paths.pop() {
        let stat = fs::symlink_metadata(&path).unwrap();
        if stat.is_dir() {
            paths.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        found.insert(path, (stat.mode(), stat.size(), stat.ctime(), stat.ctime_nsec()));
    }
    found
}

fn read_only(store: &Store, why: ReadOnly) -> Store {
    Store::open(store.path(), &StoreOptions { read_only: Some(why), ..quick() }).unwrap()
}

type Change = fn(&Store) -> Result<()>;

/// Every way in which the core changes a store.
const CHANGES: &[(&str, Change)] = &[
    ("lock, shared", |store| store.chunks().lock_shared().map(drop)),
    ("lock, exclusive", |store| store.chunks().lock_exclusive().map(drop)),
    ("lock of a group", |store| store.tree().lock_group(&group()).map(drop)),
    ("lock of a snapshot", |store| store.tree().lock_snapshot(&snapshot(), LockMode::Exclusive).map(drop)),
    ("lock of a manifest", |store| store.tree().lock_manifest(&snapshot()).map(drop)),
    ("insert", |store| store.chunks().insert(&sha256(b"new"), &plain_blob(b"new"), InsertOptions::default()).map(drop)),
    ("insert what is there", |store| {
        store.chunks().insert(&sha256(DATA), &plain_blob(DATA), InsertOptions::default()).map(drop)
    }),
    ("insert, verified", |store| {
        store.chunks().insert_verified(&mut Codec::new(), &sha256(b"new"), 3, &plain_blob(b"new")).map(drop)
    }),
    ("insert for an index", |store| store.chunks().insert_for_index(&sha256(b"new"), &plain_blob(b"new")).map(drop)),
    ("touch", |store| store.chunks().touch(&sha256(DATA))),
    ("touch of what is not there", |store| store.chunks().touch(&sha256(b"new"))),
    ("mark as bad", |store| store.chunks().mark_bad(&sha256(DATA)).map(drop)),
    ("ingest of a stream", |store| Ingest::new(store.chunks(), IngestOptions::default()).map(drop)),
    ("ingest of an image", |store| Image::new(store.chunks(), Some(4), ImageOptions::default()).map(drop)),
    ("copy of chunks", |store| {
        let index = OpenSnapshot::open(store.tree(), &snapshot(), None)?.index("a.didx")?.index;
        copy_chunks(store.chunks(), &index, store.chunks(), CopyOptions::default()).map(drop)
    }),
    ("backup", |store| Backup::new(store, &group(), BackupOptions::default()).map(drop)),
    ("backup into a new group", |store| {
        Backup::new(store, &Group::parse("ns/a/ct/1")?, BackupOptions::default()).map(drop)
    }),
    ("group", |store| store.tree().make_group(&Group::parse("ct/1")?, None)),
    ("snapshot", |store| store.tree().create_snapshot(&Snapshot::parse("ct/1/2020-06-26T13:56:05Z")?, None).map(drop)),
    ("manifest", |store| store.store_manifest(&snapshot(), &Manifest::new(BackupType::Vm, "100", snapshot().time())?)),
    ("notes of a snapshot", |store| store.tree().update_manifest(&snapshot(), |_| Ok(()))),
    ("owner", |store| store.tree().set_group_owner(&group(), "a@pam")),
    ("notes of a group", |store| store.tree().set_group_notes(&group(), "notes")),
    ("no notes of a group", |store| store.tree().set_group_notes(&group(), "")),
    ("protection", |store| store.tree().set_protected(&snapshot(), true)),
    ("removal of a snapshot", |store| store.tree().destroy_snapshot(&snapshot())),
    ("removal of a group", |store| {
        store.tree().destroy_group(&group(), &DestroyOptions::default(), &mut Destroyed::default())
    }),
    ("prune", |store| store.tree().prune_group(&group(), &PruneOptions::default()).map(drop)),
    ("garbage collection", |store| collect(store, &GcOptions::default()).map(drop)),
    ("verification", |store| Verifier::new(store, VerifyOptions::default()).map(drop)),
];

#[test]
fn nothing_changes_it() {
    let scratch = Scratch::new();
    let store = make(&scratch);
    let before = look(store.path());
    for (why, expected) in [(ReadOnly::Wanted, Kind::State), (ReadOnly::S3Cache, Kind::Unsupported)] {
        let store = read_only(&store, why);
        for (what, change) in CHANGES {
            let error = failure(change(&store));
            assert_eq!((error.kind(), error.path()), (expected, Some(store.path())), "{what}: {error}");
            assert_eq!(look(store.path()), before, "{what}");
        }
        let options = StoreOptions { read_only: Some(why), ..quick() };
        let convert = Store::convert(store.path(), Layout::Hex4, &options, &ConvertOptions::default());
        assert_eq!(kind(convert), expected);
        let create = Store::create(&scratch.join("new"), &options);
        assert_eq!(kind(create), Kind::Argument);
        assert!(!scratch.join("new").exists());
    }
    // Each of them works otherwise.
    for (what, change) in CHANGES.iter().filter(|(what, _)| *what != "touch of what is not there") {
        let scratch = Scratch::new();
        let result = change(&make(&scratch));
        assert!(result.is_ok(), "{what}: {result:?}");
    }
}

#[test]
fn what_reads_works() {
    let scratch = Scratch::new();
    let store = make(&scratch);
    let before = look(store.path());
    let store = read_only(&store, ReadOnly::Wanted);
    assert_eq!(store.tree().snapshots(&group()).unwrap().found.len(), 1);
    let _held = store.tree().lock_snapshot(&snapshot(), LockMode::Shared).unwrap();
    let open = OpenSnapshot::open(store.tree(), &snapshot(), None).unwrap();
    assert_eq!(open.blob("b.blob", 100).unwrap(), DATA);
    let mut restored = Vec::new();
    let mut sink = |data: &[u8]| {
        restored.extend_from_slice(data);
        Ok(())
    };
    let index = open.index("a.didx").unwrap().index;
    Restorer::new(store.chunks(), RestoreOptions::default()).restore(&index, &mut sink).unwrap();
    assert_eq!(restored, DATA);

    let options = VerifyOptions { read_only: true, ..VerifyOptions::default() };
    let mut verifier = Verifier::new(&store, options).unwrap();
    verifier.run(&Scope::Store).unwrap();
    assert_eq!((verifier.sums().ok, verifier.sums().failed), (1, 0));
    let dry = PruneOptions { dry_run: true, ..PruneOptions::default() };
    let pruned = store.tree().prune_group(&group(), &dry).unwrap();
    assert_eq!(pruned.found.len(), 1);
    let dry = GcOptions { dry_run: true, ..GcOptions::default() };
    assert_eq!(collect(&store, &dry).unwrap().disk_chunks, 1);
    assert_eq!(look(store.path()), before);
}
