//! Making and opening stores, and the two layouts (docs/format.md, 5.1 and 5.2).

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use common::{Scratch, failure, is_fresh, kind, mode, names, plain_blob, quick, tree, umask, watched};
use pxds::base::SyncLevel;
use pxds::chunks::{InsertOptions, Layout};
use pxds::digest::Digest;
use pxds::error::{Error, Kind};
use pxds::hash::sha256;
use pxds::store::{Store, StoreOptions};
use pxds::sys::Owner;

fn create(path: &Path, options: &StoreOptions) -> Result<Store, Error> {
    Store::create(path, options)
}

fn hex4() -> StoreOptions {
    StoreOptions { layout: Some(Layout::Hex4), ..quick() }
}

fn mixed() -> StoreOptions {
    StoreOptions { mixed: true, ..quick() }
}

fn insert(store: &Store, data: &[u8]) -> Digest {
    let digest = sha256(data);
    store.chunks().insert(&digest, &plain_blob(data), InsertOptions::default()).unwrap();
    digest
}

// ---- making ----

#[test]
fn a_new_store_has_the_documented_files_and_modes() {
    for sync in [SyncLevel::None, SyncLevel::File, SyncLevel::Filesystem] {
        let scratch = Scratch::new();
        let path = scratch.join("made/with/its/parents");
        let store = create(&path, &StoreOptions { sync, ..StoreOptions::default() }).unwrap();
        assert_eq!((store.chunks().layout(), store.path(), store.base().sync_level()), (Layout::Hex2, &*path, sync));
        assert_eq!(names(&path), [".chunks", ".lock"]);
        assert_eq!(names(&path.join(".chunks")), [""; 0]);
        assert_eq!(fs::read(path.join(".lock")).unwrap(), b"");
        assert_eq!(mode(&path), 0o700 & !umask());
        assert_eq!(mode(path.parent().unwrap()), 0o755 & !umask());
        assert_eq!(mode(&path.join(".chunks")), 0o750 & !umask());
        assert_eq!(mode(&path.join(".lock")), 0o644 & !umask());

        let digest = insert(&store, b"the first chunk");
        let file = store.chunks().chunk_path(&digest);
        assert_eq!(file, path.join(format!(".chunks/{}/{digest}", &digest.to_string()[..2])));
        assert_eq!(mode(file.parent().unwrap()), 0o750 & !umask());
        assert_eq!(mode(&file), 0o644);
        assert_eq!(names(&path.join(".chunks")), [&digest.to_string()[..2]]);
    }
}

/// What lies below has PBS's modes either way.
#[test]
fn a_new_store_is_private_unless_it_is_to_be_shared() {
    for (shared, expected) in [(false, 0o700), (true, 0o755)] {
        let scratch = Scratch::new();
        let options = StoreOptions { shared, ..quick() };
        for make in [create, |path: &Path, options: &StoreOptions| Store::open_or_create(path, options)] {
            let path = scratch.join(names(scratch.path()).len().to_string());
            let store = make(&path, &options).unwrap();
            assert_eq!(mode(&path), expected & !umask());
            assert_eq!(mode(&path.join(".chunks")), 0o750 & !umask());
            insert(&store, b"data");
            // Opening it changes nothing.
            Store::open_or_create(&path, &StoreOptions { shared: !shared, ..quick() }).unwrap();
            assert_eq!(mode(&path), expected & !umask());
        }
        // A directory that is there keeps its own.
        let there = scratch.join("there");
        fs::create_dir(&there).unwrap();
        fs::set_permissions(&there, fs::Permissions::from_mode(0o751)).unwrap();
        create(&there, &options).unwrap();
        assert_eq!(mode(&there), 0o751);
    }
}

#[test]
fn an_existing_directory_may_hold_other_things() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.join("lost+found")).unwrap();
    fs::write(scratch.join("notes"), b"mine").unwrap();
    create(scratch.path(), &quick()).unwrap();
    assert_eq!(names(scratch.path()), [".chunks", ".lock", "lost+found", "notes"]);
    assert_eq!(fs::read(scratch.join("notes")).unwrap(), b"mine");
}

#[test]
fn a_store_is_not_made_twice() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    insert(&store, b"data");
    let before = tree(store.path());
    for options in [quick(), hex4()] {
        let error = failure(create(store.path(), &options));
        assert_eq!((error.kind(), error.path()), (Kind::Exists, Some(&*store.path().join(".chunks"))));
    }
    assert_eq!(tree(store.path()), before);
    assert_eq!(names(store.path()), [".chunks", ".lock"]);

    fs::create_dir(scratch.join("other")).unwrap();
    fs::write(scratch.join("other/.chunks"), b"a file").unwrap();
    assert_eq!(kind(create(&scratch.join("other"), &quick())), Kind::Exists);
    assert_eq!(names(&scratch.join("other")), [".chunks"]);
}

#[test]
fn making_that_is_stopped_leaves_nothing() {
    for (existing, stop_at) in [(true, 1), (false, 1), (true, 12)] {
        let scratch = Scratch::new();
        let path = if existing { scratch.path().to_path_buf() } else { scratch.join("new") };
        let mut calls = 0;
        let create_told = |progress| Store::create(&path, &StoreOptions { progress: Some(progress), ..hex4() });
        let error = failure(watched(create_told, |stage| {
            calls += 1;
            assert_eq!((stage.done, stage.total), (calls, 65536));
            // The next call is due with the next directory.
            thread::sleep(Duration::from_millis(101));
            if stage.done == stop_at { Err(Error::cancelled("test", 7)) } else { Ok(()) }
        }));
        assert_eq!((error.kind(), error.callback_value(), calls), (Kind::Cancelled, 7, stop_at));
        if path.exists() {
            assert_eq!(names(&path), [""; 0], "stopped at {stop_at}");
        }
        assert_eq!(kind(Store::open(&path, &quick())), Kind::NotFound);
        create(&path, &quick()).unwrap();
    }
}

/// "A failure leaves no store": here `.lock` cannot be made.
#[test]
fn making_that_fails_leaves_no_store() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.join(".lock")).unwrap();
    assert_eq!(kind(create(scratch.path(), &quick())), Kind::Format);
    assert_eq!(names(scratch.path()), [".lock"]);
}

/// New files belong to whom the options name, else, where root makes them, to the owner of `.chunks`.
#[test]
fn new_files_have_the_documented_owner() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let owner_of = |path: &Path| {
        let metadata = fs::metadata(path).unwrap();
        (metadata.uid(), metadata.gid())
    };
    let own = owner_of(store.path());
    let (chunks, lock) = (store.path().join(".chunks"), store.path().join(".lock"));
    let check = |store: &Store, data: &[u8], expected: (u32, u32)| {
        let path = store.chunks().chunk_path(&insert(store, data));
        assert_eq!([owner_of(&path), owner_of(path.parent().unwrap())], [expected; 2]);
    };
    check(&store, b"1", own);
    let asked = Owner { uid: own.0, gid: own.1 };
    check(&Store::open(store.path(), &StoreOptions { owner: Some(asked), ..quick() }).unwrap(), b"2", own);
    if own.0 != 0 {
        // Only root can give files away.
        return;
    }
    chown(&chunks, Some(1234), Some(2345)).unwrap();
    fs::remove_file(&lock).unwrap();
    let store = Store::open(store.path(), &quick()).unwrap();
    check(&store, b"3", (1234, 2345));
    drop(store.chunks().lock_shared().unwrap());
    assert_eq!(owner_of(&lock), (1234, 2345));

    let options = StoreOptions { owner: Some(Owner { uid: 3456, gid: 4567 }), ..quick() };
    check(&Store::open(store.path(), &options).unwrap(), b"4", (3456, 4567));
    let made = create(&scratch.join("made"), &options).unwrap();
    check(&made, b"5", (3456, 4567));
    for path in [made.path(), &made.path().join(".chunks"), &made.path().join(".lock")] {
        assert_eq!(owner_of(path), (3456, 4567), "{}", path.display());
    }
    fs::create_dir(scratch.join("given")).unwrap();
    chown(scratch.join("given"), Some(1234), Some(2345)).unwrap();
    let given = create(&scratch.join("given"), &quick()).unwrap();
    check(&given, b"6", (1234, 2345));
    assert_eq!(owner_of(&given.path().join(".chunks")), (1234, 2345));
}

/// The one complete store of 65536 directories.
#[test]
fn a_complete_hex4_store() {
    let scratch = Scratch::in_memory();
    let (mut told, begun) = (Vec::new(), Instant::now());
    let create_told = |progress| Store::create(scratch.path(), &StoreOptions { progress: Some(progress), ..hex4() });
    let store = watched(create_told, |stage| {
        assert_eq!(stage.total, 65536);
        told.push(stage.done);
        Ok(())
    })
    .unwrap();
    assert!(told[0] == 1 && told.is_sorted_by(|a, b| a < b) && told.ends_with(&[65536]), "{told:?}");
    assert!(told.len() as u128 <= begun.elapsed().as_millis() / 100 + 2, "ten times a second, and the end: {told:?}");
    assert_eq!(store.chunks().layout(), Layout::Hex4);
    let expected: Vec<_> = (0..65536).map(|i| format!("{i:04x}")).collect();
    let chunks = scratch.join(".chunks");
    assert_eq!(names(&chunks), expected);
    for name in ["0000", "00ff", "abcd", "ffff"] {
        assert_eq!(mode(&chunks.join(name)), 0o750 & !umask());
    }

    // It is recognised whatever the options say, and keeps its layout.
    let hex2 = StoreOptions { layout: Some(Layout::Hex2), ..quick() };
    for options in [quick(), hex2, mixed()] {
        assert_eq!(Store::open(scratch.path(), &options).unwrap().chunks().layout(), Layout::Hex4);
        assert_eq!(Store::open_or_create(scratch.path(), &options).unwrap().chunks().layout(), Layout::Hex4);
    }
    assert_eq!(kind(create(scratch.path(), &quick())), Kind::Exists);

    // The chunk of zeros that access times are probed with is there from the start, as PBS writes it.
    let zeros = vec![0; 4 << 20];
    let size = store.chunks().has(&sha256(&zeros)).unwrap().unwrap();
    assert!(size < 1000, "{size}");
    let mut digests: Vec<_> = (0..50_u8).map(|i| insert(&store, &[i])).collect();
    digests.push(sha256(&zeros));
    digests.sort();
    let found: Vec<_> = store.chunks().iter().unwrap().map(|entry| entry.unwrap().digest).collect();
    assert_eq!(found, digests, "directories in ascending order; no two of these chunks share one");
    assert_eq!(names(&chunks).len(), 65536);
}

// ---- opening ----

#[test]
fn paths_that_are_no_store_are_refused() {
    let scratch = Scratch::new();
    fs::write(scratch.join("file"), b"").unwrap();
    fs::create_dir(scratch.join("empty")).unwrap();
    fs::create_dir(scratch.join("odd")).unwrap();
    fs::write(scratch.join("odd/.chunks"), b"").unwrap();
    let open = |path: &Path| kind(Store::open(path, &quick()));

    assert_eq!(open(&scratch.join("missing")), Kind::NotFound);
    assert_eq!(open(&scratch.join("empty")), Kind::NotFound);
    for (at, expected) in [("file", Kind::Io), ("file/below", Kind::Io), ("odd", Kind::Format)] {
        assert_eq!(open(&scratch.join(at)), expected, "{at}");
        assert_eq!(kind(Store::open_or_create(&scratch.join(at), &quick())), expected, "{at}");
    }
    for at in ["file", "file/below"] {
        assert_eq!(kind(create(&scratch.join(at), &quick())), Kind::Io, "{at}");
    }
    for path in ["", "a\0b"].map(Path::new) {
        assert_eq!(open(path), Kind::Argument);
        assert_eq!(kind(create(path, &quick())), Kind::Argument);
        assert_eq!(kind(Store::open_or_create(path, &quick())), Kind::Argument);
    }
    assert_eq!(names(scratch.path()), ["empty", "file", "odd"]);
    assert_eq!(names(&scratch.join("empty")), [""; 0]);

    let error = failure(Store::open(&scratch.join("missing"), &quick()));
    assert_eq!(error.path(), Some(&*scratch.join("missing")));
}

#[test]
fn opening_changes_nothing() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    insert(&store, b"data");
    let before = tree(store.path());
    Store::open(store.path(), &quick()).unwrap();
    Store::open_or_create(store.path(), &quick()).unwrap();
    assert_eq!(tree(store.path()), before);
}

#[test]
fn a_missing_lock_file_is_made_when_it_is_needed() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    fs::remove_file(store.path().join(".lock")).unwrap();
    let store = Store::open(store.path(), &quick()).unwrap();
    drop(store.chunks().lock_shared().unwrap());
    assert_eq!(mode(&store.path().join(".lock")), 0o644 & !umask());
}

#[test]
fn a_relative_path_is_made_absolute() {
    let scratch = Scratch::new();
    let directory = std::env::current_dir().unwrap();
    let up: PathBuf = directory.components().skip(1).map(|_| "..").collect();
    let relative = up.join(scratch.path().strip_prefix("/").unwrap()).join("store");
    assert!(relative.is_relative());
    let store = create(&relative, &quick()).unwrap();
    assert!(store.path().is_absolute());
    let digest = insert(&store, b"data");
    assert!(store.chunks().chunk_path(&digest).is_absolute());
    assert!(scratch.join("store").join(".chunks").join(&digest.to_string()[..2]).join(digest.to_string()).is_file());
}

#[test]
fn many_at_once_make_one_store() {
    const THREADS: usize = 8;
    // Half of them insist on making it.
    let insists = |i: usize| i % 2 == 1;
    for round in 0..30 {
        let scratch = Scratch::new();
        let path = scratch.join("store");
        if round % 2 == 1 {
            fs::create_dir(&path).unwrap();
        }
        let barrier = Barrier::new(THREADS);
        let results: Vec<_> = thread::scope(|scope| {
            let work = |i: usize| {
                barrier.wait();
                if insists(i) { create(&path, &quick()) } else { Store::open_or_create(&path, &quick()) }
            };
            let threads: Vec<_> = (0..THREADS).map(|i| scope.spawn(move || work(i))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let mut made = 0;
        for (i, result) in results.iter().enumerate() {
            match result {
                Ok(store) => {
                    made += usize::from(insists(i));
                    insert(store, b"the same for all");
                }
                Err(error) => assert!(insists(i) && error.kind() == Kind::Exists, "{error}"),
            }
        }
        assert!(made <= 1, "{made} have made it");
        assert_eq!(names(&path), [".chunks", ".lock"]);
    }
}

// ---- layouts ----

/// A store whose `.chunks` has these directories.
fn with_dirs(scratch: &Scratch, dirs: &[&str]) -> PathBuf {
    let path = scratch.join("store");
    for dir in dirs {
        fs::create_dir_all(path.join(".chunks").join(dir)).unwrap();
    }
    fs::create_dir_all(path.join(".chunks")).unwrap();
    path
}

#[test]
fn the_directories_decide_the_layout() {
    let cases: [(&[&str], Option<Layout>); 11] = [
        (&[], None),
        (&["abc", "AB", "ABCD", "0g", "tmp", "abcde", "0", "00000"], None),
        (&["00"], Some(Layout::Hex2)),
        (&["ff"], Some(Layout::Hex2)),
        (&["3f", "tmp", "ABCD"], Some(Layout::Hex2)),
        (&["0000", "ffff"], Some(Layout::Hex4)),
        (&["0000"], Some(Layout::Hex4)),
        (&["ffff"], Some(Layout::Hex4)),
        (&["12ab"], Some(Layout::Hex4)),
        (&["12ab", "AB"], Some(Layout::Hex4)),
        (&["0000", "0001", "abc"], Some(Layout::Hex4)),
    ];
    for (dirs, found) in cases {
        let scratch = Scratch::new();
        let path = with_dirs(&scratch, dirs);
        for wanted in [None, Some(Layout::Hex2), Some(Layout::Hex4)] {
            for mixed in [false, true] {
                let options = StoreOptions { layout: wanted, mixed, ..quick() };
                let expected = found.or(wanted).unwrap_or(Layout::Hex2);
                let store = Store::open(&path, &options).unwrap();
                assert_eq!(store.chunks().layout(), expected, "{dirs:?} with {wanted:?}");
            }
        }
    }
}

/// What is not a directory is no chunk directory.
#[test]
fn files_do_not_decide_the_layout() {
    let scratch = Scratch::new();
    let path = with_dirs(&scratch, &["12ab"]);
    fs::write(path.join(".chunks/00"), b"").unwrap();
    assert_eq!(Store::open(&path, &quick()).unwrap().chunks().layout(), Layout::Hex4);
}

#[test]
fn directories_of_an_incomplete_hex4_store_are_made_when_needed() {
    for sync in [SyncLevel::None, SyncLevel::File, SyncLevel::Filesystem] {
        let scratch = Scratch::new();
        let path = with_dirs(&scratch, &["0000"]);
        let store = Store::open(&path, &StoreOptions { sync, ..StoreOptions::default() }).unwrap();
        let absent = sha256(b"absent");
        assert_eq!(store.chunks().has(&absent).unwrap(), None);
        assert_eq!(kind(store.chunks().touch(&absent)), Kind::NotFound);
        assert_eq!(store.chunks().mark_bad(&absent).unwrap(), None);
        let digest = insert(&store, b"data");
        let dir = &digest.to_string()[..4];
        assert_eq!(names(&path.join(".chunks")), ["0000", dir]);
        assert_eq!(mode(&path.join(".chunks").join(dir)), 0o750 & !umask());
        assert_eq!(store.chunks().iter().unwrap().map(|entry| entry.unwrap().digest).collect::<Vec<_>>(), [digest]);
    }
}

#[test]
fn both_layouts_are_refused_unless_allowed() {
    for dirs in [&["00", "0000"][..], &["ff", "0000", "ffff"], &["7a", "12ab"]] {
        let scratch = Scratch::new();
        let path = with_dirs(&scratch, dirs);
        let error = failure(Store::open(&path, &quick()));
        assert_eq!((error.kind(), error.path()), (Kind::Format, Some(&*path.join(".chunks"))));
        assert_eq!(kind(Store::open_or_create(&path, &quick())), Kind::Format);
        assert_eq!(Store::open(&path, &mixed()).unwrap().chunks().layout(), Layout::Hex4);
    }
}

#[test]
fn a_mixed_store_writes_four_digits_and_reads_either() {
    let scratch = Scratch::new();
    let old = scratch.store("store");
    let there: Vec<_> = [&b"one"[..], b"two", b"three"].map(|data| insert(&old, data)).to_vec();
    fs::create_dir(old.path().join(".chunks/0000")).unwrap();
    let store = Store::open(old.path(), &mixed()).unwrap();

    assert_eq!(store.chunks().has(&there[0]).unwrap(), Some(15));
    let mut raw = Vec::new();
    assert_eq!(store.chunks().load(&there[1], 100, &mut raw).unwrap().payload(), b"two");
    let old_path = old.chunks().chunk_path(&there[0]);
    common::age(&old_path);
    store.chunks().touch(&there[0]).unwrap();
    assert!(is_fresh(&old_path));
    common::age(&old_path);
    assert_eq!(store.chunks().touch_if_present(&there[0]).unwrap(), Some(15));
    assert!(is_fresh(&old_path));

    // What is there under two digits stays there, and is touched.
    common::age(&old_path);
    let again = store.chunks().insert(&there[0], &plain_blob(b"one"), InsertOptions::default()).unwrap();
    assert!(again.existed && is_fresh(&old_path) && !store.chunks().chunk_path(&there[0]).exists());
    let new = insert(&store, b"four");
    assert!(store.chunks().chunk_path(&new).ends_with(format!("{}/{new}", &new.to_string()[..4])));
    assert!(store.chunks().chunk_path(&new).is_file());

    let mut found: Vec<_> = store.chunks().iter().unwrap().map(|entry| entry.unwrap().digest).collect();
    let mut expected = [&there[..], &[new]].concat();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);

    assert_eq!(store.chunks().mark_bad(&there[2]).unwrap(), Some(0));
    assert_eq!(store.chunks().has(&there[2]).unwrap(), None);
    let bad = format!("{}.0.bad", old.chunks().chunk_path(&there[2]).display());
    assert!(Path::new(&bad).is_file(), "renamed within its directory");
}
