//! What backends promise (docs/format.md, 13.2): of a directory, and of the double in memory that other tests use.

#[path = "common/backends.rs"]
mod backends;
mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Arc, Mutex};

use backends::{Memory, call, contract, key, keys, list, put, read};
use common::Scratch;
use pxds::backend::{Again, Backend, Directory, Entry, Listing, PAGE_MAX, Put, by_parts};
use pxds::error::Kind;

#[test]
fn a_directory() {
    let scratches = Mutex::new(Vec::new());
    contract("directory", &|| {
        let scratch = Scratch::in_memory();
        let directory = Directory::open(scratch.path()).unwrap();
        scratches.lock().unwrap().push(scratch);
        Arc::new(directory)
    });
}

#[test]
fn memory() {
    contract("memory", &|| Arc::new(Memory::new()));
}

fn directory() -> (Scratch, Directory) {
    let scratch = Scratch::in_memory();
    let directory = Directory::open(scratch.path()).unwrap();
    (scratch, directory)
}

/// The names in a directory, sorted.
fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_key_is_a_path() {
    let (scratch, directory) = directory();
    put(&directory, &key("a/b/c"), b"x");
    assert_eq!(fs::read(scratch.path().join("a/b/c")).unwrap(), b"x");
    assert_eq!(names(&scratch.path().join("a/b")), ["c"]);
    // The directories go with the last object that is in them.
    put(&directory, &key("a/d"), b"x");
    directory.delete(&[key("a/b/c")], &call()).unwrap();
    assert_eq!(names(&scratch.path().join("a")), ["d"]);
    directory.delete(&[key("a/d")], &call()).unwrap();
    assert!(names(scratch.path()).is_empty());
    assert!(directory.location().contains(scratch.path().to_str().unwrap()));
    assert_eq!(Directory::open(&scratch.path().join("none")).unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn what_is_no_object() {
    let (scratch, directory) = directory();
    let root = scratch.path();
    fs::create_dir_all(root.join("outside")).unwrap();
    fs::write(root.join("outside/file"), "of others").unwrap();
    fs::create_dir_all(root.join("d/dir")).unwrap();
    symlink(root.join("outside"), root.join("d/link")).unwrap();
    symlink(root.join("outside/file"), root.join("d/file")).unwrap();
    symlink("nowhere", root.join("d/lost")).unwrap();
    fs::write(root.join("d/with a space"), "x").unwrap();
    for text in ["d/link/file", "d/link", "d/file", "d/lost", "d/dir"] {
        let key = key(text);
        assert_eq!(directory.get(&key, 100, &mut Vec::new(), &call()).unwrap(), None, "{text}");
        assert_eq!(directory.stat(&key, &call()).unwrap(), None, "{text}");
        let failure = directory.put(&key, b"x", Put::New, &call()).unwrap_err();
        assert_eq!((failure.error.kind(), failure.again), (Kind::Unsupported, Again::No), "{failure:?}");
        assert!(directory.delete(&[key], &call()).unwrap().is_empty());
    }
    assert!(list(&directory, "d/", "").is_empty());
    assert_eq!(names(&root.join("d")), ["dir", "file", "link", "lost", "with a space"]);
    assert_eq!(names(&root.join("outside")), ["file"]);
    assert_eq!(fs::read(root.join("outside/file")).unwrap(), b"of others");
    let failure = directory.put(&key("d/dir"), b"x", Put::Replace, &call()).unwrap_err();
    assert_eq!(failure.error.kind(), Kind::Unsupported, "{failure:?}");
    put(&directory, &key("o"), b"x");
    let failure = directory.put(&key("o/below"), b"x", Put::Replace, &call()).unwrap_err();
    assert_eq!(failure.error.kind(), Kind::Unsupported, "{failure:?}");
    let failure = directory.put(&key("o"), b"x", Put::IfMatch("x"), &call()).unwrap_err();
    assert_eq!(failure.error.kind(), Kind::Unsupported, "{failure:?}");
    assert_eq!(read(&directory, &key("o")), b"x");
}

#[test]
fn a_write_that_fails_leaves_nothing() {
    let (scratch, directory) = directory();
    let questions = std::sync::atomic::AtomicU32::new(0);
    let stop = || match questions.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0..3 => Ok(()),
        _ => Err(pxds::error::Error::cancelled("test", 1)),
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let call = pxds::backend::Call::new(deadline, &stop);
    let failure = directory.put(&key("a/b/c"), &vec![1; 8 << 20], Put::Replace, &call).unwrap_err();
    assert_eq!(failure.error.kind(), Kind::Cancelled);
    assert!(questions.into_inner() > 3);
    assert!(names(scratch.path()).is_empty());
}

#[test]
fn listings_of_many() {
    let (scratch, directory) = directory();
    let mut texts = Vec::new();
    for dir in ["a", "b/c", "b/d"] {
        fs::create_dir_all(scratch.path().join(dir)).unwrap();
        texts.extend((0..PAGE_MAX + 3).map(|i| format!("{dir}/{i}")));
    }
    // More than a page of directories with nothing in them, and an object behind them.
    for i in 0..PAGE_MAX + 100 {
        fs::create_dir_all(scratch.path().join(format!("c/{i:05}"))).unwrap();
    }
    texts.push("c/99999/x".into());
    fs::create_dir(scratch.path().join("c/99999")).unwrap();
    for text in &texts {
        fs::write(scratch.path().join(text), "x").unwrap();
    }
    texts.sort_by(|one, other| by_parts(one, other));
    assert_eq!(keys(&directory, "", ""), texts);
    let (mut listing, mut page) = (Listing::new("b/c/", ""), Vec::new());
    assert!(listing.next(&directory, &mut page, &call()).unwrap());
    assert_eq!(page.len(), PAGE_MAX);
    assert!(listing.next(&directory, &mut page, &call()).unwrap());
    assert_eq!((page.len(), listing.skipped()), (3, 0));
    let mut behind = vec![Entry { key: "kept".into(), object: Default::default() }];
    assert!(!directory.list("c/", "", &mut behind, &call()).unwrap());
    assert_eq!(behind.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), ["kept", "c/99999/x"]);
}

#[test]
fn a_write_changes_the_tag() {
    let (_scratch, directory) = directory();
    let key = key("x");
    let mut before = String::new();
    for i in 0..20 {
        // Of one length, and within one tick of the clock perhaps.
        put(&directory, &key, &[i]);
        let tag = directory.stat(&key, &call()).unwrap().unwrap().etag;
        assert_ne!(tag, before);
        before = tag;
    }
}
