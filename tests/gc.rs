//! Garbage collection (docs/format.md, 11): held to PBS's, and what it does about everything that may be in its way.

mod common;
#[path = "common/garbage.rs"]
mod garbage;

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use common::{Json, Scratch, digest_of, failure, is_fresh, kind, mode, quick, vector_json};
use garbage::{OLD, Scene, collect_and, index_bytes, pbs_status, set_atime, set_mtime};
use pxds::digest::Digest;
use pxds::error::{Error, Kind};
use pxds::gc::{Clock, GcOptions, GcStatus, PHASE_MARK, PHASE_SWEEP, read_status};
use pxds::store::{Layout, StoreOptions, TreeLocks};
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

/// The files below a directory; reading them would move their access times.
fn files_below(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut dirs = vec![String::new()];
    while let Some(at) = dirs.pop() {
        for entry in fs::read_dir(dir.join(&at)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{at}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() { dirs.push(format!("{path}/")) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

fn chunk_files(scene: &Scene) -> Vec<String> {
    files_below(&scene.store.path().join(".chunks"))
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
    let noted = GcStatus { strange_indexes: 0, missing_chunks: 0, ..status };
    assert_eq!(read_status(&scene.store), Some(noted));
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
            assert!(read_status(&scene.store).is_none());
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

// ---- what the sweep takes and leaves ----

#[test]
fn both_layouts_at_once() {
    let scratch = Scratch::new();
    let path = scratch.join("store");
    for dir in [".chunks/0000", ".chunks/ffff"] {
        fs::create_dir_all(path.join(dir)).unwrap();
    }
    let scene = Scene::open(scratch, &path, StoreOptions { mixed: true, ..quick() });
    let chunks: Vec<_> = (0..20).map(|i| scene.chunk(&format!("{i}"))).collect();
    // Ten of each layout.
    for digest in &chunks[..10] {
        let hex = digest.to_string();
        let two = path.join(".chunks").join(&hex[..2]);
        fs::create_dir_all(&two).unwrap();
        fs::rename(scene.store.chunk_path(digest), two.join(&hex)).unwrap();
    }
    let scene = Scene::open(scene.scratch, &path, StoreOptions { mixed: true, ..quick() });
    let used: Vec<_> = chunks.iter().copied().step_by(2).collect();
    scene.snapshot(DAY, &used);
    let dry = scene.dry_run();
    let status = scene.collect().unwrap();
    assert_eq!((status.disk_chunks, status.removed_chunks, status.missing_chunks), (10, 10, 0));
    assert_eq!(pbs_status(&dry), pbs_status(&status));
    assert_eq!(scene.left(&chunks), (0..20).map(|i| i % 2 == 0).collect::<Vec<_>>());
}

#[test]
fn foreign_files_among_the_chunks_are_left_alone() {
    let scene = Scene::new();
    let digest = scene.chunk("x");
    let hex = digest.to_string();
    let dir = scene.store.chunk_path(&digest).parent().unwrap().to_path_buf();
    let foreign = [
        "README".to_owned(),
        hex.to_uppercase(),
        format!("{hex}.10.bad"),
        format!("{hex}.bad"),
        format!("{hex}.0.bak"),
        format!("{hex}.tmp_"),
        format!("{hex}.tmp_1234567"),
        format!("{hex}.used.tmp_123456"),
        format!("{}.tmp_123456", hex.to_uppercase()),
        hex[1..].to_owned(),
    ];
    for name in &foreign {
        fs::write(dir.join(name), "old").unwrap();
        set_atime(&dir.join(name), OLD);
        set_mtime(&dir.join(name), OLD);
    }
    fs::create_dir(dir.join(format!("{}1", &hex[..63]))).ok();
    fs::create_dir(scene.store.path().join(".chunks/zz")).unwrap();
    fs::write(scene.store.path().join(".chunks").join(&hex), "old").unwrap();
    let status = scene.collect().unwrap();
    assert_eq!(status.removed_chunks, 1);
    assert_eq!(status.removed_bytes, common::plain_blob(b"x").len() as u64);
    for name in &foreign {
        assert!(dir.join(name).exists(), "{name}");
    }
    assert!(scene.store.path().join(".chunks").join(&hex).exists());
}

#[test]
fn temporary_files_go_when_they_are_stale() {
    let scene = Scene::new();
    let digest = scene.chunk("x");
    let path = scene.store.chunk_path(&digest);
    let temporary = |end: &str| path.with_file_name(format!("{digest}.tmp_{end}"));
    for (end, accessed, modified) in [("stale_", true, true), ("read__", false, true), ("write_", true, false)] {
        fs::write(temporary(end), "12345").unwrap();
        if modified {
            set_mtime(&temporary(end), OLD);
        }
        if accessed {
            set_atime(&temporary(end), OLD);
        }
    }
    let using = path.with_file_name(format!("{digest}.using.tmp_AbC123"));
    fs::write(&using, "").unwrap();
    set_mtime(&using, OLD);
    set_atime(&using, OLD);
    let dry = scene.dry_run();
    let status = scene.collect().unwrap();
    assert_eq!((status.removed_temporaries, status.removed_temporary_bytes), (2, 5));
    assert_eq!((dry.removed_temporaries, dry.removed_temporary_bytes), (2, 5));
    assert!(
        !temporary("stale_").exists()
            && !using.exists()
            && temporary("read__").exists()
            && temporary("write_").exists()
    );
    assert_eq!(status.removed_bytes, common::plain_blob(b"x").len() as u64, "these are not counted as PBS counts");
}

/// What was to replace an owner, notes, a manifest or the status goes too, by its exact name and place alone.
#[test]
fn temporary_files_of_the_tree_go_when_they_are_stale() {
    let scene = Scene::new();
    scene.snapshot(DAY, &[]);
    let make = |path: &str| {
        let full = scene.dir(path);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(&full, "12345").unwrap();
        set_mtime(&full, OLD);
        set_atime(&full, OLD);
        full
    };
    let stale = [
        "host/x/owner.tmp_AbC123",
        "host/x/notes.tmp_______",
        "ns/a/ns/b/vm/100/owner.tmp_a-c123",
        &format!("{DAY}/index.json.tmp_AbC123"),
        &format!("{DAY}/index.json.blob.tmp_AbC123"),
        &format!("{DAY}/etc.conf.blob.tmp_AbC123"),
        &format!("{DAY}/root.pxar.tmp_AbC123"),
        &format!("{DAY}/index.json.tmp"),
        &format!("{DAY}/root.pxar.didx.tmp"),
        &format!("{DAY}/root.pxar.tmpdec"),
        &format!("ns/a/ct/1/{}/index.json.tmp_AbC123", &DAY[7..]),
        ".gc-status.tmp_AbC123",
    ]
    .map(make);
    let foreign = [
        "owner.tmp_AbC123",
        "ns/a/notes.tmp_AbC123",
        "host/x/owner.tmp_AbC12",
        "host/x/owner.tmp_AbC1234",
        "host/x/owner.tmp_AbC.23",
        "host/x/owner",
        "host/x/.owner.tmp_AbC123",
        "host/x/other.tmp_AbC123",
        "host/x/index.json.tmp_AbC123",
        "host/x/.gc-status.tmp_AbC123",
        "host/x/2024-02-30T00:00:00Z/index.json.tmp_AbC123",
        "host/x/index.json.tmp",
        "a.tmp",
        &format!("{DAY}/tmp"),
        &format!("{DAY}/.tmp"),
        &format!("{DAY}/a.tmp_"),
        &format!("{DAY}/a.tmp_AbC12"),
        &format!("{DAY}/a.tmp_didx"),
        &format!("{DAY}/a.tmpdecx"),
        &format!("{DAY}/-a.tmp"),
        &format!("{DAY}/a b.tmp_AbC123"),
        &format!("{DAY}/a/index.json.tmp_AbC123"),
        "host/y/owner.tmp_AbC123/owner.tmp_AbC123",
        ".gc-status.tmp_AbC12",
        ".hidden/host/x/owner.tmp_AbC123",
    ]
    .map(make);
    // In use, or of a moment ago.
    let lately = ["host/x/owner.tmp_read__", "host/x/owner.tmp_write_"].map(make);
    set_atime(&lately[0], real() as u64);
    set_mtime(&lately[1], real() as u64);
    let link = scene.dir("host/x/notes.tmp_AbC123");
    symlink(&foreign[0], &link).unwrap();

    let dry = scene.dry_run();
    let there = |paths: &[PathBuf]| paths.iter().filter(|path| path.exists()).count();
    assert_eq!(there(&stale), stale.len());
    let status = scene.collect().unwrap();
    assert_eq!(there(&stale), 0);
    assert_eq!((there(&foreign), there(&lately), link.is_symlink()), (foreign.len(), lately.len(), true));
    for status in [dry, status] {
        assert_eq!((status.removed_temporaries, status.removed_temporary_bytes), (12, 60));
        assert_eq!((status.removed_bytes, status.index_file_count), (0, 1));
    }
}

/// Another program's hold on a directory.
fn held(path: &Path) -> fs::File {
    let dir = fs::File::open(path).unwrap();
    #[allow(unsafe_code)]
    // SAFETY: plain call on an open descriptor.
    let result = unsafe { libc::flock(dir.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) };
    assert_eq!(result, 0);
    dir
}

/// What crashed backups and removals have left goes once it is stale and nobody holds it.
#[test]
fn work_that_nobody_holds_goes_when_it_is_stale() {
    let scene = Scene::new();
    scene.snapshot(DAY, &[]);
    let make = |path: &str| {
        let full = scene.dir(path);
        fs::create_dir_all(full.join("below")).unwrap();
        fs::write(full.join("below/a.blob"), "12345").unwrap();
        fs::write(full.join("index.json.blob"), "123").unwrap();
        set_mtime(&full, OLD);
        set_atime(&full, OLD);
        full
    };
    let stale = [
        ".pxds-tmp/0123456789abcdef",
        "ns/a/ns/b/.pxds-tmp/0123456789abcdef",
        "ns/a/host/.pxds-tmp/0123456789abcdef",
        "vm/100/.pxds-tmp/0123456789abcdef",
        "host/x/2024-01-02T12:00:00Z.tmp_AbC123",
    ]
    .map(make);
    let foreign = [
        ".pxds-tmp/0123456789abcdeg",
        ".pxds-tmp/mine",
        "other/.pxds-tmp/0123456789abcdef",
        ".hidden/host/x/2024-01-02T12:00:00Z.tmp_AbC123",
        "elsewhere/x/2024-01-02T12:00:00Z.tmp_AbC123",
    ]
    .map(make);
    let used =
        [".pxds-tmp/0000000000000000", "host/x/2024-01-03T12:00:00Z.tmp_AbC123", "ct/1/.pxds-tmp/0000000000000001"];
    let used = used.map(make);
    let holds = used.clone().map(|path| held(&path));
    let lately = [".pxds-tmp/1111111111111111", "host/x/2024-01-04T12:00:00Z.tmp_AbC123"].map(make);
    for path in &lately {
        set_mtime(path, real() as u64);
    }
    // Nothing of that is followed out of the store.
    let outside = Scratch::new();
    fs::create_dir(outside.join("0123456789abcdef")).unwrap();
    fs::create_dir_all(scene.dir("ct/2")).unwrap();
    symlink(outside.path(), scene.dir("ct/2/.pxds-tmp")).unwrap();

    let there = |paths: &[PathBuf]| paths.iter().filter(|path| path.exists()).count();
    let dry = scene.dry_run();
    assert_eq!((dry.removed_temporaries, dry.removed_temporary_bytes), (5, 15), "what lies right in them");
    assert_eq!(there(&stale), stale.len());
    scene.said();
    let status = scene.collect().unwrap();
    assert_eq!((there(&stale), there(&foreign), there(&used), there(&lately)), (0, 5, 3, 2));
    assert_eq!((status.removed_temporaries, status.removed_temporary_bytes), (10, 40));
    assert!(!scene.dir("vm/100/.pxds-tmp").exists() && scene.dir(".pxds-tmp").exists(), "an empty one goes");
    assert!(outside.join("0123456789abcdef").exists());
    // But of the directory that no group can be.
    assert!(scene.said().iter().all(|line| line.contains("is no backup id")));
    drop(holds);
    assert_eq!(scene.collect().unwrap().removed_temporaries, 6);
}

/// A bad copy stays as long as the chunk is needed and there is no good one.
#[test]
fn bad_copies() {
    let scene = Scene::new();
    let [needed, mended, unneeded] = ["needed", "mended", "unneeded"].map(|data| scene.chunk(data));
    let bad = |digest: &Digest, n: u8| {
        let path = scene.store.chunk_path(digest);
        path.with_file_name(format!("{digest}.{n}.bad"))
    };
    for digest in [needed, mended, unneeded] {
        for n in [0, 9] {
            scene.store.mark_bad(&digest).unwrap();
            fs::rename(bad(&digest, 0), bad(&digest, 5)).unwrap();
            fs::rename(bad(&digest, 5), bad(&digest, n)).unwrap();
            set_atime(&bad(&digest, n), OLD);
            scene.chunk(match digest {
                _ if digest == needed => "needed",
                _ if digest == mended => "mended",
                _ => "unneeded",
            });
            if n == 0 {
                fs::rename(bad(&digest, 0), bad(&digest, 1)).unwrap();
            }
        }
    }
    fs::remove_file(scene.store.chunk_path(&needed)).unwrap();
    scene.snapshot(DAY, &[needed, mended]);
    let dry = scene.dry_run();
    let status = scene.collect().unwrap();
    assert_eq!(pbs_status(&dry), pbs_status(&status));
    let there = |digest: &Digest| [bad(digest, 1).exists(), bad(digest, 9).exists()];
    assert_eq!([there(&needed), there(&mended), there(&unneeded)], [[true; 2], [false; 2], [false; 2]]);
    assert_eq!((status.removed_bad, status.still_bad, status.missing_chunks), (4, 0, 1));
}

// ---- time ----

fn clock(now: impl Fn() -> i64 + Send + Sync + 'static) -> Clock {
    Arc::new(now)
}

fn real() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64
}

#[test]
fn the_cut_off_decides() {
    for (minutes, hours_ago, kept) in
        [(1445, 24, true), (1445, 25, false), (60, 2, false), (2880, 25, true), (1, 1, false)]
    {
        let scene = Scene::new();
        let chunk = scene.chunk("x");
        set_atime(&scene.store.chunk_path(&chunk), real() as u64 - hours_ago * 3600);
        let options = GcOptions { cutoff_minutes: minutes, ..GcOptions::default() };
        let status = scene.collect_with(&options, |_| Ok(())).unwrap();
        assert_eq!(scene.has(&chunk), kept, "{minutes} {hours_ago}");
        assert_eq!((status.pending_chunks, status.removed_chunks), (kept.into(), (!kept).into()));
    }
}

/// A clock was wrong once. Chunks in use have been touched by today's.
#[test]
fn what_was_accessed_in_the_future_is_pending_and_told() {
    let scene = Scene::new();
    let chunks = ["used", "future", "far future", "bad"].map(|data| scene.chunk(data));
    scene.snapshot(DAY, &chunks[..1]);
    scene.store.mark_bad(&chunks[3]).unwrap();
    let (later, last) = (real() as u64 + 86_400, 4_070_908_800);
    set_atime(&scene.store.chunk_path(&chunks[0]), last);
    set_atime(&scene.store.chunk_path(&chunks[1]), later);
    set_atime(&scene.store.chunk_path(&chunks[2]), last);
    set_atime(&scene.store.chunk_path(&chunks[3]).with_extension("0.bad"), later);
    let len = |data: &str| common::plain_blob(data.as_bytes()).len() as u64;
    for dry_run in [true, false] {
        let options = GcOptions { dry_run, ..GcOptions::default() };
        let status = scene.collect_with(&options, |_| Ok(())).unwrap();
        assert_eq!((status.disk_chunks, status.pending_chunks, status.still_bad), (1, 2, 1));
        let bytes = len("future") + len("far future") + len("bad");
        assert_eq!((status.future_files, status.future_bytes, status.future_until), (3, bytes, last as i64));
        let said = scene.said();
        assert!(said[0].contains("in the future") && said[0].contains("2099-01-01T00:00:00Z"), "{said:?}");
    }
    // Once the time has come they go.
    let then = GcOptions { clock: clock(move || last as i64 + 86_701), ..GcOptions::default() };
    set_atime(&scene.store.chunk_path(&chunks[0]), last);
    let status = scene.collect_with(&GcOptions { skip_atime_probe: true, ..then }, |_| Ok(())).unwrap();
    assert_eq!((status.removed_chunks, status.removed_bad, status.future_files), (2, 1, 0));
    assert_eq!(scene.left(&chunks), [true, false, false, false]);
}

/// A writer that is at work for longer than the cut-off: three days, by the clock of the collection.
#[test]
fn what_a_long_writer_has_touched_stays() {
    let scene = Scene::new();
    let chunks = [scene.chunk("touched"), scene.chunk("old")];
    let later = GcOptions { clock: clock(|| real() + 3 * 86_400), ..GcOptions::default() };
    let lock = scene.store.lock_shared().unwrap();
    scene.store.touch(&chunks[0]).unwrap();
    let status = scene.collect_with(&later, |_| Ok(())).unwrap();
    assert_eq!(scene.left(&chunks), [true, false]);
    assert_eq!((status.disk_chunks, status.removed_chunks), (1, 1));
    drop(lock);
    scene.collect_with(&later, |_| Ok(())).unwrap();
    assert_eq!(scene.left(&chunks), [false, false]);
}

#[test]
fn options_that_cannot_be() {
    let scene = Scene::new();
    let good = GcOptions::default();
    for options in [
        GcOptions { cutoff_minutes: 0, ..good.clone() },
        GcOptions { cutoff_minutes: 2881, ..good.clone() },
        GcOptions { remembered: (1 << 23) + 1, ..good.clone() },
        GcOptions { dry_run: true, skip_atime_probe: true, ..good },
    ] {
        assert_eq!(kind(scene.collect_with(&options, |_| Ok(()))), Kind::Argument, "{options:?}");
    }
}

/// The clock was two days ahead when the collection began and is then set right: what it has marked since looks two days
/// old.
#[test]
fn a_clock_that_is_set_back_while_marking() {
    let scene = Scene::new();
    let chunks = [scene.chunk("kept"), scene.chunk("gone")];
    scene.snapshot(DAY, &chunks[..1]);
    let calls = AtomicI64::new(0);
    let ahead = clock(move || real() + if calls.fetch_add(1, Ordering::SeqCst) == 0 { 2 * 86_400 } else { 0 });
    let options = GcOptions { clock: ahead, skip_atime_probe: true, ..GcOptions::default() };
    let status = scene.collect_with(&options, |_| Ok(())).unwrap();
    assert_eq!(scene.left(&chunks), [true, false]);
    assert_eq!((status.disk_chunks, status.removed_chunks), (1, 1));
}

/// The clock is set back when the sweep has begun, and a writer through the same store then touches a chunk.
#[test]
fn a_clock_that_is_set_back_while_sweeping() {
    let scene = Scene::new();
    let chunk = scene.chunk("touched late");
    let ahead = Arc::new(AtomicI64::new(2 * 86_400));
    let offset = ahead.clone();
    let clock = clock(move || real() + offset.load(Ordering::SeqCst));
    let options = GcOptions { clock, skip_atime_probe: true, ..GcOptions::default() };
    let mut first = true;
    scene
        .collect_with(&options, |step| {
            if step.phase == PHASE_SWEEP && std::mem::take(&mut first) {
                ahead.store(0, Ordering::SeqCst);
                scene.store.touch(&chunk).unwrap();
            }
            Ok(())
        })
        .unwrap();
    assert!(scene.has(&chunk));
}

#[test]
fn a_clock_that_jumps_ahead() {
    let scene = Scene::new();
    let chunk = scene.chunk("x");
    scene.snapshot(DAY, &[chunk]);
    let calls = AtomicI64::new(0);
    let options =
        GcOptions { clock: clock(move || real() + calls.fetch_add(86_400, Ordering::SeqCst)), ..GcOptions::default() };
    scene.collect_with(&options, |_| Ok(())).unwrap();
    assert!(scene.has(&chunk));
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
        let _lock = scene.store.lock_shared().unwrap();
        scene.age(&chunks[0]);
        assert!(scene.store.touch_if_present(&chunks[0]).unwrap().is_some());
        scene.index("new.didx", &chunks[..1]);
    })
    .unwrap();
    assert_eq!(status.index_file_count, 3);
    assert_eq!(scene.left(&chunks), [true, true, false]);
    // Then whole directories go.
    collect_and(&scene, PHASE_MARK, || fs::remove_dir_all(scene.dir("host")).unwrap()).unwrap();
}

/// The newest snapshot goes while it is read, and a newer one, which no list has, has taken over its chunk without a touch.
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
                match scene.store.lock_group(&group) {
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
            steps.push(step);
            Ok(())
        })
        .unwrap();
    assert!(steps.is_sorted_by_key(|step| (step.phase, step.done)), "{steps:?}");
    assert!(steps.iter().all(|step| step.total == 0 || step.done <= step.total));
    for stop_at in 0..500 {
        let mut left = stop_at;
        let result = scene.collect_with(&GcOptions::default(), |_| {
            left -= 1;
            if left < 0 { Err(Error::cancelled("test", 7)) } else { Ok(()) }
        });
        assert_eq!(scene.left(&kept), vec![true; 20], "stopped at {stop_at}");
        match result {
            Err(error) => {
                assert_eq!((error.kind(), error.callback_value()), (Kind::Cancelled, 7));
                assert!(read_status(&scene.store).is_none());
            }
            Ok(status) => {
                assert!(stop_at > 40, "{stop_at}");
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
    assert!(chunks.iter().all(|chunk| is_fresh(&scene.store.chunk_path(chunk))));
}

#[test]
fn a_dry_run_changes_nothing() {
    let scene = Scene::new();
    let chunks = [scene.chunk("kept"), scene.chunk("gone"), scene.chunk("missing")];
    scene.snapshot(DAY, &[chunks[0], chunks[2]]);
    fs::remove_file(scene.store.chunk_path(&chunks[2])).unwrap();
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
        assert_eq!(read_status(&scene.store), None);
    }
    fs::remove_file(&path).unwrap();
    symlink("x", &path).unwrap();
    assert_eq!(read_status(&scene.store), None);
    fs::remove_file(&path).unwrap();
    // Failing to write it fails nothing.
    fs::create_dir(&path).unwrap();
    scene.collect().unwrap();
    assert!(scene.said()[0].contains(".gc-status"));
}
