//! From one layout to the other (docs/format.md, 5.10).

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::{Arc, Mutex};

use common::{PosixLock, Scratch, failure};
use pxds::base::SyncLevel;
use pxds::blob::Codec;
use pxds::callback::Callback;
use pxds::chunks::convert::{PHASE_LOOK, PHASE_MAKE, PHASE_MOVE, PHASE_REMOVE};
use pxds::chunks::{ConvertOptions, Converted, InsertOptions, Layout};
use pxds::digest::Digest;
use pxds::error::{Error, Kind};
use pxds::hash::sha256;
use pxds::progress::{OnProgress, Stage};
use pxds::store::{Store, StoreOptions};

fn options(layout: Layout) -> StoreOptions {
    StoreOptions { layout: Some(layout), sync: SyncLevel::None, ..StoreOptions::default() }
}

/// A store of so many chunks. The hex4 one lacks the directories that it does not need.
fn store(scratch: &Scratch, layout: Layout, count: u32) -> (Store, BTreeSet<Digest>) {
    let path = scratch.join("store");
    fs::create_dir_all(path.join(".chunks")).unwrap();
    fs::write(path.join(".lock"), "").unwrap();
    let store = Store::open(&path, &options(layout)).unwrap();
    let digests = (0..count).map(|i| insert(&store, &i.to_le_bytes())).collect();
    (store, digests)
}

fn insert(store: &Store, data: &[u8]) -> Digest {
    let digest = sha256(data);
    store.chunks().insert(&digest, &Codec::new().encode_vec(data, false).unwrap(), InsertOptions::default()).unwrap();
    digest
}

fn convert(path: &Path, layout: Layout) -> pxds::error::Result<Converted> {
    Store::convert(path, layout, &options(layout), &ConvertOptions::default())
}

fn chunks(store: &Store) -> BTreeSet<Digest> {
    store
        .chunks()
        .iter()
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.bad.is_none())
        .map(|e| e.digest)
        .collect()
}

/// The names below `.chunks` that are no directories.
fn files(path: &Path) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for dir in fs::read_dir(path.join(".chunks")).unwrap().map(Result::unwrap) {
        for file in fs::read_dir(dir.path()).unwrap().map(Result::unwrap) {
            let name = format!("{}/{}", dir.file_name().to_str().unwrap(), file.file_name().to_str().unwrap());
            found.insert(name, file.metadata().unwrap().ino());
        }
    }
    found
}

fn dirs(path: &Path) -> BTreeSet<String> {
    fs::read_dir(path.join(".chunks")).unwrap().map(|dir| dir.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn hex4_is_what_pbs_wants_and_hex2_comes_back() {
    let scratch = Scratch::in_memory();
    let (store, digests) = store(&scratch, Layout::Hex2, 300);
    let path = store.path().to_owned();
    let before = files(&path);
    let old_dirs = dirs(&path).len() as u64;
    drop(store);

    let wanted = Converted { files: 300, made: 65536, removed: old_dirs, set_aside: 0 };
    assert_eq!(
        Store::convert(
            &path,
            Layout::Hex4,
            &options(Layout::Hex4),
            &ConvertOptions { dry_run: true, ..ConvertOptions::default() }
        )
        .unwrap(),
        wanted
    );
    assert_eq!(files(&path), before, "a dry run");
    assert_eq!(convert(&path, Layout::Hex4).unwrap(), wanted);
    let all: BTreeSet<_> = (0..65536).map(|i| format!("{i:04x}")).collect();
    assert_eq!(dirs(&path), all);
    let of_chunks = fs::metadata(path.join(".chunks/0000")).unwrap();
    assert_eq!(of_chunks.permissions().mode() & 0o7777 & !0o750, 0);
    assert_eq!(of_chunks.uid(), fs::metadata(path.join(".chunks")).unwrap().uid());
    // The same files, each under its first four digits.
    let moved: BTreeMap<_, _> =
        before.iter().map(|(name, inode)| (format!("{}/{}", &name[3..7], &name[3..]), *inode)).collect();
    assert_eq!(files(&path), moved);
    let store = Store::open(&path, &StoreOptions::default()).unwrap();
    assert_eq!((store.chunks().layout(), chunks(&store)), (Layout::Hex4, digests.clone()));
    // Nothing is left to do.
    assert_eq!(convert(&path, Layout::Hex4).unwrap(), Converted::default());
    // A directory that is missing is made.
    let free = all.iter().find(|name| !moved.keys().any(|file| file.starts_with(*name))).unwrap();
    fs::remove_dir(path.join(".chunks").join(free)).unwrap();
    assert_eq!(convert(&path, Layout::Hex4).unwrap(), Converted { made: 1, ..Converted::default() });

    assert_eq!(
        convert(&path, Layout::Hex2).unwrap(),
        Converted { files: 300, made: old_dirs, removed: 65536, set_aside: 0 }
    );
    assert_eq!(files(&path), before);
    let store = Store::open(&path, &StoreOptions::default()).unwrap();
    assert_eq!((store.chunks().layout(), chunks(&store)), (Layout::Hex2, digests));
}

#[test]
fn other_files_go_along() {
    let scratch = Scratch::in_memory();
    let (store, digests) = store(&scratch, Layout::Hex4, 40);
    let path = store.path().join(".chunks");
    let hex = digests.first().unwrap().to_string();
    let dir = path.join(&hex[..4]);
    for suffix in [".0.bad", ".9.bad", ".tmp_AbC123"] {
        fs::write(dir.join(format!("{hex}{suffix}")), suffix).unwrap();
    }
    fs::write(dir.join("README"), "foreign").unwrap();
    fs::create_dir(dir.join("subdirectory")).unwrap();
    symlink("../../README", dir.join("link")).unwrap();
    // In another chunk's directory: no chunk, and it stays beside what it was beside.
    let misplaced = "ffff".repeat(16);
    fs::write(dir.join(&misplaced), "misplaced").unwrap();
    // Not in a directory of chunks: nobody's business.
    fs::write(path.join("lost+found"), "").unwrap();
    assert_eq!(convert(store.path(), Layout::Hex2).unwrap().files, 47);
    let new = path.join(&hex[..2]);
    for name in [
        &hex,
        &format!("{hex}.0.bad"),
        &format!("{hex}.9.bad"),
        &format!("{hex}.tmp_AbC123"),
        "README",
        "link",
        "subdirectory",
        &misplaced,
    ] {
        assert!(new.join(name).symlink_metadata().is_ok(), "{name}");
    }
    assert!(path.join("lost+found").exists());
    assert_eq!(convert(store.path(), Layout::Hex4).unwrap().files, 47);
    assert_eq!(fs::read(path.join(format!("{}00/README", &hex[..2]))).unwrap(), b"foreign");
}

/// As an interrupted conversion, or two writers, leave it: chunks in both layouts, some in both.
#[test]
fn what_is_there_twice_is_kept() {
    for to in [Layout::Hex2, Layout::Hex4] {
        let scratch = Scratch::in_memory();
        let (store, digests) = store(&scratch, Layout::Hex4, 20);
        let path = store.path().to_owned();
        let digests: Vec<_> = digests.into_iter().collect();
        let place = |digest: &Digest, digits: usize| {
            let hex = digest.to_string();
            let dir = path.join(".chunks").join(&hex[..digits]);
            fs::create_dir_all(&dir).unwrap();
            dir.join(hex)
        };
        let content = |digest: &Digest| fs::read(place(digest, 4)).unwrap();
        // Moved already; there twice; there and a leftover, on either side.
        fs::rename(place(&digests[0], 4), place(&digests[0], 2)).unwrap();
        fs::write(place(&digests[1], 2), [b'2'; 50]).unwrap();
        let good = [content(&digests[2]), content(&digests[3])];
        fs::write(place(&digests[2], 2), "short").unwrap();
        fs::write(place(&digests[3], 2), &good[1]).unwrap();
        fs::write(place(&digests[3], 4), "short").unwrap();
        let refused = Store::open(&path, &StoreOptions::default());
        assert!(failure(refused).message().contains("run it again"));
        let mixed = StoreOptions { mixed: true, ..StoreOptions::default() };
        let before = Store::open(&path, &mixed).unwrap();
        let load = |store: &Store, digest| {
            let mut bytes = Vec::new();
            store.chunks().load_raw(digest, 1 << 20, &mut bytes).unwrap();
            bytes
        };
        let read: Vec<_> = digests.iter().map(|digest| load(&before, digest)).collect();

        assert_eq!(convert(&path, to).unwrap().set_aside, 1);
        let store = Store::open(&path, &StoreOptions::default()).unwrap();
        assert_eq!(store.chunks().layout(), to);
        let after: Vec<_> = digests.iter().map(|digest| load(&store, digest)).collect();
        assert_eq!(after, read, "what is read is what was read");
        let bad: Vec<_> =
            store.chunks().iter().unwrap().map(Result::unwrap).filter(|entry| entry.bad.is_some()).collect();
        assert_eq!(
            bad.iter().map(|bad| (bad.digest, bad.bad, bad.stored_size)).collect::<Vec<_>>(),
            [(digests[1], Some(0), 50)]
        );
    }
}

#[test]
fn locks_of_others_are_heeded() {
    let scratch = Scratch::in_memory();
    let (store, digests) = store(&scratch, Layout::Hex2, 10);
    let path = store.path().to_owned();
    let before = files(&path);
    for exclusive in [false, true] {
        let held = PosixLock::try_hold(&path.join(".lock"), exclusive).unwrap();
        assert_eq!(failure(convert(&path, Layout::Hex4)).kind(), Kind::Busy);
        // It takes no lock.
        let dry_run = ConvertOptions { dry_run: true, ..ConvertOptions::default() };
        assert_eq!(Store::convert(&path, Layout::Hex4, &options(Layout::Hex4), &dry_run).unwrap().files, 10);
        drop(held);
    }
    let lock = store.chunks().lock_shared().unwrap();
    assert_eq!(failure(convert(&path, Layout::Hex4)).kind(), Kind::Busy, "of another handle");
    drop(lock);
    assert_eq!((files(&path), dirs(&path).len()), (before, digests.len()));
    convert(&path, Layout::Hex4).unwrap();
    // A handle from before would write where nobody looks.
    assert_eq!(failure(store.chunks().lock_shared()).kind(), Kind::State);
    assert_eq!(failure(store.chunks().lock_exclusive()).kind(), Kind::State);
    Store::open(&path, &StoreOptions::default()).unwrap().chunks().lock_exclusive().unwrap();
}

#[test]
fn what_is_in_the_way_is_found_before_anything_is_moved() {
    let scratch = Scratch::in_memory();
    let (store, _) = store(&scratch, Layout::Hex2, 10);
    let path = store.path().to_owned();
    let free = (0..256).map(|i| format!("{i:02x}")).find(|name| !dirs(&path).contains(name)).unwrap();
    let before = files(&path);
    for name in [free.as_str(), "0fff"] {
        let place = path.join(".chunks").join(name);
        symlink(scratch.path(), &place).unwrap();
        let error = failure(convert(&path, Layout::Hex4));
        assert_eq!((error.kind(), error.path()), (Kind::Format, Some(&*place)));
        fs::remove_file(&place).unwrap();
        fs::write(&place, "file").unwrap();
        assert_eq!(failure(convert(&path, Layout::Hex4)).kind(), Kind::Format);
        fs::remove_file(&place).unwrap();
        assert_eq!(files(&path), before);
    }
    assert_eq!(failure(convert(&scratch.join("none"), Layout::Hex4)).kind(), Kind::NotFound);
    // Two foreign files of one name: the first is moved, and nothing is replaced.
    let both = path.join(".chunks");
    convert(&path, Layout::Hex4).unwrap();
    fs::write(both.join("0a00/x"), "1").unwrap();
    fs::write(both.join("0a01/x"), "2").unwrap();
    let error = failure(convert(&path, Layout::Hex2));
    assert_eq!((error.kind(), error.path()), (Kind::Exists, Some(&*both.join("0a01/x"))));
    fs::remove_file(both.join("0a01/x")).unwrap();
    convert(&path, Layout::Hex2).unwrap();
    assert_eq!(fs::read(both.join("0a/x")).unwrap(), b"1");
}

#[test]
fn a_stopped_conversion_goes_on() {
    for (from, to) in [(Layout::Hex2, Layout::Hex4), (Layout::Hex4, Layout::Hex2)] {
        for stop in [PHASE_LOOK, PHASE_MAKE, PHASE_MOVE, PHASE_REMOVE] {
            if stop == PHASE_MAKE && to == Layout::Hex2 {
                continue;
            }
            let scratch = Scratch::in_memory();
            let (store, digests) = store(&scratch, from, 30);
            let (path, before) = (store.path().to_owned(), files(store.path()));
            let progress: OnProgress =
                Callback(Arc::new(
                    move |stage: &Stage| {
                        if stage.phase == stop { Err(Error::new(Kind::Cancelled, "stop")) } else { Ok(()) }
                    },
                ));
            let converting = ConvertOptions { progress: Some(progress), ..ConvertOptions::default() };
            let result = Store::convert(&path, to, &options(to), &converting);
            assert_eq!(failure(result).kind(), Kind::Cancelled);
            let mixed = StoreOptions { mixed: true, ..StoreOptions::default() };
            assert_eq!(chunks(&Store::open(&path, &mixed).unwrap()), digests);
            if matches!(stop, PHASE_LOOK | PHASE_MAKE) {
                assert_eq!((files(&path), dirs(&path).len()), (before, dirs(&path).len()));
                assert_eq!(Store::open(&path, &StoreOptions::default()).unwrap().chunks().layout(), from, "as it was");
            }
            convert(&path, to).unwrap();
            let store = Store::open(&path, &StoreOptions::default()).unwrap();
            assert_eq!((store.chunks().layout(), chunks(&store)), (to, digests));
        }
    }
}

#[test]
fn progress_is_told_seldom_and_at_both_ends() {
    let scratch = Scratch::in_memory();
    let (store, _) = store(&scratch, Layout::Hex2, 100);
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = told.clone();
    let progress: OnProgress = Callback(Arc::new(move |stage: &Stage| {
        heard.lock().unwrap().push((stage.phase, stage.done, stage.total));
        Ok(())
    }));
    let begun = std::time::Instant::now();
    let converting = ConvertOptions { progress: Some(progress), ..ConvertOptions::default() };
    Store::convert(store.path(), Layout::Hex4, &options(Layout::Hex4), &converting).unwrap();
    let told = told.lock().unwrap();
    assert!((told.len() as u128) <= 8 + begun.elapsed().as_millis() / 100, "{}", told.len());
    for (step, total) in [(PHASE_MAKE, 65536), (PHASE_MOVE, 100)] {
        assert!(told.contains(&(step, 1, total)) && told.contains(&(step, total, total)), "{step:?}");
    }
}
