//! How far ingest, images, copies, restores and backups say they are, and that they stop when they are told to.

mod common;
#[path = "common/source.rs"]
mod source;

use std::fs::{self, File};
use std::io::{Seek, Write};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use common::{Rng, Scratch, assert_only_chunks, failure, kind};
use pxds::backup::{Backup, BackupOptions};
use pxds::callback::Callback;
use pxds::chunker::Config;
use pxds::error::{Error, Kind};
use pxds::index::{Index, IndexKind};
use pxds::ingest::{
    ChunkResult, CopyOptions, Image, ImageOptions, Ingest, IngestOptions, OnChunk, StoredIndex, copy_chunks,
};
use pxds::name::Group;
use pxds::progress::{OnProgress, Stage};
use pxds::restore::{RestoreOptions, Restorer};
use pxds::store::Store;
use pxds::sys::CallerFd;
use source::{Memory, fixed};

const THREADS: [usize; 3] = [1, 2, 8];

/// Time that a chunk takes at least: of [`CHUNKS`] one after the other it is half a second.
const SLOW: Duration = Duration::from_millis(15);

/// Chunks of [`data`].
const CHUNKS: u64 = 40;

const CHUNK: usize = 64 << 10;

fn data() -> Vec<u8> {
    Rng::new(7).bytes(CHUNKS as usize * CHUNK - 1000)
}

/// What a callback was told, and where.
#[derive(Clone)]
struct Log {
    told: Arc<Mutex<Vec<(Stage, ThreadId)>>>,
    start: Instant,
}

impl Log {
    /// A callback that stops with the value 9 when `stops` says so, by how often it was called and what it was told.
    fn watch(stops: impl Fn(usize, &Stage) -> bool + Send + Sync + 'static) -> (Option<OnProgress>, Log) {
        let log = Log { told: Arc::default(), start: Instant::now() };
        let told = log.told.clone();
        let progress = move |stage: &Stage| {
            let mut told = told.lock().unwrap();
            told.push((*stage, thread::current().id()));
            if stops(told.len(), stage) { Err(Error::cancelled("test", 9)) } else { Ok(()) }
        };
        (Some(Callback(Arc::new(progress))), log)
    }

    /// What was told so far, which must be what can be told of so many chunks, if that is known, and bytes.
    #[track_caller]
    fn stages(&self, total: u64, most: u64, bytes: u64) -> Vec<Stage> {
        let elapsed = self.start.elapsed();
        let told = self.told.lock().unwrap();
        assert!(told.iter().all(|(_, by)| *by == thread::current().id()));
        let stages: Vec<Stage> = told.iter().map(|(stage, _)| *stage).collect();
        // The first and the last are told besides.
        assert!(stages.len() as u128 <= elapsed.as_millis() / 100 + 2, "{} in {elapsed:?}", stages.len());
        assert!(stages.iter().all(|stage| (stage.phase, stage.total) == (0, total)), "{stages:?}");
        assert!(stages.iter().all(|stage| stage.done <= most && stage.bytes <= bytes), "{stages:?}");
        assert!(stages.is_sorted_by_key(|stage| (stage.done, stage.bytes)), "{stages:?}");
        assert!(stages.is_sorted_by_key(|stage| stage.bytes), "{stages:?}");
        stages
    }
}

fn never(_: usize, _: &Stage) -> bool {
    false
}

#[track_caller]
fn assert_cancelled<T>(result: Result<T, Error>) {
    let error = failure(result);
    assert_eq!((error.kind(), error.callback_value()), (Kind::Cancelled, 9), "{error:?}");
}

/// Makes the caller's thread slow.
fn dawdle() -> Option<OnChunk> {
    Some(Callback(Arc::new(|_: &ChunkResult| {
        thread::sleep(SLOW);
        Ok(())
    })))
}

fn options(threads: usize, progress: Option<OnProgress>) -> IngestOptions {
    let chunker = Config::from_avg(CHUNK as u64).unwrap();
    IngestOptions { chunker, threads, on_chunk: dawdle(), progress, ..IngestOptions::default() }
}

fn image_options(threads: usize, progress: Option<OnProgress>) -> ImageOptions {
    ImageOptions { chunk_size: CHUNK as u64, threads, on_chunk: dawdle(), progress, ..ImageOptions::default() }
}

fn fd(file: &impl AsRawFd) -> CallerFd<'_> {
    CallerFd::new(file.as_raw_fd()).unwrap()
}

fn index_of(mut stored: StoredIndex) -> Index {
    Index::from_bytes(&stored.finish(usize::MAX).unwrap(), None).unwrap()
}

fn file_of(scratch: &Scratch, data: &[u8]) -> File {
    fs::write(scratch.join("file"), data).unwrap();
    File::open(scratch.join("file")).unwrap()
}

fn restored(store: &Store, index: &Index) -> Vec<u8> {
    let mut out = Vec::new();
    let mut sink = |data: &[u8]| {
        out.extend_from_slice(data);
        Ok(())
    };
    Restorer::new(store.chunks(), RestoreOptions::default()).restore(index, &mut sink).unwrap();
    out
}

/// That the store takes data, and gives it again.
#[track_caller]
fn assert_valid(store: &Store, data: &[u8]) {
    let chunker = Config::from_avg(CHUNK as u64).unwrap();
    let mut ingest = Ingest::new(store.chunks(), IngestOptions { chunker, ..IngestOptions::default() }).unwrap();
    ingest.write(data).unwrap();
    let index = index_of(ingest.finish().unwrap());
    assert!(restored(store, &index) == data);
    assert_only_chunks(store, &[]);
}

// ---- what is told ----

#[test]
fn a_stream_tells_how_far_it_is() {
    let data = data();
    let scratch = Scratch::new();
    let file = file_of(&scratch, &data);
    for threads in THREADS {
        let store = scratch.store(&format!("store-{threads}"));
        let (progress, log) = Log::watch(never);
        let mut ingest = Ingest::new(store.chunks(), options(threads, progress)).unwrap();
        (&file).rewind().unwrap();
        ingest.read_fd(fd(&file)).unwrap();
        ingest.finish().unwrap();
        let (chunks, size) = (ingest.stats().chunks, data.len() as u64);
        let stages = log.stages(size, size, size);
        assert_eq!(stages[0], Stage { total: size, ..Stage::default() }, "at once");
        assert!(stages.iter().all(|stage| stage.done == stage.bytes), "{stages:?}");
        assert_eq!(stages.last().unwrap().done, size, "the end");
        // Seven chunks take longer than a tenth of a second.
        assert!(stages.len() as u64 > chunks / 7, "{stages:?}");
    }
}

/// What a file has is told of from where it stands, behind what came before; who writes, or gives a pipe, may go on.
#[test]
fn a_stream_of_several_parts_knows_what_the_last_has() {
    let data = data();
    let scratch = Scratch::new();
    let file = file_of(&scratch, &data);
    let size = data.len() as u64;
    let (progress, log) = Log::watch(never);
    let options = IngestOptions { on_chunk: None, ..options(1, progress) };
    let mut ingest = Ingest::new(scratch.store("store").chunks(), options).unwrap();
    let told = |log: &Log| {
        thread::sleep(Duration::from_millis(101));
        std::mem::take(&mut *log.told.lock().unwrap()).first().map(|(stage, _)| stage.total)
    };
    ingest.write(b"0123456789").unwrap();
    assert_eq!(told(&log), Some(0));
    (&file).seek(std::io::SeekFrom::Start(1000)).unwrap();
    ingest.read_fd(fd(&file)).unwrap();
    assert_eq!(told(&log), Some(10 + size - 1000));
    (&file).rewind().unwrap();
    ingest.read_fd(fd(&file)).unwrap();
    assert_eq!(told(&log), Some(10 + size - 1000 + size));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(writer);
    ingest.read_fd(fd(&reader)).unwrap();
    assert_eq!(told(&log), Some(0));
    (&file).rewind().unwrap();
    ingest.read_fd(fd(&file)).unwrap();
    assert_eq!(told(&log), Some(10 + size - 1000 + 2 * size));
    ingest.read(&mut |_| Ok(0)).unwrap();
    assert_eq!(told(&log), Some(0));
    ingest.finish().unwrap();
    assert_eq!(ingest.stats().size, 10 + size - 1000 + 2 * size);
}

/// Whatever became of a file meanwhile: nobody is told of more than there is, and in the end all of it is done.
#[test]
fn the_end_of_a_file_that_changes_is_told_of() {
    let data = data();
    let scratch = Scratch::new();
    // Of a blob there is one call between the first and the last read.
    for (name, grows) in [("a.didx", true), ("a.didx", false), ("a.blob", true), ("a.blob", false)] {
        let file = file_of(&scratch, &data);
        let path = scratch.join("file");
        let (progress, log) = Log::watch(move |calls, _| {
            if calls == 1 {
                let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
                let size = file.metadata().unwrap().len();
                file.set_len(if grows { 2 * size } else { size / 2 }).unwrap();
            }
            false
        });
        let store = scratch.store(&format!("store-{name}-{grows}"));
        let mut backup = Backup::new(&store, &Group::parse("host/x").unwrap(), BackupOptions::default()).unwrap();
        let stats = backup.add_fd(name, fd(&file), options(1, progress), ImageOptions::default()).unwrap();
        let size = data.len() as u64;
        assert_eq!(stats.size, if grows { 2 * size } else { size / 2 });
        let stages: Vec<_> = log.told.lock().unwrap().iter().map(|(stage, _)| *stage).collect();
        assert_eq!(stages[0], Stage { total: size, ..Stage::default() });
        let end = Stage { done: stats.size, total: stats.size, bytes: stats.size, phase: 0 };
        assert_eq!(*stages.last().unwrap(), end, "{name}, {grows}: {stages:?}");
        let known = |stage: &&Stage| stage.done <= size && stage.total == size;
        let rest = stages.iter().skip_while(known).filter(|stage| **stage != end);
        assert!(rest.clone().all(|stage| stage.total == 0 && stage.done > size), "{name}, {grows}: {stages:?}");
    }
}

#[test]
fn a_blob_tells_how_far_it_is() {
    let data = data();
    let scratch = Scratch::new();
    let file = file_of(&scratch, &data);
    let mut backup =
        Backup::new(&scratch.store("store"), &Group::parse("host/x").unwrap(), BackupOptions::default()).unwrap();
    let (progress, log) = Log::watch(never);
    backup.add_fd("a.blob", fd(&file), options(1, progress), ImageOptions::default()).unwrap();
    let size = data.len() as u64;
    let stages = log.stages(size, size, size);
    assert_eq!(stages[0], Stage { total: size, ..Stage::default() });
    assert_eq!(*stages.last().unwrap(), Stage { done: size, total: size, bytes: size, phase: 0 });
}

#[test]
fn an_image_tells_how_far_it_is() {
    let data = data();
    let scratch = Scratch::new();
    let file = file_of(&scratch, &data);
    for (i, threads) in THREADS.into_iter().enumerate() {
        let store = scratch.store(&format!("store-{threads}"));
        let (progress, log) = Log::watch(never);
        let size = Some(data.len() as u64).filter(|_| i > 0);
        let mut image = Image::new(store.chunks(), size, image_options(threads, progress)).unwrap();
        image.read_fd(fd(&file)).unwrap();
        image.finish().unwrap();
        if size.is_none() {
            // Until the length of the file says it.
            let mut told = log.told.lock().unwrap();
            let unknown = told.partition_point(|(stage, _)| *stage == Stage::default());
            assert!(told.drain(..unknown).len() > 0);
        }
        let stages = log.stages(CHUNKS, CHUNKS, data.len() as u64);
        assert!(stages.len() as u64 >= CHUNKS / 7, "{stages:?}");
    }
}

/// The total stays true when a chunk is given more than once.
#[test]
fn a_chunk_that_is_given_again_counts_once() {
    let data = data();
    let scratch = Scratch::new();
    let (progress, log) = Log::watch(never);
    let on_chunk: OnChunk = Callback(Arc::new(|_: &ChunkResult| {
        thread::sleep(Duration::from_millis(101));
        Ok(())
    }));
    let options = ImageOptions { on_chunk: Some(on_chunk), ..image_options(1, progress) };
    let mut image = Image::new(scratch.store("store").chunks(), Some(3 * CHUNK as u64), options).unwrap();
    for i in [0, 0, 2, 0, 1] {
        image.write_at((i * CHUNK) as u64, &data[i * CHUNK..][..CHUNK]).unwrap();
    }
    image.finish().unwrap();
    let stages = log.stages(3, 3, 3 * CHUNK as u64);
    let mut done: Vec<_> = stages.iter().map(|stage| stage.done).collect();
    done.dedup();
    assert_eq!(done, [0, 1, 2, 3]);
    assert!(stages.len() >= 6, "each was told of");
    assert!(stages.iter().all(|stage| stage.bytes == stage.done * CHUNK as u64));
}

#[test]
fn a_copy_tells_how_far_it_is() {
    let data = data();
    let scratch = Scratch::new();
    let from = Memory::default();
    let index = fixed(&from, &data, CHUNK);
    for threads in THREADS {
        let to = scratch.store(&format!("store-{threads}"));
        let (progress, log) = Log::watch(never);
        let options = CopyOptions { on_chunk: dawdle(), progress, threads, ..CopyOptions::default() };
        copy_chunks(&from, &index, to.chunks(), options).unwrap();
        let stages = log.stages(CHUNKS, CHUNKS, data.len() as u64);
        assert_eq!(stages[0], Stage { total: CHUNKS, ..Stage::default() });
        assert!(stages.len() as u64 > CHUNKS / 7, "{stages:?}");
    }
}

/// A source that takes so long for each chunk, whatever the number of threads, that a whole restore takes half a
/// second.
fn slow_source(data: &[u8], threads: usize) -> (Memory, Index) {
    let mut source = Memory::default();
    let index = fixed(&source, data, CHUNK);
    source.before = Some(Box::new(move |_| {
        thread::sleep(SLOW * threads as u32);
        Ok(())
    }));
    (source, index)
}

#[test]
fn a_restore_tells_how_far_it_is() {
    let data = data();
    let scratch = Scratch::new();
    for threads in THREADS {
        let (source, index) = slow_source(&data, threads);
        let (progress, log) = Log::watch(never);
        let options = RestoreOptions { progress, threads, ..RestoreOptions::default() };
        let mut restorer = Restorer::from_source(Arc::new(source), options);
        // Each chunk is written by the thread that has it.
        restorer.restore_file(&index, &scratch.join("out")).unwrap();
        let stages = log.stages(CHUNKS, CHUNKS, data.len() as u64);
        assert_eq!(stages[0], Stage { total: CHUNKS, ..Stage::default() });
        assert!(stages.len() > 1, "{stages:?}");
        assert!(fs::read(scratch.join("out")).unwrap() == data);

        // The next call begins anew, and tells of its own part, no sooner than is due.
        log.told.lock().unwrap().clear();
        thread::sleep(Duration::from_millis(101));
        let mut out = vec![0; 4 * CHUNK];
        assert_eq!(restorer.read_range(&index, 100, &mut out).unwrap(), out.len());
        let stages = log.stages(5, 5, out.len() as u64);
        assert_eq!(stages[0], Stage { total: 5, ..Stage::default() });
        assert!(out == data[100..][..out.len()]);
    }
}

#[test]
fn small_pieces_are_told_of_too() {
    let scratch = Scratch::new();
    let (progress, log) = Log::watch(never);
    let mut ingest = Ingest::new(scratch.store("store").chunks(), options(1, progress)).unwrap();
    let mut count = 0;
    ingest
        .read(&mut |buffer| {
            thread::sleep(Duration::from_millis(101));
            count += 1;
            buffer[0] = 1;
            Ok(usize::from(count <= 5))
        })
        .unwrap();
    assert_eq!(log.told.lock().unwrap().len(), 6, "nothing was stored, and yet");
    for _ in 0..3 {
        thread::sleep(Duration::from_millis(101));
        ingest.write(b"x").unwrap();
    }
    assert_eq!(log.told.lock().unwrap().len(), 9);
    assert_eq!(log.stages(0, 0, 0).len(), 9);
}

// ---- cancels ----

#[test]
fn a_stream_that_is_stopped_has_the_index_of_its_start() {
    let data = data();
    let scratch = Scratch::new();
    let file = file_of(&scratch, &data);
    for threads in THREADS {
        for least in [0, 1, 10 * CHUNK as u64] {
            let store = scratch.store(&format!("store-{threads}-{least}"));
            let (progress, log) = Log::watch(move |_, stage| stage.done >= least);
            let mut ingest = Ingest::new(store.chunks(), options(threads, progress)).unwrap();
            (&file).rewind().unwrap();
            assert_cancelled(ingest.read_fd(fd(&file)));
            let (size, chunks) = (data.len() as u64, ingest.stats().chunks);
            let last = *log.stages(size, size, size).last().unwrap();
            assert!(last.done >= least, "it is not called again");
            assert_eq!((last.done, last.bytes), (ingest.stats().size, ingest.stats().size));
            assert_eq!([kind(ingest.write(b"x")), kind(ingest.finish())], [Kind::State; 2]);
            let partial = index_of(ingest.partial().unwrap());
            assert_eq!((partial.count() as u64, partial.size()), (chunks, last.bytes));
            assert!(restored(&store, &partial) == data[..last.bytes as usize]);
            assert_eq!(kind(ingest.partial()), Kind::State);
            drop(ingest);
            assert_valid(&store, &data);
        }
    }
}

/// Who has said once that it is enough is not asked again, whoever fed the stream.
#[test]
fn a_stream_from_a_callback_stops_as_others_do() {
    let data = Rng::new(8).bytes(5 << 20);
    let scratch = Scratch::new();
    for threads in [1, 2] {
        for by_progress in [false, true] {
            let store = scratch.store(&format!("store-{threads}-{by_progress}"));
            let (progress, log) = Log::watch(move |_, stage| by_progress && stage.done >= 5 * CHUNK as u64);
            let told = AtomicUsize::new(0);
            let on_chunk: OnChunk = Callback(Arc::new(move |_: &ChunkResult| {
                let told = told.fetch_add(1, Ordering::SeqCst) + 1;
                assert!(by_progress || told <= 5);
                thread::sleep(SLOW);
                if !by_progress && told == 5 { Err(Error::cancelled("test", 9)) } else { Ok(()) }
            }));
            let options = IngestOptions { on_chunk: Some(on_chunk), ..options(threads, progress) };
            let mut ingest = Ingest::new(store.chunks(), options).unwrap();
            let mut rest = &data[..];
            assert_cancelled(
                ingest.read(&mut |buffer| std::io::Read::read(&mut rest, buffer).map_err(|_| unreachable!())),
            );
            let partial = index_of(ingest.partial().unwrap());
            assert_eq!(partial.count() as u64, ingest.stats().chunks);
            assert!(if by_progress { partial.size() >= 5 * CHUNK as u64 } else { partial.count() == 5 });
            assert!(restored(&store, &partial) == data[..partial.size() as usize]);
            log.stages(0, ingest.stats().size, ingest.stats().size);
        }
    }
}

#[test]
fn an_image_that_is_stopped_leaves_chunks() {
    let data = data();
    let scratch = Scratch::new();
    let file = file_of(&scratch, &data);
    for threads in THREADS {
        let store = scratch.store(&format!("store-{threads}"));
        let (progress, log) = Log::watch(|_, stage| stage.done >= 10);
        let mut image = Image::new(store.chunks(), Some(data.len() as u64), image_options(threads, progress)).unwrap();
        assert_cancelled(image.read_fd(fd(&file)));
        assert_eq!(log.stages(CHUNKS, CHUNKS, data.len() as u64).last().unwrap().done, image.stats().chunks);
        assert_eq!([kind(image.write(b"x")), kind(image.finish())], [Kind::State; 2]);
        drop(image);
        assert_valid(&store, &data);

        // What is taken from an earlier image can be stopped too.
        let mut image = Image::new(store.chunks(), Some(data.len() as u64), image_options(threads, None)).unwrap();
        image.write(&data).unwrap();
        let earlier = index_of(image.finish().unwrap());
        let (progress, log) = Log::watch(|_, stage| stage.done >= 10);
        let mut image = Image::new(store.chunks(), Some(data.len() as u64), image_options(threads, progress)).unwrap();
        assert_cancelled(image.reuse(&earlier, pxds::ingest::Changes::Ranges(Vec::new())));
        assert_eq!(log.stages(CHUNKS, CHUNKS, data.len() as u64).last().unwrap().done, image.stats().chunks);
    }
}

#[test]
fn a_copy_that_is_stopped_leaves_chunks() {
    let data = data();
    let scratch = Scratch::new();
    let from = Memory::default();
    let index = fixed(&from, &data, CHUNK);
    for threads in THREADS {
        let to = scratch.store(&format!("store-{threads}"));
        let (progress, log) = Log::watch(|_, stage| stage.done >= 10);
        let options = CopyOptions { on_chunk: dawdle(), progress, threads, ..CopyOptions::default() };
        assert_cancelled(copy_chunks(&from, &index, to.chunks(), options));
        assert!(log.stages(CHUNKS, CHUNKS, data.len() as u64).last().unwrap().done >= 10);
        let stored =
            copy_chunks(&from, &index, to.chunks(), CopyOptions { threads, ..CopyOptions::default() }).unwrap();
        assert!(stored.stats().new_chunks <= CHUNKS - 10);
        assert!(restored(&to, &index_of(stored)) == data);
        assert_valid(&to, &data);
    }
}

#[test]
fn a_restore_that_is_stopped_says_how_much_was_written() {
    let data = data();
    let scratch = Scratch::new();
    let out = scratch.join("out");
    for threads in THREADS {
        let (source, index) = slow_source(&data, threads);
        let (progress, log) = Log::watch(|calls, _| calls.is_multiple_of(2));
        let options = RestoreOptions { progress, threads, ..RestoreOptions::default() };
        let mut restorer = Restorer::from_source(Arc::new(source), options);
        let last = || *log.stages(CHUNKS, CHUNKS, data.len() as u64).last().unwrap();
        let pause = || {
            thread::sleep(Duration::from_millis(101));
            log.told.lock().unwrap().clear();
        };

        // A file is replaced as a whole, or not at all.
        fs::write(&out, "before").unwrap();
        assert_cancelled(restorer.restore_file(&index, &out));
        assert_eq!(restorer.written(), last().bytes);
        assert_eq!(fs::read(&out).unwrap(), b"before");
        pause();
        // A descriptor stands behind what was written.
        let file = File::create(&out).unwrap();
        assert_cancelled(restorer.restore_fd(&index, fd(&file)));
        let written = restorer.written();
        assert_eq!((written, (&file).stream_position().unwrap()), (last().bytes, written));
        assert!(fs::read(&out).unwrap()[..written as usize] == data[..written as usize]);
        pause();
        // In order.
        let mut got = Vec::new();
        let mut sink = |piece: &[u8]| {
            got.extend_from_slice(piece);
            Ok(())
        };
        assert_cancelled(restorer.restore(&index, &mut sink));
        assert_eq!((got.len() as u64, restorer.written()), (last().bytes, last().bytes));
        assert!(got == data[..got.len()]);
        assert_eq!(common::names(scratch.path()), ["out"]);
    }
}

#[test]
fn a_backup_that_is_stopped_leaves_chunks() {
    let data = data();
    let scratch = Scratch::new();
    let (store, file) = (scratch.store("store"), file_of(&scratch, &data));
    for (i, name) in ["a.didx", "a.fidx", "a.blob"].into_iter().enumerate() {
        let group = Group::parse("host/x").unwrap();
        let backup_options = BackupOptions { any_chunk_size: true, ..BackupOptions::default() };
        let mut backup = Backup::new(&store, &group, backup_options).unwrap();
        // A blob has no chunks, and is read too fast for a second call.
        let least = if name == "a.blob" { 0 } else { 10 };
        let (stream, log) = Log::watch(move |_, stage| stage.done >= least);
        let (image, image_log) = Log::watch(move |_, stage| stage.done >= least);
        (&file).rewind().unwrap();
        assert_cancelled(backup.add_fd(name, fd(&file), options(2, stream), image_options(2, image)));
        let told = [&log, &image_log].map(|log| !log.told.lock().unwrap().is_empty());
        assert_eq!(told, [i != 1, i == 1]);
        assert_eq!(kind(backup.finish()), Kind::State);
        drop(backup);
        assert!(!store.path().join("host").exists());
    }
    assert_valid(&store, &data);
}

// ---- waiting ----

/// Stops when it has been called three times and nothing has moved.
fn watch_for_standstill() -> (Option<OnProgress>, Log) {
    let last = Mutex::new((Stage::default(), 0));
    Log::watch(move |_, stage| {
        let mut last = last.lock().unwrap();
        *last = if last.0 == *stage { (*stage, last.1 + 1) } else { (*stage, 1) };
        last.1 == 3
    })
}

/// Gives `data` by a pipe to `take`; the writer's end stays open meanwhile and gives no more.
fn stalled<T>(data: &[u8], take: impl FnOnce(CallerFd<'_>) -> T) -> T {
    let (reader, mut writer) = std::io::pipe().unwrap();
    thread::scope(|scope| {
        let feeder = scope.spawn(move || {
            // It fails when nobody reads any more.
            let _ = writer.write_all(data);
            writer
        });
        let result = take(fd(&reader));
        drop(reader);
        feeder.join().unwrap();
        result
    })
}

#[test]
fn an_input_that_gives_nothing_holds_up_no_cancel() {
    // With so much all threads have had work, and one of them waits for more.
    let data = Rng::new(9).bytes(12 << 20);
    let scratch = Scratch::new();
    for (i, threads) in THREADS.into_iter().enumerate() {
        for given in [0, data.len()] {
            let data = &data[..given];
            let store = scratch.store(&format!("store-{threads}-{given}"));
            let (progress, log) = watch_for_standstill();
            let mut ingest =
                Ingest::new(store.chunks(), IngestOptions { on_chunk: None, ..options(threads, progress) }).unwrap();
            assert_cancelled(stalled(data, |fd| ingest.read_fd(fd)));
            let partial = index_of(ingest.partial().unwrap());
            assert_eq!(partial.kind(), IndexKind::Dynamic);
            assert!(restored(&store, &partial) == data[..partial.size() as usize]);
            log.stages(0, partial.size(), partial.size());

            let (progress, log) = watch_for_standstill();
            let size = Some(64 << 20).filter(|_| i > 0);
            let options = ImageOptions { on_chunk: None, ..image_options(threads, progress) };
            let mut image = Image::new(store.chunks(), size, options).unwrap();
            assert_cancelled(stalled(data, |fd| image.read_fd(fd)));
            log.stages(if i > 0 { 1024 } else { 0 }, image.stats().chunks, image.stats().size);
        }
    }
    let store = scratch.store("backup");
    let mut backup = Backup::new(&store, &Group::parse("host/x").unwrap(), BackupOptions::default()).unwrap();
    let (progress, log) = watch_for_standstill();
    let add = |fd: CallerFd<'_>| backup.add_fd("a.blob", fd, options(1, progress), ImageOptions::default());
    assert_cancelled(stalled(&data[..100_000], add));
    let stages = log.stages(0, 100_000, 100_000);
    assert_eq!(stages.last().unwrap().bytes, 100_000);
}

#[test]
fn an_input_that_gives_little_holds_up_no_cancel() {
    let scratch = Scratch::new();
    let trickle = |take: &mut dyn FnMut(CallerFd<'_>)| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        thread::scope(|scope| {
            // There is always something to read, and it takes minutes to make a chunk of it.
            scope.spawn(move || {
                while writer.write_all(b"x").is_ok() {
                    thread::sleep(Duration::from_millis(2));
                }
            });
            take(fd(&reader));
            drop(reader);
        });
    };
    for threads in THREADS {
        let store = scratch.store(&format!("store-{threads}"));
        let (progress, log) = Log::watch(|calls, _| calls == 4);
        let mut ingest = Ingest::new(store.chunks(), options(threads, progress)).unwrap();
        trickle(&mut |fd| assert_cancelled(ingest.read_fd(fd)));
        log.stages(0, 0, 0);
        let (progress, log) = Log::watch(|calls, _| calls == 4);
        let mut image = Image::new(store.chunks(), None, image_options(threads, progress)).unwrap();
        trickle(&mut |fd| assert_cancelled(image.read_fd(fd)));
        log.stages(0, 0, 0);
    }
    let mut backup =
        Backup::new(&scratch.store("backup"), &Group::parse("host/x").unwrap(), BackupOptions::default()).unwrap();
    let (progress, log) = Log::watch(|calls, _| calls == 4);
    let mut stream = Some(options(1, progress));
    trickle(&mut |fd| {
        assert_cancelled(backup.add_fd("a.blob", fd, stream.take().unwrap(), ImageOptions::default()));
    });
    log.stages(0, 1 << 20, 1 << 20);
}

/// The thread that waits for another tells meanwhile.
#[test]
fn a_chunk_that_takes_long_holds_up_no_word() {
    let data = Rng::new(10).bytes(4 << 20);
    let mut source = Memory::default();
    let index = fixed(&source, &data, data.len() / 2);
    let (caller, helper) = (thread::current().id(), AtomicBool::new(false));
    let (progress, log) = Log::watch(never);
    let told = log.told.clone();
    source.before = Some(Box::new(move |_| {
        if thread::current().id() != caller {
            helper.store(true, Ordering::SeqCst);
            // It takes as long as it takes to be told so often.
            while told.lock().unwrap().len() < 4 {
                thread::sleep(Duration::from_millis(1));
            }
        }
        // One chunk for each.
        while !helper.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }));
    let options = RestoreOptions { progress, threads: 2, ..RestoreOptions::default() };
    let mut out = Vec::new();
    let mut sink = |piece: &[u8]| {
        out.extend_from_slice(piece);
        Ok(())
    };
    Restorer::from_source(Arc::new(source), options).restore(&index, &mut sink).unwrap();
    assert!(out == data);
    log.stages(2, 2, data.len() as u64);
}
