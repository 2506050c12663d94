//! Magics and headers: fields to bytes and back, explicitly little-endian.
//!
//! Source: docs/format.md, 1, 2.1 and 6.1.

use crate::digest::DIGEST_SIZE;

/// Magic of an uncompressed, unencrypted blob.
pub const MAGIC_UNCOMPRESSED_BLOB: [u8; 8] = [66, 171, 56, 7, 190, 131, 112, 161];
/// Magic of a compressed, unencrypted blob.
pub const MAGIC_COMPRESSED_BLOB: [u8; 8] = [49, 185, 88, 66, 111, 182, 163, 127];
/// Magic of an encrypted, uncompressed blob.
pub const MAGIC_ENCRYPTED_BLOB: [u8; 8] = [123, 103, 133, 190, 34, 45, 76, 240];
/// Magic of an encrypted, compressed blob.
pub const MAGIC_ENCR_COMPR_BLOB: [u8; 8] = [230, 89, 27, 191, 11, 191, 216, 11];
/// Magic of a fixed index.
pub const MAGIC_FIXED_INDEX: [u8; 8] = [47, 127, 65, 237, 145, 253, 15, 205];
/// Magic of a dynamic index.
pub const MAGIC_DYNAMIC_INDEX: [u8; 8] = [28, 145, 78, 165, 25, 186, 179, 205];

/// Header bytes of an unencrypted blob: magic, CRC.
pub const BLOB_HEADER_SIZE: usize = 12;
/// Header bytes of an encrypted blob: magic, CRC, iv, tag.
pub const ENCRYPTED_BLOB_HEADER_SIZE: usize = 44;
/// Header bytes of an index of either kind.
pub const INDEX_HEADER_SIZE: usize = 4096;
/// Bytes of an entry of a dynamic index: end offset, digest.
pub const DYNAMIC_ENTRY_SIZE: usize = 8 + DIGEST_SIZE;
/// Bytes of an entry of a fixed index: digest.
pub const FIXED_ENTRY_SIZE: usize = DIGEST_SIZE;

/// Which kind of index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexKind {
    /// Chunks of any size: `.didx`.
    Dynamic,
    /// Chunks of one size: `.fidx`.
    Fixed,
}

/// The four forms of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobForm {
    /// The payload is one zstd stream, below the encryption if there is any.
    pub compressed: bool,
    /// The payload is sealed and the header holds iv and tag.
    pub encrypted: bool,
}

impl BlobForm {
    /// The form that `magic` announces; `None` for any other magic.
    pub fn from_magic(magic: &[u8]) -> Option<Self> {
        let (compressed, encrypted) = match <[u8; 8]>::try_from(magic).ok()? {
            MAGIC_UNCOMPRESSED_BLOB => (false, false),
            MAGIC_COMPRESSED_BLOB => (true, false),
            MAGIC_ENCRYPTED_BLOB => (false, true),
            MAGIC_ENCR_COMPR_BLOB => (true, true),
            _ => return None,
        };
        Some(BlobForm { compressed, encrypted })
    }

    /// The magic of this form.
    pub fn magic(self) -> [u8; 8] {
        match (self.compressed, self.encrypted) {
            (false, false) => MAGIC_UNCOMPRESSED_BLOB,
            (true, false) => MAGIC_COMPRESSED_BLOB,
            (false, true) => MAGIC_ENCRYPTED_BLOB,
            (true, true) => MAGIC_ENCR_COMPR_BLOB,
        }
    }

    /// Bytes before the payload.
    pub fn header_size(self) -> usize {
        if self.encrypted { ENCRYPTED_BLOB_HEADER_SIZE } else { BLOB_HEADER_SIZE }
    }
}

/// Offset of the stored CRC in a blob, of 4 bytes.
pub const BLOB_CRC_OFFSET: usize = 8;

/// The header of an unencrypted blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobHeader {
    /// Tells the form.
    pub magic: [u8; 8],
    /// CRC-32 of the payload.
    pub crc: u32,
}

impl BlobHeader {
    /// Reads the fields; the magic is not judged.
    pub fn from_bytes(bytes: &[u8; BLOB_HEADER_SIZE]) -> Self {
        BlobHeader { magic: field(bytes, 0), crc: u32::from_le_bytes(field(bytes, BLOB_CRC_OFFSET)) }
    }

    /// The bytes of the header.
    pub fn to_bytes(&self) -> [u8; BLOB_HEADER_SIZE] {
        let mut bytes = [0; BLOB_HEADER_SIZE];
        bytes[..8].copy_from_slice(&self.magic);
        bytes[BLOB_CRC_OFFSET..].copy_from_slice(&self.crc.to_le_bytes());
        bytes
    }
}

/// The header of an encrypted blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncryptedBlobHeader {
    /// Magic and CRC, as in an unencrypted blob.
    pub start: BlobHeader,
    /// The iv of the cipher.
    pub iv: [u8; 16],
    /// The tag that authenticates the payload.
    pub tag: [u8; 16],
}

impl EncryptedBlobHeader {
    /// Reads the fields; the magic is not judged.
    pub fn from_bytes(bytes: &[u8; ENCRYPTED_BLOB_HEADER_SIZE]) -> Self {
        EncryptedBlobHeader {
            start: BlobHeader::from_bytes(&field(bytes, 0)),
            iv: field(bytes, BLOB_HEADER_SIZE),
            tag: field(bytes, BLOB_HEADER_SIZE + 16),
        }
    }

    /// The bytes of the header.
    pub fn to_bytes(&self) -> [u8; ENCRYPTED_BLOB_HEADER_SIZE] {
        let mut bytes = [0; ENCRYPTED_BLOB_HEADER_SIZE];
        bytes[..BLOB_HEADER_SIZE].copy_from_slice(&self.start.to_bytes());
        bytes[BLOB_HEADER_SIZE..BLOB_HEADER_SIZE + 16].copy_from_slice(&self.iv);
        bytes[BLOB_HEADER_SIZE + 16..].copy_from_slice(&self.tag);
        bytes
    }
}

/// The header of either kind of index; `size` and `chunk_size` are zero in a dynamic one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexHeader {
    /// Tells the kind.
    pub magic: [u8; 8],
    /// For display only.
    pub uuid: [u8; 16],
    /// Seconds since 1970.
    pub ctime: i64,
    /// SHA-256 of the entries as they are on disk.
    pub csum: [u8; DIGEST_SIZE],
    /// Fixed: bytes of the image.
    pub size: u64,
    /// Fixed: bytes of every chunk but the last.
    pub chunk_size: u64,
}

/// Offset of the csum in the header.
pub const INDEX_CSUM_OFFSET: usize = 32;

impl IndexHeader {
    /// Reads the fields; the magic is not judged and reserved bytes are ignored.
    pub fn from_bytes(bytes: &[u8; INDEX_HEADER_SIZE]) -> Self {
        IndexHeader {
            magic: field(bytes, 0),
            uuid: field(bytes, 8),
            ctime: i64::from_le_bytes(field(bytes, 24)),
            csum: field(bytes, INDEX_CSUM_OFFSET),
            size: u64::from_le_bytes(field(bytes, 64)),
            chunk_size: u64::from_le_bytes(field(bytes, 72)),
        }
    }

    /// The whole page, reserved bytes zero.
    pub fn to_bytes(&self) -> [u8; INDEX_HEADER_SIZE] {
        let mut bytes = [0; INDEX_HEADER_SIZE];
        bytes[0..8].copy_from_slice(&self.magic);
        bytes[8..24].copy_from_slice(&self.uuid);
        bytes[24..32].copy_from_slice(&self.ctime.to_le_bytes());
        bytes[INDEX_CSUM_OFFSET..64].copy_from_slice(&self.csum);
        bytes[64..72].copy_from_slice(&self.size.to_le_bytes());
        bytes[72..80].copy_from_slice(&self.chunk_size.to_le_bytes());
        bytes
    }
}

/// The `N` bytes at `offset`; the caller has checked that they are there.
pub(crate) fn field<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[offset..offset + N]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::Digest as _;

    #[test]
    fn magics_are_the_hashes_of_their_names() {
        for (name, magic) in [
            ("Proxmox Backup uncompressed blob v1.0", MAGIC_UNCOMPRESSED_BLOB),
            ("Proxmox Backup zstd compressed blob v1.0", MAGIC_COMPRESSED_BLOB),
            ("Proxmox Backup encrypted blob v1.0", MAGIC_ENCRYPTED_BLOB),
            ("Proxmox Backup zstd compressed encrypted blob v1.0", MAGIC_ENCR_COMPR_BLOB),
            ("Proxmox Backup fixed sized chunk index v1.0", MAGIC_FIXED_INDEX),
            ("Proxmox Backup dynamic sized chunk index v1.0", MAGIC_DYNAMIC_INDEX),
        ] {
            assert_eq!(sha2::Sha256::digest(name)[..8], magic, "{name}");
        }
    }

    #[test]
    fn forms_and_magics_are_one_to_one() {
        for compressed in [false, true] {
            for encrypted in [false, true] {
                let form = BlobForm { compressed, encrypted };
                assert_eq!(BlobForm::from_magic(&form.magic()), Some(form));
                assert_eq!(form.header_size(), if encrypted { 44 } else { 12 });
            }
        }
        assert_eq!(BlobForm::from_magic(&[0; 8]), None);
        assert_eq!(BlobForm::from_magic(&MAGIC_UNCOMPRESSED_BLOB[..7]), None);
        assert_eq!(BlobForm::from_magic(&MAGIC_DYNAMIC_INDEX), None);
    }

    #[test]
    fn blob_headers_are_where_they_should_be() {
        let bytes: [u8; 44] = std::array::from_fn(|i| i as u8);
        let header = EncryptedBlobHeader::from_bytes(&bytes);
        assert_eq!(header.start.magic, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(header.start.crc, 0x0b0a_0908);
        assert_eq!((header.iv[0], header.iv[15], header.tag[0], header.tag[15]), (12, 27, 28, 43));
        assert_eq!(header.to_bytes(), bytes);
        assert_eq!(header.start.to_bytes(), bytes[..12]);
    }

    #[test]
    fn index_header_round_trip() {
        let header = IndexHeader {
            magic: MAGIC_FIXED_INDEX,
            uuid: *b"0123456789abcdef",
            ctime: -2,
            csum: [7; 32],
            size: u64::MAX,
            chunk_size: 1 << 22,
        };
        let bytes = header.to_bytes();
        assert_eq!(IndexHeader::from_bytes(&bytes), header);
        assert!(bytes[80..].iter().all(|&byte| byte == 0));
    }
}
