//! Keys and key files, as PBS makes and reads them (docs/format.md, 3).

mod common;

use common::{digest_of, generate, unhex, vector_bytes, vector_json};
use pxds::crypt::{CryptKey, Fingerprint};
use pxds::error::Kind;
use pxds::keyfile::KeyFile;
use serde_json::Value;

fn key(hex: &Value) -> CryptKey {
    CryptKey::new(&unhex(hex.as_str().unwrap()).try_into().unwrap())
}

fn ok(result: &Value) -> bool {
    result["ok"].as_bool().unwrap()
}

#[test]
fn what_is_derived_from_a_key() {
    let vectors = vector_json("keys/keys.json");
    let cases = vectors["derived"].as_array().unwrap();
    for case in cases {
        let key = key(&case["key"]);
        assert_eq!(key.fingerprint().to_string(), case["fingerprint"].as_str().unwrap());
        assert_eq!(key.fingerprint().short(), case["fingerprint_short"].as_str().unwrap());
        for (data, tag) in [(&b""[..], "hmac_of_empty"), (b"abc", "hmac_of_abc")] {
            let tag: [u8; 32] = unhex(case[tag].as_str().unwrap()).try_into().unwrap();
            assert_eq!(key.auth_tag(data), tag);
            assert!(key.has_auth_tag(data, &tag));
        }
        for digest in case["digests"].as_array().unwrap() {
            let data = generate(digest["data"].as_array().unwrap());
            assert_eq!(key.digest(&data), digest_of(&digest["digest"]));
        }
    }
    assert!(cases.len() >= 5);
}

#[test]
fn fingerprints_are_parsed() {
    let vectors = vector_json("keys/keys.json");
    for case in vectors["fingerprint_parse"].as_array().unwrap() {
        let input = case["input"].as_str().unwrap();
        let expected = &case["result"];
        match Fingerprint::parse(input) {
            Ok(fingerprint) => {
                assert!(ok(expected), "{input}");
                assert_eq!(fingerprint.to_string(), expected["value"]["signature"].as_str().unwrap());
                assert_eq!(fingerprint.short(), expected["value"]["display"].as_str().unwrap());
            }
            Err(error) => assert_eq!((ok(expected), error.kind()), (false, Kind::Argument), "{input}"),
        }
    }
}

#[test]
fn key_files_are_read() {
    let vectors = vector_json("keys/keys.json");
    let mut seen = Vec::new();
    for case in vectors["key_files"].as_array().unwrap() {
        let (name, password) = (case["file"].as_str().unwrap(), case["password"].as_str().unwrap_or_default());
        let expected = &case["decrypt"];
        let file = KeyFile::parse(&vector_bytes(name));
        let result = file.and_then(|file| file.unlock(password.as_bytes()).map(|key| (key, file.created())));
        match result {
            Ok((found, created)) => {
                assert!(ok(expected), "{name} {password:?}");
                let expected = &expected["value"];
                assert_eq!(found.fingerprint(), key(&expected["key"]).fingerprint());
                assert_eq!(found.fingerprint().to_string(), expected["fingerprint"].as_str().unwrap());
                assert_eq!(Some(created), expected["created"].as_i64());
            }
            Err(error) => {
                assert!(!ok(expected), "{name} {password:?}: {error}");
                seen.push((name.trim_start_matches("keys/").to_owned(), error.kind()));
                let hex: String = password.bytes().map(|byte| format!("{byte:02x}")).collect();
                assert!(password.is_empty() || !error.message().contains(password), "{error}");
                assert!(hex.is_empty() || !error.message().contains(&hex));
            }
        }
    }
    let kinds =
        |name: &str| -> Vec<Kind> { seen.iter().filter(|(seen, _)| seen == name).map(|(_, kind)| *kind).collect() };
    assert_eq!(kinds("scrypt.json"), [Kind::Password, Kind::Password], "wrong, and too short");
    assert_eq!(kinds("none-wrong-fingerprint.json"), [Kind::KeyMismatch]);
    assert_eq!(kinds("none-data-flip.json"), [Kind::KeyMismatch]);
    // PBS panics at this one.
    assert_eq!(kinds("none-short-data.json"), [Kind::Format]);
    for name in ["b64-urlsafe-alphabet.json", "b64-with-newline.json", "bad-created.json", "unknown-kdf.json"] {
        assert_eq!(kinds(name), [Kind::Format], "{name}");
    }
    for name in ["pbkdf2-data-flip.json", "pbkdf2-iv-flip.json", "pbkdf2-tag-flip.json"] {
        assert_eq!(kinds(name), [Kind::Password], "{name}");
    }
}

#[test]
fn key_files_are_written_as_read() {
    // What PBS writes compactly, with the zone of UTC, comes out the same.
    for name in ["scrypt.json", "scrypt-hint.json", "scrypt-n1024.json", "pbkdf2.json", "none.json"] {
        let text = vector_bytes(&format!("keys/{name}"));
        assert_eq!(KeyFile::parse(&text).unwrap().to_json().unwrap().as_bytes(), text, "{name}");
    }
}
