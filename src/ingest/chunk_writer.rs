//! Stores the chunks of batches, on several threads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ChunkResult;
use super::batch::{Batch, Data, Span};
use super::buffer::{lengthen, make_room, whole_batches};
use super::newness::Newness;
use super::spans::read_spans;
use crate::blob::Codec;
use crate::chunks::{Chunks, Inserted, Leftover};
use crate::crew::{self, Pause};
use crate::crypt::{CryptKey, digest_all};
use crate::digest::{DIGEST_SIZE, Digest};
use crate::error::{Error, Kind, Result, push, reserve};
use crate::format::ENCRYPTED_BLOB_HEADER_SIZE;
use crate::source::Zeros;
use crate::sys;

/// Lengths of chunks of zeros that are remembered: two of an image, and of a stream nearly always one.
const MAX_KNOWN_ZEROS: usize = 16;

/// Chunks that are hashed together.
const GROUP: usize = 64;

/// The buffers of one thread, used again for each batch.
#[derive(Default)]
pub(super) struct Workspace {
    /// The bytes of a batch that it has read. Never shrinks, so that its end need not be cleared before a read.
    pub(super) buffer: Vec<u8>,
    codec: Codec,
    /// As long as the largest encoded chunk so far.
    encoded: Vec<u8>,
    /// Memory has run out.
    is_short: bool,
}

impl crew::Workspace for Workspace {
    fn shed(&mut self, has_job: bool) {
        self.is_short = true;
        self.codec.shed();
        self.encoded = Vec::new();
        if !has_job {
            self.buffer = Vec::new();
        }
    }
}

impl Workspace {
    /// Gets the memory that storing a chunk of `chunk` bytes takes, and a buffer for `input` bytes, before any of it is
    /// read. A workspace that has been short of memory gets none in advance.
    ///
    /// Errors: `NoMemory`.
    pub(super) fn furnish(&mut self, input: usize, chunk: usize) -> Result<()> {
        if self.is_short {
            return Ok(());
        }
        let encoded = chunk.saturating_add(ENCRYPTED_BLOB_HEADER_SIZE);
        make_room(&mut self.encoded, encoded, encoded)?;
        make_room(&mut self.buffer, input, whole_batches(input))
    }
}

/// Stores chunks. Any number of threads at once, each with a workspace of its own.
pub(super) struct ChunkWriter {
    pub(super) store: Chunks,
    pub(super) key: Option<Arc<CryptKey>>,
    compress: bool,
    zeros: Zeros,
    /// Chunks of zeros that have been stored or touched.
    known_zeros: Mutex<Vec<ChunkResult>>,
    pub(super) newness: Newness,
}

impl ChunkWriter {
    /// A writer of chunks in `store`, encrypted if there is a key.
    pub(super) fn new(store: Chunks, compress: bool, key: Option<Arc<CryptKey>>) -> Self {
        let zeros = Zeros::new(key.clone());
        ChunkWriter { store, key, compress, zeros, known_zeros: Mutex::default(), newness: Newness::default() }
    }

    /// The buffers of one of its threads.
    pub(super) fn workspace(&self) -> Workspace {
        Workspace { codec: Codec::with_key(self.key.clone()), ..Workspace::default() }
    }

    /// Stores the chunks of `batch` that no earlier call has stored.
    pub(super) fn store_batch(
        &self,
        workspace: &mut Workspace,
        batch: &mut Batch<'_>,
        pause: &mut Pause<'_>,
    ) -> Result<()> {
        let Workspace { buffer, codec, encoded, .. } = workspace;
        let Batch { data, spans, stored, leftovers, reused } = batch;
        let data = match *data {
            Data::Slice(data) => data,
            Data::Buffer => &buffer[..],
            Data::File(fd, size) => {
                read_spans(fd, size, spans, buffer, pause)?;
                &buffer[..]
            }
        };
        let mut encoding = Encoding { codec, encoded, leftovers, reused };
        for group in spans[stored.len().min(spans.len())..].chunks(GROUP) {
            let chunks = chunks_of(group, data);
            let mut named = self.digests(&chunks)?.into_iter();
            for (span, chunk) in group.iter().zip(chunks) {
                pause()?;
                let found = match chunk {
                    Some(chunk) => {
                        let digest =
                            named.next().ok_or_else(|| Error::new(Kind::Internal, "a chunk without a name"))?;
                        self.store_chunk(&digest, chunk, &mut encoding)?
                    }
                    None => self.store_zeros(span.len, &mut encoding)?,
                };
                push(stored, ChunkResult { offset: span.offset, ..found })?;
            }
        }
        Ok(())
    }

    /// The digests of the chunks that are not `None`, one after the other.
    fn digests(&self, chunks: &[Option<&[u8]>; GROUP]) -> Result<[Digest; GROUP]> {
        let (mut messages, mut count): ([&[u8]; GROUP], _) = ([&[]; GROUP], 0);
        for chunk in chunks.iter().flatten() {
            messages[count] = chunk;
            count += 1;
        }
        let mut digests = [Digest([0; DIGEST_SIZE]); GROUP];
        digest_all(&messages[..count], self.key.as_deref(), &mut digests[..count])?;
        Ok(digests)
    }

    /// Stores a chunk of `len` zeros. Zeros of one length are looked up in the store once, by the first thread that
    /// meets them.
    fn store_zeros(&self, len: usize, encoding: &mut Encoding<'_>) -> Result<ChunkResult> {
        // A panic under the lock leaves what is known as it was.
        let mut known: MutexGuard<'_, Vec<_>> = self.known_zeros.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(zeros) = known.iter().find(|zeros| zeros.size == len as u64) {
            return Ok(ChunkResult { existed: true, ..*zeros });
        }
        let digest = self.zeros.digest(len);
        let found = match self.touch(&digest, len)? {
            Some(found) => {
                *encoding.reused = true;
                found
            }
            None => {
                let mut zeros = Vec::new();
                reserve(&mut zeros, len)?;
                zeros.resize(len, 0);
                self.insert(&digest, &zeros, encoding)?
            }
        };
        if known.len() < MAX_KNOWN_ZEROS {
            known.push(found);
        }
        Ok(found)
    }

    fn store_chunk(&self, digest: &Digest, chunk: &[u8], encoding: &mut Encoding<'_>) -> Result<ChunkResult> {
        match self.touch(digest, chunk.len())? {
            Some(found) => {
                *encoding.reused = true;
                Ok(found)
            }
            None => self.insert(digest, chunk, encoding),
        }
    }

    /// Touches a chunk of `len` bytes if the store has it. With a key, a file that is too short for an encrypted blob
    /// does not count.
    pub(super) fn touch(&self, digest: &Digest, len: usize) -> Result<Option<ChunkResult>> {
        let min = if self.key.is_some() { ENCRYPTED_BLOB_HEADER_SIZE as u64 } else { 0 };
        let stored_size = self.store.touch_if_present(digest)?.filter(|&stored_size| stored_size >= min);
        let found =
            |stored_size| ChunkResult { digest: *digest, offset: 0, size: len as u64, stored_size, existed: true };
        Ok(stored_size.map(found))
    }

    fn insert(&self, digest: &Digest, chunk: &[u8], encoding: &mut Encoding<'_>) -> Result<ChunkResult> {
        let Encoding { codec, encoded, leftovers, reused } = encoding;
        let room = chunk.len() + ENCRYPTED_BLOB_HEADER_SIZE;
        lengthen(encoded, room, room)?;
        let len = match self.key {
            Some(_) => codec.seal(chunk, self.compress, encoded)?,
            None => codec.encode(chunk, self.compress, encoded)?,
        };
        // Memory is checked before the insert: a second attempt would take the chunk for an old one.
        sys::check_memory()?;
        let (inserted, leftover) = self.store.insert_for_index(digest, &encoded[..len])?;
        let Inserted { existed, stored_size } = inserted;
        **reused |= existed;
        if !existed {
            self.newness.add(digest);
        }
        if let Some(leftover) = leftover {
            push(leftovers, (*digest, leftover))?;
        }
        Ok(ChunkResult { digest: *digest, offset: 0, size: chunk.len() as u64, stored_size, existed })
    }
}

/// The buffers that a new chunk is encoded with, and the notes about it.
struct Encoding<'a> {
    codec: &'a mut Codec,
    encoded: &'a mut Vec<u8>,
    leftovers: &'a mut Vec<(Digest, Leftover)>,
    reused: &'a mut bool,
}

/// The data of each span, `None` for zeros.
fn chunks_of<'a>(spans: &[Span], data: &'a [u8]) -> [Option<&'a [u8]>; GROUP] {
    let mut chunks = [None; GROUP];
    for (chunk, span) in chunks.iter_mut().zip(spans) {
        if !span.hole {
            let bytes = &data[span.start..][..span.len];
            // Comparing with zero is faster than hashing; for most other data the first bytes decide.
            *chunk = (!is_zero(bytes)).then_some(bytes);
        }
    }
    chunks
}

fn is_zero(data: &[u8]) -> bool {
    let (blocks, rest) = data.as_chunks::<256>();
    blocks.iter().all(|block| block.iter().fold(0, |all, byte| all | byte) == 0) && rest.iter().all(|&byte| byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bit_anywhere_is_not_zero() {
        for len in [0, 1, 255, 256, 257, 512, 1000] {
            let mut data = vec![0; len];
            assert!(is_zero(&data));
            for i in 0..len {
                data[i] = 1 << (i % 8);
                assert!(!is_zero(&data), "{i} of {len}");
                data[i] = 0;
            }
        }
    }
}
