//! An index and a store in, bytes out.
//!
//! # Contract
//!
//! - Every chunk is checked, CRC, digest and length, before a byte of it is given out; a failure names the chunk and
//!   its offset. Bytes given out before stay given out (docs/format.md, 9.1).
//! - Memory: one encoded and one decoded chunk, re-used.

use std::path::Path;

use crate::blob::Codec;
use crate::error::{Error, Kind, Result};
use crate::index::{ChunkInfo, Index};
use crate::limits::{BLOB_MAX_ENCODED_SIZE, BLOB_MAX_SIZE};
use crate::store::{Store, SyncLevel};
use crate::sys::{self, CallerFd, Dir, FileKind, TempFile};

/// Takes the next bytes, all of them.
pub type Sink<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

/// Turns indexes back into the bytes that they describe.
pub struct Restorer {
    store: Store,
    codec: Codec,
    encoded: Vec<u8>,
    decoded: Vec<u8>,
    written: u64,
}

impl Restorer {
    /// A restorer that takes its chunks from `store`.
    pub fn new(store: &Store) -> Self {
        Restorer { store: store.clone(), codec: Codec::new(), encoded: Vec::new(), decoded: Vec::new(), written: 0 }
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
    /// [`SyncLevel::None`]; a failure leaves what was there before. A device, fifo or socket is written in place.
    ///
    /// Errors: as [`Restorer::restore`]; `NotFound` for the directory, `Io`.
    pub fn restore_file(&mut self, index: &Index, path: &Path) -> Result<()> {
        self.written = 0;
        let (parent, name) = sys::split_file_path(path)?;
        let dir = Dir::open(&parent)?;
        let existing = dir.stat(&name)?;
        match existing {
            Some(stat) if stat.kind == FileKind::Dir => {
                return Err(Error::new(Kind::Exists, format!("{} is a directory", path.display())).with_path(path));
            }
            Some(stat) if stat.kind == FileKind::Other => {
                let mut file = dir.open_write(&name)?;
                return self.restore(index, &mut |data| {
                    std::io::Write::write_all(&mut file, data).map_err(|source| Error::io("write", path, &source))
                });
            }
            _ => {}
        }
        let mut file = TempFile::create(&dir, &name, 0o666)?;
        if let Some(stat) = existing {
            file.set_mode_and_owner(stat.mode, None)?;
        }
        self.restore(index, &mut |data| file.write(data))?;
        file.commit(self.store.sync_level() != SyncLevel::None)
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
    let len = usize::try_from(chunk.end - chunk.start).ok().filter(|&len| len <= BLOB_MAX_SIZE).ok_or_else(|| {
        let len = chunk.end - chunk.start;
        Error::new(Kind::Limit, format!("{len} bytes are more than the {BLOB_MAX_SIZE} of a blob"))
    })?;
    let blob = store.load(&chunk.digest, BLOB_MAX_ENCODED_SIZE, encoded)?;
    codec.decode_exact(blob, &chunk.digest, len, decoded).map_err(|error| {
        let path = store.chunk_path(&chunk.digest);
        error.context(path.display()).with_path(&path)
    })
}
