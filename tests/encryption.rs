//! Encryption from end to end (docs/format.md, 2, 3, 8.5 and 9.3).

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use common::{Rng, Scratch, failure, generate, kind, quick, unhex, vector_json};
use pxds::backup::{Backup, BackupOptions};
use pxds::blob::{Blob, Codec, update_crc};
use pxds::chunker::Config;
use pxds::crypt::{CryptKey, Tolerance};
use pxds::digest::Digest;
use pxds::error::Kind;
use pxds::hash::sha256;
use pxds::index::{DynamicWriter, Index, RequiredForm, Terms};
use pxds::ingest::{Changes, CopyOptions, Image, ImageOptions, Ingest, IngestOptions, StoredIndex, copy_chunks};
use pxds::manifest::{CryptMode, Signature};
use pxds::name::{Group, Snapshot};
use pxds::reader::{Cache, Reader, ReaderOptions};
use pxds::restore::{RestoreOptions, Restorer};
use pxds::store::Store;
use pxds::tree::{OpenOptions, OpenSnapshot};
use pxds::verify::{Scope, Verifier, VerifyOptions};

fn key(byte: u8) -> Arc<CryptKey> {
    Arc::new(CryptKey::new(&[byte; 32]))
}

fn stream(store: &Store, data: &[u8], key: Option<Arc<CryptKey>>) -> StoredIndex {
    let chunker = Config::from_avg(65536).unwrap();
    let mut ingest = Ingest::new(store.chunks(), IngestOptions { chunker, key, ..IngestOptions::default() }).unwrap();
    ingest.write(data).unwrap();
    ingest.finish().unwrap()
}

fn image(store: &Store, data: &[u8], key: Option<Arc<CryptKey>>) -> StoredIndex {
    let options = ImageOptions { chunk_size: 4096, key, ..ImageOptions::default() };
    let mut image = Image::new(store.chunks(), Some(data.len() as u64), options).unwrap();
    image.write(data).unwrap();
    image.finish().unwrap()
}

fn index(stored: &mut StoredIndex) -> Index {
    Index::from_bytes(&stored.finish(usize::MAX).unwrap(), None).unwrap()
}

fn restore(store: &Store, index: &Index, options: RestoreOptions) -> pxds::error::Result<Vec<u8>> {
    let mut data = Vec::new();
    let mut take = |bytes: &[u8]| {
        data.extend_from_slice(bytes);
        Ok(())
    };
    Restorer::new(store.chunks(), options).restore(index, &mut take).map(|()| data)
}

fn with(key: Option<Arc<CryptKey>>) -> RestoreOptions {
    RestoreOptions { key, ..RestoreOptions::default() }
}

#[test]
fn chunks_are_sealed_and_opened() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let mut data = Rng::new(1).mixture(400_000);
    data.extend(vec![0; 300_000]);
    for stored in [&mut stream(&store, &data, Some(key(1))), &mut image(&store, &data, Some(key(1)))] {
        let mut index = index(stored);
        assert_eq!(restore(&store, &index, with(Some(key(1)))).unwrap(), data);
        assert_eq!(kind(restore(&store, &index, with(None))), Kind::Key);
        assert_eq!(kind(restore(&store, &index, with(Some(key(2))))), Kind::Auth);
        for (required_form, result) in [(RequiredForm::Encrypted, None), (RequiredForm::Plain, Some(Kind::CryptMode))] {
            index = index.with_terms(Terms { required_form: Some(required_form), ..Terms::default() });
            assert_eq!(restore(&store, &index, with(Some(key(1)))).err().map(|error| error.kind()), result);
        }
        index = index.with_terms(Terms::default());
        for sparse in [false, true] {
            let options = RestoreOptions { sparse, ..with(Some(key(1))) };
            assert_eq!(restore(&store, &index, options).unwrap(), data);
        }
        for i in 0..index.count() {
            let digest = index.chunk(i).unwrap().digest;
            assert!(store.chunks().stored_form(&digest).unwrap().unwrap().encrypted);
        }
    }
    // The same data in the clear shares nothing with it.
    let digests = |stored: &mut StoredIndex| -> BTreeSet<Digest> {
        let index = index(stored);
        (0..index.count()).map(|i| index.chunk(i).unwrap().digest).collect()
    };
    let plain = digests(&mut stream(&store, &data, None));
    let sealed = digests(&mut stream(&store, &data, Some(key(1))));
    assert!(plain.len() > 2 && plain.len() == sealed.len() && plain.is_disjoint(&sealed));
    let again = stream(&store, &data, Some(key(1)));
    assert_eq!(again.stats().new_chunks, 0);
    let other = stream(&store, &data, Some(key(2)));
    assert!(other.stats().new_chunks > 0);
    assert_eq!(other.key(), Some(key(2).fingerprint()));
}

#[test]
fn encrypted_zeros_are_known_with_the_key() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let data = vec![0; 40 * 4096];
    let terms = Terms { required_form: Some(RequiredForm::Encrypted), ..Terms::default() };
    let index = Arc::new(index(&mut image(&store, &data, Some(key(1)))).with_terms(terms));
    let source = Arc::new(store.chunks().clone());
    let reader = |key| {
        let options = ReaderOptions { key, ..ReaderOptions::default() };
        Reader::new(source.clone(), index.clone(), options).unwrap()
    };
    assert!(reader(Some(key(1))).extent(0, u64::MAX).unwrap().is_zero);
    assert!(!reader(None).extent(0, u64::MAX).unwrap().is_zero);
    assert!(!reader(Some(key(2))).extent(0, u64::MAX).unwrap().is_zero);
}

#[test]
fn a_shared_cache_shows_nothing_to_those_without_the_key() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let data = Rng::new(2).bytes(4096);
    let index = Arc::new(index(&mut image(&store, &data, Some(key(1)))));
    let cache = Arc::new(Cache::new(1 << 20).unwrap());
    let source = Arc::new(store.chunks().clone());
    let read = |key: Option<Arc<CryptKey>>| {
        let options = ReaderOptions { key, cache: Some(cache.clone()), ..ReaderOptions::default() };
        let mut out = vec![0; 4096];
        Reader::new(source.clone(), index.clone(), options).unwrap().read_at(0, &mut out).map(|_| out)
    };
    assert_eq!(read(Some(key(1))).unwrap(), data);
    assert_eq!(kind(read(None)), Kind::Key);
    assert_eq!(kind(read(Some(key(2)))), Kind::Key);
    assert_eq!(read(Some(key(1))).unwrap(), data);
}

#[test]
fn an_unencrypted_image_is_not_taken_over_into_an_encrypted_one() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let data = Rng::new(3).bytes(8 * 4096);
    let changed = || Changes::Ranges(Vec::new());
    for (before, after, reused) in
        [(None, None, 8), (None, Some(key(1)), 0), (Some(key(1)), None, 0), (Some(key(1)), Some(key(1)), 8)]
    {
        let earlier = index(&mut image(&store, &data, before));
        let options = ImageOptions { chunk_size: 4096, key: after, ..ImageOptions::default() };
        let mut image = Image::new(store.chunks(), Some(data.len() as u64), options).unwrap();
        image.reuse(&earlier, changed()).unwrap();
        assert_eq!(image.stats().chunks, reused);
    }
}

fn group() -> Group {
    Group::parse("host/x").unwrap()
}

fn backup(store: &Store, mode: CryptMode, key: Option<Arc<CryptKey>>, data: &[u8]) -> Snapshot {
    let options =
        BackupOptions { crypt_mode: mode, key: key.clone(), any_chunk_size: true, ..BackupOptions::default() };
    let mut backup = Backup::new(store, &group(), options).unwrap();
    let chunk_key = key.filter(|_| mode == CryptMode::Encrypt);
    backup.add_index("a.didx", &mut stream(store, data, chunk_key.clone())).unwrap();
    backup.add_index("b.fidx", &mut image(store, data, chunk_key)).unwrap();
    backup.add_blob("c.blob", b"some configuration", true).unwrap();
    backup.finish().unwrap();
    backup.snapshot().clone()
}

#[test]
fn snapshots_are_encrypted_and_signed() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let data = Rng::new(4).mixture(200_000);
    for mode in [CryptMode::None, CryptMode::SignOnly, CryptMode::Encrypt] {
        let signed = mode != CryptMode::None;
        let snapshot = backup(&store, mode, signed.then(|| key(1)), &data);
        let options = |byte| OpenOptions { key: Some(key(byte)), allow_unsigned: !signed, salvage: false };
        let open = OpenSnapshot::open_with(store.tree(), &snapshot, options(1)).unwrap();
        assert_eq!(open.signature(), Some(if signed { Signature::Valid } else { Signature::Missing }));
        let manifest = open.manifest().unwrap();
        assert!(manifest.files().iter().all(|file| file.crypt_mode == mode));
        assert_eq!(manifest.key_fingerprint().is_some(), signed);
        assert_eq!(open.blob("c.blob", 100).unwrap(), b"some configuration");
        for name in ["a.didx", "b.fidx"] {
            let archive = open.index(name).unwrap();
            assert_eq!(restore(&store, &archive.index, with(Some(key(1)))).unwrap(), data);
            assert_eq!(restore(&store, &archive.index, with(None)).is_ok(), mode != CryptMode::Encrypt);
        }
        // Without the key: what is not encrypted can be had.
        let open = OpenSnapshot::open(store.tree(), &snapshot, None).unwrap();
        assert_eq!(open.signature(), None);
        match open.blob("c.blob", 100) {
            Ok(data) => assert_eq!((data, mode != CryptMode::Encrypt), (b"some configuration".to_vec(), true)),
            Err(error) => assert_eq!((error.kind(), mode), (Kind::Key, CryptMode::Encrypt)),
        }
        // With another key: a signature of a key that is not at hand.
        let other = OpenSnapshot::open_with(store.tree(), &snapshot, options(2));
        assert_eq!(other.err().map(|error| error.kind()), signed.then_some(Kind::KeyMismatch));
        // Notes can be changed without it.
        store
            .tree()
            .update_manifest(&snapshot, |manifest| {
                manifest.set_notes(Some("x")).unwrap();
                Ok(())
            })
            .unwrap();
        OpenSnapshot::open_with(store.tree(), &snapshot, options(1)).unwrap();
    }
}

#[test]
fn a_backup_holds_to_its_mode() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let new =
        |crypt_mode, key| Backup::new(&store, &group(), BackupOptions { crypt_mode, key, ..BackupOptions::default() });
    assert_eq!(failure(new(CryptMode::Encrypt, None)).kind(), Kind::Key);
    assert_eq!(failure(new(CryptMode::SignOnly, None)).kind(), Kind::Key);
    assert_eq!(failure(new(CryptMode::None, Some(key(1)))).kind(), Kind::Argument);
    let mut backup = new(CryptMode::Encrypt, Some(key(1))).unwrap();
    for wrong in [None, Some(key(2))] {
        let error = failure(backup.add_index("a.didx", &mut stream(&store, b"data", wrong)));
        assert_eq!(error.kind(), Kind::CryptMode);
    }
    backup.add_index("a.didx", &mut stream(&store, b"data", Some(key(1)))).unwrap();
    drop(backup);
    let mut backup = new(CryptMode::SignOnly, Some(key(1))).unwrap();
    assert_eq!(failure(backup.add_index("a.didx", &mut stream(&store, b"data", Some(key(1))))).kind(), Kind::CryptMode);
}

#[test]
fn a_plain_blob_in_the_place_of_an_encrypted_one_is_refused() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let snapshot = backup(&store, CryptMode::Encrypt, Some(key(1)), b"data");
    let dir = store.path().join(snapshot.path());
    let plain = Codec::new().encode_vec(b"slipped in", false).unwrap();
    fs::write(dir.join("c.blob"), &plain).unwrap();
    let open = OpenSnapshot::open(store.tree(), &snapshot, None).unwrap();
    assert_eq!(kind(open.blob("c.blob", 100)), Kind::Corrupt, "the csum");
}

#[test]
fn every_field_of_the_header_counts() {
    let data = Rng::new(5).mixture(1000);
    let mut codec = Codec::with_key(Some(key(1)));
    for compress in [false, true] {
        let blob = codec.seal_vec(&data, compress).unwrap();
        let digest = key(1).digest(&data);
        assert_eq!(codec.decode_vec(Blob::load(&blob).unwrap(), Some(&digest), 1000).unwrap(), data);
        for i in 0..blob.len() {
            let mut wrong = blob.clone();
            wrong[i] ^= 4;
            let expected = match i {
                0..8 => Kind::Format,
                8..12 => Kind::Corrupt,
                12..44 => Kind::Auth,
                _ => Kind::Corrupt,
            };
            let decoded = Blob::load(&wrong).and_then(|blob| codec.decode_vec(blob, Some(&digest), 1000));
            assert_eq!(kind(decoded), expected, "byte {i}");
            if i >= 44 {
                update_crc(&mut wrong).unwrap();
                let decoded = Blob::load(&wrong).and_then(|blob| codec.decode_vec(blob, Some(&digest), 1000));
                assert_eq!(kind(decoded), Kind::Auth, "byte {i}");
            }
        }
        for len in 0..blob.len() {
            let decoded = Blob::load(&blob[..len]).and_then(|blob| codec.decode_vec(blob, Some(&digest), 1000));
            assert!(matches!(kind(decoded), Kind::Format | Kind::Corrupt), "{len} bytes");
        }
    }
}

#[test]
fn sealing_fits_what_it_says() {
    let mut codec = Codec::with_key(Some(key(1)));
    for len in [0, 1, 31, 100] {
        let data = vec![b'a'; len];
        for compress in [false, true] {
            let whole = codec.seal_vec(&data, compress).unwrap().len();
            for room in 0..len + 50 {
                match codec.seal(&data, compress, &mut vec![0; room]) {
                    Ok(found) => assert!(found <= room && (found == whole || found == 44 + len)),
                    Err(error) => assert!(error.kind() == Kind::TooSmall && room < 44 + len, "{error}"),
                }
            }
        }
    }
    assert_eq!(kind(Codec::new().seal_vec(b"", false)), Kind::Key);
}

#[test]
fn other_forms_are_read_on_demand() {
    let data = b"The quick brown fox jumps over the lazy dog";
    let secret: [u8; 32] = std::array::from_fn(|i| i as u8);
    let key = Arc::new(CryptKey::new(&secret));
    // An iv of 12 bytes, 10 to 1b.
    let sealed = "2996fd3638bc53d0a1556a6f600e0773b13f362e71b73ac194d98d113b2674af388c776f94dc17cf1a59f5";
    let tag = "1ac828f6749dd32b4df0c4c7c0ae187c";
    let iv = "101112131415161718191a1b00000000";
    let mut short = unhex(&format!("7b6785be222d4cf000000000{iv}{tag}{sealed}"));
    update_crc(&mut short).unwrap();
    let tolerant = |tolerance| Codec::with_key(Some(key.clone())).tolerant(tolerance);
    let mut lenient = tolerant(Tolerance { short_iv: true, long_header: false });
    assert_eq!(lenient.decode_vec(Blob::load(&short).unwrap(), None, 100).unwrap(), data);
    assert_eq!(kind(Codec::with_key(Some(key.clone())).decode_vec(Blob::load(&short).unwrap(), None, 100)), Kind::Auth);
    // Four zero bytes more in the header, and the CRC over what is behind them.
    let good = Codec::with_key(Some(key.clone())).seal_vec(data, false).unwrap();
    let long = [&good[..44], &[0; 4], &good[44..]].concat();
    assert_eq!(kind(Blob::load(&long)), Kind::Corrupt);
    let mut lenient = tolerant(Tolerance { short_iv: false, long_header: true });
    let blob = lenient.load(&long).unwrap();
    assert_eq!(lenient.decode_vec(blob, Some(&key.digest(data)), 100).unwrap(), data);
    let blob = lenient.load(&good).unwrap();
    assert_eq!(lenient.decode_vec(blob, None, 100).unwrap(), data);
    let mut damaged = long.clone();
    damaged[60] ^= 1;
    assert_eq!(kind(lenient.load(&damaged)), Kind::Corrupt);
}

#[test]
fn an_authentic_frame_that_is_cut_off_is_an_error() {
    let set = vector_json("set.json");
    let key = Arc::new(CryptKey::new(&unhex(set["key"].as_str().unwrap()).try_into().unwrap()));
    let blob = common::vector_bytes("blobs/neg-enccompr-truncated-frame-inside.blob");
    let mut codec = Codec::with_key(Some(key));
    assert_eq!(kind(codec.decode_vec(Blob::load(&blob).unwrap(), None, 1 << 20)), Kind::Corrupt);
}

#[test]
fn the_encrypted_snapshots_of_pbs() {
    let scratch = Scratch::new();
    let archive = common::vector_path("store/store.tar.gz");
    let tar = std::process::Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(scratch.path()).status();
    assert!(tar.unwrap().success());
    let store = Store::open(scratch.path(), &quick()).unwrap();
    let json = vector_json("store/store.json");
    let key = Arc::new(CryptKey::new(&unhex(json["key"].as_str().unwrap()).try_into().unwrap()));
    let (mut encrypted, mut valid) = (0, 0);
    for (path, content) in json["contents"].as_object().unwrap() {
        let (snapshot, name) = path.rsplit_once('/').unwrap();
        // Not all of them are signed.
        let options = OpenOptions { key: Some(key.clone()), allow_unsigned: true, salvage: false };
        let open = OpenSnapshot::open_with(store.tree(), &Snapshot::parse(snapshot).unwrap(), options).unwrap();
        let expected = generate(content["content"].as_array().unwrap());
        let data = match name.ends_with(".blob") {
            true => open.blob(name, usize::MAX).unwrap(),
            false => restore(&store, &open.index(name).unwrap().index, with(Some(key.clone()))).unwrap(),
        };
        assert_eq!(data, expected, "{path}");
        encrypted += usize::from(content["encrypted"].as_bool().unwrap());
        valid += usize::from(open.signature() == Some(Signature::Valid));
    }
    assert!(encrypted >= 3 && valid >= 4, "{encrypted} {valid}");
}

// ---- what the Go package has encrypted ----

const GO_DATA: &[u8] = b"The quick brown fox jumps over the lazy dog";

/// The second key of that package, of the key 00 01 ... 1f.
const GO_ID_KEY: &str = "23b87bd882ee10a3f9d7e4e7c23adc523a5ce832b8d6fc2639d45d9505b1a52e";

fn go_key() -> CryptKey {
    CryptKey::new(&std::array::from_fn(|i| i as u8))
}

fn go_digest() -> Digest {
    sha256(&[GO_DATA, &unhex(GO_ID_KEY)].concat())
}

/// [`GO_DATA`] as it was sealed with an iv of 12 bytes, 10 to 1b; with four zero bytes behind the header, or not.
fn go_blob(long_header: bool) -> Vec<u8> {
    let sealed = "2996fd3638bc53d0a1556a6f600e0773b13f362e71b73ac194d98d113b2674af388c776f94dc17cf1a59f5";
    let header = "7b6785be222d4cf000000000101112131415161718191a1b000000001ac828f6749dd32b4df0c4c7c0ae187c";
    let mut blob = unhex(&format!("{header}{sealed}"));
    update_crc(&mut blob).unwrap();
    if long_header {
        blob.splice(44..44, [0; 4]);
    }
    blob
}

/// A snapshot as the package leaves one: a blob and an index of one chunk, and a manifest that it has signed.
fn go_snapshot(store: &Store, long_header: bool) -> Snapshot {
    let snapshot = Snapshot::parse("host/go/2023-11-14T22:13:20Z").unwrap();
    drop(store.tree().create_snapshot(&snapshot, None).unwrap());
    let dir = store.path().join(snapshot.path());
    common::plant(store, &go_digest(), &go_blob(long_header));
    let mut writer = DynamicWriter::new(0, None).unwrap();
    writer.add(GO_DATA.len() as u64, &go_digest()).unwrap();
    let index = writer.complete().unwrap().to_bytes(1 << 20).unwrap();
    let csum = Digest(index[32..64].try_into().unwrap());
    fs::write(dir.join("a.didx"), &index).unwrap();
    fs::write(dir.join("b.blob"), go_blob(long_header)).unwrap();
    let fingerprint =
        sha256(&[&sha256(b"Proxmox Backup Encryption Key Fingerprint").0[..], &unhex(GO_ID_KEY)].concat());
    let colons = |digest: &Digest| {
        let text = digest.to_string().to_uppercase();
        text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect::<Vec<_>>().join(":")
    };
    let blob = go_blob(long_header);
    let manifest = serde_json::json!({
        "backup-type": "host", "backup-id": "go", "backup-time": snapshot.time(), "crypt-mode": "encrypt",
        "files": [
            {"filename": "a.didx", "crypt-mode": "encrypt", "size": GO_DATA.len(), "csum": csum.to_string()},
            {"filename": "b.blob", "crypt-mode": "encrypt", "size": blob.len(), "csum": sha256(&blob).to_string()},
        ],
        "signature": colons(&sha256(b"whatever it has made of it")),
        "unprotected": {"key-fingerprint": colons(&fingerprint)},
    });
    let manifest = Codec::new().encode_vec(manifest.to_string().as_bytes(), true).unwrap();
    fs::write(dir.join("index.json.blob"), manifest).unwrap();
    snapshot
}

#[test]
fn a_store_of_the_go_package_is_read() {
    for long_header in [false, true] {
        let scratch = Scratch::new();
        let store = scratch.store("store");
        let snapshot = go_snapshot(&store, long_header);
        let tolerant = Arc::new(go_key().tolerant(Tolerance { short_iv: true, long_header }));
        let index = Index::open(&store.path().join(snapshot.path()).join("a.didx"), None).unwrap();
        let index = Arc::new(index);

        for threads in [1, 2] {
            let restored = |key: CryptKey| {
                let options = RestoreOptions { key: Some(Arc::new(key)), threads, ..RestoreOptions::default() };
                let mut data = Vec::new();
                let mut sink = |bytes: &[u8]| {
                    data.extend_from_slice(bytes);
                    Ok(())
                };
                Restorer::new(store.chunks(), options).restore(&index, &mut sink).map(|()| data)
            };
            assert_eq!(restored(go_key().tolerant(tolerant.tolerance())).unwrap(), GO_DATA);
            let strict = if long_header { Kind::Corrupt } else { Kind::Auth };
            assert_eq!(kind(restored(go_key())), strict);
            // Another key, and a digest that is not of this data.
            let other = CryptKey::new(&[7; 32]).tolerant(tolerant.tolerance());
            assert_eq!(kind(restored(other)), Kind::Auth);
        }

        let options = ReaderOptions { key: Some(tolerant.clone()), ..ReaderOptions::default() };
        let reader = Reader::new(Arc::new(store.chunks().clone()), index.clone(), options).unwrap();
        let mut data = [0; 43];
        assert_eq!(reader.read_at(0, &mut data).unwrap(), 43);
        assert_eq!(data, GO_DATA);

        let target = scratch.store("target");
        let options = CopyOptions { key: Some(tolerant.clone()), ..CopyOptions::default() };
        drop(copy_chunks(store.chunks(), &index, target.chunks(), options).unwrap());
        assert_eq!(fs::read(target.chunks().chunk_path(&go_digest())).unwrap(), go_blob(long_header));

        let verify = |key: &Arc<CryptKey>| {
            let options = VerifyOptions {
                read_only: true,
                allow_unsigned: true,
                key: Some(key.clone()),
                ..VerifyOptions::default()
            };
            let mut verifier = Verifier::new(&store, options).unwrap();
            verifier.run(&Scope::Snapshot(snapshot.clone())).unwrap();
            (verifier.sums().ok, verifier.sums().failed)
        };
        assert_eq!(verify(&tolerant), (1, 0));
        let wrong = common::plant(&store, &go_digest(), &go_blob(long_header));
        let mut damaged = fs::read(&wrong).unwrap();
        damaged[30] ^= 1; // of the tag, which has no CRC
        fs::write(&wrong, damaged).unwrap();
        assert_eq!(verify(&tolerant), (0, 1));
    }
}

/// A digest that neither second key makes of the data stays wrong.
#[test]
fn the_digest_of_such_data_is_checked() {
    let tolerance = Tolerance { short_iv: true, long_header: true };
    let mut codec = Codec::with_key(Some(Arc::new(go_key().tolerant(tolerance))));
    let blob = go_blob(false);
    let mut decode = |digest: &Digest| codec.decode_vec(Blob::load(&blob).unwrap(), Some(digest), 100);
    assert_eq!(decode(&go_digest()).unwrap(), GO_DATA);
    assert_eq!(decode(&go_key().digest(GO_DATA)).unwrap(), GO_DATA);
    assert_eq!(kind(decode(&sha256(GO_DATA))), Kind::Corrupt);
}
