//! An index and a source in, bytes out (docs/format.md, 9.1 to 9.3).
//!
//! # Contract
//!
//! - The index's csum is checked first: an index that has lost its end is not taken for whole.
//! - Every chunk is checked, CRC, digest and length, before a byte of it is given out; a failure names the chunk and
//!   its offset. Bytes given out before stay given out.
//! - Zeros stand for a chunk only where its digest says that it is zeros, or where the caller has asked for it.
//! - Chunks are loaded on several threads, unless the source is for the caller's thread alone. Sinks and callbacks are
//!   called on that thread, in order; a regular file is written by all threads, each chunk where it belongs. The
//!   failure that counts is the first in the order of the chunks, so that the result is the same for any number of
//!   threads; only a regular file that is the caller's may have something of what comes behind it.
//! - Memory: of each thread one encoded chunk, and three decoded ones or 1 MiB; six or 2 MiB where they go out in
//!   order. All of it is used again.

mod pieces;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::base::SyncLevel;
use crate::chunks::Chunks;
use crate::crew;
use crate::crypt::CryptKey;
use crate::error::{Error, Kind, Result, reserve};
use crate::index::Index;
use crate::limits::BLOB_MAX_SIZE;
use crate::progress::{OnProgress, Progress};
use crate::source::{ChunkSource, Loader, OnBad, Zeros, thread_count, write_zeros};
use crate::sys::{CallerFd, Destination, Region, TempFile};
use crate::tree::OpenSnapshot;
use pieces::{Batch, IdleBuffers, MAX_AHEAD, Piece, Queue, RestoreRun, Target};

/// Mode of a new file, less the umask.
const FILE_MODE: u32 = 0o666;

/// Takes the next bytes, all of them.
pub type Sink<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

/// How a restorer works.
#[derive(Debug, Clone, Default)]
pub struct RestoreOptions {
    /// Do not compare the csum in the header of an index with its entries, as for salvage, or where something better
    /// than the header says what it must be.
    pub any_csum: bool,
    /// Do not load chunks that are zeros by their digest, and leave holes for them where the output is a regular file.
    pub sparse: bool,
    /// Whether a file that is written by its path is brought to the disk: unless this is [`SyncLevel::None`].
    pub sync: SyncLevel,
    /// The key for encrypted chunks.
    pub key: Option<Arc<CryptKey>>,
    /// Put zeros in the place of chunks that cannot be loaded, after telling; by default such a chunk is a failure.
    pub on_bad: Option<OnBad>,
    /// Told how far a restore is: `done` and `total` count its chunks, `bytes` what has been given out.
    pub progress: Option<OnProgress>,
    /// How many threads there are, the caller's among them; 0 for as many as there are processors. More than one are
    /// used where that pays and the source is for any thread.
    pub threads: usize,
}

/// Turns indexes back into the bytes that they describe.
pub struct Restorer {
    source: Arc<dyn ChunkSource>,
    options: RestoreOptions,
    /// One for each thread; none before the first restore.
    loaders: Vec<Loader>,
    buffers: IdleBuffers,
    zeros: Zeros,
    written: u64,
}

/// The part of a file that is wanted.
struct Part {
    chunks: Range<usize>,
    bytes: Range<u64>,
}

impl Part {
    fn whole(index: &Index) -> Self {
        Part { chunks: 0..index.count(), bytes: 0..index.size() }
    }

    /// The `length` bytes from `offset`, or what the file has of them.
    ///
    /// Errors: `Argument` if `offset` is not in the file.
    fn range(index: &Index, offset: u64, length: u64) -> Result<Self> {
        let size = index.size();
        let end = offset.saturating_add(length).min(size);
        let beyond = || {
            let message = format!("the offset {offset} is beyond the end of a file of {size} bytes");
            Error::new(Kind::Argument, message).with_offset(offset)
        };
        let (first, _) = index.chunk_from_offset(offset).ok_or_else(beyond)?;
        let (last, _) = index.chunk_from_offset(end - 1).ok_or_else(beyond)?;
        Ok(Part { chunks: first..last + 1, bytes: offset..end })
    }
}

/// Writes the blob `name` of a snapshot to `path`, as [`Restorer::restore_file`] does the file of an index.
///
/// Errors: those of [`OpenSnapshot::blob`]; as [`Restorer::restore_file`].
pub fn restore_blob(snapshot: &OpenSnapshot, name: &str, path: &Path) -> Result<()> {
    Destination::at(path)?.write(&snapshot.blob(name, BLOB_MAX_SIZE)?, FILE_MODE)
}

impl Restorer {
    /// Writes the file of the index `name` of a snapshot to `path`, with the key that the snapshot was opened with.
    ///
    /// Errors: those of [`OpenSnapshot::index`]; as [`Restorer::restore_file`].
    pub fn restore_archive(
        chunks: &Chunks,
        snapshot: &OpenSnapshot,
        name: &str,
        path: &Path,
        options: RestoreOptions,
    ) -> Result<()> {
        let index = snapshot.index(name)?.index;
        Self::new(chunks, RestoreOptions { key: snapshot.key(), ..options }).restore_file(&index, path)
    }

    /// A restorer that takes its chunks from `store`, whose sync level it has too.
    pub fn new(store: &Chunks, options: RestoreOptions) -> Self {
        Self::from_source(Arc::new(store.clone()), RestoreOptions { sync: store.base().sync_level(), ..options })
    }

    /// A restorer that takes its chunks from `source`.
    pub fn from_source(source: Arc<dyn ChunkSource>, options: RestoreOptions) -> Self {
        let zeros = Zeros::new(options.key.clone());
        Restorer { source, options, loaders: Vec::new(), buffers: IdleBuffers::default(), zeros, written: 0 }
    }

    /// Bytes that the latest restore gave out, also when it failed.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Gives the whole file of `index` to `sink`, chunk by chunk.
    ///
    /// Errors: those of [`Loader::load`], `Corrupt` among them, with the chunk's digest and its offset in the file;
    /// those of `sink`; `Argument` for too many threads.
    pub fn restore(&mut self, index: &Index, sink: &mut Sink<'_>) -> Result<()> {
        self.run(index, None, Target::InOrder(&mut into_sink(sink)))
    }

    /// As [`Restorer::restore`], for `length` bytes from `offset`, or fewer if the file ends before.
    ///
    /// A range of no bytes is always there: nothing is looked at for it.
    ///
    /// Errors: as [`Restorer::restore`]; `Argument` if `offset` is not in the file.
    pub fn restore_range(&mut self, index: &Index, offset: u64, length: u64, sink: &mut Sink<'_>) -> Result<()> {
        self.run(index, Some((offset, length)), Target::InOrder(&mut into_sink(sink)))
    }

    /// Writes the whole file of `index` to a descriptor, from where it stands.
    ///
    /// A regular file is written by position, unless it is opened for appending, and at the end the descriptor stands
    /// behind [`Restorer::written`] bytes, after a failure too; of what comes behind them some may have been written.
    ///
    /// Errors: as [`Restorer::restore`]; `Io`.
    pub fn restore_fd(&mut self, index: &Index, fd: CallerFd<'_>) -> Result<()> {
        self.write_fd(index, None, fd)
    }

    /// As [`Restorer::restore_range`], to a descriptor, from where it stands.
    ///
    /// Errors: as [`Restorer::restore_range`]; `Io`.
    pub fn restore_range_fd(&mut self, index: &Index, offset: u64, length: u64, fd: CallerFd<'_>) -> Result<()> {
        self.write_fd(index, Some((offset, length)), fd)
    }

    /// Writes the whole file of `index` to `path`.
    ///
    /// A regular or new file gets its name when all of it is there, on the disk unless the sync level is
    /// [`SyncLevel::None`]; a failure leaves what was there before. A link is followed; a device or fifo is written in
    /// place, and so is a descriptor that `path` stands for: see [`Destination`].
    ///
    /// Errors: as [`Restorer::restore`]; `NotFound` for the directory; `Exists` if `path` is one, or a file that a
    /// store has made for itself; `Argument` if it is the index's; `Io`.
    pub fn restore_file(&mut self, index: &Index, path: &Path) -> Result<()> {
        self.write_file(index, None, path)
    }

    /// As [`Restorer::restore_range`], to a file that has nothing else, as [`Restorer::restore_file`] writes it.
    ///
    /// Errors: as both.
    pub fn restore_range_file(&mut self, index: &Index, offset: u64, length: u64, path: &Path) -> Result<()> {
        self.write_file(index, Some((offset, length)), path)
    }

    /// As [`Restorer::restore_range`], into the start of `out`, as many bytes as it has room for; gives how many the
    /// file had.
    ///
    /// Errors: as [`Restorer::restore_range`].
    pub fn read_range(&mut self, index: &Index, offset: u64, out: &mut [u8]) -> Result<usize> {
        let length = out.len() as u64;
        let mut rest = out;
        let room = rest.len();
        let mut take = |piece: Piece<'_>| {
            let len = match &piece {
                Piece::Data(data) => data.len(),
                Piece::Zeros(len) => usize::try_from(*len).unwrap_or(usize::MAX),
            };
            let (part, behind) = std::mem::take(&mut rest)
                .split_at_mut_checked(len)
                .ok_or_else(|| Error::new(Kind::Internal, "a range is longer than was asked for"))?;
            match piece {
                Piece::Data(data) => part.copy_from_slice(data),
                Piece::Zeros(_) => part.fill(0),
            }
            rest = behind;
            Ok(())
        };
        self.run(index, Some((offset, length)), Target::InOrder(&mut take))?;
        Ok(room - rest.len())
    }

    /// Gives the wanted part, an offset and a length or else all, to `target`.
    fn run(&mut self, index: &Index, range: Option<(u64, u64)>, mut target: Target<'_>) -> Result<()> {
        self.written = 0;
        if range.is_some_and(|(_, length)| length == 0) {
            return Ok(());
        }
        if !self.options.any_csum {
            index.check_intact()?;
        }
        let part = match range {
            Some((offset, length)) => Part::range(index, offset, length)?,
            None => Part::whole(index),
        };
        self.hire()?;
        let Restorer { source, options, loaders, buffers, zeros, written } = self;
        let mut progress = Progress::new(options.progress.clone());
        progress.stage.total = part.chunks.len() as u64;
        let run = RestoreRun {
            source: &**source,
            index,
            part: &part,
            required_form: index.terms().required_form,
            on_bad: options.on_bad.as_ref(),
            zeros: options.sparse.then_some(zeros),
            buffers,
            region: match target {
                Target::InOrder(_) => None,
                Target::Region(region) => Some(region),
            },
            ended: AtomicBool::new(false),
        };
        // A source for the caller's thread alone is asked for the next chunk only after the last one has been used.
        let mut queue = Queue::new(part.chunks.clone(), loaders.len(), !source.is_for_any_thread());
        let max_jobs = MAX_AHEAD * loaders.len();
        crew::run(
            loaders,
            max_jobs,
            &mut progress,
            |_, batch: &mut Batch, _| Ok(run.take(&mut queue, batch)),
            |loader, batch, pause| run.run(loader, batch, pause),
            &mut |batch, progress| run.deliver(&mut target, batch, written, progress),
        )
    }

    /// Sees to it that there is a loader for each thread.
    fn hire(&mut self) -> Result<()> {
        if self.loaders.is_empty() {
            let threads = thread_count(&*self.source, self.options.threads)?;
            reserve(&mut self.loaders, threads)?;
            self.loaders.extend((0..threads).map(|_| Loader::new(self.options.key.clone())));
        }
        Ok(())
    }

    fn write_fd(&mut self, index: &Index, range: Option<(u64, u64)>, fd: CallerFd<'_>) -> Result<()> {
        self.written = 0;
        if index.file().is_some() && index.file() == Some(fd.id()?) {
            return Err(Error::new(Kind::Argument, "the descriptor to write to is that of the index"));
        }
        fd.check_room(wanted_len(index, range))?;
        let Some(region) = Region::of(fd, self.options.sparse)? else {
            return self.run(index, range, Target::InOrder(&mut into_sink(&mut |data: &[u8]| fd.write_all(data))));
        };
        let result = self.run(index, range, Target::Region(&region));
        result.and(region.finish(self.written))
    }

    fn write_file(&mut self, index: &Index, range: Option<(u64, u64)>, path: &Path) -> Result<()> {
        self.written = 0;
        let output = match Destination::at(path)? {
            Destination::Descriptor(fd) => return self.write_fd(index, range, fd),
            Destination::Name(output) => output,
        };
        output.check_is_not(index.file(), "is the index itself")?;
        if output.is_in_place() {
            let mut in_place = output.open_in_place(wanted_len(index, range))?;
            self.run(index, range, Target::InOrder(&mut into_sink(&mut |data: &[u8]| in_place.write(data))))?;
            return if self.syncs() { in_place.sync() } else { Ok(()) };
        }
        let file = output.replace(FILE_MODE)?;
        self.write_new_file(index, range, &file)?;
        output.keep_permissions(&file, 0o777)?;
        file.commit_or_undo(self.syncs())
    }

    fn write_new_file(&mut self, index: &Index, range: Option<(u64, u64)>, file: &TempFile<'_>) -> Result<()> {
        let region = Region::of_new(file, self.options.sparse);
        self.run(index, range, Target::Region(&region))?;
        region.finish(self.written)
    }

    fn syncs(&self) -> bool {
        self.options.sync != SyncLevel::None
    }
}

/// Bytes that a restore gives out.
fn wanted_len(index: &Index, range: Option<(u64, u64)>) -> u64 {
    range.map_or(index.size(), |(offset, length)| length.min(index.size().saturating_sub(offset)))
}

/// Spells zeros out.
fn into_sink<'a>(sink: &'a mut Sink<'_>) -> impl FnMut(Piece<'_>) -> Result<()> + 'a {
    move |piece| match piece {
        Piece::Data(data) => sink(data),
        Piece::Zeros(len) => write_zeros(len, &mut *sink),
    }
}
