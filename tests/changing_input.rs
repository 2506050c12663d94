//! A file that changes while it is read, as each kind of archive: told of, or a failure, as the options say.

mod common;

use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use common::{Rng, Scratch, failure, quick, tree};
use pxds::backup::{Backup, BackupOptions};
use pxds::base::NoticeLevel;
use pxds::callback::Callback;
use pxds::chunker::Config;
use pxds::error::{Kind, Result};
use pxds::ingest::{Changes, ChunkResult, Image, ImageOptions, Ingest, IngestOptions};
use pxds::name::Group;
use pxds::progress::Stage;
use pxds::store::{Store, StoreOptions};
use pxds::sys::CallerFd;

const SIZE: usize = 1 << 20;

/// What happens to the file meanwhile.
type Change = fn(&File);

const CHANGES: [(Change, &str); 3] = [
    (|file| file.write_all_at(b"more", SIZE as u64).unwrap(), "it had 1048576 bytes and has 1048580"),
    (|file| file.write_all_at(b"other", 0).unwrap(), "somebody has written to it"),
    (|file| file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap(), "somebody has written to it"),
];

/// A callback of an ingest.
type Heard<T> = Callback<dyn Fn(&T) -> Result<()> + Send + Sync>;

/// Messages, and the paths that they are about.
type Told = Vec<(String, Option<PathBuf>)>;

/// A store that remembers what it has told, and a file.
struct Scene {
    scratch: Scratch,
    store: Store,
    told: Arc<Mutex<Told>>,
    path: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let scratch = Scratch::new();
        drop(scratch.store("store"));
        let told = Arc::new(Mutex::new(Vec::new()));
        let notice = {
            let told = Arc::clone(&told);
            move |level, message: &str, path: Option<&Path>| {
                if level == NoticeLevel::Warning && message.contains("changed") {
                    told.lock().unwrap().push((message.to_owned(), path.map(Path::to_owned)));
                }
                Ok(())
            }
        };
        let options = StoreOptions { notice: Some(Callback(Arc::new(notice))), ..quick() };
        let store = Store::open(&scratch.join("store"), &options).unwrap();
        let path = scratch.path().canonicalize().unwrap().join("file");
        Scene { scratch, store, told, path }
    }

    /// The file as it is before, open for reading.
    fn fresh(&self) -> File {
        fs::write(&self.path, Rng::new(1).bytes(SIZE)).unwrap();
        self.told.lock().unwrap().clear();
        let mut file = File::open(&self.path).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        file
    }

    /// Something that is called while the file is read, and changes it the first time.
    fn meddler<T>(&self, change: Option<Change>) -> Heard<T> {
        let left = Mutex::new(change);
        let path = self.path.clone();
        Callback(Arc::new(move |_: &T| {
            if let Some(change) = left.lock().unwrap().take() {
                change(&File::options().write(true).open(&path).unwrap());
            }
            Ok(())
        }))
    }

    fn stream(&self, change: Option<Change>, strict: bool) -> IngestOptions {
        let (chunker, on_chunk) = (Config::from_avg(4096).unwrap(), self.meddler::<ChunkResult>(change));
        IngestOptions { chunker, on_chunk: Some(on_chunk), threads: 1, strict, ..IngestOptions::default() }
    }

    fn image(&self, change: Option<Change>, strict: bool) -> ImageOptions {
        let on_chunk = self.meddler::<ChunkResult>(change);
        ImageOptions { on_chunk: Some(on_chunk), threads: 1, strict, ..ImageOptions::default() }
    }

    /// Reads the file as every kind of archive; how each went.
    fn read_in_all_ways(&self, change: Option<Change>, strict: bool) -> Vec<(&'static str, Result<()>, usize)> {
        let mut results = Vec::new();
        let mut note = |name, result| results.push((name, result, self.told.lock().unwrap().len()));

        let file = self.fresh();
        let mut ingest = Ingest::new(self.store.chunks(), self.stream(change, strict)).unwrap();
        note("stream", ingest.read_fd(fd(&file)).and_then(|()| ingest.finish().map(drop)));

        let file = self.fresh();
        let mut image = Image::new(self.store.chunks(), None, self.image(change, strict)).unwrap();
        note("image", image.read_fd(fd(&file)).and_then(|()| image.finish().map(drop)));

        // Of which only a part is read.
        let file = self.fresh();
        let mut earlier = Image::new(self.store.chunks(), Some(SIZE as u64), ImageOptions::default()).unwrap();
        earlier.write(&Rng::new(1).bytes(SIZE)).unwrap();
        let earlier = earlier.finish().unwrap().finish(usize::MAX).unwrap();
        let earlier = pxds::index::Index::from_bytes(&earlier, None).unwrap();
        let mut image = Image::new(self.store.chunks(), Some(SIZE as u64), self.image(change, strict)).unwrap();
        image.reuse(&earlier, Changes::Ranges(vec![(0, 1)])).unwrap();
        note("reused", image.read_fd(fd(&file)).and_then(|()| image.finish().map(drop)));

        for (number, name) in ["a.didx", "b.fidx", "c.blob"].into_iter().enumerate() {
            let file = self.fresh();
            // No file is taken away, so that times go up.
            let time = Some(1_000_000 + 10 * tree(self.store.path()).len() as i64 + number as i64);
            let options = BackupOptions { time, ..BackupOptions::default() };
            let mut backup = Backup::new(&self.store, &Group::parse("host/x").unwrap(), options).unwrap();
            let (mut stream, image) = (self.stream(change, strict), self.image(change, strict));
            if name == "c.blob" {
                stream.progress = Some(self.meddler::<Stage>(change));
            }
            let result = backup.add_fd(name, fd(&file), stream, image).and_then(|_| backup.finish());
            results.push((name, result, self.told.lock().unwrap().len()));
        }
        results
    }
}

fn fd(file: &File) -> CallerFd<'_> {
    CallerFd::new(file.as_raw_fd()).unwrap()
}

#[test]
fn a_file_that_stays_as_it_is_is_not_told_of() {
    let scene = Scene::new();
    for strict in [false, true] {
        for (name, result, told) in scene.read_in_all_ways(None, strict) {
            result.unwrap();
            assert_eq!(told, 0, "{name}");
        }
    }
}

#[test]
fn a_change_brings_a_notice() {
    let scene = Scene::new();
    for (change, words) in CHANGES {
        for (name, result, told) in scene.read_in_all_ways(Some(change), false) {
            result.unwrap();
            assert_eq!(told, 1, "{name}: {words}");
        }
        let told = scene.told.lock().unwrap();
        assert!(told[0].0.contains(words), "{}", told[0].0);
        assert_eq!(told[0].1.as_ref(), Some(&scene.path));
    }
}

#[test]
fn a_change_is_a_failure_if_that_is_asked_for() {
    let scene = Scene::new();
    for (change, words) in CHANGES {
        for (name, result, told) in scene.read_in_all_ways(Some(change), true) {
            let error = failure(result);
            assert_eq!((error.kind(), told), (Kind::State, 0), "{name}: {error}");
            assert!(error.message().contains(words), "{name}: {error}");
            assert_eq!(error.path(), Some(&*scene.path));
        }
    }
    let left = tree(&scene.scratch.join("store"));
    assert!(!left.keys().any(|path| path.starts_with("host")), "no snapshot is made");
}
