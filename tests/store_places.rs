//! What stands in the place of a store's files and directories, and is none: it is not followed, not made through, not
//! waited for, and stays as it is (docs/format.md, 5.1).

#![allow(unsafe_code, reason = "std makes no fifos")]

mod common;

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::{Scratch, failure, plain_blob, quick, tree};
use pxds::base::SyncLevel;
use pxds::blob::Codec;
use pxds::chunks::{ConvertOptions, InsertOptions, Layout};
use pxds::digest::Digest;
use pxds::error::{Kind, Result};
use pxds::gc::{GcOptions, collect};
use pxds::hash::sha256;
use pxds::ingest::{Ingest, IngestOptions};
use pxds::limits::BLOB_MAX_ENCODED_SIZE;
use pxds::name::Group;
use pxds::store::{Store, StoreOptions};
use pxds::tree::TreeLocks;

const DATA: &[u8] = b"the data of a chunk";

/// What may stand in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thing {
    /// A link to something of the right sort.
    Link,
    /// A link to nothing, through which something could be made.
    Dangling,
    /// A link to itself.
    Loop,
    Fifo,
    Socket,
    /// A directory for a file, and the reverse.
    Other,
}

const THINGS: [Thing; 6] = [Thing::Link, Thing::Dangling, Thing::Loop, Thing::Fifo, Thing::Socket, Thing::Other];

/// Puts `thing` where a file belongs, or a directory; links lead into `outside`.
fn put(thing: Thing, place: &Path, is_file: bool, outside: &Path) {
    match thing {
        Thing::Link => symlink(outside.join(if is_file { "file" } else { "dir" }), place).unwrap(),
        Thing::Dangling => symlink(outside.join("none"), place).unwrap(),
        Thing::Loop => symlink(place, place).unwrap(),
        Thing::Fifo => {
            let path = CString::new(place.as_os_str().as_bytes()).unwrap();
            // SAFETY: the path ends in NUL.
            assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
        }
        // The name of a socket is short, and its place may have a long one.
        Thing::Socket => {
            let short = outside.parent().unwrap().join("socket");
            drop(UnixListener::bind(&short).unwrap());
            fs::rename(short, place).unwrap();
        }
        Thing::Other if is_file => fs::create_dir(place).unwrap(),
        Thing::Other => fs::write(place, "file").unwrap(),
    }
}

/// A store, and a directory beside it that nothing may change.
struct Scene {
    scratch: Scratch,
    path: PathBuf,
    outside: PathBuf,
    digest: Digest,
}

impl Scene {
    fn new(layout: Layout) -> Self {
        let scratch = Scratch::in_memory();
        let (path, outside) = (scratch.store_of(layout).path().to_owned(), scratch.join("outside"));
        fs::create_dir_all(outside.join("dir")).unwrap();
        fs::write(outside.join("file"), "kept").unwrap();
        let digest = sha256(DATA);
        fs::write(outside.join("dir").join(digest.to_string()), plain_blob(DATA)).unwrap();
        Scene { scratch, path, outside, digest }
    }

    fn options(&self) -> StoreOptions {
        StoreOptions { sync: SyncLevel::File, ..quick() }
    }

    fn open(&self) -> Store {
        Store::open(&self.path, &self.options()).unwrap()
    }

    /// Tries `action` with each thing in `place`: it fails with `kind`, names the place, and changes nothing but by
    /// `made`.
    #[track_caller]
    fn refuses(&self, place: &Path, is_file: bool, expected: Kind, action: &(dyn Fn() -> Result<()> + Sync)) {
        for thing in THINGS {
            put(thing, place, is_file, &self.outside);
            let before = (tree(&self.outside), fs::symlink_metadata(place).unwrap().file_type());
            let error = in_time(action).expect_err(&format!("{thing:?} at {}", place.display()));
            assert_eq!((error.kind(), error.path()), (expected, Some(place)), "{thing:?}: {error}");
            let after = (tree(&self.outside), fs::symlink_metadata(place).unwrap().file_type());
            assert_eq!(before, after, "{thing:?} at {}", place.display());
            assert!(!self.outside.join("none").exists());
            match fs::symlink_metadata(place).unwrap().is_dir() {
                true => fs::remove_dir(place).unwrap(),
                false => fs::remove_file(place).unwrap(),
            }
        }
    }
}

/// What `action` gives; that it waits for ever is a failure.
fn in_time(action: &(dyn Fn() -> Result<()> + Sync)) -> Result<()> {
    let (done, wait) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || done.send(action()));
        match wait.recv_timeout(Duration::from_secs(300)) {
            Ok(result) => result,
            // The thread cannot be ended, and the scope would wait for it.
            Err(_) => {
                eprintln!("it waits for ever");
                std::process::abort()
            }
        }
    })
}

fn ingest(store: &Store) -> Result<()> {
    let mut ingest = Ingest::new(store.chunks(), IngestOptions::default())?;
    ingest.write(DATA)?;
    ingest.finish().map(drop)
}

#[test]
fn in_the_place_of_the_lock() {
    let scene = Scene::new(Layout::Hex2);
    let lock = scene.path.join(".lock");
    fs::remove_file(&lock).unwrap();
    let store = scene.open();
    let refuses = |action: &(dyn Fn() -> Result<()> + Sync)| scene.refuses(&lock, true, Kind::Format, action);
    refuses(&|| store.chunks().lock_shared().map(drop));
    refuses(&|| store.chunks().lock_exclusive().map(drop));
    refuses(&|| ingest(&store));
    refuses(&|| collect(&store, &GcOptions::default()).map(drop));
    refuses(&|| Store::convert(&scene.path, Layout::Hex4, &scene.options(), &ConvertOptions::default()).map(drop));
    fs::remove_dir(scene.path.join(".chunks")).unwrap();
    refuses(&|| Store::create(&scene.path, &scene.options()).map(drop));
    assert!(!scene.path.join(".chunks").exists());
}

#[test]
fn in_the_place_of_all_chunks() {
    let scene = Scene::new(Layout::Hex2);
    let chunks = scene.path.join(".chunks");
    fs::remove_dir(&chunks).unwrap();
    scene.refuses(&chunks, false, Kind::Format, &|| Store::open(&scene.path, &scene.options()).map(drop));
    scene.refuses(&chunks, false, Kind::Format, &|| Store::open_or_create(&scene.path, &scene.options()).map(drop));
    scene.refuses(&chunks, false, Kind::Exists, &|| Store::create(&scene.path, &scene.options()).map(drop));
}

#[test]
fn in_the_place_of_a_directory_of_chunks() {
    for layout in [Layout::Hex2, Layout::Hex4] {
        let scene = Scene::new(layout);
        let file = scene.open().chunks().chunk_path(&scene.digest);
        let dir = file.parent().unwrap();
        let _ = fs::remove_dir(dir);
        let refuses = |action: &(dyn Fn(&Store) -> Result<()> + Sync)| {
            scene.refuses(dir, false, Kind::Format, &|| action(&scene.open()));
        };
        let digest = scene.digest;
        refuses(&|store| store.chunks().insert(&digest, &plain_blob(DATA), InsertOptions::default()).map(drop));
        refuses(&|store| store.chunks().insert_for_index(&digest, &plain_blob(DATA)).map(drop));
        refuses(&|store| {
            store.chunks().insert_verified(&mut Codec::new(), &digest, DATA.len() as u64, &plain_blob(DATA)).map(drop)
        });
        refuses(&|store| store.chunks().has(&digest).map(drop));
        refuses(&|store| store.chunks().has_file(&digest).map(drop));
        refuses(&|store| store.chunks().touch(&digest));
        refuses(&|store| store.chunks().mark(&digest).map(drop));
        refuses(&|store| store.chunks().mark_bad_copies(&digest));
        refuses(&|store| store.chunks().mark_bad(&digest).map(drop));
        refuses(&|store| store.chunks().load(&digest, BLOB_MAX_ENCODED_SIZE, &mut Vec::new()).map(drop));
        refuses(&|store| store.chunks().iter().unwrap().try_for_each(|chunk| chunk.map(drop)));
        refuses(&ingest);
        refuses(&|store| collect(store, &GcOptions::default()).map(drop));
    }
}

/// It is looked at once, when it is first needed; a link that comes later is not written through.
#[test]
fn a_directory_of_chunks_that_becomes_a_link() {
    let scene = Scene::new(Layout::Hex2);
    let store = scene.open();
    store.chunks().insert(&scene.digest, &plain_blob(DATA), InsertOptions::default()).unwrap();
    let file = store.chunks().chunk_path(&scene.digest);
    let dir = file.parent().unwrap();
    fs::remove_dir_all(dir).unwrap();
    fs::create_dir(scene.outside.join("empty")).unwrap();
    symlink(scene.outside.join("empty"), dir).unwrap();
    let before = tree(&scene.outside);
    let error = failure(store.chunks().insert(&scene.digest, &plain_blob(DATA), InsertOptions::default()));
    assert_eq!((error.kind(), error.path()), (Kind::Format, Some(dir)), "{error}");
    assert_eq!(tree(&scene.outside), before);
}

#[test]
fn in_the_place_of_lock_files() {
    let scene = Scene::new(Layout::Hex2);
    let locks = scene.scratch.join("locks");
    let tree_locks = TreeLocks::Files { dir: locks.clone(), store: "s".to_owned() };
    let store = Store::open(&scene.path, &StoreOptions { tree_locks, ..scene.options() }).unwrap();
    let group = Group::parse("ns/a/host/x").unwrap();
    fs::create_dir_all(scene.path.join("ns/a/host/x")).unwrap();
    store.tree().lock_group(&group).unwrap();
    let files = tree(&locks);
    let (file, _) = files.first_key_value().unwrap();
    let (file, namespace) = (locks.join(file), locks.join("s/a"));
    assert_eq!((files.len(), file.parent()), (1, Some(&*namespace)));
    let lock = || store.tree().lock_group(&group).map(drop);

    fs::remove_file(&file).unwrap();
    scene.refuses(&file, true, Kind::Format, &lock);
    for dir in [&namespace, &locks.join("s")] {
        fs::remove_dir(dir).unwrap();
        scene.refuses(dir, false, Kind::Exists, &lock);
    }
    store.tree().lock_group(&group).unwrap();
    // What the caller has named may be a link.
    fs::rename(&locks, scene.scratch.join("elsewhere")).unwrap();
    symlink("elsewhere", &locks).unwrap();
    store.tree().lock_group(&group).unwrap();
}

#[test]
fn in_the_place_of_the_journal_of_moves() {
    let scene = Scene::new(Layout::Hex2);
    let locks = scene.scratch.join("locks");
    let tree_locks = TreeLocks::Files { dir: locks.clone(), store: "s".to_owned() };
    let store = Store::open(&scene.path, &StoreOptions { tree_locks, ..scene.options() }).unwrap();
    let gc = || collect(&store, &GcOptions::default()).map(drop);
    fs::create_dir_all(&locks).unwrap();
    scene.refuses(&locks.join("s"), false, Kind::Format, &gc);
    fs::create_dir(locks.join("s")).unwrap();
    scene.refuses(&locks.join("s/move-journal"), true, Kind::Format, &gc);
}

/// The status of a collection takes the place of what is no file; it is not written through.
#[test]
fn in_the_place_of_the_status() {
    for thing in THINGS {
        let scene = Scene::new(Layout::Hex2);
        let status = scene.path.join(".gc-status");
        put(thing, &status, true, &scene.outside);
        let before = tree(&scene.outside);
        collect(&scene.open(), &GcOptions::default()).unwrap();
        // A directory stays, and a notice says so.
        assert_eq!(fs::symlink_metadata(&status).unwrap().is_file(), thing != Thing::Other, "{thing:?}");
        assert_eq!(tree(&scene.outside), before);
        assert!(!scene.outside.join("none").exists());
    }
}
