//! What turns a whole chunk into an entry of an index.

use super::{IndexWriter, StoredIndex};
use std::sync::Arc;

use crate::blob::Codec;
use crate::crypt::{CryptKey, digest_of};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result, reserve};
use crate::format::ENCRYPTED_BLOB_HEADER_SIZE;
use crate::store::{InsertOptions, SharedLock, Store};

/// A chunk that has been stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkResult {
    /// The chunk's name.
    pub digest: Digest,
    /// Where it begins in the stream or image.
    pub offset: u64,
    /// Its plain bytes.
    pub size: u64,
    /// Length of its file in the store.
    pub stored_size: u64,
    /// The store had it already.
    pub existed: bool,
}

/// Sums over what has been stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IngestStats {
    /// Plain bytes.
    pub size: u64,
    /// Chunks.
    pub chunks: u64,
    /// Chunks that the store did not have.
    pub new_chunks: u64,
    /// Their plain bytes.
    pub new_size: u64,
    /// Bytes of their files.
    pub stored_bytes: u64,
    /// Bytes of the files of all chunks, each counted as often as it came.
    pub compressed_size: u64,
}

impl IngestStats {
    /// Chunks that the store had.
    pub fn duplicates(&self) -> u64 {
        self.chunks - self.new_chunks
    }

    fn count(&mut self, chunk: &ChunkResult) {
        self.size += chunk.size;
        self.chunks += 1;
        self.compressed_size += chunk.stored_size;
        if !chunk.existed {
            self.new_chunks += 1;
            self.new_size += chunk.size;
            self.stored_bytes += chunk.stored_size;
        }
    }
}

/// Told of each chunk after it has been stored; an error stops the ingest.
pub type OnChunk = Box<dyn FnMut(&ChunkResult) -> Result<()> + Send>;

/// Stores chunks, enters them into the index, counts and reports them.
pub(super) struct Engine {
    store: Store,
    codec: Codec,
    /// Grown to the largest chunk so far, and re-used.
    encoded: Vec<u8>,
    /// `None` once it has been handed out.
    index: Option<StoredIndex>,
    stats: IngestStats,
    compress: bool,
    on_chunk: Option<OnChunk>,
}

impl Engine {
    /// An engine for `writer`, holding `store`, which `lock` is of.
    pub(super) fn new(
        store: &Store,
        lock: SharedLock,
        writer: IndexWriter,
        compress: bool,
        key: Option<Arc<CryptKey>>,
        on_chunk: Option<OnChunk>,
    ) -> Self {
        let fingerprint = key.as_ref().map(|key| *key.fingerprint());
        Engine {
            store: store.clone(),
            codec: Codec::with_key(key),
            encoded: Vec::new(),
            index: Some(StoredIndex::new(writer, store.clone(), lock, fingerprint)),
            stats: IngestStats::default(),
            compress,
            on_chunk,
        }
    }

    /// Sums over what has been stored so far.
    pub(super) fn stats(&self) -> IngestStats {
        self.stats
    }

    /// Hands out the index.
    ///
    /// Errors: `State` the second time.
    pub(super) fn take_index(&mut self) -> Result<StoredIndex> {
        let mut index = self.index.take().ok_or_else(no_index)?;
        index.stats = self.stats;
        Ok(index)
    }

    /// Stores the chunk `data`, which begins where the one before has ended.
    pub(super) fn append_chunk(&mut self, data: &[u8]) -> Result<()> {
        self.store_chunk(self.stats.size, data).map(drop)
    }

    /// Stores the chunk `data`, which begins at `offset`.
    pub(super) fn store_chunk(&mut self, offset: u64, data: &[u8]) -> Result<ChunkResult> {
        let digest = digest_of(data, self.codec.key().map(Arc::as_ref));
        let (existed, stored_size) = match self.touch(&digest)? {
            Some(stored_size) => (true, stored_size),
            None => self.insert(&digest, data)?,
        };
        let index = self.index()?;
        index.reused |= existed;
        let chunk = ChunkResult { digest, offset, size: data.len() as u64, stored_size, existed };
        self.enter(&chunk)?;
        Ok(chunk)
    }

    /// Takes the chunk of `size` bytes at `offset` from an earlier index, if the store has it; else nothing is done.
    pub(super) fn reuse_chunk(&mut self, offset: u64, size: u64, digest: &Digest) -> Result<bool> {
        // Of the form that is wanted, that is.
        let encrypted = self.codec.key().is_some();
        if self.store.stored_form(digest)?.is_none_or(|form| form.encrypted != encrypted) {
            return Ok(false);
        }
        let Some(stored_size) = self.touch(digest)? else { return Ok(false) };
        self.index()?.reused = true;
        self.enter(&ChunkResult { digest: *digest, offset, size, stored_size, existed: true })?;
        Ok(true)
    }

    /// Enters once more, at `offset`, a chunk that this engine has stored.
    pub(super) fn repeat_chunk(&mut self, offset: u64, chunk: &ChunkResult) -> Result<()> {
        self.enter(&ChunkResult { offset, existed: true, ..*chunk })
    }

    /// The index so far.
    ///
    /// Errors: `State` when it has been handed out.
    pub(super) fn index(&mut self) -> Result<&mut StoredIndex> {
        self.index.as_mut().ok_or_else(no_index)
    }

    /// Enters a chunk that is in the store into the index, and reports it.
    fn enter(&mut self, chunk: &ChunkResult) -> Result<()> {
        let index = self.index()?;
        index.writer.add_chunk(chunk.offset + chunk.size, chunk.size, &chunk.digest)?;
        self.stats.count(chunk);
        match &mut self.on_chunk {
            Some(on_chunk) => on_chunk(chunk),
            None => Ok(()),
        }
    }

    /// Touches a chunk that the store has, and gives its length. What is too short for an encrypted blob is none.
    fn touch(&self, digest: &Digest) -> Result<Option<u64>> {
        let min = if self.codec.key().is_some() { ENCRYPTED_BLOB_HEADER_SIZE as u64 } else { 0 };
        Ok(self.store.touch_if_present(digest)?.filter(|&stored_size| stored_size >= min))
    }

    fn insert(&mut self, digest: &Digest, data: &[u8]) -> Result<(bool, u64)> {
        let room = data.len() + ENCRYPTED_BLOB_HEADER_SIZE;
        if self.encoded.len() < room {
            let missing = room - self.encoded.len();
            reserve(&mut self.encoded, missing)?;
            self.encoded.resize(room, 0);
        }
        let len = match self.codec.key() {
            Some(_) => self.codec.seal(data, self.compress, &mut self.encoded)?,
            None => self.codec.encode(data, self.compress, &mut self.encoded)?,
        };
        let inserted = self.store.insert(digest, &self.encoded[..len], InsertOptions::default())?;
        Ok((inserted.existed, inserted.stored_size))
    }
}

fn no_index() -> Error {
    Error::new(Kind::State, "the index has been handed out")
}
