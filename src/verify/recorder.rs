//! Counts, remembers and acts on the results of checks, on the caller's thread.

use std::sync::Arc;

use super::check::{Batch, Finding, Item, Wanted, is_rot, open_slowly};
use super::known::{BadChunk, GoodChunk, KnownChunks};
use super::{Sums, ends_all};
use crate::base::NoticeLevel;
use crate::blob::Codec;
use crate::chunks::ChunkVersion;
use crate::crypt::CryptKey;
use crate::error::{Error, Kind, Result};
use crate::limits::BLOB_MAX_ENCODED_SIZE;
use crate::progress::Progress;
use crate::store::Store;

/// Records the results of checks, in order.
pub(super) struct Recorder {
    pub(super) store: Store,
    pub(super) read_only: bool,
    pub(super) sums: Sums,
    pub(super) known: KnownChunks,
    repairs: Option<Repairs>,
}

/// Another store, and the buffers that its chunks are read with.
struct Repairs {
    from: Store,
    codec: Codec,
    raw: Vec<u8>,
}

impl Recorder {
    pub(super) fn new(
        store: &Store,
        read_only: bool,
        repair_from: Option<Store>,
        key: Option<Arc<CryptKey>>,
    ) -> Result<Self> {
        let repairs = repair_from.map(|from| Repairs { from, codec: Codec::with_key(key), raw: Vec::new() });
        let (sums, known) = (Sums::default(), KnownChunks::new()?);
        Ok(Recorder { store: store.clone(), read_only, sums, known, repairs })
    }

    /// Records the chunks of a batch; `opens`: encrypted ones were opened.
    ///
    /// Errors: those of the callbacks; those that end a run.
    pub(super) fn record_batch(&mut self, batch: &mut Batch, opens: bool, progress: &mut Progress) -> Result<()> {
        for item in batch.items.drain(..) {
            self.record(item, opens, progress)?;
        }
        Ok(())
    }

    fn record(&mut self, item: Item, opens: bool, progress: &mut Progress) -> Result<()> {
        self.sums.chunks += 1;
        self.sums.bytes = self.sums.bytes.saturating_add(item.wanted.len);
        self.sums.stored_bytes = self.sums.stored_bytes.saturating_add(item.stored_size());
        progress.stage.bytes = self.sums.bytes;
        let Item { wanted, finding, .. } = item;
        match finding.ok_or_else(|| Error::new(Kind::Internal, "a chunk was not checked"))? {
            Finding::Good(good) => self.known.add_good(wanted.digest, good),
            Finding::Bad(error, file) => {
                let bad = self.act_on(&wanted, error, file, opens)?;
                self.known.add_bad(wanted.digest, bad)?;
            }
        }
        progress.tick()
    }

    /// Sets a rotten chunk aside, and gets another if it can.
    fn act_on(&mut self, wanted: &Wanted, error: Error, file: Option<ChunkVersion>, opens: bool) -> Result<BadChunk> {
        let is_rotten = is_rot(&error);
        *match error.kind() {
            _ if is_rotten => &mut self.sums.bad,
            Kind::NotFound => &mut self.sums.missing,
            _ => &mut self.sums.unreadable,
        } += 1;
        // The other copy is read before anything is changed: another program may still use the bad one.
        let other = self.fetch(wanted, opens)?;
        let renamed = is_rotten && !self.read_only && self.set_aside(wanted, file)?;
        self.sums.renamed += u64::from(renamed);
        let can_replace = renamed || error.kind() == Kind::NotFound || error.is_of_the_device();
        let repaired = match other {
            Some(good) if can_replace => self.replace(wanted, good)?,
            _ => None,
        };
        self.sums.repaired += u64::from(repaired.is_some());
        Ok(BadChunk { error, renamed, repaired })
    }

    /// Renames the file that is rotten, unless there is another in its place by now.
    fn set_aside(&self, wanted: &Wanted, file: Option<ChunkVersion>) -> Result<bool> {
        let Some(file) = file else { return Ok(false) };
        match self.store.chunks().mark_bad_if(&wanted.digest, |found| *found == file) {
            Ok(number) => Ok(number.is_some()),
            Err(error) => {
                self.warn(&format!("chunk {} is bad, and not set aside", wanted.digest), error).map(|()| false)
            }
        }
    }

    /// Reads the chunk from the other store, if there is one that has it.
    fn fetch(&mut self, wanted: &Wanted, opens: bool) -> Result<Option<GoodChunk>> {
        let Some(Repairs { from, codec, raw }) = &mut self.repairs else { return Ok(None) };
        raw.clear();
        let fetched = from
            .chunks()
            .append_raw(&wanted.digest, BLOB_MAX_ENCODED_SIZE, false, raw)
            .and_then(|_| open_slowly(codec, raw, &wanted.digest, opens));
        match fetched {
            Ok(good) => Ok(Some(good)),
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => self.warn("the other store does not help", error).map(|()| None),
        }
    }

    /// Stores what was fetched.
    fn replace(&mut self, wanted: &Wanted, good: GoodChunk) -> Result<Option<GoodChunk>> {
        let Some(Repairs { codec, raw, .. }) = &mut self.repairs else { return Ok(None) };
        let len = good.len.map_or(wanted.len, |len| len as u64);
        match self.store.chunks().insert_verified(codec, &wanted.digest, len, raw) {
            Ok(_) => Ok(Some(good)),
            Err(error) => self.warn(&format!("chunk {} is not repaired", wanted.digest), error).map(|()| None),
        }
    }

    /// Gives a notice of a failure that does not stop the run.
    ///
    /// Errors: `error`, if it is one; that of the notice.
    pub(super) fn warn(&self, what: &str, error: Error) -> Result<()> {
        if ends_all(&error) {
            return Err(error);
        }
        self.store.base().notice(NoticeLevel::Warning, &format!("{what}: {}", error.message()), error.path())
    }
}
