//! Manifests and canonical JSON against PBS: tests/vectors/manifest.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Json, unhex, vector_bytes, vector_json};
use pxds::blob::{Blob, Codec};
use pxds::crypt::CryptKey;
use pxds::hash::sha256;
use pxds::json;
use pxds::limits::JSON_MAX_SIZE;
use pxds::manifest::{CryptMode, FileInfo, Manifest, Signature};
use serde_json::{Value, json};

fn vectors() -> Value {
    vector_json("manifest/manifest.json")
}

/// The files as the vectors list them: name, size, csum, mode, and the mode of their chunks.
fn files(manifest: &Manifest) -> Value {
    let file = |file: &FileInfo| {
        let of_chunks = if file.crypt_mode.has_encrypted_chunks() { "encrypt" } else { "none" };
        json!([file.filename, file.size, file.csum.to_string(), file.crypt_mode.as_str(), of_chunks])
    };
    manifest.files().iter().map(file).collect()
}

#[test]
fn manifests_of_pbs_are_read_and_written_again() {
    let vectors = vectors();
    let cases = vectors.get_list("cases");
    assert_eq!(cases.len(), 8);
    for case in cases {
        let text = vector_bytes(case.get_str("file"));
        let manifest = Manifest::parse(&text).unwrap();
        assert_eq!(files(&manifest), case["files"]);
        assert_eq!(manifest.signature(), case["signature_in_file"].as_str());
        assert_eq!(manifest.signature().is_some(), case.get_bool("signed"));
        assert_eq!(manifest.key_fingerprint(), case["key_fingerprint"].as_str());
        let written = String::from_utf8(manifest.to_json().unwrap()).unwrap();
        assert_eq!(written, case.get_str("reserialized_pretty"));

        let canonical = manifest.canonical().unwrap();
        assert_eq!(canonical, vector_bytes(case.get_str("canonical_file")));
        assert_eq!(sha256(&canonical), case.get_digest("canonical_sha256"));
        assert_eq!(Manifest::parse(written.as_bytes()).unwrap().canonical().unwrap(), canonical);
    }
}

#[test]
fn the_file_of_a_manifest_is_a_blob() {
    let vectors = vectors();
    for case in vectors.get_list("cases") {
        let blob = vector_bytes(case.get_str("blob_file"));
        let blob = Blob::load(&blob).unwrap();
        assert!(!blob.form().encrypted, "{case}");
        let text = Codec::new().decode_vec(blob, None, JSON_MAX_SIZE).unwrap();
        assert_eq!(text, vector_bytes(case.get_str("file")));
    }
}

/// What fails in PBS because of the key that it was given, and not because of the text. Without a key it is read.
const FAIL_WITH_THE_KEY: [&str; 14] = [
    "wrong-key",
    "wrong-key-no-fingerprint",
    "fingerprint-of-other-key",
    "fingerprint-garbage",
    "file-size-changed",
    "file-csum-changed",
    "file-csum-uppercase",
    "crypt-mode-changed",
    "crypt-mode-missing-key",
    "unknown-field-added-key",
    "unknown-null-field-key",
    "signature-uppercase",
    "signature-truncated",
    "files-reordered",
];

/// What pxds refuses and PBS does not: an unprotected part that is no object (docs/format.md, 18).
const REFUSED: [&str; 2] = ["unprotected-null", "unprotected-string"];

/// What PBS loses or changes when it writes a signed manifest again, so that the signature no longer holds. pxds keeps
/// it (docs/format.md, 18).
const KEPT: [&str; 7] = [
    "file-csum-uppercase-no-key",
    "crypt-mode-missing-no-key",
    "unknown-field-added-no-key",
    "unknown-field-signed",
    "unknown-file-field-signed",
    "unknown-float-field-signed",
    "unknown-null-field-no-key",
];

#[test]
fn texts_are_judged_as_in_pbs() {
    let vectors = vectors();
    let cases = vectors.get_list("verify_cases");
    assert_eq!(cases.len(), 53);
    let mut exceptions = BTreeSet::new();
    for case in cases {
        let name = case.get_str("name");
        let as_in_pbs = case["from_data"].is_ok();
        let expected = match name {
            _ if REFUSED.contains(&name) => false,
            _ if FAIL_WITH_THE_KEY.contains(&name) => true,
            _ => as_in_pbs,
        };
        if expected != as_in_pbs {
            exceptions.insert(name);
        }
        let parsed = Manifest::parse(case.get_str("text").as_bytes());
        assert_eq!(parsed.is_ok(), expected, "{name}");
        let (Ok(manifest), Some(expected)) = (parsed, case["parsed"].get("manifest")) else { continue };
        check_fields(name, &manifest, expected);
        let written: Value = serde_json::from_slice(&manifest.to_json().unwrap()).unwrap();
        assert_eq!(written, spelled_out(case.get_str("text")), "{name}");
        if written != *expected {
            exceptions.insert(name);
        }
    }
    assert_eq!(exceptions, [&REFUSED[..], &FAIL_WITH_THE_KEY, &KEPT].concat().into_iter().collect());
}

/// The whole of `from_data`, with the key that PBS was given, and `check_fingerprint` after it.
#[test]
fn signatures_are_judged_as_in_pbs() {
    let vectors = vectors();
    let mut kinds = BTreeMap::<String, usize>::new();
    for case in vectors.get_list("verify_cases") {
        let name = case.get_str("name");
        let key = case["key"].as_str().map(|hex| CryptKey::new(&unhex(hex).try_into().unwrap()));
        let Ok(manifest) = Manifest::parse(case.get_str("text").as_bytes()) else {
            assert!(!case["from_data"].is_ok() || REFUSED.contains(&name), "{name}");
            continue;
        };
        let verified = key.as_ref().map_or(Ok(None), |key| manifest.verify(key).map(Some));
        assert_eq!(verified.is_ok(), case["from_data"].is_ok(), "{name}");
        match verified {
            Ok(signature) => {
                let signed = key.is_some() && manifest.signature().is_some();
                assert_eq!(signature == Some(Signature::Valid), signed, "{name}");
                let expected = &case["check_fingerprint"];
                assert_eq!(manifest.check_fingerprint(key.as_ref()).is_ok(), expected.is_ok(), "{name}");
            }
            Err(error) => *kinds.entry(format!("{:?}", error.kind())).or_default() += 1,
        }
    }
    // Another key; a wrong signature; a null that cannot be signed, and a fingerprint that is none.
    assert_eq!(kinds, [("Auth", 10), ("Format", 2), ("KeyMismatch", 2)].map(|(k, n)| (k.to_owned(), n)).into());
}

/// What PBS signs, we sign the same.
#[test]
fn our_signatures_are_those_of_pbs() {
    let vectors = vectors();
    let key = CryptKey::new(&unhex(vectors.get_str("key")).try_into().unwrap());
    for case in vectors.get_list("cases") {
        let name = case.get_str("name");
        let mut manifest = Manifest::parse(&vector_bytes(case.get_str("file"))).unwrap();
        let signed = manifest.signature().is_some();
        assert_eq!(manifest.verify(&key).unwrap() == Signature::Valid, signed, "{name}");
        manifest.sign(&key).unwrap();
        assert_eq!(manifest.signature(), Some(case.get_str("signature_with_key")), "{name}");
        if signed {
            assert_eq!(manifest.key_fingerprint(), case["key_fingerprint"].as_str(), "{name}");
        }
    }
}

/// The text with the two members that are always written.
fn spelled_out(text: &str) -> Value {
    let mut tree: Value = serde_json::from_str(text).unwrap();
    let members = tree.as_object_mut().unwrap();
    members.entry("signature").or_insert(Value::Null);
    members.entry("unprotected").or_insert(json!({}));
    tree
}

/// Without a signature there is nothing to lose: the files are written as PBS writes them.
#[test]
fn unsigned_files_are_written_as_by_pbs() {
    let vectors = vectors();
    let mut seen = 0;
    for case in vectors.get_list("verify_cases") {
        if !KEPT[..2].contains(&case.get_str("name")) {
            continue;
        }
        let mut tree = spelled_out(case.get_str("text"));
        tree["signature"] = Value::Null;
        let manifest = Manifest::parse(tree.to_string().as_bytes()).unwrap();
        let written: Value = serde_json::from_slice(&manifest.to_json().unwrap()).unwrap();
        assert_eq!(written["files"], case["parsed"]["manifest"]["files"]);
        assert_ne!(written["files"], tree["files"]);
        seen += 1;
    }
    assert_eq!(seen, 2);
}

fn check_fields(name: &str, manifest: &Manifest, expected: &Value) {
    assert_eq!(manifest.kind().as_str(), expected.get_str("backup-type"), "{name}");
    assert_eq!(manifest.id(), expected.get_str("backup-id"), "{name}");
    assert_eq!(manifest.time(), expected["backup-time"].as_i64().unwrap(), "{name}");
    assert_eq!(manifest.signature(), expected["signature"].as_str(), "{name}");
    let listed = expected.get_list("files");
    assert_eq!(manifest.files().len(), listed.len(), "{name}");
    for (file, expected) in manifest.files().iter().zip(listed) {
        assert_eq!(file.filename, expected.get_str("filename"), "{name}");
        assert_eq!(Some(file.crypt_mode), CryptMode::parse(expected.get_str("crypt-mode")), "{name}");
        assert_eq!(file.size, expected.get_u64("size"), "{name}");
        assert_eq!(file.csum, expected.get_digest("csum"), "{name}");
        assert_eq!(manifest.find(&file.filename), Some(file), "{name}");
    }
    for (member, value) in expected["unprotected"].as_object().unwrap() {
        assert_eq!(manifest.unprotected_member(member), Some(value), "{name}");
    }
    assert_eq!(manifest.notes(), expected["unprotected"]["notes"].as_str(), "{name}");
}

#[test]
fn canonical_json_is_that_of_pbs() {
    let vectors = vectors();
    let cases = vectors.get_list("canonical_json");
    assert_eq!(cases.len(), 66);
    for case in cases {
        let input = case.get_str("input");
        let parsed = json::parse(input.as_bytes());
        assert_eq!(parsed.is_ok(), case["parse"].is_ok(), "{input:?}");
        let Ok(value) = parsed else { continue };
        let expected = &case["canonical"];
        let canonical = json::canonical(&value, JSON_MAX_SIZE).ok();
        let expected = expected.is_ok().then(|| unhex(expected["value"].get_str("hex")));
        assert_eq!(canonical, expected, "{input:?}");
    }
}
