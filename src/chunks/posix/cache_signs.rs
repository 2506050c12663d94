//! Tells the local cache of a store in S3 from a store, where the caller has not said which it is (docs/format.md,
//! 7.9).
//!
//! In such a cache an empty file stands for a chunk that is in the bucket. A crash leaves empty files too, but of
//! chunks that no finished snapshot needs yet, unless nothing was synced. So only empty files of chunks that finished
//! snapshots name count, and only several of them. The look is bounded, whatever the size of the store, and is taken
//! once, before the first change: readers pay nothing.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::Layout;
use super::layout::ChunkName;
use crate::digest::{DIGEST_SIZE, Digest};
use crate::error::Result;
use crate::format::{INDEX_HEADER_SIZE, MAGIC_DYNAMIC_INDEX, MAGIC_FIXED_INDEX};
use crate::sys::{Dir, FileKind, c_name};

/// Directories of the tree that are listed, at most, and of those in one.
const MAX_DIRS: usize = 64;
const MAX_OF_DIR: usize = 8;

/// Chunks that are looked at, at most, and of one index.
const MAX_CHUNKS: usize = 256;
const MAX_OF_INDEX: u64 = 64;

/// The number of empty files that is a sign.
const ENOUGH: usize = 3;

/// The manifest of a finished snapshot. This layer knows only its name.
const MANIFEST_NAME: &str = "index.json.blob";

/// Why the store in `base` seems to be the cache of a store in S3, if it does.
pub(super) fn sign(base: &Dir, chunks: &Dir) -> Option<&'static str> {
    Look { base, chunks, dirs: Vec::new(), listed: 0, seen: Vec::new(), empty: 0 }.sign()
}

/// Looks at some chunks of some snapshots. One that cannot be looked at is no sign.
struct Look<'a> {
    base: &'a Dir,
    chunks: &'a Dir,
    /// Directories to list.
    dirs: Vec<Dir>,
    listed: usize,
    seen: Vec<Digest>,
    empty: usize,
}

impl Look<'_> {
    fn sign(mut self) -> Option<&'static str> {
        for name in [c"ns", c"host", c"ct", c"vm"] {
            self.dirs.extend(self.base.open_child(name).ok().flatten());
        }
        while let Some(dir) = self.dirs.pop() {
            self.listed += 1;
            if let Ok(Some(sign)) = self.list(&dir) {
                return Some(sign);
            }
            if self.listed == MAX_DIRS || self.seen.len() >= MAX_CHUNKS {
                break;
            }
        }
        None
    }

    /// Looks at the chunks of the indexes in a snapshot's directory, and remembers the directories in any other.
    fn list(&mut self, dir: &Dir) -> Result<Option<&'static str>> {
        let is_finished = dir.lstat(&c_name(MANIFEST_NAME)?)?.is_some_and(|stat| stat.kind == FileKind::File);
        let mut children = 0;
        for entry in dir.entries()? {
            let entry = entry?;
            let name = entry.name.to_bytes();
            if is_finished && (name.ends_with(b".didx") || name.ends_with(b".fidx")) {
                let Some((file, stat)) = dir.open_file(&entry.name)? else { continue };
                if let Some(sign) = self.index(&file, stat.size)? {
                    return Ok(Some(sign));
                }
            } else if !is_finished && children < MAX_OF_DIR && !name.starts_with(b".") {
                let child = dir.open_child(&entry.name)?;
                children += usize::from(child.is_some());
                self.dirs.extend(child);
            }
        }
        Ok(None)
    }

    /// Looks at chunks from all over an index.
    fn index(&mut self, file: &File, size: u64) -> Result<Option<&'static str>> {
        let mut magic = [0; 8];
        if !read(file, &mut magic, 0) {
            return Ok(None);
        }
        // The digest is at the end of an entry.
        let entry_size = match magic {
            MAGIC_DYNAMIC_INDEX => 8 + DIGEST_SIZE as u64,
            MAGIC_FIXED_INDEX => DIGEST_SIZE as u64,
            _ => return Ok(None),
        };
        let count = size.saturating_sub(INDEX_HEADER_SIZE as u64) / entry_size;
        let wanted = count.min(MAX_OF_INDEX);
        for i in 0..wanted {
            let entry = (i as u128 * count as u128 / wanted as u128) as u64;
            let at = INDEX_HEADER_SIZE as u64 + (entry + 1) * entry_size - DIGEST_SIZE as u64;
            let mut digest = Digest([0; DIGEST_SIZE]);
            if self.seen.len() < MAX_CHUNKS && read(file, &mut digest.0, at) && !self.seen.contains(&digest) {
                self.seen.push(digest);
                if let Some(sign) = self.chunk(&digest)? {
                    return Ok(Some(sign));
                }
            }
        }
        Ok(None)
    }

    fn chunk(&mut self, digest: &Digest) -> Result<Option<&'static str>> {
        let name = ChunkName::new(Layout::Hex4, digest);
        let (chunks, (layout, number)) = (self.chunks, name.dir());
        if chunks.lstat(layout.dir_name(number).as_c_str())?.is_none_or(|stat| stat.kind != FileKind::Dir) {
            return Ok(None);
        }
        match chunks.lstat(name.as_c_str())? {
            Some(stat) if stat.kind == FileKind::File && stat.size == 0 => {
                self.empty += 1;
                Ok((self.empty == ENOUGH).then_some("files of chunks that snapshots need are empty"))
            }
            Some(_) => Ok(None),
            // PBS's garbage collection makes these, in a cache alone, of chunks that it has not met there.
            None => {
                Ok(chunks.lstat(name.using().as_c_str())?.map(|_| "a chunk is expected to be in a bucket (.using)"))
            }
        }
    }
}

fn read(file: &File, out: &mut [u8], at: u64) -> bool {
    file.read_exact_at(out, at).is_ok()
}
