//! From one layout to the other, in place, by renames (docs/format.md, 5.10).
//!
//! At every moment each chunk has one name, in one layout or the other, so a conversion that is broken off leaves a
//! store of both layouts, and the next one goes on from there.

use std::ffi::{CStr, CString};

use super::access::is_chunk;
use super::layout::{ChunkName, parse_file_name};
use super::{CHUNK_DIR_MODE, Chunks, Layout};
use crate::base::SyncLevel;
use crate::digest::{DIGEST_HEX_LEN, Digest};
use crate::error::{Error, Kind, Result};
use crate::progress::{OnProgress, Progress, Stage};
use crate::sys::{Dir, FileKind};

/// Passes over the directories, at most, until they are empty. One is enough unless files are added meanwhile, or the
/// file system skips some while others are moved.
const MAX_PASSES: u32 = 10;

/// [`Stage::phase`]: looking at what there is; units are directories.
pub const PHASE_LOOK: u32 = 0;
/// [`Stage::phase`]: making directories.
pub const PHASE_MAKE: u32 = 1;
/// [`Stage::phase`]: moving files.
pub const PHASE_MOVE: u32 = 2;
/// [`Stage::phase`]: removing directories.
pub const PHASE_REMOVE: u32 = 3;

/// How a store is converted.
#[derive(Debug, Clone, Default)]
pub struct ConvertOptions {
    /// Only say how much there is to do, without [`Converted::set_aside`].
    pub dry_run: bool,
    /// Told how far it is: [`PHASE_LOOK`] and those after it.
    pub progress: Option<OnProgress>,
}

/// The counts of what a conversion has done, or would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Converted {
    /// Files that were moved.
    pub files: u64,
    /// Files among them that got the name of a bad chunk, because the new place has a file of the name.
    pub set_aside: u64,
    /// Directories that were made.
    pub made: u64,
    /// Directories that were removed.
    pub removed: u64,
}

impl Chunks {
    /// Brings them into `layout`. They are to be opened as mixed.
    ///
    /// However it ends, no chunk is lost, and a second call goes on from there. Stores that were opened before must be
    /// opened again.
    ///
    /// A dry run takes no lock, and can be made where nothing may be changed.
    ///
    /// Errors: `Busy` while the store is locked; `Format` for a link, or a file, that has the name of a chunk
    /// directory; `Exists` if two files of one foreign name meet; `NotFound`; `Io`; that of the callback.
    pub fn convert(&self, layout: Layout, options: &ConvertOptions) -> Result<Converted> {
        let _lock = if options.dry_run { None } else { Some(self.lock_exclusive()?) };
        let mut conversion = Conversion::new(self, layout, Progress::new(options.progress.clone()))?;
        conversion.look()?;
        if !options.dry_run {
            conversion.run()?;
        }
        Ok(conversion.sums)
    }
}

struct Conversion<'a> {
    chunks: &'a Chunks,
    dir: &'a Dir,
    from: Layout,
    to: Layout,
    /// Numbers of the directories of the old layout, ascending.
    old: Vec<u32>,
    /// By number: the directory of the new layout is there.
    new: Vec<bool>,
    /// Files to move.
    total: u64,
    sums: Converted,
    progress: Progress,
}

impl<'a> Conversion<'a> {
    fn new(chunks: &'a Chunks, to: Layout, progress: Progress) -> Result<Self> {
        let from = match to {
            Layout::Hex2 => Layout::Hex4,
            Layout::Hex4 => Layout::Hex2,
        };
        Ok(Conversion {
            chunks,
            dir: chunks.dir(),
            from,
            to,
            old: Vec::new(),
            new: vec![false; to.dir_count() as usize],
            total: 0,
            sums: Converted::default(),
            progress,
        })
    }

    /// Finds what there is to do, and what would be in the way, before anything is changed.
    fn look(&mut self) -> Result<()> {
        let device = self.dir.stat_self()?.device;
        for name in self.dir.names()? {
            let name = name?;
            let (old, new) = (self.from.dir_number(name.to_bytes()), self.to.dir_number(name.to_bytes()));
            if old.is_none() && new.is_none() {
                continue;
            }
            let Some(stat) = self.dir.lstat(&name)? else { continue };
            if stat.kind != FileKind::Dir {
                return Err(self.refuse(&name, "it has the name of a directory of chunks and is none"));
            }
            if stat.device != device {
                return Err(self.refuse(&name, "another file system is mounted there, and files cannot be moved to it"));
            }
            self.old.extend(old);
            if let Some(number) = new {
                self.new[number as usize] = true;
            }
        }
        self.old.sort_unstable();
        let mut missing = self.new.clone();
        for i in 0..self.old.len() {
            let number = self.old[i];
            for name in self.open_old(number)?.map(|dir| dir.names()).transpose()?.into_iter().flatten() {
                missing[self.place(number, &name?).0 as usize] = true;
                self.total += 1;
            }
            self.tell(PHASE_LOOK, i as u64 + 1, self.old.len() as u64)?;
        }
        if self.to == Layout::Hex4 {
            missing.fill(true);
        }
        let made = missing.iter().zip(&self.new).filter(|(needed, there)| **needed && !**there).count();
        self.sums = Converted { files: self.total, made: made as u64, removed: self.old.len() as u64, set_aside: 0 };
        Ok(())
    }

    fn run(&mut self) -> Result<()> {
        self.sums = Converted::default();
        if self.to == Layout::Hex4 {
            self.make_all()?;
        }
        for _ in 0..MAX_PASSES {
            for i in 0..self.old.len() {
                self.move_dir(self.old[i])?;
            }
            // Every file has its new name on the disk before a directory with its old one goes.
            self.sync()?;
            self.remove_old()?;
            if self.old.is_empty() {
                return self.sync();
            }
        }
        let path = self.dir.join(self.from.dir_name(self.old[0]).as_c_str());
        Err(Error::new(Kind::Busy, "somebody is putting files there").of(&path))
    }

    /// Makes the directories that PBS wants to be there. If that fails nothing has been moved, and the store is left as
    /// it was.
    fn make_all(&mut self) -> Result<()> {
        let missing: Vec<u32> = (0..self.to.dir_count()).filter(|&number| !self.new[number as usize]).collect();
        let total = missing.len() as u64;
        let mut result = Ok(());
        for (i, &number) in missing.iter().enumerate() {
            result = self.need(number).and_then(|()| self.tell(PHASE_MAKE, i as u64 + 1, total));
            if result.is_err() {
                break;
            }
        }
        let result = result.and_then(|()| self.sync());
        if result.is_err() && !self.old.is_empty() {
            for number in missing {
                if std::mem::take(&mut self.new[number as usize]) {
                    // A directory that stays is empty, and leaves a store of both layouts.
                    let _ = self.dir.remove_dir(self.to.dir_name(number).as_c_str());
                }
            }
        }
        result
    }

    /// Makes the directory `number` of the new layout if it is missing.
    fn need(&mut self, number: u32) -> Result<()> {
        if !self.new[number as usize] {
            let made =
                self.dir.make_dir(self.to.dir_name(number).as_c_str(), CHUNK_DIR_MODE, self.chunks.base().owner())?;
            self.sums.made += u64::from(made);
            self.new[number as usize] = true;
        }
        Ok(())
    }

    fn move_dir(&mut self, number: u32) -> Result<()> {
        let Some(dir) = self.open_old(number)? else { return Ok(()) };
        for name in dir.names()? {
            let name = name?;
            self.move_file(number, &name)?;
            self.sums.files += 1;
            self.total = self.total.max(self.sums.files);
            self.tell(PHASE_MOVE, self.sums.files, self.total)?;
        }
        Ok(())
    }

    /// The directory that the file `name` of the old directory `number` belongs to, and its digest if that is where a
    /// look-up would have found it. Foreign files go where the directory goes, to the first of several.
    fn place(&self, number: u32, name: &CStr) -> (u32, Option<Digest>) {
        let digest = name.to_bytes().split_at_checked(DIGEST_HEX_LEN).and_then(|(hex, rest)| {
            // Also a temporary file, which is named for its chunk.
            let (digest, _) = parse_file_name(hex)?;
            let here = self.from.dir_of(digest.prefix()) == number;
            (here && (rest.is_empty() || rest[0] == b'.')).then_some(digest)
        });
        let prefix = digest.map_or((number << (16 - 4 * self.from.digits())) as u16, |digest| digest.prefix());
        (self.to.dir_of(prefix), digest)
    }

    fn move_file(&mut self, number: u32, name: &CStr) -> Result<()> {
        let (target, digest) = self.place(number, name);
        self.need(target)?;
        let from = below(self.from.dir_name(number).as_c_str(), name)?;
        let to = below(self.to.dir_name(target).as_c_str(), name)?;
        match self.dir.rename_new(&from, &to) {
            Err(error) if error.kind() == Kind::Exists => {}
            other => return other,
        }
        let known = parse_file_name(name.to_bytes()).filter(|_| digest.is_some());
        let Some((digest, bad)) = known else { return Err(self.refuse_taken(&from, &to)) };
        if bad.is_none() && self.is_the_one_in_use(&from, &to)? {
            self.set_aside(&digest, &to)?;
            return self.dir.rename_new(&from, &to);
        }
        self.set_aside(&digest, &from)
    }

    /// Which of two files of one chunk a store of both layouts reads: the one below four digits, unless it is too
    /// short.
    fn is_the_one_in_use(&self, from: &CStr, to: &CStr) -> Result<bool> {
        let (preferred, is_from) = match self.from {
            Layout::Hex4 => (from, true),
            Layout::Hex2 => (to, false),
        };
        let is_good = self.dir.lstat(preferred)?.as_ref().is_some_and(is_chunk);
        Ok(is_good == is_from)
    }

    /// Renames a file whose place is taken to the first free name of a bad copy, in the new layout. A file that is too
    /// short to be a chunk, as a crash leaves it, is removed.
    fn set_aside(&mut self, digest: &Digest, file: &CStr) -> Result<()> {
        let stat = self.dir.lstat(file)?;
        if stat.is_some_and(|stat| stat.kind == FileKind::File && !is_chunk(&stat)) {
            return self.dir.unlink(file).map(drop);
        }
        let name = ChunkName::new(self.to, digest);
        for number in 0..10 {
            match self.dir.rename_new(file, name.bad(number).as_c_str()) {
                Err(error) if error.kind() == Kind::Exists => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    self.sums.set_aside += 1;
                    return Ok(());
                }
            }
        }
        Err(self.refuse_taken(file, name.as_c_str()))
    }

    /// Removes the old directories that are empty, and remembers the others.
    fn remove_old(&mut self) -> Result<()> {
        let old = std::mem::take(&mut self.old);
        let total = old.len() as u64;
        for (i, number) in old.into_iter().enumerate() {
            if self.dir.remove_empty_dir(self.from.dir_name(number).as_c_str())? {
                self.sums.removed += 1;
            } else {
                self.old.push(number);
            }
            self.tell(PHASE_REMOVE, i as u64 + 1, total)?;
        }
        Ok(())
    }

    fn open_old(&self, number: u32) -> Result<Option<Dir>> {
        self.dir.open_child(self.from.dir_name(number).as_c_str())
    }

    fn sync(&self) -> Result<()> {
        if self.chunks.base().sync_level() == SyncLevel::None { Ok(()) } else { self.chunks.sync() }
    }

    fn tell(&mut self, phase: u32, done: u64, total: u64) -> Result<()> {
        self.progress.advance(Stage { phase, done, total, bytes: 0 })
    }

    fn refuse(&self, name: &CStr, why: &str) -> Error {
        Error::new(Kind::Format, why).of(&self.dir.join(name))
    }

    fn refuse_taken(&self, from: &CStr, to: &CStr) -> Error {
        let (from, to) = (self.dir.join(from), self.dir.join(to));
        Error::at(Kind::Exists, &from, format!("cannot be moved: {} is there already", to.display()))
    }
}

fn below(dir: &CStr, name: &CStr) -> Result<CString> {
    CString::new([dir.to_bytes(), b"/", name.to_bytes()].concat())
        .map_err(|_| Error::new(Kind::Internal, "a name holds a NUL byte"))
}
