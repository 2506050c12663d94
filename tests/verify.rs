//! Verification (docs/format.md, 10): held to what PBS finds in a damaged store, and to what was damaged here.

mod common;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use common::{Json, Rng, Scratch, failure, generate, kind, plant, quick, raw_blob, tree, unhex, vector_json};
use pxds::backup::{Backup, BackupOptions};
use pxds::blob::Codec;
use pxds::chunker::Config;
use pxds::crypt::CryptKey;
use pxds::digest::Digest;
use pxds::error::{Error, Kind, Result};
use pxds::hash::sha256;
use pxds::index::ChunkInfo;
use pxds::ingest::{Image, ImageOptions, Ingest, IngestOptions};
use pxds::manifest::{CryptMode, FileInfo, VerifyState};
use pxds::name::{Group, Namespace, Snapshot};
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
        let of_case = |case: &serde_json::Value| -> Vec<String> {
            case.get_list(which).iter().map(|name| name.as_str().unwrap().to_owned()).collect()
        };
        self.cases().iter().flat_map(of_case).collect()
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
    one("empty-chunk-file", "a.fidx", "Format", true);
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
