//! Garbage collection where not all can be seen or believed: it removes nothing, or not what it has seen before
//! (docs/format.md, 11.2).

mod common;
#[path = "common/garbage.rs"]
mod garbage;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use common::{failure, kind};
use garbage::{ENTRY, Scene, collect_and, index_bytes, pbs_status};
use pxds::digest::Digest;
use pxds::error::Kind;
use pxds::gc::{GcOptions, PHASE_MARK, PHASE_SWEEP, read_status};
use pxds::index::Index;
use pxds::manifest::{CryptMode, FileInfo, Manifest};
use pxds::name::{BackupType, Snapshot};

const DAY: &str = "host/x/2024-01-01T12:00:00Z";
const NEXT: &str = "host/x/2024-01-02T12:00:00Z";

// ---- the tree ----

/// Puts something that is neither a file nor a directory at a path.
fn put_socket(path: &Path) {
    std::os::unix::net::UnixListener::bind(path).unwrap();
}

/// Makes something at a path.
type Maker<'a> = &'a dyn Fn(&Scene, &Path);

/// Behind what has the place of a directory of the tree there may be snapshots: on another disk, say, to which somebody
/// has made a link.
#[test]
fn what_is_no_directory_in_the_place_of_one_keeps_everything() {
    let places = ["ns", "ns/a", "ns/a/ns", "host", "vm", "ns/a/ct", "host/x", "ns/a/vm/100", NEXT];
    let moved = |scene: &Scene, at: &Path| {
        let outside = scene.scratch.join("moved");
        fs::create_dir_all(at).unwrap();
        fs::rename(at, &outside).unwrap();
        symlink(outside, at).unwrap();
    };
    let makers: [(&str, Maker); 4] = [
        ("link", &moved),
        ("link", &|_, at| symlink("nowhere", at).unwrap()),
        ("file", &|_, at| fs::write(at, "x").unwrap()),
        ("special file", &|_, at| put_socket(at)),
    ];
    for place in places {
        for (what, make) in makers {
            let scene = Scene::new();
            let chunks = [scene.chunk("needed"), scene.chunk("not needed")];
            scene.snapshot(DAY, &chunks[..1]);
            let at = scene.dir(place);
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            if place == "host" || place == "host/x" {
                fs::rename(&at, scene.scratch.join("away")).unwrap();
                fs::rename(scene.scratch.join("away"), scene.dir("vm")).unwrap();
            }
            make(&scene, &at);
            for dry_run in [true, false] {
                let error = failure(scene.collect_with(&GcOptions { dry_run, ..GcOptions::default() }, |_| Ok(())));
                assert_eq!((error.kind(), error.path()), (Kind::Format, Some(at.as_path())), "{place}: {error}");
                let words = format!("nothing is removed: {} is a {what}", at.display());
                assert!(error.message().contains(&words), "{error}");
            }
            assert_eq!(scene.left(&chunks), [true, true], "{place}");
            assert!(read_status(&scene.store).is_none());
        }
    }
}

/// PBS follows a link that has the name of an index.
#[test]
fn what_has_the_name_of_an_index_and_is_none_keeps_everything() {
    let scene = Scene::new();
    let chunk = scene.chunk("by a link");
    scene.snapshot(DAY, &[]);
    let outside = scene.scratch.join("a.didx");
    fs::write(&outside, index_bytes(true, &[chunk])).unwrap();
    for place in ["a.didx", "host/a.fidx", &format!("{DAY}/a.didx"), "host/x/a.didx"] {
        let at = scene.dir(place);
        for special in [false, true] {
            if special {
                put_socket(&at)
            } else {
                symlink(&outside, &at).unwrap()
            }
            let error = failure(scene.collect());
            assert_eq!((error.kind(), error.path()), (Kind::Format, Some(at.as_path())), "{error}");
            assert!(error.message().contains("nothing is removed"), "{error}");
            fs::remove_file(&at).unwrap();
        }
        // As a directory it has no such name.
        fs::create_dir(&at).unwrap();
    }
    assert!(scene.has(&chunk));
    // An index is one wherever it lies, also where a group or a namespace might.
    scene.index("host/b.didx", &[chunk]);
    scene.index("ns/b.didx", &[chunk]);
    assert_eq!(scene.collect().unwrap().strange_indexes, 2);
    assert!(scene.has(&chunk));
}

// ---- the csums of indexes ----

/// One with fewer entries than it was written with, or other ones.
fn damaged(digests: &[Digest], which: usize) -> Vec<u8> {
    let mut bytes = index_bytes(true, digests);
    match which {
        0 => bytes.truncate(bytes.len() - 40),
        1 => bytes.extend([&(3 * ENTRY).to_le_bytes()[..], &[7; 32]].concat()),
        2 => *bytes.last_mut().unwrap() ^= 1,
        _ => bytes[32] ^= 1,
    }
    bytes
}

#[test]
fn an_index_that_has_lost_entries_keeps_everything() {
    for which in 0..4 {
        for place in ["a.didx", &format!("{DAY}/a.didx"), &format!("ns/n/{DAY}/a.didx")] {
            let scene = Scene::new();
            let chunks = [scene.chunk("a"), scene.chunk("b"), scene.chunk("c")];
            // Beside it a manifest that cannot be read, or does not vouch for it.
            if place != "a.didx" {
                scene.snapshot(&place[..place.len() - 7], &[]);
            }
            let path = scene.index(place, &[]);
            fs::write(&path, damaged(&chunks[..2], which)).unwrap();
            for dry_run in [true, false] {
                let error = failure(scene.collect_with(&GcOptions { dry_run, ..GcOptions::default() }, |_| Ok(())));
                assert_eq!((error.kind(), error.path()), (Kind::Corrupt, Some(path.as_path())), "{error}");
                assert!(error.message().contains("csum"), "{error}");
                assert_eq!(scene.left(&chunks), [true; 3], "{which} {place}");
            }
            // As it is, if that is wished for.
            let any = GcOptions { any_csum: true, ..GcOptions::default() };
            let dry = scene.collect_with(&GcOptions { dry_run: true, ..any.clone() }, |_| Ok(())).unwrap();
            scene.said();
            chunks.iter().for_each(|chunk| scene.age(chunk));
            let status = scene.collect_with(&any, |_| Ok(())).unwrap();
            assert_eq!(pbs_status(&dry), pbs_status(&status));
            assert!(!scene.has(&chunks[2]) && scene.has(&chunks[0]));
            assert!(scene.said().iter().any(|line| line.contains("csum") && line.contains(path.to_str().unwrap())));
        }
    }
}

/// The header is wrong and the entries are those that the manifest lists: so it is read, and so it is marked.
#[test]
fn the_manifest_vouches_for_an_index() {
    let scene = Scene::new();
    let chunks = [scene.chunk("a"), scene.chunk("b"), scene.chunk("gone")];
    let snapshot = Snapshot::parse(DAY).unwrap();
    let path = scene.index(&format!("{DAY}/a.didx"), &[]);
    fs::write(&path, damaged(&chunks[..2], 3)).unwrap();
    let index = Index::open(&path, None).unwrap();
    let mut manifest = Manifest::new(BackupType::Host, "x", snapshot.time()).unwrap();
    let file = |csum| FileInfo { filename: "a.didx".to_owned(), crypt_mode: CryptMode::None, size: index.size(), csum };
    manifest.add_file(&file(index.compute_csum())).unwrap();
    scene.store.store_manifest(&snapshot, &manifest).unwrap();
    scene.collect().unwrap();
    assert_eq!(scene.left(&chunks), [true, true, false]);
    assert!(scene.said().iter().any(|line| line.contains("the manifest vouches for it")));
    let mut manifest = Manifest::new(BackupType::Host, "x", snapshot.time()).unwrap();
    manifest.add_file(&file(Digest([1; 32]))).unwrap();
    scene.store.store_manifest(&snapshot, &manifest).unwrap();
    assert_eq!(kind(scene.collect()), Kind::Corrupt);
}

// ---- answers that are not the same twice ----

/// Chunks that are not to be seen while they should be marked, as a file system on the network has it, and then are.
#[test]
fn what_was_missing_stays_when_it_is_met() {
    let scene = Scene::new();
    let chunks = ["plain", "bad", "misplaced", "gone"].map(|data| scene.chunk(data));
    scene.snapshot(DAY, &chunks[..3]);
    let paths = chunks.map(|chunk| scene.store.chunk_path(&chunk));
    let hidden = scene.scratch.join("hidden");
    fs::create_dir(&hidden).unwrap();
    let away = |i: usize| hidden.join(i.to_string());
    (0..3).for_each(|i| fs::rename(&paths[i], away(i)).unwrap());
    let other = if paths[2].parent().unwrap().ends_with("aa") { "ab" } else { "aa" };
    let other = paths[2].parent().unwrap().with_file_name(other).join(chunks[2].to_string());
    fs::create_dir_all(other.parent().unwrap()).unwrap();
    let back = [paths[0].clone(), paths[1].with_extension("0.bad"), other];
    let status = collect_and(&scene, PHASE_SWEEP, || {
        back.iter().enumerate().for_each(|(i, to)| fs::rename(away(i), to).unwrap());
    })
    .unwrap();
    assert!(back.iter().all(|path| path.exists()), "{back:?}");
    assert!(!scene.has(&chunks[3]));
    assert_eq!((status.missing_chunks, status.disk_chunks, status.removed_chunks), (3, 2, 1));
    let said = scene.said();
    assert_eq!(said.iter().filter(|line| line.contains("which was missing, is there")).count(), 2, "{said:?}");
}

/// What has been marked stays, whatever the file system then says of its access time; what is not remembered cannot.
#[test]
fn what_was_marked_stays_whatever_its_access_time() {
    for (remembered, kept) in [(1 << 20, true), (0, false)] {
        let scene = Scene::new();
        let chunks = [scene.chunk("marked"), scene.chunk("gone")];
        scene.snapshot(DAY, &chunks[..1]);
        let mut first = true;
        let options = GcOptions { remembered, ..GcOptions::default() };
        let status = scene.collect_with(&options, |step| {
            if step.phase == PHASE_SWEEP && std::mem::take(&mut first) {
                scene.age(&chunks[0]);
            }
            Ok(())
        });
        assert_eq!(scene.left(&chunks), [kept, false]);
        assert_eq!(status.unwrap().disk_chunks, u64::from(kept));
    }
}

/// A snapshot that is not its group's newest cannot be seen when its turn comes, and is there again before the end.
#[test]
fn no_listing_is_believed_by_itself() {
    let scene = Scene::new();
    let chunks = [scene.chunk("newest"), scene.chunk("older"), scene.chunk("stray"), scene.chunk("late")];
    scene.snapshot(NEXT, &chunks[..1]);
    scene.snapshot(DAY, &chunks[1..2]);
    scene.index("z.didx", &chunks[2..3]);
    let away = scene.scratch.join("away");
    let mut calls = 0;
    let status = scene
        .collect_with(&GcOptions::default(), |step| {
            if step.phase == PHASE_MARK {
                calls += 1;
                // The next step is then told of too.
                std::thread::sleep(std::time::Duration::from_millis(101));
            }
            // Before the newest is read, and before the stray is, which comes last.
            match (step.phase, calls) {
                (PHASE_MARK, 1) => fs::rename(scene.dir(DAY), &away).unwrap(),
                (PHASE_MARK, 3) => {
                    fs::rename(&away, scene.dir(DAY)).unwrap();
                    scene.snapshot("vm/1/2024-01-01T12:00:00Z", &chunks[3..]);
                }
                _ => {}
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(scene.left(&chunks), [true; 4]);
    assert_eq!((status.index_file_count, status.strange_indexes), (4, 1));
}

/// A group is moved to another disk meanwhile, and a link has its place.
#[test]
fn a_link_that_comes_meanwhile_keeps_everything() {
    let scene = Scene::new();
    let chunks = [scene.chunk("a"), scene.chunk("b")];
    scene.snapshot(DAY, &chunks[..1]);
    scene.snapshot("vm/1/2024-01-01T12:00:00Z", &chunks[1..]);
    let (group, away) = (scene.dir("vm/1"), scene.scratch.join("away"));
    let error = failure(collect_and(&scene, PHASE_MARK, || {
        fs::rename(&group, &away).unwrap();
        symlink(&away, &group).unwrap();
    }));
    assert_eq!((error.kind(), error.path()), (Kind::Format, Some(group.as_path())), "{error}");
    assert_eq!(scene.left(&chunks), [true, true]);
}
