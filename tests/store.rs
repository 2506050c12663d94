//! Single chunks: asking, touching, loading, marking as bad, going through all of them (docs/format.md, 5.3 to 5.8).

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use common::{Scratch, age, failure, is_fresh, kind, names, plain_blob, plant, raw_blob, times_of};
use pxds::chunks::{ChunkEntry, InsertOptions, Inserted, Layout};
use pxds::digest::Digest;
use pxds::error::Kind;
use pxds::format::MAGIC_ENCRYPTED_BLOB;
use pxds::hash::sha256;
use pxds::limits::BLOB_MAX_ENCODED_SIZE;
use pxds::store::Store;

const LAYOUTS: [Layout; 2] = [Layout::Hex2, Layout::Hex4];

fn insert(store: &Store, data: &[u8]) -> Digest {
    let digest = sha256(data);
    store.chunks().insert(&digest, &plain_blob(data), InsertOptions::default()).unwrap();
    digest
}

/// Where the bad copy `n` of a chunk is.
fn bad_path(store: &Store, digest: &Digest, n: u8) -> PathBuf {
    format!("{}.{n}.bad", store.chunks().chunk_path(digest).display()).into()
}

// ---- is it there? ----

#[test]
fn what_is_shorter_than_12_bytes_is_no_chunk() {
    for layout in LAYOUTS {
        let scratch = Scratch::new();
        let store = scratch.store_of(layout);
        let digest = sha256(b"x");
        assert_eq!(store.chunks().has(&digest).unwrap(), None);
        assert_eq!(store.chunks().touch_if_present(&digest).unwrap(), None);
        for len in [0, 1, 11, 12, 13, 5000] {
            let path = plant(&store, &digest, &vec![0; len]);
            let before = age(&path);
            let expected = (len >= 12).then_some(len as u64);
            assert_eq!(store.chunks().has(&digest).unwrap(), expected, "{len} bytes");
            assert_eq!(times_of(&path), before, "asking is not touching");
            assert_eq!(store.chunks().touch_if_present(&digest).unwrap(), expected, "{len} bytes");
            assert_eq!(is_fresh(&path), len >= 12, "{len} bytes");
        }
    }
}

#[test]
fn what_is_no_regular_file_is_no_chunk() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let digest = sha256(b"x");
    let path = store.chunks().chunk_path(&digest);
    fs::create_dir_all(&path).unwrap();
    assert_eq!(store.chunks().has(&digest).unwrap(), None);
    assert_eq!(store.chunks().touch_if_present(&digest).unwrap(), None);
    fs::remove_dir(&path).unwrap();
    symlink("/nowhere", &path).unwrap();
    assert_eq!(store.chunks().has(&digest).unwrap(), None);
}

// ---- touch ----

#[test]
fn a_touch_moves_the_access_time_alone() {
    for layout in LAYOUTS {
        let scratch = Scratch::new();
        let store = scratch.store_of(layout);
        let digest = insert(&store, b"data");
        let path = store.chunks().chunk_path(&digest);
        let (_, modified) = age(&path);
        store.chunks().touch(&digest).unwrap();
        assert!(is_fresh(&path));
        assert_eq!(times_of(&path).1, modified);
        let error = failure(store.chunks().touch(&sha256(b"missing")));
        assert_eq!(error.kind(), Kind::NotFound);
        assert_eq!(error.digest(), Some(&sha256(b"missing")));
        assert_eq!(error.path(), Some(&*store.chunks().chunk_path(&sha256(b"missing"))));
    }
}

/// What counts as absent (5.4) is missing for a touch too (5.6).
#[test]
fn a_leftover_is_not_touched() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let digest = sha256(b"x");
    for len in [0, 11] {
        let path = plant(&store, &digest, &vec![0; len]);
        let before = age(&path);
        assert_eq!(kind(store.chunks().touch(&digest)), Kind::NotFound);
        assert_eq!(times_of(&path), before);
    }
}

#[test]
fn a_link_is_not_touched() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let digest = sha256(b"x");
    let path = plant(&store, &digest, b"");
    fs::remove_file(&path).unwrap();
    let target = scratch.join("target");
    fs::write(&target, plain_blob(b"x")).unwrap();
    let before = age(&target);
    symlink(&target, &path).unwrap();
    assert_eq!(kind(store.chunks().touch(&digest)), Kind::NotFound);
    assert_eq!(store.chunks().touch_if_present(&digest).unwrap(), None);
    store.chunks().mark(&digest).unwrap();
    assert_eq!(times_of(&target), before);
}

// ---- load ----

#[test]
fn loading_checks_structure_and_crc() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let good = plain_blob(b"some data");
    let mut wrong_crc = good.clone();
    wrong_crc[8] ^= 1;
    let mut wrong_data = good.clone();
    wrong_data[12] ^= 1;
    let mut wrong_magic = good.clone();
    wrong_magic[0] ^= 1;
    let cases = [
        (&good[..], None),
        (&good[..good.len() - 1], Some(Kind::Corrupt)),
        (&wrong_crc, Some(Kind::Corrupt)),
        (&wrong_data, Some(Kind::Corrupt)),
        (&wrong_magic, Some(Kind::Format)),
        (&good[..11], Some(Kind::Format)),
        (&[], Some(Kind::NotFound)),
        (&raw_blob(MAGIC_ENCRYPTED_BLOB, &[1; 32]), None),
        // Encrypted, and shorter than its header.
        (&[&MAGIC_ENCRYPTED_BLOB[..], &[0; 35]].concat(), Some(Kind::Format)),
    ];
    let digest = sha256(b"x");
    let mut raw = b"left from before".to_vec();
    for (i, (content, expected)) in cases.into_iter().enumerate() {
        let path = plant(&store, &digest, content);
        match store.chunks().load(&digest, 1000, &mut raw) {
            Ok(blob) => {
                assert_eq!(expected, None, "case {i}");
                assert_eq!(blob.raw(), content, "case {i}");
            }
            Err(error) => {
                assert_eq!(Some(error.kind()), expected, "case {i}: {error}");
                assert_eq!((error.digest(), error.path()), (Some(&digest), Some(&*path)), "case {i}");
            }
        }
        // For salvage, whatever it is, but nothing is nothing.
        match store.chunks().load_raw(&digest, 1000, &mut raw) {
            Ok(()) => assert_eq!(raw, content, "case {i}"),
            Err(error) => assert_eq!((error.kind(), content.len()), (Kind::NotFound, 0), "case {i}"),
        }
    }
}

#[test]
fn loading_has_a_bound() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let digest = insert(&store, b"12345678");
    let mut raw = Vec::new();
    assert_eq!(store.chunks().load(&digest, 20, &mut raw).unwrap().payload(), b"12345678");
    for result in [store.chunks().load(&digest, 19, &mut raw).map(drop), store.chunks().load_raw(&digest, 19, &mut raw)]
    {
        let error = failure(result);
        assert_eq!((error.kind(), error.digest()), (Kind::Limit, Some(&digest)));
    }
    let missing = sha256(b"missing");
    for max_len in [0, BLOB_MAX_ENCODED_SIZE] {
        let error = failure(store.chunks().load(&missing, max_len, &mut raw));
        assert_eq!((error.kind(), error.digest()), (Kind::NotFound, Some(&missing)));
    }
}

// ---- bad chunks ----

#[test]
fn bad_chunks_take_the_lowest_free_number() {
    for layout in LAYOUTS {
        let scratch = Scratch::new();
        let store = scratch.store_of(layout);
        let digest = sha256(b"x");
        assert_eq!(store.chunks().mark_bad(&digest).unwrap(), None);
        let bad = |n: u8| fs::read(bad_path(&store, &digest, n)).ok();
        for n in 0..10 {
            plant(&store, &digest, &[n; 20]);
            assert_eq!(store.chunks().mark_bad(&digest).unwrap(), Some(n));
            assert_eq!(store.chunks().has(&digest).unwrap(), None);
            assert_eq!(bad(n), Some(vec![n; 20]));
        }
        // All are taken: the last is overwritten.
        plant(&store, &digest, &[77; 20]);
        assert_eq!(store.chunks().mark_bad(&digest).unwrap(), Some(9));
        assert_eq!((bad(8), bad(9)), (Some(vec![8; 20]), Some(vec![77; 20])));
        // A gap is filled.
        fs::remove_file(bad_path(&store, &digest, 4)).unwrap();
        plant(&store, &digest, &[44; 20]);
        assert_eq!(store.chunks().mark_bad(&digest).unwrap(), Some(4));
        assert_eq!(bad(4), Some(vec![44; 20]));
        assert_eq!(store.chunks().mark_bad(&digest).unwrap(), None);
    }
}

#[test]
fn a_bad_chunk_is_stored_anew() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let blob = plain_blob(b"data");
    let digest = insert(&store, b"data");
    fs::write(store.chunks().chunk_path(&digest), vec![0; blob.len()]).unwrap();
    store.chunks().mark_bad(&digest).unwrap();
    let result = store.chunks().insert(&digest, &blob, InsertOptions::default()).unwrap();
    assert_eq!(result, Inserted { existed: false, stored_size: blob.len() as u64 });
    assert_eq!(fs::read(store.chunks().chunk_path(&digest)).unwrap(), blob);
    assert!(bad_path(&store, &digest, 0).is_file());
}

// ---- going through all ----

fn entries(store: &Store) -> Vec<ChunkEntry> {
    store.chunks().iter().unwrap().map(Result::unwrap).collect()
}

#[test]
fn an_empty_store_has_no_chunks() {
    for layout in LAYOUTS {
        let scratch = Scratch::new();
        let mut chunks = scratch.store_of(layout).chunks().iter().unwrap();
        assert!(chunks.next().is_none() && chunks.next().is_none());
    }
}

#[test]
fn chunks_and_bad_copies_are_seen_and_nothing_else() {
    for layout in LAYOUTS {
        let scratch = Scratch::new();
        let store = scratch.store_of(layout);
        let mut expected = Vec::new();
        for i in 0..100_u16 {
            let digest = insert(&store, &vec![7; usize::from(i)]);
            let stored_size = u64::from(i) + 12;
            if i.is_multiple_of(10) {
                let number = store.chunks().mark_bad(&digest).unwrap();
                expected.push((digest, number, stored_size));
                insert(&store, &vec![7; usize::from(i)]);
            }
            expected.push((digest, None, stored_size));
        }
        let some = expected[5].0;
        let hex = some.to_string();
        let dir = store.chunks().chunk_path(&some).parent().unwrap().to_path_buf();
        for foreign in [
            format!("{hex}.tmp_AbC123"),
            format!("{hex}.10.bad"),
            format!("{hex}.bad"),
            format!("{hex}.x.bad"),
            format!("{hex}.0.bad2"),
            format!("{hex}.0.BAD"),
            format!("{hex}0"),
            format!("{hex}.tmp"),
            format!("{}G", &hex[..63]),
            format!("A{}", &hex[1..]),
            hex[..63].to_owned(),
            "notes".to_owned(),
        ] {
            assert!(!dir.join(&foreign).exists(), "{foreign}");
            fs::write(dir.join(foreign), [0; 20]).unwrap();
        }
        for foreign in ["notes", "xyz"] {
            fs::write(store.path().join(".chunks").join(foreign), b"").unwrap();
        }
        fs::create_dir(store.path().join(".chunks/lost+found")).unwrap();
        // A name of a chunk that no file has.
        fs::create_dir_all(store.chunks().chunk_path(&sha256(b"a directory"))).unwrap();

        let mut found: Vec<_> =
            entries(&store).into_iter().map(|entry| (entry.digest, entry.bad, entry.stored_size)).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }
}

/// A chunk counts in the directory that its digest names, where a look-up would find it.
#[test]
fn chunks_in_the_wrong_directory_are_not_seen() {
    for layout in LAYOUTS {
        let scratch = Scratch::new();
        let store = scratch.store_of(layout);
        let (one, other) = (insert(&store, b"one"), insert(&store, b"other"));
        let wrong = store.chunks().chunk_path(&other).parent().unwrap().join(one.to_string());
        fs::rename(store.chunks().chunk_path(&one), &wrong).unwrap();
        fs::write(format!("{}.0.bad", wrong.display()), b"bad").unwrap();
        assert_eq!(store.chunks().has(&one).unwrap(), None);
        let found: Vec<_> = entries(&store).iter().map(|entry| entry.digest).collect();
        assert_eq!(found, [other]);
        assert!(wrong.is_file(), "left alone");
    }
}

#[test]
fn directories_are_visited_in_ascending_order() {
    for layout in LAYOUTS {
        let scratch = Scratch::new();
        let store = scratch.store_of(layout);
        for i in 0..600_u16 {
            insert(&store, &i.to_le_bytes());
        }
        let prefixes: Vec<_> =
            entries(&store).iter().map(|entry| entry.digest.to_string()[..layout.digits()].to_owned()).collect();
        assert_eq!(prefixes.len(), 600);
        assert!(prefixes.is_sorted());
    }
}

#[test]
fn entries_have_the_access_time() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let digest = insert(&store, b"data");
    let (accessed, _) = age(&store.chunks().chunk_path(&digest));
    let seconds = accessed.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(entries(&store)[0].atime, i64::try_from(seconds).unwrap());
}

/// A listing and the changes of others go together: what is there all the time is seen, once.
#[test]
fn chunks_may_come_and_go_meanwhile() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let steady: Vec<_> = (0..200_u16).map(|i| insert(&store, &i.to_le_bytes())).collect();
    let mut chunks = store.chunks().iter().unwrap();
    let mut found = vec![chunks.next().unwrap().unwrap().digest];
    for i in 0..200_u32 {
        insert(&store, &i.to_le_bytes());
    }
    let gone = steady.iter().max().unwrap();
    fs::remove_file(store.chunks().chunk_path(gone)).unwrap();
    fs::remove_dir(store.chunks().chunk_path(gone).parent().unwrap()).ok();
    found.extend(chunks.map(|entry| entry.unwrap().digest));
    for digest in steady.iter().filter(|digest| *digest != gone) {
        assert_eq!(found.iter().filter(|found| *found == digest).count(), 1, "{digest}");
    }
}

#[test]
fn the_file_system_can_be_synced() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    insert(&store, b"data");
    store.sync().unwrap();
    assert_eq!(names(store.path()), [".chunks", ".lock"]);
}
