//! Waiting for locks that somebody else holds (docs/format.md, 5.9 and 7.8).

mod common;

use std::cell::RefCell;
use std::fs;
use std::sync::{Arc, Mutex};

use common::{Scratch, failure, reopen};
use pxds::base::PHASE_LOCK;
use pxds::callback::Callback;
use pxds::error::{Error, Kind, Result};
use pxds::gc::{self, GcOptions};
use pxds::name::{Group, Snapshot};
use pxds::progress::{OnProgress, Stage};
use pxds::prune::Keep;
use pxds::store::{Store, StoreOptions};
use pxds::sys::LockMode;
use pxds::tree::{PruneOptions, TreeLock, TreeLocks};

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

/// A second handle whose groups are locked by files of their own: such a lock can be held before there is a group.
fn with_lock_files(scratch: &Scratch, lock_wait_ms: u64, progress: Option<OnProgress>) -> Store {
    let tree_locks = TreeLocks::Files { dir: scratch.join("locks"), store: "store".to_owned() };
    let options = StoreOptions { tree_locks, lock_wait_ms, progress, ..StoreOptions::default() };
    Store::open(&scratch.join("store"), &options).unwrap()
}

/// The lock of a group that is not there.
fn lock_of_no_group(scratch: &Scratch) -> TreeLock {
    let holder = with_lock_files(scratch, 0, None);
    holder.tree().make_group(&group(), None).unwrap();
    let lock = holder.tree().lock_group(&group()).unwrap();
    fs::remove_dir_all(scratch.join("store/host")).unwrap();
    lock
}

#[test]
fn a_group_that_another_process_holds_stays_when_waiting_is_stopped() {
    let scratch = Scratch::new();
    scratch.store("store");
    let _held = lock_of_no_group(&scratch);
    let stop: OnProgress = Callback(Arc::new(|_| Err(Error::cancelled("test", 1))));
    let store = with_lock_files(&scratch, 600_000, Some(stop));
    assert_eq!(failure(store.tree().make_group(&group(), None)).kind(), Kind::Cancelled);
    assert!(scratch.join("store/host/x").is_dir());
}

#[test]
fn a_group_that_another_process_has_made_meanwhile_stays() {
    let scratch = Scratch::new();
    scratch.store("store");
    let held = Mutex::new(Some(lock_of_no_group(&scratch)));
    let owner = scratch.join("store/host/x/owner");
    let make_it: OnProgress = Callback(Arc::new({
        let owner = owner.clone();
        move |_| {
            fs::write(&owner, "b@pam\n").unwrap();
            held.lock().unwrap().take();
            Ok(())
        }
    }));
    let store = with_lock_files(&scratch, 600_000, Some(make_it));
    let error = failure(store.tree().make_group(&group(), Some("a@pam")));
    assert_eq!(error.kind(), Kind::Argument, "{error}");
    assert_eq!(fs::read_to_string(&owner).unwrap(), "b@pam\n");
}

#[test]
fn pruning_ends_when_waiting_is_stopped() {
    let scratch = Scratch::new();
    let store = with_snapshot(&scratch);
    for day in 2..=4 {
        let name = Snapshot::parse(&format!("host/x/2024-01-0{day}T00:00:00Z")).unwrap();
        drop(store.tree().create_snapshot(&name, None).unwrap());
        fs::write(store.path().join(name.path()).join("index.json.blob"), "").unwrap();
    }
    let second = Snapshot::parse("host/x/2024-01-02T00:00:00Z").unwrap();
    let other = reopen(&store);
    let _held = other.tree().lock_snapshot(&second, LockMode::Shared).unwrap();
    let waiting = waiting(&store, 600_000, |_| Err(Error::cancelled("test", 1)));
    let keep = Keep { last: 1, ..Keep::default() };
    let pruned = waiting.tree().prune_group(&group(), &PruneOptions { keep, ..PruneOptions::default() });
    assert_eq!(failure(pruned).kind(), Kind::Cancelled);
    let left = store.tree().snapshots(&group()).unwrap().found;
    assert!(left.iter().any(|info| info.snapshot == second));
    // The newest is kept, and beside the second one of those before and after it.
    assert_eq!(left.len(), 3, "{left:?}");
}

/// The caller's data for the progress of making a store may be gone once that is made.
#[test]
fn the_progress_of_making_a_store_is_not_kept_without_a_wait() {
    let scratch = Scratch::new();
    for (lock_wait_ms, is_kept) in [(0, false), (1, true)] {
        let progress: OnProgress = Callback(Arc::new(|_| Ok(())));
        let watch = Arc::downgrade(&progress.0);
        let options = StoreOptions { lock_wait_ms, progress: Some(progress), ..StoreOptions::default() };
        let store = Store::create(&scratch.join(lock_wait_ms.to_string()), &options).unwrap();
        drop(options);
        assert_eq!(watch.upgrade().is_some(), is_kept);
        drop(store);
        assert!(watch.upgrade().is_none());
    }
}
