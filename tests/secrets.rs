//! Keys do not stay in memory when the last user is gone (docs/format.md, 3).
//!
//! The heap of this process is searched for the bytes of a key, of the key that is derived from it, and of a key file's
//! text. The test itself keeps them masked.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use pxds::blob::{Blob, Codec};
use pxds::crypt::{CryptKey, digest_all};
use pxds::keyfile::{Kdf, KeyFile};

const MASK: u8 = 0x5a;

/// Where in the writable memory of this process, but for its stacks, the bytes are that `masked` stands for.
fn find(masked: &[u8]) -> Vec<u64> {
    let here = 0_u8;
    let here = &raw const here as u64;
    let mut maps = String::new();
    File::open("/proc/self/maps").unwrap().read_to_string(&mut maps).unwrap();
    let memory = File::open("/proc/self/mem").unwrap();
    let mut found = Vec::new();
    for line in maps.lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        let (from, to) = range.split_once('-').unwrap();
        let (from, to) = (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        let is_stack = rest.contains("[stack") || (from..to).contains(&here);
        if !rest.starts_with("rw") || is_stack || rest.contains('/') {
            continue;
        }
        // One region after the other in the same buffer, which is cleared: what it has read must not be found again.
        let mut region = vec![0; (to - from) as usize];
        if memory.read_exact_at(&mut region, from).is_ok() {
            let hits = region
                .windows(masked.len())
                .enumerate()
                .filter(|(_, window)| window.iter().zip(masked).all(|(byte, masked)| byte ^ MASK == *masked));
            found.extend(hits.map(|(at, _)| from + at as u64));
        }
        region.fill(0);
    }
    found
}

/// The masked bytes of a key that nobody else has.
fn masked_key() -> [u8; 32] {
    std::array::from_fn(|i| (i as u8).wrapping_mul(73).wrapping_add(11))
}

/// The key, which `use_it` may use and nothing may keep. The array is on the stack, and overwritten there.
#[inline(never)]
fn with_key<T>(use_it: impl FnOnce(&[u8; 32]) -> T) -> T {
    let mut secret = masked_key().map(|byte| byte ^ MASK);
    let result = use_it(&secret);
    secret.fill(0);
    std::hint::black_box(&secret);
    result
}

#[track_caller]
fn assert_nothing_left(of: &str) {
    assert!(find(&masked_key()).is_empty(), "of {of}");
}

/// One after the other: they share the memory that is searched.
#[test]
fn nothing_secret_is_left() {
    nothing_of_a_key_is_left();
    nothing_of_a_key_file_is_left();
    #[cfg(feature = "master-key")]
    nothing_of_a_sealed_key_is_left();
}

fn nothing_of_a_key_is_left() {
    // What is looked for is found while it is there.
    let kept: Vec<u8> = masked_key().iter().map(|byte| byte ^ MASK).collect();
    assert!(!find(&masked_key()).is_empty());
    let mut kept = kept;
    kept.fill(0);
    drop(std::hint::black_box(kept));
    assert_nothing_left("what this test has kept");

    let key = Arc::new(with_key(CryptKey::new));
    assert!(!find(&masked_key()).is_empty(), "a key in use is in memory");
    let mut codec = Codec::with_key(Some(key.clone()));
    let blob = codec.seal_vec(b"some data", true).unwrap();
    assert_eq!(
        codec.decode_vec(Blob::load(&blob).unwrap(), Some(&key.digest(b"some data")), 100).unwrap(),
        b"some data"
    );
    let mut digests = [key.digest(b""); 3];
    digest_all(&[b"some data", b"", &[1; 1000]], Some(&key), &mut digests).unwrap();
    assert_eq!(digests[0], key.digest(b"some data"));
    key.auth_tag(b"some data");
    drop(codec);
    drop(key);
    assert_nothing_left("a key that is dropped");
}

fn nothing_of_a_key_file_is_left() {
    for kdf in [Kdf::None, Kdf::Pbkdf2] {
        let key = with_key(CryptKey::new);
        let file = KeyFile::new(&key, kdf, b"a password", 0, None).unwrap();
        let text = file.to_json().unwrap();
        let read = KeyFile::parse(text.as_bytes()).unwrap();
        let again = read.unlock(b"a password").unwrap();
        assert_eq!(again.fingerprint(), key.fingerprint());
        drop((key, file, text, read, again));
        assert_nothing_left(&format!("{kdf:?}"));
    }
}

/// Neither the key nor its base64, which is what is sealed, in the order of a text or of a number.
#[cfg(feature = "master-key")]
fn nothing_of_a_sealed_key_is_left() {
    use base64ct::{Base64, Encoding};

    let pem =
        |name: &str| std::fs::read(format!("{}/tests/vectors/master/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let (public, private) = (pem("public.pem"), pem("private.pem"));
    let mut text = with_key(|secret| Base64::encode_string(secret).into_bytes());
    text.iter_mut().for_each(|byte| *byte ^= MASK);
    // A part that is whole in a number's words, whatever their alignment.
    let forward = text[8..24].to_vec();
    let backward: Vec<u8> = forward.iter().rev().copied().collect();

    let key = with_key(CryptKey::new);
    let sealed = pxds::master::seal(&key, 0, &public).unwrap();
    drop(key);
    assert_nothing_left("a sealed key");
    assert!(find(&forward).is_empty() && find(&backward).is_empty(), "of the sealed text");
    let file = pxds::master::recover(&sealed, &private, None).unwrap();
    drop(file);
    assert_nothing_left("a recovered key");
    assert!(find(&forward).is_empty() && find(&backward).is_empty(), "of the recovered text");
}
