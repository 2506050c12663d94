//! What a collection removes and what it leaves (docs/format.md, 11.3).

mod common;
#[path = "common/garbage.rs"]
mod garbage;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use common::{Scratch, flock, quick};
use garbage::{OLD, Scene, pbs_status, real, set_atime, set_mtime};
use pxds::digest::Digest;
use pxds::store::StoreOptions;

const DAY: &str = "host/x/2024-01-01T12:00:00Z";

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
        fs::rename(scene.store.chunks().chunk_path(digest), two.join(&hex)).unwrap();
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
    let dir = scene.store.chunks().chunk_path(&digest).parent().unwrap().to_path_buf();
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
    let path = scene.store.chunks().chunk_path(&digest);
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

/// Makes what has just been written look as if a crash had left it long ago.
fn old(path: PathBuf) -> PathBuf {
    set_mtime(&path, OLD);
    set_atime(&path, OLD);
    path
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
        old(full)
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
        old(full)
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
    let holds = used.clone().map(|path| flock(&path, true).unwrap());
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
        let path = scene.store.chunks().chunk_path(digest);
        path.with_file_name(format!("{digest}.{n}.bad"))
    };
    for digest in [needed, mended, unneeded] {
        for n in [0, 9] {
            scene.store.chunks().mark_bad(&digest).unwrap();
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
    fs::remove_file(scene.store.chunks().chunk_path(&needed)).unwrap();
    scene.snapshot(DAY, &[needed, mended]);
    let dry = scene.dry_run();
    let status = scene.collect().unwrap();
    assert_eq!(pbs_status(&dry), pbs_status(&status));
    let there = |digest: &Digest| [bad(digest, 1).exists(), bad(digest, 9).exists()];
    assert_eq!([there(&needed), there(&mended), there(&unneeded)], [[true; 2], [false; 2], [false; 2]]);
    assert_eq!((status.removed_bad, status.still_bad, status.missing_chunks), (4, 0, 1));
}
