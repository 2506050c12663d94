//! Looking at, touching, loading and setting aside single chunks (docs/format.md, 5.4 to 5.8).

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::Chunks;
use super::layout::ChunkName;
use crate::blob::Blob;
use crate::crypt::Tolerance;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::format::BLOB_HEADER_SIZE;
use crate::sys::{self, FileKind, Stat};

/// Whether a file can be a chunk. One that is too short for a blob is what a crash has left.
pub(super) fn is_chunk(stat: &Stat) -> bool {
    stat.kind == FileKind::File && stat.size >= BLOB_HEADER_SIZE as u64
}

/// A version of a chunk's file, to tell it from another that takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkVersion {
    device: u64,
    inode: u64,
    size: u64,
}

/// In which order chunks are read fastest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DiskOrder(u64);

impl ChunkVersion {
    fn new(stat: &Stat) -> Self {
        ChunkVersion { device: stat.device, inode: stat.inode, size: stat.size }
    }

    /// How many bytes are stored.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Files with near inode numbers are, as a rule, near each other on a disk too.
    pub fn order(&self) -> DiskOrder {
        DiskOrder(self.inode)
    }
}

impl Chunks {
    /// The path at which the chunk `digest` is written.
    pub fn chunk_path(&self, digest: &Digest) -> PathBuf {
        self.path_of(&ChunkName::new(self.0.layout, digest))
    }

    /// The length of the file of chunk `digest`; `None` if it is missing, or too short for a blob.
    pub fn has(&self, digest: &Digest) -> Result<Option<u64>> {
        Ok(self.find(digest)?.map(|(_, stat)| stat.size))
    }

    /// Touches the chunk `digest` if the store has it, as [`Chunks::has`] sees it, and gives its length.
    pub fn touch_if_present(&self, digest: &Digest) -> Result<Option<u64>> {
        self.base().check_writable()?;
        // Garbage collection must not remove it between the look and the touch.
        let _one_at_a_time = self.stripe(digest);
        match self.find(digest)? {
            Some((name, stat)) if self.dir().touch(name.as_c_str())? => Ok(Some(stat.size)),
            _ => Ok(None),
        }
    }

    /// Sets the access time of the chunk `digest` to now; the modification time stays.
    ///
    /// Errors: `NotFound`; `Io`, with EPERM if the file belongs to another user.
    pub fn touch(&self, digest: &Digest) -> Result<()> {
        match self.touch_if_present(digest)? {
            Some(_) => Ok(()),
            None => Err(self.not_found(digest)),
        }
    }

    /// Touches every file with the name of chunk `digest`, in every layout that is read, without a look at it; false if
    /// there is none. Garbage collection marks by this.
    pub fn mark(&self, digest: &Digest) -> Result<bool> {
        let mut found = false;
        for layout in self.layouts() {
            let name = ChunkName::new(layout, digest);
            found |= self.chunk_dir_for(&name)?.touch(name.as_c_str()).map_err(|error| error.with_digest(digest))?;
        }
        Ok(found)
    }

    /// Touches the bad copies of chunk `digest`, as [`Chunks::mark`] does the chunk.
    pub fn mark_bad_copies(&self, digest: &Digest) -> Result<()> {
        for layout in self.layouts() {
            let name = ChunkName::new(layout, digest);
            for number in 0..=9 {
                let touched = self.chunk_dir_for(&name)?.touch(name.bad(number).as_c_str());
                touched.map_err(|error| error.with_digest(digest))?;
            }
        }
        Ok(())
    }

    /// Whether something has the name of chunk `digest`: what [`Chunks::mark`] says, without the touch.
    pub fn has_file(&self, digest: &Digest) -> Result<bool> {
        for layout in self.layouts() {
            let name = ChunkName::new(layout, digest);
            if self.chunk_dir_for(&name)?.lstat(name.as_c_str())?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Loads the blob of chunk `digest` into `out`, replacing what it has, and checks its structure and CRC.
    ///
    /// Errors: `NotFound`, `Io`, `NoMemory`; `Limit` above `max_len` bytes; `Format`, `Corrupt`.
    pub fn load<'a>(&self, digest: &Digest, max_len: usize, out: &'a mut Vec<u8>) -> Result<Blob<'a>> {
        self.load_tolerant(digest, max_len, Tolerance::default(), out)
    }

    /// As [`Chunks::load`], with what `tolerance` says.
    pub fn load_tolerant<'a>(
        &self,
        digest: &Digest,
        max_len: usize,
        tolerance: Tolerance,
        out: &'a mut Vec<u8>,
    ) -> Result<Blob<'a>> {
        let name = self.read(digest, max_len, out)?;
        Blob::load_tolerant(out, tolerance).map_err(|error| self.describe(error, &name, digest))
    }

    /// As [`Chunks::load`], whatever the bytes are; for salvage.
    pub fn load_raw(&self, digest: &Digest, max_len: usize, out: &mut Vec<u8>) -> Result<()> {
        self.read(digest, max_len, out).map(drop)
    }

    /// As [`Chunks::load_raw`], behind what `out` has; gives what was read. With `anew` it is read from the disk,
    /// as far as the system can be made to.
    pub fn append_raw(&self, digest: &Digest, max_len: usize, anew: bool, out: &mut Vec<u8>) -> Result<ChunkVersion> {
        self.append(digest, max_len, anew, out).map(|(_, file)| file)
    }

    fn read(&self, digest: &Digest, max_len: usize, out: &mut Vec<u8>) -> Result<ChunkName> {
        out.clear();
        self.append(digest, max_len, false, out).map(|(name, _)| name)
    }

    fn append(
        &self,
        digest: &Digest,
        max_len: usize,
        anew: bool,
        out: &mut Vec<u8>,
    ) -> Result<(ChunkName, ChunkVersion)> {
        let (name, file, stat) = self.open_chunk(digest)?.ok_or_else(|| self.not_found(digest))?;
        if anew {
            sys::forget_cached(&file);
        }
        sys::append_bounded(&file, stat.size, max_len, out).map_err(|error| self.describe(error, &name, digest))?;
        Ok((name, ChunkVersion::new(&stat)))
    }

    /// Which version of chunk `digest` there is, as [`Chunks::has`] sees it.
    pub fn chunk_version(&self, digest: &Digest) -> Result<Option<ChunkVersion>> {
        Ok(self.find(digest)?.map(|(_, stat)| ChunkVersion::new(&stat)))
    }

    /// Renames the file of chunk `digest` to a bad-chunk name and gives the number in it; `None` if there is no such
    /// chunk, or its file is empty. The lowest free number of 0 to 9 is taken; if all are, the ninth is overwritten.
    pub fn mark_bad(&self, digest: &Digest) -> Result<Option<u8>> {
        self.mark_bad_if(digest, |_| true)
    }

    /// As [`Chunks::mark_bad`], if `is_it` accepts the version: a good chunk may have taken its place.
    pub fn mark_bad_if(&self, digest: &Digest, is_it: impl FnOnce(&ChunkVersion) -> bool) -> Result<Option<u8>> {
        self.base().check_writable()?;
        let _one_at_a_time = self.stripe(digest);
        // The file that a load would read.
        let Some((name, _, stat)) = self.open_chunk(digest)? else { return Ok(None) };
        if !is_it(&ChunkVersion::new(&stat)) {
            return Ok(None);
        }
        let chunks = self.chunk_dir_for(&name)?;
        let mut number = 0;
        while number < 9 && chunks.lstat(name.bad(number).as_c_str())?.is_some() {
            number += 1;
        }
        match chunks.rename(name.as_c_str(), name.bad(number).as_c_str()) {
            Ok(()) => Ok(Some(number)),
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error.with_digest(digest)),
        }
    }

    /// The file that holds the chunk, if there is one.
    pub(super) fn find(&self, digest: &Digest) -> Result<Option<(ChunkName, Stat)>> {
        for layout in self.layouts() {
            let name = ChunkName::new(layout, digest);
            if let Some(stat) = self.chunk_dir_for(&name)?.lstat(name.as_c_str())?.filter(is_chunk) {
                return Ok(Some((name, stat)));
            }
        }
        Ok(None)
    }

    /// Opens the file that holds the chunk, or else the file that has its name and is not empty. An empty file does not
    /// count: a crash has left it, or, in the cache of a store in S3, it stands for a chunk that is in the bucket.
    fn open_chunk(&self, digest: &Digest) -> Result<Option<(ChunkName, File, Stat)>> {
        let mut leftover = None;
        for layout in self.layouts() {
            let name = ChunkName::new(layout, digest);
            let opened =
                self.chunk_dir_for(&name)?.open_file(name.as_c_str()).map_err(|error| error.with_digest(digest))?;
            let Some((file, stat)) = opened else { continue };
            if stat.size == 0 {
                continue;
            }
            if is_chunk(&stat) {
                return Ok(Some((name, file, stat)));
            }
            leftover.get_or_insert((name, file, stat));
        }
        Ok(leftover)
    }

    /// The path of a chunk's file, for messages.
    pub(super) fn path_of(&self, name: &ChunkName) -> PathBuf {
        self.base().path().join(".chunks").join(OsStr::from_bytes(name.as_c_str().to_bytes()))
    }

    fn describe(&self, error: Error, name: &ChunkName, digest: &Digest) -> Error {
        error.of(&self.path_of(name)).with_digest(digest)
    }

    fn has_empty_file(&self, digest: &Digest) -> Result<bool> {
        for layout in self.layouts() {
            let name = ChunkName::new(layout, digest);
            let stat = self.chunk_dir_for(&name)?.lstat(name.as_c_str())?;
            if stat.is_some_and(|stat| stat.kind == FileKind::File && stat.size == 0) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn not_found(&self, digest: &Digest) -> Error {
        let path = self.chunk_path(digest);
        let why = if self.has_empty_file(digest).unwrap_or(false) { ": its file is empty" } else { "" };
        let message = format!("chunk {digest} is not in the store {}{why}", self.base().path().display());
        Error::new(Kind::NotFound, message).with_path(&path).with_digest(digest)
    }
}
