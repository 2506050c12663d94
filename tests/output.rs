//! Whole files: what saving an index and restoring a file do to what has the name already.

mod common;

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use common::{Scratch, quick};
use pxds::callback::Callback;
use pxds::error::Kind;
use pxds::index::{DynamicWriter, FixedWriter, Index};
use pxds::ingest::{Ingest, IngestOptions};
use pxds::restore::{RestoreOptions, Restorer};
use pxds::store::Store;
use pxds::sys::{CallerFd, Destination, Output};

const DATA: &[u8] = b"what is stored";

fn index_of(store: &Store) -> Index {
    let mut ingest = Ingest::new(store.chunks(), IngestOptions::default()).unwrap();
    ingest.write(DATA).unwrap();
    Index::from_bytes(&ingest.finish().unwrap().finish(usize::MAX).unwrap(), None).unwrap()
}

fn restore(store: &Store, path: &Path) -> Result<(), pxds::error::Error> {
    Restorer::new(store.chunks(), RestoreOptions::default()).restore_file(&index_of(store), path)
}

fn save(path: &Path) -> Result<(), pxds::error::Error> {
    DynamicWriter::new(0, Some([7; 16])).unwrap().complete()?.save(&Output::at(path)?, false, None)
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
    fs::write(&real, "").unwrap();
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
    let mut ingest =
        Ingest::new(store.chunks(), IngestOptions { chunker: config, ..IngestOptions::default() }).unwrap();
    let data = common::Rng::new(1).bytes(10_000);
    ingest.write(&data).unwrap();
    let bytes = ingest.finish().unwrap().finish(usize::MAX).unwrap();
    let index = Index::from_bytes(&bytes[..bytes.len() - 40], None).unwrap();
    let path = scratch.join("file");

    let error = Restorer::new(store.chunks(), RestoreOptions::default()).restore_file(&index, &path).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    assert!(!path.exists());
    Restorer::new(store.chunks(), RestoreOptions { any_csum: true, ..RestoreOptions::default() })
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
    let options = pxds::store::StoreOptions { notice: Some(Callback(Arc::new(notice))), ..quick() };
    let store = Store::open(&scratch.join("store"), &options).unwrap();
    for (path, notices) in [(scratch.join("outside.didx"), 0), (scratch.join("store/inside.didx"), 1)] {
        let mut index = Ingest::new(store.chunks(), IngestOptions::default()).unwrap().finish().unwrap();
        index.save(&path).unwrap();
        assert_eq!(told.lock().unwrap().len(), notices, "{}", path.display());
        assert_eq!(Index::open(&path, None).unwrap().count(), 0);
    }
}

/// Every way to name the descriptor.
fn names_of(fd: i32, scratch: &Scratch) -> Vec<PathBuf> {
    let (pid, tid) = (std::process::id(), fs::read_link("/proc/thread-self").unwrap());
    let mut names: Vec<PathBuf> = ["/dev/fd".into(), "/proc/self/fd".into(), "/proc/thread-self/fd".into()]
        .into_iter()
        .chain([format!("/proc/{pid}/fd"), format!("/proc/{}/fd", tid.display()), "/proc/../dev/fd".to_owned()])
        .map(|directory: String| Path::new(&directory).join(fd.to_string()))
        .collect();
    let link = scratch.join(format!("link-to-{fd}"));
    symlink(&names[0], &link).unwrap();
    let second = scratch.join(format!("second-link-to-{fd}"));
    symlink(link.file_name().unwrap(), &second).unwrap();
    names.extend([link, second]);
    names
}

#[test]
fn a_descriptor_is_written_to_and_never_replaced() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let file = scratch.join("log");
    let mut log = File::options().create_new(true).read(true).write(true).open(&file).unwrap();
    let inode = log.metadata().unwrap().ino();
    let names = names_of(log.as_raw_fd(), &scratch);
    for name in &names {
        log.write_all(b"<").unwrap();
        restore(&store, name).unwrap();
        Destination::at(name).unwrap().write(b"|", 0o666).unwrap();
        log.write_all(b">").unwrap();
        // These need a name.
        assert_eq!(save(name).unwrap_err().kind(), Kind::Exists, "{}", name.display());
    }
    assert_eq!(fs::metadata(&file).unwrap().ino(), inode);
    let expected = [b"<", DATA, b"|>"].concat().repeat(names.len());
    assert_eq!(fs::read(&file).unwrap(), expected);

    // A file that has no name any more has none to be replaced under.
    fs::remove_file(&file).unwrap();
    restore(&store, &names[0]).unwrap();
    log.rewind().unwrap();
    let mut content = Vec::new();
    log.read_to_end(&mut content).unwrap();
    assert!(content.ends_with(DATA) && content.len() == expected.len() + DATA.len());
    assert!(!file.exists());
}

#[test]
fn what_only_looks_like_a_descriptor_is_a_file() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    fs::create_dir_all(scratch.join("proc/self/fd")).unwrap();
    let path = scratch.join("proc/self/fd/1");
    restore(&store, &path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), DATA);
    assert_eq!(restore(&store, Path::new("/dev/fd/999999")).unwrap_err().kind(), Kind::Argument);
    assert_eq!(restore(&store, Path::new("/dev/fd/01")).unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn a_file_that_another_process_has_open_is_not_replaced_by_its_descriptor() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let file = scratch.join("file");
    fs::write(&file, "old").unwrap();
    let mut other = std::process::Command::new("sleep").arg("100").stdin(File::open(&file).unwrap()).spawn().unwrap();
    let path = PathBuf::from(format!("/proc/{}/fd/0", other.id()));
    let error = restore(&store, &path).unwrap_err();
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(error.kind(), Kind::Exists, "{error}");
    assert_eq!(fs::read(&file).unwrap(), b"old");
}

#[test]
fn an_index_replaces_nothing_but_an_index() {
    let scratch = Scratch::new();
    let path = scratch.join("file");
    save(&path).unwrap();
    save(&path).unwrap();
    let index = fs::read(&path).unwrap();
    for (content, replaced) in [
        (&b""[..], true),
        (&index[..8], true),
        (&[&index[..8], &[0xff; 100]].concat(), true),
        (&index[..7], false),
        (b"x", false),
        (&[0; 4096], false),
        (&[&[0], &index[..]].concat(), false),
    ] {
        fs::write(&path, content).unwrap();
        let checked = pxds::index::check_path(&path).map_err(|error| error.kind());
        let saved = save(&path).map_err(|error| error.kind());
        let expected = if replaced { Ok(()) } else { Err(Kind::Exists) };
        assert_eq!((checked, saved), (expected, expected), "{:?}", &content[..content.len().min(10)]);
        assert!(fs::read(&path).unwrap() == if replaced { &index } else { content });
    }
    assert_eq!(common::names(scratch.path()), ["file"], "no temporary file stays");
}

/// Garbage collection goes by the name, and stops at an index of the other kind.
#[test]
fn the_name_of_an_index_tells_its_kind() {
    let scratch = Scratch::new();
    let dynamic = |path: &Path| save(path);
    let fixed = |path: &Path| {
        let mut writer = FixedWriter::growing(0, Some([7; 16]), 4 << 20).unwrap();
        writer.complete()?.save(&Output::at(path)?, false, None)
    };
    for (name, is_dynamic, is_fixed) in
        [("a.didx", true, false), ("a.fidx", false, true), ("a.idx", true, true), ("fidx", true, true)]
    {
        let path = scratch.join(name);
        for (result, expected) in [(dynamic(&path), is_dynamic), (fixed(&path), is_fixed)] {
            assert_eq!(result.map_err(|error| error.kind()), if expected { Ok(()) } else { Err(Kind::Argument) });
        }
        assert!(path.exists());
    }
    symlink("a.didx", scratch.join("link.fidx")).unwrap();
    dynamic(&scratch.join("link.fidx")).expect("the name of the file counts");
}

#[test]
fn an_input_is_not_written_over() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let (input, link, second) = (scratch.join("input"), scratch.join("link"), scratch.join("second"));
    // It is an index, so that nothing but the name is in the way.
    save(&input).unwrap();
    let content = fs::read(&input).unwrap();
    symlink(&input, &link).unwrap();
    fs::hard_link(&input, &second).unwrap();
    let file = File::open(&input).unwrap();
    for path in [&input, &link, &second] {
        let mut ingest = Ingest::new(store.chunks(), IngestOptions::default()).unwrap();
        let mut image = pxds::ingest::Image::new(store.chunks(), None, pxds::ingest::ImageOptions::default()).unwrap();
        (&file).rewind().unwrap();
        ingest.read_fd(CallerFd::new(file.as_raw_fd()).unwrap()).unwrap();
        image.read_fd(CallerFd::new(file.as_raw_fd()).unwrap()).unwrap();
        for mut index in [ingest.finish().unwrap(), image.finish().unwrap()] {
            let error = index.save(path).unwrap_err();
            assert_eq!(error.kind(), Kind::Argument, "{error}");
            index.save(&scratch.join("elsewhere")).unwrap();
        }
        assert!(fs::read(&input).unwrap() == content);
    }
}

#[test]
fn an_index_is_not_restored_over_itself() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let (path, link, second) = (scratch.join("index"), scratch.join("link"), scratch.join("second"));
    let mut ingest = Ingest::new(store.chunks(), IngestOptions::default()).unwrap();
    ingest.write(DATA).unwrap();
    ingest.finish().unwrap().save(&path).unwrap();
    symlink(&path, &link).unwrap();
    fs::hard_link(&path, &second).unwrap();
    let content = fs::read(&path).unwrap();
    let index = Index::open(&path, None).unwrap();
    let mut restorer = Restorer::new(store.chunks(), RestoreOptions::default());
    for out in [&path, &link, &second] {
        assert_eq!(restorer.restore_file(&index, out).unwrap_err().kind(), Kind::Argument);
        let file = File::options().append(true).open(out).unwrap();
        let fd = CallerFd::new(file.as_raw_fd()).unwrap();
        assert_eq!(restorer.restore_fd(&index, fd).unwrap_err().kind(), Kind::Argument);
    }
    assert!(fs::read(&path).unwrap() == content);
}

#[test]
fn the_files_of_a_store_are_not_written_over() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    index_of(&store);
    let base = scratch.join("store");
    let chunks = fs::read_dir(base.join(".chunks")).unwrap().map(|entry| entry.unwrap().path());
    let chunk = chunks.filter_map(|directory| fs::read_dir(directory).unwrap().next()).next().unwrap().unwrap().path();
    let snapshot = base.join("ns/a/host/x/2020-06-26T13:56:05Z");
    fs::create_dir_all(&snapshot).unwrap();
    let in_group = |name: &str| snapshot.parent().unwrap().join(name);
    for name in ["index.json.blob", "a.didx", "b.fidx", "c.blob", ".protected"] {
        fs::write(snapshot.join(name), "").unwrap();
    }
    fs::write(in_group("owner"), "").unwrap();
    fs::write(in_group("notes"), "").unwrap();
    fs::write(base.join("loose.didx"), "").unwrap();
    // As a copy of a snapshot without its store has it.
    let copy = scratch.join("copy");
    fs::create_dir(&copy).unwrap();
    fs::write(copy.join("index.json.blob"), "").unwrap();
    fs::write(copy.join("a.didx"), "").unwrap();
    symlink(base.join(".lock"), scratch.join("link")).unwrap();

    let mut own = vec![chunk, base.join(".lock"), in_group("owner"), in_group("notes"), scratch.join("link")];
    own.extend(["index.json.blob", "a.didx", "b.fidx", "c.blob", ".protected"].map(|name| snapshot.join(name)));
    own.extend([copy.join("index.json.blob"), copy.join("a.didx")]);
    for path in own {
        let before = fs::read(&path).unwrap();
        for result in [restore(&store, &path), save(&path), Destination::at(&path).unwrap().write(b"x", 0o666)] {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), Kind::Exists, "{error}");
        }
        assert!(fs::read(&path).unwrap() == before, "{}", path.display());
    }

    // What is new would pass for one of them.
    let new = [base.join("new.didx"), base.join(".chunks/x"), snapshot.join("new.blob"), in_group(".x")];
    for path in new {
        for result in [restore(&store, &path), Destination::at(&path).unwrap().write(b"x", 0o666)] {
            let error = result.unwrap_err();
            assert_eq!((error.kind(), error.path()), (Kind::Argument, Some(&*path)), "{error}");
        }
        assert!(!path.exists());
    }

    // An index that garbage collection heeds is for an index alone.
    assert_eq!(restore(&store, &base.join("loose.didx")).unwrap_err().kind(), Kind::Exists);
    save(&base.join("loose.didx")).unwrap();
    save(&base.join("loose.didx")).unwrap();
    // And files that are nothing to the store may be below it.
    for path in [base.join("disk.raw"), copy.join("notes.txt"), scratch.join("owner")] {
        fs::write(&path, "old").unwrap();
        restore(&store, &path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), DATA);
    }
    // As may what is restored beside a manifest that was.
    restore(&store, &copy.join("new.didx")).unwrap();
}

#[test]
fn an_index_that_is_replaced_keeps_its_permissions() {
    let scratch = Scratch::new();
    let path = scratch.join("index");
    save(&path).unwrap();
    assert_eq!(common::mode(&path), 0o644);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    save(&path).unwrap();
    assert_eq!(common::mode(&path), 0o640);
}
