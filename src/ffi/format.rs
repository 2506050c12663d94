//! Magics and headers, for those who handle them by themselves.

use std::ffi::c_void;
use std::mem::size_of;

use super::args::{self, Out, OutStruct, size_first};
use super::error::pxds_error;
use super::guard::{guard, guard_ok, guard_value};
use super::status::pxds_status;
use crate::error::{Error, Kind, Result};
use crate::format::{
    BlobForm, BlobHeader, EncryptedBlobHeader, INDEX_HEADER_SIZE, IndexHeader, MAGIC_DYNAMIC_INDEX, MAGIC_FIXED_INDEX,
};

/// First 8 bytes of an uncompressed, unencrypted blob; an initialiser.
pub const PXDS_MAGIC_UNCOMPRESSED_BLOB: [u8; 8] = [66, 171, 56, 7, 190, 131, 112, 161];
/// First 8 bytes of a compressed, unencrypted blob; an initialiser.
pub const PXDS_MAGIC_COMPRESSED_BLOB: [u8; 8] = [49, 185, 88, 66, 111, 182, 163, 127];
/// First 8 bytes of an encrypted, uncompressed blob; an initialiser.
pub const PXDS_MAGIC_ENCRYPTED_BLOB: [u8; 8] = [123, 103, 133, 190, 34, 45, 76, 240];
/// First 8 bytes of an encrypted, compressed blob; an initialiser.
pub const PXDS_MAGIC_ENCR_COMPR_BLOB: [u8; 8] = [230, 89, 27, 191, 11, 191, 216, 11];
/// First 8 bytes of a fixed index; an initialiser.
pub const PXDS_MAGIC_FIXED_INDEX: [u8; 8] = [47, 127, 65, 237, 145, 253, 15, 205];
/// First 8 bytes of a dynamic index; an initialiser.
pub const PXDS_MAGIC_DYNAMIC_INDEX: [u8; 8] = [28, 145, 78, 165, 25, 186, 179, 205];

/// First 8 bytes of a file catalogue, below its index; an initialiser.
pub const PXDS_MAGIC_CATALOG: [u8; 8] = [145, 253, 96, 249, 196, 103, 88, 213];

/// Bytes of the longest name in a file catalogue.
pub const PXDS_CATALOG_MAX_NAME: usize = 4095;

/// The header of an unencrypted blob: 12 bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_blob_header {
    /// Bytes of this structure; set by PXDS_BLOB_HEADER_INIT.
    pub struct_size: usize,
    /// The first 8 bytes.
    pub magic: [u8; 8],
    /// CRC-32 of the payload.
    pub crc: u32,
    /// 0.
    pub reserved: u32,
}

size_first!(pxds_blob_header);

/// The header of an encrypted blob: 44 bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_blob_encrypted_header {
    /// Bytes of this structure; set by PXDS_BLOB_ENCRYPTED_HEADER_INIT.
    pub struct_size: usize,
    /// The first 8 bytes.
    pub magic: [u8; 8],
    /// CRC-32 of the payload.
    pub crc: u32,
    /// 0.
    pub reserved: u32,
    /// The iv of the cipher.
    pub iv: [u8; 16],
    /// The tag that authenticates the payload.
    pub tag: [u8; 16],
}

size_first!(pxds_blob_encrypted_header);

/// The header of an index of either kind: 4096 bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_index_header {
    /// Bytes of this structure; set by PXDS_INDEX_HEADER_INIT.
    pub struct_size: usize,
    /// The first 8 bytes: PXDS_MAGIC_DYNAMIC_INDEX or PXDS_MAGIC_FIXED_INDEX.
    pub magic: [u8; 8],
    /// For display.
    pub uuid: [u8; 16],
    /// When it was made, in seconds since 1970.
    pub ctime: i64,
    /// SHA-256 of the entries.
    pub csum: [u8; 32],
    /// Fixed: bytes of the image. Dynamic: 0.
    pub size: u64,
    /// Fixed: bytes of every chunk but the last. Dynamic: 0.
    pub chunk_size: u64,
}

size_first!(pxds_index_header);

/// The 8 bytes of a magic that a caller passed.
unsafe fn form_of(magic: *const u8) -> Option<BlobForm> {
    // SAFETY: the caller's; an array of bytes has no alignment.
    unsafe { args::opt_value(magic.cast::<[u8; 8]>()) }.and_then(|magic| BlobForm::from_magic(&magic))
}

/// Writes the header bytes of a blob with this magic, 12 or 44, to `*header_len`.
///
/// Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_FORMAT if it is no magic of a blob.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_blob_get_header_len(
    magic: *const u8,
    header_len: *mut usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, form) = unsafe {
            let out = Out::new(header_len, "header_len")?;
            args::handle(magic, "magic")?;
            (out, form_of(magic))
        };
        let form = form.ok_or_else(|| Error::new(Kind::Format, "it is no magic of a blob"))?;
        Ok(out.set(form.header_size()))
    })
}

/// 1 if a blob with this magic is compressed, 0 if not, if it is no magic of a blob, and for NULL.
///
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_blob_magic_is_compressed(magic: *const u8) -> i32 {
    // SAFETY: the header's rules for inputs.
    guard_value(0, || unsafe { form_of(magic) }.map_or(0, |form| form.compressed.into()))
}

/// 1 if a blob with this magic is encrypted, 0 if not, if it is no magic of a blob, and for NULL.
///
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_blob_magic_is_encrypted(magic: *const u8) -> i32 {
    // SAFETY: the header's rules for inputs.
    guard_value(0, || unsafe { form_of(magic) }.map_or(0, |form| form.encrypted.into()))
}

/// The first `N` of the bytes that a caller passed.
unsafe fn head<'a, const N: usize>(data: *const c_void, data_len: usize) -> Result<&'a [u8; N]> {
    // SAFETY: the caller's.
    unsafe { args::bytes(data, data_len, "data")? }
        .first_chunk()
        .ok_or_else(|| Error::new(Kind::Format, format!("{data_len} bytes are too few for a header of {N}")))
}

/// Writes `header` to the start of the room that a caller passed.
unsafe fn put<const N: usize>(data: *mut c_void, capacity: usize, header: [u8; N]) -> Result<()> {
    // SAFETY: the caller's.
    let room = unsafe { args::bytes_mut(data, capacity, "data")? };
    let room: &mut [u8; N] = room
        .first_chunk_mut()
        .ok_or_else(|| Error::new(Kind::TooSmall, format!("{capacity} bytes are too few for a header of {N}")))?;
    *room = header;
    Ok(())
}

/// Reads the header of an unencrypted blob from the first 12 of `data_len` bytes. The magic is not judged.
///
/// Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_FORMAT if there are fewer bytes.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_blob_header_read(
    data: *const c_void,
    data_len: usize,
    header: *mut pxds_blob_header,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, bytes) = unsafe { (OutStruct::new(header, "header")?, head(data, data_len)?) };
        let BlobHeader { magic, crc } = BlobHeader::from_bytes(bytes);
        Ok(out.set(pxds_blob_header { struct_size: size_of::<pxds_blob_header>(), magic, crc, reserved: 0 }))
    })
}

/// Writes the header of an unencrypted blob to the first 12 of `capacity` bytes. The magic is not judged.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_TOO_SMALL.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_blob_header_write(
    header: *const pxds_blob_header,
    data: *mut c_void,
    capacity: usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let header = unsafe { args::structure(header, "header")? };
        let bytes = BlobHeader { magic: header.magic, crc: header.crc }.to_bytes();
        // SAFETY: the header's rules for outputs.
        unsafe { put(data, capacity, bytes) }
    })
}

/// Reads the header of an encrypted blob from the first 44 of `data_len` bytes. The magic is not judged.
///
/// Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_FORMAT if there are fewer bytes.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_blob_encrypted_header_read(
    data: *const c_void,
    data_len: usize,
    header: *mut pxds_blob_encrypted_header,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, bytes) = unsafe { (OutStruct::new(header, "header")?, head(data, data_len)?) };
        let EncryptedBlobHeader { start: BlobHeader { magic, crc }, iv, tag } = EncryptedBlobHeader::from_bytes(bytes);
        let struct_size = size_of::<pxds_blob_encrypted_header>();
        Ok(out.set(pxds_blob_encrypted_header { struct_size, magic, crc, reserved: 0, iv, tag }))
    })
}

/// Writes the header of an encrypted blob to the first 44 of `capacity` bytes. The magic is not judged.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_TOO_SMALL.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_blob_encrypted_header_write(
    header: *const pxds_blob_encrypted_header,
    data: *mut c_void,
    capacity: usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let header = unsafe { args::structure(header, "header")? };
        let start = BlobHeader { magic: header.magic, crc: header.crc };
        let bytes = EncryptedBlobHeader { start, iv: header.iv, tag: header.tag }.to_bytes();
        // SAFETY: the header's rules for outputs.
        unsafe { put(data, capacity, bytes) }
    })
}

/// Reads the header of an index from the first 4096 of `data_len` bytes. The magic is not judged; reserved bytes are
/// ignored, and so are the sizes unless the magic is a fixed index's.
///
/// Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_FORMAT if there are fewer bytes.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_index_header_read(
    data: *const c_void,
    data_len: usize,
    header: *mut pxds_index_header,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, bytes) = unsafe { (OutStruct::new(header, "header")?, head::<INDEX_HEADER_SIZE>(data, data_len)?) };
        let IndexHeader { magic, uuid, ctime, csum, size, chunk_size } = IndexHeader::from_bytes(bytes);
        let (size, chunk_size) = if magic == MAGIC_FIXED_INDEX { (size, chunk_size) } else { (0, 0) };
        let struct_size = size_of::<pxds_index_header>();
        Ok(out.set(pxds_index_header { struct_size, magic, uuid, ctime, csum, size, chunk_size }))
    })
}

/// Writes the header of an index to the first 4096 of `capacity` bytes, reserved ones as zeros.
///
/// Errors: PXDS_ERR_ARGUMENT (also for sizes in the header of a dynamic index), PXDS_ERR_TOO_SMALL.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_index_header_write(
    header: *const pxds_index_header,
    data: *mut c_void,
    capacity: usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let header = unsafe { args::structure(header, "header")? };
        let pxds_index_header { struct_size: _, magic, uuid, ctime, csum, size, chunk_size } = header;
        if magic == MAGIC_DYNAMIC_INDEX && (size, chunk_size) != (0, 0) {
            return Err(Error::new(Kind::Argument, "the header of a dynamic index has no sizes"));
        }
        let bytes = IndexHeader { magic, uuid, ctime, csum, size, chunk_size }.to_bytes();
        // SAFETY: the header's rules for outputs.
        unsafe { put(data, capacity, bytes) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format;

    #[test]
    fn the_magics_of_the_header_are_those_of_the_core() {
        for (ours, core) in [
            (PXDS_MAGIC_UNCOMPRESSED_BLOB, format::MAGIC_UNCOMPRESSED_BLOB),
            (PXDS_MAGIC_COMPRESSED_BLOB, format::MAGIC_COMPRESSED_BLOB),
            (PXDS_MAGIC_ENCRYPTED_BLOB, format::MAGIC_ENCRYPTED_BLOB),
            (PXDS_MAGIC_ENCR_COMPR_BLOB, format::MAGIC_ENCR_COMPR_BLOB),
            (PXDS_MAGIC_FIXED_INDEX, format::MAGIC_FIXED_INDEX),
            (PXDS_MAGIC_DYNAMIC_INDEX, format::MAGIC_DYNAMIC_INDEX),
        ] {
            assert_eq!(ours, core);
        }
    }
}
