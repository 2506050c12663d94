//! The process lock (docs/format.md, 5.9).

mod common;

use std::fs::{self, File};
use std::path::PathBuf;
use std::thread;

use common::{PosixLock, Scratch, failure, reopen};
use pxds::error::Kind;
use pxds::store::Store;
use pxds::sys;

fn lock_file(store: &Store) -> PathBuf {
    store.path().join(".lock")
}

/// Checks that a lock could not be had, with an error that names `.lock`.
#[track_caller]
fn assert_busy<T>(result: pxds::error::Result<T>, store: &Store) {
    let error = failure(result);
    assert_eq!((error.kind(), error.path()), (Kind::Busy, Some(&*lock_file(store))), "{error}");
}

/// Checks what somebody else could take: a shared lock, an exclusive one. Another handle and another program agree.
#[track_caller]
fn assert_others_get(store: &Store, shared: bool, exclusive: bool) {
    let other = reopen(store);
    assert_eq!(other.chunks().lock_shared().is_ok(), shared, "shared, another handle");
    assert_eq!(other.chunks().lock_exclusive().is_ok(), exclusive, "exclusive, another handle");
    assert_eq!(PosixLock::try_hold(&lock_file(store), false).is_some(), shared, "shared, another program");
    assert_eq!(PosixLock::try_hold(&lock_file(store), true).is_some(), exclusive, "exclusive, another program");
}

#[test]
fn nobody_holds_a_fresh_store() {
    let scratch = Scratch::new();
    assert_others_get(&scratch.store("store"), true, true);
}

#[test]
fn shared_locks_go_beside_each_other() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let first = store.chunks().lock_shared().unwrap();
    let second = store.chunks().lock_shared().unwrap();
    let of_another = reopen(&store).chunks().lock_shared().unwrap();
    assert_others_get(&store, true, false);
    assert_busy(reopen(&store).chunks().lock_exclusive(), &store);
    drop(of_another);
    drop(first);
    // The last to go releases it.
    assert_others_get(&store, true, false);
    drop(second);
    assert_others_get(&store, true, true);
}

#[test]
fn an_exclusive_lock_keeps_others_out() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let lock = store.chunks().lock_exclusive().unwrap();
    assert_others_get(&store, false, false);
    assert_busy(store.chunks().lock_exclusive(), &store);
    assert_busy(reopen(&store).chunks().lock_shared(), &store);
    assert_busy(reopen(&store).chunks().lock_exclusive(), &store);
    drop(lock);
    assert_others_get(&store, true, true);
    drop(store.chunks().lock_exclusive().unwrap());
}

#[test]
fn within_a_handle_shared_locks_go_beside_the_exclusive_one() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    // Held before, and added meanwhile.
    let before = store.chunks().lock_shared().unwrap();
    let exclusive = store.chunks().lock_exclusive().unwrap();
    let meanwhile = store.chunks().lock_shared().unwrap();
    assert_others_get(&store, false, false);
    assert_busy(store.chunks().lock_exclusive(), &store);
    drop(before);
    assert_others_get(&store, false, false);
    // When the exclusive lock goes, a read lock remains.
    drop(exclusive);
    assert_others_get(&store, true, false);
    let exclusive = store.chunks().lock_exclusive().unwrap();
    drop(meanwhile);
    assert_others_get(&store, false, false);
    drop(exclusive);
    assert_others_get(&store, true, true);
}

#[test]
fn a_first_shared_lock_does_not_weaken_the_exclusive_one() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let exclusive = store.chunks().lock_exclusive().unwrap();
    let shared = store.chunks().lock_shared().unwrap();
    assert_others_get(&store, false, false);
    drop(shared);
    assert_others_get(&store, false, false);
    drop(exclusive);
    assert_others_get(&store, true, true);
}

#[test]
fn a_refused_exclusive_lock_leaves_the_shared_ones() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let mine = store.chunks().lock_shared().unwrap();
    let theirs = reopen(&store).chunks().lock_shared().unwrap();
    assert_busy(store.chunks().lock_exclusive(), &store);
    drop(theirs);
    assert_others_get(&store, true, false);
    drop(store.chunks().lock_exclusive().unwrap());
    assert_others_get(&store, true, false);
    drop(mine);
    assert_others_get(&store, true, true);
}

#[test]
fn copies_of_a_handle_share_its_lock() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let copy = store.clone();
    let _exclusive = store.chunks().lock_exclusive().unwrap();
    drop(copy.chunks().lock_shared().unwrap());
    assert_busy(copy.chunks().lock_exclusive(), &store);
}

#[test]
fn a_lock_outlives_its_handle() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let observer = reopen(&store);
    let lock = store.chunks().lock_shared().unwrap();
    drop(store);
    assert_others_get(&observer, true, false);
    drop(lock);
    assert_others_get(&observer, true, true);
}

#[test]
fn the_locks_of_other_programs_are_heeded() {
    let scratch = Scratch::new();
    let store = scratch.store("store");

    let theirs = PosixLock::try_hold(&lock_file(&store), false).unwrap();
    drop(store.chunks().lock_shared().unwrap());
    assert_busy(store.chunks().lock_exclusive(), &store);
    drop(theirs);
    drop(store.chunks().lock_exclusive().unwrap());

    let theirs = PosixLock::try_hold(&lock_file(&store), true).unwrap();
    assert_busy(store.chunks().lock_shared(), &store);
    assert_busy(store.chunks().lock_exclusive(), &store);
    drop(theirs);
    drop(store.chunks().lock_shared().unwrap());
}

/// A POSIX lock would be gone as soon as any part of the program closes the file.
#[test]
fn closing_the_file_elsewhere_loses_nothing() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let _lock = store.chunks().lock_exclusive().unwrap();
    drop(File::open(lock_file(&store)).unwrap());
    drop(reopen(&store).chunks().lock_shared());
    assert_others_get(&store, false, false);
}

/// Somebody has removed `.lock`, and somebody else has made it anew: a lock on the old file would be worth nothing.
#[test]
fn a_lock_file_that_was_replaced_is_noticed() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    drop(store.chunks().lock_shared().unwrap());
    for write_anew in [false, true] {
        fs::remove_file(lock_file(&store)).unwrap();
        if write_anew {
            fs::write(lock_file(&store), b"").unwrap();
        }
        let lock = store.chunks().lock_exclusive().unwrap();
        assert_others_get(&store, false, false);
        drop(lock);
        assert_others_get(&store, true, true);
    }
}

/// So is one that was replaced after somebody had been in the way.
#[test]
fn a_lock_file_that_was_replaced_is_noticed_after_busy() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let other = reopen(&store);
    let on_the_old_file = other.chunks().lock_exclusive().unwrap();
    assert_busy(store.chunks().lock_shared(), &store);
    fs::remove_file(lock_file(&store)).unwrap();
    fs::write(lock_file(&store), b"").unwrap();
    let lock = store.chunks().lock_exclusive().unwrap();
    assert_others_get(&store, false, false);
    drop(on_the_old_file);
    assert_others_get(&store, false, false);
    drop(lock);
    assert_others_get(&store, true, true);
}

#[test]
fn the_oldest_writer_is_known() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    assert_eq!(store.chunks().oldest_writer(), None);
    let earliest = sys::now();
    let first = store.chunks().lock_shared().unwrap();
    let latest = sys::now();
    let began = store.chunks().oldest_writer().unwrap();
    assert!((earliest..=latest).contains(&began));
    // Whole seconds are told: wait for the next.
    while sys::now() == began {
        thread::yield_now();
    }
    let second = store.chunks().lock_shared().unwrap();
    assert_eq!(store.chunks().oldest_writer(), Some(began));
    let _exclusive = store.chunks().lock_exclusive().unwrap();
    assert_eq!(store.chunks().oldest_writer(), Some(began), "the exclusive lock is no writer's");
    drop(first);
    assert!(store.chunks().oldest_writer().unwrap() > began);
    drop(second);
    assert_eq!(store.chunks().oldest_writer(), None);
    assert_eq!(reopen(&store).chunks().oldest_writer(), None);
}

#[test]
fn many_threads_may_take_shared_locks() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let lock = store.chunks().lock_shared().unwrap();
                    assert_busy(reopen(&store).chunks().lock_exclusive(), &store);
                    drop(lock);
                }
            });
        }
    });
    assert_eq!(store.chunks().oldest_writer(), None);
    assert_others_get(&store, true, true);
}
