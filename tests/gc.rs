//! Garbage collection (docs/format.md, 11): held to PBS's, and what it does about everything that may be in its way.

mod common;
#[path = "common/garbage.rs"]
mod garbage;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;

use common::{Json, Scratch, digest_of, failure, is_fresh, kind, mode, quick, vector_json};
use garbage::{OLD, Scene, chunk_files, clock, collect_and, files_below, index_bytes, pbs_status, real, set_atime};
use pxds::chunks::Layout;
use pxds::digest::Digest;
use pxds::error::{Error, Kind};
use pxds::gc::{GcOptions, GcStatus, PHASE_MARK, PHASE_SWEEP, read_status};
use pxds::progress::Stage;
use pxds::store::StoreOptions;
use pxds::tree::TreeLocks;
use serde_json::Value;

const DAY: &str = "host/x/2024-01-01T12:00:00Z";
const NEXT: &str = "host/x/2024-01-02T12:00:00Z";

// ---- the vectors ----

fn mark_case<'a>(vectors: &'a Value, name: &str) -> &'a Value {
    vectors.get_list("mark").iter().find(|case| case.get_str("name") == name).unwrap()
}

/// The store of PBS's mark test.
fn scene_of(case: &Value) -> Scene {
    let scene = Scene::of(Layout::Hex4);
    for file in case.get_list("files") {
        let path = scene.store.path().join(".chunks").join(file.get_str("path"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, vec![0; usize::try_from(file.get_u64("size")).unwrap()]).unwrap();
        set_atime(&path, file.get_u64("atime"));
    }
    let digests: Vec<Digest> = case.get_list("digests").iter().map(digest_of).collect();
    for (path, entries) in case["indexes"].as_object().unwrap() {
        let entry = |entry: &Value| entry.as_u64().map_or(Digest([0; 32]), |i| digests[i as usize]);
        scene.index(path, &entries.as_array().unwrap().iter().map(entry).collect::<Vec<_>>());
    }
    scene
}

#[test]
fn as_pbs_marks() {
    let vectors = vector_json("gc/gc.json");
    let case = mark_case(&vectors, "mark-and-sweep");
    let scene = scene_of(case);
    let dry = scene.dry_run();
    let before = chunk_files(&scene);
    assert_eq!(before.len(), case.get_list("files").len());
    scene.said();

    let status = scene.collect().unwrap();
    assert_eq!(pbs_status(&status), case["status"]);
    let mut kept: Vec<_> = case.get_list("kept").iter().map(|path| path.as_str().unwrap().to_owned()).collect();
    kept.sort();
    assert_eq!(chunk_files(&scene), kept);
    assert_eq!((status.strange_indexes, status.missing_chunks), (2, 3));
    let said = scene.said();
    let warnings = case.get_list("log").iter().filter(|line| line.as_str().unwrap().starts_with("warning")).count();
    assert_eq!(said.len(), warnings, "{said:?}");
    assert!(said.iter().all(|line| line.contains("is missing, and")), "{said:?}");
    assert_eq!(pbs_status(&dry), case["status"], "a dry run foresees it");
    assert_eq!((dry.strange_indexes, dry.missing_chunks), (2, 3));

    let file = scene.store.path().join(".gc-status");
    assert_eq!(fs::read_to_string(&file).unwrap(), status.to_json());
    assert_eq!(mode(&file), 0o644);
    // Two of the missing chunks have a bad copy. What PBS does not know is not noted.
    assert_eq!((status.used_bad, dry.used_bad), (2, 2));
    let noted = GcStatus {
        strange_indexes: 0,
        missing_chunks: 0,
        used_bad: 0,
        used_bad_bytes: 0,
        removed_bad_bytes: 0,
        still_bad_bytes: 0,
        ..status
    };
    assert_eq!(read_status(scene.store.tree()).unwrap(), Some(noted));
}

/// A well-formed empty index, on which PBS stops, marks nothing (`empty-didx-aborts-mark`); garbage stops it here too.
#[test]
fn an_index_that_is_none_keeps_everything() {
    let vectors = vector_json("gc/gc.json");
    for name in ["empty-didx-aborts-mark", "garbage-didx-aborts-mark"] {
        assert!(mark_case(&vectors, name).get_str("result").contains("\"ok\":false"));
    }
    let scene = scene_of(mark_case(&vectors, "mark-and-sweep"));
    let all = chunk_files(&scene);
    for (name, content, wanted) in [
        ("garbage.didx", b"garbage".to_vec(), Kind::Format),
        ("nothing.didx", vec![], Kind::Format),
        ("half.didx", index_bytes(true, &[Digest([1; 32])])[..4100].to_vec(), Kind::Format),
        ("other.didx", index_bytes(false, &[Digest([1; 32])]), Kind::Format),
        ("other.fidx", index_bytes(true, &[Digest([1; 32])]), Kind::Format),
        ("half.fidx", index_bytes(false, &[Digest([1; 32])])[..4100].to_vec(), Kind::Format),
    ] {
        for place in ["", "strange/", "host/a/2020-01-04T00:00:00Z/", "host/a/2020-01-04T00:00:00Z.tmp_AbC123/"] {
            let path = scene.store.path().join(place).join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &content).unwrap();
            let error = failure(scene.collect());
            assert_eq!((error.kind(), error.path()), (wanted, Some(path.as_path())), "{error}");
            assert!(error.message().contains("nothing is removed"), "{error}");
            fs::remove_file(&path).unwrap();
            assert!(read_status(scene.store.tree()).unwrap().is_none());
        }
    }
    assert_eq!(chunk_files(&scene), all);
    scene.index("host/a/2020-01-04T00:00:00Z/empty.didx", &[]);
    scene.index("empty.fidx", &[]);
    let status = scene.collect().unwrap();
    assert_eq!((status.index_file_count, status.removed_chunks), (9, 3));
}

// ---- what counts as an index ----

/// PBS takes the store's own name for a hidden one and marks nothing there.
#[test]
fn a_store_with_a_hidden_name_is_marked() {
    let scratch = Scratch::new();
    let path = scratch.store(".hidden").path().to_path_buf();
    let scene = Scene::open(scratch, &path, quick());
    let chunks = [scene.chunk("kept"), scene.chunk("gone"), scene.chunk("hidden below")];
    scene.snapshot(DAY, &chunks[..1]);
    scene.index("host/.x/a.didx", &chunks[2..]);
    scene.index("host/.b.didx", &chunks[2..]);
    scene.collect().unwrap();
    assert_eq!(scene.left(&chunks), [true, false, false]);
}

#[test]
fn indexes_count_wherever_they_lie_below_the_store_and_nowhere_else() {
    let scene = Scene::new();
    let places =
        ["a.didx", "b.fidx", "ns/c.didx", "vm/100/d.fidx", "deep/er/and/er/e.didx", "ns/bad name/host/x/y/f.didx"];
    let kept: Vec<_> = places.iter().map(|place| scene.chunk(place)).collect();
    for (place, chunk) in places.iter().zip(&kept) {
        scene.index(place, std::slice::from_ref(chunk));
    }
    let elsewhere = ["../outside.didx", "x.didx.bak", "x.DIDX", "didx", ".didx", ".chunks/y.didx", "z.blob"];
    let gone: Vec<_> = elsewhere.iter().map(|place| scene.chunk(place)).collect();
    for (place, chunk) in elsewhere.iter().zip(&gone) {
        fs::write(scene.store.path().join(place), index_bytes(true, std::slice::from_ref(chunk))).unwrap();
    }
    let status = scene.collect().unwrap();
    assert_eq!(scene.left(&kept), vec![true; kept.len()]);
    assert_eq!(scene.left(&gone), vec![false; gone.len()]);
    assert_eq!((status.index_file_count, status.strange_indexes), (6, 6));
}

#[test]
fn links_are_told_and_not_followed() {
    let scene = Scene::new();
    let chunks = [scene.chunk("by a link"), scene.chunk("by a linked directory")];
    let outside = scene.scratch.join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("a.didx"), index_bytes(true, &chunks[..1])).unwrap();
    fs::write(outside.join("b.didx"), index_bytes(true, &chunks[1..])).unwrap();
    scene.snapshot(DAY, &[]);
    let links = ["latest", "host/x/latest", &format!("{DAY}/more"), "dangling"];
    for link in links {
        symlink(if link == "dangling" { Path::new("nowhere") } else { &outside }, scene.dir(link)).unwrap();
    }
    // Among the chunks: a directory of old files, reached by a link, and a link that has the name of a chunk.
    fs::create_dir(outside.join("chunks")).unwrap();
    let foreign = outside.join("chunks").join(format!("aa{}", "00".repeat(31)));
    fs::write(&foreign, "old").unwrap();
    set_atime(&foreign, OLD);
    let dir = scene.store.path().join(".chunks");
    let linked = scene.chunk("x");
    let taken = linked.to_string()[..2].to_owned();
    let (free, other) = if taken == "aa" { ("ab", "bb") } else { ("aa", if taken == "bb" { "bc" } else { "bb" }) };
    symlink(outside.join("chunks"), dir.join(free)).unwrap();
    fs::create_dir(dir.join(other)).ok();
    let link = dir.join(other).join(format!("{other}{}", "11".repeat(31)));
    symlink(&foreign, &link).unwrap();

    scene.collect().unwrap();
    assert_eq!(scene.left(&chunks), [false, false]);
    assert!(foreign.exists() && link.is_symlink() && outside.join("a.didx").exists());
    let said = scene.said();
    for name in links.into_iter().chain([format!(".chunks/{free}").as_str()]) {
        let path = scene.store.path().join(name);
        let lines = said.iter().filter(|line| line.starts_with(&format!("{} ", path.display())));
        assert_eq!(lines.count(), 1, "{name}: {said:?}");
    }
}

#[test]
fn directories_that_are_too_deep_keep_everything() {
    let scene = Scene::new();
    let chunk = scene.chunk("x");
    let deep = |levels: usize| vec!["d"; levels].join("/");
    scene.index(&format!("{}/a.didx", deep(127)), &[chunk]);
    scene.collect().unwrap();
    assert!(scene.has(&chunk));
    scene.age(&chunk);
    fs::create_dir_all(scene.dir(&deep(128))).unwrap();
    let error = failure(scene.collect());
    assert_eq!(error.kind(), Kind::Limit);
    assert!(error.path().unwrap().ends_with(deep(128)));
}

// ---- what happens meanwhile ----

#[test]
fn an_index_that_appears_vanishes_or_turns_to_garbage() {
    let scene = Scene::new();
    let chunks = [scene.chunk("first"), scene.chunk("second"), scene.chunk("stray")];
    scene.snapshot(NEXT, &chunks[..1]);
    scene.snapshot(DAY, &chunks[1..2]);
    let stray = scene.index("stray.didx", &chunks[2..]);

    // Garbage.
    let error = failure(collect_and(&scene, PHASE_MARK, || fs::write(&stray, "x").unwrap()));
    assert_eq!((error.kind(), error.path()), (Kind::Format, Some(stray.as_path())));
    // Gone: passed over, and its chunk is garbage.
    scene.age(&chunks[2]);
    let status = collect_and(&scene, PHASE_MARK, || fs::remove_file(&stray).unwrap()).unwrap();
    assert_eq!((status.index_file_count, status.strange_indexes), (2, 0));
    assert_eq!(scene.left(&chunks), [true, true, false]);
    // A writer through this store brings a new one, in an older snapshot and elsewhere; its chunks are touched.
    let status = collect_and(&scene, PHASE_MARK, || {
        let _lock = scene.store.chunks().lock_shared().unwrap();
        scene.age(&chunks[0]);
        assert!(scene.store.chunks().touch_if_present(&chunks[0]).unwrap().is_some());
        scene.index("new.didx", &chunks[..1]);
    })
    .unwrap();
    assert_eq!(status.index_file_count, 3);
    assert_eq!(scene.left(&chunks), [true, true, false]);
    // Then whole directories go.
    collect_and(&scene, PHASE_MARK, || fs::remove_dir_all(scene.dir("host")).unwrap()).unwrap();
}

/// The newest snapshot goes while it is read, and a newer one, which no list has, has taken over its chunk without a
/// touch.
#[test]
fn a_group_is_listed_again_when_its_newest_snapshot_goes() {
    let scene = Scene::new();
    let chunks = [scene.chunk("a"), scene.chunk("b")];
    scene.snapshot(DAY, &chunks[..1]);
    scene.index(&format!("{DAY}/z.didx"), &chunks[1..]);
    let status = collect_and(&scene, PHASE_MARK, || {
        scene.snapshot(NEXT, &chunks);
        fs::remove_dir_all(scene.dir(DAY)).unwrap();
    })
    .unwrap();
    assert_eq!(scene.left(&chunks), [true, true]);
    assert_eq!(status.index_file_count, 2);
}

/// It goes again and again: the last attempt holds the group, so that nobody can.
#[test]
fn a_group_that_does_not_hold_still_is_held() {
    let scene = Scene::new();
    let chunk = scene.chunk("a");
    let name = |day: u32| format!("host/x/2024-01-{day:02}T12:00:00Z");
    let two = |day: u32| {
        scene.snapshot(&name(day), &[chunk]);
        scene.index(&format!("{}/z.didx", name(day)), &[chunk]);
    };
    two(1);
    let (mut day, mut held) = (1, false);
    let group = pxds::name::Group::parse("host/x").unwrap();
    scene
        .collect_with(&GcOptions { remembered: 1, ..GcOptions::default() }, |step| {
            if step.phase == PHASE_MARK && !held {
                // The next step is then told of too.
                std::thread::sleep(std::time::Duration::from_millis(101));
                match scene.store.tree().lock_group(&group) {
                    Err(error) => held = error.kind() == Kind::Busy,
                    Ok(_lock) => {
                        two(day + 1);
                        fs::remove_dir_all(scene.dir(&name(day))).unwrap();
                        day += 1;
                    }
                }
            }
            Ok(())
        })
        .unwrap();
    assert!(held && day >= 10, "{day}");
    assert!(scene.has(&chunk));
}

#[test]
fn a_callback_stops_it_and_nothing_is_lost() {
    let scene = Scene::new();
    let kept: Vec<_> = (0..20).map(|i| scene.chunk(&format!("kept {i}"))).collect();
    let gone: Vec<_> = (0..20).map(|i| scene.chunk(&format!("gone {i}"))).collect();
    scene.snapshot(DAY, &kept);
    let mut steps = Vec::new();
    scene
        .collect_with(&GcOptions { dry_run: true, ..GcOptions::default() }, |step| {
            steps.push(*step);
            Ok(())
        })
        .unwrap();
    assert!(steps.is_sorted_by_key(|step| (step.phase, step.done)), "{steps:?}");
    assert!(steps.iter().all(|step| step.total == 0 || step.done <= step.total));
    assert_eq!(steps[0], Stage { total: 1, ..Stage::default() });
    let marked = steps.iter().rfind(|step| step.phase == PHASE_MARK).unwrap();
    assert_eq!((marked.done, marked.total), (1, 1), "the end of a phase is told");
    assert!(steps.last().is_some_and(|step| step.phase == PHASE_SWEEP && step.done == step.total), "{steps:?}");
    // Stops where the clock has been looked at so often: for each touch, and for each file that is about to go.
    for stop_at in 0..500 {
        let calls = Arc::new(AtomicI64::new(0));
        let ticks = calls.clone();
        let slow = clock(move || {
            if ticks.fetch_add(1, Ordering::SeqCst) == stop_at {
                // The next step is told of.
                std::thread::sleep(std::time::Duration::from_millis(101));
            }
            real()
        });
        let result = scene.collect_with(&GcOptions { clock: slow, ..GcOptions::default() }, |_| {
            if calls.load(Ordering::SeqCst) > stop_at { Err(Error::cancelled("test", 7)) } else { Ok(()) }
        });
        assert_eq!(scene.left(&kept), vec![true; 20], "stopped at {stop_at}");
        match result {
            Err(error) => {
                assert_eq!((error.kind(), error.callback_value()), (Kind::Cancelled, 7));
                assert!(read_status(scene.store.tree()).unwrap().is_none());
            }
            Ok(status) => {
                assert!(stop_at > 20, "{stop_at}");
                assert_eq!(status.disk_chunks, 20);
                assert_eq!(scene.left(&gone), vec![false; 20]);
                return;
            }
        }
    }
    panic!("it never ended");
}

// ---- marking ----

#[test]
fn a_digest_is_touched_once() {
    let scene = Scene::new();
    let chunks: Vec<_> = (0..1000).map(|i| scene.chunk(&format!("{i}"))).collect();
    for day in 1..=5 {
        scene.snapshot(&format!("host/x/2024-01-{day:02}T12:00:00Z"), &chunks);
    }
    let status = scene.collect().unwrap();
    assert_eq!((status.cache_misses, status.cache_hits), (1000, 4000));
    // What is not remembered is touched again, which is slower and as good.
    chunks.iter().for_each(|chunk| scene.age(chunk));
    let status = scene.collect_with(&GcOptions { remembered: 1, ..GcOptions::default() }, |_| Ok(())).unwrap();
    assert!(status.cache_misses > 4900, "{status:?}");
    assert_eq!(status.disk_chunks, 1000);
    assert!(chunks.iter().all(|chunk| is_fresh(&scene.store.chunks().chunk_path(chunk))));
}

#[test]
fn a_dry_run_changes_nothing() {
    let scene = Scene::new();
    let chunks = [scene.chunk("kept"), scene.chunk("gone"), scene.chunk("missing")];
    scene.snapshot(DAY, &[chunks[0], chunks[2]]);
    fs::remove_file(scene.store.chunks().chunk_path(&chunks[2])).unwrap();
    fs::remove_file(scene.store.path().join(".lock")).unwrap();
    let state = || -> BTreeMap<_, _> {
        let facts = |path: &String| common::times_of(&scene.store.path().join(path));
        files_below(scene.store.path()).into_iter().map(|path| (path.clone(), facts(&path))).collect()
    };
    let before = state();
    let status = scene.dry_run();
    assert!(scene.said()[0].contains("is missing"));
    assert_eq!((status.disk_chunks, status.removed_chunks, status.missing_chunks), (1, 1, 1));
    let mut after = state();
    // Reading an index may move its access time.
    for (path, (accessed, _)) in before.iter().filter(|(path, _)| path.ends_with(".didx")) {
        after.get_mut(path).unwrap().0 = *accessed;
    }
    assert_eq!(before, after);
}

/// Reading one would move its access time, which is older than its modification time.
#[test]
fn manifests_of_good_indexes_are_not_read() {
    let scene = Scene::new();
    let snapshot = scene.snapshot(DAY, &[scene.chunk("kept")]);
    let manifest = scene.store.path().join(snapshot.path()).join("index.json.blob");
    let times = common::age(&manifest);
    scene.dry_run();
    scene.collect().unwrap();
    assert_eq!(common::times_of(&manifest), times);
    fs::read(&manifest).unwrap();
    assert_ne!(common::times_of(&manifest), times, "the file system keeps no access times");
}

// ---- the journal of moves ----

#[test]
fn what_pbs_has_moved_meanwhile_is_marked() {
    let scratch = Scratch::new();
    let path = scratch.store("store").path().to_path_buf();
    let locks = scratch.join("locks");
    let tree_locks = TreeLocks::Files { dir: locks.clone(), store: "s".to_owned() };
    let alias = scratch.join("alias");
    symlink(&path, &alias).unwrap();
    let scene = Scene::open(scratch, &path, StoreOptions { tree_locks, ..quick() });
    // Without a journal.
    scene.collect().unwrap();

    let names = ["moved", "by an alias", "outside", "garbage"];
    let chunks = names.map(|name| scene.chunk(name));
    // Below a hidden name, so that nothing but the journal leads there.
    scene.index(".moved/a.didx", &chunks[..1]);
    scene.index(".moved/b.fidx", &chunks[1..2]);
    let outside = scene.scratch.join("c.didx");
    fs::write(&outside, index_bytes(true, &chunks[2..3])).unwrap();
    let (dir, journal) = (locks.join("s"), locks.join("s/move-journal"));
    fs::create_dir_all(&dir).unwrap();
    let lines = [
        path.join(".moved/a.didx"),
        alias.join(".moved/b.fidx"),
        path.join("vm/100/2024-01-01T00:00:00Z/gone.didx"),
        "/nowhere/at/all/d.didx".into(),
        outside.clone(),
        path.join("../c.didx"),
        path.join("notes"),
    ];
    let text: String = lines.iter().map(|line| format!("{}\n", line.display())).collect();
    fs::write(&journal, &text).unwrap();

    let dry = scene.dry_run();
    assert_eq!(fs::read_to_string(&journal).unwrap(), text);
    scene.said();
    let status = scene.collect().unwrap();
    assert_eq!(scene.left(&chunks), [true, true, false, false]);
    assert_eq!(fs::read_to_string(&journal).unwrap(), "");
    assert_eq!((status.disk_chunks, status.index_file_count), (2, 0));
    assert_eq!(pbs_status(&dry), pbs_status(&status));
    assert_eq!(scene.said().iter().filter(|line| line.contains("no index of this store")).count(), 3);

    // One that cannot be read ends it, and stays in the journal.
    fs::write(path.join(".moved/a.didx"), "x").unwrap();
    fs::write(&journal, &text).unwrap();
    assert_eq!(kind(scene.collect()), Kind::Format);
    assert_eq!(fs::read_to_string(&journal).unwrap(), text);
}

// ---- the status ----

#[test]
fn a_status_that_cannot_be_read_is_none() {
    let scene = Scene::new();
    let path = scene.store.path().join(".gc-status");
    for content in ["", "{}", "x", "{\"upid\":null}"] {
        fs::write(&path, content).unwrap();
        assert_eq!(read_status(scene.store.tree()).unwrap(), None);
    }
    fs::remove_file(&path).unwrap();
    symlink("x", &path).unwrap();
    assert_eq!(read_status(scene.store.tree()).unwrap(), None);
    fs::remove_file(&path).unwrap();
    // Failing to write it fails nothing.
    fs::create_dir(&path).unwrap();
    scene.collect().unwrap();
    assert!(scene.said()[0].contains(".gc-status"));
}
