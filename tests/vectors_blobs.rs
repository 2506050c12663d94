//! Blobs, against those of PBS (tests/vectors/blobs). Nothing here differs from PBS but for compressed data that is cut
//! off inside of an encrypted blob: that is an error here.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{Json, generate, kind, unhex, vector_bytes, vector_json};
use pxds::blob::{Blob, Codec};
use pxds::crypt::CryptKey;
use pxds::digest::Digest;
use pxds::error::Kind;
use pxds::hash::sha256;
use pxds::limits::BLOB_MAX_SIZE;
use serde_json::Value;

/// A case of `cases`: data, and its blob in one form.
struct Case {
    name: String,
    raw: Vec<u8>,
    data: Vec<u8>,
    /// SHA-256 of the data, or for an encrypted blob PBS's digest with the key in it.
    digest: Digest,
    compress: bool,
    encrypted: bool,
    json: Value,
}

fn cases() -> Vec<Case> {
    let vectors = vector_json("blobs/blobs.json");
    let cases: Vec<_> = vectors.get_list("cases").iter().map(read_case).collect();
    assert_eq!(cases.len(), 36);
    cases
}

fn read_case(case: &Value) -> Case {
    let data = generate(case.get_list("plain"));
    assert_eq!(data.len() as u64, case.get_u64("plain_len"));
    assert_eq!(sha256(&data), case.get_digest("plain_sha256"), "the generator");
    let requested = case.get_str("requested");
    Case {
        name: case.get_str("name").to_owned(),
        raw: vector_bytes(case.get_str("file")),
        digest: case.get_digest("digest"),
        compress: requested.ends_with("compress"),
        encrypted: requested.starts_with("encrypt"),
        data,
        json: case.clone(),
    }
}

#[test]
fn the_headers_of_every_form_are_read() {
    for Case { name, raw, encrypted, json, .. } in cases() {
        let blob = Blob::load(&raw).unwrap_or_else(|error| panic!("{name}: {error}"));
        let form = blob.form();
        assert_eq!(form.magic()[..], common::unhex(json.get_str("magic")), "{name}");
        assert_eq!(raw[..8], form.magic(), "{name}");
        assert_eq!(u64::from(blob.crc()), json.get_u64("crc"), "{name}");
        assert_eq!((form.compressed, form.encrypted), (json.get_bool("is_compressed"), encrypted), "{name}");
        assert_eq!(json.get_bool("is_encrypted"), encrypted, "{name}");
        assert_eq!(raw.len() as u64, json.get_u64("raw_size"), "{name}");
        assert_eq!(form.header_size(), if encrypted { 44 } else { 12 }, "{name}");
        assert_eq!(blob.payload(), &raw[form.header_size()..], "{name}");
    }
}

#[test]
fn unencrypted_blobs_decode_to_their_data() {
    let mut codec = Codec::new();
    let unencrypted: Vec<_> = cases().into_iter().filter(|case| !case.encrypted).collect();
    assert_eq!(unencrypted.len(), 18);
    for Case { name, raw, data, digest, .. } in unencrypted {
        let blob = Blob::load(&raw).unwrap();
        assert_eq!(codec.decode_vec(blob, Some(&digest), data.len()).unwrap(), data, "{name}");
        assert_eq!(codec.decode_exact(blob, &digest, data.len(), &mut Vec::new()).unwrap(), data, "{name}");
        let mut out = vec![0; data.len()];
        assert_eq!(codec.decode(blob, Some(&digest), &mut out).unwrap(), data.len(), "{name}");
        assert_eq!(out, data, "{name}");
        codec.verify_unencrypted(blob, data.len() as u64, &digest).unwrap();
        if !data.is_empty() {
            assert_eq!(kind(codec.decode_vec(blob, None, data.len() - 1)), Kind::Limit, "{name}");
            assert_eq!(kind(codec.decode(blob, None, &mut out[1..])), Kind::TooSmall, "{name}");
        }
        let wrong = sha256(b"something else");
        assert_eq!(kind(codec.decode_vec(blob, Some(&wrong), data.len())), Kind::Corrupt, "{name}");
        let one_more = data.len() as u64 + 1;
        assert_eq!(kind(codec.verify_unencrypted(blob, one_more, &digest)), Kind::Corrupt, "{name}");
    }
}

/// A plain blob has but one form; of a compressed one the form is the same, the bytes need not be (docs/format.md,
/// 2.3).
#[test]
fn our_blobs_of_the_same_data_have_the_same_form() {
    let mut codec = Codec::new();
    for Case { name, raw, data, compress, .. } in cases().into_iter().filter(|case| !case.encrypted) {
        let ours = codec.encode_vec(&data, compress).unwrap();
        assert_eq!(ours[..8], raw[..8], "{name}");
        let compressed = Blob::load(&ours).unwrap().form().compressed;
        if compressed {
            assert!(ours.len() < 12 + data.len(), "{name}");
            let blob = Blob::load(&ours).unwrap();
            assert_eq!(codec.decode_vec(blob, Some(&sha256(&data)), data.len()).unwrap(), data, "{name}");
        } else {
            assert_eq!(ours, raw, "{name}");
        }
    }
}

#[test]
fn encrypted_blobs_are_recognised_and_ask_for_a_key() {
    let mut codec = Codec::new();
    let encrypted: Vec<_> = cases().into_iter().filter(|case| case.encrypted).collect();
    assert_eq!(encrypted.len(), 18);
    for Case { name, raw, data, digest, json, .. } in encrypted {
        assert!(json.get_bool("needs_key"), "{name}");
        let blob = Blob::load(&raw).unwrap();
        for digest in [None, Some(&digest)] {
            assert_eq!(kind(codec.decode_vec(blob, digest, BLOB_MAX_SIZE)), Kind::Key, "{name}");
            assert_eq!(kind(codec.decode(blob, digest, &mut vec![0; data.len()])), Kind::Key, "{name}");
        }
        assert_eq!(kind(codec.decode_exact(blob, &digest, data.len(), &mut Vec::new())), Kind::Key, "{name}");
        assert!(blob.decoded_bound().unwrap() >= data.len(), "{name}");
        // Without the key there is nothing to compare: any length and digest pass (docs/format.md, 2.5).
        codec.verify_unencrypted(blob, 1, &sha256(b"something else")).unwrap();
    }
}

#[test]
fn encrypted_blobs_open_with_the_key() {
    let set = vector_json("set.json");
    let mut codec = Codec::with_key(Some(key(&set["key"])));
    let mut other = Codec::with_key(Some(key(&set["other_key"])));
    for Case { name, raw, data, digest, .. } in cases().into_iter().filter(|case| case.encrypted) {
        let blob = Blob::load(&raw).unwrap();
        assert_eq!(codec.decode_vec(blob, Some(&digest), data.len()).unwrap(), data, "{name}");
        let mut scratch = vec![7; 5];
        assert_eq!(codec.decode_exact(blob, &digest, data.len(), &mut scratch).unwrap(), data, "{name}");
        let mut out = vec![0; data.len()];
        assert_eq!(codec.decode(blob, Some(&digest), &mut out).unwrap(), data.len(), "{name}");
        assert_eq!(out, data, "{name}");
        // The digest is made with the key: that of the data alone is wrong.
        assert_eq!(kind(codec.decode_vec(blob, Some(&sha256(&data)), data.len())), Kind::Corrupt, "{name}");
        assert_eq!(kind(codec.decode_exact(blob, &digest, data.len() + 1, &mut scratch)), Kind::Corrupt, "{name}");
        assert_eq!(kind(other.decode_vec(blob, None, data.len())), Kind::Auth, "{name}");
        if !data.is_empty() {
            assert_eq!(kind(codec.decode_vec(blob, None, data.len() - 1)), Kind::Limit, "{name}");
            assert_eq!(kind(codec.decode(blob, None, &mut out[1..])), Kind::TooSmall, "{name}");
        }
        // Ours, of the same data.
        let ours = codec.seal_vec(&data, blob.form().compressed).unwrap();
        assert_eq!(ours[..8], raw[..8], "{name}");
        assert_ne!(ours[12..28], raw[12..28], "a new iv");
        assert_eq!(codec.decode_vec(Blob::load(&ours).unwrap(), Some(&digest), data.len()).unwrap(), data, "{name}");
    }
}

fn key(hex: &Value) -> Arc<CryptKey> {
    Arc::new(CryptKey::new(&unhex(hex.as_str().unwrap()).try_into().unwrap()))
}

/// `decode_cases`: odd and damaged blobs. What a key would decode is checked up to there.
#[test]
fn odd_blobs_are_taken_and_refused_as_by_pbs() {
    let vectors = vector_json("blobs/blobs.json");
    let cases = vectors.get_list("decode_cases");
    let (mut decoded, mut need_a_key, mut refused) = (0, 0, BTreeMap::<_, usize>::new());
    for case in cases {
        let name = case.get_str("name");
        let raw = vector_bytes(case.get_str("file"));
        let digest = (!case["digest"].is_null()).then(|| case.get_digest("digest"));
        let mut codec = Codec::with_key((!case["key"].is_null()).then(|| key(&case["key"])));
        let expected = &case["load"];
        let blob = match Blob::load(&raw) {
            Ok(blob) => blob,
            Err(error) => {
                assert!(!expected.is_ok(), "{name}: {error}");
                assert_eq!(error.kind(), kind_of_refusal(&raw), "{name}: {error}");
                continue;
            }
        };
        assert!(expected.is_ok(), "{name}");
        assert_eq!(blob.form().compressed, expected.get_bool("is_compressed"), "{name}");
        assert_eq!(blob.form().encrypted, expected.get_bool("is_encrypted"), "{name}");
        if let Some(digest) = &digest {
            let verified = codec.verify_unencrypted(blob, 4096, digest).is_ok();
            assert_eq!(verified, expected["verify_unencrypted_len4096"].is_ok(), "{name}");
        }
        let found = codec.decode_vec(blob, digest.as_ref(), BLOB_MAX_SIZE);
        let expected = &case["decode"];
        if blob.form().encrypted && case["key"].is_null() {
            assert_eq!(kind(found), Kind::Key, "{name}");
            assert!(!expected.is_ok(), "{name}");
            need_a_key += 1;
            continue;
        }
        decoded += 1;
        match found {
            Ok(data) => {
                assert!(expected.is_ok(), "{name}");
                assert_eq!(data.len() as u64, expected["value"].get_u64("len"), "{name}");
                assert_eq!(sha256(&data), expected["value"].get_digest("sha256"), "{name}");
            }
            Err(error) => {
                // PBS decodes a frame that is empty or cut off, if it is encrypted, to what there is of it.
                let cut_off = ["enccompr-empty-payload", "enccompr-truncated-frame-inside"].contains(&name);
                assert!(cut_off || !expected.is_ok(), "{name}: {error}");
                *refused.entry(format!("{:?}", error.kind())).or_default() += 1;
            }
        }
    }
    // The key, the iv (twice), the tag (twice) and the ciphertext.
    assert_eq!(refused["Auth"], 6);
    assert_eq!((cases.len(), decoded, need_a_key), (44, 31, 2));
}

/// docs/format.md, 2.6: too short for its header, or without a known magic, is not of the format; else it was the CRC.
fn kind_of_refusal(raw: &[u8]) -> Kind {
    let header = match raw.get(..8).map(<[u8]>::to_vec).map(hex) {
        Some(magic) if magic == "42ab3807be8370a1" || magic == "31b958426fb6a37f" => 12,
        Some(magic) if magic == "7b6785be222d4cf0" || magic == "e6591bbf0bbfd80b" => 44,
        _ => return Kind::Format,
    };
    if raw.len() < header { Kind::Format } else { Kind::Corrupt }
}

fn hex(bytes: Vec<u8>) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
