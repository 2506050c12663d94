//! From a source's blob to data that has been checked.

use std::mem;
use std::sync::Arc;

use super::ChunkSource;
use crate::blob::{Blob, Codec};
use crate::crypt::CryptKey;
use crate::error::{Error, Kind, Result, reserve};
use crate::format::BlobForm;
use crate::index::ChunkInfo;
use crate::limits::{BLOB_MAX_ENCODED_SIZE, blob_len};

/// What every chunk of an index must be (docs/format.md, 9.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequiredForm {
    /// Encrypted.
    Encrypted,
    /// Not encrypted.
    Plain,
}

impl RequiredForm {
    /// Compares a chunk, `encrypted` or not, with what it must be.
    ///
    /// Errors: `CryptMode`.
    pub fn check(required: Option<Self>, encrypted: bool) -> Result<()> {
        match required {
            Some(RequiredForm::Encrypted) if !encrypted => {
                Err(Error::new(Kind::CryptMode, "the chunk is not encrypted and must be"))
            }
            Some(RequiredForm::Plain) if encrypted => {
                Err(Error::new(Kind::CryptMode, "the chunk is encrypted and must not be"))
            }
            _ => Ok(()),
        }
    }
}

/// Loads, checks and decodes chunks, one at a time, in buffers that are re-used.
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
    /// Errors: those of [`ChunkSource::load`]; `Limit` if the index makes the chunk longer than a blob can be;
    /// `CryptMode`, `Key`, `Auth`, `Corrupt`, `NoMemory`.
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

    /// Takes a buffer for the next chunk.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() > self.decoded.capacity() {
            self.decoded = buffer;
        }
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
    let blob = source.load(&chunk.digest, BLOB_MAX_ENCODED_SIZE, encoded)?;
    decode(codec, blob, chunk, len, required, decoded).map(|data| (data, blob.form())).map_err(|error| {
        match source.locate(&chunk.digest) {
            Some(path) => error.context(path.display()).with_path(&path),
            None => error,
        }
    })
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
