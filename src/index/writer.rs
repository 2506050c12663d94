//! Making dynamic indexes (docs/format.md, 6.6).

use std::ffi::CStr;
use std::path::Path;

use super::is_magic;
use super::spool::Spool;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result, reserve};
use crate::format::{DYNAMIC_ENTRY_SIZE, INDEX_HEADER_SIZE, IndexHeader, MAGIC_DYNAMIC_INDEX};
use crate::hash::Hasher;
use crate::limits::{BLOB_MAX_SIZE, INDEX_MAX_SIZE};
use crate::sys::{self, Dir, Output, Owner, TempFile};

/// Mode of an index file.
const MODE: u32 = 0o644;

/// Mode of an index file until it is whole.
pub(super) const TEMP_MODE: u32 = 0o600;

/// What a writer has so far.
#[derive(Debug, Clone, Copy)]
pub struct Summary {
    /// The header as it would be written now.
    pub header: IndexHeader,
    /// How many chunks.
    pub count: u64,
    /// The end of the last chunk, 0 if there is none.
    pub size: u64,
}

/// A dynamic index in the making.
///
/// Its entries are in memory, 40 bytes each; given a directory they move to a nameless file there beyond 1 MiB.
pub struct DynamicWriter {
    uuid: [u8; 16],
    ctime: i64,
    hasher: Hasher,
    entries: Spool,
    spill: Option<Dir>,
    size: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Finished,
    /// An entry was refused: what follows it is not known.
    Failed,
}

impl DynamicWriter {
    /// An empty index of the creation time `ctime`, with a random uuid unless one is given.
    pub fn new(ctime: i64, uuid: Option<[u8; 16]>) -> Result<Self> {
        let uuid = uuid.map_or_else(random_uuid, Ok)?;
        Ok(DynamicWriter {
            uuid,
            ctime,
            hasher: Hasher::new(),
            entries: Spool::default(),
            spill: None,
            size: 0,
            state: State::Open,
        })
    }

    /// Keeps no more than 1 MiB of entries in memory, and the others below `dir`.
    #[must_use]
    pub fn spill_into(mut self, dir: Dir) -> Self {
        self.spill = Some(dir);
        self
    }

    /// Appends the chunk `digest`, which reaches from the end of the one before to `end`.
    ///
    /// Errors: `Argument` if it would be empty, longer than a blob can be, or beyond 2^63 − 1, after which the writer
    /// can only be freed; `State` after that, or when the index is finished.
    pub fn add(&mut self, end: u64, digest: &Digest) -> Result<()> {
        match self.state {
            State::Open => {}
            State::Finished => return Err(Error::new(Kind::State, "the index is finished")),
            State::Failed => return Err(failed()),
        }
        // What fails below leaves the writer failed.
        self.state = State::Failed;
        if end <= self.size || end > INDEX_MAX_SIZE || end - self.size > BLOB_MAX_SIZE as u64 {
            return Err(Error::new(Kind::Argument, format!("a chunk cannot reach from {} to {end}", self.size))
                .with_offset(self.size)
                .with_digest(digest));
        }
        let mut entry = [0; DYNAMIC_ENTRY_SIZE];
        entry[..8].copy_from_slice(&end.to_le_bytes());
        entry[8..].copy_from_slice(&digest.0);
        self.entries.append(&entry, self.spill.as_ref())?;
        self.hasher.update(&entry);
        self.size = end;
        self.state = State::Open;
        Ok(())
    }

    /// What there is so far.
    pub fn summary(&self) -> Summary {
        let header = IndexHeader {
            magic: MAGIC_DYNAMIC_INDEX,
            uuid: self.uuid,
            ctime: self.ctime,
            csum: self.hasher.digest().0,
            size: 0,
            chunk_size: 0,
        };
        Summary { header, count: self.entries.len() / DYNAMIC_ENTRY_SIZE as u64, size: self.size }
    }

    /// Completes the index and gives the bytes of its file, the same at every call.
    ///
    /// Errors: `Limit` above `max_len` bytes; `State` after a refused entry; `NoMemory`, `Io`.
    pub fn finish(&mut self, max_len: usize) -> Result<Vec<u8>> {
        self.complete()?;
        let len = self.entries.len() + INDEX_HEADER_SIZE as u64;
        let len = usize::try_from(len)
            .ok()
            .filter(|&len| len <= max_len)
            .ok_or_else(|| Error::new(Kind::Limit, format!("the index has {len} bytes, more than {max_len}")))?;
        let mut bytes = Vec::new();
        reserve(&mut bytes, len)?;
        bytes.extend_from_slice(&self.summary().header.to_bytes());
        self.entries.read_to(&mut bytes)?;
        Ok(bytes)
    }

    /// Completes the index and writes it to `path`, whole or not at all, replacing an index that is there.
    ///
    /// With `sync` it is on the disk when this returns.
    ///
    /// Errors: `State` after a refused entry; those of [`check_path`](super::check_path); `Io`.
    pub fn save(&mut self, path: &Path, sync: bool) -> Result<()> {
        self.save_to(&Output::at(path)?, sync, None)
    }

    /// As [`DynamicWriter::save`], into a file of this owner if one is given.
    pub fn save_to(&mut self, output: &Output, sync: bool, owner: Option<Owner>) -> Result<()> {
        self.complete()?;
        let header = self.summary().header;
        write_output(output, sync, owner, &header, |file| self.entries.write_to(file))
    }

    /// Completes the index and writes it to `name` in `dir`, whole or not at all, replacing what is there.
    pub fn save_in(&mut self, dir: &Dir, name: &CStr, sync: bool, owner: Option<Owner>) -> Result<()> {
        self.complete()?;
        let header = self.summary().header;
        let file = TempFile::create(dir, name, TEMP_MODE)?;
        write_file(file, sync, owner, &header, |file| self.entries.write_to(file))
    }

    /// Errors: `State` after a refused entry.
    pub fn check_good(&self) -> Result<()> {
        if self.state == State::Failed { Err(failed()) } else { Ok(()) }
    }

    fn complete(&mut self) -> Result<()> {
        self.check_good()?;
        self.state = State::Finished;
        Ok(())
    }
}

/// Writes an index file, header and `entries`, where `output` says. One that is new gets this owner.
///
/// Errors: `Argument` for the name of an index of the other kind.
pub(super) fn write_output(
    output: &Output,
    sync: bool,
    owner: Option<Owner>,
    header: &IndexHeader,
    entries: impl FnOnce(&mut TempFile<'_>) -> Result<()>,
) -> Result<()> {
    let mut file = output.replace_index(is_magic, TEMP_MODE)?;
    check_name(&output.path(), header)?;
    file.write(&header.to_bytes())?;
    entries(&mut file)?;
    if !output.keep_permissions(&file, 0o777)? {
        file.set_owner_and_mode(owner, MODE)?;
    }
    file.commit_or_undo(sync)
}

/// Checks that `path` is not the name of an index of the other kind: garbage collection goes by the name, and stops at
/// such a file (docs/format.md, 11.2).
fn check_name(path: &Path, header: &IndexHeader) -> Result<()> {
    let is_dynamic = header.magic == MAGIC_DYNAMIC_INDEX;
    let (kind, other) = if is_dynamic { ("dynamic", "fidx") } else { ("fixed", "didx") };
    if path.extension().is_none_or(|extension| extension != other) {
        return Ok(());
    }
    Err(Error::new(Kind::Argument, format!("a {kind} index has no name in .{other}")).of(path))
}

/// Writes an index file, header and `entries`, under its name when it is whole.
pub(super) fn write_file(
    mut file: TempFile<'_>,
    sync: bool,
    owner: Option<Owner>,
    header: &IndexHeader,
    entries: impl FnOnce(&mut TempFile<'_>) -> Result<()>,
) -> Result<()> {
    file.write(&header.to_bytes())?;
    entries(&mut file)?;
    file.set_owner_and_mode(owner, MODE)?;
    file.commit(sync)
}

fn failed() -> Error {
    Error::new(Kind::State, "the index writer has failed before")
}

/// A random uuid, version 4.
pub(super) fn random_uuid() -> Result<[u8; 16]> {
    let mut uuid = sys::random::<16>()?;
    uuid[6] = uuid[6] & 0x0f | 0x40;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    Ok(uuid)
}

#[cfg(test)]
mod tests {
    use super::super::{Index, IndexKind};
    use super::*;
    use crate::hash::sha256;
    use crate::testing::Scratch;

    #[test]
    fn known_index() {
        let mut writer = DynamicWriter::new(5, Some([9; 16])).unwrap();
        writer.add(5, &sha256(b"hello")).unwrap();
        writer.add(12, &sha256(b"world!!")).unwrap();
        let bytes = writer.finish(1 << 20).unwrap();
        assert_eq!(bytes.len(), 4176);
        assert_eq!(writer.finish(4176).unwrap(), bytes);
        assert_eq!(writer.finish(4175).unwrap_err().kind(), Kind::Limit);
        let index = Index::from_bytes(&bytes, Some(IndexKind::Dynamic)).unwrap();
        let csum = "bbc3dca27d4d3ebf516639d842a4d3969dbeb99d3b374f0527d8ef6537cbef25";
        assert_eq!(index.compute_csum().to_string(), csum);
        index.check_csum().unwrap();
        assert_eq!((index.size(), index.count(), index.header().ctime), (12, 2, 5));
        assert_eq!(index.header().uuid, [9; 16]);
        assert_eq!(writer.add(13, &sha256(b"")).unwrap_err().kind(), Kind::State);
    }

    #[test]
    fn entries_that_do_not_ascend_are_refused_for_good() {
        for end in [0, 4, 5, 1 << 63] {
            let mut writer = DynamicWriter::new(0, None).unwrap();
            writer.add(5, &sha256(b"")).unwrap();
            assert_eq!(writer.add(end, &sha256(b"")).unwrap_err().kind(), Kind::Argument);
            assert_eq!(writer.add(6, &sha256(b"")).unwrap_err().kind(), Kind::State);
            assert_eq!(writer.finish(usize::MAX).unwrap_err().kind(), Kind::State);
        }
    }

    #[test]
    fn uuids_are_random_version_4() {
        let (a, b) = (random_uuid().unwrap(), random_uuid().unwrap());
        assert_ne!(a, b);
        assert_eq!((a[6] >> 4, a[8] >> 6), (4, 2));
    }

    #[test]
    fn spilling_changes_nothing() {
        let scratch = Scratch::new();
        let spilled = DynamicWriter::new(1, Some([1; 16])).unwrap();
        let mut spilled = spilled.spill_into(Dir::open(scratch.path()).unwrap());
        let mut kept = DynamicWriter::new(1, Some([1; 16])).unwrap();
        for i in 1..100_000_u64 {
            let digest = sha256(&i.to_le_bytes());
            spilled.add(i * 3, &digest).unwrap();
            kept.add(i * 3, &digest).unwrap();
        }
        let expected = kept.finish(usize::MAX).unwrap();
        assert!(spilled.entries.spilled_len() > 2 << 20);
        assert_eq!(spilled.finish(usize::MAX).unwrap(), expected);
        let path = scratch.path().join("x.didx");
        spilled.save(&path, true).unwrap();
        spilled.save(&path, false).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), expected);
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 1);
    }
}
