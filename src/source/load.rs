//! From a source's blob to data that has been checked.

use std::mem;
use std::sync::Arc;

use super::ChunkSource;
use crate::blob::{Blob, Codec, compare_digests};
use crate::crew;
use crate::crypt::{CryptKey, digest_all};
use crate::digest::{DIGEST_SIZE, Digest};
use crate::error::{Error, Result, reserve};
use crate::format::BlobForm;
use crate::index::{ChunkInfo, RequiredForm};
use crate::limits::{blob_len, max_encoded_len};

/// Chunks that are proved together, at most: as many as are hashed side by side.
pub const GROUP: usize = 3;

/// The data of a chunk, in memory that is used again for the next.
#[derive(Default)]
pub struct ChunkBuffer {
    bytes: Vec<u8>,
    /// The data is what is behind this.
    start: usize,
    encrypted: bool,
    /// The digest that the data should have.
    digest: Option<Digest>,
}

impl ChunkBuffer {
    /// The data.
    pub fn data(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

/// Loads, checks and decodes chunks, in buffers that are re-used.
#[derive(Default)]
pub struct Loader {
    codec: Codec,
    encoded: Vec<u8>,
    decoded: Vec<u8>,
}

impl Loader {
    /// A loader without buffers yet, which opens what is encrypted with `key`.
    pub fn new(key: Option<Arc<CryptKey>>) -> Self {
        Loader { codec: Codec::with_key(key), ..Self::default() }
    }

    /// The data of `chunk`, in one of the loader's buffers: of its digest, of its length, of the form that is required.
    ///
    /// Errors: those of [`ChunkSource::load`]; `Limit` if the index makes the chunk longer than a blob can be, or
    /// shorter than the stored data can be; `CryptMode`, `Key`, `Auth`, `Corrupt`, `NoMemory`.
    pub fn load(
        &mut self,
        source: &dyn ChunkSource,
        chunk: &ChunkInfo,
        required: Option<RequiredForm>,
    ) -> Result<&[u8]> {
        load(source, &mut self.codec, chunk, required, &mut self.encoded, &mut self.decoded).map(|(data, _)| data)
    }

    /// As [`Loader::load`], for data that is to be kept, and whether the chunk is encrypted. [`Loader::recycle`] takes
    /// the buffer back.
    pub fn load_vec(
        &mut self,
        source: &dyn ChunkSource,
        chunk: &ChunkInfo,
        required: Option<RequiredForm>,
    ) -> Result<(Vec<u8>, bool)> {
        let (data, form) = load(source, &mut self.codec, chunk, required, &mut self.encoded, &mut self.decoded)?;
        if form == (BlobForm { compressed: false, encrypted: false }) {
            let len = data.len();
            // The data of a plain blob is its end.
            let start = self.encoded.len() - len;
            self.decoded.clear();
            reserve(&mut self.decoded, len)?;
            self.decoded.extend_from_slice(&self.encoded[start..]);
        }
        let mut data = mem::take(&mut self.decoded);
        if data.capacity() > data.len() + data.len() / 2 {
            data.shrink_to_fit();
        }
        Ok((data, form.encrypted))
    }

    /// As [`Loader::load`], into `buffer`, without comparing the digest: the data must not be used before
    /// [`Loader::prove`] has done that.
    ///
    /// Errors: as [`Loader::load`].
    pub fn load_unproved(
        &mut self,
        source: &dyn ChunkSource,
        chunk: &ChunkInfo,
        required: Option<RequiredForm>,
        buffer: &mut ChunkBuffer,
    ) -> Result<()> {
        let len = blob_len(chunk.len())?;
        let tolerance = self.codec.tolerance();
        let max_len = max_encoded_len(len);
        let blob = source.load_tolerant(&chunk.digest, max_len, tolerance, &mut self.encoded)?;
        let form = blob.form();
        RequiredForm::check(required, form.encrypted)
            .and_then(|()| self.codec.decode_unproved(blob, len, &mut buffer.bytes).map(drop))
            .map_err(|error| source.locate(&chunk.digest, error))?;
        (buffer.start, buffer.encrypted, buffer.digest) = (0, form.encrypted, Some(chunk.digest));
        if !form.encrypted && !form.compressed {
            // The data of a plain blob is its end.
            mem::swap(&mut buffer.bytes, &mut self.encoded);
            buffer.start = buffer.bytes.len() - len;
        }
        Ok(())
    }

    /// Compares the digests of what was loaded into `buffers`, [`GROUP`] of them at a time, and gives the error of each
    /// that is not what it should be to `failed`, with its place among them.
    pub fn prove(&self, source: &dyn ChunkSource, buffers: &[ChunkBuffer], failed: &mut dyn FnMut(usize, Error)) {
        for (number, group) in buffers.chunks(GROUP).enumerate() {
            for encrypted in [false, true] {
                let (mut places, mut data, mut count) = ([0; GROUP], [&[][..]; GROUP], 0);
                for (place, buffer) in group.iter().enumerate().filter(|(_, buffer)| buffer.encrypted == encrypted) {
                    (places[count], data[count]) = (place, buffer.data());
                    count += 1;
                }
                let key = self.codec.key().filter(|_| encrypted);
                let mut digests = [Digest([0; DIGEST_SIZE]); GROUP];
                let hashed = digest_all(&data[..count], key.map(Arc::as_ref), &mut digests[..count]);
                for (&place, computed) in places.iter().zip(&digests).take(count) {
                    let Some(digest) = group[place].digest else { continue };
                    let is_other = || key.is_some_and(|key| key.has_other_digest(group[place].data(), &digest));
                    if let Err(error) = hashed.clone().and_then(|()| compare_digests(computed, &digest))
                        && !is_other()
                    {
                        failed(number * GROUP + place, source.locate(&digest, error));
                    }
                }
            }
        }
    }

    /// Takes a buffer for the next chunk.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() > self.decoded.capacity() {
            self.decoded = buffer;
        }
    }
}

impl crew::Workspace for Loader {
    fn shed(&mut self, _: bool) {
        self.codec.shed();
        (self.encoded, self.decoded) = (Vec::new(), Vec::new());
    }
}

fn load<'a>(
    source: &dyn ChunkSource,
    codec: &mut Codec,
    chunk: &ChunkInfo,
    required: Option<RequiredForm>,
    encoded: &'a mut Vec<u8>,
    decoded: &'a mut Vec<u8>,
) -> Result<(&'a [u8], BlobForm)> {
    let len = blob_len(chunk.len())?;
    let tolerance = codec.tolerance();
    let blob = source.load_tolerant(&chunk.digest, max_encoded_len(len), tolerance, encoded)?;
    decode(codec, blob, chunk, len, required, decoded)
        .map(|data| (data, blob.form()))
        .map_err(|error| source.locate(&chunk.digest, error))
}

fn decode<'a>(
    codec: &mut Codec,
    blob: Blob<'a>,
    chunk: &ChunkInfo,
    len: usize,
    required: Option<RequiredForm>,
    decoded: &'a mut Vec<u8>,
) -> Result<&'a [u8]> {
    RequiredForm::check(required, blob.form().encrypted)?;
    codec.decode_exact(blob, &chunk.digest, len, decoded)
}
