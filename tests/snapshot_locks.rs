//! Locks on groups, snapshots and manifests, and work in progress (docs/format.md, 7.8).

mod common;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Scratch, failure, flock};
use pxds::base::SyncLevel;
use pxds::error::Kind;
use pxds::name::{Group, Snapshot};
use pxds::store::{Store, StoreOptions};
use pxds::sys::LockMode;
use pxds::tree::TreeLocks;
use pxds::tree::{DestroyOptions, Destroyed};

const TIME: &str = "2020-06-26T13:56:05Z";

fn group(path: &str) -> Group {
    Group::parse(path).unwrap()
}

fn snapshot(path: &str) -> Snapshot {
    Snapshot::parse(path).unwrap()
}

#[test]
fn locks_are_flocks_on_the_directories() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let x = snapshot(&format!("host/x/{TIME}"));
    drop(store.tree().create_snapshot(&x, None).unwrap());
    let (group_dir, dir) = (store.path().join("host/x"), store.path().join(x.path()));

    let held = store.tree().lock_group(x.group()).unwrap();
    assert!(flock(&group_dir, false).is_none());
    assert_eq!(failure(store.tree().create_group(x.group(), None)).path(), Some(&*group_dir));
    drop(held);
    let foreign = flock(&group_dir, true).unwrap();
    assert_eq!(failure(store.tree().lock_group(x.group())).kind(), Kind::Busy);
    let mut destroyed = Destroyed::default();
    assert_eq!(
        failure(store.tree().destroy_group(x.group(), &DestroyOptions::default(), &mut destroyed)).kind(),
        Kind::Busy
    );
    drop(foreign);

    let shared = store.tree().lock_snapshot(&x, LockMode::Shared).unwrap();
    assert!(flock(&dir, false).is_some());
    assert!(flock(&dir, true).is_none());
    assert_eq!(failure(store.tree().destroy_snapshot(&x)).kind(), Kind::Busy);
    drop(shared);
    assert_eq!(
        failure(store.tree().lock_snapshot(&snapshot("host/x/2000-01-01T00:00:00Z"), LockMode::Shared)).kind(),
        Kind::NotFound
    );
    assert_eq!(failure(store.tree().lock_group(&group("host/none"))).kind(), Kind::NotFound);
}

#[test]
fn a_manifest_is_waited_for() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let x = snapshot(&format!("host/x/{TIME}"));
    drop(store.tree().create_snapshot(&x, None).unwrap());
    assert_eq!(failure(store.tree().lock_manifest(&x)).kind(), Kind::NotFound);
    let manifest = store.path().join(x.path()).join("index.json.blob");
    fs::write(&manifest, "").unwrap();
    drop(store.tree().lock_manifest(&x).unwrap());
    let foreign = flock(&manifest, true).unwrap();
    fs::write(scratch.join("new"), "").unwrap();
    let replaced = Arc::new(AtomicBool::new(false));
    let waiter = std::thread::spawn({
        let (store, x, replaced) = (store.clone(), x.clone(), replaced.clone());
        move || loop {
            let was_replaced = replaced.load(Ordering::SeqCst);
            match store.tree().lock_manifest(&x) {
                // On a busy machine it may take longer than is waited for until the other is there.
                Err(error) if error.kind() == Kind::Busy && !was_replaced => {}
                other => return other.map(drop),
            }
        }
    });
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(!waiter.is_finished());
    // Replaced while it is waited for: the new one is locked.
    fs::rename(scratch.join("new"), &manifest).unwrap();
    replaced.store(true, Ordering::SeqCst);
    waiter.join().unwrap().unwrap();
    drop(foreign);
}

fn with_lock_files(scratch: &Scratch, store: &Store) -> Store {
    let files = TreeLocks::Files { dir: scratch.join("run/locks"), store: "main".to_owned() };
    let options = StoreOptions { sync: SyncLevel::None, tree_locks: files, ..StoreOptions::default() };
    Store::open(store.path(), &options).unwrap()
}

#[test]
fn lock_files_of_newer_servers() {
    let scratch = Scratch::new();
    let store = with_lock_files(&scratch, &scratch.store("store"));
    let x = snapshot(&format!("ns/a/ns/b/host/x/{TIME}"));
    let held = store.tree().create_snapshot(&x, None).unwrap();
    let dir = scratch.join("run/locks/main/a:b");
    let file = dir.join("host-x-2020\\x2d06\\x2d26T13\\x3a56\\x3a05Z");
    assert_eq!(fs::metadata(&file).unwrap().len(), 0);
    assert!(flock(&file, false).is_none());
    assert!(flock(&store.path().join(x.path()), true).is_some(), "the directory itself is free");
    assert_eq!(failure(store.tree().set_protected(&x, true)).path(), Some(&*file));
    drop(held);
    let foreign = flock(&dir.join("host-x"), true).unwrap();
    assert_eq!(failure(store.tree().lock_group(x.group())).kind(), Kind::Busy);
    drop(foreign);
    fs::write(store.path().join(x.path()).join("index.json.blob"), "").unwrap();
    let held = store.tree().lock_manifest(&x).unwrap();
    assert!(flock(&dir.join("host-x-2020\\x2d06\\x2d26T13\\x3a56\\x3a05Z-.index.json.lck"), true).is_none());
    drop(held);
    // A lock on what does not exist is of no use.
    assert_eq!(failure(store.tree().lock_group(&group("host/none"))).kind(), Kind::NotFound);
    store.tree().destroy_snapshot(&x).unwrap();
    assert_eq!(common::names(&dir), ["host-x"], "those of the snapshot are gone");
    // After an upgrade without a restart the directories are locked as before.
    fs::write(scratch.join("run/old-locking"), "").unwrap();
    let held = store.tree().create_snapshot(&x, None).unwrap();
    assert!(flock(&store.path().join(x.path()), true).is_none());
    drop(held);
    let held = store.tree().lock_manifest(&x).unwrap();
    assert!(
        flock(&scratch.join("run/locks/main").join(x.path()).join(format!("{TIME}.index.json.lck")), true).is_none()
    );
    drop(held);
}

/// Paths are bytes, not text.
#[test]
fn the_directory_of_lock_files_can_have_any_name() {
    let scratch = Scratch::new();
    let dir = scratch.path().join(OsStr::from_bytes(b"run\xff/locks"));
    let options = StoreOptions {
        tree_locks: TreeLocks::Files { dir: dir.clone(), store: "main".to_owned() },
        ..StoreOptions::default()
    };
    let store = Store::open(scratch.store("store").path(), &options).unwrap();
    drop(store.tree().create_group(&group("host/x"), None).unwrap());
    assert!(dir.join("main/host-x").exists());
}

#[test]
fn what_crashes_of_older_versions_have_left_goes_with_the_next_backup() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let x = snapshot(&format!("host/x/{TIME}"));
    let left = |end: &str| store.path().join(format!("host/x/{TIME}.tmp_{end}"));
    for end in ["AbC123", "AbC124"] {
        drop(store.tree().create_snapshot(&x, None).unwrap());
        fs::rename(store.path().join(x.path()), left(end)).unwrap();
    }
    assert_eq!(store.tree().snapshots(x.group()).unwrap().found, []);
    // One is being removed right now.
    let held = flock(&left("AbC124"), true).unwrap();
    let group = store.tree().create_group(x.group(), None).unwrap();
    let work = group.start_snapshot(store.tree(), &x).unwrap();
    assert!(!left("AbC123").exists() && left("AbC124").exists());
    drop((held, work));
    group.start_snapshot(store.tree(), &x).unwrap();
    assert_eq!(common::names(&store.path().join("host/x")), ["owner"]);
}

#[test]
fn work_in_progress_lies_outside_the_groups() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let x = snapshot(&format!("ns/a/host/x/{TIME}"));
    let place = store.path().join(".pxds-tmp");
    let group = store.tree().create_group(x.group(), None).unwrap();
    let work = group.start_snapshot(store.tree(), &x).unwrap();
    assert_eq!(work.path().parent(), Some(&*place));
    assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(work.path()).unwrap().permissions().mode() & 0o777, 0o755);
    assert!(flock(&work.path(), false).is_none(), "it is held");
    assert_eq!(common::names(&store.path().join("ns/a/host/x")), ["owner"]);
    fs::create_dir_all(work.path().join("sub/sub")).unwrap();
    let other = group.start_snapshot(store.tree(), &snapshot("ns/a/host/x/2020-06-26T13:56:06Z")).unwrap();
    drop(work);
    assert_eq!(common::names(&place).len(), 1, "of the other");
    other.commit(&x, true).unwrap();
    assert_eq!(common::names(store.path()), [".chunks", ".lock", "ns"]);
    assert_eq!(common::names(&store.path().join("ns/a/host/x")), [TIME, "owner"]);
    assert!(flock(&store.path().join(x.path()), true).is_some(), "nothing is held any more");
    // The time is taken, and what was made for it goes.
    let work = group.start_snapshot(store.tree(), &x).unwrap();
    assert_eq!(failure(work.commit(&x, true)).kind(), Kind::Exists);
    assert!(!place.exists());
}

#[test]
fn the_hidden_directory_is_one_or_nothing_is_done() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let x = snapshot(&format!("host/x/{TIME}"));
    drop(store.tree().create_snapshot(&x, None).unwrap());
    let outside = scratch.join("outside");
    fs::create_dir(&outside).unwrap();
    let place = store.path().join(".pxds-tmp");
    let refused = || {
        let group = store.tree().create_group(x.group(), None).unwrap();
        assert_eq!(failure(group.start_snapshot(store.tree(), &x)).path(), Some(&*place));
        drop(group);
        assert_eq!(failure(store.tree().destroy_snapshot(&x)).kind(), Kind::Exists);
        assert!(store.path().join(x.path()).exists() && common::names(&outside).is_empty());
    };
    symlink(&outside, &place).unwrap();
    refused();
    fs::remove_file(&place).unwrap();
    fs::write(&place, "").unwrap();
    refused();
    fs::remove_file(&place).unwrap();
    store.tree().destroy_snapshot(&x).unwrap();
    assert_eq!(common::names(store.path()), [".chunks", ".lock", "host"]);
}

#[test]
fn a_group_that_cannot_be_made_leaves_nothing() {
    // Nobody may lock in there, so that the group cannot be held: its directories go again.
    let scratch = Scratch::new();
    let store = scratch.store("store");
    fs::write(scratch.join("run"), "a file").unwrap();
    let store = with_lock_files(&scratch, &store);
    assert_eq!(failure(store.tree().create_group(&group("ns/a/host/x"), None)).kind(), Kind::Io);
    assert_eq!(common::names(store.path()), [".chunks", ".lock"]);
}
