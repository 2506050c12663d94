//! Repair (docs/format.md, 10): chunks that are bad here and good elsewhere.

mod common;
#[path = "common/verified.rs"]
mod verified;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use common::{Rng, Scratch, plant, tree};
use pxds::blob::Codec;
use pxds::chunks::InsertOptions;
use pxds::crypt::CryptKey;
use pxds::hash::sha256;
use pxds::name::Snapshot;
use pxds::store::Store;
use pxds::verify::VerifyOptions;
use verified::{TIME, chunks, flip, make, state_of, verify, with_upid};

/// A store, and a copy of it.
fn two_stores(scratch: &Scratch, key: Option<Arc<CryptKey>>) -> (Store, Store, Snapshot) {
    let data = Rng::new(7).bytes(60_000);
    let (store, other) = (scratch.store("store"), scratch.store("other"));
    let snapshot = make(&store, "host/x", TIME, &data, key.clone());
    make(&other, "host/x", TIME, &data, key);
    (store, other, snapshot)
}

#[test]
fn chunks_are_taken_from_another_store() {
    let scratch = Scratch::new();
    let (store, other, snapshot) = two_stores(&scratch, None);
    let all = chunks(&store, &snapshot);
    let before = tree(&store.path().join(".chunks"));
    fs::remove_file(store.chunks().chunk_path(&all[0].digest)).unwrap();
    flip(&store.chunks().chunk_path(&all[1].digest), 1);
    fs::write(store.chunks().chunk_path(&all[2].digest), common::plain_blob(b"something else")).unwrap();
    fs::write(store.chunks().chunk_path(&all[3].digest), b"").unwrap();
    // Of this one the other has no good copy either, and of this none at all.
    flip(&store.chunks().chunk_path(&all[4].digest), 1);
    flip(&other.chunks().chunk_path(&all[4].digest), 2);
    flip(&store.chunks().chunk_path(&all[5].digest), 1);
    fs::remove_file(other.chunks().chunk_path(&all[5].digest)).unwrap();

    let options = || VerifyOptions { repair_from: Some(other.clone()), ..with_upid() };
    let report = verify(&store, options());
    let shown: Vec<_> =
        report.rows.iter().map(|row| (row.place.as_ref().unwrap().0, row.renamed, row.repaired)).collect();
    let expected =
        [(0, false, true), (1, true, true), (2, true, true), (3, false, true), (4, true, false), (5, true, false)];
    assert_eq!(shown, expected.map(|(i, renamed, repaired)| (all[i].start, renamed, repaired)));
    assert_eq!((report.sums.bad, report.sums.missing, report.sums.repaired, report.sums.failed), (4, 2, 4, 1));

    // The others are whole again, and with the rest so is the snapshot.
    for chunk in [4, 5] {
        let name = Path::new(store.chunks().chunk_path(&all[chunk].digest).file_name().unwrap()).to_owned();
        let good = before.iter().find(|(path, _)| path.ends_with(&name)).unwrap().1;
        plant(&other, &all[chunk].digest, good);
    }
    let report = verify(&store, options());
    assert_eq!((report.sums.ok, report.sums.repaired, report.done[0].3), (1, 2, 2));
    assert!(state_of(&store, &snapshot.path()).unwrap().ok);
    let report = verify(&store, with_upid());
    assert_eq!((report.rows.len(), report.sums.ok), (0, 1));
    let mut after = tree(&store.path().join(".chunks"));
    after.retain(|path, _| path.extension().is_none());
    assert!(after == before);
}

#[test]
fn sealed_chunks_are_repaired_with_and_without_the_key() {
    let key = Arc::new(CryptKey::new(&[1; 32]));
    for with_key in [false, true] {
        let scratch = Scratch::new();
        let (store, other, snapshot) = two_stores(&scratch, Some(Arc::clone(&key)));
        let all = chunks(&store, &snapshot);
        fs::remove_file(store.chunks().chunk_path(&all[0].digest)).unwrap();
        // Without the key this one passes for good.
        fs::remove_file(store.chunks().chunk_path(&all[1].digest)).unwrap();
        let path = other.chunks().chunk_path(&all[1].digest);
        let len = fs::metadata(&path).unwrap().len() as usize;
        flip(&path, len - 30);
        let key = with_key.then(|| Arc::clone(&key));
        let report = verify(&store, VerifyOptions { key, repair_from: Some(other), ..with_upid() });
        assert_eq!((report.sums.missing, report.sums.repaired), (2, if with_key { 1 } else { 2 }));
    }
}

#[test]
fn a_plain_chunk_does_not_stand_for_an_encrypted_one() {
    let scratch = Scratch::new();
    let (store, other, snapshot) = two_stores(&scratch, Some(Arc::new(CryptKey::new(&[1; 32]))));
    let chunk = chunks(&store, &snapshot)[0];
    fs::remove_file(store.chunks().chunk_path(&chunk.digest)).unwrap();
    plant(&other, &chunk.digest, &common::plain_blob(b"slipped in"));
    let report = verify(&store, VerifyOptions { repair_from: Some(other), ..with_upid() });
    assert_eq!((report.kinds(), report.sums.repaired), (vec!["NotFound"], 0));
    assert_eq!(store.chunks().has(&chunk.digest).unwrap(), None);
}

#[test]
fn inserting_heals_what_is_missing_short_or_does_not_load() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let data = Rng::new(8).bytes(5000);
    let (digest, blob) = (sha256(&data), common::plain_blob(&data));
    let good = |store: &Store| store.chunks().load(&digest, 1 << 20, &mut Vec::new()).is_ok();
    for len in [0, 1, 11] {
        plant(&store, &digest, &blob[..len]);
        assert!(!store.chunks().insert(&digest, &blob, InsertOptions::default()).unwrap().existed);
        assert!(good(&store), "{len}");
        fs::remove_file(store.chunks().chunk_path(&digest)).unwrap();
        assert!(!store.chunks().insert(&digest, &blob, InsertOptions::default()).unwrap().existed);
        assert!(good(&store));
    }
    let path = plant(&store, &digest, &blob);
    flip(&path, 1);
    // Of the right length: an insert alone keeps it.
    assert!(store.chunks().insert(&digest, &blob, InsertOptions::default()).unwrap().existed && !good(&store));
    assert!(!store.chunks().insert_verified(&mut Codec::new(), &digest, 5000, &blob).unwrap().existed);
    assert!(good(&store));
    plant(&store, &digest, &[7; 5012]);
    store.chunks().insert_verified(&mut Codec::new(), &digest, 5000, &blob).unwrap();
    assert!(good(&store));
}

#[test]
fn a_file_that_has_been_replaced_is_not_set_aside() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let (digest, blob) = (sha256(b"abc"), common::plain_blob(b"abc"));
    let path = plant(&store, &digest, b"short");
    let bad = store.chunks().append_raw(&digest, 100, false, &mut Vec::new()).unwrap();
    fs::rename(&path, scratch.join("old")).unwrap();
    store.chunks().insert(&digest, &blob, InsertOptions::default()).unwrap();
    assert_eq!(store.chunks().mark_bad_if(&digest, |file| *file == bad).unwrap(), None);
    assert_eq!(store.chunks().has(&digest).unwrap(), Some(blob.len() as u64));
    assert_eq!(store.chunks().mark_bad_if(&digest, |file| *file != bad).unwrap(), Some(0));
}
