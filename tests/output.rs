//! Whole files: what saving an index and restoring a file do to what has the name already.

mod common;

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use common::{Scratch, quick};
use pxds::error::Kind;
use pxds::index::{DynamicWriter, Index};
use pxds::ingest::{Ingest, IngestOptions};
use pxds::restore::{RestoreOptions, Restorer};
use pxds::store::Store;

const DATA: &[u8] = b"what is stored";

fn index_of(store: &Store) -> Index {
    let mut ingest = Ingest::new(store, IngestOptions::default()).unwrap();
    ingest.write(DATA).unwrap();
    Index::from_bytes(&ingest.finish().unwrap().finish(usize::MAX).unwrap(), None).unwrap()
}

fn restore(store: &Store, path: &Path) -> Result<(), pxds::error::Error> {
    Restorer::new(store, RestoreOptions::default()).restore_file(&index_of(store), path)
}

fn save(path: &Path) -> Result<(), pxds::error::Error> {
    DynamicWriter::new(0, None).unwrap().save(path, false)
}

fn make_fifo(path: &Path) {
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: the path ends in NUL.
    #[allow(unsafe_code)]
    let made = unsafe { libc::mkfifo(path.as_ptr(), 0o600) };
    assert_eq!(made, 0);
}

#[test]
fn a_link_is_followed_and_stays() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    fs::create_dir(scratch.join("elsewhere")).unwrap();
    let (real, link) = (scratch.join("elsewhere/real"), scratch.join("link"));
    fs::write(&real, "old").unwrap();
    symlink("elsewhere/real", &link).unwrap();

    restore(&store, &link).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read(&real).unwrap(), DATA);
    save(&link).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&real).unwrap().len(), 4096);
}

#[test]
fn a_link_to_nothing_is_refused() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let link = scratch.join("link");
    symlink("nothing", &link).unwrap();
    assert_eq!(restore(&store, &link).unwrap_err().kind(), Kind::NotFound);
    assert_eq!(save(&link).unwrap_err().kind(), Kind::NotFound);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(!scratch.join("nothing").exists());
}

#[test]
fn an_index_never_replaces_what_is_no_regular_file() {
    let scratch = Scratch::new();
    let fifo = scratch.join("fifo");
    make_fifo(&fifo);
    for path in [&*fifo, scratch.path(), Path::new("/dev/null")] {
        let error = save(path).unwrap_err();
        assert_eq!(error.kind(), Kind::Exists, "{error}");
        assert!(error.path().is_some());
    }
    assert!(!fs::metadata(&fifo).unwrap().is_file());
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn names_that_name_no_file_are_refused() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    for name in ["x/", "x/.", "x/..", ".", "..", "/"] {
        let path = if name == "/" { name.into() } else { scratch.join(name) };
        // As bytes: joining keeps the end of the name.
        assert_eq!(restore(&store, &path).unwrap_err().kind(), Kind::Argument, "{name}");
        assert_eq!(save(&path).unwrap_err().kind(), Kind::Argument, "{name}");
    }
    assert!(!scratch.join("x").exists());
}

#[test]
fn permissions_stay_and_set_user_id_does_not() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let path = scratch.join("file");
    for (before, after) in [(0o600, 0o600), (0o640, 0o640), (0o4755, 0o755), (0o2775, 0o775)] {
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(before)).unwrap();
        restore(&store, &path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, after);
    }
}

#[test]
fn an_index_that_has_lost_its_end_is_refused_unless_told_otherwise() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let config = pxds::chunker::Config::from_avg(256).unwrap();
    let mut ingest = Ingest::new(&store, IngestOptions { chunker: config, ..IngestOptions::default() }).unwrap();
    let data = common::Rng::new(1).bytes(10_000);
    ingest.write(&data).unwrap();
    let bytes = ingest.finish().unwrap().finish(usize::MAX).unwrap();
    let index = Index::from_bytes(&bytes[..bytes.len() - 40], None).unwrap();
    let path = scratch.join("file");

    let error = Restorer::new(&store, RestoreOptions::default()).restore_file(&index, &path).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    assert!(!path.exists());
    Restorer::new(&store, RestoreOptions { any_csum: true, ..RestoreOptions::default() })
        .restore_file(&index, &path)
        .unwrap();
    assert_eq!(fs::read(&path).unwrap(), data[..index.size() as usize]);
}

#[test]
fn a_store_of_its_own_is_told_of_an_empty_index() {
    use std::sync::{Arc, Mutex};
    let scratch = Scratch::new();
    scratch.store("store");
    let told = Arc::new(Mutex::new(Vec::new()));
    let notice = {
        let told = Arc::clone(&told);
        move |_, message: &str, _: Option<&Path>| {
            told.lock().unwrap().push(message.to_owned());
            Ok(())
        }
    };
    let options = pxds::store::StoreOptions { notice: Some(Arc::new(notice)), ..quick() };
    let store = Store::open(&scratch.join("store"), &options).unwrap();
    for (path, notices) in [(scratch.join("outside.didx"), 0), (scratch.join("store/inside.didx"), 1)] {
        let mut index = Ingest::new(&store, IngestOptions::default()).unwrap().finish().unwrap();
        index.save(&path).unwrap();
        assert_eq!(told.lock().unwrap().len(), notices, "{}", path.display());
        assert_eq!(Index::open(&path, None).unwrap().count(), 0);
    }
}
