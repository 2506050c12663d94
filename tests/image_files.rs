//! Images of files: sparse ones, and those that change while they are read.

mod common;
#[path = "common/image.rs"]
mod image;

use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use common::{Rng, Scratch, failure, kind, tree};
use image::{C, check, disk, file_of, finish, growing, image, interrupting, options_of, read_file};
use pxds::error::Kind;
use pxds::hash::sha256;
use pxds::index::{Index, IndexKind};
use pxds::ingest::{Image, ImageOptions};

#[test]
fn a_descriptor_stays_where_it_was() {
    let data = disk(&mut Rng::new(49), 5, 0);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let mut file = file_of(&scratch, "file", &data);
    file.set_len(100 * C as u64).unwrap();
    file.seek(SeekFrom::Start(123)).unwrap();
    let mut image = growing(&store);
    read_file(&mut image, &file).unwrap();
    assert_eq!(file.stream_position().unwrap(), 123);
    let whole = [&data[..], &vec![0; 95 * C]].concat();
    check(&store, &finish(image), &whole, C);
}

#[test]
fn a_sparse_file_is_the_same_as_a_dense_one() {
    let mut rng = Rng::new(50);
    // As large as file systems' blocks can be.
    const C: usize = 64 << 10;
    for size in [20 * C, 20 * C + 1, 19 * C + 4096, C / 2] {
        let scratch = Scratch::new();
        let mut data = vec![0; size];
        let sparse = file_of(&scratch, "sparse", b"");
        sparse.set_len(size as u64).unwrap();
        for _ in 0..5 {
            let at = rng.below(size);
            let bytes = rng.bytes(100);
            let len = bytes.len().min(size - at);
            data[at..at + len].copy_from_slice(&bytes[..len]);
            sparse.write_all_at(&bytes[..len], at as u64).unwrap();
        }
        let dense = file_of(&scratch, "dense", &data);
        let mut stats = Vec::new();
        for (name, file) in [("sparse-store", sparse), ("dense-store", dense)] {
            let store = scratch.store(name);
            let mut image = Image::new(store.chunks(), None, options_of(C)).unwrap();
            read_file(&mut image, &file).unwrap();
            stats.push(image.stats());
            check(&store, &finish(image), &data, C);
        }
        assert_eq!(stats[0], stats[1]);
        assert!(tree(&scratch.join("sparse-store")) == tree(&scratch.join("dense-store")));
    }
}

/// Bytes that this thread has read so far, by any call.
fn bytes_read() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/io").unwrap();
    text.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

#[test]
fn holes_are_not_read() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let file = file_of(&scratch, "file", b"");
    let size = (1 << 40) + 1;
    file.set_len(size).unwrap();
    file.write_all_at(b"x", 1 << 39).unwrap();
    let mut image = Image::new(store.chunks(), None, ImageOptions { threads: 1, ..options_of(4 << 20) }).unwrap();
    let before = bytes_read();
    read_file(&mut image, &file).unwrap();
    // Two chunks have data; the zeros of a whole one may be read as well.
    assert!((1..64 << 20).contains(&(bytes_read() - before)));
    let stats = image.stats();
    assert_eq!((stats.size, stats.chunks, stats.new_chunks), (size, (1 << 18) + 1, 3));
    let index = Index::from_bytes(&finish(image), Some(IndexKind::Fixed)).unwrap();
    assert_eq!(index.size(), size);
    let zeros = sha256(&vec![0; 4 << 20]);
    let mut with_data = vec![0; 4 << 20];
    with_data[0] = b'x';
    for i in 0..1 << 18 {
        let expected = if i == 1 << 17 { sha256(&with_data) } else { zeros };
        assert_eq!(index.chunk(i).unwrap().digest, expected, "{i}");
    }
    assert_eq!(index.chunk(1 << 18).unwrap().digest, sha256(&[0]));
}

#[test]
fn a_file_that_shrinks_is_an_error() {
    let noise = Rng::new(51).bytes(8 * C);
    for (i, (data, cut)) in [(noise.clone(), 4 * C), (noise.clone(), 4 * C + 7), (vec![], 4 * C), (vec![], 4 * C + 7)]
        .into_iter()
        .enumerate()
    {
        let scratch = Scratch::new();
        let store = scratch.store("store");
        let file = file_of(&scratch, &format!("file-{i}"), &data);
        file.set_len(8 * C as u64).unwrap();
        let same = file.try_clone().unwrap();
        for size in [Some(8 * C as u64), None] {
            file.set_len(8 * C as u64).unwrap();
            let same = same.try_clone().unwrap();
            let options = interrupting(1, move || same.set_len(cut as u64).unwrap());
            let mut image = Image::new(store.chunks(), size, options).unwrap();
            let error = failure(read_file(&mut image, &file));
            assert_eq!((error.kind(), error.offset()), (Kind::Corrupt, Some(cut as u64)), "{i}");
            assert_eq!([kind(image.write(b"x")), kind(image.finish())], [Kind::State; 2]);
        }
    }
}

#[test]
fn growth_of_a_file_is_not_seen() {
    let data = Rng::new(52).bytes(4 * C + 100);
    for size in [Some(data.len() as u64), None] {
        let scratch = Scratch::new();
        let store = scratch.store("store");
        let file = file_of(&scratch, "file", &data);
        let same = file.try_clone().unwrap();
        let more = move || same.write_all_at(&[7; 2 * C], 4 * C as u64 + 100).unwrap();
        let mut image = Image::new(store.chunks(), size, interrupting(1, more)).unwrap();
        read_file(&mut image, &file).unwrap();
        check(&store, &finish(image), &data, C);
    }
}

#[test]
fn what_cannot_be_read_ends_the_image() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    fs::write(scratch.join("file"), [1; C]).unwrap();
    let write_only = File::options().write(true).open(scratch.join("file")).unwrap();
    for file in [write_only, File::open(scratch.path()).unwrap()] {
        let mut image = image(&store, C);
        let error = failure(read_file(&mut image, &file));
        assert!(error.kind() == Kind::Io && error.errno().is_some(), "{error:?}");
        assert_eq!(kind(image.write(b"x")), Kind::State);
    }
}
