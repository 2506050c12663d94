//! An index and a store in, bytes out.
//!
//! # Contract
//!
//! - The index's csum is checked first: an index that has lost its end is not taken for whole.
//! - Every chunk is checked, CRC, digest and length, before a byte of it is given out; a failure names the chunk and
//!   its offset. Bytes given out before stay given out (docs/format.md, 9.1).
//! - Memory: one encoded and one decoded chunk, re-used.

use std::io::Write;
use std::path::Path;

use crate::blob::Codec;
use crate::error::{Error, Kind, Result};
use crate::index::{ChunkInfo, Index};
use crate::limits::{BLOB_MAX_ENCODED_SIZE, blob_len};
use crate::store::{Store, SyncLevel};
use crate::sys::{CallerFd, FileKind, Output};

/// Takes the next bytes, all of them.
pub type Sink<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

/// How a restorer works.
#[derive(Debug, Clone, Copy, Default)]
pub struct RestoreOptions {
    /// Do not compare the csum in the header of an index with its entries, as for salvage, or where something better
    /// than the header says what it must be.
    pub any_csum: bool,
}

/// Turns indexes back into the bytes that they describe.
pub struct Restorer {
    store: Store,
    options: RestoreOptions,
    codec: Codec,
    encoded: Vec<u8>,
    decoded: Vec<u8>,
    written: u64,
}

impl Restorer {
    /// A restorer that takes its chunks from `store`.
    pub fn new(store: &Store, options: RestoreOptions) -> Self {
        Restorer {
            store: store.clone(),
            options,
            codec: Codec::new(),
            encoded: Vec::new(),
            decoded: Vec::new(),
            written: 0,
        }
    }

    /// Bytes that the latest restore gave out, also when it failed.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Gives the whole file of `index` to `sink`, chunk by chunk.
    ///
    /// Errors: those of [`Store::load`] and of decoding, `Corrupt` among them, with the chunk's digest and its offset
    /// in the file; those of `sink`.
    pub fn restore(&mut self, index: &Index, sink: &mut Sink<'_>) -> Result<()> {
        self.written = 0;
        if !self.options.any_csum {
            index.check_csum()?;
        }
        for i in 0..index.count() {
            let chunk = index.chunk(i).ok_or_else(|| Error::new(Kind::Internal, "the index has lost a chunk"))?;
            let data =
                load(&self.store, &mut self.codec, &chunk, &mut self.encoded, &mut self.decoded).map_err(|error| {
                    error
                        .context(format_args!("chunk {i} at offset {}", chunk.start))
                        .with_digest(&chunk.digest)
                        .with_offset(chunk.start)
                })?;
            sink(data)?;
            self.written += data.len() as u64;
        }
        Ok(())
    }

    /// Writes the whole file of `index` to a descriptor, from where it stands.
    ///
    /// Errors: as [`Restorer::restore`]; `Io`.
    pub fn restore_fd(&mut self, index: &Index, fd: CallerFd<'_>) -> Result<()> {
        self.restore(index, &mut |data| fd.write_all(data))
    }

    /// Writes the whole file of `index` to `path`.
    ///
    /// A regular or new file gets its name when all of it is there, on the disk unless the store's sync level is
    /// [`SyncLevel::None`]; a failure leaves what was there before. A link is followed; a device or fifo is written in
    /// place.
    ///
    /// Errors: as [`Restorer::restore`]; `NotFound` for the directory; `Exists` if `path` is one; `Io`.
    pub fn restore_file(&mut self, index: &Index, path: &Path) -> Result<()> {
        self.written = 0;
        let output = Output::at(path)?;
        let Some(existing) = output.existing() else {
            let mut file = output.replace(0o666)?;
            self.restore(index, &mut |data| file.write(data))?;
            return file.commit(self.sync());
        };
        if existing.kind == FileKind::Other {
            let mut file = output.open_in_place()?;
            return self
                .restore(index, &mut |data| file.write_all(data).map_err(|source| Error::io("write", path, &source)));
        }
        let mut file = output.replace(0o600)?;
        self.restore(index, &mut |data| file.write(data))?;
        // Its permissions, but neither set-user-id nor the like: the content is not what they were given to.
        file.set_owner_and_mode(existing.owner.for_new_files(), existing.mode & 0o777)?;
        file.commit(self.sync())
    }

    fn sync(&self) -> bool {
        self.store.sync_level() != SyncLevel::None
    }
}

/// The checked bytes of `chunk`, in one of the buffers.
fn load<'a>(
    store: &Store,
    codec: &mut Codec,
    chunk: &ChunkInfo,
    encoded: &'a mut Vec<u8>,
    decoded: &'a mut Vec<u8>,
) -> Result<&'a [u8]> {
    let len = blob_len(chunk.end - chunk.start)?;
    let blob = store.load(&chunk.digest, BLOB_MAX_ENCODED_SIZE, encoded)?;
    codec.decode_exact(blob, &chunk.digest, len, decoded).map_err(|error| {
        let path = store.chunk_path(&chunk.digest);
        error.context(path.display()).with_path(&path)
    })
}
