//! What the tests of verification share: snapshots that are made, damaged and looked at.

#![allow(dead_code, reason = "every test program uses a part of it")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use pxds::backup::{Backup, BackupOptions};
use pxds::callback::Callback;
use pxds::chunker::Config;
use pxds::crypt::CryptKey;
use pxds::error::Result;
use pxds::index::ChunkInfo;
use pxds::ingest::{Ingest, IngestOptions};
use pxds::manifest::{CryptMode, VerifyState};
use pxds::name::{Group, Snapshot};
use pxds::store::Store;
use pxds::tree::OpenSnapshot;
use pxds::verify::{Outcome, Scope, Sums, Verifier, VerifyOptions};

pub(crate) const TIME: i64 = 1_593_179_765;
pub(crate) const UPID: &str = "UPID:elsa:00004F37:0039E469:00000000:5CA78B83:verify::root@pam:";
pub(crate) const DAY: i64 = 86400;

/// One place that is damaged, as it was told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) snapshot: String,
    pub(crate) archive: String,
    pub(crate) place: Option<(u64, u64, String)>,
    pub(crate) kind: String,
    pub(crate) renamed: bool,
    pub(crate) repaired: bool,
}

/// All that a run has said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    pub(crate) done: Vec<(String, Outcome, u64, u64)>,
    pub(crate) sums: Sums,
}

impl Report {
    pub(crate) fn failed(&self) -> BTreeSet<&str> {
        self.with(Outcome::Failed)
    }

    pub(crate) fn with(&self, wanted: Outcome) -> BTreeSet<&str> {
        self.done.iter().filter(|done| done.1 == wanted).map(|done| done.0.as_str()).collect()
    }

    pub(crate) fn kinds(&self) -> Vec<&str> {
        self.rows.iter().map(|row| row.kind.as_str()).collect()
    }
}

pub(crate) fn try_verify(store: &Store, scope: &str, options: VerifyOptions) -> Result<Report> {
    let (rows, done) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let (damaged, dealt_with) = (rows.clone(), done.clone());
    let on_damage = move |damage: &pxds::verify::Damage<'_>| {
        let place = |chunk: ChunkInfo| (chunk.start, chunk.len(), chunk.digest.to_string());
        assert!(!damage.message.is_empty());
        damaged.lock().unwrap().push(Row {
            snapshot: damage.snapshot.path(),
            archive: damage.archive.to_owned(),
            place: damage.chunk.map(place),
            kind: format!("{:?}", damage.kind),
            renamed: damage.renamed,
            repaired: damage.repaired,
        });
        Ok(())
    };
    let on_done = move |entry: &pxds::verify::Done<'_>| {
        dealt_with.lock().unwrap().push((entry.snapshot.path(), entry.outcome, entry.errors, entry.repaired));
        Ok(())
    };
    let options = VerifyOptions {
        on_damage: Some(Callback(Arc::new(on_damage))),
        on_done: Some(Callback(Arc::new(on_done))),
        ..options
    };
    let mut verifier = Verifier::new(store, options)?;
    verifier.run(&Scope::parse(scope)?)?;
    let sums = verifier.sums();
    let rows: Vec<Row> = std::mem::take(&mut *rows.lock().unwrap());
    let done = std::mem::take(&mut *done.lock().unwrap());
    let count = |wanted: &[Outcome]| done.iter().filter(|done| wanted.contains(&done.1)).count() as u64;
    assert_eq!(sums.ok, count(&[Outcome::Ok]));
    assert_eq!(sums.failed, count(&[Outcome::Failed]));
    assert_eq!(sums.skipped, count(&[Outcome::Busy, Outcome::Gone, Outcome::Recent, Outcome::Unreadable]));
    for (path, outcome, errors, repaired) in &done {
        let of_it = rows.iter().filter(|row| row.snapshot == *path);
        let (fixed, broken): (Vec<_>, Vec<_>) = of_it.partition(|row| row.repaired);
        assert_eq!((*errors, *repaired), (broken.len() as u64, fixed.len() as u64), "{path}");
        assert_eq!([Outcome::Failed, Outcome::Unreadable].contains(outcome), *errors > 0, "{path}");
    }
    Ok(Report { rows, done, sums })
}

pub(crate) fn verify(store: &Store, options: VerifyOptions) -> Report {
    try_verify(store, "", options).unwrap()
}

pub(crate) fn with_upid() -> VerifyOptions {
    VerifyOptions { upid: Some(UPID.into()), ..VerifyOptions::default() }
}

pub(crate) fn state_of(store: &Store, snapshot: &str) -> Option<VerifyState> {
    store.tree().load_manifest(&Snapshot::parse(snapshot).unwrap()).unwrap().verify_state()
}

pub(crate) fn group(path: &str) -> Group {
    Group::parse(path).unwrap()
}

pub(crate) fn ingest(store: &Store, data: &[u8], key: Option<Arc<CryptKey>>) -> pxds::ingest::StoredIndex {
    let options = IngestOptions { chunker: Config::from_avg(4096).unwrap(), key, ..IngestOptions::default() };
    let mut ingest = Ingest::new(store.chunks(), options).unwrap();
    ingest.write(data).unwrap();
    ingest.finish().unwrap()
}

pub(crate) fn backup_options(time: i64, key: &Option<Arc<CryptKey>>) -> BackupOptions {
    let crypt_mode = if key.is_some() { CryptMode::Encrypt } else { CryptMode::None };
    BackupOptions { time: Some(time), key: key.clone(), crypt_mode, ..BackupOptions::default() }
}

/// A snapshot with `a.didx` of `data` and `b.blob`.
pub(crate) fn make(store: &Store, path: &str, time: i64, data: &[u8], key: Option<Arc<CryptKey>>) -> Snapshot {
    let options = backup_options(time, &key);
    let mut backup = Backup::new(store, &group(path), options).unwrap();
    backup.add_index("a.didx", &mut ingest(store, data, key)).unwrap();
    backup.add_blob("b.blob", b"key = value\n", true).unwrap();
    backup.finish().unwrap();
    backup.snapshot().clone()
}

/// The chunks of `a.didx`.
pub(crate) fn chunks(store: &Store, snapshot: &Snapshot) -> Vec<ChunkInfo> {
    let index = OpenSnapshot::open(store.tree(), snapshot, None).unwrap().index("a.didx").unwrap().index;
    (0..index.count()).map(|i| index.chunk(i).unwrap()).collect()
}

pub(crate) fn path_in(store: &Store, snapshot: &Snapshot, name: &str) -> PathBuf {
    store.path().join(snapshot.path()).join(name)
}

/// Changes one byte of a file, the `at`-th from its end.
pub(crate) fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.len() - at;
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

pub(crate) fn bad_files(store: &Store) -> usize {
    let chunks = store.path().join(".chunks");
    let all = crate::common::names(&chunks).into_iter().flat_map(|dir| crate::common::names(&chunks.join(dir)));
    all.filter(|name| name.ends_with(".bad")).count()
}
