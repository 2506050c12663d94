//! What a key promises of what is read with it, and what is given where nobody vouches (docs/format.md, 7.3 and 8.5).

mod common;

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use common::{Scratch, kind, plain_blob, quick};
use pxds::backup::{Backup, BackupOptions};
use pxds::base::{Notice, NoticeLevel};
use pxds::callback::Callback;
use pxds::crypt::CryptKey;
use pxds::error::{Error, Kind};
use pxds::ingest::{Ingest, IngestOptions};
use pxds::manifest::{CryptMode, Manifest, Signature};
use pxds::name::{Group, Snapshot};
use pxds::store::{Store, StoreOptions};
use pxds::tree::{OpenOptions, OpenSnapshot};
use pxds::verify::{Done, Outcome, Scope, Sums, Verifier, VerifyOptions};

const TIME: i64 = 1_593_179_765;
const MANIFEST: &str = "index.json.blob";

fn key(byte: u8) -> Arc<CryptKey> {
    Arc::new(CryptKey::new(&[byte; 32]))
}

/// A store, and what it has given notice of.
struct Scene {
    _scratch: Scratch,
    store: Store,
    said: Arc<Mutex<Vec<String>>>,
}

impl Scene {
    fn new() -> Self {
        let scratch = Scratch::new();
        let path = scratch.store("store").path().to_owned();
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        let notice: Notice = Callback(Arc::new(move |level, message: &str, _| {
            assert_eq!(level, NoticeLevel::Warning, "{message}");
            heard.lock().unwrap().push(message.to_owned());
            Ok(())
        }));
        let store = Store::open(&path, &StoreOptions { notice: Some(notice), ..quick() }).unwrap();
        Scene { _scratch: scratch, store, said }
    }

    /// What has been said since the last look.
    fn said(&self) -> Vec<String> {
        std::mem::take(&mut self.said.lock().unwrap())
    }

    /// A snapshot with `a.didx` and `b.blob`.
    fn make(&self, group: &str, time: i64, mode: CryptMode, key: Option<Arc<CryptKey>>) -> Snapshot {
        let options =
            BackupOptions { time: Some(time), crypt_mode: mode, key: key.clone(), ..BackupOptions::default() };
        let mut backup = Backup::new(&self.store, &Group::parse(group).unwrap(), options).unwrap();
        let key = key.filter(|_| mode == CryptMode::Encrypt);
        let mut ingest = Ingest::new(self.store.chunks(), IngestOptions { key, ..IngestOptions::default() }).unwrap();
        ingest.write(format!("the data of {group} at {time}").as_bytes()).unwrap();
        backup.add_index("a.didx", &mut ingest.finish().unwrap()).unwrap();
        backup.add_blob("b.blob", b"key = value\n", true).unwrap();
        backup.finish().unwrap();
        backup.snapshot().clone()
    }

    fn signed(&self, group: &str, time: i64) -> Snapshot {
        self.make(group, time, CryptMode::Encrypt, Some(key(1)))
    }

    fn file(&self, snapshot: &Snapshot, name: &str) -> PathBuf {
        self.store.path().join(snapshot.path()).join(name)
    }

    fn copy(&self, from: &Snapshot, to: &Snapshot, name: &str) {
        fs::copy(self.file(from, name), self.file(to, name)).unwrap();
    }

    /// Changes the manifest's JSON, as somebody without the key can.
    fn forge(&self, snapshot: &Snapshot, change: impl FnOnce(&mut serde_json::Value)) {
        let manifest = self.store.tree().load_manifest(snapshot).unwrap();
        let mut json = serde_json::from_slice(&manifest.to_json().unwrap()).unwrap();
        change(&mut json);
        fs::write(self.file(snapshot, MANIFEST), plain_blob(json.to_string().as_bytes())).unwrap();
    }

    fn open(&self, snapshot: &Snapshot, byte: u8, allow_unsigned: bool) -> Result<OpenSnapshot, Error> {
        let options = OpenOptions { key: Some(key(byte)), allow_unsigned, salvage: false };
        OpenSnapshot::open_with(self.store.tree(), snapshot, options)
    }

    fn salvage(&self, snapshot: &Snapshot, byte: Option<u8>, allow_unsigned: bool) -> Result<OpenSnapshot, Error> {
        let options = OpenOptions { key: byte.map(key), allow_unsigned, salvage: true };
        OpenSnapshot::open_with(self.store.tree(), snapshot, options)
    }
}

/// What somebody who can write to the store, and has no key, can make of a snapshot.
type Forgery = fn(&Scene, &Snapshot);

#[test]
fn with_a_key_nothing_is_given_that_it_does_not_vouch_for() {
    let forgeries: [(&str, Kind, bool, Forgery); 9] = [
        ("no signature", Kind::Auth, true, |scene, snapshot| {
            scene.forge(snapshot, |json| drop(json.as_object_mut().unwrap().remove("signature")));
        }),
        ("a signature that is null", Kind::Auth, true, |scene, snapshot| {
            scene.forge(snapshot, |json| json["signature"] = serde_json::Value::Null);
        }),
        ("no manifest", Kind::Auth, true, |scene, snapshot| {
            fs::remove_file(scene.file(snapshot, MANIFEST)).unwrap();
        }),
        ("an empty signature", Kind::Auth, false, |scene, snapshot| {
            scene.forge(snapshot, |json| json["signature"] = "".into())
        }),
        ("other data", Kind::Auth, false, |scene, snapshot| {
            scene.forge(snapshot, |json| json["files"][0]["csum"] = "00".repeat(32).into());
        }),
        ("another key's fingerprint", Kind::KeyMismatch, false, |scene, snapshot| {
            let fingerprint = key(2).fingerprint().to_string();
            scene.forge(snapshot, |json| json["unprotected"]["key-fingerprint"] = fingerprint.into());
        }),
        ("another time's manifest", Kind::Auth, false, |scene, snapshot| {
            scene.copy(&scene.signed("vm/100", TIME + 1), snapshot, MANIFEST);
        }),
        ("another id's manifest", Kind::Auth, false, |scene, snapshot| {
            scene.copy(&scene.signed("vm/101", TIME), snapshot, MANIFEST);
        }),
        ("another type's manifest", Kind::Auth, false, |scene, snapshot| {
            scene.copy(&scene.signed("ct/100", TIME), snapshot, MANIFEST);
        }),
    ];
    for (what, expected, excused, forge) in forgeries {
        let scene = Scene::new();
        let snapshot = scene.signed("vm/100", TIME);
        let open = scene.open(&snapshot, 1, false).unwrap();
        assert_eq!(open.signature(), Some(Signature::Valid));
        forge(&scene, &snapshot);
        // What was read before it was forged is what counts; the manifest's file is not that any more.
        let again = open.blob(MANIFEST, 1 << 20).map(drop);
        assert!(
            matches!(again.map_err(|error| error.kind()), Err(Kind::Auth | Kind::KeyMismatch | Kind::NotFound)),
            "{what}"
        );
        drop(open);
        assert_eq!(kind(scene.open(&snapshot, 1, false)), expected, "{what}");
        let allowed = scene.open(&snapshot, 1, true).map(|open| assert_ne!(open.signature(), Some(Signature::Valid)));
        assert_eq!(allowed.map_err(|error| error.kind()), if excused { Ok(()) } else { Err(expected) }, "{what}");
    }
}

#[test]
fn what_a_signed_manifest_does_not_list_is_given_on_demand_only() {
    let scene = Scene::new();
    let snapshot = scene.signed("vm/100", TIME);
    for (from, to) in [("a.didx", "extra.didx"), ("b.blob", "client.log.blob")] {
        fs::copy(scene.file(&snapshot, from), scene.file(&snapshot, to)).unwrap();
    }
    let open = scene.open(&snapshot, 1, false).unwrap();
    open.index("a.didx").unwrap();
    open.blob("b.blob", 100).unwrap();
    assert_eq!(kind(open.index("extra.didx")), Kind::Auth);
    assert_eq!(kind(open.blob("client.log.blob", 100)), Kind::Auth);
    assert_eq!(scene.said(), [] as [&str; 0]);
    let open = scene.open(&snapshot, 1, true).unwrap();
    assert!(open.index("extra.didx").unwrap().listed.is_none());
    assert_eq!(open.blob("client.log.blob", 100).unwrap(), b"key = value\n");
    assert_eq!(scene.said().len(), 2);
}

#[test]
fn without_a_key_another_name_is_told() {
    let scene = Scene::new();
    let (snapshot, other) = (scene.signed("vm/100", TIME), scene.signed("vm/101", TIME + 1));
    OpenSnapshot::open(scene.store.tree(), &snapshot, None).unwrap();
    assert_eq!(scene.said(), [] as [&str; 0]);
    scene.copy(&other, &snapshot, MANIFEST);
    OpenSnapshot::open(scene.store.tree(), &snapshot, None).unwrap();
    let said = scene.said();
    assert!(said.len() == 1 && said[0].contains("that of vm/101/2020-06-26T13:56:06Z"), "{said:?}");
}

/// PBS's push of a snapshot that is signed and not encrypted keeps the signature, and says of each file that it has no
/// mode.
#[test]
fn what_pbs_has_pushed_is_explained() {
    let scene = Scene::new();
    let snapshot = scene.make("vm/100", TIME, CryptMode::SignOnly, Some(key(1)));
    scene.open(&snapshot, 1, false).unwrap();
    scene.forge(&snapshot, |json| {
        for file in json["files"].as_array_mut().unwrap() {
            file["crypt-mode"] = "none".into();
        }
    });
    let error = common::failure(scene.open(&snapshot, 1, false));
    assert!(error.kind() == Kind::Auth && error.message().contains("if PBS has pushed the snapshot"), "{error}");
    OpenSnapshot::open(scene.store.tree(), &snapshot, None).unwrap();
    // Of what is encrypted that is no excuse.
    let snapshot = scene.signed("vm/101", TIME);
    scene.forge(&snapshot, |json| json["signature"] = "00".repeat(32).into());
    let error = common::failure(scene.open(&snapshot, 1, false));
    assert!(error.kind() == Kind::Auth && !error.message().contains("PBS"), "{error}");
}

// ---- a manifest that is damaged ----

/// Harm to a manifest, which leaves nothing of it that could be used.
const HARMS: [(&str, Kind, Forgery); 6] = [
    ("empty", Kind::Format, |scene, snapshot| fs::write(scene.file(snapshot, MANIFEST), b"").unwrap()),
    ("a flipped bit", Kind::Corrupt, |scene, snapshot| {
        let mut bytes = fs::read(scene.file(snapshot, MANIFEST)).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(scene.file(snapshot, MANIFEST), bytes).unwrap();
    }),
    ("no JSON", Kind::Format, |scene, snapshot| fs::write(scene.file(snapshot, MANIFEST), plain_blob(b"{")).unwrap()),
    ("too long", Kind::Limit, |scene, snapshot| {
        fs::File::create(scene.file(snapshot, MANIFEST)).unwrap().set_len(1 << 40).unwrap();
    }),
    ("a link", Kind::Format, |scene, snapshot| {
        fs::remove_file(scene.file(snapshot, MANIFEST)).unwrap();
        std::os::unix::fs::symlink("b.blob", scene.file(snapshot, MANIFEST)).unwrap();
    }),
    ("encrypted", Kind::Key, |scene, snapshot| {
        let text = scene.store.tree().load_manifest(snapshot).unwrap().to_json().unwrap();
        let blob = pxds::blob::Codec::with_key(Some(key(1))).seal_vec(&text, true).unwrap();
        fs::write(scene.file(snapshot, MANIFEST), blob).unwrap();
    }),
];

#[test]
fn a_damaged_manifest_locks_nothing_that_a_missing_one_would_not() {
    for (what, expected, harm) in HARMS {
        let scene = Scene::new();
        let snapshot = scene.make("vm/100", TIME, CryptMode::None, None);
        harm(&scene, &snapshot);
        assert_eq!(kind(OpenSnapshot::open(scene.store.tree(), &snapshot, None)), expected, "{what}");
        let open = scene.salvage(&snapshot, None, false).unwrap();
        assert!(open.manifest().is_none() && scene.said().len() == 1, "{what}");
        assert!(open.index("a.didx").unwrap().listed.is_none());
        assert_eq!(open.blob("b.blob", 100).unwrap(), b"key = value\n", "{what}");
        assert_eq!(scene.said().len(), 2, "{what}");
        // A key does not vouch for it.
        assert_eq!(kind(scene.salvage(&snapshot, Some(1), false)), Kind::Auth, "{what}");
        scene.salvage(&snapshot, Some(1), true).unwrap().index("a.didx").unwrap();
    }
}

#[test]
fn a_file_that_is_not_what_the_manifest_lists_can_be_salvaged() {
    let scene = Scene::new();
    let (plain, signed) = (scene.make("vm/100", TIME, CryptMode::None, None), scene.signed("vm/101", TIME));
    scene.forge(&plain, |json| {
        json["files"][0]["size"] = 40.into();
        json["files"][1]["csum"] = "00".repeat(32).into();
    });
    let open = OpenSnapshot::open(scene.store.tree(), &plain, None).unwrap();
    assert_eq!((kind(open.index("a.didx")), kind(open.blob("b.blob", 100))), (Kind::Corrupt, Kind::Corrupt));
    let open = scene.salvage(&plain, None, false).unwrap();
    assert!(open.index("a.didx").unwrap().listed.is_none());
    assert_eq!(open.blob("b.blob", 100).unwrap(), b"key = value\n");
    assert_eq!(scene.said().len(), 2);

    // The signature is right, and what it covers is not what lies there.
    scene.copy(&plain, &signed, "a.didx");
    assert_eq!(kind(scene.salvage(&signed, Some(1), false).unwrap().index("a.didx")), Kind::Corrupt);
    assert!(scene.salvage(&signed, Some(1), true).unwrap().index("a.didx").unwrap().listed.is_none());
}

// ---- verification ----

fn verify(scene: &Scene, scope: &str, options: VerifyOptions) -> (Vec<(String, Outcome, String)>, Sums) {
    let done = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&done);
    let on_done = move |entry: &Done<'_>| {
        let reason = entry.reason.unwrap_or_default().to_owned();
        heard.lock().unwrap().push((entry.snapshot.group().name(), entry.outcome, reason));
        Ok(())
    };
    let options = VerifyOptions { on_done: Some(Callback(Arc::new(on_done))), ..options };
    let mut verifier = Verifier::new(&scene.store, options).unwrap();
    verifier.run(&Scope::parse(scope).unwrap()).unwrap();
    let done = std::mem::take(&mut *done.lock().unwrap());
    (done, verifier.sums())
}

#[test]
fn a_verification_names_what_the_key_does_not_vouch_for() {
    let scene = Scene::new();
    scene.signed("vm/1", TIME);
    scene.make("vm/2", TIME, CryptMode::Encrypt, Some(key(2)));
    scene.make("vm/3", TIME, CryptMode::None, None);
    let stripped = scene.signed("vm/4", TIME);
    scene.forge(&stripped, |json| json["signature"] = serde_json::Value::Null);
    // Who takes the fingerprint away cannot keep the chunks from being decrypted.
    let bare = scene.signed("vm/5", TIME);
    scene.forge(&bare, |json| json["unprotected"] = serde_json::json!({}));
    scene.copy(&scene.signed("vm/6", TIME), &scene.signed("vm/7", TIME), MANIFEST);

    let options = |allow_unsigned| VerifyOptions { key: Some(key(1)), allow_unsigned, ..VerifyOptions::default() };
    let (done, sums) = verify(&scene, "", options(false));
    let outcomes: Vec<_> = done.iter().map(|(group, outcome, _)| (&group[..], *outcome)).collect();
    let expected = [
        ("vm/1", Outcome::Ok),
        ("vm/2", Outcome::Unvouched),
        ("vm/3", Outcome::Unvouched),
        ("vm/4", Outcome::Unvouched),
        ("vm/5", Outcome::Ok),
        ("vm/6", Outcome::Ok),
        ("vm/7", Outcome::Failed),
    ];
    assert_eq!(outcomes, expected);
    assert_eq!((sums.ok, sums.unvouched, sums.failed, sums.skipped), (3, 3, 1, 0));
    assert!(done[1].2.contains("was not used") && done[2].2 == "it is not signed", "{done:?}");
    // The data is what it was, and that is noted.
    for (group, state) in [("vm/2", true), ("vm/3", true), ("vm/7", false)] {
        let snapshot = Snapshot::parse(&format!("{group}/2020-06-26T13:56:05Z")).unwrap();
        assert_eq!(scene.store.tree().load_manifest(&snapshot).unwrap().verify_state().unwrap().ok, state, "{group}");
    }

    let (done, sums) = verify(&scene, "", options(true));
    assert_eq!((sums.ok, sums.unvouched, sums.failed), (5, 1, 1), "another key is no missing signature: {done:?}");
    assert_eq!(verify(&scene, "", VerifyOptions::default()).1.unvouched, 0, "nobody has asked");

    // A chunk of a stripped snapshot is decrypted all the same, and what is wrong with it counts for more.
    let open = OpenSnapshot::open(scene.store.tree(), &bare, None).unwrap();
    let chunk = open.index("a.didx").unwrap().index.chunk(0).unwrap().digest;
    drop(open);
    let path = scene.store.chunks().chunk_path(&chunk);
    let mut bytes = fs::read(&path).unwrap();
    bytes[13] ^= 1; // in the iv, which no CRC covers
    fs::write(&path, bytes).unwrap();
    assert_eq!(verify(&scene, "vm/5", VerifyOptions::default()).1.ok, 1);
    assert_eq!(verify(&scene, "vm/5", options(false)).1.failed, 1);
}

#[test]
fn what_is_unfinished_is_neither_good_nor_damaged() {
    let scene = Scene::new();
    let lost = scene.make("vm/1", TIME, CryptMode::None, None);
    scene.make("vm/1", TIME + 1, CryptMode::None, None);
    fs::remove_file(scene.file(&lost, MANIFEST)).unwrap();
    let (done, sums) = verify(&scene, "vm/1", VerifyOptions::default());
    assert_eq!(done.iter().map(|done| done.1).collect::<Vec<_>>(), [Outcome::Ok, Outcome::Unfinished]);
    assert_eq!((sums.ok, sums.failed, sums.skipped, sums.unfinished), (1, 0, 0, 1));
    let mut verifier = Verifier::new(&scene.store, VerifyOptions::default()).unwrap();
    assert_eq!(kind(verifier.run(&Scope::Snapshot(lost))), Kind::NotFound);
}

#[test]
fn a_manifest_knows_its_snapshot() {
    let snapshot = Snapshot::parse("ns/a/vm/100/2020-06-26T13:56:05Z").unwrap();
    let manifest = Manifest::new(snapshot.group().kind(), snapshot.group().id(), snapshot.time()).unwrap();
    assert!(manifest.is_of(&snapshot), "the namespace does not stand in it");
    assert_eq!(manifest.own_name(), "vm/100/2020-06-26T13:56:05Z");
    for other in ["ct/100/2020-06-26T13:56:05Z", "vm/101/2020-06-26T13:56:05Z", "vm/100/2020-06-26T13:56:06Z"] {
        assert_eq!(kind(manifest.check_place(&Snapshot::parse(other).unwrap())), Kind::Auth, "{other}");
    }
}
