//! Blobs: the envelope of every chunk and of every `*.blob` file (docs/format.md, 2).
//!
//! [`Blob`] looks at encoded bytes without decoding them. [`Codec`] encodes and decodes, into slices of the caller,
//! with zstd contexts that are made once. Decoding is one shot into a buffer of known size, so that no input can make
//! it expand further. Encrypted data needs the codec's key, and its tag is checked before anything is decompressed.

mod codec;

pub use codec::Codec;

use zstd::zstd_safe;

use crate::crypt::{CryptKey, IV_SIZE, TAG_SIZE, Tolerance, digest_of};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::format::{BLOB_CRC_OFFSET, BLOB_HEADER_SIZE, BlobForm, ENCRYPTED_BLOB_HEADER_SIZE, field};
use crate::limits::{BLOB_MAX_SIZE, blob_len};

/// Bytes by which the header of an encrypted blob was too long in the files of another program; zeros.
const LONG_HEADER_EXTRA: usize = 4;

/// The encoded bytes of one blob, whose structure has been checked.
#[derive(Debug, Clone, Copy)]
pub struct Blob<'a> {
    raw: &'a [u8],
    form: BlobForm,
    header_size: usize,
}

impl<'a> Blob<'a> {
    /// Checks the structure: the magic, and that the header is there. Not the CRC.
    ///
    /// Errors: `Format`.
    pub fn parse(raw: &'a [u8]) -> Result<Self> {
        let too_small = || Error::new(Kind::Format, format!("{} bytes are too few for a blob", raw.len()));
        if raw.len() < BLOB_HEADER_SIZE {
            return Err(too_small());
        }
        let form = BlobForm::from_magic(&raw[..8]).ok_or_else(|| {
            let magic = u64::from_be_bytes(field(raw, 0));
            Error::new(Kind::Format, format!("{magic:016x} is no magic of a blob"))
        })?;
        if raw.len() < form.header_size() {
            return Err(too_small());
        }
        Ok(Blob { raw, form, header_size: form.header_size() })
    }

    /// [`Blob::parse`], then [`Blob::check_crc`]: what reading a blob from a disk asks for.
    ///
    /// Errors: `Format`, `Corrupt`.
    pub fn load(raw: &'a [u8]) -> Result<Self> {
        let blob = Self::parse(raw)?;
        blob.check_crc()?;
        Ok(blob)
    }

    /// As [`Blob::load`], also for what `tolerance` says.
    ///
    /// Errors: `Format`, `Corrupt`.
    pub fn load_tolerant(raw: &'a [u8], tolerance: Tolerance) -> Result<Self> {
        if tolerance.long_header { Self::load_long_header(raw) } else { Self::load(raw) }
    }

    /// As [`Blob::load`], also for encrypted blobs whose header is four zero bytes too long, as another program has
    /// written them. Such a blob is told by its CRC.
    ///
    /// Errors: `Format`, `Corrupt`.
    fn load_long_header(raw: &'a [u8]) -> Result<Self> {
        let blob = Self::parse(raw)?;
        let extra = blob.payload().first_chunk::<LONG_HEADER_EXTRA>();
        match blob.check_crc() {
            Err(_) if blob.form.encrypted && extra == Some(&[0; LONG_HEADER_EXTRA]) => {
                let long = Blob { header_size: blob.header_size + LONG_HEADER_EXTRA, ..blob };
                long.check_crc().map(|()| long)
            }
            other => other.map(|()| blob),
        }
    }

    /// Compares the stored CRC with the payload's.
    ///
    /// Errors: `Corrupt`.
    pub fn check_crc(&self) -> Result<()> {
        let (stored, computed) = (self.crc(), crc32fast::hash(self.payload()));
        if stored != computed {
            return Err(Error::new(
                Kind::Corrupt,
                format!("the blob's CRC is {computed:08x} and should be {stored:08x}"),
            ));
        }
        Ok(())
    }

    /// All bytes.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Compressed, encrypted, both or neither.
    pub fn form(&self) -> BlobForm {
        self.form
    }

    /// The stored CRC.
    pub fn crc(&self) -> u32 {
        u32::from_le_bytes(field(self.raw, BLOB_CRC_OFFSET))
    }

    /// The bytes behind the header.
    pub fn payload(&self) -> &'a [u8] {
        &self.raw[self.header_size..]
    }

    /// The iv and the tag of an encrypted blob.
    fn seal(&self) -> ([u8; IV_SIZE], [u8; TAG_SIZE]) {
        (field(self.raw, BLOB_HEADER_SIZE), field(self.raw, BLOB_HEADER_SIZE + IV_SIZE))
    }

    /// The data itself if the blob is plain; `None` if it is compressed.
    ///
    /// Errors: `Key` if it is encrypted; `Limit` above [`BLOB_MAX_SIZE`].
    pub fn plain(&self) -> Result<Option<&'a [u8]>> {
        match self.form {
            BlobForm { encrypted: true, .. } => Err(need_key()),
            BlobForm { compressed: true, .. } => Ok(None),
            _ => blob_len(self.payload().len() as u64).map(|_| Some(self.payload())),
        }
    }

    /// A size that the decoded data of a blob cannot exceed, found without decoding it: exact for data that is not
    /// compressed and for frames that state their size, and never above [`BLOB_MAX_SIZE`]. Data that is compressed and
    /// then encrypted does not show its size.
    ///
    /// Errors: `Corrupt`; `Limit` above [`BLOB_MAX_SIZE`].
    pub fn decoded_bound(&self) -> Result<usize> {
        match self.form {
            BlobForm { compressed: false, .. } => blob_len(self.payload().len() as u64),
            BlobForm { encrypted: true, .. } => Ok(BLOB_MAX_SIZE),
            _ => frame_bound(self.payload()),
        }
    }
}

/// A size that decompressed frames cannot exceed.
fn frame_bound(frames: &[u8]) -> Result<usize> {
    let bound = zstd_safe::decompress_bound(frames).map_err(broken_frame)?;
    Ok(usize::try_from(bound).map_or(BLOB_MAX_SIZE, |bound| bound.min(BLOB_MAX_SIZE)))
}

fn need_key() -> Error {
    Error::new(Kind::Key, "the blob is encrypted and no key is given")
}

fn broken_frame(code: zstd_safe::ErrorCode) -> Error {
    let name = zstd_safe::get_error_name(code);
    if zstd_safe::is_error_kind(code, zstd_safe::zstd_sys::ZSTD_ErrorCode::ZSTD_error_memory_allocation) {
        return Error::new(Kind::NoMemory, format!("cannot decompress: {name}"));
    }
    Error::new(Kind::Corrupt, format!("the blob's compressed data is broken: {name}"))
}

/// Compares the digest of `data`, of encrypted data if there is a key, with `digest`, if there is one.
///
/// Errors: `Corrupt`.
pub fn check_digest(data: &[u8], key: Option<&CryptKey>, digest: Option<&Digest>) -> Result<()> {
    match digest {
        Some(digest) => compare_digests(&digest_of(data, key), digest),
        None => Ok(()),
    }
}

/// Compares the digest that some data has with that which it should have.
///
/// Errors: `Corrupt`.
pub fn compare_digests(computed: &Digest, digest: &Digest) -> Result<()> {
    if computed == digest {
        return Ok(());
    }
    let message = format!("the data's digest is {computed} and should be {digest}");
    Err(Error::new(Kind::Corrupt, message).with_digest(digest))
}

/// Stores the CRC of the payload in the header of the encoded blob `raw`.
///
/// Errors: `Format`.
pub fn update_crc(raw: &mut [u8]) -> Result<()> {
    let crc = crc32fast::hash(Blob::parse(raw)?.payload());
    raw[BLOB_CRC_OFFSET..BLOB_HEADER_SIZE].copy_from_slice(&crc.to_le_bytes());
    Ok(())
}

/// Bytes that encoding `data_len` bytes can take, in whatever form; `None` above [`BLOB_MAX_SIZE`].
pub fn encode_bound(data_len: usize) -> Option<usize> {
    (data_len <= BLOB_MAX_SIZE).then(|| data_len + ENCRYPTED_BLOB_HEADER_SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha256;
    use zstd::zstd_safe::{CCtx, CParameter};

    const FOX: &[u8] = b"The quick brown fox jumps over the lazy dog";

    fn encode(data: &[u8], compress: bool) -> Vec<u8> {
        Codec::new().encode_vec(data, compress).unwrap()
    }

    #[test]
    fn known_blobs() {
        let fox = encode(FOX, false);
        assert_eq!(fox[..12], [0x42, 0xab, 0x38, 0x07, 0xbe, 0x83, 0x70, 0xa1, 0x39, 0xa3, 0x4f, 0x41]);
        assert_eq!(fox[12..], *FOX);
        for compress in [false, true] {
            assert_eq!(encode(b"", compress), [0x42, 0xab, 0x38, 0x07, 0xbe, 0x83, 0x70, 0xa1, 0, 0, 0, 0]);
        }
    }

    #[test]
    fn round_trip_at_every_small_length_and_capacity() {
        let mut codec = Codec::new();
        for len in 0..200 {
            let data = vec![b'a'; len];
            for compress in [false, true] {
                let blob = codec.encode_vec(&data, compress).unwrap();
                assert_eq!(Blob::load(&blob).unwrap().form().compressed, blob.len() < 12 + len);
                for room in 0..blob.len() + 1 {
                    let mut out = vec![0; room];
                    match codec.encode(&data, compress, &mut out) {
                        Ok(n) => assert_eq!(out[..n], blob),
                        Err(error) => assert!(error.kind() == Kind::TooSmall && room < 12 + len, "{error}"),
                    }
                }
                let digest = sha256(&data);
                let blob = Blob::load(&blob).unwrap();
                assert_eq!(codec.decode_vec(blob, Some(&digest), len).unwrap(), data);
                assert_eq!(codec.decode_exact(blob, &digest, len, &mut Vec::new()).unwrap(), data);
                let mut out = vec![0; len];
                assert_eq!(codec.decode(blob, Some(&digest), &mut out).unwrap(), len);
                assert_eq!(out, data);
                if len > 0 {
                    assert_eq!(codec.decode(blob, None, &mut out[1..]).unwrap_err().kind(), Kind::TooSmall);
                    assert_eq!(codec.decode_vec(blob, None, len - 1).unwrap_err().kind(), Kind::Limit);
                    let error = codec.decode_exact(blob, &digest, len - 1, &mut Vec::new()).unwrap_err();
                    assert_eq!(error.kind(), Kind::Corrupt);
                    let error = codec.verify_unencrypted(blob, len as u64 + 1, &digest).unwrap_err();
                    assert_eq!(error.kind(), Kind::Corrupt);
                }
            }
        }
    }

    #[test]
    fn damage_is_named() {
        let mut codec = Codec::new();
        let blob = encode(&[b'x'; 1000], true);
        let mut flipped = blob.clone();
        flipped[20] ^= 1;
        assert_eq!(Blob::load(&flipped).unwrap_err().kind(), Kind::Corrupt);
        assert_eq!(Blob::parse(&[0; 40]).unwrap_err().kind(), Kind::Format);
        assert_eq!(Blob::parse(&blob[..11]).unwrap_err().kind(), Kind::Format);
        for truncated in 12..blob.len() {
            let mut cut = blob[..truncated].to_vec();
            update_crc(&mut cut).unwrap();
            let cut = Blob::load(&cut).unwrap();
            assert_eq!(codec.decode_vec(cut, None, 1000).unwrap_err().kind(), Kind::Corrupt);
        }
        let mut long = [&blob[..], b"x"].concat();
        update_crc(&mut long).unwrap();
        assert_eq!(codec.decode_vec(Blob::load(&long).unwrap(), None, 1000).unwrap_err().kind(), Kind::Corrupt);
        let wrong = sha256(b"other");
        let error = codec.decode_vec(Blob::load(&blob).unwrap(), Some(&wrong), 1000).unwrap_err();
        assert_eq!((error.kind(), error.digest()), (Kind::Corrupt, Some(&wrong)));
    }

    #[test]
    fn frames_without_a_stated_size_and_several_frames_decode() {
        let mut codec = Codec::new();
        let frame = |data: &[u8]| {
            let mut context = CCtx::create();
            context.set_parameter(CParameter::ContentSizeFlag(false)).unwrap();
            let mut out = vec![0; 1000];
            let len = context.compress2(&mut out[..], data).unwrap();
            out.truncate(len);
            out
        };
        let payload = [frame(&[b'a'; 500]), frame(b""), frame(&[b'b'; 700])].concat();
        let mut raw = [&crate::format::MAGIC_COMPRESSED_BLOB[..], &[0; 4], &payload].concat();
        update_crc(&mut raw).unwrap();
        let data = codec.decode_vec(Blob::load(&raw).unwrap(), None, BLOB_MAX_SIZE).unwrap();
        assert_eq!(data, [[b'a'; 500].as_slice(), &[b'b'; 700]].concat());
    }

    #[test]
    fn a_bomb_is_bounded() {
        let mut codec = Codec::new();
        let blob = codec.encode_vec(&vec![0; 64 << 20], true).unwrap();
        assert!(blob.len() < 1 << 20);
        let blob = Blob::load(&blob).unwrap();
        assert_eq!(codec.decode_vec(blob, None, 1 << 20).unwrap_err().kind(), Kind::Limit);
        let mut scratch = Vec::new();
        let error = codec.decode_exact(blob, &sha256(b""), 1 << 20, &mut scratch).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt);
        assert!(scratch.capacity() <= 2 << 20);
    }

    #[test]
    fn a_frame_that_lies_about_its_size_is_damaged() {
        // Magic, single segment with a size of one byte: 10, then one block of 1000 equal bytes.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 10, 0x43, 0x1f, 0, b'x'];
        let mut raw = [&crate::format::MAGIC_COMPRESSED_BLOB[..], &[0; 4], &frame].concat();
        update_crc(&mut raw).unwrap();
        let blob = Blob::load(&raw).unwrap();
        let mut codec = Codec::new();
        assert_eq!(codec.decode(blob, None, &mut [0; 9]).unwrap_err().kind(), Kind::TooSmall);
        assert_eq!(blob.decoded_bound().unwrap(), 10);
        for room in [10, 5000] {
            assert_eq!(codec.decode(blob, None, &mut vec![0; room]).unwrap_err().kind(), Kind::Corrupt);
        }
        assert_eq!(codec.decode_vec(blob, None, 1 << 20).unwrap_err().kind(), Kind::Corrupt);
    }

    #[test]
    fn encrypted_blobs_ask_for_a_key() {
        let mut codec = Codec::new();
        for compressed in [false, true] {
            let form = BlobForm { compressed, encrypted: true };
            let mut raw = form.magic().to_vec();
            raw.resize(43, 0);
            assert_eq!(Blob::parse(&raw).unwrap_err().kind(), Kind::Format);
            raw.resize(100, 0);
            update_crc(&mut raw).unwrap();
            let blob = Blob::load(&raw).unwrap();
            assert_eq!(codec.decode_vec(blob, None, 1000).unwrap_err().kind(), Kind::Key);
            // Compressed data below the encryption does not show its size.
            assert_eq!(blob.decoded_bound().unwrap(), if compressed { BLOB_MAX_SIZE } else { 56 });
            codec.verify_unencrypted(blob, 1, &sha256(b"")).unwrap();
        }
    }

    #[test]
    fn too_large_is_refused_before_anything_is_allocated() {
        assert_eq!(blob_len(BLOB_MAX_SIZE as u64 + 1).unwrap_err().kind(), Kind::Limit);
        assert_eq!(blob_len(u64::MAX).unwrap_err().kind(), Kind::Limit);
        assert_eq!(encode_bound(BLOB_MAX_SIZE + 1), None);
        assert_eq!(encode_bound(BLOB_MAX_SIZE), Some(crate::limits::BLOB_MAX_ENCODED_SIZE));
    }
}
