//! Sources of chunks (docs/format.md, 9.5): a store, and a callback that may say anything.

mod common;

use std::sync::Arc;
use std::sync::Mutex;

use common::{Scratch, failure, kind, plain_blob, plant, raw_blob};
use pxds::blob::Codec;
use pxds::error::{Error, Kind, Result};
use pxds::format::MAGIC_COMPRESSED_BLOB;
use pxds::hash::sha256;
use pxds::index::{ChunkInfo, RequiredForm};
use pxds::limits::BLOB_MAX_ENCODED_SIZE;
use pxds::source::{CallbackSource, ChunkSource, Loader};

const MAX: usize = BLOB_MAX_ENCODED_SIZE;

/// A callback that has one blob, writes what fits, and remembers the room that it was given.
fn honest(blob: Vec<u8>) -> (CallbackSource, Arc<Mutex<Vec<usize>>>) {
    let rooms = Arc::new(Mutex::new(Vec::new()));
    let seen = rooms.clone();
    let source = CallbackSource::new(Box::new(move |_, room| {
        seen.lock().unwrap().push(room.len());
        if let Some(room) = room.get_mut(..blob.len()) {
            room.copy_from_slice(&blob);
        }
        Ok(blob.len())
    }));
    (source, rooms)
}

/// A callback that claims these lengths, one after the other, and writes nothing.
fn liar(claims: &'static [usize]) -> CallbackSource {
    let next = Mutex::new(0);
    CallbackSource::new(Box::new(move |_, _| {
        let mut next = next.lock().unwrap();
        *next += 1;
        Ok(claims[*next - 1])
    }))
}

#[test]
fn a_store_is_a_source() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let (digest, blob) = (sha256(b"data"), plain_blob(b"data"));
    let path = plant(&store, &digest, &blob);
    let source: Arc<dyn ChunkSource> = Arc::new(store.chunks().clone());
    let mut out = Vec::new();
    assert_eq!(source.load(&digest, MAX, &mut out).unwrap().raw(), blob);
    let error = source.locate(&digest, Error::new(Kind::Corrupt, "why"));
    assert_eq!((error.path(), error.message()), (Some(&*path), &*format!("{}: why", path.display())));
    assert_eq!(kind(source.load(&sha256(b"other"), MAX, &mut out)), Kind::NotFound);
}

#[test]
fn a_callback_is_asked_again_with_as_much_room_as_it_needs() {
    let digest = sha256(b"");
    let data = common::Rng::new(71).bytes(3_000_000);
    let mut out = Vec::new();
    for len in [0, 100, 3_000_000, 5, 2_900_000] {
        let blob = plain_blob(&data[..len]);
        let (source, rooms) = honest(blob.clone());
        let before = out.capacity();
        assert_eq!(source.load(&digest, MAX, &mut out).unwrap().raw(), blob);
        let rooms = rooms.lock().unwrap();
        // Room that is there already is offered at once.
        let asked = if before.max(256 << 10) >= blob.len() { 1 } else { 2 };
        assert_eq!(rooms.len(), asked, "{len} bytes, room for {before}");
        assert!(*rooms.last().unwrap() >= blob.len());
    }
    // Never more room than is allowed.
    let (source, rooms) = honest(plain_blob(&data[..1000]));
    assert_eq!(source.load(&digest, 1012, &mut out).unwrap().raw().len(), 1012);
    assert_eq!(kind(source.load(&digest, 1011, &mut out)), Kind::Limit);
    assert!(rooms.lock().unwrap().iter().all(|&room| room <= 1012));
}

#[test]
fn lengths_that_cannot_be_are_refused() {
    let digest = sha256(b"");
    let load = |claims| kind(liar(claims).load(&digest, MAX, &mut Vec::new()));
    assert_eq!(load(&[MAX + 1]), Kind::Limit);
    assert_eq!(load(&[usize::MAX]), Kind::Limit);
    // Having asked for room it asks for more.
    assert_eq!(load(&[1 << 20, MAX]), Kind::Argument);
    assert_eq!(load(&[1 << 20, usize::MAX]), Kind::Argument);
    // Nothing was written: zeros are no blob.
    assert_eq!(load(&[100]), Kind::Format);
    assert_eq!(load(&[0]), Kind::Format);
    assert_eq!(load(&[1 << 20, 100]), Kind::Format);
}

/// What is left in the buffer of the chunk before is not given out again.
#[test]
fn a_callback_that_writes_nothing_gives_nothing() {
    let (a, b) = (sha256(b"aaaa"), sha256(b"bbbb"));
    let source = CallbackSource::new(Box::new(move |digest, room| {
        if *digest == a {
            room[..16].copy_from_slice(&plain_blob(b"aaaa"));
        }
        Ok(16)
    }));
    let mut loader = Loader::new(None);
    assert_eq!(loader.load(&source, &ChunkInfo { start: 0, end: 4, digest: a }, None).unwrap(), b"aaaa");
    let error = failure(loader.load(&source, &ChunkInfo { start: 4, end: 8, digest: b }, None));
    assert!(matches!(error.kind(), Kind::Corrupt | Kind::Format), "{error}");
}

#[test]
fn what_a_callback_gives_is_not_believed() {
    let data = b"the data of a chunk".repeat(10);
    let digest = sha256(&data);
    let chunk = |len: usize| ChunkInfo { start: 100, end: 100 + len as u64, digest };
    let load = |blob: Vec<u8>, len: usize, required| {
        Loader::new(None).load(&honest(blob).0, &chunk(len), required).map(<[u8]>::to_vec)
    };
    for compress in [false, true] {
        let good = Codec::new().encode_vec(&data, compress).unwrap();
        assert_eq!(load(good.clone(), data.len(), None).unwrap(), data);
        let mut flipped = good.clone();
        flipped[20] ^= 1;
        for (blob, len, expected) in [
            (flipped, data.len(), Kind::Corrupt),
            (good[..good.len() - 1].to_vec(), data.len(), Kind::Corrupt),
            ([&good[..], b"x"].concat(), data.len(), Kind::Corrupt),
            (good[..5].to_vec(), data.len(), Kind::Format),
            (Codec::new().encode_vec(b"another chunk", compress).unwrap(), data.len(), Kind::Corrupt),
            (Codec::new().encode_vec(&vec![b'x'; data.len()], compress).unwrap(), data.len(), Kind::Corrupt),
            (good.clone(), data.len() + 1, Kind::Corrupt),
            (good.clone(), data.len() - 1, Kind::Corrupt),
            (good.clone(), MAX, Kind::Limit),
            (raw_blob(MAGIC_COMPRESSED_BLOB, b"no frame"), data.len(), Kind::Corrupt),
        ] {
            assert_eq!(kind(load(blob, len, None)), expected);
        }
        assert_eq!(kind(load(good, data.len(), Some(RequiredForm::Encrypted))), Kind::CryptMode);
    }
}

#[test]
fn a_callbacks_failure_is_handed_on_with_the_digest() {
    let digest = sha256(b"");
    for error in [Error::new(Kind::NotFound, "gone"), Error::unreadable("it"), Error::cancelled("test", 9)] {
        let (expected, errno, value) = (error.kind(), error.errno(), error.callback_value());
        let source = CallbackSource::new(Box::new(move |_, _| -> Result<usize> { Err(error.clone()) }));
        let error = failure(source.load(&digest, MAX, &mut Vec::new()));
        assert_eq!((error.kind(), error.errno(), error.callback_value()), (expected, errno, value));
        assert_eq!(error.digest(), Some(&digest));
        assert!(error.message().starts_with(&format!("chunk {digest}: ")), "{error}");
    }
}
