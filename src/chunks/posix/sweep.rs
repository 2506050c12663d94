//! Removing chunks, a directory at a time: garbage collection's part of the store (docs/format.md, 11.3).

use std::ffi::{CStr, CString};

use super::Chunks;
use super::iterate::ChunkDirId;
use super::layout::{ChunkName, parse_file_name};
use crate::digest::{DIGEST_HEX_LEN, Digest};
use crate::error::{Error, Result, push};
use crate::sys::{self, Dir, FileKind, Stat};

/// A file in a directory of chunks: a chunk, or its bad copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundFile {
    /// The chunk's name.
    pub digest: Digest,
    /// The number of a bad copy; `None` for a chunk.
    pub bad: Option<u8>,
    /// It lies in another chunk's directory, where nothing that looks for the chunk finds it.
    pub misplaced: bool,
    inode: u64,
}

impl FoundFile {
    /// One of these facts, wherever it lies.
    #[cfg(test)]
    pub(crate) fn new(digest: Digest, bad: Option<u8>, misplaced: bool) -> Self {
        FoundFile { digest, bad, misplaced, inode: 0 }
    }
}

/// A directory of chunks, and what was in it when it was listed.
pub struct ChunkDir<'a> {
    chunks: &'a Chunks,
    dir: Dir,
    id: ChunkDirId,
    /// Its files, by inode: near the order that they have on the disk, which is what reading their facts cold costs.
    pub files: Vec<FoundFile>,
    /// Temporary files of inserts that are under way, or that a crash has ended.
    pub temporaries: Vec<CString>,
}

/// The facts that decide whether a file may be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Its length.
    pub size: u64,
    /// When it was last used, in seconds since 1970.
    pub last_use: i64,
}

impl Usage {
    /// Every program that needs a chunk touches it.
    fn of_chunk(stat: &Stat) -> Self {
        Usage { size: stat.size, last_use: stat.atime }
    }

    /// The writer of a temporary file does not touch it.
    fn of_temporary(stat: &Stat) -> Self {
        Usage { size: stat.size, last_use: stat.atime.max(stat.mtime) }
    }
}

/// The result of looking at a file.
#[derive(Debug)]
pub enum Swept {
    /// It is gone, or no regular file.
    Passed,
    /// It cannot be looked at, and stays.
    Unknown(Error),
    /// It stays.
    Kept(Usage),
    /// It has been removed.
    Removed(Usage),
}

impl Chunks {
    /// Lists a directory of chunks; `None` if it is gone. A link is not followed.
    ///
    /// Errors: `Io`; `Format` if it is no directory.
    pub fn list_chunk_dir(&self, id: ChunkDirId) -> Result<Option<ChunkDir<'_>>> {
        let (chunks, dir_name) = (self.dir(), id.name());
        let Some(dir) = chunks.open_child(dir_name.as_c_str())? else {
            if chunks.lstat(dir_name.as_c_str())?.is_none() {
                return Ok(None);
            }
            return Err(chunks.not_a_directory(dir_name.as_c_str()));
        };
        let (mut files, mut temporaries) = (Vec::new(), Vec::new());
        for entry in dir.entries()? {
            let entry = entry?;
            if let Some((digest, bad)) = parse_file_name(entry.name.to_bytes()) {
                push(&mut files, FoundFile { digest, bad, misplaced: !id.is_of(&digest), inode: entry.inode })?;
            } else if is_temporary(id, &entry.name) {
                push(&mut temporaries, entry.name)?;
            }
        }
        files.sort_unstable_by_key(|file| file.inode);
        Ok(Some(ChunkDir { chunks: self, dir, id, files, temporaries }))
    }
}

/// Whether `name` is one that an insert into this directory gives a file that is not yet a chunk, or PBS one that is
/// not yet the mark of a chunk in use.
fn is_temporary(id: ChunkDirId, name: &CStr) -> bool {
    let digest = name.to_bytes().get(..DIGEST_HEX_LEN).and_then(parse_file_name);
    digest.is_some_and(|(digest, _)| {
        let chunk = ChunkName::new(id.layout, &digest);
        id.is_of(&digest) && [chunk, chunk.using()].iter().any(|target| sys::is_temporary_name(name, target.in_dir()))
    })
}

impl ChunkDir<'_> {
    /// Looks at `file`, and removes it if `is_garbage` says so. Between the two, the chunk is not touched, replaced or
    /// renamed through this open store.
    ///
    /// Errors: `Io` if it cannot be removed.
    pub fn sweep(&self, file: &FoundFile, is_garbage: impl FnOnce(Usage) -> bool) -> Result<Swept> {
        let name = ChunkName::new(self.id.layout, &file.digest);
        let name = file.bad.map_or(name, |number| name.bad(number));
        let _one_at_a_time = self.chunks.stripe(&file.digest);
        remove_if(&self.dir, name.in_dir(), Usage::of_chunk, is_garbage)
            .map_err(|error| error.with_digest(&file.digest))
    }

    /// As [`ChunkDir::sweep`], for a temporary file: one that is being written is never garbage.
    pub fn sweep_temporary(&self, name: &CStr, is_garbage: impl FnOnce(Usage) -> bool) -> Result<Swept> {
        sweep_temporary(&self.dir, name, is_garbage)
    }
}

/// As [`ChunkDir::sweep`], for a temporary file in any directory.
pub fn sweep_temporary(dir: &Dir, name: &CStr, is_garbage: impl FnOnce(Usage) -> bool) -> Result<Swept> {
    remove_if(dir, name, Usage::of_temporary, is_garbage)
}

fn remove_if(
    dir: &Dir,
    name: &CStr,
    usage: fn(&Stat) -> Usage,
    is_garbage: impl FnOnce(Usage) -> bool,
) -> Result<Swept> {
    let usage = match dir.lstat(name) {
        Ok(Some(stat)) if stat.kind == FileKind::File => usage(&stat),
        Ok(_) => return Ok(Swept::Passed),
        Err(error) => return Ok(Swept::Unknown(error)),
    };
    if !is_garbage(usage) {
        return Ok(Swept::Kept(usage));
    }
    Ok(if dir.unlink(name)? { Swept::Removed(usage) } else { Swept::Passed })
}
