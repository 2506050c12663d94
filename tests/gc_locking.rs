//! The table of src/gc/mod.rs: every operation beside every other, one test for each cell.
//!
//! "Another program" is another handle on the same store, whose locks are its own.

mod common;
#[path = "common/garbage.rs"]
mod garbage;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::{Scratch, kind, plain_blob, quick, reopen, watched};
use garbage::Scene;
use pxds::chunks::convert::PHASE_MOVE;
use pxds::chunks::{ConvertOptions, Converted, InsertOptions, Inserted, Layout};
use pxds::digest::Digest;
use pxds::error::Kind;
use pxds::gc::{GcOptions, GcStatus, PHASE_MARK, PHASE_SWEEP, collect};
use pxds::hash::sha256;
use pxds::index::Index;
use pxds::limits::BLOB_MAX_ENCODED_SIZE;
use pxds::name::Group;
use pxds::prune::{Keep, Mark};
use pxds::restore::{RestoreOptions, Restorer};
use pxds::store::{Store, StoreOptions};
use pxds::sys::LockMode;
use pxds::tree::{PruneOptions, Pruned};

const FIRST: &str = "host/x/2024-01-01T12:00:00Z";
const SECOND: &str = "host/x/2024-01-02T12:00:00Z";

fn insert(store: &Store, data: &str) -> Inserted {
    store.chunks().insert(&sha256(data.as_bytes()), &plain_blob(data.as_bytes()), InsertOptions::default()).unwrap()
}

fn loads(store: &Store, digest: &Digest) -> bool {
    store.chunks().load(digest, BLOB_MAX_ENCODED_SIZE, &mut Vec::new()).is_ok()
}

fn prune(store: &Store) -> Vec<Pruned> {
    let keep = Keep { last: 1, ..Keep::default() };
    let options = PruneOptions { keep, ..PruneOptions::default() };
    store.tree().prune_group(&Group::parse("host/x").unwrap(), &options).unwrap().found
}

fn gc(store: &Store) -> pxds::error::Result<GcStatus> {
    collect(store, &GcOptions::default())
}

fn dry_run(store: &Store) -> GcStatus {
    collect(store, &GcOptions { dry_run: true, ..GcOptions::default() }).unwrap()
}

/// Collects garbage, and does something when `phase` begins.
fn gc_and(scene: &Scene, phase: u32, action: impl FnOnce()) -> GcStatus {
    let mut action = Some(action);
    scene
        .collect_with(&GcOptions::default(), |step| {
            if step.phase == phase
                && let Some(action) = action.take()
            {
                action();
            }
            Ok(())
        })
        .unwrap()
}

// ---- writer ----

#[test]
fn writer_and_writer() {
    let scene = Scene::new();
    let stores = [scene.store.clone(), scene.store.clone(), reopen(&scene.store)];
    thread::scope(|scope| {
        for store in &stores {
            scope.spawn(move || {
                for i in 0..300 {
                    insert(store, &format!("{i}"));
                }
            });
        }
    });
    assert!((0..300).all(|i| loads(&scene.store, &sha256(format!("{i}").as_bytes()))));
    common::assert_only_chunks(&scene.store, &[]);
}

#[test]
fn writer_and_reader() {
    let scene = Scene::new();
    let data = "x".repeat(100_000);
    let (digest, long) = (sha256(data.as_bytes()), plain_blob(data.as_bytes()));
    scene.store.chunks().insert(&digest, &long, InsertOptions::default()).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..200 {
                scene.store.chunks().mark_bad(&digest).unwrap();
                scene.store.chunks().insert(&digest, &long, InsertOptions::default()).unwrap();
            }
            done.store(true, Ordering::SeqCst);
        });
        let reader = reopen(&scene.store);
        while !done.load(Ordering::SeqCst) {
            match reader.chunks().load(&digest, BLOB_MAX_ENCODED_SIZE, &mut Vec::new()) {
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind(), Kind::NotFound),
            }
        }
    });
}

#[test]
fn writer_and_set_aside() {
    let scene = Scene::new();
    let digest = scene.chunk("x");
    assert_eq!(scene.store.chunks().mark_bad(&digest).unwrap(), Some(0));
    assert!(scene.store.chunks().touch_if_present(&digest).unwrap().is_none(), "so that the writer stores it again");
    assert!(!insert(&scene.store, "x").existed);
    assert!(loads(&scene.store, &digest));
}

#[test]
fn writer_and_prune() {
    let scene = Scene::new();
    let chunk = scene.chunk("x");
    scene.snapshot(FIRST, &[chunk]);
    let base = scene.snapshot(SECOND, &[chunk]);
    scene.snapshot("host/x/2024-01-03T12:00:00Z", &[chunk]);
    // A backup holds its group, and the snapshot that it builds on.
    let other = reopen(&scene.store);
    let group = other.tree().lock_group(base.group()).unwrap();
    let held = other.tree().lock_snapshot(&base, LockMode::Shared).unwrap();
    assert_eq!(kind(scene.store.tree().lock_group(base.group())), Kind::Busy);
    let pruned = prune(&scene.store);
    let error = |pruned: &Pruned| pruned.error.as_ref().map(|error| error.kind());
    assert_eq!(pruned.iter().map(error).collect::<Vec<_>>(), [None, Some(Kind::Busy), None]);
    assert!(scene.has(&chunk), "chunks are none of its business");
    drop((group, held));
    prune(&scene.store);
    assert!(!scene.dir(SECOND).exists());
}

#[test]
fn writer_and_collection() {
    // Of another program: whoever comes second is told so.
    let scene = Scene::new();
    let other = reopen(&scene.store);
    let lock = other.chunks().lock_shared().unwrap();
    let error = common::failure(gc(&scene.store));
    assert_eq!((error.kind(), error.path()), (Kind::Busy, Some(scene.store.path().join(".lock").as_path())));
    drop(lock);
    gc_and(&scene, PHASE_SWEEP, || assert_eq!(kind(other.chunks().lock_shared()), Kind::Busy));
    assert!(other.chunks().lock_shared().is_ok());

    // Of this store: what the writer has touched or written since it began stays.
    scene.snapshot(FIRST, &[]);
    let [marking, sweeping, old] = ["marking", "sweeping", "old"].map(|data| scene.chunk(data));
    let _lock = scene.store.chunks().lock_shared().unwrap();
    let collected = gc_and(&scene, PHASE_MARK, || assert!(insert(&scene.store, "marking").existed));
    assert_eq!(collected.removed_chunks, 2);
    scene.chunk("sweeping");
    gc_and(&scene, PHASE_SWEEP, || {
        assert!(scene.store.chunks().touch_if_present(&sweeping).unwrap().is_some());
        insert(&scene.store, "new");
    });
    assert_eq!(scene.left(&[marking, sweeping, sha256(b"new"), old]), [true, true, true, false]);
}

/// A touch and a sweep of one chunk, again and again: what the writer was told is there stays there.
#[test]
fn writer_and_collection_race() {
    let scene = Scene::new();
    let chunks: Vec<_> = (0..64).map(|i| scene.chunk(&format!("{i}"))).collect();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stops = Stop(&stop);
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                gc(&scene.store).unwrap();
            }
        });
        let mut kept = 0;
        for _ in 0..50 {
            for (i, chunk) in chunks.iter().enumerate() {
                if i % 2 == 0 {
                    if scene.store.chunks().touch_if_present(chunk).unwrap().is_some() {
                        kept += 1;
                        assert!(loads(&scene.store, chunk), "touched and gone");
                    }
                } else {
                    insert(&scene.store, &format!("{i}"));
                    assert!(loads(&scene.store, chunk), "inserted and gone");
                }
            }
            for (i, chunk) in chunks.iter().enumerate() {
                insert(&scene.store, &format!("{i}"));
                scene.age(chunk);
            }
        }
        assert!(kept > 0);
    });
}

/// Ends the other thread also when this one has failed.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn writer_and_dry_run() {
    let scene = Scene::new();
    scene.chunk("old");
    let _lock = reopen(&scene.store).chunks().lock_shared().unwrap();
    assert_eq!(dry_run(&scene.store).removed_chunks, 1);
    assert!(scene.has(&sha256(b"old")));
}

// ---- reader ----

#[test]
fn reader_and_reader() {
    let scene = Scene::new();
    let snapshot = scene.snapshot(FIRST, &[]);
    let _first = scene.store.tree().lock_snapshot(&snapshot, LockMode::Shared).unwrap();
    assert!(reopen(&scene.store).tree().lock_snapshot(&snapshot, LockMode::Shared).is_ok());
}

#[test]
fn reader_and_set_aside() {
    let scene = Scene::new();
    let digest = scene.chunk("x");
    scene.store.chunks().mark_bad(&digest).unwrap();
    assert_eq!(kind(scene.store.chunks().load(&digest, 100, &mut Vec::new())), Kind::NotFound);
}

#[test]
fn reader_and_prune() {
    let scene = Scene::new();
    let read = scene.snapshot(FIRST, &[]);
    scene.snapshot(SECOND, &[]);
    let held = reopen(&scene.store).tree().lock_snapshot(&read, LockMode::Shared).unwrap();
    assert_eq!(prune(&scene.store)[1].error.as_ref().unwrap().kind(), Kind::Busy);
    drop(held);
    assert!(prune(&scene.store)[1].removed);
}

#[test]
fn reader_and_collection() {
    let scene = Scene::new();
    let data = "x".repeat(1000);
    let chunk = scene.chunk(&data);
    scene.snapshot(FIRST, &[chunk]);
    let index = Index::open(&scene.dir(FIRST).join("root.pxar.didx"), None).unwrap();
    let out = scene.scratch.join("out");
    gc_and(&scene, PHASE_SWEEP, || {
        Restorer::new(reopen(&scene.store).chunks(), RestoreOptions::default()).restore_file(&index, &out).unwrap();
    });
    assert!(fs::read(&out).unwrap() == data.as_bytes());
}

#[test]
fn reader_and_dry_run() {
    let scene = Scene::new();
    let snapshot = scene.snapshot(FIRST, &[]);
    let _alone = scene.store.tree().lock_snapshot(&snapshot, LockMode::Exclusive).unwrap();
    assert_eq!(dry_run(&reopen(&scene.store)).index_file_count, 1);
}

// ---- set aside ----

#[test]
fn set_aside_and_set_aside() {
    let scene = Scene::new();
    let digest = scene.chunk("x");
    let found = thread::scope(|scope| {
        let both = [
            scope.spawn(|| scene.store.chunks().mark_bad(&digest)),
            scope.spawn(|| scene.store.chunks().mark_bad(&digest)),
        ];
        both.map(|thread| thread.join().unwrap().unwrap())
    });
    assert_eq!(found.iter().flatten().count(), 1);
}

#[test]
fn set_aside_and_prune() {
    let scene = Scene::new();
    let chunk = scene.chunk("x");
    scene.snapshot(FIRST, &[chunk]);
    scene.snapshot(SECOND, &[]);
    scene.store.chunks().mark_bad(&chunk).unwrap();
    assert!(prune(&scene.store)[1].removed);
    assert_eq!(scene.store.chunks().mark_bad(&chunk).unwrap(), None);
}

#[test]
fn set_aside_and_collection() {
    let scene = Scene::new();
    let [marked, before] = ["marked", "before"].map(|data| scene.chunk(data));
    scene.snapshot(FIRST, &[marked, before]);
    scene.store.chunks().mark_bad(&before).unwrap();
    let bad = |digest: &Digest| scene.store.chunks().chunk_path(digest).with_file_name(format!("{digest}.0.bad"));
    garbage::set_atime(&bad(&before), garbage::OLD);
    // Set aside after it was marked, by another program.
    let other = reopen(&scene.store);
    let status = gc_and(&scene, PHASE_SWEEP, || assert!(other.chunks().mark_bad(&marked).unwrap().is_some()));
    assert!(bad(&marked).exists() && bad(&before).exists());
    assert_eq!(status.removed_bad, 0);
}

#[test]
fn set_aside_and_dry_run() {
    let scene = Scene::new();
    let chunk = scene.chunk("x");
    scene.snapshot(FIRST, &[chunk]);
    let other = reopen(&scene.store);
    let mut once = Some(());
    scene
        .collect_with(&GcOptions { dry_run: true, ..GcOptions::default() }, |_| {
            if once.take().is_some() {
                other.chunks().mark_bad(&chunk).unwrap();
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(dry_run(&scene.store).missing_chunks, 1);
}

// ---- prune ----

#[test]
fn prune_and_prune() {
    let scene = Scene::new();
    for day in 1..=9 {
        scene.snapshot(&format!("host/x/2024-01-{day:02}T12:00:00Z"), &[]);
    }
    let other = reopen(&scene.store);
    thread::scope(|scope| {
        let both = [scope.spawn(|| prune(&scene.store)), scope.spawn(|| prune(&other))];
        let removed = both.map(|thread| thread.join().unwrap().iter().filter(|pruned| pruned.removed).count());
        assert!(removed[0] + removed[1] <= 8);
    });
    assert_eq!(prune(&scene.store).iter().filter(|pruned| pruned.mark == Mark::Keep).count(), 1);
    assert_eq!(common::names(&scene.dir("host/x")), ["2024-01-09T12:00:00Z"]);
}

#[test]
fn prune_and_collection() {
    let scene = Scene::new();
    let [old, new] = ["old", "new"].map(|data| scene.chunk(data));
    scene.snapshot(FIRST, &[old]);
    scene.snapshot(SECOND, &[new]);
    let other = reopen(&scene.store);
    gc_and(&scene, PHASE_MARK, || assert!(prune(&other)[1].removed));
    assert!(!scene.has(&old) && scene.has(&new));
    gc_and(&scene, PHASE_SWEEP, || fs::remove_dir_all(scene.dir("host")).unwrap());
    assert!(scene.has(&new), "until the next one, or longer");
}

#[test]
fn prune_and_dry_run() {
    let scene = Scene::new();
    scene.snapshot(FIRST, &[]);
    scene.snapshot(SECOND, &[]);
    let mut once = Some(());
    let status = scene.collect_with(&GcOptions { dry_run: true, ..GcOptions::default() }, |_| {
        if once.take().is_some() {
            assert!(prune(&reopen(&scene.store))[1].removed);
        }
        Ok(())
    });
    assert_eq!(status.unwrap().index_file_count, 1);
}

// ---- collection and dry run ----

#[test]
fn collection_and_collection() {
    let scene = Scene::new();
    scene.snapshot(FIRST, &[]);
    let other = reopen(&scene.store);
    gc_and(&scene, PHASE_MARK, || {
        assert_eq!(kind(gc(&other)), Kind::Busy);
        assert_eq!(kind(gc(&scene.store)), Kind::Busy);
    });
    assert!(gc(&other).is_ok());
}

#[test]
fn collection_and_dry_run() {
    let scene = Scene::new();
    let kept = scene.chunk("kept");
    scene.chunk("gone");
    scene.snapshot(FIRST, &[kept]);
    gc_and(&scene, PHASE_SWEEP, || {
        assert_eq!((dry_run(&scene.store).disk_chunks, dry_run(&reopen(&scene.store)).removed_chunks), (1, 1));
    });
    assert_eq!(dry_run(&scene.store).removed_chunks, 0);
}

#[test]
fn dry_run_and_dry_run() {
    let scene = Scene::new();
    scene.chunk("x");
    let mut inner = None;
    let outer = scene.collect_with(&GcOptions { dry_run: true, ..GcOptions::default() }, |_| {
        inner = Some(dry_run(&scene.store));
        Ok(())
    });
    assert_eq!(Some(outer.unwrap()), inner);
}

// ---- conversion ----

/// A store of layout hex4, without the directories that it does not need.
fn scene_of_hex4() -> Scene {
    let scratch = Scratch::new();
    let path = scratch.join("store");
    for dir in [".chunks/0000", ".chunks/ffff"] {
        fs::create_dir_all(path.join(dir)).unwrap();
    }
    Scene::open(scratch, &path, quick())
}

/// Converts the store of `scene` to hex2, and does something when the first file has been moved.
fn convert_and(scene: &Scene, action: impl FnOnce()) -> pxds::error::Result<Converted> {
    let mut action = Some(action);
    let convert = |progress| {
        let options = ConvertOptions { progress: Some(progress), ..ConvertOptions::default() };
        Store::convert(scene.store.path(), Layout::Hex2, &quick(), &options)
    };
    watched(convert, |stage| {
        if stage.phase == PHASE_MOVE
            && let Some(action) = action.take()
        {
            action();
        }
        Ok(())
    })
}

/// The store as one opens it that may be of both layouts.
fn mixed(scene: &Scene) -> Store {
    Store::open(scene.store.path(), &StoreOptions { mixed: true, ..quick() }).unwrap()
}

#[test]
fn writer_and_conversion() {
    let scene = scene_of_hex4();
    scene.chunk("x");
    let lock = scene.store.chunks().lock_shared().unwrap();
    assert_eq!(kind(convert_and(&scene, || ())), Kind::Busy);
    drop(lock);
    convert_and(&scene, || assert_eq!(kind(scene.store.chunks().lock_shared()), Kind::Busy)).unwrap();
    assert_eq!(kind(scene.store.chunks().lock_shared()), Kind::State, "it would write where nobody looks");
    assert!(reopen(&scene.store).chunks().lock_shared().is_ok());
}

#[test]
fn reader_and_conversion() {
    let scene = scene_of_hex4();
    let chunks: Vec<_> = (0..10).map(|i| scene.chunk(&format!("{i}"))).collect();
    convert_and(&scene, || {
        let reader = mixed(&scene);
        assert!(chunks.iter().all(|chunk| loads(&reader, chunk)));
        let found = chunks.iter().filter(|chunk| loads(&scene.store, chunk)).count();
        assert_eq!(found, chunks.len() - 1, "the moved one is missing");
    })
    .unwrap();
    let again = reopen(&scene.store);
    assert!(chunks.iter().all(|chunk| loads(&again, chunk) && !loads(&scene.store, chunk)));
}

#[test]
fn set_aside_and_conversion() {
    let scene = scene_of_hex4();
    let chunks: Vec<_> = (0..10).map(|i| scene.chunk(&format!("{i}"))).collect();
    convert_and(&scene, || {
        let set_aside = chunks.iter().filter_map(|chunk| scene.store.chunks().mark_bad(chunk).unwrap()).count();
        assert_eq!(set_aside, chunks.len() - 1);
    })
    .unwrap();
    let again = reopen(&scene.store);
    for chunk in &chunks {
        let path = again.chunks().chunk_path(chunk);
        assert_ne!(path.exists(), path.with_file_name(format!("{chunk}.0.bad")).exists(), "{chunk}");
    }
    assert_eq!(chunks.iter().filter(|chunk| loads(&again, chunk)).count(), 1);
}

#[test]
fn prune_and_conversion() {
    let scene = scene_of_hex4();
    let chunk = scene.chunk("x");
    scene.snapshot(FIRST, &[chunk]);
    scene.snapshot(SECOND, &[chunk]);
    convert_and(&scene, || assert!(prune(&scene.store)[1].removed)).unwrap();
    assert!(loads(&reopen(&scene.store), &chunk) && !scene.dir(FIRST).exists());
}

#[test]
fn collection_and_conversion() {
    let scene = scene_of_hex4();
    let chunk = scene.chunk("x");
    scene.snapshot(FIRST, &[chunk]);
    gc_and(&scene, PHASE_SWEEP, || assert_eq!(kind(convert_and(&scene, || ())), Kind::Busy));
    convert_and(&scene, || assert_eq!(kind(gc(&mixed(&scene))), Kind::Busy)).unwrap();
    assert_eq!(kind(gc(&scene.store)), Kind::State, "it would find everything missing");
    assert_eq!(gc(&reopen(&scene.store)).unwrap().disk_chunks, 1);
}

#[test]
fn dry_run_and_conversion() {
    let scene = scene_of_hex4();
    let chunks: Vec<_> = (0..10).map(|i| scene.chunk(&format!("{i}"))).collect();
    scene.snapshot(FIRST, &chunks);
    convert_and(&scene, || assert_eq!(dry_run(&mixed(&scene)).disk_chunks, 10)).unwrap();
    assert_eq!(dry_run(&reopen(&scene.store)).disk_chunks, 10);
}

#[test]
fn conversion_and_conversion() {
    let scene = scene_of_hex4();
    let chunk = scene.chunk("x");
    convert_and(&scene, || assert_eq!(kind(convert_and(&scene, || ())), Kind::Busy)).unwrap();
    assert_eq!(convert_and(&scene, || ()).unwrap(), Converted::default());
    assert!(loads(&reopen(&scene.store), &chunk));
}

// ---- the table ----

#[test]
fn every_cell_has_its_test() {
    let names = |line: &str| -> Vec<String> {
        line.split('|').map(|cell| cell.trim_matches([' ', '*', '/', '!']).replace(' ', "_")).collect()
    };
    let rows: Vec<_> =
        include_str!("../src/gc/mod.rs").lines().filter(|line| line.starts_with("//! |")).map(names).collect();
    let columns = &rows[0][2..rows[0].len() - 1];
    assert_eq!((columns.len(), rows.len()), (7, 9));
    for (i, row) in rows[2..].iter().enumerate() {
        assert_eq!(row[1], columns[i], "rows and columns are the same operations");
        for (k, column) in columns.iter().enumerate() {
            assert_eq!(row[k + 2].is_empty(), k < i, "{} and {column}", row[1]);
            let test = format!("fn {}_and_{column}()", row[1]);
            assert!(k < i || include_str!("gc_locking.rs").contains(&test), "{test}");
        }
    }
}
