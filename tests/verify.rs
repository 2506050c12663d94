//! Verification (docs/format.md, 10): held to what PBS finds in a damaged store, and to what was damaged here.

mod common;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use common::{Json, Rng, Scratch, failure, generate, kind, plant, quick, tree, unhex, vector_json};
use pxds::backup::{Backup, BackupOptions};
use pxds::blob::Codec;
use pxds::chunker::Config;
use pxds::crypt::CryptKey;
use pxds::digest::Digest;
use pxds::error::{Error, Kind, Result};
use pxds::hash::sha256;
use pxds::index::ChunkInfo;
use pxds::ingest::{Image, ImageOptions, Ingest, IngestOptions};
use pxds::manifest::{CryptMode, VerifyState};
use pxds::name::{Group, Snapshot};
use pxds::snapshot::OpenSnapshot;
use pxds::store::{InsertOptions, Layout, Store, StoreOptions};
use pxds::sys::LockMode;
use pxds::verify::{Listeners, Outcome, PHASE_CHECK, PHASE_LIST, Scope, Sums, Verifier, VerifyOptions, new_upid};

const TIME: i64 = 1_593_179_765;
const UPID: &str = "UPID:elsa:00004F37:0039E469:00000000:5CA78B83:verify::root@pam:";
const DAY: i64 = 86400;

/// One place that is damaged, as it was told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    snapshot: String,
    archive: String,
    place: Option<(u64, u64, String)>,
    kind: String,
    renamed: bool,
    repaired: bool,
}

/// All that a run has said.
#[derive(Debug, Default, PartialEq, Eq)]
struct Report {
    rows: Vec<Row>,
    done: Vec<(String, Outcome, u64, u64)>,
    sums: Sums,
}

impl Report {
    fn failed(&self) -> BTreeSet<&str> {
        self.with(Outcome::Failed)
    }

    fn with(&self, wanted: Outcome) -> BTreeSet<&str> {
        self.done.iter().filter(|done| done.1 == wanted).map(|done| done.0.as_str()).collect()
    }

    fn kinds(&self) -> Vec<&str> {
        self.rows.iter().map(|row| row.kind.as_str()).collect()
    }
}

fn try_verify(store: &Store, scope: &str, options: VerifyOptions) -> Result<Report> {
    let (mut rows, mut done) = (Vec::new(), Vec::new());
    let mut on_damage = |damage: &pxds::verify::Damage<'_>| {
        let place = |chunk: ChunkInfo| (chunk.start, chunk.len(), chunk.digest.to_string());
        assert!(!damage.message.is_empty());
        rows.push(Row {
            snapshot: damage.snapshot.path(),
            archive: damage.archive.to_owned(),
            place: damage.chunk.map(place),
            kind: format!("{:?}", damage.kind),
            renamed: damage.renamed,
            repaired: damage.repaired,
        });
        Ok(())
    };
    let mut on_done = |entry: &pxds::verify::Done<'_>| {
        done.push((entry.snapshot.path(), entry.outcome, entry.errors, entry.repaired));
        Ok(())
    };
    let listeners = Listeners { on_damage: Some(&mut on_damage), on_done: Some(&mut on_done), ..Listeners::default() };
    let mut verifier = Verifier::new(store, options, listeners)?;
    verifier.run(&Scope::parse(scope)?)?;
    let sums = verifier.sums();
    drop(verifier);
    let count = |wanted: &[Outcome]| done.iter().filter(|done| wanted.contains(&done.1)).count() as u64;
    assert_eq!(sums.ok, count(&[Outcome::Ok]));
    assert_eq!(sums.failed, count(&[Outcome::Failed]));
    assert_eq!(sums.skipped, count(&[Outcome::Busy, Outcome::Gone, Outcome::Recent]));
    for (path, outcome, errors, repaired) in &done {
        let of_it = rows.iter().filter(|row| row.snapshot == *path);
        let (fixed, broken): (Vec<_>, Vec<_>) = of_it.partition(|row| row.repaired);
        assert_eq!((*errors, *repaired), (broken.len() as u64, fixed.len() as u64), "{path}");
        assert_eq!(*outcome == Outcome::Failed, *errors > 0, "{path}");
    }
    Ok(Report { rows, done, sums })
}

fn verify(store: &Store, options: VerifyOptions) -> Report {
    try_verify(store, "", options).unwrap()
}

fn with_upid() -> VerifyOptions {
    VerifyOptions { upid: Some(UPID.into()), ..VerifyOptions::default() }
}

fn state_of(store: &Store, snapshot: &str) -> Option<VerifyState> {
    store.load_manifest(&Snapshot::parse(snapshot).unwrap()).unwrap().verify_state()
}

// ---- the damaged store of the vectors ----

struct Damaged {
    _scratch: Scratch,
    path: PathBuf,
    json: serde_json::Value,
}

impl Damaged {
    fn new() -> Self {
        let scratch = Scratch::in_memory();
        let path = scratch.join("store");
        fs::create_dir(&path).unwrap();
        let archive = common::vector_path("store-damaged/store-damaged.tar.gz");
        assert!(Command::new("tar").arg("xzf").arg(archive).arg("-C").arg(&path).status().unwrap().success());
        Damaged { _scratch: scratch, path, json: vector_json("store-damaged/store-damaged.json") }
    }

    fn open(&self) -> Store {
        Store::open(&self.path, &quick()).unwrap()
    }

    fn key(&self) -> Arc<CryptKey> {
        let bytes: [u8; 32] = unhex(self.json.get_str("key")).try_into().unwrap();
        Arc::new(CryptKey::new(&bytes))
    }

    fn cases(&self) -> &[serde_json::Value] {
        self.json.get_list("verify")
    }

    /// The snapshots that PBS fails.
    fn failed(&self) -> BTreeSet<&str> {
        let failed = |case: &&serde_json::Value| !case["ok"].get_bool("value");
        self.cases().iter().filter(failed).map(|case| case.get_str("snapshot")).collect()
    }

    fn chunk_files(&self) -> BTreeSet<String> {
        let files = tree(&self.path.join(".chunks"));
        files.into_keys().map(|path| format!(".chunks/{}", path.display())).collect()
    }

    /// What PBS has made of the names of chunks.
    fn renames(&self, which: &str) -> BTreeSet<String> {
        // An empty file is renamed by PBS alone.
        let is_ours = |case: &&serde_json::Value| !case.get_str("snapshot").starts_with("host/empty-chunk-file/");
        let of_case = |case: &serde_json::Value| -> Vec<String> {
            case.get_list(which).iter().map(|name| name.as_str().unwrap().to_owned()).collect()
        };
        self.cases().iter().filter(is_ours).flat_map(of_case).collect()
    }
}

const TAG_FLIP: &str = "host/encrypted-tag-flip/2020-06-26T13:56:17Z";

#[test]
fn as_pbs_finds_it() {
    let damaged = Damaged::new();
    let store = damaged.open();
    let before = damaged.chunk_files();
    let report = verify(&store, with_upid());
    assert_eq!((report.done.len(), damaged.failed().len()), (18, 12));
    assert_eq!(report.failed(), damaged.failed());
    assert_eq!((report.sums.ok, report.sums.failed, report.sums.skipped), (6, 12, 0));

    let after = damaged.chunk_files();
    assert_eq!(before.difference(&after).cloned().collect::<BTreeSet<_>>(), damaged.renames("chunk_files_gone"));
    assert_eq!(after.difference(&before).cloned().collect::<BTreeSet<_>>(), damaged.renames("chunk_files_new"));
    assert_eq!(report.sums.renamed, damaged.renames("chunk_files_new").len() as u64);

    for case in damaged.cases() {
        let snapshot = case.get_str("snapshot");
        if case["verify_state_after"].is_null() {
            assert_eq!(kind(store.load_manifest(&Snapshot::parse(snapshot).unwrap())), Kind::Format, "{snapshot}");
            continue;
        }
        let ok = case["verify_state_after"].get_str("state") == "ok";
        assert_eq!(state_of(&store, snapshot), Some(VerifyState { ok, upid: UPID.into() }), "{snapshot}");
    }
}

#[test]
fn what_is_wrong_is_told_by_kind_and_place() {
    let damaged = Damaged::new();
    let report = verify(&damaged.open(), with_upid());
    let kinds = |id: &str| -> Vec<(&str, &str, bool, Option<u64>)> {
        let of_it = report.rows.iter().filter(|row| row.snapshot.starts_with(&format!("host/{id}/")));
        let offset = |row: &Row| row.place.as_ref().map(|place| place.0);
        of_it.map(|row| (row.archive.as_str(), row.kind.as_str(), row.renamed, offset(row))).collect()
    };
    let one = |id: &str, archive: &str, kind: &str, renamed: bool| {
        let [(found, found_kind, found_renamed, offset)] = kinds(id)[..] else { panic!("{id}: {:?}", kinds(id)) };
        assert_eq!((found, found_kind, found_renamed), (archive, kind, renamed), "{id}");
        assert_eq!(offset.is_some(), renamed || kind == "NotFound" && archive != "a.blob", "{id}");
    };
    one("missing-chunk", "a.didx", "NotFound", false);
    one("crc-flip", "a.fidx", "Corrupt", true);
    one("content-flip-good-crc", "a.fidx", "Corrupt", true);
    // PBS renames it; it is no chunk, and in the cache of a store in S3 its name must stay.
    let empty = kinds("empty-chunk-file");
    assert!(matches!(empty[..], [("a.fidx", "NotFound", false, Some(_))]), "{empty:?}");
    one("index-csum-mismatch", "a.didx", "Corrupt", false);
    one("blob-changed", "a.blob", "Corrupt", false);
    one("blob-missing", "a.blob", "NotFound", false);
    one("manifest-garbage", "index.json.blob", "Format", false);
    one("encrypted-payload-flip", "a.fidx", "Corrupt", true);
    one("chunk-wrong-length", "a.fidx", "Corrupt", true);
    one("existing-bad-files", "a.fidx", "Format", true);
    assert_eq!(
        kinds("crypt-mode-mismatch"),
        [("a.fidx", "CryptMode", false, Some(0)), ("a.fidx", "CryptMode", false, Some(4096))]
    );
    // The index says a byte too many; the chunk is what its name says.
    let wrong_length = report.rows.iter().find(|row| row.snapshot.contains("chunk-wrong-length")).unwrap();
    let digest = "4af28c7f3f68f737e9b03423ee3f941ae0e4ac060abe4d0952827173b0cfcc96".to_owned();
    assert_eq!(wrong_length.place, Some((4096, 2905, digest)));
}

#[test]
fn with_the_key_the_flipped_tag_is_found_too() {
    let damaged = Damaged::new();
    let store = damaged.open();
    let mut expected = damaged.failed();
    let report = verify(&store, VerifyOptions { key: Some(damaged.key()), ..with_upid() });
    expected.insert(TAG_FLIP);
    assert_eq!(report.failed(), expected);
    let row = report.rows.iter().find(|row| row.snapshot == TAG_FLIP).unwrap();
    assert_eq!((row.kind.as_str(), row.renamed), ("Auth", true));
    assert!(state_of(&store, "host/encrypted-good/2020-06-26T13:56:16Z").unwrap().ok);
}

#[test]
fn another_key_proves_nothing() {
    let damaged = Damaged::new();
    let before = damaged.chunk_files();
    let key = Some(Arc::new(CryptKey::new(&[9; 32])));
    let report = verify(&damaged.open(), VerifyOptions { key, ..with_upid() });
    assert_eq!(report.failed(), damaged.failed());
    let after = damaged.chunk_files();
    assert_eq!(before.difference(&after).cloned().collect::<BTreeSet<_>>(), damaged.renames("chunk_files_gone"));
}

#[test]
fn notices_are_no_failures() {
    let damaged = Damaged::new();
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&said);
    let notice: pxds::store::Notice = Arc::new(move |_, message, _| {
        heard.lock().unwrap().push(message.to_owned());
        Ok(())
    });
    let store = Store::open(&damaged.path, &StoreOptions { notice: Some(notice), ..quick() }).unwrap();
    verify(&store, with_upid());
    let said = said.lock().unwrap();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said.iter().any(|text| text.contains("extra.blob: the manifest does not list it")), "{said:?}");
    assert!(said.iter().any(|text| text.contains("the csum in its header is wrong")), "{said:?}");
}

#[test]
fn read_only_changes_nothing_and_finds_the_same() {
    let damaged = Damaged::new();
    let before = tree(&damaged.path);
    let options = || VerifyOptions { read_only: true, ..with_upid() };
    let first = verify(&damaged.open(), options());
    assert_eq!(first.failed(), damaged.failed());
    assert_eq!(first.sums.renamed, 0);
    assert!(tree(&damaged.path) == before);
    assert_eq!(verify(&damaged.open(), options()), first);
}

#[test]
fn the_same_for_any_number_of_threads_and_either_order() {
    let run = |threads, index_order| {
        let damaged = Damaged::new();
        let options = VerifyOptions { threads, index_order, key: Some(damaged.key()), ..with_upid() };
        let report = verify(&damaged.open(), options);
        (report, damaged.chunk_files())
    };
    let first = run(1, false);
    for threads in [1, 2, 8] {
        for index_order in [false, true] {
            assert!(run(threads, index_order) == first, "{threads} {index_order}");
        }
    }
}

// ---- stores that are damaged here ----

fn group(path: &str) -> Group {
    Group::parse(path).unwrap()
}

fn ingest(store: &Store, data: &[u8], key: Option<Arc<CryptKey>>) -> pxds::ingest::StoredIndex {
    let options = IngestOptions { chunker: Config::from_avg(4096).unwrap(), key, ..IngestOptions::default() };
    let mut ingest = Ingest::new(store, options).unwrap();
    ingest.write(data).unwrap();
    ingest.finish().unwrap()
}

fn backup_options(time: i64, key: &Option<Arc<CryptKey>>) -> BackupOptions {
    let crypt_mode = if key.is_some() { CryptMode::Encrypt } else { CryptMode::None };
    BackupOptions { time: Some(time), key: key.clone(), crypt_mode, ..BackupOptions::default() }
}

/// A snapshot with `a.didx` of `data` and `b.blob`.
fn make(store: &Store, path: &str, time: i64, data: &[u8], key: Option<Arc<CryptKey>>) -> Snapshot {
    let options = backup_options(time, &key);
    let mut backup = Backup::new(store, &group(path), options).unwrap();
    backup.add_index("a.didx", &mut ingest(store, data, key)).unwrap();
    backup.add_blob("b.blob", b"key = value\n", true).unwrap();
    backup.finish().unwrap();
    backup.snapshot().clone()
}

/// The chunks of `a.didx`.
fn chunks(store: &Store, snapshot: &Snapshot) -> Vec<ChunkInfo> {
    let index = OpenSnapshot::open(store, snapshot, None).unwrap().index("a.didx").unwrap().index;
    (0..index.count()).map(|i| index.chunk(i).unwrap()).collect()
}

fn path_in(store: &Store, snapshot: &Snapshot, name: &str) -> PathBuf {
    store.path().join(snapshot.path()).join(name)
}

/// Changes one byte of a file, the `at`-th from its end.
fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.len() - at;
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn bad_files(store: &Store) -> usize {
    let chunks = store.path().join(".chunks");
    let all = common::names(&chunks).into_iter().flat_map(|dir| common::names(&chunks.join(dir)));
    all.filter(|name| name.ends_with(".bad")).count()
}

#[test]
fn each_chunk_is_checked_once() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let data = Rng::new(1).bytes(200_000);
    let first = make(&store, "host/x", TIME, &data, None);
    make(&store, "host/x", TIME + 1, &data, None);
    make(&store, "ns/a/vm/1", TIME, &data[..150_000], None);
    let mut distinct: BTreeMap<Digest, u64> = BTreeMap::new();
    for path in [first.path(), format!("ns/a/vm/1/{}", first.time_name())] {
        let of_it = chunks(&store, &Snapshot::parse(&path).unwrap());
        distinct.extend(of_it.iter().map(|chunk| (chunk.digest, chunk.len())));
    }
    let report = verify(&store, VerifyOptions::default());
    assert_eq!((report.sums.ok, report.rows.len()), (3, 0));
    assert_eq!(report.sums.chunks, distinct.len() as u64);
    assert_eq!(report.sums.bytes, distinct.values().sum::<u64>());
    let on_disk = distinct.keys().map(|digest| store.has(digest).unwrap().unwrap()).sum::<u64>();
    assert_eq!(report.sums.stored_bytes, on_disk);
    // The newest of a group first.
    let order: Vec<_> = report.done.iter().map(|done| &done.0[..]).collect();
    let newest = "host/x/2020-06-26T13:56:06Z";
    assert_eq!(order, [newest, "host/x/2020-06-26T13:56:05Z", "ns/a/vm/1/2020-06-26T13:56:05Z"]);

    let of_group = try_verify(&store, "host/x", VerifyOptions::default()).unwrap();
    assert_eq!(of_group.done.len(), 2);
    let of_one = try_verify(&store, newest, VerifyOptions::default()).unwrap();
    assert_eq!((of_one.done.len(), of_one.sums.chunks), (1, chunks(&store, &first).len() as u64));
}

/// Three snapshots that share a chunk, twice in one of them: damage of each sort is found at every place.
#[test]
fn every_place_that_is_hit_is_told() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm, bool); 7] = [
        ("NotFound", |path| fs::remove_file(path).unwrap(), false),
        ("NotFound", |path| fs::write(path, b"").unwrap(), false),
        ("Corrupt", |path| flip(path, 1), true),
        ("Format", |path| flip(path, fs::metadata(path).unwrap().len() as usize), true),
        ("Format", |path| fs::write(path, b"short").unwrap(), true),
        ("Corrupt", |path| fs::write(path, common::plain_blob(b"something else")).unwrap(), true),
        ("Limit", |path| File::options().write(true).open(path).unwrap().set_len((128 << 20) + 45).unwrap(), true),
    ];
    for (kind, harm, renamed) in harms {
        for (threads, layout) in [(1, Layout::Hex2), (2, Layout::Hex4)] {
            let scratch = Scratch::new();
            let store = scratch.store_of(layout);
            let data = Rng::new(2).bytes(60_000);
            // As the same bytes are cut alike, behind a while.
            let twice = [&data[..], &data[..]].concat();
            let paths: Vec<_> = ["ct/1", "host/x", "vm/1"].iter().map(|path| path.to_string()).collect();
            make(&store, &paths[0], TIME, &data, None);
            let most = make(&store, &paths[1], TIME, &twice, None);
            make(&store, &paths[2], TIME, &data, None);
            let all = chunks(&store, &most);
            let victim = all.iter().find(|chunk| all.iter().filter(|other| other.digest == chunk.digest).count() == 2);
            let victim = victim.unwrap().digest;
            harm(&store.chunk_path(&victim));
            let mut expected = Vec::new();
            for path in &paths {
                let snapshot = Snapshot::new(group(path), TIME).unwrap();
                let hit = chunks(&store, &snapshot).into_iter().filter(|chunk| chunk.digest == victim);
                expected.extend(hit.map(|chunk| Row {
                    snapshot: snapshot.path(),
                    archive: "a.didx".into(),
                    place: Some((chunk.start, chunk.len(), victim.to_string())),
                    kind: kind.into(),
                    renamed,
                    repaired: false,
                }));
            }
            assert_eq!(expected.len(), 4);
            let report = verify(&store, VerifyOptions { threads, ..VerifyOptions::default() });
            assert_eq!(report.rows, expected, "{kind}");
            assert_eq!((report.sums.failed, report.sums.renamed), (3, u64::from(renamed)), "{kind}");
            assert_eq!((report.sums.bad, report.sums.missing), if renamed { (1, 0) } else { (0, 1) });
            assert_eq!(bad_files(&store), usize::from(renamed), "{kind}");
            assert_eq!(store.has(&victim).unwrap(), None);

            // The next backup of the data heals all three.
            ingest(&store, &twice, None);
            let report = verify(&store, VerifyOptions { threads, ..VerifyOptions::default() });
            assert_eq!((report.sums.ok, report.rows.len()), (3, 0), "{kind}");
        }
    }
}

#[test]
fn a_file_of_the_snapshot_that_is_bad_fails_it_and_nothing_else() {
    type Harm = fn(&Store, &Snapshot);
    let harms: [(&str, &str, Harm); 7] = [
        ("a.didx", "Format", |store, snapshot| fs::write(path_in(store, snapshot, "a.didx"), [7; 5000]).unwrap()),
        ("a.didx", "Format", |store, snapshot| fs::write(path_in(store, snapshot, "a.didx"), b"").unwrap()),
        ("a.didx", "NotFound", |store, snapshot| fs::remove_file(path_in(store, snapshot, "a.didx")).unwrap()),
        ("a.didx", "Corrupt", |store, snapshot| flip(&path_in(store, snapshot, "a.didx"), 1)),
        ("b.blob", "NotFound", |store, snapshot| fs::remove_file(path_in(store, snapshot, "b.blob")).unwrap()),
        ("b.blob", "Corrupt", |store, snapshot| flip(&path_in(store, snapshot, "b.blob"), 1)),
        ("b.blob", "Corrupt", |store, snapshot| {
            fs::write(path_in(store, snapshot, "b.blob"), common::plain_blob(b"key = other\n")).unwrap();
        }),
    ];
    for (archive, kind, harm) in harms {
        let scratch = Scratch::new();
        let store = scratch.store("store");
        let data = Rng::new(3).bytes(20_000);
        let victim = make(&store, "host/x", TIME, &data, None);
        let other = make(&store, "host/x", TIME + 1, &data, None);
        harm(&store, &victim);
        let report = verify(&store, with_upid());
        assert_eq!(report.failed(), BTreeSet::from([victim.path().as_str()]), "{archive} {kind}");
        let rows: Vec<_> = report.rows.iter().map(|row| (&row.archive[..], &row.kind[..], &row.place)).collect();
        assert_eq!(rows, [(archive, kind, &None)]);
        assert_eq!((report.sums.bad, report.sums.renamed), (0, 0));
        assert!(state_of(&store, &other.path()).unwrap().ok);
        assert!(!state_of(&store, &victim.path()).unwrap().ok);
    }
}

/// What a hostile client may have listed: names that lead elsewhere, or the same one twice.
#[test]
fn names_in_a_manifest_are_not_trusted() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let snapshot = make(&store, "host/x", TIME, b"abc", None);
    let path = path_in(&store, &snapshot, "index.json.blob");
    let manifest = store.load_manifest(&snapshot).unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&manifest.to_json().unwrap()).unwrap();
    let files = json["files"].as_array_mut().unwrap();
    let mut again = files[0].clone();
    again["csum"] = serde_json::json!("00".repeat(32));
    files.push(again);
    for name in ["../../../.lock", "../x/a.didx", "", "a", "/etc/passwd", "c\0.blob"] {
        files.push(serde_json::json!({"filename": name, "crypt-mode": "none", "size": 1, "csum": "00".repeat(32)}));
    }
    fs::write(&path, common::plain_blob(json.to_string().as_bytes())).unwrap();
    let report = verify(&store, with_upid());
    assert_eq!(report.kinds(), ["Corrupt", "Argument", "Argument", "Argument", "Argument", "Argument", "Argument"]);
}

#[test]
fn the_form_of_chunks_is_held_for_every_index() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let data = Rng::new(4).bytes(30_000);
    let plain = make(&store, "host/a", TIME, &data, None);
    let claims = make(&store, "host/b", TIME, &data, None);
    // The second says that its chunks are encrypted; they have been found good for the first.
    let path = path_in(&store, &claims, "index.json.blob");
    let text = String::from_utf8(store.load_manifest(&claims).unwrap().to_json().unwrap()).unwrap();
    let text = text.replacen("\"crypt-mode\": \"none\"", "\"crypt-mode\": \"encrypt\"", 1);
    fs::write(path, common::plain_blob(text.as_bytes())).unwrap();
    let report = verify(&store, with_upid());
    assert_eq!(
        (report.with(Outcome::Ok), report.failed()),
        (BTreeSet::from([plain.path().as_str()]), BTreeSet::from([claims.path().as_str()]))
    );
    assert_eq!(report.rows.len(), chunks(&store, &plain).len());
    assert!(report.rows.iter().all(|row| row.kind == "CryptMode" && !row.renamed));
    assert_eq!(bad_files(&store), 0);
}

#[test]
fn what_is_encrypted_is_opened_with_the_key_of_the_snapshot_alone() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let (mine, other) = (Arc::new(CryptKey::new(&[1; 32])), Arc::new(CryptKey::new(&[2; 32])));
    let data = Rng::new(5).bytes(30_000);
    let of_mine = make(&store, "host/a", TIME, &data, Some(Arc::clone(&mine)));
    let of_other = make(&store, "host/b", TIME, &data, Some(Arc::clone(&other)));
    // The tag is not covered by the CRC.
    for snapshot in [&of_mine, &of_other] {
        let path = store.chunk_path(&chunks(&store, snapshot)[1].digest);
        let len = fs::metadata(&path).unwrap().len() as usize;
        flip(&path, len - 30);
    }
    let run = |key: Option<&Arc<CryptKey>>| {
        let report = verify(&store, VerifyOptions { key: key.cloned(), read_only: true, ..with_upid() });
        report.failed().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(run(None), [] as [&str; 0]);
    assert_eq!(run(Some(&mine)), [of_mine.path()]);
    assert_eq!(run(Some(&other)), [of_other.path()]);

    // A wrong signature is an error, and then nothing is decrypted on its word.
    let path = path_in(&store, &of_mine, "index.json.blob");
    let text = String::from_utf8(store.load_manifest(&of_mine).unwrap().to_json().unwrap()).unwrap();
    let signature = text.split("\"signature\": \"").nth(1).unwrap()[..64].to_owned();
    fs::write(path, common::plain_blob(text.replace(&signature, &"0".repeat(64)).as_bytes())).unwrap();
    let report = verify(&store, VerifyOptions { key: Some(mine), ..with_upid() });
    let rows: Vec<_> = report.rows.iter().map(|row| (&row.archive[..], &row.kind[..])).collect();
    assert_eq!((rows, bad_files(&store)), (vec![("index.json.blob", "Auth")], 0));
}

// ---- which snapshots ----

#[test]
fn the_benchmark_is_left_out_of_a_whole_store() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    for path in ["host/benchmark", "ns/a/host/benchmark", "vm/benchmark"] {
        make(&store, path, TIME, b"abc", None);
    }
    assert_eq!(verify(&store, with_upid()).with(Outcome::Ok), BTreeSet::from(["vm/benchmark/2020-06-26T13:56:05Z"]));
    assert_eq!(try_verify(&store, "host/benchmark", with_upid()).unwrap().sums.ok, 1);
}

#[test]
fn what_was_verified_lately_is_passed_over() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let snapshot = make(&store, "host/x", TIME, b"abc", None);
    let now = pxds::sys::now();
    let run = |state: Option<(bool, i64)>, days: Option<u64>| {
        let upid = |started| format!("UPID:elsa:00004F37:0039E469:00000000:{started:08X}:verify::root@pam:");
        let state = state.map(|(ok, started)| VerifyState { ok, upid: upid(started) });
        store.update_manifest(&snapshot, |manifest| manifest.set_verify_state(state.as_ref())).unwrap();
        verify(&store, VerifyOptions { skip_days: days, ..with_upid() }).done[0].1
    };
    assert_eq!(run(Some((true, now)), None), Outcome::Ok);
    assert_eq!(run(None, Some(u64::MAX)), Outcome::Ok);
    for ok in [false, true] {
        assert_eq!(run(Some((ok, now)), Some(0)), Outcome::Recent);
        assert_eq!(run(Some((ok, now - DAY - 9)), Some(0)), Outcome::Ok);
        assert_eq!(run(Some((ok, now - 8 * DAY + 99)), Some(7)), Outcome::Recent);
        assert_eq!(run(Some((ok, now - 8 * DAY - 9)), Some(7)), Outcome::Ok);
        assert_eq!(run(Some((ok, 0)), Some(u64::MAX)), Outcome::Recent);
        assert_eq!(run(Some((ok, 0)), Some(i64::MAX as u64)), Outcome::Recent);
    }
    // What cannot be read counts as never verified.
    let broken = serde_json::json!({"state": "ok", "upid": "UPID:x:"});
    store.update_manifest(&snapshot, |manifest| manifest.set_unprotected_member("verify_state", Some(broken))).unwrap();
    assert_eq!(verify(&store, VerifyOptions { skip_days: Some(100), ..with_upid() }).done[0].1, Outcome::Ok);
}

#[test]
fn who_is_in_use_or_has_gone_is_passed_over() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let held = make(&store, "host/x", TIME, b"abc", None);
    let gone = make(&store, "host/x", TIME + 1, b"abc", None);
    let first = make(&store, "host/x", TIME + 2, b"abc", None);
    let other = common::reopen(&store);
    let _lock = other.lock_snapshot(&held, LockMode::Exclusive).unwrap();
    let mut done = Vec::new();
    let mut on_done = |entry: &pxds::verify::Done<'_>| {
        if *entry.snapshot == first {
            other.destroy_snapshot(&gone).unwrap();
        }
        done.push(entry.outcome);
        Ok(())
    };
    let listeners = Listeners { on_done: Some(&mut on_done), ..Listeners::default() };
    let mut verifier = Verifier::new(&store, with_upid(), listeners).unwrap();
    verifier.run(&Scope::Store).unwrap();
    assert_eq!(verifier.sums().skipped, 2);
    drop(verifier);
    assert_eq!(done, [Outcome::Ok, Outcome::Gone, Outcome::Busy]);
    assert_eq!(state_of(&store, &held.path()), None);
}

#[test]
fn while_it_is_checked_nobody_removes_a_snapshot() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let snapshot = make(&store, "host/x", TIME, &Rng::new(6).bytes(20_000), None);
    fs::remove_file(store.chunk_path(&chunks(&store, &snapshot)[0].digest)).unwrap();
    let other = common::reopen(&store);
    let tried = RefCell::new(Vec::new());
    let mut on_damage = |damage: &pxds::verify::Damage<'_>| {
        tried.borrow_mut().push(kind(other.destroy_snapshot(damage.snapshot)));
        Ok(())
    };
    let listeners = Listeners { on_damage: Some(&mut on_damage), ..Listeners::default() };
    Verifier::new(&store, with_upid(), listeners).unwrap().run(&Scope::Store).unwrap();
    assert_eq!(*tried.borrow(), [Kind::Busy]);
    other.destroy_snapshot(&snapshot).unwrap();
}

// ---- the state ----

#[test]
fn the_outcome_is_noted_and_all_else_stays() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let key = Arc::new(CryptKey::new(&[1; 32]));
    let snapshot = make(&store, "host/x", TIME, b"abc", Some(Arc::clone(&key)));
    store
        .update_manifest(&snapshot, |manifest| {
            manifest.set_notes(Some("weekly")).unwrap();
            manifest.set_unprotected_member("other", Some(serde_json::json!([1, null])))
        })
        .unwrap();
    let mut expected = store.load_manifest(&snapshot).unwrap();
    verify(&store, with_upid());
    let state = serde_json::json!({"state": "ok", "upid": UPID});
    expected.set_unprotected_member("verify_state", Some(state)).unwrap();
    let found = store.load_manifest(&snapshot).unwrap();
    assert_eq!(found.to_json().unwrap(), expected.to_json().unwrap());
    found.verify(&key).unwrap();

    let before = pxds::sys::now();
    verify(&store, VerifyOptions::default());
    let state = state_of(&store, &snapshot.path()).unwrap();
    let started = state.started().unwrap();
    assert!(state.ok && before <= started && started <= pxds::sys::now(), "{state:?}");
    assert!(state.upid.ends_with(":verify::root@pam:"), "{state:?}");
    assert!(VerifyState::new(true, new_upid()).is_some());
}

#[test]
fn a_state_that_cannot_be_written_is_told_and_is_no_failure() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let snapshot = make(&store, "host/x", TIME, b"abc", None);
    let second = make(&store, "host/y", TIME, b"abc", None);
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&said);
    let notice: pxds::store::Notice = Arc::new(move |_, message, _| {
        heard.lock().unwrap().push(message.to_owned());
        Ok(())
    });
    let other = Store::open(store.path(), &StoreOptions { notice: Some(notice), ..quick() }).unwrap();
    // The name of the manifest's successor is taken by nobody, but the manifest is held by another handle.
    let _lock = store.lock_manifest(&snapshot).unwrap();
    let report = verify(&other, with_upid());
    assert_eq!((report.sums.ok, report.sums.failed, report.sums.unnoted, report.rows.len()), (2, 0, 1, 0));
    let said = said.lock().unwrap();
    assert!(said.len() == 1 && said[0].starts_with("the outcome of 1 snapshot is not noted: "), "{said:?}");
    assert_eq!(state_of(&store, &snapshot.path()), None);
    assert!(state_of(&store, &second.path()).unwrap().ok);
    for snapshot in [&snapshot, &second] {
        assert_eq!(common::names(&store.path().join(snapshot.path())), ["a.didx", "b.blob", "index.json.blob"]);
    }
}

/// Outcomes wait for others; what somebody changes meanwhile stays, and what has been removed is not made again.
#[test]
fn a_draft_of_a_manifest_takes_its_place_whatever_has_happened_meanwhile() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let snapshot = make(&store, "host/x", TIME, b"abc", None);
    let state = VerifyState { ok: true, upid: UPID.into() };
    let draft = || store.draft_manifest(&snapshot, |manifest| manifest.set_verify_state(Some(&state))).unwrap();
    let place =
        |draft: pxds::snapshot::ManifestDraft| draft.take_place(|manifest| manifest.set_verify_state(Some(&state)));
    let dir = store.path().join(snapshot.path());
    let names = || common::names(&dir);
    let whole = ["a.didx", "b.blob", "index.json.blob"];

    drop(draft());
    assert_eq!((names(), state_of(&store, &snapshot.path())), (whole.map(str::to_owned).to_vec(), None));
    let waiting = draft();
    assert_eq!((names().len(), state_of(&store, &snapshot.path())), (4, None));
    let notes = |text: &'static str| {
        store.update_manifest(&snapshot, |manifest| {
            manifest.set_notes(Some(text)).unwrap();
            Ok(())
        })
    };
    notes("meanwhile").unwrap();
    place(waiting).unwrap();
    let manifest = store.load_manifest(&snapshot).unwrap();
    assert_eq!(
        (manifest.notes(), manifest.verify_state().unwrap().ok, &names()[..]),
        (Some("meanwhile"), true, &whole.map(str::to_owned)[..])
    );

    let waiting = draft();
    store.destroy_snapshot(&snapshot).unwrap();
    assert_eq!(kind(place(waiting)), Kind::NotFound);
    assert!(!dir.exists());
}

// ---- repair ----

/// A store, and a copy of it.
fn two_stores(scratch: &Scratch, key: Option<Arc<CryptKey>>) -> (Store, Store, Snapshot) {
    let data = Rng::new(7).bytes(60_000);
    let (store, other) = (scratch.store("store"), scratch.store("other"));
    let snapshot = make(&store, "host/x", TIME, &data, key.clone());
    make(&other, "host/x", TIME, &data, key);
    (store, other, snapshot)
}

#[test]
fn chunks_are_taken_from_another_store() {
    let scratch = Scratch::new();
    let (store, other, snapshot) = two_stores(&scratch, None);
    let all = chunks(&store, &snapshot);
    let before = tree(&store.path().join(".chunks"));
    fs::remove_file(store.chunk_path(&all[0].digest)).unwrap();
    flip(&store.chunk_path(&all[1].digest), 1);
    fs::write(store.chunk_path(&all[2].digest), common::plain_blob(b"something else")).unwrap();
    fs::write(store.chunk_path(&all[3].digest), b"").unwrap();
    // Of this one the other has no good copy either, and of this none at all.
    flip(&store.chunk_path(&all[4].digest), 1);
    flip(&other.chunk_path(&all[4].digest), 2);
    flip(&store.chunk_path(&all[5].digest), 1);
    fs::remove_file(other.chunk_path(&all[5].digest)).unwrap();

    let options = || VerifyOptions { repair_from: Some(other.clone()), ..with_upid() };
    let report = verify(&store, options());
    let shown: Vec<_> =
        report.rows.iter().map(|row| (row.place.as_ref().unwrap().0, row.renamed, row.repaired)).collect();
    let expected =
        [(0, false, true), (1, true, true), (2, true, true), (3, false, true), (4, true, false), (5, true, false)];
    assert_eq!(shown, expected.map(|(i, renamed, repaired)| (all[i].start, renamed, repaired)));
    assert_eq!((report.sums.bad, report.sums.missing, report.sums.repaired, report.sums.failed), (4, 2, 4, 1));

    // The others are whole again, and with the rest so is the snapshot.
    for chunk in [4, 5] {
        let name = Path::new(store.chunk_path(&all[chunk].digest).file_name().unwrap()).to_owned();
        let good = before.iter().find(|(path, _)| path.ends_with(&name)).unwrap().1;
        plant(&other, &all[chunk].digest, good);
    }
    let report = verify(&store, options());
    assert_eq!((report.sums.ok, report.sums.repaired, report.done[0].3), (1, 2, 2));
    assert!(state_of(&store, &snapshot.path()).unwrap().ok);
    let report = verify(&store, with_upid());
    assert_eq!((report.rows.len(), report.sums.ok), (0, 1));
    let mut after = tree(&store.path().join(".chunks"));
    after.retain(|path, _| path.extension().is_none());
    assert!(after == before);
}

#[test]
fn sealed_chunks_are_repaired_with_and_without_the_key() {
    let key = Arc::new(CryptKey::new(&[1; 32]));
    for with_key in [false, true] {
        let scratch = Scratch::new();
        let (store, other, snapshot) = two_stores(&scratch, Some(Arc::clone(&key)));
        let all = chunks(&store, &snapshot);
        fs::remove_file(store.chunk_path(&all[0].digest)).unwrap();
        // Without the key this one passes for good.
        fs::remove_file(store.chunk_path(&all[1].digest)).unwrap();
        let path = other.chunk_path(&all[1].digest);
        let len = fs::metadata(&path).unwrap().len() as usize;
        flip(&path, len - 30);
        let key = with_key.then(|| Arc::clone(&key));
        let report = verify(&store, VerifyOptions { key, repair_from: Some(other), ..with_upid() });
        assert_eq!((report.sums.missing, report.sums.repaired), (2, if with_key { 1 } else { 2 }));
    }
}

#[test]
fn a_plain_chunk_does_not_stand_for_an_encrypted_one() {
    let scratch = Scratch::new();
    let (store, other, snapshot) = two_stores(&scratch, Some(Arc::new(CryptKey::new(&[1; 32]))));
    let chunk = chunks(&store, &snapshot)[0];
    fs::remove_file(store.chunk_path(&chunk.digest)).unwrap();
    plant(&other, &chunk.digest, &common::plain_blob(b"slipped in"));
    let report = verify(&store, VerifyOptions { repair_from: Some(other), ..with_upid() });
    assert_eq!((report.kinds(), report.sums.repaired), (vec!["NotFound"], 0));
    assert_eq!(store.has(&chunk.digest).unwrap(), None);
}

#[test]
fn inserting_heals_what_is_missing_short_or_does_not_load() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let data = Rng::new(8).bytes(5000);
    let (digest, blob) = (sha256(&data), common::plain_blob(&data));
    let good = |store: &Store| store.load(&digest, 1 << 20, &mut Vec::new()).is_ok();
    for len in [0, 1, 11] {
        plant(&store, &digest, &blob[..len]);
        assert!(!store.insert(&digest, &blob, InsertOptions::default()).unwrap().existed);
        assert!(good(&store), "{len}");
        fs::remove_file(store.chunk_path(&digest)).unwrap();
        assert!(!store.insert(&digest, &blob, InsertOptions::default()).unwrap().existed);
        assert!(good(&store));
    }
    let path = plant(&store, &digest, &blob);
    flip(&path, 1);
    // Of the right length: an insert alone keeps it.
    assert!(store.insert(&digest, &blob, InsertOptions::default()).unwrap().existed && !good(&store));
    assert!(!store.insert_verified(&mut Codec::new(), &digest, 5000, &blob).unwrap().existed);
    assert!(good(&store));
    plant(&store, &digest, &[7; 5012]);
    store.insert_verified(&mut Codec::new(), &digest, 5000, &blob).unwrap();
    assert!(good(&store));
}

#[test]
fn a_file_that_has_been_replaced_is_not_set_aside() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let (digest, blob) = (sha256(b"abc"), common::plain_blob(b"abc"));
    let path = plant(&store, &digest, b"short");
    let bad = store.append_raw(&digest, 100, false, &mut Vec::new()).unwrap();
    fs::rename(&path, scratch.join("old")).unwrap();
    store.insert(&digest, &blob, InsertOptions::default()).unwrap();
    assert_eq!(store.mark_bad_if(&digest, |file| *file == bad).unwrap(), None);
    assert_eq!(store.has(&digest).unwrap(), Some(blob.len() as u64));
    assert_eq!(store.mark_bad_if(&digest, |file| *file != bad).unwrap(), Some(0));
}

// ---- calls that are wrong, and calls that are stopped ----

#[test]
fn what_cannot_be_is_refused() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let try_with = |options| kind(try_verify(&store, "", options));
    let repair_from = Some(store.clone());
    assert_eq!(try_with(VerifyOptions { read_only: true, repair_from, ..VerifyOptions::default() }), Kind::Argument);
    assert_eq!(try_with(VerifyOptions { upid: Some("x".into()), ..VerifyOptions::default() }), Kind::Argument);
    assert_eq!(try_with(VerifyOptions { threads: 1025, ..VerifyOptions::default() }), Kind::Argument);
    for (scope, expected) in [
        ("host/x", Kind::NotFound),
        ("host/x/2020-06-26T13:56:05Z", Kind::NotFound),
        ("host", Kind::Argument),
        ("host/../x", Kind::Argument),
        ("ns/a", Kind::Argument),
    ] {
        assert_eq!(kind(try_verify(&store, scope, VerifyOptions::default())), expected, "{scope}");
    }
    assert_eq!(verify(&store, VerifyOptions::default()), Report::default());
    fs::create_dir(scratch.join("bare")).unwrap();
    let bare = Store::open(&scratch.join("bare"), &StoreOptions { bare: true, ..quick() }).unwrap();
    let error = failure(try_verify(&bare, "", VerifyOptions::default()));
    assert_eq!((error.kind(), error.path()), (Kind::NotFound, Some(bare.path())));
}

#[test]
fn a_run_that_is_stopped_has_noted_nothing() {
    for threads in [1, 2, 8] {
        for stopped_by in ["damage", "done", "progress"] {
            let scratch = Scratch::in_memory();
            let store = scratch.store("store");
            let snapshot = make(&store, "host/x", TIME, &Rng::new(9).bytes(20_000_000), None);
            flip(&store.chunk_path(&chunks(&store, &snapshot)[0].digest), 1);
            let stop = |by: &'static str, when: bool| match by == stopped_by && when {
                true => Err(Error::cancelled("test", 7)),
                false => Ok(()),
            };
            let mut on_damage = |_: &pxds::verify::Damage<'_>| stop("damage", true);
            let mut on_done = |_: &pxds::verify::Done<'_>| stop("done", true);
            let mut on_progress =
                |stage: &pxds::progress::Stage| stop("progress", stage.bytes > 0 || stage.phase == PHASE_LIST);
            let listeners = Listeners {
                on_damage: Some(&mut on_damage),
                on_done: Some(&mut on_done),
                on_progress: Some(&mut on_progress),
            };
            let mut verifier = Verifier::new(&store, VerifyOptions { threads, ..with_upid() }, listeners).unwrap();
            let error = failure(verifier.run(&Scope::Store));
            assert_eq!((error.kind(), error.callback_value()), (Kind::Cancelled, 7));
            drop(verifier);
            assert_eq!(state_of(&store, &snapshot.path()).is_some(), stopped_by == "done");
            let report = verify(&store, VerifyOptions { threads, ..with_upid() });
            assert_eq!((report.rows.len(), bad_files(&store)), (1, 1), "{stopped_by}");
        }
    }
}

#[test]
fn progress_comes_at_most_ten_times_a_second_and_never_goes_back() {
    let scratch = Scratch::in_memory();
    let store = scratch.store("store");
    for i in 0..30 {
        make(&store, "host/x", TIME + i, &Rng::new(10 + i as u64).bytes(50_000), None);
    }
    let stages = RefCell::new(Vec::new());
    let mut on_progress = |stage: &pxds::progress::Stage| {
        stages.borrow_mut().push(*stage);
        Ok(())
    };
    let mut on_done = |_: &pxds::verify::Done<'_>| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        Ok(())
    };
    let listeners =
        Listeners { on_progress: Some(&mut on_progress), on_done: Some(&mut on_done), ..Listeners::default() };
    let began = std::time::Instant::now();
    Verifier::new(&store, with_upid(), listeners).unwrap().run(&Scope::Store).unwrap();
    let most = began.elapsed().as_millis() / 100 + 1;
    let stages = stages.borrow();
    assert!((3..=most).contains(&(stages.len() as u128)), "{} of {most}", stages.len());
    assert_eq!((stages[0].phase, stages[0].done), (PHASE_LIST, 30));
    for pair in stages[1..].windows(2) {
        assert_eq!((pair[0].phase, pair[0].total), (PHASE_CHECK, 30));
        assert!(pair[0].done <= pair[1].done && pair[0].bytes <= pair[1].bytes, "{pair:?}");
    }
}

/// More entries than are dealt with at a time, most of one chunk.
#[test]
fn a_long_index() {
    const CHUNKS: usize = 70_000;
    let scratch = Scratch::in_memory();
    let store = scratch.store("store");
    let mut backup = Backup::new(
        &store,
        &group("vm/1"),
        BackupOptions { time: Some(TIME), any_chunk_size: true, ..BackupOptions::default() },
    )
    .unwrap();
    let mut image =
        Image::new(&store, Some((CHUNKS * 4096) as u64), ImageOptions { chunk_size: 4096, ..ImageOptions::default() })
            .unwrap();
    for i in 0..CHUNKS as u32 / 100 {
        let mut piece = vec![0; 409_600];
        piece[..4].copy_from_slice(&(i + 1).to_le_bytes());
        image.write(&piece).unwrap();
    }
    backup.add_index("a.fidx", &mut image.finish().unwrap()).unwrap();
    backup.finish().unwrap();
    let report = verify(&store, with_upid());
    assert_eq!((report.rows.len(), report.sums.chunks), (0, 701));
    fs::remove_file(store.chunk_path(&sha256(&[0; 4096]))).unwrap();
    let report = verify(&store, with_upid());
    assert_eq!((report.rows.len(), report.sums.missing), (CHUNKS - 700, 1));
    assert!(report.rows.is_sorted_by_key(|row| row.place.as_ref().unwrap().0));
}

/// Chunks of every form, length and compressibility, among them none and the largest that PBS makes.
#[test]
fn chunks_of_all_lengths() {
    let scratch = Scratch::in_memory();
    for key in [None, Some(Arc::new(CryptKey::new(&[1; 32])))] {
        let store = scratch.store(if key.is_some() { "sealed" } else { "open" });
        let mut rng = Rng::new(11);
        let mut data = rng.mixture(3_000_000);
        data.extend(vec![0; 5_000_000]);
        data.extend(rng.bytes(17_000_000));
        for (i, avg) in [1024, 65536, 4 << 20].into_iter().enumerate() {
            let options =
                IngestOptions { chunker: Config::from_avg(avg).unwrap(), key: key.clone(), ..IngestOptions::default() };
            let mut ingest = Ingest::new(&store, options).unwrap();
            ingest.write(&data).unwrap();
            let options = backup_options(TIME, &key);
            let mut backup = Backup::new(&store, &group(&format!("host/{i}")), options).unwrap();
            backup.add_index("a.didx", &mut ingest.finish().unwrap()).unwrap();
            backup.finish().unwrap();
        }
        for threads in [1, 2, 3] {
            let report = verify(&store, VerifyOptions { key: key.clone(), threads, ..with_upid() });
            assert_eq!((report.sums.ok, report.rows), (3, Vec::new()));
        }
    }
}

/// A link in the place of a chunk is none; it is not followed, and not renamed either.
#[test]
fn what_is_no_file_is_not_renamed() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let snapshot = make(&store, "host/x", TIME, &Rng::new(12).bytes(20_000), None);
    let path = store.chunk_path(&chunks(&store, &snapshot)[0].digest);
    fs::remove_file(&path).unwrap();
    let target = scratch.join("target");
    fs::write(&target, "mine").unwrap();
    std::os::unix::fs::symlink(&target, &path).unwrap();
    let report = verify(&store, with_upid());
    assert_eq!((report.kinds(), report.sums.unreadable, bad_files(&store)), (vec!["Format"], 0, 0));
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
}

/// The vectors' own archives are what they are said to be: nothing else is compared with the store.
#[test]
fn what_is_good_is_what_it_was() {
    let damaged = Damaged::new();
    let store = damaged.open();
    verify(&store, with_upid());
    let mut seen = 0;
    for (path, content) in damaged.json["contents"].as_object().unwrap() {
        let (snapshot, name) = path.rsplit_once('/').unwrap();
        if damaged.failed().contains(snapshot) || name.ends_with(".blob") || content.get_bool("encrypted") {
            continue;
        }
        let open = OpenSnapshot::open(&store, &Snapshot::parse(snapshot).unwrap(), None).unwrap();
        let index = open.index(name).unwrap().index;
        let mut restored = Vec::new();
        let mut sink = |bytes: &[u8]| {
            restored.extend_from_slice(bytes);
            Ok(())
        };
        pxds::restore::Restorer::new(
            &store,
            pxds::restore::RestoreOptions { any_csum: true, ..pxds::restore::RestoreOptions::default() },
        )
        .restore(&index, &mut sink)
        .unwrap();
        assert!(restored == generate(content.get_list("content")), "{path}");
        seen += 1;
    }
    assert!(seen >= 3, "{seen}");
}
