//! What the tests of garbage collection share: chunks that are old, indexes that are made by hand.

#![allow(dead_code, reason = "every test program uses a part of it")]

use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use pxds::base::NoticeLevel;
use pxds::callback::Callback;
use pxds::chunks::{InsertOptions, Layout};
use pxds::digest::Digest;
use pxds::error::Result;
use pxds::format::{IndexHeader, MAGIC_DYNAMIC_INDEX, MAGIC_FIXED_INDEX};
use pxds::gc::{Clock, GcOptions, GcStatus, collect};
use pxds::hash::sha256;
use pxds::name::Snapshot;
use pxds::progress::Stage;
use pxds::store::{Store, StoreOptions};
use serde_json::Value;

use crate::common::{Scratch, plain_blob, quick, watched};

/// Long ago.
pub(crate) const OLD: u64 = 1_698_272_000;

/// Bytes that an entry of a made index stands for.
pub(crate) const ENTRY: u64 = 1000;

/// A store, and what it has said.
pub(crate) struct Scene {
    pub(crate) scratch: Scratch,
    pub(crate) store: Store,
    pub(crate) notices: Arc<Mutex<Vec<String>>>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::of(Layout::Hex2)
    }

    pub(crate) fn of(layout: Layout) -> Self {
        let scratch = Scratch::new();
        let path = scratch.store_of(layout).path().to_path_buf();
        Self::open(scratch, &path, quick())
    }

    pub(crate) fn open(scratch: Scratch, path: &Path, options: StoreOptions) -> Self {
        let notices: Arc<Mutex<Vec<String>>> = Arc::default();
        let said = notices.clone();
        let notice = Arc::new(move |level, message: &str, _: Option<&Path>| {
            if level == NoticeLevel::Warning {
                said.lock().unwrap().push(message.to_owned());
            }
            Ok(())
        });
        let store = Store::open(path, &StoreOptions { notice: Some(Callback(notice)), ..options }).unwrap();
        Scene { scratch, store, notices }
    }

    /// A chunk that was touched long ago.
    pub(crate) fn chunk(&self, data: &str) -> Digest {
        let digest = sha256(data.as_bytes());
        self.store.chunks().insert(&digest, &plain_blob(data.as_bytes()), InsertOptions::default()).unwrap();
        self.age(&digest);
        digest
    }

    pub(crate) fn age(&self, digest: &Digest) {
        set_atime(&self.store.chunks().chunk_path(digest), OLD);
    }

    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.store.chunks().has(digest).unwrap().is_some()
    }

    /// Which of these there are.
    pub(crate) fn left(&self, digests: &[Digest]) -> Vec<bool> {
        digests.iter().map(|digest| self.has(digest)).collect()
    }

    /// Writes an index, at a path below the store, of the kind that its name says.
    pub(crate) fn index(&self, path: &str, digests: &[Digest]) -> PathBuf {
        let full = self.store.path().join(path);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(&full, index_bytes(path.ends_with(".didx"), digests)).unwrap();
        full
    }

    /// The directory of a snapshot.
    pub(crate) fn dir(&self, snapshot: &str) -> PathBuf {
        self.store.path().join(snapshot)
    }

    /// A finished snapshot with an archive.
    pub(crate) fn snapshot(&self, snapshot: &str, digests: &[Digest]) -> Snapshot {
        self.index(&format!("{snapshot}/root.pxar.didx"), digests);
        fs::write(self.dir(snapshot).join("index.json.blob"), "x").unwrap();
        Snapshot::parse(snapshot).unwrap()
    }

    pub(crate) fn collect(&self) -> Result<GcStatus> {
        self.collect_with(&GcOptions::default(), |_| Ok(()))
    }

    pub(crate) fn dry_run(&self) -> GcStatus {
        self.collect_with(&GcOptions { dry_run: true, ..GcOptions::default() }, |_| Ok(())).unwrap()
    }

    pub(crate) fn collect_with(
        &self,
        options: &GcOptions,
        heard: impl FnMut(&Stage) -> Result<()>,
    ) -> Result<GcStatus> {
        let collect = |progress| collect(&self.store, &GcOptions { progress: Some(progress), ..options.clone() });
        watched(collect, heard)
    }

    /// What was said, and forgets it.
    pub(crate) fn said(&self) -> Vec<String> {
        std::mem::take(&mut *self.notices.lock().unwrap())
    }
}

pub(crate) fn set_atime(path: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    File::open(path).unwrap().set_times(FileTimes::new().set_accessed(time)).unwrap();
}

pub(crate) fn set_mtime(path: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    File::open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
}

pub(crate) fn index_bytes(dynamic: bool, digests: &[Digest]) -> Vec<u8> {
    let magic = if dynamic { MAGIC_DYNAMIC_INDEX } else { MAGIC_FIXED_INDEX };
    let size = if dynamic { 0 } else { 65536 * digests.len() as u64 };
    let mut entries = Vec::new();
    for (i, digest) in digests.iter().enumerate() {
        if dynamic {
            entries.extend((ENTRY * (i as u64 + 1)).to_le_bytes());
        }
        entries.extend(digest.0);
    }
    let csum = sha256(&entries).0;
    let header = IndexHeader { magic, uuid: [0; 16], ctime: 0, csum, size, chunk_size: 65536 };
    [header.to_bytes().to_vec(), entries].concat()
}

/// The members of `.gc-status` that PBS has.
pub(crate) fn pbs_status(status: &GcStatus) -> Value {
    let mut json: Value = serde_json::from_str(&status.to_json()).unwrap();
    json.as_object_mut().unwrap().remove("cache-stats");
    json
}

/// Does something when a collection gets to a phase.
pub(crate) fn collect_and(scene: &Scene, phase: u32, action: impl FnOnce()) -> Result<GcStatus> {
    let mut action = Some(action);
    scene.collect_with(&GcOptions::default(), |step| {
        if step.phase == phase
            && let Some(action) = action.take()
        {
            action();
        }
        Ok(())
    })
}

/// The files below a directory; reading them would move their access times.
pub(crate) fn files_below(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut dirs = vec![String::new()];
    while let Some(at) = dirs.pop() {
        for entry in fs::read_dir(dir.join(&at)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{at}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() { dirs.push(format!("{path}/")) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

pub(crate) fn chunk_files(scene: &Scene) -> Vec<String> {
    files_below(&scene.store.path().join(".chunks"))
}

pub(crate) fn clock(now: impl Fn() -> i64 + Send + Sync + 'static) -> Clock {
    Callback(Arc::new(now))
}

pub(crate) fn real() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64
}
