//! Chunks on their way out: loaded several at a time, written in order or each where it belongs.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Part;
use crate::crew::{self, Pause, Taken};
use crate::error::{Error, Kind, Result, push};
use crate::index::{ChunkInfo, Index, RequiredForm};
use crate::progress::Progress;
use crate::source::{ChunkSource, GROUP, Loader, OnBad, Room, Zeros, is_bad, judge};
use crate::sys::Region;

/// Plain bytes of a job, at least: a thread is not worth starting for less.
const MIN_JOB: u64 = 1 << 20;

/// Plain bytes of a job of more than one chunk, at most.
const MAX_JOB: u64 = 16 << 20;

/// Chunks of a job, at most.
const MAX_CHUNKS: usize = 1024;

/// Jobs that are under way or wait for the caller's thread, at most, for each thread.
pub(super) const MAX_AHEAD: usize = 2;

/// The next bytes of an output.
pub(super) enum Piece<'a> {
    Data(&'a [u8]),
    Zeros(u64),
}

/// Takes the pieces in order, on the caller's thread.
pub(super) type Take<'a> = dyn FnMut(Piece<'_>) -> Result<()> + 'a;

/// Where the pieces go.
pub(super) enum Target<'a> {
    /// Through the caller's thread.
    InOrder(&'a mut Take<'a>),
    /// Each to its place, by the thread that has it.
    Region(&'a Region<'a>),
}

/// Some chunks that follow one another, and later what has become of them.
#[derive(Default)]
pub(super) struct Job {
    chunks: Range<usize>,
    rooms: Vec<Room>,
    /// Of each chunk, as far as it was looked at: what comes behind a failure that ends the restore is not.
    found: Vec<Found>,
    was_short: bool,
}

enum Found {
    /// It is in this room, and still to be written.
    Data(usize),
    /// It is zeros by its digest, and they are still to be written.
    Zeros,
    /// It is where it belongs.
    Written,
    /// It cannot be had.
    Lost(Error),
    /// It could be had, but not written.
    Unwritable(Error),
}

/// Rooms that nobody uses now, with their buffers.
#[derive(Default)]
pub(super) struct Rooms(Mutex<Vec<Vec<Room>>>);

impl Rooms {
    fn idle(&self) -> MutexGuard<'_, Vec<Vec<Room>>> {
        // A panic under the lock leaves whole rooms.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<Room> {
        self.idle().pop().unwrap_or_default()
    }

    fn put_back(&self, rooms: Vec<Room>) {
        self.idle().push(rooms);
    }

    /// Gives their memory back.
    fn shed(&self) {
        self.idle().clear();
    }
}

/// The chunks that no thread has taken yet.
pub(super) struct Queue {
    next: Range<usize>,
    threads: usize,
    /// One chunk at a time.
    single: bool,
}

impl Queue {
    /// The chunks of `range`, to be shared out to so many threads.
    pub(super) fn new(range: Range<usize>, threads: usize, single: bool) -> Self {
        Queue { next: range, threads, single }
    }

    /// Takes the chunks of the next job.
    fn take(&mut self, index: &Index) -> Range<usize> {
        let first = self.next.start;
        // What is left is shared out evenly at the end.
        let wanted = self.next.len().div_ceil(self.threads).min(GROUP);
        let mut size = 0_u64;
        while let Some(chunk) = self.next.clone().next().and_then(|i| index.chunk(i)) {
            let count = self.next.start - first;
            let more = size.saturating_add(chunk.len());
            let enough = size >= MIN_JOB && count >= wanted;
            if count > 0 && (enough || self.single || more > MAX_JOB || count == MAX_CHUNKS) {
                break;
            }
            size = more;
            self.next.start += 1;
        }
        first..self.next.start
    }
}

/// What all threads know of a restore.
pub(super) struct Work<'a> {
    pub(super) source: &'a dyn ChunkSource,
    pub(super) index: &'a Index,
    pub(super) part: &'a Part,
    pub(super) required_form: Option<RequiredForm>,
    pub(super) on_bad: Option<&'a OnBad>,
    /// What knows zeros, if they need not be loaded.
    pub(super) zeros: Option<&'a Zeros>,
    pub(super) rooms: &'a Rooms,
    /// `None`: the caller's thread writes.
    pub(super) region: Option<&'a Region<'a>>,
    /// Something has failed for good: what comes behind it is not needed.
    pub(super) ended: AtomicBool,
}

impl Work<'_> {
    /// Takes the next job.
    pub(super) fn take(&self, queue: &mut Queue, job: &mut Job) -> Taken {
        job.found.clear();
        job.was_short = false;
        job.chunks = if self.ended.load(Ordering::Relaxed) { 0..0 } else { queue.take(self.index) };
        match (job.chunks.is_empty(), queue.next.is_empty()) {
            (true, _) => Taken::Nothing,
            (false, true) => Taken::Last,
            (false, false) => Taken::More,
        }
    }

    /// Loads, checks and decodes the chunks of a job, and writes them if that is for any thread. What fails is in the
    /// job: what comes before it is to be given out first.
    ///
    /// Errors: those of `pause`; `NoMemory`, after which it may begin again.
    pub(super) fn run(&self, loader: &mut Loader, job: &mut Job, pause: &mut Pause<'_>) -> Result<()> {
        if job.was_short {
            // Jobs that have been delivered since have left their rooms.
            self.rooms.shed();
        }
        self.find_all(loader, job, pause).inspect_err(|error| {
            if error.kind() == Kind::NoMemory {
                job.rooms = Vec::new();
                self.rooms.shed();
            }
        })
    }

    /// As [`Work::run`], once.
    fn find_all(&self, loader: &mut Loader, job: &mut Job, pause: &mut Pause<'_>) -> Result<()> {
        job.found.clear();
        job.rooms = self.rooms.take();
        // The next room to use; the first chunk and the first room of the group that is to be proved together.
        let (mut room, mut group, mut group_room) = (0, 0, 0);
        for i in job.chunks.clone() {
            pause()?;
            let found = self.find(loader, &self.chunk(i)?, job, room)?;
            let ends = self.ends(&found);
            room += usize::from(matches!(found, Found::Data(_)));
            push(&mut job.found, found)?;
            if room - group_room < GROUP && i + 1 < job.chunks.end && !ends {
                continue;
            }
            self.prove(loader, job, group, group_room..room);
            if self.write(job, group)? {
                room = 0;
            }
            if job.found[group..].iter().any(|found| self.ends(found)) {
                self.ended.store(true, Ordering::Relaxed);
                break;
            }
            (group, group_room) = (job.found.len(), room);
        }
        if self.region.is_some() {
            self.rooms.put_back(std::mem::take(&mut job.rooms));
        }
        Ok(())
    }

    /// Loads a chunk into room number `room`, unless it is zeros.
    ///
    /// Errors: `NoMemory`.
    fn find(&self, loader: &mut Loader, chunk: &ChunkInfo, job: &mut Job, room: usize) -> Result<Found> {
        let Job { rooms, was_short, .. } = job;
        if self.zeros.is_some_and(|zeros| zeros.has(chunk, self.required_form)) {
            return Ok(Found::Zeros);
        }
        if rooms.len() == room {
            push(rooms, Room::default())?;
        }
        let loaded = loader.load_unproved(self.source, chunk, self.required_form, &mut rooms[room]);
        let kept = crew::keep(loaded, was_short)?;
        Ok(kept.map_or_else(Found::Lost, |()| Found::Data(room)))
    }

    /// Whether nothing behind this is needed.
    fn ends(&self, found: &Found) -> bool {
        match found {
            Found::Lost(error) => self.on_bad.is_none() || !is_bad(error),
            Found::Unwritable(_) => true,
            Found::Data(_) | Found::Zeros | Found::Written => false,
        }
    }

    /// Compares the digests of what is in `rooms`, which was found from place `first` of the job on.
    fn prove(&self, loader: &Loader, job: &mut Job, first: usize, rooms: Range<usize>) {
        let Job { rooms: all, found, .. } = job;
        loader.prove(self.source, &all[rooms.clone()], &mut |place, error| {
            let room = rooms.start + place;
            let mut group = found[first..].iter_mut();
            if let Some(wrong) = group.find(|found| matches!(found, Found::Data(data) if *data == room)) {
                *wrong = Found::Lost(error);
            }
        });
    }

    /// Writes what was found from place `first` of the job on, if that is for any thread; false if it is not.
    fn write(&self, job: &mut Job, first: usize) -> Result<bool> {
        let Some(region) = self.region else { return Ok(false) };
        let Job { chunks, rooms, found, .. } = job;
        for (i, found) in chunks.clone().zip(found).skip(first) {
            let chunk = self.chunk(i)?;
            let written = match found {
                Found::Data(room) => self.write_piece(region, &chunk, &self.data(&chunk, &rooms[*room])),
                Found::Zeros => self.write_piece(region, &chunk, &Piece::Zeros(self.wanted_len(&chunk))),
                Found::Written | Found::Lost(_) | Found::Unwritable(_) => continue,
            };
            *found = written.map_or_else(Found::Unwritable, |()| Found::Written);
        }
        Ok(true)
    }

    /// Gives out what has become of a job, on the caller's thread, and counts it in `written` and `progress`.
    pub(super) fn deliver(
        &self,
        target: &mut Target<'_>,
        job: &mut Job,
        written: &mut u64,
        progress: &mut Progress,
    ) -> Result<()> {
        for (i, found) in job.chunks.clone().zip(job.found.drain(..)) {
            let chunk = self.chunk(i)?;
            let len = self.wanted_len(&chunk);
            let piece = match found {
                Found::Written => None,
                Found::Data(room) => Some(self.data(&chunk, &job.rooms[room])),
                Found::Zeros => Some(Piece::Zeros(len)),
                Found::Lost(error) => {
                    judge(error, i, &chunk, self.on_bad)?;
                    Some(Piece::Zeros(len))
                }
                Found::Unwritable(error) => return Err(error),
            };
            match (piece, &mut *target) {
                (None, _) => {}
                (Some(piece), Target::InOrder(take)) => take(piece)?,
                (Some(piece), Target::Region(region)) => self.write_piece(region, &chunk, &piece)?,
            }
            *written += len;
            progress.stage.done += 1;
            progress.stage.bytes = *written;
            progress.tick()?;
        }
        if self.region.is_none() {
            self.rooms.put_back(std::mem::take(&mut job.rooms));
        }
        Ok(())
    }

    fn write_piece(&self, region: &Region<'_>, chunk: &ChunkInfo, piece: &Piece<'_>) -> Result<()> {
        let at = chunk.start.saturating_sub(self.part.bytes.start);
        match piece {
            Piece::Data(data) => region.write_at(data, at),
            Piece::Zeros(len) => region.write_zeros_at(at, *len),
        }
    }

    /// What is wanted of a chunk's data.
    fn data<'a>(&self, chunk: &ChunkInfo, room: &'a Room) -> Piece<'a> {
        let (start, end) = self.wanted(chunk);
        Piece::Data(&room.data()[(start - chunk.start) as usize..(end - chunk.start) as usize])
    }

    fn wanted(&self, chunk: &ChunkInfo) -> (u64, u64) {
        (chunk.start.max(self.part.bytes.start), chunk.end.min(self.part.bytes.end))
    }

    fn wanted_len(&self, chunk: &ChunkInfo) -> u64 {
        let (start, end) = self.wanted(chunk);
        end - start
    }

    fn chunk(&self, i: usize) -> Result<ChunkInfo> {
        self.index.chunk(i).ok_or_else(|| Error::new(Kind::Internal, "the index has lost a chunk"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha256;
    use crate::index::DynamicWriter;

    /// The numbers of chunks in each job of an index of so many chunks of `len` bytes.
    fn jobs(count: u64, len: u64, threads: usize) -> Vec<usize> {
        let mut writer = DynamicWriter::new(0, None).unwrap();
        (1..=count).for_each(|i| writer.add(i * len, &sha256(b"")).unwrap());
        let index = Index::from_bytes(&writer.complete().unwrap().to_bytes(usize::MAX).unwrap(), None).unwrap();
        let mut queue = Queue::new(0..index.count(), threads, false);
        let mut jobs = Vec::new();
        while !queue.next.is_empty() {
            let job = queue.take(&index);
            assert_eq!(job.start, jobs.iter().sum::<usize>());
            jobs.push(job.len());
        }
        assert!(queue.take(&index).is_empty());
        jobs
    }

    #[test]
    fn jobs_are_worth_a_thread_and_fit_into_memory() {
        assert_eq!(jobs(0, 1, 2), [0; 0]);
        assert_eq!(jobs(10, 4 << 20, 1), [3, 3, 3, 1]);
        assert_eq!(jobs(10, 4 << 20, 2), [3, 3, 2, 1, 1], "the end is shared out");
        assert_eq!(jobs(3, 4 << 20, 8), [1, 1, 1]);
        assert_eq!(jobs(5, 8 << 20, 1), [2, 2, 1], "16 MiB at most");
        assert_eq!(jobs(3, 100 << 20, 1), [1, 1, 1], "but one chunk at least");
        assert_eq!(jobs(40, 64 << 10, 2), [16, 16, 8], "1 MiB at least");
        assert_eq!(jobs(15, 64 << 10, 8), [15], "and else no thread is started");
        assert_eq!(jobs(3000, 1, 2), [1024, 1024, 952]);
    }
}
