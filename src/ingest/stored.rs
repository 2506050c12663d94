//! The index of ingested data.

use std::ffi::CStr;
use std::path::Path;

use super::IngestStats;
use crate::base::{NoticeLevel, SyncLevel};
use crate::chunks::Chunks;
use crate::chunks::{SharedLock, Unsynced};
use crate::crypt::Fingerprint;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::index::{IndexKind, IndexWriter, Summary};
use crate::sys::{Dir, FileId, Output, Owner};

/// The index of an ingested stream or image, not yet written. It holds the store as a writer until it is saved or
/// dropped.
pub struct StoredIndex {
    pub(super) writer: IndexWriter,
    store: Chunks,
    /// Chunks that it names and that may not be on the disk yet.
    unsynced: Unsynced,
    pub(super) stats: IngestStats,
    /// The key that its chunks are encrypted with.
    key: Option<Fingerprint>,
    /// Whether `key` is known: for copied chunks it may not be.
    pub(super) form_known: bool,
    /// The files that were read for it, in whose place it is not saved.
    inputs: Vec<FileId>,
    /// `None` once the index is saved.
    lock: Option<SharedLock>,
}

impl StoredIndex {
    /// An index of chunks of `store`, which `lock` is of.
    pub(super) fn new(writer: IndexWriter, store: Chunks, lock: SharedLock, key: Option<Fingerprint>) -> Self {
        StoredIndex {
            writer,
            store,
            unsynced: Unsynced::default(),
            stats: IngestStats::default(),
            key,
            form_known: true,
            inputs: Vec::new(),
            lock: Some(lock),
        }
    }

    /// Which kind it is.
    pub fn kind(&self) -> IndexKind {
        self.writer.kind()
    }

    /// The fingerprint of the key that its chunks are encrypted with, if they are.
    pub fn key(&self) -> Option<&Fingerprint> {
        self.key.as_ref()
    }

    /// Whether it is known if its chunks are encrypted, and with which key.
    pub fn is_form_known(&self) -> bool {
        self.form_known
    }

    /// Whether its chunks are in this store.
    pub fn is_of(&self, store: &Chunks) -> bool {
        self.store.is_same(store)
    }

    /// Sums over what the ingest has stored; what [`StoredIndex::add`] appended is not among it.
    pub fn stats(&self) -> IngestStats {
        self.stats
    }

    /// Whether it names chunks that were not written by its ingest.
    pub fn reused(&self) -> bool {
        self.unsynced.is_reused()
    }

    /// Chunks that it names and that may not be on the disk yet: see [`Chunks::sync_before_index`].
    pub fn unsynced(&self) -> &Unsynced {
        &self.unsynced
    }

    /// A file is read for it.
    ///
    /// Errors: `NoMemory`.
    pub(super) fn add_input(&mut self, file: FileId) -> Result<()> {
        if self.inputs.last() != Some(&file) {
            let no_memory = |_| Error::new(Kind::NoMemory, "no memory for the list of inputs");
            self.inputs.try_reserve(1).map_err(no_memory)?;
            self.inputs.push(file);
        }
        Ok(())
    }

    /// It names chunks that its ingest has not written.
    pub(super) fn add_reused(&mut self) {
        self.unsynced.add_reused();
    }

    /// Enters the chunk `digest`, whose `len` bytes end at `end`, and which its ingest has stored.
    pub(super) fn enter(&mut self, end: u64, len: u64, digest: &Digest) -> Result<()> {
        if self.store.base().sync_level() == SyncLevel::File {
            self.unsynced.add(digest)?;
        }
        self.writer.add_chunk(end, len, digest)
    }

    /// Appends a chunk of the caller's own to a dynamic index.
    ///
    /// Errors: as [`IndexWriter::add`]; `Argument` for a fixed one, which has all its chunks.
    pub fn add(&mut self, end: u64, digest: &Digest) -> Result<()> {
        if self.kind() == IndexKind::Fixed {
            return Err(Error::new(Kind::Argument, "the index of an image has all its chunks"));
        }
        self.writer.add(end, digest)?;
        self.unsynced.add_reused();
        Ok(())
    }

    /// The index so far.
    pub fn summary(&self) -> Summary {
        self.writer.summary()
    }

    /// Completes it and gives the bytes of its file, `max_len` at most. The chunks are on the disk first, by the
    /// store's sync level. The store stays held.
    pub fn finish(&mut self, max_len: usize) -> Result<Vec<u8>> {
        self.store.sync_before_index(&self.unsynced)?;
        self.writer.complete()?.to_bytes(max_len)
    }

    /// Completes it and writes it to `path`, whole or not at all, then lets go of the store.
    ///
    /// Before the file gets its name the chunks are on the disk, and when this returns the file is, unless the
    /// store's sync level is [`SyncLevel::None`].
    ///
    /// An empty index below the store brings a notice before anything is written.
    ///
    /// Errors: `State` if it is saved already; `Argument` if a file that was read for it is there; those of
    /// [`Body::save`](crate::index::Body::save); that of the notice.
    pub fn save(&mut self, path: &Path) -> Result<()> {
        self.check_held()?;
        let output = Output::at(path)?;
        for &input in &self.inputs {
            output.check_is_not(Some(input), "is an input")?;
        }
        let below = self.store.base().is_below(output.dir());
        if below && self.summary().count == 0 {
            let what = "Proxmox Backup Server cannot open an empty index, and its garbage collection stops at one";
            let message = format!("{}: {what}", path.display());
            self.store.base().notice(NoticeLevel::Warning, &message, Some(path))?;
        }
        self.store.sync_before_index(&self.unsynced)?;
        let owner = if below { self.store.base().owner() } else { None };
        self.writer.complete()?.save(&output, self.store.base().sync_level() != SyncLevel::None, owner)?;
        self.lock = None;
        Ok(())
    }

    /// Completes it and writes it to `name` in `dir`, whole or not at all, replacing what is there; for a caller who
    /// writes more than one file. It neither syncs the store, which the caller does before the index may be relied on
    /// ([`Chunks::sync_before_index`]), nor lets go of it.
    ///
    /// Errors: `State` if [`StoredIndex::save`] has let go of the store; `Io`.
    pub fn save_in(&mut self, dir: &Dir, name: &CStr, sync: bool, owner: Option<Owner>) -> Result<()> {
        self.check_held()?;
        self.writer.complete()?.save_in(dir, name, sync, owner)
    }

    /// Passes the begin of its hold on the chunks on to `lock`, of the same store.
    pub fn hand_over(&self, lock: &SharedLock) {
        if let Some(own) = &self.lock {
            lock.take_over(own);
        }
    }

    /// Whether it can be saved: it is complete, and its chunks are held.
    ///
    /// Errors: `State`.
    pub fn check_ready(&self) -> Result<()> {
        self.check_held()?;
        self.writer.check_good()
    }

    fn check_held(&self) -> Result<()> {
        match self.lock {
            Some(_) => Ok(()),
            None => Err(Error::new(Kind::State, "the index is saved, and its chunks are no longer held")),
        }
    }
}
