//! Files into a store and out again: every kind of data in every role, with what it costs and how near that is to the
//! limit.
//!
//! Words of the command line choose among the cells: kinds of data, averages (`4MiB`, `64KiB`) and roles.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use pxds::hash::Hasher;
use pxds::index::Index;
use pxds::restore::Restorer;
use pxds::store::Store;
use serde_json::{Value, json};

use super::corpus::{self, Kind};
use super::measure::{machine, now, setting, write_json};
use super::run::{Action, Cost, Run, Stats, open_store};
use super::stages::Stages;
use super::{new_store, options};

/// Bytes of a file, at scale 1.
pub(crate) const SIZE: f64 = 1e9;

const AVERAGES: [(u64, &str); 2] = [(4 << 20, "4MiB"), (64 << 10, "64KiB")];

/// What part of the limit is to be reached at 4 MiB with two threads.
const BAR: f64 = 0.85;

/// What a run meets in the store, and how the data comes and goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The store is empty.
    New,
    /// It has the first generation, and the second comes.
    Second,
    /// It has all.
    Duplicate,
    NewSlices,
    DuplicateSlices,
    Restore,
    RestoreFile,
}

impl Role {
    const ALL: [Role; 7] = [
        Role::New,
        Role::Second,
        Role::Duplicate,
        Role::NewSlices,
        Role::DuplicateSlices,
        Role::Restore,
        Role::RestoreFile,
    ];

    /// Those that are run when none is named.
    const USUAL: [Role; 6] =
        [Role::New, Role::Second, Role::Duplicate, Role::DuplicateSlices, Role::Restore, Role::RestoreFile];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::New => "new",
            Role::Second => "second",
            Role::Duplicate => "duplicate",
            Role::NewSlices => "new-slices",
            Role::DuplicateSlices => "duplicate-slices",
            Role::Restore => "restore",
            Role::RestoreFile => "restore-file",
        }
    }

    fn action(self) -> Action {
        match self {
            Role::New | Role::Second | Role::Duplicate => Action::PutFd,
            Role::NewSlices | Role::DuplicateSlices => Action::PutSlices,
            Role::Restore => Action::GetToSink,
            Role::RestoreFile => Action::GetToFile,
        }
    }

    fn is_restore(self) -> bool {
        matches!(self, Role::Restore | Role::RestoreFile)
    }
}

/// Both generations of a file.
pub(crate) struct Files {
    pub(crate) kind: Kind,
    pub(crate) first: PathBuf,
    pub(crate) second: PathBuf,
}

impl Files {
    pub(crate) fn make(kind: Kind, len: u64, scratch: &Path) -> Self {
        let (first, second) = (scratch.join("first"), scratch.join("second"));
        corpus::write_both(kind, len, &first, &second).unwrap();
        Files { kind, first, second }
    }
}

/// A file in stores of its own, cut to one average.
pub(crate) struct Bench<'a> {
    files: &'a Files,
    avg: u64,
    scratch: PathBuf,
    empty: Store,
    /// Has the first generation.
    full: Store,
    /// The digests of its chunks.
    kept: HashSet<[u8; 32]>,
    stats: Stats,
    stages: Stages,
}

/// The runs of one role.
pub(crate) struct Cell {
    role: Role,
    threads: usize,
    costs: Vec<Cost>,
    /// What the run would take at the limit, in seconds.
    least: f64,
}

impl<'a> Bench<'a> {
    pub(crate) fn new(files: &'a Files, avg: u64, scratch: &Path) -> Self {
        let scratch = scratch.join(avg.to_string());
        fs::create_dir(&scratch).unwrap();
        let (empty, full) = (new_store(&scratch.join("empty")), new_store(&scratch.join("full")));
        let fixed = files.kind == Kind::Image;
        let put = Run {
            action: Action::PutFd,
            fixed,
            avg,
            threads: 1,
            store: full.path().into(),
            index: scratch.join("first.idx"),
            file: files.first.clone(),
        };
        let stats = put.measure().stats;
        let index = Index::open(&put.index, None).unwrap();
        check(&index, &full, &files.first);
        let kept = digests(&index);
        let stages = Stages::new(&files.first, &scratch, open_store(full.path()), avg, fixed);
        Bench { files, avg, scratch, empty, full, kept, stats, stages }
    }

    /// Runs every role with every number of threads, in rounds.
    pub(crate) fn measure(&mut self, roles: &[Role], threads: &[usize], rounds: usize) -> Vec<Cell> {
        let cell = |role, threads| Cell { role, threads, costs: Vec::new(), least: 0.0 };
        let mut cells: Vec<_> = roles.iter().flat_map(|&role| threads.iter().map(move |&n| cell(role, n))).collect();
        for _ in 0..rounds {
            self.stages.round(threads);
            for cell in &mut cells {
                cell.costs.push(self.run(cell.role, cell.threads));
            }
        }
        for cell in &mut cells {
            let stats = if cell.role.is_restore() { &self.stats } else { &cell.costs[0].stats };
            cell.least = self.stages.least_seconds(cell.role.action(), stats, cell.threads);
        }
        cells
    }

    fn run(&self, role: Role, threads: usize) -> Cost {
        let (store, file) = match role {
            Role::New | Role::NewSlices => (&self.empty, &self.files.first),
            Role::Second => (&self.full, &self.files.second),
            Role::Duplicate | Role::DuplicateSlices => (&self.full, &self.files.first),
            Role::Restore | Role::RestoreFile => (&self.full, &self.scratch.join("restored")),
        };
        let index = self.scratch.join(if role.is_restore() { "first.idx" } else { "new.idx" });
        let run = Run {
            action: role.action(),
            fixed: self.files.kind == Kind::Image,
            avg: self.avg,
            threads,
            store: store.path().into(),
            index,
            file: file.clone(),
        };
        let cost = run.measure();
        match role {
            Role::Restore => {}
            Role::RestoreFile => fs::remove_file(file).unwrap(),
            Role::New | Role::NewSlices => undo(&run.index, store, &HashSet::new()),
            _ => undo(&run.index, store, &self.kept),
        }
        cost
    }
}

impl Drop for Bench<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

pub(crate) fn digests(index: &Index) -> HashSet<[u8; 32]> {
    (0..index.count()).map(|i| index.chunk(i).unwrap().digest.0).collect()
}

/// Removes the chunks of `index` that are not among the `kept` ones, so that the next run finds what this one found.
fn undo(index: &Path, store: &Store, kept: &HashSet<[u8; 32]>) {
    for digest in digests(&Index::open(index, None).unwrap()).difference(kept) {
        fs::remove_file(store.chunks().chunk_path(&pxds::digest::Digest(*digest))).unwrap();
    }
}

/// Restores once and compares: what is fast and wrong is not measured.
fn check(index: &Index, store: &Store, file: &Path) {
    let (mut restored, mut original) = (Hasher::new(), Hasher::new());
    let mut take = |data: &[u8]| {
        restored.update(data);
        Ok(())
    };
    Restorer::new(store.chunks(), options::restore(1)).restore(index, &mut take).unwrap();
    let mut reader = std::fs::File::open(file).unwrap();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match std::io::Read::read(&mut reader, &mut buffer).unwrap() {
            0 => break,
            count => original.update(&buffer[..count]),
        }
    }
    assert_eq!(restored.digest(), original.digest(), "{} is restored", file.display());
}

/// Of the runs, the best one and the one in the middle.
struct Summary {
    best: Cost,
    median: Cost,
}

impl Cell {
    fn summary(&self) -> Summary {
        let mut costs = self.costs.clone();
        costs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        Summary { best: costs[0], median: costs[costs.len() / 2] }
    }

    pub(crate) fn reached(&self) -> f64 {
        self.least / self.summary().best.seconds
    }

    fn peak_rss(&self) -> u64 {
        self.costs.iter().map(|cost| cost.peak_rss).max().unwrap_or(0)
    }

    pub(crate) fn print(&self) {
        let Summary { best, median } = self.summary();
        let rate = |seconds: f64| best.stats.size as f64 / 1e6 / seconds;
        println!(
            "  {:<18}{:>3}{:>9.0}{:>9.0}{:>9.2}{:>9.0}{:>9.0}{:>8.2}",
            self.role.name(),
            self.threads,
            rate(best.seconds),
            rate(median.seconds),
            per_gb(&best),
            self.peak_rss() as f64 / (1 << 20) as f64,
            rate(self.least),
            self.reached(),
        );
    }

    pub(crate) fn to_json(&self, kind: Kind, avg: u64) -> Value {
        let Summary { best, median } = self.summary();
        let of = |cost: &Cost| json!({ "mb_s": mb_s(cost), "cpu_s_per_gb": per_gb(cost) });
        json!({
            "data": kind.name(), "avg": avg, "role": self.role.name(), "threads": self.threads,
            "size": best.stats.size, "chunks": best.stats.chunks, "new_bytes": best.stats.new_bytes,
            "stored": best.stats.stored, "best": of(&best), "median": of(&median), "peak_rss": self.peak_rss(),
            "limit_mb_s": best.stats.size as f64 / 1e6 / self.least, "reached": self.reached(),
        })
    }
}

fn mb_s(cost: &Cost) -> f64 {
    cost.stats.size as f64 / 1e6 / cost.seconds
}

/// Seconds of computing for 10^9 bytes.
pub(crate) fn per_gb(cost: &Cost) -> f64 {
    cost.cpu / (cost.stats.size as f64 / 1e9)
}

pub(crate) fn print_head() {
    println!(
        "  {:<18}{:>3}{:>9}{:>9}{:>9}{:>9}{:>9}{:>8}",
        "role", "thr", "MB/s", "median", "CPU s/GB", "MiB", "limit", "reached"
    );
}

/// Those of `all` that `words` name, or the `usual` ones if they name none.
fn chosen<T: Copy>(all: &[T], usual: &[T], name: impl Fn(T) -> &'static str, words: &[String]) -> Vec<T> {
    let named = |item: &&T| words.iter().any(|word| word == name(**item));
    let some: Vec<T> = all.iter().filter(named).copied().collect();
    if some.is_empty() { usual.to_vec() } else { some }
}

/// The numbers of threads that are compared.
const THREADS: [usize; 2] = [1, 2];

/// Whether the cells know this word.
pub(crate) fn is_word(word: &str) -> bool {
    Kind::from_name(word).is_some()
        || Role::ALL.iter().any(|role| role.name() == word)
        || AVERAGES.iter().any(|(_, name)| *name == word)
}

pub(crate) fn run(scratch: &Path, words: &[String]) {
    let len = (SIZE * setting("PXDS_BENCH_SCALE", 1.0)) as u64;
    let rounds = setting("PXDS_BENCH_ROUNDS", 3.0).max(1.0) as usize;
    let averages = chosen(&AVERAGES, &AVERAGES, |(_, name)| name, words);
    let roles = chosen(&Role::ALL, &Role::USUAL, Role::name, words);
    // Before it is disturbed by this.
    let machine = machine(scratch);
    println!("\npipeline: {} MB of each kind of data, {rounds} rounds, in {}", len / 1_000_000, scratch.display());
    let (mut groups, mut all) = (Vec::new(), Vec::new());
    for kind in chosen(&Kind::ALL, &Kind::USUAL, Kind::name, words) {
        let files = Files::make(kind, len, scratch);
        for &(avg, name) in &averages {
            let mut bench = Bench::new(&files, avg, scratch);
            let cells = bench.measure(&roles, &THREADS, rounds);
            println!("\n{}, average {name}; MB/s of the stages alone:\n{}", kind.name(), bench.stages.describe());
            print_head();
            cells.iter().for_each(Cell::print);
            groups.push(json!({ "data": kind.name(), "avg": avg, "stages": bench.stages.rates() }));
            all.extend(cells.into_iter().map(|cell| (kind, avg, cell)));
        }
    }
    judge(&all);
    let cells: Vec<_> = all.iter().map(|(kind, avg, cell)| cell.to_json(*kind, *avg)).collect();
    let json = json!({
        "bench": "pipeline", "version": env!("CARGO_PKG_VERSION"), "time": now(), "machine": machine, "size": len,
        "rounds": rounds, "stages": groups, "cells": cells,
    });
    write_json("pxds.json", &json);
}

/// Says which cells are below the bar.
fn judge(all: &[(Kind, u64, Cell)]) {
    let judged = all.iter().filter(|(_, avg, cell)| *avg == 4 << 20 && cell.threads == 2);
    let (mut count, mut below) = (0, Vec::new());
    for (kind, _, cell) in judged {
        count += 1;
        if cell.reached() < BAR {
            below.push(format!("{} {} {:.2}", kind.name(), cell.role.name(), cell.reached()));
        }
    }
    match (count, below.len()) {
        (0, _) => println!("\nnot judged: nothing was run at 4 MiB with two threads"),
        (_, 0) => println!("\nall {count} cells at 4 MiB with two threads reach {BAR} of the limit"),
        (_, n) => println!("\nbelow {BAR} of the limit, {n} of {count}: {}", below.join(", ")),
    }
}
