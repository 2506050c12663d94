//! What the tests of images share.

#![allow(dead_code, reason = "every test program uses a part of it")]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};

use crate::common::{Rng, Scratch};
use pxds::blob::Codec;
use pxds::callback::Callback;
use pxds::error::Result;
use pxds::hash::sha256;
use pxds::index::Index;
use pxds::ingest::{ChunkResult, Image, ImageOptions, OnChunk, StoredIndex};
use pxds::limits::{BLOB_MAX_ENCODED_SIZE, BLOB_MAX_SIZE};
use pxds::store::Store;
use pxds::sys::CallerFd;

/// Bytes of a chunk, unless a test says otherwise.
pub(crate) const C: usize = 4096;

pub(crate) const CTIME: i64 = 1_234_567_890;
pub(crate) const UUID: [u8; 16] = *b"0123456789abcdef";

pub(crate) fn options_of(chunk_size: usize) -> ImageOptions {
    ImageOptions { chunk_size: chunk_size as u64, ctime: Some(CTIME), uuid: Some(UUID), ..ImageOptions::default() }
}

pub(crate) fn options() -> ImageOptions {
    options_of(C)
}

pub(crate) fn image(store: &Store, size: usize) -> Image {
    Image::new(store.chunks(), Some(size as u64), options()).unwrap()
}

pub(crate) fn growing(store: &Store) -> Image {
    Image::new(store.chunks(), None, options()).unwrap()
}

pub(crate) fn bytes_of(mut index: StoredIndex) -> Vec<u8> {
    index.finish(usize::MAX).unwrap()
}

pub(crate) fn finish(mut image: Image) -> Vec<u8> {
    bytes_of(image.finish().unwrap())
}

/// The index file of an image, by hand.
pub(crate) fn model(data: &[u8], chunk_size: usize) -> Vec<u8> {
    let digests: Vec<u8> = data.chunks(chunk_size).flat_map(|chunk| sha256(chunk).0).collect();
    let mut file = [47, 127, 65, 237, 145, 253, 15, 205].to_vec();
    file.extend(UUID);
    file.extend(CTIME.to_le_bytes());
    file.extend(sha256(&digests).0);
    file.extend((data.len() as u64).to_le_bytes());
    file.extend((chunk_size as u64).to_le_bytes());
    file.resize(4096, 0);
    file.extend(digests);
    file
}

/// Checks that the index is that of `data`, and that the store has its chunks.
#[track_caller]
pub(crate) fn check(store: &Store, index: &[u8], data: &[u8], chunk_size: usize) {
    assert!(index == model(data, chunk_size), "another index");
    let (mut codec, mut raw) = (Codec::new(), Vec::new());
    for chunk in data.chunks(chunk_size) {
        let digest = sha256(chunk);
        let blob = store.chunks().load(&digest, BLOB_MAX_ENCODED_SIZE, &mut raw).unwrap();
        assert!(codec.decode_vec(blob, Some(&digest), BLOB_MAX_SIZE).unwrap() == chunk);
    }
}

/// An image with chunks of zeros, of noise, of both, and some that repeat.
pub(crate) fn disk(rng: &mut Rng, chunks: usize, last: usize) -> Vec<u8> {
    let mut data = Vec::new();
    for _ in 0..chunks {
        match rng.below(4) {
            0 => data.resize(data.len() + C, 0),
            1 if !data.is_empty() => data.extend_from_within(..C),
            2 => {
                data.extend(rng.bytes(100));
                data.resize(data.len() + C - 100, 0);
            }
            _ => data.extend(rng.bytes(C)),
        }
    }
    data.extend(if rng.below(2) == 0 { vec![0; last] } else { rng.bytes(last) });
    data
}

pub(crate) fn file_of(scratch: &Scratch, name: &str, data: &[u8]) -> File {
    let file = File::options().read(true).write(true).create_new(true).open(scratch.join(name)).unwrap();
    file.write_all_at(data, 0).unwrap();
    file
}

pub(crate) fn read_file(image: &mut Image, file: &impl AsRawFd) -> Result<()> {
    image.read_fd(CallerFd::new(file.as_raw_fd()).unwrap())
}

/// Sizes around the boundaries of chunks.
pub(crate) const SIZES: [usize; 9] = [0, 1, C - 1, C, C + 1, 2 * C - 1, 2 * C, 5 * C, 5 * C + 1];

/// An image that is stored, and its index.
pub(crate) fn stored(store: &Store, data: &[u8]) -> Index {
    let mut image = image(store, data.len());
    image.write(data).unwrap();
    Index::from_bytes(&finish(image), None).unwrap()
}

/// Options whose callback does `work` after chunk number `after`.
pub(crate) fn interrupting(after: usize, work: impl FnOnce() + Send + 'static) -> ImageOptions {
    let state = Mutex::new((0, Some(work)));
    let on_chunk: OnChunk = Callback(Arc::new(move |_: &ChunkResult| {
        let (seen, work) = &mut *state.lock().unwrap();
        if *seen == after {
            work.take().unwrap()();
        }
        *seen += 1;
        Ok(())
    }));
    ImageOptions { on_chunk: Some(on_chunk), ..options() }
}
