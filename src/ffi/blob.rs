//! Blobs.

use std::ffi::c_void;
use std::mem::size_of;

use super::args::{self, Out, OutStruct, size_first};
use super::buffer::pxds_buffer;
use super::error::pxds_error;
use super::guard::{guard, guard_ok, guard_value};
use super::handle::{Entered, Exclusive};
use super::key::pxds_key;
use super::status::{PXDS_NONE, PXDS_OK, pxds_status};
use crate::blob::{Blob, Codec, check_digest, encode_bound, update_crc};
use crate::crypt::Tolerance;
use crate::error::{Kind, Result};
use crate::format::field;

/// Header bytes of an unencrypted blob.
pub const PXDS_BLOB_HEADER_SIZE: usize = 12;
/// Header bytes of an encrypted blob.
pub const PXDS_BLOB_ENCRYPTED_HEADER_SIZE: usize = 44;
/// Most plain bytes of a blob: 128 MiB.
pub const PXDS_BLOB_MAX_SIZE: usize = 134217728;
/// Most bytes of an encoded blob.
pub const PXDS_BLOB_MAX_ENCODED_SIZE: usize = 134217772;

/// Crypt mode: encrypted if a key is given, else not.
pub const PXDS_CRYPT_DEFAULT: u32 = 0;
/// Crypt mode: not encrypted.
pub const PXDS_CRYPT_NONE: u32 = 1;
/// Crypt mode: encrypted.
pub const PXDS_CRYPT_ENCRYPT: u32 = 2;
/// Crypt mode: not encrypted, but listed in a signed manifest.
pub const PXDS_CRYPT_SIGN_ONLY: u32 = 3;

/// pxds_blob_info.flags: the payload is a zstd stream, below the encryption if there is any.
pub const PXDS_BLOB_COMPRESSED: u32 = 1;
/// pxds_blob_info.flags: the payload is sealed.
pub const PXDS_BLOB_ENCRYPTED: u32 = 2;

/// Encoding flag: compress, with zstd at level 1, what becomes smaller by it.
pub const PXDS_ENCODE_COMPRESS: u32 = 1;
/// Encoding flag: encrypt with the codec's key.
pub const PXDS_ENCODE_ENCRYPT: u32 = 2;
/// pxds_blob_codec_options.flags, and flag of pxds_key_tolerant(): read encrypted blobs with an iv of 12 bytes too, as
/// the Go package has written them, and accept the digests that it has made of their data.
pub const PXDS_CODEC_SHORT_IV: u32 = 1;
/// pxds_blob_codec_options.flags, and flag of pxds_key_tolerant(): read encrypted blobs whose header is four zero bytes
/// too long too, as the Go package has written them.
pub const PXDS_CODEC_LONG_HEADER: u32 = 2;
/// Decoding flag: do not compare the CRC.
pub const PXDS_DECODE_SKIP_CRC: u32 = 1;

/// The header of an encoded blob.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_blob_info {
    /// Bytes of this structure; set by PXDS_BLOB_INFO_INIT.
    pub struct_size: usize,
    /// The first 8 bytes.
    pub magic: [u8; 8],
    /// The stored CRC-32 of the payload.
    pub crc: u32,
    /// PXDS_BLOB_COMPRESSED, PXDS_BLOB_ENCRYPTED.
    pub flags: u32,
    /// PXDS_CRYPT_NONE or PXDS_CRYPT_ENCRYPT.
    pub crypt_mode: u32,
    /// Bytes of the header.
    pub header_len: u32,
    /// Bytes behind the header.
    pub payload_len: usize,
}

size_first!(pxds_blob_info);

/// How a codec works.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_blob_codec_options {
    /// Bytes of this structure; set by PXDS_BLOB_CODEC_OPTIONS_INIT.
    pub struct_size: usize,
    /// PXDS_CODEC_...
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// The key that encrypted blobs are opened with and, with PXDS_ENCODE_ENCRYPT, made with; may be NULL.
    pub key: *const pxds_key,
}

size_first!(pxds_blob_codec_options);

/// Encodes and decodes blobs one at a time, with compression contexts that are made once: re-use it. Exclusive.
pub struct pxds_blob_codec(Exclusive<Codec>);

impl pxds_blob_codec {
    /// The codec, for one call.
    pub(super) fn enter(&self) -> Result<Entered<'_, Codec>> {
        self.0.enter()
    }
}

/// What the flags PXDS_CODEC_... say.
pub(super) fn read_tolerance(flags: u32, name: &str) -> Result<Tolerance> {
    args::flags(flags, PXDS_CODEC_SHORT_IV | PXDS_CODEC_LONG_HEADER, name)?;
    Ok(Tolerance { short_iv: flags & PXDS_CODEC_SHORT_IV != 0, long_header: flags & PXDS_CODEC_LONG_HEADER != 0 })
}

/// Makes a codec. `options` may be NULL.
///
/// Owns: the caller owns `*out` and frees it with pxds_blob_codec_free().
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_blob_codec_new(
    options: *const pxds_blob_codec_options,
    out: *mut *mut pxds_blob_codec,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, options) = unsafe { (Out::handle(out, "out")?, args::options(options)?) };
        let tolerance = read_tolerance(options.flags, "options.flags")?;
        args::flags(options.reserved, 0, "options.reserved")?;
        // SAFETY: the header's rules for handles.
        let key = unsafe { args::opt(options.key) }.map(pxds_key::share);
        let codec = Codec::with_key(key);
        let codec = if options.flags == 0 { codec } else { codec.tolerant(tolerance) };
        Ok(out.hand_out(pxds_blob_codec(Exclusive::new(codec))))
    })
}

/// Frees a codec. NULL is fine.
///
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_blob_codec_free(codec: *mut pxds_blob_codec) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free_exclusive(codec, |codec| codec.0.is_busy()) })
}

/// Bytes that are enough for the blob of `data_len` bytes, whatever its form; 0 if `data_len` is too large.
///
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn pxds_blob_encode_bound(data_len: usize) -> usize {
    encode_bound(data_len).unwrap_or(0)
}

/// Encodes `data` into the `blob_capacity` bytes at `blob` and writes the length to `*blob_len`.
///
/// `flags`: 0, or of PXDS_ENCODE_COMPRESS and PXDS_ENCODE_ENCRYPT. With PXDS_ERR_TOO_SMALL `*blob_len` is a
/// capacity that is enough; otherwise a failure leaves 0 there. `data` and `blob` must not overlap. See docs/format.md,
/// 2.3.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_TOO_SMALL, PXDS_ERR_LIMIT (above PXDS_BLOB_MAX_SIZE), PXDS_ERR_KEY (none to
/// encrypt with), PXDS_ERR_IO (no random bytes), PXDS_ERR_NOMEM.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_blob_encode(
    codec: *mut pxds_blob_codec,
    data: *const c_void,
    data_len: usize,
    flags: u32,
    blob: *mut c_void,
    blob_capacity: usize,
    blob_len: *mut usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out_len, codec, data, blob) = unsafe {
            (
                Out::new(blob_len, "blob_len")?,
                args::handle(codec, "codec")?,
                args::bytes(data, data_len, "data")?,
                args::bytes_mut(blob, blob_capacity, "blob")?,
            )
        };
        let (compress, encrypt) = read_encode_flags(flags)?;
        let mut codec = codec.enter()?;
        let encoded = if encrypt { codec.seal(data, compress, blob) } else { codec.encode(data, compress, blob) };
        match encoded {
            Ok(len) => out_len.set(len),
            Err(error) => {
                if error.kind() == Kind::TooSmall {
                    out_len.set(encode_bound(data.len()).unwrap_or(0));
                }
                return Err(error);
            }
        };
        Ok(())
    })
}

/// As pxds_blob_encode(), into a buffer of the library's.
///
/// Owns: the caller owns `*out` and frees it with pxds_buffer_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_LIMIT, PXDS_ERR_KEY, PXDS_ERR_IO, PXDS_ERR_NOMEM.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_blob_encode_buffer(
    codec: *mut pxds_blob_codec,
    data: *const c_void,
    data_len: usize,
    flags: u32,
    out: *mut *mut pxds_buffer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, codec, data) =
            unsafe { (Out::handle(out, "out")?, args::handle(codec, "codec")?, args::bytes(data, data_len, "data")?) };
        let (compress, encrypt) = read_encode_flags(flags)?;
        let mut codec = codec.enter()?;
        let blob = if encrypt { codec.seal_vec(data, compress)? } else { codec.encode_vec(data, compress)? };
        Ok(out.hand_out(pxds_buffer::new(blob)))
    })
}

/// Whether to compress, and whether to encrypt.
fn read_encode_flags(flags: u32) -> Result<(bool, bool)> {
    args::flags(flags, PXDS_ENCODE_COMPRESS | PXDS_ENCODE_ENCRYPT, "flags")?;
    Ok((flags & PXDS_ENCODE_COMPRESS != 0, flags & PXDS_ENCODE_ENCRYPT != 0))
}

/// Parses a blob that is to be decoded, and checks its CRC, as `load` does, unless told not to.
fn parse_for_decoding<'a>(
    blob: &'a [u8],
    flags: u32,
    load: impl FnOnce(&'a [u8]) -> Result<Blob<'a>>,
) -> Result<Blob<'a>> {
    args::flags(flags, PXDS_DECODE_SKIP_CRC, "flags")?;
    if flags & PXDS_DECODE_SKIP_CRC != 0 { Blob::parse(blob) } else { load(blob) }
}

/// Decodes `blob` into the `data_capacity` bytes at `data` and writes the length to `*data_len`.
///
/// Checks the structure, the CRC unless `flags` has PXDS_DECODE_SKIP_CRC, and, if `digest` is not NULL, that the
/// data has this digest. With PXDS_ERR_TOO_SMALL `*data_len` is a capacity that is enough; otherwise a failure leaves 0
/// there, and nothing useful at `data`. `blob` and `data` must not overlap. See docs/format.md, 2.5.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_FORMAT, PXDS_ERR_CORRUPT, PXDS_ERR_KEY, PXDS_ERR_AUTH, PXDS_ERR_TOO_SMALL,
/// PXDS_ERR_LIMIT (above PXDS_BLOB_MAX_SIZE), PXDS_ERR_NOMEM.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_blob_decode(
    codec: *mut pxds_blob_codec,
    blob: *const c_void,
    blob_len: usize,
    flags: u32,
    digest: *const u8,
    data: *mut c_void,
    data_capacity: usize,
    data_len: *mut usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out_len, codec, blob, digest, data) = unsafe {
            (
                Out::new(data_len, "data_len")?,
                args::handle(codec, "codec")?,
                args::bytes(blob, blob_len, "blob")?,
                args::opt_digest(digest),
                args::bytes_mut(data, data_capacity, "data")?,
            )
        };
        let mut codec = codec.enter()?;
        let blob = parse_for_decoding(blob, flags, |blob| codec.load(blob))?;
        match codec.decode(blob, digest.as_ref(), data) {
            Ok(len) => out_len.set(len),
            Err(error) => {
                if error.kind() == Kind::TooSmall {
                    out_len.set(blob.decoded_bound()?);
                }
                return Err(error);
            }
        };
        Ok(())
    })
}

/// As pxds_blob_decode(), into a buffer of the library's of at most `max_len` bytes.
///
/// No more than that is ever allocated, whatever the blob claims. PXDS_BLOB_MAX_SIZE admits every blob.
///
/// Owns: the caller owns `*out` and frees it with pxds_buffer_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_FORMAT, PXDS_ERR_CORRUPT, PXDS_ERR_KEY, PXDS_ERR_AUTH, PXDS_ERR_LIMIT,
/// PXDS_ERR_NOMEM.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_blob_decode_buffer(
    codec: *mut pxds_blob_codec,
    blob: *const c_void,
    blob_len: usize,
    flags: u32,
    digest: *const u8,
    max_len: usize,
    out: *mut *mut pxds_buffer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, codec, blob, digest) = unsafe {
            (
                Out::handle(out, "out")?,
                args::handle(codec, "codec")?,
                args::bytes(blob, blob_len, "blob")?,
                args::opt_digest(digest),
            )
        };
        let mut codec = codec.enter()?;
        let blob = parse_for_decoding(blob, flags, |blob| codec.load(blob))?;
        Ok(out.hand_out(pxds_buffer::new(codec.decode_vec(blob, digest.as_ref(), max_len)?)))
    })
}

/// Points `*data` at the data of an uncompressed, unencrypted blob, without a copy. Checks as pxds_blob_decode().
///
/// Returns PXDS_NONE for a compressed blob.
///
/// Owns: `*data` points into `blob`.
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_FORMAT, PXDS_ERR_CORRUPT, PXDS_ERR_KEY, PXDS_ERR_AUTH, PXDS_ERR_LIMIT.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_blob_decode_borrow(
    blob: *const c_void,
    blob_len: usize,
    flags: u32,
    digest: *const u8,
    data: *mut *const u8,
    data_len: *mut usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for outputs: each is reset even if the other is NULL.
        let (out, out_len) = unsafe { (Out::borrowed(data, "data"), Out::new(data_len, "data_len")) };
        let (out, out_len) = (out?, out_len?);
        // SAFETY: the header's rules for inputs.
        let (blob, digest) = unsafe { (args::bytes(blob, blob_len, "blob")?, args::opt_digest(digest)) };
        let Some(plain) = parse_for_decoding(blob, flags, Blob::load)?.plain()? else { return Ok(PXDS_NONE) };
        check_digest(plain, None, digest.as_ref())?;
        out.set(plain.as_ptr());
        Ok(out_len.set(plain.len()))
    })
}

/// Reads the header of an encoded blob. Checks its structure, not the CRC.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_FORMAT.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_blob_parse(
    blob: *const c_void,
    blob_len: usize,
    info: *mut pxds_blob_info,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (info, blob) = unsafe { (OutStruct::new(info, "info")?, args::bytes(blob, blob_len, "blob")?) };
        let blob = Blob::parse(blob)?;
        let form = blob.form();
        Ok(info.set(pxds_blob_info {
            struct_size: size_of::<pxds_blob_info>(),
            magic: field(blob.raw(), 0),
            crc: blob.crc(),
            flags: u32::from(form.compressed) * PXDS_BLOB_COMPRESSED + u32::from(form.encrypted) * PXDS_BLOB_ENCRYPTED,
            crypt_mode: if form.encrypted { PXDS_CRYPT_ENCRYPT } else { PXDS_CRYPT_NONE },
            header_len: form.header_size() as u32,
            payload_len: blob.payload().len(),
        }))
    })
}

/// Compares the stored CRC of an encoded blob with its payload's. It covers neither magic, iv nor tag.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_FORMAT, PXDS_ERR_CORRUPT.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_blob_check_crc(
    blob: *const c_void,
    blob_len: usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        Blob::load(unsafe { args::bytes(blob, blob_len, "blob")? }).map(drop)
    })
}

/// Stores the CRC of the payload in the header of an encoded blob, in place.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_FORMAT.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_blob_update_crc(
    blob: *mut c_void,
    blob_len: usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        update_crc(unsafe { args::bytes_mut(blob, blob_len, "blob")? })
    })
}

/// Checks that an unencrypted blob decodes to `size` bytes of the digest at `digest`. The CRC is not compared.
///
/// An encrypted blob passes unchecked: its digest cannot be computed without the key.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_FORMAT, PXDS_ERR_CORRUPT, PXDS_ERR_LIMIT, PXDS_ERR_NOMEM.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_blob_verify_unencrypted(
    codec: *mut pxds_blob_codec,
    blob: *const c_void,
    blob_len: usize,
    size: u64,
    digest: *const u8,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs.
        let (codec, blob, digest) = unsafe {
            (args::handle(codec, "codec")?, args::bytes(blob, blob_len, "blob")?, args::digest(digest, "digest")?)
        };
        codec.enter()?.verify_unencrypted(Blob::parse(blob)?, size, &digest)?;
        Ok(PXDS_OK)
    })
}
