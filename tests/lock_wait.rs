//! Waiting for locks that somebody else holds (docs/format.md, 5.9 and 7.8).

mod common;

use std::cell::RefCell;
use std::sync::{Arc, Mutex};

use common::{Scratch, failure, reopen};
use pxds::base::PHASE_LOCK;
use pxds::callback::Callback;
use pxds::error::{Error, Kind, Result};
use pxds::gc::{self, GcOptions};
use pxds::name::{Group, Snapshot};
use pxds::progress::{OnProgress, Stage};
use pxds::store::{Store, StoreOptions};
use pxds::sys::LockMode;

const GROUP: &str = "host/x";
const SNAPSHOT: &str = "host/x/2024-01-01T00:00:00Z";

fn group() -> Group {
    Group::parse(GROUP).unwrap()
}

fn snapshot() -> Snapshot {
    Snapshot::parse(SNAPSHOT).unwrap()
}

/// A lock, taken and let go of.
type Lock = fn(&Store) -> Result<()>;
/// The same lock, until it is dropped.
type Hold = fn(&Store) -> Box<dyn Send>;

/// Each lock, beside one of another handle that keeps it out.
const LOCKS: [(&str, Hold, Lock); 6] = [
    (
        "a writer",
        |held| Box::new(held.chunks().lock_exclusive().unwrap()),
        |store| store.chunks().lock_shared().map(drop),
    ),
    ("alone", |held| Box::new(held.chunks().lock_shared().unwrap()), |store| store.chunks().lock_exclusive().map(drop)),
    (
        "collection",
        |held| Box::new(held.chunks().lock_shared().unwrap()),
        |store| gc::collect(store, &GcOptions { skip_atime_probe: true, ..GcOptions::default() }).map(drop),
    ),
    (
        "group",
        |held| Box::new(held.tree().lock_group(&group()).unwrap()),
        |store| store.tree().set_group_notes(&group(), "notes"),
    ),
    (
        "snapshot",
        |held| Box::new(held.tree().lock_snapshot(&snapshot(), LockMode::Shared).unwrap()),
        |store| store.tree().set_protected(&snapshot(), true),
    ),
    (
        "snapshot, to read",
        |held| Box::new(held.tree().lock_snapshot(&snapshot(), LockMode::Exclusive).unwrap()),
        |store| store.tree().lock_snapshot(&snapshot(), LockMode::Shared).map(drop),
    ),
];

fn with_snapshot(scratch: &Scratch) -> Store {
    let store = scratch.store("store");
    drop(store.tree().create_snapshot(&snapshot(), None).unwrap());
    store
}

fn waiting(store: &Store, lock_wait_ms: u64, progress: impl Fn(&Stage) -> Result<()> + Send + Sync + 'static) -> Store {
    let progress: OnProgress = Callback(Arc::new(progress));
    let options = StoreOptions { lock_wait_ms, progress: Some(progress), ..StoreOptions::default() };
    Store::open(store.path(), &options).unwrap()
}

#[test]
fn a_lock_is_had_when_it_is_let_go_of() {
    for (name, hold, lock) in LOCKS {
        let scratch = Scratch::new();
        let store = with_snapshot(&scratch);
        let held = Arc::new(Mutex::new(Some(hold(&reopen(&store)))));
        let told = Arc::new(Mutex::new(Vec::new()));
        let (giving, telling) = (held.clone(), told.clone());
        let waiting = waiting(&store, 600_000, move |stage| {
            telling.lock().unwrap().push(*stage);
            giving.lock().unwrap().take();
            Ok(())
        });
        lock(&waiting).unwrap();
        assert!(held.lock().unwrap().is_none(), "{name}: nobody was waited for");
        let told = told.lock().unwrap();
        let first = Stage { phase: PHASE_LOCK, done: told[0].done, total: 600_000, bytes: 0 };
        assert_eq!(told[..], [first], "{name}");
    }
}

#[test]
fn in_the_end_it_is_busy() {
    for (name, hold, lock) in LOCKS {
        let scratch = Scratch::new();
        let store = with_snapshot(&scratch);
        let other = reopen(&store);
        let _held = hold(&other);
        let told = Arc::new(Mutex::new(0));
        let telling = told.clone();
        let waiting = waiting(&store, 50, move |_| {
            *telling.lock().unwrap() += 1;
            Ok(())
        });
        let error = failure(lock(&waiting));
        assert_eq!(error.kind(), Kind::Busy, "{name}: {error}");
        assert!(error.path().is_some() && *told.lock().unwrap() > 0, "{name}");
        // By default nobody waits.
        assert_eq!(failure(lock(&reopen(&store))).kind(), Kind::Busy, "{name}");
    }
}

#[test]
fn waiting_can_be_stopped() {
    for (name, hold, lock) in LOCKS {
        let scratch = Scratch::new();
        let store = with_snapshot(&scratch);
        let other = reopen(&store);
        let _held = hold(&other);
        let waiting = waiting(&store, 600_000, |_| Err(Error::cancelled("test", 1)));
        assert_eq!(failure(lock(&waiting)).kind(), Kind::Cancelled, "{name}");
    }
}

/// Two threads that use one handle wait for each other too.
#[test]
fn threads_of_one_handle_wait_for_each_other() {
    let scratch = Scratch::new();
    let store = with_snapshot(&scratch);
    let store = waiting(&store, 600_000, |_| Ok(()));
    let count = Mutex::new(RefCell::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let _lock = store.chunks().lock_exclusive().unwrap();
                    let count = count.try_lock().expect("nobody else holds the store");
                    *count.borrow_mut() += 1;
                }
            });
        }
    });
    assert_eq!(*count.lock().unwrap().borrow(), 20);
}
