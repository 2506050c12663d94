//! Making the directory of the chunks (docs/format.md, 5.1).

use std::ffi::CString;

use super::insert::CHUNK_MODE;
use super::layout::ChunkName;
use super::probe::{probe, zero_chunk};
use super::{CHUNK_DIR_MODE, Chunks, Layout};
use crate::error::{Error, Kind, Result};
use crate::progress::Progress;
use crate::sys::{self, Dir, LockFile, Owner, TempFile};

/// How `.chunks` is made.
pub struct CreateOptions {
    /// How the chunks are spread.
    pub layout: Layout,
    /// The owner of new files and directories, if it is not the process's own.
    pub owner: Option<Owner>,
    /// Whether it is to be on the disk.
    pub sync: bool,
    /// Make it also where the file system may not keep access times.
    pub skip_atime_probe: bool,
    /// Counts the 65536 directories of [`Layout::Hex4`].
    pub progress: Progress,
}

impl Chunks {
    /// Makes `.chunks`, which appears complete or not at all, and `.lock` in the directory `base`.
    ///
    /// Errors: `Exists` if there is a `.chunks`; `Unsupported` if the file system does not keep access times; `Io`;
    /// that of the progress.
    pub fn create(base: &Dir, options: CreateOptions) -> Result<()> {
        let CreateOptions { layout, owner, sync, skip_atime_probe, mut progress } = options;
        if base.lstat(c".chunks")?.is_some() {
            return Err(exists(base));
        }
        let mut chunks = NewChunkDirs::start(base, owner)?;
        chunks.fill(layout, owner, &mut progress)?;
        LockFile::open(base, c".lock", owner)?;
        if !skip_atime_probe {
            chunks.probe_atime()?;
        }
        chunks.commit(sync)
    }
}

fn exists(base: &Dir) -> Error {
    Error::at(Kind::Exists, &base.join(c".chunks"), "exists already")
}

/// A `.chunks` in the making, under a temporary name; dropped before it is committed it is removed.
struct NewChunkDirs<'a> {
    base: &'a Dir,
    name: CString,
    /// How many directories of which layout may be in it.
    made: Option<(Layout, u32)>,
    /// The chunk of zeros, if it may be in it.
    zeros: Option<ChunkName>,
    committed: bool,
}

impl<'a> NewChunkDirs<'a> {
    fn start(base: &'a Dir, owner: Option<Owner>) -> Result<Self> {
        loop {
            let name = sys::temporary_name(c".chunks")?;
            if base.make_dir(&name, CHUNK_DIR_MODE, owner)? {
                return Ok(NewChunkDirs { base, name, made: None, zeros: None, committed: false });
            }
        }
    }

    fn fill(&mut self, layout: Layout, owner: Option<Owner>, progress: &mut Progress) -> Result<()> {
        if layout == Layout::Hex2 {
            return Ok(());
        }
        let count = layout.dir_count();
        progress.stage.total = count.into();
        let chunks = self.open()?.ok_or_else(|| Error::new(Kind::Io, "the new .chunks has vanished"))?;
        for i in 0..count {
            self.made = Some((layout, i + 1));
            chunks.make_dir(layout.dir_name(i).as_c_str(), CHUNK_DIR_MODE, owner)?;
            progress.stage.done += 1;
            progress.tick()?;
        }
        self.add_zeros(&chunks, layout, owner)
    }

    /// Adds the chunk that PBS probes access times with. There may be no room for it.
    fn add_zeros(&mut self, chunks: &Dir, layout: Layout, owner: Option<Owner>) -> Result<()> {
        let (name, blob) = zero_chunk(layout)?;
        let write = || {
            let mut file = TempFile::create(chunks, name.as_c_str(), 0o600)?;
            file.set_owner_and_mode(owner, CHUNK_MODE)?;
            file.write(&blob)?;
            file.commit(false)
        };
        match write() {
            Err(error) if error.errno().is_some_and(sys::is_full) => Ok(()),
            other => {
                self.zeros = Some(name);
                other
            }
        }
    }

    /// Whether the file system keeps access times: without that no garbage could be collected. The probe is a file of
    /// this call alone, unlike `.lock`: others may be making the store too.
    fn probe_atime(&self) -> Result<()> {
        let Some(chunks) = self.open()? else { return Ok(()) };
        match chunks.make_file(c"probe", 0o600, None) {
            Err(error) if error.errno().is_some_and(sys::is_full) => return Ok(()),
            other => other?,
        }
        let found = probe(&chunks, c"probe", false);
        chunks.unlink(c"probe")?;
        found.map(drop)
    }

    fn commit(mut self, sync: bool) -> Result<()> {
        if sync {
            self.base.sync_filesystem()?;
        }
        self.base.rename_new(&self.name, c".chunks").map_err(|error| match error.kind() {
            Kind::Exists => exists(self.base),
            _ => error,
        })?;
        if sync && let Err(error) = self.base.sync() {
            // If even this fails, the store stays: it is complete.
            self.committed = self.base.rename(c".chunks", &self.name).is_err();
            return Err(error);
        }
        self.committed = true;
        Ok(())
    }

    fn open(&self) -> Result<Option<Dir>> {
        self.base.open_dir(&self.name)
    }
}

impl Drop for NewChunkDirs<'_> {
    fn drop(&mut self) {
        if self.committed {
            return;
        }
        // A file that cannot be removed stays under a name that nothing looks at.
        if let (Some((layout, made)), Ok(Some(chunks))) = (self.made, self.open()) {
            if let Some(zeros) = &self.zeros {
                let _ = chunks.unlink(zeros.as_c_str());
            }
            for i in 0..made {
                let _ = chunks.remove_dir(layout.dir_name(i).as_c_str());
            }
        }
        let _ = self.base.remove_dir(&self.name);
    }
}
