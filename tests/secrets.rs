//! Keys do not stay in memory when the last user is gone (docs/format.md, 3).
//!
//! All memory of this process that can be written is searched, stacks included: for a key, for what is derived from it,
//! for its text in a key file, and for passwords and what they give. The test itself keeps all of that masked.

#[path = "common/mod.rs"]
mod common;

use std::ffi::{CString, c_void};
use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::{fs, iter};

use aes_gcm::aes::Aes256;
use aes_gcm::aes::cipher::{BlockCipherEncrypt, KeyInit};
use base64ct::{Base64, Encoding};
use common::{Rng, Scratch, kind};
use hmac::{Hmac, Mac};
use pxds::blob::{Blob, Codec};
use pxds::chunker::Config;
use pxds::crypt::{CryptKey, Tolerance, digest_all};
use pxds::error::Kind;
use pxds::index::Index;
use pxds::ingest::{Ingest, IngestOptions};
use pxds::keyfile::{Kdf, KeyFile};
use pxds::restore::{RestoreOptions, Restorer};
use pxds::sys::without_traces;
use sha2::Sha256;
use zeroize::Zeroizing;

const MASK: u8 = 0x5a;

/// How much of a secret is looked for: what is shorter than that does not give it away.
const PIECE: usize = 16;

/// Something that must not be found, masked.
struct Piece {
    name: &'static str,
    masked: [u8; PIECE],
}

impl Piece {
    /// The pieces of the secret `bytes`.
    fn all(name: &'static str, bytes: &[u8]) -> Vec<Piece> {
        let mask = |piece: &[u8; PIECE]| Piece { name, masked: std::array::from_fn(|i| piece[i] ^ black_box(MASK)) };
        bytes.as_chunks::<PIECE>().0.iter().map(mask).collect()
    }
}

/// Where in the writable memory of this process the pieces are; each place by the name of what is there.
fn find(pieces: &[Piece]) -> Vec<String> {
    let mut begins = vec![false; 1 << 16];
    let begin = |bytes: &[u8]| usize::from(bytes[0]) << 8 | usize::from(bytes[1]);
    pieces.iter().for_each(|piece| begins[begin(&piece.masked)] = true);

    let mut maps = String::new();
    File::open("/proc/self/maps").unwrap().read_to_string(&mut maps).unwrap();
    let memory = File::open("/proc/self/mem").unwrap();
    let mut found = Vec::new();
    // A part at a time, which is cleared, and is not looked at itself: what this test has read must not be found.
    let mut part = vec![0; 1 << 20];
    let own = part.as_ptr_range();
    let own = own.start as u64..own.end as u64;
    for line in maps.lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        let (from, to) = range.split_once('-').unwrap();
        let (mut at, to) = (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        while rest.starts_with("rw") && at < to {
            let len = part.len().min((to - at) as usize);
            // A region may be gone, or may not be readable in spite of what the map says.
            let read = memory.read_at(&mut part[..len], at).unwrap_or(0);
            part.iter_mut().for_each(|byte| *byte ^= black_box(MASK));
            for (i, window) in part[..read].windows(PIECE).enumerate() {
                let address = at + i as u64;
                if begins[begin(window)] && !own.contains(&address) {
                    let hits = pieces.iter().filter(|piece| piece.masked == *window);
                    found.extend(hits.map(|piece| format!("{} at {address:x} {rest}", piece.name)));
                }
            }
            part.fill(0);
            // What is in two parts is whole in the second.
            at += if read == len && at + (len as u64) < to { len - PIECE } else { len } as u64;
        }
    }
    found
}

/// Bytes that nobody else has, masked; each seed has steps of its own.
fn masked<const N: usize>(seed: u8) -> [u8; N] {
    std::array::from_fn(|i| (i as u8).wrapping_mul(2 * seed + 51).wrapping_add(seed))
}

/// The bytes that `masked` stands for, in a place of their own that is overwritten when it is dropped.
fn plain<const N: usize>(masked: [u8; N]) -> Box<Zeroizing<[u8; N]>> {
    let mut bytes = Box::new(Zeroizing::new([0; N]));
    bytes.iter_mut().zip(masked).for_each(|(byte, masked)| *byte = masked ^ black_box(MASK));
    bytes
}

fn secret_key() -> Box<Zeroizing<[u8; 32]>> {
    plain(masked(11))
}

/// Bytes, not a text: a password may be any.
fn password() -> Box<Zeroizing<[u8; 48]>> {
    plain(masked(12))
}

fn wrong_password() -> Box<Zeroizing<[u8; 48]>> {
    plain(masked(13))
}

/// A key, and all that comes of it.
fn pieces_of_a_key(secret: &[u8; 32]) -> Vec<Piece> {
    let mut id_key = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(secret, b"_id_key", 10, &mut id_key);
    let mut other_id_key = b"_id_key".to_vec();
    for _ in 0..10 {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
        mac.update(&other_id_key);
        other_id_key = mac.finalize().into_bytes().to_vec();
    }
    let mut hash_key = [0; 16].into();
    Aes256::new(secret.into()).encrypt_block(&mut hash_key);
    let reversed: Vec<u8> = hash_key.iter().rev().copied().collect();
    let text = Base64::encode_string(secret);
    [
        Piece::all("key", secret),
        Piece::all("id key", &id_key),
        Piece::all("other id key", &other_id_key),
        Piece::all("state of HMAC", &hmac_state(secret, 0x36)),
        Piece::all("state of HMAC", &hmac_state(secret, 0x5c)),
        Piece::all("state of HMAC", &hmac_state(&id_key, 0x36)),
        Piece::all("state of HMAC", &hmac_state(&id_key, 0x5c)),
        Piece::all("round key", &round_keys(secret)),
        Piece::all("GCM's H", &hash_key),
        Piece::all("GCM's H, reversed", &reversed),
        Piece::all("text of the key", text.as_bytes()),
        Piece::all("text of the key", &text.as_bytes()[8..]),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What HMAC-SHA256 goes on from: the state after the block of the key, in the order of the words in memory.
fn hmac_state(key: &[u8; 32], pad: u8) -> Vec<u8> {
    let block: [u8; 64] = std::array::from_fn(|i| key.get(i).unwrap_or(&0) ^ pad);
    let mut state =
        [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19_u32];
    sha2::block_api::compress256(&mut state, &[block]);
    state.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// The round keys of AES-256 behind the key itself (FIPS 197, 5.2).
fn round_keys(key: &[u8; 32]) -> Vec<u8> {
    let double = |byte: u8| byte << 1 ^ if byte & 0x80 != 0 { 0x1b } else { 0 };
    let times = |a: u8, b: u8| {
        let powers = iter::successors(Some(a), |&power| Some(double(power)));
        powers.take(8).enumerate().filter(|(bit, _)| b >> bit & 1 != 0).fold(0, |sum, (_, power)| sum ^ power)
    };
    let substitute = |byte: u8| {
        let inverse = (0..=255).find(|&inverse| times(byte, inverse) == 1).unwrap_or(0_u8);
        (0..5).fold(0x63, |sum, turn| sum ^ inverse.rotate_left(turn))
    };
    let mut bytes = key.to_vec();
    let mut round_constant = 1;
    for word in 8..60 {
        let mut last: [u8; 4] = bytes[4 * word - 4..].try_into().unwrap();
        if word % 8 == 0 {
            last.rotate_left(1);
        }
        if word % 4 == 0 {
            last = last.map(substitute);
        }
        if word % 8 == 0 {
            last[0] ^= round_constant;
            round_constant = double(round_constant);
        }
        (0..4).for_each(|i| bytes.push(bytes[4 * word - 32 + i] ^ last[i]));
    }
    bytes.split_off(32)
}

/// A password, the key that a file of it is under, and what scrypt makes of it on the way.
fn pieces_of_a_password(password: &[u8], file: &KeyFile) -> Vec<Piece> {
    let json: serde_json::Value = serde_json::from_str(&file.to_json().unwrap()).unwrap();
    let salt = |kdf: &str| Base64::decode_vec(json["kdf"][kdf]["salt"].as_str().unwrap()).unwrap();
    let mut pieces = Piece::all("password", password);
    let mut derived = [0; 32];
    match file.kdf() {
        Kdf::None => return pieces,
        Kdf::Pbkdf2 => pbkdf2::pbkdf2_hmac::<Sha256>(password, &salt("PBKDF2"), 65535, &mut derived),
        Kdf::Scrypt => {
            let params = scrypt::Params::new(16, 8, 1).unwrap();
            scrypt::scrypt(password, &salt("Scrypt"), &params, &mut derived).unwrap();
            let mut first = [0; 1024];
            pbkdf2::pbkdf2_hmac::<Sha256>(password, &salt("Scrypt"), 1, &mut first);
            pieces.extend(Piece::all("first block of scrypt", &first));
        }
    }
    pieces.extend(Piece::all("derived key", &derived));
    pieces.extend(Piece::all("round key of the derived key", &round_keys(&derived)));
    pieces
}

fn key_pieces() -> Vec<Piece> {
    without_traces(|| pieces_of_a_key(&secret_key()))
}

#[track_caller]
fn assert_nothing_left(pieces: &[Piece], of: &str) {
    let found = find(pieces);
    assert!(found.is_empty(), "left of {of}: {found:#?}");
}

/// One after the other: they share the memory that is searched.
#[test]
fn nothing_secret_is_left() {
    // Makes what tests share before any secret is there.
    let scratch = Scratch::new();
    let pieces = key_pieces();
    assert_nothing_left(&pieces, "what this test has computed");
    what_is_there_is_found(&pieces);
    nothing_of_a_key_is_left(&pieces);
    nothing_of_a_key_from_c_is_left(&pieces, &scratch);
    nothing_is_left_in_threads(&pieces, &scratch);
    nothing_of_a_key_file_is_left(&pieces, &scratch);
    nothing_of_a_broken_key_file_is_left(&pieces);
    #[cfg(feature = "master-key")]
    nothing_of_a_sealed_key_is_left(&pieces);
}

/// On the heap, on a stack, in another thread, and in a key that is in use.
fn what_is_there_is_found(pieces: &[Piece]) {
    let has = |found: &[String], name: &str| found.iter().any(|found| found.starts_with(name));
    {
        let _kept = secret_key();
        assert!(has(&find(pieces), "key at"), "on the heap");
    }
    let on_a_stack = |pieces: &[Piece]| {
        let mut kept = [0; 32];
        kept.iter_mut().zip(masked::<32>(11)).for_each(|(byte, masked)| *byte = masked ^ black_box(MASK));
        black_box(&mut kept);
        let found = find(pieces);
        kept.fill(0);
        black_box(&mut kept);
        found
    };
    assert!(has(&on_a_stack(pieces), "key at"), "on the stack");
    let elsewhere = std::thread::scope(|scope| scope.spawn(|| on_a_stack(pieces)).join().unwrap());
    assert!(has(&elsewhere, "key at"), "on the stack of a thread");

    let key = CryptKey::new(&secret_key());
    let found = find(pieces);
    for name in ["key at", "id key at"] {
        assert!(has(&found, name), "{name}: a key in use is in memory");
    }
    // Without these instructions the round keys have another order.
    #[cfg(target_arch = "x86_64")]
    assert!(!is_x86_feature_detected!("aes") || has(&found, "round key at"));
    drop(key);
    assert_nothing_left(pieces, "a key that was looked for");
}

/// Nothing but the key itself, while it is in use: every operation cleans up behind itself.
fn nothing_of_a_key_is_left(pieces: &[Piece]) {
    let key = Arc::new(CryptKey::new(&secret_key()));
    let other = Arc::new(CryptKey::random().unwrap());
    // It has a key of its own, with another second key.
    let mut codec = Codec::with_key(Some(key.clone())).tolerant(Tolerance { short_iv: true, long_header: true });
    let in_use = find(pieces);
    assert!(in_use.iter().any(|found| found.starts_with("other id key at")));
    for data in [&b"some data"[..], &[7; 100_000]] {
        for compress in [false, true] {
            let blob = codec.seal_vec(data, compress).unwrap();
            let blob = Blob::load(&blob).unwrap();
            assert_eq!(codec.decode_vec(blob, Some(&key.digest(data)), data.len()).unwrap(), data);
            assert_eq!(kind(Codec::with_key(Some(other.clone())).decode_vec(blob, None, 1 << 20)), Kind::Auth);
        }
    }
    let mut wrong = codec.seal_vec(b"some data", false).unwrap();
    // Of the tag, and of the iv, whose end is zeros: then it is tried as a short one.
    wrong[30] ^= 1;
    wrong[24..28].fill(0);
    assert_eq!(kind(codec.decode_vec(Blob::parse(&wrong).unwrap(), None, 100)), Kind::Auth);
    let mut digests = [key.digest(b""); 3];
    digest_all(&[b"some data", b"", &[1; 1000]], Some(&key), &mut digests).unwrap();
    assert_eq!(digests[0], key.digest(b"some data"));
    let tag = key.auth_tag(b"some data");
    assert!(key.has_auth_tag(b"some data", &tag) && !key.has_auth_tag(b"other data", &tag));
    assert_eq!(find(pieces), in_use, "beside the key itself");
    drop((codec, key));
    assert_nothing_left(pieces, "a key that is dropped");
}

/// As a C program uses it; what comes by a key file is the host's too.
#[allow(unsafe_code)]
#[allow(clippy::undocumented_unsafe_blocks, reason = "each call keeps to the header")]
fn nothing_of_a_key_from_c_is_left(pieces: &[Piece], scratch: &Scratch) {
    use pxds::ffi::buffer::*;
    use pxds::ffi::key::*;
    use pxds::ffi::keyfile::*;
    use std::ptr::{null, null_mut};

    let path = CString::new(scratch.join("c.json").as_os_str().as_bytes()).unwrap();
    let mut options: pxds_keyfile_options = unsafe { std::mem::zeroed() };
    options.struct_size = size_of::<pxds_keyfile_options>();
    options.kdf = PXDS_KDF_NONE;
    let (mut key, mut again, mut file, mut loaded) = (null_mut(), null_mut(), null_mut(), null_mut());
    let mut text = null_mut();
    let none = null_mut();
    unsafe {
        assert_eq!(pxds_key_new(secret_key().as_ptr(), &raw mut key, none), 0);
        let word: *const c_void = null();
        assert_eq!(pxds_keyfile_new(key, word, 0, &raw const options, &raw mut file, none), 0);
        assert_eq!(pxds_keyfile_format(file, &raw mut text, none), 0);
        assert_eq!(pxds_keyfile_save(file, path.as_ptr(), PXDS_SAVE_REPLACE, none), 0);
        assert_eq!(pxds_keyfile_load(path.as_ptr(), &raw mut loaded, none), 0);
        assert_eq!(pxds_keyfile_unlock(loaded, word, 0, &raw mut again, none), 0);
        pxds_buffer_free(text);
        pxds_keyfile_free(file);
        pxds_keyfile_free(loaded);
        pxds_key_free(key);
        pxds_key_free(again);
    }
    assert_nothing_left(pieces, "a key that C has freed");
}

fn nothing_is_left_in_threads(pieces: &[Piece], scratch: &Scratch) {
    let store = scratch.store("store");
    let data = Rng::new(1).bytes(3 << 20);
    let key = Arc::new(CryptKey::new(&secret_key()));
    let threads = 4;
    let chunker = Config::from_avg(65536).unwrap();
    let options = IngestOptions { chunker, key: Some(key.clone()), threads, ..IngestOptions::default() };
    let mut ingest = Ingest::new(store.chunks(), options).unwrap();
    ingest.write(&data).unwrap();
    let index = Index::from_bytes(&ingest.finish().unwrap().finish(usize::MAX).unwrap(), None).unwrap();
    let options = RestoreOptions { key: Some(key.clone()), threads, ..RestoreOptions::default() };
    let mut len = 0;
    let mut take = |bytes: &[u8]| {
        len += bytes.len();
        Ok(())
    };
    Restorer::new(store.chunks(), options).restore(&index, &mut take).unwrap();
    assert_eq!(len, data.len());
    drop((ingest, key));
    assert_nothing_left(pieces, "a key that threads have used");
}

fn nothing_of_a_key_file_is_left(pieces: &[Piece], scratch: &Scratch) {
    for kdf in [Kdf::None, Kdf::Pbkdf2, Kdf::Scrypt] {
        let path = scratch.join(format!("{kdf:?}.json"));
        let key = CryptKey::new(&secret_key());
        let file = KeyFile::new(&key, kdf, &password()[..], 0, Some("the usual")).unwrap();
        let more = without_traces(|| pieces_of_a_password(&password()[..], &file));
        assert_nothing_left(&more, "what this test has computed");
        let text = file.to_json().unwrap();
        file.save(&path, false).unwrap();
        let read = KeyFile::parse(text.as_bytes()).unwrap();
        let loaded = KeyFile::load(&path).unwrap();
        let again = [&read, &loaded].map(|file| file.unlock(&password()[..]).unwrap());
        assert!(again.iter().all(|again| again.fingerprint() == key.fingerprint()));
        if kdf != Kdf::None {
            assert_eq!(kind(read.unlock(&wrong_password()[..])), Kind::Password);
        }
        assert_nothing_left(&more, &format!("the password of {kdf:?}"));
        drop((key, file, text, read, loaded, again));
        fs::remove_file(path).unwrap();
        assert_nothing_left(pieces, &format!("a key file of {kdf:?}"));
    }
}

/// What it is, the error if it is one, and the parts of the text.
type Case<'a> = (&'a str, Option<Kind>, &'a [&'a [u8]]);

/// Key files without a password that cannot be read for all kinds of reasons, and one that can, though it is unusual.
fn nothing_of_a_broken_key_file_is_left(pieces: &[Piece]) {
    let file = KeyFile::new(&CryptKey::new(&secret_key()), Kdf::None, b"", 0, None).unwrap();
    let text = file.to_json().unwrap();
    drop(file);
    let at = text.find(r#""data":""#).unwrap() + 8;
    let (before, rest) = text.as_bytes().split_at(at);
    let (data, after) = rest.split_at(44);
    let long_hint = [&br#"","hint":""#[..], &[b'\\'; 40_000], &after[..after.len() - 1], br#","x":""}"#].concat();
    let cases: [Case<'_>; 9] = [
        ("cut off", Some(Kind::Format), &[before, data]),
        ("cut off in the key", Some(Kind::Format), &[before, &data[..40]]),
        ("garbage behind it", Some(Kind::Format), &[before, data, after, b"x"]),
        ("a wrong letter", Some(Kind::Format), &[before, &data[..42], b"*=", after]),
        ("a line feed", Some(Kind::Format), &[before, data, b"\\n", after]),
        ("an escaped letter", None, &[before, &data[..43], b"\\u003d", after]),
        ("twice", None, &[before, data, br#"","data":""#, data, after]),
        ("elsewhere", Some(Kind::Format), &[b"\"", data, b"\""]),
        ("a long hint", None, &[before, data, &long_hint]),
    ];
    for (name, error, parts) in cases {
        // At once of the right size.
        let mut text: Zeroizing<Vec<u8>> =
            Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
        parts.iter().for_each(|part| text.extend_from_slice(part));
        match (KeyFile::parse(&text), error) {
            (Ok(file), None) => drop((file.to_json().unwrap(), file.unlock(b"").unwrap(), file.clone())),
            (Err(found), Some(kind)) => assert_eq!(found.kind(), kind, "{name}: {found}"),
            (result, _) => panic!("{name}: {:?}", result.err()),
        }
    }
    drop(text);
    assert_nothing_left(pieces, "broken key files");
}

/// Neither the key nor its base64, which is what is sealed, in the order of a text or of a number; nor the master key.
#[cfg(feature = "master-key")]
fn nothing_of_a_sealed_key_is_left(pieces: &[Piece]) {
    let pem = |name: &str| Zeroizing::new(common::vector_bytes(&format!("master/{name}")));
    let public = pem("public.pem");
    let mut pieces: Vec<Piece> = pieces.iter().map(|Piece { name, masked }| Piece { name, masked: *masked }).collect();
    without_traces(|| {
        let mut text = Zeroizing::new(Base64::encode_string(&secret_key()[..]).into_bytes());
        text.reverse();
        pieces.extend(Piece::all("text of the key, backward", &text));
        pieces.extend(Piece::all("text of the key, backward", &text[8..]));
    });
    let key = CryptKey::new(&secret_key());
    let sealed = pxds::master::seal(&key, 0, &public).unwrap();
    drop(key);
    assert_nothing_left(&pieces, "a sealed key");

    for (name, word) in [("private.pem", None), ("private-rsa.pem", None)] {
        let private = pem(name);
        pieces.extend(without_traces(|| pieces_of_a_master_key(&private)));
        drop(pxds::master::recover(&sealed, &private, word).unwrap());
        drop(private);
        assert_nothing_left(&pieces, &format!("a key recovered by {name}"));
    }
}

/// The numbers of a private key that are secret, in the order of a text or of a number.
#[cfg(feature = "master-key")]
fn pieces_of_a_master_key(pem: &[u8]) -> Vec<Piece> {
    let lines: Vec<&str> = str::from_utf8(pem).unwrap().lines().filter(|line| !line.starts_with('-')).collect();
    let mut der = Base64::decode_vec(&lines.concat()).unwrap();
    // The last 1400 bytes are those of the private exponent, the primes and what is derived from them, one after the
    // other; the modulus before is public.
    let mut der = der.split_off(der.len() - 1400);
    let mut pieces = Piece::all("master key", &der);
    der.reverse();
    pieces.extend(Piece::all("master key, backward", &der));
    pieces
}
