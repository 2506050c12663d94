//! Bringing chunks to the disk (docs/format.md, 5.5).

use std::sync::atomic::Ordering;

use super::Chunks;
use crate::base::SyncLevel;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result, reserve};
use crate::progress::Progress;

/// One bit for each directory of [`Layout::Hex4`](super::Layout::Hex4), the layout that has more.
const DIRS_SIZE: usize = (1 << 16) / 8;

/// Chunks that an index names and that may not be on the disk yet.
#[derive(Debug, Default)]
pub struct Unsynced {
    /// Chunks that others have written, and may not have synced.
    reused: bool,
    /// The directories of the other chunks, by the first two bytes of the digests; empty before the first. Only the
    /// names are missing, not the data.
    dirs: Vec<u8>,
}

impl Unsynced {
    /// Chunks of unknown origin: others may have written them.
    pub fn reused() -> Self {
        Unsynced { reused: true, dirs: Vec::new() }
    }

    /// Whether others may have written some of the chunks.
    pub fn is_reused(&self) -> bool {
        self.reused
    }

    /// Adds chunks that others have written.
    pub fn add_reused(&mut self) {
        self.reused = true;
    }

    /// Adds the chunk `digest`, which came into the store by [`Chunks::insert_for_index`].
    ///
    /// Errors: `NoMemory`.
    pub fn add(&mut self, digest: &Digest) -> Result<()> {
        self.make_room()?;
        let prefix = digest.prefix();
        self.dirs[usize::from(prefix) / 8] |= 1 << (prefix % 8);
        Ok(())
    }

    /// Adds what `other` has.
    ///
    /// Errors: `NoMemory`.
    pub fn merge(&mut self, other: &Unsynced) -> Result<()> {
        self.reused |= other.reused;
        if !other.dirs.is_empty() {
            self.make_room()?;
        }
        for (byte, other) in self.dirs.iter_mut().zip(&other.dirs) {
            *byte |= other;
        }
        Ok(())
    }

    fn make_room(&mut self) -> Result<()> {
        if self.dirs.is_empty() {
            reserve(&mut self.dirs, DIRS_SIZE)?;
            self.dirs.resize(DIRS_SIZE, 0);
        }
        Ok(())
    }

    /// In ascending order.
    fn prefixes(&self) -> impl Iterator<Item = u16> {
        (0..=u16::MAX)
            .filter(|&prefix| self.dirs.get(usize::from(prefix) / 8).is_some_and(|byte| byte >> (prefix % 8) & 1 != 0))
    }
}

impl Chunks {
    /// Brings the file system of the store to the disk, whatever the sync level.
    ///
    /// Errors: `Io`; `State` ever after, because the system reports what it could not write only once.
    pub fn sync(&self) -> Result<()> {
        self.base().sync_by(|| {
            let result = self.dir().sync_filesystem();
            if self.0.elsewhere { result.and(self.base().dir().sync_filesystem()) } else { result }
        })
    }

    /// Brings to the disk what must be there before an index of these chunks may appear, by the sync level.
    ///
    /// Errors: as [`Chunks::sync`]; `NotFound` if a directory of chunks has vanished.
    pub fn sync_before_index(&self, unsynced: &Unsynced) -> Result<()> {
        self.sync_before_index_telling(unsynced, &mut Progress::default())
    }

    /// As [`Chunks::sync_before_index`]; `progress` is told of each step of its phase, and can stop it.
    pub fn sync_before_index_telling(&self, unsynced: &Unsynced, progress: &mut Progress) -> Result<()> {
        match self.base().sync_level() {
            SyncLevel::None => progress.tick(),
            SyncLevel::File if !unsynced.reused => self.sync_names(unsynced, progress),
            SyncLevel::File | SyncLevel::Filesystem => {
                progress.stage.total = 1;
                progress.tick()?;
                self.sync()?;
                progress.stage.done = 1;
                progress.tick()
            }
        }
    }

    fn sync_names(&self, unsynced: &Unsynced, progress: &mut Progress) -> Result<()> {
        let layout = self.0.layout;
        let numbers = || {
            let mut last = None;
            let all = unsynced.prefixes().map(|prefix| layout.dir_of(prefix));
            all.filter(move |&number| last.replace(number) != Some(number))
        };
        progress.stage.total = numbers().count() as u64;
        for number in numbers() {
            progress.tick()?;
            let chunks = self.dir();
            let name = self.0.layout.dir_name(number);
            let dir = chunks.open_dir(name.as_c_str())?.ok_or_else(|| {
                Error::at(Kind::NotFound, &chunks.join(name.as_c_str()), "has vanished, with its chunks")
            })?;
            self.base().sync_by(|| dir.sync())?;
            progress.stage.done += 1;
        }
        progress.tick()?;
        // The process that made them may not have synced the names of the directories themselves.
        if progress.stage.total > 0 { self.base().sync_by(|| self.dir().sync()) } else { Ok(()) }
    }

    /// Brings the names of the chunk directories to the disk, if this store's ingests may have made some.
    pub(super) fn sync_new_dirs(&self) -> Result<()> {
        if self.0.unsynced_dir.load(Ordering::SeqCst) { self.dir().sync() } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(first: u8, second: u8) -> Digest {
        let mut digest = Digest([0x55; 32]);
        digest.0[..2].copy_from_slice(&[first, second]);
        digest
    }

    #[test]
    fn directories_are_kept_once_and_merged() {
        let mut unsynced = Unsynced::default();
        assert_eq!(unsynced.prefixes().count(), 0);
        for (first, second) in [(0xff, 0xff), (0, 0), (0x12, 0x34), (0, 0x3f), (0, 0x40), (0x12, 0x34)] {
            unsynced.add(&digest(first, second)).unwrap();
        }
        let all = [0, 0x3f, 0x40, 0x1234, 0xffff];
        assert_eq!(unsynced.prefixes().collect::<Vec<_>>(), all);

        let mut sum = Unsynced::default();
        sum.merge(&Unsynced::default()).unwrap();
        assert!(sum.prefixes().next().is_none() && !sum.is_reused());
        sum.merge(&unsynced).unwrap();
        assert_eq!(sum.prefixes().collect::<Vec<_>>(), all);
        sum.add(&digest(0, 1)).unwrap();
        sum.merge(&Unsynced::reused()).unwrap();
        assert!(sum.is_reused());
        assert_eq!(sum.prefixes().collect::<Vec<_>>(), [0, 1, 0x3f, 0x40, 0x1234, 0xffff]);
    }
}
