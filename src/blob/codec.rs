//! Encoding and decoding blobs.

use std::mem;
use std::sync::Arc;

use zstd::zstd_safe::{self, CCtx, CParameter, DCtx};

use super::{Blob, broken_frame, check_digest, frame_bound, need_key};
use crate::crypt::{CryptKey, IV_SIZE, Tolerance};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result, reserve};
use crate::format::{BLOB_CRC_OFFSET, BLOB_HEADER_SIZE, BlobForm, ENCRYPTED_BLOB_HEADER_SIZE};
use crate::limits::{BLOB_MAX_SIZE, blob_len};

/// The level that PBS compresses with.
const ZSTD_LEVEL: i32 = 1;

/// Encodes and decodes blobs, one at a time.
#[derive(Default)]
pub struct Codec {
    compressor: Option<CCtx<'static>>,
    decompressor: Option<DCtx<'static>>,
    key: Option<Arc<CryptKey>>,
    /// The forms that are read without a key; a key has its own.
    tolerance: Tolerance,
    /// The compressed data of encrypted blobs; re-used.
    opened: Vec<u8>,
}

/// The content of a blob's envelope.
enum Inside<'a> {
    /// The data.
    Data(&'a [u8]),
    /// The data, compressed.
    Frames(&'a [u8]),
    /// So many bytes of encrypted data that is not compressed.
    Sealed(usize),
}

impl Codec {
    /// A codec; its contexts are made when they are first needed.
    pub fn new() -> Self {
        Self::default()
    }

    /// A codec that opens, and on demand seals, what is encrypted.
    pub fn with_key(key: Option<Arc<CryptKey>>) -> Self {
        Codec { key, ..Self::default() }
    }

    /// Reads what `tolerance` says too.
    #[must_use]
    pub fn tolerant(mut self, tolerance: Tolerance) -> Self {
        self.key = self.key.map(|key| Arc::new(key.tolerant(key.tolerance().or(tolerance))));
        self.tolerance = tolerance;
        self
    }

    /// Forms that it reads besides PBS's own.
    pub fn tolerance(&self) -> Tolerance {
        self.key.as_ref().map_or(self.tolerance, |key| key.tolerance())
    }

    /// Gives back what it keeps to be used again.
    pub fn shed(&mut self) {
        (self.compressor, self.decompressor, self.opened) = (None, None, Vec::new());
    }

    /// The key that it opens and seals with.
    pub fn key(&self) -> Option<&Arc<CryptKey>> {
        self.key.as_ref()
    }

    /// As [`Blob::load`], with what the codec tolerates.
    ///
    /// Errors: `Format`, `Corrupt`.
    pub fn load<'a>(&self, raw: &'a [u8]) -> Result<Blob<'a>> {
        Blob::load_tolerant(raw, self.tolerance())
    }

    /// The key that a blob's digest is made with: the codec's, if the blob is encrypted.
    pub fn digest_key(&self, blob: &Blob<'_>) -> Option<&CryptKey> {
        self.key.as_deref().filter(|_| blob.form().encrypted)
    }

    /// Encodes `data` into the start of `out` and gives the length.
    ///
    /// With `compress` the data is compressed if that makes it smaller. 12 bytes more than `data` are enough room.
    ///
    /// Errors: `Limit` above [`BLOB_MAX_SIZE`]; `TooSmall`; `NoMemory`.
    pub fn encode(&mut self, data: &[u8], compress: bool, out: &mut [u8]) -> Result<usize> {
        let (header, room) = split_header(data, out, BLOB_HEADER_SIZE)?;
        let compressed = if compress { self.deflate(data, room)? } else { None };
        let payload_len = match compressed {
            Some(len) => len,
            None => {
                let capacity = room.len() + BLOB_HEADER_SIZE;
                room.get_mut(..data.len()).ok_or_else(|| too_small(data, capacity))?.copy_from_slice(data);
                data.len()
            }
        };
        write_header(header, compressed.is_some(), false, &room[..payload_len]);
        Ok(BLOB_HEADER_SIZE + payload_len)
    }

    /// As [`Codec::encode`], encrypted with the codec's key. 44 bytes more than `data` are enough room.
    ///
    /// Errors: as [`Codec::encode`]; `Key` without a key; `Io` if the system has no random bytes.
    pub fn seal(&mut self, data: &[u8], compress: bool, out: &mut [u8]) -> Result<usize> {
        let key = self.key.clone().ok_or_else(|| Error::new(Kind::Key, "no key is given to encrypt with"))?;
        let (header, room) = split_header(data, out, ENCRYPTED_BLOB_HEADER_SIZE)?;
        let compressed = if compress { self.deflate(data, room)? } else { None };
        let (payload, (iv, tag)) = match compressed {
            Some(len) => {
                let payload = &mut room[..len];
                let seal = key.seal_in_place(payload)?;
                (payload, seal)
            }
            None => {
                let capacity = room.len() + ENCRYPTED_BLOB_HEADER_SIZE;
                let payload = room.get_mut(..data.len()).ok_or_else(|| too_small(data, capacity))?;
                let seal = key.seal(data, payload)?;
                (payload, seal)
            }
        };
        header[BLOB_HEADER_SIZE..][..IV_SIZE].copy_from_slice(&iv);
        header[BLOB_HEADER_SIZE + IV_SIZE..].copy_from_slice(&tag);
        write_header(header, compressed.is_some(), true, payload);
        Ok(ENCRYPTED_BLOB_HEADER_SIZE + payload.len())
    }

    /// Compresses `data` into `out` if the result is smaller than `data` and fits; gives its length.
    fn deflate(&mut self, data: &[u8], out: &mut [u8]) -> Result<Option<usize>> {
        // With less room than the data takes, zstd gives one answer for "does not fit" and "not smaller".
        let room = data.len().saturating_sub(1).min(out.len());
        if room == 0 {
            return Ok(None);
        }
        match self.compressor()?.compress2(&mut out[..room], data) {
            Ok(len) => Ok(Some(len)),
            Err(code) if no_room(code) => Ok(None),
            Err(code) => {
                Err(Error::new(Kind::NoMemory, format!("cannot compress: {}", zstd_safe::get_error_name(code))))
            }
        }
    }

    fn compressor(&mut self) -> Result<&mut CCtx<'static>> {
        if self.compressor.is_none() {
            let mut context =
                CCtx::try_create().ok_or_else(|| Error::new(Kind::NoMemory, "no memory for compression"))?;
            context
                .set_parameter(CParameter::CompressionLevel(ZSTD_LEVEL))
                .map_err(|code| Error::new(Kind::Internal, zstd_safe::get_error_name(code)))?;
            self.compressor = Some(context);
        }
        self.compressor.as_mut().ok_or_else(|| Error::new(Kind::Internal, "no compression context"))
    }

    fn decompressor(&mut self) -> Result<&mut DCtx<'static>> {
        if self.decompressor.is_none() {
            let context =
                DCtx::try_create().ok_or_else(|| Error::new(Kind::NoMemory, "no memory for decompression"))?;
            self.decompressor = Some(context);
        }
        self.decompressor.as_mut().ok_or_else(|| Error::new(Kind::Internal, "no decompression context"))
    }

    /// Encodes `data` into a vector of just the right size.
    ///
    /// Errors: as [`Codec::encode`].
    pub fn encode_vec(&mut self, data: &[u8], compress: bool) -> Result<Vec<u8>> {
        into_vec(data, BLOB_HEADER_SIZE, |out| self.encode(data, compress, out))
    }

    /// Encrypts `data` into a vector of just the right size.
    ///
    /// Errors: as [`Codec::seal`].
    pub fn seal_vec(&mut self, data: &[u8], compress: bool) -> Result<Vec<u8>> {
        into_vec(data, ENCRYPTED_BLOB_HEADER_SIZE, |out| self.seal(data, compress, out))
    }

    /// Decodes `blob` into the start of `out`, compares the digest if one is given, and gives the length.
    ///
    /// Errors: `Key` if it is encrypted and the codec has no key; `Auth` if the key is another, or the data damaged;
    /// `Corrupt`; `TooSmall` if the data does not fit, see [`Blob::decoded_bound`]; `Limit` above [`BLOB_MAX_SIZE`];
    /// `NoMemory`.
    pub fn decode(&mut self, blob: Blob<'_>, digest: Option<&Digest>, out: &mut [u8]) -> Result<usize> {
        let room = out.len().min(BLOB_MAX_SIZE);
        let out = &mut out[..room];
        let too_small = || Error::new(Kind::TooSmall, format!("the decoded blob does not fit into {room} bytes"));
        let len = self.look_inside(blob, |codec, inside| match inside {
            Inside::Data(data) => {
                out.get_mut(..data.len()).ok_or_else(too_small)?.copy_from_slice(data);
                Ok(data.len())
            }
            Inside::Sealed(len) => {
                codec.open(blob, out.get_mut(..len).ok_or_else(too_small)?)?;
                Ok(len)
            }
            Inside::Frames(frames) => match codec.inflate(frames, out)? {
                Some(len) => Ok(len),
                None if room < frame_bound(frames)? => Err(too_small()),
                None => Err(longer_than_bound(frames, room)),
            },
        })?;
        self.prove(&blob, &out[..len], digest)?;
        Ok(len)
    }

    /// Decodes `blob` into a new vector of at most `max_len` bytes and compares the digest if one is given.
    ///
    /// Errors: `Key`, `Auth`, `Corrupt`; `Limit` if the data is longer; `NoMemory`.
    pub fn decode_vec(&mut self, blob: Blob<'_>, digest: Option<&Digest>, max_len: usize) -> Result<Vec<u8>> {
        let max_len = max_len.min(BLOB_MAX_SIZE);
        let mut out = Vec::new();
        self.look_inside(blob, |codec, inside| match inside {
            Inside::Data(data) if data.len() > max_len => Err(too_long(max_len)),
            Inside::Sealed(len) if len > max_len => Err(too_long(max_len)),
            Inside::Data(data) => {
                reserve(&mut out, data.len())?;
                out.extend_from_slice(data);
                Ok(())
            }
            Inside::Sealed(len) => {
                reserve(&mut out, len)?;
                out.resize(len, 0);
                codec.open(blob, &mut out)
            }
            Inside::Frames(frames) => {
                reserve(&mut out, frame_bound(frames)?.min(max_len))?;
                match codec.inflate(frames, &mut out)? {
                    Some(len) if len <= max_len => out.shrink_to_fit(),
                    Some(_) => return Err(too_long(max_len)),
                    None => return Err(longer_than_bound(frames, max_len)),
                }
                Ok(())
            }
        })?;
        self.prove(&blob, &out, digest)?;
        Ok(out)
    }

    /// Decodes `blob`, whose data must have exactly `len` bytes and the digest `digest`.
    ///
    /// The result is in `scratch`, which is re-used from call to call, or, for a plain blob, in the blob itself.
    ///
    /// Errors: `Key`, `Auth`, `Corrupt`, `NoMemory`.
    pub fn decode_exact<'a>(
        &mut self,
        blob: Blob<'a>,
        digest: &Digest,
        len: usize,
        scratch: &'a mut Vec<u8>,
    ) -> Result<&'a [u8]> {
        let data = self.decode_unproved(blob, len, scratch)?;
        self.prove(&blob, data, Some(digest))?;
        Ok(data)
    }

    /// Compares the digest of the data of `blob`, if one is given.
    fn prove(&self, blob: &Blob<'_>, data: &[u8], digest: Option<&Digest>) -> Result<()> {
        let key = self.digest_key(blob);
        let is_other = || key.zip(digest).is_some_and(|(key, digest)| key.has_other_digest(data, digest));
        check_digest(data, key, digest).or_else(|error| if is_other() { Ok(()) } else { Err(error) })
    }

    /// As [`Codec::decode_exact`], and leaves it to the caller to compare the digest, made with [`Codec::digest_key`],
    /// or what [`CryptKey::has_other_digest`] knows.
    ///
    /// Errors: as [`Codec::decode_exact`].
    pub fn decode_unproved<'a>(&mut self, blob: Blob<'a>, len: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        let wrong_len = |found: &str| {
            Error::new(Kind::Corrupt, format!("the decoded blob has {found} bytes and should have {len}"))
        };
        let data = match blob.form() {
            BlobForm { compressed: false, encrypted: false } => blob.payload(),
            _ => {
                self.look_inside(blob, |codec, inside| match inside {
                    Inside::Data(_) => Err(Error::new(Kind::Internal, "a sealed blob turned out to be plain")),
                    Inside::Sealed(found) if found != len => Err(wrong_len(&found.to_string())),
                    Inside::Sealed(_) => {
                        // Old content need not be cleared.
                        let missing = len.saturating_sub(scratch.len());
                        reserve(scratch, missing)?;
                        scratch.resize(len, 0);
                        codec.open(blob, scratch)
                    }
                    Inside::Frames(frames) => {
                        scratch.clear();
                        // No more than the input can expand to: `len` comes from an index, which may lie.
                        reserve(scratch, frame_bound(frames)?.min(len))?;
                        codec.inflate(frames, scratch)?.map(drop).ok_or_else(|| wrong_len("more"))
                    }
                })?;
                &scratch[..]
            }
        };
        if data.len() != len {
            return Err(wrong_len(&data.len().to_string()));
        }
        Ok(data)
    }

    /// Checks that an unencrypted blob decodes to `size` bytes of the digest `digest`. An encrypted blob passes
    /// unchecked.
    ///
    /// Errors: `Corrupt`, `NoMemory`; `Limit` if `size` is above [`BLOB_MAX_SIZE`].
    pub fn verify_unencrypted(&mut self, blob: Blob<'_>, size: u64, digest: &Digest) -> Result<()> {
        if blob.form().encrypted {
            return Ok(());
        }
        let len = blob_len(size)?;
        self.decode_exact(blob, digest, len, &mut Vec::new()).map(drop)
    }

    /// Shows what is in the envelope, decrypted as far as it is compressed too.
    fn look_inside<T>(&mut self, blob: Blob<'_>, look: impl FnOnce(&mut Self, Inside<'_>) -> Result<T>) -> Result<T> {
        let payload = blob.payload();
        match blob.form() {
            BlobForm { encrypted: true, .. } if self.key.is_none() => Err(need_key()),
            BlobForm { compressed: false, encrypted } => {
                let len = blob_len(payload.len() as u64)?;
                look(self, if encrypted { Inside::Sealed(len) } else { Inside::Data(payload) })
            }
            BlobForm { encrypted: false, .. } => look(self, Inside::Frames(payload)),
            BlobForm { encrypted: true, .. } => {
                let mut opened = mem::take(&mut self.opened);
                let missing = payload.len().saturating_sub(opened.len());
                reserve(&mut opened, missing)?;
                opened.resize(payload.len(), 0);
                let result = self.open(blob, &mut opened).and_then(|()| look(self, Inside::Frames(&opened)));
                self.opened = opened;
                result
            }
        }
    }

    /// Decrypts the payload of a blob into `out`, which has its length.
    fn open(&self, blob: Blob<'_>, out: &mut [u8]) -> Result<()> {
        let key = self.key.as_deref().ok_or_else(need_key)?;
        let (iv, tag) = blob.seal();
        match key.open(&iv, &tag, blob.payload(), out) {
            Err(error) if error.kind() == Kind::Auth && key.tolerance().short_iv => {
                key.open_short_iv(&iv, &tag, blob.payload(), out)
            }
            other => other,
        }
    }

    /// Decompresses into `out`; `None` if it does not fit.
    fn inflate<C: zstd_safe::WriteBuf + ?Sized>(&mut self, frames: &[u8], out: &mut C) -> Result<Option<usize>> {
        if frames.is_empty() {
            return Err(Error::new(Kind::Corrupt, "the blob's compressed data is missing"));
        }
        match self.decompressor()?.decompress(out, frames) {
            Ok(len) => Ok(Some(len)),
            Err(code) if no_room(code) => Ok(None),
            Err(code) => Err(broken_frame(code)),
        }
    }
}

/// The header and the rest of the room for the blob of `data`.
fn split_header<'a>(data: &[u8], out: &'a mut [u8], header_size: usize) -> Result<(&'a mut [u8], &'a mut [u8])> {
    blob_len(data.len() as u64)?;
    let capacity = out.len();
    out.split_at_mut_checked(header_size).ok_or_else(|| too_small(data, capacity))
}

/// Writes the magic and the CRC of the payload.
fn write_header(header: &mut [u8], compressed: bool, encrypted: bool, payload: &[u8]) {
    let form = BlobForm { compressed, encrypted };
    header[..BLOB_CRC_OFFSET].copy_from_slice(&form.magic());
    header[BLOB_CRC_OFFSET..BLOB_HEADER_SIZE].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
}

/// The output of `encode`, in a buffer that fits `data` and a header.
fn into_vec(data: &[u8], header_size: usize, encode: impl FnOnce(&mut [u8]) -> Result<usize>) -> Result<Vec<u8>> {
    blob_len(data.len() as u64)?;
    let mut out = Vec::new();
    reserve(&mut out, header_size + data.len())?;
    out.resize(header_size + data.len(), 0);
    let len = encode(&mut out)?;
    out.truncate(len);
    out.shrink_to_fit();
    Ok(out)
}

fn too_small(data: &[u8], capacity: usize) -> Error {
    Error::new(Kind::TooSmall, format!("{capacity} bytes are too few to encode {}", data.len()))
}

fn too_long(max_len: usize) -> Error {
    Error::new(Kind::Limit, format!("the decoded blob is longer than {max_len} bytes"))
}

/// The error for data that did not fit into the room that its bound, or `max_len`, has given it.
fn longer_than_bound(frames: &[u8], max_len: usize) -> Error {
    match zstd_safe::decompress_bound(frames) {
        Ok(bound) if bound > max_len as u64 => too_long(max_len),
        _ => Error::new(Kind::Corrupt, "the blob's compressed data is longer than its frames say"),
    }
}

fn no_room(code: zstd_safe::ErrorCode) -> bool {
    zstd_safe::is_error_kind(code, zstd_safe::zstd_sys::ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall)
}
