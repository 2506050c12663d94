//! Listing, making and removing at once: nobody sees half of anything, and nobody fails but for a lock.

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{Scratch, reopen};
use pxds::backup::{Backup, BackupOptions};
use pxds::error::{Error, Kind, Result};
use pxds::name::{Group, Namespace, Snapshot};
use pxds::store::Store;
use pxds::tree::{DestroyOptions, Destroyed, OpenSnapshot};

const TIME: i64 = 1_593_179_765;
const LONG_ENOUGH: Duration = Duration::from_millis(1500);

fn group(path: &str) -> Group {
    Group::parse(path).unwrap()
}

fn make(store: &Store, group: &Group, time: Option<i64>) -> Result<Snapshot> {
    let mut backup = Backup::new(store, group, BackupOptions { time, ..BackupOptions::default() })?;
    backup.add_blob("a.blob", b"some bytes", true)?;
    backup.finish()?;
    Ok(backup.snapshot().clone())
}

/// As [`unless_busy`], and over what somebody else has removed first.
#[track_caller]
fn unless_gone<T>(result: Result<T>) -> Option<T> {
    match result {
        Err(error) if error.kind() == Kind::NotFound => None,
        other => unless_busy(other),
    }
}

/// Passes over what a lock of somebody else's has prevented.
#[track_caller]
fn unless_busy<T>(result: Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) if error.kind() == Kind::Busy => {
            assert!(error.path().is_some(), "{error}");
            None
        }
        Err(error) => panic!("{:?}: {error}", error.kind()),
    }
}

/// Does `work` on a store of its own, again and again, until the time is up and enough has been seen, or another thread
/// has failed.
struct Race {
    end: Instant,
    failed: AtomicBool,
    seen: AtomicUsize,
    enough: usize,
}

impl Race {
    fn new(enough: usize) -> Self {
        let (failed, seen) = (AtomicBool::new(false), AtomicUsize::new(0));
        Race { end: Instant::now() + LONG_ENOUGH, failed, seen, enough }
    }

    /// Counts what must be seen.
    fn saw(&self, count: usize) {
        self.seen.fetch_add(count, Ordering::Relaxed);
    }

    fn goes_on(&self) -> bool {
        let missing = self.seen.load(Ordering::Relaxed) < self.enough;
        (missing || Instant::now() < self.end) && !self.failed.load(Ordering::Relaxed)
    }

    fn repeat(&self, store: &Store, mut work: impl FnMut(&Store, i64)) {
        struct Flag<'a>(&'a AtomicBool);
        impl Drop for Flag<'_> {
            fn drop(&mut self) {
                self.0.fetch_or(std::thread::panicking(), Ordering::Relaxed);
            }
        }
        let _flag = Flag(&self.failed);
        let store = reopen(store);
        let mut round = 0;
        while self.goes_on() {
            work(&store, round);
            round += 1;
        }
    }
}

#[test]
fn a_listing_shows_whole_snapshots() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let x = group("host/x");
    drop(store.tree().create_group(&x, None).unwrap());
    let race = Race::new(100);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            race.repeat(&store, |store, round| {
                let made: Vec<_> = (0..4).map(|i| make(store, &x, Some(TIME + 4 * round + i)).unwrap()).collect();
                for snapshot in made {
                    store.tree().destroy_snapshot(&snapshot).unwrap();
                }
            });
        });
        for _ in 0..3 {
            scope.spawn(|| {
                race.repeat(&store, |store, _| {
                    let found = store.tree().snapshots(&x).unwrap().found;
                    assert!(found.iter().all(|info| info.finished), "{found:?}");
                    race.saw(found.len());
                    for info in found {
                        match store.tree().snapshot_info(&info.snapshot) {
                            Ok(info) => assert!(info.finished),
                            Err(error) => assert_eq!(error.kind(), Kind::NotFound, "{error}"),
                        }
                    }
                });
            });
        }
    });
}

#[test]
fn namespaces_come_and_go_while_they_are_listed() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let race = Race::new(0);
    std::thread::scope(|scope| {
        for name in ["a", "b"] {
            let (race, store) = (&race, &store);
            scope.spawn(move || {
                let deep = group(&format!("ns/{name}/ns/c/ns/d/host/x"));
                race.repeat(store, |store, _| store.tree().create_group(&deep, None).unwrap().undo());
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                race.repeat(&store, |store, _| {
                    for namespace in store.tree().namespaces(&Namespace::root(), true).unwrap().whole().unwrap() {
                        match store.tree().groups(&namespace) {
                            Ok(groups) => assert!(groups.found.len() < 2),
                            Err(error) => assert_eq!(error.kind(), Kind::NotFound, "{error}"),
                        }
                    }
                    assert!(store.tree().groups_below(&Namespace::root()).unwrap().whole().unwrap().len() <= 2);
                });
            });
        }
    });
}

#[test]
fn makers_and_removers_of_one_group() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let x = group("ns/a/host/x");
    drop(store.tree().create_group(&x, None).unwrap());
    let race = Race::new(20);
    let forward = |result: Result<Snapshot>| match result {
        // Somebody else was faster in this second.
        Err(error) if matches!(error.kind(), Kind::State | Kind::Exists) => None,
        other => unless_busy(other),
    };
    std::thread::scope(|scope| {
        for first in 0..2 {
            let (race, store, x) = (&race, &store, &x);
            scope.spawn(move || {
                race.repeat(store, |store, round| {
                    let time = TIME + 2 * round + first;
                    race.saw(forward(make(store, x, Some(time))).is_some().into());
                });
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                race.repeat(&store, |store, _| {
                    for info in store.tree().snapshots(&x).unwrap().found {
                        unless_gone(store.tree().destroy_snapshot(&info.snapshot));
                    }
                });
            });
        }
        scope.spawn(|| {
            race.repeat(&store, |store, _| {
                for info in store.tree().snapshots(&x).unwrap().found {
                    match OpenSnapshot::open(store.tree(), &info.snapshot, None) {
                        Ok(open) => assert_eq!(open.blob("a.blob", 100).unwrap(), b"some bytes"),
                        Err(error) if error.kind() == Kind::NotFound => {}
                        Err(error) => drop(unless_busy::<()>(Err(error))),
                    }
                }
            });
        });
    });
    assert!(common::names(&store.path().join(x.path())).iter().all(|name| !name.contains("tmp")));
}

#[test]
fn groups_are_made_and_removed_at_once() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let x = group("host/x");
    let race = Race::new(10);
    let gone = |error: &Error| matches!(error.kind(), Kind::NotFound);
    std::thread::scope(|scope| {
        for (owner, stays) in [("a@pam", false), ("b@pam", true)] {
            let (race, store, x) = (&race, &store, &x);
            scope.spawn(move || {
                race.repeat(store, |store, round| {
                    let options = BackupOptions {
                        time: Some(TIME + round),
                        owner: Some(owner.to_owned()),
                        ..BackupOptions::default()
                    };
                    let mut backup = match Backup::new(store, x, options) {
                        Ok(backup) => backup,
                        // The other's group, or his snapshot.
                        Err(error)
                            if matches!(error.kind(), Kind::Busy | Kind::Argument | Kind::State | Kind::Exists) =>
                        {
                            return;
                        }
                        Err(error) => panic!("{error}"),
                    };
                    assert_eq!(
                        store.tree().group_owner(x).unwrap().as_deref(),
                        Some(owner),
                        "whoever makes it owns it"
                    );
                    if stays {
                        backup.add_blob("a.blob", b"x", true).unwrap();
                        backup.finish().unwrap();
                        race.saw(1);
                    }
                });
            });
        }
        scope.spawn(|| {
            race.repeat(&store, |store, _| {
                let mut destroyed = Destroyed::default();
                unless_gone(store.tree().destroy_group(&x, &DestroyOptions::default(), &mut destroyed));
            });
        });
        scope.spawn(|| {
            race.repeat(&store, |store, _| {
                let found = store.tree().snapshots(&x).map(|listing| listing.found).unwrap_or_else(|error| {
                    assert!(gone(&error), "{error}");
                    Vec::new()
                });
                assert!(found.iter().all(|info| info.finished), "{found:?}");
                store.tree().groups(&Namespace::root()).unwrap().whole().unwrap();
            });
        });
    });
}
