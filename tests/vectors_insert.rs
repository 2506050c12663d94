//! Inserting beside a file that is there, against PBS (tests/vectors/insert) and the table of docs/format.md, 5.4.

#![allow(unsafe_code)]

mod common;

use std::fs;
use std::path::Path;
use std::ptr::null_mut;

use common::{Json, Scratch, age, is_fresh, plain_blob, plant, raw_blob, times_of, vector_json};
use pxds::chunks::judge::{New, Old, Verdict, judge};
use pxds::chunks::{InsertOptions, Inserted, Layout};
use pxds::digest::Digest;
use pxds::error::Kind;
use pxds::ffi::chunks::{pxds_insert_result, pxds_store_insert};
use pxds::ffi::status::{PXDS_ERR_CORRUPT, PXDS_ERR_CRYPT_MODE, PXDS_ERR_EXISTS, PXDS_OK};
use pxds::ffi::store::{PXDS_SYNC_NONE, pxds_store, pxds_store_free, pxds_store_open, pxds_store_options};
use pxds::format::{BlobForm, MAGIC_COMPRESSED_BLOB, MAGIC_ENCR_COMPR_BLOB, MAGIC_ENCRYPTED_BLOB};
use pxds::hash::sha256;
use pxds::store::Store;
use serde_json::Value;

/// What an insert answers: how it went, or why it was refused.
type Answer = Result<Inserted, Kind>;

/// The bytes that a name in the vectors stands for. An insert looks at magic and length alone, and each name has a
/// filling of its own.
fn content(name: &str) -> Vec<u8> {
    let filling = |len: usize| vec![sha256(name.as_bytes()).0[0]; len];
    match name {
        "plain-300" => plain_blob(&filling(300)),
        "plain-5000" => plain_blob(&filling(5000)),
        "compr-small" => raw_blob(MAGIC_COMPRESSED_BLOB, &filling(30 - 12)),
        "compr-larger" => raw_blob(MAGIC_COMPRESSED_BLOB, &filling(131 - 12)),
        "enc-300" => raw_blob(MAGIC_ENCRYPTED_BLOB, &filling(344 - 12)),
        "enc-5000" => raw_blob(MAGIC_ENCRYPTED_BLOB, &filling(5044 - 12)),
        "enccompr-small" => raw_blob(MAGIC_ENCR_COMPR_BLOB, &filling(64 - 12)),
        "enccompr-larger" => raw_blob(MAGIC_ENCR_COMPR_BLOB, &filling(164 - 12)),
        "zero-size-file" => Vec::new(),
        "garbage-1" => filling(1),
        "garbage-20" => filling(20),
        "garbage-same-size-as-plain-300" => filling(312),
        other => panic!("unknown content: {other}"),
    }
}

/// What pxds answers on purpose where PBS does otherwise (docs/format.md, 18), and whose content is there afterwards.
fn exception(existing: &str, incoming: &str, incoming_size: u64) -> Option<(Answer, &'static str)> {
    // A file shorter than 12 bytes is what a crash left: overwritten, also where PBS keeps it or fails on it.
    if existing == "garbage-1" {
        return Some((Ok(Inserted { existed: false, stored_size: incoming_size }), "incoming"));
    }
    // A smaller unencrypted blob does not replace an encrypted chunk.
    let smaller = [
        ("enc-300", "plain-300"),
        ("enc-300", "compr-small"),
        ("enc-300", "compr-larger"),
        ("enc-5000", "plain-300"),
        ("enc-5000", "plain-5000"),
        ("enc-5000", "compr-small"),
        ("enc-5000", "compr-larger"),
        ("enccompr-small", "compr-small"),
        ("enccompr-larger", "compr-small"),
        ("enccompr-larger", "compr-larger"),
    ];
    smaller.contains(&(existing, incoming)).then_some((Err(Kind::CryptMode), "existing"))
}

/// What the case expects: the answer, and whose content is there afterwards.
fn expectation(case: &Value) -> (Answer, &str) {
    let (existing, incoming) = (case.get_str("existing"), case.get_str("incoming"));
    let result = &case["result"];
    if let Some(ours) = exception(existing, incoming, case.get_u64("incoming_size")) {
        assert!(result.is_ok() || existing == "garbage-1", "{existing} <- {incoming} is no exception");
        return ours;
    }
    let answer = if result.is_ok() {
        let value = &result["value"];
        Ok(Inserted { existed: value.get_bool("duplicate"), stored_size: value.get_u64("size") })
    } else if existing.starts_with("enc-") {
        // Two encrypted, uncompressed blobs of different length.
        Err(Kind::Corrupt)
    } else {
        Err(Kind::CryptMode)
    };
    (answer, case.get_str("content_after"))
}

/// Goes through the cases that have a file, in a store of each layout. `insert` is what is tested.
fn check(insert: impl Fn(&Store, &Digest, &[u8]) -> Answer) {
    let vectors = vector_json("insert/insert.json");
    let (cases, others): (Vec<_>, Vec<_>) =
        vectors.get_list("cases").iter().partition(|case| case.get_str("existing") != "directory");
    assert_eq!((cases.len(), others.len()), (104, 1));
    for layout in [Layout::Hex2, Layout::Hex4] {
        let scratch = Scratch::new();
        let store = scratch.store_of(layout);
        for case in &cases {
            let name = format!("{} <- {}, {layout:?}", case.get_str("existing"), case.get_str("incoming"));
            check_case(&store, case, &name, &insert);
        }
        common::assert_only_chunks(&store, &[]);
    }
}

fn check_case(store: &Store, case: &Value, name: &str, insert: impl Fn(&Store, &Digest, &[u8]) -> Answer) {
    let digest = sha256(name.as_bytes());
    let path = store.chunks().chunk_path(&digest);
    let incoming = content(case.get_str("incoming"));
    assert_eq!(incoming.len() as u64, case.get_u64("incoming_size"), "{name}");
    let existing = (case.get_str("existing") != "absent").then(|| content(case.get_str("existing")));
    let modified = existing.as_ref().map(|content| {
        assert_eq!(content.len() as u64, case.get_u64("existing_size"), "{name}");
        age(&plant(store, &digest, content)).1
    });

    let (expected, content_after) = expectation(case);
    assert_eq!(insert(store, &digest, &incoming), expected, "{name}");

    let found = fs::read(&path).unwrap();
    match content_after {
        "incoming" => assert_eq!(found, incoming, "{name}"),
        "existing" => assert_eq!(Some(&found), existing.as_ref(), "{name}"),
        "both" => assert_eq!((&found, Some(&found)), (&incoming, existing.as_ref()), "{name}"),
        other => panic!("unknown content_after: {other}"),
    }
    // A refused insert has read the file's magic, and whether that moves the access time is the mount's affair.
    if expected.is_ok() {
        assert!(case.get_bool("atime_updated") && is_fresh(&path), "{name}: not touched");
    }
    if content_after == "existing" || content_after == "both" {
        assert_eq!(Some(times_of(&path).1), modified, "{name}: the modification time moved");
    }
}

#[test]
fn inserts_answer_as_those_of_pbs() {
    check(|store, digest, blob| {
        let result = store.chunks().insert(digest, blob, InsertOptions::default());
        result.map_err(|error| {
            assert_eq!(error.digest(), Some(digest), "{error}");
            assert_eq!(error.path(), Some(&*store.chunks().chunk_path(digest)), "{error}");
            error.kind()
        })
    });
}

/// What the table alone says, by lengths and magics.
fn judged(old: Old, form: Option<BlobForm>, incoming: &[u8]) -> Answer {
    let new = New { size: incoming.len() as u64, form: form_of(incoming) };
    match judge(old, form, new) {
        Verdict::Keep => Ok(Inserted { existed: true, stored_size: old.size }),
        Verdict::Replace | Verdict::Ignore => Ok(Inserted { existed: false, stored_size: new.size }),
        Verdict::Refuse(kind, _) => Err(kind),
    }
}

fn form_of(content: &[u8]) -> Option<BlobForm> {
    content.get(..8).and_then(BlobForm::from_magic)
}

#[test]
fn the_table_alone_answers_as_pbs() {
    let vectors = vector_json("insert/insert.json");
    let cases = vectors.get_list("cases").iter().filter(|case| case.get_str("existing") != "absent");
    let mut count = 0;
    for case in cases {
        let (existing, incoming) = (case.get_str("existing"), content(case.get_str("incoming")));
        let (answer, expected) = match existing {
            "directory" => (judged(Old { is_file: false, size: 4096 }, None, &incoming), Err(Kind::Exists)),
            _ => {
                let content = content(existing);
                let old = Old { is_file: true, size: content.len() as u64 };
                (judged(old, form_of(&content), &incoming), expectation(case).0)
            }
        };
        assert_eq!(answer, expected, "{existing} <- {}", case.get_str("incoming"));
        count += 1;
    }
    assert_eq!(count, 97);
}

/// A store behind the C interface, by the path of another one.
struct CStore(*mut pxds_store);

impl CStore {
    fn open(path: &Path) -> Self {
        let path = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        let mut store = null_mut();
        // SAFETY: all-zero is a value of the options; valid arguments.
        let status = unsafe {
            let mut options: pxds_store_options = std::mem::zeroed();
            options.struct_size = size_of::<pxds_store_options>();
            options.sync = PXDS_SYNC_NONE;
            pxds_store_open(path.as_ptr(), &options, &mut store, null_mut())
        };
        assert_eq!(status, PXDS_OK);
        CStore(store)
    }

    fn insert(&self, digest: &Digest, blob: &[u8]) -> Answer {
        let struct_size = size_of::<pxds_insert_result>();
        let mut result = pxds_insert_result { struct_size, stored_size: 77, existed: 77, reserved: 77 };
        // SAFETY: valid arguments.
        let status = unsafe {
            let blob_start = blob.as_ptr().cast();
            pxds_store_insert(self.0, digest.0.as_ptr(), blob_start, blob.len(), 0, &mut result, null_mut())
        };
        assert_eq!((result.struct_size, result.reserved), (struct_size, 0));
        let refused = match status {
            PXDS_OK => {
                return Ok(Inserted { existed: result.existed == 1, stored_size: result.stored_size });
            }
            PXDS_ERR_CORRUPT => Kind::Corrupt,
            PXDS_ERR_CRYPT_MODE => Kind::CryptMode,
            PXDS_ERR_EXISTS => Kind::Exists,
            other => panic!("status {other}"),
        };
        assert_eq!((result.existed, result.stored_size), (0, 0));
        Err(refused)
    }
}

impl Drop for CStore {
    fn drop(&mut self) {
        // SAFETY: not used again.
        unsafe { pxds_store_free(self.0) };
    }
}

#[test]
fn inserts_through_the_c_interface_answer_as_those_of_pbs() {
    check(|store, digest, blob| CStore::open(store.path()).insert(digest, blob));
}

#[test]
fn what_is_no_regular_file_is_refused() {
    let vectors = vector_json("insert/insert.json");
    let case = vectors.get_list("cases").iter().find(|case| case.get_str("existing") == "directory").unwrap();
    let result: Value = serde_json::from_str(case.get_str("result")).unwrap();
    assert!(!result.is_ok());
    let blob = content(case.get_str("incoming"));
    for layout in [Layout::Hex2, Layout::Hex4] {
        let scratch = Scratch::new();
        let store = scratch.store_of(layout);
        let digest = sha256(b"directory");
        fs::create_dir_all(store.chunks().chunk_path(&digest)).unwrap();
        let error = common::failure(store.chunks().insert(&digest, &blob, InsertOptions::default()));
        assert_eq!((error.kind(), error.digest()), (Kind::Exists, Some(&digest)));
        assert_eq!(CStore::open(store.path()).insert(&digest, &blob), Err(Kind::Exists));
        assert!(store.chunks().chunk_path(&digest).is_dir());
    }
}
