//! Verification (docs/format.md, 10): held to what PBS finds in a damaged store, and to what was damaged here.

mod common;
#[path = "common/verified.rs"]
mod verified;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use common::{Json, Rng, Scratch, failure, generate, kind, quick, tree, unhex, vector_json};
use pxds::backup::{Backup, BackupOptions};
use pxds::callback::Callback;
use pxds::chunker::Config;
use pxds::chunks::Layout;
use pxds::crypt::CryptKey;
use pxds::digest::Digest;
use pxds::error::{Error, Kind};
use pxds::hash::sha256;
use pxds::ingest::{Image, ImageOptions, Ingest, IngestOptions};
use pxds::manifest::VerifyState;
use pxds::name::Snapshot;
use pxds::progress::Stage;
use pxds::store::{Store, StoreOptions};
use pxds::tree::OpenSnapshot;
use pxds::verify::{Outcome, PHASE_CHECK, PHASE_LIST, Scope, Verifier, VerifyOptions};
use verified::{
    Report, Row, TIME, UPID, backup_options, bad_files, chunks, flip, group, ingest, make, path_in, state_of,
    try_verify, verify, with_upid,
};

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
            assert_eq!(
                kind(store.tree().load_manifest(&Snapshot::parse(snapshot).unwrap())),
                Kind::Format,
                "{snapshot}"
            );
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
    let notice: pxds::base::Notice = Callback(Arc::new(move |_, message: &str, _| {
        heard.lock().unwrap().push(message.to_owned());
        Ok(())
    }));
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
    let on_disk = distinct.keys().map(|digest| store.chunks().has(digest).unwrap().unwrap()).sum::<u64>();
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
            harm(&store.chunks().chunk_path(&victim));
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
            assert_eq!(store.chunks().has(&victim).unwrap(), None);

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
    let manifest = store.tree().load_manifest(&snapshot).unwrap();
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
    let text = String::from_utf8(store.tree().load_manifest(&claims).unwrap().to_json().unwrap()).unwrap();
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
        let path = store.chunks().chunk_path(&chunks(&store, snapshot)[1].digest);
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
    let text = String::from_utf8(store.tree().load_manifest(&of_mine).unwrap().to_json().unwrap()).unwrap();
    let signature = text.split("\"signature\": \"").nth(1).unwrap()[..64].to_owned();
    fs::write(path, common::plain_blob(text.replace(&signature, &"0".repeat(64)).as_bytes())).unwrap();
    let report = verify(&store, VerifyOptions { key: Some(mine), ..with_upid() });
    let rows: Vec<_> = report.rows.iter().map(|row| (&row.archive[..], &row.kind[..])).collect();
    assert_eq!((rows, bad_files(&store)), (vec![("index.json.blob", "Auth")], 0));
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
        ("ns", Kind::Argument),
        ("ns/..", Kind::Argument),
        ("ns/a", Kind::NotFound),
    ] {
        assert_eq!(kind(try_verify(&store, scope, VerifyOptions::default())), expected, "{scope}");
    }
    assert_eq!(verify(&store, VerifyOptions::default()), Report::default());
}

#[test]
fn a_run_that_is_stopped_has_noted_nothing() {
    for threads in [1, 2, 8] {
        for stopped_by in ["damage", "done", "progress"] {
            let scratch = Scratch::in_memory();
            let store = scratch.store("store");
            let snapshot = make(&store, "host/x", TIME, &Rng::new(9).bytes(20_000_000), None);
            flip(&store.chunks().chunk_path(&chunks(&store, &snapshot)[0].digest), 1);
            let stop = move |by: &'static str, when: bool| match by == stopped_by && when {
                true => Err(Error::cancelled("test", 7)),
                false => Ok(()),
            };
            let on_damage = move |_: &pxds::verify::Damage<'_>| stop("damage", true);
            let on_done = move |_: &pxds::verify::Done<'_>| stop("done", true);
            let progress = move |stage: &Stage| stop("progress", stage.bytes > 0 || stage.phase == PHASE_LIST);
            let options = VerifyOptions {
                threads,
                on_damage: Some(Callback(Arc::new(on_damage))),
                on_done: Some(Callback(Arc::new(on_done))),
                progress: Some(Callback(Arc::new(progress))),
                ..with_upid()
            };
            let mut verifier = Verifier::new(&store, options).unwrap();
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
    let stages = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&stages);
    let progress = move |stage: &Stage| {
        heard.lock().unwrap().push(*stage);
        Ok(())
    };
    let on_done = |_: &pxds::verify::Done<'_>| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        Ok(())
    };
    let options = VerifyOptions {
        on_done: Some(Callback(Arc::new(on_done))),
        progress: Some(Callback(Arc::new(progress))),
        ..with_upid()
    };
    let began = std::time::Instant::now();
    Verifier::new(&store, options).unwrap().run(&Scope::Store).unwrap();
    // The first of each phase, and the end, are told besides.
    let most = began.elapsed().as_millis() / 100 + 3;
    let stages = stages.lock().unwrap();
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
    let mut image = Image::new(
        store.chunks(),
        Some((CHUNKS * 4096) as u64),
        ImageOptions { chunk_size: 4096, ..ImageOptions::default() },
    )
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
    fs::remove_file(store.chunks().chunk_path(&sha256(&[0; 4096]))).unwrap();
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
            let mut ingest = Ingest::new(store.chunks(), options).unwrap();
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
    let path = store.chunks().chunk_path(&chunks(&store, &snapshot)[0].digest);
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
        let open = OpenSnapshot::open(store.tree(), &Snapshot::parse(snapshot).unwrap(), None).unwrap();
        let index = open.index(name).unwrap().index;
        let mut restored = Vec::new();
        let mut sink = |bytes: &[u8]| {
            restored.extend_from_slice(bytes);
            Ok(())
        };
        pxds::restore::Restorer::new(
            store.chunks(),
            pxds::restore::RestoreOptions { any_csum: true, ..pxds::restore::RestoreOptions::default() },
        )
        .restore(&index, &mut sink)
        .unwrap();
        assert!(restored == generate(content.get_list("content")), "{path}");
        seen += 1;
    }
    assert!(seen >= 3, "{seen}");
}
