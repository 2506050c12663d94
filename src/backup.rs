//! Archives in, a snapshot out (docs/format.md, 7.7).
//!
//! # Contract
//!
//! - From the start until the end the store is held as a writer, the group and the new snapshot alone, and the snapshot
//!   that it builds on beside others, in this order.
//! - The snapshot is made in a hidden directory. The manifest is its last file; then everything is brought to the disk,
//!   by the store's sync level; then the snapshot gets its name. A crash at any point leaves a whole snapshot, or none.
//! - A backup that is dropped before it is finished leaves nothing but chunks: neither the snapshot, nor a group that
//!   was made for it.
//! - An index that would stop PBS's garbage collection is refused: an empty one and, unless it is asked for, a fixed
//!   one whose chunks are not of 4 MiB, at which versions after 4.2.3 stop.
//! - A failure to write ends it; a wrong argument does not.

use std::path::Path;
use std::sync::Arc;

use crate::base::{NoticeLevel, SyncLevel};
use crate::blob::Codec;
use crate::chunks::{SharedLock, Unsynced};
use crate::crypt::CryptKey;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result, reserve};
use crate::hash::sha256;
use crate::index::{IndexKind, Summary};
use crate::ingest::{Image, ImageOptions, Ingest, IngestOptions, IngestStats, StoredIndex, check_unchanged};
use crate::limits::{BLOB_MAX_SIZE, PBS_IMAGE_CHUNK_SIZE};
use crate::manifest::{CryptMode, FileInfo, MANIFEST_NAME, Manifest, UploadStats};
use crate::master::{SEALED_KEY_NAME, check_sealed};
use crate::name::{ArchiveKind, Group, Snapshot, check_archive};
use crate::progress::{OnProgress, Progress, Stage};
use crate::store::Store;
use crate::sys::{self, CallerFd, LockMode, ProcessMark, Watch, c_name};
use crate::tree::{FILE_MODE, NewGroup, TreeLock, WorkDir, check_time};

/// Seconds, at most, until a time comes that is after the last snapshot's and not taken: clocks differ a little.
const MAX_WAIT: i64 = 5;

/// How often the clock is looked at meanwhile.
const WAIT_MS: u64 = 20;

/// [`Stage::phase`] while a time is waited for: seconds.
pub const PHASE_WAIT: u32 = 0;
/// [`Stage::phase`] while a backup is finished: directories of chunks that are brought to the disk.
pub const PHASE_FINISH: u32 = 1;

/// Bytes asked of the descriptor of a blob at a time.
const STEP: usize = 1 << 20;

/// Gives the next bytes of a stream: fills the start of a buffer, and says how much; 0 bytes are the end.
pub type Read<'a> = dyn FnMut(&mut [u8]) -> Result<usize> + 'a;

/// The data of an archive.
enum Input<'a> {
    Fd(CallerFd<'a>),
    Stream(&'a mut Read<'a>),
}

/// How a snapshot is made.
#[derive(Debug, Clone, Default)]
pub struct BackupOptions {
    /// Its time, in seconds since 1970; by default now. If the last snapshot is not before that, or has that time, a
    /// later second is waited for, for a few seconds.
    pub time: Option<i64>,
    /// The owner: a new group gets this owner, an old one must have it. By default `root@pam` for a new group.
    pub owner: Option<String>,
    /// Its notes.
    pub notes: Option<String>,
    /// Take fixed indexes with other chunks than of 4 MiB.
    pub any_chunk_size: bool,
    /// How its archives are protected: with anything but [`CryptMode::None`] the manifest is signed too.
    pub crypt_mode: CryptMode,
    /// The key to encrypt and sign with; not without a mode that needs it.
    pub key: Option<Arc<CryptKey>>,
    /// Told how far [`Backup::new`] and [`Backup::finish`] are: [`PHASE_WAIT`], [`PHASE_FINISH`].
    pub progress: Option<OnProgress>,
}

/// A snapshot in the making.
pub struct Backup {
    store: Store,
    snapshot: Snapshot,
    manifest: Manifest,
    any_chunk_size: bool,
    crypt_mode: CryptMode,
    key: Option<Arc<CryptKey>>,
    /// Chunks that an index names and that may not be on the disk yet.
    unsynced: Unsynced,
    stats: UploadStats,
    progress: Progress,
    state: State,
    /// The process that made it: a forked child may only drop it.
    process: ProcessMark,
    // Released in this order.
    work: Option<WorkDir>,
    lock: Option<TreeLock>,
    previous: Option<(Snapshot, TreeLock)>,
    group: Option<NewGroup>,
    store_lock: Option<SharedLock>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Failed,
    Finished,
}

impl Backup {
    /// Starts a snapshot of `group`.
    ///
    /// Errors: `Argument` for a time before 1970 or after 9999, or a bad name of an owner, or one that is not the
    /// group's; `State` if the time is not after that of the last finished snapshot, or that one lies in the future;
    /// `Exists` if there is another of that time; `Busy`, with the path, if another process is writing into the group,
    /// removing the snapshot before, or collecting garbage; `Io`; that of the callback.
    pub fn new(store: &Store, group: &Group, options: BackupOptions) -> Result<Self> {
        let BackupOptions { time, owner, notes, any_chunk_size, crypt_mode, key, progress } = options;
        check_key(crypt_mode, key.is_some())?;
        let mut progress = Progress::new(progress);
        let store_lock = store.chunks().lock_shared()?;
        let held = store.tree().create_group(group, owner.as_deref())?;
        let started = match Started::new(store, group, &held, time, &mut progress) {
            Ok(started) => started,
            Err(error) => {
                held.undo();
                return Err(error);
            }
        };
        let Started { snapshot, manifest, work, lock, previous } = started;
        let mut backup = Backup {
            store: store.clone(),
            snapshot,
            manifest,
            any_chunk_size,
            crypt_mode,
            key,
            unsynced: Unsynced::default(),
            stats: UploadStats::default(),
            progress,
            state: State::Open,
            process: ProcessMark::new(),
            work: Some(work),
            lock,
            previous,
            group: Some(held),
            store_lock: Some(store_lock),
        };
        backup.manifest.set_notes(notes.as_deref())?;
        Ok(backup)
    }

    /// The store that it goes into.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The snapshot that this will be.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The last finished snapshot of the group, which stays as long as this is at work; `None` if there is none, or if
    /// its verification has failed or its manifest cannot be read.
    pub fn previous(&self) -> Option<&Snapshot> {
        self.previous.as_ref().map(|(snapshot, _)| snapshot)
    }

    /// Adds the index `name` of what has been ingested into the same store.
    ///
    /// Errors: `Argument` if the name is no archive's or of another kind, or for an index of another store, an empty
    /// one, or one of unusual chunks; `CryptMode` if its chunks are encrypted otherwise than the snapshot's; `Exists`
    /// if there is an archive of this name; `State` if the index is incomplete or has been saved, or after a failure;
    /// `Io`.
    pub fn add_index(&mut self, name: &str, index: &mut StoredIndex) -> Result<()> {
        self.check_open()?;
        self.check_new(name)?;
        // Asked for once: for a fixed index it hashes all digests.
        let summary = index.summary();
        self.check_index(name, index, &summary)?;
        index.check_ready()?;
        self.run(|backup| {
            index.save_in(backup.work()?.dir(), &c_name(name)?, backup.syncs_files(), backup.store.base().owner())?;
            // Until the snapshot has its name no garbage collection finds the index: what keeps its chunks is the lock.
            if let Some(lock) = &backup.store_lock {
                index.hand_over(lock);
            }
            let csum = Digest(summary.header.csum);
            backup.unsynced.merge(index.unsynced())?;
            backup.count(index.stats());
            backup.list(name, summary.size, csum)
        })
    }

    /// Adds the blob `name` with this content, compressed if that makes it smaller and `compress` says so.
    ///
    /// Errors: `Argument` if the name is no blob's, or that of the sealed key, which would be encrypted with itself;
    /// `Exists` if there is an archive of this name; `Limit`; `State` after a failure; `Io`.
    pub fn add_blob(&mut self, name: &str, data: &[u8], compress: bool) -> Result<()> {
        self.check_open()?;
        if self.check_new(name)? != ArchiveKind::Blob {
            return Err(Error::new(Kind::Argument, format!("{name} is the name of an index")));
        }
        if name == SEALED_KEY_NAME && self.crypt_mode == CryptMode::Encrypt {
            let message = format!("{name} is the name of the sealed key, which is not encrypted with the key in it");
            return Err(Error::new(Kind::Argument, message));
        }
        let mut codec = Codec::with_key(self.chunk_key());
        let blob = match self.crypt_mode {
            CryptMode::Encrypt => codec.seal_vec(data, compress)?,
            CryptMode::None | CryptMode::SignOnly => codec.encode_vec(data, compress)?,
        };
        self.write_blob(name, &blob)
    }

    /// Adds the key of the snapshot, sealed for a master key by [`seal`](crate::master::seal) or otherwise.
    ///
    /// Errors: `Argument` if it cannot be a sealed key; `Key` if the snapshot has none; `Exists` if there is one
    /// already; `State` after a failure; `Io`.
    pub fn add_sealed_key(&mut self, sealed: &[u8]) -> Result<()> {
        self.check_open()?;
        self.check_new(SEALED_KEY_NAME)?;
        if self.key.is_none() {
            return Err(Error::new(Kind::Key, "the snapshot has no key that could be sealed"));
        }
        check_sealed(sealed)?;
        let blob = Codec::new().encode_vec(sealed, false)?;
        self.write_blob(SEALED_KEY_NAME, &blob)
    }

    fn write_blob(&mut self, name: &str, blob: &[u8]) -> Result<()> {
        self.run(|backup| {
            let (sync, owner) = (backup.syncs_files(), backup.store.base().owner());
            backup.work()?.dir().replace_file(&c_name(name)?, blob, FILE_MODE, owner, sync)?;
            backup.stats.size += blob.len() as u64;
            backup.list(name, blob.len() as u64, sha256(blob))
        })
    }

    /// Adds what `fd` gives to its end, as the kind of archive that `name` says: cut as `stream` or `image` say, or
    /// whole as a blob, of which the progress of `stream` is told. Gives the sums over its chunks; of a blob the size
    /// alone.
    ///
    /// Errors: as [`Backup::add_index`] and [`Backup::add_blob`]; those of [`Ingest`] and [`Image`].
    pub fn add_fd(
        &mut self,
        name: &str,
        fd: CallerFd<'_>,
        stream: IngestOptions,
        image: ImageOptions,
    ) -> Result<IngestStats> {
        self.add(name, Input::Fd(fd), stream, image)
    }

    /// As [`Backup::add_fd`], of what `read` gives, which is called on this thread.
    ///
    /// Errors: as [`Backup::add_fd`]; `Argument` if `read` claims more than the buffer holds; those of `read`.
    pub fn add_stream(
        &mut self,
        name: &str,
        read: &mut Read<'_>,
        stream: IngestOptions,
        image: ImageOptions,
    ) -> Result<IngestStats> {
        // Of any lifetime within this call.
        let mut read = |buffer: &mut [u8]| read(buffer);
        self.add(name, Input::Stream(&mut read), stream, image)
    }

    /// As [`Backup::add_fd`], of the file or device at `path`.
    ///
    /// Errors: as [`Backup::add_fd`]; `NotFound` and `Io` if it cannot be opened, which do not end the backup.
    pub fn add_file(
        &mut self,
        name: &str,
        path: &Path,
        stream: IngestOptions,
        image: ImageOptions,
    ) -> Result<IngestStats> {
        self.check_open()?;
        self.check_new(name)?;
        let file = sys::open_input(path)?;
        self.add_fd(name, CallerFd::from(&file), stream, image).map_err(|error| {
            // An error of reading names only the number of the descriptor.
            if error.path().is_none() && error.errno().is_some() { error.of(path) } else { error }
        })
    }

    fn add(&mut self, name: &str, input: Input<'_>, stream: IngestOptions, image: ImageOptions) -> Result<IngestStats> {
        self.check_open()?;
        let mut index = match self.check_new(name)? {
            ArchiveKind::Dynamic => {
                let mut ingest = Ingest::new(self.store.chunks(), IngestOptions { key: self.chunk_key(), ..stream })?;
                self.run(|_| {
                    match input {
                        Input::Fd(fd) => ingest.read_fd(fd)?,
                        Input::Stream(read) => ingest.read(read)?,
                    }
                    ingest.finish()
                })?
            }
            ArchiveKind::Fixed => {
                self.check_chunk_size(name, image.chunk_size)?;
                let mut ingest =
                    Image::new(self.store.chunks(), None, ImageOptions { key: self.chunk_key(), ..image })?;
                self.run(|_| {
                    match input {
                        Input::Fd(fd) => ingest.read_fd(fd)?,
                        Input::Stream(read) => ingest.read(read)?,
                    }
                    ingest.finish()
                })?
            }
            ArchiveKind::Blob => {
                let mut progress = Progress::new(stream.progress);
                let data = self.run(|backup| match input {
                    Input::Fd(fd) => {
                        let watch = Watch::start(fd)?;
                        let data = read_whole(name, Some(fd), &mut |buffer| fd.read(buffer), &mut progress)?;
                        check_unchanged(&watch, backup.store.chunks(), stream.strict).map(|()| data)
                    }
                    Input::Stream(read) => read_whole(name, None, read, &mut progress),
                })?;
                self.add_blob(name, &data, stream.compress)?;
                return Ok(IngestStats { size: data.len() as u64, ..IngestStats::default() });
            }
        };
        self.add_index(name, &mut index)?;
        Ok(index.stats())
    }

    /// Completes the snapshot, and lets go of everything.
    ///
    /// Errors: `State` without an archive, after a failure, or when it is finished; `Exists` if a snapshot of this time
    /// has been made meanwhile; `Io`; that of the callback.
    pub fn finish(&mut self) -> Result<()> {
        self.check_open()?;
        if self.manifest.files().is_empty() {
            return Err(Error::new(Kind::State, format!("the snapshot {} has no archive", self.snapshot)));
        }
        self.run(|backup| {
            backup.manifest.set_upload_stats(Some(backup.stats));
            if let Some(key) = &backup.key {
                backup.manifest.sign(key)?;
            }
            backup.store.tree().write_manifest(backup.work()?.dir(), &backup.manifest)?;
            let progress = &mut backup.progress;
            progress.stage = Stage { phase: PHASE_FINISH, ..Stage::default() };
            backup.store.chunks().sync_before_index_telling(&backup.unsynced, progress)?;
            let syncs = backup.store.base().sync_level() != SyncLevel::None;
            if backup.syncs_files() {
                backup.store.tree().sync_way_to(backup.snapshot.group())?;
            }
            backup.work.take().ok_or_else(no_work)?.commit(&backup.snapshot, syncs)
        })?;
        self.state = State::Finished;
        self.lock = None;
        self.previous = None;
        self.group = None;
        self.store_lock = None;
        Ok(())
    }

    fn check_open(&self) -> Result<()> {
        if !self.process.is_here() {
            return Err(Error::new(Kind::State, "the backup belongs to the process that this one was forked from"));
        }
        match self.state {
            State::Open => Ok(()),
            State::Failed => Err(Error::new(Kind::State, "the backup has failed before")),
            State::Finished => Err(Error::new(Kind::State, "the backup is finished")),
        }
    }

    /// Checks that there can be an archive `name` yet.
    fn check_new(&self, name: &str) -> Result<ArchiveKind> {
        let kind = check_archive(name)?;
        if name == MANIFEST_NAME {
            return Err(Error::new(Kind::Argument, format!("{name} is the manifest, which is made by itself")));
        }
        if self.manifest.find(name).is_some() {
            return Err(Error::new(Kind::Exists, format!("the snapshot has an archive {name} already")));
        }
        Ok(kind)
    }

    fn check_index(&self, name: &str, index: &StoredIndex, summary: &Summary) -> Result<()> {
        let refuse = |why: &str| Err(Error::new(Kind::Argument, format!("{name}: {why}")));
        match (check_archive(name)?, index.kind()) {
            (ArchiveKind::Dynamic, IndexKind::Dynamic) => {}
            (ArchiveKind::Fixed, IndexKind::Fixed) => {
                self.check_chunk_size(name, summary.header.chunk_size)?;
            }
            (ArchiveKind::Blob, _) => return refuse("an index cannot be a blob"),
            (_, kind) => return refuse(&format!("the index is a {kind:?} one").to_lowercase()),
        }
        if !index.is_form_known() {
            let why = "its chunks were copied, and whether they are encrypted is not known";
            return Err(Error::new(Kind::Argument, format!("{name}: {why}")));
        }
        if index.key() != self.chunk_key().as_ref().map(|key| key.fingerprint()) {
            return Err(Error::new(
                Kind::CryptMode,
                format!("{name}: its chunks are not encrypted as the snapshot is"),
            ));
        }
        if !index.is_of(self.store.chunks()) {
            return refuse("the index comes from another store, or another handle of this one");
        }
        if summary.count == 0 {
            return refuse(
                "the index is empty, which Proxmox Backup Server cannot open, and at which its garbage collection \
                 stops; store nothing as a .blob instead",
            );
        }
        Ok(())
    }

    fn check_chunk_size(&self, name: &str, chunk_size: u64) -> Result<()> {
        if chunk_size == PBS_IMAGE_CHUNK_SIZE || self.any_chunk_size {
            return Ok(());
        }
        let message = format!(
            "{name}: chunks of {chunk_size} bytes: Proxmox Backup Server opens no fixed index but of \
             {PBS_IMAGE_CHUNK_SIZE} in versions after 4.2.3, and their garbage collection stops at one"
        );
        Err(Error::new(Kind::Argument, message))
    }

    /// Does `work`; if it fails, so has the backup.
    fn run<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        // A panic in `work` leaves this behind.
        self.state = State::Failed;
        let done = work(self)?;
        self.state = State::Open;
        Ok(done)
    }

    fn work(&self) -> Result<&WorkDir> {
        self.work.as_ref().ok_or_else(no_work)
    }

    /// The key that chunks and blobs are encrypted with, if they are.
    fn chunk_key(&self) -> Option<Arc<CryptKey>> {
        self.key.clone().filter(|_| self.crypt_mode == CryptMode::Encrypt)
    }

    /// Whether each file is brought to the disk by itself; otherwise all are at the end, if at all.
    fn syncs_files(&self) -> bool {
        self.store.base().sync_level() == SyncLevel::File
    }

    fn count(&mut self, stats: IngestStats) {
        self.stats.count += stats.chunks;
        self.stats.size += stats.size;
        self.stats.compressed_size += stats.compressed_bytes;
        self.stats.duplicates += stats.duplicates();
    }

    fn list(&mut self, name: &str, size: u64, csum: Digest) -> Result<()> {
        self.manifest.add_file(&FileInfo { filename: name.to_owned(), crypt_mode: self.crypt_mode, size, csum })
    }
}

impl Drop for Backup {
    fn drop(&mut self) {
        if self.state == State::Finished || !self.process.is_here() {
            return;
        }
        self.work = None;
        // A lock file that cannot be removed is harmless.
        let _ = self.store.tree().remove_lock_files(&self.snapshot);
        self.lock = None;
        if let Some(group) = self.group.take() {
            group.undo();
        }
    }
}

/// The parts of a backup that are there from the start.
struct Started {
    snapshot: Snapshot,
    manifest: Manifest,
    work: WorkDir,
    lock: Option<TreeLock>,
    previous: Option<(Snapshot, TreeLock)>,
}

impl Started {
    /// Chooses the time, makes and holds the directory, and holds the snapshot before.
    fn new(store: &Store, group: &Group, held: &NewGroup, time: Option<i64>, progress: &mut Progress) -> Result<Self> {
        let last = Last::of(store, group)?;
        let snapshot = match time {
            Some(time) => of_time(store, group, time, last.snapshot())?,
            None => of_now(store, group, last.snapshot(), progress)?,
        };
        let manifest = Manifest::new(group.kind(), group.id(), snapshot.time())?;
        let work = held.start_snapshot(store.tree(), &snapshot)?;
        let lock = store.tree().lock_new(&snapshot)?;
        let previous = last.hold(store).inspect_err(|_| {
            let _ = store.tree().remove_lock_files(&snapshot);
        })?;
        Ok(Started { snapshot, manifest, work, lock, previous })
    }
}

/// The last finished snapshot of a group.
enum Last {
    /// There is none, or its verification has failed, and it is not used.
    None,
    /// A new one comes after it, but cannot build on it.
    Unreadable(Snapshot),
    Good(Snapshot),
}

impl Last {
    fn of(store: &Store, group: &Group) -> Result<Self> {
        while let Some(last) = store.tree().last_finished(group)? {
            let error = match store.tree().load_manifest(&last) {
                Ok(manifest) if manifest.verify_state().is_some_and(|state| !state.ok) => return Ok(Last::None),
                Ok(_) => return Ok(Last::Good(last)),
                // It has been removed meanwhile.
                Err(error) if error.kind() == Kind::NotFound => continue,
                Err(error) => error,
            };
            let path = store.path().join(last.path());
            let message = format!("the snapshot before cannot be built on: {error}");
            store.base().notice(NoticeLevel::Warning, &message, Some(&path))?;
            return Ok(Last::Unreadable(last));
        }
        Ok(Last::None)
    }

    /// The time that a new one must be after.
    fn snapshot(&self) -> Option<&Snapshot> {
        match self {
            Last::None => None,
            Last::Unreadable(last) | Last::Good(last) => Some(last),
        }
    }

    /// Holds the snapshot that can be built on; nothing if it has been removed meanwhile.
    fn hold(self, store: &Store) -> Result<Option<(Snapshot, TreeLock)>> {
        let Last::Good(last) = self else { return Ok(None) };
        match store.tree().lock_snapshot(&last, LockMode::Shared) {
            Ok(lock) => Ok(Some((last, lock))),
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Checks that there is a key if, and only if, the mode needs one.
fn check_key(mode: CryptMode, has_key: bool) -> Result<()> {
    match (mode, has_key) {
        (CryptMode::None, true) => {
            Err(Error::new(Kind::Argument, "a key is given, but neither to encrypt nor to sign with"))
        }
        (CryptMode::Encrypt | CryptMode::SignOnly, false) => {
            Err(Error::new(Kind::Key, "no key is given to encrypt or sign with"))
        }
        _ => Ok(()),
    }
}

/// A new snapshot of the time that the caller wants.
fn of_time(store: &Store, group: &Group, time: i64, last: Option<&Snapshot>) -> Result<Snapshot> {
    check_time(time)?;
    let snapshot = Snapshot::new(group.clone(), time)?;
    if let Some(last) = last.filter(|last| time <= last.time()) {
        let message = format!("the time {} is not after that of the last snapshot, {last}", snapshot.time_name());
        return Err(Error::new(Kind::State, message));
    }
    if store.tree().is_taken(&snapshot)? { Err(taken(store, &snapshot)) } else { Ok(snapshot) }
}

/// A new snapshot of now. While the last one is not before that, or there is one already, the next second is waited
/// for: a snapshot of the future would be in the way of programs whose clock is right.
fn of_now(store: &Store, group: &Group, last: Option<&Snapshot>, progress: &mut Progress) -> Result<Snapshot> {
    let next = last.map_or(1, |last| last.time() + 1);
    let begin = sys::now();
    if let Some(last) = last.filter(|_| next - begin > MAX_WAIT) {
        let message = format!(
            "the last snapshot, {last}, lies in the future: give a time after it, or remove it, or set the clock right"
        );
        return Err(Error::new(Kind::State, message));
    }
    progress.stage = Stage { phase: PHASE_WAIT, ..Stage::default() };
    let mut waited_ms = 0;
    loop {
        let now = sys::now();
        check_time(now)?;
        let snapshot = Snapshot::new(group.clone(), now)?;
        let is_free = now >= next && !store.tree().is_taken(&snapshot)?;
        if is_free {
            return Ok(snapshot);
        }
        if waited_ms >= MAX_WAIT as u64 * 1000 {
            return Err(taken(store, &snapshot));
        }
        progress.stage.done = waited_ms / 1000;
        progress.tick()?;
        sys::pause(WAIT_MS);
        waited_ms += WAIT_MS;
    }
}

fn taken(store: &Store, snapshot: &Snapshot) -> Error {
    Error::at(Kind::Exists, &store.path().join(snapshot.path()), "exists already")
}

/// Everything that `read` gives. With `fd`, which it reads from, it is called only when there is input.
fn read_whole(name: &str, fd: Option<CallerFd<'_>>, read: &mut Read<'_>, progress: &mut Progress) -> Result<Vec<u8>> {
    let mut data = Vec::new();
    let length = fd.map_or(Ok(None), |fd| fd.rest())?;
    loop {
        progress.stage = Stage::of_input(data.len() as u64, length);
        match fd.filter(|_| progress.is_watched()) {
            Some(fd) => fd.await_input(&mut || progress.tick())?,
            None => progress.tick()?,
        }
        let filled = data.len();
        let step = STEP.min(BLOB_MAX_SIZE + 1 - filled);
        reserve(&mut data, step)?;
        data.resize(filled + step, 0);
        let count = read(&mut data[filled..])?;
        if count > step {
            return Err(Error::new(Kind::Argument, format!("the reader claims {count} bytes in a buffer of {step}")));
        }
        data.truncate(filled + count);
        if count == 0 {
            // Whatever it was at the start, its length is known now.
            progress.advance(Stage::of_input(filled as u64, length.map(|_| filled as u64)))?;
            return Ok(data);
        }
        if data.len() > BLOB_MAX_SIZE {
            let message = format!("{name}: the input has more than the {BLOB_MAX_SIZE} bytes of a blob");
            return Err(Error::new(Kind::Limit, message));
        }
    }
}

fn no_work() -> Error {
    Error::new(Kind::State, "the backup is finished")
}
