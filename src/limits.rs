//! Every maximum, with its reason.

use crate::error::{Error, Kind, Result};

/// Plain bytes of one blob: PBS's limit (docs/format.md, 1.2).
pub const BLOB_MAX_SIZE: usize = 128 << 20;

/// `len` as the plain length of a blob.
///
/// Errors: `Limit` above [`BLOB_MAX_SIZE`].
pub fn blob_len(len: u64) -> Result<usize> {
    usize::try_from(len)
        .ok()
        .filter(|&len| len <= BLOB_MAX_SIZE)
        .ok_or_else(|| Error::new(Kind::Limit, format!("{len} bytes are more than the {BLOB_MAX_SIZE} of a blob")))
}

/// Bytes of one encoded blob: the largest payload behind the largest header.
pub const BLOB_MAX_ENCODED_SIZE: usize = BLOB_MAX_SIZE + 44;

/// Bytes of the encoded form of a chunk of `len` bytes, of any program: more than any compression makes of them.
pub fn max_encoded_len(len: usize) -> usize {
    len.saturating_add(len / 64 + (64 << 10)).min(BLOB_MAX_ENCODED_SIZE)
}

/// Bytes of one JSON text, such as a manifest: thousands of archives.
pub const JSON_MAX_SIZE: usize = 4 << 20;

/// Values in one JSON text, those in others counted: ten thousand archives. An object takes up to 600 bytes of memory,
/// and five of the text.
pub const JSON_MAX_VALUES: usize = 1 << 16;

/// Bytes of every chunk of an image but the last, as PBS writes it; after 4.2.3 it opens no other (docs/format.md,
/// 6.4).
pub const PBS_IMAGE_CHUNK_SIZE: u64 = 4 << 20;

/// Average that the chunker accepts: twice it, less one, must fit the 32-bit mask.
pub const CHUNKER_MAX_AVG: u64 = 1 << 31;

/// The largest virtual size of an index: file offsets are signed 64-bit numbers.
pub const INDEX_MAX_SIZE: u64 = i64::MAX as u64;

/// Bytes of one index file: 2^28 dynamic entries, which is 16 TiB of stream even at 64 KiB a chunk. It bounds what
/// opening an index may allocate, together with the length of the file itself.
pub const INDEX_MAX_FILE_SIZE: u64 = 4096 + 40 * (1 << 28);

/// Chunks of a fixed index that may be without a digest: an image of 1 TiB in chunks of 4 MiB that has been begun. They
/// take no room in a sparse file, and would take it in memory.
pub const INDEX_MAX_UNSET: usize = 1 << 18;

/// Bytes of a group's notes, and of its owner file: a text that a person has typed.
pub const NOTES_MAX_SIZE: usize = 1 << 20;

/// Bytes of a key file; those of PBS have a few hundred.
pub const KEY_FILE_MAX_SIZE: usize = 64 << 10;

/// Bytes of a time zone's file; the largest of the system's have some four thousand.
pub const ZONE_FILE_MAX_SIZE: usize = 64 << 10;

/// Bytes of a configuration of PBS: thousands of stores.
pub const PBS_CONFIG_MAX_SIZE: usize = 1 << 20;

/// Memory that scrypt may take to try a password, PBS's own limit; with it the time is bounded too.
pub const SCRYPT_MAX_MEMORY: usize = 1025 << 20;

/// Rounds of PBKDF2 that a password may take to try: some ten seconds.
pub const PBKDF2_MAX_ROUNDS: u32 = 100_000_000;

/// Chunks whose state one verification remembers, so that it need not read them again: 14 TB of chunks of 4 MiB. Some
/// 180 MB at most.
pub const VERIFY_MAX_KNOWN: usize = 7 << 19;

/// Bad chunks that it remembers the reasons of, beside that: some 40 MB at most.
pub const VERIFY_MAX_BAD: usize = 1 << 17;

/// Threads that one call may be asked to use: more than any machine has processors for.
pub const MAX_THREADS: usize = 1024;

/// Bits of a master key: what OpenSSL goes up to, four times as many as PBS's have. It bounds the time of one operation
/// to about a second.
pub const MASTER_KEY_MAX_BITS: usize = 16384;

/// Bytes of the PEM of a master key: five times what the largest private key takes.
pub const MASTER_PEM_MAX_SIZE: usize = 64 << 10;
