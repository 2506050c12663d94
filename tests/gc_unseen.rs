//! Garbage collection where not all can be seen or believed: it removes nothing, or not what it has seen before
//! (docs/format.md, 11.2); and that others see the same.

mod common;
#[path = "common/garbage.rs"]
mod garbage;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use common::{failure, kind};
use garbage::{ENTRY, Scene, collect_and, index_bytes, pbs_status};
use pxds::blob::Codec;
use pxds::callback::Callback;
use pxds::digest::Digest;
use pxds::error::Kind;
use pxds::gc::{GcOptions, PHASE_MARK, PHASE_SWEEP, read_status};
use pxds::index::Index;
use pxds::manifest::{CryptMode, FileInfo, Manifest};
use pxds::name::{BackupType, Snapshot};
use pxds::stats::{self, StatsOptions};
use pxds::verify::{Damage, Scope, Verifier, VerifyOptions};

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
            assert!(read_status(scene.store.tree()).unwrap().is_none());
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
    let paths = chunks.map(|chunk| scene.store.chunks().chunk_path(&chunk));
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

// ---- whoever goes through the tree sees the same ----

/// An index at a path of any bytes, of as many entries as say which it is: 2^`number`, all of its own chunk.
fn put(scene: &Scene, path: &[u8], number: usize) -> Digest {
    let chunk = scene.chunk(&format!("chunk {number}"));
    let path = scene.store.path().join(OsStr::from_bytes(path));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, index_bytes(true, &vec![chunk; 1 << number])).unwrap();
    chunk
}

/// The numbers of the indexes that describe so many bytes.
fn numbers(bytes: u64) -> Vec<usize> {
    assert_eq!(bytes % ENTRY, 0);
    (0..64).filter(|i| (bytes / ENTRY) >> i & 1 == 1).collect()
}

/// A manifest of the snapshot that lists these archives, also such as no writer would.
fn vouch(scene: &Scene, snapshot: &str, names: &[&str]) {
    let mut manifest = Manifest::new(BackupType::Host, "x", Snapshot::parse(snapshot).unwrap().time()).unwrap();
    for name in names {
        let index = Index::open(&scene.dir(snapshot).join(name), None).unwrap();
        let (size, csum) = (index.size(), index.compute_csum());
        let filename = name.replacen('.', "dot.", 1);
        manifest.add_file(&FileInfo { filename, crypt_mode: CryptMode::None, size, csum }).unwrap();
    }
    let text = String::from_utf8(manifest.to_json().unwrap()).unwrap().replace("dot.", ".");
    let blob = Codec::new().encode_vec(text.as_bytes(), true).unwrap();
    fs::write(scene.dir(snapshot).join("index.json.blob"), blob).unwrap();
}

/// The archives of which verification finds the chunks bad: all, since they are not as long as the indexes say.
fn verified(scene: &Scene) -> BTreeSet<(String, Digest)> {
    let found: Arc<Mutex<BTreeSet<_>>> = Arc::default();
    let noted = found.clone();
    let on_damage = move |damage: &Damage<'_>| {
        noted.lock().unwrap().insert((damage.archive.to_owned(), damage.chunk.unwrap().digest));
        Ok(())
    };
    let on_damage = Some(Callback(Arc::new(on_damage) as Arc<_>));
    let options = VerifyOptions { read_only: true, on_damage, ..VerifyOptions::default() };
    Verifier::new(&scene.store, options).unwrap().run(&Scope::Store).unwrap();
    std::mem::take(&mut *found.lock().unwrap())
}

#[test]
fn what_is_protected_is_counted_and_verified() {
    let scene = Scene::new();
    let in_day = |name: &str| format!("{DAY}/{name}").into_bytes();
    let deep = [&b"d/".repeat(127)[..], b"a.didx"].concat();
    let protected: Vec<Vec<u8>> = vec![
        in_day("a.didx"),
        in_day(".hidden.didx"),
        in_day("below/a.didx"),
        [&in_day(""), &b"\xff.didx"[..]].concat(),
        format!("ns/n/{NEXT}/a.didx").into_bytes(),
        b"a.didx".to_vec(),
        b"\xff/\xfe.didx".to_vec(),
        b"host/a.didx".to_vec(),
        b"host/x/a.didx".to_vec(),
        b"lost+found/a.didx".to_vec(),
        b"directory.fidx/a.didx".to_vec(),
        deep,
    ];
    let passed_over: [&[u8]; 4] = [b".hidden/a.didx", b"any/.a.didx", b"any/.hidden/a.didx", b"any/a.didx.bak"];
    let paths = protected.iter().map(Vec::as_slice).chain(passed_over);
    let chunks: Vec<_> = paths.enumerate().map(|(number, path)| put(&scene, path, number)).collect();
    let (needed, others) = chunks.split_at(protected.len());
    vouch(&scene, DAY, &["a.didx", ".hidden.didx"]);
    let outside = scene.scratch.join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("a.didx"), index_bytes(true, others)).unwrap();
    symlink(&outside, scene.dir("link")).unwrap();

    let all: Vec<_> = (0..needed.len()).collect();
    let dry = scene.dry_run();
    assert_eq!((numbers(dry.index_data_bytes), dry.index_file_count), (all.clone(), all.len() as u64));
    assert_eq!((dry.disk_chunks, dry.removed_chunks), (needed.len() as u64, others.len() as u64));
    let counted = stats::collect(scene.store.tree(), Some(scene.store.chunks()), &StatsOptions::default()).unwrap();
    assert!(counted.complete);
    assert_eq!(
        (numbers(counted.total.described.logical_bytes), counted.total.unreferenced.0),
        (all, others.len() as u64)
    );
    assert_eq!(numbers(counted.snapshots[0].described.logical_bytes), [0, 1, 3]);
    // What a manifest lists.
    let listed = [("a.didx", needed[0]), (".hidden.didx", needed[1])].map(|(name, chunk)| (name.to_owned(), chunk));
    assert_eq!(verified(&scene), BTreeSet::from(listed));

    let status = scene.collect().unwrap();
    assert_eq!(pbs_status(&status), pbs_status(&dry));
    assert_eq!(scene.left(needed), vec![true; needed.len()]);
    assert_eq!(scene.left(others), vec![false; others.len()]);
}

/// What ends a collection is what statistics are not complete without.
#[test]
fn what_cannot_be_seen_is_told_of_by_all() {
    let fifo = |_: &Scene, at: &Path| assert!(Command::new("mkfifo").arg(at).status().unwrap().success());
    let makers: [(PathBuf, Maker); 4] = [
        ("any.didx".into(), &fifo),
        (format!("{DAY}/any.fidx").into(), &fifo),
        (format!("{DAY}/.any.fidx").into(), &|_, at| symlink("nowhere", at).unwrap()),
        ("d/".repeat(127).into(), &|_, at| fs::create_dir_all(at.join("d")).unwrap()),
    ];
    for (place, make) in makers {
        let scene = Scene::new();
        let chunks = [scene.chunk("a"), scene.chunk("b")];
        scene.snapshot(DAY, &chunks[..1]);
        let at = scene.store.path().join(&place);
        make(&scene, &at);
        let error = failure(scene.collect());
        assert!(error.path().unwrap().starts_with(&at), "{error}");
        assert_eq!(scene.left(&chunks), [true, true], "{}", place.display());
        scene.said();
        let counted = stats::collect(scene.store.tree(), None, &StatsOptions::default()).unwrap();
        assert_eq!((counted.complete, counted.total.described.unreadable), (false, 1));
        let why = error.message().split_once("nothing is removed: ").unwrap().1;
        assert_eq!(scene.said(), [format!("not counted: {why}")]);
    }
}
