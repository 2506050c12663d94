//! One run in a process of its own, so that processor time and memory are its own too.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use pxds::base::SyncLevel;
use pxds::index::Index;
use pxds::ingest::{Image, Ingest, IngestStats, StoredIndex};
use pxds::restore::Restorer;
use pxds::store::{Store, StoreOptions};
use pxds::sys::CallerFd;
use serde_json::{Value, json};

use super::measure::{Clock, peak_rss};
use super::options;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Store what a descriptor gives.
    PutFd,
    /// Store what is in memory.
    PutSlices,
    /// Restore to nowhere; every digest is checked.
    GetToSink,
    /// Restore to a file.
    GetToFile,
}

impl Action {
    const ALL: [(Action, &'static str); 4] = [
        (Action::PutFd, "put-fd"),
        (Action::PutSlices, "put-slices"),
        (Action::GetToSink, "get-to-sink"),
        (Action::GetToFile, "get-to-file"),
    ];
}

/// A run and all that it needs.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) action: Action,
    /// Cut at equal distances.
    pub(crate) fixed: bool,
    pub(crate) avg: u64,
    pub(crate) threads: usize,
    pub(crate) store: PathBuf,
    /// Written by a put, read by a get.
    pub(crate) index: PathBuf,
    /// The file that is put, or that is written by a get.
    pub(crate) file: PathBuf,
}

/// What it took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) seconds: f64,
    pub(crate) cpu: f64,
    /// In bytes, without the input of [`Action::PutSlices`].
    pub(crate) peak_rss: u64,
    pub(crate) stats: Stats,
}

/// What was moved.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stats {
    pub(crate) size: u64,
    pub(crate) chunks: u64,
    pub(crate) new_bytes: u64,
    /// Bytes of the files of new chunks.
    pub(crate) stored: u64,
    /// Bytes of the files of all chunks, each counted as often as it came.
    pub(crate) encoded: u64,
}

impl Run {
    /// Runs in a new process.
    pub(crate) fn measure(&self) -> Cost {
        read_cost(this_program().arg("run").args(self.to_words()))
    }

    fn to_words(&self) -> Vec<String> {
        let (_, action) = Action::ALL.iter().find(|(action, _)| *action == self.action).unwrap();
        let path = |path: &Path| path.to_str().expect("the bench directory has a name in UTF-8").to_owned();
        vec![
            (*action).to_owned(),
            self.fixed.to_string(),
            self.avg.to_string(),
            self.threads.to_string(),
            path(&self.store),
            path(&self.index),
            path(&self.file),
        ]
    }

    fn from_words(words: &[String]) -> Option<Self> {
        let [action, fixed, avg, threads, store, index, file] = words else { return None };
        Some(Run {
            action: Action::ALL.iter().find(|(_, name)| name == action)?.0,
            fixed: fixed.parse().ok()?,
            avg: avg.parse().ok()?,
            threads: threads.parse().ok()?,
            store: store.into(),
            index: index.into(),
            file: file.into(),
        })
    }

    fn perform(&self) -> Cost {
        let store = open_store(&self.store);
        match self.action {
            Action::PutFd => {
                let file = File::open(&self.file).unwrap();
                timed(0, || self.save(self.put_fd(&store, &file)))
            }
            Action::PutSlices => {
                let data = std::fs::read(&self.file).unwrap();
                timed(data.len() as u64, || self.save(self.put_slices(&store, &data)))
            }
            Action::GetToSink | Action::GetToFile => {
                let index = Index::open(&self.index, None).unwrap();
                timed(0, || self.get(&store, &index))
            }
        }
    }

    fn put_fd(&self, store: &Store, file: &File) -> StoredIndex {
        let fd = CallerFd::new(file.as_raw_fd()).unwrap();
        if self.fixed {
            let mut image = Image::new(store.chunks(), None, options::image(self.avg, self.threads)).unwrap();
            image.read_fd(fd).unwrap();
            image.finish().unwrap()
        } else {
            let mut ingest = Ingest::new(store.chunks(), options::stream(self.avg, self.threads)).unwrap();
            ingest.read_fd(fd).unwrap();
            ingest.finish().unwrap()
        }
    }

    fn put_slices(&self, store: &Store, data: &[u8]) -> StoredIndex {
        if self.fixed {
            let options = options::image(self.avg, self.threads);
            let mut image = Image::new(store.chunks(), Some(data.len() as u64), options).unwrap();
            image.write(data).unwrap();
            image.finish().unwrap()
        } else {
            let mut ingest = Ingest::new(store.chunks(), options::stream(self.avg, self.threads)).unwrap();
            ingest.write(data).unwrap();
            ingest.finish().unwrap()
        }
    }

    fn save(&self, mut index: StoredIndex) -> Stats {
        let IngestStats { size, chunks, new_bytes, stored_bytes, compressed_bytes, .. } = index.stats();
        index.save(&self.index).unwrap();
        Stats { size, chunks, new_bytes, stored: stored_bytes, encoded: compressed_bytes }
    }

    fn get(&self, store: &Store, index: &Index) -> Stats {
        let mut restorer = Restorer::new(store.chunks(), options::restore(self.threads));
        match self.action {
            Action::GetToFile => restorer.restore_file(index, &self.file).unwrap(),
            _ => restorer.restore(index, &mut |_| Ok(())).unwrap(),
        }
        Stats { size: restorer.written(), chunks: index.count() as u64, ..Stats::default() }
    }
}

/// Opens a store whose chunks are not brought to the disk.
pub(crate) fn open_store(path: &Path) -> Store {
    Store::open(path, &StoreOptions { sync: SyncLevel::None, ..StoreOptions::default() }).unwrap()
}

/// Runs `work`, beside which this process holds `input` bytes.
pub(crate) fn timed(input: u64, work: impl FnOnce() -> Stats) -> Cost {
    let clock = Clock::start();
    let stats = work();
    let (seconds, cpu) = clock.stop();
    Cost { seconds, cpu, peak_rss: peak_rss().saturating_sub(input), stats }
}

/// This program, even if it has been built anew since it was started.
pub(crate) fn this_program() -> Command {
    Command::new("/proc/self/exe")
}

/// Runs a process that ends with [`print_cost`].
pub(crate) fn read_cost(command: &mut Command) -> Cost {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |name: &str| value[name].as_u64().unwrap();
    let seconds = |name: &str| value[name].as_f64().unwrap();
    let stats = Stats {
        size: number("size"),
        chunks: number("chunks"),
        new_bytes: number("new_bytes"),
        stored: number("stored"),
        encoded: number("encoded"),
    };
    Cost { seconds: seconds("seconds"), cpu: seconds("cpu"), peak_rss: number("peak_rss"), stats }
}

/// The other side of [`Run::measure`].
pub(crate) fn child(words: &[String]) {
    let run = Run::from_words(words).expect("the words of a run");
    print_cost(&run.perform());
}

/// Prints what [`read_cost`] reads.
pub(crate) fn print_cost(cost: &Cost) {
    let Cost { seconds, cpu, peak_rss, stats: Stats { size, chunks, new_bytes, stored, encoded } } = *cost;
    println!(
        "{}",
        json!({
            "seconds": seconds, "cpu": cpu, "peak_rss": peak_rss,
            "size": size, "chunks": chunks, "new_bytes": new_bytes, "stored": stored, "encoded": encoded,
        })
    );
}
