//! Writes that the system answers with a signal too: the host gets an error, and no signal. Standard streams that the
//! host has closed: none of the library's files takes their place.
//!
//! One test: the limits, the signals and the streams are those of the process.

#![allow(unsafe_code, clippy::undocumented_unsafe_blocks, reason = "plain calls on the process itself")]

mod common;

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Rng, Scratch, failure, plain_blob, quick};
use pxds::callback::Callback;
use pxds::chunks::InsertOptions;
use pxds::error::Kind;
use pxds::hash::sha256;
use pxds::index::Index;
use pxds::ingest::{Image, ImageOptions, Ingest, IngestOptions};
use pxds::progress::OnProgress;
use pxds::restore::{RestoreOptions, Restorer};
use pxds::store::{Store, StoreOptions};
use pxds::sys::CallerFd;

const SIZE: usize = 8 << 20;
const LIMIT: u64 = 1 << 20;

fn limit_files(bytes: u64) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) }, 0);
}

/// The signals that this thread holds back, and those that wait for it.
fn signals() -> [bool; 4] {
    let (mut mask, mut waiting) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    unsafe {
        assert_eq!(libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), mask.as_mut_ptr()), 0);
        assert_eq!(libc::sigpending(waiting.as_mut_ptr()), 0);
        let has = |set: &MaybeUninit<libc::sigset_t>, signal| libc::sigismember(set.as_ptr(), signal) == 1;
        [
            has(&mask, libc::SIGPIPE),
            has(&mask, libc::SIGXFSZ),
            has(&waiting, libc::SIGPIPE),
            has(&waiting, libc::SIGXFSZ),
        ]
    }
}

#[track_caller]
fn fails<T>(result: pxds::error::Result<T>, errno: i32) {
    let error = failure(result);
    assert_eq!((error.kind(), error.errno()), (Kind::Io, Some(errno)), "{error}");
}

/// Everything that writes, into files that may not grow and pipes that nobody reads.
fn write_everywhere(scratch: &Scratch, store: &Store, index: &Index, data: &[u8], threads: usize) {
    let restorer = || Restorer::new(store.chunks(), RestoreOptions { threads, ..RestoreOptions::default() });
    fails(restorer().restore_file(index, &scratch.join("out")), libc::EFBIG);
    let file = fs::File::create(scratch.join("file")).unwrap();
    fails(restorer().restore_fd(index, CallerFd::new(file.as_raw_fd()).unwrap()), libc::EFBIG);
    fs::remove_file(scratch.join("file")).unwrap();
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    fails(restorer().restore_fd(index, CallerFd::new(writer.as_raw_fd()).unwrap()), libc::EPIPE);

    let blob = plain_blob(&data[..2 * LIMIT as usize]);
    fails(store.chunks().insert(&sha256(b"x"), &blob, InsertOptions::default()), libc::EFBIG);
    let mut ingest = Ingest::new(store.chunks(), IngestOptions { threads, ..IngestOptions::default() }).unwrap();
    let new: Vec<u8> = data.iter().map(|byte| !byte).collect();
    fails(ingest.write(&new).and_then(|()| ingest.finish().map(drop)), libc::EFBIG);
    let options = ImageOptions { threads, ..ImageOptions::default() };
    let mut image = Image::new(store.chunks(), Some(SIZE as u64), options).unwrap();
    fails(image.write(&new).and_then(|()| image.finish().map(drop)), libc::EFBIG);
}

#[test]
fn the_process_is_left_alone() {
    // Rust's runtime ignores it; other hosts do not.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let scratch = Scratch::new();
    let store = scratch.store_with("store", &quick());
    let data = Rng::new(1).bytes(SIZE);
    let mut ingest = Ingest::new(store.chunks(), IngestOptions::default()).unwrap();
    ingest.write(&data).unwrap();
    let path = store.path().join("x.didx");
    ingest.finish().unwrap().save(&path).unwrap();
    let index = Index::open(&path, None).unwrap();
    let before = common::tree(scratch.path());

    limit_files(LIMIT);
    for threads in [1, 3] {
        write_everywhere(&scratch, &store, &index, &data, threads);
        assert_eq!(signals(), [false; 4]);
    }
    // A host that holds them back finds them waiting, as after a write of its own.
    unsafe {
        let mut both = MaybeUninit::uninit();
        libc::sigemptyset(both.as_mut_ptr());
        libc::sigaddset(both.as_mut_ptr(), libc::SIGPIPE);
        libc::sigaddset(both.as_mut_ptr(), libc::SIGXFSZ);
        libc::pthread_sigmask(libc::SIG_BLOCK, both.as_ptr(), std::ptr::null_mut());
    }
    write_everywhere(&scratch, &store, &index, &data, 1);
    assert_eq!(signals(), [true; 4]);
    limit_files(libc::RLIM_INFINITY);
    let after = common::tree(scratch.path());
    let is_new = |path: &&std::path::PathBuf| !before.contains_key(*path);
    assert!(after.keys().filter(is_new).all(|path| path.starts_with("store/.chunks")), "{:?}", after.keys());

    without_streams(&scratch, &index, &data);
}

/// Runs what opens files while the standard streams are closed; whatever is printed then goes nowhere.
fn without_streams(scratch: &Scratch, index: &Index, data: &[u8]) {
    let kept = [0, 1, 2].map(|fd| unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 10) });
    let closed = || [0, 1, 2].iter().all(|&fd| unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1);
    for fd in 0..3 {
        unsafe { libc::close(fd) };
    }
    let mut seen = vec![closed()];

    let store = Store::open(&scratch.join("store"), &StoreOptions::default()).unwrap();
    seen.push(closed());
    let lock = store.chunks().lock_shared().unwrap();
    seen.push(closed());
    let mut listed = store.chunks().iter().unwrap();
    listed.next().unwrap().unwrap();
    seen.push(closed());
    drop(lock);

    let closed_during = Arc::new(AtomicBool::new(true));
    let during = Arc::clone(&closed_during);
    let progress: OnProgress = Callback(Arc::new(move |_| {
        let closed = [0, 1, 2].iter().all(|&fd| unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1);
        during.fetch_and(closed, Ordering::SeqCst);
        Ok(())
    }));
    let options = RestoreOptions { threads: 1, progress: Some(progress), ..RestoreOptions::default() };
    let mut restorer = Restorer::new(store.chunks(), options);
    let out = scratch.join("out");
    let restored = restorer.restore_file(index, &out).map(drop);
    seen.push(closed());

    for (fd, &kept) in kept.iter().enumerate() {
        unsafe { libc::dup2(kept, fd as i32) };
    }
    restored.unwrap();
    assert!(fs::read(&out).unwrap() == data);
    assert_eq!(seen, [true; 5]);
    assert!(closed_during.load(Ordering::SeqCst));
}
