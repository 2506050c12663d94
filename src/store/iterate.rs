//! Going through all chunks of a store (docs/format.md, 5.3).

use std::vec;

use super::Store;
use super::layout::{Layout, parse_file_name};
use crate::digest::Digest;
use crate::error::Result;
use crate::sys::{Dir, DirNames, FileKind};

/// One file of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkEntry {
    /// The chunk's name.
    pub digest: Digest,
    /// The number of a bad copy; `None` for a chunk.
    pub bad: Option<u8>,
    /// Length of the file.
    pub stored_size: u64,
    /// Time of the last access, in seconds since 1970.
    pub atime: i64,
}

/// The chunks of a store and their bad copies, directory by directory.
///
/// What comes or goes meanwhile is seen or not; nothing is seen half-written. An error ends it.
pub struct Chunks {
    store: Store,
    dirs: vec::IntoIter<(Layout, u32)>,
    current: Option<(Dir, DirNames, Layout, u32)>,
    ended: bool,
}

impl Store {
    /// Starts going through all chunks.
    pub fn chunks(&self) -> Result<Chunks> {
        let mut dirs = Vec::new();
        for layout in self.layouts() {
            let mut numbers = Vec::new();
            for name in self.chunk_dir()?.names()? {
                numbers.extend(layout.dir_number(name?.to_bytes()));
            }
            numbers.sort_unstable();
            dirs.extend(numbers.into_iter().map(|number| (layout, number)));
        }
        Ok(Chunks { store: self.clone(), dirs: dirs.into_iter(), current: None, ended: false })
    }
}

impl Chunks {
    fn step(&mut self) -> Result<Option<ChunkEntry>> {
        loop {
            if let Some((dir, names, layout, number)) = &mut self.current {
                for name in names {
                    let name = name?;
                    let Some((digest, bad)) = parse_file_name(name.to_bytes()) else { continue };
                    // A chunk in another's directory cannot be found by its name, so it is none.
                    if layout.dir_number(&digest.to_hex()[..layout.digits()]) != Some(*number) {
                        continue;
                    }
                    // Gone meanwhile, or no file.
                    let Some(stat) = dir.lstat(&name)?.filter(|stat| stat.kind == FileKind::File) else { continue };
                    return Ok(Some(ChunkEntry { digest, bad, stored_size: stat.size, atime: stat.atime }));
                }
            }
            self.current = None;
            let Some((layout, number)) = self.dirs.next() else { return Ok(None) };
            let dir = self.store.chunk_dir()?.open_dir(layout.dir_name(number).as_c_str())?;
            if let Some(dir) = dir {
                let names = dir.names()?;
                self.current = Some((dir, names, layout, number));
            }
        }
    }
}

impl Iterator for Chunks {
    type Item = Result<ChunkEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let entry = self.step().transpose();
        self.ended = !matches!(entry, Some(Ok(_)));
        entry
    }
}
