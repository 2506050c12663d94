//! Master keys (docs/format.md, 3.6), with keys and sealed data of openssl(1). Without the Cargo feature `master-key`
//! what is left is that a snapshot takes a key that others have sealed.

mod common;

use std::fs;
use std::sync::Arc;

use common::{Scratch, failure, kind, vector_bytes};
use pxds::backup::{Backup, BackupOptions};
use pxds::blob::{Blob, Codec};
use pxds::crypt::CryptKey;
use pxds::error::Kind;
use pxds::keyfile::{Kdf, KeyFile};
use pxds::manifest::CryptMode;
use pxds::master::{SEALED_KEY_NAME, recover, seal};
use pxds::name::Group;
use pxds::tree::OpenSnapshot;

const CREATED: i64 = 1_593_179_765;

fn key() -> Arc<CryptKey> {
    Arc::new(CryptKey::new(&[1; 32]))
}

fn pem(name: &str) -> Vec<u8> {
    vector_bytes(&format!("master/{name}.pem"))
}

/// The key file of PBS that is in `sealed`.
fn sealed() -> (Vec<u8>, KeyFile) {
    (vector_bytes("master/sealed"), KeyFile::parse(&vector_bytes("keys/none.json")).unwrap())
}

fn options(crypt_mode: CryptMode) -> BackupOptions {
    let key = (crypt_mode != CryptMode::None).then(key);
    BackupOptions { crypt_mode, key, time: Some(CREATED), ..BackupOptions::default() }
}

#[test]
fn a_snapshot_takes_a_sealed_key() {
    let (sealed, file) = sealed();
    let scratch = Scratch::new();
    for (crypt_mode, name) in [(CryptMode::Encrypt, "encrypted"), (CryptMode::SignOnly, "signed")] {
        let store = scratch.store(name);
        let mut backup = Backup::new(&store, &Group::parse("host/x").unwrap(), options(crypt_mode)).unwrap();
        backup.add_sealed_key(&sealed).unwrap();
        assert_eq!(failure(backup.add_sealed_key(&sealed)).kind(), Kind::Exists);
        backup.add_blob("a.blob", b"data", true).unwrap();
        let snapshot = backup.snapshot().clone();
        backup.finish().unwrap();

        let raw = fs::read(store.path().join(snapshot.path()).join(SEALED_KEY_NAME)).unwrap();
        let blob = Blob::load(&raw).unwrap();
        assert!(!blob.form().encrypted && !blob.form().compressed);
        assert_eq!(blob.payload(), sealed);
        for key in [None, Some(key())] {
            let open = OpenSnapshot::open(store.tree(), &snapshot, key).unwrap();
            assert_eq!(open.blob(SEALED_KEY_NAME, 4096).unwrap(), sealed);
            let listed = open.manifest().unwrap().find(SEALED_KEY_NAME).unwrap();
            assert_eq!((listed.crypt_mode, listed.size), (crypt_mode, raw.len() as u64));
        }
    }
    let text = file.to_json().unwrap();
    let store = scratch.store("refused");
    let mut backup = Backup::new(&store, &Group::parse("host/x").unwrap(), options(CryptMode::Encrypt)).unwrap();
    for wrong in [&b""[..], &sealed[..255], text.as_bytes(), &[0; 2049]] {
        assert_eq!(failure(backup.add_sealed_key(wrong)).kind(), Kind::Argument);
    }
    assert_eq!(failure(backup.add_blob(SEALED_KEY_NAME, &sealed, false)).kind(), Kind::Argument);
    backup.add_sealed_key(&sealed).unwrap();
    drop(backup);
    let mut backup = Backup::new(&store, &Group::parse("host/x").unwrap(), options(CryptMode::None)).unwrap();
    assert_eq!(failure(backup.add_sealed_key(&sealed)).kind(), Kind::Key);
}

#[cfg(not(feature = "master-key"))]
#[test]
fn this_build_can_neither_seal_nor_recover() {
    let (sealed, _) = sealed();
    assert_eq!(kind(seal(&key(), CREATED, &pem("public"))), Kind::Unsupported);
    assert_eq!(kind(recover(&sealed, &pem("private"), None)), Kind::Unsupported);
    let message = failure(recover(&sealed, &pem("private"), None)).message().to_owned();
    assert!(message.contains("master-key"), "{message}");
    // What can be told without RSA is.
    assert_eq!(kind(seal(&key(), i64::MAX, &pem("public"))), Kind::Argument);
    let mut damaged = Codec::new().encode_vec(&sealed, false).unwrap();
    damaged[100] ^= 1;
    assert_eq!(kind(recover(&damaged, &pem("private"), None)), Kind::Corrupt);
    assert_eq!(KeyFile::new(&key(), Kdf::None, b"", CREATED, None).unwrap().created(), CREATED);
}

#[cfg(feature = "master-key")]
mod with_rsa {
    use super::*;
    use base64ct::{Base64, Encoding};
    use common::Rng;

    const PASSWORD: Option<&[u8]> = Some(b"correct horse");

    /// A PEM with these bytes in it.
    fn armour(label: &str, der: &[u8]) -> Vec<u8> {
        let base64 = Base64::encode_string(der);
        let lines: Vec<_> = base64.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")).into_bytes()
    }

    /// The label of a PEM, and what is in it.
    fn unarmour(pem: &[u8]) -> (String, Vec<u8>) {
        let text = str::from_utf8(pem).unwrap();
        let label = text.lines().next().unwrap().trim_start_matches("-----BEGIN ").trim_end_matches('-');
        let base64: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        (label.to_owned(), Base64::decode_vec(&base64).unwrap())
    }

    /// One value of ASN.1.
    fn asn1(tag: u8, content: &[u8]) -> Vec<u8> {
        let len = content.len() as u16;
        match len {
            0..128 => [&[tag, len as u8], content].concat(),
            128..256 => [&[tag, 0x81, len as u8], content].concat(),
            _ => [&[tag, 0x82][..], &len.to_be_bytes(), content].concat(),
        }
    }

    /// A positive integer.
    fn integer(bytes: &[u8]) -> Vec<u8> {
        asn1(2, &[&[0][..], bytes].concat())
    }

    #[test]
    fn what_openssl_sealed_is_recovered() {
        let (sealed, file) = sealed();
        let blob = Codec::new().encode_vec(&sealed, false).unwrap();
        for (name, password) in [
            ("private", None),
            ("private", PASSWORD),
            ("private-rsa", None),
            ("private-pbkdf2", PASSWORD),
            ("private-scrypt", PASSWORD),
        ] {
            for sealed in [&sealed, &blob] {
                let recovered = recover(sealed, &pem(name), password).unwrap();
                assert_eq!(recovered.to_json().unwrap(), file.to_json().unwrap(), "{name}");
                assert_eq!(recovered.unlock(b"").unwrap().fingerprint(), file.fingerprint().unwrap());
            }
        }
    }

    #[test]
    fn sealed_and_recovered() {
        let before = pxds::sys::now();
        let first = seal(&key(), CREATED, &pem("public")).unwrap();
        let second = seal(&key(), CREATED, &pem("public")).unwrap();
        assert_eq!((first.len(), second.len()), (512, 512));
        assert_ne!(first, second, "the padding is random");
        for sealed in [first, second] {
            let file = recover(&sealed, &pem("private"), None).unwrap();
            assert_eq!((file.kdf(), file.created(), file.hint()), (Kdf::None, CREATED, None));
            assert!((before..=pxds::sys::now()).contains(&file.modified()));
            assert_eq!(file.fingerprint(), Some(key().fingerprint()));
            assert_eq!(file.unlock(b"").unwrap().fingerprint(), key().fingerprint());
        }
    }

    #[test]
    fn white_space_and_remarks_around_a_pem_do_not_matter() {
        let public = String::from_utf8(pem("public")).unwrap();
        for text in [
            public.trim_end().to_owned(),
            format!("{public}\n \n"),
            public.replace('\n', "\r\n"),
            format!("the key in the safe\n{public}"),
        ] {
            assert_eq!(seal(&key(), CREATED, text.as_bytes()).unwrap().len(), 512, "{text}");
        }
    }

    #[test]
    fn other_keys_and_damage_are_told() {
        let (sealed, _) = sealed();
        for i in [0, 1, 100, 511] {
            let mut damaged = sealed.clone();
            damaged[i] ^= 0x10;
            assert_eq!(kind(recover(&damaged, &pem("private"), None)), Kind::KeyMismatch, "byte {i}");
        }
        for wrong in [&sealed[..511], &[&sealed[..], &[0]].concat(), &[0xff; 512], &[0; 512], b""] {
            let error = failure(recover(wrong, &pem("private"), None));
            assert_eq!(error.kind(), Kind::KeyMismatch, "{error}");
        }
        let error = failure(recover(&sealed, &pem("other-private"), None));
        assert_eq!(error.kind(), Kind::KeyMismatch, "{error}");
    }

    #[test]
    fn passwords_of_private_keys() {
        let (sealed, _) = sealed();
        for name in ["private-pbkdf2", "private-scrypt"] {
            for password in [None, Some(&b""[..]), Some(b"wrong horse"), Some(b"correct horse\n")] {
                let error = failure(recover(&sealed, &pem(name), password));
                assert_eq!(error.kind(), Kind::Password, "{name}: {error}");
                assert!(!error.message().contains("horse"));
            }
        }
        let error = failure(recover(&sealed, &pem("private-sha1"), PASSWORD));
        assert_eq!(error.kind(), Kind::Unsupported, "{error}");
    }

    #[test]
    fn the_cost_of_a_password_is_bounded() {
        let (sealed, _) = sealed();
        let (label, der) = unarmour(&pem("private-pbkdf2"));
        // The salt gives two of its eight bytes to the rounds, 2048 in two bytes.
        let at = der.windows(4).position(|bytes| bytes == [2, 2, 8, 0]).unwrap();
        let mut expensive = der.clone();
        let salt = at - 10;
        assert_eq!(der[salt..salt + 2], [4, 8]);
        expensive.splice(salt..at + 4, [4, 6, 1, 2, 3, 4, 5, 6, 2, 4, 0x7f, 0xff, 0xff, 0xff]);
        assert_eq!(expensive.len(), der.len());
        assert_eq!(kind(recover(&sealed, &armour(&label, &expensive), PASSWORD)), Kind::Limit);
        let mut free = der.clone();
        free.splice(salt..at + 4, [4, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 2, 1, 0]);
        assert_eq!(kind(recover(&sealed, &armour(&label, &free), PASSWORD)), Kind::Password);

        let (label, der) = unarmour(&pem("private-scrypt"));
        // The same for n, 16384, which becomes 2^30.
        let at = der.windows(4).position(|bytes| bytes == [2, 2, 0x40, 0]).unwrap();
        let salt = at - 10;
        assert_eq!(der[salt..salt + 2], [4, 8]);
        let mut expensive = der.clone();
        expensive.splice(salt..at + 4, [4, 6, 1, 2, 3, 4, 5, 6, 2, 4, 0x40, 0, 0, 0]);
        assert_eq!(kind(recover(&sealed, &armour(&label, &expensive), PASSWORD)), Kind::Limit);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let (sealed, _) = sealed();
        let public = pem("public");
        let (_, der) = unarmour(&public);
        let two = [&public[..], &public[..]].concat();
        for wrong in
            [&b""[..], b"\xff\xfe", b"-----BEGIN PUBLIC KEY-----", &der, &two, &pem("private"), &pem("ec-public")]
        {
            assert_eq!(kind(seal(&key(), CREATED, wrong)), Kind::Format, "{}", String::from_utf8_lossy(wrong));
        }
        let error = failure(seal(&key(), CREATED, &pem("private")));
        assert!(error.message().contains("PRIVATE KEY") && error.message().contains("\"PUBLIC KEY\""), "{error}");
        for wrong in [&b""[..], &der, &public, &pem("ec-private"), &armour("PRIVATE KEY", &der)] {
            assert_eq!(kind(recover(&sealed, wrong, PASSWORD)), Kind::Format, "{}", String::from_utf8_lossy(wrong));
        }
        for wrong in ["PRIVATE KEY", "RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY"] {
            assert_eq!(kind(recover(&sealed, &armour(wrong, b"\x30\x00"), PASSWORD)), Kind::Format, "{wrong}");
        }
        assert_eq!(kind(seal(&key(), CREATED, &vec![b'\n'; (64 << 10) + 1])), Kind::Limit);
        assert_eq!(kind(seal(&key(), i64::MAX, &public)), Kind::Argument);
    }

    #[test]
    fn sizes_are_bounded() {
        let error = failure(seal(&key(), CREATED, &pem("small-public")));
        assert_eq!(error.kind(), Kind::Argument);
        assert!(error.message().contains("2048") && error.message().contains("2128"), "{error}");

        // rsaEncryption, an odd modulus, and 3.
        let algorithm = asn1(0x30, &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0]);
        let of_bytes = |len: usize| {
            let parts = asn1(0x30, &[integer(&vec![0xff; len]), asn1(2, &[3])].concat());
            let bits = asn1(3, &[&[0][..], &parts].concat());
            armour("PUBLIC KEY", &asn1(0x30, &[&algorithm[..], &bits].concat()))
        };
        assert_eq!(kind(seal(&key(), CREATED, &of_bytes(100))), Kind::Format);
        assert_eq!(kind(seal(&key(), CREATED, &of_bytes(265))), Kind::Argument);
        assert_eq!(seal(&key(), CREATED, &of_bytes(266)).unwrap().len(), 266);
        assert_eq!(seal(&key(), CREATED, &of_bytes(2048)).unwrap().len(), 2048);
        for len in [2049, 10_000, 40_000] {
            assert_eq!(kind(seal(&key(), CREATED, &of_bytes(len))), Kind::Limit, "{len}");
        }
        let rest: Vec<u8> = (0..7).flat_map(|_| asn1(2, &[3])).collect();
        let parts = [asn1(2, &[0]), integer(&[0xff; 2049]), rest].concat();
        let huge = armour("RSA PRIVATE KEY", &asn1(0x30, &parts));
        assert_eq!(kind(recover(&[0; 512], &huge, None)), Kind::Limit);
    }

    /// Whatever bytes are wrong: an error, or a key that is still one.
    #[test]
    fn hostile_keys_are_no_harm() {
        let (sealed, _) = sealed();
        let mut random = Rng::new(7);
        for name in ["public", "private", "private-rsa", "private-pbkdf2"] {
            let (label, der) = unarmour(&pem(name));
            for round in 0..300 {
                let mut wrong = der.clone();
                // More often where the structure is than in the numbers.
                let at = if round % 2 == 0 { random.below(wrong.len().min(60)) } else { random.below(wrong.len()) };
                match round % 5 {
                    0 => wrong.truncate(at),
                    1 => wrong[at] = random.next() as u8,
                    2 => wrong[at..].fill(0),
                    3 => wrong[at] ^= 1 << random.below(8),
                    _ => drop(wrong.remove(at)),
                }
                let pem = armour(&label, &wrong);
                if name == "public" {
                    let _ = seal(&key(), CREATED, &pem).map(|sealed| assert!(sealed.len() <= 2048));
                } else if let Ok(file) = recover(&sealed, &pem, PASSWORD) {
                    file.unlock(b"").unwrap();
                }
                let mut text = pem;
                let at = random.below(text.len());
                text[at] = random.next() as u8;
                let _ = recover(&sealed, &text, PASSWORD);
            }
        }
    }
}
