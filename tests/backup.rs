//! Making snapshots (docs/format.md, 7.7), and reading them again.

mod common;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use common::{Rng, Scratch, digest_of, failure, generate, quick, tree};
use pxds::backup::{Backup, BackupOptions, PHASE_FINISH, PHASE_WAIT};
use pxds::base::SyncLevel;
use pxds::callback::Callback;
use pxds::chunker::Config;
use pxds::error::{Error, Kind};
use pxds::hash::sha256;
use pxds::index::IndexKind;
use pxds::ingest::{Image, ImageOptions, Ingest, IngestOptions, StoredIndex};
use pxds::manifest::{CryptMode, MANIFEST_NAME, Manifest, VerifyState};
use pxds::name::{BackupType, Group, Snapshot};
use pxds::progress::{OnProgress, Stage};
use pxds::restore::{RestoreOptions, Restorer};
use pxds::store::{Store, StoreOptions};
use pxds::sys::{CallerFd, LockMode};
use pxds::tree::OpenSnapshot;
use pxds::tree::TreeLocks;

const TIME: i64 = 1_593_179_765;

fn group(path: &str) -> Group {
    Group::parse(path).unwrap()
}

fn at(time: i64) -> BackupOptions {
    BackupOptions { time: Some(time), ..BackupOptions::default() }
}

fn stream(store: &Store, data: &[u8]) -> StoredIndex {
    let options = IngestOptions { chunker: Config::from_avg(4096).unwrap(), ..IngestOptions::default() };
    let mut ingest = Ingest::new(store.chunks(), options).unwrap();
    ingest.write(data).unwrap();
    ingest.finish().unwrap()
}

fn image(store: &Store, data: &[u8], chunk_size: u64) -> StoredIndex {
    let options = ImageOptions { chunk_size, ..ImageOptions::default() };
    let mut image = Image::new(store.chunks(), Some(data.len() as u64), options).unwrap();
    image.write(data).unwrap();
    image.finish().unwrap()
}

/// Everything below the store but its chunks and its lock.
fn beside_chunks(store: &Store) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = tree(store.path());
    files.retain(|path, _| !path.starts_with(".chunks") && path != Path::new(".lock"));
    files
}

/// The directories of the tree.
fn dirs(store: &Store) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![store.path().to_path_buf()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(&dir).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() && entry.file_name() != ".chunks" {
                found.push(entry.path());
                left.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

fn restored(store: &Store, open: &OpenSnapshot, name: &str) -> Vec<u8> {
    let archive = open.index(name).unwrap();
    let mut data = Vec::new();
    let mut restorer = Restorer::new(store.chunks(), RestoreOptions::default());
    let mut sink = |bytes: &[u8]| {
        data.extend_from_slice(bytes);
        Ok(())
    };
    restorer.restore(&archive.index, &mut sink).unwrap();
    data
}

#[test]
fn a_snapshot_of_every_kind_of_archive() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let (root, disk) = (Rng::new(1).mixture(300_000), Rng::new(2).mixture((8 << 20) + 5));
    let options = BackupOptions { notes: Some("weekly\nfull".into()), owner: Some("me@pbs".into()), ..at(TIME) };
    let mut backup = Backup::new(&store, &group("ns/a/host/x"), options).unwrap();
    assert_eq!(backup.snapshot().path(), "ns/a/host/x/2020-06-26T13:56:05Z");
    assert_eq!(backup.previous(), None);
    backup.add_index("root.pxar.didx", &mut stream(&store, &root)).unwrap();
    backup.add_index("disk.img.fidx", &mut image(&store, &disk, 4 << 20)).unwrap();
    backup.add_index("again.img.fidx", &mut image(&store, &disk, 4 << 20)).unwrap();
    backup.add_blob("etc.conf.blob", b"key = value\n", true).unwrap();
    assert_eq!(store.tree().snapshots(&group("ns/a/host/x")).unwrap().found, [], "not before it is finished");
    backup.finish().unwrap();
    assert_eq!(failure(backup.finish()).kind(), Kind::State);
    assert_eq!(failure(backup.add_blob("x.blob", b"", true)).kind(), Kind::State);
    let snapshot = backup.snapshot().clone();
    // Nothing is held any more, although the handle is there.
    drop(store.tree().lock_group(snapshot.group()).unwrap());
    drop(store.tree().lock_snapshot(&snapshot, LockMode::Exclusive).unwrap());
    drop(backup);

    let info = store.tree().snapshot_info(&snapshot).unwrap();
    assert!(info.finished && !info.protected);
    assert_eq!(store.tree().group_owner(snapshot.group()).unwrap().as_deref(), Some("me@pbs"));
    let names: Vec<_> = store.tree().snapshot_files(&snapshot).unwrap().into_iter().map(|file| file.name).collect();
    assert_eq!(names, ["again.img.fidx", "disk.img.fidx", "etc.conf.blob", "index.json.blob", "root.pxar.didx"]);

    let open = OpenSnapshot::open(store.tree(), &snapshot, None).unwrap();
    let manifest = open.manifest().unwrap();
    assert_eq!((manifest.kind(), manifest.id(), manifest.time()), (BackupType::Host, "x", TIME));
    assert_eq!((manifest.notes(), manifest.signature()), (Some("weekly\nfull"), None));
    let listed: Vec<_> = manifest.files().iter().map(|file| (file.filename.as_str(), file.size)).collect();
    let conf = fs::read(store.path().join(snapshot.path()).join("etc.conf.blob")).unwrap();
    assert_eq!(
        listed,
        [
            ("root.pxar.didx", root.len() as u64),
            ("disk.img.fidx", disk.len() as u64),
            ("again.img.fidx", disk.len() as u64),
            ("etc.conf.blob", conf.len() as u64),
        ]
    );
    assert_eq!(manifest.files()[3].csum, sha256(&conf));
    assert!(manifest.files().iter().all(|file| file.crypt_mode == CryptMode::None));
    let stats = manifest.upload_stats().unwrap();
    assert_eq!(stats.size, (root.len() + 2 * disk.len() + conf.len()) as u64);
    assert!(stats.duplicates >= 3 && stats.count >= 6 + stats.duplicates && stats.compressed_size > 0, "{stats:?}");
    assert_eq!(restored(&store, &open, "root.pxar.didx"), root);
    assert_eq!(restored(&store, &open, "disk.img.fidx"), disk);
    assert_eq!(open.blob("etc.conf.blob", 100).unwrap(), b"key = value\n");
    assert_eq!(failure(open.blob("etc.conf.blob", 5)).kind(), Kind::Limit);
    assert_eq!(failure(store.tree().destroy_snapshot(&snapshot)).kind(), Kind::Busy, "while it is read");
}

#[test]
fn descriptors_go_where_the_name_says() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let data = Rng::new(3).mixture(5 << 20);
    fs::write(scratch.join("input"), &data).unwrap();
    let mut backup = Backup::new(&store, &group("vm/100"), at(TIME)).unwrap();
    let mut add = |name: &str| {
        let file = File::open(scratch.join("input")).unwrap();
        let fd = CallerFd::new(file.as_raw_fd()).unwrap();
        backup.add_fd(name, fd, IngestOptions::default(), ImageOptions::default())
    };
    assert_eq!(add("a.didx").unwrap().size, data.len() as u64);
    assert_eq!(add("b.img.fidx").unwrap().chunks, 2);
    let blob = add("c.blob").unwrap();
    assert_eq!((blob.size, blob.chunks), (data.len() as u64, 0));
    assert_eq!(failure(add("c.blob")).kind(), Kind::Exists);
    backup.finish().unwrap();
    let open = OpenSnapshot::open(store.tree(), backup.snapshot(), None).unwrap();
    assert_eq!(restored(&store, &open, "a.didx"), data);
    assert_eq!(restored(&store, &open, "b.img.fidx"), data);
    assert_eq!(open.blob("c.blob", usize::MAX).unwrap(), data);
}

#[test]
fn what_is_not_finished_leaves_nothing() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let data = Rng::new(4).mixture(100_000);
    let mut backup = Backup::new(&store, &group("ns/a/host/x"), at(TIME)).unwrap();
    backup.add_index("a.didx", &mut stream(&store, &data)).unwrap();
    drop(backup);
    assert_eq!(dirs(&store), Vec::<PathBuf>::new());
    assert!(beside_chunks(&store).is_empty());

    // A group that was there stays as it was.
    let mut backup = Backup::new(&store, &group("host/x"), at(TIME)).unwrap();
    assert_eq!(failure(backup.finish()).kind(), Kind::State, "no archive");
    backup.add_blob("a.blob", b"x", true).unwrap();
    backup.finish().unwrap();
    let before = (dirs(&store), beside_chunks(&store));
    let mut backup = Backup::new(&store, &group("host/x"), at(TIME + 1)).unwrap();
    backup.add_blob("a.blob", b"x", true).unwrap();
    drop(backup);
    assert_eq!((dirs(&store), beside_chunks(&store)), before);
}

#[test]
fn a_failure_to_write_ends_it() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let mut backup = Backup::new(&store, &group("host/x"), at(TIME)).unwrap();
    backup.add_blob("a.blob", b"x", true).unwrap();
    // A descriptor that cannot be read.
    let closed = File::open(scratch.path()).unwrap();
    let fd = CallerFd::new(closed.as_raw_fd()).unwrap();
    assert_eq!(
        failure(backup.add_fd("b.didx", fd, IngestOptions::default(), ImageOptions::default())).kind(),
        Kind::Io
    );
    assert_eq!(failure(backup.add_blob("c.blob", b"x", true)).kind(), Kind::State);
    assert_eq!(failure(backup.finish()).kind(), Kind::State);
    drop(backup);
    assert_eq!(dirs(&store), Vec::<PathBuf>::new());

    // A callback that has had enough.
    let mut backup = Backup::new(&store, &group("host/x"), at(TIME)).unwrap();
    fs::write(scratch.join("input"), Rng::new(5).bytes(1 << 20)).unwrap();
    let file = File::open(scratch.join("input")).unwrap();
    let stop = IngestOptions {
        chunker: Config::from_avg(65536).unwrap(),
        on_chunk: Some(Callback(Arc::new(|_| Err(pxds::error::Error::cancelled("test", 7))))),
        ..IngestOptions::default()
    };
    let fd = CallerFd::new(file.as_raw_fd()).unwrap();
    let error = failure(backup.add_fd("b.didx", fd, stop, ImageOptions::default()));
    assert_eq!((error.kind(), error.callback_value()), (Kind::Cancelled, 7));
    drop(backup);
    assert_eq!(dirs(&store), Vec::<PathBuf>::new());
}

#[test]
fn wrong_archives_are_refused_and_do_not_end_it() {
    let scratch = Scratch::new();
    let (store, other) = (scratch.store("store"), scratch.store("other"));
    let mut backup = Backup::new(&store, &group("host/x"), at(TIME)).unwrap();
    let mut refused = |name: &str, mut index: StoredIndex| {
        let error = failure(backup.add_index(name, &mut index));
        assert_eq!(error.kind(), Kind::Argument, "{name}: {error}");
        error.message().to_owned()
    };
    for name in [
        "",
        "../x.didx",
        "a/b.didx",
        ".x.didx",
        "x",
        "x.DIDX",
        "x.txt",
        "x.didx\n",
        "x.fidx",
        "x.blob",
        "index.json.blob",
    ] {
        refused(name, stream(&store, b"data"));
    }
    refused("x.didx", image(&store, b"data", 4 << 20));
    refused("x.didx", stream(&other, b"data"));
    assert!(refused("x.didx", stream(&store, b"")).contains(".blob"), "what to do instead");
    assert!(refused("x.fidx", image(&store, b"", 4 << 20)).contains(".blob"));
    refused("x.fidx", image(&store, b"data", 65536));
    assert_eq!(failure(backup.add_blob("index.json.blob", b"", true)).kind(), Kind::Argument);
    assert_eq!(failure(backup.add_blob("x.didx", b"", true)).kind(), Kind::Argument);
    backup.add_index("x.didx", &mut stream(&store, b"data")).unwrap();
    assert_eq!(failure(backup.add_index("x.didx", &mut stream(&store, b"data"))).kind(), Kind::Exists);
    // Saved elsewhere already, so its chunks are no longer held.
    let mut saved = stream(&store, b"other data");
    saved.save(&scratch.join("saved.didx")).unwrap();
    assert_eq!(failure(backup.add_index("y.didx", &mut saved)).kind(), Kind::State);
    // Options that cannot be.
    let file = File::open(scratch.join("saved.didx")).unwrap();
    let fd = CallerFd::new(file.as_raw_fd()).unwrap();
    let odd = ImageOptions { chunk_size: 5, ..ImageOptions::default() };
    assert_eq!(failure(backup.add_fd("y.fidx", fd, IngestOptions::default(), odd)).kind(), Kind::Argument);
    let huge = IngestOptions { chunker: Config::from_avg(1 << 30).unwrap(), ..IngestOptions::default() };
    assert_eq!(failure(backup.add_fd("y.didx", fd, huge, ImageOptions::default())).kind(), Kind::Argument);
    // None of this has ended it.
    backup.add_blob("y.blob", b"data", true).unwrap();
    backup.finish().unwrap();
    store.tree().destroy_snapshot(backup.snapshot()).unwrap();

    let options = BackupOptions { any_chunk_size: true, ..at(TIME) };
    let mut backup = Backup::new(&store, &group("host/x"), options).unwrap();
    let odd = ImageOptions { chunk_size: 5, ..ImageOptions::default() };
    assert_eq!(failure(backup.add_fd("x.fidx", fd, IngestOptions::default(), odd)).kind(), Kind::Argument);
    backup.add_index("x.fidx", &mut image(&store, b"data", 65536)).unwrap();
    backup.finish().unwrap();
}

#[test]
fn time_only_goes_forward() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let x = group("host/x");
    let backup = |options: BackupOptions| {
        let mut backup = Backup::new(&store, &x, options)?;
        backup.add_blob("a.blob", b"x", true)?;
        backup.finish().map(|()| backup.snapshot().clone())
    };
    let first = backup(at(TIME)).unwrap();
    for time in [TIME, TIME - 1, 1] {
        assert_eq!(failure(backup(at(time))).kind(), Kind::State, "{time}");
    }
    assert_eq!(failure(backup(at(0))).kind(), Kind::Argument);
    assert_eq!(failure(backup(at(253_402_300_800))).kind(), Kind::Argument);
    // One whose verification has failed is nothing to go by, but its name is taken.
    let failed =
        VerifyState { ok: false, upid: "UPID:n:00000001:00000001:00000001:5EF5FC35:verify:x:root@pam:".into() };
    store.tree().update_manifest(&first, |manifest| manifest.set_verify_state(Some(&failed))).unwrap();
    assert_eq!(failure(backup(at(TIME))).kind(), Kind::Exists);
    backup(at(TIME - 1)).unwrap();
    // An unfinished one that is newer does not count, but its name is taken too.
    drop(store.tree().create_snapshot(&Snapshot::new(x.clone(), TIME + 5).unwrap(), None).unwrap());
    assert_eq!(failure(backup(at(TIME + 5))).kind(), Kind::Exists);
    backup(at(TIME + 4)).unwrap();
    for time in [TIME + 4, TIME] {
        let error = failure(backup(at(time)));
        let said = error.message();
        assert!(said.contains("is not after that of the last snapshot, host/x/2020-06-26T13:56:09Z"), "{said}");
    }
}

#[test]
fn a_time_that_is_not_given_is_waited_for() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let x = group("host/x");
    let backup = |options: BackupOptions| {
        let mut backup = Backup::new(&store, &x, options)?;
        backup.add_blob("a.blob", b"x", true)?;
        backup.finish().map(|()| backup.snapshot().clone())
    };
    let now = BackupOptions::default;
    let (a, b) = (backup(now()).unwrap(), backup(now()).unwrap());
    assert!(b.time() > a.time() && b.time() <= pxds::sys::now(), "in one second too, and not ahead of the clock");
    // Nothing is built on the last one, and unfinished ones are none; their times are taken all the same.
    let failed =
        VerifyState { ok: false, upid: "UPID:n:00000001:00000001:00000001:5EF5FC35:verify:x:root@pam:".into() };
    store.tree().update_manifest(&b, |manifest| manifest.set_verify_state(Some(&failed))).unwrap();
    let begin = pxds::sys::now();
    for time in begin..begin + 2 {
        let _ = fs::create_dir(store.path().join(Snapshot::new(x.clone(), time).unwrap().path()));
    }
    let c = backup(now()).unwrap();
    assert!(c.time() >= begin + 2 && c.time() <= pxds::sys::now());
    // A clock that is a little behind is waited for, one that is far from it is not.
    let soon = backup(at(pxds::sys::now() + 2)).unwrap();
    assert!(backup(now()).unwrap().time() > soon.time());
    let future = backup(at(4_070_908_800)).unwrap();
    let error = failure(backup(now()));
    assert_eq!(error.kind(), Kind::State);
    assert!(error.message().contains("host/x/2099-01-01T00:00:00Z, lies in the future: give a time"), "{error}");
    store.tree().destroy_snapshot(&future).unwrap();
    // The wait can be stopped.
    backup(at(pxds::sys::now() + 4)).unwrap();
    let stop: OnProgress = Callback(Arc::new(|stage: &Stage| {
        assert_eq!(stage.phase, PHASE_WAIT);
        Err(Error::cancelled("test", 7))
    }));
    let error = failure(Backup::new(&store, &x, BackupOptions { progress: Some(stop), ..now() }));
    assert_eq!((error.kind(), error.callback_value()), (Kind::Cancelled, 7));
    assert_eq!(common::names(store.path()), [".chunks", ".lock", "host"]);
}

#[test]
fn the_end_tells_of_progress_and_can_be_stopped() {
    let scratch = Scratch::new();
    let data = Rng::new(8).bytes(300_000);
    for (sync, total) in [(SyncLevel::None, 0), (SyncLevel::File, 20), (SyncLevel::Filesystem, 1)] {
        let store = scratch.store_with(&format!("{sync:?}"), &StoreOptions { sync, ..StoreOptions::default() });
        let told = Arc::new(Mutex::new(Vec::new()));
        let start = |stop: bool| {
            let told = told.clone();
            let tell: OnProgress = Callback(Arc::new(move |stage: &Stage| {
                told.lock().unwrap().push(*stage);
                if stop { Err(Error::cancelled("test", 7)) } else { Ok(()) }
            }));
            let mut backup =
                Backup::new(&store, &group("host/x"), BackupOptions { progress: Some(tell), ..at(TIME) }).unwrap();
            backup.add_index("a.didx", &mut stream(&store, &data)).unwrap();
            backup
        };
        let mut backup = start(true);
        let error = failure(backup.finish());
        assert_eq!((error.kind(), error.callback_value()), (Kind::Cancelled, 7));
        assert_eq!(failure(backup.finish()).kind(), Kind::State, "that was its end");
        drop(backup);
        assert_eq!(dirs(&store), Vec::<PathBuf>::new());

        start(false).finish().unwrap();
        let told = told.lock().unwrap();
        assert!(told.iter().all(|stage| stage.phase == PHASE_FINISH && stage.done <= stage.total), "{told:?}");
        // Known chunks are others' work: then the whole file system is brought to the disk.
        assert!(told[0].done == 0 && told[0].total >= total, "{sync:?}: {told:?}");
    }
}

#[test]
fn what_a_backup_holds() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let x = group("host/x");
    let mut backup = Backup::new(&store, &x, at(TIME)).unwrap();
    backup.add_blob("a.blob", b"x", true).unwrap();
    backup.finish().unwrap();
    let first = backup.snapshot().clone();
    let backup = Backup::new(&store, &x, at(TIME + 1)).unwrap();
    assert_eq!(backup.previous(), Some(&first));
    let other = common::reopen(&store);
    assert_eq!(failure(Backup::new(&other, &x, at(TIME + 2))).kind(), Kind::Busy);
    assert_eq!(failure(other.tree().destroy_snapshot(&first)).kind(), Kind::Busy);
    assert_eq!(failure(other.chunks().lock_exclusive()).kind(), Kind::Busy);
    assert!(OpenSnapshot::open(other.tree(), &first, None).is_ok());
    // Another group is free.
    drop(Backup::new(&other, &group("host/y"), at(TIME)).unwrap());
    drop(backup);
    other.tree().destroy_snapshot(&first).unwrap();
    assert!(other.tree().group_owner(&x).unwrap().is_some(), "the group was there before");
    let held = other.chunks().lock_exclusive().unwrap();
    assert_eq!(failure(Backup::new(&store, &x, at(TIME + 2))).kind(), Kind::Busy);
    drop(held);
}

/// No garbage collection finds the index of a backup that is not finished: the lock keeps the chunks, and so must count
/// from when these were stored.
#[test]
fn a_backup_holds_as_long_as_what_it_takes_over() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let mut index = stream(&store, b"data");
    let since = store.chunks().oldest_writer().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let mut backup = Backup::new(&store, &group("host/x"), at(TIME)).unwrap();
    backup.add_index("a.didx", &mut index).unwrap();
    drop(index);
    assert_eq!(store.chunks().oldest_writer(), Some(since));
    backup.finish().unwrap();
    assert_eq!(store.chunks().oldest_writer(), None);
}

#[test]
fn what_cannot_be_read_is_not_built_on() {
    let scratch = Scratch::new();
    let (store, notices) = noticing(scratch.store("store").path());
    let x = group("host/x");
    let mut backup = Backup::new(&store, &x, at(TIME)).unwrap();
    backup.add_blob("a.blob", b"x", true).unwrap();
    backup.finish().unwrap();
    fs::write(store.path().join(backup.snapshot().path()).join(MANIFEST_NAME), "no blob").unwrap();
    assert_eq!(failure(Backup::new(&store, &x, at(TIME))).kind(), Kind::State, "it is there nevertheless");
    notices.lock().unwrap().clear();
    assert_eq!(Backup::new(&store, &x, at(TIME + 1)).unwrap().previous(), None);
    assert_eq!(notices.lock().unwrap().len(), 1);
}

#[test]
fn lock_files_of_what_is_not_made_are_removed() {
    let scratch = Scratch::new();
    let files = TreeLocks::Files { dir: scratch.join("locks"), store: "main".to_owned() };
    let store = scratch.store_with("store", &StoreOptions { tree_locks: files, ..quick() });
    let x = group("host/x");
    let mut backup = Backup::new(&store, &x, at(TIME)).unwrap();
    backup.add_blob("a.blob", b"x", true).unwrap();
    backup.finish().unwrap();
    let before = tree(&scratch.join("locks"));
    assert_eq!(before.len(), 2, "of the group and of the snapshot");
    drop(Backup::new(&store, &x, at(TIME + 1)).unwrap());
    assert_eq!(tree(&scratch.join("locks")), before);
    // The one before is in use, so that nothing comes of it.
    let held = store.tree().lock_snapshot(backup.snapshot(), LockMode::Exclusive).unwrap();
    assert_eq!(failure(Backup::new(&store, &x, at(TIME + 1))).kind(), Kind::Busy);
    drop(held);
    assert_eq!(tree(&scratch.join("locks")), before);
}

#[test]
fn every_sync_level_writes_the_same() {
    let scratch = Scratch::new();
    let data = Rng::new(6).mixture(200_000);
    let mut results = Vec::new();
    for sync in [SyncLevel::None, SyncLevel::File, SyncLevel::Filesystem] {
        let store = scratch.store_with(&format!("{sync:?}"), &StoreOptions { sync, ..StoreOptions::default() });
        let mut backup = Backup::new(&store, &group("host/x"), at(TIME)).unwrap();
        let options = IngestOptions { ctime: Some(1), uuid: Some([1; 16]), ..IngestOptions::default() };
        let mut ingest = Ingest::new(store.chunks(), options).unwrap();
        ingest.write(&data).unwrap();
        backup.add_index("a.didx", &mut ingest.finish().unwrap()).unwrap();
        backup.finish().unwrap();
        results.push(tree(store.path()));
    }
    assert_eq!(results[0], results[1]);
    assert_eq!(results[0], results[2]);
}

#[test]
fn manifests_are_changed_under_their_lock() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let mut backup = Backup::new(&store, &group("host/x"), at(TIME)).unwrap();
    backup.add_blob("a.blob", b"x", true).unwrap();
    backup.finish().unwrap();
    let snapshot = backup.snapshot().clone();
    let count = 40;
    std::thread::scope(|scope| {
        for name in ["a", "b", "c"] {
            let (store, snapshot) = (common::reopen(&store), snapshot.clone());
            scope.spawn(move || {
                for i in 0..count {
                    store
                        .tree()
                        .update_manifest(&snapshot, |manifest| {
                            manifest.set_unprotected_member(&format!("{name}{i}"), Some(i.into()))
                        })
                        .unwrap();
                }
            });
        }
    });
    let manifest = store.tree().load_manifest(&snapshot).unwrap();
    for name in ["a", "b", "c"] {
        assert!((0..count).all(|i| manifest.unprotected_member(&format!("{name}{i}")).is_some()), "none is lost");
    }
    // An error changes nothing.
    let before = tree(store.path());
    let refuse = |_: &mut Manifest| Err(pxds::error::Error::new(Kind::Argument, "no"));
    assert_eq!(failure(store.tree().update_manifest(&snapshot, refuse)).kind(), Kind::Argument);
    assert_eq!(tree(store.path()), before);
    let other = Manifest::new(BackupType::Host, "y", TIME).unwrap();
    assert_eq!(failure(store.store_manifest(&snapshot, &other)).kind(), Kind::Argument);
    let unfinished = Snapshot::new(group("host/x"), TIME + 1).unwrap();
    drop(store.tree().create_snapshot(&unfinished, None).unwrap());
    assert_eq!(failure(store.tree().load_manifest(&unfinished)).kind(), Kind::NotFound);
    store.store_manifest(&unfinished, &Manifest::new(BackupType::Host, "x", TIME + 1).unwrap()).unwrap();
    assert!(store.tree().snapshot_info(&unfinished).unwrap().finished);
}

/// A store whose notices are kept.
fn noticing(path: &Path) -> (Store, Arc<Mutex<Vec<String>>>) {
    let notices = Arc::new(Mutex::new(Vec::new()));
    let keep = notices.clone();
    let notice = move |_, message: &str, _: Option<&Path>| {
        keep.lock().unwrap().push(message.to_owned());
        Ok(())
    };
    let store = Store::open(path, &StoreOptions { notice: Some(Callback(Arc::new(notice))), ..quick() }).unwrap();
    (store, notices)
}

#[test]
fn archives_are_compared_with_the_manifest() {
    let scratch = Scratch::new();
    let (store, notices) = noticing(scratch.store("store").path());
    let mut backup = Backup::new(&store, &group("host/x"), at(TIME)).unwrap();
    backup.add_index("a.didx", &mut stream(&store, b"some data")).unwrap();
    backup.add_blob("b.blob", b"conf", true).unwrap();
    backup.finish().unwrap();
    let snapshot = backup.snapshot().clone();
    let dir = store.path().join(snapshot.path());
    let open = || OpenSnapshot::open(store.tree(), &snapshot, None).unwrap();
    // About the size of the chunks.
    notices.lock().unwrap().clear();
    assert!(open().index("a.didx").unwrap().listed.is_some());
    assert!(notices.lock().unwrap().is_empty());

    // A wrong csum in the header is worth a word; the manifest knows better.
    let index = fs::read(dir.join("a.didx")).unwrap();
    let mut wrong = index.clone();
    wrong[40] ^= 1;
    fs::write(dir.join("a.didx"), &wrong).unwrap();
    assert!(open().index("a.didx").unwrap().listed.is_some());
    assert_eq!(notices.lock().unwrap().drain(..).count(), 1);
    // A wrong entry is not.
    let mut wrong = index.clone();
    wrong[4096 + 20] ^= 1;
    fs::write(dir.join("a.didx"), &wrong).unwrap();
    let error = failure(open().index("a.didx").map(|archive| archive.listed));
    assert_eq!((error.kind(), error.path()), (Kind::Corrupt, Some(&*dir.join("a.didx"))));
    let blob = fs::read(dir.join("b.blob")).unwrap();
    fs::write(dir.join("b.blob"), [&blob[..], b"x"].concat()).unwrap();
    assert_eq!(failure(open().blob("b.blob", 100)).kind(), Kind::Corrupt);

    // What is not listed is given, with a word.
    fs::write(dir.join("client.log.blob"), &blob).unwrap();
    assert_eq!(open().blob("client.log.blob", 100).unwrap(), b"conf");
    assert_eq!(notices.lock().unwrap().drain(..).count(), 1);
    assert!(open().blob(MANIFEST_NAME, 10_000).unwrap().starts_with(b"{\n"));
    assert!(notices.lock().unwrap().is_empty());
    fs::write(dir.join("a.didx"), &index).unwrap();
    fs::remove_file(dir.join(MANIFEST_NAME)).unwrap();
    assert!(open().index("a.didx").unwrap().listed.is_none());
    assert_eq!(notices.lock().unwrap().drain(..).count(), 1);

    for name in ["../a.didx", "a", "", "a/b.didx", "b.blob"] {
        assert_eq!(failure(open().index(name).map(|archive| archive.listed)).kind(), Kind::Argument, "{name}");
    }
    assert_eq!(failure(open().blob("a.didx", 1)).kind(), Kind::Argument);
    assert_eq!(failure(open().blob("none.blob", 1)).kind(), Kind::NotFound);
    std::os::unix::fs::symlink(dir.join("b.blob"), dir.join("link.blob")).unwrap();
    assert_eq!(failure(open().blob("link.blob", 100)).kind(), Kind::Format);
    fs::write(dir.join(MANIFEST_NAME), b"no blob").unwrap();
    assert_eq!(failure(OpenSnapshot::open(store.tree(), &snapshot, None).map(drop)).kind(), Kind::Format);
}

#[test]
fn the_store_of_pbs_is_read_whole() {
    let scratch = Scratch::new();
    let archive = common::vector_path("store/store.tar.gz");
    assert!(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(scratch.path()).status().unwrap().success());
    let store = Store::open(scratch.path(), &quick()).unwrap();
    let json = common::vector_json("store/store.json");
    let mut seen = 0;
    for (path, content) in json["contents"].as_object().unwrap() {
        let (snapshot, name) = path.rsplit_once('/').unwrap();
        let open = OpenSnapshot::open(store.tree(), &Snapshot::parse(snapshot).unwrap(), None).unwrap();
        let expected = generate(content["content"].as_array().unwrap());
        assert_eq!(sha256(&expected), digest_of(&content["sha256"]));
        let encrypted = content["encrypted"].as_bool().unwrap();
        if name.ends_with(".blob") {
            match open.blob(name, usize::MAX) {
                Ok(data) => assert_eq!((data, encrypted), (expected, false), "{path}"),
                Err(error) => assert_eq!((error.kind(), encrypted), (Kind::Key, true), "{path}: {error}"),
            }
        } else {
            let archive = open.index(name).unwrap();
            assert_eq!(archive.index.size(), expected.len() as u64);
            assert_eq!(archive.index.kind() == IndexKind::Fixed, name.ends_with(".fidx"));
            let mut restorer = Restorer::new(store.chunks(), RestoreOptions::default());
            let size = expected.len() as u64;
            for (offset, length) in [(0, size), (size / 2, 100), (size - 1, 10), (1, size), (size / 3, size / 3)] {
                let mut data = Vec::new();
                let result = restorer.restore_range(&archive.index, offset, length, &mut |bytes| {
                    data.extend_from_slice(bytes);
                    Ok(())
                });
                let end = size.min(offset + length) as usize;
                match result {
                    Ok(()) => assert_eq!((&data[..], encrypted), (&expected[offset as usize..end], false), "{path}"),
                    Err(error) => assert_eq!((error.kind(), encrypted), (Kind::Key, true), "{path}: {error}"),
                }
            }
        }
        seen += 1;
    }
    assert_eq!(seen, json["contents"].as_object().unwrap().len());
}
